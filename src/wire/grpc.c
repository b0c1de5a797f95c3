/* grpc.c - gRPC client: calls and streams of messages on one HTTP/2 connection.
 *
 * A channel has at most one connection that takes new calls. One that the server wants to end
 * (GOAWAY) is set aside and lives as long as its calls. While connecting fails, calls fail at
 * once until the back-off is over, as with grpc-go.
 *
 * Invariants
 *   (1) A call's done runs exactly once, never inside the function that made it, and the call is
 *       freed right after it.
 *   (2) nghttp2 is asked to send at the end of the turn or of the input, never from inside its
 *       own callbacks.
 *   (3) A user's callback may call anything here, grpc_channel_free() included: connections are
 *       referenced while nghttp2 runs, and a freed channel's memory goes with its last
 *       connection.
 *
 * Not here: what the messages mean. Source: grpc/doc/PROTOCOL-HTTP2.md,
 * grpc/doc/connection-backoff.md. */
#include "wire/grpc.h"
#include "wire/http.h"
#include <nghttp2/nghttp2.h>

#define GRPC_CONNECT_NS (10 * NS_PER_S)
#define GRPC_KEEPALIVE_NS                                                                          \
    (30 * NS_PER_S) /* of silence before the server is asked whether it lives */
#define GRPC_KEEPALIVE_ACK_NS (20 * NS_PER_S) /* for its answer */
#define GRPC_BACKOFF_MIN_NS (50 * NS_PER_MS)
#define GRPC_BACKOFF_MAX_NS (3 * NS_PER_S) /* as the kubelet's dial options */
#define GRPC_STREAM_WINDOW (1 << 20)
#define GRPC_CONNECTION_WINDOW (16 << 20)
#define GRPC_HEADER_MAX 16384 /* bytes of a header that is looked at */
#define GRPC_OUT_HIGH ((size_t)512 << 10)
#define GRPC_OUT_PIECE ((size_t)64 << 10)

enum {
    GRPC_OK,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_UNAUTHENTICATED = 16
};

struct grpc_conn {
    struct list link; /* among the channel's */
    struct grpc_channel *channel;
    struct stream *stream; /* NULL once it is being closed */
    nghttp2_session *session;
    struct list calls; /* on this connection */
    struct buf out;
    unsigned refs; /* the stream, running code, deferred calls */
    bool running, send_deferred, blocked, dead;
    struct loop_timer *keepalive; /* set while there are calls; NULL: unix sockets need none */
    int64_t heard_ns;
    bool pinged;
};

struct grpc_channel {
    struct loop *loop;
    char *address, *authority;
    const struct tls_client *tls;
    struct grpc_conn *conn; /* takes new calls; NULL: none */
    struct list conns;      /* that one, and those that only finish their calls */
    struct connecting *connecting;
    struct tls_handshake *handshake;
    struct list waiting; /* calls without a connection */
    struct loop_timer
        *kick; /* fails what may not wait, or begins to connect: outside of the calls' makers */
    int64_t backoff_ns, blocked_until_ns;
    char *last_error; /* why connecting failed; NULL: it did not */
    unsigned refs;    /* the user, connections, a connect in progress */
    bool freed;
};

struct grpc_call {
    struct list link; /* in the channel's or a connection's list */
    struct grpc_channel *channel;
    struct grpc_conn *conn; /* NULL: waiting */
    int32_t id;
    char *method;
    int64_t timeout_ns;
    struct loop_timer *timer; /* deadline, or a cancellation under way */
    struct buf out;           /* framed messages; `out_at` bytes are sent */
    size_t out_at;
    bool out_ended, starved;
    struct buf in;           /* of a message that is not complete */
    int http_status, status; /* status < 0: none came */
    struct buf status_message;
    bool is_unary, has_response, cancelled;
    struct buf response;
    grpc_done_fn *unary_done;
    struct grpc_stream_events events;
    void *ctx;
};

