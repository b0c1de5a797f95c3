/* job.c - runs pods to completion, counting each end exactly once.
 *
 * A pod keeps a finalizer until its end is counted. Counting goes in two writes, so that a crash in
 * between neither loses nor doubles one: first the pod's uid enters status.uncountedTerminatedPods,
 * then its finalizer is removed, then uid becomes a number.
 *
 * Invariants
 *   (1) succeeded and failed only ever grow by uids that were written down before.
 *   (2) A Job says Complete or Failed only when all its pods have ended and are counted.
 *
 *   (3) With a back-off limit per index the last failed pod of an index keeps its finalizer until a
 *       new one has taken its place: it knows how often its index has failed.
 *
 * Not here: rules about particular ends (job_policy.c), sets of indexes (job_indexes.c). API:
 * https://kubernetes.io/docs/concepts/workloads/controllers/job/ */
#include "controllers/job_indexes.h"
#include "controllers/job_policy.h"

#include <inttypes.h>

#define BURST 500
#define INDEXES_MAX 1000000 /* an Indexed Job with more is left alone */
#define BACKOFF_BASE_S 10
#define BACKOFF_MAX_S 600

struct job {
    struct reconcile *r;
    struct json *tree, *status, before;
    const struct obj *obj;
    int64_t parallelism, completions /* -1: any success will do */, backoff_limit;
    bool indexed, suspended, per_index; /* per_index: each index has its own back-off limit */
    struct selector selector;           /* of its pods */
    bool selects;
    struct pod *pods;
    uint32_t n, cap;
    int64_t active, ready, terminating, succeeded, failed, restarts;
    int64_t last_failure_s, new_failures;
    uint8_t *done_indexes, *busy_indexes, *failed_indexes; /* per index */
    struct index_failure *failures;                        /* per index, when per_index */
    str fatal; /* why the pod failure policy ends the Job; p NULL: it does not */
};

/* ---- reading ---- */

static bool add_pod(void *ctx, const struct obj *o)
{
    struct job *j = ctx;

    if (j->n == j->cap) {
        uint32_t cap = j->cap ? j->cap * 2 : 8;

        j->pods = arena_grow(j->r->a, j->pods, j->cap * sizeof *j->pods, cap * sizeof *j->pods);
        j->cap = cap;
    }
    pod_read(o, &j->pods[j->n++]);
    return true;
}

/* A pod whose labels have left the selector is let go, with what only the Job needs of it. */
static bool claim_pod(void *ctx, const struct obj *o)
{
    struct job *j = ctx;
    struct json list = json_array(), *meta;

    if (!j->selects || selector_matches_packed(&j->selector, o->labels) || is_deleting(j->tree))
        return add_pod(j, o);
    meta = json_findz(plan_release(j->r, K_PODS, o, j->obj->uid)->body, "metadata");
    json_append(j->r->a, &list, json_z(JOB_FINALIZER));
    json_setz(j->r->a, meta, "$deleteFromPrimitiveList/finalizers", list);
    return true;
}

static bool adopt_pod(void *ctx, const struct obj *o)
{
    struct job *j = ctx;
    struct json list = json_array(), *meta;
    struct pod p;

    pod_read(o, &p);
    if (p.deleting || !selector_matches_packed(&j->selector, o->labels))
        return true;
    meta = json_findz(plan_adopt(j->r, K_PODS, o, K_JOBS, j->tree)->body, "metadata");
    json_append(j->r->a, &list, json_z(JOB_FINALIZER));
    json_setz(j->r->a, meta, "finalizers", list);
    return add_pod(j, o);
}

static bool only_replaces_failed(const struct job *j)
{
    return str_is(json_get_str(j->tree, "spec.podReplacementPolicy"), "Failed");
}

static bool pod_has_failed(const struct job *j, const struct pod *p)
{
    if (p->phase == POD_FAILED)
        return true;
    return !only_replaces_failed(j) && p->deleting && p->phase != POD_SUCCEEDED;
}

static struct json *list_in(struct job *j, const char *which)
{
    struct json *uncounted = json_make(j->r->a, j->status, "uncountedTerminatedPods", JSON_OBJECT);
    struct json *list = json_findz(uncounted, which);

    return list ? list : json_setz(j->r->a, uncounted, which, json_array());
}

static bool has_uid(const struct json *list, str uid)
{
    JSON_EACH(u, list)
        if (str_eq(json_str(u), uid))
            return true;
    return false;
}

