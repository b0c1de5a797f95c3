/* zone.c - the names of the cluster, indexed: what a query asks for is one lookup, however many Services there are.
 *
 * A node is a name in wire form. It exists because it has records, because a namespace is called so, or because something below
 * it exists: then a query for it is answered with "no such records" (NODATA) instead of "no such name" (NXDOMAIN), and clients
 * go on differently. Each record belongs to a Service and goes with it.
 *
 *     <service>.<ns>.svc.<zone>                    A, AAAA: the cluster IPs, or of a headless Service the ready endpoints
 *     <hostname>.<service>.<ns>.svc.<zone>         A, AAAA: an endpoint of a headless Service
 *     _<port>._<protocol>.<service>.<ns>.svc.<zone>  SRV: named ports
 *     <d>.<c>.<b>.<a>.in-addr.arpa, ….ip6.arpa     PTR: cluster IPs, endpoints of headless Services
 *     <a>-<b>-<c>-<d>.<ns>.pod.<zone>              A: the address in the name, if the namespace exists (not stored)
 *     dns-version.<zone>                           TXT
 *
 * Reverse names that are not known here are the upstream's (as CoreDNS falls through), so they are not "ours".
 * API: https://github.com/kubernetes/dns/blob/master/docs/specification.md */
#include "dns/dns_internal.h"
#include <arpa/inet.h>

#define SCHEMA_VERSION "1.1.0"
#define SRV_WEIGHT 100 /* CoreDNS: the priority 0, the weight shared among the targets */
#define RECORDS_PER_SERVICE_MAX 100000

struct record { /* of a node; owned by its Service's list too */
    struct record *next_in_node, *next_in_service;
    struct node *node;
    uint16_t type, n;
    uint8_t data[];
};
struct node {
    struct record *records, **last;
    uint32_t
        users; /* nodes directly below, and namespaces of this name: reasons to exist beside records */
    uint32_t
        turn; /* which record is first in the next answer: the load of many addresses is spread */
    struct dns_name name;
};
struct owner { /* a Service */
    char *id;
    struct record *records;
    uint32_t n;
};
struct zone {
    struct dns_name apex; /* cluster.local */
    struct dns_name svc, pod;
    struct map nodes;      /* wire name -> struct node */
    struct map owners;     /* "ns/name" -> struct owner */
    struct map namespaces; /* names -> the zone itself */
    uint32_t serial;
};

/* ---- nodes ---- */

static struct node *node_find(const struct zone *z, str wire)
{
    return map_find(&z->nodes, wire);
}

static str parent_of(str wire)
{
    return str_skip(wire, (size_t)(uint8_t)wire.p[0] + 1);
}

static struct node *node_get(struct zone *z, str wire)
{
    struct node *n = node_find(z, wire);

    if (n)
        return n;
    n = mem_zalloc(offsetof(struct node, name.wire) + wire.n);
    n->last = &n->records;
    n->name.n = (uint8_t)wire.n;
    memcpy(n->name.wire, wire.p, wire.n);
    map_put(&z->nodes, wire, n);
    if (wire.n > 1)
        node_get(z, parent_of(wire))->users++;
    return n;
}

static void node_drop_if_unused(struct zone *z, struct node *n)
{
    while (!n->records && n->users == 0) {
        str wire = dns_name_str(&n->name);
        struct node *parent = wire.n > 1 ? node_find(z, parent_of(wire)) : NULL;

        map_del(&z->nodes, wire);
        mem_free(n);
        if (!parent)
            return;
        parent->users--;
        n = parent;
    }
}

static void record_add(struct zone *z, struct owner *o, const struct dns_name *name,
                       enum dns_type type, const void *data, size_t size)
{
    struct node *n;

    if (o->n == RECORDS_PER_SERVICE_MAX)
        return;
    n = node_get(z, dns_name_str(name));
    for (const struct record *r = n->records; r; r = r->next_in_node)
        if (r->type == type && r->n == size && !memcmp(r->data, data, size))
            return; /* said twice, as by two ports of one endpoint */
    struct record *r = mem_alloc(sizeof *r + size);
    *r = (struct record){
        .next_in_service = o->records, .node = n, .type = (uint16_t)type, .n = (uint16_t)size};
    memcpy(r->data, data, size);
    *n->last = r;
    n->last = &r->next_in_node;
    o->records = r;
    o->n++;
}