/* ---- lifetimes ---- */

static void channel_unref(struct grpc_channel *c)
{
    if (--c->refs)
        return;
    mem_free(c->address);
    mem_free(c->authority);
    mem_free(c->last_error);
    mem_free(c);
}

static void conn_unref(struct grpc_conn *n)
{
    if (--n->refs)
        return;
    nghttp2_session_del(n->session);
    buf_fini(&n->out);
    channel_unref(n->channel);
    mem_free(n);
}

/* Ends a call: takes it off its list, tells its owner, frees it. */
static void call_finish(struct grpc_call *call, int status, str message)
{
    list_del(&call->link);
    if (call->conn && call->id)
        nghttp2_session_set_stream_user_data(call->conn->session, call->id, NULL);
    loop_timer_free(call->timer);
    if (call->is_unary) {
        if (status == GRPC_OK && !call->has_response) {
            status = GRPC_INTERNAL;
            message = S("cardinality violation: no response message");
        }
        call->unary_done(call->ctx, status, message,
                         status == GRPC_OK ? buf_view(&call->response) : S(""));
    } else {
        call->events.done(call->ctx, status, message);
    }
    buf_fini(&call->out);
    buf_fini(&call->in);
    buf_fini(&call->response);
    buf_fini(&call->status_message);
    mem_free(call->method);
    mem_free(call);
}

static void calls_finish(struct list *calls, int status, str message)
{
    while (!list_is_empty(calls))
        call_finish(LIST_ITEM(calls->next, struct grpc_call, link), status, message);
}

/* ---- a connection ---- */

static void on_stream_closed(void *ctx)
{
    conn_unref(ctx);
}

/* Closes at once; its calls end with `status`. */
static void conn_close(struct grpc_conn *n, int status, const char *why)
{
    struct stream *stream = TAKE(n->stream);

    if (!stream)
        return;
    n->dead = true;
    n->refs++;
    list_del(&n->link);
    loop_timer_free(TAKE(n->keepalive));
    if (n->channel->conn == n)
        n->channel->conn = NULL;
    stream_close(stream, on_stream_closed, n);
    calls_finish(&n->calls, status, str_of(why));
    conn_unref(n);
}

static void conn_flush(struct grpc_conn *n);

static void on_written(void *ctx, int error)
{
    struct grpc_conn *n = ctx;

    n->blocked = false;
    conn_flush(n);
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t n_data, int flags,
                       void *ctx)
{
    struct grpc_conn *n = ctx;

    if (n->out.n + stream_queued(n->stream) >= GRPC_OUT_HIGH)
        return NGHTTP2_ERR_WOULDBLOCK;
    buf_add(&n->out, data, n_data);
    if (n->out.n >= GRPC_OUT_PIECE) {
        stream_write(n->stream, buf_view(&n->out), NULL, NULL);
        buf_clear(&n->out);
    }
    return (ssize_t)n_data;
}

/* Sends what nghttp2 has, and closes a connection that has nothing left to do. */
static void conn_flush(struct grpc_conn *n)
{
    int error;

    if (n->dead || n->running)
        return;
    n->refs++;
    n->running = true;
    error = nghttp2_session_send(n->session);
    n->running = false;
    if (!n->dead) {
        if (n->out.n)
            stream_write(n->stream, buf_view(&n->out), NULL, NULL);
        buf_fini(&n->out);
        if (!n->blocked && stream_queued(n->stream) >= GRPC_OUT_HIGH / 2) {
            n->blocked = true;
            stream_write(n->stream, S(""), on_written, n);
        }
        if (error ||
            (!nghttp2_session_want_read(n->session) && !nghttp2_session_want_write(n->session)) ||
            (n->channel->conn != n && list_is_empty(&n->calls)))
            conn_close(n, GRPC_UNAVAILABLE, "transport is closing");
    }
    conn_unref(n);
}

