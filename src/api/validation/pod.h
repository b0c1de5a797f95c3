/* pod.h - rules of pod specs, shared by pods and by everything with a pod template. */
#ifndef K1S_API_VALIDATION_POD_H
#define K1S_API_VALIDATION_POD_H
#include "api/validation/check.h"

void check_pod_spec(struct check *c, const struct at *at, const struct json *spec);
/* metadata.labels and annotations, then the spec. */
void check_pod_template(struct check *c, const struct at *at, const struct json *template);
void check_resources(struct check *c, const struct at *at, const struct json *resources,
                     const struct json *pod_claims);
void check_node_selector(struct check *c, const struct at *at, const struct json *selector);
void check_tolerations(struct check *c, const struct at *at, const struct json *tolerations);
#endif
