/* pure_test.c - the node agent's small pure parts: expansion of $(NAME), waiting after failures. */
#include "kubelet/backoff.h"
#include "kubelet/expand.h"
#include "test/test.h"

static bool find(void *ctx, str name, str *ret)
{
    if (str_is(name, "A")) {
        *ret = S("one");
        return true;
    }
    if (str_is(name, "EMPTY")) {
        *ret = STR_NONE;
        return true;
    }
    return false;
}

static void check_expands(const char *in, const char *want)
{
    CLEANUP(arena) struct arena *a = arena_new();

    CHECK_STRZ(expand_vars(a, str_of(in), find, NULL, NULL), want);
}

TEST(expand, replaces_what_is_known_and_leaves_the_rest)
{
    check_expands("plain", "plain");
    check_expands("$(A)", "one");
    check_expands("x$(A)y$(A)z", "xoneyonez");
    check_expands("$(EMPTY)", "");
    check_expands("$(B)", "$(B)");
    check_expands("$A ${A}", "$A ${A}");
    check_expands("$(A", "$(A");
    check_expands("$", "$");
    check_expands("a$", "a$");
    check_expands("$()", "$()");
}

TEST(expand, two_dollars_are_one_and_escape_a_reference)
{
    check_expands("$$(A)", "$(A)");
    check_expands("$$$(A)", "$one");
    check_expands("$$$$(A)", "$$(A)");
    check_expands("$$", "$");
    check_expands("$($(A))", "$($(A))");
}

TEST(expand, tells_the_first_name_that_is_missing)
{
    CLEANUP(arena) struct arena *a = arena_new();
    str missed = STR_NONE;

    expand_vars(a, S("$(A)/$(X)/$(Y)"), find, NULL, &missed);
    CHECK_STRZ(missed, "X");
}

TEST(backoff, doubles_up_to_the_longest_and_is_forgotten_after_calm)
{
    const struct backoff b = {10 * NS_PER_S, 300 * NS_PER_S};
    struct backoff_entry e = {0};
    wall_time now = {1000 * NS_PER_S};
    static const int64_t seconds[] = {10, 20, 40, 80, 160, 300, 300};

    CHECK_INT(backoff_wait_ns(&b, &e, now, now), 0);
    for (size_t i = 0; i < ARRAY_LEN(seconds); i++) {
        backoff_raise(&b, &e, now);
        CHECK_INT(backoff_wait_ns(&b, &e, now, now), seconds[i] * NS_PER_S);
        now.ns += seconds[i] * NS_PER_S;
        CHECK(backoff_wait_ns(&b, &e, (wall_time){now.ns - seconds[i] * NS_PER_S}, now) <= 0);
    }
    now.ns += 601 * NS_PER_S;
    CHECK_INT(backoff_wait_ns(&b, &e, now, now), 0);
    backoff_raise(&b, &e, now);
    CHECK_INT(backoff_wait_ns(&b, &e, now, now), 10 * NS_PER_S);
    /* The clock was set back: nothing waits until it has caught up. */
    CHECK_INT(backoff_wait_ns(&b, &e, (wall_time){now.ns + 1}, now), 0);
}

TEST_MAIN
