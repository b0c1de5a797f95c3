/* pod_runtime.h - what the runtime has of one pod: its sandboxes and containers, newest first.
 *
 * A snapshot: fetched anew after each step. Everything the agent must remember across its own restarts is in here,
 * since it wrote it into the containers' labels and annotations. */
#ifndef K1S_KUBELET_POD_RUNTIME_H
#define K1S_KUBELET_POD_RUNTIME_H
#include "kubelet/runtime.h"

#define LABEL_POD_NAME "io.kubernetes.pod.name"
#define LABEL_POD_NAMESPACE "io.kubernetes.pod.namespace"
#define LABEL_POD_UID "io.kubernetes.pod.uid"
#define LABEL_CONTAINER_NAME "io.kubernetes.container.name"
#define NOTE_HASH "io.kubernetes.container.hash"
#define NOTE_RESTART_COUNT "io.kubernetes.container.restartCount"
#define NOTE_TERMINATION_PATH "io.kubernetes.container.terminationMessagePath"
#define NOTE_TERMINATION_POLICY "io.kubernetes.container.terminationMessagePolicy"
#define NOTE_GRACE "io.kubernetes.pod.terminationGracePeriod"
#define NOTE_PRE_STOP "io.kubernetes.container.preStopHandler"
#define NOTE_PORTS "io.kubernetes.container.ports"

struct rt_sandbox {
    str id;
    uint32_t attempt;
    bool ready, host_network;
    bool removing;      /* asked for, on this snapshot */
    int64_t created_ns; /* wall clock, as all times here */
    const str *ips;
    size_t n_ips;
};
struct rt_container {
    str id, name, sandbox_id, image, image_ref, reason, message, log_path, hash;
    int state; /* CONTAINER_STATE_... */
    int exit_code;
    int64_t restart_count;
    int64_t created_ns, started_ns, finished_ns;
    str termination_host_path, termination_policy; /* where it leaves its last words */
    int64_t grace_s;                               /* -1: not noted */
    bool removing;                                 /* asked for, on this snapshot */
    struct json *user; /* of the first process, as the runtime tells; NULL: not told */
};
struct pod_runtime {
    struct arena *arena;
    str name, ns, uid; /* from labels, for pods that the API has forgotten */
    struct rt_sandbox *sandboxes;
    size_t n_sandboxes;
    struct rt_container *containers;
    size_t n_containers;
};
struct pod_runtime *pod_runtime_new(void);
void pod_runtime_free(struct pod_runtime *r);
const struct rt_sandbox *
pod_runtime_sandbox(const struct pod_runtime *r); /* the newest; NULL: none */
const struct rt_container *pod_runtime_find(const struct pod_runtime *r, str name,
                                            size_t nth); /* nth newest of that name; NULL */
const struct rt_container *pod_runtime_find_in(const struct pod_runtime *r, str sandbox_id,
                                               str name); /* newest of that sandbox */
const struct rt_container *pod_runtime_find_id(const struct pod_runtime *r, str id);
bool pod_runtime_any_running(const struct pod_runtime *r);

/* prev: an earlier snapshot of the pod (what has ended does not change any more and is taken over); NULL: none. Borrowed until done.
 * err: the runtime's; result is owned by the callback. Runs once, later. */
typedef void pod_runtime_fn(void *ctx, struct err *err, struct pod_runtime *result);
void pod_runtime_fetch(struct runtime *rt, str uid, const struct pod_runtime *prev,
                       pod_runtime_fn *done, void *ctx);

/* Building blocks, for tests: from CRI's answers (list items and status). */
void pod_runtime_add_sandbox(struct pod_runtime *r, const struct json *list_item);
void pod_runtime_set_sandbox_status(struct pod_runtime *r, const struct json *status);
struct rt_container *pod_runtime_add_container(struct pod_runtime *r, const struct json *list_item);
void pod_runtime_set_container_status(struct pod_runtime *r, struct rt_container *c,
                                      const struct json *status);
#endif
