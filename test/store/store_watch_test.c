/* store_watch_test.c - what watches see, live, from memory and from disk. */
#include "test/store/store_test_frame.h"

struct log {
    struct rig *r;
    struct store_watch *w;
    struct buf text;
    int64_t progress, last;
    int n, close_after, n_frames;
    bool cache_frames;
};

static void on_event(void *ctx, const struct store_event *e)
{
    struct log *l = ctx;
    static const char mark[] = {
        [STORE_CREATED] = '+', [STORE_MODIFIED] = '~', [STORE_DELETED] = '-'};

    CHECK(e->obj->revision > l->last);
    CHECK((e->prev == NULL) == (e->type == STORE_CREATED));
    l->last = e->obj->revision;
    buf_fmt(&l->text, "%s%c" PRI_STR "@%lld", l->text.n ? " " : "", mark[e->type],
            STR_ARG(e->obj->key.name), (long long)e->obj->revision);
    if (e->prev)
        buf_fmt(&l->text, "<%lld", (long long)e->prev->revision);
    if (!e->frame_cache[0]) {
        e->frame_cache[0] = bytes_new(S("frame"));
        l->n_frames++;
    }
    if (++l->n == l->close_after)
        store_watch_close(l->w);
}

static void on_progress(void *ctx, int64_t revision)
{
    struct log *l = ctx;

    CHECK(revision > l->progress);
    l->progress = revision;
}

static const struct store_watch_events events = {on_event, on_progress};

static void watch(struct rig *r, struct log *l, const char *resource, const char *ns, int64_t from)
{
    struct err *err = store_watch(r->s, str_of(resource), str_of(ns), from, &events, l, &l->w);

    l->r = r;
    l->progress = from;
    CHECK_OK(err);
    CHECK_INT(l->n, 0);
}

static bool never(void *ctx)
{
    return false;
}

static void settle(struct rig *r)
{
    if (loop_is_virtual(r->loop))
        loop_virtual_run(r->loop, loop_virtual_elapsed_ns(r->loop) + NS_PER_S, never, NULL);
}

TEST(watch, each_watch_sees_what_concerns_it_once_and_in_order)
{
    struct rig r = {0};
    struct log pods = {0}, ns_a = {0}, nodes = {0}, all = {0};

    rig_open_virtual(&r);
    watch(&r, &pods, "pods", "", 1);
    watch(&r, &ns_a, "pods", "a", 1);
    watch(&r, &nodes, "nodes", "", 1);
    watch(&r, &all, "", "", 1);
    settle(&r);
    put(&r, pod("a", "x"), "1");
    put(&r, pod("b", "y"), "1");
    put(&r, (struct key){S("nodes"), STR_NONE, S("n")}, "1");
    put(&r, pod("a", "x"), "2");
    del(&r, pod("a", "x"));
    settle(&r);
    CHECK_STRZ(buf_view(&pods.text), "+x@2 +y@3 ~x@5<2 -x@6<5");
    CHECK_STRZ(buf_view(&ns_a.text), "+x@2 ~x@5<2 -x@6<5");
    CHECK_STRZ(buf_view(&nodes.text), "+n@4");
    CHECK_STRZ(buf_view(&all.text), "+x@2 +y@3 +n@4 ~x@5<2 -x@6<5");
    CHECK_INT(nodes.progress, 6);
    CHECK_INT(pods.n_frames + ns_a.n_frames + nodes.n_frames + all.n_frames,
              5); /* one frame an event */
    store_watch_close(pods.w);
    store_watch_close(ns_a.w);
    put(&r, pod("a", "z"), "1");
    CHECK_INT(pods.n, 4);
    store_watch_close(nodes.w);
    store_watch_close(all.w);
    buf_fini(&pods.text);
    buf_fini(&ns_a.text);
    buf_fini(&nodes.text);
    buf_fini(&all.text);
    rig_close(&r);
}

