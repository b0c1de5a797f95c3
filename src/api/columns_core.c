/* columns_core.c - tables of the core group's kinds but pods and their controllers. */
#include "api/columns.h"

#include <inttypes.h>

#define CELL(fn)                                                                                   \
    static void fn(struct arena *a, const struct json *obj, wall_time now, struct json *ret)

/* ---- services and endpoints ---- */

CELL(service_cluster_ip)
{
    str first = json_str(json_item(json_path(obj, "spec.clusterIPs"), 0));

    *ret = json_string(
        column_text_or(first.n ? first : json_get_str(obj, "spec.clusterIP"), "<none>"));
}

CELL(service_external_ip)
{
    str type = json_get_str(obj, "spec.type"),
        external = column_join(a, json_path(obj, "spec.externalIPs"), ",", 0);

    if (str_is(type, "LoadBalancer")) {
        str points = column_load_balancer(a, obj);

        if (external.n && points.n)
            points = arena_fmt(a, PRI_STR "," PRI_STR, STR_ARG(points), STR_ARG(external));
        else if (external.n)
            points = external;
        *ret = json_string(points.n ? points : S("<pending>"));
    } else if (str_is(type, "ExternalName")) {
        *ret = json_string(json_get_str(obj, "spec.externalName"));
    } else {
        *ret = json_string(column_text_or(external, "<none>"));
    }
}

CELL(service_ports)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    JSON_EACH(p, json_path(obj, "spec.ports")) {
        int64_t node_port = json_get_int(p, "nodePort", 0);

        buf_fmt(&b, "%s%" PRId64, b.n ? "," : "", json_get_int(p, "port", 0));
        if (node_port)
            buf_fmt(&b, ":%" PRId64, node_port);
        buf_fmt(&b, "/" PRI_STR, STR_ARG(json_get_str(p, "protocol")));
    }
    *ret = json_string(b.n ? arena_dup(a, buf_view(&b)) : S("<none>"));
}

static const struct column services[] = {
    COLUMN_NAME,
    {"Type", "string", "", "How the service is reached.", 0, TEXT_AT("spec.type")},
    {"Cluster-IP", "string", "", "Address inside the cluster.", 0, NULL, service_cluster_ip},
    {"External-IP", "string", "", "Addresses or name outside the cluster.", 0, NULL,
     service_external_ip},
    {"Port(s)", "string", "", "Ports with node ports and protocols.", 0, NULL, service_ports},
    COLUMN_AGE,
    {"Selector", "string", "", "Labels of the pods behind it.", 1, LABELS_AT("spec.selector")},
    COLUMN_END,
};

#define ENDPOINTS_SHOWN 3

CELL(endpoints_cell)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    unsigned n = 0;

    JSON_EACH(subset, json_path(obj, "subsets")) {
        const struct json *ports = json_findz(subset, "ports"),
                          *addresses = json_findz(subset, "addresses");

        if (!json_count(ports)) {
            JSON_EACH(address, addresses)
                if (n++ < ENDPOINTS_SHOWN)
                    buf_fmt(&b, "%s" PRI_STR, b.n ? "," : "", STR_ARG(json_get_str(address, "ip")));
            continue;
        }
        JSON_EACH(port, ports)
            JSON_EACH(address, addresses)
                if (n++ < ENDPOINTS_SHOWN) {
                    str ip = json_get_str(address, "ip");
                    bool v6 = str_has_char(ip, ':');

                    buf_fmt(&b, "%s%s" PRI_STR "%s:%" PRId64, b.n ? "," : "", v6 ? "[" : "",
                            STR_ARG(ip), v6 ? "]" : "", json_get_int(port, "port", 0));
                }
    }
    if (n > ENDPOINTS_SHOWN)
        buf_fmt(&b, " + %u more...", n - ENDPOINTS_SHOWN);
    /* Subsets of which no address is ready show nothing at all. */
    *ret = json_string(json_count(json_path(obj, "subsets")) ? arena_dup(a, buf_view(&b))
                                                             : S("<none>"));
}

