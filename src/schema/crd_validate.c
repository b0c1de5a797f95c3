/* crd_validate.c - custom resources: values by their schema, in the words of Kubernetes.
 *
 * API: k8s.io/kube-openapi/pkg/validation, k8s.io/apiextensions-apiserver/pkg/apiserver/validation (which words become which reasons) */
#include "schema/crd.h"
#include "schema/validate.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <math.h>

#define DEPTH_MAX 200
#define MATCH_LIMIT 1000000 /* steps of one match; beyond, the value does not match */

struct check {
    struct arena *a;
    const struct map *patterns; /* may be NULL: compiled when needed */
    struct err **errs;
    struct buf path;
    bool quiet; /* count only: inside of anyOf and its kin */
    unsigned n; /* complaints */
    int depth;
    str prefix, name; /* of a value that is no whole object: path of its field, name in messages */
    const struct json *old_root, *root_schema; /* of an update: what the object was; NULL: create */
    enum { OLD_UNKNOWN, OLD_UNIQUE, OLD_DUPLICATES } old_lists;
};

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

static void complain(struct check *c, const char *type, str field, const struct buf *message)
{
    c->n++;
    if (c->quiet)
        return;
    if (!*c->errs)
        *c->errs = err_new(REASON_INVALID, "invalid");
    err_cause_add(*c->errs, type, field, buf_view(message));
}

static str field_of(struct check *c)
{
    return c->prefix.n
               ? arena_fmt(c->a, PRI_STR "%s" PRI_STR, STR_ARG(c->prefix),
                           c->path.n && c->path.p[0] != '[' ? "." : "", STR_ARG(buf_view(&c->path)))
               : arena_dup(c->a, buf_view(&c->path));
}

static void value_text(struct buf *b, const struct json *v)
{
    json_encode(b, v);
}

/* "Invalid value: V: PATH in body WHY" */
static void invalid(struct check *c, const struct json *v, const char *fmt, ...) PRINTF(3, 4);
static void invalid(struct check *c, const struct json *v, const char *fmt, ...)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    va_list ap;

    if (c->quiet) {
        c->n++;
        return;
    }
    buf_z(&b, "Invalid value: ");
    value_text(&b, v);
    buf_fmt(&b, ": " PRI_STR " in body ", STR_ARG(buf_view(&c->path)));
    va_start(ap, fmt);
    buf_vfmt(&b, fmt, ap);
    va_end(ap);
    complain(c, "FieldValueInvalid", field_of(c), &b);
}

static void wrong_type(struct check *c, const struct json *v, const char *want)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_fmt(&b, "Invalid value: \"%s\": " PRI_STR " in body must be of type %s: \"%s\"",
            type_name(v), STR_ARG(buf_view(&c->path)), want, type_name(v));
    complain(c, "FieldValueTypeInvalid", field_of(c), &b);
}

static void plain(struct check *c, const char *type, str field, const char *fmt, ...) PRINTF(4, 5);
static void plain(struct check *c, const char *type, str field, const char *fmt, ...)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_vfmt(&b, fmt, ap);
    va_end(ap);
    complain(c, type, field, &b);
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

static str number_text(struct check *c, const struct json *v)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    json_encode(&b, v);
    return arena_dup(c->a, buf_view(&b));
}

/* ---- strings ---- */

static bool matches(struct check *c, str pattern, str text)
{
    pcre2_code *re = c->patterns ? map_find(c->patterns, pattern) : NULL, *own = NULL;
    pcre2_match_context *limits;
    pcre2_match_data *m;
    int rc, code;
    PCRE2_SIZE at;

    if (!re)
        re = own = pcre2_compile((PCRE2_SPTR)(pattern.p ? pattern.p : ""), pattern.n,
                                 PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &code, &at, NULL);
    if (!re)
        return true; /* refused with the definition; nothing to hold against the value */
    limits = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(limits, MATCH_LIMIT);
    m = pcre2_match_data_create_from_pattern(re, NULL);
    rc = pcre2_match(re, (PCRE2_SPTR)(text.p ? text.p : ""), text.n, 0, 0, m, limits);
    pcre2_match_data_free(m);
    pcre2_match_context_free(limits);
    pcre2_code_free(own);
    return rc >= 0;
}

