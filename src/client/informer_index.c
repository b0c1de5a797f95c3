/* informer_index.c - objects of a cache by keys that their owner makes: a pod by its node, by its controller.
 *
 * A bucket per key, an array of slots; each object knows its slots, so that it leaves them without a search. */
#include "client/informer_internal.h"

struct slot {
    struct cached *cached;
    uint32_t place; /* index into cached->places */
};
struct bucket {
    struct slot *slots;
    uint32_t n, cap;
    size_t key_n;
    char key[];
};

void informer_index_remove(struct informer *i, struct cached *c)
{
    for (uint32_t n = 0; n < c->n_places; n++) {
        struct bucket *b = c->places[n].bucket;
        uint32_t at = c->places[n].at;

        b->slots[at] = b->slots[--b->n];
        b->slots[at].cached->places[b->slots[at].place].at = at;
        if (!b->n) {
            map_del(&i->buckets, (str){b->key, b->key_n});
            mem_free(b->slots);
            mem_free(b);
        }
    }
    mem_free(TAKE(c->places));
    c->n_places = 0;
}

static void index_place(struct informer *i, struct cached *c, uint32_t n, str key)
{
    struct bucket *b = map_find(&i->buckets, key);

    if (!b) {
        b = mem_zalloc(sizeof *b + key.n + 1);
        b->key_n = key.n;
        memcpy(b->key, key.p, key.n);
        map_put(&i->buckets, key, b);
    }
    if (b->n == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 2;
        b->slots = mem_realloc(b->slots, b->cap * sizeof *b->slots);
    }
    c->places[n] = (struct place){b, b->n};
    b->slots[b->n++] = (struct slot){c, n};
}

void informer_index_add(struct informer *i, struct cached *c, const struct json *tree)
{
    CLEANUP(buf) struct buf keys = BUF_INIT;
    uint32_t n = 0;
    str rest, key;

    if (!i->o.index)
        return;
    i->o.index(c->obj, tree, &keys);
    if (!keys.n)
        return;
    if (keys.p[keys.n - 1] == '\0')
        keys.n--;
    for (rest = buf_view(&keys); str_cut(&rest, '\0', &key);)
        n++;
    c->places = mem_alloc(n * sizeof *c->places);
    for (rest = buf_view(&keys); str_cut(&rest, '\0', &key);)
        index_place(i, c, c->n_places++, key);
}

void informer_index_fini(struct informer *i)
{
    MAP_EACH(e, &i->buckets) {
        struct bucket *b = e->value;

        mem_free(b->slots);
        mem_free(b);
    }
    map_fini(&i->buckets);
}

void informer_each_indexed(const struct informer *i, str index_key, informer_each_fn *fn, void *ctx)
{
    const struct bucket *b = map_find(&i->buckets, index_key);

    for (uint32_t n = 0; b && n < b->n; n++)
        if (!fn(ctx, b->slots[n].cached->obj))
            return;
}

const struct json **informer_trees_indexed(const struct informer *i, str index_key, struct arena *a,
                                           const char *who, size_t *ret_n)
{
    const struct bucket *b = map_find(&i->buckets, index_key);
    const struct json **trees = ARENA_NEW_N(a, const struct json *, b ? b->n : 0);

    *ret_n = 0;
    for (uint32_t n = 0; b && n < b->n; n++) {
        const struct obj *o = b->slots[n].cached->obj;
        struct json *tree;
        struct err *e = json_parse(a, o->data, NULL, NULL, &tree);

        if (!e) {
            trees[(*ret_n)++] = tree;
            continue;
        }
        log_error(who, PRI_STR "/" PRI_STR ": %s", STR_ARG(o->key.ns), STR_ARG(o->key.name),
                  err_text(e));
        err_free(e);
    }
    return trees;
}
