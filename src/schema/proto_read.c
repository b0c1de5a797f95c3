/* proto_read.c - protobuf to value trees: the other direction of proto.c.
 *
 * Reading trusts nothing: lengths are checked against what is left, depth is limited, unknown
 * fields are skipped. The tree has the form of schema_decode(); its strings are borrowed from the
 * message. */
#include "schema/proto_internal.h"

#define PROTO_DEPTH_MAX 100 /* messages within messages */

struct reader {
    struct arena *a;
    const uint8_t *p, *end;
};

static struct reader reader_of(struct arena *a, str data)
{
    const uint8_t *p = (const uint8_t *)(data.p ? data.p : "");

    return (struct reader){a, p, p + data.n};
}

static struct err *truncated(void)
{
    return err_new(REASON_BAD_REQUEST, "unexpected EOF");
}

static bool get_varint(struct reader *r, uint64_t *ret)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (r->p == r->end)
            return false;
        v |= (uint64_t)(*r->p & 0x7f) << shift;
        if (!(*r->p++ & 0x80)) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static bool get_bytes(struct reader *r, str *ret)
{
    uint64_t n;

    if (!get_varint(r, &n) || n > (uint64_t)(r->end - r->p))
        return false;
    *ret = (str){(const char *)r->p, (size_t)n};
    r->p += n;
    return true;
}

static bool skip(struct reader *r, enum wire wire, unsigned depth)
{
    uint64_t v;
    str s;

    switch (wire) {
    case WIRE_VARINT:
        return get_varint(r, &v);
    case WIRE_BYTES:
        return get_bytes(r, &s);
    case WIRE_FIXED64:
    case WIRE_FIXED32: {
        size_t n = wire == WIRE_FIXED64 ? 8 : 4;

        if ((size_t)(r->end - r->p) < n)
            return false;
        r->p += n;
        return true;
    }
    case WIRE_GROUP:
        for (;;) {
            if (depth > PROTO_DEPTH_MAX || !get_varint(r, &v))
                return false;
            if ((v & 7) == WIRE_GROUP_END)
                return true;
            if (!skip(r, (enum wire)(v & 7), depth + 1))
                return false;
        }
    case WIRE_GROUP_END:
        break;
    }
    return false;
}

static struct err *get_message(struct arena *a, const struct schema_type *t, str data,
                               unsigned depth, struct json *ret);

static enum wire wire_of(enum schema_kind k)
{
    return is_varint(k)         ? WIRE_VARINT
           : k == SCHEMA_DOUBLE ? WIRE_FIXED64
           : k == SCHEMA_FLOAT  ? WIRE_FIXED32
                                : WIRE_BYTES;
}

static struct json int_value(enum schema_kind k, uint64_t v)
{
    switch ((int)k) {
    case SCHEMA_BOOL:
        return json_bool(v != 0);
    case SCHEMA_INT32:
    case SCHEMA_ENUM:
        return json_int((int32_t)v);
    case SCHEMA_UINT32:
        return json_int((uint32_t)v);
    default:
        return json_int((int64_t)v);
    }
}

/* The varint and the last bytes fields of a small message: Time, IntOrString, Quantity,
 * RawExtension. */
struct small {
    uint64_t ints[4];
    str bytes[4];
    bool has[4];
};

static struct err *get_small(str data, struct small *ret)
{
    struct reader r = reader_of(NULL, data);

    memset(ret, 0, sizeof *ret);
    while (r.p < r.end) {
        uint64_t tag;

        if (!get_varint(&r, &tag))
            return truncated();
        if (tag >> 3 < 4 && (tag & 7) == WIRE_VARINT) {
            if (!get_varint(&r, &ret->ints[tag >> 3]))
                return truncated();
        } else if (tag >> 3 < 4 && (tag & 7) == WIRE_BYTES) {
            if (!get_bytes(&r, &ret->bytes[tag >> 3]))
                return truncated();
            ret->has[tag >> 3] = true;
        } else if (!skip(&r, (enum wire)(tag & 7), 0))
            return truncated();
    }
    return NULL;
}

