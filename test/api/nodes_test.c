/* nodes_test.c - what a kubelet may read and change, and what nobody may give away. */
#include "test/api/world.h"

#define CORE "/api/v1/namespaces/default"
#define RBAC "/apis/rbac.authorization.k8s.io/v1"
#define NODE "Authorization: Bearer node-token"
#define ALICE "Authorization: Bearer alice-token"

static int as(struct world *w, const char *method, const char *path, const char *body,
              const char *headers, struct json **ret)
{
    struct call *c = world_call(w, method, path, body, headers);
    int status = c->status;

    if (ret)
        *ret = call_json(c);
    call_free(c);
    return status;
}

static str why(struct world *w, const char *method, const char *path, const char *body,
               const char *headers)
{
    struct json *v;

    CHECK_INT(as(w, method, path, body, headers, &v), 403);
    return json_get_str(v, "message");
}

static void start(struct world *w)
{
    static const char *const names[] = {"mine", "other", "of-volume"};

    world_init(w);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        world_json(
            w, "POST", CORE "/secrets",
            arena_dupz(w->arena, arena_fmt(w->arena, "{\"metadata\":{\"name\":\"%s\"}}", names[i])),
            201);
    world_json(w, "POST", CORE "/serviceaccounts", "{\"metadata\":{\"name\":\"default\"}}", 201);
    world_json(w, "POST", "/api/v1/nodes", "{\"metadata\":{\"name\":\"n1\"}}", 201);
    world_json(w, "POST", "/api/v1/persistentvolumes",
               "{\"metadata\":{\"name\":\"pv\"},\"spec\":{\"capacity\":{\"storage\":\"1Gi\"},"
               "\"accessModes\":[\"ReadWriteOnce\"],\"claimRef\":{\"namespace\":\"default\","
               "\"name\":\"claim\"},\"csi\":{\"driver\":\"d\",\"volumeHandle\":\"h\","
               "\"nodePublishSecretRef\":{\"name\":\"of-volume\",\"namespace\":\"default\"}}}}",
               201);
    world_json(w, "POST", CORE "/persistentvolumeclaims",
               "{\"metadata\":{\"name\":\"claim\"},\"spec\":{\"volumeName\":\"pv\","
               "\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":"
               "\"1Gi\"}}}}",
               201);
}

static const char pod[] =
    "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"nodeName\":\"n1\",\"containers\":[{\"name\":\"c\","
    "\"image\":\"i\",\"env\":[{\"name\":\"X\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"mine\","
    "\"key\":\"k\"}}}]}],\"volumes\":[{\"name\":\"v\",\"persistentVolumeClaim\":{\"claimName\":"
    "\"claim\"}}],\"terminationGracePeriodSeconds\":0}}";

TEST(node, reads_what_its_pods_refer_to_and_only_while_they_are_there)
{
    struct world w;

    start(&w);
    CHECK_STR(why(&w, "GET", CORE "/secrets/mine", NULL, NODE),
              S("secrets \"mine\" is forbidden: User \"system:node:n1\" cannot get resource "
                "\"secrets\" in API group \"\" in the namespace \"default\": no relationship found "
                "between node 'n1' and this object"));
    world_json(&w, "POST", CORE "/pods", pod, 201);
    CHECK_INT(as(&w, "GET", CORE "/secrets/mine", NULL, NODE, NULL), 200);
    CHECK_INT(as(&w, "GET", CORE "/secrets/other", NULL, NODE, NULL), 403);
    CHECK_INT(as(&w, "GET", CORE "/secrets/of-volume", NULL, NODE, NULL), 200);
    CHECK_INT(as(&w, "GET", CORE "/persistentvolumeclaims/claim", NULL, NODE, NULL), 200);
    CHECK_INT(as(&w, "GET", "/api/v1/persistentvolumes/pv", NULL, NODE, NULL), 200);
    CHECK_INT(as(&w, "GET", CORE "/serviceaccounts/default", NULL, NODE, NULL), 200);
    CHECK_INT(as(&w, "GET", CORE "/pods/p", NULL, NODE, NULL), 200);
    CHECK(str_has_suffix(why(&w, "GET", CORE "/secrets", NULL, NODE), S(": No Object name found")));
    CHECK(str_has_suffix(why(&w, "DELETE", CORE "/secrets/mine", NULL, NODE),
                         S(": can only read resources of this type")));
    CHECK(str_has_suffix(why(&w, "GET", "/api/v1/pods", NULL, NODE),
                         S(": can only list/watch pods with spec.nodeName field selector")));
    CHECK_INT(as(&w, "GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", NULL, NODE, NULL),
              200);
    CHECK(str_has_suffix(why(&w, "GET", "/api/v1/nodes", NULL, NODE),
                         S(": node 'n1' cannot read all nodes, only its own Node object")));
    CHECK(str_has_suffix(why(&w, "GET", "/api/v1/nodes/n2", NULL, NODE),
                         S(": node 'n1' cannot read 'n2', only its own Node object")));
    CHECK_INT(as(&w, "GET", "/api/v1/nodes/n1", NULL, NODE, NULL), 200);
    CHECK_INT(world_status(&w, "DELETE", CORE "/pods/p", NULL), 200);
    CHECK_INT(as(&w, "GET", CORE "/secrets/mine", NULL, NODE, NULL), 403);
    CHECK_INT(as(&w, "GET", "/api/v1/persistentvolumes/pv", NULL, NODE, NULL), 403);
    world_fini(&w);
}

