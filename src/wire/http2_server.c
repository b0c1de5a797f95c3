/* http2_server.c - HTTP/2 on one connection, on nghttp2: every stream an exchange.
 *
 * Invariants
 *   (1) nghttp2 is asked to send at the end of the input that caused it, or once at the end of
 *       the turn; never from within an exchange's functions, which may run inside nghttp2's
 *       callbacks.
 *   (2) What handlers write waits in its exchange's queue and is framed when flow control and
 *       the socket have room; shared bytes wait as references.
 *   (3) An exchange is in `exchanges` until its stream is closed or its handler has ended it
 *       after the peer went, whichever is later; the handler hears on_gone at most once.
 *
 * Not here: who is talking, deadlines, the socket (http_server.c). Source: RFC 9113; limits as
 * kube-apiserver's. */
#include "wire/http_internal.h"
#include <nghttp2/nghttp2.h>

#define HTTP2_STREAMS_MAX 100
#define HTTP2_STREAM_COST ((size_t)4 << 10) /* bytes that a stream costs before it holds anything */
#define HTTP2_CONTINUATIONS_MAX 80 /* frames of 16 KiB: a head of the greatest length fits */
#define HTTP2_FRAMES_MAX                                                                           \
    2000 /* that wait to be sent: who causes more than he reads is left alone */
#define HTTP2_STREAM_WINDOW ((size_t)256 << 10)
#define HTTP2_CONNECTION_WINDOW ((size_t)4 << 20)
#define HTTP2_COPY_BELOW                                                                           \
    ((size_t)4 << 10) /* bytes; smaller pieces are joined rather than referred to */
#define HTTP2_SEND_HIGH (HTTP_QUEUE_HIGH / 2)

struct http2_conn {
    nghttp2_session *session;
    struct list exchanges;
    size_t n_running; /* that handlers have */
    bool receiving, send_deferred;
};

struct http2_segment {
    struct list link;
    const struct bytes *shared; /* or else `own` */
    struct buf own;
    size_t at;
};

struct http2_exchange {
    struct http_exchange ex;
    struct http_conn *c;
    struct list link;
    int32_t id;
    size_t headers_cap, head_n;
    str authority;
    struct buf body;
    struct http_load load;
    size_t unread; /* bytes that were queued when its load began to be that of its answer */
    int64_t content_length;
    struct list queue; /* of struct http2_segment */
    size_t queued;
    bool dispatched, is_head, expect_continue;
    bool complete;                         /* the handler has ended it */
    bool no_body, starved, full, too_long; /* the head is */
    bool stream_closed;
};

static struct http2_exchange *of(struct http_exchange *ex)
{
    return CONTAINER_OF(ex, struct http2_exchange, ex);
}

static void segment_free(struct http2_segment *g)
{
    list_del(&g->link);
    bytes_unref(g->shared);
    buf_fini(&g->own);
    mem_free(g);
}

static void queue_drop(struct http2_exchange *x)
{
    while (!list_is_empty(&x->queue))
        segment_free(LIST_ITEM(x->queue.next, struct http2_segment, link));
    x->queued = 0;
}

static void exchange_free(struct http2_exchange *x)
{
    struct http_conn *c = x->c;

    queue_drop(x);
    list_del(&x->link);
    http_load_end(&x->load);
    buf_fini(&x->body);
    http_arena_put(c->server, x->ex.arena);
    http_conn_unref(c);
}

/* The stream is closed or the connection going: nothing more is sent on it. */
static void exchange_gone(struct http2_exchange *x)
{
    list_del(&x->link);
    queue_drop(x);
    if (x->dispatched && !x->complete) {
        x->ex.gone = true;
        if (x->ex.on_gone)
            x->ex.on_gone(x->ex.user, &x->ex);
        return; /* it is the handler's until http_end() */
    }
    exchange_free(x);
}

/* ---- sending ---- */

static void waits_update(struct http_conn *c)
{
    if (c->dead || c->lingering)
        return;
    if (c->h2->n_running || !list_is_empty(&c->h2->exchanges)) /* loads have their own time */
        http_conn_wait(c, HTTP_WAIT_NONE);
    else if (c->wait != HTTP_WAIT_IDLE) /* as in Go, pings do not count */
        http_conn_wait(c, HTTP_WAIT_IDLE);
}

