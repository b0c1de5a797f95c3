/* rules_test.c - what Services become: golden texts of batches, and what the compiler must keep. */
#include "proxy/proxy_internal.h"
#include "test/test.h"

static const struct proxy_node node = {.node_name = STR("n1"),
                                       .node_ip = STR("192.0.2.2"),
                                       .cluster_cidr = STR("10.42.0.0/16"),
                                       .service_cidr = STR("10.43.0.0/16")};

static struct json *parse(struct arena *a, const char *text)
{
    struct json *v = NULL;
    struct err *err = json_parse(a, str_of(text), NULL, NULL, &v);

    if (err)
        test_fail(__FILE__, __LINE__, "test data: %s", err_text(err));
    err_free(err);
    return v;
}

static void put(struct ruleset *rs, const char *service, const char *const *slices)
{
    CLEANUP(arena) struct arena *a = arena_new();
    const struct json *parsed[8];
    struct service_rules r;
    struct json *s = parse(a, service);
    size_t n = 0;

    for (; slices && slices[n]; n++)
        parsed[n] = parse(a, slices[n]);
    service_rules_compile(a, &node, s, parsed, n, &r);
    ruleset_put(rs,
                arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(json_get_str(s, "metadata.namespace")),
                          STR_ARG(json_get_str(s, "metadata.name"))),
                r.items, r.n_items);
}
#define PUT(rs, service, ...) put(rs, service, (const char *const[]){__VA_ARGS__, NULL})

static struct ruleset *started(void)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct ruleset *rs = ruleset_new(&node);

    ruleset_batch(rs, &b);
    return rs;
}

static void check_batch(const char *file, int line, struct ruleset *rs, const char *want)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (ruleset_is_dirty(rs))
        ruleset_batch(rs, &b);
    test_check_str(file, line, buf_view(&b), str_of(want));
}
#define CHECK_BATCH(rs, want) check_batch(__FILE__, __LINE__, rs, want)

#define SERVICE(name, rest)                                                                        \
    "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"" name                                         \
    "\"},\"spec\":{\"clusterIP\":\"10.43.1.1\"," rest "}"
#define WEB_PORTS "\"ports\":[{\"name\":\"http\",\"port\":80,\"targetPort\":\"web\"}]"
#define SLICE(port, endpoints)                                                                     \
    "{\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"http\",\"protocol\":\"TCP\",\"port\":" port  \
    "}],\"endpoints\":[" endpoints "]}"
#define EP(ip) "{\"addresses\":[\"" ip "\"],\"conditions\":{\"ready\":true},\"nodeName\":\"n1\"}"
#define EP_AWAY(ip)                                                                                \
    "{\"addresses\":[\"" ip "\"],\"conditions\":{\"ready\":true},\"nodeName\":\"n2\"}"
#define EP_UNREADY(ip)                                                                             \
    "{\"addresses\":[\"" ip "\"],\"conditions\":{\"ready\":false},\"nodeName\":\"n1\"}"
#define EP_ENDING(ip)                                                                              \
    "{\"addresses\":[\"" ip "\"],\"conditions\":{\"ready\":false,\"serving\":true,"                \
    "\"terminating\":true},\"nodeName\":\"n1\"}"

TEST(proxy_rules, a_cluster_ip_leads_to_ready_endpoints_at_the_port_that_the_slice_names)
{
    struct ruleset *rs = started();

    PUT(rs, SERVICE("web", WEB_PORTS) "}",
        SLICE("8080", EP("10.42.0.9") "," EP_UNREADY("10.42.0.7")), SLICE("8081", EP("10.42.0.3")));
    CHECK_BATCH(
        rs,
        "table ip k1s {\n"
        "chain service-ns/web/tcp/http {\n"
        "ip daddr 10.43.1.1 ip saddr != 10.42.0.0/16 meta mark set meta mark or 0x4000\n"
        "meta l4proto tcp dnat to numgen inc mod 2 map { 0 : 10.42.0.3 . 8081, 1 : 10.42.0.9 . "
        "8080 }\n"
        "}\n"
        "}\n"
        "add element ip k1s hairpin { 10.42.0.3 . 10.42.0.3, 10.42.0.9 . 10.42.0.9 }\n"
        "add element ip k1s service-ips { 10.43.1.1 . tcp . 80 : goto service-ns/web/tcp/http }\n");
    ruleset_free(rs);
}

