/* json_test.c - claims about the JSON parser, encoder and value tree. */
#include "wire/json.h"
#include "wire/json_scan.h"

#include "test/test.h"

#include <dirent.h>

static struct json *parse_ok(struct arena *a, str text)
{
    struct json *v = NULL;

    CHECK_OK(json_parse(a, text, NULL, NULL, &v));
    return v;
}

static void check_round(str text, str want)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json *v = parse_ok(a, text);

    if (v)
        json_encode(&b, v);
    CHECK_STR(buf_view(&b), want);
}

TEST(json, errors_are_worded_as_go_words_them)
{
    static const struct {
        str text, want;
    } cases[] = {
        {STR(""), STR("unexpected end of JSON input")},
        {STR("  "), STR("unexpected end of JSON input")},
        {STR("{"), STR("unexpected end of JSON input")},
        {STR("[1"), STR("unexpected end of JSON input")},
        {STR("\"abc"), STR("unexpected end of JSON input")},
        {STR("\"abc\\"), STR("unexpected end of JSON input")},
        {STR("\"\\u12"), STR("unexpected end of JSON input")},
        {STR("tru"), STR("unexpected end of JSON input")},
        {STR("-"), STR("unexpected end of JSON input")},
        {STR("x"), STR("invalid character 'x' looking for beginning of value")},
        {STR("{bad"), STR("invalid character 'b' looking for beginning of object key string")},
        {STR("{\"a\":1,}"),
         STR("invalid character '}' looking for beginning of object key string")},
        {STR("{\"a\" 1}"), STR("invalid character '1' after object key")},
        {STR("{\"a\":1 \"b\"}"), STR("invalid character '\"' after object key:value pair")},
        {STR("[1 2]"), STR("invalid character '2' after array element")},
        {STR("[1,]"), STR("invalid character ']' looking for beginning of value")},
        {STR("1 2"), STR("invalid character '2' after top-level value")},
        {STR("01"), STR("invalid character '1' after top-level value")},
        {STR("nul'"), STR("invalid character '\\'' in literal null (expecting 'l')")},
        {STR("\"a\nb\""), STR("invalid character '\\n' in string literal")},
        {STR("\"a\001b\""), STR("invalid character '\\x01' in string literal")},
        {STR("\"\\q\""), STR("invalid character 'q' in string escape code")},
        {STR("\"\\u12g4\""), STR("invalid character 'g' in \\u hexadecimal character escape")},
        {STR("-x"), STR("invalid character 'x' in numeric literal")},
        {STR("1.x"), STR("invalid character 'x' after decimal point in numeric literal")},
        {STR("1e+x"), STR("invalid character 'x' in exponent of numeric literal")},
        {STR("\xef\xbb\xbf{}"), STR("invalid character '\xc3\xaf' looking for beginning of value")},
        {STR("\x80"), STR("invalid character '\\u0080' looking for beginning of value")},
        {STR("1e999"), STR("json: cannot unmarshal number 1e999 into Go value of type float64")},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(arena) struct arena *a = arena_new();
        struct json *v;
        CLEANUP(err) struct err *err = json_parse(a, cases[i].text, NULL, NULL, &v);

        CHECK(err != NULL);
        if (err)
            CHECK_STR(str_of(err_text(err)), cases[i].want);
    }
}

