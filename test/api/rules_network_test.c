/* rules_network_test.c - what is wrong with objects of networking, discovery, access and storage.
 *
 * Expected texts: the sources that src/api/validation names, read beside these rows. */
#include "test/api/rows.h"

static const struct kind_row kinds[] = {
    {"role", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles",
     "{'apiVersion':'rbac.authorization.k8s.io/v1', 'kind':'Role', "
     "'metadata':{'name':'x'}, 'rules':[]}"},
    {"clusterrole", "/apis/rbac.authorization.k8s.io/v1/clusterroles",
     "{'apiVersion':'rbac.authorization.k8s.io/v1', 'kind':'ClusterRole', "
     "'metadata':{'name':'x'}, 'rules':[]}"},
    {"rolebinding", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings",
     "{'apiVersion':'rbac.authorization.k8s.io/v1', 'kind':'RoleBinding', "
     "'metadata':{'name':'x'}, 'roleRef':{'apiGroup':'rbac.authorization.k8s.io', "
     "'kind':'Role', 'name':'r'}, 'subjects':[]}"},
    {"clusterrolebinding", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
     "{'apiVersion':'rbac.authorization.k8s.io/v1', 'kind':'ClusterRoleBinding', "
     "'metadata':{'name':'x'}, 'roleRef':{'apiGroup':'rbac.authorization.k8s.io', "
     "'kind':'ClusterRole', 'name':'r'}, 'subjects':[]}"},
    {"ingress", "/apis/networking.k8s.io/v1/namespaces/default/ingresses",
     "{'apiVersion':'networking.k8s.io/v1', 'kind':'Ingress', 'metadata':{'name':'x'}, "
     "'spec':{'defaultBackend':{'service':{'name':'s', 'port':{'number':80}}}}}"},
    {"ingressclass", "/apis/networking.k8s.io/v1/ingressclasses",
     "{'apiVersion':'networking.k8s.io/v1', 'kind':'IngressClass', "
     "'metadata':{'name':'x'}, 'spec':{'controller':'example.com/c'}}"},
    {"networkpolicy", "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies",
     "{'apiVersion':'networking.k8s.io/v1', 'kind':'NetworkPolicy', "
     "'metadata':{'name':'x'}, 'spec':{'podSelector':{}}}"},
    {"ipaddress", "/apis/networking.k8s.io/v1/ipaddresses",
     "{'apiVersion':'networking.k8s.io/v1', 'kind':'IPAddress', "
     "'metadata':{'name':'10.0.0.9'}, 'spec':{'parentRef':{'resource':'services', "
     "'name':'s'}}}"},
    {"servicecidr", "/apis/networking.k8s.io/v1/servicecidrs",
     "{'apiVersion':'networking.k8s.io/v1', 'kind':'ServiceCIDR', 'metadata':{'name':'x'}, "
     "'spec':{'cidrs':['10.9.0.0/24']}}"},
    {"endpointslice", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
     "{'apiVersion':'discovery.k8s.io/v1', 'kind':'EndpointSlice', "
     "'metadata':{'name':'x'}, 'addressType':'IPv4', "
     "'endpoints':[{'addresses':['192.0.2.1']}], 'ports':[]}"},
    {"storageclass", "/apis/storage.k8s.io/v1/storageclasses",
     "{'apiVersion':'storage.k8s.io/v1', 'kind':'StorageClass', 'metadata':{'name':'x'}, "
     "'provisioner':'example.com/p'}"},
    {"volumeattributesclass", "/apis/storage.k8s.io/v1/volumeattributesclasses",
     "{'apiVersion':'storage.k8s.io/v1', 'kind':'VolumeAttributesClass', "
     "'metadata':{'name':'x'}, 'driverName':'example.com', 'parameters':{'a':'b'}}"},
    {"csidriver", "/apis/storage.k8s.io/v1/csidrivers",
     "{'apiVersion':'storage.k8s.io/v1', 'kind':'CSIDriver', 'metadata':{'name':'x'}, "
     "'spec':{}}"},
    {"csinode", "/apis/storage.k8s.io/v1/csinodes",
     "{'apiVersion':'storage.k8s.io/v1', 'kind':'CSINode', 'metadata':{'name':'x'}, "
     "'spec':{'drivers':[]}}"},
    {"volumeattachment", "/apis/storage.k8s.io/v1/volumeattachments",
     "{'apiVersion':'storage.k8s.io/v1', 'kind':'VolumeAttachment', "
     "'metadata':{'name':'x'}, 'spec':{'attacher':'example.com', 'nodeName':'n', "
     "'source':{'persistentVolumeName':'pv'}}}"},
    {"csistoragecapacity", "/apis/storage.k8s.io/v1/namespaces/default/csistoragecapacities",
     "{'apiVersion':'storage.k8s.io/v1', 'kind':'CSIStorageCapacity', "
     "'metadata':{'name':'x'}, 'storageClassName':'s'}"},
    {"priorityclass", "/apis/scheduling.k8s.io/v1/priorityclasses",
     "{'apiVersion':'scheduling.k8s.io/v1', 'kind':'PriorityClass', "
     "'metadata':{'name':'x'}, 'value':5}"},
    {"runtimeclass", "/apis/node.k8s.io/v1/runtimeclasses",
     "{'apiVersion':'node.k8s.io/v1', 'kind':'RuntimeClass', 'metadata':{'name':'x'}, "
     "'handler':'h'}"},
    {"lease", "/apis/coordination.k8s.io/v1/namespaces/default/leases",
     "{'apiVersion':'coordination.k8s.io/v1', 'kind':'Lease', 'metadata':{'name':'x'}, "
     "'spec':{}}"},
};

