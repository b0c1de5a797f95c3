/* deployment.c - one Deployment, its ReplicaSets, and the way from the old ones to the new one.
 *
 * The new ReplicaSet is the one whose template equals the Deployment's; all others are old. A turn
 * makes one move and reports; ReplicaSets that change wake the next turn. Sizes are changed in the
 * trees of this turn as well, so that later steps of the same turn count with them, as Kubernetes
 * does.
 *
 * Not here: rollout strategies' moves (deployment_rollout.c), conditions and counts
 * (deployment_status.c). API: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/
 */
#include "controllers/deployment.h"

#include <inttypes.h>

static const char *const annotations_not_copied[] = {
    "kubectl.kubernetes.io/last-applied-configuration",
    ANNOTATION_REVISION,
    ANNOTATION_REVISION_HISTORY,
    ANNOTATION_DESIRED,
    ANNOTATION_MAX,
    "deprecated.deployment.rollback.to",
};
#define REVISION_HISTORY_CHARS 2000

/* ---- reading ---- */

int64_t rs_replicas(const struct rs *rs)
{
    return json_get_int(rs->tree, "spec.replicas", 0);
}

int64_t rs_available(const struct rs *rs)
{
    return json_get_int(rs->tree, "status.availableReplicas", 0);
}

int64_t rs_revision(const struct rs *rs)
{
    int64_t v = 0;

    str_to_int64(meta_get(rs->tree, "annotations", S(ANNOTATION_REVISION)), &v);
    return v;
}

int64_t max_surge(const struct deployment *d)
{
    return d->rolling ? d->surge : 0;
}

int64_t max_unavailable(const struct deployment *d)
{
    if (!d->rolling || !d->replicas)
        return 0;
    return MIN(d->unavailable, d->replicas);
}

static void resolve_fenceposts(struct deployment *d)
{
    const struct json *rolling = json_path(d->tree, "spec.strategy.rollingUpdate");

    d->rolling = !str_is(json_get_str(d->tree, "spec.strategy.type"), "Recreate");
    if (!d->rolling)
        return;
    if (!int_or_percent(json_findz(rolling, "maxSurge"), d->replicas, true, &d->surge))
        d->surge = 0;
    if (!int_or_percent(json_findz(rolling, "maxUnavailable"), d->replicas, false, &d->unavailable))
        d->unavailable = 0;
    if (!d->surge && !d->unavailable)
        d->unavailable = 1; /* validation forbids 0 and 0; percentages may round to it */
}

bool has_progress_deadline(const struct deployment *d)
{
    int64_t s = json_get_int(d->tree, "spec.progressDeadlineSeconds", INT32_MAX);

    return s != INT32_MAX;
}

static bool templates_equal(struct arena *a, const struct json *x, const struct json *y)
{
    struct json cx = json_share(a, x), cy = json_share(a, y);
    struct json *both[] = {&cx, &cy};

    for (size_t i = 0; i < 2; i++) {
        struct json *meta = json_findz(both[i], "metadata"), *labels = json_findz(meta, "labels");

        json_removez(labels, LABEL_HASH);
        if (labels && !json_count(labels))
            json_removez(meta, "labels");
        json_removez(meta, "creationTimestamp");
    }
    return json_equal(&cx, &cy);
}

static int by_creation(const void *pa, const void *pb, void *ctx)
{
    const struct rs *a = pa, *b = pb;

    if (a->created_s != b->created_s)
        return a->created_s < b->created_s ? -1 : 1;
    return str_cmp(json_get_str(a->tree, "metadata.name"), json_get_str(b->tree, "metadata.name"));
}

void sort_by_creation(struct rs **list, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t k = i; k && by_creation(list[k - 1], list[k], NULL) > 0; k--) {
            struct rs *t = list[k];

            list[k] = list[k - 1];
            list[k - 1] = t;
        }
}

struct claim {
    struct deployment *d;
    struct selector selector;
};

static void add_rs(struct deployment *d, const struct obj *o)
{
    struct rs *rs;
    wall_time t = {0};

    if (d->n == d->cap) {
        uint32_t cap = d->cap ? d->cap * 2 : 8;

        d->all = arena_grow(d->r->a, d->all, d->cap * sizeof *d->all, cap * sizeof *d->all);
        d->cap = cap;
    }
    rs = &d->all[d->n++];
    *rs = (struct rs){.obj = o, .tree = tree_of(d->r->a, o)};
    time_of(json_path(rs->tree, "metadata.creationTimestamp"), &t);
    rs->created_s = t.ns / NS_PER_S;
}

