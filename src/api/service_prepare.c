/* service_prepare.c - Services before anything is given out: what an old client did not know of
 * stays, what only the old type needed goes, and the families follow from addresses and policy.
 *
 * Source: pkg/registry/core/service/{strategy,storage/storage,storage/alloc}.go */
#include "api/api_internal.h"
#include "api/hooks.h"

static bool has_cluster_ip(str type)
{
    return !str_is(type, "ExternalName");
}

bool service_wants_node_ports(const struct json *spec)
{
    str type = json_get_str(spec, "type");

    return str_is(type, "NodePort") || (str_is(type, "LoadBalancer") &&
                                        json_get_bool(spec, "allocateLoadBalancerNodePorts", true));
}

bool service_wants_health_port(const struct json *spec)
{
    return str_is(json_get_str(spec, "type"), "LoadBalancer") &&
           str_is(json_get_str(spec, "externalTrafficPolicy"), "Local");
}

static bool same(const struct json *now, const struct json *old, const char *name)
{
    const struct json *n = json_findz(now, name), *o = json_findz(old, name);

    return n && o ? json_equal(n, o) : !n == !o;
}

static void keep(struct write *w, struct json *now, const struct json *old, const char *name)
{
    const struct json *o = json_findz(old, name);

    if (o)
        json_setz(w->a, now, name, json_share(w->a, o));
}

static bool uses_port(const struct json *spec, int64_t port)
{
    JSON_EACH(p, json_findz(spec, "ports"))
        if (json_get_int(p, "nodePort", 0) == port)
            return true;
    return false;
}

/* What was given out stays, when the client says nothing about it. */
static void keep_allocated(struct write *w, struct json *spec, const struct json *old)
{
    if (has_cluster_ip(json_get_str(old, "type")) && has_cluster_ip(json_get_str(spec, "type"))) {
        if (!json_get_str(spec, "clusterIP").n)
            keep(w, spec, old, "clusterIP");
        if (!json_count(json_findz(spec, "clusterIPs")) &&
            str_eq(json_get_str(spec, "clusterIP"), json_get_str(old, "clusterIP")))
            keep(w, spec, old, "clusterIPs");
    }
    if (service_wants_node_ports(old) && service_wants_node_ports(spec))
        JSON_EACH(p, json_findz(spec, "ports"))
            if (!json_get_int(p, "nodePort", 0))
                JSON_EACH(o, json_findz(old, "ports"))
                    if (str_eq(json_get_str(o, "name"), json_get_str(p, "name")) &&
                        json_get_int(o, "nodePort", 0) &&
                        !uses_port(spec, json_get_int(o, "nodePort", 0)))
                        json_setz(w->a, p, "nodePort", json_int(json_get_int(o, "nodePort", 0)));
    if (service_wants_health_port(old) && service_wants_health_port(spec) &&
        !json_get_int(spec, "healthCheckNodePort", 0))
        keep(w, spec, old, "healthCheckNodePort");
}

/* clusterIP and clusterIPs[0] say the same; a client may know only the former. */
static void join_addresses(struct write *w, struct json *spec, const struct json *old)
{
    str ip = json_get_str(spec, "clusterIP"), had = json_get_str(old, "clusterIP");
    struct json one = json_array();

    json_append(w->a, &one, json_string(ip));
    if (!old) {
        if (ip.n && !json_count(json_findz(spec, "clusterIPs")))
            json_setz(w->a, spec, "clusterIPs", one);
        return;
    }
    if (str_eq(ip, had)) {
        if (!json_count(json_findz(spec, "clusterIPs")))
            keep(w, spec, old, "clusterIPs");
    } else if (same(spec, old, "clusterIPs")) {
        if (ip.n)
            json_setz(w->a, spec, "clusterIPs", one);
        else
            json_removez(spec, "clusterIPs");
    }
}

static bool same_node_ports(const struct json *spec, const struct json *old)
{
    JSON_EACH(p, json_findz(spec, "ports"))
        if (json_get_int(p, "nodePort", 0) && !uses_port(old, json_get_int(p, "nodePort", 0)))
            return false;
    return true;
}