static void send_all(struct http_conn *c)
{
    int error;

    if (c->dead || c->lingering || c->h2->receiving)
        return;
    c->refs++;
    c->h2->receiving = true; /* callbacks of the sending must not send either */
    error = nghttp2_session_send(c->h2->session);
    c->h2->receiving = false;
    if (!c->dead) {
        http_conn_flush(c);
        if (error || (!nghttp2_session_want_read(c->h2->session) &&
                      !nghttp2_session_want_write(c->h2->session)))
            http_conn_finish(c);
        else if (nghttp2_session_get_outbound_queue_size(c->h2->session) > HTTP2_FRAMES_MAX)
            http_conn_close(c);
        waits_update(c);
    }
    http_conn_unref(c);
}

static void on_send_deferred(void *ctx)
{
    struct http_conn *c = ctx;

    c->h2->send_deferred = false;
    send_all(c);
    http_conn_unref(c);
}

static void send_later(struct http_conn *c)
{
    if (c->dead || c->h2->receiving || c->h2->send_deferred)
        return;
    c->h2->send_deferred = true;
    c->refs++;
    loop_defer(c->server->loop, on_send_deferred, c);
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t n, int flags,
                       void *ctx)
{
    struct http_conn *c = ctx;

    if (http_conn_queued(c) >= HTTP2_SEND_HIGH)
        return NGHTTP2_ERR_WOULDBLOCK;
    http_conn_reserve(c, n);
    buf_add(&c->out, data, n);
    if (c->out.n >= HTTP_SPARE_BYTES)
        http_conn_flush(c);
    return (ssize_t)n;
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *out, size_t room,
                       uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    struct http2_exchange *x = source->ptr;
    size_t n = MIN(room, x->queued);

    if (!x->queued && !x->complete) {
        x->starved = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (x->complete && n == x->queued)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                        size_t n, nghttp2_data_source *source, void *ctx)
{
    struct http_conn *c = ctx;
    struct http2_exchange *x = source->ptr;

    if (http_conn_queued(c) >= HTTP2_SEND_HIGH)
        return NGHTTP2_ERR_WOULDBLOCK;
    http_conn_reserve(c, 9 + n);
    buf_add(&c->out, head, 9); /* no padding is ever asked for */
    x->queued -= n;
    while (n) {
        struct http2_segment *g = LIST_ITEM(x->queue.next, struct http2_segment, link);
        str rest = str_skip(g->shared ? bytes_str(g->shared) : buf_view(&g->own), g->at);
        size_t take = MIN(n, rest.n);

        buf_add(&c->out, rest.p, take);
        g->at += take;
        n -= take;
        if (take == rest.n)
            segment_free(g);
    }
    if (c->out.n >= HTTP_SPARE_BYTES)
        http_conn_flush(c);
    if (x->full && x->queued < HTTP_QUEUE_HIGH / 2) {
        x->full = false;
        if (!x->complete && x->ex.on_drain)
            x->ex.on_drain(x->ex.user, &x->ex);
    }
    return 0;
}

/* ---- the exchange ---- */

static bool is_connection_header(str name)
{
    static const str names[] = {STR("Connection"), STR("Transfer-Encoding"), STR("Keep-Alive"),
                                STR("Upgrade"), STR("Proxy-Connection")};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(name, names[i]))
            return true;
    return false;
}

static nghttp2_nv nv_of(str name, str value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name.p, (uint8_t *)(uintptr_t)value.p, name.n,
                        value.n, NGHTTP2_NV_FLAG_NONE};
}

/* HTTP/2 wants names in lower case. */
static str name_lower(struct arena *a, str name)
{
    char *low = arena_dupz(a, name);

    for (size_t i = 0; i < name.n; i++)
        if (low[i] >= 'A' && low[i] <= 'Z')
            low[i] = (char)(low[i] + 'a' - 'A');
    return (str){low, name.n};
}

