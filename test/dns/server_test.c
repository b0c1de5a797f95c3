/* server_test.c - the whole DNS server on loopback: against an API that answers lists from text, and an upstream of the test's own. */
#include "dns/dns_internal.h"
#include "test/test.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAIT_NS (5 * NS_PER_S)

struct world {
    struct loop *loop;
    struct client *client;
    struct dns *dns;
    struct udp *upstream, *probe_sink;
    struct udp *socket; /* the test's own */
    struct listener *upstream_tcp;
    char resolv_conf[64], listen[64];
    int upstream_seen, tcp_seen;
    bool silent, truncate, loop_back, synced;
    struct buf got; /* the last answer that arrived */
    int n_got, wanted;
    struct loop_timer *limit;
    bool timed_out;
    struct stream *tcp;
};

/* ---- the API ---- */

static const char services[] =
    "{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"5\"},"
    "\"items\":["
    "{\"metadata\":{\"namespace\":\"demo\",\"name\":\"web\",\"uid\":\"u1\",\"resourceVersion\":"
    "\"1\"},\"spec\":{\"clusterIP\":\"10.43.1.1\",\"ports\":[{\"port\":80}]}},"
    "{\"metadata\":{\"namespace\":\"demo\",\"name\":\"db\",\"uid\":\"u2\",\"resourceVersion\":"
    "\"2\"},\"spec\":{\"clusterIP\":\"None\",\"ports\":[{\"port\":80}]}},"
    "{\"metadata\":{\"namespace\":\"demo\",\"name\":\"out\",\"uid\":\"u3\",\"resourceVersion\":"
    "\"3\"},\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"www.example.org\"}}]}";
static const char slices[] =
    "{\"kind\":\"EndpointSliceList\",\"apiVersion\":\"discovery.k8s.io/"
    "v1\",\"metadata\":{\"resourceVersion\":\"5\"},\"items\":["
    "{\"metadata\":{\"namespace\":\"demo\",\"name\":\"db-x\",\"uid\":\"u4\",\"resourceVersion\":"
    "\"4\",\"labels\":{\"kubernetes.io/service-name\":\"db\"}},"
    "\"addressType\":\"IPv4\",\"ports\":[],\"endpoints\":[{\"addresses\":[\"10.42.0.7\"],"
    "\"conditions\":{\"ready\":true}}]}]}";
static const char namespaces[] =
    "{\"kind\":\"NamespaceList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"5\"},"
    "\"items\":["
    "{\"metadata\":{\"name\":\"demo\",\"uid\":\"u5\",\"resourceVersion\":\"5\"}}]}";

static void gone(void *user UNUSED, struct http_exchange *ex)
{
    http_end(ex);
}

static void api(void *ctx UNUSED, struct http_exchange *ex)
{
    if (str_find(ex->req.query, S("watch=")) >= 0) {
        static const struct http_header headers[] = {
            {STR("Content-Type"), STR("application/json")}};
        ex->on_gone = gone;
        http_start(ex, 200, headers, 1);
        return;
    }
    const char *body = str_has_suffix(ex->req.path, S("/services"))         ? services
                       : str_has_suffix(ex->req.path, S("/endpointslices")) ? slices
                                                                            : namespaces;
    http_reply(ex, 200, "application/json", str_of(body));
}

/* ---- the upstream: knows www.example.org, big.example.org; everything else does not exist ---- */

static size_t upstream_answer(struct world *w, str message, uint8_t *out, bool tcp)
{
    static const uint8_t address[] = {192, 0, 2, 80};
    struct dns_name www, big, alias;
    struct dns_writer writer;
    struct dns_query q;

    if (dns_query_parse(message, &q) != DNS_OK)
        return 0;
    CHECK(dns_name_parse(S("www.example.org"), &www) &&
          dns_name_parse(S("big.example.org"), &big) &&
          dns_name_parse(S("alias.example.org"), &alias));
    q.edns = false;
    dns_write_start(&writer, out, &q, tcp ? DNS_MESSAGE_MAX : 512);
    int rcode = DNS_NXDOMAIN;
    if (str_eq(dns_name_str(&q.name), dns_name_str(&www))) {
        rcode = DNS_NOERROR;
        if (q.type == DNS_A)
            dns_write_record(&writer, DNS_ANSWER, NULL, DNS_A, 300, (str){(char *)address, 4});
    }
    if (str_eq(dns_name_str(&q.name), dns_name_str(&alias))) {
        str owner = dns_name_str(&www);
        rcode = DNS_NOERROR;
        dns_write_record(&writer, DNS_ANSWER, NULL, DNS_CNAME, 300, dns_name_str(&www));
        dns_write_record(&writer, DNS_ANSWER, &owner, DNS_A, 300, (str){(char *)address, 4});
    }
    if (str_eq(dns_name_str(&q.name), dns_name_str(&big))) {
        rcode = DNS_NOERROR;
        for (uint8_t i = 0; i < 100; i++)
            dns_write_record(&writer, DNS_ANSWER, NULL, DNS_A, 300,
                             (str){(char[]){10, 0, 0, (char)i}, 4});
    }
    dns_write_end(&writer, &q, false, rcode);
    if (w->truncate && !tcp)
        out[2] |= 2;
    return writer.n;
}