TEST(node, changes_its_own_node_and_mirror_pods_only)
{
    struct world w;
    struct json *v;

    start(&w);
    CHECK_STR(why(&w, "PATCH", "/api/v1/nodes/n1",
                  "{\"metadata\":{\"labels\":{\"node-role.kubernetes.io/x\":\"\","
                  "\"node-restriction.kubernetes.io/a\":\"\"}}}",
                  NODE "\nContent-Type: application/merge-patch+json"),
              S("nodes \"n1\" is forbidden: is not allowed to modify labels: "
                "node-restriction.kubernetes.io/a, node-role.kubernetes.io/x"));
    CHECK_STR(why(&w, "PATCH", "/api/v1/nodes/n1", "{\"spec\":{\"taints\":null}}",
                  NODE "\nContent-Type: application/merge-patch+json"),
              S("nodes \"n1\" is forbidden: node \"n1\" is not allowed to modify taints"));
    CHECK_STR(why(&w, "PATCH", "/api/v1/nodes/n1",
                  "{\"metadata\":{\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Pod\","
                  "\"name\":\"gone\",\"uid\":\"x\"}]}}",
                  NODE "\nContent-Type: application/merge-patch+json"),
              S("nodes \"n1\" is forbidden: node \"n1\" is not allowed to modify ownerReferences"));
    CHECK_INT(as(&w, "PATCH", "/api/v1/nodes/n1",
                 "{\"metadata\":{\"labels\":{\"mine\":\"1\",\"kubernetes.io/os\":\"linux\"}}}",
                 NODE "\nContent-Type: application/merge-patch+json", NULL),
              200);
    CHECK_STR(why(&w, "POST", CORE "/pods", pod, NODE),
              S("pods \"p\" is forbidden: pod does not have \"kubernetes.io/config.mirror\" "
                "annotation, node \"n1\" can only create mirror pods"));
    CHECK_STR(why(&w, "POST", CORE "/pods",
                  "{\"metadata\":{\"name\":\"m\",\"annotations\":{\"kubernetes.io/config.mirror\":"
                  "\"x\"}},\"spec\":{\"nodeName\":\"n1\",\"containers\":[{\"name\":\"c\",\"image\":"
                  "\"i\"}]}}",
                  NODE),
              S("pods \"m\" is forbidden: node \"n1\" can only create pods with an owner reference "
                "set to itself"));
    v = world_json(&w, "GET", "/api/v1/nodes/n1", NULL, 200);
    CHECK_INT(
        as(&w, "POST", CORE "/pods",
           arena_dupz(w.arena,
                      arena_fmt(w.arena,
                                "{\"metadata\":{\"name\":\"m\",\"annotations\":{\"kubernetes."
                                "io/config.mirror\":\"x\"},\"ownerReferences\":[{\"apiVersion"
                                "\":\"v1\",\"kind\":\"Node\",\"name\":\"n1\",\"uid\":\"" PRI_STR
                                "\",\"controller\":true}]},\"spec\":{\"nodeName\":\"n1\","
                                "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
                                STR_ARG(json_get_str(v, "metadata.uid")))),
           NODE, NULL),
        201);
    world_json(&w, "POST", CORE "/pods",
               "{\"metadata\":{\"name\":\"elsewhere\"},\"spec\":{\"nodeName\":\"n2\","
               "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
               201);
    CHECK_STR(why(&w, "DELETE", CORE "/pods/elsewhere", NULL, NODE),
              S("pods \"elsewhere\" is forbidden: node \"n1\" can only delete pods with "
                "spec.nodeName set to itself"));
    CHECK_STR(why(&w, "POST", CORE "/pods/elsewhere/eviction",
                  "{\"metadata\":{\"name\":\"elsewhere\"}}", NODE),
              S("pods \"elsewhere\" is forbidden: node n1 can only evict pods with spec.nodeName "
                "set to itself"));
    world_fini(&w);
}

