/* channel.c - a WebSocket whose messages begin with the number of a channel, as exec, attach and port-forward use it.
 *
 * Sources: RFC 6455; k8s.io/apimachinery/pkg/util/httpstream/wsstream (v4.channel.k8s.io) and
 * k8s.io/apimachinery/pkg/util/remotecommand (v5.channel.k8s.io, which can end one channel). */
#include "cli/kubectl/kubectl.h"

#include "wire/websocket.h"

#define FRAMES_HIGH 64
#define FRAMES_LOW 8      /* under way; below it more may come */
#define CLOSE_CHANNEL 255 /* v5: the byte behind it names the channel that ends */

struct channel {
    struct kubectl *k;
    struct http_call *call;
    struct stream *s;
    int status;
    size_t n_writing;       /* frames that are not sent yet */
    struct buf in, message; /* bytes of the wire; the message being put together */
    bool ended, can_close, closing;
    struct channel_events ev;
    void *ctx;
};

static void on_written(void *ctx, int error)
{
    struct channel *c = ctx;

    c->n_writing--;
    if (!c->ended && c->ev.drained && c->n_writing < FRAMES_LOW)
        c->ev.drained(c->ctx);
}

static void send_frame(struct channel *c, unsigned opcode, str payload)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    unsigned char mask[4];

    if (c->ended || !c->s)
        return;
    loop_random(c->k->loop, mask, sizeof mask);
    websocket_frame(&b, opcode, payload, mask);
    c->n_writing++;
    stream_write(c->s, buf_view(&b), on_written, c);
}

static void end(struct channel *c)
{
    if (c->ended)
        return;
    c->ended = true;
    c->ev.end(c->ctx);
}

static void take(struct channel *c, const struct websocket_frame *f)
{
    if (f->opcode == WEBSOCKET_CLOSE) {
        end(c);
    } else if (f->opcode == WEBSOCKET_PING) {
        send_frame(c, WEBSOCKET_PONG, f->payload);
    } else if (f->opcode <= WEBSOCKET_BINARY) {
        buf_str(&c->message, f->payload);
        if (!f->final)
            return;
        if (c->message.n)
            c->ev.data(c->ctx, (unsigned char)c->message.p[0], str_skip(buf_view(&c->message), 1));
        buf_clear(&c->message);
    }
}

static void on_data(void *ctx, const char *p, size_t n)
{
    struct channel *c = ctx;
    struct websocket_frame f;
    int r = 0;

    buf_add(&c->in, p, n);
    while (!c->ended && (r = websocket_take(&c->in, false, &f)) > 0) {
        take(c, &f);
        buf_drop(&c->in, f.size);
    }
    if (r < 0)
        end(c);
}

static void on_closed(void *ctx, int error)
{
    end(ctx);
}

static void on_head(void *ctx, const struct http_response *r)
{
    ((struct channel *)ctx)->status = r->status;
}

static void on_refusal(void *ctx, const char *p, size_t n)
{
    struct channel *c = ctx;

    if (c->in.n + n <= WEBSOCKET_FRAME_MAX)
        buf_add(&c->in, p, n);
}

static void channel_free(void *ctx)
{
    struct channel *c = ctx;

    buf_fini(&c->in);
    buf_fini(&c->message);
    mem_free(c);
}

static void on_refused(void *ctx, struct err *err)
{
    struct channel *c = ctx;

    c->call = NULL;
    c->ended = true;
    if (c->closing) {
        err_free(err);
        channel_free(c);
        return;
    }
    if (err)
        err = kube_connection_err(c->k, err);
    else if (c->status >= 400)
        err = kube_status_err(c->k, c->status, buf_view(&c->in));
    else
        err = err_new(REASON_INTERNAL, "the server did not upgrade the connection (status %d)",
                      c->status);
    c->ev.opened(c->ctx, err);
}

static void on_upgraded(void *ctx, const struct http_response *r, struct stream *s)
{
    static const struct stream_events events = {.data = on_data, .end = on_closed};
    struct channel *c = ctx;

    c->call = NULL;
    c->s = s;
    for (size_t i = 0; i < r->n_headers; i++)
        if (str_eq_nocase(r->headers[i].name, S("Sec-WebSocket-Protocol")))
            c->can_close = str_has_prefix(r->headers[i].value, S("v5."));
    c->ev.opened(c->ctx, NULL);
    stream_start(s, &events, c);
}

struct channel *channel_open(struct kubectl *k, str path, const char *protocols,
                             const struct channel_events *ev, void *ctx)
{
    static const struct http_call_events http_events = {
        .head = on_head, .data = on_refusal, .done = on_refused, .upgraded = on_upgraded};
    struct channel *c = NEW(struct channel);
    unsigned char nonce[16];
    CLEANUP(buf) struct buf key = BUF_INIT;
    struct http_header headers[5];

    c->k = k;
    c->ev = *ev;
    c->ctx = ctx;
    loop_random(k->loop, nonce, sizeof nonce);
    buf_base64(&key, (str){(char *)nonce, sizeof nonce});
    headers[0] = (struct http_header){S("Connection"), S("Upgrade")};
    headers[1] = (struct http_header){S("Upgrade"), S("websocket")};
    headers[2] = (struct http_header){S("Sec-WebSocket-Version"), S("13")};
    headers[3] = (struct http_header){S("Sec-WebSocket-Key"), arena_dup(k->a, buf_view(&key))};
    headers[4] = (struct http_header){S("Sec-WebSocket-Protocol"), str_of(protocols)};
    /* What comes is a stream of its own: a runtime that is asked for JSON refuses. */
    c->call = kube_http(k, &(struct kube_request){.method = "GET", .path = path, .accept = "*/*"},
                        headers, ARRAY_LEN(headers), &http_events, c);
    return c;
}

void channel_send(struct channel *c, unsigned char number, str data)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_char(&b, (char)number);
    buf_str(&b, data);
    send_frame(c, WEBSOCKET_BINARY, buf_view(&b));
}

bool channel_send_end(struct channel *c, unsigned char number)
{
    const char text[2] = {(char)CLOSE_CHANNEL, (char)number};

    if (c->can_close)
        send_frame(c, WEBSOCKET_BINARY, (str){text, 2});
    return c->can_close;
}

bool channel_is_full(const struct channel *c)
{
    return c->n_writing > FRAMES_HIGH;
}

void channel_close(struct channel *c)
{
    if (!c)
        return;
    c->ended = c->closing = true;
    if (c->call)
        http_call_cancel(c->call);
    else if (c->s)
        stream_close(c->s, channel_free, c); /* after the last on_written */
    else
        channel_free(c);
}
