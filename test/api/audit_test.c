/* audit_test.c - what is written down of a request, by which rule, and what happens to the file. */
#include "api/audit.h"
#include "test/api/world.h"
#include "wire/json.h"

#define CORE "/api/v1/namespaces/default"
#define LOG "/log/audit.log"

static const char *policy;
static int64_t max_mb, backups;

static void configure(struct world *w, struct api_options *o)
{
    file_mkdir_all(w->loop, "/log", 0755);
    o->audit_policy = str_of(policy);
    o->audit_log_path = S(LOG);
    o->audit_log_max_mb = max_mb;
    o->audit_log_backups = backups;
}

static void start(struct world *w, const char *rules)
{
    static char text[4096];

    snprintf(text, sizeof text, "apiVersion: audit.k8s.io/v1\nkind: Policy\n%s", rules);
    policy = text;
    world_init_with(w, configure);
}

static int as(struct world *w, const char *method, const char *path, const char *body,
              const char *headers)
{
    struct call *c = world_call(w, method, path, body, headers);
    int status = c->status;

    call_free(c);
    return status;
}

/* The log's lines as trees. */
static struct json *events(struct world *w)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    struct json *all = json_new(w->arena, json_array());
    str rest, line;

    world_run(w, NS_PER_S);
    CHECK_INT(file_read(w->loop, LOG, 64 << 20, &text), 0);
    rest = arena_dup(w->arena, buf_view(&text));
    while (rest.n && str_cut(&rest, '\n', &line)) {
        struct json *v = NULL;

        CHECK_OK(json_parse(w->arena, line, NULL, NULL, &v));
        json_append(w->arena, all, *v);
    }
    return all;
}

static const struct json *find(const struct json *all, const char *stage, const char *verb,
                               const char *resource)
{
    JSON_EACH(v, all)
        if (str_is(json_get_str(v, "stage"), stage) && str_is(json_get_str(v, "verb"), verb) &&
            str_is(json_get_str(v, "objectRef.resource"), resource))
            return v;
    return NULL;
}

TEST(audit, writes_who_did_what_and_how_it_ended)
{
    struct world w;
    const struct json *all, *v;

    start(&w, "rules:\n- level: None\n  users: [system:apiserver]\n- level: Metadata\n");
    CHECK_INT(as(&w, "POST", CORE "/configmaps",
                 "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"secret\"}}",
                 "User-Agent: test/1\nX-Forwarded-For: 192.0.2.7"),
              201);
    CHECK_INT(as(&w, "GET", CORE "/configmaps/a", NULL, "Authorization: Bearer alice-token"), 403);
    CHECK_INT(as(&w, "GET", CORE "/configmaps/a", NULL,
                 "Impersonate-User: system:serviceaccount:kube-system:namespace-controller"),
              200);
    all = events(&w);
    v = find(all, "ResponseComplete", "create", "configmaps");
    CHECK_STRZ(json_get_str(v, "kind"), "Event");
    CHECK_STRZ(json_get_str(v, "apiVersion"), "audit.k8s.io/v1");
    CHECK_STRZ(json_get_str(v, "level"), "Metadata");
    CHECK_STRZ(json_get_str(v, "requestURI"), CORE "/configmaps");
    CHECK_STRZ(json_get_str(v, "user.username"), "admin");
    CHECK_STRZ(json_get_str(v, "userAgent"), "test/1");
    CHECK_STRZ(json_str(json_item(json_findz(v, "sourceIPs"), 0)), "192.0.2.7");
    CHECK_STRZ(json_get_str(v, "objectRef.name"), "a");
    CHECK_STRZ(json_get_str(v, "objectRef.namespace"), "default");
    CHECK_INT(json_get_int(v, "responseStatus.code", 0), 201);
    CHECK_STRZ(
        json_str(json_find(json_findz(v, "annotations"), S("authorization.k8s.io/decision"))),
        "allow");
    CHECK(!json_findz(v, "requestObject"));
    CHECK(find(all, "RequestReceived", "create", "configmaps") != NULL);
    v = find(all, "ResponseComplete", "get", "configmaps");
    CHECK_STRZ(json_get_str(v, "responseStatus.reason"), "Forbidden");
    CHECK_STRZ(
        json_str(json_find(json_findz(v, "annotations"), S("authorization.k8s.io/decision"))),
        "forbid");
    v = json_item(all, json_count(all) - 1);
    CHECK_STRZ(json_get_str(v, "user.username"), "admin");
    CHECK_STRZ(json_get_str(v, "impersonatedUser.username"),
               "system:serviceaccount:kube-system:namespace-controller");
    world_fini(&w);
}

