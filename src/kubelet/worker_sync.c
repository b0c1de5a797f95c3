/* worker_sync.c - brings a pod that should run a step further: admission, volumes, sandbox, then its containers in their order. */
#include "kubelet/kubelet_internal.h"

#include <sys/stat.h>
#include <unistd.h>

#include "kubelet/pod_files.h"

#define SANDBOX_RETRY_FIRST_NS NS_PER_S
#define SANDBOX_RETRY_MAX_NS (60 * NS_PER_S)
#define VOLUME_RETRY_FIRST_NS (500 * NS_PER_MS)
#define VOLUME_RETRY_MAX_NS (122 * NS_PER_S)
#define RESOLV_CONF_MAX 65536u
#define DEAD_KEPT 2 /* per container name: the last and the one before it, which lastState shows */

/* ---- admission ---- */

struct others {
    struct arena *a;
    const struct json **list;
    size_t n;
};

static bool admit(struct pod_worker *w)
{
    CLEANUP(arena) struct arena *a = NULL;
    struct admission_input in = {.pod = w->pod, .max_pods = w->k->o.max_pods};
    const struct obj *node;
    struct json *tree = NULL;
    str reason, message;

    if (w->admitted)
        return true;
    w->admitted = true;
    if (w->rt->n_containers || w->rt->n_sandboxes)
        return true; /* it was here before this agent */
    a = arena_new();
    node = informer_find(w->k->nodes, STR_NONE, w->k->o.node_name);
    if (node) {
        struct err *err = json_parse(a, node->data, NULL, NULL, &tree);

        err_free(err);
    }
    in.node = tree;
    {
        const struct json **list = ARENA_NEW_N(a, const struct json *, w->k->workers.n_used + 1);
        size_t n = 0;

        MAP_EACH(e, &w->k->workers) {
            const struct pod_worker *other = e->value;

            if (other != w && other->pod && other->admitted && !podspec_is_finished(other->pod) &&
                !other->fail_reason)
                list[n++] = other->pod;
        }
        in.others = list;
        in.n_others = n;
    }
    if (admission_check(a, &in, &reason, &message))
        return true;
    w->fail_reason = str_dupz(reason);
    w->fail_message = str_dupz(message);
    kubelet_event(w->k, w->pod, STR_NONE, "Warning", w->fail_reason, "%s", w->fail_message);
    return false;
}

/* ---- its time ---- */

/* spec.activeDeadlineSeconds: how long the pod may take in all, counted from its arrival on this node. */
static bool is_in_time(struct pod_worker *w)
{
    int64_t allowed_s = json_get_int(w->pod, "spec.activeDeadlineSeconds", 0), left_ns;
    wall_time began;

    if (!allowed_s || !rfc3339_parse(json_get_str(w->pod, "status.startTime"), &began))
        return true;
    left_ns = began.ns + allowed_s * NS_PER_S - loop_wall(w->k->loop).ns;
    if (left_ns > 0) {
        worker_wake_in(w, left_ns);
        return true;
    }
    w->fail_reason = mem_strdup("DeadlineExceeded");
    w->fail_message = mem_strdup("Pod was active on the node longer than the specified deadline");
    kubelet_event(w->k, w->pod, STR_NONE, "Normal", w->fail_reason, "%s", w->fail_message);
    return false;
}

/* ---- volumes and cgroup ---- */

struct prepare {
    struct pod_worker *w;
    struct arena *arena;
    struct volume_set set;
    struct err *err;
    struct cgroup_fs cgroups;
    struct cgroup_limits limits;
    str cgroup, pod_dir, log_dir;
    bool make_cgroup;
    int cgroup_error;
    str *dirs;
    size_t n_dirs;
};

static int make_dir(const char *path)
{
    char *p = mem_strdup(path);
    int r = 0;

    for (char *s = p + 1; r == 0; s++) {
        char c = *s;

        if (c != '/' && c != 0)
            continue;
        *s = 0;
        if (mkdir(p, 0755) < 0 && errno != EEXIST)
            r = -errno;
        *s = c;
        if (!c)
            break;
    }
    mem_free(p);
    return r;
}

static void prepare_work(void *ctx)
{
    struct prepare *p = ctx;

    for (size_t i = 0; i < p->n_dirs && !p->err; i++) {
        int r = make_dir(p->dirs[i].p);

        if (r < 0)
            p->err = err_errno(r, "make " PRI_STR, STR_ARG(p->dirs[i]));
    }
    if (!p->err && p->make_cgroup)
        p->cgroup_error = cgroup_make(&p->cgroups, p->cgroup, &p->limits);
    if (!p->err)
        p->err = volume_set_apply(&p->set);
}

