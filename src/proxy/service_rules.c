/* service_rules.c - one Service and its EndpointSlices in, the chains, sets and map elements that serve it out.
 *
 * The shape in the kernel, as in kube-proxy's nftables mode: verdict maps find the Service by destination, so that the cost of
 * a packet does not grow with the number of Services.
 *
 *     service-ips {ip . proto . port}, service-nodeports {proto . port}
 *        -> service-…   endpoints of the whole cluster      -> dnat in turn, through an anonymous map
 *        -> local-…     endpoints of this node only            (with session affinity: through one endpoint-… chain each,
 *        -> external-…  arrivals from outside: who is masqueraded, which of the two above serves   which remembers clients)
 *     no-endpoint-services, no-endpoint-nodeports   what is to be refused or dropped instead
 *     firewall-ips -> firewall-…                    loadBalancerSourceRanges
 *     hairpin {ip . ip}                             endpoints that may come back to themselves: to be masqueraded
 *
 * Invariants
 *   (1) Pure: no clock, no I/O, no order of arrival. Endpoints are sorted by address and port.
 *   (2) Nothing from an object reaches the text of a rule unless it was parsed (addresses, ports) or is a name of [A-Za-z0-9.-].
 *
 * Not here: what is the same for all Services (ruleset.c). Left out so far: IPv6, topology hints, healthCheckNodePort.
 * API: https://kubernetes.io/docs/reference/networking/virtual-ips/ */
#include "proxy/proxy_internal.h"

/* of one port of one Service on a node; more are left out (the API warns at 1000) */
#define ENDPOINTS_MAX 8192
#define AFFINITY_SECONDS_DEFAULT 10800
#define NAME_MAX_BYTES 63

/* ---- addresses ---- */

bool ipv4_parse(str s, uint32_t *ret)
{
    uint32_t ip = 0;
    int parts = 0;
    str part;

    while (str_cut(&s, '.', &part)) {
        int64_t v;
        /* A leading zero is refused, as in Go and Kubernetes: programs disagree whether it means octal. */
        if (++parts > 4 || part.n == 0 || part.n > 3 || (part.n > 1 && part.p[0] == '0') ||
            part.p[0] < '0' || part.p[0] > '9' || !str_to_int64(part, &v) || v > 255)
            return false;
        ip = ip << 8 | (uint32_t)v;
    }
    if (parts != 4)
        return false;
    *ret = ip;
    return true;
}

bool ipv4_cidr_parse(str s, uint32_t *ret_net, int *ret_bits)
{
    str addr;
    int64_t bits;
    uint32_t ip;

    if (!str_cut(&s, '/', &addr) || !s.p || s.n == 0 || s.n > 2 || !str_to_int64(s, &bits) ||
        bits < 0 || bits > 32 || !ipv4_parse(addr, &ip))
        return false;
    *ret_net = bits == 0 ? 0 : ip & (uint32_t)(UINT64_C(0xffffffff) << (32 - bits));
    *ret_bits = (int)bits;
    return true;
}

str ipv4_format(struct arena *a, uint32_t ip)
{
    return arena_fmt(a, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
}

static bool cidr_contains(uint32_t net, int bits, uint32_t ip)
{
    return bits == 0 || (ip & (uint32_t)(UINT64_C(0xffffffff) << (32 - bits))) == net;
}

/* ---- what a Service says ---- */

struct endpoint {
    uint32_t ip;
    uint16_t port;
    bool ready, serving_terminating, local;
};
struct endpoints {
    struct endpoint *v;
    size_t n;
};
struct port_view {
    str ns, name, proto, port_name; /* proto "tcp"; checked to be safe in rules */
    str id;                         /* "ns/name/tcp/port" */
    uint16_t port, node_port;
    uint32_t cluster_ip;
    const uint32_t *external_ips, *lb_ips;
    size_t n_external_ips, n_lb_ips;
    bool internal_local, external_local, affinity;
    int64_t affinity_s;
};

bool service_name_is_safe(str s)
{
    if (s.n > NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '.'))
            return false;
    }
    return true;
}

str service_protocol(str protocol)
{
    if (protocol.n == 0 || str_is(protocol, "TCP"))
        return S("tcp");
    if (str_is(protocol, "UDP"))
        return S("udp");
    if (str_is(protocol, "SCTP"))
        return S("sctp");
    return STR_NONE;
}

