/* statefulset.c - pods with names that last: x-0, x-1, … each with its own claims.
 *
 * With OrderedReady one step is made at a time: a pod is made when all before it are ready, and
 * removed when all after it are gone. Parallel does everything at once. A rolling update replaces
 * from the highest ordinal down to the partition, one at a time.
 *
 * Invariants
 *   (1) No two pods of one name: a pod is made only when its predecessor of that name has gone from
 * the cache. (2) Claims are made before the pod that mounts them, and are never deleted unless the
 * retention policy says so.
 *
 * API: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/ */
#include "controllers/controllers_internal.h"

#include <inttypes.h>

#define REVISION_LABEL "controller-revision-hash"
#define REPLICAS_MAX                                                                               \
    100000 /* more are not looked at: the size of our table must not be a client's choice */
#define STEPS_MAX 500 /* pods made or removed per turn when parallel */

struct set {
    struct reconcile *r;
    struct json *tree, *status;
    str uid;
    struct selector selector;
    int64_t replicas, start, partition, min_ready_s;
    bool parallel, rolling;
    struct pod *wanted;    /* by ordinal - start; obj NULL: missing */
    struct pod *condemned; /* highest ordinal first */
    uint32_t n_condemned, cap;
    struct history history;
    str current, update; /* names of revisions */
    int steps;
};

static bool ordinal_of(const struct set *s, str pod, int64_t *ret)
{
    str name = s->r->name;

    return pod.n > name.n + 1 && str_has_prefix(pod, name) && pod.p[name.n] == '-' &&
           str_to_int64(str_skip(pod, name.n + 1), ret) && *ret >= 0;
}

static bool add_pod(void *ctx, const struct obj *o)
{
    struct set *s = ctx;
    int64_t ordinal;
    struct pod p;

    if (!ordinal_of(s, o->key.name, &ordinal))
        return true;
    pod_read(o, &p);
    if (ordinal >= s->start && ordinal < s->start + s->replicas) {
        s->wanted[ordinal - s->start] = p;
        return true;
    }
    if (s->n_condemned == s->cap) {
        uint32_t cap = s->cap ? s->cap * 2 : 8;

        s->condemned = arena_grow(s->r->a, s->condemned, s->cap * sizeof *s->condemned,
                                  cap * sizeof *s->condemned);
        s->cap = cap;
    }
    p.index = ordinal;
    s->condemned[s->n_condemned++] = p;
    return true;
}

static bool adopt_pod(void *ctx, const struct obj *o)
{
    struct set *s = ctx;
    int64_t ordinal;

    if (ordinal_of(s, o->key.name, &ordinal) && selector_matches_packed(&s->selector, o->labels))
        plan_adopt(s->r, K_PODS, o, K_STATEFULSETS, s->tree);
    return true;
}

static int by_ordinal_down(const void *pa, const void *pb, void *ctx)
{
    const struct pod *a = pa, *b = pb;

    return a->index == b->index ? 0 : a->index > b->index ? -1 : 1;
}

static bool is_healthy(const struct pod *p)
{
    return p->obj && p->phase == POD_RUNNING && p->ready && !p->deleting;
}

static bool is_available(const struct set *s, const struct pod *p)
{
    return is_healthy(p) && pod_is_available(p, s->min_ready_s, s->r->now);
}

/* ---- claims that go with their set, or with their pod when the set shrinks ---- */

static bool deletes(const struct set *s, const char *when)
{
    return str_is(
        json_str(json_findz(json_path(s->tree, "spec.persistentVolumeClaimRetentionPolicy"), when)),
        "Delete");
}

static bool is_owner(const struct json *ref, const struct kind *k, str name)
{
    return str_eq(json_get_str(ref, "kind"), k->kind) && str_eq(json_get_str(ref, "name"), name);
}

static void own_claim(struct arena *a, struct json *refs, const struct kind *k, str name, str uid)
{
    struct json ref = json_object();

    json_setz(a, &ref, "apiVersion",
              json_string(k->group.n ? arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(k->group),
                                                 STR_ARG(k->version))
                                     : k->version));
    json_setz(a, &ref, "kind", json_string(k->kind));
    json_setz(a, &ref, "name", json_string(name));
    json_setz(a, &ref, "uid", json_string(uid));
    json_setz(a, &ref, "controller", json_bool(true));
    json_setz(a, &ref, "blockOwnerDeletion", json_bool(true));
    json_append(a, refs, ref);
}

