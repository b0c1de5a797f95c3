/* http_client_test.c - the client against the server, and against servers that misbehave;
 * virtual clock and network. */
#include "test/test.h"
#include "wire/http.h"

#define NOW_S INT64_C(1790000000)
#define URL "http://127.0.0.1:80"

struct world {
    struct loop *loop;
    struct http_server *server;
    struct http_client *client;
    struct listener *raw; /* a server that says what the test says */
    const char *raw_says; /* NULL: listens only */
    bool raw_closes;
    struct stream *raw_streams[8];
    size_t n_raw;
    struct buf raw_got;
    struct buf log;
    int server_requests;
    struct http_exchange *held;
    struct stream *tunnel;
};

struct answer {
    struct world *w;
    struct http_call *call;
    int status, heads, dones;
    struct buf body, err;
    bool pause_on_data;
    struct stream *upgraded;
    bool closed;
};

static void run(struct world *w, int64_t ns)
{
    loop_virtual_run(w->loop, loop_virtual_elapsed_ns(w->loop) + ns, NULL, NULL);
}

static void handler(void *ctx, struct http_exchange *ex)
{
    struct world *w = ctx;
    const struct http_request *r = &ex->req;

    w->server_requests++;
    buf_fmt(&w->log, PRI_STR " " PRI_STR " " PRI_STR " [" PRI_STR "]\n",
            STR_ARG(http_header(r, "host")), STR_ARG(r->method), STR_ARG(r->target),
            STR_ARG(r->body));
    if (r->is_upgrade) {
        static const struct http_header headers[] = {{STR("Connection"), STR("Upgrade")},
                                                     {STR("Upgrade"), STR("x")}};

        w->tunnel = http_upgrade(ex, headers, 2);
        stream_write(w->tunnel, S("hello through the tunnel"), NULL, NULL);
    } else if (str_is(r->path, "/hold")) {
        w->held = ex;
        ex->user = w;
    } else if (str_is(r->path, "/big")) {
        CLEANUP(buf) struct buf b = BUF_INIT;

        for (int i = 0; i < 100000; i++)
            buf_fmt(&b, "%07d\n", i);
        http_reply(ex, 200, "text/plain", buf_view(&b));
    } else if (str_is(r->path, "/stream")) {
        http_start(ex, 200, NULL, 0);
        for (int i = 0; i < 100; i++)
            http_write(ex, S("0123456789"));
        http_end(ex);
    } else if (str_is(r->path, "/close")) {
        static const struct http_header headers[] = {{STR("Connection"), STR("close")},
                                                     {STR("Content-Length"), STR("3")}};

        http_start(ex, 200, headers, 2);
        http_write(ex, S("bye"));
        http_end(ex);
    } else {
        http_reply(ex, str_is(r->path, "/missing") ? 404 : 200, "text/plain", r->target);
    }
}

static void world_init(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->loop = loop_new_virtual(7, (wall_time){NOW_S * NS_PER_S});
    CHECK_INT(http_server_open(w->loop, S("127.0.0.1:80"), &(struct http_server_options){0},
                               handler, w, &w->server),
              0);
    w->client = http_client_new(w->loop, &(struct http_client_options){0});
}

static void world_fini(struct world *w)
{
    http_client_free(w->client);
    if (w->server)
        http_server_close(w->server, NULL, NULL);
    if (w->raw)
        listener_close(w->raw);
    for (size_t i = 0; i < w->n_raw; i++)
        if (w->raw_streams[i])
            stream_close(w->raw_streams[i], NULL, NULL);
    if (w->tunnel)
        stream_close(w->tunnel, NULL, NULL);
    run(w, 1000 * NS_PER_S);
    buf_fini(&w->log);
    buf_fini(&w->raw_got);
    loop_free(w->loop);
}

static void on_head(void *ctx, const struct http_response *r)
{
    struct answer *a = ctx;

    a->heads++;
    a->status = r->status;
}

static void on_data(void *ctx, const char *p, size_t n)
{
    struct answer *a = ctx;

    buf_add(&a->body, p, n);
    if (a->pause_on_data)
        http_call_pause(a->call, true);
}

static void on_done(void *ctx, struct err *err)
{
    struct answer *a = ctx;

    a->dones++;
    if (err)
        buf_z(&a->err, err_text(err));
    err_free(err);
}

