/* spec_test.c - what follows from a pod's specification: QoS, requests, environment, files, CRI's configuration. */
#include "kubelet/cgroup.h"
#include "kubelet/container_env.h"
#include "kubelet/cri_config.h"
#include "kubelet/image_name.h"
#include "kubelet/kubelet_internal.h"
#include "kubelet/pod_files.h"
#include "kubelet/podspec.h"
#include "test/test.h"

static struct json *parse(struct arena *a, const char *text)
{
    struct json *v = NULL;

    CHECK_OK(json_parse(a, str_of(text), NULL, NULL, &v));
    return v;
}

/* ---- resources ---- */

static enum pod_qos qos_of(const char *resources)
{
    CLEANUP(arena) struct arena *a = arena_new();
    char text[1024];

    snprintf(text, sizeof text, "{\"spec\":{\"containers\":[{\"name\":\"c\",\"resources\":%s}]}}",
             resources);
    return podspec_qos(parse(a, text));
}

TEST(podspec, qos_follows_requests_and_limits)
{
    CHECK(qos_of("{}") == QOS_BEST_EFFORT);
    CHECK(qos_of("{\"requests\":{\"cpu\":\"0\"}}") == QOS_BEST_EFFORT);
    CHECK(qos_of("{\"requests\":{\"cpu\":\"1\"}}") == QOS_BURSTABLE);
    CHECK(qos_of("{\"limits\":{\"cpu\":\"1\"}}") == QOS_BURSTABLE);
    CHECK(qos_of("{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}") == QOS_GUARANTEED);
    CHECK(qos_of("{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"},\"requests\":{\"cpu\":\"1000m\","
                 "\"memory\":\"1Gi\"}}") == QOS_GUARANTEED);
    CHECK(
        qos_of("{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"},\"requests\":{\"cpu\":\"500m\"}}") ==
        QOS_BURSTABLE);
}

TEST(podspec, a_pods_request_is_the_larger_of_start_and_run)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *pod =
        parse(a, "{\"spec\":{\"overhead\":{\"cpu\":\"10m\"},\"initContainers\":["
                 "{\"name\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"3\"}}},"
                 "{\"name\":\"s\",\"restartPolicy\":\"Always\",\"resources\":{\"requests\":{"
                 "\"cpu\":\"1\",\"memory\":\"1Mi\"}}},"
                 "{\"name\":\"j\",\"resources\":{\"requests\":{\"cpu\":\"2500m\"}}}],"
                 "\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"1\","
                 "\"memory\":\"2Mi\"}}}]}}");

    CHECK_INT(podspec_pod_request(pod, S("cpu")), 3510);
    CHECK_INT(podspec_pod_request(pod, S("memory")), 3 << 20);
}

TEST(podspec, the_less_a_container_asked_for_the_sooner_it_is_killed)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *pod =
        parse(a, "{\"spec\":{\"containers\":[{\"name\":\"half\",\"resources\":{\"requests\":{"
                 "\"memory\":\"512Mi\"}}},{\"name\":\"none\"},"
                 "{\"name\":\"all\",\"resources\":{\"requests\":{\"memory\":\"2Gi\"}}}]}}");
    const struct json *cs = json_at(pod, "spec", "containers", NULL);

    CHECK_INT(podspec_oom_score_adj(pod, json_item(cs, 0), INT64_C(1) << 30), 500);
    CHECK_INT(podspec_oom_score_adj(pod, json_item(cs, 1), INT64_C(1) << 30), 999);
    CHECK_INT(podspec_oom_score_adj(pod, json_item(cs, 2), INT64_C(1) << 30), 3);
}

TEST(podspec, a_hash_changes_with_the_image_only)
{
    CLEANUP(arena) struct arena *a = arena_new();
    char x[9], y[9], z[9];

    podspec_container_hash(parse(a, "{\"name\":\"c\",\"image\":\"a:1\"}"), x);
    podspec_container_hash(
        parse(a, "{\"name\":\"c\",\"image\":\"a:1\",\"env\":[{\"name\":\"x\"}]}"), y);
    podspec_container_hash(parse(a, "{\"name\":\"c\",\"image\":\"a:2\"}"), z);
    CHECK(!strcmp(x, y));
    CHECK(strcmp(x, z) != 0);
}

