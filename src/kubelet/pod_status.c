/* pod_status.c - a pod's status for the API; see pod_status.h. Pure.
 *
 * API: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase, #container-states, #pod-conditions */
#include "kubelet/pod_status.h"

static str time_text(struct arena *a, int64_t wall_ns)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_rfc3339(&b, (wall_time){wall_ns});
    return arena_dup(a, buf_view(&b));
}

static void set_time(struct arena *a, struct json *obj, const char *key, int64_t wall_ns)
{
    /* What never started shows the epoch, as the kubelet has it. */
    json_setz(a, obj, key, json_string(time_text(a, MAX(wall_ns, INT64_C(0)))));
}

static str container_id(struct arena *a, const struct pod_status_input *in, str id)
{
    return arena_fmt(a, PRI_STR "://" PRI_STR, STR_ARG(in->runtime_name), STR_ARG(id));
}

/* ---- one container ---- */

static struct json state_of(struct arena *a, const struct pod_status_input *in,
                            const struct rt_container *c)
{
    struct json state = json_object(), v = json_object();

    if (c->state == CONTAINER_STATE_RUNNING) {
        set_time(a, &v, "startedAt", c->started_ns);
        json_setz(a, &state, "running", v);
        return state;
    }
    if (c->state == CONTAINER_STATE_CREATED)
        return state;
    json_setz(a, &v, "exitCode", json_int(c->exit_code));
    json_setz(a, &v, "reason",
              json_string(c->reason.n    ? c->reason
                          : c->exit_code ? S("Error")
                                         : S("Completed")));
    if (c->message.n)
        json_setz(a, &v, "message", json_string(c->message));
    set_time(a, &v, "startedAt", c->started_ns);
    set_time(a, &v, "finishedAt", c->finished_ns);
    json_setz(a, &v, "containerID", json_string(container_id(a, in, c->id)));
    json_setz(a, &state, "terminated", v);
    return state;
}

static struct json waiting(struct arena *a, str reason, str message)
{
    struct json state = json_object(), v = json_object();

    json_setz(a, &v, "reason", json_string(reason));
    if (message.n)
        json_setz(a, &v, "message", json_string(message));
    json_setz(a, &state, "waiting", v);
    return state;
}

static const struct json *old_status_of(const struct json *pod, enum container_kind kind, str name)
{
    static const char *const lists[] = {
        [CONTAINER_INIT] = "initContainerStatuses",
        [CONTAINER_REGULAR] = "containerStatuses",
        [CONTAINER_EPHEMERAL] = "ephemeralContainerStatuses",
    };

    JSON_EACH(s, json_at(pod, "status", lists[kind], NULL))
        if (str_eq(json_str(json_findz(s, "name")), name))
            return s;
    return NULL;
}

static struct json mounts_of(struct arena *a, const struct json *spec)
{
    struct json list = json_array();

    JSON_EACH(m, json_findz(spec, "volumeMounts")) {
        struct json v = json_object();
        bool read_only = json_get_bool(m, "readOnly", false);

        json_setz(a, &v, "name", json_string(json_get_str(m, "name")));
        json_setz(a, &v, "mountPath", json_string(json_get_str(m, "mountPath")));
        if (read_only) {
            json_setz(a, &v, "readOnly", json_bool(true));
            json_setz(a, &v, "recursiveReadOnly", json_z("Disabled"));
        }
        json_append(a, &list, v);
    }
    return list;
}

static str waiting_default(const struct pod_status_input *in, const struct pod_container *c)
{
    for (size_t i = 0; i < in->n_containers; i++)
        if (in->containers[i].kind == CONTAINER_INIT)
            return S("PodInitializing");
    return S("ContainerCreating");
}

