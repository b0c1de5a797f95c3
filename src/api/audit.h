/* audit.h - what the files of the audit log share.
 *
 * A request that the policy wants to know of carries a `struct audited`, made after authentication;
 * all others have none, and pay for one test of a pointer. */
#ifndef K1S_API_AUDIT_H
#define K1S_API_AUDIT_H
#include "api/api_internal.h"

enum audit_level { AUDIT_NONE, AUDIT_METADATA, AUDIT_REQUEST, AUDIT_REQUEST_RESPONSE };
enum audit_stage { /* Panic is Go's: this server has nothing to report after one */
                   AUDIT_RECEIVED = 1 << 0,
                   AUDIT_STARTED = 1 << 1,
                   AUDIT_COMPLETE = 1 << 2,
                   AUDIT_PANIC = 1 << 3
};

/* ---- audit_policy.c ---- */
struct audit_policy;
struct audit_verdict {
    enum audit_level level;
    unsigned omit; /* stages */
    bool omit_managed_fields;
};
/* BAD_REQUEST says where the policy is wrong. Lives in the arena. */
MUST_USE struct err *audit_policy_parse(struct arena *a, str yaml, struct audit_policy **ret);
struct audit_verdict audit_policy_ask(const struct audit_policy *p, const struct user *u,
                                      const struct access *x); /* u NULL: nobody */

/* ---- audit_log.c: lines into a file, written by the worker pool ---- */
struct audit_log;
struct audit_log *audit_log_new(struct loop *loop, str path, int64_t max_bytes, int64_t max_age_ns,
                                int64_t backups);
void audit_log_add(struct audit_log *l, str line); /* never waits; drops at its limit */
/* Writes what is queued, frees, then closed() runs. */
void audit_log_close(struct audit_log *l, loop_fn *closed, void *ctx);

struct audit {
    struct api *api;
    struct audit_policy *policy;
    struct audit_log *log;
};
#endif
