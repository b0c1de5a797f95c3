/* store.h - objects, revisions and watches; durable before acknowledged.
 *
 * One 64-bit revision counter for everything, as in etcd: every write gets the next one, and it is the object's
 * resourceVersion. All current objects are in memory as canonical bytes (the answer to a GET); an engine (sqlite.c, later
 * etcd.c) makes writes durable in batches on its own thread: one fsync serves all that queued meanwhile.
 *
 * Invariants
 *   (1) A write is acknowledged and visible only after it is on disk.
 *   (2) Revisions become visible in order; a watcher sees each once, in order, none left out.
 *   (3) What store_update()'s function sees as `current` is the newest write of that key: later writers of a key
 *       wait for earlier ones. */
#ifndef K1S_STORE_H
#define K1S_STORE_H
#include "loop/loop.h"
#include "wire/aead.h"

struct store;

/* Where an object lives: resource "pods" of group "" is S("pods"), others "deployments.apps"; ns empty for cluster scope. */
struct key {
    str resource, ns, name;
};

/* An object version: immutable, reference-counted (atomically: crosses threads). */
struct obj {
    uint32_t refs;
    uint32_t flags;
    /* Bytes of this version in protobuf, 0: nobody has asked yet. Kept for readers by the API on the store's loop; the one
     * member that changes. */
    uint32_t protobuf_n;
    int64_t revision; /* metadata.resourceVersion of this version */
    struct key key;   /* slices into this allocation */
    str uid;
    str data;   /* canonical JSON with apiVersion, kind and metadata.resourceVersion */
    str labels; /* packed "k\0v\0k\0v\0", for selectors */
    str fields; /* packed likewise: the kind's selectable fields, e.g. "spec.nodeName\0n1\0" */
    const struct obj *
        base; /* the object that holds everything but `fields` (obj_new_over); NULL: this one does */
};
const struct obj *obj_ref(const struct obj *o);
void obj_unref(const struct obj *o);
DEFINE_CLEANUP(obj, const struct obj *, obj_unref)
/* Builds one (client caches, tests). All strings are copied. labels and fields packed as above. */
struct obj *obj_new(struct key key, int64_t revision, str uid, str data, str labels, str fields);
/* The same version with other packed fields: shares the rest with `base`, which it keeps alive. */
struct obj *obj_new_over(const struct obj *base, str fields);
bool packed_get(str packed, str key, str *ret_value);

/* Encryption at rest. The store makes what is on disk fit this when it opens; it borrows all until it is closed. */
struct store_key {
    unsigned char secret[AEAD_KEY_BYTES];
};
struct store_cipher {
    const char *const *resources; /* as in struct key; NULL-terminated */
    const struct store_key *keys; /* the first one writes, all read */
    size_t n_keys;
    bool encrypts; /* false: what is encrypted becomes plain again */
};
struct store_options {
    const struct store_cipher *cipher; /* NULL: nothing is encrypted */
    const char *path;                  /* of the SQLite database file; ":memory:" in simulations */
    int64_t compact_age_ns;            /* history kept at least so long; 0: 5 minutes */
    size_t history_max;                /* events kept in memory for watches at most; 0: 100000 */
    size_t object_limit;               /* bytes; 0: 1.5 MiB as etcd */
};
MUST_USE struct err *store_open(struct loop *loop, const struct store_options *o,
                                struct store **ret);
/* Flushes, then frees. Writes from now on get UNAVAILABLE. Watches that are still open get no further call and are freed with the store: do not close them afterwards. */
void store_close(struct store *s, loop_fn *closed, void *ctx);
int64_t store_revision(const struct store *s);  /* newest visible */
int64_t store_compacted(const struct store *s); /* reads and watches before it get EXPIRED */

/* ---- reading (on the loop, from memory, never waits) ---- */
const struct obj *
store_find(struct store *s,
           struct key key); /* borrowed until the next turn of the loop; NULL: absent */
