/* pvc_protection.c - lets a claim that is being deleted go only when no pod mounts it any more. */
#include "controllers/controllers_internal.h"

#define FINALIZER "kubernetes.io/pvc-protection"

struct use {
    struct reconcile *r;
    bool used;
};

static bool pod_uses(void *ctx, const struct obj *o)
{
    struct use *u = ctx;
    struct pod p;

    pod_read(o, &p);
    if (p.phase == POD_SUCCEEDED || p.phase == POD_FAILED || !p.node.n)
        return true;
    JSON_EACH(v, json_path(tree_of(u->r->a, o), "spec.volumes"))
        u->used |= str_eq(json_get_str(v, "persistentVolumeClaim.claimName"), u->r->name);
    return !u->used;
}

static void reconcile(struct reconcile *r)
{
    struct json *claim = look_tree(r, K_PVCS, r->ns, r->name), *finalizers;
    struct use u = {r, false};
    bool removed = false;

    if (!claim || !is_deleting(claim))
        return;
    informer_each(r->caches[K_PODS], r->ns, pod_uses, &u);
    if (u.used)
        return;
    finalizers = json_path(claim, "metadata.finalizers");
    for (uint32_t i = json_count(finalizers); i-- > 0;)
        if (str_is(json_str(json_item(finalizers, i)), FINALIZER)) {
            json_remove_item(finalizers, i);
            removed = true;
        }
    if (removed)
        plan_update(&r->plan, K_PVCS, claim)->flags = ACT_IGNORE_NOT_FOUND;
}

static void wake_claims(struct controller *c, const struct obj *pod)
{
    CLEANUP(arena) struct arena *a = NULL;

    if (str_find(pod->data, S("\"persistentVolumeClaim\"")) < 0)
        return;
    a = arena_new();
    JSON_EACH(v, json_path(tree_of(a, pod), "spec.volumes")) {
        str claim = json_get_str(v, "persistentVolumeClaim.claimName");

        if (claim.n)
            wake(c, pod->key.ns, claim);
    }
}

static void pod_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    struct pod p;

    if (obj)
        pod_read(obj, &p);
    if (!obj || p.phase == POD_SUCCEEDED || p.phase == POD_FAILED)
        wake_claims(c, obj ? obj : prev);
}

static const struct trigger triggers[] = {{K_PODS, pod_changed}};

const struct controller_type pvc_protection_controller = {
    .name = "pvc-protection",
    .component = "pvc-protection-controller",
    .primary = K_PVCS,
    .triggers = triggers,
    .n_triggers = ARRAY_LEN(triggers),
    .reconcile = reconcile,
};
