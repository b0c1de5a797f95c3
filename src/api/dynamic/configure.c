/* configure.c - the webhooks that are configured: parsed once per version, kept current by store watches.
 *
 * Configurations are in the order of their names, their webhooks as they are written. A version lives as long as a call of
 * it is out. */
#include "api/dynamic/policy.h"

static const char *const plurals[N_CONFIGURED] = {
    [CONFIGURED_MUTATING] = "mutatingwebhookconfigurations",
    [CONFIGURED_VALIDATING] = "validatingwebhookconfigurations",
};

void webhooks_unref(struct webhooks *w)
{
    if (!w || --w->refs)
        return;
    for (size_t i = 0; i < w->n; i++)
        scope_fini(&w->list[i].scope);
    arena_free(w->arena);
}

/* ---- from the object ---- */

static enum review_version review_of(const struct json *versions)
{
    JSON_EACH(v, versions) {
        if (str_is(json_str(v), "v1"))
            return REVIEW_V1;
        if (str_is(json_str(v), "v1beta1"))
            return REVIEW_V1BETA1;
    }
    return REVIEW_UNKNOWN;
}

static void webhook_fill(struct webhooks *of, struct webhook *h, const struct json *v, unsigned n)
{
    /* n makes the id unique: names need not be. */
    struct arena *a = of->arena;
    str side = json_get_str(v, "sideEffects");

    h->of = of;
    h->name = json_get_str(v, "name");
    h->id = arena_fmt(a, PRI_STR "/" PRI_STR "/%u", STR_ARG(of->name), STR_ARG(h->name), n);
    h->match = matcher_of(a, v, "rules");
    h->ignore_failure = str_is(json_get_str(v, "failurePolicy"), "Ignore");
    h->reinvoke = str_is(json_get_str(v, "reinvocationPolicy"), "IfNeeded");
    h->dry_run_ok = str_is(side, "None") || str_is(side, "NoneOnDryRun");
    h->review = review_of(json_findz(v, "admissionReviewVersions"));
    h->timeout_ns = json_get_int(v, "timeoutSeconds", WEBHOOK_TIMEOUT_S) * NS_PER_S;
    h->client_config = json_findz(v, "clientConfig");
    conditions_compile(h, json_findz(v, "matchConditions"));
}

static struct webhooks *webhooks_parse(const struct obj *o, bool mutating)
{
    struct arena *a = arena_new();
    struct webhooks *w = ARENA_NEW(a, struct webhooks);
    const struct json *list = json_findz(object_parse(a, arena_dup(a, o->data)), "webhooks");

    w->refs = 1;
    w->arena = a;
    w->name = arena_dup(a, o->key.name);
    w->list = ARENA_NEW_N(a, struct webhook, json_count(list) + 1);
    JSON_EACH(v, list) {
        webhook_fill(w, &w->list[w->n], v, (unsigned)w->n);
        w->list[w->n].mutating = mutating;
        w->n++;
    }
    return w;
}

/* ---- keeping current ---- */

static void changed(struct configured *c, const struct obj *o, bool deleted)
{
    struct webhooks *fresh = deleted ? NULL : webhooks_parse(o, c->what == CONFIGURED_MUTATING),
                    *old = deleted ? tree_del(c->by_name, o->key.name)
                                   : tree_put(c->by_name, o->key.name, fresh);

    c->d->api->n_dynamic += (fresh ? fresh->n : 0) - (old ? old->n : 0);
    webhooks_unref(old);
}

static void on_event(void *ctx, const struct store_event *e)
{
    changed(ctx, e->obj, e->type == STORE_DELETED);
}

static bool on_existing(void *ctx, const struct obj *o)
{
    changed(ctx, o, false);
    return true;
}

static struct err *configured_open(struct configured *c, const char *plural)
{
    static const struct store_watch_events events = {.event = on_event};
    struct api *api = c->d->api;
    const struct kind *k =
        api_find_kind(api, S("admissionregistration.k8s.io"), S("v1"), str_of(plural));
    struct err *e;

    BUG_ON(!k);
    c->by_name = tree_new();
    store_each(api->store, k->r->storage_resource, S(""), NULL, on_existing, c);
    e = store_watch(api->store, k->r->storage_resource, S(""), store_revision(api->store), &events,
                    c, &c->watch);
    return e ? err_note(e, "watching %s", plural) : NULL;
}

struct err *dynamic_new(struct api *api, struct dynamic **ret)
{
    struct dynamic *d = NEW(struct dynamic);
    struct err *e = NULL;

    d->api = api;
    list_init(&d->queue);
    list_init(&d->waits);
    d->turn = calls_turn_new(d);
    *ret = d;
    for (int i = 0; !e && i < N_CONFIGURED; i++) {
        d->configured[i] = (struct configured){.d = d, .what = i};
        e = configured_open(&d->configured[i], plurals[i]);
    }
    return e ? e : policies_open(d);
}

static void configured_close(struct configured *c)
{
    if (c->watch)
        store_watch_close(c->watch);
    if (!c->by_name)
        return;
    for (const struct tree_node *n = tree_first_from(c->by_name, S("")); n; n = tree_next(n))
        webhooks_unref(tree_value(n));
    tree_free(c->by_name);
}

void dynamic_free(struct dynamic *d)
{
    if (!d)
        return;
    for (int i = 0; i < N_CONFIGURED; i++)
        configured_close(&d->configured[i]);
    policies_close(d);
    loop_timer_free(d->turn);
    mem_free(d);
}