static const struct row role[] = {
    {"role", "{'rules':[{'verbs':[], 'apiGroups':[], 'resources':[]}]}", NULL, NULL,
     "rules[0].verbs: Required value: verbs must contain at least one value\n"
     "rules[0].apiGroups: Required value: resource rules must supply at least one api "
     "group\n"
     "rules[0].resources: Required value: resource rules must supply at least one "
     "resource\n"},
    {"role", "{'rules':[{'verbs':['get'], 'nonResourceURLs':['/x'], 'resources':['pods']}]}", NULL,
     NULL,
     "rules[0].nonResourceURLs: Invalid value: [\"/x\"]: namespaced rules cannot apply to "
     "non-resource URLs\n"
     "rules[0].nonResourceURLs: Invalid value: [\"/x\"]: rules cannot apply to both "
     "regular resources and non-resource URLs\n"},
};

static const struct row clusterrole[] = {
    {"clusterrole", "{'aggregationRule':{}}", NULL, NULL,
     "aggregationRule.clusterRoleSelectors: Required value: at least one "
     "clusterRoleSelector required if aggregationRule is non-nil\n"},
    {"clusterrole",
     "{'aggregationRule':{'clusterRoleSelectors':[{'matchExpressions':[{'key':'a', "
     "'operator':'Bad'}]}]}}",
     NULL, NULL,
     "aggregationRule.clusterRoleSelectors[0].matchExpressions[0].operator: Invalid value: "
     "\"Bad\": not a valid selector operator\n"
     "aggregationRule.clusterRoleSelectors[0]: Invalid value: null: invalid label selector.\n"},
};

static const struct row rolebinding[] = {
    {"rolebinding", "{'roleRef':{'apiGroup':'x', 'kind':'y', 'name':''}}", NULL, NULL,
     "roleRef.apiGroup: Unsupported value: \"x\": supported values: "
     "\"rbac.authorization.k8s.io\"\n"
     "roleRef.kind: Unsupported value: \"y\": supported values: \"Role\", \"ClusterRole\"\n"
     "roleRef.name: Required value\n"},
    {"rolebinding",
     "{'roleRef':{'name':'..'}, 'subjects':[{'kind':'User', 'name':''}, "
     "{'kind':'ServiceAccount', 'name':'Bad_', 'apiGroup':'g'}, {'kind':'Nobody', "
     "'name':'n'}]}",
     NULL, NULL,
     "roleRef.name: Invalid value: \"..\": may not be '..'\n"
     "subjects[0].name: Required value\n"
     "subjects[1].name: Invalid value: \"Bad_\": {subdomain}\n"
     "subjects[1].apiGroup: Unsupported value: \"g\": supported values: \"\"\n"
     "subjects[2].kind: Unsupported value: \"Nobody\": supported values: "
     "\"ServiceAccount\", \"User\", \"Group\"\n"},
    {"rolebinding", "{}", "{'roleRef':{'name':'other'}}", NULL,
     "roleRef: Invalid value: "
     "{\"APIGroup\":\"rbac.authorization.k8s.io\",\"Kind\":\"Role\",\"Name\":\"other\"}: "
     "cannot change roleRef\n"},
};

