/* kernel_test.c - the rules in a real kernel, in network namespaces of the test's own: what is connected to where.
 *
 * The test process moves into a new namespace (unshare) with veth pairs to two "pods", which are namespaces too. Everything
 * vanishes with the process. */
#include "proxy/node_address.h"
#include "proxy/proxy_internal.h"
#include "test/test.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 3000
#define SILENCE_MS                                                                                 \
    200 /* long enough for an answer within this machine, short enough for a test that expects none */

static const struct proxy_node node = {.node_name = STR("n1"),
                                       .node_ip = STR("192.0.2.2"),
                                       .cluster_cidr = STR("10.42.0.0/16"),
                                       .service_cidr = STR("10.43.0.0/16")};

struct world {
    int host, pod[2];
}; /* namespaces */

static int run(const char *command)
{
    return system(command);
}

static int ns_fd(void)
{
    return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

/* A host 192.0.2.2 (on eth0) with pods 10.42.0.2 and 10.42.0.3 behind links of their own; false: not possible here. */
static bool world_make(struct world *w)
{
    if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0) {
        test_skip("needs root and network namespaces");
        return false;
    }
    w->host = ns_fd();
    for (int i = 0; i < 2; i++) {
        CHECK(unshare(CLONE_NEWNET) == 0);
        w->pod[i] = ns_fd();
    }
    CHECK(setns(w->host, CLONE_NEWNET) == 0);
    CHECK(run("ip link set lo up && ip link add eth0 type bridge && ip addr add 192.0.2.2/24 dev "
              "eth0 && ip link set eth0 up") == 0);
    for (int i = 0; i < 2; i++) {
        char text[400];
        snprintf(text, sizeof text,
                 "ip link add p%d type veth peer name e0 netns /proc/%d/fd/%d && ip link set p%d "
                 "up && ip addr add 10.42.0.1/32 dev p%d"
                 " && ip route add 10.42.0.%d dev p%d",
                 i, getpid(), w->pod[i], i, i, i + 2, i);
        CHECK(run(text) == 0);
        CHECK(setns(w->pod[i], CLONE_NEWNET) == 0);
        snprintf(text, sizeof text,
                 "ip link set lo up && ip addr add 10.42.0.%d/32 dev e0 && ip link set e0 up && ip "
                 "route add 10.42.0.1 dev e0"
                 " && ip route add default via 10.42.0.1",
                 i + 2);
        CHECK(run(text) == 0);
        CHECK(setns(w->host, CLONE_NEWNET) == 0);
    }
    /* /proc/sys shows the namespace of the process that opens it. */
    CHECK(run("echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 "
              ">/proc/sys/net/ipv4/conf/all/route_localnet") == 0);
    return true;
}

static void world_close(struct world *w)
{
    close(w->host);
    close(w->pod[0]);
    close(w->pod[1]);
}

static int socket_in(int ns, int back, int type)
{
    CHECK(setns(ns, CLONE_NEWNET) == 0);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    CHECK(setns(back, CLONE_NEWNET) == 0);
    return fd;
}

static struct sockaddr_in address(const char *ip, int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, ip, &a.sin_addr);
    return a;
}

static int serve(struct world *w, int ns, int type, const char *ip, int port)
{
    int fd = socket_in(ns, w->host, type), one = 1;
    struct sockaddr_in a = address(ip, port);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    CHECK(bind(fd, (struct sockaddr *)&a, sizeof a) == 0);
    if (type == SOCK_STREAM)
        CHECK(listen(fd, 16) == 0);
    return fd;
}

static bool readable(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, ms) == 1;
}

