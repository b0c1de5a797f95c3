/* worker_resize.c - processor time and memory of containers that run, changed without ending them.
 *
 * What a container was given is remembered by its id: from its start, or, after a restart of this agent, from what its status said last.
 * When the specification asks for something else, the pod's control group is widened first, then each container is updated through the
 * runtime (or ended, where its resizePolicy wants that; its successor starts with the new values), then the group gets its final size.
 *
 * Invariants
 *   (1) The status tells what containers have, not what they are to have.
 *   (2) What the node cannot give is not given in part: the whole pod waits (PodResizePending).
 *   (3) A memory limit is not lowered below what is in use: that would end the container.
 *
 * API: https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/ */
#include "kubelet/kubelet_internal.h"

#define RETRY_NS (10 * NS_PER_S) /* what had to wait is tried again; Kubernetes does so, too */

static const char *const names[] = {"cpu", "memory"};
static const char *const sets[] = {"requests", "limits"};

struct resize {
    struct pod_worker *w;
    struct arena *arena; /* of the resources; the container's own when it has worked */
    char *name, *id;
    struct json *resources;
};

static const struct json *resources_in_status(const struct pod_worker *w, str id)
{
    static const char *const lists[] = {"containerStatuses", "initContainerStatuses"};

    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        JSON_EACH(s, json_at(w->pod, "status", lists[i], NULL))
            if (str_has_suffix(json_get_str(s, "containerID"), id))
                return json_findz(s, "resources");
    return NULL;
}

static void remember(struct pod_worker *w, struct container_local *l, str id,
                     const struct json *resources)
{
    for (size_t i = 0; i < w->n_containers; i++) /* the status may be told before the next look */
        if (w->containers[i].resources && w->containers[i].resources == l->sized)
            w->containers[i].resources = NULL;
    arena_free(l->sized_arena);
    l->sized_arena = arena_new();
    l->sized =
        json_new(l->sized_arena, resources ? json_copy(l->sized_arena, resources) : json_object());
    l->sized_id = arena_dupz(l->sized_arena, id);
}

static bool same(const struct json *a, const struct json *b, const char *set, const char *name)
{
    int64_t x, y;
    struct json xs = json_object(), ys = json_object();
    CLEANUP(arena) struct arena *t = arena_new();
    bool has_x, has_y;

    json_setz(t, &xs, "resources", a ? *a : json_object());
    json_setz(t, &ys, "resources", b ? *b : json_object());
    has_x = podspec_resource(&xs, set, str_of(name), &x);
    has_y = podspec_resource(&ys, set, str_of(name), &y);
    return has_x == has_y && (!has_x || x == y);
}

/* Bits of `names` in which the two differ. */
static unsigned differing(const struct json *a, const struct json *b)
{
    unsigned bits = 0;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        for (size_t k = 0; k < ARRAY_LEN(sets); k++)
            if (!same(a, b, sets[k], names[i]))
                bits |= 1u << i;
    return bits;
}

static bool wants_restart(const struct json *container, unsigned changed)
{
    JSON_EACH(p, json_findz(container, "resizePolicy"))
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            if ((changed & 1u << i) && str_is(json_get_str(p, "resourceName"), names[i]) &&
                str_is(json_get_str(p, "restartPolicy"), "RestartContainer"))
                return true;
    return false;
}

static bool is_resizable(const struct pod_container *c)
{
    return c->kind == CONTAINER_REGULAR || c->sidecar;
}

/* What runs and is not new has its resources remembered; true: some are to change. */
static bool look(struct pod_worker *w)
{
    bool any = false;

    for (size_t i = 0; i < w->n_containers; i++) {
        struct pod_container *c = &w->containers[i];
        const struct rt_container *now = worker_running(w, c->name);
        struct container_local *l = worker_local(w, c->name);
        const struct json *wanted = json_findz(c->spec, "resources");

        c->resources = NULL;
        if (!now || !is_resizable(c))
            continue;
        if (!l->sized_id || !str_is(now->id, l->sized_id)) {
            const struct json *told = resources_in_status(w, now->id);

            remember(w, l, now->id, told ? told : wanted);
        }
        if (!json_equal(l->sized, wanted ? wanted : &(struct json){.type = JSON_OBJECT})) {
            if (differing(l->sized, wanted))
                any = true;
            else
                remember(w, l, now->id, wanted); /* the same in other words, or other resources */
        }
        c->resources = l->sized;
    }
    return any;
}

