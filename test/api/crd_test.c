/* crd_test.c - custom resources, from the definition to the last instance. */
#include "test/api/world.h"
#include <time.h>

#define CRDS "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define WIDGETS "/apis/example.com/v1/namespaces/default/widgets"
#define SCHEMA                                                                                     \
    "{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\",\"required\":[\"size\"],"  \
    "\"properties\":{"                                                                             \
    "\"size\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":100},\"color\":{\"type\":"           \
    "\"string\",\"default\":\"red\",\"enum\":[\"red\",\"blue\"]},"                                 \
    "\"name\":{\"type\":\"string\",\"pattern\":\"^[a-z]+$\",\"maxLength\":4},\"tags\":{\"type\":"  \
    "\"array\",\"x-kubernetes-list-type\":\"set\",\"items\":{\"type\":\"string\"}},"               \
    "\"replicas\":{\"type\":\"integer\"}}},\"status\":{\"type\":\"object\",\"x-kubernetes-"        \
    "preserve-unknown-fields\":true}}}"
#define VERSION(name, storage)                                                                     \
    "{\"name\":\"" name "\",\"served\":true,\"storage\":" storage                                  \
    ",\"schema\":{\"openAPIV3Schema\":" SCHEMA                                                     \
    "},\"subresources\":{\"status\":{},\"scale\":{\"specReplicasPath\":\".spec.replicas\","        \
    "\"statusReplicasPath\":\".status.replicas\"}},\"selectableFields\":[{\"jsonPath\":\".spec."   \
    "color\"}],\"additionalPrinterColumns\":[{\"name\":\"Size\",\"type\":\"integer\","             \
    "\"jsonPath\":\".spec.size\"}]}"
#define CRD(plural, kind, versions)                                                                \
    "{\"metadata\":{\"name\":\"" plural ".example.com\"},\"spec\":{\"group\":\"example.com\","     \
    "\"scope\":\"Namespaced\",\"names\":{\"plural\":\"" plural "\",\"kind\":\"" kind               \
    "\"},\"versions\":[" versions "]}}"

static void begin(struct world *w, const char *crd)
{
    world_init(w);
    world_json(w, "POST", CRDS, crd, 201);
    world_run(w, 1000000);
}

static str condition(const struct json *crd, const char *type, const char *field)
{
    JSON_EACH(c, json_path(crd, "status.conditions"))
        if (str_is(json_get_str(c, "type"), type))
            return json_get_str(c, field);
    return S("");
}

TEST(definitions, are_established_and_their_kind_is_discovered_and_served)
{
    struct world w;
    struct json *v;

    begin(&w, CRD("widgets", "Widget", VERSION("v1", "true")));
    v = world_json(&w, "GET", CRDS "/widgets.example.com", NULL, 200);
    CHECK_STRZ(condition(v, "NamesAccepted", "reason"), "NoConflicts");
    CHECK_STRZ(condition(v, "Established", "reason"), "InitialNamesAccepted");
    CHECK_STRZ(json_get_str(v, "status.acceptedNames.singular"), "widget");
    v = world_json(&w, "GET", "/apis/example.com/v1", NULL, 200);
    CHECK_INT(json_count(json_path(v, "resources")), 3);
    v = world_json(&w, "GET", WIDGETS, NULL, 200);
    CHECK_STRZ(json_get_str(v, "kind"), "WidgetList");
    CHECK_INT(world_status(&w, "GET", "/apis/example.com/v2", NULL), 404);
    world_fini(&w);
}