static void volumes_failed(struct pod_worker *w, struct err *err)
{
    if (err->reason != REASON_UNAVAILABLE) {
        kubelet_event(w->k, w->pod, STR_NONE, "Warning", "FailedMount", "%s", err_text(err));
        w->volume_retry_ns = w->volume_retry_ns ? MIN(w->volume_retry_ns * 2, VOLUME_RETRY_MAX_NS)
                                                : VOLUME_RETRY_FIRST_NS;
    } else {
        w->volume_retry_ns = VOLUME_RETRY_FIRST_NS;
    }
    err_free(err);
    w->volume_retry_at.ns = loop_now(w->k->loop).ns + w->volume_retry_ns;
    worker_wake_in(w, w->volume_retry_ns);
}

static void on_prepared(void *ctx)
{
    struct prepare *p = ctx;
    struct pod_worker *w = p->w;

    if (!worker_return(w)) {
        err_free(p->err);
        arena_free(p->arena);
        mem_free(p);
        return;
    }
    w->busy = false;
    if (p->cgroup_error) {
        CLEANUP(buf) struct buf name = BUF_INIT;

        buf_pod_name(&name, w->pod);
        kubelet_event(
            w->k, w->pod, STR_NONE, "Warning", "FailedCreatePodContainer",
            "unable to ensure pod container exists: failed to create container for " PRI_STR
            " : %s",
            STR_ARG(p->cgroup), strerror(-p->cgroup_error));
        log_warning("kubelet", "cgroup of pod %s: %s", buf_cstr(&name), strerror(-p->cgroup_error));
    }
    if (p->err) {
        volumes_failed(w, p->err);
        arena_free(p->arena);
    } else {
        arena_free(w->volumes_arena);
        w->volumes_arena = p->arena;
        w->volumes = p->set;
        w->volumes_applied = true;
        w->cgroup_made = true;
        w->volume_retry_ns = 0;
        w->volume_retry_at.ns = 0;
        if (p->make_cgroup)
            kubelet_pods_changed(w->k);
        worker_wake(w);
    }
    mem_free(p);
}

/* Everything that must be on the node before the pod's containers: true when it is; otherwise it is under way or is waited for. */
static bool prepared(struct pod_worker *w)
{
    struct pod_context pc;
    struct volume_context vc;
    struct prepare *p;
    struct err *err;
    int64_t wait;

    if (w->volumes_applied && !w->volumes_dirty)
        return true;
    wait = w->volume_retry_at.ns - loop_now(w->k->loop).ns;
    if (w->volume_retry_at.ns && wait > 0 && !w->volumes_dirty) {
        worker_wake_in(w, wait);
        return w->volumes_applied;
    }
    if (!refs_are_known(w->k->refs, w) || !informer_is_synced(w->k->services))
        return w->volumes_applied;
    if (!worker_tokens_ready(w))
        return w->volumes_applied;
    p = NEW(struct prepare);
    p->w = w;
    p->arena = arena_new();
    pc = worker_context(w, p->arena);
    vc = (struct volume_context){&pc, w->k->o.root_dir, worker_token_find, w};
    w->volumes_dirty = false;
    err = volume_set_make(p->arena, &vc, &p->set);
    if (err) {
        volumes_failed(w, err);
        arena_free(p->arena);
        mem_free(p);
        return w->volumes_applied;
    }
    /* The set's strings must not depend on this version of the pod. */
    for (size_t i = 0; i < p->set.n; i++) {
        struct volume *v = &p->set.volumes[i];

        v->name = arena_dup(p->arena, v->name);
        v->path = arena_dup(p->arena, v->path);
        v->host_type = arena_dup(p->arena, v->host_type);
        for (size_t k = 0; k < v->n_files; k++) {
            v->files[k].path = arena_dup(p->arena, v->files[k].path);
            v->files[k].data = arena_dup(p->arena, v->files[k].data);
        }
    }
    p->cgroups = w->k->cgroups;
    p->make_cgroup = !w->cgroup_made;
    p->cgroup = cgroup_pod_path(p->arena, w->pod);
    cgroup_pod_limits(w->pod, &p->limits);
    p->pod_dir = worker_dir(w, p->arena);
    p->dirs = ARENA_NEW_N(p->arena, str, 4 + w->n_containers);
    p->dirs[p->n_dirs++] = arena_fmt(p->arena, PRI_STR "/volumes", STR_ARG(p->pod_dir));
    p->dirs[p->n_dirs++] = arena_fmt(p->arena, PRI_STR "/plugins", STR_ARG(p->pod_dir));
    p->dirs[p->n_dirs++] = pod_log_dir(p->arena, str_of(w->ns), str_of(w->name), str_of(w->uid));
    p->dirs[p->n_dirs++] = S("/var/log/containers");
    for (size_t i = 0; i < w->n_containers; i++)
        p->dirs[p->n_dirs++] = arena_fmt(p->arena, PRI_STR "/containers/" PRI_STR,
                                         STR_ARG(p->pod_dir), STR_ARG(w->containers[i].name));
    w->busy = true;
    worker_call(w);
    pool_run(w->k->loop, prepare_work, on_prepared, p);
    return false;
}

