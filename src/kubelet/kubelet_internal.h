/* kubelet_internal.h - the node agent's parts and what they share. Everything here is on the agent's loop. */
#ifndef K1S_KUBELET_INTERNAL_H
#define K1S_KUBELET_INTERNAL_H
#include "kubelet/backoff.h"
#include "kubelet/cgroup.h"
#include "kubelet/container_env.h"
#include "kubelet/containerd.h"
#include "kubelet/cri_config.h"
#include "kubelet/images.h"
#include "kubelet/kubelet.h"
#include "kubelet/pod_plan.h"
#include "kubelet/pod_runtime.h"
#include "kubelet/pod_status.h"
#include "kubelet/runtime.h"
#include "kubelet/volume.h"
#include "wire/http.h"

struct pod_worker;
struct refs;
struct node;
struct kubelet_server;
struct log_rotation;

struct kubelet {
    struct kubelet_options o; /* strings in the arena */
    struct arena *arena;
    struct loop *loop;
    struct client *client;
    struct containerd *containerd; /* NULL: somebody else's runtime */
    struct runtime *rt;
    struct images *images;
    struct event_recorder *events;
    struct http_client *http; /* probes and hooks: TLS without verification, as Kubernetes has it */
    struct informer *pods, *services, *nodes;
    struct refs *refs;
    struct node *node;
    struct log_rotation *rotation;
    struct kubelet_server *server;
    struct cgroup_fs cgroups;
    struct list sandbox_queue; /* workers that wait for their turn to make a sandbox */
    int n_sandboxes_making, sandboxes_max;
    struct map workers;        /* uid -> struct pod_worker */
    struct map by_container;   /* container or sandbox id -> struct pod_worker */
    struct loop_timer *relist; /* the slow one, for safety */
    struct start *start;       /* kubelet.c: the beginning */
    struct tls_client *tls;
    str runtime_name, runtime_version;
    str stream_origin;
    int64_t memory_bytes; /* of the node */
    bool runtime_up, runtime_known, pods_known, running, stopping, ready_told;
    struct json *allocatable;
};
/* The runtime's own files are the only other way to them; blocking. */
void container_last_words(struct arena *a, struct rt_container *c);
#define RELIST_NS (300 * NS_PER_S)

/* The pods' workers may begin: the runtime answers, pods are known, the node has its network. */
bool kubelet_is_running(const struct kubelet *k);
/* An event about a pod (field_path empty) or one of its containers. */
void kubelet_event(struct kubelet *k, const struct json *pod, str field_path, const char *type,
                   const char *reason, const char *fmt, ...) PRINTF(6, 7);
/* What a worker's changes mean for the whole: QoS groups. */
void kubelet_pods_changed(struct kubelet *k);
/* Services as the environment of this pod sees them; array in the arena. */
const struct json *kubelet_services(struct kubelet *k, struct arena *a, str ns);

/* ---- refs.c: objects that pods refer to, watched one by one while a pod needs them ---- */
struct refs *refs_new(struct kubelet *k);
void refs_free(struct refs *r);
/* The worker needs this object: it is woken when the object changes. */
void refs_need(struct refs *r, struct pod_worker *w, enum ref_kind kind, str ns, str name);
void refs_release(struct refs *r, struct pod_worker *w); /* all of the worker's */
/* Has the API told (even if only that there is none) of all that the worker needs? */
bool refs_are_known(const struct refs *r, const struct pod_worker *w);
const struct json *refs_find(struct refs *r, struct arena *a, enum ref_kind kind, str ns, str name);

/* ---- worker.c: one pod ---- */
struct container_local { /* what the agent remembers of a container by name */
    char *name;
    char *waiting_reason, *waiting_message;
    struct backoff_entry crash, pull;
    char *pull_error;          /* of the last pull */
    mono_time retry_at;        /* 0: not set; of a start that failed */
    char *probed_id;           /* the container whose probes' results these are */
    struct prober *probers[3]; /* enum probe_kind */
    enum probe_result results[3];
    bool stopping;
    int64_t stop_grace_s; /* of the stop under way */
    struct container_stop *stop;
    bool backoff_told;
    struct arena *sized_arena; /* of what follows */
    char *sized_id;            /* the container that has these resources; NULL: not known */
    struct json *sized;
};
enum probe_kind { PROBE_STARTUP, PROBE_LIVENESS, PROBE_READINESS };

