/* service.c - rules of Services (addresses and node ports themselves are handed out in api/service.c).
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go (ValidateService). */
#include "api/validation/check.h"
#include "api/validation/validation.h"

#define AFFINITY_TIMEOUT_MAX 86400

static const char *const types[] = {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort", NULL};
static const char *const protocols[] = {"SCTP", "TCP", "UDP", NULL};
static const char *const affinities[] = {"ClientIP", "None", NULL};
static const char *const traffic_policies[] = {"Cluster", "Local", NULL};
static const char *const families[] = {"IPv4", "IPv6", NULL};
static const char *const family_policies[] = {"PreferDualStack", "RequireDualStack", "SingleStack",
                                              NULL};
static const char *const distributions[] = {"PreferClose", "PreferSameZone", "PreferSameNode",
                                            NULL};

static bool known(str s, const char *const *list)
{
    for (size_t i = 0; list[i]; i++)
        if (str_is(s, list[i]))
            return true;
    return false;
}

/* Go's dump of a ServicePort used as a map key in a message. */
static struct json go_port(struct check *c, const struct json *p)
{
    struct json o = json_object();

    json_setz(c->a, &o, "Name", json_z(""));
    json_setz(c->a, &o, "Protocol", json_string(json_get_str(p, "protocol")));
    json_setz(c->a, &o, "AppProtocol", json_null());
    json_setz(c->a, &o, "Port", json_int(json_get_int(p, "port", 0)));
    json_setz(c->a, &o, "TargetPort", json_int(0));
    json_setz(c->a, &o, "NodePort", json_int(0));
    return o;
}

static void check_service_port(struct check *c, const struct at *at, const struct json *p,
                               bool name_required, bool headless, struct map *names)
{
    str name = json_get_str(p, "name"), protocol = json_get_str(p, "protocol"),
        app = json_get_str(p, "appProtocol");
    const struct json *target = field(p, "targetPort");

    if (name.n == 0) {
        if (name_required)
            bad_required(c, AT(at, "name"), "");
    } else {
        check_dns_label(c, AT(at, "name"), name);
        if (map_find(names, name))
            bad_duplicate(c, AT(at, "name"), json_string(name), "");
        else
            map_put(names, name, names);
    }
    check_port(c, AT(at, "port"), json_get_int(p, "port", 0));
    if (protocol.n == 0)
        bad_required(c, AT(at, "protocol"), "");
    else if (!known(protocol, protocols))
        bad_unsupported(c, AT(at, "protocol"), json_string(protocol), protocols);
    if (target)
        check_port_or_name(c, AT(at, "targetPort"), target);
    if (app.n)
        check_qualified_name(c, AT(at, "appProtocol"), app);
}

static void check_ports(struct check *c, const struct at *at, const struct json *spec, str type,
                        bool headless)
{
    const struct json *ports = field(spec, "ports");
    struct map names, pairs, node_ports;
    int64_t i = 0;

    if (!json_count(ports) && !headless && !str_is(type, "ExternalName")) {
        bad_required(c, AT(at, "ports"), "");
        return;
    }
    map_init(&names);
    map_init(&pairs);
    map_init(&node_ports);
    JSON_EACH(p, ports)
        check_service_port(c, AT_INDEX(AT(at, "ports"), i++), p, json_count(ports) > 1, headless,
                           &names);
    i = 0;
    JSON_EACH(p, ports) {
        const struct at *here = AT_INDEX(AT(at, "ports"), i++);
        int64_t node_port = json_get_int(p, "nodePort", 0);
        str pair = arena_fmt(c->a, PRI_STR "/%lld", STR_ARG(json_get_str(p, "protocol")),
                             (long long)json_get_int(p, "port", 0));

        if (str_is(type, "ClusterIP") && node_port)
            bad_forbidden(c, AT(here, "nodePort"), "may not be used when `type` is 'ClusterIP'");
        if (node_port) {
            str key = arena_fmt(c->a, PRI_STR "/%lld", STR_ARG(json_get_str(p, "protocol")),
                                (long long)node_port);

            if (map_put(&node_ports, key, &node_ports))
                bad_duplicate(c, AT(here, "nodePort"), json_int(node_port), "");
        }
        if (map_put(&pairs, pair, &pairs))
            bad_duplicate(c, here, go_port(c, p), "");
    }
    map_fini(&names);
    map_fini(&pairs);
    map_fini(&node_ports);
}

static void check_cluster_ips(struct check *c, const struct at *at, const struct json *spec,
                              str type)
{
    const struct json *ips = field(spec, "clusterIPs"), *ip_families = field(spec, "ipFamilies");
    str ip = json_get_str(spec, "clusterIP");
    const struct at *here = AT(at, "clusterIPs");
    unsigned n_v4 = 0, n_v6 = 0;
    int64_t i = 0;

    if (str_is(type, "ExternalName")) {
        if (json_count(ips))
            bad_forbidden(c, here, "may not be set for ExternalName services");
        if (json_count(ip_families))
            bad_forbidden(c, AT(at, "ipFamilies"), "may not be set for ExternalName services");
        if (field(spec, "ipFamilyPolicy"))
            bad_forbidden(c, AT(at, "ipFamilyPolicy"), "may not be set for ExternalName services");
        return;
    }
    if (ip.n == 0 && json_count(ips))
        bad_invalid(c, here, *ips, "must be empty when `clusterIP` is not specified");
    else if (ip.n && json_count(ips) && !str_eq(ip, json_str(json_item(ips, 0))))
        bad_invalid(c, here, *ips, "first value must match `clusterIP`");
    JSON_EACH(f, ip_families) {
        if (!known(json_str(f), families))
            bad_unsupported(c, AT_INDEX(AT(at, "ipFamilies"), i), *f, families);
        for (int64_t k = 0; k < i; k++)
            if (json_equal(f, json_item(ip_families, (uint32_t)k)))
                bad_duplicate(c, AT_INDEX(AT(at, "ipFamilies"), i), *f, "");
        i++;
    }
    check_enum(c, AT(at, "ipFamilyPolicy"), field(spec, "ipFamilyPolicy"), family_policies);
    i = 0;
    JSON_EACH(v, ips) {
        const struct at *place = AT_INDEX(here, i++);
        str s = json_str(v);

        if (i == 2 && str_is(s, "None"))
            bad_invalid(c, place, *v, "'None' must be the first and only value");
        if (str_is(s, "None")) {
            if (str_is(type, "NodePort") || str_is(type, "LoadBalancer"))
                bad_invalid(c, place, *v, "may not be set to 'None' for " PRI_STR " services",
                            STR_ARG(type));
            continue;
        }
        check_ip(c, place, s);
        n_v6 += is_ip(s) && is_ipv6(s);
        n_v4 += is_ip(s) && !is_ipv6(s);
    }
    if (n_v4 > 1 || n_v6 > 1)
        bad_invalid(c, here, *ips, "may specify no more than one IP for each IP family");
}

static void check_traffic(struct check *c, const struct at *at, const struct json *spec, str type)
{
    const struct json *external = field(spec, "externalTrafficPolicy"),
                      *health = field(spec, "healthCheckNodePort"),
                      *internal = field(spec, "internalTrafficPolicy");
    bool reachable = str_is(type, "LoadBalancer") || str_is(type, "NodePort") ||
                     (str_is(type, "ClusterIP") && json_count(field(spec, "externalIPs")));
    bool needs_check = str_is(type, "LoadBalancer") && str_is(json_str(external), "Local");

    if (external && !known(json_str(external), traffic_policies))
        bad_unsupported(c, AT(at, "externalTrafficPolicy"), *external, traffic_policies);
    else if (external && json_str(external).n && !reachable)
        bad_invalid(c, AT(at, "externalTrafficPolicy"), *external,
                    "may only be set for externally-accessible services");
    else if (!external && reachable)
        bad_required(c, AT(at, "externalTrafficPolicy"), "");
    if (internal && !known(json_str(internal), traffic_policies))
        bad_unsupported(c, AT(at, "internalTrafficPolicy"), *internal, traffic_policies);
    if (json_is(health, JSON_INT) && health->i && !needs_check)
        bad_invalid(
            c, AT(at, "healthCheckNodePort"), *health,
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'");
}

static void check_load_balancer(struct check *c, const struct at *at, const struct json *spec,
                                str type)
{
    bool balanced = str_is(type, "LoadBalancer");
    int64_t i = 0;

    if (field(spec, "allocateLoadBalancerNodePorts") && !balanced)
        bad_forbidden(c, AT(at, "allocateLoadBalancerNodePorts"),
                      "may only be used when `type` is 'LoadBalancer'");
    if (json_count(field(spec, "loadBalancerSourceRanges"))) {
        if (!balanced)
            bad_forbidden(c, AT(at, "LoadBalancerSourceRanges"),
                          "may only be used when `type` is 'LoadBalancer'");
        JSON_EACH(r, field(spec, "loadBalancerSourceRanges"))
            check_cidr(c, AT_INDEX(AT(at, "LoadBalancerSourceRanges"), i++), str_trim(json_str(r)));
    }
    if (field(spec, "loadBalancerClass")) {
        if (!balanced)
            bad_forbidden(c, AT(at, "loadBalancerClass"),
                          "may only be used when `type` is 'LoadBalancer'");
        else
            check_qualified_name(c, AT(at, "loadBalancerClass"),
                                 json_get_str(spec, "loadBalancerClass"));
    }
}

static void check_external(struct check *c, const struct at *at, const struct json *spec, str type)
{
    str name = json_get_str(spec, "externalName");
    int64_t i = 0;

    if (str_is(type, "ExternalName")) {
        if (name.n && name.p[name.n - 1] == '.')
            name.n--;
        if (json_get_str(spec, "externalName").n == 0)
            bad_required(c, AT(at, "externalName"), "");
        else
            check_dns_subdomain(c, AT(at, "externalName"), name);
    }
    JSON_EACH(ip, field(spec, "externalIPs")) {
        const struct at *here = AT_INDEX(AT(at, "externalIPs"), i++);

        check_ip(c, here, json_str(ip));
        if (is_ip(json_str(ip)))
            check_special_ip(c, here, json_str(ip));
    }
}

static bool is_headless(const struct json *spec)
{
    return str_is(json_str(json_item(field(spec, "clusterIPs"), 0)), "None");
}

/* Addresses and the first family stay; a second one may come and go with the policy. */
static void check_kept(struct check *c, const struct at *at, const struct json *spec,
                       const struct json *old)
{
    const struct json *ips = field(spec, "clusterIPs"), *had = field(old, "clusterIPs"),
                      *now = field(spec, "ipFamilies"), *before = field(old, "ipFamilies");
    str type = json_get_str(spec, "type"), was = json_get_str(old, "type");
    struct json none = json_null();

    if (str_is(type, "ExternalName") || str_is(was, "ExternalName"))
        return;
    if (!is_headless(spec) || !is_headless(old)) {
        if (json_count(had) && !json_count(ips))
            bad_invalid(c, AT_INDEX(AT(at, "clusterIPs"), 0), ips ? *ips : none,
                        "primary clusterIP can not be unset");
        else
            for (uint32_t i = 0; i < json_count(had) && i < json_count(ips); i++)
                if (!str_eq(json_str(json_item(had, i)), json_str(json_item(ips, i))))
                    bad_invalid(c, AT_INDEX(AT(at, "clusterIPs"), i), *ips,
                                "may not change once set");
    }
    if (json_count(before) && json_count(now) &&
        !str_eq(json_str(json_item(before, 0)), json_str(json_item(now, 0))) && !is_headless(spec))
        bad_invalid(c, AT_INDEX(AT(at, "ipFamilies"), 0), *now, "may not change once set");
    if (str_is(type, "LoadBalancer") && str_is(was, "LoadBalancer") &&
        !str_eq(json_get_str(spec, "loadBalancerClass"), json_get_str(old, "loadBalancerClass")))
        bad_invalid(c, AT(at, "loadBalancerClass"),
                    field(spec, "loadBalancerClass") ? *field(spec, "loadBalancerClass") : none,
                    "may not change once set");
}

void validate_service(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"),
                      *timeout = field_at(spec, "sessionAffinityConfig.clientIP.timeoutSeconds");
    const struct at *at = AT(NULL, "spec");
    str type = json_get_str(spec, "type"), affinity = json_get_str(spec, "sessionAffinity");
    bool headless = str_is(json_get_str(spec, "clusterIP"), "None");

    if (str_is(w->subresource, "status"))
        return;
    if (w->old)
        check_kept(c, at, spec, field(w->old, "spec"));
    check_ports(c, at, spec, type, headless);
    if (json_count(field(spec, "selector")))
        check_labels(c, AT(at, "selector"), field(spec, "selector"));
    if (affinity.n == 0)
        bad_required(c, AT(at, "sessionAffinity"), "");
    else if (!known(affinity, affinities))
        bad_unsupported(c, AT(at, "sessionAffinity"), json_string(affinity), affinities);
    if (str_is(affinity, "ClientIP")) {
        if (!timeout)
            bad_required(c, AT(at, "sessionAffinityConfig"),
                         "when session affinity type is ClientIP");
        else if (json_is(timeout, JSON_INT) &&
                 (timeout->i <= 0 || timeout->i > AFFINITY_TIMEOUT_MAX))
            bad_invalid(c, AT(AT(AT(at, "sessionAffinityConfig"), "clientIP"), "timeoutSeconds"),
                        *timeout, "must be greater than 0 and less than %d", AFFINITY_TIMEOUT_MAX);
    } else if (str_is(affinity, "None") && field(spec, "sessionAffinityConfig")) {
        bad_forbidden(c, AT(at, "sessionAffinityConfig"),
                      "must not be set when session affinity is None");
    }
    if (!known(type, types)) {
        bad_unsupported(c, AT(at, "type"), json_string(type), types);
        return;
    }
    check_cluster_ips(c, at, spec, type);
    check_external(c, at, spec, type);
    check_load_balancer(c, at, spec, type);
    check_traffic(c, at, spec, type);
    check_enum(c, AT(at, "trafficDistribution"), field(spec, "trafficDistribution"), distributions);
}