static size_t characters(str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static bool is_date(str s)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int y = 0, m, d;

    if (s.n != 10 || s.p[4] != '-' || s.p[7] != '-')
        return false;
    for (size_t i = 0; i < 10; i++)
        if (i != 4 && i != 7 && (s.p[i] < '0' || s.p[i] > '9'))
            return false;
    for (size_t i = 0; i < 4; i++)
        y = y * 10 + s.p[i] - '0';
    m = (s.p[5] - '0') * 10 + s.p[6] - '0';
    d = (s.p[8] - '0') * 10 + s.p[9] - '0';
    if (m < 1 || m > 12 || d < 1)
        return false;
    return d <= days[m - 1] + (m == 2 && ((y % 4 == 0 && y % 100) || y % 400 == 0));
}

/* Formats that Kubernetes knows, as patterns where a pattern says it. */
static const struct {
    const char *name, *pattern;
} formats[] = {
    {"ipv4", "^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-"
             "9]|[1-9]?[0-9])$"},
    {"ipv6", "^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$"},
    {"cidr", "^[0-9a-fA-F:.]+/[0-9]{1,3}$"},
    {"mac", "^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5,7}$"},
    {"uuid", "^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$"},
    {"uuid3", "^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$"},
    {"uuid4", "^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$"},
    {"uuid5", "^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$"},
    {"byte", "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"},
    {"date-time", "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt "
                  "][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"},
    {"duration", "^[+-]?([0-9]+(\\.[0-9]*)?\\s*(ns|us|\xc2\xb5s|ms|s|m|h|d|w|nanoseconds?|"
                 "microseconds?|milliseconds?|seconds?|minutes?|hours?|days?|weeks?)\\s*)+$"},
    {"email", "^[^@\\s]+@[^@\\s]+$"},
    {"hostname", "^([a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)(\\.([a-zA-Z0-9]([-a-zA-Z0-9]{0,61}"
                 "[a-zA-Z0-9])?))*\\.?$"},
    {"uri", "^([a-zA-Z][-a-zA-Z0-9+.]*:|/)\\S*$"},
    {"hexcolor", "^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"},
};

static bool has_format(struct check *c, str format, str s)
{
    if (str_is(format, "date"))
        return is_date(s);
    if (str_is(format, "date-time") && !is_date(str_slice(s, 0, 10)))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (str_is(format, formats[i].name))
            return matches(c, str_of(formats[i].pattern), s);
    return true;
}

static void check_string(struct check *c, const struct json *s, const struct json *v)
{
    const struct json *max = json_findz(s, "maxLength"), *min = json_findz(s, "minLength"),
                      *pattern = json_findz(s, "pattern");
    str format = json_get_str(s, "format");
    size_t n = characters(v->s);

    if (json_is(max, JSON_INT) && (int64_t)n > max->i)
        plain(c, "FieldValueTooLong", field_of(c), "Too long: may not be more than %lld bytes",
              (long long)max->i);
    if (json_is(min, JSON_INT) && (int64_t)n < min->i)
        invalid(c, v, "should be at least %lld chars long", (long long)min->i);
    if (json_is(pattern, JSON_STRING) && !matches(c, pattern->s, v->s))
        invalid(c, v, "should match '" PRI_STR "'", STR_ARG(pattern->s));
    if (format.n && !has_format(c, format, v->s)) {
        CLEANUP(buf) struct buf b = BUF_INIT;

        json_encode(&b, v);
        invalid(c, v, "must be of type " PRI_STR ": %s", STR_ARG(format), buf_cstr(&b));
    }
}

static void check_number(struct check *c, const struct json *s, const struct json *v)
{
    const struct json *max = json_findz(s, "maximum"), *min = json_findz(s, "minimum"),
                      *of = json_findz(s, "multipleOf");
    double x = 0, limit;

    if (!number_of(v, &x))
        return;
    if (number_of(of, &limit) && limit > 0 && fabs(x / limit - round(x / limit)) > 1e-9)
        invalid(c, v, "should be a multiple of " PRI_STR, STR_ARG(number_text(c, of)));
    if (number_of(max, &limit)) {
        bool ex = json_get_bool(s, "exclusiveMaximum", false);

        if (ex ? x >= limit : x > limit)
            invalid(c, v, "should be less than %s" PRI_STR, ex ? "" : "or equal to ",
                    STR_ARG(number_text(c, max)));
    }
    if (number_of(min, &limit)) {
        bool ex = json_get_bool(s, "exclusiveMinimum", false);

        if (ex ? x <= limit : x < limit)
            invalid(c, v, "should be greater than %s" PRI_STR, ex ? "" : "or equal to ",
                    STR_ARG(number_text(c, min)));
    }
    if (v->type == JSON_INT && str_is(json_get_str(s, "format"), "int32") &&
        (v->i < INT32_MIN || v->i > INT32_MAX))
        invalid(c, v, "Must validate to int32");
}

/* ---- containers ---- */

