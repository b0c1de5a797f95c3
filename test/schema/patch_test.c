/* patch_test.c - claims about JSON patch, merge patch and strategic merge patch. */
#include "schema/schema.h"

#include "test/test.h"

static struct json *parse(struct arena *a, str text)
{
    struct json *v = NULL;

    CHECK_OK(json_parse(a, text, NULL, NULL, &v));
    return v;
}

static struct json *load(struct arena *a, struct buf *b, const char *sub)
{
    const char *path = test_shared(sub);
    struct json_limits limits = {.depth = 512, .size = 64 << 20};
    struct json *v = NULL;

    if (!path || !test_read_file(path, b))
        return NULL;
    CHECK_OK(json_parse(a, buf_view(b), &limits, NULL, &v));
    return v;
}

/* What the RFC and the library inside Kubernetes (gopkg.in/evanphx/json-patch.v4) see differently, by comment or error. */
static bool library_differs(const struct json *c)
{
    static const char *const names[] = {
        "replace object document with array document?",
        "replace array document with object document?",
        "replacing the root of the document is possible with add",
        "missing 'value' parameter to add",
        "missing 'value' parameter to replace",
        "missing 'value' parameter to test",
        "missing from location to copy",
        "test with bad array number that has leading zeros",
        "Out of bounds (lower)",
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_is(json_get_str(c, "comment"), names[i]) ||
            str_is(json_get_str(c, "error"), names[i]))
            return true;
    return false;
}

static void run_suite(const char *sub)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf text = BUF_INIT;
    struct json *cases = load(a, &text, sub);
    int n = 0;

    if (!cases) {
        test_skip("no suite");
        return;
    }
    JSON_EACH(c, cases) {
        const struct json *expected = json_findz(c, "expected"), *ops = json_findz(c, "patch");
        struct json doc, *before = json_findz(c, "doc");
        struct err *err;
        CLEANUP(buf) struct buf b = BUF_INIT;

        if (!before || !ops || json_get_bool(c, "disabled", false))
            continue;
        n++;
        doc = json_copy(a, before);
        err = patch_json(a, &doc, ops);
        json_encode(&b, c);
        if (library_differs(c)) {
            if (!err == !json_findz(c, "error"))
                test_fail(__FILE__, __LINE__, "as the RFC has it: %s", buf_cstr(&b));
        } else if (json_findz(c, "error")) {
            if (!err)
                test_fail(__FILE__, __LINE__, "applies: %s", buf_cstr(&b));
            else if (!json_equal(&doc, before))
                test_fail(__FILE__, __LINE__, "fails but changes the document: %s", buf_cstr(&b));
        } else if (err) {
            test_fail(__FILE__, __LINE__, "%s (%s): %s", err_text(err),
                      err->trail ? err->trail : "", buf_cstr(&b));
        } else if (expected && !json_equal(&doc, expected)) {
            test_fail(__FILE__, __LINE__, "another result: %s", buf_cstr(&b));
        }
        err_free(err);
    }
    CHECK(n > 10);
}

TEST(patch_json, passes_the_suite)
{
    run_suite("suites/json-patch/tests.json");
}

TEST(patch_json, passes_the_cases_of_the_rfc)
{
    run_suite("suites/json-patch/spec_tests.json");
}

