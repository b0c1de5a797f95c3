/* http1_server.c - HTTP/1.1 on one connection: requests in, answers out, in order.
 *
 * Invariants
 *   (1) One exchange at a time: the next request is looked at when the one before has ended, so
 *       pipelined answers are in order without further ado. What came early waits in `in`,
 *       bounded by HTTP_PIPELINE_MAX.
 *   (2) A request is parsed where it arrived and copied once, into its arena.
 *   (3) Answers given while input is processed leave together at its end; others at the end of
 *       their turn.
 *   (4) After a malformed request nothing on the connection can be trusted: it is answered and
 *       the connection ends. */
#include "wire/http_internal.h"
#include "loop/stream.h"
#include "wire/websocket.h"

#define COPY_BELOW                                                                                 \
    ((size_t)16 << 10) /* bytes; larger pieces go to the stream without being joined to others */
#define HEAD_ROOM 512  /* bytes that an answer's head usually fits */
#define BODY_AT_ONCE                                                                               \
    ((size_t)16 << 10) /* bytes; for a longer body memory is taken as it comes, not as announced */

enum http1_phase { PHASE_BODY_LENGTH, PHASE_BODY_CHUNKED, PHASE_ANSWER, PHASE_MESSAGES };

struct http1_exchange {
    struct http_exchange ex;
    struct http_conn *c;
    enum http1_phase phase;
    int minor;
    bool is_head, keep_alive;
    bool dispatched;             /* the handler has it */
    bool no_body, chunked, full; /* of the answer; full: queued() passed HTTP_QUEUE_HIGH / 2 */
    unsigned opcode;             /* of the messages that the answer is made of; 0: it is a body */
    size_t body_left;
    char *body_at; /* where the next byte of a short body of known length goes */
    struct http1_chunked chunks;
    struct buf body; /* of the others; in PHASE_MESSAGES: a message that is not whole yet */
};

static const struct http_exchange_ops http1_ops;

static struct http1_exchange *of(struct http_exchange *ex)
{
    return CONTAINER_OF(ex, struct http1_exchange, ex);
}

static void exchange_free(struct http1_exchange *x)
{
    struct http_conn *c = x->c;
    struct arena *arena = x->ex.arena;

    if (!c->h1.clogged) /* then it is the answer's, which has outlived its exchange */
        http_load_end(&c->h1.load);
    buf_fini(&x->body);
    http_arena_put(c->server, arena);
    http_conn_unref(c);
}

/* ---- answers ---- */

static bool has_header(const struct http_header *headers, size_t n, str name)
{
    for (size_t i = 0; i < n; i++)
        if (headers[i].name.n == name.n && str_eq_nocase(headers[i].name, name))
            return true;
    return false;
}

static void start(struct http_exchange *ex, int status, const struct http_header *headers, size_t n,
                  bool has_body)
{
    struct http1_exchange *x = of(ex);
    struct http_conn *c = x->c;
    bool has_length, must_not;

    if (ex->gone || c->dead)
        return;
    must_not = status == 204 || status == 304 || status < 200;
    has_length = has_header(headers, n, S("Content-Length"));
    x->no_body = must_not || x->is_head || !has_body;
    x->chunked = has_body && !must_not && !has_length && x->minor >= 1;
    if (has_body && !must_not && !has_length && !x->chunked && !x->is_head)
        x->keep_alive = false; /* HTTP/1.0: the end of the connection is the end of the body */
    if (has_header(headers, n, S("Connection")))
        for (size_t i = 0; i < n; i++)
            if (str_eq_nocase(headers[i].name, S("Connection")) &&
                str_eq_nocase(headers[i].value, S("close")))
                x->keep_alive = false;
    http_conn_reserve(c, HEAD_ROOM);
    buf_str(&c->out, S("HTTP/1.1 "));
    buf_int(&c->out, status);
    buf_char(&c->out, ' ');
    buf_z(&c->out, http_status_text(status));
    buf_str(&c->out, S("\r\n"));
    for (size_t i = 0; i < n; i++) {
        buf_str(&c->out, headers[i].name);
        buf_str(&c->out, S(": "));
        buf_str(&c->out, headers[i].value);
        buf_str(&c->out, S("\r\n"));
    }
    if (status != 101) {
        if (!has_header(headers, n, S("Date"))) {
            buf_str(&c->out, S("Date: "));
            buf_str(&c->out, http_date(c->server));
            buf_str(&c->out, S("\r\n"));
        }
        if (x->chunked)
            buf_str(&c->out, S("Transfer-Encoding: chunked\r\n"));
        if (!x->keep_alive && x->minor >= 1 && !has_header(headers, n, S("Connection")))
            buf_str(&c->out, S("Connection: close\r\n"));
        else if (x->keep_alive && x->minor == 0)
            buf_str(&c->out, S("Connection: keep-alive\r\n"));
    }
    buf_str(&c->out, S("\r\n"));
    if (!c->h1.processing)
        http_conn_flush_later(c);
}

