/* worker_end.c - brings a pod that should not run a step further towards nothing.
 *
 * regular containers -> sidecars, last first -> sandboxes stopped -> the API told how it ended -> (a pod that is deleted:) the
 * runtime's records removed -> volumes, cgroup, logs removed -> deleted from the API -> forgotten. */
#include "kubelet/kubelet_internal.h"

#include <sys/stat.h>

#define RETRY_NS NS_PER_S
#define ORPHAN_GRACE_S 1 /* of a pod that the API has forgotten and whose wishes nobody knows */

static bool is_deleted(const struct pod_worker *w)
{
    return w->forgotten || !w->pod || podspec_is_deleting(w->pod);
}

static int64_t grace_of(const struct pod_worker *w, const struct rt_container *c)
{
    if (!w->pod)
        return c->grace_s >= 0 ? c->grace_s : ORPHAN_GRACE_S;
    return podspec_grace_s(w->pod);
}

static const struct pod_container *find(const struct pod_worker *w, str name)
{
    for (size_t i = 0; i < w->n_containers; i++)
        if (str_eq(w->containers[i].name, name))
            return &w->containers[i];
    return NULL;
}

static void stop_one(struct pod_worker *w, const struct rt_container *c)
{
    CLEANUP(buf) struct buf message = BUF_INIT;
    mono_time now = loop_now(w->k->loop);
    int64_t grace = grace_of(w, c), left;

    if (!w->stop_deadline.ns || now.ns + grace * NS_PER_S < w->stop_deadline.ns)
        w->stop_deadline.ns = now.ns + grace * NS_PER_S;
    /* Sidecars get what the others left of the pod's time. */
    left = (w->stop_deadline.ns - now.ns + NS_PER_S - 1) / NS_PER_S;
    buf_fmt(&message, "Stopping container " PRI_STR, STR_ARG(c->name));
    container_stop_begin(w, c, MAX(MIN(left, grace), (int64_t)(grace > 0)), "Killing",
                         buf_view(&message));
}

/* true: nothing runs any more. */
static bool containers_stopped(struct pod_worker *w)
{
    const struct rt_container *last_sidecar = NULL;
    bool any = false, stopping = false;
    size_t sidecar_at = 0;

    for (size_t i = 0; i < w->rt->n_containers; i++) {
        const struct rt_container *c = &w->rt->containers[i];
        const struct pod_container *spec = find(w, c->name);

        if (c->state != CONTAINER_STATE_RUNNING && c->state != CONTAINER_STATE_UNKNOWN)
            continue;
        if (spec && spec->sidecar) {
            size_t at = (size_t)(spec - w->containers);

            if (!last_sidecar || at > sidecar_at) {
                last_sidecar = c;
                sidecar_at = at;
            }
            continue;
        }
        any = true;
        stop_one(w, c);
    }
    if (!any && last_sidecar) {
        any = true;
        stop_one(w, last_sidecar);
    }
    MAP_EACH(e, &w->locals)
        stopping |= ((struct container_local *)e->value)->stopping;
    return !any && !stopping;
}

/* ---- sandboxes ---- */

static void on_sandbox_gone(void *ctx, struct err *err, const struct json *response)
{
    struct pod_worker *w = ctx;
    bool failed = err && err->reason != REASON_NOT_FOUND;

    if (failed)
        log_warning("kubelet", "pod %s/%s: sandbox: %s", w->ns, w->name, err_text(err));
    err_free(err);
    if (!worker_return(w))
        return;
    w->busy = false;
    w->stale = true;
    if (failed) {
        w->sandboxes_stopped = false;
        worker_wake_in(w, RETRY_NS);
    } else {
        worker_wake(w);
    }
}

static void call_sandbox(struct pod_worker *w, enum runtime_call_id id, str sandbox)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json request = json_object();

    json_setz(a, &request, "pod_sandbox_id", json_string(sandbox));
    w->busy = true;
    worker_call(w);
    runtime_call(w->k->rt, id, &request, 0, on_sandbox_gone, w);
}

/* Every sandbox stopped; the newest even if it stopped by itself, since its network may still hold an address. */
static bool sandboxes_stopped(struct pod_worker *w)
{
    for (size_t i = 0; i < w->rt->n_sandboxes; i++)
        if (w->rt->sandboxes[i].ready || (i == 0 && !w->sandboxes_stopped)) {
            w->sandboxes_stopped = true;
            call_sandbox(w, RUNTIME_STOP_POD_SANDBOX, w->rt->sandboxes[i].id);
            return false;
        }
    return true;
}

static void on_container_removed(void *ctx, struct err *err, const struct json *response)
{
    on_sandbox_gone(ctx, err, response);
}