static const struct row clusterrolebinding[] = {
    {"clusterrolebinding",
     "{'roleRef':{'kind':'Role'}, 'subjects':[{'kind':'ServiceAccount', 'name':'a'}, "
     "{'kind':'Group', 'name':'a', 'apiGroup':'g'}]}",
     NULL, NULL,
     "roleRef.kind: Unsupported value: \"Role\": supported values: \"ClusterRole\"\n"
     "subjects[0].namespace: Required value\n"
     "subjects[1].apiGroup: Unsupported value: \"g\": supported values: "
     "\"rbac.authorization.k8s.io\"\n"},
};

static const struct row ingress[] = {
    {"ingress", "{'spec':{'defaultBackend':null}}", NULL, NULL,
     "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified\n"},
    {"ingress",
     "{'spec':{'defaultBackend':{'service':{'name':'', 'port':{'name':'a', 'number':1}}}}}", NULL,
     NULL,
     "spec.defaultBackend.service.name: Required value\n"
     "spec.defaultBackend: Invalid value: \"\": cannot set both port name & port number\n"},
    {"ingress",
     "{'spec':{'defaultBackend':{'service':null, 'resource':{'apiGroup':'Bad_', 'kind':'', "
     "'name':'a/b'}}}}",
     NULL, NULL,
     "spec.defaultBackend.resource.apiGroup: Invalid value: \"Bad_\": {subdomain}\n"
     "spec.defaultBackend.resource.kind: Required value: kind is required\n"
     "spec.defaultBackend.resource.name: Invalid value: \"a/b\": may not contain '/'\n"},
    {"ingress",
     "{'spec':{'ingressClassName':'Bad_', 'rules':[{'host':'1.2.3.4'}, {'host':'*.*'}, "
     "{'host':'*.a.b'}]}}",
     NULL, NULL,
     "spec.rules[0].host: Invalid value: \"1.2.3.4\": must be a DNS name, not an IP "
     "address\n"
     "spec.rules[1].host: Invalid value: \"*.*\": {wildcard}\n"
     "spec.ingressClassName: Invalid value: \"Bad_\": {subdomain}\n"},
    {"ingress",
     "{'spec':{'rules':[{'http':{'paths':[{'backend':{}}, {'pathType':'Exact', "
     "'path':'a//b/..', 'backend':{'service':{'name':'s', 'port':{}}}}, {'pathType':'Bad', "
     "'backend':{'service':{'name':'s', 'port':{'name':'-'}}}}]}}]}}",
     NULL, NULL,
     "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified\n"
     "spec.rules[0].http.paths[1].path: Invalid value: \"a//b/..\": must be an absolute "
     "path\n"
     "spec.rules[0].http.paths[1].path: Invalid value: \"a//b/..\": must not contain '//'\n"
     "spec.rules[0].http.paths[1].path: Invalid value: \"a//b/..\": cannot end with '/..'\n"
     "spec.rules[0].http.paths[1].backend: Required value: port name or number is "
     "required\n"
     "spec.rules[0].http.paths[2].pathType: Unsupported value: \"Bad\": supported values: "
     "\"Exact\", \"ImplementationSpecific\", \"Prefix\"\n"
     "spec.rules[0].http.paths[2].backend.service.port.name: Invalid value: \"-\": must "
     "contain at least one letter (a-z)\n"
     "spec.rules[0].http.paths[2].backend.service.port.name: Invalid value: \"-\": must "
     "not begin or end with a hyphen\n"},
    {"ingress", "{'spec':{'tls':[{'hosts':['*.Bad', 'ok.com'], 'secretName':'Bad_'}]}}", NULL, NULL,
     "spec.tls[0].hosts[0]: Invalid value: \"*.Bad\": {wildcard}\n"
     "spec.tls[0].secretName: Invalid value: \"Bad_\": {subdomain}\n"},
    {"ingress", "{}",
     "{'status':{'loadBalancer':{'ingress':[{'ip':'x'}, {'hostname':'1.2.3.4'}, "
     "{'hostname':'Bad_'}]}}}",
     "status",
     "status.loadBalancer.ingress[0].ip: Invalid value: \"x\": must be a valid IP address, "
     "(e.g. 10.9.8.7 or 2001:db8::ffff)\n"
     "status.loadBalancer.ingress[1].hostname: Invalid value: \"1.2.3.4\": must be a DNS "
     "name, not an IP address\n"
     "status.loadBalancer.ingress[2].hostname: Invalid value: \"Bad_\": {subdomain}\n"},
};

