/* rules_core_test.c - what is wrong with the other kinds of the core group.
 *
 * Expected texts: the sources that src/api/validation names, read beside these rows. */
#include "test/api/rows.h"

static const struct kind_row kinds[] = {
    {"rc", "/api/v1/namespaces/default/replicationcontrollers",
     "{'apiVersion': 'v1', 'kind': 'ReplicationController', 'metadata': {'name': "
     "'x'}, 'spec': {'replicas': 1, 'selector': {'a': 'b'}, 'template': {'metadata': "
     "{'labels': {'a': 'b'}}, 'spec': {'containers': [{'name': 'c', 'image': 'i'}]}}}}"},
    {"template", "/api/v1/namespaces/default/podtemplates",
     "{'apiVersion': 'v1', 'kind': 'PodTemplate', 'metadata': {'name': 'x'}, "
     "'template': {'metadata': {'labels': {'a': 'b'}}, 'spec': {'containers': "
     "[{'name': 'c', 'image': 'i'}]}}}"},
    {"endpoints", "/api/v1/namespaces/default/endpoints",
     "{'apiVersion': 'v1', 'kind': 'Endpoints', 'metadata': {'name': 'x'}, 'subsets': "
     "[{'addresses': [{'ip': '10.1.1.1'}], 'ports': [{'port': 80}]}]}"},
    {"node", "/api/v1/nodes",
     "{'apiVersion': 'v1', 'kind': 'Node', 'metadata': {'name': 'x'}, 'spec': "
     "{'podCIDR': '10.244.0.0/24', 'podCIDRs': ['10.244.0.0/24']}}"},
    {"namespace", "/api/v1/namespaces",
     "{'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': 'x'}}"},
    {"configmap", "/api/v1/namespaces/default/configmaps",
     "{'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'x'}, 'data': "
     "{'a': 'b'}}"},
    {"secret", "/api/v1/namespaces/default/secrets",
     "{'apiVersion': 'v1', 'kind': 'Secret', 'metadata': {'name': 'x'}, 'data': {'a': "
     "'Yg=='}}"},
    {"serviceaccount", "/api/v1/namespaces/default/serviceaccounts",
     "{'apiVersion': 'v1', 'kind': 'ServiceAccount', 'metadata': {'name': 'x'}}"},
    {"quota", "/api/v1/namespaces/default/resourcequotas",
     "{'apiVersion': 'v1', 'kind': 'ResourceQuota', 'metadata': {'name': 'x'}, "
     "'spec': {'hard': {'pods': '5'}}}"},
    {"limitrange", "/api/v1/namespaces/default/limitranges",
     "{'apiVersion': 'v1', 'kind': 'LimitRange', 'metadata': {'name': 'x'}, 'spec': "
     "{'limits': [{'type': 'Container', 'max': {'cpu': '1'}}]}}"},
    {"event", "/api/v1/namespaces/default/events",
     "{'apiVersion': 'v1', 'kind': 'Event', 'metadata': {'name': 'x'}, "
     "'involvedObject': {'namespace': 'default', 'kind': 'Pod', 'name': 'p'}, "
     "'reason': 'r', 'type': 'Normal'}"},
    {"newevent", "/apis/events.k8s.io/v1/namespaces/default/events",
     "{'apiVersion': 'events.k8s.io/v1', 'kind': 'Event', 'metadata': {'name': 'x'}, "
     "'regarding': {'namespace': 'default', 'kind': 'Pod', 'name': 'p'}, 'eventTime': "
     "'2026-01-01T00:00:00.000000Z', 'reportingController': 'a.b/c', "
     "'reportingInstance': 'i', 'action': 'a', 'reason': 'r', 'type': 'Normal'}"},
};

