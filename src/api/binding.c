/* binding.c - what schedulers and drains ask of a pod: bind it to a node, evict it if its budgets
 * allow.
 *
 * API: https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/, core/v1 Binding */
#include "api/admission.h"
#include "api/dynamic/dynamic.h"
#include "api/hooks.h"

/* ---- binding ---- */

struct binding_write {
    struct req *q;
    const struct kind *pods;
    struct json *binding;
    str pod;
};

static struct err *bind_pod(void *ctx, struct arena *a, const struct obj *current, int64_t revision,
                            struct store_change *ret)
{
    struct binding_write *b = ctx;
    struct req *q = b->q;
    struct json *obj, *meta, *spec, *conditions, *ann;
    str node = json_get_str(b->binding, "target.name"), bound, uid = meta_str(b->binding, "uid");
    wall_time now = loop_wall(q->api->loop);
    bool found = false;
    struct err *e;

    (void)a;
    if (!current)
        return err_not_found(b->pods, b->pod);
    if (uid.n && !str_eq(uid, current->uid))
        return err_conflict(b->pods, b->pod,
                            "Precondition failed: UID in precondition does not match");
    obj = object_parse(q->a, arena_dup(q->a, current->data));
    meta = meta_of(q->a, obj);
    if (json_findz(meta, "deletionTimestamp"))
        return err_conflict(
            b->pods, b->pod,
            arena_fmt(q->a, "pod " PRI_STR " is being deleted, cannot be assigned to a host",
                      STR_ARG(b->pod))
                .p);
    bound = json_get_str(obj, "spec.nodeName");
    if (bound.n) {
        str why = arena_fmt(q->a, "pod " PRI_STR " is already assigned to node \"" PRI_STR "\"",
                            STR_ARG(b->pod), STR_ARG(bound));

        return err_conflict(b->pods, b->pod, why.p);
    }
    if (json_count(json_at(obj, "spec", "schedulingGates", NULL)))
        return err_conflict(
            b->pods, b->pod,
            arena_fmt(q->a, "pod " PRI_STR " has non-empty .spec.schedulingGates", STR_ARG(b->pod))
                .p);
    spec = json_make(q->a, obj, "spec", JSON_OBJECT);
    json_setz(q->a, spec, "nodeName", json_string(node));
    JSON_EACH_MEMBER(m, json_at(b->binding, "metadata", "annotations", NULL)) {
        ann = json_make(q->a, obj, "metadata.annotations", JSON_OBJECT);
        json_set(q->a, ann, m->key, m->value);
    }
    topology_labels(q->api, q->a, node,
                    json_make(q->a, b->binding, "metadata.labels", JSON_OBJECT));
    JSON_EACH_MEMBER(m, json_at(b->binding, "metadata", "labels", NULL)) {
        ann = json_make(q->a, obj, "metadata.labels", JSON_OBJECT);
        if (!json_find(ann, m->key))
            json_set(q->a, ann, m->key, m->value);
    }
    conditions = json_make(q->a, obj, "status.conditions", JSON_ARRAY);
    /* ClearingNominatedNodeNameAfterBinding: where it was expected to go has lost its meaning. */
    json_removez(json_findz(obj, "status"), "nominatedNodeName");
    JSON_EACH(c, conditions)
        if (str_is(json_get_str(c, "type"), "PodScheduled")) {
            found = true;
            if (!str_is(json_get_str(c, "status"), "True")) {
                json_setz(q->a, c, "status", json_z("True"));
                json_setz(q->a, c, "lastTransitionTime", json_string(now_text(q->a, now)));
            }
            json_removez(c, "reason");
            json_removez(c, "message");
        }
    if (!found) {
        struct json c = json_object();

        json_setz(q->a, &c, "type", json_z("PodScheduled"));
        json_setz(q->a, &c, "status", json_z("True"));
        json_setz(q->a, &c, "lastTransitionTime", json_string(now_text(q->a, now)));
        json_append(q->a, conditions, c);
    }
    e = object_store(q->a, b->pods, obj, revision, ret);
    if (e)
        return e;
    ret->op = q->wo.dry_run ? STORE_KEEP : STORE_PUT;
    return NULL;
}

