/* crd_validate.c - custom resources: values by their schema, in the words of Kubernetes.
 *
 * Kubernetes' validator runs one check after the other and gathers what each says; it does not stop at a wrong type. Of several
 * alternatives none of which fits (anyOf, oneOf) it tells what is wrong with the one that most single checks agreed with, so
 * these are counted here as there.
 *
 * Not here: formats (crd_formats.c), lists without duplicates (crd_lists.c), rules in CEL (cel/rules.c).
 * API: k8s.io/kube-openapi/pkg/validation/validate, k8s.io/apiextensions-apiserver/pkg/apiserver/validation (which words become which
 * reasons; ratcheting.go) */
#include "schema/change.h"
#include "schema/crd_internal.h"
#include "wire/yaml.h"

#include <math.h>

#define ENUM_LONG 16                        /* values; more of them are looked up */
#define SAFE_INTEGER_MAX 9007199254740991.0 /* 2^53 - 1 */

struct problem {
    const char *type;
    str field, message;
    struct problem *next;
};
struct result {
    struct problem *first, *last;
    unsigned n;
    size_t bytes;     /* of texts */
    uint64_t matches; /* checks that were made and agreed, as kube-openapi counts them */
};
struct check {
    struct arena *a;
    const struct map *patterns; /* may be NULL: compiled when needed */
    struct map *enums; /* address of a long enumeration -> map of its strings; NULL: none yet */
    struct buf path;
    int depth;
    str prefix; /* of a value that is no whole object: path of its field */
};

/* ---- what was found ---- */

/* Nobody would read the text of one more. */
static bool is_full(const struct result *r)
{
    return r->n >= ERR_CAUSES_MAX || r->bytes >= ERR_CAUSE_BYTES_MAX;
}

static void add(struct check *c, struct result *r, struct problem p)
{
    for (const struct problem *x = r->first; x; x = x->next)
        if (str_eq(x->message, p.message) && str_eq(x->field, p.field))
            return;
    if (is_full(r)) {
        r->n++;
        return;
    }
    r->n++;
    r->bytes += p.message.n;
    p.next = NULL;
    p.field = arena_dup(c->a, p.field);
    p.message = arena_dup(c->a, p.message);
    if (r->last)
        r->last = r->last->next = ARENA_NEW(c->a, struct problem);
    else
        r->first = r->last = ARENA_NEW(c->a, struct problem);
    *r->last = p;
}

static void merge(struct check *c, struct result *into, const struct result *r)
{
    into->matches += r->matches;
    for (const struct problem *p = r->first; p; p = p->next)
        add(c, into, *p);
}

static str field_of(struct check *c)
{
    str path = buf_view(&c->path);

    if (!c->prefix.n || !path.n)
        return c->prefix.n ? c->prefix : path;
    return arena_fmt(c->a, PRI_STR "%s" PRI_STR, STR_ARG(c->prefix), path.p[0] == '[' ? "" : ".",
                     STR_ARG(path));
}

static void plain(struct check *c, struct result *r, const char *type, str field, const char *fmt,
                  ...) PRINTF(5, 6);
static void plain(struct check *c, struct result *r, const char *type, str field, const char *fmt,
                  ...)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_vfmt(&b, fmt, ap);
    va_end(ap);
    add(c, r, (struct problem){type, field, buf_view(&b), NULL});
}

/* As %v or a JSON text of it, whichever Kubernetes shows. */
static void value_text(struct buf *b, const struct json *v)
{
    if (v->type == JSON_DOUBLE)
        yaml_encode_double(b, v->d, false);
    else
        json_encode(b, v);
}

/* "Invalid value: V: PATH in body WHY" */
static void invalid(struct check *c, struct result *r, const char *type, const struct json *v,
                    const char *fmt, ...) PRINTF(5, 6);
static void invalid(struct check *c, struct result *r, const char *type, const struct json *v,
                    const char *fmt, ...)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    va_list ap;

    buf_z(&b, "Invalid value: ");
    value_text(&b, v);
    buf_fmt(&b, ": " PRI_STR " in body ", STR_ARG(buf_view(&c->path)));
    va_start(ap, fmt);
    buf_vfmt(&b, fmt, ap);
    va_end(ap);
    add(c, r, (struct problem){type, field_of(c), buf_view(&b), NULL});
}

static void check_value(struct check *c, const struct json *s, const struct json *v,
                        struct change *change, struct result *r);

/* ---- types ---- */

