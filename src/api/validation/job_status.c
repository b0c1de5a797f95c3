/* job_status.c - what may be said about a Job in its status, and what may no longer change.
 *
 * Most rules speak only when the fields that they concern change: a status that has been wrong since before does not stand in the way
 * of other changes, and just after a change of the spec the controller gets its time to follow.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/batch/validation/validation.go (validateJobStatus) and
 * pkg/registry/batch/job/strategy.go (getStatusValidationOptions). */
#include "api/validation/job.h"

struct interval {
    int64_t first, last;
};

/* strconv.Atoi: an optional sign and digits. */
static bool atoi_go(str s, int64_t *ret)
{
    return s.n > 0 && str_to_int64(s, ret);
}

/* The next "3" or "3-5" of a list; NULL and the interval, or what is wrong. */
static const char *next_interval(struct arena *a, str *rest, int64_t completions,
                                 struct interval *ret)
{
    str text, end, start;

    str_cut(rest, ',', &text);
    end = text;
    str_cut(&end, '-', &start);
    if (end.p && str_has_char(end, '-'))
        return arena_fmt(a,
                         "the fragment \"" PRI_STR
                         "\" violates the requirement that an index interval can have at most two "
                         "parts separated by '-'",
                         STR_ARG(text))
            .p;
    if (!atoi_go(start, &ret->first))
        return arena_fmt(a, "cannot convert string to integer for index: \"" PRI_STR "\"",
                         STR_ARG(start))
            .p;
    if (ret->first >= completions)
        return arena_fmt(a, "too large index: \"" PRI_STR "\"", STR_ARG(start)).p;
    ret->last = ret->first;
    if (!end.p)
        return NULL;
    if (!atoi_go(end, &ret->last))
        return arena_fmt(a, "cannot convert string to integer for index: \"" PRI_STR "\"",
                         STR_ARG(end))
            .p;
    if (ret->last >= completions)
        return arena_fmt(a, "too large index: \"" PRI_STR "\"", STR_ARG(end)).p;
    if (ret->first >= ret->last)
        return arena_fmt(a, "non-increasing order, previous: %lld, current: %lld",
                         (long long)ret->first, (long long)ret->last)
            .p;
    return NULL;
}

const char *job_indexes_wrong(struct arena *a, str text, int64_t completions, int64_t *ret_total)
{
    struct interval v, before = {0, -1};
    bool first = true;
    str rest = text;

    *ret_total = 0;
    if (!text.n)
        return NULL;
    while (rest.p) {
        const char *wrong = next_interval(a, &rest, completions, &v);

        if (wrong)
            return wrong;
        if (!first && before.last >= v.first)
            return arena_fmt(a, "non-increasing order, previous: %lld, current: %lld",
                             (long long)before.last, (long long)v.first)
                .p;
        *ret_total += v.last - v.first + 1;
        before = v;
        first = false;
    }
    return NULL;
}

/* Both lists are in order; malformed ones have been told of elsewhere. */
static const char *overlap(struct arena *a, str completed, str failed, int64_t completions)
{
    struct interval x, y;
    str x_rest = completed, y_rest = failed;

    if (!completed.n || !failed.n || next_interval(a, &x_rest, completions, &x) ||
        next_interval(a, &y_rest, completions, &y))
        return NULL;
    for (;;) {
        int64_t at = x.first > y.first ? x.first : y.first;

        if (at <= x.last && at <= y.last)
            return arena_fmt(a, "failedIndexes and completedIndexes overlap at index: %lld",
                             (long long)at)
                .p;
        if (x.last < y.last) {
            if (!x_rest.p || next_interval(a, &x_rest, completions, &x))
                return NULL;
        } else if (!y_rest.p || next_interval(a, &y_rest, completions, &y)) {
            return NULL;
        }
    }
}

/* ---- the state of a job, and what changed of it ---- */

static bool has(const struct json *job, const char *type)
{
    JSON_EACH(v, field_at(job, "status.conditions"))
        if (str_is(json_get_str(v, "type"), type) && str_is(json_get_str(v, "status"), "True"))
            return true;
    return false;
}

struct state {
    bool complete, failed, failure_target, success_met, finished;
};

static struct state state_of(const struct json *job)
{
    struct state s = {has(job, "Complete"), has(job, "Failed"), has(job, "FailureTarget"),
                      has(job, "SuccessCriteriaMet"), false};

    s.finished = s.complete || s.failed;
    return s;
}

static bool changed(const struct json *job, const struct json *old, const char *name)
{
    const struct json *a = field(field(job, "status"), name),
                      *b = field(field(old, "status"), name);

    return !a != !b || (a && !json_equal(a, b));
}

