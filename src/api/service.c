/* service.c - Services: addresses and node ports, given out from memory and taken back when nobody
 * holds them.
 *
 * The allocator is a count per address and port, rebuilt at start from the stored Services. A write
 * takes what it needs while it is prepared; `settled` gives back what a failed write took and what
 * a finished one no longer uses. API:
 * https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/ */
#include "api/dynamic/dynamic.h"
#include "api/hooks.h"

#include <arpa/inet.h>

struct ip_allocator {
    struct api *api;
    uint32_t base, size; /* IPv4 range, host order */
    struct map ips;      /* address text -> count as a pointer */
    uint16_t *ports;     /* uses per node port */
    int port_min, port_max;
    uint32_t dynamic_from; /* offsets below are kept for addresses that users choose */
};

/* Every address and port of a Service, as an allocation. */
typedef void each_ip_fn(struct ip_allocator *ips, str ip);
typedef void each_port_fn(struct ip_allocator *ips, int port);

static void ip_take(struct ip_allocator *ips, str ip)
{
    uintptr_t n = (uintptr_t)map_find(&ips->ips, ip);

    map_put(&ips->ips, ip, (void *)(n + 1));
}

static void ip_give(struct ip_allocator *ips, str ip)
{
    uintptr_t n = (uintptr_t)map_find(&ips->ips, ip);

    if (n <= 1)
        map_del(&ips->ips, ip);
    else
        map_put(&ips->ips, ip, (void *)(n - 1));
}

static bool port_in_range(const struct ip_allocator *ips, int port)
{
    return port >= ips->port_min && port <= ips->port_max;
}

static void port_take(struct ip_allocator *ips, int port)
{
    if (port_in_range(ips, port))
        ips->ports[port - ips->port_min]++;
}

static void port_give(struct ip_allocator *ips, int port)
{
    if (port_in_range(ips, port) && ips->ports[port - ips->port_min])
        ips->ports[port - ips->port_min]--;
}

static void service_each(struct ip_allocator *ips, const struct json *svc, each_ip_fn *ip,
                         each_port_fn *port)
{
    const struct json *spec = json_findz(svc, "spec");
    int seen[64];
    size_t n = 0;
    int64_t health = json_get_int(spec, "healthCheckNodePort", 0);

    if (!str_is(json_get_str(spec, "type"), "ExternalName"))
        JSON_EACH(a, json_findz(spec, "clusterIPs"))
            if (json_str(a).n && !str_is(json_str(a), "None"))
                ip(ips, json_str(a));
    JSON_EACH(p, json_findz(spec, "ports")) {
        int np = (int)json_get_int(p, "nodePort", 0);
        bool again = false;

        /* TCP and UDP may share a number within one Service. */
        for (size_t i = 0; i < n; i++)
            again |= seen[i] == np;
        if (np && !again) {
            port(ips, np);
            if (n < ARRAY_LEN(seen))
                seen[n++] = np;
        }
    }
    if (health)
        port(ips, (int)health);
}

static bool load(void *ctx, const struct obj *o)
{
    struct ip_allocator *ips = ctx;
    struct arena *a = arena_new();

    service_each(ips, object_parse(a, arena_dup(a, o->data)), ip_take, port_take);
    arena_free(a);
    return true;
}

struct err *ips_new(struct api *api, struct ip_allocator **ret)
{
    struct ip_allocator *ips = NEW(struct ip_allocator);
    str cidr = api->o.service_cidr, addr, first;
    char text[64];
    int64_t prefix = 0;
    struct in_addr in;

