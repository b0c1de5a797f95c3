/* rules_extension_test.c - what is wrong with objects of admission, aggregation, flow control and devices.
 *
 * Expected texts: the sources that src/api/validation names, read beside these rows. */
#include "test/api/rows.h"

static const struct kind_row kinds[] = {
    {"webhook", "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
     "{'apiVersion':'admissionregistration.k8s.io/v1', "
     "'kind':'MutatingWebhookConfiguration', 'metadata':{'name':'x'}, "
     "'webhooks':[{'name':'a.example.com', 'sideEffects':'None', "
     "'admissionReviewVersions':['v1'], 'clientConfig':{'url':'https://example.com'}}]}"},
    {"policy", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
     "{'apiVersion':'admissionregistration.k8s.io/v1', 'kind':'ValidatingAdmissionPolicy', "
     "'metadata':{'name':'x'}, "
     "'spec':{'matchConstraints':{'resourceRules':[{'operations':['CREATE'], "
     "'apiGroups':[''], 'apiVersions':['v1'], 'resources':['pods']}]}, "
     "'validations':[{'expression':'true'}]}}"},
    {"mutatingpolicy", "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies",
     "{'apiVersion':'admissionregistration.k8s.io/v1', 'kind':'MutatingAdmissionPolicy', "
     "'metadata':{'name':'x'}, "
     "'spec':{'matchConstraints':{'resourceRules':[{'operations':['CREATE'], "
     "'apiGroups':[''], 'apiVersions':['v1'], 'resources':['pods']}]}, "
     "'reinvocationPolicy':'Never', 'mutations':[{'patchType':'JSONPatch', "
     "'jsonPatch':{'expression':'[JSONPatch{op: string(1), path: string(2)}]'}}]}}"},
    {"policybinding", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
     "{'apiVersion':'admissionregistration.k8s.io/v1', "
     "'kind':'ValidatingAdmissionPolicyBinding', 'metadata':{'name':'x'}, "
     "'spec':{'policyName':'p', 'validationActions':['Deny']}}"},
    {"apiservice", "/apis/apiregistration.k8s.io/v1/apiservices",
     "{'apiVersion':'apiregistration.k8s.io/v1', 'kind':'APIService', "
     "'metadata':{'name':'v1.g.example.com'}, 'spec':{'group':'g.example.com', "
     "'version':'v1', 'groupPriorityMinimum':5, 'versionPriority':5, "
     "'service':{'namespace':'n', 'name':'s'}}}"},
    {"flowschema", "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas",
     "{'apiVersion':'flowcontrol.apiserver.k8s.io/v1', 'kind':'FlowSchema', "
     "'metadata':{'name':'x'}, 'spec':{'priorityLevelConfiguration':{'name':'p'}, "
     "'matchingPrecedence':5}}"},
    {"prioritylevel", "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations",
     "{'apiVersion':'flowcontrol.apiserver.k8s.io/v1', "
     "'kind':'PriorityLevelConfiguration', 'metadata':{'name':'x'}, "
     "'spec':{'type':'Limited', 'limited':{'limitResponse':{'type':'Reject'}}}}"},
    {"localreview", "/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews",
     "{'apiVersion':'authorization.k8s.io/v1', 'kind':'LocalSubjectAccessReview', "
     "'metadata':{'namespace':'default'}, 'spec':{'user':'u', 'resourceAttributes':{"
     "'namespace':'default', 'verb':'get', 'resource':'pods'}}}"},
    {"deviceclass", "/apis/resource.k8s.io/v1/deviceclasses",
     "{'apiVersion':'resource.k8s.io/v1', 'kind':'DeviceClass', 'metadata':{'name':'x'}, "
     "'spec':{}}"},
    {"claim", "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims",
     "{'apiVersion':'resource.k8s.io/v1', 'kind':'ResourceClaim', 'metadata':{'name':'x'}, "
     "'spec':{'devices':{'requests':[{'name':'r', 'exactly':{'deviceClassName':'c'}}]}}}"},
    {"claimtemplate", "/apis/resource.k8s.io/v1/namespaces/default/resourceclaimtemplates",
     "{'apiVersion':'resource.k8s.io/v1', 'kind':'ResourceClaimTemplate', "
     "'metadata':{'name':'x'}, 'spec':{'spec':{'devices':{}}}}"},
    {"slice", "/apis/resource.k8s.io/v1/resourceslices",
     "{'apiVersion':'resource.k8s.io/v1', 'kind':'ResourceSlice', 'metadata':{'name':'x'}, "
     "'spec':{'driver':'d.example.com', 'nodeName':'n', 'pool':{'name':'p', "
     "'generation':1, 'resourceSliceCount':1}}}"},
};

