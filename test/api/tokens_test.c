/* tokens_test.c - bearer tokens and certificate requests: whose they are, and when they stop. */
#include "test/api/world.h"

#define ACCOUNTS "/api/v1/namespaces/default/serviceaccounts"
#define CSRS "/apis/certificates.k8s.io/v1/certificatesigningrequests"
#define REVIEWS "/apis/authentication.k8s.io/v1/tokenreviews"
#define SELF "/apis/authentication.k8s.io/v1/selfsubjectreviews"

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

static const char *bearer(struct world *w, str token)
{
    return arena_dupz(w->arena,
                      arena_fmt(w->arena, "Authorization: Bearer " PRI_STR, STR_ARG(token)));
}

static str token_for(struct world *w, const char *spec)
{
    return json_get_str(world_json(w, "POST", ACCOUNTS "/sa/token",
                                   arena_dupz(w->arena, arena_fmt(w->arena, "{\"spec\":%s}", spec)),
                                   201),
                        "status.token");
}

static struct json *review(struct world *w, str token, const char *audiences)
{
    return json_findz(world_json(w, "POST", REVIEWS,
                                 arena_dupz(w->arena, arena_fmt(w->arena,
                                                                "{\"spec\":{\"token\":\"" PRI_STR
                                                                "\",\"audiences\":%s}}",
                                                                STR_ARG(token), audiences)),
                                 201),
                      "status");
}

static void start(struct world *w)
{
    world_init(w);
    world_json(w, "POST", ACCOUNTS, "{\"metadata\":{\"name\":\"sa\"}}", 201);
}

TEST(tokens, tell_in_a_review_why_they_are_refused)
{
    struct world w;
    struct json *v;
    str token;

    start(&w);
    token = token_for(&w, "{\"expirationSeconds\":600,\"audiences\":[\"a\",\"b\"]}");
    v = review(&w, token, "[\"b\",\"c\"]");
    CHECK(json_get_bool(v, "authenticated", false));
    CHECK_INT(json_count(json_findz(v, "audiences")), 1);
    CHECK_STRZ(json_str(json_item(json_findz(v, "audiences"), 0)), "b");
    v = review(&w, token, "null");
    CHECK_STRZ(json_get_str(v, "error"),
               "[invalid bearer token, token audiences [\"a\" \"b\"] is invalid for the target "
               "audiences [\"https://kubernetes.default.svc.cluster.local\"]]");
    world_run(&w, 655 * NS_PER_S);
    CHECK(json_get_bool(review(&w, token, "[\"a\"]"), "authenticated", false)); /* clocks differ */
    world_run(&w, 10 * NS_PER_S);
    CHECK_STRZ(json_get_str(review(&w, token, "[\"a\"]"), "error"),
               "[invalid bearer token, service account token has expired]");
    CHECK_STRZ(json_get_str(review(&w, S("admin-token"), "[\"elsewhere\"]"), "error"),
               "invalid bearer token");
    CHECK(json_get_bool(review(&w, S("admin-token"), "null"), "authenticated", false));
    world_fini(&w);
}

