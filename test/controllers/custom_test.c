/* custom_test.c - custom kinds under the controllers: owners, namespaces, quotas, with the real API server under virtual time. */
#include "sim/sim.h"
#include "test/test.h"

struct cluster {
    struct sim *s;
    struct arena *a;
};

static void cluster_start(struct cluster *c)
{
    *c = (struct cluster){sim_new(&(struct sim_options){.seed = 12, .n_nodes = 1}), arena_new()};
    sim_run(c->s, 10 * NS_PER_S);
}

static void cluster_end(struct cluster *c)
{
    sim_free(c->s);
    arena_free(c->a);
}

/* NULL: not found. Any other error fails the test. */
static struct json *call(struct cluster *c, const char *method, const char *path, const char *body)
{
    CLEANUP(buf) struct buf out = BUF_INIT;
    struct json *tree = NULL;
    struct err *err = sim_call(c->s, method, path, str_of(body), &out);

    if (err) {
        if (err->reason != REASON_NOT_FOUND)
            test_fail(__FILE__, __LINE__, "%s %s: %s", method, path, err_text(err));
        err_free(err);
        return NULL;
    }
    CHECK_OK(json_parse(c->a, arena_dup(c->a, buf_view(&out)), NULL, NULL, &tree));
    return tree;
}

static struct json *get(struct cluster *c, const char *path)
{
    return call(c, "GET", path, "");
}

static void wait_s(struct cluster *c, int64_t s)
{
    sim_run(c->s, s * NS_PER_S);
}

#define CRDS "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define WIDGETS(ns) "/apis/example.com/v1/namespaces/" ns "/widgets"
#define CONFIGMAPS(ns) "/api/v1/namespaces/" ns "/configmaps"

static void define(struct cluster *c, const char *plural, const char *kind)
{
    call(c, "POST", CRDS,
         arena_fmt(c->a,
                   "{\"metadata\":{\"name\":\"%s.example.com\"},\"spec\":{\"group\":"
                   "\"example.com\",\"scope\":\"Namespaced\",\"names\":{\"plural\":\"%s\","
                   "\"kind\":\"%s\"},\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":"
                   "true,\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\","
                   "\"x-kubernetes-preserve-unknown-fields\":true}}}]}}",
                   plural, plural, kind)
             .p);
    wait_s(c, 2);
}

static str uid_of(struct cluster *c, const char *path)
{
    return json_get_str(get(c, path), "metadata.uid");
}

static const char *owned(struct cluster *c, const char *api_version, const char *kind,
                         const char *name, str owner_uid, const char *owner_version,
                         const char *owner_kind)
{
    return arena_fmt(c->a,
                     "{\"apiVersion\":\"%s\",\"kind\":\"%s\",\"metadata\":{\"name\":\"%s\","
                     "\"ownerReferences\":[{\"apiVersion\":\"%s\",\"kind\":\"%s\",\"name\":\"a\","
                     "\"uid\":\"" PRI_STR "\",\"blockOwnerDeletion\":true}]}}",
                     api_version, kind, name, owner_version, owner_kind, STR_ARG(owner_uid))
        .p;
}

static void widget(struct cluster *c, const char *path, const char *name)
{
    call(c, "POST", path,
         arena_fmt(c->a,
                   "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":"
                   "\"%s\"}}",
                   name)
             .p);
}

