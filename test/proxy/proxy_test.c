/* proxy_test.c - the proxy as a whole, in a network namespace of its own: an API that the test speaks for on one side, the kernel's
 * table on the other. */
#include "proxy/proxy_internal.h"
#include "test/test.h"
#include <sched.h>
#include <unistd.h>

#define WAIT_NS (10 * NS_PER_S)

struct world {
    struct loop *loop;
    struct client *client;
    struct proxy *proxy;
    struct http_exchange *watches[2]; /* services, slices */
    struct loop_timer *limit, *look;
    char dir[64];
    bool synced, timed_out;
    const char *want; /* a grep of the table; "!x": absent */
    int n_lists;
};

static const char services[] =
    "{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"5\"},"
    "\"items\":["
    "{\"metadata\":{\"namespace\":\"demo\",\"name\":\"web\",\"uid\":\"u1\",\"resourceVersion\":"
    "\"1\"},\"spec\":{\"clusterIP\":\"10.43.1.1\",\"ports\":[{\"name\":\"dns\",\"protocol\":"
    "\"UDP\",\"port\":53}]}}]}";
#define SLICE(ip, revision)                                                                        \
    "{\"kind\":\"EndpointSlice\",\"apiVersion\":\"discovery.k8s.io/"                               \
    "v1\",\"metadata\":{\"namespace\":\"demo\",\"name\":\"web-x\",\"uid\":\"u4\","                 \
    "\"resourceVersion\":\"" revision "\",\"labels\":{\"kubernetes.io/"                            \
    "service-name\":\"web\"}},\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"dns\",\"protocol\":" \
    "\"UDP\",\"port\":5353}],"                                                                     \
    "\"endpoints\":[{\"addresses\":[\"" ip "\"],\"conditions\":{\"ready\":true}}]}"
static const char slices[] =
    "{\"kind\":\"EndpointSliceList\",\"apiVersion\":\"discovery.k8s.io/"
    "v1\",\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[" SLICE("10.42.0.7", "4") "]}";

static void gone(void *user, struct http_exchange *ex)
{
    *(struct http_exchange **)user = NULL;
    http_end(ex);
}

static void api(void *ctx, struct http_exchange *ex)
{
    struct world *w = ctx;
    bool is_services = str_has_suffix(ex->req.path, S("/services"));

    if (str_find(ex->req.query, S("watch=")) >= 0) {
        static const struct http_header headers[] = {
            {STR("Content-Type"), STR("application/json")}};
        w->watches[!is_services] = ex;
        ex->on_gone = gone;
        ex->user = &w->watches[!is_services];
        http_start(ex, 200, headers, 1);
        return;
    }
    w->n_lists++;
    http_reply(ex, 200, "application/json", str_of(is_services ? services : slices));
}

static void limit(void *ctx)
{
    struct world *w = ctx;

    w->timed_out = true;
    loop_stop(w->loop);
}

static bool table_has(const char *what)
{
    char command[300];
    bool absent = *what == '!';

    snprintf(command, sizeof command, "nft list table ip k1s 2>/dev/null | grep -qF -- '%s'",
             what + absent);
    return (system(command) == 0) != absent;
}

static void look(void *ctx)
{
    struct world *w = ctx;

    if (w->synced && table_has(w->want))
        loop_stop(w->loop);
    else
        loop_timer_set(w->look, 20 * NS_PER_MS);
}

static void await(struct world *w, const char *want)
{
    w->want = want;
    loop_timer_set(w->limit, WAIT_NS);
    loop_timer_set(w->look, 0);
    loop_run(w->loop);
    loop_timer_stop(w->look);
    loop_timer_stop(w->limit);
    if (w->timed_out)
        test_fail(__FILE__, __LINE__, "\"%s\" did not come", want);
}

static void synced(void *ctx)
{
    struct world *w = ctx;

    w->synced = true;
    CHECK(table_has("service-demo/web/udp/dns")); /* by then the rules are in the kernel */
}

