/* volume_binding.c - brings PersistentVolumeClaims and PersistentVolumes together, and lets volumes
 * go when their claim has.
 *
 * Binding is two writes: the volume's claimRef first, which reserves it, then the claim's
 * volumeName. Each side's turn completes what the other has begun, so that a crash in between is
 * mended.
 *
 * Not here: making volumes (provisioners watch claims themselves), claims that wait for their first
 * pod (the scheduler's part). API:
 * https://kubernetes.io/docs/concepts/storage/persistent-volumes/#lifecycle-of-a-volume-and-claim
 */
#include "controllers/controllers_internal.h"

#define BOUND_BY_CONTROLLER "pv.kubernetes.io/bound-by-controller"
#define BIND_COMPLETED "pv.kubernetes.io/bind-completed"
#define BETA_CLASS "volume.beta.kubernetes.io/storage-class"

static str class_of(const struct json *tree)
{
    str beta = meta_get(tree, "annotations", S(BETA_CLASS));

    return beta.n ? beta : json_get_str(tree, "spec.storageClassName");
}

static bool modes_fit(const struct json *wanted, const struct json *offered)
{
    JSON_EACH(w, wanted) {
        bool has = false;

        JSON_EACH(o, offered)
            has |= str_eq(json_str(o), json_str(w));
        if (!has)
            return false;
    }
    return true;
}

static bool quantity_of(const struct json *v, struct quantity *ret)
{
    *ret = (struct quantity){0};
    return json_is(v, JSON_STRING) && quantity_parse(v->s, ret);
}

static bool ref_is(const struct json *ref, const struct json *claim)
{
    str uid = json_get_str(ref, "uid");

    return str_eq(json_get_str(ref, "namespace"), json_get_str(claim, "metadata.namespace")) &&
           str_eq(json_get_str(ref, "name"), json_get_str(claim, "metadata.name")) &&
           (!uid.n || str_eq(uid, json_get_str(claim, "metadata.uid")));
}

struct search {
    struct reconcile *r;
    const struct json *claim;
    struct selector selector;
    bool has_selector;
    struct json *best;
    struct quantity best_size, wanted;
};

/* The smallest that is large enough; one that names this claim wins. */
static bool consider(void *ctx, const struct obj *o)
{
    struct search *s = ctx;
    struct json *pv = tree_of(s->r->a, o);
    const struct json *ref = json_path(pv, "spec.claimRef");
    struct quantity size;
    str phase = json_get_str(pv, "status.phase");

    if (ref) {
        if (!ref_is(ref, s->claim))
            return true;
        s->best = pv;
        return false;
    }
    if (is_deleting(pv) || str_is(phase, "Released") || str_is(phase, "Failed") ||
        !str_eq(class_of(pv), class_of(s->claim)) ||
        !str_eq(json_get_str(pv, "spec.volumeMode"), json_get_str(s->claim, "spec.volumeMode")) ||
        !modes_fit(json_path(s->claim, "spec.accessModes"), json_path(pv, "spec.accessModes")) ||
        (s->has_selector && !selector_matches_packed(&s->selector, o->labels)) ||
        !quantity_of(json_path(pv, "spec.capacity.storage"), &size) ||
        quantity_cmp(&size, &s->wanted) < 0)
        return true;
    if (!s->best || quantity_cmp(&size, &s->best_size) < 0) {
        s->best = pv;
        s->best_size = size;
    }
    return true;
}

static struct json *find_volume(struct reconcile *r, const struct json *claim)
{
    struct search s = {.r = r, .claim = claim};
    const struct json *selector = json_path(claim, "spec.selector");
    struct err *err;

    if (selector) {
        s.has_selector = true;
        err = selector_from_object(r->a, selector, &s.selector);
        if (err) {
            err_free(err);
            return NULL;
        }
    }
    quantity_of(json_path(claim, "spec.resources.requests.storage"), &s.wanted);
    informer_each(r->caches[K_PVS], STR_NONE, consider, &s);
    return s.best;
}

static void reserve(struct reconcile *r, struct json *pv, const struct json *claim)
{
    struct json ref = json_object();

    if (ref_is(json_path(pv, "spec.claimRef"), claim) && json_get_str(pv, "spec.claimRef.uid").n)
        return;
    if (!json_path(pv, "spec.claimRef"))
        meta_set(r->a, pv, "annotations", S(BOUND_BY_CONTROLLER), S("yes"));
    json_setz(r->a, &ref, "kind", json_z("PersistentVolumeClaim"));
    json_setz(r->a, &ref, "namespace", *json_path(claim, "metadata.namespace"));
    json_setz(r->a, &ref, "name", *json_path(claim, "metadata.name"));
    json_setz(r->a, &ref, "uid", *json_path(claim, "metadata.uid"));
    json_setz(r->a, &ref, "apiVersion", json_z("v1"));
    json_setz(r->a, &ref, "resourceVersion", *json_path(claim, "metadata.resourceVersion"));
    json_setz(r->a, json_findz(pv, "spec"), "claimRef", ref);
    plan_update(&r->plan, K_PVS, pv);
    plan_then(&r->plan);
}

static void claim_status(struct reconcile *r, struct json *claim, const struct json *pv)
{
    struct json status = json_object(), capacity = json_object();

    json_setz(r->a, &status, "phase", json_z("Bound"));
    json_setz(r->a, &status, "accessModes", *json_path(pv, "spec.accessModes"));
    if (json_path(pv, "spec.capacity.storage"))
        json_setz(r->a, &capacity, "storage", *json_path(pv, "spec.capacity.storage"));
    json_setz(r->a, &status, "capacity", capacity);
    if (json_equal(json_findz(claim, "status"), &status))
        return;
    json_setz(r->a, claim, "status", status);
    plan_update_status(&r->plan, K_PVCS, claim);
}