static bool records_removed(struct pod_worker *w)
{
    for (size_t i = 0; i < w->rt->n_containers; i++)
        log_link_set(w, w->rt->containers[i].name, w->rt->containers[i].id, STR_NONE);
    if (w->rt->n_sandboxes) { /* takes its containers along */
        call_sandbox(w, RUNTIME_REMOVE_POD_SANDBOX, w->rt->sandboxes[0].id);
        return false;
    }
    if (w->rt->n_containers) { /* left over without a sandbox */
        CLEANUP(arena) struct arena *a = arena_new();
        struct json request = json_object();

        json_setz(a, &request, "container_id", json_string(w->rt->containers[0].id));
        w->busy = true;
        worker_call(w);
        runtime_call(w->k->rt, RUNTIME_REMOVE_CONTAINER, &request, 0, on_container_removed, w);
        return false;
    }
    return true;
}

/* ---- what the pod had of the node ---- */

struct release {
    struct pod_worker *w;
    struct arena *arena;
    struct cgroup_fs cgroups;
    str dir, log_dir; /* log_dir empty: logs stay */
    str cgroup;       /* empty: unknown, look for the uid */
    str uid;
    int error;
};

static void remove_group(void *ctx, str uid, str path)
{
    struct release *r = ctx;

    if (str_eq(uid, r->uid))
        cgroup_remove(&r->cgroups, path, true);
}

static void release_work(void *ctx)
{
    struct release *r = ctx;

    r->error = volume_remove_tree(r->dir.p);
    /* Empty it tells whose the logs are, as long as they stay: to who ends the node's agent for good. */
    if (!r->log_dir.n)
        mkdir(r->dir.p, 0750);
    if (r->cgroup.n)
        cgroup_remove(&r->cgroups, r->cgroup, true);
    else
        cgroup_each_pod(&r->cgroups, remove_group, r);
    if (r->log_dir.n)
        volume_remove_tree(r->log_dir.p);
}

static void on_released(void *ctx)
{
    struct release *r = ctx;
    struct pod_worker *w = r->w;
    int error = r->error;

    if (error)
        log_warning("kubelet", "cannot remove " PRI_STR ": %s", STR_ARG(r->dir), strerror(-error));
    if (r->log_dir.n)
        w->removed = true;
    arena_free(r->arena);
    mem_free(r);
    if (!worker_return(w))
        return;
    w->busy = false;
    w->released = true; /* what could not be removed is tried again at the next start */
    w->volumes_applied = false;
    kubelet_pods_changed(w->k);
    worker_wake(w);
}

static void release(struct pod_worker *w, bool with_logs)
{
    struct release *r = NEW(struct release);

    r->w = w;
    r->arena = arena_new();
    r->cgroups = w->k->cgroups;
    r->dir = worker_dir(w, r->arena);
    r->uid = arena_dup(r->arena, str_of(w->uid));
    if (w->pod)
        r->cgroup = cgroup_pod_path(r->arena, w->pod);
    if (with_logs)
        r->log_dir = pod_log_dir(r->arena, str_of(w->ns), str_of(w->name), str_of(w->uid));
    w->busy = true;
    worker_call(w);
    pool_run(w->k->loop, release_work, on_released, r);
}

/* ---- the API ---- */

static void on_deleted(void *ctx, struct err *err, int status, str body)
{
    struct pod_worker *w = ctx;
    bool retry = err && err->reason != REASON_NOT_FOUND && err->reason != REASON_CONFLICT;

    if (retry)
        log_warning("kubelet", "pod %s/%s: cannot delete it from the API: %s", w->ns, w->name,
                    err_text(err));
    err_free(err);
    if (!worker_return(w))
        return;
    if (retry) {
        w->deleting_sent = false;
        worker_wake_in(w, RETRY_NS);
    }
}

static void delete_from_api(struct pod_worker *w)
{
    CLEANUP(buf) struct buf path = BUF_INIT;
    CLEANUP(buf) struct buf body = BUF_INIT;
    struct client_request request = {.method = "DELETE"};

    if (w->deleting_sent)
        return;
    w->deleting_sent = true;
    buf_api_path(&path, STR_NONE, S("v1"), S("pods"), str_of(w->ns), str_of(w->name), STR_NONE);
    /* Not a successor with the same name. */
    buf_fmt(&body,
            "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"gracePeriodSeconds\":0,"
            "\"preconditions\":{\"uid\":\"%s\"}}",
            w->uid);
    request.path = buf_view(&path);
    request.body = buf_view(&body);
    worker_call(w);
    client_do(w->k->client, &request, on_deleted, w);
}

void worker_end(struct pod_worker *w)
{
    bool told;

    if (w->start) {
        container_start_abort(w);
        if (w->start) { /* it is being created right now: then it can be stopped */
            worker_publish(w, false);
            return;
        }
    }
    if (!containers_stopped(w) || w->busy) {
        worker_publish(w, false);
        return;
    }
    if (!sandboxes_stopped(w))
        return;
    told = worker_publish(w, true);
    if (!is_deleted(w)) {
        if (!w->released)
            release(w, false);
        return;
    }
    if (!told) /* how it ended must be known before it vanishes */
        return;
    if (!records_removed(w))
        return;
    if (!w->released || !w->removed) {
        release(w, true);
        return;
    }
    if (w->forgotten)
        worker_free_when_idle(w);
    else
        delete_from_api(w);
}
