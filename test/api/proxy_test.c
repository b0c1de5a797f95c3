/* proxy_test.c - pods/x/proxy, services/x/proxy: methods, the way to the directory, links in what comes back. */
#include "test/api/peer.h"

#include "api/proxy_links.h"

#define PROXY "/api/v1/namespaces/ns/services/https:hook:443/proxy"

static void serve(struct peer *p, struct http_exchange *ex)
{
    const struct http_header moved[] = {{S("Location"), S("/there?a=b")},
                                        {S("Content-Length"), S("0")}},
                             page[] = {{S("Content-Type"), S("text/html; charset=utf-8")},
                                       {S("Access-Control-Allow-Origin"), S("*")}};

    if (str_is(p->path, "/moved")) {
        http_start(ex, 302, moved, ARRAY_LEN(moved));
        http_end(ex);
    } else if (str_is(p->path, "/page")) {
        http_start(ex, 200, page, ARRAY_LEN(page));
        http_write(ex, S("<a href=\"/re"));
        http_write(ex, S("write\">x</a>"));
        http_end(ex);
    } else {
        http_reply(ex, 200, "text/plain", ex->req.method);
    }
}

static void begin(struct world *w, struct peer *p)
{
    world_init(w);
    peer_init(p, w);
    p->answer = serve;
    world_json(
        w, "POST", "/api/v1/namespaces/ns/endpoints",
        "{\"metadata\":{\"name\":\"hook\"},\"subsets\":[{\"addresses\":[{\"ip\":\"10.9.9.9\"}],"
        "\"ports\":[{\"name\":\"https\",\"port\":8443}]}]}",
        201);
}

TEST(proxy, passes_every_method_on)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    struct world w;
    struct peer p;
    struct call *c;

    begin(&w, &p);
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        c = world_call(&w, methods[i], PROXY "/some/path?x=y", NULL, NULL);
        CHECK_INT(c->status, 200);
        CHECK_STRZ(buf_view(&c->body), methods[i]);
        CHECK_STRZ(p.path, "/some/path?x=y");
        CHECK_STRZ(peer_header(&p, "X-Forwarded-Uri"), PROXY "/some/path");
        call_free(c);
    }
    CHECK_INT(world_status(&w, "HEAD", PROXY "/some/path", NULL), 200);
    /* Nothing else knows these two. */
    CHECK_INT(world_status(&w, "HEAD", "/api/v1/namespaces/ns", NULL), 405);
    CHECK_INT(world_status(&w, "OPTIONS", "/api/v1/namespaces/ns", NULL), 405);
    peer_fini(&p);
    world_fini(&w);
}

TEST(proxy, sends_who_asks_for_the_root_to_the_directory)
{
    struct world w;
    struct peer p;
    struct call *c;

    begin(&w, &p);
    c = world_call(&w, "GET", PROXY "?a=b", NULL, NULL);
    CHECK_INT(c->status, 301);
    CHECK_STRZ(call_header(c, "Location"), PROXY "/?a=b");
    call_free(c);
    CHECK_INT(world_status(&w, "HEAD", PROXY, NULL), 301);
    CHECK_INT(world_status(&w, "POST", PROXY, NULL), 200);
    CHECK_INT(world_status(&w, "GET", PROXY "/", NULL), 200);
    peer_fini(&p);
    world_fini(&w);
}

TEST(proxy, makes_links_lead_back_to_itself)
{
    struct world w;
    struct peer p;
    struct call *c;

    begin(&w, &p);
    c = world_call(&w, "GET", PROXY "/page", NULL, NULL);
    CHECK_INT(c->status, 200);
    CHECK_STRZ(buf_view(&c->body), "<a href=\"" PROXY "/rewrite\">x</a>");
    CHECK_STRZ(call_header(c, "Access-Control-Allow-Origin"), "");
    call_free(c);
    c = world_call(&w, "GET", PROXY "/moved", NULL, NULL);
    CHECK_INT(c->status, 302);
    CHECK_STRZ(call_header(c, "Location"), PROXY "/there?a=b");
    call_free(c);
    peer_fini(&p);
    world_fini(&w);
}

static const struct proxy_links links = {STR("/p/proxy"), STR("10.0.0.1:80"), STR("api:6443")};

/* The kubelet's answer, as a browser takes it. */
static void serve_log(struct peer *p, struct http_exchange *ex)
{
    if (str_is(p->path, "/containerLogs/ns/p/c?tailLines=1")) {
        http_start(ex, 200, NULL, 0);
        http_write(ex, S("one\n"));
        http_end(ex);
    } else {
        http_reply(ex, 404, "text/plain", S("no such container\n"));
    }
}

