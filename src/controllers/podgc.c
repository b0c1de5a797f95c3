/* podgc.c - removes pods that nobody else will: those of nodes that are gone, and those deleted
 * before they had a node. Not here: a limit on finished pods.
 *
 * API: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-garbage-collection */
#include "controllers/controllers_internal.h"

#define QUARANTINE_NS (40 * NS_PER_S) /* a node may come back under the same name */

static void force_delete(struct reconcile *r, const struct obj *o)
{
    plan_delete(&r->plan, K_PODS, o)->grace_s = 0;
}

/* Key: a node's name, once it has gone. */
struct scan {
    struct reconcile *r;
};

static bool collect_pod(void *ctx, const struct obj *o)
{
    struct scan *s = ctx;
    struct reconcile *r = s->r;
    struct pod p;

    pod_read(o, &p);
    if (p.phase != POD_SUCCEEDED && p.phase != POD_FAILED) {
        struct json *patch = json_new(r->a, json_object()), cond = json_object(),
                    list = json_array(), status = json_object();

        json_setz(r->a, &cond, "type", json_z("DisruptionTarget"));
        json_setz(r->a, &cond, "status", json_z("True"));
        json_setz(r->a, &cond, "lastTransitionTime", time_json(r->a, r->now));
        json_setz(r->a, &cond, "reason", json_z("DeletionByPodGC"));
        json_setz(r->a, &cond, "message", json_z("PodGC: node no longer exists"));
        json_append(r->a, &list, cond);
        json_setz(r->a, &status, "phase", json_z("Failed"));
        json_setz(r->a, &status, "conditions", list);
        json_setz(r->a, patch, "status", status);
        plan_patch(&r->plan, &kinds[K_PODS], o->key.ns, o->key.name, S("status"), PATCH_STRATEGIC,
                   patch)
            ->flags = ACT_IGNORE_NOT_FOUND;
    }
    return true;
}

static bool delete_pod(void *ctx, const struct obj *o)
{
    force_delete(((struct scan *)ctx)->r, o);
    return true;
}

static void reconcile(struct reconcile *r)
{
    struct scan s = {.r = r};
    const struct obj *o;
    struct pod p;

    if (!r->ns.n) {
        if (look_up(r, K_NODES, STR_NONE, r->name))
            return;
        informer_each_indexed(r->caches[K_PODS], index_node(r->a, r->name), collect_pod, &s);
        plan_then(&r->plan);
        informer_each_indexed(r->caches[K_PODS], index_node(r->a, r->name), delete_pod, &s);
        return;
    }
    o = look_up(r, K_PODS, r->ns, r->name);
    if (!o)
        return;
    pod_read(o, &p);
    if (p.deleting && !p.node.n)
        force_delete(r, o);
}

static void node_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    if (!obj)
        wake_after(c, STR_NONE, prev->key.name, QUARANTINE_NS);
}

static void pod_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    struct pod p;

    if (!obj)
        return;
    pod_read(obj, &p);
    if (!p.node.n && p.deleting)
        wake(c, obj->key.ns, obj->key.name);
    else if (p.node.n && !prev && !informer_find(controller_cache(c, K_NODES), STR_NONE, p.node))
        wake_after(c, STR_NONE, p.node, QUARANTINE_NS);
}

static const struct trigger triggers[] = {{K_NODES, node_changed}, {K_PODS, pod_changed}};

const struct controller_type podgc_controller = {
    .name = "pod-garbage-collector",
    .component = "pod-garbage-collector",
    .primary = K_N,
    .triggers = triggers,
    .n_triggers = ARRAY_LEN(triggers),
    .reconcile = reconcile,
};