static void on_send_deferred(void *ctx)
{
    struct grpc_conn *n = ctx;

    n->send_deferred = false;
    conn_flush(n);
    conn_unref(n);
}

static void conn_send_later(struct grpc_conn *n)
{
    if (n->dead || n->send_deferred)
        return;
    n->send_deferred = true;
    n->refs++;
    loop_defer(n->channel->loop, on_send_deferred, n);
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *out, size_t room,
                       uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    struct grpc_call *call = nghttp2_session_get_stream_user_data(session, id);
    size_t n;

    if (!call) { /* cancelled: the reset is on its way */
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        return 0;
    }
    n = MIN(room, call->out.n - call->out_at);
    if (!n && !call->out_ended) {
        call->starved = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n)
        memcpy(out, call->out.p + call->out_at, n);
    call->out_at += n;
    if (call->out_at == call->out.n) {
        buf_fini(&call->out);
        call->out_at = 0;
        if (call->out_ended)
            *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)n;
}

/* ---- what comes back ---- */

/* Ends a call from our side while the server may still be working on it. */
static void call_abort(struct grpc_call *call, int status, str message)
{
    struct grpc_conn *n = call->conn;

    if (n && call->id && !n->dead) {
        nghttp2_submit_rst_stream(n->session, NGHTTP2_FLAG_NONE, call->id, NGHTTP2_CANCEL);
        conn_send_later(n);
    }
    call_finish(call, status, message);
}