static const struct row rc[] = {
    {"rc", "{'spec': {'replicas': -1, 'minReadySeconds': -1}}", NULL, NULL,
     "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0\n"
     "spec.replicas: Invalid value: -1: must be greater than or equal to 0\n"},
    {"rc", "{'spec': {'selector': {'x': 'y'}}}", NULL, NULL,
     "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does "
     "not match template `labels`\n"},
    {"rc", "{'spec': {'selector': {'a b': 'c d'}}}", NULL, NULL,
     "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does "
     "not match template `labels`\n"},
    {"rc", "{'spec': {'template': null, 'selector': null}}", NULL, NULL,
     "spec.selector: Required value\n"
     "spec.template: Required value\n"},
    {"rc", "{'spec': {'template': {'spec': {'restartPolicy': 'Never'}}}}", NULL, NULL,
     "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported "
     "values: \"Always\"\n"},
    {"rc", "{'spec': {'template': {'spec': {'activeDeadlineSeconds': 5}}}}", NULL, NULL,
     "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in "
     "ReplicationController is not Supported\n"},
    {"rc",
     "{'spec': {'template': {'metadata': {'labels': {'a b': 'c'}, 'annotations': {'A "
     "B': 'x'}}, 'spec': {'containers': []}}}}",
     NULL, NULL,
     "metadata.labels: Invalid value: \"a b\": {qualified}\n"
     "spec.template.labels: Invalid value: \"a b\": {qualified}\n"
     "spec.template.annotations: Invalid value: \"A B\": {qualified}\n"
     "spec.template.spec.containers: Required value\n"},
    {"rc",
     "{'spec': {'template': {'spec': {'ephemeralContainers': [{'name': 'e', 'image': "
     "'i'}]}}}}",
     NULL, NULL,
     "spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not "
     "allowed in pod template\n"},
    {"rc", "{}",
     "{'status': {'replicas': -1, 'fullyLabeledReplicas': -2, 'readyReplicas': 5, "
     "'availableReplicas': 6, 'observedGeneration': -1}}",
     "status",
     "status.replicas: Invalid value: -1: must be greater than or equal to 0\n"
     "status.fullyLabeledReplicas: Invalid value: -2: must be greater than or equal "
     "to 0\n"
     "status.observedGeneration: Invalid value: -1: must be greater than or equal to "
     "0\n"
     "status.readyReplicas: Invalid value: 5: cannot be greater than status.replicas\n"
     "status.availableReplicas: Invalid value: 6: cannot be greater than "
     "status.replicas\n"
     "status.availableReplicas: Invalid value: 6: cannot be greater than "
     "readyReplicas\n"},
    {"rc", "{}", "{'status': {'replicas': -1}}", "status",
     "status.replicas: Invalid value: -1: must be greater than or equal to 0\n"
     "status.fullyLabeledReplicas: Invalid value: 0: cannot be greater than status.replicas\n"
     "status.readyReplicas: Invalid value: 0: cannot be greater than status.replicas\n"
     "status.availableReplicas: Invalid value: 0: cannot be greater than status.replicas\n"},
    {"rc", "{}",
     "{'status': {'replicas': 1, 'fullyLabeledReplicas': 2, 'readyReplicas': 3, "
     "'availableReplicas': 4}}",
     "status",
     "status.fullyLabeledReplicas: Invalid value: 2: cannot be greater than "
     "status.replicas\n"
     "status.readyReplicas: Invalid value: 3: cannot be greater than status.replicas\n"
     "status.availableReplicas: Invalid value: 4: cannot be greater than "
     "status.replicas\n"
     "status.availableReplicas: Invalid value: 4: cannot be greater than "
     "readyReplicas\n"},
};

static const struct row template[] = {
    {"template", "{'template': {'spec': {'containers': []}}}", NULL, NULL,
     "template.spec.containers: Required value\n"},
    {"template",
     "{'template': {'spec': {'containers': [{'name': 'c', 'image': ' i'}], "
     "'restartPolicy': 'x'}}}",
     NULL, NULL,
     "template.spec.restartPolicy: Unsupported value: \"x\": supported values: "
     "\"Always\", \"OnFailure\", \"Never\"\n"},
    {"template", "{'template': null}", NULL, NULL, "template.spec.containers: Required value\n"},
};

static const struct row endpoints[] = {
    {"endpoints", "{'subsets': [{}]}", NULL, NULL,
     "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`\n"},
    {"endpoints",
     "{'subsets': [{'addresses': [{'ip': 'x', 'hostname': 'A_', 'nodeName': 'B_'}], "
     "'ports': [{'port': 0}]}]}",
     NULL, NULL,
     "subsets[0].addresses[0].ip: Invalid value: \"x\": must be a valid IP address, "
     "(e.g. 10.9.8.7 or 2001:db8::ffff)\n"
     "subsets[0].addresses[0].hostname: Invalid value: \"A_\": {label}\n"
     "subsets[0].addresses[0].nodeName: Invalid value: \"B_\": {subdomain}\n"
     "subsets[0].addresses[0].ip: Invalid value: \"x\": must be a valid IP address\n"
     "subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, "
     "inclusive\n"},
    {"endpoints",
     "{'subsets': [{'addresses': [{'ip': '127.0.0.1'}, {'ip': ''}], 'ports': "
     "[{'port': 80, 'name': 'a'}, {'port': 81, 'name': 'A_', 'protocol': 'x', "
     "'appProtocol': 'a b'}]}]}",
     NULL, NULL,
     "subsets[0].addresses[0].ip: Invalid value: \"127.0.0.1\": may not be in the "
     "loopback range (127.0.0.0/8, ::1/128)\n"
     "subsets[0].addresses[1].ip: Invalid value: \"\": must be a valid IP address, "
     "(e.g. 10.9.8.7 or 2001:db8::ffff)\n"
     "subsets[0].addresses[1].ip: Invalid value: \"\": must be a valid IP address\n"
     "subsets[0].ports[1].name: Invalid value: \"A_\": {label}\n"
     "subsets[0].ports[1].protocol: Unsupported value: \"x\": supported values: "
     "\"SCTP\", \"TCP\", \"UDP\"\n"
     "subsets[0].ports[1].appProtocol: Invalid value: \"a b\": {qualified}\n"},
    {"endpoints",
     "{'subsets': [{'addresses': [{'ip': '10.1.1.1'}], 'ports': [{'port': 80}, "
     "{'port': 81}]}]}",
     NULL, NULL,
     "subsets[0].ports[0].name: Required value\n"
     "subsets[0].ports[1].name: Required value\n"},
    {"endpoints",
     "{'metadata': {'annotations': {'endpoints.kubernetes.io/over-capacity': 'x'}, "
     "'name': 'A_'}}",
     NULL, NULL, "metadata.name: Invalid value: \"A_\": {subdomain}\n"},
};

