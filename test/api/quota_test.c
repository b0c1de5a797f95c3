/* quota_test.c - sums of quotas: under concurrent writes, dry runs, failures, deletions, updates
 * and the end of pods. No controller runs here: status.used is what admission writes. */
#include "test/api/world.h"

#define NS "/api/v1/namespaces/default/"
#define CONTAINERS "'containers':[{'name':'c','image':'i'}]"
#define POD(name) "{'metadata':{'name':'" name "'},'spec':{'nodeName':'n'," CONTAINERS "}}"

/* JSON with ' in place of ". */
static struct json *post(struct world *w, const char *path, const char *body, int want)
{
    return world_json(w, "POST", path, world_quoted(w, body), want);
}

static void patch(struct world *w, const char *path, const char *body, int want)
{
    struct call *c = world_call(w, "PATCH", path, world_quoted(w, body),
                                "Content-Type: application/merge-patch+json");

    CHECK_INT(c->status, want);
    call_free(c);
}

/* A quota as its controller would leave it when nothing is there yet. */
static void with_quota(struct world *w, const char *spec, const char *hard, const char *used)
{
    world_init(w);
    post(w, NS "serviceaccounts", "{'metadata':{'name':'default'}}", 201);
    post(w, NS "resourcequotas",
         arena_fmt(w->arena, "{'metadata':{'name':'q'},'spec':{%s}}", spec).p, 201);
    patch(w, NS "resourcequotas/q/status",
          arena_fmt(w->arena, "{'status':{'hard':{%s},'used':{%s}}}", hard, used).p, 200);
}

static const char *used(struct world *w, const char *name)
{
    const struct json *v = world_json(w, "GET", NS "resourcequotas/q", "", 200);

    return arena_dupz(w->arena, json_str(json_findz(json_path(v, "status.used"), name)));
}

static void set_used(struct world *w, const char *name, const char *amount)
{
    patch(w, NS "resourcequotas/q/status",
          arena_fmt(w->arena, "{'status':{'used':{'%s':'%s'}}}", name, amount).p, 200);
}

/* Creates that are under way at the same time; how many were allowed. */
static int burst(struct world *w, const char *path, const char *prefix, int n)
{
    struct call *calls[32];
    int allowed = 0;

    for (int i = 0; i < n; i++)
        calls[i] = world_open(
            w, "POST", path,
            world_quoted(w, arena_fmt(w->arena, "{'metadata':{'name':'%s%d'}}", prefix, i).p),
            NULL);
    world_run(w, NS_PER_S);
    for (int i = 0; i < n; i++) {
        CHECK(calls[i]->status == 201 || calls[i]->status == 403);
        allowed += calls[i]->status == 201;
        call_free(calls[i]);
    }
    return allowed;
}

TEST(quota_sums, let_a_burst_of_writes_in_up_to_the_limit_and_no_further)
{
    struct world w;

    with_quota(&w, "'hard':{'configmaps':'5'}", "'configmaps':'5'", "'configmaps':'0'");
    CHECK_INT(burst(&w, NS "configmaps", "a", 12), 5);
    CHECK_STRZ(str_of(used(&w, "configmaps")), "5");
    CHECK_INT(burst(&w, NS "configmaps", "b", 3), 0);
    world_fini(&w);
}

TEST(quota_sums, count_what_was_there_before_whatever_the_status_says)
{
    struct world w;

    with_quota(&w, "'hard':{'secrets':'4'}", "'configmaps':'4'", "'configmaps':'0'");
    CHECK_INT(burst(&w, NS "configmaps", "a", 3), 3);
    /* Now another kind, of which there are some already. */
    CHECK_INT(burst(&w, NS "secrets", "a", 3), 3);
    patch(&w, NS "resourcequotas/q/status",
          "{'status':{'hard':{'secrets':'4'},'used':{'secrets':'0'}}}", 200);
    CHECK_INT(burst(&w, NS "secrets", "b", 3), 1);
    world_fini(&w);
}

