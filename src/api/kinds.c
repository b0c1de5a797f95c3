/* kinds.c - the table of what single kinds do beyond their schema (kinds.h says what a row can say).
 *
 * API: pkg/registry in kubernetes/kubernetes: the strategies */
#include "api/api_internal.h"
#include "api/crd.h"
#include "api/hooks.h"

static const struct field_label pod_fields[] = {
    {"spec.nodeName", "spec.nodeName", ""},
    {"spec.host", "spec.nodeName", ""},
    {"spec.restartPolicy", "spec.restartPolicy", ""},
    {"spec.schedulerName", "spec.schedulerName", ""},
    {"spec.serviceAccountName", "spec.serviceAccountName", ""},
    {"spec.hostNetwork", "spec.hostNetwork", "false"},
    {"status.phase", "status.phase", ""},
    {"status.podIP", "status.podIP", ""},
    {"status.podIPs", NULL, ""}, /* allowed, but nothing fills it */
    {"status.nominatedNodeName", "status.nominatedNodeName", ""},
    {NULL},
};
static const struct field_label node_fields[] = {
    {"spec.unschedulable", "spec.unschedulable", "false"}, {NULL}};
static const struct field_label namespace_fields[] = {{"status.phase", "status.phase", ""}, {NULL}};
static const struct field_label secret_fields[] = {{"type", "type", ""}, {NULL}};
static const struct field_label service_fields[] = {
    {"spec.clusterIP", "spec.clusterIP", ""}, {"spec.type", "spec.type", ""}, {NULL}};
static const struct field_label replicas_fields[] = {{"status.replicas", "status.replicas", "0"},
                                                     {NULL}};
static const struct field_label job_fields[] = {{"status.successful", "status.succeeded", "0"},
                                                {NULL}};
static const struct field_label csr_fields[] = {{"spec.signerName", "spec.signerName", ""}, {NULL}};
static const struct field_label slice_fields[] = {
    {"spec.driver", "spec.driver", ""}, {"spec.nodeName", "spec.nodeName", ""}, {NULL}};
static const struct field_label event_fields[] = {
    {"involvedObject.kind", "involvedObject.kind", ""},
    {"involvedObject.namespace", "involvedObject.namespace", ""},
    {"involvedObject.name", "involvedObject.name", ""},
    {"involvedObject.uid", "involvedObject.uid", ""},
    {"involvedObject.apiVersion", "involvedObject.apiVersion", ""},
    {"involvedObject.resourceVersion", "involvedObject.resourceVersion", ""},
    {"involvedObject.fieldPath", "involvedObject.fieldPath", ""},
    {"reason", "reason", ""},
    {"reportingComponent", "reportingComponent", ""},
    {"source", "source.component", "", .or_path = "reportingComponent"},
    {"type", "type", ""},
    {NULL},
};

/* events.k8s.io/v1 has its own names for the stored fields. */
static const struct field_label new_event_fields[] = {
    {"regarding.kind", "involvedObject.kind", ""},
    {"regarding.namespace", "involvedObject.namespace", ""},
    {"regarding.name", "involvedObject.name", ""},
    {"regarding.uid", "involvedObject.uid", ""},
    {"regarding.apiVersion", "involvedObject.apiVersion", ""},
    {"regarding.resourceVersion", "involvedObject.resourceVersion", ""},
    {"regarding.fieldPath", "involvedObject.fieldPath", ""},
    {"reportingController", "reportingComponent", ""},
    {"source", "source.component", "", .or_path = "reportingComponent"},
    {"reason", "reason", ""},
    {"type", "type", ""},
    {NULL},
};

#define RBAC "rbac.authorization.k8s.io"
#define ADMISSION "admissionregistration.k8s.io"