TEST(tokens, of_a_pod_tell_pod_and_node_and_end_with_the_pod)
{
    struct world w;
    struct json *v, *extra;
    str token;

    start(&w);
    world_json(&w, "POST", "/api/v1/nodes", "{\"metadata\":{\"name\":\"n1\"}}", 201);
    world_json(&w, "POST", "/api/v1/namespaces/default/pods",
               "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"serviceAccountName\":\"sa\","
               "\"nodeName\":\"n1\",\"terminationGracePeriodSeconds\":0,\"containers\":[{\"name\":"
               "\"c\",\"image\":\"i\"}]}}",
               201);
    world_json(&w, "POST", ACCOUNTS, "{\"metadata\":{\"name\":\"other\"}}", 201);
    CHECK_INT(as(&w, "POST", ACCOUNTS "/other/token",
                 "{\"spec\":{\"boundObjectRef\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"name\":"
                 "\"p\"}}}",
                 NULL, &v),
              400);
    CHECK_STRZ(json_get_str(v, "message"),
               "cannot bind token for serviceaccount \"other\" to pod running with different "
               "serviceaccount name.");
    CHECK_INT(as(&w, "POST", ACCOUNTS "/other/token",
                 "{\"spec\":{\"boundObjectRef\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\"}}}", NULL,
                 &v),
              400);
    CHECK_STRZ(json_get_str(v, "message"), "Name parameter required.");
    token = token_for(&w, "{\"expirationSeconds\":3607,\"boundObjectRef\":{\"kind\":\"Pod\","
                          "\"apiVersion\":\"v1\",\"name\":\"p\"}}");
    CHECK_INT(as(&w, "POST", SELF, "{}", bearer(&w, token), &v), 201);
    extra = json_path(v, "status.userInfo.extra");
    CHECK_STRZ(json_str(json_item(json_find(extra, S("authentication.kubernetes.io/pod-name")), 0)),
               "p");
    CHECK_STRZ(
        json_str(json_item(json_find(extra, S("authentication.kubernetes.io/node-name")), 0)),
        "n1");
    world_run(&w, 7200 * NS_PER_S); /* what a kubelet asks for is good for a year */
    CHECK_INT(as(&w, "POST", SELF, "{}", bearer(&w, token), NULL), 201);
    CHECK_INT(world_status(&w, "DELETE", "/api/v1/namespaces/default/pods/p", NULL), 200);
    CHECK_INT(as(&w, "POST", SELF, "{}", bearer(&w, token), NULL), 401);
    world_fini(&w);
}

TEST(tokens, are_not_for_an_account_of_another_uid)
{
    struct world w;
    struct json *v;
    const char *uid;

    start(&w);
    uid = arena_dupz(
        w.arena, json_get_str(world_json(&w, "GET", ACCOUNTS "/sa", NULL, 200), "metadata.uid"));
    CHECK_INT(as(&w, "POST", ACCOUNTS "/sa/token", "{\"metadata\":{\"uid\":\"wrong\"}}", NULL, &v),
              409);
    CHECK_STRZ(
        json_get_str(v, "message"),
        arena_dupz(w.arena, arena_fmt(w.arena,
                                      "Operation cannot be fulfilled on "
                                      "TokenRequest.authentication.k8s.io \"sa\": the UID in the "
                                      "token request (wrong) does not match the UID of the service "
                                      "account (%s)",
                                      uid)));
    CHECK_INT(as(&w, "POST", ACCOUNTS "/sa/token",
                 arena_dupz(w.arena, arena_fmt(w.arena, "{\"metadata\":{\"uid\":\"%s\"}}", uid)),
                 NULL, NULL),
              201);
    world_fini(&w);
}

TEST(tokens, are_for_kubelets_only_when_a_pod_of_theirs_is_named)
{
    struct world w;
    struct json *v;

    start(&w);
    world_json(&w, "POST", "/api/v1/nodes", "{\"metadata\":{\"name\":\"n1\"}}", 201);
    world_json(&w, "POST", "/api/v1/namespaces/default/pods",
               "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"serviceAccountName\":\"sa\","
               "\"nodeName\":\"n1\",\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
               201);
    CHECK_INT(as(&w, "POST", ACCOUNTS "/sa/token", "{\"spec\":{}}",
                 "Authorization: Bearer node-token", &v),
              403);
    CHECK_STRZ(json_get_str(v, "message"),
               "serviceaccounts \"sa\" is forbidden: node requested token not bound to a pod");
    world_fini(&w);
}

static struct buf late_key;

static void without_key(struct world *w, struct api_options *o)
{
    buf_clear(&late_key);
    buf_str(&late_key, o->service_account_key_pem);
    o->service_account_key_pem = S("");
    o->token_max_expiration_ns = 3600 * NS_PER_S;
}