static const struct row webhook[] = {
    {"webhook",
     "{'webhooks':[{'name':'a..b.c', 'sideEffects':'None', "
     "'admissionReviewVersions':['v1'], 'clientConfig':{'url':'https://example.com'}}, "
     "{'name':'', 'sideEffects':'None', 'admissionReviewVersions':['v1'], "
     "'clientConfig':{'url':'https://example.com'}}]}",
     NULL, NULL,
     "webhooks[0].name: Invalid value: \"a..b.c\": {subdomain}\n"
     "webhooks[1].name: Required value\n"},
    {"webhook",
     "{'webhooks':[{'name':'a.example.com', 'sideEffects':'None', "
     "'admissionReviewVersions':['v1'], 'clientConfig':{'url':'example.com'}}]}",
     NULL, NULL,
     "webhooks[0].clientConfig.url: Invalid value: \"\": 'https' is the only allowed URL "
     "scheme; desired format: https://host[/path]\n"
     "webhooks[0].clientConfig.url: Invalid value: \"\": host must be specified; desired "
     "format: https://host[/path]\n"},
    {"webhook",
     "{'webhooks':[{'name':'a.example.com', 'sideEffects':'None', "
     "'admissionReviewVersions':['v1'], 'clientConfig':{'url':'http://'}}]}",
     NULL, NULL,
     "webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed "
     "URL scheme; desired format: https://host[/path]\n"
     "webhooks[0].clientConfig.url: Invalid value: \"\": host must be specified; desired "
     "format: https://host[/path]\n"},
    {"webhook",
     "{'webhooks':[{'name':'a.example.com', 'sideEffects':'None', "
     "'admissionReviewVersions':['v1'], 'clientConfig':{'url':'https://x:bad/'}}]}",
     NULL, NULL,
     "webhooks[0].clientConfig.url: Required value: url must be a valid URL: parse "
     "\"https://x:bad/\": invalid port \":bad\" after host; desired format: "
     "https://host[/path]\n"},
    {"webhook",
     "{'webhooks':[{'name':'a.example.com', 'sideEffects':'None', "
     "'admissionReviewVersions':['v1'], 'clientConfig':{'url':'https://u@h/p?q#f'}}]}",
     NULL, NULL,
     "webhooks[0].clientConfig.url: Invalid value: \"u\": user information is not "
     "permitted in the URL\n"
     "webhooks[0].clientConfig.url: Invalid value: \"f\": fragments are not permitted in "
     "the URL\n"
     "webhooks[0].clientConfig.url: Invalid value: \"q\": query parameters are not "
     "permitted in the URL\n"},
    {"webhook",
     "{'webhooks':[{'name':'a.example.com', 'sideEffects':'None', "
     "'admissionReviewVersions':['v1'], 'clientConfig':{'url':':x'}}]}",
     NULL, NULL,
     "webhooks[0].clientConfig.url: Required value: url must be a valid URL: parse \":x\": "
     "missing protocol scheme; desired format: https://host[/path]\n"},
    {"webhook",
     "{'webhooks':[{'name':'a.example.com', 'sideEffects':'None', "
     "'admissionReviewVersions':['v1'], 'clientConfig':{'url':'https://a b/'}}]}",
     NULL, NULL,
     "webhooks[0].clientConfig.url: Required value: url must be a valid URL: parse "
     "\"https://a b/\": invalid character \" \" in host name; desired format: "
     "https://host[/path]\n"},
    {"webhook",
     "{'webhooks':[{'name':'a.example.com', 'sideEffects':'None', "
     "'admissionReviewVersions':['v1'], 'clientConfig':{'url':'//h/x'}}]}",
     NULL, NULL,
     "webhooks[0].clientConfig.url: Invalid value: \"\": 'https' is the only allowed URL "
     "scheme; desired format: https://host[/path]\n"},
    {"webhook",
     "{'webhooks':[{'name':'a.example.com', 'sideEffects':'None', "
     "'admissionReviewVersions':['v1'], 'clientConfig':{'service':{'namespace':'n', "
     "'name':'s', 'path':'x'}}}]}",
     NULL, NULL,
     "webhooks[0].clientConfig.service.path: Invalid value: \"x\": must start with a '/'\n"
     "webhooks[0].clientConfig.service.path: Invalid value: \"x\": segment[0] may not be "
     "empty\n"},
    {"webhook",
     "{'webhooks':[{'name':'a.example.com', 'sideEffects':'None', "
     "'admissionReviewVersions':['v1'], 'clientConfig':{'service':{'namespace':'n', "
     "'name':'s', 'path':'//'}}}]}",
     NULL, NULL,
     "webhooks[0].clientConfig.service.path: Invalid value: \"//\": segment[0] may not be "
     "empty\n"},
    {"webhook",
     "{'webhooks':[{'name':'a.example.com', 'sideEffects':'None', "
     "'admissionReviewVersions':['v1'], 'clientConfig':{'service':{'namespace':'n', "
     "'name':'s', 'path':'/a//b/'}}}]}",
     NULL, NULL,
     "webhooks[0].clientConfig.service.path: Invalid value: \"/a//b/\": segment[1] may not "
     "be empty\n"},
    {"webhook",
     "{'webhooks':[{'name':'a.example.com', 'sideEffects':'None', "
     "'admissionReviewVersions':['v1'], 'clientConfig':{'service':{'namespace':'n', "
     "'name':'s', 'path':'/a/Bad_'}}}]}",
     NULL, NULL,
     "webhooks[0].clientConfig.service.path: Invalid value: \"/a/Bad_\": segment[1]: "
     "{subdomain}\n"},
    {"webhook",
     "{'webhooks':[{'name':'a.example.com', 'sideEffects':'None', "
     "'admissionReviewVersions':['v1'], 'clientConfig':{'service':{'namespace':'n', "
     "'name':'s', 'port':70000}}}]}",
     NULL, NULL,
     "webhooks[0].clientConfig.service.port: Invalid value: 70000: port is not valid: must "
     "be between 1 and 65535, inclusive\n"},
    {"webhook",
     "{'webhooks':[{'name':'a.example.com', 'sideEffects':'None', "
     "'admissionReviewVersions':['v1', 'v1', '1x'], "
     "'clientConfig':{'url':'https://example.com'}, 'reinvocationPolicy':'x', "
     "'rules':[{'operations':['CREATE'], 'apiGroups':['*', 'a'], 'apiVersions':['', '*'], "
     "'resources':['pods/*', 'pods/status', '*/scale', 'x/scale', '*/*', '']}]}]}",
     NULL, NULL,
     "webhooks[0].rules[0].apiGroups: Invalid value: [\"*\",\"a\"]: if '*' is present, "
     "must not specify other API groups\n"
     "webhooks[0].rules[0].apiVersions: Invalid value: [\"\",\"*\"]: if '*' is present, "
     "must not specify other API versions\n"
     "webhooks[0].rules[0].apiVersions[0]: Required value\n"
     "webhooks[0].rules[0].resources[1]: Invalid value: \"pods/status\": if 'pods/*' is "
     "present, must not specify pods/status\n"
     "webhooks[0].rules[0].resources[3]: Invalid value: \"x/scale\": if '*/scale' is "
     "present, must not specify x/scale\n"
     "webhooks[0].rules[0].resources[5]: Required value\n"
     "webhooks[0].rules[0].resources: Invalid value: "
     "[\"pods/*\",\"pods/status\",\"*/scale\",\"x/scale\",\"*/*\",\"\"]: if '*/*' is "
     "present, must not specify other resources\n"
     "webhooks[0].reinvocationPolicy: Unsupported value: \"x\": supported values: "
     "\"IfNeeded\", \"Never\"\n"
     "webhooks[0].admissionReviewVersions[1]: Invalid value: \"v1\": duplicate version\n"
     "webhooks[0].admissionReviewVersions[2]: Invalid value: \"1x\": {1035}\n"},
    {"webhook",
     "{'webhooks':[{'name':'a.example.com', 'sideEffects':'None', "
     "'admissionReviewVersions':['v1'], 'clientConfig':{'url':'https://example.com'}, "
     "'matchConditions':[{'name':'', 'expression':' '}, {'name':'a', 'expression':'true'}, "
     "{'name':'a', 'expression':'true'}]}]}",
     NULL, NULL,
     "webhooks[0].matchConditions[0].expression: Required value\n"
     "webhooks[0].matchConditions[0].name: Required value\n"
     "webhooks[0].matchConditions[2].name: Duplicate value: \"a\"\n"},
};

