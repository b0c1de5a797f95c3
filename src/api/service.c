/* service.c - Services: addresses and node ports, given out from memory and taken back when nobody
 * holds them.
 *
 * The allocator is a count per address and port, rebuilt at start from the stored Services. A write
 * takes what it needs while it is prepared; `settled` gives back what a failed write took and what
 * a finished one no longer uses. API:
 * https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/ */
#include "api/dynamic/dynamic_internal.h"
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

/* ---- preparing ---- */

static struct err *invalid_service(struct write *w, const char *field, const char *message)
{
    struct err *e = NULL;

    cause(&e, CAUSE_INVALID, str_of(field), "Invalid value: %s", message);
    return err_invalid(e, S(""), S("Service"), w->name);
}

static struct err *address_refused(struct write *w, str ip, const char *why)
{
    return invalid_service(w, "spec.clusterIPs",
                           arena_fmt(w->a,
                                     "[\"" PRI_STR "\"]: failed to allocate IP " PRI_STR ": %s",
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

    if (str_is(json_get_str(spec, "type"), "ExternalName") || str_is(ip, "None"))
        return NULL;
    if (!ip.n) {
        ip = ip_pick(ips, w);
        if (!ip.n)
            return err_internal("failed to allocate a serviceIP: range is full");
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

/* ---- node ports: what one write takes ---- */

#define PORTS 65536
#define DRY_RUN_FROM 32769 /* what a dry run gives out: nobody shall count on it */

struct port_op {
    struct ip_allocator *ips;
    struct write *w;
    bool taken[PORTS], had[PORTS]; /* by this write; by the Service as it is stored */
    int highest;
};

/* NULL, or why not. */
static const char *op_take(struct port_op *op, int port)
{
    const struct ip_allocator *ips = op->ips;
    bool in_range = port_in_range(ips, port);

    if (!in_range && !op->w->dry_run)
        return arena_fmt(op->w->a,
                         "provided port is not in the valid range. The range of valid ports is "
                         "%d-%d",
                         ips->port_min, ips->port_max)
            .p;
    if (op->taken[port] || (in_range && ips->ports[port - ips->port_min]))
        return "provided port is already allocated";
    op->taken[port] = true;
    op->highest = MAX(op->highest, port);
    return NULL;
}

/* A free port from a random place on; 0: there is none. */
static int op_take_any(struct port_op *op)
{
    const struct ip_allocator *ips = op->ips;
    int n = ips->port_max - ips->port_min + 1, start;

    if (op->w->dry_run) {
        int port = op->highest ? op->highest + 1 : DRY_RUN_FROM;

        return port < PORTS && !op_take(op, port) ? port : 0;
    }
    start = (int)(random_number(op->w) % (uint64_t)n);
    for (int i = 0; i < n; i++) {
        int port = ips->port_min + (start + i) % n;

        if (!op->taken[port] && !op_take(op, port))
            return port;
    }
    return 0;
}

static struct err *take_port(struct port_op *op, struct json *p, uint32_t i, int port)
{
    const char *why = op_take(op, port);

    if (why)
        return invalid_service(op->w, arena_fmt(op->w->a, "spec.ports[%u].nodePort", i).p,
                               arena_fmt(op->w->a, "%d: %s", port, why).p);
    json_setz(op->w->a, p, "nodePort", json_int(port));
    return NULL;
}

static struct err *take_any_port(struct port_op *op, struct json *p)
{
    int port = op_take_any(op);

    if (!port)
        return err_internal("failed to allocate a nodePort: range is full");
    json_setz(op->w->a, p, "nodePort", json_int(port));
    return NULL;
}

/* Of a new Service: TCP and UDP of one port have one node port, unless the client says otherwise. */
static struct err *give_first_node_ports(struct port_op *op, const struct json *spec)
{
    uint16_t *by_port = ARENA_NEW_N(op->w->a, uint16_t, PORTS),
             *wanted = ARENA_NEW_N(op->w->a, uint16_t, PORTS);
    struct err *e = NULL;
    uint32_t i = 0;

    JSON_EACH(p, json_findz(spec, "ports")) {
        uint16_t port = (uint16_t)json_get_int(p, "port", 0);

        if (!wanted[port])
            wanted[port] = (uint16_t)json_get_int(p, "nodePort", 0);
    }
    JSON_EACH(p, json_findz(spec, "ports")) {
        uint16_t port = (uint16_t)json_get_int(p, "port", 0);
        int node_port = (int)json_get_int(p, "nodePort", 0);

        if (!node_port && !service_wants_node_ports(spec))
            ;
        else if (!by_port[port]) {
            e = wanted[port] ? take_port(op, p, i, wanted[port]) : take_any_port(op, p);
            by_port[port] = (uint16_t)json_get_int(p, "nodePort", 0);
        } else if (!node_port)
            json_setz(op->w->a, p, "nodePort", json_int(by_port[port]));
        else if (node_port != by_port[port])
            e = take_port(op, p, i, node_port);
        if (e)
            return e;
        i++;
    }
    return NULL;
}

static struct err *give_more_node_ports(struct port_op *op, const struct json *spec)
{
    struct err *e = NULL;
    uint32_t i = 0;

    JSON_EACH(p, json_findz(spec, "ports")) {
        int node_port = (int)json_get_int(p, "nodePort", 0);

        if (!node_port && service_wants_node_ports(spec))
            e = take_any_port(op, p);
        else if (node_port && !op->had[node_port] && !op->taken[node_port])
            e = take_port(op, p, i, node_port);
        if (e)
            return e;
        i++;
    }
    return NULL;
}

static struct err *give_health_port(struct port_op *op, struct json *spec)
{
    int port = (int)json_get_int(spec, "healthCheckNodePort", 0);
    const char *why;

    if (!service_wants_health_port(spec) || (port && op->had[port]))
        return NULL;
    why = port ? op_take(op, port) : NULL;
    if (why)
        return err_internal("failed to allocate requested HealthCheck NodePort %d: %s", port, why);
    if (!port)
        port = op_take_any(op);
    if (!port)
        return err_internal("failed to allocate a HealthCheck NodePort: range is full");
    json_setz(op->w->a, spec, "healthCheckNodePort", json_int(port));
    return NULL;
}

static struct err *give_ports(struct write *w, struct json *spec)
{
    const struct json *old = json_findz(w->old, "spec");
    struct port_op *op;
    struct err *e;

    if (!str_is(json_get_str(spec, "type"), "NodePort") &&
        !str_is(json_get_str(spec, "type"), "LoadBalancer"))
        return NULL;
    op = ARENA_NEW(w->a, struct port_op);
    op->ips = w->api->ips;
    op->w = w;
    JSON_EACH(p, json_findz(old, "ports"))
        op->had[json_get_int(p, "nodePort", 0) & (PORTS - 1)] = true;
    op->had[json_get_int(old, "healthCheckNodePort", 0) & (PORTS - 1)] = true;
    e = w->old ? give_more_node_ports(op, spec) : give_first_node_ports(op, spec);
    return e ? e : give_health_port(op, spec);
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
    e = service_families(w, spec);
    if (!e)
        e = give_address(w, spec);
    if (!e)
        e = give_ports(w, spec);
    return e;
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
