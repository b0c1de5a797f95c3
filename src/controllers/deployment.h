/* deployment.h - a Deployment during one turn: what the files of its controller share. */
#ifndef K1S_CONTROLLERS_DEPLOYMENT_H
#define K1S_CONTROLLERS_DEPLOYMENT_H
#include "controllers/controllers_internal.h"

#define ANNOTATION_REVISION "deployment.kubernetes.io/revision"
#define ANNOTATION_REVISION_HISTORY "deployment.kubernetes.io/revision-history"
#define ANNOTATION_DESIRED "deployment.kubernetes.io/desired-replicas"
#define ANNOTATION_MAX "deployment.kubernetes.io/max-replicas"
#define LABEL_HASH "pod-template-hash"

struct rs {
    const struct obj *obj; /* NULL: being created */
    struct json *tree;     /* changed as planned */
    int64_t created_s;
    struct action *action; /* set once something is planned for it; the pointer itself may be stale:
                              see action_at */
    uint32_t action_at;
};
struct deployment {
    struct reconcile *r;
    struct json *tree, before; /* before: its status as it came */
    str uid;
    int64_t replicas, surge, unavailable;
    bool rolling, paused, scaled, status_changed;
    struct rs *all; /* by creation; without one that is being created */
    uint32_t n, cap;
    struct rs *new_rs, **old; /* new_rs NULL: there is none */
    uint32_t n_old;
};
int64_t rs_replicas(const struct rs *rs);
int64_t rs_available(const struct rs *rs);
int64_t rs_revision(const struct rs *rs);
int64_t max_surge(const struct deployment *d);
int64_t max_unavailable(const struct deployment *d);
bool has_progress_deadline(const struct deployment *d);
bool scale_rs(struct deployment *d, struct rs *rs, int64_t replicas); /* true: its size changes */
void sync_new_rs(struct deployment *d, bool create);
void clean_up_history(struct deployment *d);
void sort_by_creation(struct rs **list, uint32_t n);
/* Old ones and the new one, or only those with pods wanted. */
uint32_t list_rs(const struct deployment *d, bool active_only, struct rs ***ret);

/* deployment_rollout.c */
int64_t new_rs_size(const struct deployment *d);
void roll(struct deployment *d);
void recreate(struct deployment *d);
void scale_proportionally(struct deployment *d);

/* deployment_status.c */
void set_condition(struct deployment *d, const char *type, const char *status, const char *reason,
                   str message);
void report_counts(struct deployment *d);  /* counts and Available */
void report_rollout(struct deployment *d); /* and Progressing, ReplicaFailure */
bool is_complete(const struct deployment *d, const struct json *status);
#endif
