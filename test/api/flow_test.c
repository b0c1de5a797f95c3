/* flow_test.c - priority and fairness: who is served, who waits, who is told to come again.
 *
 * Writes take effect on the disk thread, which runs when the loop does: requests that are opened
 * without running it are all under way at once. */
#include "test/api/world.h"

#define MAPS "/api/v1/namespaces/default/configmaps"
#define FLOW "/apis/flowcontrol.apiserver.k8s.io/v1"
#define ALICE "Authorization: Bearer alice-token"
#define N_MAX 20000

static struct call *calls[N_MAX];
static size_t n_calls;

static void start(struct world *w)
{
    static const char *const users[] = {"alice", "bob"};

    world_init(w);
    n_calls = 0;
    for (size_t i = 0; i < ARRAY_LEN(users); i++)
        world_json(w, "POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
                   arena_dupz(w->arena,
                              arena_fmt(w->arena,
                                        "{\"metadata\":{\"name\":\"%s\"},\"roleRef\":{\"apiGroup\":"
                                        "\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\","
                                        "\"name\":\"cluster-admin\"},\"subjects\":[{\"kind\":"
                                        "\"User\",\"apiGroup\":\"rbac.authorization.k8s.io\","
                                        "\"name\":\"%s\"}]}",
                                        users[i], users[i])),
                   201);
}

static struct call *post(struct world *w, const char *name, size_t i, const char *headers)
{
    char body[128];

    snprintf(body, sizeof body, "{\"metadata\":{\"name\":\"%s-%zu\"}}", name, i);
    return world_open(w, "POST", MAPS, body, headers);
}

static void flood(struct world *w, size_t n)
{
    for (size_t i = 0; i < n && n_calls < N_MAX; i++)
        calls[n_calls++] = post(w, "flood", i, ALICE);
}

static size_t count(int status)
{
    size_t n = 0;

    for (size_t i = 0; i < n_calls; i++)
        n += calls[i]->ended && calls[i]->status == status;
    return n;
}

static void drop_all(void)
{
    while (n_calls)
        call_free(calls[--n_calls]);
}

TEST(flow, names_schema_and_level_of_every_request)
{
    struct world w;
    struct call *c;
    struct json *v;

    start(&w);
    v = world_json(&w, "GET", FLOW "/flowschemas/global-default", NULL, 200);
    c = world_call(&w, "GET", MAPS, NULL, ALICE);
    CHECK_STR(call_header(c, "X-Kubernetes-PF-FlowSchema-UID"), json_get_str(v, "metadata.uid"));
    call_free(c);
    v = world_json(&w, "GET", FLOW "/prioritylevelconfigurations/exempt", NULL, 200);
    c = world_call(&w, "GET", MAPS, NULL, NULL); /* a master */
    CHECK_STR(call_header(c, "X-Kubernetes-PF-PriorityLevel-UID"), json_get_str(v, "metadata.uid"));
    call_free(c);
    v = world_json(&w, "GET", FLOW "/flowschemas/system-node-high", NULL, 200);
    c = world_call(&w, "GET", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1",
                   NULL, "Authorization: Bearer node-token");
    CHECK_INT(c->status, 404);
    CHECK_STR(call_header(c, "X-Kubernetes-PF-FlowSchema-UID"), json_get_str(v, "metadata.uid"));
    call_free(c);
    world_fini(&w);
}

TEST(flow, lets_a_flood_wait_and_refuses_what_does_not_fit_into_its_queues)
{
    struct world w;
    struct call *c;

    start(&w);
    flood(&w, 3000);
    CHECK_INT(count(201), 0);
    CHECK(count(429) > 1000 && count(429) < 3000);
    for (size_t i = 0; i < n_calls; i++)
        if (calls[i]->ended) {
            c = calls[i];
            CHECK_STRZ(buf_view(&c->body), "Too many requests, please try again later.\n");
            CHECK_STRZ(call_header(c, "Retry-After"), "1");
            CHECK_STRZ(call_header(c, "Content-Type"), "text/plain; charset=utf-8");
            break;
        }
    world_run(&w, 10 * NS_PER_S);
    CHECK_INT(count(201) + count(429), 3000); /* those that waited were served */
    drop_all();
    flood(&w, 1); /* and the seats are free again */
    world_run(&w, NS_PER_S);
    CHECK_INT(count(409), 1);
    drop_all();
    world_fini(&w);
}

TEST(flow, serves_others_while_one_floods)
{
    struct world w;
    struct call *bob, *master, *node;
    size_t before;

    start(&w);
    flood(&w, 3000);
    bob = post(&w, "bob", 0, "Impersonate-User: bob");
    CHECK(!bob->ended); /* not refused: his queues are others */
    master = post(&w, "master", 0, NULL);
    node = world_open(&w, "GET", "/api/v1/nodes/n1", NULL, "Authorization: Bearer node-token");
    CHECK(node->ended); /* reads are answered in their own turn */
    loop_virtual_run(w.loop, loop_virtual_elapsed_ns(w.loop) + 10 * NS_PER_S, NULL, NULL);
    before = count(201);
    CHECK_INT(bob->status, 201);
    CHECK_INT(master->status, 201);
    CHECK(before > 0);
    call_free(bob);
    call_free(master);
    call_free(node);
    drop_all();
    world_fini(&w);
}

