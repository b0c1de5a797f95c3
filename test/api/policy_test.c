/* policy_test.c - admission policies: what expressions decide about a request, and what they make of an object. */
#include "test/api/peer.h"

#define CM "/api/v1/namespaces/default/configmaps"
#define POLICIES "/apis/admissionregistration.k8s.io/v1/"
#define RULE(resource)                                                                             \
    "{\"apiGroups\":[\"*\"],\"apiVersions\":[\"*\"],\"operations\":[\"*\"],\"resources\":["        \
    "\"" resource "\"]}"
#define DEPLOYMENT(name, more)                                                                     \
    "{\"metadata\":{\"name\":\"" name "\"},\"spec\":{" more                                        \
    "\"selector\":{\"matchLabels\":{\"a\":\"b\"}},\"template\":{\"metadata\":{\"labels\":{"        \
    "\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}"
#define DEPLOYMENTS "/apis/apps/v1/namespaces/default/deployments"

/* A validating policy `name` with these rules and members of its spec, and a binding of the same name with these of its. */
static void bind_rules(struct world *w, const char *kind, const char *name, const char *rules,
                       const char *spec, const char *binding)
{
    world_json(w, "POST", arena_fmt(w->arena, POLICIES "%sadmissionpolicies", kind).p,
               arena_fmt(w->arena,
                         "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"matchConstraints\":{"
                         "\"resourceRules\":[%s]},%s}}",
                         name, rules, spec)
                   .p,
               201);
    world_json(w, "POST", arena_fmt(w->arena, POLICIES "%sadmissionpolicybindings", kind).p,
               arena_fmt(w->arena,
                         "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"policyName\":\"%s\"%s%s}}",
                         name, name, *binding ? "," : "", binding)
                   .p,
               201);
}

#define DENY "\"validationActions\":[\"Deny\"]"
static void validating(struct world *w, const char *name, const char *spec, const char *binding)
{
    bind_rules(w, "validating", name, RULE("configmaps"), spec, binding);
}

static void mutating(struct world *w, const char *name, const char *spec)
{
    bind_rules(w, "mutating", name, RULE("configmaps"),
               arena_fmt(w->arena, "\"reinvocationPolicy\":\"Never\",%s", spec).p, "");
}

static str message(struct world *w, const char *path, const char *body, int status)
{
    return json_get_str(world_json(w, "POST", path, body, status), "message");
}

TEST(policy, denies_with_its_message_reason_and_code)
{
    struct world w;
    struct json *v;

    world_init(&w);
    validating(&w, "a",
               "\"validations\":[{\"expression\":\"has(object.data)\",\"messageExpression\":"
               "\"'no data in ' + object.metadata.name\"}]",
               DENY);
    v = world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"x\"}}", 422);
    CHECK_STRZ(json_get_str(v, "message"),
               "configmaps \"x\" is forbidden: ValidatingAdmissionPolicy 'a' with binding 'a' "
               "denied request: no data in x");
    CHECK_STRZ(json_get_str(v, "reason"), "Invalid");
    CHECK_STRZ(json_get_str(json_item(json_at(v, "details", "causes", NULL), 0), "message"),
               "ValidatingAdmissionPolicy 'a' with binding 'a' denied request: no data in x");
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"x\"},\"data\":{\"k\":\"v\"}}", 201);
    validating(&w, "b",
               "\"validations\":[{\"expression\":\"object.metadata.name != 'y'\",\"message\":"
               "\"not y\",\"reason\":\"Forbidden\"},{\"expression\":\"object.metadata.name != "
               "'z'\"}]",
               DENY);
    v = world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"y\"},\"data\":{\"k\":\"v\"}}", 403);
    CHECK_STRZ(json_get_str(v, "reason"), "Forbidden");
    CHECK_STRZ(message(&w, CM, "{\"metadata\":{\"name\":\"z\"},\"data\":{\"k\":\"v\"}}", 422),
               "configmaps \"z\" is forbidden: ValidatingAdmissionPolicy 'b' with binding 'b' "
               "denied request: failed expression: object.metadata.name != 'z'");
    world_fini(&w);
}

