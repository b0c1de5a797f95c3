/* websocket.h - WebSocket frames (RFC 6455): what both ends of an upgraded connection share. */
#ifndef K1S_WIRE_WEBSOCKET_H
#define K1S_WIRE_WEBSOCKET_H
#include "base/base.h"

#define WEBSOCKET_FRAME_MAX                                                                        \
    ((size_t)16 << 20) /* bytes of a payload; a longer frame ends the connection */
enum {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};
/* Sec-WebSocket-Accept for the client's Sec-WebSocket-Key. */
str websocket_accept(struct arena *a, str key);
/* One final frame. mask: four random bytes of a client; NULL of a server. */
void websocket_frame(struct buf *b, unsigned opcode, str payload, const unsigned char *mask);
/* The head alone, of a server's final frame of n bytes that follow. */
void websocket_head(struct buf *b, unsigned opcode, size_t n);
/* A server's last frame: all is well (1000). */
void websocket_goodbye(struct buf *b);
struct websocket_frame {
    unsigned opcode;
    bool final;
    str payload; /* within `in`, unmasked there */
    size_t size; /* of the whole frame: what to drop from `in` afterwards */
};
/* The first frame in `in`: 1; not complete yet: 0; not to be read on (too long, or masked although it is a server's or the other way
 * round): -1. */
int websocket_take(struct buf *in, bool from_client, struct websocket_frame *ret);
#endif
