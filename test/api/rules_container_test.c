/* rules_container_test.c - what is wrong with containers and their probes.
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

static const struct row containers[] = {
    {"pod", "{'spec': {'containers': []}}", NULL, NULL, "spec.containers: Required value\n"},
    {"pod", "{'spec': {'containers': [{}]}}", NULL, NULL,
     "spec.containers[0].name: Required value\n"
     "spec.containers[0].image: Required value\n"},
    {"pod", "{'spec': {'containers': [{'name': 'A_b', 'image': ' i'}]}}", NULL, NULL,
     "spec.containers[0].name: Invalid value: \"A_b\": {label}\n"
     "spec.containers[0].image: Invalid value: \" i\": must not have leading or "
     "trailing whitespace\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i'}, {'name': 'c', 'image': "
     "'i'}]}}",
     NULL, NULL, "spec.containers[1].name: Duplicate value: \"c\"\n"},
    {"pod", "{'spec': {'containers': [{'name': 'c', 'image': 'i '}]}}", NULL, NULL,
     "spec.containers[0].image: Invalid value: \"i \": must not have leading or "
     "trailing whitespace\n"},
    {"pod", "{'spec': {'initContainers': [{'name': 'c', 'image': 'i'}]}}", NULL, NULL,
     "spec.initContainers[0].name: Duplicate value: \"c\"\n"},
    {"pod",
     "{'spec': {'initContainers': [{'name': 'a', 'image': 'i', 'readinessProbe': "
     "{'exec': {'command': ['x']}}, 'lifecycle': {'preStop': {'exec': {'command': "
     "['x']}}}}]}}",
     NULL, NULL,
     "spec.initContainers[0].lifecycle: Forbidden: may not be set for init containers "
     "without restartPolicy=Always\n"
     "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init "
     "containers without restartPolicy=Always\n"},
    {"pod",
     "{'spec': {'initContainers': [{'name': 'a', 'image': 'i', 'restartPolicy': "
     "'Never', 'livenessProbe': {'exec': {'command': ['x']}}, 'startupProbe': "
     "{'exec': {'command': ['x']}}}]}}",
     NULL, NULL,
     "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init "
     "containers without restartPolicy=Always\n"
     "spec.initContainers[0].startupProbe: Forbidden: may not be set for init "
     "containers without restartPolicy=Always\n"},
    {"pod",
     "{'spec': {'initContainers': [{'name': 'a', 'image': 'i', 'restartPolicy': "
     "'Always', 'livenessProbe': {'exec': {'command': ['x']}, 'successThreshold': "
     "2}}]}}",
     NULL, NULL,
     "spec.initContainers[0].livenessProbe.successThreshold: Invalid value: 2: must "
     "be 1\n"},
    {"pod", "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'imagePullPolicy': 'x'}]}}", NULL,
     NULL,
     "spec.containers[0].imagePullPolicy: Unsupported value: \"x\": supported values: "
     "\"Always\", \"IfNotPresent\", \"Never\"\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', "
     "'terminationMessagePolicy': 'x'}]}}",
     NULL, NULL,
     "spec.containers[0].terminationMessagePolicy: Unsupported value: \"x\": "
     "supported values: \"File\", \"FallbackToLogsOnError\"\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'restartPolicy': "
     "'Maybe'}]}}",
     NULL, NULL,
     "spec.containers[0].restartPolicy: Unsupported value: \"Maybe\": supported "
     "values: \"Always\", \"Never\", \"OnFailure\"\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'restartPolicyRules': "
     "[{'action': 'Restart', 'exitCodes': {'operator': 'In', 'values': [1]}}]}]}}",
     NULL, NULL,
     "spec.containers[0].restartPolicy: Required value: must specify restartPolicy "
     "when restart rules are used\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'restartPolicy': 'Never', "
     "'restartPolicyRules': [{'action': 'Stop', 'exitCodes': {'operator': 'Exists', "
     "'values': []}}, {}]}]}}",
     NULL, NULL,
     "spec.containers[0].restartPolicyRules[0].action: Unsupported value: \"Stop\": "
     "supported values: \"Restart\", \"RestartAllContainers\"\n"
     "spec.containers[0].restartPolicyRules[0].exitCodes.operator: Unsupported value: "
     "\"Exists\": supported values: \"In\", \"NotIn\"\n"
     "spec.containers[0].restartPolicyRules[1].action: Required value\n"
     "spec.containers[0].restartPolicyRules[1].exitCodes: Required value: must be "
     "specified\n"},
    {"pod", "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'ports': [{}]}]}}", NULL, NULL,
     "spec.containers[0].ports[0].containerPort: Required value\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'ports': "
     "[{'containerPort': 70000, 'hostPort': -1, 'protocol': 'x', 'name': 'A'}]}]}}",
     NULL, NULL,
     "spec.containers[0].ports[0].name: Invalid value: \"A\": must contain only "
     "alpha-numeric characters (a-z, 0-9), and hyphens (-)\n"
     "spec.containers[0].ports[0].name: Invalid value: \"A\": must contain at least "
     "one letter (a-z)\n"
     "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be "
     "between 1 and 65535, inclusive\n"
     "spec.containers[0].ports[0].hostPort: Invalid value: -1: must be between 1 and "
     "65535, inclusive\n"
     "spec.containers[0].ports[0].protocol: Unsupported value: \"x\": supported "
     "values: \"SCTP\", \"TCP\", \"UDP\"\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'ports': "
     "[{'containerPort': 1, 'name': 'a'}, {'containerPort': 2, 'name': 'a'}]}]}}",
     NULL, NULL, "spec.containers[0].ports[1].name: Duplicate value: \"a\"\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'ports': "
     "[{'containerPort': 1, 'name': 'a--b'}, {'containerPort': 2, 'name': '1'}, "
     "{'containerPort': 3, 'name': 'aaaaaaaaaaaaaaaa'}, {'containerPort': 4, 'name': "
     "'-a'}]}]}}",
     NULL, NULL,
     "spec.containers[0].ports[0].name: Invalid value: \"a--b\": must not contain "
     "consecutive hyphens\n"
     "spec.containers[0].ports[1].name: Invalid value: \"1\": must contain at least "
     "one letter (a-z)\n"
     "spec.containers[0].ports[2].name: Invalid value: \"aaaaaaaaaaaaaaaa\": must be "
     "no more than 15 characters\n"
     "spec.containers[0].ports[3].name: Invalid value: \"-a\": must not begin or end "
     "with a hyphen\n"},
    {"pod",
     "{'spec': {'hostNetwork': true, 'containers': [{'name': 'c', 'image': 'i', "
     "'ports': [{'containerPort': 80, 'hostPort': 81}]}]}}",
     NULL, NULL,
     "spec.containers[0].ports[0].hostPort: Invalid value: 81: must match "
     "`containerPort` when `hostNetwork` is true\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'ports': "
     "[{'containerPort': 80, 'hostPort': 80, 'hostIP': 'x'}]}]}}",
     NULL, NULL, ""},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'ports': "
     "[{'containerPort': 80, 'hostPort': 80}]}, {'name': 'd', 'image': 'i', 'ports': "
     "[{'containerPort': 81, 'hostPort': 80}]}]}}",
     NULL, NULL, "spec.containers[1].ports[0].hostPort: Duplicate value: \"TCP//80\"\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'env': [{'name': ''}, "
     "{'name': 'a=b'}, {'name': 'ok', 'value': 'x', 'valueFrom': {'fieldRef': "
     "{'fieldPath': 'metadata.name'}}}]}]}}",
     NULL, NULL,
     "spec.containers[0].env[0].name: Required value\n"
     "spec.containers[0].env[1].name: Invalid value: \"a=b\": a valid environment "
     "variable name must consist only of printable ASCII characters other than '='\n"
     "spec.containers[0].env[2].valueFrom: Invalid value: \"\": may not be specified "
     "when `value` is not empty\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'env': [{'name': 'a', "
     "'valueFrom': {}}, {'name': 'b', 'valueFrom': {'fieldRef': {'fieldPath': "
     "'status.phase', 'apiVersion': 'v2'}}}, {'name': 'c', 'valueFrom': {'fieldRef': "
     "{'fieldPath': 'metadata.foo'}}}, {'name': 'd', 'valueFrom': {'fieldRef': {}}}, "
     "{'name': 'f', 'valueFrom': {'fieldRef': {'fieldPath': "
     "'metadata.annotations'}}}]}]}}",
     NULL, NULL,
     "spec.containers[0].env[0].valueFrom: Invalid value: \"\": must specify one of: "
     "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or "
     "`fileKeyRef`\n"
     "spec.containers[0].env[1].valueFrom.fieldRef.fieldPath: Invalid value: "
     "\"status.phase\": error converting fieldPath: unsupported pod version: v2\n"
     "spec.containers[0].env[2].valueFrom.fieldRef.fieldPath: Invalid value: "
     "\"metadata.foo\": error converting fieldPath: field label not supported: "
     "metadata.foo\n"
     "spec.containers[0].env[3].valueFrom.fieldRef.fieldPath: Required value\n"
     "spec.containers[0].env[4].valueFrom.fieldRef.fieldPath: Unsupported value: "
     "\"metadata.annotations\": supported values: \"metadata.name\", "
     "\"metadata.namespace\", \"metadata.uid\", \"spec.nodeName\", "
     "\"spec.serviceAccountName\", \"status.hostIP\", \"status.hostIPs\", "
     "\"status.podIP\", \"status.podIPs\"\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'env': [{'name': 'a', "
     "'valueFrom': {'resourceFieldRef': {'resource': 'limits.x'}}}, {'name': 'b', "
     "'valueFrom': {'resourceFieldRef': {'resource': ''}}}, {'name': 'c', "
     "'valueFrom': {'resourceFieldRef': {'resource': 'limits.cpu', 'divisor': '3'}}}, "
     "{'name': 'd', 'valueFrom': {'resourceFieldRef': {'resource': 'limits.memory', "
     "'divisor': '3'}}}]}]}}",
     NULL, NULL,
     "spec.containers[0].env[0].valueFrom.resourceFieldRef.resource: Unsupported "
     "value: \"limits.x\": supported values: \"limits.cpu\", "
     "\"limits.ephemeral-storage\", \"limits.memory\", \"requests.cpu\", "
     "\"requests.ephemeral-storage\", \"requests.memory\"\n"
     "spec.containers[0].env[1].valueFrom.resourceFieldRef.resource: Required value\n"
     "spec.containers[0].env[2].valueFrom.resourceFieldRef.divisor: Invalid value: "
     "\"limits.cpu\": only divisor's values 1m and 1 are supported with the cpu "
     "resource\n"
     "spec.containers[0].env[3].valueFrom.resourceFieldRef.divisor: Invalid value: "
     "\"limits.memory\": only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, "
     "1Gi, 1Ti, 1Pi, 1Ei are supported with the memory resource\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'env': [{'name': 'a', "
     "'valueFrom': {'configMapKeyRef': {'key': ''}}}, {'name': 'b', 'valueFrom': "
     "{'secretKeyRef': {'name': 'A', 'key': 'a b'}}}, {'name': 'c', 'valueFrom': "
     "{'configMapKeyRef': {'name': 'a', 'key': '..'}, 'secretKeyRef': {'name': 'a', "
     "'key': 'b'}}}]}]}}",
     NULL, NULL,
     "spec.containers[0].env[0].valueFrom.configMapKeyRef.name: Invalid value: \"\": "
     "{subdomain}\n"
     "spec.containers[0].env[0].valueFrom.configMapKeyRef.key: Required value\n"
     "spec.containers[0].env[1].valueFrom.secretKeyRef.name: Invalid value: \"A\": "
     "{subdomain}\n"
     "spec.containers[0].env[1].valueFrom.secretKeyRef.key: Invalid value: \"a b\": a "
     "valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
     "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
     "'[-._a-zA-Z0-9]+')\n"
     "spec.containers[0].env[2].valueFrom.configMapKeyRef.key: Invalid value: \"..\": "
     "must not be '..'\n"
     "spec.containers[0].env[2].valueFrom: Invalid value: \"\": may not have more "
     "than one field specified at a time\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'envFrom': [{}, {'prefix': "
     "'a=', 'configMapRef': {'name': 'a'}}, {'configMapRef': {'name': ''}, "
     "'secretRef': {'name': 'A'}}]}]}}",
     NULL, NULL,
     "spec.containers[0].envFrom: Invalid value: \"\": must specify one of: "
     "`configMapRef` or `secretRef`\n"
     "spec.containers[0].envFrom[1].prefix: Invalid value: \"a=\": a valid "
     "environment variable name must consist only of printable ASCII characters other "
     "than '='\n"
     "spec.containers[0].envFrom[2].configMapRef.name: Required value\n"
     "spec.containers[0].envFrom[2].secretRef.name: Invalid value: \"A\": "
     "{subdomain}\n"
     "spec.containers[0].envFrom: Invalid value: \"\": may not have more than one "
     "field specified at a time\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'resources': {'requests': "
     "{'cpu': '2'}, 'limits': {'cpu': '1'}}}]}}",
     NULL, NULL,
     "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than "
     "or equal to cpu limit of 1\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'resources': {'requests': "
     "{'cpu': '-1', 'x': '1'}, 'limits': {'memory': '-1'}}}]}}",
     NULL, NULL,
     "spec.containers[0].resources.limits[memory]: Invalid value: \"-1\": must be "
     "greater than or equal to 0\n"
     "spec.containers[0].resources.requests[cpu]: Invalid value: \"-1\": must be "
     "greater than or equal to 0\n"
     "spec.containers[0].resources.requests[memory]: Invalid value: \"-1\": must be "
     "greater than or equal to 0\n"
     "spec.containers[0].resources.requests[x]: Invalid value: \"x\": must be a "
     "standard resource type or fully qualified\n"
     "spec.containers[0].resources.requests[x]: Invalid value: \"x\": must be a "
     "standard resource for containers\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'resources': {'requests': "
     "{'example.com/a': '1'}}}]}}",
     NULL, NULL,
     "spec.containers[0].resources.limits: Required value: Limit must be set for non "
     "overcommitable resources\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'resources': {'limits': "
     "{'example.com/a': '1500m'}}}]}}",
     NULL, NULL,
     "spec.containers[0].resources.limits[example.com/a]: Invalid value: \"1500m\": "
     "must be an integer\n"
     "spec.containers[0].resources.requests[example.com/a]: Invalid value: \"1500m\": "
     "must be an integer\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'resources': {'requests': "
     "{'hugepages-2Mi': '2Mi'}}}]}}",
     NULL, NULL,
     "spec.containers[0].resources.limits: Required value: Limit must be set for non "
     "overcommitable resources\n"
     "spec.containers[0].resources: Forbidden: HugePages require cpu or memory\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'resources': {'limits': "
     "{'hugepages-2Mi': '2Mi'}}}]}}",
     NULL, NULL, "spec.containers[0].resources: Forbidden: HugePages require cpu or memory\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'resources': {'limits': "
     "{'hugepages-2Mi': '3Mi', 'cpu': '1'}}}]}}",
     NULL, NULL,
     "spec.containers[0].resources.limits[hugepages-2Mi]: Invalid value: \"3Mi\": 3Mi "
     "is not positive integer multiple of hugepages-2Mi\n"
     "spec.containers[0].resources.requests[hugepages-2Mi]: Invalid value: \"3Mi\": "
     "3Mi is not positive integer multiple of hugepages-2Mi\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'resources': {'limits': "
     "{'hugepages-x': '3Mi', 'cpu': '1'}}}]}}",
     NULL, NULL,
     "spec.containers[0].resources.limits[hugepages-x]: Invalid value: \"3Mi\": 3Mi "
     "is not positive integer multiple of hugepages-x\n"
     "spec.containers[0].resources.requests[hugepages-x]: Invalid value: \"3Mi\": 3Mi "
     "is not positive integer multiple of hugepages-x\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'resources': {'limits': "
     "{'kubernetes.io/a': '3Mi', 'requests.b': '1'}}}]}}",
     NULL, NULL,
     "spec.containers[0].resources.limits[requests.b]: Invalid value: \"requests.b\": "
     "must be a standard resource type or fully qualified\n"
     "spec.containers[0].resources.limits[requests.b]: Invalid value: \"requests.b\": "
     "must be a standard resource for containers\n"
     "spec.containers[0].resources.requests[requests.b]: Invalid value: "
     "\"requests.b\": must be a standard resource type or fully qualified\n"
     "spec.containers[0].resources.requests[requests.b]: Invalid value: "
     "\"requests.b\": must be a standard resource for containers\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'resources': {'limits': "
     "{'a b/c': '1', 'a/b/c': '1'}}}]}}",
     NULL, NULL,
     "spec.containers[0].resources.limits[a b/c]: Invalid value: \"a b/c\": prefix "
     "part {subdomain}\n"
     "spec.containers[0].resources.limits[a b/c]: Invalid value: \"a b/c\": doesn't "
     "follow extended resource name standard\n"
     "spec.containers[0].resources.limits[a/b/c]: Invalid value: \"a/b/c\": a valid "
     "label key must consist of alphanumeric characters, '-', '_' or '.', and must "
     "start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or "
     "'123-abc', regex used for validation is "
     "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain "
     "prefix and '/' (e.g. 'example.com/MyName')\n"
     "spec.containers[0].resources.limits[a/b/c]: Invalid value: \"a/b/c\": doesn't "
     "follow extended resource name standard\n"
     "spec.containers[0].resources.requests[a b/c]: Invalid value: \"a b/c\": prefix "
     "part {subdomain}\n"
     "spec.containers[0].resources.requests[a b/c]: Invalid value: \"a b/c\": doesn't "
     "follow extended resource name standard\n"
     "spec.containers[0].resources.requests[a/b/c]: Invalid value: \"a/b/c\": a valid "
     "label key must consist of alphanumeric characters, '-', '_' or '.', and must "
     "start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or "
     "'123-abc', regex used for validation is "
     "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain "
     "prefix and '/' (e.g. 'example.com/MyName')\n"
     "spec.containers[0].resources.requests[a/b/c]: Invalid value: \"a/b/c\": doesn't "
     "follow extended resource name standard\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'resources': {'claims': "
     "[{'name': 'x'}, {'name': ''}, {'name': 'x'}]}}]}}",
     NULL, NULL,
     "spec.containers[0].resources.claims[0]: Not found: \"x\": must be one of the "
     "names in pod.spec.resourceClaims which is empty\n"
     "spec.containers[0].resources.claims[1]: Required value\n"
     "spec.containers[0].resources.claims[2]: Duplicate value: \"x\"\n"
     "spec.containers[0].resources.claims[2]: Not found: \"x\": must be one of the "
     "names in pod.spec.resourceClaims which is empty\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'resizePolicy': "
     "[{'resourceName': 'cpu', 'restartPolicy': 'x'}, {'resourceName': 'foo', "
     "'restartPolicy': 'NotRequired'}, {'resourceName': 'cpu', 'restartPolicy': "
     "'NotRequired'}]}]}}",
     NULL, NULL,
     "spec.containers[0].resizePolicy: Unsupported value: \"x\": supported values: "
     "\"NotRequired\", \"RestartContainer\"\n"
     "spec.containers[0].resizePolicy: Unsupported value: \"foo\": supported values: "
     "\"cpu\", \"memory\"\n"
     "spec.containers[0].resizePolicy[2]: Duplicate value: \"cpu\"\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'volumeMounts': [{'name': "
     "'nope', 'mountPath': ''}]}]}}",
     NULL, NULL,
     "spec.containers[0].volumeMounts[0].name: Not found: \"nope\"\n"
     "spec.containers[0].volumeMounts[0].mountPath: Required value\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'emptyDir': {}}], 'containers': [{'name': "
     "'c', 'image': 'i', 'volumeMounts': [{'name': 'v', 'mountPath': '/a'}, {'name': "
     "'v', 'mountPath': '/a'}]}]}}",
     NULL, NULL,
     "spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/a\": must be "
     "unique\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'emptyDir': {}}], 'containers': [{'name': "
     "'c', 'image': 'i', 'volumeMounts': [{'name': 'v', 'mountPath': '/a', 'subPath': "
     "'/x'}, {'name': 'v', 'mountPath': '/b', 'subPath': 'a/../b'}, {'name': 'v', "
     "'mountPath': '/c', 'subPath': 'a', 'subPathExpr': 'b'}, {'name': 'v', "
     "'mountPath': 'a:b'}]}]}}",
     NULL, NULL,
     "spec.containers[0].volumeMounts.subPath: Invalid value: \"/x\": must be a "
     "relative path\n"
     "spec.containers[0].volumeMounts.subPath: Invalid value: \"a/../b\": must not "
     "contain '..'\n"
     "spec.containers[0].volumeMounts[2].subPathExpr: Invalid value: \"b\": "
     "subPathExpr and subPath are mutually exclusive\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'emptyDir': {}}], 'containers': [{'name': "
     "'c', 'image': 'i', 'volumeMounts': [{'name': 'v', 'mountPath': '/a', "
     "'mountPropagation': 'Bidirectional'}, {'name': 'v', 'mountPath': '/b', "
     "'mountPropagation': 'x'}, {'name': 'v', 'mountPath': '/d', 'recursiveReadOnly': "
     "'Enabled'}, {'name': 'v', 'mountPath': '/e', 'readOnly': true, "
     "'recursiveReadOnly': 'x'}, {'name': 'v', 'mountPath': '/f', 'readOnly': true, "
     "'recursiveReadOnly': 'Enabled', 'mountPropagation': 'HostToContainer'}]}]}}",
     NULL, NULL,
     "spec.containers[0].volumeMounts.mountPropagation: Forbidden: Bidirectional "
     "mount propagation is available only to privileged containers\n"
     "spec.containers[0].volumeMounts.mountPropagation: Unsupported value: \"x\": "
     "supported values: \"Bidirectional\", \"HostToContainer\", \"None\"\n"
     "spec.containers[0].volumeMounts.recursiveReadOnly: Forbidden: may only be "
     "specified when readOnly is true\n"
     "spec.containers[0].volumeMounts.recursiveReadOnly: Unsupported value: \"x\": "
     "supported values: \"Disabled\", \"Enabled\", \"IfPossible\"\n"
     "spec.containers[0].volumeMounts.recursiveReadOnly: Forbidden: may only be "
     "specified when mountPropagation is None or not specified\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'volumeDevices': [{'name': "
     "'nope', 'devicePath': ''}]}]}}",
     NULL, NULL,
     "spec.containers[0].volumeDevices[0].name: Not found: \"nope\"\n"
     "spec.containers[0].volumeDevices[0].devicePath: Required value\n"},
    {"pod",
     "{'spec': {'volumes': [{'name': 'v', 'persistentVolumeClaim': {'claimName': "
     "'a'}}, {'name': 'e', 'emptyDir': {}}], 'containers': [{'name': 'c', 'image': "
     "'i', 'volumeMounts': [{'name': 'v', 'mountPath': '/a'}], 'volumeDevices': "
     "[{'name': 'v', 'devicePath': '/a'}, {'name': 'e', 'devicePath': '/b/../c'}]}]}}",
     NULL, NULL,
     "spec.containers[0].volumeMounts[0].name: Invalid value: \"v\": must not already "
     "exist in volumeDevices\n"
     "spec.containers[0].volumeMounts[0].mountPath: Invalid value: \"/a\": must not "
     "already exist as a path in volumeDevices\n"
     "spec.containers[0].volumeDevices[0].name: Invalid value: \"v\": must not "
     "already exist in volumeMounts\n"
     "spec.containers[0].volumeDevices[0].devicePath: Invalid value: \"/a\": must not "
     "already exist as a path in volumeMounts\n"
     "spec.containers[0].volumeDevices[1].name: Invalid value: \"e\": can only use "
     "volume source type of PersistentVolumeClaim or Ephemeral for block mode\n"
     "spec.containers[0].volumeDevices[1].devicePath: Invalid value: \"/b/../c\": can "
     "not contain backsteps ('..')\n"},
};

static const struct row probes[] = {
    {"pod", "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'livenessProbe': {}}]}}", NULL,
     NULL, "spec.containers[0].livenessProbe: Required value: must specify a handler type\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'livenessProbe': {'exec': "
     "{'command': []}, 'httpGet': {'port': 80}}}]}}",
     NULL, NULL,
     "spec.containers[0].livenessProbe.exec.command: Required value\n"
     "spec.containers[0].livenessProbe.httpGet: Forbidden: may not specify more than "
     "1 handler type\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'livenessProbe': {'exec': "
     "{'command': ['a']}, 'initialDelaySeconds': -1, 'timeoutSeconds': -1, "
     "'periodSeconds': -1, 'successThreshold': -1, 'failureThreshold': -1}}]}}",
     NULL, NULL,
     "spec.containers[0].livenessProbe.initialDelaySeconds: Invalid value: -1: must "
     "be greater than or equal to 0\n"
     "spec.containers[0].livenessProbe.timeoutSeconds: Invalid value: -1: must be "
     "greater than or equal to 0\n"
     "spec.containers[0].livenessProbe.periodSeconds: Invalid value: -1: must be "
     "greater than or equal to 0\n"
     "spec.containers[0].livenessProbe.successThreshold: Invalid value: -1: must be "
     "greater than or equal to 0\n"
     "spec.containers[0].livenessProbe.failureThreshold: Invalid value: -1: must be "
     "greater than or equal to 0\n"
     "spec.containers[0].livenessProbe.successThreshold: Invalid value: -1: must be "
     "1\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'livenessProbe': {'exec': "
     "{'command': ['a']}, 'successThreshold': 2}}]}}",
     NULL, NULL,
     "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'startupProbe': {'exec': "
     "{'command': ['a']}, 'successThreshold': 2, 'terminationGracePeriodSeconds': "
     "0}}]}}",
     NULL, NULL,
     "spec.containers[0].startupProbe.terminationGracePeriodSeconds: Invalid value: "
     "0: must be greater than 0\n"
     "spec.containers[0].startupProbe.successThreshold: Invalid value: 2: must be 1\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'readinessProbe': "
     "{'httpGet': {'path': '', 'port': 0, 'scheme': 'x', 'httpHeaders': [{'name': 'a "
     "b', 'value': 'x'}]}, 'terminationGracePeriodSeconds': 5}}]}}",
     NULL, NULL,
     "spec.containers[0].readinessProbe.httpGet.port: Invalid value: 0: must be "
     "between 1 and 65535, inclusive\n"
     "spec.containers[0].readinessProbe.httpGet.scheme: Unsupported value: \"x\": "
     "supported values: \"HTTP\", \"HTTPS\"\n"
     "spec.containers[0].readinessProbe.httpGet.httpHeaders: Invalid value: \"a b\": "
     "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. "
     "'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')\n"
     "spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: "
     "5: must not be set for readinessProbes\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'readinessProbe': "
     "{'tcpSocket': {'port': 'A'}}}]}}",
     NULL, NULL,
     "spec.containers[0].readinessProbe.tcpSocket.port: Invalid value: \"A\": must "
     "contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)\n"
     "spec.containers[0].readinessProbe.tcpSocket.port: Invalid value: \"A\": must "
     "contain at least one letter (a-z)\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'readinessProbe': {'grpc': "
     "{'port': 0}}}]}}",
     NULL, NULL,
     "spec.containers[0].readinessProbe.grpc.port: Invalid value: 0: must be between "
     "1 and 65535, inclusive\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'lifecycle': {'postStart': "
     "{}, 'preStop': {'sleep': {'seconds': 100}}}}]}}",
     NULL, NULL,
     "spec.containers[0].lifecycle.postStart: Required value: must specify a handler "
     "type\n"
     "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 100: must be "
     "non-negative and less than terminationGracePeriodSeconds (30)\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'lifecycle': {'postStart': "
     "{'sleep': {'seconds': -1}}, 'preStop': {'exec': {'command': ['a']}, "
     "'tcpSocket': {'port': 80}}}}]}}",
     NULL, NULL,
     "spec.containers[0].lifecycle.postStart.sleep: Invalid value: -1: must be "
     "non-negative and less than terminationGracePeriodSeconds (30)\n"
     "spec.containers[0].lifecycle.preStop.tcpSocket: Forbidden: may not specify more "
     "than 1 handler type\n"},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'lifecycle': "
     "{'stopSignal': 'SIGX'}}]}}",
     NULL, NULL, ""},
    {"pod",
     "{'spec': {'containers': [{'name': 'c', 'image': 'i', 'lifecycle': "
     "{'stopSignal': 'SIGTERM'}}]}}",
     NULL, NULL, ""},
};

#define CLAIM(table_, name_)                                                                       \
    TEST(table_, name_)                                                                            \
    {                                                                                              \
        rows_check(kinds, ARRAY_LEN(kinds), table_, ARRAY_LEN(table_));                            \
    }
CLAIM(containers, tells_all_that_is_wrong_in_order)
CLAIM(probes, tells_all_that_is_wrong_in_order)

TEST_MAIN
