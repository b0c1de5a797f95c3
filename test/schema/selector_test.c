/* selector_test.c - claims about label and field selectors. */
#include "schema/schema.h"

#include "test/test.h"

static const char *parse_error(struct arena *a, str text, bool fields)
{
    struct selector s;
    CLEANUP(err)
    struct err *err = fields ? field_selector_parse(a, text, &s) : selector_parse(a, text, &s);

    return err ? arena_dupz(a, str_of(err_text(err))) : "";
}

TEST(selector, errors_are_worded_as_kubernetes_words_them)
{
    static const struct {
        str text;
        const char *want;
    } cases[] = {
        {STR("a===b"), "unable to parse requirement: found '=', expected: identifier"},
        {STR("num>=4"), "unable to parse requirement: found '=', expected: identifier"},
        {STR("a===="), "unable to parse requirement: found '==', expected: identifier"},
        {STR("!!a"), "unable to parse requirement: found '!', expected: identifier"},
        {STR("a in b"), "unable to parse requirement: found 'b' expected: '('"},
        {STR("app in (web"), "unable to parse requirement: found '', expected: ',' or ')'"},
        {STR("a b"),
         "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"},
        {STR("a>b"), "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' "
                     "operators, the value must be an integer"},
        {STR("a,"), "found '', expected: identifier after ','"},
        {STR("a=b c"), "found 'c', expected: ',' or 'end of string'"},
        {STR("!a=b"), "found '=', expected: ',' or 'end of string'"},
        {STR("=b"), "found '=', expected: !, identifier, or 'end of string'"},
        {STR("a in (=)"),
         "unable to parse requirement: found '=', expected: ',', ')' or identifier"},
        {STR("app=-bad-"), "unable to parse requirement: values[0][app]: Invalid value: \"-bad-\": "
                           "a valid label must be an empty string or "
                           "consist of alphanumeric characters, '-', '_' or '.', and must start "
                           "and end with an alphanumeric character (e.g. "
                           "'MyValue',  or 'my_value',  or '12345', regex used for validation is "
                           "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"},
        {STR("'app=web'"), "unable to parse requirement: <nil>: Invalid value: \"'app\": name part "
                           "must consist of alphanumeric characters, '-', "
                           "'_' or '.', and must start and end with an alphanumeric character "
                           "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex "
                           "used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"},
        {STR("UPPER.example.test/x=1"),
         "unable to parse requirement: <nil>: Invalid value: \"UPPER.example.test/x\": prefix part "
         "a lowercase RFC 1123 subdomain must consist of "
         "lower case alphanumeric characters, '-' or '.', and must start and end with an "
         "alphanumeric character (e.g. 'example.com', regex used "
         "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(arena) struct arena *a = arena_new();

        CHECK_STRZ(str_of(parse_error(a, cases[i].text, false)), cases[i].want);
    }
}

static const char *const fields_want[][2] = {
    {"metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"},
    {"a===b", "invalid field selector: unescaped character in value: 61"},
    {"a=b\\x", "invalid field selector: invalid escape sequence: \\x"},
    {"a=b\\", "invalid field selector: invalid escape sequence: \\"},
};

TEST(selector, field_selector_errors_are_worded_as_kubernetes_words_them)
{
    for (size_t i = 0; i < ARRAY_LEN(fields_want); i++) {
        CLEANUP(arena) struct arena *a = arena_new();

        CHECK_STRZ(str_of(parse_error(a, str_of(fields_want[i][0]), true)), fields_want[i][1]);
    }
}

TEST(selector, field_selectors_split_at_unescaped_commas)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct selector s;

    CHECK_OK(field_selector_parse(a, S("b!=x\\,y,a=1,,c==\\=,"), &s));
    CHECK_INT(s.n_terms, 3);
    CHECK_STRZ(s.terms[0].key, "a");
    CHECK_STRZ(s.terms[1].values[0], "x,y");
    CHECK_INT(s.terms[1].op, SELECTOR_NEQ);
    CHECK_STRZ(s.terms[2].values[0], "=");
}

