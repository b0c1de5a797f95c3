/* replicaset.c - as many pods as a ReplicaSet or a ReplicationController asks for.
 *
 * Both kinds are one machine; they differ in names and in how a selector is spelled.
 *
 * A turn: claim pods (adopt orphans that match, release owned ones that no longer do), create or
 * delete what is missing or too much, report status. Counting again before the last creations are
 * visible is prevented by the framework.
 *
 * API: https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#how-a-replicaset-works
 */
#include "controllers/controllers_internal.h"

#include <inttypes.h>
#include <math.h>

#define BURST 500 /* pods created or deleted per turn */

struct flavour {
    enum kind_id kind;
    bool map_selector; /* a plain map instead of matchLabels/matchExpressions */
};

struct rs_view {
    const struct flavour *flavour;
    struct json *rs; /* fresh tree */
    const struct obj *obj;
    struct selector selector;
    int64_t replicas, min_ready_s;
    struct pod *pods; /* claimed and active */
    uint32_t n, cap, n_terminating;
    struct reconcile *r;
    str uid;
};

static struct json patch_owner_add(struct reconcile *r, const struct kind *k,
                                   const struct json *owner, str uid)
{
    struct json patch = json_object(), meta = json_object(), refs = json_array();

    json_append(r->a, &refs, controller_reference(r->a, k, owner));
    json_setz(r->a, &meta, "ownerReferences", refs);
    json_setz(r->a, &meta, "uid", json_string(uid));
    json_setz(r->a, &patch, "metadata", meta);
    return patch;
}

static struct json patch_owner_remove(struct reconcile *r, str owner, str uid)
{
    struct json patch = json_object(), meta = json_object(), refs = json_array(),
                ref = json_object();

    json_setz(r->a, &ref, "$patch", json_z("delete"));
    json_setz(r->a, &ref, "uid", json_string(owner));
    json_append(r->a, &refs, ref);
    json_setz(r->a, &meta, "uid", json_string(uid));
    json_setz(r->a, &meta, "ownerReferences", refs);
    json_setz(r->a, &patch, "metadata", meta);
    return patch;
}

struct action *plan_adopt(struct reconcile *r, enum kind_id k, const struct obj *o,
                          enum kind_id owner_kind, const struct json *owner)
{
    struct json *patch = json_new(r->a, patch_owner_add(r, &kinds[owner_kind], owner, o->uid));

    struct action *act =
        plan_patch(&r->plan, &kinds[k], o->key.ns, o->key.name, STR_NONE, PATCH_STRATEGIC, patch);

    act->flags |= ACT_IGNORE_NOT_FOUND;
    return act;
}

struct action *plan_release(struct reconcile *r, enum kind_id k, const struct obj *o, str owner)
{
    struct json *patch = json_new(r->a, patch_owner_remove(r, owner, o->uid));

    struct action *act =
        plan_patch(&r->plan, &kinds[k], o->key.ns, o->key.name, STR_NONE, PATCH_STRATEGIC, patch);

    act->flags |= ACT_IGNORE_NOT_FOUND;
    return act;
}

static void view_add(struct rs_view *v, const struct pod *p)
{
    if (v->n == v->cap) {
        uint32_t cap = v->cap ? v->cap * 2 : 16;

        v->pods = arena_grow(v->r->a, v->pods, v->cap * sizeof *v->pods, cap * sizeof *v->pods);
        v->cap = cap;
    }
    v->pods[v->n++] = *p;
}

static bool claim_owned(void *ctx, const struct obj *o)
{
    struct rs_view *v = ctx;
    struct pod p;

    pod_read(o, &p);
    if (!pod_is_active(&p)) {
        v->n_terminating += p.deleting && p.phase != POD_SUCCEEDED && p.phase != POD_FAILED;
        return true;
    }
    if (selector_matches_packed(&v->selector, o->labels))
        view_add(v, &p);
    else if (!is_deleting(v->rs))
        plan_release(v->r, K_PODS, o, v->uid);
    return true;
}

static bool claim_orphan(void *ctx, const struct obj *o)
{
    struct rs_view *v = ctx;
    struct pod p;

    if (!selector_matches_packed(&v->selector, o->labels))
        return true;
    pod_read(o, &p);
    if (!pod_is_active(&p))
        return true;
    plan_adopt(v->r, K_PODS, o, v->flavour->kind, v->rs);
    view_add(v, &p);
    return true;
}

/* ---- which pods go first (sort.Interface of ActivePodsWithRanks) ---- */

