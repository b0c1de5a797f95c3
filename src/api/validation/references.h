/* references.h - rules of references from a pod to its own fields, resources and objects near it. */
#ifndef K1S_API_VALIDATION_REFERENCES_H
#define K1S_API_VALIDATION_REFERENCES_H
#include "api/validation/check.h"

/* known: the fields without subscript that may be named, in the order to be shown. */
void check_field_ref(struct check *c, const struct at *at, const struct json *ref,
                     const char *const *known);
void check_resource_ref(struct check *c, const struct at *at, const struct json *ref,
                        bool container_needed);
void check_env(struct check *c, const struct at *at, const struct json *env);
void check_env_from(struct check *c, const struct at *at, const struct json *env_from);
#endif
