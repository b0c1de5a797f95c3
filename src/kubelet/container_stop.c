/* container_stop.c - one container's end: preStop within the grace period, then the runtime's stop with what is left of it. */
#include "kubelet/kubelet_internal.h"

#define GRACE_AFTER_HOOK_MIN_S 2 /* however long the hook took */
#define RETRY_NS NS_PER_S

struct container_stop {
    struct pod_worker *w;
    char *name, *id;
    int64_t grace_s;
    mono_time begun;
    struct action *hook;
    struct loop_timer *hook_limit;
};

static void stop_free(struct container_stop *s)
{
    action_cancel(s->hook);
    loop_timer_free(s->hook_limit);
    mem_free(s->name);
    mem_free(s->id);
    mem_free(s);
}

static void on_stopped(void *ctx, struct err *err, const struct json *response)
{
    struct container_stop *s = ctx;
    struct pod_worker *w = s->w;

    if (err && err->reason != REASON_NOT_FOUND)
        log_warning("kubelet", "pod %s/%s container %s: stop: %s", w->ns, w->name, s->name,
                    err_text(err));
    if (worker_return(w)) {
        struct container_local *l = worker_local(w, str_of(s->name));

        if (l->stop == s) {
            l->stop = NULL;
            l->stopping = false;
        }
        w->stale = true;
        if (err && err->reason != REASON_NOT_FOUND)
            worker_wake_in(w, RETRY_NS);
        else
            worker_wake(w);
    }
    err_free(err);
    stop_free(s);
}

static void call_stop(struct container_stop *s, int64_t grace_s)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json request = json_object();

    json_setz(a, &request, "container_id", json_z(s->id));
    json_setz(a, &request, "timeout", json_int(grace_s));
    runtime_call(s->w->k->rt, RUNTIME_STOP_CONTAINER, &request,
                 grace_s * NS_PER_S + RUNTIME_TIMEOUT_NS, on_stopped, s);
}

static void after_hook(struct container_stop *s)
{
    int64_t used_s;

    loop_timer_free(TAKE(s->hook_limit));
    if (s->w->gone) { /* nobody is left to care */
        worker_return(s->w);
        stop_free(s);
        return;
    }
    used_s = (loop_now(s->w->k->loop).ns - s->begun.ns) / NS_PER_S;
    call_stop(s, MAX(s->grace_s - used_s, MIN(s->grace_s, (int64_t)GRACE_AFTER_HOOK_MIN_S)));
}

static void on_hook(void *ctx, bool ok, bool unknown, str message)
{
    struct container_stop *s = ctx;
    struct pod_worker *w = s->w;

    s->hook = NULL;
    if (!ok && !w->gone && w->pod) {
        CLEANUP(buf) struct buf path = BUF_INIT;

        log_info("kubelet", "pod %s/%s container %s: preStop: " PRI_STR, w->ns, w->name, s->name,
                 STR_ARG(message));
        buf_container_path(&path, CONTAINER_REGULAR, str_of(s->name));
        kubelet_event(w->k, w->pod, buf_view(&path), "Warning", "FailedPreStopHook",
                      "PreStopHook failed");
    }
    after_hook(s);
}

static void on_hook_limit(void *ctx)
{
    struct container_stop *s = ctx;

    action_cancel(TAKE(s->hook));
    after_hook(s);
}

/* The grace period became shorter: the runtime is asked once more; whichever stop ends first has done it. */
static void shorten(struct container_stop *s, int64_t grace_s)
{
    struct container_stop *again = NEW(struct container_stop);

    s->grace_s = grace_s;
    if (s->hook) {
        loop_timer_set(s->hook_limit, grace_s * NS_PER_S);
        mem_free(again);
        return;
    }
    again->w = s->w;
    again->name = mem_strdup(s->name);
    again->id = mem_strdup(s->id);
    worker_call(s->w);
    call_stop(again, grace_s);
}

void container_stop_begin(struct pod_worker *w, const struct rt_container *c, int64_t grace_s,
                          const char *reason, str message)
{
    struct container_local *l = worker_local(w, c->name);
    struct container_stop *s = l->stop;
    const struct json *hook = NULL;
    enum container_kind kind = CONTAINER_REGULAR;
    const struct json *spec;

    if (s && !strcmp(s->id, c->id.p)) {
        int64_t left = s->grace_s - (loop_now(w->k->loop).ns - s->begun.ns) / NS_PER_S;

        if (grace_s < s->grace_s && grace_s < left)
            shorten(s, grace_s);
        return;
    }
    s = NEW(struct container_stop);
    s->w = w;
    s->name = str_dupz(c->name);
    s->id = str_dupz(c->id);
    s->grace_s = grace_s;
    s->begun = loop_now(w->k->loop);
    l->stop = s;
    l->stopping = true;
    spec = podspec_find_container(w->pod, c->name, &kind);
    if (w->pod) {
        CLEANUP(buf) struct buf path = BUF_INIT;

        buf_container_path(&path, kind, c->name);
        kubelet_event(w->k, w->pod, buf_view(&path), "Normal", reason, PRI_STR, STR_ARG(message));
    }
    worker_call(w);
    hook = json_at(spec, "lifecycle", "preStop", NULL);
    if (hook && grace_s > 0) {
        CLEANUP(arena) struct arena *a = arena_new();
        struct pod_context pc = worker_context(w, a);
        struct action_target target = {w->k, spec, c->id, pc.n_pod_ips ? pc.pod_ips[0] : STR_NONE};

        s->hook_limit = loop_timer_new(w->k->loop, on_hook_limit, s);
        loop_timer_set(s->hook_limit, grace_s * NS_PER_S);
        s->hook = action_run(&target, hook, grace_s * NS_PER_S, false, on_hook, s);
        return;
    }
    call_stop(s, grace_s);
}
