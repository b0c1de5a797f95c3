/* node_features.c - NodeDeclaredFeatureValidator: a pod on a node may be changed only in ways that the node's kubelet has
 * declared in status.declaredFeatures.
 *
 * Not here: which nodes a new pod may go to for what it needs (scheduler/node_declared_features.c).
 * Source: plugin/pkg/admission/nodedeclaredfeatures, component-helpers/nodedeclaredfeatures/features (inplacepodresize).
 * API: https://kubernetes.io/docs/concepts/scheduling-eviction/node-declared-features/ */
#include "api/admission.h"
#include "schema/quota.h"

/* In order of their names, as they are listed when they are missing. */
enum { GUARANTEED_CPU, POD_LEVEL, FEATURES_N };
static const char *const names[FEATURES_N] = {
    [GUARANTEED_CPU] = "GuaranteedQoSPodCPUResize",
    [POD_LEVEL] = "InPlacePodLevelResourcesVerticalScaling",
};

static bool cpu_differs(const struct json *a, const struct json *b)
{
    struct quantity x = {0}, y = {0};

    amount_of(json_path(a, "resources.requests"), S("cpu"), &x);
    amount_of(json_path(b, "resources.requests"), S("cpu"), &y);
    return quantity_cmp(&x, &y) != 0;
}

static bool resizes_guaranteed_cpu(const struct json *old, const struct json *pod)
{
    const struct json *was = json_path(old, "spec.containers"),
                      *now = json_path(pod, "spec.containers");

    if (!str_is(json_get_str(old, "status.qosClass"), "Guaranteed"))
        return false;
    for (uint32_t i = 0; i < json_count(was) && i < json_count(now); i++)
        if (cpu_differs(json_item(was, i), json_item(now, i)))
            return true;
    return false;
}

static bool declares(const struct json *node, const char *feature)
{
    JSON_EACH(v, json_path(node, "status.declaredFeatures"))
        if (str_is(json_str(v), feature))
            return true;
    return false;
}

struct err *node_features(struct write *w)
{
    CLEANUP(buf) struct buf missing = BUF_INIT;
    bool needs[FEATURES_N], any = false;
    str node_name = json_get_str(w->obj, "spec.nodeName");
    const struct kind *nodes;
    const struct obj *o;
    const struct json *node;

    if (!w->old || !str_is(w->kind->r->plural, "pods") || w->kind->r->group.n || !node_name.n ||
        (w->subresource.n && !str_is(w->subresource, "resize")) ||
        json_get_int(w->old, "metadata.generation", 0) ==
            json_get_int(w->obj, "metadata.generation", 0))
        return NULL;
    needs[GUARANTEED_CPU] = resizes_guaranteed_cpu(w->old, w->obj);
    needs[POD_LEVEL] =
        !json_equal(json_path(w->old, "spec.resources"), json_path(w->obj, "spec.resources"));
    for (size_t i = 0; i < FEATURES_N; i++)
        any |= needs[i];
    if (!any)
        return NULL;
    nodes = api_core(w->api, "nodes");
    o = store_find(w->api->store, kind_key(nodes, S(""), node_name));
    if (!o)
        return err_forbidden(w->kind, w->name, "node \"" PRI_STR "\" not found",
                             STR_ARG(node_name));
    node = object_parse(w->a, arena_dup(w->a, o->data));
    for (size_t i = 0; i < FEATURES_N; i++)
        if (needs[i] && !declares(node, names[i]))
            buf_fmt(&missing, "%s%s", missing.n ? ", " : "", names[i]);
    if (!missing.n)
        return NULL;
    return err_forbidden(w->kind, w->name,
                         "pod update requires features " PRI_STR
                         " which are not available on node \"" PRI_STR "\"",
                         STR_ARG(buf_view(&missing)), STR_ARG(node_name));
}
