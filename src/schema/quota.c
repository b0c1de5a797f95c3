/* quota.c - what one object uses of what a ResourceQuota limits, and which quotas it concerns.
 *
 * API: https://kubernetes.io/docs/concepts/policy/resource-quotas/. Source:
 * pkg/quota/v1/evaluator/core (pods.go, services.go, persistent_volume_claims.go,
 * resource_claims.go) */
#include "schema/quota.h"

#define CLAIM_DEVICES_MAX 32 /* that one claim can be given: what "All" counts as */

static void set_count(struct arena *a, struct json *sum, str name, int64_t n)
{
    if (n)
        json_set(a, sum, name, json_string(arena_fmt(a, "%lld", (long long)n)));
}

/* ---- what one object uses ---- */

bool quota_pod_deadline(const struct json *pod, wall_time *ret)
{
    str deletion = json_get_str(pod, "metadata.deletionTimestamp");
    wall_time at;

    if (!deletion.n || !rfc3339_parse(deletion, &at))
        return false;
    ret->ns = at.ns + json_get_int(pod, "metadata.deletionGracePeriodSeconds", 0) * NS_PER_S;
    return true;
}

static bool has_ended(const struct json *pod, wall_time now)
{
    str phase = json_get_str(pod, "status.phase");
    wall_time deadline;

    if (str_is(phase, "Succeeded") || str_is(phase, "Failed"))
        return true;
    return quota_pod_deadline(pod, &deadline) && now.ns > deadline.ns;
}

/* Of names that a pod's containers may have: those that no native resource has. */
static bool is_extended(str name)
{
    return str_has_char(name, '/') && str_find(name, S("kubernetes.io/")) < 0;
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
        if (pages || is_extended(m->key))
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

static int64_t devices_of(const struct json *request)
{
    return str_is(json_get_str(request, "allocationMode"), "All")
               ? CLAIM_DEVICES_MAX
               : json_get_int(request, "count", 1);
}

static str class_devices(struct arena *a, const struct json *request)
{
    return arena_fmt(a, PRI_STR ".deviceclass.resource.k8s.io/devices",
                     STR_ARG(json_get_str(request, "deviceClassName")));
}

/* Of alternatives the largest counts, per class. */
static void device_claim_uses(struct arena *a, const struct json *claim, struct json *sum)
{
    JSON_EACH(r, json_path(claim, "spec.devices.requests")) {
        const struct json *exactly = json_findz(r, "exactly");
        struct json one = json_object();

        if (exactly)
            set_count(a, &one, class_devices(a, exactly), devices_of(exactly));
        JSON_EACH(s, json_findz(r, "firstAvailable")) {
            str name = class_devices(a, s);
            struct quantity have = {0};
            int64_t n = devices_of(s);

            if (!amount_of(&one, name, &have) || n > quantity_value(&have))
                set_count(a, &one, name, n);
        }
        amounts_add(a, sum, &one);
    }
}

bool quota_looks_inside(str group, str plural)
{
    return group.n ? str_is(group, "resource.k8s.io") && str_is(plural, "resourceclaims")
                   : str_is(plural, "pods") || str_is(plural, "services") ||
                         str_is(plural, "persistentvolumeclaims");
}

struct json quota_uses(struct arena *a, str group, str plural, const struct json *obj,
                       wall_time now)
{
    static const char *const plain[] = {"configmaps", "secrets", "replicationcontrollers",
                                        "resourcequotas"};
    struct json sum = json_object();

    if (group.n) {
        set_count(a, &sum,
                  arena_fmt(a, "count/" PRI_STR "." PRI_STR, STR_ARG(plural), STR_ARG(group)), 1);
        if (quota_looks_inside(group, plural))
            device_claim_uses(a, obj, &sum);
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

/* ---- names ---- */

str quota_counted_kind(str name)
{
    static const char *const core[] = {"services",       "configmaps",
                                       "secrets",        "persistentvolumeclaims",
                                       "resourcequotas", "replicationcontrollers"};

    if (str_has_prefix(name, S("count/")))
        return str_skip(name, 6);
    if (str_has_suffix(name, S(".deviceclass.resource.k8s.io/devices")))
        return S("resourceclaims.resource.k8s.io");
    if (str_is(name, "requests.storage") || str_find(name, S(".storageclass.storage.k8s.io/")) >= 0)
        return S("persistentvolumeclaims");
    if (str_has_prefix(name, S("services.")))
        return S("services");
    for (size_t i = 0; i < ARRAY_LEN(core); i++)
        if (str_is(name, core[i]))
            return str_of(core[i]);
    return S("pods");
}

bool quota_is_in_bytes(str name)
{
    if (str_has_prefix(name, S("requests.")))
        name = str_skip(name, 9);
    else if (str_has_prefix(name, S("limits.")))
        name = str_skip(name, 7);
    return is_in_bytes(name) || str_has_suffix(name, S("/requests.storage"));
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

static bool in_scope(str group, str plural, const struct json *obj, str scope, str op,
                     const struct json *values)
{
    if (group.n)
        return false;
    if (str_is(plural, "pods"))
        return pod_in_scope(obj, scope, op, values);
    return str_is(plural, "persistentvolumeclaims") && str_is(scope, "VolumeAttributesClass") &&
           name_matches(json_get_str(obj, "spec.volumeAttributesClassName"), op, values);
}

bool quota_has_scopes(const struct json *spec)
{
    return json_count(json_findz(spec, "scopes")) ||
           json_count(json_at(spec, "scopeSelector", "matchExpressions", NULL));
}

bool quota_is_about(const struct json *spec, str group, str plural, const struct json *obj)
{
    JSON_EACH(s, json_findz(spec, "scopes"))
        if (!in_scope(group, plural, obj, json_str(s), S("Exists"), NULL))
            return false;
    JSON_EACH(x, json_at(spec, "scopeSelector", "matchExpressions", NULL))
        if (!in_scope(group, plural, obj, json_get_str(x, "scopeName"), json_get_str(x, "operator"),
                      json_findz(x, "values")))
            return false;
    return true;
}