struct token {
    char *audience, *value;
    int64_t expiration_s;
    wall_time refresh_at;
    bool pending;
};
struct pod_worker {
    struct kubelet *k;
    char *uid, *ns, *name;
    const struct obj *obj; /* the API's newest version; NULL: never seen there */
    bool forgotten;        /* the API has the pod no more */
    struct arena *arena;   /* of the parsed version */
    struct json *pod;      /* NULL: only known from the runtime */
    struct pod_container *containers;
    size_t n_containers;
    struct map locals;      /* container name -> struct container_local */
    struct pod_runtime *rt; /* NULL: not looked up yet */
    char **
        expected; /* containers that are known to have ended, though the runtime may not say so yet */
    size_t n_expected;
    int n_expect_tries;
    bool stale;               /* rt must be fetched anew */
    bool busy;                /* a short chain is under way (fetch, sandbox, volumes) */
    bool woken;               /* a step is due */
    struct list sandbox_link; /* in the queue, while it waits */
    bool sandbox_turn;        /* it is its turn: this step uses it or passes it on */
    bool admitted;            /* by this agent, or it was running already */
    bool volumes_applied, volumes_dirty, cgroup_made;
    bool over; /* the plan: nothing is left to run */
    bool sandboxes_stopped, released,
        removed; /* on the way out: network; volumes and cgroup; runtime's records and logs */
    bool deleting_sent, gone;
    int64_t due_ns;                /* of the timer, monotonic */
    struct container_start *start; /* one at a time, in order */
    struct loop_timer *timer, *look_timer;
    struct volume_set volumes; /* in volumes_arena; valid once applied */
    struct arena *volumes_arena;
    struct token *tokens;
    size_t n_tokens;
    char *fail_reason, *fail_message;
    mono_time volume_retry_at, sandbox_retry_at; /* 0: not set */
    int64_t volume_retry_ns, sandbox_retry_ns;
    const char *resize_type, *resize_reason; /* the condition of a resize; NULL: none */
    char *resize_message;
    mono_time resize_at;       /* when what had to wait is tried again; 0: at once */
    int64_t resize_generation; /* that had to wait */
    mono_time stop_deadline;   /* of the whole pod's graceful end; 0: not begun */
    struct arena *sent_arena;
    struct json *sent; /* status told last, until the informer has caught up with it */
    int64_t sent_revision;
    uint64_t told_hash; /* of the last patch, and when it was sent */
    mono_time told_at;
    bool patching;
    size_t calls; /* outstanding completions that name this worker: it is freed after the last */
};
void worker_pod_changed(struct kubelet *k, const struct obj *obj, const struct obj *prev);
void worker_adopt(struct kubelet *k, str uid, str ns, str name); /* known from the runtime only */
void worker_wake(struct pod_worker *w);
void worker_wake_in(struct pod_worker *w, int64_t delay_ns);
void worker_runtime_event(struct kubelet *k, str id, bool exited); /* id empty: all */
void worker_ref_changed(struct pod_worker *w);
void worker_images_changed(struct kubelet *k); /* who waits for an image looks again */
void worker_free_all(struct kubelet *k);
struct container_local *worker_local(struct pod_worker *w, str name);
void worker_local_waiting(struct container_local *l, const char *reason,
                          str message); /* reason NULL: not waiting */
/* The pod in terms of its environment; strings live as long as the arena and the worker's current snapshot. */
struct pod_context worker_context(struct pod_worker *w, struct arena *a);
void worker_call(struct pod_worker *w);   /* a completion will name the worker */
bool worker_return(struct pod_worker *w); /* it has; false: the worker is over and perhaps freed */
bool worker_is_ending(const struct pod_worker *w);
str worker_dir(struct pod_worker *w, struct arena *a);
const struct rt_container *worker_running(struct pod_worker *w, str name); /* NULL: does not run */

