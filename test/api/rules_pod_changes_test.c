/* rules_pod_changes_test.c - what may not change about pods, by whom.
 *
 * Expected texts: the sources that src/api/validation names, read beside these rows. */
#include "test/api/rows.h"

static const struct kind_row kinds[] = {
    {"", "/api/v1/namespaces/default/serviceaccounts", "{'metadata': {'name': 'default'}}"},
    {"pod", "/api/v1/namespaces/default/pods",
     "{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': 'u'}, 'spec': "
     "{'automountServiceAccountToken': false, 'terminationGracePeriodSeconds': 30, "
     "'containers': [{'name': 'c', 'image': 'i', 'resources': {'requests': {'cpu': "
     "'1', 'memory': '1Mi'}, 'limits': {'cpu': '1', 'memory': '1Mi'}}}], "
     "'initContainers': [{'name': 'a', 'image': 'i'}]}}"},
};

#define NOT_ENDED                                                                                  \
    "metadata.deletionTimestamp: Invalid value: \"2020-01-01T00:00:00Z\": field is immutable\n"    \
    "metadata.deletionGracePeriodSeconds: Invalid value: 5: field is immutable\n"

static const struct row changes[] = {
    {"pod", "{}",
     "{'spec': {'containers': [{'name': 'c', 'image': 'j', 'resources': {'requests': "
     "{'cpu': '1', 'memory': '1Mi'}, 'limits': {'cpu': '1', 'memory': '1Mi'}}}]}}",
     NULL, ""},
    {"pod", "{}",
     "{'spec': {'containers': [{'name': 'c', 'image': '', 'resources': {'requests': "
     "{'cpu': '1', 'memory': '1Mi'}, 'limits': {'cpu': '1', 'memory': '1Mi'}}}]}}",
     NULL,
     "spec.containers[0].image: Required value\n"
     "spec.containers[0].image: Required value\n"},
    {"pod", "{}",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'resources': {'requests': "
     "{'cpu': '1', 'memory': '1Mi'}, 'limits': {'cpu': '1', 'memory': '1Mi'}}, "
     "'command': ['x']}]}}",
     NULL,
     "spec: Forbidden: pod updates may not change fields other than "
     "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSe"
     "conds`,`spec.tolerations` (only additions to existing "
     "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if "
     "it was previously negative)\n"
     "@@ -37,7 +37,9 @@\n"
     "   {\n"
     "    \"Name\": \"c\",\n"
     "    \"Image\": \"i\",\n"
     "-   \"Command\": null,\n"
     "+   \"Command\": [\n"
     "+    \"x\"\n"
     "+   ],\n"
     "    \"Args\": null,\n"
     "    \"WorkingDir\": \"\",\n"
     "    \"Ports\": null,\n"
     "\n"},
    {"pod", "{}",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'resources': {'requests': "
     "{'cpu': '1', 'memory': '1Mi'}, 'limits': {'cpu': '1', 'memory': '1Mi'}}}, "
     "{'name': 'd', 'image': 'x'}]}}",
     NULL, "spec.containers: Forbidden: pod updates may not add or remove containers\n"},
    {"pod", "{}", "{'spec': {'nodeSelector': {'a': 'b'}}}", NULL,
     "spec: Forbidden: pod updates may not change fields other than "
     "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSe"
     "conds`,`spec.tolerations` (only additions to existing "
     "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if "
     "it was previously negative)\n"
     "@@ -77,7 +77,9 @@\n"
     "  \"TerminationGracePeriodSeconds\": 30,\n"
     "  \"ActiveDeadlineSeconds\": null,\n"
     "  \"DNSPolicy\": \"ClusterFirst\",\n"
     "- \"NodeSelector\": null,\n"
     "+ \"NodeSelector\": {\n"
     "+  \"a\": \"b\"\n"
     "+ },\n"
     "  \"ServiceAccountName\": \"default\",\n"
     "  \"AutomountServiceAccountToken\": false,\n"
     "  \"NodeName\": \"\",\n"
     "\n"},
    {"pod", "{'spec': {'schedulingGates': [{'name': 'g'}]}}",
     "{'spec': {'nodeSelector': {'a': 'b'}}}", NULL, ""},
    {"pod", "{'spec': {'schedulingGates': [{'name': 'g'}], 'nodeSelector': {'a': 'b'}}}",
     "{'spec': {'nodeSelector': {'a': 'c'}}}", NULL,
     "spec.nodeSelector: Invalid value: {\"a\":\"c\"}: only additions to "
     "spec.nodeSelector are allowed (no mutations or deletions)\n"},
    {"pod", "{'spec': {'schedulingGates': [{'name': 'g'}]}}",
     "{'spec': {'schedulingGates': [{'name': 'g'}, {'name': 'h'}]}}", NULL,
     "spec.schedulingGates[1].name: Forbidden: only deletion is allowed, but found "
     "new scheduling gate 'h'\n"},
    {"pod", "{'spec': {'schedulingGates': [{'name': 'g'}]}}", "{'spec': {'schedulingGates': null}}",
     NULL, ""},
    {"pod",
     "{'spec': {'schedulingGates': [{'name': 'g'}], 'affinity': {'nodeAffinity': "
     "{'requiredDuringSchedulingIgnoredDuringExecution': {'nodeSelectorTerms': "
     "[{'matchExpressions': [{'key': 'a', 'operator': 'Exists'}]}]}}}}}",
     "{'spec': {'affinity': {'nodeAffinity': "
     "{'requiredDuringSchedulingIgnoredDuringExecution': {'nodeSelectorTerms': "
     "[{'matchExpressions': [{'key': 'b', 'operator': 'Exists'}]}]}}}}}",
     NULL,
     "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSe"
     "lectorTerms[0]: Invalid value: "
     "{\"MatchExpressions\":[{\"Key\":\"b\",\"Operator\":\"Exists\",\"Values\":null}],"
     "\"MatchFields\":null}: only additions are allowed (no mutations or deletions)\n"},
    {"pod",
     "{'spec': {'schedulingGates': [{'name': 'g'}], 'affinity': {'nodeAffinity': "
     "{'requiredDuringSchedulingIgnoredDuringExecution': {'nodeSelectorTerms': "
     "[{'matchExpressions': [{'key': 'a', 'operator': 'Exists'}]}]}}}}}",
     "{'spec': {'affinity': null}}", NULL,
     "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSe"
     "lectorTerms: Invalid value: null: no additions/deletions to non-empty "
     "NodeSelectorTerms list are allowed\n"},
    {"pod", "{}",
     "{'spec': {'tolerations': [{'key': 'x', 'operator': 'Exists'}, {'key': "
     "'node.kubernetes.io/not-ready', 'operator': 'Exists', 'effect': 'NoExecute', "
     "'tolerationSeconds': 300}, {'key': 'node.kubernetes.io/unreachable', "
     "'operator': 'Exists', 'effect': 'NoExecute', 'tolerationSeconds': 300}]}}",
     NULL, ""},
    {"pod", "{}", "{'spec': {'tolerations': []}}", NULL, ""},
    {"pod", "{'spec': {'activeDeadlineSeconds': 5}}", "{'spec': {'activeDeadlineSeconds': 6}}",
     NULL,
     "spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to "
     "previous value\n"},
    {"pod", "{'spec': {'activeDeadlineSeconds': 5}}", "{'spec': {'activeDeadlineSeconds': null}}",
     NULL,
     "spec.activeDeadlineSeconds: Invalid value: null: must not update from a "
     "positive integer to nil value\n"},
    {"pod", "{}", "{'spec': {'activeDeadlineSeconds': -1}}", NULL,
     "spec.activeDeadlineSeconds: Invalid value: -1: must be between 1 and "
     "2147483647, inclusive\n"
     "spec.activeDeadlineSeconds: Invalid value: -1: must be between 0 and "
     "2147483647, inclusive\n"},
    {"pod", "{'spec': {'terminationGracePeriodSeconds': -1}}",
     "{'spec': {'terminationGracePeriodSeconds': 1}}", NULL, ""},
    {"pod", "{}", "{'spec': {'terminationGracePeriodSeconds': 5}}", NULL,
     "spec: Forbidden: pod updates may not change fields other than "
     "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSe"
     "conds`,`spec.tolerations` (only additions to existing "
     "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if "
     "it was previously negative)\n"
     "@@ -74,7 +74,7 @@\n"
     "  ],\n"
     "  \"EphemeralContainers\": null,\n"
     "  \"RestartPolicy\": \"Always\",\n"
     "- \"TerminationGracePeriodSeconds\": 30,\n"
     "+ \"TerminationGracePeriodSeconds\": 5,\n"
     "  \"ActiveDeadlineSeconds\": null,\n"
     "  \"DNSPolicy\": \"ClusterFirst\",\n"
     "  \"NodeSelector\": null,\n"
     "\n"},
    {"pod", "{}", "{'spec': {'nodeName': 'n'}}", NULL,
     "spec: Forbidden: pod updates may not change fields other than "
     "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSe"
     "conds`,`spec.tolerations` (only additions to existing "
     "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if "
     "it was previously negative)\n"
     "@@ -80,7 +80,7 @@\n"
     "  \"NodeSelector\": null,\n"
     "  \"ServiceAccountName\": \"default\",\n"
     "  \"AutomountServiceAccountToken\": false,\n"
     "- \"NodeName\": \"\",\n"
     "+ \"NodeName\": \"n\",\n"
     "  \"SecurityContext\": {\n"
     "   \"HostNetwork\": false,\n"
     "   \"HostPID\": false,\n"
     "\n"},
    {"pod", "{}", "{'spec': {'restartPolicy': 'Never'}}", NULL,
     "spec: Forbidden: pod updates may not change fields other than "
     "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSe"
     "conds`,`spec.tolerations` (only additions to existing "
     "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if "
     "it was previously negative)\n"
     "@@ -73,7 +73,7 @@\n"
     "   }\n"
     "  ],\n"
     "  \"EphemeralContainers\": null,\n"
     "- \"RestartPolicy\": \"Always\",\n"
     "+ \"RestartPolicy\": \"Never\",\n"
     "  \"TerminationGracePeriodSeconds\": 30,\n"
     "  \"ActiveDeadlineSeconds\": null,\n"
     "  \"DNSPolicy\": \"ClusterFirst\",\n"
     "\n"},
    {"pod", "{}", "{'metadata': {'labels': {'a b': ''}}}", NULL,
     "metadata.labels: Invalid value: \"a b\": {qualified}\n"
     "metadata.labels: Invalid value: \"a b\": {qualified}\n"
     "metadata.labels: Invalid value: \"a b\": {qualified}\n"
     "metadata.labels: Invalid value: \"a b\": {qualified}\n"},
    {"pod", "{}", "{'metadata': {'uid': 'x'}}", NULL,
     "metadata.uid: Invalid value: \"x\": field is immutable\n"
     "metadata.uid: Invalid value: \"x\": field is immutable\n"},
    {"pod", "{}", "{'metadata': {'name': 'y'}}", NULL,
     "400 the name of the object (y) does not match the name on the URL (u)\n"},
    {"pod", "{}", "{'metadata': {'namespace': 'y'}}", NULL,
     "400 the namespace of the provided object does not match the namespace sent on "
     "the request\n"},
    {"pod", "{}", "{'metadata': {'creationTimestamp': '2020-01-01T00:00:00Z'}}", NULL, ""},
    {"pod", "{}",
     "{'metadata': {'deletionTimestamp': '2020-01-01T00:00:00Z', "
     "'deletionGracePeriodSeconds': 5}}",
     NULL, NOT_ENDED NOT_ENDED},
    {"pod", "{}", "{'metadata': {'generation': -3}}", NULL, ""},
    {"pod", "{}", "{'metadata': {'resourceVersion': 'x'}}", NULL,
     "metadata.resourceVersion: Invalid value: \"x\": strconv.ParseUint: parsing "
     "\"x\": invalid syntax\n"},
    {"pod", "{}", "{'metadata': {'resourceVersion': '1'}}", NULL,
     "409 Operation cannot be fulfilled on pods \"u\": the object has been modified; "
     "please apply your changes to the latest version and try again\n"},
    {"pod", "{}", "{'metadata': {'annotations': {'kubernetes.io/config.mirror': 'x'}}}", NULL,
     "metadata.annotations[kubernetes.io/config.mirror]: Invalid value: \"x\": must "
     "set spec.nodeName if mirror pod annotation is set\n"
     "metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not add "
     "mirror pod annotation\n"
     "metadata.annotations[kubernetes.io/config.mirror]: Invalid value: \"x\": must "
     "set spec.nodeName if mirror pod annotation is set\n"},
    {"pod", "{}", "{'spec': {'ephemeralContainers': [{'name': 'e', 'image': 'i'}]}}", NULL,
     "spec: Forbidden: pod updates may not change fields other than "
     "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSe"
     "conds`,`spec.tolerations` (only additions to existing "
     "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if "
     "it was previously negative)\n"
     "@@ -72,7 +72,40 @@\n"
     "    \"TTY\": false\n"
     "   }\n"
     "  ],\n"
     "- \"EphemeralContainers\": null,\n"
     "+ \"EphemeralContainers\": [\n"
     "+  {\n"
     "+   \"Name\": \"e\",\n"
     "+   \"Image\": \"i\",\n"
     "+   \"Command\": null,\n"
     "+   \"Args\": null,\n"
     "+   \"WorkingDir\": \"\",\n"
     "+   \"Ports\": null,\n"
     "+   \"EnvFrom\": null,\n"
     "+   \"Env\": null,\n"
     "+   \"Resources\": {\n"
     "+    \"Limits\": null,\n"
     "+    \"Requests\": null,\n"
     "+    \"Claims\": null\n"
     "+   },\n"
     "+   \"ResizePolicy\": null,\n"
     "+   \"RestartPolicy\": null,\n"
     "+   \"RestartPolicyRules\": null,\n"
     "+   \"VolumeMounts\": null,\n"
     "+   \"VolumeDevices\": null,\n"
     "+   \"LivenessProbe\": null,\n"
     "+   \"ReadinessProbe\": null,\n"
     "+   \"StartupProbe\": null,\n"
     "+   \"Lifecycle\": null,\n"
     "+   \"TerminationMessagePath\": \"/dev/termination-log\",\n"
     "+   \"TerminationMessagePolicy\": \"File\",\n"
     "+   \"ImagePullPolicy\": \"Always\",\n"
     "+   \"SecurityContext\": null,\n"
     "+   \"Stdin\": false,\n"
     "+   \"StdinOnce\": false,\n"
     "+   \"TTY\": false,\n"
     "+   \"TargetContainerName\": \"\"\n"
     "+  }\n"
     "+ ],\n"
     "  \"RestartPolicy\": \"Always\",\n"
     "  \"TerminationGracePeriodSeconds\": 30,\n"
     "  \"ActiveDeadlineSeconds\": null,\n"
     "\n"},
};

static const struct row status[] = {
    {"pod", "{}", "{'status': {'phase': 'x'}}", "status", ""},
    {"pod", "{}",
     "{'status': {'conditions': [{'type': 'a b', 'status': 'x'}, {'type': 'Ready', "
     "'status': 'True'}, {'type': 'Ready', 'status': 'True'}]}}",
     "status", "metadata.conditions[0].Type: Invalid value: \"a b\": {qualified}\n"},
    {"pod", "{}", "{'status': {'nominatedNodeName': 'A_'}}", "status",
     "status.nominatedNodeName: Invalid value: \"A_\": {subdomain}\n"},
    {"pod", "{}", "{'status': {'podIPs': [{'ip': 'x'}]}}", "status",
     "status.podIPs[0]: Invalid value: \"x\": must be a valid IP address, (e.g. "
     "10.9.8.7 or 2001:db8::ffff)\n"},
    {"pod", "{}", "{'status': {'podIP': '1.1.1.1'}}", "status", ""},
    {"pod", "{}", "{'status': {'podIPs': [{'ip': '1.1.1.1'}, {'ip': '1.1.1.2'}]}}", "status",
     "status.podIPs: Invalid value: [{\"IP\":\"1.1.1.1\"},{\"IP\":\"1.1.1.2\"}]: may "
     "specify no more than one IP for each IP family\n"},
    {"pod", "{}", "{'status': {'podIPs': [{'ip': '1.1.1.1'}, {'ip': '::1'}, {'ip': '1.1.1.3'}]}}",
     "status",
     "status.podIPs: Invalid value: "
     "[{\"IP\":\"1.1.1.1\"},{\"IP\":\"::1\"},{\"IP\":\"1.1.1.3\"}]: may specify no "
     "more than one IP for each IP family\n"},
    {"pod", "{}", "{'status': {'podIPs': [{'ip': '1.1.1.1'}, {'ip': '1.1.1.1'}]}}", "status",
     "status.podIPs: Invalid value: [{\"IP\":\"1.1.1.1\"},{\"IP\":\"1.1.1.1\"}]: may "
     "specify no more than one IP for each IP family\n"
     "status.podIPs[1]: Duplicate value: {\"IP\":\"1.1.1.1\"}\n"},
    {"pod", "{}", "{'status': {'hostIPs': [{'ip': '1.1.1.1'}]}}", "status",
     "status.hostIPs[0].ip: Invalid value: \"1.1.1.1\": must be equal to `hostIP`\n"},
    {"pod", "{}", "{'status': {'hostIP': '1.1.1.1', 'hostIPs': [{'ip': 'x'}]}}", "status",
     "status.hostIPs[0].ip: Invalid value: \"x\": must be equal to `hostIP`\n"
     "status.hostIPs[0]: Invalid value: \"x\": must be a valid IP address, (e.g. "
     "10.9.8.7 or 2001:db8::ffff)\n"},
    {"pod", "{}", "{'status': {'resourceClaimStatuses': [{'name': 'x'}]}}", "status",
     "status.resourceClaimStatuses[0].name: Invalid value: \"x\": must match the name "
     "of an entry in `spec.resourceClaims`\n"},
    {"pod", "{}", "{'status': {'qosClass': 'Burstable'}}", "status", ""},
    {"pod", "{}",
     "{'status': {'initContainerStatuses': [{'name': 'a', 'image': '', 'imageID': '', "
     "'ready': false, 'restartCount': 0, 'state': {'terminated': {'exitCode': 1}}}]}}",
     "status", ""},
    {"pod", "{}",
     "{'status': {'containerStatuses': [{'name': 'c', 'image': '', 'imageID': '', "
     "'ready': false, 'restartCount': 0, 'user': {'linux': {'uid': -1, 'gid': -1, "
     "'supplementalGroups': [-1]}}}]}}",
     "status",
     "status.containerStatuses[0].linux.uid: Invalid value: -1: must be between 0 and "
     "2147483647, inclusive\n"
     "status.containerStatuses[0].linux.gid: Invalid value: -1: must be between 0 and "
     "2147483647, inclusive\n"
     "status.containerStatuses[0].linux.supplementalGroups[0]: Invalid value: -1: "
     "must be between 0 and 2147483647, inclusive\n"},
    {"pod", "{}",
     "{'status': {'containerStatuses': [{'name': 'c', 'image': '', 'imageID': '', "
     "'ready': false, 'restartCount': 0, 'allocatedResourcesStatus': [{'name': 'x'}, "
     "{'name': 'cpu'}, {'name': 'cpu', 'resources': [{'resourceID': 'a'}, "
     "{'resourceID': 'a', 'health': 'x'}]}]}]}}",
     "status",
     "status.containerStatuses[0].allocatedResourcesStatus[0].name: Invalid value: "
     "\"x\": must match one of the container's resource requests\n"
     "status.containerStatuses[0].allocatedResourcesStatus[2].resources[0].health: "
     "Unsupported value: \"\": supported values: \"Healthy\", \"Unhealthy\", "
     "\"Unknown\"\n"
     "status.containerStatuses[0].allocatedResourcesStatus[2].resources[1].health: "
     "Unsupported value: \"x\": supported values: \"Healthy\", \"Unhealthy\", "
     "\"Unknown\"\n"
     "status.containerStatuses[0].allocatedResourcesStatus[2].resources[1].resourceID:"
     " Duplicate value: \"a\"\n"},
    {"pod", "{}", "{'status': {'resize': 'x'}}", "status", ""},
    {"pod", "{}", "{'status': {'observedGeneration': -1}}", "status", ""},
};

static const struct row ephemeral[] = {
    {"pod", "{}", "{'spec': {'ephemeralContainers': [{'name': 'e', 'image': ''}]}}",
     "ephemeralcontainers", "spec.ephemeralContainers[0].image: Required value\n"},
    {"pod", "{}", "{'spec': {'ephemeralContainers': [{'name': 'c', 'image': 'i'}]}}",
     "ephemeralcontainers", "spec.ephemeralContainers[0].name: Duplicate value: \"c\"\n"},
    {"pod", "{}",
     "{'spec': {'ephemeralContainers': [{'name': 'e', 'image': 'i', 'ports': "
     "[{'containerPort': 80}], 'resources': {'limits': {'cpu': '1'}}, "
     "'livenessProbe': {'exec': {'command': ['a']}}, 'lifecycle': {'preStop': "
     "{'exec': {'command': ['a']}}}, 'resizePolicy': [{'resourceName': 'cpu', "
     "'restartPolicy': 'NotRequired'}], 'restartPolicy': 'Always', 'startupProbe': "
     "{'exec': {'command': ['a']}}}]}}",
     "ephemeralcontainers",
     "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral "
     "Container\n"
     "spec.ephemeralContainers[0].resources: Forbidden: cannot be set for an "
     "Ephemeral Container\n"
     "spec.ephemeralContainers[0].resizePolicy: Forbidden: cannot be set for an "
     "Ephemeral Container\n"
     "spec.ephemeralContainers[0].restartPolicy: Forbidden: cannot be set for an "
     "Ephemeral Container\n"
     "spec.ephemeralContainers[0].livenessProbe: Forbidden: cannot be set for an "
     "Ephemeral Container\n"
     "spec.ephemeralContainers[0].startupProbe: Forbidden: cannot be set for an "
     "Ephemeral Container\n"
     "spec.ephemeralContainers[0].lifecycle: Forbidden: cannot be set for an "
     "Ephemeral Container\n"},
    {"pod", "{}",
     "{'spec': {'ephemeralContainers': [{'name': 'e', 'image': 'i', "
     "'targetContainerName': 'nope'}, {'name': 'e', 'image': 'i'}]}}",
     "ephemeralcontainers",
     "spec.ephemeralContainers[0].targetContainerName: Not found: \"nope\"\n"
     "spec.ephemeralContainers[1].name: Duplicate value: \"e\"\n"},
    {"pod", "{'spec': {'volumes': [{'name': 'v', 'emptyDir': {}}]}}",
     "{'spec': {'ephemeralContainers': [{'name': 'e', 'image': 'i', 'volumeMounts': "
     "[{'name': 'v', 'mountPath': '/a', 'subPath': 'x', 'subPathExpr': 'y'}]}]}}",
     "ephemeralcontainers",
     "spec.ephemeralContainers[0].volumeMounts[0].subPathExpr: Invalid value: \"y\": "
     "subPathExpr and subPath are mutually exclusive\n"
     "spec.ephemeralContainers[0].volumeMounts[0].subPath: Forbidden: cannot be set "
     "for an Ephemeral Container\n"
     "spec.ephemeralContainers[0].volumeMounts[0].subPathExpr: Forbidden: cannot be "
     "set for an Ephemeral Container\n"},
};

static const struct row resize[] = {
    {"pod", "{}",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'resources': {'requests': "
     "{'cpu': '2', 'memory': '1Mi'}, 'limits': {'cpu': '2', 'memory': '1Mi'}}}]}}",
     "resize", ""},
    {"pod", "{}",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'resources': {'requests': "
     "{'cpu': '1', 'memory': '1Mi'}, 'limits': {'cpu': '2', 'memory': '1Mi'}}}]}}",
     "resize", ""},
    {"pod", "{}",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'resources': {'requests': "
     "{'cpu': '1'}, 'limits': {'cpu': '1'}}}]}}",
     "resize",
     "spec.containers[0].resources.requests: Forbidden: resource requests cannot be "
     "removed\n"
     "spec.containers[0].resources.limits: Forbidden: resource limits cannot be "
     "removed\n"},
    {"pod", "{}",
     "{'spec': {'containers': [{'name': 'c', 'image': 'j', 'resources': {'requests': "
     "{'cpu': '1', 'memory': '1Mi'}, 'limits': {'cpu': '1', 'memory': '1Mi'}}}]}}",
     "resize", "spec: Forbidden: only cpu and memory resources are mutable\n"},
    {"pod", "{}",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'resources': {'requests': "
     "{'cpu': '1', 'memory': '1Mi', 'example.com/x': '1'}, 'limits': {'cpu': '1', "
     "'memory': '1Mi', 'example.com/x': '1'}}}]}}",
     "resize", "spec: Forbidden: only cpu and memory resources are mutable\n"},
    {"pod", "{}", "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'resources': {}}]}}",
     "resize",
     "spec: Invalid value: \"Burstable\": Pod QOS Class may not change as a result of "
     "resizing\n"
     "spec.containers[0].resources.requests: Forbidden: resource requests cannot be "
     "removed\n"
     "spec.containers[0].resources.limits: Forbidden: resource limits cannot be "
     "removed\n"},
    {"pod", "{}",
     "{'spec': {'initContainers': [{'name': 'a', 'image': 'i', 'resources': "
     "{'requests': {'cpu': '1'}}}]}}",
     "resize", "spec: Forbidden: resources for non-sidecar init containers are immutable\n"},
};

#define CLAIM(table_, name_)                                                                       \
    TEST(table_, name_)                                                                            \
    {                                                                                              \
        rows_check(kinds, ARRAY_LEN(kinds), table_, ARRAY_LEN(table_));                            \
    }
CLAIM(changes, tells_all_that_is_wrong_in_order)
CLAIM(status, tells_all_that_is_wrong_in_order)
CLAIM(ephemeral, tells_all_that_is_wrong_in_order)
CLAIM(resize, tells_all_that_is_wrong_in_order)

TEST_MAIN