#define FEATURE                                                                                    \
    "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., " \
    "MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"

static const struct row node[] = {
    {"node", "{'spec': {'podCIDRs': ['x'], 'podCIDR': 'x'}}", NULL, NULL,
     "spec.podCIDRs[0]: Invalid value: \"x\": must be a valid CIDR value, (e.g. "
     "10.9.8.0/24 or 2001:db8::/64)\n"},
    {"node", "{'spec': {'podCIDRs': ['10.0.0.0/24', '10.0.1.0/24'], 'podCIDR': '10.0.0.0/24'}}",
     NULL, NULL,
     "spec.podCIDRs: Invalid value: [\"10.0.0.0/24\",\"10.0.1.0/24\"]: may specify no "
     "more than one CIDR for each IP family\n"},
    {"node",
     "{'spec': {'podCIDRs': ['10.0.0.0/24', '10.0.1.0/24', '::/64'], 'podCIDR': "
     "'10.0.0.0/24'}}",
     NULL, NULL,
     "spec.podCIDRs: Invalid value: [\"10.0.0.0/24\",\"10.0.1.0/24\",\"::/64\"]: may "
     "specify no more than one CIDR for each IP family\n"},
    {"node", "{'spec': {'podCIDRs': ['10.0.0.0/24'], 'podCIDR': '10.0.1.0/24'}}", NULL, NULL, ""},
    {"node",
     "{'spec': {'taints': [{'key': 'a b', 'effect': 'x'}, {'key': 'a', 'value': 'a "
     "b', 'effect': 'NoSchedule'}, {'key': 'a', 'effect': 'NoSchedule'}, {'key': "
     "'b'}]}}",
     NULL, NULL,
     "metadata.taints[0].key: Invalid value: \"a b\": {qualified}\n"
     "metadata.taints[0].effect: Unsupported value: \"x\": supported values: "
     "\"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\"\n"
     "metadata.taints[1].value: Invalid value: \"a b\": {value}\n"
     "metadata.taints[2]: Duplicate value: "
     "{\"Key\":\"a\",\"Value\":\"\",\"Effect\":\"NoSchedule\",\"TimeAdded\":null}: "
     "taints must be unique by key and effect pair\n"
     "metadata.taints[3].effect: Required value\n"},
    {"node",
     "{'status': {'capacity': {'cpu': '-1', 'example.com/a': '1500m', 'x': '1'}, "
     "'allocatable': {'hugepages-2Mi': '1', 'hugepages-1Gi': '1'}}}",
     NULL, NULL,
     "status.capacity.cpu: Invalid value: \"-1\": must be greater than or equal to 0\n"
     "status.capacity.example.com/a: Invalid value: \"1500m\": must be an integer\n"},
    {"node", "{}", "{'spec': {'podCIDR': '10.245.0.0/24', 'podCIDRs': ['10.245.0.0/24']}}", NULL,
     "spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" "
     "to valid\n"},
    {"node", "{'spec': {'providerID': 'a'}}", "{'spec': {'providerID': 'b'}}", NULL,
     "spec.providerID: Forbidden: node updates may not change providerID except from "
     "\"\" to valid\n"},
    {"node", "{}", "{'spec': {'taints': [{'key': 'a', 'effect': 'x'}]}}", NULL,
     "metadata.taints[0].effect: Unsupported value: \"x\": supported values: "
     "\"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\"\n"
     "metadata.taints[0].effect: Unsupported value: \"x\": supported values: "
     "\"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\"\n"},
    {"node", "{}",
     "{'status': {'addresses': [{'type': 'InternalIP', 'address': '1'}, {'type': "
     "'InternalIP', 'address': '1'}]}}",
     "status",
     "status.addresses[1]: Duplicate value: "
     "{\"Type\":\"InternalIP\",\"Address\":\"1\"}\n"},
    {"node", "{}", "{'status': {'config': {'assigned': {'configMap': {'name': 'a'}}}}}", "status",
     ""},
    {"node", "{}", "{'status': {'declaredFeatures': ['A', 'B/c9', 'Bc']}}", "status", ""},
    {"node", "{}", "{'status': {'declaredFeatures': ['b', 'A', 'A', 'A/', 'A/9']}}", "status",
     "status.declaredFeatures[0]: Invalid value: \"b\": invalid feature name \"b\": " FEATURE "\n"
     "status.declaredFeatures[1]: Invalid value: \"A\": list must be sorted alphabetically\n"
     "status.declaredFeatures[2]: Duplicate value: \"A\"\n"
     "status.declaredFeatures[3]: Invalid value: \"A/\": invalid feature name \"A/\": " FEATURE "\n"
     "status.declaredFeatures[4]: Invalid value: \"A/9\": invalid feature name \"A/9\": " FEATURE
     "\n"},
    {"node", "{'status': {'nodeInfo': {'swap': {'capacity': 0}}}}", NULL, NULL,
     "metadata.nodeSwapStatus.capacity: Invalid value: 0: must be greater than zero\n"},
    {"node",
     "{'metadata': {'annotations': {'scheduler.alpha.kubernetes.io/preferAvoidPods': "
     "'{\\'preferAvoidPods\\':[{\\'reason\\':\\'r\\'},{\\'podSignature\\':{\\'podController\\':{"
     "\\'name\\':\\'a\\',\\'controller\\':false}}}]}'}}}",
     NULL, NULL,
     "metadata.annotations.scheduler.alpha.kubernetes.io/preferAvoidPods[0].PodSignature: Required "
     "value\n"
     "metadata.annotations.scheduler.alpha.kubernetes.io/preferAvoidPods[1].PodSignature."
     "PodController.Controller: Invalid value: false: must point to a controller\n"},
    {"node",
     "{'metadata': {'annotations': {'scheduler.alpha.kubernetes.io/preferAvoidPods': 'x'}}}", NULL,
     NULL,
     "metadata.annotations.AvoidPods: Invalid value: "
     "\"scheduler.alpha.kubernetes.io/preferAvoidPods\": invalid character 'x' looking for "
     "beginning of value\n"},
};

