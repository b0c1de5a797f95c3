/* gc.h - the garbage collector's graph, shared by gc.c (keeps it) and gc_requests.c (acts on it).
 */
#ifndef K1S_CONTROLLERS_GC_H
#define K1S_CONTROLLERS_GC_H
#include "controllers/custom_kinds.h"
#include "controllers/framework.h"

struct node;
struct edge { /* an owner reference */
    struct node *dependent, *owner;
    uint32_t at;  /* in owner->dependents */
    bool blocks;  /* blockOwnerDeletion */
    bool dropped; /* orphaning: the reference has been removed, the watch has not said so yet */
    char *api_version, *kind, *name; /* as the reference says */
};
struct node {
    char *uid, *ns, *name;
    const struct resource *resource; /* NULL: a kind that is not served */
    int64_t revision;
    struct edge *edges; /* to owners */
    uint32_t n_edges;
    struct edge **dependents;
    uint32_t n_dependents, cap;
    bool is_virtual, deleting, deleting_dependents /* foreground */, orphaning;
};
struct gc_kind {
    struct gc *gc;
    const struct resource *resource;
    struct informer *own; /* NULL: the controllers' cache is shared */
    bool waiting;         /* of a custom kind: its first list is not complete */
    bool counted; /* ... and gc->n_custom_waiting has it: of another server nobody waits for it */
};
struct gc {
    struct controllers *m;
    struct loop *loop;
    struct map nodes;                        /* uid -> struct node */
    struct absent *absent;                   /* owners known to be gone */
    struct workqueue *to_delete, *to_orphan; /* by uid */
    struct gc_kind *kinds;
    size_t n_kinds;
    int n_unsynced;
    bool synced;
    struct custom_kinds *custom;
    int n_custom_waiting; /* custom kinds of our own whose first list is not complete */
    struct arena *arena;  /* of one change */
    struct list jobs;
    struct gc_listener {
        gc_count_fn *fn;
        void *ctx;
    } listeners[GC_LISTENERS_MAX];
    size_t n_listeners;
};
struct node *gc_find(struct gc *gc, str uid);
bool gc_is_absent(struct gc *gc, str uid);
void gc_judge(struct gc *gc, const struct node *n); /* soon */
void gc_owner_is_gone(struct gc *gc, str uid);      /* the server has said so */

/* gc_requests.c */
void gc_delete_work(void *gc, str uid);
void gc_orphan_work(void *gc, str uid);
void gc_cancel_jobs(struct gc *gc);
#endif