static void start(struct http_exchange *ex, int status, const struct http_header *headers, size_t n,
                  bool has_body)
{
    struct http2_exchange *x = of(ex);
    nghttp2_data_provider provider = {.source.ptr = x, .read_callback = on_read};
    struct arena *a = ex->arena;
    nghttp2_nv *nv;
    size_t n_nv = 0;
    bool dated = false;

    if (ex->gone || x->c->dead)
        return;
    x->no_body = !has_body || x->is_head || status == 204 || status == 304;
    nv = ARENA_NEW_N(a, nghttp2_nv, n + 2);
    nv[n_nv++] = nv_of(S(":status"), arena_fmt(a, "%d", status));
    for (size_t i = 0; i < n; i++) {
        if (is_connection_header(headers[i].name))
            continue;
        dated |= str_eq_nocase(headers[i].name, S("Date"));
        nv[n_nv++] = nv_of(name_lower(a, headers[i].name), headers[i].value);
    }
    if (!dated)
        nv[n_nv++] = nv_of(S("date"), http_date(x->c->server));
    if (nghttp2_submit_response(x->c->h2->session, x->id, nv, n_nv, x->no_body ? NULL : &provider))
        nghttp2_submit_rst_stream(x->c->h2->session, NGHTTP2_FLAG_NONE, x->id,
                                  NGHTTP2_INTERNAL_ERROR);
    if (ex->last) /* what has come before goes on */
        nghttp2_submit_goaway(x->c->h2->session, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(x->c->h2->session),
                              NGHTTP2_NO_ERROR, NULL, 0);
    send_later(x->c);
}

static void queue_changed(struct http2_exchange *x)
{
    if (x->starved) {
        x->starved = false;
        nghttp2_session_resume_data(x->c->h2->session, x->id);
    }
    if (x->queued >= HTTP_QUEUE_HIGH / 2)
        x->full = true;
    send_later(x->c);
}

static bool can_write(const struct http2_exchange *x)
{
    return !x->ex.gone && !x->c->dead && !x->no_body;
}

static struct http2_segment *segment_add(struct http2_exchange *x)
{
    struct http2_segment *g = NEW(struct http2_segment);

    list_add_tail(&x->queue, &g->link);
    return g;
}

static void write_str(struct http_exchange *ex, str data)
{
    struct http2_exchange *x = of(ex);
    struct http2_segment *last = LIST_ITEM(x->queue.prev, struct http2_segment, link);

    if (!can_write(x))
        return;
    if (list_is_empty(&x->queue) || last->shared || last->own.n >= HTTP2_COPY_BELOW)
        last = segment_add(x);
    buf_str(&last->own, data);
    x->queued += data.n;
    queue_changed(x);
}

static void write_shared(struct http_exchange *ex, const struct bytes *b)
{
    struct http2_exchange *x = of(ex);

    if (!can_write(x))
        return;
    segment_add(x)->shared = bytes_ref(b);
    x->queued += b->n;
    queue_changed(x);
}

static size_t queued(const struct http_exchange *ex)
{
    return CONTAINER_OF(ex, const struct http2_exchange, ex)->queued;
}

/* From here on only the peer can end the stream. Shared pieces cost nothing. */
static void answer_waits(struct http2_exchange *x)
{
    size_t n = HTTP2_STREAM_COST;
    struct http2_segment *g;

    LIST_EACH(g, &x->queue, link)
        n += g->own.n;
    x->unread = x->queued;
    http_load_unread(&x->load, x->c, n);
}

static void end(struct http_exchange *ex)
{
    struct http2_exchange *x = of(ex);
    struct http_conn *c = x->c;

    x->complete = true;
    buf_fini(&x->body); /* the stream may wait for long until the peer takes the answer */
    c->h2->n_running--;
    if (ex->gone || c->dead) {
        c->refs++;
        exchange_free(x);
        waits_update(c);
        http_conn_unref(c);
        return;
    }
    if (ex->broken)
        nghttp2_submit_rst_stream(c->h2->session, NGHTTP2_FLAG_NONE, x->id, NGHTTP2_INTERNAL_ERROR);
    if (ex->broken)
        send_later(c);
    else if (!x->no_body)
        queue_changed(x);
    answer_waits(x);
}

static const struct http_exchange_ops http2_ops = {
    .start = start,
    .write = write_str,
    .write_bytes = write_shared,
    .queued = queued,
    .end = end,
};

/* ---- requests ---- */

static void dispatch(struct http2_exchange *x)
{
    struct http_conn *c = x->c;
    struct http_request *r = &x->ex.req;

    if (x->dispatched)
        return;
    x->dispatched = true;
    http_load_run(&x->load);
    c->h2->n_running++;
    r->body = x->body.n ? buf_view(&x->body) : S("");
    c->server->fn(c->server->ctx, &x->ex);
}

static void refuse_too_large(struct http2_exchange *x)
{
    struct http_conn *c = x->c;

    x->dispatched = true;
    c->h2->n_running++;
    http_reply_too_large(&x->ex, c->server);
}

/* As Go. */
static void refuse_long_head(struct http2_exchange *x)
{
    x->dispatched = true;
    x->c->h2->n_running++;
    http_reply(&x->ex, 431, "text/html; charset=utf-8",
               S("<h1>HTTP Error 431</h1><p>Request Header Field(s) Too Large</p>"));
}

