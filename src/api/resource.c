/* resource.c - which kinds are served: the schema's resources joined with their hooks.
 *
 * The one place where a path's group, version and plural become a kind. Kinds made at run time (custom resources, crd.c) are
 * found by the same functions. */
#include "api/api_internal.h"
#include "api/apiservices.h"
#include "api/crd.h"

#include "api/validation/validation.h"

#define KIND_PATH_MAX 512 /* bytes of "group/version/plural" */

static size_t kind_path(char *p, str group, str version, str plural)
{
    size_t n = group.n + version.n + plural.n + 2;

    if (n > KIND_PATH_MAX)
        return 0;
    if (group.n) /* the core group's name may have no bytes to point at */
        memcpy(p, group.p, group.n);
    p[group.n] = '/';
    if (version.n)
        memcpy(p + group.n + 1, version.p, version.n);
    p[group.n + 1 + version.n] = '/';
    if (plural.n)
        memcpy(p + group.n + version.n + 2, plural.p, plural.n);
    return n;
}

const struct kind *api_find_kind(struct api *api, str group, str version, str plural)
{
    char path[KIND_PATH_MAX];
    size_t n = kind_path(path, group, version, plural);

    return n ? map_find(&api->kind_by_path, (str){path, n}) : NULL;
}

const struct kind *api_find_kind_by_name(struct api *api, str group, str version, str kind)
{
    for (size_t i = 0; i < api_kind_count(api); i++) {
        const struct resource *r = api_kind_at(api, i)->r;

        if (str_eq(r->kind, kind) && str_eq(r->group, group) && str_eq(r->version, version))
            return api_kind_at(api, i);
    }
    return NULL;
}

size_t api_kind_count(struct api *api)
{
    return api->n_kinds + crds_count(api->crds);
}

const struct kind *api_kind_at(struct api *api, size_t i)
{
    return i < api->n_kinds ? &api->kinds[i] : crds_at(api->crds, i - api->n_kinds);
}

const struct kind *api_core(struct api *api, const char *plural)
{
    const struct kind *k = api_find_kind(api, S(""), S("v1"), str_of(plural));

    BUG_ON(!k);
    return k;
}

bool api_group_is_served(struct api *api, str group, str version)
{
    const struct apiservice *s;

    for (size_t i = 0; i < api_kind_count(api); i++) {
        const struct resource *r = api_kind_at(api, i)->r;

        if (str_eq(r->group, group) && (!version.n || str_eq(r->version, version)))
            return true;
    }
    for (size_t i = 0; (s = apiservices_remote_at(api, i)) != NULL; i++)
        if (str_eq(s->group, group) && (!version.n || str_eq(s->version, version)))
            return true;
    return false;
}

const struct subresource *kind_find_sub(const struct kind *k, str name)
{
    for (size_t i = 0; i < k->r->n_subresources; i++)
        if (str_eq(k->r->subresources[i].name, name))
            return &k->r->subresources[i];
    return NULL;
}

struct key kind_key(const struct kind *k, str ns, str name)
{
    return (struct key){k->r->storage_resource, k->r->namespaced ? ns : S(""), name};
}

static void kind_fill(struct api *api, struct kind *k, const struct resource *r)
{
    struct arena *a = api->arena;

    k->r = r;
    k->hooks = kind_hooks_find(r->group, r->plural);
    k->rules = validation_find(r->group, r->plural);
    k->columns = columns_find(r->group, r->plural);
    k->api_version = r->group.n
                         ? arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(r->group), STR_ARG(r->version))
                         : r->version;
    k->head = arena_fmt(a, "{\"kind\":\"" PRI_STR "\",\"apiVersion\":\"" PRI_STR "\"",
                        STR_ARG(r->kind), STR_ARG(k->api_version));
    k->status_name = r->group.n
                         ? arena_fmt(a, PRI_STR "." PRI_STR, STR_ARG(r->plural), STR_ARG(r->group))
                         : r->plural;
    k->has_status = kind_find_sub(k, S("status")) != NULL;
    k->has_scale = kind_find_sub(k, S("scale")) != NULL;
}

/* The kind in whose version the objects of k are kept. A storage version that is not served keeps a
 * row of its own. */
static const struct kind *storage_kind(struct api *api, struct kind *k)
{
    const struct resource *r = schema_find_storage(k->r);
    struct kind *s;

    if (r == k->r)
        return k;
    for (size_t i = 0; i < api->n_kinds; i++)
        if (api->kinds[i].r == r)
            return &api->kinds[i];
    s = ARENA_NEW(api->arena, struct kind);
    kind_fill(api, s, r);
    s->storage = s;
    return s;
}

void api_kinds_init(struct api *api)
{
    char path[KIND_PATH_MAX];

    map_init(&api->kind_by_path);
    api->kinds = ARENA_NEW_N(api->arena, struct kind, schema_n_resources);
    for (size_t i = 0; i < schema_n_resources; i++) {
        const struct resource *r = &schema_resources[i];

        if (r->legacy && !api->o.legacy_apis)
            continue;
        kind_fill(api, &api->kinds[api->n_kinds++], r);
    }
    for (size_t i = 0; i < api->n_kinds; i++) {
        struct kind *k = &api->kinds[i];
        size_t n = kind_path(path, k->r->group, k->r->version, k->r->plural);

        k->storage = storage_kind(api, k);
        BUG_ON(!n);
        map_put(&api->kind_by_path, (str){path, n}, k);
    }
}