/* Connects from ns; 0 or the errno; who: the source address that `listener` saw. */
static int reach(struct world *w, int ns, const char *ip, int port, int listener, char *who)
{
    int fd = socket_in(ns, w->host, SOCK_STREAM | SOCK_NONBLOCK), error = 0;
    struct sockaddr_in a = address(ip, port), peer;
    socklen_t len = sizeof error;

    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0 && errno != EINPROGRESS) {
        error = errno;
        close(fd);
        return error;
    }
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    if (poll(&p, 1, listener < 0 ? SILENCE_MS : WAIT_MS) != 1)
        error = ETIMEDOUT;
    else
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (!error && listener >= 0) {
        len = sizeof peer;
        int c = readable(listener, WAIT_MS) ? accept(listener, (struct sockaddr *)&peer, &len) : -1;
        if (c < 0)
            error = ENOENT;
        else if (who)
            inet_ntop(AF_INET, &peer.sin_addr, who, 16);
        if (c >= 0)
            close(c);
    }
    close(fd);
    return error;
}

static void put(struct ruleset *rs, const char *service, const char *slice)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *s, *e;
    const struct json *slices[1];
    struct service_rules r;

    CHECK_OK(json_parse(a, str_of(service), NULL, NULL, &s));
    CHECK_OK(json_parse(a, str_of(slice), NULL, NULL, &e));
    slices[0] = e;
    service_rules_compile(a, &node, s, slices, 1, &r);
    ruleset_put(rs, json_get_str(s, "metadata.name"), r.items, r.n_items);
}

static void apply(struct ruleset *rs)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    ruleset_batch(rs, &b);
    CHECK_OK(nft_apply(buf_cstr(&b)));
}

#define SERVICE(spec, status)                                                                      \
    "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"web\"},\"spec\":{\"clusterIP\":\"10.43.1."     \
    "1\"," spec "}" status "}"
#define SLICE(proto, endpoints)                                                                    \
    "{\"addressType\":\"IPv4\",\"ports\":[{\"protocol\":\"" proto                                  \
    "\",\"port\":8080}],\"endpoints\":[" endpoints "]}"
#define EP(ip, on)                                                                                 \
    "{\"addresses\":[\"" ip "\"],\"conditions\":{\"ready\":true},\"nodeName\":\"" on "\"}"

TEST(proxy_kernel, services_lead_pods_node_and_outside_to_their_endpoint)
{
    struct world w;
    char who[16];

    if (!world_make(&w))
        return;
    struct ruleset *rs = ruleset_new(&node);
    int web = serve(&w, w.pod[0], SOCK_STREAM, "10.42.0.2", 8080);

    CHECK_OK(node_link_set(S("10.43.0.10"), S("10.43.0.0/16"), S("192.0.2.2")));
    put(rs,
        SERVICE("\"type\":\"NodePort\",\"externalIPs\":[\"192.0.2.77\"],\"ports\":[{\"port\":80,"
                "\"nodePort\":30080}]",
                ""),
        SLICE("TCP", EP("10.42.0.2", "n1")));
    apply(rs);

    CHECK_INT(reach(&w, w.pod[1], "10.43.1.1", 80, web, who), 0);
    CHECK_STRZ(str_of(who), "10.42.0.3"); /* pods keep their address */
    CHECK_INT(reach(&w, w.pod[0], "10.43.1.1", 80, web, who), 0);
    CHECK_STRZ(str_of(who), "10.42.0.1"); /* a pod that comes to itself is masqueraded */
    CHECK_INT(reach(&w, w.host, "10.43.1.1", 80, web, who),
              0); /* no default route here: the link's route does it */
    CHECK_STRZ(str_of(who), "10.42.0.1");
    CHECK_INT(reach(&w, w.host, "127.0.0.1", 30080, web, who), 0);
    CHECK_STRZ(str_of(who), "10.42.0.1");
    CHECK_INT(reach(&w, w.host, "192.0.2.2", 30080, web, who), 0);
    CHECK_INT(reach(&w, w.pod[1], "192.0.2.2", 30080, web, who), 0);
    CHECK_INT(reach(&w, w.pod[1], "192.0.2.77", 80, web, who), 0);
    CHECK_INT(reach(&w, w.host, "192.0.2.77", 80, web, who), 0);

    /* Other ports and addresses of the service network are refused on the spot, from everywhere. */
    CHECK_INT(reach(&w, w.host, "10.43.1.1", 81, -1, NULL), ECONNREFUSED);
    CHECK_INT(reach(&w, w.host, "10.43.9.9", 80, -1, NULL), ECONNREFUSED);
    CHECK_INT(reach(&w, w.pod[1], "10.43.9.9", 80, -1, NULL), ECONNREFUSED);

    /* The address of the cluster DNS is this node's own. */
    int dns = serve(&w, w.host, SOCK_STREAM, "10.43.0.10", 53);
    CHECK_INT(reach(&w, w.pod[1], "10.43.0.10", 53, dns, who), 0);
    CHECK_STRZ(str_of(who), "10.42.0.3");
    CHECK_INT(reach(&w, w.host, "10.43.0.10", 53, dns, who), 0);
    close(dns);

    /* Endpoints go: refused. They come back: served again. The Service goes: refused. */
    put(rs, SERVICE("\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"nodePort\":30080}]", ""),
        SLICE("TCP", ""));
    apply(rs);
    CHECK_INT(reach(&w, w.pod[1], "10.43.1.1", 80, -1, NULL), ECONNREFUSED);
    CHECK_INT(reach(&w, w.host, "127.0.0.1", 30080, -1, NULL), ECONNREFUSED);
    put(rs, SERVICE("\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"nodePort\":30080}]", ""),
        SLICE("TCP", EP("10.42.0.2", "n1")));
    apply(rs);
    CHECK_INT(reach(&w, w.pod[1], "10.43.1.1", 80, web, who), 0);
    ruleset_put(rs, S("web"), NULL, 0);
    apply(rs);
    CHECK_INT(reach(&w, w.pod[1], "10.43.1.1", 80, -1, NULL), ECONNREFUSED);
    for (int i = 0; i < 2; i++) {
        CLEANUP(buf) struct buf b = BUF_INIT;
        ruleset_batch_stale(rs, &b);
        CHECK_OK(nft_apply(buf_cstr(&b)));
    }
    CHECK(run("nft list table ip k1s | grep -q ns/web") != 0); /* nothing of it is left */
    close(web);
    ruleset_free(rs);
    world_close(&w);
}

