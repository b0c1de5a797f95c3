/* verbs_test.c - create, read, update, patch, delete, list and watch, as a client sees them. */
#include "test/api/world.h"
#include "wire/yaml.h"
#include <time.h>

#include <zlib.h>

#define CM "/api/v1/namespaces/default/configmaps"

TEST(create, fills_in_what_the_server_owns)
{
    struct world w;
    struct json *v;

    world_init(&w);
    v = world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"v\"}}", 201);
    CHECK_STRZ(json_get_str(v, "kind"), "ConfigMap");
    CHECK_STRZ(json_get_str(v, "apiVersion"), "v1");
    CHECK_STRZ(json_get_str(v, "metadata.namespace"), "default");
    CHECK_INT(json_get_str(v, "metadata.uid").n, 36);
    CHECK(json_get_str(v, "metadata.creationTimestamp").n == 20);
    CHECK(json_get_str(v, "metadata.resourceVersion").n > 0);
    CHECK(!json_path(v, "metadata.generation"));
    world_fini(&w);
}

TEST(create, of_a_taken_name_is_a_conflict_and_with_generate_name_it_is_not)
{
    struct world w;
    struct json *v, *u;

    world_init(&w);
    CHECK_INT(world_status(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}"), 201);
    v = world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", 409);
    CHECK_STRZ(json_get_str(v, "message"), "configmaps \"a\" already exists");
    CHECK_STRZ(json_get_str(v, "reason"), "AlreadyExists");
    v = world_json(&w, "POST", CM, "{\"metadata\":{\"generateName\":\"a-\"}}", 201);
    u = world_json(&w, "POST", CM, "{\"metadata\":{\"generateName\":\"a-\"}}", 201);
    CHECK(str_has_prefix(json_get_str(v, "metadata.name"), S("a-")) &&
          json_get_str(v, "metadata.name").n == 7);
    CHECK(!str_eq(json_get_str(v, "metadata.name"), json_get_str(u, "metadata.name")));
    world_fini(&w);
}

TEST(create, needs_a_namespace_that_exists)
{
    struct world w;
    struct json *v;

    world_init(&w);
    v = world_json(&w, "POST", "/api/v1/namespaces/none/configmaps",
                   "{\"metadata\":{\"name\":\"a\"}}", 404);
    CHECK_STRZ(json_get_str(v, "message"), "namespaces \"none\" not found");
    world_fini(&w);
}

TEST(create, refuses_bad_names_with_the_field_path)
{
    struct world w;
    struct json *v;

    world_init(&w);
    v = world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"Bad_Name\"}}", 422);
    CHECK_STRZ(json_get_str(v, "details.kind"), "ConfigMap");
    CHECK_STRZ(json_get_str(json_item(json_path(v, "details.causes"), 0), "field"),
               "metadata.name");
    v = world_json(&w, "POST", CM, "{\"metadata\":{}}", 422);
    CHECK_STRZ(json_get_str(v, "message"), "ConfigMap \"\" is invalid: metadata.name: Required "
                                           "value: name or generateName is required");
    world_fini(&w);
}

TEST(create, tells_of_a_thousand_problems_and_counts_the_others)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct world w;
    struct json *v;
    str message;

    world_init(&w);
    buf_z(&b, "{\"metadata\":{\"name\":\"x\"},\"data\":{");
    for (int i = 0; i < 50000; i++)
        buf_fmt(&b, "%s\"!%d\":\"\"", i ? "," : "", i);
    buf_z(&b, "}}");
    v = world_json(&w, "POST", CM, buf_cstr(&b), 422);
    CHECK_INT(json_count(json_path(v, "details.causes")), ERR_CAUSES_MAX);
    message = json_get_str(v, "message");
    CHECK(str_has_suffix(message, S(", and 48976 more]")));
    world_fini(&w);
}

TEST(create, with_dry_run_stores_nothing)
{
    struct world w;
    struct json *v;

    world_init(&w);
    v = world_json(&w, "POST", CM "?dryRun=All", "{\"metadata\":{\"name\":\"a\"}}", 201);
    CHECK(!json_path(v, "metadata.resourceVersion"));
    CHECK_INT(json_get_str(v, "metadata.uid").n, 36);
    CHECK_INT(world_status(&w, "GET", CM "/a", NULL), 404);
    world_fini(&w);
}

/* Source: the strategies of lease and csidriver; their features are off by default in v1.36. */
TEST(create, drops_fields_of_features_that_are_off)
{
    struct world w;
    struct call *c;

    world_init(&w);
    c = world_call(
        &w, "POST", "/apis/coordination.k8s.io/v1/namespaces/default/leases",
        "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"strategy\":\"s\",\"preferredHolder\":"
        "\"p\",\"holderIdentity\":\"h\"}}",
        NULL);
    CHECK_INT(c->status, 201);
    CHECK_INT(json_count(json_path(call_json(c), "spec")), 1);
    CHECK_STRZ(json_get_str(call_json(c), "spec.holderIdentity"), "h");
    call_free(c);
    c = world_call(
        &w, "POST", "/apis/storage.k8s.io/v1/csidrivers",
        "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"preventPodSchedulingIfMissing\":true}}", NULL);
    CHECK_INT(c->status, 201);
    CHECK(!json_path(call_json(c), "spec.preventPodSchedulingIfMissing"));
    CHECK(json_path(call_json(c), "spec.attachRequired"));
    call_free(c);
    world_fini(&w);
}

