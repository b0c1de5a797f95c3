/* log_socket.c - a pod's log as WebSocket messages, for clients that ask for it so (browsers, mostly).
 *
 * The kubelet is asked as ever; what it sends goes on as messages of one stream, binary or in base64, after an empty one that says that the
 * stream has begun. What the client sends is not looked at, but for its goodbye.
 *
 *   client <- WebSocket: binary.k8s.io, base64.binary.k8s.io or no protocol - here <- chunked body - kubelet
 *
 * Source: k8s.io/apimachinery/pkg/util/httpstream/wsstream/stream.go */
#include "api/forward.h"
#include "wire/websocket.h"

#define REFUSAL_MAX 10000 /* bytes of what a kubelet says instead of a log */

struct log_socket {
    struct loop *loop;
    struct req *req; /* NULL: the exchange has become a stream, or has gone */
    struct http_call *call;
    struct stream *client; /* NULL: not upgraded yet */
    struct buf in;         /* bytes of no whole frame yet */
    struct buf words;      /* what a kubelet says instead */
    int refused;           /* its status; 0: nothing */
    bool base64, paused, over;
};

bool log_socket_is_wanted(const struct http_request *r)
{
    return r->is_upgrade && str_eq_nocase(http_header(r, "Upgrade"), S("websocket"));
}

static void free_all(void *ctx)
{
    struct log_socket *s = ctx;

    buf_fini(&s->in);
    buf_fini(&s->words);
    mem_free(s);
}

static void close_client(void *ctx)
{
    struct log_socket *s = ctx;

    stream_close(s->client, free_all, s);
}

static void on_last_written(void *ctx, int error)
{
    struct log_socket *s = ctx;

    (void)error;
    loop_defer(s->loop, close_client, s);
}

/* The call has ended; whoever ended it. */
static void finish(struct log_socket *s)
{
    static const unsigned char normal[] = {0x03, 0xe8}; /* 1000 */
    CLEANUP(buf) struct buf b = BUF_INIT;

    s->over = true;
    stream_pause(s->client);
    websocket_frame(&b, WEBSOCKET_CLOSE, (str){(const char *)normal, sizeof normal}, NULL);
    stream_write(s->client, buf_view(&b), on_last_written, s);
}

static void on_client_end(void *ctx, int error)
{
    struct log_socket *s = ctx;

    (void)error;
    if (s->call)
        http_call_cancel(s->call); /* on_done goes on from there */
}

static void on_client_data(void *ctx, const char *p, size_t n)
{
    struct log_socket *s = ctx;
    struct websocket_frame f;
    int r;

    buf_str(&s->in, (str){p, n});
    while ((r = websocket_take(&s->in, true, &f)) > 0) {
        bool goodbye = f.opcode == WEBSOCKET_CLOSE;

        if (f.opcode == WEBSOCKET_PING) {
            CLEANUP(buf) struct buf b = BUF_INIT;

            websocket_frame(&b, WEBSOCKET_PONG, f.payload, NULL);
            stream_write(s->client, buf_view(&b), NULL, NULL);
        }
        buf_drop(&s->in, f.size);
        if (goodbye) {
            on_client_end(s, 0);
            return;
        }
    }
    if (r < 0)
        on_client_end(s, 0);
}

static void on_written(void *ctx, int error)
{
    struct log_socket *s = ctx;

    (void)error;
    if (s->paused && s->call && stream_queued(s->client) < HTTP_QUEUE_HIGH / 2) {
        s->paused = false;
        http_call_pause(s->call, false);
    }
}

static void send(struct log_socket *s, str text)
{
    CLEANUP(buf) struct buf b = BUF_INIT, encoded = BUF_INIT;

    if (s->base64) {
        buf_base64(&encoded, text);
        websocket_frame(&b, WEBSOCKET_TEXT, buf_view(&encoded), NULL);
    } else {
        websocket_frame(&b, WEBSOCKET_BINARY, text, NULL);
    }
    stream_write(s->client, buf_view(&b), on_written, s);
    if (!s->paused && s->call && stream_queued(s->client) > HTTP_QUEUE_HIGH) {
        s->paused = true;
        http_call_pause(s->call, true);
    }
}