/* A set of addresses: sorted and without repeats, since a repeated map element would fail the whole transaction. */
static int ip_cmp(const void *x, const void *y, void *ctx UNUSED)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return a < b ? -1 : a > b;
}

static size_t ips_unique(uint32_t *ips, size_t n)
{
    size_t kept = 0;

    sort_with(ips, n, sizeof *ips, ip_cmp, NULL);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || ips[i] != ips[kept - 1])
            ips[kept++] = ips[i];
    return kept;
}

static void read_ips(struct arena *a, const struct json *list, const uint32_t **ret, size_t *ret_n)
{
    uint32_t *ips = ARENA_NEW_N(a, uint32_t, json_count(list) + 1);
    size_t n = 0;

    JSON_EACH(v, list)
        n += ipv4_parse(json_str(v), &ips[n]);
    *ret = ips;
    *ret_n = ips_unique(ips, n);
}

/* Ingress addresses that this node may serve itself. ipMode Proxy: the load balancer wants to see the traffic. */
static void read_lb_ips(struct arena *a, const struct json *service, const uint32_t **ret,
                        size_t *ret_n)
{
    const struct json *list = json_path(service, "status.loadBalancer.ingress");
    uint32_t *ips = ARENA_NEW_N(a, uint32_t, json_count(list) + 1);
    size_t n = 0;

    *ret = ips;
    *ret_n = 0;
    if (!str_is(json_get_str(service, "spec.type"), "LoadBalancer"))
        return;
    JSON_EACH(v, list)
        if (!str_is(json_get_str(v, "ipMode"), "Proxy"))
            n += ipv4_parse(json_get_str(v, "ip"), &ips[n]);
    *ret_n = ips_unique(ips, n);
}

static int endpoint_cmp(const void *x, const void *y, void *ctx UNUSED)
{
    const struct endpoint *a = x, *b = y;

    if (a->ip != b->ip)
        return a->ip < b->ip ? -1 : 1;
    if (a->port != b->port)
        return a->port < b->port ? -1 : 1;
    if (a->ready != b->ready)
        return a->ready ? -1 : 1; /* among repeats the ready one is kept */
    return (int)b->serving_terminating - (int)a->serving_terminating;
}

/* The endpoints of one port, of all slices, each address and port once.
 * API: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#conditions */
static struct endpoints read_endpoints(struct arena *a, const struct proxy_node *node,
                                       const struct port_view *pv, const struct json *const *slices,
                                       size_t n_slices)
{
    struct endpoints eps = {0};
    size_t cap = 0, kept = 0;

    for (size_t i = 0; i < n_slices; i++)
        if (str_is(json_get_str(slices[i], "addressType"), "IPv4"))
            cap += json_count(json_findz(slices[i], "endpoints"));
    cap = MIN(cap, (size_t)ENDPOINTS_MAX);
    eps.v = ARENA_NEW_N(a, struct endpoint, cap + 1);
    for (size_t i = 0; i < n_slices; i++) {
        int64_t port = 0;
        if (!str_is(json_get_str(slices[i], "addressType"), "IPv4"))
            continue;
        JSON_EACH(p, json_findz(slices[i], "ports")) {
            if (str_eq(json_get_str(p, "name"), pv->port_name) &&
                str_eq(service_protocol(json_get_str(p, "protocol")), pv->proto))
                port = json_get_int(p, "port", 0);
        }
        if (port < 1 || port > 65535)
            continue;
        JSON_EACH(e, json_findz(slices[i], "endpoints")) {
            bool ready = json_get_bool(e, "conditions.ready", true);
            struct endpoint ep = {
                .port = (uint16_t)port,
                .ready = ready,
                .serving_terminating = json_get_bool(e, "conditions.serving", ready) &&
                                       json_get_bool(e, "conditions.terminating", false),
                .local =
                    node->node_name.n > 0 && str_eq(json_get_str(e, "nodeName"), node->node_name),
            };
            /* Of several addresses the first is used: they are one endpoint's, by definition interchangeable. */
            if (eps.n < cap &&
                ipv4_parse(json_str(json_item(json_findz(e, "addresses"), 0)), &ep.ip))
                eps.v[eps.n++] = ep;
        }
    }
    sort_with(eps.v, eps.n, sizeof *eps.v, endpoint_cmp, NULL);
    for (size_t i = 0; i < eps.n; i++)
        if (i == 0 || eps.v[i].ip != eps.v[kept - 1].ip || eps.v[i].port != eps.v[kept - 1].port)
            eps.v[kept++] = eps.v[i];
    eps.n = kept;
    return eps;
}

