/* value.c - values at evaluation: JSON as it looks to expressions, equality, order, sizes.
 *
 * Objects and lists of JSON are wrapped, not copied. What a schema types otherwise than JSON does (timestamps, durations, bytes,
 * doubles) is converted when it is reached.
 *
 * Source: cel-go common/types; k8s.io/apiserver/pkg/cel/common/values.go. */
#include "schema/cel/cel_internal.h"

#include <math.h>

static const char *const out_of_cost = "operation cancelled: actual cost limit exceeded";

/* ---- making ---- */

struct cel_value cel_v_list(const struct cel_value *items, size_t n)
{
    return (struct cel_value){.kind = CEL_LIST, .sub = CONT_VALUES, .n = (uint32_t)n, .ref = items};
}

struct cel_value cel_v_map(const struct cel_value *pairs, size_t n_entries)
{
    return (struct cel_value){
        .kind = CEL_MAP, .sub = CONT_VALUES, .n = (uint32_t)n_entries, .ref = pairs};
}

struct cel_value cel_v_optional(struct arena *a, const struct cel_value *v)
{
    struct cel_value *copy = NULL;

    if (v) {
        copy = arena_alloc(a, sizeof *copy);
        *copy = *v;
    }
    return (struct cel_value){.kind = CEL_OPTIONAL, .ref = copy};
}

const struct cel_value *cel_optional_value(struct cel_value v)
{
    return v.ref;
}

struct cel_value cel_v_error_z(const char *text)
{
    return (struct cel_value){.kind = CEL_ERROR, .n = (uint32_t)strlen(text), .p = text};
}

struct cel_value cel_v_error(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    str s;

    va_start(ap, fmt);
    s = arena_vfmt(a, fmt, ap);
    va_end(ap);
    return (struct cel_value){.kind = CEL_ERROR, .n = (uint32_t)s.n, .p = s.p};
}

bool cel_work(struct cel_eval *e, uint64_t steps)
{
    if (!e)
        return true;
    e->steps += steps;
    if (e->steps <= CEL_STEPS_MAX)
        return true;
    e->out_of_cost = true;
    return false;
}

/* ---- JSON ---- */

static struct cel_value wrap_formatted(struct arena *a, str text, str format)
{
    struct cel_value v;
    int64_t s;
    str out;

    if (str_is(format, "date-time")) {
        if (cel_time_parse(a, text, &v))
            return v;
        return cel_v_error(a, "Invalid date-time formatted string " PRI_STR, STR_ARG(text));
    }
    if (str_is(format, "date")) {
        str full = arena_fmt(a, PRI_STR "T00:00:00Z", STR_ARG(text));

        if (text.n == 10 && cel_time_parse(a, full, &v))
            return v;
        return cel_v_error(a, "Invalid date formatted string " PRI_STR, STR_ARG(text));
    }
    if (str_is(format, "duration")) {
        if (cel_duration_parse_loose(text, &s))
            return cel_v_duration(s);
        return cel_v_error(a, "Invalid duration formatted string " PRI_STR, STR_ARG(text));
    }
    if (str_is(format, "byte")) {
        if (base64_decode(a, text, &out))
            return cel_v_bytes(out);
        return cel_v_error(a, "Invalid byte formatted string " PRI_STR, STR_ARG(text));
    }
    return cel_v_str(text);
}

