/* store_test.c - writes, reads, order, pending versions, reopening, errors of the disk. */
#include "test/store/store_test_frame.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(store, a_write_is_visible_only_when_it_is_durable)
{
    struct rig r = {0};
    struct op op = {.op = STORE_PUT, .data = "v#", .expect = 0};

    rig_open_disk(&r);
    CHECK_INT(store_revision(r.s), 1);
    op_start(&r, pod("a", "x"), &op);
    CHECK(store_find(r.s, pod("a", "x")) == NULL);
    CHECK_INT(store_revision(r.s), 1);
    op_wait(&r, &op);
    CHECK_INT(op.result->revision, 2);
    CHECK_STRZ(op.result->data, "v2");
    CHECK_INT(store_revision(r.s), 2);
    CHECK(store_find(r.s, pod("a", "x")) == op.result);
    CHECK(store_find(r.s, pod("b", "x")) == NULL);
    CHECK_STRZ(op.result->key.resource, "pods");
    CHECK_STRZ(op.result->uid, "uid");
    op_fini(&op);
    rig_close(&r);
}

TEST(store, files_are_for_their_owner_only)
{
    static const char *const suffixes[] = {"", "-wal"};
    mode_t was = umask(0);
    struct rig r = {0};

    rig_open_disk(&r);
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char path[128];
        struct stat st;

        snprintf(path, sizeof path, "%s%s", r.path, suffixes[i]);
        CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    }
    rig_close(&r);
    umask(was);
}

TEST(store, keys_are_listed_in_order_and_by_namespace)
{
    struct rig r = {0};
    struct buf b;
    char name[16];

    rig_open_virtual(&r);
    for (int i = 0; i < 300; i++) { /* an order far from sorted */
        snprintf(name, sizeof name, "n%04d", i * 7919 % 300);
        put(&r, pod(i % 3 == 0 ? "a" : i % 3 == 1 ? "b" : "bb", name), "d");
        put(&r, (struct key){S("nodes"), STR_NONE, str_of(name)}, "node");
    }
    CHECK_INT(store_count(r.s, S("pods"), STR_NONE), 300);
    CHECK_INT(store_count(r.s, S("pods"), S("b")), 100);
    CHECK_INT(store_count(r.s, S("pods"), S("c")), 0);
    CHECK_INT(store_count(r.s, S("nodes"), STR_NONE), 300);
    b = all_of(&r, "pods", "");
    for (size_t i = 1; i < b.n; i++) { /* each entry begins behind a blank; compare neighbours */
        if (b.p[i] == ' ' && i + 20 < b.n && memchr(b.p + i + 1, ' ', b.n - i - 1)) {
            str rest = str_skip(buf_view(&b), i + 1), one, two;

            str_cut(&rest, ' ', &one);
            str_cut(&rest, ' ', &two);
            CHECK(two.n == 0 || str_cmp(one, two) < 0);
        }
    }
    buf_fini(&b);
    for (int i = 0; i < 300; i += 2) {
        snprintf(name, sizeof name, "n%04d", i * 7919 % 300);
        del(&r, pod(i % 3 == 0 ? "a" : i % 3 == 1 ? "b" : "bb", name));
    }
    CHECK_INT(store_count(r.s, S("pods"), STR_NONE), 150);
    CHECK_INT(store_count(r.s, S("pods"), S("b")), 50);
    rig_close(&r);
}

static bool first_three(void *ctx, const struct obj *o)
{
    struct buf *b = ctx;

    buf_fmt(b, PRI_STR " ", STR_ARG(o->key.name));
    return b->n < 9;
}

TEST(store, a_walk_starts_behind_a_key_whether_it_exists_or_not)
{
    struct rig r = {0};
    struct buf b = BUF_INIT;
    char name[16];
    struct key there = pod("a", "02"), gone = pod("a", "025"), last = pod("a", "09"),
               other = pod("0", "z");

    rig_open_virtual(&r);
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "%02d", i);
        put(&r, pod("a", name), "d");
        put(&r, pod("b", name), "d");
    }
    store_each(r.s, S("pods"), S("a"), &there, first_three, &b);
    CHECK_STRZ(buf_view(&b), "03 04 05 ");
    buf_clear(&b);
    store_each(r.s, S("pods"), S("a"), &gone, first_three, &b);
    CHECK_STRZ(buf_view(&b), "03 04 05 ");
    buf_clear(&b);
    store_each(r.s, S("pods"), S("a"), &last, first_three, &b);
    CHECK_STRZ(buf_view(&b), "");
    store_each(r.s, S("pods"), STR_NONE, &last, first_three, &b);
    CHECK_STRZ(buf_view(&b), "00 01 02 ");
    buf_clear(&b);
    store_each(r.s, S("pods"), S("a"), &other, first_three, &b);
    CHECK_STRZ(buf_view(&b), "00 01 02 ");
    buf_fini(&b);
    rig_close(&r);
}

