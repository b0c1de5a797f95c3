/* pod_security_test.c - the Pod Security Standards: what each check says, since which version, and when it is asked.
 *
 * JSON is written with ' in place of ". Expectations: k8s.io/pod-security-admission/policy/check_*_test.go, admission_test.go. */
#include "api/pod_security.h"
#include "test/api/world.h"

#define PODS "/api/v1/namespaces/default/pods"
#define NS "/api/v1/namespaces/default"

static void label(struct world *w, const char *labels)
{
    world_json(w, "PATCH", NS,
               world_quoted(w, arena_fmt(w->arena, "{'metadata':{'labels':{%s}}}", labels).p), 200);
}

static void begin(struct world *w, const char *labels)
{
    world_init(w);
    world_json(w, "POST", NS "/serviceaccounts", "{\"metadata\":{\"name\":\"default\"}}", 201);
    label(w, labels);
}

#define ENFORCE(v) "'pod-security.kubernetes.io/enforce':'" v "'"
#define ENFORCE_VERSION(v)                                                                         \
    ENFORCE("baseline") ",'pod-security.kubernetes.io/enforce-version':'" v "'"
#define RESTRICTED_VERSION(v)                                                                      \
    ENFORCE("restricted") ",'pod-security.kubernetes.io/enforce-version':'" v "'"
#define C(name, more) "{'name':'" name "','image':'i'" more "}"
#define SC(name, context) C(name, ",'securityContext':{" context "}")
#define ONE "'containers':[" C("a", "") "]"
/* What the strictest level wants of a container, and more. */
#define GOOD(more)                                                                                 \
    "'containers':[" SC("a",                                                                       \
                        "'allowPrivilegeEscalation':false,'capabilities':{'drop':['ALL']},"        \
                        "'runAsNonRoot':true,'seccompProfile':{'type':'RuntimeDefault'}" more) "]"