/* old: what the same part was before; NULL: unknown. What has not changed is not complained about, as Kubernetes ratchets it. */
static void check_value(struct check *c, const struct json *s, const struct json *v,
                        const struct json *old, bool root);

/* What has to be different: the item, or its keys. */
static void identity(struct check *c, struct buf *b, const struct json *keys,
                     const struct json *item)
{
    buf_clear(b);
    if (!keys) {
        struct json copy = json_copy(c->a, item);

        json_sort_keys(&copy);
        json_encode(b, &copy);
        return;
    }
    JSON_EACH(k, keys) {
        const struct json *x = json_find(item, json_str(k));

        if (x)
            json_encode(b, x);
        buf_char(b, '\n');
    }
}

static bool has_duplicates(struct check *c, const struct json *s, const struct json *v, int depth);

static bool list_has_duplicates(struct check *c, const struct json *s, const struct json *v)
{
    str list = json_get_str(s, "x-kubernetes-list-type");
    bool map = str_is(list, "map"), found = false;
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct map seen;

    if (!map && !str_is(list, "set"))
        return false;
    map_init(&seen);
    JSON_EACH(x, v) {
        identity(c, &b, map ? json_findz(s, "x-kubernetes-list-map-keys") : NULL, x);
        found |= map_find(&seen, buf_view(&b)) != NULL;
        map_put(&seen, buf_view(&b), c);
    }
    map_fini(&seen);
    return found;
}

static bool has_duplicates(struct check *c, const struct json *s, const struct json *v, int depth)
{
    const struct json *props = json_findz(s, "properties"), *items = json_findz(s, "items"),
                      *more = json_findz(s, "additionalProperties");

    if (depth > DEPTH_MAX)
        return false;
    if (json_is(v, JSON_ARRAY)) {
        if (list_has_duplicates(c, s, v))
            return true;
        JSON_EACH(x, v)
            if (json_is(items, JSON_OBJECT) && has_duplicates(c, items, x, depth + 1))
                return true;
    }
    JSON_EACH_MEMBER(m, json_is(v, JSON_OBJECT) ? v : NULL) {
        const struct json *sub = json_find(props, m->key);

        if (!sub && json_is(more, JSON_OBJECT))
            sub = more;
        if (sub && has_duplicates(c, sub, &m->value, depth + 1))
            return true;
    }
    return false;
}

/* An object that had duplicates before may keep them. */
static bool duplicates_are_old(struct check *c)
{
    if (!c->old_root)
        return false;
    if (c->old_lists == OLD_UNKNOWN)
        c->old_lists =
            has_duplicates(c, c->root_schema, c->old_root, 0) ? OLD_DUPLICATES : OLD_UNIQUE;
    return c->old_lists == OLD_DUPLICATES;
}

static void check_unique(struct check *c, const struct json *s, const struct json *v)
{
    str list = json_get_str(s, "x-kubernetes-list-type");
    const struct json *keys = json_findz(s, "x-kubernetes-list-map-keys");
    bool map = str_is(list, "map");
    CLEANUP(buf) struct buf id = BUF_INIT;
    struct map seen;

    if (!list_has_duplicates(c, s, v) || duplicates_are_old(c))
        return;
    map_init(&seen);
    for (uint32_t i = 0; i < v->n; i++) {
        CLEANUP(buf) struct buf b = BUF_INIT;
        struct json shown = json_object();

        identity(c, &id, map ? keys : NULL, &v->items[i]);
        if (!map_find(&seen, buf_view(&id))) {
            map_put(&seen, buf_view(&id), c);
            continue;
        }
        buf_z(&b, "Duplicate value: ");
        if (map) {
            JSON_EACH(key, keys) {
                const struct json *x = json_find(&v->items[i], json_str(key));

                if (x)
                    json_set(c->a, &shown, json_str(key), *x);
            }
            json_sort_keys(&shown);
            json_encode(&b, &shown);
        } else
            json_encode(&b, &v->items[i]);
        complain(c, "FieldValueDuplicate", arena_fmt(c->a, PRI_STR "[%u]", STR_ARG(field_of(c)), i),
                 &b);
    }
    map_fini(&seen);
}

/* The items of a list before the change by identity; empty where items have none. Of several the first counts. */
static void old_items(struct check *c, const struct json *s, const struct json *old,
                      struct map *ret)
{
    const struct json *keys = json_findz(s, "x-kubernetes-list-map-keys");
    CLEANUP(buf) struct buf id = BUF_INIT;

