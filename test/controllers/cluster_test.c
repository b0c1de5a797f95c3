/* cluster_test.c - controllers with the real API server, store, scheduler and hollow nodes, under
 * virtual time. */
#include "schema/schema.h"
#include "sim/sim.h"
#include "test/test.h"

#define STEP_NS (2 * NS_PER_S)

struct cluster {
    struct sim *s;
    struct arena *a;
};

static void cluster_start(struct cluster *c)
{
    *c = (struct cluster){sim_new(&(struct sim_options){.seed = 11, .n_nodes = 3}), arena_new()};
    sim_run(c->s, 10 * NS_PER_S);
}

static void cluster_end(struct cluster *c)
{
    sim_free(c->s);
    arena_free(c->a);
}

/* NULL: not found. Any other error fails the test. */
static struct json *call(struct cluster *c, const char *method, const char *path, const char *body)
{
    CLEANUP(buf) struct buf out = BUF_INIT;
    static const struct json_limits limits = {64, 64 << 20};
    struct json *tree = NULL;
    struct err *err = sim_call(c->s, method, path, str_of(body), &out);

    if (err) {
        if (err->reason != REASON_NOT_FOUND)
            test_fail(__FILE__, __LINE__, "%s %s: %s", method, path, err_text(err));
        err_free(err);
        return NULL;
    }
    CHECK_OK(json_parse(c->a, arena_dup(c->a, buf_view(&out)), &limits, NULL, &tree));
    return tree;
}

static struct json *get(struct cluster *c, const char *path)
{
    return call(c, "GET", path, "");
}

static uint32_t count(struct cluster *c, const char *path)
{
    return json_count(json_findz(get(c, path), "items"));
}

static void wait_s(struct cluster *c, int64_t s)
{
    sim_run(c->s, s * NS_PER_S);
}

#define NS "/api/v1/namespaces/default"
#define APPS "/apis/apps/v1/namespaces/default"
#define BATCH "/apis/batch/v1/namespaces/default"
#define CONTAINERS "\"containers\":[{\"name\":\"c\",\"image\":\"web:1\"}]"

static const char deployment[] = "{\"apiVersion\":\"apps/"
                                 "v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\"},"
                                 "\"spec\":{\"replicas\":4,\"selector\":{\"matchLabels\":{"
                                 "\"app\":\"web\"}},\"template\":{\"metadata\":{\"labels\":{"
                                 "\"app\":\"web\"}},\"spec\":{" CONTAINERS "}}}}";

static str revision(struct cluster *c)
{
    return json_str(json_findz(json_path(get(c, APPS "/deployments/web"), "metadata.annotations"),
                               "deployment.kubernetes.io/revision"));
}

TEST(cluster, a_deployment_rolls_forward_and_back_and_ends_with_everything_gone)
{
    struct cluster c;
    struct json *d;

    cluster_start(&c);
    call(&c, "POST", APPS "/deployments", deployment);
    wait_s(&c, 30);
    d = get(&c, APPS "/deployments/web");
    CHECK_INT(json_get_int(d, "status.availableReplicas", 0), 4);
    CHECK_STRZ(revision(&c), "1");
    call(&c, "PATCH", APPS "/deployments/web",
         "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"web:2\"}]}"
         "}}}");
    wait_s(&c, 60);
    d = get(&c, APPS "/deployments/web");
    CHECK_INT(json_get_int(d, "status.updatedReplicas", 0), 4);
    CHECK_INT(json_get_int(d, "status.replicas", 0), 4);
    CHECK_STRZ(revision(&c), "2");
    CHECK_INT(count(&c, APPS "/replicasets"), 2);
    call(&c, "PATCH", APPS "/deployments/web",
         "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"web:1\"}]}"
         "}}}");
    wait_s(&c, 60);
    CHECK_STRZ(revision(&c), "3");
    CHECK_INT(count(&c, APPS "/replicasets"), 2);
    CHECK_INT(json_get_int(get(&c, APPS "/deployments/web"), "status.availableReplicas", 0), 4);
    call(&c, "PATCH", APPS "/deployments/web/scale", "{\"spec\":{\"replicas\":1}}");
    wait_s(&c, 60);
    CHECK_INT(count(&c, NS "/pods"), 1);
    call(&c, "DELETE", APPS "/deployments/web", "");
    wait_s(&c, 60);
    CHECK_INT(count(&c, APPS "/replicasets"), 0);
    CHECK_INT(count(&c, NS "/pods"), 0);
    cluster_end(&c);
}

