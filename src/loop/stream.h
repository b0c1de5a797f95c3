/* stream.h - what a byte stream is made of, for those who implement one.
 *
 * TCP and unix sockets (uv_stream.c), pairs inside the process (pair.c) and TLS (wire/tls.c) are all a
 * `struct stream`: embed it first in your own struct, fill it with stream_init(), hand out a pointer to it.
 * The functions of loop.h (stream.c) check the common rules and call the table.
 *
 * Rules for implementers
 *   (1) data() and end() are called through s->ev with s->ctx, never from inside start(), write() or
 *       shutdown(), never while `reading` is false (data), never once `closing` is set, and end() once.
 *       stream_emit_data() and stream_emit_end() check all that; after either returns, `s` may be closing.
 *   (2) A write's done runs once, in order, later than the call. Of writes that are not finished when the
 *       stream is closed no done runs any more (as loop.h says: after close only `closed`), so a
 *       context may be freed at once after stream_close(s, NULL, NULL).
 *   (3) close() frees the stream itself, later than the call (callbacks of `s` may be on the stack), and
 *       runs `closed` last. */
#ifndef K1S_LOOP_STREAM_H
#define K1S_LOOP_STREAM_H

#include "loop/loop.h"

struct stream_ops {
    void (*start)(struct stream *s); /* reading has become true: deliver what there is, later */
    void (*pause)(struct stream *s); /* reading has become false */
    void (*write)(struct stream *s, str data, stream_done_fn *done, void *ctx);
    /* NULL: write() is called with the bytes */
    void (*write_bytes)(struct stream *s, const struct bytes *b, stream_done_fn *done, void *ctx);
    size_t (*queued)(const struct stream *s);
    void (*shutdown)(struct stream *s);                          /* called once at most */
    void (*close)(struct stream *s, loop_fn *closed, void *ctx); /* called once */
    str (*peer)(const struct stream *s);
    str (*local)(const struct stream *s);
};

struct stream {
    const struct stream_ops *ops;
    struct loop *loop;
    const struct stream_events *ev; /* of the newest stream_start(); NULL before the first */
    void *ctx;
    bool reading; /* between stream_start() and stream_pause() */
    bool ended;   /* end() was called: no more data() */
    bool shut;    /* stream_shutdown() was called: no more writes */
    bool closing; /* stream_close() was called: no more callbacks */
};

void stream_init(struct stream *s, const struct stream_ops *ops, struct loop *loop);
/* false: the stream is paused, ended or closing, and the data was not delivered (keep it). After true, `s` may
 * have been paused or closed by its user: look at s->reading and s->closing before going on. */
bool stream_emit_data(struct stream *s, const char *p, size_t n);
/* Delivered even when paused, but not before the first stream_start(): false then (keep it, and try again at start).
 * Does nothing and answers true when end() has run already or the stream is closing. */
bool stream_emit_end(struct stream *s, int error);

#endif
