/* http_client.c - calls over HTTP/1.1: connections that are kept and used again, answers as they
 * come.
 *
 * Invariants
 *   (1) A connection serves one call at a time. It is kept only when its answer was complete,
 *       nothing followed it, and both sides agree; while idle it is read, so that an end is seen
 *       before the next call takes it.
 *   (2) A call's done (or upgraded) runs exactly once, never inside http_call() or
 *       http_call_cancel(); afterwards the call is gone. No head or data comes after a
 *       cancellation.
 *   (3) A call is sent again, once, on a new connection only if a kept one ended without a byte
 *       of an answer and the method is idempotent.
 *
 * Not here: redirects and cookies (nobody above wants them), HTTP/2 (grpc.c has its own). */
#include "wire/http_dial.h"
#include "wire/http_internal.h"
#include "loop/stream.h"

#define CLIENT_CONNECT_NS (10 * NS_PER_S)
#define CLIENT_IDLE_NS (90 * NS_PER_S)
#define CLIENT_IDLE_MAX 8

struct client_conn {
    struct list link; /* among the idle */
    struct http_client *client;
    struct stream *stream;  /* NULL: closed or handed over */
    struct http_call *call; /* NULL: idle */
    char *key;
    struct buf in; /* came and could not be used yet */
    size_t scanned;
    bool reused, ended, heard; /* heard: of this call's answer */
    int error;
    unsigned refs;
    int64_t idle_until_ns;
};

enum call_phase { CALL_HEAD, CALL_LENGTH, CALL_CHUNKED, CALL_UNTIL_END };

struct http_client {
    struct loop *loop;
    struct http_client_options o;
    struct list idle; /* longest idle first */
    size_t n_idle;
    struct list calls;
    struct loop_timer *timer; /* for the first of the idle */
    unsigned refs;            /* the owner, every connection */
    bool freed;
};

struct http_call {
    struct list link;
    struct http_client *client;
    struct http_call_events ev;
    void *ctx;
    struct arena *arena; /* the request's texts and the answer's head */
    char *key;
    struct http_url url;
    str method, server_name, request;
    struct http_url dial_url; /* where to connect */
    struct http_dial *dial;
    struct client_conn *conn;
    struct loop_timer *timer; /* deadline, or a failure that must not be told yet */
    int64_t timeout_ns;
    struct err *failure;
    enum call_phase phase;
    struct http_response response;
    bool keep_alive, paused, resume_deferred, retried;
    size_t heads_n; /* bytes of heads so far: of 1xx answers, then of the answer */
    uint64_t left;
    struct http1_chunked chunks;
};

/* ---- connections ---- */

static void client_unref(struct http_client *c)
{
    if (--c->refs)
        return;
    mem_free(c);
}

static void conn_unref(struct client_conn *n)
{
    if (--n->refs)
        return;
    buf_fini(&n->in);
    mem_free(n->key);
    client_unref(n->client);
    mem_free(n);
}

static void on_stream_closed(void *ctx)
{
    conn_unref(ctx);
}

static void conn_idle_end(struct client_conn *n)
{
    if (list_is_empty(&n->link))
        return;
    list_del(&n->link);
    n->client->n_idle--;
}

static void conn_close(struct client_conn *n)
{
    struct stream *s = TAKE(n->stream);

    conn_idle_end(n);
    if (n->call)
        TAKE(n->call)->conn = NULL;
    if (s)
        stream_close(s, on_stream_closed, n);
}

static void idle_timer_arm(struct http_client *c)
{
    if (!list_is_empty(&c->idle) && !loop_timer_is_set(c->timer))
        loop_timer_set(c->timer, LIST_ITEM(c->idle.next, struct client_conn, link)->idle_until_ns -
                                     loop_now(c->loop).ns);
}

static void on_idle_timer(void *ctx)
{
    struct http_client *c = ctx;

    while (!list_is_empty(&c->idle)) {
        struct client_conn *n = LIST_ITEM(c->idle.next, struct client_conn, link);

        if (n->idle_until_ns > loop_now(c->loop).ns)
            break;
        conn_close(n);
    }
    idle_timer_arm(c);
}