static bool setup(struct world *w)
{
    *w = (struct world){.n_lists = 0};
    if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0) {
        test_skip("needs root and network namespaces");
        return false;
    }
    CHECK(system("ip link set lo up") == 0);
    snprintf(w->dir, sizeof w->dir, "/tmp/k1s-proxy-test-%d", getpid());
    w->loop = loop_new_uv();
    w->limit = loop_timer_new(w->loop, limit, w);
    w->look = loop_timer_new(w->loop, look, w);
    w->client =
        client_new_inproc(w->loop, &(struct client_inproc_options){.handler = api,
                                                                   .handler_ctx = w,
                                                                   .server_loop = w->loop,
                                                                   .user = S("proxy"),
                                                                   .user_agent = S("test")});
    CHECK_OK(proxy_start(&(struct proxy_options){.loop = w->loop,
                                                 .client = w->client,
                                                 .node_name = S("n1"),
                                                 .node_ip = S("192.0.2.2"),
                                                 .cluster_cidr = S("10.42.0.0/16"),
                                                 .service_cidr = S("10.43.0.0/16"),
                                                 .synced = synced,
                                                 .ctx = w,
                                                 .state_dir = str_of(w->dir)},
                         &w->proxy));
    return true;
}

static void teardown(struct world *w, bool remove_rules)
{
    proxy_stop(w->proxy, remove_rules);
    client_free(w->client);
    loop_timer_free(w->limit);
    loop_timer_free(w->look);
    loop_run(w->loop);
    loop_free(w->loop);
}

static void event(struct http_exchange *watch, const char *type, const char *object)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    BUG_ON(!watch);
    buf_fmt(&b, "{\"type\":\"%s\",\"object\":%s}\n", type, object);
    http_write(watch, buf_view(&b));
}

TEST(proxy, follows_the_api_and_says_when_the_rules_are_there)
{
    struct world w;

    if (!setup(&w))
        return;
    await(&w, "dnat to 10.42.0.7:5353");
    CHECK(w.synced);
    CHECK(system("test $(cat /proc/sys/net/ipv4/ip_forward) = 1") == 0);
    event(w.watches[1], "MODIFIED", SLICE("10.42.0.8", "6"));
    await(&w, "dnat to 10.42.0.8:5353");
    CHECK(table_has("!10.42.0.7"));
    event(w.watches[1], "DELETED", SLICE("10.42.0.8", "7"));
    await(&w, "10.43.1.1 . udp . 53 : goto refuse");
    await(&w, "!service-demo/web"); /* its chain goes a little later */
    event(w.watches[1], "ADDED", SLICE("10.42.0.9", "8"));
    await(&w, "dnat to 10.42.0.9:5353");
    event(w.watches[0], "DELETED",
          "{\"kind\":\"Service\",\"apiVersion\":\"v1\",\"metadata\":{\"namespace\":\"demo\","
          "\"name\":\"web\",\"uid\":\"u1\",\"resourceVersion\":\"9\"},\"spec\":{}}");
    await(&w, "!10.43.1.1");
    teardown(&w, true);
    CHECK(system("test -z \"$(nft list tables; ip link show k1s-dns 2>/dev/null; ip route | grep "
                 "unreachable)\"") == 0);
    CHECK(rmdir(w.dir) == 0);
}

TEST(proxy, repairs_a_table_that_somebody_removed)
{
    struct world w;

    if (!setup(&w))
        return;
    await(&w, "dnat to 10.42.0.7:5353");
    CHECK(system("nft flush ruleset") == 0);
    await(&w, "dnat to 10.42.0.7:5353"); /* without a change of the API */
    event(w.watches[1], "MODIFIED", SLICE("10.42.0.8", "6"));
    await(&w, "dnat to 10.42.0.8:5353");
    teardown(&w, false);
    CHECK(table_has("dnat to 10.42.0.8:5353")); /* Services work while k1s is away */
    CHECK(system("test -n \"$(ls /tmp/k1s-proxy-test-*/ 2>/dev/null)\"") == 0);
    struct loop *loop = loop_new_uv();
    CHECK_OK(proxy_cleanup(loop, str_of(w.dir)));
    loop_free(loop);
    CHECK(rmdir(w.dir) == 0);
}

TEST_MAIN
