/* pair.c - two connected streams inside the process: tests, in-process clients, and every connection of the virtual
 * environment.
 *
 * What one end writes becomes a parcel in the other end's inbox and arrives after the environment's latency (in the
 * real loop: after this turn). Parcels of one direction arrive in the order of sending.
 *
 * Invariants
 *   (1) A pair lives until both ends are closed and no event of it is queued.
 *   (2) A parcel belongs to the inbox of the end that it goes to; its writer's done runs when it is taken out. */
#include "loop/loop_internal.h"

#define NAME_SIZE 128

struct parcel {
    struct parcel *next;
    bool is_end; /* the sender's side has ended, with `error` */
    int error;
    stream_done_fn *done;
    void *ctx;
    const struct bytes *data;
};
struct pair;
struct pair_end {
    struct stream base; /* first */
    struct pair *pair;
    struct pair_end *other;
    struct parcel *inbox, **inbox_tail; /* sent to this end, not yet read */
    unsigned n_arrived;                 /* of them: their latency has passed */
    size_t n_out;            /* bytes that this end sent and that the other has not read */
    int64_t last_arrival_ns; /* of what this end sent */
    bool closed;
    loop_fn *closed_fn;
    void *closed_ctx;
    char name[NAME_SIZE];
};
struct pair {
    unsigned refs; /* open ends and queued events */
    struct pair_end ends[2];
};

static struct pair_end *of(struct stream *s)
{
    return (struct pair_end *)s;
}

static void parcel_free(struct parcel *p)
{
    bytes_unref(p->data);
    mem_free(p);
}

static void pair_unref(struct pair *p)
{
    if (--p->refs)
        return;
    for (int i = 0; i < 2; i++) {
        struct parcel *next;

        for (struct parcel *x = p->ends[i].inbox; x; x = next) {
            next = x->next;
            parcel_free(x);
        }
    }
    mem_free(p);
}

static struct parcel *inbox_take(struct pair_end *e)
{
    struct parcel *p = e->inbox;

    e->inbox = p->next;
    if (!e->inbox)
        e->inbox_tail = &e->inbox;
    e->n_arrived--;
    if (p->data)
        e->other->n_out -= p->data->n;
    return p;
}

static void parcel_done(struct pair_end *sender, struct parcel *p, int error)
{
    if (p->done && !sender->closed)
        p->done(p->ctx, error);
    parcel_free(p);
}

/* Hands over what has arrived, as far as the user of `e` takes it. */
static void deliver(struct pair_end *e)
{
    while (e->n_arrived) {
        struct parcel *p = e->inbox;

        if (e->closed) {
            p = inbox_take(e);
            parcel_done(e->other, p, -EPIPE);
        } else if (p->is_end) {
            if (!stream_emit_end(&e->base, p->error))
                return;
            if (e->n_arrived && e->inbox == p)
                parcel_free(inbox_take(e));
        } else {
            if (!e->base.ended && !e->base.reading)
                return;
            /* Taken out first: data() may close this end or run the loop's functions on it. */
            p = inbox_take(e);
            stream_emit_data(&e->base, p->data->data, p->data->n);
            parcel_done(e->other, p, 0);
        }
    }
}

static void arrive(void *ctx)
{
    struct pair_end *e = ctx;

    e->n_arrived++;
    deliver(e);
    pair_unref(e->pair);
}

static void look_again(void *ctx)
{
    struct pair_end *e = ctx;

    deliver(e);
    pair_unref(e->pair);
}

static void send_parcel(struct pair_end *from, struct parcel *p)
{
    struct loop *loop = from->base.loop;
    struct pair_end *to = from->other;

    p->next = NULL;
    *to->inbox_tail = p;
    to->inbox_tail = &p->next;
    if (p->data)
        from->n_out += p->data->n;
    from->pair->refs++;
    from->last_arrival_ns =
        MAX(from->last_arrival_ns, loop_now(loop).ns + loop->ops->latency(loop));
    loop_at(loop, from->last_arrival_ns, arrive, to);
}

static void send_end(struct pair_end *from, int error)
{
    struct parcel *p = NEW(struct parcel);

    p->is_end = true;
    p->error = error;
    send_parcel(from, p);
}

static void pair_start_op(struct stream *s)
{
    struct pair_end *e = of(s);

    if (!e->n_arrived)
        return;
    e->pair->refs++;
    loop_defer(s->loop, look_again, e);
}

static void pair_pause_op(struct stream *s) {}

static void send_data(struct pair_end *e, const struct bytes *data, stream_done_fn *done, void *ctx)
{
    struct loop *loop = e->base.loop;
    struct parcel *p = NEW(struct parcel);

    p->data = data;
    p->done = done;
    p->ctx = ctx;
    send_parcel(e, p);
    if (loop->ops->is_unlucky(loop)) { /* the connection breaks behind this write, for both sides */
        send_end(e, -ECONNRESET);
        if (!e->other->closed)
            send_end(e->other, -ECONNRESET);
    }
}

static void pair_write_op(struct stream *s, str data, stream_done_fn *done, void *ctx)
{
    send_data(of(s), bytes_new(data), done, ctx);
}

static void pair_write_bytes_op(struct stream *s, const struct bytes *b, stream_done_fn *done,
                                void *ctx)
{
    send_data(of(s), bytes_ref(b), done, ctx);
}

static size_t pair_queued_op(const struct stream *s)
{
    return ((const struct pair_end *)s)->n_out;
}

static void pair_shutdown_op(struct stream *s)
{
    send_end(of(s), 0);
}

static void closed(void *ctx)
{
    struct pair_end *e = ctx;

    if (e->closed_fn)
        e->closed_fn(e->closed_ctx);
    pair_unref(e->pair);
}

static void pair_close_op(struct stream *s, loop_fn *fn, void *ctx)
{
    struct pair_end *e = of(s);

    e->closed = true;
    e->closed_fn = fn;
    e->closed_ctx = ctx;
    if (!s->shut && !e->other->closed)
        send_end(e, 0);
    loop_defer(s->loop, closed, e);
    e->pair->refs++;
    loop_defer(s->loop, look_again, e); /* what nobody reads any more fails at its writer */
}

static str pair_peer_op(const struct stream *s)
{
    return str_of(((const struct pair_end *)s)->other->name);
}

static str pair_local_op(const struct stream *s)
{
    return str_of(((const struct pair_end *)s)->name);
}

static const struct stream_ops pair_ops = {
    .start = pair_start_op,
    .pause = pair_pause_op,
    .write = pair_write_op,
    .write_bytes = pair_write_bytes_op,
    .queued = pair_queued_op,
    .shutdown = pair_shutdown_op,
    .close = pair_close_op,
    .peer = pair_peer_op,
    .local = pair_local_op,
};

void pair_new(struct loop *loop, str name_a, str name_b, struct stream **ret_a,
              struct stream **ret_b)
{
    struct pair *p = NEW(struct pair);

    p->refs = 2;
    for (int i = 0; i < 2; i++) {
        struct pair_end *e = &p->ends[i];
        str name = i == 0 ? name_a : name_b;

        stream_init(&e->base, &pair_ops, loop);
        e->pair = p;
        e->other = &p->ends[1 - i];
        e->inbox_tail = &e->inbox;
        snprintf(e->name, sizeof e->name, PRI_STR, STR_ARG(name));
    }
    *ret_a = &p->ends[0].base;
    *ret_b = &p->ends[1].base;
}

void stream_pair(struct loop *loop, struct stream **ret_a, struct stream **ret_b)
{
    BUG_ON(!loop_is_mine(loop));
    pair_new(loop, S("@"), S("@"), ret_a, ret_b);
}