static void owner_clear(struct zone *z, struct owner *o)
{
    for (struct record *r = o->records, *next; r; r = next) {
        struct node *n = r->node;
        struct record **at = &n->records;

        next = r->next_in_service;
        while (*at != r)
            at = &(*at)->next_in_node;
        *at = r->next_in_node;
        if (n->last == &r->next_in_node)
            n->last = at;
        mem_free(r);
        node_drop_if_unused(z, n);
    }
    o->records = NULL;
    o->n = 0;
}

/* ---- addresses ---- */

struct address {
    uint8_t bytes[16];
    uint8_t n; /* 4, 16 */
};

static bool address_parse(str text, struct address *ret)
{
    char z[INET6_ADDRSTRLEN];

    if (text.n == 0 || text.n >= sizeof z)
        return false;
    memcpy(z, text.p, text.n);
    z[text.n] = 0;
    if (memchr(z, 0, text.n))
        return false;
    ret->n = str_has_char(text, ':') ? 16 : 4;
    return inet_pton(ret->n == 4 ? AF_INET : AF_INET6, z, ret->bytes) == 1;
}

static void address_record(struct zone *z, struct owner *o, const struct dns_name *name,
                           const struct address *a)
{
    record_add(z, o, name, a->n == 4 ? DNS_A : DNS_AAAA, a->bytes, a->n);
}

/* The reverse name: 1.0.3.10.in-addr.arpa, nibbles under ip6.arpa. */
static void reverse_name(const struct address *a, struct dns_name *ret)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    for (int i = a->n - 1; i >= 0; i--) {
        if (a->n == 4)
            buf_fmt(&b, "%u.", a->bytes[i]);
        else
            buf_fmt(&b, "%x.%x.", a->bytes[i] & 15, a->bytes[i] >> 4);
    }
    buf_z(&b, a->n == 4 ? "in-addr.arpa" : "ip6.arpa");
    BUG_ON(!dns_name_parse(buf_view(&b), ret));
}

/* What an endpoint without a hostname is called: its address with dashes, as CoreDNS does. */
static str dashed(struct arena *a, str ip)
{
    char *z = arena_dupz(a, ip);

    for (size_t i = 0; i < ip.n; i++)
        if (z[i] == '.' || z[i] == ':')
            z[i] = '-';
    return (str){z, ip.n};
}

/* ---- a Service ---- */

static bool name_below(const struct dns_name *base, str label, struct dns_name *ret)
{
    struct dns_name out = {.n = 1};

    if (label.n == 0 || str_has_char(label, '.') || !dns_name_append(&out, label) ||
        out.n - 1 + base->n > DNS_NAME_MAX)
        return false;
    memcpy(out.wire + out.n - 1, base->wire, base->n);
    out.n = (uint8_t)(out.n - 1 + base->n);
    *ret = out;
    return true;
}

static bool srv_name(struct arena *a, const struct dns_name *service, const struct json *port,
                     struct dns_name *ret)
{
    str protocol = json_get_str(port, "protocol"), name = json_get_str(port, "name");
    struct dns_name under;

    if (name.n == 0) /* unnamed ports have no SRV record */
        return false;
    return name_below(service, arena_fmt(a, "_" PRI_STR, STR_ARG(protocol.n ? protocol : S("tcp"))),
                      &under) &&
           name_below(&under, arena_fmt(a, "_" PRI_STR, STR_ARG(name)), ret);
}

static void srv_record(struct zone *z, struct owner *o, const struct dns_name *name, int64_t port,
                       const struct dns_name *target)
{
    uint8_t data[6 + DNS_NAME_MAX] = {0, 0, 0, SRV_WEIGHT, (uint8_t)(port >> 8), (uint8_t)port};

    if (port < 1 || port > 65535)
        return;
    memcpy(data + 6, target->wire, target->n);
    record_add(z, o, name, DNS_SRV, data, 6u + target->n);
}