static void call_message(struct grpc_call *call, str message)
{
    if (!call->is_unary) {
        call->events.message(call->ctx, message);
        return;
    }
    buf_clear(&call->response);
    buf_str(&call->response, message);
    call->has_response = true;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p,
                         size_t n, void *ctx)
{
    struct grpc_call *call = nghttp2_session_get_stream_user_data(session, id);
    struct buf in;
    size_t at = 0;

    if (!call || call->http_status != 200)
        return 0;
    buf_add(&call->in, p, n);
    in = call->in; /* the call may be gone after any message: look it up again */
    call->in = BUF_INIT;
    while (call && in.n - at >= 5) {
        const unsigned char *head = (const unsigned char *)in.p + at;
        uint32_t length =
            (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 | head[4];

        if (head[0] || length > GRPC_MESSAGE_MAX) {
            CLEANUP(buf) struct buf why = BUF_INIT;

            if (head[0])
                buf_z(&why, "grpc: compressed message without a compression asked for");
            else
                buf_fmt(&why, "grpc: received message larger than max (%u vs. %u)", length,
                        GRPC_MESSAGE_MAX);
            call_abort(call, head[0] ? GRPC_INTERNAL : GRPC_RESOURCE_EXHAUSTED, buf_view(&why));
            call = NULL;
            break;
        }
        if (in.n - at - 5 < length) {
            buf_reserve(&in, length - (in.n - at - 5));
            break;
        }
        call_message(call, (str){in.p + at + 5, length});
        at += 5 + length;
        call = nghttp2_session_get_stream_user_data(session, id);
    }
    if (call && at < in.n) {
        buf_drop(&in, at);
        call->in = in;
    } else {
        buf_fini(&in);
    }
    return 0;
}

/* grpc-message is percent-encoded; what is no escape stays as it is. */
static void message_decode(struct buf *out, str in)
{
    CLEANUP(arena) struct arena *a = arena_new();

    buf_clear(out);
    for (size_t i = 0; i < in.n; i++) {
        str c = str_slice(in, i, i + (in.p[i] == '%' ? 3 : 1));
        str plain;

        if (c.n == 3 && http_percent_decode(a, c, false, &plain)) {
            buf_str(out, plain);
            i += 2;
        } else {
            buf_char(out, in.p[i]);
        }
    }
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name_p,
                     size_t name_n, const uint8_t *value_p, size_t value_n, uint8_t flags,
                     void *ctx)
{
    struct grpc_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    str name = {(const char *)name_p, name_n}, value = {(const char *)value_p, value_n};
    int64_t number;

    if (!call || value.n > GRPC_HEADER_MAX)
        return 0;
    if (str_is(name, ":status") && str_to_int64(value, &number))
        call->http_status = (int)number;
    else if (str_is(name, "grpc-status"))
        call->status = str_to_int64(value, &number) && number >= 0 && number <= INT_MAX
                           ? (int)number
                           : GRPC_UNKNOWN;
    else if (str_is(name, "grpc-message"))
        message_decode(&call->status_message, value);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct grpc_conn *n = ctx;

    /* New calls go to a new connection; those that the server still serves end here. */
    if (frame->hd.type == NGHTTP2_GOAWAY && n->channel->conn == n)
        n->channel->conn = NULL;
    return 0;
}

/* grpc/doc/http-grpc-status-mapping.md */
static int status_of_http(int http)
{
    switch (http) {
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

static int status_of_reset(uint32_t code)
{
    switch (code) {
    case NGHTTP2_REFUSED_STREAM:
        return GRPC_UNAVAILABLE;
    case NGHTTP2_CANCEL:
        return GRPC_CANCELLED;
    case NGHTTP2_ENHANCE_YOUR_CALM:
        return GRPC_RESOURCE_EXHAUSTED;
    case NGHTTP2_INADEQUATE_SECURITY:
        return GRPC_PERMISSION_DENIED;
    default:
        return GRPC_INTERNAL;
    }
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *ctx)
{
    struct grpc_call *call = nghttp2_session_get_stream_user_data(session, id);
    CLEANUP(buf) struct buf why = BUF_INIT;
    int status;

    if (!call)
        return 0;
    if (call->status >= 0) {
        status = call->status;
        buf_str(&why, buf_view(&call->status_message));
    } else if (code != NGHTTP2_NO_ERROR) {
        status = status_of_reset(code);
        buf_fmt(&why, "stream terminated by RST_STREAM with error code: %s",
                nghttp2_http2_strerror(code));
    } else {
        status = status_of_http(call->http_status);
        buf_fmt(&why, "unexpected HTTP status code received from server: %d", call->http_status);
    }
    call_finish(call, status, buf_view(&why));
    return 0;
}

/* A request that nghttp2 had taken and then could not send, since the server has said GOAWAY. */
static int on_frame_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int error,
                             void *ctx)
{
    struct grpc_conn *n = ctx;
    struct grpc_call *call, *next;

    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    LIST_EACH_SAFE(call, next, &n->calls, link)
        if (call->id == frame->hd.stream_id) {
            call_finish(call, GRPC_UNAVAILABLE, str_of(nghttp2_strerror(error)));
            break;
        }
    return 0;
}

/* ---- keep-alive ---- */

/* A peer that has vanished without a word would leave a watch waiting for ever. */
static void on_keepalive(void *ctx)
{
    struct grpc_conn *n = ctx;
    int64_t silent_ns = loop_now(n->channel->loop).ns - n->heard_ns;

    if (list_is_empty(&n->calls)) {
        n->pinged = false;
    } else if (silent_ns < GRPC_KEEPALIVE_NS) {
        n->pinged = false;
        loop_timer_set(n->keepalive, GRPC_KEEPALIVE_NS - silent_ns);
    } else if (!n->pinged) {
        n->pinged = true;
        nghttp2_submit_ping(n->session, NGHTTP2_FLAG_NONE, NULL);
        conn_send_later(n);
        loop_timer_set(n->keepalive, GRPC_KEEPALIVE_ACK_NS);
    } else {
        conn_close(n, GRPC_UNAVAILABLE, "keepalive ping failed to receive ACK within timeout");
    }
}

static void keepalive_begin(struct grpc_conn *n)
{
    if (!n->keepalive || loop_timer_is_set(n->keepalive))
        return;
    n->heard_ns = loop_now(n->channel->loop).ns;
    loop_timer_set(n->keepalive, GRPC_KEEPALIVE_NS);
}

/* ---- connecting ---- */

static void on_stream_data(void *ctx, const char *p, size_t n_data)
{
    struct grpc_conn *n = ctx;
    ssize_t used;

    n->refs++;
    n->heard_ns = loop_now(n->channel->loop).ns;
    n->running = true;
    used = nghttp2_session_mem_recv(n->session, (const uint8_t *)p, n_data);
    n->running = false;
    if (used < 0)
        conn_close(n, GRPC_UNAVAILABLE, "connection error: the server does not speak HTTP/2");
    else
        conn_flush(n);
    conn_unref(n);
}

static void on_stream_end(void *ctx, int error)
{
    CLEANUP(buf) struct buf why = BUF_INIT;

    buf_fmt(&why, "error reading from server: %s", error ? strerror(-error) : "EOF");
    conn_close(ctx, GRPC_UNAVAILABLE, buf_cstr(&why));
}

static const struct stream_events stream_events = {.data = on_stream_data, .end = on_stream_end};

static nghttp2_session *session_new(struct grpc_conn *n)
{
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, GRPC_STREAM_WINDOW},
    };
    nghttp2_session_callbacks *cb;
    nghttp2_session *session;

    BUG_ON(nghttp2_session_callbacks_new(&cb));
    nghttp2_session_callbacks_set_send_callback(cb, on_send);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(cb, on_frame_not_sent);
    BUG_ON(nghttp2_session_client_new(&session, cb, n));
    nghttp2_session_callbacks_del(cb);
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, GRPC_CONNECTION_WINDOW);
    return session;
}

