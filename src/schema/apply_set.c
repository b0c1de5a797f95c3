/* apply_set.c - sets of field paths in the form in which they are stored (FieldsV1).
 *
 * Invariants
 *   (1) Members of every level are in byte order, "." first: each operation is one merge of two sorted lists.
 *   (2) An element in a set has its own path in it or something below it, never neither.
 *   (3) Operations allocate only for levels where both sides have something to say; the rest is shared.
 *
 * Not here: which paths an object has (apply_walk.c). */
#include "schema/apply_internal.h"

#define BUILDER_MIN 8

/* ---- reading ---- */

struct set_view set_view_root(const struct json *set)
{
    if (!json_is(set, JSON_OBJECT))
        return (struct set_view){0};
    return (struct set_view){.kids = set->members, .n = set->n};
}

struct set_view set_view_element(const struct json *value)
{
    struct set_view v = set_view_root(value);

    if (!v.n)
        v.self = value != NULL;
    else if (str_is(v.kids[0].key, "."))
        v = (struct set_view){true, v.kids + 1, v.n - 1};
    return v;
}

const struct json *set_find(struct set_view v, str element)
{
    uint32_t low = 0, high = v.n;

    while (low < high) {
        uint32_t mid = (low + high) / 2;
        int c = str_cmp(v.kids[mid].key, element);

        if (!c)
            return &v.kids[mid].value;
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

const struct json *set_find_field(struct set_view v, str name)
{
    uint32_t low = 0, high = v.n;

    while (low < high) {
        uint32_t mid = (low + high) / 2;
        str key = v.kids[mid].key;
        int c = key.n >= 2 && key.p[0] == 'f' && key.p[1] == ':' ? str_cmp(str_skip(key, 2), name)
                                                                 : str_cmp(key, S("f:"));

        if (!c)
            return &v.kids[mid].value;
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* ---- building ---- */

static int compare_members(const void *x, const void *y)
{
    return str_cmp(((const struct json_member *)x)->key, ((const struct json_member *)y)->key);
}

static void push(struct arena *a, struct set_builder *b, str element, struct json value)
{
    if (b->n + 1 >= b->cap) {
        uint32_t cap = b->cap ? b->cap * 2 : BUILDER_MIN;

        b->members = b->cap ? arena_grow(a, b->members, b->cap * sizeof *b->members,
                                         cap * sizeof *b->members)
                            : arena_alloc(a, cap * sizeof *b->members);
        b->cap = cap;
    }
    b->members[++b->n] = (struct json_member){element, value};
}

void set_add(struct arena *a, struct set_builder *b, str element, struct set_builder *child)
{
    if (child->self || child->n)
        push(a, b, element, set_finish(a, child));
}

/* The members [1..n] of a builder or of a result under construction, as a value. */
static struct json wrap(struct json_member *members, uint32_t n, bool self)
{
    struct json v = {.type = JSON_OBJECT, .n = n, .cap = n};

    if (!n)
        return v; /* an empty element is its own path */
    v.members = members + 1;
    if (self) {
        members[0] = (struct json_member){S("."), json_object()};
        v.members = members;
        v.n = v.cap = n + 1;
    }
    return v;
}

struct json set_finish(struct arena *a, struct set_builder *b)
{
    bool sorted = true;

    for (uint32_t i = 2; i <= b->n && sorted; i++)
        sorted = str_cmp(b->members[i - 1].key, b->members[i].key) < 0;
    if (!sorted)
        qsort(b->members + 1, b->n, sizeof *b->members, compare_members);
    return wrap(b->members, b->n, b->self);
}

struct json set_root(struct arena *a, struct set_builder *b)
{
    b->self = false;
    return set_finish(a, b);
}

static bool is_normal(const struct json *v)
{
    if (v->type != JSON_OBJECT)
        return false;
    for (uint32_t i = 0; i < v->n; i++) {
        if (i && str_cmp(v->members[i - 1].key, v->members[i].key) >= 0)
            return false;
        if (!is_normal(&v->members[i].value))
            return false;
    }
    return true;
}

/* Values other than objects say nothing: they become empty ones. */
static void make_objects(struct json *v)
{
    if (v->type != JSON_OBJECT)
        *v = json_object();
    for (uint32_t i = 0; i < v->n; i++)
        make_objects(&v->members[i].value);
}

struct json set_normal(struct arena *a, const struct json *fields_v1)
{
    struct json copy;

    if (is_normal(fields_v1))
        return *fields_v1;
    copy = json_share(a, fields_v1);
    make_objects(&copy);
    json_sort_keys(&copy);
    return copy;
}

/* ---- algebra ---- */

enum set_op { SET_UNION, SET_MINUS, SET_COMMON };

/* Whether a path is in the result, from whether it is in x and y. */
static const bool in_result[][2][2] = {
    [SET_UNION] = {{false, true}, {true, true}},
    [SET_MINUS] = {{false, false}, {true, false}},
    [SET_COMMON] = {{false, false}, {false, true}},
};

/* The elements of one level; false: there are none and self is not in the result either. */
static bool combine(struct arena *a, enum set_op op, struct set_view x, struct set_view y,
                    struct json *ret)
{
    bool keep_x = in_result[op][true][false], keep_y = in_result[op][false][true];
    uint32_t max = op == SET_UNION ? x.n + y.n : op == SET_MINUS ? x.n : MIN(x.n, y.n);
    struct json_member *out = max ? arena_alloc(a, (max + 1) * sizeof *out) : NULL;
    uint32_t i = 0, k = 0, n = 0;
    bool self = in_result[op][x.self][y.self];

    while (i < x.n || k < y.n) {
        int c = i == x.n ? 1 : k == y.n ? -1 : str_cmp(x.kids[i].key, y.kids[k].key);
        struct json v;

        if (c < 0) {
            if (keep_x)
                out[++n] = x.kids[i];
            else if (k == y.n)
                break;
            i++;
        } else if (c > 0) {
            if (keep_y)
                out[++n] = y.kids[k];
            else if (i == x.n)
                break;
            k++;
        } else {
            if (combine(a, op, set_view_element(&x.kids[i].value),
                        set_view_element(&y.kids[k].value), &v))
                out[++n] = (struct json_member){x.kids[i].key, v};
            i++;
            k++;
        }
    }
    *ret = wrap(out, n, self);
    return n || self;
}

static struct json combine_roots(struct arena *a, enum set_op op, const struct json *x,
                                 const struct json *y)
{
    struct json v = json_object();

    combine(a, op, set_view_root(x), set_view_root(y), &v);
    return v;
}

struct json set_union(struct arena *a, const struct json *x, const struct json *y)
{
    if (set_is_empty(y))
        return set_is_empty(x) ? json_object() : *x;
    return set_is_empty(x) ? *y : combine_roots(a, SET_UNION, x, y);
}

struct json set_minus(struct arena *a, const struct json *x, const struct json *y)
{
    if (set_is_empty(x))
        return json_object();
    return set_is_empty(y) ? *x : combine_roots(a, SET_MINUS, x, y);
}

struct json set_common(struct arena *a, const struct json *x, const struct json *y)
{
    if (set_is_empty(x) || set_is_empty(y))
        return json_object();
    return combine_roots(a, SET_COMMON, x, y);
}

static bool meets(struct set_view x, struct set_view y)
{
    uint32_t i = 0, k = 0;

    if (x.self && y.self)
        return true;
    while (i < x.n && k < y.n) {
        int c = str_cmp(x.kids[i].key, y.kids[k].key);

        if (!c && meets(set_view_element(&x.kids[i].value), set_view_element(&y.kids[k].value)))
            return true;
        i += c <= 0;
        k += c >= 0;
    }
    return false;
}

bool set_meets(const struct json *x, const struct json *y)
{
    return meets(set_view_root(x), set_view_root(y));
}

/* ---- words ---- */

/* `k:{"port":80,"protocol":"TCP"}` -> `[port=80,protocol="TCP"]`, as structured-merge-diff prints elements. */
static void add_element(struct buf *b, str element)
{
    CLEANUP(arena) struct arena *a = NULL;
    struct json *keys = NULL;
    struct err *err;
    str rest = str_skip(element, 2);

    switch (element.n ? element.p[0] : 0) {
    case 'f':
        buf_char(b, '.');
        buf_str(b, rest);
        return;
    case 'v':
        buf_fmt(b, "[=" PRI_STR "]", STR_ARG(rest));
        return;
    case 'k':
        a = arena_new();
        err = json_parse(a, rest, NULL, NULL, &keys);
        if (err) {
            err_free(err);
            break;
        }
        buf_char(b, '[');
        for (uint32_t i = 0; i < json_count(keys); i++) {
            buf_z(b, i ? "," : "");
            buf_str(b, keys->members[i].key);
            buf_char(b, '=');
            json_encode(b, &keys->members[i].value);
        }
        buf_char(b, ']');
        return;
    default:
        break;
    }
    buf_fmt(b, "[" PRI_STR "]", STR_ARG(rest));
}

static void each(struct set_view v, struct buf *path, void (*fn)(void *ctx, str path), void *ctx)
{
    for (int below = 0; below < 2; below++) {
        for (uint32_t i = 0; i < v.n; i++) {
            struct set_view element = set_view_element(&v.kids[i].value);
            size_t start = path->n;

            if (below ? !element.n : !element.self)
                continue;
            add_element(path, v.kids[i].key);
            if (below)
                each(element, path, fn, ctx);
            else
                fn(ctx, buf_view(path));
            path->n = start;
        }
    }
}

void set_each_path(const struct json *set, void (*fn)(void *ctx, str path), void *ctx)
{
    CLEANUP(buf) struct buf path = BUF_INIT;

    each(set_view_root(set), &path, fn, ctx);
}