    map_init(ret);
    if (!json_is(old, JSON_ARRAY) || !str_is(json_get_str(s, "x-kubernetes-list-type"), "map"))
        return;
    JSON_EACH(x, old) {
        identity(c, &id, keys, x);
        if (!map_find(ret, buf_view(&id)))
            map_put(ret, buf_view(&id), x);
    }
}

static void check_array(struct check *c, const struct json *s, const struct json *v,
                        const struct json *old)
{
    const struct json *items = json_findz(s, "items"), *max = json_findz(s, "maxItems"),
                      *min = json_findz(s, "minItems");
    CLEANUP(buf) struct buf id = BUF_INIT;
    struct map before;

    old_items(c, s, old, &before);
    for (uint32_t i = 0; items && i < v->n; i++) {
        size_t was = c->path.n;

        buf_fmt(&c->path, "[%u]", i);
        if (before.n)
            identity(c, &id, json_findz(s, "x-kubernetes-list-map-keys"), &v->items[i]);
        check_value(c, items, &v->items[i], before.n ? map_find(&before, buf_view(&id)) : NULL,
                    false);
        c->path.n = was;
        c->path.p[was] = 0;
    }
    map_fini(&before);
    if (json_is(max, JSON_INT) && v->n > max->i)
        plain(c, "FieldValueTooMany", field_of(c), "Too many: %u: must have at most %lld items",
              v->n, (long long)max->i);
    if (json_is(min, JSON_INT) && v->n < min->i) {
        struct json n = json_int(v->n);

        invalid(c, &n, "should have at least %lld items", (long long)min->i);
    }
    if (json_get_bool(s, "uniqueItems", false))
        for (uint32_t i = 1; i < v->n; i++)
            for (uint32_t k = 0; k < i; k++)
                if (json_equal(&v->items[i], &v->items[k])) {
                    invalid(c, v, "shouldn't contain duplicates");
                    i = v->n;
                    break;
                }
    check_unique(c, s, v);
}

static void check_object(struct check *c, const struct json *s, const struct json *v,
                         const struct json *old, bool root)
{
    const struct json *props = json_findz(s, "properties"),
                      *more = json_findz(s, "additionalProperties");
    const struct json *max = json_findz(s, "maxProperties"), *min = json_findz(s, "minProperties");
    bool embedded = json_get_bool(s, "x-kubernetes-embedded-resource", false);

    if (json_is(max, JSON_INT) && v->n > max->i)
        plain(c, "FieldValueTooMany", field_of(c), "Too many: %u: must have at most %lld items",
              v->n, (long long)max->i);
    if (json_is(min, JSON_INT) && v->n < min->i)
        invalid(c, v, "should have at least %lld properties", (long long)min->i);
    JSON_EACH_MEMBER(m, v) {
        const struct json *sub = json_find(props, m->key);
        size_t was = c->path.n;

        if (!sub && json_is(more, JSON_OBJECT))
            sub = more;
        if (!sub || (root && str_is(m->key, "metadata") && !c->prefix.n &&
                     !json_count(json_findz(sub, "properties"))))
            continue;
        if (was)
            buf_char(&c->path, '.');
        buf_str(&c->path, m->key);
        check_value(c, sub, &m->value, json_is(old, JSON_OBJECT) ? json_find(old, m->key) : NULL,
                    false);
        c->path.n = was;
        c->path.p[was] = 0;
    }
    JSON_EACH(r, json_findz(s, "required"))
        if (!json_find(v, json_str(r))) {
            str at = field_of(c);

            plain(c, "FieldValueRequired",
                  at.n ? arena_fmt(c->a, PRI_STR "." PRI_STR, STR_ARG(at), STR_ARG(json_str(r)))
                       : json_str(r),
                  "Required value");
        }
    if (embedded && !c->quiet) {
        static const char *const needed[] = {"apiVersion", "kind"};

        for (size_t i = 0; i < ARRAY_LEN(needed); i++)
            if (!json_str(json_findz(v, needed[i])).n)
                plain(c, "FieldValueRequired",
                      arena_fmt(c->a, PRI_STR ".%s", STR_ARG(field_of(c)), needed[i]),
                      "Required value: must not be empty");
    }
}

/* ---- combinations ---- */

static unsigned problems(struct check *c, const struct json *s, const struct json *v, bool root)
{
    bool quiet = c->quiet;
    unsigned before = c->n, found;

    c->quiet = true;
    check_value(c, s, v, NULL, root);
    found = c->n - before;
    c->n = before;
    c->quiet = quiet;
    return found;
}