static nghttp2_nv nv_of(str name, str value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name.p, (uint8_t *)(uintptr_t)value.p, name.n,
                        value.n, NGHTTP2_NV_FLAG_NONE};
}

/* Puts a waiting call on the wire. */
static void call_begin(struct grpc_call *call, struct grpc_conn *n)
{
    nghttp2_data_provider provider = {.read_callback = on_read};
    struct grpc_channel *c = call->channel;
    char timeout[32];
    nghttp2_nv nv[8];
    size_t n_nv = 0;
    int32_t id;

    nv[n_nv++] = nv_of(S(":method"), S("POST"));
    nv[n_nv++] = nv_of(S(":scheme"), c->tls ? S("https") : S("http"));
    nv[n_nv++] = nv_of(S(":path"), str_of(call->method));
    nv[n_nv++] = nv_of(S(":authority"), str_of(c->authority));
    nv[n_nv++] = nv_of(S("content-type"), S("application/grpc"));
    nv[n_nv++] = nv_of(S("te"), S("trailers"));
    nv[n_nv++] = nv_of(S("user-agent"), S("grpc-c-k1s"));
    if (call->timeout_ns) { /* at most eight digits: milliseconds last for a day */
        int len = snprintf(timeout, sizeof timeout, "%lldm",
                           (long long)MIN(call->timeout_ns / NS_PER_MS + 1, INT64_C(99999999)));

        nv[n_nv++] = nv_of(S("grpc-timeout"), (str){timeout, (size_t)len});
    }
    id = nghttp2_submit_request(n->session, NULL, nv, n_nv, &provider, call);
    if (id < 0) { /* it takes no more: the call waits on for another connection */
        c->conn = NULL;
        loop_timer_set(c->kick, 0);
        conn_send_later(n);
        return;
    }
    list_del(&call->link);
    call->id = id;
    call->conn = n;
    list_add_tail(&n->calls, &call->link);
    keepalive_begin(n);
    conn_send_later(n);
}

static void waiting_begin(struct grpc_channel *c)
{
    while (c->conn && !list_is_empty(&c->waiting))
        call_begin(LIST_ITEM(c->waiting.next, struct grpc_call, link), c->conn);
}

