/* virtual_test.c - the virtual environment: the same seed gives the same run, hours pass in no time. */
#include "loop/loop_internal.h"
#include "test/loop/loop_test.h"

#include <time.h>

struct town { /* talks to itself under latency and faults, and keeps a diary */
    struct loop *loop;
    struct buf diary;
    struct listener *l;
    struct loop_timer *timer;
    int n;
};
struct citizen {
    struct town *town;
    struct stream *s;
};

static void note(struct town *t, const char *what, int64_t n)
{
    buf_fmt(&t->diary, "%lld %s %lld\n", (long long)loop_virtual_elapsed_ns(t->loop), what,
            (long long)n);
}

static void citizen_data(void *ctx, const char *p, size_t n)
{
    struct citizen *c = ctx;

    note(c->town, "data", (int64_t)n);
}

static void citizen_end(void *ctx, int error)
{
    struct citizen *c = ctx;

    note(c->town, "end", error);
    stream_close(c->s, mem_free, c);
}

static const struct stream_events citizen_events = {citizen_data, citizen_end};

static struct citizen *settle(struct town *t, struct stream *s)
{
    struct citizen *c = NEW(struct citizen);

    *c = (struct citizen){t, s};
    stream_start(s, &citizen_events, c);
    return c;
}

static void town_accept(void *ctx, struct stream *s)
{
    settle(ctx, s);
}

static void town_connect(void *ctx, int error, struct stream *s)
{
    struct town *t = ctx;

    note(t, "connect", error);
    if (error)
        return;
    settle(t, s);
    stream_write(s, S("abc"), NULL, NULL);
    stream_write(s, S("defgh"), NULL, NULL);
    stream_shutdown(s);
}

static void town_work(void *ctx) {}

static void town_worked(void *ctx)
{
    note(ctx, "worked", 0);
}

static void town_tick(void *ctx)
{
    struct town *t = ctx;

    stream_connect(t->loop, S("10.0.0.1:80"), 0, town_connect, t);
    pool_run(t->loop, town_work, town_worked, t);
    if (++t->n < 200)
        loop_timer_set(t->timer, (int64_t)(loop_random_u64(t->loop) % (uint64_t)NS_PER_S));
    else
        listener_close(t->l);
}

static struct buf live(uint64_t seed)
{
    struct town t = {.diary = BUF_INIT};

    t.loop = loop_new_virtual(seed, (wall_time){0});
    loop_virtual_faults(t.loop, &(struct virtual_faults){.min_latency_ns = 1000,
                                                         .max_latency_ns = 50 * NS_PER_MS,
                                                         .fail_ppm = 50000});
    t.timer = loop_timer_new(t.loop, town_tick, &t);
    loop_timer_set(t.timer, 0);
    CHECK_INT(listener_open(t.loop, S("0.0.0.0:80"), town_accept, &t, &t.l), 0);
    loop_run(t.loop);
    loop_timer_free(t.timer);
    loop_free(t.loop);
    return t.diary;
}

TEST(virtual, equal_seeds_give_equal_runs_and_others_differ)
{
    struct buf a = live(42), b = live(42), c = live(43);

    CHECK(a.n > 10000);
    CHECK(str_eq(buf_view(&a), buf_view(&b)));
    CHECK(!str_eq(buf_view(&a), buf_view(&c)));
    CHECK(str_find(buf_view(&a), S("connect -111")) >= 0); /* faults happen */
    CHECK(str_find(buf_view(&a), S("end -104")) >= 0);
    buf_fini(&a);
    buf_fini(&b);
    buf_fini(&c);
}

static void count(void *ctx)
{
    ++*(int *)ctx;
}

static bool at_two(void *ctx)
{
    return *(int *)ctx >= 2;
}

TEST(virtual, a_year_passes_at_once_and_the_clock_stops_where_told)
{
    struct loop *loop = test_virtual();
    int n = 0;
    struct loop_timer *t = loop_timer_new(loop, count, &n);
    int64_t year = INT64_C(365) * 86400 * NS_PER_S;

    loop_timer_set(t, year);
    loop_virtual_run(loop, year, NULL, NULL);
    CHECK_INT(n, 0);
    CHECK_INT(loop_virtual_elapsed_ns(loop), year);
    CHECK_INT(loop_wall(loop).ns, INT64_C(1800000000) * NS_PER_S + year);
    loop_virtual_run(loop, year + 1, NULL, NULL);
    CHECK_INT(n, 1);
    loop_timer_free(t);
    loop_free(loop);
}

TEST(virtual, a_condition_stops_the_run)
{
    struct loop *loop = test_virtual();
    int n = 0;
    struct loop_timer *t[3];

    for (int i = 0; i < 3; i++) {
        t[i] = loop_timer_new(loop, count, &n);
        loop_timer_set(t[i], (i + 1) * NS_PER_S);
    }
    loop_virtual_run(loop, 100 * NS_PER_S, at_two, &n);
    CHECK_INT(n, 2);
    CHECK_INT(loop_virtual_elapsed_ns(loop), 2 * NS_PER_S);
    for (int i = 0; i < 3; i++)
        loop_timer_free(t[i]);
    loop_free(loop);
}

static void nothing(void *ctx) {}

TEST(virtual, queues_give_back_what_a_flood_has_needed)
{
    static struct loop_event events[10000];
    struct event_heap h = {0};
    struct fn_queue q = {0};
    int64_t last_ns = -1;

    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        event_heap_put(&h, &events[i], (int64_t)(i * 7919 % ARRAY_LEN(events)));
        fn_queue_add(&q, nothing, NULL);
    }
    for (size_t i = 0; i + 10 < ARRAY_LEN(events); i++)
        event_heap_del(&h, &events[i]);
    CHECK_INT(h.n, 10);
    CHECK(h.cap <= 1024);
    for (struct loop_event *e; (e = event_heap_first(&h)) != NULL; event_heap_del(&h, e)) {
        CHECK(e->due_ns > last_ns);
        last_ns = e->due_ns;
    }
    CHECK_INT(h.n, 0);
    fn_queue_clear(&q);
    CHECK_INT(q.n, 0);
    CHECK_INT(q.cap, 0);
    for (int i = 0; i < 100; i++)
        fn_queue_add(&q, nothing, NULL);
    fn_queue_clear(&q);
    CHECK_INT(q.n, 0);
    CHECK(q.cap >= 100);
    event_heap_fini(&h);
    fn_queue_fini(&q);
}
