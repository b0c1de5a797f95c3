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
enum security_mode { SECURITY_ENFORCE, SECURITY_AUDIT, SECURITY_WARN, SECURITY_MODES };
struct security_config {
    struct security_policy defaults[SECURITY_MODES];    /* where a namespace's labels say nothing */
    struct json namespaces, usernames, runtime_classes; /* lists of those that are exempt */
};
extern const char *const security_mode_names[SECURITY_MODES]; /* "enforce" ... */
bool security_level_parse(str s, enum security_level *ret); /* false: none; *ret is the strictest */
bool security_version_parse(str s, int *ret);               /* "latest", "v1.x" */
#define SECURITY_LEVELS "must be one of privileged, baseline, restricted"
#define SECURITY_VERSIONS "must be \"latest\" or \"v1.x\""
/* pod_security_config.c: the server's --admission-control-config-file (YAML; empty: none). Lives in the arena. BAD_REQUEST: what
 * is wrong with it, in Kubernetes' words. */
MUST_USE struct err *security_config_parse(struct arena *a, str yaml, struct security_config **ret);
/* What is wrong with a pod, or with a template that has its members, as "reason (detail), ..." and as reasons alone; nothing: it
 * fits. Either may be NULL. */
void security_evaluate(struct arena *a, const struct security_policy *p, const struct json *pod,
                       struct buf *details, struct buf *reasons);
#endif
