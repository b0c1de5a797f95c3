/* http_server.c - listening, connections, deadlines; the protocols are in http1_server.c and
 * http2_server.c.
 *
 * Invariants
 *   (1) A connection waits for at most one thing (enum http_wait). Each kind's list is in order
 *       of deadlines, since all in it wait equally long, so one timer for the first of all lists
 *       serves any number of connections.
 *   (2) Nothing is sent or delivered on a connection that is `dead`; its exchanges are `gone`.
 *   (3) An idle connection holds its struct and the stream: buffers and arenas go back to the
 *       server. */
#include "wire/http_internal.h"
#include <time.h>

#define OUT_KEEP ((size_t)64 << 10) /* bytes collected before they are sent within a turn */
#define OUT_SEND                                                                                   \
    ((size_t)48 << 10) /* bytes of held pieces sent at once: what TLS encrypts at once */
#define CHUNK_ROOM 24  /* bytes around a chunk's data */

/* ---- spare memory: as much as there are connections to use it ---- */

static size_t spare_max(const struct http_server *s)
{
    return MIN(s->n_connections, (size_t)HTTP_SPARE_MAX);
}

static void spare_trim(struct http_server *s)
{
    while (s->n_arenas > spare_max(s))
        arena_free(s->arenas[--s->n_arenas]);
    while (s->n_bufs > spare_max(s))
        buf_fini(&s->bufs[--s->n_bufs]);
}

struct arena *http_arena_get(struct http_server *s)
{
    return s->n_arenas ? s->arenas[--s->n_arenas] : arena_new();
}

void http_arena_put(struct http_server *s, struct arena *a)
{
    if (!s || s->n_arenas >= spare_max(s)) {
        arena_free(a);
        return;
    }
    arena_reset(a);
    s->arenas[s->n_arenas++] = a;
}

static void out_reserve(struct http_conn *c, size_t more)
{
    struct http_server *s = c->server;

    if (!c->out.p && s->n_bufs)
        c->out = s->bufs[--s->n_bufs];
    buf_reserve(&c->out, more);
}

void http_chunk_head(struct buf *out, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    char text[20], *p = text + sizeof text;

    *--p = '\n';
    *--p = '\r';
    do {
        *--p = digits[n & 15];
        n >>= 4;
    } while (n);
    buf_add(out, p, (size_t)(text + sizeof text - p));
}

/* Moves what is held to `out`, which is sent whenever it holds enough. */
static void held_move(struct http_conn *c)
{
    struct http_held *h = TAKE(c->held);

    for (unsigned i = 0; i < h->n; i++) {
        str data = bytes_str(h->items[i]);

        if (c->out.n && c->out.n + data.n + CHUNK_ROOM > OUT_SEND) {
            stream_write(c->stream, buf_view(&c->out), NULL, NULL);
            buf_clear(&c->out);
        }
        out_reserve(c, data.n + CHUNK_ROOM);
        if (h->chunked)
            http_chunk_head(&c->out, data.n);
        buf_str(&c->out, data);
        if (h->chunked)
            buf_str(&c->out, S("\r\n"));
        bytes_unref(h->items[i]);
    }
    mem_free(h);
}

static void held_drop(struct http_conn *c)
{
    struct http_held *h = TAKE(c->held);

    for (unsigned i = 0; h && i < h->n; i++)
        bytes_unref(h->items[i]);
    mem_free(h);
}

void http_conn_hold(struct http_conn *c, const struct bytes *b, bool chunked)
{
    if (c->held && (c->held->n == HTTP_HELD_MAX || c->held->chunked != chunked))
        held_move(c);
    if (!c->held) {
        c->held = mem_alloc(sizeof *c->held);
        c->held->n = 0;
        c->held->bytes = 0;
        c->held->chunked = chunked;
    }
    c->held->items[c->held->n++] = bytes_ref(b);
    c->held->bytes += b->n;
    http_conn_flush_later(c);
}