static void upstream_arrived(void *ctx, str datagram, const void *peer, size_t peer_len)
{
    static uint8_t out[DNS_MESSAGE_MAX];
    struct world *w = ctx;
    struct dns_query q;
    size_t n;

    if (dns_query_parse(datagram, &q) == DNS_OK && q.type == DNS_HINFO) { /* the probe for loops */
        if (w->loop_back) {
            struct sockaddr_in sa = {.sin_family = AF_INET};
            int64_t port; /* as if this upstream forwarded: the same question to the server */
            str listen = str_of(w->listen);
            CHECK(str_to_int64(str_skip(listen, (size_t)str_rindex(listen, ':') + 1), &port));
            sa.sin_port = htons((uint16_t)port);
            inet_pton(AF_INET, "127.0.0.1", &sa.sin_addr);
            udp_send(w->upstream, datagram, &sa, sizeof sa);
        }
        return;
    }
    w->upstream_seen++;
    if (w->silent)
        return;
    n = upstream_answer(w, datagram, out, false);
    if (n)
        udp_send(w->upstream, (str){(char *)out, n}, peer, peer_len);
}

struct tcp_upstream {
    struct world *w;
    struct stream *s;
    struct buf in;
};

static void tcp_upstream_data(void *ctx, const char *p, size_t n)
{
    static uint8_t out[2 + DNS_MESSAGE_MAX];
    struct tcp_upstream *t = ctx;

    buf_add(&t->in, p, n);
    if (t->in.n < 2 || t->in.n < 2u + (uint8_t)t->in.p[1])
        return;
    t->w->tcp_seen++;
    n = upstream_answer(t->w, str_skip(buf_view(&t->in), 2), out + 2, true);
    out[0] = (uint8_t)(n >> 8);
    out[1] = (uint8_t)n;
    stream_write(t->s, (str){(char *)out, n + 2}, NULL, NULL);
}

static void tcp_upstream_end(void *ctx, int error UNUSED)
{
    struct tcp_upstream *t = ctx;

    stream_close(t->s, NULL, NULL);
    buf_fini(&t->in);
    mem_free(t);
}

static void tcp_upstream_accepted(void *ctx, struct stream *s)
{
    static const struct stream_events events = {tcp_upstream_data, tcp_upstream_end};
    struct tcp_upstream *t = NEW(struct tcp_upstream);

    t->w = ctx;
    t->s = s;
    stream_start(s, &events, t);
}

/* ---- the test's side ---- */

static void got(void *ctx, str datagram, const void *peer UNUSED, size_t peer_len UNUSED)
{
    struct world *w = ctx;

    buf_clear(&w->got);
    buf_str(&w->got, datagram);
    if (++w->n_got == w->wanted)
        loop_stop(w->loop);
}

static void limit(void *ctx)
{
    struct world *w = ctx;

    w->timed_out = true;
    loop_stop(w->loop);
}

static void synced(void *ctx)
{
    struct world *w = ctx;

    w->synced = true;
    loop_stop(w->loop);
}

static void run(struct world *w, int answers)
{
    w->n_got = 0;
    w->wanted = answers;
    w->timed_out = false;
    loop_timer_set(w->limit, WAIT_NS);
    loop_run(w->loop);
    loop_timer_stop(w->limit);
    if (w->timed_out)
        test_fail(__FILE__, __LINE__, "no answer in time");
}

