/* service.c - what Services hold: node ports, given out from memory and taken back when nobody
 * holds them, and cluster addresses (service_addresses.c).
 *
 * Ports are a count each, rebuilt at start from the stored Services. A write claims what it needs
 * when the store accepts it, before it is durable, so that no two get the same; `settled` gives
 * back what a failed write claimed and what a finished one no longer uses. API:
 * https://kubernetes.io/docs/concepts/services-networking/service/#type-nodeport */
#include "api/dynamic/dynamic_internal.h"
#include "api/hooks.h"
#include "api/service_addresses.h"

struct node_ports {
    uint16_t *uses; /* per port */
    int min, max;
};

/* Every port of a Service, as an allocation. */
typedef void each_port_fn(struct node_ports *ports, int port);

static bool port_in_range(const struct node_ports *ports, int port)
{
    return port >= ports->min && port <= ports->max;
}

static void port_take(struct node_ports *ports, int port)
{
    if (port_in_range(ports, port))
        ports->uses[port - ports->min]++;
}

static void port_give(struct node_ports *ports, int port)
{
    if (port_in_range(ports, port) && ports->uses[port - ports->min])
        ports->uses[port - ports->min]--;
}

static void each_port(struct node_ports *ports, const struct json *svc, each_port_fn *fn)
{
    const struct json *spec = json_findz(svc, "spec");
    int seen[64];
    size_t n = 0;
    int64_t health = json_get_int(spec, "healthCheckNodePort", 0);

    JSON_EACH(p, json_findz(spec, "ports")) {
        int np = (int)json_get_int(p, "nodePort", 0);
        bool again = false;

        /* TCP and UDP may share a number within one Service. */
        for (size_t i = 0; i < n; i++)
            again |= seen[i] == np;
        if (np && !again) {
            fn(ports, np);
            if (n < ARRAY_LEN(seen))
                seen[n++] = np;
        }
    }
    if (health)
        fn(ports, (int)health);
}

static bool load(void *ctx, const struct obj *o)
{
    CLEANUP(arena) struct arena *a = arena_new();

    each_port(ctx, object_parse(a, arena_dup(a, o->data)), port_take);
    return true;
}

struct node_ports *node_ports_new(struct api *api)
{
    struct node_ports *ports = NEW(struct node_ports);

    ports->min = api->o.node_port_min;
    ports->max = api->o.node_port_max;
    ports->uses = mem_zalloc(sizeof *ports->uses * (size_t)(ports->max - ports->min + 1));
    store_each(api->store, api_core(api, "services")->r->storage_resource, S(""), NULL, load,
               ports);
    return ports;
}

void node_ports_free(struct node_ports *ports)
{
    if (!ports)
        return;
    mem_free(ports->uses);
    mem_free(ports);
}

static uint64_t random_number(struct write *w)
{
    uint64_t v;

    answers_random(w->answers, w->api, &v, sizeof v);
    return v;
}

/* ---- preparing ---- */

static struct err *invalid_service(struct write *w, const char *field, const char *message)
{
    struct err *e = NULL;

    cause(&e, CAUSE_INVALID, str_of(field), "Invalid value: %s", message);
    return err_invalid(e, S(""), S("Service"), w->name);
}

/* ---- node ports: what one write takes ---- */

#define PORTS 65536
#define DRY_RUN_FROM 32769 /* what a dry run gives out: nobody shall count on it */

struct port_op {
    struct node_ports *ports;
    struct write *w;
    bool taken[PORTS], had[PORTS]; /* by this write; by the Service as it is stored */
    int highest;
};

/* NULL, or why not. */
static const char *op_take(struct port_op *op, int port)
{
    const struct node_ports *ports = op->ports;
    bool in_range = port_in_range(ports, port);

    if (!in_range && !op->w->dry_run)
        return arena_fmt(op->w->a,
                         "provided port is not in the valid range. The range of valid ports is "
                         "%d-%d",
                         ports->min, ports->max)
            .p;
    if (op->taken[port] || (in_range && ports->uses[port - ports->min]))
        return "provided port is already allocated";
    op->taken[port] = true;
    op->highest = MAX(op->highest, port);
    return NULL;
}

/* A free port from a random place on; 0: there is none. */
static int op_take_any(struct port_op *op)
{
    const struct node_ports *ports = op->ports;
    int n = ports->max - ports->min + 1, start;

    if (op->w->dry_run) {
        int port = op->highest ? op->highest + 1 : DRY_RUN_FROM;

        return port < PORTS && !op_take(op, port) ? port : 0;
    }
    start = (int)(random_number(op->w) % (uint64_t)n);
    for (int i = 0; i < n; i++) {
        int port = ports->min + (start + i) % n;

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
    op->ports = w->api->node_ports;
    op->w = w;
    JSON_EACH(p, json_findz(old, "ports"))
        op->had[json_get_int(p, "nodePort", 0) & (PORTS - 1)] = true;
    op->had[json_get_int(old, "healthCheckNodePort", 0) & (PORTS - 1)] = true;
    e = w->old ? give_more_node_ports(op, spec) : give_first_node_ports(op, spec);
    return e ? e : give_health_port(op, spec);
}

/* Only a valid Service is given anything; it has it when `service_claim` has said so. */
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
        e = addresses_give(w, spec);
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

/* The ports of one write that are new to its Service: somebody may have come first. */
static struct err *ports_free(struct write *w)
{
    const struct json *old = json_findz(w->old, "spec"), *spec = json_findz(w->obj, "spec");
    const struct node_ports *ports = w->api->node_ports;
    uint32_t i = 0;

    JSON_EACH(p, json_findz(spec, "ports")) {
        int port = (int)json_get_int(p, "nodePort", 0);
        bool had = false;

        JSON_EACH(o, json_findz(old, "ports"))
            had |= json_get_int(o, "nodePort", 0) == port;
        if (port && !had && port_in_range(ports, port) && ports->uses[port - ports->min])
            return invalid_service(
                w, arena_fmt(w->a, "spec.ports[%u].nodePort", i).p,
                arena_fmt(w->a, "%d: provided port is already allocated", port).p);
        i++;
    }
    return NULL;
}

struct err *service_claim(struct write *w, int64_t revision, struct store_change *ret)
{
    struct err *e = ports_free(w);

    if (!e)
        e = addresses_claim(w, revision, ret);
    if (e)
        return e;
    each_port(w->api->node_ports, w->obj, port_take);
    w->claimed = true;
    return NULL;
}

void service_settled(struct api *api, const struct json *obj, const struct json *old, bool ok,
                     bool claimed)
{
    bool ended;

    if (claimed && !ok)
        each_port(api->node_ports, obj, port_give);
    /* Without a claim a Service has ended, or nothing has happened to it. */
    ended = !claimed && (!obj || json_at(old, "metadata", "deletionTimestamp", NULL));
    if (!ok || !old || (!claimed && !ended))
        return;
    each_port(api->node_ports, old, port_give);
    /* The endpoints of a Service go with it. */
    if (ended)
        store_update(
            api->store,
            kind_key(api_core(api, "endpoints"), meta_str(old, "namespace"), meta_str(old, "name")),
            drop_endpoints, dropped, NULL);
}
