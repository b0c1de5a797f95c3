/* columns_other.c - tables of the kinds outside the core group and the workloads. */
#include "api/columns.h"

#include <inttypes.h>

#define CELL(fn)                                                                                   \
    static void fn(struct arena *a, const struct json *obj, wall_time now, struct json *ret)

/* ---- networking and discovery ---- */

#define HOSTS_SHOWN 3

/* The first hosts; once there are as many as are shown, every later rule counts as one more, host or not. */
CELL(ingress_hosts)
{
    const struct json *rules = json_path(obj, "spec.rules");
    CLEANUP(buf) struct buf b = BUF_INIT;
    uint32_t n = 0;
    bool more = false;

    JSON_EACH(r, rules) {
        str host = json_get_str(r, "host");

        more |= n == HOSTS_SHOWN;
        if (more || !host.n)
            continue;
        buf_fmt(&b, "%s" PRI_STR, n ? "," : "", STR_ARG(host));
        n++;
    }
    if (more)
        buf_fmt(&b, " + %u more...", json_count(rules) - HOSTS_SHOWN);
    *ret = json_string(column_text_or(arena_dup(a, buf_view(&b)), "*"));
}

CELL(ingress_address)
{
    *ret = json_string(column_load_balancer(a, obj));
}

CELL(ingress_ports)
{
    *ret = json_z(json_count(json_path(obj, "spec.tls")) ? "80, 443" : "80");
}

static const struct column ingresses[] = {
    COLUMN_NAME,
    {"Class", "string", "", "Class of controllers that serves it.", 0,
     TEXT_AT_OR("spec.ingressClassName", "<none>")},
    {"Hosts", "string", "", "Host names of its rules.", 0, NULL, ingress_hosts},
    {"Address", "string", "", "Addresses that serve it.", 0, NULL, ingress_address},
    {"Ports", "string", "", "Ports that it listens on.", 0, NULL, ingress_ports},
    COLUMN_AGE,
    COLUMN_END,
};

CELL(class_parameters)
{
    const struct json *p = json_path(obj, "spec.parameters");
    str group = json_get_str(p, "apiGroup");

    if (!p)
        *ret = json_z("<none>");
    else if (group.n)
        *ret = json_string(arena_fmt(a, PRI_STR "." PRI_STR "/" PRI_STR,
                                     STR_ARG(json_get_str(p, "kind")), STR_ARG(group),
                                     STR_ARG(json_get_str(p, "name"))));
    else
        *ret = json_string(arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(json_get_str(p, "kind")),
                                     STR_ARG(json_get_str(p, "name"))));
}

static const struct column ingressclasses[] = {
    COLUMN_NAME,
    {"Controller", "string", "", "Controller that serves this class.", 0,
     TEXT_AT("spec.controller")},
    {"Parameters", "string", "", "Object with the controller's settings.", 0, NULL,
     class_parameters},
    COLUMN_AGE,
    COLUMN_END,
};

static const struct column networkpolicies[] = {
    COLUMN_NAME,
    {"Pod-Selector", "string", "", "Labels of the pods that it is for.", 0,
     SELECTOR_AT("spec.podSelector")},
    COLUMN_AGE,
    COLUMN_END,
};

CELL(ip_parent)
{
    const struct json *p = json_path(obj, "spec.parentRef");
    str group = json_get_str(p, "group"), ns = json_get_str(p, "namespace");

    *ret = json_string(arena_fmt(a, PRI_STR "%s" PRI_STR "/" PRI_STR "%s" PRI_STR,
                                 STR_ARG(json_get_str(p, "resource")), group.n ? "." : "",
                                 STR_ARG(group), STR_ARG(ns), ns.n ? "/" : "",
                                 STR_ARG(json_get_str(p, "name"))));
}

static const struct column ipaddresses[] = {
    COLUMN_NAME,
    {"ParentRef", "string", "", "Object that uses the address.", 0, NULL, ip_parent},
    /* Kubernetes' rows of this kind have an age that its column definitions forget; kubectl does not show it. */
    {"Age", NULL, NULL, NULL, 0, NULL, column_age},
    COLUMN_END,
};

CELL(cidrs)
{
    *ret = json_string(column_join(a, json_path(obj, "spec.cidrs"), ",", 0));
}

static const struct column servicecidrs[] = {
    COLUMN_NAME,
    {"CIDRs", "string", "", "Networks that service addresses come from.", 0, NULL, cidrs},
    COLUMN_AGE,
    COLUMN_END,
};

CELL(slice_ports)
{
    struct json ports = json_array();

    JSON_EACH(p, json_findz(obj, "ports")) {
        const struct json *port = json_findz(p, "port"), *name = json_findz(p, "name");

        json_append(a, &ports,
                    port   ? json_string(column_text(a, port))
                    : name ? *name
                           : json_z("*"));
    }
    *ret = json_string(column_text_or(column_join(a, &ports, ",", HOSTS_SHOWN), "<unset>"));
}