/* Source: gopkg.in/evanphx/json-patch.v4, patch.go. */
TEST(patch_json, is_as_lax_as_the_library_inside_kubernetes)
{
    static const struct {
        const char *doc, *op, *want; /* NULL: refused */
    } cases[] = {
        {"{'a':1}", "{'op':'replace','path':'/b','value':2}", "{'a':1,'b':2}"},
        {"{'a':1}", "{'op':'replace','path':'','value':{'c':3}}", "{'c':3}"},
        {"{'a':1}", "{'op':'replace','path':'','value':3}", NULL},
        {"{'a':1}", "{'op':'replace','path':'/b/c','value':2}", NULL},
        {"{'a':1}", "{'op':'copy','from':'/b','path':'/c'}", "{'a':1,'c':null}"},
        {"{'a':1}", "{'op':'move','from':'/b','path':'/c'}", NULL},
        {"{'a':1}", "{'op':'remove','path':'/b'}", NULL},
        {"{'a':1}", "{'op':'remove','path':''}", NULL},
        {"{'a':1}", "{'op':'add','path':'','value':{}}", NULL},
        {"{'a':1}", "{'op':'add','path':'x/b','value':2}", "{'a':1,'b':2}"},
        {"{'a':1}", "{'op':'add','path':'b','value':2}", NULL},
        {"{'a':1}", "{'op':'add','path':'/b'}", "{'a':1,'b':null}"},
        {"{'a':1}", "{'op':'test','path':'/b'}", "{'a':1}"},
        {"{'a':1}", "{'op':'test','path':'/b','value':null}", "{'a':1}"},
        {"{'a':1}", "{'op':'test','path':'/a'}", NULL},
        {"{'a':1}", "{'op':'test','path':'','value':{'a':1}}", "{'a':1}"},
        {"{'l':[1,2]}", "{'op':'add','path':'/l/-1','value':3}", "{'l':[1,2,3]}"},
        {"{'l':[1,2]}", "{'op':'add','path':'/l/-3','value':3}", "{'l':[3,1,2]}"},
        {"{'l':[1,2]}", "{'op':'add','path':'/l/-4','value':3}", NULL},
        {"{'l':[1,2]}", "{'op':'add','path':'/l/3','value':3}", NULL},
        {"{'l':[1,2]}", "{'op':'remove','path':'/l/-1'}", "{'l':[1]}"},
        {"{'l':[1,2]}", "{'op':'replace','path':'/l/+01','value':3}", "{'l':[1,3]}"},
        {"{'l':[1,2]}", "{'op':'replace','path':'/l/2','value':3}", NULL},
        {"{'l':[1,2]}", "{'op':'test','path':'/l/2'}", NULL},
        {"{'l':[1,2]}", "{'op':'replace','path':'/l/-','value':3}", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(arena) struct arena *a = arena_new();
        CLEANUP(buf) struct buf b = BUF_INIT, text = BUF_INIT, ops = BUF_INIT, want = BUF_INIT;
        CLEANUP(err) struct err *err = NULL;
        struct json doc;

        for (const char *p = cases[i].doc; *p; p++)
            buf_char(&text, *p == '\'' ? '"' : *p);
        buf_char(&ops, '[');
        for (const char *p = cases[i].op; *p; p++)
            buf_char(&ops, *p == '\'' ? '"' : *p);
        buf_char(&ops, ']');
        for (const char *p = cases[i].want ? cases[i].want : cases[i].doc; *p; p++)
            buf_char(&want, *p == '\'' ? '"' : *p);
        doc = *parse(a, buf_view(&text));
        err = patch_json(a, &doc, parse(a, buf_view(&ops)));
        if (!err != !!cases[i].want)
            test_fail(__FILE__, __LINE__, "%s: %s", cases[i].op, err ? err->trail : "applies");
        json_encode(&b, &doc);
        CHECK_STRZ(buf_view(&b), buf_cstr(&want));
    }
}

TEST(patch_json, what_does_not_apply_is_told_as_the_api_server_tells_it)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json doc = *parse(a, S("{\"a\":1}"));
    struct err *err = patch_json(a, &doc, parse(a, S("[{\"op\":\"remove\",\"path\":\"/b\"}]")));

    CHECK(err && err->reason == REASON_INVALID && err->n_causes == 0);
    if (err)
        CHECK_STRZ(str_of(err_text(err)),
                   "the server rejected our request due to an error in our request");
    err_free(err);
    err = patch_json(a, &doc, parse(a, S("{}")));
    CHECK(err && err->reason == REASON_BAD_REQUEST);
    err_free(err);
}

TEST(patch_json, a_value_cannot_move_into_itself_and_copies_are_limited)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf ops = BUF_INIT;
    struct json doc = *parse(a, S("{\"a\":{\"b\":{}}}"));
    struct err *err =
        patch_json(a, &doc, parse(a, S("[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b/c\"}]")));

    CHECK(err != NULL);
    err_free(err);
    buf_char(&ops, '[');
    for (int i = 0; i < 60; i++)
        buf_fmt(&ops, "%s{\"op\":\"copy\",\"from\":\"\",\"path\":\"/x%d\"}", i ? "," : "", i);
    buf_char(&ops, ']');
    err = patch_json(a, &doc, parse(a, buf_view(&ops)));
    CHECK(err != NULL);
    err_free(err);
}

