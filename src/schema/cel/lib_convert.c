/* lib_convert.c - conversions between types, and values out of the language: text and JSON.
 *
 * Source: cel-go common/types (ConvertToType, ConvertToNative). */
#include "schema/cel/functions.h"

#include <errno.h>
#include <math.h>

static bool invalid_utf8(str s)
{
    size_t n;
    uint32_t rune;

    for (size_t i = 0; (n = cel_utf8_next(s, i, &rune)) != 0; i += n)
        if (rune == 0xfffd && n == 1)
            return true;
    return false;
}

struct cel_value cel_fn_to_bool(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
    static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};

    if (v[0].kind == CEL_BOOL)
        return v[0];
    if (v[0].kind != CEL_STRING)
        return cel_no_overload(e, n, v);
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (str_is(cel_v_text(v[0]), yes[i]))
            return cel_v_bool(true);
        if (str_is(cel_v_text(v[0]), no[i]))
            return cel_v_bool(false);
    }
    return cel_v_error(e->a, "type conversion error from 'string' to 'bool'");
}

struct cel_value cel_fn_to_bytes(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    if (v[0].kind == CEL_BYTES)
        return v[0];
    if (v[0].kind != CEL_STRING)
        return cel_no_overload(e, n, v);
    return cel_v_bytes(cel_v_text(v[0]));
}

/* Numbers as Go's strconv reads them. */
static bool parse_double(str s, double *ret)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    char *end;

    if (!s.n || s.n > 400 || strchr(" \t\n\r\v\f", s.p[0]))
        return false;
    buf_str(&b, s);
    *ret = strtod(buf_cstr(&b), &end);
    return end == b.p + b.n && !(isinf(*ret) && strpbrk(b.p, "0123456789"));
}

struct cel_value cel_fn_to_double(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    double d;

    switch ((enum cel_kind)v[0].kind) {
    case CEL_DOUBLE:
        return v[0];
    case CEL_INT:
        return cel_v_double((double)v[0].i);
    case CEL_UINT:
        return cel_v_double((double)v[0].u);
    case CEL_STRING:
        if (parse_double(cel_v_text(v[0]), &d))
            return cel_v_double(d);
        return cel_v_error(e->a, "type conversion error from 'string' to 'double'");
    case CEL_ERROR:
    case CEL_NULL:
    case CEL_BOOL:
    case CEL_BYTES:
    case CEL_TIMESTAMP:
    case CEL_DURATION:
    case CEL_LIST:
    case CEL_MAP:
    case CEL_OBJECT:
    case CEL_TYPE:
    case CEL_OPTIONAL:
    case CEL_OPAQUE:
        break;
    }
    return cel_no_overload(e, n, v);
}

struct cel_value cel_fn_to_int(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    int64_t i;

    switch ((enum cel_kind)v[0].kind) {
    case CEL_INT:
        return v[0];
    case CEL_UINT:
        return v[0].u > INT64_MAX ? cel_v_error_z("integer overflow") : cel_v_int((int64_t)v[0].u);
    case CEL_DOUBLE:
        if (!(v[0].d > -9223372036854775808.0 && v[0].d < 9223372036854775808.0))
            return cel_v_error_z("integer overflow");
        return cel_v_int((int64_t)v[0].d);
    case CEL_TIMESTAMP:
        return cel_v_int(v[0].i);
    case CEL_DURATION:
        return cel_v_int(v[0].i);
    case CEL_STRING: {
        str s = cel_v_text(v[0]);

        if (s.n > 1 && s.p[0] == '+' && s.p[1] != '-')
            s = str_skip(s, 1);
        if (str_to_int64(s, &i))
            return cel_v_int(i);
        return cel_v_error(e->a, "type conversion error from 'string' to 'int'");
    }
    case CEL_ERROR:
    case CEL_NULL:
    case CEL_BOOL:
    case CEL_BYTES:
    case CEL_LIST:
    case CEL_MAP:
    case CEL_OBJECT:
    case CEL_TYPE:
    case CEL_OPTIONAL:
    case CEL_OPAQUE:
        break;
    }
    return cel_no_overload(e, n, v);
}

static bool parse_uint(str s, uint64_t *ret)
{
    uint64_t v = 0;

    if (!s.n)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
            return false;
    *ret = v;
    return true;
}

struct cel_value cel_fn_to_uint(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    uint64_t u;

    switch ((enum cel_kind)v[0].kind) {
    case CEL_UINT:
        return v[0];
    case CEL_INT:
        return v[0].i < 0 ? cel_v_error_z("unsigned integer overflow")
                          : cel_v_uint((uint64_t)v[0].i);
    case CEL_DOUBLE:
        if (!(v[0].d >= 0 && v[0].d < 18446744073709551616.0))
            return cel_v_error_z("unsigned integer overflow");
        return cel_v_uint((uint64_t)v[0].d);
    case CEL_STRING:
        if (parse_uint(cel_v_text(v[0]), &u))
            return cel_v_uint(u);
        return cel_v_error(e->a, "type conversion error from 'string' to 'uint'");
    case CEL_ERROR:
    case CEL_NULL:
    case CEL_BOOL:
    case CEL_BYTES:
    case CEL_TIMESTAMP:
    case CEL_DURATION:
    case CEL_LIST:
    case CEL_MAP:
    case CEL_OBJECT:
    case CEL_TYPE:
    case CEL_OPTIONAL:
    case CEL_OPAQUE:
        break;
    }
    return cel_no_overload(e, n, v);
}

