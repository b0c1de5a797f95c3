/* security.h - rules of security contexts. */
#ifndef K1S_API_VALIDATION_SECURITY_H
#define K1S_API_VALIDATION_SECURITY_H
#include "api/validation/check.h"

void check_container_security(struct check *c, const struct at *at, const struct json *context,
                              const struct json *pod_spec);
void check_pod_security_context(struct check *c, const struct at *at, const struct json *pod_spec);
/* What cannot be together in one pod: host processes of Windows, a user namespace and the host's. */
void check_host_processes(struct check *c, const struct at *spec_at, const struct json *pod_spec);
void check_user_namespace(struct check *c, const struct at *spec_at, const struct json *pod_spec);
void check_os(struct check *c, const struct at *spec_at, const struct json *pod_spec);
#endif
