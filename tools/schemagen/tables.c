/* tables.c - writes the schema as C: constant tables for src/schema/schema.h.
 *
 * All text is one pool in which equal strings (and strings that are the tail of another) are
 * shared. Tables refer to each other by address; linked without position independence they need no
 * relocation and stay clean, shared pages. */
#include "model.h"

struct pool {
    struct buf text;
    struct map at; /* string -> offset + 1 */
};

struct tables {
    struct model *m;
    struct buf *out;
    struct pool pool;
    struct buf strs; /* list of str initialisers: short names, categories, enum values */
    uint32_t n_strs;
    struct buf rules;
    uint32_t n_rules;
    struct map rule_at;
    struct buf more;
    struct map more_at;
    uint32_t n_more;
    struct buf sorted;
    uint32_t n_sorted, n_fields;
    struct map default_at; /* function name -> number */
    struct buf defaults;   /* "fn,\n" each */
    struct buf externs;
    uint32_t n_defaults;
};

static uint32_t pool_add(struct pool *p, str s)
{
    void *known = map_find(&p->at, s);
    uint32_t at;

    if (known)
        return (uint32_t)(uintptr_t)known - 1;
    at = (uint32_t)p->text.n;
    buf_str(&p->text, s);
    buf_char(&p->text, '\0');
    map_put(&p->at, s, (void *)(uintptr_t)(at + 1));
    for (size_t i = 1; i < s.n; i++)
        if (!map_find(&p->at, str_skip(s, i)))
            map_put(&p->at, str_skip(s, i), (void *)(uintptr_t)(at + i + 1));
    return at;
}

/* Longest first, so that shorter ones find themselves as tails. */
static int by_length(const void *a, const void *b)
{
    const str *x = a, *y = b;

    return x->n != y->n ? (x->n < y->n ? 1 : -1) : str_cmp(*x, *y);
}

static void add_str(struct tables *t, struct buf *b, str s)
{
    if (!s.n)
        buf_z(b, "{0,0}");
    else
        buf_fmt(b, "{P+%u,%zu}", pool_add(&t->pool, s), s.n);
}

static void write_bytes_as_string(struct buf *b, str s)
{
    size_t col = 0;

    buf_z(b, "\"");
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == '"' || c == '\\')
            buf_fmt(b, "\\%c", c);
        else if (c < 32 || c > 126)
            buf_fmt(b, "\\%03o", c);
        else
            buf_char(b, (char)c);
        if (++col == 100) {
            buf_z(b, "\"\n\"");
            col = 0;
        }
    }
    buf_z(b, "\"");
}

/* split_into - appends the parts of a list to the str table; returns the index of the first. */
static uint32_t split_into(struct tables *t, str list, char sep, uint32_t *ret_n)
{
    uint32_t first = t->n_strs;
    str part;

    *ret_n = 0;
    if (!list.n)
        return 0;
    while (str_cut(&list, sep, &part)) {
        add_str(t, &t->strs, part);
        buf_z(&t->strs, ",\n");
        t->n_strs++;
        ++*ret_n;
    }
    return first;
}

static void add_rules(struct tables *t, struct buf *b, const struct model_field *f)
{
    struct buf row = BUF_INIT;
    uint32_t n_enum = 0, at;
    void *known;
    struct buf key = BUF_INIT;

    if (!model_has_rules(f)) {
        buf_z(b, "0");
        return;
    }
    buf_fmt(&key, PRI_STR "\1%d %d %lld %lld %u %u %u %u\1" PRI_STR "\1" PRI_STR "\1%d" PRI_STR,
            STR_ARG(f->enum_values), f->has_min, f->has_max, (long long)f->min, (long long)f->max,
            f->min_length, f->max_length, f->min_items, f->max_items, STR_ARG(f->pattern),
            STR_ARG(f->format), f->nonempty, STR_ARG(f->required_detail));
    known = map_find(&t->rule_at, buf_view(&key));
    if (known)
        at = (uint32_t)(uintptr_t)known - 1;
    else {
        uint32_t first = split_into(t, f->enum_values, '|', &n_enum);

        at = t->n_rules++;
        buf_fmt(&row, "{%s%u,%u,%d,%d,%lldLL,%lldLL,%u,%u,%u,%u,", n_enum ? "V+" : "", first,
                n_enum, f->has_min, f->has_max, (long long)f->min, (long long)f->max, f->min_length,
                f->max_length, f->min_items, f->max_items);
        add_str(t, &row, f->pattern);
        buf_char(&row, ',');
        add_str(t, &row, f->format);
        buf_fmt(&row, ",%d,", f->nonempty);
        add_str(t, &row, f->required_detail);
        buf_z(&row, "},\n");
        buf_str(&t->rules, buf_view(&row));
        map_put(&t->rule_at, buf_view(&key), (void *)(uintptr_t)(at + 1));
    }
    buf_fmt(b, "R+%u", at);
    buf_fini(&row);
    buf_fini(&key);
}

