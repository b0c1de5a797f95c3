/* rules_pod_test.c - what is wrong with pods: security, the spec itself, affinity.
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

static const struct row security[] = {
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'securityContext': "
     "{'privileged': true, 'allowPrivilegeEscalation': false}}]}}",
     NULL, NULL,
     "spec.containers[0].securityContext: Invalid value: "
     "{\"Capabilities\":null,\"Privileged\":true,\"SELinuxOptions\":null,\"WindowsOpti"
     "ons\":null,\"RunAsUser\":null,\"RunAsGroup\":null,\"RunAsNonRoot\":null,\"ReadOn"
     "lyRootFilesystem\":null,\"AllowPrivilegeEscalation\":false,\"ProcMount\":null,"
     "\"SeccompProfile\":null,\"AppArmorProfile\":null}: cannot set "
     "`allowPrivilegeEscalation` to false and `privileged` to true\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'securityContext': "
     "{'capabilities': {'add': ['CAP_SYS_ADMIN']}, 'allowPrivilegeEscalation': false, "
     "'runAsUser': -1, 'runAsGroup': -1, 'procMount': 'x'}}]}}",
     NULL, NULL,
     "spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be "
     "between 0 and 2147483647, inclusive\n"
     "spec.containers[0].securityContext.runAsGroup: Invalid value: -1: must be "
     "between 0 and 2147483647, inclusive\n"
     "spec.containers[0].securityContext.procMount: Unsupported value: \"x\": "
     "supported values: \"Default\", \"Unmasked\"\n"
     "spec.containers[0].securityContext: Invalid value: "
     "{\"Capabilities\":{\"Add\":[\"CAP_SYS_ADMIN\"],\"Drop\":null},\"Privileged\":nul"
     "l,\"SELinuxOptions\":null,\"WindowsOptions\":null,\"RunAsUser\":-1,\"RunAsGroup"
     "\":-1,\"RunAsNonRoot\":null,\"ReadOnlyRootFilesystem\":null,\"AllowPrivilegeEsca"
     "lation\":false,\"ProcMount\":\"x\",\"SeccompProfile\":null,\"AppArmorProfile\":n"
     "ull}: cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` "
     "CAP_SYS_ADMIN\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'securityContext': "
     "{'procMount': 'Unmasked'}}]}}",
     NULL, NULL,
     "spec.containers[0].securityContext.procMount: Invalid value: \"Unmasked\": "
     "`hostUsers` must be false to use `Unmasked`\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'securityContext': "
     "{'seccompProfile': {'type': 'x'}, 'appArmorProfile': {'type': 'Localhost'}}}]}}",
     NULL, NULL,
     "spec.containers[0].securityContext.seccompProfile.type: Unsupported value: "
     "\"x\": supported values: \"Localhost\", \"RuntimeDefault\", \"Unconfined\"\n"
     "spec.containers[0].securityContext.appArmorProfile.localhostProfile: Required "
     "value: must be set when AppArmor type is Localhost\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'securityContext': "
     "{'seccompProfile': {'type': 'Localhost'}, 'appArmorProfile': {'type': "
     "'RuntimeDefault', 'localhostProfile': 'a'}}}]}}",
     NULL, NULL,
     "spec.containers[0].securityContext.seccompProfile.localhostProfile: Required "
     "value: must be set when seccomp type is Localhost\n"
     "spec.containers[0].securityContext.appArmorProfile.localhostProfile: Invalid "
     "value: \"a\": can only be set when AppArmor type is Localhost\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'securityContext': "
     "{'seccompProfile': {'type': 'RuntimeDefault', 'localhostProfile': 'a'}, "
     "'appArmorProfile': {}}}]}}",
     NULL, NULL,
     "spec.containers[0].securityContext.seccompProfile.localhostProfile: Invalid "
     "value: {\"Type\":\"RuntimeDefault\",\"LocalhostProfile\":\"a\"}: can only be "
     "set when seccomp type is Localhost\n"
     "spec.containers[0].securityContext.appArmorProfile.type: Required value: type "
     "is required when appArmorProfile is set\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'securityContext': "
     "{'seccompProfile': {'type': 'Localhost', 'localhostProfile': '../a'}, "
     "'appArmorProfile': {'type': 'Localhost', 'localhostProfile': ' '}}}]}}",
     NULL, NULL,
     "spec.containers[0].securityContext.seccompProfile.localhostProfile: Invalid "
     "value: \"../a\": must not contain '..'\n"
     "spec.containers[0].securityContext.appArmorProfile.localhostProfile: Invalid "
     "value: \" \": must not be padded with whitespace\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'securityContext': "
     "{'windowsOptions': {'gmsaCredentialSpecName': 'A_', 'gmsaCredentialSpec': '', "
     "'runAsUserName': 'a\\\\b\\\\c', 'hostProcess': true}}}]}}",
     NULL, NULL,
     "spec.containers[0].securityContext.windowsOptions.gmsaCredentialSpecName: "
     "Invalid value: \"A_\": {subdomain}\n"
     "spec.containers[0].securityContext.windowsOptions.gmsaCredentialSpec: Invalid "
     "value: \"\": gmsaCredentialSpec cannot be an empty string\n"
     "spec.containers[0].securityContext.windowsOptions.runAsUserName: Invalid value: "
     "\"a\\\\b\\\\c\": runAsUserName cannot contain more than one backslash\n"
     "spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod "
     "contains any hostProcess containers\n"},
    {"pod",
     "{'spec': {'securityContext': {'runAsUser': -1, 'runAsGroup': -1, 'fsGroup': -1, "
     "'supplementalGroups': [-1, 4294967296], 'fsGroupChangePolicy': 'x', "
     "'supplementalGroupsPolicy': 'y', 'seLinuxChangePolicy': 'z', 'sysctls': "
     "[{'name': 'A'}, {'name': ''}, {'name': 'a.b'}, {'name': 'a/b'}]}}}",
     NULL, NULL,
     "spec.securityContext.fsGroup: Invalid value: -1: must be between 0 and "
     "2147483647, inclusive\n"
     "spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and "
     "2147483647, inclusive\n"
     "spec.securityContext.runAsGroup: Invalid value: -1: must be between 0 and "
     "2147483647, inclusive\n"
     "spec.securityContext.supplementalGroups[0]: Invalid value: -1: must be between "
     "0 and 2147483647, inclusive\n"
     "spec.securityContext.supplementalGroups[1]: Invalid value: 4294967296: must be "
     "between 0 and 2147483647, inclusive\n"
     "spec.securityContext.sysctls[0].name: Invalid value: \"A\": must have at most "
     "253 characters and match regex "
     "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$\n"
     "spec.securityContext.sysctls[1].name: Required value\n"
     "spec.securityContext.fsGroupChangePolicy: Unsupported value: \"x\": supported "
     "values: \"Always\", \"OnRootMismatch\"\n"
     "spec.securityContext.supplementalGroupsPolicy: Unsupported value: \"y\": "
     "supported values: \"Merge\", \"Strict\"\n"
     "spec.securityContext.seLinuxChangePolicy: Unsupported value: \"z\": supported "
     "values: \"MountOption\", \"Recursive\"\n"},
    {"pod",
     "{'spec': {'hostNetwork': true, 'hostPID': true, 'hostIPC': true, "
     "'securityContext': {'sysctls': [{'name': 'net.a', 'value': '1'}, {'name': "
     "'kernel.shm_rmid_forced', 'value': '1'}]}}}",
     NULL, NULL,
     "spec.securityContext.sysctls[0].name: Invalid value: \"net.a\": may not be "
     "specified when 'hostNetwork' is true\n"
     "spec.securityContext.sysctls[1].name: Invalid value: "
     "\"kernel.shm_rmid_forced\": may not be specified when 'hostIPC' is true\n"},
    {"pod", "{'spec': {'shareProcessNamespace': true, 'hostPID': true}}", NULL, NULL,
     "spec.securityContext.shareProcessNamespace: Invalid value: true: "
     "ShareProcessNamespace and HostPID cannot both be enabled\n"},
    {"pod",
     "{'spec': {'hostUsers': false, 'hostNetwork': true, 'hostPID': true, 'hostIPC': "
     "true}}",
     NULL, NULL,
     "spec.hostNetwork: Forbidden: when `pod.Spec.HostUsers` is false\n"
     "spec.HostPID: Forbidden: when `pod.Spec.HostUsers` is false\n"
     "spec.HostIPC: Forbidden: when `pod.Spec.HostUsers` is false\n"},
    {"pod",
     "{'spec': {'os': {'name': 'windows'}, 'hostPID': true, 'hostIPC': true, "
     "'hostUsers': false, 'shareProcessNamespace': true, 'securityContext': "
     "{'appArmorProfile': {'type': 'Unconfined'}, 'seLinuxOptions': {'level': 'x'}, "
     "'seccompProfile': {'type': 'Unconfined'}, 'fsGroup': 1, 'fsGroupChangePolicy': "
     "'Always', 'sysctls': [{'name': 'a'}], 'runAsUser': 1, 'runAsGroup': 1, "
     "'supplementalGroups': [1], 'supplementalGroupsPolicy': 'Strict'}, 'containers': "
     "[{'name': 'c', 'image': 'i', 'securityContext': {'capabilities': {'add': "
     "['a']}, 'readOnlyRootFilesystem': true, 'privileged': true, "
     "'allowPrivilegeEscalation': true, 'procMount': 'Default', 'runAsUser': 1, "
     "'runAsGroup': 1, 'seLinuxOptions': {}, 'seccompProfile': {'type': "
     "'Unconfined'}, 'appArmorProfile': {'type': 'Unconfined'}}}]}}",
     NULL, NULL,
     "spec.securityContext.shareProcessNamespace: Invalid value: true: "
     "ShareProcessNamespace and HostPID cannot both be enabled\n"
     "spec.HostPID: Forbidden: when `pod.Spec.HostUsers` is false\n"
     "spec.HostIPC: Forbidden: when `pod.Spec.HostUsers` is false\n"
     "spec.securityContext.appArmorProfile: Forbidden: cannot be set for a windows "
     "pod\n"
     "spec.securityContext.seLinuxOptions: Forbidden: cannot be set for a windows "
     "pod\n"
     "spec.hostUsers: Forbidden: cannot be set for a windows pod\n"
     "spec.hostPID: Forbidden: cannot be set for a windows pod\n"
     "spec.hostIPC: Forbidden: cannot be set for a windows pod\n"
     "spec.securityContext.seccompProfile: Forbidden: cannot be set for a windows "
     "pod\n"
     "spec.securityContext.fsGroup: Forbidden: cannot be set for a windows pod\n"
     "spec.securityContext.fsGroupChangePolicy: Forbidden: cannot be set for a "
     "windows pod\n"
     "spec.securityContext.sysctls: Forbidden: cannot be set for a windows pod\n"
     "spec.shareProcessNamespace: Forbidden: cannot be set for a windows pod\n"
     "spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod\n"
     "spec.securityContext.runAsGroup: Forbidden: cannot be set for a windows pod\n"
     "spec.securityContext.supplementalGroups: Forbidden: cannot be set for a windows "
     "pod\n"
     "spec.securityContext.supplementalGroupsPolicy: Forbidden: cannot be set for a "
     "windows pod\n"
     "spec.containers[0].securityContext.appArmorProfile: Forbidden: cannot be set "
     "for a windows pod\n"
     "spec.containers[0].securityContext.seLinuxOptions: Forbidden: cannot be set for "
     "a windows pod\n"
     "spec.containers[0].securityContext.seccompProfile: Forbidden: cannot be set for "
     "a windows pod\n"
     "spec.containers[0].securityContext.capabilities: Forbidden: cannot be set for a "
     "windows pod\n"
     "spec.containers[0].securityContext.readOnlyRootFilesystem: Forbidden: cannot be "
     "set for a windows pod\n"
     "spec.containers[0].securityContext.privileged: Forbidden: cannot be set for a "
     "windows pod\n"
     "spec.containers[0].securityContext.allowPrivilegeEscalation: Forbidden: cannot "
     "be set for a windows pod\n"
     "spec.containers[0].securityContext.procMount: Forbidden: cannot be set for a "
     "windows pod\n"
     "spec.containers[0].securityContext.runAsUser: Forbidden: cannot be set for a "
     "windows pod\n"
     "spec.containers[0].securityContext.runAsGroup: Forbidden: cannot be set for a "
     "windows pod\n"},
    {"pod",
     "{'spec': {'os': {'name': 'linux'}, 'securityContext': {'windowsOptions': "
     "{'runAsUserName': 'a'}}}}",
     NULL, NULL,
     "spec.securityContext.windowsOptions: Forbidden: windows options cannot be set "
     "for a linux pod\n"},
    {"pod", "{'spec': {'os': {'name': 'mac'}}}", NULL, NULL,
     "spec.os: Unsupported value: \"mac\": supported values: \"linux\", \"windows\"\n"},
    {"pod", "{'spec': {'os': {'name': ''}}}", NULL, NULL,
     "spec.os.name: Required value: cannot be empty\n"},
    {"pod", "{'spec': {'securityContext': {'windowsOptions': {'hostProcess': true}}}}", NULL, NULL,
     "spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod "
     "contains any hostProcess containers\n"},
};

static const struct row spec[] = {
    {"pod",
     "{'spec': {'restartPolicy': 'x', 'dnsPolicy': 'y', 'preemptionPolicy': 'z', "
     "'terminationGracePeriodSeconds': -5, 'activeDeadlineSeconds': 0}}",
     NULL, NULL,
     "403 pods \"x\" is forbidden: the string value of PreemptionPolicy (z) must not "
     "be provided in pod spec; priority admission controller computed "
     "PreemptLowerPriority from the given PriorityClass name\n"},
    {"pod", "{'spec': {'activeDeadlineSeconds': 3000000000}}", NULL, NULL,
     "spec.activeDeadlineSeconds: Invalid value: 3000000000: must be between 1 and "
     "2147483647, inclusive\n"},
    {"pod", "{'spec': {'dnsPolicy': 'None'}}", NULL, NULL,
     "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is "
     "None\n"},
    {"pod",
     "{'spec': {'dnsPolicy': 'None', 'dnsConfig': {'nameservers': ['x', '1.1.1.1', "
     "'1.1.1.2', '1.1.1.3'], 'searches': ['a_b', '-', '.', "
     "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'], 'options': "
     "[{'name': ''}]}}}",
     NULL, NULL,
     "spec.dnsConfig.nameservers: Invalid value: "
     "[\"x\",\"1.1.1.1\",\"1.1.1.2\",\"1.1.1.3\"]: must not have more than 3 "
     "nameservers\n"
     "spec.dnsConfig.nameservers[0]: Invalid value: \"x\": must be a valid IP "
     "address, (e.g. 10.9.8.7 or 2001:db8::ffff)\n"
     "spec.dnsConfig.searches[1]: Invalid value: \"-\": a lowercase RFC 1123 "
     "subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', "
     "and must start and end with an alphanumeric character (e.g. 'example.com', "
     "regex used for validation is "
     "'_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')\n"
     "spec.dnsConfig.searches[3]: Invalid value: "
     "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\": must be no "
     "more than 253 characters\n"
     "spec.dnsConfig.options[0]: Required value: must not be empty\n"},
    {"pod",
     "{'spec': {'hostname': 'A.b', 'subdomain': 'A', 'hostnameOverride': 'x', "
     "'setHostnameAsFQDN': true}}",
     NULL, NULL,
     "spec.hostname: Invalid value: \"A.b\": {label}\n"
     "spec.subdomain: Invalid value: \"A\": {label}\n"
     "spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN "
     "is true\n"},
    {"pod", "{'spec': {'hostnameOverride': '-', 'hostNetwork': true}}", NULL, NULL,
     "spec.hostnameOverride: Invalid value: \"-\": {subdomain}\n"
     "spec.hostnameOverride: Forbidden: may not be specified when hostNetwork is "
     "true\n"},
    {"pod", "{'spec': {'hostAliases': [{'ip': 'x', 'hostnames': ['A_']}, {'hostnames': []}]}}",
     NULL, NULL,
     "spec.hostAliases[0].ip: Invalid value: \"x\": must be a valid IP address, (e.g. "
     "10.9.8.7 or 2001:db8::ffff)\n"
     "spec.hostAliases[0].hostnames[0]: Invalid value: \"A_\": {subdomain}\n"
     "spec.hostAliases[1].ip: Invalid value: \"\": must be a valid IP address, (e.g. "
     "10.9.8.7 or 2001:db8::ffff)\n"},
    {"pod", "{'spec': {'imagePullSecrets': [{'name': 'A_'}]}}", NULL, NULL, ""},
    {"pod", "{'spec': {'serviceAccountName': 'A_'}}", NULL, NULL,
     "403 pods \"x\" is forbidden: error looking up service account default/A_: "
     "serviceaccount \"A_\" not found\n"},
    {"pod", "{'spec': {'nodeName': 'A_'}}", NULL, NULL,
     "spec.nodeName: Invalid value: \"A_\": {subdomain}\n"},
    {"pod", "{'spec': {'nodeSelector': {'a b': 'c d'}}}", NULL, NULL,
     "spec.nodeSelector: Invalid value: \"a b\": {qualified}\n"
     "spec.nodeSelector: Invalid value: \"c d\": {value}\n"},
    {"pod", "{'spec': {'priorityClassName': 'A_'}}", NULL, NULL,
     "403 pods \"x\" is forbidden: no PriorityClass with name A_ was found\n"},
    {"pod",
     "{'spec': {'schedulingGates': [{'name': 'a b'}, {'name': ''}, {'name': 'x'}, "
     "{'name': 'x'}]}}",
     NULL, NULL,
     "spec.schedulingGates[0]: Invalid value: \"a b\": {qualified}\n"
     "spec.schedulingGates[1]: Invalid value: \"\": name part must be non-empty\n"
     "spec.schedulingGates[1]: Invalid value: \"\": {qualified}\n"
     "spec.schedulingGates[3]: Duplicate value: \"x\"\n"},
    {"pod", "{'spec': {'schedulingGates': [{'name': 'a'}], 'nodeName': 'n'}}", NULL, NULL,
     "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been "
     "cleared\n"},
    {"pod", "{'spec': {'readinessGates': [{'conditionType': 'a b'}]}}", NULL, NULL,
     "spec.readinessGates[0].conditionType: Invalid value: \"a b\": {qualified}\n"},
    {"pod", "{'spec': {'runtimeClassName': 'A_'}}", NULL, NULL,
     "403 pods \"x\" is forbidden: pod rejected: RuntimeClass \"A_\" not found\n"},
    {"pod", "{'spec': {'overhead': {'cpu': '1'}}}", NULL, NULL,
     "403 pods \"x\" is forbidden: pod rejected: Pod Overhead set without corresponding "
     "RuntimeClass defined Overhead\n"},
    {"pod", "{'spec': {'ephemeralContainers': [{'name': 'e', 'image': 'i'}]}}", NULL, NULL,
     "spec.ephemeralContainers: Forbidden: cannot be set on create\n"},
    {"pod",
     "{'spec': {'resourceClaims': [{'name': ''}, {'name': 'a'}, {'name': 'a', "
     "'resourceClaimName': 'x', 'resourceClaimTemplateName': 'y'}, {'name': 'b', "
     "'resourceClaimName': 'A_'}]}}",
     NULL, NULL,
     "spec.resourceClaims[0].name: Required value\n"
     "spec.resourceClaims[0]: Invalid value: "
     "{\"Name\":\"\",\"ResourceClaimName\":null,\"ResourceClaimTemplateName\":null}: "
     "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`\n"
     "spec.resourceClaims[1]: Invalid value: "
     "{\"Name\":\"a\",\"ResourceClaimName\":null,\"ResourceClaimTemplateName\":null}: "
     "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`\n"
     "spec.resourceClaims[2].name: Duplicate value: \"a\"\n"
     "spec.resourceClaims[2]: Invalid value: "
     "{\"Name\":\"a\",\"ResourceClaimName\":\"x\",\"ResourceClaimTemplateName\":\"y\"}"
     ": at most one of `resourceClaimName` or `resourceClaimTemplateName` may be "
     "specified\n"
     "spec.resourceClaims[3].resourceClaimName: Invalid value: \"A_\": {subdomain}\n"},
    {"pod",
     "{'spec': {'resources': {'requests': {'cpu': '-1', 'x/y': '1'}, 'limits': "
     "{'foo': '1'}}}}",
     NULL, NULL,
     "spec.resources.limits[foo]: Invalid value: \"foo\": must be a standard resource "
     "type or fully qualified\n"
     "spec.resources.requests[cpu]: Invalid value: \"-1\": must be greater than or "
     "equal to 0\n"
     "spec.resources.requests[foo]: Invalid value: \"foo\": must be a standard "
     "resource type or fully qualified\n"
     "spec.resources.requests[x/y]: Unsupported value: \"x/y\": supported values: "
     "\"cpu\", \"hugepages-\", \"memory\"\n"
     "spec.resources.limits: Required value: Limit must be set for non overcommitable "
     "resources\n"},
    {"pod",
     "{'spec': {'resources': {'limits': {'cpu': '1'}}, 'containers': [{'name': 'c', "
     "'image': 'i', 'resources': {'requests': {'cpu': '2'}}}]}}",
     NULL, NULL,
     "spec.resources.requests: Invalid value: \"2\": must be less than or equal to "
     "cpu limit of 1\n"},
    {"pod", "{'spec': {'schedulerName': ''}}", NULL, NULL, ""},
    {"pod", "{'spec': {'topologySpreadConstraints': [{}]}}", NULL, NULL,
     "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater "
     "than zero\n"
     "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be "
     "empty\n"
     "spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: \"\": "
     "supported values: \"DoNotSchedule\", \"ScheduleAnyway\"\n"},
    {"pod",
     "{'spec': {'topologySpreadConstraints': [{'maxSkew': 0, 'topologyKey': 'a b', "
     "'whenUnsatisfiable': 'x', 'minDomains': 0, 'nodeAffinityPolicy': 'x', "
     "'nodeTaintsPolicy': 'y', 'matchLabelKeys': ['a'], 'labelSelector': "
     "{'matchLabels': {'a b': 'c d'}}}]}}",
     NULL, NULL,
     "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater "
     "than zero\n"
     "spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: \"x\": "
     "supported values: \"DoNotSchedule\", \"ScheduleAnyway\"\n"
     "spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: must be greater "
     "than zero\n"
     "spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: can only use "
     "minDomains if whenUnsatisfiable=DoNotSchedule, not x\n"
     "spec.topologySpreadConstraints[0].nodeAffinityPolicy: Unsupported value: \"x\": "
     "supported values: \"Honor\", \"Ignore\"\n"
     "spec.topologySpreadConstraints[0].nodeTaintsPolicy: Unsupported value: \"y\": "
     "supported values: \"Honor\", \"Ignore\"\n"
     "spec.topologySpreadConstraints[0].labelSelector.matchLabels: Invalid value: \"a "
     "b\": {qualified}\n"
     "spec.topologySpreadConstraints[0].labelSelector.matchLabels: Invalid value: \"c "
     "d\": {value}\n"},
    {"pod",
     "{'spec': {'topologySpreadConstraints': [{'maxSkew': 1, 'topologyKey': 'a', "
     "'whenUnsatisfiable': 'DoNotSchedule', 'labelSelector': {}}, {'maxSkew': 2, "
     "'topologyKey': 'a', 'whenUnsatisfiable': 'DoNotSchedule', 'labelSelector': {}, "
     "'minDomains': 2}]}}",
     NULL, NULL,
     "spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate "
     "value: \"{a, DoNotSchedule}\"\n"},
    {"pod",
     "{'spec': {'topologySpreadConstraints': [{'maxSkew': 1, 'topologyKey': 'a', "
     "'whenUnsatisfiable': 'ScheduleAnyway', 'labelSelector': {}, 'minDomains': 2}]}}",
     NULL, NULL,
     "spec.topologySpreadConstraints[0].minDomains: Invalid value: 2: can only use "
     "minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway\n"},
    {"pod",
     "{'spec': {'tolerations': [{'operator': 'x'}, {'key': 'a b'}, {'key': 'a', "
     "'operator': 'Exists', 'value': 'v'}, {'operator': 'Equal', 'value': 'v'}, "
     "{'key': 'a', 'effect': 'x'}, {'key': 'a', 'effect': 'NoSchedule', "
     "'tolerationSeconds': 5}, {'key': 'a', 'value': 'a b'}, {'key': 'a', 'operator': "
     "'Gt', 'value': 'x'}]}}",
     NULL, NULL,
     "spec.tolerations[0].operator: Invalid value: \"x\": operator must be Exists "
     "when `key` is empty, which means \"match all values and all keys\"\n"
     "spec.tolerations[0].operator: Unsupported value: \"x\": supported values: "
     "\"Equal\", \"Exists\"\n"
     "spec.tolerations[1].key: Invalid value: \"a b\": {qualified}\n"
     "spec.tolerations[2].operator: Invalid value: \"v\": value must be empty when "
     "`operator` is 'Exists'\n"
     "spec.tolerations[3].operator: Invalid value: \"Equal\": operator must be Exists "
     "when `key` is empty, which means \"match all values and all keys\"\n"
     "spec.tolerations[4].effect: Unsupported value: \"x\": supported values: "
     "\"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\"\n"
     "spec.tolerations[5].effect: Invalid value: \"NoSchedule\": effect must be "
     "'NoExecute' when `tolerationSeconds` is set\n"
     "spec.tolerations[6].operator: Invalid value: \"a b\": {value}\n"
     "spec.tolerations[7].operator: Unsupported value: \"Gt\": supported values: "
     "\"Equal\", \"Exists\"\n"},
};

static const struct row affinity[] = {
    {"pod",
     "{'spec': {'affinity': {'nodeAffinity': "
     "{'requiredDuringSchedulingIgnoredDuringExecution': {'nodeSelectorTerms': []}}}}}",
     NULL, NULL,
     "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSe"
     "lectorTerms: Required value: must have at least one node selector term\n"},
    {"pod",
     "{'spec': {'affinity': {'nodeAffinity': "
     "{'requiredDuringSchedulingIgnoredDuringExecution': {'nodeSelectorTerms': "
     "[{'matchExpressions': [{'key': 'a b', 'operator': 'x'}, {'key': 'a', "
     "'operator': 'In'}, {'key': 'a', 'operator': 'Exists', 'values': ['x']}, {'key': "
     "'a', 'operator': 'Gt', 'values': ['1', '2']}, {'key': 'a', 'operator': 'In', "
     "'values': ['a b']}], 'matchFields': [{'key': 'metadata.name', 'operator': 'In', "
     "'values': ['A_', 'b']}, {'key': 'x', 'operator': 'Exists'}, {'key': "
     "'metadata.name', 'operator': 'In', 'values': ['A_']}]}]}, "
     "'preferredDuringSchedulingIgnoredDuringExecution': [{'weight': 0, 'preference': "
     "{}}, {'weight': 101, 'preference': {'matchExpressions': [{'key': '', "
     "'operator': 'In', 'values': ['x']}]}}]}}}}",
     NULL, NULL,
     "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSe"
     "lectorTerms[0].matchExpressions[0].operator: Invalid value: \"x\": not a valid "
     "selector operator\n"
     "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSe"
     "lectorTerms[0].matchExpressions[0].key: Invalid value: \"a b\": {qualified}\n"
     "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSe"
     "lectorTerms[0].matchExpressions[1].values: Required value: must be specified "
     "when `operator` is 'In' or 'NotIn'\n"
     "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSe"
     "lectorTerms[0].matchExpressions[2].values: Forbidden: may not be specified when "
     "`operator` is 'Exists' or 'DoesNotExist'\n"
     "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSe"
     "lectorTerms[0].matchExpressions[3].values: Required value: must be specified "
     "single value when `operator` is 'Lt' or 'Gt'\n"
     "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSe"
     "lectorTerms[0].matchExpressions[4].values[0]: Invalid value: \"a b\": {value}\n"
     "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSe"
     "lectorTerms[0].matchFields[0].values: Required value: must be only one value "
     "when `operator` is 'In' or 'NotIn' for node field selector\n"
     "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSe"
     "lectorTerms[0].matchFields[0].values[0]: Invalid value: \"A_\": {subdomain}\n"
     "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSe"
     "lectorTerms[0].matchFields[1].operator: Invalid value: \"Exists\": not a valid "
     "selector operator\n"
     "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSe"
     "lectorTerms[0].matchFields[1].key: Invalid value: \"x\": not a valid field "
     "selector key\n"
     "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSe"
     "lectorTerms[0].matchFields[2].values[0]: Invalid value: \"A_\": {subdomain}\n"
     "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].we"
     "ight: Invalid value: 0: must be in the range 1-100\n"
     "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[1].we"
     "ight: Invalid value: 101: must be in the range 1-100\n"
     "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[1].pr"
     "eference.matchExpressions[0].key: Invalid value: \"\": name part must be "
     "non-empty\n"
     "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[1].pr"
     "eference.matchExpressions[0].key: Invalid value: \"\": {qualified}\n"},
    {"pod",
     "{'spec': {'affinity': {'podAffinity': "
     "{'requiredDuringSchedulingIgnoredDuringExecution': [{}, {'topologyKey': 'a b', "
     "'namespaces': ['A_'], 'labelSelector': {'matchExpressions': [{'key': 'a', "
     "'operator': 'In'}]}, 'namespaceSelector': {'matchExpressions': [{'key': 'a', "
     "'operator': 'x'}]}}], 'preferredDuringSchedulingIgnoredDuringExecution': "
     "[{'weight': 0, 'podAffinityTerm': {}}]}, 'podAntiAffinity': "
     "{'requiredDuringSchedulingIgnoredDuringExecution': [{'topologyKey': 'a', "
     "'matchLabelKeys': ['a b'], 'labelSelector': {}}, {'topologyKey': 'a', "
     "'matchLabelKeys': ['a'], 'mismatchLabelKeys': ['a'], 'labelSelector': {}}, "
     "{'topologyKey': 'a', 'matchLabelKeys': ['a']}]}}}}",
     NULL, NULL,
     "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topo"
     "logyKey: Required value: can not be empty\n"
     "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topo"
     "logyKey: Invalid value: \"\": name part must be non-empty\n"
     "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topo"
     "logyKey: Invalid value: \"\": {qualified}\n"
     "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[1].labe"
     "lSelector.matchExpressions[0].values: Required value: must be specified when "
     "`operator` is 'In' or 'NotIn'\n"
     "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[1].name"
     "spaceSelector.matchExpressions[0].operator: Invalid value: \"x\": not a valid "
     "selector operator\n"
     "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[1].name"
     "space: Invalid value: \"A_\": {label}\n"
     "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[1].topo"
     "logyKey: Invalid value: \"a b\": {qualified}\n"
     "spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].wei"
     "ght: Invalid value: 0: must be in the range 1-100\n"
     "spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].pod"
     "AffinityTerm.topologyKey: Required value: can not be empty\n"
     "spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].pod"
     "AffinityTerm.topologyKey: Invalid value: \"\": name part must be non-empty\n"
     "spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].pod"
     "AffinityTerm.topologyKey: Invalid value: \"\": {qualified}\n"
     "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]."
     "matchLabelKeys[0]: Invalid value: \"a b\": {qualified}\n"
     "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[1]."
     "matchLabelKeys[0]: Invalid value: \"a\": exists in both matchLabelKeys and "
     "mismatchLabelKeys\n"
     "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[2]."
     "matchLabelKeys: Forbidden: must not be specified when labelSelector is not set\n"},
};

#define CLAIM(table_, name_)                                                                       \
    TEST(table_, name_)                                                                            \
    {                                                                                              \
        rows_check(kinds, ARRAY_LEN(kinds), table_, ARRAY_LEN(table_));                            \
    }
CLAIM(security, tells_all_that_is_wrong_in_order)
CLAIM(spec, tells_all_that_is_wrong_in_order)
CLAIM(affinity, tells_all_that_is_wrong_in_order)

TEST_MAIN
