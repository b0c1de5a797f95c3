/* daemonset.c - one pod on each node that fits.
 *
 * The controller picks the nodes; the scheduler binds each pod to the node that its affinity names.
 * Daemon pods tolerate what a node's own troubles taint it with, since they are often what mends
 * them.
 *
 * API: https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/ */
#include "controllers/node_match.h"

#include <inttypes.h>

#define REVISION_LABEL "controller-revision-hash"
#define GENERATION_LABEL "pod-template-generation"
#define BURST 250
#define FAILED_PAUSE_S 1 /* before a failed pod's successor */

static const struct {
    const char *key, *effect;
    bool host_network_only;
} default_tolerations[] = {
    {"node.kubernetes.io/not-ready", "NoExecute", false},
    {"node.kubernetes.io/unreachable", "NoExecute", false},
    {"node.kubernetes.io/disk-pressure", "NoSchedule", false},
    {"node.kubernetes.io/memory-pressure", "NoSchedule", false},
    {"node.kubernetes.io/pid-pressure", "NoSchedule", false},
    {"node.kubernetes.io/unschedulable", "NoSchedule", false},
    {"node.kubernetes.io/network-unavailable", "NoSchedule", true},
};

struct daemon {
    struct reconcile *r;
    struct json *tree, *status;
    struct json *pod; /* the next pod, with default tolerations, without its node */
    str hash, generation;
    int64_t min_ready_s, max_unavailable, max_surge;
    bool rolling;
    struct map by_node; /* node -> struct node_pods */
    struct node_pods *first, **last;
    uint32_t steps;
    int64_t desired, current, misscheduled, ready, available, updated;
    int64_t unavailable_now;
    struct history history;
};
struct node_pods {
    struct node_pods *next;
    str node;
    struct pod *pods;
    uint32_t n, cap;
    const struct obj *node_obj;
    bool should_run, should_continue;
};

static struct node_pods *node_get(struct daemon *d, str node)
{
    struct node_pods *np = map_find(&d->by_node, node);

    if (!np) {
        np = ARENA_NEW(d->r->a, struct node_pods);
        np->node = arena_dup(d->r->a, node);
        *d->last = np;
        d->last = &np->next;
        map_put(&d->by_node, node, np);
    }
    return np;
}

static bool add_pod(void *ctx, const struct obj *o)
{
    struct daemon *d = ctx;
    struct node_pods *np;
    struct pod p;

    pod_read(o, &p);
    np = node_get(d, p.node.n ? p.node : p.target_node);
    if (np->n == np->cap) {
        uint32_t cap = np->cap ? np->cap * 2 : 2;

        np->pods =
            arena_grow(d->r->a, np->pods, np->cap * sizeof *np->pods, cap * sizeof *np->pods);
        np->cap = cap;
    }
    np->pods[np->n++] = p;
    return true;
}

static bool add_node(void *ctx, const struct obj *o)
{
    struct daemon *d = ctx;
    struct node_pods *np = node_get(d, o->key.name);
    const struct json *spec = json_findz(d->pod, "spec"), *node;
    str named = json_get_str(spec, "nodeName");

    np->node_obj = o;
    if ((named.n && !str_eq(named, o->key.name)) || !node_selected(spec, o))
        return true;
    np->should_run = np->should_continue = true;
    if (str_find(o->data, S("\"taints\"")) < 0)
        return true;
    node = tree_of(d->r->a, o);
    JSON_EACH(taint, json_path(node, "spec.taints")) {
        str effect = json_get_str(taint, "effect");

        if (str_is(effect, "PreferNoSchedule") ||
            taint_tolerated(json_findz(spec, "tolerations"), taint))
            continue;
        np->should_run = false;
        if (str_is(effect, "NoExecute"))
            np->should_continue = false;
    }
    return true;
}

/* ---- the pod ---- */

static void tolerate(struct arena *a, struct json *spec)
{
    struct json *list = json_findz(spec, "tolerations");

    if (!list)
        list = json_setz(a, spec, "tolerations", json_array());
    for (size_t i = 0; i < ARRAY_LEN(default_tolerations); i++) {
        struct json t = json_object();
        bool has = false;

        if (default_tolerations[i].host_network_only && !json_get_bool(spec, "hostNetwork", false))
            continue;
        JSON_EACH(x, list)
            has |= str_is(json_get_str(x, "key"), default_tolerations[i].key) &&
                   str_is(json_get_str(x, "effect"), default_tolerations[i].effect) &&
                   str_is(json_get_str(x, "operator"), "Exists") &&
                   !json_findz(x, "tolerationSeconds");
        if (has)
            continue;
        json_setz(a, &t, "key", json_z(default_tolerations[i].key));
        json_setz(a, &t, "operator", json_z("Exists"));
        json_setz(a, &t, "effect", json_z(default_tolerations[i].effect));
        json_append(a, list, t);
    }
}

