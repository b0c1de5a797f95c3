/* grpc.h - gRPC client over HTTP/2 (nghttp2) on a unix socket or TCP: unary calls and server streams.
 * Messages are bytes here; schema/ turns them into trees. One connection, reconnected with back-off on demand. */
#ifndef K1S_WIRE_GRPC_H
#define K1S_WIRE_GRPC_H
#include "loop/loop.h"
#include "wire/tls.h"
struct grpc_channel;
/* tls NULL: plain; else borrowed for the channel's life, made with .http2. */
struct grpc_channel *grpc_channel_new(struct loop *loop,
                                      str address /* "unix:/run/x.sock" or "ip:port" */,
                                      const struct tls_client *tls);
void grpc_channel_free(
    struct grpc_channel *c); /* ends calls with CANCELLED; no new ones from their callbacks */
#define GRPC_MESSAGE_MAX (16u << 20)
/* status: gRPC code (0 OK, 5 NOT_FOUND, 12 UNIMPLEMENTED, 14 UNAVAILABLE...); message borrowed. */
typedef void grpc_done_fn(void *ctx, int status, str status_message, str response);
struct grpc_call; /* valid until its done runs */
/* method: "/runtime.v1.RuntimeService/Version". timeout_ns 0: none. */
struct grpc_call *grpc_unary(struct grpc_channel *c, str method, str request, int64_t timeout_ns,
                             grpc_done_fn *done, void *ctx);
struct grpc_stream_events {
    void (*message)(void *ctx, str message);
    void (*done)(void *ctx, int status, str status_message); /* once */
};
struct grpc_call *grpc_server_stream(struct grpc_channel *c, str method, str request,
                                     const struct grpc_stream_events *ev, void *ctx);
/* Bidirectional (etcd watch, lease keep-alive): request may be empty at first, more with grpc_send. */
struct grpc_call *grpc_bidi_stream(struct grpc_channel *c, str method,
                                   const struct grpc_stream_events *ev, void *ctx);
void grpc_send(struct grpc_call *call, str message);
void grpc_cancel(struct grpc_call *call); /* done comes with status 1 */
#endif