static struct err *get_strings(struct arena *a, str data, struct json *ret)
{
    struct reader r = reader_of(a, data);
    uint64_t tag;
    str s;

    *ret = json_array();
    while (r.p < r.end) {
        if (!get_varint(&r, &tag))
            return truncated();
        if (tag == (1 << 3 | WIRE_BYTES)) {
            if (!get_bytes(&r, &s))
                return truncated();
            json_append(a, ret, json_string(s));
        } else if (!skip(&r, (enum wire)(tag & 7), 0))
            return truncated();
    }
    return NULL;
}

static struct err *get_schema_union(struct arena *a, const struct schema_type *t, str data,
                                    unsigned depth, struct json *ret)
{
    struct reader r = reader_of(a, data);
    bool or_bool = t->kind == SCHEMA_SCHEMA_OR_BOOL;
    struct json list = json_array();
    uint64_t tag, v;
    struct err *err;
    str s;

    *ret = or_bool ? json_bool(false) : json_null();
    while (r.p < r.end) {
        if (!get_varint(&r, &tag))
            return truncated();
        if (or_bool && tag == (1 << 3 | WIRE_VARINT)) {
            if (!get_varint(&r, &v))
                return truncated();
            if (ret->type == JSON_BOOL)
                ret->b = v != 0;
        } else if (tag == ((or_bool ? 2 : 1) << 3 | WIRE_BYTES)) {
            if (!get_bytes(&r, &s))
                return truncated();
            err = get_message(a, t->item, s, depth, ret);
            if (err)
                return err;
        } else if (!or_bool && tag == (2 << 3 | WIRE_BYTES)) {
            struct json item;

            if (!get_bytes(&r, &s))
                return truncated();
            if (t->kind == SCHEMA_SCHEMA_OR_STRINGS)
                item = json_string(s);
            else {
                err = get_message(a, t->item, s, depth, &item);
                if (err)
                    return err;
            }
            json_append(a, &list, item);
        } else if (!skip(&r, (enum wire)(tag & 7), 0))
            return truncated();
    }
    if (list.n)
        *ret = list;
    return NULL;
}

static struct err *get_raw(struct arena *a, str raw, struct json *ret)
{
    struct json *v = NULL;
    struct err *err;

    if (!raw.n) {
        *ret = json_null();
        return NULL;
    }
    if (str_has_prefix(raw, (str){"k8s\0", 4}))
        err = proto_decode_envelope(a, raw, &v); /* an object nested by a protobuf client */
    else
        err = json_parse(a, arena_dup(a, raw), NULL, NULL, &v);
    if (!err)
        *ret = *v;
    return err;
}

