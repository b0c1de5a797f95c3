/* stream.c - the rules that all byte streams share; the work is in their tables. See stream.h. */
#include "loop/stream.h"

void stream_init(struct stream *s, const struct stream_ops *ops, struct loop *loop)
{
    memset(s, 0, sizeof *s);
    s->ops = ops;
    s->loop = loop;
}

bool stream_emit_data(struct stream *s, const char *p, size_t n)
{
    if (n == 0)
        return true;
    if (!s->reading || s->ended || s->closing)
        return false;
    s->ev->data(s->ctx, p, n);
    return true;
}

bool stream_emit_end(struct stream *s, int error)
{
    if (s->ended || s->closing)
        return true;
    if (!s->ev)
        return false;
    s->ended = true;
    if (s->ev->end)
        s->ev->end(s->ctx, error);
    return true;
}

void stream_start(struct stream *s, const struct stream_events *ev, void *ctx)
{
    BUG_ON(!loop_is_mine(s->loop));
    BUG_ON(s->closing);
    s->ev = ev;
    s->ctx = ctx;
    s->reading = true;
    s->ops->start(s);
}

void stream_pause(struct stream *s)
{
    BUG_ON(!loop_is_mine(s->loop));
    BUG_ON(s->closing);
    if (!s->reading)
        return;
    s->reading = false;
    s->ops->pause(s);
}

void stream_write(struct stream *s, str data, stream_done_fn *done, void *ctx)
{
    BUG_ON(!loop_is_mine(s->loop));
    BUG_ON(s->closing || s->shut);
    s->ops->write(s, data, done, ctx);
}

void stream_write_bytes(struct stream *s, const struct bytes *b, stream_done_fn *done, void *ctx)
{
    BUG_ON(!loop_is_mine(s->loop));
    BUG_ON(s->closing || s->shut);
    if (s->ops->write_bytes)
        s->ops->write_bytes(s, b, done, ctx);
    else
        s->ops->write(s, bytes_str(b), done, ctx);
}

size_t stream_queued(const struct stream *s)
{
    return s->ops->queued(s);
}

void stream_shutdown(struct stream *s)
{
    BUG_ON(!loop_is_mine(s->loop));
    BUG_ON(s->closing);
    if (s->shut)
        return;
    s->shut = true;
    s->ops->shutdown(s);
}

void stream_close(struct stream *s, loop_fn *closed, void *ctx)
{
    BUG_ON(!loop_is_mine(s->loop));
    BUG_ON(s->closing);
    s->closing = true;
    s->reading = false;
    s->ops->close(s, closed, ctx);
}

str stream_peer(const struct stream *s)
{
    return s->ops->peer(s);
}

str stream_local(const struct stream *s)
{
    return s->ops->local(s);
}
