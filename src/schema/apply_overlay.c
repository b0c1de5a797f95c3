/* apply_overlay.c - a configuration laid over an object by server-side apply's rules, without owners: what mutating
 * policies do.
 *
 * Lists, maps and structs that are one value to apply may not be in the configuration: who sets one field of such a
 * struct would remove its others.
 * API: k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch/smd.go */
#include "schema/apply_internal.h"

struct search {
    struct arena *arena;
    struct buf path, found; /* found: paths joined with ", " */
};

static void found(struct search *s)
{
    if (s->found.n)
        buf_z(&s->found, ", ");
    buf_str(&s->found, buf_view(&s->path));
}

static bool is_untyped(struct place p)
{
    return !p.type || p.type->kind == SCHEMA_RAW || p.type->kind == SCHEMA_ANY ||
           p.type->kind == SCHEMA_FIELDS_V1;
}

static void search(struct search *s, struct place p, const struct json *v)
{
    size_t start = s->path.n;

    if (is_untyped(p))
        return;
    if ((p.type->kind == SCHEMA_LIST && v->type == JSON_ARRAY) ||
        ((p.type->kind == SCHEMA_STRUCT || p.type->kind == SCHEMA_MAP) && v->type == JSON_OBJECT)) {
        if (place_shape(p, v) == SHAPE_LEAF)
            found(s);
    }
    JSON_EACH_MEMBER(m, v) {
        bool is_field;
        struct place at = place_member(p, m->key, &is_field);

        if (p.type->kind == SCHEMA_STRUCT && !is_field)
            continue;
        buf_char(&s->path, '.');
        buf_str(&s->path, m->key);
        search(s, at, &m->value);
        s->path.n = start;
    }
    if (v->type == JSON_ARRAY)
        for (uint32_t i = 0; i < v->n; i++) {
            buf_fmt(&s->path, "[%u]", i);
            search(s, place_item(p), &v->items[i]);
            s->path.n = start;
        }
}

static struct err *check_atomics(const struct walk *w, const struct json *config)
{
    struct search s = {.arena = w->arena, .path = BUF_INIT, .found = BUF_INIT};
    struct err *e = NULL;

    search(&s, (struct place){.type = w->root}, config);
    if (s.found.n)
        e = err_new(REASON_INVALID,
                    "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: %s",
                    buf_cstr(&s.found));
    buf_fini(&s.path);
    buf_fini(&s.found);
    return e;
}

static struct err *check_types(const struct walk *w, const struct json *config)
{
    struct json problems = json_array();
    CLEANUP(buf) struct buf b = BUF_INIT;

    walk_validate(w, config, &problems);
    if (!problems.n)
        return NULL;
    if (problems.n > 1)
        buf_z(&b, "errors:");
    JSON_EACH(p, &problems)
        buf_fmt(&b, problems.n > 1 ? "\n  " PRI_STR : PRI_STR, STR_ARG(json_str(p)));
    return err_new(REASON_INVALID, "failed to convert patch object to typed object: %s",
                   buf_cstr(&b));
}

struct err *apply_overlay(struct arena *a, const struct resource *r, const struct json *live,
                          const struct json *config, struct json **ret)
{
    struct walk w;
    struct err *e;

    walk_init(&w, a, r, S(""));
    w.skip_status = w.skip_spec = w.skip_labels = w.skip_metadata = false;
    w.whole = true;
    e = check_types(&w, config);
    if (!e)
        e = check_atomics(&w, config);
    if (!e)
        *ret = json_new(a, walk_merge(&w, live, config));
    return e;
}
