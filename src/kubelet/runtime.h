/* runtime.h - what the node agent asks of a container runtime: CRI's calls and meaning, whichever runtime answers.
 *
 * Requests and responses are value trees with CRI's (v1) field names; a table has every call once. cri.c carries them to a runtime
 * behind a socket; tests answer them with a function. Fields of type bytes are strings that hold the bytes as they are.
 * Nothing above this interface knows which runtime it has.
 *
 * API: https://github.com/kubernetes/cri-api (runtime.v1) */
#ifndef K1S_KUBELET_RUNTIME_H
#define K1S_KUBELET_RUNTIME_H
#include "loop/loop.h"
#include "wire/json.h"

/* enumerator, service, name: messages are NAMERequest and NAMEResponse */
#define RUNTIME_CALLS(X)                                                                           \
    X(VERSION, "RuntimeService", "Version")                                                        \
    X(STATUS, "RuntimeService", "Status")                                                          \
    X(RUN_POD_SANDBOX, "RuntimeService", "RunPodSandbox")                                          \
    X(STOP_POD_SANDBOX, "RuntimeService", "StopPodSandbox")                                        \
    X(REMOVE_POD_SANDBOX, "RuntimeService", "RemovePodSandbox")                                    \
    X(POD_SANDBOX_STATUS, "RuntimeService", "PodSandboxStatus")                                    \
    X(LIST_POD_SANDBOX, "RuntimeService", "ListPodSandbox")                                        \
    X(CREATE_CONTAINER, "RuntimeService", "CreateContainer")                                       \
    X(START_CONTAINER, "RuntimeService", "StartContainer")                                         \
    X(STOP_CONTAINER, "RuntimeService", "StopContainer")                                           \
    X(REMOVE_CONTAINER, "RuntimeService", "RemoveContainer")                                       \
    X(LIST_CONTAINERS, "RuntimeService", "ListContainers")                                         \
    X(CONTAINER_STATUS, "RuntimeService", "ContainerStatus")                                       \
    X(UPDATE_CONTAINER_RESOURCES, "RuntimeService", "UpdateContainerResources")                    \
    X(REOPEN_CONTAINER_LOG, "RuntimeService", "ReopenContainerLog")                                \
    X(EXEC_SYNC, "RuntimeService", "ExecSync")                                                     \
    X(EXEC, "RuntimeService", "Exec")                                                              \
    X(ATTACH, "RuntimeService", "Attach")                                                          \
    X(PORT_FORWARD, "RuntimeService", "PortForward")                                               \
    X(CONTAINER_STATS, "RuntimeService", "ContainerStats")                                         \
    X(LIST_CONTAINER_STATS, "RuntimeService", "ListContainerStats")                                \
    X(UPDATE_RUNTIME_CONFIG, "RuntimeService", "UpdateRuntimeConfig")                              \
    X(LIST_IMAGES, "ImageService", "ListImages")                                                   \
    X(IMAGE_STATUS, "ImageService", "ImageStatus")                                                 \
    X(PULL_IMAGE, "ImageService", "PullImage")                                                     \
    X(REMOVE_IMAGE, "ImageService", "RemoveImage")                                                 \
    X(IMAGE_FS_INFO, "ImageService", "ImageFsInfo")
#define X(id, service, name) RUNTIME_##id,
enum runtime_call_id { RUNTIME_CALLS(X) RUNTIME_N_CALLS };
#undef X
const char *runtime_call_name(enum runtime_call_id id);
const char *runtime_call_service(enum runtime_call_id id);

#define RUNTIME_TIMEOUT_NS                                                                         \
    (120 * NS_PER_S) /* of calls that do not wait for something by their nature */
#define RUNTIME_PULL_TIMEOUT_NS (3600 * NS_PER_S)

/* CRI's enumerations, as integers in the trees. */
enum { SANDBOX_READY = 0, SANDBOX_NOT_READY = 1 };
enum {
    CONTAINER_STATE_CREATED = 0,
    CONTAINER_STATE_RUNNING = 1,
    CONTAINER_STATE_EXITED = 2,
    CONTAINER_STATE_UNKNOWN = 3
};
enum { NAMESPACE_POD = 0, NAMESPACE_CONTAINER = 1, NAMESPACE_NODE = 2, NAMESPACE_TARGET = 3 };
enum { PROPAGATION_PRIVATE = 0, PROPAGATION_HOST_TO_CONTAINER = 1, PROPAGATION_BIDIRECTIONAL = 2 };
enum { PROFILE_RUNTIME_DEFAULT = 0, PROFILE_UNCONFINED = 1, PROFILE_LOCALHOST = 2 };

/* err: NULL, or owned by the callback. Its message is "rpc error: code = NotFound desc = ..."; reasons: NOT_FOUND, TIMEOUT,
 * UNAVAILABLE (the runtime is not there), METHOD_NOT_ALLOWED (it does not know the call), INTERNAL (everything else).
 * response is borrowed during the call. Runs on the loop, once, never before runtime_call has returned. */
const char *runtime_code_name(int code);    /* of gRPC: "NotFound" */
str runtime_message(const struct err *err); /* without that head: what the runtime itself says */
typedef void runtime_done_fn(void *ctx, struct err *err, const struct json *response);
enum runtime_event {
    RUNTIME_CHANGED, /* something about this container or sandbox has changed; id empty: anything may have */
    RUNTIME_EXITED, /* it is known to have ended, even if the runtime's own status may still say otherwise for a moment */
    RUNTIME_IMAGES, /* an image came or went */
};
typedef void runtime_event_fn(void *ctx, enum runtime_event event, str id);

struct runtime;
struct runtime_ops {
    void (*call)(struct runtime *rt, enum runtime_call_id id, const struct json *request,
                 int64_t timeout_ns, runtime_done_fn *done, void *ctx);
    void (*watch)(struct runtime *rt, runtime_event_fn *fn, void *ctx); /* one watcher */
    void (*connected)(struct runtime *rt,
                      bool up); /* the runtime's process came or went; may be NULL */
    void (*free)(struct runtime *rt);
};
struct runtime {
    const struct runtime_ops *ops;
    struct loop *loop;
};
/* request is borrowed during the call; timeout_ns 0: RUNTIME_TIMEOUT_NS. */
void runtime_call(struct runtime *rt, enum runtime_call_id id, const struct json *request,
                  int64_t timeout_ns, runtime_done_fn *done, void *ctx);
void runtime_watch(struct runtime *rt, runtime_event_fn *fn, void *ctx);
void runtime_connected(struct runtime *rt, bool up);
void runtime_free(struct runtime *rt);

/* CRI over gRPC on a unix socket. */
struct runtime *cri_new(struct loop *loop, str socket_path);
/* The id and kind within an event of containerd's stream (containerd.types.Envelope); false: of no interest here. */
bool cri_event_parse(str envelope, enum runtime_event *ret_event, str *ret_id);
#endif
