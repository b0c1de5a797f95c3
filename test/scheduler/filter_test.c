/* filter_test.c - each plugin's refusals, in Kubernetes' words. */
#include "test/scheduler/world.h"

/* One pod against one or more nodes: what the condition says, without its ending about preemption. */
static void check_refused(struct world *w, int line, const char *pod_spec, const char *want)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    str log, one, got = STR_NONE;

    buf_clear(&w->log);
    put_pod(w, "probe", "\"labels\":{\"app\":\"probe\"}", pod_spec);
    settle(w, NS_PER_MS);
    for (log = buf_view(&w->log); str_cut(&log, '\n', &one);)
        if (str_has_prefix(one, S("condition probe: ")))
            got = str_skip(one, strlen("condition probe: "));
    buf_str(&text, got);
    if (str_find(got, S(" no new claims")) >= 0)
        text.n = (size_t)str_find(got, S(" no new claims"));
    test_check_str(__FILE__, line, buf_view(&text), str_of(want));
    drop_pod(w, "probe");
    settle(w, NS_PER_MS);
}
#define REFUSED(spec, want) check_refused(&w, __LINE__, spec, want)
#define FITS(spec)                                                                                 \
    do {                                                                                           \
        put_pod(&w, "fits", "", spec);                                                             \
        settle(&w, NS_PER_MS);                                                                     \
        CHECK(*node_of(&w, "fits") != '\0');                                                       \
        drop_pod(&w, "fits");                                                                      \
        settle(&w, NS_PER_MS);                                                                     \
    } while (0)

TEST(filter, taints_refuse_unless_tolerated)
{
    struct world w = {0};

    world_open(&w);
    put_node(&w, "n", "",
             "\"taints\":[{\"key\":\"a\",\"value\":\"b\",\"effect\":\"NoSchedule\"},{\"key\":\"p\","
             "\"effect\":\"PreferNoSchedule\"}]",
             ROOMY);
    REFUSED("", "0/1 nodes are available: 1 node(s) had untolerated taint(s).");
    REFUSED("\"tolerations\":[{\"key\":\"a\",\"value\":\"c\"}]",
            "0/1 nodes are available: 1 node(s) had untolerated taint(s).");
    REFUSED("\"tolerations\":[{\"key\":\"a\",\"operator\":\"Exists\",\"effect\":\"NoExecute\"}]",
            "0/1 nodes are available: 1 node(s) had untolerated taint(s).");
    FITS("\"tolerations\":[{\"key\":\"a\",\"operator\":\"Equal\",\"value\":\"b\",\"effect\":"
         "\"NoSchedule\"}]");
    FITS("\"tolerations\":[{\"key\":\"a\",\"value\":\"b\"}]");
    FITS("\"tolerations\":[{\"operator\":\"Exists\"}]");
    world_close(&w);
}

TEST(filter, cordoned_nodes_refuse)
{
    struct world w = {0};

    world_open(&w);
    put_node(&w, "n", "", "\"unschedulable\":true", ROOMY);
    REFUSED("", "0/1 nodes are available: 1 node(s) were unschedulable.");
    FITS("\"tolerations\":[{\"key\":\"node.kubernetes.io/"
         "unschedulable\",\"operator\":\"Exists\",\"effect\":\"NoSchedule\"}]");
    world_close(&w);
}

#define REQUIRED(term)                                                                             \
    "\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{"         \
    "\"nodeSelectorTerms\":[" term "]}}}"
#define NO_MATCH "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."

TEST(filter, node_selectors_and_affinity)
{
    struct world w = {0};

    world_open(&w);
    put_node(&w, "n", ",\"disk\":\"ssd\",\"cores\":\"16\"", "", ROOMY);
    REFUSED("\"nodeSelector\":{\"disk\":\"hdd\"}", NO_MATCH);
    FITS("\"nodeSelector\":{\"disk\":\"ssd\"}");
    FITS(REQUIRED("{\"matchExpressions\":[{\"key\":\"disk\",\"operator\":\"In\",\"values\":["
                  "\"hdd\",\"ssd\"]}]}"));
    FITS(REQUIRED("{\"matchExpressions\":[{\"key\":\"x\",\"operator\":\"Exists\"}]},{"
                  "\"matchExpressions\":[{\"key\":\"disk\",\"operator\":\"Exists\"}]}"));
    REFUSED(REQUIRED("{\"matchExpressions\":[{\"key\":\"disk\",\"operator\":\"NotIn\",\"values\":["
                     "\"ssd\"]}]}"),
            NO_MATCH);
    FITS(REQUIRED(
        "{\"matchExpressions\":[{\"key\":\"cores\",\"operator\":\"Gt\",\"values\":[\"9\"]}]}"));
    REFUSED(
        REQUIRED(
            "{\"matchExpressions\":[{\"key\":\"cores\",\"operator\":\"Lt\",\"values\":[\"9\"]}]}"),
        NO_MATCH);
    REFUSED(REQUIRED("{}"), NO_MATCH);
    FITS(REQUIRED(
        "{\"matchFields\":[{\"key\":\"metadata.name\",\"operator\":\"In\",\"values\":[\"n\"]}]}"));
    REFUSED(REQUIRED("{\"matchFields\":[{\"key\":\"metadata.name\",\"operator\":\"In\",\"values\":["
                     "\"m\"]}]}"),
            "0/1 nodes are available: 1 node(s) didn't satisfy plugin(s) [NodeAffinity].");
    world_close(&w);
}

