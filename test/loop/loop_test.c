/* loop_test.c - order of functions and timers, threads, pools, files. */
#include "test/loop/loop_test.h"

#include <pthread.h>
#include <unistd.h>

struct trace {
    struct loop *loop;
    struct buf text;
    struct loop_timer *timer;
    int left;
};

static void say_a(void *ctx)
{
    buf_char(&((struct trace *)ctx)->text, 'a');
}

static void say_b(void *ctx)
{
    buf_char(&((struct trace *)ctx)->text, 'b');
}

static void say_c(void *ctx)
{
    buf_char(&((struct trace *)ctx)->text, 'c');
}

static void defer_more(void *ctx)
{
    struct trace *t = ctx;

    loop_defer(t->loop, say_b, t);
    buf_char(&t->text, '(');
    loop_defer(t->loop, say_c, t);
    buf_char(&t->text, ')');
}

BOTH(loop, deferred_functions_run_in_order_and_after_the_caller)
{
    struct trace t = {.loop = loop, .text = BUF_INIT};

    loop_defer(loop, defer_more, &t);
    loop_defer(loop, say_a, &t);
    CHECK_INT(t.text.n, 0);
    loop_run(loop);
    CHECK_STRZ(buf_view(&t.text), "()abc");
    buf_fini(&t.text);
}

BOTH(loop, timers_fire_in_order_of_time_not_of_setting)
{
    struct trace t = {.loop = loop, .text = BUF_INIT};
    struct loop_timer *a = loop_timer_new(loop, say_a, &t), *b = loop_timer_new(loop, say_b, &t),
                      *c = loop_timer_new(loop, say_c, &t);
    mono_time start = loop_now(loop);

    loop_timer_set(a, 30 * NS_PER_MS);
    loop_timer_set(b, 10 * NS_PER_MS);
    loop_timer_set(c, 20 * NS_PER_MS);
    CHECK(loop_timer_is_set(a));
    loop_run(loop);
    CHECK_STRZ(buf_view(&t.text), "bca");
    CHECK(!loop_timer_is_set(a));
    CHECK(loop_now(loop).ns - start.ns >= 30 * NS_PER_MS);
    CHECK(loop_now(loop).ns - start.ns < 10 * NS_PER_S);
    loop_timer_free(a);
    loop_timer_free(b);
    loop_timer_free(c);
    buf_fini(&t.text);
}

static void set_again(void *ctx)
{
    struct trace *t = ctx;

    buf_char(&t->text, 't');
    if (--t->left)
        loop_timer_set(t->timer, 0);
    else
        loop_timer_free(t->timer);
}

BOTH(loop, a_timer_may_set_and_free_itself)
{
    struct trace t = {.loop = loop, .text = BUF_INIT, .left = 5};

    t.timer = loop_timer_new(loop, set_again, &t);
    loop_timer_set(t.timer, -5);
    loop_run(loop);
    CHECK_STRZ(buf_view(&t.text), "ttttt");
    buf_fini(&t.text);
}

BOTH(loop, a_stopped_timer_does_not_fire_and_one_set_again_fires_once)
{
    struct trace t = {.loop = loop, .text = BUF_INIT};
    struct loop_timer *a = loop_timer_new(loop, say_a, &t), *b = loop_timer_new(loop, say_b, &t);

    loop_timer_set(a, NS_PER_MS);
    loop_timer_set(b, 20 * NS_PER_MS);
    loop_timer_set(b, 2 * NS_PER_MS);
    loop_timer_stop(a);
    loop_run(loop);
    CHECK_STRZ(buf_view(&t.text), "b");
    loop_timer_free(a);
    loop_timer_free(b);
    buf_fini(&t.text);
}

/* ---- threads ---- */
#define POSTS 10000
struct posts {
    struct loop *loop;
    int next;
    bool in_order;
};
struct posted {
    struct posts *all;
    int i;
};