static bool has_traffic_policy(const struct json *spec)
{
    return str_is(json_get_str(spec, "type"), "NodePort") ||
           str_is(json_get_str(spec, "type"), "LoadBalancer") ||
           (str_is(json_get_str(spec, "type"), "ClusterIP") &&
            json_count(json_findz(spec, "externalIPs")));
}

/* What only the old type needed goes, unless the client changed it, too: then validation has its
 * say. */
static void drop_of_old_type(struct json *spec, const struct json *old)
{
    static const char *const of_address[] = {"ipFamilies", "ipFamilyPolicy",
                                             "internalTrafficPolicy"};
    static const char *const of_balancer[] = {"allocateLoadBalancerNodePorts", "loadBalancerClass"};
    str type = json_get_str(spec, "type"), was = json_get_str(old, "type");

    if (has_cluster_ip(was) && !has_cluster_ip(type)) {
        if (same(spec, old, "clusterIPs")) {
            json_removez(spec, "clusterIP");
            json_removez(spec, "clusterIPs");
        }
        for (size_t i = 0; i < ARRAY_LEN(of_address); i++)
            if (same(spec, old, of_address[i]))
                json_removez(spec, of_address[i]);
    }
    if (service_wants_node_ports(old) && !service_wants_node_ports(spec) &&
        same_node_ports(spec, old))
        JSON_EACH(p, json_findz(spec, "ports"))
            json_removez(p, "nodePort");
    if (service_wants_health_port(old) && !service_wants_health_port(spec) &&
        same(spec, old, "healthCheckNodePort"))
        json_removez(spec, "healthCheckNodePort");
    if (str_is(was, "LoadBalancer") && !str_is(type, "LoadBalancer"))
        for (size_t i = 0; i < ARRAY_LEN(of_balancer); i++)
            if (same(spec, old, of_balancer[i]))
                json_removez(spec, of_balancer[i]);
    if (has_traffic_policy(old) && !has_traffic_policy(spec) &&
        same(spec, old, "externalTrafficPolicy"))
        json_removez(spec, "externalTrafficPolicy");
}

void service_prepare_create(struct write *w)
{
    json_setz(w->a, json_setz(w->a, w->obj, "status", json_object()), "loadBalancer",
              json_object());
    join_addresses(w, json_make(w->a, w->obj, "spec", JSON_OBJECT), NULL);
}

void service_prepare_update(struct write *w)
{
    struct json *spec = json_make(w->a, w->obj, "spec", JSON_OBJECT);
    const struct json *old = json_findz(w->old, "spec");

    keep_allocated(w, spec, old);
    join_addresses(w, spec, old);
    drop_of_old_type(spec, old);
}

/* ---- families ---- */

static bool unchanged(const struct json *spec, const struct json *old, const char *name)
{
    return json_count(json_findz(spec, name)) == json_count(json_findz(old, name)) &&
           (!json_count(json_findz(old, name)) || same(spec, old, name));
}

static bool reduced(const struct json *spec, const struct json *old, const char *name)
{
    return json_count(json_findz(old, name)) == 2 && json_count(json_findz(spec, name)) == 1;
}

/* Of a second address or family: whether the policy says it may be there, or may go. */
static void match_policy(struct write *w, struct json *spec, struct err **errs)
{
    static const struct {
        const char *list, *release, *several;
    } lists[] = {
        {"clusterIPs", "must be 'SingleStack' to release the secondary cluster IP",
         "must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are "
         "specified"},
        {"ipFamilies", "must be 'SingleStack' to release the secondary IP family",
         "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are "
         "specified"},
    };
    const struct json *old = json_findz(w->old, "spec");
    str policy = json_get_str(spec, "ipFamilyPolicy");
    bool single = str_is(policy, "SingleStack");

    for (size_t i = 0; w->old && i < ARRAY_LEN(lists); i++) {
        struct json *list = json_findz(spec, lists[i].list);

        if (single && unchanged(spec, old, lists[i].list) && json_count(list) > 1) {
            struct json one = json_array();

            json_append(w->a, &one, *json_item(list, 0));
            json_setz(w->a, spec, lists[i].list, one);
        } else if (!single && reduced(spec, old, lists[i].list))
            cause(errs, CAUSE_INVALID, S("spec.ipFamilyPolicy"),
                  "Invalid value: \"" PRI_STR "\": %s", STR_ARG(policy), lists[i].release);
    }
    for (size_t i = 0; single && i < ARRAY_LEN(lists); i++)
        if (json_count(json_findz(spec, lists[i].list)) == 2)
            cause(errs, CAUSE_INVALID, S("spec.ipFamilyPolicy"),
                  "Invalid value: \"SingleStack\": %s", lists[i].several);
}