TEST(store, later_writers_of_a_key_see_earlier_ones)
{
    struct rig r = {0};
    struct op ops[6] = {
        {.op = STORE_PUT, .data = "1", .expect = 0},
        {.op = STORE_PUT, .data = "2", .expect = 2},
        {.op = STORE_PUT, .data = "lost", .expect = 2},
        {.op = STORE_DELETE, .data = "gone", .expect = 3},
        {.op = STORE_KEEP, .expect = 0},
        {.op = STORE_PUT, .data = "again", .expect = 0},
    };

    rig_open_disk(&r);
    for (int i = 0; i < 6; i++)
        op_start(&r, pod("a", "x"), &ops[i]);
    for (int i = 0; i < 6; i++)
        op_wait(&r, &ops[i]);
    CHECK_INT(ops[0].result->revision, 2);
    CHECK_INT(ops[1].result->revision, 3);
    CHECK(ops[2].err && ops[2].err->reason == REASON_CONFLICT);
    CHECK_INT(ops[3].result->revision, 4);
    CHECK(!ops[4].err && !ops[4].result);
    CHECK_INT(ops[5].result->revision, 5);
    CHECK_STRZ(store_find(r.s, pod("a", "x"))->data, "again");
    for (int i = 0; i < 6; i++)
        op_fini(&ops[i]);
    rig_close(&r);
}

TEST(store, keeping_reports_the_current_version_and_uses_no_revision)
{
    struct rig r = {0};
    struct op keep = {.op = STORE_KEEP, .expect = -1};

    rig_open_virtual(&r);
    put(&r, pod("a", "x"), "d");
    op_start(&r, pod("a", "x"), &keep);
    op_wait(&r, &keep);
    CHECK_INT(keep.result->revision, 2);
    CHECK_INT(store_revision(r.s), 2);
    op_fini(&keep);
    op_start(&r, pod("a", "y"), &keep);
    op_wait(&r, &keep);
    CHECK(!keep.result && !keep.err);
    op_fini(&keep);
    rig_close(&r);
}

TEST(store, many_writes_share_a_commit)
{
    struct rig r = {0};
    struct op ops[64] = {0};
    struct store_stats stats;
    char names[64][8];

    rig_open_disk(&r);
    for (int i = 0; i < 64; i++) {
        ops[i] = (struct op){.op = STORE_PUT, .data = "d#", .expect = 0};
        snprintf(names[i], sizeof names[i], "n%d", i);
        op_start(&r, pod("a", names[i]), &ops[i]);
    }
    store_stats(r.s, &stats);
    CHECK_INT(stats.pending_writes, 64);
    for (int i = 0; i < 64; i++) {
        op_wait(&r, &ops[i]);
        CHECK_INT(ops[i].result->revision, i + 2);
        op_fini(&ops[i]);
    }
    store_stats(r.s, &stats);
    CHECK_INT(stats.commits, 1);
    CHECK_INT(stats.writes, 64);
    CHECK_INT(stats.objects, 64);
    CHECK_INT(stats.pending_writes, 0);
    rig_close(&r);
}

TEST(store, an_object_over_the_limit_is_refused)
{
    struct rig r = {.options = {.object_limit = 10}};
    struct op op = {.op = STORE_PUT, .data = "12345678901", .expect = -1};

    rig_open_virtual(&r);
    op_start(&r, pod("a", "x"), &op);
    op_wait(&r, &op);
    CHECK(op.err && op.err->reason == REASON_REQUEST_TOO_LARGE);
    CHECK_INT(store_revision(r.s), 1);
    op_fini(&op);
    rig_close(&r);
}

