/* store_past_test.c - lists of the past, and when it is forgotten. */
#include "store/store_internal.h"
#include "test/store/store_test_frame.h"

#include <sys/stat.h>

struct past {
    struct buf text;
    bool done, more;
    enum reason reason;
    char message[128];
};

static void on_list(void *ctx, struct err *err, const struct obj *const *objs, size_t n, bool more)
{
    struct past *p = ctx;

    p->done = true;
    p->more = more;
    if (err) {
        p->reason = err->reason;
        snprintf(p->message, sizeof p->message, "%s", err_text(err));
        err_free(err);
    }
    for (size_t i = 0; i < n; i++)
        buf_fmt(&p->text, "%s" PRI_STR "/" PRI_STR "=" PRI_STR, p->text.n ? " " : "",
                STR_ARG(objs[i]->key.ns), STR_ARG(objs[i]->key.name), STR_ARG(objs[i]->data));
}

static bool is_done(void *ctx)
{
    return ((struct past *)ctx)->done;
}

static void check_at(struct rig *r, const char *ns, int64_t revision, const struct key *after,
                     size_t limit, const char *want, bool more)
{
    struct past p = {.text = BUF_INIT};

    store_list_at(r->s, S("pods"), str_of(ns), revision, after, limit, on_list, &p);
    CHECK(!p.done);
    run_until(r, is_done, &p);
    CHECK_STRZ(str_of(p.message), "");
    CHECK_STRZ(buf_view(&p.text), want);
    CHECK(p.more == more);
    buf_fini(&p.text);
}

static void fill(struct rig *r)
{
    put(r, pod("a", "x"), "#");                                /* 2 */
    put(r, pod("a", "y"), "#");                                /* 3 */
    put(r, pod("b", "x"), "#");                                /* 4 */
    put(r, pod("a", "x"), "#");                                /* 5 */
    del(r, pod("a", "y"));                                     /* 6 */
    put(r, (struct key){S("podsx"), S("a"), S("x")}, "other"); /* 7 */
    put(r, pod("a", "y"), "#");                                /* 8 */
    put(r, pod("a", "x"), "#");                                /* 9 */
    put(r, pod("a", "w"), "#");                                /* 10 */
}

static void check_all(struct rig *r)
{
    struct key behind = pod("a", "x"), absent = pod("a", "w");

    check_at(r, "", 2, NULL, 0, "a/x=2", false);
    check_at(r, "", 4, NULL, 0, "a/x=2 a/y=3 b/x=4", false);
    check_at(r, "", 5, NULL, 0, "a/x=5 a/y=3 b/x=4", false);
    check_at(r, "a", 5, NULL, 0, "a/x=5 a/y=3", false);
    check_at(r, "", 6, NULL, 0, "a/x=5 b/x=4", false);
    check_at(r, "", 8, NULL, 0, "a/x=5 a/y=8 b/x=4", false);
    check_at(r, "", 10, NULL, 0, "a/w=10 a/x=9 a/y=8 b/x=4", false);
    check_at(r, "", 4, NULL, 2, "a/x=2 a/y=3", true);
    check_at(r, "", 4, &behind, 1, "a/y=3", true);
    check_at(r, "", 4, &behind, 2, "a/y=3 b/x=4", false);
    check_at(r, "", 4, &absent, 1, "a/x=2", true);
    check_at(r, "b", 4, NULL, 5, "b/x=4", false);
    check_at(r, "c", 4, NULL, 5, "", false);
}

TEST(past, lists_show_each_revision_as_it_was_from_memory)
{
    struct rig r = {0};

    rig_open_virtual(&r);
    fill(&r);
    check_all(&r);
    rig_close(&r);
}

TEST(past, lists_show_each_revision_as_it_was_from_disk)
{
    struct rig r = {.options = {.history_max = 3}};

    rig_open_disk(&r);
    fill(&r);
    check_all(&r);
    rig_reopen(&r);
    check_all(&r);
    rig_close(&r);
}

TEST(past, too_old_and_too_new_are_errors)
{
    struct rig r = {0};
    struct past old = {.text = BUF_INIT}, future = {.text = BUF_INIT};

    rig_open_virtual(&r);
    fill(&r);
    store_compact(r.s, 5);
    store_list_at(r.s, S("pods"), STR_NONE, 4, NULL, 0, on_list, &old);
    store_list_at(r.s, S("pods"), STR_NONE, 11, NULL, 0, on_list, &future);
    run_until(&r, is_done, &future);
    CHECK(old.reason == REASON_EXPIRED);
    CHECK_STRZ(str_of(old.message), "too old resource version: 4 (5)");
    CHECK(future.reason == REASON_TIMEOUT);
    CHECK_STRZ(str_of(future.message), "Timeout: Too large resource version: 11, current: 10");
    check_at(&r, "", 5, NULL, 0, "a/x=5 a/y=3 b/x=4", false);
    rig_close(&r);
}