static void bound(void *ctx, struct err *e, const struct obj *result)
{
    struct binding_write *b = ctx;

    (void)result;
    if (e)
        reply_error(b->q, e);
    else
        reply_status_ok(b->q, 201, NULL, S(""), S(""));
}

static void bind(struct req *q, struct json *obj, str pod)
{
    struct binding_write *b = ARENA_NEW(q->a, struct binding_write);
    struct err *errs = NULL;
    str kind = json_get_str(obj, "target.kind"), node = json_get_str(obj, "target.name");

    if (kind.n && !str_is(kind, "Node") && !str_is(kind, "Minion"))
        cause(&errs, CAUSE_NOT_SUPPORTED, S("target.kind"),
              "Unsupported value: \"" PRI_STR "\": supported values: \"Node\", \"<empty>\"",
              STR_ARG(kind));
    if (!node.n)
        cause(&errs, CAUSE_REQUIRED, S("target.name"), "Required value");
    if (errs) {
        reply_error(q, err_invalid(errs, S(""), S("Binding"), pod));
        return;
    }
    *b = (struct binding_write){
        .q = q, .pods = api_core(q->api, "pods"), .binding = obj, .pod = pod};
    store_update(q->api->store, kind_key(b->pods, q->route.ns, pod), bind_pod, bound, b);
}

/* POST .../bindings */
void binding_create(struct req *q, struct json *obj)
{
    bind(q, obj, meta_str(obj, "name"));
}

struct posted { /* to a pod's subresource */
    struct req *q;
    struct json *obj;
};

static void posted_admit(struct posted *p, const struct schema_type *type, const char *group,
                         const char *kind, void (*go)(void *ctx))
{
    struct req *q = p->q;
    const struct resource r = {.group = str_of(group),
                               .version = S("v1"),
                               .kind = str_of(kind),
                               .type = type,
                               .namespaced = true};
    struct attributes t = {.req = q,
                           .a = q->a,
                           .kind = q->route.kind,
                           .ns = q->route.ns,
                           .name = q->route.name,
                           .subresource = q->route.subresource,
                           .op = ADMIT_CREATE,
                           .type = type,
                           .group = str_of(group),
                           .version = S("v1"),
                           .kind_name = str_of(kind),
                           .obj = p->obj,
                           .dry_run = q->wo.dry_run};
    const struct apply_options o = {.manager = req_manager(q),
                                    .subresource = q->route.subresource,
                                    .api_version =
                                        group[0] ? arena_fmt(q->a, "%s/v1", group) : S("v1"),
                                    .now = loop_wall(q->api->loop)};

    /* It is never stored; that it has managers all the same only webhooks and policies see. */
    if (q->api->n_dynamic) {
        json_setz(q->a, meta_of(q->a, p->obj), "namespace", json_string(q->route.ns));
        err_free(apply_track_update(q->a, &r, NULL, p->obj, &o));
    }
    dynamic_admit_then(&t, go, p);
}

static void binding_admitted(void *ctx)
{
    struct posted *p = ctx;

    bind(p->q, p->obj, p->q->route.name);
}

static struct err *check_place(struct req *q, const struct json *obj)
{
    str ns = meta_str(obj, "namespace");

    return ns.n && !str_eq(ns, q->route.ns) ? err_other_namespace() : NULL;
}

