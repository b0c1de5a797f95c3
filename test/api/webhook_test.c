/* webhook_test.c - admission webhooks: who is asked what, and what becomes of the write. */
#include "api/dynamic/dynamic.h"
#include "test/api/peer.h"

#define CM "/api/v1/namespaces/ns/configmaps"
#define HOOKS "/apis/admissionregistration.k8s.io/v1/"
#define ASKED_MAX 64

/* What the webhook has been asked: path, and the request as a tree. */
static struct {
    str path;
    struct json *request;
} asked[ASKED_MAX];
static unsigned n_asked;
static const char *verdict; /* members of the response besides uid; NULL: allowed */
/* Answers for one path only; others get `verdict`. */
static struct {
    const char *path, *verdict;
} by_path[4];

static const char *verdict_for(str path)
{
    for (size_t i = 0; i < ARRAY_LEN(by_path); i++)
        if (by_path[i].path && str_has_prefix(path, str_of(by_path[i].path)))
            return by_path[i].verdict;
    return verdict ? verdict : "\"allowed\":true";
}

static void answer(struct peer *p, struct http_exchange *ex)
{
    struct arena *a = p->w->arena;
    struct json *v;

    CHECK_OK(json_parse(a, p->body, NULL, NULL, &v));
    if (n_asked < ASKED_MAX) {
        asked[n_asked].path = p->path;
        asked[n_asked].request = json_findz(v, "request");
    }
    n_asked++;
    http_reply(ex, 200, "application/json",
               arena_fmt(a,
                         "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\","
                         "\"response\":{\"uid\":\"" PRI_STR "\",%s}}",
                         STR_ARG(json_get_str(v, "request.uid")), verdict_for(p->path)));
}

/* Base64 of a JSON patch, as a response's members. */
static const char *patching(struct world *w, const char *patch)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_base64(&b, str_of(patch));
    return arena_fmt(w->arena,
                     "\"allowed\":true,\"patchType\":\"JSONPatch\",\"patch\":\"" PRI_STR "\"",
                     STR_ARG(buf_view(&b)))
        .p;
}

static void begin(struct world *w, struct peer *p)
{
    world_init(w);
    peer_init(p, w);
    p->answer = answer;
    n_asked = 0;
    verdict = NULL;
    memset(by_path, 0, sizeof by_path);
}

static void end(struct world *w, struct peer *p)
{
    peer_fini(p);
    world_fini(w);
}

/* One configuration with one webhook at the Service, called at /NAME. kind: "validating" or "mutating"; more: members. */
static void configure_rules(struct world *w, struct peer *p, const char *kind, const char *name,
                            const char *rules, const char *more)
{
    str body = arena_fmt(
        w->arena,
        "{\"metadata\":{\"name\":\"%s\"},\"webhooks\":[{\"name\":\"%s.example.test\","
        "\"sideEffects\":\"None\",\"admissionReviewVersions\":[\"v1\"],\"clientConfig\":{"
        "\"service\":{\"namespace\":\"ns\",\"name\":\"hook\",\"path\":\"/%s\"},\"caBundle\":"
        "\"" PRI_STR "\"},\"rules\":[%s]%s%s}]}",
        name, name, name, STR_ARG(peer_ca_base64(p)), rules, *more ? "," : "", more);

    world_json(w, "POST", arena_fmt(w->arena, HOOKS "%swebhookconfigurations", kind).p, body.p,
               201);
}

#define CONFIGMAPS                                                                                 \
    "{\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],\"operations\":[\"*\"],\"resources\":["        \
    "\"configmaps\"]}"
static void configure(struct world *w, struct peer *p, const char *kind, const char *name,
                      const char *more)
{
    configure_rules(w, p, kind, name, CONFIGMAPS, more);
}

static str request_str(unsigned i, const char *path)
{
    return i < n_asked ? json_get_str(asked[i].request, path) : S("(not asked)");
}

/* ---- what is asked ---- */

TEST(webhook, is_asked_with_the_object_before_and_after_the_server_has_named_it)
{
    struct world w;
    struct peer p;
    struct json *v;

    begin(&w, &p);
    configure(&w, &p, "mutating", "m", "");
    configure(&w, &p, "validating", "v", "");
    v = world_json(&w, "POST", CM, "{\"metadata\":{\"generateName\":\"a-\"}}", 201);
    CHECK_INT(n_asked, 2);
    CHECK_STRZ(asked[0].path, "/m?timeout=10s");
    CHECK_STRZ(request_str(0, "object.metadata.uid"), "");
    CHECK_STRZ(request_str(0, "name"), "");
    CHECK_STRZ(asked[1].path, "/v?timeout=10s");
    CHECK_STR(request_str(1, "object.metadata.uid"), json_get_str(v, "metadata.uid"));
    CHECK_STR(request_str(1, "name"), json_get_str(v, "metadata.name"));
    CHECK_STRZ(request_str(1, "operation"), "CREATE");
    CHECK_STRZ(request_str(1, "userInfo.username"), "admin");
    CHECK(json_is(json_findz(asked[1].request, "oldObject"), JSON_NULL));
    end(&w, &p);
}