static const struct row policy[] = {
    {"policy",
     "{'spec':{'failurePolicy':'x', 'paramKind':{'apiVersion':'a/b/c', 'kind':'1k'}, "
     "'matchConstraints':{'matchPolicy':'x', 'resourceRules':[{'operations':['CREATE'], "
     "'apiGroups':[''], 'apiVersions':['v1'], 'resources':['pods'], 'resourceNames':['a', "
     "'a', 'b/c']}]}}}",
     NULL, NULL,
     "spec.failurePolicy: Unsupported value: \"x\": supported values: \"Fail\", "
     "\"Ignore\"\n"
     "spec.paramKind.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string: "
     "a/b/c\n"
     "spec.paramKind.kind: Invalid value: \"1k\": may have mixed case, but should "
     "otherwise match: {1035}\n"
     "spec.matchConstraints.matchPolicy: Unsupported value: \"x\": supported values: "
     "\"Equivalent\", \"Exact\"\n"
     "spec.matchConstraints.resourceRules[0].resourceNames[1]: Duplicate value: \"a\"\n"
     "spec.matchConstraints.resourceRules[0].resourceNames[2]: Invalid value: \"b/c\": may "
     "not contain '/'\n"},
    {"policy", "{'spec':{'paramKind':{'apiVersion':'g/', 'kind':'K'}}}", NULL, NULL,
     "spec.paramKind.apiVersion: Invalid value: \"g/\": version must be specified\n"},
    {"policy", "{'spec':{'matchConstraints':{'resourceRules':[]}, 'validations':[]}}", NULL, NULL,
     "spec.matchConstraints.resourceRules: Required value\n"
     "spec.validations: Required value: validations or auditAnnotations must contain at "
     "least one item\n"
     "spec.auditAnnotations: Required value: validations or auditAnnotations must contain "
     "at least one item\n"},
    {"policy",
     "{'spec':{'validations':[{'expression':'', 'messageExpression':' ', 'message':' '}, "
     "{'expression':'true\\n&& true'}, {'expression':'true', 'reason':'x'}]}}",
     NULL, NULL,
     "spec.validations[0].expression: Required value: expression is not specified\n"
     "spec.validations[0].messageExpression: Invalid value: \" \": must be non-empty if "
     "specified\n"
     "spec.validations[0].message: Invalid value: \" \": must be non-empty if "
     "specified\n"
     "spec.validations[2].reason: Unsupported value: \"x\": supported values: "
     "\"Forbidden\", \"Invalid\", \"RequestEntityTooLarge\"\n"},
    {"policy",
     "{'spec':{'variables':[{'name':'', 'expression':''}, {'name':'for', "
     "'expression':'1'}, {'name':'a', 'expression':'1'}, {'name':'a', 'expression':'1'}]}}",
     NULL, NULL,
     "spec.variables[0].name: Required value: name is not specified\n"
     "spec.variables[0].expression: Required value: expression is not specified\n"
     "spec.variables[1].name: Invalid value: \"for\": must be a valid CEL identifier\n"},
    {"policy",
     "{'spec':{'auditAnnotations':[{'key':'a b', 'valueExpression':''}, {'key':'k', "
     "'valueExpression':'string(1)'}, {'key':'k', 'valueExpression':'string(1)'}]}}",
     NULL, NULL,
     "spec.auditAnnotations[0].key: Invalid value: \"x/a b\": {qualified}\n"
     "spec.auditAnnotations[0].valueExpression: Required value: valueExpression is not "
     "specified\n"
     "spec.auditAnnotations[2].key: Duplicate value: \"k\"\n"},
    {"policy", "{}",
     "{'status':{'conditions':[{'type':'A', 'status':'True', 'reason':'R', 'message':'', "
     "'lastTransitionTime':'2024-01-01T00:00:00Z'}, {'type':'A', 'status':'Maybe', "
     "'reason':'', 'message':'', 'lastTransitionTime':null}]}}",
     "status",
     "status.conditions[1].type: Duplicate value: \"A\"\n"
     "status.conditions[1].status: Unsupported value: \"Maybe\": supported values: "
     "\"False\", \"True\", \"Unknown\"\n"
     "status.conditions[1].lastTransitionTime: Required value: must be set\n"
     "status.conditions[1].reason: Required value: must be set\n"},
};

static const struct row mutatingpolicy[] = {
    {"mutatingpolicy", "{'spec':{'mutations':[], 'reinvocationPolicy':'x'}}", NULL, NULL,
     "spec.mutations: Required value: mutations must contain at least one item\n"
     "spec.reinvocationPolicy: Unsupported value: \"x\": supported values: \"Never\", "
     "\"IfNeeded\"\n"},
    {"mutatingpolicy",
     "{'spec':{'mutations':[{'patchType':''}, {'patchType':'x'}, "
     "{'patchType':'JSONPatch'}, {'patchType':'ApplyConfiguration', "
     "'applyConfiguration':{'expression':' '}}]}}",
     NULL, NULL,
     "spec.mutations[0].patchType: Required value\n"
     "spec.mutations[1].patchType: Unsupported value: \"x\": supported values: "
     "\"ApplyConfiguration\", \"JSONPatch\"\n"
     "spec.mutations[2].jsonPatch: Required value: must be specified when patchType is "
     "JSONPatch\n"
     "spec.mutations[3].applyConfiguration.expression: Required value\n"},
    {"mutatingpolicy",
     "{'spec':{'matchConstraints':{'resourceRules':[{'apiGroups':[''], 'apiVersions':['v1'], "
     "'resources':['pods'], 'operations':['CREATE', 'DELETE']}]}, "
     "'mutations':[{'patchType':'JSONPatch', 'jsonPatch':{'expression':'[JSONPatch{}]'}, "
     "'applyConfiguration':{'expression':'Object{}'}}]}}",
     NULL, NULL,
     "spec.matchConstraints.resourceRules.operations: Unsupported value: \"DELETE\": supported "
     "values: \"*\", \"CONNECT\", \"CREATE\", \"UPDATE\"\n"
     "spec.mutations[0].applyConfiguration: Invalid value: \"{applyConfiguration}\": must not be "
     "specified when patchType is JSONPatch\n"},
};