static const struct {
    const char *labels, *meta, *spec, *want; /* "": accepted */
} rows[] = {
    {ENFORCE("baseline"), "", "'hostNetwork':true,'hostPID':true," ONE,
     "host namespaces (hostNetwork=true, hostPID=true)"},
    {ENFORCE("baseline"), "",
     "'containers':[" SC("a", "'privileged':true") "," SC("b", "'privileged':true") "]",
     "privileged (containers \"a\", \"b\" must not set securityContext.privileged=true)"},
    {ENFORCE("baseline"), "",
     "'containers':[" SC("a", "'capabilities':{'add':['NET_RAW','CHOWN','BPF']}") "," C("b",
                                                                                        "") "]",
     "non-default capabilities (container \"a\" must not include \"BPF\", \"NET_RAW\" in "
     "securityContext.capabilities.add)"},
    {ENFORCE("baseline"), "",
     "'containers':[" C("a", ",'ports':[{'containerPort':20,'hostPort':20}]") "," C(
         "b",
         ",'ports':[{'containerPort':8,'hostPort':8},{'containerPort':100,'hostPort':100}]") "]",
     "hostPort (containers \"a\", \"b\" use hostPorts 100, 20, 8)"},
    {ENFORCE("baseline"), "",
     "'volumes':[{'name':'v','hostPath':{'path':'/'}},{'name':'w','hostPath':{'path':'/'}}]," ONE,
     "hostPath volumes (volumes \"v\", \"w\")"},
    /* Probes that go elsewhere, since 1.34. */
    {ENFORCE("baseline"), "",
     "'containers':[" C(
         "a", ",'livenessProbe':{'httpGet':{'port':80,'host':'x'}},'lifecycle':{'preStop':"
              "{'httpGet':{'port':80,'host':'127.0.0.1'}}}") "]",
     "probe or lifecycle host (container \"a\" uses probe or lifecycle hosts \"127.0.0.1\", "
     "\"x\")"},
    {ENFORCE_VERSION("v1.33"), "",
     "'containers':[" C("a", ",'livenessProbe':{'httpGet':{'port':80,'host':'x'}}") "]", ""},
    /* SELinux: types, users and roles are told apart. */
    {ENFORCE("baseline"), "",
     "'securityContext':{'seLinuxOptions':{'type':'foo','user':'u'}},'containers':[" SC(
         "a", "'seLinuxOptions':{'type':'bar'}") "," SC("b", "'seLinuxOptions':{'role':'r'}") "]",
     "seLinuxOptions (pod and containers \"a\", \"b\" set forbidden "
     "securityContext.seLinuxOptions: types \"bar\", \"foo\"; user may not be set; role may not be "
     "set)"},
    {ENFORCE("baseline"), "", "'securityContext':{'seLinuxOptions':{'user':'u'}}," ONE,
     "seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: user may not be set)"},
    {ENFORCE_VERSION("v1.30"), "",
     "'securityContext':{'seLinuxOptions':{'type':'container_engine_t'}}," ONE,
     "seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "
     "\"container_engine_t\")"},
    {ENFORCE_VERSION("v1.31"), "",
     "'securityContext':{'seLinuxOptions':{'type':'container_engine_t'}}," ONE, ""},
    /* AppArmor by field and by annotation. */
    {ENFORCE("baseline"), "", "'securityContext':{'appArmorProfile':{'type':'Unconfined'}}," ONE,
     "forbidden AppArmor profile (pod must not set AppArmor profile type to \"Unconfined\")"},
    {ENFORCE("baseline"), "", "'securityContext':{'seccompProfile':{'type':'Unconfined'}}," ONE,
     "seccompProfile (pod must not set securityContext.seccompProfile.type to \"Unconfined\")"},
    {ENFORCE_VERSION("v1.18"), "",
     "'securityContext':{'seccompProfile':{'type':'Unconfined'}}," ONE, ""},
    {ENFORCE_VERSION("v1.26"), "",
     "'securityContext':{'sysctls':[{'name':'net.ipv4.ip_local_reserved_ports','value':'1'}]}," ONE,
     "forbidden sysctls (net.ipv4.ip_local_reserved_ports)"},
    {ENFORCE_VERSION("v1.27"), "",
     "'securityContext':{'sysctls':[{'name':'net.ipv4.ip_local_reserved_ports','value':'1'}]}," ONE,
     ""},
    /* procMount: users of its own free a pod of it, but not at the strictest level. */
    {ENFORCE("baseline"), "",
     "'hostUsers':false,'containers':[" SC("a", "'procMount':'Unmasked'") "]", ""},
    {ENFORCE_VERSION("v1.34"), "",
     "'hostUsers':false,'containers':[" SC("a", "'procMount':'Unmasked'") "]",
     "procMount (container \"a\" must not set securityContext.procMount to \"Unmasked\")"},
    {ENFORCE("restricted"), "", "'hostUsers':false," GOOD(",'procMount':'Unmasked'"),
     "procMount (container \"a\" must not set securityContext.procMount to \"Unmasked\")"},
    /* Restricted. */
    {ENFORCE("restricted"), "", GOOD(""), ""},
    {ENFORCE("restricted"), "", ONE,
     "allowPrivilegeEscalation != false (container \"a\" must set "
     "securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"a\" "
     "must set securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or "
     "container "
     "\"a\" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container \"a\" "
     "must "
     "set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"},
    {ENFORCE("restricted"), "", "'securityContext':{'runAsNonRoot':false}," GOOD(""),
     "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)"},
    {ENFORCE("restricted"), "",
     "'securityContext':{'seccompProfile':{'type':'Unconfined'}}," GOOD(""),
     "seccompProfile (pod must not set securityContext.seccompProfile.type to \"Unconfined\")"},
    {ENFORCE("restricted"), "",
     "'hostUsers':false,'securityContext':{'runAsNonRoot':false}," GOOD(""), ""},
    {ENFORCE("restricted"), "",
     "'volumes':[{'name':'v','hostPath':{'path':'/'}},{'name':'w','nfs':{'server':'s','path':'/"
     "'}}]," GOOD(""),
     "restricted volume types (volumes \"v\", \"w\" use restricted volume types \"hostPath\", "
     "\"nfs\")"},
    {RESTRICTED_VERSION("v1.7"), "", "'securityContext':{'runAsNonRoot':true}," ONE, ""},
    {RESTRICTED_VERSION("v1.18"), "", "'securityContext':{'runAsNonRoot':true}," ONE,
     "allowPrivilegeEscalation != false (container \"a\" must set "
     "securityContext.allowPrivilegeEscalation=false)"},
    {ENFORCE("restricted"), "",
     "'os':{'name':'windows'},'securityContext':{'runAsNonRoot':true}," ONE, ""},
};