static void cluster_ip_records(struct zone *z, struct owner *o, struct arena *a,
                               const struct json *spec, const struct dns_name *service)
{
    const struct json *ips = json_findz(spec, "clusterIPs");
    struct json one = json_string(json_get_str(spec, "clusterIP"));
    struct json single = {.type = JSON_ARRAY, .n = 1, .cap = 1, .items = &one};
    struct address address;
    struct dns_name name;

    JSON_EACH(ip, json_count(ips) ? ips : &single) {
        if (!address_parse(json_str(ip), &address))
            continue;
        address_record(z, o, service, &address);
        reverse_name(&address, &name);
        record_add(z, o, &name, DNS_PTR, service->wire, service->n);
    }
    JSON_EACH(p, json_findz(spec, "ports"))
        if (srv_name(a, service, p, &name))
            srv_record(z, o, &name, json_get_int(p, "port", 0), service);
}

static void endpoint_records(struct zone *z, struct owner *o, struct arena *a,
                             const struct json *slice, const struct dns_name *service)
{
    JSON_EACH(e, json_findz(slice, "endpoints")) {
        /* Services that publish endpoints before they are ready have them marked as ready by the EndpointSlice controller. */
        if (!json_get_bool(e, "conditions.ready", true))
            continue;
        JSON_EACH(ip, json_findz(e, "addresses")) {
            struct address address;
            struct dns_name host, name;
            str hostname = json_get_str(e, "hostname");

            if (!address_parse(json_str(ip), &address) ||
                !name_below(service, hostname.n ? hostname : dashed(a, json_str(ip)), &host))
                continue;
            address_record(z, o, service, &address);
            address_record(z, o, &host, &address);
            reverse_name(&address, &name);
            record_add(z, o, &name, DNS_PTR, host.wire, host.n);
            JSON_EACH(p, json_findz(slice, "ports"))
                if (srv_name(a, service, p, &name))
                    srv_record(z, o, &name, json_get_int(p, "port", 0), &host);
        }
    }
}

void zone_put_service(struct zone *z, str id, const struct json *service,
                      const struct json *const *slices, size_t n_slices)
{
    struct owner *o = map_find(&z->owners, id);
    const struct json *spec = json_findz(service, "spec");
    struct dns_name ns, name, target;

    z->serial++;
    if (o)
        owner_clear(z, o);
    if (service && name_below(&z->svc, json_get_str(service, "metadata.namespace"), &ns) &&
        name_below(&ns, json_get_str(service, "metadata.name"), &name)) {
        CLEANUP(arena) struct arena *a = arena_new();
        if (!o) {
            o = NEW(struct owner);
            o->id = str_dupz(id);
            map_put(&z->owners, id, o);
        }
        if (str_is(json_get_str(spec, "type"), "ExternalName")) {
            if (dns_name_parse(json_get_str(spec, "externalName"), &target))
                record_add(z, o, &name, DNS_CNAME, target.wire, target.n);
        } else if (str_is(json_get_str(spec, "clusterIP"), "None")) {
            for (size_t i = 0; i < n_slices; i++)
                endpoint_records(z, o, a, slices[i], &name);
        } else {
            cluster_ip_records(z, o, a, spec, &name);
        }
    }
    if (o && !o->records) {
        map_del(&z->owners, id);
        mem_free(o->id);
        mem_free(o);
    }
}

void zone_put_namespace(struct zone *z, str name, bool exists)
{
    const struct dns_name *bases[] = {&z->svc, &z->pod};
    struct dns_name wire;

    if (exists == (map_find(&z->namespaces, name) != NULL))
        return;
    if (exists)
        map_put(&z->namespaces, name, z);
    else
        map_del(&z->namespaces, name);
    for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
        if (!name_below(bases[i], name, &wire))
            continue;
        struct node *n =
            exists ? node_get(z, dns_name_str(&wire)) : node_find(z, dns_name_str(&wire));
        BUG_ON(!n);
        if (exists) {
            n->users++;
        } else {
            n->users--;
            node_drop_if_unused(z, n);
        }
    }
}

