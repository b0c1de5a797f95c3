/* route.c - what a request asks for, read from method and path alone (Kubernetes' RequestInfo).
 *
 * Authorization works on this before it is known whether the kind is served at all.
 * API: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris */
#include "api/api_internal.h"

#define SEGMENTS_MAX 64

static str verb_of(str method, bool named)
{
    static const struct {
        str method, item, collection;
    } verbs[] = {
        {STR("POST"), STR("create"), STR("create")},
        {STR("GET"), STR("get"), STR("list")},
        {STR("HEAD"), STR("get"), STR("list")},
        {STR("PUT"), STR("update"), STR("update")},
        {STR("PATCH"), STR("patch"), STR("patch")},
        {STR("DELETE"), STR("delete"), STR("deletecollection")},
    };

    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (str_eq(verbs[i].method, method))
            return named ? verbs[i].item : verbs[i].collection;
    return STR_NONE;
}

static str lower(struct arena *a, str s)
{
    char *p = arena_alloc(a, s.n + 1);

    for (size_t i = 0; i < s.n; i++)
        p[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + 32 : s.p[i]);
    p[s.n] = 0;
    return (str){p, s.n};
}

/* A segment as its decoded text. Slashes that were encoded make a path that nobody serves. */
static str decoded(struct arena *a, str seg, bool *malformed)
{
    str out;

    if (!str_has_char(seg, '%'))
        return seg;
    if (!http_percent_decode(a, seg, false, &out)) {
        *malformed = true;
        return seg;
    }
    if (str_has_char(out, '/'))
        *malformed = true;
    return out;
}

/* "metadata.name=x" in a field selector names the object for authorization, as Kubernetes has it.
 */
static str name_from_selector(struct arena *a, str query)
{
    struct selector sel;
    struct err *e;
    str text;

    if (!query.n || !http_query(a, query, "fieldSelector", &text) || !text.n)
        return STR_NONE;
    e = field_selector_parse(a, text, &sel);
    if (e) {
        err_free(e);
        return STR_NONE;
    }
    for (size_t i = 0; i < sel.n_terms; i++)
        if (sel.terms[i].op == SELECTOR_EQ && str_is(sel.terms[i].key, "metadata.name") &&
            sel.terms[i].n_values)
            return sel.terms[i].values[0];
    return STR_NONE;
}

void route_parse(struct api *api, struct arena *a, const struct http_request *r, struct route *ret)
{
    str seg[SEGMENTS_MAX], rest = r->path;
    size_t n = 0, at, n_fixed;
    bool watch_query = false;
    str w;

    *ret = (struct route){.path = r->path, .verb = lower(a, r->method)};
    if (!rest.n || rest.p[0] != '/') {
        ret->malformed = true;
        return;
    }
    rest = str_skip(rest, 1);
    if (rest.n && rest.p[rest.n - 1] == '/')
        rest.n--; /* one trailing slash means nothing */
    for (str head; n < SEGMENTS_MAX && str_cut(&rest, '/', &head);) {
        if (!head.n)
            ret->malformed = true;
        seg[n++] = head;
    }
    if (n < 3 || !(str_is(seg[0], "api") || str_is(seg[0], "apis")))
        return;
    if (str_is(seg[0], "apis") && n < 4)
        return;
    ret->prefix = seg[0];
    at = 1;
    if (str_is(seg[0], "apis"))
        ret->group = seg[at++];
    ret->version = seg[at++];
    for (size_t i = at; i < n; i++)
        seg[i] = decoded(a, seg[i], &ret->malformed);
    ret->is_resource = true;
    if (str_is(seg[at], "watch") && n > at + 1) {
        ret->watch_prefix = true;
        at++;
    }
    if (str_is(seg[at], "namespaces")) {
        if (n > at + 1) {
            ret->ns = seg[at + 1];
            /* namespaces/x and its own subresources are the namespace itself. */
            if (n > at + 2 && !str_is(seg[at + 2], "status") && !str_is(seg[at + 2], "finalize"))
                at += 2;
        }
    }
    ret->resource = seg[at];
    n_fixed = n - at;
    if (n_fixed > 1)
        ret->name = seg[at + 1];
    if (n_fixed > 2)
        ret->subresource = seg[at + 2];
    if (n_fixed > 3) {
        /* Below a subresource: only proxies have something there. It is kept as it came. */
        str raw = r->path;

        for (size_t i = 0; i < at + 3; i++)
            raw = str_skip(raw, (size_t)str_index(str_skip(raw, 1), '/') + 1);
        ret->rest = str_skip(raw, 1);
    }
    ret->verb = verb_of(r->method, ret->name.n > 0);
    if (!ret->verb.p)
        ret->verb = lower(a, r->method);
    if (str_is(ret->verb, "list") || str_is(ret->verb, "get")) {
        if (ret->watch_prefix)
            watch_query = true;
        else if (!ret->name.n && r->query.n && http_query(a, r->query, "watch", &w))
            watch_query = !(str_is(w, "false") || str_is(w, "0"));
        if (watch_query)
            ret->verb = S("watch");
    }
    ret->kind = api_find_kind(api, ret->group, ret->version, ret->resource);
    if (ret->kind && ret->subresource.n && (n_fixed == 3 || str_is(ret->subresource, "proxy")))
        ret->sub = kind_find_sub(ret->kind, ret->subresource);
    if (!ret->name.n && (str_is(ret->verb, "list") || str_is(ret->verb, "watch") ||
                         str_is(ret->verb, "deletecollection")))
        ret->selected_name = name_from_selector(a, r->query);
}
