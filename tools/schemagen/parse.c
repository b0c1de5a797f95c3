/* parse.c - reads the schema language of api/.
 *
 * One declaration a line; indented lines belong to the declaration above; `#` starts a comment line
 * and ` -- ` the documentation at the end of a line. Words are separated by blanks.
 *
 *     group NAME VERSION          the group-version that the file declares ("core": the empty
 * group) package NAME                protobuf messages instead (proto3) openapi PREFIX of its
 * types' OpenAPI names served off|legacy           not served unless asked for resource PLURAL KIND
 * cluster|namespaced verbs=… [singular= short= categories= hash= stored= warning= deleted] sub NAME
 * verbs=… [kind=GROUP/VERSION/KIND] type NAME [kind|untyped] [everywhere] [atomic] [internal] [like
 * OTHER] [defaults=FUNCTION] [union=[DISCRIMINATOR]:FIELD,…] FIELD[?] NUMBER TYPE [attribute…]      `?`: omitted when zero; NUMBER:
 * protobuf's, or - inline NUMBER TYPE list NAME of TYPE enum NAME VALUE NUMBER service NAME METHOD
 * [stream] REQUEST [stream] RESPONSE
 *
 * TYPE is string, int32, int64, uint32, uint64, bool, bytes, double, quantity, time, microtime,
 * intstr, raw, fieldsv1, json, schemaorbool, schemaorarray, schemaorstrings, wrapped (a list of
 * strings in a message of its own), enum:NAME, a type of the file, or FILE.TYPE of another one;
 * []TYPE is a list, map[TYPE] a map with string keys. A star in front means that presence is kept
 * even of a zero value (Go's pointer); a struct without it is always written. */
#include "model.h"

#include <stdarg.h>

struct parser {
    struct model *m;
    const char *file;
    unsigned line;
    struct model_package *package;
    struct model_type *type;
    struct model_type *enumeration;
    struct model_resource *resource;
    bool service;
};