static const struct row ingressclass[] = {
    {"ingressclass", "{'spec':{'controller':'/x'}}", NULL, NULL,
     "spec.controller: Invalid value: \"/x\": must be a domain-prefixed path (such as "
     "\"acme.io/foo\")\n"},
    {"ingressclass",
     "{'spec':{'controller':'example.com/"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}}",
     NULL, NULL, "spec.controller: Too long: may not be more than 250 bytes\n"},
    {"ingressclass", "{'spec':{'controller':'Bad_/x y'}}", NULL, NULL,
     "spec.controller: Invalid value: \"Bad_\": {subdomain}\n"
     "spec.controller: Invalid value: \"x y\": Invalid path (regex used for validation is "
     "'[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')\n"},
    {"ingressclass", "{'spec':{'parameters':{'kind':'K', 'name':'n', 'scope':'x'}}}", NULL, NULL,
     "spec.parameters.scope: Unsupported value: \"x\": supported values: \"Cluster\", "
     "\"Namespace\"\n"},
    {"ingressclass",
     "{'spec':{'parameters':{'kind':'K', 'name':'n', 'scope':'Namespace', "
     "'namespace':'Bad_'}}}",
     NULL, NULL, "spec.parameters.namespace: Invalid value: \"Bad_\": {label}\n"},
    {"ingressclass",
     "{'spec':{'parameters':{'kind':'K', 'name':'n', 'scope':'Cluster', 'namespace':'ns'}}}", NULL,
     NULL, "spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'\n"},
    {"ingressclass", "{}", "{'spec':{'controller':'example.com/d'}}", NULL,
     "spec.controller: Invalid value: \"example.com/d\": field is immutable\n"},
};

static const struct row networkpolicy[] = {
    {"networkpolicy",
     "{'spec':{'ingress':[{'ports':[{'protocol':'x', 'port':0}, {'port':80, 'endPort':70}, "
     "{'port':'web', 'endPort':80}, {'endPort':80}, {'port':'-'}], 'from':[{}, "
     "{'ipBlock':{'cidr':''}}, {'ipBlock':{'cidr':'10.0.0.0/8', 'except':['11.0.0.0/16', "
     "'x']}, 'podSelector':{}}]}]}}",
     NULL, NULL,
     "spec.ingress[0].ports[0].protocol: Unsupported value: \"x\": supported values: "
     "\"TCP\", \"UDP\", \"SCTP\"\n"
     "spec.ingress[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, "
     "inclusive\n"
     "spec.ingress[0].ports[1].endPort: Invalid value: 80: must be greater than or equal "
     "to `port`\n"
     "spec.ingress[0].ports[2].endPort: Invalid value: 80: may not be specified when "
     "`port` is non-numeric\n"
     "spec.ingress[0].ports[3].endPort: Invalid value: 80: may not be specified when "
     "`port` is not specified\n"
     "spec.ingress[0].ports[4].port: Invalid value: \"-\": must contain at least one "
     "letter (a-z)\n"
     "spec.ingress[0].ports[4].port: Invalid value: \"-\": must not begin or end with a "
     "hyphen\n"
     "spec.ingress[0].from[0]: Required value: must specify a peer\n"
     "spec.ingress[0].from[1].ipBlock.cidr: Required value\n"
     "spec.ingress[0].from[2].ipBlock.except[0]: Invalid value: \"11.0.0.0/16\": must be a "
     "strict subset of `cidr`\n"
     "spec.ingress[0].from[2].ipBlock.except[1]: Invalid value: \"x\": must be a valid "
     "CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)\n"
     "spec.ingress[0].from[2]: Forbidden: may not specify both ipBlock and another peer\n"},
    {"networkpolicy", "{'spec':{'policyTypes':['Ingress', 'Egress', 'Ingress']}}", NULL, NULL,
     "spec.policyTypes: Invalid value: [\"Ingress\",\"Egress\",\"Ingress\"]: may not "
     "specify more than two policyTypes\n"},
    {"networkpolicy",
     "{'spec':{'policyTypes':['Bad'], "
     "'egress':[{'to':[{'namespaceSelector':{'matchLabels':{'a b':'c'}}}]}]}}",
     NULL, NULL,
     "spec.egress[0].to[0].namespaceSelector.matchLabels: Invalid value: \"a b\": "
     "{qualified}\n"
     "spec.policyTypes[0]: Unsupported value: \"Bad\": supported values: \"Ingress\", "
     "\"Egress\"\n"},
};