static const struct row expressions[] = {
    {"webhook",
     "{'webhooks':[{'name':'a.example.com', 'sideEffects':'None', "
     "'admissionReviewVersions':['v1'], "
     "'clientConfig':{'url':'https://example.com'}, 'matchConditions':[{'name':'a', "
     "'expression':'request.namespace == object.metadata.namespace'}]}]}",
     NULL, NULL, ""},
    {"webhook",
     "{'webhooks':[{'name':'a.example.com', 'sideEffects':'None', "
     "'admissionReviewVersions':['v1'], "
     "'clientConfig':{'url':'https://example.com'}, 'matchConditions':[{'name':'a', "
     "'expression':'1'}, {'name':'b', 'expression':'params.x'}]}]}",
     NULL, NULL,
     "webhooks[0].matchConditions[0].expression: Invalid value: \"1\": must evaluate to bool but "
     "got int\n"
     "webhooks[0].matchConditions[1].expression: Invalid value: \"params.x\": compilation failed: "
     "ERROR: <input>:1:1: undeclared reference to 'params' (in container '')\n | params.x\n | ^\n"},
    {"policy",
     "{'spec':{'paramKind':{'apiVersion':'v1', 'kind':'ConfigMap'}, "
     "'matchConditions':[{'name':'a', 'expression':'request.dryRun'}], "
     "'variables':[{'name':'a', 'expression':'1'}, {'name':'b', 'expression':'variables.a + 1'}], "
     "'validations':[{'expression':'variables.b > 1 && params.data.size() > 0', "
     "'messageExpression':'string(variables.b)'}], "
     "'auditAnnotations':[{'key':'k', 'valueExpression':'null'}]}}",
     NULL, NULL, ""},
    {"policy",
     "{'spec':{'variables':[{'name':'a', 'expression':'variables.b'}, {'name':'b', "
     "'expression':'1'}], "
     "'validations':[{'expression':'variables.b', 'messageExpression':'true'}], "
     "'auditAnnotations':[{'key':'k', 'valueExpression':'1'}]}}",
     NULL, NULL,
     "spec.variables[0].expression: Invalid value: \"variables.b\": compilation failed: ERROR: "
     "<input>:1:10: undefined field 'b'\n | variables.b\n | .........^\n"
     "spec.validations[0].expression: Invalid value: \"variables.b\": must evaluate to bool but "
     "got int\n"
     "spec.validations[0].messageExpression: Invalid value: \"true\": must evaluate to string but "
     "got bool\n"
     "spec.auditAnnotations[0].valueExpression: Invalid value: \"1\": must evaluate to one of "
     "[string null_type] but got int\n"},
    {"mutatingpolicy",
     "{'spec':{'mutations':[{'patchType':'ApplyConfiguration', "
     "'applyConfiguration':{'expression':'Object{spec: Object.spec{replicas: 1}}'}}, "
     "{'patchType':'ApplyConfiguration', 'applyConfiguration':{'expression':'1'}}]}}",
     NULL, NULL,
     "spec.mutations[1].applyConfiguration.expression: Invalid value: \"1\": must evaluate to "
     "Object but got int\n"},
};

static const struct row policybinding[] = {
    {"policybinding",
     "{'spec':{'policyName':'Bad_', 'validationActions':['Deny', 'Warn', 'x', 'Deny'], "
     "'paramRef':{'parameterNotFoundAction':'x'}}}",
     NULL, NULL,
     "spec.policyName: Invalid value: \"Bad_\": {subdomain}\n"
     "spec.paramRef: Required value: one of name or selector must be specified\n"
     "spec.paramRef.parameterNotFoundAction: Unsupported value: \"x\": supported values: "
     "\"Deny\", \"Allow\"\n"
     "spec.validationActions[2]: Unsupported value: \"x\": supported values: \"Audit\", "
     "\"Deny\", \"Warn\"\n"
     "spec.validationActions[3]: Duplicate value: \"Deny\"\n"
     "spec.validationActions: Invalid value: [\"Deny\",\"Warn\",\"x\",\"Deny\"]: must not "
     "contain both Deny and Warn (repeating the same validation failure information in the "
     "API response and headers serves no purpose)\n"},
    {"policybinding",
     "{'spec':{'policyName':'', 'validationActions':[], 'paramRef':{'name':'a/b', "
     "'selector':{}}}}",
     NULL, NULL,
     "spec.policyName: Required value\n"
     "spec.paramRef.name: Invalid value: \"a/b\": may not contain '/'\n"
     "spec.paramRef.name: Forbidden: name and selector are mutually exclusive\n"
     "spec.paramRef.selector: Forbidden: name and selector are mutually exclusive\n"
     "spec.paramRef.parameterNotFoundAction: Required value\n"
     "spec.validationActions: Required value: at least one validation action is required\n"},
};

static const struct row apiservice[] = {
    {"apiservice",
     "{'spec':{'version':'1', 'groupPriorityMinimum':20001, 'versionPriority':1001, "
     "'insecureSkipTLSVerify':true, 'caBundle':'Zm9v', 'service':{'port':0}}}",
     NULL, NULL,
     "metadata.name: Invalid value: \"v1.g.example.com\": must be "
     "`spec.version+\".\"+spec.group`: \"1.g.example.com\"\n"
     "spec.version: Invalid value: \"1\": {1035}\n"
     "spec.groupPriorityMinimum: Invalid value: 20001: must be positive and less than "
     "20000\n"
     "spec.versionPriority: Invalid value: 1001: must be positive and less than 1000\n"
     "spec.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, "
     "inclusive\n"
     "spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is "
     "present\n"},
    {"apiservice", "{'spec':{'service':null, 'insecureSkipTLSVerify':true, 'caBundle':'Zm9v'}}",
     NULL, NULL,
     "spec.caBundle: Invalid value: \"3 bytes\": local APIServices may not have a "
     "caBundle\n"
     "spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have "
     "insecureSkipTLSVerify\n"},
};