/* {"p0":1,"p1":1,...} */
static struct json many_members(struct arena *a, const char *prefix, int n)
{
    struct json v = {.type = JSON_OBJECT, .n = (uint32_t)n, .cap = (uint32_t)n};

    v.members = ARENA_NEW_N(a, struct json_member, n);
    for (int i = 0; i < n; i++)
        v.members[i] = (struct json_member){arena_fmt(a, "%s%07d", prefix, i), json_int(1)};
    return v;
}

TEST(patch_json, many_operations_on_a_large_object_are_refused)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf ops = BUF_INIT;
    struct json doc = many_members(a, "k", 100000);
    struct err *err;

    buf_char(&ops, '[');
    for (int i = 0; i < 1000; i++)
        buf_fmt(&ops, "%s{\"op\":\"move\",\"from\":\"/k%07d\",\"path\":\"/m%d\"}", i ? "," : "",
                99999 - i, i);
    buf_char(&ops, ']');
    err = patch_json(a, &doc, parse(a, buf_view(&ops)));
    CHECK(err && err->reason == REASON_REQUEST_TOO_LARGE);
    err_free(err);
    CHECK(json_findz(&doc, "m0") == NULL);
}

static void check_merge(str doc_text, str patch_text, const char *want)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json doc = *parse(a, doc_text);

    CHECK_OK(patch_merge(a, &doc, parse(a, patch_text)));
    json_encode(&b, &doc);
    CHECK_STRZ(buf_view(&b), want);
}

/* Quadratic work would need minutes here, the test's time limit is far below. */
TEST(patch_merge, members_of_large_objects_are_found_without_a_search)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json doc = many_members(a, "k", 300000), patch = many_members(a, "k", 200000);
    struct json add = many_members(a, "n", 200000);

    for (uint32_t i = 0; i < patch.n; i++)
        patch.members[i].value = i % 2 ? json_null() : json_int(2);
    CHECK_OK(patch_merge(a, &doc, &patch));
    CHECK_OK(patch_merge(a, &doc, &add));
    CHECK_INT(doc.n, 400000);
    CHECK(json_findz(&doc, "k0000001") == NULL);
    CHECK_INT(json_get_int(&doc, "k0000002", 0), 2);
    CHECK_INT(json_get_int(&doc, "k0200001", 0), 1);
    CHECK_INT(json_get_int(&doc, "n0199999", 0), 1);
}

TEST(patch_merge, what_is_removed_leaves_the_order_of_the_rest)
{
    check_merge(S("{\"a\":1,\"b\":2,\"c\":3,\"d\":4}"),
                S("{\"e\":5,\"b\":null,\"x\":null,\"d\":null,\"a\":9}"),
                "{\"a\":9,\"c\":3,\"e\":5}");
}

TEST(patch_strategic, lists_too_long_to_compare_pair_by_pair_are_refused)
{
    CLEANUP(arena) struct arena *a = arena_new();
    const struct schema_type *pod = schema_find_type(S("io.k8s.api.core.v1.Pod"));
    struct json doc = json_object(), *list = json_make(a, &doc, "metadata.finalizers", JSON_ARRAY);
    struct json patch = *parse(a, S("{\"metadata\":{\"finalizers\":[\"a/b\"]}}"));
    struct err *err;

    for (int i = 0; i < 100000; i++)
        json_append(a, list, json_string(arena_fmt(a, "a/%d", i)));
    err = patch_strategic(a, pod, &doc, &patch);
    CHECK(err && err->reason == REASON_REQUEST_TOO_LARGE);
    err_free(err);
    CHECK_OK(patch_strategic(a, pod, &doc, parse(a, S("{\"metadata\":{\"name\":\"x\"}}"))));
    CHECK_STRZ(json_get_str(&doc, "metadata.name"), "x");
}

