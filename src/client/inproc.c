/* inproc.c - calls into an API server of the same process: no socket, no TLS, no HTTP text.
 *
 * The two sides may be on two loops. Each owns its half of `struct exchange`; what passes between them is posted: to the server the
 * start, the news that the caller has gone, and that the queue has drained; to the client batches of an answer's parts, whose
 * bytes are shared by reference. Objects of lists and watches are shared themselves with callers that take them.
 *
 * Invariants
 *   (1) The exchange's memory goes when both sides, and every message under way, have dropped their reference.
 *   (2) What a handler writes within one turn of its loop arrives as one message: a burst of watch events wakes the client once.
 *   (3) `queued` counts bytes that the client has not been handed yet, so that back-pressure works as on a socket.
 *
 * Not here: who may do what. The peer looks like a verified client certificate with the user's name and groups. */
#include "client/client_internal.h"

/* What exchanges need of their client, shared with them since they may outlive it. */
struct inproc {
    uint32_t refs;
    http_handler_fn *handler;
    void *handler_ctx;
    struct loop *server_loop, *client_loop;
    char *user, *user_agent;
    str *groups;
    size_t n_groups;
};

struct part {
    const struct bytes *bytes; /* or */
    const struct obj *obj;
    bool deleted;
    struct part *next;
};

struct batch { /* one message to the client */
    struct exchange *x;
    int status; /* 0: the head came earlier */
    struct part *first, **last;
    bool ended;
};

struct exchange {
    struct http_exchange ex; /* first: the server's view */
    uint32_t refs;
    size_t queued; /* atomic */
    struct inproc *conf;
    /* the client's */
    struct client_call *call; /* NULL: ended or cancelled */
    /* the server's */
    struct batch *batch; /* what this turn has written; NULL: nothing */
    bool ended, was_full, head_sent;
};

static void inproc_unref(struct inproc *conf)
{
    if (__atomic_sub_fetch(&conf->refs, 1, __ATOMIC_ACQ_REL))
        return;
    for (size_t i = 0; i < conf->n_groups; i++)
        mem_free((void *)conf->groups[i].p);
    mem_free(conf->groups);
    mem_free(conf->user);
    mem_free(conf->user_agent);
    loop_unref(conf->client_loop);
    mem_free(conf);
}

static struct exchange *exchange_ref(struct exchange *x)
{
    __atomic_add_fetch(&x->refs, 1, __ATOMIC_RELAXED);
    return x;
}

static void exchange_unref(struct exchange *x)
{
    if (__atomic_sub_fetch(&x->refs, 1, __ATOMIC_ACQ_REL))
        return;
    inproc_unref(x->conf);
    mem_free(x);
}

static void to_server(struct exchange *x, loop_fn *fn)
{
    struct loop *server = x->conf->server_loop;

    if (server == x->conf->client_loop)
        loop_defer(server, fn, exchange_ref(x));
    else
        loop_post(server, fn, exchange_ref(x));
}

static void batch_drop(struct batch *b)
{
    for (struct part *p = b->first, *next; p; p = next) {
        next = p->next;
        bytes_unref(p->bytes);
        obj_unref(p->obj);
        mem_free(p);
    }
    exchange_unref(b->x);
    mem_free(b);
}

/* ---- the client's side ---- */

static void server_drained(void *ctx)
{
    struct exchange *x = ctx;

    if (!x->ended && x->was_full) {
        x->was_full = false;
        if (x->ex.on_drain)
            x->ex.on_drain(x->ex.user, &x->ex);
    }
    exchange_unref(x);
}

/* An object counts as its text: what waits keeps it in memory. */
static size_t part_size(const struct part *p)
{
    return p->obj ? p->obj->data.n : p->bytes->n;
}