TEST(podspec, ports_are_numbers_or_names_of_the_container)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *c = parse(a, "{\"ports\":[{\"name\":\"http\",\"containerPort\":8080}],\"a\":80,"
                              "\"b\":\"http\",\"c\":\"81\",\"d\":\"nope\",\"e\":70000}");
    static const struct {
        const char *key;
        int want;
    } cases[] = {{"a", 80}, {"b", 8080}, {"c", 81}, {"d", 0}, {"e", 0}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        CHECK_INT(podspec_port(c, json_findz(c, cases[i].key)), cases[i].want);
}

TEST(podspec, durations_read_as_in_go)
{
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {{0, "0s"},
                 {1500, "1.5\xc2\xb5s"},
                 {20 * NS_PER_MS, "20ms"},
                 {1500 * NS_PER_MS, "1.5s"},
                 {10 * NS_PER_S, "10s"},
                 {80 * NS_PER_S, "1m20s"},
                 {300 * NS_PER_S, "5m0s"},
                 {3661 * NS_PER_S, "1h1m1s"}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf) struct buf b = BUF_INIT;

        buf_duration(&b, cases[i].ns);
        CHECK_STRZ(buf_view(&b), cases[i].text);
    }
}

/* ---- environment ---- */

static const struct json *lookup(void *ctx, struct arena *a, enum ref_kind kind, str ns, str name)
{
    if (kind == REF_CONFIGMAP && str_is(name, "cm"))
        return parse(a, "{\"data\":{\"a\":\"1\",\"b\":\"2\"}}");
    if (kind == REF_SECRET && str_is(name, "s"))
        return parse(a, "{\"data\":{\"pw\":\"c2VjcmV0\"}}");
    return NULL;
}

static struct err *env_of(struct arena *a, const char *container, struct env *ret)
{
    struct pod_context pc = {
        .pod = parse(a, "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"labels\":{\"k\":"
                        "\"v\",\"a\":\"q\\\"\"}},\"spec\":{\"enableServiceLinks\":false}}"),
        .lookup = lookup,
        .services = json_new(a, json_array()),
        .allocatable = parse(a, "{\"cpu\":\"2\",\"memory\":\"1Gi\"}"),
        .host_ip = S("192.0.2.1"),
    };

    return container_env_make(a, &pc, parse(a, container), ret);
}

static void check_env(const char *container, const char *name, const char *want)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct env env = {0};
    const str *v;

    CHECK_OK(env_of(a, container, &env));
    v = env_find(&env, str_of(name));
    if (!want)
        CHECK(!v);
    else if (v)
        CHECK_STRZ(*v, want);
    else
        CHECK(v);
}

TEST(env, values_come_from_where_they_are_said_to)
{
    check_env("{\"env\":[{\"name\":\"X\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"cm\","
              "\"key\":\"a\"}}}]}",
              "X", "1");
    check_env("{\"env\":[{\"name\":\"X\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"s\",\"key\":"
              "\"pw\"}}}]}",
              "X", "secret");
    check_env("{\"env\":[{\"name\":\"X\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata."
              "labels['k']\"}}}]}",
              "X", "v");
    check_env("{\"env\":[{\"name\":\"X\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"status."
              "hostIP\"}}}]}",
              "X", "192.0.2.1");
    check_env("{\"envFrom\":[{\"prefix\":\"P_\",\"configMapRef\":{\"name\":\"cm\"}}]}", "P_b", "2");
    check_env("{\"envFrom\":[{\"configMapRef\":{\"name\":\"cm\"}}],\"env\":[{\"name\":\"a\","
              "\"value\":\"own\"}]}",
              "a", "own");
    check_env("{\"env\":[{\"name\":\"A\",\"value\":\"x\"},{\"name\":\"B\",\"value\":\"$(A)y\"},{"
              "\"name\":\"C\",\"value\":\"$(D)\"},{\"name\":\"D\",\"value\":\"z\"}]}",
              "B", "xy");
    check_env("{\"env\":[{\"name\":\"C\",\"value\":\"$(D)\"},{\"name\":\"D\",\"value\":\"z\"}]}",
              "C", "$(D)");
}

