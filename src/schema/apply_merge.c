/* apply_merge.c - objects from objects and sets: merging a configuration into the live object, removing what is no
 * longer wanted, and checking that a configuration fits its schema.
 *
 * Results share everything that does not change with their sources.
 *
 * Not here: who owns what (apply.c), sets of fields (apply_walk.c). */
#include "schema/apply_internal.h"

#define PROBLEMS_MAX 20 /* reported of one configuration */

/* ---- merging ---- */

static struct json merge(const struct walk *w, struct place p, const struct json *lhs,
                         const struct json *rhs);

static struct json merge_maps(const struct walk *w, struct place p, const struct json *lhs,
                              const struct json *rhs)
{
    uint32_t nl = json_is(lhs, JSON_OBJECT) ? lhs->n : 0,
             nr = json_is(rhs, JSON_OBJECT) ? rhs->n : 0;
    struct json out = {.type = JSON_OBJECT, .cap = nl + nr};
    struct json_index l = {.obj = (struct json *)lhs}, r = {.obj = (struct json *)rhs};

    out.members = out.cap ? arena_alloc(w->arena, out.cap * sizeof *out.members) : NULL;
    for (uint32_t i = 0; i < nl; i++) {
        const struct json_member *m = &lhs->members[i];
        const struct json *in_r = json_index_find(&r, m->key);

        out.members[out.n++] = (struct json_member){
            m->key, in_r ? merge(w, place_member(p, m->key, NULL), &m->value, in_r) : m->value};
    }
    for (uint32_t i = 0; i < nr; i++)
        if (!json_index_find(&l, rhs->members[i].key))
            out.members[out.n++] = rhs->members[i];
    json_index_fini(&l);
    json_index_fini(&r);
    return out;
}

/* sorted: the live items. Several with the one key: which is meant cannot be told, so the configuration's takes the place of
 * all. */
static struct json merge_item(const struct walk *w, struct place p, const struct keyed *sorted,
                              uint32_t n, const struct keyed *rhs)
{
    const struct keyed *live = keyed_find(sorted, n, rhs->element);

    return live && keyed_group(sorted, n, (uint32_t)(live - sorted)) == 1
               ? merge(w, place_item(p), live->item, rhs->item)
               : *rhs->item;
}

/* Order: the configuration's items in its order; live ones that it does not name stay before whatever followed them. */
static struct json merge_lists(const struct walk *w, struct place p, const struct json *lhs,
                               const struct json *rhs)
{
    uint32_t nl, nr, i = 0, k = 0, shared = 0, n_shared = 0;
    struct keyed *l = keyed_items(w->arena, p, lhs, &nl), *r = keyed_items(w->arena, p, rhs, &nr);
    struct keyed *l_sorted = arena_alloc(w->arena, (nl + 1) * sizeof *l),
                 *r_sorted = arena_alloc(w->arena, (nr + 1) * sizeof *r);
    str *order = arena_alloc(w->arena, (nr + 1) * sizeof *order);
    struct json out = json_array();

    if (nl)
        memcpy(l_sorted, l, nl * sizeof *l);
    if (nr)
        memcpy(r_sorted, r, nr * sizeof *r);
    keyed_sort(l_sorted, nl);
    keyed_sort(r_sorted, nr);
    for (uint32_t x = 0; x < nr; x++)
        if (keyed_find(l_sorted, nl, r[x].element))
            order[n_shared++] = r[x].element;
    while (i < nl || k < nr) {
        const struct keyed *in_r = i < nl ? keyed_find(r_sorted, nr, l[i].element) : NULL;

        if (i < nl && !in_r) {
            json_append(w->arena, &out, *l[i++].item);
            continue;
        }
        if (i < nl && (k == nr || (in_r->at != k && shared < n_shared &&
                                   !str_eq(order[shared], l[i].element)))) {
            i++; /* shared, but taken already or another one comes first */
            continue;
        }
        /* The configuration's next, with the live one if there is one. */
        json_append(w->arena, &out, merge_item(w, p, l_sorted, nl, &r[k]));
        if (shared < n_shared && str_eq(order[shared], r[k].element))
            shared++;
        i += in_r && in_r->at <= k;
        k++;
    }
    return out;
}

static bool is_empty(const struct json *v)
{
    return !v || (v->type != JSON_OBJECT && v->type != JSON_ARRAY) || v->n == 0;
}

/* Both are there. */
static struct json merge(const struct walk *w, struct place p, const struct json *lhs,
                         const struct json *rhs)
{
    enum shape shape = place_shape(p, rhs->type == JSON_NULL ? lhs : rhs);

    if (shape == SHAPE_LEAF || place_shape(p, lhs->type == JSON_NULL ? rhs : lhs) != shape ||
        (is_empty(lhs) && is_empty(rhs)))
        return *rhs;
    return shape == SHAPE_MAP ? merge_maps(w, p, lhs, rhs) : merge_lists(w, p, lhs, rhs);
}