TEST(objects, get_defaults_and_lose_unknown_fields_and_status)
{
    struct world w;
    struct json *v;
    struct call *c;
    str version;

    begin(&w, CRD("widgets", "Widget", VERSION("v1", "true")));
    v = world_json(&w, "POST", WIDGETS,
                   "{\"apiVersion\":\"example.com/"
                   "v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"size\":5,"
                   "\"nope\":1},\"status\":{\"x\":1}}",
                   201);
    CHECK_STRZ(json_get_str(v, "spec.color"), "red");
    CHECK(!json_path(v, "spec.nope") && !json_path(v, "status"));
    CHECK_INT(json_get_int(v, "metadata.generation", 0), 1);
    /* Written as it was read, it is what it was. */
    version = json_get_str(v, "metadata.resourceVersion");
    c = world_call(&w, "GET", WIDGETS "/a", NULL, NULL);
    v = world_json(&w, "PUT", WIDGETS "/a", buf_cstr(&c->body), 200);
    CHECK_STR(json_get_str(v, "metadata.resourceVersion"), version);
    call_free(c);
    /* Whatever its order. */
    c = world_call(
        &w, "PUT", WIDGETS "/a",
        arena_fmt(w.arena,
                  "{\"spec\":{\"color\":\"red\",\"size\":5},\"apiVersion\":\"example.com/"
                  "v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"a\","
                  "\"resourceVersion\":\"" PRI_STR "\"}}",
                  STR_ARG(version))
            .p,
        NULL);
    CHECK_INT(c->status, 200);
    CHECK_STR(json_get_str(call_json(c), "metadata.resourceVersion"), version);
    call_free(c);
    v = world_json(&w, "GET", WIDGETS "?fieldSelector=spec.color%3Dred", NULL, 200);
    CHECK_INT(json_count(json_path(v, "items")), 1);
    CHECK_INT(world_status(&w, "GET", WIDGETS "?fieldSelector=spec.size%3D5", NULL), 400);
    world_fini(&w);
}

TEST(objects, are_validated_by_the_schema_all_errors_at_once)
{
    struct world w;
    struct json *v, *causes;

    begin(&w, CRD("widgets", "Widget", VERSION("v1", "true")));
    v = world_json(&w, "POST", WIDGETS,
                   "{\"apiVersion\":\"example.com/"
                   "v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"size\":101,"
                   "\"color\":\"green\",\"name\":\"ABCDE\",\"tags\":[\"x\",\"x\"]}}",
                   422);
    causes = json_path(v, "details.causes");
    CHECK_INT(json_count(causes), 4); /* the name is too long: its pattern is not asked then */
    CHECK_STRZ(json_get_str(v, "details.kind"), "Widget");
    v = world_json(
        &w, "POST", WIDGETS,
        "{\"apiVersion\":\"example.com/"
        "v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"size\":\"5\"}}",
        422);
    CHECK_STRZ(json_get_str(json_item(json_path(v, "details.causes"), 0), "message"),
               "Invalid value: \"string\": spec.size in body must be of type integer: \"string\"");
    v = world_json(&w, "POST", WIDGETS,
                   "{\"apiVersion\":\"example.com/"
                   "v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"a\"},\"spec\":{}}",
                   422);
    CHECK_STRZ(json_get_str(json_item(json_path(v, "details.causes"), 0), "field"), "spec.size");
    world_fini(&w);
}

#define RULES(rule)                                                                                \
    CRD("gauges", "Gauge",                                                                         \
        "{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{"      \
        "\"type\":"                                                                                \
        "\"object\",\"properties\":{\"spec\":{\"type\":\"object\",\"x-kubernetes-validations\":["  \
        "{\"rule\":\"" rule "\",\"message\":\"too low\"}],\"properties\":{\"min\":{\"type\":"      \
        "\"integer\"},\"size\":{\"type\":\"integer\"}}}}}}}")
#define GAUGES "/apis/example.com/v1/namespaces/default/gauges"