struct cel_value cel_fn_to_timestamp(struct cel_eval *e, const struct cel_node *n,
                                     struct cel_value *v)
{
    struct cel_value t;

    if (v[0].kind == CEL_TIMESTAMP)
        return v[0];
    if (v[0].kind == CEL_INT) {
        if (v[0].i < -62135596800 || v[0].i > 253402300799)
            return cel_v_error_z("timestamp overflow");
        return cel_v_time(v[0].i, 0);
    }
    if (v[0].kind != CEL_STRING)
        return cel_no_overload(e, n, v);
    if (cel_time_parse(e->a, cel_v_text(v[0]), &t))
        return t.i < -62135596800 || t.i > 253402300799 ? cel_v_error_z("timestamp overflow") : t;
    return cel_v_error(e->a, "type conversion error from 'string' to 'google.protobuf.Timestamp'");
}

struct cel_value cel_fn_to_duration(struct cel_eval *e, const struct cel_node *n,
                                    struct cel_value *v)
{
    int64_t ns;

    if (v[0].kind == CEL_DURATION)
        return v[0];
    if (v[0].kind == CEL_INT)
        return cel_v_duration(v[0].i);
    if (v[0].kind != CEL_STRING)
        return cel_no_overload(e, n, v);
    if (cel_duration_parse(cel_v_text(v[0]), &ns))
        return cel_v_duration(ns);
    return cel_v_error(e->a, "type conversion error from 'string' to 'google.protobuf.Duration'");
}

struct cel_value cel_fn_to_string(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    str s;

    if (v[0].kind == CEL_BYTES && invalid_utf8(cel_v_text(v[0])))
        return cel_v_error(e->a, "invalid UTF-8 in bytes, cannot convert to string");
    if (v[0].kind == CEL_NULL || v[0].kind == CEL_TYPE || !cel_value_text(e->a, v[0], &s))
        return cel_no_overload(e, n, v);
    return cel_v_str(s);
}

/* ---- out of the language ---- */

str cel_string_of(struct cel_value v)
{
    return v.kind == CEL_STRING ? cel_v_text(v) : STR_NONE;
}

str cel_value_type_name(struct cel_value v)
{
    return cel_type_of_value(NULL, v)->name;
}

bool cel_value_text(struct arena *a, struct cel_value v, str *ret)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    switch ((enum cel_kind)v.kind) {
    case CEL_STRING:
    case CEL_BYTES:
        *ret = cel_v_text(v);
        return true;
    case CEL_NULL:
        *ret = S("null");
        return true;
    case CEL_BOOL:
        *ret = v.b ? S("true") : S("false");
        return true;
    case CEL_INT:
        buf_int(&b, v.i);
        break;
    case CEL_UINT:
        buf_fmt(&b, "%llu", (unsigned long long)v.u);
        break;
    case CEL_DOUBLE:
        cel_buf_double(&b, v.d);
        break;
    case CEL_TIMESTAMP:
        cel_buf_time(&b, v);
        break;
    case CEL_DURATION:
        cel_buf_duration(&b, v.i);
        break;
    case CEL_TYPE:
        *ret = ((const struct cel_type *)v.ref)->name;
        return true;
    case CEL_OPAQUE:
        return cel_opaque_text(a, v, ret);
    case CEL_ERROR:
    case CEL_LIST:
    case CEL_MAP:
    case CEL_OBJECT:
    case CEL_OPTIONAL:
        return false;
    }
    *ret = arena_dup(a, buf_view(&b));
    return true;
}

static struct err *to_json(struct arena *a, struct cel_value v, struct json *ret, int depth);

static struct err *list_to_json(struct arena *a, struct cel_value v, struct json *ret, int depth)
{
    struct json item;
    struct err *err;

    *ret = json_array();
    for (uint64_t i = 0; i < v.n; i++) {
        err = to_json(a, cel_item(a, v, i), &item, depth + 1);
        if (err)
            return err;
        json_append(a, ret, item);
    }
    return NULL;
}

static struct err *map_to_json(struct arena *a, struct cel_value v, struct json *ret, int depth)
{
    struct cel_entries it = {.map = v};
    struct cel_value k, x;
    struct json member;
    struct err *err;
    str key;

    if (v.sub == CONT_COMPOSED)
        return err_new(REASON_INVALID, "unsupported type: kubernetes.variables");
    *ret = json_object();
    while (cel_entry_next(a, &it, &k, &x)) {
        if (x.kind == CEL_OPTIONAL) {
            if (!x.ref)
                continue;
            x = *cel_optional_value(x);
        }
        if (!cel_value_text(a, k, &key))
            return err_new(REASON_INVALID, "unsupported key type");
        err = to_json(a, x, &member, depth + 1);
        if (err)
            return err;
        json_set(a, ret, key, member);
    }
    return NULL;
}

