/* http_internal.h - the server's inside: connections, their deadlines, and what HTTP/1.1 and
 * HTTP/2 share.
 *
 * A connection is made when it is accepted, gets its protocol once TLS or the first bytes tell
 * it, and is freed when its stream is closed and its last exchange has ended (a handler may hold
 * an exchange longer than its peer). */
#ifndef K1S_WIRE_HTTP_INTERNAL_H
#define K1S_WIRE_HTTP_INTERNAL_H
#include "wire/http.h"
#include "wire/http1_parse.h"

#define HTTP_HEAD_LIMIT                                                                            \
    (((size_t)1 << 20) + 4096)            /* bytes, as Go: its limit and what it reads ahead */
#define HTTP_BODY_LIMIT ((size_t)3 << 20) /* bytes, as kube-apiserver */
#define HTTP_CONNECTIONS_MAX 10000
#define HTTP_IDLE_NS (90 * NS_PER_S)
#define HTTP_HEAD_NS (32 * NS_PER_S)
#define HTTP_LOAD_LIMIT                                                                            \
    ((size_t)128 << 20)                 /* bytes of all requests: 64 clients with 1.5 MB each fit */
#define HTTP_REQUEST_NS (60 * NS_PER_S) /* from the first byte of a request to its last */
#define HTTP_DRAIN_NS (60 * NS_PER_S)   /* for the peer to read at least something of an answer */
#define HTTP_SMALL ((size_t)16 << 10)   /* bytes; a request that holds no more runs uncounted */
#define HTTP_LINGER_NS (NS_PER_S / 2)   /* for the peer to read our last words, as Go */
#define HTTP_PIPELINE_MAX ((size_t)64 << 10) /* bytes behind a request being answered */
#define HTTP_SPARE_MAX 32                    /* arenas and buffers kept for the next requests */
#define HTTP_SPARE_BYTES ((size_t)64 << 10)  /* larger buffers are not kept */
#define HTTP_HELD_MAX 32                     /* shared pieces that wait for the end of a turn */

/* What a connection is waiting for; all that wait for the same are due in the order in which
 * they began. */
enum http_wait {
    HTTP_WAIT_IDLE,
    HTTP_WAIT_HEAD,
    HTTP_WAIT_DRAIN,
    HTTP_WAIT_LINGER,
    HTTP_WAITS,
    HTTP_WAIT_NONE = HTTP_WAITS
};

struct http_server {
    struct loop *loop;
    struct http_server_options o; /* with the defaults filled in */
    http_handler_fn *fn;
    void *ctx;
    struct listener *listener; /* NULL: streams only */
    struct list connections;
    size_t n_connections;
    struct list waiting[HTTP_WAITS];
    int64_t wait_ns[HTTP_WAITS];
    struct list loads; /* that may be refused, in the order in which they began */
    size_t load_n;     /* bytes of these and of what runs */
    struct loop_timer *timer;
    int64_t timer_due_ns; /* INT64_MAX: not set */
    struct arena *arenas[HTTP_SPARE_MAX];
    size_t n_arenas;
    struct buf bufs[HTTP_SPARE_MAX]; /* empty, with memory */
    size_t n_bufs;
    char date[40]; /* "Fri, 20 Nov 2026 20:52:43 GMT", of `date_s` */
    int64_t date_s;
    bool closing;
    loop_fn *closed;
    void *closed_ctx;
};

/* Pieces that other connections send too, a watch's frames say. They become this connection's own bytes when it is flushed:
 * a thousand watchers then use one buffer after the other instead of a thousand at once. */
struct http_held {
    unsigned n;
    bool chunked;
    size_t bytes;
    const struct bytes *items[HTTP_HELD_MAX]; /* references */
};

struct http_conn;
/* What a request holds of the server's memory, head and body, from its first byte to the end of its exchange. All together
 * hold no more than the server's load_limit. While it comes nobody knows yet who sends it: it may take no longer than
 * HTTP_REQUEST_NS, and makes room for younger ones. So does an answer that nobody reads. What runs stays. */
