/* lib_core.c - operators, indexing, optional values.
 *
 * Source: cel-go common/types/{int,uint,double,string,list,map,timestamp,duration,optional}.go, cel/library.go. */
#include "schema/cel/functions.h"

#include <math.h>

#define TIME_MIN_S (-62135596800) /* 0001-01-01T00:00:00Z */
#define TIME_MAX_S 253402300799   /* 9999-12-31T23:59:59Z */

static bool all(struct cel_value *v, int n, enum cel_kind kind)
{
    for (int i = 0; i < n; i++)
        if (v[i].kind != kind)
            return false;
    return true;
}

static struct cel_value int_overflow(void)
{
    return cel_v_error_z("integer overflow");
}

static struct cel_value uint_overflow(void)
{
    return cel_v_error_z("unsigned integer overflow");
}

struct cel_value cel_fn_not(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    if (v[0].kind != CEL_BOOL)
        return cel_no_overload(e, n, v);
    return cel_v_bool(!v[0].b);
}

struct cel_value cel_fn_equal(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    bool equal = cel_equal(e, v[0], v[1]);

    return cel_v_bool(equal == (n->fn->name[1] == '='));
}

struct cel_value cel_fn_order(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    int c = cel_compare(v[0], v[1]);
    bool or_equal = n->fn->name[2] == '=';

    if (c == 2)
        return cel_no_overload(e, n, v);
    if (c == 3) /* NaN cannot be ordered */
        return cel_v_error_z("NaN values cannot be ordered");
    if (c == 0)
        return cel_v_bool(or_equal);
    return cel_v_bool((n->fn->name[1] == '<') == (c < 0));
}

/* ---- arithmetic ---- */

static struct cel_value add_time(int64_t s, uint32_t ns, int64_t d)
{
    int64_t sum_ns = (int64_t)ns + d % 1000000000, sum;

    if (__builtin_add_overflow(s, d / 1000000000, &sum))
        return cel_v_error_z("timestamp overflow");
    if (sum_ns < 0) {
        sum_ns += 1000000000;
        sum--;
    } else if (sum_ns >= 1000000000) {
        sum_ns -= 1000000000;
        sum++;
    }
    if (sum < TIME_MIN_S || sum > TIME_MAX_S)
        return cel_v_error_z("timestamp overflow");
    return cel_v_time(sum, (uint32_t)sum_ns);
}

static struct cel_value concat(struct cel_eval *e, struct cel_value x, struct cel_value y)
{
    char *p;

    if ((uint64_t)x.n + y.n > CEL_SIZE_MAX) {
        e->out_of_cost = true;
        return cel_v_null();
    }
    p = arena_alloc(e->a, (size_t)x.n + y.n + 1);
    memcpy(p, x.p, x.n);
    memcpy(p + x.n, y.p, y.n);
    p[x.n + y.n] = '\0';
    x.n += y.n;
    x.p = p;
    return x;
}

/* Lists of type set and map: what the right side has of the left side's keys replaces it, the rest follows. */
static struct cel_value merge_lists(struct cel_eval *e, struct cel_value x, struct cel_value y,
                                    const struct json *schema)
{
    struct cel_value *items = arena_alloc(e->a, ((size_t)x.n + y.n + 1) * sizeof *items);
    uint32_t n = 0;

    for (uint64_t i = 0; i < x.n; i++)
        items[n++] = cel_item(e->a, x, i);
    for (uint64_t j = 0; j < y.n; j++) {
        struct cel_value v = cel_item(e->a, y, j);
        uint32_t i = 0;

        while (i < x.n && !cel_same_keys(e, schema, items[i], v) && !e->out_of_cost)
            i++;
        if (i < x.n)
            items[i] = v;
        else
            items[n++] = v;
    }
    return cel_v_list(items, n);
}

static struct cel_value add_lists(struct cel_eval *e, struct cel_value x, struct cel_value y)
{
    struct cel_value *items;
    bool set;

    if (x.sub == CONT_JSON && x.aux && cel_list_kind_map(x.aux, &set))
        return merge_lists(e, x, y, x.aux);
    if (!x.n)
        return y;
    if (!y.n)
        return x;
    if (!cel_work(e, (uint64_t)x.n + y.n) || (uint64_t)x.n + y.n > CEL_SIZE_MAX / 16) {
        e->out_of_cost = true;
        return cel_v_null();
    }
    items = arena_alloc(e->a, ((size_t)x.n + y.n) * sizeof *items);
    for (uint64_t i = 0; i < x.n; i++)
        items[i] = cel_item(e->a, x, i);
    for (uint64_t i = 0; i < y.n; i++)
        items[x.n + i] = cel_item(e->a, y, i);
    return cel_v_list(items, (size_t)x.n + y.n);
}