static void on_upgraded(void *ctx, const struct http_response *r, struct stream *s)
{
    struct answer *a = ctx;

    a->status = r->status;
    a->upgraded = s;
}

static const struct http_call_events events = {.head = on_head, .data = on_data, .done = on_done};
static const struct http_call_events upgrade_events = {
    .head = on_head, .data = on_data, .done = on_done, .upgraded = on_upgraded};

static void answer_fini(struct answer *a)
{
    buf_fini(&a->body);
    buf_fini(&a->err);
}

static void ask(struct world *w, struct answer *a, const char *method, const char *url,
                const char *body)
{
    memset(a, 0, sizeof *a);
    a->w = w;
    a->call = http_call(w->client,
                        &(struct http_call_options){.method = str_of(method),
                                                    .url = str_of(url),
                                                    .body = str_of(body),
                                                    .timeout_ns = 30 * NS_PER_S},
                        &events, a);
    CHECK_INT(a->dones, 0);
}

TEST(http_client, gets_answers_over_a_connection_that_is_kept)
{
    struct world w;
    struct answer a;

    world_init(&w);
    for (int i = 0; i < 3; i++) {
        ask(&w, &a, "GET", URL "/a?b=c#fragment", NULL);
        run(&w, NS_PER_S);
        CHECK_INT(a.dones, 1);
        CHECK_INT(a.status, 200);
        CHECK_STRZ(buf_view(&a.body), "/a?b=c");
        CHECK_STRZ(buf_view(&a.err), "");
        answer_fini(&a);
    }
    ask(&w, &a, "POST", URL, "body");
    run(&w, NS_PER_S);
    answer_fini(&a);
    ask(&w, &a, "HEAD", URL "/missing", NULL);
    run(&w, NS_PER_S);
    CHECK_INT(a.status, 404);
    CHECK_INT(a.body.n, 0);
    CHECK_INT(a.dones, 1);
    answer_fini(&a);
    CHECK_STRZ(
        buf_view(&w.log),
        "127.0.0.1:80 GET /a?b=c []\n127.0.0.1:80 GET /a?b=c []\n127.0.0.1:80 GET /a?b=c []\n"
        "127.0.0.1:80 POST / [body]\n127.0.0.1:80 HEAD /missing []\n");
    world_fini(&w);
}

TEST(http_client, reads_bodies_of_every_framing)
{
    static const struct {
        const char *url;
        size_t n;
    } cases[] = {{URL "/big", 800000}, {URL "/stream", 1000}, {URL "/close", 3}};
    struct world w;
    struct answer a;

    world_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ask(&w, &a, "GET", cases[i].url, NULL);
        run(&w, 10 * NS_PER_S);
        CHECK_INT(a.dones, 1);
        CHECK_STRZ(buf_view(&a.err), "");
        CHECK_INT(a.body.n, cases[i].n);
        answer_fini(&a);
    }
    world_fini(&w);
}

TEST(http_client, many_calls_at_once_are_all_answered)
{
    struct world w;
    struct answer a[50];

    world_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(a); i++)
        ask(&w, &a[i], "GET", URL "/big", NULL);
    run(&w, 100 * NS_PER_S);
    for (size_t i = 0; i < ARRAY_LEN(a); i++) {
        CHECK_INT(a[i].dones, 1);
        CHECK_INT(a[i].body.n, 800000);
        answer_fini(&a[i]);
    }
    world_fini(&w);
}

TEST(http_client, paused_call_gets_nothing_and_loses_nothing)
{
    struct world w;
    struct answer a;
    int turns = 0;

    world_init(&w);
    ask(&w, &a, "GET", URL "/stream", NULL);
    a.pause_on_data = true;
    while (!a.dones && turns++ < 10000) {
        size_t before = a.body.n;

        run(&w, NS_PER_MS * 10);
        CHECK(a.body.n - before <= 10);
        if (!a.dones)
            http_call_pause(a.call, false);
    }
    CHECK(turns >= 99);
    CHECK_INT(a.body.n, 1000);
    CHECK_STRZ(buf_view(&a.err), "");
    answer_fini(&a);
    world_fini(&w);
}