static struct json *pod_for(struct daemon *d, str node)
{
    struct arena *a = d->r->a;
    struct json *pod = json_new(a, json_copy(a, d->pod)), *spec = json_findz(pod, "spec"),
                *required, *terms;
    struct json term = json_object(), fields = json_array(), field = json_object(),
                values = json_array();

    json_append(a, &values, json_string(node));
    json_setz(a, &field, "key", json_z("metadata.name"));
    json_setz(a, &field, "operator", json_z("In"));
    json_setz(a, &field, "values", values);
    json_append(a, &fields, field);
    json_make(
        a, spec,
        "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms",
        JSON_ARRAY);
    required =
        json_path(spec, "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution");
    terms = json_findz(required, "nodeSelectorTerms");
    JSON_EACH(t, terms)
        json_setz(a, t, "matchFields", fields); /* each term still holds, on this node only */
    if (!json_count(terms)) {
        json_setz(a, &term, "matchFields", fields);
        json_append(a, terms, term);
    }
    return pod;
}

static void create_pod(struct daemon *d, str node)
{
    struct action *act;

    if (d->steps++ >= BURST)
        return;
    act = plan_create(&d->r->plan, K_PODS, d->r->ns, pod_for(d, node));
    act->flags = ACT_SLOW_START | ACT_IGNORE_TERMINATING;
    act->success =
        (struct action_event){d->tree, "Normal", "SuccessfulCreate", S("Created pod: %s")};
    act->failure =
        (struct action_event){d->tree, "Warning", "FailedCreate", S("Error creating: %s")};
}

static void delete_pod(struct daemon *d, const struct pod *p)
{
    struct action *act;

    if (p->deleting || d->steps++ >= BURST)
        return;
    act = plan_delete(&d->r->plan, K_PODS, p->obj);
    act->success = (struct action_event){
        d->tree, "Normal", "SuccessfulDelete",
        arena_fmt(d->r->a, "Deleted pod: " PRI_STR, STR_ARG(p->obj->key.name))};
    act->failure =
        (struct action_event){d->tree, "Warning", "FailedDelete", S("Error deleting: %s")};
}

static bool is_current(const struct daemon *d, const struct pod *p)
{
    return str_eq(p->revision, d->hash);
}

static bool is_available(const struct daemon *d, const struct pod *p)
{
    return pod_is_active(p) && pod_is_available(p, d->min_ready_s, d->r->now);
}

/* ---- one node ---- */

static int by_age(const void *pa, const void *pb, void *ctx)
{
    const struct pod *a = pa, *b = pb;

    if ((a->node.n > 0) != (b->node.n > 0))
        return a->node.n ? -1 : 1;
    if (a->created_s != b->created_s)
        return a->created_s < b->created_s ? -1 : 1;
    return str_cmp(a->obj->key.name, b->obj->key.name);
}

static void manage_node(struct daemon *d, struct node_pods *np)
{
    const struct pod *newest_kept = NULL;
    uint32_t kept = 0;

    if (!np->should_continue) {
        for (uint32_t i = 0; i < np->n; i++)
            delete_pod(d, &np->pods[i]);
        return;
    }
    if (np->n > 1)
        sort_with(np->pods, np->n, sizeof *np->pods, by_age, NULL);
    for (uint32_t i = 0; i < np->n; i++) {
        const struct pod *p = &np->pods[i];

        if (p->deleting) {
            kept += !d->max_surge; /* the place is still taken */
            continue;
        }
        if (p->phase == POD_FAILED || p->phase == POD_SUCCEEDED) {
            /* A pod that fails at once must not make a busy loop of us. */
            int64_t since_ns = d->r->now.ns - MAX(p->created_s, p->finished_s) * NS_PER_S;

            kept++;
            if (since_ns < FAILED_PAUSE_S * NS_PER_S) {
                plan_requeue(&d->r->plan, FAILED_PAUSE_S * NS_PER_S - since_ns);
                continue;
            }
            plan_event(&d->r->plan, d->tree, p->phase == POD_FAILED ? "Warning" : "Normal",
                       p->phase == POD_FAILED ? "FailedDaemonPod" : "SucceededDaemonPod",
                       "Found %s daemon pod " PRI_STR "/" PRI_STR " on node " PRI_STR
                       ", will try to %s it",
                       p->phase == POD_FAILED ? "failed" : "succeeded", STR_ARG(d->r->ns),
                       STR_ARG(p->obj->key.name), STR_ARG(np->node),
                       p->phase == POD_FAILED ? "kill" : "delete");
            delete_pod(d, p);
            continue;
        }
        if (newest_kept && !(d->max_surge && is_current(d, p) != is_current(d, newest_kept))) {
            delete_pod(d, p);
            continue;
        }
        newest_kept = p;
        kept++;
    }
    if (!kept && np->should_run)
        create_pod(d, np->node);
}

