/* validate.c - the rules that stand beside fields in api/: required, one of, ranges, lengths, forms
 * of names.
 *
 * One walk, only where there are rules at all. What depends on other fields is each kind's own
 * business, as is everything whose order of complaints Kubernetes fixes; a rule belongs either here
 * or there.
 *
 * Texts: k8s.io/apimachinery/pkg/util/validation/field (ErrorBody), one StatusCause a complaint. */
#include "schema/crd.h"
#include "schema/schema_internal.h"
#include "schema/validate.h"

/* A place, chained on the stack; becomes text only when something is wrong there. */
struct place {
    const struct place *up;
    str name;
    int64_t index; /* -1: a field */
    bool key;      /* name is a map's key */
};

struct walk {
    struct arena *a;
    struct err **errs;
    str root;
};

static void write_place(struct buf *b, const struct walk *w, const struct place *p)
{
    if (!p) {
        buf_str(b, w->root);
        return;
    }
    write_place(b, w, p->up);
    if (p->index >= 0)
        buf_fmt(b, "[%lld]", (long long)p->index);
    else if (p->key)
        buf_fmt(b, "[" PRI_STR "]", STR_ARG(p->name));
    else {
        if (b->n)
            buf_char(b, '.');
        buf_str(b, p->name);
    }
}

static void complain(struct walk *w, const struct place *at, const char *type,
                     const struct buf *message)
{
    struct buf path = BUF_INIT;

    write_place(&path, w, at);
    if (!*w->errs)
        *w->errs = err_new(REASON_INVALID, "invalid");
    err_cause_add(*w->errs, type, buf_view(&path), buf_view(message));
    buf_fini(&path);
}

/* As Go prints a value in such a message: %q of strings, JSON of the rest. */
static void write_value(struct buf *b, const struct json *v)
{
    if (!json_is(v, JSON_STRING)) {
        struct json null = json_null();

        json_encode(b, v ? v : &null);
        return;
    }
    buf_char(b, '"');
    for (size_t i = 0; i < v->s.n; i++) {
        unsigned char c = (unsigned char)v->s.p[i];
        static const char named[] = "\a\b\f\n\r\t\v", letters[] = "abfnrtv";
        const char *at = c ? strchr(named, c) : NULL;

        if (c == '"' || c == '\\')
            buf_fmt(b, "\\%c", c);
        else if (at)
            buf_fmt(b, "\\%c", letters[at - named]);
        else if (c < 0x20 || c == 0x7f)
            buf_fmt(b, "\\x%02x", c);
        else
            buf_char(b, (char)c);
    }
    buf_char(b, '"');
}

static void invalid(struct walk *w, const struct place *at, const struct json *v, str detail)
{
    struct buf b = BUF_INIT;

    buf_z(&b, "Invalid value: ");
    write_value(&b, v);
    buf_fmt(&b, ": " PRI_STR, STR_ARG(detail));
    complain(w, at, "FieldValueInvalid", &b);
    buf_fini(&b);
}

static void required(struct walk *w, const struct place *at, const struct schema_rules *r)
{
    struct buf b = BUF_INIT;

    buf_z(&b, "Required value");
    if (r->required_detail.n)
        buf_fmt(&b, ": " PRI_STR, STR_ARG(r->required_detail));
    complain(w, at, "FieldValueRequired", &b);
    buf_fini(&b);
}

static void check_enum(struct walk *w, const struct place *at, const struct schema_rules *r,
                       const struct json *v)
{
    struct buf b = BUF_INIT;

    for (size_t i = 0; i < r->n_enum; i++)
        if (str_eq(r->enum_values[i], json_str(v)))
            return;
    buf_z(&b, "Unsupported value: ");
    write_value(&b, v);
    buf_z(&b, ": supported values: ");
    for (size_t i = 0; i < r->n_enum; i++)
        buf_fmt(&b, "%s\"" PRI_STR "\"", i ? ", " : "", STR_ARG(r->enum_values[i]));
    complain(w, at, "FieldValueNotSupported", &b);
    buf_fini(&b);
}

static void check_range(struct walk *w, const struct place *at, const struct schema_rules *r,
                        const struct json *v)
{
    bool low = r->has_min && v->i < r->min, high = r->has_max && v->i > r->max;

    if (!low && !high)
        return;
    if (r->has_min && r->has_max)
        invalid(w, at, v,
                arena_fmt(w->a, "must be between %lld and %lld, inclusive", (long long)r->min,
                          (long long)r->max));
    else if (low && r->min == 1)
        invalid(w, at, v, S("must be greater than 0"));
    else if (low)
        invalid(w, at, v,
                arena_fmt(w->a, "must be greater than or equal to %lld", (long long)r->min));
    else
        invalid(w, at, v, arena_fmt(w->a, "must be less than or equal to %lld", (long long)r->max));
}

