/* podspec.h - questions about a pod's specification that several parts of the node agent ask.
 *
 * Pure: a pod's value tree in, an answer out. Nothing here knows what runs. */
#ifndef K1S_KUBELET_PODSPEC_H
#define K1S_KUBELET_PODSPEC_H
#include "wire/json.h"

enum pod_qos { QOS_GUARANTEED, QOS_BURSTABLE, QOS_BEST_EFFORT };
enum pod_qos podspec_qos(const struct json *pod);
const char *podspec_qos_name(enum pod_qos qos); /* "Guaranteed", "Burstable", "BestEffort" */

enum container_kind { CONTAINER_INIT, CONTAINER_REGULAR, CONTAINER_EPHEMERAL };
const char *podspec_container_list(enum container_kind kind); /* "initContainers", ... */
struct json *podspec_find_container(const struct json *pod, str name,
                                    enum container_kind *ret_kind);
str podspec_container_name(const struct json *container);
/* An init container with restartPolicy Always: starts in order, then runs beside the others. */
bool podspec_is_sidecar(const struct json *container);
/* The container's own restart policy if it has one, otherwise the pod's: "Always", "OnFailure", "Never". */
str podspec_restart_policy(const struct json *pod, const struct json *container);

/* "name_namespace(uid)", as the kubelet's messages have it. */
void buf_pod_name(struct buf *b, const struct json *pod);
/* "spec.containers{web}": the field path of events about a container. */
void buf_container_path(struct buf *b, enum container_kind kind, str name);

bool podspec_is_deleting(const struct json *pod); /* metadata.deletionTimestamp is set */
bool podspec_is_finished(const struct json *pod); /* phase Succeeded or Failed */
bool podspec_is_host_network(const struct json *pod);
bool podspec_is_static_mirror(const struct json *pod);
int64_t podspec_grace_s(
    const struct json
        *pod); /* deletionGracePeriodSeconds, else terminationGracePeriodSeconds, else 30 */
/* What an annotation or label says; empty when absent. */
str podspec_annotation(const struct json *pod, str key);
str podspec_label(const struct json *pod, str key);

/* A container's resource: set "requests" or "limits", name "cpu". false: absent. CPU in milli, others in units, rounded up. */
bool podspec_resource(const struct json *container, const char *set, str name, int64_t *ret);
/* The container's request, or its limit where no request is given (0: neither). */
int64_t podspec_request(const struct json *container, str name);
/* What the pod as a whole asks for: the larger of what its containers need together (sidecars among them) and what the init
 * containers need one at a time, plus overhead; pod-level resources where given. */
int64_t podspec_pod_request(const struct json *pod, str name);
/* Likewise of limits; false when a container has none (then the pod is not limited). */
bool podspec_pod_limit(const struct json *pod, str name, int64_t *ret);

/* Identity of what a container runs (name and image): when it differs from what the runtime's container was made from, that one
 * is replaced. Hexadecimal, 8 digits, as the annotation io.kubernetes.container.hash has it. */
void podspec_container_hash(const struct json *container, char ret[9]);
/* How readily the kernel may kill the container for lack of memory: -997 ... 1000. */
int podspec_oom_score_adj(const struct json *pod, const struct json *container,
                          int64_t node_memory_bytes);
/* IANA port of a probe's or hook's port field: a number, or a name among the container's ports. 0: none such. */
int podspec_port(const struct json *container, const struct json *port);
/* 1500ms -> "1.5s", 90s -> "1m30s": as Go prints durations. */
void buf_duration(struct buf *b, int64_t ns);
#endif
