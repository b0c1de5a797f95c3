/* http2_test.c - the server over HTTP/2, asked by an nghttp2 client; virtual clock. */
#include "test/test.h"
#include "wire/http_internal.h"
#include <nghttp2/nghttp2.h>

#define NOW_S INT64_C(1790000000)
#define BIG ((size_t)3000000)

struct reply { /* what came back on one stream */
    int32_t id;
    struct buf head, body;
    bool closed;
    uint32_t code;
};
struct talk {
    struct loop *loop;
    struct http_server *server;
    struct stream *client;
    nghttp2_session *session;
    struct reply replies[64];
    size_t n_replies;
    struct buf log;
    struct http_exchange *held;
    int gone, drained;
    bool ended, no_windows, upload_stalls; /* stalls: sends upload_n bytes and no end */
    const char *upload;
    size_t upload_n;
};

/* ---- the handler ---- */

static void on_gone(void *user, struct http_exchange *ex)
{
    struct talk *t = user;

    t->gone++;
    t->held = NULL;
    http_end(ex);
}

static void on_drain(void *user, struct http_exchange *ex)
{
    ((struct talk *)user)->drained++;
}

static void handler(void *ctx, struct http_exchange *ex)
{
    struct talk *t = ctx;
    const struct http_request *r = &ex->req;

    buf_fmt(&t->log, "%d " PRI_STR " " PRI_STR "?" PRI_STR " " PRI_STR " [%zu]\n", r->version,
            STR_ARG(r->method), STR_ARG(r->path), STR_ARG(r->query),
            STR_ARG(http_header(r, "Host")), r->body.n);
    if (str_is(r->path, "/hold")) {
        t->held = ex;
        ex->user = t;
        ex->on_gone = on_gone;
        ex->on_drain = on_drain;
    } else if (str_is(r->path, "/big")) {
        char *p = mem_zalloc(BIG);
        const struct bytes *b = bytes_new((str){p, BIG});

        http_reply_bytes(ex, 200, "text/plain", b);
        bytes_unref(b);
        mem_free(p);
    } else if (str_is(r->path, "/last")) {
        ex->last = true;
        http_reply(ex, 200, "text/plain", S("bye"));
    } else if (str_is(r->path, "/headers")) {
        static const struct http_header headers[] = {{STR("X-Mixed-Case"), STR("v")},
                                                     {STR("Connection"), STR("close")}};

        http_start(ex, 201, headers, 2);
        http_write(ex, S("a"));
        http_write(ex, S("b"));
        http_end(ex);
    } else {
        http_reply(ex, 200, "text/plain", r->target);
    }
}

/* ---- the client ---- */

static struct reply *reply_of(struct talk *t, int32_t id)
{
    for (size_t i = 0; i < t->n_replies; i++)
        if (t->replies[i].id == id)
            return &t->replies[i];
    CHECK(t->n_replies < ARRAY_LEN(t->replies));
    t->replies[t->n_replies].id = id;
    return &t->replies[t->n_replies++];
}

static int on_header(nghttp2_session *session, const nghttp2_frame *f, const uint8_t *name,
                     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *ctx)
{
    buf_fmt(&reply_of(ctx, f->hd.stream_id)->head, "%.*s=%.*s;", (int)name_n, (const char *)name,
            (int)value_n, (const char *)value);
    return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
                    void *ctx)
{
    struct talk *t = ctx;

    buf_add(&reply_of(t, id)->body, p, n);
    if (!t->no_windows)
        nghttp2_session_consume(session, id, n);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *ctx)
{
    struct reply *r = reply_of(ctx, id);

    r->closed = true;
    r->code = code;
    return 0;
}

