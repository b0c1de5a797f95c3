/* volume_binding.c - brings PersistentVolumeClaims and PersistentVolumes together, and lets volumes
 * go when their claim has.
 *
 * Binding is two writes: the volume's claimRef first, which reserves it, then the claim's
 * volumeName. Each side's turn completes what the other has begun, so that a crash in between is
 * mended.
 *
 * Not here: making volumes (provisioners do), choosing one for a claim that waits for its first pod
 * (the scheduler does). API:
 * https://kubernetes.io/docs/concepts/storage/persistent-volumes/#lifecycle-of-a-volume-and-claim
 */
#include "controllers/controllers_internal.h"
#include "schema/volumes.h"

#define PROVISIONER "volume.kubernetes.io/storage-provisioner"
#define PROVISIONED_BY "pv.kubernetes.io/provisioned-by"
#define BETA_PROVISIONER "volume.beta.kubernetes.io/storage-provisioner"
#define NAMES_MAX 5 /* of pods that an event tells */

struct search {
    struct reconcile *r;
    const struct json *claim;
    struct selector selector;
    bool has_selector, reserved_only;
    struct json *best;
    struct quantity best_size;
};

/* The smallest that is large enough; one that names this claim wins. */
static bool consider(void *ctx, const struct obj *o)
{
    struct search *s = ctx;
    struct json *pv = tree_of(s->r->a, o);
    struct quantity size;

    if (json_path(pv, "spec.claimRef")) {
        if (!volume_ref_is(json_path(pv, "spec.claimRef"), s->claim))
            return true;
        s->best = pv;
        return false;
    }
    if (s->reserved_only ||
        (s->has_selector && !selector_matches_packed(&s->selector, o->labels)) ||
        !volume_fits(pv, s->claim, &size))
        return true;
    if (!s->best || quantity_cmp(&size, &s->best_size) < 0) {
        s->best = pv;
        s->best_size = size;
    }
    return true;
}

/* reserved_only: not those that the scheduler is to choose from. */
static struct json *find_volume(struct reconcile *r, const struct json *claim, bool reserved_only)
{
    struct search s = {.r = r, .claim = claim, .reserved_only = reserved_only};
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
    informer_each(r->caches[K_PVS], STR_NONE, consider, &s);
    return s.best;
}

static void reserve(struct reconcile *r, struct json *pv, const struct json *claim)
{
    if (volume_ref_is(json_path(pv, "spec.claimRef"), claim) &&
        json_get_str(pv, "spec.claimRef.uid").n)
        return;
    if (!json_path(pv, "spec.claimRef"))
        meta_set(r->a, pv, "annotations", S(VOLUME_BOUND_BY_CONTROLLER), S("yes"));
    json_setz(r->a, json_findz(pv, "spec"), "claimRef", volume_ref(r->a, claim));
    plan_update(&r->plan, K_PVS, pv);
    plan_then(&r->plan);
}

/* ---- claims without a volume ---- */

struct waiting_pods {
    struct reconcile *r;
    struct buf names;
    uint32_t n;
};

static bool add_waiting_pod(void *ctx, const struct obj *o)
{
    struct waiting_pods *w = ctx;
    struct pod p;

    pod_read(o, &p);
    if (p.node.n || p.phase == POD_SUCCEEDED || p.phase == POD_FAILED ||
        str_find(o->data, S("\"persistentVolumeClaim\"")) < 0)
        return true;
    JSON_EACH(v, json_path(tree_of(w->r->a, o), "spec.volumes"))
        if (str_eq(json_get_str(v, "persistentVolumeClaim.claimName"), w->r->name)) {
            if (w->n < NAMES_MAX)
                buf_fmt(&w->names, "%s" PRI_STR, w->n ? "," : "", STR_ARG(o->key.name));
            w->n++;
            break;
        }
    return true;
}