static const struct column endpoints[] = {
    COLUMN_NAME,
    {"Endpoints", "string", "", "Ready addresses with ports.", 0, NULL, endpoints_cell},
    COLUMN_AGE,
    COLUMN_END,
};

/* ---- nodes ---- */

CELL(node_status)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    JSON_EACH(c, json_path(obj, "status.conditions"))
        if (str_is(json_get_str(c, "type"), "Ready"))
            buf_z(&b, str_is(json_get_str(c, "status"), "True") ? "Ready" : "NotReady");
    if (b.n == 0)
        buf_z(&b, "Unknown");
    if (json_get_bool(obj, "spec.unschedulable", false))
        buf_z(&b, ",SchedulingDisabled");
    *ret = json_string(arena_dup(a, buf_view(&b)));
}

static int by_text(const void *x, const void *y, void *ctx)
{
    return str_cmp(*(const str *)x, *(const str *)y);
}

CELL(node_roles)
{
    static const str prefix = STR("node-role.kubernetes.io/");
    const struct json *labels = json_path(obj, "metadata.labels");
    str *roles = ARENA_NEW_N(a, str, json_count(labels) + 1);
    CLEANUP(buf) struct buf b = BUF_INIT;
    size_t n = 0;

    JSON_EACH_MEMBER(m, labels) {
        str role = STR_NONE;

        if (str_has_prefix(m->key, prefix))
            role = str_skip(m->key, prefix.n);
        else if (str_is(m->key, "kubernetes.io/role"))
            role = json_str(&m->value);
        if (role.n)
            roles[n++] = role;
    }
    sort_with(roles, n, sizeof *roles, by_text, NULL);
    for (size_t i = 0; i < n; i++)
        if (!i || !str_eq(roles[i], roles[i - 1]))
            buf_fmt(&b, "%s" PRI_STR, b.n ? "," : "", STR_ARG(roles[i]));
    *ret = json_string(b.n ? arena_dup(a, buf_view(&b)) : S("<none>"));
}

static str node_address(const struct json *obj, const char *type)
{
    JSON_EACH(address, json_path(obj, "status.addresses"))
        if (str_is(json_get_str(address, "type"), type))
            return json_get_str(address, "address");
    return S("<none>");
}

CELL(node_internal_ip)
{
    *ret = json_string(node_address(obj, "InternalIP"));
}

CELL(node_external_ip)
{
    *ret = json_string(node_address(obj, "ExternalIP"));
}

CELL(node_kernel)
{
    str arch = json_get_str(obj, "status.nodeInfo.architecture"),
        kernel = column_text_or(json_get_str(obj, "status.nodeInfo.kernelVersion"), "<unknown>");

    if (arch.n && !str_is(kernel, "<unknown>"))
        kernel = arena_fmt(a, PRI_STR " (" PRI_STR ")", STR_ARG(kernel), STR_ARG(arch));
    *ret = json_string(kernel);
}

static const struct column nodes[] = {
    COLUMN_NAME,
    {"Status", "string", "", "Whether the node is ready and takes pods.", 0, NULL, node_status},
    {"Roles", "string", "", "Roles from the node's labels.", 0, NULL, node_roles},
    COLUMN_AGE,
    {"Version", "string", "", "Version of its kubelet.", 0,
     TEXT_AT("status.nodeInfo.kubeletVersion")},
    {"Internal-IP", "string", "", "Address inside the cluster.", 1, NULL, node_internal_ip},
    {"External-IP", "string", "", "Address outside the cluster.", 1, NULL, node_external_ip},
    {"OS-Image", "string", "", "Operating system of the node.", 1,
     TEXT_AT_OR("status.nodeInfo.osImage", "<unknown>")},
    {"Kernel-Version", "string", "", "Kernel of the node.", 1, NULL, node_kernel},
    {"Container-Runtime", "string", "", "Container runtime and its version.", 1,
     TEXT_AT_OR("status.nodeInfo.containerRuntimeVersion", "<unknown>")},
    COLUMN_END,
};

