/* host_ports.c - a pod's hostPorts as chains and map elements, beside those of Services.
 *
 * What CNI's portmap plugin would do with iptables rules of its own; here it is one more client of the same maps:
 *
 *     service-nodeports {proto . port}        hostIP absent or 0.0.0.0: all addresses of the node
 *     service-ips {ip . proto . port}         a certain hostIP
 *        -> hostport-…                        dnat to the pod
 *
 * Clients keep their address, but for those on 127.0.0.1, which no pod could answer. A Service that has the same address and port
 * and an earlier name wins, as with any element (ruleset.c). Pure.
 * API: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#ports */
#include "proxy/proxy_internal.h"

static bool is_over(const struct json *pod)
{
    str phase = json_get_str(pod, "status.phase");

    return str_is(phase, "Succeeded") || str_is(phase, "Failed");
}

static void host_port(struct arena *a, const struct json *pod, const struct json *port,
                      uint32_t pod_ip, struct service_rules *ret)
{
    str protocol = service_protocol(json_get_str(port, "protocol")),
        host_ip_text = json_get_str(port, "hostIP");
    int64_t host = json_get_int(port, "hostPort", 0),
            container = json_get_int(port, "containerPort", 0);
    uint32_t host_ip = 0;
    str chain, ip = ipv4_format(a, pod_ip), verdict;

    if (host < 1 || host > 65535 || container < 1 || container > 65535 || protocol.n == 0 ||
        (host_ip_text.n && !ipv4_parse(host_ip_text, &host_ip)))
        return;
    chain = arena_fmt(a, "hostport-" PRI_STR "/" PRI_STR "/" PRI_STR "/" PRI_STR "/%lld",
                      STR_ARG(json_get_str(pod, "metadata.namespace")),
                      STR_ARG(json_get_str(pod, "metadata.uid")), STR_ARG(protocol),
                      STR_ARG(ipv4_format(a, host_ip)), (long long)host);
    verdict = arena_fmt(a, "goto " PRI_STR, STR_ARG(chain));
    service_rules_item(
        a, ret, RULE_CHAIN, chain,
        arena_fmt(a,
                  "ip saddr 127.0.0.0/8 meta mark set meta mark or " PROXY_MASQUERADE_MARK "\n"
                  "meta l4proto " PRI_STR " dnat to " PRI_STR ":%lld\n",
                  STR_ARG(protocol), STR_ARG(ip), (long long)container));
    service_rules_item(a, ret, RULE_ELEMENT,
                       host_ip ? arena_fmt(a, "service-ips " PRI_STR " . " PRI_STR " . %lld",
                                           STR_ARG(ipv4_format(a, host_ip)), STR_ARG(protocol),
                                           (long long)host)
                               : arena_fmt(a, "service-nodeports " PRI_STR " . %lld",
                                           STR_ARG(protocol), (long long)host),
                       verdict);
    service_rules_item(a, ret, RULE_ELEMENT,
                       arena_fmt(a, "hairpin " PRI_STR " . " PRI_STR, STR_ARG(ip), STR_ARG(ip)),
                       STR_NONE);
    if (str_is(protocol, "udp")) {
        struct udp_backend *backend = ARENA_NEW(a, struct udp_backend);
        *backend = (struct udp_backend){pod_ip, (uint16_t)container};
        service_rules_udp(a, ret, (struct udp_front){host_ip, (uint16_t)host, backend, 1});
    }
}

void host_ports_compile(struct arena *a, const struct json *pod, struct service_rules *ret)
{
    static const char *const lists[] = {
        "spec.containers", "spec.initContainers"}; /* restartable init containers have ports, too */
    uint32_t pod_ip;

    *ret = (struct service_rules){0};
    if (json_get_bool(pod, "spec.hostNetwork", false) || is_over(pod) ||
        !ipv4_parse(json_get_str(pod, "status.podIP"), &pod_ip) ||
        !service_name_is_safe(json_get_str(pod, "metadata.namespace")) ||
        !service_name_is_safe(json_get_str(pod, "metadata.uid")))
        return;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        JSON_EACH(c, json_path(pod, lists[i]))
            JSON_EACH(p, json_findz(c, "ports"))
                host_port(a, pod, p, pod_ip, ret);
}
