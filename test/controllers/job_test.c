/* job_test.c - reconciles of Jobs alone: objects in, a plan out as text. */
#include "test/controllers/plans.h"

#define JOB(spec, status)                                                                          \
    "{\"metadata\":{\"name\":\"j\"},\"spec\":{" spec                                               \
    ",\"template\":{\"spec\":{\"restartPolicy\":\"Never\"}}},\"status\":" status "}"
#define JOB_POD(name, finalizer, phase)                                                            \
    "{\"metadata\":{\"name\":\"" name                                                              \
    "\"," OWNED("Job", "j") ",\"finalizers\":[" finalizer                                          \
                            "]},\"spec\":{},\"status\":{\"phase\":\"" phase "\"}}"
#define TRACKED "\"batch.kubernetes.io/job-tracking\""

TEST(job, counts_an_end_in_two_writes)
{
    struct world w;

    world_init(&w);
    have(&w, K_JOBS,
         JOB("\"parallelism\":1,\"completions\":2", "{\"startTime\":\"2026-01-01T00:00:00Z\"}"));
    have(&w, K_PODS, JOB_POD("j-a", TRACKED, "Succeeded"));
    CHECK_STRZ(plan_of(&w, &job_controller, "default", "j"),
               "create pods default/j-\nthen\nstatus jobs default/j "
               "{\"startTime\":\"2026-01-01T00:00:00Z\",\"uncountedTerminatedPods\":{"
               "\"succeeded\":[\"u-j-a\"]},\"ready\":0,\"terminating\":0}\n");
    have(&w, K_JOBS,
         JOB("\"parallelism\":1,\"completions\":2",
             "{\"startTime\":\"2026-01-01T00:00:00Z\",\"uncountedTerminatedPods\":{\"succeeded\":["
             "\"u-j-a\"]},\"ready\":0,\"terminating\":0}"));
    have(&w, K_PODS, JOB_POD("j-b", TRACKED, "Running"));
    CHECK(str_has_prefix(plan_of(&w, &job_controller, "default", "j"),
                         S("patch pods default/j-a "
                           "{\"metadata\":{\"$deleteFromPrimitiveList/"
                           "finalizers\":[\"batch.kubernetes.io/job-tracking\"]}}\n")));
    have(&w, K_PODS, JOB_POD("j-a", "", "Succeeded"));
    CHECK(str_find(
              plan_of(&w, &job_controller, "default", "j"),
              S("\"uncountedTerminatedPods\":{},\"ready\":0,\"terminating\":0,\"succeeded\":1")) >
          0);
    world_fini(&w);
}

TEST(job, is_complete_only_when_every_end_is_counted)
{
    struct world w;
    str plan;

    world_init(&w);
    have(&w, K_JOBS,
         JOB("\"parallelism\":1,\"completions\":1",
             "{\"startTime\":\"2026-01-01T00:00:00Z\",\"uncountedTerminatedPods\":{\"succeeded\":["
             "\"u-j-a\"]}}"));
    have(&w, K_PODS, JOB_POD("j-a", TRACKED, "Succeeded"));
    plan = plan_of(&w, &job_controller, "default", "j");
    CHECK(str_find(plan, S("SuccessCriteriaMet")) > 0);
    CHECK(str_find(plan, S("\"Complete\"")) < 0);
    have(&w, K_PODS, JOB_POD("j-a", "", "Succeeded"));
    plan = plan_of(&w, &job_controller, "default", "j");
    CHECK(str_find(plan, S("\"type\":\"Complete\",\"status\":\"True\"")) > 0);
    CHECK(str_find(plan, S("event Normal Completed Job completed")) >= 0);
    world_fini(&w);
}

TEST(job, fails_beyond_its_backoff_limit)
{
    struct world w;
    str plan;

    world_init(&w);
    have(&w, K_JOBS,
         JOB("\"parallelism\":1,\"completions\":1,\"backoffLimit\":0",
             "{\"startTime\":\"2026-01-01T00:00:00Z\",\"failed\":1}"));
    plan = plan_of(&w, &job_controller, "default", "j");
    CHECK(
        str_find(
            plan,
            S("event Warning BackoffLimitExceeded Job has reached the specified backoff limit")) >=
        0);
    CHECK(str_find(plan, S("\"type\":\"Failed\",\"status\":\"True\"")) > 0);
    world_fini(&w);
}

TEST(job, indexed_pods_fill_the_gaps)
{
    struct world w;
    str plan;

    world_init(&w);
    have(&w, K_JOBS,
         JOB("\"parallelism\":3,\"completions\":5,\"completionMode\":\"Indexed\"",
             "{\"startTime\":\"2026-01-01T00:00:00Z\",\"completedIndexes\":\"0,2\",\"succeeded\":"
             "2}"));
    plan = plan_of(&w, &job_controller, "default", "j");
    CHECK(str_has_prefix(
        plan, S("create pods default/j-1-\ncreate pods default/j-3-\ncreate pods default/j-4-\n")));
    world_fini(&w);
}