TEST(webhook, that_changes_sees_an_update_as_it_came_and_one_that_looks_what_will_be_stored)
{
    struct world w;
    struct peer p;
    struct json *v;

    begin(&w, &p);
    v = world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"u\"}}", 201);
    configure(&w, &p, "mutating", "m", "");
    configure(&w, &p, "validating", "v", "");
    world_json(&w, "PUT", CM "/a", "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"v\"}}", 200);
    CHECK_INT(n_asked, 2);
    CHECK_STRZ(request_str(0, "object.metadata.uid"), "");
    CHECK_STRZ(request_str(0, "object.metadata.resourceVersion"), "");
    CHECK_STR(request_str(1, "object.metadata.uid"), json_get_str(v, "metadata.uid"));
    CHECK_STR(request_str(1, "object.metadata.resourceVersion"),
              json_get_str(v, "metadata.resourceVersion"));
    CHECK_STRZ(request_str(1, "options.kind"), "UpdateOptions");
    for (unsigned k = 0; k < 2; k++) {
        CHECK_INT(
            json_count(json_at(asked[k].request, "object", "metadata", "managedFields", NULL)), 1);
        CHECK_STR(request_str(k, "oldObject.metadata.resourceVersion"),
                  json_get_str(v, "metadata.resourceVersion"));
    }
    v = world_json(&w, "PUT", CM "/a", "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"w\"}}",
                   200);
    CHECK(json_get_str(v, "metadata.uid").n == 36);
    end(&w, &p);
}

TEST(webhook, is_asked_once_about_one_content)
{
    struct world w;
    struct peer p;
    struct json *v;

    begin(&w, &p);
    configure_rules(&w, &p, "validating", "v",
                    "{\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],\"operations\":[\"CREATE\"],"
                    "\"resources\":[\"services\",\"pods\"]}",
                    "");
    /* Addresses and ports are given out at random before the webhook is asked. */
    v = world_json(&w, "POST", "/api/v1/namespaces/ns/services",
                   "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{"
                   "\"port\":80}]}}",
                   201);
    CHECK_INT(n_asked, 1);
    CHECK_STR(request_str(0, "object.spec.clusterIP"), json_get_str(v, "spec.clusterIP"));
    CHECK(json_get_str(v, "spec.clusterIP").n > 0);
    end(&w, &p);
}

TEST(webhook, is_not_asked_about_what_its_rules_and_selectors_leave_out)
{
    struct world w;
    struct peer p;

    begin(&w, &p);
    configure_rules(&w, &p, "validating", "a",
                    "{\"apiGroups\":[\"apps\"],\"apiVersions\":[\"v1\"],\"operations\":[\"*\"],"
                    "\"resources\":[\"*\"]}",
                    "");
    configure_rules(&w, &p, "validating", "b",
                    "{\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],\"operations\":[\"UPDATE\"],"
                    "\"resources\":[\"configmaps\"]}",
                    "");
    configure_rules(&w, &p, "validating", "c",
                    "{\"apiGroups\":[\"*\"],\"apiVersions\":[\"*\"],\"operations\":[\"*\"],"
                    "\"resources\":[\"*\"],\"scope\":\"Cluster\"}",
                    "");
    configure(&w, &p, "validating", "d",
              "\"namespaceSelector\":{\"matchLabels\":{\"kubernetes.io/metadata.name\":\"x\"}}");
    configure(&w, &p, "validating", "e", "\"objectSelector\":{\"matchLabels\":{\"pick\":\"me\"}}");
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", 201);
    CHECK_INT(n_asked, 0);
    /* The old object's labels count as the new one's. */
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"b\",\"labels\":{\"pick\":\"me\"}}}", 201);
    CHECK_INT(n_asked, 1);
    n_asked = 0;
    world_json(&w, "PATCH", CM "/b", "{\"metadata\":{\"labels\":null}}", 200);
    CHECK_INT(n_asked, 2);
    end(&w, &p);
}

TEST(webhook, for_another_version_of_the_kind_gets_the_object_in_that_version)
{
    static const char hpa[] =
        "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"maxReplicas\":3,\"scaleTargetRef\":{\"kind\":"
        "\"Deployment\",\"name\":\"x\"},\"targetCPUUtilizationPercentage\":70}}";
    static const char rule[] =
        "{\"apiGroups\":[\"autoscaling\"],\"apiVersions\":[\"v2\"],\"operations\":[\"CREATE\"],"
        "\"resources\":[\"horizontalpodautoscalers\"]}";
    struct world w;
    struct peer p;
    struct json *v;

    begin(&w, &p);
    configure_rules(&w, &p, "mutating", "m", rule, "");
    configure_rules(&w, &p, "validating", "exact", rule, "\"matchPolicy\":\"Exact\"");
    verdict = patching(&w, "[{\"op\":\"replace\",\"path\":\"/spec/maxReplicas\",\"value\":7}]");
    v = world_json(&w, "POST", "/apis/autoscaling/v1/namespaces/ns/horizontalpodautoscalers", hpa,
                   201);
    CHECK_INT(n_asked, 1);
    CHECK_STRZ(request_str(0, "kind.version"), "v2");
    CHECK_STRZ(request_str(0, "requestKind.version"), "v1");
    CHECK_STRZ(request_str(0, "object.apiVersion"), "autoscaling/v2");
    CHECK(json_at(asked[0].request, "object", "spec", "metrics", NULL) != NULL);
    CHECK_STRZ(json_get_str(v, "apiVersion"), "autoscaling/v1");
    CHECK_INT(json_get_int(v, "spec.maxReplicas", 0), 7);
    CHECK_INT(json_get_int(v, "spec.targetCPUUtilizationPercentage", 0), 70);
    end(&w, &p);
}