/* ---- indexes ---- */

static void indexes_read(struct job *j)
{
    size_t n = (size_t)j->completions + 1;

    j->done_indexes = arena_zalloc(j->r->a, n);
    j->busy_indexes = arena_zalloc(j->r->a, n);
    j->failed_indexes = arena_zalloc(j->r->a, n);
    if (j->per_index)
        j->failures = arena_zalloc(j->r->a, n * sizeof *j->failures);
    job_indexes_read(json_get_str(j->status, "completedIndexes"), j->done_indexes, j->completions);
    job_indexes_read(json_get_str(j->status, "failedIndexes"), j->failed_indexes, j->completions);
}

static void indexes_write(struct job *j, const char *name, const uint8_t *flags, bool keep_empty)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    job_indexes_write(&b, flags, j->completions);
    if (b.n || keep_empty)
        json_setz(j->r->a, j->status, name, json_string(arena_dup(j->r->a, buf_view(&b))));
    else
        json_removez(j->status, name);
}

static bool has_index(const struct job *j, const struct pod *p)
{
    return j->indexed && p->index >= 0 && p->index < j->completions;
}

static int64_t count_of(const struct json *pod, const char *annotation)
{
    int64_t n;

    return str_to_int64(meta_get(pod, "annotations", str_of(annotation)), &n) ? MAX(n, INT64_C(0))
                                                                              : 0;
}

/* Which indexes have failed for good, and for the others which failed pod waits to be replaced. */
static void judge_indexes(struct job *j)
{
    int64_t limit = json_get_int(j->tree, "spec.backoffLimitPerIndex", 0);
    bool has_policy = json_path(j->tree, "spec.podFailurePolicy") != NULL;

    for (uint32_t i = 0; i < j->n; i++) {
        const struct pod *p = &j->pods[i];

        if (!has_index(j, p))
            continue;
        if (p->phase == POD_SUCCEEDED && p->tracked)
            j->done_indexes[p->index] = 1;
        if (pod_is_active(p))
            j->busy_indexes[p->index] = 1;
    }
    for (uint32_t i = 0; i < j->n; i++) {
        const struct pod *p = &j->pods[i];
        enum job_verdict verdict = JOB_COUNTS;
        struct index_failure f = {.pod = p}, *known;
        const struct json *pod;
        str why;

        if (!has_index(j, p) || !p->tracked || p->phase == POD_SUCCEEDED || !pod_has_failed(j, p) ||
            j->done_indexes[p->index])
            continue;
        pod = tree_of(j->r->a, p->obj);
        f.failures = count_of(pod, JOB_INDEX_FAILURES);
        f.ignored = count_of(pod, JOB_INDEX_IGNORED);
        if (has_policy)
            verdict = job_judge_failure(j->r->a, j->tree, pod, &why);
        if (verdict == JOB_FAILS_INDEX || (verdict != JOB_IGNORES && f.failures >= limit))
            j->failed_indexes[p->index] = 1;
        if (verdict == JOB_IGNORES)
            f.ignored++;
        else
            f.failures++;
        known = &j->failures[p->index];
        if (!known->pod || f.failures + f.ignored > known->failures + known->ignored)
            *known = f;
    }
    for (int64_t i = 0; i < j->completions; i++)
        if (j->failed_indexes[i] || j->busy_indexes[i])
            j->failures[i].pod = NULL;
}

/* ---- counting ---- */

static void remove_finalizer(struct job *j, const struct pod *p)
{
    struct json *patch = json_new(j->r->a, json_object()), meta = json_object(),
                list = json_array();

    json_append(j->r->a, &list, json_z(JOB_FINALIZER));
    json_setz(j->r->a, &meta, "$deleteFromPrimitiveList/finalizers", list);
    json_setz(j->r->a, patch, "metadata", meta);
    plan_patch(&j->r->plan, &kinds[K_PODS], p->obj->key.ns, p->obj->key.name, STR_NONE,
               PATCH_STRATEGIC, patch)
        ->flags = ACT_IGNORE_NOT_FOUND;
}

static const struct pod *find_pod(const struct job *j, str uid)
{
    for (uint32_t i = 0; i < j->n; i++)
        if (str_eq(j->pods[i].obj->uid, uid))
            return &j->pods[i];
    return NULL;
}