/* ---- sandbox ---- */

/* Many at once would only make each of them slow: the runtime's work is the processor's. Pods get ready one after another instead of
 * all at the end. */
void worker_sandbox_next(struct kubelet *k)
{
    struct pod_worker *w;

    if (list_is_empty(&k->sandbox_queue) || k->n_sandboxes_making >= k->sandboxes_max)
        return;
    w = LIST_ITEM(k->sandbox_queue.next, struct pod_worker, sandbox_link);
    list_del(&w->sandbox_link);
    w->sandbox_turn = true;
    worker_wake(w);
}

static bool is_its_turn(struct pod_worker *w)
{
    struct kubelet *k = w->k;

    if (!w->sandbox_turn &&
        (k->n_sandboxes_making >= k->sandboxes_max || !list_is_empty(&k->sandbox_queue))) {
        if (list_is_empty(&w->sandbox_link))
            list_add_tail(&k->sandbox_queue, &w->sandbox_link);
        worker_sandbox_next(k);
        return false;
    }
    list_del(&w->sandbox_link);
    w->sandbox_turn = false;
    k->n_sandboxes_making++;
    return true;
}

static void on_sandbox(void *ctx, struct err *err, const struct json *response)
{
    struct pod_worker *w = ctx;

    w->k->n_sandboxes_making--;
    worker_sandbox_next(w->k);

    if (!worker_return(w)) {
        err_free(err);
        return;
    }
    w->busy = false;
    w->stale = true;
    if (err) {
        kubelet_event(w->k, w->pod, STR_NONE, "Warning", "FailedCreatePodSandBox",
                      "Failed to create pod sandbox: %s", err_text(err));
        log_warning("kubelet", "pod %s/%s: sandbox: %s", w->ns, w->name, err_text(err));
        err_free(err);
        w->sandbox_retry_ns = w->sandbox_retry_ns
                                  ? MIN(w->sandbox_retry_ns * 2, SANDBOX_RETRY_MAX_NS)
                                  : SANDBOX_RETRY_FIRST_NS;
        w->sandbox_retry_at.ns = loop_now(w->k->loop).ns + w->sandbox_retry_ns;
    } else {
        w->sandbox_retry_ns = 0;
        w->sandbox_retry_at.ns = 0;
    }
    worker_wake(w);
}

static void run_sandbox(struct pod_worker *w, uint32_t attempt)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf resolv = BUF_INIT;
    struct json request = json_object(), dns;
    str hostname, domain;
    int64_t wait = w->sandbox_retry_at.ns - loop_now(w->k->loop).ns;

    if (w->sandbox_retry_at.ns && wait > 0) {
        worker_wake_in(w, wait);
        return;
    }
    if (!is_its_turn(w))
        return;
    (void)file_read(w->k->loop, "/etc/resolv.conf", RESOLV_CONF_MAX, &resolv);
    pod_hostname(a, w->pod, w->k->o.node_name, w->k->o.cluster_domain, &hostname, &domain);
    dns = pod_dns_config(a, w->pod, w->k->o.cluster_dns, w->k->o.cluster_domain, buf_view(&resolv));
    json_setz(a, &request, "config",
              cri_sandbox_config(a, w->pod, attempt, hostname, &dns, cgroup_pod_path(a, w->pod)));
    w->busy = true;
    worker_call(w);
    runtime_call(w->k->rt, RUNTIME_RUN_POD_SANDBOX, &request, 0, on_sandbox, w);
}

