/* scheduler_test.c - the queue, bindings, requeueing, what is written. */
#include "test/scheduler/world.h"

TEST(scheduler, a_pod_is_bound_to_the_node_with_most_left_and_told)
{
    struct world w = {0};

    world_open(&w);
    put_node(&w, "small", "", "", "\"cpu\":\"1\",\"memory\":\"1Gi\",\"pods\":\"110\"");
    put_node(&w, "large", "", "", ROOMY);
    put_pod(&w, "a", "", CPU("500m"));
    CHECK_LOG(&w,
              "!bind a -> large\nevent a Scheduled: Successfully assigned default/a to large\n");
    world_close(&w);
}

TEST(scheduler, without_nodes_it_says_so_and_a_new_node_helps)
{
    struct world w = {0};

    world_open(&w);
    put_pod(&w, "a", "", CPU("1"));
    CHECK_LOG(&w, "event a FailedScheduling: no nodes available to schedule pods\ncondition a: no "
                  "nodes available to schedule pods\n");
    put_node(&w, "n", "", "", ROOMY);
    CHECK_LOG(&w, "bind a -> n\n");
    world_close(&w);
}

TEST(scheduler, assumed_pods_count_at_once)
{
    struct world w = {0};
    char name[8];

    world_open(&w);
    put_node(&w, "n1", "", "", "\"cpu\":\"2\",\"memory\":\"8Gi\",\"pods\":\"110\"");
    put_node(&w, "n2", "", "", "\"cpu\":\"2\",\"memory\":\"8Gi\",\"pods\":\"110\"");
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "p%d", i);
        put_pod(&w, name, "", CPU("1"));
    }
    settle(&w, NS_PER_MS);
    CHECK_INT(((struct node *)map_find(&w.s->all_nodes, S("n1")))->n_pods, 2);
    CHECK_INT(((struct node *)map_find(&w.s->all_nodes, S("n2")))->n_pods, 2);
    CHECK(str_find(buf_view(&w.log),
                   S("condition p4: 0/2 nodes are available: 2 Insufficient cpu. no new claims to "
                     "deallocate, preemption: 0/2 nodes are available: "
                     "2 No preemption victims found for incoming pod.")) >= 0);
    buf_clear(&w.log);
    drop_pod(&w, "p0");
    settle(&w, 2 * NS_PER_S);
    CHECK(*node_of(&w, "p4") != '\0');
    world_close(&w);
}

TEST(scheduler, higher_priority_goes_first_and_then_age)
{
    struct world w = {0};

    world_open(&w);
    put_pod(&w, "old", "", "\"priority\":0," CPU("1"));
    put_pod(&w, "young", "", "\"priority\":0," CPU("1"));
    put_pod(&w, "urgent", "", "\"priority\":1000," CPU("1"));
    put_node(&w, "n", "", "", ROOMY);
    CHECK_LOG(&w, "bind urgent -> n\nbind old -> n\nbind young -> n\n");
    world_close(&w);
}

TEST(scheduler, gated_and_foreign_pods_are_left_alone)
{
    struct world w = {0};

    world_open(&w);
    put_node(&w, "n", "", "", ROOMY);
    put_pod(&w, "gated", "", "\"schedulingGates\":[{\"name\":\"x\"}]," CPU("1"));
    put_pod(&w, "foreign", "", "\"schedulerName\":\"mine\"," CPU("1"));
    CHECK_LOG(&w, "");
    put_pod(&w, "gated", "", CPU("1"));
    CHECK_LOG(&w, "bind gated -> n\n");
    world_close(&w);
}

TEST(scheduler, a_failed_binding_is_tried_again_after_a_pause)
{
    struct world w = {.fail_bindings = 2};

    world_open(&w);
    put_node(&w, "n", "", "", ROOMY);
    put_pod(&w, "a", "", CPU("1"));
    settle(&w, 10 * NS_PER_S);
    CHECK_STRZ(str_of(node_of(&w, "a")), "n");
    CHECK(str_find(buf_view(&w.log), S("boom")) >= 0);
    CHECK_INT(w.s->n_binding, 0);
    world_close(&w);
}

