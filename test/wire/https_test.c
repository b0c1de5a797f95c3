/* https_test.c - server and client together on the real loop: TLS on loopback, client
 * certificates, unix sockets, names. */
#include "test/test.h"
#include "wire/http.h"
#include <unistd.h>

#define BIG ((size_t)20 << 20)
#define DEADLINE_NS (20 * NS_PER_S)

struct world {
    struct loop *loop;
    struct tls_server *tls_server;
    struct tls_client *tls_client;
    struct http_server *server;
    struct http_client *client;
    struct loop_timer *deadline;
    struct buf got, err, url;
    int status, pending;
    bool timed_out, body_is_wrong;
    const struct bytes *big;
};

static wall_time from_now(struct loop *loop, int64_t s)
{
    return (wall_time){loop_wall(loop).ns + s * NS_PER_S};
}

static void certificates(struct world *w)
{
    static const str names[] = {STR("localhost")}, ips[] = {STR("127.0.0.1")},
                     groups[] = {STR("system:masters")};
    CLEANUP(buf) struct buf ca_key = BUF_INIT;
    CLEANUP(buf) struct buf ca = BUF_INIT;
    CLEANUP(buf) struct buf key = BUF_INIT;
    CLEANUP(buf) struct buf cert = BUF_INIT;
    CLEANUP(buf) struct buf client_key = BUF_INIT;
    CLEANUP(buf) struct buf client = BUF_INIT;
    struct pki_cert_options o = {.common_name = STR("ca"),
                                 .is_ca = true,
                                 .not_before = from_now(w->loop, -60),
                                 .not_after = from_now(w->loop, 3600)};

    CHECK_OK(pki_key_new(&ca_key));
    CHECK_OK(pki_key_new(&key));
    CHECK_OK(pki_key_new(&client_key));
    CHECK_OK(pki_cert_new(&o, buf_view(&ca_key), STR_NONE, STR_NONE, &ca));
    o = (struct pki_cert_options){.common_name = STR("server"),
                                  .dns_names = names,
                                  .n_dns_names = 1,
                                  .ip_addresses = ips,
                                  .n_ip_addresses = 1,
                                  .server = true,
                                  .not_before = o.not_before,
                                  .not_after = o.not_after};
    CHECK_OK(pki_cert_new(&o, buf_view(&key), buf_view(&ca), buf_view(&ca_key), &cert));
    o = (struct pki_cert_options){.common_name = STR("admin"),
                                  .organizations = groups,
                                  .n_organizations = 1,
                                  .client = true,
                                  .not_before = o.not_before,
                                  .not_after = o.not_after};
    CHECK_OK(pki_cert_new(&o, buf_view(&client_key), buf_view(&ca), buf_view(&ca_key), &client));
    CHECK_OK(tls_server_new(&(struct tls_server_options){.cert_pem = buf_view(&cert),
                                                         .key_pem = buf_view(&key),
                                                         .client_ca_pem = buf_view(&ca),
                                                         .http2 = true},
                            &w->tls_server));
    CHECK_OK(tls_client_new(&(struct tls_client_options){.ca_pem = buf_view(&ca),
                                                         .cert_pem = buf_view(&client),
                                                         .key_pem = buf_view(&client_key)},
                            &w->tls_client));
}

/* A tunnel that says everything twice. */
static void on_tunnel_data(void *ctx, const char *p, size_t n)
{
    stream_write(ctx, (str){p, n}, NULL, NULL);
}

static void on_tunnel_end(void *ctx, int error)
{
    stream_close(ctx, NULL, NULL);
}

static const struct stream_events tunnel_events = {.data = on_tunnel_data, .end = on_tunnel_end};

