/* stream_test.c - streams of every kind keep the same promises. */
#include "test/loop/loop_test.h"

#include <unistd.h>

struct side {
    struct stream *s;
    struct buf in;
    int n_end, end_error, n_done, done_error;
    bool echo, pause_after_data, closed;
    struct listener *listener;
    struct side *peer;
};

static void on_done(void *ctx, int error)
{
    struct side *e = ctx;

    e->n_done++;
    e->done_error = error;
}

static void on_closed(void *ctx)
{
    ((struct side *)ctx)->closed = true;
}

static void on_data(void *ctx, const char *p, size_t n)
{
    struct side *e = ctx;

    buf_add(&e->in, p, n);
    if (e->echo)
        stream_write(e->s, (str){p, n}, on_done, e);
    if (e->pause_after_data)
        stream_pause(e->s);
}

static void on_end(void *ctx, int error)
{
    struct side *e = ctx;

    e->n_end++;
    e->end_error = error;
    if (e->listener)
        listener_close(e->listener);
    e->listener = NULL;
    stream_close(e->s, on_closed, e);
    e->s = NULL;
}

static const struct stream_events events = {on_data, on_end};

static void on_accept(void *ctx, struct stream *s)
{
    struct side *e = ctx;

    e->s = s;
    stream_start(s, &events, e);
}

static void on_connect(void *ctx, int error, struct stream *s)
{
    struct side *e = ctx;

    e->done_error = error;
    if (error)
        return;
    e->s = s;
    stream_start(s, &events, e);
    stream_write(s, S("hello "), on_done, e);
    stream_write(s, S("world"), on_done, e);
    stream_shutdown(s);
}

static void echo_over(struct loop *loop, str address)
{
    struct side server = {.echo = true}, client = {0};

    CHECK_INT(listener_open(loop, address, on_accept, &server, &server.listener), 0);
    if (!server.listener)
        return;
    stream_connect(loop, listener_address(server.listener), NS_PER_S, on_connect, &client);
    CHECK(client.s == NULL);
    loop_run(loop);
    CHECK_STRZ(buf_view(&server.in), "hello world");
    CHECK_STRZ(buf_view(&client.in), "hello world");
    CHECK_INT(client.n_done, 2);
    CHECK_INT(server.n_end, 1);
    CHECK_INT(client.n_end, 1);
    CHECK_INT(client.end_error, 0);
    CHECK(server.closed);
    CHECK(client.closed);
    buf_fini(&server.in);
    buf_fini(&client.in);
}

BOTH(stream, tcp_echoes_and_ends)
{
    echo_over(loop, S("127.0.0.1:0"));
}

BOTH(stream, tcp6_echoes_and_ends)
{
    echo_over(loop, S("[::1]:0"));
}

BOTH(stream, unix_echoes_and_ends)
{
    struct buf path = BUF_INIT;

    buf_fmt(&path, "unix:/tmp/k1s-loop-test-%d.sock", getpid());
    echo_over(loop, buf_view(&path));
    echo_over(loop, buf_view(&path)); /* the socket file was removed */
    buf_fini(&path);
}

BOTH(stream, connecting_to_nobody_is_refused)
{
    struct side client = {0}, server = {0};
    char address[64];

    CHECK_INT(listener_open(loop, S("127.0.0.1:0"), on_accept, &server, &server.listener), 0);
    snprintf(address, sizeof address, PRI_STR, STR_ARG(listener_address(server.listener)));
    listener_close(server.listener);
    loop_run(loop);
    stream_connect(loop, str_of(address), 0, on_connect, &client);
    CHECK_INT(client.done_error, 0);
    loop_run(loop);
    CHECK_INT(client.done_error, -ECONNREFUSED);
    stream_connect(loop, S("not an address"), 0, on_connect, &client);
    loop_run(loop);
    CHECK_INT(client.done_error, -EINVAL);
}

