/* time_test.c - points in time as text. */
#include "test/loop/loop_test.h"

static void round_trip(const char *text, int64_t s)
{
    struct buf b = BUF_INIT;
    wall_time t = {-1};

    CHECK(rfc3339_parse(str_of(text), &t));
    CHECK_INT(t.ns, s * NS_PER_S);
    buf_rfc3339(&b, t);
    CHECK_STRZ(buf_view(&b), text);
    buf_fini(&b);
}

TEST(time, seconds_go_both_ways)
{
    round_trip("1970-01-01T00:00:00Z", 0);
    round_trip("1969-12-31T23:59:59Z", -1);
    round_trip("2000-02-29T12:00:00Z", 951825600);
    round_trip("2026-11-20T20:35:17Z", 1795206917);
    round_trip("2100-03-01T00:00:00Z", 4107542400);
}

TEST(time, fractions_and_offsets_are_read)
{
    wall_time t;
    struct buf b = BUF_INIT;

    CHECK(rfc3339_parse(S("2026-11-20T21:35:17.123456789+01:00"), &t));
    buf_rfc3339_micro(&b, t);
    CHECK_STRZ(buf_view(&b), "2026-11-20T20:35:17.123456Z");
    buf_clear(&b);
    CHECK(rfc3339_parse(S("2026-11-20T10:05:17.5-10:30"), &t));
    buf_rfc3339_micro(&b, t);
    CHECK_STRZ(buf_view(&b), "2026-11-20T20:35:17.500000Z");
    buf_fini(&b);
}

TEST(time, nonsense_is_refused)
{
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-11-20",
                                      "2026-11-20 20:35:17Z",
                                      "2026-13-20T20:35:17Z",
                                      "2026-02-29T20:35:17Z",
                                      "2026-11-20T24:00:00Z",
                                      "2026-11-20T20:60:17Z",
                                      "2026-11-20T20:35:60Z",
                                      "2026-11-20T20:35:17",
                                      "2026-11-20T20:35:17.Z",
                                      "2026-11-20T20:35:17Zx",
                                      "2026-11-20T20:35:17+1:00",
                                      "2026-11-20T20:35:17+25:00",
                                      "9999-12-31T23:59:59Z",
                                      "+026-11-20T20:35:17Z"};
    wall_time t;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (rfc3339_parse(str_of(bad[i]), &t))
            test_fail(__FILE__, __LINE__, "accepted: %s", bad[i]);
}
