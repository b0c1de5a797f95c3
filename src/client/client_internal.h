/* client_internal.h - what the client's files share: the call, and the interface of a transport.
 *
 * A call goes through exactly one of: client_call_done() by its transport, or client_cancel() by
 * its owner. The transport still reports a cancelled call's end through client_call_done(), which
 * then only frees it. */
#ifndef K1S_CLIENT_INTERNAL_H
#define K1S_CLIENT_INTERNAL_H
#include "client/client.h"

struct client_transport {
    /* Begins the call; reports through client_call_*() later, never before it has returned. */
    void (*start)(struct client_call *call, const struct client_request *r);
    /* Must lead to client_call_done() exactly once, at once or later. */
    void (*cancel)(struct client_call *call);
    void (*free)(struct client *c);
};

struct client {
    struct loop *loop;
    const struct client_transport *transport;
    void *impl; /* the transport's */
    bool in_process;
    struct list calls; /* struct client_call.link: those not cancelled */
};

struct client_call {
    struct list link;
    struct client *client; /* NULL once cancelled */
    const struct client_transport *transport;
    void *impl; /* the transport's */
    bool streaming, too_large;
    int status;
    client_done_fn *done;
    struct client_stream_events events;
    void *ctx;
    const struct bytes *first; /* the body as long as it is one block: answers in the process are
                                  taken over as they are */
    struct buf body;
    struct loop_timer *deadline;
};

/* A body that is larger than this is not read to its end. Lists of a whole cluster's objects are
 * the largest. */
#define CLIENT_BODY_MAX ((size_t)512 << 20)
#define CLIENT_ERROR_BODY_MAX ((size_t)1 << 20)
#define CLIENT_TIMEOUT_NS (30 * NS_PER_S)

/* For transports, on the client's loop. After client_call_done() the call is gone; the other two
 * may lead to client_cancel(), so that the transport must look at its own state again. */
void client_call_head(struct client_call *call, int status);
void client_call_data(struct client_call *call, str data);
void client_call_bytes(struct client_call *call, const struct bytes *b);
void client_call_object(struct client_call *call, const struct obj *o, bool deleted);
void client_call_done(struct client_call *call, struct err *err);

struct client *client_new(struct loop *loop, const struct client_transport *t, void *impl);

/* ---- event_parts.c: what both ways of telling Events write. Strings are borrowed. ---- */
/* The reference to an object tree with apiVersion, kind and metadata. */
struct event_about event_about_of(const struct json *object, str field_path);
/* The object that is meant, without its version and without the field in it. */
void event_about_key(struct buf *key, const struct event_about *about);
void event_key_part(struct buf *key, str s);
/* As a JSON object. */
void event_about_write(struct buf *b, const struct event_about *about);
/* One more member of the JSON object that is being written; nothing when the value is empty. */
void event_member(struct buf *b, const char *name, str value);

/* ---- raw.c: JSON text taken apart without building a tree. Only for text that a server of ours or
 * Kubernetes made: what is cut out is parsed strictly later. ---- */
struct raw_iter {
    str text;
    size_t at; /* of the next member or item; text.n: none left */
};
/* false: text is not an object (array). */
bool raw_object(str text, struct raw_iter *ret);
bool raw_array(str text, struct raw_iter *ret);
/* false: the end, or malformed text (then at is SIZE_MAX). key is without quotes, escapes kept. */
bool raw_member(struct raw_iter *it, str *ret_key, str *ret_value);
bool raw_item(struct raw_iter *it, str *ret_value);
str raw_find(str object, const char *key); /* value's text; p NULL: absent */
str raw_string(str value); /* without quotes when it has no escapes; otherwise empty */

/* Appends the object without metadata.managedFields, with apiVersion and kind in front when it has
 * none (items of lists have none). */
void raw_object_for_cache(struct buf *out, str object, str api_version, str kind);

#endif