static void send_question(struct world *w, const char *name, uint16_t type)
{
    uint8_t m[600];
    struct dns_name n;
    struct sockaddr_in sa = {.sin_family = AF_INET};
    str listen = str_of(w->listen);
    int64_t port;

    CHECK(str_to_int64(str_skip(listen, (size_t)str_rindex(listen, ':') + 1), &port));
    sa.sin_port = htons((uint16_t)port);
    inet_pton(AF_INET, "127.0.0.1", &sa.sin_addr);
    CHECK(dns_name_parse(str_of(name), &n));
    size_t size = dns_question_write(m, 99, &n, type, false, false);
    for (size_t i = 0; name[i]; i++) /* in the spelling given */
        if (name[i] != '.')
            m[DNS_HEADER + 1 + i] = (uint8_t)name[i];
    udp_send(w->socket, (str){(char *)m, size}, &sa, sizeof sa);
}

/* rcode, number of answers, truncated: "0/1", "3/0", "0/0 cut". */
static str ask(struct world *w, const char *name, uint16_t type, struct buf *out)
{
    const uint8_t *p;

    send_question(w, name, type);
    run(w, 1);
    buf_clear(out);
    if (w->got.n < DNS_HEADER)
        return S("none");
    p = (const uint8_t *)w->got.p;
    CHECK_INT(p[0] << 8 | p[1], 99);
    buf_fmt(out, "%d/%d%s", p[3] & 15, p[6] << 8 | p[7], p[2] & 2 ? " cut" : "");
    return buf_view(out);
}

static void setup(struct world *w, bool loop_back)
{
    *w = (struct world){.loop_back = loop_back};
    w->loop = loop_new_uv();
    /* A port that is free for UDP may be taken for TCP: try a few. */
    for (int i = 0; i < 50 && !w->upstream_tcp; i++) {
        if (w->upstream)
            udp_close(w->upstream);
        CHECK_INT(udp_open(w->loop, S("127.0.0.1:0"), upstream_arrived, w, &w->upstream), 0);
        listener_open(w->loop, udp_address(w->upstream), tcp_upstream_accepted, w,
                      &w->upstream_tcp);
    }
    CHECK(w->upstream_tcp != NULL);
    CHECK_INT(udp_open(w->loop, S("127.0.0.1:0"), got, w, &w->socket), 0);
    w->limit = loop_timer_new(w->loop, limit, w);
    snprintf(w->resolv_conf, sizeof w->resolv_conf, "/tmp/k1s-dns-test-%d", getpid());
    FILE *f = fopen(w->resolv_conf, "w");
    fprintf(f, "# a comment\nsearch example.org\nnameserver " PRI_STR "\noptions ndots:5\n",
            STR_ARG(udp_address(w->upstream)));
    fclose(f);
    w->client =
        client_new_inproc(w->loop, &(struct client_inproc_options){.handler = api,
                                                                   .handler_ctx = w,
                                                                   .server_loop = w->loop,
                                                                   .user = S("dns"),
                                                                   .user_agent = S("test")});
    struct err *err = NULL;
    /* A port that is free for UDP may be taken for TCP. */
    for (int port = 26010; port < 26060 && !w->dns; port++) {
        err_free(err);
        snprintf(w->listen, sizeof w->listen, "127.0.0.1:%d", port);
        err = dns_start(&(struct dns_options){.loop = w->loop,
                                              .client = w->client,
                                              .listen = str_of(w->listen),
                                              .cluster_domain = S("cluster.local"),
                                              .resolv_conf = str_of(w->resolv_conf),
                                              .synced = synced,
                                              .ctx = w},
                        &w->dns);
    }
    CHECK_OK(err);
    run(w, 0);
    CHECK(w->synced);
}

static void teardown(struct world *w)
{
    dns_stop(w->dns);
    client_free(w->client);
    udp_close(w->upstream);
    listener_close(w->upstream_tcp);
    udp_close(w->socket);
    loop_timer_free(w->limit);
    buf_fini(&w->got);
    unlink(w->resolv_conf);
    loop_run(w->loop); /* until everything is closed */
    loop_free(w->loop);
}