struct cel_value cel_fn_add(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    int64_t i;
    uint64_t u;

    switch ((enum cel_kind)v[0].kind) {
    case CEL_INT:
        if (v[1].kind != CEL_INT)
            break;
        return __builtin_add_overflow(v[0].i, v[1].i, &i) ? int_overflow() : cel_v_int(i);
    case CEL_UINT:
        if (v[1].kind != CEL_UINT)
            break;
        return __builtin_add_overflow(v[0].u, v[1].u, &u) ? uint_overflow() : cel_v_uint(u);
    case CEL_DOUBLE:
        if (v[1].kind != CEL_DOUBLE)
            break;
        return cel_v_double(v[0].d + v[1].d);
    case CEL_STRING:
    case CEL_BYTES:
        if (v[1].kind != v[0].kind)
            break;
        return concat(e, v[0], v[1]);
    case CEL_LIST:
        if (v[1].kind != CEL_LIST)
            break;
        return add_lists(e, v[0], v[1]);
    case CEL_TIMESTAMP:
        if (v[1].kind != CEL_DURATION)
            break;
        return add_time(v[0].i, v[0].n, v[1].i);
    case CEL_DURATION:
        if (v[1].kind == CEL_TIMESTAMP)
            return add_time(v[1].i, v[1].n, v[0].i);
        if (v[1].kind != CEL_DURATION)
            break;
        return __builtin_add_overflow(v[0].i, v[1].i, &i) ? cel_v_error_z("duration overflow")
                                                          : cel_v_duration(i);
    case CEL_ERROR:
    case CEL_NULL:
    case CEL_BOOL:
    case CEL_MAP:
    case CEL_OBJECT:
    case CEL_TYPE:
    case CEL_OPTIONAL:
    case CEL_OPAQUE:
        return cel_v_error_z("no such overload: _+_");
    }
    return cel_no_overload(e, n, v);
}

struct cel_value cel_fn_subtract(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    __int128 wide;
    int64_t i;
    uint64_t u;

    if (all(v, 2, CEL_INT))
        return __builtin_sub_overflow(v[0].i, v[1].i, &i) ? int_overflow() : cel_v_int(i);
    if (all(v, 2, CEL_UINT))
        return __builtin_sub_overflow(v[0].u, v[1].u, &u) ? uint_overflow() : cel_v_uint(u);
    if (all(v, 2, CEL_DOUBLE))
        return cel_v_double(v[0].d - v[1].d);
    if (all(v, 2, CEL_DURATION))
        return __builtin_sub_overflow(v[0].i, v[1].i, &i) ? cel_v_error_z("duration overflow")
                                                          : cel_v_duration(i);
    if (v[0].kind == CEL_TIMESTAMP && v[1].kind == CEL_DURATION)
        return v[1].i == INT64_MIN ? cel_v_error_z("timestamp overflow")
                                   : add_time(v[0].i, v[0].n, -v[1].i);
    if (all(v, 2, CEL_TIMESTAMP)) {
        wide = ((__int128)v[0].i - v[1].i) * 1000000000 + ((__int128)v[0].n - v[1].n);
        if (wide > INT64_MAX || wide < INT64_MIN)
            return cel_v_error_z("duration overflow");
        return cel_v_duration((int64_t)wide);
    }
    return cel_no_overload(e, n, v);
}

struct cel_value cel_fn_multiply(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    int64_t i;
    uint64_t u;

    if (all(v, 2, CEL_INT))
        return __builtin_mul_overflow(v[0].i, v[1].i, &i) ? int_overflow() : cel_v_int(i);
    if (all(v, 2, CEL_UINT))
        return __builtin_mul_overflow(v[0].u, v[1].u, &u) ? uint_overflow() : cel_v_uint(u);
    if (all(v, 2, CEL_DOUBLE))
        return cel_v_double(v[0].d * v[1].d);
    return cel_no_overload(e, n, v);
}

struct cel_value cel_fn_divide(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    if (all(v, 2, CEL_INT)) {
        if (!v[1].i)
            return cel_v_error_z("division by zero");
        return v[0].i == INT64_MIN && v[1].i == -1 ? int_overflow() : cel_v_int(v[0].i / v[1].i);
    }
    if (all(v, 2, CEL_UINT))
        return v[1].u ? cel_v_uint(v[0].u / v[1].u) : cel_v_error_z("division by zero");
    if (all(v, 2, CEL_DOUBLE))
        return cel_v_double(v[0].d / v[1].d);
    return cel_no_overload(e, n, v);
}