TEST(filter, host_ports_are_given_once_per_address_and_protocol)
{
    struct world w = {0};

    world_open(&w);
    put_node(&w, "n", "", "", ROOMY);
    put_pod_on(&w, "has", "",
               "\"containers\":[{\"ports\":[{\"hostPort\":80,\"protocol\":\"TCP\",\"hostIP\":\"10."
               "0.0.1\"}]}]",
               "n");
    REFUSED(
        "\"containers\":[{\"ports\":[{\"hostPort\":80,\"protocol\":\"TCP\"}]}]",
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.");
    FITS("\"containers\":[{\"ports\":[{\"hostPort\":80,\"protocol\":\"UDP\"}]}]");
    FITS("\"containers\":[{\"ports\":[{\"hostPort\":80,\"protocol\":\"TCP\",\"hostIP\":\"10.0.0."
         "2\"}]}]");
    FITS("\"containers\":[{\"ports\":[{\"containerPort\":80}]}]");
    world_close(&w);
}

TEST(filter, resources_count_overhead_init_containers_and_sidecars)
{
    struct world w = {0};

    world_open(&w);
    put_node(&w, "n", "", "",
             "\"cpu\":\"2\",\"memory\":\"1Gi\",\"pods\":\"110\",\"example.com/gpu\":\"1\"");
    FITS(CPU("2"));
    REFUSED(CPU("2001m"), "0/1 nodes are available: 1 Insufficient cpu.");
    REFUSED("\"overhead\":{\"cpu\":\"1m\"}," CPU("2"),
            "0/1 nodes are available: 1 Insufficient cpu.");
    FITS("\"initContainers\":[{\"resources\":{\"requests\":{\"cpu\":\"2\"}}}]," CPU("1"));
    REFUSED("\"initContainers\":[{\"restartPolicy\":\"Always\",\"resources\":{\"requests\":{"
            "\"cpu\":\"1500m\"}}}]," CPU("1"),
            "0/1 nodes are available: 1 Insufficient cpu.");
    REFUSED("\"initContainers\":[{\"restartPolicy\":\"Always\",\"resources\":{\"requests\":{"
            "\"cpu\":\"1\"}}},{\"resources\":{\"requests\":{\"cpu\":\"1500m\"}}}]," CPU("1"),
            "0/1 nodes are available: 1 Insufficient cpu.");
    REFUSED("\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"3\",\"memory\":\"2Gi\","
            "\"example.com/gpu\":\"2\"}}}]",
            "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient example.com/gpu, 1 "
            "Insufficient memory.");
    REFUSED("\"containers\":[{\"resources\":{\"requests\":{\"example.com/fpga\":\"1\"}}}]",
            "0/1 nodes are available: 1 Insufficient example.com/fpga.");
    world_close(&w);
}

TEST(filter, a_node_takes_so_many_pods)
{
    struct world w = {0};

    world_open(&w);
    put_node(&w, "n", "", "", "\"cpu\":\"2\",\"memory\":\"1Gi\",\"pods\":\"1\"");
    put_pod_on(&w, "a", "", "", "n");
    REFUSED("", "0/1 nodes are available: 1 Too many pods.");
    world_close(&w);
}

TEST(filter, reasons_are_counted_and_sorted)
{
    struct world w = {0};

    world_open(&w);
    put_node(&w, "tainted", "",
             "\"taints\":[{\"key\":\"a\",\"value\":\"b\",\"effect\":\"NoSchedule\"}]", ROOMY);
    put_node(&w, "small", "", "", "\"cpu\":\"1\",\"memory\":\"8Gi\",\"pods\":\"110\"");
    put_node(&w, "smaller", "", "", "\"cpu\":\"1\",\"memory\":\"8Gi\",\"pods\":\"110\"");
    put_pod(&w, "a", "", CPU("2"));
    CHECK_LOG(&w, "event a FailedScheduling: 0/3 nodes are available: 1 node(s) had untolerated "
                  "taint(s), 2 Insufficient cpu. "
                  "no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption "
                  "is not helpful for scheduling.\n"
                  "condition a: 0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 "
                  "Insufficient cpu. "
                  "no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption "
                  "is not helpful for scheduling.\n");
    world_close(&w);
}

TEST(score, preferences_of_taints_and_affinity_decide)
{
    struct world w = {0};

    world_open(&w);
    put_node(&w, "plain", "", "", ROOMY);
    put_node(&w, "avoided", "", "\"taints\":[{\"key\":\"p\",\"effect\":\"PreferNoSchedule\"}]",
             ROOMY);
    for (int i = 0; i < 5; i++)
        FITS("");
    put_pod(&w, "a", "", "");
    settle(&w, NS_PER_MS);
    CHECK_STRZ(str_of(node_of(&w, "a")), "plain");
    put_node(&w, "liked", ",\"disk\":\"ssd\"", "", ROOMY);
    put_pod(&w, "b", "",
            "\"affinity\":{\"nodeAffinity\":{\"preferredDuringSchedulingIgnoredDuringExecution\":[{"
            "\"weight\":10,\"preference\":{\"matchExpressions\":"
            "[{\"key\":\"disk\",\"operator\":\"In\",\"values\":[\"ssd\"]}]}}]}}");
    settle(&w, NS_PER_MS);
    CHECK_STRZ(str_of(node_of(&w, "b")), "liked");
    world_close(&w);
}
TEST(filter, pods_that_need_a_feature_go_where_it_is_declared)
{
    struct world w = {0};
#define RESTARTS_ALL                                                                               \
    "\"containers\":[{\"name\":\"a\"},{\"name\":\"c\",\"restartPolicyRules\":[{\"action\":"        \
    "\"RestartAllContainers\"}]}]"

    world_open(&w);
    put_node(&w, "n", "", "", ROOMY);
    FITS("\"containers\":[{\"restartPolicyRules\":[{\"action\":\"Restart\"}]}]");
    REFUSED(RESTARTS_ALL,
            "0/1 nodes are available: 1 node(s) didn't match Pod's required features.");
    put_pod(&w, "waits", "", RESTARTS_ALL);
    settle(&w, NS_PER_MS);
    CHECK_STRZ(str_of(node_of(&w, "waits")), "");
    put_node_status(&w, "n", ROOMY,
                    ",\"declaredFeatures\":[\"RestartAllContainersOnContainerExits\"]");
    settle(&w, NS_PER_MS);
    CHECK_STRZ(str_of(node_of(&w, "waits")), "n");
    world_close(&w);
}

#define CPU(n) "\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"" n "\"}}}]"
#define CPU_STATUS(granted, in_force)                                                              \
    "\"containerStatuses\":[{\"name\":\"c\",\"allocatedResources\":{\"cpu\":\"" granted            \
    "\"},\"resources\":{\"requests\":{\"cpu\":\"" in_force "\"}}}]"

TEST(filter, a_pod_that_changes_size_counts_for_the_most_of_wanted_granted_and_in_force)
{
    static const struct {
        const char *spec, *status;
        const char *left; /* of 8 */
        const char *more;
    } rows[] = {
        {CPU("2"), "", "6", "7"},
        {CPU("2"), CPU_STATUS("2", "2"), "6", "7"},
        {CPU("2"), CPU_STATUS("2", "5"), "3", "4"}, /* shrinks, and has not yet */
        {CPU("2"), CPU_STATUS("3", "2"), "5", "6"},
        {CPU("4"), CPU_STATUS("2", "2"), "4", "5"}, /* grows, and may not yet */
        {CPU("4"),
         "\"conditions\":[{\"type\":\"PodResizePending\",\"reason\":\"Deferred\"}]," CPU_STATUS(
             "2", "2"),
         "4", "5"},
        {CPU("4"),
         "\"conditions\":[{\"type\":\"PodResizePending\",\"reason\":\"Infeasible\"}]," CPU_STATUS(
             "2", "2"),
         "6", "7"},
        /* What is said of the whole pod. */
        {"\"resources\":{\"requests\":{\"cpu\":\"1\"}}," CPU("1"),
         "\"allocatedResources\":{\"cpu\":\"3\"},\"resources\":{\"requests\":{\"cpu\":\"2\"}}", "5",
         "6"},
        {"\"overhead\":{\"cpu\":\"1\"},\"resources\":{\"requests\":{\"cpu\":\"1\"}}," CPU("1"),
         "\"allocatedResources\":{\"cpu\":\"3\"},\"resources\":{\"requests\":{\"cpu\":\"2\"}}", "5",
         "6"},
        /* An init container's size does not change, a sidecar's does. */
        {"\"initContainers\":[{\"name\":\"i\"},{\"name\":\"s\",\"restartPolicy\":\"Always\"}]," CPU(
             "1"),
         "\"initContainerStatuses\":[{\"name\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"7\"}}},"
         "{\"name\":\"s\",\"resources\":{\"requests\":{\"cpu\":\"2\"}}}]",
         "5", "6"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world w = {0};
        CLEANUP(buf) struct buf fits = BUF_INIT, larger = BUF_INIT;

        world_open(&w);
        put_node(&w, "n", "", "", "\"cpu\":\"8\",\"pods\":\"10\"");
        put_pod_on(&w, "old", "", rows[i].spec, "n");
        put_pod_status(&w, "old", "n", rows[i].status);
        buf_fmt(&fits, "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"%s\"}}}]",
                rows[i].left);
        buf_fmt(&larger, "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"%s\"}}}]",
                rows[i].more);
        REFUSED(buf_cstr(&larger), "0/1 nodes are available: 1 Insufficient cpu.");
        FITS(buf_cstr(&fits));
        world_close(&w);
    }
}
