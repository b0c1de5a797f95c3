/* conversion_test.c - custom kinds of several versions with a conversion webhook, and what webhooks get wrong. */
#include "schema/schema.h"
#include "test/api/peer.h"

#define CRDS "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define V1 "/apis/example.com/v1/namespaces/default/widgets"
#define V2 "/apis/example.com/v2/namespaces/default/widgets"

/* v1 has spec.size, v2 (stored) has spec.length. */
static void define(struct world *w, struct peer *p)
{
    world_json(
        w, "POST", CRDS,
        arena_fmt(
            w->arena,
            "{\"metadata\":{\"name\":\"widgets.example.com\"},\"spec\":{\"group\":\"example.com\","
            "\"scope\":\"Namespaced\",\"names\":{\"plural\":\"widgets\",\"kind\":\"Widget\"},"
            "\"conversion\":{\"strategy\":\"Webhook\",\"webhook\":{\"conversionReviewVersions\":["
            "\"v1\"],\"clientConfig\":{\"caBundle\":\"" PRI_STR
            "\",\"service\":{\"namespace\":\"ns\",\"name\":\"hook\",\"path\":\"/convert\"}}}},"
            "\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":false,\"schema\":{"
            "\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":"
            "\"object\",\"properties\":{\"size\":{\"type\":\"integer\"}}}}}}},{\"name\":\"v2\","
            "\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\","
            "\"properties\":{\"spec\":{\"type\":\"object\",\"properties\":{\"length\":{\"type\":"
            "\"integer\"}}}}}}}]}}",
            STR_ARG(peer_ca_base64(p)))
            .p,
        201);
    world_run(w, NS_PER_S);
}

static void rename_field(struct arena *a, struct json *spec, const char *from, const char *to)
{
    struct json *v = json_findz(spec, from);

    if (!v)
        return;
    json_setz(a, spec, to, *v);
    json_removez(spec, from);
}

static void reply(struct http_exchange *ex, const struct json *v)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    json_encode(&b, v);
    http_reply(ex, 200, "application/json", buf_view(&b));
}

/* What a webhook should do: the same objects in the other version. */
static struct json *answer_of(struct peer *p)
{
    struct arena *a = p->w->arena;
    struct json *review = NULL, *objects, response = json_object(), result = json_object();
    str to;

    CHECK_OK(json_parse(a, p->body, NULL, NULL, &review));
    to = json_get_str(review, "request.desiredAPIVersion");
    objects = json_path(review, "request.objects");
    JSON_EACH(o, objects) {
        struct json *spec = json_findz(o, "spec");
        bool v2 = str_is(to, "example.com/v2");

        json_setz(a, o, "apiVersion", json_string(to));
        rename_field(a, spec, v2 ? "size" : "length", v2 ? "length" : "size");
    }
    json_setz(a, &result, "status", json_z("Success"));
    json_setz(a, &response, "uid", json_string(json_get_str(review, "request.uid")));
    json_setz(a, &response, "result", result);
    json_setz(a, &response, "convertedObjects", *objects);
    json_setz(a, review, "response", response);
    return review;
}

static void good(struct peer *p, struct http_exchange *ex)
{
    reply(ex, answer_of(p));
}

static void begin(struct world *w, struct peer *p)
{
    world_init(w);
    peer_init(p, w);
    p->answer = good;
    define(w, p);
}

static void end(struct world *w, struct peer *p)
{
    peer_fini(p);
    world_fini(w);
}

static void create(struct world *w, const char *name, const char *version, const char *field)
{
    world_json(w, "POST", !strcmp(version, "v1") ? V1 : V2,
               arena_fmt(w->arena,
                         "{\"apiVersion\":\"example.com/%s\",\"kind\":\"Widget\",\"metadata\":{"
                         "\"name\":\"%s\"},\"spec\":{\"%s\":5}}",
                         version, name, field)
                   .p,
               201);
}

TEST(conversion, happens_on_writes_and_reads_and_only_where_versions_differ)
{
    struct world w;
    struct peer p;
    struct json *v;
    unsigned calls;

    begin(&w, &p);
    create(&w, "b", "v2", "length");
    CHECK_INT(p.n_calls, 0);
    v = world_json(&w, "GET", V2 "/b", NULL, 200);
    CHECK_INT(json_get_int(v, "spec.length", 0), 5);
    CHECK_INT(p.n_calls, 0);
    create(&w, "a", "v1", "size");
    CHECK(p.n_calls > 0);
    CHECK_STRZ(p.path, "/convert?timeout=30s");
    calls = p.n_calls;
    v = world_json(&w, "GET", V2 "/a", NULL, 200);
    CHECK_STRZ(json_get_str(v, "apiVersion"), "example.com/v2");
    CHECK_INT(json_get_int(v, "spec.length", 0), 5);
    CHECK_INT(p.n_calls, calls);
    v = world_json(&w, "GET", V1 "/a", NULL, 200);
    CHECK_STRZ(json_get_str(v, "apiVersion"), "example.com/v1");
    CHECK_INT(json_get_int(v, "spec.size", 0), 5);
    CHECK(!json_path(v, "spec.length"));
    CHECK_INT(p.n_calls, calls + 1);
    v = world_json(&w, "GET", V1, NULL, 200);
    CHECK_INT(json_count(json_path(v, "items")), 2);
    CHECK_INT(json_get_int(json_item(json_path(v, "items"), 1), "spec.size", 0), 5);
    CHECK_INT(p.n_calls, calls + 2); /* one for the whole list */
    end(&w, &p);
}

