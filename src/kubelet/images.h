/* images.h - that a container's image is on the node: pull policy, credentials, waiting after failures, and its events. */
#ifndef K1S_KUBELET_IMAGES_H
#define K1S_KUBELET_IMAGES_H
#include "kubelet/backoff.h"
#include "kubelet/runtime.h"

struct images;
struct images *images_new(struct runtime *rt);
void images_free(struct images *im);

/* Events about the container, as the pod's worker records them. */
typedef void image_event_fn(void *ctx, const char *type, const char *reason, str message);
struct image_result {
    const char *
        reason; /* NULL: it is there. "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError" */
    str message;
    int64_t retry_ns; /* when to try again (with a reason) */
    str ref;          /* the runtime's id of the image */
    int64_t uid;      /* the image's user; -1: not numeric */
    str username;
};
typedef void image_done_fn(void *ctx, const struct image_result *result);
struct image_request {
    str image, policy; /* policy: "Always", "IfNotPresent", "Never" */
    const struct json *const *secrets;
    size_t n_secrets; /* Secret trees */
    const struct json *sandbox_config;
    struct backoff_entry *backoff; /* the pod's for this image; lives longer than the wait */
    char **last_error;             /* likewise; heap, of the last pull that failed */
    image_event_fn *event;
    image_done_fn *done;
    void *ctx;
};
struct image_wait;
/* The request is copied. done runs once, later, unless cancelled. */
struct image_wait *image_ensure(struct images *im, const struct image_request *r);
void image_wait_cancel(
    struct image_wait *w); /* done and event are not called any more; a pull that runs goes on */
#endif