struct ranked {
    struct pod pod;
    uint32_t rank; /* pods of the same owner's family on the same node */
};

static int log_rank_diff(int64_t a_s, int64_t b_s, int64_t now_s)
{
    int64_t da = now_s - a_s, db = now_s - b_s;
    int ra = da > 0 ? (int)log2((double)da * 1e9) : -1,
        rb = db > 0 ? (int)log2((double)db * 1e9) : -1;

    return ra - rb;
}

/* Younger first, but by orders of magnitude only, so that age alone does not empty one zone. */
static int younger_first(int64_t a_s, int64_t b_s, int64_t now_s, const struct obj *a,
                         const struct obj *b)
{
    int d;

    if (a_s == b_s)
        return 0;
    if (!a_s || !b_s)
        return a_s ? 1 : -1;
    d = log_rank_diff(a_s, b_s, now_s);
    return d ? d : str_cmp(a->uid, b->uid);
}

static int compare_for_deletion(const void *pa, const void *pb, void *ctx)
{
    static const int phase_order[] = {[POD_PENDING] = 0,
                                      [POD_UNKNOWN] = 1,
                                      [POD_RUNNING] = 2,
                                      [POD_SUCCEEDED] = 2,
                                      [POD_FAILED] = 2};
    const struct ranked *a = pa, *b = pb;
    int64_t now_s = *(int64_t *)ctx;
    int d;

    if ((a->pod.node.n == 0) != (b->pod.node.n == 0))
        return a->pod.node.n == 0 ? -1 : 1;
    if (phase_order[a->pod.phase] != phase_order[b->pod.phase])
        return phase_order[a->pod.phase] - phase_order[b->pod.phase];
    if (a->pod.ready != b->pod.ready)
        return a->pod.ready ? 1 : -1;
    if (a->pod.deletion_cost != b->pod.deletion_cost)
        return a->pod.deletion_cost < b->pod.deletion_cost ? -1 : 1;
    if (a->rank != b->rank)
        return a->rank > b->rank ? -1 : 1;
    if (a->pod.ready) {
        d = younger_first(a->pod.ready_since_s, b->pod.ready_since_s, now_s, a->pod.obj,
                          b->pod.obj);
        if (d)
            return d;
    }
    if (a->pod.restarts != b->pod.restarts)
        return a->pod.restarts > b->pod.restarts ? -1 : 1;
    d = younger_first(a->pod.created_s, b->pod.created_s, now_s, a->pod.obj, b->pod.obj);
    return d ? d : str_cmp(a->pod.obj->key.name, b->pod.obj->key.name);
}

static bool count_node(void *ctx, const struct obj *o)
{
    struct map *nodes = ctx;
    struct pod p;

    pod_read(o, &p);
    if (pod_is_active(&p) && p.node.n)
        map_put(nodes, p.node, (void *)((uintptr_t)map_find(nodes, p.node) + 1));
    return true;
}

struct siblings {
    struct rs_view *v;
    struct map *nodes;
    bool any;
};

static bool count_sibling(void *ctx, const struct obj *o)
{
    struct siblings *s = ctx;

    s->any = true;
    informer_each_indexed(s->v->r->caches[K_PODS], index_owner(s->v->r->a, o->uid), count_node,
                          s->nodes);
    return true;
}

static void delete_pods(struct rs_view *v, uint32_t n)
{
    struct ranked *ranked = ARENA_NEW_N(v->r->a, struct ranked, v->n);
    int64_t now_s = v->r->now.ns / NS_PER_S;
    str grand_owner = owner_uid(v->rs);
    struct map nodes;
    struct siblings s = {.v = v, .nodes = &nodes};

    map_init(&nodes);
    /* ReplicaSets of one Deployment rank together: a node with old and new pods is relieved first.
     */
    if (grand_owner.n)
        informer_each_indexed(v->r->caches[v->flavour->kind], index_owner(v->r->a, grand_owner),
                              count_sibling, &s);
    if (!s.any)
        informer_each_indexed(v->r->caches[K_PODS], index_owner(v->r->a, v->uid), count_node,
                              &nodes);
    for (uint32_t i = 0; i < v->n; i++)
        ranked[i] =
            (struct ranked){v->pods[i], (uint32_t)(uintptr_t)map_find(&nodes, v->pods[i].node)};
    map_fini(&nodes);
    if (n < v->n)
        sort_with(ranked, v->n, sizeof *ranked, compare_for_deletion, &now_s);
    for (uint32_t i = 0; i < n; i++) {
        const struct obj *o = ranked[i].pod.obj;
        struct action *act = plan_delete(&v->r->plan, K_PODS, o);

        act->flags |= ACT_PUSH_FAILURE;
        act->success = (struct action_event){
            v->rs, "Normal", "SuccessfulDelete",
            arena_fmt(v->r->a, "Deleted pod: " PRI_STR, STR_ARG(o->key.name))};
        act->failure =
            (struct action_event){v->rs, "Warning", "FailedDelete", S("Error deleting: %s")};
    }
}