/* ---- namespaces, configuration, accounts ---- */

static const struct column namespaces[] = {
    COLUMN_NAME,
    {"Status", "string", "", "Active or Terminating.", 0, TEXT_AT("status.phase")},
    COLUMN_AGE,
    COLUMN_END,
};

CELL(configmap_data)
{
    *ret =
        json_int(json_count(json_findz(obj, "data")) + json_count(json_findz(obj, "binaryData")));
}

static const struct column configmaps[] = {
    COLUMN_NAME,
    {"Data", "string", "", "Number of keys.", 0, NULL, configmap_data},
    COLUMN_AGE,
    COLUMN_END,
};
static const struct column secrets[] = {
    COLUMN_NAME,
    {"Type", "string", "", "What the secret is for.", 0, TEXT_AT("type")},
    {"Data", "string", "", "Number of keys.", 0, COUNT_AT("data")},
    COLUMN_AGE,
    COLUMN_END,
};
static const struct column name_and_age[] = {COLUMN_NAME, COLUMN_AGE, COLUMN_END};
static const struct column name_and_creation[] = {
    COLUMN_NAME,
    {"Created At", "date", "", "When the object was created.", 0,
     TEXT_AT("metadata.creationTimestamp")},
    COLUMN_END,
};

/* ---- events ---- */

static str first_seen(struct arena *a, const struct json *obj, wall_time now)
{
    str first = json_get_str(obj, "firstTimestamp");

    return column_since(a, first.n ? first : json_get_str(obj, "eventTime"), now);
}

CELL(event_last_seen)
{
    const struct json *series = json_findz(obj, "series");
    str last = json_get_str(obj, "lastTimestamp");

    if (series)
        *ret = json_string(column_since(a, json_get_str(series, "lastObservedTime"), now));
    else
        *ret = json_string(last.n ? column_since(a, last, now) : first_seen(a, obj, now));
}

CELL(event_first_seen)
{
    *ret = json_string(first_seen(a, obj, now));
}

CELL(event_object)
{
    const struct json *involved = json_findz(obj, "involvedObject");
    str kind = column_group_kind(a, S(""), json_get_str(involved, "kind")),
        name = json_get_str(involved, "name");

    *ret = json_string(name.n ? arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(kind), STR_ARG(name))
                              : kind);
}

CELL(event_source)
{
    str component = json_get_str(obj, "source.component"), host = json_get_str(obj, "source.host");

    if (!component.n)
        component = json_get_str(obj, "reportingComponent");
    if (!host.n)
        host = json_get_str(obj, "reportingInstance");
    *ret = json_string(
        host.n ? arena_fmt(a, PRI_STR ", " PRI_STR, STR_ARG(component), STR_ARG(host)) : component);
}

CELL(event_message)
{
    *ret = json_string(str_trim(json_get_str(obj, "message")));
}

CELL(event_count)
{
    const struct json *series = json_findz(obj, "series");
    int64_t count = json_get_int(obj, "count", 0);

    *ret = json_int(series ? json_get_int(series, "count", 0) : count ? count : 1);
}

static const struct column events[] = {
    {"Last Seen", "string", "", "Time since it was last seen.", 0, NULL, event_last_seen},
    {"Type", "string", "", "Normal or Warning.", 0, TEXT_AT("type")},
    {"Reason", "string", "", "Why it happened, in one word.", 0, TEXT_AT("reason")},
    {"Object", "string", "", "What it is about.", 0, NULL, event_object},
    {"Subobject", "string", "", "Part of the object that it is about.", 1,
     TEXT_AT("involvedObject.fieldPath")},
    {"Source", "string", "", "Who reported it.", 1, NULL, event_source},
    {"Message", "string", "", "What happened, for people.", 0, NULL, event_message},
    {"First Seen", "string", "", "Time since it was first seen.", 1, NULL, event_first_seen},
    {"Count", "string", "", "How often it was seen.", 1, NULL, event_count},
    {"Name", "string", "name", "Name of the event.", 1, NULL, column_name},
    COLUMN_END,
};

