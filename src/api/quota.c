/* quota.c - ResourceQuota: what the objects of a namespace may use in sum.
 *
 * What a quota limits is what its status says (the quota controller puts it there). What is used is
 * counted from memory, and is no less than the status says: so a burst of writes cannot get past
 * it. API: https://kubernetes.io/docs/concepts/policy/resource-quotas/. Source:
 * k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go, pkg/quota/v1/evaluator/core */
#include "api/admission.h"
#include "api/hooks.h"
#include "api/validation/resources.h"

#define QUOTAS_MAX 64 /* of a namespace; more are not looked at */

struct usage {
    struct write *w;
    const struct json *quota;
    struct json used;
    str skip; /* the object that is written */
};

static void set_count(struct arena *a, struct json *sum, str name, int64_t n)
{
    if (n)
        json_set(a, sum, name, json_string(arena_fmt(a, "%lld", (long long)n)));
}

/* ---- what one object uses ---- */

static bool has_ended(const struct json *pod, wall_time now)
{
    str phase = json_get_str(pod, "status.phase"), deletion = meta_str(pod, "deletionTimestamp");
    wall_time at;

    if (str_is(phase, "Succeeded") || str_is(phase, "Failed"))
        return true;
    if (!deletion.n || !rfc3339_parse(deletion, &at))
        return false;
    return now.ns > at.ns + json_get_int(pod, "metadata.deletionGracePeriodSeconds", 0) * NS_PER_S;
}

static void pod_uses(struct arena *a, const struct json *pod, wall_time now, struct json *sum)
{
    static const char *const plain[] = {"cpu", "memory", "ephemeral-storage"};
    struct json requests, limits;

    if (has_ended(pod, now))
        return;
    set_count(a, sum, S("pods"), 1);
    requests = pod_amounts(a, pod, "requests", true);
    limits = pod_amounts(a, pod, "limits", true);
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        const struct json *r = json_findz(&requests, plain[i]), *l = json_findz(&limits, plain[i]);

        if (r) {
            json_setz(a, sum, plain[i], *r);
            json_set(a, sum, arena_fmt(a, "requests.%s", plain[i]), *r);
        }
        if (l)
            json_set(a, sum, arena_fmt(a, "limits.%s", plain[i]), *l);
    }
    JSON_EACH_MEMBER(m, &requests) {
        bool pages = str_has_prefix(m->key, S("hugepages-"));

        if (pages)
            json_set(a, sum, m->key, m->value);
        if (pages || resource_is_extended(m->key))
            json_set(a, sum, arena_fmt(a, "requests." PRI_STR, STR_ARG(m->key)), m->value);
    }
}

static void service_uses(struct arena *a, const struct json *service, struct json *sum)
{
    str type = json_get_str(service, "spec.type");
    bool balancer = str_is(type, "LoadBalancer");
    int64_t ports = 0;

    set_count(a, sum, S("services"), 1);
    set_count(a, sum, S("services.loadbalancers"), balancer);
    if (!balancer && !str_is(type, "NodePort"))
        return;
    JSON_EACH(p, json_at(service, "spec", "ports", NULL))
        ports += !balancer || json_get_bool(service, "spec.allocateLoadBalancerNodePorts", true) ||
                 json_get_int(p, "nodePort", 0) != 0;
    set_count(a, sum, S("services.nodeports"), ports);
}

static void claim_uses(struct arena *a, const struct json *claim, struct json *sum)
{
    static const char suffix[] = ".storageclass.storage.k8s.io/";
    str class = json_str(json_find(json_at(claim, "metadata", "annotations", NULL),
                                   S("volume.beta.kubernetes.io/storage-class")));
    const struct json *storage = json_at(claim, "spec", "resources", "requests", "storage", NULL),
                      *granted = json_at(claim, "status", "allocatedResources", "storage", NULL);
    struct quantity asked, given;

    if (!class.n)
        class = json_get_str(claim, "spec.storageClassName");
    /* What was given in the middle of a resize counts, when it is more. */
    if (storage && granted && quantity_parse(json_str(storage), &asked) &&
        quantity_parse(json_str(granted), &given) && quantity_cmp(&given, &asked) > 0)
        storage = granted;
    set_count(a, sum, S("persistentvolumeclaims"), 1);
    if (storage)
        json_setz(a, sum, "requests.storage", *storage);
    if (!class.n)
        return;
    set_count(a, sum, arena_fmt(a, PRI_STR "%spersistentvolumeclaims", STR_ARG(class), suffix), 1);
    if (storage)
        json_set(a, sum, arena_fmt(a, PRI_STR "%srequests.storage", STR_ARG(class), suffix),
                 *storage);
}

