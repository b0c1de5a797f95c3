/* loop_uv.c - the real loop: libuv below, one turn at a time.
 *
 * A turn is: timers, deferred functions, wait, I/O callbacks, deferred functions, then the writes that the turn
 * collected go out, one writev per stream (uv_stream.c).
 *
 * Invariants
 *   (1) All timers live in one heap (loop.c); libuv knows only the first of them.
 *   (2) `busy` is active exactly while `deferred` or `flush` has something in it, so the loop never waits then.
 *   (3) Only `posted` and the wake-up are touched by other threads. */
#include "loop/uv_internal.h"

#include <signal.h>
#include <sys/random.h>
#include <time.h>

#define THREAD_STACK (1u << 20) /* bytes; of loop threads */

static int64_t clock_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static int64_t uv_env_now(const struct loop *loop)
{
    struct uv_env *env = uv_env_of((struct loop *)loop);

    /* Another thread may ask what time it is, but the turn's clock is the loop's own. */
    if (!loop_is_mine(loop))
        return clock_ns(CLOCK_MONOTONIC);
    if (!env->now_ns)
        env->now_ns = clock_ns(CLOCK_MONOTONIC);
    return env->now_ns;
}

static int64_t uv_env_wall(const struct loop *loop)
{
    return clock_ns(CLOCK_REALTIME);
}

static void uv_env_random(struct loop *loop, void *p, size_t n)
{
    struct uv_env *env = uv_env_of(loop);
    unsigned char *out = p;

    while (n) {
        size_t k;

        if (env->n_random == 0) {
            BUG_ON(getrandom(env->random, sizeof env->random, 0) != sizeof env->random);
            env->n_random = sizeof env->random;
        }
        k = MIN(n, env->n_random);
        memcpy(out, env->random + sizeof env->random - env->n_random, k);
        explicit_bzero(env->random + sizeof env->random - env->n_random, k);
        env->n_random -= k;
        out += k;
        n -= k;
    }
}

void uv_env_hold(struct uv_env *env)
{
    if (env->holds++ == 0)
        uv_ref((uv_handle_t *)&env->wake);
}

void uv_env_release(struct uv_env *env)
{
    BUG_ON(env->holds == 0);
    if (--env->holds == 0)
        uv_unref((uv_handle_t *)&env->wake);
}

/* ---- turns ---- */
static void busy_cb(uv_idle_t *handle) {}

void uv_env_busy(struct uv_env *env)
{
    uv_idle_start(&env->busy, busy_cb); /* nothing when active already */
}

static void end_of_turn(struct uv_env *env)
{
    struct fn_queue run = env->deferred;

    /* What these functions defer waits for the next turn, or I/O would starve. */
    env->deferred = env->deferring;
    env->deferring = (struct fn_queue){NULL, 0, 0};
    for (size_t i = 0; i < run.n; i++)
        run.items[i].fn(run.items[i].ctx);
    fn_queue_clear(&run);
    env->deferring = run;
    uv_flush_streams(env);
    if (env->deferred.n == 0 && list_is_empty(&env->flush) && list_is_empty(&env->settle))
        uv_idle_stop(&env->busy);
}

static void before_wait_cb(uv_prepare_t *handle)
{
    struct uv_env *env = handle->data;

    end_of_turn(env);
    env->now_ns = 0;
}

static void after_io_cb(uv_check_t *handle)
{
    end_of_turn(handle->data);
}

static void uv_env_defer(struct loop *loop, loop_fn *fn, void *ctx)
{
    struct uv_env *env = uv_env_of(loop);

    fn_queue_add(&env->deferred, fn, ctx);
    uv_env_busy(env);
}

/* Only latency in the virtual environment makes such a time differ from now. */
static void uv_env_at(struct loop *loop, int64_t due_ns, loop_fn *fn, void *ctx)
{
    uv_env_defer(loop, fn, ctx);
}

static bool run_posted(struct uv_env *env)
{
    struct fn_queue run;

    pthread_mutex_lock(&env->lock);
    run = env->posted;
    env->posted = env->posting;
    env->posting = (struct fn_queue){NULL, 0, 0};
    pthread_mutex_unlock(&env->lock);
    for (size_t i = 0; i < run.n; i++)
        run.items[i].fn(run.items[i].ctx);
    if (run.n == 0) {
        env->posting = run;
        return false;
    }
    fn_queue_clear(&run);
    env->posting = run;
    return true;
}

