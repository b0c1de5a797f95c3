/* http.h - HTTP/1.1 and HTTP/2 as the API server, the kubelet and clients see it.
 *
 * One request is one `struct http_exchange`, whichever protocol or transport carried it: TLS or plain socket,
 * HTTP/1.1, one HTTP/2 stream, or a call inside the process (client/inproc.c). The handler answers through
 * http_start/http_write/http_end and never sees the connection.
 *
 * Life of an exchange
 *   (1) the server calls handler(ctx, ex) once the whole request body is there (or, for `Upgrade` requests, once the head is);
 *   (2) the handler answers now or later: http_reply() at once, or http_start() and any number of http_write(), then http_end();
 *   (3) if the peer goes away first, on_gone runs once; the handler must then stop and call http_end() (nothing is sent);
 *   (4) the exchange and its arena are freed by http_end() (after what is queued has been sent): never touched again.
 * Everything happens on the server's loop. */
#ifndef K1S_WIRE_HTTP_H
#define K1S_WIRE_HTTP_H
#include "loop/loop.h"
#include "wire/tls.h"

struct http_header {
    str name, value; /* names as received, compared without case */
};
struct http_peer { /* who sent it, as the connection knows */
    str address;   /* "10.0.0.1:5555"; empty inside the process */
    bool tls,
        cert_verified; /* cert_verified: a client certificate that our CA signed, for client use, in its time */
    bool cert_front_verified; /* one that the authority of front proxies signed */
    str cert_common_name;
    const str *cert_organizations;
    size_t n_cert_organizations;
    str cert_der_hash; /* hex SHA-256 of the certificate; empty without one */
};
struct http_request {
    str method; /* "GET", any token */
    str target; /* path?query as received */
    str path;   /* percent-encoded as received, without query */
    str query;  /* without '?'; may be empty */
    const struct http_header *headers;
    size_t n_headers;
    str body;
    bool is_upgrade; /* Connection: Upgrade with an Upgrade header (HTTP/1.1 only) */
    int version;     /* 11 or 20; 0 inside the process */
    struct http_peer peer;
};

struct obj; /* a stored object (store/store.h): opaque here */
struct http_exchange;
struct http_exchange_ops { /* a transport implements these */
    void (*start)(struct http_exchange *ex, int status, const struct http_header *headers, size_t n,
                  bool has_body);
    void (*write)(struct http_exchange *ex, str data); /* copies */
    void (*write_bytes)(struct http_exchange *ex,
                        const struct bytes *b);       /* takes its own reference */
    size_t (*queued)(const struct http_exchange *ex); /* bytes accepted but not sent */
    void (*end)(struct http_exchange *ex);
    struct stream *(*upgrade)(
        struct http_exchange *ex); /* after start(101): the raw connection; ends the exchange */
    void (*messages)(struct http_exchange *ex,
                     unsigned opcode); /* after start(101): every write is a WebSocket message */
    void (*share)(struct http_exchange *ex, const struct obj *o,
                  bool deleted); /* NULL on sockets; takes its own reference */
};
struct http_exchange {
    const struct http_exchange_ops *ops;
    struct http_request req;
    struct arena *arena;                                   /* the request's; freed with it */
    void (*on_gone)(void *user, struct http_exchange *ex); /* set by the handler; may be NULL */
    void (*on_drain)(void *user,
                     struct http_exchange
                         *ex); /* set by the handler: queued() fell below half of HTTP_QUEUE_HIGH */
    void *user;                /* the handler's */
    void *observer;            /* of a layer that has put its own ops before the transport's */
    struct http_header
        mark; /* stands in the head of whatever is answered; set by the handler, name empty: none */
    bool started, gone;
    bool
        last; /* set by the handler before it answers: an HTTP/2 connection takes no request after this one, and ends */
    bool messages; /* it goes on with messages, and an empty one is one, too */
    bool broken;   /* the answer cannot be completed: its end shows that to the peer */
    bool
        shares; /* a caller in this process that takes the objects of lists and watches themselves instead of their text */
};
#define HTTP_QUEUE_HIGH                                                                            \
    (256u << 10) /* bytes; the kernel holds megabytes more. What waits here is copied to be kept */

str http_header(const struct http_request *r,
                const char *name); /* first of that name; p NULL when absent */
/* Query parameters: percent- and plus-decoded into the arena. */
bool http_query(struct arena *a, str query, const char *name,
                str *ret); /* first of that name; false: absent */
/* All in order; NULL-terminated by name.p == NULL. Malformed escapes are kept as they are. */
struct http_header *http_query_all(struct arena *a, str query, size_t *ret_n);
bool http_percent_decode(struct arena *a, str in, bool plus_is_space, str *ret);
void http_percent_encode(struct buf *b, str in); /* everything but unreserved characters */

void http_start(struct http_exchange *ex, int status, const struct http_header *headers,
                size_t n); /* Content-Length among headers, else chunked/DATA */
void http_write(struct http_exchange *ex, str data);
void http_write_bytes(struct http_exchange *ex, const struct bytes *b);
size_t http_queued(const struct http_exchange *ex);
/* Of exchanges that share: one object of a list or of a watch, in order with what is written. */
void http_share(struct http_exchange *ex, const struct obj *o, bool deleted);
void http_end(struct http_exchange *ex);
/* Ends an answer that has started but cannot be completed, so that the peer does not take it for whole: as a handler that
 * panics does in Go, the connection is closed, or the HTTP/2 stream reset. */
