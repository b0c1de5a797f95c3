/* aggregation_test.c - APIServices: group-versions that somebody else serves. */
#include "test/api/peer.h"

#include "wire/tls.h"

#define SERVICES "/apis/apiregistration.k8s.io/v1/apiservices"
#define NAME "v1beta1.metrics.test"
#define PODS "/apis/metrics.test/v1beta1/namespaces/default/pods"

static struct buf ca_key, ca, key, cert;

static void with_front_proxy(struct world *w, struct api_options *o)
{
    const wall_time until = {INT64_C(4000000000) * NS_PER_S};

    (void)w;
    buf_clear(&ca_key);
    buf_clear(&ca);
    buf_clear(&key);
    buf_clear(&cert);
    CHECK_OK(pki_key_new(&ca_key));
    CHECK_OK(pki_key_new(&key));
    CHECK_OK(pki_cert_new(
        &(struct pki_cert_options){.common_name = S("front-ca"), .is_ca = true, .not_after = until},
        buf_view(&ca_key), S(""), S(""), &ca));
    CHECK_OK(pki_cert_new(&(struct pki_cert_options){.common_name = S("front-proxy-client"),
                                                     .client = true,
                                                     .not_after = until},
                          buf_view(&key), buf_view(&ca), buf_view(&ca_key), &cert));
    o->front_proxy_ca_pem = buf_view(&ca);
    o->front_proxy_cert_pem = buf_view(&cert);
    o->front_proxy_key_pem = buf_view(&key);
}