static struct err *to_json(struct arena *a, struct cel_value v, struct json *ret, int depth)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    str name;

    if (depth > JSON_DEPTH_MAX)
        return err_new(REASON_INVALID, "value is nested too deep");
    switch ((enum cel_kind)v.kind) {
    case CEL_NULL:
        *ret = json_null();
        return NULL;
    case CEL_BOOL:
        *ret = json_bool(v.b);
        return NULL;
    case CEL_INT:
        *ret = json_int(v.i);
        return NULL;
    case CEL_UINT:
        *ret = v.u <= INT64_MAX ? json_int((int64_t)v.u) : json_double((double)v.u);
        return NULL;
    case CEL_DOUBLE:
        if (isnan(v.d) || isinf(v.d))
            return err_new(REASON_INVALID, "json: unsupported value: %s",
                           isnan(v.d) ? "NaN"
                           : v.d > 0  ? "+Inf"
                                      : "-Inf");
        *ret = json_double(v.d);
        return NULL;
    case CEL_STRING:
        *ret = json_string(cel_v_text(v));
        return NULL;
    case CEL_BYTES:
        buf_base64(&b, cel_v_text(v));
        *ret = json_string(arena_dup(a, buf_view(&b)));
        return NULL;
    case CEL_TIMESTAMP:
        cel_buf_time(&b, v);
        *ret = json_string(arena_dup(a, buf_view(&b)));
        return NULL;
    case CEL_DURATION:
        cel_buf_duration(&b, v.i);
        *ret = json_string(arena_dup(a, buf_view(&b)));
        return NULL;
    case CEL_LIST:
        if (v.sub == CONT_JSON) {
            *ret = json_share(a, v.ref);
            return NULL;
        }
        return list_to_json(a, v, ret, depth);
    case CEL_MAP:
        if (v.sub == CONT_JSON) {
            *ret = json_share(a, v.ref);
            return NULL;
        }
        return map_to_json(a, v, ret, depth);
    case CEL_OBJECT:
        v.sub = CONT_VALUES;
        return map_to_json(a, v, ret, depth);
    case CEL_OPTIONAL:
        if (v.ref)
            return to_json(a, *cel_optional_value(v), ret, depth + 1);
        *ret = json_null();
        return NULL;
    case CEL_OPAQUE:
        if (cel_opaque_text(a, v, &name)) {
            *ret = json_string(name);
            return NULL;
        }
        break;
    case CEL_ERROR:
    case CEL_TYPE:
        break;
    }
    name = cel_value_type_name(v);
    return err_new(REASON_INVALID, "unsupported type: " PRI_STR, STR_ARG(name));
}

/* Objects are named by the fields in which they stand: Object.spec in spec; lists and maps between do not count. */
static void check_names(struct arena *a, struct cel_value v, str want, struct buf *problems,
                        int depth)
{
    struct cel_entries it = {.map = v};
    struct cel_value k, x;

    if (depth > JSON_DEPTH_MAX)
        return;
    if (v.kind == CEL_OPTIONAL && v.ref)
        check_names(a, *cel_optional_value(v), want, problems, depth + 1);
    if (v.kind == CEL_LIST && v.sub == CONT_VALUES)
        for (uint64_t i = 0; i < v.n; i++)
            check_names(a, cel_item(a, v, i), want, problems, depth + 1);
    if (v.kind == CEL_OBJECT) {
        str name = ((const struct cel_type *)v.aux)->name;

        if (!str_eq(name, want))
            buf_fmt(problems,
                    "%sunexpected type name \"" PRI_STR "\", expected \"" PRI_STR
                    "\", which matches field name path from root Object type",
                    problems->n ? "\n" : "", STR_ARG(name), STR_ARG(want));
        it.map.sub = CONT_VALUES;
    } else if (v.kind != CEL_MAP || v.sub != CONT_VALUES) {
        return;
    }
    while (cel_entry_next(a, &it, &k, &x))
        check_names(a, x,
                    v.kind == CEL_OBJECT
                        ? arena_fmt(a, PRI_STR "." PRI_STR, STR_ARG(want), STR_ARG(cel_v_text(k)))
                        : want,
                    problems, depth + 1);
}

struct err *cel_to_json(struct arena *a, struct cel_value v, struct json **ret)
{
    CLEANUP(buf) struct buf problems = BUF_INIT;
    struct json *j = json_new(a, json_null());
    struct err *err;

    if (v.kind == CEL_OBJECT && v.aux == cel_mutation_object)
        check_names(a, v, S("Object"), &problems, 0);
    if (problems.n)
        return err_new(REASON_INVALID, "type mismatch: %s", buf_cstr(&problems));
    err = to_json(a, v, j, 0);

    if (!err)
        *ret = j;
    return err;
}