/* ---- life ---- */

struct zone *zone_new(str cluster_domain)
{
    static const char version[] = "\5" SCHEMA_VERSION;
    struct owner *o;
    struct zone *z = NEW(struct zone);
    struct dns_name name;

    map_init(&z->nodes);
    map_init(&z->owners);
    map_init(&z->namespaces);
    if (!dns_name_parse(cluster_domain, &z->apex) || !name_below(&z->apex, S("svc"), &z->svc) ||
        !name_below(&z->apex, S("pod"), &z->pod) ||
        !name_below(&z->apex, S("dns-version"), &name)) {
        zone_free(z);
        return NULL;
    }
    /* These exist in an empty cluster too. */
    node_get(z, dns_name_str(&z->svc))->users++;
    node_get(z, dns_name_str(&z->pod))->users++;
    o = NEW(struct owner);
    o->id = str_dupz(S(""));
    map_put(&z->owners, S(""), o);
    record_add(z, o, &name, DNS_TXT, version, sizeof version - 1);
    return z;
}

void zone_free(struct zone *z)
{
    if (!z)
        return;
    MAP_EACH(e, &z->owners) {
        struct owner *o = e->value;
        for (struct record *r = o->records, *next; r; r = next) {
            next = r->next_in_service;
            mem_free(r);
        }
        mem_free(o->id);
        mem_free(o);
    }
    MAP_EACH(e, &z->nodes)
        mem_free(e->value);
    map_fini(&z->owners);
    map_fini(&z->nodes);
    map_fini(&z->namespaces);
    mem_free(z);
}

size_t zone_names(const struct zone *z)
{
    return z->nodes.n;
}

/* ---- answers ---- */

static bool is_below(str wire, const struct dns_name *base)
{
    str b = dns_name_str(base);

    while (wire.n > b.n)
        wire = parent_of(wire);
    return str_eq(wire, b);
}

static bool is_reverse(str wire)
{
    return str_has_suffix(wire, (str){"\7in-addr\4arpa", 14}) ||
           str_has_suffix(wire, (str){"\3ip6\4arpa", 10});
}

/* <a>-<b>-<c>-<d>.<ns>.pod.<zone>: 0 no such name, else the family's record type. */
static enum dns_type pod_address(struct zone *z, str wire, struct address *ret)
{
    struct arena *a;
    str label = {wire.p + 1, (uint8_t)wire.p[0]}, parent = parent_of(wire);
    bool ok;

    if (parent.n <= z->pod.n || !str_eq(parent_of(parent), dns_name_str(&z->pod)) ||
        !node_find(z, parent))
        return 0;
    a = arena_new();
    char *text = arena_dupz(a, label);
    int dashes = 0;
    for (size_t i = 0; i < label.n; i++)
        dashes += text[i] == '-';
    /* Three dashes and no "--" is an IPv4 address; anything else may be an IPv6 address (CoreDNS' rule). */
    char to = dashes == 3 && str_find(label, S("--")) < 0 ? '.' : ':';
    for (size_t i = 0; i < label.n; i++)
        if (text[i] == '-')
            text[i] = to;
    ok = address_parse((str){text, label.n}, ret);
    arena_free(a);
    return !ok ? 0 : ret->n == 4 ? DNS_A : DNS_AAAA;
}

static void write_soa(const struct zone *z, struct dns_writer *w, enum dns_section s)
{
    /* ns.dns.<zone>, hostmaster.<zone>; refresh, retry and expire as CoreDNS has them; the last number is the time that negative
     * answers may be kept. */
    uint8_t data[2 * DNS_NAME_MAX + 20];
    struct dns_name ns, mail;
    const uint32_t numbers[] = {z->serial, 7200, 1800, 86400, DNS_CLUSTER_TTL};
    str owner = dns_name_str(&z->apex);
    size_t n;

    if (!name_below(&z->apex, S("dns"), &ns) || !name_below(&ns, S("ns"), &ns) ||
        !name_below(&z->apex, S("hostmaster"), &mail))
        return;
    memcpy(data, ns.wire, ns.n);
    memcpy(data + ns.n, mail.wire, mail.n);
    n = (size_t)ns.n + mail.n;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++, n += 4) {
        uint32_t v = htonl(numbers[i]);
        memcpy(data + n, &v, 4);
    }
    dns_write_record(w, s, &owner, DNS_SOA, DNS_CLUSTER_TTL, (str){(char *)data, n});
}

