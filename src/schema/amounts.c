/* amounts.c - lists of amounts by resource, and what a pod asks for as a whole.
 *
 * Source: k8s.io/component-helpers/resource/helpers.go */
#include "schema/quota.h"

bool amount_of(const struct json *list, str name, struct quantity *ret)
{
    const struct json *v = json_find(list, name);

    return json_is(v, JSON_STRING) && quantity_parse(v->s, ret);
}

str amount_text(struct arena *a, const struct quantity *q, bool binary)
{
    struct buf b = BUF_INIT;
    str out;

    buf_quantity(&b, q, binary ? 'b' : 'd');
    out = arena_dup(a, buf_view(&b));
    buf_fini(&b);
    return out;
}

bool is_in_bytes(str name)
{
    return str_is(name, "memory") || str_is(name, "storage") || str_is(name, "ephemeral-storage") ||
           str_has_prefix(name, S("hugepages-"));
}

static void put(struct arena *a, struct json *sum, str name, const struct quantity *q)
{
    if (!json_find(sum, name))
        name = arena_dup(a, name); /* the list may go before the sum */
    json_set(a, sum, name, json_string(amount_text(a, q, is_in_bytes(name))));
}

void amounts_add(struct arena *a, struct json *sum, const struct json *list)
{
    JSON_EACH_MEMBER(m, list) {
        struct quantity have = {0}, add;

        if (!quantity_parse(json_str(&m->value), &add))
            continue;
        amount_of(sum, m->key, &have);
        quantity_add(&have, &add);
        put(a, sum, m->key, &have);
    }
}

static void keep_larger(struct arena *a, struct json *max, const struct json *list)
{
    JSON_EACH_MEMBER(m, list) {
        struct quantity have = {0}, other;

        if (!quantity_parse(json_str(&m->value), &other))
            continue;
        if (!amount_of(max, m->key, &have) || quantity_cmp(&other, &have) > 0)
            put(a, max, m->key, &other);
    }
}

/* ---- a pod whose size is being changed ---- */

/* The node has said that it will never do it (IsPodResizeInfeasible). */
static bool is_infeasible(const struct json *pod)
{
    JSON_EACH(c, json_path(pod, "status.conditions"))
        if (str_is(json_get_str(c, "type"), "PodResizePending"))
            return str_is(json_get_str(c, "reason"), "Infeasible");
    return false;
}

/* Of what is wanted, what is in force and what the node has granted, the most; wanted does not
 * count when it will never come. */
static const struct json *most(struct arena *a, const struct json *pod, const struct json *wanted,
                               const struct json *in_force, const struct json *granted)
{
    struct json *max;

    if ((!in_force || json_equal(in_force, wanted)) && (!granted || json_equal(granted, wanted)))
        return wanted; /* as nearly always */
    max = json_new(a, json_object());
    if (!is_infeasible(pod))
        keep_larger(a, max, wanted);
    keep_larger(a, max, in_force);
    keep_larger(a, max, granted);
    return max;
}

static const struct json *status_named(const struct json *pod, const char *list, str name)
{
    JSON_EACH(s, json_at(pod, "status", list, NULL))
        if (str_eq(json_get_str(s, "name"), name))
            return s;
    return NULL;
}

static bool is_sidecar(const struct json *container)
{
    return str_is(json_get_str(container, "restartPolicy"), "Always");
}

const struct json *container_amounts(struct arena *a, const struct json *pod, const char *list,
                                     const struct json *container, const char *which)
{
    const struct json *wanted = json_at(container, "resources", which, NULL), *status;
    bool is_init = !strcmp(list, "initContainers");

    if (is_init && !is_sidecar(container))
        return wanted; /* its size does not change */
    status = status_named(pod, is_init ? "initContainerStatuses" : "containerStatuses",
                          json_get_str(container, "name"));
    if (!json_findz(status, "resources"))
        return wanted;
    return most(a, pod, wanted, json_at(status, "resources", which, NULL),
                strcmp(which, "requests") ? NULL : json_findz(status, "allocatedResources"));
}

