/* rules_workloads_test.c - what is wrong with objects of Deployment to CronJob, autoscalers and disruption budgets.
 *
 * Expected texts: the sources that src/api/validation names, read beside these rows. */
#include "test/api/rows.h"

static const struct kind_row kinds[] = {
    {"deployment", "/apis/apps/v1/namespaces/default/deployments",
     "{'apiVersion':'apps/v1', 'kind':'Deployment', 'metadata':{'name':'x'}, "
     "'spec':{'selector':{'matchLabels':{'app':'x'}}, "
     "'template':{'metadata':{'labels':{'app':'x'}}, 'spec':{'containers':[{'name':'c', "
     "'image':'i'}]}}}}"},
    {"replicaset", "/apis/apps/v1/namespaces/default/replicasets",
     "{'apiVersion':'apps/v1', 'kind':'ReplicaSet', 'metadata':{'name':'x'}, "
     "'spec':{'selector':{'matchLabels':{'app':'x'}}, "
     "'template':{'metadata':{'labels':{'app':'x'}}, 'spec':{'containers':[{'name':'c', "
     "'image':'i'}]}}}}"},
    {"statefulset", "/apis/apps/v1/namespaces/default/statefulsets",
     "{'apiVersion':'apps/v1', 'kind':'StatefulSet', 'metadata':{'name':'x'}, "
     "'spec':{'serviceName':'s', 'selector':{'matchLabels':{'app':'x'}}, "
     "'template':{'metadata':{'labels':{'app':'x'}}, 'spec':{'containers':[{'name':'c', "
     "'image':'i'}]}}}}"},
    {"daemonset", "/apis/apps/v1/namespaces/default/daemonsets",
     "{'apiVersion':'apps/v1', 'kind':'DaemonSet', 'metadata':{'name':'x'}, "
     "'spec':{'selector':{'matchLabels':{'app':'x'}}, "
     "'template':{'metadata':{'labels':{'app':'x'}}, 'spec':{'containers':[{'name':'c', "
     "'image':'i'}]}}}}"},
    {"job", "/apis/batch/v1/namespaces/default/jobs",
     "{'apiVersion':'batch/v1', 'kind':'Job', 'metadata':{'name':'x'}, "
     "'spec':{'template':{'spec':{'restartPolicy':'Never', 'containers':[{'name':'c', "
     "'image':'i'}]}}}}"},
    {"cronjob", "/apis/batch/v1/namespaces/default/cronjobs",
     "{'apiVersion':'batch/v1', 'kind':'CronJob', 'metadata':{'name':'x'}, "
     "'spec':{'schedule':'* * * * *', "
     "'jobTemplate':{'spec':{'template':{'spec':{'restartPolicy':'Never', "
     "'containers':[{'name':'c', 'image':'i'}]}}}}}}"},
    {"hpa", "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers",
     "{'apiVersion':'autoscaling/v2', 'kind':'HorizontalPodAutoscaler', "
     "'metadata':{'name':'x'}, 'spec':{'maxReplicas':3, "
     "'scaleTargetRef':{'apiVersion':'apps/v1', 'kind':'Deployment', 'name':'d'}}}"},
    {"pdb", "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
     "{'apiVersion':'policy/v1', 'kind':'PodDisruptionBudget', 'metadata':{'name':'x'}, "
     "'spec':{'minAvailable':1, 'selector':{'matchLabels':{'app':'x'}}}}"},
};