TEST(patch_merge, follows_the_rfcs_examples)
{
    check_merge(S("{\"a\":\"b\"}"), S("{\"a\":\"c\"}"), "{\"a\":\"c\"}");
    check_merge(S("{\"a\":\"b\"}"), S("{\"b\":\"c\"}"), "{\"a\":\"b\",\"b\":\"c\"}");
    check_merge(S("{\"a\":\"b\"}"), S("{\"a\":null}"), "{}");
    check_merge(S("{\"a\":\"b\",\"b\":\"c\"}"), S("{\"a\":null}"), "{\"b\":\"c\"}");
    check_merge(S("{\"a\":[\"b\"]}"), S("{\"a\":\"c\"}"), "{\"a\":\"c\"}");
    check_merge(S("{\"a\":\"c\"}"), S("{\"a\":[\"b\"]}"), "{\"a\":[\"b\"]}");
    check_merge(S("{\"a\":{\"b\":\"c\"}}"), S("{\"a\":{\"b\":\"d\",\"c\":null}}"),
                "{\"a\":{\"b\":\"d\"}}");
    check_merge(S("{\"a\":[{\"b\":\"c\"}]}"), S("{\"a\":[1]}"), "{\"a\":[1]}");
    check_merge(S("{\"e\":null}"), S("{\"a\":1}"), "{\"e\":null,\"a\":1}");
    check_merge(S("{}"), S("{\"a\":{\"bb\":{\"ccc\":null}}}"), "{\"a\":{\"bb\":{}}}");
    /* What takes the place of an object keeps its nulls, anything else loses those of its objects. */
    check_merge(S("{\"a\":[1],\"b\":2,\"c\":{}}"),
                S("{\"a\":[{\"x\":null},null],\"b\":[{\"x\":null}],\"c\":[{\"x\":null}]}"),
                "{\"a\":[{},null],\"b\":[{}],\"c\":[{\"x\":null}]}");
}

TEST(patch_merge, refuses_what_is_no_object)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json doc = json_object();
    struct err *err = patch_merge(a, &doc, parse(a, S("[1]")));

    CHECK(err != NULL);
    if (err)
        CHECK_STRZ(str_of(err_text(err)), "error decoding patch: json: cannot unmarshal array into "
                                          "Go value of type map[string]interface {}");
    err_free(err);
    err = patch_merge(a, &doc, parse(a, S("null")));
    CHECK(err != NULL);
    if (err)
        CHECK_STRZ(str_of(err_text(err)), "Invalid JSON Patch");
    err_free(err);
}

/* What is patched in the tests below. */
static const struct schema_type *deployment(void)
{
    return schema_find_gvk(S("apps"), S("v1"), S("Deployment"));
}

static struct err *strategic(str doc_text, str patch_text, struct buf *ret)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json doc = *parse(a, doc_text);
    struct err *err = patch_strategic(a, deployment(), &doc, parse(a, patch_text));

    if (!err)
        json_encode(ret, &doc);
    return err;
}

#define POD_TEXT(x) "{\"spec\":{\"template\":{\"spec\":" x "}}}"