void http_conn_reserve(struct http_conn *c, size_t more)
{
    if (c->held)
        held_move(c);
    out_reserve(c, more);
}

static void out_release(struct http_conn *c)
{
    struct http_server *s = c->server;

    buf_clear(&c->out);
    if (c->out.p && c->out.cap <= HTTP_SPARE_BYTES && s->n_bufs < spare_max(s)) {
        s->bufs[s->n_bufs++] = c->out;
        c->out = BUF_INIT;
    } else {
        buf_fini(&c->out);
    }
}

str http_date(struct http_server *s)
{
    int64_t now_s = loop_wall(s->loop).ns / NS_PER_S;

    if (now_s != s->date_s || !s->date[0]) {
        static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        time_t t = (time_t)now_s;
        struct tm tm;

        gmtime_r(&t, &tm);
        snprintf(s->date, sizeof s->date, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday],
                 tm.tm_mday, months[tm.tm_mon], (tm.tm_year + 1900) % 10000, tm.tm_hour, tm.tm_min,
                 tm.tm_sec);
        s->date_s = now_s;
    }
    return str_of(s->date);
}

/* Answers who sent a body that is not taken: as the API server says it, or plainly. */
static void reply_error(struct http_exchange *ex, const struct http_server *s, int status,
                        str status_json, bool retry)
{
    str body = status_json;
    struct http_header h[4] = {{S("Content-Type"), S("application/json")},
                               {S("Content-Length"), S("")}};
    size_t n = 2;

    if (s->o.status_errors) {
        h[n++] = (struct http_header){S("Cache-Control"), S("no-cache, private")};
    } else {
        h[0].value = S("text/plain; charset=utf-8");
        body = arena_fmt(ex->arena, "%d %s", status, http_status_text(status));
    }
    if (retry)
        h[n++] = (struct http_header){S("Retry-After"), S("1")};
    h[1].value = arena_fmt(ex->arena, "%zu", body.n);
    http_start(ex, status, h, n);
    http_write(ex, body);
    http_end(ex);
}

void http_reply_too_large(struct http_exchange *ex, const struct http_server *s)
{
    reply_error(
        ex, s, 413,
        arena_fmt(
            ex->arena,
            "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
            "\"message\":\"Request entity "
            "too large: limit is %zu\",\"reason\":\"RequestEntityTooLarge\",\"code\":413}\n",
            s->o.body_limit),
        false);
}

void http_reply_refused(struct http_exchange *ex, const struct http_server *s, bool late)
{
    if (late)
        reply_error(
            ex, s, 408,
            S("{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
              "\"message\":\"the request's body did not come in "
              "time\",\"reason\":\"Timeout\",\"code\":408}\n"),
            false);
    else
        reply_error(
            ex, s, 503,
            S("{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
              "\"message\":\"too many requests are being received, please try again "
              "later\",\"reason\":\"ServiceUnavailable\",\"details\":{\"retryAfterSeconds\":1},"
              "\"code\":503}\n"),
            true);
}

/* ---- deadlines ---- */

static void timer_arm(struct http_server *s, int64_t due_ns)
{
    if (due_ns >= s->timer_due_ns)
        return;
    s->timer_due_ns = due_ns;
    loop_timer_set(s->timer, due_ns - loop_now(s->loop).ns);
}

void http_conn_wait(struct http_conn *c, enum http_wait what)
{
    struct http_server *s = c->server;

    list_del(&c->waits);
    c->wait = what;
    if (what == HTTP_WAIT_NONE)
        return;
    if (what == HTTP_WAIT_DRAIN)
        c->undrained = http_conn_queued(c);
    c->due_ns = loop_now(s->loop).ns + s->wait_ns[what];
    list_add_tail(&s->waiting[what], &c->waits);
    /* The timer may be due too early, never too late: then it finds nothing and is set anew. */
    timer_arm(s, c->due_ns);
}

/* ---- what requests hold ---- */