static ssize_t on_upload(nghttp2_session *session, int32_t id, uint8_t *p, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    struct talk *t = ctx;
    size_t n = MIN(room, t->upload_n);

    if (t->upload_stalls && !n)
        return NGHTTP2_ERR_DEFERRED;
    memset(p, 'u', n);
    t->upload_n -= n;
    if (!t->upload_n && !t->upload_stalls)
        *flags = NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static void client_send(struct talk *t)
{
    const uint8_t *p;
    ssize_t n;

    while (t->client && (n = nghttp2_session_mem_send(t->session, &p)) > 0)
        stream_write(t->client, (str){(const char *)p, (size_t)n}, NULL, NULL);
}

static void on_data(void *ctx, const char *p, size_t n)
{
    struct talk *t = ctx;

    CHECK(nghttp2_session_mem_recv(t->session, (const uint8_t *)p, n) == (ssize_t)n);
    client_send(t);
}

static void on_end(void *ctx, int error)
{
    ((struct talk *)ctx)->ended = true;
}

static void run(struct talk *t, int64_t ns)
{
    client_send(t);
    loop_virtual_run(t->loop, loop_virtual_elapsed_ns(t->loop) + ns, NULL, NULL);
}

static void talk_init_with(struct talk *t, const struct http_server_options *o)
{
    static const struct stream_events events = {.data = on_data, .end = on_end};
    nghttp2_session_callbacks *cb;
    nghttp2_option *option;
    struct stream *conn;

    memset(t, 0, sizeof *t);
    t->loop = loop_new_virtual(1, (wall_time){NOW_S * NS_PER_S});
    t->server = http_server_new(t->loop, o, handler, t);
    stream_pair(t->loop, &t->client, &conn);
    http_server_serve_stream(t->server, conn);
    nghttp2_session_callbacks_new(&cb);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session_client_new2(&t->session, cb, t, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(cb);
    nghttp2_submit_settings(t->session, NGHTTP2_FLAG_NONE, NULL, 0);
    stream_start(t->client, &events, t);
}

static void talk_init(struct talk *t, size_t body_limit)
{
    talk_init_with(t,
                   &(struct http_server_options){.status_errors = true, .body_limit = body_limit});
}

static void talk_fini(struct talk *t)
{
    if (t->client)
        stream_close(t->client, NULL, NULL);
    t->client = NULL;
    run(t, NS_PER_S);
    http_server_close(t->server, NULL, NULL);
    run(t, NS_PER_S);
    nghttp2_session_del(t->session);
    for (size_t i = 0; i < t->n_replies; i++) {
        buf_fini(&t->replies[i].head);
        buf_fini(&t->replies[i].body);
    }
    buf_fini(&t->log);
    loop_free(t->loop);
}

static nghttp2_nv nv(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static int32_t ask(struct talk *t, const char *method, const char *path, size_t upload_n,
                   const char *length)
{
    nghttp2_nv head[] = {nv(":method", method), nv(":scheme", "http"), nv(":path", path),
                         nv(":authority", "the-host"), nv("content-length", length ? length : "")};
    nghttp2_data_provider provider = {.read_callback = on_upload};
    int32_t id;

    t->upload_n = upload_n;
    id = nghttp2_submit_request(t->session, NULL, head, length ? 5 : 4, upload_n ? &provider : NULL,
                                NULL);
    CHECK(id > 0);
    return id;
}

#define DATE "date=Mon, 21 Sep 2026 14:13:20 GMT;"

TEST(http2, requests_are_answered_side_by_side)
{
    struct talk t;
    int32_t hold, a, b;

    talk_init(&t, 0);
    hold = ask(&t, "GET", "/hold", 0, NULL);
    a = ask(&t, "GET", "/a?x=1", 0, NULL);
    b = ask(&t, "HEAD", "/b", 0, NULL);
    run(&t, NS_PER_MS);
    CHECK_STRZ(
        buf_view(&t.log),
        "20 GET /hold? the-host [0]\n20 GET /a?x=1 the-host [0]\n20 HEAD /b? the-host [0]\n");
    CHECK_STRZ(buf_view(&reply_of(&t, a)->head),
               ":status=200;content-type=text/plain;content-length=6;" DATE);
    CHECK_STRZ(buf_view(&reply_of(&t, a)->body), "/a?x=1");
    CHECK(reply_of(&t, a)->closed);
    CHECK_STRZ(buf_view(&reply_of(&t, b)->body), "");
    CHECK(reply_of(&t, b)->closed);
    CHECK(!reply_of(&t, hold)->closed);
    http_reply(t.held, 404, NULL, S(""));
    run(&t, NS_PER_MS);
    CHECK_STRZ(buf_view(&reply_of(&t, hold)->head), ":status=404;content-length=0;" DATE);
    CHECK_INT(reply_of(&t, hold)->code, 0);
    talk_fini(&t);
}

TEST(http2, header_names_become_lower_case_and_connection_headers_stay_away)
{
    struct talk t;
    int32_t id;

    talk_init(&t, 0);
    id = ask(&t, "GET", "/headers", 0, NULL);
    run(&t, NS_PER_MS);
    CHECK_STRZ(buf_view(&reply_of(&t, id)->head), ":status=201;x-mixed-case=v;" DATE);
    CHECK_STRZ(buf_view(&reply_of(&t, id)->body), "ab");
    talk_fini(&t);
}

TEST(http2, connection_ends_after_an_exchange_that_is_its_last_and_those_before_it)
{
    struct talk t;
    int32_t hold, last;

    talk_init(&t, 0);
    hold = ask(&t, "GET", "/hold", 0, NULL);
    last = ask(&t, "GET", "/last", 0, NULL);
    run(&t, NS_PER_MS);
    CHECK_STRZ(buf_view(&reply_of(&t, last)->body), "bye");
    CHECK(!nghttp2_session_check_request_allowed(t.session)); /* GOAWAY has come */
    CHECK(!t.ended);
    http_reply(t.held, 200, "text/plain", S("at last"));
    run(&t, NS_PER_MS);
    CHECK_STRZ(buf_view(&reply_of(&t, hold)->body), "at last");
    CHECK(t.ended);
    talk_fini(&t);
}

TEST(http2, bodies_go_both_ways_under_flow_control)
{
    struct talk t;
    int32_t up, down;

    talk_init(&t, 0);
    up = ask(&t, "POST", "/up", BIG, NULL);
    down = ask(&t, "GET", "/big", 0, NULL);
    t.upload_n = BIG; /* the second request has set it to none */
    run(&t, 10 * NS_PER_S);
    CHECK_INT(reply_of(&t, down)->body.n, BIG);
    CHECK(reply_of(&t, down)->closed && reply_of(&t, up)->closed);
    CHECK(str_find(buf_view(&t.log), S("POST /up? the-host [3000000]")) > 0);
    talk_fini(&t);
}

TEST(http2, too_large_bodies_get_413_whether_announced_or_not)
{
    struct talk t;
    int32_t announced, found;

    talk_init(&t, 1000);
    announced = ask(&t, "POST", "/a", 100000, "100000");
    run(&t, NS_PER_S);
    found = ask(&t, "POST", "/b", 1001, NULL);
    run(&t, NS_PER_S);
    CHECK(str_has_prefix(buf_view(&reply_of(&t, announced)->head),
                         S(":status=413;content-type=application/json;")));
    CHECK(str_has_prefix(buf_view(&reply_of(&t, found)->head), S(":status=413;")));
    CHECK(str_find(buf_view(&reply_of(&t, found)->body),
                   S("limit is 1000\",\"reason\":\"RequestEntityTooLarge\"")) > 0);
    CHECK(reply_of(&t, announced)->closed && reply_of(&t, found)->closed);
    CHECK_STRZ(buf_view(&t.log), "");
    talk_fini(&t);
}

TEST(http2, half_sent_bodies_hold_bounded_memory_and_make_room_for_honest_ones)
{
    enum { LIMIT = 1 << 20, HALF = 200000, N = 12, KEPT = LIMIT / HALF };
    struct http_server_options o = {.load_limit = LIMIT};
    int32_t held[N], honest, empty;
    size_t cost = 0; /* of a stream and its head */
    struct talk t;

    talk_init_with(&t, &o);
    t.upload_stalls = true;
    for (int i = 0; i < N; i++) {
        held[i] = ask(&t, "POST", "/held", HALF, NULL);
        run(&t, NS_PER_S);
        CHECK_INT(t.upload_n, 0);
        if (!i)
            cost = t.server->load_n - HALF;
        CHECK(cost > 4096 && cost < 4500);
        CHECK_INT(t.server->load_n, (size_t)MIN(i + 1, KEPT) * (HALF + cost));
    }
    for (int i = 0; i < N; i++) {
        CHECK_INT(reply_of(&t, held[i])->closed, i < N - KEPT);
        CHECK_INT(reply_of(&t, held[i])->code, i < N - KEPT ? NGHTTP2_REFUSED_STREAM : 0);
    }
    t.upload_stalls = false;
    honest = ask(&t, "POST", "/honest", HALF, NULL);
    run(&t, NS_PER_S);
    CHECK(str_has_prefix(buf_view(&reply_of(&t, honest)->head), S(":status=200;")));
    CHECK_STRZ(buf_view(&t.log), "20 POST /honest? the-host [200000]\n");
    CHECK_INT(t.server->load_n, (KEPT - 1) * (HALF + cost));
    empty = ask(&t, "GET", "/a", 0, NULL);
    run(&t, NS_PER_S);
    CHECK(reply_of(&t, empty)->closed);
    stream_close(TAKE(t.client), NULL, NULL);
    run(&t, NS_PER_S);
    CHECK_INT(t.server->load_n, 0);
    CHECK(list_is_empty(&t.server->loads));
    talk_fini(&t);
}

TEST(http2, body_that_trickles_ends_in_time_and_its_connection_goes_on)
{
    struct talk t;
    int32_t slow, after;

    talk_init(&t, 0);
    t.upload_stalls = true;
    slow = ask(&t, "POST", "/slow", 1, NULL);
    for (int s = 0; s < 59; s++) {
        run(&t, NS_PER_S);
        t.upload_n = 1;
        nghttp2_session_resume_data(t.session, slow);
        CHECK(!reply_of(&t, slow)->closed);
    }
    CHECK(t.server->load_n > 4096 + 59);
    run(&t, 2 * NS_PER_S);
    CHECK(reply_of(&t, slow)->closed);
    CHECK_INT(reply_of(&t, slow)->code, NGHTTP2_CANCEL);
    CHECK_INT(t.server->load_n, 0);
    after = ask(&t, "GET", "/a", 0, NULL);
    run(&t, NS_PER_S);
    CHECK_STRZ(buf_view(&reply_of(&t, after)->body), "/a");
    CHECK_STRZ(buf_view(&t.log), "20 GET /a? the-host [0]\n");
    talk_fini(&t);
}

/* A request whose head is `n` bytes and whose body never comes. */
static int32_t ask_long(struct talk *t, size_t n)
{
    nghttp2_nv head[5 + 40] = {nv(":method", "POST"), nv(":scheme", "http"), nv(":path", "/long"),
                               nv(":authority", "the-host")};
    nghttp2_data_provider provider = {.read_callback = on_upload};
    char *value = mem_zalloc(n / 40 + 1);
    int32_t id;

    memset(value, 'v', n / 40);
    for (int i = 0; i < 40; i++) {
        head[4 + i] = nv("a-header", value);
        head[4 + i].flags = NGHTTP2_NV_FLAG_NO_INDEX;
    }
    id = nghttp2_submit_request(t->session, NULL, head, 44, &provider, NULL);
    CHECK(id > 0);
    run(t, NS_PER_S);
    mem_free(value);
    return id;
}

TEST(http2, heads_whose_bodies_never_come_hold_bounded_memory)
{
    enum { LIMIT = 1 << 20, HEAD = 60000, N = 30, KEPT = LIMIT / (HEAD + 6000) };
    struct http_server_options o = {.load_limit = LIMIT};
    int32_t first = 0, get;
    struct talk t;

    talk_init_with(&t, &o);
    t.upload_stalls = true;
    for (int i = 0; i < N; i++) {
        int32_t id = ask_long(&t, HEAD);

        if (!i)
            first = id;
        CHECK(t.server->load_n >= (size_t)MIN(i + 1, KEPT) * HEAD);
        CHECK(t.server->load_n <= LIMIT);
    }
    CHECK(reply_of(&t, first)->closed);
    CHECK_INT(reply_of(&t, first)->code, NGHTTP2_REFUSED_STREAM);
    get = ask(&t, "GET", "/a", 0, NULL);
    run(&t, NS_PER_S);
    CHECK_STRZ(buf_view(&reply_of(&t, get)->body), "/a");
    run(&t, 60 * NS_PER_S); /* none may take longer */
    CHECK_INT(t.server->load_n, 0);
    talk_fini(&t);
}

TEST(http2, too_long_head_is_431_as_in_go)
{
    struct http_server_options o = {.head_limit = 50000};
    struct talk t;
    int32_t id;

    talk_init_with(&t, &o);
    t.upload_stalls = true;
    id = ask_long(&t, 60000);
    CHECK_STRZ(buf_view(&reply_of(&t, id)->head),
               ":status=431;content-type=text/html; charset=utf-8;content-length=63;" DATE);
    CHECK_STRZ(buf_view(&reply_of(&t, id)->body),
               "<h1>HTTP Error 431</h1><p>Request Header Field(s) Too Large</p>");
    id = ask_long(&t, 10000);
    CHECK(!reply_of(&t, id)->closed);
    CHECK(!t.ended);
    CHECK_STRZ(buf_view(&t.log), "");
    talk_fini(&t);
}

TEST(http2, answer_that_nobody_reads_is_dropped_in_time_and_when_there_is_no_room)
{
    struct http_server_options o = {.load_limit = 1 << 20};
    char *p = mem_zalloc(400000);
    int32_t ids[4];
    struct talk t;

    talk_init_with(&t, &o);
    t.no_windows = true;
    for (int i = 0; i < 4; i++) {
        ids[i] = ask(&t, "GET", "/hold", 0, NULL);
        run(&t, NS_PER_S);
        http_start(t.held, 200, NULL, 0);
        http_write(t.held, (str){p, 400000});
        http_end(t.held);
        run(&t, NS_PER_S);
        CHECK(t.server->load_n <= 1 << 20);
    }
    for (int i = 0; i < 4; i++)
        CHECK_INT(reply_of(&t, ids[i])->code, i < 2 ? NGHTTP2_REFUSED_STREAM : 0);
    run(&t, 62 * NS_PER_S);
    for (int i = 2; i < 4; i++)
        CHECK_INT(reply_of(&t, ids[i])->code, NGHTTP2_CANCEL);
    CHECK_INT(t.server->load_n, 0);
    ids[0] = ask(&t, "GET", "/hold", 0, NULL);
    run(&t, NS_PER_S);
    http_start(t.held, 200, NULL, 0);
    http_write(t.held, (str){p, 400000});
    http_end(t.held);
    for (int i = 0; i < 4; i++) { /* slowly, but it is read */
        run(&t, 50 * NS_PER_S);
        CHECK(!reply_of(&t, ids[0])->closed);
        nghttp2_submit_window_update(t.session, NGHTTP2_FLAG_NONE, 0, 50000);
        nghttp2_submit_window_update(t.session, NGHTTP2_FLAG_NONE, ids[0], 50000);
    }
    run(&t, 122 * NS_PER_S);
    CHECK_INT(reply_of(&t, ids[0])->code, NGHTTP2_CANCEL);
    CHECK_INT(t.server->load_n, 0);
    mem_free(p);
    talk_fini(&t);
}

TEST(http2, answer_that_is_broken_off_resets_its_stream)
{
    struct talk t;
    int32_t id;

    talk_init(&t, 0);
    id = ask(&t, "GET", "/hold", 0, NULL);
    run(&t, NS_PER_S);
    http_start(t.held, 200, NULL, 0);
    http_write(t.held, S("half"));
    http_abort(t.held);
    run(&t, NS_PER_S);
    CHECK(reply_of(&t, id)->closed);
    CHECK_INT(reply_of(&t, id)->code, NGHTTP2_INTERNAL_ERROR);
    id = ask(&t, "GET", "/a", 0, NULL);
    run(&t, NS_PER_S);
    CHECK_STRZ(buf_view(&reply_of(&t, id)->body), "/a");
    CHECK_INT(t.server->load_n, 0);
    talk_fini(&t);
}

TEST(http2, pings_keep_no_idle_connection)
{
    struct talk t;

    talk_init(&t, 0);
    ask(&t, "GET", "/a", 0, NULL);
    for (int i = 0; i < 8 && !t.ended; i++) {
        run(&t, 10 * NS_PER_S);
        nghttp2_submit_ping(t.session, NGHTTP2_FLAG_NONE, NULL);
    }
    CHECK(!t.ended);
    run(&t, 15 * NS_PER_S);
    CHECK(t.ended);
    talk_fini(&t);
}

TEST(http2, handler_hears_of_reset_streams_and_of_lost_connections)
{
    struct talk t;
    int32_t id;

    talk_init(&t, 0);
    id = ask(&t, "GET", "/hold", 0, NULL);
    run(&t, NS_PER_MS);
    CHECK(t.held != NULL);
    nghttp2_submit_rst_stream(t.session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    run(&t, NS_PER_MS);
    CHECK_INT(t.gone, 1);
    ask(&t, "GET", "/hold", 0, NULL);
    run(&t, NS_PER_MS);
    stream_close(TAKE(t.client), NULL, NULL);
    run(&t, NS_PER_S);
    CHECK_INT(t.gone, 2);
    talk_fini(&t);
}

TEST(http2, stream_without_window_queues_and_its_drain_is_told)
{
    struct talk t;
    int32_t id;

    talk_init(&t, 0);
    id = ask(&t, "GET", "/hold", 0, NULL);
    run(&t, NS_PER_MS);
    t.no_windows = true;
    http_start(t.held, 200, NULL, 0);
    for (int i = 0; i < 200; i++)
        http_write(t.held, S("012345678901234567890123456789012345678901234567890123456789012345678"
                             "9012345678901234567890123456789"));
    run(&t, NS_PER_MS);
    CHECK_INT(reply_of(&t, id)->body.n, 20000);
    for (int i = 0; i < 10; i++) {
        char *p = mem_zalloc(100000);

        http_write(t.held, (str){p, 100000});
        mem_free(p);
    }
    run(&t, NS_PER_MS);
    CHECK_INT(reply_of(&t, id)->body.n, 65535);
    CHECK_INT(http_queued(t.held), 1020000 - 65535);
    CHECK_INT(t.drained, 0);
    nghttp2_submit_window_update(t.session, NGHTTP2_FLAG_NONE, id, 1 << 24);
    nghttp2_submit_window_update(t.session, NGHTTP2_FLAG_NONE, 0, 1 << 24);
    run(&t, NS_PER_S);
    CHECK_INT(reply_of(&t, id)->body.n, 1020000);
    CHECK_INT(t.drained, 1);
    http_end(t.held);
    run(&t, NS_PER_S);
    CHECK(reply_of(&t, id)->closed);
    talk_fini(&t);
}

TEST(http2, garbage_ends_the_connection_and_idleness_too)
{
    struct talk t;

    talk_init(&t, 0);
    ask(&t, "GET", "/a", 0, NULL);
    run(&t, NS_PER_MS);
    stream_write(t.client, S("this is no frame at all, is it? no no no no no no"), NULL, NULL);
    run(&t, NS_PER_S);
    CHECK(t.ended);
    talk_fini(&t);
    talk_init(&t, 0);
    ask(&t, "GET", "/a", 0, NULL);
    run(&t, 89 * NS_PER_S);
    CHECK(!t.ended);
    run(&t, 2 * NS_PER_S);
    CHECK(t.ended);
    talk_fini(&t);
}
