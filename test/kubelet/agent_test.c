/* agent_test.c - the node agent as a whole, under virtual time: a small API server and a container runtime in memory. */
#include "test/kubelet/fake_api.h"
#include "test/kubelet/fake_runtime.h"

#include <stdlib.h>
#include <unistd.h>

#include "kubelet/kubelet.h"
#include "kubelet/volume.h"
#include "test/test.h"

#define PODS "/api/v1/namespaces/default/pods"

struct world {
    struct loop *loop;
    struct fake_api *api;
    struct fake_runtime *runtime;
    struct client *client;
    struct kubelet *kubelet;
    char dir[64];
    str root, cgroups;
    struct arena *arena;
    bool ready, stopped;
};

static void on_ready(void *ctx)
{
    ((struct world *)ctx)->ready = true;
}

static void on_stopped(void *ctx)
{
    ((struct world *)ctx)->stopped = true;
}

static void run(struct world *w, int64_t ms)
{
    loop_virtual_run(w->loop, loop_virtual_elapsed_ns(w->loop) + ms * NS_PER_MS, NULL, NULL);
}

static void start_agent(struct world *w)
{
    struct kubelet_options o = {
        .loop = w->loop,
        .client = w->client,
        .node_name = S("n1"),
        .node_ip = S("192.0.2.1"),
        .data_dir = w->root,
        .root_dir = w->root,
        .runtime = fake_runtime_again(w->runtime),
        .cgroup_root = w->cgroups,
        .cluster_domain = S("cluster.local"),
        .cluster_dns = S("10.43.0.10"),
        .ready = on_ready,
        .ctx = w,
    };

    CHECK_OK(kubelet_start(&o, &w->kubelet));
    run(w, 500);
}

static void stop_agent(struct world *w)
{
    w->stopped = false;
    kubelet_stop(w->kubelet, on_stopped, w);
    run(w, 100);
    CHECK(w->stopped);
}

static void world_init(struct world *w)
{
    struct client_inproc_options co = {
        .handler = fake_api_handle, .user = S("system:node:n1"), .user_agent = S("kubelet")};

    *w = (struct world){.loop = loop_new_virtual(1, (wall_time){INT64_C(1800000000) * NS_PER_S})};
    log_level_max = LOG_ERROR;
    w->arena = arena_new();
    snprintf(w->dir, sizeof w->dir, "/tmp/k1s-kubelet-test-XXXXXX");
    CHECK(mkdtemp(w->dir) != NULL);
    w->root = arena_fmt(w->arena, "%s/root", w->dir);
    w->cgroups = arena_fmt(w->arena, "%s/cgroup", w->dir);
    w->api = fake_api_new(w->loop);
    co.handler_ctx = w->api;
    co.server_loop = w->loop;
    w->client = client_new_inproc(w->loop, &co);
    fake_runtime_new(w->loop, &w->runtime);
    fake_runtime_add_image(w->runtime, "busybox:1");
    start_agent(w);
}

static void world_fini(struct world *w)
{
    stop_agent(w);
    client_free(w->client);
    run(w, 1000);
    fake_api_free(w->api);
    fake_runtime_free(w->runtime);
    loop_free(w->loop);
    volume_remove_tree(w->dir);
    arena_free(w->arena);
}

/* A pod on this node; extra: more of its spec; container: more of its only container "c". */
static void put_pod(struct world *w, const char *name, const char *container, const char *extra)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_fmt(&b,
            "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"%s\",\"namespace\":"
            "\"default\",\"uid\":\"k1s-test-%d-%s\"},\"spec\":{\"nodeName\":\"n1\","
            "\"terminationGracePeriodSeconds\":5%s,\"containers\":[{\"name\":\"c\",\"image\":"
            "\"busybox:1\",\"imagePullPolicy\":\"IfNotPresent\"%s}]}}",
            name, (int)getpid(), name, extra, container);
    fake_api_put(w->api, PODS, buf_cstr(&b));
}

static const struct json *pod(struct world *w, const char *name)
{
    char path[128];

    snprintf(path, sizeof path, PODS "/%s", name);
    return fake_api_find(w->api, path);
}

static str phase(struct world *w, const char *name)
{
    return json_get_str(pod(w, name), "status.phase");
}

static const struct json *container(struct world *w, const char *name)
{
    return json_item(json_at(pod(w, name), "status", "containerStatuses", NULL), 0);
}

