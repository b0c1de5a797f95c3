/* pod_plan.c - what a pod lacks; see pod_plan.h. Pure.
 *
 * The order of things: a ready sandbox -> init containers one after another (sidecars: until started) -> all others at once.
 * "Was initialized" is read off the runtime: a regular container of this sandbox exists. */
#include "kubelet/pod_plan.h"

#include "schema/schema.h"

bool pod_plan_restarts(const struct json *pod, const struct json *container,
                       const struct rt_container *last)
{
    str policy;

    if (podspec_is_deleting(pod))
        return false;
    if (!last || last->state == CONTAINER_STATE_CREATED || last->state == CONTAINER_STATE_UNKNOWN)
        return true;
    if (last->state == CONTAINER_STATE_RUNNING)
        return false;
    policy = podspec_restart_policy(pod, container);
    if (str_is(policy, "Never"))
        return false;
    return str_is(policy, "Always") || last->exit_code != 0;
}

bool pod_container_is_started(const struct pod_container *c, const struct rt_container *now)
{
    if (!now || now->state != CONTAINER_STATE_RUNNING)
        return false;
    return !json_findz(c->spec, "startupProbe") || c->startup == PROBE_SUCCESS;
}

bool pod_container_is_ready(const struct pod_container *c, const struct rt_container *now)
{
    if (c->kind == CONTAINER_INIT && !c->sidecar)
        return now && now->state == CONTAINER_STATE_EXITED && now->exit_code == 0;
    if (!pod_container_is_started(c, now))
        return false;
    return !json_findz(c->spec, "readinessProbe") || c->readiness == PROBE_SUCCESS;
}

static bool has_regular(const struct pod_container *cs, size_t n, const struct pod_runtime *rt,
                        str sandbox)
{
    for (size_t i = 0; i < n; i++)
        if (cs[i].kind == CONTAINER_REGULAR && pod_runtime_find_in(rt, sandbox, cs[i].name))
            return true;
    return false;
}

bool pod_plan_is_initialized(const struct pod_container *cs, size_t n, const struct pod_runtime *rt)
{
    const struct rt_sandbox *sandbox = pod_runtime_sandbox(rt);
    bool any_init = false;

    for (size_t i = 0; i < n; i++)
        any_init |= cs[i].kind == CONTAINER_INIT;
    if (!any_init)
        return true;
    if (!sandbox)
        return false;
    if (has_regular(cs, n, rt, sandbox->id))
        return true;
    for (size_t i = 0; i < n; i++) {
        const struct rt_container *now;

        if (cs[i].kind != CONTAINER_INIT)
            continue;
        now = pod_runtime_find_in(rt, sandbox->id, cs[i].name);
        if (cs[i].sidecar ? !pod_container_is_started(&cs[i], now)
                          : !pod_container_is_ready(&cs[i], now))
            return false;
    }
    return true;
}

static void add_start(struct pod_plan *p, size_t i)
{
    p->start[p->n_start++] = i;
}

static void add_kill(struct pod_plan *p, size_t i, enum kill_reason reason, bool restarted)
{
    p->kill[p->n_kill++] = (struct plan_kill){i, reason, restarted};
}

static bool hash_differs(const struct pod_container *c, const struct rt_container *now)
{
    char hash[9];

    podspec_container_hash(c->spec, hash);
    return now->hash.n && !str_is(now->hash, hash);
}

/* A running container that must not go on as it is. */
static bool must_be_replaced(const struct json *pod, const struct pod_container *c,
                             const struct rt_container *now, enum kill_reason *ret,
                             bool *ret_restarted)
{
    *ret_restarted = !str_is(podspec_restart_policy(pod, c->spec), "Never");
    if (hash_differs(c, now)) {
        *ret = KILL_CHANGED;
        *ret_restarted = true;
        return true;
    }
    if (c->startup == PROBE_FAILURE) {
        *ret = KILL_STARTUP;
        return true;
    }
    if (c->liveness == PROBE_FAILURE) {
        *ret = KILL_LIVENESS;
        return true;
    }
    return false;
}

static bool sandbox_changed(const struct json *pod, const struct rt_sandbox *s)
{
    if (!s || !s->ready)
        return true;
    if (s->host_network != podspec_is_host_network(pod))
        return true;
    return !s->host_network && s->n_ips == 0;
}