static void take_post(void *ctx)
{
    struct posted *p = ctx;

    p->all->in_order &= p->all->next++ == p->i;
    if (p->all->next == POSTS)
        loop_stop(p->all->loop);
    mem_free(p);
}

static void *post_many(void *ctx)
{
    for (int i = 0; i < POSTS; i++) {
        struct posted *p = NEW(struct posted);

        *p = (struct posted){ctx, i};
        loop_post(((struct posts *)ctx)->loop, take_post, p);
    }
    return NULL;
}

static void nothing(void *ctx) {}

TEST(loop, posts_of_another_thread_arrive_in_order)
{
    struct posts p = {.loop = loop_new_uv(), .in_order = true};
    struct loop_timer *guard = loop_timer_new(p.loop, nothing, NULL);
    pthread_t thread;

    loop_timer_set(guard, 20 * NS_PER_S);
    pthread_create(&thread, NULL, post_many, &p);
    loop_run(p.loop);
    pthread_join(thread, NULL);
    CHECK_INT(p.next, POSTS);
    CHECK(p.in_order);
    loop_timer_free(guard);
    loop_free(p.loop);
}

struct ping {
    struct loop *here, *there;
    struct loop_thread *thread;
    bool was_there, is_back;
};

static void stop_there(void *ctx)
{
    struct ping *p = ctx;

    if (!loop_is_virtual(p->there))
        loop_stop(p->there);
}

static void back_here(void *ctx)
{
    struct ping *p = ctx;

    p->is_back = loop_is_mine(p->here);
    loop_post(p->there, stop_there, p);
    if (!loop_is_virtual(p->here))
        loop_stop(p->here);
}

static void start_there(void *ctx, struct loop *loop)
{
    struct ping *p = ctx;

    p->there = loop;
    p->was_there = loop_is_mine(loop);
    loop_post(p->here, back_here, p);
}

BOTH(loop, a_thread_has_a_loop_of_its_own_and_both_exchange_posts)
{
    struct ping p = {.here = loop};
    struct loop_timer *guard = loop_timer_new(loop, nothing, NULL);

    loop_timer_set(guard, 10 * NS_PER_S);
    p.thread = loop_thread_start(loop, "there", start_there, &p);
    loop_run(loop);
    loop_thread_join(p.thread);
    CHECK(p.was_there);
    CHECK(p.is_back);
    CHECK((p.there == loop) == loop_is_virtual(loop));
    loop_timer_free(guard);
}

/* ---- pools ---- */
struct job {
    struct trace *t;
    int n;
    pthread_t worker;
};

static void work(void *ctx)
{
    struct job *j = ctx;

    j->worker = pthread_self();
    j->n *= 2;
}

static void work_done(void *ctx)
{
    struct job *j = ctx;

    buf_fmt(&j->t->text, "%d ", j->n);
}

BOTH(loop, pool_work_comes_back_to_the_loop)
{
    struct trace t = {.loop = loop, .text = BUF_INIT};
    struct job j = {.t = &t, .n = 21};

    pool_run(loop, work, work_done, &j);
    CHECK_INT(t.text.n, 0);
    loop_run(loop);
    CHECK_STRZ(buf_view(&t.text), "42 ");
    CHECK(!pthread_equal(j.worker, pthread_self()) == !loop_is_virtual(loop));
    buf_fini(&t.text);
}

BOTH(loop, a_serial_queue_keeps_order)
{
    struct trace t = {.loop = loop, .text = BUF_INIT};
    struct pool_serial *q = pool_serial_new(loop, "disk");
    struct job jobs[5];

    if (loop_is_virtual(loop))
        loop_virtual_faults(
            loop, &(struct virtual_faults){.min_latency_ns = 1, .max_latency_ns = NS_PER_S});
    for (int i = 0; i < 5; i++) {
        jobs[i] = (struct job){.t = &t, .n = i};
        pool_serial_run(q, work, work_done, &jobs[i]);
    }
    loop_run(loop);
    CHECK_STRZ(buf_view(&t.text), "0 2 4 6 8 ");
    pool_serial_free(q);
    buf_fini(&t.text);
}