/* The first of the client's protocols that we know; none asked for is one, too. */
static bool protocol_choose(str asked, str *ret)
{
    str one;

    *ret = STR_NONE;
    if (!asked.n)
        return true;
    while (str_cut(&asked, ',', &one)) {
        *ret = str_trim(one);
        if (str_is(*ret, "binary.k8s.io") || str_is(*ret, "base64.binary.k8s.io"))
            return true;
    }
    return false;
}

static void on_head(void *ctx, const struct http_response *r)
{
    static const struct stream_events events = {.data = on_client_data, .end = on_client_end};
    struct log_socket *s = ctx;
    struct req *q = s->req;
    struct http_header h[4];
    str protocol, key;

    if (!q)
        return;
    if (r->status >= 400) {
        s->refused = r->status;
        return;
    }
    key = http_header(&q->ex->req, "Sec-WebSocket-Key");
    if (!key.n || !protocol_choose(http_header(&q->ex->req, "Sec-WebSocket-Protocol"), &protocol)) {
        s->req = NULL;
        q->ex->on_gone = NULL;
        reply_plain_error(q, key.n ? 403 : 400,
                          key.n ? S("requested protocol(s) are not supported")
                                : S("missing Sec-WebSocket-Key"));
        http_call_cancel(s->call);
        return;
    }
    s->base64 = str_has_prefix(protocol, S("base64"));
    h[0] = (struct http_header){S("Upgrade"), S("websocket")};
    h[1] = (struct http_header){S("Connection"), S("Upgrade")};
    h[2] = (struct http_header){S("Sec-WebSocket-Accept"), websocket_accept(q->a, key)};
    h[3] = (struct http_header){S("Sec-WebSocket-Protocol"), protocol};
    q->ex->on_gone = NULL;
    s->client = http_upgrade(q->ex, h, protocol.n ? 4 : 3);
    s->req = NULL;
    if (!s->client) { /* the client has gone in between */
        http_end(q->ex);
        http_call_cancel(s->call);
        return;
    }
    stream_start(s->client, &events, s);
    send(s, S(""));
}

static void on_data(void *ctx, const char *p, size_t n)
{
    struct log_socket *s = ctx;

    if (s->refused && s->words.n + n <= REFUSAL_MAX)
        buf_str(&s->words, (str){p, n});
    else if (s->client && !s->over)
        send(s, (str){p, n});
}

static void on_done(void *ctx, struct err *e)
{
    struct log_socket *s = ctx;

    s->call = NULL;
    if (s->client) {
        err_free(e);
        finish(s);
        return;
    }
    if (s->req) {
        s->req->ex->on_gone = NULL;
        if (s->refused && !e)
            reply_error(s->req, err_new(s->refused == 400   ? REASON_BAD_REQUEST
                                        : s->refused == 404 ? REASON_NOT_FOUND
                                                            : REASON_INTERNAL,
                                        PRI_STR, STR_ARG(str_trim(buf_view(&s->words)))));
        else
            reply_error(s->req, err_new(REASON_UNAVAILABLE, "error trying to reach service: %s",
                                        e ? err_text(e) : "no answer"));
    }
    err_free(e);
    free_all(s);
}

static void on_gone(void *user, struct http_exchange *ex)
{
    struct log_socket *s = user;

    s->req = NULL;
    http_end(ex);
    if (s->call)
        http_call_cancel(s->call);
}

void log_socket_serve(struct req *q, str url)
{
    static const struct http_call_events events = {
        .head = on_head, .data = on_data, .done = on_done};
    struct http_call_options o = {.method = S("GET"), .url = url};
    struct log_socket *s = NEW(struct log_socket);

    s->loop = q->api->loop;
    s->req = q;
    q->ex->user = s;
    q->ex->on_gone = on_gone;
    s->call = http_call(q->api->kubelets, &o, &events, s);
}
