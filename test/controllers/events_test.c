/* events_test.c - what controllers say of what they did or found, in Kubernetes' words: reconciles alone, objects in, a plan
 * out as text. */
#include "test/controllers/plans.h"

#define SAYS(plan, line) CHECK(has_line(plan, "event " line "\n"))

/* ---- PodDisruptionBudgets ---- */

#define BUDGET(spec)                                                                               \
    "{\"metadata\":{\"name\":\"b\"},\"spec\":{" spec                                               \
    ",\"selector\":{\"matchLabels\":{\"z\":\"1\",\"app\":\"x\"},\"matchExpressions\":[{\"key\":"   \
    "\"k\",\"operator\":\"NotIn\",\"values\":[\"a\",\"b\"]}]}}}"
#define NAKED                                                                                      \
    "{\"metadata\":{\"name\":\"p\",\"labels\":{\"z\":\"1\",\"app\":\"x\"}},\"spec\":{},"           \
    "\"status\":" RUNNING "}"

TEST(disruption_events, tell_that_nothing_is_selected_or_that_it_cannot_be_counted)
{
    struct world w;
    str plan;

    world_init(&w);
    have(&w, K_PDBS, BUDGET("\"maxUnavailable\":1"));
    SAYS(plan_of(&w, &disruption_controller, "default", "b"),
         "Normal NoPods No matching pods found");
    have(&w, K_PODS, NAKED);
    plan = plan_of(&w, &disruption_controller, "default", "b");
    SAYS(plan,
         "Warning UnmanagedPods Pods selected by this PodDisruptionBudget (selector: "
         "&LabelSelector{MatchLabels:map[string]string{app: x,z: 1,},MatchExpressions:"
         "[]LabelSelectorRequirement{LabelSelectorRequirement{Key:k,Operator:NotIn,Values:[a b],},}"
         ",}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated "
         "correctly, which may result in undefined behavior. To account for these pods please set "
         "\".spec.minAvailable\" field of the PDB to an integer value.");
    CHECK(!has_line(plan, "NoPods"));
    have(&w, K_PDBS, BUDGET("\"minAvailable\":1")); /* counts them, whoever they are */
    CHECK(!has_line(plan_of(&w, &disruption_controller, "default", "b"), "event"));
    world_fini(&w);
}

/* ---- StatefulSets, Jobs ---- */

