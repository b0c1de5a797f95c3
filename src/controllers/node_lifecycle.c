/* node_lifecycle.c - notices that a node has fallen silent, says so in its conditions, and taints
 * nodes by their conditions.
 *
 * A node lives as long as its Lease is renewed or its status' heartbeat moves, seen by our own
 * clock: a node's clock may be wrong. When nothing has moved for the grace period its conditions
 * become Unknown; taints follow from conditions; pods are evicted by taints (taint_eviction.c).
 *
 * Invariants
 *   (1) A renewal costs no reconcile: it only moves the node's deadline, at which one timer looks.
 *   (2) When no node at all is ready, the fault is more likely ours: then nothing is tainted
 * NoExecute, as in Kubernetes.
 *
 * API: https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller */
#include "controllers/controllers_internal.h"

struct seen {         /* what was seen last of one node */
    int64_t moved_ns; /* monotonic: when a heartbeat moved */
    char heartbeat[40], renewed[40], uid[40];
    bool unknown, registered;
};
struct state {
    struct controller *c;
    struct map nodes; /* name -> struct seen */
};

static struct seen *seen_get(struct state *s, str node, int64_t now_ns)
{
    struct seen *n = map_find(&s->nodes, node);

    if (!n) {
        n = NEW(struct seen);
        n->moved_ns = now_ns;
        map_put(&s->nodes, node, n);
    }
    return n;
}

static bool note(char (*field)[40], str value)
{
    size_t n = MIN(value.n, sizeof *field - 1);

    if (!n || (strlen(*field) == n && !memcmp(*field, value.p, n)))
        return false;
    memcpy(*field, value.p, n);
    (*field)[n] = '\0';
    return true;
}

/* ---- conditions ---- */

