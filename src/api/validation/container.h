/* container.h - rules of one container. */
#ifndef K1S_API_VALIDATION_CONTAINER_H
#define K1S_API_VALIDATION_CONTAINER_H
#include "api/validation/check.h"

enum container_role { CONTAINER_MAIN, CONTAINER_INIT, CONTAINER_SIDECAR };
void check_container(struct check *c, const struct at *at, const struct json *container,
                     enum container_role role, const struct json *pod_spec);
#endif