static void wake_cb(uv_async_t *handle)
{
    run_posted(handle->data);
}

static bool uv_env_post(struct loop *loop, loop_fn *fn, void *ctx)
{
    struct uv_env *env = uv_env_of(loop);
    bool was_empty;

    pthread_mutex_lock(&env->lock);
    if (env->closed) {
        pthread_mutex_unlock(&env->lock);
        return false;
    }
    was_empty = env->posted.n == 0;
    fn_queue_add(&env->posted, fn, ctx);
    /* Under the lock, so that the loop cannot run this function and be freed before the wake-up is sent. */
    if (was_empty)
        uv_async_send(&env->wake);
    pthread_mutex_unlock(&env->lock);
    return true;
}

/* ---- timers ---- */
static void timer_cb(uv_timer_t *handle);

static void arm_timer(struct uv_env *env)
{
    const struct loop_event *first = event_heap_first(&env->base.events);
    int64_t delay_ns;

    if (!first) {
        uv_timer_stop(&env->timer);
        env->armed_ns = INT64_MAX;
        return;
    }
    if (first->due_ns == env->armed_ns)
        return;
    uv_update_time(&env->uv);
    delay_ns = MAX(first->due_ns - clock_ns(CLOCK_MONOTONIC), INT64_C(0));
    env->armed_ns = first->due_ns;
    uv_timer_start(&env->timer, timer_cb,
                   (uint64_t)(delay_ns / NS_PER_MS + (delay_ns % NS_PER_MS != 0)), 0);
}

static void timer_cb(uv_timer_t *handle)
{
    struct uv_env *env = handle->data;
    struct event_heap *heap = &env->base.events;
    uint64_t limit = heap->seq; /* timers set by these callbacks wait for the next turn */
    struct loop_event *e;

    env->now_ns = 0;
    env->armed_ns = INT64_MAX;
    while ((e = event_heap_first(heap)) && e->due_ns <= uv_env_now(&env->base) && e->seq < limit) {
        event_heap_del(heap, e);
        e->fn(e->ctx);
    }
    arm_timer(env);
}

static void uv_env_timers_changed(struct loop *loop)
{
    struct uv_env *env = uv_env_of(loop);
    const struct loop_event *first = event_heap_first(&loop->events);

    /* Being woken early once is cheaper than telling libuv about each timer that is pushed back. */
    if (!first || first->due_ns < env->armed_ns)
        arm_timer(env);
}

/* ---- life ---- */
static void uv_env_run(struct loop *loop)
{
    struct uv_env *env = uv_env_of(loop);

    loop->owner = pthread_self();
    env->stopped = false;
    do {
        env->now_ns = 0;
        uv_run(&env->uv, UV_RUN_DEFAULT);
    } while (!env->stopped && run_posted(env));
}

static void uv_env_stop(struct loop *loop)
{
    struct uv_env *env = uv_env_of(loop);

    env->stopped = true;
    uv_stop(&env->uv);
}

static void uv_env_free(struct loop *loop)
{
    struct uv_env *env = uv_env_of(loop);
    int error;

    loop->owner = pthread_self();
    uv_close((uv_handle_t *)&env->timer, NULL);
    uv_close((uv_handle_t *)&env->before_wait, NULL);
    uv_close((uv_handle_t *)&env->after_io, NULL);
    uv_close((uv_handle_t *)&env->busy, NULL);
    /* A thread that posted its last function may still be inside uv_env_post(). */
    pthread_mutex_lock(&env->lock);
    env->closed = true;
    uv_close((uv_handle_t *)&env->wake, NULL);
    pthread_mutex_unlock(&env->lock);
    uv_children_close(&env->uv);
    uv_run(&env->uv, UV_RUN_DEFAULT);
    error = uv_loop_close(&env->uv);
    if (error)
        uv_print_all_handles(&env->uv, stderr);
    BUG_ON(error); /* somebody's handle is still open */
    event_heap_fini(&loop->events);
    fn_queue_fini(&env->deferred);
    fn_queue_fini(&env->deferring);
    fn_queue_fini(&env->posted);
    fn_queue_fini(&env->posting);
    uv_free_chunks(env, 0);
    mem_free(env->read_buffer);
}

