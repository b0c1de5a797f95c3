/* warnings_test.c - Warning headers: about objects that are taken and better were otherwise, and how many there can be. */
#include "test/api/world.h"

static unsigned count_warnings(const struct call *c)
{
    unsigned n = 0;
    str rest = buf_view(&c->head), line;

    while (str_cut(&rest, '\n', &line))
        n += str_has_prefix(line, S("Warning: 299 - "));
    return n;
}

static void check(struct world *w, const char *path, const char *object, const char *want)
{
    struct call *c = world_call(w, "POST", path, object, NULL);

    CHECK_INT(c->status, 201);
    CHECK_STRZ(call_header(c, "Warning"), want);
    call_free(c);
}

TEST(warnings, tell_what_better_were_otherwise)
{
    struct world w;

    world_init(&w);
    check(&w, "/apis/node.k8s.io/v1/runtimeclasses",
          "{\"metadata\":{\"name\":\"a\"},\"handler\":\"h\",\"scheduling\":{\"nodeSelector\":{"
          "\"beta.kubernetes.io/os\":\"linux\"}}}",
          "299 - \"scheduling.nodeSelector: deprecated since v1.14; use \\\"kubernetes.io/os\\\" "
          "instead\"");
    check(&w, "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies",
          "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"podSelector\":{},\"egress\":[{\"to\":[{"
          "\"ipBlock\":{\"cidr\":\"2001:db8:0:0::/64\"}}]}]}}",
          "299 - \"spec.egress[0].to[0].ipBlock.cidr: IPv6 CIDR value \\\"2001:db8:0:0::/64\\\" "
          "should "
          "be in RFC 5952 canonical format (\\\"2001:db8::/64\\\")\"");
    check(
        &w, "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
        "{\"metadata\":{\"name\":\"a\"},\"addressType\":\"IPv6\",\"endpoints\":[{\"addresses\":["
        "\"2001:DB8::1\"]}]}",
        "299 - \"endpoints[0].addresses[0]: IPv6 address \\\"2001:DB8::1\\\" should be in RFC 5952 "
        "canonical format (\\\"2001:db8::1\\\")\"");
    check(&w, "/apis/apps/v1/namespaces/default/statefulsets",
          "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"revisionHistoryLimit\":-1,\"selector\":{"
          "\"matchLabels\":{\"a\":\"b\"}},\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},"
          "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}",
          "299 - \"spec.revisionHistoryLimit: a negative value retains all historical revisions; a "
          "value >= 0 is recommended\"");
    check(&w, "/apis/storage.k8s.io/v1/csidrivers",
          "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"tokenRequests\":[{\"audience\":\"a\"}]}}",
          "299 - \"spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, "
          "set to "
          "true to prevent possible logging of tokens in volume attributes\"");
    check(&w, "/apis/storage.k8s.io/v1/csidrivers",
          "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"tokenRequests\":[{\"audience\":\"a\"}],"
          "\"serviceAccountTokenInSecrets\":false}}",
          "");
    check(
        &w, "/api/v1/namespaces/default/services",
        "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"type\":\"LoadBalancer\",\"loadBalancerIP\":"
        "\"010.1.1.1\",\"ports\":[{\"port\":1}]}}",
        "299 - \"spec.loadBalancerIP: non-standard IP address \\\"010.1.1.1\\\" will be considered "
        "invalid in a future Kubernetes release: use \\\"10.1.1.1\\\"\"");
    world_fini(&w);
}

/* All Warning headers of a new pod (its spec's members beside the containers) or a Deployment of it, a line each. */
static void check_pod(struct world *w, const char *spec, const char *containers, const char *want)
{
    struct buf got = BUF_INIT;
    str object = arena_fmt(
            w->arena, "{\"metadata\":{\"generateName\":\"a-\"},\"spec\":{%s\"containers\":[%s]}}",
            spec, containers),
        head, line;
    struct call *c = world_call(w, "POST", "/api/v1/namespaces/default/pods", object.p, NULL);

    CHECK_INT(c->status, 201);
    head = buf_view(&c->head);
    while (str_cut(&head, '\n', &line))
        if (str_has_prefix(line, S("Warning: 299 - ")))
            buf_fmt(&got, PRI_STR "\n", STR_ARG(str_trim(str_skip(line, 15))));
    CHECK_STRZ(buf_view(&got), want);
    buf_fini(&got);
    call_free(c);
}