TEST(create, tells_unknown_fields_as_asked)
{
    struct world w;
    struct call *c;
    static const char body[] = "{\"metadata\":{\"name\":\"a\"},\"nosuch\":1}";

    world_init(&w);
    c = world_call(&w, "POST", CM "?fieldValidation=Strict", body, NULL);
    CHECK_INT(c->status, 400);
    CHECK_STRZ(json_get_str(call_json(c), "message"),
               "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding "
               "error: unknown field \"nosuch\"");
    call_free(c);
    c = world_call(&w, "POST", CM, body, NULL);
    CHECK_INT(c->status, 201);
    CHECK_STRZ(call_header(c, "Warning"), "299 - \"unknown field \\\"nosuch\\\"\"");
    call_free(c);
    world_fini(&w);
}

TEST(update, obeys_the_version_the_client_read)
{
    struct world w;
    struct json *v;
    char body[256];

    world_init(&w);
    v = world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"1\"}}", 201);
    snprintf(body, sizeof body,
             "{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"" PRI_STR
             "\"},\"data\":{\"k\":\"2\"}}",
             STR_ARG(json_get_str(v, "metadata.resourceVersion")));
    v = world_json(&w, "PUT", CM "/a", body, 200);
    CHECK_STRZ(json_get_str(v, "data.k"), "2");
    v = world_json(&w, "PUT", CM "/a", body, 409);
    CHECK_STRZ(json_get_str(v, "reason"), "Conflict");
    /* Without a version it is unconditional; the same again changes nothing. */
    v = world_json(&w, "PUT", CM "/a", "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"3\"}}",
                   200);
    CHECK(str_eq(
        json_get_str(world_json(&w, "PUT", CM "/a",
                                "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"3\"}}", 200),
                     "metadata.resourceVersion"),
        json_get_str(v, "metadata.resourceVersion")));
    CHECK_INT(world_status(&w, "PUT", CM "/none", "{\"metadata\":{\"name\":\"none\"}}"), 404);
    world_fini(&w);
}

static const char deployment[] =
    "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}},"
    "\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":"
    "\"c\",\"image\":\"i\"}]}}}}";
#define DEPLOYS "/apis/apps/v1/namespaces/default/deployments"

/* Source: BeforeUpdate() of k8s.io/apiserver/pkg/registry/rest/update.go. */
TEST(update, keeps_the_times_of_an_object_and_lets_nobody_set_its_end)
{
    static const char path[] = CM "/a", merge[] = "Content-Type: application/merge-patch+json";
    struct world w;
    struct call *c;
    struct json *v;
    str created;

    world_init(&w);
    v = world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\",\"finalizers\":[\"a/b\"]}}", 201);
    created = json_get_str(v, "metadata.creationTimestamp");
    v = world_json(&w, "PUT", path,
                   "{\"metadata\":{\"name\":\"a\",\"finalizers\":[\"a/b\"],\"creationTimestamp\":"
                   "\"2001-01-01T00:00:00Z\",\"generation\":7}}",
                   200);
    CHECK_STR(json_get_str(v, "metadata.creationTimestamp"), created);
    CHECK(!json_path(v, "metadata.generation"));
    c = world_call(&w, "PATCH", path,
                   "{\"metadata\":{\"deletionTimestamp\":\"2001-01-01T00:00:00Z\","
                   "\"deletionGracePeriodSeconds\":3}}",
                   merge);
    CHECK_INT(c->status, 422);
    CHECK_INT(json_count(json_path(call_json(c), "details.causes")), 4); /* each of them twice */
    CHECK_STRZ(json_get_str(json_item(json_path(call_json(c), "details.causes"), 0), "message"),
               "Invalid value: \"2001-01-01T00:00:00Z\": field is immutable");
    call_free(c);
    CHECK_INT(world_status(&w, "DELETE", path, NULL), 200);
    v = world_json(&w, "PUT", path,
                   "{\"metadata\":{\"name\":\"a\",\"finalizers\":[\"a/b\"],\"deletionTimestamp\":"
                   "\"2001-01-01T00:00:00Z\"}}",
                   200);
    CHECK(!str_is(json_get_str(v, "metadata.deletionTimestamp"), "2001-01-01T00:00:00Z"));
    CHECK_INT(json_get_int(v, "metadata.deletionGracePeriodSeconds", -1), 0);
    CHECK_INT(world_status(&w, "PUT", path,
                           "{\"metadata\":{\"name\":\"a\",\"finalizers\":[\"a/b\"],"
                           "\"deletionGracePeriodSeconds\":9}}"),
              422);
    world_fini(&w);
}

TEST(update, of_spec_bumps_the_generation_and_status_belongs_to_its_own_endpoint)
{
    struct world w;
    struct json *v;

    world_init(&w);
    v = world_json(&w, "POST", DEPLOYS, deployment, 201);
    CHECK_INT(json_get_int(v, "metadata.generation", 0), 1);
    CHECK_INT(json_get_int(v, "spec.replicas", 0), 1);
    v = world_json(&w, "PATCH", DEPLOYS "/d",
                   "{\"spec\":{\"replicas\":3},\"status\":{\"replicas\":9}}", 200);
    CHECK_INT(json_get_int(v, "metadata.generation", 0), 2);
    CHECK_INT(json_get_int(v, "status.replicas", 0), 0);
    v = world_json(&w, "PATCH", DEPLOYS "/d/status",
                   "{\"spec\":{\"replicas\":7},\"status\":{\"replicas\":3}}", 200);
    CHECK_INT(json_get_int(v, "metadata.generation", 0), 2);
    CHECK_INT(json_get_int(v, "spec.replicas", 0), 3);
    CHECK_INT(json_get_int(v, "status.replicas", 0), 3);
    v = world_json(&w, "GET", DEPLOYS "/d/scale", NULL, 200);
    CHECK_STRZ(json_get_str(v, "kind"), "Scale");
    CHECK_INT(json_get_int(v, "spec.replicas", 0), 3);
    CHECK_STRZ(json_get_str(v, "status.selector"), "a=b");
    v = world_json(&w, "PATCH", DEPLOYS "/d/scale", "{\"spec\":{\"replicas\":5}}", 200);
    CHECK_INT(json_get_int(v, "spec.replicas", 0), 5);
    CHECK_INT(
        json_get_int(world_json(&w, "GET", DEPLOYS "/d", NULL, 200), "metadata.generation", 0), 3);
    world_fini(&w);
}