TEST(cluster, a_job_counts_its_pods_ends)
{
    struct cluster c;
    struct json *job;

    cluster_start(&c);
    call(&c, "POST", BATCH "/jobs",
         "{\"apiVersion\":\"batch/"
         "v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"j\"},\"spec\":{\"completions\":3,"
         "\"parallelism\":2,\"template\":{"
         "\"spec\":{\"restartPolicy\":\"Never\"," CONTAINERS "}}}}");
    for (int i = 0; i < 3; i++) {
        wait_s(&c, 20);
        JSON_EACH(pod, json_findz(get(&c, NS "/pods"), "items")) {
            str path = arena_fmt(c.a, NS "/pods/" PRI_STR "/status",
                                 STR_ARG(json_get_str(pod, "metadata.name")));

            CHECK(str_is(json_str(json_item(json_path(pod, "metadata.finalizers"), 0)),
                         "batch.kubernetes.io/job-tracking") ||
                  !str_is(json_get_str(pod, "status.phase"), "Running"));
            if (str_is(json_get_str(pod, "status.phase"), "Running"))
                call(&c, "PATCH", path.p, "{\"status\":{\"phase\":\"Succeeded\"}}");
        }
    }
    wait_s(&c, 20);
    job = get(&c, BATCH "/jobs/j");
    CHECK_INT(json_get_int(job, "status.succeeded", 0), 3);
    CHECK_INT(json_get_int(job, "status.active", 0), 0);
    CHECK_STRZ(json_get_str(json_item(json_path(job, "status.conditions"), 1), "type"), "Complete");
    CHECK_INT(json_count(json_path(job, "status.uncountedTerminatedPods")), 0);
    JSON_EACH(pod, json_findz(get(&c, NS "/pods"), "items"))
        CHECK_INT(json_count(json_path(pod, "metadata.finalizers")), 0);
    cluster_end(&c);
}

TEST(cluster, a_statefulset_and_a_daemonset_place_their_pods)
{
    struct cluster c;
    struct json *set;

    cluster_start(&c);
    call(&c, "POST", APPS "/statefulsets",
         "{\"apiVersion\":\"apps/"
         "v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"s\"},\"spec\":{\"serviceName\":"
         "\"s\",\"replicas\":3,\"selector\":{"
         "\"matchLabels\":{\"app\":\"s\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"s\"}},"
         "\"spec\":{" CONTAINERS "}}}}");
    call(&c, "POST", APPS "/daemonsets",
         "{\"apiVersion\":\"apps/"
         "v1\",\"kind\":\"DaemonSet\",\"metadata\":{\"name\":\"ds\"},\"spec\":{\"selector\":{"
         "\"matchLabels\":{\"app\":\"ds\"}},"
         "\"template\":{\"metadata\":{\"labels\":{\"app\":\"ds\"}},\"spec\":{" CONTAINERS "}}}}");
    wait_s(&c, 60);
    set = get(&c, APPS "/statefulsets/s");
    CHECK_INT(json_get_int(set, "status.readyReplicas", 0), 3);
    CHECK_STR(json_get_str(set, "status.currentRevision"),
              json_get_str(set, "status.updateRevision"));
    CHECK(get(&c, NS "/pods/s-2") != NULL);
    CHECK_INT(json_get_int(get(&c, APPS "/daemonsets/ds"), "status.numberReady", 0), 3);
    call(&c, "PATCH", APPS "/statefulsets/s",
         "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"web:2\"}]}"
         "}}}");
    call(&c, "PATCH", APPS "/daemonsets/ds",
         "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"web:2\"}]}"
         "}}}");
    wait_s(&c, 200);
    set = get(&c, APPS "/statefulsets/s");
    CHECK_INT(json_get_int(set, "status.updatedReplicas", 0), 3);
    CHECK_INT(json_get_int(set, "status.readyReplicas", 0), 3);
    CHECK(str_eq(json_get_str(set, "status.currentRevision"),
                 json_get_str(set, "status.updateRevision")));
    CHECK_INT(json_get_int(get(&c, APPS "/daemonsets/ds"), "status.updatedNumberScheduled", 0), 3);
    CHECK_INT(json_get_int(get(&c, APPS "/daemonsets/ds"), "status.numberAvailable", 0), 3);
    JSON_EACH(pod, json_findz(get(&c, NS "/pods"), "items"))
        CHECK_STRZ(json_get_str(json_item(json_path(pod, "spec.containers"), 0), "image"), "web:2");
    cluster_end(&c);
}