static struct json object_uses(struct arena *a, const struct kind *k, const struct json *obj,
                               wall_time now)
{
    static const char *const plain[] = {"configmaps", "secrets", "replicationcontrollers",
                                        "resourcequotas"};
    struct json sum = json_object();
    str plural = k->r->plural;

    if (k->r->group.n) {
        set_count(a, &sum,
                  arena_fmt(a, "count/" PRI_STR "." PRI_STR, STR_ARG(plural), STR_ARG(k->r->group)),
                  1);
        return sum;
    }
    set_count(a, &sum, arena_fmt(a, "count/" PRI_STR, STR_ARG(plural)), 1);
    if (str_is(plural, "pods"))
        pod_uses(a, obj, now, &sum);
    else if (str_is(plural, "services"))
        service_uses(a, obj, &sum);
    else if (str_is(plural, "persistentvolumeclaims"))
        claim_uses(a, obj, &sum);
    else
        for (size_t i = 0; i < ARRAY_LEN(plain); i++)
            if (str_is(plural, plain[i]))
                set_count(a, &sum, plural, 1);
    return sum;
}

/* ---- which objects a quota is about ---- */

static bool crosses_namespaces(const struct json *affinity)
{
    static const char *const kinds[] = {"podAffinity", "podAntiAffinity"};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const struct json *k = json_findz(affinity, kinds[i]);

        JSON_EACH(t, json_findz(k, "requiredDuringSchedulingIgnoredDuringExecution"))
            if (json_count(json_findz(t, "namespaces")) || json_findz(t, "namespaceSelector"))
                return true;
        JSON_EACH(t, json_findz(k, "preferredDuringSchedulingIgnoredDuringExecution"))
            if (json_count(json_at(t, "podAffinityTerm", "namespaces", NULL)) ||
                json_at(t, "podAffinityTerm", "namespaceSelector", NULL))
                return true;
    }
    return false;
}

/* A name against In, NotIn, Exists or DoesNotExist; no name is no label. */
static bool name_matches(str name, str op, const struct json *values)
{
    bool in = false;

    JSON_EACH(v, values)
        in |= name.n && str_eq(json_str(v), name);
    return str_is(op, "In")       ? in
           : str_is(op, "NotIn")  ? !in
           : str_is(op, "Exists") ? name.n > 0
                                  : !name.n;
}

static bool pod_in_scope(const struct json *pod, str scope, str op, const struct json *values)
{
    const struct json *spec = json_findz(pod, "spec");
    bool ends = json_findz(spec, "activeDeadlineSeconds") != NULL,
         best = !strcmp(pod_qos(spec), "BestEffort");

    if (str_is(scope, "Terminating") || str_is(scope, "NotTerminating"))
        return ends == str_is(scope, "Terminating");
    if (str_is(scope, "BestEffort") || str_is(scope, "NotBestEffort"))
        return best == str_is(scope, "BestEffort");
    if (str_is(scope, "PriorityClass"))
        return name_matches(json_get_str(spec, "priorityClassName"), op, values);
    return str_is(scope, "CrossNamespacePodAffinity") &&
           crosses_namespaces(json_findz(spec, "affinity"));
}

static bool in_scope(const struct kind *k, const struct json *obj, str scope, str op,
                     const struct json *values)
{
    if (!k->r->group.n && str_is(k->r->plural, "pods"))
        return pod_in_scope(obj, scope, op, values);
    if (!k->r->group.n && str_is(k->r->plural, "persistentvolumeclaims") &&
        str_is(scope, "VolumeAttributesClass"))
        return name_matches(json_get_str(obj, "spec.volumeAttributesClassName"), op, values);
    return false;
}

static bool has_scopes(const struct json *quota)
{
    return json_count(json_at(quota, "spec", "scopes", NULL)) ||
           json_count(json_at(quota, "spec", "scopeSelector", "matchExpressions", NULL));
}

static bool is_about(const struct json *quota, const struct kind *k, const struct json *obj)
{
    JSON_EACH(s, json_at(quota, "spec", "scopes", NULL))
        if (!in_scope(k, obj, json_str(s), S("Exists"), NULL))
            return false;
    JSON_EACH(x, json_at(quota, "spec", "scopeSelector", "matchExpressions", NULL))
        if (!in_scope(k, obj, json_get_str(x, "scopeName"), json_get_str(x, "operator"),
                      json_findz(x, "values")))
            return false;
    return true;
}

/* ---- what must be said: cpu and memory under quota, by every container ---- */

static bool says(const struct json *c, const char *name)
{
    const struct json *resources = json_findz(c, "resources");

    if (!strncmp(name, "limits.", 7))
        return json_at(resources, "limits", name + 7, NULL) != NULL;
    if (!strncmp(name, "requests.", 9))
        name += 9;
    return json_at(resources, "requests", name, NULL) != NULL;
}

