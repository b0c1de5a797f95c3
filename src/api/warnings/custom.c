/* custom.c - warnings about definitions of kinds, and about objects of such kinds.
 *
 * Source: WarningsOnCreate and WarningsOnUpdate of k8s.io/apiextensions-apiserver/pkg/registry/{customresource,
 * customresourcedefinition}/strategy.go */
#include "api/warnings/warn.h"
#include "schema/crd.h"

static const char *const subschemas[] = {"items", "allOf", "anyOf", "oneOf", "not"};
static const char *const named_subschemas[] = {"properties", "patternProperties"};

static int by_text(const void *x, const void *y, void *ctx)
{
    (void)ctx;
    return str_cmp(((const struct json *)x)->s, ((const struct json *)y)->s);
}

/* Of custom objects: the ones that were not there before, in the order of their names. */
void warn_finalizers(struct write *w)
{
    const struct json *had = json_at(w->old, "metadata", "finalizers", NULL);
    struct json added = json_array();

    JSON_EACH(f, json_at(w->obj, "metadata", "finalizers", NULL)) {
        bool known = str_is(json_str(f), "orphan") || str_is(json_str(f), "foregroundDeletion") ||
                     str_is(json_str(f), "kubernetes");

        JSON_EACH(g, had)
            known |= json_equal(f, g);
        if (!known && !str_has_char(json_str(f), '/'))
            json_append(w->a, &added, *f);
    }
    sort_with(added.items, added.n, sizeof *added.items, by_text, NULL);
    JSON_EACH(f, &added)
        warn_at(w, AT(AT(NULL, "metadata"), "finalizers"),
                "\"" PRI_STR "\": prefer a domain-qualified finalizer name including a path (/) to "
                "avoid accidental conflicts with other finalizer writers",
                STR_ARG(json_str(f)));
}

static void unknown_formats(struct arena *a, const struct json *schema, struct json *ret)
{
    str format = json_get_str(schema, "format");

    if (json_is(schema, JSON_ARRAY)) {
        JSON_EACH(x, schema)
            unknown_formats(a, x, ret);
        return;
    }
    if (!json_is(schema, JSON_OBJECT))
        return;
    if (format.n && !crd_format_is_known(json_get_str(schema, "type"), format))
        json_append(a, ret, json_string(format));
    for (size_t i = 0; i < ARRAY_LEN(subschemas); i++)
        unknown_formats(a, json_findz(schema, subschemas[i]), ret);
    for (size_t i = 0; i < ARRAY_LEN(named_subschemas); i++)
        JSON_EACH_MEMBER(m, json_findz(schema, named_subschemas[i]))
            unknown_formats(a, &m->value, ret);
    unknown_formats(a, json_findz(schema, "additionalProperties"), ret);
}

/* Values are not held against formats that nobody knows. */
void warn_definition(struct write *w)
{
    struct json now = json_array(), old = json_array();

    JSON_EACH(v, json_at(w->obj, "spec", "versions", NULL))
        unknown_formats(w->a, json_at(v, "schema", "openAPIV3Schema", NULL), &now);
    JSON_EACH(v, json_at(w->old, "spec", "versions", NULL))
        unknown_formats(w->a, json_at(v, "schema", "openAPIV3Schema", NULL), &old);
    JSON_EACH(f, &now) {
        bool known = false;

        JSON_EACH(g, &old)
            known |= json_equal(f, g);
        if (!known)
            warn(w, "unrecognized format \"" PRI_STR "\"", STR_ARG(json_str(f)));
    }
}