TEST(json, numbers_are_int64_where_they_fit_and_doubles_otherwise)
{
    static const struct {
        str text;
        enum json_type type;
        str out;
    } cases[] = {
        {STR("0"), JSON_INT, STR("0")},
        {STR("-0"), JSON_INT, STR("0")},
        {STR("9223372036854775807"), JSON_INT, STR("9223372036854775807")},
        {STR("-9223372036854775808"), JSON_INT, STR("-9223372036854775808")},
        {STR("9223372036854775808"), JSON_DOUBLE, STR("9223372036854776000")},
        {STR("18446744073709551616"), JSON_DOUBLE, STR("18446744073709552000")},
        {STR("1.0"), JSON_DOUBLE, STR("1")},
        {STR("1.5e3"), JSON_DOUBLE, STR("1500")},
        {STR("0.1"), JSON_DOUBLE, STR("0.1")},
        {STR("-0.0"), JSON_DOUBLE, STR("-0")},
        {STR("1e21"), JSON_DOUBLE, STR("1e+21")},
        {STR("1e20"), JSON_DOUBLE, STR("100000000000000000000")},
        {STR("0.000001"), JSON_DOUBLE, STR("0.000001")},
        {STR("0.0000001"), JSON_DOUBLE, STR("1e-7")},
        {STR("1.25e-10"), JSON_DOUBLE, STR("1.25e-10")},
        {STR("5e-324"), JSON_DOUBLE, STR("5e-324")},
        {STR("1e-400"), JSON_DOUBLE, STR("0")},
        {STR("1.7976931348623157e308"), JSON_DOUBLE, STR("1.7976931348623157e+308")},
        {STR("123456.789"), JSON_DOUBLE, STR("123456.789")},
        {STR("0.30000000000000004"), JSON_DOUBLE, STR("0.30000000000000004")},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(arena) struct arena *a = arena_new();
        struct json *v = parse_ok(a, cases[i].text);

        if (v)
            CHECK_INT(v->type, cases[i].type);
        check_round(cases[i].text, cases[i].out);
    }
}

TEST(json, strings_are_escaped_as_go_escapes_them)
{
    check_round(S("\"a\\u003cb>&\""), S("\"a\\u003cb\\u003e\\u0026\""));
    check_round(S("\"\\b\\f\\n\\r\\t\\u000b\\/\\\"\\\\\""),
                S("\"\\b\\f\\n\\r\\t\\u000b/\\\"\\\\\""));
    check_round(S("\"\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa\""), S("\"\\u2028\\u2029\xe2\x80\xaa\""));
    check_round(S("\"\\ud83d\\ude00\""), S("\"\xf0\x9f\x98\x80\""));
    check_round(S("\"\\u00e9\x7f\""), S("\"\xc3\xa9\x7f\""));
}

TEST(json, invalid_utf8_and_lone_surrogates_become_the_replacement_character)
{
    check_round(S("\"a\xff\xfe.\""), S("\"a\xef\xbf\xbd\xef\xbf\xbd.\""));
    check_round(S("\"\\ud800\""), S("\"\xef\xbf\xbd\""));
    check_round(S("\"\\ud800x\\udc00\""), S("\"\xef\xbf\xbdx\xef\xbf\xbd\""));
    check_round(S("\"\\ud800\\ud800\\udc00\""), S("\"\xef\xbf\xbd\xf0\x90\x80\x80\""));
    check_round(S("\"\xed\xa0\x80\""), S("\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""));
    check_round(S("\"\xc3\""), S("\"\xef\xbf\xbd\""));
}

TEST(json, a_plain_string_is_a_slice_of_the_text)
{
    CLEANUP(arena) struct arena *a = arena_new();
    str text = S("\"gr\xc3\xbc\xc3\x9f dich\"");
    struct json *v = parse_ok(a, text);

    CHECK(v && json_str(v).p == text.p + 1);
}

TEST(json, the_last_of_duplicate_keys_wins_and_each_path_is_reported_once)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json dups = json_object(), *v = NULL;

    CHECK_OK(json_parse(
        a, S("{\"k\":1,\"k\":2,\"k\":3,\"spec\":{\"list\":[0,{\"x\":1,\"x\":2}]},\"k\":4}"), NULL,
        &dups, &v));
    json_encode(&b, v);
    CHECK_STRZ(buf_view(&b), "{\"k\":4,\"spec\":{\"list\":[0,{\"x\":2}]}}");
    buf_clear(&b);
    json_encode(&b, &dups);
    CHECK_STRZ(buf_view(&b), "{\"k\":7,\"spec.list[1].x\":44}");
}

TEST(json, duplicates_are_found_in_large_objects_too)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json dups = json_object(), *v = NULL;

    buf_char(&b, '{');
    for (int i = 0; i < 20000; i++)
        buf_fmt(&b, "\"key%d\":%d,", i, i);
    buf_z(&b, "\"key0\":-1,\"key19999\":-2,\"key26\":-3}");
    CHECK_OK(json_parse(a, buf_view(&b), NULL, &dups, &v));
    CHECK_INT(json_count(v), 20000);
    CHECK_INT(json_count(&dups), 3);
    CHECK_INT(json_get_int(v, "key0", 0), -1);
    CHECK_INT(json_get_int(v, "key19999", 0), -2);
    CHECK_INT(json_get_int(v, "key26", 0), -3);
}

