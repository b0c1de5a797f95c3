/* client.c - a call's life, whichever transport carries it.
 *
 * Invariants
 *   (1) done runs exactly once unless the call was cancelled, and never before client_do() has
 * returned. (2) A status of 400 or more always comes with an err that says what the Status said.
 *   (3) A cancelled call calls nobody any more; it lives on without its client until the transport
 * has let go of it.
 *
 * Not here: bytes on a wire (transport_http.c), calls inside the process (inproc.c). */
#include "client/client_internal.h"

struct client *client_new(struct loop *loop, const struct client_transport *t, void *impl)
{
    struct client *c = NEW(struct client);

    c->loop = loop;
    c->transport = t;
    c->impl = impl;
    list_init(&c->calls);
    return c;
}

void client_free(struct client *c)
{
    if (!c)
        return;
    while (!list_is_empty(&c->calls))
        client_cancel(LIST_ITEM(c->calls.next, struct client_call, link));
    c->transport->free(c);
    mem_free(c);
}

struct loop *client_loop(const struct client *c)
{
    return c->loop;
}

static void call_free(struct client_call *call)
{
    loop_timer_free(call->deadline);
    bytes_unref(call->first);
    buf_fini(&call->body);
    mem_free(call);
}

static void call_detach(struct client_call *call)
{
    call->client = NULL;
    list_del(&call->link);
    if (call->deadline)
        loop_timer_stop(call->deadline);
}

static str call_body(const struct client_call *call)
{
    return call->first ? bytes_str(call->first) : buf_view(&call->body);
}

/* Tells the owner and forgets it; the call itself stays. Owns err. */
static void call_report(struct client_call *call, struct err *err)
{
    str body = call_body(call);

    call_detach(call);
    if (!err && call->too_large)
        err = err_new(REASON_REQUEST_TOO_LARGE, "the answer is larger than %zu bytes",
                      CLIENT_BODY_MAX);
    if (!err && call->status >= 400)
        err = client_status_err(call->status, body);
    if (call->streaming)
        call->events.done(call->ctx, err);
    else
        call->done(call->ctx, err, call->status, body);
}

static void call_deadline(void *ctx)
{
    struct client_call *call = ctx;
    const struct client_transport *t = call->transport;

    call_report(call,
                err_new(REASON_TIMEOUT, "the request did not complete within the allowed time"));
    t->cancel(call);
}

static struct client_call *call_new(struct client *c, void *ctx, int64_t timeout_ns)
{
    struct client_call *call = NEW(struct client_call);

    BUG_ON(!loop_is_mine(c->loop));
    call->client = c;
    call->transport = c->transport;
    call->ctx = ctx;
    call->body = BUF_INIT;
    list_add_tail(&c->calls, &call->link);
    if (timeout_ns) {
        call->deadline = loop_timer_new(c->loop, call_deadline, call);
        loop_timer_set(call->deadline, timeout_ns);
    }
    return call;
}

struct client_call *client_do(struct client *c, const struct client_request *r,
                              client_done_fn *done, void *ctx)
{
    struct client_call *call = call_new(c, ctx, r->timeout_ns ? r->timeout_ns : CLIENT_TIMEOUT_NS);

    call->done = done;
    c->transport->start(call, r);
    return call;
}

struct client_call *client_stream_request(struct client *c, const struct client_request *r,
                                          const struct client_stream_events *ev, void *ctx)
{
    struct client_call *call = call_new(c, ctx, r->timeout_ns);

    call->streaming = true;
    call->events = *ev;
    c->transport->start(call, r);
    return call;
}

struct client_call *client_stream(struct client *c, str path, const struct client_stream_events *ev,
                                  void *ctx)
{
    return client_stream_request(c, &(struct client_request){.method = "GET", .path = path}, ev,
                                 ctx);
}

void client_cancel(struct client_call *call)
{
    if (!call || !call->client)
        return;
    call_detach(call);
    call->transport->cancel(call);
}

void client_call_head(struct client_call *call, int status)
{
    call->status = status;
    if (call->client && call->streaming && status < 400 && call->events.head)
        call->events.head(call->ctx, status);
}

static bool call_collects(const struct client_call *call)
{
    return !call->streaming || call->status >= 400;
}

static void call_collect(struct client_call *call, str data)
{
    size_t limit = call->status >= 400 ? CLIENT_ERROR_BODY_MAX : CLIENT_BODY_MAX;

    if (call->first) {
        buf_str(&call->body, bytes_str(call->first));
        bytes_unref(TAKE(call->first));
    }
    if (call->body.n + data.n > limit)
        call->too_large = call->status < 400;
    else
        buf_str(&call->body, data);
}

void client_call_data(struct client_call *call, str data)
{
    if (!call->client || !data.n)
        return;
    if (call_collects(call))
        call_collect(call, data);
    else if (call->events.data)
        call->events.data(call->ctx, data.p, data.n);
}

void client_call_bytes(struct client_call *call, const struct bytes *b)
{
    if (call->client && call_collects(call) && !call->first && !call->body.n &&
        b->n <= CLIENT_BODY_MAX)
        call->first = bytes_ref(b);
    else
        client_call_data(call, bytes_str(b));
}

void client_call_object(struct client_call *call, const struct obj *o, bool deleted)
{
    if (call->client)
        call->events.object(call->ctx, o, deleted);
}

void client_call_done(struct client_call *call, struct err *err)
{
    if (call->client)
        call_report(call, err);
    else
        err_free(err);
    call_free(call);
}
