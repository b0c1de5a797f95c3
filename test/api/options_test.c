/* options_test.c - what requests ask for beside the object: selectors, revisions, forms of the answer; and what is refused.
 *
 * Sources are named at the tests. JSON is written with ' in place of ". */
#include "test/api/world.h"

#define CM "/api/v1/namespaces/default/configmaps"

struct asked {
    const char *method, *path, *body;
    int status;
    const char *message; /* ends with it; NULL: whatever it is */
};

static void check_answers(const struct asked *rows, size_t n)
{
    struct world w;

    world_init(&w);
    for (size_t i = 0; i < n; i++) {
        char *body = rows[i].body ? arena_dupz(w.arena, str_of(rows[i].body)) : NULL;
        str message;
        struct call *c;

        for (char *p = body; p && *p; p++)
            if (*p == '\'')
                *p = '"';
        c = world_call(&w, rows[i].method, rows[i].path, body, NULL);
        message = json_get_str(call_json(c), "message");
        if (c->status != rows[i].status ||
            (rows[i].message && !str_has_suffix(message, str_of(rows[i].message))))
            test_fail(__FILE__, __LINE__, "%s %s: %d " PRI_STR, rows[i].method, rows[i].path,
                      c->status, STR_ARG(message));
        call_free(c);
    }
    world_fini(&w);
}

/* Sources: AddFieldLabelConversionFunc() in pkg/apis/{core,batch,certificates,events,resource}/v1;
 * apimachinery/pkg/runtime/conversion.go, DefaultMetaV1FieldSelectorConversion(). */
