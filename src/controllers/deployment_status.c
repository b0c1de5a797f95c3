/* deployment_status.c - what a Deployment says about itself: counts, and the conditions Available,
 * Progressing, ReplicaFailure.
 *
 * Reasons and texts are Kubernetes', since `kubectl rollout status` and many tools read them. */
#include "controllers/deployment.h"

#include <inttypes.h>

static struct json *conditions_of(struct deployment *d)
{
    struct json *status = json_findz(d->tree, "status"),
                *conditions = json_findz(status, "conditions");

    return json_is(conditions, JSON_ARRAY) ? conditions
                                           : json_setz(d->r->a, status, "conditions", json_array());
}

static void remove_condition(struct deployment *d, const char *type)
{
    struct json *conditions = json_path(d->tree, "status.conditions");

    for (uint32_t i = json_count(conditions); i-- > 0;)
        if (str_is(json_get_str(json_item(conditions, i), "type"), type))
            json_remove_item(conditions, i);
}

static void put_condition(struct deployment *d, const char *type, const char *status,
                          const char *reason, str message, struct json transition)
{
    struct arena *a = d->r->a;
    struct json cond = json_object();

    json_setz(a, &cond, "type", json_z(type));
    json_setz(a, &cond, "status", json_z(status));
    json_setz(a, &cond, "lastUpdateTime", time_json(a, d->r->now));
    json_setz(a, &cond, "lastTransitionTime", transition);
    json_setz(a, &cond, "reason", json_z(reason));
    json_setz(a, &cond, "message", json_string(message));
    remove_condition(d, type);
    json_append(a, conditions_of(d), cond);
}

void set_condition(struct deployment *d, const char *type, const char *status, const char *reason,
                   str message)
{
    const struct json *now = condition_find(json_path(d->tree, "status.conditions"), type);
    struct json transition = time_json(d->r->a, d->r->now);

    if (now && str_is(json_get_str(now, "status"), status)) {
        if (str_is(json_get_str(now, "reason"), reason))
            return;
        transition = json_string(json_get_str(now, "lastTransitionTime"));
    }
    put_condition(d, type, status, reason, message, transition);
}

static void set_count(struct deployment *d, const char *name, int64_t n)
{
    struct json *status = json_findz(d->tree, "status");

    if (n)
        json_setz(d->r->a, status, name, json_int(n));
    else
        json_removez(status, name);
}

void report_counts(struct deployment *d)
{
    int64_t wanted = 0, actual = 0, ready = 0, available = 0, terminating = 0, updated;
    bool knows_terminating = true;
    struct rs **all;
    uint32_t n = list_rs(d, false, &all);

    for (uint32_t i = 0; i < n; i++) {
        const struct json *status = json_findz(all[i]->tree, "status");

        wanted += rs_replicas(all[i]);
        actual += json_get_int(status, "replicas", 0);
        ready += json_get_int(status, "readyReplicas", 0);
        available += json_get_int(status, "availableReplicas", 0);
        terminating += json_get_int(status, "terminatingReplicas", 0);
        knows_terminating &= json_findz(status, "terminatingReplicas") != NULL;
    }
    updated = d->new_rs ? json_get_int(d->new_rs->tree, "status.replicas", 0) : 0;
    set_count(d, "observedGeneration", json_get_int(d->tree, "metadata.generation", 0));
    set_count(d, "replicas", actual);
    set_count(d, "updatedReplicas", updated);
    set_count(d, "readyReplicas", ready);
    set_count(d, "availableReplicas", available);
    set_count(d, "unavailableReplicas", MAX(wanted - available, INT64_C(0)));
    if (knows_terminating)
        json_setz(d->r->a, json_findz(d->tree, "status"), "terminatingReplicas",
                  json_int(terminating));
    else
        json_removez(json_findz(d->tree, "status"), "terminatingReplicas");
    if (available >= d->replicas - max_unavailable(d))
        set_condition(d, "Available", "True", "MinimumReplicasAvailable",
                      S("Deployment has minimum availability."));
    else
        set_condition(d, "Available", "False", "MinimumReplicasUnavailable",
                      S("Deployment does not have minimum availability."));
}

bool is_complete(const struct deployment *d, const struct json *status)
{
    return json_get_int(status, "updatedReplicas", 0) == d->replicas &&
           json_get_int(status, "replicas", 0) == d->replicas &&
           json_get_int(status, "availableReplicas", 0) == d->replicas &&
           json_get_int(status, "observedGeneration", 0) >=
               json_get_int(d->tree, "metadata.generation", 0);
}

