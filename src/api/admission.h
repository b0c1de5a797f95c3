/* admission.h - plugins that have a file of their own. */
#ifndef K1S_API_ADMISSION_H
#define K1S_API_ADMISSION_H
#include "api/api_internal.h"
/* limits.c */
MUST_USE struct err *limit_ranger_mutate(struct write *w);
MUST_USE struct err *limit_ranger_update(struct write *w);
MUST_USE struct err *resource_quota(struct write *w);
/* pod_security.c */
MUST_USE struct err *pod_security(struct write *w);
/* node_restriction.c */
MUST_USE struct err *node_restriction(struct write *w);
MUST_USE struct err *node_restriction_delete(struct req *q, const struct kind *k, str name);
/* A kubelet gets tokens only for pods that run on its node. */
MUST_USE struct err *node_restriction_token(struct req *q, const struct json *spec);
MUST_USE struct err *node_restriction_evict(struct req *q);
#endif