    *ret = ips;
    ips->api = api;
    map_init(&ips->ips);
    first = cidr;
    str_cut(&first, ',', &cidr); /* dual stack: the first range is ours */
    str_cut(&cidr, '/', &addr);
    if (!cidr.p || !str_to_int64(cidr, &prefix) || prefix < 8 || prefix > 30 ||
        addr.n >= sizeof text)
        return err_new(REASON_INVALID,
                       "service CIDR " PRI_STR " is not an IPv4 range between /8 and /30",
                       STR_ARG(api->o.service_cidr));
    memcpy(text, addr.p, addr.n);
    text[addr.n] = 0;
    if (inet_pton(AF_INET, text, &in) != 1)
        return err_new(REASON_INVALID, "service CIDR " PRI_STR " is not an IPv4 range",
                       STR_ARG(api->o.service_cidr));
    ips->size = (uint32_t)1 << (32 - prefix);
    ips->base = ntohl(in.s_addr) & ~(ips->size - 1);
    /* As Kubernetes: min(max(16, size/16), 256) addresses at the bottom are left to users' own
     * choice. */
    ips->dynamic_from = MIN(MAX(16u, ips->size / 16), 256u);
    if (ips->dynamic_from >= ips->size - 1)
        ips->dynamic_from = 1;
    ips->port_min = api->o.node_port_min;
    ips->port_max = api->o.node_port_max;
    ips->ports = mem_zalloc(sizeof *ips->ports * (size_t)(ips->port_max - ips->port_min + 1));
    store_each(api->store, api_core(api, "services")->r->storage_resource, S(""), NULL, load, ips);
    return NULL;
}

void ips_free(struct ip_allocator *ips)
{
    if (!ips)
        return;
    map_fini(&ips->ips);
    mem_free(ips->ports);
    mem_free(ips);
}

