/* loop_virtual.c - the virtual environment: one thread, a clock that jumps, a seed.
 *
 * Everything that happens is an event in one heap ordered by (time, sequence): timers, posted and deferred functions,
 * arriving bytes, finished pool work. Running is taking the first event, setting the clock to its time and calling it,
 * so a run depends on nothing but the seed and the code.
 *
 * Invariants
 *   (1) The clock never goes back, and moves only between events.
 *   (2) Functions deferred or posted run in order, after what was due already.
 *   (3) Random numbers come from one generator, drawn in the order of execution.
 *
 * Not here: listeners, connections and datagrams (virtual_net.c), files (virtual_file.c). */
#include "loop/virtual_internal.h"

#include <pthread.h>

#define POOL_WORK_NS                                                                               \
    1000 /* what pool work takes at least: its completion is always a later event */

/* ---- xoshiro256**, seeded by splitmix64. https://prng.di.unimi.it/ ---- */
static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

static uint64_t xoshiro(uint64_t s[4])
{
    uint64_t result = rotate_left(s[1] * 5, 7) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

static void virtual_random(struct loop *loop, void *p, size_t n)
{
    struct virtual_env *env = virtual_env_of(loop);
    char *out = p;

    while (n) {
        uint64_t v = xoshiro(env->rng);
        size_t k = MIN(n, sizeof v);

        memcpy(out, &v, k);
        out += k;
        n -= k;
    }
}

/* ---- clock ---- */
static int64_t virtual_now(const struct loop *loop)
{
    return ((const struct virtual_env *)loop)->now_ns;
}

static int64_t virtual_wall(const struct loop *loop)
{
    const struct virtual_env *env = (const struct virtual_env *)loop;

    return env->start.ns + env->now_ns;
}

/* ---- events that are freed by running ---- */
struct once {
    struct loop_event event; /* first */
    loop_fn *fn;
    void *ctx;
    struct virtual_env *env;
};

static void run_once(void *ctx)
{
    struct once *o = ctx;
    loop_fn *fn = o->fn;
    void *fn_ctx = o->ctx;

    o->env->n_once--;
    mem_free(o);
    fn(fn_ctx);
}

static void virtual_at(struct loop *loop, int64_t due_ns, loop_fn *fn, void *ctx)
{
    struct virtual_env *env = virtual_env_of(loop);
    struct once *o = NEW(struct once);

    BUG_ON(!loop_is_mine(loop)); /* there are no other threads in this world */
    o->env = env;
    o->fn = fn;
    o->ctx = ctx;
    o->event.fn = run_once;
    o->event.ctx = o;
    env->n_once++;
    event_heap_put(&loop->events, &o->event, MAX(due_ns, env->now_ns));
}

static void virtual_defer(struct loop *loop, loop_fn *fn, void *ctx)
{
    virtual_at(loop, virtual_now(loop), fn, ctx);
}

static bool virtual_post(struct loop *loop, loop_fn *fn, void *ctx)
{
    if (virtual_env_of(loop)->closed)
        return false;
    virtual_defer(loop, fn, ctx);
    return true;
}

static int64_t virtual_latency(struct loop *loop)
{
    struct virtual_env *env = virtual_env_of(loop);
    int64_t span = env->faults.max_latency_ns - env->faults.min_latency_ns;

    if (span <= 0)
        return env->faults.min_latency_ns;
    return env->faults.min_latency_ns + (int64_t)(xoshiro(env->rng) % (uint64_t)(span + 1));
}

static bool virtual_is_unlucky(struct loop *loop)
{
    struct virtual_env *env = virtual_env_of(loop);

    return env->faults.fail_ppm && xoshiro(env->rng) % 1000000 < env->faults.fail_ppm;
}

static void virtual_pool_run(struct loop *loop, pool_work_fn *work, loop_fn *done, void *ctx)
{
    work(ctx);
    if (done)
        virtual_at(loop, virtual_now(loop) + POOL_WORK_NS + virtual_latency(loop), done, ctx);
}

/* ---- running ---- */
/* Runs the first event if it is due before until_ns. */
static bool virtual_step(struct virtual_env *env, int64_t until_ns)
{
    struct loop_event *e = event_heap_first(&env->base.events);

    if (!e || e->due_ns >= until_ns)
        return false;
    event_heap_del(&env->base.events, e);
    env->now_ns = MAX(env->now_ns, e->due_ns);
    e->fn(e->ctx);
    return true;
}

static void virtual_run(struct loop *loop)
{
    struct virtual_env *env = virtual_env_of(loop);

    env->stopped = false;
    while (!env->stopped && virtual_step(env, INT64_MAX))
        ;
}

static void virtual_stop(struct loop *loop)
{
    virtual_env_of(loop)->stopped = true;
}

void loop_virtual_run(struct loop *loop, int64_t until_ns, bool (*stop)(void *ctx), void *ctx)
{
    struct virtual_env *env = virtual_env_of(loop);

    BUG_ON(!loop_is_virtual(loop));
    do {
        if (stop && stop(ctx))
            return;
    } while (virtual_step(env, until_ns));
    env->now_ns = MAX(env->now_ns, until_ns);
}

int64_t loop_virtual_elapsed_ns(const struct loop *loop)
{
    BUG_ON(!loop_is_virtual(loop));
    return virtual_now(loop);
}

void loop_virtual_faults(struct loop *loop, const struct virtual_faults *f)
{
    BUG_ON(!loop_is_virtual(loop));
    virtual_env_of(loop)->faults = *f;
}

static void virtual_free(struct loop *loop)
{
    struct virtual_env *env = virtual_env_of(loop);

    /* Functions still queued belong to things that are gone; only their envelopes are freed. */
    for (size_t i = 0; i < loop->events.n; i++)
        if (loop->events.items[i]->fn == run_once)
            mem_free(loop->events.items[i]->ctx);
    event_heap_fini(&loop->events);
    map_fini(&env->listeners);
    map_fini(&env->udps);
    virtual_files_fini(env);
    env->closed = true;
}

static void virtual_dispose(struct loop *loop)
{
    mem_free(virtual_env_of(loop));
}

static const struct loop_ops virtual_ops = {
    .free = virtual_free,
    .dispose = virtual_dispose,
    .run = virtual_run,
    .stop = virtual_stop,
    .now = virtual_now,
    .wall = virtual_wall,
    .random = virtual_random,
    .post = virtual_post,
    .defer = virtual_defer,
    .at = virtual_at,
    .pool_run = virtual_pool_run,
    .listen = virtual_listen,
    .connect = virtual_connect,
    .udp_open = virtual_udp_open,
    .file_read = virtual_file_read,
    .file_write = virtual_file_write,
    .file_mkdir_all = virtual_file_mkdir_all,
    .file_exists = virtual_file_exists,
    .file_append = virtual_file_append,
    .file_rename = virtual_file_rename,
    .file_remove = virtual_file_remove,
    .file_list = virtual_file_list,
    .latency = virtual_latency,
    .is_unlucky = virtual_is_unlucky,
};

struct loop *loop_new_virtual(uint64_t seed, wall_time start)
{
    struct virtual_env *env = NEW(struct virtual_env);

    env->base.ops = &virtual_ops;
    env->base.refs = 1;
    env->base.owner = pthread_self();
    env->base.is_virtual = true;
    env->start = start;
    for (int i = 0; i < 4; i++)
        env->rng[i] = splitmix64(&seed);
    env->next_port = VIRTUAL_PORT_FIRST;
    map_init(&env->listeners);
    map_init(&env->udps);
    map_init(&env->files);
    return &env->base;
}