static bool claim_owned(void *ctx, const struct obj *o)
{
    struct claim *c = ctx;

    if (selector_matches_packed(&c->selector, o->labels))
        add_rs(c->d, o);
    else if (!is_deleting(c->d->tree))
        plan_release(c->d->r, K_REPLICASETS, o, c->d->uid);
    return true;
}

static bool claim_orphan(void *ctx, const struct obj *o)
{
    struct claim *c = ctx;

    if (!selector_matches_packed(&c->selector, o->labels) ||
        client_text_find(o->data, "metadata.deletionTimestamp").n)
        return true;
    plan_adopt(c->d->r, K_REPLICASETS, o, K_DEPLOYMENTS, c->d->tree);
    add_rs(c->d, o);
    return true;
}

static void find_new_and_old(struct deployment *d)
{
    const struct json *template = json_path(d->tree, "spec.template");

    sort_with(d->all, d->n, sizeof *d->all, by_creation, NULL);
    d->old = ARENA_NEW_N(d->r->a, struct rs *, d->n + 1);
    for (uint32_t i = 0; i < d->n; i++) {
        struct rs *rs = &d->all[i];

        if (!d->new_rs && templates_equal(d->r->a, json_path(rs->tree, "spec.template"), template))
            d->new_rs = rs;
        else
            d->old[d->n_old++] = rs;
    }
}

/* ---- changing a ReplicaSet: at most one request per turn for each ---- */

static void rs_touch(struct deployment *d, struct rs *rs)
{
    if (rs->action)
        return;
    rs->action = rs->obj ? plan_update(&d->r->plan, K_REPLICASETS, rs->tree) : NULL;
    rs->action_at = d->r->plan.n - 1;
}

static bool set_replicas_annotations(struct deployment *d, struct rs *rs)
{
    bool changed = meta_set(d->r->a, rs->tree, "annotations", S(ANNOTATION_DESIRED),
                            arena_fmt(d->r->a, "%" PRId64, d->replicas));

    return meta_set(d->r->a, rs->tree, "annotations", S(ANNOTATION_MAX),
                    arena_fmt(d->r->a, "%" PRId64, d->replicas + max_surge(d))) ||
           changed;
}

bool scale_rs(struct deployment *d, struct rs *rs, int64_t replicas)
{
    int64_t old = rs_replicas(rs);
    bool annotated = set_replicas_annotations(d, rs);

    if (old == replicas && !annotated)
        return false;
    json_make(d->r->a, rs->tree, "spec.replicas", JSON_INT)->i = replicas;
    rs_touch(d, rs);
    if (old != replicas) {
        struct action_event *e = &d->r->plan.actions[rs->action_at].success;

        *e = (struct action_event){
            d->tree, "Normal", "ScalingReplicaSet",
            arena_fmt(d->r->a, "Scaled %s replica set " PRI_STR " from %" PRId64 " to %" PRId64,
                      old < replicas ? "up" : "down",
                      STR_ARG(json_get_str(rs->tree, "metadata.name")), old, replicas)};
        d->scaled = true;
    }
    return old != replicas;
}

/* ---- revisions ---- */

static bool is_copied(str annotation)
{
    for (size_t i = 0; i < ARRAY_LEN(annotations_not_copied); i++)
        if (str_is(annotation, annotations_not_copied[i]))
            return false;
    return true;
}

static void remember_revision(struct arena *a, struct rs *rs, str old)
{
    str history = meta_get(rs->tree, "annotations", S(ANNOTATION_REVISION_HISTORY)), head;

    while (history.n && history.n + old.n + 1 > REVISION_HISTORY_CHARS &&
           str_cut(&history, ',', &head))
        ;
    meta_set(a, rs->tree, "annotations", S(ANNOTATION_REVISION_HISTORY),
             history.n ? arena_fmt(a, PRI_STR "," PRI_STR, STR_ARG(history), STR_ARG(old)) : old);
}

