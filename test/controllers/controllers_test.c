/* controllers_test.c - all controllers together against a small API server in memory, under virtual
 * time. */
#include "controllers/controllers.h"
#include "test/controllers/mini_api.h"

#include <time.h>

struct rig {
    struct loop *loop;
    struct mini_api api;
    struct client *client;
    struct controllers *controllers;
    bool synced;
};

static void on_synced(void *ctx)
{
    ((struct rig *)ctx)->synced = true;
}

static void run_ms(struct rig *r, int64_t ms)
{
    loop_virtual_run(r->loop, loop_virtual_elapsed_ns(r->loop) + ms * NS_PER_MS, NULL, NULL);
}

static void rig_start(struct rig *r)
{
    static const str groups[] = {STR("system:masters")};

    *r = (struct rig){.loop = loop_new_virtual(3, (wall_time){INT64_C(1767225600) * NS_PER_S})};
    mini_init(&r->api, r->loop);
    r->client = client_new_inproc(
        r->loop, &(struct client_inproc_options){.handler = mini_handle,
                                                 .handler_ctx = &r->api,
                                                 .server_loop = r->loop,
                                                 .user = S("x"),
                                                 .groups = groups,
                                                 .n_groups = 1,
                                                 .user_agent = S("kube-controller-manager/v1")});
    r->controllers =
        controllers_start(&(struct controllers_options){.loop = r->loop,
                                                        .client = r->client,
                                                        .ca_pem = S("CA"),
                                                        .cluster_cidr = S("10.42.0.0/16"),
                                                        .synced = on_synced,
                                                        .ctx = r});
    run_ms(r, 100);
    CHECK(r->synced);
}

static void rig_end(struct rig *r)
{
    controllers_stop(r->controllers);
    run_ms(r, 10);
    client_free(r->client);
    mini_fini(&r->api);
    loop_free(r->loop);
}

static void ignore(void *ctx, struct err *err, int status, str body)
{
    if (err)
        test_fail(__FILE__, __LINE__, "%s", err_text(err));
    err_free(err);
}

static void call(struct rig *r, const char *method, const char *path, const char *body)
{
    client_do(r->client,
              &(struct client_request){
                  .method = method,
                  .path = str_of(path),
                  .body = str_of(body),
                  .content_type = strcmp(method, "PATCH") ? NULL : "application/merge-patch+json"},
              ignore, NULL);
    run_ms(r, 1);
}

static str object(struct rig *r, const char *key)
{
    const struct bytes *b = tree_find(r->api.objects, str_of(key));

    return b ? bytes_str(b) : S("");
}

#define CHECK_FIELD(key, field, want) CHECK_STRZ(client_text_find(object(&r, key), field), want)

#define DEPLOYMENT(name, replicas, image)                                                          \
    "{\"kind\":\"Deployment\",\"apiVersion\":\"apps/v1\",\"metadata\":{\"name\":\"" name           \
    "\"},\"spec\":{\"replicas\":" replicas                                                         \
    ",\"progressDeadlineSeconds\":600,\"revisionHistoryLimit\":2,\"selector\":{\"matchLabels\":{"  \
    "\"app\":\"" name "\"}},\"strategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{"          \
    "\"maxSurge\":\"25%\",\"maxUnavailable\":\"25%\"}},"                                           \
    "\"template\":{\"metadata\":{\"labels\":{\"app\":\"" name                                      \
    "\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"" image "\"}]}}}}"
#define DEPLOYMENTS "/apis/apps/v1/namespaces/default/deployments"

/* What a kubelet would do. */
static void make_pods_ready(struct rig *r)
{
    CLEANUP(arena) struct arena *a = arena_new();

    for (const struct tree_node *n = tree_first_from(r->api.objects, S("api/v1/pods|"));
         n && str_has_prefix(tree_key(n), S("api/v1/pods|")); n = tree_next(n)) {
        str data = bytes_str(tree_value(n));
        str path;

        if (client_text_find(data, "status.phase").n)
            continue;
        path = arena_fmt(a, "/api/v1/namespaces/default/pods/" PRI_STR "/status",
                         STR_ARG(client_text_find(data, "metadata.name")));
        client_do(r->client,
                  &(struct client_request){
                      .method = "PATCH",
                      .path = path,
                      .content_type = "application/merge-patch+json",
                      .body = S("{\"status\":{\"phase\":\"Running\",\"podIP\":\"10.42.0.9\","
                                "\"conditions\":[{\"type\":"
                                "\"Ready\",\"status\":\"True\",\"lastTransitionTime\":\"2026-01-"
                                "01T00:00:00Z\"}]}}")},
                  ignore, NULL);
    }
    run_ms(r, 50);
}