#define FAILED_POD(code)                                                                           \
    "{\"metadata\":{\"name\":\"j-a\"," OWNED(                                                      \
        "Job", "j") ",\"finalizers\":[" TRACKED "]},\"spec\":{},\"status\":{\"phase\":\"Failed\"," \
                    "\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"terminated\":{"           \
                    "\"exitCode\":" code "}}}]}}"

TEST(job, a_failure_policy_ends_it_or_looks_away)
{
    struct world w;
    str plan;

    world_init(&w);
    have(&w, K_JOBS,
         JOB("\"parallelism\":1,\"completions\":1,\"podReplacementPolicy\":\"Failed\","
             "\"podFailurePolicy\":{\"rules\":[{\"action\":"
             "\"FailJob\",\"onExitCodes\":{\"operator\":\"In\",\"values\":[42]}},{\"action\":"
             "\"Ignore\",\"onExitCodes\":{"
             "\"operator\":\"NotIn\",\"values\":[1]}}]}",
             "{\"startTime\":\"2026-01-01T00:00:00Z\"}"));
    have(&w, K_PODS, FAILED_POD("42"));
    plan = plan_of(&w, &job_controller, "default", "j");
    CHECK(str_find(plan, S("\"type\":\"FailureTarget\"")) > 0);
    CHECK(str_find(plan, S("Container c for pod default/j-a failed with exit code 42 matching "
                           "FailJob rule at index 0")) > 0);
    have(&w, K_PODS, FAILED_POD("7"));
    plan = plan_of(&w, &job_controller, "default", "j");
    CHECK(str_has_prefix(plan, S("patch pods default/j-a")));
    CHECK(str_find(plan, S("\"failed\"")) < 0);
    have(&w, K_PODS, FAILED_POD("1"));
    CHECK(str_find(plan_of(&w, &job_controller, "default", "j"), S("\"failed\":[\"u-j-a\"]")) > 0);
    world_fini(&w);
}

TEST(job, a_success_policy_is_met_by_its_indexes)
{
    struct world w;

    world_init(&w);
    have(&w, K_JOBS,
         JOB("\"parallelism\":3,\"completions\":5,\"completionMode\":\"Indexed\",\"successPolicy\":"
             "{\"rules\":[{\"succeededIndexes\":"
             "\"1-3\",\"succeededCount\":2}]}",
             "{\"startTime\":\"2026-01-01T00:00:00Z\",\"completedIndexes\":\"0,2\",\"succeeded\":"
             "2}"));
    CHECK(str_find(plan_of(&w, &job_controller, "default", "j"), S("SuccessCriteriaMet")) < 0);
    have(&w, K_JOBS,
         JOB("\"parallelism\":3,\"completions\":5,\"completionMode\":\"Indexed\",\"successPolicy\":"
             "{\"rules\":[{\"succeededIndexes\":"
             "\"1-3\",\"succeededCount\":2}]}",
             "{\"startTime\":\"2026-01-01T00:00:00Z\",\"completedIndexes\":\"2,3\",\"succeeded\":"
             "2}"));
    CHECK(str_find(plan_of(&w, &job_controller, "default", "j"),
                   S("\"reason\":\"SuccessPolicy\",\"message\":\"Matched rules at index 0\"")) > 0);
    world_fini(&w);
}

#define SELECTING "\"selector\":{\"matchLabels\":{\"app\":\"x\"}},"

TEST(job, adopts_orphans_that_match_and_releases_pods_that_do_not)
{
    struct world w;
    str plan;

    world_init(&w);
    have(&w, K_JOBS,
         JOB(SELECTING "\"parallelism\":2,\"completions\":2",
             "{\"startTime\":\"2026-01-01T00:00:00Z\"}"));
    have(&w, K_PODS,
         "{\"metadata\":{\"name\":\"orphan\"," LABELS
         "},\"spec\":{},\"status\":{\"phase\":\"Running\"}}");
    have(&w, K_PODS, JOB_POD("j-a", TRACKED, "Running"));
    plan = plan_of(&w, &job_controller, "default", "j");
    CHECK(has_line(plan, "patch pods default/orphan {\"metadata\":{\"ownerReferences\":[{"));
    CHECK(has_line(plan, "\"finalizers\":[" TRACKED "]}}\n"));
    CHECK(has_line(plan, "patch pods default/j-a {\"metadata\":{\"uid\":\"u-j-a\","
                         "\"ownerReferences\":[{\"$patch\":\"delete\",\"uid\":\"u-j\"}],"
                         "\"$deleteFromPrimitiveList/finalizers\":[" TRACKED "]}}\n"));
    CHECK(has_line(plan, "create pods default/j-\n")); /* in the place of the released one */
    CHECK(has_line(plan, "\"active\":1"));
    world_fini(&w);
}

#define PER_INDEX(more)                                                                            \
    JOB("\"parallelism\":2,\"completions\":2,\"completionMode\":\"Indexed\","                      \
        "\"backoffLimitPerIndex\":1" more,                                                         \
        "{\"startTime\":\"2026-01-01T00:00:00Z\"}")
