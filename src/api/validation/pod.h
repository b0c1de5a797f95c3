/* pod.h - rules of pod specs, shared by pods and by everything with a pod template. */
#ifndef K1S_API_VALIDATION_POD_H
#define K1S_API_VALIDATION_POD_H
#include "api/validation/check.h"

/* pod_meta: metadata of the pod itself; NULL: of a template, whose pods have other names. */
void check_pod_spec(struct check *c, const struct at *at, const struct json *spec,
                    const struct json *pod_meta);
/* Labels, annotations and spec: what workloads call. */
void check_pod_template(struct check *c, const struct at *at, const struct json *template);

/* pod_annotations.c: annotations that were fields once. */
void check_pod_annotations(struct check *c, const struct at *at, const struct json *annotations,
                           const struct json *spec);
void check_profile_annotations(struct check *c, const struct at *spec_at,
                               const struct json *annotations, const struct json *spec);
void check_pod_annotation_changes(struct check *c, const struct at *at, const struct json *now,
                                  const struct json *old);

/* scheduling.c */
void check_node_selector(struct check *c, const struct at *at, const struct json *selector);
void check_affinity(struct check *c, const struct at *at, const struct json *affinity);
void check_tolerations(struct check *c, const struct at *at, const struct json *tolerations);
void check_taints(struct check *c, const struct at *at, const struct json *taints);
void check_spread(struct check *c, const struct at *at, const struct json *constraints);

/* resources.c, for kinds that carry resources */
void check_resources(struct check *c, const struct at *at, const struct json *resources,
                     const struct json *pod_claims);
#endif