TEST(controllers, a_namespace_gets_its_account_and_ca_and_goes_when_empty)
{
    struct rig r;

    rig_start(&r);
    call(&r, "POST", "/api/v1/namespaces",
         "{\"kind\":\"Namespace\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\"},\"spec\":{"
         "\"finalizers\":[\"kubernetes\"]},"
         "\"status\":{\"phase\":\"Active\"}}");
    run_ms(&r, 50);
    CHECK(object(&r, "api/v1/serviceaccounts|a|default").n > 0);
    CHECK_FIELD("api/v1/configmaps|a|kube-root-ca.crt", "data", "{\"ca.crt\":\"CA\"}");
    call(&r, "POST", "/api/v1/namespaces/a/configmaps",
         "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\","
         "\"finalizers\":[\"example.test/hold\"]}}");
    call(&r, "PATCH", "/api/v1/namespaces/a",
         "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"},\"status\":{\"phase\":"
         "\"Terminating\"}}");
    run_ms(&r, 50);
    CHECK_INT(mini_count(&r.api, "api/v1/serviceaccounts|a|"), 0);
    CHECK(str_find(object(&r, "api/v1/namespaces||a"),
                   S("Some resources are remaining: configmaps. has 1 resource instances")) > 0);
    CHECK(str_find(object(&r, "api/v1/namespaces||a"),
                   S("Some content in the namespace has finalizers remaining: example.test/hold in "
                     "1 resource instances")) > 0);
    call(&r, "PATCH", "/api/v1/namespaces/a/configmaps/x", "{\"metadata\":{\"finalizers\":null}}");
    run_ms(&r, 500);
    CHECK_INT(object(&r, "api/v1/namespaces||a").n, 0);
    rig_end(&r);
}

static str the_replicaset(struct rig *r)
{
    const struct tree_node *n = tree_first_from(r->api.objects, S("apis/apps/v1/replicasets|"));

    return n && str_has_prefix(tree_key(n), S("apis/apps/v1/replicasets|"))
               ? bytes_str(tree_value(n))
               : S("");
}

TEST(controllers, a_deployment_makes_its_pods_and_reports_them)
{
    struct rig r;

    rig_start(&r);
    call(&r, "POST", DEPLOYMENTS, DEPLOYMENT("web", "3", "v1"));
    run_ms(&r, 100);
    CHECK_INT(mini_count(&r.api, "apis/apps/v1/replicasets|"), 1);
    CHECK_INT(mini_count(&r.api, "api/v1/pods|"), 3);
    CHECK_STRZ(client_text_find(the_replicaset(&r), "status"),
               "{\"replicas\":3,\"terminatingReplicas\":0,\"observedGeneration\":1,"
               "\"fullyLabeledReplicas\":3}");
    make_pods_ready(&r);
    CHECK_FIELD("apis/apps/v1/deployments|default|web", "status.availableReplicas", "3");
    CHECK(str_find(object(&r, "apis/apps/v1/deployments|default|web"),
                   S("\"reason\":\"NewReplicaSetAvailable\"")) > 0);
    CHECK_FIELD("apis/apps/v1/deployments|default|web", "metadata.annotations",
                "{\"deployment.kubernetes.io/revision\":\"1\"}");
    rig_end(&r);
}