static const struct row deployment[] = {
    {"deployment", "{'spec':{'replicas':-1, 'minReadySeconds':-2}}", NULL, NULL,
     "spec.replicas: Invalid value: -1: must be greater than or equal to 0\n"
     "spec.minReadySeconds: Invalid value: -2: must be greater than or equal to 0\n"},
    {"deployment",
     "{'spec':{'selector':{'matchExpressions':[{'key':'a', 'operator':'Exists', "
     "'values':['v']}]}}}",
     NULL, NULL,
     "spec.selector.matchExpressions[0].values: Forbidden: may not be specified when "
     "`operator` is 'Exists' or 'DoesNotExist'\n"
     "spec.selector: Invalid value: "
     "{\"matchLabels\":{\"app\":\"x\"},\"matchExpressions\":[{\"key\":\"a\",\"operator\":"
     "\"Exists\",\"values\":[\"v\"]}]}: "
     "invalid label selector\n"},
    {"deployment",
     "{'spec':{'strategy':{'rollingUpdate':{'maxSurge':'0%', 'maxUnavailable':'0%'}}}}", NULL, NULL,
     "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when "
     "`maxSurge` is 0\n"},
    {"deployment", "{'spec':{'strategy':{'rollingUpdate':{'maxSurge':'x%'}}}}", NULL, NULL,
     "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"x%\": {percent}\n"},
    {"deployment", "{'spec':{'progressDeadlineSeconds':-1}}", NULL, NULL,
     "spec.progressDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0\n"
     "spec.progressDeadlineSeconds: Invalid value: -1: must be greater than "
     "minReadySeconds\n"},
    {"deployment", "{}",
     "{'spec':{'selector':{'matchLabels':{'app':'y'}}, "
     "'template':{'metadata':{'labels':{'app':'y'}}}}}",
     NULL, "spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"y\"}}: field is immutable\n"},
    {"deployment", "{}",
     "{'status':{'replicas':1, 'readyReplicas':2, 'availableReplicas':3, "
     "'collisionCount':-1}}",
     "status",
     "status.collisionCount: Invalid value: -1: must be greater than or equal to 0\n"
     "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas\n"
     "status.availableReplicas: Invalid value: 3: cannot be greater than status.replicas\n"
     "status.availableReplicas: Invalid value: 3: cannot be greater than readyReplicas\n"},
};

static const struct row replicaset[] = {
    {"replicaset", "{'spec':{'selector':{'matchLabels':null}}}", NULL, NULL,
     "spec.selector: Invalid value: {}: empty selector is invalid for deployment\n"},
    {"replicaset", "{}", "{'status':{'replicas':1, 'fullyLabeledReplicas':2}}", "status",
     "status.fullyLabeledReplicas: Invalid value: 2: cannot be greater than "
     "status.replicas\n"},
};

#define MOUNTS(NAME)                                                                               \
    "'template':{'spec':{'containers':[{'name':'c', 'image':'i', 'volumeMounts':[{'name':'" NAME   \
    "', 'mountPath':'/d'}]}]}}"

static const struct row statefulset[] = {
    {"statefulset",
     "{'spec':{'volumeClaimTemplates':[{'metadata':{'name':'data'}, 'spec':{'accessModes':["
     "'ReadWriteOnce'], 'resources':{'requests':{'storage':'1Gi'}}}}], " MOUNTS("data") "}}",
     NULL, NULL, ""},
    {"statefulset",
     "{'spec':{'volumeClaimTemplates':[{'metadata':{'name':'data'}, 'spec':{'accessModes':["
     "'ReadWriteOnce']}}], " MOUNTS("other") "}}",
     NULL, NULL,
     "spec.volumeClaimTemplates[0].spec.resources[storage]: Required value\n"
     "spec.template.spec.containers[0].volumeMounts[0].name: Not found: \"other\"\n"},
    {"statefulset", "{'metadata':{'name':'a.b'}}", NULL, NULL,
     "metadata.name: Invalid value: \"a.b\": must not contain dots\n"},
    {"statefulset", "{'spec':{'updateStrategy':{'rollingUpdate':{'maxUnavailable':0}}}}", NULL,
     NULL, "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0\n"},
    {"statefulset", "{'spec':{'updateStrategy':{'rollingUpdate':{'maxUnavailable':'101%'}}}}", NULL,
     NULL,
     "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not "
     "be greater than 100%\n"},
    {"statefulset",
     "{'spec':{'persistentVolumeClaimRetentionPolicy':{'whenDeleted':'x', "
     "'whenScaled':'y'}}}",
     NULL, NULL,
     "spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: \"x\": "
     "supported values: \"Retain\", \"Delete\"\n"
     "spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: \"y\": "
     "supported values: \"Retain\", \"Delete\"\n"},
    {"statefulset",
     "{'spec':{'updateStrategy':{'type':'OnDelete', 'rollingUpdate':{'partition':2}}}}", NULL, NULL,
     "spec.updateStrategy.rollingUpdate: Invalid value: "
     "{\"Partition\":2,\"MaxUnavailable\":null}: only allowed for updateStrategy "
     "'RollingUpdate'\n"},
    {"statefulset", "{}", "{'spec':{'serviceName':'t'}}", NULL,
     "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', "
     "'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
     "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden\n"},
    {"statefulset", "{}", "{'status':{'replicas':0, 'availableReplicas':1}}", "status",
     "status.availableReplicas: Invalid value: 1: cannot be greater than status.replicas\n"
     "status.availableReplicas: Invalid value: 1: cannot be greater than "
     "status.readyReplicas\n"},
};