/* Who takes the claim along when it goes: the set, or a condemned pod, or nobody; nobody new when the claim has a controller
 * already. pod_uid empty: the pod is still to be made. Returns whether the claim has changed.
 * Source: pkg/controller/statefulset/stateful_set_utils.go (updateClaimOwnerRefForSetAndPod). */
static bool settle_claim(struct set *s, struct json *claim, str pod, str pod_uid, bool condemned)
{
    struct arena *a = s->r->a;
    struct json *meta = json_findz(claim, "metadata"), refs = json_array();
    const struct json *was = json_findz(meta, "ownerReferences");
    bool with_pod = deletes(s, "whenScaled") && condemned, foreign = false;

    JSON_EACH(r, was) {
        bool sets = is_owner(r, &kinds[K_STATEFULSETS], s->r->name),
             pods = is_owner(r, &kinds[K_PODS], pod);
        str uid = json_get_str(r, "uid");

        foreign |= sets   ? !str_eq(uid, s->uid)
                   : pods ? !str_eq(uid, pod_uid)
                          : json_get_bool(r, "controller", false);
        if (!sets && !pods)
            json_append(a, &refs, *r);
    }
    if (!foreign && with_pod)
        own_claim(a, &refs, &kinds[K_PODS], pod, pod_uid);
    else if (!foreign && deletes(s, "whenDeleted"))
        own_claim(a, &refs, &kinds[K_STATEFULSETS], s->r->name, s->uid);
    if (was ? json_equal(was, &refs) : !refs.n)
        return false;
    if (refs.n)
        json_setz(a, meta, "ownerReferences", refs);
    else
        json_removez(meta, "ownerReferences");
    return true;
}

/* Of a pod that there is. */
static void settle_claims(struct set *s, const struct pod *p, bool condemned)
{
    bool retains = !deletes(s, "whenScaled") && !deletes(s, "whenDeleted");

    JSON_EACH(template, json_path(s->tree, "spec.volumeClaimTemplates")) {
        str name =
            arena_fmt(s->r->a, PRI_STR "-" PRI_STR,
                      STR_ARG(json_get_str(template, "metadata.name")), STR_ARG(p->obj->key.name));
        const struct obj *o = look_up(s->r, K_PVCS, s->r->ns, name);
        struct json *claim;

        if (!o || (retains && str_find(o->data, S("\"ownerReferences\"")) < 0))
            continue; /* as nearly always */
        claim = tree_of(s->r->a, o);
        if (settle_claim(s, claim, p->obj->key.name, p->obj->uid, condemned))
            plan_update(&s->r->plan, K_PVCS, claim)->flags =
                ACT_IGNORE_NOT_FOUND | ACT_IGNORE_CONFLICT;
    }
}

/* ---- making ---- */

static void make_claims(struct set *s, int64_t ordinal, str pod)
{
    struct arena *a = s->r->a;

    JSON_EACH(template, json_path(s->tree, "spec.volumeClaimTemplates")) {
        str base = json_get_str(template, "metadata.name");
        str name = arena_fmt(a, PRI_STR "-" PRI_STR "-%" PRId64, STR_ARG(base), STR_ARG(s->r->name),
                             ordinal);
        const struct json *labels = json_path(s->tree, "spec.selector.matchLabels");
        struct json *claim;
        struct action *act;

        if (look_up(s->r, K_PVCS, s->r->ns, name))
            continue;
        claim = json_new(a, json_copy(a, template));
        json_setz(a, claim, "kind", json_z("PersistentVolumeClaim"));
        json_setz(a, claim, "apiVersion", json_z("v1"));
        json_removez(claim, "status");
        json_setz(a, json_findz(claim, "metadata"), "name", json_string(name));
        json_setz(a, json_findz(claim, "metadata"), "namespace", json_string(s->r->ns));
        JSON_EACH_MEMBER(m, labels)
            meta_set(a, claim, "labels", m->key, json_str(&m->value));
        settle_claim(s, claim, pod, STR_NONE, false);
        act = plan_create(&s->r->plan, K_PVCS, s->r->ns, claim);
        act->flags = ACT_IGNORE_EXISTS;
        act->success = (struct action_event){
            s->tree, "Normal", "SuccessfulCreate",
            arena_fmt(a,
                      "create Claim " PRI_STR " Pod " PRI_STR " in StatefulSet " PRI_STR " success",
                      STR_ARG(name), STR_ARG(pod), STR_ARG(s->r->name))};
        act->failure =
            (struct action_event){s->tree, "Warning", "FailedCreate",
                                  arena_fmt(a,
                                            "create Claim " PRI_STR " for Pod " PRI_STR
                                            " in StatefulSet " PRI_STR " failed error: %%s",
                                            STR_ARG(name), STR_ARG(pod), STR_ARG(s->r->name))};
    }
}