static void body_write(struct http1_exchange *x, str data, const struct bytes *shared)
{
    struct http_conn *c = x->c;

    if (x->ex.gone || c->dead || x->no_body)
        return;
    if (shared && data.n < COPY_BELOW && !c->h1.processing && !x->opcode) {
        http_conn_hold(c, shared, x->chunked);
        if (http_conn_queued(c) >= HTTP_QUEUE_HIGH / 2)
            x->full = true;
        return;
    }
    http_conn_reserve(c, data.n < COPY_BELOW ? data.n + 32 : 32);
    if (x->chunked)
        http_chunk_head(&c->out, data.n);
    else if (x->opcode)
        websocket_head(&c->out, x->opcode, data.n);
    if (data.n < COPY_BELOW) {
        buf_str(&c->out, data);
    } else {
        http_conn_flush(c);
        if (shared)
            stream_write_bytes(c->stream, shared, NULL, NULL);
        else
            stream_write(c->stream, data, NULL, NULL);
        http_conn_flush(c); /* watches the queue */
        http_conn_reserve(c, 32);
    }
    if (x->chunked)
        buf_str(&c->out, S("\r\n"));
    if (http_conn_queued(c) >= HTTP_QUEUE_HIGH / 2)
        x->full = true;
    if (!c->h1.processing || x->full)
        http_conn_flush_later(c);
}

static void write_str(struct http_exchange *ex, str data)
{
    body_write(of(ex), data, NULL);
}

static void write_shared(struct http_exchange *ex, const struct bytes *b)
{
    body_write(of(ex), bytes_str(b), b);
}

static size_t queued(const struct http_exchange *ex)
{
    const struct http1_exchange *x = CONTAINER_OF(ex, const struct http1_exchange, ex);

    return ex->gone || x->c->dead ? 0 : http_conn_queued(x->c);
}

static void process(struct http_conn *c, const char *p, size_t n);

static void on_resume(void *ctx)
{
    struct http_conn *c = ctx;

    c->h1.resume_deferred = false;
    if (!c->dead && !c->lingering && !c->h1.clogged) {
        if (!c->stream->reading && !c->stream->ended)
            stream_start(c->stream, c->stream->ev, c->stream->ctx);
        process(c, NULL, 0);
    }
    http_conn_unref(c);
}

/* Who does not read his answers asks for no further ones: they would be kept for him. */
static bool is_clogged(struct http_conn *c)
{
    struct http1_conn *h = &c->h1;

    if (c->out.n >= HTTP_QUEUE_HIGH / 4 || c->held)
        http_conn_flush(c);
    if (!c->write_watched)
        return false;
    if (!h->clogged) {
        h->clogged = true;
        c->undrained = http_conn_queued(c);
        http_conn_wait(c, HTTP_WAIT_NONE);
        http_load_unread(&h->load, c, c->undrained);
    }
    return true;
}

static void resume_later(struct http_conn *c)
{
    if (c->h1.resume_deferred)
        return;
    c->h1.resume_deferred = true;
    c->refs++;
    loop_defer(c->server->loop, on_resume, c);
}

/* The connection is free for its next request, which may be there already. */
static void next_request(struct http_conn *c)
{
    if (c->h1.processing || is_clogged(c) || c->dead)
        return; /* its loop goes on by itself, or when the peer has read */
    http_conn_wait(c, HTTP_WAIT_IDLE);
    http_conn_flush_later(c);
    if (c->h1.in.n || !c->stream->reading)
        resume_later(c);
}

static void end(struct http_exchange *ex)
{
    struct http1_exchange *x = of(ex);
    struct http_conn *c = x->c;

    if (!ex->gone && !c->dead) {
        if (ex->broken) {
            x->keep_alive = false;
        } else if (x->chunked && !x->no_body) {
            http_conn_reserve(c, 8);
            buf_str(&c->out, S("0\r\n\r\n"));
        } else if (x->opcode) {
            http_conn_reserve(c, 8);
            websocket_goodbye(&c->out);
        }
        c->h1.ex = NULL;
        http_load_end(&c->h1.load);
        if (!x->keep_alive || c->server->closing)
            http_conn_finish(c);
        else
            next_request(c);
    }
    exchange_free(x);
}

