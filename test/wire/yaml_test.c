/* yaml_test.c - claims about reading and writing YAML as Kubernetes does. */
#include "wire/yaml.h"

#include "test/test.h"

#include <dirent.h>
#include <time.h>

static void check_json(str yaml, const char *want)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json *v = NULL;

    CHECK_OK(yaml_parse(a, yaml, NULL, &v));
    if (!v)
        return;
    json_encode(&b, v);
    CHECK_STRZ(buf_view(&b), want);
}

static void check_error(str yaml, const char *want)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *v = NULL;
    CLEANUP(err) struct err *err = yaml_parse(a, yaml, NULL, &v);

    CHECK(err != NULL);
    if (err)
        CHECK_STRZ(str_of(err_text(err)), want);
}

TEST(yaml, plain_scalars_get_the_types_of_yaml_1_1)
{
    static const struct {
        str yaml;
        const char *json;
    } cases[] = {
        {STR("yes"), "true"},
        {STR("Off"), "false"},
        {STR("y"), "true"},
        {STR("yEs"), "\"yEs\""},
        {STR("~"), "null"},
        {STR(""), "null"},
        {STR("Null"), "null"},
        {STR("12"), "12"},
        {STR("-12"), "-12"},
        {STR("+12"), "12"},
        {STR("0o17"), "15"},
        {STR("017"), "15"},
        {STR("019"), "19"},
        {STR("0x1F"), "31"},
        {STR("-0b101"), "-5"},
        {STR("1_000"), "1000"},
        {STR("9223372036854775807"), "9223372036854775807"},
        {STR("18446744073709551615"), "18446744073709552000"},
        {STR("1.5"), "1.5"},
        {STR("1e3"), "1000"},
        {STR("1.0"), "1"},
        {STR(".5"), "0.5"},
        {STR("1_0.5"), "10.5"},
        {STR("1e400"), "\"1e400\""},
        {STR("1.2.3"), "\"1.2.3\""},
        {STR("1:30"), "\"1:30\""},
        {STR("0x"), "\"0x\""},
        {STR("0xFFFFFFFFFFFFFFFFF"), "\"0xFFFFFFFFFFFFFFFFF\""},
        {STR("18446744073709551616"), "18446744073709552000"},
        {STR("-"), "[null]"},
        {STR("."), "\".\""},
        {STR("2001-12-14"), "\"2001-12-14\""},
        {STR("2001-12-14T21:59:43Z"), "\"2001-12-14T21:59:43Z\""},
        {STR("100m"), "\"100m\""},
        {STR("\"12\""), "\"12\""},
        {STR("'yes'"), "\"yes\""},
        {STR("!!str 12"), "\"12\""},
        {STR("!!float 12"), "12"},
        {STR("!!binary aGFsbG8="), "\"hallo\""},
        {STR("!mine 12"), "\"12\""},
        {STR("word"), "\"word\""},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_json(cases[i].yaml, cases[i].json);
}

TEST(yaml, keys_become_strings)
{
    check_json(S("1: a\ntrue: b\n1.5: c\n\"q\": d\n0x10: e\n"),
               "{\"1\":\"a\",\"true\":\"b\",\"1.5\":\"c\",\"q\":\"d\",\"16\":\"e\"}");
    check_json(S("1e99: a\n-1e99: b\n"), "{\".inf\":\"a\",\"-.inf\":\"b\"}");
    check_error(
        S("null: x"),
        "error converting YAML to JSON: unsupported map key of type: %!s(<nil>), key: <nil>");
    check_error(S("a: {{ .Values.x }}"),
                "error converting YAML to JSON: yaml: invalid map key: map[interface {}]interface "
                "{}{\".Values.x\":interface {}(nil)}");
}

TEST(yaml, block_scalars_keep_and_chomp_their_line_ends)
{
    check_json(S("a: |\n  x\n  y\n"), "{\"a\":\"x\\ny\\n\"}");
    check_json(S("a: |-\n  x\n  y\n\n"), "{\"a\":\"x\\ny\"}");
    check_json(S("a: |+\n  x\n\n"), "{\"a\":\"x\\n\\n\"}");
    check_json(S("a: >\n  x\n  y\n\n  z\n"), "{\"a\":\"x y\\nz\\n\"}");
}

TEST(yaml, aliases_are_copies_and_merge_keys_merge)
{
    check_json(S("a: &x {p: 1, q: [2]}\nb: *x\n"),
               "{\"a\":{\"p\":1,\"q\":[2]},\"b\":{\"p\":1,\"q\":[2]}}");
    check_json(S("a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3\n"),
               "{\"a\":{\"p\":1,\"q\":2},\"b\":{\"p\":1,\"q\":3}}");
    check_json(S("a: &x {p: 1}\nb: &y {p: 2, r: 3}\nc:\n  <<: [*x, *y]\n"),
               "{\"a\":{\"p\":1},\"b\":{\"p\":2,\"r\":3},\"c\":{\"p\":1,\"r\":3}}");
    check_json(S("\"<<\": 1"), "{\"\\u003c\\u003c\":1}");
    check_error(S("<<: 1"), "error converting YAML to JSON: yaml: map merge requires map or "
                            "sequence of maps as the value");
    check_error(S("a: *x"), "error converting YAML to JSON: yaml: unknown anchor 'x' referenced");
    check_error(S("a: &x [*x]"),
                "error converting YAML to JSON: yaml: anchor 'x' value contains itself");
}

TEST(yaml, a_small_text_cannot_become_a_huge_tree)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_z(&b, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 12; i++) {
        buf_fmt(&b, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++)
            buf_fmt(&b, "%s*a%d", k ? "," : "", i - 1);
        buf_z(&b, "]\n");
    }
    check_error(buf_view(&b),
                "error converting YAML to JSON: yaml: document contains excessive aliasing");
}