static const struct row namespace[] = {
    {"namespace", "{'metadata': {'name': 'A_'}}", NULL, NULL,
     "metadata.name: Invalid value: \"A_\": {label}\n"
     "metadata.labels: Invalid value: \"A_\": {value}\n"},
    {"namespace", "{'metadata': {'name': 'a.b'}}", NULL, NULL,
     "metadata.name: Invalid value: \"a.b\": must not contain dots\n"},
    {"namespace", "{'spec': {'finalizers': ['a', 'a b', 'kubernetes', 'example.com/x']}}", NULL,
     NULL,
     "spec.finalizers: Invalid value: \"a\": name is neither a standard finalizer "
     "name nor is it fully qualified\n"
     "spec.finalizers: Invalid value: \"a b\": {qualified}\n"
     "spec.finalizers: Invalid value: \"a b\": name is neither a standard finalizer "
     "name nor is it fully qualified\n"},
    {"namespace", "{'metadata': {'labels': {'kubernetes.io/metadata.name': 'y'}}}", NULL, NULL, ""},
};

static const struct row configmap[] = {
    {"configmap",
     "{'data': {'a b': 'x', '..': 'y', "
     "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxxx': 'z'}}",
     NULL, NULL,
     "data[..]: Invalid value: \"..\": must not be '..'\n"
     "data[a b]: Invalid value: \"a b\": a valid config key must consist of "
     "alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
     "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')\n"
     "data[xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxxxxxxx]: Invalid value: "
     "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxxxx\": must be no more than 253 characters\n"},
    {"configmap", "{'binaryData': {'a': 'YQ==', 'b c': 'YQ=='}}", NULL, NULL,
     "data[a]: Invalid value: \"a\": duplicate of key present in binaryData\n"
     "binaryData[b c]: Invalid value: \"b c\": a valid config key must consist of "
     "alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
     "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')\n"},
    {"configmap", "{'binaryData': {'b': '!'}}", NULL, NULL,
     "400 ConfigMap in version \"v1\" cannot be handled as a ConfigMap: illegal "
     "base64 data at input byte 0\n"},
    {"configmap", "{'immutable': true}", "{'data': {'a': 'c'}}", NULL,
     "data: Forbidden: field is immutable when `immutable` is set\n"},
    {"configmap", "{'immutable': true}", "{'immutable': null, 'binaryData': {'z': 'YQ=='}}", NULL,
     "immutable: Forbidden: field is immutable when `immutable` is set\n"
     "binaryData: Forbidden: field is immutable when `immutable` is set\n"},
    {"configmap", "{'metadata': {'name': 'A_'}}", NULL, NULL,
     "metadata.name: Invalid value: \"A_\": {subdomain}\n"},
};

