/* json_tree.c - reading and changing value trees.
 *
 * Objects are arrays of members in order of arrival and are searched front to back: API objects have few members, and
 * a comparison of lengths settles nearly every step. Growing goes through the arena, so that a container which grew
 * leaves its old array behind until the arena dies. Who looks up many keys of an object that may be large uses an index.
 *
 * Not here: text (json.c, json_encode.c). */
#include "wire/json_internal.h"

#define CONTAINER_MIN 4 /* members or items allocated at first insertion */

struct json *json_new(struct arena *a, struct json v)
{
    struct json *p = arena_alloc(a, sizeof *p);

    *p = v;
    return p;
}

/* ---- reading ---- */

static struct json_member *find_member(const struct json *obj, str key)
{
    struct json_member *m, *end;
    char last;

    if (!json_is(obj, JSON_OBJECT) || !obj->n)
        return NULL;
    last = key.n ? key.p[key.n - 1] : 0;
    for (m = obj->members, end = m + obj->n; m < end; m++) {
        if (m->key.n != key.n)
            continue;
        /* Names of one length mostly end differently: that saves a call. */
        if (!key.n || (m->key.p[key.n - 1] == last && memcmp(m->key.p, key.p, key.n - 1) == 0))
            return m;
    }
    return NULL;
}

struct json *json_find(const struct json *obj, str key)
{
    struct json_member *m = find_member(obj, key);

    return m ? &m->value : NULL;
}

struct json *json_findz(const struct json *obj, const char *key)
{
    return json_find(obj, str_of(key));
}

struct json *json_at(const struct json *v, ...)
{
    struct json *at = (struct json *)v;
    const char *key;
    va_list ap;

    va_start(ap, v);
    while (at && (key = va_arg(ap, const char *)))
        at = json_find(at, str_of(key));
    va_end(ap);
    return at;
}

struct json *json_path(const struct json *v, const char *dotted)
{
    struct json *at = (struct json *)v;

    for (const char *dot; at && *dotted; dotted = dot + (*dot == '.')) {
        dot = strchrnul(dotted, '.');
        at = json_find(at, (str){dotted, (size_t)(dot - dotted)});
    }
    return at;
}

struct json *json_item(const struct json *arr, uint32_t i)
{
    return json_is(arr, JSON_ARRAY) && i < arr->n ? &arr->items[i] : NULL;
}

uint32_t json_count(const struct json *v)
{
    return json_is(v, JSON_ARRAY) || json_is(v, JSON_OBJECT) ? v->n : 0;
}

str json_str(const struct json *v)
{
    return json_is(v, JSON_STRING) ? v->s : S("");
}

str json_get_str(const struct json *obj, const char *dotted)
{
    return json_str(json_path(obj, dotted));
}

int64_t json_get_int(const struct json *obj, const char *dotted, int64_t otherwise)
{
    const struct json *v = json_path(obj, dotted);

    return json_is(v, JSON_INT) ? v->i : otherwise;
}

bool json_get_bool(const struct json *obj, const char *dotted, bool otherwise)
{
    const struct json *v = json_path(obj, dotted);

    return json_is(v, JSON_BOOL) ? v->b : otherwise;
}

/* ---- writing ---- */

/* Room for one more; element size is that of the container's kind. */
static void *grow(struct arena *a, struct json *v, void *elements, size_t size)
{
    uint32_t cap;

    if (v->n < v->cap)
        return elements;
    BUG_ON(v->cap > UINT32_MAX / 2);
    cap = v->cap ? v->cap * 2 : CONTAINER_MIN;
    elements =
        v->cap ? arena_grow(a, elements, v->cap * size, cap * size) : arena_alloc(a, cap * size);
    v->cap = cap;
    return elements;
}

struct json *json_set(struct arena *a, struct json *obj, str key, struct json v)
{
    struct json_member *m = find_member(obj, key);

    BUG_ON(obj->type != JSON_OBJECT);
    if (!m) {
        obj->members = grow(a, obj, obj->members, sizeof *obj->members);
        m = &obj->members[obj->n++];
        m->key = key;
    }
    m->value = v;
    return &m->value;
}

struct json *json_setz(struct arena *a, struct json *obj, const char *key, struct json v)
{
    return json_set(a, obj, str_of(key), v);
}

