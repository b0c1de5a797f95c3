/* podspec.c - questions about a pod's specification; see podspec.h.
 *
 * API: https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/
 *      https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers */
#include "kubelet/podspec.h"

#include "schema/schema.h"

static const str compute_resources[] = {STR("cpu"), STR("memory")};

static const char *const container_lists[] = {
    [CONTAINER_INIT] = "initContainers",
    [CONTAINER_REGULAR] = "containers",
    [CONTAINER_EPHEMERAL] = "ephemeralContainers",
};

const char *podspec_container_list(enum container_kind kind)
{
    return container_lists[kind];
}

struct json *podspec_find_container(const struct json *pod, str name, enum container_kind *ret_kind)
{
    for (size_t k = 0; k < ARRAY_LEN(container_lists); k++)
        JSON_EACH(c, json_at(pod, "spec", container_lists[k], NULL))
            if (str_eq(podspec_container_name(c), name)) {
                if (ret_kind)
                    *ret_kind = (enum container_kind)k;
                return c;
            }
    return NULL;
}

str podspec_container_name(const struct json *container)
{
    return json_str(json_findz(container, "name"));
}

bool podspec_is_sidecar(const struct json *container)
{
    return str_is(json_str(json_findz(container, "restartPolicy")), "Always");
}

str podspec_restart_policy(const struct json *pod, const struct json *container)
{
    str own = json_str(json_findz(container, "restartPolicy"));
    str pods;

    if (own.n)
        return own;
    pods = json_get_str(pod, "spec.restartPolicy");
    return pods.n ? pods : S("Always");
}

void buf_pod_name(struct buf *b, const struct json *pod)
{
    str name = json_get_str(pod, "metadata.name"), ns = json_get_str(pod, "metadata.namespace");
    str uid = json_get_str(pod, "metadata.uid");

    buf_fmt(b, PRI_STR "_" PRI_STR "(" PRI_STR ")", STR_ARG(name), STR_ARG(ns), STR_ARG(uid));
}

void buf_container_path(struct buf *b, enum container_kind kind, str name)
{
    buf_fmt(b, "spec.%s{" PRI_STR "}", container_lists[kind], STR_ARG(name));
}

bool podspec_is_deleting(const struct json *pod)
{
    return json_get_str(pod, "metadata.deletionTimestamp").n > 0;
}

bool podspec_is_finished(const struct json *pod)
{
    str phase = json_get_str(pod, "status.phase");

    return str_is(phase, "Succeeded") || str_is(phase, "Failed");
}

bool podspec_is_host_network(const struct json *pod)
{
    return json_get_bool(pod, "spec.hostNetwork", false);
}

str podspec_annotation(const struct json *pod, str key)
{
    return json_str(json_find(json_at(pod, "metadata", "annotations", NULL), key));
}

str podspec_label(const struct json *pod, str key)
{
    return json_str(json_find(json_at(pod, "metadata", "labels", NULL), key));
}

bool podspec_is_static_mirror(const struct json *pod)
{
    return podspec_annotation(pod, S("kubernetes.io/config.mirror")).n > 0;
}

int64_t podspec_grace_s(const struct json *pod)
{
    int64_t grace = json_get_int(pod, "metadata.deletionGracePeriodSeconds", -1);

    if (grace < 0)
        grace = json_get_int(pod, "spec.terminationGracePeriodSeconds", 30);
    return grace < 0 ? 1 : grace;
}

/* ---- resources ---- */

static bool amount_of(const struct json *resources, const char *set, str name, int64_t *ret)
{
    struct json *v = json_find(json_findz(resources, set), name);
    struct quantity q;

    if (!v || !quantity_parse(json_str(v), &q))
        return false;
    *ret = str_is(name, "cpu") ? quantity_milli(&q) : quantity_value(&q);
    return true;
}

bool podspec_resource(const struct json *container, const char *set, str name, int64_t *ret)
{
    return amount_of(json_findz(container, "resources"), set, name, ret);
}

int64_t podspec_request(const struct json *container, str name)
{
    int64_t v;

    if (podspec_resource(container, "requests", name, &v) ||
        podspec_resource(container, "limits", name, &v))
        return v;
    return 0;
}

static int64_t overhead_of(const struct json *pod, str name)
{
    struct json *v = json_find(json_at(pod, "spec", "overhead", NULL), name);
    struct quantity q;

    if (!v || !quantity_parse(json_str(v), &q))
        return 0;
    return str_is(name, "cpu") ? quantity_milli(&q) : quantity_value(&q);
}

int64_t podspec_pod_request(const struct json *pod, str name)
{
    int64_t together = 0, sidecars = 0, at_start = 0, pod_level;

    if (amount_of(json_at(pod, "spec", "resources", NULL), "requests", name, &pod_level))
        return pod_level + overhead_of(pod, name);
    JSON_EACH(c, json_at(pod, "spec", "containers", NULL))
        together += podspec_request(c, name);
    JSON_EACH(c, json_at(pod, "spec", "initContainers", NULL)) {
        /* Sidecars started before an init container run beside it. */
        if (podspec_is_sidecar(c)) {
            sidecars += podspec_request(c, name);
            at_start = MAX(at_start, sidecars);
        } else {
            at_start = MAX(at_start, sidecars + podspec_request(c, name));
        }
    }
    return MAX(together + sidecars, at_start) + overhead_of(pod, name);
}