TEST(quota_sums, give_back_what_is_deleted_once_the_status_says_less)
{
    struct world w;

    with_quota(&w, "'hard':{'configmaps':'3'}", "'configmaps':'3'", "'configmaps':'0'");
    CHECK_INT(burst(&w, NS "configmaps", "a", 4), 3);
    CHECK_INT(world_status(&w, "DELETE", NS "configmaps/a0", ""), 200);
    CHECK_INT(world_status(&w, "DELETE", NS "configmaps/a1", ""), 200);
    CHECK_INT(burst(&w, NS "configmaps", "b", 1), 0);
    set_used(&w, "configmaps", "1"); /* as the controller does */
    CHECK_INT(burst(&w, NS "configmaps", "b", 4), 2);
    CHECK_STRZ(str_of(used(&w, "configmaps")), "3");
    world_fini(&w);
}

static void set_flag(void *ctx)
{
    *(bool *)ctx = true;
}

static bool is_set(void *ctx)
{
    return *(bool *)ctx;
}

/* Another server over the same store. */
static void restart(struct world *w)
{
    bool closed = false;

    api_close(w->api, set_flag, &closed);
    loop_virtual_run(w->loop, 60 * NS_PER_S, is_set, &closed);
    CHECK(closed);
    CHECK_OK(api_new(
        w->loop,
        &(struct api_options){.store = w->store,
                              .service_cidr = S("10.96.0.0/16"),
                              .advertise_address = S("192.0.2.1"),
                              .advertise_port = 6443,
                              .token_file = S("admin-token,admin,uid-1,\"system:masters\"\n")},
        &w->api));
    world_run(w, NS_PER_S);
}

TEST(quota_sums, are_right_with_the_first_write_after_a_restart)
{
    struct world w;

    with_quota(&w, "'hard':{'configmaps':'5'}", "'configmaps':'5'", "'configmaps':'0'");
    CHECK_INT(burst(&w, NS "configmaps", "a", 3), 3);
    set_used(&w, "configmaps", "0");
    restart(&w);
    CHECK_INT(burst(&w, NS "configmaps", "b", 5), 2);
    world_fini(&w);
}

TEST(quota_sums, follow_another_scope_selector)
{
    struct world w;

#define SELECTOR(op)                                                                               \
    "'scopeSelector':{'matchExpressions':[{'scopeName':'PriorityClass','operator':'" op "'}]}"
    with_quota(&w, "'hard':{'pods':'2'}," SELECTOR("DoesNotExist"), "'pods':'2'", "'pods':'0'");
    post(&w, "/apis/scheduling.k8s.io/v1/priorityclasses", "{'metadata':{'name':'h'},'value':7}",
         201);
    post(&w, NS "pods", "{'metadata':{'name':'h'},'spec':{'priorityClassName':'h'," CONTAINERS "}}",
         201);
    post(&w, NS "pods", POD("a"), 201);
    CHECK_STRZ(str_of(used(&w, "pods")), "1");
    patch(&w, NS "resourcequotas/q", "{'spec':{" SELECTOR("Exists") "}}", 200);
    set_used(&w, "pods", "0");
    post(&w, NS "pods", "{'metadata':{'name':'i'},'spec':{'priorityClassName':'h'," CONTAINERS "}}",
         201);
    set_used(&w, "pods", "0");
    post(&w, NS "pods", "{'metadata':{'name':'j'},'spec':{'priorityClassName':'h'," CONTAINERS "}}",
         403);
    world_fini(&w);
}

TEST(quota_sums, stay_as_they_are_after_dry_runs_and_failed_writes)
{
    struct world w;

    with_quota(&w, "'hard':{'configmaps':'3'}", "'configmaps':'3'", "'configmaps':'0'");
    post(&w, NS "configmaps", "{'metadata':{'name':'a'}}", 201);
    for (int i = 0; i < 4; i++) {
        post(&w, NS "configmaps?dryRun=All", "{'metadata':{'name':'b'}}", 201);
        post(&w, NS "configmaps", "{'metadata':{'name':'a'}}", 409);
    }
    CHECK_STRZ(str_of(used(&w, "configmaps")), "1");
    CHECK_INT(burst(&w, NS "configmaps", "c", 4), 2);
    post(&w, NS "configmaps?dryRun=All", "{'metadata':{'name':'b'}}", 403);
    world_fini(&w);
}