TEST(json, depth_and_size_are_limited)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json_limits limits = {.depth = 3, .size = 16};
    struct json *v;
    struct err *err;

    CHECK_OK(json_parse(a, S("[[[]]]"), &limits, NULL, &v));
    err = json_parse(a, S("[[[[]]]]"), &limits, NULL, &v);
    CHECK(err != NULL);
    if (err)
        CHECK_STRZ(str_of(err_text(err)), "invalid character '[' exceeded max depth");
    err_free(err);
    err = json_parse(a, S("[1,2,3,4,5,6,7,8]"), &limits, NULL, &v);
    CHECK(err && err->reason == REASON_REQUEST_TOO_LARGE);
    err_free(err);
}

TEST(json, reading_answers_absence_and_wrong_types_with_defaults)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *v = parse_ok(a, S("{\"a\":{\"b\":[1,\"x\"]},\"n\":7,\"t\":true}"));

    CHECK_INT(json_get_int(v, "n", 1), 7);
    CHECK_INT(json_get_int(v, "a", 1), 1);
    CHECK(json_get_bool(v, "t", false));
    CHECK(json_get_bool(v, "missing", true));
    CHECK_STRZ(json_str(json_item(json_path(v, "a.b"), 1)), "x");
    CHECK(json_at(v, "a", "b", NULL) == json_path(v, "a.b"));
    CHECK(!json_path(v, "a.b.c"));
    CHECK(!json_item(json_path(v, "a.b"), 2));
    CHECK(!json_find(NULL, S("x")));
    CHECK_INT(json_count(NULL), 0);
}

TEST(json, writing_makes_replaces_inserts_and_removes_in_place)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json v = json_object(), *arr;

    json_setz(a, &v, "s", json_z("text"));
    *json_make(a, &v, "x.y.z", JSON_INT) = json_int(5);
    json_make(a, &v, "s.t", JSON_OBJECT); /* a string in the way is replaced */
    arr = json_make(a, &v, "arr", JSON_ARRAY);
    for (int i = 0; i < 10; i++)
        json_append(a, arr, json_int(i));
    json_insert(a, arr, 0, json_null());
    json_remove_item(arr, 1);
    while (arr->n > 3)
        json_remove_item(arr, arr->n - 1);
    CHECK(json_removez(json_find(&v, S("x")), "y"));
    CHECK(!json_removez(&v, "absent"));
    json_encode(&b, &v);
    CHECK_STRZ(buf_view(&b), "{\"s\":{\"t\":{}},\"x\":{},\"arr\":[null,1,2]}");
}

TEST(json, equality_ignores_member_order_and_number_form)
{
    CLEANUP(arena) struct arena *a = arena_new();

    CHECK(
        json_equal(parse_ok(a, S("{\"a\":1,\"b\":[2]}")), parse_ok(a, S("{\"b\":[2.0],\"a\":1}"))));
    CHECK(!json_equal(parse_ok(a, S("{\"a\":1}")), parse_ok(a, S("{\"b\":1}"))));
    CHECK(!json_equal(parse_ok(a, S("[1,2]")), parse_ok(a, S("[2,1]"))));
    CHECK(!json_equal(parse_ok(a, S("null")), parse_ok(a, S("false"))));
}

