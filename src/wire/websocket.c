/* websocket.c - frames of RFC 6455; see websocket.h. */
#include "wire/websocket.h"

#include <openssl/evp.h>

str websocket_accept(struct arena *a, str key)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    CLEANUP(buf) struct buf b = BUF_INIT;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    buf_fmt(&text, PRI_STR "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", STR_ARG(key));
    EVP_Digest(text.p, text.n, digest, &n, EVP_sha1(), NULL);
    buf_base64(&b, (str){(char *)digest, n});
    return arena_dup(a, buf_view(&b));
}

static void put_head(struct buf *b, unsigned opcode, size_t n, unsigned masked)
{
    buf_char(b, (char)(0x80 | opcode));
    if (n < 126) {
        buf_char(b, (char)(masked | n));
    } else if (n < 65536) {
        buf_char(b, (char)(masked | 126));
        buf_char(b, (char)(n >> 8));
        buf_char(b, (char)n);
    } else {
        buf_char(b, (char)(masked | 127));
        for (int shift = 56; shift >= 0; shift -= 8)
            buf_char(b, (char)((uint64_t)n >> shift));
    }
}

void websocket_head(struct buf *b, unsigned opcode, size_t n)
{
    put_head(b, opcode, n, 0);
}

void websocket_goodbye(struct buf *b)
{
    static const unsigned char normal[] = {0x03, 0xe8}; /* 1000 */

    websocket_frame(b, WEBSOCKET_CLOSE, (str){(const char *)normal, sizeof normal}, NULL);
}

void websocket_frame(struct buf *b, unsigned opcode, str payload, const unsigned char *mask)
{
    put_head(b, opcode, payload.n, mask ? 0x80 : 0);
    if (!mask) {
        buf_str(b, payload);
        return;
    }
    buf_add(b, mask, 4);
    for (size_t i = 0; i < payload.n; i++)
        buf_char(b, (char)(payload.p[i] ^ mask[i & 3]));
}

int websocket_take(struct buf *in, bool from_client, struct websocket_frame *ret)
{
    const unsigned char *p = (const unsigned char *)in->p;
    size_t head = 2, n;
    bool masked;

    if (in->n < 2)
        return 0;
    masked = p[1] & 0x80;
    if (masked != from_client)
        return -1;
    n = p[1] & 127;
    if (n == 126) {
        if (in->n < 4)
            return 0;
        n = (size_t)p[2] << 8 | p[3];
        head = 4;
    } else if (n == 127) {
        if (in->n < 10)
            return 0;
        n = 0;
        for (int i = 2; i < 10; i++)
            n = n << 8 | p[i];
        head = 10;
    }
    if (n > WEBSOCKET_FRAME_MAX)
        return -1;
    if (in->n < head + (masked ? 4 : 0) + n)
        return 0;
    if (masked) {
        unsigned char mask[4];
        char *data = in->p + head + 4;

        memcpy(mask, in->p + head, 4);
        for (size_t i = 0; i < n; i++)
            data[i] = (char)(data[i] ^ mask[i & 3]);
        head += 4;
    }
    *ret = (struct websocket_frame){
        .opcode = p[0] & 15, .final = p[0] & 0x80, .payload = {in->p + head, n}, .size = head + n};
    return 1;
}