/* Those written down before whose finalizer has gone become numbers; the others lose it now. */
static int64_t settle_list(struct job *j, const char *which)
{
    struct json *list = list_in(j, which);
    int64_t n = 0;

    for (uint32_t i = json_count(list); i-- > 0;) {
        const struct pod *p = find_pod(j, json_str(json_item(list, i)));

        if (p && p->tracked) {
            remove_finalizer(j, p);
            continue;
        }
        json_remove_item(list, i);
        n++;
    }
    return n;
}

static void add_count(struct job *j, const char *name, int64_t n)
{
    int64_t now = json_get_int(j->status, name, 0) + n;

    if (now)
        json_setz(j->r->a, j->status, name, json_int(now));
}

static void drop_if_empty(struct job *j, const char *which)
{
    struct json *uncounted = json_findz(j->status, "uncountedTerminatedPods");

    if (!json_count(json_findz(uncounted, which)))
        json_removez(uncounted, which);
}

static void count_pods(struct job *j, bool finishing)
{
    bool has_policy = json_path(j->tree, "spec.podFailurePolicy") != NULL;

    add_count(j, "succeeded", j->indexed ? 0 : settle_list(j, "succeeded"));
    add_count(j, "failed", settle_list(j, "failed"));
    for (uint32_t i = 0; i < j->n; i++) {
        struct pod *p = &j->pods[i];
        bool ended = p->phase == POD_SUCCEEDED || p->phase == POD_FAILED;

        if (p->phase == POD_FAILED)
            j->last_failure_s =
                MAX(j->last_failure_s, p->finished_s ? p->finished_s : p->created_s);
        if (pod_is_active(p)) {
            j->active++;
            j->ready += p->ready;
            j->restarts += p->restarts;
            if (has_index(j, p))
                j->busy_indexes[p->index] = 1;
            continue;
        }
        if (p->deleting && !ended) {
            j->terminating++;
            if (only_replaces_failed(j) && has_index(j, p))
                j->busy_indexes[p->index] = 1;
        }
        if (!p->tracked)
            continue;
        if (p->phase == POD_SUCCEEDED) {
            if (j->indexed) {
                if (has_index(j, p))
                    j->done_indexes[p->index] = 1;
                remove_finalizer(j, p);
            } else if (!has_uid(list_in(j, "succeeded"), p->obj->uid)) {
                json_append(j->r->a, list_in(j, "succeeded"), json_string(p->obj->uid));
            }
        } else if (pod_has_failed(j, p) || (finishing && ended)) {
            str why = STR_NONE;
            enum job_verdict verdict =
                has_policy && p->phase == POD_FAILED
                    ? job_judge_failure(j->r->a, j->tree, tree_of(j->r->a, p->obj), &why)
                    : JOB_COUNTS;

            if (verdict == JOB_FAILS)
                j->fatal = why;
            if (j->per_index && !finishing && has_index(j, p) && j->failures[p->index].pod == p)
                continue; /* invariant (3) */
            if (verdict == JOB_IGNORES) {
                remove_finalizer(j, p);
                continue;
            }
            if (j->indexed && !has_index(j, p)) { /* of an index that is no more */
                remove_finalizer(j, p);
                continue;
            }
            if (!has_uid(list_in(j, "failed"), p->obj->uid)) {
                json_append(j->r->a, list_in(j, "failed"), json_string(p->obj->uid));
                j->new_failures++;
            }
        }
    }
    j->succeeded = json_get_int(j->status, "succeeded", 0) + json_count(list_in(j, "succeeded"));
    j->failed = json_get_int(j->status, "failed", 0) + json_count(list_in(j, "failed"));
    if (j->indexed) {
        indexes_write(j, "completedIndexes", j->done_indexes, false);
        if (j->per_index)
            indexes_write(j, "failedIndexes", j->failed_indexes, true);
        j->succeeded = job_indexes_count(j->done_indexes, j->completions);
        if (j->succeeded)
            json_setz(j->r->a, j->status, "succeeded", json_int(j->succeeded));
        else
            json_removez(j->status, "succeeded"); /* there are fewer indexes than there were */
    }
}

/* ---- conditions ---- */

static bool has_condition(const struct job *j, const char *type)
{
    return str_is(json_get_str(condition_find(json_findz(j->status, "conditions"), type), "status"),
                  "True");
}

