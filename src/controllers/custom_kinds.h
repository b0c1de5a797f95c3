/* custom_kinds.h - which custom kinds there are, for controllers that deal with objects of every kind. */
#ifndef K1S_CONTROLLERS_CUSTOM_KINDS_H
#define K1S_CONTROLLERS_CUSTOM_KINDS_H
#include "client/client.h"
#include "schema/schema.h"

/* One for each definition that has ever been served: never freed before the whole, since others keep pointers. Its resource's strings
 * change when the definition does. */
struct custom_kind {
    struct resource resource;
    bool served;
    struct json *versions; /* names of the served versions */
    struct arena *arena;   /* of the strings */
    void *user;            /* the handler's */
};
struct custom_kinds;
struct custom_kinds_handler {
    void (*served)(void *ctx, struct custom_kind *k); /* is there, or is another now */
    /* Not served any more. deleted: neither is the definition there, nor any object. */
    void (*gone)(void *ctx, struct custom_kind *k, bool deleted);
    void (*synced)(void *ctx); /* the definitions have been read once */
};
struct custom_kinds *custom_kinds_new(struct client *c, const struct custom_kinds_handler *h,
                                      void *ctx);
void custom_kinds_free(struct custom_kinds *c); /* NULL: nothing */
/* By any served version; NULL: none. */
struct custom_kind *custom_kinds_find(struct custom_kinds *c, str group, str version, str kind);
/* By definition: "widgets.example.com"; NULL: not served. */
struct custom_kind *custom_kinds_named(struct custom_kinds *c, str name);
void custom_kinds_each(struct custom_kinds *c, void (*fn)(void *ctx, struct custom_kind *k),
                       void *ctx); /* served ones */
#endif