struct json walk_merge(const struct walk *w, const struct json *live, const struct json *config)
{
    return merge(w, (struct place){.type = w->root}, live, config);
}

/* ---- removing ---- */

/* What is emptied becomes null, as in structured-merge-diff's remove.go: the field is still there, so who owned it goes on
 * owning it. Where the schema allows no null the object loses it when it is completed. */
static struct json remove_fields(const struct walk *w, struct place p, const struct json *v,
                                 struct set_view set)
{
    struct json out = json_array();

    switch (place_shape(p, v)) {
    case SHAPE_LEAF:
        /* Something below a leaf is in the set when the schema has changed: an atomic map or list goes as a whole. */
        return v->type == JSON_OBJECT || v->type == JSON_ARRAY ? json_null() : *v;
    case SHAPE_MAP:
        out = json_object();
        out.cap = json_is(v, JSON_OBJECT) ? v->n : 0;
        out.members = out.cap ? arena_alloc(w->arena, out.cap * sizeof *out.members) : NULL;
        JSON_EACH_MEMBER(m, v) {
            const struct json *element = set_find_field(set, m->key);
            struct set_view below = set_view_element(element);

            if (element && below.self)
                continue;
            out.members[out.n++] = (struct json_member){
                m->key, element ? remove_fields(w, place_member(p, m->key, NULL), &m->value, below)
                                : m->value};
        }
        break;
    case SHAPE_LIST:
        JSON_EACH(item, v) {
            const struct json *element = NULL;
            struct set_view below;
            str name, missing;

            if (place_item_element(w->arena, p, item, &name, &missing))
                element = set_find(set, name);
            below = set_view_element(element);
            if (element && below.self)
                continue;
            json_append(w->arena, &out,
                        element ? remove_fields(w, place_item(p), item, below) : *item);
        }
        break;
    }
    return out.n ? out : json_null();
}

struct json walk_remove(const struct walk *w, const struct json *v, const struct json *set)
{
    return set_is_empty(set)
               ? *v
               : remove_fields(w, (struct place){.type = w->root}, v, set_view_root(set));
}

/* ---- checking ---- */

struct checker {
    const struct walk *w;
    struct buf path;
    struct json *problems;
};

static void PRINTF(2, 3) problem(struct checker *c, const char *fmt, ...)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    va_list ap;

    if (c->problems->n >= PROBLEMS_MAX)
        return;
    buf_str(&b, buf_view(&c->path));
    buf_z(&b, ": ");
    va_start(ap, fmt);
    buf_vfmt(&b, fmt, ap);
    va_end(ap);
    json_append(c->w->arena, c->problems, json_string(arena_dup(c->w->arena, buf_view(&b))));
}

enum expected {
    EXPECT_STRING,
    EXPECT_NUMBER,
    EXPECT_BOOL,
    EXPECT_SCALAR,
    EXPECT_LIST,
    EXPECT_MAP,
    EXPECT_ANYTHING
};

static const enum expected expectations[] = {
    [SCHEMA_STRUCT] = EXPECT_MAP,
    [SCHEMA_MAP] = EXPECT_MAP,
    [SCHEMA_LIST] = EXPECT_LIST,
    [SCHEMA_STRING] = EXPECT_STRING,
    [SCHEMA_BYTES] = EXPECT_STRING,
    [SCHEMA_BOOL] = EXPECT_BOOL,
    [SCHEMA_INT32] = EXPECT_NUMBER,
    [SCHEMA_INT64] = EXPECT_NUMBER,
    [SCHEMA_UINT32] = EXPECT_NUMBER,
    [SCHEMA_UINT64] = EXPECT_NUMBER,
    [SCHEMA_DOUBLE] = EXPECT_NUMBER,
    [SCHEMA_FLOAT] = EXPECT_NUMBER,
    [SCHEMA_QUANTITY] = EXPECT_SCALAR,
    [SCHEMA_TIME] = EXPECT_SCALAR,
    [SCHEMA_MICROTIME] = EXPECT_SCALAR,
    [SCHEMA_DURATION] = EXPECT_STRING,
    [SCHEMA_INT_OR_STRING] = EXPECT_SCALAR,
    [SCHEMA_RAW] = EXPECT_ANYTHING,
    [SCHEMA_FIELDS_V1] = EXPECT_ANYTHING,
    [SCHEMA_ANY] = EXPECT_ANYTHING,
    [SCHEMA_SCHEMA_OR_BOOL] = EXPECT_ANYTHING,
    [SCHEMA_SCHEMA_OR_ARRAY] = EXPECT_ANYTHING,
    [SCHEMA_SCHEMA_OR_STRINGS] = EXPECT_ANYTHING,
    [SCHEMA_ENUM] = EXPECT_SCALAR,
    [SCHEMA_VERB_LIST] = EXPECT_LIST,
};

