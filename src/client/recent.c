/* recent.c - see recent.h.
 *
 * Invariants
 *   (1) Items are dense: one that goes is replaced by the last.
 *   (2) older and newer link all items in the order of use; chain links those of one slot of `chains`. */
#include "client/recent.h"

#define NONE 0xffffu
#define CAP_MIN 16

void recent_init(struct recent *m, size_t item_size, uint16_t max, uint32_t keep_s)
{
    BUG_ON(max > RECENT_MAX_MAX || max < CAP_MIN);
    *m = (struct recent){
        .item_size = item_size, .max = max, .keep_s = keep_s, .oldest = NONE, .newest = NONE};
}

void recent_fini(struct recent *m)
{
    mem_free(m->items);
    mem_free(m->chains);
    m->items = NULL;
    m->chains = NULL;
    m->n = m->cap = 0;
    m->oldest = m->newest = NONE;
}

static struct recent_item *at(const struct recent *m, uint16_t i)
{
    return (struct recent_item *)(void *)(m->items + i * m->item_size);
}

static uint16_t *slot(const struct recent *m, const uint32_t hash[2])
{
    return &m->chains[hash[0] % m->cap];
}

static bool is_expired(const struct recent *m, const struct recent_item *it, int64_t now_s)
{
    return now_s - it->used_s > m->keep_s;
}

static uint16_t find(const struct recent *m, uint64_t hash)
{
    const uint32_t halves[2] = {(uint32_t)hash, (uint32_t)(hash >> 32)};
    uint16_t i = m->n ? *slot(m, halves) : NONE;

    while (i != NONE && (at(m, i)->hash[0] != halves[0] || at(m, i)->hash[1] != halves[1]))
        i = at(m, i)->chain;
    return i;
}

void *recent_find(const struct recent *m, uint64_t hash)
{
    uint16_t i = find(m, hash);

    return i == NONE ? NULL : at(m, i);
}

static void resize(struct recent *m, uint16_t cap)
{
    m->items = mem_realloc(m->items, cap * m->item_size);
    mem_free(m->chains);
    m->chains = mem_alloc(cap * sizeof *m->chains);
    m->cap = cap;
    memset(m->chains, 0xff, cap * sizeof *m->chains);
    for (uint16_t i = 0; i < m->n; i++) {
        uint16_t *first = slot(m, at(m, i)->hash);

        at(m, i)->chain = *first;
        *first = i;
    }
}

/* ---- links ---- */

static void order_remove(struct recent *m, struct recent_item *it)
{
    *(it->older == NONE ? &m->oldest : &at(m, it->older)->newer) = it->newer;
    *(it->newer == NONE ? &m->newest : &at(m, it->newer)->older) = it->older;
}

static void order_add(struct recent *m, uint16_t i)
{
    at(m, i)->older = m->newest;
    at(m, i)->newer = NONE;
    *(m->newest == NONE ? &m->oldest : &at(m, m->newest)->newer) = i;
    m->newest = i;
}

/* What of its chain points to position i. */
static uint16_t *chain_to(struct recent *m, uint16_t i)
{
    uint16_t *link = slot(m, at(m, i)->hash);

    while (*link != i)
        link = &at(m, *link)->chain;
    return link;
}

static void forget(struct recent *m, uint16_t i)
{
    uint16_t last = (uint16_t)(m->n - 1);
    struct recent_item *it = at(m, i);

    order_remove(m, it);
    *chain_to(m, i) = it->chain;
    if (i != last) {
        struct recent_item *moved = at(m, last);

        *chain_to(m, last) = i;
        *(moved->older == NONE ? &m->oldest : &at(m, moved->older)->newer) = i;
        *(moved->newer == NONE ? &m->newest : &at(m, moved->newer)->older) = i;
        memcpy(it, moved, m->item_size);
    }
    m->n--;
}

/* ---- use ---- */

void *recent_use(struct recent *m, uint64_t hash, int64_t now_s, int64_t *ret_idle_s)
{
    uint16_t i = find(m, hash), *first;
    struct recent_item *it;

    if (i != NONE && is_expired(m, at(m, i), now_s)) {
        forget(m, i);
        i = NONE;
    }
    if (i != NONE) {
        it = at(m, i);
        order_remove(m, it);
        *ret_idle_s = now_s - it->used_s;
    } else {
        if (m->n == m->max)
            forget(m, m->oldest);
        else if (m->n == m->cap)
            resize(m, (uint16_t)MIN(m->cap ? m->cap * 2u : CAP_MIN, m->max));
        i = m->n++;
        it = at(m, i);
        memset(it, 0, m->item_size);
        it->hash[0] = (uint32_t)hash;
        it->hash[1] = (uint32_t)(hash >> 32);
        first = slot(m, it->hash);
        it->chain = *first;
        *first = i;
        *ret_idle_s = -1;
    }
    it->used_s = (uint32_t)now_s;
    order_add(m, i);
    return it;
}

int64_t recent_expire(struct recent *m, int64_t now_s)
{
    while (m->n && is_expired(m, at(m, m->oldest), now_s))
        forget(m, m->oldest);
    if (!m->n) {
        recent_fini(m);
        return -1;
    }
    if (m->cap > CAP_MIN && m->n <= m->cap / 4)
        resize(m, (uint16_t)MAX(m->n * 2, CAP_MIN));
    return (int64_t)at(m, m->oldest)->used_s + m->keep_s + 1;
}