/* Addresses say of which family they are. */
static void infer_families(struct write *w, struct json *spec, struct err **errs)
{
    const struct json *ips = json_findz(spec, "clusterIPs");
    CLEANUP(buf) struct buf all = BUF_INIT;

    if (ips)
        json_encode(&all, ips);
    for (uint32_t i = 0; i < json_count(ips); i++) {
        str ip = json_str(json_item(ips, i));

        if (str_is(ip, "None"))
            return;
        if (i < json_count(json_findz(spec, "ipFamilies")))
            continue;
        if (str_has_char(ip, ':'))
            cause(errs, CAUSE_INVALID, arena_fmt(w->a, "spec.clusterIPs[%u]", i),
                  "Invalid value: " PRI_STR ": IPv6 is not configured on this cluster",
                  STR_ARG(buf_view(&all)));
        else
            json_append(w->a, json_make(w->a, spec, "ipFamilies", JSON_ARRAY), json_z("IPv4"));
    }
}

/* What the cluster has: one range of IPv4. */
static void match_cluster(struct write *w, const struct json *spec, struct err **errs)
{
    uint32_t i = 0;

    if (str_is(json_get_str(spec, "ipFamilyPolicy"), "RequireDualStack"))
        cause(errs, CAUSE_INVALID, S("spec.ipFamilyPolicy"),
              "Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack "
              "services");
    JSON_EACH(f, json_findz(spec, "ipFamilies")) {
        if (!str_is(json_str(f), "IPv4"))
            cause(errs, CAUSE_INVALID, arena_fmt(w->a, "spec.ipFamilies[%u]", i),
                  "Invalid value: \"" PRI_STR "\": not configured on this cluster",
                  STR_ARG(json_str(f)));
        i++;
    }
}

struct err *service_families(struct write *w, struct json *spec)
{
    const struct json *old = json_findz(w->old, "spec");
    bool selectorless = str_is(json_get_str(spec, "clusterIP"), "None") &&
                        !json_count(json_findz(spec, "selector"));
    struct json *families;
    struct err *errs = NULL;
    str policy;

    if (!has_cluster_ip(json_get_str(spec, "type")))
        return NULL;
    /* What prefers both families is left as it is: the cluster may have got or lost one since. */
    if (old && str_is(json_get_str(spec, "ipFamilyPolicy"), "PreferDualStack") &&
        same(spec, old, "ipFamilyPolicy") && unchanged(spec, old, "ipFamilies") &&
        unchanged(spec, old, "clusterIPs"))
        return NULL;
    if (!json_get_str(spec, "ipFamilyPolicy").n) {
        policy = json_get_str(old, "ipFamilyPolicy");
        if (!policy.n)
            policy = selectorless ? S("RequireDualStack") : S("SingleStack");
        json_setz(w->a, spec, "ipFamilyPolicy", json_string(policy));
    }
    policy = json_get_str(spec, "ipFamilyPolicy");
    match_policy(w, spec, &errs);
    infer_families(w, spec, &errs);
    /* Whoever writes the endpoints of a headless Service without selector may use both families,
     * whatever the cluster has. */
    if (!errs && !selectorless)
        match_cluster(w, spec, &errs);
    if (errs)
        return err_invalid(errs, S(""), S("Service"), w->name);
    families = json_make(w->a, spec, "ipFamilies", JSON_ARRAY);
    if (!json_count(families))
        json_append(w->a, families, json_z("IPv4"));
    if (selectorless && json_count(families) < 2 && !str_is(policy, "SingleStack"))
        json_append(w->a, families,
                    json_z(str_is(json_str(json_item(families, 0)), "IPv4") ? "IPv6" : "IPv4"));
    return NULL;
}