BOTH(stream, a_cancelled_connect_says_so_once)
{
    struct side client = {0}, server = {0};
    struct connecting *c;

    CHECK_INT(listener_open(loop, S("127.0.0.1:0"), on_accept, &server, &server.listener), 0);
    c = stream_connect(loop, listener_address(server.listener), NS_PER_S, on_connect, &client);
    connecting_cancel(c);
    listener_close(server.listener);
    loop_run(loop);
    CHECK_INT(client.done_error, -ECANCELED);
    CHECK(client.s == NULL);
}

BOTH(stream, an_address_in_use_is_an_error)
{
    struct listener *a = NULL, *b = NULL;

    CHECK_INT(listener_open(loop, S("127.0.0.1:0"), on_accept, NULL, &a), 0);
    CHECK_INT(listener_open(loop, listener_address(a), on_accept, NULL, &b), -EADDRINUSE);
    CHECK(b == NULL);
    listener_close(a);
    loop_run(loop);
}

/* ---- much data, against a reader that pauses ---- */
#define BULK ((size_t)8 << 20)
struct bulk {
    struct loop *loop;
    struct side from, to;
    uint64_t n_in;
    bool right;
    struct loop_timer *resume;
    int n_done;
};
static const struct stream_events bulk_events;

static void bulk_data(void *ctx, const char *p, size_t n)
{
    struct bulk *b = ctx;

    for (size_t i = 0; i < n; i += 997)
        b->right &= p[i] == (char)((b->n_in + i) % 251);
    b->n_in += n;
    stream_pause(b->to.s);
    loop_timer_set(b->resume, 0);
}

static void bulk_resume(void *ctx)
{
    struct bulk *b = ctx;

    if (b->to.s)
        stream_start(b->to.s, &bulk_events, b);
}

static void bulk_end(void *ctx, int error)
{
    struct bulk *b = ctx;

    loop_timer_stop(b->resume);
    stream_close(b->to.s, NULL, NULL);
    b->to.s = NULL;
    stream_close(b->from.s, NULL, NULL);
}

static const struct stream_events bulk_events = {bulk_data, bulk_end};

static void bulk_done(void *ctx, int error)
{
    struct bulk *b = ctx;

    CHECK_INT(error, 0);
    b->n_done++;
}

static void bulk_send(struct bulk *b)
{
    char *all = mem_alloc(BULK);
    const struct bytes *shared;

    for (size_t i = 0; i < BULK; i++)
        all[i] = (char)(i % 251);
    stream_write(b->from.s, (str){all, 100}, bulk_done, b);
    stream_write(b->from.s, (str){all + 100, BULK / 2}, bulk_done, b);
    shared = bytes_new((str){all + 100 + BULK / 2, 100000});
    stream_write_bytes(b->from.s, shared, bulk_done, b);
    bytes_unref(shared);
    for (size_t i = 100100 + BULK / 2; i < BULK; i += 100)
        stream_write(b->from.s, (str){all + i, MIN(BULK - i, (size_t)100)}, NULL, NULL);
    stream_shutdown(b->from.s);
    mem_free(all);
}

static void bulk_accept(void *ctx, struct stream *s)
{
    struct bulk *b = ctx;

    b->to.s = s;
    stream_start(s, &bulk_events, b);
    listener_close(b->to.listener);
}

static void bulk_connect(void *ctx, int error, struct stream *s)
{
    struct bulk *b = ctx;

    CHECK_INT(error, 0);
    b->from.s = s;
    bulk_send(b);
    CHECK(stream_queued(s) > 0);
}

BOTH(stream, large_writes_arrive_whole_and_in_order_at_a_slow_reader)
{
    struct bulk b = {.loop = loop, .right = true};

    b.resume = loop_timer_new(loop, bulk_resume, &b);
    CHECK_INT(listener_open(loop, S("127.0.0.1:0"), bulk_accept, &b, &b.to.listener), 0);
    stream_connect(loop, listener_address(b.to.listener), 0, bulk_connect, &b);
    loop_run(loop);
    CHECK_INT(b.n_in, BULK);
    CHECK(b.right);
    CHECK_INT(b.n_done, 3);
    loop_timer_free(b.resume);
}