static void set_condition(struct job *j, const char *type, const char *status, const char *reason,
                          str message)
{
    struct arena *a = j->r->a;
    struct json *conditions = json_findz(j->status, "conditions"), *c, fresh = json_object();

    if (!conditions)
        conditions = json_setz(a, j->status, "conditions", json_array());
    c = condition_find(conditions, type);
    if (c && str_is(json_get_str(c, "status"), status) && str_is(json_get_str(c, "reason"), reason))
        return;
    json_setz(a, &fresh, "type", json_z(type));
    json_setz(a, &fresh, "status", json_z(status));
    json_setz(a, &fresh, "lastProbeTime", time_json(a, j->r->now));
    json_setz(a, &fresh, "lastTransitionTime", time_json(a, j->r->now));
    json_setz(a, &fresh, "reason", json_z(reason));
    json_setz(a, &fresh, "message", json_string(message));
    if (c)
        *c = fresh;
    else
        json_append(a, conditions, fresh);
}

static bool past_backoff_on_failure(const struct job *j)
{
    if (!str_is(json_get_str(j->tree, "spec.template.spec.restartPolicy"), "OnFailure"))
        return false;
    return j->backoff_limit ? j->restarts >= j->backoff_limit : j->restarts > 0;
}

static const char *indexes_reason(struct job *j, str *ret_message)
{
    const struct json *max = json_path(j->tree, "spec.maxFailedIndexes");
    int64_t failed = job_indexes_count(j->failed_indexes, j->completions);

    if (json_is(max, JSON_INT) && failed > max->i) {
        *ret_message = S("Job has exceeded the specified maximal number of failed indexes");
        return "MaxFailedIndexesExceeded";
    }
    if (failed && failed + j->succeeded >= j->completions) {
        *ret_message = S("Job has failed indexes");
        return "FailedIndexes";
    }
    return NULL;
}

/* What ends the Job, if anything. */
static const char *failure_reason(struct job *j, str *ret_message)
{
    const struct json *deadline = json_path(j->tree, "spec.activeDeadlineSeconds");
    wall_time start;

    if (j->fatal.p) {
        *ret_message = j->fatal;
        return "PodFailurePolicy";
    }
    if (j->failed > j->backoff_limit || past_backoff_on_failure(j)) {
        *ret_message = S("Job has reached the specified backoff limit");
        return "BackoffLimitExceeded";
    }
    if (json_is(deadline, JSON_INT) && !j->suspended &&
        time_of(json_findz(j->status, "startTime"), &start)) {
        int64_t left = start.ns + deadline->i * NS_PER_S - j->r->now.ns;

        if (left <= 0) {
            *ret_message = S("Job was active longer than specified deadline");
            return "DeadlineExceeded";
        }
        plan_requeue(&j->r->plan, left);
    }
    return j->per_index ? indexes_reason(j, ret_message) : NULL;
}

static bool is_complete(const struct job *j)
{
    if (j->completions < 0)
        return j->succeeded > 0 && j->active == 0;
    return j->succeeded >= j->completions;
}

/* ---- pods in and out ---- */

static void delete_active(struct job *j, int64_t n)
{
    for (uint32_t i = 0; i < j->n && n > 0; i++) {
        struct action *act;

        if (!pod_is_active(&j->pods[i]))
            continue;
        act = plan_delete(&j->r->plan, K_PODS, j->pods[i].obj);
        act->success = (struct action_event){
            j->tree, "Normal", "SuccessfulDelete",
            arena_fmt(j->r->a, "Deleted pod: " PRI_STR, STR_ARG(j->pods[i].obj->key.name))};
        act->failure =
            (struct action_event){j->tree, "Warning", "FailedDelete", S("Error deleting: %s")};
        n--;
    }
}

static void add_index_env(struct job *j, struct json *containers)
{
    struct arena *a = j->r->a;

    JSON_EACH(c, containers) {
        struct json env = json_object(), from = json_object(), field = json_object(),
                    *list = json_findz(c, "env");
        bool has = false;

        JSON_EACH(e, list)
            has |= str_is(json_get_str(e, "name"), "JOB_COMPLETION_INDEX");
        if (has)
            continue;
        json_setz(a, &env, "name", json_z("JOB_COMPLETION_INDEX"));
        json_setz(a, &field, "fieldPath", json_z("metadata.labels['" JOB_INDEX "']"));
        json_setz(a, &from, "fieldRef", field);
        json_setz(a, &env, "valueFrom", from);
        if (!list)
            list = json_setz(a, c, "env", json_array());
        json_append(a, list, env);
    }
}