TEST(quota_sums, begin_anew_with_a_quota_that_is_made_again)
{
    struct world w;

    with_quota(&w, "'hard':{'configmaps':'2'}", "'configmaps':'2'", "'configmaps':'0'");
    CHECK_INT(burst(&w, NS "configmaps", "a", 3), 2);
    CHECK_INT(world_status(&w, "DELETE", NS "resourcequotas/q", ""), 200);
    CHECK_INT(burst(&w, NS "configmaps", "b", 2), 2);
    post(&w, NS "resourcequotas", "{'metadata':{'name':'q'},'spec':{'hard':{'configmaps':'5'}}}",
         201);
    patch(&w, NS "resourcequotas/q/status",
          "{'status':{'hard':{'configmaps':'5'},'used':{'configmaps':'0'}}}", 200);
    CHECK_INT(burst(&w, NS "configmaps", "c", 3), 1);
    world_fini(&w);
}

TEST(quota_sums, forget_pods_that_have_ended)
{
    struct world w;

    with_quota(&w, "'hard':{'pods':'2'}", "'pods':'2'", "'pods':'0'");
    post(&w, NS "pods", POD("a"), 201);
    post(&w, NS "pods", POD("b"), 201);
    post(&w, NS "pods", POD("c"), 403);
    CHECK_STRZ(str_of(used(&w, "pods")), "2");
    patch(&w, NS "pods/a/status", "{'status':{'phase':'Succeeded'}}", 200);
    set_used(&w, "pods", "0");
    post(&w, NS "pods", POD("c"), 201);
    set_used(&w, "pods", "0");
    post(&w, NS "pods", POD("d"), 403);
    world_fini(&w);
}

TEST(quota_sums, forget_pods_whose_time_to_go_is_over_even_if_nobody_says_that_they_are_gone)
{
    struct world w;

    with_quota(&w, "'hard':{'pods':'1'}", "'pods':'1'", "'pods':'0'");
    post(&w, NS "pods", POD("a"), 201);
    CHECK_INT(world_status(&w, "DELETE", NS "pods/a?gracePeriodSeconds=30", ""), 200);
    set_used(&w, "pods", "0");
    post(&w, NS "pods", POD("b"), 403); /* still going */
    world_run(&w, 62 * NS_PER_S); /* the deadline lies a grace period after the time set for it */
    post(&w, NS "pods", POD("b"), 201);
    set_used(&w, "pods", "0");
    post(&w, NS "pods", POD("c"), 403);
    /* Its real end takes nothing away a second time. */
    CHECK_INT(world_status(&w, "DELETE", NS "pods/a?gracePeriodSeconds=0", ""), 200);
    set_used(&w, "pods", "0");
    post(&w, NS "pods", POD("c"), 403);
    world_fini(&w);
}

TEST(quota_sums, follow_updates_up_and_down)
{
    struct world w;

    with_quota(&w, "'hard':{'services.nodeports':'2'}", "'services.nodeports':'2'",
               "'services.nodeports':'0'");
    post(&w, NS "services", "{'metadata':{'name':'a'},'spec':{'ports':[{'port':80}]}}", 201);
    CHECK_STRZ(str_of(used(&w, "services.nodeports")), "0");
    patch(&w, NS "services/a", "{'spec':{'type':'NodePort'}}", 200);
    CHECK_STRZ(str_of(used(&w, "services.nodeports")), "1");
    post(&w, NS "services",
         "{'metadata':{'name':'b'},'spec':{'type':'NodePort','ports':[{'name':'x','port':1},{"
         "'name':'y','port':2}]}}",
         403);
    patch(&w, NS "services/a", "{'spec':{'type':'ClusterIP'}}", 200);
    CHECK_STRZ(str_of(used(&w, "services.nodeports")), "0");
    post(&w, NS "services",
         "{'metadata':{'name':'b'},'spec':{'type':'NodePort','ports':[{'name':'x','port':1},{"
         "'name':'y','port':2}]}}",
         201);
    world_fini(&w);
}