/* These speak about no single field: Kubernetes names the object as a whole. */
static void whole(struct check *c, const char *what)
{
    plain(c, "FieldValueInvalid", S("<nil>"), "Invalid value: \"\": \"" PRI_STR "\" must %s",
          STR_ARG(buf_view(&c->path)), what);
}

static void check_combinations(struct check *c, const struct json *s, const struct json *v,
                               bool root)
{
    const struct json *any = json_findz(s, "anyOf"), *one = json_findz(s, "oneOf"),
                      *all = json_findz(s, "allOf"), *not = json_findz(s, "not");
    uint32_t fit = 0;

    if (json_count(any)) {
        JSON_EACH(x, any)
            fit += problems(c, x, v, root) == 0;
        if (!fit)
            whole(c, "validate at least one schema (anyOf)");
    }
    if (json_count(one)) {
        fit = 0;
        JSON_EACH(x, one)
            fit += problems(c, x, v, root) == 0;
        if (fit != 1) {
            char text[96];

            if (!fit)
                snprintf(text, sizeof text,
                         "validate one and only one schema (oneOf). Found none valid");
            else
                snprintf(text, sizeof text,
                         "validate one and only one schema (oneOf). Found %u valid alternatives",
                         fit);
            whole(c, text);
        }
    }
    if (json_count(all)) {
        unsigned before = c->n;

        JSON_EACH(x, all)
            check_value(c, x, v, NULL, root);
        if (c->n != before)
            whole(c, "validate all the schemas (allOf)");
    }
    if (json_is(not, JSON_OBJECT) && !problems(c, not, v, root))
        whole(c, "not validate the schema (not)");
}

static bool fits_type(str type, const struct json *v)
{
    switch (v->type) {
    case JSON_NULL:
        return false;
    case JSON_BOOL:
        return str_is(type, "boolean");
    case JSON_INT:
        return str_is(type, "integer") || str_is(type, "number");
    case JSON_DOUBLE:
        return str_is(type, "number") || (str_is(type, "integer") && v->d == floor(v->d));
    case JSON_STRING:
        return str_is(type, "string");
    case JSON_ARRAY:
        return str_is(type, "array");
    case JSON_OBJECT:
        return str_is(type, "object");
    }
    return false;
}

static void check_enum(struct check *c, const struct json *s, const struct json *v)
{
    const struct json *values = json_findz(s, "enum");
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (!json_count(values))
        return;
    JSON_EACH(x, values)
        if (json_equal(x, v))
            return;
    buf_z(&b, "Unsupported value: ");
    json_encode(&b, v);
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
    complain(c, "FieldValueNotSupported", field_of(c), &b);
}

static void check_value(struct check *c, const struct json *s, const struct json *v,
                        const struct json *old, bool root)
{
    str type = json_get_str(s, "type");

    if (old && json_equal(v, old))
        return;
    if (v->type == JSON_NULL && json_get_bool(s, "nullable", false))
        return;
    if (json_get_bool(s, "x-kubernetes-int-or-string", false)) {
        if (v->type != JSON_INT && v->type != JSON_STRING) {
            wrong_type(c, v, "integer,string");
            return;
        }
    } else if (type.n && !fits_type(type, v)) {
        wrong_type(c, v, arena_dupz(c->a, type));
        return;
    }
    if (++c->depth <= DEPTH_MAX) {
        check_combinations(c, s, v, root);
        if (v->type == JSON_STRING)
            check_string(c, s, v);
        else if (v->type == JSON_INT || v->type == JSON_DOUBLE)
            check_number(c, s, v);
        else if (v->type == JSON_ARRAY)
            check_array(c, s, v, old);
        check_enum(c, s, v);
        if (v->type == JSON_OBJECT)
            check_object(c, s, v, old, root);
    }
    c->depth--;
}

void crd_validate(struct arena *a, const struct schema_type *t, const struct json *v,
                  const struct json *old, struct err **errs)
{
    const struct crd_type *x = CONTAINER_OF(t, struct crd_type, type);
    struct check c = {.a = a,
                      .patterns = &x->patterns,
                      .errs = errs,
                      .path = BUF_INIT,
                      .old_root = old,
                      .root_schema = x->schema};

    buf_reserve(&c.path, 1);
    if (x->schema)
        check_value(&c, x->schema, v, old, true);
    buf_fini(&c.path);
}

void crd_validate_value(struct arena *a, const struct json *schema, const struct json *v, str path,
                        str name, struct err **errs)
{
    struct check c = {.a = a, .errs = errs, .path = BUF_INIT, .prefix = path, .name = name};

    buf_reserve(&c.path, 1);
    check_value(&c, schema, v, NULL, false);
    buf_fini(&c.path);
}