static void claim_reconcile(struct reconcile *r)
{
    struct json *claim = look_tree(r, K_PVCS, r->ns, r->name), *pv;
    str volume;

    if (!claim || is_deleting(claim))
        return;
    volume = json_get_str(claim, "spec.volumeName");
    if (meta_get(claim, "annotations", S(BIND_COMPLETED)).n) {
        pv = look_tree(r, K_PVS, STR_NONE, volume);
        if (pv && ref_is(json_path(pv, "spec.claimRef"), claim)) {
            claim_status(r, claim, pv);
        } else if (!str_is(json_get_str(claim, "status.phase"), "Lost")) {
            json_setz(r->a, json_make(r->a, claim, "status", JSON_OBJECT), "phase", json_z("Lost"));
            plan_update_status(&r->plan, K_PVCS, claim);
            plan_event(&r->plan, claim, "Warning", "ClaimLost",
                       "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
        }
        return;
    }
    pv = volume.n ? look_tree(r, K_PVS, STR_NONE, volume) : find_volume(r, claim);
    if (!pv) {
        if (!class_of(claim).n && !volume.n)
            plan_event(
                &r->plan, claim, "Normal", "FailedBinding",
                "no persistent volumes available for this claim and no storage class is set");
        return;
    }
    if (json_path(pv, "spec.claimRef") && !ref_is(json_path(pv, "spec.claimRef"), claim))
        return; /* somebody else's */
    reserve(r, pv, claim);
    if (!volume.n)
        meta_set(r->a, claim, "annotations", S(BOUND_BY_CONTROLLER), S("yes"));
    meta_set(r->a, claim, "annotations", S(BIND_COMPLETED), S("yes"));
    json_setz(r->a, json_findz(claim, "spec"), "volumeName", *json_path(pv, "metadata.name"));
    plan_update(&r->plan, K_PVCS, claim);
}

/* The status comes in a turn of its own, since writing the claim has given it a new
 * resourceVersion. */
static void set_phase(struct reconcile *r, struct json *pv, const char *phase)
{
    if (str_is(json_get_str(pv, "status.phase"), phase))
        return;
    json_make(r->a, pv, "status", JSON_OBJECT);
    json_setz(r->a, json_findz(pv, "status"), "phase", json_z(phase));
    json_setz(r->a, json_findz(pv, "status"), "lastPhaseTransitionTime", time_json(r->a, r->now));
    plan_update_status(&r->plan, K_PVS, pv);
}

static void volume_reconcile(struct reconcile *r)
{
    struct json *pv = look_tree(r, K_PVS, STR_NONE, r->name);
    const struct json *ref;
    const struct obj *claim;

    if (!pv)
        return;
    if (is_deleting(pv)) {
        struct json *finalizers = json_path(pv, "metadata.finalizers");

        if (str_is(json_get_str(pv, "status.phase"), "Bound"))
            return;
        for (uint32_t i = json_count(finalizers); i-- > 0;)
            if (str_is(json_str(json_item(finalizers, i)), "kubernetes.io/pv-protection")) {
                json_remove_item(finalizers, i);
                plan_update(&r->plan, K_PVS, pv)->flags = ACT_IGNORE_NOT_FOUND;
            }
        return;
    }
    ref = json_path(pv, "spec.claimRef");
    if (!ref) {
        set_phase(r, pv, "Available");
        return;
    }
    if (!json_get_str(ref, "uid").n) {
        set_phase(r, pv, "Available"); /* kept for a claim that is still to come */
        return;
    }
    claim = look_up(r, K_PVCS, json_get_str(ref, "namespace"), json_get_str(ref, "name"));
    if (!claim || !str_eq(claim->uid, json_get_str(ref, "uid"))) {
        set_phase(r, pv, "Released");
        return;
    }
    if (str_eq(client_text_find(claim->data, "spec.volumeName"), r->name))
        set_phase(r, pv, "Bound");
}

static bool wake_pending(void *ctx, const struct obj *o)
{
    if (!client_text_find(o->data, "spec.volumeName").n)
        wake(ctx, o->key.ns, o->key.name);
    return true;
}

static void volume_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    const struct obj *any = obj ? obj : prev;
    str ns = client_text_find(any->data, "spec.claimRef.namespace"),
        name = client_text_find(any->data, "spec.claimRef.name");

    if (name.n)
        wake(c, ns, name);
    else
        informer_each(controller_cache(c, K_PVCS), STR_NONE, wake_pending, c);
}

static bool wake_reserved(void *ctx, const struct obj *o)
{
    if (client_text_find(o->data, "spec.claimRef").n)
        wake(ctx, STR_NONE, o->key.name);
    return true;
}

static void claim_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    str volume = client_text_find((obj ? obj : prev)->data, "spec.volumeName");

    if (volume.n)
        wake(c, STR_NONE, volume);
    else if (!obj)
        informer_each(controller_cache(c, K_PVS), STR_NONE, wake_reserved, c);
}

static const struct trigger claim_triggers[] = {{K_PVS, volume_changed}},
                            volume_triggers[] = {{K_PVCS, claim_changed}};

const struct controller_type claim_controller = {
    .name = "persistentvolumeclaim-binder",
    .component = "persistentvolume-controller",
    .primary = K_PVCS,
    .triggers = claim_triggers,
    .n_triggers = ARRAY_LEN(claim_triggers),
    .reconcile = claim_reconcile,
    .parallel = 1,
};
const struct controller_type volume_controller = {
    .name = "persistentvolume-binder",
    .component = "persistentvolume-controller",
    .primary = K_PVS,
    .triggers = volume_triggers,
    .n_triggers = ARRAY_LEN(volume_triggers),
    .reconcile = volume_reconcile,
};