TEST(patch, of_each_kind_reaches_the_newest_version)
{
    struct world w;
    struct call *c;
    struct json *v;

    world_init(&w);
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"1\"}}", 201);
    c = world_call(&w, "PATCH", CM "/a", "[{\"op\":\"add\",\"path\":\"/data/x\",\"value\":\"2\"}]",
                   "Content-Type: application/json-patch+json");
    CHECK_INT(c->status, 200);
    CHECK_STRZ(json_get_str(call_json(c), "data.x"), "2");
    call_free(c);
    c = world_call(&w, "PATCH", CM "/a", "{\"data\":{\"k\":null,\"y\":\"3\"}}",
                   "Content-Type: application/strategic-merge-patch+json");
    v = call_json(c);
    CHECK(!json_path(v, "data.k"));
    CHECK_STRZ(json_get_str(v, "data.y"), "3");
    call_free(c);
    c = world_call(&w, "PATCH", CM "/a", "{}", "Content-Type: application/json");
    CHECK_INT(c->status, 415);
    call_free(c);
    world_fini(&w);
}

TEST(deletion, answers_with_a_status_and_honours_preconditions)
{
    struct world w;
    struct json *v;

    world_init(&w);
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", 201);
    v = world_json(&w, "DELETE", CM "/a", "{\"preconditions\":{\"uid\":\"x\"}}", 409);
    CHECK_STRZ(json_get_str(v, "details.kind"), "ConfigMap");
    v = world_json(&w, "DELETE", CM "/a", NULL, 200);
    CHECK_STRZ(json_get_str(v, "status"), "Success");
    CHECK_STRZ(json_get_str(v, "details.kind"), "configmaps");
    CHECK_INT(world_status(&w, "DELETE", CM "/a", NULL), 404);
    world_fini(&w);
}

/* Which kinds answer with the object that is gone is a property of each registry (ReturnDeletedObject). */
TEST(deletion, of_some_kinds_answers_with_the_object)
{
    static const struct {
        const char *path, *object, *want;
    } cases[] = {
        {"/apis/storage.k8s.io/v1/volumeattributesclasses",
         "{\"metadata\":{\"name\":\"x\"},\"driverName\":\"d.test\",\"parameters\":{\"a\":\"b\"}}",
         "VolumeAttributesClass"},
        {"/apis/resource.k8s.io/v1/deviceclasses", "{\"metadata\":{\"name\":\"x\"},\"spec\":{}}",
         "DeviceClass"},
        {"/apis/resource.k8s.io/v1/namespaces/default/resourceclaims",
         "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"devices\":{}}}", "ResourceClaim"},
        {"/apis/resource.k8s.io/v1/namespaces/default/resourceclaimtemplates",
         "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"spec\":{\"devices\":{}}}}",
         "ResourceClaimTemplate"},
        {"/apis/resource.k8s.io/v1/resourceslices",
         "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"nodeName\":\"n\",\"driver\":\"d.test\","
         "\"pool\":{"
         "\"name\":\"p\",\"generation\":1,\"resourceSliceCount\":1}}}",
         "ResourceSlice"},
        {"/apis/networking.k8s.io/v1/servicecidrs",
         "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"cidrs\":[\"192.0.2.0/24\"]}}", "Status"},
        {"/apis/networking.k8s.io/v1/ingressclasses",
         "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"controller\":\"c.test/x\"}}", "Status"},
    };
    struct world w;

    world_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *one = arena_dupz(w.arena, arena_fmt(w.arena, "%s/x", cases[i].path));

        world_json(&w, "POST", cases[i].path, cases[i].object, 201);
        CHECK_STRZ(json_get_str(world_json(&w, "DELETE", one, NULL, 200), "kind"), cases[i].want);
    }
    world_fini(&w);
}

TEST(deletion, waits_for_finalizers_and_ends_with_the_last_one)
{
    struct world w;
    struct json *v;

    world_init(&w);
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\",\"finalizers\":[\"x.test/f\"]}}",
               201);
    v = world_json(&w, "DELETE", CM "/a", NULL, 200);
    CHECK(json_get_str(v, "metadata.deletionTimestamp").n > 0);
    CHECK_INT(json_get_int(v, "metadata.deletionGracePeriodSeconds", -1), 0);
    CHECK_INT(world_status(&w, "GET", CM "/a", NULL), 200);
    world_json(&w, "PATCH", CM "/a", "{\"metadata\":{\"finalizers\":null}}", 200);
    CHECK_INT(world_status(&w, "GET", CM "/a", NULL), 404);
    world_fini(&w);
}