/* The value of a scalar as Go's %v shows it. */
static str shown(struct arena *a, const struct json *v)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_go(&b, v);
    return arena_dup(a, buf_view(&b));
}

static bool fits(struct checker *c, enum expected e, const struct json *v)
{
    bool scalar = v->type != JSON_ARRAY && v->type != JSON_OBJECT;
    struct arena *a = c->w->arena;

    switch (e) {
    case EXPECT_STRING:
        if (v->type == JSON_STRING)
            return true;
        problem(c, "expected string, got &value.valueUnstructured{Value:" PRI_STR "}",
                STR_ARG(shown(a, v)));
        return false;
    case EXPECT_NUMBER:
        if (v->type == JSON_INT || v->type == JSON_DOUBLE)
            return true;
        problem(c, "expected numeric (int or float), got %s", json_go_type(v));
        return false;
    case EXPECT_BOOL:
        if (v->type == JSON_BOOL)
            return true;
        problem(c, "expected boolean, got &{" PRI_STR "}", STR_ARG(shown(a, v)));
        return false;
    case EXPECT_SCALAR:
        if (scalar)
            return true;
        problem(c, "expected any scalar, got &{" PRI_STR "}", STR_ARG(shown(a, v)));
        return false;
    case EXPECT_LIST:
        if (v->type == JSON_ARRAY)
            return true;
        problem(c, "expected list, got &{" PRI_STR "}", STR_ARG(shown(a, v)));
        return false;
    case EXPECT_MAP:
        if (v->type == JSON_OBJECT)
            return true;
        problem(c, "expected map, got &{" PRI_STR "}", STR_ARG(shown(a, v)));
        return false;
    case EXPECT_ANYTHING:
        break;
    }
    return true;
}

static void check(struct checker *c, struct place p, const struct json *v);

static void add_text(void *ctx, str text)
{
    buf_str(ctx, text);
}

/* As the element is shown in a path. */
static void add_element(struct checker *c, str element)
{
    struct json_member m = {element, json_object()};
    struct json set = {.type = JSON_OBJECT, .n = 1, .cap = 1, .members = &m};

    set_each_path(&set, add_text, &c->path);
}

static void check_list(struct checker *c, struct place p, const struct json *v)
{
    bool keyed = place_shape(p, v) == SHAPE_LIST;
    uint32_t n = 0;
    struct keyed *sorted = keyed ? keyed_items(c->w->arena, p, v, &n) : NULL;
    size_t start = c->path.n;

    keyed_sort(sorted, n);
    for (uint32_t i = 0; i < v->n; i++) {
        str element, missing;

        if (!keyed) {
            buf_fmt(&c->path, "[%u]", i);
            check(c, place_item(p), &v->items[i]);
        } else if (place_item_element(c->w->arena, p, &v->items[i], &element, &missing)) {
            const struct keyed *first = keyed_find(sorted, n, element);

            if (first && first->at != i) {
                CLEANUP(buf) struct buf shown_key = BUF_INIT;

                add_element(c, element);
                buf_str(&shown_key, str_skip(buf_view(&c->path), start));
                c->path.n = start;
                problem(c, "duplicate entries for key %s", buf_cstr(&shown_key));
            } else {
                add_element(c, element);
                check(c, place_item(p), &v->items[i]);
            }
        } else if (missing.n) {
            problem(c,
                    "element %u: associative list with keys has an element that omits key field "
                    "\"" PRI_STR "\" (and doesn't have default value)",
                    i, STR_ARG(missing));
        } else if (p.field->list_type == SCHEMA_LIST_MAP) {
            problem(c, "element %u: associative list with keys may not have non-map elements", i);
        } else {
            problem(c, "element %u: non-associative lists may only have scalar elements", i);
        }
        c->path.n = start;
    }
}

static void check(struct checker *c, struct place p, const struct json *v)
{
    size_t start = c->path.n;

    if (!p.type || v->type == JSON_NULL || !fits(c, expectations[p.type->kind], v))
        return;
    if (p.type->kind == SCHEMA_LIST) {
        check_list(c, p, v);
        return;
    }
    if (p.type->kind != SCHEMA_STRUCT && p.type->kind != SCHEMA_MAP)
        return;
    JSON_EACH_MEMBER(m, v) {
        bool is_field;
        struct place at = place_member(p, m->key, &is_field);

        buf_char(&c->path, '.');
        buf_str(&c->path, m->key);
        if (p.type->kind == SCHEMA_STRUCT && !is_field && !p.type->preserve_unknown)
            problem(c, "field not declared in schema");
        else
            check(c, at, &m->value);
        c->path.n = start;
    }
}

void walk_validate(const struct walk *w, const struct json *v, struct json *problems)
{
    struct checker c = {.w = w, .path = BUF_INIT, .problems = problems};

    check(&c, (struct place){.type = w->root}, v);
    buf_fini(&c.path);
}