static void client_receive(void *ctx)
{
    struct batch *b = ctx;
    struct exchange *x = b->x;
    size_t n = 0, before;

    if (b->status && x->call)
        client_call_head(x->call, b->status);
    for (struct part *p = b->first, *next; p; p = next) {
        next = p->next;
        n += part_size(p);
        /* Any of these calls may cancel. */
        if (x->call && p->obj)
            client_call_object(x->call, p->obj, p->deleted);
        else if (x->call)
            client_call_bytes(x->call, p->bytes);
        bytes_unref(p->bytes);
        obj_unref(p->obj);
        mem_free(p);
    }
    before = __atomic_fetch_sub(&x->queued, n, __ATOMIC_ACQ_REL);
    if (!b->ended && before >= HTTP_QUEUE_HIGH / 2 && before - n < HTTP_QUEUE_HIGH / 2)
        to_server(x, server_drained);
    if (b->ended && x->call) {
        struct client_call *call = TAKE(x->call);

        client_call_done(
            call, x->ex.broken ? err_new(REASON_UNAVAILABLE, "the answer was broken off") : NULL);
        exchange_unref(x);
    }
    exchange_unref(x);
    mem_free(b);
}

static void server_gone(void *ctx)
{
    struct exchange *x = ctx;

    if (!x->ended && !x->ex.gone) {
        x->ex.gone = true;
        if (x->ex.on_gone)
            x->ex.on_gone(x->ex.user, &x->ex);
    }
    exchange_unref(x);
}

static void inproc_cancel(struct client_call *call)
{
    struct exchange *x = call->impl;

    if (!x->call)
        return;
    x->call = NULL;
    to_server(x, server_gone);
    exchange_unref(x);
    client_call_done(call, NULL);
}

/* ---- the server's side ---- */

static void server_flush(struct exchange *x)
{
    struct batch *b = TAKE(x->batch);
    struct loop *client = x->conf->client_loop;

    if (!b)
        return;
    if (client == x->conf->server_loop)
        loop_defer(client, client_receive, b);
    else if (!loop_try_post(client, client_receive, b))
        batch_drop(b); /* its thread has ended meanwhile */
}

static void server_flush_later(void *ctx)
{
    struct exchange *x = ctx;

    server_flush(x);
    exchange_unref(x);
}

static struct batch *server_batch(struct exchange *x)
{
    if (!x->batch) {
        x->batch = NEW(struct batch);
        x->batch->x = exchange_ref(x);
        x->batch->last = &x->batch->first;
        loop_defer(x->conf->server_loop, server_flush_later, exchange_ref(x));
    }
    return x->batch;
}

static void ex_start(struct http_exchange *ex, int status, const struct http_header *headers,
                     size_t n, bool has_body)
{
    struct exchange *x = (struct exchange *)ex;

    if (!ex->gone)
        server_batch(x)->status = status;
}

static void ex_add_part(struct exchange *x, struct part part)
{
    struct batch *batch = server_batch(x);
    struct part *p = NEW(struct part);

    *p = part;
    *batch->last = p;
    batch->last = &p->next;
    if (__atomic_add_fetch(&x->queued, part_size(p), __ATOMIC_ACQ_REL) >= HTTP_QUEUE_HIGH / 2)
        x->was_full = true;
}

/* Owns b. */
static void ex_add(struct exchange *x, const struct bytes *b)
{
    if (x->ex.gone || !b->n)
        bytes_unref(b);
    else
        ex_add_part(x, (struct part){.bytes = b});
}

static void ex_share(struct http_exchange *ex, const struct obj *o, bool deleted)
{
    if (!ex->gone)
        ex_add_part((struct exchange *)ex, (struct part){.obj = obj_ref(o), .deleted = deleted});
}

static void ex_write(struct http_exchange *ex, str data)
{
    ex_add((struct exchange *)ex, bytes_new(data));
}

static void ex_write_bytes(struct http_exchange *ex, const struct bytes *b)
{
    ex_add((struct exchange *)ex, bytes_ref(b));
}

