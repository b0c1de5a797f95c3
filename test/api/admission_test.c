/* admission_test.c - what the built-in plugins make of pods and claims, and what they refuse. */
#include "test/api/world.h"

#define NS "/api/v1/namespaces/default/"
#define CONTAINERS "'containers':[{'name':'c','image':'i'}]"

/* JSON with ' in place of ". */
static struct json *post(struct world *w, const char *path, const char *body, int want)
{
    return world_json(w, "POST", path, world_quoted(w, body), want);
}

static void with_account(struct world *w)
{
    world_init(w);
    post(w, NS "serviceaccounts", "{'metadata':{'name':'default'}}", 201);
}

static void refused(struct world *w, const char *path, const char *body, const char *message)
{
    CHECK_STRZ(json_get_str(post(w, path, body, 403), "message"), message);
}

static struct json *patch(struct world *w, const char *path, const char *body, int want)
{
    struct call *c = world_call(w, "PATCH", path, world_quoted(w, body),
                                "Content-Type: application/merge-patch+json");
    struct json *v = call_json(c);

    CHECK_INT(c->status, want);
    call_free(c);
    return v;
}

TEST(accounts, give_a_token_only_where_a_container_has_none_at_the_place)
{
    struct world w;
    struct json *v;

    with_account(&w);
    v = post(&w, NS "pods",
             "{'metadata':{'name':'a'},'spec':{'volumes':[{'name':'v','emptyDir':{}}],'containers':"
             "[{'name':'c','image':'i','volumeMounts':[{'name':'v','mountPath':"
             "'/var/run/secrets/kubernetes.io/serviceaccount'}]}]}}",
             201);
    CHECK_INT(json_count(json_path(v, "spec.volumes")), 1);
    v = post(&w, NS "pods", "{'metadata':{'name':'b'},'spec':{" CONTAINERS "}}", 201);
    CHECK_INT(json_count(json_path(v, "spec.volumes")), 1);
    CHECK_STRZ(json_get_str(v, "spec.serviceAccountName"), "default");
    world_fini(&w);
}

TEST(accounts, of_mirror_pods_are_none_and_secrets_neither)
{
    struct world w;

#define MIRROR(spec)                                                                               \
    "{'metadata':{'name':'m','annotations':{'kubernetes.io/config.mirror':'x'}},'spec':{"          \
    "'nodeName':'n'," spec "}}"
    with_account(&w);
    refused(&w, NS "pods", MIRROR(CONTAINERS ",'serviceAccountName':'default'"),
            "pods \"m\" is forbidden: a mirror pod may not reference service accounts");
    refused(&w, NS "pods", MIRROR(CONTAINERS ",'imagePullSecrets':[{'name':'s'}]"),
            "pods \"m\" is forbidden: a mirror pod may not reference secrets");
    refused(&w, NS "pods",
            MIRROR("'containers':[{'name':'c','image':'i','env':[{'name':'E','valueFrom':{"
                   "'secretKeyRef':{'name':'s','key':'k'}}}]}]"),
            "pods \"m\" is forbidden: a mirror pod may not reference secrets");
    refused(&w, NS "pods",
            MIRROR(CONTAINERS ",'volumes':[{'name':'v','projected':{'sources':[{"
                              "'serviceAccountToken':{'path':'t'}}]}}]"),
            "pods \"m\" is forbidden: a mirror pod may not use ServiceAccountToken volume "
            "projections");
    post(&w, NS "pods", MIRROR(CONTAINERS), 201);
    world_fini(&w);
}