struct json *json_make(struct arena *a, struct json *obj, const char *dotted, enum json_type leaf)
{
    BUG_ON(obj->type != JSON_OBJECT);
    for (const char *dot; *dotted; dotted = dot + (*dot == '.')) {
        enum json_type want;
        struct json *next;
        str key;

        dot = strchrnul(dotted, '.');
        key = (str){dotted, (size_t)(dot - dotted)};
        want = *dot ? JSON_OBJECT : leaf;
        next = json_find(obj, key);
        if (!next)
            next = json_set(a, obj, arena_dup(a, key), (struct json){.type = want});
        else if (next->type != want)
            *next = (struct json){.type = want};
        obj = next;
    }
    return obj;
}

struct json *json_append(struct arena *a, struct json *arr, struct json v)
{
    return json_insert(a, arr, arr->n, v);
}

struct json *json_insert(struct arena *a, struct json *arr, uint32_t at, struct json v)
{
    BUG_ON(arr->type != JSON_ARRAY || at > arr->n);
    arr->items = grow(a, arr, arr->items, sizeof *arr->items);
    memmove(arr->items + at + 1, arr->items + at, (arr->n - at) * sizeof *arr->items);
    arr->n++;
    arr->items[at] = v;
    return &arr->items[at];
}

bool json_remove(struct json *obj, str key)
{
    struct json_member *m = find_member(obj, key);
    size_t behind;

    if (!m)
        return false;
    behind = (size_t)(obj->members + obj->n - (m + 1));
    memmove(m, m + 1, behind * sizeof *m);
    obj->n--;
    return true;
}

bool json_removez(struct json *obj, const char *key)
{
    return json_remove(obj, str_of(key));
}

void json_remove_item(struct json *arr, uint32_t i)
{
    BUG_ON(arr->type != JSON_ARRAY || i >= arr->n);
    memmove(arr->items + i, arr->items + i + 1, (arr->n - i - 1) * sizeof *arr->items);
    arr->n--;
}

static struct json copy_tree(struct arena *a, const struct json *v, bool strings)
{
    struct json c = *v;

    if (v->type == JSON_STRING && strings) {
        c.s = arena_dup(a, v->s);
    } else if (v->type == JSON_ARRAY) {
        c.cap = v->n;
        c.items = v->n ? arena_alloc(a, v->n * sizeof *c.items) : NULL;
        for (uint32_t i = 0; i < v->n; i++)
            c.items[i] = copy_tree(a, &v->items[i], strings);
    } else if (v->type == JSON_OBJECT) {
        c.cap = v->n;
        c.members = v->n ? arena_alloc(a, v->n * sizeof *c.members) : NULL;
        for (uint32_t i = 0; i < v->n; i++) {
            c.members[i].key = strings ? arena_dup(a, v->members[i].key) : v->members[i].key;
            c.members[i].value = copy_tree(a, &v->members[i].value, strings);
        }
    }
    return c;
}

struct json json_copy(struct arena *a, const struct json *v)
{
    return copy_tree(a, v, true);
}

struct json json_share(struct arena *a, const struct json *v)
{
    return copy_tree(a, v, false);
}

/* ---- sets of keys ---- */

#define KEY_SET_MIN 128 /* slots of the smallest set */

/* Where the key is, or the free slot where it would be. */
static uint32_t *key_slot(struct json_key_set *set, const struct json_member *members, str key)
{
    uint32_t at = (uint32_t)str_hash(key) & set->mask;

    while (set->slots[at] && !str_eq(members[set->slots[at] - 1].key, key))
        at = (at + 1) & set->mask;
    return &set->slots[at];
}

/* Room for one more than n at less than half full. */
static void key_set_fill(struct json_key_set *set, const struct json_member *members, uint32_t n)
{
    uint32_t size = KEY_SET_MIN;

    while (size / 2 <= n + 1)
        size *= 2;
    mem_free(set->slots);
    set->slots = mem_zalloc(size * sizeof *set->slots);
    set->mask = size - 1;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t *slot = key_slot(set, members, members[i].key);

        if (!*slot) /* of several with one key the first is found, as everywhere */
            *slot = i + 1;
    }
}