static str condition(struct world *w, const char *name, const char *type)
{
    JSON_EACH(c, json_at(pod(w, name), "status", "conditions", NULL))
        if (str_is(json_get_str(c, "type"), type))
            return json_get_str(c, "status");
    return STR_NONE;
}

static void delete_pod(struct world *w, const char *name, int64_t grace)
{
    char path[128];

    snprintf(path, sizeof path, PODS "/%s", name);
    fake_api_delete_gracefully(w->api, path, grace);
    run(w, 2000);
}

TEST(agent, registers_its_node_and_keeps_the_lease)
{
    struct world w;
    const struct json *node;
    str first;

    world_init(&w);
    CHECK(w.ready);
    node = fake_api_find(w.api, "/api/v1/nodes/n1");
    CHECK_STRZ(
        json_str(json_findz(json_at(node, "metadata", "labels", NULL), "kubernetes.io/hostname")),
        "n1");
    CHECK_STRZ(json_get_str(json_item(json_at(node, "status", "addresses", NULL), 0), "address"),
               "192.0.2.1");
    CHECK_STRZ(json_get_str(node, "status.nodeInfo.containerRuntimeVersion"), "fake://1");
    CHECK_STRZ(json_str(json_item(json_path(node, "status.declaredFeatures"), 0)),
               "GuaranteedQoSPodCPUResize");
    JSON_EACH(c, json_at(node, "status", "conditions", NULL))
        if (str_is(json_get_str(c, "type"), "Ready"))
            CHECK_STRZ(json_get_str(c, "status"), "True");
    first = arena_dup(
        w.arena,
        json_get_str(
            fake_api_find(w.api,
                          "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1"),
            "spec.renewTime"));
    CHECK(first.n > 0);
    run(&w, 11000);
    CHECK(!str_eq(
        first, json_get_str(
                   fake_api_find(
                       w.api, "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1"),
                   "spec.renewTime")));
    CHECK(fake_api_count_events(w.api, "NodeReady") == 1);
    world_fini(&w);
}

#define NODES "/api/v1/nodes"

static str node_condition(struct world *w, const char *type, const char *field)
{
    JSON_EACH(c, json_at(fake_api_find(w->api, NODES "/n1"), "status", "conditions", NULL))
        if (str_is(json_get_str(c, "type"), type))
            return json_get_str(c, field);
    return STR_NONE;
}

/* As node-lifecycle does when heartbeats have come late. */
static void node_becomes_unknown(struct world *w)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf text = BUF_INIT;
    struct json v = json_copy(a, fake_api_find(w->api, NODES "/n1"));

    JSON_EACH(c, json_at(&v, "status", "conditions", NULL))
        json_setz(a, c, "status", json_z("Unknown"));
    json_encode(&text, &v);
    fake_api_put(w->api, NODES, buf_cstr(&text));
}

TEST(agent, a_node_thought_dead_says_soon_that_it_lives)
{
    struct world w;

    world_init(&w);
    for (int pause_ms = 0; pause_ms < 30000; pause_ms += 1700) { /* against its own timers */
        run(&w, pause_ms);
        node_becomes_unknown(&w);
        CHECK_STRZ(node_condition(&w, "Ready", "status"), "Unknown");
        run(&w, 2000);
        CHECK_STRZ(node_condition(&w, "Ready", "status"), "True");
        CHECK_STRZ(node_condition(&w, "MemoryPressure", "status"), "False");
    }
    world_fini(&w);
}

TEST(agent, a_correction_is_a_transition_and_told_once)
{
    struct world w;
    CLEANUP(buf) struct buf before = BUF_INIT;
    str version;

    world_init(&w);
    buf_str(&before, node_condition(&w, "Ready", "lastTransitionTime"));
    run(&w, 5000);
    node_becomes_unknown(&w);
    run(&w, 2000);
    CHECK(!str_eq(node_condition(&w, "Ready", "lastTransitionTime"), buf_view(&before)));
    version = arena_dup(
        w.arena, json_get_str(fake_api_find(w.api, NODES "/n1"), "metadata.resourceVersion"));
    run(&w, 60000);
    CHECK(str_eq(version,
                 json_get_str(fake_api_find(w.api, NODES "/n1"), "metadata.resourceVersion")));
    world_fini(&w);
}

