/* service.c - rules of Services (addresses and node ports themselves are handed out in api/service.c).
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go
 * (ValidateService, ValidateServiceUpdate). */
#include "api/validation/check.h"
#include "api/validation/validation.h"

#define AFFINITY_TIMEOUT_MAX 86400
#define TOPOLOGY_HINTS "service.kubernetes.io/topology-aware-hints"
#define TOPOLOGY_MODE "service.kubernetes.io/topology-mode"
#define SOURCE_RANGES "service.beta.kubernetes.io/load-balancer-source-ranges"

static const char *const protocols[] = {"SCTP", "TCP", "UDP", NULL};

static bool is_headless(const struct json *spec)
{
    const struct json *ips = field(spec, "clusterIPs");

    return json_count(ips) == 1 && str_is(json_str(json_item(ips, 0)), "None");
}

static bool is_external(const struct json *spec)
{
    str type = json_get_str(spec, "type");

    return str_is(type, "LoadBalancer") || str_is(type, "NodePort") ||
           (str_is(type, "ClusterIP") && json_count(field(spec, "externalIPs")));
}

static bool needs_health_check(const struct json *spec)
{
    return str_is(json_get_str(spec, "type"), "LoadBalancer") &&
           str_is(json_get_str(spec, "externalTrafficPolicy"), "Local");
}

static bool is_external_name(const struct json *spec)
{
    return str_is(json_get_str(spec, "type"), "ExternalName");
}

/* ---- ports ---- */

static void check_port_itself(struct check *c, const struct at *at, const struct json *p,
                              bool name_required, struct map *names)
{
    str name = json_get_str(p, "name");
    const struct json *app = field(p, "appProtocol");

    if (name.n) {
        check_dns_label(c, AT(at, "name"), name);
        if (map_put(names, name, names))
            bad_duplicate(c, AT(at, "name"), json_string(name), "");
    } else if (name_required)
        bad_required(c, AT(at, "name"), "");
    check_port(c, AT(at, "port"), json_get_int(p, "port", 0));
    check_required_enum(c, AT(at, "protocol"), field(p, "protocol"), protocols);
    check_port_or_name(c, AT(at, "targetPort"), field(p, "targetPort"));
    if (app)
        check_qualified_name(c, AT(at, "appProtocol"), json_str(app));
}

static void check_ports(struct check *c, const struct at *at, const struct json *ports)
{
    struct map names;
    int64_t i = 0;

    map_init(&names);
    JSON_EACH(p, ports)
        check_port_itself(c, AT_INDEX(at, i++), p, json_count(ports) > 1, &names);
    map_fini(&names);
}

/* A ServicePort of which only these two fields count. */
static struct json port_key(struct check *c, const struct json *p)
{
    struct json key = json_object();

    json_setz(c->a, &key, "protocol", json_string(json_get_str(p, "protocol")));
    json_setz(c->a, &key, "port", json_int(json_get_int(p, "port", 0)));
    return go_value(c, "ServicePort", &key);
}

static void check_port_pairs(struct check *c, const struct at *at, const struct json *ports,
                             const char *number)
{
    struct map seen;
    int64_t i = 0;

    map_init(&seen);
    JSON_EACH(p, ports) {
        const struct at *here = AT_INDEX(at, i++);
        int64_t n = json_get_int(p, number, 0);
        bool node_port = str_is(str_of(number), "nodePort");
        str key =
            arena_fmt(c->a, PRI_STR "/%lld", STR_ARG(json_get_str(p, "protocol")), (long long)n);

        if ((node_port && !n) || !map_put(&seen, key, &seen))
            continue;
        if (node_port)
            bad_duplicate(c, AT(here, "nodePort"), json_int(n), "");
        else
            bad_duplicate(c, here, port_key(c, p), "");
    }
    map_fini(&seen);
}

/* ---- addresses ---- */

