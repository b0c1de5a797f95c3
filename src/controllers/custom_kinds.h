/* custom_kinds.h - which kinds there are that are not built in, for controllers that deal with objects of every kind: those of
 * CustomResourceDefinitions, and those of other API servers that APIServices name (aggregated_kinds.c). */
#ifndef K1S_CONTROLLERS_CUSTOM_KINDS_H
#define K1S_CONTROLLERS_CUSTOM_KINDS_H
#include "client/client.h"
#include "schema/schema.h"

/* One for each kind that has ever been served: never freed before the whole, since others keep pointers. Its resource's strings
 * change when the definition does. */
struct custom_kind {
    struct resource resource;
    bool served;
    bool remote;           /* another API server has it, and may not answer */
    struct json *versions; /* names of the served versions */
    struct arena *arena;   /* of the strings */
    void *user;            /* the handler's */
};
struct custom_kinds;
struct custom_kinds_handler {
    void (*served)(void *ctx, struct custom_kind *k); /* is there, or is another now */
    /* Not served any more. deleted: neither is the definition there, nor any object. */
    void (*gone)(void *ctx, struct custom_kind *k, bool deleted);
    void (*synced)(
        void *ctx); /* the definitions have been read once; other servers are not waited for */
};
struct custom_kinds *custom_kinds_new(struct client *c, const struct custom_kinds_handler *h,
                                      void *ctx);
void custom_kinds_free(struct custom_kinds *c); /* NULL: nothing */
/* By any served version; NULL: none. */
struct custom_kind *custom_kinds_find(struct custom_kinds *c, str group, str version, str kind);
/* "widgets.example.com"; NULL: not served. */
struct custom_kind *custom_kinds_named(struct custom_kinds *c, str name);
void custom_kinds_each(struct custom_kinds *c, void (*fn)(void *ctx, struct custom_kind *k),
                       void *ctx); /* served ones */

/* ---- between the files that find them ---- */
/* There is a kind of this name, or it is another now. Its strings and versions live in the arena, which is taken over. */
void custom_kinds_put(struct custom_kinds *c, str name, const struct resource *r,
                      struct json *versions, bool remote, struct arena *a);
void custom_kinds_drop(struct custom_kinds *c, str name, bool deleted);
struct aggregated_kinds;
struct aggregated_kinds *aggregated_kinds_new(struct client *c, struct custom_kinds *kinds);
void aggregated_kinds_free(struct aggregated_kinds *g); /* NULL: nothing */
#endif