static struct json container_status(struct arena *a, const struct pod_status_input *in,
                                    const struct pod_container *c)
{
    const struct rt_sandbox *sandbox = pod_runtime_sandbox(in->rt);
    const struct rt_container *now =
        sandbox ? pod_runtime_find_in(in->rt, sandbox->id, c->name) : NULL;
    bool in_hook = c->in_hook && now && now->state == CONTAINER_STATE_RUNNING;
    const struct rt_container *last = pod_runtime_find(in->rt, c->name, in_hook ? 1 : 0),
                              *before = pod_runtime_find(in->rt, c->name, in_hook ? 2 : 1);
    const struct json *old = old_status_of(in->pod, c->kind, c->name);
    struct json s = json_object(), state, last_state = json_object(), resources;
    const struct json *user = NULL;
    bool created = last && last->state != CONTAINER_STATE_CREATED;

    if (in_hook)
        now = NULL;
    if (!last && old && !c->waiting_reason.n &&
        (json_at(old, "state", "terminated", NULL) || in->finished))
        if (json_at(old, "state", "terminated", NULL))
            return json_share(a, old); /* cleared from the runtime: its end is still known */
    json_setz(a, &s, "name", json_string(c->name));
    json_setz(a, &s, "image",
              json_string(last && last->image.n ? last->image : json_get_str(c->spec, "image")));
    json_setz(a, &s, "imageID", json_string(last ? last->image_ref : STR_NONE));
    json_setz(a, &s, "restartCount",
              json_int(last ? last->restart_count : json_get_int(old, "restartCount", 0)));
    json_setz(a, &s, "ready", json_bool(pod_container_is_ready(c, now)));
    json_setz(a, &s, "started", json_bool(pod_container_is_started(c, now)));
    if (last)
        json_setz(a, &s, "containerID", json_string(container_id(a, in, last->id)));

    state = created ? state_of(a, in, last) : waiting(a, waiting_default(in, c), STR_NONE);
    if (before && before->state == CONTAINER_STATE_EXITED)
        last_state = state_of(a, in, before);
    /* What has ended and is to run again waits; its end moves to lastState. */
    if (c->waiting_reason.n && !(last && last->state == CONTAINER_STATE_RUNNING) && !in->finished) {
        if (last && last->state == CONTAINER_STATE_EXITED)
            last_state = state;
        state = waiting(a, c->waiting_reason, c->waiting_message);
    } else if (!last && old && json_at(old, "state", "running", NULL)) {
        struct json v = json_object();

        json_setz(a, &v, "exitCode", json_int(137));
        json_setz(a, &v, "reason", json_z("ContainerStatusUnknown"));
        json_setz(a, &v, "message",
                  json_z("The container could not be located when the pod was terminated"));
        json_setz(a, &v, "startedAt", json_null());
        json_setz(a, &v, "finishedAt", json_null());
        json_setz(a, in->finished ? &state : &last_state, "terminated", v);
        if (in->finished)
            json_removez(&state, "waiting");
    }
    json_setz(a, &s, "state", state);
    json_setz(a, &s, "lastState", last_state);

    if (json_at(&state, "running", NULL)) {
        resources = json_object();
        if (c->resources)
            resources = json_copy(a, c->resources);
        else if (json_findz(c->spec, "resources"))
            resources = json_share(a, json_findz(c->spec, "resources"));
        if (json_count(json_findz(&resources, "requests")))
            json_setz(a, &s, "allocatedResources",
                      json_share(a, json_findz(&resources, "requests")));
        json_setz(a, &s, "resources", resources);
        user = last->user;
    }
    if (json_count(json_findz(c->spec, "volumeMounts")))
        json_setz(a, &s, "volumeMounts", mounts_of(a, c->spec));
    if (user) {
        struct json u = json_object(), linux_user = json_object();
        static const struct {
            const char *cri, *api;
        } keys[] = {{"uid", "uid"}, {"gid", "gid"}, {"supplemental_groups", "supplementalGroups"}};

        for (size_t i = 0; i < ARRAY_LEN(keys); i++)
            if (json_findz(user, keys[i].cri))
                json_setz(a, &linux_user, keys[i].api,
                          json_share(a, json_findz(user, keys[i].cri)));
        json_setz(a, &u, "linux", linux_user);
        json_setz(a, &s, "user", u);
    }
    return s;
}

static int by_name(const void *x, const void *y, void *ctx)
{
    const struct json *a = x, *b = y;

    return str_cmp(json_str(json_findz(a, "name")), json_str(json_findz(b, "name")));
}

/* ---- phase ---- */

static bool has_ended_badly(const struct json *terminated)
{
    return json_get_int(terminated, "exitCode", 0) != 0;
}

