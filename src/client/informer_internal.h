/* informer_internal.h - a cache's inside: what informer.c keeps and informer_index.c finds again by other keys. */
#ifndef K1S_CLIENT_INFORMER_INTERNAL_H
#define K1S_CLIENT_INFORMER_INTERNAL_H
#include "client/client_internal.h"

struct bucket;
struct place { /* where an object stands in the index */
    struct bucket *bucket;
    uint32_t at;
};
struct cached {
    const struct obj *obj;
    uint32_t round; /* the list that has seen it last */
    uint32_t n_places;
    struct place *places;
};
struct handler {
    struct list link;
    struct informer *informer; /* NULL: freed while the replay was under way */
    struct informer_handler h;
    void *ctx;
    bool live; /* the replay is over */
};

struct informer {
    struct client *client;
    struct loop *loop;
    char *group, *version, *plural, *ns, *labels, *fields, *resource;
    struct informer_options o; /* its strings point to the copies above */
    struct tree *objects;      /* "ns\0name" -> struct cached */
    struct map buckets;        /* index key -> struct bucket */
    struct list handlers;
    struct arena *arena; /* of one event or item */
    struct buf frame;    /* an event that has not arrived completely */
    struct client_call *call;
    struct loop_timer *retry;
    int64_t revision, backoff_ns;
    mono_time session_start;
    uint32_t round;
    bool started, synced, watching, frame_too_large, relist, saw_event;
    int depth; /* callbacks on the stack */
    bool freed;
};

/* ---- the secondary index (informer_index.c) ---- */
void informer_index_add(struct informer *i, struct cached *c, const struct json *tree);
void informer_index_remove(struct informer *i, struct cached *c);
void informer_index_fini(struct informer *i); /* the objects' places go with them */

#endif
