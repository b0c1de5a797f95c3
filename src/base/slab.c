/* slab.c - memory for what lives long among what does not: blocks of a few hundred bytes to some kilobytes.
 *
 * Stored objects and what a request needs for a moment are of like sizes. In one heap each object would take the front of a
 * hole that a request left behind, and the rest, too small for the next object, would stay: a fifth of the memory. So objects
 * have slabs of their own, cut into units; a block is a run of units, found where the one before it ended.
 *
 * Invariants
 *   (1) A slab lies at a multiple of its size, so that a block tells its slab.
 *   (2) One word of `used` is one page: pages without a block go back to the system in slab_trim(), slabs without one at once.
 *   (3) max_run is never less than the longest run of free units.
 *
 * Large blocks are malloc's, and under a sanitizer all are: it wants to see each of them. */
#include "base/base.h"

#include <pthread.h>
#include <sys/mman.h>

#define SLAB_SIZE ((size_t)256 << 10)
#define UNIT ((size_t)64)
#define UNITS (SLAB_SIZE / UNIT)
#define PAGE ((size_t)4096)
#define PAGES (SLAB_SIZE / PAGE)
#define LARGE ((size_t)32 << 10) /* bytes; from here on blocks are malloc's */
#define WORTH (UNITS / 16)       /* free units that make a slab worth a search */

_Static_assert(PAGE / UNIT == 64 && PAGES == 64, "a word of bits per page, and one for all pages");

struct slab {
    struct list link;
    uint32_t n_free, max_run, next; /* units */
    uint64_t released;              /* a bit per page that the system has */
    uint64_t used[PAGES];           /* a bit per unit */
};

static struct {
    pthread_mutex_t lock;
    struct list slabs;
    struct slab *current;
    size_t n;
} heap = {.lock = PTHREAD_MUTEX_INITIALIZER};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static bool is_large(size_t size)
{
    return SANITIZED || size >= LARGE;
}

/* Sets or clears a run of bits. */
static void mark(struct slab *s, uint32_t at, uint32_t n, bool used)
{
    while (n) {
        uint32_t bit = at % 64, k = MIN(n, 64 - bit);
        uint64_t mask = (k == 64 ? ~(uint64_t)0 : (((uint64_t)1 << k) - 1)) << bit;

        if (used) {
            s->used[at / 64] |= mask;
            s->released &= ~((uint64_t)1 << at / 64);
        } else {
            s->used[at / 64] &= ~mask;
        }
        at += k;
        n -= k;
    }
}

/* The next free unit from `at` on, or the next used one; UNITS: none. */
static uint32_t seek(const struct slab *s, uint32_t at, bool used)
{
    while (at < UNITS) {
        uint64_t w = used ? s->used[at / 64] : ~s->used[at / 64];

        w &= ~(uint64_t)0 << at % 64;
        if (w)
            return at / 64 * 64 + (uint32_t)__builtin_ctzll(w);
        at = at / 64 * 64 + 64;
    }
    return UNITS;
}

/* A run of n free units within [from, to), or UNITS; *longest grows to the longest run seen. */
static uint32_t find_run(const struct slab *s, uint32_t from, uint32_t to, uint32_t n,
                         uint32_t *longest)
{
    for (uint32_t at = seek(s, from, false), end; at < to; at = seek(s, end, false)) {
        end = seek(s, at, true);
        if (end - at >= n)
            return at;
        *longest = MAX(*longest, end - at);
    }
    return UNITS;
}

static void *take(struct slab *s, uint32_t n)
{
    uint32_t longest = 0, at;

    if (s->n_free < n || s->max_run < n)
        return NULL;
    at = find_run(s, s->next, UNITS, n, &longest);
    if (at == UNITS)
        at = find_run(s, 0, s->next, n, &longest);
    if (at == UNITS) {
        s->max_run = longest;
        return NULL;
    }
    mark(s, at, n, true);
    s->n_free -= n;
    s->next = at + n == UNITS ? 0 : at + n;
    return (char *)s + at * UNIT;
}

static struct slab *slab_new(void)
{
    const uint32_t head = (sizeof(struct slab) + UNIT - 1) / UNIT;
    char *p = mmap(NULL, 2 * SLAB_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t before;
    struct slab *s;

    if (p == MAP_FAILED)
        return NULL;
    before = (SLAB_SIZE - (uintptr_t)p % SLAB_SIZE) % SLAB_SIZE;
    if (before)
        munmap(p, before);
    munmap(p + before + SLAB_SIZE, SLAB_SIZE - before);
    s = (struct slab *)(void *)(p + before); /* zeroed */
    s->released = ~(uint64_t)0;
    s->n_free = s->max_run = UNITS;
    mark(s, 0, head, true);
    s->n_free -= head;
    s->next = head;
    if (!heap.slabs.next)
        list_init(&heap.slabs);
    list_add_tail(&heap.slabs, &s->link);
    heap.n++;
    return s;
}

static void *take_anywhere(uint32_t n)
{
    void *p = heap.current ? take(heap.current, n) : NULL;
    struct slab *s;

    if (p || !heap.n)
        return p;
    LIST_EACH(s, &heap.slabs, link) {
        if (s->n_free < WORTH || s->max_run < n)
            continue;
        p = take(s, n);
        if (p) {
            heap.current = s;
            return p;
        }
    }
    return NULL;
}

void *slab_alloc(size_t size)
{
    uint32_t n = (uint32_t)((size + UNIT - 1) / UNIT);
    void *p;

    if (is_large(size))
        return mem_alloc(size);
    pthread_mutex_lock(&heap.lock);
    p = take_anywhere(n);
    if (!p) {
        heap.current = slab_new();
        p = heap.current ? take(heap.current, n) : NULL;
    }
    pthread_mutex_unlock(&heap.lock);
    BUG_ON(!p); /* out of memory, which aborts as everywhere */
    return p;
}

void slab_free(void *p, size_t size)
{
    struct slab *s = (struct slab *)((uintptr_t)p & ~(SLAB_SIZE - 1));
    uint32_t n = (uint32_t)((size + UNIT - 1) / UNIT);

    if (is_large(size)) {
        mem_free(p);
        return;
    }
    pthread_mutex_lock(&heap.lock);
    mark(s, (uint32_t)((size_t)((char *)p - (char *)s) / UNIT), n, false);
    s->n_free += n;
    s->max_run = UNITS;
    if (s->n_free == UNITS - (sizeof *s + UNIT - 1) / UNIT && s != heap.current) {
        list_del(&s->link);
        heap.n--;
        munmap(s, SLAB_SIZE);
    }
    pthread_mutex_unlock(&heap.lock);
}

void slab_trim(void)
{
    struct slab *s;

    pthread_mutex_lock(&heap.lock);
    if (heap.n)
        LIST_EACH(s, &heap.slabs, link)
            for (uint32_t i = 0; i < PAGES; i++)
                if (!s->used[i] && !(s->released >> i & 1) &&
                    madvise((char *)s + i * PAGE, PAGE, MADV_DONTNEED) == 0)
                    s->released |= (uint64_t)1 << i;
    pthread_mutex_unlock(&heap.lock);
}
