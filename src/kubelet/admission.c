/* admission.c - may a pod that was assigned to this node run here? Pure.
 *
 * The scheduler has asked the same before; this is for pods that name their node, and for races. A pod that is refused fails.
 * API: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/ and the kubelet's admission handlers. */
#include "kubelet/kubelet_internal.h"

#include "schema/schema.h"

static bool matches_expression(const struct json *labels, const struct json *e)
{
    str op = json_get_str(e, "operator");
    const struct json *have = json_find(labels, json_get_str(e, "key")),
                      *values = json_findz(e, "values");
    int64_t a, b;
    bool in = false;

    JSON_EACH(v, values)
        in |= have && str_eq(json_str(v), json_str(have));
    if (str_is(op, "In"))
        return in;
    if (str_is(op, "NotIn"))
        return !in;
    if (str_is(op, "Exists"))
        return have != NULL;
    if (str_is(op, "DoesNotExist"))
        return !have;
    if (!have || !str_to_int64(json_str(have), &a) ||
        !str_to_int64(json_str(json_item(values, 0)), &b))
        return false;
    return str_is(op, "Gt") ? a > b : str_is(op, "Lt") ? a < b : false;
}

static bool matches_term(const struct json *node, const struct json *term)
{
    const struct json *labels = json_at(node, "metadata", "labels", NULL);
    struct json_member name = {S("metadata.name"),
                               json_string(json_get_str(node, "metadata.name"))};
    struct json fields = {.type = JSON_OBJECT, .n = 1, .members = &name};

    if (!json_count(json_findz(term, "matchExpressions")) &&
        !json_count(json_findz(term, "matchFields")))
        return false;
    JSON_EACH(e, json_findz(term, "matchExpressions"))
        if (!matches_expression(labels, e))
            return false;
    JSON_EACH(e, json_findz(term, "matchFields"))
        if (!matches_expression(&fields, e))
            return false;
    return true;
}

static bool matches_node(const struct json *pod, const struct json *node)
{
    const struct json *labels = json_at(node, "metadata", "labels", NULL);
    const struct json *terms =
        json_at(pod, "spec", "affinity", "nodeAffinity",
                "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms", NULL);

    JSON_EACH_MEMBER(m, json_at(pod, "spec", "nodeSelector", NULL))
        if (!str_eq(json_str(json_find(labels, m->key)), json_str(&m->value)) ||
            !json_find(labels, m->key))
            return false;
    if (!terms)
        return true;
    JSON_EACH(t, terms)
        if (matches_term(node, t))
            return true;
    return false;
}

static bool ports_collide(const struct json *a, const struct json *b)
{
    JSON_EACH(ca, json_at(a, "spec", "containers", NULL))
        JSON_EACH(pa, json_findz(ca, "ports")) {
            int64_t port = json_get_int(pa, "hostPort", 0);

            if (!port)
                continue;
            JSON_EACH(cb, json_at(b, "spec", "containers", NULL))
                JSON_EACH(pb, json_findz(cb, "ports")) {
                    str ia = json_get_str(pa, "hostIP"), ib = json_get_str(pb, "hostIP");
                    str qa = json_get_str(pa, "protocol"), qb = json_get_str(pb, "protocol");

                    if (json_get_int(pb, "hostPort", 0) != port ||
                        !str_eq(qa.n ? qa : S("TCP"), qb.n ? qb : S("TCP")))
                        continue;
                    if (!ia.n || !ib.n || str_is(ia, "0.0.0.0") || str_is(ib, "0.0.0.0") ||
                        str_eq(ia, ib))
                        return true;
                }
        }
    return false;
}

bool admission_check(struct arena *a, const struct admission_input *in, str *ret_reason,
                     str *ret_message)
{
    static const struct {
        const char *resource, *reason;
    } resources[] = {{"cpu", "OutOfcpu"}, {"memory", "OutOfmemory"}};
    const struct json *allocatable = json_at(in->node, "status", "allocatable", NULL);

    if (!in->node)
        return true;
    if (in->max_pods && in->n_others + 1 > (size_t)in->max_pods) {
        *ret_reason = S("OutOfpods");
        *ret_message = arena_fmt(a,
                                 "Pod was rejected: Node didn't have enough resource: pods, "
                                 "requested: 1, used: %zu, capacity: %d",
                                 in->n_others, in->max_pods);
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(resources); i++) {
        str name = str_of(resources[i].resource);
        int64_t wanted = podspec_pod_request(in->pod, name), used = 0, capacity;
        struct quantity q;

        if (!wanted || !quantity_parse(json_str(json_find(allocatable, name)), &q))
            continue;
        capacity = str_is(name, "cpu") ? quantity_milli(&q) : quantity_value(&q);
        for (size_t k = 0; k < in->n_others; k++)
            used += podspec_pod_request(in->others[k], name);
        if (used + wanted > capacity) {
            *ret_reason = str_of(resources[i].reason);
            *ret_message =
                arena_fmt(a,
                          "Pod was rejected: Node didn't have enough resource: " PRI_STR
                          ", requested: %lld, used: %lld, capacity: %lld",
                          STR_ARG(name), (long long)wanted, (long long)used, (long long)capacity);
            return false;
        }
    }
    if (!matches_node(in->pod, in->node)) {
        *ret_reason = S("NodeAffinity");
        *ret_message = S("Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match "
                         "Pod's node affinity/selector");
        return false;
    }
    for (size_t k = 0; k < in->n_others; k++)
        if (ports_collide(in->pod, in->others[k])) {
            *ret_reason = S("NodePorts");
            *ret_message = S("Pod was rejected: Predicate NodePorts failed: node(s) didn't have "
                             "free ports for the requested pod ports");
            return false;
        }
    return true;
}