TEST(yaml, many_anchors_are_found_without_comparing_all_names)
{
    enum { N = 100000 };
    CLEANUP(buf) struct buf b = BUF_INIT;
    CLEANUP(arena) struct arena *a = arena_new();
    clock_t from = clock();
    struct json *v;

    for (int i = 0; i < N; i++)
        buf_fmt(&b, "a%d: &x%d %d\n", i, i, i);
    for (int i = 0; i < N; i++)
        buf_fmt(&b, "b%d: *x%d\n", i, i);
    CHECK_OK(yaml_parse(a, buf_view(&b), NULL, &v));
    CHECK_INT(json_count(v), 2 * N);
    CHECK_INT(v->members[N + 7].value.i, 7);
    CHECK((double)(clock() - from) / CLOCKS_PER_SEC < 5);
}

TEST(yaml, errors_carry_the_line_as_go_yaml_counts_it)
{
    check_error(S("a: [b\n"),
                "error converting YAML to JSON: yaml: line 1: did not find expected ',' or ']'");
    check_error(S("a: b\nc: d: e\n"), "error converting YAML to JSON: yaml: line 2: mapping values "
                                      "are not allowed in this context");
    check_error(
        S("a:\n\tb: c\n"),
        "error converting YAML to JSON: yaml: line 2: found character that cannot start any token");
    check_error(S("a: b\n c: d\n"), "error converting YAML to JSON: yaml: line 2: mapping values "
                                    "are not allowed in this context");
    check_error(
        S("|\n    y\n  # no\n  \tt\n"),
        "error converting YAML to JSON: yaml: line 4: found character that cannot start any token");
    check_error(S("a: .nan"), "error converting YAML to JSON: json: unsupported value: NaN");
    check_error(S("!!int x"),
                "error converting YAML to JSON: yaml: cannot decode !!str `x` as a !!int");
}

TEST(yaml, nesting_is_limited)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    for (int i = 0; i < 100000; i++)
        buf_char(&b, '[');
    check_error(buf_view(&b), "error converting YAML to JSON: yaml: exceeded max depth of 512");
}

