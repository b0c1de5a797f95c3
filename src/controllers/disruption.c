/* disruption.c - how many of a PodDisruptionBudget's pods may be evicted right now.
 *
 * The eviction API counts down status.disruptionsAllowed and notes the pod in disruptedPods; here
 * it is counted anew from what there is. API:
 * https://kubernetes.io/docs/tasks/run-application/configure-pdb/ */
#include "controllers/controllers_internal.h"

#include <inttypes.h>

#define DISRUPTED_TIMEOUT_S                                                                        \
    120 /* an eviction whose deletion has not been seen by then did not happen */

struct budget {
    struct reconcile *r;
    struct json *tree, *status;
    struct selector selector;
    struct json disrupted; /* still believed */
    int64_t n, healthy, expected;
    struct map owners;  /* uids counted */
    bool has_unmanaged; /* a pod without a controller */
};

static int64_t replicas_of(struct reconcile *r, enum kind_id k, str ns, str name, str uid)
{
    const struct obj *o = r->caches[k] ? look_up(r, k, ns, name) : NULL;

    return o && str_eq(o->uid, uid) ? json_get_int(tree_of(r->a, o), "spec.replicas", 0) : -1;
}

/* What the pod's controller, or that one's controller, wants. */
static void count_owner(struct budget *b, const struct obj *pod)
{
    static const struct {
        const char *kind;
        enum kind_id id;
    } scalable[] = {
        {"ReplicaSet", K_REPLICASETS},
        {"ReplicationController", K_REPLICATIONCONTROLLERS},
        {"StatefulSet", K_STATEFULSETS},
    };
    const struct json *ref = owner_reference(tree_of(b->r->a, pod)), *above;
    str ns = pod->key.ns, uid = json_get_str(ref, "uid"), name = json_get_str(ref, "name");
    int64_t n = -1;

    if (!uid.n) {
        b->has_unmanaged = true;
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(scalable); i++)
        if (str_is(json_get_str(ref, "kind"), scalable[i].kind))
            n = replicas_of(b->r, scalable[i].id, ns, name, uid);
    if (str_is(json_get_str(ref, "kind"), "ReplicaSet")) {
        const struct obj *rs = look_up(b->r, K_REPLICASETS, ns, name);

        above = rs ? owner_reference(tree_of(b->r->a, rs)) : NULL;
        if (str_is(json_get_str(above, "kind"), "Deployment")) {
            uid = json_get_str(above, "uid");
            n = replicas_of(b->r, K_DEPLOYMENTS, ns, json_get_str(above, "name"), uid);
        }
    }
    if (n < 0 || map_find(&b->owners, uid))
        return;
    map_put(&b->owners, uid, b);
    b->expected += n;
}

static bool add_pod(void *ctx, const struct obj *o)
{
    struct budget *b = ctx;
    const struct json *since = NULL;
    struct pod p;
    wall_time t;

    if (!selector_matches_packed(&b->selector, o->labels))
        return true;
    pod_read(o, &p);
    if (p.phase == POD_SUCCEEDED || p.phase == POD_FAILED)
        return true;
    b->n++;
    count_owner(b, o);
    if (p.deleting)
        return true;
    since = json_find(json_findz(b->status, "disruptedPods"), o->key.name);
    if (since && time_of(since, &t)) {
        int64_t left_ns = t.ns + DISRUPTED_TIMEOUT_S * NS_PER_S - b->r->now.ns;

        if (left_ns > 0) {
            json_set(b->r->a, &b->disrupted, o->key.name, *since);
            plan_requeue(&b->r->plan, left_ns);
            return true;
        }
    }
    b->healthy += p.phase == POD_RUNNING && p.ready;
    return true;
}

static int64_t desired_healthy(struct budget *b)
{
    const struct json *unavailable = json_path(b->tree, "spec.maxUnavailable"),
                      *available = json_path(b->tree, "spec.minAvailable");
    int64_t v = 0;

    if (unavailable) {
        int_or_percent(unavailable, b->expected, true, &v);
        return MAX(b->expected - v, INT64_C(0));
    }
    if (json_is(available, JSON_INT)) {
        b->expected = b->n;
        return available->i;
    }
    int_or_percent(available, b->expected, true, &v);
    return v;
}

static void set_condition(struct budget *b, bool allowed)
{
    struct arena *a = b->r->a;
    struct json *conditions = json_findz(b->status, "conditions"), *c, fresh = json_object();
    const char *status = allowed ? "True" : "False";

    if (!conditions)
        conditions = json_setz(a, b->status, "conditions", json_array());
    c = condition_find(conditions, "DisruptionAllowed");
    json_setz(a, &fresh, "type", json_z("DisruptionAllowed"));
    json_setz(a, &fresh, "status", json_z(status));
    json_setz(a, &fresh, "observedGeneration",
              json_int(json_get_int(b->tree, "metadata.generation", 0)));
    json_setz(a, &fresh, "lastTransitionTime",
              c && str_is(json_get_str(c, "status"), status) ? *json_findz(c, "lastTransitionTime")
                                                             : time_json(a, b->r->now));
    json_setz(a, &fresh, "reason", json_z(allowed ? "SufficientPods" : "InsufficientPods"));
    json_setz(a, &fresh, "message", json_z(""));
    if (c)
        *c = fresh;
    else
        json_append(a, conditions, fresh);
}