TEST(tokens, wait_for_the_key_that_a_new_cluster_makes)
{
    struct world w;
    struct call *first, *second;
    struct json *v;

    world_init_with(&w, without_key);
    world_json(&w, "POST", ACCOUNTS, "{\"metadata\":{\"name\":\"sa\"}}", 201);
    first = world_open(&w, "POST", ACCOUNTS "/sa/token", "{\"spec\":{\"expirationSeconds\":7200}}",
                       NULL);
    second = world_open(&w, "POST", ACCOUNTS "/sa/token", "{\"spec\":{}}", NULL);
    world_run(&w, NS_PER_S);
    CHECK(!first->ended && !second->ended);
    call_free(second); /* goes away before */
    CHECK_OK(api_set_service_account_key(w.api, buf_view(&late_key)));
    world_run(&w, NS_PER_S);
    CHECK_INT(first->status, 201);
    CHECK_STRZ(call_header(first, "Warning"), "299 - \"requested expiration of 7200 seconds "
                                              "shortened to 3600 seconds\"");
    v = call_json(first);
    CHECK_INT(json_get_int(v, "spec.expirationSeconds", 0), 3600);
    CHECK_INT(as(&w, "POST", SELF, "{}", bearer(&w, json_get_str(v, "status.token")), NULL), 201);
    call_free(first);
    buf_fini(&late_key);
    world_fini(&w);
}

#define BOOTSTRAP(usage, expiration)                                                               \
    "{\"metadata\":{\"name\":\"bootstrap-token-abcdef\"},\"type\":\"bootstrap.kubernetes.io/"      \
    "token\",\"stringData\":{\"token-id\":\"abcdef\",\"token-secret\":\"0123456789abcdef\","       \
    "\"usage-bootstrap-authentication\":\"" usage "\",\"expiration\":\"" expiration "\","          \
    "\"auth-extra-groups\":\"system:bootstrappers:kubeadm:default-node-token\"}}"

TEST(tokens, of_bootstrap_secrets_are_good_until_they_expire)
{
    static const char *const header = "Authorization: Bearer abcdef.0123456789abcdef";
    static const char *const secret = "/api/v1/namespaces/kube-system/secrets";
    struct world w;
    struct json *v;

    world_init(&w);
    CHECK_INT(as(&w, "GET", "/api", NULL, header, NULL), 401);
    world_json(&w, "POST", secret, BOOTSTRAP("true", "2026-09-21T15:13:20Z"), 201);
    CHECK_INT(as(&w, "POST", SELF, "{}", header, &v), 201);
    CHECK_STRZ(json_get_str(v, "status.userInfo.username"), "system:bootstrap:abcdef");
    CHECK_INT(json_count(json_path(v, "status.userInfo.groups")), 3);
    CHECK_INT(as(&w, "GET", "/api", NULL, "Authorization: Bearer abcdef.0123456789abcdeg", NULL),
              401);
    world_run(&w, 4000 * NS_PER_S);
    CHECK_INT(as(&w, "GET", "/api", NULL, header, NULL), 401);
    world_fini(&w);
}

/* EC P-256, subjects "/O=devs/CN=jane" and "/O=system:masters/CN=eve". */
#define JANE                                                                                       \
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIWk1JR0FBZ0VBTUI0eERU"                     \
    "QUxCZ05WQkFvTUJHUmxkbk14RFRBTEJnTlZCQU1NQkdwaGJtVXdXVEFUQmdjcQpoa2pPUFFJ"                     \
    "QkJnZ3Foa2pPUFFNQkJ3TkNBQVN2a2VZQUpEdllETzV2aXZHT3Z4MU9jYXRuNkcrZlhUYTRv"                     \
    "ODRaCnRvQVJZbzhWRUxMWE80b1NZUDRJcVpmS0RBeU9QWHZTSkxNT0VUMUxkcnFtT1Jham9B"                     \
    "QXdDZ1lJS29aSXpqMEUKQXdJRFNBQXdSUUlnTzZjVzJIb3ZlTEdkdjJidVkzTGJ2SlQrSnlZ"                     \
    "bHpqU1lwWno1OG9lRWFyNENJUURseTVwWgpZMC8xbk5oV1NtWlh4SWFzZ2NmeENxbFRoc29U"                     \
    "WFFZUXdUVCtxdz09Ci0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo="