struct http_load {
    struct list link;    /* in the server's `loads`, or alone while it runs */
    struct http_conn *c; /* NULL: holds nothing */
    size_t n;            /* bytes */
    int64_t due_ns;
};

struct http_protocol {
    void (*data)(struct http_conn *c, const char *p, size_t n);
    void (*gone)(struct http_conn *c);    /* the connection is being closed: end what runs */
    void (*written)(struct http_conn *c); /* less is queued than was */
    void (*fini)(struct http_conn *c);
    void (*idle_end)(struct http_conn *c); /* takes leave of an idle peer; NULL: just close */
    void (*refuse)(struct http_load *l,
                   bool late); /* which has ended: the request, or the answer */
};

struct http1_conn {
    struct http1_exchange *ex; /* received or answered now; NULL: neither */
    struct buf in;             /* what could not be used yet */
    size_t scanned;            /* of the head in it */
    const char *now;           /* what is being used: not yet used rest */
    size_t now_n;
    struct http_load load; /* of `in`, then of `ex` */
    bool processing, resume_deferred;
    bool clogged; /* answers wait for the peer to read: no request is taken until it has */
};

struct http_conn {
    struct http_server *server;
    struct stream *stream; /* NULL: handshake, or closed */
    struct tls_handshake *handshake;
    struct list link, waits;
    enum http_wait wait;
    int64_t due_ns;
    size_t undrained;                     /* bytes that were queued when HTTP_WAIT_DRAIN began */
    unsigned refs;                        /* the stream, every exchange, every deferred call */
    const struct http_protocol *protocol; /* NULL: not known yet */
    struct http_peer peer;
    char *peer_block;       /* memory of its strings */
    struct buf out;         /* answers of this turn */
    struct http_held *held; /* behind `out`; NULL: none */
    bool dead;              /* being closed: no more reads or writes */
    bool flush_deferred, write_watched, lingering, peer_ended;
    struct http1_conn h1;
    struct http2_conn *h2;
};

extern const struct http_protocol http1_protocol, http2_protocol;
void http2_begin(struct http_conn *c);

/* ---- connections (http_server.c) ---- */
void http_conn_unref(struct http_conn *c);
void http_conn_wait(struct http_conn *c, enum http_wait what); /* ends the wait before */
void http_conn_close(struct http_conn *c);                     /* at once */
void http_conn_finish(struct http_conn *c);               /* once the peer has what is queued */
void http_conn_flush(struct http_conn *c);                /* `out` to the stream */
void http_conn_flush_later(struct http_conn *c);          /* at the end of this turn */
void http_conn_reserve(struct http_conn *c, size_t more); /* room in `out` */
size_t http_conn_queued(const struct http_conn *c);
void http_conn_hold(struct http_conn *c, const struct bytes *b,
                    bool chunked); /* takes a reference */
void http_chunk_head(struct buf *out, size_t n);

struct arena *http_arena_get(struct http_server *s);
void http_arena_put(struct http_server *s, struct arena *a); /* s NULL: frees it */
str http_date(struct http_server *s);
/* What requests hold. */
void http_load_begin(struct http_load *l, struct http_conn *c); /* has begun already: nothing */
bool http_load_more(struct http_load *l, size_t n); /* false: refused, its exchange may be gone */
void http_load_run(struct http_load *l);            /* it is complete and the handler's */
void http_load_unread(struct http_load *l, struct http_conn *c, size_t n); /* its answer waits */
void http_load_end(struct http_load *l); /* holds nothing: nothing */
/* 503 when there was no room for the request, 408 when it came too slowly. */
void http_reply_refused(struct http_exchange *ex, const struct http_server *s, bool late);
/* The Status that Kubernetes sends for a body over the limit. */
void http_reply_too_large(struct http_exchange *ex, const struct http_server *s);

/* A stream that delivers `first` before what `s` delivers; owns both. */
struct stream *http_prefixed_stream(struct stream *s, struct buf *first);
#endif