/* A stream that was refused was not looked at, says RFC 9113, 8.7: clients send its request again by themselves. No answer,
 * which might have to wait for the peer. */
static void http2_refuse(struct http_load *l, bool late)
{
    struct http2_exchange *x = CONTAINER_OF(l, struct http2_exchange, load);
    struct http_conn *c = x->c;

    if (x->complete && late && x->queued < x->unread) { /* slowly, but he reads */
        answer_waits(x);
        return;
    }
    x->dispatched = x->complete = true;
    buf_fini(&x->body);
    if (http_conn_queued(c) >= HTTP2_SEND_HIGH) { /* nobody would ever read the frame */
        http_conn_close(c);
        return;
    }
    nghttp2_submit_rst_stream(c->h2->session, NGHTTP2_FLAG_NONE, x->id,
                              late ? NGHTTP2_CANCEL : NGHTTP2_REFUSED_STREAM);
    waits_update(c);
    send_later(c);
}

static struct http2_exchange *exchange_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct http_conn *c = ctx;
    struct http2_exchange *x;
    struct arena *arena;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (c->dead)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    http_conn_wait(c, HTTP_WAIT_NONE);
    arena = http_arena_get(c->server);
    x = ARENA_NEW(arena, struct http2_exchange);
    x->ex.ops = &http2_ops;
    x->ex.arena = arena;
    x->ex.req.method = x->ex.req.target = S("");
    x->ex.req.version = 20;
    x->ex.req.peer = c->peer;
    x->c = c;
    x->id = frame->hd.stream_id;
    x->content_length = -1;
    x->body.limit = c->server->o.body_limit;
    list_init(&x->queue);
    list_add_tail(&c->h2->exchanges, &x->link);
    c->refs++;
    nghttp2_session_set_stream_user_data(session, x->id, x);
    http_load_begin(&x->load, c);
    http_load_more(&x->load, HTTP2_STREAM_COST);
    return 0;
}

