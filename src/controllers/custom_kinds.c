/* custom_kinds.c - the kinds that are not built in, and those of them that CustomResourceDefinitions define: see custom_kinds.h.
 *
 * A kind is looked at in the version that is stored, where that is served: then no conversion webhook is asked. */
#include "controllers/custom_kinds.h"

struct custom_kinds {
    struct informer *definitions;
    struct aggregated_kinds *aggregated;
    struct map kinds; /* "widgets.example.com" -> struct custom_kind */
    struct custom_kinds_handler h;
    void *ctx;
};

static bool is_established(const struct json *crd)
{
    JSON_EACH(c, json_path(crd, "status.conditions"))
        if (str_is(json_get_str(c, "type"), "Established"))
            return str_is(json_get_str(c, "status"), "True");
    return false;
}

static void put_definition(struct custom_kinds *c, const struct json *crd)
{
    struct arena *a = arena_new();
    const struct json *names = json_path(crd, "status.acceptedNames");
    struct json *versions = json_new(a, json_array());
    struct resource r = {.group = arena_dup(a, json_get_str(crd, "spec.group")),
                         .kind = arena_dup(a, json_get_str(names, "kind")),
                         .plural = arena_dup(a, json_get_str(names, "plural")),
                         .storage_resource = arena_dup(a, json_get_str(crd, "metadata.name")),
                         .namespaced = str_is(json_get_str(crd, "spec.scope"), "Namespaced"),
                         .verbs = VERBS_ALL,
                         .custom = true};

    JSON_EACH(v, json_path(crd, "spec.versions")) {
        str name = arena_dup(a, json_get_str(v, "name"));

        if (!json_get_bool(v, "served", false))
            continue;
        json_append(a, versions, json_string(name));
        if (!r.version.n || json_get_bool(v, "storage", false))
            r.version = name;
    }
    custom_kinds_put(c, r.storage_resource, &r, versions, false, a);
}

static bool same(const struct resource *x, const struct resource *y)
{
    return str_eq(x->group, y->group) && str_eq(x->version, y->version) &&
           str_eq(x->plural, y->plural) && str_eq(x->kind, y->kind) &&
           x->namespaced == y->namespaced;
}

static void gone(struct custom_kinds *c, struct custom_kind *k, bool deleted)
{
    if (!k || !k->served)
        return;
    k->served = false;
    c->h.gone(c->ctx, k, deleted);
}

void custom_kinds_put(struct custom_kinds *c, str name, const struct resource *r,
                      struct json *versions, bool remote, struct arena *a)
{
    struct custom_kind *k = map_find(&c->kinds, name);
    struct arena *old;
    bool is_new;

    if (!k) {
        k = NEW(struct custom_kind);
        map_put(&c->kinds, name, k);
    }
    is_new = !k->served || !same(&k->resource, r);
    if (is_new || !r->version.n)
        gone(c, k, false);
    old = k->arena;
    k->arena = a;
    k->resource = *r;
    k->versions = versions;
    k->remote = remote;
    if (is_new && r->version.n) {
        k->served = true;
        c->h.served(c->ctx, k);
    }
    if (old)
        arena_free(old);
}

void custom_kinds_drop(struct custom_kinds *c, str name, bool deleted)
{
    gone(c, map_find(&c->kinds, name), deleted);
}

static void on_changed(void *ctx, const struct obj *obj, const struct obj *prev)
{
    struct custom_kinds *c = ctx;
    struct arena *a = arena_new();
    struct json *crd = NULL;

    if (obj)
        err_free(json_parse(a, obj->data, NULL, NULL, &crd));
    if (crd && is_established(crd))
        put_definition(c, crd);
    else
        custom_kinds_drop(c, (obj ? obj : prev)->key.name, !obj);
    arena_free(a);
}

static void on_synced(void *ctx)
{
    struct custom_kinds *c = ctx;

    c->h.synced(c->ctx);
}

struct custom_kinds *custom_kinds_new(struct client *client, const struct custom_kinds_handler *h,
                                      void *ctx)
{
    static const struct informer_handler handler = {.changed = on_changed, .synced = on_synced};
    struct custom_kinds *c = NEW(struct custom_kinds);

    c->h = *h;
    c->ctx = ctx;
    map_init(&c->kinds);
    c->definitions =
        informer_new(client, &(struct informer_options){.group = S("apiextensions.k8s.io"),
                                                        .version = S("v1"),
                                                        .plural = S("customresourcedefinitions")});
    informer_add_handler(c->definitions, &handler, c);
    informer_start(c->definitions);
    c->aggregated = aggregated_kinds_new(client, c);
    return c;
}

void custom_kinds_free(struct custom_kinds *c)
{
    if (!c)
        return;
    informer_free(c->definitions);
    aggregated_kinds_free(c->aggregated);
    MAP_EACH(e, &c->kinds) {
        struct custom_kind *k = e->value;

        if (k->arena)
            arena_free(k->arena);
        mem_free(k);
    }
    map_fini(&c->kinds);
    mem_free(c);
}

struct custom_kind *custom_kinds_find(struct custom_kinds *c, str group, str version, str kind)
{
    MAP_EACH(e, &c->kinds) {
        struct custom_kind *k = e->value;

        if (!k->served || !str_eq(k->resource.kind, kind) || !str_eq(k->resource.group, group))
            continue;
        JSON_EACH(v, k->versions)
            if (str_eq(json_str(v), version))
                return k;
    }
    return NULL;
}

struct custom_kind *custom_kinds_named(struct custom_kinds *c, str name)
{
    struct custom_kind *k = map_find(&c->kinds, name);

    return k && k->served ? k : NULL;
}

void custom_kinds_each(struct custom_kinds *c, void (*fn)(void *ctx, struct custom_kind *k),
                       void *ctx)
{
    MAP_EACH(e, &c->kinds) {
        struct custom_kind *k = e->value;

        if (k->served)
            fn(ctx, k);
    }
}