static bool annotate_new_rs(struct deployment *d, struct rs *rs, int64_t revision, bool exists)
{
    struct arena *a = d->r->a;
    str old = meta_get(rs->tree, "annotations", S(ANNOTATION_REVISION));
    bool changed = false;

    JSON_EACH_MEMBER(m, json_path(d->tree, "metadata.annotations"))
        if (is_copied(m->key))
            changed |= meta_set(a, rs->tree, "annotations", m->key, json_str(&m->value));
    if (rs_revision(rs) < revision) {
        if (old.n)
            remember_revision(a, rs, old);
        meta_set(a, rs->tree, "annotations", S(ANNOTATION_REVISION),
                 arena_fmt(a, "%" PRId64, revision));
        changed = true;
    }
    if (!exists)
        changed |= set_replicas_annotations(d, rs);
    return changed;
}

static void set_deployment_revision(struct deployment *d, str revision)
{
    if (meta_set(d->r->a, d->tree, "annotations", S(ANNOTATION_REVISION), revision))
        d->status_changed = true;
}

/* A name that is taken by another template means that two templates share a hash: count it, and try
 * the next. */
static bool name_collides(struct deployment *d, str name)
{
    const struct obj *o = look_up(d->r, K_REPLICASETS, d->r->ns, name);
    int64_t *count;

    if (!o)
        return false;
    count = &json_make(d->r->a, d->tree, "status.collisionCount", JSON_INT)->i;
    ++*count;
    d->status_changed = true;
    return true;
}

static void create_new_rs(struct deployment *d, int64_t revision)
{
    struct arena *a = d->r->a;
    const struct json *spec = json_findz(d->tree, "spec");
    str hash = template_hash(a, json_findz(spec, "template"),
                             json_get_int(d->tree, "status.collisionCount", 0));
    str name = arena_fmt(a, PRI_STR "-" PRI_STR, STR_ARG(d->r->name), STR_ARG(hash));
    struct json *tree = json_new(a, json_object()), meta = json_object(), rs_spec = json_object(),
                refs = json_array();
    struct json template = json_copy(a, json_findz(spec, "template")),
                selector = json_copy(a, json_findz(spec, "selector"));
    struct rs *rs;
    struct action *act;
    int64_t replicas;

    if (name_collides(d, name))
        return;
    json_make(a, &template, "metadata.labels", JSON_OBJECT);
    json_setz(a, json_path(&template, "metadata.labels"), LABEL_HASH, json_string(hash));
    json_make(a, &selector, "matchLabels", JSON_OBJECT);
    json_setz(a, json_findz(&selector, "matchLabels"), LABEL_HASH, json_string(hash));
    json_append(a, &refs, controller_reference(a, &kinds[K_DEPLOYMENTS], d->tree));
    json_setz(a, &meta, "name", json_string(name));
    json_setz(a, &meta, "namespace", json_string(d->r->ns));
    json_setz(a, &meta, "labels", json_copy(a, json_path(&template, "metadata.labels")));
    json_setz(a, &meta, "ownerReferences", refs);
    json_setz(a, &rs_spec, "replicas", json_int(0));
    if (json_get_int(spec, "minReadySeconds", 0))
        json_setz(a, &rs_spec, "minReadySeconds",
                  json_int(json_get_int(spec, "minReadySeconds", 0)));
    json_setz(a, &rs_spec, "selector", selector);
    json_setz(a, &rs_spec, "template", template);
    json_setz(a, tree, "kind", json_z("ReplicaSet"));
    json_setz(a, tree, "apiVersion", json_z("apps/v1"));
    json_setz(a, tree, "metadata", meta);
    json_setz(a, tree, "spec", rs_spec);

    rs = d->new_rs = ARENA_NEW(a, struct rs);
    rs->tree = tree;
    rs->created_s = d->r->now.ns / NS_PER_S;
    replicas = new_rs_size(d);
    json_make(a, tree, "spec.replicas", JSON_INT)->i = replicas;
    annotate_new_rs(d, rs, revision, false);
    act = plan_create(&d->r->plan, K_REPLICASETS, d->r->ns, tree);
    act->flags = ACT_PUSH_FAILURE | ACT_IGNORE_TERMINATING;
    act->failure = (struct action_event){
        d->tree, "Warning", "ReplicaSetCreateError",
        arena_fmt(a, "Failed to create new replica set \"" PRI_STR "\": %%s", STR_ARG(name))};
    if (replicas > 0)
        act->success = (struct action_event){
            d->tree, "Normal", "ScalingReplicaSet",
            arena_fmt(a, "Scaled up replica set " PRI_STR " from 0 to %" PRId64, STR_ARG(name),
                      replicas)};
    rs->action = act;
    rs->action_at = d->r->plan.n - 1;
    set_deployment_revision(d, arena_fmt(a, "%" PRId64, revision));
    if (has_progress_deadline(d)) {
        if (d->r->failure.p)
            set_condition(d, "Progressing", "False", "ReplicaSetCreateError", d->r->failure);
        else
            set_condition(d, "Progressing", "True", "NewReplicaSetCreated",
                          arena_fmt(a, "Created new replica set \"" PRI_STR "\"", STR_ARG(name)));
    }
}

