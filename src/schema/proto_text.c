/* proto_text.c - from stored JSON text to protobuf in one pass, without a tree.
 *
 * Readers that ask for protobuf get each object's bytes made anew, so this is what a LIST costs. Stored text has its
 * members in the table's order, and that is nearly the order of the numbers on the wire: a message is written forwards,
 * and its length goes into two bytes left free for it. A field whose number is larger than that of one that may still come
 * waits aside until its turn.
 *
 * Whatever is out of the ordinary (text in another order, escapes that we do not write, a union) makes the function say so,
 * or goes through a tree of that value alone: proto.c decides what the bytes are, and a test holds the two together.
 *
 * Not here: proto3 messages, which never are stored. */
#include "schema/proto_internal.h"
#include "wire/json_scan.h"

#define LATE_MAX 8 /* fields of one message that wait for their turn */
#define DEPTH_MAX JSON_DEPTH_MAX

struct walk {
    struct buf *out;
    struct buf aside; /* bytes of fields that came before their turn, a stack */
    struct arena *arena;
    const char *begin, *p, *end;
    str key; /* of the member whose value is at p */
    bool more;
    unsigned depth;
};

/* ---- writing ---- */

static inline char *room(struct walk *w, size_t n)
{
    struct buf *b = w->out;

    if (b->cap < b->n + n + 1) {
        buf_reserve(b, n);
        BUG_ON(b->overflow); /* an object's size is limited far below a buffer's */
    }
    return b->p + b->n;
}

static inline size_t varint(char *to, uint64_t v)
{
    size_t n = 0;

    if (v < 0x80) {
        *to = (char)v;
        return 1;
    }

    for (; v >= 0x80; v >>= 7)
        to[n++] = (char)(v | 0x80);
    to[n++] = (char)v;
    return n;
}

static inline void put_varint(struct walk *w, uint64_t v)
{
    char *to = room(w, 10);

    w->out->n += varint(to, v);
}

static inline void put_tag(struct walk *w, uint32_t number, enum wire wire)
{
    put_varint(w, (uint64_t)number << 3 | wire);
}

/* A nested message begins: its tag, and two bytes for its length. */
static size_t message_open(struct walk *w, uint32_t number)
{
    put_tag(w, number, WIRE_BYTES);
    room(w, 2);
    w->out->n += 2;
    return w->out->n;
}

static void message_close(struct walk *w, size_t begin)
{
    size_t n = w->out->n - begin, size;
    char length[10], *at;

    size = varint(length, n);
    if (size > 2)
        room(w, size - 2);
    at = w->out->p + begin - 2;
    if (size != 2)
        memmove(at + size, at + 2, n);
    memcpy(at, length, size);
    w->out->n = begin - 2 + size + n;
}

static void put_str(struct walk *w, uint32_t number, str s)
{
    char *to = room(w, s.n + 40);
    size_t n = varint(to, (uint64_t)number << 3 | WIRE_BYTES);

    n += varint(to + n, s.n);
    if (s.n <= 16 && s.p && s.p + 16 <= w->end && s.p >= w->begin)
        memcpy(to + n, s.p, 16); /* most are short, and a copy of known length is no call */
    else if (s.n)
        memcpy(to + n, s.p, s.n);
    w->out->n += n + s.n;
}

/* ---- what is absent ---- */

static void put_zero(struct walk *w, const struct schema_field *f);

static void put_zeros(struct walk *w, const struct schema_type *t)
{
    for (uint32_t i = 0; i < t->n_proto; i++)
        put_zero(w, &t->fields[t->by_proto[i]]);
}

/* A tag and a zero: an empty string or message, or the number. */
static inline void put_nothing(struct walk *w, uint32_t number, enum wire wire)
{
    char *to = room(w, 11);
    size_t n = varint(to, (uint64_t)number << 3 | wire);

    to[n] = 0;
    w->out->n += n + 1;
}

static void put_zero(struct walk *w, const struct schema_field *f)
{
    enum schema_kind k = f->type->kind;
    size_t begin;

    if (k == SCHEMA_LIST || k == SCHEMA_MAP || k == SCHEMA_BYTES || k == SCHEMA_VERB_LIST ||
        ((f->flags & FIELD_POINTER) && !(f->flags & FIELD_INLINE)))
        return;
    if (k == SCHEMA_STRING || k == SCHEMA_TIME || k == SCHEMA_MICROTIME) {
        put_nothing(w, f->proto, WIRE_BYTES);
    } else if (is_varint(k)) {
        put_nothing(w, f->proto, WIRE_VARINT);
    } else if (k == SCHEMA_STRUCT) {
        begin = message_open(w, f->proto);
        put_zeros(w, f->type);
        message_close(w, begin);
    } else {
        proto_put_value(w->out, f->type, f->proto, NULL);
    }
}