static void load_queue(struct http_load *l, struct http_conn *c)
{
    struct http_server *s = c->server;

    l->c = c;
    l->due_ns = loop_now(s->loop).ns + HTTP_REQUEST_NS;
    list_add_tail(&s->loads, &l->link);
    timer_arm(s, l->due_ns);
}

void http_load_begin(struct http_load *l, struct http_conn *c)
{
    if (l->c)
        return;
    l->n = 0;
    load_queue(l, c);
}

void http_load_end(struct http_load *l)
{
    struct http_conn *c = TAKE(l->c);

    if (!c)
        return;
    list_del(&l->link);
    c->server->load_n -= l->n;
}

static void load_refuse(struct http_load *l, bool late)
{
    struct http_conn *c = l->c;

    c->refs++;
    http_load_end(l);
    c->protocol->refuse(l, late);
    http_conn_unref(c);
}

/* The oldest makes room: a request that is really being sent is soon complete, so holding many of them open keeps no one
 * else from sending his. Where what runs fills the limit, small ones still find a place: somebody must be able to mend that. */
bool http_load_more(struct http_load *l, size_t n)
{
    struct http_server *s = l->c->server;
    size_t limit = s->o.load_limit;
    bool kept = true;

    l->n += n;
    s->load_n += n;
    while (kept && s->load_n > limit) {
        struct http_load *oldest = LIST_ITEM(s->loads.next, struct http_load, link);

        if (oldest == l && l->n <= MIN(HTTP_SMALL, limit / 64) && s->load_n <= limit + limit / 4)
            break;
        if (oldest == l)
            kept = false;
        load_refuse(oldest, false);
    }
    return kept;
}

/* The many small ones that run, watches say, are the business of who limits what runs. */
void http_load_run(struct http_load *l)
{
    if (!l->c)
        return;
    if (l->n <= HTTP_SMALL)
        http_load_end(l);
    else
        list_del(&l->link);
}

void http_load_unread(struct http_load *l, struct http_conn *c, size_t n)
{
    http_load_end(l);
    l->n = 0;
    load_queue(l, c);
    http_load_more(l, n);
}

static void loads_expire(struct http_server *s, int64_t now_ns)
{
    while (!list_is_empty(&s->loads)) {
        struct http_load *l = LIST_ITEM(s->loads.next, struct http_load, link);

        if (l->due_ns > now_ns) {
            timer_arm(s, l->due_ns);
            break;
        }
        load_refuse(l, true);
    }
}

/* Who reads slowly, but reads, gets more time. */
static bool drains(struct http_conn *c)
{
    if (c->wait != HTTP_WAIT_DRAIN || http_conn_queued(c) >= c->undrained)
        return false;
    http_conn_wait(c, HTTP_WAIT_DRAIN);
    return true;
}

static void on_timer(void *ctx)
{
    struct http_server *s = ctx;
    int64_t now_ns = loop_now(s->loop).ns;

    s->timer_due_ns = INT64_MAX;
    loads_expire(s, now_ns);
    for (int i = 0; i < HTTP_WAITS; i++)
        while (!list_is_empty(&s->waiting[i])) {
            struct http_conn *c = LIST_ITEM(s->waiting[i].next, struct http_conn, waits);

            if (c->due_ns > now_ns) {
                timer_arm(s, c->due_ns);
                break;
            }
            if (drains(c))
                continue;
            if (i == HTTP_WAIT_IDLE && c->protocol && c->protocol->idle_end)
                c->protocol->idle_end(c);
            else
                http_conn_close(c);
        }
}

/* ---- connections ---- */

static void server_free_if_done(struct http_server *s)
{
    loop_fn *closed = s->closed;
    void *ctx = s->closed_ctx;

    if (!s->closing || s->n_connections)
        return;
    loop_timer_free(s->timer);
    spare_trim(s);
    mem_free(s);
    if (closed)
        closed(ctx);
}

