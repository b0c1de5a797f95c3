/* access_test.c - who may do what: tokens, certificates, impersonation, roles, nodes. */
#include "api/authz_config.h"
#include "test/api/world.h"

#define RBAC "/apis/rbac.authorization.k8s.io/v1"
#define PODS "/api/v1/namespaces/default/pods"

static int as(struct world *w, const char *method, const char *path, const char *body,
              const char *headers, struct json **ret)
{
    struct call *c = world_call(w, method, path, body, headers);
    int status = c->status;

    if (ret)
        *ret = call_json(c);
    call_free(c);
    return status;
}

static void with_front_proxy(struct world *w, struct api_options *o)
{
    o->request_header.allowed_names = S("x,front-proxy-client");
}

TEST(access, is_refused_in_kubernetes_words)
{
    struct world w;
    struct json *v;

    world_init(&w);
    CHECK_INT(as(&w, "GET", PODS, NULL, "Authorization: Bearer nosuch", &v), 401);
    CHECK_STRZ(json_get_str(v, "message"), "Unauthorized");
    CHECK_INT(as(&w, "GET", PODS, NULL, "Authorization: Bearer alice-token", &v), 403);
    CHECK_STRZ(json_get_str(v, "message"),
               "pods is forbidden: User \"alice\" cannot list resource \"pods\" in API group \"\" "
               "in the namespace \"default\"");
    CHECK_INT(as(&w, "GET", "/metrics", NULL, "Authorization: none", &v), 403);
    CHECK_STRZ(json_get_str(v, "message"),
               "forbidden: User \"system:anonymous\" cannot get path \"/metrics\"");
    CHECK_INT(as(&w, "GET", "/version", NULL, "Authorization: none", NULL), 200);
    world_fini(&w);
}

TEST(access, is_as_a_front_proxy_says_and_nobody_else)
{
    static const char *const who = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    static const char *const said = "Authorization: none\nX-Remote-User: bob\nx-remote-uid: 42\n"
                                    "X-Remote-Group: devs\nX-Remote-Group: \n"
                                    "x-remote-group: ops\nX-Remote-Extra-Acme.com%2fTeam: a\n"
                                    "X-Remote-Extra-Acme.com%2FTeam: b";
    static const struct {
        bool front, verified;
        const char *cn, *headers;
        int status;
        const char *user;
    } cases[] = {
        {true, false, "front-proxy-client", said, 201, "bob"},
        {true, false, "other", said, 401, ""}, /* not of the names that are allowed */
        {false, false, "front-proxy-client", said, 401, ""},
        {false, true, "carol", said, 201, "carol"}, /* who can only speak for herself */
        {true, false, "front-proxy-client", "Authorization: none", 401, ""},
        {false, false, "stranger", "Authorization: Bearer alice-token", 201, "alice"},
        {false, true, "", "Authorization: none", 401, ""},
    };
    struct world w;
    struct json *v;

    world_init_with(&w, with_front_proxy);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        w.peer = (struct http_peer){.tls = true,
                                    .cert_front_verified = cases[i].front,
                                    .cert_verified = cases[i].verified,
                                    .cert_common_name = str_of(cases[i].cn),
                                    .cert_der_hash = S("00")};
        CHECK_INT(as(&w, "POST", who, "{}", cases[i].headers, &v), cases[i].status);
        CHECK_STRZ(json_get_str(v, "status.userInfo.username"), cases[i].user);
        if (i == 0) {
            CLEANUP(buf) struct buf b = BUF_INIT;

            json_encode(&b, json_path(v, "status.userInfo"));
            CHECK_STRZ(buf_view(&b), "{\"username\":\"bob\",\"uid\":\"42\",\"groups\":[\"devs\","
                                     "\"ops\",\"system:authenticated\"],\"extra\":{\"acme.com/"
                                     "team\":[\"a\",\"b\"]}}");
        }
    }
    w.peer = (struct http_peer){.tls = true};
    CHECK_INT(as(&w, "POST", who, "{}", said, &v), 403); /* of system:anonymous */
    world_fini(&w);
}