TEST(policy, does_nothing_without_a_binding_and_stops_with_it)
{
    struct world w;

    world_init(&w);
    world_json(
        &w, "POST", POLICIES "validatingadmissionpolicies",
        "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"matchConstraints\":{\"resourceRules\":[" RULE(
            "configmaps") "]},\"validations\":[{\"expression\":\"false\"}]}}",
        201);
    CHECK_INT(world_status(&w, "POST", CM, "{\"metadata\":{\"name\":\"x\"}}"), 201);
    world_json(&w, "POST", POLICIES "validatingadmissionpolicybindings",
               "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"policyName\":\"a\"," DENY "}}", 201);
    CHECK_INT(world_status(&w, "POST", CM, "{\"metadata\":{\"name\":\"y\"}}"), 422);
    CHECK_INT(world_status(&w, "DELETE", CM "/x", NULL), 422);
    CHECK_INT(world_status(&w, "DELETE", POLICIES "validatingadmissionpolicybindings/b", NULL),
              200);
    CHECK_INT(world_status(&w, "POST", CM, "{\"metadata\":{\"name\":\"y\"}}"), 201);
    world_fini(&w);
}

TEST(policy, is_narrowed_by_exclusions_names_and_its_bindings_resources)
{
    struct world w;

    world_init(&w);
    bind_rules(&w, "validating", "a",
               "{\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],\"operations\":[\"CREATE\"],"
               "\"resources\":[\"configmaps\"],\"resourceNames\":[\"x\",\"y\"]}],"
               "\"excludeResourceRules\":[{\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],"
               "\"operations\":[\"*\"],\"resources\":[\"configmaps\"],\"resourceNames\":[\"y\"]}",
               "\"validations\":[{\"expression\":\"false\"}]",
               DENY ",\"matchResources\":{\"namespaceSelector\":{\"matchLabels\":{"
                    "\"kubernetes.io/metadata.name\":\"default\"}}}");
    CHECK_INT(world_status(&w, "POST", CM, "{\"metadata\":{\"name\":\"x\"}}"), 422);
    CHECK_INT(world_status(&w, "POST", CM, "{\"metadata\":{\"name\":\"y\"}}"), 201);
    CHECK_INT(world_status(&w, "POST", CM, "{\"metadata\":{\"name\":\"z\"}}"), 201);
    CHECK_INT(world_status(&w, "POST", "/api/v1/namespaces/kube-system/configmaps",
                           "{\"metadata\":{\"name\":\"x\"}}"),
              201);
    world_fini(&w);
}

TEST(policy, only_warns_where_its_binding_says_so)
{
    struct world w;
    struct call *c;

    world_init(&w);
    validating(&w, "a", "\"validations\":[{\"expression\":\"false\",\"message\":\"mind\"}]",
               "\"validationActions\":[\"Warn\",\"Audit\"]");
    c = world_call(&w, "POST", CM, "{\"metadata\":{\"name\":\"x\"}}", NULL);
    CHECK_INT(c->status, 201);
    CHECK_STRZ(call_header(c, "Warning"),
               "299 - \"Validation failed for ValidatingAdmissionPolicy 'a' with binding 'a': "
               "mind\"");
    call_free(c);
    world_fini(&w);
}

TEST(policy, sees_the_request_the_old_object_the_namespace_and_the_users_rights)
{
    static const char *const holds[] = {
        "request.operation == 'CREATE' && request.userInfo.username == 'admin'",
        "request.kind.kind == 'ConfigMap' && request.resource.resource == 'configmaps'",
        "oldObject == null",
        "namespaceObject.metadata.name == request.namespace",
        "authorizer.group('').resource('secrets').namespace('default').check('get').allowed()",
        "authorizer.requestResource.check('create').allowed()",
        ("!authorizer.serviceAccount('default', 'x').group('')"
         ".resource('secrets').check('get').allowed()"),
        "variables.big == 'vv' && variables.bigger",
    };
    struct world w;

    world_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(holds); i++) {
        const char *name = arena_fmt(w.arena, "p%zu", i).p;

        validating(&w, name,
                   arena_fmt(w.arena,
                             "\"variables\":[{\"name\":\"big\",\"expression\":\"object.data.k + "
                             "object.data.k\"},{\"name\":\"bigger\",\"expression\":"
                             "\"size(variables.big) > 1\"}],\"validations\":[{\"expression\":"
                             "\"%s\"}]",
                             holds[i])
                       .p,
                   DENY);
    }
    CHECK_STRZ(message(&w, CM, "{\"metadata\":{\"name\":\"x\"},\"data\":{\"k\":\"v\"}}", 201), "");
    world_fini(&w);
}