static void handler(void *ctx, struct http_exchange *ex)
{
    struct world *w = ctx;
    const struct http_peer *p = &ex->req.peer;

    if (ex->req.is_upgrade) {
        static const struct http_header headers[] = {{STR("Connection"), STR("Upgrade")},
                                                     {STR("Upgrade"), STR("echo")}};
        struct stream *s = http_upgrade(ex, headers, 2);

        stream_start(s, &tunnel_events, s);
    } else if (str_is(ex->req.path, "/big")) {
        http_reply_bytes(ex, 200, "application/octet-stream", w->big);
    } else if (str_is(ex->req.path, "/echo")) {
        http_reply(ex, 200, "application/octet-stream", ex->req.body);
    } else {
        str who = arena_fmt(ex->arena, "tls=%d verified=%d cn=" PRI_STR " o=" PRI_STR " hash=%zu",
                            p->tls, p->cert_verified, STR_ARG(p->cert_common_name),
                            STR_ARG(p->n_cert_organizations ? p->cert_organizations[0] : S("")),
                            p->cert_der_hash.n);

        http_reply(ex, 200, "text/plain", who);
    }
}

static void on_deadline(void *ctx)
{
    struct world *w = ctx;

    w->timed_out = true;
    loop_stop(w->loop);
}

static void world_init(struct world *w, const char *address, bool tls)
{
    memset(w, 0, sizeof *w);
    w->loop = loop_new_uv();
    if (tls)
        certificates(w);
    CHECK_INT(
        http_server_open(w->loop, str_of(address),
                         &(struct http_server_options){.tls = w->tls_server, .body_limit = BIG},
                         handler, w, &w->server),
        0);
    w->client = http_client_new(w->loop, &(struct http_client_options){.tls = w->tls_client});
    w->deadline = loop_timer_new(w->loop, on_deadline, w);
    loop_timer_set(w->deadline, DEADLINE_NS);
}

static void world_run(struct world *w)
{
    loop_run(w->loop);
    CHECK(!w->timed_out);
}

static void world_fini(struct world *w)
{
    http_client_free(w->client);
    http_server_close(w->server, NULL, NULL);
    loop_timer_free(w->deadline);
    loop_run(w->loop); /* until nothing is left: a leaked handle would hang here */
    tls_server_free(w->tls_server);
    tls_client_free(w->tls_client);
    buf_fini(&w->got);
    buf_fini(&w->err);
    buf_fini(&w->url);
    bytes_unref(w->big);
    loop_free(w->loop);
}

/* scheme://host:port of the server and `path`. */
static str url(struct world *w, const char *scheme, const char *host, const char *path)
{
    str address = http_server_address(w->server);

    buf_clear(&w->url);
    buf_fmt(&w->url, "%s://%s:" PRI_STR "%s", scheme, host,
            STR_ARG(str_skip(address, (size_t)str_rindex(address, ':') + 1)), path);
    return buf_view(&w->url);
}

static void on_fetched(void *ctx, struct err *err, const struct http_response *r, str body)
{
    struct world *w = ctx;

    if (err)
        buf_fmt(&w->err, "%s;", err_text(err));
    err_free(err);
    w->status = r ? r->status : 0;
    buf_clear(&w->got);
    buf_str(&w->got, body);
    if (w->big && r && (body.n != w->big->n || memcmp(body.p, w->big->data, body.n)))
        w->body_is_wrong = true;
    if (--w->pending == 0)
        loop_stop(w->loop);
}

static void fetch(struct world *w, str where, const struct bytes *body)
{
    w->pending++;
    http_fetch(w->client,
               &(struct http_call_options){.method = body ? S("POST") : S("GET"),
                                           .url = where,
                                           .body = body ? bytes_str(body) : S("")},
               BIG + 1, on_fetched, w);
}

TEST(https, server_knows_its_client_by_its_certificate)
{
    struct world w;

    world_init(&w, "127.0.0.1:0", true);
    for (int i = 0; i < 2; i++) { /* the second one over the kept connection */
        fetch(&w, url(&w, "https", i ? "127.0.0.1" : "localhost", "/"), NULL);
        world_run(&w);
        CHECK_STRZ(buf_view(&w.err), "");
        CHECK_STRZ(buf_view(&w.got), "tls=1 verified=1 cn=admin o=system:masters hash=64");
    }
    world_fini(&w);
}

TEST(https, plain_request_to_the_tls_port_is_told_so)
{
    struct world w;

    world_init(&w, "127.0.0.1:0", true);
    fetch(&w, url(&w, "http", "127.0.0.1", "/"), NULL);
    world_run(&w);
    CHECK_INT(w.status, 400);
    CHECK_STRZ(buf_view(&w.got), "Client sent an HTTP request to an HTTPS server.\n");
    world_fini(&w);
}