/* Pairwise comparison would be many millions of steps in each of these writes. */
TEST(objects, have_long_sets_and_maps_whose_items_are_told_apart_without_comparing_all_pairs)
{
    static const char head[] = "{\"metadata\":{\"name\":\"a\"},";
    CLEANUP(buf) struct buf set = BUF_INIT, list = BUF_INIT, next = BUF_INIT;
    struct world w;
    struct json *v;

    begin(&w, CRD("widgets", "Widget",
                  "{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{"
                  "\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{\"tags\":{\"type\":"
                  "\"array\",\"x-kubernetes-list-type\":\"set\",\"items\":{\"type\":\"string\"}},"
                  "\"items\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"map\","
                  "\"x-kubernetes-list-map-keys\":[\"k\"],\"items\":{\"type\":\"object\","
                  "\"required\":[\"k\"],\"properties\":{\"k\":{\"type\":\"string\"},\"v\":{"
                  "\"type\":\"integer\",\"maximum\":9}}}}}}}}"));
    buf_z(&set, "{\"metadata\":{\"name\":\"a\"},\"tags\":[");
    buf_fmt(&list, "%s\"items\":[", head);
    for (int i = 0; i < 40000; i++) {
        buf_fmt(&set, "\"%d\",", i);
        if (i < 10000) /* whose managed fields are long, too */
            buf_fmt(&list, "%s{\"k\":\"%d\",\"v\":1}", i ? "," : "", i);
    }
    buf_z(&set, "\"7\",\"7\"]}");
    buf_z(&list, "]}");
    v = world_json(&w, "POST", WIDGETS, buf_cstr(&set), 422);
    CHECK_INT(json_count(json_path(v, "details.causes")), 1); /* the third is not told */
    CHECK_STRZ(json_get_str(json_item(json_path(v, "details.causes"), 0), "field"), "tags[40000]");
    v = world_json(&w, "POST", WIDGETS, buf_cstr(&list), 201);
    buf_fmt(&next, "{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"" PRI_STR "\"},",
            STR_ARG(json_get_str(v, "metadata.resourceVersion")));
    buf_str(&next, str_slice(buf_view(&list), strlen(head), list.n - 2));
    buf_z(&next, ",{\"k\":\"x\",\"v\":10}]}");
    v = world_json(&w, "PUT", WIDGETS "/a", buf_cstr(&next), 422);
    CHECK_INT(json_count(json_path(v, "details.causes")), 1);
    CHECK_STRZ(json_get_str(json_item(json_path(v, "details.causes"), 0), "field"),
               "items[10000].v");
    world_fini(&w);
}

static double processor_s(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

/* PCRE2 alone would take minutes for most of these, or refuse what RE2 takes. */
TEST(objects, are_matched_with_patterns_in_bounded_time)
{
    static const struct {
        const char *pattern, *part;
        size_t times;
        const char *last;
        int status;
    } cases[] = {
        {"[a-z]+[0-9]", "a", 1000000, "", 422},
        {"[a-z]+[0-9]", "a", 1000000, "7", 201},
        {"(a|b|ab)*[cd]", "ab", 500000, "", 422},
        {"^(a+)+$", "a", 100000, "", 201},
        {"^(a+)+$", "a", 100000, "b", 422},
        {"^([a-z]+[0-9]?)+$", "a", 300, "", 201},
        {"([ab]+)+[cd]", "ab", 500000, "", 422},
        {"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "a-b", 300000, "", 201},
        {"b$", "a", 1000000, "b", 201},
        {"^b", "a", 1000000, "b", 422},
        {"(?i)AB|x", "ab", 1, "", 201},
        {"\\\\Qa.b", "a.b", 1, "", 201},
        {"\\\\Qa.b", "acb", 1, "", 422},
        {"a|b\\\\z", "xb", 1, "", 201},
    };
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct world w;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double from;

        buf_clear(&b);
        buf_fmt(&b,
                CRD("widgets", "Widget",
                    "{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{"
                    "\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{\"a\":{"
                    "\"type\":\"string\",\"pattern\":\"%s\"}}}}}"),
                cases[i].pattern);
        begin(&w, buf_cstr(&b));
        buf_clear(&b);
        buf_z(&b, "{\"metadata\":{\"name\":\"w\"},\"a\":\"");
        for (size_t k = 0; k < cases[i].times; k++)
            buf_z(&b, cases[i].part);
        buf_fmt(&b, "%s\"}", cases[i].last);
        from = processor_s();
        if (world_status(&w, "POST", WIDGETS, buf_cstr(&b)) != cases[i].status)
            CHECK_STRZ(str_of(cases[i].pattern), "what it is matched with");
        CHECK(processor_s() - from < 3);
        world_fini(&w);
    }
}

TEST(objects, have_long_lists_of_values_of_long_enumerations)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct world w;
    double from;

    buf_z(&b, "{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{"
              "\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\",\"items\":{\"type\":"
              "\"string\",\"enum\":[\"first\"");
    for (int i = 0; i < 20000; i++)
        buf_fmt(&b, ",\"e%05d\"", i);
    buf_z(&b, "]}}}}}}");
    {
        CLEANUP(buf) struct buf crd = BUF_INIT;

        buf_fmt(&crd, CRD("widgets", "Widget", "%s"), buf_cstr(&b));
        begin(&w, buf_cstr(&crd));
    }
    buf_clear(&b);
    buf_z(&b, "{\"metadata\":{\"name\":\"w\"},\"a\":[\"first\"");
    for (int i = 0; i < 100000; i++)
        buf_z(&b, ",\"e19999\"");
    buf_z(&b, "]}");
    from = processor_s();
    CHECK_INT(world_status(&w, "POST", WIDGETS, buf_cstr(&b)), 201);
    CHECK(processor_s() - from < 3);
    CHECK_INT(
        world_status(&w, "POST", WIDGETS, "{\"metadata\":{\"name\":\"x\"},\"a\":[\"e20000\"]}"),
        422);
    world_fini(&w);
}

