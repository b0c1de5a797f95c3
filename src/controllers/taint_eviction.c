/* taint_eviction.c - deletes pods that do not tolerate their node's NoExecute taints, at once or
 * when their patience ends.
 *
 * Patience begins when the taint came (timeAdded) or, when that is not said, when it was seen here
 * first: what was seen is kept by pod.
 *
 * API:
 * https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions
 */
#include "controllers/node_match.h"

/* How long the pod bears this taint: 0 not at all, INT64_MAX forever. */
static int64_t patience_s(const struct json *tolerations, const struct json *taint,
                          bool *ret_tolerated)
{
    int64_t best = INT64_MAX;
    bool any = false;

    JSON_EACH(t, tolerations) {
        const struct json *seconds = json_findz(t, "tolerationSeconds");

        if (!toleration_tolerates(t, taint))
            continue;
        any = true;
        if (json_is(seconds, JSON_INT))
            best = MIN(best, MAX(seconds->i, INT64_C(0)));
    }
    *ret_tolerated = any;
    return any ? best : 0;
}

struct tainted {      /* a pod, by its uid */
    int64_t since_ns; /* wall clock: when it was first seen under a taint */
    bool is_to_go;    /* its eviction is set for later */
};

static struct tainted *tainted_get(struct map *seen, str uid, int64_t now_ns)
{
    struct tainted *t = map_find(seen, uid);

    if (!t) {
        t = NEW(struct tainted);
        t->since_ns = now_ns;
        map_put(seen, uid, t);
    }
    return t;
}

static void forget(struct map *seen, str uid)
{
    mem_free(map_del(seen, uid));
}

static void tell(struct reconcile *r, const struct json *pod, const char *what)
{
    plan_event(&r->plan, pod, "Normal", "TaintManagerEviction", "%s Pod " PRI_STR "/" PRI_STR, what,
               STR_ARG(r->ns), STR_ARG(r->name));
}

/* Source: pkg/controller/tainteviction/taint_eviction.go (cancelWorkWithEvent). */
static void stay(struct reconcile *r, const struct json *pod, struct tainted *t)
{
    if (t && t->is_to_go)
        tell(r, pod, "Cancelling deletion of");
    if (t)
        t->is_to_go = false;
}

static void evict(struct reconcile *r, const struct obj *o, const struct json *pod)
{
    struct json *patch = json_new(r->a, json_object()), cond = json_object(), list = json_array(),
                status = json_object();

    json_setz(r->a, &cond, "type", json_z("DisruptionTarget"));
    json_setz(r->a, &cond, "status", json_z("True"));
    json_setz(r->a, &cond, "lastTransitionTime", time_json(r->a, r->now));
    json_setz(r->a, &cond, "reason", json_z("DeletionByTaintManager"));
    json_setz(r->a, &cond, "message", json_z("Taint manager: deleting due to NoExecute taint"));
    json_append(r->a, &list, cond);
    json_setz(r->a, &status, "conditions", list);
    json_setz(r->a, patch, "status", status);
    tell(r, pod, "Marking for deletion");
    plan_patch(&r->plan, &kinds[K_PODS], r->ns, r->name, S("status"), PATCH_STRATEGIC, patch)
        ->flags = ACT_IGNORE_NOT_FOUND;
    plan_then(&r->plan);
    plan_delete(&r->plan, K_PODS, o);
}

static void reconcile(struct reconcile *r)
{
    const struct obj *o = look_up(r, K_PODS, r->ns, r->name), *node;
    int64_t due_ns = INT64_MAX;
    const struct json *pod;
    struct tainted *t;
    struct pod p;

    if (!o)
        return;
    pod_read(o, &p);
    if (!pod_is_active(&p) || !p.node.n)
        return;
    node = look_up(r, K_NODES, STR_NONE, p.node);
    if (!node || str_find(node->data, S("NoExecute")) < 0) {
        stay(r, tree_of(r->a, o), map_find(r->state, o->uid));
        forget(r->state, o->uid);
        return;
    }
    t = tainted_get(r->state, o->uid, r->now.ns);
    pod = tree_of(r->a, o);
    JSON_EACH(taint, json_path(tree_of(r->a, node), "spec.taints")) {
        bool tolerated;
        int64_t s;
        wall_time added = {t->since_ns};

        if (!str_is(json_get_str(taint, "effect"), "NoExecute"))
            continue;
        time_of(json_findz(taint, "timeAdded"), &added);
        s = patience_s(json_path(pod, "spec.tolerations"), taint, &tolerated);
        if (s != INT64_MAX)
            due_ns = MIN(due_ns, tolerated ? added.ns + s * NS_PER_S : 0);
    }
    if (due_ns == INT64_MAX) {
        stay(r, pod, t);
    } else if (due_ns <= r->now.ns) {
        if (!due_ns) /* at once: what was set for later is void */
            stay(r, pod, t);
        t->is_to_go = false;
        evict(r, o, pod);
    } else {
        t->is_to_go = true;
        plan_requeue(&r->plan, due_ns - r->now.ns);
    }
}

static bool wake_pod(void *ctx, const struct obj *o)
{
    wake(ctx, o->key.ns, o->key.name);
    return true;
}

static void node_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    CLEANUP(arena) struct arena *a = NULL;

    if (!obj ||
        (str_find(obj->data, S("NoExecute")) < 0 &&
         (!prev || str_find(prev->data, S("NoExecute")) < 0)) ||
        (prev && str_eq(client_text_find(obj->data, "spec.taints"),
                        client_text_find(prev->data, "spec.taints"))))
        return;
    a = arena_new();
    informer_each_indexed(controller_cache(c, K_PODS), index_node(a, obj->key.name), wake_pod, c);
}

static void pod_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    const struct obj *node;
    struct pod p;

    if (!obj) {
        forget(controller_state(c), prev->uid);
        return;
    }
    pod_read(obj, &p);
    node = p.node.n ? informer_find(controller_cache(c, K_NODES), STR_NONE, p.node) : NULL;
    if (node && str_find(node->data, S("NoExecute")) >= 0)
        wake(c, obj->key.ns, obj->key.name);
}

static void *state_new(struct controller *c)
{
    struct map *seen = NEW(struct map);

    (void)c;
    map_init(seen);
    return seen;
}

static void state_free(void *state)
{
    struct map *seen = state;

    MAP_EACH(e, seen)
        mem_free(e->value);
    map_fini(seen);
    mem_free(seen);
}

static const struct trigger triggers[] = {{K_NODES, node_changed}, {K_PODS, pod_changed}};

const struct controller_type taint_eviction_controller = {
    .name = "taint-eviction",
    .component = "taint-eviction-controller",
    .primary = K_N,
    .triggers = triggers,
    .n_triggers = ARRAY_LEN(triggers),
    .reconcile = reconcile,
    .state_new = state_new,
    .state_free = state_free,
};