struct cel_value cel_wrap(struct arena *a, const struct json *v, const struct json *schema)
{
    if (!v)
        return cel_v_null();
    switch (v->type) {
    case JSON_NULL:
        if (schema && !json_get_bool(schema, "nullable", false))
            return cel_v_error_z("invalid data, got null for schema with nullable=false");
        break;
    case JSON_BOOL:
        return cel_v_bool(v->b);
    case JSON_INT:
        if (schema && str_is(json_get_str(schema, "type"), "number"))
            return cel_v_double((double)v->i);
        return cel_v_int(v->i);
    case JSON_DOUBLE:
        if (schema && str_is(json_get_str(schema, "type"), "integer") && v->d == floor(v->d) &&
            fabs(v->d) < 9e18)
            return cel_v_int((int64_t)v->d);
        return cel_v_double(v->d);
    case JSON_STRING:
        if (schema) {
            str format = json_get_str(schema, "format");

            if (format.n && str_is(json_get_str(schema, "type"), "string"))
                return wrap_formatted(a, v->s, format);
        }
        return cel_v_str(v->s);
    case JSON_ARRAY:
        return (struct cel_value){
            .kind = CEL_LIST, .sub = CONT_JSON, .n = v->n, .ref = v, .aux = schema};
    case JSON_OBJECT:
        return (struct cel_value){
            .kind = CEL_MAP, .sub = CONT_JSON, .n = v->n, .ref = v, .aux = schema};
    }
    return cel_v_null();
}

static const struct json *member_schema(const struct json *schema, str key)
{
    const struct json *props = json_findz(schema, "properties"), *s = json_find(props, key);

    if (s)
        return s;
    s = json_findz(schema, "additionalProperties");
    return json_is(s, JSON_OBJECT) ? s : NULL;
}

/* ---- containers ---- */

uint64_t cel_count(struct cel_value v)
{
    if (v.sub == CONT_COMPOSED)
        return ((const struct cel_vars *)v.ref)->env->n_composed;
    return v.n;
}

struct cel_value cel_item(struct arena *a, struct cel_value list, uint64_t i)
{
    const struct json *arr = list.ref;

    if (list.sub == CONT_VALUES)
        return ((const struct cel_value *)list.ref)[i];
    return cel_wrap(a, &arr->items[i], list.aux ? json_findz(list.aux, "items") : NULL);
}

bool cel_entry_next(struct arena *a, struct cel_entries *it, struct cel_value *ret_key,
                    struct cel_value *ret_value)
{
    const struct json *obj = it->map.ref;
    const struct cel_value *pairs = it->map.ref;
    uint32_t i = it->i;

    if (it->map.sub == CONT_COMPOSED || i >= it->map.n)
        return false;
    it->i++;
    if (it->map.sub == CONT_VALUES) {
        *ret_key = pairs[2 * i];
        *ret_value = pairs[2 * i + 1];
        return true;
    }
    *ret_key = cel_v_str(obj->members[i].key);
    *ret_value = cel_wrap(a, &obj->members[i].value,
                          it->map.aux ? member_schema(it->map.aux, obj->members[i].key) : NULL);
    return true;
}

/* Large maps are searched through an index, made at the first search: expressions look up in loops. */
#define INDEX_FROM 32

struct cel_index {
    struct cel_index *next;
    const void *ref;
    uint32_t mask, slots[]; /* number of an entry + 1; 0: free */
};

static str key_at(struct cel_value map, uint32_t i)
{
    const struct cel_value *pairs = map.ref;

    if (map.sub == CONT_JSON)
        return ((const struct json *)map.ref)->members[i].key;
    return pairs[2 * i].kind == CEL_STRING ? cel_v_text(pairs[2 * i]) : STR_NONE;
}

static const struct cel_index *index_of(struct cel_eval *e, struct cel_value map)
{
    struct cel_index **at, *x;
    uint32_t size = 64;

    if (!e->vars->indexes)
        e->vars->indexes = ARENA_NEW_N(e->a, struct cel_index *, CEL_INDEX_BUCKETS);
    at = &e->vars->indexes[(uintptr_t)map.ref / 16 % CEL_INDEX_BUCKETS];

    for (x = *at; x; x = x->next)
        if (x->ref == map.ref)
            return x;
    while (size < 2 * map.n)
        size *= 2;
    x = arena_zalloc(e->a, sizeof *x + size * sizeof x->slots[0]);
    x->ref = map.ref;
    x->mask = size - 1;
    x->next = *at;
    *at = x;
    cel_work(e, map.n);
    for (uint32_t i = 0; i < map.n; i++) {
        str key = key_at(map, i);
        uint32_t slot = (uint32_t)str_hash(key) & x->mask;

        if (!key.p)
            continue;
        while (x->slots[slot])
            slot = (slot + 1) & x->mask;
        x->slots[slot] = i + 1;
    }
    return x;
}

