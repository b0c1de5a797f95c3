/* columns_workloads.c - tables of pods and of what makes them. */
#include "api/columns.h"

#include <inttypes.h>

#define CELL(fn)                                                                                   \
    static void fn(struct arena *a, const struct json *obj, wall_time now, struct json *ret)

/* ---- pods ---- */

static const struct json *condition(const struct json *obj, const char *type)
{
    JSON_EACH(c, json_path(obj, "status.conditions"))
        if (str_is(json_get_str(c, "type"), type))
            return c;
    return NULL;
}

static bool is_restartable_init(const struct json *obj, str name)
{
    JSON_EACH(c, json_path(obj, "spec.initContainers"))
        if (str_eq(json_get_str(c, "name"), name))
            return str_is(json_get_str(c, "restartPolicy"), "Always");
    return false;
}

struct pod_row {
    str status;
    int64_t restarts, ready, total;
    str last_restart; /* RFC 3339; empty: never */
};

static void last_restart(struct pod_row *r, const struct json *status)
{
    str at = json_get_str(status, "lastState.terminated.finishedAt");

    if (str_cmp(at, r->last_restart) > 0)
        r->last_restart = at;
}

static str terminated_text(struct arena *a, const struct json *terminated, const char *prefix)
{
    str reason = json_get_str(terminated, "reason");
    int64_t sig = json_get_int(terminated, "signal", 0);

    if (reason.n)
        return arena_fmt(a, "%s" PRI_STR, prefix, STR_ARG(reason));
    if (sig)
        return arena_fmt(a, "%sSignal:%" PRId64, prefix, sig);
    return arena_fmt(a, "%sExitCode:%" PRId64, prefix, json_get_int(terminated, "exitCode", 0));
}

/* What the status column says while init containers are not through; false when they are. */
static bool initializing(struct arena *a, const struct json *obj, struct pod_row *r)
{
    uint32_t i = 0, n = json_count(json_path(obj, "spec.initContainers"));

    JSON_EACH(s, json_path(obj, "status.initContainerStatuses")) {
        const struct json *terminated = json_path(s, "state.terminated"),
                          *waiting = json_path(s, "state.waiting");
        str reason = json_get_str(waiting, "reason");
        bool sidecar = is_restartable_init(obj, json_get_str(s, "name"));

        r->restarts += json_get_int(s, "restartCount", 0);
        last_restart(r, s);
        i++;
        if (terminated && json_get_int(terminated, "exitCode", 0) == 0)
            continue;
        if (sidecar && json_get_bool(s, "started", false)) {
            if (json_get_bool(s, "ready", false))
                r->ready++;
            continue;
        }
        if (terminated)
            r->status = terminated_text(a, terminated, "Init:");
        else if (reason.n && !str_is(reason, "PodInitializing"))
            r->status = arena_fmt(a, "Init:" PRI_STR, STR_ARG(reason));
        else
            r->status = arena_fmt(a, "Init:%u/%u", i - 1, n);
        return true;
    }
    return false;
}

static void pod_row(struct arena *a, const struct json *obj, struct pod_row *r)
{
    const struct json *scheduled = condition(obj, "PodScheduled"),
                      *initialized = condition(obj, "Initialized"), *statuses;
    str reason = json_get_str(obj, "status.reason");
    bool running = false;

    *r = (struct pod_row){.status = json_get_str(obj, "status.phase"),
                          .total = json_count(json_path(obj, "spec.containers"))};
    JSON_EACH(c, json_path(obj, "spec.initContainers"))
        r->total += str_is(json_get_str(c, "restartPolicy"), "Always");
    if (reason.n)
        r->status = reason;
    if (scheduled && str_is(json_get_str(scheduled, "reason"), "SchedulingGated"))
        r->status = S("SchedulingGated");
    if (!initializing(a, obj, r) ||
        (initialized && str_is(json_get_str(initialized, "status"), "True"))) {
        /* Of the init containers only those that go on running count from now on. */
        r->restarts = 0;
        r->last_restart = STR_NONE;
        JSON_EACH(s, json_path(obj, "status.initContainerStatuses"))
            if (is_restartable_init(obj, json_get_str(s, "name"))) {
                r->restarts += json_get_int(s, "restartCount", 0);
                last_restart(r, s);
            }
        statuses = json_path(obj, "status.containerStatuses");
        for (uint32_t i = json_count(statuses); i-- > 0;) {
            const struct json *s = json_item(statuses, i),
                              *terminated = json_path(s, "state.terminated");
            str waiting = json_get_str(s, "state.waiting.reason");

            r->restarts += json_get_int(s, "restartCount", 0);
            last_restart(r, s);
            if (waiting.n) {
                r->status = waiting;
            } else if (terminated) {
                r->status = terminated_text(a, terminated, "");
            } else if (json_get_bool(s, "ready", false) && json_path(s, "state.running")) {
                running = true;
                r->ready++;
            }
        }
        /* A pod of which one container has completed and another runs is Running or NotReady. */
        if (str_is(r->status, "Completed") && running) {
            const struct json *ready = condition(obj, "Ready");

            r->status = ready && str_is(json_get_str(ready, "status"), "True") ? S("Running")
                                                                               : S("NotReady");
        }
    }
    if (json_path(obj, "metadata.deletionTimestamp")) {
        if (str_is(reason, "NodeLost"))
            r->status = S("Unknown");
        else if (!str_is(json_get_str(obj, "status.phase"), "Succeeded") &&
                 !str_is(json_get_str(obj, "status.phase"), "Failed"))
            r->status = S("Terminating");
    }
}