TEST(conversion, lets_updates_and_patches_speak_either_version)
{
    struct world w;
    struct peer p;
    struct json *v;
    struct call *c;

    begin(&w, &p);
    create(&w, "a", "v2", "length");
    c = world_call(&w, "PATCH", V1 "/a", "{\"spec\":{\"size\":7}}",
                   "Content-Type: application/merge-patch+json");
    CHECK_INT(c->status, 200);
    CHECK_INT(json_get_int(call_json(c), "spec.size", 0), 7);
    call_free(c);
    v = world_json(&w, "GET", V2 "/a", NULL, 200);
    CHECK_INT(json_get_int(v, "spec.length", 0), 7);
    v = world_json(&w, "GET", V1 "/a", NULL, 200);
    json_setz(w.arena, json_findz(v, "spec"), "size", json_int(9));
    {
        CLEANUP(buf) struct buf b = BUF_INIT;

        json_encode(&b, v);
        v = world_json(&w, "PUT", V1 "/a", buf_cstr(&b), 200);
    }
    CHECK_INT(json_get_int(v, "spec.size", 0), 9);
    CHECK_INT(json_get_int(v, "metadata.generation", 0), 3);
    c = world_call(&w, "PATCH", V1 "/a?fieldManager=me&force=true",
                   "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":"
                   "\"a\"},\"spec\":{\"size\":11}}",
                   "Content-Type: application/apply-patch+yaml");
    CHECK_INT(c->status, 200);
    CHECK_INT(json_get_int(call_json(c), "spec.size", 0), 11);
    call_free(c);
    v = world_json(&w, "GET", V2 "/a", NULL, 200);
    CHECK_INT(json_get_int(v, "spec.length", 0), 11);
    CHECK_INT(world_status(&w, "DELETE", V1 "/a", NULL), 200);
    end(&w, &p);
}

TEST(conversion, keeps_the_order_of_a_watch)
{
    struct world w;
    struct peer p;
    struct call *c;
    str body, line;
    const char *const want[] = {"a", "b", "c", "d"};
    size_t n = 0;

    begin(&w, &p);
    create(&w, "a", "v2", "length");
    create(&w, "b", "v2", "length");
    c = world_open(&w, "GET", V1 "?watch=true", NULL, NULL);
    world_run(&w, NS_PER_S);
    create(&w, "c", "v2", "length");
    create(&w, "d", "v2", "length");
    world_run(&w, NS_PER_S);
    body = buf_view(&c->body);
    while (str_cut(&body, '\n', &line)) {
        struct json *v = NULL;

        if (!line.n)
            continue;
        CHECK_OK(json_parse(w.arena, line, NULL, NULL, &v));
        CHECK_STRZ(json_get_str(v, "type"), "ADDED");
        CHECK_STRZ(json_get_str(v, "object.metadata.name"), n < 4 ? want[n] : "");
        CHECK_STRZ(json_get_str(v, "object.apiVersion"), "example.com/v1");
        CHECK_INT(json_get_int(v, "object.spec.size", 0), 5);
        n++;
    }
    CHECK_INT(n, 4);
    call_free(c);
    end(&w, &p);
}

static const char *message(struct world *w)
{
    return arena_dupz(w->arena, json_get_str(world_json(w, "GET", V1 "/a", NULL, 500), "message"));
}

static void wrong_uid(struct peer *p, struct http_exchange *ex)
{
    struct json *v = answer_of(p);

    json_setz(p->w->arena, json_findz(v, "response"), "uid", json_z("x"));
    reply(ex, v);
}

static void too_few(struct peer *p, struct http_exchange *ex)
{
    struct json *v = answer_of(p);

    json_setz(p->w->arena, json_findz(v, "response"), "convertedObjects", json_array());
    reply(ex, v);
}

static void failed(struct peer *p, struct http_exchange *ex)
{
    struct json *v = answer_of(p), *result = json_path(v, "response.result");

    json_setz(p->w->arena, result, "status", json_z("Failure"));
    json_setz(p->w->arena, result, "message", json_z("no idea"));
    reply(ex, v);
}

static void another_object(struct peer *p, struct http_exchange *ex)
{
    struct json *v = answer_of(p), *o = json_item(json_path(v, "response.convertedObjects"), 0);

    json_setz(p->w->arena, json_findz(o, "metadata"), "name", json_z("z"));
    reply(ex, v);
}

static void wrong_version(struct peer *p, struct http_exchange *ex)
{
    struct json *v = answer_of(p), *o = json_item(json_path(v, "response.convertedObjects"), 0);

    json_setz(p->w->arena, o, "apiVersion", json_z("example.com/v3"));
    reply(ex, v);
}