/* The number of a key's entry, or -1. */
static int64_t entry_of(struct cel_eval *e, struct cel_value map, str key)
{
    const struct cel_index *x;
    uint32_t slot;

    if (map.n < INDEX_FROM || (map.flags & CONT_GROWING)) {
        if (map.n > INDEX_FROM)
            cel_work(e, map.n / 8);
        for (uint32_t i = 0; i < map.n; i++) {
            str k = key_at(map, i);

            if (k.p && str_eq(k, key))
                return i;
        }
        return -1;
    }
    x = index_of(e, map);
    slot = (uint32_t)str_hash(key) & x->mask;
    for (; x->slots[slot]; slot = (slot + 1) & x->mask)
        if (str_eq(key_at(map, x->slots[slot] - 1), key))
            return x->slots[slot] - 1;
    return -1;
}

bool cel_map_find_str(struct cel_eval *e, struct cel_value map, str key, const struct json *schema,
                      struct cel_value *ret)
{
    int64_t i;
    bool found;

    if (map.sub == CONT_COMPOSED) {
        *ret = cel_composed_get(e, map, key, &found);
        return found;
    }
    i = entry_of(e, map, key);
    if (i < 0)
        return false;
    if (map.sub == CONT_VALUES)
        *ret = ((const struct cel_value *)map.ref)[2 * i + 1];
    else
        *ret = cel_wrap(e->a, &((const struct json *)map.ref)->members[i].value,
                        schema    ? schema
                        : map.aux ? member_schema(map.aux, key)
                                  : NULL);
    return true;
}

bool cel_map_find(struct cel_eval *e, struct cel_value map, struct cel_value key,
                  struct cel_value *ret)
{
    const struct cel_value *pairs = map.ref;

    if (key.kind == CEL_STRING)
        return cel_map_find_str(e, map, cel_v_text(key), NULL, ret);
    if (map.sub != CONT_VALUES)
        return false;
    if (map.n > 64)
        cel_work(e, map.n / 8);
    for (uint32_t i = 0; i < map.n; i++)
        if (pairs[2 * i].kind != CEL_STRING && cel_equal(e, pairs[2 * i], key)) {
            *ret = pairs[2 * i + 1];
            return true;
        }
    return false;
}

/* ---- order ---- */

static int cmp_double(double x, double y)
{
    return isnan(x) || isnan(y) ? 3 : x < y ? -1 : x > y;
}

static int cmp_int_uint(int64_t i, uint64_t u)
{
    return i < 0 ? -1 : (uint64_t)i < u ? -1 : (uint64_t)i > u;
}

static int cmp_double_int(double d, int64_t i)
{
    if (isnan(d))
        return 3;
    if (d < -9223372036854775808.0)
        return -1;
    if (d > 9223372036854775808.0) /* 2^63 itself equals INT64_MAX, as cel-go has it */
        return 1;
    return cmp_double(d, (double)i);
}

static int cmp_double_uint(double d, uint64_t u)
{
    if (isnan(d))
        return 3;
    if (d < 0)
        return -1;
    if (d > 18446744073709551616.0)
        return 1;
    return cmp_double(d, (double)u);
}

static int flip(int c)
{
    return c == -1 || c == 1 ? -c : c;
}