static void tell_that_it_waits(struct reconcile *r, const struct json *claim)
{
    struct waiting_pods w = {.r = r, .names = BUF_INIT};

    informer_each(r->caches[K_PODS], r->ns, add_waiting_pod, &w);
    if (w.n)
        plan_event(&r->plan, claim, "Normal", "WaitForPodScheduled",
                   "waiting for pod%s " PRI_STR " to be scheduled", w.n > 1 ? "s" : "",
                   STR_ARG(buf_view(&w.names)));
    else
        plan_event(&r->plan, claim, "Normal", "WaitForFirstConsumer",
                   "waiting for first consumer to be created before binding");
    buf_fini(&w.names);
}

/* The provisioner that the class names watches for claims with its name in the annotations. */
static void ask_provisioner(struct reconcile *r, struct json *claim, const struct json *class)
{
    str provisioner = json_get_str(class, "provisioner");

    if (!class) {
        plan_event(&r->plan, claim, "Warning", "ProvisioningFailed",
                   "storageclass.storage.k8s.io \"" PRI_STR "\" not found",
                   STR_ARG(volume_class(claim)));
        return;
    }
    if (str_has_prefix(provisioner, S("kubernetes.io/"))) {
        plan_event(&r->plan, claim, "Warning", "ProvisioningFailed",
                   "no volume plugin matched name: " PRI_STR, STR_ARG(provisioner));
        return;
    }
    plan_event(&r->plan, claim, "Normal", "ExternalProvisioning",
               "Waiting for a volume to be created either by the external provisioner '" PRI_STR
               "' or manually by the system administrator. If volume creation is delayed, please "
               "verify that the provisioner is running and correctly registered.",
               STR_ARG(provisioner));
    if (str_eq(meta_get(claim, "annotations", S(PROVISIONER)), provisioner))
        return;
    meta_set(r->a, claim, "annotations", S(PROVISIONER), provisioner);
    meta_set(r->a, claim, "annotations", S(BETA_PROVISIONER), provisioner);
    plan_update(&r->plan, K_PVCS, claim);
}

struct default_class {
    struct arena *a;
    const struct json *class;
};

static bool find_default(void *ctx, const struct obj *o)
{
    struct default_class *d = ctx;
    struct json *class = tree_of(d->a, o);

    if (class_is_default(class, STORAGE_CLASS_DEFAULT, STORAGE_CLASS_DEFAULT_BETA) &&
        class_goes_before(class, d->class))
        d->class = class;
    return true;
}

/* A claim that was made before there was a default class gets it later. False: it has a class, or there is no default. */
static bool assign_default_class(struct reconcile *r, struct json *claim)
{
    struct default_class d = {.a = r->a};

    if (json_path(claim, "spec.storageClassName") || volume_class(claim).n)
        return false;
    informer_each(r->caches[K_STORAGECLASSES], STR_NONE, find_default, &d);
    if (!d.class)
        return false;
    json_setz(r->a, json_findz(claim, "spec"), "storageClassName",
              *json_path(d.class, "metadata.name"));
    plan_update(&r->plan, K_PVCS, claim);
    return true;
}

/* Source: pkg/controller/volume/persistentvolume/pv_controller.go, syncUnboundClaim. */
static void without_volume(struct reconcile *r, struct json *claim, const struct json *class,
                           bool waits)
{
    if (assign_default_class(r, claim))
        return;
    if (waits && !meta_get(claim, "annotations", S(VOLUME_SELECTED_NODE)).n)
        tell_that_it_waits(r, claim);
    else if (volume_class(claim).n)
        ask_provisioner(r, claim, class);
    else
        plan_event(&r->plan, claim, "Normal", "FailedBinding",
                   "no persistent volumes available for this claim and no storage class is set");
}

/* ---- the two sides ---- */