void http_abort(struct http_exchange *ex);
/* Whole answer at once; adds Content-Length and Date. content_type may be NULL (no body). */
void http_reply(struct http_exchange *ex, int status, const char *content_type, str body);
void http_reply_bytes(struct http_exchange *ex, int status, const char *content_type,
                      const struct bytes *body);
/* 101 with these headers, then the connection's bytes (whatever arrived behind the head first). NULL when not upgradable or gone: the exchange is then still to be ended. Otherwise the caller owns the stream, and the exchange is freed. */
struct stream *http_upgrade(struct http_exchange *ex, const struct http_header *headers, size_t n);
/* Whether the client asks to go on with WebSocket messages. */
bool http_wants_websocket(const struct http_request *r);
/* 101 with these headers and the answer to the client's key; from then on each http_write() is one message, of text or binary, and
 * http_end() takes leave. What the client sends is not looked at: pings are answered, and when it takes leave it is gone.
 * false: not upgradable, or no key was sent; the exchange is then still to be answered. */
bool http_messages(struct http_exchange *ex, const struct http_header *headers, size_t n,
                   bool text);

typedef void http_handler_fn(void *ctx, struct http_exchange *ex);
struct http_server_options {
    const struct tls_server *tls; /* NULL: plain */
    size_t
        body_limit; /* bytes; 0: 3 MiB as kube-apiserver; larger bodies get 413 (Status body when status_errors) */
    size_t head_limit;                        /* bytes; 0: 1 MiB and 4 KiB as Go */
    int64_t idle_timeout_ns, head_timeout_ns; /* 0: 90 s / 32 s */
    size_t connections_max;                   /* 0: 10000 */
    size_t
        load_limit; /* bytes of all requests that come or run; 0: 128 MiB. Beyond it the oldest that comes is refused */
    bool
        status_errors; /* protocol errors are answered as Kubernetes Status JSON where Kubernetes does so */
};
struct http_server;
int http_server_open(struct loop *loop, str address, const struct http_server_options *o,
                     http_handler_fn *fn, void *ctx, struct http_server **ret);
str http_server_address(const struct http_server *s);
void http_server_serve_stream(
    struct http_server *s,
    struct stream *conn); /* serves an already accepted plain stream (tests) */
void http_server_close(struct http_server *s, loop_fn *closed,
                       void *ctx); /* stops accepting; ends idle connections; drops the rest */
/* Serves exchanges on streams only (no listener): for tests under the virtual loop. */
struct http_server *http_server_new(struct loop *loop, const struct http_server_options *o,
                                    http_handler_fn *fn, void *ctx);

/* ---- client: HTTP/1.1 with keep-alive pool per origin ---- */
struct http_client_options {
    const struct tls_client *tls; /* for https; NULL: https is refused */
    int64_t connect_timeout_ns;   /* 0: 10 s */
    size_t idle_max;              /* idle connections kept; 0: 8 */
};
struct http_client;
struct http_client *http_client_new(struct loop *loop, const struct http_client_options *o);
void http_client_free(
    struct http_client *c); /* cancels what runs: callbacks come with -ECANCELED */
struct http_response {
    int status;
    const struct http_header *headers;
    size_t n_headers;
};
struct http_call;
struct http_call_events {
    void (*head)(void *ctx, const struct http_response *r); /* may be NULL */
    void (*data)(void *ctx, const char *p, size_t n);
    /* error NULL: complete. Exactly once; the call is gone afterwards. Owns err. */
    void (*done)(void *ctx, struct err *err);
    /* the server answered 101: owns s. Then done is not called. NULL: an upgrade is an error. */
    void (*upgraded)(void *ctx, const struct http_response *r, struct stream *s);
};
struct http_call_options {
    str method,
        url; /* "https://10.0.0.1:6443/api", "http://127.0.0.1:80/", "unix:///run/x.sock|/path" */
    const struct http_header *headers;
    size_t n_headers;
    str body;
    int64_t timeout_ns; /* whole call; 0: none */
    str host;           /* overrides the Host header; may be empty */
    str server_name;    /* TLS name to verify; empty: the URL's host */
    str address;        /* "10.0.0.1:8443": connects there, whatever the URL's host; may be empty */
};
/* Host names in URLs are resolved through getaddrinfo on the pool. */
struct http_call *http_call(struct http_client *c, const struct http_call_options *o,
                            const struct http_call_events *ev, void *ctx);
void http_call_cancel(struct http_call *call); /* done comes with -ECANCELED's err */
void http_call_pause(struct http_call *call, bool paused);
/* Convenience: collects the body (limit bytes). Borrowed in the callback. */
typedef void http_fetch_fn(void *ctx, struct err *err, const struct http_response *r, str body);
struct http_call *http_fetch(struct http_client *c, const struct http_call_options *o, size_t limit,
                             http_fetch_fn *fn, void *ctx);

/* Moves bytes both ways with back-pressure until both sides have ended; owns both streams. */
void stream_splice(struct stream *a, struct stream *b, loop_fn *closed, void *ctx);
#endif
