/* bootstrap_token.c - "abcdef.0123456789abcdef": the token with which a machine asks for its first
 * certificate, kept in a Secret of kube-system.
 *
 * API: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/ */
#include "api/authn.h"

#define ID_LEN 6
#define SECRET_LEN 16
#define GROUP_MAX 255 /* characters behind "system:bootstrappers:" */

static bool is_part(str s, size_t n)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9')))
            return false;
    return s.n == n;
}

static str datum(struct arena *a, const struct json *secret, const char *key)
{
    str out;

    return base64_decode(a, json_str(json_findz(json_findz(secret, "data"), key)), &out) ? out
                                                                                         : S("");
}

static bool is_group(str g)
{
    static const str prefix = STR("system:bootstrappers:");
    str rest;

    if (!str_has_prefix(g, prefix))
        return false;
    rest = str_skip(g, prefix.n);
    for (size_t i = 0; i < rest.n; i++) {
        char c = rest.p[i];
        bool inner = c == ':' || c == '-';

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (inner && i + 1 < rest.n)))
            return false;
    }
    return rest.n > 0 && rest.n <= GROUP_MAX + 1;
}

struct err *bootstrap_token(struct api *api, struct arena *a, str token, struct token_user *ret)
{
    str secret = token, id, expiration, groups, g;
    const struct obj *o;
    const struct json *v;
    wall_time expires;
    struct user *u;

    if (api->o.no_bootstrap_tokens || token.n != ID_LEN + 1 + SECRET_LEN ||
        !str_cut(&secret, '.', &id) || !is_part(id, ID_LEN) || !is_part(secret, SECRET_LEN))
        return NULL;
    o = store_find(api->store, kind_key(api_core(api, "secrets"), S("kube-system"),
                                        arena_fmt(a, "bootstrap-token-" PRI_STR, STR_ARG(id))));
    if (!o)
        return NULL;
    v = object_parse(a, arena_dup(a, o->data));
    if (json_path(v, "metadata.deletionTimestamp") ||
        !str_is(json_get_str(v, "type"), "bootstrap.kubernetes.io/token") ||
        !same_secret(datum(a, v, "token-secret"), secret) || !str_eq(datum(a, v, "token-id"), id) ||
        !str_is(datum(a, v, "usage-bootstrap-authentication"), "true"))
        return NULL;
    expiration = datum(a, v, "expiration");
    if (expiration.n &&
        (!rfc3339_parse(expiration, &expires) || expires.ns < loop_wall(api->loop).ns))
        return NULL;
    u = user_named(a, arena_fmt(a, "system:bootstrap:" PRI_STR, STR_ARG(id)));
    groups = datum(a, v, "auth-extra-groups");
    while (groups.n && str_cut(&groups, ',', &g))
        if (!is_group(g))
            return NULL;
    groups = datum(a, v, "auth-extra-groups");
    user_group_add(a, u, S("system:bootstrappers"));
    while (groups.n && str_cut(&groups, ',', &g))
        user_group_add(a, u, g);
    ret->user = u;
    return NULL;
}