static const char *const watched[] = {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"};

static bool set_unknown(struct reconcile *r, struct json *node)
{
    struct json *conditions = json_path(node, "status.conditions");
    bool changed = false;

    if (!conditions)
        conditions = json_make(r->a, node, "status.conditions", JSON_ARRAY);
    for (size_t i = 0; i < ARRAY_LEN(watched); i++) {
        struct json *c = condition_find(conditions, watched[i]);

        if (!c) {
            struct json fresh = json_object();

            json_setz(r->a, &fresh, "type", json_z(watched[i]));
            json_setz(r->a, &fresh, "status", json_z("Unknown"));
            json_setz(r->a, &fresh, "lastHeartbeatTime",
                      *json_path(node, "metadata.creationTimestamp"));
            json_setz(r->a, &fresh, "lastTransitionTime", time_json(r->a, r->now));
            json_setz(r->a, &fresh, "reason", json_z("NodeStatusNeverUpdated"));
            json_setz(r->a, &fresh, "message", json_z("Kubelet never posted node status."));
            json_append(r->a, conditions, fresh);
            changed = true;
        } else if (!str_is(json_get_str(c, "status"), "Unknown")) {
            json_setz(r->a, c, "status", json_z("Unknown"));
            json_setz(r->a, c, "reason", json_z("NodeStatusUnknown"));
            json_setz(r->a, c, "message", json_z("Kubelet stopped posting node status."));
            json_setz(r->a, c, "lastTransitionTime", time_json(r->a, r->now));
            changed = true;
        }
    }
    return changed;
}

static bool mark_not_ready(void *ctx, const struct obj *o)
{
    struct reconcile *r = ctx;
    struct json *pod, *patch, cond = json_object(), list = json_array(), status = json_object();
    struct pod p;

    pod_read(o, &p);
    if (!p.ready || !pod_is_active(&p))
        return true;
    pod = tree_of(r->a, o);
    patch = json_new(r->a, json_object());
    json_setz(r->a, &cond, "type", json_z("Ready"));
    json_setz(r->a, &cond, "status", json_z("False"));
    json_setz(r->a, &cond, "lastTransitionTime", time_json(r->a, r->now));
    json_append(r->a, &list, cond);
    json_setz(r->a, &status, "conditions", list);
    json_setz(r->a, patch, "status", status);
    plan_patch(&r->plan, &kinds[K_PODS], o->key.ns, o->key.name, S("status"), PATCH_STRATEGIC,
               patch)
        ->flags = ACT_IGNORE_NOT_FOUND;
    plan_event(&r->plan, pod, "Warning", "NodeNotReady", "Node is not ready");
    return true;
}

/* ---- taints ---- */

static const struct {
    const char *condition, *status, *key;
    bool evicts;
} taint_table[] = {
    {"Ready", "False", "node.kubernetes.io/not-ready", true},
    {"Ready", "Unknown", "node.kubernetes.io/unreachable", true},
    {"MemoryPressure", "True", "node.kubernetes.io/memory-pressure", false},
    {"DiskPressure", "True", "node.kubernetes.io/disk-pressure", false},
    {"NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable", false},
    {"PIDPressure", "True", "node.kubernetes.io/pid-pressure", false},
    {NULL, NULL, "node.kubernetes.io/unschedulable", false},
};

static struct json *taint_find(struct json *taints, const char *key, const char *effect)
{
    JSON_EACH(t, taints)
        if (str_is(json_get_str(t, "key"), key) && str_is(json_get_str(t, "effect"), effect))
            return t;
    return NULL;
}

static bool taint_want(struct reconcile *r, struct json *taints, const char *key,
                       const char *effect, bool wanted)
{
    struct json *t = taint_find(taints, key, effect), fresh = json_object();

    if (!t == !wanted)
        return false;
    if (t) {
        json_remove_item(taints, (uint32_t)(t - taints->items));
        return true;
    }
    json_setz(r->a, &fresh, "key", json_z(key));
    json_setz(r->a, &fresh, "effect", json_z(effect));
    json_setz(r->a, &fresh, "timeAdded", time_json(r->a, r->now));
    json_append(r->a, taints, fresh);
    return true;
}

static bool node_is_ready(void *ctx, const struct obj *o)
{
    CLEANUP(arena) struct arena *a = arena_new();
    const struct json *ready =
        condition_find(json_path(tree_of(a, o), "status.conditions"), "Ready");
    bool *any = ctx;

    *any = str_is(json_get_str(ready, "status"), "True");
    return !*any;
}

static bool some_node_is_ready(const struct reconcile *r)
{
    bool any = false;

    informer_each(r->caches[K_NODES], STR_NONE, node_is_ready, &any);
    return any;
}

static void set_taints(struct reconcile *r, struct json *node)
{
    const struct json *conditions = json_path(node, "status.conditions"),
                      *now = json_path(node, "spec.taints");
    struct json taints = now ? json_copy(r->a, now) : json_array(), *patch, meta = json_object(),
                spec = json_object();
    bool changed = false,
         ready = str_is(json_get_str(condition_find(conditions, "Ready"), "status"), "True");
    bool evicting = ready || some_node_is_ready(r);

    for (size_t i = 0; i < ARRAY_LEN(taint_table); i++) {
        bool on = taint_table[i].condition
                      ? str_is(json_get_str(condition_find(conditions, taint_table[i].condition),
                                            "status"),
                               taint_table[i].status)
                      : json_get_bool(node, "spec.unschedulable", false);

        changed |= taint_want(r, &taints, taint_table[i].key, "NoSchedule", on);
        if (taint_table[i].evicts)
            changed |= taint_want(r, &taints, taint_table[i].key, "NoExecute", on && evicting);
    }
    if (!changed)
        return;
    patch = json_new(r->a, json_object());
    json_setz(r->a, &meta, "resourceVersion", *json_path(node, "metadata.resourceVersion"));
    json_setz(r->a, patch, "metadata", meta);
    json_setz(r->a, &spec, "taints", taints.n ? taints : json_null());
    json_setz(r->a, patch, "spec", spec);
    plan_patch(&r->plan, &kinds[K_NODES], STR_NONE, r->name, STR_NONE, PATCH_MERGE, patch)->flags =
        ACT_IGNORE_NOT_FOUND | ACT_IGNORE_CONFLICT;
}

/* ---- one node's turn ---- */

/* About a node that may be gone, hence by name and uid alone.
 * Source: pkg/controller/util/node/controller_utils.go (RecordNodeEvent). */
static void tell(struct reconcile *r, str uid, const char *reason, const char *doing,
                 const char *where)
{
    struct json *node = json_new(r->a, json_object()), *meta;

    json_setz(r->a, node, "kind", json_z("Node"));
    json_setz(r->a, node, "apiVersion", json_z("v1"));
    meta = json_setz(r->a, node, "metadata", json_object());
    json_setz(r->a, meta, "name", json_string(r->name));
    json_setz(r->a, meta, "uid", json_string(arena_dup(r->a, uid)));
    plan_event(&r->plan, node, "Normal", reason,
               "Node " PRI_STR " event: %s Node " PRI_STR " %s Controller", STR_ARG(r->name), doing,
               STR_ARG(r->name), where);
}

static void reconcile(struct reconcile *r)
{
    struct state *s = r->state;
    struct json *node = look_tree(r, K_NODES, STR_NONE, r->name);
    const struct json *ready;
    struct seen *seen;
    int64_t left_ns;

    if (!node) {
        seen = map_find(&s->nodes, r->name);
        if (seen && seen->registered)
            tell(r, str_of(seen->uid), "RemovingNode", "Removing", "from");
        mem_free(map_del(&s->nodes, r->name));
        return;
    }
    seen = seen_get(s, r->name, r->mono.ns);
    if (!seen->registered) {
        seen->registered = true;
        note(&seen->uid, json_get_str(node, "metadata.uid"));
        tell(r, str_of(seen->uid), "RegisteredNode", "Registered", "in");
    }
    ready = condition_find(json_path(node, "status.conditions"), "Ready");
    if (note(&seen->heartbeat, json_get_str(ready, "lastHeartbeatTime")))
        seen->moved_ns = r->mono.ns;
    left_ns = seen->moved_ns + r->config->node_monitor_grace_ns - r->mono.ns;
    seen->unknown = left_ns <= 0;
    if (left_ns > 0) {
        plan_requeue(&r->plan, left_ns + NS_PER_MS);
        set_taints(r, node); /* one without conditions has no taints of ours either */
        return;
    }
    {
        bool was_ready = str_is(json_get_str(ready, "status"), "True");

        if (set_unknown(r, node)) {
            plan_update_status(&r->plan, K_NODES, node)->flags |= ACT_IGNORE_CONFLICT;
            if (was_ready) {
                plan_event(&r->plan, node, "Normal", "NodeNotReady",
                           "Node " PRI_STR " status is now: NodeNotReady", STR_ARG(r->name));
                informer_each_indexed(r->caches[K_PODS], index_node(r->a, r->name), mark_not_ready,
                                      r);
            }
            return; /* its own change brings it back for the taints */
        }
    }
    set_taints(r, node);
}

static void lease_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    struct state *s = controller_state(c);
    struct seen *seen;

    if (!obj)
        return;
    seen = map_find(&s->nodes, obj->key.name);
    if (!seen || !note(&seen->renewed, client_text_find(obj->data, "spec.renewTime")))
        return;
    seen->moved_ns = loop_now(controller_loop(c)).ns;
    if (seen->unknown)
        wake(c, STR_NONE, obj->key.name);
}