static struct json *pod_body(struct job *j, int64_t index)
{
    struct arena *a = j->r->a;
    str prefix = index < 0 ? arena_fmt(a, PRI_STR "-", STR_ARG(j->r->name))
                           : arena_fmt(a, PRI_STR "-%" PRId64 "-", STR_ARG(j->r->name), index);
    struct json *pod =
        pod_from_template(a, json_path(j->tree, "spec.template"), j->tree, &kinds[K_JOBS], prefix);
    struct json *meta = json_findz(pod, "metadata"), *spec = json_findz(pod, "spec"),
                *finalizers = json_findz(meta, "finalizers");

    if (!finalizers)
        finalizers = json_setz(a, meta, "finalizers", json_array());
    json_append(a, finalizers, json_z(JOB_FINALIZER));
    if (index >= 0) {
        str text = arena_fmt(a, "%" PRId64, index);

        meta_set(a, pod, "annotations", S(JOB_INDEX), text);
        meta_set(a, pod, "labels", S(JOB_INDEX), text);
        if (j->per_index) {
            const struct index_failure *f = &j->failures[index];

            meta_set(a, pod, "annotations", S(JOB_INDEX_FAILURES),
                     arena_fmt(a, "%" PRId64, f->pod ? f->failures : INT64_C(0)));
            if (f->pod && f->ignored)
                meta_set(a, pod, "annotations", S(JOB_INDEX_IGNORED),
                         arena_fmt(a, "%" PRId64, f->ignored));
        }
        spec = json_findz(pod, "spec");
        if (!json_get_str(spec, "hostname").n)
            json_setz(a, spec, "hostname",
                      json_string(arena_fmt(a, PRI_STR "-%" PRId64, STR_ARG(j->r->name), index)));
        add_index_env(j, json_findz(spec, "initContainers"));
        add_index_env(j, json_findz(spec, "containers"));
    }
    return pod;
}

/* Failures in a row are answered with growing patience: what is left of it. */
static int64_t patience_left_ns(const struct job *j, int64_t failures, int64_t last_s)
{
    int64_t delay_s = failures > 6
                          ? BACKOFF_MAX_S
                          : MIN((int64_t)BACKOFF_BASE_S << (failures - 1), (int64_t)BACKOFF_MAX_S);

    return (last_s + delay_s) * NS_PER_S - j->r->now.ns;
}

/* Whether the index must wait after a failure of its own. */
static bool index_waits(struct job *j, int64_t index)
{
    const struct index_failure *f;
    int64_t left_ns;

    if (!j->per_index || !j->failures[index].pod)
        return false;
    f = &j->failures[index];
    left_ns = patience_left_ns(j, f->failures + f->ignored,
                               f->pod->finished_s ? f->pod->finished_s : f->pod->created_s);
    if (left_ns > 0)
        plan_requeue(&j->r->plan, left_ns);
    return left_ns > 0;
}

static void create_pods(struct job *j, int64_t n)
{
    struct json *shared = j->indexed ? NULL : pod_body(j, -1);
    int64_t index = 0;

    for (int64_t i = 0; i < MIN(n, (int64_t)BURST); i++, index++) {
        struct action *act;

        while (j->indexed && index < j->completions &&
               (j->done_indexes[index] || j->busy_indexes[index] || j->failed_indexes[index]))
            index++;
        if (j->indexed && index >= j->completions)
            return;
        if (j->indexed && index_waits(j, index))
            continue;
        act = plan_create(&j->r->plan, K_PODS, j->r->ns, shared ? shared : pod_body(j, index));
        act->flags = ACT_SLOW_START | ACT_IGNORE_TERMINATING;
        act->success =
            (struct action_event){j->tree, "Normal", "SuccessfulCreate", S("Created pod: %s")};
        act->failure =
            (struct action_event){j->tree, "Warning", "FailedCreate", S("Error creating: %s")};
    }
}

static void manage(struct job *j)
{
    int64_t wanted, occupied = j->active + (only_replaces_failed(j) ? j->terminating : 0);

    if (j->suspended) {
        delete_active(j, j->active);
        return;
    }
    if (j->completions < 0)
        wanted = j->succeeded > 0 ? j->active : j->parallelism;
    else
        wanted = MIN(j->completions - j->succeeded, j->parallelism);
    wanted = MAX(wanted, INT64_C(0));
    if (j->active > wanted) {
        delete_active(j, j->active - wanted);
    } else if (occupied < wanted) {
        if (!j->per_index && j->failed > 0 && j->last_failure_s) {
            int64_t left_ns = patience_left_ns(j, j->failed, j->last_failure_s);

            if (left_ns > 0) {
                plan_requeue(&j->r->plan, left_ns);
                return;
            }
        }
        create_pods(j, wanted - occupied);
    }
}