TEST(definitions, with_many_names_are_checked_without_comparing_all_pairs)
{
    CLEANUP(buf) struct buf b = BUF_INIT, crd = BUF_INIT;
    struct world w;
    double from = processor_s();

    world_init(&w);
    buf_z(&b, "{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{"
              "\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\",\"x-kubernetes-list-"
              "type\":\"map\",\"x-kubernetes-list-map-keys\":[\"k\"");
    for (int i = 0; i < 20000; i++)
        buf_fmt(&b, ",\"k%05d\"", i);
    buf_z(&b, "],\"items\":{\"type\":\"object\",\"required\":[\"k\"");
    for (int i = 0; i < 20000; i++)
        buf_fmt(&b, ",\"k%05d\"", i);
    buf_z(&b, "],\"properties\":{\"k\":{\"type\":\"string\"}");
    for (int i = 0; i < 20000; i++)
        buf_fmt(&b, ",\"k%05d\":{\"type\":\"string\"}", i);
    buf_z(&b, "}}}}}}}");
    buf_fmt(&crd, CRD("widgets", "Widget", "%s"), buf_cstr(&b));
    CHECK_INT(world_status(&w, "POST", CRDS "?dryRun=All", buf_cstr(&crd)), 201);
    buf_clear(&b);
    for (int i = 0; i < 20000; i++)
        buf_fmt(&b, "%s{\"name\":\"V%d\",\"served\":true,\"storage\":true}", i ? "," : "", i);
    buf_clear(&crd);
    buf_fmt(&crd, CRD("gadgets", "Gadget", "%s"), buf_cstr(&b));
    CHECK_INT(world_status(&w, "POST", CRDS, buf_cstr(&crd)), 422);
    CHECK(processor_s() - from < 4);
    world_fini(&w);
}

TEST(objects, obey_the_rules_of_their_definition)
{
    struct world w;
    struct json *v;

    begin(&w, RULES("self.size >= self.min"));
    world_json(&w, "POST", GAUGES,
               "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"min\":1,\"size\":2}}", 201);
    v = world_json(&w, "POST", GAUGES,
                   "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"min\":3,\"size\":2}}", 422);
    CHECK_STRZ(json_get_str(v, "message"),
               "Gauge.example.com \"b\" is invalid: spec: Invalid value: \"object\": too low");
    world_json(&w, "PUT", GAUGES "/a",
               "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"min\":3,\"size\":2}}", 422);
    world_fini(&w);
}

TEST(definitions, with_rules_that_do_not_compile_are_refused)
{
    struct world w;
    struct json *v;

    world_init(&w);
    v = world_json(&w, "POST", CRDS, RULES("self.size >= self.nosuch"), 422);
    CHECK_STRZ(
        json_get_str(json_item(json_path(v, "details.causes"), 0), "message"),
        "Invalid value: {\"Rule\":\"self.size \\u003e= self.nosuch\",\"Message\":\"too low\","
        "\"MessageExpression\":\"\",\"Reason\":null,\"FieldPath\":\"\",\"OptionalOldSelf\":"
        "null}: compilation failed: ERROR: <input>:1:18: undefined field 'nosuch'\n | "
        "self.size >= self.nosuch\n | .................^");
    world_fini(&w);
}

TEST(objects, have_status_and_scale)
{
    struct world w;
    struct json *v;

    begin(&w, CRD("widgets", "Widget", VERSION("v1", "true")));
    world_json(&w, "POST", WIDGETS,
               "{\"apiVersion\":\"example.com/"
               "v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"size\":5,"
               "\"replicas\":2}}",
               201);
    v = world_json(&w, "GET", WIDGETS "/a/scale", NULL, 200);
    CHECK_INT(json_get_int(v, "spec.replicas", 0), 2);
    v = world_json(&w, "GET", WIDGETS "/a/status", NULL, 200);
    CHECK_STRZ(json_get_str(v, "metadata.name"), "a");
    world_fini(&w);
}