/* POST .../pods/x/binding */
void subresource_binding(struct req *q)
{
    const struct schema_type *t = schema_find_gvk(S(""), S("v1"), S("Binding"));
    struct posted *p = ARENA_NEW(q->a, struct posted);
    struct err *e = write_options_parse(q, "CreateOptions");

    p->q = q;
    if (!e)
        e = body_decode(q, NULL, t, S(""), S("v1"), S("Binding"), &p->obj);
    if (!e)
        e = check_place(q, p->obj);
    if (!e && meta_str(p->obj, "name").n && !str_eq(meta_str(p->obj, "name"), q->route.name))
        e = err_new(REASON_BAD_REQUEST, "name in URL does not match name in Binding object");
    if (e)
        reply_error(q, e);
    else
        posted_admit(p, t, "", "Binding", binding_admitted);
}

/* ---- eviction ---- */

struct eviction {
    struct req *q;
    const struct kind *pods, *pdbs;
    struct delete_options o;
    const struct obj *pdb; /* the budget to charge; NULL: none */
    bool gone, dry_run;
    str reply, pdb_name;
    struct json *pod;
};

static struct err *evict_pod(void *ctx, struct arena *a, const struct obj *current,
                             int64_t revision, struct store_change *ret)
{
    struct eviction *v = ctx;

    (void)a;
    if (!current)
        return err_not_found(v->pods, v->q->route.name);
    v->o.evicted = true;
    return delete_decide(v->q, v->pods, v->q->a, current, revision, &v->o, ret, &v->gone,
                         &v->reply);
}

static void evicted(void *ctx, struct err *e, const struct obj *result)
{
    struct eviction *v = ctx;

    (void)result;
    if (e)
        reply_error(v->q, e);
    else
        reply_status_ok(v->q, 201, NULL, S(""), S(""));
}

static void evict_now(struct eviction *v)
{
    store_update(v->q->api->store, kind_key(v->pods, v->q->route.ns, v->q->route.name), evict_pod,
                 evicted, v);
}

struct pdb_search {
    struct eviction *v;
    const struct json *labels;
    unsigned n;
};

static bool search_pdb(void *ctx, const struct obj *o)
{
    struct pdb_search *s = ctx;
    struct selector sel;
    struct json *pdb = object_parse(s->v->q->a, arena_dup(s->v->q->a, o->data));
    const struct json *selector = json_at(pdb, "spec", "selector", NULL);
    struct err *e;

    if (!selector)
        return true;
    e = selector_from_object(s->v->q->a, selector, &sel);
    if (e) {
        err_free(e);
        return true;
    }
    if (!sel.nothing && selector_matches_map(&sel, s->labels)) {
        s->n++;
        s->v->pdb_name = arena_dup(s->v->q->a, o->key.name);
    }
    return true;
}

static bool pod_is_ready(const struct json *pod)
{
    JSON_EACH(c, json_at(pod, "status", "conditions", NULL))
        if (str_is(json_get_str(c, "type"), "Ready"))
            return str_is(json_get_str(c, "status"), "True");
    return false;
}

static struct err *too_many(struct eviction *v, const char *why, unsigned retry_s)
{
    struct err *e = err_new(REASON_TOO_MANY_REQUESTS,
                            "Cannot evict pod as it would violate the pod's disruption budget.");

    err_cause_add(e, "DisruptionBudget", S(""), str_of(why));
    e->retry_after_s = retry_s;
    (void)v;
    return e;
}

static void set_allowed_condition(struct req *q, struct json *pdb, int64_t allowed)
{
    struct json *list = json_make(q->a, pdb, "status.conditions", JSON_ARRAY), *c = NULL,
                fresh = json_object();
    const char *value = allowed > 0 ? "True" : "False";

    JSON_EACH(x, list)
        if (str_is(json_get_str(x, "type"), "DisruptionAllowed"))
            c = x;
    if (!c) {
        json_setz(q->a, &fresh, "type", json_z("DisruptionAllowed"));
        c = json_append(q->a, list, fresh);
    }
    if (!str_is(json_get_str(c, "status"), value))
        json_setz(q->a, c, "lastTransitionTime",
                  json_string(now_text(q->a, loop_wall(q->api->loop))));
    json_setz(q->a, c, "status", json_z(value));
    json_setz(q->a, c, "observedGeneration",
              json_int(json_get_int(pdb, "status.observedGeneration", 0)));
    json_setz(q->a, c, "reason", json_z(allowed > 0 ? "SufficientPods" : "InsufficientPods"));
    json_setz(q->a, c, "message", json_z(""));
}