TEST(dns_server, answers_the_cluster_itself_and_asks_upstream_for_the_rest)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct world w;

    setup(&w, false);
    CHECK_STRZ(ask(&w, "web.demo.svc.cluster.local", DNS_A, &b), "0/1");
    CHECK_STRZ(ask(&w, "db.demo.svc.cluster.local", DNS_A, &b), "0/1");
    CHECK_STRZ(ask(&w, "no.demo.svc.cluster.local", DNS_A, &b), "3/0");
    CHECK_INT(w.upstream_seen, 0);
    CHECK_STRZ(ask(&w, "www.example.org", DNS_A, &b), "0/1");
    CHECK_INT(w.upstream_seen, 1);
    CHECK_STRZ(ask(&w, "WWW.example.ORG", DNS_A, &b), "0/1"); /* kept */
    CHECK_INT(w.upstream_seen, 1);
    CHECK(str_find(buf_view(&w.got), S("\3WWW\7example\3ORG")) >
          0); /* in the spelling of the question */
    CHECK_STRZ(ask(&w, "nothing.example.org", DNS_A, &b), "3/0");
    CHECK_STRZ(ask(&w, "nothing.example.org", DNS_A, &b), "3/0"); /* that it is not is kept too */
    CHECK_INT(w.upstream_seen, 2);
    CHECK_STRZ(ask(&w, "example.org", DNS_AXFR, &b), "5/0");
    teardown(&w);
}

TEST(dns_server, an_external_name_brings_the_address_with_it)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct world w;

    setup(&w, false);
    CHECK_STRZ(ask(&w, "out.demo.svc.cluster.local", DNS_A, &b), "0/2");
    CHECK(str_has_prefix(str_skip(buf_view(&w.got), w.got.n - DNS_OPT_SIZE - 4),
                         (str){"\xc0\x00\x02\x50", 4}));
    CHECK_STRZ(ask(&w, "out.demo.svc.cluster.local", DNS_A, &b), "0/2");
    CHECK_STRZ(ask(&w, "out.demo.svc.cluster.local", DNS_AAAA, &b),
               "0/1"); /* the alias, but no such address */
    CHECK_STRZ(ask(&w, "alias.example.org", DNS_A, &b), "0/2");
    teardown(&w);
}

TEST(dns_server, equal_questions_at_once_are_asked_once)
{
    struct world w;

    setup(&w, false);
    for (int i = 0; i < 20; i++)
        send_question(&w, "www.example.org", DNS_A);
    run(&w, 20);
    CHECK_INT(w.upstream_seen, 1);
    teardown(&w);
}

TEST(dns_server, truncated_answers_are_fetched_over_tcp)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct world w;

    setup(&w, false);
    w.truncate = true;
    CHECK_STRZ(ask(&w, "big.example.org", DNS_A, &b),
               "0/0 cut"); /* too much for a datagram: the client comes by TCP */
    CHECK_INT(w.tcp_seen, 1);
    teardown(&w);
}

/* ---- TCP ---- */

static void tcp_data(void *ctx, const char *p, size_t n)
{
    struct world *w = ctx;
    size_t at = 0;

    buf_add(&w->got, p, n);
    w->n_got = 0;
    while (w->got.n - at >= 2 &&
           w->got.n - at >= 2u + ((uint8_t)w->got.p[at] << 8 | (uint8_t)w->got.p[at + 1])) {
        at += 2u + ((uint8_t)w->got.p[at] << 8 | (uint8_t)w->got.p[at + 1]);
        w->n_got++;
    }
    if (w->n_got == w->wanted)
        loop_stop(w->loop);
}

static void tcp_end(void *ctx, int error UNUSED)
{
    struct world *w = ctx;

    if (w->wanted == -1)
        loop_stop(w->loop);
}

static void tcp_connected(void *ctx, int error, struct stream *s)
{
    static const struct stream_events events = {tcp_data, tcp_end};
    struct world *w = ctx;

    CHECK_INT(error, 0);
    w->tcp = s;
    if (s)
        stream_start(s, &events, w);
    loop_stop(w->loop);
}