TEST(patch_strategic, lists_merge_by_their_key_and_keep_order)
{
    static const struct {
        str doc, patch;
        const char *want;
    } cases[] = {
        {STR(POD_TEXT("{\"containers\":[{\"name\":\"a\",\"image\":\"1\"},{\"name\":\"b\",\"image\":"
                      "\"1\"}]}")),
         STR(POD_TEXT("{\"containers\":[{\"name\":\"b\",\"image\":\"2\"}]}")),
         POD_TEXT("{\"containers\":[{\"name\":\"a\",\"image\":\"1\"},{\"name\":\"b\",\"image\":"
                  "\"2\"}]}")},
        {STR(POD_TEXT("{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}")),
         STR(POD_TEXT("{\"containers\":[{\"name\":\"c\"}]}")),
         POD_TEXT("{\"containers\":[{\"name\":\"c\"},{\"name\":\"a\"},{\"name\":\"b\"}]}")},
        {STR(POD_TEXT("{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}")),
         STR(POD_TEXT("{\"containers\":[{\"name\":\"a\",\"$patch\":\"delete\"}]}")),
         POD_TEXT("{\"containers\":[{\"name\":\"b\"}]}")},
        {STR(POD_TEXT("{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}")),
         STR(POD_TEXT("{\"containers\":[{\"name\":\"z\"},{\"$patch\":\"replace\"}]}")),
         POD_TEXT("{\"containers\":[{\"name\":\"z\"}]}")},
        {STR(POD_TEXT("{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}]}")),
         STR(POD_TEXT("{\"$setElementOrder/"
                      "containers\":[{\"name\":\"c\"},{\"name\":\"a\"},{\"name\":\"n\"}],"
                      "\"containers\":[{\"name\":\"n\"}]}")),
         POD_TEXT("{\"containers\":[{\"name\":\"b\"},{\"name\":\"c\"},{\"name\":\"a\"},{\"name\":"
                  "\"n\"}]}")},
        {STR(POD_TEXT("{\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]}")),
         STR(POD_TEXT("{\"volumes\":[{\"name\":\"v\",\"$retainKeys\":[\"name\",\"hostPath\"],"
                      "\"hostPath\":{\"path\":\"/h\"}}]}")),
         POD_TEXT("{\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/h\"}}]}")},
        {STR(POD_TEXT("{\"tolerations\":[{\"key\":\"a\"}]}")),
         STR(POD_TEXT("{\"tolerations\":[{\"key\":\"b\"}]}")),
         POD_TEXT("{\"tolerations\":[{\"key\":\"b\"}]}")},
        {STR("{\"metadata\":{\"labels\":{\"a\":\"1\",\"b\":\"2\"}}}"),
         STR("{\"metadata\":{\"labels\":{\"$patch\":\"replace\",\"c\":\"3\"}}}"),
         "{\"metadata\":{\"labels\":{\"c\":\"3\"}}}"},
        {STR("{\"metadata\":{\"labels\":{\"a\":\"1\"}}}"),
         STR("{\"metadata\":{\"labels\":{\"$patch\":\"delete\"}}}"),
         "{\"metadata\":{\"labels\":{}}}"},
        {STR("{\"metadata\":{}}"), STR("{\"metadata\":{\"labels\":{\"$patch\":\"bogus\"}}}"),
         "{\"metadata\":{}}"},
        {STR("{\"metadata\":{}}"), STR("{\"metadata\":{\"labels\":{\"a\":null,\"b\":\"1\"}}}"),
         "{\"metadata\":{\"labels\":{\"b\":\"1\"}}}"},
        {STR("{\"metadata\":{\"finalizers\":[\"a\",\"b\",\"c\"]}}"),
         STR("{\"metadata\":{\"finalizers\":[\"d\"]}}"),
         "{\"metadata\":{\"finalizers\":[\"d\",\"a\",\"b\",\"c\"]}}"},
        {STR("{\"metadata\":{\"finalizers\":[\"a\",\"b\",\"c\"]}}"),
         STR("{\"metadata\":{\"$deleteFromPrimitiveList/finalizers\":[\"a\",\"c\"]}}"),
         "{\"metadata\":{\"finalizers\":[\"b\"]}}"},
        {STR("{\"metadata\":{\"finalizers\":[\"a\",\"b\"]}}"),
         STR("{\"metadata\":{\"$setElementOrder/finalizers\":[\"b\",\"a\"],\"finalizers\":[]}}"),
         "{\"metadata\":{\"finalizers\":[\"b\",\"a\"]}}"},
        {STR("{\"spec\":{\"strategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{}}}}"),
         STR("{\"spec\":{\"strategy\":{\"$retainKeys\":[\"type\"],\"type\":\"Recreate\"}}}"),
         "{\"spec\":{\"strategy\":{\"type\":\"Recreate\"}}}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf) struct buf b = BUF_INIT;

        CHECK_OK(strategic(cases[i].doc, cases[i].patch, &b));
        CHECK_STRZ(buf_view(&b), cases[i].want);
    }
}

/* The selector of a disruption budget is the one object that is replaced and not merged. */
TEST(patch_strategic, an_object_may_be_replaced_as_a_whole)
{
    CLEANUP(arena) struct arena *a = arena_new();
    const struct schema_type *t = schema_find_gvk(S("policy"), S("v1"), S("PodDisruptionBudget"));
    str old = S("{\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"1\",\"b\":\"2\"}},"
                "\"minAvailable\":1}}"),
        new = S("{\"spec\":{\"selector\":{\"matchLabels\":{\"b\":\"3\"}},\"minAvailable\":1}}");
    struct json doc = *parse(a, old);
    struct json *patch = patch_three_way(a, t, NULL, parse(a, new), parse(a, old));
    CLEANUP(buf) struct buf b = BUF_INIT, p = BUF_INIT;

    json_encode(&p, patch);
    CHECK_STRZ(buf_view(&p), "{\"spec\":{\"selector\":{\"matchLabels\":{\"b\":\"3\"}}}}");
    CHECK_OK(patch_strategic(a, t, &doc, patch));
    json_encode(&b, &doc);
    CHECK_STRZ(buf_view(&b),
               "{\"spec\":{\"selector\":{\"matchLabels\":{\"b\":\"3\"}},\"minAvailable\":1}}");
}

TEST(patch_strategic, errors_are_worded_as_kubernetes_words_them)
{
    static const struct {
        str doc, patch;
        const char *want;
        int code;
    } cases[] = {
        {STR(POD_TEXT("{\"containers\":[{\"name\":\"a\"}]}")),
         STR(POD_TEXT("{\"containers\":[{\"image\":\"q:1\"}]}")),
         "map: map[image:q:1] does not contain declared merge key: name", 500},
        {STR("{\"metadata\":{\"labels\":{\"a\":\"1\"}}}"),
         STR("{\"metadata\":{\"labels\":{\"$patch\":\"bogus\"}}}"),
         "unknown patch type: bogus in map: map[$patch:bogus]", 500},
        {STR("{\"metadata\":{\"labels\":{\"a\":\"1\"}}}"),
         STR("{\"metadata\":{\"labels\":{\"$patch\":[\"x\",1,null]}}}"),
         "unknown patch type: [x %!s(int64=1) %!s(<nil>)] in map: map[$patch:[x 1 <nil>]]", 500},
        {STR("{\"metadata\":{\"finalizers\":[\"a\"]}}"),
         STR("{\"metadata\":{\"finalizers\":[\"b\",1]}}"),
         "list element types are not identical: [[a] [b 1]]", 500},
        {STR("{\"metadata\":{\"finalizers\":[\"a\"]}}"),
         STR("{\"metadata\":{\"finalizers\":[[\"b\"]]}}"),
         "the server rejected our request due to an error in our request", 422},
        {STR(POD_TEXT("{\"containers\":[{\"name\":\"a\"}]}")),
         STR(POD_TEXT("{\"$setElementOrder/containers\":[\"a\"]}")),
         "value for key 0 is not a map.", 500},
        {STR(POD_TEXT("{\"containers\":[{\"name\":\"a\"}]}")),
         STR(POD_TEXT("{\"$setElementOrder/containers\":[{\"nam\":\"a\"}],"
                      "\"containers\":[{\"name\":\"a\"}]}")),
         "map: map[nam:a] does not contain declared merge key: name", 500},
        {STR(POD_TEXT("{\"containers\":[{\"name\":\"a\"}]}")),
         STR(POD_TEXT("{\"$setElementOrder/containers\":[\"a\"],"
                      "\"containers\":[{\"name\":\"a\"}]}")),
         "expected a map[string]interface {}, but received a string", 500},
        {STR(POD_TEXT("{\"containers\":[{\"name\":\"a\"}]}")),
         STR(POD_TEXT("{\"$setElementOrder/nosuch\":[]}")),
         "unable to find api field in struct PodSpec for the json field \"nosuch\"", 500},
        {STR("{\"spec\":{\"strategy\":{\"type\":\"x\"}}}"),
         STR("{\"spec\":{\"strategy\":{\"$retainKeys\":[\"x\"],\"type\":\"y\"}}}"),
         "invalid patch format of retainKeys", 400},
        {STR("{\"metadata\":{\"finalizers\":[\"a\"]}}"),
         STR("{\"metadata\":{\"$setElementOrderfinalizers\":[]}}"),
         "invalid patch format of setElementOrder list", 400},
        {STR("{\"metadata\":{}}"),
         STR("{\"metadata\":{\"finalizers\":[],\"$setElementOrder/finalizers\":[]}}"),
         "no elements in any of the given slices", 500},
        {STR(POD_TEXT("{\"containers\":[]}")),
         STR(POD_TEXT("{\"$setElementOrder/containers\":[{\"name\":\"a\"}],"
                      "\"containers\":[{\"name\":\"a\"},{\"$patch\":\"replace\"}]}")),
         "The order in patch list:\n[map[name:a] map[$patch:replace]]\n doesn't match "
         "$setElementOrder list:\n[map[name:a]]\n",
         500},
        {STR("{}"), STR("[1]"),
         "json: cannot unmarshal array into Go value of type map[string]interface {}", 400},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf) struct buf b = BUF_INIT;
        CLEANUP(err) struct err *err = strategic(cases[i].doc, cases[i].patch, &b);

        CHECK(err != NULL);
        if (!err)
            continue;
        CHECK_STRZ(str_of(err_text(err)), cases[i].want);
        CHECK_INT(err->code, cases[i].code);
    }
}

