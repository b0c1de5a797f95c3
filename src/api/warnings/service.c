/* service.c - warnings about Services, and about addresses in an unusual form.
 *
 * Source: pkg/api/service/warnings.go, k8s.io/apimachinery/pkg/util/validation/ip.go */
#include "api/hooks.h"
#include "api/warnings/warn.h"

void warn_ip(struct write *w, const struct at *at, str ip)
{
    char usual[IP_TEXT_MAX];

    if (!ip_usual_text(ip, usual) || str_is(ip, usual))
        return;
    if (not_ip(ip))
        warn_at(w, at,
                "non-standard IP address %s will be considered invalid in a future Kubernetes "
                "release: use \"%s\"",
                quoted(w->a, ip), usual);
    else
        warn_at(w, at, "IPv6 address %s should be in RFC 5952 canonical format (\"%s\")",
                quoted(w->a, ip), usual);
}

void warn_cidr(struct write *w, const struct at *at, str cidr)
{
    char usual[IP_TEXT_MAX];
    str rest = cidr, ip;

    if (!str_cut(&rest, '/', &ip) || !rest.p || !is_ipv6(ip) || !ip_usual_text(ip, usual) ||
        str_is(ip, usual))
        return;
    warn_at(w, at, "IPv6 CIDR value %s should be in RFC 5952 canonical format (\"%s/" PRI_STR "\")",
            quoted(w->a, cidr), usual, STR_ARG(rest));
}

static void warn_ips(struct write *w, const struct json *spec, const char *name)
{
    int64_t i = 0;

    JSON_EACH(ip, field(spec, name))
        warn_ip(w, AT_INDEX(AT(AT(NULL, "spec"), name), i++), json_str(ip));
}

void service_warn(struct write *w)
{
    const struct json *spec = field(w->obj, "spec");
    str type = json_get_str(spec, "type"), ip = json_get_str(spec, "clusterIP");
    bool headless = str_is(type, "ClusterIP") && str_is(ip, "None"),
         external = str_is(type, "ExternalName"), ips = json_count(field(spec, "externalIPs")) > 0;
    int64_t i = 0;

    if (json_findz(field_at(w->obj, "metadata.annotations"),
                   "service.kubernetes.io/topology-aware-hints"))
        warn(w, "annotation service.kubernetes.io/topology-aware-hints is deprecated, please use "
                "service.kubernetes.io/topology-mode instead");
    if (ip.n && !str_is(ip, "None"))
        warn_ips(w, spec, "clusterIPs");
    if (headless && json_get_str(spec, "loadBalancerIP").n)
        warn(w, "spec.loadBalancerIP is ignored for headless services");
    if (headless && ips)
        warn(w, "spec.externalIPs is ignored for headless services");
    if (headless && !str_is(json_get_str(spec, "sessionAffinity"), "None"))
        warn(w, "spec.SessionAffinity is ignored for headless services");
    warn_ips(w, spec, "externalIPs");
    if (ips && !headless && !external)
        warn(w, "spec.externalIPs is deprecated and may no longer be implemented in some clusters");
    warn_ip(w, AT(AT(NULL, "spec"), "loadBalancerIP"), json_get_str(spec, "loadBalancerIP"));
    JSON_EACH(cidr, field(spec, "loadBalancerSourceRanges"))
        warn_cidr(w, AT_INDEX(AT(AT(NULL, "spec"), "loadBalancerSourceRanges"), i++),
                  json_str(cidr));
    if (external && ips)
        warn(w, "spec.externalIPs is ignored when spec.type is \"ExternalName\"");
    if (!external && json_get_str(spec, "externalName").n)
        warn(w, "spec.externalName is ignored when spec.type is not \"ExternalName\"");
    if (str_is(json_get_str(spec, "trafficDistribution"), "PreferClose"))
        warn(w, "spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"");
}
