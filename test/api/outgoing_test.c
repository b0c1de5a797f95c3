/* outgoing_test.c - the API server as a client of webhooks. */
#include "api/outgoing.h"
#include "test/api/peer.h"

struct answer {
    struct world *w;
    bool came;
    str error, body;
};

static void on_answer(void *ctx, struct err *e, str body)
{
    struct answer *x = ctx;

    CHECK(!x->came);
    x->came = true;
    x->error = arena_dup(x->w->arena, str_of(e ? err_text(e) : ""));
    x->body = arena_dup(x->w->arena, body);
    err_free(e);
}

static struct answer ask(struct world *w, const char *config)
{
    struct answer x = {.w = w};
    struct outgoing_target t;
    struct json *v;

    CHECK_OK(json_parse(w->arena, arena_dup(w->arena, str_of(config)), NULL, NULL, &v));
    CHECK_OK(outgoing_target_of(w->arena, v, S("timeout=10s"), &t));
    outgoing_post(w->api, &t, S("{\"a\":1}"), 10 * NS_PER_S, on_answer, &x);
    CHECK(!x.came);
    world_run(w, 15 * NS_PER_S);
    CHECK(x.came);
    return x;
}

static const char *service(struct peer *p, const char *name, int port)
{
    return arena_fmt(p->w->arena,
                     "{\"service\":{\"namespace\":\"ns\",\"name\":\"%s\",\"port\":%d,\"path\":"
                     "\"/x\"},\"caBundle\":\"" PRI_STR "\"}",
                     name, port, STR_ARG(peer_ca_base64(p)))
        .p;
}

static void begin(struct world *w, struct peer *p)
{
    world_init(w);
    peer_init(p, w);
    p->text = "{\"ok\":true}";
}

static void end(struct world *w, struct peer *p)
{
    peer_fini(p);
    world_fini(w);
}

TEST(outgoing, reaches_a_service_through_its_endpoint_slices)
{
    struct world w;
    struct peer p;
    struct answer x;

    begin(&w, &p);
    x = ask(&w, service(&p, "hook", 443));
    CHECK_STRZ(x.error, "");
    CHECK_STRZ(x.body, "{\"ok\":true}");
    CHECK_STRZ(p.path, "/x?timeout=10s");
    CHECK_STRZ(p.body, "{\"a\":1}");
    CHECK_STRZ(peer_header(&p, "Host"), "hook.ns.svc:443");
    CHECK_STRZ(peer_header(&p, "Content-Type"), "application/json");
    end(&w, &p);
}

TEST(outgoing, says_what_is_missing_of_a_service)
{
    struct world w;
    struct peer p;

    begin(&w, &p);
    CHECK_STRZ(ask(&w, service(&p, "nobody", 443)).error,
               "Post \"https://nobody.ns.svc:443/x?timeout=10s\": service \"nobody\" not found");
    CHECK_STRZ(ask(&w, service(&p, "hook", 80)).error,
               "Post \"https://hook.ns.svc:80/x?timeout=10s\": no service port 80 found for "
               "service \"hook\"");
    world_json(&w, "DELETE", "/apis/discovery.k8s.io/v1/namespaces/ns/endpointslices/hook-1", NULL,
               200);
    CHECK_STRZ(ask(&w, service(&p, "hook", 443)).error,
               "Post \"https://hook.ns.svc:443/x?timeout=10s\": no endpoints available for "
               "service \"hook\"");
    CHECK_INT(p.n_calls, 0);
    end(&w, &p);
}

TEST(outgoing, trusts_only_the_bundle_and_only_the_right_name)
{
    struct world w;
    struct peer p;

    begin(&w, &p);
    CHECK_STRZ(ask(&w, "{\"url\":\"https://10.9.9.9:8443/y\"}").error,
               "Post \"https://10.9.9.9:8443/y?timeout=10s\": tls: failed to verify certificate: "
               "x509: certificate signed by unknown authority");
    CHECK_STRZ(
        ask(&w, arena_fmt(w.arena,
                          "{\"url\":\"https://10.9.9.9:8443/y?a=b\",\"caBundle\":\"" PRI_STR "\"}",
                          STR_ARG(peer_ca_base64(&p)))
                    .p)
            .error,
        "");
    CHECK_STRZ(p.path, "/y?a=b&timeout=10s");
    end(&w, &p);
}

