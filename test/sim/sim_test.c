/* sim_test.c - whole clusters under virtual time. */
#include "sim/sim.h"
#include "test/test.h"
#include "wire/json.h"

#define REPLICAS 50
#define NODES 10
#define MINUTE_NS (60 * NS_PER_S)

struct view {
    struct sim *s;
    int ready, on_dead, total;
    const char *dead;
};

/* Counts from the API, as any client would. */
static void look(struct view *v)
{
    CLEANUP(buf) struct buf body = BUF_INIT;
    struct arena *a = arena_new();
    struct json *list = NULL;

    v->ready = v->on_dead = v->total = 0;
    CHECK_OK(sim_call(v->s, "GET", "/api/v1/namespaces/default/pods?labelSelector=app%3Dweb",
                      STR_NONE, &body));
    CHECK_OK(json_parse(a, buf_view(&body), &(struct json_limits){64, 64 << 20}, NULL, &list));
    JSON_EACH(pod, json_findz(list, "items")) {
        bool dead = v->dead && str_is(json_get_str(pod, "spec.nodeName"), v->dead);

        v->total++;
        v->on_dead += dead;
        JSON_EACH(c, json_path(pod, "status.conditions"))
            v->ready += !dead && str_is(json_get_str(c, "type"), "Ready") &&
                        str_is(json_get_str(c, "status"), "True");
    }
    arena_free(a);
}

static const char deployment[] =
    "{\"apiVersion\":\"apps/"
    "v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\"},\"spec\":{\"replicas\":50,"
    "\"selector\":{\"matchLabels\":{\"app\":\"web\"}},"
    "\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\"}},\"spec\":{\"containers\":[{\"name\":"
    "\"c\",\"image\":\"web:1\",\"resources\":{\"requests\":{\"cpu\":\"100m\"}}}]}}}}";

static int64_t deployment_ready(struct sim *s)
{
    CLEANUP(buf) struct buf body = BUF_INIT;
    struct arena *a = arena_new();
    struct json *o = NULL;
    int64_t n;

    CHECK_OK(
        sim_call(s, "GET", "/apis/apps/v1/namespaces/default/deployments/web", STR_NONE, &body));
    CHECK_OK(json_parse(a, buf_view(&body), NULL, NULL, &o));
    n = json_get_int(o, "status.readyReplicas", 0);
    arena_free(a);
    return n;
}

/* The story: 50 replicas become ready, a node dies, its pods are replaced elsewhere. Returns the log. */
static struct buf live(uint64_t seed)
{
    struct sim *s = sim_new(&(struct sim_options){
        .seed = seed,
        .n_nodes = NODES,
        .faults = {.min_latency_ns = NS_PER_MS / 10, .max_latency_ns = 5 * NS_PER_MS}});
    struct view v = {.s = s};
    struct buf log = BUF_INIT;
    int lost;

    sim_run(s, NS_PER_S);
    CHECK_OK(sim_call(s, "POST", "/apis/apps/v1/namespaces/default/deployments", str_of(deployment),
                      NULL));
    sim_run(s, 30 * NS_PER_S);
    look(&v);
    CHECK_INT(v.ready, REPLICAS);
    CHECK_INT(deployment_ready(s), REPLICAS);
    v.dead = "hollow-3";
    look(&v);
    lost = v.on_dead;
    CHECK_INT(lost, REPLICAS / NODES); /* spread evenly */

    sim_node_stop(s, 3);
    sim_run(s, 2 * MINUTE_NS); /* noticed after 50 s, but its pods are tolerated for 300 s */
    look(&v);
    CHECK_INT(v.on_dead, lost);
    CHECK_INT(deployment_ready(s), REPLICAS - lost);
    sim_run(s, 5 * MINUTE_NS);
    look(&v);
    CHECK_INT(v.ready, REPLICAS);
    CHECK_INT(deployment_ready(s), REPLICAS);

    sim_node_start(s, 3); /* comes back and ends what was left of them */
    sim_run(s, MINUTE_NS);
    look(&v);
    CHECK_INT(v.total, REPLICAS);
    CHECK_INT(v.on_dead, 0);
    buf_str(&log, sim_log(s));
    sim_free(s);
    return log;
}

TEST(sim, pods_of_a_dead_node_are_replaced_and_the_same_seed_gives_the_same_log)
{
    struct buf one = live(1), again = live(1), other = live(2);

    CHECK(one.n > 10000);
    CHECK(str_eq(buf_view(&one), buf_view(&again)));
    CHECK(!str_eq(buf_view(&one), buf_view(&other)));
    buf_fini(&one);
    buf_fini(&again);
    buf_fini(&other);
}

static struct sim *with_web(uint64_t seed)
{
    struct sim *s = sim_new(&(struct sim_options){
        .seed = seed,
        .n_nodes = NODES,
        .faults = {.min_latency_ns = NS_PER_MS / 10, .max_latency_ns = 5 * NS_PER_MS}});