CELL(pod_ready)
{
    struct pod_row r;

    pod_row(a, obj, &r);
    *ret = json_string(arena_fmt(a, "%" PRId64 "/%" PRId64, r.ready, r.total));
}

CELL(pod_status)
{
    struct pod_row r;

    pod_row(a, obj, &r);
    *ret = json_string(r.status);
}

CELL(pod_restarts)
{
    struct pod_row r;

    pod_row(a, obj, &r);
    if (r.restarts && r.last_restart.n)
        *ret = json_string(arena_fmt(a, "%" PRId64 " (" PRI_STR " ago)", r.restarts,
                                     STR_ARG(column_since(a, r.last_restart, now))));
    else
        *ret = json_string(arena_fmt(a, "%" PRId64, r.restarts));
}

CELL(pod_ip)
{
    str ip = json_get_str(json_item(json_path(obj, "status.podIPs"), 0), "ip");

    *ret = json_string(column_text_or(ip.n ? ip : json_get_str(obj, "status.podIP"), "<none>"));
}

CELL(pod_gates)
{
    const struct json *gates = json_path(obj, "spec.readinessGates");
    uint32_t n_true = 0;

    if (!json_count(gates)) {
        *ret = json_z("<none>");
        return;
    }
    JSON_EACH(g, gates) {
        str type = json_get_str(g, "conditionType");

        JSON_EACH(c, json_path(obj, "status.conditions"))
            n_true +=
                str_eq(json_get_str(c, "type"), type) && str_is(json_get_str(c, "status"), "True");
    }
    *ret = json_string(arena_fmt(a, "%u/%u", n_true, json_count(gates)));
}

static const struct column pods[] = {
    COLUMN_NAME,
    {"Ready", "string", "", "Ready containers of all containers.", 0, NULL, pod_ready},
    {"Status", "string", "", "What the pod is doing, in one word.", 0, NULL, pod_status},
    {"Restarts", "string", "", "How often its containers were restarted, and when last.", 0, NULL,
     pod_restarts},
    COLUMN_AGE,
    {"IP", "string", "", "Address of the pod.", 1, NULL, pod_ip},
    {"Node", "string", "", "Node that runs the pod.", 1, TEXT_AT_OR("spec.nodeName", "<none>")},
    {"Nominated Node", "string", "", "Node that preemption makes room on.", 1,
     TEXT_AT_OR("status.nominatedNodeName", "<none>")},
    {"Readiness Gates", "string", "", "True readiness gates of all.", 1, NULL, pod_gates},
    COLUMN_END,
};

/* ---- controllers ---- */

CELL(deployment_ready)
{
    *ret = json_string(arena_fmt(a, "%" PRId64 "/%" PRId64,
                                 json_get_int(obj, "status.readyReplicas", 0),
                                 json_get_int(obj, "spec.replicas", 0)));
}

#define COLUMN_CONTAINERS                                                                          \
    {                                                                                              \
        "Containers", "string", "", "Names of the template's containers.", 1, NULL,                \
            column_containers                                                                      \
    }
#define COLUMN_IMAGES                                                                              \
    {                                                                                              \
        "Images", "string", "", "Images of the template's containers.", 1, NULL, column_images     \
    }