/* Source: Kubernetes' test/integration/apiserver/field_validation_test.go, the rows of YAML bodies. */
TEST(yaml, duplicates_are_reported_by_line_and_the_last_wins)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json dups = json_array(), *v = NULL;

    CHECK_OK(yaml_parse(a, S("spec:\n  l:\n  - x: 1\n    x: 2\n  r: 1\n  r: 2\n"), &dups, &v));
    json_encode(&b, v);
    CHECK_STRZ(buf_view(&b), "{\"spec\":{\"l\":[{\"x\":2}],\"r\":2}}");
    buf_clear(&b);
    json_encode(&b, &dups);
    CHECK_STRZ(buf_view(&b), "[\"line 4: key \\\"x\\\" already set in map\","
                             "\"line 6: key \\\"r\\\" already set in map\"]");
    dups = json_array();
    buf_clear(&b);
    CHECK_OK(yaml_parse(a, S("{\"a\":1,\n\"a\":\n2}"), &dups, &v));
    json_encode(&b, &dups);
    CHECK_STRZ(buf_view(&b), "[\"line 3: key \\\"a\\\" already set in map\"]");
}

TEST(yaml, a_large_mapping_takes_linear_time)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json dups = json_array(), *v = NULL;

    for (int i = 0; i < 50000; i++)
        buf_fmt(&b, "k%d: %d\n", i, i);
    buf_z(&b, "k25: x\nk49999: y\n");
    CHECK_OK(yaml_parse(a, buf_view(&b), &dups, &v));
    CHECK_INT(json_count(v), 50000);
    CHECK_INT(json_count(&dups), 2);
}

static void check_all(str yaml, const char *want)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json *v = NULL;

    CHECK_OK(yaml_parse_all(a, yaml, &v));
    if (!v)
        return;
    json_encode(&b, v);
    CHECK_STRZ(buf_view(&b), want);
}

TEST(yaml, a_stream_gives_its_documents_without_the_empty_ones)
{
    check_all(S("a: 1\n---\n---\n# nothing\n---\nb: 2\n"), "[{\"a\":1},{\"b\":2}]");
    check_all(S("---\na: 1\n--- # next\nb: 2"), "[{\"a\":1},{\"b\":2}]");
    check_all(S("--- {a: 1}\n--- {b: 2}\n"), "[{\"a\":1},{\"b\":2}]");
    check_all(S("{\"a\":1}\n{\"b\":2}"), "[{\"a\":1},{\"b\":2}]");
    check_all(S("{\"a\":1}\n---\n{\"b\":2}\n---\nc: 3\n"), "[{\"a\":1},{\"b\":2},{\"c\":3}]");
    check_all(S(""), "[]");
    check_all(STR_NONE, "[]");
    check_json(STR_NONE, "null");
    check_all(S("a: |\n  ---\n  x\n"), "[{\"a\":\"---\\nx\\n\"}]");
}