TEST(deletion, of_a_running_pod_gives_it_its_grace_and_propagation_becomes_finalizers)
{
    struct world w;
    struct json *v;

    world_init(&w);
    world_json(&w, "POST", "/api/v1/namespaces/default/serviceaccounts",
               "{\"metadata\":{\"name\":\"default\"}}", 201);
    world_json(
        &w, "POST", "/api/v1/namespaces/default/pods",
        "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"nodeName\":\"n\","
        "\"terminationGracePeriodSeconds\":40,\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
        201);
    v = world_json(&w, "DELETE", "/api/v1/namespaces/default/pods/p", NULL, 200);
    CHECK_INT(json_get_int(v, "metadata.deletionGracePeriodSeconds", 0), 40);
    CHECK_INT(json_get_int(v, "metadata.generation", 0), 2);
    v = world_json(&w, "DELETE", "/api/v1/namespaces/default/pods/p?gracePeriodSeconds=50", NULL,
                   200);
    CHECK_INT(json_get_int(v, "metadata.deletionGracePeriodSeconds", 0), 40);
    world_json(&w, "DELETE", "/api/v1/namespaces/default/pods/p?gracePeriodSeconds=0", NULL, 200);
    CHECK_INT(world_status(&w, "GET", "/api/v1/namespaces/default/pods/p", NULL), 404);
    world_json(&w, "POST", DEPLOYS, deployment, 201);
    v = world_json(&w, "DELETE", DEPLOYS "/d?propagationPolicy=Foreground", NULL, 200);
    CHECK_STRZ(json_str(json_item(json_path(v, "metadata.finalizers"), 0)), "foregroundDeletion");
    world_fini(&w);
}

TEST(deletion, of_a_collection_takes_what_matches)
{
    struct world w;
    struct json *v;

    world_init(&w);
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\",\"labels\":{\"l\":\"x\"}}}", 201);
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"b\",\"labels\":{\"l\":\"y\"}}}", 201);
    v = world_json(&w, "DELETE", CM "?labelSelector=l%3Dx", NULL, 200);
    CHECK_INT(json_count(json_path(v, "items")), 1);
    v = world_json(&w, "GET", CM, NULL, 200);
    CHECK_INT(json_count(json_path(v, "items")), 1);
    CHECK_STRZ(json_get_str(json_item(json_path(v, "items"), 0), "metadata.name"), "b");
    world_fini(&w);
}

static void make_maps(struct world *w, int n)
{
    char object[64];

    for (int i = 0; i < n; i++) {
        snprintf(object, sizeof object, "{\"metadata\":{\"name\":\"m%04d\"}}", i);
        CHECK_INT(world_status(w, "POST", CM, object), 201);
    }
}

static uint32_t count_maps(struct world *w)
{
    return json_count(json_path(world_json(w, "GET", CM, NULL, 200), "items"));
}

TEST(deletion, of_a_large_collection_lets_others_in_between)
{
    struct call *collection, *create;
    struct world w;

    world_init(&w);
    make_maps(&w, 500);
    collection = world_open(&w, "DELETE", CM, NULL, NULL);
    create = world_call(&w, "POST", CM, "{\"metadata\":{\"name\":\"z\"}}", NULL);
    CHECK_INT(create->status, 201);
    CHECK(!collection->ended);
    CHECK(count_maps(&w) > 250);
    call_free(create);
    world_run(&w, 5 * NS_PER_S);
    CHECK(collection->ended);
    CHECK_INT(json_count(json_path(call_json(collection), "items")), 500);
    call_free(collection);
    CHECK_INT(count_maps(&w), 1); /* who came later stays */
    world_fini(&w);
}

TEST(deletion, of_a_collection_goes_as_far_as_its_limit)
{
    struct world w;
    struct json *v;

    world_init(&w);
    make_maps(&w, 5);
    v = world_json(&w, "DELETE", CM "?limit=2", NULL, 200);
    CHECK_INT(json_count(json_path(v, "items")), 2);
    CHECK_STRZ(json_get_str(json_item(json_path(v, "items"), 1), "metadata.name"), "m0001");
    CHECK(json_get_str(v, "metadata.continue").n > 0);
    CHECK_INT(count_maps(&w), 3);
    world_fini(&w);
}

TEST(deletion, of_a_collection_ends_when_nobody_waits_for_it)
{
    struct call *collection;
    struct world w;

    world_init(&w);
    make_maps(&w, 500);
    collection = world_open(&w, "DELETE", CM, NULL, NULL);
    CHECK_INT(world_status(&w, "POST", CM, "{\"metadata\":{\"name\":\"z\"}}"), 201);
    collection->ex.gone = true;
    world_run(&w, 5 * NS_PER_S);
    CHECK(collection->ended);
    call_free(collection);
    CHECK(count_maps(&w) > 250);
    world_fini(&w);
}

TEST(deletion, of_what_nothing_holds_tells_its_last_state)
{
    struct call *watch;
    struct json *v;
    struct world w;
    str revision;

    world_init(&w);
    v = world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"v\"}}", 201);
    revision = json_get_str(v, "metadata.resourceVersion");
    v = world_json(&w, "DELETE", CM "/a?dryRun=All", NULL, 200);
    CHECK_STRZ(json_get_str(v, "kind"), "Status");
    CHECK_INT(count_maps(&w), 1);
    watch = world_open(&w, "GET", CM "?watch=1", NULL, NULL);
    world_run(&w, NS_PER_S);
    buf_clear(&watch->body);
    world_json(&w, "DELETE", CM "/a", NULL, 200);
    v = call_json(watch);
    CHECK_STRZ(json_get_str(v, "type"), "DELETED");
    CHECK_STRZ(json_get_str(v, "object.data.k"), "v");
    CHECK(!json_path(v, "object.metadata.deletionTimestamp"));
    CHECK(!str_eq(json_get_str(v, "object.metadata.resourceVersion"), revision));
    call_free(watch);
    CHECK_INT(count_maps(&w), 0);
    world_fini(&w);
}

/* What gzip makes of it, in w's arena. */
static str unzipped(struct world *w, const struct buf *body)
{
    size_t size = (size_t)8 << 20;
    char *out = arena_alloc(w->arena, size);
    z_stream z = {.next_in = (unsigned char *)body->p,
                  .avail_in = (unsigned)body->n,
                  .next_out = (unsigned char *)out,
                  .avail_out = (unsigned)size};

    CHECK_INT(inflateInit2(&z, 15 + 16), Z_OK);
    CHECK_INT(inflate(&z, Z_FINISH), Z_STREAM_END);
    CHECK_INT(z.avail_in, 0);
    inflateEnd(&z);
    return (str){out, z.total_out};
}