TEST(agent, a_status_that_was_refused_is_told_again)
{
    struct world w;

    world_init(&w);
    run(&w, 20000);
    fake_api_refuse_patches(w.api, NODES "/n1", 3);
    fake_runtime_add_image(w.runtime, "news:1");
    node_becomes_unknown(&w);
    run(&w, 10000);
    CHECK_STRZ(node_condition(&w, "Ready", "status"), "True");
    world_fini(&w);
}

TEST(agent, a_node_deleted_under_a_living_agent_comes_back_with_its_status)
{
    struct world w;

    world_init(&w);
    run(&w, 5000);
    fake_api_delete(w.api, NODES "/n1");
    run(&w, 315000); /* until it has something to say */
    CHECK_STRZ(node_condition(&w, "Ready", "status"), "True");
    world_fini(&w);
}

TEST(agent, runs_a_pod_and_tells_its_status_once)
{
    struct world w;
    int64_t revision;

    world_init(&w);
    put_pod(&w, "a", "", "");
    run(&w, 1000);
    CHECK_STRZ(phase(&w, "a"), "Running");
    CHECK_STRZ(condition(&w, "a", "Ready"), "True");
    CHECK_STRZ(json_get_str(pod(&w, "a"), "status.podIP"), "10.1.0.2");
    CHECK_INT(fake_runtime_running(w.runtime, "c"), 1);
    CHECK_INT(fake_api_count_events(w.api, "Started"), 1);
    CHECK(json_get_int(container(&w, "a"), "restartCount", -1) == 0);
    /* Nothing changes, so nothing is written. */
    str_to_int64(json_get_str(pod(&w, "a"), "metadata.resourceVersion"), &revision);
    run(&w, 60000);
    CHECK_INT(json_get_int(pod(&w, "a"), "metadata.resourceVersion", revision), revision);
    delete_pod(&w, "a", 5);
    world_fini(&w);
}

TEST(agent, ends_a_deleted_pod_gracefully_and_leaves_nothing)
{
    struct world w;

    world_init(&w);
    put_pod(&w, "a", "", "");
    run(&w, 1000);
    delete_pod(&w, "a", 5);
    CHECK(str_find(fake_runtime_log(w.runtime), S("stop c 5\nexit c 143\nstop-sandbox a\n")) >= 0);
    CHECK(pod(&w, "a") == NULL);
    CHECK_INT(fake_runtime_sandboxes(w.runtime), 0);
    CHECK_INT(fake_api_count_events(w.api, "Killing"), 1);
    CHECK(
        access(arena_fmt(w.arena, PRI_STR "/pods/k1s-test-%d-a", STR_ARG(w.root), (int)getpid()).p,
               F_OK) != 0);
    CHECK(access(pod_log_dir(w.arena, S("default"), S("a"),
                             arena_fmt(w.arena, "k1s-test-%d-a", (int)getpid()))
                     .p,
                 F_OK) != 0);
    world_fini(&w);
}

TEST(agent, restarts_what_crashes_with_growing_waits)
{
    struct world w;

    world_init(&w);
    put_pod(&w, "a", "", "");
    run(&w, 1000);
    fake_runtime_exit(w.runtime, "c", 1); /* the first restart is immediate */
    run(&w, 1000);
    CHECK_INT(fake_runtime_count(w.runtime, "StartContainer"), 2);
    CHECK_INT(json_get_int(container(&w, "a"), "restartCount", -1), 1);
    CHECK_INT(json_get_int(container(&w, "a"), "lastState.terminated.exitCode", -1), 1);
    fake_runtime_exit(w.runtime, "c", 1);
    run(&w, 1000);
    CHECK_STRZ(json_get_str(container(&w, "a"), "state.waiting.reason"), "CrashLoopBackOff");
    CHECK(str_has_prefix(json_get_str(container(&w, "a"), "state.waiting.message"),
                         S("back-off 10s restarting failed container=c pod=a_default(")));
    CHECK_STRZ(phase(&w, "a"), "Running");
    run(&w, 7000);
    CHECK_INT(fake_runtime_count(w.runtime, "StartContainer"), 2);
    run(&w, 3000);
    CHECK_INT(fake_runtime_count(w.runtime, "StartContainer"), 3);
    fake_runtime_exit(w.runtime, "c", 1);
    run(&w, 15000);
    CHECK_INT(fake_runtime_count(w.runtime, "StartContainer"), 3);
    run(&w, 6000);
    CHECK_INT(fake_runtime_count(w.runtime, "StartContainer"), 4);
    delete_pod(&w, "a", 0);
    world_fini(&w);
}