#define INDEX_POD(name, index, failures, phase)                                                    \
    "{\"metadata\":{\"name\":\"" name "\",\"creationTimestamp\":\"2025-12-31T23:59:58Z\"," OWNED(  \
        "Job", "j") ",\"finalizers\":[" TRACKED                                                    \
                    "],\"annotations\":{\"batch.kubernetes.io/job-completion-index\":\"" index     \
                    "\",\"batch.kubernetes.io/job-index-failure-count\":\"" failures               \
                    "\"}},\"spec\":{},\"status\":{\"phase\":\"" phase                              \
                    "\",\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"terminated\":{"        \
                    "\"exitCode\":42}}}]}}"

TEST(job, each_index_may_have_a_backoff_limit_of_its_own)
{
    struct world w;
    str plan;

    world_init(&w);
    have(&w, K_JOBS, PER_INDEX(""));
    have(&w, K_PODS, INDEX_POD("j-0-a", "0", "0", "Failed"));
    have(&w, K_PODS, INDEX_POD("j-1-a", "1", "0", "Running"));
    /* Its patience is not over yet; the failed pod keeps its finalizer and is not counted. */
    plan = plan_of(&w, &job_controller, "default", "j");
    CHECK(!has_line(plan, "create") && !has_line(plan, "patch") &&
          has_line(plan, "requeue 8000ms"));
    CHECK(has_line(plan, "\"failedIndexes\":\"\"") && !has_line(plan, "\"failed\":["));
    w.now.ns += 10 * NS_PER_S;
    CHECK(has_line(plan_of(&w, &job_controller, "default", "j"), "create pods default/j-0-\n"));
    /* Replaced: now it is counted. */
    have(&w, K_PODS, INDEX_POD("j-0-b", "0", "1", "Running"));
    plan = plan_of(&w, &job_controller, "default", "j");
    CHECK(!has_line(plan, "create") && has_line(plan, "\"failed\":[\"u-j-0-a\"]"));
    /* The second failure is the index' last; the other index goes on. */
    have(&w, K_PODS, INDEX_POD("j-0-b", "0", "1", "Failed"));
    w.now.ns += 60 * NS_PER_S;
    plan = plan_of(&w, &job_controller, "default", "j");
    CHECK(!has_line(plan, "create") && has_line(plan, "\"failedIndexes\":\"0\""));
    CHECK(!has_line(plan, "FailureTarget"));
    have(&w, K_PODS, INDEX_POD("j-1-a", "1", "0", "Succeeded"));
    plan = plan_of(&w, &job_controller, "default", "j");
    CHECK(has_line(plan, "\"reason\":\"FailedIndexes\",\"message\":\"Job has failed indexes\""));
    world_fini(&w);
}

TEST(job, indexes_fail_by_rule_and_too_many_of_them_end_it)
{
    struct world w;
    str plan;

    world_init(&w);
    have(&w, K_JOBS,
         PER_INDEX(
             ",\"maxFailedIndexes\":0,\"podFailurePolicy\":{\"rules\":[{\"action\":\"FailIndex\","
             "\"onExitCodes\":{\"operator\":\"In\",\"values\":[42]}}]}"));
    have(&w, K_PODS, INDEX_POD("j-1-a", "1", "0", "Failed"));
    plan = plan_of(&w, &job_controller, "default", "j");
    CHECK(has_line(plan, "\"failedIndexes\":\"1\""));
    CHECK(has_line(plan, "\"reason\":\"MaxFailedIndexesExceeded\""));
    world_fini(&w);
}

/* Source: test/integration/job (TestElasticIndexedJob). */
TEST(job, forgets_indexes_that_it_is_not_to_have_any_more)
{
    struct world w;
    str plan;

    world_init(&w);
    have(
        &w, K_JOBS,
        JOB("\"parallelism\":1,\"completions\":1,\"completionMode\":\"Indexed\"",
            "{\"startTime\":\"2026-01-01T00:00:00Z\",\"succeeded\":1,\"completedIndexes\":\"2\"}"));
    have(&w, K_PODS,
         "{\"metadata\":{\"name\":\"j-1-a\"," OWNED(
             "Job", "j") ",\"finalizers\":[" TRACKED
                         "],\"deletionTimestamp\":\"2026-01-01T00:00:00Z\",\"annotations\":{"
                         "\"batch.kubernetes.io/"
                         "job-completion-index\":\"1\"}},\"spec\":{},\"status\":" PENDING "}");
    plan = plan_of(&w, &job_controller, "default", "j");
    CHECK(has_line(plan, "patch pods default/j-1-a {\"metadata\":{\"$deleteFromPrimitiveList/"));
    CHECK(!has_line(plan, "\"failed\"") && !has_line(plan, "\"succeeded\"") &&
          !has_line(plan, "completedIndexes"));
    CHECK(has_line(plan, "create pods default/j-0-"));
    world_fini(&w);
}

TEST_MAIN
