/* authz.c - may this user do that? Masters may everything; then nodes by what runs on them; then
 * RBAC.
 *
 * API: https://kubernetes.io/docs/reference/access-authn-authz/authorization/, .../node/ */
#include "api/api_internal.h"

static const str node_prefix = STR("system:node:");

static str node_of(const struct user *u)
{
    if (!str_has_prefix(u->name, node_prefix))
        return STR_NONE;
    for (size_t i = 0; i < u->n_groups; i++)
        if (str_is(u->groups[i], "system:nodes"))
            return str_skip(u->name, node_prefix.n);
    return STR_NONE;
}

/* Is the name mentioned under one of these members anywhere in the pod's spec? */
static bool mentions(const struct json *v, const char *const *members, str name)
{
    JSON_EACH(i, v)
        if (mentions(i, members, name))
            return true;
    JSON_EACH_MEMBER(m, v) {
        for (size_t k = 0; members[k]; k++)
            if (str_is(m->key, members[k])) {
                const struct json *n = json_findz(&m->value, "name");

                if (!n)
                    n = json_findz(&m->value, "secretName");
                if (!n)
                    n = json_findz(&m->value, "claimName");
                if (json_is(n, JSON_STRING) && str_eq(n->s, name))
                    return true;
                JSON_EACH(i, &m->value)
                    if (str_eq(json_str(json_findz(i, "name")), name))
                        return true;
            }
        if (mentions(&m->value, members, name))
            return true;
    }
    return false;
}

struct pod_search {
    str node, name;
    const char *const *members;
    bool found;
};

static bool search_pod(void *ctx, const struct obj *o)
{
    struct pod_search *s = ctx;
    struct arena *a;
    str on;

    if (!packed_get(o->fields, S("spec.nodeName"), &on) || !str_eq(on, s->node))
        return true;
    a = arena_new();
    s->found =
        mentions(json_findz(object_parse(a, arena_dup(a, o->data)), "spec"), s->members, s->name);
    arena_free(a);
    return !s->found;
}

/* A node may read what its pods refer to, by name; everything else as the role system:node says. */
static bool node_allows(struct api *api, struct arena *a, str node, const struct access *x,
                        str *ret_reason)
{
    static const char *const secrets[] = {
        "secret", "secretRef", "secretKeyRef", "imagePullSecrets", "nodePublishSecretRef", NULL};
    static const char *const maps[] = {"configMap", "configMapRef", "configMapKeyRef", NULL};
    static const char *const claims[] = {"persistentVolumeClaim", NULL};
    static const struct {
        const char *resource;
        const char *const *members;
    } graph[] = {{"secrets", secrets}, {"configmaps", maps}, {"persistentvolumeclaims", claims}};

    for (size_t i = 0; x->is_resource && !x->group.n && i < ARRAY_LEN(graph); i++)
        if (str_is(x->resource, graph[i].resource) && !x->subresource.n) {
            struct pod_search s = {.node = node, .name = x->name, .members = graph[i].members};
            bool reading =
                str_is(x->verb, "get") || str_is(x->verb, "list") || str_is(x->verb, "watch");

            if (!reading || !x->name.n) {
                *ret_reason =
                    reading ? S("No Object name found") : S("can only read resources of this type");
                return false;
            }
            store_each(api->store, api_core(api, "pods")->r->storage_resource, x->ns, NULL,
                       search_pod, &s);
            if (!s.found)
                *ret_reason =
                    arena_fmt(a, "no relationship found between node '" PRI_STR "' and this object",
                              STR_ARG(node));
            return s.found;
        }
    return rbac_role_allows(api->rbac, a, S("system:node"), x);
}

bool authz_allows(struct api *api, struct arena *a, const struct user *u, const struct access *x,
                  str *ret_reason)
{
    str node, reason = S("");

    if (ret_reason)
        *ret_reason = S("");
    if (u->masters)
        return true;
    node = node_of(u);
    if (node.n && node_allows(api, a, node, x, &reason))
        return true;
    if (rbac_allows(api->rbac, a, u, x, ret_reason))
        return true;
    if (ret_reason)
        *ret_reason = reason;
    return false;
}

struct err *err_access_denied(struct arena *a, const struct user *u, const struct access *x,
                              str why)
{
    str resource = x->subresource.n ? arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(x->resource),
                                                STR_ARG(x->subresource))
                                    : x->resource;
    str full, where;
    struct err *e;

    if (!x->is_resource)
        return err_details(err_new(REASON_FORBIDDEN,
                                   "forbidden: User \"" PRI_STR "\" cannot " PRI_STR
                                   " path \"" PRI_STR "\"",
                                   STR_ARG(u->name), STR_ARG(x->verb), STR_ARG(x->path)),
                           S(""), S(""), S(""));
    full = x->group.n ? arena_fmt(a, PRI_STR "." PRI_STR, STR_ARG(x->resource), STR_ARG(x->group))
                      : x->resource;
    where = x->ns.n ? arena_fmt(a, "in the namespace \"" PRI_STR "\"", STR_ARG(x->ns))
                    : S("at the cluster scope");
    if (x->name.n)
        e = err_new(REASON_FORBIDDEN,
                    PRI_STR " \"" PRI_STR "\" is forbidden: User \"" PRI_STR "\" cannot " PRI_STR
                            " resource \"" PRI_STR "\" in API group \"" PRI_STR "\" " PRI_STR,
                    STR_ARG(full), STR_ARG(x->name), STR_ARG(u->name), STR_ARG(x->verb),
                    STR_ARG(resource), STR_ARG(x->group), STR_ARG(where));
    else
        e = err_new(REASON_FORBIDDEN,
                    PRI_STR " is forbidden: User \"" PRI_STR "\" cannot " PRI_STR
                            " resource \"" PRI_STR "\" in API group \"" PRI_STR "\" " PRI_STR,
                    STR_ARG(full), STR_ARG(u->name), STR_ARG(x->verb), STR_ARG(resource),
                    STR_ARG(x->group), STR_ARG(where));
    if (why.n) {
        str all = arena_fmt(a, "%s: " PRI_STR, err_text(e), STR_ARG(why));

        mem_free(e->message);
        e->message = str_dupz(all);
    }
    return err_details(e, x->group, x->resource, x->name);
}

struct access access_of(const struct req *q)
{
    const struct route *r = &q->route;

    if (!r->is_resource)
        return (struct access){.verb = r->verb, .path = r->path};
    return (struct access){.is_resource = true,
                           .verb = r->verb,
                           .group = r->group,
                           .version = r->version,
                           .resource = r->resource,
                           .subresource = r->subresource,
                           .name = r->name.n ? r->name : r->selected_name,
                           .ns = r->ns,
                           .path = r->path};
}

struct err *authz_request(struct req *q)
{
    struct access x;
    str why;

    if (q->user->masters)
        return NULL;
    x = access_of(q);
    if (authz_allows(q->api, q->a, q->user, &x, &why))
        return NULL;
    q->nosniff = true;
    return err_access_denied(q->a, q->user, &x, why);
}