struct cel_value cel_fn_modulo(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    if (all(v, 2, CEL_INT)) {
        if (!v[1].i)
            return cel_v_error_z("modulus by zero");
        return v[0].i == INT64_MIN && v[1].i == -1 ? int_overflow() : cel_v_int(v[0].i % v[1].i);
    }
    if (all(v, 2, CEL_UINT))
        return v[1].u ? cel_v_uint(v[0].u % v[1].u) : cel_v_error_z("modulus by zero");
    return cel_no_overload(e, n, v);
}

struct cel_value cel_fn_negate(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    if (v[0].kind == CEL_INT)
        return v[0].i == INT64_MIN ? int_overflow() : cel_v_int(-v[0].i);
    if (v[0].kind == CEL_DOUBLE)
        return cel_v_double(-v[0].d);
    if (v[0].kind == CEL_DURATION && v[0].i != INT64_MIN)
        return cel_v_duration(-v[0].i);
    return cel_no_overload(e, n, v);
}

/* ---- containers ---- */

struct cel_value cel_fn_in(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    struct cel_value found;

    if (v[1].kind == CEL_MAP)
        return cel_v_bool(cel_map_find(e, v[1], v[0], &found));
    if (v[1].kind != CEL_LIST)
        return cel_no_overload(e, n, v);
    for (uint64_t i = 0; i < v[1].n; i++)
        if (cel_equal(e, v[0], cel_item(e->a, v[1], i)))
            return cel_v_bool(true);
    return cel_v_bool(false);
}

/* A list's index may be any number without a fraction. */
static bool index_of(struct cel_eval *e, struct cel_value v, int64_t *ret,
                     struct cel_value *ret_err)
{
    char name[128];

    if (v.kind == CEL_INT) {
        *ret = v.i;
        return true;
    }
    if (v.kind == CEL_UINT) {
        *ret = v.u > INT64_MAX ? INT64_MAX : (int64_t)v.u;
        return true;
    }
    if (v.kind == CEL_DOUBLE && v.d == floor(v.d) && fabs(v.d) < 9e15) {
        *ret = (int64_t)v.d;
        return true;
    }
    if (v.kind == CEL_DOUBLE)
        *ret_err = cel_v_error(e->a, "unsupported index value %g in list", v.d);
    else
        *ret_err = cel_v_error(e->a, "unsupported index type '%s' in list", cel_kind_name(v, name));
    return false;
}

enum found { FOUND, ABSENT, FAILED };
static enum found lookup(struct cel_eval *e, struct cel_value of, struct cel_value key,
                         struct cel_value *ret)
{
    int64_t i;

    if (of.kind == CEL_MAP) {
        if (!cel_map_find(e, of, key, ret))
            return ABSENT;
        return cel_is_error(*ret) ? FAILED : FOUND;
    }
    if (of.kind == CEL_LIST) {
        if (!index_of(e, key, &i, ret))
            return FAILED;
        if (i < 0 || (uint64_t)i >= of.n)
            return ABSENT;
        *ret = cel_item(e->a, of, (uint64_t)i);
        return cel_is_error(*ret) ? FAILED : FOUND;
    }
    if (of.kind == CEL_OBJECT && key.kind == CEL_STRING)
        return cel_map_find_str(e, of, cel_v_text(key), NULL, ret) ? FOUND : ABSENT;
    return ABSENT;
}

static struct cel_value missing(struct cel_eval *e, struct cel_value of, struct cel_value key)
{
    str text = S("?");

    cel_value_text(e->a, key, &text);
    return cel_v_error(e->a, "%s: " PRI_STR,
                       of.kind == CEL_LIST ? "index out of bounds" : "no such key", STR_ARG(text));
}

struct cel_value cel_fn_index(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    struct cel_value of = v[0], r;
    bool optional = of.kind == CEL_OPTIONAL;

    (void)n;
    if (optional) {
        if (!of.ref)
            return of;
        of = *(const struct cel_value *)of.ref;
    }
    switch (lookup(e, of, v[1], &r)) {
    case FOUND:
        return optional ? cel_v_optional(e->a, &r) : r;
    case FAILED:
        return r;
    case ABSENT:
        break;
    }
    optional &= of.kind == CEL_MAP || of.kind == CEL_LIST || of.kind == CEL_OBJECT;
    return optional ? cel_v_optional(e->a, NULL) : missing(e, of, v[1]);
}

