/* http_test.c - the server over HTTP/1.1, on pairs of streams under the virtual clock. */
#include "test/test.h"
#include "wire/websocket.h"
#include "wire/http.h"
#include "wire/http_internal.h"

#define NOW_S INT64_C(1790000000) /* Mon, 21 Sep 2026 14:13:20 GMT */

struct talk {
    struct loop *loop;
    struct http_server *server;
    struct stream *client;
    struct buf got, log;
    bool ended, closed;
    struct http_exchange *held; /* "/hold": answered by the test */
    struct stream *tunnel;
    struct buf tunnel_got;
    int gone, drained, tunnel_ended;
};

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

static void on_tunnel_data(void *ctx, const char *p, size_t n)
{
    buf_add(&((struct talk *)ctx)->tunnel_got, p, n);
}

static void on_tunnel_end(void *ctx, int error)
{
    ((struct talk *)ctx)->tunnel_ended++;
}

static const struct stream_events tunnel_events = {.data = on_tunnel_data, .end = on_tunnel_end};

static void handler(void *ctx, struct http_exchange *ex)
{
    struct talk *t = ctx;
    const struct http_request *r = &ex->req;

    buf_fmt(&t->log, PRI_STR " " PRI_STR " [" PRI_STR "]\n", STR_ARG(r->method), STR_ARG(r->target),
            STR_ARG(r->body));
    if (str_is(r->path, "/hold")) {
        t->held = ex;
        ex->user = t;
        ex->on_gone = on_gone;
        ex->on_drain = on_drain;
    } else if (str_is(r->path, "/stream")) {
        http_start(ex, 200, NULL, 0);
        http_write(ex, S("one"));
        http_write(ex, S("two, a longer one"));
        http_end(ex);
    } else if (str_is(r->path, "/none")) {
        http_reply(ex, 204, NULL, S(""));
    } else if (r->is_upgrade) {
        static const struct http_header headers[] = {{STR("Connection"), STR("Upgrade")},
                                                     {STR("Upgrade"), STR("SPDY/3.1")}};

        t->tunnel = http_upgrade(ex, headers, 2);
    } else {
        http_reply(ex, 200, "text/plain", r->target);
    }
}

static void on_client_data(void *ctx, const char *p, size_t n)
{
    buf_add(&((struct talk *)ctx)->got, p, n);
}

static void on_client_end(void *ctx, int error)
{
    ((struct talk *)ctx)->ended = true;
}

static const struct stream_events client_events = {.data = on_client_data, .end = on_client_end};

static void talk_run(struct talk *t, int64_t ns)
{
    loop_virtual_run(t->loop, loop_virtual_elapsed_ns(t->loop) + ns, NULL, NULL);
}

static void talk_open(struct talk *t)
{
    struct stream *conn;

    stream_pair(t->loop, &t->client, &conn);
    t->ended = false;
    buf_clear(&t->got);
    http_server_serve_stream(t->server, conn);
    stream_start(t->client, &client_events, t);
}

static void talk_init(struct talk *t, const struct http_server_options *o)
{
    static const struct http_server_options none;

    memset(t, 0, sizeof *t);
    t->loop = loop_new_virtual(1, (wall_time){NOW_S * NS_PER_S});
    t->server = http_server_new(t->loop, o ? o : &none, handler, t);
    talk_open(t);
}

static void on_closed(void *ctx)
{
    ((struct talk *)ctx)->closed = true;
}

static void talk_fini(struct talk *t)
{
    if (t->client)
        stream_close(t->client, NULL, NULL);
    if (t->tunnel)
        stream_close(t->tunnel, NULL, NULL);
    http_server_close(t->server, on_closed, t);
    talk_run(t, 1000 * NS_PER_S);
    CHECK(t->closed);
    buf_fini(&t->got);
    buf_fini(&t->log);
    buf_fini(&t->tunnel_got);
    loop_free(t->loop);
}

/* Sends, runs a little, and returns all that came back since the last time; borrowed until the
 * next call. */
static str ask(struct talk *t, const char *text)
{
    buf_clear(&t->got);
    stream_write(t->client, str_of(text), NULL, NULL);
    talk_run(t, NS_PER_MS * 100);
    return buf_view(&t->got);
}

