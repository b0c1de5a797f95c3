/* spdy.h - frames of SPDY/3.1 as far as container runtimes' streaming servers need them from a client.
 *
 * Header blocks are sent as one stored block of a zlib stream without a dictionary: valid, and no compressor is needed for a handful
 * of short headers. What comes back in headers is not looked at.
 * Source: https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/ */
#ifndef K1S_WIRE_SPDY_H
#define K1S_WIRE_SPDY_H
#include "base/base.h"

enum {
    SPDY_DATA = 0, /* not a control frame */
    SPDY_SYN_STREAM = 1,
    SPDY_SYN_REPLY = 2,
    SPDY_RST_STREAM = 3,
    SPDY_PING = 6,
    SPDY_GOAWAY = 7,
};
#define SPDY_FIN 1u /* flags: the sender's half of the stream ends */

struct spdy_writer {
    struct buf out;
    bool began; /* the zlib stream of header blocks */
};
/* headers: name, value, ... ; names in lower case. */
void spdy_syn_stream(struct spdy_writer *w, uint32_t id, const char *const *headers, size_t n);
void spdy_data(struct spdy_writer *w, uint32_t id, unsigned flags, str data);
void spdy_pong(struct spdy_writer *w, str ping); /* payload of the SPDY_PING */

struct spdy_frame {
    unsigned type, flags;
    uint32_t id; /* of the stream; 0 where there is none */
    str payload; /* within `in`; of control frames all that follows the head */
    size_t size;
};
/* The first frame in `in`. false: not complete yet. A frame is at most 16 MiB long. */
bool spdy_take(const struct buf *in, struct spdy_frame *ret);
#endif