static void may(struct world *w, const char *rules)
{
    world_json(w, "POST", RBAC "/clusterroles",
               arena_dupz(w->arena, arena_fmt(w->arena,
                                              "{\"metadata\":{\"name\":\"may\"},\"rules\":[%s,{"
                                              "\"apiGroups\":[\"rbac.authorization.k8s.io\"],"
                                              "\"resources\":[\"*\"],\"verbs\":[\"create\","
                                              "\"update\",\"patch\"]}]}",
                                              rules)),
               201);
    world_json(w, "POST", RBAC "/clusterrolebindings",
               "{\"metadata\":{\"name\":\"may\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization."
               "k8s.io\",\"kind\":\"ClusterRole\",\"name\":\"may\"},\"subjects\":[{\"kind\":"
               "\"User\",\"apiGroup\":\"rbac.authorization.k8s.io\",\"name\":\"alice\"}]}",
               201);
}

TEST(escalation, tells_exactly_what_is_not_held)
{
    struct world w;

    world_init(&w);
    may(&w, "{\"apiGroups\":[\"\"],\"resources\":[\"pods\",\"*/scale\"],\"verbs\":[\"get\"]},{"
            "\"nonResourceURLs\":[\"/a/*\"],\"verbs\":[\"get\"]}");
    CHECK_STR(why(&w, "POST", RBAC "/clusterroles",
                  "{\"metadata\":{\"name\":\"x\"},\"rules\":[{\"apiGroups\":[\"\"],\"resources\":["
                  "\"pods\",\"secrets\",\"pods/scale\"],\"verbs\":[\"get\",\"list\"]},{"
                  "\"nonResourceURLs\":[\"/a/b\",\"/b\"],\"verbs\":[\"get\"]}]}",
                  ALICE),
              S("clusterroles.rbac.authorization.k8s.io \"x\" is forbidden: user \"alice\" "
                "(groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not "
                "currently held:\n{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"list\"]}\n"
                "{APIGroups:[\"\"], Resources:[\"pods/scale\"], Verbs:[\"list\"]}\n"
                "{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"list\"]}\n"
                "{NonResourceURLs:[\"/b\"], Verbs:[\"get\"]}"));
    CHECK_INT(as(&w, "POST", RBAC "/clusterroles",
                 "{\"metadata\":{\"name\":\"y\"},\"rules\":[{\"apiGroups\":[\"\"],\"resources\":["
                 "\"pods\"],\"resourceNames\":[\"one\"],\"verbs\":[\"get\"]}]}",
                 ALICE, NULL),
              201);
    CHECK_STR(why(&w, "POST", RBAC "/clusterroles",
                  "{\"metadata\":{\"name\":\"z\"},\"aggregationRule\":{\"clusterRoleSelectors\":[{"
                  "\"matchLabels\":{\"a\":\"b\"}}]}}",
                  ALICE),
              S("clusterroles.rbac.authorization.k8s.io \"z\" is forbidden: must have "
                "cluster-admin privileges to use an aggregationRule"));
    world_fini(&w);
}

TEST(escalation, does_not_look_at_a_million_combinations)
{
    struct world w;
    struct buf names = BUF_INIT, body = BUF_INIT;

    world_init(&w);
    may(&w, "{\"apiGroups\":[\"\"],\"resources\":[\"pods\"],\"verbs\":[\"get\"]}");
    for (int i = 0; i < 300; i++)
        buf_fmt(&names, "%s\"x%d\"", i ? "," : "", i);
    buf_fmt(&body,
            "{\"metadata\":{\"name\":\"x\"},\"rules\":[{\"apiGroups\":[%s],\"resources\":[%s],"
            "\"verbs\":[%s]}]}",
            buf_cstr(&names), buf_cstr(&names), buf_cstr(&names));
    CHECK(str_find(why(&w, "POST", RBAC "/clusterroles", buf_cstr(&body), ALICE),
                   S("more than 100000 combinations")) > 0);
    buf_fini(&names);
    buf_fini(&body);
    world_fini(&w);
}

static void words(struct buf *b, const char *name, int n)
{
    buf_fmt(b, ",\"%s\":[", name);
    for (int i = 0; i < n; i++)
        buf_fmt(b, "%s\"w%d\"", i ? "," : "", i);
    buf_char(b, ']');
}