static const struct row ipaddress[] = {
    {"ipaddress", "{'metadata':{'name':'2001:db8::1'}}", NULL, NULL, ""},
    {"ipaddress", "{'metadata':{'name':'x'}}", NULL, NULL,
     "metadata.name: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or "
     "2001:db8::ffff)\n"},
    {"ipaddress", "{'metadata':{'name':'010.0.0.1'}}", NULL, NULL,
     "metadata.name: Invalid value: \"010.0.0.1\": must not have leading 0s\n"
     "metadata.name: Invalid value: \"010.0.0.1\": must be in canonical form (\"10.0.0.1\")\n"},
    {"ipaddress", "{'metadata':{'name':'2001:DB8::1'}}", NULL, NULL,
     "metadata.name: Invalid value: \"2001:DB8::1\": must be in canonical form "
     "(\"2001:db8::1\")\n"},
    {"ipaddress", "{'spec':{'parentRef':null}}", NULL, NULL, "spec.parentRef: Required value\n"},
    {"ipaddress",
     "{'spec':{'parentRef':{'group':'Bad_', 'resource':'', 'name':'a/b', "
     "'namespace':'..'}}}",
     NULL, NULL,
     "spec.parentRef.group: Invalid value: \"Bad_\": {subdomain}\n"
     "spec.parentRef.resource: Required value\n"
     "spec.parentRef.name: Invalid value: \"a/b\": may not contain '/'\n"
     "spec.parentRef.namespace: Invalid value: \"..\": may not be '..'\n"},
};

static const struct row servicecidr[] = {
    {"servicecidr", "{'spec':{'cidrs':[]}}", NULL, NULL,
     "spec.cidrs: Required value: at least one CIDR required\n"},
    {"servicecidr", "{'spec':{'cidrs':['10.0.0.0/24', '10.1.0.0/24']}}", NULL, NULL,
     "spec.cidrs: Invalid value: {\"CIDRs\":[\"10.0.0.0/24\",\"10.1.0.0/24\"]}: may "
     "specify no more than one IP for each IP family, i.e 192.168.0.0/24 and "
     "2001:db8::/64\n"},
    {"servicecidr", "{'spec':{'cidrs':['10.0.0.0/24', '2001:db8::/64', '10.1.0.0/24']}}", NULL,
     NULL,
     "spec.cidrs: Invalid value: "
     "{\"CIDRs\":[\"10.0.0.0/24\",\"2001:db8::/64\",\"10.1.0.0/24\"]}: may only hold up to "
     "2 values\n"},
    {"servicecidr", "{'spec':{'cidrs':['10.0.0.1/24']}}", NULL, NULL,
     "spec.cidrs[0]: Invalid value: \"10.0.0.1/24\": must not have bits set beyond the "
     "prefix length\n"},
    {"servicecidr", "{'spec':{'cidrs':['2001:0db8::/64']}}", NULL, NULL,
     "spec.cidrs[0]: Invalid value: \"2001:0db8::/64\": must be in canonical form "
     "(\"2001:db8::/64\")\n"},
    {"servicecidr", "{}", "{'spec':{'cidrs':['10.8.0.0/24']}}", NULL,
     "spec.cidrs: Invalid value: [\"10.8.0.0/24\"]: field is immutable\n"},
};

static const struct row endpointslice[] = {
    {"endpointslice", "{'addressType':'FQDN', 'endpoints':[{'addresses':['a', 'a.b.']}]}", NULL,
     NULL,
     "endpoints[0].addresses[0]: Invalid value: \"a\": should be a domain with at least "
     "two segments separated by dots\n"},
    {"endpointslice",
     "{'endpoints':[{'addresses':['192.0.2.1'], 'nodeName':'Bad_', 'hostname':'Bad_', "
     "'hints':{'forZones':[{'name':'a'}, {'name':'a'}, {'name':'a b'}]}}]}",
     NULL, NULL,
     "endpoints[0].nodeName: Invalid value: \"Bad_\": {subdomain}\n"
     "endpoints[0].hostname: Invalid value: \"Bad_\": {label}\n"
     "endpoints[0].hints.forZones[1].name: Duplicate value: \"a\"\n"
     "endpoints[0].hints.forZones[2].name: Invalid value: \"a b\": {value}\n"},
    {"endpointslice", "{'ports':[{'name':'a', 'appProtocol':'a b'}, {'name':'a', 'protocol':'X'}]}",
     NULL, NULL,
     "ports[0].appProtocol: Invalid value: \"a b\": {qualified}\n"
     "ports[1].name: Duplicate value: \"a\"\n"
     "ports[1].protocol: Unsupported value: \"X\": supported values: \"SCTP\", \"TCP\", "
     "\"UDP\"\n"},
};

