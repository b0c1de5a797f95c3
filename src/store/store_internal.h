/* store_internal.h - the store's parts and how they hang together.
 *
 *   update.c   a write's way: function, pending version, batch, disk thread, publication
 *   index.c    current objects: by key, and in order per resource
 *   history.c  the newest events in memory
 *   watch.c    who is told about an event; catching up from memory and disk
 *   list_at.c  lists of the past
 *   compact.c  when history is forgotten
 *   sqlite.c   the engine (engine.h) */
#ifndef K1S_STORE_INTERNAL_H
#define K1S_STORE_INTERNAL_H

#include "store/engine.h"
#include "store/store.h"

#define OBJECT_LIMIT_DEFAULT (3u << 19) /* bytes: 1.5 MiB, etcd's --max-request-bytes */
#define HISTORY_EVENTS_DEFAULT 100000u
#define HISTORY_BYTES_MAX                                                                          \
    ((size_t)8                                                                                     \
     << 20) /* of versions that only the memory's history still holds; older ones are read from disk */
#define COMPACT_AGE_DEFAULT (300 * NS_PER_S) /* kube-apiserver's --etcd-compaction-interval */
#define COMPACT_EVENTS_FACTOR                                                                      \
    4 /* the disk keeps at most so many times the events that memory may keep */
#define COMPACT_BUDGET 250u  /* log rows per transaction: a batch of writes waits for one at most */
#define CATCH_UP_BUDGET 250u /* events looked at per turn and watcher */
#define TRIM_BUDGET 500u     /* events of memory forgotten per turn */
#define FIRST_REVISION 1     /* of an empty store, as etcd's */

enum obj_flag { OBJ_DELETED = 1 };    /* the final version of a deleted object */
size_t obj_size(const struct obj *o); /* bytes of memory */

/* ---- index.c: a set of objects by key, open addressing, no copies of keys ---- */
struct obj_table {
    const struct obj **slots;
    size_t n, n_used, mask; /* n_used counts removed ones' marks too */
};
void obj_table_fini(struct obj_table *t); /* not the objects */
const struct obj *obj_table_find(const struct obj_table *t, const struct key *key);
const struct obj *obj_table_put(struct obj_table *t,
                                const struct obj *o); /* returns the one replaced, or NULL */
const struct obj *obj_table_del(struct obj_table *t, const struct key *key);

#define LEAF_MAX 64
struct leaf { /* a run of objects in key order */
    unsigned n;
    const struct obj *items[LEAF_MAX];
};
struct ns_index {
    size_t count;
    struct list watchers; /* store_watch.link: live ones of this namespace */
    char name[];
};
struct resource {
    struct leaf **leaves;
    size_t n_leaves, cap_leaves, count;
    struct map namespaces; /* name → struct ns_index */
    struct list watchers;  /* live ones of all namespaces */
    size_t name_n;
    char name[];
};
struct index {
    struct obj_table by_key;
    struct map resources; /* name → struct resource; never removed */
    size_t bytes;         /* of the objects */
};
void index_init(struct index *x);
void index_fini(struct index *x);                           /* drops its references */
struct resource *index_resource(struct index *x, str name); /* made when missing */
struct ns_index *resource_ns(struct resource *r, str ns);   /* made when missing */
void resource_ns_release(struct resource *r, str ns);       /* frees it when nothing is in it */
/* Takes its own reference; returns the version replaced (its reference passes to the caller), or NULL. */
const struct obj *index_put(struct index *x, struct resource *r, const struct obj *o);
const struct obj *index_del(struct index *x, struct resource *r, const struct key *key);
void index_each(const struct index *x, str resource, str ns, const struct key *after,
                store_each_fn *fn, void *ctx);
int key_cmp(const struct key *a, const struct key *b); /* (ns, name) of one resource */

/* ---- history.c: the newest events, a ring ---- */
struct history_event {
    const struct resource *resource;
    const struct obj *obj, *prev; /* references */
};
struct history {
    struct history_event *ring;
    size_t n, first, cap, bytes, events_max;
    int64_t trimmed; /* events up to here are not in memory */
};
void history_init(struct history *h, size_t events_max, int64_t trimmed);
void history_fini(struct history *h);
void history_push(struct history *h, const struct resource *r, const struct obj *obj,
                  const struct obj *prev); /* takes references */
/* Forgets events up to this revision: at once what is asked of it, the memory of at most `budget` of them. True: more are left,
 * for history_trim_more(). */
bool history_trim(struct history *h, int64_t revision, size_t budget);
bool history_trim_more(struct history *h, size_t budget);
size_t history_after(const struct history *h,
                     int64_t revision); /* position of the first newer event */
static inline const struct history_event *history_at(const struct history *h, size_t i)
{
    return &h->ring[(h->first + i) % h->cap];
}

/* ---- update.c ---- */
struct batch;

struct store {
    struct loop *loop;
    struct pool_serial *disk;
    struct engine *engine;
    size_t object_limit;
    struct index index;
    struct history history;
    int64_t assigned;  /* newest revision given to a write */
    int64_t visible;   /* newest published */
    int64_t compacted; /* the past before it is gone for readers */

    /* update.c */
    struct obj_table
        pending; /* newest version, not yet durable, of keys being written (deletions: flag OBJ_DELETED) */
    struct batch *gathering, *in_flight;
    struct arena *arena; /* of one store_update_fn call */
    bool submit_queued, in_update_fn;
    size_t n_pending;
    uint64_t n_commits, n_writes;

    /* watch.c */
    struct list watchers_all; /* live ones of all resources */
    struct list watches;      /* every watch (store_watch.all) */
    size_t n_watchers;
    bool publishing; /* callbacks of live watches are running */
    bool
        closed_in_publication; /* some were closed by them, and are freed at the end of the batch */

    /* compact.c */
    struct loop_timer *compact_timer, *trim_timer;
    int64_t trim_mark,
        trim_seen; /* visible revision when memory was given back, and at the tick before */
    int64_t compact_age_ns, compact_events;
    int64_t compact_mark; /* visible revision at the last tick: the next tick's target */
    int64_t compact_target, compact_done;
    bool compacting;
    bool forgetting; /* events of memory, a turn's worth at a time */
    bool trim_due;   /* memory goes back when this compaction is done */

    /* closing */
    size_t n_jobs; /* disk jobs and deferred functions on their way */
    bool closing;
    loop_fn *closed;
    void *closed_ctx;
};

void store_job_begin(struct store *s);
void store_job_end(
    struct store *s); /* may free the store when it is closing: the caller returns at once */

const struct obj *row_obj(const struct engine_row *row);
void update_init(struct store *s);
void update_fini(struct store *s);
bool update_is_idle(const struct store *s);
void watch_publish(struct store *s, struct resource *r, const struct obj *obj,
                   const struct obj *prev);
void watch_progress(struct store *s);
void watch_fini(struct store *s);
int64_t watch_oldest_catching_up(const struct store *s); /* INT64_MAX: nobody reads history */
void compact_init(struct store *s, int64_t age_ns, size_t history_max);
void compact_fini(struct store *s);
void compact_published(struct store *s); /* new revisions are visible */

#endif