TEST(proxy_rules, the_order_of_slices_does_not_matter)
{
    struct ruleset *rs = started();

    PUT(rs, SERVICE("web", WEB_PORTS) "}", SLICE("8080", EP("10.42.0.9")),
        SLICE("8081", EP("10.42.0.3")));
    CHECK(ruleset_is_dirty(rs));
    CLEANUP(buf) struct buf b = BUF_INIT;
    ruleset_batch(rs, &b);
    PUT(rs, SERVICE("web", WEB_PORTS) "}", SLICE("8081", EP("10.42.0.3")),
        SLICE("8080", EP("10.42.0.9")));
    CHECK(!ruleset_is_dirty(rs));
    ruleset_free(rs);
}

TEST(proxy_rules, a_change_sends_only_what_changed)
{
    struct ruleset *rs = started();
    CLEANUP(buf) struct buf b = BUF_INIT;

    PUT(rs, SERVICE("web", WEB_PORTS) "}", SLICE("80", EP("10.42.0.3")));
    ruleset_batch(rs, &b);
    PUT(rs, SERVICE("web", WEB_PORTS) "}", SLICE("80", EP("10.42.0.4")));
    CHECK_BATCH(rs,
                "flush chain ip k1s service-ns/web/tcp/http\n"
                "table ip k1s {\n"
                "chain service-ns/web/tcp/http {\n"
                "ip daddr 10.43.1.1 ip saddr != 10.42.0.0/16 meta mark set meta mark or 0x4000\n"
                "meta l4proto tcp dnat to 10.42.0.4:80\n"
                "}\n"
                "}\n"
                "delete element ip k1s hairpin { 10.42.0.3 . 10.42.0.3 }\n"
                "add element ip k1s hairpin { 10.42.0.4 . 10.42.0.4 }\n");
    ruleset_free(rs);
}

TEST(proxy_rules, a_service_without_endpoints_refuses)
{
    struct ruleset *rs = started();

    PUT(rs,
        SERVICE("web", "\"type\":\"NodePort\",\"ports\":[{\"name\":\"http\",\"port\":80,"
                       "\"nodePort\":30080}]") "}",
        SLICE("80", ""));
    CHECK_BATCH(rs,
                "add element ip k1s no-endpoint-nodeports { tcp . 30080 : goto refuse }\n"
                "add element ip k1s no-endpoint-services { 10.43.1.1 . tcp . 80 : goto refuse }\n");
    ruleset_free(rs);
}

TEST(proxy_rules, losing_the_last_endpoint_moves_the_service_and_its_chain_goes_later)
{
    struct ruleset *rs = started();
    CLEANUP(buf) struct buf b = BUF_INIT, stale = BUF_INIT;

    PUT(rs, SERVICE("web", WEB_PORTS) "}", SLICE("80", EP("10.42.0.3")));
    ruleset_batch(rs, &b);
    PUT(rs, SERVICE("web", WEB_PORTS) "}", SLICE("80", ""));
    CHECK_BATCH(rs,
                "flush chain ip k1s service-ns/web/tcp/http\n"
                "delete element ip k1s hairpin { 10.42.0.3 . 10.42.0.3 }\n"
                "delete element ip k1s service-ips { 10.43.1.1 . tcp . 80 }\n"
                "add element ip k1s no-endpoint-services { 10.43.1.1 . tcp . 80 : goto refuse }\n");
    CHECK(ruleset_has_stale(rs));
    ruleset_batch_stale(rs, &stale);
    CHECK_STRZ(buf_view(&stale), "");
    ruleset_batch_stale(rs, &stale);
    CHECK_STRZ(buf_view(&stale), "delete chain ip k1s service-ns/web/tcp/http\n");
    CHECK(!ruleset_has_stale(rs));
    ruleset_free(rs);
}

TEST(proxy_rules, a_chain_that_comes_back_is_not_deleted)
{
    struct ruleset *rs = started();
    CLEANUP(buf) struct buf b = BUF_INIT, stale = BUF_INIT;

    PUT(rs, SERVICE("web", WEB_PORTS) "}", SLICE("80", EP("10.42.0.3")));
    ruleset_batch(rs, &b);
    PUT(rs, SERVICE("web", WEB_PORTS) "}", SLICE("80", ""));
    ruleset_batch(rs, &b);
    ruleset_batch_stale(rs, &stale);
    PUT(rs, SERVICE("web", WEB_PORTS) "}", SLICE("80", EP("10.42.0.3")));
    ruleset_batch(rs, &b);
    CHECK(!ruleset_has_stale(rs));
    ruleset_batch_stale(rs, &stale);
    CHECK_STRZ(buf_view(&stale), "");
    ruleset_free(rs);
}