TEST(agent, does_not_restart_containers_when_it_starts_again)
{
    struct world w;

    world_init(&w);
    put_pod(&w, "a", "", "");
    run(&w, 1000);
    stop_agent(&w);
    CHECK_INT(fake_runtime_running(w.runtime, "c"), 1);
    start_agent(&w);
    run(&w, 5000);
    CHECK_INT(fake_runtime_count(w.runtime, "StartContainer"), 1);
    CHECK_INT(fake_runtime_count(w.runtime, "StopContainer"), 0);
    CHECK_STRZ(condition(&w, "a", "Ready"), "True");
    delete_pod(&w, "a", 0);
    world_fini(&w);
}

TEST(agent, clears_pods_that_the_api_has_forgotten_meanwhile)
{
    struct world w;

    world_init(&w);
    put_pod(&w, "a", "", "");
    run(&w, 1000);
    stop_agent(&w);
    fake_api_delete(w.api, PODS "/a");
    start_agent(&w);
    run(&w, 40000);
    CHECK_INT(fake_runtime_running(w.runtime, NULL), 0);
    CHECK_INT(fake_runtime_sandboxes(w.runtime), 0);
    world_fini(&w);
}

TEST(agent, a_pod_that_runs_to_its_end_succeeds_or_fails)
{
    struct world w;

    world_init(&w);
    put_pod(&w, "good", "", ",\"restartPolicy\":\"Never\"");
    run(&w, 1000);
    fake_runtime_exit(w.runtime, "c", 0);
    run(&w, 1000);
    CHECK_STRZ(phase(&w, "good"), "Succeeded");
    CHECK_STRZ(condition(&w, "good", "Ready"), "False");
    put_pod(&w, "bad", "", ",\"restartPolicy\":\"Never\"");
    run(&w, 1000);
    fake_runtime_exit(w.runtime, "c", 7);
    run(&w, 1000);
    CHECK_STRZ(phase(&w, "bad"), "Failed");
    CHECK_INT(json_get_int(container(&w, "bad"), "state.terminated.exitCode", 0), 7);
    CHECK_INT(fake_runtime_count(w.runtime, "StartContainer"), 2);
    delete_pod(&w, "good", 0);
    delete_pod(&w, "bad", 0);
    CHECK_INT(fake_runtime_sandboxes(w.runtime), 0);
    world_fini(&w);
}

TEST(agent, init_containers_run_one_after_another_and_sidecars_go_last)
{
    struct world w;
    static const char init[] = ",\"restartPolicy\":\"Never\",\"initContainers\":[{\"name\":\"i1\","
                               "\"image\":\"busybox:1\"},"
                               "{\"name\":\"side\",\"image\":\"busybox:1\",\"restartPolicy\":"
                               "\"Always\"},{\"name\":\"i2\",\"image\":\"busybox:1\"}]";

    world_init(&w);
    put_pod(&w, "a", "", init);
    run(&w, 1000);
    CHECK_STRZ(fake_runtime_log(w.runtime), "sandbox a\nstart i1\n");
    CHECK_STRZ(phase(&w, "a"), "Pending");
    fake_runtime_exit(w.runtime, "i1", 0);
    run(&w, 1000);
    fake_runtime_exit(w.runtime, "i2", 0);
    run(&w, 1000);
    CHECK_STRZ(fake_runtime_log(w.runtime),
               "sandbox a\nstart i1\nexit i1 0\nstart side\nstart i2\nexit i2 0\nstart c\n");
    CHECK_STRZ(phase(&w, "a"), "Running");
    fake_runtime_exit(w.runtime, "c", 0); /* then the sidecar has nothing left to serve */
    run(&w, 1000);
    CHECK_INT(fake_runtime_running(w.runtime, NULL), 0);
    CHECK_STRZ(phase(&w, "a"), "Succeeded");
    delete_pod(&w, "a", 0);
    world_fini(&w);
}

TEST(agent, an_init_container_that_fails_for_good_fails_the_pod)
{
    struct world w;

    world_init(&w);
    put_pod(&w, "a", "",
            ",\"restartPolicy\":\"Never\",\"initContainers\":[{\"name\":\"i\",\"image\":\"busybox:"
            "1\"}]");
    run(&w, 1000);
    fake_runtime_exit(w.runtime, "i", 1);
    run(&w, 1000);
    CHECK_STRZ(phase(&w, "a"), "Failed");
    CHECK_INT(fake_runtime_count(w.runtime, "StartContainer"), 1);
    delete_pod(&w, "a", 0);
    world_fini(&w);
}