TEST(accounts, that_enforce_it_allow_only_the_secrets_they_name)
{
    struct world w;

    world_init(&w);
    post(&w, NS "serviceaccounts",
         "{'metadata':{'name':'default','annotations':{'kubernetes.io/enforce-mountable-secrets':"
         "'true'}},'secrets':[{'name':'known'}]}",
         201);
    refused(&w, NS "pods",
            "{'metadata':{'name':'a'},'spec':{" CONTAINERS
            ",'volumes':[{'name':'v','secret':{'secretName':'s'}}]}}",
            "pods \"a\" is forbidden: volume with secret.secretName=\"s\" is not allowed because "
            "service account default does not reference that secret");
    refused(&w, NS "pods",
            "{'metadata':{'name':'a'},'spec':{'containers':[{'name':'c','image':'i','envFrom':[{"
            "'secretRef':{'name':'s'}}]}]}}",
            "pods \"a\" is forbidden: container c with envFrom referencing secret.secretName=\"s\" "
            "is not allowed because service account default does not reference that secret");
    refused(&w, NS "pods",
            "{'metadata':{'name':'a'},'spec':{" CONTAINERS ",'imagePullSecrets':[{'name':'p'}]}}",
            "pods \"a\" is forbidden: imagePullSecrets[0].name=\"p\" is not allowed because "
            "service account default does not reference that imagePullSecret");
    post(&w, NS "pods",
         "{'metadata':{'name':'a'},'spec':{" CONTAINERS
         ",'volumes':[{'name':'v','secret':{'secretName':'known'}}]}}",
         201);
    world_fini(&w);
}

TEST(priority, stays_when_a_later_write_leaves_it_out)
{
    struct world w;
    struct json *v;

    with_account(&w);
    post(&w, "/apis/scheduling.k8s.io/v1/priorityclasses", "{'metadata':{'name':'h'},'value':7}",
         201);
    post(&w, NS "pods", "{'metadata':{'name':'a'},'spec':{'priorityClassName':'h'," CONTAINERS "}}",
         201);
    v = patch(&w, NS "pods/a", "{'spec':{'priority':null,'preemptionPolicy':null}}", 200);
    CHECK_INT(json_get_int(v, "spec.priority", 0), 7);
    CHECK_STRZ(json_get_str(v, "spec.preemptionPolicy"), "PreemptLowerPriority");
    world_fini(&w);
}

TEST(priority, has_one_default_and_keeps_the_classes_of_the_system)
{
#define CLASSES "/apis/scheduling.k8s.io/v1/priorityclasses"
    struct world w;
    struct json *v;

    world_init(&w);
    post(&w, CLASSES, "{'metadata':{'name':'a'},'value':5,'globalDefault':true}", 201);
    v = post(&w, CLASSES, "{'metadata':{'name':'b'},'value':6,'globalDefault':true}", 403);
    CHECK_STRZ(json_get_str(v, "message"),
               "priorityclasses.scheduling.k8s.io \"b\" is forbidden: PriorityClass a is already "
               "marked as default. Only one default can exist");
    post(&w, CLASSES, "{'metadata':{'name':'b'},'value':6}", 201);
    patch(&w, CLASSES "/b", "{'globalDefault':true}", 403);
    patch(&w, CLASSES "/a", "{'description':'mine'}", 200);
    v = world_json(&w, "DELETE", CLASSES "/system-node-critical", NULL, 403);
    CHECK_STRZ(json_get_str(v, "message"),
               "priorityclasses.scheduling.k8s.io \"system-node-critical\" is forbidden: this is a "
               "system priority class and cannot be deleted");
    /* As in Kubernetes, where only the single DELETE looks. */
    CHECK_INT(world_status(&w, "DELETE", CLASSES, NULL), 200);
    CHECK_INT(world_status(&w, "GET", CLASSES "/system-node-critical", NULL), 404);
    world_fini(&w);
}

TEST(runtime_classes, add_tolerations_that_say_more_and_leave_out_the_rest)
{
    struct world w;
    struct json *v;

    with_account(&w);
    post(&w, "/apis/node.k8s.io/v1/runtimeclasses",
         "{'metadata':{'name':'r'},'handler':'h','overhead':{'podFixed':{'cpu':'1'}},'scheduling':{"
         "'tolerations':[{'key':'k','operator':'Exists'},{'key':'j','operator':'Equal','value':"
         "'v','effect':'NoSchedule'}]}}",
         201);
    v = post(&w, NS "pods",
             "{'metadata':{'name':'a'},'spec':{'runtimeClassName':'r'," CONTAINERS
             ",'tolerations':[{'key':'k','operator':'Equal','value':'x','effect':'NoSchedule'},{"
             "'key':'j','operator':'Exists'}]}}",
             201);
    /* k's is widened, j's is wide enough; and the two that every pod gets. */
    v = json_path(v, "spec.tolerations");
    CHECK_INT(json_count(v), 4);
    CHECK_STRZ(json_get_str(json_item(v, 0), "key"), "j");
    CHECK_STRZ(json_get_str(json_item(v, 3), "key"), "k");
    CHECK_STRZ(json_get_str(json_item(v, 3), "operator"), "Exists");
    refused(
        &w, NS "pods",
        "{'metadata':{'name':'b'},'spec':{'runtimeClassName':'r','overhead':{'cpu':'2'}," CONTAINERS
        "}}",
        "pods \"b\" is forbidden: pod rejected: Pod's Overhead doesn't match RuntimeClass's "
        "defined Overhead");
    world_fini(&w);
}