TEST(webhook, is_never_asked_about_the_configuration_of_admission)
{
    struct world w;
    struct peer p;

    begin(&w, &p);
    configure_rules(&w, &p, "validating", "all",
                    "{\"apiGroups\":[\"*\"],\"apiVersions\":[\"*\"],\"operations\":[\"*\"],"
                    "\"resources\":[\"*/*\"]}",
                    "");
    verdict = "\"allowed\":false";
    CHECK_INT(world_status(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}"), 400);
    n_asked = 0;
    CHECK_INT(world_status(&w, "DELETE", HOOKS "validatingwebhookconfigurations/all", NULL), 200);
    CHECK_INT(n_asked, 0);
    CHECK_INT(world_status(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}"), 201);
    end(&w, &p);
}

TEST(webhook, is_asked_only_where_its_match_conditions_hold)
{
    struct world w;
    struct peer p;
    struct json *v;

    begin(&w, &p);
    configure(&w, &p, "validating", "v",
              "\"matchConditions\":[{\"name\":\"a\",\"expression\":\"object.metadata.name == "
              "'a'\"},{\"name\":\"b\",\"expression\":\"object.data.k == 'v'\"}]");
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"b\"}}", 201);
    CHECK_INT(n_asked, 0);
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"v\"}}", 201);
    CHECK_INT(n_asked, 1);
    v = world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", 403);
    CHECK_STRZ(json_get_str(v, "message"),
               "configmaps \"a\" is forbidden: expression 'object.data.k == 'v'' resulted in "
               "error: no such key: data");
    world_json(&w, "DELETE", HOOKS "validatingwebhookconfigurations/v", NULL, 200);
    configure(&w, &p, "validating", "i",
              "\"failurePolicy\":\"Ignore\",\"matchConditions\":[{\"name\":\"b\",\"expression\":"
              "\"object.data.k == 'v'\"}]");
    n_asked = 0;
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"c\"}}", 201);
    CHECK_INT(n_asked, 0);
    end(&w, &p);
}

/* ---- what it answers ---- */

TEST(webhook, denies_in_its_own_words)
{
    static const struct {
        const char *verdict, *message, *reason;
        int code;
    } cases[] = {
        {"\"allowed\":false",
         "admission webhook \"v.example.test\" denied the request without "
         "explanation",
         "", 400},
        {"\"allowed\":false,\"status\":{\"message\":\"no\"}",
         "admission webhook \"v.example.test\" denied the request: no", "", 400},
        {"\"allowed\":false,\"status\":{\"reason\":\"MyOwn\",\"code\":418}",
         "admission webhook \"v.example.test\" denied the request: MyOwn", "MyOwn", 418},
        {"\"allowed\":false,\"status\":{\"code\":200,\"reason\":\"AlreadyExists\"}",
         "admission webhook \"v.example.test\" denied the request: AlreadyExists", "AlreadyExists",
         400},
    };
    struct world w;
    struct peer p;

    begin(&w, &p);
    configure(&w, &p, "validating", "v", "");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json *v;

        verdict = cases[i].verdict;
        v = world_json(&w, "POST", CM, "{\"metadata\":{\"generateName\":\"a\"}}", cases[i].code);
        CHECK_STRZ(json_get_str(v, "message"), cases[i].message);
        CHECK_STRZ(json_get_str(v, "reason"), cases[i].reason);
    }
    CHECK_INT(n_asked, ARRAY_LEN(cases));
    end(&w, &p);
}

static void raw(struct peer *p, struct http_exchange *ex)
{
    http_reply(ex, p->status ? p->status : 200, "application/json", str_of(p->text));
}

TEST(webhook, whose_answer_is_wrong_fails_the_write_unless_failures_are_ignored)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"{\"half",
         "failed to call webhook: couldn't get version/kind; json parse error: unexpected end of "
         "JSON input"},
        {"[]", "failed to call webhook: couldn't get version/kind; json parse error: json: cannot "
               "unmarshal array into Go value of type struct { APIVersion string "
               "\"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
               "\"json:\\\"kind,omitempty\\\"\" }"},
        {"{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\"}",
         "received invalid webhook response: webhook response was absent"},
        {"{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"response\":{"
         "\"allowed\":\"yes\"}}",
         NULL},
        {"", "failed to call webhook: 0-length response with status code: 200 and content type: "
             "application/json"},
    };
    struct world w;
    struct peer p;

    begin(&w, &p);
    p.answer = raw;
    configure(&w, &p, "validating", "v", "");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json *v;

        p.text = cases[i].text;
        v = world_json(&w, "POST", CM, "{\"metadata\":{\"generateName\":\"a\"}}", 500);
        if (cases[i].want)
            CHECK_STR(json_get_str(v, "message"),
                      arena_fmt(w.arena,
                                "Internal error occurred: failed calling webhook "
                                "\"v.example.test\": %s",
                                cases[i].want));
    }
    world_json(&w, "PATCH", HOOKS "validatingwebhookconfigurations/v", "{\"webhooks\":null}", 200);
    configure(&w, &p, "validating", "i", "\"failurePolicy\":\"Ignore\"");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        p.text = cases[i].text;
        world_json(&w, "POST", CM, "{\"metadata\":{\"generateName\":\"a\"}}", 201);
    }
    end(&w, &p);
}

static void too_much(struct peer *p, struct http_exchange *ex)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    (void)p;
    for (size_t i = 0; i <= (17u << 20) / 16; i++)
        buf_z(&b, "0123456789abcdef");
    http_reply(ex, 200, "application/json", buf_view(&b));
}

