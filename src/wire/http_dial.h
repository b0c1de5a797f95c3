/* http_dial.h - from a URL to a connected stream: parsing, names, connecting, TLS. For
 * http_client.c. */
#ifndef K1S_WIRE_HTTP_DIAL_H
#define K1S_WIRE_HTTP_DIAL_H
#include "wire/http.h"

struct http_url {
    bool tls;
    str host;      /* without brackets; empty for unix sockets */
    str authority; /* as it goes into the Host header */
    int port;
    str socket; /* path of a unix socket; empty for TCP */
    str target; /* path?query; "/" when the URL has none */
};
/* Slices of `url`. Forms: http://, https://, unix:///run/x.sock|/path. */
MUST_USE struct err *http_url_parse(str url, struct http_url *ret);

struct http_dial; /* valid until done runs */
/* why: text for people when error < 0, in Go's words ("dial tcp 10.0.0.1:80: connect: connection
 * refused"); borrowed. */
typedef void http_dial_fn(void *ctx, int error, const char *why, struct stream *s);
/* done runs later, once, unless cancelled. server_name empty: the URL's host. tls NULL: https
 * fails. */
struct http_dial *http_dial(struct loop *loop, const struct http_url *url,
                            const struct tls_client *tls, str server_name, int64_t timeout_ns,
                            http_dial_fn *done, void *ctx);
void http_dial_cancel(struct http_dial *d); /* done does not run */
#endif