#define DATE "Date: Mon, 21 Sep 2026 14:13:20 GMT\r\n"

TEST(http_server, answers_and_keeps_the_connection)
{
    struct talk t;

    talk_init(&t, NULL);
    for (int i = 0; i < 3; i++)
        CHECK_STRZ(ask(&t, "GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n"),
                   "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n" DATE
                   "\r\n/a?b");
    CHECK_STRZ(ask(&t, "HEAD /abc HTTP/1.1\r\nHost: x\r\n\r\n"),
               "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n" DATE "\r\n");
    CHECK_STRZ(ask(&t, "DELETE /none HTTP/1.1\r\nHost: x\r\n\r\n"),
               "HTTP/1.1 204 No Content\r\n" DATE "\r\n");
    CHECK(!t.ended);
    talk_fini(&t);
}

TEST(http_server, keeps_no_more_spare_memory_than_connections)
{
    struct stream *others[5];
    struct talk t;

    talk_init(&t, NULL);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        others[i] = t.client;
        ask(&t, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
        talk_open(&t);
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        stream_write(others[i], S("GET /b HTTP/1.1\r\nHost: x\r\n\r\n"), NULL, NULL);
    talk_run(&t, NS_PER_MS * 100);
    CHECK(t.server->n_arenas > 0);
    CHECK(t.server->n_bufs > 0);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        stream_close(others[i], NULL, NULL);
    stream_close(TAKE(t.client), NULL, NULL);
    talk_run(&t, NS_PER_S);
    CHECK_INT(t.server->n_connections, 0);
    CHECK_INT(t.server->n_arenas, 0);
    CHECK_INT(t.server->n_bufs, 0);
    talk_fini(&t);
}

TEST(http_server, request_is_understood_however_it_is_cut)
{
    static const char text[] = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
                               "\r\nPOST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                               "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
                               "GET /c HTTP/1.1\r\nHost: x\r\n\r\n";

    for (size_t step = 1; step < sizeof text; step += step < 20 ? 1 : 13) {
        struct talk t;

        talk_init(&t, NULL);
        for (size_t at = 0; at < sizeof text - 1; at += step) {
            stream_write(t.client, (str){text + at, MIN(step, sizeof text - 1 - at)}, NULL, NULL);
            talk_run(&t, NS_PER_MS);
        }
        talk_run(&t, NS_PER_S);
        CHECK_STRZ(buf_view(&t.log), "POST /a [hello]\nPOST /b [abcde]\nGET /c []\n");
        talk_fini(&t);
    }
}

TEST(http_server, pipelined_requests_are_answered_in_order)
{
    struct talk t;
    str got;

    talk_init(&t, NULL);
    got = ask(&t, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\nGET /3 "
                  "HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_STRZ(got, "");
    CHECK(t.held != NULL);
    http_reply(t.held, 200, "text/plain", S("1"));
    talk_run(&t, NS_PER_S);
    CHECK_STRZ(buf_view(&t.got),
               "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n" DATE "\r\n1"
               "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n" DATE "\r\n/2"
               "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n" DATE
               "\r\n/3");
    talk_fini(&t);
}

TEST(http_server, unknown_length_is_chunked_or_ends_with_the_connection)
{
    struct talk t;

    talk_init(&t, NULL);
    CHECK_STRZ(
        ask(&t, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"),
        "HTTP/1.1 200 OK\r\n" DATE
        "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n11\r\ntwo, a longer one\r\n0\r\n\r\n");
    CHECK_STRZ(ask(&t, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
               "HTTP/1.1 200 OK\r\n" DATE "\r\nonetwo, a longer one");
    talk_run(&t, NS_PER_S);
    CHECK(t.ended);
    talk_fini(&t);
}

TEST(http_server, shared_pieces_leave_in_the_order_of_the_writes)
{
    const struct bytes *piece = bytes_new(S("shared"));
    struct talk t;

    talk_init(&t, NULL);
    ask(&t, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    http_start(t.held, 200, NULL, 0);
    for (int i = 0; i < 100; i++) /* more than are held at once */
        http_write_bytes(t.held, piece);
    http_write(t.held, S("own"));
    http_write_bytes(t.held, piece);
    CHECK_INT(http_queued(t.held) >= 606, true);
    http_end(t.held);
    talk_run(&t, NS_PER_S);
    for (int i = 0; i < 101; i++) {
        str expected = S("6\r\nshared\r\n");
        ptrdiff_t at = str_find(buf_view(&t.got), i ? expected : S("\r\n\r\n"));

        CHECK(i ? at == 0 : at > 0);
        buf_drop(&t.got, (size_t)at + (i ? expected.n : 4));
    }
    CHECK_STRZ(buf_view(&t.got), "3\r\nown\r\n6\r\nshared\r\n0\r\n\r\n");
    bytes_unref(piece);
    talk_fini(&t);
}

TEST(http_server, connection_ends_when_either_side_says_so)
{
    struct talk t;

    talk_init(&t, NULL);
    CHECK_STRZ(ask(&t, "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /b "
                       "HTTP/1.1\r\nHost: x\r\n\r\n"),
               "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n" DATE
               "Connection: close\r\n\r\n/a");
    talk_run(&t, NS_PER_S);
    CHECK(t.ended);
    CHECK_STRZ(buf_view(&t.log), "GET /a []\n");
    talk_fini(&t);
}

TEST(http_server, malformed_request_is_answered_as_by_go_and_ends_the_connection)
{
    static const struct {
        const char *request, *answer;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n",
         "HTTP/1.1 400 Bad Request: missing required Host header\r\nContent-Type: text/plain; "
         "charset=utf-8\r\n"
         "Connection: close\r\n\r\n400 Bad Request: missing required Host header"},
        {"garbage\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
         "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: "
         "close\r\n\r\n400 Bad Request"},
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz",
         "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: "
         "close\r\n\r\n400 Bad Request"},
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
         "HTTP/1.1 501 Not Implemented\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: "
         "close\r\n\r\nUnsupported transfer encoding"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct talk t;

        talk_init(&t, NULL);
        CHECK_STRZ(ask(&t, cases[i].request), cases[i].answer);
        talk_run(&t, NS_PER_S);
        CHECK(t.ended);
        CHECK_STRZ(buf_view(&t.log), "");
        talk_fini(&t);
    }
}

TEST(http_server, too_large_head_is_431_and_body_413_as_status)
{
    struct http_server_options o = {.head_limit = 1000, .body_limit = 10, .status_errors = true};
    static const str head = STR("HTTP/1.1 413 Request Entity Too Large\r\nContent-Type: "
                                "application/json\r\nContent-Length: 163\r\n");
    static const str body =
        STR("Connection: close\r\n\r\n"
            "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
            "\"message\":\"Request entity too large: limit is 10\","
            "\"reason\":\"RequestEntityTooLarge\",\"code\":413}\n");
    static const char *const requests[] = {
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
        "chunked\r\n\r\n6\r\n123456\r\n5\r\n12345\r\n0\r\n\r\n",
    };
    CLEANUP(buf) struct buf big = BUF_INIT;
    struct talk t;

    talk_init(&t, &o);
    for (int i = 0; i < 200; i++)
        buf_z(&big, i ? "header: value\r\n" : "GET / HTTP/1.1\r\n");
    CHECK(str_has_prefix(ask(&t, buf_cstr(&big)),
                         S("HTTP/1.1 431 Request Header Fields Too Large\r\n")));
    talk_run(&t, NS_PER_S);
    CHECK(t.ended);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        stream_close(t.client, NULL, NULL);
        talk_open(&t);
        ask(&t, requests[i]);
        CHECK(str_has_prefix(buf_view(&t.got), head) && str_has_suffix(buf_view(&t.got), body));
        talk_run(&t, NS_PER_S);
        CHECK(t.ended);
    }
    CHECK_STRZ(buf_view(&t.log), "");
    talk_fini(&t);
}

TEST(http_server, continue_is_sent_to_who_waits_for_it)
{
    struct talk t;

    talk_init(&t, NULL);
    CHECK_STRZ(
        ask(&t, "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"),
        "HTTP/1.1 100 Continue\r\n\r\n");
    CHECK_STRZ(ask(&t, "ab"),
               "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n" DATE
               "\r\n/p");
    CHECK_STRZ(buf_view(&t.log), "POST /p [ab]\n");
    talk_fini(&t);
}

TEST(http_server, handler_hears_once_when_the_peer_goes)
{
    struct talk t;

    talk_init(&t, NULL);
    ask(&t, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(t.held != NULL);
    stream_close(t.client, NULL, NULL);
    t.client = NULL;
    talk_run(&t, NS_PER_S);
    CHECK_INT(t.gone, 1);
    talk_fini(&t);
}

TEST(http_server, exchange_may_outlive_its_connection)
{
    struct talk t;
    struct http_exchange *ex;

    talk_init(&t, NULL);
    ask(&t, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    ex = t.held;
    ex->on_gone = NULL;
    http_start(ex, 200, NULL, 0);
    stream_close(t.client, NULL, NULL);
    t.client = NULL;
    talk_run(&t, NS_PER_S);
    CHECK(ex->gone);
    http_write(ex, S("into the void"));
    CHECK_INT(http_queued(ex), 0);
    CHECK(ex->req.peer.address.p != NULL);
    http_end(ex);
    talk_fini(&t);
}

TEST(http_server, what_a_slow_peer_does_not_read_is_counted_and_its_drain_is_told)
{
    CLEANUP(buf) struct buf big = BUF_INIT;
    const struct bytes *shared;
    struct talk t;

    talk_init(&t, NULL);
    ask(&t, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(t.held != NULL);
    stream_pause(t.client);
    for (int i = 0; i < 40000; i++)
        buf_z(&big, "0123456789abcdef");
    shared = bytes_new(buf_view(&big));
    http_start(t.held, 200, NULL, 0);
    for (int i = 0; i < 8; i++)
        http_write_bytes(t.held, shared);
    CHECK(http_queued(t.held) >= 8 * big.n - ((size_t)1 << 20));
    bytes_unref(shared);
    CHECK_INT(t.drained, 0);
    stream_start(t.client, &client_events, &t);
    talk_run(&t, NS_PER_S);
    CHECK(t.drained >= 1);
    http_end(t.held);
    talk_run(&t, NS_PER_S);
    CHECK(t.got.n > 8 * big.n);
    CHECK(str_has_suffix(buf_view(&t.got), S("\r\n0\r\n\r\n")));
    talk_fini(&t);
}

TEST(http_server, upgrade_hands_over_the_bytes_behind_the_head)
{
    struct talk t;

    talk_init(&t, NULL);
    CHECK_STRZ(
        ask(&t, "POST /exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: "
                "SPDY/3.1\r\nContent-Length: 0\r\n\r\nearly "),
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n");
    CHECK(t.tunnel != NULL);
    stream_write(t.client, S("bird"), NULL, NULL);
    talk_run(&t, NS_PER_S);
    stream_start(t.tunnel, &tunnel_events, &t);
    talk_run(&t, NS_PER_S);
    CHECK_STRZ(buf_view(&t.tunnel_got), "early bird");
    buf_clear(&t.got);
    stream_write(t.tunnel, S("back"), NULL, NULL);
    talk_run(&t, NS_PER_S);
    CHECK_STRZ(buf_view(&t.got), "back");
    stream_shutdown(t.client);
    talk_run(&t, NS_PER_S);
    CHECK_INT(t.tunnel_ended, 1);
    talk_fini(&t);
}

TEST(http_server, end_that_comes_before_the_tunnel_is_read_is_not_lost)
{
    struct talk t;

    talk_init(&t, NULL);
    ask(&t,
        "POST /exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nlast");
    stream_shutdown(t.client);
    talk_run(&t, NS_PER_S);
    stream_start(t.tunnel, &tunnel_events, &t);
    talk_run(&t, NS_PER_S);
    CHECK_STRZ(buf_view(&t.tunnel_got), "last");
    CHECK_INT(t.tunnel_ended, 1);
    talk_fini(&t);
}

TEST(http_server, answers_become_messages_pings_are_answered_and_a_goodbye_ends_them)
{
    static const unsigned char mask[4] = {1, 2, 3, 4};
    static const char request[] =
        "GET /hold HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    CLEANUP(buf) struct buf said = BUF_INIT;
    struct http_header h = {S("Sec-WebSocket-Protocol"), S("p")};
    const struct bytes *shared = bytes_new(S("two"));
    struct talk t;

    talk_init(&t, NULL);
    ask(&t, request);
    CHECK(http_messages(t.held, &h, 1, true));
    talk_run(&t, NS_PER_S);
    CHECK_STRZ(
        buf_view(&t.got),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: p\r\n\r\n");
    buf_clear(&t.got);
    http_write(t.held, S(""));
    http_write(t.held, S("one"));
    http_write_bytes(t.held, shared);
    bytes_unref(shared);
    websocket_frame(&said, WEBSOCKET_TEXT, S("not heard"), mask);
    websocket_frame(&said, WEBSOCKET_PING, S("?"), mask);
    for (size_t i = 0; i < said.n; i++) { /* in the smallest pieces */
        stream_write(t.client, (str){said.p + i, 1}, NULL, NULL);
        talk_run(&t, NS_PER_S / 100);
    }
    CHECK_STR(buf_view(&t.got), ((str){"\x81\x00\x81\x03one\x81\x03two\x8a\x01?", 15}));
    buf_clear(&t.got);
    http_end(t.held);
    talk_run(&t, NS_PER_S);
    CHECK_STRZ(buf_view(&t.got), "\x88\x02\x03\xe8");
    CHECK(t.ended);
    talk_fini(&t);

    talk_init(&t, NULL);
    ask(&t, request);
    CHECK(http_messages(t.held, NULL, 0, false));
    buf_clear(&said);
    websocket_frame(&said, WEBSOCKET_CLOSE, S(""), mask);
    stream_write(t.client, buf_view(&said), NULL, NULL);
    talk_run(&t, NS_PER_S);
    CHECK_INT(t.gone, 1);
    talk_fini(&t);

    talk_init(&t, NULL);
    ask(&t, "GET /hold HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    CHECK(!http_messages(t.held, NULL, 0, false)); /* without a key */
    http_reply(t.held, 400, NULL, S(""));
    talk_fini(&t);
}

TEST(http_server, idle_and_dawdling_connections_end)
{
    static const struct {
        const char *said;
        int64_t after_s;
    } cases[] = {
        {"", 32},
        {"GET / HTT", 32},
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 90},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab", 60},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nConnection: close\r\n\r\n123456789",
         0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct talk t;

        talk_init(&t, NULL);
        ask(&t, cases[i].said);
        if (cases[i].after_s) {
            talk_run(&t, (cases[i].after_s - 1) * NS_PER_S);
            CHECK(!t.ended);
        }
        talk_run(&t, 2 * NS_PER_S);
        CHECK(t.ended);
        talk_fini(&t);
    }
}

/* ---- what requests hold ---- */

#define HEAD 100 /* bytes of each head */

static void send_head(struct talk *t, size_t length)
{
    CLEANUP(buf) struct buf head = BUF_INIT;

    buf_z(&head, "POST /b HTTP/1.1\r\nHost: x\r\n");
    if (length)
        buf_fmt(&head, "Content-Length: %zu\r\n", length);
    else
        buf_z(&head, "Transfer-Encoding: chunked\r\n");
    buf_z(&head, "A: ");
    while (head.n < HEAD - 4)
        buf_char(&head, 'a');
    buf_z(&head, length ? "\r\n\r\n" : "\r\n\r\nffffff\r\n");
    ask(t, buf_cstr(&head));
}

static void send_bytes(struct talk *t, size_t n)
{
    char *p = mem_alloc(n);

    memset(p, 'b', n);
    stream_write(t->client, (str){p, n}, NULL, NULL);
    mem_free(p);
    talk_run(t, 100 * NS_PER_MS);
}

TEST(http_server, half_sent_bodies_hold_bounded_memory_and_make_room_for_honest_ones)
{
    enum { LIMIT = 1 << 20, HALF = 60000, N = 100, KEPT = LIMIT / (HALF + HEAD) };
    struct http_server_options o = {.load_limit = LIMIT};
    struct stream *attackers[N], *honest = NULL;
    struct talk t;

    talk_init(&t, &o);
    for (int i = 0; i < N; i++) {
        if (i)
            talk_open(&t);
        attackers[i] = t.client;
        send_head(&t, i % 2 ? 2 * HALF : 0);
        send_bytes(&t, HALF);
        CHECK_INT(t.ended, i >= KEPT); /* the oldest, which tells the same talk */
        CHECK_INT(t.server->load_n,
                  (size_t)MIN(i + 1, KEPT) * (HALF + HEAD) + (i > N - 5 ? HEAD : 0));
        if (i == N - 5) { /* begins, and goes on when the others have sent more */
            talk_open(&t);
            honest = t.client;
            send_head(&t, 200);
        }
    }
    t.client = honest;
    send_bytes(&t, 100);
    CHECK_INT(t.server->load_n, KEPT * (HALF + HEAD) + HEAD + 100);
    buf_clear(&t.got);
    send_bytes(&t, 100);
    CHECK(str_has_prefix(buf_view(&t.got), S("HTTP/1.1 200 OK\r\n")));
    CHECK_INT(t.server->load_n, KEPT * (HALF + HEAD));
    CHECK(str_has_prefix(buf_view(&t.log), S("POST /b [bbb")));
    CHECK_INT(t.log.n, 200 + strlen("POST /b []\n"));
    for (int i = 0; i < N; i++)
        stream_close(attackers[i], NULL, NULL);
    talk_run(&t, NS_PER_S);
    CHECK_INT(t.server->load_n, 0);
    CHECK(list_is_empty(&t.server->loads));
    talk_fini(&t);
}

TEST(http_server, body_without_room_is_answered_503_and_may_be_sent_again)
{
    struct http_server_options o = {.load_limit = 1000};
    struct stream *first;
    struct talk t;

    talk_init(&t, &o);
    first = t.client;
    send_head(&t, 900);
    send_bytes(&t, 600);
    talk_open(&t);
    send_head(&t, 900);
    send_bytes(&t, 600);
    CHECK_STRZ(buf_view(&t.got), "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; "
                                 "charset=utf-8\r\nContent-Length: 23\r\nRetry-After: 1\r\n" DATE
                                 "Connection: close\r\n\r\n503 Service Unavailable");
    CHECK(t.ended); /* both clients tell the same talk: it was the first */
    buf_clear(&t.got);
    send_bytes(&t, 300);
    CHECK(str_has_prefix(buf_view(&t.got), S("HTTP/1.1 200 OK\r\n")));
    stream_close(t.client, NULL, NULL);
    talk_open(&t);
    send_head(&t, 2000); /* alone, and yet too long */
    send_bytes(&t, 1001 - HEAD);
    CHECK(str_has_prefix(buf_view(&t.got), S("HTTP/1.1 503 ")));
    CHECK_INT(t.server->load_n, 0);
    stream_close(first, NULL, NULL);
    talk_fini(&t);
}

TEST(http_server, bodies_of_many_honest_writers_fit_at_the_same_time)
{
    enum { N = 64, SIZE = 1500000 };
    struct stream *clients[N];
    struct talk t;

    talk_init(&t, NULL);
    for (int i = 0; i < N; i++) {
        if (i)
            talk_open(&t);
        clients[i] = t.client;
        send_head(&t, SIZE);
        send_bytes(&t, SIZE - 1);
    }
    CHECK_INT(t.server->load_n, (size_t)N * (HEAD + SIZE - 1));
    for (int i = 0; i < N; i++) {
        t.client = clients[i];
        buf_clear(&t.log);
        buf_clear(&t.got);
        send_bytes(&t, 1);
        CHECK(str_has_prefix(buf_view(&t.got), S("HTTP/1.1 200 OK\r\n")));
        CHECK_INT(t.log.n, SIZE + strlen("POST /b []\n"));
        if (i < N - 1)
            stream_close(t.client, NULL, NULL);
    }
    CHECK_INT(t.server->load_n, 0);
    talk_fini(&t);
}

TEST(http_server, body_that_trickles_ends_in_time)
{
    for (size_t length = 0; length <= 100000; length += 50000) {
        struct talk t;

        talk_init(&t, NULL);
        send_head(&t, length);
        for (int s = 0; s < 59; s++) {
            send_bytes(&t, 1);
            talk_run(&t, 900 * NS_PER_MS);
            CHECK(!t.ended);
        }
        talk_run(&t, 2 * NS_PER_S);
        CHECK(str_has_prefix(buf_view(&t.got), S("HTTP/1.1 408 Request Timeout\r\n")));
        CHECK(t.ended);
        CHECK_INT(t.server->load_n, 0);
        CHECK_STRZ(buf_view(&t.log), "");
        talk_fini(&t);
    }
}

TEST(http_server, half_sent_heads_hold_bounded_memory_and_make_room_for_honest_ones)
{
    enum { LIMIT = 1 << 20, HALF = 60000, N = 100, KEPT = LIMIT / HALF };
    struct http_server_options o = {.load_limit = LIMIT};
    struct stream *attackers[N];
    struct talk t;
    str refused;

    talk_init(&t, &o);
    for (int i = 0; i < N; i++) {
        if (i)
            talk_open(&t);
        attackers[i] = t.client;
        ask(&t, "GET /");
        send_bytes(&t, HALF - 5);
        CHECK_INT(t.ended, i >= KEPT);
        CHECK_INT(t.server->load_n, (size_t)MIN(i + 1, KEPT) * HALF);
    }
    refused = S("HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
                "Connection: close\r\n\r\n503 Service Unavailable");
    CHECK_STR(buf_view(&t.got), refused);
    talk_open(&t);
    CHECK(str_has_prefix(ask(&t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), S("HTTP/1.1 200 OK")));
    for (int i = 0; i < N; i++)
        stream_close(attackers[i], NULL, NULL);
    talk_run(&t, NS_PER_S);
    CHECK_INT(t.server->load_n, 0);
    CHECK(list_is_empty(&t.server->loads));
    talk_fini(&t);
}

TEST(http_server, large_requests_that_run_fill_the_limit_but_leave_room_for_small_ones)
{
    enum { LIMIT = 1 << 20, LARGE = 300000 };
    struct http_server_options o = {.load_limit = LIMIT};
    struct stream *clients[4];
    struct http_exchange *held[4];
    CLEANUP(buf) struct buf head = BUF_INIT;
    struct talk t;

    talk_init(&t, &o);
    buf_z(&head, "GET /hold HTTP/1.1\r\nHost: x\r\nA: ");
    while (head.n < LARGE - 4)
        buf_char(&head, 'a');
    buf_z(&head, "\r\n\r\n");
    for (int i = 0; i < 4; i++) {
        if (i)
            talk_open(&t);
        clients[i] = t.client;
        t.held = NULL;
        ask(&t, buf_cstr(&head));
        held[i] = t.held;
        CHECK((held[i] != NULL) == (i < 3));
    }
    CHECK(str_has_prefix(buf_view(&t.got), S("HTTP/1.1 503 Service Unavailable\r\n")));
    CHECK_INT(t.server->load_n, 3 * LARGE);
    talk_open(&t);
    CHECK(str_has_prefix(ask(&t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), S("HTTP/1.1 200 OK")));
    ask(&t, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(t.held != NULL);
    CHECK_INT(t.server->load_n, 3 * LARGE); /* small ones run uncounted */
    for (int i = 0; i < 3; i++)
        http_end(held[i]);
    CHECK_INT(t.server->load_n, 0);
    for (int i = 0; i < 4; i++)
        stream_close(clients[i], NULL, NULL);
    talk_fini(&t);
}

/* Asks for much more than the peer's side of the pair takes, without reading. */
static size_t ask_and_not_read(struct talk *t)
{
    CLEANUP(buf) struct buf many = BUF_INIT, path = BUF_INIT;
    enum { N = 4000 };

    while (path.n < 1000)
        buf_z(&path, "/longpath");
    for (int i = 0; i < N; i++)
        buf_fmt(&many, "GET " PRI_STR " HTTP/1.1\r\nHost: x\r\n\r\n", STR_ARG(buf_view(&path)));
    stream_pause(t->client);
    stream_write(t->client, buf_view(&many), NULL, NULL);
    talk_run(t, NS_PER_S);
    return N;
}

static size_t count_answers(const struct talk *t)
{
    str rest = buf_view(&t->got);
    size_t n = 0;

    for (ptrdiff_t at; (at = str_find(rest, S("HTTP/1.1 200 OK\r\n"))) >= 0; n++)
        rest = str_skip(rest, (size_t)at + 10);
    return n;
}

TEST(http_server, answer_that_is_broken_off_is_not_taken_for_whole)
{
    static const struct http_header length[] = {{STR("Content-Length"), STR("100")}};

    for (size_t n = 0; n < 2; n++) {
        struct talk t;

        talk_init(&t, NULL);
        ask(&t, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
        http_start(t.held, 200, length, n);
        http_write(t.held, S("half"));
        http_abort(t.held);
        talk_run(&t, NS_PER_S);
        CHECK(str_has_suffix(buf_view(&t.got), n ? S("\r\n\r\nhalf") : S("\r\n\r\n4\r\nhalf\r\n")));
        CHECK(t.ended);
        talk_fini(&t);
    }
}

TEST(http_server, who_does_not_read_his_answers_gets_no_further_ones)
{
    struct http_conn *c;
    struct talk t;
    size_t n;

    talk_init(&t, NULL);
    n = ask_and_not_read(&t);
    c = LIST_ITEM(t.server->connections.next, struct http_conn, link);
    CHECK(c->h1.clogged);
    CHECK(http_conn_queued(c) < HTTP_QUEUE_HIGH);
    CHECK_INT(t.server->load_n, http_conn_queued(c));
    stream_start(t.client, &client_events, &t);
    talk_run(&t, NS_PER_S);
    CHECK_INT(count_answers(&t), n);
    CHECK(!t.ended && !c->h1.clogged);
    CHECK_INT(t.server->load_n, 0);
    CHECK(str_has_prefix(ask(&t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), S("HTTP/1.1 200 OK")));
    talk_run(&t, 88 * NS_PER_S);
    CHECK(!t.ended);
    talk_run(&t, 3 * NS_PER_S);
    CHECK(t.ended);
    talk_fini(&t);
}

static void on_slow_data(void *ctx, const char *p, size_t n)
{
    stream_pause(((struct talk *)ctx)->client);
}

static const struct stream_events slow_events = {.data = on_slow_data, .end = on_client_end};

TEST(http_server, who_never_reads_loses_his_connection_and_whoever_reads_slowly_keeps_it)
{
    static const char *const last[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                                       "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"};

    for (int reads = 0; reads < 2; reads++)
        for (size_t i = 0; i < ARRAY_LEN(last); i++) {
            struct talk t;

            talk_init(&t, NULL);
            ask(&t, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
            stream_pause(t.client);
            http_start(t.held, 200, NULL, 0);
            for (int k = 0; k < 20000; k++)
                http_write(t.held, S("0123456789012345678901234567890123456789012345678901234567890"
                                     "123456789012345678901234567890123456789"));
            stream_write(t.client, str_of(last[i]), NULL, NULL);
            http_end(t.held);
            for (int s = 0; s < 4; s++) {
                talk_run(&t, 50 * NS_PER_S);
                if (reads)
                    stream_start(t.client, &slow_events, &t);
            }
            CHECK_INT(t.server->n_connections, reads);
            talk_fini(&t);
        }
}

TEST(http_server, refuses_connections_beyond_its_limit)
{
    struct http_server_options o = {.connections_max = 1};
    struct stream *first;
    struct talk t;

    talk_init(&t, &o);
    ask(&t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    first = t.client;
    talk_open(&t);
    talk_run(&t, NS_PER_S);
    CHECK(t.ended);
    stream_close(t.client, NULL, NULL);
    t.client = first;
    CHECK(str_has_prefix(ask(&t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), S("HTTP/1.1 200 OK")));
    talk_fini(&t);
}

TEST(http_server, close_drops_what_is_running)
{
    struct talk t;

    talk_init(&t, NULL);
    ask(&t, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(t.held != NULL);
    talk_fini(&t);
    CHECK_INT(t.gone, 1);
}

TEST_MAIN