static str ip_text(struct arena *a, uint32_t ip)
{
    return arena_fmt(a, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
}

static bool ip_in_range(const struct ip_allocator *ips, str ip)
{
    char text[64];
    struct in_addr in;
    uint32_t v;

    if (ip.n >= sizeof text)
        return false;
    memcpy(text, ip.p, ip.n);
    text[ip.n] = 0;
    if (inet_pton(AF_INET, text, &in) != 1)
        return false;
    v = ntohl(in.s_addr);
    return v > ips->base && v < ips->base + ips->size - 1;
}

static uint64_t random_number(struct write *w)
{
    uint64_t v;

    answers_random(w->answers, w->api, &v, sizeof v);
    return v;
}

/* A free address from a random place on; the bottom of the range only when the rest is full. */
static str ip_pick(struct ip_allocator *ips, struct write *w)
{
    struct arena *a = w->a;
    uint32_t lo = ips->dynamic_from, n = ips->size - 1 - lo,
             start = n ? (uint32_t)(random_number(w) % n) : 0;

    for (uint32_t i = 0; i < n; i++) {
        str ip = ip_text(a, ips->base + lo + (start + i) % n);

        if (!map_find(&ips->ips, ip))
            return ip;
    }
    for (uint32_t i = 1; i < lo; i++) {
        str ip = ip_text(a, ips->base + i);

        if (!map_find(&ips->ips, ip))
            return ip;
    }
    return STR_NONE;
}

static int port_pick(struct ip_allocator *ips, struct write *w)
{
    int n = ips->port_max - ips->port_min + 1, start = (int)(random_number(w) % (uint64_t)n);

    for (int i = 0; i < n; i++)
        if (!ips->ports[(start + i) % n])
            return ips->port_min + (start + i) % n;
    return 0;
}

/* ---- preparing ---- */

static bool has_cluster_ip(str type)
{
    return !str_is(type, "ExternalName");
}

static bool wants_node_ports(const struct json *spec)
{
    str type = json_get_str(spec, "type");

    return str_is(type, "NodePort") || (str_is(type, "LoadBalancer") &&
                                        json_get_bool(spec, "allocateLoadBalancerNodePorts", true));
}

static struct err *invalid_service(struct write *w, const char *type, const char *field,
                                   const char *message)
{
    struct err *e = NULL;

    cause(&e, type, str_of(field), "%s", message);
    return err_invalid(e, S(""), S("Service"), w->name);
}

static struct err *address_refused(struct write *w, str ip, const char *why)
{
    return invalid_service(
        w, CAUSE_INVALID, "spec.clusterIPs",
        arena_fmt(w->a, "Invalid value: [\"" PRI_STR "\"]: failed to allocate IP " PRI_STR ": %s",
                  STR_ARG(ip), STR_ARG(ip), why)
            .p);
}

static struct err *give_address(struct write *w, struct json *spec)
{
    struct ip_allocator *ips = w->api->ips;
    const struct json *old = json_findz(w->old, "spec");
    str ip = json_str(json_item(json_findz(spec, "clusterIPs"), 0)),
        had = json_get_str(old, "clusterIP");
    struct json one = json_array();

    if (!has_cluster_ip(json_get_str(spec, "type")) || str_is(ip, "None"))
        return NULL;
    if (!ip.n) {
        ip = ip_pick(ips, w);
        if (!ip.n)
            return err_new(REASON_INTERNAL, "failed to allocate a serviceIP: range is full");
    } else if (!str_eq(ip, had)) {
        if (!ip_in_range(ips, ip))
            return address_refused(w, ip, "the provided network does not match the current range");
        if (map_find(&ips->ips, ip))
            return address_refused(w, ip, "provided IP is already allocated");
    }
    json_append(w->a, &one, json_string(ip));
    json_setz(w->a, spec, "clusterIP", json_string(ip));
    json_setz(w->a, spec, "clusterIPs", one);
    return NULL;
}

static bool old_has_port(const struct json *old, int64_t port)
{
    JSON_EACH(o, json_findz(old, "ports"))
        if (json_get_int(o, "nodePort", 0) == port)
            return true;
    return json_get_int(old, "healthCheckNodePort", 0) == port;
}

static bool new_port_taken(const struct json *spec, const struct json *before, int64_t port)
{
    JSON_EACH(o, json_findz(spec, "ports"))
        if (o < before && json_get_int(o, "nodePort", 0) == port &&
            json_get_int(o, "port", 0) != json_get_int(before, "port", 0))
            return true;
    return false;
}

static struct err *give_node_ports(struct write *w, struct json *spec)
{
    struct ip_allocator *ips = w->api->ips;
    const struct json *old = json_findz(w->old, "spec");
    uint32_t i = 0;

    JSON_EACH(p, json_findz(spec, "ports")) {
        int64_t np = json_get_int(p, "nodePort", 0);

        if (!np && !wants_node_ports(spec)) {
            i++;
            continue;
        }
        if (!np) {
            /* The same number for UDP as for TCP, when another port of this Service has it. */
            JSON_EACH(o, json_findz(spec, "ports"))
                if (o < p && json_get_int(o, "port", 0) == json_get_int(p, "port", 0) &&
                    !str_eq(json_get_str(o, "protocol"), json_get_str(p, "protocol")))
                    np = json_get_int(o, "nodePort", 0);
            if (!np)
                np = port_pick(ips, w);
            if (!np)
                return err_new(REASON_INTERNAL, "failed to allocate a nodePort: range is full");
            /* Not one that an earlier port of this very Service has just been given. */
            for (int tries = 0; tries < 64 && new_port_taken(spec, p, np); tries++)
                np = port_pick(ips, w);
        } else if (!old_has_port(old, np)) {
            if (!port_in_range(ips, (int)np))
                return invalid_service(w, CAUSE_INVALID,
                                       arena_fmt(w->a, "spec.ports[%u].nodePort", i).p,
                                       arena_fmt(w->a,
                                                 "Invalid value: %lld: provided port is not in the "
                                                 "valid range. The range of valid ports is %d-%d",
                                                 (long long)np, ips->port_min, ips->port_max)
                                           .p);
            if (ips->ports[np - ips->port_min])
                return invalid_service(
                    w, CAUSE_INVALID, arena_fmt(w->a, "spec.ports[%u].nodePort", i).p,
                    arena_fmt(w->a, "Invalid value: %lld: provided port is already allocated",
                              (long long)np)
                        .p);
        }
        json_setz(w->a, p, "nodePort", json_int(np));
        i++;
    }
    return NULL;
}

static bool wants_health_port(const struct json *spec)
{
    return str_is(json_get_str(spec, "type"), "LoadBalancer") &&
           str_is(json_get_str(spec, "externalTrafficPolicy"), "Local");
}

static struct err *give_health_port(struct write *w, struct json *spec)
{
    struct ip_allocator *ips = w->api->ips;
    int64_t port = json_get_int(spec, "healthCheckNodePort", 0),
            had = json_get_int(w->old, "spec.healthCheckNodePort", 0);

    if (!wants_health_port(spec))
        return NULL;
    if (!port)
        port = port_pick(ips, w);
    else if (port != had) {
        if (!port_in_range(ips, (int)port))
            return invalid_service(w, CAUSE_INVALID, "spec.healthCheckNodePort",
                                   arena_fmt(w->a,
                                             "Invalid value: %lld: provided port is not in the "
                                             "valid range. The range of valid ports is %d-%d",
                                             (long long)port, ips->port_min, ips->port_max)
                                       .p);
        if (ips->ports[port - ips->port_min])
            return err_new(REASON_INTERNAL,
                           "failed to allocate requested HealthCheck NodePort %lld: provided port "
                           "is already allocated",
                           (long long)port);
    }
    json_setz(w->a, spec, "healthCheckNodePort", json_int(port));
    return NULL;
}

/* IP families follow from the only range there is. A headless Service without selector is the
 * exception: whoever writes its endpoints may use both families, whatever the cluster has. */
static struct err *set_families(struct write *w, struct json *spec)
{
    struct json families = json_array(), *given = json_findz(spec, "ipFamilies");
    str first = json_str(json_item(json_findz(spec, "clusterIPs"), 0)),
        policy = json_get_str(spec, "ipFamilyPolicy");
    struct err *errs = NULL;
    uint32_t i = 0;

    if (!has_cluster_ip(json_get_str(spec, "type")))
        return NULL;
    if (w->old && !policy.n) {
        policy = json_get_str(w->old, "spec.ipFamilyPolicy");
        if (policy.n)
            json_setz(w->a, spec, "ipFamilyPolicy", json_string(policy));
    }
    if (str_is(first, "None") && !json_count(json_findz(spec, "selector"))) {
        if (!json_count(given)) {
            json_append(w->a, &families, json_z("IPv4"));
            given = json_setz(w->a, spec, "ipFamilies", families);
        }
        if (json_count(given) < 2 && !str_is(policy, "SingleStack"))
            json_append(w->a, given,
                        json_z(str_is(json_str(json_item(given, 0)), "IPv4") ? "IPv6" : "IPv4"));
        if (!policy.n)
            json_setz(w->a, spec, "ipFamilyPolicy", json_z("RequireDualStack"));
        return NULL;
    }
    if (!json_count(given) && str_has_char(first, ':')) {
        cause(&errs, CAUSE_INVALID, S("spec.clusterIPs[0]"),
              "Invalid value: [\"" PRI_STR "\"]: IPv6 is not configured on this cluster",
              STR_ARG(first));
        return err_invalid(errs, S(""), S("Service"), w->name);
    }
    if (str_is(policy, "RequireDualStack") || (!policy.n && json_count(given) > 1))
        cause(&errs, CAUSE_INVALID, S("spec.ipFamilyPolicy"),
              "Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack "
              "services");
    JSON_EACH(f, given) {
        if (!str_is(json_str(f), "IPv4"))
            cause(&errs, CAUSE_INVALID, arena_fmt(w->a, "spec.ipFamilies[%u]", i),
                  "Invalid value: \"" PRI_STR "\": not configured on this cluster",
                  STR_ARG(json_str(f)));
        i++;
    }
    if (errs)
        return err_invalid(errs, S(""), S("Service"), w->name);
    if (!policy.n)
        json_setz(w->a, spec, "ipFamilyPolicy", json_z("SingleStack"));
    if (!json_count(given)) {
        json_append(w->a, &families, json_z("IPv4"));
        json_setz(w->a, spec, "ipFamilies", families);
    }
    return NULL;
}

/* Only a valid Service is given anything. A write that fails later takes nothing, since only
 * `settled` counts. */
struct err *service_allocate(struct write *w)
{
    struct json *spec = json_make(w->a, w->obj, "spec", JSON_OBJECT);
    struct err *e;

    if (!w->name.n && !w->old)
        w->name = meta_str(w->obj, "name");
    if (w->subresource.n)
        return NULL;
    e = set_families(w, spec);
    if (!e)
        e = give_address(w, spec);
    if (!e)
        e = give_node_ports(w, spec);
    if (!e)
        e = give_health_port(w, spec);
    return e;
}

/* ---- before validation: old clients know less of a Service than it has ---- */

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
    if (wants_node_ports(old) && wants_node_ports(spec))
        JSON_EACH(p, json_findz(spec, "ports"))
            if (!json_get_int(p, "nodePort", 0))
                JSON_EACH(o, json_findz(old, "ports"))
                    if (str_eq(json_get_str(o, "name"), json_get_str(p, "name")) &&
                        json_get_int(o, "nodePort", 0) &&
                        !uses_port(spec, json_get_int(o, "nodePort", 0)))
                        json_setz(w->a, p, "nodePort", json_int(json_get_int(o, "nodePort", 0)));
    if (wants_health_port(old) && wants_health_port(spec) &&
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
    if (wants_node_ports(old) && !wants_node_ports(spec) && same_node_ports(spec, old))
        JSON_EACH(p, json_findz(spec, "ports"))
            json_removez(p, "nodePort");
    if (wants_health_port(old) && !wants_health_port(spec) &&
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

void service_warn(struct write *w)
{
    const struct json *spec = json_findz(w->obj, "spec");

    if (json_count(json_findz(spec, "externalIPs")))
        req_warn(
            w->req,
            S("spec.externalIPs is deprecated and may no longer be implemented in some clusters"));
    if (str_is(json_get_str(spec, "trafficDistribution"), "PreferClose"))
        req_warn(
            w->req,
            S("spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\""));
    if (str_is(json_get_str(spec, "clusterIP"), "None")) {
        if (json_get_str(spec, "loadBalancerIP").n)
            req_warn(w->req, S("spec.loadBalancerIP is ignored for headless services"));
        if (json_count(json_findz(spec, "externalIPs")))
            req_warn(w->req, S("spec.externalIPs is ignored for headless services"));
        if (!str_is(json_get_str(spec, "sessionAffinity"), "None"))
            req_warn(w->req, S("spec.SessionAffinity is ignored for headless services"));
    }
}

static struct err *drop_endpoints(void *ctx, struct arena *a, const struct obj *current,
                                  int64_t revision, struct store_change *ret)
{
    (void)ctx;
    ret->op = current ? STORE_DELETE : STORE_KEEP;
    if (current) {
        ret->data = object_with_revision(a, current->data, current->revision, revision);
        ret->uid = current->uid;
        ret->labels = current->labels;
        ret->fields = current->fields;
    }
    return NULL;
}

static void dropped(void *ctx, struct err *e, const struct obj *result)
{
    (void)ctx;
    (void)result;
    err_free(e); /* the controller would do it later */
}

/* Counts follow what is stored: the new version's share is taken, the old one's given back. */
void service_settled(struct api *api, const struct json *obj, const struct json *old, bool ok)
{
    if (!ok)
        return;
    if (obj)
        service_each(api->ips, obj, ip_take, port_take);
    if (old)
        service_each(api->ips, old, ip_give, port_give);
    /* The endpoints of a Service go with it. */
    if (!obj && old)
        store_update(
            api->store,
            kind_key(api_core(api, "endpoints"), meta_str(old, "namespace"), meta_str(old, "name")),
            drop_endpoints, dropped, NULL);
}