/* Ready endpoints; when there is none, those that still serve while they terminate, so that the last pod of a Service that is
 * being replaced gets its connections until the next is there (KEP-1669). */
static struct endpoints usable(struct arena *a, const struct endpoints *all, bool local_only)
{
    struct endpoints out = {.v = ARENA_NEW_N(a, struct endpoint, all->n + 1)};

    for (int fallback = 0; fallback < 2 && out.n == 0; fallback++)
        for (size_t i = 0; i < all->n; i++) {
            const struct endpoint *e = &all->v[i];
            if ((!local_only || e->local) && (fallback ? e->serving_terminating : e->ready))
                out.v[out.n++] = *e;
        }
    return out;
}

/* ---- writing items ---- */

struct compiler {
    struct arena *a;
    const struct proxy_node *node;
    struct service_rules *out;
};

void service_rules_item(struct arena *a, struct service_rules *o, enum rule_kind kind, str name,
                        str body)
{
    if (o->n_items == o->cap_items) {
        size_t cap = o->cap_items ? o->cap_items * 2 : 8;
        o->items = arena_grow(a, o->items, o->cap_items * sizeof *o->items, cap * sizeof *o->items);
        o->cap_items = cap;
    }
    o->items[o->n_items++] = (struct rule_item){kind, name, body};
}

void service_rules_udp(struct arena *a, struct service_rules *o, struct udp_front front)
{
    if (o->n_udp == o->cap_udp) {
        size_t cap = o->cap_udp ? o->cap_udp * 2 : 4;
        o->udp = arena_grow(a, o->udp, o->cap_udp * sizeof *o->udp, cap * sizeof *o->udp);
        o->cap_udp = cap;
    }
    o->udp[o->n_udp++] = front;
}

static void item_add(struct compiler *c, enum rule_kind kind, str name, str body)
{
    service_rules_item(c->a, c->out, kind, name, body);
}

static void chain_add(struct compiler *c, str name, struct buf *body)
{
    item_add(c, RULE_CHAIN, name, arena_dup(c->a, buf_view(body)));
    buf_fini(body);
}

static void ip_element(struct compiler *c, const char *map, uint32_t ip, const struct port_view *pv,
                       str verdict)
{
    item_add(c, RULE_ELEMENT,
             arena_fmt(c->a, "%s %u.%u.%u.%u . " PRI_STR " . %u", map, ip >> 24, ip >> 16 & 255,
                       ip >> 8 & 255, ip & 255, STR_ARG(pv->proto), pv->port),
             verdict);
}

static void node_port_element(struct compiler *c, const char *map, const struct port_view *pv,
                              str verdict)
{
    item_add(c, RULE_ELEMENT,
             arena_fmt(c->a, "%s " PRI_STR " . %u", map, STR_ARG(pv->proto), pv->node_port),
             verdict);
}

static str endpoint_id(struct compiler *c, const struct port_view *pv, const struct endpoint *e)
{
    return arena_fmt(c->a, PRI_STR "/" PRI_STR "/%u", STR_ARG(pv->id),
                     STR_ARG(ipv4_format(c->a, e->ip)), e->port);
}

/* The timeout is part of the name: a set's timeout cannot be changed while rules use it. */
static str affinity_set(struct compiler *c, const struct port_view *pv, const struct endpoint *e)
{
    return arena_fmt(c->a, "affinity-%lld-" PRI_STR, (long long)pv->affinity_s,
                     STR_ARG(endpoint_id(c, pv, e)));
}

/* The rules that pick an endpoint and end the way of the packet. In turn, not at random as kube-proxy's: the load is even after few
 * connections already, and three clients of three endpoints meet all of them. */