/* Source: pkg/controller/disruption/disruption.go (trySync). */
static void tell(struct budget *b)
{
    if (!b->n)
        plan_event(&b->r->plan, b->tree, "Normal", "NoPods", "No matching pods found");
    /* Where pods are counted, nobody asks what their owners want. */
    if (b->has_unmanaged && !json_is(json_path(b->tree, "spec.minAvailable"), JSON_INT))
        plan_event(&b->r->plan, b->tree, "Warning", "UnmanagedPods",
                   "Pods selected by this PodDisruptionBudget (selector: " PRI_STR
                   ") were found to be unmanaged. As a result, the status of the PDB cannot be "
                   "calculated correctly, which may result in undefined behavior. To account for "
                   "these pods please set \".spec.minAvailable\" field of the PDB to an integer "
                   "value.",
                   STR_ARG(selector_go_text(b->r->a, json_path(b->tree, "spec.selector"))));
}

static void reconcile(struct reconcile *r)
{
    struct budget b = {
        .r = r, .tree = look_tree(r, K_PDBS, r->ns, r->name), .disrupted = json_object()};
    struct json before;
    struct err *err;
    int64_t desired, allowed;

    if (!b.tree)
        return;
    err = selector_from_object(r->a, json_path(b.tree, "spec.selector"), &b.selector);
    if (err) {
        err_free(err);
        return;
    }
    json_make(r->a, b.tree, "status", JSON_OBJECT);
    b.status = json_findz(b.tree, "status");
    before = json_copy(r->a, b.status);
    map_init(&b.owners);
    informer_each(r->caches[K_PODS], r->ns, add_pod, &b);
    map_fini(&b.owners);
    tell(&b);
    desired = desired_healthy(&b);
    allowed = b.expected > 0 ? MAX(b.healthy - desired, INT64_C(0)) : 0;
    if (b.disrupted.n)
        json_setz(r->a, b.status, "disruptedPods", b.disrupted);
    else
        json_removez(b.status, "disruptedPods");
    json_setz(r->a, b.status, "observedGeneration",
              json_int(json_get_int(b.tree, "metadata.generation", 0)));
    json_setz(r->a, b.status, "disruptionsAllowed", json_int(allowed));
    json_setz(r->a, b.status, "currentHealthy", json_int(b.healthy));
    json_setz(r->a, b.status, "desiredHealthy", json_int(desired));
    json_setz(r->a, b.status, "expectedPods", json_int(b.expected));
    set_condition(&b, allowed > 0);
    if (!json_equal(&before, b.status))
        plan_update_status(&r->plan, K_PDBS, b.tree);
}

struct match {
    struct controller *c;
    const struct obj *obj, *prev;
};

static bool wake_if_selected(void *ctx, const struct obj *o)
{
    struct match *m = ctx;
    CLEANUP(arena) struct arena *a = arena_new();
    struct selector s = {0};
    struct err *err = selector_from_object(a, packed_selector(a, o), &s);

    if (!err && ((m->obj && selector_matches_packed(&s, m->obj->labels)) ||
                 (m->prev && selector_matches_packed(&s, m->prev->labels))))
        wake(m->c, o->key.ns, o->key.name);
    err_free(err);
    return true;
}

static void pod_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    informer_each(controller_cache(c, K_PDBS), (obj ? obj : prev)->key.ns, wake_if_selected,
                  &(struct match){c, obj, prev});
}

static bool wake_each(void *ctx, const struct obj *o)
{
    wake(ctx, o->key.ns, o->key.name);
    return true;
}

/* A new size changes what percentages mean. */
static void scale_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    if (obj && prev &&
        str_eq(client_text_find(obj->data, "spec.replicas"),
               client_text_find(prev->data, "spec.replicas")))
        return;
    informer_each(controller_cache(c, K_PDBS), (obj ? obj : prev)->key.ns, wake_each, c);
}

static const struct trigger triggers[] = {{K_PODS, pod_changed},
                                          {K_DEPLOYMENTS, scale_changed},
                                          {K_STATEFULSETS, scale_changed},
                                          {K_REPLICASETS, scale_changed},
                                          {K_REPLICATIONCONTROLLERS, scale_changed}};

const struct controller_type disruption_controller = {
    .name = "disruption",
    .component = "controllermanager",
    .primary = K_PDBS,
    .triggers = triggers,
    .n_triggers = ARRAY_LEN(triggers),
    .reconcile = reconcile,
};