static str claim_owner(struct cluster *c, const char *claim)
{
    const struct json *refs =
        json_path(get(c, arena_fmt(c->a, NS "/persistentvolumeclaims/%s", claim).p),
                  "metadata.ownerReferences");

    CHECK(json_count(refs) <= 1);
    if (json_count(refs))
        CHECK(json_get_bool(json_item(refs, 0), "controller", false));
    return json_get_str(json_item(refs, 0), "kind");
}

/* Source: test/integration/statefulset (TestAutodeleteOwnerRefs), and what becomes of them. */
TEST(cluster, claims_of_a_statefulset_go_as_its_policy_says)
{
    static const struct {
        const char *deleted, *scaled, *owner;
        int after_scaling, after_deletion;
    } rows[] = {{"Retain", "Retain", "", 2, 2},
                {"Delete", "Retain", "StatefulSet", 2, 0},
                {"Retain", "Delete", "", 1, 1},
                {"Delete", "Delete", "StatefulSet", 1, 0}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cluster c;

        cluster_start(&c);
        call(
            &c, "POST", APPS "/statefulsets",
            "{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"s\"},"
            "\"spec\":{\"serviceName\":\"s\",\"replicas\":2,\"podManagementPolicy\":\"Parallel\","
            "\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"d\"},\"spec\":{\"accessModes\":"
            "[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}],"
            "\"selector\":{\"matchLabels\":{\"app\":\"s\"}},\"template\":{\"metadata\":{\"labels\":"
            "{\"app\":\"s\"}},\"spec\":{" CONTAINERS "}}}}");
        wait_s(&c, 5);
        CHECK_STRZ(claim_owner(&c, "d-s-1"), "");
        call(
            &c, "PATCH", APPS "/statefulsets/s",
            arena_fmt(c.a,
                      "{\"spec\":{\"persistentVolumeClaimRetentionPolicy\":{\"whenDeleted\":\"%s\","
                      "\"whenScaled\":\"%s\"}}}",
                      rows[i].deleted, rows[i].scaled)
                .p);
        wait_s(&c, 5);
        CHECK_STRZ(claim_owner(&c, "d-s-0"), rows[i].owner);
        CHECK_STRZ(claim_owner(&c, "d-s-1"), rows[i].owner);
        call(&c, "PATCH", APPS "/statefulsets/s", "{\"spec\":{\"replicas\":1}}");
        wait_s(&c, 60);
        CHECK_INT(count(&c, NS "/pods"), 1);
        CHECK_INT(count(&c, NS "/persistentvolumeclaims"), rows[i].after_scaling);
        CHECK_STRZ(claim_owner(&c, "d-s-0"), rows[i].owner);
        call(&c, "DELETE", APPS "/statefulsets/s", "");
        wait_s(&c, 60);
        CHECK_INT(count(&c, NS "/persistentvolumeclaims"), rows[i].after_deletion);
        cluster_end(&c);
    }
}

TEST(cluster, a_namespace_takes_its_content_with_it)
{
    struct cluster c;

    cluster_start(&c);
    call(&c, "POST", "/api/v1/namespaces",
         "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"gone\"}}");
    wait_s(&c, 2);
    CHECK(get(&c, "/api/v1/namespaces/gone/serviceaccounts/default") != NULL);
    CHECK(get(&c, "/api/v1/namespaces/gone/configmaps/kube-root-ca.crt") != NULL);
    call(&c, "POST", "/apis/apps/v1/namespaces/gone/deployments", deployment);
    wait_s(&c, 20);
    CHECK_INT(count(&c, "/api/v1/namespaces/gone/pods"), 4);
    call(&c, "DELETE", "/api/v1/namespaces/gone", "");
    wait_s(&c, 90);
    CHECK(get(&c, "/api/v1/namespaces/gone") == NULL);
    CHECK_INT(count(&c, "/api/v1/namespaces/gone/pods"), 0);
    cluster_end(&c);
}

#define NETWORK "/apis/networking.k8s.io/v1"