static void cut_off(struct peer *p, struct http_exchange *ex)
{
    static const struct http_header length = {STR("Content-Length"), STR("100")};

    (void)p;
    http_start(ex, 200, &length, 1);
    http_write(ex, S("{\"kind\":"));
    http_end(ex);
}

TEST(webhook, that_answers_too_much_or_half_fails_the_write)
{
    struct world w;
    struct peer p;

    begin(&w, &p);
    configure(&w, &p, "validating", "v", "");
    p.answer = too_much;
    CHECK_INT(world_status(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}"), 500);
    p.answer = cut_off;
    CHECK_INT(world_status(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}"), 500);
    CHECK_INT(world_status(&w, "GET", CM "/a", NULL), 404);
    end(&w, &p);
}

TEST(webhook, that_never_answers_fails_the_write_after_its_time)
{
    struct world w;
    struct peer p;
    struct json *v;
    int64_t from;

    begin(&w, &p);
    configure(&w, &p, "validating", "v", "\"timeoutSeconds\":3");
    p.silent = true;
    from = loop_virtual_elapsed_ns(w.loop);
    v = world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", 500);
    CHECK_STRZ(json_get_str(v, "message"),
               "Internal error occurred: failed calling webhook \"v.example.test\": failed to call "
               "webhook: Post \"https://hook.ns.svc:443/v?timeout=3s\": context deadline exceeded");
    CHECK_INT((loop_virtual_elapsed_ns(w.loop) - from) / NS_PER_S, 3);
    end(&w, &p);
}

TEST(webhook, several_that_never_answer_end_with_the_requests_own_deadline)
{
    struct world w;
    struct peer p;
    struct json *v;
    int64_t from;

    begin(&w, &p);
    configure(&w, &p, "mutating", "a", "\"timeoutSeconds\":20,\"failurePolicy\":\"Ignore\"");
    configure(&w, &p, "mutating", "b", "\"timeoutSeconds\":20,\"failurePolicy\":\"Ignore\"");
    p.silent = true;
    from = loop_virtual_elapsed_ns(w.loop);
    v = world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", 504);
    CHECK_STRZ(json_get_str(v, "message"), "Timeout: request did not complete within requested "
                                           "timeout - context deadline exceeded");
    CHECK_INT((loop_virtual_elapsed_ns(w.loop) - from) / NS_PER_S, 34);
    end(&w, &p);
}

TEST(webhook, that_never_answers_ends_when_the_clients_own_patience_does)
{
    struct world w;
    struct peer p;
    struct json *v;
    int64_t from;

    begin(&w, &p);
    configure(&w, &p, "validating", "v", "\"timeoutSeconds\":20");
    p.silent = true;
    from = loop_virtual_elapsed_ns(w.loop);
    v = world_json(&w, "POST", CM "?timeout=2500ms", "{\"metadata\":{\"name\":\"a\"}}", 504);
    CHECK_STRZ(json_get_str(v, "message"), "Timeout: request did not complete within requested "
                                           "timeout - context deadline exceeded");
    CHECK_INT((loop_virtual_elapsed_ns(w.loop) - from) / (NS_PER_S / 2), 5);
    CHECK_INT(world_status(&w, "GET", CM "/a", NULL), 404);
    end(&w, &p);
}

TEST(webhook, gives_warnings_and_they_come_once)
{
    struct world w;
    struct peer p;
    struct call *c;

    begin(&w, &p);
    configure(&w, &p, "mutating", "m", "");
    configure(&w, &p, "validating", "v", "");
    by_path[0].path = "/m";
    by_path[0].verdict = "\"allowed\":true,\"warnings\":[\"old\"]";
    by_path[1].path = "/v";
    by_path[1].verdict = "\"allowed\":true,\"warnings\":[\"new\"]";
    c = world_call(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", NULL);
    CHECK_INT(c->status, 201);
    CHECK(str_find(buf_view(&c->head), S("Warning: 299 - \"old\"\nWarning: 299 - \"new\"\n")) >= 0);
    call_free(c);
    end(&w, &p);
}

static void answer_beta(struct peer *p, struct http_exchange *ex)
{
    struct json *v;

    CHECK_OK(json_parse(p->w->arena, p->body, NULL, NULL, &v));
    CHECK_STRZ(json_get_str(v, "apiVersion"), "admission.k8s.io/v1beta1");
    /* Neither the question's uid nor a kind: the beta let that pass. */
    http_reply(ex, 200, "application/json",
               S("{\"response\":{\"allowed\":true,\"patch\":"
                 "\"W3sib3AiOiJhZGQiLCJwYXRoIjoiL2RhdGEiLCJ2YWx1ZSI6eyJrIjoidiJ9fV0=\"}}"));
}

TEST(webhook, that_knows_only_the_beta_is_asked_in_it)
{
    struct world w;
    struct peer p;
    struct json *v;
    str body;

    begin(&w, &p);
    p.answer = answer_beta;
    body = arena_fmt(w.arena,
                     "{\"metadata\":{\"name\":\"b\"},\"webhooks\":[{\"name\":\"b.example.test\","
                     "\"sideEffects\":\"None\",\"admissionReviewVersions\":[\"v0\",\"v1beta1\"],"
                     "\"clientConfig\":{\"url\":\"https://10.9.9.9:8443\",\"caBundle\":\"" PRI_STR
                     "\"},\"rules\":[" CONFIGMAPS "]}]}",
                     STR_ARG(peer_ca_base64(&p)));
    world_json(&w, "POST", HOOKS "mutatingwebhookconfigurations", body.p, 201);
    v = world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", 201);
    CHECK_STRZ(json_get_str(v, "data.k"), "v");
    CHECK_STRZ(p.path, "/?timeout=10s");
    end(&w, &p);
}

/* ---- what it changes ---- */

TEST(webhook, changes_are_defaulted_validated_and_belong_to_nobody)
{
    struct world w;
    struct peer p;
    struct json *v;

    begin(&w, &p);
    configure_rules(&w, &p, "mutating", "m",
                    "{\"apiGroups\":[\"apps\"],\"apiVersions\":[\"v1\"],\"operations\":["
                    "\"CREATE\"],\"resources\":[\"deployments\"]}",
                    "");
    verdict = patching(
        &w, "[{\"op\":\"add\",\"path\":\"/spec/template/spec/containers/-\",\"value\":{\"name\":"
            "\"side\",\"image\":\"s:1\"}},{\"op\":\"add\",\"path\":\"/nosuch\",\"value\":1}]");
    v = world_json(&w, "POST", "/apis/apps/v1/namespaces/ns/deployments",
                   "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"selector\":{\"matchLabels\":{\"a\":"
                   "\"b\"}},\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{"
                   "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}",
                   201);
    CHECK_STRZ(
        json_get_str(json_item(json_at(v, "spec", "template", "spec", "containers", NULL), 1),
                     "imagePullPolicy"),
        "IfNotPresent");
    CHECK(!json_findz(v, "nosuch"));
    verdict = patching(&w, "[{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":-1}]");
    v = world_json(&w, "POST", "/apis/apps/v1/namespaces/ns/deployments",
                   "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"selector\":{\"matchLabels\":{\"a\":"
                   "\"b\"}},\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{"
                   "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}",
                   422);
    CHECK_STRZ(json_get_str(json_item(json_at(v, "details", "causes", NULL), 0), "field"),
               "spec.replicas");
    end(&w, &p);
}

TEST(webhook, cannot_change_what_the_endpoint_does_not_own)
{
    struct world w;
    struct peer p;
    struct json *v;

    begin(&w, &p);
    configure_rules(&w, &p, "mutating", "m",
                    "{\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],\"operations\":[\"UPDATE\"],"
                    "\"resources\":[\"namespaces\",\"namespaces/status\"]}",
                    "");
    verdict = patching(&w, "[{\"op\":\"add\",\"path\":\"/status/phase\",\"value\":\"Odd\"}]");
    v = world_json(&w, "PATCH", "/api/v1/namespaces/ns",
                   "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}", 200);
    CHECK_INT(n_asked, 1);
    CHECK_STRZ(json_get_str(v, "status.phase"), "Active");
    end(&w, &p);
}

TEST(webhook, sees_what_those_before_it_changed_and_is_asked_again_if_it_wants)
{
    struct world w;
    struct peer p;
    struct json *v;

    begin(&w, &p);
    configure(&w, &p, "mutating", "a", "\"reinvocationPolicy\":\"IfNeeded\"");
    configure(&w, &p, "mutating", "b", "");
    configure(&w, &p, "mutating", "c", "");
    by_path[0].path = "/b";
    by_path[0].verdict =
        patching(&w, "[{\"op\":\"add\",\"path\":\"/data\",\"value\":{\"b\":\"1\"}}]");
    v = world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", 201);
    CHECK_STRZ(json_get_str(v, "data.b"), "1");
    CHECK_INT(n_asked, 4);
    CHECK_STRZ(asked[0].path, "/a?timeout=10s");
    CHECK_STRZ(request_str(0, "object.data.b"), "");
    CHECK_STRZ(request_str(2, "object.data.b"), "1");
    CHECK_STRZ(asked[3].path, "/a?timeout=10s");
    CHECK_STRZ(request_str(3, "object.data.b"), "1");
    end(&w, &p);
}

TEST(webhook, patches_of_no_use_fail_the_write)
{
    struct world w;
    struct peer p;
    struct json *v;

    begin(&w, &p);
    configure(&w, &p, "mutating", "m", "");
    verdict = patching(&w, "[{\"op\":\"replace\",\"path\":\"/kind\",\"value\":\"Secret\"}]");
    CHECK_INT(world_status(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}"), 500);
    verdict = patching(&w, "[{\"op\":\"add\",\"path\":\"/data\",\"value\":[1]}]");
    CHECK_INT(world_status(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}"), 500);
    verdict = "\"allowed\":true,\"patch\":\"W10=\"";
    v = world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", 500);
    CHECK_STRZ(json_get_str(v, "message"),
               "Internal error occurred: failed calling webhook \"m.example.test\": received "
               "invalid webhook response: webhook returned response.patch but not "
               "response.patchType");
    verdict = NULL;
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", 201);
    verdict = patching(&w, "[{\"op\":\"remove\",\"path\":\"/data\"}]");
    v = world_json(&w, "DELETE", CM "/a", NULL, 500);
    CHECK_STRZ(json_get_str(v, "message"),
               "Internal error occurred: admission webhook \"m.example.test\" attempted to modify "
               "the object, which is not supported for this operation");
    end(&w, &p);
}

TEST(webhook, of_a_dry_run_is_told_so_and_must_support_it)
{
    struct world w;
    struct peer p;

    begin(&w, &p);
    configure(&w, &p, "validating", "v", "");
    world_json(&w, "POST", CM "?dryRun=All&fieldManager=me", "{\"metadata\":{\"name\":\"a\"}}",
               201);
    CHECK(json_get_bool(asked[0].request, "dryRun", false));
    CHECK_STRZ(request_str(0, "options.kind"), "CreateOptions");
    CHECK_STRZ(request_str(0, "options.fieldManager"), "me");
    CHECK_INT(world_status(&w, "GET", CM "/a", NULL), 404);
    end(&w, &p);
}

/* ---- other writers, other verbs ---- */

static struct world *intruded;
static unsigned intrusions;

/* Somebody else writes the object while the webhook thinks. */
static void intrude(struct peer *p, struct http_exchange *ex)
{
    if (intrusions) {
        intrusions--;
        call_free(world_call(intruded, "PATCH", CM "/a",
                             "{\"metadata\":{\"labels\":{\"x\":\"y\"}}}",
                             "Authorization: Bearer admin-token\nContent-Type: "
                             "application/merge-patch+json\nX: 1"));
    }
    answer(p, ex);
}

TEST(webhook, is_asked_again_when_somebody_else_has_written_meanwhile)
{
    struct world w;
    struct peer p;
    struct json *v;

    begin(&w, &p);
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"1\"}}", 201);
    configure(&w, &p, "validating", "v",
              "\"objectSelector\":{\"matchExpressions\":[{\"key\":\"skip\",\"operator\":"
              "\"DoesNotExist\"}]}");
    v = world_json(&w, "GET", CM "/a", NULL, 200);
    intruded = &w;
    /* The intruder's own write asks too: it must not intrude on itself. */
    intrusions = 1;
    p.answer = intrude;
    v = world_json(&w, "PATCH", CM "/a", "{\"data\":{\"k\":\"2\"}}", 200);
    CHECK_STRZ(json_get_str(v, "data.k"), "2");
    CHECK_STRZ(json_get_str(v, "metadata.labels.x"), "y");
    CHECK_INT(n_asked, 3);
    CHECK_STRZ(request_str(2, "oldObject.metadata.labels.x"), "y");
    CHECK_STRZ(request_str(2, "object.metadata.labels.x"), "y");
    end(&w, &p);
}

TEST(webhook, does_not_make_a_conflict_pass)
{
    struct world w;
    struct peer p;
    struct json *v;

    begin(&w, &p);
    v = world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", 201);
    configure(&w, &p, "validating", "v", "");
    intruded = &w;
    intrusions = 1;
    p.answer = intrude;
    world_json(&w, "PUT", CM "/a",
               arena_fmt(w.arena,
                         "{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"" PRI_STR
                         "\"},\"data\":{\"k\":\"2\"}}",
                         STR_ARG(json_get_str(v, "metadata.resourceVersion")))
                   .p,
               409);
    end(&w, &p);
}

TEST(webhook, decides_about_deletion_too)
{
    struct world w;
    struct peer p;

    begin(&w, &p);
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"1\"}}", 201);
    configure(&w, &p, "validating", "v", "");
    verdict = "\"allowed\":false,\"status\":{\"message\":\"keep it\"}";
    CHECK_INT(world_status(&w, "DELETE", CM "/a?propagationPolicy=Background", NULL), 400);
    CHECK_STRZ(request_str(0, "operation"), "DELETE");
    CHECK_STRZ(request_str(0, "oldObject.data.k"), "1");
    CHECK_STRZ(request_str(0, "options.propagationPolicy"), "Background");
    CHECK(json_is(json_findz(asked[0].request, "object"), JSON_NULL));
    CHECK_INT(world_status(&w, "GET", CM "/a", NULL), 200);
    verdict = NULL;
    CHECK_INT(world_status(&w, "DELETE", CM "/a", NULL), 200);
    CHECK_INT(world_status(&w, "GET", CM "/a", NULL), 404);
    end(&w, &p);
}

TEST(webhook, is_asked_about_each_member_of_a_deleted_collection)
{
    struct world w;
    struct peer p;
    struct json *v;

    begin(&w, &p);
    for (int i = 0; i < 20; i++)
        world_json(
            &w, "POST", CM,
            arena_fmt(w.arena, "{\"metadata\":{\"name\":\"a%02d\",\"labels\":{\"a\":\"b\"}}}", i).p,
            201);
    configure(&w, &p, "mutating", "m", "");
    configure(&w, &p, "validating", "v", "");
    v = world_json(&w, "DELETE", CM "?labelSelector=a%3Db", NULL, 200);
    CHECK_INT(json_count(json_findz(v, "items")), 20);
    CHECK_INT(n_asked, 40);
    CHECK_STRZ(request_str(1, "oldObject.metadata.name"), "a00");
    CHECK_STRZ(request_str(3, "oldObject.metadata.name"), "a01");
    v = world_json(&w, "GET", CM "?labelSelector=a%3Db", NULL, 200);
    CHECK_INT(json_count(json_findz(v, "items")), 0);
    end(&w, &p);
}

TEST(webhook, that_refuses_one_member_ends_the_deletion_of_a_collection)
{
    struct world w;
    struct peer p;

    begin(&w, &p);
    for (int i = 0; i < 3; i++)
        world_json(
            &w, "POST", CM,
            arena_fmt(w.arena, "{\"metadata\":{\"name\":\"a%d\",\"labels\":{\"n\":\"n%d\"}}}", i, i)
                .p,
            201);
    configure(&w, &p, "validating", "v", "\"objectSelector\":{\"matchLabels\":{\"n\":\"n1\"}}");
    verdict = "\"allowed\":false";
    CHECK_INT(world_status(&w, "DELETE", CM "?labelSelector=n", NULL), 400);
    CHECK_INT(world_status(&w, "GET", CM "/a0", NULL), 404);
    CHECK_INT(world_status(&w, "GET", CM "/a1", NULL), 200);
    CHECK_INT(world_status(&w, "GET", CM "/a2", NULL), 200);
    end(&w, &p);
}

TEST(webhook, of_a_scale_sees_and_changes_the_scale)
{
    struct world w;
    struct peer p;
    struct json *v;

    begin(&w, &p);
    world_json(
        &w, "POST", "/apis/apps/v1/namespaces/ns/deployments",
        "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"replicas\":1,\"selector\":{"
        "\"matchLabels\":{\"a\":\"b\"}},\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},"
        "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}",
        201);
    configure_rules(&w, &p, "mutating", "m",
                    "{\"apiGroups\":[\"apps\"],\"apiVersions\":[\"v1\"],\"operations\":["
                    "\"UPDATE\"],\"resources\":[\"deployments/scale\"]}",
                    "");
    verdict = patching(&w, "[{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":4}]");
    v = world_json(&w, "PATCH", "/apis/apps/v1/namespaces/ns/deployments/a/scale",
                   "{\"spec\":{\"replicas\":9}}", 200);
    CHECK_INT(n_asked, 1);
    CHECK_STRZ(request_str(0, "kind.kind"), "Scale");
    CHECK_STRZ(request_str(0, "resource.resource"), "deployments");
    CHECK_STRZ(request_str(0, "subResource"), "scale");
    CHECK_INT(json_get_int(asked[0].request, "object.spec.replicas", 0), 9);
    CHECK_INT(json_get_int(asked[0].request, "oldObject.spec.replicas", 0), 1);
    v = json_item(json_at(asked[0].request, "object", "metadata", "managedFields", NULL), 0);
    CHECK_STRZ(json_get_str(v, "subresource"), "scale");
    v = world_json(&w, "GET", "/apis/apps/v1/namespaces/ns/deployments/a/scale", NULL, 200);
    CHECK_INT(json_get_int(v, "spec.replicas", 0), 4);
    v = world_json(&w, "GET", "/apis/apps/v1/namespaces/ns/deployments/a", NULL, 200);
    CHECK_INT(json_get_int(v, "spec.replicas", 0), 4);
    end(&w, &p);
}

TEST(webhook, decides_about_connections_evictions_bindings_tokens_and_reviews)
{
    static const struct {
        const char *method, *path, *body, *kind, *op;
        int passes; /* the status without a refusal */
    } cases[] = {
        {"GET", "/api/v1/namespaces/ns/pods/a/exec?command=ls&command=-l&stdout=true", NULL,
         "PodExecOptions", "CONNECT", 400},
        {"GET", "/api/v1/namespaces/ns/services/hook/proxy/x", NULL, "ServiceProxyOptions",
         "CONNECT", 0},
        {"POST", "/api/v1/namespaces/ns/pods/a/eviction",
         "{\"kind\":\"Eviction\",\"apiVersion\":\"policy/v1\",\"metadata\":{\"name\":\"a\"}}",
         "Eviction", "CREATE", 404},
        {"POST", "/api/v1/namespaces/ns/pods/a/binding",
         "{\"metadata\":{\"name\":\"a\"},\"target\":{\"kind\":\"Node\",\"name\":\"n\"}}", "Binding",
         "CREATE", 404},
        {"POST", "/api/v1/namespaces/ns/serviceaccounts/a/token", "{\"spec\":{}}", "TokenRequest",
         "CREATE", 404},
        {"POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", "{}", "SelfSubjectReview",
         "CREATE", 201},
    };
    struct world w;
    struct peer p;

    begin(&w, &p);
    configure_rules(&w, &p, "validating", "all",
                    "{\"apiGroups\":[\"*\"],\"apiVersions\":[\"*\"],\"operations\":[\"*\"],"
                    "\"resources\":[\"*/*\"]}",
                    "");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        n_asked = 0;
        verdict = "\"allowed\":false,\"status\":{\"code\":418}";
        CHECK_INT(world_status(&w, cases[i].method, cases[i].path, cases[i].body), 418);
        CHECK_INT(n_asked, 1);
        CHECK_STRZ(request_str(0, "kind.kind"), cases[i].kind);
        CHECK_STRZ(request_str(0, "object.kind"), cases[i].kind);
        CHECK_STRZ(request_str(0, "operation"), cases[i].op);
        verdict = NULL;
        if (cases[i].passes && strcmp(cases[i].kind, "PodExecOptions"))
            CHECK_INT(world_status(&w, cases[i].method, cases[i].path, cases[i].body),
                      cases[i].passes);
        if (i == 0)
            CHECK_STRZ(json_str(json_item(json_at(asked[0].request, "object", "command", NULL), 1)),
                       "-l");
    }
    end(&w, &p);
}

