/* cipher_test.c - encryption at rest: what the files hold, and which rows are opened. */
#include "store/engine.h"
#include "test/test.h"

#include <unistd.h>

#define NEEDLE "TheNeedleThatNobodyMayFind"

static const char *const secrets[] = {"secrets", NULL};
static struct store_key keys[2] = {{{1, 2, 3}}, {{4, 5, 6}}};
static char path[64];
static size_t n_rows;
static bool all_right;

static struct store_cipher cipher(size_t first, bool encrypts)
{
    return (struct store_cipher){
        .resources = secrets, .keys = &keys[first], .n_keys = 2 - first, .encrypts = encrypts};
}

static void fresh(void)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};

    snprintf(path, sizeof path, "/tmp/k1s-cipher-%d.db", (int)getpid());
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char file[80];

        snprintf(file, sizeof file, "%s%s", path, suffixes[i]);
        unlink(file);
    }
}

static void append(struct engine *e, int64_t revision, int64_t prev, const char *resource,
                   bool deleted)
{
    struct obj *o = obj_new((struct key){str_of(resource), S("ns"), S("name")}, revision, S("u"),
                            S("{\"data\":\"" NEEDLE "\"}"), S(""), S(""));

    CHECK_OK(engine_append(e, &(struct engine_write){o, prev, deleted}, 1));
    obj_unref(o);
}

static void see(void *ctx, const struct engine_row *row)
{
    (void)ctx;
    n_rows++;
    all_right &= str_is(row->data, "{\"data\":\"" NEEDLE "\"}");
}

static struct err *load(struct engine *e)
{
    int64_t revision, compacted;

    n_rows = 0;
    all_right = true;
    return engine_load(e, see, NULL, &revision, &compacted);
}

/* In database and log, as bytes. */
static int needles(void)
{
    static const char *const suffixes[] = {"", "-wal"};
    int found = 0;

    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        CLEANUP(buf) struct buf text = BUF_INIT;
        char file[80];
        str rest;
        ptrdiff_t at;

        snprintf(file, sizeof file, "%s%s", path, suffixes[i]);
        if (!test_read_file(file, &text))
            continue;
        rest = buf_view(&text);
        while ((at = str_find(rest, S(NEEDLE))) >= 0) {
            found++;
            rest = str_skip(rest, (size_t)at + 1);
        }
    }
    return found;
}

TEST(cipher, hides_what_is_written_and_gives_it_back)
{
    struct store_cipher c = cipher(0, true);
    struct engine *e;

    fresh();
    CHECK_OK(engine_open(path, &c, &e));
    append(e, 2, 0, "secrets", false);
    CHECK_INT(needles(), 0);
    append(e, 3, 0, "configmaps", false);
    CHECK(needles() > 0); /* of what is no secret */
    engine_close(e);
    CHECK_OK(engine_open(path, &c, &e));
    CHECK_OK(load(e));
    CHECK_INT(n_rows, 2);
    CHECK(all_right);
    engine_close(e);
    fresh();
}

TEST(cipher, leaves_nothing_of_what_was_plain_before_not_even_of_deleted_rows)
{
    struct store_cipher plain = cipher(0, false), c = cipher(0, true), other = cipher(1, true);
    struct engine *e;
    struct err *err;
    bool more = true;
    size_t n;

    fresh();
    CHECK_OK(engine_open(path, NULL, &e));
    for (int64_t i = 2; i < 300; i++)
        append(e, i, i == 2 ? 0 : i - 1, "secrets", false);
    while (more)
        CHECK_OK(engine_compact(e, 200, 299, 1000, &more));
    engine_close(e);
    CHECK(needles() >= 100);
    CHECK_OK(engine_open(path, &c, &e));
    CHECK_OK(load(e));
    CHECK_OK(engine_converge(e, &n));
    CHECK_INT(n, 100);
    CHECK_INT(needles(), 0);
    CHECK_OK(load(e));
    CHECK_INT(n_rows, 100);
    CHECK(all_right);
    CHECK_OK(engine_converge(e, &n));
    CHECK_INT(n, 0); /* nothing to do twice */
    engine_close(e);
    /* The second key alone opens nothing. */
    CHECK_OK(engine_open(path, &other, &e));
    err = load(e);
    CHECK(err && strstr(err_text(err), "a key that is not there"));
    err_free(err);
    engine_close(e);
    CHECK_OK(engine_open(path, &plain, &e));
    CHECK_OK(load(e));
    CHECK_OK(engine_converge(e, &n));
    CHECK_INT(n, 100);
    engine_close(e);
    CHECK(needles() >= 100);
    fresh();
}

TEST(cipher, refuses_a_row_that_was_moved)
{
    struct store_cipher c = cipher(0, true);
    struct buf sealed = BUF_INIT, out = BUF_INIT;

    cipher_seal(&c, S("secrets\0ns\0a"), 7, S(NEEDLE), &sealed);
    CHECK(!cipher_open(&c, S("secrets\0ns\0a"), 7, buf_view(&sealed), &out));
    CHECK_STR(buf_view(&out), S(NEEDLE));
    CHECK(cipher_open(&c, S("secrets\0ns\0b"), 7, buf_view(&sealed), &out) != NULL);
    CHECK(cipher_open(&c, S("secrets\0ns\0a"), 8, buf_view(&sealed), &out) != NULL);
    for (size_t i = 0; i < sealed.n; i++) {
        sealed.p[i] ^= 1;
        CHECK(cipher_open(&c, S("secrets\0ns\0a"), 7, buf_view(&sealed), &out) != NULL);
        sealed.p[i] ^= 1;
        CHECK(cipher_open(&c, S("secrets\0ns\0a"), 7, str_slice(buf_view(&sealed), 0, i), &out) !=
              NULL);
    }
    buf_fini(&sealed);
    buf_fini(&out);
}

TEST_MAIN
