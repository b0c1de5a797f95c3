/* authz.c - may this user do that? Masters may everything; then the authorizers are asked in their order: unless it is said
 * otherwise nodes by what runs on them (node_authorizer.c), then RBAC (rbac.c). The first that allows it decides.
 *
 * API: https://kubernetes.io/docs/reference/access-authn-authz/authorization/, .../node/ */
#include "api/api_internal.h"

static bool ask(struct api *api, enum authz_mode mode, struct arena *a, const struct user *u,
                const struct access *x, str *ret_allowed, str *ret_denied)
{
    str node;

    switch (mode) {
    case AUTHZ_NODE:
        node = node_of_user(u);
        return node.n && node_authorizer_allows(api->nodes, a, node, x, ret_denied);
    case AUTHZ_RBAC:
        return rbac_allows(api->rbac, a, u, x, ret_allowed);
    case AUTHZ_ALWAYS_ALLOW:
        return true;
    case AUTHZ_ALWAYS_DENY:
        *ret_denied = S("Everything is forbidden.");
        return false;
    case AUTHZ_NONE:
        break;
    }
    return false;
}

/* The reasons may be NULL: why it is allowed is a text that few want. */
static bool decide(struct api *api, struct arena *a, const struct user *u, const struct access *x,
                   str *ret_allowed, str *ret_denied)
{
    str why = S("");

    if (u->masters)
        return true;
    for (size_t i = 0; i < api->authz.n; i++) {
        str reason = S("");

        if (ask(api, api->authz.modes[i], a, u, x, ret_allowed, &reason))
            return true;
        if (reason.n && ret_denied)
            why =
                why.n ? arena_fmt(a, PRI_STR "\n" PRI_STR, STR_ARG(why), STR_ARG(reason)) : reason;
    }
    if (ret_denied)
        *ret_denied = why;
    return false;
}

struct err *authz_new(struct api *api)
{
    struct err *e = NULL;

    api->authz = (struct authz_config){{AUTHZ_NODE, AUTHZ_RBAC}, 2};
    if (api->o.authorization_config.n)
        e = authz_config_parse(api->o.authorization_config, &api->authz);
    else if (api->o.authorization_modes.n)
        e = authz_config_of_flag(api->o.authorization_modes, &api->authz);
    for (size_t i = 0; i < api->authz.n; i++)
        if (api->authz.modes[i] == AUTHZ_ALWAYS_ALLOW && api->o.anonymous) {
            log_warning("api",
                        "anonymous requests are refused: AlwaysAllow would let them do everything");
            api->o.anonymous = false;
        }
    return e;
}

bool authz_allows(struct api *api, struct arena *a, const struct user *u, const struct access *x,
                  str *ret_reason)
{
    if (ret_reason)
        *ret_reason = S("");
    return decide(api, a, u, x, ret_reason, ret_reason);
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

/* Only nodes are asked for it. */
static str selector_text(const struct req *q)
{
    str v = S("");

    if (!q->user || !node_of_user(q->user).n || !q->ex->req.query.n)
        return v;
    return http_query(q->a, q->ex->req.query, "fieldSelector", &v) ? v : S("");
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
                           .path = r->path,
                           .field_selector = selector_text(q)};
}

struct err *authz_request(struct req *q)
{
    str allowed = S(""), denied = S("");
    struct access x;
    bool may;

    if (q->user->masters && !q->audited)
        return NULL;
    x = access_of(q);
    may = decide(q->api, q->a, q->user, &x, q->audited ? &allowed : NULL, &denied);
    if (q->audited)
        audit_decision(q, may, may ? allowed : denied);
    if (may)
        return NULL;
    q->nosniff = true;
    return err_access_denied(q->a, q->user, &x, denied);
}