TEST(http_client, cancelled_call_ends_once_and_later)
{
    struct world w;
    struct answer a;

    world_init(&w);
    ask(&w, &a, "GET", URL "/hold", NULL);
    http_call_cancel(a.call);
    CHECK_INT(a.dones, 0);
    run(&w, NS_PER_S);
    CHECK_INT(a.dones, 1);
    CHECK(str_has_suffix(buf_view(&a.err), S("Operation canceled")));
    answer_fini(&a);
    ask(&w, &a, "GET", URL "/hold", NULL);
    run(&w, NS_PER_S);
    CHECK(w.held != NULL);
    http_call_cancel(a.call);
    run(&w, NS_PER_S);
    CHECK_INT(a.dones, 1);
    CHECK(w.held->gone);
    http_end(w.held);
    answer_fini(&a);
    world_fini(&w);
}

TEST(http_client, call_has_a_deadline)
{
    struct world w;
    struct answer a;

    world_init(&w);
    ask(&w, &a, "GET", URL "/hold", NULL);
    run(&w, 29 * NS_PER_S);
    CHECK_INT(a.dones, 0);
    run(&w, 2 * NS_PER_S);
    CHECK_INT(a.dones, 1);
    CHECK_STRZ(
        buf_view(&a.err),
        "Get \"" URL
        "/hold\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)");
    http_end(w.held);
    answer_fini(&a);
    world_fini(&w);
}

TEST(http_client, says_what_is_wrong_in_gos_words)
{
    static const struct {
        const char *url, *err;
    } cases[] = {
        {"http://127.0.0.1:81/x",
         "Get \"http://127.0.0.1:81/x\": dial tcp 127.0.0.1:81: connect: connection refused"},
        {"https://127.0.0.1/", "https is not set up for https://127.0.0.1/"},
        {"ftp://x/", "parse \"ftp://x/\": unsupported protocol scheme"},
        {"http:///x", "parse \"http:///x\": no Host in request URL"},
        {"http://x:99999/", "parse \"http://x:99999/\": invalid port"},
        {"http://x/ y", "parse \"http://x/ y\": invalid control character in URL"},
        {"unix:///nope.sock|/x", "Get \"unix:///nope.sock|/x\": dial unix /nope.sock: connect: "},
    };
    struct world w;

    world_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct answer a;

        ask(&w, &a, "GET", cases[i].url, NULL);
        run(&w, NS_PER_S);
        CHECK_INT(a.dones, 1);
        if (!str_has_prefix(buf_view(&a.err), str_of(cases[i].err)))
            CHECK_STRZ(buf_view(&a.err), cases[i].err);
        answer_fini(&a);
    }
    world_fini(&w);
}

TEST(http_client, refuses_to_send_what_would_be_another_header)
{
    struct http_header bad[] = {{S("X"), S("a\r\nY: b")}};
    struct world w;
    struct answer a = {0};

    world_init(&w);
    http_call(w.client,
              &(struct http_call_options){
                  .method = S("GET"), .url = S(URL), .headers = bad, .n_headers = 1},
              &events, &a);
    run(&w, NS_PER_S);
    CHECK_INT(a.dones, 1);
    CHECK(a.err.n > 0);
    CHECK_INT(w.server_requests, 0);
    answer_fini(&a);
    world_fini(&w);
}

TEST(http_client, upgrade_gives_a_tunnel)
{
    struct http_header headers[] = {{S("Connection"), S("Upgrade")}, {S("Upgrade"), S("x")}};
    static const struct stream_events tunnel = {.data = on_data};
    struct world w;
    struct answer a = {0};

    world_init(&w);
    http_call(w.client,
              &(struct http_call_options){
                  .method = S("GET"), .url = S(URL), .headers = headers, .n_headers = 2},
              &upgrade_events, &a);
    run(&w, NS_PER_S);
    CHECK_INT(a.status, 101);
    CHECK_INT(a.dones, 0);
    CHECK(a.upgraded != NULL);
    stream_start(a.upgraded, &tunnel, &a);
    run(&w, NS_PER_S);
    CHECK_STRZ(buf_view(&a.body), "hello through the tunnel");
    stream_close(a.upgraded, NULL, NULL);
    run(&w, NS_PER_S);
    answer_fini(&a);
    memset(&a, 0, sizeof a);
    stream_close(TAKE(w.tunnel), NULL, NULL);
    http_call(w.client,
              &(struct http_call_options){
                  .method = S("GET"), .url = S(URL), .headers = headers, .n_headers = 2},
              &events, &a);
    run(&w, NS_PER_S);
    CHECK_INT(a.dones, 1);
    CHECK_STRZ(buf_view(&a.err), "Get \"" URL "/\": net/http: unexpected 101 response");
    answer_fini(&a);
    world_fini(&w);
}