/* Takes one disruption off the budget; the controller fills it up again. */
static struct err *charge(void *ctx, struct arena *a, const struct obj *current, int64_t revision,
                          struct store_change *ret)
{
    struct eviction *v = ctx;
    struct req *q = v->q;
    struct json *pdb, *status, *disrupted;
    int64_t allowed;
    struct write w;
    str why;
    struct err *e;

    (void)a;
    if (!current)
        return NULL; /* gone meanwhile: nothing to respect (KEEP) */
    pdb = object_parse(q->a, arena_dup(q->a, current->data));
    status = json_make(q->a, pdb, "status", JSON_OBJECT);
    allowed = json_get_int(status, "disruptionsAllowed", 0);
    if (json_get_int(status, "observedGeneration", 0) <
        json_get_int(pdb, "metadata.generation", 0)) {
        why = arena_fmt(q->a,
                        "The disruption budget " PRI_STR " is still being processed by the server.",
                        STR_ARG(v->pdb_name));
        e = too_many(v, why.p, 10);
        return e;
    }
    if (allowed <= 0) {
        int64_t healthy = json_get_int(status, "currentHealthy", 0),
                desired = json_get_int(status, "desiredHealthy", 0);
        bool failed = false;

        JSON_EACH(c, json_findz(status, "conditions"))
            failed |= str_is(json_get_str(c, "type"), "DisruptionAllowed") &&
                      str_is(json_get_str(c, "reason"), "SyncFailed");
        if (healthy <= desired)
            why = arena_fmt(q->a,
                            "The disruption budget " PRI_STR
                            " needs %lld healthy pods and has %lld currently",
                            STR_ARG(v->pdb_name), (long long)desired, (long long)healthy);
        else
            why = arena_fmt(
                q->a, "The disruption budget " PRI_STR " does not allow evicting pods currently%s",
                STR_ARG(v->pdb_name), failed ? " because it failed sync" : "");
        return too_many(v, why.p, 0);
    }
    json_setz(q->a, status, "disruptionsAllowed", json_int(allowed - 1));
    set_allowed_condition(q, pdb, allowed - 1);
    disrupted = json_make(q->a, pdb, "status.disruptedPods", JSON_OBJECT);
    json_set(q->a, disrupted, q->route.name, json_string(now_text(q->a, loop_wall(q->api->loop))));
    w = (struct write){.api = q->api,
                       .req = q,
                       .a = q->a,
                       .kind = v->pdbs,
                       .ns = q->route.ns,
                       .name = v->pdb_name,
                       .subresource = S("status"),
                       .obj = pdb,
                       .old = object_parse(q->a, arena_dup(q->a, current->data)),
                       .now = loop_wall(q->api->loop)};
    e = write_track(&w, S("kube-apiserver"), S("status"));
    if (!e)
        e = object_store(q->a, v->pdbs, pdb, revision, ret);
    if (e)
        return e;
    ret->op = v->o.dry_run ? STORE_KEEP : STORE_PUT;
    return NULL;
}

static void charged(void *ctx, struct err *e, const struct obj *result)
{
    struct eviction *v = ctx;

    (void)result;
    if (e)
        reply_error(v->q, e);
    else
        evict_now(v);
}