/* ---- rolling update ---- */

static void count_unavailable(struct daemon *d)
{
    for (struct node_pods *np = d->first; np; np = np->next) {
        bool any = false;

        if (!np->should_run)
            continue;
        for (uint32_t i = 0; i < np->n; i++)
            any |= is_available(d, &np->pods[i]);
        d->unavailable_now += !any;
    }
}

static void roll(struct daemon *d)
{
    int64_t budget;

    count_unavailable(d);
    budget = d->max_unavailable - d->unavailable_now;
    for (int pass = 0; pass < 2; pass++)
        for (struct node_pods *np = d->first; np; np = np->next) {
            bool has_new = false;

            if (!np->should_continue)
                continue;
            for (uint32_t i = 0; i < np->n; i++)
                has_new |= pod_is_active(&np->pods[i]) && is_current(d, &np->pods[i]);
            for (uint32_t i = 0; i < np->n && !has_new; i++) {
                const struct pod *p = &np->pods[i];
                bool available = is_available(d, p);

                if (!pod_is_active(p) || is_current(d, p) || available != (bool)pass)
                    continue;
                /* One that is not available anyway costs nothing to replace. */
                if (available && budget-- <= 0)
                    return;
                delete_pod(d, p);
            }
        }
}

/* With surge, the new pod comes first and the old one goes when it is available. */
static void roll_surging(struct daemon *d)
{
    int64_t budget = d->max_surge;

    for (struct node_pods *np = d->first; np; np = np->next) {
        const struct pod *old = NULL, *fresh = NULL;

        for (uint32_t i = 0; i < np->n; i++)
            if (pod_is_active(&np->pods[i])) {
                if (is_current(d, &np->pods[i]))
                    fresh = &np->pods[i];
                else
                    old = &np->pods[i];
            }
        if (!old || !np->should_continue)
            continue;
        if (!is_available(d, old)) {
            delete_pod(d, old);
        } else if (fresh) {
            budget--;
            if (is_available(d, fresh))
                delete_pod(d, old);
        } else if (np->should_run && budget-- > 0) {
            create_pod(d, np->node);
        }
    }
}

/* ---- status ---- */

static void report(struct daemon *d, const struct json *before)
{
    static const struct {
        const char *name;
        size_t at;
        bool always;
    } numbers[] = {
        {"currentNumberScheduled", offsetof(struct daemon, current), true},
        {"numberMisscheduled", offsetof(struct daemon, misscheduled), true},
        {"desiredNumberScheduled", offsetof(struct daemon, desired), true},
        {"numberReady", offsetof(struct daemon, ready), true},
        {"updatedNumberScheduled", offsetof(struct daemon, updated), false},
        {"numberAvailable", offsetof(struct daemon, available), false},
    };
    struct arena *a = d->r->a;

    for (struct node_pods *np = d->first; np; np = np->next) {
        const struct pod *oldest = NULL;

        for (uint32_t i = 0; i < np->n; i++)
            if (!oldest || np->pods[i].created_s < oldest->created_s)
                oldest = &np->pods[i];
        if (!np->should_run) {
            d->misscheduled += np->n > 0 && np->node_obj;
            continue;
        }
        d->desired++;
        if (!oldest)
            continue;
        d->current++;
        for (uint32_t i = 0; i < np->n; i++)
            if (np->pods[i].ready && pod_is_active(&np->pods[i])) {
                oldest = &np->pods[i];
                d->ready++;
                d->available += is_available(d, oldest);
                break;
            }
        for (uint32_t i = 0; i < np->n; i++)
            if (is_current(d, &np->pods[i])) {
                d->updated++;
                break;
            }
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        int64_t n = *(int64_t *)((char *)d + numbers[i].at);

        if (n || numbers[i].always)
            json_setz(a, d->status, numbers[i].name, json_int(n));
        else
            json_removez(d->status, numbers[i].name);
    }
    if (d->desired > d->available)
        json_setz(a, d->status, "numberUnavailable", json_int(d->desired - d->available));
    else
        json_removez(d->status, "numberUnavailable");
    json_setz(a, d->status, "observedGeneration",
              json_int(json_get_int(d->tree, "metadata.generation", 0)));
    if (!json_equal(before, d->status)) {
        plan_then(&d->r->plan);
        plan_update_status(&d->r->plan, K_DAEMONSETS, d->tree);
    }
}