static size_t ex_queued(const struct http_exchange *ex)
{
    return __atomic_load_n(&((const struct exchange *)ex)->queued, __ATOMIC_ACQUIRE);
}

static void ex_end(struct http_exchange *ex)
{
    struct exchange *x = (struct exchange *)ex;

    BUG_ON(x->ended);
    if (!ex->gone)
        server_batch(x)->ended = true;
    server_flush(x);
    x->ended = true;
    arena_free(TAKE(ex->arena));
    exchange_unref(x);
}

static void server_start(void *ctx)
{
    struct exchange *x = ctx;

    /* A caller that has gone already is told to the handler by the message behind this one. */
    x->conf->handler(x->conf->handler_ctx, &x->ex);
    exchange_unref(x);
}

static void inproc_start(struct client_call *call, const struct client_request *r)
{
    static const struct http_exchange_ops ops = {.start = ex_start,
                                                 .write = ex_write,
                                                 .write_bytes = ex_write_bytes,
                                                 .queued = ex_queued,
                                                 .end = ex_end,
                                                 .share = ex_share};
    struct inproc *conf = call->client->impl;
    struct exchange *x = NEW(struct exchange);
    struct arena *a = arena_new();
    struct http_request *req = &x->ex.req;
    struct http_header *h = ARENA_NEW_N(a, struct http_header, 3);
    ptrdiff_t query;

    x->refs = 2;
    x->conf = conf;
    __atomic_add_fetch(&conf->refs, 1, __ATOMIC_RELAXED);
    x->call = call;
    x->ex.ops = &ops;
    x->ex.arena = a;
    x->ex.shares = call->streaming && call->events.object;
    req->method = arena_dup(a, str_of(r->method));
    req->target = arena_dup(a, r->path);
    query = str_index(req->target, '?');
    req->path = query < 0 ? req->target : str_slice(req->target, 0, (size_t)query);
    req->query = query < 0 ? S("") : str_skip(req->target, (size_t)query + 1);
    req->headers = h;
    h[req->n_headers++] = (struct http_header){
        S("Accept"), r->accept ? arena_dup(a, str_of(r->accept)) : S("application/json")};
    h[req->n_headers++] = (struct http_header){S("User-Agent"), str_of(conf->user_agent)};
    if (r->body.n) {
        req->body = arena_dup(a, r->body);
        h[req->n_headers++] = (struct http_header){
            S("Content-Type"),
            r->content_type ? arena_dup(a, str_of(r->content_type)) : S("application/json")};
    }
    req->peer = (struct http_peer){.tls = true,
                                   .cert_verified = true,
                                   .cert_common_name = str_of(conf->user),
                                   .cert_organizations = conf->groups,
                                   .n_cert_organizations = conf->n_groups};
    call->impl = x;
    to_server(x, server_start);
}

static void inproc_free(struct client *c)
{
    inproc_unref(c->impl);
}

struct client *client_new_inproc(struct loop *loop, const struct client_inproc_options *o)
{
    static const struct client_transport transport = {inproc_start, inproc_cancel, inproc_free};
    struct inproc *conf = NEW(struct inproc);
    struct client *c;

    conf->refs = 1;
    conf->handler = o->handler;
    conf->handler_ctx = o->handler_ctx;
    conf->server_loop = o->server_loop;
    conf->client_loop = loop_ref(loop);
    conf->user = str_dupz(o->user);
    conf->user_agent = str_dupz(o->user_agent.n ? o->user_agent : S("k1s"));
    conf->groups = mem_zalloc(sizeof(str) * (o->n_groups + 1));
    for (conf->n_groups = 0; conf->n_groups < o->n_groups; conf->n_groups++)
        conf->groups[conf->n_groups] =
            (str){str_dupz(o->groups[conf->n_groups]), o->groups[conf->n_groups].n};
    c = client_new(loop, &transport, conf);
    c->in_process = true;
    return c;
}
