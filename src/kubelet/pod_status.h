/* pod_status.h - a pod's status for the API, from what it should be and what the runtime has. Pure. */
#ifndef K1S_KUBELET_POD_STATUS_H
#define K1S_KUBELET_POD_STATUS_H
#include "kubelet/pod_plan.h"

struct pod_status_input {
    const struct json
        *pod; /* with the status that the API has: times of unchanged conditions come from there */
    const struct pod_container *containers;
    size_t n_containers;
    const struct pod_runtime *rt;
    wall_time now;
    str runtime_name; /* "containerd": the scheme of container ids */
    str host_ip;
    bool finished; /* nothing runs any more and nothing will: phase Succeeded or Failed */
    const char *resize_type,
        *resize_reason; /* "PodResizePending" or "PodResizeInProgress"; NULL: none is due */
    str resize_message;
    str fail_reason,
        fail_message; /* the node ended or refused the pod: phase Failed with these; empty: not so */
};
/* *ret: the status object. */
void pod_status_make(struct arena *a, const struct pod_status_input *in, struct json *ret);
/* Is there anything in `next` that `have` (the API's) does not say? Only what the node agent writes is compared. */
bool pod_status_differs(const struct json *have, const struct json *next);
/* A strategic merge patch of the status subresource that turns `have` into `next`. */
void pod_status_patch(struct arena *a, const struct json *pod, const struct json *next,
                      struct buf *out);
#endif