TEST(selector, requests_carry_only_so_many_terms_and_values)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf terms = BUF_INIT, fields = BUF_INIT, values = BUF_INIT;
    struct selector s;

    for (int i = 0; i <= SELECTOR_TERMS_MAX; i++) {
        buf_fmt(&terms, "%s!t%d", i ? "," : "", i);
        buf_fmt(&fields, "%sf%d!=x", i ? "," : "", i);
    }
    buf_z(&values, "k notin (");
    for (int i = SELECTOR_VALUES_MAX; i > 0; i--)
        buf_fmt(&values, "v%d,v%d%s", i, i, i > 1 ? "," : "");
    CHECK_STRZ(str_of(parse_error(a, buf_view(&terms), false)),
               "selector has more than 256 requirements");
    CHECK_STRZ(str_of(parse_error(a, buf_view(&fields), true)),
               "selector has more than 256 requirements");
    buf_z(&values, ")");
    CHECK_OK(selector_parse(a, buf_view(&values), &s));
    CHECK_INT(s.terms[0].n_values, SELECTOR_VALUES_MAX);
    CHECK_STRZ(s.terms[0].values[0], "v1");
    values.n--;
    buf_z(&values, ",w)");
    CHECK_STRZ(str_of(parse_error(a, buf_view(&values), false)),
               "selector has more than 4096 values for one key");
}

static bool matches(str text, const char *labels)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf packed = BUF_INIT;
    struct json *map = NULL;
    struct selector s;
    bool by_map;

    CHECK_OK(selector_parse(a, text, &s));
    CHECK_OK(json_parse(a, str_of(labels), NULL, NULL, &map));
    buf_packed_labels(&packed, map);
    by_map = selector_matches_map(&s, map);
    if (by_map != selector_matches_packed(&s, buf_view(&packed)))
        test_fail(__FILE__, __LINE__, PRI_STR ": map and packed labels differ", STR_ARG(text));
    return by_map;
}

TEST(selector, terms_match_as_documented)
{
    static const struct {
        str text;
        const char *labels;
        bool want;
    } cases[] = {
        {STR(""), "{}", true},
        {STR(" "), "{\"a\":\"b\"}", true},
        {STR("a=b"), "{\"a\":\"b\"}", true},
        {STR("a==b"), "{\"a\":\"c\"}", false},
        {STR("a=b"), "{}", false},
        {STR("a="), "{\"a\":\"\"}", true},
        {STR("a!=b"), "{}", true},
        {STR("a!=b"), "{\"a\":\"b\"}", false},
        {STR("a in (b, c)"), "{\"a\":\"c\"}", true},
        {STR("a in (b,c)"), "{\"a\":\"d\"}", false},
        {STR("a in (in,notin)"), "{\"a\":\"in\"}", true},
        {STR("a in ()"), "{\"a\":\"\"}", true},
        {STR("a in (,x)"), "{\"a\":\"\"}", true},
        {STR("a in (x,)"), "{\"a\":\"\"}", true},
        {STR("a notin (b)"), "{}", true},
        {STR("a notin (b)"), "{\"a\":\"b\"}", false},
        {STR("a"), "{\"a\":\"\"}", true},
        {STR("a"), "{\"aa\":\"x\"}", false},
        {STR("!a"), "{\"b\":\"\"}", true},
        {STR("!a"), "{\"a\":\"\"}", false},
        {STR("a>3"), "{\"a\":\"4\"}", true},
        {STR("a<3"), "{\"a\":\"4\"}", false},
        {STR("a>3"), "{\"a\":\"x\"}", false},
        {STR("in in (in),x=1"), "{\"in\":\"in\",\"x\":\"1\"}", true},
        {STR("example.com/a=b,c!=d,e in (f,g),!h"), "{\"example.com/a\":\"b\",\"e\":\"g\"}", true},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (matches(cases[i].text, cases[i].labels) != cases[i].want)
            test_fail(__FILE__, __LINE__, "'" PRI_STR "' on %s", STR_ARG(cases[i].text),
                      cases[i].labels);
}

TEST(selector, an_absent_object_selects_nothing_and_an_empty_one_everything)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *v = NULL;
    struct selector s;

    CHECK_OK(selector_from_object(a, NULL, &s));
    CHECK(!selector_matches_map(&s, NULL));
    CHECK_OK(json_parse(a, S("{}"), NULL, NULL, &v));
    CHECK_OK(selector_from_object(a, v, &s));
    CHECK(selector_matches_map(&s, NULL));
    CHECK_OK(json_parse(a,
                        S("{\"matchLabels\":{\"a\":\"b\"},\"matchExpressions\":[{\"key\":\"c\","
                          "\"operator\":\"NotIn\",\"values\":[\"d\"]}]}"),
                        NULL, NULL, &v));
    CHECK_OK(selector_from_object(a, v, &s));
    CHECK_INT(s.n_terms, 2);
    CHECK_OK(json_parse(a, S("{\"a\":\"b\"}"), NULL, NULL, &v));
    CHECK(selector_matches_map(&s, v));
    CHECK(labels_include(v, v));
    CHECK(!labels_include(v, NULL));
}
TEST_MAIN
