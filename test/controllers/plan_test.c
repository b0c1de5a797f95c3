/* plan_test.c - reconciles alone: objects in, a plan out as text. No loop runs, no request is sent.
 */
#include "schema/cron.h"
#include "loop/zone.h"
#include "test/controllers/plans.h"

/* ---- ReplicaSets ---- */

TEST(replicaset, creates_what_is_missing_and_then_reports)
{
    struct world w;

    world_init(&w);
    have(&w, K_REPLICASETS,
         "{\"metadata\":{\"name\":\"rs\"},\"spec\":{\"replicas\":3," TEMPLATE "}}");
    have(&w, K_PODS, POD("rs-a", "", RUNNING));
    CHECK_STRZ(
        plan_of(&w, &replicaset_controller, "default", "rs"),
        "create pods default/rs-\ncreate pods default/rs-\nthen\nstatus replicasets default/rs "
        "{\"replicas\":1,\"fullyLabeledReplicas\":1,\"readyReplicas\":1,\"availableReplicas\":1,"
        "\"terminatingReplicas\":0}\n");
    world_fini(&w);
}

TEST(replicaset, removes_pending_pods_before_ready_ones)
{
    struct world w;

    world_init(&w);
    have(&w, K_REPLICASETS,
         "{\"metadata\":{\"name\":\"rs\"},\"spec\":{\"replicas\":1," TEMPLATE "}}");
    have(&w, K_PODS, POD("rs-a", "", RUNNING));
    have(&w, K_PODS, POD("rs-b", "", PENDING));
    have(&w, K_PODS,
         POD("rs-c", ",\"annotations\":{\"controller.kubernetes.io/pod-deletion-cost\":\"-5\"}",
             RUNNING));
    CHECK(str_has_prefix(plan_of(&w, &replicaset_controller, "default", "rs"),
                         S("delete pods default/rs-b\ndelete pods default/rs-c\nthen\n")));
    world_fini(&w);
}

TEST(replicaset, adopts_orphans_that_match_and_releases_pods_that_do_not)
{
    struct world w;

    world_init(&w);
    have(&w, K_REPLICASETS,
         "{\"metadata\":{\"name\":\"rs\"},\"spec\":{\"replicas\":1," TEMPLATE "}}");
    have(&w, K_PODS,
         "{\"metadata\":{\"name\":\"orphan\"," LABELS "},\"spec\":{},\"status\":" RUNNING "}");
    have(&w, K_PODS,
         "{\"metadata\":{\"name\":\"stranger\",\"labels\":{\"app\":\"y\"}," OWNED(
             "ReplicaSet", "rs") "},\"spec\":{},\"status\":" RUNNING "}");
    CHECK(str_has_prefix(plan_of(&w, &replicaset_controller, "default", "rs"),
                         S("patch pods default/stranger "
                           "{\"metadata\":{\"uid\":\"u-stranger\",\"ownerReferences\":[{\"$patch\":"
                           "\"delete\",\"uid\":\"u-rs\"}]}}\n"
                           "patch pods default/orphan "
                           "{\"metadata\":{\"ownerReferences\":[{\"apiVersion\":\"apps/"
                           "v1\",\"kind\":\"ReplicaSet\",\"name\":\"rs\","
                           "\"uid\":\"u-rs\",\"controller\":true,\"blockOwnerDeletion\":true}],"
                           "\"uid\":\"u-orphan\"}}\nthen\nstatus")));
    world_fini(&w);
}

TEST(replicaset, says_that_pods_cannot_be_made)
{
    struct world w;

    world_init(&w);
    w.failure = "pods \"rs-\" is forbidden: exceeded quota";
    have(&w, K_REPLICASETS,
         "{\"metadata\":{\"name\":\"rs\"},\"spec\":{\"replicas\":1," TEMPLATE "}}");
    CHECK(str_find(plan_of(&w, &replicaset_controller, "default", "rs"),
                   S("\"conditions\":[{\"type\":\"ReplicaFailure\",\"status\":\"True\","
                     "\"lastTransitionTime\":\"2026-01-01T00:00:00Z\","
                     "\"reason\":\"FailedCreate\",\"message\":\"pods \\\"rs-\\\" is forbidden: "
                     "exceeded quota\"}]")) > 0);
    world_fini(&w);
}

TEST(replicaset, counts_a_pod_as_available_only_after_min_ready_seconds)
{
    struct world w;
    str plan;

    world_init(&w);
    have(&w, K_REPLICASETS,
         "{\"metadata\":{\"name\":\"rs\"},\"spec\":{\"replicas\":1,\"minReadySeconds\":"
         "3610," TEMPLATE "}}");
    have(&w, K_PODS, POD("rs-a", "", RUNNING));
    plan = plan_of(&w, &replicaset_controller, "default", "rs");
    CHECK(str_find(plan, S("availableReplicas")) < 0);
    CHECK(str_has_suffix(plan, S("requeue 11000ms\n")));
    world_fini(&w);
}

