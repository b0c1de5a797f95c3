/* container_env.h - what a container is told about itself, its pod and its surroundings: environment and field references. Pure.
 *
 * API: https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
 *      https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables */
#ifndef K1S_KUBELET_CONTAINER_ENV_H
#define K1S_KUBELET_CONTAINER_ENV_H
#include "kubelet/podspec.h"

/* Other objects that a pod refers to. */
enum ref_kind { REF_CONFIGMAP, REF_SECRET, REF_PVC, REF_PV, REF_N_KINDS };
/* NULL: there is none. The tree lives as long as the arena of the call that looks it up. */
typedef const struct json *ref_lookup_fn(void *ctx, struct arena *a, enum ref_kind kind, str ns,
                                         str name);

struct pod_context { /* what is the same for all containers of a pod */
    const struct json *pod;
    const str *pod_ips;
    size_t n_pod_ips; /* empty: not known yet */
    str host_ip, node_name;
    ref_lookup_fn *lookup;
    void *lookup_ctx;
    const struct json
        *services; /* array of Service trees of the pod's namespace and default/kubernetes */
    const struct json *allocatable; /* the node's: limits that are not set count as this */
    int64_t node_memory_bytes;
};

/* "metadata.labels['x']", "status.podIP" ... Errors: INVALID (no such field). */
MUST_USE struct err *fieldref_value(struct arena *a, const struct pod_context *pc, str path,
                                    str *ret);
/* "limits.cpu" of a container, divided and rounded up. */
MUST_USE struct err *resource_ref_value(struct arena *a, const struct pod_context *pc,
                                        const struct json *ref, const struct json *container,
                                        str *ret);

struct env {
    struct env_var {
        str name, value;
    } * vars;
    size_t n;
};
const str *env_find(const struct env *e, str name);
/* Errors: INVALID with the text that CreateContainerConfigError shows. */
MUST_USE struct err *container_env_make(struct arena *a, const struct pod_context *pc,
                                        const struct json *container, struct env *ret);
/* $(NAME) by these variables. */
str env_expand(struct arena *a, const struct env *e, str text, str *ret_missed);
#endif