static void connect_failed(struct grpc_channel *c, const char *why)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    bool is_unix = str_has_prefix(str_of(c->address), S("unix:"));

    /* Go writes errno's texts in lower case. */
    buf_fmt(&text,
            "connection error: desc = \"transport: Error while dialing: dial %s %s: %s%c%s\"",
            is_unix ? "unix" : "tcp", c->address + (is_unix ? 5 : 0),
            c->tls ? "" : "connect: ", why[0] | 0x20, why + 1);
    mem_free(c->last_error);
    c->last_error = mem_strdup(buf_cstr(&text));
    c->backoff_ns =
        c->backoff_ns ? MIN(c->backoff_ns * 2, GRPC_BACKOFF_MAX_NS) : GRPC_BACKOFF_MIN_NS;
    c->blocked_until_ns = loop_now(c->loop).ns + c->backoff_ns;
    calls_finish(&c->waiting, GRPC_UNAVAILABLE, buf_view(&text));
}

static void connected(struct grpc_channel *c, struct stream *stream)
{
    struct grpc_conn *n = NEW(struct grpc_conn);

    n->channel = c;
    c->refs++;
    n->refs = 1;
    n->stream = stream;
    list_init(&n->calls);
    list_add_tail(&c->conns, &n->link);
    n->session = session_new(n);
    if (!str_has_prefix(str_of(c->address), S("unix:")))
        n->keepalive = loop_timer_new(c->loop, on_keepalive, n);
    c->conn = n;
    c->backoff_ns = 0;
    mem_free(TAKE(c->last_error));
    stream_start(stream, &stream_events, n);
    conn_send_later(n);
    waiting_begin(c);
}

static void on_tls_ready(void *ctx, int error, const char *why, struct stream *stream,
                         const struct tls_peer *peer)
{
    struct grpc_channel *c = ctx;

    c->handshake = NULL;
    if (error)
        connect_failed(c, why);
    else
        connected(c, stream);
    channel_unref(c);
}

static void on_connected(void *ctx, int error, struct stream *stream)
{
    struct grpc_channel *c = ctx;

    c->connecting = NULL;
    if (c->freed) {
        if (stream)
            stream_close(stream, NULL, NULL);
    } else if (error) {
        connect_failed(c, strerror(-error));
    } else if (c->tls) {
        str address = str_of(c->authority);
        ptrdiff_t colon = str_rindex(address, ':');

        c->handshake = tls_connect(c->tls, c->loop, stream,
                                   colon < 0 ? address : str_slice(address, 0, (size_t)colon), 0,
                                   on_tls_ready, c);
        return; /* keeps the reference */
    } else {
        connected(c, stream);
    }
    channel_unref(c);
}

static void on_kick(void *ctx)
{
    struct grpc_channel *c = ctx;

    if (c->conn) {
        waiting_begin(c);
        return;
    }
    if (c->connecting || c->handshake || list_is_empty(&c->waiting))
        return;
    if (c->last_error && loop_now(c->loop).ns < c->blocked_until_ns) {
        CLEANUP(buf) struct buf why = BUF_INIT;

        buf_z(&why, c->last_error);
        calls_finish(&c->waiting, GRPC_UNAVAILABLE, buf_view(&why));
        return;
    }
    c->refs++;
    c->connecting = stream_connect(c->loop, str_of(c->address), GRPC_CONNECT_NS, on_connected, c);
}

/* ---- the public functions ---- */

struct grpc_channel *grpc_channel_new(struct loop *loop, str address, const struct tls_client *tls)
{
    struct grpc_channel *c = NEW(struct grpc_channel);

    BUG_ON(!loop_is_mine(loop));
    c->loop = loop;
    c->address = str_dupz(address);
    c->authority =
        str_has_prefix(address, S("unix:")) ? mem_strdup("localhost") : str_dupz(address);
    c->tls = tls;
    c->refs = 1;
    list_init(&c->waiting);
    list_init(&c->conns);
    c->kick = loop_timer_new(loop, on_kick, c);
    return c;
}