/* ---- load, and ends ---- */

TEST(webhook, slow_ones_let_a_thousand_writes_wait_within_bounds)
{
    enum { N = 1000 };
    static struct call *calls[N];
    struct virtual_faults slow = {.min_latency_ns = NS_PER_S / 4, .max_latency_ns = NS_PER_S / 4};
    struct world w;
    struct peer p;
    unsigned ok = 0;

    begin(&w, &p);
    configure(&w, &p, "validating", "v", "");
    loop_virtual_faults(w.loop, &slow);
    for (size_t i = 0; i < N; i++)
        calls[i] = world_open(&w, "POST", CM, "{\"metadata\":{\"generateName\":\"a\"}}", NULL);
    world_run(&w, 30 * NS_PER_S);
    for (size_t i = 0; i < N; i++) {
        ok += calls[i]->ended && calls[i]->status == 201;
        call_free(calls[i]);
    }
    CHECK_INT(ok, N);
    CHECK_INT(n_asked, N);
    end(&w, &p);
}

TEST(webhook, writes_that_wait_for_it_count_once_against_a_quota)
{
    enum { N = 20, LIMIT = 5 };
    struct call *calls[N];
    struct virtual_faults slow = {.min_latency_ns = NS_PER_S / 4, .max_latency_ns = NS_PER_S / 4};
    struct world w;
    struct peer p;
    unsigned ok = 0, refused = 0;

#define QUOTAS "/api/v1/namespaces/ns/resourcequotas"
    begin(&w, &p);
    world_json(&w, "POST", QUOTAS,
               "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"hard\":{\"configmaps\":\"5\"}}}", 201);
    calls[0] = world_call(&w, "PATCH", QUOTAS "/q/status",
                          "{\"status\":{\"hard\":{\"configmaps\":\"5\"},\"used\":{\"configmaps\":"
                          "\"0\"}}}",
                          "Content-Type: application/merge-patch+json");
    CHECK_INT(calls[0]->status, 200);
    call_free(calls[0]);
    configure(&w, &p, "mutating", "m", "");
    configure(&w, &p, "validating", "v", "");
    loop_virtual_faults(w.loop, &slow);
    for (size_t i = 0; i < N; i++)
        calls[i] = world_open(&w, "POST", CM, "{\"metadata\":{\"generateName\":\"a\"}}", NULL);
    world_run(&w, 30 * NS_PER_S);
    for (size_t i = 0; i < N; i++) {
        ok += calls[i]->status == 201;
        refused += calls[i]->status == 403;
        call_free(calls[i]);
    }
    CHECK_INT(ok, LIMIT);
    CHECK_INT(refused, N - LIMIT);
    CHECK_STRZ(json_get_str(world_json(&w, "GET", QUOTAS "/q", "", 200), "status.used.configmaps"),
               "5");
    end(&w, &p);
}

