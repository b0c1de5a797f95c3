/* columns_cluster.c - tables of the kinds with which a cluster is run: storage, devices, admission, aggregation, flow control. */
#include "api/columns.h"

#include <inttypes.h>

#define CELL(fn)                                                                                   \
    static void fn(struct arena *a, const struct json *obj, wall_time now, struct json *ret)

/* ---- storage ---- */

CELL(sc_name)
{
    static const char *const annotations[] = {"storageclass.kubernetes.io/is-default-class",
                                              "storageclass.beta.kubernetes.io/is-default-class"};
    str name = json_get_str(obj, "metadata.name");
    bool is_default = false;

    for (size_t i = 0; i < ARRAY_LEN(annotations); i++)
        is_default |= str_is(
            json_str(json_findz(json_path(obj, "metadata.annotations"), annotations[i])), "true");

    *ret = json_string(is_default ? arena_fmt(a, PRI_STR " (default)", STR_ARG(name)) : name);
}

static const struct column storageclasses[] = {
    {"Name", "string", "name", "Name of the class; the default one says so.", 0, NULL, sc_name},
    {"Provisioner", "string", "", "Who makes the volumes.", 0, TEXT_AT("provisioner")},
    {"ReclaimPolicy", "string", "", "What becomes of volumes after their claims.", 0,
     TEXT_AT_OR("reclaimPolicy", "Delete")},
    {"VolumeBindingMode", "string", "", "When claims are bound.", 0,
     TEXT_AT_OR("volumeBindingMode", "Immediate")},
    {"AllowVolumeExpansion", "string", "", "Whether volumes can grow.", 0,
     BOOL_AT("allowVolumeExpansion")},
    COLUMN_AGE,
    COLUMN_END,
};

static const struct column csinodes[] = {
    COLUMN_NAME,
    {"Drivers", "integer", "", "Drivers on the node.", 0, COUNT_AT("spec.drivers")},
    COLUMN_AGE,
    COLUMN_END,
};

static const struct column volumeattachments[] = {
    COLUMN_NAME,
    {"Attacher", "string", "name", "Driver that attaches.", 0, TEXT_AT("spec.attacher")},
    {"PV", "string", "", "Volume.", 0, TEXT_AT("spec.source.persistentVolumeName")},
    {"Node", "string", "", "Node that it is attached to.", 0, TEXT_AT("spec.nodeName")},
    {"Attached", "boolean", "", "Whether it is attached.", 0, BOOL_AT("status.attached")},
    COLUMN_AGE,
    COLUMN_END,
};

CELL(csi_attach)
{
    *ret = json_bool(json_get_bool(obj, "spec.attachRequired", true));
}

CELL(csi_tokens)
{
    const struct json *requests = json_path(obj, "spec.tokenRequests");
    struct json audiences = json_array();

    JSON_EACH(t, requests)
        json_append(a, &audiences, json_string(json_get_str(t, "audience")));
    *ret = json_string(json_count(requests) ? column_join(a, &audiences, ",", 0) : S("<unset>"));
}

CELL(csi_modes)
{
    *ret = json_string(column_text_or(
        column_join(a, json_path(obj, "spec.volumeLifecycleModes"), ",", 0), "<none>"));
}

static const struct column csidrivers[] = {
    COLUMN_NAME,
    {"AttachRequired", "boolean", "", "Whether volumes must be attached first.", 0, NULL,
     csi_attach},
    {"PodInfoOnMount", "boolean", "", "Whether the driver wants to know the pod.", 0,
     BOOL_AT("spec.podInfoOnMount")},
    {"StorageCapacity", "boolean", "", "Whether the driver publishes its capacity.", 0,
     BOOL_AT("spec.storageCapacity")},
    {"TokenRequests", "string", "", "Audiences of the tokens that it wants.", 0, NULL, csi_tokens},
    {"RequiresRepublish", "boolean", "", "Whether volumes are published again from time to time.",
     0, BOOL_AT("spec.requiresRepublish")},
    {"Modes", "string", "", "Lifecycles of volumes that it supports.", 0, NULL, csi_modes},
    COLUMN_AGE,
    COLUMN_END,
};

static const struct column volumeattributesclasses[] = {
    COLUMN_NAME,
    {"DriverName", "string", "", "Driver that knows the attributes.", 0, TEXT_AT("driverName")},
    COLUMN_AGE,
    COLUMN_END,
};

/* ---- devices ---- */

CELL(claim_state)
{
    bool deleted = json_path(obj, "metadata.deletionTimestamp") != NULL;

    if (!json_path(obj, "status.allocation"))
        *ret = json_z(deleted ? "deleted" : "pending");
    else
        *ret = json_string(
            arena_fmt(a, "%sallocated%s", deleted ? "deleted," : "",
                      json_count(json_path(obj, "status.reservedFor")) ? ",reserved" : ""));
}

