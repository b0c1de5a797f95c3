/* grpc_test.c - the gRPC client against a small server of the test's own (nghttp2), under the
 * virtual clock. */
#include "test/test.h"
#include "wire/grpc.h"
#include <nghttp2/nghttp2.h>

#define NOW_S INT64_C(1790000000)
#define BIG ((size_t)5 << 20)
#define ADDRESS S("127.0.0.1:50051")

/* ---- the server: one reply per path ---- */

struct served;   /* one connection */
struct serving { /* one request */
    struct served *conn;
    int32_t id;
    char path[64];
    struct buf in, out;
    size_t out_at;
    bool finished, starved;
    int status;
};
struct served {
    struct world *w;
    struct stream *stream;
    nghttp2_session *session;
    struct serving requests[64];
    size_t n_requests;
};
struct world {
    struct loop *loop;
    struct listener *listener;
    struct served *conns[8];
    size_t n_conns;
    int resets;
    struct grpc_channel *channel;
};

static void run(struct world *w, int64_t ns)
{
    loop_virtual_run(w->loop, loop_virtual_elapsed_ns(w->loop) + ns, NULL, NULL);
}

static nghttp2_nv nv(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static void frame(struct buf *out, str message, bool compressed)
{
    unsigned char head[5] = {compressed, (unsigned char)(message.n >> 24),
                             (unsigned char)(message.n >> 16), (unsigned char)(message.n >> 8),
                             (unsigned char)message.n};

    buf_add(out, head, 5);
    buf_str(out, message);
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *p, size_t room,
                       uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    struct serving *r = source->ptr;
    size_t n = MIN(room, r->out.n - r->out_at);
    char status[8];
    nghttp2_nv trailer;

    if (!n && !r->finished) {
        r->starved = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n)
        memcpy(p, r->out.p + r->out_at, n);
    r->out_at += n;
    if (r->out_at == r->out.n && r->finished) {
        *flags = NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        snprintf(status, sizeof status, "%d", r->status);
        trailer = nv("grpc-status", status);
        nghttp2_submit_trailer(session, id, &trailer, 1);
    }
    return (ssize_t)n;
}

static void answer(struct serving *r)
{
    nghttp2_nv head[] = {nv(":status", "200"), nv("content-type", "application/grpc")};
    nghttp2_data_provider provider = {.source.ptr = r, .read_callback = on_read};

    nghttp2_submit_response(r->conn->session, r->id, head, 2, &provider);
}

static void answer_only_trailers(struct serving *r, const char *http, const char *status,
                                 const char *message)
{
    nghttp2_nv head[] = {nv(":status", http), nv("content-type", "application/grpc"),
                         nv("grpc-status", status), nv("grpc-message", message)};

    nghttp2_submit_response(r->conn->session, r->id, head, status ? 4 : 2, NULL);
}

/* The whole request is there (for Chat: its head). */
static void serve(struct serving *r)
{
    if (!strcmp(r->path, "/t/Echo")) {
        buf_str(&r->out, buf_view(&r->in));
        r->finished = true;
        answer(r);
    } else if (!strcmp(r->path, "/t/Goaway")) {
        frame(&r->out, S("last"), false);
        r->finished = true;
        answer(r);
        nghttp2_submit_goaway(r->conn->session, NGHTTP2_FLAG_NONE, r->id, NGHTTP2_NO_ERROR, NULL,
                              0);
    } else if (!strcmp(r->path, "/t/Fail")) {
        answer_only_trailers(r, "200", "5", "no%20such%20thing%3A %E2%82%AC %zz 100%");
    } else if (!strcmp(r->path, "/t/Http404")) {
        nghttp2_nv head = nv(":status", "404");

        nghttp2_submit_response(r->conn->session, r->id, &head, 1, NULL);
    } else if (!strcmp(r->path, "/t/Stream")) {
        frame(&r->out, S("one"), false);
        frame(&r->out, S(""), false);
        frame(&r->out, S("three"), false);
        r->finished = true;
        r->status = 11;
        answer(r);
    } else if (!strcmp(r->path, "/t/Big")) {
        char *p = mem_zalloc(BIG);

        memset(p, 'b', BIG);
        frame(&r->out, (str){p, BIG}, false);
        mem_free(p);
        r->finished = true;
        answer(r);
    } else if (!strcmp(r->path, "/t/TooBig")) {
        buf_add(&r->out, "\0\x7f\xff\xff\xff", 5);
        answer(r);
    } else if (!strcmp(r->path, "/t/Compressed")) {
        frame(&r->out, S("x"), true);
        answer(r);
    } else if (!strcmp(r->path, "/t/NoMessage")) {
        r->finished = true;
        answer(r);
    } else if (!strcmp(r->path, "/t/Reset")) {
        nghttp2_submit_rst_stream(r->conn->session, NGHTTP2_FLAG_NONE, r->id,
                                  NGHTTP2_REFUSED_STREAM);
    } /* else /t/Hang */
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *f, void *ctx)
{
    struct served *c = ctx;
    struct serving *r = &c->requests[c->n_requests++];

    CHECK(c->n_requests <= ARRAY_LEN(c->requests));
    r->conn = c;
    r->id = f->hd.stream_id;
    nghttp2_session_set_stream_user_data(session, r->id, r);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *f, const uint8_t *name,
                     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *ctx)
{
    struct serving *r = nghttp2_session_get_stream_user_data(session, f->hd.stream_id);

    if (str_is((str){(const char *)name, name_n}, ":path"))
        snprintf(r->path, sizeof r->path, "%.*s", (int)value_n, (const char *)value);
    return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
                    void *ctx)
{
    struct serving *r = nghttp2_session_get_stream_user_data(session, id);

    if (strcmp(r->path, "/t/Chat")) {
        buf_add(&r->in, p, n);
        return 0;
    }
    buf_add(&r->out, p, n); /* frames go back as they are */
    if (r->starved) {
        r->starved = false;
        nghttp2_session_resume_data(session, id);
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *f, void *ctx)
{
    struct serving *r = nghttp2_session_get_stream_user_data(session, f->hd.stream_id);

    if (f->hd.type == NGHTTP2_RST_STREAM)
        ((struct served *)ctx)->w->resets++;
    if (r && f->hd.type == NGHTTP2_HEADERS && !strcmp(r->path, "/t/Chat"))
        answer(r);
    else if (r && (f->hd.flags & NGHTTP2_FLAG_END_STREAM) && f->hd.type == NGHTTP2_DATA)
        serve(r);
    return 0;
}

static void served_send(struct served *c)
{
    const uint8_t *p;
    ssize_t n;

    while ((n = nghttp2_session_mem_send(c->session, &p)) > 0)
        stream_write(c->stream, (str){(const char *)p, (size_t)n}, NULL, NULL);
}

static void on_data(void *ctx, const char *p, size_t n)
{
    struct served *c = ctx;

    CHECK(nghttp2_session_mem_recv(c->session, (const uint8_t *)p, n) == (ssize_t)n);
    served_send(c);
}

static void on_end(void *ctx, int error) {}

static void on_accept(void *ctx, struct stream *s)
{
    static const struct stream_events events = {.data = on_data, .end = on_end};
    struct world *w = ctx;
    struct served *c = NEW(struct served);
    nghttp2_session_callbacks *cb;

    CHECK(w->n_conns < ARRAY_LEN(w->conns));
    w->conns[w->n_conns++] = c;
    c->w = w;
    c->stream = s;
    nghttp2_session_callbacks_new(&cb);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_server_new(&c->session, cb, c);
    nghttp2_session_callbacks_del(cb);
    nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, NULL, 0);
    stream_start(s, &events, c);
    served_send(c);
}

static void served_close(struct served **c)
{
    struct served *gone = TAKE(*c);

    stream_close(gone->stream, NULL, NULL);
    nghttp2_session_del(gone->session);
    for (size_t i = 0; i < gone->n_requests; i++) {
        buf_fini(&gone->requests[i].in);
        buf_fini(&gone->requests[i].out);
    }
    mem_free(gone);
}

static void listen_now(struct world *w)
{
    CHECK_INT(listener_open(w->loop, ADDRESS, on_accept, w, &w->listener), 0);
}

static void world_init(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->loop = loop_new_virtual(5, (wall_time){NOW_S * NS_PER_S});
    listen_now(w);
    w->channel = grpc_channel_new(w->loop, ADDRESS, NULL);
}

static void world_fini(struct world *w)
{
    grpc_channel_free(w->channel);
    run(w, NS_PER_S);
    for (size_t i = 0; i < w->n_conns; i++)
        if (w->conns[i])
            served_close(&w->conns[i]);
    if (w->listener)
        listener_close(w->listener);
    run(w, 100 * NS_PER_S);
    loop_free(w->loop);
}

/* ---- what the client hears ---- */

struct heard {
    int dones, status, messages;
    struct buf text, message;
    struct grpc_channel *free_on_message;
};

static void on_done(void *ctx, int status, str message, str response)
{
    struct heard *h = ctx;

    h->dones++;
    h->status = status;
    buf_str(&h->message, message);
    buf_str(&h->text, response);
}

static void on_message(void *ctx, str message)
{
    struct heard *h = ctx;

    h->messages++;
    buf_fmt(&h->text, "[" PRI_STR "]", STR_ARG(message));
    if (h->free_on_message)
        grpc_channel_free(TAKE(h->free_on_message));
}

static void on_stream_done(void *ctx, int status, str message)
{
    on_done(ctx, status, message, S(""));
}

static const struct grpc_stream_events events = {.message = on_message, .done = on_stream_done};

static void heard_fini(struct heard *h)
{
    buf_fini(&h->text);
    buf_fini(&h->message);
    *h = (struct heard){0};
}

TEST(grpc, unary_call_brings_the_answer)
{
    struct world w;
    struct heard h = {0};

    world_init(&w);
    for (int i = 0; i < 3; i++) {
        grpc_unary(w.channel, S("/t/Echo"), S("hello"), 5 * NS_PER_S, on_done, &h);
        CHECK_INT(h.dones, 0);
        run(&w, NS_PER_S);
        CHECK_INT(h.dones, 1);
        CHECK_INT(h.status, 0);
        CHECK_STRZ(buf_view(&h.text), "hello");
        heard_fini(&h);
    }
    CHECK_INT(w.n_conns, 1);
    world_fini(&w);
}

TEST(grpc, every_way_to_fail_has_its_status)
{
    static const struct {
        const char *method;
        int status;
        const char *message;
    } cases[] = {
        {"/t/Fail", 5, "no such thing: \xe2\x82\xac %zz 100%"},
        {"/t/Http404", 12, "unexpected HTTP status code received from server: 404"},
        {"/t/TooBig", 8, "grpc: received message larger than max (2147483647 vs. 16777216)"},
        {"/t/Compressed", 13, "grpc: compressed message without a compression asked for"},
        {"/t/NoMessage", 13, "cardinality violation: no response message"},
        {"/t/Reset", 14, "stream terminated by RST_STREAM with error code: REFUSED_STREAM"},
        {"/t/Hang", 4, "context deadline exceeded"},
    };
    struct world w;

    world_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct heard h = {0};

        grpc_unary(w.channel, str_of(cases[i].method), S("x"), 5 * NS_PER_S, on_done, &h);
        run(&w, 10 * NS_PER_S);
        CHECK_INT(h.dones, 1);
        CHECK_INT(h.status, cases[i].status);
        CHECK_STRZ(buf_view(&h.message), cases[i].message);
        CHECK_STRZ(buf_view(&h.text), "");
        heard_fini(&h);
    }
    world_fini(&w);
}