TEST(log, over_a_websocket_begins_with_an_empty_message)
{
#define SOCKET                                                                                     \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nConnection: Upgrade\nUpgrade: websocket\n"
#define LOG "/api/v1/namespaces/ns/pods/p/log"
    static const struct {
        const char *path, *headers;
        int status;
        unsigned opcode;
        const char *body;
    } cases[] = {
        {LOG "?tailLines=1", SOCKET, 101, 2, "one\n"},
        {LOG "?tailLines=1", SOCKET "Sec-WebSocket-Protocol: x, binary.k8s.io", 101, 2, "one\n"},
        {LOG "?tailLines=1", SOCKET "Sec-WebSocket-Protocol: base64.binary.k8s.io", 101, 1,
         "b25lCg=="},
        {LOG "?tailLines=1", SOCKET "Sec-WebSocket-Protocol: x", 403, 0,
         "requested protocol(s) are not supported\n"},
        {LOG "?tailLines=1", "Connection: Upgrade\nUpgrade: websocket", 400, 0,
         "missing Sec-WebSocket-Key\n"},
        {LOG "?tailLines=2", SOCKET, 404, 0, NULL},
    };
    struct world w;
    struct peer p;

    world_init(&w);
    peer_init(&p, &w);
    p.answer = serve_log;
    world_json(&w, "POST", "/api/v1/nodes", "{\"metadata\":{\"name\":\"n\"}}", 201);
    world_json(
        &w, "PUT", "/api/v1/nodes/n/status",
        "{\"metadata\":{\"name\":\"n\"},\"status\":{\"addresses\":[{\"type\":\"InternalIP\","
        "\"address\":\"10.9.9.9\"}],\"daemonEndpoints\":{\"kubeletEndpoint\":{\"Port\":8443}}}}",
        200);
    world_json(&w, "POST", "/api/v1/namespaces/ns/serviceaccounts",
               "{\"metadata\":{\"name\":\"default\"}}", 201);
    world_json(
        &w, "POST", "/api/v1/namespaces/ns/pods",
        "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"nodeName\":\"n\",\"containers\":[{\"name\":"
        "\"c\",\"image\":\"i\"}]}}",
        201);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct call *c = world_call(&w, "GET", cases[i].path, NULL, cases[i].headers);

        CHECK(c->ended);
        CHECK_INT(c->status, cases[i].status);
        CHECK_INT(c->opcode, cases[i].opcode);
        if (cases[i].body)
            CHECK_STRZ(buf_view(&c->body), cases[i].body);
        if (c->opcode)
            CHECK_INT(c->n_messages, 2);
        call_free(c);
    }
    peer_fini(&p);
    world_fini(&w);
#undef SOCKET
#undef LOG
}

TEST(proxy_links, only_absolute_links_to_ourselves_change)
{
    static const struct {
        const char *link, *want;
    } rows[] = {
        {"/a", "/p/proxy/a"},
        {"/a/?x=/b#c", "/p/proxy/a/?x=/b#c"},
        {"/", "/p/proxy/"},
        {"/a//b/../c", "/p/proxy/a/c"},
        {"/p/proxy/a", "/p/proxy/a"},
        {"a", "a"},
        {"", ""},
        {"?x", "?x"},
        {"#x", "#x"},
        {"http://10.0.0.1:80/a", "/p/proxy/a"},
        {"//10.0.0.1:80/a", "/p/proxy/a"},
        {"https://api:6443/a", "https://api:6443/p/proxy/a"},
        {"http://elsewhere/a", "http://elsewhere/a"},
        {"//elsewhere/a", "//elsewhere/a"},
        {"mailto:a@b/c", "mailto:a@b/c"},
        {"http://10.0.0.1:80", "http://10.0.0.1:80"},
    };
    CLEANUP(arena) struct arena *a = arena_new();

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        CHECK_STRZ(proxy_link(a, &links, str_of(rows[i].link)), rows[i].want);
}

TEST(proxy_links, a_page_changes_where_links_are_and_nowhere_else)
{
    static const struct {
        const char *page, *want;
    } rows[] = {
        {"<a href='/x'>/x</a>", "<a href='/p/proxy/x'>/x</a>"},
        {"<A HREF=/x>", "<A HREF=/p/proxy/x>"},
        {"<a title=\"/x\" href = \"/x\" >", "<a title=\"/x\" href = \"/p/proxy/x\" >"},
        {"<img src=\"/a\" longdesc=\"/b\"/>", "<img src=\"/p/proxy/a\" longdesc=\"/p/proxy/b\"/>"},
        {"<p href=\"/x\">", "<p href=\"/x\">"},
        {"<!-- <a href=\"/x\"> --><a href=\"/y\">",
         "<!-- <a href=\"/x\"> --><a href=\"/p/proxy/y\">"},
        {"<script src=\"/s\">'<a href=\"/x\">'</script>",
         "<script src=\"/p/proxy/s\">'<a href=\"/x\">'</script>"},
        {"<!DOCTYPE html><html manifest=\"/m\">", "<!DOCTYPE html><html manifest=\"/p/proxy/m\">"},
        {"1 < 2 <", "1 < 2 <"},
        {"<a href=\"/x", "<a href=\"/x"},
        {"<a href=", "<a href="},
        {"<a", "<a"},
        {"<title><a href=\"/x\"></title>", "<title><a href=\"/x\"></title>"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(buf) struct buf b = BUF_INIT;

        proxy_page(&b, &links, str_of(rows[i].page));
        CHECK_STRZ(buf_view(&b), rows[i].want);
    }
}

TEST_MAIN
