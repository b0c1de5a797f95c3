/* test.c - runs the registered tests of one binary; see test.h. */
#include "test/test.h"
#include "test_config.h"

#include <sys/stat.h>
#include <unistd.h>

static const struct test_case *cases[4096];
static size_t n_cases;
static bool failed, skipped;
static const struct test_case *running;

void test_register(const struct test_case *c)
{
    BUG_ON(n_cases == ARRAY_LEN(cases));
    cases[n_cases++] = c;
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
    va_list ap;

    failed = true;
    printf("FAIL %s.%s %s:%d: ", running->suite, running->name, file, line);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

void test_skip(const char *fmt, ...)
{
    va_list ap;

    skipped = true;
    printf("SKIP %s.%s: ", running->suite, running->name);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

void test_check_str(const char *file, int line, str got, str want)
{
    if (!str_eq(got, want))
        test_fail(file, line, "got:\n  " PRI_STR "\nwant:\n  " PRI_STR, STR_ARG(got),
                  STR_ARG(want));
}

const char *test_shared(const char *sub)
{
    static char path[PATH_MAX];
    const char *root = getenv("K1S_SHARED");
    struct stat st;

    snprintf(path, sizeof path, "%s/%s", root ? root : K1S_SHARED_DEFAULT, sub);
    return stat(path, &st) == 0 ? path : NULL;
}

bool test_read_file(const char *path, struct buf *b)
{
    FILE *f = fopen(path, "rb");
    char chunk[65536];
    size_t n;

    if (!f)
        return false;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_add(b, chunk, n);
    fclose(f);
    return true;
}

int test_main(int argc, char **argv)
{
    int n_passed = 0, n_failed = 0, n_skipped = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < n_cases; i++) {
        char name[512];
        bool wanted = argc < 2;

        running = cases[i];
        snprintf(name, sizeof name, "%s.%s", running->suite, running->name);
        for (int k = 1; k < argc; k++)
            wanted |= strstr(name, argv[k]) != NULL;
        if (!wanted)
            continue;
        failed = skipped = false;
        running->fn();
        if (failed)
            n_failed++;
        else if (skipped)
            n_skipped++;
        else
            n_passed++;
    }
    printf("%d passed, %d failed, %d skipped\n", n_passed, n_failed, n_skipped);
    return n_failed ? 1 : 0;
}