/* ---- worker_sync.c, worker_end.c, worker_status.c: the steps of worker.c ---- */
void worker_sync(struct pod_worker *w);
void worker_end(struct pod_worker *w);
/* Tells the API what differs; true: it knows all that there is to tell. */
bool worker_publish(struct pod_worker *w, bool finished);
void worker_overlay_status(
    struct pod_worker *w); /* after the pod was parsed: what was told but has not come back */
void worker_free_when_idle(struct pod_worker *w);
void worker_sandbox_next(struct kubelet *k); /* a turn is free */

/* ---- worker_resize.c ---- */
void worker_resize(struct pod_worker *w); /* a step of it, if one is due */

/* ---- worker_token.c ---- */
/* Asks for the tokens that the pod's volumes need and that are missing or due; false: some are still to come. */
bool worker_tokens_ready(struct pod_worker *w);
bool worker_token_find(void *ctx, str audience, int64_t expiration_s, str *ret);
void worker_tokens_free(struct pod_worker *w);

/* ---- container_start.c: image, create, start, postStart ---- */
void container_start_begin(struct pod_worker *w, size_t index);
bool container_start_is_in_hook(const struct pod_worker *w, str name);
void container_start_abort(struct pod_worker *w); /* when it waits for an image only */

/* ---- container_stop.c: preStop, then stop ---- */
/* message: of the Killing event. A second call with less grace shortens the first. */
void container_stop_begin(struct pod_worker *w, const struct rt_container *c, int64_t grace_s,
                          const char *reason, str message);

/* ---- hooks.c: lifecycle handlers and the actions of probes ---- */
/* exec, httpGet, tcpSocket, sleep, grpc of a handler. ok false: message says why. output: of an exec. Runs once, later. */
typedef void action_fn(void *ctx, bool ok, bool unknown, str message);
struct action_target {
    struct kubelet *k;
    const struct json *container; /* for named ports */
    str container_id, host;       /* host: the pod's address */
};
struct action;
struct action *action_run(const struct action_target *t, const struct json *handler,
                          int64_t timeout_ns, bool is_probe, action_fn *done, void *ctx);
void action_cancel(struct action *x); /* done is not called any more */

/* ---- probes.c ---- */
void probes_update(struct pod_worker *w); /* starts and stops probers by what runs */
void probes_stop(struct container_local *l);

/* ---- node.c, node_status.c ---- */
struct node *node_new(struct kubelet *k);
void node_free(struct node *n);
void node_start(struct node *n);
void node_changed(struct node *n); /* conditions may have: tell soon */
void node_images_changed(struct node *n);
void node_seen(
    struct node *n); /* its object has changed: somebody else may have written its status */

/* ---- log_rotate.c ---- */
struct log_rotation *log_rotation_new(struct kubelet *k);
void log_rotation_free(struct log_rotation *r);
void log_link_set(const struct pod_worker *w, str container, str id,
                  str log_path); /* log_path empty: removes it */

/* ---- admission.c: may the pod run here at all? Pure. ---- */
struct admission_input {
    const struct json *pod, *node; /* node: as the API has it */
    const struct json *const *others;
    size_t n_others; /* pods that hold resources here */
    int max_pods;
};
/* false: *ret_reason ("OutOfcpu") and *ret_message are what the pod fails with. */
bool admission_check(struct arena *a, const struct admission_input *in, str *ret_reason,
                     str *ret_message);

/* ---- server.c ---- */
MUST_USE struct err *kubelet_server_start(struct kubelet *k, struct kubelet_server **ret);
void kubelet_server_free(struct kubelet_server *s);
int kubelet_server_port(const struct kubelet_server *s);
void kubelet_logs_ended(struct kubelet *k);
#endif