#define COLUMN_SELECTOR                                                                            \
    {                                                                                              \
        "Selector", "string", "", "Labels of the pods that belong to it.", 1,                      \
            SELECTOR_AT("spec.selector")                                                           \
    }

static const struct column deployments[] = {
    COLUMN_NAME,
    {"Ready", "string", "", "Ready pods of wanted ones.", 0, NULL, deployment_ready},
    {"Up-to-date", "string", "", "Pods of the newest template.", 0,
     INT_AT("status.updatedReplicas")},
    {"Available", "string", "", "Pods that have been ready long enough.", 0,
     INT_AT("status.availableReplicas")},
    COLUMN_AGE,
    COLUMN_CONTAINERS,
    COLUMN_IMAGES,
    COLUMN_SELECTOR,
    COLUMN_END,
};

static const struct column replicasets[] = {
    COLUMN_NAME,
    {"Desired", "integer", "", "Wanted pods.", 0, INT_AT("spec.replicas")},
    {"Current", "integer", "", "Existing pods.", 0, INT_AT("status.replicas")},
    {"Ready", "integer", "", "Ready pods.", 0, INT_AT("status.readyReplicas")},
    COLUMN_AGE,
    COLUMN_CONTAINERS,
    COLUMN_IMAGES,
    COLUMN_SELECTOR,
    COLUMN_END,
};

static const struct column replicationcontrollers[] = {
    COLUMN_NAME,
    {"Desired", "integer", "", "Wanted pods.", 0, INT_AT("spec.replicas")},
    {"Current", "integer", "", "Existing pods.", 0, INT_AT("status.replicas")},
    {"Ready", "integer", "", "Ready pods.", 0, INT_AT("status.readyReplicas")},
    COLUMN_AGE,
    COLUMN_CONTAINERS,
    COLUMN_IMAGES,
    {"Selector", "string", "", "Labels of the pods that belong to it.", 1,
     LABELS_AT("spec.selector")},
    COLUMN_END,
};

static const struct column daemonsets[] = {
    COLUMN_NAME,
    {"Desired", "integer", "", "Nodes that should run the pod.", 0,
     INT_AT("status.desiredNumberScheduled")},
    {"Current", "integer", "", "Nodes that run it.", 0, INT_AT("status.currentNumberScheduled")},
    {"Ready", "integer", "", "Nodes on which it is ready.", 0, INT_AT("status.numberReady")},
    {"Up-to-date", "integer", "", "Nodes that run the newest template.", 0,
     INT_AT("status.updatedNumberScheduled")},
    {"Available", "integer", "", "Nodes on which it has been ready long enough.", 0,
     INT_AT("status.numberAvailable")},
    {"Node Selector", "string", "", "Labels of the nodes that it is for.", 0,
     LABELS_AT("spec.template.spec.nodeSelector")},
    COLUMN_AGE,
    COLUMN_CONTAINERS,
    COLUMN_IMAGES,
    COLUMN_SELECTOR,
    COLUMN_END,
};

static const struct column statefulsets[] = {
    COLUMN_NAME,   {"Ready", "string", "", "Ready pods of wanted ones.", 0, NULL, deployment_ready},
    COLUMN_AGE,    COLUMN_CONTAINERS,
    COLUMN_IMAGES, COLUMN_END,
};

CELL(revision_controller)
{
    const struct json *owner = NULL;
    str group = S(""), version;

    JSON_EACH(o, json_path(obj, "metadata.ownerReferences"))
        if (json_get_bool(o, "controller", false))
            owner = o;
    if (!owner) {
        *ret = json_z("<none>");
        return;
    }
    version = json_get_str(owner, "apiVersion");
    if (str_has_char(version, '/'))
        str_cut(&version, '/', &group);
    *ret = json_string(arena_fmt(a, PRI_STR "/" PRI_STR,
                                 STR_ARG(column_group_kind(a, group, json_get_str(owner, "kind"))),
                                 STR_ARG(json_get_str(owner, "name"))));
}

static const struct column controllerrevisions[] = {
    COLUMN_NAME,
    {"Controller", "string", "", "Controller that the revision belongs to.", 0, NULL,
     revision_controller},
    {"Revision", "integer", "", "Number of the revision.", 0, INT_AT("revision")},
    COLUMN_AGE,
    COLUMN_END,
};

/* ---- batch ---- */

static bool has_condition(const struct json *obj, const char *type)
{
    const struct json *c = condition(obj, type);

    return c && str_is(json_get_str(c, "status"), "True");
}