static const struct row storageclass[] = {
    {"storageclass",
     "{'parameters':{'':'v'}, 'reclaimPolicy':'x', "
     "'allowedTopologies':[{'matchLabelExpressions':[{'key':'k', 'values':['a', 'a']}, "
     "{'key':'k', 'values':['b']}]}, {'matchLabelExpressions':[{'key':'z z', "
     "'values':['b']}]}]}",
     NULL, NULL,
     "parameters: Invalid value: \"\": field can not be empty.\n"
     "reclaimPolicy: Unsupported value: \"x\": supported values: \"Delete\", \"Retain\"\n"
     "allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: \"a\"\n"
     "allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: \"k\"\n"
     "allowedTopologies[1].matchLabelExpressions[0].key: Invalid value: \"z z\": "
     "{qualified}\n"},
    {"storageclass",
     "{'allowedTopologies':[{'matchLabelExpressions':[{'key':'k', 'values':['a', 'b']}]}, "
     "{'matchLabelExpressions':[{'key':'k', 'values':['b', 'a']}]}]}",
     NULL, NULL, "allowedTopologies[1].matchLabelExpressions: Duplicate value: \"\"\n"},
    {"storageclass", "{}", "{'provisioner':'x', 'volumeBindingMode':'WaitForFirstConsumer'}", NULL,
     "provisioner: Invalid value: \"x\": field is immutable\n"
     "volumeBindingMode: Invalid value: \"WaitForFirstConsumer\": field is immutable\n"},
};

static const struct row volumeattributesclass[] = {
    {"volumeattributesclass", "{'driverName':'a b', 'parameters':null}", NULL, NULL,
     "driverName: Invalid value: \"a b\": {qualified}\n"
     "parameters: Required value: must contain at least one key/value pair\n"},
    {"volumeattributesclass", "{}", "{'driverName':'x', 'parameters':{'a':'c'}}", NULL,
     "driverName: Forbidden: updates to driverName are forbidden.\n"
     "parameters: Forbidden: updates to parameters are forbidden.\n"},
};

static const struct row csidriver[] = {
    {"csidriver",
     "{'spec':{'tokenRequests':[{'audience':'a'}, {'audience':'a'}, {'audience':'b', "
     "'expirationSeconds':5}, {'audience':'c', 'expirationSeconds':5000000000}], "
     "'nodeAllocatableUpdatePeriodSeconds':5}}",
     NULL, NULL,
     "spec.tokenRequests[1].audience: Duplicate value: \"a\"\n"
     "spec.tokenRequests[2].expirationSeconds: Invalid value: 5: may not specify a "
     "duration less than 10 minutes\n"
     "spec.tokenRequests[3].expirationSeconds: Invalid value: 5000000000: may not specify "
     "a duration larger than 2^32 seconds\n"
     "spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 5: must be greater than or "
     "equal to 10 seconds\n"},
    {"csidriver", "{'spec':{'serviceAccountTokenInSecrets':false}}", NULL, NULL,
     "spec.serviceAccountTokenInSecrets: Invalid value: false: serviceAccountTokenInSecrets is set "
     "but no tokenRequests are specified\n"},
    {"csidriver",
     "{'spec':{'serviceAccountTokenInSecrets':true, 'tokenRequests':[{'audience':'a'}]}}", NULL,
     NULL, ""},
    {"csidriver", "{}", "{'spec':{'attachRequired':false, 'volumeLifecycleModes':['Ephemeral']}}",
     NULL,
     "spec.attachedRequired: Invalid value: false: field is immutable\n"
     "spec.volumeLifecycleModes: Invalid value: [\"Ephemeral\"]: field is immutable\n"},
};