/* Whether every leaf of x is in y; lists have the same items in the same order (defaults may have been added). */
static bool is_part(const struct json *x, const struct json *y)
{
    if (x->type == JSON_OBJECT) {
        JSON_EACH_MEMBER(m, x) {
            const struct json *other = json_find(y, m->key);

            if (!other ? m->value.type != JSON_NULL : !is_part(&m->value, other))
                return false;
        }
        return true;
    }
    if (x->type == JSON_ARRAY) {
        if (!json_is(y, JSON_ARRAY) || x->n != y->n)
            return false;
        for (uint32_t i = 0; i < x->n; i++)
            if (!is_part(&x->items[i], &y->items[i]))
                return false;
        return true;
    }
    return json_equal(x, y);
}

static void without_system_fields(struct json *v)
{
    struct json *meta = json_findz(v, "metadata");

    json_removez(meta, "managedFields");
    json_removez(meta, "resourceVersion");
    json_removez(meta, "generation");
}

/* ---- three-way ---- */

struct three_way_case {
    const char *original, *modified, *current, *patch, *result;
};

static void check_three_way(const struct schema_type *t, const struct three_way_case *c)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf text = BUF_INIT;
    CLEANUP(buf) struct buf after = BUF_INIT;
    struct json *current = parse(a, str_of(c->current));
    struct json *patch = patch_three_way(a, t, c->original ? parse(a, str_of(c->original)) : NULL,
                                         parse(a, str_of(c->modified)), current);

    json_encode(&text, patch);
    CHECK_STRZ(buf_view(&text), c->patch);
    if (t)
        CHECK_OK(patch_strategic(a, t, current, patch));
    else
        CHECK_OK(patch_merge(a, current, patch));
    json_encode(&after, current);
    CHECK_STRZ(buf_view(&after), c->result);
}