    sim_run(s, NS_PER_S);
    CHECK_OK(sim_call(s, "POST", "/apis/apps/v1/namespaces/default/deployments", str_of(deployment),
                      NULL));
    sim_run(s, 30 * NS_PER_S);
    CHECK_INT(deployment_ready(s), REPLICAS);
    return s;
}

TEST(sim, a_rolling_update_keeps_three_quarters_ready)
{
    struct sim *s = with_web(3);
    struct view v = {.s = s};
    int lowest = REPLICAS, highest = 0;
    CLEANUP(buf) struct buf body = BUF_INIT;

    CHECK_OK(sim_call(s, "PATCH", "/apis/apps/v1/namespaces/default/deployments/web",
                      S("{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"v\":\"2\"}}}}}"),
                      NULL));
    for (int i = 0; i < 300; i++) {
        sim_run(s, 100 * NS_PER_MS);
        look(&v);
        lowest = MIN(lowest, v.ready);
        highest = MAX(highest, v.total);
    }
    CHECK(lowest >= REPLICAS - REPLICAS / 4);
    CHECK(highest > REPLICAS);
    CHECK_INT(v.total, REPLICAS);
    CHECK_INT(v.ready, REPLICAS);
    CHECK_OK(sim_call(s, "GET", "/apis/apps/v1/namespaces/default/replicasets", STR_NONE, &body));
    CHECK(str_find(buf_view(&body), S("\"deployment.kubernetes.io/revision\":\"2\"")) >= 0);
    sim_free(s);
}

TEST(sim, an_unschedulable_pod_says_why_and_starts_when_there_is_room)
{
    struct sim *s = sim_new(&(struct sim_options){.seed = 4, .n_nodes = 2});
    static const char pod[] =
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"%s\"},\"spec\":{"
        "\"terminationGracePeriodSeconds\":0,\"containers\":[{\"name\":\"c\",\"image\":\"x:1\","
        "\"resources\":{\"requests\":{\"cpu\":\"10\"}}}]}}";
    CLEANUP(buf) struct buf body = BUF_INIT;

    sim_run(s, 5 * NS_PER_S);
    for (int i = 0; i < 3; i++) {
        char name[8], text[512];

        snprintf(name, sizeof name, "p%d", i);
        snprintf(text, sizeof text, pod, name);
        CHECK_OK(sim_call(s, "POST", "/api/v1/namespaces/default/pods", str_of(text), NULL));
    }
    sim_run(s, 5 * NS_PER_S);
    CHECK_OK(sim_call(s, "GET",
                      "/api/v1/namespaces/default/events?fieldSelector=reason%3DFailedScheduling",
                      STR_NONE, &body));
    CHECK(str_find(buf_view(&body), S("0/2 nodes are available: 2 Insufficient cpu. no new claims "
                                      "to deallocate, preemption: 0/2 nodes are available: "
                                      "2 No preemption victims found for incoming pod.")) >= 0);
    CHECK_OK(sim_call(s, "DELETE", "/api/v1/namespaces/default/pods/p0", STR_NONE, NULL));
    sim_run(s, 30 * NS_PER_S);
    buf_clear(&body);
    CHECK_OK(sim_call(s, "GET",
                      "/api/v1/namespaces/default/pods?fieldSelector=status.phase%3DRunning",
                      STR_NONE, &body));
    CHECK(str_find(buf_view(&body), S("\"name\":\"p1\"")) >= 0);
    CHECK(str_find(buf_view(&body), S("\"name\":\"p2\"")) >= 0);
    sim_free(s);
}

/* Pods that want one host port come and go on two nodes at all moments of each other's lives. */
static void check_ports_are_never_idle(uint64_t seed)
{
    struct sim *s = sim_new(&(struct sim_options){.seed = seed, .n_nodes = 2});
    uint64_t dice = seed * 0x9e3779b97f4a7c15u;
    CLEANUP(buf) struct buf body = BUF_INIT;
    bool lives[24] = {0};
    int n_lives = 0, n_placed = 0;

    sim_run(s, 5 * NS_PER_S);
    for (int step = 0; step < 60; step++) {
        char text[512];
        unsigned i;

        dice = dice * 6364136223846793005u + 1442695040888963407u;
        i = (unsigned)(dice >> 33) % ARRAY_LEN(lives);
        snprintf(text, sizeof text, "/api/v1/namespaces/default/pods/p%u", i);
        if (lives[i]) {
            CHECK_OK(sim_call(s, "DELETE", text, STR_NONE, NULL));
        } else {
            snprintf(text, sizeof text,
                     "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p%u\"},"
                     "\"spec\":{\"terminationGracePeriodSeconds\":0,\"containers\":[{\"name\":"
                     "\"c\",\"image\":\"x:1\",\"ports\":[{\"containerPort\":80,"
                     "\"hostPort\":80}]}]}}",
                     i);
            CHECK_OK(sim_call(s, "POST", "/api/v1/namespaces/default/pods", str_of(text), NULL));
        }
        lives[i] = !lives[i];
        n_lives += lives[i] ? 1 : -1;
        sim_run(s,
                (int64_t)((dice >> 45) % 4 ? (dice >> 40) % 30 : (dice >> 40) % 2500) * NS_PER_MS);
    }
    sim_run(s, 15 * NS_PER_S); /* more than the longest pause, far less than five minutes */
    CHECK_OK(sim_call(s, "GET", "/api/v1/namespaces/default/pods", STR_NONE, &body));
    for (str rest = buf_view(&body); str_find(rest, S("\"nodeName\":")) >= 0; n_placed++)
        rest = str_skip(rest, (size_t)str_find(rest, S("\"nodeName\":")) + 1);
    CHECK_INT(n_placed, MIN(n_lives, 2));
    sim_free(s);
}