TEST(nodes, give_their_places_to_the_pods_that_are_bound_to_them)
{
    struct world w;
    struct json *v;

    with_account(&w);
    post(&w, "/api/v1/nodes",
         "{'metadata':{'name':'n','labels':{'topology.kubernetes.io/zone':'z','other':'x'}}}", 201);
    post(&w, NS "pods", "{'metadata':{'name':'a'},'spec':{" CONTAINERS "}}", 201);
    post(&w, NS "pods/a/binding", "{'target':{'kind':'Node','name':'n'}}", 201);
    v = world_json(&w, "GET", NS "pods/a", NULL, 200);
    CHECK_STRZ(json_str(json_findz(json_path(v, "metadata.labels"), "topology.kubernetes.io/zone")),
               "z");
    CHECK_INT(json_count(json_path(v, "metadata.labels")), 1);
    world_fini(&w);
}

TEST(claims, grow_only_when_bound_and_where_their_class_can)
{
    struct world w;
    struct json *v;

#define GROW "{'spec':{'resources':{'requests':{'storage':'2Gi'}}}}"
    world_init(&w);
    for (int i = 0; i < 2; i++) {
        const char *fixed = "{'metadata':{'name':'fixed'},'provisioner':'p'}",
                   *grows = "{'metadata':{'name':'grows'},'provisioner':'p','allowVolumeExpansion':"
                            "true}";
        const char *path =
            i ? NS "persistentvolumeclaims/grows" : NS "persistentvolumeclaims/fixed";

        post(&w, "/apis/storage.k8s.io/v1/storageclasses", i ? grows : fixed, 201);
        post(&w, NS "persistentvolumeclaims",
             i ? "{'metadata':{'name':'grows'},'spec':{'accessModes':['ReadWriteOnce'],"
                 "'storageClassName':'grows','volumeName':'v','resources':{'requests':{"
                 "'storage':'1Gi'}}}}"
               : "{'metadata':{'name':'fixed'},'spec':{'accessModes':['ReadWriteOnce'],"
                 "'storageClassName':'fixed','volumeName':'v','resources':{'requests':{"
                 "'storage':'1Gi'}}}}",
             201);
        patch(&w, path, GROW, 422); /* not bound: nothing changes */
        patch(&w, arena_fmt(w.arena, "%s/status", path).p,
              "{'status':{'phase':'Bound','capacity':{'storage':'1Gi'}}}", 200);
        v = patch(&w, path, GROW, i ? 200 : 403);
        if (!i)
            CHECK_STRZ(json_get_str(v, "message"),
                       "persistentvolumeclaims \"fixed\" is forbidden: only dynamically "
                       "provisioned pvc can be resized and the storageclass that provisions the "
                       "pvc must support resize");
    }
    world_fini(&w);
}

/* A quota with the status that its controller would give it. */
static void with_quota(struct world *w, const char *spec, const char *hard, const char *used)
{
    with_account(w);
    post(w, NS "resourcequotas",
         arena_fmt(w->arena, "{'metadata':{'name':'q'},'spec':{%s}}", spec).p, 201);
    patch(w, NS "resourcequotas/q/status",
          arena_fmt(w->arena, "{'status':{'hard':{%s},'used':{%s}}}", hard, used).p, 200);
}