static bool has_progressed(const struct json *before, const struct json *now)
{
    int64_t updated_before = json_get_int(before, "updatedReplicas", 0),
            updated = json_get_int(now, "updatedReplicas", 0);

    return updated > updated_before ||
           json_get_int(now, "replicas", 0) - updated <
               json_get_int(before, "replicas", 0) - updated_before ||
           json_get_int(now, "readyReplicas", 0) > json_get_int(before, "readyReplicas", 0) ||
           json_get_int(now, "availableReplicas", 0) > json_get_int(before, "availableReplicas", 0);
}

/* When the deadline passes, counted from the last sign of progress. */
static bool deadline_at(const struct deployment *d, const struct json *cond, wall_time *ret)
{
    wall_time from;

    if (!cond || str_is(json_get_str(cond, "reason"), "NewReplicaSetAvailable") ||
        !time_of(json_findz(cond, "lastUpdateTime"), &from))
        return false;
    ret->ns = from.ns + json_get_int(d->tree, "spec.progressDeadlineSeconds", 600) * NS_PER_S;
    return true;
}

static str rollout_message(struct deployment *d, const char *what)
{
    if (d->new_rs)
        return arena_fmt(d->r->a, "ReplicaSet \"" PRI_STR "\" %s",
                         STR_ARG(json_get_str(d->new_rs->tree, "metadata.name")), what);
    return arena_fmt(d->r->a, "Deployment \"" PRI_STR "\" %s", STR_ARG(d->r->name), what);
}

static void report_progress(struct deployment *d)
{
    const struct json *status = json_findz(d->tree, "status");
    const struct json *cond = condition_find(json_findz(status, "conditions"), "Progressing");
    bool timed_out = str_is(json_get_str(cond, "reason"), "ProgressDeadlineExceeded");
    wall_time deadline;

    if (json_get_int(status, "replicas", 0) == json_get_int(status, "updatedReplicas", 0) &&
        str_is(json_get_str(cond, "reason"), "NewReplicaSetAvailable"))
        return; /* it was complete before: pods that come and go later are not a rollout */
    if (is_complete(d, status)) {
        set_condition(d, "Progressing", "True", "NewReplicaSetAvailable",
                      rollout_message(d, "has successfully progressed."));
    } else if (has_progressed(&d->before, status)) {
        /* Told anew with each step, since lastUpdateTime starts the deadline. */
        struct json transition = cond && str_is(json_get_str(cond, "status"), "True")
                                     ? json_string(json_get_str(cond, "lastTransitionTime"))
                                     : time_json(d->r->a, d->r->now);

        put_condition(d, "Progressing", "True", "ReplicaSetUpdated",
                      rollout_message(d, "is progressing."), transition);
    } else if (timed_out || (deadline_at(d, cond, &deadline) && deadline.ns < d->r->now.ns)) {
        set_condition(d, "Progressing", "False", "ProgressDeadlineExceeded",
                      rollout_message(d, "has timed out progressing."));
    } else if (deadline_at(d, cond, &deadline)) {
        plan_requeue(&d->r->plan, MAX(deadline.ns - d->r->now.ns, INT64_C(0)) + NS_PER_S);
    }
}

static const struct json *replica_failure(const struct deployment *d)
{
    struct rs **all;
    uint32_t n = list_rs(d, false, &all);
    const struct json *found =
        d->new_rs
            ? condition_find(json_path(d->new_rs->tree, "status.conditions"), "ReplicaFailure")
            : NULL;

    for (uint32_t i = 0; i < n && !found; i++)
        found = condition_find(json_path(all[i]->tree, "status.conditions"), "ReplicaFailure");
    return found;
}

void report_rollout(struct deployment *d)
{
    const struct json *failure;

    report_counts(d);
    if (!has_progress_deadline(d))
        remove_condition(d, "Progressing");
    else
        report_progress(d);
    failure = replica_failure(d);
    if (failure) {
        CLEANUP(mem)
        void *status = str_dupz(json_get_str(failure, "status")),
             *reason = str_dupz(json_get_str(failure, "reason"));

        set_condition(d, "ReplicaFailure", arena_dupz(d->r->a, str_of(status)),
                      arena_dupz(d->r->a, str_of(reason)), json_get_str(failure, "message"));
    } else {
        remove_condition(d, "ReplicaFailure");
    }
}