static void suspend_or_resume(struct job *j)
{
    bool shown = has_condition(j, "Suspended");

    if (j->suspended && !shown) {
        set_condition(j, "Suspended", "True", "JobSuspended", S("Job suspended"));
        plan_event(&j->r->plan, j->tree, "Normal", "Suspended", "Job suspended");
    } else if (!j->suspended && shown) {
        set_condition(j, "Suspended", "False", "JobResumed", S("Job resumed"));
        plan_event(&j->r->plan, j->tree, "Normal", "Resumed", "Job resumed");
        json_setz(j->r->a, j->status, "startTime", time_json(j->r->a, j->r->now));
    }
    if (j->suspended)
        json_removez(j->status, "startTime");
    else if (!json_findz(j->status, "startTime"))
        json_setz(j->r->a, j->status, "startTime", time_json(j->r->a, j->r->now));
}

static void finish(struct job *j)
{
    bool uncounted = json_count(list_in(j, "succeeded")) + json_count(list_in(j, "failed")) > 0;
    const struct json *target;

    if (j->active || j->terminating || uncounted)
        return;
    if (has_condition(j, "FailureTarget")) {
        target = condition_find(json_findz(j->status, "conditions"), "FailureTarget");
        plan_event(&j->r->plan, j->tree, "Warning",
                   arena_dupz(j->r->a, json_get_str(target, "reason")), PRI_STR,
                   STR_ARG(json_get_str(target, "message")));
        set_condition(j, "Failed", "True", arena_dupz(j->r->a, json_get_str(target, "reason")),
                      json_get_str(target, "message"));
    } else {
        target = condition_find(json_findz(j->status, "conditions"), "SuccessCriteriaMet");
        set_condition(j, "Complete", "True", arena_dupz(j->r->a, json_get_str(target, "reason")),
                      json_get_str(target, "message"));
        json_setz(j->r->a, j->status, "completionTime", time_json(j->r->a, j->r->now));
        if (j->completions >= 0 && j->succeeded > j->completions)
            plan_event(&j->r->plan, j->tree, "Warning", "TooManySucceededPods",
                       "Too many succeeded pods running after completion count reached");
        plan_event(&j->r->plan, j->tree, "Normal", "Completed", "Job completed");
    }
}

static void set_number(struct job *j, const char *name, int64_t n, bool keep_zero)
{
    if (n || keep_zero)
        json_setz(j->r->a, j->status, name, json_int(n));
    else
        json_removez(j->status, name);
}

static bool release_pod(void *ctx, const struct obj *o)
{
    struct job *j = ctx;
    struct pod p;

    pod_read(o, &p);
    if (p.tracked)
        remove_finalizer(j, &p);
    return true;
}

static bool release_orphan(void *ctx, const struct obj *o)
{
    struct job *j = ctx;
    const struct json *ref;
    struct pod p;

    pod_read(o, &p);
    if (!p.tracked)
        return true;
    ref = owner_reference(tree_of(j->r->a, o));
    if (!ref ||
        (str_is(json_get_str(ref, "kind"), "Job") && str_eq(json_get_str(ref, "name"), j->r->name)))
        remove_finalizer(j, &p);
    return true;
}