TEST(grpc, large_messages_go_both_ways)
{
    struct world w;
    struct heard h = {0}, h2 = {0};
    char *p = mem_zalloc(BIG);

    world_init(&w);
    grpc_unary(w.channel, S("/t/Big"), S(""), 0, on_done, &h);
    grpc_unary(w.channel, S("/t/Echo"), (str){p, BIG}, 0, on_done, &h2);
    run(&w, 100 * NS_PER_S);
    CHECK_INT(h.status, 0);
    CHECK_INT(h.text.n, BIG);
    CHECK_INT(h2.status, 0);
    CHECK_INT(h2.text.n, BIG);
    mem_free(p);
    heard_fini(&h);
    heard_fini(&h2);
    world_fini(&w);
}

TEST(grpc, server_stream_brings_every_message_and_then_the_status)
{
    struct world w;
    struct heard h = {0};

    world_init(&w);
    grpc_server_stream(w.channel, S("/t/Stream"), S("x"), &events, &h);
    run(&w, NS_PER_S);
    CHECK_STRZ(buf_view(&h.text), "[one][][three]");
    CHECK_INT(h.dones, 1);
    CHECK_INT(h.status, 11);
    heard_fini(&h);
    world_fini(&w);
}

TEST(grpc, bidirectional_stream_talks_both_ways_until_it_is_cancelled)
{
    struct world w;
    struct heard h = {0};
    struct grpc_call *call;

    world_init(&w);
    call = grpc_bidi_stream(w.channel, S("/t/Chat"), &events, &h);
    grpc_send(call, S("early"));
    run(&w, NS_PER_S);
    CHECK_STRZ(buf_view(&h.text), "[early]");
    grpc_send(call, S("a"));
    grpc_send(call, S("b"));
    run(&w, NS_PER_S);
    CHECK_STRZ(buf_view(&h.text), "[early][a][b]");
    grpc_cancel(call);
    CHECK_INT(h.dones, 0);
    run(&w, NS_PER_S);
    CHECK_INT(h.dones, 1);
    CHECK_INT(h.status, 1);
    CHECK_INT(w.resets, 1);
    heard_fini(&h);
    world_fini(&w);
}