static const struct row daemonset[] = {
    {"daemonset",
     "{'spec':{'updateStrategy':{'rollingUpdate':{'maxSurge':'150%', 'maxUnavailable':0}}}}", NULL,
     NULL,
     "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: \"150%\": must not be "
     "greater than 100%\n"},
    {"daemonset", "{'spec':{'minReadySeconds':-1, 'revisionHistoryLimit':-1}}", NULL, NULL,
     "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0\n"
     "spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0\n"},
    {"daemonset", "{}", "{'status':{'numberReady':-1}}", "status",
     "status.numberReady: Invalid value: -1: must be greater than or equal to 0\n"},
};

static const struct row job[] = {
    {"job",
     "{'spec':{'podFailurePolicy':{'rules':[{'action':'Count', 'onExitCodes':{'operator':'In', "
     "'values':[1]}}]}}}",
     "{'spec':{'podFailurePolicy':{'rules':[{'action':'FailJob', 'onExitCodes':{"
     "'operator':'In', 'values':[1]}}]}}}",
     NULL,
     "spec.podFailurePolicy: Invalid value: {\"Rules\":[{\"Action\":\"FailJob\",\"OnExitCodes\":{"
     "\"ContainerName\":null,\"Operator\":\"In\",\"Values\":[1]},\"OnPodConditions\":null}]}: "
     "field is immutable\n"},
    {"job", "{}",
     "{'spec':{'template':{'metadata':{'labels':{'a':'b', "
     "'batch.kubernetes.io/controller-uid':null, 'batch.kubernetes.io/job-name':null, "
     "'controller-uid':null, 'job-name':null}}}}}",
     NULL,
     "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match "
     "template `labels`\n"
     "spec.template: Invalid value: {\"labels\":{\"a\":\"b\"},\"Spec\":{\"Volumes\":null,...\n"},
    {"job", "{'spec':{'maxFailedIndexes':1}}", NULL, NULL,
     "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified\n"
     "spec.maxFailedIndexes: Invalid value: 1: requires indexed completion mode\n"},
    {"job", "{'spec':{'completionMode':'Indexed'}}", NULL, NULL, ""},
    {"job",
     "{'spec':{'completionMode':'Indexed', 'completions':5, 'backoffLimitPerIndex':1, "
     "'maxFailedIndexes':6}}",
     NULL, NULL,
     "spec.maxFailedIndexes: Invalid value: 6: must be less than or equal to completions\n"},
    {"job",
     "{'spec':{'completionMode':'Indexed', 'completions':200000, 'backoffLimitPerIndex':1, "
     "'parallelism':20000}}",
     NULL, NULL,
     "spec.maxFailedIndexes: Required value: must be specified when completions is above "
     "100000\n"
     "spec.parallelism: Invalid value: 20000: must be less than or equal to 10000 when "
     "completions are above 100000 and used with backoff limit per index\n"},
    {"job",
     "{'spec':{'podFailurePolicy':{'rules':[{'action':'FailIndex', "
     "'onExitCodes':{'operator':'NotIn', 'values':[3, 1, 3]}}]}}}",
     NULL, NULL,
     "spec.podFailurePolicy.rules[0].action: Invalid value: \"FailIndex\": requires the "
     "backoffLimitPerIndex to be set\n"
     "spec.podFailurePolicy.rules[0].onExitCodes.values[2]: Duplicate value: 3\n"
     "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [3,1,3]: must be "
     "ordered\n"},
    {"job",
     "{'spec':{'podFailurePolicy':{'rules':[{'action':'', 'onExitCodes':{'operator':'', "
     "'values':[]}, 'onPodConditions':[{'type':'a b', 'status':'x'}]}]}}}",
     NULL, NULL,
     "spec.podFailurePolicy.rules[0].action: Required value: valid values: [\"Count\" "
     "\"FailIndex\" \"FailJob\" \"Ignore\"]\n"
     "spec.podFailurePolicy.rules[0].onExitCodes.operator: Required value: valid values: "
     "[\"In\" \"NotIn\"]\n"
     "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: []: at least one "
     "value is required\n"
     "spec.podFailurePolicy.rules[0].onPodConditions[0].type: Invalid value: \"a b\": "
     "{qualified}\n"
     "spec.podFailurePolicy.rules[0].onPodConditions[0].status: Unsupported value: \"x\": "
     "supported values: \"False\", \"True\", \"Unknown\"\n"
     "spec.podFailurePolicy.rules[0]: Invalid value: specifying both OnExitCodes and "
     "OnPodConditions is not supported\n"},
    {"job",
     "{'spec':{'podFailurePolicy':{'rules':[{'action':'Count', "
     "'onExitCodes':{'containerName':'z', 'operator':'In', 'values':[1]}}]}, "
     "'podReplacementPolicy':'TerminatingOrFailed', "
     "'template':{'spec':{'restartPolicy':'OnFailure'}}}}",
     NULL, NULL,
     "spec.podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: \"z\": must "
     "be one of the container or initContainer names in the pod template\n"
     "spec.podReplacementPolicy: Unsupported value: \"TerminatingOrFailed\": supported "
     "values: \"Failed\"\n"
     "spec.template.spec.restartPolicy: Invalid value: \"OnFailure\": only \"Never\" is "
     "supported when podFailurePolicy is specified\n"},
    {"job", "{'spec':{'completionMode':'Indexed', 'completions':3, 'successPolicy':{'rules':[]}}}",
     NULL, NULL,
     "spec.successPolicy.rules: Required value: at least one rules must be specified when "
     "the successPolicy is specified\n"},
    {"job",
     "{'spec':{'completionMode':'Indexed', 'completions':3, 'successPolicy':{'rules':[{}, "
     "{'succeededIndexes':'0,5'}, {'succeededIndexes':'0-1', 'succeededCount':3}, "
     "{'succeededCount':4}, {'succeededIndexes':'2,1'}, {'succeededIndexes':'0-1-2'}, "
     "{'succeededIndexes':'a'}]}}}",
     NULL, NULL,
     "spec.successPolicy.rules[0]: Required value: at least one of succeededCount or "
     "succeededIndexes must be specified\n"
     "spec.successPolicy.rules[1].succeededIndexes: Invalid value: \"0,5\": error parsing "
     "succeededIndexes: too large index: \"5\"\n"
     "spec.successPolicy.rules[2].succeededCount: Invalid value: 3: must be less than or "
     "equal to 2 (the number of indexes in the specified succeededIndexes field)\n"
     "spec.successPolicy.rules[3].succeededCount: Invalid value: 4: must be less than or "
     "equal to 3 (the number of specified completions)\n"
     "spec.successPolicy.rules[4].succeededIndexes: Invalid value: \"2,1\": error parsing "
     "succeededIndexes: non-increasing order, previous: 2, current: 1\n"
     "spec.successPolicy.rules[5].succeededIndexes: Invalid value: \"0-1-2\": error "
     "parsing succeededIndexes: the fragment \"0-1-2\" violates the requirement that an "
     "index interval can have at most two parts separated by '-'\n"
     "spec.successPolicy.rules[6].succeededIndexes: Invalid value: \"a\": error parsing "
     "succeededIndexes: cannot convert string to integer for index: \"a\"\n"},
    {"job",
     "{'spec':{'managedBy':'example.com/"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}}",
     NULL, NULL, "spec.managedBy: Too long: may not be more than 63 bytes\n"},
    {"job", "{'spec':{'template':{'spec':{'restartPolicy':'Bad'}}}}", NULL, NULL,
     "spec.template.spec.restartPolicy: Unsupported value: \"Bad\": supported values: "
     "\"Always\", \"OnFailure\", \"Never\"\n"
     "spec.template.spec.restartPolicy: Unsupported value: \"Bad\": supported values: "
     "\"OnFailure\", \"Never\"\n"},
    {"job", "{'metadata':{'name':'a.b'}, 'spec':{'completionMode':'Indexed', 'completions':3}}",
     NULL, NULL,
     "metadata.name: Invalid value: \"a.b\": will not able to create pod with invalid DNS "
     "label: a.b-2\n"},
    {"job", "{'spec':{'manualSelector':true, 'selector':{'matchLabels':{'a':'b'}}}}", NULL, NULL,
     "spec.template.metadata.labels: Invalid value: null: `selector` does not match "
     "template `labels`\n"},
    {"job", "{}", "{'spec':{'completions':2, 'completionMode':'Indexed'}}", NULL,
     "spec.completions: Invalid value: 2: can only be modified in tandem with "
     "spec.parallelism\n"
     "spec.completionMode: Invalid value: \"Indexed\": field is immutable\n"},
    {"job", "{}", "{'spec':{'template':{'spec':{'nodeSelector':{'a':'b'}}}}}", NULL,
     "spec.template: Invalid value: ...\n"},
    {"job", "{'spec':{'suspend':true}}",
     "{'spec':{'template':{'spec':{'nodeSelector':{'a':'b'}, "
     "'terminationGracePeriodSeconds':5}}}}",
     NULL, "spec.template: Invalid value: ...\n"},
    {"job", "{'spec':{'completionMode':'Indexed', 'completions':3, 'parallelism':3}}",
     "{'spec':{'completions':2}}", NULL,
     "spec.completions: Invalid value: 2: can only be modified in tandem with "
     "spec.parallelism\n"},
    {"job", "{}",
     "{'status':{'active':1, 'ready':2, 'conditions':[{'type':'Complete', "
     "'status':'True'}]}}",
     "status",
     "status.completionTime: Required value: completionTime is required for Complete jobs\n"
     "status.conditions: Invalid value: cannot set Complete=True condition without the "
     "SuccessCriteriaMet=true condition\n"
     "status.active: Invalid value: 1: active>0 is invalid for finished job\n"
     "status.startTime: Required value: startTime is required for finished job\n"
     "status.ready: Invalid value: 2: cannot set more ready pods than active\n"},
    {"job", "{}",
     "{'status':{'startTime':'2024-01-02T00:00:00Z', "
     "'completionTime':'2024-01-01T00:00:00Z', 'completedIndexes':'1'}}",
     "status",
     "status.completionTime: Invalid value: \"2024-01-01T00:00:00Z\": cannot set "
     "completionTime when there is no Complete=True condition\n"
     "status.completionTime: Invalid value: \"2024-01-01T00:00:00Z\": completionTime "
     "cannot be set before startTime\n"
     "status.completedIndexes: Invalid value: \"1\": error parsing completedIndexes: too "
     "large index: \"1\"\n"
     "status.completedIndexes: Invalid value: \"1\": cannot set non-empty completedIndexes "
     "when non-indexed completion mode\n"},
};