static void range(struct cluster *c, const char *name, const char *cidr)
{
    call(c, "POST", NETWORK "/servicecidrs",
         arena_fmt(c->a,
                   "{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"ServiceCIDR\","
                   "\"metadata\":{\"name\":\"%s\"},\"spec\":{\"cidrs\":[\"%s\"]}}",
                   name, cidr)
             .p);
}

static void service(struct cluster *c, const char *ns, const char *name, const char *ip)
{
    call(c, "POST", arena_fmt(c->a, "/api/v1/namespaces/%s/services", ns).p,
         arena_fmt(c->a,
                   "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":"
                   "\"%s\"},\"spec\":{\"clusterIP\":\"%s\",\"ports\":[{\"port\":80}]}}",
                   name, ip)
             .p);
}

static const struct json *ready(struct cluster *c, const char *name)
{
    JSON_EACH(v, json_path(get(c, arena_fmt(c->a, NETWORK "/servicecidrs/%s", name).p),
                           "status.conditions"))
        if (str_is(json_get_str(v, "type"), "Ready"))
            return v;
    return NULL;
}

TEST(cluster, a_service_range_becomes_ready_and_goes_when_its_addresses_have)
{
    struct cluster c;
    struct json *v;

    cluster_start(&c);
    range(&c, "more", "10.8.0.0/24");
    wait_s(&c, 2);
    CHECK_STRZ(json_get_str(ready(&c, "more"), "status"), "True");
    CHECK_STRZ(json_get_str(ready(&c, "more"), "message"), "Kubernetes Service CIDR is ready");
    CHECK(json_findz(ready(&c, "more"), "reason") != NULL);
    CHECK_STRZ(json_get_str(ready(&c, "kubernetes"), "message"),
               "Kubernetes default Service CIDR is ready");
    v = get(&c, NETWORK "/servicecidrs/more");
    CHECK_STRZ(json_str(json_item(json_path(v, "metadata.finalizers"), 0)),
               "networking.k8s.io/service-cidr-finalizer");
    service(&c, "default", "a", "10.8.0.5");
    call(&c, "DELETE", NETWORK "/servicecidrs/more", "");
    wait_s(&c, 30);
    CHECK_STRZ(json_get_str(ready(&c, "more"), "status"), "False");
    CHECK_STRZ(json_get_str(ready(&c, "more"), "reason"), "Terminating");
    call(&c, "DELETE", NS "/services/a", "");
    wait_s(&c, 2);
    CHECK(get(&c, NETWORK "/ipaddresses/10.8.0.5") == NULL);
    CHECK(get(&c, NETWORK "/servicecidrs/more") == NULL);
    cluster_end(&c);
}

TEST(cluster, a_service_range_within_another_goes_with_its_addresses_in_use)
{
    struct cluster c;

    cluster_start(&c);
    range(&c, "inner", "10.8.1.0/24");
    range(&c, "outer", "10.8.0.0/16");
    wait_s(&c, 2);
    service(&c, "default", "a", "10.8.1.5");
    call(&c, "DELETE", NETWORK "/servicecidrs/inner", "");
    wait_s(&c, 5);
    CHECK(get(&c, NETWORK "/servicecidrs/inner") != NULL); /* allocators have yet to hear of it */
    wait_s(&c, 7);
    CHECK(get(&c, NETWORK "/servicecidrs/inner") == NULL);
    CHECK(get(&c, NETWORK "/ipaddresses/10.8.1.5") != NULL);
    cluster_end(&c);
}

TEST(cluster, a_namespace_gives_its_addresses_back)
{
    struct cluster c;

    cluster_start(&c);
    call(&c, "POST", "/api/v1/namespaces",
         "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"gone\"}}");
    service(&c, "gone", "a", "10.43.0.77");
    CHECK(get(&c, NETWORK "/ipaddresses/10.43.0.77") != NULL);
    call(&c, "DELETE", "/api/v1/namespaces/gone", "");
    wait_s(&c, 60);
    CHECK(get(&c, "/api/v1/namespaces/gone") == NULL);
    CHECK(get(&c, NETWORK "/ipaddresses/10.43.0.77") == NULL);
    cluster_end(&c);
}