/* A claim may name a volume that does not do. */
static bool can_have(struct reconcile *r, const struct json *claim, const struct json *pv)
{
    str name = json_get_str(pv, "metadata.name");
    const char *wrong =
        is_deleting(pv)
            ? arena_fmt(r->a, "the volume is marked for deletion \"" PRI_STR "\"", STR_ARG(name)).p
            : volume_mismatch(pv, claim);

    if (wrong)
        plan_event(&r->plan, claim, "Warning", "VolumeMismatch",
                   "Cannot bind to requested volume \"" PRI_STR "\": %s", STR_ARG(name), wrong);
    return !wrong;
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

/* Source: pv_controller.go (syncBoundClaim). */
static void lost(struct reconcile *r, struct json *claim, const char *reason, const char *why)
{
    if (str_is(json_get_str(claim, "status.phase"), "Lost"))
        return;
    json_setz(r->a, json_make(r->a, claim, "status", JSON_OBJECT), "phase", json_z("Lost"));
    plan_update_status(&r->plan, K_PVCS, claim);
    plan_event(&r->plan, claim, "Warning", reason, "%s", why);
}

static void claim_reconcile(struct reconcile *r)
{
    struct json *claim = look_tree(r, K_PVCS, r->ns, r->name), *pv, *class;
    str volume;
    bool waits;

    if (!claim || is_deleting(claim))
        return;
    volume = json_get_str(claim, "spec.volumeName");
    if (meta_get(claim, "annotations", S(VOLUME_BIND_COMPLETED)).n) {
        pv = look_tree(r, K_PVS, STR_NONE, volume);
        if (pv && volume_ref_is(json_path(pv, "spec.claimRef"), claim))
            claim_status(r, claim, pv);
        else if (!volume.n)
            lost(r, claim, "ClaimLost",
                 "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!");
        else if (!pv)
            lost(r, claim, "ClaimLost",
                 "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
        else if (json_path(pv, "spec.claimRef"))
            lost(r, claim, "ClaimMisbound",
                 "Two claims are bound to the same volume, this one is bound incorrectly");
        else
            reserve(r, pv, claim); /* somebody took the claim off the volume */
        return;
    }
    class = look_tree(r, K_STORAGECLASSES, STR_NONE, volume_class(claim));
    waits = str_is(json_get_str(class, "volumeBindingMode"), "WaitForFirstConsumer");
    pv = volume.n ? look_tree(r, K_PVS, STR_NONE, volume) : find_volume(r, claim, waits);
    if (!pv) {
        if (!volume.n)
            without_volume(r, claim, class, waits);
        return;
    }
    if (json_path(pv, "spec.claimRef") ? !volume_ref_is(json_path(pv, "spec.claimRef"), claim)
                                       : !can_have(r, claim, pv))
        return; /* somebody else's, or not what it asks for */
    reserve(r, pv, claim);
    if (!volume.n)
        meta_set(r->a, claim, "annotations", S(VOLUME_BOUND_BY_CONTROLLER), S("yes"));
    meta_set(r->a, claim, "annotations", S(VOLUME_BIND_COMPLETED), S("yes"));
    json_setz(r->a, json_findz(claim, "spec"), "volumeName", *json_path(pv, "metadata.name"));
    plan_update(&r->plan, K_PVCS, claim);
}

/* The status comes in a turn of its own, since writing the claim has given it a new
 * resourceVersion. */
static void set_phase(struct reconcile *r, struct json *pv, const char *phase, str message)
{
    struct json *status;

    if (str_is(json_get_str(pv, "status.phase"), phase))
        return;
    status = json_make(r->a, pv, "status", JSON_OBJECT);
    json_setz(r->a, status, "phase", json_z(phase));
    json_setz(r->a, status, "lastPhaseTransitionTime", time_json(r->a, r->now));
    json_removez(status, "message");
    if (message.n)
        json_setz(r->a, status, "message", json_string(message));
    plan_update_status(&r->plan, K_PVS, pv);
}

/* Why the controller manager itself cannot delete what is behind the volume; empty: it could, or it
 * is for somebody else to do.
 * Source: pv_controller.go (findDeletablePlugin), pkg/volume/hostpath (hostPathDeleter). */
static str why_not_deletable(struct reconcile *r, const struct json *pv)
{
    /* What other drivers took over is theirs. */
    static const char *const taken_over[] = {
        "awsElasticBlockStore", "azureDisk",      "azureFile",    "cinder",
        "gcePersistentDisk",    "portworxVolume", "vsphereVolume"};
    const struct json *spec = json_findz(pv, "spec");
    str by = meta_get(pv, "annotations", S(PROVISIONED_BY)),
        path = json_get_str(spec, "hostPath.path");
    bool is_named = str_is(by, "kubernetes.io/host-path");
    ptrdiff_t at = str_find(path, S("/tmp/"));

    if (by.n && !is_named)
        return str_has_prefix(by, S("kubernetes.io/"))
                   ? arena_fmt(r->a, "no volume plugin matched name: " PRI_STR, STR_ARG(by))
                   : STR_NONE;
    if (is_named || json_findz(spec, "hostPath"))
        return at >= 0 && (size_t)at + strlen("/tmp/") < path.n
                   ? STR_NONE
                   : arena_fmt(
                         r->a,
                         "host_path deleter only supports /tmp/.+ but received provided " PRI_STR,
                         STR_ARG(path));
    for (size_t i = 0; i < ARRAY_LEN(taken_over); i++)
        if (json_findz(spec, taken_over[i]))
            return STR_NONE;
    return arena_fmt(r->a,
                     "error getting deleter volume plugin for volume \"" PRI_STR
                     "\": no %svolume plugin matched",
                     STR_ARG(r->name),
                     json_findz(spec, "nfs") || json_findz(spec, "csi") ? "deletable " : "");
}

/* Its claim is gone. A volume that cannot be deleted though it should stays as Failed. */
static void reclaim(struct reconcile *r, struct json *pv)
{
    str phase = json_get_str(pv, "status.phase"), why;

    if (str_is(phase, "Failed"))
        return;
    if (!str_is(phase, "Released")) {
        set_phase(r, pv, "Released", STR_NONE); /* which brings us here again */
        return;
    }
    if (!str_is(json_get_str(pv, "spec.persistentVolumeReclaimPolicy"), "Delete"))
        return;
    why = why_not_deletable(r, pv);
    if (!why.n)
        return;
    set_phase(r, pv, "Failed", why);
    plan_event(&r->plan, pv, "Warning", "VolumeFailedDelete", PRI_STR, STR_ARG(why));
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
        set_phase(r, pv, "Available", STR_NONE);
        return;
    }
    if (!json_get_str(ref, "uid").n) {
        set_phase(r, pv, "Available", STR_NONE); /* kept for a claim that is still to come */
        return;
    }
    claim = look_up(r, K_PVCS, json_get_str(ref, "namespace"), json_get_str(ref, "name"));
    if (!claim || !str_eq(claim->uid, json_get_str(ref, "uid"))) {
        reclaim(r, pv);
        return;
    }
    if (str_eq(client_text_find(claim->data, "spec.volumeName"), r->name))
        set_phase(r, pv, "Bound", STR_NONE);
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

static void class_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    if (obj)
        informer_each(controller_cache(c, K_PVCS), STR_NONE, wake_pending, c);
}

static const struct trigger claim_triggers[] = {{K_PVS, volume_changed},
                                                {K_STORAGECLASSES, class_changed}},
                            volume_triggers[] = {{K_PVCS, claim_changed}};

static const enum kind_id claim_reads[] = {K_PODS, K_N};

const struct controller_type claim_controller = {
    .name = "persistentvolumeclaim-binder",
    .component = "persistentvolume-controller",
    .primary = K_PVCS,
    .triggers = claim_triggers,
    .n_triggers = ARRAY_LEN(claim_triggers),
    .reads = claim_reads,
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