void http_conn_unref(struct http_conn *c)
{
    struct http_server *s = c->server;

    if (--c->refs)
        return;
    BUG_ON(!c->dead);
    if (c->protocol && c->protocol->fini)
        c->protocol->fini(c);
    buf_fini(&c->h1.in);
    list_del(&c->waits);
    list_del(&c->link);
    buf_fini(&c->out);
    mem_free(c->peer_block);
    mem_free(c);
    s->n_connections--;
    spare_trim(s);
    server_free_if_done(s);
}

static void on_stream_closed(void *ctx)
{
    http_conn_unref(ctx);
}

void http_conn_close(struct http_conn *c)
{
    struct stream *stream = TAKE(c->stream);

    if (c->dead)
        return;
    c->dead = true;
    c->refs++;
    http_conn_wait(c, HTTP_WAIT_NONE);
    if (c->protocol)
        c->protocol->gone(c);
    buf_fini(&c->out);
    held_drop(c);
    if (stream) {
        stream_close(stream, on_stream_closed, c);
    } else {
        if (c->handshake)
            tls_cancel(TAKE(c->handshake));
        http_conn_unref(c);
    }
    http_conn_unref(c);
}

size_t http_conn_queued(const struct http_conn *c)
{
    return c->out.n + (c->held ? c->held->bytes : 0) + (c->stream ? stream_queued(c->stream) : 0);
}

static void on_last_written(void *ctx, int error)
{
    struct http_conn *c = ctx;

    if (c->dead)
        return;
    if (error || c->peer_ended) {
        http_conn_close(c);
        return;
    }
    stream_shutdown(c->stream);
    http_conn_wait(c, HTTP_WAIT_LINGER);
}

void http_conn_finish(struct http_conn *c)
{
    if (c->dead || c->lingering)
        return;
    http_conn_flush(c);
    c->lingering = true;
    http_conn_wait(c, HTTP_WAIT_DRAIN);
    stream_write(c->stream, S(""), on_last_written, c);
}

static void watch_writes(struct http_conn *c);

static void on_written(void *ctx, int error)
{
    struct http_conn *c = ctx;

    if (c->dead)
        return;
    c->write_watched = false;
    if (error) {
        http_conn_close(c);
        return;
    }
    watch_writes(c);
    if (c->protocol)
        c->protocol->written(c);
}

/* Who has queued much wants to hear when it is gone; the usual small answer needs no completion. */
static void watch_writes(struct http_conn *c)
{
    if (c->write_watched || stream_queued(c->stream) < HTTP_QUEUE_HIGH / 4)
        return;
    c->write_watched = true;
    stream_write(c->stream, S(""), on_written, c);
}

void http_conn_flush(struct http_conn *c)
{
    if (c->dead || !c->stream || c->lingering)
        return;
    if (c->held)
        held_move(c);
    if (c->out.n)
        stream_write(c->stream, buf_view(&c->out), NULL, NULL);
    if (c->out.p)
        out_release(c);
    watch_writes(c);
}

static void on_flush(void *ctx)
{
    struct http_conn *c = ctx;

    c->flush_deferred = false;
    http_conn_flush(c);
    http_conn_unref(c);
}

void http_conn_flush_later(struct http_conn *c)
{
    if (c->out.n >= OUT_KEEP)
        http_conn_flush(c);
    if (c->flush_deferred || (!c->out.n && !c->held))
        return;
    c->flush_deferred = true;
    c->refs++;
    loop_defer(c->server->loop, on_flush, c);
}

/* The first bytes tell HTTP/2 with prior knowledge from HTTP/1.1. */
static const str http2_preface = STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

static bool protocol_find(struct http_conn *c, const char *p, size_t n)
{
    str seen = {p, MIN(n, http2_preface.n)};

    if (!str_has_prefix(http2_preface, seen)) {
        c->protocol = &http1_protocol;
    } else if (seen.n == http2_preface.n) {
        c->protocol = &http2_protocol;
        http2_begin(c);
    } else {
        return false;
    }
    return true;
}