TEST(yaml, what_would_read_back_as_something_else_is_quoted)
{
    static const struct {
        str json;
        const char *yaml;
    } cases[] = {
        {STR("\"yes\""), "\"yes\"\n"},
        {STR("\"12\""), "\"12\"\n"},
        {STR("\"1e3\""), "\"1e3\"\n"},
        {STR("\"0x1f\""), "\"0x1f\"\n"},
        {STR("\"1_0\""), "\"1_0\"\n"},
        {STR("\"\""), "\"\"\n"},
        {STR("\"null\""), "\"null\"\n"},
        {STR("\"2001-12-14\""), "\"2001-12-14\"\n"},
        {STR("\"2001-12-14T01:02:03Z\""), "\"2001-12-14T01:02:03Z\"\n"},
        {STR("\"2001-12-14T01:02:03.5+02:00\""), "\"2001-12-14T01:02:03.5+02:00\"\n"},
        {STR("\"2001-13-14\""), "2001-13-14\n"},
        {STR("\"1:30\""), "\"1:30\"\n"},
        {STR("\"1:70\""), "1:70\n"},
        {STR("\"100m\""), "100m\n"},
        {STR("\"word\""), "word\n"},
        {STR("\"a: b\""), "'a: b'\n"},
        {STR("\"a #b\""), "'a #b'\n"},
        {STR("\"- a\""), "'- a'\n"},
        {STR("\"it's: x\""), "'it''s: x'\n"},
        {STR("\" lead\""), "' lead'\n"},
        {STR("\"tab\\tx\""), "\"tab\\tx\"\n"},
        {STR("\"*\""), "'*'\n"},
        {STR("\"@x\""), "'@x'\n"},
        {STR("\"{}\""), "'{}'\n"},
        {STR("\"\\u00e9\""), "\xc3\xa9\n"},
        {STR("12"), "12\n"},
        {STR("1.5"), "1.5\n"},
        {STR("1500000.5"), "1.5000005e+06\n"},
        {STR("1e21"), "1e+21\n"},
        {STR("1e20"), "1e+20\n"},
        {STR("-9223372036854775809"), "-9.223372036854776e+18\n"},
        {STR("true"), "true\n"},
        {STR("null"), "null\n"},
        {STR("{}"), "{}\n"},
        {STR("[]"), "[]\n"},
        {STR("{\"a\":[],\"b\":{},\"c\":[1,[2,3],{\"x\":1,\"y\":[4]}]}"),
         "a: []\nb: {}\nc:\n- 1\n- - 2\n  - 3\n- x: 1\n  \"y\":\n  - 4\n"},
        {STR("{\"t\":\"a\\nb\\n\",\"u\":\"a\\nb\",\"v\":\"a\\n\\n\",\"w\":\" a\\nb\"}"),
         "t: |\n  a\n  b\nu: |-\n  a\n  b\nv: |+\n  a\n\nw: |2-\n   a\n  b\n"},
        {STR("{\"key10\":1,\"key9\":2,\"Key\":3,\"a-b\":4,\"ab\":5,\"1\":6}"),
         "\"1\": 6\nKey: 3\na-b: 4\nab: 5\nkey9: 2\nkey10: 1\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(arena) struct arena *a = arena_new();
        CLEANUP(buf) struct buf b = BUF_INIT;
        struct json *v = NULL, *back = NULL;

        CHECK_OK(json_parse(a, cases[i].json, NULL, NULL, &v));
        yaml_encode(&b, v);
        CHECK_STRZ(buf_view(&b), cases[i].yaml);
        CHECK_OK(yaml_parse(a, buf_view(&b), NULL, &back));
        CHECK(json_equal(v, back));
    }
}

TEST(yaml, long_lines_are_folded_at_80_columns)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json v = json_object();

    json_setz(a, &v, "message",
              json_z("one two three four five six seven eight nine ten eleven twelve thirteen "
                     "fourteen fifteen: x"));
    yaml_encode(&b, &v);
    CHECK_STRZ(buf_view(&b), "message: 'one two three four five six seven eight nine ten eleven "
                             "twelve thirteen\n  fourteen fifteen: x'\n");
}

TEST(yaml, kubernetes_fixtures_read_as_their_json_and_write_as_they_are)
{
    const char *dir = test_shared("suites/kubernetes-roundtrip");
    struct dirent *e;
    DIR *d;
    int n = 0;

    if (!dir) {
        test_skip("no suite");
        return;
    }
    d = opendir(dir);
    while ((e = readdir(d))) {
        CLEANUP(arena) struct arena *a = arena_new();
        CLEANUP(buf) struct buf text = BUF_INIT, json_text = BUF_INIT, again = BUF_INIT;
        struct json *v = NULL, *want = NULL;
        char path[PATH_MAX];
        int stem = (int)strlen(e->d_name) - 5;

        if (!str_has_suffix(str_of(e->d_name), S(".yaml")))
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        CHECK(test_read_file(path, &text));
        snprintf(path, sizeof path, "%s/%.*s.json", dir, stem, e->d_name);
        CHECK(test_read_file(path, &json_text));
        CHECK_OK(yaml_parse(a, buf_view(&text), NULL, &v));
        CHECK_OK(json_parse(a, buf_view(&json_text), NULL, NULL, &want));
        if (!v || !want)
            continue;
        if (!json_equal(v, want))
            test_fail(__FILE__, __LINE__, "%s differs from its JSON", e->d_name);
        yaml_encode(&again, want);
        if (!str_eq(buf_view(&again), buf_view(&text)))
            test_fail(__FILE__, __LINE__, "%s is written differently:\n%s", e->d_name,
                      buf_cstr(&again));
        n++;
    }
    closedir(d);
    CHECK(n > 100);
}

TEST_MAIN
