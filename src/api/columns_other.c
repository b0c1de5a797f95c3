/* columns_other.c - tables of the kinds outside the core group and the workloads. */
#include "api/columns.h"

#include <inttypes.h>

#define CELL(fn)                                                                                   \
    static void fn(struct arena *a, const struct json *obj, wall_time now, struct json *ret)

static str or_else(str s, const char *otherwise)
{
    return s.n ? s : str_of(otherwise);
}

/* A number or boolean as it is, or a word where the field is not set. */
static struct json value_or(const struct json *v, const char *otherwise)
{
    return v && v->type != JSON_NULL ? *v : json_z(otherwise);
}

/* ---- networking and discovery ---- */

CELL(ingress_class)
{
    str v = json_get_str(obj, "spec.ingressClassName");

    if (!v.n)
        v = json_str(
            json_findz(json_path(obj, "metadata.annotations"), "kubernetes.io/ingress.class"));
    *ret = json_string(or_else(v, "<none>"));
}

#define HOSTS_SHOWN 3

CELL(ingress_hosts)
{
    struct json hosts = json_array();

    JSON_EACH(r, json_path(obj, "spec.rules")) {
        str host = json_get_str(r, "host");

        if (host.n)
            json_append(a, &hosts, json_string(host));
    }
    *ret = json_string(or_else(column_join(a, &hosts, ",", HOSTS_SHOWN), "*"));
}

CELL(ingress_address)
{
    struct json points = json_array();

    JSON_EACH(i, json_path(obj, "status.loadBalancer.ingress")) {
        str ip = json_get_str(i, "ip");

        json_append(a, &points, json_string(ip.n ? ip : json_get_str(i, "hostname")));
    }
    *ret = json_string(column_join(a, &points, ",", 0));
}

CELL(ingress_ports)
{
    *ret = json_z(json_count(json_path(obj, "spec.tls")) ? "80, 443" : "80");
}

static const struct column ingresses[] = {
    COLUMN_NAME,
    {"Class", "string", "", "Class of controllers that serves it.", 0, NULL, ingress_class},
    {"Hosts", "string", "", "Host names of its rules.", 0, NULL, ingress_hosts},
    {"Address", "string", "", "Addresses that serve it.", 0, NULL, ingress_address},
    {"Ports", "string", "", "Ports that it listens on.", 0, NULL, ingress_ports},
    COLUMN_AGE,
    COLUMN_END,
};

CELL(class_controller)
{
    *ret = json_string(json_get_str(obj, "spec.controller"));
}

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
    {"Controller", "string", "", "Controller that serves this class.", 0, NULL, class_controller},
    {"Parameters", "string", "", "Object with the controller's settings.", 0, NULL,
     class_parameters},
    COLUMN_AGE,
    COLUMN_END,
};

CELL(policy_selector)
{
    *ret = json_string(column_selector(a, json_path(obj, "spec.podSelector")));
}