static void on_data(void *ctx, const char *p, size_t n)
{
    struct http_conn *c = ctx;
    struct buf first = BUF_INIT;

    if (c->dead || c->lingering)
        return;
    c->refs++;
    if (!c->protocol && c->h1.in.n) { /* not even the first bytes came at once */
        buf_add(&c->h1.in, p, n);
        first = c->h1.in;
        p = first.p;
        n = first.n;
        c->h1.in = BUF_INIT;
    }
    if (c->protocol || protocol_find(c, p, n))
        c->protocol->data(c, p, n);
    else
        buf_add(&c->h1.in, p, n);
    buf_fini(&first);
    http_conn_unref(c);
}

/* As in Go, a client that ends its side while a request is running has given up on it; what was
 * answered before is still sent. */
static void on_end(void *ctx, int error)
{
    struct http_conn *c = ctx;

    if (c->dead)
        return;
    c->refs++;
    c->peer_ended = true;
    if (!error && c->protocol)
        c->protocol->gone(c);
    if (!error)
        http_conn_flush(c);
    if (error || http_conn_queued(c) == 0)
        http_conn_close(c);
    else
        http_conn_finish(c);
    http_conn_unref(c);
}

static const struct stream_events conn_events = {.data = on_data, .end = on_end};

static void conn_serve(struct http_conn *c, struct stream *stream)
{
    c->stream = stream;
    http_conn_wait(c, HTTP_WAIT_HEAD);
    stream_start(stream, &conn_events, c);
}

static str text_put(char **at, str s)
{
    str put = {*at, s.n};

    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return put;
}

/* The strings of http_peer must outlive the stream, since an exchange may. */
static void peer_copy(struct http_conn *c, const struct stream *stream, const struct tls_peer *tls)
{
    static const struct tls_peer plain;
    const struct tls_peer *p = tls ? tls : &plain;
    str address = stream_peer(stream);
    size_t n = address.n + p->common_name.n + p->cert_hash.n + p->n_organizations * sizeof(str);
    str *organizations;
    char *at;

    for (size_t i = 0; i < p->n_organizations; i++)
        n += p->organizations[i].n;
    c->peer_block = mem_alloc(n + 1);
    organizations = (str *)(void *)c->peer_block;
    at = (char *)(organizations + p->n_organizations);
    c->peer.address = text_put(&at, address);
    c->peer.cert_common_name = text_put(&at, p->common_name);
    c->peer.cert_der_hash = text_put(&at, p->cert_hash);
    for (size_t i = 0; i < p->n_organizations; i++)
        organizations[i] = text_put(&at, p->organizations[i]);
    c->peer.tls = tls != NULL;
    c->peer.cert_verified = p->verified;
    c->peer.cert_front_verified = p->front_verified;
    c->peer.cert_organizations = organizations;
    c->peer.n_cert_organizations = p->n_organizations;
}

static void on_tls_ready(void *ctx, int error, const char *why, struct stream *stream,
                         const struct tls_peer *peer)
{
    struct http_conn *c = ctx;

    c->handshake = NULL;
    if (error) {
        log_debug("http", "TLS handshake error from " PRI_STR ": %s", STR_ARG(c->peer.address),
                  why);
        http_conn_close(c);
        return;
    }
    mem_free(TAKE(c->peer_block));
    peer_copy(c, stream, peer);
    if (str_is(peer->alpn, "h2")) {
        c->protocol = &http2_protocol;
        c->stream = stream;
        http2_begin(c);
    } else if (str_is(peer->alpn, "http/1.1")) {
        c->protocol = &http1_protocol;
    }
    if (!c->dead)
        conn_serve(c, stream);
}

static struct http_conn *conn_new(struct http_server *s, struct stream *stream)
{
    struct http_conn *c = NEW(struct http_conn);

    c->server = s;
    c->refs = 1;
    c->wait = HTTP_WAIT_NONE;
    list_init(&c->waits);
    list_add_tail(&s->connections, &c->link);
    s->n_connections++;
    peer_copy(c, stream, NULL);
    return c;
}

