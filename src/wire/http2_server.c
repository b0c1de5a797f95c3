/* http2_server.c - HTTP/2 on one connection, on nghttp2. */
#include "wire/http_internal.h"

/* Not there yet: such a connection is refused. */
void http2_begin(struct http_conn *c)
{
    http_conn_close(c);
}

static void http2_data(struct http_conn *c, const char *p, size_t n)
{
}

static void http2_nothing(struct http_conn *c)
{
}

const struct http_protocol http2_protocol = {.data = http2_data, .gone = http2_nothing, .written = http2_nothing};