/* A small API server: resources, one document, and pods. */
static void serve(struct peer *p, struct http_exchange *ex)
{
    static const struct {
        const char *path, *text;
    } pages[] = {
        {"/apis/metrics.test/v1beta1",
         "{\"kind\":\"APIResourceList\",\"apiVersion\":\"v1\",\"groupVersion\":\"metrics.test/"
         "v1beta1\",\"resources\":[{\"name\":\"pods\",\"singularName\":\"pod\",\"namespaced\":true,"
         "\"kind\":\"PodMetrics\",\"verbs\":[\"get\",\"list\"]},{\"name\":\"pods/x\","
         "\"singularName\":\"\",\"namespaced\":true,\"kind\":\"X\",\"verbs\":[\"get\"]}]}"},
        {"/openapi/v3",
         "{\"paths\":{\"apis/metrics.test/v1beta1\":{\"serverRelativeURL\":\"/openapi/v3/apis/"
         "metrics.test/v1beta1?hash=ABC\"}}}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(pages); i++)
        if (str_is(p->path, pages[i].path)) {
            http_reply(ex, 200, "application/json", str_of(pages[i].text));
            return;
        }
    http_reply(ex, p->status ? p->status : 200, "application/json", S("{\"kind\":\"Answer\"}"));
}

static void register_service(struct world *w, struct peer *p)
{
    world_json(w, "POST", SERVICES,
               arena_fmt(w->arena,
                         "{\"metadata\":{\"name\":\"" NAME "\"},\"spec\":{\"group\":"
                         "\"metrics.test\",\"version\":\"v1beta1\",\"groupPriorityMinimum\":100,"
                         "\"versionPriority\":100,\"service\":{\"namespace\":\"ns\",\"name\":"
                         "\"hook\"},\"caBundle\":\"" PRI_STR "\"}}",
                         STR_ARG(peer_ca_base64(p)))
                   .p,
               201);
    world_run(w, NS_PER_S);
}

static void begin(struct world *w, struct peer *p)
{
    world_init_with(w, with_front_proxy);
    peer_init_with(p, w, buf_view(&ca));
    p->answer = serve;
}

static void end(struct world *w, struct peer *p)
{
    peer_fini(p);
    world_fini(w);
    buf_fini(&ca_key);
    buf_fini(&ca);
    buf_fini(&key);
    buf_fini(&cert);
}

static struct json *available(struct world *w)
{
    return json_item(
        json_path(world_json(w, "GET", SERVICES "/" NAME, NULL, 200), "status.conditions"), 0);
}

TEST(aggregation, sends_requests_on_in_the_users_name)
{
    struct world w;
    struct peer p;
    struct call *c;

    begin(&w, &p);
    register_service(&w, &p);
    CHECK_STRZ(json_get_str(available(&w), "reason"), "Passed");
    CHECK_STRZ(json_get_str(available(&w), "message"), "all checks passed");
    c = world_call(&w, "GET", PODS "?limit=1", NULL,
                   "X-Remote-User: root\nX-Remote-Group: system:masters");
    CHECK_INT(c->status, 200);
    CHECK_STRZ(json_get_str(call_json(c), "kind"), "Answer");
    call_free(c);
    CHECK_STRZ(p.path, PODS "?limit=1");
    CHECK_STRZ(p.client, "front-proxy-client");
    CHECK_STRZ(peer_header(&p, "X-Remote-User"), "admin");
    CHECK_STRZ(peer_header(&p, "X-Remote-Uid"), "uid-1");
    CHECK_STRZ(peer_header(&p, "Authorization"), "");
    for (size_t i = 0, n = 0; i < p.n_headers; i++)
        if (str_eq_nocase(p.headers[i].name, S("X-Remote-Group")))
            CHECK_STRZ(p.headers[i].value, n++ ? "system:authenticated" : "system:masters");
    /* Who may not, does not get there. */
    c = world_call(&w, "GET", PODS, NULL, "Authorization: Bearer alice-token");
    CHECK_INT(c->status, 403);
    call_free(c);
    end(&w, &p);
}

TEST(aggregation, passes_on_bodies_and_errors_of_the_backend)
{
    struct world w;
    struct peer p;

    begin(&w, &p);
    register_service(&w, &p);
    CHECK_INT(world_status(&w, "POST", PODS, "{\"a\":1}"), 200);
    CHECK_STRZ(p.body, "{\"a\":1}");
    p.status = 418;
    CHECK_INT(world_status(&w, "GET", PODS, NULL), 418);
    end(&w, &p);
}

TEST(aggregation, is_discovered_with_everything_else)
{
    struct world w;
    struct peer p;
    struct json *v;
    struct call *c;
    bool found = false;

    begin(&w, &p);
    register_service(&w, &p);
    v = world_json(&w, "GET", "/apis", NULL, 200);
    JSON_EACH(g, json_findz(v, "groups"))
        found |= str_is(json_get_str(g, "name"), "metrics.test");
    CHECK(found);
    v = world_json(&w, "GET", "/apis/metrics.test", NULL, 200);
    CHECK_STRZ(json_get_str(v, "preferredVersion.groupVersion"), "metrics.test/v1beta1");
    v = world_json(&w, "GET", "/apis/metrics.test/v1beta1", NULL, 200);
    CHECK_INT(json_count(json_findz(v, "resources")), 2);
    c = world_call(&w, "GET", "/apis", NULL,
                   "Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    found = false;
    JSON_EACH(g, json_findz(call_json(c), "items"))
        if (str_is(json_get_str(g, "metadata.name"), "metrics.test")) {
            const struct json *version = json_item(json_findz(g, "versions"), 0),
                              *r = json_item(json_findz(version, "resources"), 0);

            found = true;
            CHECK_STRZ(json_get_str(version, "freshness"), "Current");
            CHECK_INT(json_count(json_findz(version, "resources")), 1);
            CHECK_STRZ(json_get_str(r, "resource"), "pods");
            CHECK_STRZ(json_get_str(r, "scope"), "Namespaced");
            CHECK_INT(json_count(json_findz(r, "subresources")), 1);
        }
    CHECK(found);
    call_free(c);
    v = world_json(&w, "GET", "/openapi/v3", NULL, 200);
    CHECK_STRZ(json_get_str(json_find(json_findz(v, "paths"), S("apis/metrics.test/v1beta1")),
                            "serverRelativeURL"),
               "/openapi/v3/apis/metrics.test/v1beta1?hash=ABC");
    CHECK_INT(world_status(&w, "GET", "/openapi/v3/apis/metrics.test/v1beta1", NULL), 200);
    CHECK_STRZ(p.path, "/openapi/v3/apis/metrics.test/v1beta1");
    CHECK_INT(world_status(&w, "DELETE", SERVICES "/" NAME, NULL), 200);
    world_run(&w, NS_PER_S);
    CHECK_INT(world_status(&w, "GET", PODS, NULL), 404);
    CHECK_INT(world_status(&w, "GET", "/apis/metrics.test", NULL), 404);
    end(&w, &p);
}

TEST(aggregation, tells_why_a_backend_is_not_available_and_when_it_is_again)
{
    struct world w;
    struct peer p;
    struct call *c;

    begin(&w, &p);
    register_service(&w, &p);
    CHECK_STRZ(json_get_str(available(&w), "status"), "True");
    /* It fails without a word. */
    p.answer = NULL;
    p.status = 500;
    p.text = "no";
    world_run(&w, 40 * NS_PER_S);
    CHECK_STRZ(json_get_str(available(&w), "reason"), "FailedDiscoveryCheck");
    CHECK_STRZ(
        json_get_str(available(&w), "message"),
        "failing or missing response from https://hook.ns.svc:443/apis/metrics.test/v1beta1: "
        "bad status from https://hook.ns.svc:443/apis/metrics.test/v1beta1: 500");
    c = world_call(&w, "GET", PODS, NULL, NULL);
    CHECK_INT(c->status, 503);
    CHECK_STRZ(buf_view(&c->body), "service unavailable\n");
    call_free(c);
    p.answer = serve;
    world_run(&w, 40 * NS_PER_S);
    CHECK_STRZ(json_get_str(available(&w), "reason"), "Passed");
    /* Its endpoints go, then its port, then the Service. */
    world_json(&w, "DELETE", "/apis/discovery.k8s.io/v1/namespaces/ns/endpointslices/hook-1", NULL,
               200);
    world_run(&w, NS_PER_S);
    CHECK_STRZ(json_get_str(available(&w), "reason"), "MissingEndpoints");
    CHECK_STRZ(json_get_str(available(&w), "message"),
               "endpoints for service/hook in \"ns\" have no addresses with port name \"https\"");
    c = world_call(&w, "PATCH", "/api/v1/namespaces/ns/services/hook",
                   "[{\"op\":\"replace\",\"path\":\"/spec/ports/0/port\",\"value\":444}]",
                   "Content-Type: application/json-patch+json");
    CHECK_INT(c->status, 200);
    call_free(c);
    world_run(&w, NS_PER_S);
    CHECK_STRZ(json_get_str(available(&w), "reason"), "ServicePortError");
    CHECK_STRZ(json_get_str(available(&w), "message"),
               "service/hook in \"ns\" is not listening on port 443");
    world_json(&w, "DELETE", "/api/v1/namespaces/ns/services/hook", NULL, 200);
    world_run(&w, NS_PER_S);
    CHECK_STRZ(json_get_str(available(&w), "reason"), "ServiceNotFound");
    CHECK_STRZ(json_get_str(available(&w), "message"), "service/hook in \"ns\" is not present");
    end(&w, &p);
}

TEST(aggregation, survives_a_backend_that_is_silent_or_talks_nonsense)
{
    struct world w;
    struct peer p;
    struct call *c;

    begin(&w, &p);
    p.silent = true;
    register_service(&w, &p);
    world_run(&w, 10 * NS_PER_S);
    CHECK_STRZ(json_get_str(available(&w), "reason"), "FailedDiscoveryCheck");
    p.silent = false;
    p.answer = NULL;
    p.text = "nonsense";
    world_run(&w, 40 * NS_PER_S);
    CHECK_STRZ(json_get_str(available(&w), "reason"), "Passed");
    c = world_call(&w, "GET", "/apis", NULL,
                   "Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    CHECK_INT(c->status, 200);
    call_free(c);
    p.silent = true;
    c = world_open(&w, "GET", PODS, NULL, NULL);
    world_run(&w, NS_PER_S);
    c->ex.gone = true;
    c->ex.on_gone(c->ex.user, &c->ex);
    world_run(&w, NS_PER_S);
    CHECK(c->ended);
    call_free(c);
    end(&w, &p);
}

static struct http_exchange *half;

static void serve_half(struct peer *p, struct http_exchange *ex)
{
    if (!str_has_suffix(ex->req.path, S("/pods"))) {
        serve(p, ex);
        return;
    }
    half = ex;
    http_start(ex, 200, NULL, 0);
    http_write(ex, S("{\"items\":["));
}

TEST(aggregation, answer_whose_backend_vanishes_is_broken_off)
{
    struct world w;
    struct peer p;
    struct call *c;

    begin(&w, &p);
    register_service(&w, &p);
    p.answer = serve_half;
    c = world_open(&w, "GET", PODS, NULL, NULL);
    world_run(&w, NS_PER_S);
    CHECK_STRZ(buf_view(&c->body), "{\"items\":[");
    CHECK(!c->ended);
    http_abort(half);
    world_run(&w, NS_PER_S);
    CHECK(c->ended && c->ex.broken);
    call_free(c);
    c = world_open(&w, "GET", PODS, NULL, NULL);
    world_run(&w, NS_PER_S);
    http_end(half);
    world_run(&w, NS_PER_S);
    CHECK(c->ended && !c->ex.broken);
    call_free(c);
    end(&w, &p);
}

TEST(aggregation, has_local_services_for_custom_groups_as_long_as_they_are_served)
{
    struct world w;
    struct json *v;

    world_init(&w);
    world_json(&w, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
               "{\"metadata\":{\"name\":\"widgets.example.com\"},\"spec\":{\"group\":"
               "\"example.com\",\"scope\":\"Cluster\",\"names\":{\"plural\":\"widgets\",\"kind\":"
               "\"Widget\"},\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,"
               "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\"}}}]}}",
               201);
    world_run(&w, NS_PER_S);
    v = world_json(&w, "GET", SERVICES "/v1.example.com", NULL, 200);
    CHECK_STRZ(json_str(json_find(json_path(v, "metadata.labels"),
                                  S("kube-aggregator.kubernetes.io/automanaged"))),
               "true");
    CHECK_INT(json_get_int(v, "spec.groupPriorityMinimum", 0), 1000);
    CHECK_STRZ(json_get_str(json_item(json_path(v, "status.conditions"), 0), "reason"), "Local");
    world_json(&w, "DELETE", SERVICES "/v1.example.com", NULL, 200);
    world_run(&w, NS_PER_S);
    world_json(&w, "GET", SERVICES "/v1.example.com", NULL, 200);
    world_json(&w, "DELETE",
               "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com", NULL,
               200);
    world_run(&w, NS_PER_S);
    CHECK_INT(world_status(&w, "GET", SERVICES "/v1.example.com", NULL), 404);
    world_fini(&w);
}

TEST_MAIN