int cel_compare(struct cel_value x, struct cel_value y)
{
    int c;

    if (x.kind != y.kind) {
        if (x.kind == CEL_INT && y.kind == CEL_UINT)
            return cmp_int_uint(x.i, y.u);
        if (x.kind == CEL_UINT && y.kind == CEL_INT)
            return flip(cmp_int_uint(y.i, x.u));
        if (x.kind == CEL_DOUBLE && y.kind == CEL_INT)
            return cmp_double_int(x.d, y.i);
        if (x.kind == CEL_INT && y.kind == CEL_DOUBLE)
            return flip(cmp_double_int(y.d, x.i));
        if (x.kind == CEL_DOUBLE && y.kind == CEL_UINT)
            return cmp_double_uint(x.d, y.u);
        if (x.kind == CEL_UINT && y.kind == CEL_DOUBLE)
            return flip(cmp_double_uint(y.d, x.u));
        return 2;
    }
    switch ((enum cel_kind)x.kind) {
    case CEL_BOOL:
        return x.b < y.b ? -1 : x.b > y.b;
    case CEL_INT:
    case CEL_DURATION:
        return x.i < y.i ? -1 : x.i > y.i;
    case CEL_UINT:
        return x.u < y.u ? -1 : x.u > y.u;
    case CEL_DOUBLE:
        return cmp_double(x.d, y.d);
    case CEL_STRING:
    case CEL_BYTES:
        c = str_cmp(cel_v_text(x), cel_v_text(y));
        return c < 0 ? -1 : c > 0;
    case CEL_TIMESTAMP:
        if (x.i != y.i)
            return x.i < y.i ? -1 : 1;
        return x.n < y.n ? -1 : x.n > y.n;
    case CEL_ERROR:
    case CEL_NULL:
    case CEL_LIST:
    case CEL_MAP:
    case CEL_OBJECT:
    case CEL_TYPE:
    case CEL_OPTIONAL:
    case CEL_OPAQUE:
        break;
    }
    return 2;
}

/* ---- equality ---- */

bool cel_list_kind_map(const struct json *schema, bool *ret_set)
{
    str type = schema ? json_get_str(schema, "x-kubernetes-list-type") : STR_NONE;

    *ret_set = str_is(type, "set");
    return *ret_set || str_is(type, "map");
}

bool cel_same_keys(struct cel_eval *e, const struct json *schema, struct cel_value x,
                   struct cel_value y)
{
    bool set;

    cel_list_kind_map(schema, &set);
    if (set)
        return cel_equal(e, x, y);
    if (x.kind != CEL_MAP || y.kind != CEL_MAP)
        return false;
    JSON_EACH(k, json_findz(schema, "x-kubernetes-list-map-keys")) {
        struct cel_value vx, vy;
        bool fx = cel_map_find_str(e, x, json_str(k), NULL, &vx),
             fy = cel_map_find_str(e, y, json_str(k), NULL, &vy);

        if (fx != fy || (fx && !cel_equal(e, vx, vy)))
            return false;
    }
    return true;
}

/* Lists of type set and map are equal in any order. */
static bool equal_unordered(struct cel_eval *e, struct cel_value x, struct cel_value y)
{
    for (uint64_t i = 0; i < x.n; i++) {
        struct cel_value vx = cel_item(e->a, x, i);
        bool found = false;

        /* Usually the order is the same. */
        if (i < y.n && cel_equal(e, vx, cel_item(e->a, y, i)))
            continue;
        for (uint64_t j = 0; j < y.n && !found && !e->out_of_cost; j++)
            found = cel_equal(e, vx, cel_item(e->a, y, j));
        if (!found)
            return false;
    }
    return true;
}

static bool equal_lists(struct cel_eval *e, struct cel_value x, struct cel_value y)
{
    bool set;

    if (x.n != y.n)
        return false;
    if (x.sub == CONT_JSON && cel_list_kind_map(x.aux, &set))
        return equal_unordered(e, x, y);
    for (uint64_t i = 0; i < x.n; i++)
        if (!cel_equal(e, cel_item(e->a, x, i), cel_item(e->a, y, i)))
            return false;
    return true;
}

