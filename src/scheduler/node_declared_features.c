/* node_declared_features.c - NodeDeclaredFeatures: a pod that needs what not every kubelet of this release does goes to nodes
 * whose kubelet has declared it.
 *
 * Of the features that there are, one shows in a pod's specification and is open to everybody: the restart of all containers
 * when one of them exits.
 * Source: pkg/scheduler/framework/plugins/nodedeclaredfeatures,
 * component-helpers/nodedeclaredfeatures/features/restartallcontainers. */
#include "scheduler/scheduler_internal.h"

static bool filter(struct cycle *c, const struct node *n, struct verdict *ret)
{
    if (!c->profile->restarts_all_containers || n->restarts_all_containers)
        return true;
    verdict_add(ret, "node(s) didn't match Pod's required features", true);
    return false;
}

const struct plugin plugin_node_declared_features = {
    .name = "NodeDeclaredFeatures",
    .requeue_on = EVENT_NODE_ADDED | EVENT_NODE_FEATURES,
    .filter = filter,
};