static const struct row flowschema[] = {
    {"flowschema",
     "{'spec':{'matchingPrecedence':1, 'priorityLevelConfiguration':{'name':'Bad_'}}}", NULL, NULL,
     "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have "
     "matchingPrecedence 1\n"
     "spec.priorityLevelConfiguration.name: Invalid value: \"Bad_\": {subdomain}\n"},
    {"flowschema",
     "{'spec':{'rules':[{'subjects':[{'kind':'x'}, {'kind':'User', 'group':{'name':'g'}}, "
     "{'kind':'ServiceAccount', 'serviceAccount':{'name':'Bad_', 'namespace':''}}, "
     "{'kind':'Group', 'group':{'name':''}}], 'resourceRules':[{'verbs':['x'], "
     "'apiGroups':['*', 'a'], 'resources':[], 'namespaces':['Bad_']}], "
     "'nonResourceRules':[{'verbs':['*', 'get'], 'nonResourceURLs':['', 'x', '/a b', "
     "'/a//b', '/a*', '/*']}]}]}}",
     NULL, NULL,
     "spec.rules[0].subjects[0].kind: Unsupported value: \"x\": supported values: "
     "\"Group\", \"ServiceAccount\", \"User\"\n"
     "spec.rules[0].subjects[1].user: Required value: user is required when subject kind "
     "is 'User'\n"
     "spec.rules[0].subjects[1].group: Forbidden: group is forbidden when subject kind is "
     "not 'Group'\n"
     "spec.rules[0].subjects[2].serviceAccount.name: Invalid value: \"Bad_\": {subdomain}\n"
     "spec.rules[0].subjects[2].serviceAccount.namespace: Required value: must specify "
     "namespace for service account\n"
     "spec.rules[0].subjects[3].group.name: Required value\n"
     "spec.rules[0].resourceRules[0].verbs: Unsupported value: [\"x\"]: supported values: "
     "\"create\", \"delete\", \"deletecollection\", \"get\", \"head\", \"list\", "
     "\"patch\", \"post\", \"proxy\", \"put\", \"update\", \"watch\"\n"
     "spec.rules[0].resourceRules[0].apiGroups: Invalid value: [\"*\",\"a\"]: if '*' is "
     "present, must not specify other api groups\n"
     "spec.rules[0].resourceRules[0].resources: Required value: resource rules must supply "
     "at least one resource\n"
     "spec.rules[0].resourceRules[0].namespaces[0]: Invalid value: \"Bad_\": each member "
     "of this list must be '*' or a DNS-1123 label; {label}\n"
     "spec.rules[0].nonResourceRules[0].verbs: Invalid value: [\"*\",\"get\"]: if '*' is "
     "present, must not specify other verbs\n"
     "spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: \"\": must not "
     "be empty\n"
     "spec.rules[0].nonResourceRules[0].nonResourceURLs[1]: Invalid value: \"x\": must "
     "start with slash\n"
     "spec.rules[0].nonResourceRules[0].nonResourceURLs[2]: Invalid value: \"/a b\": must "
     "not contain white-space\n"
     "spec.rules[0].nonResourceRules[0].nonResourceURLs[3]: Invalid value: \"/a//b\": must "
     "not contain double slash\n"
     "spec.rules[0].nonResourceRules[0].nonResourceURLs[4]: Invalid value: \"/a*\": "
     "wildcard can only do suffix matching\n"},
    {"flowschema",
     "{'spec':{'rules':[{'subjects':[{'kind':'User', 'user':{'name':'u'}}], "
     "'resourceRules':[{'verbs':['get'], 'apiGroups':['*'], 'resources':['*']}]}]}}",
     NULL, NULL,
     "spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are "
     "not cluster scoped must supply at least one namespace\n"},
};

static const struct row prioritylevel[] = {
    {"prioritylevel",
     "{'spec':{'limited':{'nominalConcurrencyShares':-1, 'lendablePercent':101, "
     "'borrowingLimitPercent':-1, 'limitResponse':{'type':'Queue', 'queuing':{'queues':-1, "
     "'handSize':-1, 'queueLengthLimit':-1}}}}}",
     NULL, NULL,
     "spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative "
     "integer\n"
     "spec.limited.limitResponse.queuing.queueLengthLimit: Invalid value: -1: must be "
     "positive\n"
     "spec.limited.limitResponse.queuing.queues: Invalid value: -1: must be positive\n"
     "spec.limited.limitResponse.queuing.handSize: Invalid value: -1: must be positive\n"
     "spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, "
     "inclusive\n"
     "spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a "
     "non-negative integer\n"},
    {"prioritylevel",
     "{'spec':{'limited':{'limitResponse':{'type':'Queue', 'queuing':{'queues':64, "
     "'handSize':65}}}}}",
     NULL, NULL,
     "spec.limited.limitResponse.queuing.handSize: Invalid value: 65: should not be "
     "greater than queues (64)\n"},
    {"prioritylevel",
     "{'spec':{'limited':{'limitResponse':{'type':'Queue', 'queuing':{'queues':10000001, "
     "'handSize':8}}}}}",
     NULL, NULL,
     "spec.limited.limitResponse.queuing.queues: Invalid value: 10000001: must not be "
     "greater than 10000000\n"
     "spec.limited.limitResponse.queuing.handSize: Invalid value: 8: required entropy bits "
     "of deckSize 10000001 and handSize 8 should not be greater than 60\n"},
    {"prioritylevel",
     "{'spec':{'limited':{'limitResponse':{'type':'Queue', 'queuing':{'queues':512, "
     "'handSize':8}}}}}",
     NULL, NULL,
     "spec.limited.limitResponse.queuing.handSize: Invalid value: 8: required entropy bits "
     "of deckSize 512 and handSize 8 should not be greater than 60\n"},
    {"prioritylevel", "{'spec':{'exempt':{}}}", NULL, NULL,
     "spec.exempt: Forbidden: must be nil if the type is Limited\n"},
};

