/* scheduler_internal.h - the scheduler's parts and what they share.
 *
 *   scheduler.c   informers, events of the cluster, the turn that schedules
 *   view.c        pods and nodes as the scheduler needs them, made from API objects
 *   cluster.c     which pods are on which node, and what is left there
 *   queue.c       which pod is next
 *   cycle.c       one pod: filter, score, select; why it does not fit
 *   <plugin>.c    one rule each: node_unschedulable, taint_toleration, node_affinity, node_ports,
 *                 node_resources, volume_binding, pod_topology_spread, inter_pod_affinity,
 *                 node_declared_features, volume_restrictions
 *   preemption.c  room by evicting pods of lower priority
 *   bind.c        what is written to the API: bindings, conditions, evictions, events
 *
 * Pods of one template differ in name only. What rules look at is kept once for all of them, in a `struct profile`; a pod is
 * a name, a place in the queue or on a node, and a reference. Counts of matching pods are sums over profiles.
 *
 * All on one loop. The live state is the snapshot: a decision is assumed on the spot, before its binding is written. */
#ifndef K1S_SCHEDULER_INTERNAL_H
#define K1S_SCHEDULER_INTERNAL_H

#include "scheduler/scheduler.h"
#include "schema/schema.h"

#define N_INFORMERS 7 /* all must be filled before the first pod is placed */
#define SCHEDULER_NAME "default-scheduler"
#define BACKOFF_FIRST_NS NS_PER_S      /* podInitialBackoffSeconds */
#define BACKOFF_MAX_NS (10 * NS_PER_S) /* podMaxBackoffSeconds */
#define UNSCHEDULABLE_MAX_NS                                                                       \
    (300 * NS_PER_S)     /* no pod waits longer for an event that concerns it */
#define TURN_PODS 32     /* pods tried per turn of the loop */
#define BINDINGS_MAX 256 /* bindings on their way at a time; more pods wait in the queue */
#define SCORE_MAX 100
#define NODES_FEASIBLE_MIN                                                                         \
    100 /* with more nodes, a share of them is enough (minFeasibleNodesToFind) */
#define NODES_PERCENT_MIN 5
#define CPU_MILLI_UNSET 100 /* what a container without requests counts as when scoring */
#define MEM_BYTES_UNSET (INT64_C(200) << 20)
#define HOSTNAME_KEY "kubernetes.io/hostname"
#define ZONE_KEY "topology.kubernetes.io/zone"

/* ---- amounts of resources ---- */
struct amount {
    uint32_t id; /* of struct scheduler.extended */
    int64_t value;
};
struct demand {
    int64_t cpu_milli, mem_bytes, eph_bytes;
    struct amount *extended;
    uint32_t n_extended;
};
int64_t demand_extended(const struct demand *d, uint32_t id);
void demand_add(struct demand *to, const struct demand *d,
                int sign); /* `to` owns its array on the heap */
void demand_fini(struct demand *d);

/* ---- what a pod's template says; strings and arrays in the profile's arena ---- */
struct toleration {
    str key, value, effect;
    bool exists; /* operator Exists: any value */
};
struct taint {
    str key, value, effect;
};
struct node_term { /* all must hold; an empty one holds nowhere */
    struct selector labels;
    struct selector names; /* matchFields on metadata.name */
    bool is_empty;
    int64_t weight; /* of preferred ones */
};
struct pod_term {
    struct selector selector;
    str *namespaces;
    uint32_t n_namespaces;
    struct selector ns_selector;
    bool has_ns_selector;
    str topology_key;
    int64_t weight;
};
struct spread {
    str topology_key;
    struct selector selector;
    int64_t max_skew, min_domains;
    bool hard, honor_affinity, honor_taints;
};
struct host_port {
    str ip, protocol;
    int64_t port;
};
struct tally_item { /* pods of a profile on a node */
    struct node *node;
    uint32_t n, n_terminating;
};
struct profile {
    uint32_t refs; /* pods */
    struct arena *arena;
    str text;       /* the key in scheduler.profiles */
    str ns, labels; /* labels packed */
    str owner;      /* uid of the controller; empty: none */
    int32_t priority;
    bool never_preempts;
    struct demand request;
    int64_t score_cpu_milli,
        score_mem_bytes; /* with defaults for containers that ask for nothing */
    struct host_port *ports;
    str *claims; /* names of PersistentVolumeClaims */
    struct selector node_selector;
    struct node_term *node_required, *node_preferred;
    struct toleration *tolerations;
    struct spread *spreads;
    struct pod_term *affinity, *anti_affinity,
        *preferred; /* preferred: anti-affinity has negative weights */
    uint32_t n_ports, n_claims, n_node_required, n_node_preferred, n_tolerations, n_spreads,
        n_affinity, n_anti_affinity, n_preferred;
    bool has_node_required;
    bool restarts_all_containers; /* has a rule for that */
    struct tally_item *tally;     /* by node id */
    uint32_t n_tally, cap_tally;
    struct list link; /* in scheduler.profile_list */
};