static void mount_claims(struct set *s, struct json *pod, int64_t ordinal)
{
    struct arena *a = s->r->a;
    struct json *spec = json_findz(pod, "spec"), volumes = json_array();
    const struct json *own = json_findz(spec, "volumes");

    JSON_EACH(template, json_path(s->tree, "spec.volumeClaimTemplates")) {
        str base = json_get_str(template, "metadata.name");
        struct json v = json_object(), claim = json_object();

        json_setz(a, &claim, "claimName",
                  json_string(arena_fmt(a, PRI_STR "-" PRI_STR "-%" PRId64, STR_ARG(base),
                                        STR_ARG(s->r->name), ordinal)));
        json_setz(a, &v, "name", json_string(base));
        json_setz(a, &v, "persistentVolumeClaim", claim);
        json_append(a, &volumes, v);
    }
    if (!volumes.n)
        return;
    JSON_EACH(v, own) {
        bool replaced = false;

        JSON_EACH(mine, &volumes)
            replaced |= str_eq(json_get_str(mine, "name"), json_get_str(v, "name"));
        if (!replaced)
            json_append(a, &volumes, *v);
    }
    json_setz(a, spec, "volumes", volumes);
}

/* Below the partition, and while an update is not complete, a pod comes back as it was. */
static const struct revision *revision_for(const struct set *s, int64_t ordinal)
{
    const struct revision *current = history_find(&s->history, s->current);

    if (current && s->rolling && ordinal < s->start + s->partition)
        return current;
    return s->history.update;
}

static void make_pod(struct set *s, int64_t ordinal)
{
    struct arena *a = s->r->a;
    str name = arena_fmt(a, PRI_STR "-%" PRId64, STR_ARG(s->r->name), ordinal);
    const struct revision *rev = revision_for(s, ordinal);
    struct json *pod = pod_from_template(a, revision_template(rev), s->tree, &kinds[K_STATEFULSETS],
                                         arena_fmt(a, PRI_STR "-", STR_ARG(s->r->name)));
    struct json *spec;
    struct action *act;

    make_claims(s, ordinal, name);
    plan_then(&s->r->plan);
    json_setz(a, json_findz(pod, "metadata"), "name", json_string(name));
    meta_set(a, pod, "labels", S("statefulset.kubernetes.io/pod-name"), name);
    meta_set(a, pod, "labels", S("apps.kubernetes.io/pod-index"),
             arena_fmt(a, "%" PRId64, ordinal));
    meta_set(a, pod, "labels", S(REVISION_LABEL), rev->name);
    spec = json_findz(pod, "spec");
    json_setz(a, spec, "hostname", json_string(name));
    if (json_get_str(s->tree, "spec.serviceName").n)
        json_setz(a, spec, "subdomain", json_string(json_get_str(s->tree, "spec.serviceName")));
    mount_claims(s, pod, ordinal);
    act = plan_create(&s->r->plan, K_PODS, s->r->ns, pod);
    act->flags = ACT_IGNORE_TERMINATING;
    act->success = (struct action_event){
        s->tree, "Normal", "SuccessfulCreate",
        arena_fmt(a, "create Pod " PRI_STR " in StatefulSet " PRI_STR " successful", STR_ARG(name),
                  STR_ARG(s->r->name))};
    act->failure = (struct action_event){
        s->tree, "Warning", "FailedCreate",
        arena_fmt(a, "create Pod " PRI_STR " in StatefulSet " PRI_STR " failed error: %%s",
                  STR_ARG(name), STR_ARG(s->r->name))};
    s->steps++;
}