TEST(http_client, freeing_it_ends_its_calls)
{
    struct world w;
    struct answer a, b;

    world_init(&w);
    ask(&w, &a, "GET", URL "/hold", NULL);
    ask(&w, &b, "GET", "http://127.0.0.1:81/", NULL);
    run(&w, NS_PER_MS / 1000);
    http_client_free(w.client);
    CHECK_INT(a.dones, 1);
    CHECK_INT(b.dones, 1);
    w.client = http_client_new(w.loop, &(struct http_client_options){0});
    run(&w, NS_PER_S);
    if (w.held)
        http_end(w.held);
    answer_fini(&a);
    answer_fini(&b);
    world_fini(&w);
}

/* ---- servers that misbehave ---- */

static void on_raw_data(void *ctx, const char *p, size_t n)
{
    struct world *w = ctx;
    struct stream *s = w->raw_streams[w->n_raw - 1];

    buf_add(&w->raw_got, p, n);
    if (!w->raw_says || !str_has_suffix(buf_view(&w->raw_got), S("\r\n\r\n")))
        return;
    stream_write(s, str_of(w->raw_says), NULL, NULL);
    if (w->raw_closes)
        stream_shutdown(s);
}

static void on_raw_end(void *ctx, int error) {}

static void on_raw_accept(void *ctx, struct stream *s)
{
    static const struct stream_events raw_events = {.data = on_raw_data, .end = on_raw_end};
    struct world *w = ctx;

    CHECK(w->n_raw < ARRAY_LEN(w->raw_streams));
    w->raw_streams[w->n_raw++] = s;
    stream_start(s, &raw_events, w);
}

TEST(http_client, broken_answers_are_errors_and_odd_ones_are_not)
{
    static const struct {
        const char *says;
        bool closes;
        const char *body, *err;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\n\r\nuntil the end", true, "until the end", ""},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false, "ok",
         ""},
        {"HTTP/1.1 204 No Content\r\n\r\n", false, "", ""},
        {"HTTP/1.0 200\r\nContent-Length: 1\r\n\r\nx", true, "x", ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more than was said", false, "ok", ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal", true, "hal", "unexpected EOF"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", true, "abc",
         "unexpected EOF"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false, "",
         "malformed chunked encoding"},
        {"SSH-2.0-OpenSSH\r\n\r\n", true, "",
         "net/http: HTTP/1.x transport connection broken: malformed HTTP response"},
        {"HTTP/1.1 20", true, "", "unexpected EOF"},
        {"", true, "", "EOF"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf) struct buf want = BUF_INIT;
        struct world w;
        struct answer a;

        world_init(&w);
        CHECK_INT(listener_open(w.loop, S("127.0.0.1:82"), on_raw_accept, &w, &w.raw), 0);
        w.raw_says = cases[i].says;
        w.raw_closes = cases[i].closes;
        ask(&w, &a, "GET", "http://127.0.0.1:82/", NULL);
        run(&w, NS_PER_S);
        CHECK_INT(a.dones, 1);
        CHECK_STRZ(buf_view(&a.body), cases[i].body);
        if (*cases[i].err)
            buf_fmt(&want, "Get \"http://127.0.0.1:82/\": %s", cases[i].err);
        CHECK_STR(buf_view(&a.err), buf_view(&want));
        answer_fini(&a);
        world_fini(&w);
    }
}

TEST(http_client, heads_that_lead_to_no_answer_are_too_long_together)
{
    CLEANUP(buf) struct buf says = BUF_INIT;
    struct world w;
    struct answer a;

    while (says.n < (size_t)2 << 20)
        buf_z(&says, "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n");
    world_init(&w);
    CHECK_INT(listener_open(w.loop, S("127.0.0.1:82"), on_raw_accept, &w, &w.raw), 0);
    w.raw_says = buf_cstr(&says);
    ask(&w, &a, "GET", "http://127.0.0.1:82/", NULL);
    run(&w, NS_PER_S);
    CHECK_INT(a.dones, 1);
    CHECK_STRZ(buf_view(&a.err), "Get \"http://127.0.0.1:82/\": net/http: server response headers "
                                 "exceeded the limit; aborted");
    answer_fini(&a);
    world_fini(&w);
}