TEST(policy, failures_deny_unless_they_are_ignored)
{
    struct world w;

    world_init(&w);
    validating(&w, "a",
               "\"matchConditions\":[{\"name\":\"m\",\"expression\":\"request.name == 'x'\"}],"
               "\"validations\":[{\"expression\":\"object.data.nosuch == 'v'\"}]",
               DENY);
    validating(&w, "b",
               "\"failurePolicy\":\"Ignore\",\"validations\":[{\"expression\":"
               "\"object.data.nosuch == 'v'\"}]",
               DENY);
    CHECK_STRZ(message(&w, CM, "{\"metadata\":{\"name\":\"x\"},\"data\":{\"k\":\"v\"}}", 422),
               "configmaps \"x\" is forbidden: ValidatingAdmissionPolicy 'a' with binding 'a' "
               "denied request: expression 'object.data.nosuch == 'v'' resulted in error: no such "
               "key: nosuch");
    CHECK_INT(world_status(&w, "POST", CM, "{\"metadata\":{\"name\":\"y\"}}"), 201);
    world_fini(&w);
}

TEST(policy, that_does_not_compile_is_refused_where_it_is_wrong)
{
    static const struct {
        const char *kind, *spec, *field, *message;
    } cases[] = {
        {"validating", "\"validations\":[{\"expression\":\"object.x\"}]",
         "spec.validations[0].expression",
         "Invalid value: \"object.x\": must evaluate to bool but got dyn"},
        {"validating",
         "\"validations\":[{\"expression\":\"true\",\"messageExpression\":"
         "\"authorizer.path('/a').check('get').reason()\"}]",
         "spec.validations[0].messageExpression",
         "Invalid value: \"authorizer.path('/a').check('get').reason()\": compilation failed: "
         "ERROR: <input>:1:1: undeclared reference to 'authorizer' (in container '')\n | "
         "authorizer.path('/a').check('get').reason()\n | ^"},
        {"validating",
         "\"matchConditions\":[{\"name\":\"a\",\"expression\":\"variables.x\"}],\"variables\":[{"
         "\"name\":\"x\",\"expression\":\"true\"}],\"validations\":[{\"expression\":"
         "\"variables.x\"}]",
         "spec.matchConditions[0].expression",
         "Invalid value: \"variables.x\": compilation failed: ERROR: <input>:1:1: undeclared "
         "reference to 'variables' (in container '')\n | variables.x\n | ^"},
        {"mutating",
         "\"reinvocationPolicy\":\"Never\",\"mutations\":[{\"patchType\":\"ApplyConfiguration\","
         "\"applyConfiguration\":{\"expression\":\"1\"}}]",
         "spec.mutations[0].applyConfiguration.expression",
         "Invalid value: \"1\": must evaluate to Object but got int"},
    };
    struct world w;

    world_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *path = arena_fmt(w.arena, POLICIES "%sadmissionpolicies", cases[i].kind).p,
                   *body = arena_fmt(w.arena,
                                     "{\"metadata\":{\"name\":\"a\"},\"spec\":{"
                                     "\"matchConstraints\":{\"resourceRules\":[" RULE(
                                         "configmaps") "]},%s}}",
                                     cases[i].spec)
                               .p;
        struct json *v = world_json(&w, "POST", path, body, 422);

        v = json_item(json_at(v, "details", "causes", NULL), 0);
        CHECK_STRZ(json_get_str(v, "field"), cases[i].field);
        CHECK_STRZ(json_get_str(v, "message"), cases[i].message);
    }
    world_fini(&w);
}

