/* client.h - the API client that controllers, scheduler, kubelet, proxy and CLI use.
 *
 * One interface, two transports: inside the process (a call into the API server's pipeline, as a given user, no bytes on a socket)
 * and HTTP(S). Requests and answers are what they are on the wire, so that a component cannot tell which one it has. */
#ifndef K1S_CLIENT_H
#define K1S_CLIENT_H
#include "loop/loop.h"
#include "store/store.h"
#include "wire/http.h"
#include "wire/json.h"

struct client;
struct client_http_options {
    str server;                           /* "https://127.0.0.1:6443" */
    str ca_pem, cert_pem, key_pem, token; /* whichever apply */
    bool insecure;
    str user_agent;
};
MUST_USE struct err *client_new_http(struct loop *loop, const struct client_http_options *o,
                                     struct client **ret);
/* Inside the process: `handler` is the API server's; user and groups are what authentication would have found. user_agent names the field manager. */
struct client_inproc_options {
    http_handler_fn *handler;
    void *handler_ctx;
    struct loop *server_loop; /* where handler runs; may equal the client's */
    str user;
    const str *groups;
    size_t n_groups;
    str user_agent;
};
struct client *client_new_inproc(struct loop *loop, const struct client_inproc_options *o);
void client_free(struct client *c); /* cancels what runs */
struct loop *client_loop(const struct client *c);

struct client_request {
    const char *method;       /* "GET" ... */
    str path;                 /* with query; copied */
    const char *content_type; /* NULL: application/json when there is a body */
    str body;                 /* copied */
    int64_t timeout_ns;       /* 0: 30 s; of streams: none */
    const char *accept;       /* NULL: application/json */
};
/* err is the decoded Status (reason, message, causes) when status >= 400, or a transport error (reason UNAVAILABLE); owned by the callback. body is borrowed. */
typedef void client_done_fn(void *ctx, struct err *err, int status, str body);
struct client_call;
struct client_call *client_do(struct client *c, const struct client_request *r,
                              client_done_fn *done, void *ctx);
void client_cancel(struct client_call *call); /* done is not called any more */
/* Long-lived GET (watch, follow logs): data as it comes. */
struct client_stream_events {
    void (*head)(void *ctx, int status);
    void (*data)(void *ctx, const char *p, size_t n);
    /* Optional: takes objects of lists and watches themselves (borrowed) where the server can hand them over, which is inside the process;
     * `data` then gets what is not an object: of a list {"metadata":{...}}, of a watch bookmarks and errors. */
    void (*object)(void *ctx, const struct obj *o, bool deleted);
    void (*done)(void *ctx, struct err *err);
};
struct client_call *client_stream(struct client *c, str path, const struct client_stream_events *ev,
                                  void *ctx);
struct client_call *client_stream_request(struct client *c, const struct client_request *r,
                                          const struct client_stream_events *ev, void *ctx);
/* The error that an answer with this status (>= 400) and body means; also for ERROR events of watches. */
MUST_USE struct err *client_status_err(int status, str body);
/* The text of a member of an object that a server sent, found without building a tree: "metadata.name". Escapes are kept, strings lose
 * their quotes. p NULL: absent. For text of servers only: what follows the member is not checked. */
str client_text_find(str object, const char *dotted);
/* Path builder: "/apis/apps/v1/namespaces/x/deployments/y/status"; group "" is core; ns, name, sub may be empty. */
void buf_api_path(struct buf *b, str group, str version, str plural, str ns, str name, str sub);