void grpc_channel_free(struct grpc_channel *c)
{
    if (!c)
        return;
    BUG_ON(!loop_is_mine(c->loop) || c->freed);
    c->freed = true;
    loop_timer_free(TAKE(c->kick));
    if (c->connecting)
        connecting_cancel(c->connecting);
    if (c->handshake) {
        tls_cancel(TAKE(c->handshake));
        channel_unref(c);
    }
    calls_finish(&c->waiting, GRPC_CANCELLED, S("the channel was closed"));
    while (!list_is_empty(&c->conns))
        conn_close(LIST_ITEM(c->conns.next, struct grpc_conn, link), GRPC_CANCELLED,
                   "the channel was closed");
    channel_unref(c);
}

static void on_call_timer(void *ctx)
{
    struct grpc_call *call = ctx;

    if (call->cancelled)
        call_abort(call, GRPC_CANCELLED, S("context canceled"));
    else
        call_abort(call, GRPC_DEADLINE_EXCEEDED, S("context deadline exceeded"));
}

static struct grpc_call *call_new(struct grpc_channel *c, str method, int64_t timeout_ns, void *ctx)
{
    struct grpc_call *call = NEW(struct grpc_call);

    BUG_ON(!loop_is_mine(c->loop) || c->freed);
    call->channel = c;
    call->method = str_dupz(method);
    call->timeout_ns = timeout_ns;
    call->status = -1;
    call->ctx = ctx;
    if (timeout_ns) {
        call->timer = loop_timer_new(c->loop, on_call_timer, call);
        loop_timer_set(call->timer, timeout_ns);
    }
    list_add_tail(&c->waiting, &call->link);
    return call;
}

static void call_start(struct grpc_call *call)
{
    if (call->channel->conn)
        call_begin(call, call->channel->conn);
    else if (!loop_timer_is_set(call->channel->kick))
        loop_timer_set(call->channel->kick, 0);
}

static void message_add(struct buf *out, str message)
{
    unsigned char head[5] = {0, (unsigned char)(message.n >> 24), (unsigned char)(message.n >> 16),
                             (unsigned char)(message.n >> 8), (unsigned char)message.n};

    BUG_ON(message.n > UINT32_MAX);
    buf_reserve(out, message.n + sizeof head);
    buf_add(out, head, sizeof head);
    buf_str(out, message);
}

struct grpc_call *grpc_unary(struct grpc_channel *c, str method, str request, int64_t timeout_ns,
                             grpc_done_fn *done, void *ctx)
{
    struct grpc_call *call = call_new(c, method, timeout_ns, ctx);

    call->is_unary = true;
    call->unary_done = done;
    message_add(&call->out, request);
    call->out_ended = true;
    call_start(call);
    return call;
}

struct grpc_call *grpc_server_stream(struct grpc_channel *c, str method, str request,
                                     const struct grpc_stream_events *ev, void *ctx)
{
    struct grpc_call *call = call_new(c, method, 0, ctx);

    call->events = *ev;
    message_add(&call->out, request);
    call->out_ended = true;
    call_start(call);
    return call;
}

struct grpc_call *grpc_bidi_stream(struct grpc_channel *c, str method,
                                   const struct grpc_stream_events *ev, void *ctx)
{
    struct grpc_call *call = call_new(c, method, 0, ctx);

    call->events = *ev;
    call_start(call);
    return call;
}

void grpc_send(struct grpc_call *call, str message)
{
    BUG_ON(call->out_ended);
    message_add(&call->out, message);
    if (!call->conn)
        return;
    if (call->starved) {
        call->starved = false;
        nghttp2_session_resume_data(call->conn->session, call->id);
    }
    conn_send_later(call->conn);
}

void grpc_cancel(struct grpc_call *call)
{
    call->cancelled = true;
    if (!call->timer)
        call->timer = loop_timer_new(call->channel->loop, on_call_timer, call);
    loop_timer_set(call->timer, 0);
}