static const struct row cronjob[] = {
    {"cronjob", "{'spec':{'schedule':''}}", NULL, NULL, "spec.schedule: Required value\n"},
    {"cronjob", "{'spec':{'schedule':'x * * * *'}}", NULL, NULL,
     "spec.schedule: Invalid value: \"x * * * *\": failed to parse int from x: "
     "strconv.Atoi: parsing \"x\": invalid syntax\n"},
    {"cronjob", "{'spec':{'schedule':'*/0 * * * *'}}", NULL, NULL,
     "spec.schedule: Invalid value: \"*/0 * * * *\": step of range should be a positive "
     "number: */0\n"},
    {"cronjob", "{'spec':{'schedule':'1-2-3 * * * *'}}", NULL, NULL,
     "spec.schedule: Invalid value: \"1-2-3 * * * *\": too many hyphens: 1-2-3\n"},
    {"cronjob", "{'spec':{'schedule':'5/1/1 * * * *'}}", NULL, NULL,
     "spec.schedule: Invalid value: \"5/1/1 * * * *\": too many slashes: 5/1/1\n"},
    {"cronjob", "{'spec':{'schedule':'* 24 * * *'}}", NULL, NULL,
     "spec.schedule: Invalid value: \"* 24 * * *\": end of range (24) above maximum (23): "
     "24\n"},
    {"cronjob", "{'spec':{'schedule':'* * 0 * *'}}", NULL, NULL,
     "spec.schedule: Invalid value: \"* * 0 * *\": beginning of range (0) below minimum "
     "(1): 0\n"},
    {"cronjob", "{'spec':{'schedule':'* * * JAN-FOO *'}}", NULL, NULL,
     "spec.schedule: Invalid value: \"* * * JAN-FOO *\": failed to parse int from FOO: "
     "strconv.Atoi: parsing \"FOO\": invalid syntax\n"},
    {"cronjob", "{'spec':{'schedule':'10-5 * * * *'}}", NULL, NULL,
     "spec.schedule: Invalid value: \"10-5 * * * *\": beginning of range (10) beyond end "
     "of range (5): 10-5\n"},
    {"cronjob", "{'spec':{'schedule':'* * * * 7'}}", NULL, NULL,
     "spec.schedule: Invalid value: \"* * * * 7\": end of range (7) above maximum (6): 7\n"},
    {"cronjob", "{'spec':{'schedule':'-1 * * * *'}}", NULL, NULL,
     "spec.schedule: Invalid value: \"-1 * * * *\": failed to parse int from : "
     "strconv.Atoi: parsing \"\": invalid syntax\n"},
    {"cronjob", "{'spec':{'schedule':'99999999999999999999 * * * *'}}", NULL, NULL,
     "spec.schedule: Invalid value: \"99999999999999999999 * * * *\": failed to parse int "
     "from 99999999999999999999: strconv.Atoi: parsing \"99999999999999999999\": value out "
     "of range\n"},
    {"cronjob", "{'spec':{'schedule':'@weird'}}", NULL, NULL,
     "spec.schedule: Invalid value: \"@weird\": unrecognized descriptor: @weird\n"},
    {"cronjob", "{'spec':{'schedule':'@every 5'}}", NULL, NULL,
     "spec.schedule: Invalid value: \"@every 5\": failed to parse duration @every 5: time: "
     "missing unit in duration \"5\"\n"},
    {"cronjob", "{'spec':{'schedule':'@every 5x'}}", NULL, NULL,
     "spec.schedule: Invalid value: \"@every 5x\": failed to parse duration @every 5x: "
     "time: unknown unit \"x\" in duration \"5x\"\n"},
    {"cronjob", "{'spec':{'schedule':'TZ=Nosuch/Zone * * * * *'}}", NULL, NULL,
     "spec.schedule: Invalid value: \"TZ=Nosuch/Zone * * * * *\": provided bad location "
     "Nosuch/Zone: unknown time zone Nosuch/Zone\n"
     "spec.schedule: Invalid value: \"TZ=Nosuch/Zone * * * * *\": cannot use TZ or CRON_TZ "
     "in schedule, use timeZone field instead\n"},
    {"cronjob", "{'spec':{'timeZone':''}}", NULL, NULL,
     "spec.timeZone: Invalid value: \"\": timeZone must be nil or non-empty string\n"},
    {"cronjob", "{'spec':{'timeZone':'Local'}}", NULL, NULL,
     "spec.timeZone: Invalid value: \"Local\": timeZone must be an explicit time zone as "
     "defined in https://www.iana.org/time-zones\n"},
    {"cronjob", "{'spec':{'timeZone':'a//b'}}", NULL, NULL,
     "spec.timeZone: Invalid value: \"a//b\": unknown time zone a//b\n"},
    {"cronjob", "{'spec':{'timeZone':'UTC+99/..'}}", NULL, NULL,
     "spec.timeZone: Invalid value: \"UTC+99/..\": unknown time zone UTC+99/..\n"},
    {"cronjob", "{'spec':{'timeZone':'Europe/Nowhere'}}", NULL, NULL,
     "spec.timeZone: Invalid value: \"Europe/Nowhere\": unknown time zone Europe/Nowhere\n"},
    {"cronjob",
     "{'spec':{'startingDeadlineSeconds':-1, 'failedJobsHistoryLimit':-1, "
     "'jobTemplate':{'spec':{'manualSelector':true, 'parallelism':-1}}}}",
     NULL, NULL,
     "spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0\n"
     "spec.jobTemplate.spec.parallelism: Invalid value: -1: must be greater than or equal "
     "to 0\n"
     "spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "
     "\"nil\", \"false\"\n"
     "spec.failedJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0\n"},
    {"cronjob", "{}", "{'spec':{'schedule':'TZ=UTC * * * * *'}}", NULL,
     "spec.schedule: Invalid value: \"TZ=UTC * * * * *\": cannot use TZ or CRON_TZ in "
     "schedule, use timeZone field instead\n"},
};