/* ---- values ---- */

static bool next_member(struct walk *w)
{
    const char *p;

    if (w->p >= w->end)
        return false;
    if (*w->p == '}') {
        w->p++;
        w->more = false;
        return true;
    }
    w->p++; /* { or , */
    if (w->p >= w->end || *w->p != '"')
        return false;
    p = json_find_mark(w->p + 1, w->end);
    if (w->end - p < 3 || p[0] != '"' || p[1] != ':')
        return false; /* keys with escapes need a tree */
    w->key = (str){w->p + 1, (size_t)(p - w->p - 1)};
    w->p = p + 2;
    w->more = true;
    return true;
}

static bool put_fields(struct walk *w, const struct schema_type *t);

/* The fields of the object at p. */
static bool put_object(struct walk *w, const struct schema_type *t)
{
    if (*w->p != '{' || ++w->depth > DEPTH_MAX)
        return false;
    if (w->end - w->p >= 2 && w->p[1] == '}') {
        w->p += 2;
        w->more = false;
    } else if (!next_member(w)) {
        return false;
    }
    if (!put_fields(w, t) || w->more)
        return false; /* a member that no field wants, or not in this order */
    w->depth--;
    return true;
}

static bool put_string(struct walk *w, uint32_t number)
{
    const char *p = w->p + 1;
    bool escaped;
    size_t begin, n;
    str raw;

    if (*w->p != '"')
        return false;
    w->p = json_find_mark(p, w->end);
    if (w->p < w->end && *w->p == '"') {
        put_str(w, number, (str){p, (size_t)(w->p - p)});
        w->p++;
        return true;
    }
    w->p = json_scan_string(p, w->end, &raw, &escaped);
    if (!w->p)
        return false;
    begin = message_open(w, number);
    n = json_unescape(room(w, raw.n), raw);
    if (n == SIZE_MAX)
        return false;
    w->out->n += n;
    message_close(w, begin);
    return true;
}

static bool take_word(struct walk *w, str word)
{
    if ((size_t)(w->end - w->p) < word.n || memcmp(w->p, word.p, word.n) != 0)
        return false;
    w->p += word.n;
    return true;
}

static bool take_int(struct walk *w, int64_t *ret)
{
    const char *p = w->p;
    bool negative = p < w->end && *p == '-';
    uint64_t v = 0;
    int n = 0;

    for (p += negative; p < w->end && *p >= '0' && *p <= '9'; p++, n++)
        v = v * 10 + (uint64_t)(*p - '0');
    if (!n || n > 18 || (p < w->end && (*p == '.' || *p == 'e' || *p == 'E')))
        return false; /* what is larger, or no integer, goes through a tree */
    w->p = p;
    *ret = negative ? -(int64_t)v : (int64_t)v;
    return true;
}

/* One value through a tree: what is rare. */
static bool put_by_tree(struct walk *w, const struct schema_type *t, uint32_t number)
{
    const char *behind = json_skip(w->p, w->end);
    static const struct json_limits limits = {JSON_DEPTH_MAX, 64u << 20};
    struct json *v = NULL;
    struct err *err;

    if (!behind)
        return false;
    err = json_parse(w->arena, (str){w->p, (size_t)(behind - w->p)}, &limits, NULL, &v);
    if (err) {
        err_free(err);
        return false;
    }
    proto_put_value(w->out, t, number, v);
    w->p = behind;
    return true;
}

/* "2006-01-02T15:04:05Z", the way in which nearly all times are stored. */
static bool put_time(struct walk *w, const struct schema_type *t, uint32_t number)
{
    size_t begin;
    int64_t s;

    if (t->kind != SCHEMA_TIME || w->end - w->p < 22 || w->p[0] != '"' || w->p[21] != '"' ||
        !schema_time_plain((str){w->p + 1, 20}, &s))
        return put_by_tree(w, t, number);
    w->p += 22;
    begin = message_open(w, number);
    put_tag(w, 1, WIRE_VARINT);
    put_varint(w, (uint64_t)s);
    put_tag(w, 2, WIRE_VARINT);
    put_varint(w, 0);
    message_close(w, begin);
    return true;
}

static bool put_int_or_string(struct walk *w, uint32_t number)
{
    bool is_string = *w->p == '"';
    int64_t v = 0;
    size_t begin = message_open(w, number);

    if (!is_string && !take_int(w, &v))
        return false;
    put_tag(w, 1, WIRE_VARINT);
    put_varint(w, is_string);
    put_tag(w, 2, WIRE_VARINT);
    put_varint(w, (uint64_t)v);
    if (is_string) {
        if (!put_string(w, 3))
            return false;
    } else {
        put_str(w, 3, STR_NONE);
    }
    message_close(w, begin);
    return true;
}