TEST(quotas, stop_what_would_exceed_them_once_their_status_says_what_they_limit)
{
    struct world w;

    with_account(&w);
    post(&w, NS "resourcequotas", "{'metadata':{'name':'q'},'spec':{'hard':{'configmaps':'1'}}}",
         201);
    post(&w, NS "configmaps", "{'metadata':{'name':'a'}}", 201);
    post(&w, NS "configmaps", "{'metadata':{'name':'b'}}", 201); /* no status yet */
    patch(&w, NS "resourcequotas/q/status", "{'status':{'hard':{'configmaps':'1'}}}", 200);
    refused(&w, NS "configmaps", "{'metadata':{'name':'c'}}",
            "configmaps \"c\" is forbidden: status unknown for quota: q, resources: configmaps");
    patch(&w, NS "resourcequotas/q/status", "{'status':{'used':{'configmaps':'1'}}}", 200);
    /* What is stored counts, whatever an old status says. */
    refused(&w, NS "configmaps", "{'metadata':{'name':'c'}}",
            "configmaps \"c\" is forbidden: exceeded quota: q, requested: configmaps=1, used: "
            "configmaps=2, limited: configmaps=1");
    world_fini(&w);
}

TEST(quotas, count_what_pods_ask_for_and_want_it_said)
{
    struct world w;

#define Q "'requests.cpu':'2','limits.memory':'1Gi'"
    with_quota(&w, "'hard':{" Q "}", Q, "'requests.cpu':'500m','limits.memory':'0'");
    refused(&w, NS "pods",
            "{'metadata':{'name':'a'},'spec':{'containers':[{'name':'d','image':'i','resources':{"
            "'requests':{'cpu':'1'}}},{'name':'c','image':'i'}]}}",
            "pods \"a\" is forbidden: failed quota: q: must specify limits.memory for: c,d; "
            "requests.cpu for: c");
    refused(&w, NS "pods",
            "{'metadata':{'name':'a'},'spec':{'containers':[{'name':'c','image':'i','resources':{"
            "'requests':{'cpu':'1600m'},'limits':{'memory':'2Gi'}}}]}}",
            "pods \"a\" is forbidden: exceeded quota: q, requested: "
            "limits.memory=2Gi,requests.cpu=1600m, used: limits.memory=0,requests.cpu=500m, "
            "limited: limits.memory=1Gi,requests.cpu=2");
    /* Init containers run before the others: the larger counts, not the sum. */
    post(&w, NS "pods",
         "{'metadata':{'name':'a'},'spec':{'initContainers':[{'name':'i','image':'i','resources':{"
         "'requests':{'cpu':'1500m'},'limits':{'memory':'1Mi'}}}],'containers':[{'name':'c',"
         "'image':'i','resources':{'requests':{'cpu':'1'},'limits':{'memory':'1Mi'}}}]}}",
         201);
    world_fini(&w);
}

TEST(quotas, hold_for_what_is_in_their_scope)
{
    struct world w;

    with_quota(&w,
               "'hard':{'pods':'1'},'scopeSelector':{'matchExpressions':[{'scopeName':"
               "'PriorityClass','operator':'In','values':['h']}]}",
               "'pods':'1'", "'pods':'1'");
    post(&w, "/apis/scheduling.k8s.io/v1/priorityclasses", "{'metadata':{'name':'h'},'value':7}",
         201);
    post(&w, NS "pods", "{'metadata':{'name':'a'},'spec':{" CONTAINERS "}}", 201);
    refused(&w, NS "pods",
            "{'metadata':{'name':'b'},'spec':{'priorityClassName':'h'," CONTAINERS "}}",
            "pods \"b\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: "
            "pods=1");
    world_fini(&w);
}

TEST(quotas, count_storage_by_class_and_services_by_type)
{
    struct world w;

#define H "'s.storageclass.storage.k8s.io/requests.storage':'1Gi','services.nodeports':'1'"
    with_quota(&w, "'hard':{" H "}", H,
               "'s.storageclass.storage.k8s.io/requests.storage':'0','services.nodeports':'0'");
    refused(&w, NS "persistentvolumeclaims",
            "{'metadata':{'name':'a'},'spec':{'accessModes':['ReadWriteOnce'],'storageClassName':"
            "'s','resources':{'requests':{'storage':'2Gi'}}}}",
            "persistentvolumeclaims \"a\" is forbidden: exceeded quota: q, requested: "
            "s.storageclass.storage.k8s.io/requests.storage=2Gi, used: "
            "s.storageclass.storage.k8s.io/requests.storage=0, limited: "
            "s.storageclass.storage.k8s.io/requests.storage=1Gi");
    post(&w, NS "services",
         "{'metadata':{'name':'a'},'spec':{'type':'NodePort','ports':[{'port':80}]}}", 201);
    refused(&w, NS "services",
            "{'metadata':{'name':'b'},'spec':{'type':'LoadBalancer','ports':[{'port':80}]}}",
            "services \"b\" is forbidden: exceeded quota: q, requested: services.nodeports=1, "
            "used: services.nodeports=1, limited: services.nodeports=1");
    /* An update counts what it adds. */
    patch(&w, NS "services/a", "{'metadata':{'labels':{'x':'y'}}}", 200);
    world_fini(&w);
}