TEST(versions, share_the_objects_and_differ_in_api_version)
{
    struct world w;
    struct json *v;

    begin(&w, CRD("widgets", "Widget", VERSION("v1", "true") "," VERSION("v2", "false")));
    world_json(&w, "POST", "/apis/example.com/v2/namespaces/default/widgets",
               "{\"apiVersion\":\"example.com/"
               "v2\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"size\":5}}",
               201);
    v = world_json(&w, "GET", WIDGETS "/a", NULL, 200);
    CHECK_STRZ(json_get_str(v, "apiVersion"), "example.com/v1");
    v = world_json(&w, "GET", "/apis/example.com/v2/namespaces/default/widgets", NULL, 200);
    CHECK_STRZ(json_get_str(json_item(json_path(v, "items"), 0), "apiVersion"), "example.com/v2");
    v = world_json(&w, "GET", "/apis/example.com", NULL, 200);
    CHECK_STRZ(json_get_str(v, "preferredVersion.version"), "v2");
    world_fini(&w);
}

TEST(definitions, with_names_in_use_are_not_served)
{
    struct world w;
    struct json *v;

    begin(&w, CRD("widgets", "Widget", VERSION("v1", "true")));
    world_json(&w, "POST", CRDS, CRD("gadgets", "Widget", VERSION("v1", "true")), 201);
    world_run(&w, 1000000);
    v = world_json(&w, "GET", CRDS "/gadgets.example.com", NULL, 200);
    CHECK_STRZ(condition(v, "NamesAccepted", "reason"),
               "ListKindConflict"); /* the last one found is told */
    CHECK_STRZ(condition(v, "Established", "status"), "False");
    CHECK_INT(world_status(&w, "GET", "/apis/example.com/v1/namespaces/default/gadgets", NULL),
              404);
    CHECK_INT(world_status(&w, "DELETE", CRDS "/widgets.example.com", NULL), 200);
    world_run(&w, 1000000);
    CHECK_INT(world_status(&w, "GET", "/apis/example.com/v1/namespaces/default/gadgets", NULL),
              200);
    world_fini(&w);
}

TEST(deletion, of_a_definition_removes_its_objects_first_and_waits_for_finalizers)
{
    struct world w;
    struct json *v;

    begin(&w, CRD("widgets", "Widget", VERSION("v1", "true")));
    world_json(&w, "POST", WIDGETS,
               "{\"apiVersion\":\"example.com/"
               "v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"size\":5}}",
               201);
    world_json(&w, "POST", WIDGETS,
               "{\"apiVersion\":\"example.com/"
               "v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"b\",\"finalizers\":[\"x.y/"
               "z\"]},\"spec\":{\"size\":5}}",
               201);
    v = world_json(&w, "DELETE", CRDS "/widgets.example.com", NULL, 200);
    CHECK_STRZ(json_str(json_item(json_path(v, "metadata.finalizers"), 0)),
               "customresourcecleanup.apiextensions.k8s.io");
    world_run(&w, 1000000);
    CHECK_INT(world_status(&w, "GET", WIDGETS "/a", NULL), 404);
    v = world_json(&w, "GET", WIDGETS "/b", NULL, 200);
    CHECK(json_get_str(v, "metadata.deletionTimestamp").n > 0);
    CHECK_INT(world_status(
                  &w, "POST", WIDGETS,
                  "{\"apiVersion\":\"example.com/"
                  "v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"c\"},\"spec\":{\"size\":5}}"),
              405);
    {
        struct call *c =
            world_call(&w, "PATCH", WIDGETS "/b", "{\"metadata\":{\"finalizers\":null}}",
                       "Content-Type: application/merge-patch+json");

        CHECK_INT(c->status, 200);
        call_free(c);
    }
    world_run(&w, 1000000);
    CHECK_INT(world_status(&w, "GET", CRDS "/widgets.example.com", NULL), 404);
    CHECK_INT(world_status(&w, "GET", WIDGETS, NULL), 404);
    world_fini(&w);
}

TEST_MAIN