static void read_strategy(struct daemon *d)
{
    const struct json *rolling = json_path(d->tree, "spec.updateStrategy.rollingUpdate");
    int64_t nodes = 0;

    for (struct node_pods *np = d->first; np; np = np->next)
        nodes += np->should_run;
    d->rolling = !str_is(json_get_str(d->tree, "spec.updateStrategy.type"), "OnDelete");
    if (!int_or_percent(json_findz(rolling, "maxUnavailable"), nodes, true, &d->max_unavailable))
        d->max_unavailable = 1;
    if (!int_or_percent(json_findz(rolling, "maxSurge"), nodes, true, &d->max_surge))
        d->max_surge = 0;
    if (!d->max_surge && !d->max_unavailable)
        d->max_unavailable = 1;
}

static void prepare_pod(struct daemon *d)
{
    struct arena *a = d->r->a;

    d->pod =
        pod_from_template(a, json_path(d->tree, "spec.template"), d->tree, &kinds[K_DAEMONSETS],
                          arena_fmt(a, PRI_STR "-", STR_ARG(d->r->name)));
    meta_set(a, d->pod, "labels", S(REVISION_LABEL), d->hash);
    d->generation = meta_get(d->tree, "annotations", S("deprecated.daemonset.template.generation"));
    if (d->generation.n)
        meta_set(a, d->pod, "labels", S(GENERATION_LABEL), d->generation);
    tolerate(a, json_findz(d->pod, "spec"));
}

static void reconcile(struct reconcile *r)
{
    struct daemon d = {
        .r = r, .tree = look_tree(r, K_DAEMONSETS, r->ns, r->name), .last = &d.first};
    struct json before;

    if (!d.tree || is_deleting(d.tree))
        return;
    if (!json_count(json_path(d.tree, "spec.selector"))) {
        plan_event(&r->plan, d.tree, "Warning", "SelectingAll",
                   "This daemon set is selecting all pods. A non-empty selector is required.");
        return;
    }
    json_make(r->a, d.tree, "status", JSON_OBJECT);
    d.status = json_findz(d.tree, "status");
    before = json_copy(r->a, d.status);
    d.min_ready_s = json_get_int(d.tree, "spec.minReadySeconds", 0);
    history_sync(r, K_DAEMONSETS, d.tree, REVISION_LABEL, &d.history);
    plan_then(&r->plan);
    d.hash = d.history.update->hash;
    prepare_pod(&d);
    map_init(&d.by_node);
    informer_each_indexed(r->caches[K_PODS],
                          index_owner(r->a, json_get_str(d.tree, "metadata.uid")), add_pod, &d);
    informer_each(r->caches[K_NODES], STR_NONE, add_node, &d);
    read_strategy(&d);
    for (struct node_pods *np = d.first; np; np = np->next)
        if (np->node_obj)
            manage_node(&d, np);
    if (!d.steps && d.rolling) {
        if (d.max_surge)
            roll_surging(&d);
        else
            roll(&d);
    }
    report(&d, &before);
    {
        str *live = ARENA_NEW_N(r->a, str, d.by_node.n + 1);
        size_t n = 0;

        for (struct node_pods *np = d.first; np; np = np->next)
            if (np->n)
                live[n++] = np->pods[0].revision;
        history_truncate(r, d.tree, &d.history, live, n);
    }
    map_fini(&d.by_node);
}

static void owned_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    wake_owner(c, &kinds[K_DAEMONSETS], obj, prev);
}

static bool wake_each(void *ctx, const struct obj *o)
{
    wake(ctx, o->key.ns, o->key.name);
    return true;
}

/* Heartbeats change a node all the time; only labels and taints decide where daemons run. */
static void node_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    if (obj && prev && str_eq(obj->labels, prev->labels) &&
        str_eq(client_text_find(obj->data, "spec"), client_text_find(prev->data, "spec")))
        return;
    informer_each(controller_cache(c, K_DAEMONSETS), STR_NONE, wake_each, c);
}

static const struct trigger triggers[] = {
    {K_PODS, owned_changed}, {K_CONTROLLERREVISIONS, owned_changed}, {K_NODES, node_changed}};

const struct controller_type daemonset_controller = {
    .name = "daemonset",
    .component = "daemonset-controller",
    .primary = K_DAEMONSETS,
    .triggers = triggers,
    .n_triggers = ARRAY_LEN(triggers),
    .reconcile = reconcile,
};