void model_error(struct model *m, const char *file, unsigned line, const char *fmt, ...)
{
    va_list ap;

    m->n_errors++;
    fprintf(stderr, "%s:%u: ", file, line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

str read_file(struct arena *a, const char *path)
{
    FILE *f = fopen(path, "rb");
    struct buf b = BUF_INIT;
    char chunk[65536];
    size_t n;
    str s;

    if (!f) {
        perror(path);
        exit(1);
    }
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_add(&b, chunk, n);
    fclose(f);
    s = arena_dup(a, buf_view(&b));
    buf_fini(&b);
    return s;
}

/* next_word - cuts the next blank-separated word off; a quoted JSON string may contain blanks. */
static bool next_word(str *rest, str *ret)
{
    size_t i = 0, from;
    bool quoted = false;

    while (i < rest->n && (rest->p[i] == ' ' || rest->p[i] == '\t'))
        i++;
    if (i == rest->n)
        return false;
    from = i;
    for (; i < rest->n && (quoted || (rest->p[i] != ' ' && rest->p[i] != '\t')); i++)
        if (rest->p[i] == '"')
            quoted = !quoted;
    *ret = str_slice(*rest, from, i);
    *rest = str_skip(*rest, i);
    return true;
}

static bool attribute(str word, const char *name, str *ret)
{
    size_t n = strlen(name);

    if (word.n <= n || memcmp(word.p, name, n) != 0 || word.p[n] != '=')
        return false;
    *ret = str_skip(word, n + 1);
    if (ret->n >= 2 && ret->p[0] == '"' && ret->p[ret->n - 1] == '"' &&
        strcmp(name, "default") != 0 && strcmp(name, "shown") != 0)
        *ret = str_slice(*ret, 1, ret->n - 1);
    return true;
}

static const struct {
    str name;
    uint32_t bit;
} verbs[] = {
    {STR("create"), VERB_CREATE},
    {STR("delete"), VERB_DELETE},
    {STR("deletecollection"), VERB_DELETECOLLECTION},
    {STR("get"), VERB_GET},
    {STR("list"), VERB_LIST},
    {STR("patch"), VERB_PATCH},
    {STR("update"), VERB_UPDATE},
    {STR("watch"), VERB_WATCH},
    {STR("all"), VERBS_ALL},
};

static uint32_t parse_verbs(struct parser *p, str text)
{
    uint32_t bits = 0;
    str v;

    while (str_cut(&text, ',', &v)) {
        size_t i;

        for (i = 0; i < ARRAY_LEN(verbs) && !str_eq(verbs[i].name, v); i++)
            ;
        if (i == ARRAY_LEN(verbs))
            model_error(p->m, p->file, p->line, "no such verb: " PRI_STR, STR_ARG(v));
        else
            bits |= verbs[i].bit;
    }
    return bits;
}

static int64_t parse_int(struct parser *p, str s)
{
    int64_t v = 0;

    if (!str_to_int64(s, &v))
        model_error(p->m, p->file, p->line, "not a number: " PRI_STR, STR_ARG(s));
    return v;
}

static struct model_type *new_type(struct parser *p, str local)
{
    struct model *m = p->m;
    struct model_type *t = ARENA_NEW(m->arena, struct model_type);

    t->local = local;
    t->package = p->package;
    t->name = arena_fmt(m->arena, PRI_STR "." PRI_STR, STR_ARG(p->package->prefix), STR_ARG(local));
    t->file = p->file;
    t->line = p->line;
    t->proto3 = p->package->proto3;
    if (map_put(&m->by_name, t->name, t))
        model_error(m, p->file, p->line, "declared twice: " PRI_STR, STR_ARG(t->name));
    m->types = arena_grow(m->arena, m->types, sizeof *m->types * m->n_types,
                          sizeof *m->types * (m->n_types + 1));
    m->types[m->n_types++] = t;
    return t;
}

static struct model_field *new_field(struct model *m, struct model_type *t)
{
    if (t->n_fields == t->cap) {
        uint32_t cap = t->cap ? t->cap * 2 : 16;

        t->fields =
            arena_grow(m->arena, t->fields, sizeof *t->fields * t->cap, sizeof *t->fields * cap);
        memset(t->fields + t->cap, 0, sizeof *t->fields * (cap - t->cap));
        t->cap = cap;
    }
    return &t->fields[t->n_fields++];
}

static void add_plain(struct model *m, struct model_type *t, const char *name, const char *type,
                      uint32_t flags, uint32_t proto, const char *doc)
{
    struct model_field *f = new_field(m, t);

    f->name = str_of(name);
    f->type_text = str_of(type);
    f->flags = flags;
    f->proto = proto;
    f->doc = str_of(doc);
    f->file = t->file;
    f->line = t->line;
}

static void parse_field(struct parser *p, str rest, str doc)
{
    struct model_field *f = new_field(p->m, p->type);
    str w, v;

    f->file = p->file;
    f->line = p->line;
    f->doc = doc;
    if (!next_word(&rest, &f->name) || !next_word(&rest, &w) || !next_word(&rest, &f->type_text)) {
        model_error(p->m, p->file, p->line, "a field needs a name, a number and a type");
        return;
    }
    if (str_is(f->name, "inline")) {
        f->name = STR_NONE;
        f->flags |= FIELD_INLINE;
    } else if (f->name.p[f->name.n - 1] == '?') {
        f->name.n--;
        f->flags |= FIELD_OMITEMPTY;
    }
    if (!str_is(w, "-"))
        f->proto = (uint32_t)parse_int(p, w);
    if (f->type_text.p[0] == '*') {
        f->type_text = str_skip(f->type_text, 1);
        f->flags |= FIELD_POINTER;
    }
    while (next_word(&rest, &w)) {
        if (str_is(w, "required"))
            f->flags |= FIELD_REQUIRED;
        else if (str_is(w, "merge"))
            f->flags |= FIELD_PATCH_MERGE;
        else if (attribute(w, "merge", &f->merge_key))
            f->flags |= FIELD_PATCH_MERGE;
        else if (str_is(w, "retainkeys"))
            f->flags |= FIELD_PATCH_REPLACE_KEYS;
        else if (str_is(w, "replace"))
            f->flags |= FIELD_PATCH_REPLACE;
        else if (str_is(w, "immutable"))
            f->flags |= FIELD_IMMUTABLE;
        else if (str_is(w, "deprecated"))
            f->flags |= FIELD_DEPRECATED;
        else if (str_is(w, "nonempty") || attribute(w, "nonempty", &f->required_detail))
            f->nonempty = true;
        else if (str_is(w, "atomicmap"))
            f->flags |= FIELD_MAP_ATOMIC;
        else if (str_is(w, "granular"))
            f->flags |= FIELD_MAP_GRANULAR;
        else if (str_is(w, "unlisted"))
            f->unlisted = true;
        else if (str_is(w, "atomic") || str_is(w, "set")) {
            f->list_type = str_is(w, "set") ? SCHEMA_LIST_SET : SCHEMA_LIST_ATOMIC;
            f->has_list_type = true;
        } else if (attribute(w, "keys", &f->keys)) {
            f->list_type = SCHEMA_LIST_MAP;
            f->has_list_type = true;
        } else if (attribute(w, "default", &f->def) || attribute(w, "values", &f->values) ||
                   attribute(w, "shown", &f->shown) || attribute(w, "enum", &f->enum_values) ||
                   attribute(w, "format", &f->format) || attribute(w, "pattern", &f->pattern))
            ;
        else if (attribute(w, "min", &v)) {
            f->has_min = true;
            f->min = parse_int(p, v);
        } else if (attribute(w, "max", &v)) {
            f->has_max = true;
            f->max = parse_int(p, v);
        } else if (attribute(w, "minlen", &v))
            f->min_length = (uint32_t)parse_int(p, v);
        else if (attribute(w, "maxlen", &v))
            f->max_length = (uint32_t)parse_int(p, v);
        else if (attribute(w, "minitems", &v))
            f->min_items = (uint32_t)parse_int(p, v);
        else if (attribute(w, "maxitems", &v))
            f->max_items = (uint32_t)parse_int(p, v);
        else
            model_error(p->m, p->file, p->line, "no such attribute: " PRI_STR, STR_ARG(w));
    }
}

static void parse_type(struct parser *p, str rest, str doc)
{
    str w;

    if (!next_word(&rest, &w)) {
        model_error(p->m, p->file, p->line, "a type needs a name");
        return;
    }
    p->type = new_type(p, w);
    p->type->doc = doc;
    p->type->kind = SCHEMA_STRUCT;
    while (next_word(&rest, &w)) {
        if (str_is(w, "kind"))
            p->type->is_kind = true;
        else if (str_is(w, "untyped"))
            p->type->is_kind = p->type->untyped = true;
        else if (str_is(w, "everywhere"))
            p->type->everywhere = true;
        else if (str_is(w, "atomic"))
            p->type->atomic = true;
        else if (str_is(w, "internal"))
            p->type->internal = true;
        else if (attribute(w, "defaults", &p->type->defaults) ||
                 attribute(w, "union", &p->type->union_members))
            ;
        else if (str_is(w, "like"))
            next_word(&rest, &p->type->like);
        else
            model_error(p->m, p->file, p->line, "no such attribute: " PRI_STR, STR_ARG(w));
    }
    if (p->type->is_kind && !p->type->untyped) {
        add_plain(p->m, p->type, "kind", "string", FIELD_OMITEMPTY, 0,
                  "The kind of object this is.");
        add_plain(p->m, p->type, "apiVersion", "string", FIELD_OMITEMPTY, 0,
                  "Group and version that the object is written in.");
    }
}

static void parse_list(struct parser *p, str rest)
{
    struct model_field *f;
    str name, of, item;

    if (!next_word(&rest, &name) || !next_word(&rest, &of) || !next_word(&rest, &item)) {
        model_error(p->m, p->file, p->line, "list NAME of TYPE");
        return;
    }
    p->type = new_type(p, name);
    p->type->kind = SCHEMA_STRUCT;
    p->type->is_kind = p->type->is_list = true;
    add_plain(p->m, p->type, "kind", "string", FIELD_OMITEMPTY, 0, "The kind of object this is.");
    add_plain(p->m, p->type, "apiVersion", "string", FIELD_OMITEMPTY, 0,
              "Group and version that the object is written in.");
    add_plain(p->m, p->type, "metadata", "meta/v1.ListMeta", 0, 1,
              "How fresh the list is, and how it goes on.");
    f = new_field(p->m, p->type);
    f->name = S("items");
    f->proto = 2;
    f->flags = FIELD_REQUIRED;
    f->type_text = arena_fmt(p->m->arena, "[]" PRI_STR, STR_ARG(item));
    f->doc = S("The objects.");
    f->file = p->file;
    f->line = p->line;
    p->type->doc = arena_fmt(p->m->arena, "A list of " PRI_STR " objects.", STR_ARG(item));
    p->type = NULL;
}

static void parse_resource(struct parser *p, str rest)
{
    struct model *m = p->m;
    struct model_resource *r = ARENA_NEW(m->arena, struct model_resource);
    str w, v;

    r->package = p->package;
    if (!next_word(&rest, &r->plural) || !next_word(&rest, &r->kind))
        model_error(m, p->file, p->line, "a resource needs a plural and a kind");
    while (next_word(&rest, &w)) {
        if (str_is(w, "namespaced"))
            r->namespaced = true;
        else if (str_is(w, "cluster"))
            r->namespaced = false;
        else if (str_is(w, "deleted"))
            r->deleted = true;
        else if (attribute(w, "verbs", &v))
            r->verbs = parse_verbs(p, v);
        else if (attribute(w, "singular", &r->singular) || attribute(w, "short", &r->short_names) ||
                 attribute(w, "categories", &r->categories) || attribute(w, "hash", &r->hash) ||
                 attribute(w, "stored", &r->storage) ||
                 attribute(w, "version", &r->storage_version) ||
                 attribute(w, "warning", &r->warning))
            ;
        else
            model_error(m, p->file, p->line, "no such attribute: " PRI_STR, STR_ARG(w));
    }
    if (!r->singular.n) {
        char *low = arena_dupz(m->arena, r->kind);

        for (char *c = low; *c; c++)
            *c = *c >= 'A' && *c <= 'Z' ? *c + 32 : *c;
        r->singular = str_of(low);
    }
    m->resources = arena_grow(m->arena, m->resources, sizeof r * m->n_resources,
                              sizeof r * (m->n_resources + 1));
    m->resources[m->n_resources++] = r;
    p->resource = r;
}

static void parse_sub(struct parser *p, str rest)
{
    struct model_resource *r = p->resource;
    struct model_sub *s;
    str w, v;

    r->subs = arena_grow(p->m->arena, r->subs, sizeof *s * r->n_subs, sizeof *s * (r->n_subs + 1));
    s = &r->subs[r->n_subs++];
    memset(s, 0, sizeof *s);
    next_word(&rest, &w); /* "sub" */
    next_word(&rest, &s->name);
    while (next_word(&rest, &w)) {
        if (attribute(w, "verbs", &v))
            s->verbs = parse_verbs(p, v);
        else if (attribute(w, "kind", &v)) {
            if (!str_cut(&v, '/', &s->group) || !str_cut(&v, '/', &s->version) ||
                !str_cut(&v, '/', &s->kind))
                model_error(p->m, p->file, p->line, "kind=GROUP/VERSION/KIND");
            if (str_is(s->group, "core"))
                s->group = S("");
        } else
            model_error(p->m, p->file, p->line, "no such attribute: " PRI_STR, STR_ARG(w));
    }
}

static void parse_enum_value(struct parser *p, str rest)
{
    struct model_type *e = p->enumeration;
    str name, number;

    if (!next_word(&rest, &name) || !next_word(&rest, &number)) {
        model_error(p->m, p->file, p->line, "VALUE NUMBER");
        return;
    }
    e->enums = arena_grow(p->m->arena, e->enums, sizeof *e->enums * e->n_enums,
                          sizeof *e->enums * (e->n_enums + 1));
    memset(&e->enums[e->n_enums], 0, sizeof *e->enums);
    e->enums[e->n_enums].name = name;
    e->enums[e->n_enums].min = parse_int(p, number);
    e->n_enums++;
}

static void parse_line(struct parser *p, str text)
{
    bool indented = text.n && text.p[0] == ' ';
    ptrdiff_t at = str_find(text, S(" -- "));
    str doc = STR_NONE, rest, word;

    if (at >= 0) {
        doc = str_trim(str_skip(text, (size_t)at + 4));
        text = str_slice(text, 0, (size_t)at);
    }
    rest = text;
    if (!next_word(&rest, &word) || word.p[0] == '#')
        return;
    if (indented) {
        if (p->resource)
            parse_sub(p, text);
        else if (p->enumeration)
            parse_enum_value(p, text);
        else if (p->type)
            parse_field(p, text, doc);
        else if (!p->service) /* methods document the file: callers name them in full */
            model_error(p->m, p->file, p->line, "belongs to nothing");
        return;
    }
    p->type = p->enumeration = NULL;
    p->resource = NULL;
    p->service = false;
    if (str_is(word, "group")) {
        next_word(&rest, &p->package->group);
        next_word(&rest, &p->package->version);
        if (str_is(p->package->group, "core"))
            p->package->group = S("");
        p->package->doc = doc;
    } else if (str_is(word, "package")) {
        next_word(&rest, &p->package->prefix);
        p->package->proto3 = true;
        p->package->served = SERVED_OFF;
    } else if (str_is(word, "openapi")) {
        next_word(&rest, &p->package->prefix);
    } else if (str_is(word, "served")) {
        next_word(&rest, &word);
        p->package->served = str_is(word, "off")      ? SERVED_OFF
                             : str_is(word, "legacy") ? SERVED_LEGACY
                                                      : SERVED_DEFAULT;
    } else if (str_is(word, "resource")) {
        parse_resource(p, rest);
    } else if (str_is(word, "type")) {
        parse_type(p, rest, doc);
    } else if (str_is(word, "list")) {
        parse_list(p, rest);
    } else if (str_is(word, "enum")) {
        next_word(&rest, &word);
        p->enumeration = new_type(p, word);
        p->enumeration->kind = SCHEMA_ENUM;
    } else if (str_is(word, "service")) {
        p->service = true;
    } else {
        model_error(p->m, p->file, p->line, "no such declaration: " PRI_STR, STR_ARG(word));
    }
}

void model_parse(struct model *m, const char *path, str alias)
{
    struct parser p = {.m = m, .file = path};
    str text = read_file(m->arena, path), line;

    p.package = ARENA_NEW(m->arena, struct model_package);
    p.package->alias = alias;
    m->packages = arena_grow(m->arena, m->packages, sizeof p.package * m->n_packages,
                             sizeof p.package * (m->n_packages + 1));
    m->packages[m->n_packages++] = p.package;
    map_put(&m->by_alias, alias, p.package);
    while (str_cut(&text, '\n', &line)) {
        p.line++;
        parse_line(&p, line);
    }
}
