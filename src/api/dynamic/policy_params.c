/* policy_params.c - the objects that parameterise a policy: of any kind that is served, by name or by labels.
 *
 * API: k8s.io/apiserver/pkg/admission/plugin/policy/generic (CollectParams) */
#include "api/dynamic/policy.h"

static const struct kind *param_kind(struct attributes *t, const struct policy *p)
{
    str version = json_get_str(p->param_kind, "apiVersion"), group = S("");

    if (str_has_char(version, '/'))
        str_cut(&version, '/', &group);
    return api_find_kind_by_name(t->req->api, group, version, json_get_str(p->param_kind, "kind"));
}

void params_check(struct attributes *t, const struct policy *p, str *ret_why)
{
    if (!p->param_kind || param_kind(t, p))
        return;
    *ret_why = arena_fmt(
        t->a, "failed to find resource referenced by paramKind: '" PRI_STR ", Kind=" PRI_STR "'",
        STR_ARG(json_get_str(p->param_kind, "apiVersion")),
        STR_ARG(json_get_str(p->param_kind, "kind")));
}

struct params {
    struct attributes *t;
    const struct kind *kind;
    struct selector selector;
    const struct json **list;
    size_t n, cap;
    struct err *err; /* of converting one: "not yet", or what is wrong */
};

static void add(struct params *x, const struct json *v)
{
    if (x->n == x->cap) {
        size_t cap = x->cap ? 2 * x->cap : 4;

        x->list = arena_grow(x->t->a, x->list, x->cap * sizeof *x->list, cap * sizeof *x->list);
        x->cap = cap;
    }
    x->list[x->n++] = v;
}

static bool add_object(void *ctx, const struct obj *o)
{
    struct params *x = ctx;
    struct arena *a = x->t->a;
    struct json *v;

    if (x->selector.nothing || !selector_matches_packed(&x->selector, o->labels))
        return true;
    v = object_parse(a, arena_dup(a, o->data));
    x->err = object_to_served(x->t->req, a, x->kind, v);
    if (x->err)
        return false;
    json_setz(a, v, "kind", json_string(x->kind->r->kind));
    json_setz(a, v, "apiVersion", json_string(x->kind->api_version));
    add(x, v);
    return true;
}

static void find(struct params *x, const struct json *ref, str ns, str *ret_why)
{
    struct store *store = x->t->req->api->store;
    str name = json_get_str(ref, "name");
    const struct json *selector = json_findz(ref, "selector");
    const struct obj *o;
    struct err *e;

    if (name.n) {
        o = store_find(store, kind_key(x->kind, ns, name));
        if (o)
            add_object(x, o);
    } else if (selector) {
        e = selector_from_object(x->t->a, selector, &x->selector);
        if (e)
            *ret_why = arena_dup(x->t->a, str_of(err_text(e)));
        else
            store_each(store, x->kind->r->storage_resource, ns, NULL, add_object, x);
        err_free(e);
    } else {
        *ret_why = S("one of name or selector must be provided");
    }
}

struct err *params_of(struct attributes *t, const struct policy *p, const struct binding *b,
                      const struct json ***ret, size_t *ret_n, str *ret_why)
{
    const struct json *ref = b->param_ref;
    struct params x = {.t = t};
    str given = json_get_str(ref, "namespace"), ns = given.n ? given : t->ns;

    *ret_why = S("");
    if (!p->param_kind || !ref) {
        add(&x, NULL);
        *ret = x.list;
        *ret_n = 1;
        return NULL;
    }
    x.kind = param_kind(t, p);
    if (x.kind->r->namespaced && !ns.n)
        *ret_why = S("cannot use namespaced paramRef in policy binding that matches "
                     "cluster-scoped resources");
    else if (!x.kind->r->namespaced && given.n)
        *ret_why = S("paramRef.namespace must not be provided for a cluster-scoped `paramKind`");
    else
        find(&x, ref, x.kind->r->namespaced ? ns : S(""), ret_why);
    if (!ret_why->n && !x.n && str_is(json_get_str(ref, "parameterNotFoundAction"), "Deny"))
        *ret_why = S("no params found for policy binding with `Deny` parameterNotFoundAction");
    *ret = x.list;
    *ret_n = x.n;
    return x.err;
}