static const char *type_name(const struct json *v)
{
    switch (v->type) {
    case JSON_NULL:
        return "null";
    case JSON_BOOL:
        return "boolean";
    case JSON_INT:
        return "integer";
    case JSON_DOUBLE:
        return "number";
    case JSON_STRING:
        return "string";
    case JSON_ARRAY:
        return "array";
    case JSON_OBJECT:
        return "object";
    }
    return "";
}

static void wrong_type(struct check *c, struct result *r, str want, const char *is)
{
    struct json name = json_z(is);

    invalid(c, r, "FieldValueTypeInvalid", &name, "must be of type " PRI_STR ": \"%s\"",
            STR_ARG(want), is);
}

static bool is_whole(double d)
{
    double diff = fabs(d - trunc(d));

    return fabs(d) <= SAFE_INTEGER_MAX && (diff == 0 || diff / (fabs(d) + fabs(trunc(d))) < 1e-9);
}

/* The schema's type; two for int-or-string. */
static bool has_type(const struct json *s, str type)
{
    if (json_get_bool(s, "x-kubernetes-int-or-string", false))
        return str_is(type, "integer") || str_is(type, "string");
    return str_eq(json_get_str(s, "type"), type);
}

static str type_text(const struct json *s)
{
    return json_get_bool(s, "x-kubernetes-int-or-string", false) ? S("integer,string")
                                                                 : json_get_str(s, "type");
}

static str format_of(const struct json *s)
{
    str format = json_get_str(s, "format");
    str type =
        json_get_bool(s, "x-kubernetes-int-or-string", false) ? S("") : json_get_str(s, "type");

    return format.n && crd_format_is_known(type, format) ? format : S("");
}

static void check_type(struct check *c, const struct json *s, const struct json *v,
                       struct result *r)
{
    str want = type_text(s), is = str_of(type_name(v)), format = format_of(s);
    bool number = has_type(s, S("number")), integer = has_type(s, S("integer"));
    bool loose =
        (v->type == JSON_DOUBLE && integer && is_whole(v->d)) || (v->type == JSON_INT && number);
    bool text = v->type == JSON_STRING || v->type == JSON_ARRAY;
    const char *own = v->type == JSON_INT ? "int64" : v->type == JSON_DOUBLE ? "float64" : "";

    if (v->type == JSON_NULL) {
        if (want.n && !json_get_bool(s, "nullable", false))
            wrong_type(c, r, want, "null");
    } else if (format.n && !text && !has_type(s, is) && !str_is(format, own) && !loose) {
        wrong_type(c, r, format, own);
    } else if ((number || integer || !format.n || !text) && !has_type(s, is) && !loose) {
        wrong_type(c, r, want, type_name(v));
    }
    if (!r->n)
        r->matches++;
}

/* ---- scalars ---- */

static size_t characters(str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

/* The first of the bounds that does not hold. */
static void check_string(struct check *c, const struct json *s, const struct json *v,
                         struct result *r)
{
    const struct json *max = json_findz(s, "maxLength"), *min = json_findz(s, "minLength"),
                      *pattern = json_findz(s, "pattern");
    int64_t n = (int64_t)characters(v->s);

    if (json_is(max, JSON_INT) && n > max->i)
        plain(c, r, "FieldValueTooLong", field_of(c), "Too long: may not be more than %lld bytes",
              (long long)max->i);
    else if (json_is(min, JSON_INT) && n < min->i)
        invalid(c, r, "FieldValueInvalid", v, "should be at least %lld chars long",
                (long long)min->i);
    else if (json_str(pattern).n && !crd_matches(c->patterns, pattern->s, v->s))
        invalid(c, r, "FieldValueInvalid", v, "should match '" PRI_STR "'", STR_ARG(pattern->s));
}

static void check_format(struct check *c, str format, const struct json *v, struct result *r)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    r->matches++;
    if (crd_format_holds(format, v->s))
        return;
    json_encode(&b, v);
    invalid(c, r, "FieldValueTypeInvalid", v, "must be of type " PRI_STR ": %s", STR_ARG(format),
            buf_cstr(&b));
}

static bool number_of(const struct json *v, double *ret)
{
    if (json_is(v, JSON_INT))
        *ret = (double)v->i;
    else if (json_is(v, JSON_DOUBLE))
        *ret = v->d;
    else
        return false;
    return true;
}

/* A bound as it is compared with v: whole for whole numbers. */
static bool bound_of(const struct json *s, const char *name, const struct json *v, double *ret,
                     str *ret_text, struct arena *a)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (!number_of(json_findz(s, name), ret))
        return false;
    if (v->type == JSON_INT) {
        *ret = trunc(*ret);
        buf_fmt(&b, "%.0f", *ret);
    } else
        yaml_encode_double(&b, *ret, false);
    *ret_text = arena_dup(a, buf_view(&b));
    return true;
}