static void reconcile(struct reconcile *r)
{
    struct job j = {.r = r, .obj = look_up(r, K_JOBS, r->ns, r->name)};
    bool failing, succeeding;
    const char *reason;
    int64_t rule;
    str message;

    if (!j.obj) {
        /* Nobody will count its pods any more. */
        informer_each(r->caches[K_PODS], r->ns, release_orphan, &j);
        return;
    }
    j.tree = tree_of(r->a, j.obj);
    json_make(r->a, j.tree, "status", JSON_OBJECT);
    j.status = json_findz(j.tree, "status");
    if (has_condition(&j, "Complete") || has_condition(&j, "Failed")) {
        informer_each_indexed(r->caches[K_PODS], index_owner(r->a, j.obj->uid), release_pod, &j);
        return;
    }
    if (json_get_str(j.tree, "spec.managedBy").n &&
        !str_is(json_get_str(j.tree, "spec.managedBy"), "kubernetes.io/job-controller"))
        return;
    j.before = json_copy(r->a, j.status);
    j.parallelism = json_get_int(j.tree, "spec.parallelism", 1);
    j.completions = json_get_int(j.tree, "spec.completions", -1);
    j.backoff_limit = json_get_int(j.tree, "spec.backoffLimit", 6);
    j.indexed =
        str_is(json_get_str(j.tree, "spec.completionMode"), "Indexed") && j.completions >= 0;
    j.per_index = j.indexed && json_path(j.tree, "spec.backoffLimitPerIndex");
    j.suspended = json_get_bool(j.tree, "spec.suspend", false);
    if (j.indexed && j.completions > INDEXES_MAX) {
        plan_event(&r->plan, j.tree, "Warning", "TooManyIndexes",
                   "More than %d indexes are not supported", INDEXES_MAX);
        return;
    }
    if (j.indexed)
        indexes_read(&j);
    if (json_path(j.tree, "spec.selector")) {
        struct err *e = selector_from_object(r->a, json_path(j.tree, "spec.selector"), &j.selector);

        j.selects = !e && j.selector.n_terms;
        err_free(e); /* the API refuses such a Job */
    }
    informer_each_indexed(r->caches[K_PODS], index_owner(r->a, j.obj->uid), claim_pod, &j);
    if (j.selects && !is_deleting(j.tree))
        informer_each_indexed(r->caches[K_PODS], index_orphans(r->a, r->ns), adopt_pod, &j);
    if (j.per_index)
        judge_indexes(&j);
    failing = has_condition(&j, "FailureTarget");
    succeeding = has_condition(&j, "SuccessCriteriaMet");
    count_pods(&j, failing || succeeding || is_deleting(j.tree));
    if (!is_deleting(j.tree)) {
        suspend_or_resume(&j);
        if (!failing && !succeeding) {
            reason = failure_reason(&j, &message);
            if (reason) {
                set_condition(&j, "FailureTarget", "True", reason, message);
                failing = true;
            } else if (j.indexed &&
                       job_success_met(j.tree, j.done_indexes, j.completions, j.succeeded, &rule)) {
                set_condition(&j, "SuccessCriteriaMet", "True", "SuccessPolicy",
                              arena_fmt(r->a, "Matched rules at index %" PRId64, rule));
                succeeding = true;
            } else if (is_complete(&j)) {
                set_condition(&j, "SuccessCriteriaMet", "True", "CompletionsReached",
                              S("Reached expected number of succeeded pods"));
                succeeding = true;
            }
        }
        if (failing || succeeding) {
            delete_active(&j, j.active);
            finish(&j);
        } else {
            manage(&j);
        }
    }
    drop_if_empty(&j, "succeeded");
    drop_if_empty(&j, "failed");
    set_number(&j, "active", j.active, false);
    set_number(&j, "ready", j.ready, true);
    set_number(&j, "terminating", j.terminating, true);
    if (!json_equal(&j.before, j.status)) {
        plan_then(&r->plan);
        plan_update_status(&r->plan, K_JOBS, j.tree);
    }
}

struct match {
    struct controller *c;
    const struct obj *pod;
};

static bool wake_if_selected(void *ctx, const struct obj *o)
{
    struct match *m = ctx;
    CLEANUP(arena) struct arena *a = arena_new();
    struct selector s = {0};
    struct err *err = selector_from_object(a, packed_selector(a, o), &s);

    if (!err && s.n_terms && selector_matches_packed(&s, m->pod->labels))
        wake(m->c, o->key.ns, o->key.name);
    err_free(err);
    return true;
}

static void pod_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    struct pod p;

    wake_owner(c, &kinds[K_JOBS], obj, prev);
    if (!obj)
        return;
    pod_read(obj, &p);
    if (!p.owner_uid.n && !p.deleting)
        informer_each(controller_cache(c, K_JOBS), obj->key.ns, wake_if_selected,
                      &(struct match){c, obj});
}

static const struct trigger triggers[] = {{K_PODS, pod_changed}};

const struct controller_type job_controller = {
    .name = "job",
    .component = "job-controller",
    .primary = K_JOBS,
    .triggers = triggers,
    .n_triggers = ARRAY_LEN(triggers),
    .reconcile = reconcile,
};