static const struct row hpa[] = {
    {"hpa", "{'spec':{'minReplicas':0}}", NULL, NULL,
     "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1\n"
     "spec.metrics: Forbidden: must specify at least one Object or External metric to "
     "support scaling to zero replicas\n"},
    {"hpa", "{'spec':{'minReplicas':5, 'maxReplicas':0}}", NULL, NULL,
     "spec.maxReplicas: Invalid value: 0: must be greater than 0\n"
     "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`\n"},
    {"hpa", "{'spec':{'scaleTargetRef':{'kind':'', 'name':'a/b'}}}", NULL, NULL,
     "spec.scaleTargetRef.kind: Required value\n"
     "spec.scaleTargetRef.name: Invalid value: \"a/b\": may not contain '/'\n"},
    {"hpa", "{'spec':{'metrics':[{'type':'Bad'}]}}", NULL, NULL,
     "spec.metrics[0].type: Unsupported value: \"Bad\": supported values: "
     "\"ContainerResource\", \"External\", \"Object\", \"Pods\", \"Resource\"\n"
     "spec.metrics[0].type: Unsupported value: \"Bad\": supported values: "
     "\"ContainerResource\", \"External\", \"Object\", \"Pods\", \"Resource\"\n"},
    {"hpa", "{'spec':{'metrics':[{'type':'Resource'}]}}", NULL, NULL,
     "spec.metrics[0].resource: Required value: must populate information for the given "
     "metric source\n"},
    {"hpa",
     "{'spec':{'metrics':[{'type':'Resource', 'resource':{'name':'', "
     "'target':{'type':'Bad'}}}]}}",
     NULL, NULL,
     "spec.metrics[0].resource.name: Required value: must specify a resource name\n"
     "spec.metrics[0].resource.target.type: Invalid value: \"Bad\": must be either "
     "Utilization, Value, or AverageValue\n"
     "spec.metrics[0].resource.target.averageUtilization: Required value: must set either "
     "a target raw value or a target utilization\n"},
    {"hpa",
     "{'spec':{'metrics':[{'type':'Resource', 'resource':{'name':'cpu', "
     "'target':{'type':'Utilization', 'averageUtilization':0, 'averageValue':'-1'}}}]}}",
     NULL, NULL,
     "spec.metrics[0].resource.target.averageValue: Invalid value: \"-1\": must be "
     "positive\n"
     "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be "
     "greater than 0\n"
     "spec.metrics[0].resource.target.averageValue: Forbidden: may not set both a target "
     "raw value and a target utilization\n"},
    {"hpa",
     "{'spec':{'metrics':[{'type':'Pods', 'pods':{'metric':{'name':''}, "
     "'target':{'type':'AverageValue'}}, 'object':{'describedObject':{'kind':'Service', "
     "'name':'s'}, 'metric':{'name':'m'}, 'target':{'type':'Value', 'value':'1'}}}]}}",
     NULL, NULL, "spec.metrics[0].object: Forbidden: must populate the given metric source only\n"},
    {"hpa",
     "{'spec':{'metrics':[{'type':'External', 'external':{'metric':{'name':'a%b'}, "
     "'target':{'type':'Value', 'value':'1', 'averageValue':'1'}}}]}}",
     NULL, NULL,
     "spec.metrics[0].external.metric.name: Invalid value: \"a%b\": may not contain '%'\n"
     "spec.metrics[0].external.target.value: Forbidden: may not set both a target value "
     "for metric and a per-pod target\n"},
    {"hpa",
     "{'spec':{'metrics':[{'type':'ContainerResource', 'containerResource':{'name':'foo', "
     "'container':'', 'target':{'type':'Utilization'}}}]}}",
     NULL, NULL,
     "spec.metrics[0].containerResource.name: Invalid value: \"foo\": must be a standard "
     "resource type or fully qualified\n"
     "spec.metrics[0].containerResource.name: Invalid value: \"foo\": must be a standard "
     "resource for containers\n"
     "spec.metrics[0].containerResource.container: Required value: must specify a "
     "container\n"
     "spec.metrics[0].containerResource.target.averageUtilization: Required value: must "
     "set either a target raw value or a target utilization\n"},
    {"hpa",
     "{'spec':{'behavior':{'scaleUp':{'stabilizationWindowSeconds':-1, 'selectPolicy':'x', "
     "'policies':[{'type':'x', 'value':0, 'periodSeconds':1801}]}, "
     "'scaleDown':{'stabilizationWindowSeconds':3601}}}}",
     NULL, NULL,
     "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: -1: must be greater "
     "than or equal to zero\n"
     "spec.behavior.scaleUp.selectPolicy: Unsupported value: \"x\": supported values: "
     "\"Disabled\", \"Max\", \"Min\"\n"
     "spec.behavior.scaleUp.policies[0].type: Unsupported value: \"x\": supported values: "
     "\"Percent\", \"Pods\"\n"
     "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than "
     "zero\n"
     "spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: must be less "
     "than or equal to 1800\n"
     "spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 3601: must be "
     "less than or equal to 3600\n"},
    {"hpa", "{}", "{'status':{'desiredReplicas':-1, 'currentReplicas':-1}}", "status",
     "status.currentReplicas: Invalid value: -1: must be greater than or equal to 0\n"
     "status.desiredReplicas: Invalid value: -1: must be greater than or equal to 0\n"},
};

