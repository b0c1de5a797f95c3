/* crd.c - CustomResourceDefinitions at work: which kinds are served.
 *
 * Everything happens on the API's loop: a store watch tells of definitions, the served kinds follow at once, and one pass (work) brings
 * the status of those that are due into line. A definition is due when it has changed, and when names that it wanted may be free.
 *
 * Invariants
 *   (1) Kinds are served only of definitions whose stored status says Established.
 *
 * Not here: the rules for definitions (crd_rules.c), what a definition makes of itself (crd_kind.c), status and deletion (crd_status.c),
 * values by their schema (schema/crd*.c). */
#include "api/apiservices.h"
#include "api/crd_internal.h"

size_t crds_count(const struct crds *c)
{
    return c ? c->n : 0;
}

const struct kind *crds_at(const struct crds *c, size_t i)
{
    return c->served[i];
}

static str path_of(struct arena *a, const struct kind *k)
{
    return arena_fmt(a, PRI_STR "/" PRI_STR "/" PRI_STR, STR_ARG(k->r->group),
                     STR_ARG(k->r->version), STR_ARG(k->r->plural));
}

static void publish(struct crds *c)
{
    struct arena *a = arena_new();
    size_t n = 0;

    for (size_t i = 0; i < c->n; i++)
        map_del(&c->api->kind_by_path, path_of(a, c->served[i]));
    mem_free(c->served);
    MAP_EACH(e, &c->entries) {
        const struct crd_entry *x = e->value;

        n += x->set ? x->set->n : 0;
    }
    c->served = mem_zalloc((n + 1) * sizeof *c->served);
    c->n = 0;
    MAP_EACH(e, &c->entries) {
        const struct crd_entry *x = e->value;

        for (size_t i = 0; x->set && i < x->set->n; i++) {
            const struct kind *k = &x->set->kinds[i].kind;

            if (!map_find(&c->api->kind_by_path, path_of(a, k))) { /* what is built in stays so */
                map_put(&c->api->kind_by_path, path_of(a, k), (void *)(uintptr_t)k);
                c->served[c->n++] = k;
            }
        }
    }
    sort_with(c->served, c->n, sizeof *c->served, crd_kind_cmp, NULL);
    arena_free(a);
    apiservices_kinds_changed(c->api->apiservices);
    discovery_again(c->api);
}

bool crds_hash(const struct crds *c, const str *group, const str *version, char ret[65])
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    for (size_t i = 0; i < crds_count(c); i++) {
        const struct custom_kind *k = CONTAINER_OF(c->served[i], struct custom_kind, kind);
        const struct crd_entry *x = map_find(&c->entries, k->set->resource);

        if (x && (!group ||
                  (str_eq(k->resource.group, *group) && str_eq(k->resource.version, *version))))
            buf_fmt(&b, PRI_STR " %s ", STR_ARG(k->set->resource), x->hash);
    }
    if (!b.n)
        return false;
    sha256_hex(buf_view(&b), ret);
    for (char *p = ret; *p; p++)
        if (*p >= 'a')
            *p = (char)(*p - 32);
    return true;
}

/* ---- the pass ---- */

void crd_due(struct crd_entry *x)
{
    x->due = true;
    loop_timer_set(x->crds->timer, 0);
}

/* Names may have become free. */
static void conflicts_due(struct crds *c, str group)
{
    MAP_EACH(e, &c->entries) {
        struct crd_entry *x = e->value;

        if (x->names.conflict && str_eq(x->names.group, group))
            crd_due(x);
    }
}

/* What is served of a definition follows from these parts of it. */
static str made_from(struct arena *a, const struct json *crd)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    const struct json *parts[] = {json_findz(crd, "spec"),
                                  json_at(crd, "status", "acceptedNames", NULL),
                                  json_at(crd, "status", "storedVersions", NULL),
                                  json_at(crd, "metadata", "deletionTimestamp", NULL)};

    if (!crd_condition_is(crd, "Established"))
        return S("");
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i])
            json_encode(&b, parts[i]);
        buf_char(&b, '\n');
    }
    return arena_dup(a, buf_view(&b));
}