/* ---- volumes ---- */

static str access_modes(struct arena *a, const struct json *modes)
{
    static const struct {
        const char *mode, *brief;
    } briefs[] = {{"ReadWriteOnce", "RWO"},
                  {"ReadOnlyMany", "ROX"},
                  {"ReadWriteMany", "RWX"},
                  {"ReadWriteOncePod", "RWOP"}};
    CLEANUP(buf) struct buf b = BUF_INIT;

    for (size_t i = 0; i < ARRAY_LEN(briefs); i++)
        JSON_EACH(m, modes)
            if (str_is(json_str(m), briefs[i].mode)) {
                buf_fmt(&b, "%s%s", b.n ? "," : "", briefs[i].brief);
                break;
            }
    return arena_dup(a, buf_view(&b));
}

static str volume_phase(const struct json *obj)
{
    return json_path(obj, "metadata.deletionTimestamp") ? S("Terminating")
                                                        : json_get_str(obj, "status.phase");
}

CELL(pv_modes)
{
    *ret = json_string(access_modes(a, json_path(obj, "spec.accessModes")));
}

CELL(volume_status)
{
    *ret = json_string(volume_phase(obj));
}

CELL(pv_claim)
{
    const struct json *claim = json_path(obj, "spec.claimRef");

    *ret = json_string(claim ? arena_fmt(a, PRI_STR "/" PRI_STR,
                                         STR_ARG(json_get_str(claim, "namespace")),
                                         STR_ARG(json_get_str(claim, "name")))
                             : S(""));
}

/* The annotation of old still counts before the field. */
static str storage_class(const struct json *obj)
{
    const struct json *beta = json_findz(json_path(obj, "metadata.annotations"),
                                         "volume.beta.kubernetes.io/storage-class");

    return beta ? json_str(beta) : json_get_str(obj, "spec.storageClassName");
}

CELL(volume_class)
{
    *ret = json_string(storage_class(obj));
}

static const struct column persistentvolumes[] = {
    COLUMN_NAME,
    {"Capacity", "string", "", "Size of the volume.", 0, TEXT_AT("spec.capacity.storage")},
    {"Access Modes", "string", "", "How it can be mounted.", 0, NULL, pv_modes},
    {"Reclaim Policy", "string", "", "What becomes of it after its claim.", 0,
     TEXT_AT("spec.persistentVolumeReclaimPolicy")},
    {"Status", "string", "", "Phase of the volume.", 0, NULL, volume_status},
    {"Claim", "string", "", "Claim that it is bound to.", 0, NULL, pv_claim},
    {"StorageClass", "string", "", "Class of the volume.", 0, NULL, volume_class},
    {"VolumeAttributesClass", "string", "", "Class of the volume's attributes.", 0,
     TEXT_AT_OR("spec.volumeAttributesClassName", "<unset>")},
    {"Reason", "string", "", "Why it is in this phase.", 0, TEXT_AT("status.reason")},
    COLUMN_AGE,
    {"VolumeMode", "string", "", "File system or block device.", 1,
     TEXT_AT_OR("spec.volumeMode", "<unset>")},
    COLUMN_END,
};

CELL(pvc_capacity)
{
    str storage = json_get_str(obj, "status.capacity.storage");

    *ret =
        json_string(json_get_str(obj, "spec.volumeName").n ? storage.n ? storage : S("0") : S(""));
}

CELL(pvc_modes)
{
    *ret = json_string(json_get_str(obj, "spec.volumeName").n
                           ? access_modes(a, json_path(obj, "status.accessModes"))
                           : S(""));
}