/* What the status says of the whole pod has its overhead in it. */
static const struct json *without_overhead(struct arena *a, const struct json *pod,
                                           const struct json *list)
{
    const struct json *overhead = json_path(pod, "spec.overhead");
    struct json *out;

    if (!json_count(overhead) || !list)
        return list;
    out = json_new(a, json_copy(a, list));
    JSON_EACH_MEMBER(m, overhead) {
        struct quantity have, less;

        if (!amount_of(out, m->key, &have) || !quantity_parse(json_str(&m->value), &less))
            continue;
        quantity_sub(&have, &less);
        put(a, out, m->key, &have);
    }
    return out;
}

const struct json *pod_level_amounts(struct arena *a, const struct json *pod, const char *which)
{
    const struct json *wanted = json_at(pod, "spec", "resources", which, NULL),
                      *status = json_findz(pod, "status");

    if (!json_count(wanted))
        return NULL;
    return most(a, pod, wanted, without_overhead(a, pod, json_at(status, "resources", which, NULL)),
                strcmp(which, "requests")
                    ? NULL
                    : without_overhead(a, pod, json_findz(status, "allocatedResources")));
}

/* ---- the pod as a whole ---- */

/* Init containers run one after the other, before the containers; those that stay (sidecars) run
 * beside all that come later. `pod` NULL: what the spec says, whatever its status is. */
static struct json of_containers(struct arena *a, const struct json *pod, const struct json *spec,
                                 const char *which)
{
    struct json sum = json_object(), sidecars = json_object(), init = json_object();

    JSON_EACH(c, json_findz(spec, "containers"))
        amounts_add(a, &sum, container_amounts(a, pod, "containers", c, which));
    JSON_EACH(c, json_findz(spec, "initContainers")) {
        const struct json *list = container_amounts(a, pod, "initContainers", c, which);
        struct json now = json_object();

        if (is_sidecar(c)) {
            amounts_add(a, &sum, list);
            amounts_add(a, &sidecars, list);
        } else
            amounts_add(a, &now, list);
        amounts_add(a, &now, &sidecars);
        keep_larger(a, &init, &now);
    }
    keep_larger(a, &sum, &init);
    return sum;
}

struct json pod_amounts(struct arena *a, const struct json *pod, const char *which, bool all)
{
    const struct json *spec = json_findz(pod, "spec");
    struct json sum = of_containers(a, all ? pod : NULL, spec, which);

    /* What is said of the pod as a whole counts. */
    JSON_EACH_MEMBER(m, all ? pod_level_amounts(a, pod, which)
                            : json_at(spec, "resources", which, NULL))
        json_set(a, &sum, m->key, m->value);
    if (!all)
        return sum;
    JSON_EACH_MEMBER(m, json_findz(spec, "overhead")) {
        struct json one = json_object();
        struct quantity q;

        json_set(a, &one, m->key, m->value);
        /* No limit stays none. */
        if (!strcmp(which, "requests") || (amount_of(&sum, m->key, &q) && q.nano))
            amounts_add(a, &sum, &one);
    }
    return sum;
}

static void qos_of(const struct json *resources, bool *any, bool *guaranteed)
{
    static const char *const names[] = {"cpu", "memory"};
    const struct json *limits = json_findz(resources, "limits"),
                      *requests = json_findz(resources, "requests");

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct quantity lim = {0}, req = {0};
        bool has_lim =
            quantity_parse(json_str(json_findz(limits, names[i])), &lim) && lim.nano != 0;
        bool has_req =
            quantity_parse(json_str(json_findz(requests, names[i])), &req) && req.nano != 0;

        *any |= has_lim || has_req;
        if (!has_lim || (has_req && quantity_cmp(&lim, &req) != 0))
            *guaranteed = false;
    }
}

/* Guaranteed when every container limits cpu and memory and asks for no less; BestEffort when
 * nobody asks for anything. */
const char *pod_qos(const struct json *spec)
{
    static const char *const lists[] = {"containers", "initContainers"};
    const struct json *whole = json_findz(spec, "resources");
    bool any = false, guaranteed = true;

    /* What is said of the pod as a whole counts alone. */
    if (json_count(json_findz(whole, "limits")) || json_count(json_findz(whole, "requests"))) {
        qos_of(whole, &any, &guaranteed);
        return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
    }
    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        JSON_EACH(c, json_findz(spec, lists[l]))
            qos_of(json_findz(c, "resources"), &any, &guaranteed);
    return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}