CELL(slice_endpoints)
{
    struct json all = json_array();

    JSON_EACH(e, json_findz(obj, "endpoints"))
        JSON_EACH(address, json_findz(e, "addresses"))
            json_append(a, &all, *address);
    *ret = json_string(column_text_or(column_join(a, &all, ",", HOSTS_SHOWN), "<unset>"));
}

static const struct column endpointslices[] = {
    COLUMN_NAME,
    {"AddressType", "string", "", "Kind of the addresses.", 0, TEXT_AT("addressType")},
    {"Ports", "string", "", "Ports of the endpoints.", 0, NULL, slice_ports},
    {"Endpoints", "string", "", "Addresses of the endpoints.", 0, NULL, slice_endpoints},
    COLUMN_AGE,
    COLUMN_END,
};

/* ---- access ---- */

CELL(binding_role)
{
    *ret = json_string(arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(json_get_str(obj, "roleRef.kind")),
                                 STR_ARG(json_get_str(obj, "roleRef.name"))));
}

static void subjects(struct arena *a, const struct json *obj, const char *kind, struct json *ret)
{
    struct json names = json_array();

    JSON_EACH(s, json_findz(obj, "subjects")) {
        str ns = json_get_str(s, "namespace"), name = json_get_str(s, "name");

        if (!str_is(json_get_str(s, "kind"), kind))
            continue;
        json_append(
            a, &names,
            json_string(strcmp(kind, "ServiceAccount")
                            ? name
                            : arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(ns), STR_ARG(name))));
    }
    *ret = json_string(column_join(a, &names, ", ", 0));
}

CELL(binding_users)
{
    subjects(a, obj, "User", ret);
}

CELL(binding_groups)
{
    subjects(a, obj, "Group", ret);
}

CELL(binding_accounts)
{
    subjects(a, obj, "ServiceAccount", ret);
}

static const struct column rolebindings[] = {
    COLUMN_NAME,
    {"Role", "string", "", "Role that is given.", 0, NULL, binding_role},
    COLUMN_AGE,
    {"Users", "string", "", "Users that it is given to.", 1, NULL, binding_users},
    {"Groups", "string", "", "Groups that it is given to.", 1, NULL, binding_groups},
    {"ServiceAccounts", "string", "", "Service accounts that it is given to.", 1, NULL,
     binding_accounts},
    COLUMN_END,
};

CELL(csr_duration)
{
    const struct json *s = json_path(obj, "spec.expirationSeconds");

    *ret = s ? json_string(duration_text(a, s->i)) : json_z("<none>");
}

CELL(csr_condition)
{
    const struct json *conditions = json_path(obj, "status.conditions");
    CLEANUP(buf) struct buf b = BUF_INIT;
    bool approved = false, denied = false, failed = false;

    JSON_EACH(c, conditions) {
        approved |= str_is(json_get_str(c, "type"), "Approved");
        denied |= str_is(json_get_str(c, "type"), "Denied");
        failed |= str_is(json_get_str(c, "type"), "Failed");
    }
    buf_z(&b, denied ? "Denied" : approved ? "Approved" : "Pending");
    if (failed)
        buf_z(&b, ",Failed");
    if (json_get_str(obj, "status.certificate").n)
        buf_z(&b, ",Issued");
    *ret = json_string(arena_dup(a, buf_view(&b)));
}

static const struct column certificatesigningrequests[] = {
    COLUMN_NAME,
    COLUMN_AGE,
    {"SignerName", "string", "", "Who should sign.", 0, TEXT_AT_OR("spec.signerName", "<none>")},
    {"Requestor", "string", "", "Who asked.", 0, TEXT_AT("spec.username")},
    {"RequestedDuration", "string", "", "How long the certificate should be good.", 0, NULL,
     csr_duration},
    {"Condition", "string", "", "What was decided.", 0, NULL, csr_condition},
    COLUMN_END,
};

/* ---- policy, autoscaling, scheduling ---- */

static const struct column poddisruptionbudgets[] = {
    COLUMN_NAME,
    {"Min Available", "string", "", "Pods that must stay.", 0,
     TEXT_AT_OR("spec.minAvailable", "N/A")},
    {"Max Unavailable", "string", "", "Pods that may go.", 0,
     TEXT_AT_OR("spec.maxUnavailable", "N/A")},
    {"Allowed Disruptions", "integer", "", "Pods that may be evicted now.", 0,
     INT_AT("status.disruptionsAllowed")},
    COLUMN_AGE,
    COLUMN_END,
};

CELL(hpa_reference)
{
    const struct json *t = json_path(obj, "spec.scaleTargetRef");

    *ret = json_string(arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(json_get_str(t, "kind")),
                                 STR_ARG(json_get_str(t, "name"))));
}

/* One metric "name: current/target". A status that has the metric but not the value that the target is about shows Go's nil,
 * except where averages of objects and external metrics are compared. */
