/* quantity_test.c - claims about resource quantities. */
#include "schema/schema.h"

#include "test/test.h"

TEST(quantity, canonical_forms_are_those_of_kubernetes)
{
    static const struct {
        str text, want;
    } cases[] = {
        {STR("0"), STR("0")},
        {STR("0m"), STR("0")},
        {STR("0Mi"), STR("0")},
        {STR("00"), STR("0")},
        {STR("-"), STR("0")},
        {STR("."), STR("0")},
        {STR("1000m"), STR("1")},
        {STR("100m"), STR("100m")},
        {STR("1.5"), STR("1500m")},
        {STR("0.5"), STR("500m")},
        {STR("0.5Gi"), STR("512Mi")},
        {STR("1.5Gi"), STR("1536Mi")},
        {STR("1024Ki"), STR("1Mi")},
        {STR("1000Ki"), STR("1000Ki")},
        {STR("1Mi"), STR("1Mi")},
        {STR("1024"), STR("1024")},
        {STR("1000"), STR("1k")},
        {STR("1000000"), STR("1M")},
        {STR("12345"), STR("12345")},
        {STR("1k"), STR("1k")},
        {STR("1e3"), STR("1e3")},
        {STR("1E3"), STR("1E3")},
        {STR("1e2"), STR("100")},
        {STR("1.1E-3"), STR("1100e-6")},
        {STR("100e3"), STR("100e3")},
        {STR("1000e3"), STR("1e6")},
        {STR("-100m"), STR("-100m")},
        {STR("-1.5Gi"), STR("-1536Mi")},
        {STR("+5"), STR("+5")},
        {STR("1.500"), STR("1.500")},
        {STR("1."), STR("1.")},
        {STR(".5"), STR("500m")},
        {STR("0.1Gi"), STR("107374182400m")},
        {STR("0.0000000001"), STR("1n")},
        {STR("0.9n"), STR("1n")},
        {STR("1.2345"), STR("1234500u")},
        {STR("8Ei"), STR("9223372036854775807")},
        {STR("9Ei"), STR("9223372036854775807")},
        {STR("7Ei"), STR("7Ei")},
        {STR("1000E"), STR("1e21")},
        {STR("18446744073709551616"), STR("18446744073709551616")},
        {STR("9999999999999999999999999999999999999999"),
         STR("9999999999999999999999999999999999999999")},
        {STR("512Ki"), STR("512Ki")},
        {STR("1Ki"), STR("1Ki")},
        {STR("0.5Ki"), STR("512")},
        {STR("123n"), STR("123n")},
        {STR("1000n"), STR("1u")},
        {STR("1000e2222000000000"), STR("1e2147483646")},
        {STR("1e2147483646"), STR("1e2147483646")},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(arena) struct arena *a = arena_new();
        str got = STR_NONE;

        if (!quantity_canonical(a, cases[i].text, &got))
            test_fail(__FILE__, __LINE__, PRI_STR " is refused", STR_ARG(cases[i].text));
        else if (!str_eq(got, cases[i].want))
            test_fail(__FILE__, __LINE__, PRI_STR " becomes " PRI_STR ", want " PRI_STR,
                      STR_ARG(cases[i].text), STR_ARG(got), STR_ARG(cases[i].want));
    }
}

TEST(quantity, malformed_ones_are_refused_with_their_reason)
{
    static const char *const bad_format[] = {"",    "abc", "1.2.3", "1 Gi",
                                             "1Gb", "--1", "1m1x",  "0x10"};
    static const char *const bad_suffix[] = {"1mm", "1KiM", "1iM", "1K", "1e"};

    for (size_t i = 0; i < ARRAY_LEN(bad_format); i++) {
        struct quantity q;

        if (quantity_parse(str_of(bad_format[i]), &q))
            test_fail(__FILE__, __LINE__, "%s is accepted", bad_format[i]);
    }
    CHECK_STRZ(quantity_problem(S("abc")), "quantities must match the regular expression "
                                           "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    for (size_t i = 0; i < ARRAY_LEN(bad_suffix); i++)
        CHECK(quantity_problem(str_of(bad_suffix[i])).n > 0);
    CHECK_STRZ(quantity_problem(S("1mm")), "unable to parse quantity's suffix");
    CHECK(str_is_empty(quantity_problem(S("1m"))));
}

TEST(quantity, values_round_away_from_zero_and_saturate)
{
    static const struct {
        str text;
        int64_t value, milli;
    } cases[] = {
        {STR("1"), 1, 1000},
        {STR("1m"), 1, 1},
        {STR("1n"), 1, 1},
        {STR("1001u"), 1, 2},
        {STR("-1500m"), -2, -1500},
        {STR("1Gi"), 1073741824, 1073741824000},
        {STR("9Ei"), INT64_MAX, INT64_MAX},
        {STR("1e40"), INT64_MAX, INT64_MAX},
        {STR("-1e40"), INT64_MIN, INT64_MIN},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct quantity q;

        CHECK(quantity_parse(cases[i].text, &q));
        CHECK_INT(quantity_value(&q), cases[i].value);
        CHECK_INT(quantity_milli(&q), cases[i].milli);
    }
}

TEST(quantity, sums_are_exact_and_printed_in_the_asked_form)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct quantity a, c;

    CHECK(quantity_parse(S("1.5Gi"), &a) && quantity_parse(S("512Mi"), &c));
    quantity_add(&a, &c);
    buf_quantity(&b, &a, 'b');
    CHECK_STRZ(buf_view(&b), "2Gi");
    CHECK(quantity_parse(S("100m"), &a) && quantity_parse(S("1"), &c));
    CHECK_INT(quantity_cmp(&a, &c), -1);
    quantity_sub(&a, &c);
    buf_clear(&b);
    buf_quantity(&b, &a, 'd');
    CHECK_STRZ(buf_view(&b), "-900m");
    CHECK(a.negative);
}
