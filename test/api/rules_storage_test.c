/* rules_storage_test.c - what is wrong with volumes and claims.
 *
 * Expected texts: the sources that src/api/validation names, read beside these rows. */
#include "test/api/rows.h"

static const struct kind_row kinds[] = {
    {"pv", "/api/v1/persistentvolumes",
     "{'apiVersion': 'v1', 'kind': 'PersistentVolume', 'metadata': {'name': 'x'}, "
     "'spec': {'capacity': {'storage': '1Gi'}, 'accessModes': ['ReadWriteOnce'], "
     "'hostPath': {'path': '/a'}}}"},
    {"pvc", "/api/v1/namespaces/default/persistentvolumeclaims",
     "{'apiVersion': 'v1', 'kind': 'PersistentVolumeClaim', 'metadata': {'name': "
     "'x'}, 'spec': {'accessModes': ['ReadWriteOnce'], 'storageClassName': 's', "
     "'resources': {'requests': {'storage': '1Gi'}}}}"},
};

static const struct row pv[] = {
    {"pv", "{'spec': {'capacity': null}}", NULL, NULL,
     "spec.capacity: Required value\n"
     "spec.capacity: Unsupported value: null: supported values: \"storage\"\n"},
    {"pv", "{'spec': {'capacity': {'storage': '0'}}}", NULL, NULL,
     "spec.capacity[storage]: Invalid value: \"0\": must be greater than zero\n"},
    {"pv", "{'spec': {'capacity': {'storage': '-1', 'cpu': '1'}}}", NULL, NULL,
     "spec.capacity: Unsupported value: {\"cpu\":\"1\",\"storage\":\"-1\"}: supported "
     "values: \"storage\"\n"
     "spec.capacity[storage]: Invalid value: -1: must be a valid resource quantity\n"
     "spec.capacity[storage]: Invalid value: \"-1\": must be greater than zero\n"},
    {"pv", "{'spec': {'accessModes': []}}", NULL, NULL, "spec.accessModes: Required value\n"},
    {"pv", "{'spec': {'accessModes': ['x', 'ReadWriteOncePod', 'ReadOnlyMany']}}", NULL, NULL,
     "spec.accessModes: Unsupported value: \"x\": supported values: \"ReadOnlyMany\", "
     "\"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\"\n"
     "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access "
     "modes\n"},
    {"pv", "{'spec': {'persistentVolumeReclaimPolicy': 'x', 'volumeMode': 'y'}}", NULL, NULL,
     "spec.persistentVolumeReclaimPolicy: Unsupported value: \"x\": supported values: "
     "\"Delete\", \"Recycle\", \"Retain\"\n"
     "spec.volumeMode: Unsupported value: \"y\": supported values: \"Block\", "
     "\"Filesystem\"\n"},
    {"pv",
     "{'spec': {'persistentVolumeReclaimPolicy': 'Recycle', 'hostPath': {'path': "
     "'/'}}}",
     NULL, NULL,
     "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a "
     "hostPath mount of '/'\n"},
    {"pv", "{'spec': {'storageClassName': 'A_'}}", NULL, NULL,
     "spec.storageClassName: Invalid value: \"A_\": {subdomain}\n"},
    {"pv", "{'spec': {'volumeAttributesClassName': ''}}", NULL, NULL,
     "spec.volumeAttributesClassName: Required value: an empty string is disallowed\n"
     "spec.csi: Required value: has to be specified when using "
     "volumeAttributesClassName\n"},
    {"pv", "{'spec': {'volumeAttributesClassName': 'A_'}}", NULL, NULL,
     "spec.volumeAttributesClassName: Invalid value: \"A_\": {subdomain}\n"
     "spec.csi: Required value: has to be specified when using "
     "volumeAttributesClassName\n"},
    {"pv", "{'spec': {'nodeAffinity': {}}}", NULL, NULL,
     "spec.nodeAffinity.required: Required value: must specify required node "
     "constraints\n"},
    {"pv",
     "{'spec': {'nodeAffinity': {'required': {'nodeSelectorTerms': "
     "[{'matchExpressions': [{'key': 'a', 'operator': 'x'}]}]}}}}",
     NULL, NULL,
     "spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].operator: "
     "Invalid value: \"x\": not a valid selector operator\n"},
    {"pv", "{'spec': {'nfs': {'server': 's', 'path': '/p'}}}", NULL, NULL,
     "spec.nfs: Forbidden: may not specify more than 1 volume type\n"},
    {"pv", "{'spec': {'hostPath': null}}", NULL, NULL,
     "spec: Required value: must specify a volume type\n"},
    {"pv", "{'spec': {'hostPath': null, 'local': {'path': ''}}}", NULL, NULL,
     "spec.local.path: Required value\n"
     "spec.nodeAffinity: Required value: Local volume requires node affinity\n"},
    {"pv", "{'spec': {'hostPath': null, 'local': {'path': '/a'}}}", NULL, NULL,
     "spec.nodeAffinity: Required value: Local volume requires node affinity\n"},
    {"pv",
     "{'spec': {'hostPath': null, 'local': {'path': '../a'}, 'nodeAffinity': "
     "{'required': {'nodeSelectorTerms': [{'matchExpressions': [{'key': 'a', "
     "'operator': 'Exists'}]}]}}}}",
     NULL, NULL, "spec.local.path: Invalid value: \"../a\": must not contain '..'\n"},
    {"pv", "{'spec': {'hostPath': null, 'csi': {'driver': '', 'volumeHandle': ''}}}", NULL, NULL,
     "spec.csi.driver: Required value\n"
     "spec.csi.driver: Invalid value: \"\": {subdomain}\n"
     "spec.csi.volumeHandle: Required value\n"},
    {"pv",
     "{'spec': {'hostPath': null, 'csi': {'driver': 'd', 'volumeHandle': 'h', "
     "'controllerPublishSecretRef': {}, 'nodeStageSecretRef': {'name': 'a'}, "
     "'controllerExpandSecretRef': {'namespace': 'b'}, 'nodePublishSecretRef': "
     "{'name': 'A', 'namespace': 'B'}, 'nodeExpandSecretRef': {}}}}",
     NULL, NULL,
     "spec.csi.controllerPublishSecretRef.name: Required value\n"
     "spec.csi.controllerPublishSecretRef.namespace: Required value\n"
     "spec.csi.controllerExpandSecretRef.name: Required value\n"
     "spec.csi.nodePublishSecretRef.name: Invalid value: \"A\": {subdomain}\n"
     "spec.csi.nodePublishSecretRef.namespace: Invalid value: \"B\": {label}\n"
     "spec.csi.nodeExpandSecretRef.name: Required value\n"
     "spec.csi.nodeExpandSecretRef.namespace: Required value\n"},
    {"pv", "{'spec': {'hostPath': null, 'rbd': {'monitors': [], 'image': ''}}}", NULL, NULL,
     "spec.rbd.monitors: Required value\n"
     "spec.rbd.image: Required value\n"},
    {"pv", "{'spec': {'hostPath': null, 'cephfs': {'monitors': []}}}", NULL, NULL,
     "spec.cephfs.monitors: Required value\n"},
    {"pv",
     "{'spec': {'hostPath': null, 'azureFile': {'secretName': '', 'shareName': '', "
     "'secretNamespace': ''}}}",
     NULL, NULL,
     "spec.azureFile.secretName: Required value\n"
     "spec.azureFile.shareName: Required value\n"
     "spec.azureFile.secretNamespace: Required value\n"},
    {"pv", "{'spec': {'hostPath': null, 'flexVolume': {'driver': ''}}}", NULL, NULL,
     "spec.flexVolume.driver: Required value\n"},
    {"pv",
     "{'spec': {'hostPath': null, 'iscsi': {'targetPortal': '', 'iqn': '', 'lun': 0, "
     "'chapAuthSession': true}}}",
     NULL, NULL,
     "spec.iscsi.targetPortal: Required value\n"
     "spec.iscsi.iqn: Required value\n"
     "spec.iscsi.secretRef: Required value\n"},
    {"pv",
     "{'spec': {'hostPath': null, 'glusterfs': {'endpoints': '', 'path': '', "
     "'endpointsNamespace': ''}}}",
     NULL, NULL,
     "spec.glusterfs.endpoints: Required value\n"
     "spec.glusterfs.path: Required value\n"
     "spec.glusterfs.endpointsNamespace: Invalid value: \"\": if the "
     "endpointnamespace is set, it must be a valid namespace name\n"},
    {"pv", "{'spec': {'hostPath': null, 'storageos': {'volumeName': '', 'secretRef': {}}}}", NULL,
     NULL,
     "spec.storageos.volumeName: Required value\n"
     "spec.storageos.secretRef.name: Required value\n"
     "spec.storageos.secretRef.namespace: Required value\n"},
    {"pv",
     "{'spec': {'hostPath': null, 'scaleIO': {'gateway': '', 'system': '', "
     "'secretRef': null, 'volumeName': ''}}}",
     NULL, NULL,
     "spec.scaleIO.gateway: Required value\n"
     "spec.scaleIO.system: Required value\n"
     "spec.scaleIO.volumeName: Required value\n"},
    {"pv", "{'metadata': {'name': 'A_'}}", NULL, NULL,
     "metadata.name: Invalid value: \"A_\": {subdomain}\n"},
    {"pv", "{'metadata': {'name': 'x1'}}", "{'spec': {'hostPath': {'path': '/b'}}}", NULL,
     "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is "
     "immutable after creation\n"
     "@@ -2,7 +2,7 @@\n"
     "  \"GCEPersistentDisk\": null,\n"
     "  \"AWSElasticBlockStore\": null,\n"
     "  \"HostPath\": {\n"
     "-  \"Path\": \"/a\",\n"
     "+  \"Path\": \"/b\",\n"
     "   \"Type\": \"\"\n"
     "  },\n"
     "  \"Glusterfs\": null,\n"
     "\n"},
    {"pv", "{'metadata': {'name': 'x2'}}", "{'spec': {'volumeMode': 'Block'}}", NULL,
     "volumeMode: Invalid value: \"Block\": field is immutable\n"},
    {"pv", "{'metadata': {'name': 'x3'}}",
     "{'spec': {'nodeAffinity': {'required': {'nodeSelectorTerms': "
     "[{'matchExpressions': [{'key': 'a', 'operator': 'Exists'}]}]}}}}",
     NULL, ""},
    {"pv",
     "{'spec': {'nodeAffinity': {'required': {'nodeSelectorTerms': "
     "[{'matchExpressions': [{'key': 'a', 'operator': 'Exists'}]}]}}}, 'metadata': "
     "{'name': 'x4'}}",
     "{'spec': {'nodeAffinity': {'required': {'nodeSelectorTerms': "
     "[{'matchExpressions': [{'key': 'b', 'operator': 'Exists'}]}]}}}}",
     NULL,
     "nodeAffinity: Invalid value: "
     "{\"Required\":{\"NodeSelectorTerms\":[{\"MatchExpressions\":[{\"Key\":\"b\",\"Op"
     "erator\":\"Exists\",\"Values\":null}],\"MatchFields\":null}]}}: field is "
     "immutable, except for updating from beta label to GA\n"},
    {"pv",
     "{'spec': {'hostPath': null, 'csi': {'driver': 'd', 'volumeHandle': 'h'}, "
     "'volumeAttributesClassName': 'a'}, 'metadata': {'name': 'x5'}}",
     "{'spec': {'volumeAttributesClassName': null}}", NULL,
     "spec.volumeAttributesClassName: Forbidden: update from non-nil value to nil is "
     "forbidden\n"},
    {"pv",
     "{'spec': {'hostPath': null, 'csi': {'driver': 'd', 'volumeHandle': 'h'}}, "
     "'metadata': {'name': 'x6'}}",
     "{'spec': {'volumeAttributesClassName': 'b'}}", NULL, ""},
    {"pv", "{'metadata': {'name': 'x7'}}", "{'spec': {'volumeAttributesClassName': 'a'}}", NULL,
     "spec.csi: Required value: has to be specified when using "
     "volumeAttributesClassName\n"
     "spec.csi: Required value: has to be specified when using "
     "volumeAttributesClassName\n"},
};