static const struct row csinode[] = {
    {"csinode",
     "{'spec':{'drivers':[{'name':'A_b', "
     "'nodeID':'"
     "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
     "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
     "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn', "
     "'allocatable':{'count':-1}, 'topologyKeys':['k', 'k', '']}]}}",
     NULL, NULL,
     "spec.drivers[0].name: Invalid value: \"A_b\": {subdomain}\n"
     "spec.drivers[0].nodeID: Invalid value: "
     "\"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
     "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
     "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\": "
     "must be 256 characters or less\n"
     "spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal "
     "to 0\n"
     "spec.drivers[0]: Duplicate value: \"k\"\n"
     "spec.drivers[0]: Required value\n"
     "spec.drivers[0]: Invalid value: \"\": name part must be non-empty\n"
     "spec.drivers[0]: Invalid value: \"\": {qualified}\n"},
    {"csinode", "{'spec':{'drivers':[{'name':'a', 'nodeID':'n'}]}}",
     "{'spec':{'drivers':[{'name':'a', 'nodeID':'m', 'allocatable':{'count':3}}]}}", NULL,
     "spec.drivers: Invalid value: {\"Name\":\"a\",\"NodeID\":\"m\",\"TopologyKeys\":null,"
     "\"Allocatable\":null}: field is immutable\n"},
};

#define INLINED "may not be specified in the context of inline volumes"

static const struct row volumeattachment[] = {
    {"volumeattachment", "{'spec':{'attacher':'Bad_', 'source':{'persistentVolumeName':''}}}", NULL,
     NULL,
     "spec.attacher: Invalid value: \"Bad_\": {subdomain}\n"
     "spec.source.persistentVolumeName: Required value: must specify non empty "
     "persistentVolumeName\n"},
    {"volumeattachment", "{'spec':{'source':{'persistentVolumeName':'Bad_'}}}", NULL, NULL,
     "spec.source.persistentVolumeName: Invalid value: \"Bad_\": {subdomain}\n"},
    {"volumeattachment",
     "{'spec':{'source':{'persistentVolumeName':null, 'inlineVolumeSpec':{'accessModes':["
     "'ReadWriteOnce'], 'csi':{'driver':'a', 'volumeHandle':'b'}, 'volumeMode':'Filesystem', "
     "'persistentVolumeReclaimPolicy':'Retain'}}}}",
     NULL, NULL, ""},
    {"volumeattachment",
     "{'spec':{'source':{'persistentVolumeName':null, 'inlineVolumeSpec':{'accessModes':[], "
     "'hostPath':{'path':'/a'}, 'claimRef':{'name':'c'}, 'capacity':{'storage':'1Gi'}, "
     "'persistentVolumeReclaimPolicy':'Delete', 'nodeAffinity':{}, 'storageClassName':'s', "
     "'volumeMode':'Block'}}}}",
     NULL, NULL,
     "spec.source.inlineVolumeSpec.claimRef: Forbidden: " INLINED "\n"
     "spec.source.inlineVolumeSpec.capacity: Forbidden: " INLINED "\n"
     "spec.source.inlineVolumeSpec.csi: Required value: has to be specified in the context of "
     "inline volumes\n"
     "spec.source.inlineVolumeSpec.accessModes: Required value\n"
     "spec.source.inlineVolumeSpec.persistentVolumeReclaimPolicy: Forbidden: may only be Retain in "
     "the context of inline volumes\n"
     "spec.source.inlineVolumeSpec.nodeAffinity: Forbidden: " INLINED "\n"
     "spec.source.inlineVolumeSpec.storageClassName: Forbidden: " INLINED "\n"
     "spec.source.inlineVolumeSpec.volumeMode: Forbidden: may not specify volumeMode other than "
     "Filesystem in the context of inline volumes\n"},
    {"volumeattachment", "{}", "{'spec':{'nodeName':'m'}}", NULL,
     "spec: Invalid value: "
     "{\"Attacher\":\"example.com\",\"Source\":{\"PersistentVolumeName\":\"pv\","
     "\"InlineVolumeSpec\":null},\"NodeName\":\"m\"}: field is immutable\n"},
    {"volumeattachment", "{}",
     "{'status':{'attached':true, 'attachError':{'message':'a', 'errorCode':-1}}}", "status",
     "status.attachError.errorCode: Invalid value: -1: must be between 0 and 2147483647, "
     "inclusive\n"},
};

