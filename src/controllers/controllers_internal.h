/* controllers_internal.h - what every controller is written in.
 *
 * A controller is a row of a table (controllers.c): which objects it is about, what else wakes it,
 * and a reconcile function. The function reads caches and the clock through `struct reconcile` and
 * writes a plan. It does nothing else: the framework sends the plan's requests (execute.c), records
 * the events, retries, and does not ask again before the caches have seen what was written.
 *
 * So a reconcile may be called at any time, any number of times, and a test calls it with caches of
 * its own and reads the plan as text. */
#ifndef K1S_CONTROLLERS_INTERNAL_H
#define K1S_CONTROLLERS_INTERNAL_H
#include "controllers/controllers.h"
#include "schema/schema.h"

/* ---- kinds that controllers keep in a cache (kinds.c) ---- */
#define KINDS(X)                                                                                   \
    X(NAMESPACES, "", "v1", "namespaces", "Namespace", false)                                      \
    X(SERVICEACCOUNTS, "", "v1", "serviceaccounts", "ServiceAccount", true)                        \
    X(CONFIGMAPS, "", "v1", "configmaps", "ConfigMap", true)                                       \
    X(PODS, "", "v1", "pods", "Pod", true)                                                         \
    X(NODES, "", "v1", "nodes", "Node", false)                                                     \
    X(LEASES, "coordination.k8s.io", "v1", "leases", "Lease", true)                                \
    X(REPLICASETS, "apps", "v1", "replicasets", "ReplicaSet", true)                                \
    X(DEPLOYMENTS, "apps", "v1", "deployments", "Deployment", true)                                \
    X(REPLICATIONCONTROLLERS, "", "v1", "replicationcontrollers", "ReplicationController", true)   \
    X(SERVICES, "", "v1", "services", "Service", true)                                             \
    X(ENDPOINTS, "", "v1", "endpoints", "Endpoints", true)                                         \
    X(ENDPOINTSLICES, "discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true)           \
    X(DAEMONSETS, "apps", "v1", "daemonsets", "DaemonSet", true)                                   \
    X(STATEFULSETS, "apps", "v1", "statefulsets", "StatefulSet", true)                             \
    X(CONTROLLERREVISIONS, "apps", "v1", "controllerrevisions", "ControllerRevision", true)        \
    X(JOBS, "batch", "v1", "jobs", "Job", true)                                                    \
    X(CRONJOBS, "batch", "v1", "cronjobs", "CronJob", true)                                        \
    X(PDBS, "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", true)                   \
    X(RESOURCEQUOTAS, "", "v1", "resourcequotas", "ResourceQuota", true)                           \
    X(SECRETS, "", "v1", "secrets", "Secret", true)                                                \
    X(PVCS, "", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true)                     \
    X(RESOURCECLAIMS, "resource.k8s.io", "v1", "resourceclaims", "ResourceClaim", true)            \
    X(PVS, "", "v1", "persistentvolumes", "PersistentVolume", false)                               \
    X(STORAGECLASSES, "storage.k8s.io", "v1", "storageclasses", "StorageClass", false)             \
    X(CLUSTERROLES, "rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", false)       \
    X(CSRS, "certificates.k8s.io", "v1", "certificatesigningrequests",                             \
      "CertificateSigningRequest", false)                                                          \
    X(VALIDATINGADMISSIONPOLICIES, "admissionregistration.k8s.io", "v1",                           \
      "validatingadmissionpolicies", "ValidatingAdmissionPolicy", false)                           \
    X(CUSTOMRESOURCEDEFINITIONS, "apiextensions.k8s.io", "v1", "customresourcedefinitions",        \
      "CustomResourceDefinition", false)                                                           \
    X(SERVICECIDRS, "networking.k8s.io", "v1", "servicecidrs", "ServiceCIDR", false)               \
    X(IPADDRESSES, "networking.k8s.io", "v1", "ipaddresses", "IPAddress", false)
#define X(id, ...) K_##id,
enum kind_id { KINDS(X) K_N };
#undef X
struct kind {
    str group, version, plural, kind;
    bool namespaced;
};
extern const struct kind kinds[K_N];
struct informer *kind_informer(struct client *c,
                               enum kind_id id); /* with the index and packing below */

/* Index keys of every namespaced cache: "u<uid>" of the controlling owner, or "o<namespace>" when
 * there is none; pods also "n<node>", leases and the like only what they have. */
str index_owner(struct arena *a, str uid);
str index_orphans(struct arena *a, str ns);
str index_node(struct arena *a, str node);

/* ---- pods, as the pods' cache packs them (pods.c) ---- */
enum pod_phase { POD_UNKNOWN, POD_PENDING, POD_RUNNING, POD_SUCCEEDED, POD_FAILED };
struct pod {
    const struct obj *obj;
    enum pod_phase phase;
    bool ready, deleting, tracked /* has the job-tracking finalizer */;
    int64_t ready_since_s, created_s, restarts, deletion_cost;
    int64_t finished_s; /* when its last container ended; 0: unknown */
    int64_t index;      /* of an Indexed Job's pod; -1: none */
    str node, owner_uid, ips /* comma-separated */, hostname, subdomain, reason;
    str target_node; /* of a daemon pod: the node its affinity names */
    str revision;    /* label controller-revision-hash */
};
void pod_pack(const struct json *tree, struct buf *out);
void pod_read(const struct obj *o, struct pod *ret); /* slices borrow from o */
static inline bool pod_is_active(const struct pod *p)
{
    return p->phase != POD_SUCCEEDED && p->phase != POD_FAILED && !p->deleting;
}
bool pod_is_available(const struct pod *p, int64_t min_ready_s, wall_time now);

/* ---- plans (plan.c) ---- */
enum action_type { ACT_CREATE, ACT_UPDATE, ACT_UPDATE_STATUS, ACT_PATCH, ACT_DELETE, ACT_EVENT };
enum {
    ACT_IGNORE_NOT_FOUND = 1 << 0, /* the object is gone: as good as done */
    ACT_IGNORE_EXISTS = 1 << 1,
    ACT_ALWAYS = 1 << 2,     /* runs even if an earlier step failed (status) */
    ACT_SLOW_START = 1 << 3, /* 1, 2, 4, ... at once; the rest is left out after a failure */
    ACT_PUSH_FAILURE =
        1 << 4, /* a failure is remembered for the next reconcile: reconcile.failure */
    ACT_IGNORE_TERMINATING = 1 << 5, /* the namespace is being deleted: nothing to retry */
    ACT_IGNORE_CONFLICT = 1 << 6,    /* somebody else has changed it: the change wakes us again */
};
struct action_event { /* recorded when the action has succeeded (failed); on NULL: none */
    const struct json *on;
    const char *type, *reason;
    str text; /* "%s" stands for the created object's name (the error's message) */
};
struct action {
    enum action_type type;
    unsigned flags, step;
    const struct kind *kind;
    str ns, name, sub, uid, resource_version; /* uid, resource_version: preconditions of a delete */
    const char *patch_type;
    const char *query; /* of a patch, with its '?'; NULL: none */
    struct json *body; /* create, update, patch; may be shared by actions that follow each other */
    str label;         /* a name for the log: execute.c's */
    str text;          /* the body as it is sent: execute.c's */
    const char *propagation; /* delete: "Background", ...; NULL: the default */
    int64_t grace_s;         /* delete: -1: the object's own */
    struct action_event success, failure;
};
struct plan {
    struct arena *arena;
    struct action *actions;
    uint32_t n, cap;
    unsigned step;
    int64_t requeue_ns; /* 0: none; otherwise look again after so long */
    bool retry;         /* look again with back-off */
};
struct action *plan_create(struct plan *p, enum kind_id k, str ns, struct json *body);
struct action *plan_update(struct plan *p, enum kind_id k, struct json *body);
struct action *plan_update_status(struct plan *p, enum kind_id k, struct json *body);
struct action *plan_patch(struct plan *p, const struct kind *k, str ns, str name, str sub,
                          const char *patch_type, struct json *body);
struct action *plan_delete(struct plan *p, enum kind_id k,
                           const struct obj *o); /* with its uid as precondition */
struct action *plan_delete_named(struct plan *p, const struct kind *k, str ns, str name, str uid);
void plan_event(struct plan *p, const struct json *on, const char *type, const char *reason,
                const char *fmt, ...) PRINTF(5, 6);
void plan_then(struct plan *p);                      /* what follows waits for what came before */
void plan_requeue(struct plan *p, int64_t delay_ns); /* the earliest counts */
void plan_format(const struct plan *p,
                 struct buf *out); /* a line per action: for tests and the debug log */
#define PATCH_MERGE "application/merge-patch+json"
#define PATCH_APPLY "application/apply-patch+yaml"
#define PATCH_STRATEGIC "application/strategic-merge-patch+json"

/* ---- the framework (controllers.c) ---- */
struct config { /* what reconciles may know of the outside */
    str ca_pem, ca_key_pem, token_key_pem, cluster_cidr;
    int64_t node_monitor_grace_ns;
};
struct reconcile {
    struct arena *a;
    wall_time now;
    mono_time mono;
    str ns, name; /* of the key */
    struct informer *const
        *caches; /* by enum kind_id; NULL entries: not needed by this controller */
    const struct config *config;
    void *state; /* the controller's own (controller.state_new) */
    /* How many objects a namespace has of a kind without a cache above ("widgets.example.com", "podtemplates"); -1: not
     * known. */
    int64_t (*other_count)(void *ctx, str ns, str name);
    void *other_ctx;
    str failure; /* what an ACT_PUSH_FAILURE action failed with last time; p NULL: nothing */
    uint64_t (*random)(void *ctx);
    void *random_ctx;
    struct plan plan;
};
const struct obj *look_up(const struct reconcile *r, enum kind_id k, str ns, str name);
struct json *tree_of(struct arena *a, const struct obj *o); /* a fresh tree that may be changed */
/* spec.selector of those kinds whose cache packs it (kinds.c), without parsing the object; borrows o's text. NULL: absent. */
struct json *packed_selector(struct arena *a, const struct obj *o);
struct json *look_tree(const struct reconcile *r, enum kind_id k, str ns,
                       str name); /* NULL: not there */

struct manager;
struct controller;
struct trigger { /* a change of `kind` wakes the keys that `keys` names (wake()) */
    enum kind_id kind;
    void (*keys)(struct controller *c, const struct obj *obj, const struct obj *prev);
};
struct controller_type {
    const char *name;      /* in logs */
    const char *component; /* the source of its events */
    enum kind_id primary;  /* its changes wake its own key; K_N: none */
    const struct trigger *triggers;
    size_t n_triggers;
    void (*reconcile)(struct reconcile *r);
    void (*work)(struct controller *c, str key); /* ends with work_done(), now or later */
    int parallel;                                /* keys at once; 0: CONTROLLER_PARALLEL */
    void *(*state_new)(
        struct controller *c);       /* when all caches are filled, before the first trigger */
    void (*state_free)(void *state); /* cancels what the state has under way */
    const enum kind_id
        *reads; /* further caches that reconcile looks into; ends with K_N; NULL: none */
};
#define CONTROLLER_PARALLEL 16
void wake(struct controller *c, str ns, str name);
void wake_after(struct controller *c, str ns, str name, int64_t delay_ns);
struct informer *controller_cache(const struct controller *c, enum kind_id k);
struct loop *controller_loop(const struct controller *c);
struct client *controller_client(const struct controller *c);
const struct config *controller_config(const struct controller *c);
void *controller_state(const struct controller *c);
/* Wakes the object that controls obj (and controlled prev), when it is of this kind. */
void wake_owner(struct controller *c, const struct kind *owner, const struct obj *obj,
                const struct obj *prev);
/* For controllers that must ask the server in between (controller_type.work instead of reconcile):
 * ends the key's turn. */
void work_done(struct controller *c, str key, bool retry);
bool key_split(str key, str *ret_ns, str *ret_name); /* "ns/name" or "name" */

extern const struct controller_type namespace_controller, serviceaccount_controller,
    root_ca_controller, replicaset_controller, replicationcontroller_controller,
    deployment_controller, endpoints_controller, endpointslice_controller,
    endpointslice_mirroring_controller, node_lifecycle_controller, node_ipam_controller,
    taint_eviction_controller, job_controller, ttl_after_finished_controller, cronjob_controller,
    daemonset_controller, statefulset_controller, podgc_controller, disruption_controller,
    resourcequota_controller, token_controller, pvc_protection_controller, csr_signer_controller,
    node_ttl_controller, role_aggregation_controller, token_cleaner_controller,
    legacy_tokens_controller, bootstrap_signer_controller, policy_status_controller,
    volume_controller, claim_controller, servicecidr_controller;

#define JOB_FINALIZER "batch.kubernetes.io/job-tracking"
#define JOB_INDEX "batch.kubernetes.io/job-completion-index"

/* ---- helpers shared by reconciles (helpers.c) ---- */
str owner_uid(const struct json *tree); /* of the controlling owner; empty: none */
const struct json *
owner_reference(const struct json *tree); /* the one with controller: true; NULL */
struct json controller_reference(struct arena *a, const struct kind *k, const struct json *owner);
bool is_deleting(const struct json *tree);
struct json *condition_find(const struct json *conditions, const char *type);
struct json time_json(struct arena *a, wall_time t); /* a JSON string */
bool time_of(const struct json *v, wall_time *ret);
bool int_or_percent(const struct json *v, int64_t total, bool round_up, int64_t *ret);
str safe_encode(struct arena *a,
                uint32_t hash); /* in decimal, digits mapped to letters that spell no words */
str template_hash(struct arena *a, const struct json *template_tree, int64_t collision_count);
/* Sets a string-to-string entry below metadata ("labels", "annotations"). true: it was different.
 */
bool meta_set(struct arena *a, struct json *tree, const char *which, str key, str value);
str meta_get(const struct json *tree, const char *which, str key);
struct json *pod_from_template(struct arena *a, const struct json *template_tree,
                               const struct json *owner, const struct kind *owner_kind,
                               str generate_name);
/* Bootstrap tokens (token_cleaner.c): is it one; what it holds; is it over, or when. */
bool bootstrap_token_is(const struct obj *o);
str bootstrap_token_datum(struct arena *a, const struct json *secret, const char *name);
bool bootstrap_token_expired(struct arena *a, const struct json *secret, wall_time now,
                             int64_t *ret_left_ns);
bool namespace_is_active(const struct reconcile *r, str name); /* serviceaccount.c */
/* ---- ControllerRevisions: the history of a template (revisions.c) ---- */
struct revision {
    const struct obj *obj; /* NULL: being created */
    struct json *tree;
    int64_t number;
    str name, hash;
};
struct history {
    struct revision *all; /* oldest first */
    uint32_t n, cap;
    struct revision *update; /* of the template as it is now */
};
/* Reads the owner's revisions and plans what is missing: a new one for a new template, a higher
 * number for one that is used again. */
void history_sync(struct reconcile *r, enum kind_id owner_kind, struct json *owner,
                  const char *hash_label, struct history *ret);
/* Deletes the oldest beyond the owner's limit that nobody names in `live` (NULL-terminated by p).
 */
void history_truncate(struct reconcile *r, const struct json *owner, const struct history *h,
                      const str *live, size_t n_live);
const struct revision *history_find(const struct history *h, str name_or_hash);
/* The owner's template as it was at that revision. */
const struct json *revision_template(const struct revision *rev);

/* Adds (takes away) the controlling owner reference (replicaset.c): patches that the caller may add to. */
struct action *plan_adopt(struct reconcile *r, enum kind_id k, const struct obj *o,
                          enum kind_id owner_kind, const struct json *owner);
struct action *plan_release(struct reconcile *r, enum kind_id k, const struct obj *o,
                            str owner_uid);
#endif