/* ---- Deployments ---- */

#define DEPLOYMENT(fields)                                                                         \
    "{\"metadata\":{\"name\":\"d\",\"generation\":1},\"spec\":{" fields                            \
    ",\"revisionHistoryLimit\":1,\"strategy\":{\"type\":"                                          \
    "\"RollingUpdate\",\"rollingUpdate\":{\"maxSurge\":\"25%%\",\"maxUnavailable\":\"25%%\"}}"     \
    "," TEMPLATE "}}"
#define OLD_RS(name, replicas, available, revision)                                                \
    "{\"metadata\":{\"name\":\"" name "\"," LABELS "," OWNED(                                      \
        "Deployment",                                                                              \
        "d") ",\"annotations\":{\"deployment.kubernetes.io/revision\":\"" revision                 \
             "\",\"deployment.kubernetes.io/desired-replicas\":\"4\",\"deployment.kubernetes.io/"  \
             "max-replicas\":\"5\"}},\"spec\":{"                                                   \
             "\"replicas\":" replicas ",\"template\":{\"metadata\":{" LABELS                       \
             "},\"spec\":{\"old\":\"" name "\"}}},\"status\":{\"replicas\":" replicas              \
             ",\"availableReplicas\":" available "}}"
#define NEW_RS(name, replicas, available, revision)                                                \
    "{\"metadata\":{\"name\":\"" name "\"," LABELS "," OWNED(                                      \
        "Deployment",                                                                              \
        "d") ",\"annotations\":{\"deployment.kubernetes.io/revision\":\"" revision                 \
             "\",\"deployment.kubernetes.io/desired-replicas\":\"4\",\"deployment.kubernetes.io/"  \
             "max-replicas\":\"5\"}},\"spec\":{"                                                   \
             "\"replicas\":" replicas "," TEMPLATE "},\"status\":{\"replicas\":" replicas          \
             ",\"readyReplicas\":" available ",\"availableReplicas\":" available "}}"

static str head(str plan)
{
    ptrdiff_t at = str_find(plan, S("then\n"));

    return at < 0 ? plan : str_slice(plan, 0, (size_t)at);
}

TEST(deployment, makes_its_first_replicaset_at_full_size)
{
    struct world w;

    world_init(&w);
    have(&w, K_DEPLOYMENTS, DEPLOYMENT("\"replicas\":4"));
    CHECK(str_has_prefix(plan_of(&w, &deployment_controller, "default", "d"),
                         S("create replicasets default/d-")));
    world_fini(&w);
}

TEST(deployment, surges_first_and_takes_from_the_old_only_what_stays_available)
{
    struct world w;

    world_init(&w);
    have(&w, K_DEPLOYMENTS, DEPLOYMENT("\"replicas\":4"));
    have(&w, K_REPLICASETS, OLD_RS("old", "4", "4", "1"));
    have(&w, K_REPLICASETS, NEW_RS("new", "0", "0", "2"));
    CHECK_STRZ(head(plan_of(&w, &deployment_controller, "default", "d")),
               "update replicasets default/new replicas=1\n");
    have(&w, K_REPLICASETS, NEW_RS("new", "1", "0", "2"));
    CHECK_STRZ(head(plan_of(&w, &deployment_controller, "default", "d")),
               "update replicasets default/old replicas=3\n");
    have(&w, K_REPLICASETS, OLD_RS("old", "3", "3", "1"));
    CHECK_STRZ(head(plan_of(&w, &deployment_controller, "default", "d")),
               "update replicasets default/new replicas=2\n");
    have(&w, K_REPLICASETS, NEW_RS("new", "2", "0", "2"));
    CHECK_STRZ(head(plan_of(&w, &deployment_controller, "default", "d")),
               ""); /* waits for a new pod to be available */
    world_fini(&w);
}

TEST(deployment, takes_pods_that_are_not_available_first)
{
    struct world w;

    world_init(&w);
    have(&w, K_DEPLOYMENTS, DEPLOYMENT("\"replicas\":4"));
    have(&w, K_REPLICASETS, OLD_RS("old", "4", "2", "1"));
    have(&w, K_REPLICASETS, NEW_RS("new", "1", "1", "2"));
    CHECK_STRZ(head(plan_of(&w, &deployment_controller, "default", "d")),
               "update replicasets default/old replicas=2\n");
    world_fini(&w);
}