TEST(quota_sums, count_devices_of_claims_by_class)
{
    struct world w;

#define DEVICES "'g.deviceclass.resource.k8s.io/devices':"
    with_quota(&w, "'hard':{" DEVICES "'40'}", DEVICES "'40'", DEVICES "'0'");
    post(&w, "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims",
         "{'metadata':{'name':'a'},'spec':{'devices':{'requests':[{'name':'r','exactly':{"
         "'deviceClassName':'g','allocationMode':'ExactCount','count':3}},{'name':'s',"
         "'firstAvailable':[{'name':'x','deviceClassName':'g','allocationMode':'ExactCount',"
         "'count':2},{'name':'y','deviceClassName':'g','allocationMode':'ExactCount','count':4}]}]}"
         "}}",
         201);
    CHECK_STRZ(str_of(used(&w, "g.deviceclass.resource.k8s.io/devices")), "7");
    /* All: as many as a claim can have. */
    post(&w, "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims",
         "{'metadata':{'name':'b'},'spec':{'devices':{'requests':[{'name':'r','exactly':{"
         "'deviceClassName':'g','allocationMode':'All'}},{'name':'s','exactly':{"
         "'deviceClassName':'g'}},{'name':'t','exactly':{'deviceClassName':'g'}}]}}}",
         403);
    world_fini(&w);
}

TEST(quota_sums, write_status_used_in_the_name_of_the_server_and_in_the_form_it_has)
{
    struct world w;
    const struct json *managers;
    bool server = false;

    with_quota(&w, "'hard':{'requests.memory':'1Gi'}", "'requests.memory':'1Gi'",
               "'requests.memory':'0'");
    post(&w, NS "pods",
         "{'metadata':{'name':'a'},'spec':{'containers':[{'name':'c','image':'i','resources':{"
         "'requests':{'memory':'64Mi'}}}]}}",
         201);
    CHECK_STRZ(str_of(used(&w, "requests.memory")), "64Mi");
    managers =
        json_path(world_json(&w, "GET", NS "resourcequotas/q", "", 200), "metadata.managedFields");
    JSON_EACH(m, managers)
        server |= str_is(json_get_str(m, "manager"), "kube-apiserver") &&
                  str_is(json_get_str(m, "subresource"), "status");
    CHECK(server);
    world_fini(&w);
}

TEST(quota_sums, count_a_pod_that_changes_size_for_the_most_of_wanted_and_in_force)
{
    struct world w;

    with_quota(&w, "'hard':{'requests.cpu':'10','limits.cpu':'20'}",
               "'requests.cpu':'10','limits.cpu':'20'", "'requests.cpu':'0','limits.cpu':'0'");
    post(&w, NS "pods",
         "{'metadata':{'name':'a'},'spec':{'nodeName':'n','containers':[{'name':'c','image':'i',"
         "'resources':{'requests':{'cpu':'2'},'limits':{'cpu':'4'}}}]}}",
         201);
    CHECK_STRZ(str_of(used(&w, "requests.cpu")), "2");
    patch(&w, NS "pods/a/status",
          "{'status':{'containerStatuses':[{'name':'c','image':'i','imageID':'','ready':true,"
          "'restartCount':0,'state':{'running':{}},'allocatedResources':{'cpu':'3'},"
          "'resources':{'requests':{'cpu':'5'},'limits':{'cpu':'9'}}}]}}",
          200);
    /* 5 of 10 and 9 of 20 are in use, whatever the spec says. */
    post(&w, NS "pods",
         "{'metadata':{'name':'b'},'spec':{'nodeName':'n','containers':[{'name':'c','image':'i',"
         "'resources':{'requests':{'cpu':'6'},'limits':{'cpu':'6'}}}]}}",
         403);
    post(&w, NS "pods",
         "{'metadata':{'name':'b'},'spec':{'nodeName':'n','containers':[{'name':'c','image':'i',"
         "'resources':{'requests':{'cpu':'5'},'limits':{'cpu':'12'}}}]}}",
         403);
    post(&w, NS "pods",
         "{'metadata':{'name':'b'},'spec':{'nodeName':'n','containers':[{'name':'c','image':'i',"
         "'resources':{'requests':{'cpu':'5'},'limits':{'cpu':'11'}}}]}}",
         201);
    world_fini(&w);
}

TEST_MAIN