TEST(custom, a_validating_policy_is_checked_against_the_schemas_of_definitions)
{
    static const char policies[] =
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
    struct cluster c;
    const struct json *list;

    cluster_start(&c);
    call(&c, "POST", CRDS,
         "{\"metadata\":{\"name\":\"widgets.example.com\"},\"spec\":{\"group\":\"example.com\","
         "\"scope\":"
         "\"Namespaced\",\"names\":{\"plural\":\"widgets\",\"kind\":\"Widget\"},\"versions\":[{"
         "\"name\":"
         "\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{\"type\":"
         "\"object\","
         "\"properties\":{\"spec\":{\"type\":\"object\",\"properties\":{\"size\":{\"type\":"
         "\"integer\"}}}}"
         "}}}]}}");
    wait_s(&c, 2);
    call(
        &c, "POST", policies,
        "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"paramKind\":{\"apiVersion\":\"example.com/v1\","
        "\"kind\":\"Widget\"},\"matchConstraints\":{\"resourceRules\":[{\"apiGroups\":[\"example."
        "com\"],"
        "\"apiVersions\":[\"v1\"],\"operations\":[\"*\"],\"resources\":[\"widgets\"]}]},"
        "\"validations\":["
        "{\"expression\":\"object.spec.size > 1 && has(object.metadata.labels) && "
        "object.metadata.name != ''\"},"
        "{\"expression\":\"object.spec.nosuch == 1\"},{\"expression\":\"params.spec.size == 'x'\"},"
        "{\"expression\":\"object.spec.size < params.spec.size\"}]}}");
    wait_s(&c, 5);
    list = json_path(get(&c, "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/p"),
                     "status.typeChecking.expressionWarnings");
    CHECK_INT(json_count(list), 2);
    CHECK_STRZ(json_get_str(json_item(list, 0), "fieldRef"), "spec.validations[1].expression");
    CHECK_STRZ(json_get_str(json_item(list, 0), "warning"),
               "example.com/v1, Kind=Widget: ERROR: <input>:1:12: undefined field 'nosuch'\n | "
               "object.spec.nosuch == 1\n | ...........^\n");
    CHECK_STRZ(json_get_str(json_item(list, 1), "fieldRef"), "spec.validations[2].expression");
    CHECK(str_find(json_get_str(json_item(list, 1), "warning"),
                   S("found no matching overload for '_==_' applied to '(int, string)'")) > 0);
    cluster_end(&c);
}

TEST(custom, objects_are_owners_and_dependents)
{
    struct cluster c;
    str uid;

    cluster_start(&c);
    define(&c, "widgets", "Widget");
    widget(&c, WIDGETS("default"), "a");
    uid = uid_of(&c, WIDGETS("default") "/a");
    call(&c, "POST", CONFIGMAPS("default"),
         owned(&c, "v1", "ConfigMap", "m", uid, "example.com/v1", "Widget"));
    call(&c, "POST", WIDGETS("default"),
         owned(&c, "example.com/v1", "Widget", "b", uid, "example.com/v1", "Widget"));
    wait_s(&c, 5);
    CHECK(get(&c, CONFIGMAPS("default") "/m") != NULL);
    CHECK(get(&c, WIDGETS("default") "/b") != NULL);
    call(&c, "DELETE", WIDGETS("default") "/a", "{\"propagationPolicy\":\"Foreground\"}");
    wait_s(&c, 5);
    CHECK(!get(&c, WIDGETS("default") "/a"));
    CHECK(!get(&c, WIDGETS("default") "/b"));
    CHECK(!get(&c, CONFIGMAPS("default") "/m"));
    cluster_end(&c);
}

TEST(custom, dependents_are_orphaned_when_asked)
{
    struct cluster c;
    str uid;

    cluster_start(&c);
    define(&c, "widgets", "Widget");
    call(&c, "POST", CONFIGMAPS("default"), "{\"metadata\":{\"name\":\"a\"}}");
    uid = uid_of(&c, CONFIGMAPS("default") "/a");
    call(&c, "POST", WIDGETS("default"),
         owned(&c, "example.com/v1", "Widget", "b", uid, "v1", "ConfigMap"));
    wait_s(&c, 2);
    call(&c, "DELETE", CONFIGMAPS("default") "/a", "{\"propagationPolicy\":\"Orphan\"}");
    wait_s(&c, 5);
    CHECK(!get(&c, CONFIGMAPS("default") "/a"));
    CHECK(get(&c, WIDGETS("default") "/b") != NULL);
    CHECK(!json_path(get(&c, WIDGETS("default") "/b"), "metadata.ownerReferences"));
    cluster_end(&c);
}

TEST(custom, a_reference_to_a_gone_owner_is_dropped_when_another_owner_lives)
{
    struct cluster c;
    str uid, other;

    cluster_start(&c);
    define(&c, "widgets", "Widget");
    call(&c, "POST", CONFIGMAPS("default"), "{\"metadata\":{\"name\":\"a\"}}");
    call(&c, "POST", CONFIGMAPS("default"), "{\"metadata\":{\"name\":\"stays\"}}");
    uid = uid_of(&c, CONFIGMAPS("default") "/a");
    other = uid_of(&c, CONFIGMAPS("default") "/stays");
    call(&c, "POST", WIDGETS("default"),
         arena_fmt(c.a,
                   "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":"
                   "\"b\",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\","
                   "\"name\":\"a\",\"uid\":\"" PRI_STR
                   "\"},{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"name\":\"stays\",\"uid\":"
                   "\"" PRI_STR "\"}]}}",
                   STR_ARG(uid), STR_ARG(other))
             .p);
    wait_s(&c, 2);
    call(&c, "DELETE", CONFIGMAPS("default") "/a", "{\"propagationPolicy\":\"Background\"}");
    wait_s(&c, 5);
    CHECK_INT(json_count(json_path(get(&c, WIDGETS("default") "/b"), "metadata.ownerReferences")),
              1);
    cluster_end(&c);
}