static const struct row pvc[] = {
    {"pvc", "{'spec': {'accessModes': []}}", NULL, NULL,
     "spec.accessModes: Required value: at least 1 access mode is required\n"},
    {"pvc", "{'spec': {'accessModes': ['x']}}", NULL, NULL,
     "spec.accessModes: Unsupported value: \"x\": supported values: \"ReadOnlyMany\", "
     "\"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\"\n"},
    {"pvc", "{'spec': {'accessModes': ['ReadWriteOncePod', 'ReadWriteOnce']}}", NULL, NULL,
     "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access "
     "modes\n"},
    {"pvc", "{'spec': {'resources': {'requests': {'storage': '0'}}}}", NULL, NULL,
     "spec.resources[storage]: Invalid value: \"0\": must be greater than zero\n"},
    {"pvc", "{'spec': {'resources': {'requests': null}}}", NULL, NULL,
     "spec.resources[storage]: Required value\n"},
    {"pvc", "{'spec': {'resources': {'requests': {'storage': '-1'}}}}", NULL, NULL,
     "spec.resources[storage]: Invalid value: \"-1\": must be greater than zero\n"},
    {"pvc",
     "{'spec': {'selector': {'matchLabels': {'a b': 'c'}}, 'storageClassName': 'A_', "
     "'volumeMode': 'x'}}",
     NULL, NULL,
     "spec.selector.matchLabels: Invalid value: \"a b\": {qualified}\n"
     "spec.storageClassName: Invalid value: \"A_\": {subdomain}\n"
     "spec.volumeMode: Unsupported value: \"x\": supported values: \"Block\", "
     "\"Filesystem\"\n"},
    {"pvc", "{'spec': {'dataSource': {'kind': '', 'name': ''}}}", NULL, NULL, ""},
    {"pvc", "{'spec': {'dataSource': {'apiGroup': 'a.b', 'kind': 'X', 'name': 'y'}}}", NULL, NULL,
     ""},
    {"pvc", "{'spec': {'dataSourceRef': {'kind': 'Pod', 'name': 'y'}}}", NULL, NULL,
     "spec.dataSource: Invalid value: \"Pod\": must be 'PersistentVolumeClaim' when "
     "referencing the default apiGroup\n"
     "spec.dataSourceRef: Invalid value: \"Pod\": must be 'PersistentVolumeClaim' "
     "when referencing the default apiGroup\n"},
    {"pvc", "{'spec': {'dataSourceRef': {'apiGroup': 'A_', 'kind': 'X', 'name': 'y'}}}", NULL, NULL,
     "spec.dataSource.apiGroup: Invalid value: \"A_\": {subdomain}\n"
     "spec.dataSourceRef.apiGroup: Invalid value: \"A_\": {subdomain}\n"},
    {"pvc",
     "{'spec': {'dataSource': {'kind': 'PersistentVolumeClaim', 'name': 'a'}, "
     "'dataSourceRef': {'kind': 'PersistentVolumeClaim', 'name': 'b'}}}",
     NULL, NULL, "spec: Invalid value: {}: must match dataSourceRef\n"},
    {"pvc", "{'spec': {'volumeAttributesClassName': 'A_'}}", NULL, NULL,
     "spec.volumeAttributesClassName: Invalid value: \"A_\": {subdomain}\n"},
    {"pvc", "{'metadata': {'name': 'x8'}}",
     "{'spec': {'resources': {'requests': {'storage': '2Gi'}}}}", NULL,
     "spec: Forbidden: spec is immutable after creation except resources.requests and "
     "volumeAttributesClassName for bound claims\n"
     "@@ -6,7 +6,7 @@\n"
     "  \"Resources\": {\n"
     "   \"Limits\": null,\n"
     "   \"Requests\": {\n"
     "-   \"storage\": \"1Gi\"\n"
     "+   \"storage\": \"2Gi\"\n"
     "   }\n"
     "  },\n"
     "  \"VolumeName\": \"\",\n"
     "\n"},
    {"pvc", "{'metadata': {'name': 'x9'}}", "{'spec': {'storageClassName': 't'}}", NULL,
     "spec: Forbidden: spec is immutable after creation except resources.requests and "
     "volumeAttributesClassName for bound claims\n"
     "@@ -10,7 +10,7 @@\n"
     "   }\n"
     "  },\n"
     "  \"VolumeName\": \"\",\n"
     "- \"StorageClassName\": \"s\",\n"
     "+ \"StorageClassName\": \"t\",\n"
     "  \"VolumeMode\": \"Filesystem\",\n"
     "  \"DataSource\": null,\n"
     "  \"DataSourceRef\": null,\n"
     "\n"},
    {"pvc", "{'metadata': {'name': 'x10'}}",
     "{'spec': {'volumeName': 'v', 'accessModes': ['ReadOnlyMany']}}", NULL,
     "spec: Forbidden: spec is immutable after creation except resources.requests and "
     "volumeAttributesClassName for bound claims\n"
     "@@ -1,6 +1,6 @@\n"
     " {\n"
     "  \"AccessModes\": [\n"
     "-  \"ReadWriteOnce\"\n"
     "+  \"ReadOnlyMany\"\n"
     "  ],\n"
     "  \"Selector\": null,\n"
     "  \"Resources\": {\n"
     "\n"},
    {"pvc", "{'metadata': {'name': 'x11'}}",
     "{'spec': {'resources': {'requests': {'storage': '1Mi'}}}}", NULL,
     "spec: Forbidden: spec is immutable after creation except resources.requests and "
     "volumeAttributesClassName for bound claims\n"
     "@@ -6,7 +6,7 @@\n"
     "  \"Resources\": {\n"
     "   \"Limits\": null,\n"
     "   \"Requests\": {\n"
     "-   \"storage\": \"1Gi\"\n"
     "+   \"storage\": \"1Mi\"\n"
     "   }\n"
     "  },\n"
     "  \"VolumeName\": \"\",\n"
     "\n"},
    {"pvc", "{'metadata': {'name': 'x12'}}",
     "{'status': {'capacity': {'storage': '-1'}, 'allocatedResources': {'storage': "
     "'-1', 'x': '1'}, 'allocatedResourceStatuses': {'storage': 'x', 'cpu': "
     "'NodeResizePending'}}}",
     "status",
     "status.capacity[storage]: Invalid value: -1: must be a valid resource quantity\n"
     "status.allocatedResourceStatus: Unsupported value: \"cpu\": supported values: "
     "\"storage\"\n"
     "status.allocatedResourceStatus: Unsupported value: \"storage\": supported "
     "values: \"ControllerResizeInProgress\", \"ControllerResizeInfeasible\", "
     "\"NodeResizeInProgress\", \"NodeResizeInfeasible\", \"NodeResizePending\"\n"
     "status.allocatedResources[storage]: Invalid value: -1: must be a valid resource "
     "quantity\n"
     "status.allocatedResources: Unsupported value: \"x\": supported values: "
     "\"storage\"\n"},
    {"pvc", "{'metadata': {'name': 'x13'}}",
     "{'status': {'conditions': [{'type': '', 'status': ''}]}}", "status", ""},
    {"pvc", "{'metadata': {'name': 'x14'}}", "{'status': {'modifyVolumeStatus': {'status': 'x'}}}",
     "status", ""},
};

#define CLAIM(table_, name_)                                                                       \
    TEST(table_, name_)                                                                            \
    {                                                                                              \
        rows_check(kinds, ARRAY_LEN(kinds), table_, ARRAY_LEN(table_));                            \
    }
CLAIM(pv, tells_all_that_is_wrong_in_order)
CLAIM(pvc, tells_all_that_is_wrong_in_order)

TEST_MAIN
