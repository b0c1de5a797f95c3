/* preemption_test.c - evictions for pods of higher priority. */
#include "test/scheduler/world.h"

#define LOW "\"priority\":1,"
#define HIGH "\"priority\":100,"
#define TWO "\"cpu\":\"2\",\"memory\":\"8Gi\",\"pods\":\"110\""

TEST(preemption, evicts_as_few_as_needed_where_it_hurts_least)
{
    struct world w = {0};

    world_open(&w);
    put_node(&w, "n1", "", "", TWO);
    put_node(&w, "n2", "", "", TWO);
    put_pod_on(&w, "a", "", "\"priority\":5," CPU("2"), "n1");
    put_pod_on(&w, "b", "", LOW CPU("1"), "n2");
    put_pod_on(&w, "c", "", "\"priority\":3," CPU("1"), "n2");
    put_pod(&w, "urgent", "", HIGH CPU("1"));
    settle(&w, 5 * NS_PER_S);
    CHECK(str_find(buf_view(&w.log), S("delete b\n")) >= 0);
    CHECK(str_find(buf_view(&w.log), S("delete a\n")) < 0);
    CHECK(str_find(buf_view(&w.log), S("delete c\n")) < 0);
    CHECK(str_find(buf_view(&w.log),
                   S("event b Preempted: Preempted by pod u-urgent on node n2\n")) >= 0);
    CHECK(str_find(buf_view(&w.log), S("nominate urgent n2\n")) >= 0);
    CHECK(str_find(buf_view(&w.log),
                   S("condition urgent: 0/2 nodes are available: 2 Insufficient cpu.\n")) >= 0);
    CHECK_STRZ(str_of(node_of(&w, "urgent")), "n2");
    world_close(&w);
}

TEST(preemption, room_made_for_one_is_not_taken_by_another)
{
    struct world w = {.keep_deleted = true};

    world_open(&w);
    put_node(&w, "n1", "", "", TWO);
    put_pod_on(&w, "a", "", LOW CPU("2"), "n1");
    put_pod(&w, "urgent", "", HIGH CPU("2"));
    settle(&w, NS_PER_S);
    CHECK(str_find(buf_view(&w.log), S("delete a\n")) >= 0);
    put_pod(&w, "thief", "", LOW CPU("1"));
    settle(&w, NS_PER_S);
    drop_pod(&w, "a");
    settle(&w, 10 * NS_PER_S);
    CHECK_STRZ(str_of(node_of(&w, "urgent")), "n1");
    CHECK_STRZ(str_of(node_of(&w, "thief")), "");
    world_close(&w);
}

TEST(preemption, waits_for_its_victims_instead_of_evicting_more)
{
    struct world w = {.keep_deleted = true};

    world_open(&w);
    put_node(&w, "n1", "", "", TWO);
    put_pod_on(&w, "a", "", LOW CPU("1"), "n1");
    put_pod_on(&w, "b", "", LOW CPU("1"), "n1");
    put_pod(&w, "urgent", "", HIGH CPU("1"));
    settle(&w, NS_PER_S);
    buf_clear(&w.log);
    put_node(&w, "n1", ",\"x\":\"y\"", "", "\"cpu\":\"2001m\",\"memory\":\"8Gi\",\"pods\":\"110\"");
    settle(&w, 5 * NS_PER_S);
    CHECK(str_find(buf_view(&w.log), S("delete")) < 0);
    CHECK(str_find(buf_view(&w.log),
                   S("not eligible due to a terminating pod on the nominated node.")) >= 0);
    world_close(&w);
}

TEST(preemption, equal_priority_and_preemption_policy_never_evict_nobody)
{
    struct world w = {0};

    world_open(&w);
    put_node(&w, "n1", "", "", TWO);
    put_pod_on(&w, "a", "", LOW CPU("2"), "n1");
    put_pod(&w, "equal", "", LOW CPU("1"));
    put_pod(&w, "polite", "", HIGH "\"preemptionPolicy\":\"Never\"," CPU("1"));
    settle(&w, NS_PER_S);
    CHECK(str_find(buf_view(&w.log), S("delete")) < 0);
    CHECK(str_find(buf_view(&w.log),
                   S("condition equal: 0/1 nodes are available: 1 Insufficient cpu. no new claims "
                     "to deallocate, preemption: 0/1 nodes are available: "
                     "1 No preemption victims found for incoming pod.\n")) >= 0);
    CHECK(str_find(buf_view(&w.log), S("condition polite: 0/1 nodes are available: 1 Insufficient "
                                       "cpu. no new claims to deallocate, preemption: "
                                       "not eligible due to preemptionPolicy=Never.\n")) >= 0);
    world_close(&w);
}

static void put_budget(struct world *w, int allowed)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_fmt(
        &b,
        "{\"metadata\":{\"name\":\"b\",\"namespace\":\"default\",\"uid\":\"b\","
        "\"resourceVersion\":\"%lld\"},\"spec\":{\"selector\":{\"matchLabels\":{\"foo\":\"bar\"}}},"
        "\"status\":{\"disruptionsAllowed\":%d}}",
        (long long)++w->revision, allowed);
    informer_put(w->s->budget_informer, buf_view(&b));
}

/* Source: test/integration/scheduler/preemption (TestPDBInPreemption). */
TEST(preemption, breaks_a_budget_only_when_nothing_else_helps)
{
    for (int allowed = 0; allowed < 2; allowed++) {
        struct world w = {0};

        world_open(&w);
        put_budget(&w, allowed);
        put_node(&w, "n1", "", "", "\"cpu\":\"1\",\"memory\":\"8Gi\",\"pods\":\"110\"");
        put_node(&w, "n2", "", "", "\"cpu\":\"1\",\"memory\":\"8Gi\",\"pods\":\"110\"");
        put_pod_on(&w, "kept", "\"labels\":{\"foo\":\"bar\"}", "\"priority\":1," CPU("1"), "n1");
        put_pod_on(&w, "other", "", "\"priority\":5," CPU("1"), "n2");
        put_pod(&w, "urgent", "", "\"priority\":100," CPU("1"));
        settle(&w, NS_PER_S);
        CHECK_STRZ(str_of(node_of(&w, "urgent")), allowed ? "n1" : "n2");
        /* Nothing but the one with a budget is left. */
        put_pod(&w, "more", "", "\"priority\":50," CPU("1"));
        settle(&w, NS_PER_S);
        CHECK_STRZ(str_of(node_of(&w, "more")), allowed ? "n2" : "n1");
        world_close(&w);
    }
}

TEST(preemption, of_two_pods_on_a_node_the_one_without_a_budget_goes)
{
    struct world w = {0};

    world_open(&w);
    put_budget(&w, 0);
    put_node(&w, "n", "", "", "\"cpu\":\"2\",\"memory\":\"8Gi\",\"pods\":\"110\"");
    put_pod_on(&w, "kept", "\"labels\":{\"foo\":\"bar\"}", "\"priority\":1," CPU("1"), "n");
    put_pod_on(&w, "other", "", "\"priority\":5," CPU("1"), "n");
    put_pod(&w, "urgent", "", "\"priority\":100," CPU("1"));
    settle(&w, NS_PER_S);
    CHECK(str_find(buf_view(&w.log), S("delete other\n")) >= 0);
    CHECK(str_find(buf_view(&w.log), S("delete kept\n")) < 0);
    CHECK_STRZ(str_of(node_of(&w, "urgent")), "n");
    world_close(&w);
}
