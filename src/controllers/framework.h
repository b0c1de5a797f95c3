/* framework.h - the controller manager's own insides: controllers.c (caches, queues, wake-ups),
 * execute.c (plans into requests). */
#ifndef K1S_CONTROLLERS_FRAMEWORK_H
#define K1S_CONTROLLERS_FRAMEWORK_H
#include "controllers/controllers_internal.h"

#define WRITTEN_KINDS_MAX 6 /* kinds that one key's plans write to */

/* What must have reached the caches before a key is looked at again. */
struct written {
    enum kind_id kind;
    int64_t revision;
};
struct memory {
    struct controller *c;
    char *key;
    struct written written[WRITTEN_KINDS_MAX];
    int n_written;
    struct deleted {
        enum kind_id kind;
        const struct obj *obj;
    } * deleted; /* asked to go; not yet seen to */
    uint32_t n_deleted, cap_deleted;
    char *failure; /* of an ACT_PUSH_FAILURE action; NULL: none */
    bool parked;
    enum kind_id parked_on;
    struct list link; /* in manager->parked[parked_on] while parked */
    bool again;       /* woken while parked */
};

struct controller {
    const struct controller_type *type;
    struct controllers *m;
    struct workqueue *queue;
    struct event_recorder *recorder;
    struct map memories; /* key -> struct memory */
    struct list runs;    /* struct run.link */
    void *state;
};

/* Who controls an object: read once per change, though a dozen controllers ask. */
struct owner_cache {
    const struct obj *of; /* NULL: nothing yet */
    str kind, name;       /* empty: nobody; slices into the arena */
};

struct gc;
struct controllers {
    struct loop *loop;
    struct client *client;
    struct config config;
    char *ca_pem, *ca_key_pem, *token_key_pem, *cluster_cidr;
    struct informer *caches[K_N];
    struct cache_handler {
        struct controllers *m;
        enum kind_id kind;
    } handlers[K_N];
    struct list parked[K_N];
    struct controller **list;
    size_t n;
    int n_unsynced;
    bool running;
    struct arena *change;         /* of the change being told */
    struct owner_cache owners[2]; /* of its new and old version */
    struct gc *gc;
    void (*synced)(void *ctx);
    void *synced_ctx;
};

/* One reconcile and the execution of its plan. */
struct run {
    struct list link;
    struct controller *c;
    struct memory *memory;
    struct reconcile r;
    uint32_t next, in_flight, window;
    unsigned step;
    bool failed, step_failed /* before this step */, slow_failed, push_failed;
    struct client_call **calls; /* per action; NULL: none under way */
};
void run_execute(struct run *run);  /* ends with run_finished(), now or later */
void run_finished(struct run *run); /* controllers.c: frees run */
void run_cancel(struct run *run);   /* frees run without run_finished() */
void memory_wrote(struct memory *m, enum kind_id k, int64_t revision);
void memory_deleted(struct memory *m, enum kind_id k, const struct obj *o);

/* ---- gc.c ---- */
struct gc *gc_new(struct controllers *m);
void gc_free(struct gc *gc);
/* A namespaced object of some kind has gone, or one of a kind that only the collector caches has come; ns empty: such a
 * kind's objects are all known now. */
typedef void gc_count_fn(void *ctx, const struct resource *r, str ns);
#define GC_LISTENERS_MAX 4
void gc_on_count(struct gc *gc, gc_count_fn *fn, void *ctx);
bool gc_is_synced(const struct gc *gc);
struct custom_kinds *gc_custom_kinds(struct gc *gc);
/* The cache of a kind ("widgets.example.com", "podtemplates"), whoever fills it; NULL: not served, not collected, or not filled
 * yet. */
const struct informer *gc_cache(struct gc *gc, str name);
#endif