/* Without a usable sandbox: is there anything to make one for? */
static void plan_new_sandbox(const struct json *pod, const struct pod_container *cs, size_t n,
                             const struct pod_runtime *rt, struct pod_plan *p)
{
    const struct rt_sandbox *old = pod_runtime_sandbox(rt);
    bool any = false;

    p->attempt = old ? old->attempt + 1 : 0;
    p->stop_all = rt->n_sandboxes > 0;
    for (size_t i = 0; i < n; i++)
        if (cs[i].kind == CONTAINER_REGULAR) {
            const struct rt_container *last = pod_runtime_find(rt, cs[i].name, 0);
            struct rt_container ended;

            /* What ran in a sandbox that died counts as ended, whatever the runtime still says of it. */
            if (last && last->state == CONTAINER_STATE_RUNNING) {
                ended = *last;
                ended.state = CONTAINER_STATE_EXITED;
                ended.exit_code = 137;
                last = &ended;
            }
            any |= pod_plan_restarts(pod, cs[i].spec, last);
        }
    /* An init container that failed for good has ended the pod, though its regular containers never ran. */
    for (size_t i = 0; i < n && any; i++)
        if (cs[i].kind == CONTAINER_INIT && !cs[i].sidecar && old) {
            const struct rt_container *last = pod_runtime_find(rt, cs[i].name, 0);

            if (last && last->state == CONTAINER_STATE_EXITED && last->exit_code != 0 &&
                str_is(podspec_restart_policy(pod, cs[i].spec), "Never"))
                any = false;
        }
    p->create_sandbox = any;
    p->over = !any;
}

/* Init containers: starts the one whose turn it is. Returns whether the regular ones may run. */
static bool plan_init(const struct json *pod, const struct pod_container *cs, size_t n,
                      const struct pod_runtime *rt, str sandbox, struct pod_plan *p)
{
    bool initialized = has_regular(cs, n, rt, sandbox);

    for (size_t i = 0; i < n; i++) {
        const struct pod_container *c = &cs[i];
        const struct rt_container *now;
        enum kill_reason why;
        bool restarted;

        if (c->kind != CONTAINER_INIT)
            continue;
        now = pod_runtime_find_in(rt, sandbox, c->name);
        if (c->sidecar) {
            if (now && now->state == CONTAINER_STATE_RUNNING) {
                if (!c->stopping && must_be_replaced(pod, c, now, &why, &restarted))
                    add_kill(p, i, why, true);
                else if (initialized || pod_container_is_started(c, now))
                    continue;
                if (!initialized)
                    return false;
                continue;
            }
            add_start(p, i);
            /* One that has died is started again beside whatever comes after it. */
            if (!initialized && !(now && now->state == CONTAINER_STATE_EXITED && i + 1 < n &&
                                  pod_runtime_find_in(rt, sandbox, cs[i + 1].name)))
                return false;
            continue;
        }
        if (initialized || (now && now->state == CONTAINER_STATE_EXITED && now->exit_code == 0))
            continue;
        if (now && now->state == CONTAINER_STATE_RUNNING) {
            if (!c->stopping && hash_differs(c, now))
                add_kill(p, i, KILL_CHANGED, true);
            return false;
        }
        if (pod_plan_restarts(pod, c->spec, now)) {
            add_start(p, i);
            return false;
        }
        p->over = p->stop_all = true; /* failed for good */
        return false;
    }
    return true;
}

void pod_plan_make(struct arena *a, const struct json *pod, const struct pod_container *cs,
                   size_t n, const struct pod_runtime *rt, struct pod_plan *ret)
{
    const struct rt_sandbox *sandbox = pod_runtime_sandbox(rt);
    struct pod_plan p = {.start = ARENA_NEW_N(a, size_t, n + 1),
                         .kill = ARENA_NEW_N(a, struct plan_kill, n + 1)};
    bool any_left = false;

    if (sandbox_changed(pod, sandbox)) {
        plan_new_sandbox(pod, cs, n, rt, &p);
        *ret = p;
        return;
    }
    for (size_t i = 0; i < n; i++) /* once started, never again */
        if (cs[i].kind == CONTAINER_EPHEMERAL && !pod_runtime_find(rt, cs[i].name, 0))
            add_start(&p, i);
    if (!plan_init(pod, cs, n, rt, sandbox->id, &p) || p.over) {
        if (p.over)
            p.n_start = p.n_kill = 0;
        *ret = p;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const struct pod_container *c = &cs[i];
        const struct rt_container *now;
        enum kill_reason why;
        bool restarted;

        if (c->kind != CONTAINER_REGULAR)
            continue;
        now = pod_runtime_find_in(rt, sandbox->id, c->name);
        if (!now) /* of an earlier sandbox: what has ended well there stays ended, by policy */
            now = pod_runtime_find(rt, c->name, 0);
        if (!now || now->state != CONTAINER_STATE_RUNNING) {
            if (pod_plan_restarts(pod, c->spec, now)) {
                add_start(&p, i);
                any_left = true;
            }
            continue;
        }
        if (c->stopping) {
            any_left = true;
        } else if (must_be_replaced(pod, c, now, &why, &restarted)) {
            add_kill(&p, i, why, restarted);
            any_left = true;
        } else {
            any_left = true;
        }
    }
    if (!any_left) { /* sidecars end with the last regular container */
        p.over = p.stop_all = true;
        p.n_start = p.n_kill = 0;
    }
    *ret = p;
}