TEST(dns_server, serves_many_questions_on_one_connection)
{
    CLEANUP(buf) struct buf out = BUF_INIT;
    uint8_t m[600];
    struct dns_name name;
    struct world w;

    setup(&w, false);
    stream_connect(w.loop, str_of(w.listen), NS_PER_S, tcp_connected, &w);
    run(&w, 0);
    for (int i = 0; i < 100;
         i++) { /* more than may wait for upstream at once, and from the cluster in between */
        char text[64];
        snprintf(text, sizeof text, i % 2 ? "n%d.example.org" : "web.demo.svc.cluster.local", i);
        CHECK(dns_name_parse(str_of(text), &name));
        size_t n = dns_question_write(m, (uint16_t)i, &name, DNS_A, false, false);
        buf_char(&out, (char)(n >> 8));
        buf_char(&out, (char)n);
        buf_add(&out, m, n);
    }
    CHECK(dns_name_parse(S("big.example.org"), &name));
    size_t n = dns_question_write(m, 7, &name, DNS_A, false, false);
    buf_char(&out, (char)(n >> 8));
    buf_char(&out, (char)n);
    buf_add(&out, m, n);
    w.truncate = true;
    buf_clear(&w.got);
    for (size_t at = 0; at < out.n; at += 33) /* in pieces that respect no border */
        stream_write(w.tcp, str_slice(buf_view(&out), at, at + 33), NULL, NULL);
    run(&w, 101);
    CHECK(w.got.n > 1600); /* the big one whole */
    /* And one that goes away while its question is under way. */
    w.silent = true;
    stream_write(w.tcp, str_slice(buf_view(&out), 0, out.n), NULL, NULL);
    stream_shutdown(w.tcp);
    stream_close(w.tcp, NULL, NULL);
    w.silent = false;
    CHECK_STRZ(ask(&w, "web.demo.svc.cluster.local", DNS_A, &out), "0/1");
    teardown(&w);
}

TEST(dns_server, an_upstream_that_forwards_to_us_is_not_asked)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct world w;

    setup(&w, true);
    while (!str_eq(ask(&w, "www.example.org", DNS_A, &b), S("2/0")) && w.upstream_seen < 100)
        ; /* until the probe has come round */
    CHECK_STRZ(ask(&w, "www2.example.org", DNS_A, &b), "2/0");
    CHECK_STRZ(ask(&w, "web.demo.svc.cluster.local", DNS_A, &b), "0/1");
    teardown(&w);
}

TEST(dns_server, fifty_thousand_questions_a_second)
{
    struct world w;
    struct dns_name name;
    uint8_t m[600];
    static uint8_t out[DNS_MESSAGE_MAX];
    const int n = 200000;
    int rcode;

    /* What a query costs beside the two system calls; the calls are the kernel's (see bench). */
    setup(&w, false);
    struct zone *z = zone_new(S("cluster.local"));
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *s;
    CHECK_OK(json_parse(a,
                        S("{\"metadata\":{\"namespace\":\"demo\",\"name\":\"web\"},\"spec\":{"
                          "\"clusterIP\":\"10.43.1.1\",\"ports\":[]}}"),
                        NULL, NULL, &s));
    zone_put_service(z, S("demo/web"), s, NULL, 0);
    CHECK(dns_name_parse(S("web.demo.svc.cluster.local"), &name));
    size_t size = dns_question_write(m, 1, &name, DNS_A, false, false);
    struct timespec from, to;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    for (int i = 0; i < n; i++) {
        struct dns_query q;
        struct dns_writer writer;
        struct dns_name target;
        if (dns_query_parse((str){(char *)m, size}, &q) != DNS_OK)
            break;
        dns_write_start(&writer, out, &q, q.udp_size);
        zone_answer(z, &q, &writer, &rcode, &target);
        dns_write_end(&writer, &q, true, rcode);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    double each_us =
        ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / 1e3 / n;
    CHECK(each_us < 10); /* a tenth of it in a release build; room for sanitizers */
    if (getenv("K1S_BENCH"))
        printf("%.3f us per answer without sockets\n", each_us);
    zone_free(z);
    /* With sockets, in flights of 64, client and server on this one thread. */
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < 300; i++) {
        for (int k = 0; k < 64; k++)
            send_question(&w, "web.demo.svc.cluster.local", DNS_A);
        run(&w, 64);
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    if (getenv("K1S_BENCH"))
        printf("%.0f per second with sockets, client and server on one thread\n",
               300 * 64 /
                   ((double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9));
    teardown(&w);
}

TEST(dns_forward, name_servers_are_read_from_resolv_conf)
{
    CLEANUP(arena) struct arena *a = arena_new();
    str found[4];

    CHECK_INT(
        resolv_conf_parse(
            a,
            S("; x\nnameserver 192.0.2.1 \n nameserver\t2001:db8::1\nnameserver "
              "fe80::1%eth0\nnameserver bad\nnameserverx 1.1.1.1\nnameserver 127.0.0.1:5353\n"),
            found, 4),
        3);
    CHECK_STRZ(found[0], "192.0.2.1:53");
    CHECK_STRZ(found[1], "[2001:db8::1]:53");
    CHECK_STRZ(found[2], "127.0.0.1:5353");
}

TEST_MAIN