static const struct column resourceclaims[] = {
    COLUMN_NAME,
    {"State", "string", "", "What has become of the claim: pending, allocated, reserved, deleted.",
     0, NULL, claim_state},
    COLUMN_AGE,
    COLUMN_END,
};

static const struct column resourceslices[] = {
    COLUMN_NAME,
    {"Node", "string", "", "Node that the devices are on.", 0, TEXT_AT("spec.nodeName")},
    {"Driver", "string", "", "Driver that published the devices.", 0, TEXT_AT("spec.driver")},
    {"Pool", "string", "", "Pool that the slice is a part of.", 0, TEXT_AT("spec.pool.name")},
    COLUMN_AGE,
    COLUMN_END,
};

static const struct column name_and_age[] = {COLUMN_NAME, COLUMN_AGE, COLUMN_END};

/* ---- admission, aggregation, flow control ---- */

static const struct column webhookconfigurations[] = {
    COLUMN_NAME,
    {"Webhooks", "integer", "", "Number of webhooks.", 0, COUNT_AT("webhooks")},
    COLUMN_AGE,
    COLUMN_END,
};

CELL(policy_param_kind)
{
    const struct json *p = json_path(obj, "spec.paramKind");

    *ret = p ? json_string(arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(json_get_str(p, "apiVersion")),
                                     STR_ARG(json_get_str(p, "kind"))))
             : json_z("<unset>");
}

CELL(binding_param)
{
    const struct json *p = json_path(obj, "spec.paramRef"), *selector = json_findz(p, "selector");
    str ns = json_get_str(p, "namespace"), name = json_get_str(p, "name");

    if (name.n)
        *ret = json_string(
            arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(ns.n ? ns : S("*")), STR_ARG(name)));
    else
        *ret = selector ? json_string(selector_go_text(a, selector)) : json_z("<unset>");
}

static const struct column validatingadmissionpolicies[] = {
    COLUMN_NAME,
    {"Validations", "integer", "", "Number of rules.", 0, COUNT_AT("spec.validations")},
    {"ParamKind", "string", "", "Kind of its parameters.", 0, NULL, policy_param_kind},
    COLUMN_AGE,
    COLUMN_END,
};
static const struct column mutatingadmissionpolicies[] = {
    COLUMN_NAME,
    {"Mutations", "integer", "", "Number of changes.", 0, COUNT_AT("spec.mutations")},
    {"ParamKind", "string", "", "Kind of its parameters.", 0, NULL, policy_param_kind},
    COLUMN_AGE,
    COLUMN_END,
};
static const struct column admissionpolicybindings[] = {
    COLUMN_NAME,
    {"PolicyName", "string", "", "Policy that is bound.", 0, TEXT_AT("spec.policyName")},
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
    {"PriorityLevel", "string", "", "Level that its requests are served at.", 0,
     TEXT_AT("spec.priorityLevelConfiguration.name")},
    {"MatchingPrecedence", "string", "", "Lower numbers are tried first.", 0,
     INT_AT("spec.matchingPrecedence")},
    {"DistinguisherMethod", "string", "", "What tells its flows apart.", 0,
     TEXT_AT_OR("spec.distinguisherMethod.type", "<none>")},
    COLUMN_AGE,
    {"MissingPL", "string", "", "Whether its level does not exist.", 0, NULL, fs_dangling},
    COLUMN_END,
};

static const struct column prioritylevelconfigurations[] = {
    COLUMN_NAME,
    {"Type", "string", "", "Limited or Exempt.", 0, TEXT_AT("spec.type")},
    {"NominalConcurrencyShares", "string", "", "Share of the server's concurrency.", 0,
     VALUE_AT_OR("spec.limited.nominalConcurrencyShares", "<none>")},
    {"Queues", "string", "", "Number of queues.", 0,
     VALUE_AT_OR("spec.limited.limitResponse.queuing.queues", "<none>")},
    {"HandSize", "string", "", "Queues that one flow may use.", 0,
     VALUE_AT_OR("spec.limited.limitResponse.queuing.handSize", "<none>")},
    {"QueueLengthLimit", "string", "", "Requests that one queue holds.", 0,
     VALUE_AT_OR("spec.limited.limitResponse.queuing.queueLengthLimit", "<none>")},
    COLUMN_AGE,
    COLUMN_END,
};

const struct column_set columns_cluster[] = {
    {"resource.k8s.io", "deviceclasses", name_and_age},
    {"resource.k8s.io", "resourceclaims", resourceclaims},
    {"resource.k8s.io", "resourceclaimtemplates", name_and_age},
    {"resource.k8s.io", "resourceslices", resourceslices},
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
