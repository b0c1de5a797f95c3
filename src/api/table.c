/* table.c - Table and PartialObjectMetadata: what kubectl prints and what metadata-only clients
 * read.
 *
 * Columns are data (struct column, one array per kind: columns_*.c); kinds without any have Name
 * and Age. API:
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables */
#include "api/api_internal.h"
#include "api/columns.h"
#include "api/crd.h"
#include "wire/json_scan.h"

static const struct column default_columns[] = {
    {.name = "Name",
     .type = "string",
     .format = "name",
     .description = "Name of the object, unique among those of its kind in its namespace.",
     .cell = column_name},
    {.name = "Created At",
     .type = "date",
     .description = "When the object was created, by the server's clock.",
     .path = "metadata.creationTimestamp"},
    {NULL},
};

struct json *partial_make(struct req *q, struct json *obj)
{
    struct json *v = json_new(q->a, json_object());
    struct json *meta = json_findz(obj, "metadata");

    json_setz(q->a, v, "kind", json_z("PartialObjectMetadata"));
    json_setz(
        q->a, v, "apiVersion",
        json_string(arena_fmt(q->a, "meta.k8s.io/" PRI_STR,
                              STR_ARG(q->accept.as_version.n ? q->accept.as_version : S("v1")))));
    json_setz(q->a, v, "metadata", meta ? *meta : json_object());
    return v;
}

static struct json column_definitions(struct arena *a, const struct column *columns)
{
    struct json defs = json_array();

    for (const struct column *c = columns; c->name; c++) {
        struct json d = json_object();

        if (!c->type)
            continue;
        json_setz(a, &d, "name", json_z(c->name));
        json_setz(a, &d, "type", json_z(c->type));
        json_setz(a, &d, "format", json_z(c->format ? c->format : ""));
        json_setz(a, &d, "description", json_z(c->description ? c->description : ""));
        json_setz(a, &d, "priority", json_int(c->priority));
        json_append(a, &defs, d);
    }
    return defs;
}

static struct json row_cells(struct req *q, const struct kind *k, const struct json *obj)
{
    const struct column *columns = k->columns ? k->columns : default_columns;
    struct json cells = json_array();
    wall_time now = loop_wall(q->api->loop);

    for (const struct column *c = columns; c->name; c++) {
        struct json v = json_null();

        if (c->cell)
            c->cell(q->a, obj, now, &v);
        else if (c->json_path)
            crd_cell(q->a, c, obj, now, &v);
        else
            v = column_at_path(q->a, c, obj);
        json_append(q->a, &cells, v);
    }
    return cells;
}

static struct json row_conditions(struct req *q, const struct kind *k, const struct json *obj)
{
    return k->hooks->completed ? k->hooks->completed(q->a, obj) : json_null();
}

/* What no column of a built-in kind reads, and what is the most of many objects. */
static const str unread[] = {
    STR("managedFields"), STR("env"),           STR("volumes"),
    STR("volumeMounts"),  STR("livenessProbe"), STR("readinessProbe"),
    STR("startupProbe"),  STR("tolerations"),   STR("affinity"),
};

static struct json *parse_for_cells(struct req *q, const struct kind *k, str data)
{
    static const struct json_limits limits = {
        .size = 64u << 20, .leave_out = unread, .n_leave_out = ARRAY_LEN(unread)};
    struct json *v = NULL;
    struct err *e;

    if (k->r->custom) /* their columns may point anywhere */
        return object_parse(q->a, data);
    e = json_parse(q->a, data, &limits, NULL, &v);
    BUG_ON(e); /* our own bytes */
    return v;
}

void buf_partial(struct buf *b, const struct req *q, str data)
{
    str meta = json_scan_find(data, S("metadata"));

    buf_z(b, "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/");
    buf_str(b, q->accept.as_version.n ? q->accept.as_version : S("v1"));
    buf_z(b, "\",\"metadata\":");
    buf_str(b, meta.n ? meta : S("{}"));
    buf_char(b, '}');
}

