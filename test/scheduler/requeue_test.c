/* requeue_test.c - whatever frees what a pod waits for wakes it: nobody is left to the five minutes. */
#include "test/scheduler/world.h"

#define PORT "\"containers\":[{\"name\":\"c\",\"ports\":[{\"hostPort\":80,\"protocol\":\"TCP\"}]}]"
#define SOON_NS (13 * NS_PER_S) /* more than the longest pause after a failed try */

/* When the holder goes, against when its binding is answered, how, and when the other comes. */
static void check_holder_goes(int64_t binding_ms, int64_t other_ms, int64_t gone_ms, bool fails)
{
    struct world w = {.binding_ns = binding_ms * NS_PER_MS, .fail_bindings = fails};

    world_open(&w);
    put_node(&w, "n", "", "", ROOMY);
    put_pod(&w, "holder", "", PORT);
    settle(&w, other_ms * NS_PER_MS);
    put_pod(&w, "box", "", PORT);
    settle(&w, gone_ms * NS_PER_MS);
    drop_pod(&w, "holder");
    settle(&w, binding_ms * NS_PER_MS + SOON_NS);
    if (strcmp(node_of(&w, "box"), "n") != 0)
        fprintf(stderr, "binding %lld ms, other %lld ms, gone %lld ms, fails %d\n",
                (long long)binding_ms, (long long)other_ms, (long long)gone_ms, fails);
    CHECK_STRZ(str_of(node_of(&w, "box")), "n");
    settle(&w, binding_ms * NS_PER_MS);
    CHECK_INT(w.s->nodes[0]->n_pods, 1);
    CHECK_INT(w.s->n_binding, 0);
    world_close(&w);
}

TEST(requeue, a_host_port_is_free_when_its_holder_is_gone_however_its_binding_went)
{
    static const int64_t ms[] = {0, 1, 400, 1500, 4000};

    for (size_t binding = 0; binding < ARRAY_LEN(ms); binding++)
        for (size_t other = 1; other < ARRAY_LEN(ms); other++)
            for (size_t gone = 0; gone < ARRAY_LEN(ms); gone++)
                for (int fails = 0; fails < 2; fails++)
                    check_holder_goes(ms[binding], ms[other], ms[gone], fails);
}

TEST(requeue, a_failed_binding_gives_its_room_to_who_waits_for_it)
{
    struct world w = {.binding_ns = 3 * NS_PER_S, .fail_bindings = 1};

    world_open(&w);
    put_node(&w, "n", "", "", ROOMY);
    put_pod(&w, "holder", "", PORT);
    settle(&w, NS_PER_MS);
    put_pod(&w, "box", "", PORT);
    settle(&w, 3500 * NS_PER_MS); /* the holder's pause lasts a second */
    CHECK_STRZ(str_of(node_of(&w, "box")), "n");
    settle(&w, 10 * NS_PER_S);
    CHECK_STRZ(str_of(node_of(&w, "box")), "n");
    CHECK_STRZ(str_of(node_of(&w, "holder")), "");
    world_close(&w);
}

TEST(requeue,
     an_event_that_helps_ends_the_pause_of_a_refused_pod_when_nobody_else_wants_to_be_tried)
{
    struct world w = {0};

    world_open(&w);
    put_node(&w, "n", "", "", "\"cpu\":\"1\",\"memory\":\"8Gi\",\"pods\":\"110\"");
    put_pod(&w, "box", "", CPU("2"));
    settle(&w, 10 * NS_PER_MS);
    CHECK_STRZ(str_of(node_of(&w, "box")), "");
    put_node(&w, "larger", "", "", "\"cpu\":\"2\",\"memory\":\"8Gi\",\"pods\":\"110\"");
    settle(&w, 10 * NS_PER_MS);
    CHECK_STRZ(str_of(node_of(&w, "box")), "larger");
    world_close(&w);
}

TEST(requeue, a_pod_whose_binding_failed_keeps_its_pause_whatever_happens)
{
    struct world w = {.fail_bindings = 1};

    world_open(&w);
    put_node(&w, "n", "", "", ROOMY);
    put_pod(&w, "box", "", CPU("1"));
    settle(&w, 10 * NS_PER_MS);
    put_pod(&w, "box", "\"annotations\":{\"a\":\"b\"}", CPU("1")); /* as its condition is written */
    put_pod_status(&w, "box", "",
                   "\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"False\"}]");
    put_node(&w, "m", "", "", ROOMY);
    settle(&w, 900 * NS_PER_MS);
    CHECK_STRZ(str_of(node_of(&w, "box")), "");
    settle(&w, 200 * NS_PER_MS);
    CHECK(*node_of(&w, "box"));
    world_close(&w);
}

TEST(requeue, room_promised_to_a_pod_that_goes_away_is_free)
{
    struct world w = {.keep_deleted = true};

    world_open(&w);
    put_node(&w, "n", "", "", "\"cpu\":\"2\",\"memory\":\"8Gi\",\"pods\":\"110\"");
    put_pod_on(&w, "a", "", "\"priority\":1," CPU("1"), "n");
    put_pod_on(&w, "b", "", "\"priority\":1," CPU("1"), "n");
    put_pod(&w, "urgent", "", "\"priority\":100," CPU("2"));
    settle(&w, NS_PER_S);
    drop_pod(&w, "a"); /* b takes its time */
    put_pod(&w, "box", "", "\"priority\":1," CPU("1"));
    settle(&w, SOON_NS);
    CHECK_STRZ(str_of(node_of(&w, "box")), "");
    drop_pod(&w, "urgent");
    settle(&w, SOON_NS);
    CHECK_STRZ(str_of(node_of(&w, "box")), "n");
    world_close(&w);
}

TEST(requeue, a_node_that_goes_no_longer_holds_spreading_back)
{
    struct world w = {0};

    world_open(&w);
    put_node(&w, "n", "", "", ROOMY);
    put_node(&w, "full", "", "", "\"cpu\":\"0\",\"memory\":\"8Gi\",\"pods\":\"110\"");
    put_pod_on(&w, "a", "\"labels\":{\"app\":\"x\"}", CPU("1"), "n");
    put_pod(&w, "box", "\"labels\":{\"app\":\"x\"}",
            "\"topologySpreadConstraints\":[{\"maxSkew\":1,\"topologyKey\":\"kubernetes.io/"
            "hostname\",\"whenUnsatisfiable\":\"DoNotSchedule\",\"labelSelector\":{\"matchLabels\":"
            "{\"app\":\"x\"}}}]," CPU("1"));
    settle(&w, SOON_NS);
    CHECK_STRZ(str_of(node_of(&w, "box")), "");
    drop_node(&w, "full");
    settle(&w, SOON_NS);
    CHECK_STRZ(str_of(node_of(&w, "box")), "n");
    world_close(&w);
}

TEST(requeue, when_all_bindings_fail_those_behind_them_are_tried_at_once)
{
    struct world w = {.binding_ns = NS_PER_S, .fail_bindings = BINDINGS_MAX};
    char name[16];

    world_open(&w);
    put_node(&w, "n", "", "", "\"cpu\":\"64\",\"memory\":\"64Gi\",\"pods\":\"1000\"");
    for (int i = 0; i <= BINDINGS_MAX; i++) {
        snprintf(name, sizeof name, "p%d", i);
        put_pod(&w, name, "", CPU("1m"));
    }
    settle(&w, 1500 * NS_PER_MS);
    snprintf(name, sizeof name, "p%d", BINDINGS_MAX);
    CHECK_STRZ(str_of(node_of(&w, name)), "n");
    settle(&w, SOON_NS);
    world_close(&w);
}