/* Source of the cases: pkg/api/pod/warnings_test.go. */
TEST(warnings, tell_what_of_a_pod_gets_in_its_own_way)
{
    static const char c[] = "{\"name\":\"c\",\"image\":\"i\"}";
    struct world w;

    world_init(&w);
    CHECK_INT(world_status(&w, "POST", "/api/v1/namespaces/default/serviceaccounts",
                           "{\"metadata\":{\"name\":\"default\"}}"),
              201);
    check_pod(
        &w,
        "\"volumes\":[{\"name\":\"v\",\"configMap\":{\"name\":\"m\",\"items\":[{\"key\":\"a\","
        "\"path\":\"x/\"},{\"key\":\"b\",\"path\":\"x/y\"},{\"key\":\"c\",\"path\":\"xy\"}]}}],",
        c,
        "\"volume \\\"v\\\" (ConfigMap \\\"m\\\"): overlapping paths: \\\"x/y\\\" with "
        "\\\"x\\\"\"\n");
    check_pod(
        &w,
        "\"volumes\":[{\"name\":\"v\",\"secret\":{\"secretName\":\"s\",\"items\":[{\"key\":\"a\","
        "\"path\":\"x\"},{\"key\":\"b\",\"path\":\"x\"}]}}],",
        c,
        "\"volume \\\"v\\\" (Secret \\\"s\\\"): overlapping paths: \\\"x\\\" with "
        "\\\"x\\\"\"\n");
    check_pod(
        &w,
        "\"volumes\":[{\"name\":\"v\",\"projected\":{\"sources\":[{},{\"configMap\":{\"name\":"
        "\"m\","
        "\"items\":[{\"key\":\"a\",\"path\":\"x/y\"}]}},{\"secret\":{\"name\":\"s\",\"items\":[{"
        "\"key\":\"a\",\"path\":\"x\"}]}},{\"downwardAPI\":{\"items\":[{\"path\":\"z\","
        "\"fieldRef\":{\"fieldPath\":\"metadata.name\"}}]}}]}}],",
        c,
        "\"volume \\\"v\\\" (Projected) has no sources provided\"\n"
        "\"volume \\\"v\\\" (Projected): overlapping paths: \\\"x\\\" (Secret \\\"s\\\") "
        "with \\\"x/y\\\" (ConfigMap \\\"m\\\")\"\n");
    check_pod(&w, "\"volumes\":[{\"name\":\"v\",\"downwardAPI\":{}}],", c, "");
    check_pod(&w, "",
              "{\"name\":\"c\",\"image\":\"i\",\"ports\":[{\"name\":\"p\",\"containerPort\":1}]},{"
              "\"name\":\"d\",\"image\":\"i\",\"ports\":[{\"name\":\"p\",\"containerPort\":2}]}",
              "\"spec.containers[1].ports[0]: duplicate port name \\\"p\\\" with "
              "spec.containers[0].ports[0], services and probes that select ports by name will use "
              "spec.containers[0].ports[0]\"\n");
    check_pod(
        &w,
        "\"dnsConfig\":{\"nameservers\":[\"2001:DB8::1\"]},\"hostAliases\":[{\"ip\":"
        "\"2001:db8::0\",\"hostnames\":[\"h\"]}],",
        c,
        "\"spec.dnsConfig.nameservers[0]: IPv6 address \\\"2001:DB8::1\\\" should be in RFC 5952 "
        "canonical format (\\\"2001:db8::1\\\")\"\n"
        "\"spec.hostAliases[0].ip: IPv6 address \\\"2001:db8::0\\\" should be in RFC 5952 "
        "canonical format (\\\"2001:db8::\\\")\"\n");
    /* A pod's own is set to 1 before. */
    check(&w, "/apis/apps/v1/namespaces/default/deployments",
          "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}},"
          "\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{"
          "\"terminationGracePeriodSeconds\":-1,\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"
          "}}",
          "299 - \"spec.template.spec.terminationGracePeriodSeconds: must be >= 0; negative values "
          "are "
          "invalid and will be treated as 1\"");
    world_fini(&w);
}

/* n unknown fields with names of `length`. */
static struct call *with_unknown(struct world *w, unsigned n, unsigned length)
{
    struct buf b = BUF_INIT;
    struct call *c;

    buf_z(&b, "{\"metadata\":{\"generateName\":\"a-\"}");
    for (unsigned i = 0; i < n; i++)
        buf_fmt(&b, ",\"x%0*u\":1", (int)length - 1, i);
    buf_z(&b, "}");
    c = world_call(w, "POST", "/api/v1/namespaces/default/configmaps", buf_cstr(&b), NULL);
    buf_fini(&b);
    return c;
}

TEST(warnings, are_a_hundred_unknown_fields_at_most)
{
    struct world w;
    struct call *c;

    world_init(&w);
    c = with_unknown(&w, 150, 8);
    CHECK_INT(c->status, 201);
    CHECK_INT(count_warnings(c), 100);
    call_free(c);
    world_fini(&w);
}

TEST(warnings, of_more_than_4096_characters_are_cut_to_256_each)
{
    struct world w;
    struct call *c;

    world_init(&w);
    c = with_unknown(&w, 30, 300);
    CHECK_INT(c->status, 201);
    CHECK_INT(count_warnings(c), 4096 / 256);
    CHECK(call_header(c, "Warning").n < 256 + 20);
    call_free(c);
    world_fini(&w);
}

TEST_MAIN