static void remove_pod(struct set *s, const struct pod *p)
{
    struct arena *a = s->r->a;
    struct action *act = plan_delete(&s->r->plan, K_PODS, p->obj);

    act->success = (struct action_event){
        s->tree, "Normal", "SuccessfulDelete",
        arena_fmt(a, "delete Pod " PRI_STR " in StatefulSet " PRI_STR " successful",
                  STR_ARG(p->obj->key.name), STR_ARG(s->r->name))};
    act->failure = (struct action_event){
        s->tree, "Warning", "FailedDelete",
        arena_fmt(a, "delete Pod " PRI_STR " in StatefulSet " PRI_STR " failed error: %%s",
                  STR_ARG(p->obj->key.name), STR_ARG(s->r->name))};
    s->steps++;
}

/* ---- the moves: each returns true when the turn ends with it ---- */

static bool move_wanted(struct set *s)
{
    for (int64_t i = 0; i < s->replicas && s->steps < STEPS_MAX; i++) {
        const struct pod *p = &s->wanted[i];

        if (p->obj)
            settle_claims(s, p, false);
        if (p->obj && (p->phase == POD_FAILED || p->phase == POD_SUCCEEDED)) {
            if (!p->deleting) {
                if (p->phase == POD_FAILED)
                    plan_event(&s->r->plan, s->tree, "Warning", "RecreatingFailedPod",
                               "StatefulSet " PRI_STR "/" PRI_STR
                               " is recreating failed Pod " PRI_STR,
                               STR_ARG(s->r->ns), STR_ARG(s->r->name), STR_ARG(p->obj->key.name));
                else
                    plan_event(&s->r->plan, s->tree, "Normal", "RecreatingTerminatedPod",
                               "StatefulSet " PRI_STR "/" PRI_STR
                               " is recreating terminated Pod " PRI_STR,
                               STR_ARG(s->r->ns), STR_ARG(s->r->name), STR_ARG(p->obj->key.name));
                remove_pod(s, p);
            }
            if (!s->parallel)
                return true;
            continue;
        }
        if (!p->obj) {
            make_pod(s, s->start + i);
            if (!s->parallel)
                return true;
            continue;
        }
        if (!s->parallel && !is_available(s, p)) {
            if (is_healthy(p))
                plan_requeue(&s->r->plan,
                             (p->ready_since_s + s->min_ready_s + 1) * NS_PER_S - s->r->now.ns);
            return true;
        }
    }
    return false;
}

/* One that is not healthy holds up those above it: only the lowest of them goes all the same. */
static const struct pod *lowest_unhealthy(const struct set *s)
{
    for (uint32_t i = s->n_condemned; i-- > 0;)
        if (!is_healthy(&s->condemned[i]))
            return &s->condemned[i];
    return NULL;
}

static bool move_condemned(struct set *s)
{
    const struct pod *lowest = s->parallel ? NULL : lowest_unhealthy(s);

    for (uint32_t i = 0; i < s->n_condemned && s->steps < STEPS_MAX; i++) {
        const struct pod *p = &s->condemned[i];

        if (p->deleting) {
            if (!s->parallel)
                return true;
            continue;
        }
        if (!s->parallel && p != lowest && !is_healthy(p))
            return true;
        settle_claims(s, p, true);
        plan_then(&s->r->plan);
        remove_pod(s, p);
        if (!s->parallel)
            return true;
    }
    return false;
}

static void move_update(struct set *s)
{
    if (!s->rolling)
        return;
    for (int64_t i = s->replicas; i-- > s->partition;) {
        const struct pod *p = &s->wanted[i];

        if (p->obj && !str_eq(p->revision, s->update) && !p->deleting) {
            remove_pod(s, p);
            return;
        }
        if (!is_healthy(p))
            return; /* one at a time */
    }
}

/* ---- status ---- */

static void set_count(struct set *s, const char *name, int64_t n)
{
    if (n)
        json_setz(s->r->a, s->status, name, json_int(n));
    else
        json_removez(s->status, name);
}

static void count_pod(const struct set *s, const struct pod *p, int64_t *n, int64_t *ready,
                      int64_t *available, int64_t *current, int64_t *updated)
{
    if (!p->obj)
        return;
    ++*n;
    *ready += p->phase == POD_RUNNING && p->ready;
    *available += p->phase == POD_RUNNING && pod_is_available(p, s->min_ready_s, s->r->now);
    if (p->deleting)
        return;
    *current += str_eq(p->revision, s->current);
    *updated += str_eq(p->revision, s->update);
}

