/* form.c - how Go would write a struct: which members, in which order, and which zero values.
 *
 * The rules are encoding/json's, as the table's flags tell them:
 *   FIELD_OMITEMPTY  absent when zero; a pointer is zero only when nil
 *   otherwise        always written: scalars as their zero, structs as {}, lists, maps, pointers,
 * times and raw values as null Objects of built-in kinds pass through protobuf before they are
 * answered, which knows no difference between an empty list and none: so [] and {} of lists and
 * maps are null, or omitted, too. */
#include "schema/schema_internal.h"

uint32_t form_slots(const struct schema_type *t)
{
    uint32_t n = t->n_fields;

    if (t->has_inline)
        for (uint32_t i = 0; i < t->n_fields; i++)
            if (t->fields[i].flags & FIELD_INLINE)
                n += form_slots(t->fields[i].type) - 1;
    return n;
}

int form_slot(const struct schema_type *t, str name, const struct schema_field **ret_field)
{
    int slot = 0;

    if (!t->has_inline) {
        *ret_field = schema_find_field(t, name);
        return *ret_field ? (int)(*ret_field - t->fields) : -1;
    }
    for (uint32_t i = 0; i < t->n_fields; i++) {
        const struct schema_field *f = &t->fields[i];

        if (f->flags & FIELD_INLINE) {
            int inner = form_slot(f->type, name, ret_field);

            if (inner >= 0)
                return slot + inner;
            slot += (int)form_slots(f->type);
        } else {
            if (str_eq(f->name, name)) {
                *ret_field = f;
                return slot;
            }
            slot++;
        }
    }
    return -1;
}

static bool is_zero(const struct schema_field *f, const struct json *v)
{
    if (f->flags & FIELD_POINTER)
        return false;
    if (f->type->kind == SCHEMA_LIST || f->type->kind == SCHEMA_MAP ||
        f->type->kind == SCHEMA_VERB_LIST)
        return v->n == 0;
    switch (v->type) {
    case JSON_NULL:
        return true;
    case JSON_BOOL:
        return !v->b;
    case JSON_INT:
        return v->i == 0 && f->type->kind != SCHEMA_INT_OR_STRING;
    case JSON_DOUBLE:
        return v->d == 0;
    case JSON_STRING:
        return v->s.n == 0;
    case JSON_ARRAY:
    case JSON_OBJECT:
        return v->n == 0;
    }
    return false;
}

struct json form_zero(struct arena *a, const struct schema_type *t)
{
    switch (t->kind) {
    case SCHEMA_STRUCT: {
        struct json *none[256];
        uint32_t n = form_slots(t);

        BUG_ON(n > ARRAY_LEN(none)); /* only generated types come here */
        memset(none, 0, sizeof *none * n);
        return form_object(a, t, none, 0);
    }
    case SCHEMA_STRING:
    case SCHEMA_BYTES:
        return json_string(S(""));
    case SCHEMA_BOOL:
        return json_bool(false);
    case SCHEMA_INT32:
    case SCHEMA_INT64:
    case SCHEMA_UINT32:
    case SCHEMA_UINT64:
    case SCHEMA_DOUBLE:
    case SCHEMA_FLOAT:
    case SCHEMA_ENUM:
    case SCHEMA_INT_OR_STRING:
        return json_int(0);
    case SCHEMA_QUANTITY:
    case SCHEMA_DURATION:
        return json_string(S("0"));
    case SCHEMA_SCHEMA_OR_BOOL:
        return json_bool(false);
    case SCHEMA_MAP:
    case SCHEMA_LIST:
    case SCHEMA_VERB_LIST:
    case SCHEMA_TIME:
    case SCHEMA_MICROTIME:
    case SCHEMA_RAW:
    case SCHEMA_FIELDS_V1:
    case SCHEMA_ANY:
    case SCHEMA_SCHEMA_OR_ARRAY:
    case SCHEMA_SCHEMA_OR_STRINGS:
        break;
    }
    return json_null();
}

/* What Go writes for an absent field that has no omitempty. */
static struct json absent_value(struct arena *a, const struct schema_field *f)
{
    if ((f->flags & FIELD_POINTER) || f->type->kind == SCHEMA_BYTES)
        return json_null();
    return form_zero(a, f->type);
}

