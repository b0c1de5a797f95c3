/* store_bench.c - what durable writes cost: `bench-store [SECONDS] [FOLDER]`.
 *
 * Creates pods of 1.7 KB with 64 in flight, then updates one key from 16 sides, then opens the file again. */
#include "loop/loop.h"
#include "store/store.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define IN_FLIGHT 64
#define DATA_BYTES 1700

struct bench {
    struct loop *loop;
    struct store *s;
    char data[DATA_BYTES];
    int64_t end_ns;
    long n, n_busy;
    bool one_key;
};
struct lane {
    struct bench *b;
    char name[40];
    int64_t start_ns;
};

static int64_t now_ns(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static struct err *fill(void *ctx, struct arena *a, const struct obj *current, int64_t revision,
                        struct store_change *ret)
{
    struct lane *l = ctx;

    ret->op = STORE_PUT;
    ret->data = (str){l->b->data, DATA_BYTES};
    ret->uid = S("6f1c1f0e-7d39-4d9c-8a2e-0d8b6a7c5e4f");
    ret->labels = (str)STR("app\0web\0pod-template-hash\0005d4f8c7b9\0");
    ret->fields = (str)STR("spec.nodeName\0node-1\0status.phase\0Running\0");
    return NULL;
}

static void next(struct lane *l);

static void done(void *ctx, struct err *err, const struct obj *result)
{
    struct lane *l = ctx;

    if (err) {
        fprintf(stderr, "%s\n", err_text(err));
        exit(1);
    }
    l->b->n++;
    if (now_ns(CLOCK_MONOTONIC) < l->b->end_ns)
        next(l);
    else if (--l->b->n_busy == 0)
        loop_stop(l->b->loop);
}

static void next(struct lane *l)
{
    static long serial;

    snprintf(l->name, sizeof l->name, l->b->one_key ? "one" : "web-5d4f8c7b9-%07ld",
             serial++ * 7919 % 10000000);
    store_update(l->b->s, (struct key){S("pods"), S("default"), str_of(l->name)}, fill, done, l);
}

static void measure(struct bench *b, const char *what, int lanes, double seconds)
{
    struct lane *l = mem_zalloc(sizeof *l * (size_t)lanes);
    int64_t wall = now_ns(CLOCK_MONOTONIC), cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    int64_t own = now_ns(CLOCK_THREAD_CPUTIME_ID);
    struct store_stats before, after;

    store_stats(b->s, &before);
    b->n = 0;
    b->n_busy = lanes;
    b->end_ns = wall + (int64_t)(seconds * 1e9);
    for (int i = 0; i < lanes; i++) {
        l[i].b = b;
        next(&l[i]);
    }
    loop_run(b->loop);
    wall = now_ns(CLOCK_MONOTONIC) - wall;
    cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    own = now_ns(CLOCK_THREAD_CPUTIME_ID) - own;
    store_stats(b->s, &after);
    printf("%-40s %8.0f/s  %5.1f writes a commit  %5.1f us CPU each (loop %.1f, disk %.1f)\n", what,
           (double)b->n * 1e9 / (double)wall,
           (double)(after.writes - before.writes) / (double)(after.commits - before.commits),
           (double)cpu / 1e3 / (double)b->n, (double)own / 1e3 / (double)b->n,
           (double)(cpu - own) / 1e3 / (double)b->n);
    mem_free(l);
}

static void stop(void *ctx)
{
    loop_stop(ctx);
}

static void close_store(struct bench *b)
{
    store_close(b->s, stop, b->loop);
    loop_run(b->loop);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
    const char *folder = argc > 2 ? argv[2] : "/tmp";
    struct bench b = {.loop = loop_new_uv()};
    struct buf path = BUF_INIT;
    struct store_options o = {0};
    struct store_stats stats;
    struct rusage usage;
    struct stat st;
    int64_t t;

    buf_fmt(&path, "%s/k1s-bench-store-%d.db", folder, getpid());
    o.path = buf_cstr(&path);
    memset(b.data, 'x', sizeof b.data);
    err_free(store_open(b.loop, &o, &b.s));
    measure(&b, "durable create, 1.7 KB, 64 in flight", IN_FLIGHT, seconds);
    b.one_key = true;
    measure(&b, "durable update of one key, 16 in flight", 16, seconds / 2);
    b.one_key = false;
    measure(&b, "durable create, one at a time", 1, seconds / 4);
    store_stats(b.s, &stats);
    close_store(&b);
    t = now_ns(CLOCK_MONOTONIC);
    err_free(store_open(b.loop, &o, &b.s));
    t = now_ns(CLOCK_MONOTONIC) - t;
    store_stats(b.s, &stats);
    getrusage(RUSAGE_SELF, &usage);
    stat(o.path, &st);
    printf(
        "open with %zu objects: %.1f ms; %zu bytes each in memory, file %lld MB, RSS max %ld MB\n",
        stats.objects, (double)t / 1e6, stats.bytes / stats.objects, (long long)st.st_size >> 20,
        usage.ru_maxrss >> 10);
    close_store(&b);
    loop_free(b.loop);
    unlink(o.path);
    buf_fini(&path);
    return 0;
}