TEST(standards, say_what_a_pod_does_not_fit)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world w;
        struct call *c;
        str message, head;
        ptrdiff_t at;

        begin(&w, rows[i].labels);
        c = world_call(
            &w, "POST", PODS,
            world_quoted(&w, arena_fmt(w.arena, "{'metadata':{'name':'p'%s},'spec':{%s}}",
                                       rows[i].meta, rows[i].spec)
                                 .p),
            NULL);
        message = json_get_str(call_json(c), "message");
        head = S("violates PodSecurity ");
        at = str_find(message, head);
        if (at >= 0) {
            message = str_skip(message, (size_t)at + head.n);
            message = str_skip(message, (size_t)str_find(message, S("\": ")) + 3);
        }
        CHECK_STRZ(message, rows[i].want);
        CHECK_INT(c->status, *rows[i].want ? 403 : 201);
        call_free(c);
        world_fini(&w);
    }
}

TEST(standards, are_asked_again_when_an_image_changes)
{
    struct world w;
    struct call *c;

    begin(&w, "'x':'y'");
    world_json(&w, "POST", PODS,
               world_quoted(&w, "{'metadata':{'name':'p'},'spec':{'hostNetwork':true," ONE "}}"),
               201);
    label(&w, ENFORCE("baseline"));
    world_json(&w, "PATCH", PODS "/p", "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}", 200);
    c = world_call(&w, "PATCH", PODS "/p",
                   "[{\"op\":\"replace\",\"path\":\"/spec/containers/0/image\",\"value\":\"j\"}]",
                   "Content-Type: application/json-patch+json");
    CHECK_INT(c->status, 403);
    call_free(c);
    world_fini(&w);
}

static str warned(struct world *w, const char *method, const char *path, const char *body)
{
    struct call *c = world_call(
        w, method, path, world_quoted(w, body),
        strcmp(method, "PATCH") == 0 ? "Content-Type: application/merge-patch+json" : NULL);
    str out = arena_dup(w->arena, call_header(c, "Warning"));

    call_free(c);
    return out;
}

/* Workloads are not refused, but who makes them learns that their pods will be. */
TEST(standards, warn_at_the_level_that_is_enforced_unless_another_is_set)
{
    static const char deployment[] =
        "{'metadata':{'name':'d'},'spec':{'selector':{'matchLabels':{'a':'b'}},'template':{"
        "'metadata':{'labels':{'a':'b'}},'spec':{'hostPID':true," ONE "}}}}";
    struct world w;

    begin(&w, ENFORCE_VERSION("v1.20"));
    CHECK_STRZ(warned(&w, "POST", "/apis/apps/v1/namespaces/default/deployments", deployment),
               "299 - \"would violate PodSecurity \\\"baseline:v1.20\\\": host namespaces "
               "(hostPID=true)\"");
    label(&w, "'pod-security.kubernetes.io/warn':'privileged'");
    CHECK_STRZ(
        warned(&w, "POST", "/apis/apps/v1/namespaces/default/deployments?dryRun=All", deployment),
        "");
    world_fini(&w);
}

#define CONFIGURATION(more)                                                                        \
    "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n"             \
    "- name: PodSecurity\n  configuration:\n"                                                      \
    "    apiVersion: pod-security.admission.config.k8s.io/v1\n"                                    \
    "    kind: PodSecurityConfiguration\n    " more "\n"

static void configure(struct world *w, struct api_options *o)
{
    o->admission_config = S(CONFIGURATION(
        "defaults: {enforce: baseline, enforce-version: v1.25, warn: restricted}\n"
        "    exemptions: {usernames: [alice], namespaces: [free], runtimeClasses: [vm]}"));
}