static void uv_env_dispose(struct loop *loop)
{
    struct uv_env *env = uv_env_of(loop);

    pthread_mutex_destroy(&env->lock);
    mem_free(env);
}

static int64_t uv_env_latency(struct loop *loop)
{
    return 0;
}

static bool uv_env_is_unlucky(struct loop *loop)
{
    return false;
}

static const struct loop_ops uv_env_ops = {
    .free = uv_env_free,
    .dispose = uv_env_dispose,
    .run = uv_env_run,
    .stop = uv_env_stop,
    .now = uv_env_now,
    .wall = uv_env_wall,
    .random = uv_env_random,
    .post = uv_env_post,
    .defer = uv_env_defer,
    .at = uv_env_at,
    .timers_changed = uv_env_timers_changed,
    .pool_run = uv_pool_run,
    .listen = uv_listener_open,
    .connect = uv_stream_connect,
    .udp_open = uv_udp_open_address,
    .file_read = real_file_read,
    .file_write = real_file_write,
    .file_mkdir_all = real_file_mkdir_all,
    .file_exists = real_file_exists,
    .file_append = real_file_append,
    .file_rename = real_file_rename,
    .file_remove = real_file_remove,
    .file_list = real_file_list,
    .latency = uv_env_latency,
    .is_unlucky = uv_env_is_unlucky,
};

struct loop *loop_new_uv(void)
{
    struct uv_env *env = NEW(struct uv_env);

    /* A peer that went away is an error of one write, not the end of the process. */
    signal(SIGPIPE, SIG_IGN);
    env->base.ops = &uv_env_ops;
    env->base.refs = 1;
    env->base.owner = pthread_self();
    env->armed_ns = INT64_MAX;
    list_init(&env->flush);
    list_init(&env->settle);
    pthread_mutex_init(&env->lock, NULL);
    BUG_ON(uv_loop_init(&env->uv));
    uv_timer_init(&env->uv, &env->timer);
    uv_prepare_init(&env->uv, &env->before_wait);
    uv_check_init(&env->uv, &env->after_io);
    uv_idle_init(&env->uv, &env->busy);
    BUG_ON(uv_async_init(&env->uv, &env->wake, wake_cb));
    env->timer.data = env->before_wait.data = env->after_io.data = env->busy.data = env->wake.data =
        env;
    uv_prepare_start(&env->before_wait, before_wait_cb);
    uv_check_start(&env->after_io, after_io_cb);
    uv_unref((uv_handle_t *)&env->before_wait);
    uv_unref((uv_handle_t *)&env->after_io);
    uv_unref((uv_handle_t *)&env->wake);
    return &env->base;
}

/* ---- threads ---- */
struct loop_thread {
    struct loop *parent;
    char name[16]; /* the kernel's limit */
    void (*start)(void *ctx, struct loop *loop);
    void *ctx;
    pthread_t thread;
};

static void *thread_main(void *arg)
{
    struct loop_thread *t = arg;
    struct loop *loop = loop_new_uv();

    pthread_setname_np(pthread_self(), t->name);
    uv_env_hold(uv_env_of(loop));
    t->start(t->ctx, loop);
    loop_run(loop);
    uv_env_release(uv_env_of(loop));
    loop_free(loop);
    return NULL;
}

static void thread_start_virtual(void *arg)
{
    struct loop_thread *t = arg;

    t->start(t->ctx, t->parent);
}

struct loop_thread *loop_thread_start(struct loop *parent, const char *name,
                                      void (*start)(void *ctx, struct loop *loop), void *ctx)
{
    struct loop_thread *t = NEW(struct loop_thread);
    pthread_attr_t attr;

    t->parent = parent;
    snprintf(t->name, sizeof t->name, "%s", name);
    t->start = start;
    t->ctx = ctx;
    if (loop_is_virtual(parent)) {
        loop_post(parent, thread_start_virtual, t);
        return t;
    }
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK);
    BUG_ON(pthread_create(&t->thread, &attr, thread_main, t));
    pthread_attr_destroy(&attr);
    return t;
}

void loop_thread_join(struct loop_thread *t)
{
    if (!loop_is_virtual(t->parent))
        pthread_join(t->thread, NULL);
    mem_free(t);
}
