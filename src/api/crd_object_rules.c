/* crd_object_rules.c - custom objects: everything that is held against them, in Kubernetes' order.
 *
 * The schema first, then what scales, embedded objects, lists without duplicates; rules in CEL last, and only when the object has
 * the form that they rely on. A write of the status is held against less.
 *
 * Source: k8s.io/apiextensions-apiserver/pkg/registry/customresource/{strategy,status_strategy,validator}.go,
 * k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta/validation.go. */
#include "api/api_internal.h"
#include "api/crd.h"
#include "api/validation/check.h"
#include "schema/crd.h"
#include "schema/validate.h"

#define DEPTH_MAX 200

/* What stands at a path. NULL: nothing does. What is in the way, or of another type, is complained about. */
static const struct json *value_at(struct check *c, const struct json *obj, const char *path,
                                   enum json_type want, struct json zero, bool *ret_bad)
{
    const struct at *at = AT(NULL, arena_fmt(c->a, ".%s", path).p);
    str rest = str_of(path), part;
    const struct json *v = obj;
    const char *expected = "map[string]interface{}";
    CLEANUP(buf) struct buf text = BUF_INIT, seen = BUF_INIT;

    *ret_bad = false;
    while (v && v->type == JSON_OBJECT && str_cut(&rest, '.', &part)) {
        buf_fmt(&seen, "." PRI_STR, STR_ARG(part));
        v = json_find(v, part);
    }
    if (!v || (v->type == JSON_NULL && rest.n))
        return NULL;
    if (!rest.n)
        expected = json_go_type(&zero);
    if (!rest.n && v->type == want)
        return v;
    if (rest.n) {
        str_cut(&rest, '.', &part);
        buf_fmt(&seen, "." PRI_STR, STR_ARG(part));
    }
    buf_go(&text, v);
    bad_invalid(c, at, zero, "%s accessor error: %s is of the type %s, expected %s",
                buf_cstr(&seen), buf_cstr(&text), json_go_type(v), expected);
    *ret_bad = true;
    return NULL;
}

static void check_replicas(struct check *c, const struct json *obj, const char *path)
{
    bool bad;
    const struct json *v = value_at(c, obj, path, JSON_INT, json_int(0), &bad);
    const struct at *at = AT(NULL, arena_fmt(c->a, ".%s", path).p);

    if (!v)
        return;
    if (v->i < 0)
        bad_invalid(c, at, *v, "should be a non-negative integer");
    else if (v->i > INT32_MAX)
        bad_invalid(c, at, *v, "should be less than or equal to %d", INT32_MAX);
}

static void check_scale(struct check *c, const struct kind *k, const struct json *obj,
                        bool status_only)
{
    bool bad;

    if (!k->has_scale)
        return;
    if (!status_only)
        check_replicas(c, obj, k->scale_replicas);
    check_replicas(c, obj, k->scale_status);
    if (k->scale_selector)
        value_at(c, obj, k->scale_selector, JSON_STRING, json_z(""), &bad);
}

/* ---- embedded objects ---- */

static void check_api_version(struct check *c, const struct at *at, const struct json *v)
{
    str rest, part;
    unsigned parts = 0;

    if (v && v->type != JSON_STRING) {
        bad_invalid(c, at, *v, "must be a string");
        return;
    }
    if (!json_str(v).n) {
        bad_required(c, at, "");
        return;
    }
    for (rest = v->s; str_cut(&rest, '/', &part);)
        parts++;
    if (parts > 2)
        bad_invalid(c, at, *v, "unexpected GroupVersion string: " PRI_STR, STR_ARG(v->s));
}

static void check_kind(struct check *c, const struct at *at, const struct json *v)
{
    str problems[FORMAT_PROBLEMS_MAX], lower;
    CLEANUP(buf) struct buf b = BUF_INIT;
    size_t n;

    if (v && v->type != JSON_STRING) {
        bad_invalid(c, at, *v, "must be a string");
        return;
    }
    if (!json_str(v).n) {
        bad_required(c, at, "");
        return;
    }
    lower = arena_dup(c->a, v->s);
    for (size_t i = 0; i < lower.n; i++)
        if (lower.p[i] >= 'A' && lower.p[i] <= 'Z')
            ((char *)(uintptr_t)lower.p)[i] |= 0x20;
    n = format_problems(c->a, S("dns-1035-label"), lower, problems);
    for (size_t i = 0; i < n; i++) {
        buf_z(&b, i ? "," : "");
        buf_str(&b, problems[i]);
    }
    if (n)
        bad_invalid(c, at, *v, "may have mixed case, but should otherwise match: %s", buf_cstr(&b));
}

static void check_embedded(struct check *c, const struct at *at, const struct json *s,
                           const struct json *v, int depth)
{
    const struct json *items = json_findz(s, "items"), *props = json_findz(s, "properties"),
                      *more = json_findz(s, "additionalProperties");
    int64_t i = 0;

    if (!json_is(s, JSON_OBJECT) || depth > DEPTH_MAX)
        return;
    JSON_EACH(x, v)
        check_embedded(c, AT_INDEX(at, i++), items, x, depth + 1);
    if (v->type == JSON_OBJECT && json_get_bool(s, "x-kubernetes-embedded-resource", false)) {
        const struct json *meta = json_findz(v, "metadata");

        check_api_version(c, AT(at, "apiVersion"), json_findz(v, "apiVersion"));
        check_kind(c, AT(at, "kind"), json_findz(v, "kind"));
        if (json_is(meta, JSON_OBJECT))
            meta_check_embedded(c, AT(at, "metadata"), meta);
    }
    JSON_EACH_MEMBER(m, v) {
        const struct json *sub = json_find(props, m->key);

        if (sub)
            check_embedded(c, AT(at, arena_dupz(c->a, m->key)), sub, &m->value, depth + 1);
        else
            check_embedded(c, AT_KEY(at, m->key), more, &m->value, depth + 1);
    }
}

/* ---- all of it ---- */

void crd_object_rules(struct write *w, const struct json *obj, const struct json *old,
                      struct err **errs)
{
    const struct schema_type *t = w->kind->r->type;
    const struct crd_type *full = CONTAINER_OF(t, struct crd_type, type);
    struct check *c = &(struct check){w->a, errs};
    bool status_only = str_is(w->subresource, "status");
    struct json warnings = json_array();

    if (status_only)
        crd_validate_status(w->a, t, obj, old, errs);
    else
        crd_validate(w->a, t, obj, old, errs);
    check_scale(c, w->kind, obj, status_only);
    if (!status_only)
        check_embedded(c, NULL, full->schema, obj, 0);
    crd_validate_lists(w->a, t, obj, old, errs);
    crd_validate_rules(w->a, w->api->loop, t, obj, old, &warnings, errs);
    JSON_EACH(text, &warnings)
        req_warn(w->req, json_str(text));
}