/* ---- nodes ---- */
struct node {
    uint32_t id;  /* never used again */
    uint32_t at;  /* place in scheduler.nodes while present */
    bool present; /* its object exists; pods may name nodes that do not (any more) */
    bool unschedulable;
    bool restarts_all_containers; /* its kubelet can do that */
    str name;                     /* heap, as is what follows */
    str labels;                   /* packed */
    struct arena *arena;          /* of taints */
    struct taint *taints;
    uint32_t n_taints;
    struct demand allocatable, requested;
    int64_t allocatable_pods, score_cpu_milli, score_mem_bytes;
    struct pod **pods;
    uint32_t n_pods, cap_pods;
    struct list nominated; /* pod.nominated_link: pods that wait for room made here */
};

/* ---- pods ---- */
enum pod_place {
    POD_NOWHERE,
    POD_ACTIVE,
    POD_BACKOFF,
    POD_ERROR, /* a request about it failed */
    POD_UNSCHEDULABLE,
    POD_GATED,
    POD_BINDING,
    POD_BOUND
};
struct pod {
    char *ns, *name, *uid;
    struct profile *profile;
    enum pod_place place;
    struct node *node; /* assumed or bound */
    uint32_t at;       /* in node->pods */
    bool assumed, terminating;
    bool gone; /* deleted while its binding was on its way */
    int64_t start_ns, generation, revision;
    char *
        condition; /* PodScheduled as it stands: status, reason, time, message in lines; NULL: none */
    /* queue */
    uint32_t heap_at; /* plus one */
    struct list link; /* POD_UNSCHEDULABLE */
    int64_t queued_ns, backoff_ns, unschedulable_ns;
    uint64_t seq;
    uint32_t attempts, failed_plugins;
    struct node *nominated;
    struct list nominated_link;
};

/* ---- what happened in the cluster, and which plugins' refusals it may undo ---- */
enum cluster_event {
    EVENT_NODE_ADDED = 1 << 0,
    EVENT_NODE_ALLOCATABLE = 1 << 1,
    EVENT_NODE_LABELS = 1 << 2,
    EVENT_NODE_TAINTS = 1 << 3,
    EVENT_POD_ADDED = 1 << 4, /* bound ones */
    EVENT_POD_CHANGED = 1 << 5,
    EVENT_POD_GONE = 1 << 6, /* bound or assumed ones no more, or room that was promised */
    EVENT_VOLUMES = 1 << 7,  /* claims, volumes, storage classes */
    EVENT_NODE_GONE = 1 << 8,
    EVENT_NODE_FEATURES = 1 << 9,
};

/* ---- plugins ---- */
#define REASONS_MAX 8
struct verdict { /* why a node was refused */
    const char *reasons[REASONS_MAX];
    uint32_t n_reasons;
    bool unresolvable; /* evicting pods would not help */
};
struct cycle;
struct plugin {
    const char *name;
    uint32_t requeue_on;              /* cluster events */
    void (*prepare)(struct cycle *c); /* once per pod; may be NULL */
    bool (*filter)(struct cycle *c, const struct node *n, struct verdict *ret); /* may be NULL */
    void (*prepare_score)(struct cycle *c); /* nodes are known; may be NULL */
    double (*score)(struct cycle *c, const struct node *n,
                    bool *ret_ignored);                                 /* raw; may be NULL */
    void (*normalize)(double *scores, const bool *ignored, uint32_t n); /* to 0..SCORE_MAX */
    int weight;
};
extern const struct plugin *const plugins[];
extern const uint32_t n_plugins;
extern const struct plugin plugin_node_unschedulable, plugin_taint_toleration, plugin_node_affinity,
    plugin_node_ports, plugin_node_resources_fit, plugin_volume_binding, plugin_pod_topology_spread,
    plugin_inter_pod_affinity, plugin_node_resources_balanced, plugin_node_declared_features,
    plugin_volume_restrictions;
void verdict_add(struct verdict *v, const char *reason, bool unresolvable);
void normalize_high(double *scores, const bool *ignored,
                    uint32_t n); /* the largest becomes SCORE_MAX */
