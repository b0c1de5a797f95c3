/* validation.c - which rules belong to which kind. */
#include "api/validation/validation.h"
#include "api/crd.h"

static const struct {
    const char *group, *plural;
    kind_validate_fn *validate;
} kinds[] = {
    {"", "pods", validate_pod},
    {"", "services", validate_service},
    {"", "replicationcontrollers", validate_replicationcontroller},
    {"", "podtemplates", validate_podtemplate},
    {"apps", "deployments", validate_deployment},
    {"apps", "replicasets", validate_replicaset},
    {"apps", "statefulsets", validate_statefulset},
    {"apps", "daemonsets", validate_daemonset},
    {"apps", "controllerrevisions", validate_controllerrevision},
    {"autoscaling", "horizontalpodautoscalers", validate_horizontalpodautoscaler},
    {"policy", "poddisruptionbudgets", validate_poddisruptionbudget},
    {"rbac.authorization.k8s.io", "roles", validate_role},
    {"rbac.authorization.k8s.io", "clusterroles", validate_clusterrole},
    {"rbac.authorization.k8s.io", "rolebindings", validate_rolebinding},
    {"rbac.authorization.k8s.io", "clusterrolebindings", validate_clusterrolebinding},
    {"batch", "jobs", validate_job},
    {"batch", "cronjobs", validate_cronjob},
    {"networking.k8s.io", "ingresses", validate_ingress},
    {"networking.k8s.io", "ingressclasses", validate_ingressclass},
    {"networking.k8s.io", "networkpolicies", validate_networkpolicy},
    {"networking.k8s.io", "ipaddresses", validate_ipaddress},
    {"networking.k8s.io", "servicecidrs", validate_servicecidr},
    {"", "endpoints", validate_endpoints},
    {"discovery.k8s.io", "endpointslices", validate_endpointslice},
    {"", "nodes", validate_node},
    {"", "namespaces", validate_namespace},
    {"scheduling.k8s.io", "priorityclasses", validate_priorityclass},
    {"node.k8s.io", "runtimeclasses", validate_runtimeclass},
    {"coordination.k8s.io", "leases", validate_lease},
    {"", "events", validate_event},
    {"events.k8s.io", "events", validate_event},
    {"", "configmaps", validate_configmap},
    {"", "secrets", validate_secret},
    {"", "resourcequotas", validate_resourcequota},
    {"", "limitranges", validate_limitrange},
    {"", "persistentvolumes", validate_persistentvolume},
    {"", "persistentvolumeclaims", validate_persistentvolumeclaim},
    {"storage.k8s.io", "storageclasses", validate_storageclass},
    {"storage.k8s.io", "volumeattributesclasses", validate_volumeattributesclass},
    {"storage.k8s.io", "csidrivers", validate_csidriver},
    {"storage.k8s.io", "csinodes", validate_csinode},
    {"storage.k8s.io", "volumeattachments", validate_volumeattachment},
    {"storage.k8s.io", "csistoragecapacities", validate_csistoragecapacity},
    {"admissionregistration.k8s.io", "validatingadmissionpolicies", validate_admissionpolicy},
    {"admissionregistration.k8s.io", "validatingadmissionpolicybindings",
     validate_admissionpolicybinding},
    {"admissionregistration.k8s.io", "mutatingadmissionpolicies", validate_mutatingpolicy},
    {"admissionregistration.k8s.io", "mutatingadmissionpolicybindings", validate_mutatingbinding},
    {"admissionregistration.k8s.io", "validatingwebhookconfigurations",
     validate_webhookconfiguration},
    {"admissionregistration.k8s.io", "mutatingwebhookconfigurations",
     validate_webhookconfiguration},
    {"certificates.k8s.io", "certificatesigningrequests", validate_certificatesigningrequest},
    {"apiregistration.k8s.io", "apiservices", validate_apiservice},
    {"resource.k8s.io", "deviceclasses", validate_deviceclass},
    {"resource.k8s.io", "resourceclaims", validate_resourceclaim},
    {"resource.k8s.io", "resourceclaimtemplates", validate_resourceclaimtemplate},
    {"resource.k8s.io", "resourceslices", validate_resourceslice},
    {"flowcontrol.apiserver.k8s.io", "flowschemas", validate_flowschema},
    {"flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations",
     validate_prioritylevelconfiguration},
};

kind_validate_fn *validation_find(str group, str plural)
{
    if (str_is(plural, "customresourcedefinitions") && str_is(group, "apiextensions.k8s.io"))
        return crd_rules;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_is(plural, kinds[i].plural) && str_is(group, kinds[i].group))
            return kinds[i].validate;
    return NULL;
}
