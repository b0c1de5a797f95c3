/* node_ports.c - NodePorts: a host port is given once per protocol and address; 0.0.0.0 is every address. */
#include "scheduler/scheduler_internal.h"

static bool conflict(const struct host_port *a, const struct host_port *b)
{
    if (a->port != b->port || !str_eq(a->protocol, b->protocol))
        return false;
    return str_eq(a->ip, b->ip) || str_is(a->ip, "0.0.0.0") || str_is(b->ip, "0.0.0.0");
}

static bool profiles_conflict(const struct profile *a, const struct profile *b)
{
    for (uint32_t i = 0; i < a->n_ports; i++)
        for (uint32_t k = 0; k < b->n_ports; k++)
            if (conflict(&a->ports[i], &b->ports[k]))
                return true;
    return false;
}

static bool filter(struct cycle *c, const struct node *n, struct verdict *ret)
{
    if (!c->profile->n_ports)
        return true;
    for (uint32_t i = 0; i < n->n_pods; i++) {
        if (n->pods[i]->profile->n_ports && profiles_conflict(c->profile, n->pods[i]->profile)) {
            verdict_add(ret, "node(s) didn't have free ports for the requested pod ports", false);
            return false;
        }
    }
    return true;
}

const struct plugin plugin_node_ports = {
    .name = "NodePorts",
    .requeue_on = EVENT_NODE_ADDED | EVENT_POD_GONE,
    .filter = filter,
};