static void deny_then_allow(struct world *w, struct api_options *o)
{
    o->authorization_config =
        S("apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\nauthorizers:\n"
          "- {type: AlwaysDeny, name: d}\n- {type: RBAC, name: r}\n");
}

static void allow_all(struct world *w, struct api_options *o)
{
    o->authorization_modes = S("RBAC,AlwaysAllow");
}

TEST(access, of_nobody_known_is_the_last_on_its_http2_connection)
{
    static const struct {
        int version;
        const char *headers;
        bool last;
    } cases[] = {{20, "Authorization: none", true},
                 {20, "Authorization: Bearer nosuch", true},
                 {20, "Authorization: Bearer alice-token", false},
                 {11, "Authorization: none", false}};
    struct world w;

    world_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct call *c;

        w.http_version = cases[i].version;
        c = world_call(&w, "GET", "/version", NULL, cases[i].headers);
        CHECK(c->ex.last == cases[i].last);
        call_free(c);
    }
    world_fini(&w);
}

TEST(access, is_decided_by_the_authorizers_that_are_named)
{
    struct world w;
    struct json *v;

    world_init_with(&w, deny_then_allow);
    CHECK_INT(as(&w, "GET", PODS, NULL, "Authorization: Bearer alice-token", &v), 403);
    CHECK_STRZ(json_get_str(v, "message"),
               "pods is forbidden: User \"alice\" cannot list resource \"pods\" in API group \"\" "
               "in the namespace \"default\": Everything is forbidden.");
    CHECK_INT(as(&w, "GET", "/api", NULL, "Authorization: Bearer alice-token", NULL), 200);
    CHECK_INT(as(&w, "GET", PODS, NULL, NULL, NULL), 200); /* masters */
    world_fini(&w);
    world_init_with(&w, allow_all);
    CHECK_INT(as(&w, "GET", PODS, NULL, "Authorization: Bearer alice-token", NULL), 200);
    CHECK_INT(as(&w, "GET", "/version", NULL, "Authorization: none", NULL), 401);
    world_fini(&w);
}

