/* event_ttl.c - Events live for an hour after they were last written, as with kube-apiserver's
 * --event-ttl.
 *
 * Kubernetes has its store forget them by a lease; here a queue in the order of writing knows which
 * is next, and one timer is set for that one. A deletion looks at the revision it was planned for:
 * an Event written meanwhile stays.
 *
 * Invariant: the queue is ordered by due time, since every write moves its Event to the end with
 * the same delay. */
#include "api/api_internal.h"

#define EVENT_TTL_NS (3600 * NS_PER_S)
#define EVENT_DELETES_PER_TURN 256 /* the rest goes in the next turn of the loop */

struct pending {
    struct list link;
    mono_time due;
    int64_t revision;
    char *ns, *name;
};
struct event_ttl {
    struct api *api;
    struct store_watch *watch;
    struct loop_timer *timer;
    struct list queue;
    struct map by_name; /* "ns/name" -> struct pending */
};

static void pending_free(struct pending *p)
{
    list_del(&p->link);
    mem_free(p->ns);
    mem_free(p->name);
    mem_free(p);
}

static void arm(struct event_ttl *t)
{
    const struct pending *first;

    if (list_is_empty(&t->queue)) {
        loop_timer_stop(t->timer);
        return;
    }
    first = LIST_ITEM(t->queue.next, struct pending, link);
    loop_timer_set(t->timer, first->due.ns - loop_now(t->api->loop).ns);
}

static void note(struct event_ttl *t, const struct obj *o, bool deleted)
{
    char key[600];
    int n =
        snprintf(key, sizeof key, PRI_STR "/" PRI_STR, STR_ARG(o->key.ns), STR_ARG(o->key.name));
    struct pending *p;
    bool was_empty = list_is_empty(&t->queue);

    if (n <= 0 || (size_t)n >= sizeof key)
        return;
    p = map_find(&t->by_name, (str){key, (size_t)n});
    if (deleted) {
        if (p) {
            map_del(&t->by_name, (str){key, (size_t)n});
            map_shrink(&t->by_name);
            pending_free(p);
        }
        return;
    }
    if (p)
        list_del(&p->link);
    else {
        p = NEW(struct pending);
        p->ns = str_dupz(o->key.ns);
        p->name = str_dupz(o->key.name);
        map_put(&t->by_name, (str){key, (size_t)n}, p);
    }
    p->due.ns = loop_now(t->api->loop).ns + EVENT_TTL_NS;
    p->revision = o->revision;
    list_add_tail(&t->queue, &p->link);
    if (was_empty)
        arm(t);
}

static void on_event(void *ctx, const struct store_event *e)
{
    note(ctx, e->obj, e->type == STORE_DELETED);
}

static bool on_existing(void *ctx, const struct obj *o)
{
    note(ctx, o, false);
    return true;
}

struct expiry {
    int64_t revision;
};

static struct err *expire(void *ctx, struct arena *a, const struct obj *current, int64_t revision,
                          struct store_change *ret)
{
    const struct expiry *x = ctx;

    ret->op = STORE_KEEP;
    if (!current || current->revision != x->revision)
        return NULL;
    ret->op = STORE_DELETE;
    ret->data = object_with_revision(a, current->data, current->revision, revision);
    ret->uid = current->uid;
    ret->labels = current->labels;
    ret->fields = current->fields;
    return NULL;
}

static void expired(void *ctx, struct err *e, const struct obj *result)
{
    (void)result;
    if (e)
        log_warning("api", "an event stays longer than it should: %s", err_text(e));
    err_free(e);
    mem_free(ctx);
}

static void due(void *ctx)
{
    struct event_ttl *t = ctx;
    const struct kind *k = api_core(t->api, "events");
    int64_t now = loop_now(t->api->loop).ns;

    for (int i = 0; i < EVENT_DELETES_PER_TURN && !list_is_empty(&t->queue); i++) {
        struct pending *p = LIST_ITEM(t->queue.next, struct pending, link);
        struct expiry *x;
        char key[600];
        int n;

        if (p->due.ns > now)
            break;
        x = NEW(struct expiry);
        x->revision = p->revision;
        store_update(t->api->store, kind_key(k, str_of(p->ns), str_of(p->name)), expire, expired,
                     x);
        n = snprintf(key, sizeof key, "%s/%s", p->ns, p->name);
        map_del(&t->by_name, (str){key, (size_t)n});
        pending_free(p);
    }
    map_shrink(&t->by_name);
    arm(t);
}

struct err *event_ttl_new(struct api *api, struct event_ttl **ret)
{
    static const struct store_watch_events events = {.event = on_event};
    struct event_ttl *t = NEW(struct event_ttl);
    const struct kind *k = api_core(api, "events");

    t->api = api;
    list_init(&t->queue);
    map_init(&t->by_name);
    t->timer = loop_timer_new(api->loop, due, t);
    *ret = t;
    store_each(api->store, k->r->storage_resource, S(""), NULL, on_existing, t);
    return store_watch(api->store, k->r->storage_resource, S(""), store_revision(api->store),
                       &events, t, &t->watch);
}

void event_ttl_free(struct event_ttl *t)
{
    if (!t)
        return;
    if (t->watch)
        store_watch_close(t->watch);
    while (!list_is_empty(&t->queue))
        pending_free(LIST_ITEM(t->queue.next, struct pending, link));
    map_fini(&t->by_name);
    loop_timer_free(t->timer);
    mem_free(t);
}
