/* resolve.c - from names to types: what a field's type text means, shared list and map types,
 * `like`. */
#include "model.h"

static const struct {
    str name;
    enum schema_kind kind;
} scalars[] = {
    {STR("string"), SCHEMA_STRING},
    {STR("bytes"), SCHEMA_BYTES},
    {STR("bool"), SCHEMA_BOOL},
    {STR("int32"), SCHEMA_INT32},
    {STR("int64"), SCHEMA_INT64},
    {STR("uint32"), SCHEMA_UINT32},
    {STR("uint64"), SCHEMA_UINT64},
    {STR("double"), SCHEMA_DOUBLE},
    {STR("float"), SCHEMA_FLOAT},
    {STR("quantity"), SCHEMA_QUANTITY},
    {STR("time"), SCHEMA_TIME},
    {STR("microtime"), SCHEMA_MICROTIME},
    {STR("duration"), SCHEMA_DURATION},
    {STR("intstr"), SCHEMA_INT_OR_STRING},
    {STR("raw"), SCHEMA_RAW},
    {STR("fieldsv1"), SCHEMA_FIELDS_V1},
    {STR("json"), SCHEMA_ANY},
    {STR("schemaorbool"), SCHEMA_SCHEMA_OR_BOOL},
    {STR("schemaorarray"), SCHEMA_SCHEMA_OR_ARRAY},
    {STR("schemaorstrings"), SCHEMA_SCHEMA_OR_STRINGS},
    {STR("wrapped"), SCHEMA_VERB_LIST},
};

static struct model_type *intern(struct model *m, str name, enum schema_kind kind,
                                 struct model_type *item)
{
    struct model_type *t = map_find(&m->by_name, name);

    if (t)
        return t;
    t = ARENA_NEW(m->arena, struct model_type);
    t->name = arena_dup(m->arena, name);
    t->kind = kind;
    t->item = item;
    t->proto3 = item && item->proto3;
    map_put(&m->by_name, t->name, t);
    m->types = arena_grow(m->arena, m->types, sizeof t * m->n_types, sizeof t * (m->n_types + 1));
    m->types[m->n_types++] = t;
    return t;
}

static struct model_type *find_type(struct model *m, struct model_package *from, str text)
{
    struct model_type *t, *item;
    ptrdiff_t dot;
    str full;

    if (str_has_prefix(text, S("[]"))) {
        item = find_type(m, from, str_skip(text, 2));
        return item ? intern(m, arena_fmt(m->arena, "[]" PRI_STR, STR_ARG(item->name)), SCHEMA_LIST,
                             item)
                    : NULL;
    }
    if (str_has_prefix(text, S("map[")) && text.p[text.n - 1] == ']') {
        item = find_type(m, from, str_slice(text, 4, text.n - 1));
        return item ? intern(m, arena_fmt(m->arena, "map[" PRI_STR "]", STR_ARG(item->name)),
                             SCHEMA_MAP, item)
                    : NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(scalars); i++) {
        if (!str_eq(text, scalars[i].name))
            continue;
        item = NULL;
        if (str_has_prefix(text, S("schemaor"))) {
            struct model_package *p = map_find(&m->by_alias, S("apiextensions/v1"));

            item = p ? find_type(m, p, S("JSONSchemaProps")) : NULL;
        } else if (scalars[i].kind == SCHEMA_VERB_LIST)
            item = find_type(m, from, S("string"));
        if (scalars[i].kind == SCHEMA_BYTES &&
            from->proto3) { /* raw in the tree: a type of its own */
            item = intern(m, S("octets"), SCHEMA_BYTES, NULL);
            item->proto3 = true;
            return item;
        }
        return intern(m, scalars[i].name, scalars[i].kind, item);
    }
    if (str_has_prefix(text, S("enum:")))
        text = str_skip(text, 5);
    dot = str_rindex(text, '.');
    if (dot > 0 && str_index(text, '/') >= 0) {
        struct model_package *p = map_find(&m->by_alias, str_slice(text, 0, (size_t)dot));

        if (!p)
            return NULL;
        full = arena_fmt(m->arena, PRI_STR "." PRI_STR, STR_ARG(p->prefix),
                         STR_ARG(str_skip(text, (size_t)dot + 1)));
    } else
        full = arena_fmt(m->arena, PRI_STR "." PRI_STR, STR_ARG(from->prefix), STR_ARG(text));
    t = map_find(&m->by_name, full);
    return t;
}