TEST(proxy_rules, endpoints_that_terminate_serve_when_none_is_ready)
{
    struct ruleset *rs = started();

    PUT(rs, SERVICE("web", WEB_PORTS) "}",
        SLICE("80", EP_ENDING("10.42.0.3") "," EP_UNREADY("10.42.0.4")));
    CHECK_BATCH(
        rs,
        "table ip k1s {\n"
        "chain service-ns/web/tcp/http {\n"
        "ip daddr 10.43.1.1 ip saddr != 10.42.0.0/16 meta mark set meta mark or 0x4000\n"
        "meta l4proto tcp dnat to 10.42.0.3:80\n"
        "}\n"
        "}\n"
        "add element ip k1s hairpin { 10.42.0.3 . 10.42.0.3 }\n"
        "add element ip k1s service-ips { 10.43.1.1 . tcp . 80 : goto service-ns/web/tcp/http }\n");
    ruleset_free(rs);
}

TEST(proxy_rules, addresses_of_the_outside_masquerade_and_a_shared_address_is_written_once)
{
    struct ruleset *rs = started();

    PUT(rs,
        SERVICE(
            "web",
            "\"type\":\"LoadBalancer\",\"externalIPs\":[\"198.51.100.1\",\"198.51.100.2\",\"bad\"],"
            "\"loadBalancerSourceRanges\":[\"203.0.113.0/24\",\"192.0.2.0/28\"],"
            "\"ports\":[{\"name\":\"http\",\"port\":80,\"nodePort\":30080}]") ",\"status\":{"
                                                                              "\"loadBalancer\":{"
                                                                              "\"ingress\":[{"
                                                                              "\"ip\":\"198.51.100."
                                                                              "2\"},{\"ip\":\"198."
                                                                              "51.100.9\","
                                                                              "\"ipMode\":"
                                                                              "\"Proxy\"}]}}}",
        SLICE("80", EP_AWAY("10.42.1.3")));
    CHECK_BATCH(
        rs,
        "table ip k1s {\n"
        "chain external-ns/web/tcp/http {\n"
        "meta mark set meta mark or 0x4000\n"
        "goto service-ns/web/tcp/http\n"
        "}\n"
        "chain firewall-ns/web/tcp/http {\n"
        "ip saddr != { 203.0.113.0/24, 192.0.2.0/28, 198.51.100.2 } drop\n"
        "}\n"
        "chain service-ns/web/tcp/http {\n"
        "ip daddr 10.43.1.1 ip saddr != 10.42.0.0/16 meta mark set meta mark or 0x4000\n"
        "meta l4proto tcp dnat to 10.42.1.3:80\n"
        "}\n"
        "}\n"
        "add element ip k1s firewall-ips { 198.51.100.2 . tcp . 80 : goto firewall-ns/web/tcp/http "
        "}\n"
        "add element ip k1s hairpin { 10.42.1.3 . 10.42.1.3 }\n"
        "add element ip k1s service-ips { 10.43.1.1 . tcp . 80 : goto service-ns/web/tcp/http, "
        "198.51.100.1 . tcp . 80 : goto external-ns/web/tcp/http, 198.51.100.2 . tcp . 80 : goto "
        "external-ns/web/tcp/http }\n"
        "add element ip k1s service-nodeports { tcp . 30080 : goto external-ns/web/tcp/http }\n");
    ruleset_free(rs);
}