static int compare_names(const void *x, const void *y)
{
    return str_cmp(((const struct json *)x)->s, ((const struct json *)y)->s);
}

/* "a,b": the containers that do not say it, sorted; NULL: all do. */
static const char *silent(struct arena *a, const struct json *spec, const char *name)
{
    static const char *const lists[] = {"containers", "initContainers"};
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json names = json_array();

    if (says(spec, name)) /* of the pod as a whole */
        return NULL;
    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        JSON_EACH(c, json_findz(spec, lists[l]))
            if (!says(c, name))
                json_append(a, &names, json_string(json_get_str(c, "name")));
    if (!names.n)
        return NULL;
    qsort(names.items, names.n, sizeof *names.items, compare_names);
    JSON_EACH(n, &names)
        buf_fmt(&b, "%s" PRI_STR, b.n ? "," : "", STR_ARG(n->s));
    return arena_dupz(a, buf_view(&b));
}

static struct err *check_said(struct write *w, const struct json *quota, const struct json *hard)
{
    static const char *const must[] = {"cpu",    "limits.cpu",   "limits.memory",
                                       "memory", "requests.cpu", "requests.memory"};
    CLEANUP(buf) struct buf b = BUF_INIT;

    for (size_t i = 0; i < ARRAY_LEN(must); i++) {
        const char *who =
            json_findz(hard, must[i]) ? silent(w->a, json_findz(w->obj, "spec"), must[i]) : NULL;

        if (who)
            buf_fmt(&b, "%s%s for: %s", b.n ? "; " : "", must[i], who);
    }
    if (!b.n)
        return NULL;
    return err_forbidden(w->kind, w->name.n ? w->name : meta_str(w->obj, "name"),
                         "failed quota: " PRI_STR ": must specify " PRI_STR,
                         STR_ARG(meta_str(quota, "name")), STR_ARG(buf_view(&b)));
}

/* ---- the sum ---- */

static bool count_stored(void *ctx, const struct obj *o)
{
    struct usage *u = ctx;
    struct write *w = u->w;
    struct arena *a;
    struct json *v, one;

    if (str_eq(o->key.name, u->skip))
        return true;
    a = arena_new();
    v = object_parse(a, arena_dup(a, o->data));
    if (!has_scopes(u->quota) || is_about(u->quota, w->kind, v)) {
        one = object_uses(a, w->kind, v, w->now);
        amounts_add(w->a, &u->used, &one);
    }
    arena_free(a);
    return true;
}

/* What the write adds to what was there, names that come out at nothing left out. */
static struct json delta(struct write *w)
{
    struct json now = object_uses(w->a, w->kind, w->obj, w->now), before, ret = json_object();

    before = w->old ? object_uses(w->a, w->kind, w->old, w->now) : json_object();
    JSON_EACH_MEMBER(m, &now) {
        struct quantity add, was;

        if (!quantity_parse(json_str(&m->value), &add))
            continue;
        if (amount_of(&before, m->key, &was))
            quantity_sub(&add, &was);
        if (add.nano > 0)
            json_set(w->a, &ret, m->key,
                     w->old ? json_string(amount_text(w->a, &add, is_in_bytes(m->key))) : m->value);
    }
    return ret;
}

/* The amount under a name: as the status says, or as it was counted when that is more. */
static str used_text(struct arena *a, const struct json *status, const struct json *counted,
                     str name, struct quantity *ret)
{
    struct quantity other;
    str said = json_str(json_find(json_findz(status, "used"), name));
    bool has = quantity_parse(said, ret);

    if (!amount_of(counted, name, &other) || (has && quantity_cmp(&other, ret) <= 0))
        return said.n ? said : S("0");
    *ret = other;
    return amount_text(a, ret,
                       is_in_bytes(name) || str_has_suffix(name, S("storage")) ||
                           str_has_suffix(name, S("memory")));
}

static struct err *unknown_status(struct write *w, const struct json *quota,
                                  const struct json *uses)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    const struct json *status = json_findz(quota, "status");

    JSON_EACH_MEMBER(m, uses)
        if (json_find(json_findz(status, "hard"), m->key) &&
            !json_find(json_findz(status, "used"), m->key))
            buf_fmt(&b, "%s" PRI_STR, b.n ? "," : "", STR_ARG(m->key));
    return b.n ? err_forbidden(w->kind, w->name.n ? w->name : meta_str(w->obj, "name"),
                               "status unknown for quota: " PRI_STR ", resources: " PRI_STR,
                               STR_ARG(meta_str(quota, "name")), STR_ARG(buf_view(&b)))
               : NULL;
}