TEST(json, a_copy_does_not_depend_on_its_source)
{
    struct arena *source = arena_new();
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT, text = BUF_INIT;
    struct json c;

    buf_z(&text, "{\"key\":[\"value\",{\"n\":null}]}");
    c = json_copy(a, parse_ok(source, buf_view(&text)));
    arena_free(source);
    memset(text.p, 'x', text.n);
    json_encode(&b, &c);
    CHECK_STRZ(buf_view(&b), "{\"key\":[\"value\",{\"n\":null}]}");
}

TEST(json, pretty_text_is_that_of_marshal_indent)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json *v = parse_ok(a, S("{\"b\":{},\"a\":[1,{\"x\":[]}]}"));

    json_sort_keys(v);
    json_encode_pretty(&b, v, 2, 0);
    CHECK_STRZ(buf_view(&b),
               "{\n  \"a\": [\n    1,\n    {\n      \"x\": []\n    }\n  ],\n  \"b\": {}\n}");
}

/* The cases that the standard leaves open and that we refuse; all others are accepted (docs/json.md). */
static const char *const refused[] = {
    "i_number_huge_exp.json",
    "i_number_neg_int_huge_exp.json",
    "i_number_pos_double_huge_exp.json",
    "i_number_real_neg_overflow.json",
    "i_number_real_pos_overflow.json",
    "i_string_UTF-16LE_with_BOM.json",
    "i_string_utf16BE_no_BOM.json",
    "i_string_utf16LE_no_BOM.json",
    "i_structure_UTF-8_BOM_empty_object.json",
};

TEST(json, the_parsing_suite_is_answered_as_go_answers_it)
{
    const char *dir = test_shared("suites/json-parsing");
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
        CLEANUP(buf) struct buf b = BUF_INIT;
        char path[PATH_MAX];
        struct json *v;
        struct err *err;
        bool ok = e->d_name[0] == 'y' || e->d_name[0] == 'i';

        if (!str_has_suffix(str_of(e->d_name), S(".json")))
            continue;
        for (size_t i = 0; i < ARRAY_LEN(refused); i++)
            if (strcmp(refused[i], e->d_name) == 0)
                ok = false;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        CHECK(test_read_file(path, &b));
        err = json_parse(a, buf_view(&b), NULL, NULL, &v);
        if (ok != !err)
            test_fail(__FILE__, __LINE__, "%s: %s", e->d_name, err ? err_text(err) : "accepted");
        err_free(err);
        n++;
    }
    closedir(d);
    CHECK(n > 300);
}

TEST(json, kubernetes_objects_round_trip_to_the_same_bytes)
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
        CLEANUP(buf) struct buf b = BUF_INIT, again = BUF_INIT;
        char path[PATH_MAX];
        struct json *v;

        if (!str_has_suffix(str_of(e->d_name), S(".json")))
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        CHECK(test_read_file(path, &b));
        v = parse_ok(a, buf_view(&b));
        if (!v)
            continue;
        json_encode_pretty(&again, v, 2, 0);
        CHECK_STR(buf_view(&again), buf_view(&b));
        n++;
    }
    closedir(d);
    CHECK(n > 100);
}

/* ---- walking without a tree ---- */