static void make_large_maps(struct world *w, int n)
{
    CLEANUP(buf) struct buf object = BUF_INIT;

    for (int i = 0; i < n; i++) {
        buf_clear(&object);
        buf_fmt(&object, "{\"metadata\":{\"name\":\"m%04d\",\"labels\":{", i);
        for (int k = 0; k < 100; k++)
            buf_fmt(&object, "%s\"label%d\":\"%d\"", k ? "," : "", k, i * k);
        buf_z(&object, "}}}");
        CHECK_INT(world_status(w, "POST", CM, buf_cstr(&object)), 201);
    }
}

TEST(list, that_is_long_is_compressed_while_it_is_made)
{
    static const char *const forms[] = {
        "application/json",
        "application/vnd.kubernetes.protobuf",
        "application/yaml",
        "application/json;as=Table;v=v1;g=meta.k8s.io",
        "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
        "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"};
    struct world w;

    world_init(&w);
    make_large_maps(&w, 700);
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        char headers[200];
        struct call *plain, *zipped;

        snprintf(headers, sizeof headers, "Accept: %s", forms[i]);
        plain = world_call(&w, "GET", CM, NULL, headers);
        snprintf(headers, sizeof headers, "Accept: %s\nAccept-Encoding: gzip", forms[i]);
        zipped = world_call(&w, "GET", CM, NULL, headers);
        CHECK_INT(zipped->status, 200);
        CHECK_STRZ(call_header(zipped, "Content-Encoding"), "gzip");
        CHECK(!call_header(zipped, "Content-Length").n);
        CHECK(zipped->body.n < plain->body.n / 2);
        CHECK_STR(unzipped(&w, &zipped->body), buf_view(&plain->body));
        call_free(plain);
        call_free(zipped);
    }
    world_fini(&w);
}

TEST(list, that_is_compressed_lets_others_in_between_and_ends_with_its_client)
{
    static const char zip[] = "Accept-Encoding: gzip";
    struct call *list, *get;
    struct world w;

    world_init(&w);
    make_large_maps(&w, 1000);
    list = world_open(&w, "GET", CM, NULL, zip);
    get = world_call(&w, "GET", CM "/m0001", NULL, NULL);
    CHECK_INT(get->status, 200);
    CHECK(!list->ended);
    call_free(get);
    call_free(list); /* goes away in the middle */
    world_fini(&w);
}

/* What a list of any length looks like is what the encoders make of it as a whole. */
TEST(list, for_people_to_read_is_made_singly_and_looks_as_if_at_once)
{
    static const char *const queries[] = {"", "?limit=1", "?labelSelector=no%3Dwhere",
                                          "?labelSelector=label3%3D6"};
    static const char *const forms[] = {"", ";as=Table;v=v1;g=meta.k8s.io",
                                        ";as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"};
    struct world w;

    world_init(&w);
    make_large_maps(&w, 150);
    for (size_t i = 0; i < ARRAY_LEN(queries) * ARRAY_LEN(forms); i++) {
        CLEANUP(buf) struct buf pretty = BUF_INIT;
        CLEANUP(buf) struct buf yaml = BUF_INIT;
        const char *form = forms[i / ARRAY_LEN(queries)];
        const char *path = arena_fmt(w.arena, CM "%s", queries[i % ARRAY_LEN(queries)]).p;
        struct call *plain = world_call(&w, "GET", path, NULL,
                                        arena_fmt(w.arena, "Accept: application/json%s", form).p);
        struct call *c;
        struct json *tree = call_json(plain);

        json_encode_pretty(&pretty, tree, 2, 0);
        yaml_encode(&yaml, tree);
        c = world_call(&w, "GET", path, NULL,
                       arena_fmt(w.arena, "Accept: application/json%s;pretty=1", form).p);
        CHECK_STR(str_trim(buf_view(&c->body)), buf_view(&pretty));
        call_free(c);
        c = world_call(&w, "GET", path, NULL,
                       arena_fmt(w.arena, "Accept: application/yaml%s", form).p);
        CHECK_STR(buf_view(&c->body), buf_view(&yaml));
        call_free(c);
        call_free(plain);
    }
    world_fini(&w);
}

TEST(list, comes_in_pages_of_one_snapshot)
{
    struct world w;
    struct json *v;
    char path[512], name[64];

    world_init(&w);
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "{\"metadata\":{\"name\":\"n%d\"}}", i);
        world_json(&w, "POST", CM, name, 201);
    }
    v = world_json(&w, "GET", CM "?limit=2", NULL, 200);
    CHECK_INT(json_count(json_path(v, "items")), 2);
    CHECK_INT(json_get_int(v, "metadata.remainingItemCount", 0), 3);
    CHECK(!json_findz(json_item(json_path(v, "items"), 0), "kind"));
    /* What changes between pages is not seen. */
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"n2a\"}}", 201);
    CHECK_INT(world_status(&w, "DELETE", CM "/n3", NULL), 200);
    snprintf(path, sizeof path, CM "?limit=10&continue=" PRI_STR,
             STR_ARG(json_get_str(v, "metadata.continue")));
    v = world_json(&w, "GET", path, NULL, 200);
    CHECK_INT(json_count(json_path(v, "items")), 3);
    CHECK_STRZ(json_get_str(json_item(json_path(v, "items"), 1), "metadata.name"), "n3");
    CHECK(!json_path(v, "metadata.continue"));
    world_fini(&w);
}