static void create_pods(struct rs_view *v, uint32_t n)
{
    str name = json_get_str(v->rs, "metadata.name");
    struct json *pod =
        pod_from_template(v->r->a, json_path(v->rs, "spec.template"), v->rs,
                          &kinds[v->flavour->kind], arena_fmt(v->r->a, PRI_STR "-", STR_ARG(name)));

    for (uint32_t i = 0; i < n; i++) {
        struct action *act = plan_create(&v->r->plan, K_PODS, v->r->ns, pod);

        act->flags = ACT_SLOW_START | ACT_PUSH_FAILURE | ACT_IGNORE_TERMINATING;
        act->success =
            (struct action_event){v->rs, "Normal", "SuccessfulCreate", S("Created pod: %s")};
        act->failure =
            (struct action_event){v->rs, "Warning", "FailedCreate", S("Error creating: %s")};
    }
}

/* ---- status ---- */

static void set_count(struct arena *a, struct json *status, const char *name, int64_t n)
{
    if (n)
        json_setz(a, status, name, json_int(n));
    else
        json_removez(status, name);
}

static void failure_condition(struct rs_view *v, struct json *status, int64_t missing)
{
    struct json *conditions = json_findz(status, "conditions"), cond = json_object();
    struct arena *a = v->r->a;

    if (!v->r->failure.p) {
        for (uint32_t i = json_count(conditions); i-- > 0;)
            if (str_is(json_get_str(json_item(conditions, i), "type"), "ReplicaFailure"))
                json_remove_item(conditions, i);
        if (conditions && !json_count(conditions))
            json_removez(status, "conditions");
        return;
    }
    if (condition_find(conditions, "ReplicaFailure"))
        return;
    json_setz(a, &cond, "type", json_z("ReplicaFailure"));
    json_setz(a, &cond, "status", json_z("True"));
    json_setz(a, &cond, "lastTransitionTime", time_json(a, v->r->now));
    json_setz(a, &cond, "reason", json_z(missing < 0 ? "FailedDelete" : "FailedCreate"));
    json_setz(a, &cond, "message", json_string(v->r->failure));
    if (!conditions)
        conditions = json_setz(a, status, "conditions", json_array());
    json_append(a, conditions, cond);
}

static void report(struct rs_view *v, int64_t missing)
{
    const struct json *labels = json_path(v->rs, "spec.template.metadata.labels");
    struct json *status = json_make(v->r->a, v->rs, "status", JSON_OBJECT);
    struct json before = json_copy(v->r->a, status);
    int64_t labelled = 0, ready = 0, available = 0, next_available_s = INT64_MAX;
    struct selector template_selector = {0};
    struct json wanted = json_object();
    struct err *err;

    json_setz(v->r->a, &wanted, "matchLabels", labels ? *labels : json_object());
    err = selector_from_object(v->r->a, &wanted, &template_selector);
    for (uint32_t i = 0; i < v->n; i++) {
        const struct pod *p = &v->pods[i];

        labelled += !err && selector_matches_packed(&template_selector, p->obj->labels);
        ready += p->ready;
        if (pod_is_available(p, v->min_ready_s, v->r->now))
            available++;
        else if (p->ready)
            next_available_s = MIN(next_available_s, p->ready_since_s + v->min_ready_s);
    }
    err_free(err);
    json_setz(v->r->a, status, "replicas", json_int(v->n));
    set_count(v->r->a, status, "fullyLabeledReplicas", labelled);
    set_count(v->r->a, status, "readyReplicas", ready);
    set_count(v->r->a, status, "availableReplicas", available);
    if (!v->flavour->map_selector)
        json_setz(v->r->a, status, "terminatingReplicas", json_int(v->n_terminating));
    set_count(v->r->a, status, "observedGeneration", json_get_int(v->rs, "metadata.generation", 0));
    failure_condition(v, status, missing);
    if (!json_equal(&before, status)) {
        plan_then(&v->r->plan);
        plan_update_status(&v->r->plan, v->flavour->kind, v->rs);
    }
    if (next_available_s != INT64_MAX)
        plan_requeue(&v->r->plan, (next_available_s + 1) * NS_PER_S - v->r->now.ns);
}