TEST(configuration, counts_where_labels_say_nothing_but_for_the_exempt)
{
    static const char
        host_pid[] = "{'metadata':{'name':'p'},'spec':{'hostPID':true," ONE "}}",
        vm[] = "{'metadata':{'name':'p'},'spec':{'runtimeClassName':'vm','hostPID':true," ONE "}}";
    struct world w;
    struct json *v;

    world_init_with(&w, configure);
    world_json(&w, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"free\"}}", 201);
    world_json(&w, "POST", "/apis/node.k8s.io/v1/runtimeclasses",
               "{\"metadata\":{\"name\":\"vm\"},\"handler\":\"vm\"}", 201);
    world_json(&w, "POST", NS "/serviceaccounts", "{\"metadata\":{\"name\":\"default\"}}", 201);
    world_json(&w, "POST", "/api/v1/namespaces/free/serviceaccounts",
               "{\"metadata\":{\"name\":\"default\"}}", 201);
    v = world_json(&w, "POST", PODS "?dryRun=All", world_quoted(&w, host_pid), 403);
    CHECK_STRZ(json_get_str(v, "message"), "pods \"p\" is forbidden: violates PodSecurity "
                                           "\"baseline:v1.25\": host namespaces (hostPID=true)");
    CHECK(str_find(
              warned(&w, "POST", PODS "?dryRun=All", "{'metadata':{'name':'p'},'spec':{" ONE "}}"),
              S("would violate PodSecurity \\\"restricted:latest\\\"")) > 0);
    CHECK_INT(world_status(&w, "POST", "/api/v1/namespaces/free/pods?dryRun=All",
                           world_quoted(&w, host_pid)),
              201);
    CHECK_INT(world_status(&w, "POST", PODS "?dryRun=All", world_quoted(&w, vm)), 201);
    CHECK_STRZ(warned(&w, "PATCH", "/api/v1/namespaces/free",
                      "{'metadata':{'labels':{" ENFORCE("restricted") "}}}"),
               "299 - \"namespace \\\"free\\\" is exempt from Pod Security, and the policy "
               "(enforce=restricted:v1.25, warn=restricted:latest) will be ignored\"");
    label(&w, ENFORCE("privileged"));
    CHECK_INT(world_status(&w, "POST", PODS "?dryRun=All", world_quoted(&w, host_pid)), 201);
    world_fini(&w);
}

TEST(configuration, that_is_wrong_is_refused_with_all_reasons)
{
    static const struct {
        const char *yaml, *wrong;
    } cases[] = {
        {"", ""},
        {"kind: X", "no kind \"X\" is registered for version \"\""},
        {CONFIGURATION("defaults: {enforce: low, warn-version: '1.2'}\n"
                       "    exemptions: {namespaces: [A_, x, x], usernames: [\"\"]}"),
         "[defaults.enforce: Invalid value: \"low\": must be one of privileged, baseline, "
         "restricted, "
         "defaults.warn-version: Invalid value: \"1.2\": must be \"latest\" or \"v1.x\", "
         "exemptions.namespaces[0]: Invalid value: \"A_\": a lowercase RFC 1123 label must consist "
         "of "
         "lower case alphanumeric characters or '-', and must start and end with an alphanumeric "
         "character (e.g. 'my-name',  or '123-abc', regex used for validation is "
         "'[a-z0-9]([-a-z0-9]*[a-z0-9])?'), exemptions.namespaces[2]: Duplicate value: \"x\", "
         "exemptions.usernames[0]: Required value]"},
        {CONFIGURATION("default: {}"), "strict decoding error: unknown field \"default\""},
        {"apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n"
         "- name: EventRateLimit\n  path: e.yaml\n",
         "a configuration of admission plugin \"EventRateLimit\" is not supported"},
    };
    CLEANUP(arena) struct arena *a = arena_new();

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct security_config *c;
        struct err *e = security_config_parse(a, str_of(cases[i].yaml), &c);

        CHECK_STRZ(str_of(e ? err_text(e) : ""), cases[i].wrong);
        err_free(e);
    }
}

TEST(labels, that_say_nothing_are_refused)
{
    struct world w;

    world_init(&w);
    world_json(&w, "PATCH", NS,
               world_quoted(&w, "{'metadata':{'labels':{" ENFORCE_VERSION("v1.01") "}}}"), 422);
    label(&w, ENFORCE_VERSION("v1.10"));
    world_fini(&w);
}

TEST_MAIN