TEST(list, takes_label_and_field_selectors)
{
    struct world w;
    struct json *v;

    world_init(&w);
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\",\"labels\":{\"app\":\"x\"}}}", 201);
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"b\"}}", 201);
    CHECK_INT(json_count(json_path(
                  world_json(&w, "GET", CM "?labelSelector=app+in+(x,y)", NULL, 200), "items")),
              1);
    CHECK_INT(
        json_count(json_path(world_json(&w, "GET", CM "?labelSelector=!app", NULL, 200), "items")),
        1);
    CHECK_INT(
        json_count(json_path(
            world_json(&w, "GET", CM "?fieldSelector=metadata.name%3Db", NULL, 200), "items")),
        1);
    v = world_json(&w, "GET", CM "?fieldSelector=nosuch%3Db", NULL, 400);
    CHECK_STRZ(
        json_get_str(v, "message"),
        "\"nosuch\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"");
    v = world_json(&w, "GET", CM "?resourceVersion=99999999999", NULL, 504);
    CHECK_STRZ(json_get_str(v, "reason"), "Timeout");
    world_fini(&w);
}

static unsigned lines(struct call *c)
{
    unsigned n = 0;

    for (size_t i = 0; i < c->body.n; i++)
        n += c->body.p[i] == '\n';
    return n;
}

TEST(watch, sends_what_happens_and_selectors_turn_changes_into_coming_and_going)
{
    struct world w;
    struct call *all, *x;

    world_init(&w);
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\",\"labels\":{\"l\":\"x\"}}}", 201);
    all = world_open(&w, "GET", CM "?watch=1", NULL, NULL);
    x = world_open(&w, "GET", CM "?watch=1&labelSelector=l%3Dx", NULL, NULL);
    world_run(&w, NS_PER_S);
    CHECK_INT(lines(all), 1); /* what is there already */
    CHECK_INT(lines(x), 1);
    world_json(&w, "PATCH", CM "/a", "{\"metadata\":{\"labels\":{\"l\":\"y\"}}}", 200);
    world_json(&w, "PATCH", CM "/a", "{\"data\":{\"k\":\"v\"}}", 200);
    CHECK_INT(world_status(&w, "DELETE", CM "/a", NULL), 200);
    world_run(&w, NS_PER_S);
    CHECK_INT(lines(all), 4);
    CHECK_INT(lines(x), 2);
    CHECK(str_find(buf_view(&x->body), S("{\"type\":\"DELETED\"")) > 0);
    CHECK(str_find(buf_view(&all->body), S("{\"type\":\"MODIFIED\"")) > 0);
    CHECK(!all->ended);
    call_free(all);
    call_free(x);
    world_fini(&w);
}

TEST(watch, over_a_websocket_sends_a_message_for_each_event)
{
#define SOCKET                                                                                     \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nConnection: Upgrade\nUpgrade: websocket\n"
    static const struct {
        const char *headers;
        int status;
        unsigned opcode;
        const char *protocol;
    } cases[] = {
        {SOCKET "Origin: https://d", 101, 1, ""},
        {SOCKET "Origin: https://d\nSec-WebSocket-Protocol: base64.binary.k8s.io", 101, 1,
         "base64.binary.k8s.io"},
        {SOCKET
         "Origin: https://d\nSec-WebSocket-Protocol: a,base64url.bearer.authorization.k8s.io.x",
         101, 1, "a"},
        {SOCKET "Origin: https://d\nSec-WebSocket-Protocol: a, b", 400, 0, ""},
        {SOCKET, 403, 0, ""}, /* browsers name their origin */
        {"Upgrade: websocket\nOrigin: https://d", 400, 0, ""},
        {SOCKET "Origin: https://d\nAccept: application/vnd.kubernetes.protobuf", 101, 2, ""},
    };
    struct world w;

    world_init(&w);
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", 201);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct call *c = world_open(&w, "GET", CM "?watch=1", NULL, cases[i].headers);

        world_run(&w, NS_PER_S);
        CHECK_INT(c->status, cases[i].status);
        CHECK_INT(c->opcode, cases[i].opcode);
        CHECK_STRZ(call_header(c, "Sec-WebSocket-Protocol"), cases[i].protocol);
        if (cases[i].opcode == 1)
            CHECK(str_has_prefix(buf_view(&c->body), S("{\"type\":\"ADDED\"")));
        if (cases[i].opcode == 2) /* a message has a length, so the event has none before it */
            CHECK(str_has_prefix(buf_view(&c->body), S("\n\5ADDED")));
        call_free(c);
    }
    world_fini(&w);
#undef SOCKET
}

TEST(watch, ends_at_its_timeout_and_marks_the_end_of_the_initial_events)
{
    struct world w;
    struct call *c;

    world_init(&w);
    c = world_open(&w, "GET",
                   CM "?watch=1&timeoutSeconds=5&allowWatchBookmarks=true&sendInitialEvents=true&"
                      "resourceVersionMatch=NotOlderThan",
                   NULL, NULL);
    world_run(&w, NS_PER_S);
    CHECK(!c->ended);
    CHECK(str_find(buf_view(&c->body), S("\"k8s.io/initial-events-end\":\"true\"")) > 0);
    world_run(&w, 5 * NS_PER_S);
    CHECK(c->ended);
    call_free(c);
    world_fini(&w);
}

TEST(watch, from_a_version_that_is_compacted_says_so)
{
    struct world w;
    struct call *c;

    world_init(&w);
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", 201);
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"b\"}}", 201);
    store_compact(w.store, store_revision(w.store));
    world_run(&w, NS_PER_S);
    c = world_call(&w, "GET", CM "?watch=1&resourceVersion=1", NULL, NULL);
    CHECK_INT(c->status, 200);
    CHECK(str_has_prefix(buf_view(&c->body), S("{\"type\":\"ERROR\"")));
    CHECK(str_find(buf_view(&c->body), S("\"code\":410")) > 0);
    call_free(c);
    world_fini(&w);
}