static void bad_labels(struct peer *p, struct http_exchange *ex)
{
    struct json *v = answer_of(p), *o = json_item(json_path(v, "response.convertedObjects"), 0);

    json_setz(p->w->arena, json_findz(o, "metadata"), "labels", json_z("z"));
    reply(ex, v);
}

TEST(conversion, says_what_a_webhook_did_wrong)
{
    static const struct {
        void (*answer)(struct peer *p, struct http_exchange *ex);
        int status;
        const char *text, *want; /* want: how the message goes on */
    } cases[] = {
        {too_few, 200, NULL, "returned 0 objects, expected 1"},
        {failed, 200, NULL, "failed: no idea"},
        {another_object, 200, NULL, "returned invalid object: must have the same name: a != z"},
        {wrong_version, 200, NULL,
         "returned invalid object at index 0: invalid groupVersion (expected example.com/v1, "
         "received example.com/v3)"},
        {bad_labels, 200, NULL,
         "returned invalid metadata: invalid metadata.labels of type string in converted object"},
        {NULL, 500, "boom",
         "failed: an error on the server (\"boom\") has prevented the request "
         "from succeeding"},
        {NULL, 404, "", "failed: the server could not find the requested resource"},
        {NULL, 200, "{}",
         "failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, "
         "got , Kind="},
    };
    struct world w;
    struct peer p;

    begin(&w, &p);
    create(&w, "a", "v2", "length");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        p.answer = cases[i].answer;
        p.status = cases[i].status;
        p.type = "text/plain";
        p.text = cases[i].text;
        CHECK_STRZ(str_of(message(&w)),
                   arena_fmt(w.arena, "conversion webhook for example.com/v2, Kind=Widget %s",
                             cases[i].want)
                       .p);
    }
    p.answer = wrong_uid;
    CHECK(strstr(message(&w), "failed: expected response.uid=\"") != NULL);
    p.answer = NULL;
    p.status = 200;
    p.text = "no json";
    CHECK(strstr(message(&w), "failed: ") != NULL);
    /* A list as a whole fails, a write too; the stored object is untouched. */
    CHECK_INT(world_status(&w, "GET", V1, NULL), 500);
    CHECK_INT(world_status(&w, "POST", V1,
                           "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\",\"metadata\":{"
                           "\"name\":\"n\"},\"spec\":{\"size\":1}}"),
              500);
    CHECK_INT(world_status(&w, "GET", V2 "/n", NULL), 404);
    p.answer = good;
    CHECK_INT(world_status(&w, "GET", V1, NULL), 200);
    end(&w, &p);
}

TEST(conversion, cannot_change_metadata_but_labels_and_annotations)
{
    struct world w;
    struct peer p;
    struct json *v;

    begin(&w, &p);
    create(&w, "a", "v2", "length");
    v = world_json(&w, "GET", V1 "/a", NULL, 200);
    CHECK(json_path(v, "metadata.managedFields") != NULL);
    CHECK(json_get_str(v, "metadata.uid").n > 0);
    CHECK(json_get_str(v, "metadata.resourceVersion").n > 0);
    end(&w, &p);
}

TEST(conversion, ends_with_an_error_when_nobody_answers)
{
    struct world w;
    struct peer p;
    struct json *v;
    struct call *c;

    begin(&w, &p);
    create(&w, "a", "v2", "length");
    p.silent = true;
    v = world_json(&w, "GET", V1 "/a", NULL, 500);
    CHECK_STRZ(json_get_str(v, "message"),
               "conversion webhook for example.com/v2, Kind=Widget failed: Post "
               "\"https://hook.ns.svc:443/convert?timeout=30s\": context deadline exceeded");
    /* The client goes first. */
    c = world_open(&w, "GET", V1 "/a", NULL, NULL);
    world_run(&w, NS_PER_S);
    c->ex.gone = true;
    if (c->ex.on_gone)
        c->ex.on_gone(c->ex.user, &c->ex);
    world_run(&w, NS_PER_S);
    CHECK(c->ended);
    call_free(c);
    /* The webhook goes away. */
    c = world_open(&w, "GET", V1 "/a", NULL, NULL);
    world_run(&w, NS_PER_S);
    peer_fini(&p);
    CHECK(c->ended && c->status == 500);
    call_free(c);
    world_fini(&w);
}

TEST(definitions, that_change_give_their_new_defaults_to_objects_that_are_stored_already)
{
    struct world w;
    struct peer p;
    struct json *v;
    struct call *c;

    begin(&w, &p);
    create(&w, "a", "v2", "length");
    c = world_call(&w, "PATCH", CRDS "/widgets.example.com",
                   "[{\"op\":\"add\",\"path\":\"/spec/versions/1/schema/openAPIV3Schema/properties/"
                   "spec/properties/color\",\"value\":{\"type\":\"string\",\"default\":\"red\"}}]",
                   "Content-Type: application/json-patch+json");
    CHECK_INT(c->status, 200);
    call_free(c);
    world_run(&w, NS_PER_S);
    v = world_json(&w, "GET", V2 "/a", NULL, 200);
    CHECK_STRZ(json_get_str(v, "spec.color"), "red");
    end(&w, &p);
}

TEST_MAIN
