/* index.c - the current objects: a hash table by key for GET, and per resource runs of pointers in key order for LIST.
 *
 * Keys are not copied anywhere: both structures hold pointers to objects, about 25 bytes for each.
 *
 * Invariants
 *   (1) Every object of the table is in exactly one leaf of its resource, and holds one reference for both.
 *   (2) Leaves are never empty, and ordered: all keys of a leaf are less than those of the next. */
#include "store/store_internal.h"

/* ---- by key ---- */
#define TABLE_MIN 64u
#define TABLE_WORTH 1024u /* slots that are worth giving back */
static const struct obj removed_mark;
#define REMOVED (&removed_mark)

static uint64_t key_hash(const struct key *k)
{
    return str_hash(k->name) ^ (str_hash(k->ns) * UINT64_C(0x9e3779b97f4a7c15)) ^
           (str_hash(k->resource) * UINT64_C(0xc2b2ae3d27d4eb4f));
}

static bool key_eq(const struct key *a, const struct key *b)
{
    return str_eq(a->name, b->name) && str_eq(a->ns, b->ns) && str_eq(a->resource, b->resource);
}

void obj_table_fini(struct obj_table *t)
{
    mem_free(t->slots);
    *t = (struct obj_table){0};
}

static size_t slot_of(const struct obj_table *t, const struct key *key)
{
    for (size_t i = key_hash(key) & t->mask;; i = (i + 1) & t->mask)
        if (!t->slots[i] || (t->slots[i] != REMOVED && key_eq(&t->slots[i]->key, key)))
            return i;
}

const struct obj *obj_table_find(const struct obj_table *t, const struct key *key)
{
    return t->slots ? t->slots[slot_of(t, key)] : NULL;
}

static void table_resize(struct obj_table *t)
{
    const struct obj **old = t->slots;
    size_t n_old = old ? t->mask + 1 : 0, size = TABLE_MIN;

    while (size < t->n * 2 + 2)
        size *= 2;
    t->slots = mem_zalloc(size * sizeof *t->slots);
    t->mask = size - 1;
    t->n_used = t->n;
    for (size_t i = 0; i < n_old; i++)
        if (old[i] && old[i] != REMOVED)
            t->slots[slot_of(t, &old[i]->key)] = old[i];
    mem_free(old);
}

const struct obj *obj_table_put(struct obj_table *t, const struct obj *o)
{
    const struct obj *old;
    size_t i;

    if (!t->slots || (t->n_used + 1) * 4 > (t->mask + 1) * 3)
        table_resize(t);
    i = slot_of(t, &o->key);
    old = t->slots[i];
    t->slots[i] = o;
    if (!old) {
        t->n++;
        t->n_used++;
    }
    return old;
}

const struct obj *obj_table_del(struct obj_table *t, const struct key *key)
{
    size_t i = t->slots ? slot_of(t, key) : 0;
    const struct obj *old = t->slots ? t->slots[i] : NULL;

    if (!old)
        return NULL;
    t->slots[i] = REMOVED;
    t->n--;
    if (t->mask >= TABLE_WORTH && t->n * 16 < t->mask) {
        table_resize(t);
    } else if (!t->n) { /* no marks are needed in an empty table */
        memset(t->slots, 0, (t->mask + 1) * sizeof *t->slots);
        t->n_used = 0;
    }
    return old;
}

/* ---- in order ---- */
int key_cmp(const struct key *a, const struct key *b)
{
    int c = str_cmp(a->ns, b->ns);

    return c ? c : str_cmp(a->name, b->name);
}

/* The leaf that holds `key` or would; 0 when there is none before it. */
static size_t leaf_of(const struct resource *r, const struct key *key)
{
    size_t low = 0,
           high = r->n_leaves; /* the last leaf whose first key is not greater is in [low, high) */

    while (high - low > 1) {
        size_t mid = (low + high) / 2;

        if (key_cmp(&r->leaves[mid]->items[0]->key, key) <= 0)
            low = mid;
        else
            high = mid;
    }
    return low;
}