#define EVE                                                                                        \
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIaU1JR0pBZ0VBTUNjeEZ6"                     \
    "QVZCZ05WQkFvTURuTjVjM1JsYlRwdFlYTjBaWEp6TVF3d0NnWURWUVFEREFObApkbVV3V1RB"                     \
    "VEJnY3Foa2pPUFFJQkJnZ3Foa2pPUFFNQkJ3TkNBQVNMNG9zaGpROE9ubXZDdU8wZVkralRk"                     \
    "czUzCmxUaVZyTFh1eGo2cXN1LzU1QWRXS3dpejNnQ0ZNQW1PeW9HRXJ1L3NmRFRGc25ySnBr"                     \
    "d0cyYXRPMFByRm9BQXcKQ2dZSUtvWkl6ajBFQXdJRFNBQXdSUUlnSkg1ZThtclhpeTFZMXVt"                     \
    "UnJ2SmptbEJkLzUwNUYvNE1yeFdNU0REbApTcFlDSVFEVWpiMjd1OEJOMjRvNHFscy90UVZH"                     \
    "eDdONDU5ckloLzFPTUxmVFprQWJTdz09Ci0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1Qt"                     \
    "LS0tLQo="
#define CSR(name, request, signer)                                                                 \
    "{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"request\":\"" request                       \
    "\",\"signerName\":\"" signer "\",\"usages\":[\"client auth\"]}}"
#define CONDITION(type)                                                                            \
    "{\"type\":\"" type "\",\"status\":\"True\",\"reason\":\"R\",\"message\":\"m\"}"
#define CONDITIONS(list) "{\"metadata\":{\"name\":\"x\"},\"status\":{\"conditions\":[" list "]}}"

static str message(struct world *w, const char *method, const char *path, const char *body,
                   int want_status)
{
    struct json *v;

    CHECK_INT(as(w, method, path, body, NULL, &v), want_status);
    return json_get_str(v, "message");
}

TEST(csr, keeps_its_conditions_and_has_only_certificates)
{
    struct world w;

    world_init(&w);
    CHECK_STRZ(message(&w, "POST", CSRS, CSR("x", "eA==", "example.test/s"), 422),
               "CertificateSigningRequest.certificates.k8s.io \"x\" is invalid: spec.request: "
               "Invalid value: \"eA==\": PEM block type must be CERTIFICATE REQUEST");
    CHECK_STRZ(message(&w, "POST", CSRS, CSR("x", JANE, "nodots/s"), 422),
               "CertificateSigningRequest.certificates.k8s.io \"x\" is invalid: spec.signerName: "
               "Invalid value: \"nodots\": should be a domain with at least two segments separated "
               "by dots");
    world_json(&w, "POST", CSRS, CSR("x", JANE, "example.test/s"), 201);
    world_json(&w, "PUT", CSRS "/x/approval", CONDITIONS(CONDITION("Approved")), 200);
    CHECK_STRZ(message(&w, "PUT", CSRS "/x/approval", CONDITIONS(""), 422),
               "CertificateSigningRequest.certificates.k8s.io \"x\" is invalid: "
               "status.conditions: Forbidden: updates may not remove a condition of type "
               "\"Approved\"");
    CHECK_STRZ(message(&w, "PUT", CSRS "/x/approval",
                       CONDITIONS(CONDITION("Approved") "," CONDITION("Denied")), 422),
               "CertificateSigningRequest.certificates.k8s.io \"x\" is invalid: "
               "status.conditions: Invalid value: \"Denied\": Approved and Denied conditions are "
               "mutually exclusive");
    CHECK_STRZ(message(&w, "PUT", CSRS "/x/status",
                       "{\"metadata\":{\"name\":\"x\"},\"status\":{\"certificate\":\"eA==\","
                       "\"conditions\":[" CONDITION("Approved") "]}}",
                       422),
               "CertificateSigningRequest.certificates.k8s.io \"x\" is invalid: "
               "status.certificate: Invalid value: \"<certificate data>\": must contain at least "
               "one CERTIFICATE PEM block");
    world_fini(&w);
}