static struct stream *upgrade(struct http_exchange *ex)
{
    struct http1_exchange *x = of(ex);
    struct http_conn *c = x->c;
    struct buf first = c->h1.in;
    struct stream *s;

    http_conn_flush(c);
    http_load_end(&c->h1.load);
    s = TAKE(c->stream);
    stream_pause(s);
    c->h1.in = BUF_INIT;
    buf_add(&first, c->h1.now, c->h1.now_n);
    c->h1.now_n = 0;
    c->h1.ex = NULL;
    c->dead = true; /* for us: the stream lives on */
    http_conn_wait(c, HTTP_WAIT_NONE);
    s = http_prefixed_stream(s, &first);
    exchange_free(x);
    http_conn_unref(c);
    return s;
}

static void messages(struct http_exchange *ex, unsigned opcode)
{
    struct http1_exchange *x = of(ex);

    x->opcode = opcode;
    x->phase = PHASE_MESSAGES;
    x->no_body = false;
    x->keep_alive = false;
    if (x->c->h1.in.n && !x->c->h1.processing)
        resume_later(x->c);
}

static const struct http_exchange_ops http1_ops = {
    .start = start,
    .write = write_str,
    .write_bytes = write_shared,
    .queued = queued,
    .end = end,
    .upgrade = upgrade,
    .messages = messages,
};

/* ---- requests ---- */

/* Answers what never became an exchange, as Go does, and ends the connection. */
static void refuse(struct http_conn *c, int status, const char *text)
{
    const char *reason = http_status_text(status);

    http_load_end(&c->h1.load);
    http_conn_reserve(c, HEAD_ROOM);
    if (status == 501 && text) /* Go leaves the reason out of this one */
        buf_fmt(&c->out,
                "HTTP/1.1 501 Not Implemented\r\nContent-Type: text/plain; "
                "charset=utf-8\r\nConnection: close\r\n\r\n%s",
                text);
    else
        buf_fmt(&c->out,
                "HTTP/1.1 %d %s%s%s\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: "
                "close\r\n\r\n%d %s%s%s",
                status, reason, text ? ": " : "", text ? text : "", status, reason,
                text ? ": " : "", text ? text : "");
    http_conn_finish(c);
}

static void refuse_too_large(struct http1_exchange *x)
{
    struct http_conn *c = x->c;

    x->keep_alive = false;
    x->dispatched = true;
    x->phase = PHASE_ANSWER;
    http_reply_too_large(&x->ex, c->server);
}

static void http1_refuse(struct http_load *l, bool late)
{
    struct http_conn *c = CONTAINER_OF(l, struct http_conn, h1.load);
    struct http1_exchange *x = c->h1.ex;

    if (c->h1.clogged) {
        if (!late || http_conn_queued(c) >= c->undrained) {
            http_conn_close(c);
        } else { /* slowly, but he reads */
            c->undrained = http_conn_queued(c);
            http_load_unread(l, c, c->undrained);
        }
        return;
    }
    if (!x) { /* a head */
        if (!c->h1.processing)
            buf_fini(&c->h1.in);
        refuse(c, late ? 408 : 503, NULL);
        return;
    }
    x->keep_alive = false;
    x->dispatched = true;
    x->phase = PHASE_ANSWER;
    http_reply_refused(&x->ex, c->server, late);
}

static void dispatch(struct http1_exchange *x)
{
    struct http_conn *c = x->c;

    x->phase = PHASE_ANSWER;
    x->dispatched = true;
    http_load_run(&c->h1.load);
    c->server->fn(c->server->ctx, &x->ex);
}

static void send_continue(struct http_conn *c)
{
    http_conn_reserve(c, HEAD_ROOM);
    buf_str(&c->out, S("HTTP/1.1 100 Continue\r\n\r\n"));
}