/* The text itself, as bytes in a message. */
static bool put_text(struct walk *w, uint32_t number)
{
    const char *behind = json_skip(w->p, w->end);
    size_t begin;

    if (!behind)
        return false;
    begin = message_open(w, number);
    put_str(w, 1, (str){w->p, (size_t)(behind - w->p)});
    message_close(w, begin);
    w->p = behind;
    return true;
}

/* One value with its tag, as put_value() of proto.c. */
static bool put_value(struct walk *w, const struct schema_type *t, uint32_t number)
{
    int64_t i = 0;
    size_t begin;

    if (w->p >= w->end)
        return false;
    switch (t->kind) {
    case SCHEMA_STRING:
        return put_string(w, number);
    case SCHEMA_BOOL:
        i = *w->p == 't';
        if (!take_word(w, i ? S("true") : S("false")))
            return false;
        put_tag(w, number, WIRE_VARINT);
        put_varint(w, (uint64_t)i);
        return true;
    case SCHEMA_INT32:
    case SCHEMA_INT64:
    case SCHEMA_UINT32:
    case SCHEMA_UINT64:
        if (!take_int(w, &i))
            return put_by_tree(w, t, number);
        put_tag(w, number, WIRE_VARINT);
        put_varint(w, (uint64_t)i);
        return true;
    case SCHEMA_QUANTITY:
        begin = message_open(w, number);
        if (!put_string(w, 1))
            return false;
        message_close(w, begin);
        return true;
    case SCHEMA_TIME:
    case SCHEMA_MICROTIME:
        return put_time(w, t, number);
    case SCHEMA_INT_OR_STRING:
        return put_int_or_string(w, number);
    case SCHEMA_RAW:
    case SCHEMA_FIELDS_V1:
    case SCHEMA_ANY:
        return *w->p == 'n' ? put_by_tree(w, t, number) : put_text(w, number);
    case SCHEMA_STRUCT:
        begin = message_open(w, number);
        if (!put_object(w, t))
            return false;
        message_close(w, begin);
        return true;
    case SCHEMA_BYTES:
    case SCHEMA_DOUBLE:
    case SCHEMA_FLOAT:
    case SCHEMA_DURATION:
    case SCHEMA_ENUM:
    case SCHEMA_SCHEMA_OR_BOOL:
    case SCHEMA_SCHEMA_OR_ARRAY:
    case SCHEMA_SCHEMA_OR_STRINGS:
    case SCHEMA_VERB_LIST:
        return put_by_tree(w, t, number);
    case SCHEMA_MAP:
    case SCHEMA_LIST:
        break;
    }
    return false;
}

static bool put_list(struct walk *w, const struct schema_field *f)
{
    if (*w->p != '[')
        return false;
    if (w->end - w->p >= 2 && w->p[1] == ']') {
        w->p += 2;
        return true;
    }
    do {
        w->p++; /* [ or , */
        if (w->p >= w->end || *w->p == 'n' || !put_value(w, f->type->item, f->proto))
            return false;
    } while (w->p < w->end && *w->p == ',');
    return w->p < w->end && *w->p++ == ']';
}

static bool put_map(struct walk *w, const struct schema_field *f)
{
    str before = STR_NONE;

    if (*w->p != '{')
        return false;
    if (w->end - w->p >= 2 && w->p[1] == '}') {
        w->p += 2;
        return true;
    }
    for (;;) {
        size_t begin;

        if (!next_member(w))
            return false;
        if (!w->more)
            return true;
        if (before.p && str_cmp(before, w->key) >= 0)
            return false;
        before = w->key;
        begin = message_open(w, f->proto);
        put_str(w, 1, w->key);
        if (!put_value(w, f->type->item, 2))
            return false;
        message_close(w, begin);
    }
}

/* The value at p is this field's; then to the next member. */
static bool put_field(struct walk *w, const struct schema_field *f)
{
    bool ok;

    if (*w->p == 'n') {
        if (!take_word(w, S("null")))
            return false;
        put_zero(w, f);
        return next_member(w);
    }
    if (f->type->kind == SCHEMA_LIST)
        ok = put_list(w, f);
    else if (f->type->kind == SCHEMA_MAP)
        ok = put_map(w, f);
    else
        ok = put_value(w, f->type, f->proto);
    return ok && next_member(w);
}

/* ---- messages ---- */

struct late {
    uint32_t position, begin, n;
};

struct message { /* while it is written */
    const struct schema_type *t;
    uint32_t position; /* in t->by_proto: what is before it has been written */
    unsigned n_late;
    struct late late[LATE_MAX];
};