/* Source: plugin/pkg/admission/nodedeclaredfeatures/admission_test.go. */
TEST(node_features, a_pod_is_resized_only_as_its_node_says_that_it_can)
{
    struct world w;
    struct json *v;

#define CPU_IS(n)                                                                                  \
    "'resources':{'requests':{'cpu':'" n "','memory':'1Gi'},'limits':{'cpu':'" n                   \
    "','memory':'1Gi'}}"
#define GUARANTEED(n) "{'spec':{'containers':[{'name':'c','image':'i'," CPU_IS(n) "}]}}"
#define WHOLE(n)                                                                                   \
    "{'spec':{'resources':{'requests':{'cpu':'" n                                                  \
    "','memory':'2Gi'},'limits':{'cpu':'8','memory':"                                              \
    "'2Gi'}}}}"
    with_account(&w);
    post(&w, NS "pods",
         "{'metadata':{'name':'a'},'spec':{'automountServiceAccountToken':false,'nodeName':'n','"
         "containers':[{'name':'c','image':'i'"
         "," CPU_IS("1") "}]}}",
         201);
    post(&w, NS "pods",
         "{'metadata':{'name':'b'},'spec':{'automountServiceAccountToken':false,'nodeName':'n','"
         "containers':[{'name':'c','image':'i',"
         "'resources':{'requests':{'cpu':'1'}}}]}}",
         201);
    post(&w, NS "pods",
         "{'metadata':{'name':'whole'},'spec':{'automountServiceAccountToken':false,'nodeName':'n',"
         "'resources':{'requests':{'cpu':'2',"
         "'memory':'2Gi'},'limits':{'cpu':'8','memory':'2Gi'}},'containers':[{'name':'c','image':"
         "'i'}]}}",
         201);
    v = patch(&w, NS "pods/a/resize", GUARANTEED("2"), 403);
    CHECK_STRZ(json_get_str(v, "message"), "pods \"a\" is forbidden: node \"n\" not found");
    post(&w, "/api/v1/nodes", "{'metadata':{'name':'n'}}", 201);
    v = patch(&w, NS "pods/a/resize", GUARANTEED("2"), 403);
    CHECK_STRZ(
        json_get_str(v, "message"),
        "pods \"a\" is forbidden: pod update requires features GuaranteedQoSPodCPUResize which "
        "are not available on node \"n\"");
    v = patch(&w, NS "pods/whole/resize", WHOLE("3"), 403);
    CHECK_STRZ(json_get_str(v, "message"),
               "pods \"whole\" is forbidden: pod update requires features "
               "InPlacePodLevelResourcesVerticalScaling which are not available on node \"n\"");
    /* Others are not asked about it, nor are writes that resize nothing. */
    patch(&w, NS "pods/b/resize",
          "{'spec':{'containers':[{'name':'c','image':'i','resources':{'requests':{'cpu':'2'}}}]}}",
          200);
    patch(&w, NS "pods/a", "{'metadata':{'labels':{'x':'y'}}}", 200);
    patch(&w, NS "pods/a", "{'spec':{'activeDeadlineSeconds':600}}", 200);
    patch(&w, "/api/v1/nodes/n/status",
          "{'status':{'declaredFeatures':['GuaranteedQoSPodCPUResize',"
          "'InPlacePodLevelResourcesVerticalScaling']}}",
          200);
    patch(&w, NS "pods/a/resize", GUARANTEED("2"), 200);
    patch(&w, NS "pods/whole/resize", WHOLE("3"), 200);
    world_fini(&w);
}

TEST_MAIN