void normalize_low(double *scores, const bool *ignored, uint32_t n); /* the largest becomes 0 */

/* Counts per (topology key, value), in an arena; keys and values are borrowed. */
struct pair {
    str key, value;
    int64_t n;
};
struct pair_table {
    struct arena *arena;
    struct pair *pairs; /* in order of appearance */
    uint32_t *slots;    /* open addressing: index plus one */
    uint32_t n, cap;    /* slots: 2 * cap */
};
int64_t *pair_at(struct pair_table *t, str key, str value,
                 bool make); /* NULL: absent. Valid until the next one is made */

struct cycle { /* one pod's way through the plugins */
    struct scheduler *s;
    const struct pod *pod;
    const struct profile *profile;
    struct arena *arena; /* of the cycle */
    const struct node **feasible;
    uint32_t n_feasible;
    str refusal;         /* set by a plugin's prepare: no node will do; p NULL: none */
    uint32_t refused_by; /* the plugin */
    bool claim_in_use;   /* one that only one pod may use */
    void *volumes, *spread_filter, *spread_score, *affinity_filter,
        *affinity_score; /* the plugins' own, in the arena */
};

/* ---- the scheduler ---- */
struct pod_heap {
    struct pod **items;
    uint32_t n, cap;
    bool (*before)(const struct pod *a, const struct pod *b);
};
struct scheduler {
    struct loop *loop;
    struct client *client;
    void (*synced)(void *ctx);
    void *ctx;
    struct informer *pod_informer, *node_informer, *ns_informer, *claim_informer, *volume_informer,
        *class_informer, *budget_informer;
    struct series_recorder *events;
    unsigned n_synced;
    bool stopped;

    struct map pods;      /* "ns/name" → struct pod */
    struct map all_nodes; /* name → struct node */
    struct node **nodes;  /* present ones */
    uint32_t n_nodes, cap_nodes, next_node_id, next_start;
    struct map profiles; /* text → struct profile */
    struct list profile_list;
    uint32_t n_anti_profiles, n_preferring_profiles; /* with terms that concern other pods */
    struct map extended;                             /* resource name → struct extended */
    char **insufficient;                             /* by id: "Insufficient NAME" */
    uint32_t n_extended;
    struct arena *arena;     /* of one cycle */
    struct arena *dry_arena; /* of one dry run of an eviction */

    struct pod_heap active, backoff, errors;
    struct list unschedulable;
    struct loop_timer *backoff_timer, *flush_timer;
    uint64_t seq;
    bool turn_queued;
    uint32_t n_binding;
    struct list requests; /* bind.c: on their way */
};

/* view.c */
struct node_term *node_terms_read(struct arena *a, const struct json *list, uint32_t *ret_n);
extern const str pod_unread[]; /* what it does not look at */
extern const size_t pod_n_unread;
void pod_pack_view(const struct json *tree, struct buf *out);
void node_reduce(const struct json *tree, struct buf *out);
struct pod_head {
    str node, nominated, start_time, generation, condition;
    bool terminating, gated, foreign; /* foreign: another scheduler's */
    str profile;
};
bool pod_head_read(str data, struct pod_head *ret);
struct profile *profile_get(struct scheduler *s, str text, str labels); /* a reference */
void profile_unref(struct scheduler *s, struct profile *p);
uint32_t node_parse(struct scheduler *s, struct node *n,
                    const struct obj *o); /* the cluster events that the change amounts to */
uint32_t extended_id(struct scheduler *s, str name);

/* cluster.c */
struct node *node_find_or_make(struct scheduler *s, str name);
void node_appear(struct scheduler *s, struct node *n);
void node_vanish(struct scheduler *s, struct node *n);
void node_release(struct scheduler *s, struct node *n); /* frees it when nothing refers to it */
void node_put_pod(struct node *n, struct pod *p);
void node_take_pod(struct scheduler *s, struct pod *p);
void pod_nominate(struct scheduler *s, struct pod *p, struct node *n); /* n NULL: no more */
void pod_set_profile(struct pod *p, struct profile *next); /* the references are the caller's */
void pod_set_terminating(struct pod *p, bool terminating);
uint32_t tally_on(const struct profile *p, const struct node *n); /* pods on that node */
uint32_t tally_living_on(const struct profile *p,
                         const struct node *n); /* without terminating ones */
bool label_get(str packed, str key, str *ret_value);

/* queue.c */
void queue_init(struct scheduler *s);
void queue_fini(struct scheduler *s);
void queue_add(struct scheduler *s,
               struct pod *p); /* a new pod, or one that changed: may be tried at once */