TEST(list, whose_pages_are_of_the_forgotten_past_can_go_on_with_the_present)
{
    struct world w;
    struct json *page;
    char path[512];

    world_init(&w);
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", 201);
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"b\"}}", 201);
    page = world_json(&w, "GET", CM "?limit=1", NULL, 200);
    snprintf(path, sizeof path, CM "?limit=1&continue=" PRI_STR,
             STR_ARG(json_str(json_path(page, "metadata.continue"))));
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"c\"}}", 201);
    store_compact(w.store, store_revision(w.store));
    world_run(&w, NS_PER_S);
    page = world_json(&w, "GET", path, NULL, 410);
    CHECK_STRZ(json_str(json_path(page, "reason")), "Expired");
    snprintf(path, sizeof path, CM "?continue=" PRI_STR,
             STR_ARG(json_str(json_path(page, "metadata.continue"))));
    page = world_json(&w, "GET", path, NULL, 200);
    CHECK_INT(json_count(json_findz(page, "items")), 2);
    CHECK_STRZ(json_str(json_path(&json_findz(page, "items")->items[0], "metadata.name")), "b");
    world_fini(&w);
}

TEST(watch, that_falls_behind_is_ended)
{
    struct world w;
    struct call *c;

    world_init(&w);
    c = world_open(&w, "GET", CM "?watch=1&resourceVersion=0", NULL, NULL);
    world_run(&w, NS_PER_S);
    c->queue = 64u << 20;
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", 201);
    world_run(&w, NS_PER_S);
    CHECK(c->ended);
    call_free(c);
    world_fini(&w);
}

/* A list of an older version comes from the disk, so the reader can stop reading before it is sent. */
static struct call *open_stalled_list(struct world *w, const char *prefix, const char *headers)
{
    CLEANUP(buf) struct buf big = BUF_INIT;
    str version;
    char path[200];
    struct call *c;

    for (int i = 0; i < 520; i++) {
        buf_clear(&big);
        buf_fmt(&big, "{\"metadata\":{\"name\":\"%s-%d\",\"annotations\":{\"a\":\"", prefix, i);
        for (int k = 0; k < 100; k++)
            buf_z(&big, "0123456789");
        buf_z(&big, "\"}}}");
        world_json(w, "POST", CM, buf_cstr(&big), 201);
    }
    version =
        json_get_str(world_json(w, "GET", CM "?limit=1", NULL, 200), "metadata.resourceVersion");
    snprintf(path, sizeof path, CM "?resourceVersion=" PRI_STR "&resourceVersionMatch=Exact",
             STR_ARG(version));
    world_json(w, "POST", CM, "{\"metadata\":{\"generateName\":\"later-\"}}", 201);
    c = world_open(w, "GET", path, NULL, headers);
    c->queue = HTTP_QUEUE_HIGH;
    world_run(w, NS_PER_S);
    CHECK_INT(c->status, 200);
    return c;
}

TEST(list, whose_reader_takes_nothing_for_a_minute_is_broken_off)
{
    static const char *const accepts[] = {
        "Accept: application/json",
        "Accept: application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"};

    for (size_t i = 0; i < ARRAY_LEN(accepts); i++) {
        struct world w;
        struct call *c;

        world_init(&w);
        c = open_stalled_list(&w, "a", accepts[i]);
        world_run(&w, 40 * NS_PER_S);
        CHECK(!c->ended);
        c->queue = 0;
        c->ex.on_drain(c->ex.user, &c->ex); /* the rest is taken */
        world_run(&w, NS_PER_S);
        CHECK(c->ended && !c->ex.broken);
        CHECK(json_findz(call_json(c), "items") != NULL);
        call_free(c);
        c = open_stalled_list(&w, "b", accepts[i]);
        world_run(&w, 58 * NS_PER_S);
        CHECK(!c->ended);
        world_run(&w, 3 * NS_PER_S);
        CHECK(c->ended && c->ex.broken);
        call_free(c);
        world_fini(&w);
    }
}

TEST(create, with_thousands_of_faults_is_refused_without_writing_all_of_them_out)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    clock_t from;
    struct world w;
    struct call *c;

    world_init(&w);
    buf_z(&b, "{\"metadata\":{\"name\":\"a\",\"ownerReferences\":[");
    for (int i = 0; i < 20000; i++) /* each fault shows the whole list */
        buf_fmt(&b,
                "%s{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":\"p\",\"uid\":\"%d\","
                "\"controller\":true}",
                i ? "," : "", i);
    buf_z(&b, "]}}");
    from = clock();
    c = world_call(&w, "POST", CM, buf_cstr(&b), NULL);
    CHECK_INT(c->status, 422);
    CHECK(c->body.n < (16u << 20));
    CHECK((double)(clock() - from) / CLOCKS_PER_SEC < 3);
    call_free(c);
    world_fini(&w);
}

TEST(create, of_more_items_than_can_be_stored_is_refused_before_they_are_completed)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    clock_t from;
    struct world w;

    world_init(&w);
    buf_z(&b, "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"containers\":[{}");
    for (int i = 0; i < 900000; i++)
        buf_z(&b, ",{}");
    buf_z(&b, "]}}");
    from = clock();
    CHECK_INT(world_status(&w, "POST", "/api/v1/namespaces/default/pods", buf_cstr(&b)), 413);
    CHECK((double)(clock() - from) / CLOCKS_PER_SEC < 2);
    world_fini(&w);
}