TEST(env, resources_are_divided_and_rounded_up)
{
    check_env("{\"resources\":{\"limits\":{\"cpu\":\"1500m\"}},\"env\":[{\"name\":\"X\","
              "\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"limits.cpu\"}}}]}",
              "X", "2");
    check_env(
        "{\"resources\":{\"limits\":{\"cpu\":\"1500m\"}},\"env\":[{\"name\":\"X\",\"valueFrom\":{"
        "\"resourceFieldRef\":{\"resource\":\"limits.cpu\",\"divisor\":\"1m\"}}}]}",
        "X", "1500");
    check_env(
        "{\"resources\":{\"requests\":{\"memory\":\"3Mi\"}},\"env\":[{\"name\":\"X\",\"valueFrom\":"
        "{\"resourceFieldRef\":{\"resource\":\"requests.memory\",\"divisor\":\"2Mi\"}}}]}",
        "X", "2");
    /* Without a limit, what the node has. */
    check_env("{\"env\":[{\"name\":\"X\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":"
              "\"limits.memory\"}}}]}",
              "X", "1073741824");
}

static void check_env_error(const char *container, const char *want)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct env env = {0};
    CLEANUP(err) struct err *err = env_of(a, container, &env);

    CHECK(err != NULL);
    if (err)
        CHECK_STRZ(str_of(err_text(err)), want);
}

TEST(env, what_is_missing_is_an_error_unless_it_is_optional)
{
    check_env_error("{\"env\":[{\"name\":\"X\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"no\","
                    "\"key\":\"a\"}}}]}",
                    "configmap \"no\" not found");
    check_env_error("{\"env\":[{\"name\":\"X\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"cm\","
                    "\"key\":\"z\"}}}]}",
                    "couldn't find key z in ConfigMap ns/cm");
    check_env_error("{\"env\":[{\"name\":\"X\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"no\","
                    "\"key\":\"a\"}}}]}",
                    "secret \"no\" not found");
    check_env_error("{\"envFrom\":[{\"secretRef\":{\"name\":\"no\"}}]}", "secret \"no\" not found");
    check_env("{\"env\":[{\"name\":\"X\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"no\","
              "\"key\":\"a\",\"optional\":true}}}]}",
              "X", NULL);
    check_env("{\"envFrom\":[{\"configMapRef\":{\"name\":\"no\",\"optional\":true}}],\"env\":[{"
              "\"name\":\"Y\",\"value\":\"1\"}]}",
              "Y", "1");
}

TEST(env, labels_are_written_sorted_and_quoted)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct pod_context pc = {
        .pod = parse(a, "{\"metadata\":{\"labels\":{\"k\":\"v\",\"a\":\"q\\\"\\n\"}}}")};
    str v;

    CHECK_OK(fieldref_value(a, &pc, S("metadata.labels"), &v));
    CHECK_STRZ(v, "a=\"q\\\"\\n\"\nk=\"v\"");
}

/* ---- files ---- */

TEST(files, hosts_has_the_pod_and_its_aliases)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json *pod = parse(a, "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\"},\"spec\":{"
                                "\"hostname\":\"h\",\"subdomain\":\"sub\",\"hostAliases\":[{\"ip\":"
                                "\"1.2.3.4\",\"hostnames\":[\"x\",\"y\"]}]}}");
    str ip = S("10.0.0.2"), hostname, domain;

    pod_hostname(a, pod, S("node"), S("cluster.local"), &hostname, &domain);
    CHECK_STRZ(hostname, "h");
    CHECK_STRZ(domain, "sub.ns.svc.cluster.local");
    pod_hosts_write(&b, pod, &ip, 1, hostname, domain, STR_NONE);
    CHECK(str_has_prefix(buf_view(&b),
                         S("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")));
    CHECK(str_has_suffix(buf_view(&b), S("10.0.0.2\th.sub.ns.svc.cluster.local\th\n\n# Entries "
                                         "added by HostAliases.\n1.2.3.4\tx\ty\n")));
}

TEST(files, a_host_name_is_at_most_63_bytes)
{
    CLEANUP(arena) struct arena *a = arena_new();
    char text[256];
    str hostname, domain;

    snprintf(text, sizeof text, "{\"metadata\":{\"name\":\"%062d-x\",\"namespace\":\"ns\"}}", 1);
    pod_hostname(a, parse(a, text), S("node"), S("c"), &hostname, &domain);
    CHECK_INT(hostname.n, 62);
}

static void check_dns(const char *spec, const char *want)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    char text[512];
    struct json v;

    snprintf(text, sizeof text, "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\"},\"spec\":%s}",
             spec);
    v = pod_dns_config(
        a, parse(a, text), S("10.43.0.10"), S("cluster.local"),
        S("# host\nnameserver 9.9.9.9\nsearch corp.example\noptions timeout:1 ndots:2\n"));
    json_encode(&b, &v);
    CHECK_STRZ(buf_view(&b), want);
}

