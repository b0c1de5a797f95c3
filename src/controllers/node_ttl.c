/* node_ttl.c - tells kubelets by an annotation how long they may trust cached Secrets and
 * ConfigMaps: longer in larger clusters. */
#include "controllers/controllers_internal.h"

#define ANNOTATION "node.alpha.kubernetes.io/ttl"

static const struct {
    size_t nodes;
    const char *seconds;
} steps[] = {{100, "0"}, {500, "15"}, {1000, "30"}, {2000, "60"}, {SIZE_MAX, "300"}};

static void reconcile(struct reconcile *r)
{
    struct json *node = look_tree(r, K_NODES, STR_NONE, r->name), *patch;
    size_t n = informer_count(r->caches[K_NODES]), i = 0;

    if (!node)
        return;
    while (n > steps[i].nodes)
        i++;
    if (str_is(meta_get(node, "annotations", S(ANNOTATION)), steps[i].seconds))
        return;
    patch = json_new(r->a, json_object());
    meta_set(r->a, patch, "annotations", S(ANNOTATION), str_of(steps[i].seconds));
    plan_patch(&r->plan, &kinds[K_NODES], STR_NONE, r->name, STR_NONE, PATCH_STRATEGIC, patch)
        ->flags = ACT_IGNORE_NOT_FOUND;
}

const struct controller_type node_ttl_controller = {
    .name = "node-ttl",
    .component = "ttl-controller",
    .primary = K_NODES,
    .reconcile = reconcile,
};
