/* tables_test.c - what kubectl shows: the cells of each kind, as Kubernetes' own printers have them.
 *
 * JSON is written with ' in place of ". Source: pkg/printers/internalversion/printers_test.go. */
#include "test/api/world.h"

#define TABLE "Accept: application/json;as=Table;v=v1;g=meta.k8s.io"
#define NS "/namespaces/default/"

struct cells_row {
    const char *collection, *object; /* object: without metadata.name, which is "x" unless given */
    const char *status;              /* merged into /status; NULL: nothing */
    const char *want;                /* cells between '|' */
};

static char *unquoted(struct arena *a, const char *text)
{
    char *p = arena_dupz(a, str_of(text));

    for (char *c = p; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    return p;
}

static const char *cells(struct world *w, const struct json *table, uint32_t row)
{
    struct buf b = BUF_INIT;
    const struct json *list = json_findz(json_item(json_findz(table, "rows"), row), "cells");
    const char *p;

    JSON_EACH(c, list) {
        if (b.n)
            buf_char(&b, '|');
        if (c->type == JSON_STRING)
            buf_str(&b, c->s);
        else
            json_encode(&b, c);
    }
    p = arena_dupz(w->arena, buf_view(&b));
    buf_fini(&b);
    return p;
}

static struct json *table_of(struct world *w, const char *path)
{
    struct call *c = world_call(w, "GET", path, NULL, TABLE);
    struct json *v = json_new(w->arena, json_copy(w->arena, call_json(c)));

    CHECK_INT(c->status, 200);
    call_free(c);
    return v;
}

static void check_rows(const struct cells_row *rows, size_t n)
{
    struct world w;

    for (size_t i = 0; i < n; i++) {
        const struct cells_row *r = rows + i;
        struct json *made;
        const char *path;

        world_init(&w);
        world_json(&w, "POST", "/api/v1" NS "serviceaccounts",
                   "{\"metadata\":{\"name\":\"default\"}}", 201);
        made = world_json(&w, "POST", r->collection, unquoted(w.arena, r->object), 201);
        path = arena_dupz(w.arena, arena_fmt(w.arena, "%s/" PRI_STR, r->collection,
                                             STR_ARG(json_get_str(made, "metadata.name"))));
        if (r->status)
            world_json(&w, "PATCH", arena_dupz(w.arena, arena_fmt(w.arena, "%s/status", path)),
                       unquoted(w.arena, r->status), 200);
        CHECK_STRZ(str_of(cells(&w, table_of(&w, path), 0)), r->want);
        world_fini(&w);
    }
}

#define POD(spec)                                                                                  \
    "{'metadata':{'name':'x'},'spec':{" spec "'containers':[{'name':'a','image':'i'}]}}"
#define PODS "/api/v1" NS "pods"

TEST(pods, say_what_they_do_in_one_word)
{
    static const struct cells_row rows[] = {
        {PODS, POD("'initContainers':[{'name':'i','image':'i'}],"),
         "{'status':{'initContainerStatuses':[{'name':'i','image':'','imageID':'','ready':false,"
         "'restartCount':3,'lastState':{'terminated':{'exitCode':1,'finishedAt':'1990-01-01T00:00:"
         "00Z'}},"
         "'state':{'terminated':{'exitCode':0}}}],'containerStatuses':[{'name':'a','image':'','"
         "imageID':'',"
         "'ready':true,'restartCount':2,'state':{'running':{}}}],'phase':'Running'}}",
         /* restarts of init containers that are through count no more, nor does when they were */
         "x|1/1|Running|2|0s|<none>|<none>|<none>|<none>"},
        {PODS, POD("'initContainers':[{'name':'i','image':'i','restartPolicy':'Always'}],"),
         "{'status':{'initContainerStatuses':[{'name':'i','image':'','imageID':'','ready':true,'"
         "started':"
         "true,'restartCount':3,'state':{'running':{}}}],'containerStatuses':[{'name':'a','image':'"
         "',"
         "'imageID':'','ready':false,'restartCount':2,'state':{'waiting':{'reason':'"
         "CrashLoopBackOff'}}}],"
         "'phase':'Running'}}",
         "x|1/2|CrashLoopBackOff|5|0s|<none>|<none>|<none>|<none>"},
        {PODS, POD("'initContainers':[{'name':'i','image':'i'},{'name':'j','image':'i'}],"),
         "{'status':{'initContainerStatuses':[{'name':'i','image':'','imageID':'','ready':false,"
         "'restartCount':1,'state':{'terminated':{'exitCode':0}}},{'name':'j','image':'','imageID':"
         "'',"
         "'ready':false,'restartCount':0,'state':{'terminated':{'exitCode':1,'signal':9}}}],"
         "'phase':'Pending'}}",
         "x|0/1|Init:Signal:9|1|0s|<none>|<none>|<none>|<none>"},
        {PODS, POD("'initContainers':[{'name':'i','image':'i'},{'name':'j','image':'i'}],"),
         "{'status':{'initContainerStatuses':[{'name':'i','image':'','imageID':'','ready':false,"
         "'restartCount':0,'state':{'waiting':{'reason':'PodInitializing'}}}],'phase':'Pending'}}",
         "x|0/1|Init:0/2|0|0s|<none>|<none>|<none>|<none>"},
        {PODS, POD("'schedulingGates':[{'name':'a.io/g'}],"), NULL,
         "x|0/1|SchedulingGated|0|0s|<none>|<none>|<none>|<none>"},
        {PODS,
         POD("'readinessGates':[{'conditionType':'a.io/x'},{'conditionType':'a.io/y'}],"
             "'nodeName':'n',"),
         "{'status':{'conditions':[{'type':'a.io/x','status':'True'}],'phase':'Failed','reason':"
         "'Evicted','podIPs':[{'ip':'192.0.2.1'}],'podIP':'192.0.2.1'}}",
         "x|0/1|Evicted|0|0s|192.0.2.1|n|<none>|1/2"},
    };

    check_rows(rows, ARRAY_LEN(rows));
}

#define LB(points) "{'status':{'loadBalancer':{'ingress':[" points "]}}}"

TEST(networking, shows_addresses_sorted_and_once)
{
    static const struct cells_row rows[] = {
        {"/api/v1" NS "services",
         "{'metadata':{'name':'x'},'spec':{'type':'LoadBalancer','clusterIP':'10.96.0.77',"
         "'externalIPs':['192.0.2.200'],'allocateLoadBalancerNodePorts':false,'ports':[{'port':80}]"
         "}}",
         LB("{'ip':'192.0.2.9'},{'hostname':'b.test'},{'ip':'192.0.2.10'},{'ip':'192.0.2.9'}"),
         "x|LoadBalancer|10.96.0.77|192.0.2.10,192.0.2.9,b.test,192.0.2.200|80/TCP|0s|<none>"},
        {"/api/v1" NS "services",
         "{'metadata':{'name':'x'},'spec':{'type':'LoadBalancer','clusterIP':'10.96.0.77',"
         "'allocateLoadBalancerNodePorts':false,'ports':[{'port':80}],'selector':{'b':'2','a':'1'}}"
         "}",
         NULL, "x|LoadBalancer|10.96.0.77|<pending>|80/TCP|0s|a=1,b=2"},
        {"/api/v1" NS "services",
         "{'metadata':{'name':'x'},'spec':{'type':'ExternalName','externalName':'a.test'}}", NULL,
         "x|ExternalName|<none>|a.test|<none>|0s|<none>"},
        {"/apis/networking.k8s.io/v1" NS "ingresses",
         "{'metadata':{'name':'x','annotations':{'kubernetes.io/"
         "ingress.class':'old'}},'spec':{'tls':[{}],"
         "'rules':[{'host':'a.test'},{'host':'b.test'},{'host':'c.test'},{}]}}",
         LB("{'ip':'192.0.2.9'},{'hostname':'b.test'},{'ip':'192.0.2.10'}"),
         "x|<none>|a.test,b.test,c.test + 1 more...|192.0.2.10,192.0.2.9,b.test|80, 443|0s"},
        {"/apis/networking.k8s.io/v1" NS "ingresses",
         "{'metadata':{'name':'x'},'spec':{'ingressClassName':'c','defaultBackend':{'service':{'"
         "name':'s',"
         "'port':{'number':1}}}}}",
         NULL, "x|c|*||80|0s"},
        {"/api/v1" NS "endpoints",
         "{'metadata':{'name':'x'},'subsets':[{'notReadyAddresses':[{'ip':'192.0.2.1'}],'ports':[{"
         "'port':1}]}]}",
         NULL, "x||0s"},
        {"/api/v1" NS "endpoints", "{'metadata':{'name':'x'}}", NULL, "x|<none>|0s"},
        {"/api/v1" NS "endpoints",
         "{'metadata':{'name':'x'},'subsets':[{'addresses':[{'ip':'192.0.2.1'},{'ip':'192.0.2.2'}],"
         "'ports':[{'name':'a','port':1},{'name':'b','port':2}]}]}",
         NULL, "x|192.0.2.1:1,192.0.2.2:1,192.0.2.1:2 + 1 more...|0s"},
        {"/apis/discovery.k8s.io/v1" NS "endpointslices",
         "{'metadata':{'name':'x'},'addressType':'IPv4','ports':[{'name':'a'},{'name':'b','port':2}"
         "],"
         "'endpoints':[{'addresses':['192.0.2.1']},{'addresses':['192.0.2.2']},{'addresses':['192."
         "0.2.3']},"
         "{'addresses':['192.0.2.4']}]}",
         NULL, "x|IPv4|a,2|192.0.2.1,192.0.2.2,192.0.2.3 + 1 more...|0s"},
        {"/apis/discovery.k8s.io/v1" NS "endpointslices",
         "{'metadata':{'name':'x'},'addressType':'IPv4','ports':[{}],'endpoints':[]}", NULL,
         "x|IPv4|<unset>|<unset>|0s"},
        {"/apis/networking.k8s.io/v1/ingressclasses",
         "{'metadata':{'name':'x'},'spec':{'controller':'a.test/"
         "c','parameters':{'apiGroup':'g.test',"
         "'kind':'K','name':'p'}}}",
         NULL, "x|a.test/c|K.g.test/p|0s"},
    };

    check_rows(rows, ARRAY_LEN(rows));
}

#define EVENT(rest)                                                                                \
    "{'metadata':{'name':'x'},'involvedObject':{'kind':'Pod','name':'p','namespace':'default'},"   \
    "'reason':'R','message':' m ','type':'Normal'" rest "}"

TEST(events, say_who_and_how_often)
{
    static const struct cells_row rows[] = {
        {"/api/v1" NS "events", EVENT(",'source':{'component':'c'},'reportingInstance':'i'"), NULL,
         "<unknown>|Normal|R|pod/p||c, i|m|<unknown>|1|x"},
        {"/api/v1" NS "events", EVENT(",'reportingComponent':'c.test/r','count':4"), NULL,
         "<unknown>|Normal|R|pod/p||c.test/r|m|<unknown>|4|x"},
    };

    check_rows(rows, ARRAY_LEN(rows));
}

/* The newer group shows the same object: what only the older one has is in `deprecated…` fields there. */
TEST(events, look_the_same_in_both_groups)
{
    struct world w;

    world_init(&w);
    world_json(&w, "POST", "/api/v1" NS "events",
               unquoted(w.arena, EVENT(",'source':{'component':'c','host':'h'},'count':7")), 201);
    CHECK_STRZ(str_of(cells(&w, table_of(&w, "/apis/events.k8s.io/v1" NS "events/x"), 0)),
               "<unknown>|Normal|R|pod/p||c, h|m|<unknown>|7|x");
    CHECK_STRZ(str_of(cells(&w, table_of(&w, "/apis/events.k8s.io/v1" NS "events"), 0)),
               "<unknown>|Normal|R|pod/p||c, h|m|<unknown>|7|x");
    world_fini(&w);
}

#define CLAIM(spec)                                                                                \
    "{'metadata':{'name':'x'},'spec':{'accessModes':['ReadWriteOnce'],'resources':{'requests':{"   \
    "'storage':'1Gi'}}" spec "}}"

TEST(storage, tells_what_is_not_set)
{
    static const struct cells_row rows[] = {
        {"/api/v1" NS "persistentvolumeclaims", CLAIM(",'volumeName':'v','storageClassName':'s'"),
         "{'status':{'phase':'Bound','accessModes':['ReadWriteMany','ReadWriteOnce']}}",
         "x|Bound|v|0|RWO,RWX|s|<unset>|0s|Filesystem"},
        {"/apis/storage.k8s.io/v1/csidrivers",
         "{'metadata':{'name':'x'},'spec':{'tokenRequests':[{'audience':''}]}}", NULL,
         "x|true|false|false||false|Persistent|0s"},
        {"/apis/storage.k8s.io/v1/storageclasses",
         "{'metadata':{'name':'x','annotations':{'storageclass.beta.kubernetes.io/"
         "is-default-class':"
         "'true'}},'provisioner':'p.test'}",
         NULL, "x (default)|p.test|Delete|Immediate|false|0s"},
        {"/apis/storage.k8s.io/v1/volumeattributesclasses",
         "{'metadata':{'name':'x'},'driverName':'d.test','parameters':{'a':'b'}}", NULL,
         "x|d.test|0s"},
    };

    check_rows(rows, ARRAY_LEN(rows));
}

TEST(devices, have_columns_of_their_own)
{
    static const struct cells_row rows[] = {
        {"/apis/resource.k8s.io/v1/deviceclasses", "{'metadata':{'name':'x'},'spec':{}}", NULL,
         "x|0s"},
        {"/apis/resource.k8s.io/v1" NS "resourceclaims",
         "{'metadata':{'name':'x'},'spec':{'devices':{'requests':[{'name':'r','exactly':{"
         "'deviceClassName':'c'}}]}}}",
         NULL, "x|pending|0s"},
        {"/apis/resource.k8s.io/v1" NS "resourceclaims",
         "{'metadata':{'name':'x'},'spec':{'devices':{'requests':[{'name':'r','exactly':{"
         "'deviceClassName':'c'}}]}}}",
         "{'status':{'allocation':{'devices':{'results':[{'request':'r','driver':'d.test','pool':'"
         "p',"
         "'device':'e'}]}},'reservedFor':[{'resource':'pods','name':'p','uid':'1'}]}}",
         "x|allocated,reserved|0s"},
        {"/apis/resource.k8s.io/v1" NS "resourceclaimtemplates",
         "{'metadata':{'name':'x'},'spec':{'spec':{'devices':{}}}}", NULL, "x|0s"},
        {"/apis/resource.k8s.io/v1/resourceslices",
         "{'metadata':{'name':'x'},'spec':{'nodeName':'n','driver':'d.test','pool':{'name':'p',"
         "'generation':1,'resourceSliceCount':1}}}",
         NULL, "x|n|d.test|p|0s"},
    };

    check_rows(rows, ARRAY_LEN(rows));
}

#define HPA "/apis/autoscaling/v2" NS "horizontalpodautoscalers"
#define SCALES(metrics)                                                                            \
    "{'metadata':{'name':'x'},'spec':{'scaleTargetRef':{'kind':'Deployment','name':'d','"          \
    "apiVersion'"                                                                                  \
    ":'apps/v1'},'maxReplicas':3,'metrics':[" metrics "]}}"
#define STATUS(metrics)                                                                            \
    "{'status':{'currentReplicas':2,'desiredReplicas':2,'conditions':[],'currentMetrics':"         \
    "[" metrics "]}}"
#define CPU                                                                                        \
    "{'type':'Resource','resource':{'name':'cpu','target':{'type':'Utilization','"                 \
    "averageUtilization':80}}}"
#define EXTERNAL(type, field)                                                                      \
    "{'type':'External','external':{'metric':{'name':'m'},'target':{'type':'" type "','" field     \
    "':'10'}}}"

TEST(autoscaling, shows_metrics_now_and_wanted)
{
    static const struct cells_row rows[] = {
        {HPA,
         SCALES(CPU "," EXTERNAL("AverageValue", "averageValue") "," EXTERNAL("Value", "value")),
         STATUS("{'type':'Resource','resource':{'name':'cpu','current':{'averageUtilization':50,"
                "'averageValue':'10m'}}},{'type':'External','external':{'metric':{'name':'m'},'"
                "current':{"
                "'averageValue':'5'}}}"),
         "x|Deployment/d|cpu: 50%/80%, 5/10 (avg) + 1 more...|1|3|2|0s"},
        {HPA, SCALES(EXTERNAL("Value", "value") "," EXTERNAL("AverageValue", "averageValue")),
         STATUS("{'type':'External','external':{'metric':{'name':'m'},'current':{}}},"
                "{'type':'External','external':{'metric':{'name':'m'},'current':{}}}"),
         "x|Deployment/d|<nil>/10, <unknown>/10 (avg)|1|3|2|0s"},
        {"/apis/autoscaling/v1" NS "horizontalpodautoscalers",
         "{'metadata':{'name':'x'},'spec':{'scaleTargetRef':{'kind':'Deployment','name':'d'},"
         "'maxReplicas':3,'targetCPUUtilizationPercentage':70}}",
         NULL, "x|Deployment/d|cpu: <unknown>/70%|1|3|0|0s"},
    };

    check_rows(rows, ARRAY_LEN(rows));
}

/* The older version hides further metrics in an annotation; its table has them all the same. */
TEST(autoscaling, shows_all_metrics_in_the_older_version)
{
    struct world w;
    struct json *v;

    world_init(&w);
    world_json(&w, "POST", HPA, unquoted(w.arena, SCALES(EXTERNAL("Value", "value") "," CPU)), 201);
    v = table_of(&w, "/apis/autoscaling/v1" NS "horizontalpodautoscalers/x");
    CHECK_STRZ(str_of(cells(&w, v, 0)), "x|Deployment/d|<unknown>/10, cpu: <unknown>/80%|1|3|0|0s");
    v = table_of(&w, "/apis/autoscaling/v1" NS "horizontalpodautoscalers?includeObject=Object");
    v = json_findz(json_item(json_findz(v, "rows"), 0), "object");
    CHECK_STRZ(json_get_str(v, "apiVersion"), "autoscaling/v1");
    CHECK_INT(json_get_int(v, "spec.targetCPUUtilizationPercentage", 0), 80);
    world_fini(&w);
}

TEST(workloads, have_the_columns_of_kubernetes)
{
    static const struct cells_row rows[] = {
        {"/apis/batch/v1" NS "jobs",
         "{'metadata':{'name':'x'},'spec':{'completions':2,'template':{'spec':{'restartPolicy':'"
         "Never',"
         "'containers':[{'name':'a','image':'i'},{'name':'b','image':'j'}]}},'manualSelector':true,"
         "'selector':{'matchLabels':{'k':'v'}},'suspend':true,'template':{'metadata':{'labels':{'k'"
         ":'v'}},"
         "'spec':{'restartPolicy':'Never','containers':[{'name':'a','image':'i'},{'name':'b','"
         "image':'j'}]"
         "}}}}",
         "{'status':{'conditions':[{'type':'Suspended','status':'True'}]}}",
         "x|Suspended|0/2||0s|a,b|i,j|k=v"},
        {"/apis/batch/v1" NS "cronjobs",
         "{'metadata':{'name':'x'},'spec':{'schedule':'0 * * * "
         "*','timeZone':'Etc/UTC','jobTemplate':{"
         "'spec':{'template':{'spec':{'restartPolicy':'Never','containers':[{'name':'a','image':'i'"
         "}]}}}"
         "}}}",
         NULL, "x|0 * * * *|Etc/UTC|False|0|<none>|0s|a|i|<none>"},
        {"/apis/apps/v1" NS "controllerrevisions",
         "{'metadata':{'name':'x','ownerReferences':[{'apiVersion':'apps/"
         "v1','kind':'StatefulSet','name':"
         "'s','uid':'1','controller':true}]},'revision':3,'data':{}}",
         NULL, "x|statefulset.apps/s|3|0s"},
        {"/api/v1" NS "resourcequotas",
         "{'metadata':{'name':'x'},'spec':{'hard':{'limits.cpu':'2','pods':'3','requests.cpu':'1'}}"
         "}",
         "{'status':{'hard':{'limits.cpu':'2','pods':'3','requests.cpu':'1'},'used':{'pods':'1'}}}",
         "x|pods: 1/3, requests.cpu: 0/1|limits.cpu: 0/2|0s"},
    };

    check_rows(rows, ARRAY_LEN(rows));
}

TEST(server_kinds, show_what_they_are_bound_to)
{
    static const struct cells_row rows[] = {
        {"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
         "{'metadata':{'name':'x'},'spec':{'policyName':'p','validationActions':['Deny'],'paramRef'"
         ":{"
         "'parameterNotFoundAction':'Deny','selector':{'matchLabels':{'b':'2','a':'1'},'"
         "matchExpressions':"
         "[{'key':'k','operator':'In','values':['v','w']}]}}}}",
         NULL,
         "x|p|&LabelSelector{MatchLabels:map[string]string{a: 1,b: 2,},MatchExpressions:"
         "[]LabelSelectorRequirement{LabelSelectorRequirement{Key:k,Operator:In,Values:[v "
         "w],},},}|0s"},
        {"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
         "{'metadata':{'name':'x'},'spec':{'policyName':'p','validationActions':['Deny'],'paramRef'"
         ":{"
         "'parameterNotFoundAction':'Deny','name':'n'}}}",
         NULL, "x|p|*/n|0s"},
        {"/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations",
         "{'metadata':{'name':'x'},'spec':{'type':'Limited','limited':{'nominalConcurrencyShares':"
         "5,"
         "'limitResponse':{'type':'Queue','queuing':{'queues':8,'handSize':4,'queueLengthLimit':9}}"
         "}}}",
         NULL, "x|Limited|5|8|4|9|0s"},
    };
    struct world w;

    check_rows(rows, ARRAY_LEN(rows));
    world_init(&w);
    CHECK_STRZ(str_of(cells(
                   &w,
                   table_of(&w, "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations"
                                "/exempt"),
                   0)),
               "exempt|Exempt|<none>|<none>|<none>|<none>|0s");
    world_fini(&w);
}

/* Flow schemas stand in the order in which they are tried. */
TEST(server_kinds, stand_in_the_order_of_kubernetes)
{
    struct world w;
    const struct json *rows, *a, *b;

    world_init(&w);
    rows = json_findz(table_of(&w, "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"), "rows");
    CHECK(json_count(rows) > 5);
    CHECK_STRZ(json_str(json_item(json_findz(json_item(rows, 0), "cells"), 0)), "exempt");
    for (uint32_t i = 1; i < json_count(rows); i++) {
        a = json_item(json_findz(json_item(rows, i - 1), "cells"), 2);
        b = json_item(json_findz(json_item(rows, i), "cells"), 2);
        CHECK(a->i <= b->i);
    }
    world_fini(&w);
}

/* Addresses have a cell more than columns, there as here. */
TEST(networking, addresses_hide_their_age)
{
    struct world w;
    struct json *v;

    world_init(&w);
    v = table_of(&w, "/apis/networking.k8s.io/v1/ipaddresses/10.96.0.1");
    CHECK_INT(json_count(json_findz(v, "columnDefinitions")), 2);
    CHECK_STRZ(str_of(cells(&w, v, 0)), "10.96.0.1|services/default/kubernetes|0s");
    world_fini(&w);
}

/* What is made on request has tables, too. */
TEST(views, are_tables_when_asked_for)
{
    struct world w;
    struct json *v;
    struct call *c;

    world_init(&w);
    world_json(
        &w, "POST", "/apis/apps/v1" NS "deployments",
        unquoted(w.arena,
                 "{'metadata':{'name':'x'},'spec':{'replicas':4,'selector':{'matchLabels':{'a':'b'"
                 "}},'template':{'metadata':{'labels':{'a':'b'}},'spec':{'containers':[{'name':"
                 "'c','image':'i'}]}}}}"),
        201);
    v = table_of(&w, "/apis/apps/v1" NS "deployments/x/scale");
    CHECK_STRZ(str_of(cells(&w, v, 0)), "x|4|0|0s");
    v = table_of(&w, "/apis/apps/v1" NS "deployments/x/scale?includeObject=Object");
    CHECK_STRZ(json_get_str(json_findz(json_item(json_findz(v, "rows"), 0), "object"), "kind"),
               "Scale");
    v = table_of(&w, "/api/v1/componentstatuses");
    CHECK_INT(json_count(json_findz(v, "rows")), 3);
    CHECK_STRZ(str_of(cells(&w, v, 0)), "controller-manager|Healthy|ok|");
    v = table_of(&w, "/api/v1/componentstatuses?includeObject=Object");
    CHECK_STRZ(json_get_str(json_findz(json_item(json_findz(v, "rows"), 2), "object"), "kind"),
               "ComponentStatus");
    c = world_call(&w, "GET", "/apis/apps/v1" NS "deployments/x/scale", NULL,
                   "Accept: application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io");
    CHECK_STRZ(json_get_str(call_json(c), "kind"), "PartialObjectMetadata");
    call_free(c);
    world_fini(&w);
}

#define COLUMN(name, type, path) "{'name':'" name "','type':'" type "','jsonPath':'" path "'}"

TEST(custom_kinds, show_the_first_value_of_a_path)
{
    struct world w;
    const char *want =
        "x|7|2|null?|<no value>|{\"k\":\"v\"}|[1,2,3]|b|<invalid>|<unknown>|3|null|null|"
        "null|1|2|one";

    world_init(&w);
    world_json(
        &w, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        unquoted(
            w.arena,
            "{'metadata':{'name':'ws.e.test'},'spec':{'group':'e.test','scope':'Cluster','names':{"
            "'plural':'ws','kind':'W'},'versions':[{'name':'v1','served':true,'storage':true,'"
            "schema':{"
            "'openAPIV3Schema':{'type':'object','x-kubernetes-preserve-unknown-fields':true}},"
            "'additionalPrinterColumns':[" COLUMN("a", "integer",
                                                  ".spec.i") "," COLUMN("b", "integer",
                                                                        ".spec.f") "," COLUMN("c", "string", ".spec.s") "," COLUMN("d", "string", ".spec.n") "," COLUMN("e", "string", ".spec.o") "," COLUMN("f", "string", ".spec.l") "," COLUMN("g", "string", ".spec.c[?(@.t==\\\"B\\\")].v") "," COLUMN("h", "date", ".spec.s") "," COLUMN("i", "date", ".spec.e") "," COLUMN("j",
                                                                                                                                                                                                                                                                                                                                                                                  "integer", ".spec.l[-1]") "," COLUMN("k", "integer", ".spec.l[7]") "," COLUMN("l",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                "boolean", ".spec.s") "," COLUMN("m",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                 "integer",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                 ".spec.n") "," COLUMN("n",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       "integer", ".spec.l[0:2]") "," COLUMN("o",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "integer", ".spec.l[1,2]") "," COLUMN("p",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                   "string",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                   "..deep") "]}]}}"),
        201);
    world_run(&w, 1000000000);
    world_json(
        &w, "POST", "/apis/e.test/v1/ws",
        unquoted(w.arena,
                 "{'apiVersion':'e.test/v1','kind':'W','metadata':{'name':'x'},'spec':{'i':7,'f':"
                 "2.5,'s':'null?','n':null,'o':{'k':'v'},'l':[1,2,3],'c':[{'t':'A','v':'a'},{'t':"
                 "'B','v':'b'}],'e':'','z':{'y':{'deep':'one'}}}}"),
        201);
    CHECK_STRZ(str_of(cells(&w, table_of(&w, "/apis/e.test/v1/ws/x"), 0)), want);
    world_fini(&w);
}

TEST_MAIN