TEST(watch, history_comes_first_and_nothing_is_lost_between)
{
    struct rig r = {0};
    struct log l = {0};
    char name[16];

    rig_open_virtual(&r);
    for (int i = 0; i < 3000; i++) { /* several turns of catching up */
        snprintf(name, sizeof name, "n%d", i % 50);
        put(&r, pod("a", name), "d");
    }
    watch(&r, &l, "pods", "", 1000);
    for (int i = 0; i < 5; i++)
        put(&r, pod("a", "late"), "d");
    settle(&r);
    CHECK_INT(l.n, 3001 - 1000 + 5);
    CHECK_INT(l.last, 3006);
    store_watch_close(l.w);
    buf_fini(&l.text);
    rig_close(&r);
}

TEST(watch, closing_inside_an_event_is_allowed)
{
    struct rig r = {0};
    struct log live = {.close_after = 2}, catching = {.close_after = 2}, other = {0};

    rig_open_virtual(&r);
    watch(&r, &live, "pods", "", 1);
    watch(&r, &other, "pods", "", 1);
    settle(&r);
    for (int i = 0; i < 4; i++)
        put(&r, pod("a", "x"), "d");
    CHECK_INT(live.n, 2);
    CHECK_INT(other.n, 4);
    watch(&r, &catching, "pods", "", 1);
    settle(&r);
    CHECK_INT(catching.n, 2);
    store_watch_close(other.w);
    buf_fini(&live.text);
    buf_fini(&catching.text);
    buf_fini(&other.text);
    rig_close(&r);
}

TEST(watch, compacted_history_is_expired)
{
    struct rig r = {0};
    struct log l = {0};
    struct err *err;
    struct store_watch *w;

    rig_open_virtual(&r);
    for (int i = 0; i < 9; i++)
        put(&r, pod("a", "x"), "d");
    store_compact(r.s, 5);
    CHECK_INT(store_compacted(r.s), 5);
    err = store_watch(r.s, S("pods"), STR_NONE, 3, &events, &l, &w);
    CHECK(err && err->reason == REASON_EXPIRED);
    CHECK_STRZ(str_of(err ? err_text(err) : ""), "too old resource version: 3 (5)");
    err_free(err);
    watch(&r, &l, "pods", "", 5);
    settle(&r);
    CHECK_INT(l.n, 5);
    store_watch_close(l.w);
    buf_fini(&l.text);
    rig_close(&r);
}

TEST(watch, history_survives_a_restart)
{
    struct rig r = {0};
    struct log l = {0};

    rig_open_disk(&r);
    put(&r, pod("a", "x"), "1");
    put(&r, pod("a", "y"), "1");
    put(&r, pod("a", "x"), "2");
    del(&r, pod("a", "y"));
    rig_reopen(&r);
    watch(&r, &l, "pods", "", 2);
    put(&r, pod("a", "x"), "3");
    put(&r, pod("a", "z"), "1");
    CHECK_STRZ(buf_view(&l.text), "+y@3 ~x@4<2 -y@5<3 ~x@6<4 +z@7");
    store_watch_close(l.w);
    buf_fini(&l.text);
    rig_close(&r);
}

static bool has_thousand(void *ctx)
{
    return ((struct log *)ctx)->n >= 1500;
}

TEST(watch, what_memory_forgot_comes_from_disk)
{
    struct rig rig = {.options = {.history_max = 1000}},
               *r = &rig; /* the disk keeps four times as much */
    struct log l = {0};
    char name[16];

    rig_open_virtual(r);
    for (int i = 0; i < 1500; i++) {
        snprintf(name, sizeof name, "n%d", i % 7);
        put(r, pod("a", name), "d");
        put(r, pod("b", name), "d");
    }
    watch(r, &l, "pods", "b", 1);
    run_until(r, has_thousand, &l);
    put(r, pod("b", "end"), "d");
    CHECK_INT(l.n, 1501);
    CHECK_INT(l.last, 3002);
    CHECK(str_has_prefix(buf_view(&l.text),
                         S("+n0@3 +n1@5 +n2@7 +n3@9 +n4@11 +n5@13 +n6@15 ~n0@17<3 ~n1@19<5")));
    store_watch_close(l.w);
    buf_fini(&l.text);
    rig_close(r);
}