TEST(deployment, shares_a_new_size_among_its_replicasets)
{
    struct world w;

    world_init(&w);
    have(&w, K_DEPLOYMENTS, DEPLOYMENT("\"replicas\":8"));
    have(&w, K_REPLICASETS, OLD_RS("old", "3", "3", "1"));
    have(&w, K_REPLICASETS, NEW_RS("new", "2", "2", "2"));
    CHECK_STRZ(
        head(plan_of(&w, &deployment_controller, "default", "d")),
        "update replicasets default/old replicas=6\nupdate replicasets default/new replicas=4\n");
    world_fini(&w);
}

TEST(deployment, does_not_roll_while_paused)
{
    struct world w;
    str plan;

    world_init(&w);
    have(&w, K_DEPLOYMENTS,
         DEPLOYMENT("\"replicas\":4,\"progressDeadlineSeconds\":600,\"paused\":true"));
    have(&w, K_REPLICASETS, OLD_RS("old", "4", "4", "1"));
    plan = plan_of(&w, &deployment_controller, "default", "d");
    CHECK(str_has_prefix(plan, S("then\nstatus")));
    CHECK(str_find(plan, S("\"type\":\"Progressing\",\"status\":\"Unknown\"")) > 0);
    CHECK(str_find(plan,
                   S("\"reason\":\"DeploymentPaused\",\"message\":\"Deployment is paused\"")) > 0);
    world_fini(&w);
}

TEST(deployment, going_back_to_an_old_template_makes_its_replicaset_the_newest)
{
    struct world w;
    str plan;

    world_init(&w);
    have(&w, K_DEPLOYMENTS, DEPLOYMENT("\"replicas\":4"));
    have(&w, K_REPLICASETS, NEW_RS("first", "0", "0", "1"));
    have(&w, K_REPLICASETS, OLD_RS("second", "4", "4", "2"));
    plan = plan_of(&w, &deployment_controller, "default", "d");
    CHECK(str_has_prefix(plan, S("update replicasets default/first replicas=1\n")));
    world_fini(&w);
}

TEST(deployment, forgets_history_beyond_its_limit_when_complete)
{
    struct world w;
    str plan;

    world_init(&w);
    have(&w, K_DEPLOYMENTS,
         "{\"metadata\":{\"name\":\"d\",\"generation\":1,\"annotations\":{\"deployment.kubernetes."
         "io/revision\":\"4\"}},\"spec\":{\"replicas\":4,"
         "\"revisionHistoryLimit\":1,\"strategy\":{\"rollingUpdate\":{\"maxSurge\":1}}," TEMPLATE
         "},\"status\":{\"observedGeneration\":1,"
         "\"replicas\":4,\"updatedReplicas\":4,\"availableReplicas\":4}}");
    have(&w, K_REPLICASETS, OLD_RS("r1", "0", "0", "1"));
    have(&w, K_REPLICASETS, OLD_RS("r2", "0", "0", "2"));
    have(&w, K_REPLICASETS, OLD_RS("r3", "0", "0", "3"));
    have(&w, K_REPLICASETS, NEW_RS("r4", "4", "4", "4"));
    plan = head(plan_of(&w, &deployment_controller, "default", "d"));
    CHECK_STRZ(plan, "delete replicasets default/r1\ndelete replicasets default/r2\n");
    world_fini(&w);
}

TEST(deployment, a_name_that_another_template_has_taken_counts_as_collision)
{
    struct world w;
    str plan, name;

    world_init(&w);
    have(&w, K_DEPLOYMENTS, DEPLOYMENT("\"replicas\":1"));
    plan = plan_of(&w, &deployment_controller, "default", "d");
    name = str_slice(plan, strlen("create replicasets default/"), (size_t)str_index(plan, '\n'));
    have(&w, K_REPLICASETS,
         "{\"metadata\":{\"name\":\"" PRI_STR "\"},\"spec\":{\"replicas\":0,\"template\":{}}}",
         STR_ARG(name));
    CHECK_STRZ(plan_of(&w, &deployment_controller, "default", "d"),
               "then\nstatus deployments default/d {\"collisionCount\":1}\n");
    world_fini(&w);
}

TEST(deployment, recreate_waits_for_the_last_old_pod)
{
    struct world w;

    world_init(&w);
    have(&w, K_DEPLOYMENTS,
         "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"replicas\":4,\"strategy\":{\"type\":"
         "\"Recreate\"}," TEMPLATE "}}");
    have(&w, K_REPLICASETS, OLD_RS("rs", "4", "4", "1"));
    CHECK(str_has_prefix(plan_of(&w, &deployment_controller, "default", "d"),
                         S("update replicasets default/rs replicas=0\nthen\n")));
    have(&w, K_REPLICASETS, OLD_RS("rs", "0", "0", "1"));
    have(&w, K_PODS, POD("rs-a", ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"", RUNNING));
    CHECK(str_find(plan_of(&w, &deployment_controller, "default", "d"), S("create")) < 0);
    informer_drop(w.caches[K_PODS], S("default"), S("rs-a"));
    CHECK(str_has_prefix(plan_of(&w, &deployment_controller, "default", "d"),
                         S("create replicasets default/d-")));
    world_fini(&w);
}