static void wait_for_gate(void *ctx)
{
    pthread_mutex_t *gate = ctx;

    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
}

TEST(loop, a_serial_queue_begins_work_that_nobody_waits_for_last)
{
    struct loop *loop = loop_new_uv();
    struct trace t = {.loop = loop, .text = BUF_INIT};
    struct pool_serial *q = pool_serial_new(loop, "disk");
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    struct job jobs[4];

    pthread_mutex_lock(&gate);
    pool_serial_run(q, wait_for_gate, NULL, &gate);
    for (int i = 0; i < 4; i++) {
        jobs[i] = (struct job){.t = &t, .n = i};
        (i < 2 ? pool_serial_run_behind : pool_serial_run)(q, work, work_done, &jobs[i]);
    }
    pthread_mutex_unlock(&gate);
    loop_run(loop);
    CHECK_STRZ(buf_view(&t.text), "4 6 0 2 ");
    pool_serial_free(q);
    loop_free(loop);
    buf_fini(&t.text);
}

static void slow_work(void *ctx)
{
    usleep(5000);
    work(ctx);
}

BOTH(loop, freeing_a_serial_queue_waits_for_its_work_and_drops_completions)
{
    struct trace t = {.loop = loop, .text = BUF_INIT};
    struct pool_serial *q = pool_serial_new(loop, "disk");
    struct job jobs[3];

    for (int i = 0; i < 3; i++) {
        jobs[i] = (struct job){.t = &t, .n = i + 1};
        pool_serial_run(q, slow_work, work_done, &jobs[i]);
    }
    pool_serial_free(q);
    CHECK_INT(jobs[2].n, 6);
    loop_run(loop);
    CHECK_INT(t.text.n, 0);
    buf_fini(&t.text);
}

/* ---- files ---- */
BOTH(loop, files_are_replaced_whole)
{
    char dir[] = "/tmp/k1s-loop-test-XXXXXX";
    struct buf path = BUF_INIT, out = BUF_INIT;

    if (!loop_is_virtual(loop))
        CHECK(mkdtemp(dir) != NULL);
    buf_fmt(&path, "%s/a/b", dir);
    CHECK_INT(file_mkdir_all(loop, path.p, 0755), 0);
    CHECK_INT(file_mkdir_all(loop, path.p, 0755), 0);
    buf_z(&path, "/f");
    CHECK(!file_exists(loop, path.p));
    CHECK_INT(file_read(loop, path.p, 100, &out), -ENOENT);
    CHECK_INT(file_write_atomic(loop, path.p, S("hello, old world"), 0600), 0);
    CHECK_INT(file_write_atomic(loop, path.p, S("new"), 0600), 0);
    CHECK(file_exists(loop, path.p));
    CHECK_INT(file_read(loop, path.p, 100, &out), 0);
    CHECK_STRZ(buf_view(&out), "new");
    CHECK_INT(file_read(loop, path.p, 2, &out), -EFBIG);
    if (!loop_is_virtual(loop)) {
        unlink(path.p);
        for (int i = 0; i < 3; i++) {
            *strrchr(path.p, '/') = '\0';
            CHECK_INT(rmdir(path.p), 0); /* nothing was left beside the file */
        }
    }
    CHECK(file_write_atomic(loop, "/nowhere/at/all", S("x"), 0600) < 0);
    buf_fini(&path);
    buf_fini(&out);
}

BOTH(loop, random_numbers_differ)
{
    uint64_t a = loop_random_u64(loop), b = loop_random_u64(loop);
    char odd[301] = {0};

    CHECK(a != b);
    loop_random(loop, odd, sizeof odd);
    CHECK(odd[299] || odd[300] || odd[298]);
}

TEST_MAIN