/* The pod as its containers are now. */
static struct json *pod_as_it_is(struct pod_worker *w, struct arena *a)
{
    static const char *const lists[] = {"containers", "initContainers"};
    struct json *pod = json_new(a, json_copy(a, w->pod));

    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        JSON_EACH(c, json_at(pod, "spec", lists[i], NULL)) {
            const struct container_local *l = worker_local(w, podspec_container_name(c));

            if (l->sized)
                json_setz(a, c, "resources", json_copy(a, l->sized));
        }
    return pod;
}

static bool fits(struct pod_worker *w, struct arena *a, bool alone, str *ret_message)
{
    struct admission_input in = {.pod = w->pod, .max_pods = w->k->o.max_pods};
    const struct obj *node = informer_find(w->k->nodes, STR_NONE, w->k->o.node_name);
    const struct json **list = ARENA_NEW_N(a, const struct json *, w->k->workers.n_used + 1);
    struct json *tree = NULL;
    str reason;

    if (!node)
        return true;
    err_free(json_parse(a, node->data, NULL, NULL, &tree));
    in.node = tree;
    MAP_EACH(e, &w->k->workers) {
        const struct pod_worker *other = e->value;

        if (!alone && other != w && other->pod && other->admitted &&
            !podspec_is_finished(other->pod) && !other->fail_reason)
            list[in.n_others++] = other->pod;
    }
    in.others = list;
    return admission_check(a, &in, &reason, ret_message) || !str_has_prefix(reason, S("OutOf"));
}

static void note(struct pod_worker *w, const char *type, const char *reason, str message)
{
    mem_free(w->resize_message);
    w->resize_type = type;
    w->resize_reason = reason;
    w->resize_message = message.n ? str_dupz(message) : NULL;
}

/* ---- the pod's own group: never smaller than what its containers have or are about to get ---- */

static int64_t larger(int64_t a, int64_t b)
{
    return !a || !b ? 0 : MAX(a, b); /* 0: no limit */
}

static void set_group(struct pod_worker *w, struct arena *a, bool done)
{
    struct cgroup_limits next, is;
    int r;

    cgroup_pod_limits(w->pod, &next);
    if (!done) {
        cgroup_pod_limits(pod_as_it_is(w, a), &is);
        next.cpu_shares = MAX(next.cpu_shares, is.cpu_shares);
        next.cpu_quota_us = larger(next.cpu_quota_us, is.cpu_quota_us);
        next.memory_bytes = larger(next.memory_bytes, is.memory_bytes);
    }
    r = cgroup_make(&w->k->cgroups, cgroup_pod_path(a, w->pod), &next);
    if (r)
        log_warning("kubelet", "pod %s/%s: size of its control group: %s", w->ns, w->name,
                    strerror(-r));
}

/* ---- one container ---- */

static void on_updated(void *ctx, struct err *err, const struct json *response)
{
    struct resize *s = ctx;
    struct pod_worker *w = s->w;

    (void)response;
    if (worker_return(w)) {
        w->busy = false;
        if (err) {
            note(w, "PodResizeInProgress", "Error", str_of(err_text(err)));
            kubelet_event(w->k, w->pod, STR_NONE, "Warning", "ResizeError",
                          "Error resizing container %s: %s", s->name, err_text(err));
            w->resize_at.ns = loop_now(w->k->loop).ns + RETRY_NS;
        } else {
            remember(w, worker_local(w, str_of(s->name)), str_of(s->id), s->resources);
        }
        worker_wake(w);
    }
    err_free(err);
    arena_free(s->arena);
    mem_free(s->name);
    mem_free(s->id);
    mem_free(s);
}