/* Position of the first object of the leaf that is not less than `key`. */
static unsigned leaf_seek(const struct leaf *leaf, const struct key *key)
{
    unsigned low = 0, high = leaf->n;

    while (low < high) {
        unsigned mid = (low + high) / 2;

        if (key_cmp(&leaf->items[mid]->key, key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct leaf *leaf_insert_at(struct resource *r, size_t i)
{
    struct leaf *leaf = mem_alloc(sizeof *leaf);

    leaf->n = 0;
    if (r->n_leaves == r->cap_leaves) {
        r->cap_leaves = r->cap_leaves ? r->cap_leaves * 2 : 1;
        r->leaves = mem_realloc(r->leaves, r->cap_leaves * sizeof *r->leaves);
    }
    memmove(r->leaves + i + 1, r->leaves + i, (r->n_leaves - i) * sizeof *r->leaves);
    r->leaves[i] = leaf;
    r->n_leaves++;
    return leaf;
}

static void ordered_put(struct resource *r, const struct obj *o)
{
    size_t i = leaf_of(r, &o->key);
    struct leaf *leaf = r->n_leaves ? r->leaves[i] : leaf_insert_at(r, 0);
    unsigned at = leaf_seek(leaf, &o->key);

    if (at < leaf->n && key_cmp(&leaf->items[at]->key, &o->key) == 0) {
        leaf->items[at] = o;
        return;
    }
    if (leaf->n == LEAF_MAX) {
        /* Names that only grow (with a timestamp, say) fill leaves to the end instead of leaving halves behind. */
        unsigned keep = at == LEAF_MAX && i + 1 == r->n_leaves ? LEAF_MAX : LEAF_MAX / 2;
        struct leaf *right = leaf_insert_at(r, i + 1);

        right->n = LEAF_MAX - keep;
        memcpy(right->items, leaf->items + keep, right->n * sizeof *right->items);
        leaf->n = keep;
        if (at >= keep) {
            leaf = right;
            at -= keep;
        }
    }
    memmove(leaf->items + at + 1, leaf->items + at, (leaf->n - at) * sizeof *leaf->items);
    leaf->items[at] = o;
    leaf->n++;
}

static void ordered_del(struct resource *r, const struct key *key)
{
    size_t i = leaf_of(r, key);
    struct leaf *leaf = r->leaves[i];
    unsigned at = leaf_seek(leaf, key);

    BUG_ON(at == leaf->n);
    leaf->n--;
    memmove(leaf->items + at, leaf->items + at + 1, (leaf->n - at) * sizeof *leaf->items);
    if (leaf->n)
        return;
    mem_free(leaf);
    r->n_leaves--;
    memmove(r->leaves + i, r->leaves + i + 1, (r->n_leaves - i) * sizeof *r->leaves);
}

/* ---- both ---- */
void index_init(struct index *x)
{
    memset(x, 0, sizeof *x);
    map_init(&x->resources);
}

static void resource_free(struct resource *r)
{
    for (size_t i = 0; i < r->n_leaves; i++) {
        for (unsigned k = 0; k < r->leaves[i]->n; k++)
            obj_unref(r->leaves[i]->items[k]);
        mem_free(r->leaves[i]);
    }
    mem_free(r->leaves);
    MAP_EACH(e, &r->namespaces)
        mem_free(e->value);
    map_fini(&r->namespaces);
    mem_free(r);
}

void index_fini(struct index *x)
{
    MAP_EACH(e, &x->resources)
        resource_free(e->value);
    map_fini(&x->resources);
    obj_table_fini(&x->by_key);
}

struct resource *index_resource(struct index *x, str name)
{
    struct resource *r = map_find(&x->resources, name);

    if (r)
        return r;
    r = mem_zalloc(sizeof *r + name.n + 1);
    map_init(&r->namespaces);
    list_init(&r->watchers);
    r->name_n = name.n;
    memcpy(r->name, name.p, name.n);
    map_put(&x->resources, name, r);
    return r;
}

struct ns_index *resource_ns(struct resource *r, str ns)
{
    struct ns_index *n = map_find(&r->namespaces, ns);

    if (n)
        return n;
    n = mem_zalloc(sizeof *n + ns.n + 1);
    list_init(&n->watchers);
    memcpy(n->name, ns.p, ns.n);
    map_put(&r->namespaces, ns, n);
    return n;
}

void resource_ns_release(struct resource *r, str ns)
{
    struct ns_index *n = map_find(&r->namespaces, ns);

    if (n && n->count == 0 && list_is_empty(&n->watchers))
        mem_free(map_del(&r->namespaces, ns));
}

const struct obj *index_put(struct index *x, struct resource *r, const struct obj *o)
{
    const struct obj *old = obj_table_put(&x->by_key, obj_ref(o));

    ordered_put(r, o);
    x->bytes += obj_size(o);
    if (old) {
        x->bytes -= obj_size(old);
    } else {
        r->count++;
        resource_ns(r, o->key.ns)->count++;
    }
    return old;
}

const struct obj *index_del(struct index *x, struct resource *r, const struct key *key)
{
    const struct obj *old = obj_table_del(&x->by_key, key);

    if (!old)
        return NULL;
    ordered_del(r, key);
    x->bytes -= obj_size(old);
    r->count--;
    resource_ns(r, key->ns)->count--;
    resource_ns_release(r, key->ns);
    return old;
}

void index_each(const struct index *x, str resource, str ns, const struct key *after,
                store_each_fn *fn, void *ctx)
{
    const struct resource *r = map_find(&x->resources, resource);
    struct key from = {resource, ns, STR_NONE};
    size_t i;
    unsigned at;

    if (!r || !r->n_leaves)
        return;
    if (after && key_cmp(after, &from) > 0)
        from = *after;
    i = leaf_of(r, &from);
    at = leaf_seek(r->leaves[i], &from);
    for (; i < r->n_leaves; i++, at = 0) {
        const struct leaf *leaf = r->leaves[i];

        for (; at < leaf->n; at++) {
            const struct obj *o = leaf->items[at];

            if (ns.n && !str_eq(o->key.ns, ns))
                return;
            if (after && key_cmp(&o->key, after) == 0)
                continue;
            if (!fn(ctx, o))
                return;
        }
    }
}