TEST(audit, keeps_bodies_only_where_the_policy_wants_them)
{
    struct world w;
    const struct json *all, *v;

    start(&w, "omitStages: [RequestReceived]\nrules:\n"
              "- level: None\n  users: [system:apiserver]\n"
              "- level: Metadata\n  resources: [{group: \"\", resources: [secrets]}]\n"
              "- level: RequestResponse\n  omitManagedFields: true\n  verbs: [create, patch]\n"
              "  resources: [{group: \"\", resources: [configmaps]}]\n"
              "- level: Request\n  namespaces: [default]\n");
    CHECK_INT(as(&w, "POST", CORE "/secrets",
                 "{\"metadata\":{\"name\":\"s\"},\"stringData\":{\"k\":\"hidden\"}}", NULL),
              201);
    CHECK_INT(as(&w, "POST", CORE "/configmaps",
                 "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"v\"}}",
                 "Accept: application/vnd.kubernetes.protobuf"),
              201);
    CHECK_INT(as(&w, "PATCH", CORE "/configmaps/a?fieldManager=m",
                 "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: new}",
                 "Content-Type: application/apply-patch+yaml"),
              200);
    CHECK_INT(as(&w, "DELETE", CORE "/configmaps/a", "{\"gracePeriodSeconds\":0}", NULL), 200);
    CHECK_INT(as(&w, "GET", "/api/v1/nodes", NULL, NULL), 200);
    all = events(&w);
    CHECK_INT(json_count(all), 4); /* nothing of nodes: no rule fits */
    v = find(all, "ResponseComplete", "create", "secrets");
    CHECK(v && !json_findz(v, "requestObject"));
    v = find(all, "ResponseComplete", "create", "configmaps");
    CHECK_STRZ(json_get_str(v, "requestObject.data.k"), "v");
    CHECK_STRZ(json_get_str(v, "responseObject.data.k"), "v");
    CHECK(!json_path(v, "responseObject.metadata.managedFields"));
    v = find(all, "ResponseComplete", "patch", "configmaps");
    CHECK_STRZ(json_get_str(v, "requestObject.data.x"), "new");
    v = find(all, "ResponseComplete", "delete", "configmaps");
    CHECK_INT(json_get_int(v, "requestObject.gracePeriodSeconds", 1), 0);
    CHECK(!json_findz(v, "responseObject"));
    world_fini(&w);
}

TEST(audit, tells_of_a_watch_when_it_starts_and_when_it_ends)
{
    struct world w;
    struct call *c;
    const struct json *all;

    start(&w, "rules:\n- level: RequestResponse\n  resources: [{group: \"\", resources: ["
              "configmaps]}]\n");
    c = world_open(&w, "GET", CORE "/configmaps?watch=true&timeoutSeconds=5", NULL, NULL);
    world_run(&w, NS_PER_S);
    all = events(&w);
    CHECK(find(all, "ResponseStarted", "watch", "configmaps") != NULL);
    CHECK(find(all, "ResponseComplete", "watch", "configmaps") == NULL);
    world_run(&w, 10 * NS_PER_S);
    all = events(&w);
    CHECK(find(all, "ResponseComplete", "watch", "configmaps") != NULL);
    call_free(c);
    world_fini(&w);
}