/* Brings the new ReplicaSet's revision and annotations up to date, or creates it. */
void sync_new_rs(struct deployment *d, bool create)
{
    int64_t revision = 0;
    struct rs *rs = d->new_rs;

    for (uint32_t i = 0; i < d->n_old; i++)
        revision = MAX(revision, rs_revision(d->old[i]));
    revision++;
    if (!rs) {
        if (create)
            create_new_rs(d, revision);
        return;
    }
    if (!rs->obj)
        return;
    {
        int64_t min_ready = json_get_int(d->tree, "spec.minReadySeconds", 0);
        bool changed = annotate_new_rs(d, rs, revision, true);

        if (json_get_int(rs->tree, "spec.minReadySeconds", 0) != min_ready) {
            json_make(d->r->a, rs->tree, "spec.minReadySeconds", JSON_INT)->i = min_ready;
            changed = true;
        }
        if (changed)
            rs_touch(d, rs);
    }
    set_deployment_revision(d, meta_get(rs->tree, "annotations", S(ANNOTATION_REVISION)));
    if (has_progress_deadline(d) &&
        !condition_find(json_path(d->tree, "status.conditions"), "Progressing"))
        set_condition(d, "Progressing", "True", "FoundNewReplicaSet",
                      arena_fmt(d->r->a, "Found new replica set \"" PRI_STR "\"",
                                STR_ARG(json_get_str(rs->tree, "metadata.name"))));
}

static int by_revision(const void *pa, const void *pb, void *ctx)
{
    struct rs *const *a = pa, *const *b = pb;
    int64_t ra = rs_revision(*a), rb = rs_revision(*b);

    if (ra == rb)
        return by_creation(*a, *b, NULL);
    return ra < rb ? -1 : 1;
}

void clean_up_history(struct deployment *d)
{
    int64_t limit = json_get_int(d->tree, "spec.revisionHistoryLimit", INT32_MAX), too_many;
    struct rs **alive = ARENA_NEW_N(d->r->a, struct rs *, d->n_old + 1);
    uint32_t n = 0;

    for (uint32_t i = 0; i < d->n_old; i++)
        if (!is_deleting(d->old[i]->tree))
            alive[n++] = d->old[i];
    too_many = n - limit;
    if (limit == INT32_MAX || too_many <= 0)
        return;
    sort_with(alive, n, sizeof *alive, by_revision, NULL);
    for (int64_t i = 0; i < too_many; i++) {
        const struct json *t = alive[i]->tree;

        if (json_get_int(t, "status.replicas", 0) || rs_replicas(alive[i]) ||
            json_get_int(t, "metadata.generation", 0) >
                json_get_int(t, "status.observedGeneration", 0))
            continue;
        plan_delete(&d->r->plan, K_REPLICASETS, alive[i]->obj);
    }
}

/* ---- one turn ---- */

static bool is_scaling(const struct deployment *d)
{
    for (uint32_t i = 0; i < d->n; i++) {
        int64_t desired;

        if (rs_replicas(&d->all[i]) > 0 &&
            str_to_int64(meta_get(d->all[i].tree, "annotations", S(ANNOTATION_DESIRED)),
                         &desired) &&
            desired != d->replicas)
            return true;
    }
    return false;
}

static void check_paused(struct deployment *d)
{
    const struct json *cond =
        condition_find(json_path(d->tree, "status.conditions"), "Progressing");
    bool shown = str_is(json_get_str(cond, "reason"), "DeploymentPaused");

    if (!has_progress_deadline(d) ||
        str_is(json_get_str(cond, "reason"), "ProgressDeadlineExceeded"))
        return;
    if (d->paused && !shown)
        set_condition(d, "Progressing", "Unknown", "DeploymentPaused", S("Deployment is paused"));
    else if (!d->paused && shown)
        set_condition(d, "Progressing", "Unknown", "DeploymentResumed", S("Deployment is resumed"));
}