static struct err *check_sum(struct write *w, const struct json *quota, struct json *add)
{
    const struct json *status = json_findz(quota, "status"), *hard = json_findz(status, "hard");
    struct usage u = {
        .w = w, .quota = quota, .used = json_object(), .skip = w->old ? w->name : S("")};
    CLEANUP(buf) struct buf requested = BUF_INIT, used = BUF_INIT, limited = BUF_INIT;

    store_each(w->api->store, w->kind->r->storage_resource, w->ns, NULL, count_stored, &u);
    if (w->old) { /* beside the others, the object as it is */
        struct json before = object_uses(w->a, w->kind, w->old, w->now);

        amounts_add(w->a, &u.used, &before);
    }
    json_sort_keys(add);
    JSON_EACH_MEMBER(m, add) {
        const struct json *max_text = json_find(hard, m->key);
        struct quantity max, have = {0}, sum, more;
        const char *comma = requested.n ? "," : "";
        str have_text;

        if (!max_text || !quantity_parse(json_str(max_text), &max) ||
            !quantity_parse(json_str(&m->value), &more))
            continue;
        have_text = used_text(w->a, status, &u.used, m->key, &have);
        sum = have;
        quantity_add(&sum, &more);
        if (quantity_cmp(&sum, &max) <= 0)
            continue;
        buf_fmt(&requested, "%s" PRI_STR "=" PRI_STR, comma, STR_ARG(m->key),
                STR_ARG(json_str(&m->value)));
        buf_fmt(&used, "%s" PRI_STR "=" PRI_STR, comma, STR_ARG(m->key), STR_ARG(have_text));
        buf_fmt(&limited, "%s" PRI_STR "=" PRI_STR, comma, STR_ARG(m->key),
                STR_ARG(json_str(max_text)));
    }
    return requested.n
               ? err_forbidden(w->kind, w->name.n ? w->name : meta_str(w->obj, "name"),
                               "exceeded quota: " PRI_STR ", requested: " PRI_STR ", used: " PRI_STR
                               ", limited: " PRI_STR,
                               STR_ARG(meta_str(quota, "name")), STR_ARG(buf_view(&requested)),
                               STR_ARG(buf_view(&used)), STR_ARG(buf_view(&limited)))
               : NULL;
}

/* ---- the plugin ---- */

struct quotas {
    struct arena *a;
    struct json *list[QUOTAS_MAX];
    size_t n;
};

static bool quota_keep(void *ctx, const struct obj *o)
{
    struct quotas *q = ctx;

    if (q->n < ARRAY_LEN(q->list))
        q->list[q->n++] = object_parse(q->a, arena_dup(q->a, o->data));
    return true;
}

/* Most objects count when they are made; only these may come to use more. */
static bool counts_now(const struct write *w, bool is_pod)
{
    if (is_pod)
        return w->old ? str_is(w->subresource, "resize") : !w->subresource.n;
    if (w->subresource.n)
        return false;
    return !w->old ||
           (!w->kind->r->group.n && (str_is(w->kind->r->plural, "services") ||
                                     str_is(w->kind->r->plural, "persistentvolumeclaims")));
}

static struct err *check_quota(struct write *w, const struct json *quota, struct json *add,
                               bool is_pod)
{
    const struct json *hard = json_at(quota, "status", "hard", NULL);
    struct json uses = object_uses(w->a, w->kind, w->obj, w->now);
    bool touches = false;
    struct err *e = NULL;

    if (!json_count(hard) || !is_about(quota, w->kind, w->obj))
        return NULL;
    if (is_pod)
        e = check_said(w, quota, hard);
    if (!e)
        e = unknown_status(w, quota, &uses);
    JSON_EACH_MEMBER(m, add)
        touches |= json_find(hard, m->key) != NULL;
    return e || !touches ? e : check_sum(w, quota, add);
}

struct err *resource_quota(struct write *w)
{
    struct quotas quotas = {.a = w->a};
    bool is_pod = !w->kind->r->group.n && str_is(w->kind->r->plural, "pods");
    struct json add;

    if (!w->kind->r->namespaced || (w->kind->hooks->flags & KIND_VIRTUAL) || !counts_now(w, is_pod))
        return NULL;
    store_each(w->api->store, api_core(w->api, "resourcequotas")->r->storage_resource, w->ns, NULL,
               quota_keep, &quotas);
    if (!quotas.n)
        return NULL;
    add = delta(w);
    for (size_t i = 0; i < quotas.n; i++) {
        struct err *e = check_quota(w, quotas.list[i], &add, is_pod);

        if (e)
            return e;
    }
    return NULL;
}