uint32_t json_key_set_find(struct json_key_set *set, const struct json_member *members, uint32_t n,
                           str key)
{
    uint32_t *slot;

    if (!set->mask || n * 2 > set->mask)
        key_set_fill(set, members, n);
    slot = key_slot(set, members, key);
    if (*slot)
        return *slot - 1;
    *slot = n + 1;
    return n;
}

void json_key_set_fini(struct json_key_set *set)
{
    mem_free(set->slots);
    *set = (struct json_key_set){0};
}

struct json *json_index_find(struct json_index *x, str key)
{
    struct json *obj = x->obj;
    uint32_t *slot;

    if (!json_is(obj, JSON_OBJECT) || obj->n <= JSON_LINEAR_KEYS_MAX)
        return json_find(obj, key);
    if (!x->set.mask)
        key_set_fill(&x->set, obj->members, obj->n);
    slot = key_slot(&x->set, obj->members, key);
    return *slot ? &obj->members[*slot - 1].value : NULL;
}

struct json *json_index_set(struct arena *a, struct json_index *x, str key, struct json v)
{
    struct json *obj = x->obj;
    uint32_t at;

    if (obj->n <= JSON_LINEAR_KEYS_MAX)
        return json_set(a, obj, key, v);
    at = json_key_set_find(&x->set, obj->members, obj->n, key);
    if (at == obj->n) {
        obj->members = grow(a, obj, obj->members, sizeof *obj->members);
        obj->members[obj->n++].key = key;
    }
    obj->members[at].value = v;
    return &obj->members[at].value;
}

void json_index_fini(struct json_index *x)
{
    json_key_set_fini(&x->set);
}

/* ---- comparing ---- */

static double as_double(const struct json *v)
{
    return v->type == JSON_INT ? (double)v->i : v->d;
}

static bool numbers_equal(const struct json *a, const struct json *b)
{
    if (a->type == JSON_INT && b->type == JSON_INT)
        return a->i == b->i;
    return as_double(a) == as_double(b);
}

static bool is_number(const struct json *v)
{
    return v->type == JSON_INT || v->type == JSON_DOUBLE;
}

static bool objects_equal(const struct json *a, const struct json *b)
{
    struct json_index in_b = {.obj = (struct json *)b};
    bool equal = a->n == b->n;

    for (uint32_t i = 0; i < a->n && equal; i++) {
        const struct json_member *m = &a->members[i], *near = &b->members[i];
        const struct json *same = &near->value;

        /* Two versions of one object nearly always agree in order too. */
        if (!str_eq(m->key, near->key))
            same = json_index_find(&in_b, m->key);
        equal = same && json_equal(&m->value, same);
    }
    json_index_fini(&in_b);
    return equal;
}

bool json_equal(const struct json *a, const struct json *b)
{
    if (!a || !b)
        return a == b;
    if (is_number(a) && is_number(b))
        return numbers_equal(a, b);
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case JSON_BOOL:
        return a->b == b->b;
    case JSON_STRING:
        return str_eq(a->s, b->s);
    case JSON_ARRAY:
        if (a->n != b->n)
            return false;
        for (uint32_t i = 0; i < a->n; i++)
            if (!json_equal(&a->items[i], &b->items[i]))
                return false;
        return true;
    case JSON_OBJECT:
        return objects_equal(a, b);
    case JSON_NULL:
    case JSON_INT:
    case JSON_DOUBLE:
        break;
    }
    return true;
}

static int compare_keys(const void *a, const void *b)
{
    return str_cmp(((const struct json_member *)a)->key, ((const struct json_member *)b)->key);
}

void json_sort_keys(struct json *v)
{
    bool sorted = true;

    if (v->type == JSON_ARRAY)
        for (uint32_t i = 0; i < v->n; i++)
            json_sort_keys(&v->items[i]);
    if (v->type != JSON_OBJECT)
        return;
    for (uint32_t i = 0; i < v->n; i++) {
        json_sort_keys(&v->members[i].value);
        sorted &= !i || str_cmp(v->members[i - 1].key, v->members[i].key) < 0;
    }
    if (!sorted)
        qsort(v->members, v->n, sizeof *v->members, compare_keys);
}