static const struct row secret[] = {
    {"secret", "{'data': {'a b': 'YQ==', '.': 'YQ=='}}", NULL, NULL,
     "data[.]: Invalid value: \".\": must not be '.'\n"
     "data[a b]: Invalid value: \"a b\": a valid config key must consist of "
     "alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
     "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')\n"},
    {"secret", "{'type': 'kubernetes.io/service-account-token'}", NULL, NULL,
     "metadata.annotations[kubernetes.io/service-account.name]: Required value\n"},
    {"secret", "{'type': 'kubernetes.io/dockercfg'}", NULL, NULL,
     "data[.dockercfg]: Required value\n"},
    {"secret", "{'type': 'kubernetes.io/dockercfg', 'data': {'.dockercfg': 'YQ=='}}", NULL, NULL,
     "data[.dockercfg]: Invalid value: \"<secret contents redacted>\": invalid "
     "character 'a' looking for beginning of value\n"},
    {"secret", "{'type': 'kubernetes.io/dockerconfigjson'}", NULL, NULL,
     "data[.dockerconfigjson]: Required value\n"},
    {"secret",
     "{'type': 'kubernetes.io/dockerconfigjson', 'data': {'.dockerconfigjson': "
     "'eyI='}}",
     NULL, NULL,
     "data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": "
     "unexpected end of JSON input\n"},
    {"secret", "{'type': 'kubernetes.io/basic-auth'}", NULL, NULL,
     "data[username]: Required value\n"
     "data[password]: Required value\n"},
    {"secret", "{'type': 'kubernetes.io/ssh-auth'}", NULL, NULL,
     "data[ssh-privatekey]: Required value\n"},
    {"secret", "{'type': 'kubernetes.io/ssh-auth', 'data': {'ssh-privatekey': ''}}", NULL, NULL,
     "data[ssh-privatekey]: Required value\n"},
    {"secret", "{'type': 'kubernetes.io/tls'}", NULL, NULL,
     "data[tls.crt]: Required value\n"
     "data[tls.key]: Required value\n"},
    {"secret", "{}", "{'type': 'x'}", NULL, "type: Invalid value: \"x\": field is immutable\n"},
    {"secret", "{'immutable': true}", "{'data': {'a': 'YQ=='}}", NULL,
     "data: Forbidden: field is immutable when `immutable` is set\n"},
    {"secret", "{'immutable': true}", "{'immutable': false}", NULL,
     "immutable: Forbidden: field is immutable when `immutable` is set\n"},
};

static const struct row serviceaccount[] = {
    {"serviceaccount", "{'metadata': {'name': 'A_'}}", NULL, NULL,
     "metadata.name: Invalid value: \"A_\": {subdomain}\n"},
    {"serviceaccount", "{'secrets': [{'name': 'A_'}], 'imagePullSecrets': [{'name': ''}]}", NULL,
     NULL, ""},
};

