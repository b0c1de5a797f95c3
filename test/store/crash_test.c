/* crash_test.c - a writer is killed at random moments; every write that it was told is durable is there afterwards.
 *
 * A child process writes through the store, many writes in flight, and reports each acknowledged one through a pipe. The
 * parent kills it after a random while, opens the file, and compares: per key, at least the last acknowledged version. */
#include "test/store/store_test_frame.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 25
#define KEYS 40
#define IN_FLIGHT 16

struct ack {
    int64_t revision;
    int32_t key, deleted;
};
struct lane { /* one write in flight */
    struct writer *w;
    int key;
    enum store_op op;
};
struct writer {
    struct store *s;
    int fd;
    struct lane lanes[IN_FLIGHT];
    uint64_t seed;
    char filler[3000];
};

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static struct err *lane_fn(void *ctx, struct arena *a, const struct obj *current, int64_t revision,
                           struct store_change *ret)
{
    struct lane *l = ctx;

    l->op = current && next_random(&l->w->seed) % 5 == 0 ? STORE_DELETE : STORE_PUT;
    ret->op = l->op;
    ret->data = arena_fmt(a, "%lld %.*s", (long long)revision,
                          (int)(next_random(&l->w->seed) % sizeof l->w->filler), l->w->filler);
    return NULL;
}

static void lane_start(struct lane *l);

static void lane_done(void *ctx, struct err *err, const struct obj *result)
{
    struct lane *l = ctx;
    struct ack ack = {result ? result->revision : 0, l->key, l->op == STORE_DELETE};

    if (err || write(l->w->fd, &ack, sizeof ack) != sizeof ack)
        _exit(1);
    lane_start(l);
}

static void lane_start(struct lane *l)
{
    char name[16];

    l->key = (int)(next_random(&l->w->seed) % KEYS);
    snprintf(name, sizeof name, "k%02d", l->key);
    store_update(l->w->s, pod("a", name), lane_fn, lane_done, l);
}

static void write_until_killed(const char *path, int fd, uint64_t seed)
{
    struct loop *loop = loop_new_uv();
    struct writer *w = NEW(struct writer);
    struct store_options o = {.path = path, .compact_age_ns = 20 * NS_PER_MS, .history_max = 50};

    w->fd = fd;
    w->seed = seed;
    memset(w->filler, 'f', sizeof w->filler);
    if (store_open(loop, &o, &w->s))
        _exit(2);
    for (int i = 0; i < IN_FLIGHT; i++) {
        w->lanes[i].w = w;
        lane_start(&w->lanes[i]);
    }
    loop_run(loop);
    _exit(3);
}

/* One life of the writer; updates what is known to be acknowledged. */
static int one_round(const char *path, struct ack *known, uint64_t *seed)
{
    int fds[2], n = 0, status;
    struct ack ack;
    pid_t pid;

    BUG_ON(pipe(fds));
    pid = fork();
    BUG_ON(pid < 0);
    if (pid == 0) {
        close(fds[0]);
        write_until_killed(path, fds[1], next_random(seed));
    }
    close(fds[1]);
    usleep((useconds_t)(5000 + next_random(seed) % 95000));
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    CHECK(WIFSIGNALED(status)); /* it did not end by itself */
    while (read(fds[0], &ack, sizeof ack) == sizeof ack) {
        if (ack.revision > known[ack.key].revision)
            known[ack.key] = ack;
        n++;
    }
    close(fds[0]);
    return n;
}

static void check_known(struct rig *r, const struct ack *known)
{
    int64_t newest = 0;

    for (int k = 0; k < KEYS; k++) {
        const struct obj *o;
        char name[16], want[32];

        snprintf(name, sizeof name, "k%02d", k);
        o = store_find(r->s, pod("a", name));
        newest = MAX(newest, known[k].revision);
        /* Absent is right if the last known write was a deletion, or an unacknowledged deletion came behind it: then a
         * revision newer than the known one was used. */
        if (!o) {
            CHECK(known[k].revision == 0 || known[k].deleted ||
                  store_revision(r->s) > known[k].revision);
            continue;
        }
        CHECK(o->revision >= known[k].revision);
        CHECK(!(known[k].deleted && o->revision == known[k].revision));
        snprintf(want, sizeof want, "%lld ", (long long)o->revision);
        CHECK(str_has_prefix(o->data, str_of(want)));
    }
    CHECK(store_revision(r->s) >= newest);
}

TEST(crash, a_killed_process_loses_no_acknowledged_write)
{
    struct rig r = {0};
    struct ack known[KEYS] = {0};
    uint64_t seed = UINT64_C(88172645463325252);
    int n = 0;

    rig_open_disk(&r);
    for (int i = 0; i < ROUNDS; i++) {
        rig_close_store(&r);
        n += one_round(r.path, known, &seed);
        rig_open_store(&r);
        check_known(&r, known);
    }
    CHECK(n > ROUNDS * 20);
    printf("%d acknowledged writes in %d lives\n", n, ROUNDS);
    rig_close(&r);
}

TEST_MAIN
