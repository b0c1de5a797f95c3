/* node_unschedulable.c - NodeUnschedulable: cordoned nodes take only pods that tolerate it. */
#include "scheduler/scheduler_internal.h"

static bool filter(struct cycle *c, const struct node *n, struct verdict *ret)
{
    static const struct taint cordon = {STR("node.kubernetes.io/unschedulable"), STR(""),
                                        STR("NoSchedule")};

    if (!n->unschedulable || profile_tolerates(c->profile, &cordon))
        return true;
    verdict_add(ret, "node(s) were unschedulable", true);
    return false;
}

const struct plugin plugin_node_unschedulable = {
    .name = "NodeUnschedulable",
    .requeue_on = EVENT_NODE_ADDED | EVENT_NODE_TAINTS,
    .filter = filter,
};