static const struct row quota[] = {
    {"quota",
     "{'spec': {'hard': {'pods': '-1', 'cpu': '1', 'x': '1', 'requests.storage': "
     "'1500m', 'services': '1500m', 'count/a.b': '1.5', 'a b/c': '1'}}}",
     NULL, NULL,
     "spec.hard[a b/c]: Invalid value: \"a b/c\": prefix part {subdomain}\n"
     "spec.hard[count/a.b]: Invalid value: \"1500m\": must be an integer\n"
     "spec.hard[pods]: Invalid value: \"-1\": must be greater than or equal to 0\n"
     "spec.hard[services]: Invalid value: \"1500m\": must be an integer\n"
     "spec.hard[x]: Invalid value: \"x\": must be a standard resource type or fully "
     "qualified\n"
     "spec.hard[x]: Invalid value: \"x\": must be a standard resource for quota\n"},
    {"quota", "{'spec': {'scopes': ['x', 'Terminating', 'NotTerminating']}}", NULL, NULL,
     "spec.scopes: Invalid value: [\"x\",\"Terminating\",\"NotTerminating\"]: "
     "unsupported scope\n"
     "spec.scopes: Invalid value: [\"x\",\"Terminating\",\"NotTerminating\"]: "
     "conflicting scopes\n"},
    {"quota", "{'spec': {'scopes': ['BestEffort', 'NotBestEffort']}}", NULL, NULL,
     "spec.scopes: Invalid value: [\"BestEffort\",\"NotBestEffort\"]: conflicting "
     "scopes\n"},
    {"quota", "{'spec': {'scopes': ['BestEffort'], 'hard': {'cpu': '1'}}}", NULL, NULL,
     "spec.scopes: Invalid value: [\"BestEffort\"]: unsupported scope applied to "
     "resource\n"},
    {"quota", "{'spec': {'scopes': ['Terminating', 'Terminating']}}", NULL, NULL, ""},
    {"quota",
     "{'spec': {'scopeSelector': {'matchExpressions': [{'scopeName': 'x', 'operator': "
     "'y'}, {'scopeName': 'PriorityClass', 'operator': 'In'}, {'scopeName': "
     "'PriorityClass', 'operator': 'Exists', 'values': ['a']}, {'scopeName': "
     "'Terminating', 'operator': 'In', 'values': ['a']}, {'scopeName': "
     "'PriorityClass', 'operator': 'In', 'values': ['a b']}]}}}",
     NULL, NULL,
     "spec.scopeSelector.matchExpressions.scopeName: Invalid value: \"x\": "
     "unsupported scope\n"
     "spec.scopeSelector.matchExpressions.operator: Invalid value: \"y\": not a valid "
     "selector operator\n"
     "spec.scopeSelector.matchExpressions.values: Required value: must be at least "
     "one value when `operator` is 'In' or 'NotIn' for scope selector\n"
     "spec.scopeSelector.matchExpressions.values: Invalid value: [\"a\"]: must be no "
     "value when `operator` is 'Exist' or 'DoesNotExist' for scope selector\n"
     "spec.scopeSelector.matchExpressions.operator: Invalid value: \"In\": must be "
     "'Exists' when scope is any of ResourceQuotaScopeTerminating, "
     "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
     "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity\n"},
    {"quota",
     "{'spec': {'hard': {'gold.storageclass.storage.k8s.io/requests.storage': '1', "
     "'requests.example.com/x': '1500m', 'requests.ephemeral-storage': '1', "
     "'limits.cpu': '1m', 'hugepages-2Mi': '1', 'requests.hugepages-2Mi': '1'}}}",
     NULL, NULL, ""},
    {"quota", "{}", "{'spec': {'scopes': ['BestEffort']}}", NULL,
     "spec.scopes: Invalid value: [\"BestEffort\"]: field is immutable\n"},
    {"quota", "{}", "{'status': {'hard': {'x': '1'}, 'used': {'pods': '-1'}}}", "status",
     "status.hard[x]: Invalid value: \"x\": must be a standard resource type or fully "
     "qualified\n"
     "status.hard[x]: Invalid value: \"x\": must be a standard resource for quota\n"
     "status.used[pods]: Invalid value: \"-1\": must be greater than or equal to 0\n"},
};