/* add_more - what few fields have, in a table of its own where equal rows are shared. */
static void add_more(struct tables *t, struct buf *b, const struct model_field *f)
{
    struct buf row = BUF_INIT;
    char *keys = arena_dupz(t->m->arena, f->keys);
    void *known;

    for (char *c = keys; *c; c++)
        if (*c == ',')
            *c = '\0';
    if (!f->keys.n && !f->merge_key.n && !f->def.n && !model_has_rules(f)) {
        buf_z(b, "0");
        return;
    }
    buf_char(&row, '{');
    add_str(t, &row, (str){keys, f->keys.n});
    buf_char(&row, ',');
    add_str(t, &row, f->merge_key);
    buf_char(&row, ',');
    add_str(t, &row, f->def);
    buf_char(&row, ',');
    add_rules(t, &row, f);
    buf_z(&row, "},\n");
    known = map_find(&t->more_at, buf_view(&row));
    if (!known) {
        known = (void *)(uintptr_t)++t->n_more;
        map_put(&t->more_at, buf_view(&row), known);
        buf_str(&t->more, buf_view(&row));
    }
    buf_fmt(b, "M+%u", (uint32_t)(uintptr_t)known - 1);
    buf_fini(&row);
}

static void write_field(struct tables *t, struct buf *b, const struct model_field *f)
{
    buf_char(b, '{');
    add_str(t, b, f->name);
    buf_fmt(b, ",T+%u,", f->type->index);
    add_more(t, b, f);
    buf_fmt(b, ",%u,%u,%u},\n", f->proto, f->flags, (unsigned)f->list_type);
}

struct sort_ctx {
    const struct model_type *type;
};

static int by_field_name(const void *a, const void *b, void *ctx)
{
    const struct sort_ctx *c = ctx;
    str x = c->type->fields[*(const uint8_t *)a].name,
        y = c->type->fields[*(const uint8_t *)b].name;

    return x.n != y.n ? (x.n < y.n ? -1 : 1) : memcmp(x.p, y.p, x.n);
}

/* The lookup order of a struct's fields: by length, then bytes. */
static uint32_t write_sorted(struct tables *t, const struct model_type *type, uint32_t *ret_n)
{
    uint8_t order[256];
    uint32_t n = 0, first = t->n_sorted;
    struct sort_ctx ctx = {type};

    BUG_ON(type->n_fields > 255);
    for (uint32_t i = 0; i < type->n_fields; i++)
        if (type->fields[i].name.n)
            order[n++] = (uint8_t)i;
    sort_with(order, n, 1, by_field_name, &ctx);
    for (uint32_t i = 0; i < n; i++)
        buf_fmt(&t->sorted, "%u,", order[i]);
    buf_char(&t->sorted, '\n');
    t->n_sorted += n;
    *ret_n = n;
    return first;
}

static int by_proto_number(const void *a, const void *b, void *ctx)
{
    const struct sort_ctx *c = ctx;
    uint32_t x = c->type->fields[*(const uint8_t *)a].proto,
             y = c->type->fields[*(const uint8_t *)b].proto;

    return x < y ? -1 : x > y;
}