static const struct row localreview[] = {
    {"localreview",
     "{'spec':{'user':'', 'nonResourceAttributes':{'path':'/p'}, 'resourceAttributes':{"
     "'namespace':'other', 'fieldSelector':{}, 'labelSelector':{'rawSelector':'a', "
     "'requirements':[{'key':'-', 'operator':'In', 'values':['-']}, {'key':'a', "
     "'operator':'Newer'}]}}}}",
     NULL, NULL,
     "spec.nonResourceAttributes: Invalid value: {\"Path\":\"/p\",\"Verb\":\"\"}: cannot be "
     "specified in combination with resourceAttributes\n"
     "spec.user: Invalid value: \"\": at least one of user or group must be specified\n"
     "spec.resourceAttributes.fieldSelector.requirements: Required value: when "
     "spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is "
     "required\n"
     "spec.resourceAttributes.labelSelector.rawSelector: Invalid value: \"a\": may not specified "
     "at "
     "the same time as requirements\n"
     "spec.resourceAttributes.labelSelector.requirements[0].key: Invalid value: \"-\": "
     "{qualified}\n"
     "spec.resourceAttributes.labelSelector.requirements[0].values[0]: Invalid value: \"-\": "
     "{value}\n"
     "spec.resourceAttributes.namespace: Invalid value: \"other\": must match "
     "metadata.namespace\n"
     "spec.nonResourceAttributes: Invalid value: {\"Path\":\"/p\",\"Verb\":\"\"}: disallowed on "
     "this kind of request\n"},
};

static const struct row deviceclass[] = {
    {"deviceclass",
     "{'spec':{'selectors':[{'cel':{'expression':'device.driver == string(1) && "
     "device.attributes[device.driver].cores > 2 && "
     "device.capacity[device.driver].memory.isGreaterThan(quantity(string(1)))'}}, "
     "{'cel':{'expression':'cel.bind(d, device.attributes[device.driver], has(d.x) && d.x)'}}, "
     "{'cel':{'expression':'device.attributes[device.driver].healthy'}}]}}",
     NULL, NULL, ""},
    {"deviceclass",
     "{'spec':{'selectors':[{'cel':{'expression':'device.name'}}, "
     "{'cel':{'expression':'device.driver'}}]}}",
     NULL, NULL,
     "spec.selectors[0].cel.expression: Invalid value: \"device.name\": compilation failed: ERROR: "
     "<input>:1:7: undefined field 'name'\n | device.name\n | ......^\n"
     "spec.selectors[1].cel.expression: Invalid value: \"device.driver\": must evaluate to bool or "
     "the unknown type, not string\n"},
    {"deviceclass",
     "{'spec':{'selectors':[{}], 'config':[{}, {'opaque':{'driver':'Bad_', "
     "'parameters':{}}}], 'extendedResourceName':'cpu'}}",
     NULL, NULL,
     "spec.selectors[0].cel: Required value\n"
     "spec.config[0].opaque: Required value\n"
     "spec.config[1].opaque.driver: Invalid value: \"Bad_\": {subdomain}\n"
     "spec.extendedResourceName: Invalid value: \"cpu\": must be a valid extended resource "
     "name\n"},
};

static const struct row admin[] = {
    {"claim",
     "{'spec':{'devices':{'requests':[{'name':'r', 'exactly':{'deviceClassName':'c', "
     "'adminAccess':true}}]}}}",
     NULL, NULL,
     ": Forbidden: admin access to devices requires the `resource.kubernetes.io/admin-access: "
     "true` label on the containing namespace\n"},
};

/* Of a claim with one request: what it got, as its status says. */
#define NO_INTERFACE "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)"
#define GOT                                                                                        \
    "'allocation':{'devices':{'results':[{'request':'r', 'driver':'d', 'pool':'p', 'device':'v'"
#define ONE_REQUEST                                                                                \
    "{'spec':{'devices':{'requests':[{'name':'r', 'exactly':{'deviceClassName':'c'}}]}}}"
#define THE_DEVICE "'driver':'d', 'pool':'p', 'device':'v'"

static const struct row claim_status[] = {
    {"claim", ONE_REQUEST,
     "{'status':{" GOT ", 'shareID':'550e8400-e29b-41d4-a716-446655440000'}]}}}}", "status", ""},
    {"claim", ONE_REQUEST,
     "{'status':{" GOT ", 'shareID':'550E8400-e29b-41d4-a716-446655440000'}]}}}}", "status",
     "status.allocation.devices.results[0].shareID: Invalid value: "
     "\"550E8400-e29b-41d4-a716-446655440000\": must be a lowercase UUID in 8-4-4-4-12 format\n"},
    {"claim", ONE_REQUEST, "{'status':{" GOT ", 'shareID':''}]}}}}", "status",
     "status.allocation.devices.results[0].shareID: Invalid value: \"\": must be a lowercase UUID "
     "in "
     "8-4-4-4-12 format\n"},
    {"claim", ONE_REQUEST,
     "{'status':{" GOT "}]}}, 'devices':[{" THE_DEVICE "}, {" THE_DEVICE "}]}}", "status",
     "status.devices[1]: Duplicate value: "
     "{\"Driver\":\"d\",\"Pool\":\"p\",\"Device\":\"v\",\"ShareID\":\"\"}\n"},
    {"claim", ONE_REQUEST,
     "{'status':{" GOT "}]}}, 'devices':[{" THE_DEVICE
     ", 'networkData':{'ips':['1.2.3.4/24', '010.2.3.4/8', '1.2.3.4', '1.2.3.4/33', "
     "'2001:DB8::1/64', '::ffff:1.2.3.4/120', '1.2.3.4/24']}}]}}",
     "status",
     "status.devices[0].networkData.ips[1]: Invalid value: \"010.2.3.4/8\": must be in canonical "
     "form (\"10.2.3.4/8\")\n"
     "status.devices[0].networkData.ips[2]: Invalid value: \"1.2.3.4\": " NO_INTERFACE "\n"
     "status.devices[0].networkData.ips[3]: Invalid value: \"1.2.3.4/33\": " NO_INTERFACE "\n"
     "status.devices[0].networkData.ips[4]: Invalid value: \"2001:DB8::1/64\": must be in "
     "canonical "
     "form (\"2001:db8::1/64\")\n"
     "status.devices[0].networkData.ips[5]: Invalid value: \"::ffff:1.2.3.4/120\": must be in "
     "canonical form (\"1.2.3.4/24\")\n"
     "status.devices[0].networkData.ips[6]: Duplicate value: \"1.2.3.4/24\"\n"},
};