/* The call has its answer: keeps the connection for the next one, or closes it. */
static void conn_release(struct client_conn *n, bool keep)
{
    struct http_client *c = n->client;

    n->call->conn = NULL;
    n->call = NULL;
    if (!keep || n->ended || n->in.n || c->freed || stream_queued(n->stream)) {
        conn_close(n);
        return;
    }
    if (c->n_idle == c->o.idle_max)
        conn_close(LIST_ITEM(c->idle.next, struct client_conn, link));
    if (!n->stream->reading)
        stream_start(n->stream, n->stream->ev, n->stream->ctx);
    n->idle_until_ns = loop_now(c->loop).ns + CLIENT_IDLE_NS;
    list_add_tail(&c->idle, &n->link);
    c->n_idle++;
    idle_timer_arm(c);
}

static struct client_conn *idle_find(struct http_client *c, const char *key)
{
    /* The one used last is the least likely to be closed by the server just now. */
    for (struct list *l = c->idle.prev; l != &c->idle; l = l->prev) {
        struct client_conn *n = LIST_ITEM(l, struct client_conn, link);

        if (!strcmp(n->key, key))
            return n;
    }
    return NULL;
}

/* ---- ends of a call ---- */

static void call_free(struct http_call *call)
{
    list_del(&call->link);
    loop_timer_free(call->timer);
    err_free(call->failure);
    arena_free(call->arena);
    mem_free(call->key);
    mem_free(call);
}

static void call_detach(struct http_call *call)
{
    if (call->dial)
        http_dial_cancel(TAKE(call->dial));
    if (call->conn)
        conn_close(call->conn);
}

static void call_done(struct http_call *call, struct err *err)
{
    call_detach(call);
    call->ev.done(call->ctx, err);
    call_free(call);
}

/* "Get "https://…": why", as Go's url.Error. */
static void call_fail(struct http_call *call, enum reason reason, const char *why)
{
    CLEANUP(buf) struct buf text = BUF_INIT;

    for (size_t i = 0; i < call->method.n; i++)
        buf_char(&text, i && call->method.p[i] >= 'A' && call->method.p[i] <= 'Z'
                            ? (char)(call->method.p[i] + 32)
                            : call->method.p[i]);
    if (call->url.socket.n)
        buf_fmt(&text, " \"unix://" PRI_STR "|" PRI_STR "\": %s", STR_ARG(call->url.socket),
                STR_ARG(call->url.target), why);
    else
        buf_fmt(&text, " \"%s://" PRI_STR PRI_STR "\": %s", call->url.tls ? "https" : "http",
                STR_ARG(call->url.authority), STR_ARG(call->url.target), why);
    call_done(call, err_new(reason, "%s", buf_cstr(&text)));
}

static void call_fail_later(struct http_call *call, struct err *err)
{
    err_free(call->failure);
    call->failure = err;
    call_detach(call);
    loop_timer_set(call->timer, 0);
}

static void on_call_timer(void *ctx)
{
    struct http_call *call = ctx;

    if (call->failure)
        call_done(call, TAKE(call->failure));
    else
        call_fail(call, REASON_TIMEOUT,
                  call->phase == CALL_HEAD
                      ? "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
                      : "context deadline exceeded (Client.Timeout or context cancellation while "
                        "reading body)");
}

static void call_complete(struct http_call *call)
{
    conn_release(call->conn, call->keep_alive);
    call_done(call, NULL);
}

/* ---- the answer ---- */

static void call_upgraded(struct http_call *call, str rest)
{
    struct client_conn *n = call->conn;
    struct stream *s = TAKE(n->stream);
    struct buf first = BUF_INIT;

    buf_str(&first, rest);
    n->call = NULL;
    call->conn = NULL;
    stream_pause(s);
    s = http_prefixed_stream(s, &first);
    conn_unref(n); /* the stream's */
    call->ev.upgraded(call->ctx, &call->response, s);
    call_free(call);
}

