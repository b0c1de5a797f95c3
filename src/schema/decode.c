/* decode.c - gives a parsed JSON tree the form of its type, as Go's decoder and encoder together
 * would.
 *
 * One walk over the tree in document order: names and types are checked, values brought into their
 * canonical form, and every struct is rebuilt with its members in Go's order (form.c). The first
 * value of a wrong type ends it with Go's message; unknown fields are dropped and, if wanted,
 * collected.
 *
 * Not here: duplicate keys (json_parse finds them, strict.c tells of them), defaults, validation. */
#include "schema/crd.h"
#include "schema/schema_internal.h"

#define DECODE_DEPTH_MAX                                                                           \
    200 /* values within values; Go's limit is 10000, nothing real is deeper than 30 */
#define DECODE_SLOTS                                                                               \
    128 /* fields of a struct that fit the stack; larger ones (run-time tables) take the arena */

/* Where the walk is; frames are on the stack of decode_value. */
struct frame {
    const struct frame *up;
    const struct schema_type
        *owner;    /* the struct whose field this is; NULL: item of a list or value of a map */
    str name;      /* field, or key of a map */
    int64_t index; /* of a list item; -1 otherwise */
};

struct decoder {
    struct arena *a;
    struct schema_warnings *warnings;
    struct err *err;
    unsigned depth;
};

static void path_dotted(struct buf *b, const struct frame *f)
{
    if (!f)
        return;
    path_dotted(b, f->up);
    if (f->index >= 0) {
        buf_fmt(b, "[%lld]", (long long)f->index);
        return;
    }
    if (b->n)
        buf_char(b, '.');
    buf_str(b, f->name);
}

/* Go's error context knows struct fields only. */
static void path_fields(struct buf *b, const struct frame *f)
{
    if (!f)
        return;
    path_fields(b, f->up);
    if (!f->owner)
        return;
    if (b->n)
        buf_char(b, '.');
    buf_str(b, f->name);
}

static str local_name(str full)
{
    ptrdiff_t dot = str_rindex(full, '.');

    return dot < 0 ? full : str_skip(full, (size_t)dot + 1);
}

/* The Go type's name as %T prints it. */
static void go_type(struct buf *b, const struct schema_type *t)
{
    str package;
    ptrdiff_t dot;

    switch (t->kind) {
    case SCHEMA_STRUCT:
        dot = str_rindex(t->name, '.');
        package = dot < 0 ? STR_NONE : str_slice(t->name, 0, (size_t)dot);
        if (package.n)
            buf_fmt(b, PRI_STR ".", STR_ARG(local_name(package)));
        buf_str(b, local_name(t->name));
        return;
    case SCHEMA_MAP:
        if (t->item->kind == SCHEMA_QUANTITY) {
            buf_z(b, "v1.ResourceList"); /* amounts have a type of their own */
            return;
        }
        buf_z(b, "map[string]");
        go_type(b, t->item);
        return;
    case SCHEMA_LIST:
        buf_z(b, "[]");
        go_type(b, t->item);
        return;
    case SCHEMA_VERB_LIST:
        buf_z(b, "v1.ExtraValue");
        return;
    case SCHEMA_BYTES:
        buf_z(b, "[]uint8");
        return;
    case SCHEMA_BOOL:
        buf_z(b, "bool");
        return;
    case SCHEMA_INT32:
        buf_z(b, "int32");
        return;
    case SCHEMA_INT64:
        buf_z(b, "int64");
        return;
    case SCHEMA_UINT32:
        buf_z(b, "uint32");
        return;
    case SCHEMA_UINT64:
        buf_z(b, "uint64");
        return;
    case SCHEMA_DOUBLE:
        buf_z(b, "float64");
        return;
    case SCHEMA_FLOAT:
        buf_z(b, "float32");
        return;
    case SCHEMA_STRING:
    case SCHEMA_QUANTITY:
    case SCHEMA_TIME:
    case SCHEMA_MICROTIME:
    case SCHEMA_DURATION:
    case SCHEMA_INT_OR_STRING:
    case SCHEMA_RAW:
    case SCHEMA_FIELDS_V1:
    case SCHEMA_ANY:
    case SCHEMA_SCHEMA_OR_BOOL:
    case SCHEMA_SCHEMA_OR_ARRAY:
    case SCHEMA_SCHEMA_OR_STRINGS:
    case SCHEMA_ENUM:
        buf_z(b, "string");
        return;
    }
}