TEST(proxy_rules, policy_local_keeps_to_this_node_for_strangers_only)
{
    struct ruleset *rs = started();

    PUT(rs,
        SERVICE("web", "\"type\":\"NodePort\",\"externalTrafficPolicy\":\"Local\",\"ports\":[{"
                       "\"name\":\"http\",\"port\":80,\"nodePort\":30080}]") "}",
        SLICE("80", EP("10.42.0.3") "," EP_AWAY("10.42.1.3")));
    CHECK_BATCH(
        rs,
        "table ip k1s {\n"
        "chain external-ns/web/tcp/http {\n"
        "ip saddr 10.42.0.0/16 goto service-ns/web/tcp/http\n"
        "fib saddr type local meta mark set meta mark or 0x4000\n"
        "fib saddr type local goto service-ns/web/tcp/http\n"
        "goto local-ns/web/tcp/http\n"
        "}\n"
        "chain local-ns/web/tcp/http {\n"
        "meta l4proto tcp dnat to 10.42.0.3:80\n"
        "}\n"
        "chain service-ns/web/tcp/http {\n"
        "ip daddr 10.43.1.1 ip saddr != 10.42.0.0/16 meta mark set meta mark or 0x4000\n"
        "meta l4proto tcp dnat to numgen inc mod 2 map { 0 : 10.42.0.3 . 80, 1 : 10.42.1.3 . 80 }\n"
        "}\n"
        "}\n"
        "add element ip k1s hairpin { 10.42.0.3 . 10.42.0.3, 10.42.1.3 . 10.42.1.3 }\n"
        "add element ip k1s service-ips { 10.43.1.1 . tcp . 80 : goto service-ns/web/tcp/http }\n"
        "add element ip k1s service-nodeports { tcp . 30080 : goto external-ns/web/tcp/http }\n");
    ruleset_free(rs);
}

TEST(proxy_rules, policy_local_without_a_local_endpoint_is_silent)
{
    struct ruleset *rs = started();

    PUT(rs, SERVICE("web", "\"internalTrafficPolicy\":\"Local\"," WEB_PORTS) "}",
        SLICE("80", EP_AWAY("10.42.1.3")));
    CLEANUP(buf) struct buf b = BUF_INIT;
    ruleset_batch(rs, &b);
    CHECK(str_find(
              buf_view(&b),
              S("add element ip k1s no-endpoint-services { 10.43.1.1 . tcp . 80 : drop }\n")) >= 0);
    CHECK(str_find(buf_view(&b), S("service-ips")) < 0);
    ruleset_free(rs);
}

TEST(proxy_rules, session_affinity_remembers_the_client_for_its_time)
{
    struct ruleset *rs = started();

    PUT(rs,
        SERVICE("web", "\"sessionAffinity\":\"ClientIP\",\"sessionAffinityConfig\":{\"clientIP\":{"
                       "\"timeoutSeconds\":60}}," WEB_PORTS) "}",
        SLICE("80", EP("10.42.0.3") "," EP("10.42.0.4")));
    CHECK_BATCH(
        rs,
        "table ip k1s {\n"
        "set affinity-60-ns/web/tcp/http/10.42.0.3/80 {\n"
        "type ipv4_addr; flags dynamic,timeout; timeout 60s;\n"
        "}\n"
        "set affinity-60-ns/web/tcp/http/10.42.0.4/80 {\n"
        "type ipv4_addr; flags dynamic,timeout; timeout 60s;\n"
        "}\n"
        "chain endpoint-ns/web/tcp/http/10.42.0.3/80 {\n"
        "update @affinity-60-ns/web/tcp/http/10.42.0.3/80 { ip saddr }\n"
        "meta l4proto tcp dnat to 10.42.0.3:80\n"
        "}\n"
        "chain endpoint-ns/web/tcp/http/10.42.0.4/80 {\n"
        "update @affinity-60-ns/web/tcp/http/10.42.0.4/80 { ip saddr }\n"
        "meta l4proto tcp dnat to 10.42.0.4:80\n"
        "}\n"
        "chain service-ns/web/tcp/http {\n"
        "ip daddr 10.43.1.1 ip saddr != 10.42.0.0/16 meta mark set meta mark or 0x4000\n"
        "ip saddr @affinity-60-ns/web/tcp/http/10.42.0.3/80 goto "
        "endpoint-ns/web/tcp/http/10.42.0.3/80\n"
        "ip saddr @affinity-60-ns/web/tcp/http/10.42.0.4/80 goto "
        "endpoint-ns/web/tcp/http/10.42.0.4/80\n"
        "numgen inc mod 2 vmap { 0 : goto endpoint-ns/web/tcp/http/10.42.0.3/80, 1 : goto "
        "endpoint-ns/web/tcp/http/10.42.0.4/80 }\n"
        "}\n"
        "}\n"
        "add element ip k1s hairpin { 10.42.0.3 . 10.42.0.3, 10.42.0.4 . 10.42.0.4 }\n"
        "add element ip k1s service-ips { 10.43.1.1 . tcp . 80 : goto service-ns/web/tcp/http }\n");
    ruleset_free(rs);
}