/* Serves what the stored version says. */
static void serve(struct crds *c, struct crd_entry *x)
{
    struct arena *a = arena_new();
    str from = made_from(a, object_parse(a, x->obj->data));
    struct crd_set *old = x->set;
    char hash[65] = "";
    bool changed;

    if (from.n)
        sha256_hex(from, hash);
    changed = strcmp(hash, x->hash) != 0;

    if (changed) {
        x->set = from.n ? crd_set_new(x->obj) : NULL;
        memcpy(x->hash, hash, sizeof hash);
        publish(c);
        if (old)
            watch_close_resource(c->api, x->obj->key.name);
        crd_set_unref(old);
    }
    arena_free(a);
}

static void work(void *ctx)
{
    struct crds *c = ctx;

    MAP_EACH(e, &c->entries) {
        struct crd_entry *x = e->value;

        if (!x->due || x->busy)
            continue; /* a write's end looks again */
        if (x->set ? x->set->terminating : false)
            crd_instances_remove(x);
        crd_status_write(x);
    }
}

static void entry_free(struct crd_entry *x)
{
    if (x->watch)
        store_watch_close(x->watch);
    crd_set_unref(x->set);
    crd_names_fini(&x->names);
    obj_unref(x->obj);
    mem_free(x);
}

static void entry_gone(struct crds *c, str name)
{
    struct crd_entry *x = map_find(&c->entries, name);
    struct arena *a = arena_new();
    str group;

    if (x) {
        group = arena_dup(a, x->names.group);
        map_del(&c->entries, name);
        publish(c);
        watch_close_resource(c->api, name);
        entry_free(x);
        conflicts_due(c, group);
    }
    arena_free(a);
}

static void on_event(void *ctx, const struct store_event *e)
{
    struct crds *c = ctx;
    struct crd_entry *x = map_find(&c->entries, e->obj->key.name);
    struct arena *a = arena_new();

    if (e->type == STORE_DELETED) {
        entry_gone(c, e->obj->key.name);
    } else {
        if (!x) {
            x = NEW(struct crd_entry);
            x->crds = c;
            map_put(&c->entries, e->obj->key.name, x);
        }
        obj_unref(x->obj);
        x->obj = obj_ref(e->obj);
        crd_names_fill(&x->names, object_parse(a, x->obj->data));
        serve(c, x);
        crd_due(x);
        conflicts_due(c, x->names.group);
    }
    arena_free(a);
}

static bool on_existing(void *ctx, const struct obj *o)
{
    const struct store_event e = {.type = STORE_CREATED, .obj = o};

    on_event(ctx, &e);
    return true;
}

struct err *crds_new(struct api *api, struct crds **ret)
{
    static const struct store_watch_events events = {.event = on_event};
    struct crds *c = NEW(struct crds);
    struct err *e;

    c->api = api;
    c->kind =
        api_find_kind(api, S("apiextensions.k8s.io"), S("v1"), S("customresourcedefinitions"));
    BUG_ON(!c->kind);
    map_init(&c->entries);
    list_init(&c->writes);
    c->timer = loop_timer_new(api->loop, work, c);
    *ret = c;
    store_each(api->store, c->kind->r->storage_resource, S(""), NULL, on_existing, c);
    e = store_watch(api->store, c->kind->r->storage_resource, S(""), store_revision(api->store),
                    &events, c, &c->watch);
    return e ? err_note(e, "watching custom resource definitions") : NULL;
}

void crds_free(struct crds *c)
{
    if (!c)
        return;
    if (c->watch)
        store_watch_close(c->watch);
    loop_timer_free(c->timer);
    crd_writes_forget(c);
    MAP_EACH(e, &c->entries)
        entry_free(e->value);
    map_fini(&c->entries);
    mem_free(c->served);
    mem_free(c);
}