/* ---- informer: a cache kept current by list and watch (resumes, relists on 410, back-off with jitter) ---- */
struct informer;
struct informer_handler {
    /* prev NULL: added; obj NULL: deleted. On the client's loop. */
    void (*changed)(void *ctx, const struct obj *obj, const struct obj *prev);
    void (*synced)(void *ctx); /* first complete list is in; may be NULL */
    void (*progressed)(
        void *ctx); /* informer_revision() moved without a change of an object; may be NULL */
};
struct informer_options {
    str group, version, plural;
    str ns; /* empty: all */
    str label_selector, field_selector;
    bool
        metadata_only; /* asks for PartialObjectMetadata; inside the process the whole object is shared all the same: only metadata may be read */
    /* Optional: members, wherever they stand, that the functions below do not read where they are objects or arrays: their trees
     * may lack them, and are made faster. Borrowed. */
    const str *unread;
    size_t n_unread;
    /* Optional: packs what the owner reads often into the cached object's `fields` (any bytes), so that it need not parse `data`. */
    void (*pack)(const struct json *tree, struct buf *out);
    /* Optional: what is kept as the object's `data`; without it all (but managedFields, where the text is not shared with the store). */
    void (*reduce)(const struct json *tree, struct buf *out);
    bool
        reduce_optional; /* where the store's own object can be shared, that is smaller than any reduced copy: take it whole */
    /* Optional secondary index: writes the index key(s) of an object into `out`, separated by NUL; may be NULL. */
    void (*index)(const struct obj *o, const struct json *tree, struct buf *out);
};
struct informer *informer_new(struct client *c, const struct informer_options *o);
void informer_add_handler(struct informer *i, const struct informer_handler *h,
                          void *ctx); /* replays what is there already */
void informer_start(struct informer *i);
void informer_free(struct informer *i);
bool informer_is_synced(const struct informer *i);
const struct obj *informer_find(const struct informer *i, str ns,
                                str name); /* borrowed until the next turn */
size_t informer_count(const struct informer *i);
int64_t informer_revision(
    const struct informer *
        i); /* newest resourceVersion that the cache is known to reflect; 0 before the first list */
/* As if a watch event had brought this object (with metadata.resourceVersion), or its end: for tests and for stores of other origin. */
void informer_put(struct informer *i, str object);
void informer_drop(struct informer *i, str ns, str name);
typedef bool informer_each_fn(void *ctx, const struct obj *o);
void informer_each(const struct informer *i, str ns, informer_each_fn *fn,
                   void *ctx); /* ns empty: all; key order */
void informer_each_indexed(const struct informer *i, str index_key, informer_each_fn *fn,
                           void *ctx);
/* Their trees, in the arena. One that cannot be read is logged for `who` and left out: the API serves no such thing. */
const struct json **informer_trees_indexed(const struct informer *i, str index_key, struct arena *a,
                                           const char *who, size_t *ret_n);

/* ---- work queue: distinct keys, one at a time each, rate-limited retries (5 ms * 2^n up to 1000 s, as client-go) ---- */
struct workqueue;
typedef void workqueue_fn(void *ctx,
                          str key); /* must end with workqueue_done(key, ...) now or later */
struct workqueue *workqueue_new(struct loop *loop, workqueue_fn *fn, void *ctx, int parallel);
void workqueue_free(struct workqueue *q);
void workqueue_add(struct workqueue *q, str key);
void workqueue_add_after(struct workqueue *q, str key, int64_t delay_ns);
/* What the key waits for has become pointless; one that is due or at work stays so. */
void workqueue_forget_delay(struct workqueue *q, str key);
void workqueue_done(
    struct workqueue *q, str key,
    bool retry); /* retry: with back-off; otherwise the failure count is forgotten */

/* ---- events (v1 Event with aggregation by count, as client-go's recorder) ---- */
struct event_recorder;
struct event_recorder *event_recorder_new(struct client *c, str component, str host);
void event_recorder_free(struct event_recorder *r);
/* involved: an object tree with apiVersion, kind, metadata. field_path may be empty ("spec.containers{web}"). */
void event_record(struct event_recorder *r, const struct json *involved, str field_path,
                  const char *type /* Normal, Warning */, const char *reason, const char *fmt, ...)
    PRINTF(6, 7);

/* ---- Events of events.k8s.io/v1: repeated ones become a series, as client-go's tools/events tells them ----
 * controller, host: reportingController, and reportingInstance "controller-host". */
struct series_recorder;
struct series_recorder *series_recorder_new(struct client *c, str controller, str host);
void series_recorder_free(struct series_recorder *r);
struct event_about { /* an ObjectReference */
    str api_version, kind, ns, name, uid, resource_version, field_path;
};
struct series_event {                              /* all is borrowed for the call */
    const struct event_about *regarding, *related; /* related: NULL for nothing */
    const char *type /* Normal, Warning */, *reason, *action;
    str note; /* cut at the 1,024 bytes that the API takes */
};
/* On the client's loop. Nothing is reported back: Events are told on a best-effort basis. */
void series_record(struct series_recorder *r, const struct series_event *e);
#endif
