/* mem.c - allocation that never fails: out of memory aborts.
 *
 * The store survives a crash and the process is supervised; untested failure branches would be the larger risk. No client
 * chooses a size: input meets named limits before it gets here. */
#include "base/base.h"

#include <malloc.h>

static NORETURN void out_of_memory(size_t size)
{
    fprintf(stderr, "k1s: out of memory (%zu bytes)\n", size);
    abort();
}

void bug_abort(const char *file, int line, const char *what)
{
    fprintf(stderr, "k1s: bug at %s:%d: %s\n", file, line, what);
    abort();
}

void *mem_alloc(size_t size)
{
    void *p = malloc(size ? size : 1);

    if (!p)
        out_of_memory(size);
    return p;
}

void *mem_zalloc(size_t size)
{
    void *p = calloc(1, size ? size : 1);

    if (!p)
        out_of_memory(size);
    return p;
}

void *mem_realloc(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);

    if (!p)
        out_of_memory(size);
    return p;
}

void *mem_dup(const void *p, size_t size)
{
    void *copy = mem_alloc(size);

    if (size)
        memcpy(copy, p, size);
    return copy;
}

char *mem_strdup(const char *s)
{
    return mem_dup(s, strlen(s) + 1);
}

void mem_free(void *p)
{
    free(p);
}

void mem_trim(void)
{
    slab_trim();
    malloc_trim(0);
}