/* The same, but the newest version written, which may not be durable yet: for the functions of writes, never for answers. */
const struct obj *store_newest(struct store *s, struct key key);
/* In key order (namespace, name), starting behind `after` (its resource must equal). ns empty: all namespaces. Returns at `fn` false. */
typedef bool store_each_fn(void *ctx, const struct obj *o);
void store_each(struct store *s, str resource, str ns, const struct key *after, store_each_fn *fn,
                void *ctx);
size_t store_count(struct store *s, str resource, str ns);
/* At an older revision, from disk: done comes later with the objects in key order (array borrowed, refs borrowed).
 * Errors: EXPIRED (compacted), TIMEOUT (revision in the future). limit 0: all; ret more_remaining. */
typedef void store_list_fn(void *ctx, struct err *err, const struct obj *const *objs, size_t n,
                           bool more);
void store_list_at(struct store *s, str resource, str ns, int64_t revision, const struct key *after,
                   size_t limit, store_list_fn *done, void *ctx);

/* ---- writing ---- */
enum store_op { STORE_KEEP, STORE_PUT, STORE_DELETE };
struct store_change { /* filled by the function; strings may live in the arena given */
    enum store_op op;
    str data; /* PUT: the new bytes; DELETE: the last bytes, with the deletion's resourceVersion */
    str uid, labels, fields;
    /* Other keys that change with this one, together or not at all; they get the revisions that follow its own, in this
     * order. Of a KEEP and of an error nothing is written. */
    const struct store_companion *companions;
    size_t n_companions;
};
struct store_companion {
    struct key key; /* what there is now: store_newest() */
    struct store_change
        change; /* without companions of its own; KEEP: nothing, and takes no revision */
};
/* Called on the loop (perhaps at once, perhaps after earlier writes of the key are durable) with the newest version (NULL: absent)
 * and the revision that this write will get. May be called again never: one call, one write. An error ends the write. */
typedef struct err *store_update_fn(void *ctx, struct arena *a, const struct obj *current,
                                    int64_t revision, struct store_change *ret);
/* `result` is the written version (PUT), the deleted one (DELETE) or the current one (KEEP, perhaps NULL); borrowed. Owns err. Never called before store_update has returned. */
typedef void store_done_fn(void *ctx, struct err *err, const struct obj *result);
void store_update(struct store *s, struct key key, store_update_fn *fn, store_done_fn *done,
                  void *ctx);

/* ---- watching ---- */
enum store_event_type { STORE_CREATED, STORE_MODIFIED, STORE_DELETED };
struct store_event {
    enum store_event_type type;
    const struct obj
        *obj; /* new version; for DELETED the final one (its revision is the deletion's) */
    const struct obj *prev; /* version before; NULL for CREATED */
    const struct bytes **
        frame_cache; /* slots the api layer fills once per event and encoding, so that watchers share the bytes; see watch frames */
};
#define STORE_FRAME_SLOTS 6
struct store_watch;
struct store_watch_events {
    void (*event)(void *ctx, const struct store_event *e);
    /* Called whenever the visible revision moved past events that did not concern this watch (at most once a turn): material for bookmarks. */
    void (*progress)(void *ctx, int64_t revision);
};
/* Events with revision > from, first those of history (during this call's next turn), then live ones. Errors: EXPIRED when `from` is
 * compacted ("too old resource version: 1 (1000)"). resource empty: all. */
MUST_USE struct err *store_watch(struct store *s, str resource, str ns, int64_t from,
                                 const struct store_watch_events *ev, void *ctx,
                                 struct store_watch **ret);
void store_watch_close(struct store_watch *w);

/* Compacts history older than `revision` now (tests and the clock do it by themselves). */
void store_compact(struct store *s, int64_t revision);
struct store_stats {
    int64_t revision, compacted;
    size_t objects, bytes, history_events, pending_writes, watchers;
    uint64_t commits, writes;
    bool compacting;
};
void store_stats(const struct store *s, struct store_stats *ret);
#endif