static void json_kind(struct buf *b, const struct json *v, bool with_number)
{
    switch (v->type) {
    case JSON_NULL:
        buf_z(b, "null");
        return;
    case JSON_BOOL:
        buf_z(b, "bool");
        return;
    case JSON_INT:
    case JSON_DOUBLE:
        buf_z(b, "number");
        if (with_number) {
            buf_char(b, ' ');
            json_encode(b, v);
        }
        return;
    case JSON_STRING:
        buf_z(b, "string");
        return;
    case JSON_ARRAY:
        buf_z(b, "array");
        return;
    case JSON_OBJECT:
        buf_z(b, "object");
        return;
    }
}

/* mismatch - Go's UnmarshalTypeError. */
static bool mismatch(struct decoder *d, const struct schema_type *t, const struct json *v,
                     const struct frame *at, bool with_number)
{
    struct buf b = BUF_INIT, path = BUF_INIT;
    const struct frame *f = at;

    while (f && !f->owner)
        f = f->up;
    buf_z(&b, "json: cannot unmarshal ");
    json_kind(&b, v, with_number);
    buf_z(&b, " into Go ");
    if (f) {
        path_fields(&path, at);
        buf_fmt(&b, "struct field " PRI_STR "." PRI_STR, STR_ARG(local_name(f->owner->name)),
                STR_ARG(buf_view(&path)));
    } else
        buf_z(&b, "value");
    buf_z(&b, " of type ");
    go_type(&b, t);
    d->err = err_new(REASON_BAD_REQUEST, "%s", buf_cstr(&b));
    buf_fini(&b);
    buf_fini(&path);
    return false;
}

/* A type with its own UnmarshalJSON decodes its value apart: Go then knows no field. */
static bool mismatch_plain(struct decoder *d, const struct json *v, const char *type)
{
    struct buf b = BUF_INIT;

    buf_z(&b, "json: cannot unmarshal ");
    json_kind(&b, v, v->type == JSON_DOUBLE);
    buf_fmt(&b, " into Go value of type %s", type);
    d->err = err_new(REASON_BAD_REQUEST, "%s", buf_cstr(&b));
    buf_fini(&b);
    return false;
}

static bool fail(struct decoder *d, str text)
{
    d->err = err_new(REASON_BAD_REQUEST, PRI_STR, STR_ARG(text));
    return false;
}

static void warn_unknown(struct decoder *d, const struct frame *up, str name)
{
    struct frame f = {.up = up, .name = name, .index = -1};
    CLEANUP(buf) struct buf path = BUF_INIT;

    if (!d->warnings || !d->warnings->list)
        return;
    path_dotted(&path, &f);
    schema_warn_unknown(d->a, d->warnings, buf_view(&path), name);
}