static const struct late *find_late(const struct message *m, uint32_t position)
{
    for (unsigned i = 0; i < m->n_late; i++)
        if (m->late[i].position == position)
            return &m->late[i];
    return NULL;
}

static void write_until(struct walk *w, struct message *m, uint32_t position)
{
    for (; m->position < position; m->position++) {
        const struct late *l = m->n_late ? find_late(m, m->position) : NULL;

        if (l) {
            memcpy(room(w, l->n), w->aside.p + l->begin, l->n);
            w->out->n += l->n;
        } else {
            put_zero(w, &m->t->fields[m->t->by_proto[m->position]]);
        }
    }
}

/* The field's place in the order of numbers; *ret_late: fields before it may still come. */
static uint32_t position_of(const struct message *m, uint32_t index, bool *ret_late)
{
    uint32_t i = m->position;

    *ret_late = false;
    if (i < m->t->n_proto && m->t->by_proto[i] == index)
        return i;
    for (; i < m->t->n_proto && m->t->by_proto[i] != index; i++)
        *ret_late |= m->t->by_proto[i] > index && !find_late(m, i);
    return i;
}

static bool put_aside(struct walk *w, struct message *m, uint32_t position, size_t begin)
{
    size_t n = w->out->n - begin;

    if (m->n_late == LATE_MAX)
        return false;
    m->late[m->n_late++] = (struct late){position, (uint32_t)w->aside.n, (uint32_t)n};
    buf_add(&w->aside, w->out->p + begin, n);
    w->out->n = begin;
    return true;
}

/* Equality of names: a call for so few bytes would cost more than they do. */
static inline bool same_bytes(const char *p, const char *q, size_t n)
{
    uint64_t a, b, c, d;

    if (n < 8) {
        while (n && p[n - 1] == q[n - 1])
            n--;
        return !n;
    }
    if (n > 16)
        return memcmp(p, q, n) == 0;
    memcpy(&a, p, 8);
    memcpy(&b, q, 8);
    memcpy(&c, p + n - 8, 8);
    memcpy(&d, q + n - 8, 8);
    return ((a ^ b) | (c ^ d)) == 0;
}

/* The index of the field that the member at hand belongs to, or n_fields: none from `from` on. */
static uint32_t find_index(const struct walk *w, const struct schema_type *t, uint32_t from)
{
    for (uint32_t i = from; i < t->n_fields && w->key.n; i++) {
        const struct schema_field *f = &t->fields[i];

        if (f->name.n == w->key.n && same_bytes(f->name.p, w->key.p, w->key.n))
            return i;
        if ((f->flags & FIELD_INLINE) && schema_find_field(f->type, w->key))
            return i;
    }
    return t->n_fields;
}

/* Members as long as they are this type's; the rest is the outer message's where this one is inlined. */
static bool put_fields(struct walk *w, const struct schema_type *t)
{
    struct message m;
    size_t aside = w->aside.n;
    uint32_t index = 0;

    if (t->proto3)
        return false;
    m.t = t;
    m.position = 0;
    m.n_late = 0;
    for (; w->more; index++) {
        const struct schema_field *f;
        uint32_t position;
        size_t begin;
        bool late, ok;

        index = find_index(w, t, index);
        if (index == t->n_fields)
            break;
        f = &t->fields[index];
        if (!f->proto) {
            w->p = json_skip(w->p, w->end);
            if (!w->p || !next_member(w))
                return false;
            continue;
        }
        position = position_of(&m, index, &late);
        if (position == t->n_proto)
            return false;
        if (!late)
            write_until(w, &m, position);
        begin = w->out->n;
        if (f->flags & FIELD_INLINE) {
            size_t message = message_open(w, f->proto);

            ok = put_fields(w, f->type);
            if (ok)
                message_close(w, message);
        } else {
            ok = put_field(w, f);
        }
        if (!ok || (late && !put_aside(w, &m, position, begin)))
            return false;
        m.position += !late;
    }
    write_until(w, &m, t->n_proto);
    w->aside.n = aside;
    return true;
}

bool proto_encode_text(struct buf *b, const struct schema_type *t, str text, struct arena *scratch)
{
    struct walk w = {
        .out = b, .arena = scratch, .begin = text.p, .p = text.p, .end = text.p + text.n};
    size_t before = b->n;
    bool ok;

    if (!text.n || *text.p != '{')
        return false;
    w.out = b;
    ok = next_member(&w);
    while (ok && w.more && (str_is(w.key, "kind") || str_is(w.key, "apiVersion"))) {
        w.p = json_skip(w.p, w.end);
        ok = w.p && next_member(&w);
    }
    ok = ok && put_fields(&w, t) && !w.more;
    buf_fini(&w.aside);
    if (!ok)
        b->n = before;
    else if (b->p)
        b->p[b->n] = '\0';
    return ok;
}