TEST(outgoing, words_failures_as_the_rest_client_of_go)
{
    static const struct {
        int status;
        const char *type, *text, *want;
    } cases[] = {
        {404, "text/plain", "gone", "the server could not find the requested resource"},
        {500, "text/plain", "it \"broke\"\n",
         "an error on the server (\"it \\\"broke\\\"\") has prevented the request from succeeding"},
        {500, "application/json", "{}",
         "an error on the server (\"unknown\") has prevented the request from succeeding"},
        {503, "text/plain", "", "the server is currently unable to handle the request"},
        {422, "application/json", "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"no\"}",
         "no"},
        {200, "application/json", "",
         "0-length response with status code: 200 and content type: application/json"},
    };
    struct world w;
    struct peer p;

    begin(&w, &p);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        p.status = cases[i].status;
        p.type = cases[i].type;
        p.text = cases[i].text;
        CHECK_STRZ(ask(&w, service(&p, "hook", 443)).error, cases[i].want);
    }
    end(&w, &p);
}

TEST(outgoing, gives_up_when_its_time_is_over)
{
    struct world w;
    struct peer p;

    begin(&w, &p);
    p.silent = true;
    CHECK_STRZ(ask(&w, service(&p, "hook", 443)).error,
               "Post \"https://hook.ns.svc:443/x?timeout=10s\": context deadline exceeded");
    end(&w, &p);
}

static void too_much(struct peer *p, struct http_exchange *ex)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    (void)p;
    for (size_t i = 0; i <= OUTGOING_ANSWER_MAX / 16; i++)
        buf_z(&b, "0123456789abcdef");
    http_reply(ex, 200, "application/json", buf_view(&b));
}

TEST(outgoing, reads_no_more_than_its_limit)
{
    struct world w;
    struct peer p;

    begin(&w, &p);
    p.answer = too_much;
    CHECK_STRZ(ask(&w, service(&p, "hook", 443)).error, "the answer is larger than 16777216 bytes");
    end(&w, &p);
}

TEST(outgoing, is_silent_once_cancelled_and_ends_with_the_server)
{
    struct world w;
    struct peer p;
    struct answer cancelled = {.w = &w}, open = {.w = &w}, early = {.w = &w};
    struct outgoing_target t;
    struct json *v;

    begin(&w, &p);
    p.silent = true;
    CHECK_OK(json_parse(w.arena, str_of(service(&p, "hook", 443)), NULL, NULL, &v));
    CHECK_OK(outgoing_target_of(w.arena, v, S(""), &t));
    outgoing_cancel(outgoing_post(w.api, &t, S("{}"), NS_PER_S, on_answer, &early));
    struct outgoing_call *c =
        outgoing_post(w.api, &t, S("{}"), 60 * NS_PER_S, on_answer, &cancelled);
    outgoing_post(w.api, &t, S("{}"), 60 * NS_PER_S, on_answer, &open);
    world_run(&w, 5 * NS_PER_S);
    outgoing_cancel(c);
    world_run(&w, 5 * NS_PER_S);
    CHECK(!cancelled.came && !early.came && !open.came);
    peer_fini(&p);
    world_fini(&w);
    CHECK(open.came && !cancelled.came);
}

static void busy_twice(struct peer *p, struct http_exchange *ex)
{
    static const struct http_header later[] = {{STR("Retry-After"), STR("2")},
                                               {STR("Content-Length"), STR("0")}};

    if (p->n_calls > 2) {
        http_reply(ex, 200, "application/json", str_of(p->text));
        return;
    }
    http_start(ex, p->n_calls == 1 ? 429 : 503, later, ARRAY_LEN(later));
    http_end(ex);
}

static void always_busy(struct peer *p, struct http_exchange *ex)
{
    static const struct http_header later[] = {{STR("Retry-After"), STR("4")},
                                               {STR("Content-Length"), STR("0")}};

    http_start(ex, 429, later, ARRAY_LEN(later));
    http_end(ex);
}

TEST(outgoing, comes_back_to_a_server_that_says_when)
{
    struct world w;
    struct peer p;
    struct answer x;

    begin(&w, &p);
    p.answer = busy_twice;
    x = ask(&w, service(&p, "hook", 443));
    CHECK_STRZ(x.error, "");
    CHECK_STRZ(x.body, "{\"ok\":true}");
    CHECK_INT(p.n_calls, 3);
    CHECK_STRZ(p.body, "{\"a\":1}");
    end(&w, &p);
}

TEST(outgoing, waits_no_longer_than_its_time)
{
    struct world w;
    struct peer p;
    struct answer x;

    begin(&w, &p);
    p.answer = always_busy;
    x = ask(&w, service(&p, "hook", 443));
    CHECK_STRZ(x.error, "context deadline exceeded");
    CHECK_INT(p.n_calls, 3);
    end(&w, &p);
}

TEST_MAIN