/* One head; false: the call is over (or handed over). */
static bool take_head(struct http_call *call, str head_bytes, str rest)
{
    struct client_conn *n = call->conn;
    struct http1_head head;

    if (http1_parse_response(call->arena, arena_dup(call->arena, head_bytes), &head).status) {
        call_fail(call, REASON_INTERNAL,
                  "net/http: HTTP/1.x transport connection broken: malformed HTTP response");
        return false;
    }
    if (head.status < 200 && head.status != 101)
        return true; /* 100 Continue and its like: the answer follows */
    call->response = (struct http_response){head.status, head.headers, head.n_headers};
    if (head.status == 101) {
        if (call->ev.upgraded)
            call_upgraded(call, rest);
        else
            call_fail(call, REASON_INTERNAL, "net/http: unexpected 101 response");
        return false;
    }
    call->keep_alive = head.keep_alive;
    call->left = 0;
    if (str_is(call->method, "HEAD") || head.status == 204 || head.status == 304) {
        call->phase = CALL_LENGTH;
    } else if (head.chunked) {
        call->phase = CALL_CHUNKED;
    } else if (head.content_length >= 0) {
        call->phase = CALL_LENGTH;
        call->left = (uint64_t)head.content_length;
    } else {
        call->phase = CALL_UNTIL_END;
    }
    if (call->ev.head)
        call->ev.head(call->ctx, &call->response);
    return n->call == call;
}

/* Uses what it can of (*p, *n): false: nothing more to be done with it now. */
static bool call_step(struct client_conn *conn, struct http_call *call, const char **p, size_t *n)
{
    str data;
    size_t length;

    switch (call->phase) {
    case CALL_HEAD:
        length = http1_head_length(*p, *n, &conn->scanned);
        call->heads_n += length; /* any number of 1xx answers may come, and is kept */
        if (call->heads_n + (length ? 0 : *n) > HTTP_HEAD_LIMIT) {
            call_fail(call, REASON_INTERNAL,
                      "net/http: server response headers exceeded the limit; aborted");
            return false;
        }
        if (!length)
            return false;
        conn->scanned = 0;
        *p += length;
        *n -= length;
        return take_head(call, (str){*p - length, length}, (str){*p, *n});
    case CALL_LENGTH:
        if (!call->left) {
            buf_add(&conn->in, *p, *n); /* more than was announced: the connection is not kept */
            *n = 0;
            call_complete(call);
            return false;
        }
        if (!*n)
            return false;
        data = (str){*p, (size_t)MIN((uint64_t)*n, call->left)};
        *p += data.n;
        *n -= data.n;
        call->left -= data.n;
        call->ev.data(call->ctx, data.p, data.n);
        return conn->call == call;
    case CALL_CHUNKED:
        switch (http1_chunk_next(&call->chunks, p, n, &data)) {
        case HTTP1_CHUNK_DATA:
            call->ev.data(call->ctx, data.p, data.n);
            return conn->call == call;
        case HTTP1_CHUNK_MORE:
            return false;
        case HTTP1_CHUNK_BAD:
            call_fail(call, REASON_INTERNAL, "malformed chunked encoding");
            return false;
        case HTTP1_CHUNK_END:
            call->phase = CALL_LENGTH;
            call->left = 0;
            return true;
        }
        return false;
    case CALL_UNTIL_END:
        if (!*n)
            return false;
        data = (str){*p, *n};
        *p += data.n;
        *n = 0;
        call->ev.data(call->ctx, data.p, data.n);
        return conn->call == call;
    }
    return false;
}

static void call_dial(struct http_call *call);

