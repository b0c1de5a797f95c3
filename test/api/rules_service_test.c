/* rules_service_test.c - what is wrong with Services and with their changes.
 *
 * Expected texts: the sources that src/api/validation names, read beside these rows. */
#include "test/api/rows.h"

static const struct kind_row kinds[] = {
    {"service", "/api/v1/namespaces/default/services",
     "{'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'name': 'x'}, 'spec': "
     "{'selector': {'a': 'b'}, 'ports': [{'port': 80}]}}"},
};

static const struct row services[] = {
    {"service", "{'spec': {'ports': []}}", NULL, NULL, "spec.ports: Required value\n"},
    {"service", "{'spec': {'ports': [], 'clusterIP': 'None'}}", NULL, NULL, ""},
    {"service", "{'spec': {'ports': [{}]}}", NULL, NULL,
     "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive\n"
     "spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, "
     "inclusive\n"},
    {"service", "{'spec': {'ports': [{'port': 80}, {'port': 81}]}}", NULL, NULL,
     "spec.ports[0].name: Required value\n"
     "spec.ports[1].name: Required value\n"},
    {"service",
     "{'spec': {'ports': [{'port': 80, 'name': 'a'}, {'port': 81, 'name': 'a'}, "
     "{'port': 80, 'name': 'b'}]}}",
     NULL, NULL,
     "spec.ports[1].name: Duplicate value: \"a\"\n"
     "spec.ports[2]: Duplicate value: "
     "{\"Name\":\"\",\"Protocol\":\"TCP\",\"AppProtocol\":null,\"Port\":80,\"TargetPor"
     "t\":0,\"NodePort\":0}\n"},
    {"service", "{'spec': {'ports': [{'port': 80, 'name': 'A_'}]}}", NULL, NULL,
     "spec.ports[0].name: Invalid value: \"A_\": {label}\n"},
    {"service", "{'spec': {'ports': [{'port': 70000, 'protocol': 'x', 'targetPort': 'A'}]}}", NULL,
     NULL,
     "spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, "
     "inclusive\n"
     "spec.ports[0].protocol: Unsupported value: \"x\": supported values: \"SCTP\", "
     "\"TCP\", \"UDP\"\n"
     "spec.ports[0].targetPort: Invalid value: \"A\": must contain only alpha-numeric "
     "characters (a-z, 0-9), and hyphens (-)\n"
     "spec.ports[0].targetPort: Invalid value: \"A\": must contain at least one "
     "letter (a-z)\n"},
    {"service", "{'spec': {'ports': [{'port': 80, 'targetPort': 70000}]}}", NULL, NULL,
     "spec.ports[0].targetPort: Invalid value: 70000: must be between 1 and 65535, "
     "inclusive\n"},
    {"service", "{'spec': {'ports': [{'port': 80, 'appProtocol': 'a b'}]}}", NULL, NULL,
     "spec.ports[0].appProtocol: Invalid value: \"a b\": {qualified}\n"},
    {"service", "{'spec': {'ports': [{'port': 80, 'targetPort': 81}], 'clusterIP': 'None'}}", NULL,
     NULL, ""},
    {"service", "{'spec': {'ports': [{'port': 80, 'nodePort': 30001}]}}", NULL, NULL,
     "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'\n"},
    {"service", "{'spec': {'type': 'NodePort', 'ports': [{'port': 80, 'nodePort': 80}]}}", NULL,
     NULL, ""},
    {"service",
     "{'spec': {'type': 'NodePort', 'ports': [{'port': 80, 'nodePort': 30001, 'name': "
     "'a'}, {'port': 81, 'nodePort': 30001, 'name': 'b'}]}}",
     NULL, NULL, "spec.ports[1].nodePort: Duplicate value: 30001\n"},
    {"service", "{'spec': {'type': 'NodePort', 'clusterIP': 'None'}}", NULL, NULL,
     "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for "
     "NodePort services\n"},
    {"service", "{'spec': {'type': 'LoadBalancer', 'clusterIP': 'None'}}", NULL, NULL,
     "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for "
     "LoadBalancer services\n"},
    {"service", "{'spec': {'type': 'x'}}", NULL, NULL,
     "spec.type: Unsupported value: \"x\": supported values: \"ClusterIP\", "
     "\"ExternalName\", \"LoadBalancer\", \"NodePort\"\n"},
    {"service", "{'spec': {'sessionAffinity': 'x'}}", NULL, NULL,
     "spec.sessionAffinity: Unsupported value: \"x\": supported values: \"ClientIP\", "
     "\"None\"\n"},
    {"service",
     "{'spec': {'sessionAffinity': 'ClientIP', 'sessionAffinityConfig': {'clientIP': "
     "{'timeoutSeconds': 0}}}}",
     NULL, NULL,
     "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be "
     "greater than 0 and less than 86400\n"},
    {"service",
     "{'spec': {'sessionAffinity': 'ClientIP', 'sessionAffinityConfig': {'clientIP': "
     "{'timeoutSeconds': 86401}}}}",
     NULL, NULL,
     "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must "
     "be greater than 0 and less than 86400\n"},
    {"service",
     "{'spec': {'sessionAffinity': 'None', 'sessionAffinityConfig': {'clientIP': "
     "{'timeoutSeconds': 5}}}}",
     NULL, NULL, ""},
    {"service", "{'spec': {'selector': {'a b': 'c d'}}}", NULL, NULL,
     "spec.selector: Invalid value: \"a b\": {qualified}\n"
     "spec.selector: Invalid value: \"c d\": {value}\n"},
    {"service", "{'spec': {'type': 'ExternalName'}}", NULL, NULL,
     "spec.externalName: Required value\n"},
    {"service", "{'spec': {'type': 'ExternalName', 'externalName': 'A_.b'}}", NULL, NULL,
     "spec.externalName: Invalid value: \"A_.b\": {subdomain}\n"},
    {"service",
     "{'spec': {'type': 'ExternalName', 'externalName': 'a.b.', 'clusterIP': "
     "'1.1.1.1'}}",
     NULL, NULL, "spec.clusterIPs: Forbidden: may not be set for ExternalName services\n"},
    {"service",
     "{'spec': {'type': 'ExternalName', 'externalName': 'a.b', 'ipFamilies': "
     "['IPv4'], 'ipFamilyPolicy': 'SingleStack'}}",
     NULL, NULL,
     "spec.ipFamilies: Forbidden: may not be set for ExternalName services\n"
     "spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services\n"},
    {"service",
     "{'spec': {'type': 'ExternalName', 'externalName': 'a.b', "
     "'externalTrafficPolicy': 'Local'}}",
     NULL, NULL,
     "spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for "
     "externally-accessible services\n"},
    {"service", "{'spec': {'clusterIP': 'x'}}", NULL, NULL,
     "spec.clusterIPs[0]: Invalid value: \"x\": must be a valid IP address, (e.g. "
     "10.9.8.7 or 2001:db8::ffff)\n"},
    {"service", "{'spec': {'clusterIP': '10.96.0.77', 'clusterIPs': ['10.96.0.78']}}", NULL, NULL,
     "spec.clusterIPs: Invalid value: [\"10.96.0.78\"]: first value must match "
     "`clusterIP`\n"},
    {"service", "{'spec': {'clusterIPs': ['10.96.0.78']}}", NULL, NULL,
     "spec.clusterIPs: Invalid value: [\"10.96.0.78\"]: must be empty when "
     "`clusterIP` is not specified\n"},
    {"service", "{'spec': {'clusterIP': 'None', 'clusterIPs': ['None', '10.96.0.78']}}", NULL, NULL,
     "spec.clusterIPs: Invalid value: [\"None\",\"10.96.0.78\"]: 'None' must be the "
     "first and only value\n"},
    {"service",
     "{'spec': {'clusterIP': '10.96.0.78', 'clusterIPs': ['10.96.0.78', "
     "'10.96.0.79']}}",
     NULL, NULL,
     "spec.clusterIPs: Invalid value: [\"10.96.0.78\",\"10.96.0.79\"]: may specify no "
     "more than one IP for each IP family\n"},
    {"service",
     "{'spec': {'clusterIP': '10.96.0.78', 'clusterIPs': ['10.96.0.78', '::1', "
     "'::2']}}",
     NULL, NULL,
     "spec.clusterIPs: Invalid value: [\"10.96.0.78\",\"::1\",\"::2\"]: may only hold "
     "up to 2 values\n"},
    {"service", "{'spec': {'ipFamilies': ['x', 'IPv4', 'IPv4']}}", NULL, NULL,
     "spec.ipFamilies[0]: Unsupported value: \"x\": supported values: \"IPv4\", "
     "\"IPv6\"\n"
     "spec.ipFamilies[2]: Duplicate value: \"IPv4\"\n"},
    {"service", "{'spec': {'ipFamilyPolicy': 'x'}}", NULL, NULL,
     "spec.ipFamilyPolicy: Unsupported value: \"x\": supported values: "
     "\"PreferDualStack\", \"RequireDualStack\", \"SingleStack\"\n"},
    {"service", "{'spec': {'ipFamilies': ['IPv4', 'IPv6'], 'ipFamilyPolicy': 'SingleStack'}}", NULL,
     NULL,
     "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' "
     "or 'PreferDualStack' when multiple IP families are specified\n"},
    {"service", "{'spec': {'clusterIP': '10.96.0.78', 'ipFamilies': ['IPv6']}}", NULL, NULL,
     "spec.clusterIPs[0]: Invalid value: \"10.96.0.78\": expected an IPv6 value as "
     "indicated by `ipFamilies[0]`\n"},
    {"service",
     "{'spec': {'externalIPs': ['x', '127.0.0.1', '169.254.0.1', '0.0.0.0', "
     "'224.0.0.1', '::1']}}",
     NULL, NULL,
     "spec.externalIPs[0]: Invalid value: \"x\": must be a valid IP address, (e.g. "
     "10.9.8.7 or 2001:db8::ffff)\n"
     "spec.externalIPs[1]: Invalid value: \"127.0.0.1\": may not be in the loopback "
     "range (127.0.0.0/8, ::1/128)\n"
     "spec.externalIPs[2]: Invalid value: \"169.254.0.1\": may not be in the "
     "link-local range (169.254.0.0/16, fe80::/10)\n"
     "spec.externalIPs[3]: Invalid value: \"0.0.0.0\": may not be unspecified "
     "(0.0.0.0)\n"
     "spec.externalIPs[4]: Invalid value: \"224.0.0.1\": may not be in the link-local "
     "multicast range (224.0.0.0/24, ff02::/10)\n"
     "spec.externalIPs[5]: Invalid value: \"::1\": may not be in the loopback range "
     "(127.0.0.0/8, ::1/128)\n"},
    {"service", "{'spec': {'type': 'LoadBalancer', 'loadBalancerIP': 'x'}}", NULL, NULL, ""},
    {"service",
     "{'spec': {'type': 'LoadBalancer', 'loadBalancerSourceRanges': ['x', "
     "'10.0.0.0/8', '10.0.0.1/33']}}",
     NULL, NULL,
     "spec.LoadBalancerSourceRanges[0]: Invalid value: \"x\": must be a valid CIDR "
     "value, (e.g. 10.9.8.0/24 or 2001:db8::/64)\n"
     "spec.LoadBalancerSourceRanges[2]: Invalid value: \"10.0.0.1/33\": must be a "
     "valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)\n"},
    {"service", "{'spec': {'loadBalancerSourceRanges': ['10.0.0.0/8']}}", NULL, NULL,
     "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is "
     "'LoadBalancer'\n"},
    {"service",
     "{'metadata': {'annotations': "
     "{'service.beta.kubernetes.io/load-balancer-source-ranges': 'x'}}}",
     NULL, NULL,
     "metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: "
     "Forbidden: may only be used when `type` is 'LoadBalancer'\n"
     "metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: "
     "Invalid value: \"x\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or "
     "2001:db8::/64)\n"},
    {"service",
     "{'metadata': {'annotations': "
     "{'service.beta.kubernetes.io/load-balancer-source-ranges': 'x'}}, 'spec': "
     "{'type': 'LoadBalancer'}}",
     NULL, NULL,
     "metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: "
     "Invalid value: \"x\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or "
     "2001:db8::/64)\n"},
    {"service",
     "{'metadata': {'annotations': "
     "{'service.beta.kubernetes.io/load-balancer-source-ranges': ' '}}, 'spec': "
     "{'type': 'LoadBalancer'}}",
     NULL, NULL, ""},
    {"service", "{'spec': {'type': 'LoadBalancer', 'loadBalancerClass': 'a b'}}", NULL, NULL,
     "spec.loadBalancerClass: Invalid value: \"a b\": {qualified}\n"},
    {"service", "{'spec': {'loadBalancerClass': 'a.b/c', 'allocateLoadBalancerNodePorts': false}}",
     NULL, NULL,
     "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is "
     "'LoadBalancer'\n"
     "spec.loadBalancerClass: Forbidden: may only be used when `type` is "
     "'LoadBalancer'\n"},
    {"service", "{'spec': {'externalTrafficPolicy': 'Local'}}", NULL, NULL,
     "spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for "
     "externally-accessible services\n"},
    {"service", "{'spec': {'type': 'NodePort', 'externalTrafficPolicy': 'x'}}", NULL, NULL,
     "spec.externalTrafficPolicy: Unsupported value: \"x\": supported values: "
     "\"Cluster\", \"Local\"\n"},
    {"service",
     "{'spec': {'type': 'NodePort', 'externalTrafficPolicy': 'Local', "
     "'healthCheckNodePort': 30005}}",
     NULL, NULL,
     "spec.healthCheckNodePort: Invalid value: 30005: may only be set when `type` is "
     "'LoadBalancer' and `externalTrafficPolicy` is 'Local'\n"},
    {"service",
     "{'spec': {'type': 'LoadBalancer', 'externalTrafficPolicy': 'Cluster', "
     "'healthCheckNodePort': 30005}}",
     NULL, NULL,
     "spec.healthCheckNodePort: Invalid value: 30005: may only be set when `type` is "
     "'LoadBalancer' and `externalTrafficPolicy` is 'Local'\n"},
    {"service",
     "{'spec': {'type': 'LoadBalancer', 'externalTrafficPolicy': 'Local', "
     "'healthCheckNodePort': -1}}",
     NULL, NULL,
     "spec.healthCheckNodePort: Invalid value: -1: must be between 1 and 65535, "
     "inclusive\n"},
    {"service",
     "{'spec': {'type': 'LoadBalancer', 'externalTrafficPolicy': 'Local', "
     "'healthCheckNodePort': 80}}",
     NULL, NULL, ""},
    {"service", "{'spec': {'internalTrafficPolicy': 'x'}}", NULL, NULL,
     "spec.internalTrafficPolicy: Unsupported value: \"x\": supported values: "
     "\"Cluster\", \"Local\"\n"},
    {"service", "{'spec': {'trafficDistribution': 'x'}}", NULL, NULL,
     "spec.trafficDistribution: Unsupported value: \"x\": supported values: "
     "\"PreferClose\", \"PreferSameZone\", \"PreferSameNode\"\n"},
    {"service", "{'spec': {'trafficDistribution': 'PreferClose'}}", NULL, NULL, ""},
    {"service",
     "{'spec': {'publishNotReadyAddresses': true, 'type': 'LoadBalancer', 'ports': "
     "[{'port': 10250}]}}",
     NULL, NULL, ""},
    {"service", "{'metadata': {'name': '9x'}}", NULL, NULL, ""},
    {"service", "{'metadata': {'name': 'a.b'}}", NULL, NULL,
     "metadata.name: Invalid value: \"a.b\": must not contain dots\n"},
    {"service", "{'metadata': {'name': 'X'}}", NULL, NULL,
     "metadata.name: Invalid value: \"X\": {label}\n"},
    {"service",
     "{'metadata': {'annotations': {'service.kubernetes.io/topology-mode': 'Auto', "
     "'service.kubernetes.io/topology-aware-hints': 'x'}}}",
     NULL, NULL,
     "metadata.annotations[service.kubernetes.io/topology-mode]: Invalid value: "
     "\"Auto\": must match annotations[service.kubernetes.io/topology-aware-hints] "
     "when both are specified\n"},
};

