/* cri_config.h - a pod's specification in CRI's terms: what the runtime is asked to make. Pure. */
#ifndef K1S_KUBELET_CRI_CONFIG_H
#define K1S_KUBELET_CRI_CONFIG_H
#include "kubelet/container_env.h"
#include "kubelet/pod_runtime.h"

struct cri_mount {
    str host_path, container_path;
    bool read_only;
    int propagation; /* PROPAGATION_... */
};
/* config: RunPodSandboxRequest.config. dns: DNSConfig (pod_dns_config). */
struct json cri_sandbox_config(struct arena *a, const struct json *pod, uint32_t attempt,
                               str hostname, const struct json *dns, str cgroup_parent);

struct cri_container_input {
    const struct pod_context *pc;
    const struct json *container;
    enum container_kind kind;
    int64_t restart_count;
    str target_container_id; /* of an ephemeral container's target; empty: none */
    const struct cri_mount *mounts;
    size_t n_mounts;
    str image_ref;     /* what the image service calls the image */
    int64_t image_uid; /* the image's user; -1: by name or not set */
    str image_username;
    str seccomp_dir; /* of profiles on the node */
    const struct env *env;
};
/* CreateContainerRequest.config. Errors: INVALID with the text for CreateContainerConfigError. */
MUST_USE struct err *cri_container_config(struct arena *a, const struct cri_container_input *in,
                                          struct json *ret);
/* A field of the security context: the container's own, or the pod's. */
const struct json *podspec_security(const struct json *pod, const struct json *container,
                                    const char *field);
#define POD_LOGS "/var/log/pods"
/* "/var/log/pods/<ns>_<name>_<uid>" */
str pod_log_dir(struct arena *a, str ns, str name, str uid);
#endif