static const struct row csistoragecapacity[] = {
    {"csistoragecapacity",
     "{'nodeTopology':{'matchLabels':{'a b':'c'}}, 'storageClassName':'Bad_', "
     "'capacity':'-1'}",
     NULL, NULL,
     "nodeTopology.matchLabels: Invalid value: \"a b\": {qualified}\n"
     "storageClassName: Invalid value: \"Bad_\": {subdomain}\n"
     "capacity: Invalid value: \"-1\": must be greater than or equal to 0\n"},
};

static const struct row priorityclass[] = {
    {"priorityclass", "{'metadata':{'name':'system-node-critical'}}", NULL, NULL,
     "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for "
     "system use only. error: value of system-node-critical PriorityClass must be 2000001000\n"},
    {"priorityclass",
     "{'metadata':{'name':'system-cluster-critical'}, 'value':2000000000, 'globalDefault':true}",
     NULL, NULL,
     "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for "
     "system use only. error: globalDefault of system-cluster-critical PriorityClass must be "
     "false\n"},
    {"priorityclass", "{'value':1000000001, 'preemptionPolicy':'x'}", NULL, NULL,
     "value: Forbidden: maximum allowed value of a user defined priority is 1000000000\n"
     "preemptionPolicy: Unsupported value: \"x\": supported values: "
     "\"PreemptLowerPriority\", \"Never\"\n"},
    {"priorityclass", "{}", "{'value':6}", NULL,
     "value: Forbidden: may not be changed in an update.\n"},
};

static const struct row runtimeclass[] = {
    {"runtimeclass",
     "{'scheduling':{'tolerations':[{'key':'a', 'operator':'Exists'}, {'key':'b', "
     "'operator':'Exists'}, {'key':'a', 'operator':'Exists'}]}}",
     NULL, NULL,
     "scheduling.tolerations[2]: Duplicate value: "
     "{\"Key\":\"a\",\"Operator\":\"Exists\",\"Value\":\"\",\"Effect\":\"\","
     "\"TolerationSeconds\":null}\n"},
    {"runtimeclass",
     "{'handler':'a.b', 'scheduling':{'tolerations':[{'key':'k', 'operator':'Exists', "
     "'value':'v'}]}}",
     NULL, NULL,
     "handler: Invalid value: \"a.b\": must not contain dots\n"
     "scheduling.tolerations[0].operator: Invalid value: \"v\": value must be empty when "
     "`operator` is 'Exists'\n"},
    {"runtimeclass", "{}", "{'handler':'i'}", NULL,
     "handler: Invalid value: \"i\": field is immutable\n"},
};

static const struct row lease[] = {
    {"lease", "{'spec':{'leaseDurationSeconds':-1, 'leaseTransitions':-1}}", NULL, NULL,
     "spec.leaseDurationSeconds: Invalid value: -1: must be greater than 0\n"
     "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0\n"},
};

#define CLAIM(table_, name_)                                                                       \
    TEST(table_, name_)                                                                            \
    {                                                                                              \
        rows_check(kinds, ARRAY_LEN(kinds), table_, ARRAY_LEN(table_));                            \
    }
CLAIM(role, tells_all_that_is_wrong_in_order)
CLAIM(clusterrole, tells_all_that_is_wrong_in_order)
CLAIM(rolebinding, tells_all_that_is_wrong_in_order)
CLAIM(clusterrolebinding, tells_all_that_is_wrong_in_order)
CLAIM(ingress, tells_all_that_is_wrong_in_order)
CLAIM(ingressclass, tells_all_that_is_wrong_in_order)
CLAIM(networkpolicy, tells_all_that_is_wrong_in_order)
CLAIM(ipaddress, tells_all_that_is_wrong_in_order)
CLAIM(servicecidr, tells_all_that_is_wrong_in_order)
CLAIM(endpointslice, tells_all_that_is_wrong_in_order)
CLAIM(storageclass, tells_all_that_is_wrong_in_order)
CLAIM(volumeattributesclass, tells_all_that_is_wrong_in_order)
CLAIM(csidriver, tells_all_that_is_wrong_in_order)
CLAIM(csinode, tells_all_that_is_wrong_in_order)
CLAIM(volumeattachment, tells_all_that_is_wrong_in_order)
CLAIM(csistoragecapacity, tells_all_that_is_wrong_in_order)
CLAIM(priorityclass, tells_all_that_is_wrong_in_order)
CLAIM(runtimeclass, tells_all_that_is_wrong_in_order)
CLAIM(lease, tells_all_that_is_wrong_in_order)

TEST_MAIN