static const char *phase_of(const struct pod_status_input *in, const struct json *status)
{
    const struct json *inits = json_findz(status, "initContainerStatuses"),
                      *regular = json_findz(status, "containerStatuses");
    int pending_init = 0, failed_init = 0, failed_for_good = 0, running = 0, waits = 0, stopped = 0,
        succeeded = 0, unknown = 0;
    bool any_always = false, any_retry = false;

    for (size_t i = 0; i < in->n_containers; i++) {
        const struct pod_container *c = &in->containers[i];
        const struct json *s = NULL, *terminated, *was;
        str policy = podspec_restart_policy(in->pod, c->spec);

        if (c->kind == CONTAINER_EPHEMERAL)
            continue;
        JSON_EACH(it, c->kind == CONTAINER_INIT ? inits : regular)
            if (str_eq(json_str(json_findz(it, "name")), c->name))
                s = it;
        terminated = json_at(s, "state", "terminated", NULL);
        was = json_at(s, "lastState", "terminated", NULL);
        if (c->kind == CONTAINER_INIT && c->sidecar) {
            if (!terminated && !was && !json_get_bool(s, "started", false))
                pending_init++;
        } else if (c->kind == CONTAINER_INIT) {
            if (terminated ? has_ended_badly(terminated)
                           : was && !json_at(s, "state", "running", NULL) && has_ended_badly(was)) {
                failed_init++;
                if (terminated && str_is(policy, "Never"))
                    failed_for_good++;
            } else if (!terminated) {
                pending_init++;
            }
        } else if (!s) {
            unknown++;
        } else if (terminated || (was && !json_at(s, "state", "running", NULL))) {
            bool bad = has_ended_badly(terminated ? terminated : was);

            stopped++;
            succeeded += !bad;
            any_always |= str_is(policy, "Always");
            any_retry |= bad && str_is(policy, "OnFailure");
        } else if (json_at(s, "state", "running", NULL)) {
            running++;
        } else {
            waits++;
        }
    }
    if (failed_for_good)
        return "Failed";
    if (in->finished)
        return stopped && stopped == succeeded && !running && !waits && !unknown && !pending_init &&
                       !failed_init
                   ? "Succeeded"
                   : "Failed";
    if (pending_init || failed_init || waits)
        return "Pending";
    if (running && !unknown)
        return "Running";
    if (!running && stopped && !unknown) {
        if (any_always || any_retry)
            return "Running";
        return stopped == succeeded ? "Succeeded" : "Failed";
    }
    return "Pending";
}

/* ---- conditions ---- */

struct names {
    struct buf text;
    size_t n;
};

static void names_add(struct names *l, str name)
{
    buf_z(&l->text, l->n++ ? " " : "");
    buf_str(&l->text, name);
}

static void condition(struct arena *a, const struct pod_status_input *in, struct json *list,
                      const char *type, bool is_true, const char *reason, str message)
{
    const struct json *old = NULL;
    struct json c = json_object();
    const char *status = is_true ? "True" : "False";
    int64_t generation = json_get_int(in->pod, "metadata.generation", 0);
    str since;

    JSON_EACH(o, json_at(in->pod, "status", "conditions", NULL))
        if (str_is(json_str(json_findz(o, "type")), type))
            old = o;
    since = json_str(json_findz(old, "lastTransitionTime"));
    if (!old || !since.n || !str_is(json_str(json_findz(old, "status")), status))
        since = time_text(a, in->now.ns);
    json_setz(a, &c, "type", json_z(type));
    json_setz(a, &c, "status", json_z(status));
    if (generation)
        json_setz(a, &c, "observedGeneration", json_int(generation));
    json_setz(a, &c, "lastProbeTime", json_null());
    json_setz(a, &c, "lastTransitionTime", json_string(since));
    if (reason)
        json_setz(a, &c, "reason", json_z(reason));
    if (message.n)
        json_setz(a, &c, "message", json_string(message));
    json_append(a, list, c);
}

static str unready_message(struct arena *a, struct names *unknown, struct names *bad,
                           const char *what)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (unknown->n)
        buf_fmt(&b, "containers with unknown status: [%s]", buf_cstr(&unknown->text));
    if (bad->n)
        buf_fmt(&b, "%scontainers with %s status: [%s]", unknown->n ? ", " : "", what,
                buf_cstr(&bad->text));
    return arena_dup(a, buf_view(&b));
}