TEST(scheduler, pauses_double_up_to_ten_seconds)
{
    struct world w = {0};
    struct pod *p;
    static const int want_s[] = {1, 2, 4, 8, 10, 10};

    world_open(&w);
    put_node(&w, "n", "", "", ROOMY);
    put_pod(&w, "a", "", CPU("100"));
    settle(&w, NS_PER_MS);
    p = map_find(&w.s->pods, S("default/a"));
    for (size_t i = 0; i < ARRAY_LEN(want_s); i++) {
        CHECK(p->place == POD_UNSCHEDULABLE);
        CHECK_INT((p->backoff_ns - p->unschedulable_ns) / NS_PER_S, want_s[i]);
        put_node(&w, "n", "", "",
                 i % 2 ? ROOMY : "\"cpu\":\"5\",\"memory\":\"8Gi\",\"pods\":\"110\"");
        settle(&w, 11 * NS_PER_S);
    }
    world_close(&w);
}

TEST(scheduler, only_events_that_concern_the_refusal_wake_a_pod)
{
    struct world w = {0};
    struct pod *p;

    world_open(&w);
    put_node(&w, "n", "", "", ROOMY);
    put_pod(&w, "a", "", "\"nodeSelector\":{\"disk\":\"ssd\"}," CPU("1"));
    put_pod(&w, "b", "", CPU("1"));
    settle(&w, 2 * NS_PER_S);
    p = map_find(&w.s->pods, S("default/a"));
    CHECK(p->place == POD_UNSCHEDULABLE);
    drop_pod(&w, "b");
    put_node(&w, "n", "", "\"taints\":[{\"key\":\"x\",\"effect\":\"PreferNoSchedule\"}]", ROOMY);
    settle(&w, NS_PER_S);
    CHECK_INT(p->attempts, 1);
    put_node(&w, "n", ",\"disk\":\"ssd\"", "", ROOMY);
    settle(&w, NS_PER_S);
    CHECK_STRZ(str_of(node_of(&w, "a")), "n");
    world_close(&w);
}

TEST(scheduler, nobody_waits_longer_than_five_minutes_for_an_event)
{
    struct world w = {0};
    struct pod *p;

    world_open(&w);
    put_node(&w, "n", "", "", ROOMY);
    put_pod(&w, "a", "", CPU("100"));
    settle(&w, 290 * NS_PER_S);
    p = map_find(&w.s->pods, S("default/a"));
    CHECK_INT(p->attempts, 1);
    settle(&w, 20 * NS_PER_S);
    CHECK_INT(p->attempts, 2);
    drop_pod(&w, "a");
    settle(&w, 1000 * NS_PER_S);
    world_close(&w);
}

TEST(scheduler, a_pod_deleted_while_it_is_being_bound_leaves_nothing)
{
    struct world w = {0};

    world_open(&w);
    put_node(&w, "n", "", "", ROOMY);
    put_pod(&w, "a", "", CPU("1"));
    drop_pod(&w, "a");
    settle(&w, NS_PER_S);
    CHECK_INT(w.s->pods.n, 0);
    CHECK_INT(w.s->nodes[0]->n_pods, 0);
    CHECK_INT(w.s->nodes[0]->requested.cpu_milli, 0);
    CHECK(list_is_empty(&w.s->profile_list));
    world_close(&w);
}

TEST(scheduler, pods_of_one_template_share_a_profile)
{
    struct world w = {0};
    char name[16];

    world_open(&w);
    put_node(&w, "n", "", "", ROOMY);
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "p%d", i);
        put_pod(&w, name, "\"labels\":{\"app\":\"web\"}", CPU("10m"));
    }
    settle(&w, NS_PER_S);
    CHECK_INT(w.s->profiles.n, 1);
    CHECK_INT(w.s->nodes[0]->n_pods, 50);
    CHECK_INT(w.s->nodes[0]->requested.cpu_milli, 500);
    world_close(&w);
}

TEST(scheduler, five_thousand_pods_on_a_hundred_nodes_spread_evenly)
{
    struct world w = {0};
    char name[16];
    uint32_t low = UINT32_MAX, high = 0;

    world_open(&w);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "n%d", i);
        put_node(&w, name, "", "", "\"cpu\":\"64\",\"memory\":\"256Gi\",\"pods\":\"110\"");
    }
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "p%d", i);
        put_pod(&w, name,
                "\"labels\":{\"app\":\"web\"},\"ownerReferences\":[{\"controller\":true,\"uid\":"
                "\"rs\"}]",
                CPU("100m"));
    }
    settle(&w, 10 * NS_PER_S);
    for (uint32_t i = 0; i < w.s->n_nodes; i++) {
        low = MIN(low, w.s->nodes[i]->n_pods);
        high = MAX(high, w.s->nodes[i]->n_pods);
    }
    CHECK(low >= 49 && high <= 51);
    world_close(&w);
}

TEST_MAIN