/* A head is there: makes the exchange and decides how its body comes. */
static void begin(struct http_conn *c, str head_bytes)
{
    struct arena *arena = http_arena_get(c->server);
    struct http1_exchange *x = ARENA_NEW(arena, struct http1_exchange);
    struct http_load *load = &c->h1.load;
    size_t loaded = load->c ? load->n : 0;
    struct http1_problem problem;
    struct http1_head head;
    struct http_request *r = &x->ex.req;

    problem = http1_parse_request(arena, arena_dup(arena, head_bytes), &head);
    if (problem.status) {
        http_arena_put(c->server, arena);
        refuse(c, problem.status, problem.text);
        return;
    }
    x->ex.ops = &http1_ops;
    x->ex.arena = arena;
    x->c = c;
    x->minor = head.minor;
    x->keep_alive = head.keep_alive;
    x->is_head = str_is(head.method, "HEAD");
    *r = (struct http_request){
        .method = head.method,
        .target = head.target,
        .path = head.path,
        .query = head.query,
        .headers = head.headers,
        .n_headers = head.n_headers,
        .body = S(""),
        .version = 11,
        .peer = c->peer,
        /* "Upgrade: h2c" may be ignored, and is: such a client goes on with HTTP/1.1. */
        .is_upgrade = head.minor >= 1 && head.connection_upgrade && head.upgrade.n &&
                      !str_eq_nocase(head.upgrade, S("h2c")) &&
                      !c->write_watched, /* megabytes of earlier answers are still on their way */
    };
    c->refs++;
    c->h1.ex = x;
    http_conn_wait(c, HTTP_WAIT_NONE); /* from here on it is the load's time that counts */
    if (head.chunked || head.content_length > 0 || head_bytes.n > HTTP_SMALL) {
        http_load_begin(load, c);
        if (head_bytes.n > loaded && !http_load_more(load, head_bytes.n - loaded))
            return;
    }
    if (head.chunked) {
        x->phase = PHASE_BODY_CHUNKED;
        x->body.limit = c->server->o.body_limit;
    } else if (head.content_length > 0) {
        if ((uint64_t)head.content_length > c->server->o.body_limit) {
            refuse_too_large(x);
            return;
        }
        x->phase = PHASE_BODY_LENGTH;
        x->body_left = (size_t)head.content_length;
        if (x->body_left <= BODY_AT_ONCE) {
            r->body = (str){x->body_at = arena_alloc(arena, x->body_left + 1), x->body_left};
            x->body_at[x->body_left] = '\0';
        } else {
            x->body.limit = x->body_left;
        }
    } else {
        dispatch(x);
        return;
    }
    if (head.expect_continue)
        send_continue(c);
}

static void take_known_body(struct http1_exchange *x)
{
    struct http1_conn *h = &x->c->h1;
    size_t n = MIN(h->now_n, x->body_left);

    if (!http_load_more(&h->load, n))
        return;
    if (x->body_at) {
        memcpy(x->body_at, h->now, n);
        x->body_at += n;
    } else {
        buf_add(&x->body, h->now, n);
    }
    x->body_left -= n;
    h->now += n;
    h->now_n -= n;
    if (x->body_left)
        return;
    if (!x->body_at)
        x->ex.req.body = buf_view(&x->body);
    dispatch(x);
}

static void take_chunked_body(struct http1_exchange *x)
{
    struct http1_conn *h = &x->c->h1;
    str data;

    for (;;) {
        switch (http1_chunk_next(&x->chunks, &h->now, &h->now_n, &data)) {
        case HTTP1_CHUNK_DATA:
            if (!http_load_more(&h->load, data.n))
                return;
            buf_str(&x->body, data);
            if (x->body.overflow) {
                refuse_too_large(x);
                return;
            }
            break;
        case HTTP1_CHUNK_MORE:
            return;
        case HTTP1_CHUNK_BAD:
            x->c->h1.ex = NULL;
            refuse(x->c, 400, NULL);
            exchange_free(x);
            return;
        case HTTP1_CHUNK_END:
            x->ex.req.body = buf_view(&x->body);
            dispatch(x);
            return;
        }
    }
}

/* What a reader of messages sends: nothing of it is for us but pings and his leave. */
static void take_messages(struct http1_exchange *x)
{
    struct http_conn *c = x->c;
    struct http1_conn *h = &c->h1;
    struct websocket_frame f;
    int r;

    buf_add(&x->body, h->now, h->now_n);
    h->now_n = 0;
    while ((r = websocket_take(&x->body, true, &f)) > 0) {
        if (f.opcode == WEBSOCKET_CLOSE)
            break;
        if (f.opcode == WEBSOCKET_PING && http_conn_queued(c) < HTTP_QUEUE_HIGH) {
            http_conn_reserve(c, f.payload.n + 16);
            websocket_frame(&c->out, WEBSOCKET_PONG, f.payload, NULL);
        }
        buf_drop(&x->body, f.size);
    }
    if (r || x->body.n > HTTP_PIPELINE_MAX)
        http_conn_close(c);
}

