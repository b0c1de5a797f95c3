/* forward.h - sends a request on to somebody else, and the answer back as it comes. */
#ifndef K1S_API_FORWARD_H
#define K1S_API_FORWARD_H
#include "api/api_internal.h"
#include "api/proxy_links.h"

struct forward_target { /* strings live until the request ends */
    struct http_client *client;
    str url,
        address;     /* address: where to connect when the URL's host is but a name; may be empty */
    const str *drop; /* headers that begin so are not passed on; credentials never are */
    size_t n_drop;
    const struct http_header *add;
    size_t n_add;
    const struct proxy_links *links; /* the answer's links are made to lead here; NULL: they stay */
    bool log;                        /* what a kubelet says instead of a log becomes a Status */
    bool plain_errors;               /* failures as text, as the aggregator has them */
    void (*over)(void *ctx);         /* the call has ended; may be NULL */
    void *ctx;
};
void forward_request(struct req *q, const struct forward_target *t);

/* A log over a WebSocket (log_socket.c); url: the kubelet's. */
void log_socket_serve(struct req *q, str url);
#endif