TEST(policy, takes_its_parameters_from_objects_by_name_or_labels)
{
    struct world w;

    world_init(&w);
    bind_rules(&w, "validating", "a", RULE("deployments"),
               "\"paramKind\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"},\"validations\":[{"
               "\"expression\":\"object.spec.replicas <= int(params.data.max)\","
               "\"messageExpression\":\"'at most ' + params.data.max\"}]",
               DENY ",\"paramRef\":{\"selector\":{\"matchLabels\":{\"limits\":\"yes\"}},"
                    "\"parameterNotFoundAction\":\"Deny\"}");
    CHECK_STRZ(message(&w, DEPLOYMENTS, DEPLOYMENT("x", ""), 422),
               "deployments.apps \"x\" is forbidden: ValidatingAdmissionPolicy 'a' with binding "
               "'a' denied request: failed to configure binding: no params found for policy "
               "binding with `Deny` parameterNotFoundAction");
    world_json(&w, "POST", CM,
               "{\"metadata\":{\"name\":\"a\",\"labels\":{\"limits\":\"yes\"}},\"data\":{\"max\":"
               "\"5\"}}",
               201);
    world_json(&w, "POST", CM,
               "{\"metadata\":{\"name\":\"b\",\"labels\":{\"limits\":\"yes\"}},\"data\":{\"max\":"
               "\"3\"}}",
               201);
    CHECK_STRZ(message(&w, DEPLOYMENTS, DEPLOYMENT("x", "\"replicas\":4,"), 422),
               "deployments.apps \"x\" is forbidden: ValidatingAdmissionPolicy 'a' with binding "
               "'a' denied request: at most 3");
    CHECK_STRZ(message(&w, DEPLOYMENTS, DEPLOYMENT("x", "\"replicas\":3,"), 201), "");
    world_fini(&w);
}

TEST(policy, decides_about_scale_deletion_and_connections)
{
    struct world w;

    world_init(&w);
    bind_rules(&w, "validating", "a", RULE("*/*"),
               "\"matchConditions\":[{\"name\":\"user\",\"expression\":\"request.resource.resource "
               "in ['deployments','pods']\"}],\"validations\":[{\"expression\":"
               "\"request.operation == 'DELETE' ? oldObject.metadata.name != 'x' : "
               "request.operation == 'CONNECT' ? object.kind != 'PodExecOptions' : "
               "!has(object.spec.replicas) || object.spec.replicas < 5\"}]",
               DENY);
    world_json(&w, "POST", DEPLOYMENTS, DEPLOYMENT("x", ""), 201);
    CHECK_INT(world_status(&w, "DELETE", DEPLOYMENTS "/x", NULL), 422);
    world_json(&w, "PATCH", DEPLOYMENTS "/x/scale", "{\"spec\":{\"replicas\":4}}", 200);
    world_json(&w, "PATCH", DEPLOYMENTS "/x/scale", "{\"spec\":{\"replicas\":5}}", 422);
    CHECK_INT(world_status(&w, "GET", "/api/v1/namespaces/default/pods/p/exec?command=ls", NULL),
              422);
    world_fini(&w);
}

/* ---- mutation ---- */

TEST(policy, applies_a_configuration_that_belongs_to_nobody)
{
    struct world w;
    struct json *v;

    world_init(&w);
    mutating(&w, "a",
             "\"mutations\":[{\"patchType\":\"ApplyConfiguration\",\"applyConfiguration\":{"
             "\"expression\":\"Object{metadata: Object.metadata{labels: {'team': 'x', 'from': "
             "request.userInfo.username}}}\"}}]");
    v = world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"x\",\"labels\":{\"own\":\"1\"}}}",
                   201);
    CHECK_STRZ(json_get_str(v, "metadata.labels.own"), "1");
    CHECK_STRZ(json_get_str(v, "metadata.labels.team"), "x");
    CHECK_STRZ(json_get_str(v, "metadata.labels.from"), "admin");
    v = json_item(json_at(v, "metadata", "managedFields", NULL), 0);
    CHECK(json_at(v, "fieldsV1", "f:metadata", "f:labels", "f:own", NULL) != NULL);
    CHECK(json_at(v, "fieldsV1", "f:metadata", "f:labels", "f:team", NULL) == NULL);
    world_fini(&w);
}

