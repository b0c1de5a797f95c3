/* impersonate.c - acting as somebody else: who asks may do so in one of five modes.
 *
 * The constrained modes ask two questions: may he impersonate this identity (verb
 * "impersonate:MODE"), and may he do this while doing so ("impersonate-on:MODE:VERB")? The old mode
 * asks only whether he may impersonate each part. The first mode that allows it decides; when none
 * does, the first refusal is the answer.
 *
 * Source: KEP-5284, k8s.io/apiserver/pkg/endpoints/filters/impersonation. API:
 * https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/ */
#include "api/authn.h"

static const str extra_prefix = STR("Impersonate-Extra-"), node_prefix = STR("system:node:"),
                 account_prefix = STR("system:serviceaccount:");

enum {
    MODE_ASSOCIATED_NODE,
    MODE_ARBITRARY_NODE,
    MODE_ACCOUNT,
    MODE_USER_INFO,
    MODE_LEGACY,
    N_MODES
};
static const char *const mode_names[] = {"associated-node", "arbitrary-node", "serviceaccount",
                                         "user-info"};

struct wanted {
    struct user *user; /* as the headers say */
    str node, ns, account;
    bool is_node, is_account, only_name;
};

static bool split_account(str name, str *ret_ns, str *ret_account)
{
    str rest = name;

    if (!str_has_prefix(rest, account_prefix))
        return false;
    rest = str_skip(rest, account_prefix.n);
    if (!str_cut(&rest, ':', ret_ns) || !rest.p || str_has_char(rest, ':'))
        return false;
    *ret_account = rest;
    return name_is_dns_label(*ret_ns) && name_is_dns_subdomain(rest);
}

static str extra_key(struct arena *a, str raw)
{
    char *low = arena_dupz(a, raw);
    str key = {low, raw.n};

    for (size_t i = 0; i < raw.n; i++)
        if (low[i] >= 'A' && low[i] <= 'Z')
            low[i] = (char)(low[i] + ('a' - 'A'));
    http_percent_decode(a, key, false, &key);
    return key;
}

/* Nearly no request has one: this is all that the others pay. */
static bool has_headers(const struct http_request *r)
{
    static const str prefix = STR("impersonate-");

    for (size_t i = 0; i < r->n_headers; i++) {
        str h = r->headers[i].name;

        if (h.n > prefix.n && (h.p[0] | 0x20) == 'i' && (h.p[1] | 0x20) == 'm' &&
            str_eq_nocase(str_slice(h, 0, prefix.n), prefix))
            return true;
    }
    return false;
}

/* False: nobody is to be impersonated. */
static bool headers_read(struct req *q, struct wanted *w)
{
    const struct http_request *r = &q->ex->req;
    struct user *u = user_named(q->a, http_header(r, "impersonate-user"));
    bool any = u->name.n > 0;

    w->user = u;
    u->uid = http_header(r, "impersonate-uid");
    any |= u->uid.n > 0;
    for (size_t i = 0; i < r->n_headers; i++) {
        str h = r->headers[i].name, v = r->headers[i].value;

        if (str_eq_nocase(h, S("Impersonate-Group"))) {
            u->groups = arena_grow(q->a, u->groups, u->n_groups * sizeof(str),
                                   (u->n_groups + 1) * sizeof(str));
            u->groups[u->n_groups++] = v;
            any = true;
        } else if (h.n > extra_prefix.n &&
                   str_eq_nocase(str_slice(h, 0, extra_prefix.n), extra_prefix)) {
            user_extra_add(q->a, u, extra_key(q->a, str_skip(h, extra_prefix.n)), v);
            any = true;
        }
    }
    w->is_account = split_account(u->name, &w->ns, &w->account);
    if (str_has_prefix(u->name, node_prefix)) {
        w->node = str_skip(u->name, node_prefix.n);
        w->is_node = name_is_dns_subdomain(w->node);
    }
    w->only_name = !u->uid.n && !u->n_groups && !u->n_extra;
    return any;
}

static void strings_as_go(struct buf *b, const str *items, size_t n)
{
    if (!n)
        buf_z(b, "[]string(nil)");
    else
        buf_z(b, "[]string{");
    for (size_t i = 0; i < n; i++) {
        buf_z(b, i ? ", " : "");
        buf_quoted(b, items[i]);
    }
    if (n)
        buf_char(b, '}');
}

/* Kubernetes prints its own struct here. */
static struct err *without_a_name(struct req *q, const struct user *u)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_z(&b, "requested &user.DefaultInfo{Name:\"\", UID:");
    buf_quoted(&b, u->uid);
    buf_z(&b, ", Groups:");
    strings_as_go(&b, u->groups, u->n_groups);
    buf_z(&b, u->n_extra ? ", Extra:map[string][]string{" : ", Extra:map[string][]string(nil)");
    for (size_t i = 0; i < u->n_extra; i++) {
        buf_z(&b, i ? ", " : "");
        buf_quoted(&b, u->extra[i].key);
        buf_char(&b, ':');
        strings_as_go(&b, u->extra[i].values, u->extra[i].n_values);
    }
    buf_z(&b, u->n_extra ? "}}" : "}");
    buf_z(&b, " without impersonating a user name");
    q->nosniff = true;
    return err_new(REASON_BAD_REQUEST, "%s", buf_cstr(&b));
}

static struct err *check(struct req *q, const struct access *x)
{
    str why;

    if (authz_allows(q->api, q->a, q->user, x, &why))
        return NULL;
    return err_access_denied(q->a, q->user, x, why);
}