static uint32_t emit(struct arena *a, const struct schema_type *t, struct json *const *slots,
                     struct json_member *out)
{
    uint32_t n = 0, slot = 0;

    for (uint32_t i = 0; i < t->n_fields; i++) {
        const struct schema_field *f = &t->fields[i];
        struct json *v;

        if (f->flags & FIELD_INLINE) {
            n += emit(a, f->type, slots + slot, out + n);
            slot += form_slots(f->type);
            continue;
        }
        v = slots[slot++];
        if (v && v->type == JSON_NULL)
            v = NULL;
        if (v && f->type->kind != SCHEMA_STRUCT && is_zero(f, v) && (f->flags & FIELD_OMITEMPTY))
            v = NULL;
        if (v && f->proto && v->n == 0 && (f->flags & FIELD_OMITEMPTY) &&
            (f->type->kind == SCHEMA_LIST || f->type->kind == SCHEMA_MAP))
            v = NULL;
        if (!v && (f->flags & FIELD_OMITEMPTY))
            continue;
        out[n].key = f->name;
        out[n].value = v ? *v : absent_value(a, f);
        n++;
    }
    return n;
}

struct json form_object(struct arena *a, const struct schema_type *t, struct json *const *slots,
                        uint32_t n_extra)
{
    uint32_t n = form_slots(t), cap = n_extra, slot = 0;
    struct json v = json_object();

    /* Room for what is there and what may be added. */
    for (slot = 0; slot < n; slot++)
        cap += slots[slot] != NULL;
    if (!t->proto3)
        for (uint32_t i = 0; i < t->n_fields; i++)
            cap += (t->fields[i].flags & FIELD_INLINE) ? t->fields[i].type->n_fields
                                                       : !(t->fields[i].flags & FIELD_OMITEMPTY);
    v.cap = cap;
    v.members = cap ? arena_alloc(a, sizeof *v.members * cap) : NULL;
    v.n = cap ? emit(a, t, slots, v.members) : 0;
    return v;
}

void form_set(struct arena *a, const struct schema_type *t, struct json *obj, str name,
              struct json v)
{
    const struct schema_field *f = NULL, *g = NULL;
    struct json *known = json_find(obj, name);
    int slot = form_slot(t, name, &f);
    uint32_t at = 0;

    if (known) {
        *known = v;
        return;
    }
    /* Behind every member that Go writes before it. */
    for (uint32_t i = obj->n; i-- > 0;) {
        int other = form_slot(t, obj->members[i].key, &g);

        if (other < slot) {
            at = i + 1;
            break;
        }
    }
    json_set(a, obj, f ? f->name : name, v);
    for (uint32_t i = obj->n - 1; i > at; i--) {
        struct json_member swap = obj->members[i];

        obj->members[i] = obj->members[i - 1];
        obj->members[i - 1] = swap;
    }
}

/* ---- empty lists ---- */

static bool has_empty_list(const struct json *v)
{
    if (v->type == JSON_ARRAY) {
        JSON_EACH(it, v)
            if (has_empty_list(it))
                return true;
        return v->n == 0;
    }
    JSON_EACH_MEMBER(m, v)
        if ((m->value.type == JSON_OBJECT || m->value.type == JSON_ARRAY) &&
            has_empty_list(&m->value))
            return true;
    return false;
}

static void settle(const struct schema_type *t, struct json *v)
{
    if (t->kind == SCHEMA_LIST && v->type == JSON_ARRAY)
        JSON_EACH(it, v)
            settle(t->item, it);
    else if (t->kind == SCHEMA_MAP && v->type == JSON_OBJECT)
        JSON_EACH_MEMBER(m, v)
            settle(t->item, &m->value);
    else if (t->kind == SCHEMA_STRUCT && v->type == JSON_OBJECT)
        JSON_EACH_MEMBER(m, v) {
            const struct schema_field *f = schema_find_field(t, m->key);

            if (!f)
                continue;
            if (f->proto && f->type->kind == SCHEMA_LIST && m->value.type == JSON_ARRAY &&
                m->value.n == 0)
                m->value = json_null();
            else
                settle(f->type, &m->value);
        }
}

void schema_settle(const struct schema_type *t, struct json *v)
{
    if (!t->custom && has_empty_list(v))
        settle(t, v);
}
