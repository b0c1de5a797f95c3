/* mem.c - allocation that never fails: out of memory aborts.
 *
 * The store survives a crash and the process is supervised; untested failure branches would be the larger risk. No client
 * chooses a size: input meets named limits before it gets here. */
#include "base/base.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

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

/* Code, constants and symbol tables are mapped 16 pages at a time around each that is needed, and most of them are needed once, at
 * the start or for a flood. They stay in the page cache: what is used again comes back without a read. */
static int forget_code(struct dl_phdr_info *info, size_t size, void *ctx)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t from = (info->dlpi_addr + p->p_vaddr) & ~(page - 1),
                  to = (info->dlpi_addr + p->p_vaddr + p->p_filesz) & ~(page - 1);

        /* Only what cannot have been written: a page that differs from the file would be lost. */
        if (p->p_type == PT_LOAD && !(p->p_flags & PF_W) && from < to)
            madvise((void *)from, to - from, MADV_DONTNEED);
    }
    return 0;
}

void mem_trim(void)
{
    dl_iterate_phdr(forget_code, NULL);
    slab_trim();
    malloc_trim(0);
}