static void count(void *ctx, str name)
{
    int *n = ctx;

    *n += str_has_prefix(name, S("audit-2026-09-21T"));
}

TEST(audit, begins_a_new_file_at_its_limit_and_keeps_so_many_old_ones)
{
    struct world w;
    char *big = mem_alloc(700 << 10), *body = mem_alloc(800 << 10);
    int n = 0;

    max_mb = 1;
    backups = 2;
    start(&w,
          "rules:\n- level: Request\n  verbs: [create]\n  resources: [{group: \"\", resources: ["
          "configmaps]}]\n");
    memset(big, 'x', 700 << 10);
    for (int i = 0; i < 6; i++) {
        snprintf(body, 800 << 10, "{\"metadata\":{\"name\":\"c%d\"},\"data\":{\"k\":\"%.*s\"}}", i,
                 700 << 10, big);
        CHECK_INT(as(&w, "POST", CORE "/configmaps", body, NULL), 201);
        world_run(&w, NS_PER_S);
    }
    CHECK_INT(file_list(w.loop, "/log", count, &n), 0);
    CHECK_INT(n, 2);
    max_mb = backups = 0;
    mem_free(big);
    mem_free(body);
    world_fini(&w);
}

static void refuse(struct world *w, struct api_options *o)
{
    static const char *const bad[] = {
        "rules: [{level: Metadata}]",
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: []",
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Everything}]",
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None, omitStages: [X]}]",
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None, nonResourceURLs: "
        "['/a*b']}]",
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None, resources: [{group: "
        "a/v1}]}]",
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [[]]",
        "7",
        "{",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct api *api = NULL;
        struct err *e;

        o->audit_policy = str_of(bad[i]);
        o->audit_log_path = S("-");
        e = api_new(w->loop, o, &api);
        CHECK(e != NULL);
        err_free(e);
    }
    o->audit_log_path = S("");
}

TEST(audit, does_not_start_with_a_policy_that_it_does_not_understand)
{
    struct world w;

    world_init_with(&w, refuse);
    world_fini(&w);
}

/* The rules of k8s.io/apiserver/pkg/audit/policy/checker_test.go, by name; then who is asked about, and the level that comes out. */
static const struct {
    const char *name, *yaml;
} rules[] = {
    {"default", "level: Metadata"},
    {"create", "level: Request, verbs: [create]"},
    {"tims", "level: Metadata, users: [tim@k8s.io]"},
    {"humans", "level: Metadata, userGroups: [humans]"},
    {"accounts", "level: Request, userGroups: ['system:serviceaccounts']"},
    {"pods", "level: RequestResponse, verbs: [get], resources: [{resources: [pods]}]"},
    {"logs-of-pods", "level: Request, verbs: [get], resources: [{resources: [pods/log]}]"},
    {"any", "level: Request, verbs: [get], resources: [{resources: ['*']}]"},
    {"any/log", "level: Request, verbs: [get], resources: [{resources: ['*/log']}]"},
    {"pods/any", "level: Request, verbs: [get], resources: [{resources: ['pods/*']}]"},
    {"roles", "level: RequestResponse, verbs: [get], namespaces: [''], resources: [{group: "
              "rbac.authorization.k8s.io, resources: [clusterroles]}]"},
    {"/logs", "level: RequestResponse, verbs: [get], nonResourceURLs: ['/logs*']"},
    {"/metrics", "level: Request, verbs: [get], nonResourceURLs: [/metrics]"},
    {"role-edit", "level: Request, resources: [{group: rbac.authorization.k8s.io, resources: "
                  "[clusterroles], resourceNames: [edit]}]"},
    {"role-view", "level: Request, resources: [{group: rbac.authorization.k8s.io, resources: "
                  "[clusterroles], resourceNames: [view]}]"},
    {"omit-received", "level: Request, omitStages: [RequestReceived]"},
    {"newer", "level: Metadata, nosuchField: {a: b}"},
};