static const struct row claim[] = {
    {"claim",
     "{'spec':{'devices':{'requests':[{'name':''}, {'name':'Bad_', "
     "'exactly':{'deviceClassName':''}}, {'name':'r', 'exactly':{'deviceClassName':'c', "
     "'allocationMode':'All', 'count':2}}, {'name':'r', 'exactly':{'deviceClassName':'c', "
     "'allocationMode':'x'}, 'firstAvailable':[{'name':'s', 'deviceClassName':'c'}]}]}}}",
     NULL, NULL,
     "spec.devices.requests[0].name: Required value\n"
     "spec.devices.requests[0]: Required value: exactly one of `exactly` or "
     "`firstAvailable` is required\n"
     "spec.devices.requests[1].name: Invalid value: \"Bad_\": {label}\n"
     "spec.devices.requests[1].exactly.deviceClassName: Required value\n"
     "spec.devices.requests[2].exactly.count: Invalid value: 2: must not be specified when "
     "allocationMode is 'All'\n"
     "spec.devices.requests[3]: Invalid value: null: exactly one of `exactly` or "
     "`firstAvailable` is required, but multiple fields are set\n"
     "spec.devices.requests[3]: Duplicate value: \"r\"\n"},
    {"claim",
     "{'spec':{'devices':{'requests':[{'name':'r', 'firstAvailable':[{'name':'s', "
     "'deviceClassName':'c', 'count':-1}, {'name':'s', 'deviceClassName':'Bad_'}]}], "
     "'constraints':[{'requests':['r', 'r', 'x', 'a/b/c']}, {'matchAttribute':'name'}, "
     "{'matchAttribute':'example.com/1bad'}], 'config':[{'requests':['r/s']}]}}}",
     NULL, NULL,
     "spec.devices.requests[0].firstAvailable[0].count: Invalid value: -1: must be greater "
     "than zero\n"
     "spec.devices.requests[0].firstAvailable[1].deviceClassName: Invalid value: \"Bad_\": "
     "{subdomain}\n"
     "spec.devices.requests[0].firstAvailable[1]: Duplicate value: \"s\"\n"
     "spec.devices.constraints[0].requests[2]: Invalid value: \"x\": must be the name of a "
     "request in the claim or the name of a request and a subrequest separated by '/'\n"
     "spec.devices.constraints[0].requests[3]: Invalid value: \"a/b/c\": must be the name "
     "of a request in the claim or the name of a request and a subrequest separated by "
     "'/'\n"
     "spec.devices.constraints[0].requests[1]: Duplicate value: \"r\"\n"
     "spec.devices.constraints[0]: Required value: exactly one of \"matchAttribute\" or "
     "\"distinctAttribute\" is required, but multiple fields are set\n"
     "spec.devices.constraints[1].matchAttribute: Invalid value: \"name\": a fully "
     "qualified name must be a domain and a name separated by a slash\n"
     "spec.devices.constraints[2].matchAttribute: Invalid value: \"1bad\": a valid C "
     "identifier must start with alphabetic character or '_', followed by a string of "
     "alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex "
     "used for validation is '[A-Za-z_][A-Za-z0-9_]*')\n"
     "spec.devices.config[0].opaque: Required value\n"},
    {"claim",
     "{'spec':{'devices':{'requests':[{'name':'r', 'exactly':{'deviceClassName':'c', "
     "'tolerations':[{'operator':'Exists', 'value':'v'}, {'operator':'x', 'effect':'y'}, "
     "{'key':'a b', 'value':'-'}]}}]}}}",
     NULL, NULL,
     "spec.devices.requests[0].exactly.tolerations[0].value: Invalid value: \"v\": must be "
     "empty for operator `Exists`\n"
     "spec.devices.requests[0].exactly.tolerations[1].operator: Unsupported value: \"x\": "
     "supported values: \"Equal\", \"Exists\"\n"
     "spec.devices.requests[0].exactly.tolerations[1].effect: Unsupported value: \"y\": "
     "supported values: \"NoExecute\", \"NoSchedule\", \"None\"\n"
     "spec.devices.requests[0].exactly.tolerations[2].key: Invalid value: \"a b\": "
     "{qualified}\n"
     "spec.devices.requests[0].exactly.tolerations[2].value: Invalid value: \"-\": "
     "{value}\n"},
    {"claim", "{}", "{'spec':{'devices':{'requests':[]}}}", NULL,
     "spec: Invalid value: {\"Devices\":{\"Requests\":null,\"Constraints\":null,"
     "\"Config\":null}}: field is immutable\n"},
    {"claim", "{}",
     "{'status':{'reservedFor':[{'resource':'pods', 'name':'p', 'uid':'1'}, "
     "{'resource':'', 'name':'', 'uid':''}]}}",
     "status",
     "status.reservedFor[1].resource: Required value\n"
     "status.reservedFor[1].name: Required value\n"
     "status.reservedFor[1].uid: Required value\n"
     "status.reservedFor: Forbidden: may not be specified when `allocated` is not set\n"},
};

static const struct row claimtemplate[] = {
    {"claimtemplate",
     "{'spec':{'metadata':{'labels':{'a b':'c'}}, "
     "'spec':{'devices':{'requests':[{'name':'r'}]}}}}",
     NULL, NULL,
     "spec.metadata.labels: Invalid value: \"a b\": {qualified}\n"
     "spec.spec.devices.requests[0]: Required value: exactly one of `exactly` or "
     "`firstAvailable` is required\n"},
    {"claimtemplate", "{}", "{'spec':{'metadata':{'labels':{'a':'b'}}}}", NULL,
     "spec: Invalid value: "
     "{\"labels\":{\"a\":\"b\"},\"Spec\":{\"Devices\":{\"Requests\":null,\"Constraints\":null,"
     "\"Config\":null}}}: field is "
     "immutable\n"},
};

