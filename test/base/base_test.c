/* base_test.c - claims about slices, buffers, arenas, maps, trees, errors. */
#include "test/test.h"

TEST(str, cut_walks_all_parts_and_then_ends)
{
    str rest = S("a//b"), head;

    CHECK(str_cut(&rest, '/', &head));
    CHECK_STR(head, S("a"));
    CHECK(str_cut(&rest, '/', &head));
    CHECK_STR(head, S(""));
    CHECK(str_cut(&rest, '/', &head));
    CHECK_STR(head, S("b"));
    CHECK(!str_cut(&rest, '/', &head));
}

TEST(str, to_int64_refuses_overflow_and_garbage)
{
    static const struct {
        str text;
        bool ok;
        int64_t value;
    } cases[] = {
        {STR("0"), true, 0},
        {STR("-9223372036854775808"), true, INT64_MIN},
        {STR("9223372036854775807"), true, INT64_MAX},
        {STR("9223372036854775808"), false, 0},
        {STR("-9223372036854775809"), false, 0},
        {STR(""), false, 0},
        {STR("-"), false, 0},
        {STR("1x"), false, 0},
        {STR(" 1"), false, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t v = 0;

        CHECK(str_to_int64(cases[i].text, &v) == cases[i].ok);
        CHECK_INT(v, cases[i].value);
    }
}

TEST(str, durations_are_gos)
{
    static const struct {
        str text;
        bool ok;
        int64_t ns;
    } cases[] = {
        {STR("0"), true, 0},
        {STR("5s"), true, INT64_C(5000000000)},
        {STR("1h30m"), true, INT64_C(5400000000000)},
        {STR("-1.5s"), true, INT64_C(-1500000000)},
        {STR("300ms"), true, 300000000},
        {STR("1.000000000000000000001s"), true, INT64_C(1000000000)},
        {STR("\xc2\xb5s"), false, 0},
        {STR("3\xc2\xb5s"), true, 3000},
        {STR(".5h"), true, INT64_C(1800000000000)},
        {STR("2562047h47m16.854775807s"), true, INT64_MAX},
        {STR("2562047h47m16.854775808s"), false, 0},
        {STR(""), false, 0},
        {STR("5"), false, 0},
        {STR("s"), false, 0},
        {STR(".s"), false, 0},
        {STR("1d"), false, 0},
        {STR("99999999999999999999h"), false, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t v = 0;

        CHECK(str_to_duration(cases[i].text, &v) == cases[i].ok);
        CHECK_INT(v, cases[i].ns);
    }
}

TEST(duration, is_shown_coarser_as_it_grows)
{
    enum { M = 60, H = 3600, D = 24 * 3600 };
    static const struct {
        int64_t seconds;
        const char *want;
    } cases[] = {
        {-5, "<invalid>"},
        {-1, "0s"},
        {0, "0s"},
        {119, "119s"},
        {2 * M, "2m"},
        {3 * M + 7, "3m7s"},
        {10 * M + 7, "10m"},
        {179 * M, "179m"},
        {3 * H, "3h"},
        {7 * H + 30 * M, "7h30m"},
        {8 * H + 30 * M, "8h"},
        {47 * H, "47h"},
        {2 * D, "2d"},
        {2 * D + H, "2d1h"},
        {8 * D + H, "8d"},
        {729 * D, "729d"},
        {730 * D, "2y"},
        {731 * D, "2y1d"},
        {8 * 365 * D + D, "8y"},
    };
    CLEANUP(arena) struct arena *a = arena_new();

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        CHECK_STRZ(duration_text(a, cases[i].seconds), cases[i].want);
}

TEST(str, compares_as_go_does)
{
    CHECK(str_cmp(S("a"), S("ab")) < 0);
    CHECK(str_cmp(S("b"), S("ab")) > 0);
    CHECK(str_cmp(S("\xc3\xa9"), S("z")) > 0);
    CHECK(str_cmp(S(""), S("")) == 0);
    CHECK_INT(str_find(S("abcabd"), S("abd")), 3);
    CHECK_STR(str_trim(S(" \t x y\n")), S("x y"));
}

TEST(str, base64_goes_both_ways_and_refuses_bad_padding)
{
    static const str plain[] = {STR(""), STR("f"), STR("fo"), STR("foo"), STR("\xff\xfe\x00x")};
    CLEANUP(arena) struct arena *a = arena_new();

    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        CLEANUP(buf) struct buf b = BUF_INIT, u = BUF_INIT;
        str back = STR_NONE;

        buf_base64(&b, plain[i]);
        CHECK(base64_decode(a, buf_view(&b), &back));
        CHECK_STR(back, plain[i]);
        buf_base64url(&u, plain[i]);
        CHECK(base64url_decode(a, buf_view(&u), &back));
        CHECK_STR(back, plain[i]);
    }
    {
        str out;

        CHECK(!base64_decode(a, S("Zg"), &out));
        CHECK(!base64_decode(a, S("Z==="), &out));
        CHECK(!base64_decode(a, S("Zm9v*A=="), &out));
    }
}

TEST(buf, stops_at_its_limit_and_remembers)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    b.limit = 100;
    for (int i = 0; i < 50; i++)
        buf_z(&b, "abc");
    CHECK(b.overflow);
    CHECK_INT(b.n, 99);
    buf_clear(&b);
    buf_fmt(&b, "%d-%s", -5, "x");
    buf_int(&b, INT64_MIN);
    CHECK_STR(buf_view(&b), S("-5-x-9223372036854775808"));
    buf_drop(&b, 3);
    CHECK_STR(buf_view(&b), S("x-9223372036854775808"));
}