static const struct column networkpolicies[] = {
    COLUMN_NAME,
    {"Pod-Selector", "string", "", "Labels of the pods that it is for.", 0, NULL, policy_selector},
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
    COLUMN_AGE,
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

CELL(slice_type)
{
    *ret = json_string(json_get_str(obj, "addressType"));
}

CELL(slice_ports)
{
    struct json ports = json_array();

    JSON_EACH(p, json_findz(obj, "ports")) {
        const struct json *port = json_findz(p, "port");
        str name = json_get_str(p, "name");

        json_append(a, &ports,
                    port ? json_string(column_text(a, port)) : json_string(name.n ? name : S("*")));
    }
    *ret = json_string(or_else(column_join(a, &ports, ",", HOSTS_SHOWN), "<unset>"));
}

CELL(slice_endpoints)
{
    struct json all = json_array();

    JSON_EACH(e, json_findz(obj, "endpoints"))
        JSON_EACH(address, json_findz(e, "addresses"))
            json_append(a, &all, *address);
    *ret = json_string(or_else(column_join(a, &all, ",", HOSTS_SHOWN), "<unset>"));
}

static const struct column endpointslices[] = {
    COLUMN_NAME,
    {"AddressType", "string", "", "Kind of the addresses.", 0, NULL, slice_type},
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

CELL(csr_signer)
{
    *ret = json_string(or_else(json_get_str(obj, "spec.signerName"), "<none>"));
}

CELL(csr_requestor)
{
    *ret = json_string(json_get_str(obj, "spec.username"));
}

CELL(csr_duration)
{
    const struct json *s = json_path(obj, "spec.expirationSeconds");

    *ret = s ? json_string(column_duration(a, s->i)) : json_z("<none>");
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
    {"SignerName", "string", "", "Who should sign.", 0, NULL, csr_signer},
    {"Requestor", "string", "", "Who asked.", 0, NULL, csr_requestor},
    {"RequestedDuration", "string", "", "How long the certificate should be good.", 0, NULL,
     csr_duration},
    {"Condition", "string", "", "What was decided.", 0, NULL, csr_condition},
    COLUMN_END,
};

/* ---- policy, autoscaling, scheduling ---- */

static void int_or_string(struct arena *a, const struct json *v, const char *otherwise,
                          struct json *ret)
{
    *ret = v ? json_string(column_text(a, v)) : json_z(otherwise);
}

CELL(pdb_min)
{
    int_or_string(a, json_path(obj, "spec.minAvailable"), "N/A", ret);
}

CELL(pdb_max)
{
    int_or_string(a, json_path(obj, "spec.maxUnavailable"), "N/A", ret);
}

CELL(pdb_allowed)
{
    *ret = json_int(json_get_int(obj, "status.disruptionsAllowed", 0));
}

static const struct column poddisruptionbudgets[] = {
    COLUMN_NAME,
    {"Min Available", "string", "", "Pods that must stay.", 0, NULL, pdb_min},
    {"Max Unavailable", "string", "", "Pods that may go.", 0, NULL, pdb_max},
    {"Allowed Disruptions", "integer", "", "Pods that may be evicted now.", 0, NULL, pdb_allowed},
    COLUMN_AGE,
    COLUMN_END,
};

CELL(hpa_reference)
{
    const struct json *t = json_path(obj, "spec.scaleTargetRef");

    *ret = json_string(arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(json_get_str(t, "kind")),
                                 STR_ARG(json_get_str(t, "name"))));
}

/* One metric "name: current/target". */
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

            now = is ? column_text(a, is) : S("<unknown>");
            wanted = column_text(a, json_findz(target, average ? "averageValue" : "value"));
            if (average && i > 2)
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
                      *current = json_path(obj, "status.currentMetrics"),
                      *v1 = json_path(obj, "spec.targetCPUUtilizationPercentage");
    struct json texts = json_array();
    uint32_t i = 0;

    if (v1) { /* autoscaling/v1 has one metric only */
        const struct json *is = json_path(obj, "status.currentCPUUtilizationPercentage");

        *ret = json_string(arena_fmt(
            a, "cpu: " PRI_STR "/" PRI_STR "%%",
            STR_ARG(is ? arena_fmt(a, PRI_STR "%%", STR_ARG(column_text(a, is))) : S("<unknown>")),
            STR_ARG(column_text(a, v1))));
        return;
    }
    JSON_EACH(m, metrics) {
        json_append(a, &texts, json_string(hpa_metric(a, m, json_item(current, i))));
        i++;
    }
    *ret = json_string(or_else(column_join(a, &texts, ", ", METRICS_SHOWN), "<none>"));
}

CELL(hpa_min)
{
    int_or_string(a, json_path(obj, "spec.minReplicas"), "<unset>", ret);
}

CELL(hpa_max)
{
    *ret = json_int(json_get_int(obj, "spec.maxReplicas", 0));
}

CELL(hpa_replicas)
{
    *ret = json_int(json_get_int(obj, "status.currentReplicas", 0));
}

static const struct column horizontalpodautoscalers[] = {
    COLUMN_NAME,
    {"Reference", "string", "", "What is scaled.", 0, NULL, hpa_reference},
    {"Targets", "string", "", "Metrics, now and wanted.", 0, NULL, hpa_targets},
    {"MinPods", "string", "", "Fewest pods.", 0, NULL, hpa_min},
    {"MaxPods", "string", "", "Most pods.", 0, NULL, hpa_max},
    {"Replicas", "string", "", "Pods now.", 0, NULL, hpa_replicas},
    COLUMN_AGE,
    COLUMN_END,
};

CELL(priority_value)
{
    *ret = json_int(json_get_int(obj, "value", 0));
}

CELL(priority_default)
{
    *ret = json_bool(json_get_bool(obj, "globalDefault", false));
}

CELL(priority_preemption)
{
    *ret = json_string(json_get_str(obj, "preemptionPolicy"));
}

static const struct column priorityclasses[] = {
    COLUMN_NAME,
    {"Value", "integer", "", "Priority of pods of this class.", 0, NULL, priority_value},
    {"Global-Default", "boolean", "", "Whether pods without a class get this one.", 0, NULL,
     priority_default},
    COLUMN_AGE,
    {"PreemptionPolicy", "string", "", "Whether such pods displace others.", 0, NULL,
     priority_preemption},
    COLUMN_END,
};

