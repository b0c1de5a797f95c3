/* crd_lists.c - custom resources: lists of type set and map have no two items that are one.
 *
 * An object that had some before may keep them and get more.
 *
 * API: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype/validation.go */
#include "schema/change.h"
#include "schema/crd_internal.h"

struct lists {
    struct arena *a;
    struct err **errs; /* NULL: only whether there is one is asked */
    struct buf path;
    bool found;
};

static void complain(struct lists *l, const char *type, uint32_t index, const char *what,
                     const struct json *v, const char *why)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json copy;

    l->found = true;
    if (!l->errs)
        return;
    copy = json_copy(l->a, v);
    json_sort_keys(&copy);
    buf_fmt(&b, "%s: ", what);
    json_encode(&b, &copy);
    buf_z(&b, why);
    if (!*l->errs)
        *l->errs = err_new(REASON_INVALID, "invalid");
    err_cause_add(*l->errs, type,
                  arena_fmt(l->a, PRI_STR "[%u]", STR_ARG(buf_view(&l->path)), index),
                  buf_view(&b));
}

/* The keys of an item, as far as it has them. */
static struct json keys_of(struct arena *a, const struct json *schema, const struct json *item)
{
    struct json keys = json_object();

    JSON_EACH(k, json_findz(schema, "x-kubernetes-list-map-keys")) {
        const struct json *x = json_find(item, json_str(k));

        if (x)
            json_set(a, &keys, json_str(k), *x);
    }
    return keys;
}

static bool all_objects(struct lists *l, const struct json *v)
{
    for (uint32_t i = 0; i < v->n; i++)
        if (v->items[i].type != JSON_OBJECT && v->items[i].type != JSON_NULL) {
            complain(l, "FieldValueInvalid", i, "Invalid value", &v->items[i],
                     ": must be an object for an array of list-type map");
            return false;
        }
    return true;
}

static void check_items(struct lists *l, const struct json *s, const struct json *v, bool map)
{
    static const char once, more;
    struct map seen;

    map_init(&seen);
    for (uint32_t i = 0; i < v->n; i++) {
        str id = list_item_identity(l->a, s, &v->items[i]);
        const char *times = map_find(&seen, id);
        struct json shown;

        map_put(&seen, id, (void *)(uintptr_t)(times ? &more : &once));
        if (times != &once)
            continue; /* the second is told, further ones are not */
        shown = map ? keys_of(l->a, s, &v->items[i]) : v->items[i];
        complain(l, "FieldValueDuplicate", i, "Duplicate value", &shown, "");
    }
    map_fini(&seen);
}

static void visit(struct lists *l, const struct json *s, const struct json *v, int depth);

static void visit_below(struct lists *l, const struct json *s, const struct json *v, bool key,
                        str name, int depth)
{
    size_t was = l->path.n;

    if (key)
        buf_fmt(&l->path, "[" PRI_STR "]", STR_ARG(name));
    else
        buf_fmt(&l->path, "%s" PRI_STR, was ? "." : "", STR_ARG(name));
    visit(l, s, v, depth);
    l->path.n = was;
}

static void visit(struct lists *l, const struct json *s, const struct json *v, int depth)
{
    str type = json_get_str(s, "x-kubernetes-list-type");
    const struct json *items = json_findz(s, "items"), *props = json_findz(s, "properties"),
                      *more = json_findz(s, "additionalProperties");
    bool map = str_is(type, "map");

    if (depth > CRD_DEPTH_MAX || (l->found && !l->errs))
        return;
    if (v->type == JSON_ARRAY) {
        if (str_is(type, "set") || (map && all_objects(l, v)))
            check_items(l, s, v, map);
        for (uint32_t i = 0; json_is(items, JSON_OBJECT) && i < v->n; i++) {
            size_t was = l->path.n;

            buf_fmt(&l->path, "[%u]", i);
            visit(l, items, &v->items[i], depth + 1);
            l->path.n = was;
        }
    }
    JSON_EACH_MEMBER(m, v) {
        const struct json *sub = json_find(props, m->key);

        if (json_is(more, JSON_OBJECT))
            visit_below(l, more, &m->value, true, m->key, depth + 1);
        if (sub)
            visit_below(l, sub, &m->value, false, m->key, depth + 1);
    }
}

static bool look(struct arena *a, const struct json *schema, const struct json *v,
                 struct err **errs)
{
    struct lists l = {.a = a, .errs = errs, .path = BUF_INIT};

    visit(&l, schema, v, 0);
    buf_fini(&l.path);
    return l.found;
}

void crd_validate_lists(struct arena *a, const struct schema_type *t, const struct json *v,
                        const struct json *old, struct err **errs)
{
    const struct crd_type *x = CONTAINER_OF(t, struct crd_type, type);

    if (x->schema && look(a, x->schema, v, NULL) && !(old && look(a, x->schema, old, NULL)))
        look(a, x->schema, v, errs);
}