static const struct column persistentvolumeclaims[] = {
    COLUMN_NAME,
    {"Status", "string", "", "Phase of the claim.", 0, NULL, volume_status},
    {"Volume", "string", "", "Volume that it is bound to.", 0, TEXT_AT("spec.volumeName")},
    {"Capacity", "string", "", "Size of the volume.", 0, NULL, pvc_capacity},
    {"Access Modes", "string", "", "How it can be mounted.", 0, NULL, pvc_modes},
    {"StorageClass", "string", "", "Class that was asked for.", 0, NULL, volume_class},
    {"VolumeAttributesClass", "string", "", "Class of the volume's attributes.", 0,
     TEXT_AT_OR("spec.volumeAttributesClassName", "<unset>")},
    COLUMN_AGE,
    {"VolumeMode", "string", "", "File system or block device.", 1,
     TEXT_AT_OR("spec.volumeMode", "<unset>")},
    COLUMN_END,
};

/* ---- quotas: "cpu: 1/2, memory: 1Gi/2Gi", requests and limits apart ---- */

static str quota_text(struct arena *a, const struct json *obj, bool limits)
{
    const struct json *hard = json_path(obj, "status.hard"), *used = json_path(obj, "status.used");
    str *names = ARENA_NEW_N(a, str, json_count(hard) + 1);
    CLEANUP(buf) struct buf b = BUF_INIT;
    size_t n = 0;

    JSON_EACH_MEMBER(m, hard)
        if (str_has_prefix(m->key, S("limits.")) == limits)
            names[n++] = m->key;
    sort_with(names, n, sizeof *names, by_text, NULL);
    for (size_t i = 0; i < n; i++) {
        str u = json_str(json_find(used, names[i]));

        buf_fmt(&b, "%s" PRI_STR ": " PRI_STR "/" PRI_STR, i ? ", " : "", STR_ARG(names[i]),
                STR_ARG(u.n ? u : S("0")), STR_ARG(json_str(json_find(hard, names[i]))));
    }
    return arena_dup(a, buf_view(&b));
}

CELL(quota_request)
{
    *ret = json_string(quota_text(a, obj, false));
}

CELL(quota_limit)
{
    *ret = json_string(quota_text(a, obj, true));
}

static const struct column resourcequotas[] = {
    COLUMN_NAME,
    {"Request", "string", "", "Used of allowed requests and counts.", 0, NULL, quota_request},
    {"Limit", "string", "", "Used of allowed limits.", 0, NULL, quota_limit},
    COLUMN_AGE,
    COLUMN_END,
};

/* ---- component statuses ---- */

static const struct json *healthy(const struct json *obj)
{
    JSON_EACH(c, json_findz(obj, "conditions"))
        if (str_is(json_get_str(c, "type"), "Healthy"))
            return c;
    return NULL;
}

CELL(component_status)
{
    const struct json *c = healthy(obj);

    *ret = json_z(!c                                          ? "Unknown"
                  : str_is(json_get_str(c, "status"), "True") ? "Healthy"
                                                              : "Unhealthy");
}

CELL(component_message)
{
    *ret = json_string(json_get_str(healthy(obj), "message"));
}

CELL(component_error)
{
    *ret = json_string(json_get_str(healthy(obj), "error"));
}

static const struct column componentstatuses[] = {
    COLUMN_NAME,
    {"Status", "string", "", "Whether the component is healthy.", 0, NULL, component_status},
    {"Message", "string", "", "What the component said.", 0, NULL, component_message},
    {"Error", "string", "", "Why it could not be asked.", 0, NULL, component_error},
    COLUMN_END,
};

const struct column_set columns_core[] = {
    {"", "componentstatuses", componentstatuses},
    {"", "services", services},
    {"", "endpoints", endpoints},
    {"", "nodes", nodes},
    {"", "namespaces", namespaces},
    {"", "configmaps", configmaps},
    {"", "secrets", secrets},
    {"", "serviceaccounts", name_and_age},
    {"", "events", events},
    {"events.k8s.io", "events", events},
    {"", "persistentvolumes", persistentvolumes},
    {"", "persistentvolumeclaims", persistentvolumeclaims},
    {"", "resourcequotas", resourcequotas},
    {"", "limitranges", name_and_creation},
    {NULL, NULL, NULL},
};