/* ---- pairs ---- */
BOTH(stream, a_pair_carries_bytes_both_ways)
{
    struct side a = {0}, b = {.echo = true};

    stream_pair(loop, &a.s, &b.s);
    stream_start(b.s, &events, &b);
    on_connect(&a, 0, a.s);
    CHECK_INT(b.in.n, 0);
    loop_run(loop);
    CHECK_STRZ(buf_view(&a.in), "hello world");
    CHECK_INT(a.n_end, 1);
    CHECK_INT(b.n_end, 1);
    CHECK(a.closed && b.closed);
    buf_fini(&a.in);
    buf_fini(&b.in);
}

BOTH(stream, closing_drops_completions_and_fails_the_peers_writes)
{
    struct side a = {0}, b = {0};
    struct stream *sa, *sb;

    stream_pair(loop, &sa, &sb);
    a.s = sa;
    stream_start(sa, &events, &a);
    stream_write(sb, S("never read"), on_done, &b);
    stream_write(sa, S("lost"), on_done, &a);
    stream_close(sb, on_closed, &b);
    loop_run(loop);
    CHECK_INT(b.n_done, 0);
    CHECK(b.closed);
    CHECK_INT(a.n_end, 1);
    CHECK_STRZ(buf_view(&a.in), "never read");
    buf_fini(&a.in);
}

BOTH(stream, a_paused_stream_keeps_its_data)
{
    struct side a = {0}, b = {.pause_after_data = true};

    stream_pair(loop, &a.s, &b.s);
    stream_start(b.s, &events, &b);
    stream_write(a.s, S("one"), on_done, &a);
    stream_write(a.s, S("two"), on_done, &a);
    loop_run(loop);
    CHECK_STRZ(buf_view(&b.in), "one");
    CHECK_INT(stream_queued(a.s), 3);
    CHECK_INT(a.n_done, 1);
    stream_start(b.s, &events, &b);
    loop_run(loop);
    CHECK_STRZ(buf_view(&b.in), "onetwo");
    CHECK_INT(stream_queued(a.s), 0);
    stream_close(a.s, NULL, NULL);
    stream_start(b.s, &events, &b);
    loop_run(loop);
    CHECK(b.closed);
    buf_fini(&b.in);
}

/* ---- datagrams ---- */
struct packets {
    struct udp *server, *client;
    struct buf got;
};

static void client_recv(void *ctx, str datagram, const void *peer, size_t peer_len)
{
    struct packets *p = ctx;

    buf_str(&p->got, datagram);
    udp_close(p->server);
    udp_close(p->client);
}

static void server_recv(void *ctx, str datagram, const void *peer, size_t peer_len)
{
    struct packets *p = ctx;

    buf_str(&p->got, datagram);
    udp_send(p->server, S("answer"), peer, peer_len);
}

BOTH(stream, a_datagram_is_answered)
{
    struct packets p = {.got = BUF_INIT};
    char text[64];
    unsigned port;
    struct {
        uint16_t family, port;
        unsigned char address[4];
        char zero[8];
    } to = {.family = 2 /* AF_INET */, .address = {127, 0, 0, 1}};

    CHECK_INT(udp_open(loop, S("127.0.0.1:0"), server_recv, &p, &p.server), 0);
    CHECK_INT(udp_open(loop, S("127.0.0.1:0"), client_recv, &p, &p.client), 0);
    snprintf(text, sizeof text, PRI_STR, STR_ARG(udp_address(p.server)));
    CHECK(sscanf(text, "127.0.0.1:%u", &port) == 1);
    to.port = (uint16_t)((port >> 8) | (port << 8));
    udp_send(p.client, S("question "), &to, sizeof to);
    loop_run(loop);
    CHECK_STRZ(buf_view(&p.got), "question answer");
    buf_fini(&p.got);
}