CELL(job_status)
{
    if (has_condition(obj, "Complete"))
        *ret = json_z("Complete");
    else if (has_condition(obj, "Failed"))
        *ret = json_z("Failed");
    else if (json_path(obj, "metadata.deletionTimestamp"))
        *ret = json_z("Terminating");
    else if (has_condition(obj, "Suspended"))
        *ret = json_z("Suspended");
    else if (has_condition(obj, "FailureTarget"))
        *ret = json_z("FailureTarget");
    else if (has_condition(obj, "SuccessCriteriaMet"))
        *ret = json_z("SuccessCriteriaMet");
    else
        *ret = json_z("Running");
}

CELL(job_completions)
{
    const struct json *completions = json_path(obj, "spec.completions");
    int64_t parallelism = json_get_int(obj, "spec.parallelism", 0),
            succeeded = json_get_int(obj, "status.succeeded", 0);

    if (completions)
        *ret = json_string(arena_fmt(a, "%" PRId64 "/%" PRId64, succeeded, completions->i));
    else if (parallelism > 1)
        *ret = json_string(arena_fmt(a, "%" PRId64 "/1 of %" PRId64, succeeded, parallelism));
    else
        *ret = json_string(arena_fmt(a, "%" PRId64 "/1", succeeded));
}

CELL(job_duration)
{
    wall_time start, end;

    if (!rfc3339_parse(json_get_str(obj, "status.startTime"), &start)) {
        *ret = json_z("");
        return;
    }
    if (!rfc3339_parse(json_get_str(obj, "status.completionTime"), &end))
        end = now;
    *ret = json_string(duration_text(a, (end.ns - start.ns) / NS_PER_S));
}

static const struct column jobs[] = {
    COLUMN_NAME,
    {"Status", "string", "", "What the job is doing, in one word.", 0, NULL, job_status},
    {"Completions", "string", "", "Succeeded pods of wanted ones.", 0, NULL, job_completions},
    {"Duration", "string", "", "How long it has run.", 0, NULL, job_duration},
    COLUMN_AGE,
    COLUMN_CONTAINERS,
    COLUMN_IMAGES,
    COLUMN_SELECTOR,
    COLUMN_END,
};

CELL(cron_suspend)
{
    *ret = json_z(json_get_bool(obj, "spec.suspend", false) ? "True" : "False");
}

CELL(cron_last)
{
    str last = json_get_str(obj, "status.lastScheduleTime");

    *ret = json_string(last.n ? column_since(a, last, now) : S("<none>"));
}

static const struct column cronjobs[] = {
    COLUMN_NAME,
    {"Schedule", "string", "", "When it runs, in cron's form.", 0, TEXT_AT("spec.schedule")},
    {"Timezone", "string", "", "Time zone of the schedule.", 0,
     TEXT_AT_OR("spec.timeZone", "<none>")},
    {"Suspend", "boolean", "", "Whether later runs are held back.", 0, NULL, cron_suspend},
    {"Active", "integer", "", "Jobs that run now.", 0, COUNT_AT("status.active")},
    {"Last Schedule", "string", "", "Time since it last ran.", 0, NULL, cron_last},
    COLUMN_AGE,
    COLUMN_CONTAINERS,
    COLUMN_IMAGES,
    {"Selector", "string", "", "Labels of the pods that belong to it.", 1,
     SELECTOR_AT("spec.jobTemplate.spec.selector")},
    COLUMN_END,
};

static const struct column podtemplates[] = {
    COLUMN_NAME,
    {"Containers", "string", "", "Names of the template's containers.", 0, NULL, column_containers},
    {"Images", "string", "", "Images of the template's containers.", 0, NULL, column_images},
    {"Pod Labels", "string", "", "Labels that pods of it get.", 0,
     LABELS_AT("template.metadata.labels")},
    COLUMN_END,
};

const struct column_set columns_workloads[] = {
    {"", "pods", pods},
    {"", "replicationcontrollers", replicationcontrollers},
    {"", "podtemplates", podtemplates},
    {"apps", "deployments", deployments},
    {"apps", "replicasets", replicasets},
    {"apps", "daemonsets", daemonsets},
    {"apps", "statefulsets", statefulsets},
    {"apps", "controllerrevisions", controllerrevisions},
    {"batch", "jobs", jobs},
    {"batch", "cronjobs", cronjobs},
    {NULL, NULL, NULL},
};