/* The order on the wire: by protobuf number. */
static uint32_t write_by_proto(struct tables *t, const struct model_type *type, uint32_t *ret_n)
{
    uint8_t order[256];
    uint32_t n = 0, first = t->n_sorted;
    struct sort_ctx ctx = {type};

    for (uint32_t i = 0; i < type->n_fields; i++)
        if (type->fields[i].proto)
            order[n++] = (uint8_t)i;
    sort_with(order, n, 1, by_proto_number, &ctx);
    for (uint32_t i = 0; i < n; i++) {
        buf_fmt(&t->sorted, "%u,", order[i]);
        if (i && type->fields[order[i]].proto == type->fields[order[i - 1]].proto)
            model_error(t->m, type->fields[order[i]].file, type->fields[order[i]].line,
                        "number %u twice", type->fields[order[i]].proto);
    }
    buf_char(&t->sorted, '\n');
    t->n_sorted += n;
    *ret_n = n;
    return first;
}

/* defaults_number - of a function that computes defaults; 0: none. */
static uint32_t defaults_number(struct tables *t, str name)
{
    void *known;

    if (!name.n)
        return 0;
    known = map_find(&t->default_at, name);
    if (known)
        return (uint32_t)(uintptr_t)known;
    buf_fmt(&t->defaults, "default_" PRI_STR ",\n", STR_ARG(name));
    buf_fmt(&t->externs, "extern schema_default_fn default_" PRI_STR ";\n", STR_ARG(name));
    map_put(&t->default_at, name, (void *)(uintptr_t)++t->n_defaults);
    return t->n_defaults;
}

static int by_type_name(const void *a, const void *b)
{
    const struct model_type *x = *(struct model_type *const *)a,
                            *y = *(struct model_type *const *)b;

    return str_cmp(x->name, y->name);
}

static void write_types(struct tables *t)
{
    struct model *m = t->m;
    struct buf types = BUF_INIT, fields = BUF_INIT;
    uint32_t n_fields = 0;

    qsort(m->types, m->n_types, sizeof *m->types, by_type_name);
    for (uint32_t i = 0; i < m->n_types; i++)
        m->types[i]->index = i;
    for (uint32_t i = 0; i < m->n_types; i++) {
        struct model_type *ty = m->types[i];
        uint32_t n_sorted = 0, sorted = 0, n_proto = 0, by_proto = 0;
        bool inlines = false;

        ty->first_field = n_fields;
        for (uint32_t k = 0; k < ty->n_fields; k++) {
            write_field(t, &fields, &ty->fields[k]);
            inlines |= (ty->fields[k].flags & FIELD_INLINE) != 0;
        }
        n_fields += ty->n_fields;
        if (ty->n_fields) {
            sorted = write_sorted(t, ty, &n_sorted);
            by_proto = write_by_proto(t, ty, &n_proto);
        }
        buf_z(&types, "{");
        add_str(t, &types, ty->name);
        if (ty->item)
            buf_fmt(&types, ",T+%u,", ty->item->index);
        else
            buf_z(&types, ",0,");
        if (ty->n_fields)
            buf_fmt(&types, "F+%u,O+%u,O+%u,", ty->first_field, sorted, by_proto);
        else
            buf_z(&types, "0,0,0,");
        buf_fmt(&types, "%u,%u,%u,%u,%u,0,%d,%d,%d,%d,%d},\n", ty->n_fields, (unsigned)ty->kind,
                n_sorted, n_proto, defaults_number(t, ty->defaults), ty->has_defaults,
                ty->has_rules, inlines, ty->atomic, ty->proto3);
    }
    buf_fmt(t->out,
            "const struct schema_type schema_types[%u] = {\n" PRI_STR
            "};\nconst size_t schema_n_types = %u;\n",
            m->n_types, STR_ARG(buf_view(&types)), m->n_types);
    buf_fmt(t->out, "static const struct schema_field F[%u] = {\n" PRI_STR "};\n", n_fields + 1,
            STR_ARG(buf_view(&fields)));
    t->n_fields = n_fields;
    buf_fini(&types);
    buf_fini(&fields);
}

static struct model_type *type_of_kind(struct model *m, const struct model_resource *r)
{
    return map_find(&m->by_name, arena_fmt(m->arena, PRI_STR "." PRI_STR,
                                           STR_ARG(r->package->prefix), STR_ARG(r->kind)));
}