static const struct row limitrange[] = {
    {"limitrange", "{'spec': {'limits': [{'type': ''}]}}", NULL, NULL,
     "spec.limits[0].type: Required value\n"
     "spec.limits[0].type: Invalid value: \"\": name part must be non-empty\n"
     "spec.limits[0].type: Invalid value: \"\": {qualified}\n"},
    {"limitrange", "{'spec': {'limits': [{'type': 'x'}]}}", NULL, NULL,
     "spec.limits[0].type: Invalid value: \"x\": must be a standard limit type or "
     "fully qualified\n"},
    {"limitrange",
     "{'spec': {'limits': [{'type': 'Container', 'max': {'cpu': '1'}, 'min': {'cpu': "
     "'2'}}, {'type': 'Container', 'max': {'cpu': '1'}}]}}",
     NULL, NULL,
     "spec.limits[0].min[cpu]: Invalid value: \"2\": min value 2 is greater than max "
     "value 1\n"
     "spec.limits[0].defaultRequest[cpu]: Invalid value: \"1\": min value 2 is "
     "greater than default request value 1\n"
     "spec.limits[0].default[cpu]: Invalid value: \"2\": min value 2 is greater than "
     "default value 1\n"
     "spec.limits[1].type: Duplicate value: \"Container\"\n"},
    {"limitrange",
     "{'spec': {'limits': [{'type': 'Pod', 'default': {'cpu': '1'}, 'defaultRequest': "
     "{'cpu': '1'}}]}}",
     NULL, NULL,
     "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'\n"
     "spec.limits[0].defaultRequest: Forbidden: may not be specified when `type` is "
     "'Pod'\n"},
    {"limitrange", "{'spec': {'limits': [{'type': 'PersistentVolumeClaim'}]}}", NULL, NULL,
     "spec.limits[0].limits: Required value: either minimum or maximum storage value "
     "is required, but neither was provided\n"},
    {"limitrange",
     "{'spec': {'limits': [{'type': 'Container', 'default': {'cpu': '3', 'memory': "
     "'1'}, 'defaultRequest': {'cpu': '4', 'memory': '2'}, 'max': {'cpu': '2'}, "
     "'min': {'cpu': '5'}}]}}",
     NULL, NULL,
     "spec.limits[0].min[cpu]: Invalid value: \"5\": min value 5 is greater than max "
     "value 2\n"
     "spec.limits[0].defaultRequest[cpu]: Invalid value: \"4\": min value 5 is "
     "greater than default request value 4\n"
     "spec.limits[0].defaultRequest[cpu]: Invalid value: \"4\": default request value "
     "4 is greater than max value 2\n"
     "spec.limits[0].defaultRequest[cpu]: Invalid value: \"4\": default request value "
     "4 is greater than default limit value 3\n"
     "spec.limits[0].default[cpu]: Invalid value: \"5\": min value 5 is greater than "
     "default value 3\n"
     "spec.limits[0].default[cpu]: Invalid value: \"2\": default value 3 is greater "
     "than max value 2\n"
     "spec.limits[0].defaultRequest[memory]: Invalid value: \"2\": default request "
     "value 2 is greater than default limit value 1\n"},
    {"limitrange",
     "{'spec': {'limits': [{'type': 'Container', 'maxLimitRequestRatio': {'cpu': "
     "'500m', 'memory': '3'}, 'max': {'memory': '2'}, 'min': {'memory': '1'}}]}}",
     NULL, NULL,
     "spec.limits[0].maxLimitRequestRatio[memory]: Invalid value: \"3\": ratio 3 is "
     "greater than max/min = 2.000000\n"
     "spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: \"500m\": ratio 500m "
     "is less than 1\n"},
    {"limitrange", "{'spec': {'limits': [{'type': 'Container', 'max': {'x': '1'}}]}}", NULL, NULL,
     "spec.limits[0].max[x]: Invalid value: \"x\": must be a standard resource type "
     "or fully qualified\n"
     "spec.limits[0].max[x]: Invalid value: \"x\": must be a standard resource for "
     "containers\n"
     "spec.limits[0].default[x]: Invalid value: \"x\": must be a standard resource "
     "type or fully qualified\n"
     "spec.limits[0].default[x]: Invalid value: \"x\": must be a standard resource "
     "for containers\n"
     "spec.limits[0].defaultRequest[x]: Invalid value: \"x\": must be a standard "
     "resource type or fully qualified\n"
     "spec.limits[0].defaultRequest[x]: Invalid value: \"x\": must be a standard "
     "resource for containers\n"},
    {"limitrange",
     "{'spec': {'limits': [{'type': 'Container', 'max': {'example.com/x': '2'}, "
     "'default': {'example.com/x': '1'}}]}}",
     NULL, NULL, ""},
    {"limitrange", "{'metadata': {'name': 'A_'}}", NULL, NULL,
     "metadata.name: Invalid value: \"A_\": {subdomain}\n"},
};