TEST(proxy_kernel, endpoints_share_the_load_and_affinity_stays_with_one)
{
    struct world w;
    int n[2] = {0, 0};

    if (!world_make(&w))
        return;
    struct ruleset *rs = ruleset_new(&node);
    int web[2] = {serve(&w, w.pod[0], SOCK_STREAM, "10.42.0.2", 8080),
                  serve(&w, w.pod[1], SOCK_STREAM, "10.42.0.3", 8080)};
    CHECK_OK(node_link_set(STR_NONE, S("10.43.0.0/16"), STR_NONE));
    for (int affinity = 0; affinity < 2; affinity++) {
        n[0] = n[1] = 0;
        put(rs,
            affinity ? SERVICE("\"sessionAffinity\":\"ClientIP\",\"ports\":[{\"port\":80}]", "")
                     : SERVICE("\"ports\":[{\"port\":80}]", ""),
            SLICE("TCP", EP("10.42.0.2", "n1") "," EP("10.42.0.3", "n1")));
        apply(rs);
        for (int i = 0; i < 40; i++) {
            CHECK_INT(reach(&w, w.host, "10.43.1.1", 80, -1, NULL), 0);
            for (int k = 0; k < 2; k++)
                if (readable(web[k], k == 0 ? 0 : 1)) {
                    close(accept(web[k], NULL, NULL));
                    n[k]++;
                }
        }
        for (int k = 0; k < 2; k++)
            while (readable(web[k], 20)) {
                close(accept(web[k], NULL, NULL));
                n[k]++;
            }
        CHECK_INT(n[0] + n[1], 40);
        if (affinity)
            CHECK(n[0] == 0 || n[1] == 0);
        else
            CHECK(n[0] == 20 && n[1] == 20);
    }
    close(web[0]);
    close(web[1]);
    ruleset_free(rs);
    world_close(&w);
}

