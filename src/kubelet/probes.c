/* probes.c - startup, liveness and readiness probes: when they run, and what their results mean.
 *
 * A prober lives as long as the container that it probes. Liveness and readiness wait for the startup probe. A result becomes
 * effective after as many in a row as its threshold asks for; then the worker is woken and decides.
 *
 * A container that has not been ready yet is asked more often than its period says, with growing waits: so a pod is ready as soon as it
 * can be. The API allows that, and such early questions count only when the answer is yes.
 *
 * API: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-probes */
#include "kubelet/kubelet_internal.h"

#define EARLY_FIRST_NS (25 * NS_PER_MS)
#define EARLY_FIRST_EXEC_NS (200 * NS_PER_MS) /* a process in the container costs more */

static const struct {
    const char *field, *name;
} kinds[] = {
    [PROBE_STARTUP] = {"startupProbe", "Startup"},
    [PROBE_LIVENESS] = {"livenessProbe", "Liveness"},
    [PROBE_READINESS] = {"readinessProbe", "Readiness"},
};

struct prober {
    struct pod_worker *w;
    enum probe_kind kind;
    char *container, *id;
    struct loop_timer *timer;
    struct action *action;
    bool last_ok;
    int in_row;
    bool stopped;
    bool early;        /* this question is outside of the period */
    int64_t early_ns;  /* the wait before the next such one; 0: no more of them */
    mono_time regular; /* when the period's next one is due */
};

static void set_result(struct prober *p, enum probe_result result)
{
    struct container_local *l = worker_local(p->w, str_of(p->container));

    if (l->results[p->kind] == result)
        return;
    l->results[p->kind] = result;
    worker_wake(p->w);
}

static const struct json *probe_spec(const struct prober *p, const struct json **ret_container,
                                     enum container_kind *ret_kind)
{
    *ret_container = podspec_find_container(p->w->pod, str_of(p->container), ret_kind);
    return json_findz(*ret_container, kinds[p->kind].field);
}

static void schedule(struct prober *p, const struct json *spec)
{
    int64_t period = MAX(json_get_int(spec, "periodSeconds", 10), INT64_C(1)) * NS_PER_S;
    mono_time now = loop_now(p->w->k->loop);

    if (!p->early)
        p->regular.ns = now.ns + period;
    p->early = p->early_ns && now.ns + p->early_ns < p->regular.ns;
    if (!p->early) {
        loop_timer_set(p->timer, p->regular.ns - now.ns);
        return;
    }
    loop_timer_set(p->timer, p->early_ns);
    p->early_ns *= 2;
}

static void on_result(void *ctx, bool ok, bool unknown, str message)
{
    struct prober *p = ctx;
    struct pod_worker *w = p->w;
    const struct json *container, *spec;
    enum container_kind kind = CONTAINER_REGULAR;
    CLEANUP(buf) struct buf path = BUF_INIT;
    bool early = p->early;
    int64_t threshold;

    p->action = NULL;
    spec = probe_spec(p, &container, &kind);
    if (!spec || w->gone)
        return;
    if (ok)
        p->early_ns = 0;
    schedule(p, spec);
    if (early && !ok)
        return;
    buf_container_path(&path, kind, str_of(p->container));
    if (!ok)
        kubelet_event(w->k, w->pod, buf_view(&path), "Warning", "Unhealthy",
                      "%s probe %s: " PRI_STR, kinds[p->kind].name, unknown ? "errored" : "failed",
                      STR_ARG(message));
    if (unknown) /* the probing failed, not the container */
        return;
    p->in_row = ok == p->last_ok ? p->in_row + 1 : 1;
    p->last_ok = ok;
    threshold =
        ok ? json_get_int(spec, "successThreshold", 1) : json_get_int(spec, "failureThreshold", 3);
    if (p->in_row < MAX(threshold, INT64_C(1)))
        return;
    set_result(p, ok ? PROBE_SUCCESS : PROBE_FAILURE);
    /* A failed container is about to be replaced, a started one needs no more: no more probing of it. */
    if ((p->kind == PROBE_STARTUP) || (p->kind == PROBE_LIVENESS && !ok)) {
        loop_timer_stop(p->timer);
        p->stopped = true;
        if (p->kind == PROBE_STARTUP)
            worker_wake(w);
    }
}