TEST(files, resolv_conf_follows_the_policy)
{
    static const char cluster[] =
        "{\"servers\":[\"10.43.0.10\"],\"searches\":[\"ns.svc.cluster.local\",\"svc.cluster."
        "local\",\"cluster.local\",\"corp.example\"],\"options\":[\"ndots:5\"]}";
    static const char host[] = "{\"servers\":[\"9.9.9.9\"],\"searches\":[\"corp.example\"],"
                               "\"options\":[\"timeout:1\",\"ndots:2\"]}";

    check_dns("{\"dnsPolicy\":\"ClusterFirst\"}", cluster);
    check_dns("{\"dnsPolicy\":\"Default\"}", host);
    check_dns("{\"dnsPolicy\":\"ClusterFirst\",\"hostNetwork\":true}", host);
    check_dns("{\"dnsPolicy\":\"ClusterFirstWithHostNet\",\"hostNetwork\":true}", cluster);
    check_dns(
        "{\"dnsPolicy\":\"None\",\"dnsConfig\":{\"nameservers\":[\"1.1.1.1\"],\"searches\":[\"a."
        "b\"],\"options\":[{\"name\":\"ndots\",\"value\":\"1\"},{\"name\":\"debug\"}]}}",
        "{\"servers\":[\"1.1.1.1\"],\"searches\":[\"a.b\"],\"options\":[\"ndots:1\",\"debug\"]}");
    check_dns("{\"dnsPolicy\":\"Default\",\"dnsConfig\":{\"options\":[{\"name\":\"ndots\","
              "\"value\":\"3\"}]}}",
              "{\"servers\":[\"9.9.9.9\"],\"searches\":[\"corp.example\"],\"options\":[\"timeout:"
              "1\",\"ndots:3\"]}");
}

/* ---- CRI ---- */

TEST(cri_config, a_sandbox_has_the_pods_labels_and_namespaces)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *pod =
        parse(a, "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\",\"labels\":{"
                 "\"app\":\"x\"}},\"spec\":{\"hostPID\":true,\"securityContext\":{\"sysctls\":[{"
                 "\"name\":\"a\",\"value\":\"1\"}]},"
                 "\"containers\":[{\"name\":\"c\",\"ports\":[{\"containerPort\":80,\"hostPort\":"
                 "8080,\"protocol\":\"UDP\"},{\"containerPort\":81}]}]}}");
    struct json dns = json_object(),
                c = cri_sandbox_config(a, pod, 2, S("p"), &dns, S("/kubepods/podu"));

    CHECK_STRZ(json_get_str(&c, "log_directory"), "/var/log/pods/ns_p_u");
    CHECK_INT(json_get_int(&c, "metadata.attempt", 0), 2);
    CHECK_STRZ(json_str(json_findz(json_findz(&c, "labels"), "io.kubernetes.pod.uid")), "u");
    CHECK_STRZ(json_str(json_findz(json_findz(&c, "labels"), "app")), "x");
    CHECK_INT(json_get_int(&c, "linux.security_context.namespace_options.pid", -1), NAMESPACE_NODE);
    CHECK_INT(json_get_int(&c, "linux.security_context.namespace_options.network", -1),
              NAMESPACE_POD);
    CHECK_INT(json_count(json_findz(&c, "port_mappings")), 1);
    CHECK_INT(json_get_int(json_item(json_findz(&c, "port_mappings"), 0), "protocol", 0), 1);
    CHECK_STRZ(json_get_str(&c, "linux.sysctls.a"), "1");
}

static struct err *container_of(struct arena *a, const char *pod_text, int64_t image_uid,
                                struct json *ret)
{
    struct json *pod = parse(a, pod_text);
    struct pod_context pc = {.pod = pod, .node_memory_bytes = INT64_C(1) << 30};
    struct env env = {0};
    struct cri_container_input in = {.pc = &pc,
                                     .container =
                                         json_item(json_at(pod, "spec", "containers", NULL), 0),
                                     .kind = CONTAINER_REGULAR,
                                     .restart_count = 3,
                                     .image_ref = S("sha256:1"),
                                     .image_uid = image_uid,
                                     .env = &env,
                                     .seccomp_dir = S("/s")};

    return cri_container_config(a, &in, ret);
}