static bool bob_done(void *ctx)
{
    return ((struct call *)ctx)->ended;
}

TEST(flow, gives_each_flow_its_turn)
{
    struct world w;
    struct call *bob;

    start(&w);
    world_json(&w, "POST", FLOW "/prioritylevelconfigurations",
               "{\"metadata\":{\"name\":\"small\"},\"spec\":{\"type\":\"Limited\",\"limited\":{"
               "\"nominalConcurrencyShares\":1,\"borrowingLimitPercent\":0,\"limitResponse\":{"
               "\"type\":\"Queue\",\"queuing\":{\"queues\":64,\"handSize\":4,"
               "\"queueLengthLimit\":50}}}}}",
               201);
    world_json(&w, "POST", FLOW "/flowschemas",
               "{\"metadata\":{\"name\":\"people\"},\"spec\":{\"matchingPrecedence\":5,"
               "\"distinguisherMethod\":{\"type\":\"ByUser\"},\"priorityLevelConfiguration\":{"
               "\"name\":\"small\"},\"rules\":[{\"subjects\":[{\"kind\":\"User\",\"user\":{"
               "\"name\":\"alice\"}},{\"kind\":\"User\",\"user\":{\"name\":\"bob\"}}],"
               "\"resourceRules\":[{\"verbs\":[\"create\"],\"apiGroups\":[\"\"],"
               "\"resources\":[\"configmaps\"],\"namespaces\":[\"*\"]}]}]}}",
               201);
    flood(&w, 150);
    CHECK_INT(count(429), 0);
    bob = post(&w, "bob", 0, "Impersonate-User: bob");
    loop_virtual_run(w.loop, loop_virtual_elapsed_ns(w.loop) + 10 * NS_PER_S, bob_done, bob);
    CHECK_INT(bob->status, 201);
    CHECK(count(201) < 20); /* he did not wait for all of the flood */
    call_free(bob);
    world_run(&w, 10 * NS_PER_S);
    CHECK_INT(count(201), 150);
    drop_all();
    world_fini(&w);
}

TEST(flow, forgets_those_who_went_away_while_they_waited)
{
    struct world w;
    size_t n = 0;

    start(&w);
    flood(&w, 900);
    for (size_t i = 0; i < n_calls; i++)
        if (!calls[i]->ended && calls[i]->ex.on_gone) {
            calls[i]->ex.gone = true;
            calls[i]->ex.on_gone(calls[i]->ex.user, &calls[i]->ex);
            n++;
        }
    CHECK(n > 0);
    world_run(&w, 10 * NS_PER_S);
    for (size_t i = 0; i < n_calls; i++)
        CHECK(calls[i]->ended);
    drop_all();
    world_fini(&w);
}

TEST(flow, follows_its_configuration)
{
    struct world w;
    struct json *v;
    struct call *c;

    start(&w);
    world_json(&w, "POST", FLOW "/prioritylevelconfigurations",
               "{\"metadata\":{\"name\":\"none\"},\"spec\":{\"type\":\"Limited\",\"limited\":{"
               "\"nominalConcurrencyShares\":0,\"borrowingLimitPercent\":0,\"limitResponse\":{"
               "\"type\":\"Reject\"}}}}",
               201);
    world_json(&w, "POST", FLOW "/flowschemas",
               "{\"metadata\":{\"name\":\"alices\"},\"spec\":{\"matchingPrecedence\":5,"
               "\"priorityLevelConfiguration\":{\"name\":\"none\"},\"rules\":[{\"subjects\":[{"
               "\"kind\":\"User\",\"user\":{\"name\":\"alice\"}}],\"resourceRules\":[{\"verbs\":["
               "\"create\"],\"apiGroups\":[\"\"],\"resources\":[\"configmaps\"],\"namespaces\":["
               "\"*\"]}]}]}}",
               201);
    world_run(&w, NS_PER_S);
    v = world_json(&w, "GET", FLOW "/flowschemas/alices", NULL, 200);
    CHECK_STRZ(json_get_str(json_item(json_path(v, "status.conditions"), 0), "reason"), "Found");
    flood(&w, 10);
    CHECK_INT(count(429), 9); /* one at a time */
    world_run(&w, NS_PER_S);
    CHECK_INT(count(201), 1);
    drop_all();
    CHECK_INT(world_status(&w, "DELETE", FLOW "/prioritylevelconfigurations/none", NULL), 200);
    c = post(&w, "dangling", 0, ALICE); /* the schema dangles: the next one counts */
    world_run(&w, NS_PER_S);
    CHECK_INT(c->status, 201);
    call_free(c);
    v = world_json(&w, "GET", FLOW "/flowschemas/alices", NULL, 200);
    v = json_item(json_path(v, "status.conditions"), 0);
    CHECK_STRZ(json_get_str(v, "status"), "True");
    CHECK_STRZ(json_get_str(v, "message"),
               "This FlowSchema references the PriorityLevelConfiguration object named \"none\" "
               "but there is no such object");
    world_fini(&w);
}

TEST_MAIN