TEST(proxy_rules, headless_external_name_and_foreign_proxies_are_left_alone)
{
    struct ruleset *rs = started();

    PUT(rs,
        "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"a\"},\"spec\":{\"clusterIP\":"
        "\"None\"," WEB_PORTS "}}",
        SLICE("80", EP("10.42.0.3")));
    PUT(rs, SERVICE("b", "\"type\":\"ExternalName\",\"externalName\":\"x.example\"," WEB_PORTS) "}",
        SLICE("80", EP("10.42.0.3")));
    PUT(rs,
        "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"c\",\"labels\":{\"service.kubernetes.io/"
        "service-proxy-name\":\"x\"}},"
        "\"spec\":{\"clusterIP\":\"10.43.1.1\"," WEB_PORTS "}}",
        SLICE("80", EP("10.42.0.3")));
    CHECK(!ruleset_is_dirty(rs));
    ruleset_free(rs);
}

TEST(proxy_rules, text_from_objects_cannot_become_rules)
{
    struct ruleset *rs = started();

    PUT(rs,
        "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"a } "
        "drop\"},\"spec\":{\"clusterIP\":\"10.43.1.1\"," WEB_PORTS "}}",
        SLICE("80", EP("10.42.0.3")));
    PUT(rs, SERVICE("b", "\"ports\":[{\"name\":\"x\\ndrop\",\"port\":80}]") "}",
        SLICE("80", EP("10.42.0.3")));
    PUT(rs,
        "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"c\"},\"spec\":{\"clusterIP\":\"10.43.1.1/"
        "8\"," WEB_PORTS "}}",
        SLICE("80", EP("10.42.0.3")));
    CHECK(!ruleset_is_dirty(rs));
    PUT(rs, SERVICE("d", WEB_PORTS) "}", SLICE("80", EP("10.42.0.3; flush ruleset")));
    CHECK_BATCH(rs,
                "add element ip k1s no-endpoint-services { 10.43.1.1 . tcp . 80 : goto refuse }\n");
    ruleset_free(rs);
}

TEST(proxy_rules, two_services_with_one_external_ip_take_turns)
{
    struct ruleset *rs = started();
    CLEANUP(buf) struct buf b = BUF_INIT;
    const char *x = "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"x\"},\"spec\":{\"clusterIP\":"
                    "\"10.43.1.1\",\"externalIPs\":[\"198.51.100.1\"]," WEB_PORTS "}}";
    const char *y = "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"y\"},\"spec\":{\"clusterIP\":"
                    "\"10.43.1.2\",\"externalIPs\":[\"198.51.100.1\"]," WEB_PORTS "}}";

    PUT(rs, y, SLICE("80", EP("10.42.0.3")));
    PUT(rs, x, SLICE("80", EP("10.42.0.4")));
    ruleset_batch(rs, &b);
    CHECK(str_find(buf_view(&b), S("198.51.100.1 . tcp . 80 : goto external-ns/x/tcp/http")) > 0);
    CHECK(str_find(buf_view(&b), S("198.51.100.1 . tcp . 80 : goto external-ns/y/tcp/http")) < 0);
    ruleset_put(rs, S("ns/x"), NULL, 0);
    buf_clear(&b);
    ruleset_batch(rs, &b);
    CHECK(str_find(buf_view(&b), S("delete element ip k1s service-ips { 10.43.1.1 . tcp . 80, "
                                   "198.51.100.1 . tcp . 80 }\n"
                                   "add element ip k1s service-ips { 198.51.100.1 . tcp . 80 : "
                                   "goto external-ns/y/tcp/http }\n")) > 0);
    ruleset_free(rs);
}

TEST(proxy_rules, what_is_lost_is_written_anew)
{
    struct ruleset *rs = started();
    CLEANUP(buf) struct buf first = BUF_INIT, again = BUF_INIT;

    PUT(rs, SERVICE("web", WEB_PORTS) "}", SLICE("80", EP("10.42.0.3")));
    ruleset_lost(rs);
    ruleset_batch(rs, &first);
    ruleset_lost(rs);
    CHECK(ruleset_is_dirty(rs));
    ruleset_batch(rs, &again);
    CHECK_STR(buf_view(&again), buf_view(&first));
    CHECK(str_has_prefix(buf_view(&first), S("add table ip k1s\ndelete table ip k1s\n")));
    CHECK(str_find(buf_view(&first), S("goto service-ns/web/tcp/http")) > 0);
    ruleset_free(rs);
}