TEST(arena, grows_in_place_at_the_end_and_copies_otherwise)
{
    CLEANUP(arena) struct arena *a = arena_new();
    char *p = arena_alloc(a, 16), *q, *r;

    memcpy(p, "0123456789abcdef", 16);
    q = arena_grow(a, p, 16, 64);
    CHECK(q == p);
    arena_alloc(a, 16);
    r = arena_grow(a, q, 64, 1 << 20);
    CHECK(r != q);
    CHECK(memcmp(r, "0123456789abcdef", 16) == 0);
    for (int i = 0; i < 1000; i++)
        CHECK(((uintptr_t)arena_alloc(a, (size_t)i) & 15) == 0);
    arena_reset(a);
    CHECK_INT(arena_used(a), 0);
    CHECK_STR(arena_fmt(a, "%s/%d", "x", 3), S("x/3"));
}

TEST(map, keeps_insertion_order_and_survives_deletion)
{
    struct map m;
    int values[1000], n = 0, last = -1;

    map_init(&m);
    for (int i = 0; i < 1000; i++) {
        char key[16];

        values[i] = i;
        snprintf(key, sizeof key, "k%d", i);
        CHECK(map_put(&m, str_of(key), &values[i]) == NULL);
    }
    for (int i = 0; i < 1000; i += 2) {
        char key[16];

        snprintf(key, sizeof key, "k%d", i);
        CHECK(map_del(&m, str_of(key)) == &values[i]);
        CHECK(map_del(&m, str_of(key)) == NULL);
    }
    MAP_EACH(e, &m) {
        CHECK(*(int *)e->value > last);
        last = *(int *)e->value;
        n++;
    }
    CHECK_INT(n, 500);
    CHECK(map_find(&m, S("k1")) == &values[1]);
    CHECK(map_find(&m, S("k2")) == NULL);
    /* Holes must not fill the index: a million put/del pairs of one key come to an end. */
    for (int i = 0; i < 1000000; i++) {
        map_put(&m, S("same"), &values[0]);
        map_del(&m, S("same"));
    }
    CHECK_INT(m.n, 500);
    map_fini(&m);
}