TEST(grpc, calls_fail_at_once_without_a_server_and_work_when_it_comes)
{
    struct world w;
    struct heard h = {0};

    world_init(&w);
    listener_close(TAKE(w.listener));
    for (int i = 0; i < 3; i++) {
        grpc_unary(w.channel, S("/t/Echo"), S("x"), 0, on_done, &h);
        run(&w, NS_PER_MS * 10);
        CHECK_INT(h.dones, 1);
        CHECK_INT(h.status, 14);
        CHECK(str_find(buf_view(&h.message),
                       S("dial tcp 127.0.0.1:50051: connect: connection refused")) > 0);
        heard_fini(&h);
    }
    listen_now(&w);
    run(&w, 3 * NS_PER_S);
    grpc_unary(w.channel, S("/t/Echo"), S("x"), 0, on_done, &h);
    run(&w, NS_PER_S);
    CHECK_INT(h.status, 0);
    heard_fini(&h);
    world_fini(&w);
}

TEST(grpc, lost_connection_ends_its_calls_and_the_next_one_connects_anew)
{
    struct world w;
    struct heard h = {0}, h2 = {0};

    world_init(&w);
    grpc_server_stream(w.channel, S("/t/Hang"), S("x"), &events, &h);
    run(&w, NS_PER_S);
    served_close(&w.conns[0]);
    run(&w, NS_PER_S);
    CHECK_INT(h.dones, 1);
    CHECK_INT(h.status, 14);
    grpc_unary(w.channel, S("/t/Echo"), S("x"), 0, on_done, &h2);
    run(&w, NS_PER_S);
    CHECK_INT(h2.status, 0);
    CHECK_INT(w.n_conns, 2);
    heard_fini(&h);
    heard_fini(&h2);
    world_fini(&w);
}