/* The connection has ended, and all that came before has been used. */
static void conn_ended(struct client_conn *n)
{
    static const char *const safe[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"};
    struct http_call *call = n->call;
    bool retry = n->reused && !n->heard && call && !call->retried;

    if (!call) {
        conn_close(n);
        return;
    }
    if (call->phase == CALL_UNTIL_END && !n->error) {
        call->keep_alive = false;
        call_complete(call);
        return;
    }
    for (size_t i = 0; retry; i++) {
        if (i == ARRAY_LEN(safe)) {
            retry = false;
        } else if (str_is(call->method, safe[i])) {
            call->retried = true;
            conn_close(n);
            call_dial(call);
            return;
        }
    }
    if (n->error && n->error != -ECONNRESET)
        call_fail(call, REASON_UNAVAILABLE, strerror(-n->error));
    else if (n->error)
        call_fail(call, REASON_UNAVAILABLE, "read: connection reset by peer");
    else
        call_fail(call, REASON_UNAVAILABLE, n->heard ? "unexpected EOF" : "EOF");
}

/* Goes on with what waits and then with (p, n), until it is used, the call pauses, or is over. */
static void conn_process(struct client_conn *conn, const char *p, size_t n)
{
    struct buf old = BUF_INIT;
    struct http_call *call = conn->call;

    if (conn->in.n) {
        buf_add(&conn->in, p, n);
        old = conn->in;
        conn->in = BUF_INIT;
        p = old.p;
        n = old.n;
    }
    while (conn->call && conn->call == call && !call->paused && call_step(conn, call, &p, &n))
        ;
    if (conn->stream && n)
        buf_add(&conn->in, p, n);
    buf_fini(&old);
    if (conn->stream && conn->ended && (!conn->call || !conn->call->paused))
        conn_ended(conn);
}

static void on_conn_data(void *ctx, const char *p, size_t n)
{
    struct client_conn *conn = ctx;

    if (!conn->call) { /* nobody asked */
        conn_close(conn);
        return;
    }
    conn->heard = true;
    conn->refs++;
    conn_process(conn, p, n);
    conn_unref(conn);
}

static void on_conn_end(void *ctx, int error)
{
    struct client_conn *conn = ctx;

    conn->ended = true;
    conn->error = error;
    conn->refs++;
    conn_process(conn, NULL, 0);
    conn_unref(conn);
}

static const struct stream_events conn_events = {.data = on_conn_data, .end = on_conn_end};

/* ---- the request ---- */

static void call_send(struct http_call *call, struct client_conn *n)
{
    call->conn = n;
    n->call = call;
    n->heard = false;
    n->scanned = 0;
    call->phase = CALL_HEAD;
    call->heads_n = 0;
    stream_write(n->stream, call->request, NULL, NULL);
    if (call->paused)
        stream_pause(n->stream);
}

static void on_dialled(void *ctx, int error, const char *why, struct stream *s)
{
    struct http_call *call = ctx;
    struct client_conn *n;

    call->dial = NULL;
    if (error) {
        call_fail(call, REASON_UNAVAILABLE, why);
        return;
    }
    n = NEW(struct client_conn);
    list_init(&n->link);
    n->client = call->client;
    n->client->refs++;
    n->stream = s;
    n->key = mem_strdup(call->key);
    n->refs = 1;
    stream_start(s, &conn_events, n);
    call_send(call, n);
}

static void call_dial(struct http_call *call)
{
    struct http_client *c = call->client;

    call->dial = http_dial(c->loop, &call->dial_url, c->o.tls, call->server_name,
                           c->o.connect_timeout_ns, on_dialled, call);
}

static bool text_is_clean(str s, bool is_name)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char ch = (unsigned char)s.p[i];

        if (ch == 0x7f || (ch < 0x20 && ch != '\t') || (is_name && (ch <= ' ' || ch == ':')))
            return false;
    }
    return s.n || !is_name;
}