TEST(agent, a_failing_liveness_probe_restarts_and_a_readiness_probe_only_unreadies)
{
    struct world w;

    world_init(&w);
    put_pod(&w, "a",
            ",\"livenessProbe\":{\"exec\":{\"command\":[\"x\"]},\"periodSeconds\":1,"
            "\"failureThreshold\":3}",
            "");
    put_pod(&w, "b",
            ",\"readinessProbe\":{\"exec\":{\"command\":[\"x\"]},\"periodSeconds\":1,"
            "\"failureThreshold\":1}",
            "");
    run(&w, 2500);
    CHECK_STRZ(condition(&w, "b", "Ready"), "True");
    fake_runtime_set_exec(w.runtime, 1);
    run(&w, 1500);
    CHECK_INT(fake_runtime_count(w.runtime, "StopContainer"), 0);
    CHECK_STRZ(condition(&w, "b", "Ready"), "False");
    run(&w, 2500);
    fake_runtime_set_exec(w.runtime, 0);
    run(&w, 3000);
    CHECK_INT(fake_runtime_count(w.runtime, "StopContainer"), 1);
    CHECK_INT(json_get_int(container(&w, "a"), "restartCount", 0), 1);
    CHECK_INT(json_get_int(container(&w, "b"), "restartCount", -1), 0);
    CHECK_STRZ(condition(&w, "b", "Ready"), "True");
    CHECK(fake_api_count_events(w.api, "Unhealthy") >= 2);
    delete_pod(&w, "a", 0);
    delete_pod(&w, "b", 0);
    world_fini(&w);
}

TEST(agent, a_container_is_ready_soon_after_it_can_be)
{
    struct world w;

    world_init(&w);
    fake_runtime_set_exec(w.runtime, 1);
    put_pod(&w, "a", ",\"readinessProbe\":{\"exec\":{\"command\":[\"x\"]},\"periodSeconds\":60}",
            "");
    run(&w, 1000);
    CHECK_STRZ(condition(&w, "a", "Ready"), "False");
    fake_runtime_set_exec(w.runtime, 0);
    run(&w, 2000);
    CHECK_STRZ(condition(&w, "a", "Ready"), "True");
    CHECK_INT(fake_api_count_events(w.api, "Unhealthy"), 1); /* early questions are not told of */
    delete_pod(&w, "a", 0);
    world_fini(&w);
}

TEST(agent, a_missing_image_is_told_and_waited_for)
{
    struct world w;

    world_init(&w);
    put_pod(&w, "a", ",\"image\":\"nope:1\"", "");
    run(&w, 1000);
    CHECK_STRZ(json_get_str(container(&w, "a"), "state.waiting.reason"), "ErrImagePull");
    run(&w, 3000);
    CHECK_STRZ(json_get_str(container(&w, "a"), "state.waiting.reason"), "ImagePullBackOff");
    CHECK_STRZ(phase(&w, "a"), "Pending");
    CHECK_INT(fake_runtime_count(w.runtime, "PullImage"), 1);
    run(&w, 9000);
    CHECK_INT(fake_runtime_count(w.runtime, "PullImage"), 2);
    fake_runtime_add_image(w.runtime,
                           "nope:1"); /* somebody imported it: no need to wait any longer */
    run(&w, 1000);
    CHECK_STRZ(phase(&w, "a"), "Running");
    delete_pod(&w, "a", 0);
    world_fini(&w);
}