/* Does the mode concern this identity at all? */
static bool mode_fits(const struct req *q, const struct wanted *w, int mode)
{
    str ns, account;

    switch (mode) {
    case MODE_ASSOCIATED_NODE:
        if (!w->only_name || !w->is_node || !split_account(q->user->name, &ns, &account))
            return false;
        for (size_t i = 0; i < q->user->n_extra; i++)
            if (str_is(q->user->extra[i].key, "authentication.kubernetes.io/node-name"))
                return q->user->extra[i].n_values == 1 &&
                       str_eq(q->user->extra[i].values[0], w->node);
        return false;
    case MODE_ARBITRARY_NODE:
        return w->only_name && w->is_node;
    case MODE_ACCOUNT:
        return w->only_name && w->is_account;
    case MODE_USER_INFO:
        return !w->is_node && !w->is_account;
    default:
        return true;
    }
}

static struct err *check_name(struct req *q, const struct wanted *w, int mode, struct access x)
{
    x.resource = S("users");
    x.name = w->user->name;
    if (w->is_node && mode != MODE_LEGACY) {
        x.resource = S("nodes");
        x.name = mode == MODE_ASSOCIATED_NODE ? S("*") : w->node;
    }
    if (w->is_account) {
        x.resource = S("serviceaccounts");
        x.ns = w->ns;
        x.name = w->account;
    }
    return check(q, &x);
}

static struct err *check_groups(struct req *q, const struct wanted *w, int mode, struct access x)
{
    struct err *e = NULL;

    x.resource = S("groups");
    for (size_t i = 0; i < w->user->n_groups && mode != MODE_LEGACY; i++) {
        if (!w->user->groups[i].n)
            return err_access_denied(q->a, q->user, &x,
                                     S("impersonating the empty string group is not allowed"));
        if (str_is(w->user->groups[i], "system:masters")) {
            x.name = w->user->groups[i];
            return err_access_denied(q->a, q->user, &x,
                                     S("impersonating the system:masters group is not allowed"));
        }
    }
    for (size_t i = 0; i < w->user->n_groups && !e; i++) {
        x.name = w->user->groups[i];
        e = check(q, &x);
    }
    return e;
}

static struct err *check_extra(struct req *q, const struct wanted *w, int mode, struct access x)
{
    struct err *e = NULL;

    x.resource = S("userextras");
    for (size_t i = 0; i < w->user->n_extra && !e; i++) {
        const struct user_extra *extra = &w->user->extra[i];

        for (size_t k = 0; k < extra->n_values && mode != MODE_LEGACY; k++)
            if (!extra->values[k].n)
                return err_access_denied(
                    q->a, q->user, &x,
                    S("impersonating the empty string value in extra is not allowed"));
        x.subresource = extra->key;
        for (size_t k = 0; k < extra->n_values && !e; k++) {
            x.name = extra->values[k];
            e = check(q, &x);
        }
    }
    return e;
}

static struct err *check_mode(struct req *q, const struct wanted *w, int mode)
{
    bool legacy = mode == MODE_LEGACY;
    struct access x = {.is_resource = true,
                       .verb = legacy ? S("impersonate")
                                      : arena_fmt(q->a, "impersonate:%s", mode_names[mode]),
                       .group = legacy ? S("") : S("authentication.k8s.io"),
                       .version = S("v1")},
                  doing = access_of(q), uid;
    struct err *e = NULL;

    if (!legacy) {
        doing.verb =
            arena_fmt(q->a, "impersonate-on:%s:" PRI_STR, mode_names[mode], STR_ARG(doing.verb));
        e = check(q, &doing);
    }
    if (!e)
        e = check_name(q, w, mode, x);
    if (!e && w->user->uid.n) {
        uid = x;
        uid.group = S("authentication.k8s.io");
        uid.resource = S("uids");
        uid.name = w->user->uid;
        e = check(q, &uid);
    }
    if (!e)
        e = check_groups(q, w, mode, x);
    x.group = S("authentication.k8s.io");
    return e ? e : check_extra(q, w, mode, x);
}

static void become(struct req *q, const struct wanted *w, int mode)
{
    struct user *u = user_named(q->a, w->user->name);
    bool unauthenticated = false;

    u->uid = w->user->uid;
    u->extra = w->user->extra;
    u->n_extra = w->user->n_extra;
    for (size_t i = 0; i < w->user->n_groups; i++)
        user_group_add(q->a, u, w->user->groups[i]);
    if (w->is_account && !w->user->n_groups) {
        user_group_add(q->a, u, S("system:serviceaccounts"));
        user_group_add(q->a, u, arena_fmt(q->a, "system:serviceaccounts:" PRI_STR, STR_ARG(w->ns)));
    } else if (w->is_node && mode != MODE_LEGACY) {
        user_group_add(q->a, u, S("system:nodes"));
    }
    for (size_t i = 0; i < u->n_groups; i++)
        unauthenticated |= str_is(u->groups[i], "system:unauthenticated");
    if (str_is(u->name, "system:anonymous"))
        user_group_add(q->a, u, S("system:unauthenticated"));
    else if (!unauthenticated)
        user_group_add(q->a, u, S("system:authenticated"));
    audit_impersonated(q, u, mode == MODE_LEGACY ? NULL : mode_names[mode]);
    q->user = u;
}

struct err *authn_impersonate(struct req *q)
{
    struct wanted w = {0};
    struct err *first = NULL;

    if (!has_headers(&q->ex->req) || !headers_read(q, &w))
        return NULL;
    if (!w.user->name.n)
        return without_a_name(q, w.user);
    for (int mode = 0; mode < N_MODES; mode++) {
        struct err *e;

        if (!mode_fits(q, &w, mode))
            continue;
        e = check_mode(q, &w, mode);
        if (!e) {
            err_free(first);
            become(q, &w, mode);
            return NULL;
        }
        if (first)
            err_free(e);
        else
            first = e;
    }
    q->nosniff = true;
    return first;
}