TEST(controllers, a_rolling_update_ends_with_the_new_template_only)
{
    struct rig r;

    rig_start(&r);
    call(&r, "POST", DEPLOYMENTS, DEPLOYMENT("web", "4", "v1"));
    run_ms(&r, 100);
    make_pods_ready(&r);
    call(&r, "PATCH", DEPLOYMENTS "/web",
         "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"v2\"}]}}}"
         "}");
    for (int i = 0; i < 10; i++) {
        size_t pods = mini_count(&r.api, "api/v1/pods|");

        CHECK(pods >= 3 && pods <= 5);
        make_pods_ready(&r);
        run_ms(&r, 50);
    }
    CHECK_INT(mini_count(&r.api, "api/v1/pods|"), 4);
    CHECK_INT(mini_count(&r.api, "apis/apps/v1/replicasets|"), 2);
    CHECK_FIELD("apis/apps/v1/deployments|default|web", "metadata.annotations",
                "{\"deployment.kubernetes.io/revision\":\"2\"}");
    for (const struct tree_node *n = tree_first_from(r.api.objects, S("api/v1/pods|"));
         n && str_has_prefix(tree_key(n), S("api/v1/pods|")); n = tree_next(n))
        CHECK(str_find(bytes_str(tree_value(n)), S("\"image\":\"v2\"")) > 0);
    rig_end(&r);
}

TEST(controllers, deleting_a_deployment_takes_replicasets_and_pods)
{
    struct rig r;

    rig_start(&r);
    call(&r, "POST", DEPLOYMENTS, DEPLOYMENT("web", "20", "v1"));
    run_ms(&r, 100);
    CHECK_INT(mini_count(&r.api, "api/v1/pods|"), 20);
    call(&r, "DELETE", DEPLOYMENTS "/web", "");
    run_ms(&r, 100);
    CHECK_INT(mini_count(&r.api, "apis/apps/v1/replicasets|"), 0);
    CHECK_INT(mini_count(&r.api, "api/v1/pods|"), 0);
    /* In the foreground, the owner goes last. */
    call(&r, "POST", DEPLOYMENTS, DEPLOYMENT("web", "5", "v1"));
    run_ms(&r, 100);
    buf_clear(&r.api.log);
    call(&r, "DELETE", DEPLOYMENTS "/web", "{\"propagationPolicy\":\"Foreground\"}");
    run_ms(&r, 200);
    CHECK_INT(mini_count(&r.api, "api/v1/pods|"), 0);
    CHECK(
        str_has_suffix(buf_view(&r.api.log), S("DELETED apis/apps/v1/deployments|default|web\n")));
    /* Orphans stay, without the reference. */
    call(&r, "POST", DEPLOYMENTS, DEPLOYMENT("web", "5", "v1"));
    run_ms(&r, 100);
    call(&r, "DELETE", DEPLOYMENTS "/web", "{\"propagationPolicy\":\"Orphan\"}");
    run_ms(&r, 200);
    CHECK_INT(mini_count(&r.api, "apis/apps/v1/deployments|"), 0);
    CHECK_INT(mini_count(&r.api, "apis/apps/v1/replicasets|"), 1);
    CHECK_INT(mini_count(&r.api, "api/v1/pods|"), 5);
    CHECK(str_find(the_replicaset(&r), S("\"kind\":\"Deployment\"")) < 0);
    rig_end(&r);
}

TEST(controllers, a_dangling_reference_is_checked_and_then_collected)
{
    struct rig r;

    rig_start(&r);
    call(&r, "POST", "/api/v1/namespaces/default/configmaps",
         "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"d\","
         "\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":"
         "\"ConfigMap\",\"name\":\"nosuch\",\"uid\":\"11111111-1111-1111-1111-111111111111\"}]}}");
    run_ms(&r, 50);
    CHECK_INT(mini_count(&r.api, "api/v1/configmaps|default|"), 0);
    rig_end(&r);
}

/* Whoever writes a reference chooses its uid; each gone owner is asked for once, then remembered. */
TEST(controllers, a_gone_owner_is_remembered_whatever_its_uid)
{
    static const size_t sizes[] = {1, 8, 36, 63, 64, 65, 500};
    CLEANUP(arena) struct arena *a = arena_new();
    struct rig r;

    rig_start(&r);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        char uid[501];

        memset(uid, 'u', sizes[i]);
        uid[sizes[i]] = '\0';
        for (int k = 0; k < 2; k++)
            call(&r, "POST", "/api/v1/namespaces/default/configmaps",
                 arena_fmt(a,
                           "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":"
                           "\"d%zu-%d\",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":"
                           "\"ConfigMap\",\"name\":\"nosuch\",\"uid\":\"%s\"}]}}",
                           i, k, uid)
                     .p);
        run_ms(&r, 50);
    }
    run_ms(&r, 5000);
    CHECK_INT(mini_count(&r.api, "api/v1/configmaps|default|"), 0);
    rig_end(&r);
}