/* ---- StatefulSets ---- */

#define SET(spec)                                                                                  \
    "{\"metadata\":{\"name\":\"s\",\"generation\":1},\"spec\":{\"serviceName\":\"svc\"," spec      \
    "," TEMPLATE "}}"
#define SET_POD(name, revision, status)                                                            \
    "{\"metadata\":{\"name\":\"" name                                                              \
    "\",\"labels\":{\"app\":\"x\",\"controller-revision-hash\":\"%s\"}," OWNED(                    \
        "StatefulSet", "s") "},\"spec\":{},\"status\":" status "}",                                \
        revision

static const char *the_revision(struct world *w)
{
    str plan = plan_of(w, &statefulset_controller, "default", "s");
    size_t skip = strlen("create controllerrevisions default/");
    const char *name;

    CHECK(str_has_prefix(plan, S("create controllerrevisions default/s-")));
    name = arena_dupz(w->a, str_slice(plan, skip, (size_t)str_index(plan, '\n')));
    have(w, K_CONTROLLERREVISIONS,
         "{\"metadata\":{\"name\":\"%s\"," OWNED(
             "StatefulSet", "s") "},\"revision\":1,\"data\":{\"spec\":{\"template\":{\"$patch\":"
                                 "\"replace\",\"metadata\":{" LABELS "},\"spec\":{}}}}}",
         name);
    return name;
}

TEST(statefulset, makes_one_pod_after_the_other)
{
    struct world w;
    const char *rev;
    str plan;

    world_init(&w);
    have(&w, K_STATEFULSETS, SET("\"replicas\":3"));
    rev = the_revision(&w);
    plan = plan_of(&w, &statefulset_controller, "default", "s");
    CHECK(has_line(plan, "create pods default/s-0\n") && !has_line(plan, "default/s-1"));
    have(&w, K_PODS, SET_POD("s-0", rev, PENDING));
    CHECK(!has_line(plan_of(&w, &statefulset_controller, "default", "s"), "create"));
    have(&w, K_PODS, SET_POD("s-0", rev, RUNNING));
    CHECK(has_line(plan_of(&w, &statefulset_controller, "default", "s"),
                   "create pods default/s-1\n"));
    world_fini(&w);
}

TEST(statefulset, in_parallel_makes_all_at_once)
{
    struct world w;
    str plan;

    world_init(&w);
    have(&w, K_STATEFULSETS, SET("\"replicas\":3,\"podManagementPolicy\":\"Parallel\""));
    the_revision(&w);
    plan = plan_of(&w, &statefulset_controller, "default", "s");
    CHECK(has_line(plan, "create pods default/s-0\n") &&
          has_line(plan, "create pods default/s-2\n"));
    world_fini(&w);
}

TEST(statefulset, updates_from_the_top_down_to_the_partition)
{
    struct world w;
    const char *rev;

    world_init(&w);
    have(&w, K_STATEFULSETS,
         SET("\"replicas\":3,\"updateStrategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{"
             "\"partition\":1}}"));
    rev = the_revision(&w);
    have(&w, K_PODS, SET_POD("s-0", "s-old", RUNNING));
    have(&w, K_PODS, SET_POD("s-1", "s-old", RUNNING));
    have(&w, K_PODS, SET_POD("s-2", "s-old", RUNNING));
    CHECK(has_line(plan_of(&w, &statefulset_controller, "default", "s"),
                   "delete pods default/s-2\n"));
    have(&w, K_PODS, SET_POD("s-2", rev, RUNNING));
    CHECK(has_line(plan_of(&w, &statefulset_controller, "default", "s"),
                   "delete pods default/s-1\n"));
    have(&w, K_PODS, SET_POD("s-1", rev, RUNNING));
    CHECK(!has_line(plan_of(&w, &statefulset_controller, "default", "s"), "delete"));
    world_fini(&w);
}