TEST(update, of_some_kinds_must_name_the_version)
{
    static const char lease[] =
        "{\"metadata\":{\"name\":\"l\"},\"spec\":{\"holderIdentity\":\"me\"}}";
    struct world w;
    struct json *v;

    world_init(&w);
    /* A lease is created by PUT; changing it without a version is refused. */
    CHECK_INT(
        world_status(&w, "PUT", "/apis/coordination.k8s.io/v1/namespaces/default/leases/l", lease),
        201);
    v = world_json(&w, "PUT", "/apis/coordination.k8s.io/v1/namespaces/default/leases/l", lease,
                   422);
    CHECK_STRZ(json_get_str(v, "message"),
               "leases.coordination.k8s.io \"l\" is invalid: metadata.resourceVersion: Invalid "
               "value: 0: must be specified for an update");
    world_fini(&w);
}

TEST(events, live_for_an_hour_after_their_last_write)
{
    static const char event[] =
        "{\"metadata\":{\"name\":\"e\"},\"involvedObject\":{\"kind\":\"Pod\",\"namespace\":"
        "\"default\",\"name\":\"p\"},\"reason\":\"R\",\"type\":\"Normal\"}";
    struct world w;

    world_init(&w);
    world_json(&w, "POST", "/api/v1/namespaces/default/events", event, 201);
    world_run(&w, 50 * 60 * NS_PER_S);
    world_json(&w, "PATCH", "/api/v1/namespaces/default/events/e", "{\"count\":2}", 200);
    world_run(&w, 50 * 60 * NS_PER_S);
    CHECK_INT(world_status(&w, "GET", "/api/v1/namespaces/default/events/e", NULL), 200);
    world_run(&w, 11 * 60 * NS_PER_S);
    CHECK_INT(world_status(&w, "GET", "/api/v1/namespaces/default/events/e", NULL), 404);
    world_fini(&w);
}

TEST(apply, creates_owns_and_conflicts)
{
    static const char type[] = "Content-Type: application/apply-patch+yaml";
    struct world w;
    struct call *c;

    world_init(&w);
    c = world_call(&w, "PATCH", CM "/a?fieldManager=one",
                   "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n", type);
    CHECK_INT(c->status, 201);
    CHECK_STRZ(
        json_get_str(json_item(json_path(call_json(c), "metadata.managedFields"), 0), "operation"),
        "Apply");
    call_free(c);
    c = world_call(&w, "PATCH", CM "/a?fieldManager=two",
                   "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"},"
                   "\"data\":{\"k\":\"w\"}}",
                   type);
    CHECK_INT(c->status, 409);
    CHECK_STRZ(json_get_str(call_json(c), "message"),
               "Apply failed with 1 conflict: conflict with \"one\": .data.k");
    call_free(c);
    c = world_call(&w, "PATCH", CM "/a?fieldManager=two&force=true",
                   "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"},"
                   "\"data\":{\"k\":\"w\"}}",
                   type);
    CHECK_INT(c->status, 200);
    CHECK_STRZ(json_get_str(call_json(c), "data.k"), "w");
    call_free(c);
    world_fini(&w);
}

TEST(timeout, of_a_request_is_a_duration)
{
    static const struct {
        const char *text, *why;
    } wrong[] = {
        {"bogus", "invalid duration \"bogus\""},
        {"5", "missing unit in duration \"5\""},
        {"1h5", "missing unit in duration \"1h5\""},
        {"1h5x", "unknown unit \"x\" in duration \"1h5x\""},
        {"9999999999h", "invalid duration \"9999999999h\""},
    };
    static const char *const right[] = {"0", "1s", "-1s", "1h30m", "1.5s", "300ms"};
    struct world w;
    char path[128], message[160];

    world_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        snprintf(path, sizeof path, CM "?timeout=%s", wrong[i].text);
        snprintf(message, sizeof message, "invalid timeout specified in the request URL - time: %s",
                 wrong[i].why);
        CHECK_STRZ(json_get_str(world_json(&w, "GET", path, NULL, 400), "message"), message);
    }
    for (size_t i = 0; i < ARRAY_LEN(right); i++) {
        snprintf(path, sizeof path, CM "?timeout=%s", right[i]);
        CHECK_INT(world_status(&w, "GET", path, NULL), 200);
    }
    world_fini(&w);
}

/* What made the cluster is before anything that a client can have seen. */
TEST(history, begins_with_the_finished_cluster)
{
    struct world w;
    str now;
    char path[200];

    world_init(&w);
    CHECK_INT(world_status(&w, "GET",
                           "/api/v1/configmaps?resourceVersion=1&resourceVersionMatch=Exact", NULL),
              410);
    now = json_get_str(world_json(&w, "GET", "/api/v1/configmaps", NULL, 200),
                       "metadata.resourceVersion");
    snprintf(path, sizeof path,
             "/api/v1/configmaps?resourceVersion=" PRI_STR "&resourceVersionMatch=Exact",
             STR_ARG(now));
    CHECK_INT(world_status(&w, "GET", path, NULL), 200);
    world_fini(&w);
}

TEST(verbs, reviews_have_no_table)
{
    static const char review[] =
        "{\"spec\":{\"resourceAttributes\":{\"verb\":\"get\",\"resource\":\"pods\"}}}";
    struct world w;
    struct call *c;

    world_init(&w);
    c = world_call(&w, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review,
                   "Accept: application/json;as=Table;v=v1;g=meta.k8s.io");
    CHECK_INT(c->status, 406);
    call_free(c);
    c = world_call(&w, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review,
                   "Accept: application/json;as=Table;v=v1;g=meta.k8s.io, application/json");
    CHECK_INT(c->status, 201);
    CHECK_STRZ(json_get_str(call_json(c), "kind"), "SelfSubjectAccessReview");
    call_free(c);
    world_fini(&w);
}

TEST_MAIN