static struct err *request_write(struct http_call *call, const struct http_call_options *o)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    bool has_length = false;

    if (!text_is_clean(call->method, true) || !text_is_clean(o->host, false))
        return err_new(REASON_BAD_REQUEST, "net/http: invalid method or host");
    buf_reserve(&b, 512 + o->body.n);
    buf_fmt(&b, PRI_STR " " PRI_STR " HTTP/1.1\r\nHost: " PRI_STR "\r\n", STR_ARG(call->method),
            STR_ARG(call->url.target), STR_ARG(o->host.n ? o->host : call->url.authority));
    for (size_t i = 0; i < o->n_headers; i++) {
        const struct http_header *h = &o->headers[i];

        if (!text_is_clean(h->name, true) || !text_is_clean(h->value, false))
            return err_new(REASON_BAD_REQUEST, "net/http: invalid header field \"" PRI_STR "\"",
                           STR_ARG(h->name));
        if (str_eq_nocase(h->name, S("Host")))
            continue; /* o->host is for that */
        has_length |= str_eq_nocase(h->name, S("Content-Length"));
        buf_str(&b, h->name);
        buf_str(&b, S(": "));
        buf_str(&b, h->value);
        buf_str(&b, S("\r\n"));
    }
    if (!has_length && (o->body.n || str_is(o->method, "POST") || str_is(o->method, "PUT") ||
                        str_is(o->method, "PATCH")))
        buf_fmt(&b, "Content-Length: %zu\r\n", o->body.n);
    buf_str(&b, S("\r\n"));
    buf_str(&b, o->body);
    call->request = arena_dup(call->arena, buf_view(&b));
    return NULL;
}

/* Another address than the URL's own; the certificate has to name the URL's host all the same. */
static struct err *call_redirect(struct http_call *call, str address)
{
    struct http_url at;
    struct err *err;

    err = http_url_parse(arena_fmt(call->arena, "http://" PRI_STR, STR_ARG(address)), &at);
    if (err)
        return err;
    call->dial_url.host = at.host;
    call->dial_url.port = at.port;
    if (!call->server_name.n)
        call->server_name = call->url.host;
    return NULL;
}

static struct err *call_prepare(struct http_call *call, const struct http_call_options *o)
{
    CLEANUP(buf) struct buf key = BUF_INIT;
    struct err *err;

    call->method = arena_dup(call->arena, o->method.n ? o->method : S("GET"));
    call->server_name = arena_dup(call->arena, o->server_name);
    err = http_url_parse(arena_dup(call->arena, o->url), &call->url);
    if (err)
        return err;
    call->dial_url = call->url;
    if (o->address.n)
        err = call_redirect(call, o->address);
    if (err)
        return err;
    if (call->url.tls && !call->client->o.tls)
        return err_new(REASON_BAD_REQUEST, "https is not set up for " PRI_STR, STR_ARG(o->url));
    if (call->url.socket.n)
        buf_fmt(&key, "unix:" PRI_STR, STR_ARG(call->url.socket));
    else
        buf_fmt(&key, "%s " PRI_STR " %d " PRI_STR, call->url.tls ? "https" : "http",
                STR_ARG(call->dial_url.host), call->dial_url.port, STR_ARG(call->server_name));
    call->key = mem_strdup(buf_cstr(&key));
    return request_write(call, o);
}

/* ---- the public functions ---- */

struct http_client *http_client_new(struct loop *loop, const struct http_client_options *o)
{
    struct http_client *c = NEW(struct http_client);

    BUG_ON(!loop_is_mine(loop));
    c->loop = loop;
    c->o = *o;
    if (!c->o.connect_timeout_ns)
        c->o.connect_timeout_ns = CLIENT_CONNECT_NS;
    if (!c->o.idle_max)
        c->o.idle_max = CLIENT_IDLE_MAX;
    c->refs = 1;
    list_init(&c->idle);
    list_init(&c->calls);
    c->timer = loop_timer_new(loop, on_idle_timer, c);
    return c;
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    BUG_ON(!loop_is_mine(c->loop) || c->freed);
    c->freed = true;
    loop_timer_free(TAKE(c->timer));
    while (!list_is_empty(&c->calls)) {
        struct http_call *call = LIST_ITEM(c->calls.next, struct http_call, link);

        call_done(call, call->failure ? TAKE(call->failure) : err_errno(-ECANCELED, "call"));
    }
    while (!list_is_empty(&c->idle))
        conn_close(LIST_ITEM(c->idle.next, struct client_conn, link));
    client_unref(c);
}