/* All the values in there, each followed by more text, however they lie across blocks of 64 bytes. */
TEST(json_scan, ends_where_the_parser_ends)
{
    static const char *const values[] = {
        "{}",
        "[]",
        "\"\"",
        "12.5e3",
        "true",
        "null",
        "{\"k:{\\\"name\\\":\\\"web\\\"}\":{\".\":{}},\"b\":[{},[],\"]}\"]}",
        "[\"\\\\\",\"\\\\\\\"\",{\"\\\\\":\"}\"}]",
        "\"quote \\\" and backslash \\\\\"",
    };

    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        for (size_t before = 0; before < 130; before++) {
            CLEANUP(buf) struct buf b = BUF_INIT;
            size_t end;

            buf_z(&b, "[\"");
            for (size_t k = 0; k < before; k++)
                buf_char(&b, 'x');
            buf_z(&b, "\",");
            buf_z(&b, values[i]);
            buf_char(&b, ']');
            end = b.n;
            buf_z(&b, ",{\"and\":\"more]}\"}");
            CHECK_INT(json_skip(b.p, b.p + b.n) - b.p, end);
            CHECK_INT(json_skip(b.p + before + 4, b.p + b.n) - b.p, end - 1);
            CHECK(json_skip(b.p, b.p + end - 1) == NULL);
        }
}

TEST(json_scan, finds_members_as_they_are_written)
{
    str object = S("{\"a\":1,\"metadata\":{\"name\":\"x\",\"labels\":{}},\"z\":\"}\"}");
    const char *p = object.p;
    str key, value;
    int n = 0;

    CHECK_STRZ(json_scan_find(object, S("metadata")), "{\"name\":\"x\",\"labels\":{}}");
    CHECK_STRZ(json_scan_find(object, S("z")), "\"}\"");
    CHECK(json_scan_find(object, S("name")).p == NULL);
    while (json_scan_member(&p, object.p + object.n, &key, &value))
        n++;
    CHECK_INT(n, 3);
    CHECK(p == object.p + object.n);
}

TEST(json_scan, strings_are_what_the_encoder_was_given)
{
    str wanted = S("a<b>&\"\\/\b\f\n\r\t\x01\xe2\x80\xa8\xc3\xa4\xf0\x9f\x98\x80");
    CLEANUP(buf) struct buf b = BUF_INIT;
    char out[64];
    bool escaped;
    str raw;

    json_encode_string(&b, wanted);
    CHECK(json_scan_string(b.p + 1, b.p + b.n, &raw, &escaped) == b.p + b.n);
    CHECK(escaped);
    CHECK_STR(((str){out, json_unescape(out, raw)}), wanted);
    CHECK(json_unescape(out, S("\\ud83d\\ude00")) == SIZE_MAX); /* never written so */
    CHECK(json_unescape(out, S("\\x")) == SIZE_MAX);
}

TEST(json, members_can_be_left_out)
{
    static const str names[] = {STR("managedFields"), STR("env")};
    static const struct json_limits limits = {.leave_out = names, .n_leave_out = 2};
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json *v = NULL;

    CHECK_OK(
        json_parse(a,
                   S("{\"managedFields\":[{\"a\":\"]\"}],\"labels\":{\"env\":\"prod\"},\"c\":[{"
                     "\"env\":[1],\"x\":2},{\"env\":{}}]}"),
                   &limits, NULL, &v));
    json_encode(&b, v);
    CHECK_STRZ(buf_view(&b), "{\"labels\":{\"env\":\"prod\"},\"c\":[{\"x\":2},{}]}");
}

TEST_MAIN

TEST(json, large_objects_in_different_order_are_compared_without_a_search)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json x = json_object(), y = json_object();
    struct json_index xi = {.obj = &x}, yi = {.obj = &y};
    int n = 200000;

    for (int i = 0; i < n; i++) {
        json_index_set(a, &xi, arena_fmt(a, "k%d", i), json_int(i));
        json_index_set(a, &yi, arena_fmt(a, "k%d", n - 1 - i), json_int(n - 1 - i));
    }
    CHECK(json_equal(&x, &y));
    json_index_set(a, &yi, S("k7"), json_int(8));
    CHECK_INT(y.n, (unsigned)n);
    CHECK(!json_equal(&x, &y));
    CHECK(json_index_find(&yi, S("k200000")) == NULL);
    json_index_fini(&xi);
    json_index_fini(&yi);
}