static void check_families(struct check *c, const struct at *at, const struct json *spec)
{
    static const char *const families[] = {"IPv4", "IPv6", NULL};
    static const char *const policies[] = {"PreferDualStack", "RequireDualStack", "SingleStack",
                                           NULL};
    const struct json *list = field(spec, "ipFamilies");

    for (uint32_t i = 0; i < json_count(list); i++) {
        const struct json *f = json_item(list, i);
        const struct at *here = AT_INDEX(AT(at, "ipFamilies"), i);

        if (!one_of(json_str(f), families))
            bad_unsupported(c, here, *f, families);
        for (uint32_t k = 0; k < i; k++)
            if (json_equal(f, json_item(list, k))) {
                bad_duplicate(c, here, *f, "");
                break;
            }
    }
    check_enum(c, AT(at, "ipFamilyPolicy"), field(spec, "ipFamilyPolicy"), policies);
}

/* False: what follows would only confuse. */
static bool check_address_forms(struct check *c, const struct at *at, const struct json *ips)
{
    unsigned before;
    bool ok = true;

    for (uint32_t i = 0; i < json_count(ips); i++) {
        str ip = json_str(json_item(ips, i));

        if (i == 0 && str_is(ip, "None")) {
            if (json_count(ips) == 1)
                continue;
            ok = false;
            bad_invalid(c, at, *ips, "'None' must be the first and only value");
            continue;
        }
        before = check_count(c);
        check_ip(c, AT_INDEX(at, i), ip);
        ok &= check_count(c) == before;
    }
    if (json_count(ips) > 2)
        bad_invalid(c, at, *ips, "may only hold up to 2 values");
    return ok;
}

static void check_addresses(struct check *c, const struct at *spec_at, const struct json *spec)
{
    const struct at *at = AT(spec_at, "clusterIPs");
    const struct json *ips = field(spec, "clusterIPs"), *families = field(spec, "ipFamilies");
    str ip = json_get_str(spec, "clusterIP");
    unsigned n_v6 = 0;

    if (is_external_name(spec))
        return;
    if (ip.n && !json_count(ips))
        bad_required(c, at, "");
    else if (ip.n && !str_eq(ip, json_str(json_item(ips, 0))))
        bad_invalid(c, at, *ips, "first value must match `clusterIP`");
    else if (!ip.n && json_count(ips))
        bad_invalid(c, at, *ips, "must be empty when `clusterIP` is not specified");
    check_families(c, spec_at, spec);
    if (!check_address_forms(c, at, ips))
        return;
    JSON_EACH(v, ips)
        n_v6 += is_ipv6(json_str(v));
    if (json_count(ips) > 1 && (n_v6 == 0 || n_v6 == json_count(ips)))
        bad_invalid(c, at, *ips, "may specify no more than one IP for each IP family");
    for (uint32_t i = 0; !is_headless(spec) && i < json_count(ips) && i < json_count(families);
         i++) {
        str family = json_str(json_item(families, i));
        bool v6 = is_ipv6(json_str(json_item(ips, i)));

        if ((str_is(family, "IPv4") && v6) || (str_is(family, "IPv6") && !v6))
            bad_invalid(c, AT_INDEX(at, i), *json_item(ips, i),
                        "expected an " PRI_STR " value as indicated by `ipFamilies[%u]`",
                        STR_ARG(family), i);
    }
}

/* ---- what only one type may have ---- */

static void check_type(struct check *c, const struct at *at, const struct json *spec, str type)
{
    static const char *const unset[] = {"clusterIPs", "ipFamilies", "ipFamilyPolicy"};
    str name = json_get_str(spec, "externalName");

    if (str_is(type, "LoadBalancer") || str_is(type, "NodePort")) {
        if (is_headless(spec))
            bad_invalid(c, AT_INDEX(AT(at, "clusterIPs"), 0), json_z("None"),
                        "may not be set to 'None' for " PRI_STR " services", STR_ARG(type));
    } else if (str_is(type, "ExternalName")) {
        for (size_t i = 0; i < ARRAY_LEN(unset); i++)
            if (is_there(field(spec, unset[i])))
                bad_forbidden(c, AT(at, unset[i]), "may not be set for ExternalName services");
        if (name.n && name.p[name.n - 1] == '.')
            name.n--;
        if (name.n)
            check_dns_subdomain(c, AT(at, "externalName"), name);
        else
            bad_required(c, AT(at, "externalName"), "");
    }
}