static void check_number(struct check *c, const struct json *s, const struct json *v,
                         struct result *r)
{
    bool no_max = json_get_bool(s, "exclusiveMaximum", false),
         no_min = json_get_bool(s, "exclusiveMinimum", false);
    double x = 0, limit;
    str text;

    number_of(v, &x);
    r->matches++;
    if (bound_of(s, "multipleOf", v, &limit, &text, c->a) && limit > 0 &&
        (v->type == JSON_INT ? fmod(x, limit) != 0 : !is_whole(x / limit)))
        invalid(c, r, "FieldValueInvalid", v, "should be a multiple of " PRI_STR, STR_ARG(text));
    if (bound_of(s, "minimum", v, &limit, &text, c->a) && (no_min ? x <= limit : x < limit))
        invalid(c, r, "FieldValueInvalid", v, "should be greater than %s" PRI_STR,
                no_min ? "" : "or equal to ", STR_ARG(text));
    if (bound_of(s, "maximum", v, &limit, &text, c->a) && (no_max ? x >= limit : x > limit))
        invalid(c, r, "FieldValueInvalid", v, "should be less than %s" PRI_STR,
                no_max ? "" : "or equal to ", STR_ARG(text));
}

static void map_drop(void *m)
{
    map_fini(m);
}

static struct map *map_make(struct check *c)
{
    struct map *m = ARENA_NEW(c->a, struct map);

    map_init(m);
    arena_at_end(c->a, map_drop, m);
    return m;
}

/* Is the string among the values of a long enumeration? Each item of a long list may have to be. */
static bool enum_has(struct check *c, const struct json *values, str s)
{
    str key = {(const char *)&values, sizeof values};
    struct map *strings;

    if (!c->enums)
        c->enums = map_make(c);
    strings = map_find(c->enums, key);
    if (!strings) {
        strings = map_make(c);
        JSON_EACH(x, values)
            if (x->type == JSON_STRING)
                map_put(strings, x->s, strings);
        map_put(c->enums, key, strings);
    }
    return map_find(strings, s) != NULL;
}

static bool is_in_enum(struct check *c, const struct json *values, const struct json *v)
{
    if (v->type == JSON_STRING && values->n > ENUM_LONG)
        return enum_has(c, values, v->s);
    JSON_EACH(x, values)
        if (v->type != JSON_NULL && json_equal(x, v))
            return true;
    return false;
}

static void check_enum(struct check *c, const struct json *s, const struct json *v,
                       struct result *r)
{
    const struct json *values = json_findz(s, "enum");
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (!json_count(values) || is_in_enum(c, values, v))
        return;
    if (is_full(r)) {
        r->n++;
        return;
    }
    buf_z(&b, "Unsupported value: ");
    value_text(&b, v);
    buf_z(&b, ": supported values: ");
    JSON_EACH(x, values) {
        if (x != values->items)
            buf_z(&b, ", ");
        if (x->type == JSON_STRING)
            json_encode(&b, x);
        else {
            buf_char(&b, '"');
            json_encode(&b, x);
            buf_char(&b, '"');
        }
    }
    add(c, r, (struct problem){"FieldValueNotSupported", field_of(c), buf_view(&b), NULL});
}

/* ---- containers ---- */

static void back(struct check *c, size_t n)
{
    c->path.n = n;
    c->path.p[n] = 0;
}

static void check_array(struct check *c, const struct json *s, const struct json *v,
                        struct change *change, struct result *r)
{
    const struct json *items = json_findz(s, "items"), *max = json_findz(s, "maxItems"),
                      *min = json_findz(s, "minItems");

    for (uint32_t i = 0; json_is(items, JSON_OBJECT) && i < v->n; i++) {
        size_t was = c->path.n;
        struct result one = {0};
        struct change sub;

        buf_fmt(&c->path, "[%u]", i);
        check_value(c, items, &v->items[i], change_item(change, i, &sub) ? &sub : NULL, &one);
        merge(c, r, &one);
        back(c, was);
    }
    if (json_is(min, JSON_INT) && v->n < min->i) {
        struct json n = json_int(v->n);

        invalid(c, r, "FieldValueInvalid", &n, "should have at least %lld items",
                (long long)min->i);
    }
    if (json_is(max, JSON_INT) && v->n > max->i)
        plain(c, r, "FieldValueTooMany", field_of(c), "Too many: %u: must have at most %lld items",
              v->n, (long long)max->i);
    r->matches++;
}