TEST(sim, a_host_port_is_never_idle_while_somebody_waits_for_it)
{
    for (uint64_t seed = 1; seed <= 12; seed++)
        check_ports_are_never_idle(seed);
}

TEST(sim, deleting_a_namespace_ends_all_that_is_in_it)
{
    struct sim *s = sim_new(&(struct sim_options){.seed = 5, .n_nodes = 3});
    CLEANUP(buf) struct buf body = BUF_INIT;
    struct err *err;

    sim_run(s, 5 * NS_PER_S);
    CHECK_OK(sim_call(
        s, "POST", "/api/v1/namespaces",
        S("{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"team\"}}"),
        NULL));
    sim_run(s, NS_PER_S);
    CHECK_OK(
        sim_call(s, "POST", "/apis/apps/v1/namespaces/team/deployments", str_of(deployment), NULL));
    sim_run(s, 20 * NS_PER_S);
    CHECK_OK(sim_call(s, "DELETE", "/api/v1/namespaces/team", STR_NONE, NULL));
    sim_run(s, 2 * MINUTE_NS);
    err = sim_call(s, "GET", "/api/v1/namespaces/team", STR_NONE, NULL);
    CHECK(err && err->reason == REASON_NOT_FOUND);
    err_free(err);
    CHECK_OK(sim_call(s, "GET", "/api/v1/pods", STR_NONE, &body));
    CHECK(str_find(buf_view(&body), S("\"items\":[]")) >= 0);
    sim_free(s);
}

TEST(sim, a_pod_of_higher_priority_takes_the_place_of_a_lower_one)
{
    struct sim *s = sim_new(&(struct sim_options){.seed = 6, .n_nodes = 1});
    static const char pod[] = "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"%"
                              "s\"},\"spec\":{%s\"containers\":[{\"name\":\"c\",\"image\":\"x:1\","
                              "\"resources\":{\"requests\":{\"cpu\":\"8\"}}}]}}";
    static const char *const pods[][2] = {
        {"low-a", ""}, {"low-b", ""}, {"urgent", "\"priorityClassName\":\"urgent\","}};
    CLEANUP(buf) struct buf body = BUF_INIT;
    struct err *err;

    sim_run(s, 5 * NS_PER_S);
    CHECK_OK(sim_call(
        s, "POST", "/apis/scheduling.k8s.io/v1/priorityclasses",
        S("{\"apiVersion\":\"scheduling.k8s.io/"
          "v1\",\"kind\":\"PriorityClass\",\"metadata\":{\"name\":\"urgent\"},\"value\":1000}"),
        NULL));
    for (size_t i = 0; i < ARRAY_LEN(pods); i++) {
        char text[512];

        snprintf(text, sizeof text, pod, pods[i][0], pods[i][1]);
        CHECK_OK(sim_call(s, "POST", "/api/v1/namespaces/default/pods", str_of(text), NULL));
        sim_run(s, 2 * NS_PER_S);
    }
    sim_run(s, 60 * NS_PER_S);
    CHECK_OK(sim_call(s, "GET", "/api/v1/namespaces/default/pods/urgent", STR_NONE, &body));
    CHECK(str_find(buf_view(&body), S("\"phase\":\"Running\"")) >= 0);
    CHECK(str_find(buf_view(&body), S("\"nominatedNodeName\"")) < 0 ||
          str_find(buf_view(&body), S("\"nominatedNodeName\":\"hollow-0\"")) >= 0);
    buf_clear(&body);
    CHECK_OK(sim_call(s, "GET", "/api/v1/namespaces/default/pods", STR_NONE, &body));
    CHECK((str_find(buf_view(&body), S("\"name\":\"low-a\"")) >= 0) !=
          (str_find(buf_view(&body), S("\"name\":\"low-b\"")) >= 0));
    buf_clear(&body);
    CHECK_OK(sim_call(s, "GET",
                      "/api/v1/namespaces/default/events?fieldSelector=reason%3DPreempted",
                      STR_NONE, &body));
    CHECK(str_find(buf_view(&body), S("Preempted by pod ")) >= 0);
    err = sim_call(s, "GET", "/api/v1/namespaces/default/pods/nobody", STR_NONE, NULL);
    CHECK(err && err->reason == REASON_NOT_FOUND);
    err_free(err);
    sim_free(s);
}

TEST_MAIN