CELL(lease_holder)
{
    *ret = json_string(json_get_str(obj, "spec.holderIdentity"));
}

static const struct column leases[] = {
    COLUMN_NAME,
    {"Holder", "string", "", "Who holds the lease.", 0, NULL, lease_holder},
    COLUMN_AGE,
    COLUMN_END,
};

CELL(runtime_handler)
{
    *ret = json_string(json_get_str(obj, "handler"));
}

static const struct column runtimeclasses[] = {
    COLUMN_NAME,
    {"Handler", "string", "", "The runtime's name for it.", 0, NULL, runtime_handler},
    COLUMN_AGE,
    COLUMN_END,
};

/* ---- storage ---- */

CELL(sc_name)
{
    bool is_default = str_is(json_str(json_findz(json_path(obj, "metadata.annotations"),
                                                 "storageclass.kubernetes.io/is-default-class")),
                             "true");
    str name = json_get_str(obj, "metadata.name");

    *ret = json_string(is_default ? arena_fmt(a, PRI_STR " (default)", STR_ARG(name)) : name);
}

CELL(sc_provisioner)
{
    *ret = json_string(json_get_str(obj, "provisioner"));
}

CELL(sc_reclaim)
{
    *ret = json_string(or_else(json_get_str(obj, "reclaimPolicy"), "Delete"));
}

CELL(sc_binding)
{
    *ret = json_string(or_else(json_get_str(obj, "volumeBindingMode"), "Immediate"));
}

CELL(sc_expansion)
{
    *ret = json_bool(json_get_bool(obj, "allowVolumeExpansion", false));
}

static const struct column storageclasses[] = {
    {"Name", "string", "name", "Name of the class; the default one says so.", 0, NULL, sc_name},
    {"Provisioner", "string", "", "Who makes the volumes.", 0, NULL, sc_provisioner},
    {"ReclaimPolicy", "string", "", "What becomes of volumes after their claims.", 0, NULL,
     sc_reclaim},
    {"VolumeBindingMode", "string", "", "When claims are bound.", 0, NULL, sc_binding},
    {"AllowVolumeExpansion", "string", "", "Whether volumes can grow.", 0, NULL, sc_expansion},
    COLUMN_AGE,
    COLUMN_END,
};

CELL(csinode_drivers)
{
    *ret = json_int(json_count(json_path(obj, "spec.drivers")));
}

static const struct column csinodes[] = {
    COLUMN_NAME,
    {"Drivers", "integer", "", "Drivers on the node.", 0, NULL, csinode_drivers},
    COLUMN_AGE,
    COLUMN_END,
};

CELL(attachment_attacher)
{
    *ret = json_string(json_get_str(obj, "spec.attacher"));
}

CELL(attachment_pv)
{
    *ret = json_string(json_get_str(obj, "spec.source.persistentVolumeName"));
}

CELL(attachment_node)
{
    *ret = json_string(json_get_str(obj, "spec.nodeName"));
}

CELL(attachment_attached)
{
    *ret = json_bool(json_get_bool(obj, "status.attached", false));
}

static const struct column volumeattachments[] = {
    COLUMN_NAME,
    {"Attacher", "string", "name", "Driver that attaches.", 0, NULL, attachment_attacher},
    {"PV", "string", "", "Volume.", 0, NULL, attachment_pv},
    {"Node", "string", "", "Node that it is attached to.", 0, NULL, attachment_node},
    {"Attached", "boolean", "", "Whether it is attached.", 0, NULL, attachment_attached},
    COLUMN_AGE,
    COLUMN_END,
};

CELL(csi_attach)
{
    *ret = json_bool(json_get_bool(obj, "spec.attachRequired", true));
}

CELL(csi_pod_info)
{
    *ret = json_bool(json_get_bool(obj, "spec.podInfoOnMount", false));
}

CELL(csi_capacity)
{
    *ret = json_bool(json_get_bool(obj, "spec.storageCapacity", false));
}

CELL(csi_tokens)
{
    struct json audiences = json_array();

    JSON_EACH(t, json_path(obj, "spec.tokenRequests"))
        json_append(a, &audiences, json_string(json_get_str(t, "audience")));
    *ret = json_string(or_else(column_join(a, &audiences, ",", 0), "<unset>"));
}

