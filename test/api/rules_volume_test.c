/* rules_volume_test.c - what is wrong with the volumes of pods, and with what objects are called.
 *
 * Expected texts: the sources that src/api/validation names, read beside these rows. */
#include "test/api/rows.h"

static const struct kind_row kinds[] = {
    {"", "/api/v1/namespaces/default/serviceaccounts", "{'metadata': {'name': 'default'}}"},
    {"pod", "/api/v1/namespaces/default/pods",
     "{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': 'x'}, 'spec': "
     "{'containers': [{'name': 'c', 'image': 'i'}], 'terminationGracePeriodSeconds': "
     "30}}"},
};

static const struct row volumes[] = {
    {"pod", "{'spec': {'volumes': [{}]}}", NULL, NULL, "spec.volumes[0].name: Required value\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'A', 'emptyDir': {}}, {'name': 'v', 'emptyDir': "
     "{}}, {'name': 'v', 'emptyDir': {}}]}}",
     NULL, NULL,
     "spec.volumes[0].name: Invalid value: \"A\": {label}\n"
     "spec.volumes[2].name: Duplicate value: \"v\"\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'emptyDir': {'sizeLimit': '-1', 'medium': "
     "'x'}}]}}",
     NULL, NULL,
     "spec.volumes[0].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid "
     "resource quantity\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'emptyDir': {}, 'hostPath': {'path': "
     "'/a'}}]}}",
     NULL, NULL, "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type\n"},
    {"pod", "{'spec': {'volumes': [{'name': 'v', 'emptyDir': {'medium': 'HugePages-x'}}]}}", NULL,
     NULL, ""},
    {"pod", "{'spec': {'volumes': [{'name': 'v', 'hostPath': {'path': '', 'type': 'x'}}]}}", NULL,
     NULL, "spec.volumes[0].hostPath.path: Required value\n"},
    {"pod", "{'spec': {'volumes': [{'name': 'v', 'hostPath': {'path': '/a/../b'}}]}}", NULL, NULL,
     "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain "
     "'..'\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'gcePersistentDisk': {'pdName': '', "
     "'partition': 300}}]}}",
     NULL, NULL,
     "spec.volumes[0].persistentDisk.pdName: Required value\n"
     "spec.volumes[0].persistentDisk.partition: Invalid value: 300: must be between 1 "
     "and 255, inclusive\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'awsElasticBlockStore': {'volumeID': '', "
     "'partition': -1}}]}}",
     NULL, NULL,
     "spec.volumes[0].awsElasticBlockStore.volumeID: Required value\n"
     "spec.volumes[0].awsElasticBlockStore.partition: Invalid value: -1: must be "
     "between 1 and 255, inclusive\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'gitRepo': {'repository': '', 'directory': "
     "'../x'}}]}}",
     NULL, NULL,
     "spec.volumes[0].gitRepo.repository: Required value\n"
     "spec.volumes[0].gitRepo.directory: Invalid value: \"../x\": must not contain "
     "'..'\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'secret': {'secretName': '', 'defaultMode': "
     "1000, 'items': [{'key': '', 'path': ''}, {'key': 'a', 'path': '/a', 'mode': "
     "-1}, {'key': 'a', 'path': '../b'}, {'key': 'a', 'path': '..b'}]}}]}}",
     NULL, NULL,
     "spec.volumes[0].secret.secretName: Required value\n"
     "spec.volumes[0].secret.defaultMode: Invalid value: 1000: must be a number "
     "between 0 and 0777 (octal), both inclusive\n"
     "spec.volumes[0].secret.items[0].key: Required value\n"
     "spec.volumes[0].secret.items[0].path: Required value\n"
     "spec.volumes[0].secret.items[1].path: Invalid value: \"/a\": must be a relative "
     "path\n"
     "spec.volumes[0].secret.items[1].mode: Invalid value: -1: must be a number "
     "between 0 and 0777 (octal), both inclusive\n"
     "spec.volumes[0].secret.items[2].path: Invalid value: \"../b\": must not contain "
     "'..'\n"
     "spec.volumes[0].secret.items[3].path: Invalid value: \"..b\": must not start "
     "with '..'\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'configMap': {'name': '', 'defaultMode': "
     "-1, 'items': [{'key': 'a', 'path': 'a/../b'}]}}]}}",
     NULL, NULL,
     "spec.volumes[0].configMap.name: Required value\n"
     "spec.volumes[0].configMap.defaultMode: Invalid value: -1: must be a number "
     "between 0 and 0777 (octal), both inclusive\n"
     "spec.volumes[0].configMap.items[0].path: Invalid value: \"a/../b\": must not "
     "contain '..'\n"},
    {"pod", "{'spec': {'volumes': [{'name': 'v', 'nfs': {'server': '', 'path': 'a'}}]}}", NULL,
     NULL,
     "spec.volumes[0].nfs.server: Required value\n"
     "spec.volumes[0].nfs.path: Invalid value: \"a\": must be an absolute path\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'iscsi': {'targetPortal': '', 'iqn': '', "
     "'lun': 300, 'chapAuthDiscovery': true}}]}}",
     NULL, NULL,
     "spec.volumes[0].iscsi.targetPortal: Required value\n"
     "spec.volumes[0].iscsi.iqn: Required value\n"
     "spec.volumes[0].iscsi.lun: Invalid value: 300: must be between 0 and 255, "
     "inclusive\n"
     "spec.volumes[0].iscsi.secretRef: Required value\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'iscsi': {'targetPortal': 'a', 'iqn': 'x', "
     "'lun': 0, 'initiatorName': 'y'}}]}}",
     NULL, NULL,
     "spec.volumes[0].iscsi.iqn: Invalid value: \"x\": must be valid format starting "
     "with iqn, eui, or naa\n"
     "spec.volumes[0].iscsi.initiatorname: Invalid value: \"y\": must be valid format "
     "starting with iqn, eui, or naa\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'iscsi': {'targetPortal': 'a', 'iqn': "
     "'iqn.2015-02.example.com:test', 'lun': 0, 'initiatorName': 'eui.x'}}]}}",
     NULL, NULL,
     "spec.volumes[0].iscsi.initiatorname: Invalid value: \"eui.x\": must be valid "
     "format\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'glusterfs': {'endpoints': '', 'path': "
     "''}}]}}",
     NULL, NULL,
     "spec.volumes[0].glusterfs.endpoints: Required value\n"
     "spec.volumes[0].glusterfs.path: Required value\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'persistentVolumeClaim': {'claimName': "
     "''}}]}}",
     NULL, NULL, "spec.volumes[0].persistentVolumeClaim.claimName: Required value\n"},
    {"pod", "{'spec': {'volumes': [{'name': 'v', 'rbd': {'monitors': [], 'image': ''}}]}}", NULL,
     NULL,
     "spec.volumes[0].rbd.monitors: Required value\n"
     "spec.volumes[0].rbd.image: Required value\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'flexVolume': {'driver': '', 'options': "
     "{'kubernetes.io/x': '1'}}}]}}",
     NULL, NULL,
     "spec.volumes[0].flexVolume.driver: Required value\n"
     "spec.volumes[0].flexVolume.options[kubernetes.io/x]: Invalid value: "
     "\"kubernetes.io/x\": kubernetes.io and k8s.io namespaces are reserved\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'cinder': {'volumeID': '', 'secretRef': "
     "{'name': ''}}}]}}",
     NULL, NULL,
     "spec.volumes[0].cinder.volumeID: Required value\n"
     "spec.volumes[0].cinder.secretRef.name: Required value\n"},
    {"pod", "{'spec': {'volumes': [{'name': 'v', 'cephfs': {'monitors': []}}]}}", NULL, NULL,
     "spec.volumes[0].cephfs.monitors: Required value\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'flocker': {'datasetName': 'a', "
     "'datasetUUID': 'b'}}]}}",
     NULL, NULL,
     "spec.volumes[0].flocker: Invalid value: \"resource\": datasetName and "
     "datasetUUID can not be specified simultaneously\n"},
    {"pod", "{'spec': {'volumes': [{'name': 'v', 'flocker': {}}]}}", NULL, NULL,
     "spec.volumes[0].flocker: Required value: one of datasetName and datasetUUID is "
     "required\n"},
    {"pod", "{'spec': {'volumes': [{'name': 'v', 'fc': {}}]}}", NULL, NULL,
     "spec.volumes[0].fc.targetWWNs: Required value: must specify either targetWWNs "
     "or wwids, but not both\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'fc': {'targetWWNs': ['a'], 'wwids': "
     "['b']}}]}}",
     NULL, NULL,
     "spec.volumes[0].fc.targetWWNs: Invalid value: [\"a\"]: targetWWNs and wwids can "
     "not be specified simultaneously\n"
     "spec.volumes[0].fc.lun: Required value: lun is required if targetWWNs is "
     "specified\n"},
    {"pod", "{'spec': {'volumes': [{'name': 'v', 'fc': {'targetWWNs': ['a'], 'lun': 300}}]}}", NULL,
     NULL,
     "spec.volumes[0].fc.lun: Invalid value: 300: must be between 0 and 255, "
     "inclusive\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'azureFile': {'secretName': '', "
     "'shareName': ''}}]}}",
     NULL, NULL,
     "spec.volumes[0].azureFile.secretName: Required value\n"
     "spec.volumes[0].azureFile.shareName: Required value\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'azureDisk': {'diskName': '', 'diskURI': "
     "'x', 'kind': 'Managed', 'cachingMode': 'y'}}]}}",
     NULL, NULL,
     "spec.volumes[0].azureDisk.diskName: Required value\n"
     "spec.volumes[0].azureDisk.cachingMode: Unsupported value: \"y\": supported "
     "values: \"None\", \"ReadOnly\", \"ReadWrite\"\n"
     "spec.volumes[0].azureDisk.diskURI: Unsupported value: \"x\": supported values: "
     "\"/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.comput"
     "e/disks/{disk-id}\"\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'azureDisk': {'diskName': 'd', 'diskURI': "
     "'/subscriptions/x', 'kind': 'Shared'}}]}}",
     NULL, NULL,
     "spec.volumes[0].azureDisk.diskURI: Unsupported value: \"/subscriptions/x\": "
     "supported values: \"https://{account-name}.blob.core.windows.net/{container-name"
     "}/{disk-name}.vhd\"\n"},
    {"pod", "{'spec': {'volumes': [{'name': 'v', 'vsphereVolume': {'volumePath': ''}}]}}", NULL,
     NULL, "spec.volumes[0].vsphereVolume.volumePath: Required value\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'quobyte': {'registry': '', 'volume': "
     "''}}]}}",
     NULL, NULL,
     "spec.volumes[0].quobyte.registry: Required value: must be a host:port pair or "
     "multiple pairs separated by commas\n"
     "spec.volumes[0].quobyte.volume: Required value\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'quobyte': {'registry': 'a', 'volume': 'v', "
     "'tenant': 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'}}]"
     "}}",
     NULL, NULL,
     "spec.volumes[0].quobyte.tenant: Required value: must be a UUID and may not "
     "exceed a length of 64 characters\n"},
    {"pod", "{'spec': {'volumes': [{'name': 'v', 'portworxVolume': {'volumeID': ''}}]}}", NULL,
     NULL, "spec.volumes[0].portworxVolume.volumeID: Required value\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'scaleIO': {'gateway': '', 'system': '', "
     "'volumeName': '', 'secretRef': {'name': 'x'}}}]}}",
     NULL, NULL,
     "spec.volumes[0].scaleIO.gateway: Required value\n"
     "spec.volumes[0].scaleIO.system: Required value\n"
     "spec.volumes[0].scaleIO.volumeName: Required value\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'storageos': {'volumeName': 'A', "
     "'volumeNamespace': 'B', 'secretRef': {'name': ''}}}]}}",
     NULL, NULL,
     "spec.volumes[0].storageos.volumeName: Invalid value: \"A\": {label}\n"
     "spec.volumes[0].storageos.volumeNamespace: Invalid value: \"B\": {label}\n"
     "spec.volumes[0].storageos.secretRef.name: Required value\n"},
    {"pod", "{'spec': {'volumes': [{'name': 'v', 'photonPersistentDisk': {'pdID': ''}}]}}", NULL,
     NULL, "spec.volumes[0].photonPersistentDisk.pdID: Required value\n"},
    {"pod", "{'spec': {'volumes': [{'name': 'v', 'csi': {'driver': 'A_'}}]}}", NULL, NULL,
     "spec.volumes[0].csi.driver: Invalid value: \"A_\": {subdomain}\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'csi': {'driver': '', "
     "'nodePublishSecretRef': {'name': ''}}}]}}",
     NULL, NULL,
     "spec.volumes[0].csi.driver: Required value\n"
     "spec.volumes[0].csi.driver: Invalid value: \"\": {subdomain}\n"
     "spec.volumes[0].csi.nodePublishSecretRef.name: Required value\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'downwardAPI': {'defaultMode': 1000, "
     "'items': [{'path': '/a', 'fieldRef': {'fieldPath': 'spec.x'}}, {'path': 'a'}, "
     "{'path': 'b', 'fieldRef': {'fieldPath': 'metadata.name'}, 'resourceFieldRef': "
     "{'resource': 'limits.cpu'}}, {'path': 'c', 'resourceFieldRef': {'resource': "
     "'limits.cpu'}}, {'path': '', 'mode': 1000, 'fieldRef': {'fieldPath': "
     "'status.podIP'}}]}}]}}",
     NULL, NULL,
     "spec.volumes[0].downwardAPI.defaultMode: Invalid value: 1000: must be a number "
     "between 0 and 0777 (octal), both inclusive\n"
     "spec.volumes[0].downwardAPI.path: Invalid value: \"/a\": must be a relative "
     "path\n"
     "spec.volumes[0].downwardAPI.fieldRef.fieldPath: Invalid value: \"spec.x\": "
     "error converting fieldPath: field label not supported: spec.x\n"
     "spec.volumes[0].downwardAPI: Required value: one of fieldRef and "
     "resourceFieldRef is required\n"
     "spec.volumes[0].downwardAPI: Invalid value: \"resource\": fieldRef and "
     "resourceFieldRef can not be specified simultaneously\n"
     "spec.volumes[0].downwardAPI.resourceFieldRef.containerName: Required value\n"
     "spec.volumes[0].downwardAPI.path: Required value\n"
     "spec.volumes[0].downwardAPI.fieldRef.fieldPath: Unsupported value: "
     "\"status.podIP\": supported values: \"metadata.annotations\", "
     "\"metadata.labels\", \"metadata.name\", \"metadata.namespace\", "
     "\"metadata.uid\"\n"
     "spec.volumes[0].downwardAPI.mode: Invalid value: 1000: must be a number between "
     "0 and 0777 (octal), both inclusive\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'projected': {'defaultMode': 1000, "
     "'sources': [{}, {'secret': {'name': ''}, 'configMap': {'name': 'a'}}, "
     "{'serviceAccountToken': {'path': ''}}, {'serviceAccountToken': {'path': '/a', "
     "'expirationSeconds': 5}}, {'serviceAccountToken': {'path': 'x', "
     "'expirationSeconds': 5000000000}}, {'secret': {'name': 's', 'items': [{'key': "
     "'a', 'path': 'x'}]}}]}}]}}",
     NULL, NULL,
     "spec.volumes[0].projected.defaultMode: Invalid value: 1000: must be a number "
     "between 0 and 0777 (octal), both inclusive\n"
     "spec.volumes[0].projected.sources[1].secret.name: Required value\n"
     "spec.volumes[0].projected.sources[1]: Forbidden: may not specify more than 1 "
     "volume type per source\n"
     "spec.volumes[0].projected.path: Required value\n"
     "spec.volumes[0].projected.sources[3].serviceAccountToken.expirationSeconds: "
     "Invalid value: 5: may not specify a duration less than 10 minutes\n"
     "spec.volumes[0].projected.path: Invalid value: \"/a\": must be a relative path\n"
     "spec.volumes[0].projected.sources[4].serviceAccountToken.expirationSeconds: "
     "Invalid value: 5000000000: may not specify a duration larger than 2^32 seconds\n"},
    {"pod", "{'spec': {'volumes': [{'name': 'v', 'ephemeral': {}}]}}", NULL, NULL,
     "spec.volumes[0].ephemeral.volumeClaimTemplate: Required value\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'ephemeral': {'volumeClaimTemplate': "
     "{'metadata': {'name': 'a', 'labels': {'a b': 'c'}, 'annotations': {'A B': ''}}, "
     "'spec': {'accessModes': [], 'resources': {}}}}}]}}",
     NULL, NULL,
     "spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.annotations: Invalid "
     "value: \"A B\": {qualified}\n"
     "spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.labels: Invalid value: "
     "\"a b\": {qualified}\n"
     "spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot "
     "be set\n"
     "spec.volumes[0].ephemeral.volumeClaimTemplate.spec.accessModes: Required value: "
     "at least 1 access mode is required\n"
     "spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources[storage]: Required "
     "value\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'image': {'reference': '', 'pullPolicy': "
     "'x'}}]}}",
     NULL, NULL,
     "spec.volumes[0].image.reference: Required value\n"
     "spec.volumes[0].image.pullPolicy: Unsupported value: \"x\": supported values: "
     "\"Always\", \"IfNotPresent\", \"Never\"\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'image': {'reference': 'a'}}], "
     "'containers': [{'name': 'c', 'image': 'i', 'volumeMounts': [{'name': 'v', "
     "'mountPath': '/a', 'subPath': 'x', 'mountPropagation': 'HostToContainer'}]}]}}",
     NULL, NULL, ""},
};

