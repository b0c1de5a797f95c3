/* request_header.c - proxies that have authenticated a user themselves, and say in headers whom.
 *
 * They are believed for their certificate: signed by the front-proxy authority, and of a name that is allowed. The same
 * headers from anybody else mean nothing, and are not passed on to any backend.
 *
 * Source: k8s.io/apiserver/pkg/authentication/request/headerrequest and .../x509 (Verifier).
 * API: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#authenticating-proxy */
#include "api/authn.h"

static bool list_has(str list, str name)
{
    str one;

    while (list.n && str_cut(&list, ',', &one))
        if (str_eq_nocase(str_trim(one), name))
            return true;
    return false;
}

/* A member of the list of prefixes that the name begins with; STR_NONE: none. */
static str list_prefix(str list, str name)
{
    str one;

    while (list.n && str_cut(&list, ',', &one)) {
        one = str_trim(one);
        if (one.n && name.n >= one.n && str_eq_nocase(str_slice(name, 0, one.n), one))
            return one;
    }
    return STR_NONE;
}

/* The first header of the list, in the list's order, that has a value. */
static str first_value(const struct http_request *r, struct arena *a, str list)
{
    str one, value;

    while (list.n && str_cut(&list, ',', &one)) {
        value = http_header(r, arena_dupz(a, str_trim(one)));
        if (value.n)
            return value;
    }
    return STR_NONE;
}

static void groups_add(const struct http_request *r, struct arena *a, str list, struct user *u)
{
    str one;

    while (list.n && str_cut(&list, ',', &one))
        for (size_t i = 0; i < r->n_headers; i++)
            if (r->headers[i].value.n && str_eq_nocase(r->headers[i].name, str_trim(one)))
                user_group_add(a, u, r->headers[i].value);
}

static str extra_key(struct arena *a, str encoded)
{
    str lower = arena_dup(a, encoded), key;

    for (size_t i = 0; i < lower.n; i++)
        if (lower.p[i] >= 'A' && lower.p[i] <= 'Z')
            ((char *)(uintptr_t)lower.p)[i] += 'a' - 'A';
    /* What cannot be read is kept as it is, lest it get lost. */
    return http_percent_decode(a, lower, false, &key) ? key : lower;
}

bool request_header_is_ours(const struct api *api, str name)
{
    const struct request_header_options *o = &api->o.request_header;

    return list_has(o->username_headers, name) || list_has(o->uid_headers, name) ||
           list_has(o->group_headers, name) || list_prefix(o->extra_prefixes, name).n;
}

bool request_header_user(struct req *q)
{
    const struct request_header_options *o = &q->api->o.request_header;
    const struct http_request *r = &q->ex->req;
    str name, allowed = o->allowed_names, one;
    bool fits = !allowed.n;

    while (allowed.n && str_cut(&allowed, ',', &one))
        fits |= str_eq(one, r->peer.cert_common_name);
    if (!r->peer.cert_front_verified || !fits)
        return false;
    name = first_value(r, q->a, o->username_headers);
    if (!name.n)
        return true;
    q->user = user_named(q->a, name);
    q->user->uid = first_value(r, q->a, o->uid_headers);
    groups_add(r, q->a, o->group_headers, q->user);
    for (size_t i = 0; i < r->n_headers; i++) {
        str prefix = list_prefix(o->extra_prefixes, r->headers[i].name);

        if (prefix.n)
            user_extra_add(q->a, q->user, extra_key(q->a, str_skip(r->headers[i].name, prefix.n)),
                           r->headers[i].value);
    }
    return true;
}