static void header_add(struct http2_exchange *x, str name, str value)
{
    struct http_request *r = &x->ex.req;
    struct http_header *headers = (struct http_header *)(uintptr_t)r->headers;

    if (r->n_headers == x->headers_cap) {
        size_t cap = x->headers_cap ? x->headers_cap * 2 : 16;

        headers = arena_grow(x->ex.arena, headers, x->headers_cap * sizeof *headers,
                             cap * sizeof *headers);
        r->headers = headers;
        x->headers_cap = cap;
    }
    headers[r->n_headers++] = (struct http_header){name, value};
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name_p,
                     size_t name_n, const uint8_t *value_p, size_t value_n, uint8_t flags,
                     void *ctx)
{
    struct http2_exchange *x = exchange_of(session, frame->hd.stream_id);
    struct http_conn *c = ctx;
    str name, value;

    if (!x || frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;                                /* trailers */
    x->head_n += name_n + value_n + 32;          /* as RFC 9113, 6.5.2 counts */
    if (x->head_n > c->server->o.head_limit * 4) /* a few bytes may stand for thousands */
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (x->complete || x->too_long)
        return 0;
    x->too_long = x->head_n > c->server->o.head_limit || x->ex.req.n_headers >= HTTP1_HEADERS_MAX;
    if (x->too_long || !http_load_more(&x->load, name_n + value_n + 32))
        return 0;
    name = arena_dup(x->ex.arena, (str){(const char *)name_p, name_n});
    value = arena_dup(x->ex.arena, (str){(const char *)value_p, value_n});
    if (name.n && name.p[0] == ':') {
        if (str_is(name, ":method"))
            x->ex.req.method = value;
        else if (str_is(name, ":path"))
            x->ex.req.target = value;
        else if (str_is(name, ":authority"))
            x->authority = value;
        return 0;
    }
    if (str_is(name, "content-length"))
        str_to_int64(value, &x->content_length); /* nghttp2 has checked its form */
    if (str_is(name, "expect") && str_eq_nocase(value, S("100-continue")))
        x->expect_continue = true;
    header_add(x, name, value);
    return 0;
}

/* The head is complete. */
static void on_head(struct http2_exchange *x, bool ended)
{
    struct http_request *r = &x->ex.req;
    nghttp2_nv go_on = nv_of(S(":status"), S("100"));
    ptrdiff_t at = str_index(r->target, '?');

    if (x->complete)
        return; /* refused */
    if (x->too_long) {
        refuse_long_head(x);
        return;
    }
    r->path = at < 0 ? r->target : str_slice(r->target, 0, (size_t)at);
    r->query = at < 0 ? S("") : str_skip(r->target, (size_t)at + 1);
    if (x->authority.n && !http_header(r, "host").p)
        header_add(x, S("host"), x->authority);
    x->is_head = str_is(r->method, "HEAD");
    if (x->content_length > 0 && (uint64_t)x->content_length > x->c->server->o.body_limit) {
        refuse_too_large(x);
    } else if (ended) {
        dispatch(x);
    } else if (x->expect_continue) {
        nghttp2_submit_headers(x->c->h2->session, NGHTTP2_FLAG_NONE, x->id, NULL, &go_on, 1, NULL);
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct http2_exchange *x;
    bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    x = exchange_of(session, frame->hd.stream_id);
    if (!x)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        on_head(x, ended);
    else if (ended)
        dispatch(x);
    return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p,
                         size_t n, void *ctx)
{
    struct http2_exchange *x = exchange_of(session, id);

    if (!x || x->dispatched)
        return 0; /* the rest of a body that was too large */
    if (!http_load_more(&x->load, n))
        return 0;
    buf_add(&x->body, p, n);
    if (x->body.overflow)
        refuse_too_large(x);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *ctx)
{
    struct http2_exchange *x = exchange_of(session, id);

    if (!x)
        return 0;
    nghttp2_session_set_stream_user_data(session, id, NULL);
    exchange_gone(x);
    return 0;
}

/* An answer that is complete before its request is: the rest of the request is not wanted. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    if ((frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) &&
        !nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id))
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                  NGHTTP2_NO_ERROR);
    return 0;
}

/* ---- the connection ---- */

void http2_begin(struct http_conn *c)
{
    struct http2_conn *h = NEW(struct http2_conn);
    size_t limit = c->server->o.load_limit;
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP2_STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)MIN(limit, HTTP2_STREAM_WINDOW)},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
         (uint32_t)MIN(c->server->o.head_limit, (size_t)INT32_MAX)},
    };
    nghttp2_session_callbacks *cb;
    nghttp2_option *option;

    BUG_ON(nghttp2_session_callbacks_new(&cb) || nghttp2_option_new(&option));
    nghttp2_session_callbacks_set_send_callback(cb, on_send);
    nghttp2_session_callbacks_set_send_data_callback(cb, on_send_data);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_sent);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_continuations(option, HTTP2_CONTINUATIONS_MAX);
    BUG_ON(nghttp2_session_server_new2(&h->session, cb, c, option));
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(cb);
    list_init(&h->exchanges);
    c->h2 = h;
    nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
    nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0,
                                          (int32_t)MIN(limit, HTTP2_CONNECTION_WINDOW));
    send_later(c);
}

static void http2_data(struct http_conn *c, const char *p, size_t n)
{
    ssize_t used;

    c->h2->receiving = true;
    used = nghttp2_session_mem_recv(c->h2->session, (const uint8_t *)p, n);
    c->h2->receiving = false;
    if (c->dead)
        return;
    if (used < 0)
        nghttp2_session_terminate_session(c->h2->session, NGHTTP2_PROTOCOL_ERROR);
    send_all(c);
    if (!c->dead && used < 0)
        http_conn_finish(c);
}

static void http2_gone(struct http_conn *c)
{
    while (!list_is_empty(&c->h2->exchanges)) {
        struct http2_exchange *x = LIST_ITEM(c->h2->exchanges.next, struct http2_exchange, link);

        nghttp2_session_set_stream_user_data(c->h2->session, x->id, NULL);
        exchange_gone(x);
    }
}

static void http2_written(struct http_conn *c)
{
    send_all(c);
}

/* GOAWAY tells a client that sends just now that its request was not looked at. */
static void http2_idle_end(struct http_conn *c)
{
    nghttp2_session_terminate_session(c->h2->session, NGHTTP2_NO_ERROR);
    c->refs++;
    send_all(c);
    http_conn_finish(c);
    http_conn_unref(c);
}

static void http2_fini(struct http_conn *c)
{
    nghttp2_session_del(c->h2->session);
    mem_free(c->h2);
}

const struct http_protocol http2_protocol = {
    .data = http2_data,
    .gone = http2_gone,
    .written = http2_written,
    .fini = http2_fini,
    .idle_end = http2_idle_end,
    .refuse = http2_refuse,
};