TEST(controllers, a_thousand_replicas_are_made_without_counting_twice)
{
    struct rig r;
    struct timespec t0, t1;
    double ms;

    rig_start(&r);
    clock_gettime(CLOCK_MONOTONIC, &t0);
    call(&r, "POST", DEPLOYMENTS, DEPLOYMENT("web", "1000", "v1"));
    run_ms(&r, 1000);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    ms = (double)(t1.tv_sec - t0.tv_sec) * 1e3 + (double)(t1.tv_nsec - t0.tv_nsec) / 1e6;
    CHECK_INT(mini_count(&r.api, "api/v1/pods|"), 1000);
    if (getenv("K1S_VERBOSE"))
        printf("1000 replicas: %.0f ms\n", ms);
    call(&r, "PATCH", DEPLOYMENTS "/web", "{\"spec\":{\"replicas\":10}}");
    run_ms(&r, 1000);
    CHECK_INT(mini_count(&r.api, "api/v1/pods|"), 10);
    rig_end(&r);
}

TEST(controllers, a_refused_template_costs_one_request_per_try_and_is_told)
{
    struct rig r;

    rig_start(&r);
    r.api.refuse_pods = 1;
    call(&r, "POST", DEPLOYMENTS, DEPLOYMENT("web", "100", "v1"));
    run_ms(&r, 60);
    CHECK(r.api.n_requests < 400);
    CHECK(str_find(the_replicaset(&r), S("\"type\":\"ReplicaFailure\",\"status\":\"True\"")) > 0);
    CHECK(str_find(object(&r, "apis/apps/v1/deployments|default|web"),
                   S("\"type\":\"ReplicaFailure\"")) > 0);
    r.api.refuse_pods = 0;
    run_ms(&r, 60000);
    CHECK_INT(mini_count(&r.api, "api/v1/pods|"), 100);
    CHECK(str_find(the_replicaset(&r), S("ReplicaFailure")) < 0);
    rig_end(&r);
}

TEST(controllers, services_get_endpoints_and_slices)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct rig r;
    str uid;

    rig_start(&r);
    call(&r, "POST", "/api/v1/nodes",
         "{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"n1\"},\"spec\":{},"
         "\"status\":{\"nodeInfo\":{\"kubeletVersion\":\"v1\"}}}");
    call(&r, "POST", "/api/v1/namespaces/default/pods",
         "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"p\",\"labels\":{\"app\":"
         "\"x\"}},\"spec\":{\"nodeName\":\"n1\","
         "\"containers\":[{\"name\":\"c\",\"ports\":[{\"name\":\"web\",\"containerPort\":8080}]}]},"
         "\"status\":{\"phase\":\"Running\",\"podIP\":"
         "\"10.0.0.5\",\"podIPs\":[{\"ip\":\"10.0.0.5\"}],\"conditions\":[{\"type\":\"Ready\","
         "\"status\":\"True\"}]}}");
    call(&r, "POST", "/api/v1/namespaces/default/services",
         "{\"kind\":\"Service\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"},\"spec\":{"
         "\"clusterIP\":\"10.43.0.5\",\"ipFamilies\":[\"IPv4\"],"
         "\"selector\":{\"app\":\"x\"},\"ports\":[{\"port\":80,\"protocol\":\"TCP\",\"targetPort\":"
         "\"web\"}]}}");
    run_ms(&r, 50);
    CHECK_FIELD("api/v1/nodes||n1", "spec",
                "{\"podCIDR\":\"10.42.0.0/24\",\"podCIDRs\":[\"10.42.0.0/24\"]}");
    uid = client_text_find(object(&r, "api/v1/pods|default|p"), "metadata.uid");
    CHECK_FIELD("api/v1/endpoints|default|x", "subsets",
                arena_fmt(a,
                          "[{\"addresses\":[{\"ip\":\"10.0.0.5\",\"nodeName\":\"n1\",\"targetRef\":"
                          "{\"kind\":\"Pod\",\"namespace\":\"default\",\"name\":\"p\","
                          "\"uid\":\"" PRI_STR
                          "\"}}],\"ports\":[{\"port\":8080,\"protocol\":\"TCP\"}]}]",
                          STR_ARG(uid))
                    .p);
    CHECK_INT(mini_count(&r.api, "apis/discovery.k8s.io/v1/endpointslices|default|"), 1);
    {
        str slice = bytes_str(tree_value(
            tree_first_from(r.api.objects, S("apis/discovery.k8s.io/v1/endpointslices|"))));

        CHECK_STRZ(
            client_text_find(slice, "endpoints"),
            arena_fmt(a,
                      "[{\"addresses\":[\"10.0.0.5\"],\"conditions\":{\"ready\":true,\"serving\":"
                      "true,\"terminating\":false},\"targetRef\":{"
                      "\"kind\":\"Pod\",\"namespace\":\"default\",\"name\":\"p\",\"uid\":\"" PRI_STR
                      "\"},\"nodeName\":\"n1\"}]",
                      STR_ARG(uid))
                .p);
        CHECK_STRZ(client_text_find(slice, "ports"),
                   "[{\"name\":\"\",\"port\":8080,\"protocol\":\"TCP\"}]");
    }
    call(&r, "PATCH", "/api/v1/namespaces/default/pods/p",
         "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"}]}}");
    run_ms(&r, 50);
    CHECK(str_find(object(&r, "api/v1/endpoints|default|x"), S("notReadyAddresses")) > 0);
    call(&r, "DELETE", "/api/v1/namespaces/default/services/x", "");
    run_ms(&r, 50);
    CHECK_INT(mini_count(&r.api, "api/v1/endpoints|default|"), 0);
    CHECK_INT(mini_count(&r.api, "apis/discovery.k8s.io/v1/endpointslices|default|"), 0);
    rig_end(&r);
}