static str hpa_metric(struct arena *a, const struct json *spec, const struct json *status)
{
    static const struct {
        const char *type, *field;
    } sources[] = {{"Resource", "resource"},
                   {"ContainerResource", "containerResource"},
                   {"Pods", "pods"},
                   {"Object", "object"},
                   {"External", "external"}};

    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        const struct json *source = json_findz(spec, sources[i].field),
                          *current = json_path(json_findz(status, sources[i].field), "current"),
                          *target = json_findz(source, "target"),
                          *utilization = json_findz(target, "averageUtilization");
        str name = json_get_str(source, "name"), now, wanted;

        if (!str_is(json_get_str(spec, "type"), sources[i].type))
            continue;
        if (utilization) {
            const struct json *is = json_findz(current, "averageUtilization");

            now = is ? arena_fmt(a, PRI_STR "%%", STR_ARG(column_text(a, is))) : S("<unknown>");
            wanted = arena_fmt(a, PRI_STR "%%", STR_ARG(column_text(a, utilization)));
        } else {
            bool average = json_findz(target, "averageValue") != NULL;
            const struct json *is = json_findz(current, average ? "averageValue" : "value");
            bool shared = average && i > 2;

            now = is ? column_text(a, is) : current && !shared ? S("<nil>") : S("<unknown>");
            wanted = column_text(a, json_findz(target, average ? "averageValue" : "value"));
            if (shared)
                wanted = arena_fmt(a, PRI_STR " (avg)", STR_ARG(wanted));
        }
        return i < 2 ? arena_fmt(a, PRI_STR ": " PRI_STR "/" PRI_STR, STR_ARG(name), STR_ARG(now),
                                 STR_ARG(wanted))
                     : arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(now), STR_ARG(wanted));
    }
    return S("<unknown type>");
}

#define METRICS_SHOWN 2

CELL(hpa_targets)
{
    const struct json *metrics = json_path(obj, "spec.metrics"),
                      *current = json_path(obj, "status.currentMetrics");
    struct json texts = json_array();
    uint32_t i = 0;

    JSON_EACH(m, metrics) {
        json_append(a, &texts, json_string(hpa_metric(a, m, json_item(current, i))));
        i++;
    }
    *ret = json_string(column_text_or(column_join(a, &texts, ", ", METRICS_SHOWN), "<none>"));
}

static const struct column horizontalpodautoscalers[] = {
    COLUMN_NAME,
    {"Reference", "string", "", "What is scaled.", 0, NULL, hpa_reference},
    {"Targets", "string", "", "Metrics, now and wanted.", 0, NULL, hpa_targets},
    {"MinPods", "string", "", "Fewest pods.", 0, TEXT_AT_OR("spec.minReplicas", "<unset>")},
    {"MaxPods", "string", "", "Most pods.", 0, INT_AT("spec.maxReplicas")},
    {"Replicas", "string", "", "Pods now.", 0, INT_AT("status.currentReplicas")},
    COLUMN_AGE,
    COLUMN_END,
};

static const struct column scale[] = {
    {"Name", "string", "", "Name of the object that is scaled.", 0, NULL, column_name},
    {"Desired", "integer", "", "Wanted pods.", 0, INT_AT("spec.replicas")},
    {"Available", "integer", "", "Existing pods.", 0, INT_AT("status.replicas")},
    COLUMN_AGE,
    COLUMN_END,
};

static const struct column priorityclasses[] = {
    COLUMN_NAME,
    {"Value", "integer", "", "Priority of pods of this class.", 0, INT_AT("value")},
    {"Global-Default", "boolean", "", "Whether pods without a class get this one.", 0,
     BOOL_AT("globalDefault")},
    COLUMN_AGE,
    {"PreemptionPolicy", "string", "", "Whether such pods displace others.", 0,
     TEXT_AT("preemptionPolicy")},
    COLUMN_END,
};

static const struct column leases[] = {
    COLUMN_NAME,
    {"Holder", "string", "", "Who holds the lease.", 0, TEXT_AT("spec.holderIdentity")},
    COLUMN_AGE,
    COLUMN_END,
};

static const struct column runtimeclasses[] = {
    COLUMN_NAME,
    {"Handler", "string", "", "The runtime's name for it.", 0, TEXT_AT("handler")},
    COLUMN_AGE,
    COLUMN_END,
};

const struct column_set columns_other[] = {
    {"networking.k8s.io", "ingresses", ingresses},
    {"extensions", "ingresses", ingresses},
    {"networking.k8s.io", "ingressclasses", ingressclasses},
    {"networking.k8s.io", "networkpolicies", networkpolicies},
    {"networking.k8s.io", "ipaddresses", ipaddresses},
    {"networking.k8s.io", "servicecidrs", servicecidrs},
    {"discovery.k8s.io", "endpointslices", endpointslices},
    {"rbac.authorization.k8s.io", "rolebindings", rolebindings},
    {"rbac.authorization.k8s.io", "clusterrolebindings", rolebindings},
    {"certificates.k8s.io", "certificatesigningrequests", certificatesigningrequests},
    {"policy", "poddisruptionbudgets", poddisruptionbudgets},
    {"autoscaling", "horizontalpodautoscalers", horizontalpodautoscalers},
    {"autoscaling", "scale", scale},
    {"scheduling.k8s.io", "priorityclasses", priorityclasses},
    {"coordination.k8s.io", "leases", leases},
    {"node.k8s.io", "runtimeclasses", runtimeclasses},
    {NULL, NULL, NULL},
};
