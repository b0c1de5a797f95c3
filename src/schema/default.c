/* default.c - fills in what a client left out: the static defaults of the tables and the computed
 * ones.
 *
 * One walk from the outside in, only where the generator found defaults at all. At each struct: the
 * static defaults of its fields, then its function (defaults_<area>.c), then what is below it, so
 * that a struct made by a default gets its own defaults too. Members are put where Go has them.
 *
 * Idempotent: nothing that is set is changed. */
#include "schema/crd.h"
#include "schema/schema_internal.h"

static const struct schema_field *field_of(const struct schema_type *t, const char *name)
{
    return schema_find_field(t, str_of(name));
}

static bool is_unset(const struct schema_field *f, const struct json *v)
{
    if (!v || v->type == JSON_NULL)
        return true;
    if (f->flags & FIELD_POINTER)
        return false;
    switch (v->type) {
    case JSON_STRING:
        return v->s.n == 0;
    case JSON_INT:
        return v->i == 0 && f->type->kind != SCHEMA_INT_OR_STRING;
    case JSON_BOOL:
        return !v->b;
    case JSON_ARRAY:
        return v->n == 0;
    case JSON_NULL:
    case JSON_DOUBLE:
    case JSON_OBJECT:
        break;
    }
    return false;
}

bool default_is_unset(const struct schema_type *t, const struct json *obj, const char *name)
{
    const struct schema_field *f = field_of(t, name);

    return f && is_unset(f, json_find(obj, f->name));
}

void default_set(struct arena *a, const struct schema_type *t, struct json *obj, const char *name,
                 struct json v)
{
    if (default_is_unset(t, obj, name))
        form_set(a, t, obj, str_of(name), v);
}

/* The value of a default's text. The texts are ours, so that failure is our mistake. */
static struct json value_of(struct arena *a, str text)
{
    struct json *v = NULL;
    struct err *err;
    int64_t i;

    if (text.n > 1 && text.p[0] == '"')
        return json_string(str_slice(text, 1, text.n - 1)); /* none of ours needs escapes */
    if (str_to_int64(text, &i))
        return json_int(i);
    err = json_parse(a, text, NULL, NULL, &v);
    BUG_ON(err);
    return *v;
}

void default_json(struct arena *a, const struct schema_type *t, struct json *obj, const char *name,
                  const char *json)
{
    if (default_is_unset(t, obj, name))
        form_set(a, t, obj, str_of(name), value_of(a, str_of(json)));
}

static void walk(struct arena *a, const struct schema_type *t, struct json *v);

static void static_defaults(struct arena *a, const struct schema_type *outer,
                            const struct schema_type *t, struct json *v)
{
    for (uint32_t i = 0; i < t->n_fields; i++) {
        const struct schema_field *f = &t->fields[i];

        if (f->flags & FIELD_INLINE) {
            if (f->type->has_defaults) {
                static_defaults(a, outer, f->type, v);
                if (f->type->defaults)
                    schema_default_fns[f->type->defaults](a, outer, v);
            }
        } else if (f->more && f->more->default_json.n && is_unset(f, json_find(v, f->name)))
            form_set(a, outer, v, f->name, value_of(a, f->more->default_json));
    }
}

static void walk_struct(struct arena *a, const struct schema_type *t, struct json *v)
{
    static_defaults(a, t, t, v);
    if (t->defaults)
        schema_default_fns[t->defaults](a, t, v);
    JSON_EACH_MEMBER(m, v) {
        const struct schema_field *f;

        if (m->value.type != JSON_OBJECT && m->value.type != JSON_ARRAY)
            continue;
        f = schema_find_field(t, m->key);
        if (f && f->type->has_defaults)
            walk(a, f->type, &m->value);
    }
}

/* Resources are counted in thousandths: a smaller part is one more. Canonical texts end in u or n then,
 * or have an exponent. */
static void round_up(struct arena *a, struct json *v)
{
    struct quantity q;
    char last = json_str(v).n ? v->s.p[v->s.n - 1] : 0;
    CLEANUP(buf) struct buf b = BUF_INIT;
    bool exponent = str_find(json_str(v), S("e-")) > 0;

    if ((last != 'u' && last != 'n' && !exponent) || !quantity_parse(v->s, &q) ||
        q.nano % 1000000 == 0)
        return;
    q.nano = (q.nano / 1000000 + (q.nano < 0 ? -1 : 1)) * 1000000;
    buf_quantity(&b, &q, exponent ? 'e' : 'd');
    v->s = arena_dup(a, buf_view(&b));
}

static void walk(struct arena *a, const struct schema_type *t, struct json *v)
{
    if (t->kind == SCHEMA_STRUCT && v->type == JSON_OBJECT)
        walk_struct(a, t, v);
    else if (t->kind == SCHEMA_LIST)
        JSON_EACH(it, v)
            walk(a, t->item, it);
    else if (t->kind == SCHEMA_MAP)
        JSON_EACH_MEMBER(m, v)
            walk(a, t->item, &m->value);
    else if (t->kind == SCHEMA_QUANTITY)
        round_up(a, v);
}

void schema_default(struct arena *a, const struct resource *r, struct json *v)
{
    if (r->type->custom)
        crd_default(a, r->type, v);
    else if (r->type->has_defaults)
        walk(a, r->type, v);
}