static void on_timer(void *ctx)
{
    CLEANUP(arena) struct arena *a = NULL;
    struct prober *p = ctx;
    struct pod_worker *w = p->w;
    struct container_local *l = worker_local(w, str_of(p->container));
    const struct json *container, *spec;
    enum container_kind kind;
    struct pod_context pc;
    struct action_target target;

    spec = probe_spec(p, &container, &kind);
    if (!spec || p->action || p->stopped)
        return;
    /* The others wait for the startup probe's success. */
    if (p->kind != PROBE_STARTUP && json_findz(container, "startupProbe") &&
        l->results[PROBE_STARTUP] != PROBE_SUCCESS) {
        schedule(p, spec);
        return;
    }
    a = arena_new();
    pc = worker_context(w, a);
    target = (struct action_target){w->k, container, str_of(p->id),
                                    pc.n_pod_ips ? pc.pod_ips[0] : STR_NONE};
    p->action = action_run(&target, spec,
                           MAX(json_get_int(spec, "timeoutSeconds", 1), INT64_C(1)) * NS_PER_S,
                           true, on_result, p);
}

static void prober_free(struct prober *p)
{
    if (!p)
        return;
    action_cancel(p->action);
    loop_timer_free(p->timer);
    mem_free(p->container);
    mem_free(p->id);
    mem_free(p);
}

void probes_stop(struct container_local *l)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        prober_free(TAKE(l->probers[i]));
        l->results[i] = PROBE_UNKNOWN;
    }
    mem_free(TAKE(l->probed_id));
}

static void start(struct pod_worker *w, struct container_local *l, const struct json *container,
                  const struct rt_container *now)
{
    int64_t up = loop_wall(w->k->loop).ns - now->started_ns;

    l->probed_id = str_dupz(now->id);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const struct json *spec = json_findz(container, kinds[i].field);
        struct prober *p;

        if (!spec)
            continue;
        p = NEW(struct prober);
        p->w = w;
        p->kind = (enum probe_kind)i;
        p->container = mem_strdup(l->name);
        p->id = str_dupz(now->id);
        p->timer = loop_timer_new(w->k->loop, on_timer, p);
        if (i == PROBE_READINESS)
            p->early_ns = json_findz(spec, "exec") ? EARLY_FIRST_EXEC_NS : EARLY_FIRST_NS;
        l->probers[i] = p;
        loop_timer_set(p->timer, MAX(json_get_int(spec, "initialDelaySeconds", 0) * NS_PER_S - up,
                                     INT64_C(0)));
        /* What ran before this agent did is taken for started and as ready as the API last saw it. */
        if (i == PROBE_STARTUP || i == PROBE_READINESS) {
            static const char *const lists[] = {"containerStatuses", "initContainerStatuses"};

            for (size_t k = 0; k < ARRAY_LEN(lists); k++)
                JSON_EACH(s, json_at(w->pod, "status", lists[k], NULL))
                    if (str_is(json_get_str(s, "name"), l->name) &&
                        str_has_suffix(json_get_str(s, "containerID"), now->id) &&
                        json_get_bool(s, i == PROBE_STARTUP ? "started" : "ready", false))
                        l->results[i] = PROBE_SUCCESS;
            if (i == PROBE_STARTUP && l->results[i] == PROBE_SUCCESS) {
                p->stopped = true;
                loop_timer_stop(p->timer);
            }
        }
    }
}

void probes_update(struct pod_worker *w)
{
    bool ending = worker_is_ending(w);

    for (size_t i = 0; i < w->n_containers; i++) {
        const struct pod_container *c = &w->containers[i];
        struct container_local *l = worker_local(w, c->name);
        const struct rt_container *now = worker_running(w, c->name);
        bool probed = now && !(c->kind == CONTAINER_INIT && !c->sidecar) &&
                      c->kind != CONTAINER_EPHEMERAL && !container_start_is_in_hook(w, c->name);

        if (l->probed_id && (!probed || strcmp(l->probed_id, now->id.p)))
            probes_stop(l);
        if (probed && !l->probed_id && !ending)
            start(w, l, c->spec, now);
        /* On its way out a pod is not made to fail, but it may become unready. */
        if (ending || l->stopping) {
            prober_free(TAKE(l->probers[PROBE_LIVENESS]));
            prober_free(TAKE(l->probers[PROBE_STARTUP]));
        }
        /* The startup probe's success lets the others begin at once. */
        if (l->results[PROBE_STARTUP] == PROBE_SUCCESS && l->probers[PROBE_STARTUP] &&
            l->probers[PROBE_STARTUP]->stopped) {
            prober_free(TAKE(l->probers[PROBE_STARTUP]));
            for (size_t k = PROBE_LIVENESS; k <= PROBE_READINESS; k++)
                if (l->probers[k] && !l->probers[k]->action) {
                    l->probers[k]->early = false;
                    if (k == PROBE_READINESS)
                        l->probers[k]->early_ns = EARLY_FIRST_NS;
                    loop_timer_set(l->probers[k]->timer, 0);
                }
        }
    }
}