/* A type that is `like` another has its fields first; a field declared again replaces the other's,
 * in its place. */
static void apply_like(struct model *m, struct model_type *t, unsigned depth)
{
    struct model_type *o;
    struct model_field *merged;
    uint32_t n = 0;

    if (!t->like.n)
        return;
    o = find_type(m, t->package, t->like);
    if (!o || o->kind != SCHEMA_STRUCT || depth > 8) {
        model_error(m, t->file, t->line, "like what? " PRI_STR, STR_ARG(t->like));
        t->like = STR_NONE;
        return;
    }
    apply_like(m, o, depth + 1);
    t->like = STR_NONE;
    merged = ARENA_NEW_N(m->arena, struct model_field, o->n_fields + t->n_fields);
    for (uint32_t i = 0; i < o->n_fields; i++) {
        merged[n] = o->fields[i];
        /* Its type's name was said in the other file. */
        if (!merged[n].type)
            merged[n].type = find_type(m, o->package, merged[n].type_text);
        for (uint32_t k = 0; k < t->n_fields; k++)
            if (t->fields[k].name.n && str_eq(t->fields[k].name, merged[n].name))
                merged[n] = t->fields[k];
        n++;
    }
    for (uint32_t k = 0; k < t->n_fields; k++) {
        bool known = false;

        for (uint32_t i = 0; i < o->n_fields; i++)
            known |= t->fields[k].name.n && str_eq(t->fields[k].name, o->fields[i].name);
        if (!known)
            merged[n++] = t->fields[k];
    }
    t->fields = merged;
    t->n_fields = t->cap = n;
    t->is_kind |= o->is_kind;
    t->atomic |= o->atomic;
    if (!t->doc.n)
        t->doc = o->doc;
    if (!t->defaults.n)
        t->defaults = o->defaults;
}

bool model_has_rules(const struct model_field *f)
{
    return f->enum_values.n || f->has_min || f->has_max || f->min_length || f->max_length ||
           f->min_items || f->max_items || f->format.n || f->nonempty;
}

/* A type is worth walking for defaults (or rules) when it, or anything below it, has some.
 * Recursive types settle by repetition. */
static void mark_walks(struct model *m)
{
    bool changed = true;

    while (changed) {
        changed = false;
        for (uint32_t i = 0; i < m->n_types; i++) {
            struct model_type *t = m->types[i];
            /* Lists of resources have their amounts rounded. */
            bool amounts = t->kind == SCHEMA_MAP && t->item && t->item->kind == SCHEMA_QUANTITY;
            bool has = amounts || t->defaults.n || (t->item && t->item->has_defaults),
                 rules = t->item && t->item->has_rules;

            for (uint32_t k = 0; k < t->n_fields; k++) {
                const struct model_field *f = &t->fields[k];

                has |= f->def.n || (f->type && f->type->has_defaults);
                rules |= model_has_rules(f) || (f->type && f->type->has_rules);
            }
            changed |= has != t->has_defaults || rules != t->has_rules;
            t->has_defaults = has;
            t->has_rules = rules;
        }
    }
}

void model_resolve(struct model *m)
{
    uint32_t n = m->n_types;

    for (uint32_t i = 0; i < n; i++)
        apply_like(m, m->types[i], 0);
    for (uint32_t i = 0; i < n; i++) {
        struct model_type *t = m->types[i];

        for (uint32_t k = 0; k < t->n_fields; k++) {
            struct model_field *f = &t->fields[k];

            if (!f->type)
                f->type = find_type(m, t->package, f->type_text);
            if (!f->type) {
                model_error(m, f->file, f->line, "no such type: " PRI_STR, STR_ARG(f->type_text));
                continue;
            }
            if (f->type->kind == SCHEMA_STRUCT && f->type->atomic)
                f->flags |= FIELD_MAP_ATOMIC;
            if (t->proto3 && f->type->kind == SCHEMA_STRUCT) /* messages have presence */
                f->flags |= FIELD_POINTER | FIELD_OMITEMPTY;
            f->value = f->type->kind == SCHEMA_STRUCT && !(f->flags & FIELD_POINTER);
        }
    }
    mark_walks(m);
}