void buf_table_row(struct buf *b, struct req *q, const struct kind *k, str data)
{
    struct json *obj = parse_for_cells(q, k, data);
    struct json cells = row_cells(q, k, obj), done = row_conditions(q, k, obj);
    str include = query_str(q, "includeObject");

    buf_z(b, "{\"cells\":");
    json_encode(b, &cells);
    if (done.type == JSON_ARRAY) {
        buf_z(b, ",\"conditions\":");
        json_encode(b, &done);
    }
    buf_z(b, ",\"object\":");
    if (str_is(include, "None"))
        buf_z(b, "null");
    else if (str_is(include, "Object"))
        buf_str(b, data);
    else
        buf_partial(b, q, data);
    buf_char(b, '}');
}

/* Cells and metadata of built-in kinds are made from the object as it is stored, whatever version was asked for: only
 * the object itself is converted. Custom resources have columns of each version and arrive converted. */
static struct json table_row(struct req *q, const struct kind *k, struct json *obj)
{
    struct json r = json_object(), done = row_conditions(q, k, obj);
    str include = query_str(q, "includeObject");

    json_setz(q->a, &r, "cells", row_cells(q, k, obj));
    if (done.type == JSON_ARRAY)
        json_setz(q->a, &r, "conditions", done);
    if (str_is(include, "None")) {
        json_setz(q->a, &r, "object", json_null());
    } else if (str_is(include, "Object")) {
        if (!k->r->custom) {
            struct err *e = object_to_served(q, q->a, k, obj);

            BUG_ON(e); /* between versions of our own */
        }
        json_setz(q->a, &r, "object", *obj);
    } else {
        json_setz(q->a, &r, "object", *partial_make(q, obj));
    }
    return r;
}

struct table_place {
    const struct obj *o;
    int64_t precedence;
    str name;
};

static int by_precedence(const void *x, const void *y, void *ctx)
{
    const struct table_place *a = x, *b = y;

    (void)ctx;
    if (a->precedence != b->precedence)
        return a->precedence < b->precedence ? -1 : 1;
    return str_cmp(a->name, b->name);
}

/* apihelpers.FlowSchemaSequence: in the order in which requests are matched. */
void table_sort(struct req *q, const struct kind *k, const struct obj **objs, size_t n)
{
    struct table_place *places;

    if (!str_is(k->r->plural, "flowschemas"))
        return;
    places = ARENA_NEW_N(q->a, struct table_place, n + 1);
    for (size_t i = 0; i < n; i++) {
        struct json *v = parse_for_cells(q, k, objs[i]->data);

        places[i] = (struct table_place){objs[i], json_get_int(v, "spec.matchingPrecedence", 0),
                                         meta_str(v, "name")};
    }
    sort_with(places, n, sizeof *places, by_precedence, NULL);
    for (size_t i = 0; i < n; i++)
        objs[i] = places[i].o;
}

struct json *table_make(struct req *q, const struct kind *k, struct json **objs, size_t n, str rv,
                        str cont, int64_t remaining, bool with_columns)
{
    const struct column *columns = k->columns ? k->columns : default_columns;
    struct json *v = json_new(q->a, json_object()), *meta, rows = json_array();

    json_setz(q->a, v, "kind", json_z("Table"));
    json_setz(
        q->a, v, "apiVersion",
        json_string(arena_fmt(q->a, "meta.k8s.io/" PRI_STR,
                              STR_ARG(q->accept.as_version.n ? q->accept.as_version : S("v1")))));
    meta = json_setz(q->a, v, "metadata", json_object());
    if (rv.n)
        json_setz(q->a, meta, "resourceVersion", json_string(rv));
    if (cont.n)
        json_setz(q->a, meta, "continue", json_string(cont));
    if (remaining > 0)
        json_setz(q->a, meta, "remainingItemCount", json_int(remaining));
    json_setz(q->a, v, "columnDefinitions",
              with_columns ? column_definitions(q->a, columns) : json_null());
    for (size_t i = 0; i < n; i++)
        json_append(q->a, &rows, table_row(q, k, objs[i]));
    json_setz(q->a, v, "rows", rows);
    return v;
}