TEST(statefulset, removes_the_highest_first)
{
    struct world w;
    const char *rev;
    str plan;

    world_init(&w);
    have(&w, K_STATEFULSETS, SET("\"replicas\":1"));
    rev = the_revision(&w);
    have(&w, K_PODS, SET_POD("s-0", rev, RUNNING));
    have(&w, K_PODS, SET_POD("s-1", rev, RUNNING));
    have(&w, K_PODS, SET_POD("s-10", rev, RUNNING));
    plan = plan_of(&w, &statefulset_controller, "default", "s");
    CHECK(has_line(plan, "delete pods default/s-10\n") && !has_line(plan, "s-1\n"));
    /* One that is not well halts it, but for the lowest such. */
    have(&w, K_PODS, SET_POD("s-1", rev, PENDING));
    have(&w, K_PODS, SET_POD("s-10", rev, PENDING));
    CHECK(!has_line(plan_of(&w, &statefulset_controller, "default", "s"), "delete"));
    have(&w, K_PODS, SET_POD("s-10", rev, RUNNING));
    CHECK(has_line(plan_of(&w, &statefulset_controller, "default", "s"),
                   "delete pods default/s-10\n"));
    have(&w, K_STATEFULSETS, SET("\"replicas\":2")); /* s-1 is one of the set again */
    have(&w, K_PODS, SET_POD("s-1", rev, RUNNING));
    have(&w, K_PODS, SET_POD("s-10", rev, PENDING));
    CHECK(has_line(plan_of(&w, &statefulset_controller, "default", "s"),
                   "delete pods default/s-10\n"));
    world_fini(&w);
}

/* ---- DaemonSets ---- */

TEST(daemonset, runs_on_nodes_that_fit_and_tolerates_their_troubles)
{
    struct world w;
    str plan;

    world_init(&w);
    have(&w, K_DAEMONSETS,
         "{\"metadata\":{\"name\":\"ds\"},\"spec\":{\"selector\":{\"matchLabels\":{\"app\":\"x\"}},"
         "\"template\":{\"metadata\":{" LABELS
         "},\"spec\":{\"nodeSelector\":{\"os\":\"linux\"}}}}}");
    have(&w, K_NODES,
         "{\"metadata\":{\"name\":\"a\",\"labels\":{\"os\":\"linux\"}},\"spec\":{\"taints\":[{"
         "\"key\":\"node.kubernetes.io/not-ready\",\"effect\":\"NoExecute\"}]}}");
    have(&w, K_NODES,
         "{\"metadata\":{\"name\":\"b\",\"labels\":{\"os\":\"linux\"}},\"spec\":{\"taints\":[{"
         "\"key\":\"mine\",\"effect\":\"NoSchedule\"}]}}");
    have(&w, K_NODES, "{\"metadata\":{\"name\":\"c\"},\"spec\":{}}");
    plan = plan_of(&w, &daemonset_controller, "default", "ds");
    CHECK(has_line(plan, "create pods default/ds-\nthen\nstatus"));
    CHECK(has_line(plan, "{\"currentNumberScheduled\":0,\"numberMisscheduled\":0,"
                         "\"desiredNumberScheduled\":1,\"numberReady\":0,\"numberUnavailable\":1"));
    world_fini(&w);
}

/* ---- taints ---- */

TEST(taint_eviction, patience_begins_when_the_taint_is_seen)
{
    struct world w;
    str plan;

    world_init(&w);
    w.state = taint_eviction_controller.state_new(NULL);
    have(&w, K_NODES,
         "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"taints\":[{\"key\":\"k\",\"effect\":"
         "\"NoExecute\"}]}}");
    have(&w, K_PODS,
         "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"nodeName\":\"n\",\"tolerations\":[{\"key\":"
         "\"k\","
         "\"operator\":\"Exists\",\"effect\":\"NoExecute\",\"tolerationSeconds\":5}]},\"status\":{"
         "\"phase\":\"Running\"}}");
    CHECK_STRZ(plan_of(&w, &taint_eviction_controller, "default", "p"), "requeue 5000ms\n");
    w.now.ns += 3 * NS_PER_S;
    CHECK_STRZ(plan_of(&w, &taint_eviction_controller, "default", "p"), "requeue 2000ms\n");
    w.now.ns += 3 * NS_PER_S;
    plan = plan_of(&w, &taint_eviction_controller, "default", "p");
    CHECK(has_line(plan, "DeletionByTaintManager") && has_line(plan, "delete pods default/p\n"));
    /* The taint goes and comes back: a new beginning. */
    have(&w, K_NODES, "{\"metadata\":{\"name\":\"n\"},\"spec\":{}}");
    CHECK_STRZ(plan_of(&w, &taint_eviction_controller, "default", "p"), "");
    have(&w, K_NODES,
         "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"taints\":[{\"key\":\"k\",\"effect\":"
         "\"NoExecute\"}]}}");
    CHECK_STRZ(plan_of(&w, &taint_eviction_controller, "default", "p"), "requeue 5000ms\n");
    taint_eviction_controller.state_free(w.state);
    world_fini(&w);
}

/* ---- schedules ---- */

static int64_t next(const char *schedule, const char *zone, const char *after)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf tzif = BUF_INIT;
    struct time_zone *z = NULL;
    int64_t at = -1;
    struct cron c;
    wall_time t;

    CHECK(rfc3339_parse(str_of(after), &t));
    if (zone) {
        CHECK(test_read_file(arena_fmt(a, "/usr/share/zoneinfo/%s", zone).p, &tzif));
        z = time_zone_parse(buf_view(&tzif));
        CHECK(z);
    }
    if (!cron_parse(a, str_of(schedule), &c))
        at = cron_next(&c, z, t.ns / NS_PER_S);
    time_zone_free(z);
    return at;
}