/* Looks for a request in what is there; false: there is none yet. */
static bool take_head(struct http_conn *c)
{
    struct http1_conn *h = &c->h1;
    str head;

    /* RFC 9112, 2.2: empty lines before a request are tolerated. */
    while (h->now_n && h->scanned == 0 && (h->now[0] == '\r' || h->now[0] == '\n')) {
        h->now++;
        h->now_n--;
    }
    if (!h->now_n)
        return false;
    head = (str){h->now, http1_head_length(h->now, h->now_n, &h->scanned)};
    if (MAX(head.n, head.n ? 0 : h->now_n) > c->server->o.head_limit) {
        refuse(c, 431, NULL);
        return false;
    }
    if (!head.n) {
        if (c->wait == HTTP_WAIT_IDLE || c->wait == HTTP_WAIT_NONE)
            http_conn_wait(c, HTTP_WAIT_HEAD);
        http_load_begin(&h->load, c);
        http_load_more(&h->load, h->now_n - h->load.n);
        return false;
    }
    h->now += head.n;
    h->now_n -= head.n;
    h->scanned = 0;
    begin(c, head);
    return true;
}

/* Goes on with what waits in `in` and then with (p, n). */
static void process(struct http_conn *c, const char *p, size_t n)
{
    struct http1_conn *h = &c->h1;
    struct buf old = BUF_INIT;
    struct http1_exchange *x;

    if (h->in.n) {
        buf_add(&h->in, p, n);
        old = h->in;
        h->in = BUF_INIT;
        p = old.p;
        n = old.n;
    }
    h->now = p;
    h->now_n = n;
    h->processing = true;
    while (!c->dead && !c->lingering) {
        x = h->ex;
        if (!x) {
            if (is_clogged(c) || c->dead || !take_head(c))
                break;
        } else if (x->phase == PHASE_ANSWER || !h->now_n) {
            break;
        } else if (x->phase == PHASE_MESSAGES) {
            take_messages(x);
        } else if (x->phase == PHASE_BODY_LENGTH) {
            take_known_body(x);
        } else {
            take_chunked_body(x);
        }
    }
    h->processing = false;
    if (!c->dead && !c->lingering) {
        x = h->ex;
        if (!x && !h->now_n && c->wait != HTTP_WAIT_IDLE && !h->clogged)
            http_conn_wait(c, HTTP_WAIT_IDLE);
        if (h->now_n && h->now == old.p && h->now_n == old.n) {
            h->in = old;
            old = BUF_INIT;
        } else {
            buf_add(&h->in, h->now, h->now_n);
        }
        if ((h->clogged || (x && x->phase == PHASE_ANSWER)) && h->in.n > HTTP_PIPELINE_MAX)
            stream_pause(c->stream);
        http_conn_flush(c);
    }
    h->now_n = 0;
    buf_fini(&old);
}

static void http1_data(struct http_conn *c, const char *p, size_t n)
{
    process(c, p, n);
}

static void http1_gone(struct http_conn *c)
{
    struct http1_exchange *x = TAKE(c->h1.ex);

    if (!x || !x->dispatched)
        http_load_end(&c->h1.load);
    if (!x)
        return;
    x->ex.gone = true;
    if (!x->dispatched)
        exchange_free(x);
    else if (x->ex.on_gone)
        x->ex.on_gone(x->ex.user, &x->ex);
}

static void http1_written(struct http_conn *c)
{
    struct http1_exchange *x = c->h1.ex;

    if (c->h1.clogged) {
        if (c->write_watched)
            return;
        c->h1.clogged = false;
        http_load_end(&c->h1.load);
        http_conn_wait(c, HTTP_WAIT_IDLE);
        resume_later(c);
        return;
    }
    if (http_conn_queued(c) >= HTTP_QUEUE_HIGH / 2 || !x || !x->full)
        return;
    x->full = false;
    if (x->ex.on_drain)
        x->ex.on_drain(x->ex.user, &x->ex);
}

const struct http_protocol http1_protocol = {
    .data = http1_data,
    .gone = http1_gone,
    .written = http1_written,
    .refuse = http1_refuse,
};