TEST(proxy_kernel, policy_local_without_local_endpoints_drops_and_source_ranges_shut_out)
{
    struct world w;
    char who[16];

    if (!world_make(&w))
        return;
    struct ruleset *rs = ruleset_new(&node);
    int web = serve(&w, w.pod[0], SOCK_STREAM, "10.42.0.2", 8080);
    CHECK_OK(node_link_set(STR_NONE, S("10.43.0.0/16"), STR_NONE));
    put(rs, SERVICE("\"internalTrafficPolicy\":\"Local\",\"ports\":[{\"port\":80}]", ""),
        SLICE("TCP", EP("10.42.0.2", "n2")));
    apply(rs);
    CHECK_INT(reach(&w, w.pod[1], "10.43.1.1", 80, -1, NULL), ETIMEDOUT);

    put(rs,
        SERVICE("\"type\":\"LoadBalancer\",\"loadBalancerSourceRanges\":[\"10.42.0.2/"
                "32\"],\"ports\":[{\"port\":80}]",
                ",\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.99\"}]}}"),
        SLICE("TCP", EP("10.42.0.2", "n1")));
    apply(rs);
    CHECK_INT(reach(&w, w.pod[0], "192.0.2.99", 80, web, who), 0);
    CHECK_INT(reach(&w, w.pod[1], "192.0.2.99", 80, -1, NULL), ETIMEDOUT);
    CHECK_INT(reach(&w, w.pod[1], "10.43.1.1", 80, web, who),
              0); /* the cluster IP is not restricted */
    close(web);
    ruleset_free(rs);
    world_close(&w);
}

static bool datagram(int from, const char *ip, int port, int at)
{
    struct sockaddr_in a = address(ip, port);
    char c = 'x';

    CHECK(sendto(from, &c, 1, 0, (struct sockaddr *)&a, sizeof a) == 1);
    if (!readable(at, SILENCE_MS))
        return false;
    return recv(at, &c, 1, 0) == 1;
}

TEST(proxy_kernel, udp_clients_follow_when_their_endpoint_is_replaced)
{
    struct world w;
    struct udp_backend before = {0x0a2a0002, 8080}, after = {0x0a2a0003, 8080};
    struct udp_front front = {0x0a2b0101, 53, &before, 1};
    size_t deleted = 99;

    if (!world_make(&w))
        return;
    struct ruleset *rs = ruleset_new(&node);
    int a = serve(&w, w.pod[0], SOCK_DGRAM, "10.42.0.2", 8080),
        b = serve(&w, w.pod[1], SOCK_DGRAM, "10.42.0.3", 8080);
    int client = socket_in(w.host, w.host, SOCK_DGRAM);
    CHECK_OK(node_link_set(STR_NONE, S("10.43.0.0/16"), STR_NONE));
    put(rs, SERVICE("\"ports\":[{\"port\":53,\"protocol\":\"UDP\"}]", ""),
        SLICE("UDP", EP("10.42.0.2", "n1")));
    apply(rs);
    CHECK(datagram(client, "10.43.1.1", 53, a));
    CHECK_OK(conntrack_clean_udp(&front, 1, &deleted));
    CHECK_INT(deleted, 0); /* what is right stays */

    put(rs, SERVICE("\"ports\":[{\"port\":53,\"protocol\":\"UDP\"}]", ""),
        SLICE("UDP", EP("10.42.0.3", "n1")));
    apply(rs);
    CHECK(datagram(client, "10.43.1.1", 53,
                   a)); /* the kernel remembers: that is why this file's subject exists */
    front.backends = &after;
    CHECK_OK(conntrack_clean_udp(&front, 1, &deleted));
    CHECK_INT(deleted, 1);
    CHECK(datagram(client, "10.43.1.1", 53, b));

    front.n_backends = 0; /* the Service is gone */
    CHECK_OK(conntrack_clean_udp(&front, 1, &deleted));
    CHECK_INT(deleted, 1);
    close(a);
    close(b);
    close(client);
    ruleset_free(rs);
    world_close(&w);
}