/* Of kinds that no other controller keeps: podtemplates, and leases outside kube-node-lease. */
TEST(cluster, a_quota_counts_objects_of_every_kind)
{
    struct cluster c;
    const struct json *used;

    cluster_start(&c);
    call(&c, "POST", NS "/podtemplates",
         "{\"apiVersion\":\"v1\",\"kind\":\"PodTemplate\",\"metadata\":{\"name\":\"a\"},"
         "\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"x\"}]}}}");
    call(&c, "POST", NS "/resourcequotas",
         "{\"apiVersion\":\"v1\",\"kind\":\"ResourceQuota\",\"metadata\":{\"name\":\"q\"},\"spec\":"
         "{\"hard\":{\"count/podtemplates\":\"2\",\"count/leases.coordination.k8s.io\":\"1\","
         "\"count/events\":\"5\"}}}");
    wait_s(&c, 3);
    call(&c, "POST", "/apis/coordination.k8s.io/v1/namespaces/default/leases",
         "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{\"name\":"
         "\"l\"}}");
    wait_s(&c, 3);
    used = json_path(get(&c, NS "/resourcequotas/q"), "status.used");
    CHECK_STRZ(json_str(json_findz(used, "count/podtemplates")), "1");
    CHECK_STRZ(json_str(json_find(used, S("count/leases.coordination.k8s.io"))), "1");
    CHECK(!json_findz(used, "count/events"));
    call(&c, "DELETE", NS "/podtemplates/a", "");
    wait_s(&c, 3);
    used = json_path(get(&c, NS "/resourcequotas/q"), "status.used");
    CHECK_STRZ(json_str(json_findz(used, "count/podtemplates")), "0");
    cluster_end(&c);
}

TEST(cluster, a_quota_gives_back_what_has_gone)
{
    struct cluster c;

    cluster_start(&c);
    call(&c, "POST", NS "/resourcequotas",
         "{\"apiVersion\":\"v1\",\"kind\":\"ResourceQuota\",\"metadata\":{\"name\":\"q\"},\"spec\":"
         "{\"hard\":{\"pods\":\"10\",\"requests.cpu\":\"2\"}}}");
    call(&c, "POST", NS "/pods",
         "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"},\"spec\":{"
         "\"containers\":[{\"name\":\"c\",\"image\":\"x\",\"resources\":{"
         "\"requests\":{\"cpu\":\"250m\"}}}]}}");
    wait_s(&c, 5);
    CHECK_STRZ(json_str(json_findz(json_path(get(&c, NS "/resourcequotas/q"), "status.used"),
                                   "requests.cpu")),
               "250m");
    call(&c, "DELETE", NS "/pods/p", "");
    wait_s(&c, 60);
    CHECK_STRZ(
        json_str(json_findz(json_path(get(&c, NS "/resourcequotas/q"), "status.used"), "pods")),
        "0");
    CHECK_STRZ(json_str(json_findz(json_path(get(&c, NS "/resourcequotas/q"), "status.used"),
                                   "requests.cpu")),
               "0");
    cluster_end(&c);
}

