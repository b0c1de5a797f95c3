/* tunnel.c - what is left of a connection once HTTP steps aside: bytes both ways.
 *
 * http_prefixed_stream() is the stream that an upgrade hands out: it first delivers what had
 * arrived behind the head, and keeps an end that comes before its new owner listens.
 * stream_splice() joins two streams. */
#include "loop/stream.h"
#include "wire/http_internal.h"

#define SPLICE_HIGH ((size_t)256 << 10) /* bytes queued on one side at which the other is paused */

/* ---- a stream with something before it ---- */

struct prefixed {
    struct stream s;
    struct stream *under;
    struct buf first;
    unsigned refs; /* the owner, a deferred delivery */
    bool deferred, ended;
    int error;
    loop_fn *closed;
    void *closed_ctx;
};

static struct prefixed *prefixed_of(const struct stream *s)
{
    return (struct prefixed *)(uintptr_t)s;
}

static void prefixed_unref(struct prefixed *p)
{
    if (--p->refs)
        return;
    buf_fini(&p->first);
    mem_free(p);
}

static void on_under_data(void *ctx, const char *data, size_t n)
{
    struct prefixed *p = ctx;

    if (p->first.n || !stream_emit_data(&p->s, data, n))
        buf_add(&p->first, data, n);
}

static void on_under_end(void *ctx, int error)
{
    struct prefixed *p = ctx;

    p->ended = true;
    p->error = error;
    if (!p->first.n && p->s.ev)
        stream_emit_end(&p->s, error);
}

static const struct stream_events under_events = {.data = on_under_data, .end = on_under_end};

static void on_deliver(void *ctx)
{
    struct prefixed *p = ctx;

    p->deferred = false;
    if (p->first.n && p->s.reading) {
        struct buf first = p->first;

        p->first = BUF_INIT;
        stream_emit_data(&p->s, first.p, first.n);
        buf_fini(&first);
    }
    if (!p->s.closing && !p->first.n) {
        if (p->ended)
            stream_emit_end(&p->s, p->error);
        else if (p->s.reading)
            stream_start(p->under, &under_events, p);
    }
    prefixed_unref(p);
}

static void prefixed_start(struct stream *s)
{
    struct prefixed *p = prefixed_of(s);

    if (!p->first.n && !p->ended) {
        stream_start(p->under, &under_events, p);
    } else if (!p->deferred) {
        p->deferred = true;
        p->refs++;
        loop_defer(s->loop, on_deliver, p);
    }
}

static void prefixed_pause(struct stream *s)
{
    stream_pause(prefixed_of(s)->under);
}

static void prefixed_write(struct stream *s, str data, stream_done_fn *done, void *ctx)
{
    stream_write(prefixed_of(s)->under, data, done, ctx);
}

static void prefixed_write_bytes(struct stream *s, const struct bytes *b, stream_done_fn *done,
                                 void *ctx)
{
    stream_write_bytes(prefixed_of(s)->under, b, done, ctx);
}

static size_t prefixed_queued(const struct stream *s)
{
    return stream_queued(prefixed_of(s)->under);
}

static void prefixed_shutdown(struct stream *s)
{
    stream_shutdown(prefixed_of(s)->under);
}

static void on_under_closed(void *ctx)
{
    struct prefixed *p = ctx;
    loop_fn *closed = p->closed;
    void *closed_ctx = p->closed_ctx;

    prefixed_unref(p);
    if (closed)
        closed(closed_ctx);
}

static void prefixed_close(struct stream *s, loop_fn *closed, void *ctx)
{
    struct prefixed *p = prefixed_of(s);

    p->closed = closed;
    p->closed_ctx = ctx;
    stream_close(p->under, on_under_closed, p);
}

static str prefixed_peer(const struct stream *s)
{
    return stream_peer(prefixed_of(s)->under);
}

static str prefixed_local(const struct stream *s)
{
    return stream_local(prefixed_of(s)->under);
}

static const struct stream_ops prefixed_ops = {
    .start = prefixed_start,
    .pause = prefixed_pause,
    .write = prefixed_write,
    .write_bytes = prefixed_write_bytes,
    .queued = prefixed_queued,
    .shutdown = prefixed_shutdown,
    .close = prefixed_close,
    .peer = prefixed_peer,
    .local = prefixed_local,
};

struct stream *http_prefixed_stream(struct stream *under, struct buf *first)
{
    struct prefixed *p = NEW(struct prefixed);

    stream_init(&p->s, &prefixed_ops, under->loop);
    p->refs = 1;
    p->under = under;
    p->first = *first;
    *first = BUF_INIT;
    p->ended = under->ended;
    /* From here on its events are ours, though none is wanted yet. */
    if (!p->ended) {
        stream_start(under, &under_events, p);
        stream_pause(under);
    }
    return &p->s;
}

/* ---- two streams joined ---- */

struct splice_side {
    struct splice *splice;
    struct stream *s;
    bool ended;
};
struct splice {
    struct splice_side side[2];
    unsigned n_open;
    bool closing;
    loop_fn *closed;
    void *ctx;
};

static struct splice_side *other_side(struct splice_side *side)
{
    return &side->splice->side[side == side->splice->side];
}

static void on_side_closed(void *ctx)
{
    struct splice *sp = ctx;

    if (--sp->n_open)
        return;
    if (sp->closed)
        sp->closed(sp->ctx);
    mem_free(sp);
}

static void splice_close(struct splice *sp)
{
    if (sp->closing)
        return;
    sp->closing = true;
    stream_close(sp->side[0].s, on_side_closed, sp);
    stream_close(sp->side[1].s, on_side_closed, sp);
}

static const struct stream_events side_events;

/* ctx: the side that was paused. */
static void on_side_drained(void *ctx, int error)
{
    struct splice_side *side = ctx;

    if (side->splice->closing)
        return;
    if (error)
        splice_close(side->splice);
    else if (!side->ended)
        stream_start(side->s, &side_events, side);
}

static void on_side_data(void *ctx, const char *p, size_t n)
{
    struct splice_side *side = ctx;
    struct stream *to = other_side(side)->s;
    bool full = stream_queued(to) + n >= SPLICE_HIGH;

    if (full)
        stream_pause(side->s);
    stream_write(to, (str){p, n}, full ? on_side_drained : NULL, side);
}

/* Both ended: what is queued still goes out. */
static void on_last_drained(void *ctx, int error)
{
    splice_close(ctx);
}

static void on_side_end(void *ctx, int error)
{
    struct splice_side *side = ctx;
    struct splice_side *other = other_side(side);

    side->ended = true;
    if (error) {
        splice_close(side->splice);
        return;
    }
    if (other->ended)
        stream_write(other->s, S(""), on_last_drained, side->splice);
    stream_shutdown(other->s);
}

static const struct stream_events side_events = {.data = on_side_data, .end = on_side_end};

void stream_splice(struct stream *a, struct stream *b, loop_fn *closed, void *ctx)
{
    struct splice *sp = NEW(struct splice);

    *sp = (struct splice){
        .side = {{sp, a, false}, {sp, b, false}}, .n_open = 2, .closed = closed, .ctx = ctx};
    stream_start(a, &side_events, &sp->side[0]);
    stream_start(b, &side_events, &sp->side[1]);
}