/* A time of the status, as text: in UTC and RFC 3339 they compare as they are. */
static str time_of(const struct json *status, const char *name)
{
    return json_get_str(status, name);
}

static void check_uncounted(struct check *c, const struct at *at, const struct json *uncounted)
{
    static const char *const lists[] = {"succeeded", "failed"};
    struct map seen;

    map_init(&seen);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        int64_t k = 0;

        JSON_EACH(v, field(uncounted, lists[i])) {
            const struct at *here = AT_INDEX(AT(at, lists[i]), k++);

            if (json_str(v).n == 0)
                bad_invalid(c, here, *v, "must not be empty");
            else if (map_put(&seen, json_str(v), &seen))
                bad_duplicate(c, here, *v, "");
        }
    }
    map_fini(&seen);
}

static void check_times(struct check *c, const struct at *at, const struct json *job,
                        const struct json *old, const struct state *s, bool complete_changed)
{
    const struct json *status = field(job, "status"), *end = field(status, "completionTime");
    const struct at *here = AT(at, "completionTime");
    bool end_changed = changed(job, old, "completionTime");

    if (complete_changed || end_changed) {
        if (end && !s->complete)
            bad_invalid(c, here, *end,
                        "cannot set completionTime when there is no Complete=True condition");
        if (!end && s->complete)
            bad_required(c, here, "completionTime is required for Complete jobs");
    }
    if ((end_changed || changed(job, old, "startTime")) && end && field(status, "startTime") &&
        str_cmp(time_of(status, "completionTime"), time_of(status, "startTime")) < 0)
        bad_invalid(c, here, *end, "completionTime cannot be set before startTime");
}

static void check_indexes(struct check *c, const struct at *at, const struct json *job,
                          const struct json *old)
{
    const struct json *status = field(job, "status"), *failed = field(status, "failedIndexes"),
                      *completions = field_at(job, "spec.completions"),
                      *per_index = field_at(job, "spec.backoffLimitPerIndex");
    str completed = json_get_str(status, "completedIndexes");
    bool completed_changed = changed(job, old, "completedIndexes"),
         failed_changed = changed(job, old, "failedIndexes"),
         indexed = str_is(json_get_str(job, "spec.completionMode"), "Indexed");
    int64_t total;
    const char *wrong;

    if (completed_changed && completions) {
        wrong = job_indexes_wrong(c->a, completed, completions->i, &total);
        if (wrong)
            bad_invalid(c, AT(at, "completedIndexes"), json_string(completed),
                        "error parsing completedIndexes: %s", wrong);
    }
    if (failed_changed && completions && per_index && failed) {
        wrong = job_indexes_wrong(c->a, json_str(failed), completions->i, &total);
        if (wrong)
            bad_invalid(c, AT(at, "failedIndexes"), *failed, "error parsing failedIndexes: %s",
                        wrong);
    }
    if (completed_changed && completed.n && !indexed)
        bad_string(c, AT(at, "completedIndexes"), completed,
                   "cannot set non-empty completedIndexes when non-indexed completion mode");
    if (failed_changed && !per_index && failed)
        bad_invalid(c, AT(at, "failedIndexes"), *failed,
                    "cannot set non-null failedIndexes when backoffLimitPerIndex is null");
    if ((completed_changed || failed_changed) && completions && failed) {
        wrong = overlap(c->a, completed, json_str(failed), completions->i);
        if (wrong)
            bad_invalid(c, AT(at, "failedIndexes"), *failed, "%s", wrong);
    }
}