static struct err *read_selector(struct arena *a, const struct flavour *f,
                                 const struct json *selector, struct selector *ret)
{
    struct json wrapped = json_object();

    if (!f->map_selector)
        return selector_from_object(a, selector, ret);
    if (!json_count(selector)) {
        *ret = (struct selector){.nothing = true};
        return NULL;
    }
    json_setz(a, &wrapped, "matchLabels", *selector);
    return selector_from_object(a, json_new(a, wrapped), ret);
}

static void reconcile(struct reconcile *r, const struct flavour *f)
{
    struct rs_view v = {.flavour = f, .r = r};
    struct err *err;
    int64_t missing;

    v.obj = look_up(r, f->kind, r->ns, r->name);
    if (!v.obj)
        return;
    v.rs = tree_of(r->a, v.obj);
    v.uid = v.obj->uid;
    v.replicas = json_get_int(v.rs, "spec.replicas", 1);
    v.min_ready_s = json_get_int(v.rs, "spec.minReadySeconds", 0);
    err = read_selector(r->a, f, json_path(v.rs, "spec.selector"), &v.selector);
    if (err) {
        /* The API refuses such an object; nothing but a later update can help. */
        err_free(err);
        return;
    }
    informer_each_indexed(r->caches[K_PODS], index_owner(r->a, v.uid), claim_owned, &v);
    if (!is_deleting(v.rs))
        informer_each_indexed(r->caches[K_PODS], index_orphans(r->a, r->ns), claim_orphan, &v);
    missing = v.replicas - v.n;
    if (!is_deleting(v.rs)) {
        if (missing > 0)
            create_pods(&v, (uint32_t)MIN(missing, (int64_t)BURST));
        else if (missing < 0)
            delete_pods(&v, (uint32_t)MIN(-missing, (int64_t)BURST));
    }
    report(&v, missing);
}

/* ---- what wakes one ---- */

struct match {
    struct controller *c;
    const struct obj *pod;
    const struct flavour *f;
};

static bool wake_if_selected(void *ctx, const struct obj *rs)
{
    struct match *m = ctx;
    CLEANUP(arena) struct arena *a = arena_new();
    struct selector s = {0};
    struct err *err = read_selector(a, m->f, packed_selector(a, rs), &s);

    if (!err && !s.nothing && selector_matches_packed(&s, m->pod->labels))
        wake(m->c, rs->key.ns, rs->key.name);
    err_free(err);
    return true;
}

static void pod_changed(struct controller *c, const struct obj *obj, const struct obj *prev,
                        const struct flavour *f)
{
    struct pod p;

    wake_owner(c, &kinds[f->kind], obj, prev);
    if (!obj)
        return;
    pod_read(obj, &p);
    if (!p.owner_uid.n && pod_is_active(&p))
        informer_each(controller_cache(c, f->kind), obj->key.ns, wake_if_selected,
                      &(struct match){c, obj, f});
}

static const struct flavour replicaset = {K_REPLICASETS, false},
                            replicationcontroller = {K_REPLICATIONCONTROLLERS, true};

static void rs_reconcile(struct reconcile *r)
{
    reconcile(r, &replicaset);
}

static void rc_reconcile(struct reconcile *r)
{
    reconcile(r, &replicationcontroller);
}

static void rs_pod_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    pod_changed(c, obj, prev, &replicaset);
}

static void rc_pod_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    pod_changed(c, obj, prev, &replicationcontroller);
}

static const struct trigger rs_triggers[] = {{K_PODS, rs_pod_changed}},
                            rc_triggers[] = {{K_PODS, rc_pod_changed}};

const struct controller_type replicaset_controller = {
    .name = "replicaset",
    .component = "replicaset-controller",
    .primary = K_REPLICASETS,
    .triggers = rs_triggers,
    .n_triggers = ARRAY_LEN(rs_triggers),
    .reconcile = rs_reconcile,
};
const struct controller_type replicationcontroller_controller = {
    .name = "replicationcontroller",
    .component = "replication-controller",
    .primary = K_REPLICATIONCONTROLLERS,
    .triggers = rc_triggers,
    .n_triggers = ARRAY_LEN(rc_triggers),
    .reconcile = rc_reconcile,
};