static void pick_rules(struct compiler *c, struct buf *b, const struct port_view *pv,
                       const struct endpoints *eps)
{
    if (pv->affinity) {
        for (size_t i = 0; i < eps->n; i++)
            buf_fmt(b, "ip saddr @" PRI_STR " goto endpoint-" PRI_STR "\n",
                    STR_ARG(affinity_set(c, pv, &eps->v[i])),
                    STR_ARG(endpoint_id(c, pv, &eps->v[i])));
        buf_fmt(b, "numgen inc mod %zu vmap { ", eps->n);
        for (size_t i = 0; i < eps->n; i++)
            buf_fmt(b, "%s%zu : goto endpoint-" PRI_STR, i ? ", " : "", i,
                    STR_ARG(endpoint_id(c, pv, &eps->v[i])));
        buf_z(b, " }\n");
        return;
    }
    buf_fmt(b, "meta l4proto " PRI_STR " dnat to ", STR_ARG(pv->proto));
    if (eps->n == 1) {
        buf_fmt(b, PRI_STR ":%u\n", STR_ARG(ipv4_format(c->a, eps->v[0].ip)), eps->v[0].port);
        return;
    }
    buf_fmt(b, "numgen inc mod %zu map { ", eps->n);
    for (size_t i = 0; i < eps->n; i++)
        buf_fmt(b, "%s%zu : " PRI_STR " . %u", i ? ", " : "", i,
                STR_ARG(ipv4_format(c->a, eps->v[i].ip)), eps->v[i].port);
    buf_z(b, " }\n");
}

/* Sets and chains per endpoint (affinity only) and the hairpin elements. An endpoint may be in both lists, which are sorted. */
static void endpoint_items(struct compiler *c, const struct port_view *pv,
                           const struct endpoints *eps, const struct endpoints *already)
{
    for (size_t i = 0, k = 0; i < eps->n; i++) {
        const struct endpoint *e = &eps->v[i];
        str ip = ipv4_format(c->a, e->ip);

        while (already && k < already->n && endpoint_cmp(&already->v[k], e, NULL) < 0)
            k++;
        if (already && k < already->n && already->v[k].ip == e->ip && already->v[k].port == e->port)
            continue;
        item_add(c, RULE_ELEMENT,
                 arena_fmt(c->a, "hairpin " PRI_STR " . " PRI_STR, STR_ARG(ip), STR_ARG(ip)),
                 STR_NONE);
        if (pv->affinity) {
            CLEANUP(buf) struct buf b = BUF_INIT;
            str set = affinity_set(c, pv, e);

            item_add(c, RULE_SET, set,
                     arena_fmt(c->a, "type ipv4_addr; flags dynamic,timeout; timeout %llds;",
                               (long long)pv->affinity_s));
            buf_fmt(&b, "update @" PRI_STR " { ip saddr }\n", STR_ARG(set));
            buf_fmt(&b, "meta l4proto " PRI_STR " dnat to " PRI_STR ":%u\n", STR_ARG(pv->proto),
                    STR_ARG(ip), e->port);
            chain_add(c, arena_fmt(c->a, "endpoint-" PRI_STR, STR_ARG(endpoint_id(c, pv, e))), &b);
        }
    }
}

static void udp_front_add(struct compiler *c, uint32_t ip, uint16_t port,
                          const struct endpoints *eps)
{
    struct udp_backend *backends = ARENA_NEW_N(c->a, struct udp_backend, eps->n + 1);

    for (size_t i = 0; i < eps->n; i++)
        backends[i] = (struct udp_backend){eps->v[i].ip, eps->v[i].port};
    service_rules_udp(c->a, c->out, (struct udp_front){ip, port, backends, eps->n});
}

/* loadBalancerSourceRanges; false: there are none, everybody may come. */
static bool firewall_chain(struct compiler *c, const struct json *service,
                           const struct port_view *pv, str name)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    uint32_t net, node_ip;
    int bits, n = 0;
    bool has_node_ip = ipv4_parse(c->node->node_ip, &node_ip), from_node = false;

    buf_z(&b, "ip saddr != { ");
    JSON_EACH(v, json_path(service, "spec.loadBalancerSourceRanges")) {
        if (!ipv4_cidr_parse(str_trim(json_str(v)), &net, &bits))
            continue;
        if (bits == 0)
            return false; /* 0.0.0.0/0 among them: no restriction, and a set element that nft refuses beside others */
        buf_fmt(&b, "%s" PRI_STR "/%d", n++ ? ", " : "", STR_ARG(ipv4_format(c->a, net)), bits);
        from_node |= has_node_ip && cidr_contains(net, bits, node_ip);
    }
    if (n == 0)
        return false;
    /* A load balancer's address is often also the node's: its own requests then carry it as their source. */
    for (size_t i = 0; from_node && i < pv->n_lb_ips; i++)
        buf_fmt(&b, ", " PRI_STR, STR_ARG(ipv4_format(c->a, pv->lb_ips[i])));
    buf_z(&b, " } drop\n");
    chain_add(c, name, &b);
    return true;
}