static const struct json *find_condition(const struct json *pod, str type)
{
    JSON_EACH(c, json_at(pod, "status", "conditions", NULL))
        if (str_eq(json_str(json_findz(c, "type")), type))
            return c;
    return NULL;
}

/* The first readiness gate that is not fulfilled; *ret_message says why. */
static bool gates_are_open(struct arena *a, const struct json *pod, str *ret_message)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    JSON_EACH(g, json_at(pod, "spec", "readinessGates", NULL)) {
        str type = json_str(json_findz(g, "conditionType"));
        const struct json *c = find_condition(pod, type);
        str status = json_str(json_findz(c, "status"));

        if (!c)
            buf_fmt(&b,
                    "%scorresponding condition of pod readiness gate \"" PRI_STR
                    "\" does not exist.",
                    b.n ? ", " : "", STR_ARG(type));
        else if (!str_is(status, "True"))
            buf_fmt(&b,
                    "%sthe status of pod readiness gate \"" PRI_STR
                    "\" is not \"True\", but " PRI_STR,
                    b.n ? ", " : "", STR_ARG(type), STR_ARG(status));
    }
    *ret_message = arena_dup(a, buf_view(&b));
    return b.n == 0;
}

static void add_conditions(struct arena *a, const struct pod_status_input *in, struct json *status,
                           const char *phase)
{
    const struct rt_sandbox *sandbox = pod_runtime_sandbox(in->rt);
    struct names unknown_init = {BUF_INIT, 0}, bad_init = {BUF_INIT, 0}, unknown = {BUF_INIT, 0},
                 unready = {BUF_INIT, 0};
    struct json list = json_array();
    bool any_ran = false, ready, open;
    const char *reason = NULL;
    str message = STR_NONE, gates;

    JSON_EACH(s, json_findz(status, "containerStatuses"))
        any_ran |= json_at(s, "state", "running", NULL) ||
                   json_at(s, "state", "terminated", NULL) ||
                   json_at(s, "lastState", "terminated", NULL);
    for (size_t i = 0; i < in->n_containers; i++) {
        const struct pod_container *c = &in->containers[i];
        const struct rt_container *now =
            sandbox ? pod_runtime_find_in(in->rt, sandbox->id, c->name) : NULL;

        if (c->kind == CONTAINER_INIT &&
            (c->sidecar ? !pod_container_is_started(c, now) : !pod_container_is_ready(c, now)))
            names_add(&bad_init, c->name);
        if ((c->kind == CONTAINER_REGULAR || c->sidecar) && !pod_container_is_ready(c, now))
            names_add(&unready, c->name);
    }

    condition(a, in, &list, "PodReadyToStartContainers",
              sandbox && sandbox->ready && (sandbox->host_network || sandbox->n_ips) &&
                  !in->finished,
              NULL, STR_NONE);

    if (!strcmp(phase, "Succeeded"))
        condition(a, in, &list, "Initialized", true, "PodCompleted", STR_NONE);
    else if (bad_init.n && !any_ran)
        condition(a, in, &list, "Initialized", false, "ContainersNotInitialized",
                  unready_message(a, &unknown_init, &bad_init, "incomplete"));
    else
        condition(a, in, &list, "Initialized", true, NULL, STR_NONE);

    ready = unready.n == 0;
    if (!strcmp(phase, "Succeeded")) {
        ready = false;
        reason = "PodCompleted";
    } else if (!strcmp(phase, "Failed")) {
        ready = false;
        reason = "PodFailed";
    } else if (!ready) {
        reason = "ContainersNotReady";
        message = unready_message(a, &unknown, &unready, "unready");
    }
    open = gates_are_open(a, in->pod, &gates);
    if (ready && !open)
        condition(a, in, &list, "Ready", false, "ReadinessGatesNotReady", gates);
    else
        condition(a, in, &list, "Ready", ready, reason, message);
    condition(a, in, &list, "ContainersReady", ready, reason, message);
    condition(a, in, &list, "PodScheduled", true, NULL, STR_NONE);
    if (in->resize_type)
        condition(a, in, &list, in->resize_type, true, in->resize_reason, in->resize_message);
    json_setz(a, status, "conditions", list);
    buf_fini(&unknown_init.text);
    buf_fini(&bad_init.text);
    buf_fini(&unknown.text);
    buf_fini(&unready.text);
}