TEST(agent, a_config_map_that_comes_late_lets_the_pod_go_on_and_changes_reach_its_volume)
{
    struct world w;
    CLEANUP(buf) struct buf path = BUF_INIT;
    char text[16] = "";
    FILE *f;

    world_init(&w);
    put_pod(&w, "a", ",\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/v\"}]",
            ",\"volumes\":[{\"name\":\"v\",\"configMap\":{\"name\":\"cm\"}}]");
    run(&w, 2000);
    CHECK_INT(fake_runtime_running(w.runtime, NULL), 0);
    CHECK(fake_api_count_events(w.api, "FailedMount") >= 1);
    fake_api_put(w.api, "/api/v1/namespaces/default/configmaps",
                 "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"cm\","
                 "\"namespace\":\"default\"},\"data\":{\"k\":\"one\"}}");
    run(&w, 2000);
    CHECK_INT(fake_runtime_running(w.runtime, NULL), 1);
    fake_api_put(w.api, "/api/v1/namespaces/default/configmaps",
                 "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"cm\","
                 "\"namespace\":\"default\"},\"data\":{\"k\":\"two\"}}");
    run(&w, 2000);
    buf_fmt(&path, PRI_STR "/pods/k1s-test-%d-a/volumes/kubernetes.io~configmap/v/k",
            STR_ARG(w.root), (int)getpid());
    f = fopen(buf_cstr(&path), "r");
    CHECK(f && fgets(text, sizeof text, f));
    if (f)
        fclose(f);
    CHECK_STRZ(str_of(text), "two");
    CHECK_INT(fake_runtime_count(w.runtime, "StartContainer"), 1);
    delete_pod(&w, "a", 0);
    world_fini(&w);
}

TEST(agent, a_missing_variable_is_told_and_its_coming_starts_the_container)
{
    struct world w;

    world_init(&w);
    put_pod(&w, "a",
            ",\"env\":[{\"name\":\"X\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"s\",\"key\":"
            "\"k\"}}}]",
            "");
    run(&w, 2000);
    CHECK_STRZ(json_get_str(container(&w, "a"), "state.waiting.reason"),
               "CreateContainerConfigError");
    CHECK_STRZ(json_get_str(container(&w, "a"), "state.waiting.message"), "secret \"s\" not found");
    fake_api_put(w.api, "/api/v1/namespaces/default/secrets",
                 "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\","
                 "\"namespace\":\"default\"},\"data\":{\"k\":\"eA==\"}}");
    run(&w, 1000);
    CHECK_INT(fake_runtime_running(w.runtime, "c"), 1);
    delete_pod(&w, "a", 0);
    world_fini(&w);
}

TEST(agent, hooks_run_around_a_container)
{
    struct world w;

    world_init(&w);
    put_pod(&w, "a",
            ",\"lifecycle\":{\"postStart\":{\"exec\":{\"command\":[\"x\"]}},\"preStop\":{\"sleep\":"
            "{\"seconds\":3}}}",
            "");
    run(&w, 1000);
    CHECK_INT(fake_runtime_count(w.runtime, "ExecSync"), 1);
    CHECK_STRZ(phase(&w, "a"), "Running");
    delete_pod(&w, "a", 5);
    CHECK_INT(fake_runtime_running(w.runtime, "c"), 1); /* asleep before its end */
    run(&w, 2000);
    CHECK(str_find(fake_runtime_log(w.runtime), S("stop c 2\n")) >= 0);
    run(&w, 1000);
    CHECK(pod(&w, "a") == NULL);
    world_fini(&w);
}

TEST(agent, a_container_waits_until_its_post_start_hook_is_done)
{
    struct world w;

    world_init(&w);
    put_pod(&w, "a",
            ",\"lifecycle\":{\"postStart\":{\"sleep\":{\"seconds\":3}}},\"readinessProbe\":{"
            "\"exec\":{\"command\":[\"x\"]},\"periodSeconds\":1}",
            "");
    run(&w, 1500);
    CHECK_INT(fake_runtime_running(w.runtime, "c"), 1);
    CHECK_STRZ(phase(&w, "a"), "Pending");
    CHECK_STRZ(json_get_str(container(&w, "a"), "state.waiting.reason"), "ContainerCreating");
    CHECK_INT(fake_runtime_count(w.runtime, "ExecSync"), 0);
    run(&w, 3500);
    CHECK_STRZ(phase(&w, "a"), "Running");
    CHECK_STRZ(condition(&w, "a", "Ready"), "True");
    world_fini(&w);
}

TEST(agent, a_post_start_hook_that_fails_ends_the_container)
{
    struct world w;

    world_init(&w);
    fake_runtime_set_exec(w.runtime, 1);
    put_pod(&w, "a", ",\"lifecycle\":{\"postStart\":{\"exec\":{\"command\":[\"x\"]}}}", "");
    run(&w, 1000);
    CHECK(str_find(fake_runtime_log(w.runtime), S("stop c 5\n")) >= 0);
    CHECK(json_get_int(container(&w, "a"), "restartCount", 0) > 0);
    world_fini(&w);
}

