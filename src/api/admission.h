/* admission.h - plugins that have a file of their own. */
#ifndef K1S_API_ADMISSION_H
#define K1S_API_ADMISSION_H
#include "api/api_internal.h"
#include "schema/quota.h"
/* limits.c */
MUST_USE struct err *limit_ranger_mutate(struct write *w);
MUST_USE struct err *limit_ranger_update(struct write *w);
/* quota.c */
MUST_USE struct err *resource_quota(struct write *w);
/* After store_update() has returned: what was put adds to status.used. */
void quota_written(struct write *w);
/* The write is published or has failed, or its steps run once more. */
void quota_settled(struct write *w);
/* pod_account.c; the second after validation */
MUST_USE struct err *pod_account(struct write *w);
MUST_USE struct err *pod_account_secrets(struct write *w);
/* pod_admission.c */
MUST_USE struct err *default_tolerations(struct write *w);
MUST_USE struct err *pod_priority(struct write *w);
MUST_USE struct err *pod_priority_kept(struct write *w);
/* PriorityClasses: one of them at most is the default. */
MUST_USE struct err *default_class_alone(struct write *w);
bool is_system_class(str name); /* made by the server, and needed by it */
MUST_USE struct err *pod_runtime_class(struct write *w);
MUST_USE struct err *pod_runtime_overhead(struct write *w); /* after validation */
MUST_USE struct err *pod_topology(struct write *w);
/* The places of a node, as labels. */
void topology_labels(struct api *api, struct arena *a, str node, struct json *labels);
/* pod_security.c */
MUST_USE struct err *pod_security(struct write *w);
/* node_features.c: of an update, when all else is well. */
MUST_USE struct err *node_features(struct write *w);
/* node_restriction.c */
MUST_USE struct err *node_restriction(struct write *w);
MUST_USE struct err *node_restriction_delete(struct req *q, const struct kind *k, str name);
/* A kubelet gets tokens only for pods that run on its node. */
MUST_USE struct err *node_restriction_token(struct req *q, const struct json *spec);
MUST_USE struct err *node_restriction_evict(struct req *q);
#endif