TEST(escalation, of_an_aggregation_rule_is_seen_behind_as_many_combinations_as_are_looked_at)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct world w;

    world_init(&w);
    may(&w, "{\"apiGroups\":[\"*\"],\"resources\":[\"*\"],\"verbs\":[\"get\"]}");
    buf_z(&b, "{\"metadata\":{\"name\":\"x\"},\"aggregationRule\":{\"clusterRoleSelectors\":[{}]},"
              "\"rules\":[{\"verbs\":[\"get\"]");
    words(&b, "apiGroups", 100);
    words(&b, "resources", 1000);
    buf_z(&b, "}]}");
    CHECK_INT(as(&w, "POST", RBAC "/clusterroles", buf_cstr(&b), ALICE, NULL), 403);
    world_fini(&w);
}

TEST(escalation, is_not_hidden_behind_a_role_that_does_not_exist_yet)
{
    struct world w;
    struct json *v;

    world_init(&w);
    may(&w, "{\"apiGroups\":[\"\"],\"resources\":[\"pods\"],\"verbs\":[\"get\"]}");
    CHECK_INT(
        as(&w, "POST", RBAC "/clusterrolebindings",
           "{\"metadata\":{\"name\":\"b\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s."
           "io\",\"kind\":\"ClusterRole\",\"name\":\"later\"}}",
           ALICE, &v),
        404);
    CHECK_STRZ(json_get_str(v, "message"),
               "clusterroles.rbac.authorization.k8s.io \"later\" not found");
    world_fini(&w);
}

TEST(escalation, does_not_stop_those_who_may_bind_or_escalate)
{
    struct world w;

    world_init(&w);
    may(&w, "{\"apiGroups\":[\"rbac.authorization.k8s.io\"],\"resources\":[\"clusterroles\"],"
            "\"verbs\":[\"escalate\"]},{\"apiGroups\":[\"rbac.authorization.k8s.io\"],"
            "\"resources\":[\"clusterroles\"],\"resourceNames\":[\"view\"],\"verbs\":[\"bind\"]}");
    CHECK_INT(as(&w, "POST", RBAC "/clusterroles",
                 "{\"metadata\":{\"name\":\"x\"},\"rules\":[{\"apiGroups\":[\"*\"],\"resources\":["
                 "\"*\"],\"verbs\":[\"*\"]}]}",
                 ALICE, NULL),
              201);
    CHECK_INT(
        as(&w, "POST", RBAC "/clusterrolebindings",
           "{\"metadata\":{\"name\":\"b\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s."
           "io\",\"kind\":\"ClusterRole\",\"name\":\"view\"}}",
           ALICE, NULL),
        201);
    CHECK_INT(
        as(&w, "POST", RBAC "/clusterrolebindings",
           "{\"metadata\":{\"name\":\"c\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s."
           "io\",\"kind\":\"ClusterRole\",\"name\":\"cluster-admin\"}}",
           ALICE, NULL),
        403);
    world_fini(&w);
}

static bool booted;

static void on_boot(void *ctx, struct err *e)
{
    (void)ctx;
    CHECK(!e);
    err_free(e);
    booted = true;
}

static bool is_booted(void *ctx)
{
    (void)ctx;
    return booted;
}

TEST(defaults, come_back_at_the_next_start_unless_somebody_said_no)
{
    struct world w;
    struct json *v;

    world_init(&w);
    CHECK_INT(
        as(&w, "PATCH", RBAC "/clusterroles/system:basic-user",
           "{\"rules\":[{\"apiGroups\":[\"\"],\"resources\":[\"mine\"],\"verbs\":[\"get\"]}]}",
           "Content-Type: application/merge-patch+json", NULL),
        200);
    CHECK_INT(as(&w, "PATCH", RBAC "/clusterroles/system:discovery",
                 "{\"metadata\":{\"annotations\":{\"rbac.authorization.kubernetes.io/autoupdate\":"
                 "\"false\"}},\"rules\":null}",
                 "Content-Type: application/merge-patch+json", NULL),
              200);
    booted = false;
    api_bootstrap(w.api, on_boot, NULL);
    loop_virtual_run(w.loop, loop_virtual_elapsed_ns(w.loop) + 60 * NS_PER_S, is_booted, NULL);
    CHECK(booted);
    v = world_json(&w, "GET", RBAC "/clusterroles/system:basic-user", NULL, 200);
    CHECK_INT(json_count(json_findz(v, "rules")), 3); /* his own, and the two that belong there */
    v = world_json(&w, "GET", RBAC "/clusterroles/system:discovery", NULL, 200);
    CHECK_INT(json_count(json_findz(v, "rules")), 0);
    world_fini(&w);
}

TEST_MAIN
