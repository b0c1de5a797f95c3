/* patch_merge.c - JSON merge patch (RFC 7386) as the API server applies it.
 *
 * Null removes a member; a value that takes the place of anything but an object loses its own nulls, those of objects in
 * lists too, as in the library that Kubernetes uses. Everything that is no object replaces what was there. */
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

/* ---- objects under change ---- */

static bool *gone_flag(struct patched *p, const struct json *value)
{
    size_t at = (size_t)(CONTAINER_OF(value, struct json_member, value) - p->members.obj->members);

    return p->gone && at < p->n_gone ? &p->gone[at] : NULL;
}

struct json *patched_find(struct patched *p, str key)
{
    struct json *v = json_index_find(&p->members, key);
    const bool *gone = v ? gone_flag(p, v) : NULL;

    return gone && *gone ? NULL : v;
}

void patched_set(struct arena *a, struct patched *p, str key, struct json v)
{
    bool *gone = gone_flag(p, json_index_set(a, &p->members, key, v));

    if (gone)
        *gone = false;
}

void patched_remove(struct arena *a, struct patched *p, str key)
{
    struct json *v = json_index_find(&p->members, key);
    uint32_t n = p->members.obj->cap;

    if (!v)
        return;
    if (p->n_gone < p->members.obj->n) {
        p->gone = p->gone ? arena_grow(a, p->gone, p->n_gone, n) : arena_alloc(a, n);
        memset(p->gone + p->n_gone, 0, n - p->n_gone);
        p->n_gone = n;
    }
    *gone_flag(p, v) = true;
}

void patched_end(struct patched *p)
{
    struct json *obj = p->members.obj;
    uint32_t kept = 0;

    json_index_fini(&p->members);
    if (!p->gone)
        return;
    for (uint32_t i = 0; i < obj->n; i++)
        if (i >= p->n_gone || !p->gone[i])
            obj->members[kept++] = obj->members[i];
    obj->n = kept;
}

/* ---- merging ---- */

static void merge(struct arena *a, struct json *doc, const struct json *patch)
{
    struct patched out = {.members.obj = doc};

    JSON_EACH_MEMBER(m, patch) {
        struct json *have = patched_find(&out, m->key);

        if (m->value.type == JSON_NULL) {
            patched_remove(a, &out, m->key);
        } else if (have && have->type == JSON_OBJECT && m->value.type == JSON_OBJECT) {
            merge(a, have, &m->value);
        } else {
            struct json v = json_share(a, &m->value);

            if (!have || have->type != JSON_OBJECT)
                patch_prune_nulls(&v);
            patched_set(a, &out, m->key, v);
        }
    }
    patched_end(&out);
}

struct err *patch_merge(struct arena *a, struct json *doc, const struct json *patch)
{
    if (patch->type == JSON_NULL)
        return err_new(REASON_BAD_REQUEST, "Invalid JSON Patch");
    if (patch->type != JSON_OBJECT)
        return err_new(REASON_BAD_REQUEST,
                       "error decoding patch: json: cannot unmarshal %s into Go value of type "
                       "map[string]interface {}",
                       json_word(patch));
    if (doc->type != JSON_OBJECT)
        *doc = json_object();
    merge(a, doc, patch);
    return NULL;
}