static void check_state(struct check *c, const struct json *job, const struct json *old)
{
    static const char *const counts[] = {"active", "succeeded",   "failed",
                                         "ready",  "terminating", NULL};
    const struct at *at = AT(NULL, "status"), *conditions = AT(at, "conditions");
    const struct json *status = field(job, "status"), *active = field(status, "active"),
                      *uncounted = field(status, "uncountedTerminatedPods"),
                      *terminating = field(status, "terminating"), *ready = field(status, "ready");
    struct state s = state_of(job), o = state_of(old);
    bool complete_changed = s.complete != o.complete, failed_changed = s.failed != o.failed,
         finished_changed = s.finished != o.finished,
         target_changed = s.failure_target != o.failure_target,
         met_changed = s.success_met != o.success_met;

    check_counts(c, at, status, counts);
    check_uncounted(c, AT(at, "uncountedTerminatedPods"), uncounted);
    if ((complete_changed || failed_changed) && s.complete && s.failed)
        bad_omitted(c, conditions, "cannot set Complete=True and Failed=true conditions");
    if ((complete_changed || target_changed) && s.complete && s.failure_target)
        bad_omitted(c, conditions, "cannot set Complete=True and FailureTarget=true conditions");
    check_times(c, at, job, old, &s, complete_changed);
    if ((failed_changed || target_changed) && s.failed && !s.failure_target)
        bad_omitted(c, conditions,
                    "cannot set Failed=True condition without the FailureTarget=true condition");
    if ((complete_changed || met_changed) && s.complete && !s.success_met)
        bad_omitted(
            c, conditions,
            "cannot set Complete=True condition without the SuccessCriteriaMet=true condition");
    if ((finished_changed || changed(job, old, "active")) && s.finished && active && active->i > 0)
        bad_invalid(c, AT(at, "active"), *active, "active>0 is invalid for finished job");
    if ((finished_changed || changed(job, old, "startTime")) && s.finished &&
        !field(status, "startTime"))
        bad_required(c, AT(at, "startTime"), "startTime is required for finished job");
    if ((finished_changed || changed(job, old, "uncountedTerminatedPods")) && s.finished &&
        json_count(field(uncounted, "failed")) + json_count(field(uncounted, "succeeded")))
        bad_invalid(c, AT(at, "uncountedTerminatedPods"), sorted_copy(c->a, uncounted),
                    "uncountedTerminatedPods needs to be empty for finished job");
    check_indexes(c, at, job, old);
    if ((finished_changed || changed(job, old, "terminating")) && s.finished && terminating &&
        terminating->i > 0)
        bad_invalid(c, AT(at, "terminating"), *terminating,
                    "terminating>0 is invalid for finished job");
    if ((changed(job, old, "ready") || changed(job, old, "active")) && ready &&
        ready->i > (active ? active->i : 0))
        bad_invalid(c, AT(at, "ready"), *ready, "cannot set more ready pods than active");
    if (s.success_met && s.failed)
        bad_omitted(c, conditions, "cannot set SuccessCriteriaMet=True and Failed=true conditions");
    if (s.success_met && s.failure_target)
        bad_omitted(c, conditions,
                    "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions");
    if (field_at(job, "spec.successPolicy") && !s.success_met && s.complete)
        bad_omitted(c, conditions,
                    "cannot set Complete=True for Job with SuccessPolicy unless "
                    "SuccessCriteriaMet=True");
}

void check_job_status(struct check *c, const struct json *job, const struct json *old)
{
    static const char *const terminal[] = {"Failed", "Complete", "FailureTarget"};
    static const char *const counters[] = {"failed", "succeeded"};
    const struct at *at = AT(NULL, "status");
    const struct json *status = field(job, "status"), *before = field(old, "status"),
                      *spec = field(job, "spec"), *start = field(before, "startTime");
    struct state s = state_of(job), o = state_of(old);
    /* An indexed job whose parallelism follows its completions may be scaled down. */
    bool elastic = str_is(json_get_str(spec, "completionMode"), "Indexed") &&
                   json_get_int(spec, "completions", -1) == json_get_int(spec, "parallelism", -1);

    check_state(c, job, old);
    for (size_t i = 0; i < ARRAY_LEN(terminal); i++)
        if (has(old, terminal[i]) && !has(job, terminal[i]))
            bad_omitted(c, AT(at, "conditions"), "cannot disable the terminal %s=True condition",
                        terminal[i]);
    for (size_t i = 0; i < ARRAY_LEN(counters); i++) {
        int64_t n = json_get_int(status, counters[i], 0);

        if (n < json_get_int(before, counters[i], 0) && !(i == 1 && elastic))
            bad_invalid(c, AT(at, counters[i]), json_int(n), "cannot decrease the %s counter",
                        counters[i]);
    }
    if (field(status, "completionTime") && field(before, "completionTime") &&
        changed(job, old, "completionTime"))
        bad_invalid(c, AT(at, "completionTime"), *field(status, "completionTime"),
                    "completionTime cannot be mutated");
    if (start && changed(job, old, "startTime") && !json_get_bool(spec, "suspend", false))
        bad_required(c, AT(at, "startTime"), "startTime cannot be removed for unsuspended job");
    if (o.success_met && !s.success_met)
        bad_omitted(c, AT(at, "conditions"),
                    "cannot disable the SuccessCriteriaMet=True condition");
    if (o.complete && !o.success_met && s.success_met)
        bad_omitted(c, AT(at, "conditions"),
                    "cannot set SuccessCriteriaMet=True for Job already has Complete=true "
                    "conditions");
}