/* The node's records of a type (ANY: all), starting with another one each time. Number written. */
static size_t write_records(struct node *n, uint16_t type, struct dns_writer *w, enum dns_section s,
                            const str *owner)
{
    size_t count = 0, first, at = 0;

    for (const struct record *r = n->records; r; r = r->next_in_node)
        count += r->type == type || type == DNS_ANY;
    if (count == 0)
        return 0;
    first = n->turn++ % count;
    for (int round = 0; round < 2; round++, at = 0)
        for (const struct record *r = n->records; r; r = r->next_in_node) {
            if (r->type != type && type != DNS_ANY)
                continue;
            if ((at++ >= first) == (round == 0))
                dns_write_record(w, s, owner, r->type, DNS_CLUSTER_TTL,
                                 (str){(const char *)r->data, r->n});
        }
    return count;
}

/* The addresses of SRV targets, so that a client need not ask again. */
static void write_targets(struct zone *z, struct node *srv, struct dns_writer *w)
{
    for (const struct record *r = srv->records; r; r = r->next_in_node) {
        if (r->type != DNS_SRV)
            continue;
        str target = {(const char *)r->data + 6, r->n - 6u};
        struct node *n = node_find(z, target);
        if (n) {
            write_records(n, DNS_A, w, DNS_ADDITIONAL, &target);
            write_records(n, DNS_AAAA, w, DNS_ADDITIONAL, &target);
        }
    }
}

enum zone_result zone_answer(struct zone *z, const struct dns_query *q, struct dns_writer *w,
                             int *ret_rcode, struct dns_name *ret_target)
{
    struct dns_name name = q->name;
    struct address address;

    *ret_rcode = DNS_NOERROR;
    for (int link = 0; link < DNS_CNAME_MAX; link++) {
        str wire = dns_name_str(&name);
        const str *owner = link ? &wire : NULL;
        struct node *n = node_find(z, wire);
        const struct record *cname = NULL;
        size_t written = 0;

        if (!is_below(wire, &z->apex) && !(n && n->records && is_reverse(wire))) {
            *ret_target = name;
            return link ? ZONE_CNAME : ZONE_FOREIGN;
        }
        if (n) {
            for (const struct record *r = n->records; r && !cname; r = r->next_in_node)
                if (r->type == DNS_CNAME && q->type != DNS_CNAME && q->type != DNS_ANY)
                    cname = r;
            if (cname) {
                dns_write_record(w, DNS_ANSWER, owner, DNS_CNAME, DNS_CLUSTER_TTL,
                                 (str){(const char *)cname->data, cname->n});
                name.n = (uint8_t)cname->n;
                memcpy(name.wire, cname->data, cname->n);
                continue;
            }
            written = write_records(n, q->type, w, DNS_ANSWER, owner);
            if (written && q->type == DNS_SRV)
                write_targets(z, n, w);
        }
        if (str_eq(wire, dns_name_str(&z->apex)) && (q->type == DNS_SOA || q->type == DNS_ANY)) {
            write_soa(z, w, DNS_ANSWER);
            written++;
        }
        if (!n) {
            enum dns_type type = pod_address(z, wire, &address);
            if (!type)
                *ret_rcode = DNS_NXDOMAIN;
            else if (q->type == type || q->type == DNS_ANY) {
                dns_write_record(w, DNS_ANSWER, owner, type, DNS_CLUSTER_TTL,
                                 (str){(char *)address.bytes, address.n});
                written++;
            }
        }
        if (!written)
            write_soa(z, w, DNS_AUTHORITY);
        return ZONE_ANSWERED;
    }
    /* A ring of ExternalNames: what was written so far is the answer. */
    return ZONE_ANSWERED;
}