CELL(csi_republish)
{
    *ret = json_bool(json_get_bool(obj, "spec.requiresRepublish", false));
}

CELL(csi_modes)
{
    *ret = json_string(
        or_else(column_join(a, json_path(obj, "spec.volumeLifecycleModes"), ",", 0), "<unset>"));
}

static const struct column csidrivers[] = {
    COLUMN_NAME,
    {"AttachRequired", "boolean", "", "Whether volumes must be attached first.", 0, NULL,
     csi_attach},
    {"PodInfoOnMount", "boolean", "", "Whether the driver wants to know the pod.", 0, NULL,
     csi_pod_info},
    {"StorageCapacity", "boolean", "", "Whether the driver publishes its capacity.", 0, NULL,
     csi_capacity},
    {"TokenRequests", "string", "", "Audiences of the tokens that it wants.", 0, NULL, csi_tokens},
    {"RequiresRepublish", "boolean", "", "Whether volumes are published again from time to time.",
     0, NULL, csi_republish},
    {"Modes", "string", "", "Lifecycles of volumes that it supports.", 0, NULL, csi_modes},
    COLUMN_AGE,
    COLUMN_END,
};

CELL(vac_driver)
{
    *ret = json_string(json_get_str(obj, "driverName"));
}

static const struct column volumeattributesclasses[] = {
    COLUMN_NAME,
    {"DriverName", "string", "", "Driver that knows the attributes.", 0, NULL, vac_driver},
    COLUMN_AGE,
    COLUMN_END,
};

/* ---- admission, aggregation, flow control ---- */

CELL(webhooks)
{
    *ret = json_int(json_count(json_findz(obj, "webhooks")));
}

static const struct column webhookconfigurations[] = {
    COLUMN_NAME,
    {"Webhooks", "integer", "", "Number of webhooks.", 0, NULL, webhooks},
    COLUMN_AGE,
    COLUMN_END,
};

CELL(policy_validations)
{
    *ret = json_int(json_count(json_path(obj, "spec.validations")));
}

CELL(policy_mutations)
{
    *ret = json_int(json_count(json_path(obj, "spec.mutations")));
}

CELL(policy_param_kind)
{
    const struct json *p = json_path(obj, "spec.paramKind");

    *ret = p ? json_string(arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(json_get_str(p, "apiVersion")),
                                     STR_ARG(json_get_str(p, "kind"))))
             : json_z("<unset>");
}

CELL(binding_policy)
{
    *ret = json_string(json_get_str(obj, "spec.policyName"));
}

CELL(binding_param)
{
    const struct json *p = json_path(obj, "spec.paramRef");
    str ns = json_get_str(p, "namespace"), name = json_get_str(p, "name");

    if (!p)
        *ret = json_z("<unset>");
    else if (name.n)
        *ret = json_string(
            arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(ns.n ? ns : S("*")), STR_ARG(name)));
    else
        *ret = json_string(column_selector(a, json_findz(p, "selector")));
}

static const struct column validatingadmissionpolicies[] = {
    COLUMN_NAME,
    {"Validations", "integer", "", "Number of rules.", 0, NULL, policy_validations},
    {"ParamKind", "string", "", "Kind of its parameters.", 0, NULL, policy_param_kind},
    COLUMN_AGE,
    COLUMN_END,
};
static const struct column mutatingadmissionpolicies[] = {
    COLUMN_NAME,
    {"Mutations", "integer", "", "Number of changes.", 0, NULL, policy_mutations},
    {"ParamKind", "string", "", "Kind of its parameters.", 0, NULL, policy_param_kind},
    COLUMN_AGE,
    COLUMN_END,
};
static const struct column admissionpolicybindings[] = {
    COLUMN_NAME,
    {"PolicyName", "string", "", "Policy that is bound.", 0, NULL, binding_policy},
    {"ParamRef", "string", "", "Parameters that it is bound to.", 0, NULL, binding_param},
    COLUMN_AGE,
    COLUMN_END,
};

CELL(apiservice_service)
{
    const struct json *s = json_path(obj, "spec.service");

    *ret = s ? json_string(arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(json_get_str(s, "namespace")),
                                     STR_ARG(json_get_str(s, "name"))))
             : json_z("Local");
}

CELL(apiservice_available)
{
    JSON_EACH(c, json_path(obj, "status.conditions")) {
        str status = json_get_str(c, "status");

        if (!str_is(json_get_str(c, "type"), "Available"))
            continue;
        *ret = json_string(str_is(status, "True")
                               ? status
                               : arena_fmt(a, PRI_STR " (" PRI_STR ")", STR_ARG(status),
                                           STR_ARG(json_get_str(c, "reason"))));
        return;
    }
    *ret = json_z("Unknown");
}

