/* proto.c - value trees to protobuf, driven by the tables: Kubernetes' own messages (proto2 as gogo
 * writes them), CRI and etcd (proto3). Reading is in proto_read.c.
 *
 * Writing goes backwards, from the last byte to the first, as gogo does: a nested message's length
 * is known by the time it is written, so that one pass suffices. Fields are in order of their
 * numbers, maps sorted by key: the bytes are those of a real API server.
 *
 * What is always written (gogo's non-nullable fields): scalars and structs that are not pointers,
 * zero or not. In proto3 nothing that is zero is written, unless it has presence (messages, oneof:
 * FIELD_POINTER).
 */
#include "schema/proto_internal.h"

/* Grows downwards: the bytes written so far are p[at .. cap). */
struct rbuf {
    uint8_t *p;
    size_t at, cap;
};

static void room(struct rbuf *r, size_t n)
{
    size_t used = r->cap - r->at, cap = r->cap ? r->cap : 4096;
    uint8_t *p;

    if (r->at >= n)
        return;
    while (cap - used < n)
        cap *= 2;
    p = mem_alloc(cap);
    if (used)
        memcpy(p + cap - used, r->p + r->at, used);
    mem_free(r->p);
    r->p = p;
    r->cap = cap;
    r->at = cap - used;
}

static void put_raw(struct rbuf *r, str s)
{
    room(r, s.n);
    r->at -= s.n;
    if (s.n)
        memcpy(r->p + r->at, s.p, s.n);
}

static void put_varint(struct rbuf *r, uint64_t v)
{
    uint8_t tmp[10];
    size_t n = 0;

    if (v < 0x80) { /* most of them: tags, lengths */
        room(r, 1);
        r->p[--r->at] = (uint8_t)v;
        return;
    }
    do {
        tmp[n++] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        v >>= 7;
    } while (v);
    put_raw(r, (str){(const char *)tmp, n});
}

static void put_tag(struct rbuf *r, uint32_t number, enum wire wire)
{
    put_varint(r, (uint64_t)number << 3 | wire);
}

/* put_head - the length and tag of what was written since `end`. */
static void put_head(struct rbuf *r, uint32_t number, size_t end)
{
    put_varint(r, (r->cap - r->at) - end);
    put_tag(r, number, WIRE_BYTES);
}

static void put_bytes(struct rbuf *r, uint32_t number, str s)
{
    put_raw(r, s);
    put_varint(r, s.n);
    put_tag(r, number, WIRE_BYTES);
}

static size_t written(const struct rbuf *r)
{
    return r->cap - r->at;
}

static void put_message(struct rbuf *r, const struct schema_type *t, const struct json *v);

static void put_base64(struct rbuf *r, uint32_t number, str text)
{
    struct arena *a = arena_new();
    str raw = STR_NONE;

    if (!base64_decode(a, text, &raw))
        raw = STR_NONE; /* schema_decode has refused it already */
    put_bytes(r, number, raw);
    arena_free(a);
}

static void put_json(struct rbuf *r, uint32_t number, const struct json *v)
{
    struct buf b = BUF_INIT;

    json_encode(&b, v);
    put_bytes(r, number, buf_view(&b));
    buf_fini(&b);
}

static void put_time_body(struct rbuf *r, const struct json *v, bool micro)
{
    struct arena *a;
    struct schema_time t;
    str error;

    if (!json_is(v, JSON_STRING))
        return;
    a = arena_new();
    if (schema_time_parse(a, v->s, micro, &t, &error) && !t.zero) {
        put_varint(r, micro ? (uint64_t)t.ns : 0);
        put_tag(r, 2, WIRE_VARINT);
        put_varint(r, (uint64_t)t.s);
        put_tag(r, 1, WIRE_VARINT);
    }
    arena_free(a);
}