TEST(controllers, a_silent_node_becomes_unknown_and_its_pods_are_evicted_in_time)
{
    struct rig r;

    rig_start(&r);
#define NODE(name)                                                                                 \
    "{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"" name                      \
    "\"},\"spec\":{},\"status\":{\"conditions\":[{\"type\":\"Ready\","                             \
    "\"status\":\"True\",\"lastHeartbeatTime\":\"2026-01-01T00:00:00Z\"}]}}"
    call(&r, "POST", "/api/v1/nodes", NODE("n1"));
    call(&r, "POST", "/api/v1/nodes", NODE("n2"));
    call(&r, "POST", "/api/v1/namespaces/default/pods",
         "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"p\"},\"spec\":{"
         "\"nodeName\":\"n1\",\"tolerations\":[{\"key\":"
         "\"node.kubernetes.io/"
         "unreachable\",\"operator\":\"Exists\",\"effect\":\"NoExecute\",\"tolerationSeconds\":300}"
         "]},"
         "\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":"
         "\"True\"}]}}");
    for (int i = 0; i < 5; i++) {
        CLEANUP(arena) struct arena *a = arena_new();

        run_ms(&r, 10000);
        call(&r, i ? "PATCH" : "POST",
             i ? "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n2"
               : "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
             arena_fmt(a,
                       "{\"kind\":\"Lease\",\"metadata\":{\"name\":\"n2\"},\"spec\":{\"renewTime\":"
                       "\"t%d\"}}",
                       i)
                 .p);
    }
    run_ms(&r, 1000);
    CHECK(str_find(object(&r, "api/v1/nodes||n1"), S("Kubelet stopped posting node status.")) > 0);
    CHECK(str_find(object(&r, "api/v1/nodes||n1"),
                   S("{\"key\":\"node.kubernetes.io/unreachable\",\"effect\":\"NoExecute\"")) > 0);
    CHECK(str_find(object(&r, "api/v1/nodes||n2"), S("unreachable")) < 0);
    CHECK(str_find(object(&r, "api/v1/pods|default|p"),
                   S("\"type\":\"Ready\",\"status\":\"False\"")) > 0);
    CHECK_INT(mini_count(&r.api, "api/v1/pods|"), 1);
    for (int i = 5; i < 40; i++) {
        CLEANUP(arena) struct arena *a = arena_new();

        run_ms(&r, 10000);
        call(&r, "PATCH", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n2",
             arena_fmt(a, "{\"spec\":{\"renewTime\":\"t%d\"}}", i).p);
    }
    CHECK_INT(mini_count(&r.api, "api/v1/pods|"), 0);
    rig_end(&r);
}

TEST_MAIN