TEST(http_client, kept_connection_that_the_server_has_closed_costs_only_a_retry)
{
    struct world w;
    struct answer a;

    world_init(&w);
    CHECK_INT(listener_open(w.loop, S("127.0.0.1:82"), on_raw_accept, &w, &w.raw), 0);
    w.raw_says = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    for (int i = 0; i < 2; i++) {
        if (i == 1) { /* its end crosses with our request */
            stream_close(TAKE(w.raw_streams[0]), NULL, NULL);
            buf_clear(&w.raw_got);
        }
        ask(&w, &a, "GET", "http://127.0.0.1:82/", NULL);
        run(&w, NS_PER_S);
        CHECK_STRZ(buf_view(&a.err), "");
        CHECK_STRZ(buf_view(&a.body), "ok");
        answer_fini(&a);
    }
    CHECK_INT(w.n_raw, 2);
    world_fini(&w);
}

/* ---- whole answers ---- */

struct fetched {
    int n, status;
    struct buf body, err;
};

static void on_fetched(void *ctx, struct err *err, const struct http_response *r, str body)
{
    struct fetched *f = ctx;

    f->n++;
    f->status = r ? r->status : 0;
    buf_str(&f->body, body);
    if (err)
        buf_z(&f->err, err_text(err));
    err_free(err);
}

TEST(http_client, fetch_collects_up_to_its_limit)
{
    struct world w;
    struct fetched f = {0};

    world_init(&w);
    http_fetch(w.client, &(struct http_call_options){.url = S(URL "/stream")}, 1000, on_fetched,
               &f);
    run(&w, NS_PER_S);
    CHECK_INT(f.n, 1);
    CHECK_INT(f.status, 200);
    CHECK_INT(f.body.n, 1000);
    buf_fini(&f.body);
    f = (struct fetched){0};
    http_fetch(w.client, &(struct http_call_options){.url = S(URL "/stream")}, 999, on_fetched, &f);
    run(&w, NS_PER_S);
    CHECK_INT(f.n, 1);
    CHECK_STRZ(buf_view(&f.err), "the answer is larger than 999 bytes");
    buf_fini(&f.err);
    buf_fini(&f.body);
    world_fini(&w);
}

/* ---- splices ---- */

static void on_spliced(void *ctx)
{
    (*(int *)ctx)++;
}

TEST(splice, carries_bytes_both_ways_until_both_ends_end)
{
    static const struct stream_events sink = {.data = on_data, .end = on_raw_end};
    struct loop *loop = loop_new_virtual(3, (wall_time){NOW_S * NS_PER_S});
    struct stream *a, *a2, *b, *b2;
    struct answer at_a = {0}, at_b = {0};
    CLEANUP(buf) struct buf big = BUF_INIT;
    int closed = 0;

    stream_pair(loop, &a, &a2);
    stream_pair(loop, &b, &b2);
    stream_splice(a2, b2, on_spliced, &closed);
    for (int i = 0; i < 200000; i++)
        buf_fmt(&big, "%07d\n", i);
    stream_start(a, &sink, &at_a);
    stream_write(a, buf_view(&big), NULL, NULL);
    stream_shutdown(a);
    loop_virtual_run(loop, NS_PER_S, NULL, NULL);
    /* b does not read: what is on the way is bounded, but nothing is lost. */
    stream_start(b, &sink, &at_b);
    loop_virtual_run(loop, 10 * NS_PER_S, NULL, NULL);
    CHECK_STR(buf_view(&at_b.body), buf_view(&big));
    CHECK_INT(closed, 0);
    stream_write(b, S("answer"), NULL, NULL);
    stream_shutdown(b);
    loop_virtual_run(loop, 20 * NS_PER_S, NULL, NULL);
    CHECK_STRZ(buf_view(&at_a.body), "answer");
    CHECK_INT(closed, 1);
    stream_close(a, NULL, NULL);
    stream_close(b, NULL, NULL);
    loop_virtual_run(loop, 30 * NS_PER_S, NULL, NULL);
    answer_fini(&at_a);
    answer_fini(&at_b);
    loop_free(loop);
}