/* Expectations: github.com/robfig/cron v3.0.1. */
TEST(cron, finds_the_next_time)
{
    static const struct {
        const char *schedule, *zone, *after, *want;
    } rows[] = {
        {"*/5 * * * *", NULL, "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z"},
        {"0 0 29 2 *", NULL, "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
        {"30 8-17/3 * * mon-fri", NULL, "2026-01-02T15:00:00Z", "2026-01-02T17:30:00Z"},
        {"30 8-17/3 * * MON-FRI", NULL, "2026-01-02T18:00:00Z", "2026-01-05T08:30:00Z"},
        /* either day will do */
        {"0 0 13 * 5", NULL, "2026-02-01T00:00:00Z", "2026-02-06T00:00:00Z"},
        {"@hourly", NULL, "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"},
        {"*, 0-1 14 11 5/7", NULL, "2023-11-14T22:13:20Z", "2023-11-17T00:00:00Z"},
        {"@every 500ms", NULL, "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"},
        {"@every 1h30m10.9s", NULL, "2026-01-01T00:00:00Z", "2026-01-01T01:30:10Z"},
        {"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"},
        {"30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
        {"0 0 * * *", "America/Havana", "2026-03-07T12:00:00Z", "2026-03-09T04:00:00Z"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(buf) struct buf b = BUF_INIT;

        buf_rfc3339(&b,
                    (wall_time){next(rows[i].schedule, rows[i].zone, rows[i].after) * NS_PER_S});
        CHECK_STRZ(buf_view(&b), rows[i].want);
    }
}

TEST(zone, knows_summer_from_winter_and_refuses_broken_files)
{
    /* Two types, +1 h and +2 h; the second from 1000 s on. */
    static const char head[] = "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct time_zone *z;

    buf_add(&b, head, 20);
    buf_add(&b, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0", 24);
    buf_add(&b, "\0\0\0\0\0\0", 6);
    buf_add(&b, head, 20);
    buf_add(&b, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0\0", 24);
    buf_add(&b, "\0\0\0\0\0\0\3\350\1", 9);
    buf_add(&b, "\0\0\16\20\0\0\0\0\34\40\1\0", 12);
    z = time_zone_parse(buf_view(&b));
    CHECK(z != NULL);
    if (z) {
        CHECK_INT(time_zone_offset_s(z, 999), 3600);
        CHECK_INT(time_zone_offset_s(z, 1000), 7200);
    }
    time_zone_free(z);
    for (size_t n = 0; n < b.n; n++)
        CHECK(time_zone_parse(str_slice(buf_view(&b), 0, n)) == NULL);
}

TEST(cron, refuses_what_is_no_schedule)
{
    CHECK_INT(next("", NULL, "2026-01-01T00:00:00Z"), -1);
    CHECK_INT(next("* * * *", NULL, "2026-01-01T00:00:00Z"), -1);
    CHECK_INT(next("60 * * * *", NULL, "2026-01-01T00:00:00Z"), -1);
    CHECK_INT(next("*/0 * * * *", NULL, "2026-01-01T00:00:00Z"), -1);
    CHECK_INT(next("5-1 * * * *", NULL, "2026-01-01T00:00:00Z"), -1);
    CHECK_INT(next("a * * * *", NULL, "2026-01-01T00:00:00Z"), -1);
    CHECK_INT(next("* * * * * *", NULL, "2026-01-01T00:00:00Z"), -1);
}

TEST(cronjob, makes_one_job_for_the_last_missed_time)
{
    struct world w;
    str plan;

    world_init(&w);
    have(&w, K_CRONJOBS,
         "{\"metadata\":{\"name\":\"c\",\"creationTimestamp\":\"2025-12-31T23:00:30Z\"},\"spec\":{"
         "\"schedule\":\"*/20 * * * *\","
         "\"jobTemplate\":{\"spec\":{}}}}");
    plan = plan_of(&w, &cronjob_controller, "default", "c");
    CHECK_STRZ(plan, "create jobs default/c-29453760\nthen\nstatus cronjobs default/c "
                     "{\"lastScheduleTime\":\"2026-01-01T00:00:00Z\"}\nrequeue 1200100ms\n");
    world_fini(&w);
}

#define SCHEDULED ",\"annotations\":{\"batch.kubernetes.io/cronjob-scheduled-timestamp\":\"x\"}"

/* As `kubectl create job --from=cronjob/c` makes one. */
TEST(cronjob, tells_of_a_job_that_somebody_else_made_and_goes_on)
{
    struct world w;
    str plan;

    world_init(&w);
    have(&w, K_CRONJOBS,
         "{\"metadata\":{\"name\":\"c\",\"creationTimestamp\":\"2025-12-31T23:00:30Z\"},\"spec\":{"
         "\"schedule\":\"*/20 * * * *\","
         "\"concurrencyPolicy\":\"Forbid\",\"jobTemplate\":{\"spec\":{}}}}");
    have(&w, K_JOBS, "{\"metadata\":{\"name\":\"m\"," OWNED("CronJob", "c") "},\"status\":{}}");
    plan = plan_of(&w, &cronjob_controller, "default", "c");
    CHECK(has_line(plan, "event Warning UnexpectedJob Saw a job that the controller did not create "
                         "or forgot: m\n"));
    CHECK(has_line(plan, "create jobs default/c-29453760\n"));
    CHECK(!has_line(plan, "\"active\""));
    world_fini(&w);
}

TEST(cronjob, forbid_leaves_a_time_out_while_one_runs)
{
    struct world w;

    world_init(&w);
    have(&w, K_CRONJOBS,
         "{\"metadata\":{\"name\":\"c\",\"creationTimestamp\":\"2025-12-31T23:00:30Z\"},\"spec\":{"
         "\"schedule\":\"*/20 * * * *\","
         "\"concurrencyPolicy\":\"Forbid\",\"jobTemplate\":{\"spec\":{}}}}");
    have(&w, K_JOBS,
         "{\"metadata\":{\"name\":\"c-1\"," OWNED("CronJob", "c") SCHEDULED "},\"status\":{}}");
    CHECK(has_line(plan_of(&w, &cronjob_controller, "default", "c"),
                   "event Normal JobAlreadyActive Not starting job because prior execution"));
    CHECK(!has_line(plan_of(&w, &cronjob_controller, "default", "c"), "create"));
    world_fini(&w);
}

/* ---- claims ---- */

#define CLAIM(spec)                                                                                \
    "{\"metadata\":{\"name\":\"c\"},\"spec\":{\"resources\":{\"requests\":{\"storage\":\"1Gi\"}"   \
    "}" spec "}}"
#define CLASS(name, provisioner, mode, more)                                                       \
    "{\"metadata\":{\"name\":\"" name "\"" more "},\"provisioner\":\"" provisioner                 \
    "\",\"volumeBindingMode\":\"" mode "\"}"

static str claim_plan(struct world *w)
{
    return plan_of(w, &claim_controller, "default", "c");
}

/* Texts: k8s.io/kubernetes/pkg/controller/volume/persistentvolume/pv_controller.go. */
TEST(claims, without_a_volume_tell_what_they_wait_for)
{
    struct world w;
    str plan;

    world_init(&w);
    have(&w, K_PVCS, CLAIM(""));
    CHECK(has_line(claim_plan(&w), "event Normal FailedBinding"));
    have(&w, K_PVCS, CLAIM(",\"storageClassName\":\"s\""));
    CHECK(has_line(claim_plan(&w), "storageclass.storage.k8s.io \"s\" not found"));
    have(&w, K_STORAGECLASSES, CLASS("s", "example.com/disks", "Immediate", ""));
    plan = claim_plan(&w);
    CHECK(has_line(plan, "ExternalProvisioning"));
    CHECK(has_line(plan, "update persistentvolumeclaims default/c class=s "
                         "provisioner=example.com/disks\n"));
    have(&w, K_STORAGECLASSES,
         CLASS("s", "kubernetes.io/no-provisioner", "WaitForFirstConsumer", ""));
    CHECK(has_line(claim_plan(&w), "waiting for first consumer to be created before binding"));
    have(&w, K_PODS,
         "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"volumes\":[{\"name\":\"v\","
         "\"persistentVolumeClaim\":{\"claimName\":\"c\"}}]},\"status\":" PENDING "}");
    CHECK(has_line(claim_plan(&w), "waiting for pod p to be scheduled"));
    world_fini(&w);
}

TEST(claims, of_a_class_that_waits_are_bound_to_what_is_reserved_for_them_alone)
{
    struct world w;

    world_init(&w);
    have(&w, K_STORAGECLASSES,
         CLASS("s", "kubernetes.io/no-provisioner", "WaitForFirstConsumer", ""));
    have(&w, K_PVCS, CLAIM(",\"storageClassName\":\"s\""));
    have(&w, K_PVS,
         "{\"metadata\":{\"name\":\"v\"},\"spec\":{\"storageClassName\":\"s\",\"capacity\":"
         "{\"storage\":\"1Gi\"}}}");
    CHECK(!has_line(claim_plan(&w), "volume=v"));
    have(&w, K_PVS,
         "{\"metadata\":{\"name\":\"v\"},\"spec\":{\"storageClassName\":\"s\",\"capacity\":"
         "{\"storage\":\"1Gi\"},\"claimRef\":{\"namespace\":\"default\",\"name\":\"c\",\"uid\":"
         "\"u-c\"}}}");
    CHECK(has_line(claim_plan(&w), "volume=v"));
    world_fini(&w);
}

TEST(claims, get_the_newest_default_class_when_there_is_one_at_last)
{
    struct world w;

    world_init(&w);
    have(&w, K_PVCS, CLAIM(""));
    have(&w, K_STORAGECLASSES,
         CLASS("old", "x", "Immediate",
               ",\"creationTimestamp\":\"2025-01-01T00:00:00Z\",\"annotations\":{"
               "\"storageclass.kubernetes.io/is-default-class\":\"true\"}"));
    have(&w, K_STORAGECLASSES,
         CLASS("new", "x", "Immediate",
               ",\"creationTimestamp\":\"2026-01-01T00:00:00Z\",\"annotations\":{"
               "\"storageclass.kubernetes.io/is-default-class\":\"true\"}"));
    CHECK(has_line(claim_plan(&w), "class=new"));
    /* "" says that there shall be none. */
    have(&w, K_PVCS, CLAIM(",\"storageClassName\":\"\""));
    CHECK(!has_line(claim_plan(&w), "class=new"));
    world_fini(&w);
}

TEST(volumes, that_shall_be_deleted_and_cannot_be_become_failed)
{
    static const struct {
        const char *metadata, *source, *why; /* why NULL: stays as it is */
    } rows[] = {
        {"", "\"hostPath\":{\"path\":\"/data\"}",
         "host_path deleter only supports /tmp/.+ but received provided /data"},
        {"", "\"hostPath\":{\"path\":\"/tmp/\"}",
         "host_path deleter only supports /tmp/.+ but received provided /tmp/"},
        {"", "\"hostPath\":{\"path\":\"/tmp/x\"}", NULL},
        {"", "\"nfs\":{\"path\":\"/\"}",
         "error getting deleter volume plugin for volume \"v\": no deletable volume plugin "
         "matched"},
        {"", "\"csi\":{\"driver\":\"d\"}",
         "error getting deleter volume plugin for volume \"v\": no deletable volume plugin "
         "matched"},
        {"", "\"local\":{\"path\":\"/data\"}",
         "error getting deleter volume plugin for volume \"v\": no volume plugin matched"},
        {",\"annotations\":{\"pv.kubernetes.io/provisioned-by\":\"example.com/disks\"}",
         "\"csi\":{\"driver\":\"d\"}", NULL},
        {",\"annotations\":{\"pv.kubernetes.io/provisioned-by\":\"kubernetes.io/glusterfs\"}",
         "\"glusterfs\":{}", "no volume plugin matched name: kubernetes.io/glusterfs"},
    };
    static const char *const policies[] = {"Delete", "Retain"}, *const phases[] = {"Released",
                                                                                   "Failed"};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t policy = 0; policy < 2; policy++)
            for (size_t phase = 0; phase < 2; phase++) {
                struct world w;
                CLEANUP(buf) struct buf pv = BUF_INIT;
                bool fails = rows[i].why && policy == 0 && phase == 0;
                str plan;

                world_init(&w);
                buf_fmt(&pv,
                        "{\"metadata\":{\"name\":\"v\"%s},\"spec\":{%s,\"claimRef\":{\"namespace\":"
                        "\"default\",\"name\":\"c\",\"uid\":\"gone\"},"
                        "\"persistentVolumeReclaimPolicy\":\"%s\"},\"status\":{\"phase\":\"%s\"}}",
                        rows[i].metadata, rows[i].source, policies[policy], phases[phase]);
                have(&w, K_PVS, "%s", buf_cstr(&pv));
                plan = plan_of(&w, &volume_controller, "", "v");
                CHECK(has_line(plan, "\"phase\":\"Failed\"") == fails);
                CHECK(has_line(plan, "event Warning VolumeFailedDelete") == fails);
                if (fails)
                    CHECK(str_find(plan, str_of(rows[i].why)) >= 0);
                else
                    CHECK_STRZ(plan, "");
                world_fini(&w);
            }
}

TEST(claims, do_not_get_a_volume_that_they_name_but_that_does_not_do)
{
    struct world w;
    str plan;

    world_init(&w);
    have(&w, K_PVCS, CLAIM(",\"volumeName\":\"v\",\"storageClassName\":\"\""));
    have(&w, K_PVS,
         "{\"metadata\":{\"name\":\"v\"},\"spec\":{\"capacity\":{\"storage\":\"1Mi\"}}}");
    plan = claim_plan(&w);
    CHECK(has_line(plan, "Cannot bind to requested volume \"v\": requested PV is too small"));
    CHECK(!has_line(plan, "update"));
    world_fini(&w);
}

TEST_MAIN