static void put_schema_union(struct rbuf *r, const struct schema_type *t, const struct json *v)
{
    size_t end;

    if (t->kind == SCHEMA_SCHEMA_OR_BOOL) {
        if (json_is(v, JSON_OBJECT)) {
            end = written(r);
            put_message(r, t->item, v);
            put_head(r, 2, end);
        }
        put_varint(r, json_is(v, JSON_OBJECT) || (json_is(v, JSON_BOOL) && v->b));
        put_tag(r, 1, WIRE_VARINT);
        return;
    }
    if (json_is(v, JSON_OBJECT)) {
        end = written(r);
        put_message(r, t->item, v);
        put_head(r, 1, end);
    } else if (json_is(v, JSON_ARRAY)) {
        for (uint32_t i = v->n; i-- > 0;) {
            if (t->kind == SCHEMA_SCHEMA_OR_STRINGS)
                put_bytes(r, 2, json_str(&v->items[i]));
            else {
                end = written(r);
                put_message(r, t->item, &v->items[i]);
                put_head(r, 2, end);
            }
        }
    }
}

static uint64_t int_bits(const struct json *v)
{
    if (!v)
        return 0;
    switch (v->type) {
    case JSON_BOOL:
        return v->b;
    case JSON_INT:
        return (uint64_t)v->i;
    case JSON_DOUBLE:
        return (uint64_t)(int64_t)v->d;
    case JSON_NULL:
    case JSON_STRING:
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return 0;
}

static double number_of(const struct json *v)
{
    return !v ? 0 : v->type == JSON_DOUBLE ? v->d : v->type == JSON_INT ? (double)v->i : 0;
}

/* put_value - one value with its tag; v NULL: the zero value. */
static void put_value(struct rbuf *r, const struct schema_type *t, uint32_t number,
                      const struct json *v)
{
    size_t end = written(r);

    switch (t->kind) {
    case SCHEMA_STRING:
        put_bytes(r, number, json_str(v));
        return;
    case SCHEMA_BYTES:
        if (t->proto3)
            put_bytes(r, number, json_str(v));
        else
            put_base64(r, number, json_str(v));
        return;
    case SCHEMA_BOOL:
    case SCHEMA_INT32:
    case SCHEMA_INT64:
    case SCHEMA_UINT32:
    case SCHEMA_UINT64:
    case SCHEMA_ENUM:
    case SCHEMA_DURATION:
        put_varint(r, int_bits(v));
        put_tag(r, number, WIRE_VARINT);
        return;
    case SCHEMA_DOUBLE: {
        double x = number_of(v);

        put_raw(r, (str){(const char *)&x,
                         sizeof x}); /* little-endian machines only: x86-64 and arm64 */
        put_tag(r, number, WIRE_FIXED64);
        return;
    }
    case SCHEMA_FLOAT: {
        float x = (float)number_of(v);

        put_raw(r, (str){(const char *)&x, sizeof x});
        put_tag(r, number, WIRE_FIXED32);
        return;
    }
    case SCHEMA_QUANTITY:
        put_bytes(r, 1, json_is(v, JSON_STRING) ? v->s : S("0"));
        break;
    case SCHEMA_TIME:
        put_time_body(r, v, false);
        break;
    case SCHEMA_MICROTIME:
        put_time_body(r, v, true);
        break;
    case SCHEMA_INT_OR_STRING:
        put_bytes(r, 3, json_str(v));
        put_varint(r, json_is(v, JSON_INT) ? (uint64_t)v->i : 0);
        put_tag(r, 2, WIRE_VARINT);
        put_varint(r, json_is(v, JSON_STRING));
        put_tag(r, 1, WIRE_VARINT);
        break;
    case SCHEMA_RAW:
    case SCHEMA_FIELDS_V1:
    case SCHEMA_ANY:
        if (v && (v->type != JSON_NULL || t->kind == SCHEMA_ANY))
            put_json(r, 1, v);
        break;
    case SCHEMA_SCHEMA_OR_BOOL:
    case SCHEMA_SCHEMA_OR_ARRAY:
    case SCHEMA_SCHEMA_OR_STRINGS:
        put_schema_union(r, t, v);
        break;
    case SCHEMA_VERB_LIST:
        if (json_is(v, JSON_ARRAY))
            for (uint32_t i = v->n; i-- > 0;)
                put_bytes(r, 1, json_str(&v->items[i]));
        break;
    case SCHEMA_STRUCT:
        put_message(r, t, v);
        break;
    case SCHEMA_MAP:
    case SCHEMA_LIST:
        BUG_ON(true); /* a map of lists is no protobuf */
    }
    put_head(r, number, end);
}

static int by_key(const void *a, const void *b, void *ctx)
{
    return str_cmp((*(const struct json_member *const *)a)->key,
                   (*(const struct json_member *const *)b)->key);
}

static void put_map(struct rbuf *r, const struct schema_field *f, const struct json *v)
{
    struct json_member **sorted = NULL;

    for (uint32_t i = 1; i < v->n && !sorted; i++)
        if (str_cmp(v->members[i - 1].key, v->members[i].key) > 0)
            sorted = mem_alloc(sizeof *sorted * v->n);
    if (sorted) {
        for (uint32_t i = 0; i < v->n; i++)
            sorted[i] = &v->members[i];
        sort_with(sorted, v->n, sizeof *sorted, by_key, NULL);
    }
    for (uint32_t i = v->n; i-- > 0;) {
        const struct json_member *m = sorted ? sorted[i] : &v->members[i];
        size_t end = written(r);

        put_value(r, f->type->item, 2, &m->value);
        put_bytes(r, 1, m->key);
        put_head(r, f->proto, end);
    }
    mem_free(sorted);
}

static void put_list(struct rbuf *r, const struct schema_field *f, const struct json *v,
                     bool proto3)
{
    const struct schema_type *item = f->type->item;

    if (proto3 && v->n && is_varint(item->kind)) {
        size_t end = written(r);

        for (uint32_t i = v->n; i-- > 0;)
            put_varint(r, int_bits(&v->items[i]));
        put_head(r, f->proto, end);
        return;
    }
    if (proto3 && v->n && (item->kind == SCHEMA_DOUBLE || item->kind == SCHEMA_FLOAT)) {
        size_t end = written(r);

        for (uint32_t i = v->n; i-- > 0;) {
            double x = number_of(&v->items[i]);
            float y = (float)x;

            put_raw(r, item->kind == SCHEMA_DOUBLE ? (str){(const char *)&x, sizeof x}
                                                   : (str){(const char *)&y, sizeof y});
        }
        put_head(r, f->proto, end);
        return;
    }
    for (uint32_t i = v->n; i-- > 0;)
        put_value(r, item, f->proto, &v->items[i]);
}

static bool is_proto3_zero(const struct json *v)
{
    switch (v->type) {
    case JSON_NULL:
        return true;
    case JSON_BOOL:
        return !v->b;
    case JSON_INT:
        return v->i == 0;
    case JSON_DOUBLE:
        return v->d == 0;
    case JSON_STRING:
        return v->s.n == 0;
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return false;
}

static void put_field(struct rbuf *r, const struct schema_type *t, const struct schema_field *f,
                      const struct json *v)
{
    enum schema_kind k = f->type->kind;

    if (v && v->type == JSON_NULL)
        v = NULL;
    if (k == SCHEMA_LIST || k == SCHEMA_MAP) {
        if (k == SCHEMA_LIST && json_is(v, JSON_ARRAY))
            put_list(r, f, v, t->proto3);
        else if (k == SCHEMA_MAP && json_is(v, JSON_OBJECT))
            put_map(r, f, v);
        return;
    }
    if (t->proto3) {
        if (v && ((f->flags & FIELD_POINTER) || !is_proto3_zero(v)))
            put_value(r, f->type, f->proto, v);
        return;
    }
    if (!v && ((f->flags & FIELD_POINTER) || k == SCHEMA_BYTES || k == SCHEMA_VERB_LIST))
        return;
    put_value(r, f->type, f->proto, v);
}

/* put_message - the fields of an object; v NULL: all absent. */
static void put_message(struct rbuf *r, const struct schema_type *t, const struct json *v)
{
    const struct json *values[256];
    uint32_t expected = 0;

    memset(values, 0, sizeof *values * t->n_fields);
    JSON_EACH_MEMBER(m, v) {
        const struct schema_field *f = NULL;

        /* Members mostly come in the table's order. */
        for (uint32_t i = expected; i < t->n_fields; i++)
            if (str_eq(t->fields[i].name, m->key)) {
                f = &t->fields[i];
                break;
            }
        if (!f && expected) {
            f = schema_find_field(t, m->key);
            if (f && (f < t->fields || f >= t->fields + t->n_fields))
                f = NULL; /* an inlined struct's: found again when that is written */
        }
        if (f) {
            expected = (uint32_t)(f - t->fields) + 1;
            values[f - t->fields] = &m->value;
        }
    }
    for (uint32_t i = t->n_proto; i-- > 0;) {
        const struct schema_field *f = &t->fields[t->by_proto[i]];

        if (f->flags & FIELD_INLINE) {
            size_t end = written(r);

            put_message(r, f->type, v);
            put_head(r, f->proto, end);
        } else
            put_field(r, t, f, values[t->by_proto[i]]);
    }
}

static void finish(struct rbuf *r, struct buf *out)
{
    if (r->p) /* an empty message has no bytes */
        buf_add(out, r->p + r->at, written(r));
    mem_free(r->p);
}

void proto_encode(struct buf *b, const struct schema_type *t, const struct json *v)
{
    struct rbuf r = {NULL, 0, 0};

    put_message(&r, t, v);
    finish(&r, b);
}

void proto_put_value(struct buf *b, const struct schema_type *t, uint32_t number,
                     const struct json *v)
{
    struct rbuf r = {NULL, 0, 0};

    put_value(&r, t, number, v);
    finish(&r, b);
}

void proto_encode_envelope(struct buf *b, const struct schema_type *t, const struct json *v)
{
    struct rbuf r = {NULL, 0, 0};
    size_t end;

    put_bytes(&r, 4, STR_NONE);
    put_bytes(&r, 3, STR_NONE);
    end = written(&r);
    put_message(&r, t, v);
    put_head(&r, 2, end);
    end = written(&r);
    put_bytes(&r, 2, json_get_str(v, "kind"));
    put_bytes(&r, 1, json_get_str(v, "apiVersion"));
    put_head(&r, 1, end);
    put_raw(&r, (str){"k8s\0", 4});
    finish(&r, b);
}

static void forward_varint(struct buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        buf_char(b, (char)(v | 0x80));
    buf_char(b, (char)v);
}

void proto_put_bytes(struct buf *b, uint32_t field, str value)
{
    forward_varint(b, (uint64_t)field << 3 | 2);
    forward_varint(b, value.n);
    buf_str(b, value);
}

static size_t varint_length(uint64_t v)
{
    size_t n = 1;

    for (; v >= 0x80; v >>= 7)
        n++;
    return n;
}

size_t proto_bytes_length(uint32_t field, size_t n)
{
    return varint_length((uint64_t)field << 3) + varint_length(n) + n;
}

void proto_envelope(struct buf *b, str api_version, str kind, str message)
{
    CLEANUP(buf) struct buf type = BUF_INIT;

    proto_put_bytes(&type, 1, api_version);
    proto_put_bytes(&type, 2, kind);
    buf_reserve(b, type.n + message.n + 64);
    buf_add(b, "k8s\0", 4);
    proto_put_bytes(b, 1, buf_view(&type));
    proto_put_bytes(b, 2, message);
    proto_put_bytes(b, 3, STR_NONE);
    proto_put_bytes(b, 4, STR_NONE);
}

void proto_list_envelope(struct buf *head, struct buf *tail, const struct json *list, str fields,
                         size_t items_n)
{
    CLEANUP(buf) struct buf type = BUF_INIT;

    proto_put_bytes(&type, 1, json_get_str(list, "apiVersion"));
    proto_put_bytes(&type, 2, json_get_str(list, "kind"));
    buf_add(head, "k8s\0", 4);
    proto_put_bytes(head, 1, buf_view(&type));
    forward_varint(head, 2 << 3 | 2);
    forward_varint(head, fields.n + items_n);
    buf_str(head, fields);
    proto_put_bytes(tail, 3, STR_NONE);
    proto_put_bytes(tail, 4, STR_NONE);
}
