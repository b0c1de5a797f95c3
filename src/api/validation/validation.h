/* validation.h - the rules of each kind beyond the schema's structure. */
#ifndef K1S_API_VALIDATION_H
#define K1S_API_VALIDATION_H
#include "api/kinds.h"

/* NULL: the kind has no rules of its own. */
kind_validate_fn *validation_find(str group, str plural);

kind_validate_fn validate_pod, validate_service, validate_deployment, validate_replicaset,
    validate_replicationcontroller, validate_statefulset, validate_daemonset,
    validate_controllerrevision, validate_podtemplate, validate_job, validate_cronjob,
    validate_ingress, validate_ingressclass, validate_networkpolicy, validate_endpoints,
    validate_endpointslice, validate_node, validate_namespace, validate_priorityclass,
    validate_runtimeclass, validate_lease, validate_event, validate_configmap, validate_secret,
    validate_persistentvolume, validate_persistentvolumeclaim, validate_storageclass,
    validate_webhookconfiguration, validate_certificatesigningrequest, validate_apiservice,
    validate_flowschema, validate_prioritylevelconfiguration, validate_csidriver, validate_csinode,
    validate_volumeattachment, validate_csistoragecapacity, validate_admissionpolicy,
    validate_admissionpolicybinding, validate_mutatingpolicy, validate_mutatingbinding,
    validate_horizontalpodautoscaler, validate_poddisruptionbudget, validate_role,
    validate_clusterrole, validate_rolebinding, validate_clusterrolebinding, validate_ipaddress,
    validate_servicecidr, validate_volumeattributesclass, validate_deviceclass,
    validate_resourceclaim, validate_resourceclaimtemplate, validate_resourceslice,
    validate_resourcequota, validate_limitrange;
#endif