static void write_resources(struct tables *t)
{
    struct model *m = t->m;
    struct buf subs = BUF_INIT, rows = BUF_INIT;
    uint32_t n_subs = 0, n = 0;

    for (uint32_t i = 0; i < m->n_resources; i++) {
        struct model_resource *r = m->resources[i];
        struct model_type *ty = type_of_kind(m, r);
        uint32_t n_short, n_categories, short_at, categories_at;
        str storage = r->storage;
        char listed[160];

        if (r->package->served == SERVED_OFF)
            continue;
        if (!ty) {
            fprintf(stderr, "no type for kind " PRI_STR "\n", STR_ARG(r->kind));
            m->n_errors++;
            continue;
        }
        r->first_sub = n_subs;
        for (uint32_t k = 0; k < r->n_subs; k++) {
            const struct model_sub *s = &r->subs[k];

            buf_char(&subs, '{');
            add_str(t, &subs, s->name);
            buf_char(&subs, ',');
            add_str(t, &subs, s->group);
            buf_char(&subs, ',');
            add_str(t, &subs, s->version);
            buf_char(&subs, ',');
            add_str(t, &subs, s->kind);
            buf_fmt(&subs, ",%u},\n", s->verbs);
            n_subs++;
        }
        short_at = split_into(t, r->short_names, ',', &n_short);
        categories_at = split_into(t, r->categories, ',', &n_categories);
        if (!storage.n)
            storage = r->package->group.n
                          ? arena_fmt(m->arena, PRI_STR "." PRI_STR, STR_ARG(r->plural),
                                      STR_ARG(r->package->group))
                          : r->plural;
        buf_char(&rows, '{');
        add_str(t, &rows, r->package->group);
        buf_char(&rows, ',');
        add_str(t, &rows, r->package->version);
        buf_char(&rows, ',');
        add_str(t, &rows, r->kind);
        buf_char(&rows, ',');
        snprintf(listed, sizeof listed, PRI_STR "List", STR_ARG(r->kind));
        if (r->verbs & VERB_LIST)
            add_str(t, &rows, arena_dup(m->arena, str_of(listed)));
        else
            add_str(t, &rows, STR_NONE);
        buf_char(&rows, ',');
        add_str(t, &rows, r->plural);
        buf_char(&rows, ',');
        add_str(t, &rows, r->singular);
        buf_char(&rows, ',');
        add_str(t, &rows, storage);
        buf_fmt(&rows, ",V+%u,%u,V+%u,%u,%d,%u,U+%u,%u,T+%u,", short_at, n_short, categories_at,
                n_categories, r->namespaced, r->verbs, r->first_sub, r->n_subs, ty->index);
        add_str(t, &rows, r->storage_version.n ? r->storage_version : r->package->version);
        buf_fmt(&rows, ",%d,", r->package->served == SERVED_LEGACY);
        add_str(t, &rows, r->warning);
        buf_z(&rows, ",0,");
        add_str(t, &rows, r->hash);
        buf_z(&rows, "},\n");
        n++;
    }
    buf_fmt(t->out, "static const struct subresource U[%u] = {\n" PRI_STR "};\n", n_subs + 1,
            STR_ARG(buf_view(&subs)));
    buf_fmt(t->out,
            "const struct resource schema_resources[] = {\n" PRI_STR
            "};\nconst size_t schema_n_resources = %u;\n",
            STR_ARG(buf_view(&rows)), n);
    buf_fini(&subs);
    buf_fini(&rows);
}

static int by_gvk(const void *a, const void *b)
{
    const struct model_type *x = *(struct model_type *const *)a,
                            *y = *(struct model_type *const *)b;
    int c = str_cmp(x->local, y->local);

    if (!c)
        c = str_cmp(x->package->group, y->package->group);
    return c ? c : str_cmp(x->package->version, y->package->version);
}

