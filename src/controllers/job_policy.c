/* job_policy.c - what a Job says about particular ends: pods whose failure decides at once or does
 * not count, and indexes that suffice.
 *
 * API: https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy and
 * #success-policy */
#include "controllers/job_policy.h"

#include <inttypes.h>

static bool code_matches(const struct json *rule, int64_t code)
{
    bool in = false;

    JSON_EACH(v, json_findz(rule, "values"))
        in |= json_is(v, JSON_INT) && v->i == code;
    return str_is(json_get_str(rule, "operator"), "NotIn") ? !in : in;
}

/* The first container of that rule that ended with a matching code; NULL: none. Code 0 never
 * matches: it is no failure. */
static const struct json *container_matching(const struct json *pod, const struct json *rule,
                                             int64_t *ret_code)
{
    static const char *const lists[] = {"containerStatuses", "initContainerStatuses"};
    str only = json_get_str(rule, "containerName");

    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        JSON_EACH(c, json_findz(json_findz(pod, "status"), lists[i])) {
            const struct json *ended = json_path(c, "state.terminated");
            int64_t code = json_get_int(ended, "exitCode", 0);

            if (!ended || !code || (only.n && !str_eq(only, json_get_str(c, "name"))) ||
                !code_matches(rule, code))
                continue;
            *ret_code = code;
            return c;
        }
    return NULL;
}

static const struct json *condition_matching(const struct json *pod, const struct json *patterns)
{
    JSON_EACH(p, patterns) {
        const struct json *c;
        str status = json_get_str(p, "status");

        JSON_EACH(have, json_path(pod, "status.conditions")) {
            c = have;
            if (str_eq(json_get_str(c, "type"), json_get_str(p, "type")) &&
                str_eq(json_get_str(c, "status"), status.n ? status : S("True")))
                return c;
        }
    }
    return NULL;
}

enum job_verdict job_judge_failure(struct arena *a, const struct json *job, const struct json *pod,
                                   str *ret_message)
{
    str ns = json_get_str(pod, "metadata.namespace"), name = json_get_str(pod, "metadata.name");
    int64_t index = 0;

    JSON_EACH(rule, json_path(job, "spec.podFailurePolicy.rules")) {
        const struct json *codes = json_findz(rule, "onExitCodes"), *found;
        str action = json_get_str(rule, "action");
        int64_t code;

        if (codes) {
            found = container_matching(pod, codes, &code);
            if (found)
                *ret_message = arena_fmt(a,
                                         "Container " PRI_STR " for pod " PRI_STR "/" PRI_STR
                                         " failed with exit code %" PRId64 " matching " PRI_STR
                                         " rule at index %" PRId64,
                                         STR_ARG(json_get_str(found, "name")), STR_ARG(ns),
                                         STR_ARG(name), code, STR_ARG(action), index);
        } else {
            found = condition_matching(pod, json_findz(rule, "onPodConditions"));
            if (found)
                *ret_message =
                    arena_fmt(a,
                              "Pod " PRI_STR "/" PRI_STR " has condition " PRI_STR
                              " matching " PRI_STR " rule at index %" PRId64,
                              STR_ARG(ns), STR_ARG(name), STR_ARG(json_get_str(found, "type")),
                              STR_ARG(action), index);
        }
        if (found)
            return str_is(action, "FailJob")     ? JOB_FAILS
                   : str_is(action, "FailIndex") ? JOB_FAILS_INDEX
                   : str_is(action, "Ignore")    ? JOB_IGNORES
                                                 : JOB_COUNTS;
        index++;
    }
    return JOB_COUNTS;
}

static int64_t count_wanted(const uint8_t *done, int64_t n, str indexes, int64_t *ret_wanted)
{
    int64_t hits = 0, wanted = 0;
    str part;

    while (indexes.n && str_cut(&indexes, ',', &part)) {
        str from = part;
        int64_t first, last;

        str_cut(&part, '-', &from);
        if (!str_to_int64(from, &first))
            continue;
        if (!part.p || !str_to_int64(part, &last))
            last = first;
        for (int64_t i = MAX(first, INT64_C(0)); i <= last && i < n; i++) {
            wanted++;
            hits += done[i];
        }
    }
    *ret_wanted = wanted;
    return hits;
}

bool job_success_met(const struct json *job, const uint8_t *done, int64_t n, int64_t n_done,
                     int64_t *ret_rule)
{
    int64_t index = 0;

    JSON_EACH(rule, json_path(job, "spec.successPolicy.rules")) {
        str indexes = json_get_str(rule, "succeededIndexes");
        int64_t wanted = n, hits = n_done, enough;

        if (indexes.n)
            hits = count_wanted(done, n, indexes, &wanted);
        enough = json_get_int(rule, "succeededCount", wanted);
        if (enough > 0 && hits >= enough) {
            *ret_rule = index;
            return true;
        }
        index++;
    }
    return false;
}
