/* pod_plan.h - what a pod lacks: its specification and the runtime's truth in, the next steps out. Pure.
 *
 * API: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
 *      https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/ */
#ifndef K1S_KUBELET_POD_PLAN_H
#define K1S_KUBELET_POD_PLAN_H
#include "kubelet/pod_runtime.h"
#include "kubelet/podspec.h"

enum probe_result { PROBE_UNKNOWN, PROBE_SUCCESS, PROBE_FAILURE };

/* What the agent knows about a container beyond the runtime. One per container of the specification: init containers, then
 * regular, then ephemeral ones, each in their order. */
struct pod_container {
    enum container_kind kind;
    const struct json *spec;
    str name;
    bool sidecar;
    enum probe_result startup, liveness,
        readiness;                /* of the container that runs now; UNKNOWN: not probed yet */
    bool stopping;                /* a stop is under way */
    bool in_hook;                 /* its postStart hook is not over: the API calls it waiting */
    const struct json *resources; /* that it has now; NULL: as specified */
    str waiting_reason,
        waiting_message; /* why it does not run: "CrashLoopBackOff", "ErrImagePull" ...; empty: none */
};

enum kill_reason {
    KILL_DELETED,
    KILL_CHANGED,
    KILL_LIVENESS,
    KILL_STARTUP,
    KILL_FAILED_POST_START,
    KILL_POD_OVER,
    KILL_UNKNOWN_STATE
};
struct plan_kill {
    size_t container; /* index */
    enum kill_reason reason;
    bool restarted; /* it will be started again */
};
struct pod_plan {
    bool create_sandbox;
    uint32_t attempt; /* of the new sandbox */
    bool
        stop_all; /* every container and the sandbox: before a new sandbox, or because all is over */
    bool over;    /* nothing is left to run (the pod will be Succeeded or Failed) */
    size_t *start; /* indices, in order */
    size_t n_start;
    struct plan_kill *kill;
    size_t n_kill;
};
/* now: only for what the runtime's truth says of time. All memory of *ret is the arena's. */
void pod_plan_make(struct arena *a, const struct json *pod, const struct pod_container *containers,
                   size_t n, const struct pod_runtime *rt, struct pod_plan *ret);
/* Would this (ended or absent) container be started again by the rules of restartPolicy? */
bool pod_plan_restarts(const struct json *pod, const struct json *container,
                       const struct rt_container *last);
/* All init containers are done (and sidecars started) or the pod got past them before. */
bool pod_plan_is_initialized(const struct pod_container *containers, size_t n,
                             const struct pod_runtime *rt);
bool pod_container_is_started(const struct pod_container *c, const struct rt_container *now);
bool pod_container_is_ready(const struct pod_container *c, const struct rt_container *now);
#endif