TEST(agent, an_exit_is_seen_however_late_the_runtime_admits_it)
{
    struct world w;

    world_init(&w);
    fake_runtime_set_lag(w.runtime, 12 * NS_PER_S);
    put_pod(&w, "a", "", ",\"restartPolicy\":\"Never\"");
    run(&w, 1000);
    fake_runtime_exit(w.runtime, "c", 0);
    run(&w, 11000);
    CHECK_STRZ(phase(&w, "a"), "Running");
    run(&w, 2500);
    CHECK_STRZ(phase(&w, "a"), "Succeeded");
    world_fini(&w);
}

TEST(agent, a_pod_past_its_deadline_fails)
{
    struct world w;

    world_init(&w);
    put_pod(&w, "a", "", ",\"activeDeadlineSeconds\":20");
    run(&w, 10000);
    CHECK_STRZ(phase(&w, "a"), "Running");
    run(&w, 16000);
    CHECK_INT(fake_runtime_running(w.runtime, "c"), 0);
    CHECK_STRZ(phase(&w, "a"), "Failed");
    CHECK_STRZ(json_get_str(pod(&w, "a"), "status.reason"), "DeadlineExceeded");
    CHECK_STRZ(condition(&w, "a", "Ready"), "False");
    world_fini(&w);
}

TEST(agent, a_shorter_grace_period_hurries_a_deletion)
{
    struct world w;

    world_init(&w);
    put_pod(&w, "a", ",\"lifecycle\":{\"preStop\":{\"sleep\":{\"seconds\":60}}}", "");
    run(&w, 1000);
    delete_pod(&w, "a", 60);
    CHECK_INT(fake_runtime_running(w.runtime, "c"), 1);
    fake_api_delete_gracefully(w.api, PODS "/a", 1);
    run(&w, 4000);
    CHECK(pod(&w, "a") == NULL);
    world_fini(&w);
}

TEST(agent, a_pod_that_names_another_image_has_its_container_replaced)
{
    struct world w;

    world_init(&w);
    fake_runtime_add_image(w.runtime, "busybox:2");
    put_pod(&w, "a", "", "");
    run(&w, 1000);
    put_pod(&w, "a", ",\"image\":\"busybox:2\"", "");
    run(&w, 2000);
    CHECK_INT(fake_runtime_count(w.runtime, "StartContainer"), 2);
    CHECK_INT(fake_runtime_running(w.runtime, "c"), 1);
    CHECK_STRZ(json_get_str(container(&w, "a"), "image"), "busybox:2");
    CHECK_INT(json_get_int(container(&w, "a"), "restartCount", 0), 1);
    delete_pod(&w, "a", 0);
    world_fini(&w);
}

TEST(agent, refuses_a_pod_that_asks_for_more_than_the_node_has)
{
    struct world w;

    world_init(&w);
    put_pod(&w, "a", ",\"resources\":{\"requests\":{\"cpu\":\"1000\"}}", "");
    run(&w, 1000);
    CHECK_STRZ(phase(&w, "a"), "Failed");
    CHECK_STRZ(json_get_str(pod(&w, "a"), "status.reason"), "OutOfcpu");
    CHECK_INT(fake_runtime_count(w.runtime, "RunPodSandbox"), 0);
    delete_pod(&w, "a", 0);
    world_fini(&w);
}

#define SIZED(cpu, memory, policy)                                                                 \
    ",\"resources\":{\"requests\":{\"cpu\":\"" cpu "\",\"memory\":\"" memory                       \
    "\"},\"limits\":{\"cpu\":\"" cpu "\",\"memory\":\"" memory "\"}}" policy

static const struct json *resize_condition(struct world *w, const char *name)
{
    JSON_EACH(c, json_path(pod(w, name), "status.conditions"))
        if (str_has_prefix(json_get_str(c, "type"), S("PodResize")))
            return c;
    return NULL;
}