TEST(store, reopening_finds_every_object_and_goes_on_counting)
{
    struct rig r = {0};
    struct buf b;
    const struct obj *o;
    str value = STR_NONE;
    struct op labelled = {
        .op = STORE_PUT, .data = "l", .expect = -1, .labels = "app\0web\0tier\0\0", .n_labels = 14};

    rig_open_disk(&r);
    put(&r, pod("b", "x"), "bx");
    put(&r, pod("a", "x"), "ax");
    put(&r, pod("a", "y"), "ay");
    put(&r, pod("a", "x"), "ax#");
    CHECK_INT(del(&r, pod("b", "x")), 6);
    op_start(&r, (struct key){S("nodes"), STR_NONE, S("n1")}, &labelled);
    op_wait(&r, &labelled);
    op_fini(&labelled);
    rig_reopen(&r);
    CHECK_INT(store_revision(r.s), 7);
    b = all_of(&r, "pods", "");
    CHECK_STRZ(buf_view(&b), "a/x=ax5 a/y=ay");
    buf_fini(&b);
    o = store_find(r.s, (struct key){S("nodes"), STR_NONE, S("n1")});
    CHECK(o && packed_get(o->labels, S("app"), &value) && str_is(value, "web"));
    CHECK(o && packed_get(o->labels, S("tier"), &value) && value.n == 0);
    CHECK(o && !packed_get(o->labels, S("web"), &value));
    CHECK_INT(put(&r, pod("c", "z"), "d"), 8);
    rig_close(&r);
}

TEST(store, a_file_in_use_is_refused_and_one_of_something_else_too)
{
    struct rig r = {0};
    struct store *second = NULL;
    struct err *err;
    struct store_options o = {0};
    char path[] = "/tmp/k1s-store-test-other-XXXXXX";
    int fd = mkstemp(path);

    rig_open_disk(&r);
    o.path = r.path;
    err = store_open(r.loop, &o, &second);
    CHECK(err && strstr(err_text(err), "another process"));
    err_free(err);
    CHECK(write(fd,
                "this is not a database, but it is long enough to be looked at as one, or is it?\n",
                80) == 80);
    close(fd);
    o.path = path;
    err = store_open(r.loop, &o, &second);
    CHECK(err && strstr(err_text(err), "damaged or not a database"));
    err_free(err);
    o.path = "/nowhere/at/all.db";
    err = store_open(r.loop, &o, &second);
    CHECK(err != NULL);
    err_free(err);
    unlink(path);
    rig_close(&r);
}

static void close_only(void *ctx)
{
    *(bool *)ctx = true;
}

static bool flag_is_set(void *ctx)
{
    return *(bool *)ctx;
}

TEST(store, damage_on_disk_is_found_at_open)
{
    struct rig r = {0};
    struct err *err;
    struct store_options o = {0};
    bool closed = false;
    char page[4096];
    int fd;
    ssize_t n;
    off_t at = 0;

    rig_open_disk(&r);
    put(&r, pod("a", "x"), "these bytes are looked for below: WOODPECKER");
    store_close(r.s, close_only, &closed);
    run_until(&r, flag_is_set, &closed);
    r.s = NULL;
    fd = open(r.path, O_RDWR);
    CHECK(fd >= 0);
    while ((n = pread(fd, page, sizeof page, at)) > 0) {
        ptrdiff_t found = str_find((str){page, (size_t)n}, S("WOODPECKER"));

        if (found >= 0)
            CHECK(pwrite(fd, "w", 1, at + found) == 1);
        at += n;
    }
    close(fd);
    o.path = r.path;
    err = store_open(r.loop, &o, &r.s);
    CHECK(err && strstr(err_text(err), "damaged"));
    err_free(err);
    r.s = NULL;
    rig_close(&r);
}