TEST(webhook, writes_that_wait_beyond_the_limit_of_memory_are_told_to_come_back)
{
    enum { N = 200 };
    static struct call *calls[N];
    CLEANUP(buf) struct buf big = BUF_INIT;
    struct world w;
    struct peer p;
    unsigned refused = 0, timed_out = 0;

    begin(&w, &p);
    configure(&w, &p, "validating", "v", "");
    p.silent = true;
    buf_z(&big, "{\"metadata\":{\"generateName\":\"a\"},\"data\":{\"k\":\"");
    for (size_t i = 0; i < 40000; i++)
        buf_z(&big, "0123456789");
    buf_z(&big, "\"}}");
    for (size_t i = 0; i < N; i++)
        calls[i] = world_open(&w, "POST", CM, buf_cstr(&big), NULL);
    world_run(&w, 60 * NS_PER_S);
    for (size_t i = 0; i < N; i++) {
        refused += calls[i]->status == 429;
        timed_out += calls[i]->status == 500;
        call_free(calls[i]);
    }
    CHECK(refused > 0 && timed_out > 0);
    CHECK_INT(refused + timed_out, N);
    end(&w, &p);
}

TEST(webhook, whose_client_has_gone_does_not_write)
{
    struct world w;
    struct peer p;
    struct call *c;

    begin(&w, &p);
    configure(&w, &p, "validating", "v", "");
    p.silent = true;
    c = world_open(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", NULL);
    world_run(&w, NS_PER_S);
    CHECK(!c->ended);
    CHECK_INT(p.n_calls, 1);
    call_free(c); /* goes */
    p.silent = false;
    CHECK_INT(world_status(&w, "GET", CM "/a", NULL), 404);
    CHECK_INT(world_status(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}"), 201);
    end(&w, &p);
}

static void set_flag(void *ctx)
{
    *(bool *)ctx = true;
}

TEST(webhook, writes_that_wait_end_with_the_server)
{
    struct world w;
    struct peer p;
    struct call *create, *collection;
    bool closed = false;

    begin(&w, &p);
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", 201);
    configure(&w, &p, "validating", "v", "");
    p.silent = true;
    create = world_open(&w, "POST", CM, "{\"metadata\":{\"name\":\"b\"}}", NULL);
    collection = world_open(&w, "DELETE", CM, NULL, NULL);
    world_run(&w, NS_PER_S);
    CHECK_INT(p.n_calls, 2);
    CHECK(!create->ended && !collection->ended);
    api_close(w.api, set_flag, &closed);
    world_run(&w, NS_PER_S);
    CHECK(closed);
    CHECK_INT(create->status, 503);
    CHECK_INT(collection->status, 503);
    call_free(create);
    call_free(collection);
    peer_fini(&p);
    store_close(w.store, NULL, NULL);
    world_run(&w, NS_PER_S);
    loop_free(w.loop);
    arena_free(w.arena);
}

TEST_MAIN