/* Stops what is left of an earlier sandbox: containers first, then each sandbox. */
static void on_old_sandbox_stopped(void *ctx, struct err *err, const struct json *response)
{
    struct pod_worker *w = ctx;

    if (err)
        log_warning("kubelet", "pod %s/%s: stop sandbox: %s", w->ns, w->name, err_text(err));
    err_free(err);
    if (!worker_return(w))
        return;
    w->busy = false;
    w->stale = true;
    worker_wake_in(w, 0);
}

static bool old_sandbox_stopped(struct pod_worker *w)
{
    CLEANUP(arena) struct arena *a = NULL;
    struct json request = json_object();
    bool any = false;

    for (size_t i = 0; i < w->rt->n_containers; i++) {
        const struct rt_container *c = &w->rt->containers[i];

        if (c->state != CONTAINER_STATE_RUNNING)
            continue;
        any = true;
        container_stop_begin(w, c, podspec_grace_s(w->pod), "Killing",
                             S("Pod sandbox changed, it will be killed and re-created."));
    }
    if (any)
        return false;
    for (size_t i = 0; i < w->rt->n_sandboxes; i++) {
        const struct rt_sandbox *s = &w->rt->sandboxes[i];

        /* The newest is stopped even when it is not ready: its network may still hold an address. */
        if (!s->ready && (i > 0 || w->sandboxes_stopped))
            continue;
        if (!w->sandboxes_stopped)
            kubelet_event(w->k, w->pod, STR_NONE, "Normal", "SandboxChanged",
                          "Pod sandbox changed, it will be killed and re-created.");
        a = arena_new();
        w->sandboxes_stopped = true;
        json_setz(a, &request, "pod_sandbox_id", json_string(s->id));
        w->busy = true;
        worker_call(w);
        runtime_call(w->k->rt, RUNTIME_STOP_POD_SANDBOX, &request, 0, on_old_sandbox_stopped, w);
        return false;
    }
    return true;
}

/* ---- containers ---- */

static void start_next(struct pod_worker *w, const struct pod_plan *plan)
{
    wall_time now = loop_wall(w->k->loop); /* the runtime's times are the clock's, too */
    mono_time mono = loop_now(w->k->loop);
    const struct backoff crash = BACKOFF_CONTAINER;

    for (size_t i = 0; i < plan->n_start && !w->start; i++) {
        const struct pod_container *c = &w->containers[plan->start[i]];
        struct container_local *l = worker_local(w, c->name);
        const struct rt_container *last = pod_runtime_find(w->rt, c->name, 0);
        int64_t wait;

        if (l->stopping)
            continue;
        if (l->retry_at.ns && l->retry_at.ns > mono.ns) {
            worker_wake_in(w, l->retry_at.ns - mono.ns);
            continue;
        }
        if (last && last->state == CONTAINER_STATE_EXITED) {
            wait = backoff_wait_ns(&crash, &l->crash, (wall_time){last->finished_ns}, now);
            if (wait > 0) {
                CLEANUP(buf) struct buf pod = BUF_INIT;
                CLEANUP(buf) struct buf delay = BUF_INIT;
                CLEANUP(buf) struct buf message = BUF_INIT;
                CLEANUP(buf) struct buf path = BUF_INIT;

                buf_pod_name(&pod, w->pod);
                buf_duration(&delay, l->crash.delay_ns);
                buf_fmt(&message, "back-off %s restarting failed container=" PRI_STR " pod=%s",
                        buf_cstr(&delay), STR_ARG(c->name), buf_cstr(&pod));
                worker_local_waiting(l, "CrashLoopBackOff", buf_view(&message));
                buf_container_path(&path, c->kind, c->name);
                if (!l->backoff_told)
                    kubelet_event(w->k, w->pod, buf_view(&path), "Warning", "BackOff",
                                  "Back-off restarting failed container " PRI_STR " in pod %s",
                                  STR_ARG(c->name), buf_cstr(&pod));
                l->backoff_told = true;
                worker_wake_in(w, wait);
                continue;
            }
            backoff_raise(&crash, &l->crash, now);
        }
        container_start_begin(w, plan->start[i]);
    }
}