static void check_members(struct check *c, const struct json *s, const struct json *v,
                          struct change *change, struct result *r)
{
    const struct json *props = json_findz(s, "properties"),
                      *more = json_findz(s, "additionalProperties");
    bool root = !c->path.n && !c->prefix.n;

    JSON_EACH_MEMBER(m, v) {
        const struct json *sub = json_find(props, m->key);
        size_t was = c->path.n;
        struct result one = {0};
        struct change below;
        bool known;

        if (!sub && json_is(more, JSON_OBJECT))
            sub = more;
        if (!sub)
            continue;
        /* Both versions are converted: that another one was asked for cannot be seen. */
        known = !(root && (str_is(m->key, "apiVersion") || str_is(m->key, "kind"))) &&
                change_member(change, m->key, &below);
        if (was)
            buf_char(&c->path, '.');
        buf_str(&c->path, m->key);
        check_value(c, sub, &m->value, known ? &below : NULL, &one);
        merge(c, r, &one);
        back(c, was);
    }
}

static void check_object(struct check *c, const struct json *s, const struct json *v,
                         struct change *change, struct result *r)
{
    const struct json *max = json_findz(s, "maxProperties"), *min = json_findz(s, "minProperties");
    struct json n = json_int(v->n);

    if (json_is(min, JSON_INT) && v->n < min->i) {
        invalid(c, r, "FieldValueInvalid", &n, "should have at least %lld properties",
                (long long)min->i);
        return;
    }
    if (json_is(max, JSON_INT) && v->n > max->i) {
        plain(c, r, "FieldValueTooMany", field_of(c), "Too many: %u: must have at most %lld items",
              v->n, (long long)max->i);
        return;
    }
    check_members(c, s, v, change, r);
    JSON_EACH(x, json_findz(s, "required"))
        if (!json_find(v, json_str(x))) {
            str at = field_of(c);

            plain(c, r, "FieldValueRequired",
                  at.n ? arena_fmt(c->a, PRI_STR "." PRI_STR, STR_ARG(at), STR_ARG(json_str(x)))
                       : json_str(x),
                  "Required value");
        }
}

/* ---- combinations ---- */

/* These speak about no single field: Kubernetes names the object as a whole. */
static void whole(struct check *c, struct result *r, const char *fmt, ...) PRINTF(3, 4);
static void whole(struct check *c, struct result *r, const char *fmt, ...)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    va_list ap;

    buf_fmt(&b, "Invalid value: \"\": \"" PRI_STR "\" must ", STR_ARG(buf_view(&c->path)));
    va_start(ap, fmt);
    buf_vfmt(&b, fmt, ap);
    va_end(ap);
    add(c, r,
        (struct problem){"FieldValueInvalid", c->prefix.n ? c->prefix : S("<nil>"), buf_view(&b),
                         NULL});
}

static void check_any(struct check *c, const struct json *any, const struct json *v,
                      struct result *r)
{
    struct result best = {0};
    bool first = true;

    JSON_EACH(x, any) {
        struct result one = {0};

        check_value(c, x, v, NULL, &one);
        if (!one.n || first || one.matches > best.matches)
            best = one;
        first = false;
        if (!one.n)
            break;
    }
    if (best.n)
        whole(c, r, "validate at least one schema (anyOf)");
    merge(c, r, &best);
}

static void check_one(struct check *c, const struct json *one_of, const struct json *v,
                      struct result *r)
{
    struct result best = {0}, fits = {0};
    unsigned n = 0;
    bool first = true;

    JSON_EACH(x, one_of) {
        struct result one = {0};

        check_value(c, x, v, NULL, &one);
        if (!one.n && n++ == 0)
            fits = one;
        else if (one.n && !n && (first || one.matches > best.matches))
            best = one;
        first = false;
    }
    if (n == 1) {
        merge(c, r, &fits);
    } else if (n) {
        whole(c, r, "validate one and only one schema (oneOf). Found %u valid alternatives", n);
    } else {
        whole(c, r, "validate one and only one schema (oneOf). Found none valid");
        merge(c, r, &best);
    }
}

static void check_all(struct check *c, const struct json *all, const struct json *v,
                      struct result *r)
{
    uint32_t fit = 0;

    JSON_EACH(x, all) {
        struct result one = {0};

        check_value(c, x, v, NULL, &one);
        fit += !one.n;
        merge(c, r, &one);
    }
    if (fit != json_count(all))
        whole(c, r, "validate all the schemas (allOf)%s", fit ? "" : ". None validated");
}

/* Within a combination nothing is known of what was before: only the value as a whole may be let pass. */
static void check_combinations(struct check *c, const struct json *s, const struct json *v,
                               struct result *r)
{
    const struct json *not = json_findz(s, "not");