TEST(past, is_forgotten_after_one_to_two_intervals_and_then_nothing_ticks)
{
    struct rig r = {.options = {.compact_age_ns = 300 * NS_PER_S}};
    int64_t t;

    rig_open_virtual(&r);
    t = loop_virtual_elapsed_ns(r.loop);
    fill(&r);
    loop_virtual_run(r.loop, t + 290 * NS_PER_S, NULL, NULL);
    CHECK_INT(store_compacted(r.s), 0);
    check_at(&r, "", 4, NULL, 0, "a/x=2 a/y=3 b/x=4", false);
    loop_virtual_run(r.loop, t + 610 * NS_PER_S, NULL, NULL);
    CHECK_INT(store_compacted(r.s), 10);
    check_at(&r, "", 10, NULL, 0, "a/w=10 a/x=9 a/y=8 b/x=4", false);
    loop_run(r.loop); /* returns: no timer is left */
    CHECK(loop_virtual_elapsed_ns(r.loop) < t + 1000 * NS_PER_S);
    rig_close(&r);
}

static bool compacted_far(void *ctx)
{
    struct rig *r = ctx;
    struct store_stats stats;

    store_stats(r->s, &stats);
    return stats.compacted >= 3001 && !stats.compacting;
}

TEST(past, compaction_keeps_the_file_near_its_live_data_and_revisions_grow_on)
{
    struct rig r = {0};
    char name[16], *data = mem_zalloc(2001);
    struct stat st;
    struct buf before, after;

    memset(data, 'x', 2000);
    rig_open_disk(&r);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "n%d", i % 40);
        put(&r, pod("a", name), data);
    }
    for (int i = 20; i < 40; i++) {
        snprintf(name, sizeof name, "n%d", i);
        del(&r, pod("a", name));
    }
    before = all_of(&r, "pods", "");
    store_compact(r.s, INT64_MAX);
    run_until(&r, compacted_far, &r);
    rig_reopen(&r);
    after = all_of(&r, "pods", "");
    CHECK(str_eq(buf_view(&before), buf_view(&after)));
    CHECK_INT(store_revision(r.s), 3021);
    CHECK_INT(put(&r, pod("a", "n0"), "d"), 3022);
    CHECK(stat(r.path, &st) == 0);
    if (st.st_size > 2000000) /* 40 KB live; 6 MB were written */
        test_fail(__FILE__, __LINE__, "the file has %lld bytes", (long long)st.st_size);
    buf_fini(&before);
    buf_fini(&after);
    mem_free(data);
    rig_close(&r);
}

TEST(past, history_and_index_give_back_what_a_flood_has_left)
{
    static const struct obj *objs[5000];
    struct obj_table t = {0};
    struct history h;

    history_init(&h, 10000, 0);
    for (int i = 0; i < 5000; i++) {
        char name[16];

        snprintf(name, sizeof name, "n%d", i);
        objs[i] = obj_new((struct key){S("pods"), S("a"), str_of(name)}, i + 1, S("u"), S("{}"),
                          STR_NONE, STR_NONE);
        history_push(&h, NULL, objs[i], NULL);
        CHECK(!obj_table_put(&t, objs[i]));
    }
    CHECK(h.cap >= 5000 && t.mask >= 5000);
    for (int i = 0; i < 4990; i++)
        CHECK(obj_table_del(&t, &objs[i]->key) == objs[i]);
    CHECK(!history_trim(&h, 4990, SIZE_MAX));
    CHECK(h.cap <= 256 && t.mask <= 1024);
    CHECK_INT(h.n, 10);
    for (size_t i = 0; i < 10; i++) {
        CHECK_INT(history_at(&h, i)->obj->revision, 4991 + (int64_t)i);
        CHECK(obj_table_find(&t, &objs[4990 + i]->key) == objs[4990 + i]);
    }
    CHECK(!obj_table_find(&t, &objs[4000]->key));
    history_fini(&h);
    obj_table_fini(&t);
    for (int i = 0; i < 5000; i++)
        obj_unref(objs[i]);
}