static const struct row updates[] = {
    {"service", "{}", "{'spec': {'clusterIP': '10.96.0.99'}}", NULL,
     "spec.clusterIPs[0]: Invalid value: [\"10.96.0.99\"]: may not change once set\n"},
    {"service", "{}", "{'spec': {'clusterIP': null, 'clusterIPs': null}}", NULL, ""},
    {"service", "{}", "{'spec': {'clusterIP': 'None'}}", NULL,
     "spec.clusterIPs[0]: Invalid value: [\"None\"]: may not change once set\n"},
    {"service", "{'spec': {'clusterIP': '10.96.0.9'}}", "{'spec': {'ipFamilies': ['IPv6']}}", NULL,
     "spec.ipFamilies[0]: Invalid value: [\"IPv6\"]: may not change once set\n"
     "spec.clusterIPs[0]: Invalid value: \"10.96.0.9\": expected an IPv6 value as "
     "indicated by `ipFamilies[0]`\n"},
    {"service", "{}", "{'spec': {'type': 'ExternalName', 'externalName': 'a.b'}}", NULL, ""},
    {"service", "{}", "{'spec': {'type': 'ExternalName', 'externalName': 'a.b', 'clusterIP': ''}}",
     NULL, ""},
    {"service", "{}", "{'spec': {'type': 'NodePort'}}", NULL, ""},
    {"service", "{'spec': {'type': 'NodePort'}}", "{'spec': {'type': 'ClusterIP'}}", NULL, ""},
    {"service", "{'spec': {'type': 'NodePort', 'ports': [{'port': 80, 'nodePort': 30100}]}}",
     "{'spec': {'type': 'ClusterIP', 'ports': [{'port': 80, 'nodePort': 30101}]}}", NULL,
     "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'\n"},
    {"service", "{'spec': {'type': 'LoadBalancer', 'loadBalancerClass': 'a.b/c'}}",
     "{'spec': {'loadBalancerClass': 'a.b/d'}}", NULL,
     "spec.loadBalancerClass: Invalid value: \"a.b/d\": may not change once set\n"},
    {"service", "{'spec': {'type': 'LoadBalancer', 'loadBalancerClass': 'a.b/c'}}",
     "{'spec': {'type': 'ClusterIP'}}", NULL, ""},
    {"service", "{'spec': {'type': 'LoadBalancer', 'externalTrafficPolicy': 'Local'}}",
     "{'spec': {'healthCheckNodePort': 30333}}", NULL,
     "spec.healthCheckNodePort: Forbidden: field is immutable\n"},
    {"service", "{'spec': {'type': 'LoadBalancer'}}",
     "{'spec': {'allocateLoadBalancerNodePorts': null}}", NULL, ""},
    {"service", "{}", "{'spec': {'ipFamilyPolicy': 'RequireDualStack'}}", NULL,
     "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not "
     "configured for dual-stack services\n"},
    {"service", "{}", "{'spec': {'ipFamilyPolicy': 'PreferDualStack'}}", NULL, ""},
    {"service", "{}",
     "{'spec': {'ipFamilyPolicy': 'PreferDualStack', 'ipFamilies': ['IPv4', 'IPv6']}}", NULL,
     "spec.ipFamilies[1]: Invalid value: \"IPv6\": not configured on this cluster\n"},
    {"service", "{}",
     "{'spec': {'ipFamilyPolicy': null, 'clusterIPs': null, 'clusterIP': null, "
     "'ipFamilies': null}}",
     NULL, ""},
    {"service", "{}", "{'spec': {'clusterIPs': ['10.96.0.98']}}", NULL,
     "spec.clusterIPs[0]: Invalid value: [\"10.96.0.98\"]: may not change once set\n"
     "spec.clusterIPs: Invalid value: [\"10.96.0.98\"]: first value must match "
     "`clusterIP`\n"},
    {"service", "{'spec': {'type': 'ExternalName', 'externalName': 'a.b', 'ports': null}}",
     "{'spec': {'type': 'ClusterIP', 'externalName': null}}", NULL, "spec.ports: Required value\n"},
};