TEST(grpc, goaway_lets_calls_finish_and_sends_new_ones_elsewhere)
{
    struct world w;
    struct heard h = {0}, h2 = {0};

    world_init(&w);
    grpc_unary(w.channel, S("/t/Goaway"), S("x"), 0, on_done, &h);
    run(&w, NS_PER_S);
    CHECK_INT(h.status, 0);
    CHECK_STRZ(buf_view(&h.text), "last");
    grpc_unary(w.channel, S("/t/Echo"), S("x"), 0, on_done, &h2);
    run(&w, NS_PER_S);
    CHECK_INT(h2.status, 0);
    CHECK_INT(w.n_conns, 2);
    heard_fini(&h);
    heard_fini(&h2);
    world_fini(&w);
}

static void deaf(void *ctx, const char *p, size_t n) {}

TEST(grpc, silent_server_is_asked_and_given_up_when_it_does_not_answer)
{
    static const struct stream_events deaf_events = {.data = deaf, .end = on_end};
    struct world w;
    struct heard h = {0};

    world_init(&w);
    grpc_server_stream(w.channel, S("/t/Hang"), S("x"), &events, &h);
    run(&w, 300 * NS_PER_S); /* it answers pings, if nothing else */
    CHECK_INT(h.dones, 0);
    stream_start(w.conns[0]->stream, &deaf_events, NULL);
    run(&w, 60 * NS_PER_S);
    CHECK_INT(h.dones, 1);
    CHECK_INT(h.status, 14);
    CHECK_STRZ(buf_view(&h.message), "keepalive ping failed to receive ACK within timeout");
    heard_fini(&h);
    world_fini(&w);
}

TEST(grpc, freeing_the_channel_ends_calls_on_every_connection)
{
    struct world w;
    struct heard h = {0}, last = {0}, h2 = {0};

    world_init(&w);
    grpc_server_stream(w.channel, S("/t/Hang"), S("x"), &events, &h);
    run(&w, NS_PER_S);
    grpc_unary(w.channel, S("/t/Goaway"), S("x"), 0, on_done, &last);
    run(&w, NS_PER_S);
    grpc_server_stream(w.channel, S("/t/Hang"), S("x"), &events, &h2);
    run(&w, NS_PER_S);
    CHECK_INT(w.n_conns, 2);
    CHECK_INT(h.dones, 0);
    grpc_channel_free(w.channel);
    CHECK_INT(h.dones, 1);
    CHECK_INT(h.status, 1);
    CHECK_INT(h2.dones, 1);
    w.channel = grpc_channel_new(w.loop, ADDRESS, NULL);
    heard_fini(&h);
    heard_fini(&h2);
    heard_fini(&last);
    world_fini(&w);
}

TEST(grpc, channel_may_be_freed_by_a_callback)
{
    struct world w;
    struct heard h = {0}, other = {0};

    world_init(&w);
    h.free_on_message = w.channel;
    grpc_server_stream(w.channel, S("/t/Stream"), S("x"), &events, &h);
    grpc_unary(w.channel, S("/t/Hang"), S("x"), 0, on_done, &other);
    run(&w, NS_PER_S);
    CHECK_INT(h.messages, 1);
    CHECK_INT(h.dones, 1);
    CHECK_INT(h.status, 1);
    CHECK_INT(other.dones, 1);
    CHECK_INT(other.status, 1);
    w.channel = grpc_channel_new(w.loop, ADDRESS, NULL);
    heard_fini(&h);
    heard_fini(&other);
    world_fini(&w);
}

TEST_MAIN