    if (json_count(json_findz(s, "anyOf")))
        check_any(c, json_findz(s, "anyOf"), v, r);
    if (json_count(json_findz(s, "oneOf")))
        check_one(c, json_findz(s, "oneOf"), v, r);
    if (json_count(json_findz(s, "allOf")))
        check_all(c, json_findz(s, "allOf"), v, r);
    if (json_is(not, JSON_OBJECT)) {
        struct result one = {0};

        check_value(c, not, v, NULL, &one);
        if (!one.n)
            whole(c, r, "not validate the schema (not)");
    }
    r->matches++;
}

/* ---- values ---- */

typedef void check_fn(struct check *c, const struct json *s, const struct json *v,
                      struct result *r);

static void run(check_fn *fn, struct check *c, const struct json *s, const struct json *v,
                struct result *r)
{
    struct result one = {0};

    fn(c, s, v, &one);
    merge(c, r, &one);
    r->matches++;
}

static void check_all_of_it(struct check *c, const struct json *s, const struct json *v,
                            struct change *change, struct result *r)
{
    str format = format_of(s);

    if (type_text(s).n || format.n)
        run(check_type, c, s, v, r);
    run(check_combinations, c, s, v, r);
    if (v->type == JSON_STRING)
        run(check_string, c, s, v, r);
    if (v->type == JSON_STRING && format.n) {
        check_format(c, format, v, r);
        r->matches++;
    }
    if (v->type == JSON_INT || v->type == JSON_DOUBLE)
        run(check_number, c, s, v, r);
    if (v->type == JSON_ARRAY) {
        check_array(c, s, v, change, r);
        r->matches++;
    }
    run(check_enum, c, s, v, r);
    if (v->type == JSON_OBJECT) {
        check_object(c, s, v, change, r);
        r->matches++;
    }
    r->matches++;
}

/* change: what the value was before; NULL: unknown. What has not changed is not complained about. */
static void check_value(struct check *c, const struct json *s, const struct json *v,
                        struct change *change, struct result *r)
{
    if (++c->depth <= CRD_DEPTH_MAX) {
        if (v->type == JSON_NULL) {
            check_type(c, s, v, r);
            check_enum(c, s, v, r);
        } else {
            check_all_of_it(c, s, v, change, r);
        }
    }
    c->depth--;
    if (r->n && change && change_is_none(change))
        *r = (struct result){.matches = r->matches};
}

static void finish(struct check *c, const struct result *r, struct err **errs)
{
    for (const struct problem *p = r->first; p; p = p->next) {
        if (!*errs)
            *errs = err_new(REASON_INVALID, "invalid");
        err_cause_add(*errs, p->type, p->field, p->message);
    }
    buf_fini(&c->path);
}

static void begin(struct check *c, struct arena *a, const struct map *patterns, str prefix)
{
    *c = (struct check){.a = a, .patterns = patterns, .path = BUF_INIT, .prefix = prefix};
    buf_reserve(&c->path, 1);
}

void crd_validate(struct arena *a, const struct schema_type *t, const struct json *v,
                  const struct json *old, struct err **errs)
{
    const struct crd_type *x = CONTAINER_OF(t, struct crd_type, type);
    struct change change;
    struct result r = {0};
    struct check c;

    if (!x->schema)
        return;
    begin(&c, a, &x->patterns, S(""));
    change_init(&change, a, v, old, x->schema);
    check_value(&c, x->schema, v, old ? &change : NULL, &r);
    finish(&c, &r, errs);
}

void crd_validate_status(struct arena *a, const struct schema_type *t, const struct json *v,
                         const struct json *old, struct err **errs)
{
    const struct crd_type *x = CONTAINER_OF(t, struct crd_type, type);
    const struct json *schema = json_at(x->schema, "properties", "status", NULL),
                      *status = json_findz(v, "status");
    struct change whole_change, change;
    struct result r = {0};
    struct check c;
    bool known;

    if (!json_is(schema, JSON_OBJECT) || !status)
        return;
    begin(&c, a, &x->patterns, S("status"));
    change_init(&whole_change, a, v, old, x->schema);
    known = change_member(&whole_change, S("status"), &change);
    check_value(&c, schema, status, known ? &change : NULL, &r);
    finish(&c, &r, errs);
}

void crd_validate_value(struct arena *a, const struct json *schema, const struct json *v, str path,
                        struct err **errs)
{
    struct result r = {0};
    struct check c;

    begin(&c, a, NULL, path);
    check_value(&c, schema, v, NULL, &r);
    finish(&c, &r, errs);
}