static const struct row pdb[] = {
    {"pdb", "{'spec':{'maxUnavailable':1}}", NULL, NULL,
     "spec: Invalid value: "
     "{\"MinAvailable\":1,\"Selector\":{\"matchLabels\":{\"app\":\"x\"}},\"MaxUnavailable\":1,"
     "\"UnhealthyPodEvictionPolicy\":null}: "
     "minAvailable and maxUnavailable cannot be both set\n"},
    {"pdb", "{'spec':{'minAvailable':'101%'}}", NULL, NULL,
     "spec.minAvailable: Invalid value: \"101%\": must not be greater than 100%\n"},
    {"pdb", "{'spec':{'minAvailable':-1, 'unhealthyPodEvictionPolicy':'x'}}", NULL, NULL,
     "spec.minAvailable: Invalid value: -1: must be greater than or equal to 0\n"
     "spec.unhealthyPodEvictionPolicy: Unsupported value: \"x\": supported values: "
     "\"AlwaysAllow\", \"IfHealthyBudget\"\n"},
    {"pdb", "{'spec':{'minAvailable':'a'}}", NULL, NULL,
     "spec.minAvailable: Invalid value: \"a\": {percent}\n"},
    {"pdb", "{}",
     "{'status':{'currentHealthy':-1, 'conditions':[{'type':'a b', 'status':'x', "
     "'reason':'1', 'lastTransitionTime':null, 'message':''}]}}",
     "status",
     "status.conditions[0].type: Invalid value: \"a b\": {qualified}\n"
     "status.conditions[0].status: Unsupported value: \"x\": supported values: \"False\", "
     "\"True\", \"Unknown\"\n"
     "status.conditions[0].lastTransitionTime: Required value: must be set\n"
     "status.conditions[0].reason: Invalid value: \"1\": a condition reason must start "
     "with alphabetic character, optionally followed by a string of alphanumeric "
     "characters or '_,:', and must end with an alphanumeric character or '_' (e.g. "
     "'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or "
     "'ReasonA:ReasonB', regex used for validation is "
     "'[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')\n"
     "status.currentHealthy: Invalid value: -1: must be greater than or equal to 0\n"},
};

#define CLAIM(table_, name_)                                                                       \
    TEST(table_, name_)                                                                            \
    {                                                                                              \
        rows_check(kinds, ARRAY_LEN(kinds), table_, ARRAY_LEN(table_));                            \
    }
CLAIM(deployment, tells_all_that_is_wrong_in_order)
CLAIM(replicaset, tells_all_that_is_wrong_in_order)
CLAIM(statefulset, tells_all_that_is_wrong_in_order)
CLAIM(daemonset, tells_all_that_is_wrong_in_order)
CLAIM(job, tells_all_that_is_wrong_in_order)
CLAIM(cronjob, tells_all_that_is_wrong_in_order)
CLAIM(hpa, tells_all_that_is_wrong_in_order)
CLAIM(pdb, tells_all_that_is_wrong_in_order)

TEST_MAIN
