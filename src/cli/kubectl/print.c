/* print.c - answers as text: tables, YAML, JSON, names, JSONPath, custom columns.
 *
 * Layout follows kubectl: cells left-aligned, three spaces apart. */
#include "cli/kubectl/kubectl.h"

#include "wire/yaml.h"

struct err *kube_output_parse(str o, struct kube_output *ret)
{
    static const struct {
        const char *name;
        enum kube_format format;
    } formats[] = {
        {"", FORMAT_TABLE},
        {"wide", FORMAT_WIDE},
        {"json", FORMAT_JSON},
        {"yaml", FORMAT_YAML},
        {"name", FORMAT_NAME},
        {"jsonpath", FORMAT_JSONPATH},
        {"custom-columns", FORMAT_COLUMNS},
    };
    str name;

    if (o.n == 0) {
        ret->format = FORMAT_TABLE;
        return NULL;
    }
    str_cut(&o, '=', &name);
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (str_is(name, formats[i].name)) {
            ret->format = formats[i].format;
            ret->argument = o;
            return NULL;
        }
    return err_new(REASON_BAD_REQUEST,
                   "unable to match a printer suitable for the output format \"" PRI_STR
                   "\", allowed formats are: custom-columns,json,jsonpath,name,wide,yaml",
                   STR_ARG(name));
}

/* Width on a terminal: code points, not bytes. */
static size_t width(str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

void columns_add(struct columns *c, str cell)
{
    if (c->n_cells == c->cap) {
        c->cells = arena_grow(c->a, c->cells, c->cap * sizeof *c->cells,
                              MAX(c->cap * 2, (size_t)64) * sizeof *c->cells);
        c->cap = MAX(c->cap * 2, (size_t)64);
    }
    c->cells[c->n_cells++] = cell;
}

static void print_row(const str *cells, size_t n, const uint32_t *widths, const char *indent)
{
    fputs(indent, stdout);
    for (size_t i = 0; i < n; i++) {
        printf(PRI_STR, STR_ARG(cells[i]));
        if (i + 1 < n)
            printf("%*s", (int)(widths[i] + 3 - width(cells[i])), "");
    }
    putchar('\n');
}

void columns_print(const struct columns *c, const char *indent)
{
    uint32_t widths[32] = {0};

    if (c->n_columns == 0 || c->n_columns > ARRAY_LEN(widths))
        return;
    for (size_t i = 0; i < c->n_cells; i++)
        widths[i % c->n_columns] =
            (uint32_t)MAX((size_t)widths[i % c->n_columns], width(c->cells[i]));
    for (size_t i = 0; i + c->n_columns <= c->n_cells; i += c->n_columns)
        print_row(c->cells + i, c->n_columns, widths, indent);
}

static str cell_text(struct kubectl *k, const struct json *cell)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    switch (cell->type) {
    case JSON_STRING: {
        /* One line a row: what follows the first line is cut, as kubectl does. */
        ptrdiff_t end = str_index(cell->s, '\n');

        return end < 0
                   ? cell->s
                   : arena_fmt(k->a, PRI_STR "...", STR_ARG(str_slice(cell->s, 0, (size_t)end)));
    }
    case JSON_NULL:
        return S("<none>");
    case JSON_BOOL:
    case JSON_INT:
    case JSON_DOUBLE:
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    json_encode(&b, cell);
    return arena_dup(k->a, buf_view(&b));
}

static str labels_text(struct kubectl *k, const struct json *labels)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    JSON_EACH_MEMBER(m, labels)
        buf_fmt(&b, "%s" PRI_STR "=" PRI_STR, b.n ? "," : "", STR_ARG(m->key),
                STR_ARG(json_str(&m->value)));
    return b.n ? arena_dup(k->a, buf_view(&b)) : S("<none>");
}

static str upper(struct kubectl *k, str s)
{
    char *z = arena_dupz(k->a, s);

    for (size_t i = 0; i < s.n; i++)
        if (z[i] >= 'a' && z[i] <= 'z')
            z[i] = (char)(z[i] - 32);
    return (str){z, s.n};
}