static void update(struct pod_worker *w, const struct pod_container *c,
                   const struct rt_container *now)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json request = json_object(), r = json_object();
    struct resize *s = NEW(struct resize);
    int64_t v;

    s->w = w;
    s->arena = arena_new();
    s->name = str_dupz(c->name);
    s->id = str_dupz(now->id);
    s->resources = json_findz(c->spec, "resources")
                       ? json_new(s->arena, json_copy(s->arena, json_findz(c->spec, "resources")))
                       : NULL;
    json_setz(a, &r, "cpu_period", json_int(CGROUP_CPU_PERIOD_US));
    json_setz(a, &r, "cpu_shares",
              json_int(cgroup_shares_of_milli(podspec_request(c->spec, S("cpu")))));
    if (podspec_resource(c->spec, "limits", S("cpu"), &v) && v > 0)
        json_setz(a, &r, "cpu_quota", json_int(cgroup_quota_of_milli(v, CGROUP_CPU_PERIOD_US)));
    if (podspec_resource(c->spec, "limits", S("memory"), &v) && v > 0)
        json_setz(a, &r, "memory_limit_in_bytes", json_int(v));
    json_setz(a, &request, "container_id", json_string(now->id));
    json_setz(a, &request, "linux", r);
    w->busy = true;
    worker_call(w);
    runtime_call(w->k->rt, RUNTIME_UPDATE_CONTAINER_RESOURCES, &request, 0, on_updated, s);
}

/* Memory that is in use cannot be taken away. */
static bool would_kill(struct pod_worker *w, struct arena *a, const struct pod_container *c,
                       const struct rt_container *now)
{
    struct cgroup_usage u;
    int64_t limit, was;
    struct json had = json_object();

    json_setz(a, &had, "resources", json_share(a, c->resources));
    if (!podspec_resource(c->spec, "limits", S("memory"), &limit) || limit <= 0 ||
        (podspec_resource(&had, "limits", S("memory"), &was) && was <= limit))
        return false;
    cgroup_usage(
        &w->k->cgroups,
        arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(cgroup_pod_path(a, w->pod)), STR_ARG(now->id)),
        &u);
    if (!u.found || u.memory_usage_bytes <= (uint64_t)limit)
        return false;
    note(w, "PodResizeInProgress", "Error",
         arena_fmt(a,
                   "attempting to set container \"" PRI_STR
                   "\" memory limit (%lld) below current usage (%llu)",
                   STR_ARG(c->name), (long long)limit, (unsigned long long)u.memory_usage_bytes));
    return true;
}

void worker_resize(struct pod_worker *w)
{
    CLEANUP(arena) struct arena *a = NULL;
    int64_t wait;
    str message;

    if (!look(w)) {
        if (w->resize_type) {
            a = arena_new();
            set_group(w, a, true);
            note(w, NULL, NULL, STR_NONE);
        }
        return;
    }
    if (w->busy)
        return;
    wait = w->resize_at.ns - loop_now(w->k->loop).ns;
    if (w->resize_at.ns && wait > 0 &&
        w->resize_generation == json_get_int(w->pod, "metadata.generation", 0)) {
        worker_wake_in(w, wait);
        return;
    }
    w->resize_at.ns = 0;
    w->resize_generation = json_get_int(w->pod, "metadata.generation", 0);
    a = arena_new();
    if (!fits(w, a, false, &message)) {
        note(w, "PodResizePending", fits(w, a, true, &message) ? "Deferred" : "Infeasible",
             message);
        w->resize_at.ns = loop_now(w->k->loop).ns + RETRY_NS;
        worker_wake_in(w, RETRY_NS);
        return;
    }
    note(w, "PodResizeInProgress", NULL, STR_NONE);
    set_group(w, a, false);
    for (size_t i = 0; i < w->n_containers && !w->busy; i++) {
        const struct pod_container *c = &w->containers[i];
        const struct rt_container *now = worker_running(w, c->name);
        struct container_local *l = worker_local(w, c->name);
        unsigned changed;

        if (!now || !c->resources || l->stopping)
            continue;
        changed = differing(c->resources, json_findz(c->spec, "resources"));
        if (!changed)
            continue;
        if (wants_restart(c->spec, changed)) {
            CLEANUP(buf) struct buf text = BUF_INIT;

            buf_fmt(&text, "Container " PRI_STR " resize requires restart, will be restarted",
                    STR_ARG(c->name));
            container_stop_begin(w, now, podspec_grace_s(w->pod), "Killing", buf_view(&text));
        } else if (would_kill(w, a, c, now)) {
            w->resize_at.ns = loop_now(w->k->loop).ns + RETRY_NS;
            worker_wake_in(w, RETRY_NS);
        } else {
            update(w, c, now);
        }
    }
}