static void check_affinity_of_sessions(struct check *c, const struct at *at,
                                       const struct json *spec)
{
    static const char *const affinities[] = {"ClientIP", "None", NULL};
    static const char when[] = "when session affinity type is ClientIP";
    const struct json *config = field(spec, "sessionAffinityConfig"),
                      *client = field(config, "clientIP"),
                      *timeout = field(client, "timeoutSeconds");
    const struct at *here = AT(at, "sessionAffinityConfig");
    str affinity = json_get_str(spec, "sessionAffinity");

    check_required_enum(c, AT(at, "sessionAffinity"), field(spec, "sessionAffinity"), affinities);
    if (str_is(affinity, "None") && config)
        bad_forbidden(c, here, "must not be set when session affinity is None");
    if (!str_is(affinity, "ClientIP"))
        return;
    if (!config)
        bad_required(c, here, when);
    else if (!client)
        bad_required(c, AT(here, "clientIP"), when);
    else if (!timeout)
        bad_required(c, AT(AT(here, "clientIP"), "timeoutSeconds"), when);
    else if (json_is(timeout, JSON_INT) && (timeout->i <= 0 || timeout->i > AFFINITY_TIMEOUT_MAX))
        bad_invalid(c, AT(AT(here, "clientIP"), "timeoutSeconds"), *timeout,
                    "must be greater than 0 and less than %d", AFFINITY_TIMEOUT_MAX);
}

static void check_load_balancer(struct check *c, const struct at *at, const struct json *obj,
                                const struct json *spec, bool balanced)
{
    static const char only[] = "may only be used when `type` is 'LoadBalancer'";
    const struct json *ranges = field(spec, "loadBalancerSourceRanges"),
                      *allocate = field(spec, "allocateLoadBalancerNodePorts"),
                      *note = json_find(field_at(obj, "metadata.annotations"), S(SOURCE_RANGES));
    const struct at *here = AT(at, "LoadBalancerSourceRanges"),
                    *note_at = AT_KEY(AT(AT(NULL, "metadata"), "annotations"), S(SOURCE_RANGES));
    int64_t i = 0;

    if (json_count(ranges)) {
        if (!balanced)
            bad_forbidden(c, here, "%s", only);
        JSON_EACH(r, ranges)
            check_cidr(c, AT_INDEX(here, i++), str_trim(json_str(r)));
    } else if (note) {
        str rest = str_trim(json_str(note)), cidr;

        if (!balanced)
            bad_forbidden(c, note_at, "%s", only);
        while (rest.n && str_cut(&rest, ',', &cidr))
            check_cidr(c, note_at, str_trim(cidr));
    }
    if (allocate && !balanced)
        bad_forbidden(c, AT(at, "allocateLoadBalancerNodePorts"), only);
    if (!allocate && balanced)
        bad_required(c, AT(NULL, "allocateLoadBalancerNodePorts"), "");
}

static void check_class(struct check *c, const struct at *at, const struct json *spec)
{
    const struct json *class = field(spec, "loadBalancerClass");
    const struct at *here = AT(at, "loadBalancerClass");

    if (class && str_is(json_get_str(spec, "type"), "LoadBalancer"))
        check_qualified_name(c, here, json_str(class));
    else if (class)
        bad_forbidden(c, here, "may only be used when `type` is 'LoadBalancer'");
}