static void put_rule(struct buf *b, str name)
{
    size_t i = 0;

    while (i < ARRAY_LEN(rules) && !str_is(name, rules[i].name))
        i++;
    CHECK(i < ARRAY_LEN(rules));
    buf_fmt(b, "- {%s}\n", rules[i].yaml);
}

TEST(audit, policy_is_decided_by_the_first_rule_that_fits)
{
    static const str groups[] = {STR("humans"), STR("developers")};
    static const struct user tim = {
        .name = STR("tim@k8s.io"), .groups = (str *)(uintptr_t)groups, .n_groups = 2};
    static const struct access pod = {.is_resource = true,
                                      .verb = STR("get"),
                                      .ns = STR("default"),
                                      .version = STR("v1"),
                                      .resource = STR("pods"),
                                      .name = STR("busybox")},
                               log = {.is_resource = true,
                                      .verb = STR("get"),
                                      .ns = STR("default"),
                                      .version = STR("v1"),
                                      .resource = STR("pods"),
                                      .subresource = STR("log"),
                                      .name = STR("busybox")},
                               role = {.is_resource = true,
                                       .verb = STR("get"),
                                       .group = STR("rbac.authorization.k8s.io"),
                                       .version = STR("v1"),
                                       .resource = STR("clusterroles"),
                                       .name = STR("edit")},
                               path = {.verb = STR("get"), .path = STR("/logs/kubelet.log")};
    static const struct {
        const struct access *what;
        const char *rules;
        enum audit_level level;
        unsigned omit;
        bool nobody;
    } cases[] = {
        {&pod, "default", AUDIT_METADATA, 0, false},
        {&pod, "newer", AUDIT_METADATA, 0, false},
        {&pod, "create", AUDIT_NONE, 0, false},
        {&pod, "tims", AUDIT_METADATA, 0, false},
        {&pod, "humans", AUDIT_METADATA, 0, false},
        {&pod, "accounts", AUDIT_NONE, 0, false},
        {&pod, "pods", AUDIT_REQUEST_RESPONSE, 0, false},
        {&pod, "roles", AUDIT_NONE, 0, false},
        {&pod, "/logs", AUDIT_NONE, 0, false},
        {&pod, "/metrics,accounts,default", AUDIT_METADATA, 0, false},
        {&pod, "/metrics,pods,default", AUDIT_REQUEST_RESPONSE, 0, false},
        {&pod, "logs-of-pods,pods", AUDIT_REQUEST_RESPONSE, 0, false},
        {&pod, "omit-received,pods,default", AUDIT_REQUEST, AUDIT_RECEIVED, false},
        {&role, "default", AUDIT_METADATA, 0, false},
        {&role, "pods", AUDIT_NONE, 0, false},
        {&role, "roles", AUDIT_REQUEST_RESPONSE, 0, false},
        {&role, "role-edit,roles", AUDIT_REQUEST, 0, false},
        {&role, "role-view,roles", AUDIT_REQUEST_RESPONSE, 0, false},
        {&role, "/metrics,roles,default", AUDIT_REQUEST_RESPONSE, 0, false},
        {&role, "logs-of-pods,pods", AUDIT_NONE, 0, false},
        {&path, "default", AUDIT_METADATA, 0, false},
        {&path, "tims", AUDIT_METADATA, 0, false},
        {&path, "pods", AUDIT_NONE, 0, false},
        {&path, "/logs", AUDIT_REQUEST_RESPONSE, 0, false},
        {&path, "/metrics", AUDIT_NONE, 0, false},
        {&path, "/logs,roles,default", AUDIT_REQUEST_RESPONSE, 0, false},
        {&log, "logs-of-pods,pods", AUDIT_REQUEST, 0, false},
        {&log, "pods", AUDIT_NONE, 0, false},
        {&log, "any", AUDIT_REQUEST, 0, false},
        {&log, "any/log", AUDIT_REQUEST, 0, false},
        {&log, "pods/any", AUDIT_REQUEST, 0, false},
        {&pod, "tims", AUDIT_NONE, 0, true},
        {&pod, "tims,default", AUDIT_METADATA, 0, true},
        {&pod, "humans", AUDIT_NONE, 0, true},
        {&pod, "humans,default", AUDIT_METADATA, 0, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(arena) struct arena *a = arena_new();
        CLEANUP(buf) struct buf yaml = BUF_INIT;
        str names = str_of(cases[i].rules), name;
        struct audit_policy *p = NULL;
        struct audit_verdict v;

        buf_z(&yaml, "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n");
        while (names.n && str_cut(&names, ',', &name))
            put_rule(&yaml, name);
        CHECK_OK(audit_policy_parse(a, buf_view(&yaml), &p));
        v = audit_policy_ask(p, cases[i].nobody ? NULL : &tim, cases[i].what);
        CHECK_INT(v.level, cases[i].level);
        CHECK_INT(v.omit, cases[i].omit);
    }
}

/* One event is enough for those whom nobody knows. */
TEST(audit, tells_of_logins_that_failed)
{
    struct world w;
    const struct json *all, *v;
    unsigned n = 0;

    start(&w, "rules:\n- level: None\n  users: [system:apiserver]\n- level: Metadata\n");
    CHECK_INT(as(&w, "GET", CORE "/configmaps/a", NULL, "Authorization: Bearer wrong"), 401);
    all = events(&w);
    v = find(all, "ResponseStarted", "get", "configmaps");
    CHECK_INT(json_get_int(v, "responseStatus.code", 0), 401);
    CHECK_STRZ(json_get_str(v, "user.username"), "");
    JSON_EACH(x, all)
        n += json_get_int(x, "responseStatus.code", 0) == 401;
    CHECK_INT(n, 1);
    CHECK(!find(all, "RequestReceived", "get", "configmaps"));
    world_fini(&w);
}

/* Whether there is a log or not. */
TEST(audit, names_every_request_in_its_answer)
{
    struct world w;
    struct call *c;

    world_init(&w);
    c = world_call(&w, "GET", CORE "/configmaps/a", NULL, "Audit-ID: mine");
    CHECK_STRZ(call_header(c, "Audit-Id"), "mine");
    call_free(c);
    c = world_call(&w, "GET", "/version", NULL, "Authorization: Bearer wrong");
    CHECK_INT(c->status, 401);
    CHECK_INT(call_header(c, "Audit-Id").n, 36);
    call_free(c);
    world_fini(&w);
}

TEST(audit, tells_which_policy_a_pod_was_held_against)
{
    struct world w;
    const struct json *all, *v;

    start(&w, "rules:\n- level: None\n  users: [system:apiserver]\n- level: Metadata\n");
    as(&w, "POST", CORE "/serviceaccounts", "{\"metadata\":{\"name\":\"default\"}}", NULL);
    as(&w, "PATCH", "/api/v1/namespaces/default",
       "{\"metadata\":{\"labels\":{\"pod-security.kubernetes.io/enforce\":\"baseline\","
       "\"pod-security.kubernetes.io/audit\":\"restricted\",\"pod-security.kubernetes.io/"
       "audit-version\":\"v1.7\"}}}",
       "Content-Type: application/merge-patch+json");
    CHECK_INT(as(&w, "POST", CORE "/pods",
                 "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\","
                 "\"image\":\"i\"}]}}",
                 NULL),
              201);
    all = events(&w);
    v = json_findz(find(all, "ResponseComplete", "create", "pods"), "annotations");
    CHECK_STRZ(json_str(json_find(v, S("pod-security.kubernetes.io/enforce-policy"))),
               "baseline:latest");
    CHECK_STRZ(json_str(json_find(v, S("pod-security.kubernetes.io/audit-violations"))),
               "would violate PodSecurity \"restricted:v1.7\": runAsNonRoot != true (pod or "
               "container \"c\" must set securityContext.runAsNonRoot=true)");
    world_fini(&w);
}

TEST_MAIN
