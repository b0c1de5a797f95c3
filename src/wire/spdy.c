/* spdy.c - frames of SPDY/3.1; see spdy.h. */
#include "wire/spdy.h"

#define VERSION 3u
#define HEAD 8u

static void u16(struct buf *b, unsigned v)
{
    buf_char(b, (char)(v >> 8));
    buf_char(b, (char)v);
}

static void u32(struct buf *b, uint32_t v)
{
    u16(b, v >> 16);
    u16(b, v & 0xffff);
}

static void control(struct buf *b, unsigned type, unsigned flags, size_t n)
{
    u16(b, 0x8000u | VERSION);
    u16(b, type);
    u32(b, (uint32_t)flags << 24 | (uint32_t)n);
}

void spdy_syn_stream(struct spdy_writer *w, uint32_t id, const char *const *headers, size_t n)
{
    CLEANUP(buf) struct buf names = BUF_INIT;
    CLEANUP(buf) struct buf block = BUF_INIT;

    u32(&names, (uint32_t)(n / 2));
    for (size_t i = 0; i < n; i++) {
        u32(&names, (uint32_t)strlen(headers[i]));
        buf_z(&names, headers[i]);
    }
    if (!w->began) { /* the head of a zlib stream: deflate, no dictionary */
        buf_char(&block, 0x78);
        buf_char(&block, 0x01);
        w->began = true;
    }
    buf_char(&block,
             0); /* a stored block, not the last one: little-endian length and its complement */
    for (int i = 0; i < 2; i++) {
        unsigned v = (unsigned)names.n ^ (i ? 0xffffu : 0);

        buf_char(&block, (char)v);
        buf_char(&block, (char)(v >> 8));
    }
    buf_str(&block, buf_view(&names));
    buf_add(&block, "\0\0\0\xff\xff",
            5); /* an empty one: readers hand on what they have (zlib's sync flush) */
    control(&w->out, SPDY_SYN_STREAM, 0, 10 + block.n);
    u32(&w->out, id);
    u32(&w->out, 0); /* associated with none */
    u16(&w->out, 0); /* priority, slot */
    buf_str(&w->out, buf_view(&block));
}

void spdy_data(struct spdy_writer *w, uint32_t id, unsigned flags, str data)
{
    u32(&w->out, id);
    u32(&w->out, (uint32_t)flags << 24 | (uint32_t)data.n);
    buf_str(&w->out, data);
}

void spdy_pong(struct spdy_writer *w, str ping)
{
    control(&w->out, SPDY_PING, 0, ping.n);
    buf_str(&w->out, ping);
}

static uint32_t get_u32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;

    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

bool spdy_take(const struct buf *in, struct spdy_frame *ret)
{
    uint32_t first, second, n;

    if (in->n < HEAD)
        return false;
    first = get_u32(in->p);
    second = get_u32(in->p + 4);
    n = second & 0xffffff;
    if (in->n < HEAD + n)
        return false;
    *ret =
        (struct spdy_frame){.flags = second >> 24, .payload = {in->p + HEAD, n}, .size = HEAD + n};
    if (first & 0x80000000u) {
        ret->type = first & 0xffff;
        if (n >= 4 && (ret->type == SPDY_SYN_STREAM || ret->type == SPDY_SYN_REPLY ||
                       ret->type == SPDY_RST_STREAM))
            ret->id = get_u32(in->p + HEAD) & 0x7fffffff;
    } else {
        ret->type = SPDY_DATA;
        ret->id = first;
    }
    return true;
}