static void report(struct set *s, const struct json *before)
{
    int64_t n = 0, ready = 0, available = 0, current = 0, updated = 0;
    struct arena *a = s->r->a;

    for (int64_t i = 0; i < s->replicas; i++)
        count_pod(s, &s->wanted[i], &n, &ready, &available, &current, &updated);
    for (uint32_t i = 0; i < s->n_condemned; i++)
        count_pod(s, &s->condemned[i], &n, &ready, &available, &current, &updated);
    if (s->rolling && updated == s->replicas && n == s->replicas && ready == s->replicas &&
        !str_eq(s->current, s->update)) {
        s->current = s->update;
        current = updated;
    }
    set_count(s, "observedGeneration", json_get_int(s->tree, "metadata.generation", 0));
    json_setz(a, s->status, "replicas", json_int(n));
    set_count(s, "readyReplicas", ready);
    set_count(s, "currentReplicas", current);
    set_count(s, "updatedReplicas", updated);
    json_setz(a, s->status, "currentRevision", json_string(s->current));
    json_setz(a, s->status, "updateRevision", json_string(s->update));
    if (!json_findz(s->status, "collisionCount"))
        json_setz(a, s->status, "collisionCount", json_int(0));
    json_setz(a, s->status, "availableReplicas", json_int(available));
    if (!json_equal(before, s->status)) {
        plan_then(&s->r->plan);
        plan_update_status(&s->r->plan, K_STATEFULSETS, s->tree);
    }
}

static void reconcile(struct reconcile *r)
{
    struct set s = {.r = r, .tree = look_tree(r, K_STATEFULSETS, r->ns, r->name)};
    struct json before;
    struct err *err;
    str live[2];

    if (!s.tree)
        return;
    err = selector_from_object(r->a, json_path(s.tree, "spec.selector"), &s.selector);
    if (err) {
        err_free(err);
        return;
    }
    json_make(r->a, s.tree, "status", JSON_OBJECT);
    s.status = json_findz(s.tree, "status");
    before = json_copy(r->a, s.status);
    s.uid = json_get_str(s.tree, "metadata.uid");
    s.replicas =
        MIN(MAX(json_get_int(s.tree, "spec.replicas", 1), INT64_C(0)), (int64_t)REPLICAS_MAX);
    s.start = json_get_int(s.tree, "spec.ordinals.start", 0);
    s.partition = json_get_int(s.tree, "spec.updateStrategy.rollingUpdate.partition", 0);
    s.min_ready_s = json_get_int(s.tree, "spec.minReadySeconds", 0);
    s.parallel = str_is(json_get_str(s.tree, "spec.podManagementPolicy"), "Parallel");
    s.rolling = !str_is(json_get_str(s.tree, "spec.updateStrategy.type"), "OnDelete");
    s.wanted = ARENA_NEW_N(r->a, struct pod, s.replicas + 1);
    informer_each_indexed(r->caches[K_PODS], index_owner(r->a, s.uid), add_pod, &s);
    if (s.n_condemned)
        sort_with(s.condemned, s.n_condemned, sizeof *s.condemned, by_ordinal_down, NULL);
    if (!is_deleting(s.tree))
        informer_each_indexed(r->caches[K_PODS], index_orphans(r->a, r->ns), adopt_pod, &s);
    if (is_deleting(s.tree))
        return;
    history_sync(r, K_STATEFULSETS, s.tree, "controller.kubernetes.io/hash", &s.history);
    plan_then(&r->plan);
    s.update = s.history.update->name;
    s.current = json_get_str(s.status, "currentRevision");
    if (!s.current.n || !history_find(&s.history, s.current))
        s.current = s.update;
    if (!move_wanted(&s) && !move_condemned(&s) && !s.steps)
        move_update(&s);
    report(&s, &before);
    live[0] = s.current;
    live[1] = s.update;
    history_truncate(r, s.tree, &s.history, live, ARRAY_LEN(live));
}

static void owned_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    wake_owner(c, &kinds[K_STATEFULSETS], obj, prev);
}

static const struct trigger triggers[] = {{K_PODS, owned_changed},
                                          {K_CONTROLLERREVISIONS, owned_changed}};
static const enum kind_id reads[] = {K_PVCS, K_N};

const struct controller_type statefulset_controller = {
    .name = "statefulset",
    .component = "statefulset-controller",
    .primary = K_STATEFULSETS,
    .triggers = triggers,
    .n_triggers = ARRAY_LEN(triggers),
    .reconcile = reconcile,
    .reads = reads,
};