static const struct row event[] = {
    {"event", "{'involvedObject': {'namespace': 'other'}}", NULL, NULL,
     "involvedObject.namespace: Invalid value: \"other\": does not match "
     "event.namespace\n"},
    {"event", "{'involvedObject': {'kind': 'Node', 'namespace': ''}}", NULL, NULL, ""},
    {"event", "{'eventTime': '2026-01-01T00:00:00.000000Z'}", NULL, NULL,
     "reportingComponent: Required value\n"
     "reportingComponent: Invalid value: \"\": name part must be non-empty\n"
     "reportingComponent: Invalid value: \"\": {qualified}\n"
     "reportingInstance: Required value\n"
     "action: Required value\n"},
    {"event",
     "{'eventTime': '2026-01-01T00:00:00.000000Z', 'reportingComponent': 'a b', "
     "'reportingInstance': "
     "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', 'action': "
     "'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
     "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy', 'reason': "
     "'zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
     "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz', 'message': "
     "'mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"
     "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"
     "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"
     "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"
     "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"
     "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"
     "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"
     "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"
     "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"
     "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"
     "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"
     "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"
     "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm'}",
     NULL, NULL,
     "reportingComponent: Invalid value: \"a b\": {qualified}\n"
     "reportingInstance: Invalid value: \"\": can have at most 128 characters\n"
     "action: Invalid value: \"\": can have at most 128 characters\n"
     "reason: Invalid value: \"\": can have at most 128 characters\n"
     "message: Invalid value: \"\": can have at most 1024 characters\n"},
    {"event",
     "{'eventTime': '2026-01-01T00:00:00.000000Z', 'reportingComponent': 'a/b', "
     "'reportingInstance': 'i', 'action': 'a', 'type': 'x', 'series': {'count': 1}}",
     NULL, NULL, ""},
    {"event", "{'series': {'count': 1, 'lastObservedTime': null}}", NULL, NULL, ""},
    {"newevent",
     "{'reportingController': '', 'reportingInstance': '', 'action': '', 'reason': "
     "'', 'type': 'x'}",
     NULL, NULL,
     "reportingController: Required value\n"
     "reportingController: Invalid value: \"\": name part must be non-empty\n"
     "reportingController: Invalid value: \"\": {qualified}\n"
     "reportingInstance: Required value\n"
     "action: Required value\n"
     "reason: Required value\n"
     "type: Invalid value: \"\": has invalid value: x\n"},
    {"newevent", "{'eventTime': null}", NULL, NULL, "eventTime: Required value\n"},
    {"newevent",
     "{'deprecatedCount': 5, 'deprecatedSource': {'component': 'x'}, "
     "'deprecatedFirstTimestamp': '2026-01-01T00:00:00Z', 'deprecatedLastTimestamp': "
     "'2026-01-01T00:00:00Z'}",
     NULL, NULL,
     "firstTimestamp: Invalid value: \"\": needs to be unset\n"
     "lastTimestamp: Invalid value: \"\": needs to be unset\n"
     "count: Invalid value: \"\": needs to be unset\n"
     "source: Invalid value: \"\": needs to be unset\n"},
    {"newevent", "{'series': {'count': 1, 'lastObservedTime': null}}", NULL, NULL,
     "series.count: Invalid value: \"\": should be at least 2\n"
     "series.lastObservedTime: Required value\n"},
    {"newevent", "{'regarding': {'namespace': 'other'}}", NULL, NULL, ""},
    {"newevent", "{}",
     "{'reason': 'other', 'action': 'b', 'type': 'Warning', 'reportingController': "
     "'x.y/z', 'note': 'n'}",
     NULL,
     "reason: Invalid value: \"other\": field is immutable\n"
     "message: Invalid value: \"n\": field is immutable\n"
     "reason: Invalid value: \"other\": field is immutable\n"
     "type: Invalid value: \"Warning\": field is immutable\n"
     "action: Invalid value: \"b\": field is immutable\n"
     "reportingController: Invalid value: \"x.y/z\": field is immutable\n"},
    {"newevent", "{}",
     "{'series': {'count': 2, 'lastObservedTime': '2026-01-01T00:00:01.000000Z'}}", NULL, ""},
    {"newevent", "{}", "{'eventTime': '2027-01-01T00:00:00.000000Z', 'related': {'kind': 'x'}}",
     NULL,
     "eventTime: Invalid value: \"2027-01-01T00:00:00.000000Z\": field is immutable\n"
     "related: Invalid value: "
     "{\"Kind\":\"x\",\"Namespace\":\"\",\"Name\":\"\",\"UID\":\"\",\"APIVersion\":"
     "\"\",\"ResourceVersion\":\"\",\"FieldPath\":\"\"}: field is immutable\n"},
};

#define CLAIM(table_, name_)                                                                       \
    TEST(table_, name_)                                                                            \
    {                                                                                              \
        rows_check(kinds, ARRAY_LEN(kinds), table_, ARRAY_LEN(table_));                            \
    }
CLAIM(rc, tells_all_that_is_wrong_in_order)
CLAIM(template, tells_all_that_is_wrong_in_order)
CLAIM(endpoints, tells_all_that_is_wrong_in_order)
CLAIM(node, tells_all_that_is_wrong_in_order)
CLAIM(namespace, tells_all_that_is_wrong_in_order)
CLAIM(configmap, tells_all_that_is_wrong_in_order)
CLAIM(secret, tells_all_that_is_wrong_in_order)
CLAIM(serviceaccount, tells_all_that_is_wrong_in_order)
CLAIM(quota, tells_all_that_is_wrong_in_order)
CLAIM(limitrange, tells_all_that_is_wrong_in_order)
CLAIM(event, tells_all_that_is_wrong_in_order)

TEST_MAIN