TEST(agent, a_container_gets_other_resources_while_it_runs)
{
    struct world w;

    world_init(&w);
    put_pod(&w, "a", SIZED("20m", "35Mi", ""), "");
    run(&w, 1000);
    CHECK_STRZ(json_get_str(container(&w, "a"), "resources.limits.memory"), "35Mi");
    put_pod(&w, "a", SIZED("40m", "40Mi", ""), "");
    run(&w, 1000);
    CHECK(str_find(fake_runtime_log(w.runtime),
                   S("update c shares 40 quota 4000 memory 41943040\n")) >= 0);
    CHECK_INT(fake_runtime_count(w.runtime, "UpdateContainerResources"), 1);
    CHECK_INT(fake_runtime_count(w.runtime, "StartContainer"), 1);
    CHECK_STRZ(json_get_str(container(&w, "a"), "resources.limits.memory"), "40Mi");
    CHECK_STRZ(json_get_str(container(&w, "a"), "allocatedResources.cpu"), "40m");
    CHECK(!resize_condition(&w, "a"));
    /* More than there is: it keeps what it has. */
    put_pod(&w, "a", SIZED("1000", "40Mi", ""), "");
    run(&w, 1000);
    CHECK_STRZ(json_get_str(resize_condition(&w, "a"), "type"), "PodResizePending");
    CHECK_STRZ(json_get_str(resize_condition(&w, "a"), "reason"), "Infeasible");
    CHECK_STRZ(json_get_str(container(&w, "a"), "resources.limits.cpu"), "40m");
    CHECK_INT(fake_runtime_count(w.runtime, "UpdateContainerResources"), 1);
    put_pod(&w, "a", SIZED("30m", "40Mi", ""), "");
    run(&w, 11000);
    CHECK_STRZ(json_get_str(container(&w, "a"), "resources.limits.cpu"), "30m");
    CHECK(!resize_condition(&w, "a"));
    delete_pod(&w, "a", 0);
    world_fini(&w);
}

TEST(agent, a_container_that_wants_it_is_restarted_for_other_resources)
{
    struct world w;

    world_init(&w);
#define POLICY                                                                                     \
    ",\"resizePolicy\":[{\"resourceName\":\"memory\",\"restartPolicy\":\"RestartContainer\"}]"
    put_pod(&w, "a", SIZED("20m", "35Mi", POLICY), "");
    run(&w, 1000);
    put_pod(&w, "a", SIZED("20m", "40Mi", POLICY), "");
    run(&w, 3000);
    CHECK_INT(fake_runtime_count(w.runtime, "UpdateContainerResources"), 0);
    CHECK_INT(fake_runtime_count(w.runtime, "StartContainer"), 2);
    CHECK_INT(json_get_int(container(&w, "a"), "restartCount", 0), 1);
    CHECK_STRZ(json_get_str(container(&w, "a"), "resources.limits.memory"), "40Mi");
    CHECK(!resize_condition(&w, "a"));
    /* The other resource needs none. */
    put_pod(&w, "a", SIZED("30m", "40Mi", POLICY), "");
    run(&w, 1000);
    CHECK_INT(fake_runtime_count(w.runtime, "UpdateContainerResources"), 1);
    CHECK_INT(fake_runtime_count(w.runtime, "StartContainer"), 2);
    delete_pod(&w, "a", 0);
    world_fini(&w);
}

TEST(agent, variables_come_from_the_pod_and_its_services)
{
    struct world w;
    str host = STR_NONE, ip = STR_NONE, text = STR_NONE;

    world_init(&w);
    fake_api_put(w.api, "/api/v1/namespaces/default/services",
                 "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"my-db\","
                 "\"namespace\":\"default\"},\"spec\":{\"clusterIP\":\"10.43.0.9\",\"ports\":[{"
                 "\"port\":5432}]}}");
    run(&w, 500);
    put_pod(&w, "a",
            ",\"env\":[{\"name\":\"IP\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"status."
            "podIP\"}}},{\"name\":\"T\",\"value\":\"$(IP)-$(MY_DB_SERVICE_PORT)\"}]",
            "");
    run(&w, 1000);
    JSON_EACH(e, json_findz(fake_runtime_config(w.runtime, "c"), "envs")) {
        if (str_is(json_get_str(e, "key"), "MY_DB_SERVICE_HOST"))
            host = json_get_str(e, "value");
        if (str_is(json_get_str(e, "key"), "IP"))
            ip = json_get_str(e, "value");
        if (str_is(json_get_str(e, "key"), "T"))
            text = json_get_str(e, "value");
    }
    CHECK_STRZ(host, "10.43.0.9");
    CHECK_STRZ(ip, "10.1.0.2");
    CHECK_STRZ(text, "10.1.0.2-5432");
    delete_pod(&w, "a", 0);
    world_fini(&w);
}

TEST_MAIN