/* Every kind, also those that are no resource, for schema_find_gvk(). */
static void write_kinds(struct tables *t)
{
    struct model *m = t->m;
    struct model_type **kinds = ARENA_NEW_N(m->arena, struct model_type *, m->n_types);
    uint32_t n = 0;

    for (uint32_t i = 0; i < m->n_types; i++)
        if (m->types[i]->is_kind)
            kinds[n++] = m->types[i];
    qsort(kinds, n, sizeof *kinds, by_gvk);
    buf_fmt(t->out, "const struct schema_kind_row schema_kinds[] = {\n");
    for (uint32_t i = 0; i < n; i++) {
        buf_char(t->out, '{');
        add_str(t, t->out, kinds[i]->package->group);
        buf_char(t->out, ',');
        add_str(t, t->out, kinds[i]->package->version);
        buf_char(t->out, ',');
        add_str(t, t->out, kinds[i]->local);
        buf_fmt(t->out, ",T+%u,%d},\n", kinds[i]->index, kinds[i]->everywhere);
    }
    buf_fmt(t->out, "};\nconst size_t schema_n_kinds = %u;\n", n);
}

/* All names once, longest first, so that the pool can share tails. */
static void fill_pool(struct tables *t)
{
    struct model *m = t->m;
    str *all = NULL;
    size_t n = 0, cap = 0;

    for (uint32_t i = 0; i < m->n_types; i++)
        cap += 1 + m->types[i]->n_fields * 4;
    all = mem_alloc(sizeof *all * cap);
    for (uint32_t i = 0; i < m->n_types; i++) {
        struct model_type *ty = m->types[i];

        all[n++] = ty->name;
        for (uint32_t k = 0; k < ty->n_fields; k++) {
            all[n++] = ty->fields[k].name;
            all[n++] = ty->fields[k].merge_key;
        }
    }
    qsort(all, n, sizeof *all, by_length);
    for (size_t i = 0; i < n; i++)
        if (all[i].n)
            pool_add(&t->pool, all[i]);
    mem_free(all);
}

void tables_write(struct model *m, struct buf *out)
{
    struct buf body = BUF_INIT;
    struct tables t = {.m = m, .out = &body};

    map_init(&t.pool.at);
    map_init(&t.rule_at);
    map_init(&t.default_at);
    map_init(&t.more_at);
    buf_char(&t.pool.text, '\0');
    fill_pool(&t);
    write_types(&t);
    write_resources(&t);
    write_kinds(&t);
    buf_z(out, "/* schema_tables.c - generated by tools/schemagen from api/: do not edit. */\n"
               "#include \"schema/schema_internal.h\"\n");
    buf_fmt(out,
            "static const char P[%zu];\n#define T schema_types\nstatic const struct schema_field "
            "F[%u];\n",
            t.pool.text.n + 1, t.n_fields + 1);
    buf_fmt(out, "static const str V[%u] = {\n" PRI_STR "};\n", t.n_strs + 1,
            STR_ARG(buf_view(&t.strs)));
    buf_fmt(out, "static const struct schema_rules R[%u] UNUSED = {\n" PRI_STR "};\n",
            t.n_rules + 1, STR_ARG(buf_view(&t.rules)));
    buf_fmt(out,
            "const struct schema_more schema_no_more;\nstatic const struct schema_more M[%u] = "
            "{\n" PRI_STR "};\n",
            t.n_more + 1, STR_ARG(buf_view(&t.more)));
    buf_str(out, buf_view(&t.externs));
    buf_fmt(out, "schema_default_fn *const schema_default_fns[%u] = {\n0,\n" PRI_STR "};\n",
            t.n_defaults + 1, STR_ARG(buf_view(&t.defaults)));
    buf_fmt(out, "static const uint8_t O[%u] = {\n" PRI_STR "};\n", t.n_sorted + 1,
            STR_ARG(buf_view(&t.sorted)));
    buf_str(out, buf_view(&body));
    buf_fmt(out, "static const char P[%zu] =\n", t.pool.text.n + 1);
    write_bytes_as_string(out, buf_view(&t.pool.text));
    buf_z(out, ";\n");
    map_fini(&t.pool.at);
    map_fini(&t.rule_at);
    map_fini(&t.default_at);
    map_fini(&t.more_at);
    buf_fini(&t.more);
    buf_fini(&t.defaults);
    buf_fini(&t.externs);
    buf_fini(&t.pool.text);
    buf_fini(&t.strs);
    buf_fini(&t.rules);
    buf_fini(&t.sorted);
    buf_fini(&body);
}