TEST(https, large_bodies_go_both_ways_side_by_side)
{
    for (int tls = 0; tls < 2; tls++) {
        struct world w;
        char *p = mem_alloc(BIG);

        world_init(&w, "127.0.0.1:0", tls);
        loop_random(w.loop, p, BIG);
        w.big = bytes_new((str){p, BIG});
        mem_free(p);
        fetch(&w, url(&w, tls ? "https" : "http", "127.0.0.1", "/big"), NULL);
        fetch(&w, url(&w, tls ? "https" : "http", "127.0.0.1", "/big"), NULL);
        fetch(&w, url(&w, tls ? "https" : "http", "127.0.0.1", "/echo"), w.big);
        world_run(&w);
        CHECK_STRZ(buf_view(&w.err), "");
        CHECK(!w.body_is_wrong);
        world_fini(&w);
    }
}

TEST(https, name_that_does_not_exist_is_an_error)
{
    struct world w;

    world_init(&w, "127.0.0.1:0", false);
    fetch(&w, S("http://name..invalid/"), NULL);
    world_run(&w);
    CHECK(str_has_prefix(buf_view(&w.err),
                         S("Get \"http://name..invalid/\": dial tcp: lookup name..invalid: ")));
    world_fini(&w);
}

TEST(https, unix_socket_serves_too)
{
    char address[64], where[80];
    struct world w;

    snprintf(address, sizeof address, "unix:/tmp/k1s-https-test-%d.sock", (int)getpid());
    world_init(&w, address, false);
    snprintf(where, sizeof where, "unix://%s|/x", address + 5);
    fetch(&w, str_of(where), NULL);
    world_run(&w);
    CHECK_STRZ(buf_view(&w.err), "");
    CHECK_STRZ(buf_view(&w.got), "tls=0 verified=0 cn= o= hash=0");
    world_fini(&w);
    unlink(address + 5);
}

/* ---- a tunnel through TLS ---- */

struct tunnel_talk {
    struct world *w;
    struct stream *s;
    size_t sent, got;
    struct err *err;
};

static void on_echo(void *ctx, const char *p, size_t n)
{
    struct tunnel_talk *t = ctx;

    t->got += n;
    if (t->got == t->sent)
        stream_shutdown(t->s);
}

static void on_echo_end(void *ctx, int error)
{
    struct tunnel_talk *t = ctx;

    stream_close(TAKE(t->s), NULL, NULL);
    loop_stop(t->w->loop);
}

static void on_upgraded(void *ctx, const struct http_response *r, struct stream *s)
{
    static const struct stream_events echo_events = {.data = on_echo, .end = on_echo_end};
    struct tunnel_talk *t = ctx;
    char piece[1000];

    memset(piece, 'x', sizeof piece);
    t->s = s;
    stream_start(s, &echo_events, t);
    for (int i = 0; i < 2000; i++)
        stream_write(s, (str){piece, sizeof piece}, NULL, NULL);
    t->sent = 2000 * sizeof piece;
}

static void on_call_done(void *ctx, struct err *err)
{
    struct tunnel_talk *t = ctx;

    t->err = err;
    loop_stop(t->w->loop);
}

TEST(https, tunnel_carries_what_http_does_not_understand)
{
    static const struct http_header headers[] = {{STR("Connection"), STR("Upgrade")},
                                                 {STR("Upgrade"), STR("echo")}};
    static const struct http_call_events events = {.done = on_call_done, .upgraded = on_upgraded};
    struct world w;
    struct tunnel_talk t = {.w = &w};

    world_init(&w, "127.0.0.1:0", true);
    http_call(w.client,
              &(struct http_call_options){.method = S("POST"),
                                          .url = url(&w, "https", "127.0.0.1", "/exec"),
                                          .headers = headers,
                                          .n_headers = 2},
              &events, &t);
    world_run(&w);
    CHECK(!t.err);
    CHECK_INT(t.got, 2000000);
    err_free(t.err);
    world_fini(&w);
}