/* Whether evictions make sense depends on the other nodes. */
static bool wake_each(void *ctx, const struct obj *o)
{
    wake(ctx, STR_NONE, o->key.name);
    return true;
}

static void other_node_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    bool now = false, before = false;

    if (obj)
        node_is_ready(&now, obj);
    if (prev)
        node_is_ready(&before, prev);
    if (now != before)
        informer_each(controller_cache(c, K_NODES), STR_NONE, wake_each, c);
}

static void *state_new(struct controller *c)
{
    struct state *s = NEW(struct state);

    s->c = c;
    map_init(&s->nodes);
    return s;
}

static void state_free(void *state)
{
    struct state *s = state;

    MAP_EACH(e, &s->nodes)
        mem_free(e->value);
    map_fini(&s->nodes);
    mem_free(s);
}

static const struct trigger triggers[] = {{K_LEASES, lease_changed}, {K_NODES, other_node_changed}};
static const enum kind_id reads[] = {K_PODS, K_N};

const struct controller_type node_lifecycle_controller = {
    .name = "node-lifecycle",
    .component = "node-controller",
    .primary = K_NODES,
    .triggers = triggers,
    .n_triggers = ARRAY_LEN(triggers),
    .reconcile = reconcile,
    .state_new = state_new,
    .state_free = state_free,
    .reads = reads,
};