/* What admission adds up and what the controller counts is the same, whatever is limited. */
TEST(cluster, a_quota_is_counted_alike_by_admission_and_by_its_controller)
{
    static const struct {
        const char *path, *body;
    } objects[] = {
        {NS "/pods", "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\","
                     "\"image\":\"x\",\"resources\":{\"limits\":{\"memory\":\"64Mi\","
                     "\"example.com/x\":\"2\"},\"requests\":{\"cpu\":\"250m\"}}}]}}"},
        {NS "/services", "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"type\":\"LoadBalancer\","
                         "\"ports\":[{\"name\":\"a\",\"port\":1},{\"name\":\"b\",\"port\":2}]}}"},
        {NS "/persistentvolumeclaims",
         "{\"metadata\":{\"name\":\"v\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],"
         "\"storageClassName\":\"s\",\"resources\":{\"requests\":{\"storage\":\"2Gi\"}}}}"},
        {"/apis/resource.k8s.io/v1/namespaces/default/resourceclaims",
         "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"devices\":{\"requests\":[{\"name\":\"r\","
         "\"exactly\":{\"deviceClassName\":\"g\",\"allocationMode\":\"ExactCount\",\"count\":3}}]}}"
         "}"},
    };
    static const struct {
        const char *name, *amount;
    } wanted[] = {
        {"pods", "1"},
        {"requests.cpu", "250m"},
        {"limits.memory", "64Mi"},
        {"requests.example.com/x", "2"},
        {"services.loadbalancers", "1"},
        {"services.nodeports", "2"},
        {"requests.storage", "2Gi"},
        {"s.storageclass.storage.k8s.io/persistentvolumeclaims", "1"},
        {"g.deviceclass.resource.k8s.io/devices", "3"},
        {"count/resourceclaims.resource.k8s.io", "1"},
    };
    CLEANUP(buf) struct buf hard = BUF_INIT, wrong = BUF_INIT;
    struct cluster c;

    cluster_start(&c);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        buf_fmt(&hard, "%s\"%s\":\"10Gi\"", i ? "," : "", wanted[i].name);
    call(&c, "POST", NS "/resourcequotas",
         arena_fmt(c.a, "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"hard\":{%s}}}", buf_cstr(&hard))
             .p);
    wait_s(&c, 2);
    for (size_t i = 0; i < ARRAY_LEN(objects); i++)
        CHECK(call(&c, "POST", objects[i].path, objects[i].body) != NULL);
    for (int pass = 0; pass < 2; pass++) {
        struct json *quota = get(&c, NS "/resourcequotas/q");

        for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
            CHECK_STRZ(json_str(json_findz(json_path(quota, "status.used"), wanted[i].name)),
                       wanted[i].amount);
        if (pass)
            break;
        /* Now the controller counts: nobody else mends this. */
        json_setz(c.a, json_findz(quota, "status"), "used", json_object());
        for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
            json_setz(c.a, json_path(quota, "status.used"), wanted[i].name, json_z("7"));
        json_encode(&wrong, quota);
        CHECK(call(&c, "PUT", NS "/resourcequotas/q/status", buf_cstr(&wrong)) != NULL);
        wait_s(&c, 310);
    }
    cluster_end(&c);
}

TEST(cluster, roles_that_aggregate_have_the_rules_of_others)
{
    struct cluster c;
    const struct json *rules;

    cluster_start(&c);
    wait_s(&c, 10);
    CHECK(json_count(json_findz(get(&c, "/apis/rbac.authorization.k8s.io/v1/clusterroles/view"),
                                "rules")) > 5);
    CHECK(json_count(json_findz(get(&c, "/apis/rbac.authorization.k8s.io/v1/clusterroles/admin"),
                                "rules")) > 20);
    call(&c, "POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles",
         "{\"metadata\":{\"name\":\"sum\"},\"aggregationRule\":{\"clusterRoleSelectors\":[{"
         "\"matchLabels\":{\"part\":\"x\"}}]}}");
    call(&c, "POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles",
         "{\"metadata\":{\"name\":\"part\",\"labels\":{\"part\":\"x\"}},\"rules\":[{\"apiGroups\":"
         "[\"\"],\"resources\":[\"pods\"],\"verbs\":[\"get\"]}]}");
    wait_s(&c, 5);
    rules = json_findz(get(&c, "/apis/rbac.authorization.k8s.io/v1/clusterroles/sum"), "rules");
    CHECK_INT(json_count(rules), 1);
    call(&c, "DELETE", "/apis/rbac.authorization.k8s.io/v1/clusterroles/part", "");
    wait_s(&c, 5);
    rules = json_findz(get(&c, "/apis/rbac.authorization.k8s.io/v1/clusterroles/sum"), "rules");
    CHECK_INT(json_count(rules), 0);
    cluster_end(&c);
}

TEST(cluster, a_validating_policy_is_told_what_does_not_fit_the_kinds_it_names)
{
    static const char path[] = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
    struct cluster c;
    struct json *v;

    cluster_start(&c);
    call(&c, "POST", path,
         "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"matchConstraints\":{\"resourceRules\":[{"
         "\"apiGroups\":[\"apps\"],\"apiVersions\":[\"v1\"],\"operations\":[\"*\"],"
         "\"resources\":[\"deployments\",\"deployments/scale\"]}]},\"validations\":[{"
         "\"expression\":\"object.spec.replicas > 1\"},{\"expression\":\"object.spec.nosuch == "
         "1\"}]}}");
    wait_s(&c, 5);
    v = get(&c, "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/p");
    CHECK_INT(json_get_int(v, "status.observedGeneration", 0), 1);
    CHECK_INT(json_count(json_path(v, "status.typeChecking.expressionWarnings")), 1);
    v = json_item(json_path(v, "status.typeChecking.expressionWarnings"), 0);
    CHECK_STRZ(json_get_str(v, "fieldRef"), "spec.validations[1].expression");
    CHECK_STRZ(json_get_str(v, "warning"),
               "apps/v1, Kind=Deployment: ERROR: <input>:1:12: undefined field 'nosuch'\n | "
               "object.spec.nosuch == 1\n | ...........^\n");
    cluster_end(&c);
}