static void on_accept(void *ctx, struct stream *stream)
{
    struct http_server *s = ctx;
    struct http_conn *c;

    if (s->closing || s->n_connections >= s->o.connections_max) {
        stream_close(stream, NULL, NULL);
        return;
    }
    c = conn_new(s, stream);
    if (s->o.tls)
        c->handshake = tls_accept(s->o.tls, s->loop, stream, 0, on_tls_ready, c);
    else
        conn_serve(c, stream);
}

void http_server_serve_stream(struct http_server *s, struct stream *stream)
{
    BUG_ON(!loop_is_mine(s->loop));
    on_accept(s, stream);
}

/* ---- servers ---- */

struct http_server *http_server_new(struct loop *loop, const struct http_server_options *o,
                                    http_handler_fn *fn, void *ctx)
{
    struct http_server *s = NEW(struct http_server);

    BUG_ON(!loop_is_mine(loop));
    s->loop = loop;
    s->o = *o;
    if (!s->o.body_limit)
        s->o.body_limit = HTTP_BODY_LIMIT;
    if (!s->o.head_limit)
        s->o.head_limit = HTTP_HEAD_LIMIT;
    if (!s->o.connections_max)
        s->o.connections_max = HTTP_CONNECTIONS_MAX;
    if (!s->o.load_limit)
        s->o.load_limit = HTTP_LOAD_LIMIT;
    s->wait_ns[HTTP_WAIT_IDLE] = o->idle_timeout_ns ? o->idle_timeout_ns : HTTP_IDLE_NS;
    s->wait_ns[HTTP_WAIT_HEAD] = o->head_timeout_ns ? o->head_timeout_ns : HTTP_HEAD_NS;
    s->wait_ns[HTTP_WAIT_DRAIN] = HTTP_DRAIN_NS;
    s->wait_ns[HTTP_WAIT_LINGER] = HTTP_LINGER_NS;
    s->fn = fn;
    s->ctx = ctx;
    list_init(&s->connections);
    list_init(&s->loads);
    for (int i = 0; i < HTTP_WAITS; i++)
        list_init(&s->waiting[i]);
    s->timer = loop_timer_new(loop, on_timer, s);
    s->timer_due_ns = INT64_MAX;
    return s;
}

int http_server_open(struct loop *loop, str address, const struct http_server_options *o,
                     http_handler_fn *fn, void *ctx, struct http_server **ret)
{
    struct http_server *s = http_server_new(loop, o, fn, ctx);
    int error = listener_open(loop, address, on_accept, s, &s->listener);

    if (error) {
        s->closing = true;
        server_free_if_done(s);
        return error;
    }
    *ret = s;
    return 0;
}

str http_server_address(const struct http_server *s)
{
    return s->listener ? listener_address(s->listener) : S("");
}

static void on_close_deferred(void *ctx)
{
    struct http_server *s = ctx;

    s->n_connections--; /* what kept it alive until here */
    server_free_if_done(s);
}

void http_server_close(struct http_server *s, loop_fn *closed, void *ctx)
{
    struct list doomed;

    BUG_ON(!loop_is_mine(s->loop) || s->closing);
    s->closing = true;
    s->closed = closed;
    s->closed_ctx = ctx;
    s->n_connections++;
    loop_defer(s->loop, on_close_deferred, s);
    if (s->listener)
        listener_close(TAKE(s->listener));
    /* Closing one may end others (a handler's on_gone): take the first of those that are left. */
    list_init(&doomed);
    while (!list_is_empty(&s->connections)) {
        struct http_conn *c = LIST_ITEM(s->connections.next, struct http_conn, link);

        list_del(&c->link);
        list_add_tail(&doomed, &c->link);
        http_conn_close(c);
    }
    /* The rest of the closing finds its way out of `doomed` wherever that list's head was. */
    list_del(&doomed);
}