static bool equal_maps(struct cel_eval *e, struct cel_value x, struct cel_value y)
{
    struct cel_entries it = {.map = x}, other = {.map = y};
    struct cel_value k, v, ok, ov;

    if (x.sub == CONT_COMPOSED || y.sub == CONT_COMPOSED)
        return x.ref == y.ref;
    if (x.n != y.n)
        return false;
    while (cel_entry_next(e->a, &it, &k, &v)) {
        /* Usually the order is the same. */
        if (!cel_entry_next(e->a, &other, &ok, &ov))
            return false;
        if (!cel_equal(e, k, ok) && !cel_map_find(e, y, k, &ov))
            return false;
        if (!cel_equal(e, v, ov))
            return false;
    }
    return true;
}

static bool equal_opaque(struct cel_value x, struct cel_value y)
{
    if (x.sub != y.sub)
        return false;
    switch ((enum cel_opaque)x.sub) {
    case OPAQUE_QUANTITY:
        return quantity_cmp(x.ref, y.ref) == 0;
    case OPAQUE_IP:
    case OPAQUE_CIDR:
        return memcmp(x.ref, y.ref, x.n) == 0;
    case OPAQUE_SEMVER:
        return cel_semver_cmp(x.ref, y.ref) == 0;
    case OPAQUE_URL:
        return x.n == y.n && memcmp(x.aux, y.aux, x.n) == 0; /* aux: the text */
    case OPAQUE_NONE:
    case OPAQUE_FORMAT:
    case OPAQUE_AUTHORIZER:
    case OPAQUE_PATH_CHECK:
    case OPAQUE_GROUP_CHECK:
    case OPAQUE_RESOURCE_CHECK:
    case OPAQUE_DECISION:
    case OPAQUE_N:
        break;
    }
    return x.ref == y.ref;
}

bool cel_equal(struct cel_eval *e, struct cel_value x, struct cel_value y)
{
    const struct cel_value *ox, *oy;

    if (!cel_work(e, 1))
        return false;
    if (x.kind != y.kind)
        return cel_compare(x, y) == 0;
    switch ((enum cel_kind)x.kind) {
    case CEL_NULL:
        return true;
    case CEL_BOOL:
    case CEL_INT:
    case CEL_UINT:
    case CEL_DOUBLE:
    case CEL_TIMESTAMP:
    case CEL_DURATION:
        return cel_compare(x, y) == 0;
    case CEL_STRING:
    case CEL_BYTES:
        if (x.n > 64)
            cel_work(e, x.n / 64);
        return str_eq(cel_v_text(x), cel_v_text(y));
    case CEL_LIST:
        return equal_lists(e, x, y);
    case CEL_OBJECT:
        if (!cel_type_equal(x.aux, y.aux))
            return false;
        x.sub = y.sub = CONT_VALUES;
        return equal_maps(e, x, y);
    case CEL_MAP:
        return equal_maps(e, x, y);
    case CEL_TYPE:
        return str_eq(((const struct cel_type *)x.ref)->name,
                      ((const struct cel_type *)y.ref)->name) &&
               ((const struct cel_type *)x.ref)->kind == ((const struct cel_type *)y.ref)->kind;
    case CEL_OPTIONAL:
        ox = x.ref;
        oy = y.ref;
        return ox && oy ? cel_equal(e, *ox, *oy) : ox == oy;
    case CEL_OPAQUE:
        return equal_opaque(x, y);
    case CEL_ERROR:
        break;
    }
    return false;
}

/* ---- sizes, types, zero ---- */

