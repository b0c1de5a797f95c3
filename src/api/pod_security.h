/* pod_security.h - the Pod Security Standards: which pods fit a level, as it was in some version of Kubernetes. */
#ifndef K1S_API_POD_SECURITY_H
#define K1S_API_POD_SECURITY_H
#include "api/admission.h"

enum security_level { SECURITY_PRIVILEGED, SECURITY_BASELINE, SECURITY_RESTRICTED };
#define SECURITY_LATEST INT32_MAX

struct security_policy {
    enum security_level level;
    int minor; /* of version v1.x; SECURITY_LATEST: the newest there is */
};
/* What is wrong with a pod, or with a template that has its members, as "reason (detail), ..." and as reasons alone; nothing: it
 * fits. Either may be NULL. */
void security_evaluate(struct arena *a, const struct security_policy *p, const struct json *pod,
                       struct buf *details, struct buf *reasons);
#endif