static void compile_port(struct compiler *c, const struct json *service, const struct port_view *pv,
                         const struct json *const *slices, size_t n_slices)
{
    struct arena *a = c->a;
    struct endpoints all = read_endpoints(a, c->node, pv, slices, n_slices);
    struct endpoints cluster = usable(a, &all, false), local = usable(a, &all, true);
    bool has_outside = pv->node_port || pv->n_external_ips || pv->n_lb_ips;
    bool uses_local = pv->internal_local || (has_outside && pv->external_local);
    bool has_any =
        cluster.n >
        0; /* local endpoints are among the cluster's, or take their place when all terminate */
    bool has_internal = has_any && (!pv->internal_local || local.n > 0);
    bool has_external = has_any && (!pv->external_local || local.n > 0);
    str cluster_chain = arena_fmt(a, "service-" PRI_STR, STR_ARG(pv->id));
    str local_chain = arena_fmt(a, "local-" PRI_STR, STR_ARG(pv->id));
    str external_chain = arena_fmt(a, "external-" PRI_STR, STR_ARG(pv->id));
    str firewall = arena_fmt(a, "firewall-" PRI_STR, STR_ARG(pv->id));
    /* No endpoint anywhere: say so to the client at once. Endpoints, but not here, and the policy is Local: stay silent, so that
     * a load balancer in front tries another node. */
    str no_internal = has_any ? S("drop") : S("goto refuse"), no_external = no_internal;
    bool cidr = c->node->cluster_cidr.n > 0;

    /* ClusterIP */
    if (has_internal)
        ip_element(c, "service-ips", pv->cluster_ip, pv,
                   arena_fmt(a, "goto " PRI_STR,
                             STR_ARG(pv->internal_local ? local_chain : cluster_chain)));
    else
        ip_element(c, "no-endpoint-services", pv->cluster_ip, pv, no_internal);

    /* External IPs and load balancers' addresses; one address may be both, or the cluster IP: its element must be written once. */
    bool has_firewall = pv->n_lb_ips > 0 && firewall_chain(c, service, pv, firewall);
    uint32_t *outside = ARENA_NEW_N(a, uint32_t, pv->n_external_ips + pv->n_lb_ips + 1);
    size_t n_outside = 0;
    for (size_t i = 0; i < pv->n_external_ips; i++)
        outside[n_outside++] = pv->external_ips[i];
    for (size_t i = 0; i < pv->n_lb_ips; i++)
        outside[n_outside++] = pv->lb_ips[i];
    n_outside = ips_unique(outside, n_outside);
    str to_external = arena_fmt(a, "goto " PRI_STR, STR_ARG(external_chain));
    for (size_t i = 0; i < n_outside; i++) {
        if (outside[i] == pv->cluster_ip)
            continue;
        if (has_any)
            ip_element(c, "service-ips", outside[i], pv, to_external);
        if (!has_external)
            ip_element(c, "no-endpoint-services", outside[i], pv, no_external);
    }
    for (size_t i = 0; has_firewall && i < pv->n_lb_ips; i++)
        ip_element(c, "firewall-ips", pv->lb_ips[i], pv,
                   arena_fmt(a, "goto " PRI_STR, STR_ARG(firewall)));

    /* NodePort: never subject to loadBalancerSourceRanges, as upstream. */
    if (pv->node_port && has_any)
        node_port_element(c, "service-nodeports", pv, to_external);
    if (pv->node_port && !has_external)
        node_port_element(c, "no-endpoint-nodeports", pv, no_external);

    /* Traffic to the cluster IP from outside the pod network may come back another way unless it looks like ours. */
    struct buf b = BUF_INIT;
    if (has_any) {
        if (cidr && !pv->internal_local)
            buf_fmt(&b,
                    "ip daddr " PRI_STR " ip saddr != " PRI_STR
                    " meta mark set meta mark or " PROXY_MASQUERADE_MARK "\n",
                    STR_ARG(ipv4_format(a, pv->cluster_ip)), STR_ARG(c->node->cluster_cidr));
        pick_rules(c, &b, pv, &cluster);
        chain_add(c, cluster_chain, &b);
        endpoint_items(c, pv, &cluster, NULL);
    }
    if (uses_local && local.n > 0) {
        b = BUF_INIT;
        if (cidr && pv->internal_local)
            buf_fmt(&b,
                    "ip daddr " PRI_STR " ip saddr != " PRI_STR
                    " meta mark set meta mark or " PROXY_MASQUERADE_MARK "\n",
                    STR_ARG(ipv4_format(a, pv->cluster_ip)), STR_ARG(c->node->cluster_cidr));
        pick_rules(c, &b, pv, &local);
        chain_add(c, local_chain, &b);
        endpoint_items(c, pv, &local, &cluster);
    }
    if (has_outside && has_any) {
        b = BUF_INIT;
        if (!pv->external_local) {
            /* The endpoint may be on another node: answers must come back through here. */
            buf_z(&b, "meta mark set meta mark or " PROXY_MASQUERADE_MARK "\n");
        } else {
            /* Pods and the node itself reach the address as if from outside through a working load balancer: no policy. */
            if (cidr)
                buf_fmt(&b, "ip saddr " PRI_STR " goto " PRI_STR "\n",
                        STR_ARG(c->node->cluster_cidr), STR_ARG(cluster_chain));
            buf_z(&b,
                  "fib saddr type local meta mark set meta mark or " PROXY_MASQUERADE_MARK "\n");
            buf_fmt(&b, "fib saddr type local goto " PRI_STR "\n", STR_ARG(cluster_chain));
        }
        if (has_external)
            buf_fmt(&b, "goto " PRI_STR "\n",
                    STR_ARG(pv->external_local ? local_chain : cluster_chain));
        chain_add(c, external_chain, &b);
    }

    if (str_is(pv->proto, "udp")) {
        udp_front_add(c, pv->cluster_ip, pv->port, pv->internal_local ? &local : &cluster);
        for (size_t i = 0; i < n_outside; i++)
            udp_front_add(c, outside[i], pv->port, &cluster);
        if (pv->node_port)
            udp_front_add(c, 0, pv->node_port, &cluster);
    }
}