struct http_call *http_call(struct http_client *c, const struct http_call_options *o,
                            const struct http_call_events *ev, void *ctx)
{
    struct http_call *call = NEW(struct http_call);
    struct client_conn *idle;
    struct err *err;

    BUG_ON(!loop_is_mine(c->loop) || c->freed);
    call->client = c;
    call->ev = *ev;
    call->ctx = ctx;
    call->arena = arena_new();
    call->timer = loop_timer_new(c->loop, on_call_timer, call);
    list_add_tail(&c->calls, &call->link);
    err = call_prepare(call, o);
    if (err) {
        call_fail_later(call, err);
        return call;
    }
    if (o->timeout_ns)
        loop_timer_set(call->timer, o->timeout_ns);
    idle = idle_find(c, call->key);
    if (idle) {
        conn_idle_end(idle);
        idle->reused = true;
        call_send(call, idle);
    } else {
        call_dial(call);
    }
    return call;
}

void http_call_cancel(struct http_call *call)
{
    if (!call->failure)
        call_fail_later(call, err_errno(-ECANCELED, "call"));
}

/* A call may be over before its turn comes: the connection is what is referenced. */
struct resumption {
    struct client_conn *conn;
    struct http_call *call;
};

static void on_resume(void *ctx)
{
    struct resumption *r = ctx;
    struct client_conn *n = r->conn;

    if (n->stream && n->call == r->call) {
        r->call->resume_deferred = false;
        if (!r->call->paused) {
            if (!n->ended)
                stream_start(n->stream, &conn_events, n);
            conn_process(n, NULL, 0);
        }
    }
    conn_unref(n);
    mem_free(r);
}

void http_call_pause(struct http_call *call, bool paused)
{
    struct client_conn *n = call->conn;
    struct resumption *r;

    call->paused = paused;
    if (!n || call->failure)
        return;
    if (paused) {
        if (!n->ended)
            stream_pause(n->stream);
    } else if (!call->resume_deferred) {
        call->resume_deferred = true;
        n->refs++;
        r = NEW(struct resumption);
        *r = (struct resumption){n, call};
        loop_defer(call->client->loop, on_resume, r);
    }
}

/* ---- whole answers ---- */

struct fetch {
    http_fetch_fn *fn;
    void *ctx;
    struct http_call *call;
    const struct http_response *response;
    struct buf body;
};

static void on_fetch_head(void *ctx, const struct http_response *r)
{
    ((struct fetch *)ctx)->response = r;
}

static void on_fetch_data(void *ctx, const char *p, size_t n)
{
    struct fetch *f = ctx;

    buf_add(&f->body, p, n);
    if (f->body.overflow)
        http_call_cancel(f->call);
}

static void on_fetch_done(void *ctx, struct err *err)
{
    struct fetch *f = ctx;

    if (f->body.overflow) {
        err_free(err);
        err =
            err_new(REASON_REQUEST_TOO_LARGE, "the answer is larger than %zu bytes", f->body.limit);
    }
    f->fn(f->ctx, err, err ? NULL : f->response, err ? S("") : buf_view(&f->body));
    buf_fini(&f->body);
    mem_free(f);
}

struct http_call *http_fetch(struct http_client *c, const struct http_call_options *o, size_t limit,
                             http_fetch_fn *fn, void *ctx)
{
    static const struct http_call_events events = {
        .head = on_fetch_head, .data = on_fetch_data, .done = on_fetch_done};
    struct fetch *f = NEW(struct fetch);

    f->fn = fn;
    f->ctx = ctx;
    f->body.limit = limit;
    f->call = http_call(c, o, &events, f);
    return f->call;
}