/* ---- the whole ---- */

static void add_addresses(struct arena *a, const struct pod_status_input *in, struct json *status)
{
    const struct rt_sandbox *sandbox = pod_runtime_sandbox(in->rt);
    struct json ips = json_array(), host_ips = json_array(), v;

    if (in->host_ip.n) {
        json_setz(a, status, "hostIP", json_string(in->host_ip));
        v = json_object();
        json_setz(a, &v, "ip", json_string(in->host_ip));
        json_append(a, &host_ips, v);
        json_setz(a, status, "hostIPs", host_ips);
    }
    if (podspec_is_host_network(in->pod)) {
        if (in->host_ip.n && sandbox)
            json_append(a, &ips, v);
    } else if (sandbox && sandbox->n_ips) {
        for (size_t i = 0; i < sandbox->n_ips; i++) {
            v = json_object();
            json_setz(a, &v, "ip", json_string(sandbox->ips[i]));
            json_append(a, &ips, v);
        }
    } else if (json_count(json_at(in->pod, "status", "podIPs", NULL))) {
        /* The sandbox is gone, but this is still where the pod was. */
        ips = json_share(a, json_at(in->pod, "status", "podIPs", NULL));
    }
    if (json_count(&ips)) {
        json_setz(a, status, "podIP", json_string(json_get_str(json_item(&ips, 0), "ip")));
        json_setz(a, status, "podIPs", ips);
    }
}

void pod_status_make(struct arena *a, const struct pod_status_input *in, struct json *ret)
{
    static const struct {
        enum container_kind kind;
        const char *field;
    } lists[] = {{CONTAINER_INIT, "initContainerStatuses"},
                 {CONTAINER_REGULAR, "containerStatuses"},
                 {CONTAINER_EPHEMERAL, "ephemeralContainerStatuses"}};
    struct json status = json_object();
    str start = json_get_str(in->pod, "status.startTime");
    int64_t generation = json_get_int(in->pod, "metadata.generation", 0);
    const char *phase;

    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        struct json list = json_array();

        for (size_t i = 0; i < in->n_containers; i++) {
            const struct pod_container *c = &in->containers[i];

            if (c->kind != lists[k].kind)
                continue;
            if (c->kind == CONTAINER_EPHEMERAL || !in->fail_reason.n ||
                pod_runtime_find(in->rt, c->name, 0) || old_status_of(in->pod, c->kind, c->name))
                json_append(a, &list, container_status(a, in, c));
        }
        if (lists[k].kind == CONTAINER_REGULAR && json_count(&list))
            sort_with(list.items, list.n, sizeof list.items[0], by_name, NULL);
        if (json_count(&list))
            json_setz(a, &status, lists[k].field, list);
    }
    phase = in->fail_reason.n ? "Failed" : phase_of(in, &status);
    /* A pod that has ended stays as it ended. */
    if (podspec_is_finished(in->pod) && !in->fail_reason.n)
        phase = str_is(json_get_str(in->pod, "status.phase"), "Succeeded") ? "Succeeded" : "Failed";
    json_setz(a, &status, "phase", json_z(phase));
    if (in->fail_reason.n) {
        json_setz(a, &status, "reason", json_string(in->fail_reason));
        json_setz(a, &status, "message", json_string(in->fail_message));
    }
    if (generation)
        json_setz(a, &status, "observedGeneration", json_int(generation));
    add_conditions(a, in, &status, phase);
    add_addresses(a, in, &status);
    json_setz(a, &status, "startTime", json_string(start.n ? start : time_text(a, in->now.ns)));
    json_setz(a, &status, "qosClass", json_z(podspec_qos_name(podspec_qos(in->pod))));
    *ret = status;
}

/* ---- what to tell the API ---- */

static const char *const owned[] = {"phase",
                                    "conditions",
                                    "message",
                                    "reason",
                                    "hostIP",
                                    "hostIPs",
                                    "podIP",
                                    "podIPs",
                                    "startTime",
                                    "initContainerStatuses",
                                    "containerStatuses",
                                    "ephemeralContainerStatuses",
                                    "qosClass",
                                    "observedGeneration"};