TEST(cluster, a_token_secret_gets_a_token_that_lives_as_long_as_itself)
{
    struct cluster c;
    struct json *v;
    const char *review;
    str token;

    cluster_start(&c);
    call(&c, "POST", NS "/serviceaccounts", "{\"metadata\":{\"name\":\"sa\"}}");
    call(&c, "POST", NS "/secrets",
         "{\"metadata\":{\"name\":\"s\",\"annotations\":{\"kubernetes.io/service-account.name\":"
         "\"sa\"}},\"type\":\"kubernetes.io/service-account-token\"}");
    wait_s(&c, 5);
    CHECK(base64_decode(c.a, json_get_str(get(&c, NS "/secrets/s"), "data.token"), &token));
    CHECK(token.n > 0);
    review =
        arena_dupz(c.a, arena_fmt(c.a, "{\"spec\":{\"token\":\"" PRI_STR "\"}}", STR_ARG(token)));
    v = call(&c, "POST", "/apis/authentication.k8s.io/v1/tokenreviews", review);
    CHECK_STRZ(json_get_str(v, "status.user.username"), "system:serviceaccount:default:sa");
    wait_s(&c, 1);
    CHECK(json_str(json_find(json_path(get(&c, NS "/secrets/s"), "metadata.labels"),
                             S("kubernetes.io/legacy-token-last-used")))
              .n == 10);
    call(&c, "DELETE", NS "/secrets/s", "");
    v = call(&c, "POST", "/apis/authentication.k8s.io/v1/tokenreviews", review);
    CHECK_STRZ(json_get_str(v, "status.error"),
               "[invalid bearer token, Token has been invalidated]");
    cluster_end(&c);
}

TEST(cluster, bootstrap_tokens_sign_the_cluster_info_until_they_expire)
{
    static const char *const info = "/api/v1/namespaces/kube-public/configmaps";
    struct cluster c;
    CLEANUP(buf) struct buf end = BUF_INIT;
    str jws, header, rest;

    cluster_start(&c);
    buf_rfc3339(&end, (wall_time){loop_wall(sim_loop(c.s)).ns + 60 * NS_PER_S});
    call(&c, "POST", info,
         "{\"metadata\":{\"name\":\"cluster-info\"},\"data\":{\"kubeconfig\":\"x\","
         "\"jws-kubeconfig-stale\":\"y\"}}");
    call(&c, "POST", "/api/v1/namespaces/kube-system/secrets",
         arena_dupz(c.a, arena_fmt(c.a,
                                   "{\"metadata\":{\"name\":\"bootstrap-token-abcdef\"},\"type\":"
                                   "\"bootstrap.kubernetes.io/token\",\"stringData\":{\"token-id\":"
                                   "\"abcdef\",\"token-secret\":\"0123456789abcdef\","
                                   "\"usage-bootstrap-signing\":\"true\",\"expiration\":\"%s\"}}",
                                   buf_cstr(&end))));
    wait_s(&c, 5);
    rest = json_get_str(get(&c, "/api/v1/namespaces/kube-public/configmaps/cluster-info"),
                        "data.jws-kubeconfig-abcdef");
    CHECK(str_cut(&rest, '.', &header) && rest.n > 40 && rest.p[0] == '.');
    CHECK(base64url_decode(c.a, header, &jws));
    CHECK_STRZ(jws, "{\"alg\":\"HS256\",\"kid\":\"abcdef\"}");
    CHECK_INT(json_count(json_findz(
                  get(&c, "/api/v1/namespaces/kube-public/configmaps/cluster-info"), "data")),
              2);
    wait_s(&c, 120);
    CHECK(!get(&c, "/api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef"));
    CHECK_INT(json_count(json_findz(
                  get(&c, "/api/v1/namespaces/kube-public/configmaps/cluster-info"), "data")),
              1);
    cluster_end(&c);
}

TEST_MAIN