static double ms_between(struct timespec from, struct timespec to)
{
    return (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
}

TEST(proxy_kernel, a_thousand_services_are_one_transaction_and_one_change_is_small)
{
    struct timespec from, to;
    struct world w;
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (!world_make(&w))
        return;
    struct ruleset *rs = ruleset_new(&node);
    for (int i = 0; i < 1001; i++) {
        CLEANUP(arena) struct arena *a = arena_new();
        struct service_rules r;
        struct json *s, *e;
        int at = i % 1000; /* the last one changes the first */
        str service = arena_fmt(a,
                                "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"s%d\"},\"spec\":{"
                                "\"clusterIP\":\"10.43.%d.%d\",\"ports\":[{\"port\":80}]}}",
                                at, at / 200, at % 200 + 1);
        str slice = arena_fmt(a, SLICE("TCP", EP("10.42.%d.%d", "n1") "," EP("10.42.%d.9", "n1")),
                              at / 200, at % 200 + 20, i / 1000);
        CHECK_OK(json_parse(a, service, NULL, NULL, &s));
        CHECK_OK(json_parse(a, slice, NULL, NULL, &e));
        const struct json *slices[1] = {e};
        service_rules_compile(a, &node, s, slices, 1, &r);
        if (i == 1000) {
            ruleset_batch(rs, &b);
            clock_gettime(CLOCK_MONOTONIC, &from);
            CHECK_OK(nft_apply(buf_cstr(&b)));
            clock_gettime(CLOCK_MONOTONIC, &to);
            if (getenv("K1S_BENCH"))
                printf("a thousand Services: %zu bytes, %.1f ms\n", b.n, ms_between(from, to));
            buf_clear(&b);
        }
        ruleset_put(rs, json_get_str(s, "metadata.name"), r.items, r.n_items);
    }
    ruleset_batch(rs, &b);
    CHECK(b.n < 1000);
    clock_gettime(CLOCK_MONOTONIC, &from);
    CHECK_OK(nft_apply(buf_cstr(&b)));
    clock_gettime(CLOCK_MONOTONIC, &to);
    if (getenv("K1S_BENCH"))
        printf("one change among them: %zu bytes, %.1f ms\n", b.n, ms_between(from, to));
    ruleset_free(rs);
    world_close(&w);
}

TEST(proxy_kernel, cleaning_up_leaves_nothing_and_may_be_repeated)
{
    struct world w;
    char dir[] = "/tmp/k1s-proxy-test-XXXXXX";

    if (!world_make(&w))
        return;
    CHECK(mkdtemp(dir) != NULL);
    struct loop *loop = loop_new_uv();
    CHECK(run("echo 0 >/proc/sys/net/ipv4/conf/all/route_localnet") == 0);
    struct ruleset *rs = ruleset_new(&node);
    apply(rs);
    CHECK_OK(node_unreachable_add(S("10.42.0.0/16")));
    CHECK_OK(node_unreachable_add(S("10.42.0.0/16")));
    CHECK_OK(node_link_set(S("10.43.0.10"), S("10.43.0.0/16"),
                           S("203.0.113.1"))); /* a source that is not here is no failure */
    CHECK_OK(node_link_set(S("10.43.0.10"), S("10.43.0.0/16"), S("192.0.2.2")));
    CHECK_OK(proxy_sysctl_set(loop, str_of(dir)));
    CHECK_OK(proxy_sysctl_set(loop, str_of(dir))); /* does not remember its own values */
    CHECK_INT(reach(&w, w.host, "10.42.200.1", 80, -1, NULL), EHOSTUNREACH);
    CHECK(run("test $(cat /proc/sys/net/ipv4/conf/all/route_localnet) = 1 && ip -4 -o addr show "
              "k1s-dns | grep -qF 10.43.0.10/32") == 0);
    for (int i = 0; i < 2; i++)
        CHECK_OK(proxy_cleanup(loop, str_of(dir)));
    CHECK(run("test $(cat /proc/sys/net/ipv4/conf/all/route_localnet) = 0") == 0);
    CHECK(run("test -z \"$(nft list tables; ip link show k1s-dns 2>/dev/null; ip route | grep "
              "unreachable)\"") == 0);
    CHECK(rmdir(dir) == 0);
    ruleset_free(rs);
    loop_free(loop);
    world_close(&w);
}

TEST_MAIN
