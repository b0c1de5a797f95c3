/* fuzz_main.c - a fuzz target as an ordinary test: its seeds, whole and changed at random, for about FUZZ_SECONDS (1).
 *
 * Without libFuzzer nothing guides it, but it runs in every build, under every sanitizer, wherever the tests do. The input
 * that ends the process is left in fuzz-crash-NAME. With --seeds DIR the seeds are written there, as files for libFuzzer. */
#include "test/fuzz/fuzz.h"

#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define INPUT_MAX 4096u
#define BATCH 50 /* inputs between looks at the clock */

static uint8_t input[INPUT_MAX];
static size_t input_n;
static char crash_path[256];
static uint64_t state = 88172645463325252u;

static uint32_t below(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return n ? (uint32_t)(state >> 32) % n : 0;
}

static void leave_input(int signum)
{
    int fd = open(crash_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    if (fd >= 0 && write(fd, input, input_n) < 0)
        fd = -1;
    signal(signum, SIG_DFL);
    raise(signum);
}

static const str nothing[] = {{"", 0}, {NULL, 0}};
static const str *seeds = nothing;

static size_t count_seeds(void)
{
    size_t n = 0;

    if (fuzz_seeds)
        seeds = fuzz_seeds;
    while (seeds[n].p)
        n++;
    return n;
}

static void take_seed(size_t i)
{
    input_n = MIN(seeds[i].n, (size_t)INPUT_MAX);
    if (input_n)
        memcpy(input, seeds[i].p, input_n);
}

static void insert(size_t at, const void *p, size_t n)
{
    n = MIN(n, INPUT_MAX - input_n);
    memmove(input + at + n, input + at, input_n - at);
    memmove(input + at, p, n);
    input_n += n;
}

static void change(size_t n_seeds)
{
    static const char *const pieces[] = {
        "{",  "}", "[",     "]",       "\"",     "\\", ":",   ",",    "null", "true",
        "-1", "0", "1e999", "\\u0000", "$patch", "f:", "k:{", "\xff", "\r\n", "%00",
        "*/", "@", "(",     ")",       "=",      "!",  "..",  "- ",   "\n\n", "\x80"};
    size_t at = below((uint32_t)input_n + 1), n = 1 + below(16);
    const char *piece;
    uint8_t copy[64];
    str other;

    switch (below(7)) {
    case 0:
        if (at < input_n)
            input[at] = (uint8_t)below(256);
        break;
    case 1:
        if (at < input_n)
            input[at] ^= (uint8_t)(1u << below(8));
        break;
    case 2: /* cut out */
        n = MIN(n, input_n - at);
        memmove(input + at, input + at + n, input_n - at - n);
        input_n -= n;
        break;
    case 3:                       /* repeat */
        n = MIN(n, input_n - at); /* at most 16 */
        memcpy(copy, input + at, n);
        insert(at, copy, n);
        break;
    case 4:
        piece = pieces[below(ARRAY_LEN(pieces))];
        insert(at, piece, strlen(piece));
        break;
    case 5: /* a part of another seed */
        other = seeds[below((uint32_t)n_seeds)];
        other = str_skip(other, below((uint32_t)other.n + 1));
        insert(at, other.p, MIN(other.n, (size_t)below(200)));
        break;
    default:
        input_n = at;
    }
}

static double now_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int write_seeds(const char *dir)
{
    for (size_t i = 0; seeds[i].p; i++) {
        CLEANUP(buf) struct buf path = BUF_INIT;
        FILE *f;

        buf_fmt(&path, "%s/seed-%zu", dir, i);
        f = fopen(path.p, "wb");
        if (!f || fwrite(seeds[i].p, 1, seeds[i].n, f) != seeds[i].n || fclose(f))
            return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *seconds = getenv("FUZZ_SECONDS"), *name = strrchr(argv[0], '/');
    size_t n_seeds = count_seeds(), n = 0;
    double end;

    if (argc == 3 && !strcmp(argv[1], "--seeds"))
        return write_seeds(argv[2]);
    snprintf(crash_path, sizeof crash_path, "fuzz-crash-%s", name ? name + 1 : argv[0]);
    signal(SIGABRT, leave_input);
    signal(SIGSEGV, leave_input);
    signal(SIGBUS, leave_input);
    signal(SIGFPE, leave_input);
    if (argc == 2) { /* an input that was left */
        FILE *f = fopen(argv[1], "rb");

        input_n = f ? fread(input, 1, sizeof input, f) : 0;
        LLVMFuzzerTestOneInput(input, input_n);
        return 0;
    }
    for (size_t i = 0; i < n_seeds; i++) {
        take_seed(i);
        LLVMFuzzerTestOneInput(input, input_n);
    }
    end = now_s() + (seconds ? strtod(seconds, NULL) : 0.5);
    do {
        for (int i = 0; i < BATCH; i++) {
            take_seed(below((uint32_t)n_seeds));
            for (uint32_t changes = 1 + below(6); changes; changes--)
                change(n_seeds);
            LLVMFuzzerTestOneInput(input, input_n);
            n++;
        }
    } while (now_s() < end);
    printf("%zu inputs\n1 passed, 0 failed, 0 skipped\n", n + n_seeds);
    return 0;
}