static const struct row slice[] = {
    {"slice",
     "{'spec':{'driver':'', 'pool':{'name':'a//b', 'generation':-1, "
     "'resourceSliceCount':0}, 'allNodes':false}}",
     NULL, NULL,
     "spec.driver: Required value\n"
     "spec.driver: Invalid value: \"\": {subdomain}\n"
     "spec.pool.name: Invalid value: \"\": {subdomain}\n"
     "spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero\n"
     "spec.pool.generation: Invalid value: -1: must be greater than or equal to zero\n"
     "spec.allNodes: Invalid value: false: must be either unset or set to true\n"},
    {"slice", "{'spec':{'allNodes':true, 'perDeviceNodeSelection':false}}", NULL, NULL,
     "spec.perDeviceNodeSelection: Invalid value: false: must be either unset or set to "
     "true\n"
     "spec: Invalid value: \"{`nodeName`, `allNodes`}\": exactly one of `nodeName`, "
     "`nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple "
     "fields are set\n"},
    {"slice",
     "{'spec':{'nodeName':null, 'devices':[{'name':'a', 'attributes':{'x/y':{}, "
     "'a.b/zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz':{'int':1}, 'v':{'version':'1.2'}, "
     "'w':{'bool':true, 'int':1}}}, {'name':'a', 'taints':[{'key':'', 'effect':''}], "
     "'nodeName':'n'}]}}",
     NULL, NULL,
     "spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, "
     "`perDeviceNodeSelection` is required\n"
     "spec.devices[0].attributes[a.b/zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz]: Too long: may not "
     "be more than 32 bytes\n"
     "spec.devices[0].attributes[v].version: Invalid value: \"1.2\": must be a string "
     "compatible with semver.org spec 2.0.0\n"
     "spec.devices[0].attributes[w]: Invalid value: {\"bool\":true,\"int\":1}: exactly one "
     "value must be specified\n"
     "spec.devices[0].attributes[x/y]: Invalid value: \"\": exactly one value must be "
     "specified\n"
     "spec.devices[1].taints[0].key: Invalid value: \"\": name part must be non-empty\n"
     "spec.devices[1].taints[0].key: Invalid value: \"\": {qualified}\n"
     "spec.devices[1].taints[0].effect: Required value\n"
     "spec.devices[1]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can "
     "only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec\n"
     "spec.devices[1]: Duplicate value: \"a\"\n"},
    {"slice",
     "{'spec':{'devices':[{'name':'a', 'capacity':{'m':{'value':'4', "
     "'requestPolicy':{'default':'1'}}}}, {'name':'b', 'allowMultipleAllocations':true, "
     "'capacity':{'m':{'value':'4', 'requestPolicy':{'default':'1', "
     "'validRange':{'min':'2', 'max':'8', 'step':'3'}}}, 'n':{'value':'4', "
     "'requestPolicy':{'default':'3', 'validValues':['2', '1', '8']}}}}, {'name':'c', "
     "'consumesCounters':[{'counterSet':'', 'counters':{}}], 'bindingConditions':['x']}]}}",
     NULL, NULL,
     "spec.devices[0].capacity[m].requestPolicy: Forbidden: allowMultipleAllocations must "
     "be true\n"
     "spec.devices[1].capacity[m].requestPolicy.validRange.min: Invalid value: \"1\": "
     "default is less than min: 2\n"
     "spec.devices[1].capacity[m].requestPolicy.validRange.max: Invalid value: \"8\": max "
     "is larger than capacity value: 4\n"
     "spec.devices[1].capacity[m].requestPolicy.validRange.step: Invalid value: \"3\": one "
     "step 5 is larger than capacity value: 4\n"
     "spec.devices[1].capacity[m].requestPolicy.validRange.step: Invalid value: \"1\": "
     "value is not a multiple of a given step (3) from (2)\n"
     "spec.devices[1].capacity[n].requestPolicy.validValues[1]: Invalid value: \"1\": "
     "values must be sorted in ascending order\n"
     "spec.devices[1].capacity[n].requestPolicy.validValues[2]: Invalid value: \"8\": "
     "option is larger than capacity value: 4\n"
     "spec.devices[1].capacity[n].requestPolicy.validValues: Invalid value: \"3\": default "
     "value is not valid according to the requestPolicy\n"
     "spec.devices[2].consumesCounters[0].counterSet: Required value\n"
     "spec.devices[2].consumesCounters[0].counters: Required value\n"
     "spec.devices[2].bindingFailureConditions: Invalid value: null: "
     "bindingFailureConditions are required to use bindingConditions\n"},
    {"slice",
     "{'spec':{'sharedCounters':[{'name':'Bad_', 'counters':{}}, {'name':'a', "
     "'counters':{'Bad_':{'value':'1'}}}], 'nodeSelector':{'nodeSelectorTerms':[]}}}",
     NULL, NULL,
     "spec.nodeSelector.nodeSelectorTerms: Required value: must have at least one node "
     "selector term\n"
     "spec.nodeSelector.nodeSelectorTerms: Invalid value: null: must have exactly one node "
     "selector term\n"
     "spec: Invalid value: \"{`nodeName`, `nodeSelector`}\": exactly one of `nodeName`, "
     "`nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple "
     "fields are set\n"
     "spec.sharedCounters[0].name: Invalid value: \"Bad_\": {label}\n"
     "spec.sharedCounters[0].counters: Required value\n"
     "spec.sharedCounters[1].counters[Bad_]: Invalid value: \"Bad_\": {label}\n"},
    {"slice", "{}", "{'spec':{'nodeName':'m', 'driver':'e.example.com'}}", NULL,
     "spec.driver: Invalid value: \"e.example.com\": field is immutable\n"
     "spec.nodeName: Invalid value: \"m\": field is immutable\n"},
};

#define CLAIM(table_, name_)                                                                       \
    TEST(table_, name_)                                                                            \
    {                                                                                              \
        rows_check(kinds, ARRAY_LEN(kinds), table_, ARRAY_LEN(table_));                            \
    }
CLAIM(webhook, tells_all_that_is_wrong_in_order)
CLAIM(policy, tells_all_that_is_wrong_in_order)
CLAIM(mutatingpolicy, tells_all_that_is_wrong_in_order)
CLAIM(expressions, are_compiled_where_they_will_run)
CLAIM(policybinding, tells_all_that_is_wrong_in_order)
CLAIM(apiservice, tells_all_that_is_wrong_in_order)
CLAIM(flowschema, tells_all_that_is_wrong_in_order)
CLAIM(prioritylevel, tells_all_that_is_wrong_in_order)
CLAIM(localreview, tells_all_that_is_wrong_in_order)
CLAIM(deviceclass, tells_all_that_is_wrong_in_order)
CLAIM(admin, needs_a_labelled_namespace)
CLAIM(claim, tells_all_that_is_wrong_in_order)
CLAIM(claim_status, tells_what_no_driver_may_say)
CLAIM(claimtemplate, tells_all_that_is_wrong_in_order)
CLAIM(slice, tells_all_that_is_wrong_in_order)

TEST_MAIN