void service_rules_compile(struct arena *a, const struct proxy_node *node,
                           const struct json *service, const struct json *const *slices,
                           size_t n_slices, struct service_rules *ret)
{
    const struct json *spec = json_findz(service, "spec");
    struct compiler c = {a, node, ret};
    struct port_view pv = {
        .ns = json_get_str(service, "metadata.namespace"),
        .name = json_get_str(service, "metadata.name"),
        .internal_local = str_is(json_get_str(spec, "internalTrafficPolicy"), "Local"),
        .external_local = str_is(json_get_str(spec, "externalTrafficPolicy"), "Local"),
        .affinity = str_is(json_get_str(spec, "sessionAffinity"), "ClientIP"),
        .affinity_s = json_get_int(spec, "sessionAffinityConfig.clientIP.timeoutSeconds",
                                   AFFINITY_SECONDS_DEFAULT),
    };

    *ret = (struct service_rules){0};
    if (str_is(json_get_str(spec, "type"), "ExternalName") || !service_name_is_safe(pv.ns) ||
        !service_name_is_safe(pv.name))
        return;
    /* Headless: clusterIP "None", no address to serve. IPv6: not served yet. */
    if (!ipv4_parse(json_get_str(spec, "clusterIP"), &pv.cluster_ip))
        return;
    /* Somebody else's proxy was asked for. */
    if (json_find(json_path(service, "metadata.labels"),
                  S("service.kubernetes.io/service-proxy-name")))
        return;
    if (pv.affinity_s < 1 || pv.affinity_s > 86400)
        pv.affinity_s = AFFINITY_SECONDS_DEFAULT;
    read_ips(a, json_findz(spec, "externalIPs"), &pv.external_ips, &pv.n_external_ips);
    read_lb_ips(a, service, &pv.lb_ips, &pv.n_lb_ips);

    JSON_EACH(p, json_findz(spec, "ports")) {
        int64_t port = json_get_int(p, "port", 0), node_port = json_get_int(p, "nodePort", 0);

        pv.proto = service_protocol(json_get_str(p, "protocol"));
        pv.port_name = json_get_str(p, "name");
        if (port < 1 || port > 65535 || node_port < 0 || node_port > 65535 || pv.proto.n == 0 ||
            !service_name_is_safe(pv.port_name))
            continue;
        pv.port = (uint16_t)port;
        pv.node_port = (uint16_t)node_port;
        pv.id = arena_fmt(a, PRI_STR "/" PRI_STR "/" PRI_STR "/" PRI_STR, STR_ARG(pv.ns),
                          STR_ARG(pv.name), STR_ARG(pv.proto), STR_ARG(pv.port_name));
        compile_port(&c, service, &pv, slices, n_slices);
    }
}
