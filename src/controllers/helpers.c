/* helpers.c - small questions about object trees that many reconciles ask. */
#include "controllers/controllers_internal.h"

#include <inttypes.h>

const struct json *owner_reference(const struct json *tree)
{
    JSON_EACH(ref, json_path(tree, "metadata.ownerReferences"))
        if (json_get_bool(ref, "controller", false))
            return ref;
    return NULL;
}

str owner_uid(const struct json *tree)
{
    return json_get_str(owner_reference(tree), "uid");
}

struct json controller_reference(struct arena *a, const struct kind *k, const struct json *owner)
{
    struct json ref = json_object();

    json_setz(a, &ref, "apiVersion",
              json_string(k->group.n ? arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(k->group),
                                                 STR_ARG(k->version))
                                     : k->version));
    json_setz(a, &ref, "kind", json_string(k->kind));
    json_setz(a, &ref, "name", json_string(json_get_str(owner, "metadata.name")));
    json_setz(a, &ref, "uid", json_string(json_get_str(owner, "metadata.uid")));
    json_setz(a, &ref, "controller", json_bool(true));
    json_setz(a, &ref, "blockOwnerDeletion", json_bool(true));
    return ref;
}

bool is_deleting(const struct json *tree)
{
    return json_is(json_path(tree, "metadata.deletionTimestamp"), JSON_STRING);
}

struct json *condition_find(const struct json *conditions, const char *type)
{
    JSON_EACH(c, conditions)
        if (str_is(json_get_str(c, "type"), type))
            return c;
    return NULL;
}

struct json time_json(struct arena *a, wall_time t)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_rfc3339(&b, t);
    return json_string(arena_dup(a, buf_view(&b)));
}

bool time_of(const struct json *v, wall_time *ret)
{
    return json_is(v, JSON_STRING) && rfc3339_parse(v->s, ret);
}

bool int_or_percent(const struct json *v, int64_t total, bool round_up, int64_t *ret)
{
    str s = json_str(v);
    int64_t percent;

    if (json_is(v, JSON_INT)) {
        *ret = v->i;
        return true;
    }
    if (!str_has_suffix(s, S("%")) || !str_to_int64(str_slice(s, 0, s.n - 1), &percent))
        return false;
    *ret = (percent * total + (round_up ? 99 : 0)) / 100;
    return true;
}

str safe_encode(struct arena *a, uint32_t hash)
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    str digits = arena_fmt(a, "%" PRIu32, hash);
    char *p = arena_dupz(a, digits);

    for (size_t i = 0; i < digits.n; i++)
        p[i] = alphabet[(uint8_t)p[i] % (sizeof alphabet - 1)];
    return (str){p, digits.n};
}

/* Kubernetes hashes Go's memory dump of the template, which nobody else can repeat; only stability
 * within one cluster matters. */
str template_hash(struct arena *a, const struct json *template_tree, int64_t collision_count)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json sorted = json_copy(a, template_tree);
    uint32_t hash = 2166136261u; /* FNV-1a */

    json_sort_keys(&sorted);
    json_encode(&b, &sorted);
    if (collision_count)
        buf_fmt(&b, "#%" PRId64, collision_count);
    for (size_t i = 0; i < b.n; i++)
        hash = (hash ^ (uint8_t)b.p[i]) * 16777619u;
    return safe_encode(a, hash);
}

static struct json *meta_map(struct arena *a, struct json *tree, const char *which)
{
    struct json *meta = json_findz(tree, "metadata"), *map;

    if (!meta)
        meta = json_setz(a, tree, "metadata", json_object());
    map = json_findz(meta, which);
    return json_is(map, JSON_OBJECT) ? map : json_setz(a, meta, which, json_object());
}

bool meta_set(struct arena *a, struct json *tree, const char *which, str key, str value)
{
    struct json *map = meta_map(a, tree, which), *old = json_find(map, key);

    if (json_is(old, JSON_STRING) && str_eq(old->s, value))
        return false;
    json_set(a, map, key, json_string(value));
    return true;
}

str meta_get(const struct json *tree, const char *which, str key)
{
    return json_str(json_find(json_findz(json_findz(tree, "metadata"), which), key));
}

struct json *pod_from_template(struct arena *a, const struct json *template_tree,
                               const struct json *owner, const struct kind *owner_kind,
                               str generate_name)
{
    static const char *const copied[] = {"labels", "annotations", "finalizers"};
    struct json *pod = json_new(a, json_object()), meta = json_object(), refs = json_array();
    const struct json *spec = json_findz(template_tree, "spec");

    if (generate_name.n)
        json_setz(a, &meta, "generateName", json_string(generate_name));
    json_setz(a, &meta, "namespace", json_string(json_get_str(owner, "metadata.namespace")));
    for (size_t i = 0; i < ARRAY_LEN(copied); i++) {
        const struct json *v = json_findz(json_findz(template_tree, "metadata"), copied[i]);

        if (json_count(v))
            json_setz(a, &meta, copied[i], json_copy(a, v));
    }
    json_append(a, &refs, controller_reference(a, owner_kind, owner));
    json_setz(a, &meta, "ownerReferences", refs);
    json_setz(a, pod, "kind", json_z("Pod"));
    json_setz(a, pod, "apiVersion", json_z("v1"));
    json_setz(a, pod, "metadata", meta);
    json_setz(a, pod, "spec", spec ? json_copy(a, spec) : json_object());
    return pod;
}

const struct obj *look_up(const struct reconcile *r, enum kind_id k, str ns, str name)
{
    return informer_find(r->caches[k], ns, name);
}

struct json *tree_of(struct arena *a, const struct obj *o)
{
    struct json *tree = NULL;
    /* The tree shares strings with its text, and outlives the cached object when a plan waits for
     * answers. */
    static const str managed_fields =
        STR("managedFields"); /* an update without them leaves them alone */
    static const struct json_limits limits = {.leave_out = &managed_fields, .n_leave_out = 1};
    struct err *err = json_parse(a, arena_dup(a, o->data), &limits, NULL, &tree);

    BUG_ON(err); /* the cache has parsed it before */
    return tree;
}

struct json *packed_selector(struct arena *a, const struct obj *o)
{
    struct json *tree = NULL;
    struct err *err;

    if (!o->fields.n)
        return NULL;
    err = json_parse(a, o->fields, NULL, NULL, &tree);
    BUG_ON(err); /* selector_pack() has written it */
    return tree;
}

struct json *look_tree(const struct reconcile *r, enum kind_id k, str ns, str name)
{
    const struct obj *o = look_up(r, k, ns, name);

    return o ? tree_of(r->a, o) : NULL;
}
