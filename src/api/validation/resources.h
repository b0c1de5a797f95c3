/* resources.h - names of resources and amounts of them. */
#ifndef K1S_API_VALIDATION_RESOURCES_H
#define K1S_API_VALIDATION_RESOURCES_H
#include "api/validation/check.h"

bool resource_is_native(str name); /* without a domain, or of kubernetes.io */
bool resource_is_extended(str name);
bool resource_is_hugepages(str name);
bool resource_is_overcommitted(str name); /* requests and limits may differ */
bool resource_is_quota(str name);         /* a quota may limit it by this name */
/* Names that fit anywhere; in a container; in a quota. */
void check_resource_name(struct check *c, const struct at *at, str name);
void check_container_resource_name(struct check *c, const struct at *at, str name);
void check_quota_resource_name(struct check *c, const struct at *at, str name);
/* Not negative; whole where the resource is counted. */
void check_amount(struct check *c, const struct at *at, str name, str amount);
/* ResourceRequirements of a container; pod_level: of a pod as a whole. */
void check_resources(struct check *c, const struct at *at, const struct json *resources,
                     const struct json *pod_claims);
void check_pod_resources(struct check *c, const struct at *at, const struct json *pod_spec);
/* A plain list of amounts, as limits. */
void check_overhead(struct check *c, const struct at *at, const struct json *overhead);
#endif
