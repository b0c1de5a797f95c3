/* patch_merge.c - JSON merge patch (RFC 7386) as the API server applies it.
 *
 * Null removes a member; a value that takes the place of nothing loses its own nulls, inside lists too, as in the library
 * that Kubernetes uses. Everything that is no object replaces what was there. */
#include "schema/patch_internal.h"

/* Removes null members at every level; null items of lists stay. */
void patch_prune_nulls(struct json *v)
{
    if (v->type == JSON_ARRAY) {
        for (uint32_t i = 0; i < v->n; i++)
            patch_prune_nulls(&v->items[i]);
    } else if (v->type == JSON_OBJECT) {
        uint32_t kept = 0;

        for (uint32_t i = 0; i < v->n; i++) {
            if (v->members[i].value.type == JSON_NULL)
                continue;
            patch_prune_nulls(&v->members[i].value);
            v->members[kept++] = v->members[i];
        }
        v->n = kept;
    }
}

static void merge(struct arena *a, struct json *doc, const struct json *patch)
{
    JSON_EACH_MEMBER(m, patch) {
        struct json *have = json_find(doc, m->key);

        if (m->value.type == JSON_NULL) {
            json_remove(doc, m->key);
        } else if (have && have->type == JSON_OBJECT && m->value.type == JSON_OBJECT) {
            merge(a, have, &m->value);
        } else {
            struct json v = json_share(a, &m->value);

            if (!have || have->type == JSON_NULL || v.type == JSON_OBJECT)
                patch_prune_nulls(&v);
            json_set(a, doc, m->key, v);
        }
    }
}

static const char *const go_types[] = {
    [JSON_NULL] = "null",     [JSON_BOOL] = "bool",     [JSON_INT] = "number",
    [JSON_DOUBLE] = "number", [JSON_STRING] = "string", [JSON_ARRAY] = "array",
    [JSON_OBJECT] = "object",
};

struct err *patch_merge(struct arena *a, struct json *doc, const struct json *patch)
{
    if (patch->type == JSON_NULL)
        return err_new(REASON_BAD_REQUEST, "Invalid JSON Patch");
    if (patch->type != JSON_OBJECT)
        return err_new(REASON_BAD_REQUEST,
                       "error decoding patch: json: cannot unmarshal %s into Go value of type "
                       "map[string]interface {}",
                       go_types[patch->type]);
    if (doc->type != JSON_OBJECT)
        *doc = json_object();
    merge(a, doc, patch);
    return NULL;
}