TEST(cri_config, a_container_has_its_limits_users_and_notes)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json c;
    const struct json *s;

    CHECK_OK(container_of(
        a,
        "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\"},\"spec\":{"
        "\"securityContext\":{\"runAsUser\":1000,\"fsGroup\":7,\"supplementalGroups\":[8]},"
        "\"containers\":[{\"name\":\"c\",\"image\":\"i:1\",\"command\":[\"$(X)\"],"
        "\"securityContext\":{\"allowPrivilegeEscalation\":false,\"runAsGroup\":5,"
        "\"capabilities\":{\"add\":[\"NET_ADMIN\"],\"drop\":[\"ALL\"]},\"seccompProfile\":{"
        "\"type\":\"Localhost\",\"localhostProfile\":\"p.json\"}},"
        "\"resources\":{\"requests\":{\"cpu\":\"250m\"},\"limits\":{\"cpu\":\"500m\",\"memory\":"
        "\"64Mi\"}}}]}}",
        -1, &c));
    s = json_at(&c, "linux", "security_context", NULL);
    CHECK_INT(json_get_int(&c, "linux.resources.cpu_shares", 0), 256);
    CHECK_INT(json_get_int(&c, "linux.resources.cpu_quota", 0), 50000);
    CHECK_INT(json_get_int(&c, "linux.resources.memory_limit_in_bytes", 0), 64 << 20);
    CHECK_INT(json_get_int(s, "run_as_user.value", 0), 1000);
    CHECK_INT(json_get_int(s, "run_as_group.value", 0), 5);
    CHECK_INT(json_count(json_findz(s, "supplemental_groups")), 2);
    CHECK(json_get_bool(s, "no_new_privs", false));
    CHECK_STRZ(json_get_str(s, "seccomp.localhost_ref"), "/s/p.json");
    CHECK_STRZ(json_str(json_item(json_at(s, "capabilities", "drop_capabilities", NULL), 0)),
               "ALL");
    CHECK_STRZ(json_get_str(&c, "log_path"), "c/3.log");
    CHECK_STRZ(
        json_str(json_findz(json_findz(&c, "annotations"), "io.kubernetes.container.restartCount")),
        "3");
}

TEST(cri_config, root_is_refused_where_the_pod_wants_another_user)
{
    static const char pod[] = "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\"},"
                              "\"spec\":{\"securityContext\":{\"runAsNonRoot\":true},"
                              "\"containers\":[{\"name\":\"c\",\"image\":\"i:1\"}]}}";
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(err) struct err *err = NULL;
    struct json c;

    err = container_of(a, pod, -1, &c);
    CHECK(err && str_is(str_of(err_text(err)), "container has runAsNonRoot and image will run as "
                                               "root (pod: \"p_ns(u)\", container: c)"));
    CHECK_OK(container_of(a, pod, 1000, &c));
}

/* ---- images ---- */

static void check_name(const char *text, const char *want)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct image_name n;

    if (!want)
        CHECK(!image_name_parse(a, str_of(text), &n));
    else if (image_name_parse(a, str_of(text), &n))
        CHECK_STRZ(image_name_full(a, &n), want);
    else
        test_fail(__FILE__, __LINE__, "%s is no name", text);
}

TEST(image_name, is_completed_as_tools_do)
{
    check_name("busybox", "docker.io/library/busybox:latest");
    check_name("busybox:1", "docker.io/library/busybox:1");
    check_name("a/b", "docker.io/a/b:latest");
    check_name("index.docker.io/a/b:1", "docker.io/a/b:1");
    check_name("localhost/b", "localhost/b:latest");
    check_name("localhost:5000/b:2", "localhost:5000/b:2");
    check_name(
        "r.example/x/y/z@sha256:0123456789012345678901234567890123456789012345678901234567890123",
        "r.example/x/y/z@sha256:0123456789012345678901234567890123456789012345678901234567890123");
    check_name("", NULL);
    check_name("Upper", NULL);
    check_name("a//b", NULL);
    check_name("a:", NULL);
    check_name("a@sha256:xyz", NULL);
    check_name("-a", NULL);
}

struct auths {
    char text[512];
};

static void add_auth(void *ctx, const struct json *auth)
{
    struct auths *x = ctx;
    str user = json_get_str(auth, "username"), password = json_get_str(auth, "password");
    size_t n = strlen(x->text);

    snprintf(x->text + n, sizeof x->text - n, "%.*s:%.*s ", STR_ARG(user), STR_ARG(password));
}