static void check_traffic(struct check *c, const struct at *at, const struct json *spec)
{
    static const char *const policies[] = {"Cluster", "Local", NULL};
    static const char *const inside[] = {"ClusterIP", "LoadBalancer", "NodePort", NULL};
    static const char *const distributions[] = {"PreferClose", "PreferSameZone", "PreferSameNode",
                                                NULL};
    const struct json *external = field(spec, "externalTrafficPolicy"),
                      *internal = field(spec, "internalTrafficPolicy");
    int64_t health = json_get_int(spec, "healthCheckNodePort", 0);

    if (is_external(spec))
        check_required_enum(c, AT(at, "externalTrafficPolicy"), external, policies);
    else if (json_str(external).n)
        bad_invalid(c, AT(at, "externalTrafficPolicy"), *external,
                    "may only be set for externally-accessible services");
    /* Where it is needed and not given, one is handed out. */
    if (health && !needs_health_check(spec))
        bad_invalid(
            c, AT(at, "healthCheckNodePort"), json_int(health),
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'");
    else if (health)
        check_port(c, AT(at, "healthCheckNodePort"), health);
    if (!internal && one_of(json_get_str(spec, "type"), inside))
        bad_required(c, AT(at, "internalTrafficPolicy"), "");
    check_enum(c, AT(at, "internalTrafficPolicy"), internal, policies);
    check_enum(c, AT(at, "trafficDistribution"), field(spec, "trafficDistribution"), distributions);
}

static void check_service(struct check *c, const struct json *obj)
{
    static const char *const types[] = {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort",
                                        NULL};
    const struct json *spec = field(obj, "spec"), *ports = field(spec, "ports"),
                      *notes = field_at(obj, "metadata.annotations"),
                      *hints = json_find(notes, S(TOPOLOGY_HINTS)),
                      *mode = json_find(notes, S(TOPOLOGY_MODE));
    const struct at *at = AT(NULL, "spec"), *ports_at = AT(at, "ports");
    str type = json_get_str(spec, "type");
    int64_t i = 0;

    if (hints && mode && !json_equal(hints, mode))
        bad_invalid(c, AT_KEY(AT(AT(NULL, "metadata"), "annotations"), S(TOPOLOGY_MODE)), *mode,
                    "must match annotations[" TOPOLOGY_HINTS "] when both are specified");
    if (!json_count(ports) && !is_headless(spec) && !str_is(type, "ExternalName"))
        bad_required(c, ports_at, "");
    check_type(c, at, spec, type);
    check_ports(c, ports_at, ports);
    check_labels(c, AT(at, "selector"), field(spec, "selector"));
    check_affinity_of_sessions(c, at, spec);
    check_addresses(c, at, spec);
    JSON_EACH(ip, field(spec, "externalIPs")) {
        const struct at *here = AT_INDEX(AT(at, "externalIPs"), i++);
        unsigned before = check_count(c);

        check_ip(c, here, json_str(ip));
        if (check_count(c) == before)
            check_special_ip(c, here, json_str(ip));
    }
    check_required_enum(c, AT(at, "type"), field(spec, "type"), types);
    i = 0;
    JSON_EACH(p, ports) {
        if (str_is(type, "ClusterIP") && json_get_int(p, "nodePort", 0))
            bad_forbidden(c, AT(AT_INDEX(ports_at, i), "nodePort"),
                          "may not be used when `type` is 'ClusterIP'");
        i++;
    }
    check_port_pairs(c, ports_at, ports, "nodePort");
    check_port_pairs(c, ports_at, ports, "port");
    check_load_balancer(c, at, obj, spec, str_is(type, "LoadBalancer"));
    check_class(c, at, spec);
    check_traffic(c, at, spec);
}

/* ---- changes: addresses and families stay, a second one may come and go with the policy ---- */

/* all: the values to show in messages about one of them. */
static void check_list_kept(struct check *c, const struct at *at, const struct at *policy_at,
                            const struct json *now, const struct json *old, const struct json *spec,
                            const struct json *shown, const char *what, bool by_index)
{
    const struct json *policy = field(spec, "ipFamilyPolicy");
    uint32_t n = json_count(now), was = json_count(old);
    struct json none = json_null(), all = now ? *now : none;
    bool first_differs = n && was && !json_equal(json_item(now, 0), json_item(old, 0));

    if (n == was) {
        for (uint32_t i = 0; i < n; i++)
            if (!json_equal(json_item(now, i), json_item(old, i)))
                bad_invalid(c, AT_INDEX(at, by_index ? i : 0), all, "may not change once set");
        return;
    }
    if (was > n && !json_count(field(spec, "clusterIPs")))
        bad_invalid(c, AT_INDEX(at, 0), all, "primary %s can not be unset", what);
    if (first_differs)
        bad_invalid(c, AT_INDEX(at, 0), shown ? *shown : none, "may not change once set");
    if (was > n && n == 1 && !str_is(json_str(policy), "SingleStack"))
        bad_invalid(c, policy_at, policy ? *policy : none,
                    "must be set to 'SingleStack' when releasing the secondary %s", what);
}

static void check_kept(struct check *c, const struct json *spec, const struct json *old)
{
    const struct at *at = AT(NULL, "spec"), *policy_at = AT(at, "ipFamilyPolicy");
    const struct json *ips = field(spec, "clusterIPs"), *class = field(spec, "loadBalancerClass"),
                      *was = field(old, "loadBalancerClass");
    bool headless = is_headless(spec), was_headless = is_headless(old),
         balanced = str_is(json_get_str(spec, "type"), "LoadBalancer") &&
                    str_is(json_get_str(old, "type"), "LoadBalancer");
    struct json none = json_null();

    if (!is_external_name(spec) && !is_external_name(old)) {
        if (!headless || !was_headless)
            check_list_kept(c, AT(at, "clusterIPs"), policy_at, ips, field(old, "clusterIPs"), spec,
                            ips, "clusterIP", true);
        if (!headless && !was_headless)
            check_list_kept(c, AT(at, "ipFamilies"), policy_at, field(spec, "ipFamilies"),
                            field(old, "ipFamilies"), spec, ips, "ipFamily", false);
    }
    if (balanced && (!class != !was || (class && !json_equal(class, was))))
        bad_invalid(c, AT(at, "loadBalancerClass"), class ? *class : none,
                    "may not change once set");
    check_class(c, at, spec); /* looked at here and again with the rest */
    if (needs_health_check(spec) && needs_health_check(old) &&
        json_get_int(spec, "healthCheckNodePort", 0) != json_get_int(old, "healthCheckNodePort", 0))
        bad_forbidden(c, AT(at, "healthCheckNodePort"), "field is immutable");
}

/* ---- status ---- */

static void check_load_balancer_status(struct check *c, const struct at *at,
                                       const struct json *status)
{
    static const char *const modes[] = {"Proxy", "VIP", NULL};
    int64_t i = 0;

    JSON_EACH(x, field(status, "ingress")) {
        const struct at *here = AT_INDEX(AT(at, "ingress"), i++);
        str ip = json_get_str(x, "ip"), host = json_get_str(x, "hostname");
        const struct json *mode = field(x, "ipMode");

        if (ip.n)
            check_ip(c, AT(here, "ip"), ip);
        if (!mode) {
            if (ip.n)
                bad_required(c, AT(here, "ipMode"), "must be specified when `ip` is set");
        } else if (!ip.n)
            bad_forbidden(c, AT(here, "ipMode"), "may not be specified when `ip` is not set");
        else
            check_enum(c, AT(here, "ipMode"), mode, modes);
        if (host.n) {
            check_dns_subdomain(c, AT(here, "hostname"), host);
            if (is_ip(host))
                bad_invalid(c, AT(here, "hostname"), json_string(host),
                            "must be a DNS name, not an IP address");
        }
    }
}

void validate_service(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"),
                      *status = field_at(w->obj, "status.loadBalancer");
    const struct at *at = AT(AT(NULL, "status"), "loadBalancer");

    if (str_is(w->subresource, "status")) {
        if (!str_is(json_get_str(spec, "type"), "LoadBalancer") &&
            json_count(field(status, "ingress")))
            bad_forbidden(c, AT(at, "ingress"),
                          "may only be used when `spec.type` is 'LoadBalancer'");
        else
            check_load_balancer_status(c, at, status);
        return;
    }
    if (w->old)
        check_kept(c, spec, field(w->old, "spec"));
    check_service(c, w->obj);
}