bool podspec_pod_limit(const struct json *pod, str name, int64_t *ret)
{
    int64_t together = 0, sidecars = 0, at_start = 0, v;

    if (amount_of(json_at(pod, "spec", "resources", NULL), "limits", name, &v)) {
        *ret = v + overhead_of(pod, name);
        return true;
    }
    JSON_EACH(c, json_at(pod, "spec", "containers", NULL)) {
        if (!podspec_resource(c, "limits", name, &v) || v == 0)
            return false;
        together += v;
    }
    JSON_EACH(c, json_at(pod, "spec", "initContainers", NULL)) {
        if (!podspec_resource(c, "limits", name, &v) || v == 0)
            return false;
        if (podspec_is_sidecar(c)) {
            sidecars += v;
            at_start = MAX(at_start, sidecars);
        } else {
            at_start = MAX(at_start, sidecars + v);
        }
    }
    *ret = MAX(together + sidecars, at_start) + overhead_of(pod, name);
    return true;
}

enum pod_qos podspec_qos(const struct json *pod)
{
    static const enum container_kind kinds[] = {CONTAINER_INIT, CONTAINER_REGULAR};
    str said = json_get_str(pod, "status.qosClass");
    bool any = false, guaranteed = true;

    if (str_is(said, "Guaranteed"))
        return QOS_GUARANTEED;
    if (str_is(said, "Burstable"))
        return QOS_BURSTABLE;
    if (str_is(said, "BestEffort"))
        return QOS_BEST_EFFORT;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
        JSON_EACH(c, json_at(pod, "spec", container_lists[kinds[k]], NULL))
            for (size_t i = 0; i < ARRAY_LEN(compute_resources); i++) {
                int64_t request = 0, limit = 0;
                bool has_request =
                    podspec_resource(c, "requests", compute_resources[i], &request) && request > 0;
                bool has_limit =
                    podspec_resource(c, "limits", compute_resources[i], &limit) && limit > 0;

                any |= has_request || has_limit;
                if (!has_limit || (has_request && request != limit))
                    guaranteed = false;
            }
    if (!any)
        return QOS_BEST_EFFORT;
    return guaranteed ? QOS_GUARANTEED : QOS_BURSTABLE;
}

const char *podspec_qos_name(enum pod_qos qos)
{
    static const char *const names[] = {
        [QOS_GUARANTEED] = "Guaranteed",
        [QOS_BURSTABLE] = "Burstable",
        [QOS_BEST_EFFORT] = "BestEffort",
    };

    return names[qos];
}

int podspec_oom_score_adj(const struct json *pod, const struct json *container,
                          int64_t node_memory_bytes)
{
    int64_t request, adj;
    str priority = json_get_str(pod, "spec.priorityClassName");

    /* What the node cannot live without goes last, like guaranteed pods. */
    if (str_is(priority, "system-node-critical"))
        return -997;
    switch (podspec_qos(pod)) {
    case QOS_GUARANTEED:
        return -997;
    case QOS_BEST_EFFORT:
        return 1000;
    case QOS_BURSTABLE:
        break;
    }
    request = podspec_request(container, S("memory"));
    adj = node_memory_bytes > 0 ? 1000 - (int64_t)((__int128)1000 * request / node_memory_bytes)
                                : 1000;
    /* Burstable stays between guaranteed (below 3) and best effort (1000). */
    return (int)MIN(MAX(adj, INT64_C(3)), INT64_C(999));
}

void podspec_container_hash(const struct json *container, char ret[9])
{
    uint32_t h = 2166136261u; /* FNV-1a, 32 bits */
    str parts[2] = {podspec_container_name(container), json_str(json_findz(container, "image"))};

    for (size_t k = 0; k < ARRAY_LEN(parts); k++) {
        for (size_t i = 0; i < parts[k].n; i++)
            h = (h ^ (uint8_t)parts[k].p[i]) * 16777619u;
        h = (h ^ 0xff) * 16777619u;
    }
    snprintf(ret, 9, "%08x", h);
}

int podspec_port(const struct json *container, const struct json *port)
{
    str name = json_str(port);
    int64_t n;

    if (json_is(port, JSON_INT))
        n = port->i;
    else if (!str_to_int64(name, &n)) {
        n = 0;
        JSON_EACH(p, json_findz(container, "ports"))
            if (str_eq(json_str(json_findz(p, "name")), name))
                n = json_get_int(p, "containerPort", 0);
    }
    return n > 0 && n < 65536 ? (int)n : 0;
}

void buf_duration(struct buf *b, int64_t ns)
{
    static const struct {
        int64_t below, unit;
        const char *name;
    } small[] = {
        {1000, 1, "ns"}, {1000000, 1000, "\xc2\xb5s"}, {INT64_C(1000000000), 1000000, "ms"}};
    int64_t h, m;
    char text[64];

    if (ns == 0) {
        buf_z(b, "0s");
        return;
    }
    if (ns < 0) {
        buf_char(b, '-');
        ns = -ns;
    }
    for (size_t i = 0; i < ARRAY_LEN(small); i++)
        if (ns < small[i].below) {
            snprintf(text, sizeof text, "%.9g%s", (double)ns / (double)small[i].unit,
                     small[i].name);
            buf_z(b, text);
            return;
        }
    h = ns / INT64_C(3600000000000);
    ns %= INT64_C(3600000000000);
    m = ns / INT64_C(60000000000);
    ns %= INT64_C(60000000000);
    if (h)
        buf_fmt(b, "%lldh", (long long)h);
    if (h || m)
        buf_fmt(b, "%lldm", (long long)m);
    snprintf(text, sizeof text, "%.12gs", (double)ns / 1e9);
    buf_z(b, text);
}