static void eviction_options(struct eviction *v, const struct json *obj)
{
    const struct json *o = json_findz(obj, "deleteOptions"),
                      *grace = json_findz(o, "gracePeriodSeconds");

    v->o.propagation = json_get_str(o, "propagationPolicy");
    if (json_is(grace, JSON_INT)) {
        v->o.has_grace = true;
        v->o.grace_s = grace->i < 0 ? 1 : grace->i;
    }
    v->o.uid = json_get_str(o, "preconditions.uid");
    v->o.has_uid = v->o.uid.n > 0;
    v->o.resource_version = json_get_str(o, "preconditions.resourceVersion");
    v->o.has_rv = v->o.resource_version.n > 0;
    v->o.dry_run = v->q->wo.dry_run;
    JSON_EACH(d, json_findz(o, "dryRun"))
        v->o.dry_run |= str_is(json_str(d), "All");
}

static void eviction_admitted(void *ctx)
{
    struct posted *p = ctx;
    struct req *q = p->q;
    struct json *obj = p->obj;
    struct eviction *v = ARENA_NEW(q->a, struct eviction);
    const struct obj *pod;
    struct pdb_search s = {.v = v};
    str phase;

    v->q = q;
    v->pods = api_core(q->api, "pods");
    v->pdbs = api_find_kind(q->api, S("policy"), S("v1"), S("poddisruptionbudgets"));
    eviction_options(v, obj);
    pod = store_find(q->api->store, kind_key(v->pods, q->route.ns, q->route.name));
    if (!pod) {
        reply_error(q, err_not_found(v->pods, q->route.name));
        return;
    }
    v->pod = object_parse(q->a, arena_dup(q->a, pod->data));
    phase = json_get_str(v->pod, "status.phase");
    /* What does not run, or is going already, disturbs nobody. */
    if (str_is(phase, "Succeeded") || str_is(phase, "Failed") || str_is(phase, "Pending") ||
        json_at(v->pod, "metadata", "deletionTimestamp", NULL)) {
        evict_now(v);
        return;
    }
    s.labels = json_at(v->pod, "metadata", "labels", NULL);
    if (json_count(s.labels))
        store_each(q->api->store, v->pdbs->r->storage_resource, q->route.ns, NULL, search_pdb, &s);
    if (s.n > 1) {
        reply_error(q, err_new(REASON_UNKNOWN, "This pod has more than one PodDisruptionBudget, "
                                               "which the eviction subresource does not support."));
        return;
    }
    if (!s.n) {
        evict_now(v);
        return;
    }
    if (!pod_is_ready(v->pod)) {
        const struct obj *o =
            store_find(q->api->store, kind_key(v->pdbs, q->route.ns, v->pdb_name));
        struct json *pdb = o ? object_parse(q->a, arena_dup(q->a, o->data)) : NULL;
        bool always = str_is(json_get_str(pdb, "spec.unhealthyPodEvictionPolicy"), "AlwaysAllow");

        /* An unready pod may go when the budget does not need it. */
        if (always || (json_get_int(pdb, "status.currentHealthy", 0) >=
                           json_get_int(pdb, "status.desiredHealthy", 0) &&
                       json_get_int(pdb, "status.desiredHealthy", 0) > 0)) {
            evict_now(v);
            return;
        }
    }
    store_update(q->api->store, kind_key(v->pdbs, q->route.ns, v->pdb_name), charge, charged, v);
}

void subresource_eviction(struct req *q)
{
    const struct schema_type *t = schema_find_gvk(S("policy"), S("v1"), S("Eviction"));
    struct posted *p = ARENA_NEW(q->a, struct posted);
    struct err *e = write_options_parse(q, "CreateOptions");

    p->q = q;
    if (!e)
        e = body_decode(q, NULL, t, S("policy"), S("v1"), S("Eviction"), &p->obj);
    if (!e)
        e = check_place(q, p->obj);
    if (!e && !str_eq(meta_str(p->obj, "name"), q->route.name))
        e = err_new(REASON_BAD_REQUEST, "name in URL does not match name in Eviction object");
    if (!e)
        e = node_restriction_evict(q);
    if (e)
        reply_error(q, e);
    else
        posted_admit(p, t, "policy", "Eviction", eviction_admitted);
}
