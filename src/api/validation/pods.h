/* pods.h - the rules of Pods, by what is written: the pod, its status, or a part of it. */
#ifndef K1S_API_VALIDATION_PODS_H
#define K1S_API_VALIDATION_PODS_H
#include "api/validation/check.h"
#include "api/validation/validation.h"

void check_pod(struct check *c, const struct json *pod);
void check_pod_annotation_updates(struct check *c, const struct json *pod, const struct json *old);
void check_pod_status(struct check *c, const struct json *pod, const struct json *old);
void check_pod_ephemeral(struct check *c, const struct json *pod, const struct json *old);
void check_pod_resize(struct check *c, const struct json *pod, const struct json *old);
#endif