void queue_add_failed(struct scheduler *s, struct pod *p,
                      bool error); /* error: not the cluster's fault, tried again after a pause */
void queue_remove(struct scheduler *s, struct pod *p);
bool queue_is_empty(const struct scheduler *s);
struct pod *queue_pop(struct scheduler *s); /* NULL: empty */
void queue_event(struct scheduler *s, uint32_t cluster_events);
void scheduler_wake(struct scheduler *s); /* scheduler.c: a turn is wanted */

/* volume_binding.c */
struct late_claims;
struct reach { /* the nodes from which a volume can be used */
    bool anywhere;
    struct node_term *terms;
    uint32_t n_terms;
};
/* The parts of a claim, volume or class that informers keep; NULL: there is none. */
struct json *volume_parts(struct arena *a, const struct obj *o);
bool volume_reach(struct arena *a, const struct json *volume, struct reach *ret);
bool is_in_reach(const struct reach *r, const struct node *n);
/* What the pod of this cycle has to ask for before it can be bound; NULL: nothing. */
const struct late_claims *volumes_late(const struct cycle *c);
void claim_reduce(const struct json *tree, struct buf *out);
void volume_reduce(const struct json *tree, struct buf *out);
void class_reduce(const struct json *tree, struct buf *out);

/* volume_late.c: the late claims of one pod live in the cycle's arena. */
/* False: the class of the claim does not wait. *late is made when it is still NULL. */
bool late_claim_add(struct cycle *c, const struct obj *o, struct json *claim,
                    struct late_claims **late);
bool late_claims_fit(const struct late_claims *l, const struct node *n);
/* For a node where they fit; asks once, whatever often it is called. */
void late_claims_ask(struct scheduler *s, const struct pod *p, const struct node *n,
                     const struct late_claims *l);

/* cycle.c */
struct diagnosis {
    const struct late_claims *late; /* with a node: what has to be asked for first; NULL: nothing */
    str refusal;                    /* instead of reasons: no node will do */
    struct pair_table reasons;      /* text: on how many nodes */
    uint32_t n_nodes, failed_plugins;
    const struct node **resolvable; /* refused, but evictions might help */
    uint32_t n_resolvable;
};
void diagnosis_count(struct diagnosis *d, const char *reason, uint32_t n);
void diagnosis_text(const struct diagnosis *d, str postscript,
                    struct buf *out); /* "0/3 nodes are available: ..." */
/* Lets the plugins look at the cluster as it is now; `a` must live as long as the cycle. */
void cycle_begin(struct cycle *c, struct scheduler *s, const struct pod *p, struct arena *a);
bool cycle_fits(struct cycle *c, const struct node *n, struct verdict *ret, uint32_t *ret_plugin);
/* The node to use, or NULL and why (in the scheduler's arena, valid until the next cycle). */
struct node *cycle_run(struct scheduler *s, const struct pod *p, struct diagnosis *ret);

/* plugins for each other */
bool node_term_holds(const struct node_term *t, const struct node *n);
bool node_matches_affinity(const struct profile *p, const struct node *n);
bool profile_tolerates(const struct profile *p, const struct taint *t);
const struct taint *
node_untolerated(const struct profile *p,
                 const struct node *n); /* NoSchedule and NoExecute; NULL: none */
bool term_matches(struct scheduler *s, const struct pod_term *t, const struct profile *p);

/* preemption.c: the parts of a PodDisruptionBudget that are looked at. */
void budget_reduce(const struct json *tree, struct buf *out);
/* What the event and condition say of it; *ret_node when pods were evicted there. */
void preempt(struct scheduler *s, struct pod *p, const struct diagnosis *d, struct buf *ret_message,
             struct node **ret_node);

/* bind.c */
void requests_cancel(struct scheduler *s);
void bind_pod(struct scheduler *s, struct pod *p);
/* A merge patch of an object that the pod needs; failures are logged. */
void patch_for(struct scheduler *s, const struct pod *p, const char *what, str path,
               const struct json *body);
void report_failure(struct scheduler *s, struct pod *p, str message);
void evict(struct scheduler *s, const struct pod *victim, const struct pod *preemptor,
           const struct node *n);

/* scheduler.c */
void pod_free(struct scheduler *s, struct pod *p);
void scheduler_assume(struct scheduler *s, struct pod *p, struct node *n);
void scheduler_release(struct scheduler *s,
                       struct pod *p); /* off its node, if on one; who waits for room is woken */
void scheduler_bind_failed(struct scheduler *s, struct pod *p, struct err *err);

#endif