TEST(access, says_what_is_wrong_with_a_list_of_authorizers)
{
#define AUTHORIZERS                                                                                \
    "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\nauthorizers:"
    static const struct {
        const char *yaml, *modes, *wrong;
    } cases[] = {
        {AUTHORIZERS " [{type: Node, name: node}, {type: RBAC, name: rbac}]", NULL, ""},
        {AUTHORIZERS " []", NULL,
         "authorizers: Required value: at least one authorization mode must be defined"},
        {AUTHORIZERS
         " [{name: none}, {type: Foo}, {type: RBAC}, {type: RBAC, name: x}, {type: Node, "
         "name: A_, webhook: {}}]",
         NULL,
         "[authorizers[0].type: Required value, authorizers[1].type: Unsupported value: \"Foo\": "
         "supported values: \"ABAC\", \"AlwaysAllow\", \"AlwaysDeny\", \"Node\", \"RBAC\", "
         "\"Webhook\", authorizers[2].name: Required value, authorizers[3].type: Duplicate value: "
         "\"RBAC\", authorizers[4].name: Invalid value: \"A_\": authorizer name is invalid: a "
         "lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
         "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex "
         "used for validation is "
         "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), "
         "authorizers[4].webhook: Invalid value: \"non-null\": may only be specified when "
         "type=Webhook]"},
        {AUTHORIZERS " [{type: Webhook, name: w, webhook: {timeout: 3s}}]", NULL,
         "authorizers of type Webhook are not supported"},
        {NULL, "RBAC,Foo", "authorization-mode \"Foo\" is not a valid mode"},
        {NULL, "RBAC,RBAC", "authorization-mode \"RBAC,RBAC\" has mode specified more than once"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct authz_config c;
        struct err *e = cases[i].yaml ? authz_config_parse(str_of(cases[i].yaml), &c)
                                      : authz_config_of_flag(str_of(cases[i].modes), &c);

        CHECK_STRZ(str_of(e ? err_text(e) : ""), cases[i].wrong);
        err_free(e);
    }
}

TEST(access, follows_roles_as_soon_as_they_are_bound)
{
    struct world w;
    struct json *v;

    world_init(&w);
    world_json(&w, "POST", RBAC "/namespaces/default/roles",
               "{\"metadata\":{\"name\":\"r\"},\"rules\":[{\"apiGroups\":[\"\"],\"resources\":["
               "\"pods\"],\"verbs\":[\"list\"]}]}",
               201);
    world_json(&w, "POST", RBAC "/namespaces/default/rolebindings",
               "{\"metadata\":{\"name\":\"b\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s."
               "io\",\"kind\":\"Role\",\"name\":\"r\"},\"subjects\":[{\"kind\":\"User\","
               "\"apiGroup\":\"rbac.authorization.k8s.io\",\"name\":\"alice\"}]}",
               201);
    CHECK_INT(as(&w, "GET", PODS, NULL, "Authorization: Bearer alice-token", NULL), 200);
    CHECK_INT(as(&w, "GET", "/api/v1/pods", NULL, "Authorization: Bearer alice-token", NULL), 403);
    CHECK_INT(as(&w, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                 "{\"spec\":{\"resourceAttributes\":{\"namespace\":\"default\",\"verb\":\"list\","
                 "\"resource\":\"pods\"}}}",
                 "Impersonate-User: alice", &v),
              201);
    CHECK(json_get_bool(v, "status.allowed", false));
    CHECK_STRZ(json_get_str(v, "status.reason"),
               "RBAC: allowed by RoleBinding \"b/default\" of Role \"r\" to User \"alice\"");
    CHECK_INT(world_status(&w, "DELETE", RBAC "/namespaces/default/rolebindings/b", NULL), 200);
    CHECK_INT(as(&w, "GET", PODS, NULL, "Authorization: Bearer alice-token", NULL), 403);
    world_fini(&w);
}

TEST(access, cannot_be_given_by_one_who_has_it_not)
{
    struct world w;
    struct json *v;

    world_init(&w);
    world_json(&w, "POST", RBAC "/clusterroles",
               "{\"metadata\":{\"name\":\"granter\"},\"rules\":[{\"apiGroups\":[\"rbac."
               "authorization.k8s.io\"],\"resources\":[\"rolebindings\"],\"verbs\":[\"*\"]}]}",
               201);
    world_json(&w, "POST", RBAC "/namespaces/default/rolebindings",
               "{\"metadata\":{\"name\":\"g\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s."
               "io\",\"kind\":\"ClusterRole\",\"name\":\"granter\"},\"subjects\":[{\"kind\":"
               "\"User\",\"apiGroup\":\"rbac.authorization.k8s.io\",\"name\":\"alice\"}]}",
               201);
    CHECK_INT(as(&w, "POST", RBAC "/namespaces/default/rolebindings",
                 "{\"metadata\":{\"name\":\"x\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization."
                 "k8s.io\",\"kind\":\"ClusterRole\",\"name\":\"cluster-admin\"},\"subjects\":[]}",
                 "Authorization: Bearer alice-token", &v),
              403);
    CHECK(str_find(json_get_str(v, "message"),
                   S("is attempting to grant RBAC permissions not currently "
                     "held:\n{APIGroups:[\"*\"], Resources:[\"*\"], Verbs:[\"*\"]}")) > 0);
    world_fini(&w);
}

TEST(tokens, live_as_long_as_what_they_are_bound_to)
{
    struct world w;
    struct json *v;
    char header[4096];

    world_init(&w);
    world_json(&w, "POST", "/api/v1/namespaces/default/serviceaccounts",
               "{\"metadata\":{\"name\":\"sa\"}}", 201);
    v = world_json(&w, "POST", "/api/v1/namespaces/default/serviceaccounts/sa/token",
                   "{\"spec\":{\"expirationSeconds\":600}}", 201);
    snprintf(header, sizeof header, "Authorization: Bearer " PRI_STR,
             STR_ARG(json_get_str(v, "status.token")));
    CHECK_INT(as(&w, "GET", PODS, NULL, header, &v), 403);
    CHECK(str_find(json_get_str(v, "message"), S("User \"system:serviceaccount:default:sa\"")) > 0);
    world_run(&w, 700 * NS_PER_S);
    CHECK_INT(as(&w, "GET", PODS, NULL, header, NULL), 401); /* expired */
    v = world_json(&w, "POST", "/api/v1/namespaces/default/serviceaccounts/sa/token",
                   "{\"spec\":{}}", 201);
    snprintf(header, sizeof header, "Authorization: Bearer " PRI_STR,
             STR_ARG(json_get_str(v, "status.token")));
    CHECK_INT(as(&w, "GET", PODS, NULL, header, NULL), 403);
    CHECK_INT(world_status(&w, "DELETE", "/api/v1/namespaces/default/serviceaccounts/sa", NULL),
              200);
    CHECK_INT(as(&w, "GET", PODS, NULL, header, NULL), 401); /* its account is gone */
    world_fini(&w);
}

TEST(nodes, change_only_themselves)
{
    static const char me[] = "Impersonate-User: system:node:n1\nImpersonate-Group: system:nodes";
    struct world w;

    world_init(&w);
    CHECK_INT(as(&w, "POST", "/api/v1/nodes", "{\"metadata\":{\"name\":\"n1\"}}", me, NULL), 201);
    CHECK_INT(as(&w, "POST", "/api/v1/nodes", "{\"metadata\":{\"name\":\"n2\"}}", me, NULL), 403);
    CHECK_INT(as(&w, "GET", "/api/v1/namespaces/default/secrets/x", NULL, me, NULL), 403);
    world_fini(&w);
}

TEST(services, get_an_address_and_give_it_back)
{
    struct world w;
    struct json *v;
    char body[256];

    world_init(&w);
    v = world_json(&w, "POST", "/api/v1/namespaces/default/services",
                   "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{"
                   "\"port\":80}]}}",
                   201);
    CHECK(str_has_prefix(json_get_str(v, "spec.clusterIP"), S("10.96.")));
    CHECK(json_get_int(json_item(json_path(v, "spec.ports"), 0), "nodePort", 0) >= 30000);
    snprintf(body, sizeof body,
             "{\"metadata\":{\"name\":\"t\"},\"spec\":{\"clusterIP\":\"" PRI_STR
             "\",\"ports\":[{\"port\":80}]}}",
             STR_ARG(json_get_str(v, "spec.clusterIP")));
    CHECK_INT(world_status(&w, "POST", "/api/v1/namespaces/default/services", body), 422);
    CHECK_INT(world_status(&w, "DELETE", "/api/v1/namespaces/default/services/s", NULL), 200);
    CHECK_INT(world_status(&w, "POST", "/api/v1/namespaces/default/services", body), 201);
    world_fini(&w);
}

#define SA "/api/v1/namespaces/default/serviceaccounts"

TEST(pod_security, refuses_by_the_namespaces_labels)
{
    struct world w;
    struct json *v;

    world_init(&w);
    world_json(&w, "POST", SA, "{\"metadata\":{\"name\":\"default\"}}", 201);
    world_json(&w, "PATCH", "/api/v1/namespaces/default",
               "{\"metadata\":{\"labels\":{\"pod-security.kubernetes.io/enforce\":\"baseline\"}}}",
               200);
    v = world_json(&w, "POST", PODS,
                   "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"hostNetwork\":true,\"containers\":[{"
                   "\"name\":\"c\",\"image\":\"i\"}]}}",
                   403);
    CHECK_STRZ(json_get_str(v, "message"),
               "pods \"p\" is forbidden: violates PodSecurity \"baseline:latest\": host namespaces "
               "(hostNetwork=true)");
    world_json(&w, "POST", PODS,
               "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":"
               "\"i\"}]}}",
               201);
    v = world_json(&w, "PATCH", "/api/v1/namespaces/default",
                   "{\"metadata\":{\"labels\":{\"pod-security.kubernetes.io/enforce\":\"bogus\"}}}",
                   422);
    world_fini(&w);
}

TEST(eviction, respects_the_budget)
{
    struct world w;
    struct json *v;

    world_init(&w);
    world_json(&w, "POST", SA, "{\"metadata\":{\"name\":\"default\"}}", 201);
    world_json(&w, "POST", PODS,
               "{\"metadata\":{\"name\":\"p\",\"labels\":{\"a\":\"b\"}},\"spec\":{\"nodeName\":"
               "\"n\",\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
               201);
    world_json(&w, "PATCH", PODS "/p/status",
               "{\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":"
               "\"True\"}]}}",
               200);
    world_json(&w, "POST", "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
               "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"minAvailable\":1,\"selector\":{"
               "\"matchLabels\":{\"a\":\"b\"}}}}",
               201);
    v = world_json(
        &w, "POST", PODS "/p/eviction",
        "{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{\"name\":\"p\"}}", 429);
    CHECK_STRZ(json_get_str(v, "message"),
               "Cannot evict pod as it would violate the pod's disruption budget.");
    world_json(&w, "PATCH", "/apis/policy/v1/namespaces/default/poddisruptionbudgets/b/status",
               "{\"status\":{\"observedGeneration\":1,\"disruptionsAllowed\":1,\"currentHealthy\":"
               "2,\"desiredHealthy\":1,\"expectedPods\":2}}",
               200);
    world_json(&w, "POST", PODS "/p/eviction",
               "{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{\"name\":\"p\"}}",
               201);
    v = world_json(&w, "GET", "/apis/policy/v1/namespaces/default/poddisruptionbudgets/b", NULL,
                   200);
    CHECK_INT(json_get_int(v, "status.disruptionsAllowed", -1), 0);
    CHECK(json_path(world_json(&w, "GET", PODS "/p", NULL, 200), "metadata.deletionTimestamp") !=
          NULL);
    world_fini(&w);
}

TEST(binding, gives_a_pod_its_node_once)
{
    static const char body[] = "{\"apiVersion\":\"v1\",\"kind\":\"Binding\",\"metadata\":{\"name\":"
                               "\"p\"},\"target\":{\"kind\":\"Node\",\"name\":\"n1\"}}";
    struct world w;
    struct json *v;

    world_init(&w);
    world_json(&w, "POST", SA, "{\"metadata\":{\"name\":\"default\"}}", 201);
    world_json(&w, "POST", PODS,
               "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":"
               "\"i\"}]}}",
               201);
    v = world_json(&w, "POST", PODS "/p/binding",
                   "{\"metadata\":{\"name\":\"p\",\"namespace\":\"other\"},\"target\":{\"kind\":"
                   "\"Node\",\"name\":\"n1\"}}",
                   400);
    CHECK_STRZ(json_get_str(v, "message"), "the namespace of the provided object does not match "
                                           "the namespace sent on the request");
    CHECK_INT(world_status(&w, "POST", PODS "/p/eviction",
                           "{\"metadata\":{\"name\":\"p\",\"namespace\":\"other\"}}"),
              400);
    v = world_json(&w, "GET", PODS "/p", NULL, 200);
    json_setz(w.arena, json_findz(v, "status"), "nominatedNodeName", json_z("n1"));
    {
        CLEANUP(buf) struct buf nominated = BUF_INIT;

        json_encode(&nominated, v);
        v = world_json(&w, "PUT", PODS "/p/status", buf_cstr(&nominated), 200);
        CHECK_STRZ(json_get_str(v, "status.nominatedNodeName"), "n1");
    }
    CHECK_INT(world_status(&w, "POST", PODS "/p/binding", body), 201);
    v = world_json(&w, "GET", PODS "/p", NULL, 200);
    CHECK_STRZ(json_get_str(v, "spec.nodeName"), "n1");
    CHECK(!json_path(v, "status.nominatedNodeName")); /* the binding has made it pointless */
    CHECK_INT(
        json_count(json_path(
            world_json(&w, "GET", PODS "?fieldSelector=spec.nodeName%3Dn1", NULL, 200), "items")),
        1);
    CHECK_INT(world_status(&w, "POST", PODS "/p/binding", body), 409);
    world_fini(&w);
}

TEST(discovery, tells_what_is_served_in_both_forms)
{
    struct world w;
    struct call *c;
    struct json *v;

    world_init(&w);
    v = world_json(&w, "GET", "/apis", NULL, 200);
    CHECK_STRZ(json_get_str(v, "kind"), "APIGroupList");
    v = world_json(&w, "GET", "/apis/apps/v1", NULL, 200);
    CHECK_STRZ(json_get_str(v, "groupVersion"), "apps/v1");
    c = world_call(&w, "GET", "/apis", NULL,
                   "Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    CHECK_STRZ(json_get_str(call_json(c), "kind"), "APIGroupDiscoveryList");
    CHECK(call_header(c, "ETag").n > 10);
    call_free(c);
    CHECK_INT(world_status(&w, "PUT", "/api/v1/pods", "{}"), 405);
    CHECK_INT(world_status(&w, "GET", "/api/v1/nosuch", NULL), 404);
    CHECK_INT(world_status(&w, "GET", "/readyz", NULL), 200);
    world_fini(&w);
}

TEST(forms, follow_the_accept_header)
{
    struct world w;
    struct call *c;

    world_init(&w);
    c = world_call(&w, "GET", "/api/v1/namespaces", NULL,
                   "Accept: application/json;as=Table;v=v1;g=meta.k8s.io,application/json");
    CHECK_STRZ(json_get_str(call_json(c), "kind"), "Table");
    call_free(c);
    c = world_call(&w, "GET", "/api/v1/namespaces/default", NULL, "Accept: application/yaml");
    CHECK(str_find(buf_view(&c->body), S("kind: Namespace\n")) >= 0);
    call_free(c);
    c = world_call(&w, "GET", "/api/v1/namespaces/default", NULL,
                   "Accept: application/vnd.kubernetes.protobuf");
    CHECK(str_has_prefix(buf_view(&c->body), (str){"k8s\0", 4}));
    call_free(c);
    c = world_call(&w, "GET", "/api/v1/namespaces/default", NULL, "Accept: text/plain");
    CHECK_INT(c->status, 406);
    call_free(c);
    world_fini(&w);
}

/* The frame of a watch: four bytes of length, then type and object of the event without an envelope. */
TEST(forms, a_protobuf_watch_has_bare_events_around_enveloped_objects)
{
    static const char head[] = "\n\5ADDED\22"; /* field 1: the type; field 2: the object */
    struct world w;
    struct call *c;
    str body;

    world_init(&w);
    c = world_call(&w, "GET",
                   "/api/v1/namespaces?watch=true&resourceVersion=0&timeoutSeconds=1&fieldSelector="
                   "metadata.name%3Ddefault",
                   NULL, "Accept: application/vnd.kubernetes.protobuf");
    body = buf_view(&c->body);
    CHECK(body.n > 20);
    CHECK_INT((size_t)(unsigned char)body.p[2] << 8 | (unsigned char)body.p[3], body.n - 4);
    CHECK(str_has_prefix(str_skip(body, 4), (str){head, sizeof head - 1}));
    CHECK(str_find(str_slice(body, 12, 24), (str){"k8s\0", 4}) >= 0);
    call_free(c);
    world_fini(&w);
}

TEST_MAIN