TEST(custom, objects_go_with_their_namespace_and_kinds_with_their_definition)
{
    struct cluster c;

    cluster_start(&c);
    define(&c, "widgets", "Widget");
    call(&c, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"x\"}}");
    wait_s(&c, 1);
    widget(&c, WIDGETS("x"), "a");
    call(&c, "DELETE", "/api/v1/namespaces/x", "");
    wait_s(&c, 10);
    CHECK(!get(&c, "/api/v1/namespaces/x"));
    CHECK_INT(json_count(json_findz(get(&c, "/apis/example.com/v1/widgets"), "items")), 0);
    widget(&c, WIDGETS("default"), "b");
    call(&c, "DELETE", CRDS "/widgets.example.com", "");
    wait_s(&c, 10);
    CHECK(!get(&c, CRDS "/widgets.example.com"));
    CHECK(!get(&c, WIDGETS("default")));
    /* And again, under the same name. */
    define(&c, "widgets", "Widget");
    widget(&c, WIDGETS("default"), "a");
    call(&c, "POST", CONFIGMAPS("default"),
         owned(&c, "v1", "ConfigMap", "m", uid_of(&c, WIDGETS("default") "/a"), "example.com/v1",
               "Widget"));
    call(&c, "DELETE", WIDGETS("default") "/a", "");
    wait_s(&c, 10);
    CHECK(!get(&c, CONFIGMAPS("default") "/m"));
    cluster_end(&c);
}

TEST(custom, dependents_survive_a_change_of_the_versions_of_their_owners_kind)
{
    struct cluster c;

    cluster_start(&c);
    define(&c, "widgets", "Widget");
    widget(&c, WIDGETS("default"), "a");
    call(&c, "POST", CONFIGMAPS("default"),
         owned(&c, "v1", "ConfigMap", "m", uid_of(&c, WIDGETS("default") "/a"), "example.com/v1",
               "Widget"));
    wait_s(&c, 2);
    call(&c, "PATCH", CRDS "/widgets.example.com",
         "{\"spec\":{\"versions\":[{\"name\":\"v2\",\"served\":true,\"storage\":true,\"schema\":{"
         "\"openAPIV3Schema\":{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true}"
         "}},{\"name\":\"v1\",\"served\":true,\"storage\":false,\"schema\":{\"openAPIV3Schema\":{"
         "\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true}}}]}}");
    wait_s(&c, 10);
    CHECK(get(&c, CONFIGMAPS("default") "/m") != NULL);
    call(&c, "DELETE", WIDGETS("default") "/a", "");
    wait_s(&c, 10);
    CHECK(!get(&c, CONFIGMAPS("default") "/m"));
    cluster_end(&c);
}

static str used(struct cluster *c)
{
    return json_str(
        json_find(json_path(get(c, "/api/v1/namespaces/default/resourcequotas/q"), "status.used"),
                  S("count/widgets.example.com")));
}

TEST(custom, objects_count_against_quotas)
{
    struct cluster c;
    CLEANUP(buf) struct buf out = BUF_INIT;
    struct err *e;

    cluster_start(&c);
    call(&c, "POST", "/api/v1/namespaces/default/resourcequotas",
         "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"hard\":{\"count/widgets.example.com\":\"2\"}"
         "}}");
    define(&c, "widgets", "Widget");
    wait_s(&c, 3);
    CHECK_STRZ(used(&c), "0");
    widget(&c, WIDGETS("default"), "a");
    widget(&c, WIDGETS("default"), "b");
    wait_s(&c, 3);
    CHECK_STRZ(used(&c), "2");
    e = sim_call(c.s, "POST", WIDGETS("default"),
                 S("{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":"
                   "\"c\"}}"),
                 &out);
    CHECK(e && e->reason == REASON_FORBIDDEN);
    err_free(e);
    call(&c, "DELETE", WIDGETS("default") "/a", "");
    wait_s(&c, 3);
    CHECK_STRZ(used(&c), "1");
    cluster_end(&c);
}

TEST_MAIN