TEST(image_name, a_problem_is_named_as_kubernetes_does)
{
    CLEANUP(arena) struct arena *a = arena_new();

    CHECK_STRZ(image_name_problem(a, S("Foo/UPPER:1")),
               "invalid reference format: repository name (UPPER) must be lowercase");
    CHECK_STRZ(image_name_problem(a, S("Busybox")),
               "invalid reference format: repository name (library/Busybox) must be lowercase");
    CHECK_STRZ(image_name_problem(a, S("busybox:")), "invalid reference format");
}

TEST(image_name, credentials_fit_by_host_and_path_most_exact_first)
{
    static const char config[] =
        "{\"auths\":{\"https://index.docker.io/v1/"
        "\":{\"username\":\"hub\",\"password\":\"1\"},\"r.example\":{\"auth\":\"dTpw\"},"
        "\"r.example/"
        "team\":{\"username\":\"team\",\"password\":\"2\"},\"*.wild.example\":{\"username\":\"w\","
        "\"password\":\"3\"}}}";
    static const struct {
        const char *image, *want;
    } cases[] = {{"busybox", "hub:1 "},
                 {"r.example/x", "u:p "},
                 {"r.example/team/x", "team:2 u:p "},
                 {"r.example/teams/x", "u:p "},
                 {"a.wild.example/x", "w:3 "},
                 {"a.b.wild.example/x", ""},
                 {"other.example/x", ""}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(arena) struct arena *a = arena_new();
        CLEANUP(buf) struct buf text = BUF_INIT;
        struct auths x = {""};
        struct image_name n;

        buf_z(&text, "{\"data\":{\".dockerconfigjson\":\"");
        buf_base64(&text, str_of(config));
        buf_z(&text, "\"}}");
        CHECK(image_name_parse(a, str_of(cases[i].image), &n));
        image_auth_each(a, parse(a, buf_cstr(&text)), &n, add_auth, &x);
        CHECK_STRZ(str_of(x.text), cases[i].want);
    }
}

/* ---- admission ---- */

TEST(admission, refuses_what_does_not_fit)
{
    CLEANUP(arena) struct arena *a = arena_new();
    const struct json *other =
        parse(a, "{\"spec\":{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1500m\"}},"
                 "\"ports\":[{\"hostPort\":80,\"containerPort\":80}]}]}}");
    struct admission_input in = {
        .node = parse(a, "{\"metadata\":{\"name\":\"n1\",\"labels\":{\"disk\":\"ssd\"}},\"status\":"
                         "{\"allocatable\":{\"cpu\":\"2\",\"memory\":\"1Gi\",\"pods\":\"110\"}}}"),
        .others = &other,
        .n_others = 1,
        .max_pods = 110};
    static const struct {
        const char *spec, *reason;
    } cases[] = {
        {"{\"containers\":[{}]}", NULL},
        {"{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"500m\"}}}]}", NULL},
        {"{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"501m\"}}}]}", "OutOfcpu"},
        {"{\"containers\":[{\"resources\":{\"requests\":{\"memory\":\"2Gi\"}}}]}", "OutOfmemory"},
        {"{\"nodeSelector\":{\"disk\":\"ssd\"},\"containers\":[{}]}", NULL},
        {"{\"nodeSelector\":{\"disk\":\"hdd\"},\"containers\":[{}]}", "NodeAffinity"},
        {"{\"containers\":[{\"ports\":[{\"hostPort\":80,\"containerPort\":1}]}]}", "NodePorts"},
        {"{\"containers\":[{\"ports\":[{\"hostPort\":80,\"containerPort\":1,\"protocol\":\"UDP\"}]}"
         "]}",
         NULL},
        {"{\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{"
         "\"nodeSelectorTerms\":[{\"matchFields\":[{\"key\":\"metadata.name\",\"operator\":\"In\","
         "\"values\":[\"n1\"]}]}]}}},\"containers\":[{}]}",
         NULL},
        {"{\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{"
         "\"nodeSelectorTerms\":[{\"matchExpressions\":[{\"key\":\"disk\",\"operator\":"
         "\"DoesNotExist\"}]}]}}},\"containers\":[{}]}",
         "NodeAffinity"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str reason = STR_NONE, message;
        char text[512];

        snprintf(text, sizeof text, "{\"spec\":%s}", cases[i].spec);
        in.pod = parse(a, text);
        CHECK(admission_check(a, &in, &reason, &message) == !cases[i].reason);
        CHECK_STRZ(reason, cases[i].reason ? cases[i].reason : "");
    }
}

TEST_MAIN