static void stop_what_must_go(struct pod_worker *w, const struct pod_plan *plan)
{
    static const char *const why[] = {
        [KILL_CHANGED] = "Container " PRI_STR " definition changed",
        [KILL_LIVENESS] = "Container " PRI_STR " failed liveness probe",
        [KILL_STARTUP] = "Container " PRI_STR " failed startup probe",
        [KILL_DELETED] = "Stopping container " PRI_STR,
        [KILL_FAILED_POST_START] = "FailedPostStartHook",
        [KILL_POD_OVER] = "Stopping container " PRI_STR,
        [KILL_UNKNOWN_STATE] =
            "Container " PRI_STR " is in an unknown state, try killing it before restart",
    };

    for (size_t i = 0; i < plan->n_kill; i++) {
        const struct plan_kill *kill = &plan->kill[i];
        const struct pod_container *c = &w->containers[kill->container];
        const struct rt_container *now = worker_running(w, c->name);
        CLEANUP(buf) struct buf message = BUF_INIT;
        int64_t grace = json_get_int(w->pod, "spec.terminationGracePeriodSeconds", 30);

        if (!now)
            continue;
        if (kill->reason == KILL_LIVENESS)
            grace = json_get_int(c->spec, "livenessProbe.terminationGracePeriodSeconds", grace);
        if (kill->reason == KILL_STARTUP)
            grace = json_get_int(c->spec, "startupProbe.terminationGracePeriodSeconds", grace);
        buf_fmt(&message, why[kill->reason], STR_ARG(c->name));
        if (kill->restarted)
            buf_z(&message, ", will be restarted");
        container_stop_begin(w, now, grace, "Killing", buf_view(&message));
    }
}

/* ---- the dead ---- */

static void on_removed(void *ctx, struct err *err, const struct json *response)
{
    struct pod_worker *w = ctx;

    err_free(err);
    if (worker_return(w))
        w->stale = true;
}

/* Ended containers beyond those that the status shows, with their logs. */
static void remove_old(struct pod_worker *w)
{
    for (size_t i = 0; i < w->rt->n_containers; i++) {
        struct rt_container *c = &w->rt->containers[i];
        CLEANUP(arena) struct arena *a = NULL;
        struct json request = json_object();
        const struct rt_container *kept = pod_runtime_find(w->rt, c->name, DEAD_KEPT - 1);

        if (c->removing || c->state != CONTAINER_STATE_EXITED || !kept ||
            c->created_ns >= kept->created_ns)
            continue;
        a = arena_new();
        json_setz(a, &request, "container_id", json_string(c->id));
        if (c->log_path.n)
            unlink(c->log_path.p);
        log_link_set(w, c->name, c->id, STR_NONE);
        worker_call(w);
        runtime_call(w->k->rt, RUNTIME_REMOVE_CONTAINER, &request, 0, on_removed, w);
        c->removing = true;
    }
}

/* Earlier sandboxes without a container left in them. */
static void remove_old_sandboxes(struct pod_worker *w)
{
    for (size_t i = 1; i < w->rt->n_sandboxes; i++) {
        struct rt_sandbox *s = &w->rt->sandboxes[i];
        CLEANUP(arena) struct arena *a = NULL;
        struct json request = json_object();
        bool used = s->ready || s->removing;

        for (size_t k = 0; k < w->rt->n_containers; k++)
            used |= str_eq(w->rt->containers[k].sandbox_id, s->id);
        if (used)
            continue;
        a = arena_new();
        json_setz(a, &request, "pod_sandbox_id", json_string(s->id));
        s->removing = true;
        worker_call(w);
        runtime_call(w->k->rt, RUNTIME_REMOVE_POD_SANDBOX, &request, 0, on_removed, w);
    }
}

/* ---- the whole ---- */

void worker_sync(struct pod_worker *w)
{
    CLEANUP(arena) struct arena *a = NULL;
    struct pod_plan plan;

    if (!admit(w) || !is_in_time(w))
        return;
    a = arena_new();
    pod_plan_make(a, w->pod, w->containers, w->n_containers, w->rt, &plan);
    w->over = plan.over;
    if (plan.over)
        return;
    if (plan.create_sandbox) {
        if (w->start)
            container_start_abort(w);
        else if ((!plan.stop_all || old_sandbox_stopped(w)) && prepared(w))
            run_sandbox(w, plan.attempt);
    } else {
        w->sandboxes_stopped = false;
        stop_what_must_go(w, &plan);
        if (prepared(w) && !w->busy)
            start_next(w, &plan);
        worker_resize(w);
        remove_old(w);
        remove_old_sandboxes(w);
    }
    worker_publish(w, false);
}