TEST(policy, merges_lists_by_their_keys_and_refuses_what_is_one_value)
{
    struct world w;
    struct json *v;

    world_init(&w);
    bind_rules(&w, "mutating", "a", RULE("deployments"),
               "\"reinvocationPolicy\":\"Never\",\"matchConditions\":[{\"name\":\"x\","
               "\"expression\":\"request.name == 'x'\"}],\"mutations\":[{\"patchType\":"
               "\"ApplyConfiguration\",\"applyConfiguration\":{\"expression\":\"Object{spec: "
               "Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{"
               "containers: [Object.spec.template.spec.containers{name: 'side', image: "
               "'s:1'}]}}}}\"}}]",
               "");
    v = world_json(&w, "POST", DEPLOYMENTS, DEPLOYMENT("x", ""), 201);
    CHECK_INT(json_count(json_at(v, "spec", "template", "spec", "containers", NULL)), 2);
    bind_rules(&w, "mutating", "b", RULE("deployments"),
               "\"reinvocationPolicy\":\"Never\",\"mutations\":[{\"patchType\":"
               "\"ApplyConfiguration\",\"applyConfiguration\":{\"expression\":\"Object{spec: "
               "Object.spec{selector: Object.spec.selector{matchLabels: {'a': 'c'}}}}\"}}]",
               "");
    v = world_json(&w, "POST", DEPLOYMENTS, DEPLOYMENT("y", ""), 403);
    CHECK_STRZ(json_get_str(v, "message"),
               "policy 'b' with binding 'b' denied request: error applying patch: invalid "
               "ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.selector");
    CHECK_STRZ(json_get_str(v, "reason"), "Invalid");
    world_fini(&w);
}

TEST(policy, patches_in_order_and_leaves_alone_what_a_test_rules_out)
{
    struct world w;
    struct json *v;

    world_init(&w);
    mutating(&w, "a",
             "\"mutations\":[{\"patchType\":\"JSONPatch\",\"jsonPatch\":{\"expression\":"
             "\"[JSONPatch{op: 'add', path: '/data', value: {'k': 'v'}}]\"}},{\"patchType\":"
             "\"JSONPatch\",\"jsonPatch\":{\"expression\":\"[JSONPatch{op: 'test', path: "
             "'/data/k', value: 'v'}, JSONPatch{op: 'add', path: '/data/' + "
             "jsonpatch.escapeKey('a/b').replace('~1', '-'), value: 'yes'}]\"}},{\"patchType\":"
             "\"JSONPatch\",\"jsonPatch\":{\"expression\":\"[JSONPatch{op: 'test', path: "
             "'/data/k', value: 'other'}, JSONPatch{op: 'add', path: '/data/no', value: "
             "'no'}]\"}}]");
    v = world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"x\"}}", 201);
    CHECK_STRZ(json_get_str(v, "data.k"), "v");
    CHECK_STRZ(json_get_str(v, "data.a-b"), "yes");
    CHECK(json_path(v, "data.no") == NULL);
    world_fini(&w);
}

TEST(policy, is_asked_again_after_later_changes_if_it_wants)
{
    static const char spec[] =
        "\"reinvocationPolicy\":\"%s\",\"mutations\":[{\"patchType\":\"JSONPatch\",\"jsonPatch\":{"
        "\"expression\":\"has(object.data) ? [JSONPatch{op: 'add', path: '/data/%s', value: "
        "'seen'}] : [JSONPatch{op: 'add', path: '/metadata/labels', value: {'%s': 'early'}}]\"}}]";
    struct world w;
    struct json *v;

    world_init(&w);
    bind_rules(&w, "mutating", "a", RULE("configmaps"),
               arena_fmt(w.arena, spec, "IfNeeded", "a", "a").p, "");
    bind_rules(&w, "mutating", "b", RULE("configmaps"),
               "\"reinvocationPolicy\":\"Never\",\"mutations\":[{\"patchType\":\"JSONPatch\","
               "\"jsonPatch\":{\"expression\":\"[JSONPatch{op: 'add', path: '/data', value: {'b': "
               "'1'}}]\"}}]",
               "");
    v = world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"x\"}}", 201);
    CHECK_STRZ(json_get_str(v, "data.a"), "seen");
    CHECK_STRZ(json_get_str(v, "data.b"), "1");
    world_fini(&w);
}

TEST_MAIN