static const struct row metadata[] = {
    {"pod", "{'metadata': {'name': 'A'}}", NULL, NULL,
     "metadata.name: Invalid value: \"A\": {subdomain}\n"},
    {"pod", "{'metadata': {'finalizers': ['a', 'a/b', '/x']}}", NULL, NULL,
     "metadata.finalizers: Invalid value: \"/x\": prefix part must be non-empty\n"
     "metadata.finalizers[0]: Invalid value: \"a\": name is neither a standard "
     "finalizer name nor is it fully qualified\n"},
    {"pod",
     "{'metadata': {'ownerReferences': [{'apiVersion': '', 'kind': '', 'name': '', "
     "'uid': ''}, {'apiVersion': 'v1', 'kind': 'Event', 'name': 'a', 'uid': 'u'}, "
     "{'apiVersion': 'v1', 'kind': 'Pod', 'name': 'a', 'uid': 'u', 'controller': "
     "true}, {'apiVersion': 'a/b/c', 'kind': 'Pod', 'name': 'a', 'uid': 'v', "
     "'controller': true}]}}",
     NULL, NULL,
     "metadata.ownerReferences[0].apiVersion: Invalid value: \"\": version must not "
     "be empty\n"
     "metadata.ownerReferences[0].kind: Invalid value: \"\": must not be empty\n"
     "metadata.ownerReferences[0].name: Invalid value: \"\": must not be empty\n"
     "metadata.ownerReferences[0].uid: Invalid value: \"\": must not be empty\n"
     "metadata.ownerReferences[1]: Invalid value: "
     "{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"name\":\"a\",\"uid\":\"u\"}: /v1, "
     "Kind=Event is disallowed from being an owner\n"
     "metadata.ownerReferences[3].apiVersion: Invalid value: \"a/b/c\": version must "
     "not be empty\n"
     "metadata.ownerReferences: Invalid value: "
     "[{\"apiVersion\":\"\",\"kind\":\"\",\"name\":\"\",\"uid\":\"\"},{\"apiVersion\":"
     "\"v1\",\"kind\":\"Event\",\"name\":\"a\",\"uid\":\"u\"},{\"apiVersion\":\"v1\","
     "\"kind\":\"Pod\",\"name\":\"a\",\"uid\":\"u\",\"controller\":true},{\"apiVersion"
     "\":\"a/b/c\",\"kind\":\"Pod\",\"name\":\"a\",\"uid\":\"v\",\"controller\":true}]"
     ": Only one reference can have Controller set to true. Found \"true\" in "
     "references for Pod/a and Pod/a\n"},
    {"pod",
     "{'metadata': {'generation': -1, 'annotations': {'kubernetes.io/config.mirror': "
     "'x'}}}",
     NULL, NULL,
     "metadata.annotations[kubernetes.io/config.mirror]: Invalid value: \"x\": must "
     "set spec.nodeName if mirror pod annotation is set\n"},
    {"pod",
     "{'metadata': {'annotations': {'controller.kubernetes.io/pod-deletion-cost': "
     "'x', 'kubernetes.io/psp': '', 'seccomp.security.alpha.kubernetes.io/pod': "
     "'bogus', 'container.seccomp.security.alpha.kubernetes.io/c': 'x', "
     "'container.apparmor.security.beta.kubernetes.io/c': 'bad', "
     "'container.apparmor.security.beta.kubernetes.io/d': 'runtime/default'}}}",
     NULL, NULL,
     "metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid "
     "value: \"x\": must be a 32bit integer\n"
     "metadata.annotations.seccomp.security.alpha.kubernetes.io/pod: Invalid value: "
     "\"bogus\": must be a valid seccomp profile\n"
     "metadata.annotations.container.seccomp.security.alpha.kubernetes.io/c: Invalid "
     "value: \"x\": must be a valid seccomp profile\n"
     "metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: Invalid "
     "value: \"bad\": invalid AppArmor profile name: \"bad\"\n"
     "metadata.annotations[container.apparmor.security.beta.kubernetes.io/d]: Invalid "
     "value: \"d\": container not found\n"},
};

#define CLAIM(table_, name_)                                                                       \
    TEST(table_, name_)                                                                            \
    {                                                                                              \
        rows_check(kinds, ARRAY_LEN(kinds), table_, ARRAY_LEN(table_));                            \
    }
CLAIM(volumes, tells_all_that_is_wrong_in_order)
CLAIM(metadata, tells_all_that_is_wrong_in_order)

TEST_MAIN