/* `have` says all that `want` says; nulls and empty objects count as absent. */
static bool covers(const struct json *have, const struct json *want)
{
    if (!want || want->type == JSON_NULL)
        return !have || have->type == JSON_NULL;
    if (want->type == JSON_OBJECT) {
        JSON_EACH_MEMBER(m, want)
            if (!covers(json_find(have, m->key), &m->value))
                return false;
        JSON_EACH_MEMBER(m, have)
            if (!json_find(want, m->key) && m->value.type != JSON_NULL &&
                !(m->value.type == JSON_OBJECT && m->value.n == 0))
                return false;
        return true;
    }
    if (want->type == JSON_ARRAY) {
        if (json_count(have) != json_count(want))
            return false;
        for (uint32_t i = 0; i < want->n; i++)
            if (!covers(json_item(have, i), &want->items[i]))
                return false;
        return true;
    }
    return have && json_equal(have, want);
}

/* Conditions of a resize go when it is done. */
static bool is_over(const struct json *condition, const struct json *want)
{
    str type = json_get_str(condition, "type");

    if (!str_is(type, "PodResizePending") && !str_is(type, "PodResizeInProgress"))
        return false;
    JSON_EACH(w, want)
        if (str_eq(json_get_str(w, "type"), type))
            return false;
    return true;
}

/* Others (the scheduler, controllers of readiness gates) have conditions in the list too. */
static bool conditions_cover(const struct json *have, const struct json *want)
{
    JSON_EACH(w, want) {
        const struct json *h = NULL;

        JSON_EACH(it, have)
            if (str_eq(json_str(json_findz(it, "type")), json_str(json_findz(w, "type"))))
                h = it;
        if (!h || !covers(h, w))
            return false;
    }
    JSON_EACH(h, have)
        if (is_over(h, want))
            return false;
    return true;
}

bool pod_status_differs(const struct json *have, const struct json *next)
{
    for (size_t i = 0; i < ARRAY_LEN(owned); i++) {
        const struct json *h = json_findz(have, owned[i]), *w = json_findz(next, owned[i]);

        if (!strcmp(owned[i], "conditions") ? !conditions_cover(h, w) : !covers(h, w))
            return true;
    }
    return false;
}

void pod_status_patch(struct arena *a, const struct json *pod, const struct json *next,
                      struct buf *out)
{
    struct json patch = json_object(), meta = json_object(), status = json_object();

    json_setz(
        a, &meta, "uid",
        json_string(json_get_str(pod, "metadata.uid"))); /* not of a successor with the same name */
    json_setz(a, &patch, "metadata", meta);
    for (size_t i = 0; i < ARRAY_LEN(owned); i++) {
        const struct json *h = json_at(pod, "status", owned[i], NULL),
                          *w = json_findz(next, owned[i]);

        if (w && !strcmp(owned[i], "podIPs") && json_count(h) && !json_equal(h, w)) {
            /* The list merges by address: without this the old address would stay beside the new one. */
            struct json list = json_share(a, w), replace = json_object();

            json_setz(a, &replace, "$patch", json_z("replace"));
            json_append(a, &list, replace);
            json_setz(a, &status, owned[i], list);
        } else if (w && !strcmp(owned[i], "conditions")) {
            /* They merge by type: what a condition does not say any more must be taken out of it. */
            static const char *const optional[] = {"reason", "message"};
            struct json list = json_share(a, w);

            JSON_EACH(c, &list)
                for (size_t k = 0; k < ARRAY_LEN(optional); k++)
                    if (!json_findz(c, optional[k]))
                        json_setz(a, c, optional[k], json_null());
            JSON_EACH(c, h)
                if (is_over(c, w)) {
                    struct json gone = json_object();

                    json_setz(a, &gone, "$patch", json_z("delete"));
                    json_setz(a, &gone, "type", json_string(json_get_str(c, "type")));
                    json_append(a, &list, gone);
                }
            json_setz(a, &status, owned[i], list);
        } else if (w) {
            json_setz(a, &status, owned[i], *w);
        } else if (h) {
            json_setz(a, &status, owned[i], json_null());
        }
    }
    json_setz(a, &patch, "status", status);
    json_encode(out, &patch);
}