static const struct row status[] = {
    {"service", "{}", "{'status': {'loadBalancer': {'ingress': [{'ip': '1.1.1.1'}]}}}", "status",
     "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is "
     "'LoadBalancer'\n"},
    {"service", "{'spec': {'type': 'LoadBalancer'}}",
     "{'status': {'loadBalancer': {'ingress': [{'ip': 'x'}, {'hostname': '1.1.1.1'}, "
     "{'hostname': 'A_'}, {'ip': '1.1.1.1', 'ipMode': 'x'}, {'hostname': 'a', "
     "'ipMode': 'VIP'}]}}}",
     "status",
     "status.loadBalancer.ingress[0].ip: Invalid value: \"x\": must be a valid IP "
     "address, (e.g. 10.9.8.7 or 2001:db8::ffff)\n"
     "status.loadBalancer.ingress[1].hostname: Invalid value: \"1.1.1.1\": must be a "
     "DNS name, not an IP address\n"
     "status.loadBalancer.ingress[2].hostname: Invalid value: \"A_\": {subdomain}\n"
     "status.loadBalancer.ingress[3].ipMode: Unsupported value: \"x\": supported "
     "values: \"Proxy\", \"VIP\"\n"
     "status.loadBalancer.ingress[4].ipMode: Forbidden: may not be specified when "
     "`ip` is not set\n"},
    {"service", "{'spec': {'type': 'LoadBalancer'}}",
     "{'status': {'loadBalancer': {'ingress': [{'ip': '1.1.1.1', 'ports': [{'port': "
     "0, 'protocol': 'x', 'error': 'a b'}]}]}}}",
     "status", ""},
    {"service", "{'spec': {'type': 'LoadBalancer'}}",
     "{'status': {'conditions': [{'type': 'a b', 'status': 'x', 'reason': '', "
     "'message': '', 'lastTransitionTime': null}]}}",
     "status", ""},
};

#define CLAIM(table_, name_)                                                                       \
    TEST(table_, name_)                                                                            \
    {                                                                                              \
        rows_check(kinds, ARRAY_LEN(kinds), table_, ARRAY_LEN(table_));                            \
    }
CLAIM(services, tells_all_that_is_wrong_in_order)
CLAIM(updates, tells_all_that_is_wrong_in_order)
CLAIM(status, tells_all_that_is_wrong_in_order)

TEST_MAIN
