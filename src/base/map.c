/* map.c - hash map from a byte string to a pointer.
 *
 * Entries stand in insertion order in one array; `index` is an open-addressing table of positions in it (plus one). A
 * deleted entry leaves a hole that the next growth squeezes out. So iteration is an array walk and deterministic. */
#include "base/base.h"

#define MAP_HOLE UINT32_MAX
#define SHRINK_MIN 256 /* entries: less is not worth it */

void map_init(struct map *m)
{
    *m = (struct map){0};
}

void map_fini(struct map *m)
{
    MAP_EACH(e, m)
        free(e->key);
    free(m->entries);
    free(m->index);
    *m = (struct map){0};
}

static struct map_entry *map_slot(const struct map *m, str key, uint32_t hash, uint32_t *ret_at)
{
    if (!m->index)
        return NULL;
    for (uint32_t at = hash & m->mask;; at = (at + 1) & m->mask) {
        struct map_entry *e;

        if (m->index[at] == 0)
            return NULL;
        if (m->index[at] == MAP_HOLE)
            continue;
        e = &m->entries[m->index[at] - 1];
        if (e->hash == hash && e->key_n == key.n && (key.n == 0 || !memcmp(e->key, key.p, key.n))) {
            if (ret_at)
                *ret_at = at;
            return e;
        }
    }
}

static void map_index_add(struct map *m, uint32_t hash, uint32_t position)
{
    uint32_t at = hash & m->mask;

    while (m->index[at] != 0)
        at = (at + 1) & m->mask;
    m->index[at] = position + 1;
}

static void map_rebuild(struct map *m)
{
    uint32_t cap = 8, n = 0;

    while (cap < m->n * 2)
        cap *= 2;
    for (uint32_t i = 0; i < m->n_used; i++)
        if (m->entries[i].key)
            m->entries[n++] = m->entries[i];
    m->n_used = n;
    m->entries = mem_realloc(m->entries, cap * sizeof *m->entries);
    m->cap = cap;
    free(m->index);
    m->mask = cap * 2 - 1;
    m->index = mem_zalloc((size_t)cap * 2 * sizeof *m->index);
    for (uint32_t i = 0; i < n; i++)
        map_index_add(m, m->entries[i].hash, i);
}

void map_shrink(struct map *m)
{
    if (m->cap >= SHRINK_MIN && m->n * 8 < m->cap)
        map_rebuild(m);
}

void *map_find(const struct map *m, str key)
{
    struct map_entry *e = m->n ? map_slot(m, key, (uint32_t)str_hash(key), NULL) : NULL;

    return e ? e->value : NULL;
}

void *map_put(struct map *m, str key, void *value)
{
    uint32_t hash = (uint32_t)str_hash(key);
    struct map_entry *e = map_slot(m, key, hash, NULL);
    void *old = NULL;

    if (e) {
        old = e->value;
        e->value = value;
        return old;
    }
    if (m->n_used == m->cap)
        map_rebuild(m);
    else
        map_shrink(m);
    m->entries[m->n_used] = (struct map_entry){str_dupz(key), (uint32_t)key.n, hash, value};
    map_index_add(m, hash, m->n_used);
    m->n_used++;
    m->n++;
    return NULL;
}

void *map_del(struct map *m, str key)
{
    uint32_t at;
    struct map_entry *e = map_slot(m, key, (uint32_t)str_hash(key), &at);
    void *old;

    if (!e)
        return NULL;
    old = e->value;
    free(e->key);
    *e = (struct map_entry){0};
    m->index[at] = MAP_HOLE;
    m->n--;
    return old;
}