TEST(patch_three_way, changes_come_from_what_is_there_and_removals_from_what_was_applied)
{
    static const struct three_way_case cases[] = {
        /* Nothing to do, though the server has filled in more. */
        {"{\"data\":{\"a\":\"1\"}}", "{\"data\":{\"a\":\"1\"}}",
         "{\"data\":{\"a\":\"1\",\"others\":\"x\"}}", "{}",
         "{\"data\":{\"a\":\"1\",\"others\":\"x\"}}"},
        {"{\"data\":{\"a\":\"1\",\"b\":\"2\"}}", "{\"data\":{\"a\":\"3\"}}",
         "{\"data\":{\"a\":\"1\",\"b\":\"2\",\"others\":\"x\"}}",
         "{\"data\":{\"a\":\"3\",\"b\":null}}", "{\"data\":{\"a\":\"3\",\"others\":\"x\"}}"},
        /* Without a record of what was applied nothing is removed. */
        {NULL, "{\"data\":{\"a\":\"3\"}}", "{\"data\":{\"b\":\"2\"}}", "{\"data\":{\"a\":\"3\"}}",
         "{\"data\":{\"b\":\"2\",\"a\":\"3\"}}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check_three_way(NULL, &cases[i]);
        check_three_way(schema_find_gvk(S(""), S("v1"), S("ConfigMap")), &cases[i]);
    }
}

TEST(patch_three_way, lists_with_a_merge_key_are_compared_by_item)
{
    static const struct three_way_case cases[] = {
        /* An injected container and defaults stay. */
        {"{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"i:1\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"i:2\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"i:1\",\"tty\":true},{\"name\":"
         "\"mesh\"}]}}",
         "{\"spec\":{\"$setElementOrder/containers\":[{\"name\":\"a\"}],\"containers\":[{\"image\":"
         "\"i:2\",\"name\":\"a\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"i:2\",\"tty\":true},{\"name\":"
         "\"mesh\"}]}}"},
        /* One goes, one comes. */
        {"{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"b\"},{\"name\":\"c\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}",
         "{\"spec\":{\"$setElementOrder/containers\":[{\"name\":\"b\"},{\"name\":\"c\"}],"
         "\"containers\":[{\"name\":\"c\"},{\"$patch\":\"delete\",\"name\":\"a\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"b\"},{\"name\":\"c\"}]}}"},
        /* Scalars are a set; other lists are one value. */
        {"{\"metadata\":{\"finalizers\":[\"x/a\",\"x/b\"]},\"spec\":{\"tolerations\":[]}}",
         "{\"metadata\":{\"finalizers\":[\"x/a\"]},\"spec\":{\"tolerations\":[{\"key\":\"k\"}]}}",
         "{\"metadata\":{\"finalizers\":[\"x/a\",\"x/b\",\"x/c\"]},\"spec\":{\"tolerations\":[{"
         "\"key\":\"z\"}]}}",
         "{\"spec\":{\"tolerations\":[{\"key\":\"k\"}]},\"metadata\":{\"$deleteFromPrimitiveList/"
         "finalizers\":[\"x/b\"]}}",
         "{\"metadata\":{\"finalizers\":[\"x/a\",\"x/c\"]},\"spec\":{\"tolerations\":[{\"key\":"
         "\"k\"}]}}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_three_way(schema_find_gvk(S(""), S("v1"), S("Pod")), &cases[i]);
}

TEST(patch_strategic, recorded_patches_of_a_server_have_the_recorded_results)
{
    static const char *const recordings[] = {"golden/data/patch/strategic-containers.json",
                                             "golden/data/patch/strategic-primitive-lists.json",
                                             "golden/data/patch/merge-patch.json"};
    int n = 0;

    for (size_t i = 0; i < ARRAY_LEN(recordings); i++) {
        CLEANUP(arena) struct arena *a = arena_new();
        CLEANUP(buf) struct buf text = BUF_INIT;
        struct json *recording = load(a, &text, recordings[i]), *live = NULL;
        uint32_t step = 0;

        if (!recording) {
            test_skip("no recordings");
            return;
        }
        JSON_EACH(s, json_findz(recording, "steps")) {
            struct json *body = json_at(s, "response", "body", NULL),
                        *patch = json_at(s, "request", "body", NULL), doc;
            str media = json_str(json_at(s, "request", "headers", "Content-Type", NULL));
            int64_t status = json_get_int(s, "response.status", 0);
            struct err *err;

            step++;
            if (status == 201)
                live = body;
            if (status != 200 || !patch || !live ||
                !str_eq(json_get_str(body, "kind"), json_get_str(live, "kind")))
                continue;
            doc = json_copy(a, live);
            without_system_fields(&doc);
            if (str_is(media, "application/strategic-merge-patch+json"))
                err = patch_strategic(
                    a,
                    schema_find_gvk(S(""), S("v1"), json_get_str(live, "kind"))
                        ? schema_find_gvk(S(""), S("v1"), json_get_str(live, "kind"))
                        : deployment(),
                    &doc, patch);
            else if (str_is(media, "application/merge-patch+json"))
                err = patch_merge(a, &doc, patch);
            else
                continue;
            if (err) {
                test_fail(__FILE__, __LINE__, "%s step %u: %s", recordings[i], step - 1,
                          err_text(err));
                err_free(err);
            } else {
                without_system_fields(&doc);
                json_removez(json_findz(&doc, "metadata"), "creationTimestamp");
                json_removez(json_findz(&doc, "metadata"), "uid");
                json_removez(json_findz(&doc, "spec"), "nosuch");
                if (json_count(json_path(&doc, "metadata.labels")) == 0)
                    json_removez(json_findz(&doc, "metadata"), "labels");
                if (json_count(json_path(&doc, "metadata.finalizers")) == 0)
                    json_removez(json_findz(&doc, "metadata"), "finalizers");
                if (!is_part(&doc, body)) {
                    CLEANUP(buf) struct buf b = BUF_INIT;

                    json_encode(&b, &doc);
                    test_fail(__FILE__, __LINE__, "%s step %u: %s", recordings[i], step - 1,
                              buf_cstr(&b));
                }
            }
            live = body;
            n++;
        }
    }
    CHECK(n > 20);
}

TEST_MAIN
