/* spread_test.c - topology spread constraints and affinity between pods. */
#include "test/scheduler/world.h"

#define WEB "\"labels\":{\"app\":\"web\"}"
#define SELECT_WEB "\"labelSelector\":{\"matchLabels\":{\"app\":\"web\"}}"
#define HARD(key, skew)                                                                            \
    "\"topologySpreadConstraints\":[{\"maxSkew\":" skew ",\"topologyKey\":\"" key                  \
    "\",\"whenUnsatisfiable\":\"DoNotSchedule\"," SELECT_WEB "}]"
#define AFFINITY(kind, term)                                                                       \
    "\"affinity\":{\"" kind "\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[" term "]}}"

static void three_zones(struct world *w)
{
    world_open(w);
    put_node(w, "a1", ",\"zone\":\"a\"", "", ROOMY);
    put_node(w, "a2", ",\"zone\":\"a\"", "", ROOMY);
    put_node(w, "b1", ",\"zone\":\"b\"", "", ROOMY);
}

static bool said(struct world *w, const char *text)
{
    return str_find(buf_view(&w->log), str_of(text)) >= 0;
}

TEST(spread, hard_constraints_keep_the_skew)
{
    struct world w = {0};
    int in_a = 0, in_b = 0;
    char name[8];

    three_zones(&w);
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "p%d", i);
        put_pod(&w, name, WEB, HARD("zone", "1"));
        settle(&w, NS_PER_MS);
        in_a += *node_of(&w, name) == 'a';
        in_b += *node_of(&w, name) == 'b';
        CHECK(in_a - in_b <= 1 && in_b - in_a <= 1);
    }
    CHECK_INT(in_a, 3);
    CHECK_INT(in_b, 3);
    world_close(&w);
}

TEST(spread, a_full_domain_and_a_missing_label_are_told_apart)
{
    struct world w = {0};

    three_zones(&w);
    put_node(&w, "c1", "", "", ROOMY);
    put_node(&w, "b1", ",\"zone\":\"b\"", "\"unschedulable\":true", ROOMY);
    put_pod_on(&w, "x", WEB, "", "a1");
    put_pod(&w, "p", WEB, HARD("zone", "1"));
    settle(&w, NS_PER_MS);
    CHECK(said(&w, "0/4 nodes are available: 1 node(s) didn't match pod topology spread "
                   "constraints (missing required label), 1 node(s) were unschedulable, "
                   "2 node(s) didn't match pod topology spread constraints."));
    drop_pod(&w, "x");
    settle(&w, 2 * NS_PER_S);
    CHECK(*node_of(&w, "p") == 'a');
    world_close(&w);
}

TEST(spread, siblings_are_spread_over_hosts_by_default)
{
    struct world w = {0};
    char name[8], last[8] = "";

    world_open(&w);
    put_node(&w, "n1", "", "", "\"cpu\":\"64\",\"memory\":\"256Gi\",\"pods\":\"110\"");
    put_node(&w, "n2", "", "", "\"cpu\":\"64\",\"memory\":\"256Gi\",\"pods\":\"110\"");
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "p%d", i);
        put_pod(&w, name, WEB ",\"ownerReferences\":[{\"controller\":true,\"uid\":\"rs\"}]", "");
        settle(&w, NS_PER_MS);
        if (i % 2)
            CHECK(!str_is(str_of(node_of(&w, name)), last));
        snprintf(last, sizeof last, "%s", node_of(&w, name));
    }
    world_close(&w);
}

TEST(affinity, required_affinity_keeps_pods_together_and_the_first_may_go_anywhere)
{
    struct world w = {0};

    three_zones(&w);
    put_pod(&w, "first", WEB, AFFINITY("podAffinity", "{\"topologyKey\":\"zone\"," SELECT_WEB "}"));
    settle(&w, NS_PER_MS);
    CHECK(*node_of(&w, "first") != '\0');
    for (int i = 0; i < 4; i++) {
        char name[8];

        snprintf(name, sizeof name, "p%d", i);
        put_pod(&w, name, WEB,
                AFFINITY("podAffinity", "{\"topologyKey\":\"zone\"," SELECT_WEB "}"));
        settle(&w, NS_PER_MS);
        CHECK_INT(*node_of(&w, name), *node_of(&w, "first"));
    }
    put_pod(&w, "other", "",
            AFFINITY(
                "podAffinity",
                "{\"topologyKey\":\"zone\",\"labelSelector\":{\"matchLabels\":{\"app\":\"db\"}}}"));
    settle(&w, NS_PER_MS);
    CHECK(said(&w,
               "0/3 nodes are available: 3 node(s) didn't match pod affinity rules. no new claims "
               "to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful"));
    world_close(&w);
}

TEST(affinity, anti_affinity_holds_in_both_directions)
{
    struct world w = {0};

    three_zones(&w);
    put_pod(&w, "p0", WEB,
            AFFINITY("podAntiAffinity", "{\"topologyKey\":\"zone\"," SELECT_WEB "}"));
    put_pod(&w, "p1", WEB,
            AFFINITY("podAntiAffinity", "{\"topologyKey\":\"zone\"," SELECT_WEB "}"));
    put_pod(&w, "p2", WEB,
            AFFINITY("podAntiAffinity", "{\"topologyKey\":\"zone\"," SELECT_WEB "}"));
    settle(&w, NS_PER_MS);
    CHECK(*node_of(&w, "p0") != *node_of(&w, "p1"));
    CHECK(said(
        &w,
        "condition p2: 0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules."));
    put_pod(&w, "plain", WEB, "");
    settle(&w, NS_PER_MS);
    CHECK(said(&w, "condition plain: 0/3 nodes are available: 3 node(s) didn't satisfy existing "
                   "pods anti-affinity rules."));
    put_pod(&w, "free", "\"labels\":{\"app\":\"db\"}", "");
    settle(&w, NS_PER_MS);
    CHECK(*node_of(&w, "free") != '\0');
    world_close(&w);
}

TEST(affinity, preferences_attract)
{
    struct world w = {0};

    three_zones(&w);
    put_pod_on(&w, "db", "\"labels\":{\"app\":\"db\"}", "", "b1");
    for (int i = 0; i < 4; i++) {
        char name[8];

        snprintf(name, sizeof name, "p%d", i);
        put_pod(
            &w, name, WEB,
            "\"affinity\":{\"podAffinity\":{\"preferredDuringSchedulingIgnoredDuringExecution\":[{"
            "\"weight\":100,\"podAffinityTerm\":"
            "{\"topologyKey\":\"zone\",\"labelSelector\":{\"matchLabels\":{\"app\":\"db\"}}}}]}}");
        settle(&w, NS_PER_MS);
        CHECK_STRZ(str_of(node_of(&w, name)), "b1");
    }
    world_close(&w);
}