TEST(csr, is_approved_only_by_who_may_for_the_signer_and_never_makes_a_master)
{
    struct world w;
    struct json *v;

    world_init(&w);
    CHECK_STRZ(message(&w, "POST", CSRS, CSR("e", EVE, "kubernetes.io/kube-apiserver-client"), 403),
               "certificatesigningrequests.certificates.k8s.io \"e\" is forbidden: use of "
               "kubernetes.io/kube-apiserver-client signer with system:masters group is not "
               "allowed");
    world_json(&w, "POST", CSRS, CSR("x", JANE, "example.test/s"), 201);
    world_json(&w, "POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles",
               "{\"metadata\":{\"name\":\"a\"},\"rules\":[{\"apiGroups\":[\"certificates.k8s.io\"],"
               "\"resources\":[\"certificatesigningrequests/approval\"],\"verbs\":[\"update\"]},{"
               "\"apiGroups\":[\"certificates.k8s.io\"],\"resources\":[\"signers\"],"
               "\"resourceNames\":[\"other.test/*\"],\"verbs\":[\"approve\"]}]}",
               201);
    world_json(&w, "POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
               "{\"metadata\":{\"name\":\"a\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s."
               "io\",\"kind\":\"ClusterRole\",\"name\":\"a\"},\"subjects\":[{\"kind\":\"User\","
               "\"apiGroup\":\"rbac.authorization.k8s.io\",\"name\":\"alice\"}]}",
               201);
    CHECK_INT(as(&w, "PUT", CSRS "/x/approval", CONDITIONS(CONDITION("Approved")),
                 "Authorization: Bearer alice-token", &v),
              403);
    CHECK_STRZ(json_get_str(v, "message"),
               "certificatesigningrequests.certificates.k8s.io \"x\" is forbidden: user not "
               "permitted to approve requests with signerName \"example.test/s\"");
    world_json(&w, "POST", CSRS, CSR("y", JANE, "other.test/s"), 201);
    CHECK_INT(as(&w, "PUT", CSRS "/y/approval",
                 "{\"metadata\":{\"name\":\"y\"},\"status\":{\"conditions\":[" CONDITION(
                     "Approved") "]}}",
                 "Authorization: Bearer alice-token", NULL),
              200);
    world_fini(&w);
}

TEST(impersonation, can_be_limited_to_what_is_done_with_it)
{
    static const char *const rbac = "/apis/rbac.authorization.k8s.io/v1";
    static const char *const bob = "Authorization: Bearer alice-token\nImpersonate-User: bob";
    struct world w;
    struct json *v;

    world_init(&w);
    world_json(
        &w, "POST", arena_dupz(w.arena, arena_fmt(w.arena, "%s/clusterroles", rbac)),
        "{\"metadata\":{\"name\":\"act\"},\"rules\":[{\"apiGroups\":[\"authentication.k8s.io\"],"
        "\"resources\":[\"users\"],\"resourceNames\":[\"bob\"],\"verbs\":[\"impersonate:user-"
        "info\"]},{\"apiGroups\":[\"\"],\"resources\":[\"pods\"],\"verbs\":[\"impersonate-on:"
        "user-info:list\"]}]}",
        201);
    world_json(
        &w, "POST", arena_dupz(w.arena, arena_fmt(w.arena, "%s/clusterrolebindings", rbac)),
        "{\"metadata\":{\"name\":\"act\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s."
        "io\",\"kind\":\"ClusterRole\",\"name\":\"act\"},\"subjects\":[{\"kind\":\"User\","
        "\"apiGroup\":\"rbac.authorization.k8s.io\",\"name\":\"alice\"}]}",
        201);
    CHECK_INT(as(&w, "GET", "/api/v1/pods", NULL, bob, &v), 403);
    CHECK(str_find(json_get_str(v, "message"), S("User \"bob\" cannot list")) > 0);
    CHECK_INT(as(&w, "GET", "/api/v1/nodes", NULL, bob, &v), 403);
    CHECK_STRZ(json_get_str(v, "message"),
               "nodes is forbidden: User \"alice\" cannot impersonate-on:user-info:list resource "
               "\"nodes\" in API group \"\" at the cluster scope");
    CHECK_INT(as(&w, "GET", "/api/v1/pods", NULL,
                 "Authorization: Bearer alice-token\nImpersonate-User: carol", &v),
              403);
    CHECK_STRZ(json_get_str(v, "message"),
               "users.authentication.k8s.io \"carol\" is forbidden: User \"alice\" cannot "
               "impersonate:user-info resource \"users\" in API group \"authentication.k8s.io\" at "
               "the cluster scope");
    world_fini(&w);
}

TEST_MAIN