void kube_print_table(struct kubectl *k, const struct json *table, const struct kube_output *o,
                      str kind_prefix, struct table_state *state)
{
    const struct json *defs = json_findz(table, "columnDefinitions");
    struct columns c = {.a = k->a};
    struct table_state once = {0};
    bool shown[32] = {false};
    uint32_t i = 0;

    if (!state)
        state = &once;
    c.n_columns = (size_t)k->all_namespaces + o->show_labels;
    JSON_EACH(def, defs) {
        if (i < ARRAY_LEN(shown))
            shown[i] = json_get_int(def, "priority", 0) == 0 || o->format == FORMAT_WIDE;
        c.n_columns += i < ARRAY_LEN(shown) && shown[i];
        i++;
    }
    if (!state->header_printed && !o->no_headers) {
        if (k->all_namespaces)
            columns_add(&c, S("NAMESPACE"));
        for (i = 0; i < MIN(json_count(defs), (uint32_t)ARRAY_LEN(shown)); i++)
            if (shown[i])
                columns_add(&c, upper(k, json_get_str(json_item(defs, i), "name")));
        if (o->show_labels)
            columns_add(&c, S("LABELS"));
    }
    state->header_printed = true;
    JSON_EACH(row, json_findz(table, "rows")) {
        const struct json *cells = json_findz(row, "cells"), *object = json_findz(row, "object");
        bool first = true;

        if (k->all_namespaces)
            columns_add(&c, json_get_str(object, "metadata.namespace"));
        for (i = 0; i < MIN(json_count(defs), (uint32_t)ARRAY_LEN(shown)); i++) {
            const struct json *cell = json_item(cells, i);
            str text;

            if (!shown[i])
                continue;
            text = cell ? cell_text(k, cell) : S("<none>");
            if (first && kind_prefix.n)
                text = arena_fmt(k->a, PRI_STR "/" PRI_STR, STR_ARG(kind_prefix), STR_ARG(text));
            first = false;
            columns_add(&c, text);
        }
        if (o->show_labels)
            columns_add(&c, labels_text(k, json_path(object, "metadata.labels")));
    }
    /* Watches print row by row: columns keep the width that they once had. */
    for (size_t at = 0; at < c.n_cells; at++)
        if (at % c.n_columns < ARRAY_LEN(state->widths))
            state->widths[at % c.n_columns] =
                (uint32_t)MAX((size_t)state->widths[at % c.n_columns], width(c.cells[at]));
    if (c.n_columns && c.n_columns <= ARRAY_LEN(state->widths))
        for (size_t at = 0; at + c.n_columns <= c.n_cells; at += c.n_columns)
            print_row(c.cells + at, c.n_columns, state->widths, "");
}

static struct err *print_columns(struct kubectl *k, const struct json *object,
                                 const struct kube_output *o)
{
    struct columns c = {.a = k->a};
    struct json one = json_array();
    const struct json *items = json_findz(object, "items");
    str specs = o->argument, spec, head;

    if (!items) {
        json_append(k->a, &one, *object);
        items = &one;
    }
    while (str_cut(&specs, ',', &spec)) {
        str_cut(&spec, ':', &head);
        if (spec.n == 0)
            return err_new(REASON_BAD_REQUEST,
                           "unexpected custom-columns spec: " PRI_STR
                           ", expected <header>:<json-path-expr>",
                           STR_ARG(head));
        c.n_columns++;
        columns_add(&c, head);
    }
    if (o->no_headers)
        c.n_cells = 0;
    JSON_EACH(item, items) {
        specs = o->argument;
        while (str_cut(&specs, ',', &spec)) {
            CLEANUP(buf) struct buf b = BUF_INIT;
            struct err *err;

            str_cut(&spec, ':', &head);
            err = jsonpath_eval(k->a, arena_fmt(k->a, "{" PRI_STR "}", STR_ARG(spec)), item, &b);
            if (err)
                return err;
            columns_add(&c, b.n ? arena_dup(k->a, buf_view(&b)) : S("<none>"));
        }
    }
    columns_print(&c, "");
    return NULL;
}

static void print_names(struct kubectl *k, const struct json *object)
{
    str api_version = json_get_str(object, "apiVersion"), group = STR_NONE;
    const struct json *items = json_findz(object, "items");

    if (items) {
        JSON_EACH(item, items)
            print_names(k, item);
        return;
    }
    if (str_has_char(api_version, '/'))
        str_cut(&api_version, '/', &group);
    printf(
        PRI_STR "/" PRI_STR "\n",
        STR_ARG(kube_full_name(
            k->a, &(struct kube_resource){.group = group, .kind = json_get_str(object, "kind")})),
        STR_ARG(json_get_str(object, "metadata.name")));
}

/* kubectl hides managedFields from people. */
static void drop_managed_fields(struct json *object)
{
    struct json *meta = json_findz(object, "metadata");

    if (meta)
        json_removez(meta, "managedFields");
    JSON_EACH(item, json_findz(object, "items"))
        drop_managed_fields(item);
}

struct err *kube_print_object(struct kubectl *k, struct json *object, const struct kube_output *o)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct err *err;

    switch (o->format) {
    case FORMAT_JSON:
        drop_managed_fields(object);
        json_sort_keys(object);
        json_encode_pretty(&b, object, 4, 0);
        buf_char(&b, '\n');
        break;
    case FORMAT_YAML:
        drop_managed_fields(object);
        yaml_encode(&b, object);
        break;
    case FORMAT_JSONPATH:
        err = jsonpath_eval(k->a, o->argument, object, &b);
        if (err)
            return err;
        break;
    case FORMAT_COLUMNS:
        return print_columns(k, object, o);
    case FORMAT_NAME:
        print_names(k, object);
        return NULL;
    case FORMAT_TABLE:
    case FORMAT_WIDE:
        BUG_ON(true); /* tables come from the server: kube_print_table */
    }
    fwrite(buf_view(&b).p, 1, b.n, stdout);
    return NULL;
}

str kube_age(struct kubectl *k, str rfc3339)
{
    wall_time then;

    if (rfc3339.n == 0 || !rfc3339_parse(rfc3339, &then))
        return S("<unknown>");
    return duration_text(k->a, MAX((loop_wall(k->loop).ns - then.ns) / NS_PER_S, INT64_C(0)));
}