static void reconcile(struct reconcile *r)
{
    struct deployment d = {.r = r};
    struct claim claim = {.d = &d};
    const struct obj *o = look_up(r, K_DEPLOYMENTS, r->ns, r->name);
    struct err *err;

    if (!o)
        return;
    d.tree = tree_of(r->a, o);
    d.uid = o->uid;
    d.replicas = json_get_int(d.tree, "spec.replicas", 1);
    d.paused = json_get_bool(d.tree, "spec.paused", false);
    resolve_fenceposts(&d);
    json_make(r->a, d.tree, "status", JSON_OBJECT);
    d.before = json_copy(r->a, json_findz(d.tree, "status"));
    err = selector_from_object(r->a, json_path(d.tree, "spec.selector"), &claim.selector);
    if (err) {
        err_free(err);
        return;
    }
    if (!claim.selector.n_terms) {
        plan_event(&r->plan, d.tree, "Warning", "SelectingAll",
                   "This deployment is selecting all pods. A non-empty selector is required.");
        return;
    }
    informer_each_indexed(r->caches[K_REPLICASETS], index_owner(r->a, d.uid), claim_owned, &claim);
    if (!is_deleting(d.tree))
        informer_each_indexed(r->caches[K_REPLICASETS], index_orphans(r->a, r->ns), claim_orphan,
                              &claim);
    find_new_and_old(&d);
    if (is_deleting(d.tree)) {
        sync_new_rs(&d, false);
        report_counts(&d);
    } else {
        check_paused(&d);
        if (d.paused || is_scaling(&d)) {
            sync_new_rs(&d, false);
            scale_proportionally(&d);
            if (d.paused)
                clean_up_history(&d);
            report_counts(&d);
        } else if (d.rolling) {
            roll(&d);
        } else {
            recreate(&d);
        }
    }
    if (d.status_changed || !json_equal(&d.before, json_findz(d.tree, "status"))) {
        plan_then(&r->plan);
        plan_update_status(&r->plan, K_DEPLOYMENTS, d.tree);
    }
}

static void rs_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    wake_owner(c, &kinds[K_DEPLOYMENTS], obj, prev);
}

struct match {
    struct controller *c;
    const struct obj *rs;
};

static bool wake_if_selected(void *ctx, const struct obj *o)
{
    struct match *m = ctx;
    CLEANUP(arena) struct arena *a = arena_new();
    struct selector s = {0};
    struct err *err = selector_from_object(a, packed_selector(a, o), &s);

    if (!err && s.n_terms && selector_matches_packed(&s, m->rs->labels))
        wake(m->c, o->key.ns, o->key.name);
    err_free(err);
    return true;
}

static void rs_or_orphan_changed(struct controller *c, const struct obj *obj,
                                 const struct obj *prev)
{
    rs_changed(c, obj, prev);
    if (obj && !client_text_find(obj->data, "metadata.ownerReferences").n)
        informer_each(controller_cache(c, K_DEPLOYMENTS), obj->key.ns, wake_if_selected,
                      &(struct match){c, obj});
}

/* Recreate waits for the last old pod to be gone. */
static void pod_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    struct pod p;
    CLEANUP(arena) struct arena *a = NULL;
    struct json *refs = NULL;
    const struct obj *rs;
    struct err *err;

    if (obj)
        return;
    pod_read(prev, &p);
    if (!p.owner_uid.n)
        return;
    a = arena_new();
    err =
        json_parse(a, client_text_find(prev->data, "metadata.ownerReferences"), NULL, NULL, &refs);
    err_free(err);
    JSON_EACH(ref, refs) {
        if (!str_is(json_get_str(ref, "kind"), "ReplicaSet"))
            continue;
        rs = informer_find(controller_cache(c, K_REPLICASETS), prev->key.ns,
                           json_get_str(ref, "name"));
        if (rs)
            wake_owner(c, &kinds[K_DEPLOYMENTS], rs, NULL);
    }
}

static const struct trigger triggers[] = {{K_REPLICASETS, rs_or_orphan_changed},
                                          {K_PODS, pod_changed}};

const struct controller_type deployment_controller = {
    .name = "deployment",
    .component = "deployment-controller",
    .primary = K_DEPLOYMENTS,
    .triggers = triggers,
    .n_triggers = ARRAY_LEN(triggers),
    .reconcile = reconcile,
};