static const struct kind_hooks table[] = {
    /* core */
    {"", "pods", KIND_GENERATION | KIND_RETURN_DELETED, .default_extra = pod_default,
     .prepare_create = pod_prepare_create, .prepare_update = pod_prepare_update,
     .prepare_status = pod_prepare_status, .completed = pod_completed, .fields = pod_fields,
     .update_passes = "cn"},
    {"", "nodes", KIND_STATUS_ON_CREATE, .default_extra = node_default,
     .prepare_create = node_prepare, .prepare_update = node_prepare, .prepare_status = node_prepare,
     .fields = node_fields, .update_passes = "nc"},
    {"", "namespaces", KIND_NAME_DNS_LABEL, .prepare_create = namespace_prepare_create,
     .prepare_update = namespace_prepare_update, .fields = namespace_fields, .update_passes = "nc"},
    {"", "services", KIND_RETURN_DELETED | KIND_CREATE_ON_UPDATE | KIND_NAME_DNS_LABEL,
     .allocate = service_allocate, .prepare_create = service_prepare_create,
     .prepare_update = service_prepare_update, .warn = service_warn, .fields = service_fields,
     .settled = service_settled, .claim = service_claim, .release = addresses_release,
     .update_passes = "cn"},
    {"", "endpoints", KIND_CREATE_ON_UPDATE,
     .deprecated = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
     .update_passes = "cn"},
    {"", "secrets", 0, .prepare_create = secret_prepare, .prepare_update = secret_prepare,
     .fields = secret_fields, .update_passes = "cn"},
    {"", "configmaps", 0, .update_passes = "cn"},
    {"", "serviceaccounts", KIND_RETURN_DELETED, .update_passes = "cn"},
    {"", "podtemplates", KIND_GENERATION | KIND_RETURN_DELETED, .generation_of = "template"},
    {"", "replicationcontrollers", KIND_GENERATION | KIND_ORPHAN_BY_DEFAULT,
     .fields = replicas_fields, .update_passes = "nc"},
    {"", "resourcequotas", KIND_RETURN_DELETED},
    {"", "limitranges", KIND_CREATE_ON_UPDATE, .update_passes = "n"},
    {"", "persistentvolumes", KIND_RETURN_DELETED, .prepare_create = pv_prepare_create,
     .update_passes = "nn"},
    {"", "persistentvolumeclaims", KIND_RETURN_DELETED, .prepare_create = pvc_prepare_create,
     .prepare_update = pvc_prepare_update, .update_passes = "ncn"},
    {"", "events", KIND_NAME_PATH_SEGMENT | KIND_CREATE_ON_UPDATE | KIND_NO_GARBAGE_COLLECTION,
     .fields = event_fields, .more_fields = new_event_fields, .update_passes = ""},
    {"events.k8s.io", "events", KIND_CREATE_ON_UPDATE | KIND_NO_GARBAGE_COLLECTION,
     .fields = new_event_fields},
    {"", "bindings", KIND_VIRTUAL, .create = binding_create},
    {"", "componentstatuses", KIND_VIRTUAL,
     .deprecated = "v1 ComponentStatus is deprecated in v1.19+", .read = component_statuses},
    /* workloads */
    {"apps", "deployments", KIND_GENERATION, .generation_of = "spec metadata.annotations"},
    {"apps", "replicasets", KIND_GENERATION, .update_passes = "nc"},
    {"apps", "statefulsets", KIND_GENERATION | KIND_NAME_DNS_LABEL},
    {"apps", "daemonsets", KIND_GENERATION, .default_extra = daemonset_default,
     .update_passes = "nc"},
    {"apps", "controllerrevisions", 0},
    {"batch", "jobs", KIND_GENERATION | KIND_ORPHAN_BY_DEFAULT,
     .prepare_create = job_prepare_create, .fields = job_fields},
    {"batch", "cronjobs", KIND_GENERATION},
    {"autoscaling", "horizontalpodautoscalers", 0, .default_extra = hpa_default},
    {"policy", "poddisruptionbudgets", KIND_GENERATION | KIND_CONDITIONAL_UPDATE},
    /* network */
    {"networking.k8s.io", "ingresses", KIND_GENERATION},
    {"networking.k8s.io", "networkpolicies", KIND_GENERATION},
    {"networking.k8s.io", "ingressclasses", KIND_GENERATION},
    {"networking.k8s.io", "servicecidrs", 0},
    {"networking.k8s.io", "ipaddresses", KIND_NAME_IP},
    {"discovery.k8s.io", "endpointslices", KIND_GENERATION,
     .generation_of = "addressType endpoints ports", .prepare_update = slice_prepare_update},
    {"coordination.k8s.io", "leases", KIND_CREATE_ON_UPDATE | KIND_CONDITIONAL_UPDATE,
     .prepare_create = lease_prepare, .prepare_update = lease_prepare},
    /* access */
    {RBAC, "roles", KIND_CREATE_ON_UPDATE | KIND_NAME_PATH_SEGMENT, .admit = rbac_admit},
    {RBAC, "clusterroles", KIND_CREATE_ON_UPDATE | KIND_NAME_PATH_SEGMENT, .admit = rbac_admit},
    {RBAC, "rolebindings", KIND_CREATE_ON_UPDATE | KIND_NAME_PATH_SEGMENT, .admit = rbac_admit},
    {RBAC, "clusterrolebindings", KIND_CREATE_ON_UPDATE | KIND_NAME_PATH_SEGMENT,
     .admit = rbac_admit},
    {"certificates.k8s.io", "certificatesigningrequests", 0, .untracked = "spec",
     .prepare_create = csr_prepare_create, .prepare_update = csr_prepare_update,
     .prepare_status = csr_prepare_update, .allocate = csr_admit, .fields = csr_fields},
    {"authentication.k8s.io", "tokenreviews", KIND_VIRTUAL, .create = token_review},
    {"authentication.k8s.io", "selfsubjectreviews", KIND_VIRTUAL, .create = self_review},
    {"authorization.k8s.io", "subjectaccessreviews", KIND_VIRTUAL, .create = access_review},
    {"authorization.k8s.io", "localsubjectaccessreviews", KIND_VIRTUAL, .create = access_review},
    {"authorization.k8s.io", "selfsubjectaccessreviews", KIND_VIRTUAL, .create = access_review},
    {"authorization.k8s.io", "selfsubjectrulesreviews", KIND_VIRTUAL, .create = rules_review},
    /* the rest */
    {"scheduling.k8s.io", "priorityclasses", KIND_GENERATION | KIND_CREATE_ON_UPDATE,
     .generation_of = "value"},
    {"storage.k8s.io", "storageclasses", KIND_RETURN_DELETED},
    {"storage.k8s.io", "volumeattributesclasses", KIND_RETURN_DELETED},
    {"storage.k8s.io", "csidrivers", KIND_RETURN_DELETED | KIND_CONDITIONAL_UPDATE,
     .prepare_create = csidriver_prepare, .prepare_update = csidriver_prepare},
    {"storage.k8s.io", "csinodes", KIND_RETURN_DELETED | KIND_CONDITIONAL_UPDATE},
    {"storage.k8s.io", "volumeattachments", KIND_RETURN_DELETED | KIND_CONDITIONAL_UPDATE},
    {"storage.k8s.io", "csistoragecapacities", KIND_CONDITIONAL_UPDATE},
    {"node.k8s.io", "runtimeclasses", KIND_CREATE_ON_UPDATE | KIND_CONDITIONAL_UPDATE},
    {"flowcontrol.apiserver.k8s.io", "flowschemas", KIND_GENERATION | KIND_CONDITIONAL_UPDATE},
    {"flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations",
     KIND_GENERATION | KIND_CONDITIONAL_UPDATE},
    {ADMISSION, "mutatingwebhookconfigurations", KIND_GENERATION | KIND_CONDITIONAL_UPDATE,
     .generation_of = "webhooks"},
    {ADMISSION, "validatingwebhookconfigurations", KIND_GENERATION | KIND_CONDITIONAL_UPDATE,
     .generation_of = "webhooks"},
    {ADMISSION, "validatingadmissionpolicies", KIND_GENERATION | KIND_CONDITIONAL_UPDATE},
    {ADMISSION, "validatingadmissionpolicybindings", KIND_GENERATION | KIND_CONDITIONAL_UPDATE},
    {ADMISSION, "mutatingadmissionpolicies", KIND_GENERATION | KIND_CONDITIONAL_UPDATE},
    {ADMISSION, "mutatingadmissionpolicybindings", KIND_GENERATION | KIND_CONDITIONAL_UPDATE},
    {"apiextensions.k8s.io", "customresourcedefinitions", KIND_GENERATION | KIND_CONDITIONAL_UPDATE,
     .prepare_create = crd_prepare, .prepare_update = crd_prepare},
    {"apiregistration.k8s.io", "apiservices", KIND_NAME_PATH_SEGMENT | KIND_CONDITIONAL_UPDATE},
    {"resource.k8s.io", "deviceclasses", KIND_GENERATION | KIND_RETURN_DELETED},
    {"resource.k8s.io", "resourceslices", KIND_GENERATION | KIND_RETURN_DELETED,
     .default_extra = resourceslice_default, .fields = slice_fields},
    {"resource.k8s.io", "resourceclaims", KIND_RETURN_DELETED},
    {"resource.k8s.io", "resourceclaimtemplates", KIND_RETURN_DELETED},
};

const struct kind_hooks *kind_hooks_find(str group, str plural)
{
    static const struct kind_hooks none = {"", "", 0};

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (str_is(plural, table[i].plural) && str_is(group, table[i].group))
            return &table[i];
    return &none;
}