TEST(proxy_rules, udp_fronts_list_where_datagrams_may_end)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct service_rules r;
    const struct json *slice =
        parse(a, "{\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"dns\",\"protocol\":\"UDP\","
                 "\"port\":5353}],\"endpoints\":[" EP("10.42.0.3") "]}");

    service_rules_compile(
        a, &node,
        parse(a, SERVICE("d", "\"ports\":[{\"name\":\"dns\",\"protocol\":\"UDP\",\"port\":53,"
                              "\"nodePort\":30053},{\"name\":\"t\",\"port\":53}]") "}"),
        &slice, 1, &r);
    CHECK_INT(r.n_udp, 2);
    CHECK_INT(r.udp[0].port, 53);
    CHECK_INT(r.udp[0].n_backends, 1);
    CHECK_INT(r.udp[0].backends[0].port, 5353);
    CHECK_INT(r.udp[1].ip, 0);
    CHECK_INT(r.udp[1].port, 30053);
}

TEST(proxy_rules, host_ports_of_pods_join_the_maps)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct ruleset *rs = started();
    struct service_rules r;

    host_ports_compile(a,
                       parse(a, "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"p\",\"uid\":\"u-"
                                "1\"},\"spec\":{\"containers\":[{\"ports\":["
                                "{\"containerPort\":80,\"hostPort\":8080},{\"containerPort\":53,"
                                "\"hostPort\":53,\"hostIP\":\"127.0.0.1\",\"protocol\":\"UDP\"},"
                                "{\"containerPort\":81}]}]},\"status\":{\"phase\":\"Running\","
                                "\"podIP\":\"10.42.0.5\"}}"),
                       &r);
    CHECK_INT(r.n_udp, 1);
    ruleset_put(rs, S("pod:ns/p"), r.items, r.n_items);
    CHECK_BATCH(rs, "table ip k1s {\n"
                    "chain hostport-ns/u-1/tcp/0.0.0.0/8080 {\n"
                    "ip saddr 127.0.0.0/8 meta mark set meta mark or 0x4000\n"
                    "meta l4proto tcp dnat to 10.42.0.5:80\n"
                    "}\n"
                    "chain hostport-ns/u-1/udp/127.0.0.1/53 {\n"
                    "ip saddr 127.0.0.0/8 meta mark set meta mark or 0x4000\n"
                    "meta l4proto udp dnat to 10.42.0.5:53\n"
                    "}\n"
                    "}\n"
                    "add element ip k1s hairpin { 10.42.0.5 . 10.42.0.5 }\n"
                    "add element ip k1s service-ips { 127.0.0.1 . udp . 53 : goto "
                    "hostport-ns/u-1/udp/127.0.0.1/53 }\n"
                    "add element ip k1s service-nodeports { tcp . 8080 : goto "
                    "hostport-ns/u-1/tcp/0.0.0.0/8080 }\n");
    host_ports_compile(a,
                       parse(a, "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"p\",\"uid\":\"u-"
                                "1\"},\"spec\":{\"hostNetwork\":true,\"containers\":[{\"ports\":["
                                "{\"containerPort\":80,\"hostPort\":80}]}]},\"status\":{\"phase\":"
                                "\"Running\",\"podIP\":\"10.42.0.5\"}}"),
                       &r);
    CHECK_INT(r.n_items, 0);
    ruleset_free(rs);
}

TEST(proxy_rules, addresses_are_read_strictly)
{
    static const char *const bad[] = {"",         "1",        "1.2.3",  "1.2.3.4.5", "1.2.3.256",
                                      "01.2.3.4", "1.2.3.",   ".1.2.3", "1.2.3.4 ",  "-1.2.3.4",
                                      "1..2.3",   "+1.2.3.4", "::1"};
    static const char *const bad_cidr[] = {"",           "1.2.3.4",     "1.2.3.4/", "1.2.3.4/33",
                                           "1.2.3.4/-1", "1.2.3.4/8/8", "/8"};
    uint32_t ip;
    int bits;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (ipv4_parse(str_of(bad[i]), &ip))
            test_fail(__FILE__, __LINE__, "\"%s\" was accepted", bad[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad_cidr); i++)
        if (ipv4_cidr_parse(str_of(bad_cidr[i]), &ip, &bits))
            test_fail(__FILE__, __LINE__, "\"%s\" was accepted", bad_cidr[i]);
    CHECK(ipv4_parse(S("255.0.10.1"), &ip) && ip == 0xff000a01);
    CHECK(ipv4_cidr_parse(S("10.43.7.9/16"), &ip, &bits) && ip == 0x0a2b0000 && bits == 16);
}

TEST_MAIN