uint64_t cel_size(struct cel_value v, bool *ret_sized)
{
    *ret_sized = true;
    switch ((enum cel_kind)v.kind) {
    case CEL_STRING:
        return cel_utf8_count(cel_v_text(v));
    case CEL_BYTES:
        return v.n;
    case CEL_LIST:
    case CEL_MAP:
        return cel_count(v);
    case CEL_OPAQUE:
        if (v.sub == OPAQUE_IP || v.sub == OPAQUE_CIDR) /* bytes of the address */
            return v.sub == OPAQUE_IP ? (v.flags ? 16 : 4) : (v.flags ? 16 : 4);
        break;
    case CEL_ERROR:
    case CEL_NULL:
    case CEL_BOOL:
    case CEL_INT:
    case CEL_UINT:
    case CEL_DOUBLE:
    case CEL_TIMESTAMP:
    case CEL_DURATION:
    case CEL_OBJECT:
    case CEL_TYPE:
    case CEL_OPTIONAL:
        break;
    }
    *ret_sized = false;
    return 1;
}

const struct cel_type *cel_type_of_value(struct arena *a, struct cel_value v)
{
    static const struct cel_type type_type = {.kind = T_TYPE, .name = STR("type")},
                                 optional = {.kind = T_OPTIONAL, .name = STR("optional_type")},
                                 list = {.kind = T_LIST, .name = STR("list")},
                                 map = {.kind = T_MAP, .name = STR("map")};

    (void)a;
    switch ((enum cel_kind)v.kind) {
    case CEL_ERROR:
        return cel_error_type;
    case CEL_NULL:
        return cel_null;
    case CEL_BOOL:
        return cel_bool;
    case CEL_INT:
        return cel_int;
    case CEL_UINT:
        return cel_uint;
    case CEL_DOUBLE:
        return cel_double;
    case CEL_STRING:
        return cel_string;
    case CEL_BYTES:
        return cel_bytes;
    case CEL_TIMESTAMP:
        return cel_timestamp;
    case CEL_DURATION:
        return cel_duration;
    case CEL_LIST:
        return &list;
    case CEL_MAP:
        return &map;
    case CEL_OBJECT:
        return v.aux;
    case CEL_TYPE:
        return &type_type;
    case CEL_OPTIONAL:
        return &optional;
    case CEL_OPAQUE:
        return &cel_types_opaque[v.sub];
    }
    return cel_error_type;
}

const char *cel_kind_name(struct cel_value v, char out[128])
{
    str name = cel_type_of_value(NULL, v)->name;

    snprintf(out, 128, PRI_STR, STR_ARG(name));
    return out;
}

bool cel_is_zero(struct cel_value v)
{
    switch ((enum cel_kind)v.kind) {
    case CEL_NULL:
        return true;
    case CEL_BOOL:
        return !v.b;
    case CEL_INT:
    case CEL_UINT:
    case CEL_DURATION:
        return v.i == 0;
    case CEL_DOUBLE:
        return v.d == 0;
    case CEL_STRING:
    case CEL_BYTES:
        return v.n == 0;
    case CEL_LIST:
    case CEL_MAP:
    case CEL_OBJECT:
        return cel_count(v) == 0;
    case CEL_TIMESTAMP: /* Go's zero time */
        return v.i == -62135596800 && v.n == 0;
    case CEL_OPTIONAL:
        return !v.ref || cel_is_zero(*(const struct cel_value *)v.ref);
    case CEL_ERROR:
    case CEL_TYPE:
    case CEL_OPAQUE:
        break;
    }
    return false;
}

struct cel_value cel_no_overload(struct cel_eval *e, const struct cel_node *n,
                                 struct cel_value *args)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    char name[128];

    if (e->out_of_cost)
        return cel_v_error_z(out_of_cost);
    if (n->fn->flags & FN_OPERATOR)
        return cel_v_error_z("no such overload");
    for (uint32_t i = 0; i < n->n; i++)
        buf_fmt(&b, "%s%s", i ? ", " : "", cel_kind_name(args[i], name));
    return cel_v_error(e->a, "no such overload: %s(" PRI_STR ")", n->fn->name,
                       STR_ARG(buf_view(&b)));
}