/* Why quantity_canonical() refused it, in the words of resource.ParseQuantity. */
static str quantity_error(str s)
{
    size_t i = 0, from;

    if (i < s.n && (s.p[i] == '+' || s.p[i] == '-'))
        i++;
    from = i;
    while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
        i++;
    if (i < s.n && s.p[i] == '.')
        for (i++; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
            ;
    if (i > from) {
        size_t suffix = i;

        while (i < s.n && str_has_char(S("eEinumkKMGTP"), s.p[i]))
            i++;
        if (i < s.n && i > suffix && (s.p[i] == '-' || s.p[i] == '+'))
            i++;
        while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
            i++;
        if (i == s.n)
            return suffix < s.n ? S("unable to parse quantity's suffix")
                                : S("unable to parse numeric part of quantity");
    }
    return S("quantities must match the regular expression "
             "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
}

static bool decode_value(struct decoder *d, const struct schema_type *t, struct json *v,
                         const struct frame *at);

/* form_slot(), for members that mostly come in the table's order: from the one before on. */
static int slot_from(const struct schema_type *t, str name, uint32_t *expected,
                     const struct schema_field **ret_field)
{
    if (!t->has_inline)
        for (uint32_t i = *expected; i < t->n_fields; i++)
            if (str_eq(t->fields[i].name, name)) {
                *expected = i + 1;
                *ret_field = &t->fields[i];
                return (int)i;
            }
    return form_slot(t, name, ret_field);
}

static bool decode_struct(struct decoder *d, const struct schema_type *t, struct json *v,
                          const struct frame *at)
{
    struct json *stack[DECODE_SLOTS], **slots = stack;
    uint32_t n = form_slots(t), n_extra = 0, expected = 0;
    struct json_member *extra = NULL;
    struct json old = *v;

    if (v->type != JSON_OBJECT)
        return mismatch(d, t, v, at, false);
    if (n > DECODE_SLOTS)
        slots = arena_alloc(d->a, sizeof *slots * n);
    memset(slots, 0, sizeof *slots * n);
    JSON_EACH_MEMBER(m, &old) {
        const struct schema_field *f = NULL;
        int slot = slot_from(t, m->key, &expected, &f);
        struct frame here = {.up = at, .owner = t, .index = -1};

        if (slot < 0) {
            if (t->preserve_unknown) {
                if (!extra)
                    extra = arena_alloc(d->a, sizeof *extra * old.n);
                extra[n_extra++] = *m;
            } else
                warn_unknown(d, at, m->key);
            continue;
        }
        here.name = f->name;
        if (m->value.type == JSON_NULL)
            continue; /* null leaves Go's value as it is: zero */
        if (!decode_value(d, f->type, &m->value, &here))
            return false;
        slots[slot] = &m->value;
    }
    *v = form_object(d->a, t, slots, n_extra);
    for (uint32_t i = 0; i < n_extra; i++)
        v->members[v->n++] = extra[i];
    return true;
}

static bool decode_list(struct decoder *d, const struct schema_type *t, struct json *v,
                        const struct frame *at)
{
    int64_t i = 0;

    if (v->type != JSON_ARRAY)
        return mismatch(d, t, v, at, false);
    JSON_EACH(it, v) {
        struct frame here = {.up = at, .index = i++};

        if (it->type == JSON_NULL)
            *it = form_zero(d->a, t->item);
        else if (!decode_value(d, t->item, it, &here))
            return false;
    }
    return true;
}

static int by_key(const void *a, const void *b, void *ctx)
{
    return str_cmp(((const struct json_member *)a)->key, ((const struct json_member *)b)->key);
}

static bool decode_map(struct decoder *d, const struct schema_type *t, struct json *v,
                       const struct frame *at)
{
    if (v->type != JSON_OBJECT)
        return mismatch(d, t, v, at, false);
    JSON_EACH_MEMBER(m, v) {
        struct frame here = {.up = at, .name = m->key, .index = -1};

        if (m->value.type == JSON_NULL)
            m->value = form_zero(d->a, t->item);
        else if (!decode_value(d, t->item, &m->value, &here))
            return false;
    }
    /* Go writes maps sorted by key. */
    for (uint32_t i = 1; i < v->n; i++)
        if (str_cmp(v->members[i - 1].key, v->members[i].key) > 0) {
            sort_with(v->members, v->n, sizeof *v->members, by_key, NULL);
            break;
        }
    return true;
}

static bool decode_int(struct decoder *d, const struct schema_type *t, struct json *v,
                       const struct frame *at)
{
    if (v->type == JSON_DOUBLE)
        return mismatch(d, t, v, at, true);
    if (v->type != JSON_INT)
        return mismatch(d, t, v, at, false);
    if ((t->kind == SCHEMA_INT32 && (v->i < INT32_MIN || v->i > INT32_MAX)) ||
        (t->kind == SCHEMA_UINT32 && (v->i < 0 || v->i > UINT32_MAX)) ||
        (t->kind == SCHEMA_UINT64 && v->i < 0 && !t->proto3))
        return mismatch(d, t, v, at, true);
    return true;
}

static bool decode_quantity(struct decoder *d, struct json *v)
{
    struct buf b = BUF_INIT;
    str text, canonical;

    if (v->type == JSON_INT || v->type == JSON_DOUBLE) {
        json_encode(&b, v); /* a bare number is the same quantity */
        text = arena_dup(d->a, buf_view(&b));
        buf_fini(&b);
    } else if (v->type == JSON_STRING)
        text = v->s;
    else
        return fail(d, quantity_error(S("{")));
    text = str_trim(text);
    if (!quantity_canonical(d->a, text, &canonical))
        return fail(d, quantity_error(text));
    *v = json_string(canonical);
    return true;
}

static bool decode_time(struct decoder *d, struct json *v, bool micro)
{
    struct schema_time t;
    int64_t s;
    str error;

    if (v->type != JSON_STRING)
        return mismatch_plain(d, v, "string");
    if (!micro && schema_time_plain(v->s, &s))
        return true; /* as it would be written */
    if (!schema_time_parse(d->a, v->s, micro, &t, &error))
        return fail(d, error);
    if (t.zero)
        *v = json_null();
    else
        *v = json_string(schema_time_format(d->a, &t, micro));
    return true;
}

static bool decode_bytes(struct decoder *d, const struct schema_type *t, struct json *v,
                         const struct frame *at)
{
    str raw;

    if (v->type != JSON_STRING)
        return mismatch(d, t, v, at, false);
    if (str_has_char(v->s, '\n') || str_has_char(v->s, '\r')) {
        /* Go skips line breaks inside base64, and writes it without them. */
        struct buf b = BUF_INIT;

        for (size_t i = 0; i < v->s.n; i++)
            if (v->s.p[i] != '\n' && v->s.p[i] != '\r')
                buf_char(&b, v->s.p[i]);
        *v = json_string(arena_dup(d->a, buf_view(&b)));
        buf_fini(&b);
    }
    if (!base64_decode(d->a, v->s, &raw)) {
        size_t i = 0;

        while (i < v->s.n &&
               ((v->s.p[i] >= 'A' && v->s.p[i] <= 'Z') || (v->s.p[i] >= 'a' && v->s.p[i] <= 'z') ||
                (v->s.p[i] >= '0' && v->s.p[i] <= '9') || v->s.p[i] == '+' || v->s.p[i] == '/'))
            i++;
        if (i == v->s.n) /* cut short: Go names the start of the last quantum */
            i -= i % 4;
        return fail(d, arena_fmt(d->a, "illegal base64 data at input byte %zu", i));
    }
    return true;
}

static bool decode_value(struct decoder *d, const struct schema_type *t, struct json *v,
                         const struct frame *at)
{
    bool ok = true;

    if (++d->depth > DECODE_DEPTH_MAX) {
        d->err = err_new(REASON_BAD_REQUEST, "json: exceeded max depth");
        return false;
    }
    switch (t->kind) {
    case SCHEMA_STRUCT:
        ok = decode_struct(d, t, v, at);
        break;
    case SCHEMA_LIST:
    case SCHEMA_VERB_LIST:
        ok = decode_list(d, t, v, at);
        break;
    case SCHEMA_MAP:
        ok = decode_map(d, t, v, at);
        break;
    case SCHEMA_STRING:
        if (v->type != JSON_STRING)
            ok = mismatch(d, t, v, at, false);
        break;
    case SCHEMA_BOOL:
        if (v->type != JSON_BOOL)
            ok = mismatch(d, t, v, at, false);
        break;
    case SCHEMA_BYTES:
        ok = t->proto3 || decode_bytes(d, t, v, at);
        break;
    case SCHEMA_INT32:
    case SCHEMA_INT64:
    case SCHEMA_UINT32:
    case SCHEMA_UINT64:
    case SCHEMA_ENUM:
        ok = decode_int(d, t, v, at);
        break;
    case SCHEMA_DOUBLE:
    case SCHEMA_FLOAT:
        if (v->type != JSON_DOUBLE && v->type != JSON_INT)
            ok = mismatch(d, t, v, at, false);
        break;
    case SCHEMA_QUANTITY:
        ok = decode_quantity(d, v);
        break;
    case SCHEMA_TIME:
        ok = decode_time(d, v, false);
        break;
    case SCHEMA_MICROTIME:
        ok = decode_time(d, v, true);
        break;
    case SCHEMA_DURATION:
        if (v->type != JSON_STRING)
            ok = mismatch_plain(d, v, "string");
        break;
    case SCHEMA_INT_OR_STRING:
        if (v->type == JSON_INT ? v->i < INT32_MIN || v->i > INT32_MAX : v->type != JSON_STRING)
            ok = mismatch_plain(d, v, "int32");
        break;
    case SCHEMA_RAW:
    case SCHEMA_FIELDS_V1:
    case SCHEMA_ANY:
        break;
    case SCHEMA_SCHEMA_OR_BOOL:
        if (v->type == JSON_OBJECT)
            ok = decode_struct(d, t->item, v, at);
        else if (v->type != JSON_BOOL)
            ok = fail(d, S("boolean or JSON schema expected"));
        break;
    case SCHEMA_SCHEMA_OR_ARRAY:
    case SCHEMA_SCHEMA_OR_STRINGS:
        if (v->type == JSON_OBJECT)
            ok = decode_struct(d, t->item, v, at);
        else if (v->type == JSON_ARRAY && t->kind == SCHEMA_SCHEMA_OR_ARRAY) {
            int64_t i = 0;

            JSON_EACH(it, v) {
                struct frame here = {.up = at, .index = i++};

                if (ok)
                    ok = decode_value(d, t->item, it, &here);
            }
        }
        break;
    }
    d->depth--;
    return ok;
}

struct err *schema_decode(struct arena *a, const struct schema_type *t, struct json *v,
                          struct schema_warnings *warnings)
{
    struct decoder d = {.a = a, .warnings = warnings};

    if (warnings && !warnings->list)
        warnings->list = json_new(a, json_array());
    if (t->custom)
        return crd_decode(a, t, v, warnings);
    if (decode_value(&d, t, v, NULL) && warnings)
        schema_warn_rest(a, warnings);
    return d.err;
}