TEST(field_selectors, each_kind_has_its_fields_and_its_way_to_refuse_others)
{
    static const struct asked rows[] = {
        {"GET", CM "?fieldSelector=nosuch%3D1", NULL, 400,
         "\"nosuch\" is not a known field selector: only \"metadata.name\", "
         "\"metadata.namespace\""},
        {"GET", "/apis/apps/v1/replicasets?fieldSelector=status.replicas%3D1", NULL, 400,
         "\"status.replicas\" is not a known field selector: only \"metadata.name\", "
         "\"metadata.namespace\""},
        {"GET", "/api/v1/persistentvolumes?fieldSelector=metadata.namespace%3Dx", NULL, 200, NULL},
        {"GET", "/api/v1/persistentvolumes?fieldSelector=name%3Dx", NULL, 400,
         "\"name\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""},
        {"GET", "/api/v1/replicationcontrollers?fieldSelector=status.replicas%3D1", NULL, 200,
         NULL},
        {"GET", "/api/v1/pods?fieldSelector=spec.host%3Dx", NULL, 200, NULL},
        {"GET", "/api/v1/pods?fieldSelector=spec.hostname%3Dx", NULL, 400,
         "field label not supported: spec.hostname"},
        {"GET", "/api/v1/nodes?fieldSelector=metadata.namespace%3Dx", NULL, 400,
         "field label not supported: metadata.namespace"},
        {"GET", "/api/v1/namespaces?fieldSelector=name%3Dx", NULL, 400,
         "field label not supported: name"},
        {"GET", "/apis/batch/v1/jobs?fieldSelector=nosuch%3Dx", NULL, 400,
         "field label \"nosuch\" not supported for batchv1.Job"},
        {"GET", "/apis/batch/v1/jobs?fieldSelector=status.successful%3D1", NULL, 200, NULL},
        {"GET", "/apis/resource.k8s.io/v1/resourceslices?fieldSelector=nosuch%3Dx", NULL, 400,
         "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: nosuch"},
        {"GET", "/apis/events.k8s.io/v1/events?fieldSelector=source%3Dx", NULL, 200, NULL},
    };

    check_answers(rows, ARRAY_LEN(rows));
}

/* Source: pkg/registry/core/event/strategy.go, ToSelectableFields(). */
TEST(field_selectors, an_events_source_is_its_reporter_where_it_has_no_component)
{
    struct world w;
    struct json *v;

    world_init(&w);
    world_json(&w, "POST", "/apis/events.k8s.io/v1/namespaces/default/events",
               "{\"metadata\":{\"name\":\"e\"},\"eventTime\":\"2026-01-01T00:00:00.000000Z\","
               "\"reportingController\":\"a.b/c\",\"reportingInstance\":\"i\",\"action\":\"x\","
               "\"reason\":\"r\",\"type\":\"Normal\","
               "\"regarding\":{\"namespace\":\"default\",\"name\":\"x\"}}",
               201);
    v = world_json(&w, "GET", "/api/v1/events?fieldSelector=source%3Da.b/c", NULL, 200);
    CHECK_INT(json_count(json_findz(v, "items")), 1);
    world_fini(&w);
}

#define RULE(name, why) name ": Forbidden: " why
#define EXACT0                                                                                     \
    RULE("resourceVersionMatch",                                                                   \
         "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"")
#define NO_RV                                                                                      \
    RULE("resourceVersionMatch",                                                                   \
         "resourceVersionMatch is forbidden unless resourceVersion is provided")
#define NO_CONTINUE                                                                                \
    RULE("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided")
#define BAD_MATCH                                                                                  \
    "resourceVersionMatch: Unsupported value: \"Foo\": supported values: \"Exact\", "              \
    "\"NotOlderThan\", \"\""

/* Source: apimachinery/pkg/apis/meta/internalversion/validation/validation.go. */
TEST(list_options, all_that_is_wrong_is_told)
{
    static const struct asked rows[] = {
        {"GET", CM "?resourceVersionMatch=Foo", NULL, 422, "[" NO_RV ", " BAD_MATCH "]"},
        {"GET", CM "?resourceVersionMatch=Exact&continue=x", NULL, 422,
         "[" NO_RV ", " NO_CONTINUE "]"},
        {"GET", CM "?resourceVersionMatch=Exact&continue=x&resourceVersion=0", NULL, 422,
         "[" NO_CONTINUE ", " EXACT0 "]"},
        {"GET", CM "?watch=1&resourceVersionMatch=Exact", NULL, 422,
         "[resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless "
         "sendInitialEvents is provided, resourceVersionMatch: Unsupported value: \"Exact\": "
         "supported values: \"NotOlderThan\"]"},
        {"GET", CM "?watch=1&sendInitialEvents=1&resourceVersionMatch=NotOlderThan&continue=x",
         NULL, 422, "is invalid: " NO_CONTINUE},
        {"GET", CM "?continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiIuLi94In0", NULL,
         400, "invalid continue token: continue key is not valid: ../x"},
        {"GET", CM "?continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhLy9iIn0", NULL,
         400, "invalid continue token: continue key is not valid: a//b"},
    };

    check_answers(rows, ARRAY_LEN(rows));
}

/* Sources: apiserver/pkg/endpoints/handlers/delete.go; go-restful's routes, which have no subtree but for proxies. */
TEST(bodies_and_paths, what_is_no_object_deletes_nothing_and_nothing_lies_below_a_subresource)
{
    static const char *const status_paths[] = {CM "/a/status/x", "/api/v1/nodes/a/status/x"};
    static const struct asked rows[] = {
        {"POST", CM, "{'metadata':{'name':'a'}}", 201, NULL},
        {"DELETE", CM "/a", "[]", 400,
         "couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value "
         "of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
         "\"json:\\\"kind,omitempty\\\"\" }"},
        {"DELETE", CM "/a", "{'propagationPolicy':5}", 400,
         "json: cannot unmarshal number into Go struct field DeleteOptions.propagationPolicy of "
         "type v1.DeletionPropagation"},
        {"DELETE", CM "/a", "{'preconditions':[]}", 400,
         "json: cannot unmarshal array into Go struct field DeleteOptions.preconditions of type "
         "v1.Preconditions"},
        {"DELETE", CM "/a", "{'dryRun':'All'}", 400,
         "json: cannot unmarshal string into Go struct field DeleteOptions.dryRun of type "
         "[]string"},
        {"GET", CM "/a", NULL, 200, NULL},
        {"DELETE", CM "/a", "null", 200, NULL},
        {"POST", "/version", NULL, 405,
         "the server does not allow this method on the requested resource"},
    };

    check_answers(rows, ARRAY_LEN(rows));
    for (size_t i = 0; i < ARRAY_LEN(status_paths); i++) {
        const struct asked below = {"GET", status_paths[i], NULL, 404,
                                    "the server could not find the requested resource"};

        check_answers(&below, 1);
    }
}

/* Source: apiserver/pkg/endpoints/handlers/negotiation/negotiate.go. */
TEST(forms, what_people_read_is_indented_unless_they_say_otherwise)
{
    static const struct {
        const char *query, *headers;
        bool pretty;
    } rows[] = {
        {"", "User-Agent: curl/8.1", true},
        {"", "User-Agent: Wget/1.21", true},
        {"", "User-Agent: Mozilla/5.0 (X11)", true},
        {"", "User-Agent: kubectl/v1.36.0", false},
        {"?pretty=0", "User-Agent: curl/8.1", false},
        {"?pretty=", "User-Agent: curl/8.1", true},
        {"?pretty=x", "User-Agent: a", false},
        {"?pretty=T", "User-Agent: a", true},
        {"?pretty=", "User-Agent: a", false},
        {"", "Accept: application/json;pretty=1", true},
        {"", "Accept: application/json;pretty=true", false},
        {"", "Accept: application/json;stream=watch", false},
    };
    struct world w;

    world_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct call *c = world_call(&w, "GET", arena_fmt(w.arena, CM "%s", rows[i].query).p, NULL,
                                    rows[i].headers);
        bool pretty = str_has_prefix(buf_view(&c->body), S("{\n  \""));

        CHECK_INT(c->status, 200);
        if (pretty != rows[i].pretty)
            test_fail(__FILE__, __LINE__, "%s %s", rows[i].query, rows[i].headers);
        call_free(c);
    }
    world_fini(&w);
}

/* Source: apiserver/pkg/endpoints/handlers/responsewriters/writers.go. */
TEST(forms, gzip_is_asked_for_by_the_bare_word)
{
    static const struct {
        const char *headers;
        bool zipped;
    } rows[] = {
        {"Accept-Encoding: gzip", true},      {"Accept-Encoding: br, gzip , x", true},
        {"Accept-Encoding: gzip;q=1", false}, {"Accept-Encoding: *", false},
        {"Accept-Encoding: deflate", false},
    };
    CLEANUP(buf) struct buf body = BUF_INIT;
    struct world w;

    world_init(&w);
    buf_z(&body, "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"");
    for (int i = 0; i < 140000; i++)
        buf_char(&body, 'x');
    buf_z(&body, "\"}}");
    CHECK_INT(world_status(&w, "POST", CM, buf_cstr(&body)), 201);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct call *c = world_call(&w, "GET", CM "/a", NULL, rows[i].headers);

        CHECK_INT(c->status, 200);
        CHECK(str_is(call_header(c, "Content-Encoding"), "gzip") == rows[i].zipped);
        call_free(c);
    }
    world_fini(&w);
}

TEST_MAIN
