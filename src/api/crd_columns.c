/* crd_columns.c - printer columns of custom resources: the first value at a JSONPath, and what it looks like in a table.
 *
 * API: k8s.io/apiextensions-apiserver/pkg/registry/customresource/tableconvertor */
#include "api/columns.h"
#include "api/crd.h"
#include "schema/jsonpath.h"

/* The first value there, NULL for none; an index out of bounds finds none either. */
static const struct json *first_at(struct arena *a, const struct json *v, const char *path)
{
    struct jsonpath_results found = {0};
    struct err *e = jsonpath_find(a, str_of(path), v, v, &found);

    err_free(e);
    return e || !found.n ? NULL : found.v[0];
}

/* metav1.Time.UnmarshalQueryParameter: empty and "null" are no time. */
static struct json date_cell(struct arena *a, str text, wall_time now)
{
    wall_time t;

    if (text.n && !str_is(text, "null") && !rfc3339_parse(text, &t))
        return json_z("<invalid>");
    return json_string(column_since(a, text, now));
}

void crd_cell(struct arena *a, const struct column *c, const struct json *obj, wall_time now,
              struct json *ret)
{
    const struct json *v = first_at(a, obj, c->json_path);

    *ret = json_null();
    if (!v)
        return;
    if (!strcmp(c->type, "string")) /* as Go prints: null has no value there */
        *ret = v->type == JSON_NULL ? json_z("<no value>") : json_string(column_text(a, v));
    else if (!strcmp(c->type, "integer")) {
        if (v->type == JSON_INT)
            *ret = *v;
        else if (v->type == JSON_DOUBLE)
            *ret = json_int((int64_t)v->d);
    } else if (!strcmp(c->type, "number")) {
        if (v->type == JSON_INT || v->type == JSON_DOUBLE)
            *ret = *v;
    } else if (!strcmp(c->type, "boolean")) {
        if (v->type == JSON_BOOL)
            *ret = *v;
    } else if (!strcmp(c->type, "date") && v->type == JSON_STRING) {
        *ret = date_cell(a, v->s, now);
    }
}