TEST(statefulset_events, tell_failed_pods_from_those_that_have_ended)
{
    static const struct {
        const char *phase, *says;
    } rows[] = {
        {"Failed", "event Warning RecreatingFailedPod StatefulSet default/s is recreating failed "
                   "Pod s-0\n"},
        {"Succeeded", "event Normal RecreatingTerminatedPod StatefulSet default/s is recreating "
                      "terminated Pod s-0\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world w;
        str plan;

        world_init(&w);
        have(&w, K_STATEFULSETS,
             "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"serviceName\":\"s\",\"replicas\":1,"
             "\"podManagementPolicy\":\"OrderedReady\"," TEMPLATE "}}");
        have(&w, K_PODS,
             "{\"metadata\":{\"name\":\"s-0\"," LABELS
             "," OWNED("StatefulSet", "s") "},\"spec\":{},\"status\":{\"phase\":\"%s\"}}",
             rows[i].phase);
        plan = plan_of(&w, &statefulset_controller, "default", "s");
        CHECK(has_line(plan, rows[i].says));
        CHECK(has_line(plan, "delete pods default/s-0\n"));
        world_fini(&w);
    }
}

TEST(job_events, tell_of_pods_that_have_succeeded_beyond_the_count)
{
    struct world w;
    str plan;

    world_init(&w);
    have(&w, K_JOBS,
         "{\"metadata\":{\"name\":\"j\"},\"spec\":{\"parallelism\":2,\"completions\":1,"
         "\"template\":{\"spec\":{\"restartPolicy\":\"Never\"}}},\"status\":{\"startTime\":"
         "\"2026-01-01T00:00:00Z\",\"succeeded\":2}}");
    plan = plan_of(&w, &job_controller, "default", "j");
    SAYS(plan, "Warning TooManySucceededPods Too many succeeded pods running after completion "
               "count reached");
    SAYS(plan, "Normal Completed Job completed");
    world_fini(&w);
}

TEST(cronjob_events, tell_why_a_time_zone_is_none)
{
    struct world w;

    world_init(&w);
    have(&w, K_CRONJOBS,
         "{\"metadata\":{\"name\":\"c\",\"creationTimestamp\":\"2025-12-31T23:00:00Z\"},\"spec\":{"
         "\"schedule\":\"* * * * *\",\"timeZone\":\"../Mars\"}}");
    SAYS(plan_of(&w, &cronjob_controller, "default", "c"),
         "Warning UnknownTimeZone invalid timeZone: \"../Mars\": unknown time zone ../Mars");
    world_fini(&w);
}

/* ---- nodes ---- */

#define TAINTED "\"taints\":[{\"key\":\"k\",\"effect\":\"NoExecute\"}]"
#define NODE(spec) "{\"metadata\":{\"name\":\"n\"},\"spec\":{" spec "}}"
#define TOLERATES(more)                                                                            \
    "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"nodeName\":\"n\",\"tolerations\":[{\"key\":\"k\"," \
    "\"operator\":\"Exists\"" more "}]},\"status\":{\"phase\":\"Running\"}}"
#define CANCELS "Normal TaintManagerEviction Cancelling deletion of Pod default/p"

TEST(taint_events, tell_when_a_pod_that_was_to_go_may_stay)
{
    struct world w;
    str plan;

    world_init(&w);
    w.state = taint_eviction_controller.state_new(NULL);
    have(&w, K_NODES, NODE(TAINTED));
    have(&w, K_PODS, TOLERATES(",\"tolerationSeconds\":5"));
    CHECK_STRZ(plan_of(&w, &taint_eviction_controller, "default", "p"), "requeue 5000ms\n");
    have(&w, K_NODES, NODE(""));
    SAYS(plan_of(&w, &taint_eviction_controller, "default", "p"), CANCELS);
    CHECK_STRZ(plan_of(&w, &taint_eviction_controller, "default", "p"), "");
    /* It comes to tolerate the taint for good. */
    have(&w, K_NODES, NODE(TAINTED));
    CHECK_STRZ(plan_of(&w, &taint_eviction_controller, "default", "p"), "requeue 5000ms\n");
    have(&w, K_PODS, TOLERATES(""));
    SAYS(plan_of(&w, &taint_eviction_controller, "default", "p"), CANCELS);
    CHECK_STRZ(plan_of(&w, &taint_eviction_controller, "default", "p"), "");
    /* Its time is over: nothing is cancelled. */
    have(&w, K_PODS, TOLERATES(",\"tolerationSeconds\":5"));
    CHECK(has_line(plan_of(&w, &taint_eviction_controller, "default", "p"), "requeue"));
    w.now.ns += 6 * NS_PER_S;
    plan = plan_of(&w, &taint_eviction_controller, "default", "p");
    SAYS(plan, "Normal TaintManagerEviction Marking for deletion Pod default/p");
    CHECK(!has_line(plan, "Cancelling"));
    taint_eviction_controller.state_free(w.state);
    world_fini(&w);
}

TEST(node_events, tell_when_a_node_comes_and_when_it_goes)
{
    struct world w;

    world_init(&w);
    w.config.node_monitor_grace_ns = 50 * NS_PER_S;
    w.state = node_lifecycle_controller.state_new(NULL);
    have(&w, K_NODES, NODE(""));
    SAYS(plan_of(&w, &node_lifecycle_controller, "", "n"),
         "Normal RegisteredNode Node n event: Registered Node n in Controller");
    informer_drop(w.caches[K_NODES], STR_NONE, S("n"));
    SAYS(plan_of(&w, &node_lifecycle_controller, "", "n"),
         "Normal RemovingNode Node n event: Removing Node n from Controller");
    CHECK_STRZ(plan_of(&w, &node_lifecycle_controller, "", "n"), "");
    node_lifecycle_controller.state_free(w.state);
    world_fini(&w);
}

/* ---- claims that have lost their volume ---- */

#define BOUND(volume)                                                                              \
    "{\"metadata\":{\"name\":\"c\",\"annotations\":{\"pv.kubernetes.io/bind-completed\":\"yes\"}}" \
    ",\"spec\":{" volume "\"resources\":{}},\"status\":{\"phase\":\"Bound\"}}"
#define HERS "\"volumeName\":\"v\","
#define VOLUME(ref) "{\"metadata\":{\"name\":\"v\"},\"spec\":{\"capacity\":{}" ref "}}"

TEST(claim_events, tell_how_a_bound_claim_has_lost_its_volume)
{
    struct world w;
    str plan;

    world_init(&w);
    have(&w, K_PVCS, BOUND(""));
    SAYS(plan_of(&w, &claim_controller, "default", "c"),
         "Warning ClaimLost Bound claim has lost reference to PersistentVolume. Data on the volume "
         "is lost!");
    have(&w, K_PVCS, BOUND(HERS));
    SAYS(plan_of(&w, &claim_controller, "default", "c"),
         "Warning ClaimLost Bound claim has lost its PersistentVolume. Data on the volume is "
         "lost!");
    have(&w, K_PVS,
         VOLUME(",\"claimRef\":{\"namespace\":\"default\",\"name\":\"other\",\"uid\":\"u\"}"));
    SAYS(plan_of(&w, &claim_controller, "default", "c"),
         "Warning ClaimMisbound Two claims are bound to the same volume, this one is bound "
         "incorrectly");
    have(&w, K_PVS, VOLUME("")); /* somebody has taken the claim off it */
    plan = plan_of(&w, &claim_controller, "default", "c");
    CHECK(has_line(plan, "update persistentvolumes v"));
    CHECK(!has_line(plan, "event") && !has_line(plan, "Lost"));
    world_fini(&w);
}

TEST_MAIN