/* The file may not grow for a while: what a full disk looks like. */
TEST(store, a_full_disk_fails_writes_clearly_and_loses_nothing)
{
    struct rig r = {0};
    struct rlimit old, low;
    struct stat st;
    struct op op[2] = {{.op = STORE_PUT, .expect = -1},
                       {.op = STORE_PUT, .data = "behind", .expect = -1}};
    char path[128], *big = mem_zalloc(300001);
    struct buf b;

    rig_open_disk(&r);
    memset(big, 'x', 300000);
    op[0].data = big;
    put(&r, pod("a", "before"), "kept");
    snprintf(path, sizeof path, "%s-wal", r.path);
    CHECK(stat(path, &st) == 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    low = old;
    low.rlim_cur = (rlim_t)st.st_size + 8192;
    setrlimit(RLIMIT_FSIZE, &low);
    op_start(&r, pod("a", "big"), &op[0]);
    op_start(&r, pod("a", "big"), &op[1]); /* builds on the one that fails */
    op_wait(&r, &op[0]);
    op_wait(&r, &op[1]);
    setrlimit(RLIMIT_FSIZE, &old);
    CHECK(op[0].err && op[0].err->reason == REASON_INTERNAL &&
          strstr(err_text(op[0].err), "writing to the store: "));
    CHECK(op[1].err != NULL);
    CHECK(store_find(r.s, pod("a", "big")) == NULL);
    CHECK(put(&r, pod("a", "after"), "works") > 2);
    rig_reopen(&r);
    b = all_of(&r, "pods", "");
    CHECK_STRZ(buf_view(&b), "a/after=works a/before=kept");
    buf_fini(&b);
    op_fini(&op[0]);
    op_fini(&op[1]);
    mem_free(big);
    rig_close(&r);
}

/* A pod that comes (goes) with a second one. */
struct pair {
    enum store_op op;
    size_t bytes; /* of the second one */
    bool done;
    struct err *err;
    struct store_companion with[2];
};

static struct err *write_pair(void *ctx, struct arena *a, const struct obj *current,
                              int64_t revision, struct store_change *ret)
{
    struct pair *p = ctx;
    char *data = arena_alloc(a, p->bytes);

    memset(data, 'x', p->bytes);
    p->with[0] = (struct store_companion){pod("b", "nothing"), {.op = STORE_KEEP}};
    p->with[1] = (struct store_companion){pod("b", "y"), {.op = p->op, .data = {data, p->bytes}}};
    *ret = (struct store_change){
        .op = p->op, .data = S("x"), .companions = p->with, .n_companions = 2};
    return NULL;
}

static void pair_done(void *ctx, struct err *err, const struct obj *result)
{
    struct pair *p = ctx;

    p->done = true;
    p->err = err;
}

static bool pair_is_done(void *ctx)
{
    return ((struct pair *)ctx)->done;
}

static void pair_write(struct rig *r, struct pair *p)
{
    store_update(r->s, pod("a", "x"), write_pair, pair_done, p);
}

TEST(store, companions_become_visible_and_durable_with_their_write)
{
    struct rig r = {0};
    struct pair p = {.op = STORE_PUT, .bytes = 3}, gone = {.op = STORE_DELETE, .bytes = 3};
    struct buf b;

    rig_open_disk(&r);
    pair_write(&r, &p);
    CHECK(!store_find(r.s, pod("b", "y")) && store_newest(r.s, pod("b", "y")));
    run_until(&r, pair_is_done, &p);
    CHECK_OK(p.err);
    CHECK_INT(store_find(r.s, pod("a", "x"))->revision, 2);
    CHECK_INT(store_find(r.s, pod("b", "y"))->revision, 3);
    rig_reopen(&r);
    b = all_of(&r, "pods", "");
    CHECK_STRZ(buf_view(&b), "a/x=x b/y=xxx");
    buf_fini(&b);
    pair_write(&r, &gone);
    CHECK(store_find(r.s, pod("b", "y")) && !store_newest(r.s, pod("b", "y")));
    run_until(&r, pair_is_done, &gone);
    rig_reopen(&r);
    CHECK_INT(store_revision(r.s), 5);
    b = all_of(&r, "pods", "");
    CHECK_STRZ(buf_view(&b), "");
    buf_fini(&b);
    rig_close(&r);
}

TEST(store, a_companion_that_cannot_be_written_takes_its_write_along)
{
    struct rig r = {.options = {.object_limit = 10}};
    struct pair p = {.op = STORE_PUT, .bytes = 11};

    rig_open_virtual(&r);
    pair_write(&r, &p);
    run_until(&r, pair_is_done, &p);
    CHECK(p.err && p.err->reason == REASON_REQUEST_TOO_LARGE);
    err_free(p.err);
    CHECK(!store_newest(r.s, pod("a", "x")) && !store_newest(r.s, pod("b", "y")));
    CHECK_INT(store_revision(r.s), 1);
    rig_close(&r);
}

TEST(store, an_object_costs_little_more_than_its_bytes)
{
    struct rig r = {0};
    struct store_stats stats;
    char name[32];
    const struct obj *o;

    rig_open_virtual(&r);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "web-5d4f8c7b9-%05d", i);
        put(&r, pod("default", name), "{}");
    }
    store_stats(r.s, &stats);
    o = store_find(r.s, pod("default", name));
    CHECK(o != NULL);
    if (o) { /* the index adds some 30 bytes, malloc 8 */
        size_t own = o->key.resource.n + o->key.ns.n + o->key.name.n + o->uid.n + o->labels.n +
                     o->fields.n + o->data.n;

        CHECK(stats.bytes / 100 - own + 38 <= 200);
    }
    rig_close(&r);
}

TEST_MAIN