TEST(map, gives_back_what_a_flood_has_left)
{
    struct map m;
    char key[16];
    int value;

    map_init(&m);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 10000; i++) {
            snprintf(key, sizeof key, "k%d", i);
            map_put(&m, str_of(key), &value);
        }
        for (int i = 0; i < 9990; i++) {
            snprintf(key, sizeof key, "k%d", i);
            map_del(&m, str_of(key));
        }
        if (round)
            map_shrink(&m);
        else
            map_put(&m, S("k0"), &value);
        CHECK(m.cap <= 32);
        CHECK_INT(m.n, round ? 10 : 11);
        for (int i = 9990; i < 10000; i++) {
            snprintf(key, sizeof key, "k%d", i);
            CHECK(map_find(&m, str_of(key)) == &value);
        }
        CHECK(!map_find(&m, S("k5")));
    }
    map_fini(&m);
}

TEST(tree, walks_in_byte_order_from_anywhere)
{
    struct tree *t = tree_new();
    const struct tree_node *n;
    char key[16], before[16] = "";
    int count = 0;

    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "%d", i * 7919 % 2000);
        tree_put(t, str_of(key), t);
    }
    CHECK_INT(tree_count(t), 2000);
    for (n = tree_first_from(t, S("")); n; n = tree_next(n)) {
        str k = tree_key(n);

        CHECK(str_cmp(str_of(before), k) < 0);
        snprintf(before, sizeof before, PRI_STR, STR_ARG(k));
        count++;
    }
    CHECK_INT(count, 2000);
    n = tree_first_from(t, S("1998x"));
    CHECK_STR(tree_key(n), S("1999"));
    for (int i = 0; i < 2000; i += 2) {
        snprintf(key, sizeof key, "%d", i);
        CHECK(tree_del(t, str_of(key)) == t);
    }
    CHECK(tree_find(t, S("10")) == NULL);
    CHECK(tree_find(t, S("11")) == t);
    CHECK_INT(tree_count(t), 1000);
    tree_free(t);
}

TEST(err, carries_reason_trail_and_causes)
{
    CLEANUP(err) struct err *err = err_new(REASON_NOT_FOUND, "pods \"%s\" not found", "x");
    CLEANUP(err) struct err *copy = NULL;

    err = err_note(err, "reading");
    err = err_note(err, "binding %d", 1);
    err_cause_add(err, "FieldValueInvalid", S("spec.x"), S("bad"));
    copy = err_copy(err);
    CHECK_INT(copy->code, 404);
    CHECK_STRZ(reason_name(copy->reason), "NotFound");
    CHECK_STRZ(str_of(copy->trail), "binding 1: reading");
    CHECK_STRZ(str_of(copy->causes[0].field), "spec.x");
}

/* ---- slabs ---- */

/* Thousands of blocks of all sizes come and go; each keeps what was written into it. */
TEST(slab, blocks_keep_their_bytes)
{
    struct block {
        unsigned char *p;
        size_t n;
        unsigned char mark;
    } blocks[500] = {{0}};
    uint64_t state = 7;

    for (int round = 0; round < 20000; round++) {
        struct block *b;

        state = state * 6364136223846793005u + 1442695040888963407u;
        b = &blocks[(state >> 33) % ARRAY_LEN(blocks)];
        if (b->p) {
            for (size_t i = 0; i < b->n; i += 61)
                if (b->p[i] != b->mark)
                    test_fail(__FILE__, __LINE__, "block of %zu bytes, at %zu", b->n, i);
            CHECK_INT(b->p[b->n - 1], b->mark);
            slab_free(b->p, b->n);
            b->p = NULL;
        } else {
            b->n = 1 + (state >> 20) % (round % 50 ? 6000 : 50000);
            b->p = slab_alloc(b->n);
            b->mark = (unsigned char)(state >> 50);
            memset(b->p, b->mark, b->n);
        }
        if (round % 5000 == 0)
            slab_trim();
    }
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
        if (blocks[i].p)
            slab_free(blocks[i].p, blocks[i].n);
}

TEST_MAIN
