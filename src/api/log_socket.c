/* log_socket.c - a pod's log as WebSocket messages, for clients that ask for it so (browsers, mostly).
 *
 * The kubelet is asked as ever; what it sends goes on as messages of one stream, binary or in base64, after an empty one that says that the
 * stream has begun. What the client sends is not looked at, but for its goodbye.
 *
 *   client <- WebSocket: binary.k8s.io, base64.binary.k8s.io or no protocol - here <- chunked body - kubelet
 *
 * Source: k8s.io/apimachinery/pkg/util/httpstream/wsstream/stream.go */
#include "api/forward.h"

#define REFUSAL_MAX 10000 /* bytes of what a kubelet says instead of a log */

struct log_socket {
    struct req *req; /* NULL: its exchange has ended */
    struct http_call *call;
    struct buf words; /* what a kubelet says instead */
    int refused;      /* its status; 0: nothing */
    bool open;        /* messages go out */
    bool base64, paused;
};

static void send(struct log_socket *s, str text)
{
    CLEANUP(buf) struct buf encoded = BUF_INIT;

    if (s->base64) {
        buf_base64(&encoded, text);
        text = buf_view(&encoded);
    }
    http_write(s->req->ex, text);
    if (!s->paused && s->call && http_queued(s->req->ex) > HTTP_QUEUE_HIGH) {
        s->paused = true;
        http_call_pause(s->call, true);
    }
}

static void on_drain(void *user, struct http_exchange *ex)
{
    struct log_socket *s = user;

    (void)ex;
    if (s->paused && s->call) {
        s->paused = false;
        http_call_pause(s->call, false);
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

/* Answers in the log's stead; what the kubelet still says is for nobody. */
static void refuse(struct log_socket *s, int code, str text)
{
    struct req *q = TAKE(s->req);

    q->ex->on_gone = NULL;
    reply_plain_error(q, code, text);
    http_call_cancel(s->call);
}

static void on_head(void *ctx, const struct http_response *r)
{
    struct log_socket *s = ctx;
    struct http_header h;

    if (!s->req)
        return;
    if (r->status >= 400) {
        s->refused = r->status;
        return;
    }
    h.name = S("Sec-WebSocket-Protocol");
    if (!protocol_choose(http_header(&s->req->ex->req, "Sec-WebSocket-Protocol"), &h.value)) {
        refuse(s, 403, S("requested protocol(s) are not supported"));
        return;
    }
    s->base64 = str_has_prefix(h.value, S("base64"));
    s->open = http_messages(s->req->ex, &h, h.value.n ? 1 : 0, s->base64);
    if (s->open)
        send(s, S(""));
    else
        refuse(s, 400, S("missing Sec-WebSocket-Key"));
}

static void on_data(void *ctx, const char *p, size_t n)
{
    struct log_socket *s = ctx;

    if (s->refused && s->words.n + n <= REFUSAL_MAX)
        buf_str(&s->words, (str){p, n});
    else if (s->open && s->req)
        send(s, (str){p, n});
}

static void reply_refusal(struct log_socket *s, const struct err *e)
{
    if (s->refused && !e)
        reply_error(s->req, err_new(s->refused == 400   ? REASON_BAD_REQUEST
                                    : s->refused == 404 ? REASON_NOT_FOUND
                                                        : REASON_INTERNAL,
                                    PRI_STR, STR_ARG(str_trim(buf_view(&s->words)))));
    else
        reply_error(s->req, err_new(REASON_UNAVAILABLE, "error trying to reach service: %s",
                                    e ? err_text(e) : "no answer"));
}

static void on_done(void *ctx, struct err *e)
{
    struct log_socket *s = ctx;

    s->call = NULL;
    if (s->req) {
        s->req->ex->on_gone = NULL;
        if (s->open)
            http_end(s->req->ex);
        else
            reply_refusal(s, e);
    }
    err_free(e);
    buf_fini(&s->words);
    mem_free(s);
}

static void on_gone(void *user, struct http_exchange *ex)
{
    struct log_socket *s = user;

    s->req = NULL;
    http_end(ex);
    if (s->call)
        http_call_cancel(s->call); /* on_done goes on from there */
}

void log_socket_serve(struct req *q, str url)
{
    static const struct http_call_events events = {
        .head = on_head, .data = on_data, .done = on_done};
    struct http_call_options o = {.method = S("GET"), .url = url};
    struct log_socket *s = NEW(struct log_socket);

    s->req = q;
    q->ex->user = s;
    q->ex->on_gone = on_gone;
    q->ex->on_drain = on_drain;
    s->call = http_call(q->api->kubelets, &o, &events, s);
}