/* get_length_delimited - a value of wire type 2. */
static struct err *get_length_delimited(struct arena *a, const struct schema_type *t, str s,
                                        unsigned depth, struct json *ret)
{
    struct small small;
    struct schema_time time;
    struct err *err;
    str text;

    switch (t->kind) {
    case SCHEMA_STRING:
        *ret = json_string(s);
        return NULL;
    case SCHEMA_BYTES:
        if (t->proto3)
            *ret = json_string(s);
        else {
            struct buf b = BUF_INIT;

            buf_base64(&b, s);
            *ret = json_string(arena_dup(a, buf_view(&b)));
            buf_fini(&b);
        }
        return NULL;
    case SCHEMA_STRUCT:
        return get_message(a, t, s, depth, ret);
    case SCHEMA_QUANTITY:
        err = get_small(s, &small);
        if (err)
            return err;
        if (!small.bytes[1].n)
            *ret = json_string(S("0"));
        else if (quantity_canonical(a, small.bytes[1], &text))
            *ret = json_string(text);
        else
            return err_new(REASON_BAD_REQUEST, "quantities must match the regular expression "
                                               "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
        return NULL;
    case SCHEMA_TIME:
    case SCHEMA_MICROTIME:
        err = get_small(s, &small);
        if (err)
            return err;
        time = (struct schema_time){.s = (int64_t)small.ints[1], .ns = (int32_t)small.ints[2]};
        if (!s.n || time.s < INT64_C(-62135596800) || time.s > INT64_C(253402300799))
            *ret = json_null();
        else
            *ret = json_string(schema_time_format(a, &time, t->kind == SCHEMA_MICROTIME));
        return NULL;
    case SCHEMA_INT_OR_STRING:
        err = get_small(s, &small);
        if (!err)
            *ret = small.ints[1] ? json_string(small.bytes[3]) : json_int((int32_t)small.ints[2]);
        return err;
    case SCHEMA_RAW:
    case SCHEMA_FIELDS_V1:
    case SCHEMA_ANY:
        err = get_small(s, &small);
        return err ? err : get_raw(a, small.bytes[1], ret);
    case SCHEMA_SCHEMA_OR_BOOL:
    case SCHEMA_SCHEMA_OR_ARRAY:
    case SCHEMA_SCHEMA_OR_STRINGS:
        return get_schema_union(a, t, s, depth, ret);
    case SCHEMA_VERB_LIST:
        return get_strings(a, s, ret);
    case SCHEMA_MAP:
    case SCHEMA_LIST:
    case SCHEMA_BOOL:
    case SCHEMA_INT32:
    case SCHEMA_INT64:
    case SCHEMA_UINT32:
    case SCHEMA_UINT64:
    case SCHEMA_DOUBLE:
    case SCHEMA_FLOAT:
    case SCHEMA_DURATION:
    case SCHEMA_ENUM:
        break;
    }
    return err_new(REASON_BAD_REQUEST, "proto: wrong wireType = %d for a " PRI_STR, WIRE_BYTES,
                   STR_ARG(t->name));
}

static struct err *get_value(struct reader *r, const struct schema_type *t,
                             const struct schema_field *f, enum wire wire, unsigned depth,
                             struct json *ret)
{
    uint64_t v;
    str s;

    if (wire != wire_of(t->kind))
        return err_new(REASON_BAD_REQUEST, "proto: wrong wireType = %d for field " PRI_STR, wire,
                       STR_ARG(f->name));
    switch (wire) {
    case WIRE_VARINT:
        if (!get_varint(r, &v))
            return truncated();
        *ret = int_value(t->kind, v);
        return NULL;
    case WIRE_FIXED64: {
        double x;

        if (r->end - r->p < (ptrdiff_t)sizeof x)
            return truncated();
        memcpy(&x, r->p, sizeof x);
        r->p += sizeof x;
        *ret = x == (double)(int64_t)x && x > -1e15 && x < 1e15 ? json_int((int64_t)x)
                                                                : json_double(x);
        return NULL;
    }
    case WIRE_FIXED32: {
        float x;

        if (r->end - r->p < (ptrdiff_t)sizeof x)
            return truncated();
        memcpy(&x, r->p, sizeof x);
        r->p += sizeof x;
        *ret = json_double((double)x);
        return NULL;
    }
    case WIRE_BYTES:
        if (!get_bytes(r, &s))
            return truncated();
        return get_length_delimited(r->a, t, s, depth, ret);
    case WIRE_GROUP:
    case WIRE_GROUP_END:
        break;
    }
    return truncated();
}

/* Appends an entry, as they come sorted; ret_unordered: this one did not, and settle_map() is due. */
static struct err *get_map_entry(struct arena *a, const struct schema_field *f, str data,
                                 unsigned depth, struct json *map, bool *ret_unordered)
{
    struct reader r = reader_of(a, data);
    struct json value = form_zero(a, f->type->item);
    str key = S("");

    while (r.p < r.end) {
        uint64_t tag;

        if (!get_varint(&r, &tag))
            return truncated();
        if (tag == (1 << 3 | WIRE_BYTES)) {
            if (!get_bytes(&r, &key))
                return truncated();
        } else if (tag >> 3 == 2) {
            struct err *err = get_value(&r, f->type->item, f, (enum wire)(tag & 7), depth, &value);

            if (err)
                return err;
        } else if (!skip(&r, (enum wire)(tag & 7), 0))
            return truncated();
    }
    if (map->n && str_cmp(map->members[map->n - 1].key, key) >= 0)
        *ret_unordered = true;
    if (map->n == map->cap) {
        uint32_t cap = map->cap ? map->cap * 2 : 4;

        map->members = arena_grow(a, map->members, sizeof *map->members * map->cap,
                                  sizeof *map->members * cap);
        map->cap = cap;
    }
    map->members[map->n++] = (struct json_member){key, value};
    return NULL;
}

static int by_key_and_place(const void *x, const void *y, void *ctx)
{
    const struct json_member *a = *(const struct json_member *const *)x,
                             *b = *(const struct json_member *const *)y;
    int order = str_cmp(a->key, b->key);

    (void)ctx;
    return order ? order : a < b ? -1 : a > b;
}

/* By key, and of entries with one key the last that came. */
static void settle_map(struct arena *a, struct json *map)
{
    const struct json_member **sorted = ARENA_NEW_N(a, const struct json_member *, map->n);
    struct json_member *members = ARENA_NEW_N(a, struct json_member, map->n);
    uint32_t n = 0;

    for (uint32_t i = 0; i < map->n; i++)
        sorted[i] = &map->members[i];
    sort_with(sorted, map->n, sizeof *sorted, by_key_and_place, NULL);
    for (uint32_t i = 0; i < map->n; i++) {
        if (n && str_eq(members[n - 1].key, sorted[i]->key))
            n--;
        members[n++] = *sorted[i];
    }
    map->members = members;
    map->cap = map->n;
    map->n = n;
}

static struct err *get_packed(struct arena *a, const struct schema_field *f, str data,
                              struct json *list)
{
    struct reader r = reader_of(a, data);

    while (r.p < r.end) {
        struct json v;
        struct err *err = get_value(&r, f->type->item, f, wire_of(f->type->item->kind), 0, &v);

        if (err)
            return err;
        json_append(a, list, v);
    }
    return NULL;
}

static const struct schema_field *field_by_number(const struct schema_type *t, uint64_t number,
                                                  uint32_t *hint)
{
    uint32_t lo = 0, hi = t->n_proto;

    for (uint32_t i = *hint; i < t->n_proto && i < *hint + 3; i++)
        if (t->fields[t->by_proto[i]].proto == number) {
            *hint = i;
            return &t->fields[t->by_proto[i]];
        }
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        const struct schema_field *f = &t->fields[t->by_proto[mid]];

        if (f->proto == number) {
            *hint = mid;
            return f;
        }
        if (number < f->proto)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

/* slot_of - where a field's values wait for form_object(). */
static uint32_t slot_of(const struct schema_type *t, const struct schema_field *f)
{
    uint32_t slot = (uint32_t)(f - t->fields);

    if (t->has_inline) {
        slot = 0;
        for (const struct schema_field *g = t->fields; g < f; g++)
            slot += (g->flags & FIELD_INLINE) ? form_slots(g->type) : 1;
    }
    return slot;
}

static struct err *get_fields(struct arena *a, const struct schema_type *t, str data,
                              unsigned depth, struct json **slots)
{
    struct reader r = reader_of(a, data);
    uint32_t hint = 0;
    bool unordered = false;
    struct err *err;

    if (depth > PROTO_DEPTH_MAX)
        return err_new(REASON_BAD_REQUEST, "proto: nesting too deep");
    while (r.p < r.end) {
        const struct schema_field *f;
        enum wire wire;
        struct json v, **slot;
        uint64_t tag;
        str s;

        if (!get_varint(&r, &tag))
            return truncated();
        wire = (enum wire)(tag & 7);
        f = field_by_number(t, tag >> 3, &hint);
        if (!f) {
            if (!(tag >> 3) || !skip(&r, wire, 0))
                return truncated();
            continue;
        }
        slot = &slots[slot_of(t, f)];
        if (f->flags & FIELD_INLINE) {
            if (wire != WIRE_BYTES || !get_bytes(&r, &s))
                return truncated();
            err = get_fields(a, f->type, s, depth + 1, slot);
            if (err)
                return err;
            continue;
        }
        if (f->type->kind == SCHEMA_MAP || f->type->kind == SCHEMA_LIST) {
            if (!*slot)
                *slot = json_new(a, f->type->kind == SCHEMA_MAP ? json_object() : json_array());
            if (f->type->kind == SCHEMA_MAP ||
                (wire == WIRE_BYTES && wire_of(f->type->item->kind) != WIRE_BYTES)) {
                if (wire != WIRE_BYTES || !get_bytes(&r, &s))
                    return truncated();
                err = f->type->kind == SCHEMA_MAP
                          ? get_map_entry(a, f, s, depth + 1, *slot, &unordered)
                          : get_packed(a, f, s, *slot);
            } else {
                err = get_value(&r, f->type->item, f, wire, depth + 1, &v);
                if (!err)
                    json_append(a, *slot, v);
            }
            if (err)
                return err;
            continue;
        }
        err = get_value(&r, f->type, f, wire, depth + 1, &v);
        if (err)
            return err;
        *slot = json_new(a, v);
    }
    for (uint32_t i = 0; unordered && i < t->n_fields; i++) {
        const struct schema_field *f = &t->fields[i];
        struct json *map = f->type->kind == SCHEMA_MAP ? slots[slot_of(t, f)] : NULL;

        if (map)
            settle_map(a, map);
    }
    return NULL;
}

static struct err *get_message(struct arena *a, const struct schema_type *t, str data,
                               unsigned depth, struct json *ret)
{
    struct json *slots[256];
    uint32_t n = form_slots(t);
    struct err *err;

    BUG_ON(n > ARRAY_LEN(slots)); /* generated types only */
    memset(slots, 0, sizeof *slots * n);
    err = get_fields(a, t, data, depth, slots);
    if (!err)
        *ret = form_object(a, t, slots, 0);
    return err;
}

struct err *proto_decode(struct arena *a, const struct schema_type *t, str data, struct json **ret)
{
    struct json v;
    struct err *err = get_message(a, t, data, 0, &v);

    if (!err)
        *ret = json_new(a, v);
    return err;
}

struct err *proto_decode_envelope(struct arena *a, str data, struct json **ret)
{
    struct small unknown, meta;
    const struct schema_type *t;
    str group, version, api_version, kind;
    struct json v, whole;
    struct err *err;

    if (!data.n)
        return err_new(REASON_BAD_REQUEST, "empty data");
    if (str_eq(data, (str){"k8s\0", 4}))
        return err_new(REASON_BAD_REQUEST, "empty body");
    if (!str_has_prefix(data, (str){"k8s\0", 4}))
        return err_new(REASON_BAD_REQUEST, "provided data does not appear to be a protobuf "
                                           "message, expected prefix [107 56 115 0]");
    err = get_small(str_skip(data, 4), &unknown);
    if (!err)
        err = get_small(unknown.bytes[1], &meta);
    if (err)
        return err;
    api_version = arena_dup(a, meta.bytes[1]);
    kind = arena_dup(a, meta.bytes[2]);
    version = api_version;
    group = S("");
    if (str_has_char(api_version, '/'))
        str_cut(&version, '/', &group);
    t = schema_find_gvk(group, version, kind);
    if (!t)
        return err_new(REASON_BAD_REQUEST,
                       "no kind \"" PRI_STR "\" is registered for version \"" PRI_STR
                       "\" in scheme",
                       STR_ARG(kind), STR_ARG(api_version));
    err = get_message(a, t, unknown.bytes[2], 0, &v);
    if (err)
        return err;
    whole = json_object();
    whole.members = arena_alloc(a, sizeof *whole.members * (v.n + 2));
    whole.cap = v.n + 2;
    whole.members[0] = (struct json_member){S("kind"), json_string(kind)};
    whole.members[1] = (struct json_member){S("apiVersion"), json_string(api_version)};
    if (v.n)
        memcpy(whole.members + 2, v.members, sizeof *v.members * v.n);
    whole.n = v.n + 2;
    *ret = json_new(a, whole);
    return NULL;
}