static void check_string(struct walk *w, const struct place *at, const struct schema_rules *r,
                         const struct json *v)
{
    str texts[FORMAT_PROBLEMS_MAX];
    size_t n;

    if (!v->s.n)
        return; /* an empty string is an absent one; nonempty speaks for itself */
    if (r->n_enum)
        check_enum(w, at, r, v);
    if (r->max_length && v->s.n > r->max_length) {
        struct buf b = BUF_INIT;

        buf_fmt(&b, "Too long: may not be more than %u bytes", r->max_length);
        complain(w, at, "FieldValueTooLong", &b);
        buf_fini(&b);
    }
    n = r->format.n ? format_problems(w->a, r->format, v->s, texts) : 0;
    for (size_t i = 0; i < n; i++)
        invalid(w, at, v, texts[i]);
}

static void check_quantity(struct walk *w, const struct place *at, const struct schema_rules *r,
                           const struct json *v)
{
    struct quantity q, min = {0};

    if (!r->has_min || !json_is(v, JSON_STRING) || !quantity_parse(v->s, &q))
        return;
    /* Only zero and one are used as bounds: "not negative" and "more than nothing". */
    if (r->min == 0 ? quantity_cmp(&q, &min) < 0 : quantity_cmp(&q, &min) <= 0)
        invalid(w, at, v,
                r->min == 0 ? S("must be greater than or equal to 0")
                            : S("must be greater than zero"));
}

static bool is_empty(const struct json *v)
{
    return !v || v->type == JSON_NULL || (v->type == JSON_STRING && !v->s.n) ||
           (v->type == JSON_ARRAY && !v->n) || (v->type == JSON_INT && !v->i);
}

static void check_rules(struct walk *w, const struct schema_field *f, const struct json *v,
                        const struct place *at)
{
    const struct schema_rules *r = f->more->rules;

    if (r->nonempty && is_empty(v)) {
        required(w, at, r);
        return;
    }
    if (!v)
        return;
    if (v->type == JSON_STRING)
        (f->type->kind == SCHEMA_QUANTITY ? check_quantity : check_string)(w, at, r, v);
    else if (v->type == JSON_INT)
        check_range(w, at, r, v);
    else if (v->type == JSON_ARRAY) {
        int64_t i = 0;

        if (r->max_items && v->n > r->max_items) {
            struct buf b = BUF_INIT;

            buf_fmt(&b, "Too many: %u: must have at most %u items", v->n, r->max_items);
            complain(w, at, "FieldValueTooMany", &b);
            buf_fini(&b);
        }
        JSON_EACH(it, v) {
            struct place item = {.up = at, .index = i++};

            if (it->type == JSON_STRING)
                check_string(w, &item, r, it);
        }
    }
}

static void walk_type(struct walk *w, const struct schema_type *t, const struct json *v,
                      const struct place *at);

static void walk_fields(struct walk *w, const struct schema_type *t, const struct json *v,
                        const struct place *at)
{
    for (uint32_t i = 0; i < t->n_fields; i++) {
        const struct schema_field *f = &t->fields[i];
        struct place here = {.up = at, .name = f->name, .index = -1};
        bool rules = f->more && f->more->rules;
        const struct json *m;

        if (!rules && !f->type->has_rules)
            continue;
        if (f->flags & FIELD_INLINE) {
            walk_fields(w, f->type, v, at);
            continue;
        }
        m = json_find(v, f->name);
        if (rules)
            check_rules(w, f, m, &here);
        if (m && f->type->has_rules)
            walk_type(w, f->type, m, &here);
    }
}

static void walk_type(struct walk *w, const struct schema_type *t, const struct json *v,
                      const struct place *at)
{
    if (t->kind == SCHEMA_STRUCT && v->type == JSON_OBJECT)
        walk_fields(w, t, v, at);
    else if (t->kind == SCHEMA_LIST) {
        int64_t i = 0;

        JSON_EACH(it, v) {
            struct place here = {.up = at, .index = i++};

            walk_type(w, t->item, it, &here);
        }
    } else if (t->kind == SCHEMA_MAP)
        JSON_EACH_MEMBER(m, v) {
            struct place here = {.up = at, .name = m->key, .index = -1, .key = true};

            walk_type(w, t->item, &m->value, &here);
        }
}

void schema_validate(struct arena *a, const struct schema_type *t, const struct json *v, str path,
                     struct err **errs)
{
    struct walk w = {a, errs, path};

    if (t->custom)
        crd_validate(a, t, v, NULL, errs);
    else if (t->has_rules)
        walk_type(&w, t, v, NULL);
}