struct cel_value cel_fn_index_optional(struct cel_eval *e, const struct cel_node *n,
                                       struct cel_value *v)
{
    struct cel_value of = v[0], r;

    (void)n;
    if (of.kind == CEL_OPTIONAL) {
        if (!of.ref)
            return of;
        of = *(const struct cel_value *)of.ref;
    }
    if (of.kind != CEL_MAP && of.kind != CEL_LIST && of.kind != CEL_OBJECT)
        return missing(e, of, v[1]);
    switch (lookup(e, of, v[1], &r)) {
    case FOUND:
        return cel_v_optional(e->a, &r);
    case FAILED:
        return r;
    case ABSENT:
        break;
    }
    return cel_v_optional(e->a, NULL);
}

struct cel_value cel_fn_size(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    bool sized;
    uint64_t size = cel_size(v[0], &sized);

    return sized && v[0].kind != CEL_OPAQUE ? cel_v_int((int64_t)size) : cel_no_overload(e, n, v);
}

struct cel_value cel_fn_type(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    (void)n;
    return cel_v_type(cel_type_of_value(e->a, v[0]));
}

struct cel_value cel_fn_to_dyn(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    (void)e;
    (void)n;
    return v[0];
}

struct cel_value cel_fn_map_insert(struct cel_eval *e, const struct cel_node *n,
                                   struct cel_value *v)
{
    return cel_no_overload(e, n, v); /* loops do it themselves */
}

/* ---- optional values ---- */

struct cel_value cel_fn_optional_of(struct cel_eval *e, const struct cel_node *n,
                                    struct cel_value *v)
{
    (void)n;
    return cel_v_optional(e->a, &v[0]);
}

struct cel_value cel_fn_optional_non_zero(struct cel_eval *e, const struct cel_node *n,
                                          struct cel_value *v)
{
    (void)n;
    return cel_v_optional(e->a, cel_is_zero(v[0]) ? NULL : &v[0]);
}

struct cel_value cel_fn_optional_none(struct cel_eval *e, const struct cel_node *n,
                                      struct cel_value *v)
{
    (void)n;
    (void)v;
    return cel_v_optional(e->a, NULL);
}

struct cel_value cel_fn_optional_value(struct cel_eval *e, const struct cel_node *n,
                                       struct cel_value *v)
{
    if (v[0].kind != CEL_OPTIONAL)
        return cel_no_overload(e, n, v);
    if (!v[0].ref)
        return cel_v_error_z("optional.none() dereference");
    return *cel_optional_value(v[0]);
}

struct cel_value cel_fn_optional_has_value(struct cel_eval *e, const struct cel_node *n,
                                           struct cel_value *v)
{
    if (v[0].kind != CEL_OPTIONAL)
        return cel_no_overload(e, n, v);
    return cel_v_bool(v[0].ref != NULL);
}

/* or() gives an optional, orValue() a value. */
struct cel_value cel_fn_optional_or(struct cel_eval *e, const struct cel_node *n,
                                    struct cel_value *v)
{
    bool value = n->fn->name[2] != '\0';

    if (v[0].kind != CEL_OPTIONAL || (!value && v[1].kind != CEL_OPTIONAL))
        return cel_no_overload(e, n, v);
    if (!v[0].ref)
        return v[1];
    return value ? *cel_optional_value(v[0]) : v[0];
}

struct cel_value cel_fn_optional_unwrap(struct cel_eval *e, const struct cel_node *n,
                                        struct cel_value *v)
{
    struct cel_value *items, x;
    uint32_t count = 0;

    if (v[0].kind != CEL_LIST)
        return cel_no_overload(e, n, v);
    items = arena_alloc(e->a, ((size_t)v[0].n + 1) * sizeof *items);
    for (uint64_t i = 0; i < v[0].n; i++) {
        x = cel_item(e->a, v[0], i);
        if (x.kind != CEL_OPTIONAL)
            return cel_no_overload(e, n, v);
        if (x.ref)
            items[count++] = *cel_optional_value(x);
    }
    return cel_v_list(items, count);
}

struct cel_value cel_fn_list_end(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    struct cel_value x;

    if (v[0].kind != CEL_LIST)
        return cel_no_overload(e, n, v);
    if (!v[0].n)
        return cel_v_optional(e->a, NULL);
    x = cel_item(e->a, v[0], n->fn->name[0] == 'f' ? 0 : v[0].n - 1);
    return cel_is_error(x) ? x : cel_v_optional(e->a, &x);
}
