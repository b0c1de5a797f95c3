/* arena.c - many small allocations that die together.
 *
 * Blocks grow geometrically from 4 KiB to 256 KiB; larger requests get a block of their own. arena_reset() keeps the
 * first block, so that a pooled arena serves the usual request without touching malloc. */
#include "base/base.h"

#define ARENA_BLOCK_MIN ((size_t)4096)
#define ARENA_BLOCK_MAX ((size_t)256 << 10)
#define ARENA_ALIGN ((size_t)16)

struct arena_block {
    struct arena_block *next;
    size_t cap, used;
    size_t pad; /* keeps data 16-aligned */
    char data[];
};

struct arena_end {
    struct arena_end *next;
    void (*fn)(void *ctx);
    void *ctx;
};

struct arena {
    struct arena_block *first, *last;
    size_t n_out;
    struct arena_end *ends; /* newest first */
};

static struct arena_block *block_new(size_t cap)
{
    struct arena_block *b = mem_alloc(sizeof *b + cap);

    b->next = NULL;
    b->cap = cap;
    b->used = 0;
    b->pad = 0;
    return b;
}

struct arena *arena_new(void)
{
    /* The arena lives at the start of its own first block: one malloc for a small request. */
    struct arena_block *b = block_new(ARENA_BLOCK_MIN - sizeof *b);
    struct arena *a = (struct arena *)(void *)b->data;

    b->used = (sizeof *a + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
    a->first = a->last = b;
    a->n_out = 0;
    a->ends = NULL;
    return a;
}

void arena_at_end(struct arena *a, void (*fn)(void *ctx), void *ctx)
{
    struct arena_end *e = arena_alloc(a, sizeof *e);

    *e = (struct arena_end){a->ends, fn, ctx};
    a->ends = e;
}

static void run_ends(struct arena *a)
{
    struct arena_end *e = a->ends;

    a->ends = NULL;
    for (; e; e = e->next)
        e->fn(e->ctx);
}

void arena_reset(struct arena *a)
{
    struct arena_block *b;

    run_ends(a);
    b = a->first->next;
    while (b) {
        struct arena_block *next = b->next;

        free(b);
        b = next;
    }
    a->first->next = NULL;
    a->first->used = (sizeof *a + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
    a->last = a->first;
    a->n_out = 0;
}

void arena_free(struct arena *a)
{
    struct arena_block *b = a ? a->first : NULL;

    if (a)
        run_ends(a);
    while (b) {
        struct arena_block *next = b->next;

        free(b);
        b = next;
    }
}

void *arena_alloc(struct arena *a, size_t size)
{
    struct arena_block *b = a->last;
    void *p;

    BUG_ON(size > SIZE_MAX / 2);
    size = (size + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
    if (size > b->cap - b->used) {
        size_t cap = MIN(MAX(b->cap * 2, ARENA_BLOCK_MIN), ARENA_BLOCK_MAX);

        b = block_new(MAX(cap, size));
        a->last->next = b;
        a->last = b;
    }
    p = b->data + b->used;
    b->used += size;
    a->n_out += size;
    return p;
}

void *arena_zalloc(struct arena *a, size_t size)
{
    void *p = arena_alloc(a, size);

    memset(p, 0, size);
    return p;
}

void *arena_grow(struct arena *a, void *p, size_t old_size, size_t new_size)
{
    struct arena_block *b = a->last;
    size_t old_room = (old_size + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1), more;
    void *q;

    if (new_size <= old_room)
        return p;
    more = ((new_size + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1)) - old_room;
    if (p && old_room && (char *)p + old_room == b->data + b->used && more <= b->cap - b->used) {
        b->used += more;
        a->n_out += more;
        return p;
    }
    q = arena_alloc(a, new_size);
    if (old_size)
        memcpy(q, p, old_size);
    return q;
}

char *arena_dupz(struct arena *a, str s)
{
    char *z = arena_alloc(a, s.n + 1);

    if (s.n)
        memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    return z;
}

str arena_dup(struct arena *a, str s)
{
    return (str){arena_dupz(a, s), s.n};
}

str arena_vfmt(struct arena *a, const char *fmt, va_list ap)
{
    struct arena_block *b = a->last;
    char *here = b->data + b->used, *z;
    va_list again;
    int n;

    va_copy(again, ap);
    n = vsnprintf(here, b->cap - b->used, fmt,
                  ap); /* usually what is left of the block is enough */
    BUG_ON(n < 0);
    z = arena_alloc(a, (size_t)n + 1);
    if (z != here)
        vsnprintf(z, (size_t)n + 1, fmt, again);
    va_end(again);
    return (str){z, (size_t)n};
}

str arena_fmt(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    str s;

    va_start(ap, fmt);
    s = arena_vfmt(a, fmt, ap);
    va_end(ap);
    return s;
}

size_t arena_used(const struct arena *a)
{
    return a->n_out;
}