static const struct column apiservices[] = {
    COLUMN_NAME,
    {"Service", "string", "", "Service that serves the version, or Local.", 0, NULL,
     apiservice_service},
    {"Available", "string", "", "Whether the version is served now.", 0, NULL,
     apiservice_available},
    COLUMN_AGE,
    COLUMN_END,
};

CELL(fs_level)
{
    *ret = json_string(json_get_str(obj, "spec.priorityLevelConfiguration.name"));
}

CELL(fs_precedence)
{
    *ret = json_int(json_get_int(obj, "spec.matchingPrecedence", 0));
}

CELL(fs_distinguisher)
{
    *ret = json_string(or_else(json_get_str(obj, "spec.distinguisherMethod.type"), "<none>"));
}

CELL(fs_dangling)
{
    str status = S("?");

    JSON_EACH(c, json_path(obj, "status.conditions"))
        if (str_is(json_get_str(c, "type"), "Dangling"))
            status = json_get_str(c, "status");
    *ret = json_string(status);
}

static const struct column flowschemas[] = {
    COLUMN_NAME,
    {"PriorityLevel", "string", "", "Level that its requests are served at.", 0, NULL, fs_level},
    {"MatchingPrecedence", "string", "", "Lower numbers are tried first.", 0, NULL, fs_precedence},
    {"DistinguisherMethod", "string", "", "What tells its flows apart.", 0, NULL, fs_distinguisher},
    COLUMN_AGE,
    {"MissingPL", "string", "", "Whether its level does not exist.", 0, NULL, fs_dangling},
    COLUMN_END,
};

CELL(pl_type)
{
    *ret = json_string(json_get_str(obj, "spec.type"));
}

static void limited(const struct json *obj, const char *field, struct json *ret)
{
    const struct json *l = json_path(obj, "spec.limited");

    if (!l)
        l = json_path(obj, "spec.exempt");
    *ret = value_or(json_path(l, field), "<none>");
}

CELL(pl_shares)
{
    limited(obj, "nominalConcurrencyShares", ret);
}

CELL(pl_queues)
{
    limited(obj, "limitResponse.queuing.queues", ret);
}

CELL(pl_hand)
{
    limited(obj, "limitResponse.queuing.handSize", ret);
}

CELL(pl_length)
{
    limited(obj, "limitResponse.queuing.queueLengthLimit", ret);
}

static const struct column prioritylevelconfigurations[] = {
    COLUMN_NAME,
    {"Type", "string", "", "Limited or Exempt.", 0, NULL, pl_type},
    {"NominalConcurrencyShares", "string", "", "Share of the server's concurrency.", 0, NULL,
     pl_shares},
    {"Queues", "string", "", "Number of queues.", 0, NULL, pl_queues},
    {"HandSize", "string", "", "Queues that one flow may use.", 0, NULL, pl_hand},
    {"QueueLengthLimit", "string", "", "Requests that one queue holds.", 0, NULL, pl_length},
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
    {"scheduling.k8s.io", "priorityclasses", priorityclasses},
    {"coordination.k8s.io", "leases", leases},
    {"node.k8s.io", "runtimeclasses", runtimeclasses},
    {"storage.k8s.io", "storageclasses", storageclasses},
    {"storage.k8s.io", "csinodes", csinodes},
    {"storage.k8s.io", "volumeattachments", volumeattachments},
    {"storage.k8s.io", "csidrivers", csidrivers},
    {"storage.k8s.io", "volumeattributesclasses", volumeattributesclasses},
    {"admissionregistration.k8s.io", "validatingwebhookconfigurations", webhookconfigurations},
    {"admissionregistration.k8s.io", "mutatingwebhookconfigurations", webhookconfigurations},
    {"admissionregistration.k8s.io", "validatingadmissionpolicies", validatingadmissionpolicies},
    {"admissionregistration.k8s.io", "validatingadmissionpolicybindings", admissionpolicybindings},
    {"admissionregistration.k8s.io", "mutatingadmissionpolicies", mutatingadmissionpolicies},
    {"admissionregistration.k8s.io", "mutatingadmissionpolicybindings", admissionpolicybindings},
    {"apiregistration.k8s.io", "apiservices", apiservices},
    {"flowcontrol.apiserver.k8s.io", "flowschemas", flowschemas},
    {"flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations", prioritylevelconfigurations},
    {NULL, NULL, NULL},
};
