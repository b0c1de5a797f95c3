/* default_test.c - what a server fills in, against answers recorded from a real one. */
#include "schema/schema.h"
#include "test/test.h"

#include <dirent.h>

static str encode(struct arena *a, const struct json *v)
{
    struct buf b = BUF_INIT;
    str s;

    json_encode(&b, v);
    s = arena_dup(a, buf_view(&b));
    buf_fini(&b);
    return s;
}

static struct json *decoded(struct arena *a, const char *text, const struct resource **ret)
{
    struct json *v = NULL;
    str version, group = S("");

    CHECK_OK(json_parse(a, str_of(text), NULL, NULL, &v));
    version = json_get_str(v, "apiVersion");
    if (str_has_char(version, '/'))
        str_cut(&version, '/', &group);
    *ret = schema_find_kind(group, version, json_get_str(v, "kind"));
    CHECK(*ret != NULL);
    CHECK_OK(schema_decode(a, (*ret)->type, v, NULL));
    return v;
}

static void check_default(const char *given, const char *want)
{
    struct arena *a = arena_new();
    const struct resource *r = NULL;
    struct json *v = decoded(a, given, &r);

    schema_default(a, r, v);
    CHECK_STRZ(encode(a, v), want);
    schema_default(a, r, v);
    CHECK_STRZ(encode(a, v), want);
    arena_free(a);
}

TEST(schema_default, a_service_gets_ports_and_policies_in_gos_order)
{
    check_default("{\"kind\":\"Service\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\"},"
                  "\"spec\":{\"ports\":[{\"port\":80}],\"type\":\"NodePort\"}}",
                  "{\"kind\":\"Service\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\"},"
                  "\"spec\":{\"ports\":[{\"protocol\":\"TCP\",\"port\":80,"
                  "\"targetPort\":80}],\"type\":\"NodePort\",\"sessionAffinity\":\"None\","
                  "\"externalTrafficPolicy\":\"Cluster\","
                  "\"internalTrafficPolicy\":\"Cluster\"},\"status\":{\"loadBalancer\":{}}}");
}

TEST(schema_default, a_variable_of_a_file_must_be_there)
{
    struct arena *a = arena_new();
    const struct resource *r = NULL;
    struct json *v =
        decoded(a,
                "{\"kind\":\"PodTemplate\",\"apiVersion\":\"v1\",\"template\":{\"spec\":{"
                "\"containers\":[{\"name\":\"c\",\"env\":[{\"name\":\"e\",\"valueFrom\":{"
                "\"fileKeyRef\":{\"volumeName\":\"v\",\"path\":\"p\",\"key\":\"k\"}}}]}]}}}",
                &r);
    const struct json *ref;

    schema_default(a, r, v);
    ref = json_at(
        json_item(json_at(json_item(json_path(v, "template.spec.containers"), 0), "env", NULL), 0),
        "valueFrom", "fileKeyRef", NULL);
    CHECK(json_findz(ref, "optional"));
    CHECK(!json_get_bool(ref, "optional", true));
    arena_free(a);
}

TEST(schema_default, a_namespace_carries_its_name_as_a_label)
{
    check_default("{\"kind\":\"Namespace\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\","
                  "\"labels\":{\"z\":\"1\"}}}",
                  "{\"kind\":\"Namespace\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\","
                  "\"labels\":{\"kubernetes.io/metadata.name\":"
                  "\"a\",\"z\":\"1\"}},\"spec\":{},\"status\":{\"phase\":\"Active\"}}");
}

TEST(schema_default, a_limit_range_completes_itself)
{
    check_default("{\"kind\":\"LimitRange\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\"},"
                  "\"spec\":{\"limits\":[{\"type\":\"Container\","
                  "\"max\":{\"cpu\":\"2\"},\"min\":{\"memory\":\"1Mi\"}}]}}",
                  "{\"kind\":\"LimitRange\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\"},"
                  "\"spec\":{\"limits\":[{\"type\":\"Container\","
                  "\"max\":{\"cpu\":\"2\"},\"min\":{\"memory\":\"1Mi\"},\"default\":{\"cpu\":\"2\"}"
                  ",\"defaultRequest\":{\"cpu\":\"2\",\"memory\":\"1Mi\"}}]}}");
}

/* What other parts of the server add, and so is no default: paths of members that are not compared.
 */
static const struct {
    const char *kind, *path;
} others[] = {
    {"Namespace", "spec.finalizers"},
    {"Node", "spec.taints"},
    {"PersistentVolume", "status"},
    {"Pod", "status"},
    {"Pod", "spec.tolerations"},
    {"Pod", "spec.priority"},
    {"Pod", "spec.preemptionPolicy"},
    {"Pod", "spec.serviceAccount"},
    {"Pod", "spec.serviceAccountName"},
    {"Pod", "spec.volumes"},
    {"Service", "spec.clusterIP"},
    {"Service", "spec.clusterIPs"},
    {"Service", "spec.ipFamilies"},
    {"Service", "spec.ipFamilyPolicy"},
    {"Job", "spec.selector"},
    {"Job", "spec.template.metadata"},
    {"CustomResourceDefinition", "status"},
    {"CertificateSigningRequest", "spec.username"},
    {"CertificateSigningRequest", "spec.groups"},
    {"CertificateSigningRequest", "spec.uid"},
    {"CertificateSigningRequest", "spec.extra"},
    {"PodDisruptionBudget", "status"},
    {"ServiceAccount", "secrets"},
    {"APIService", "status"},
    {"HorizontalPodAutoscaler", "status"},
    {"PersistentVolumeClaim", "spec.dataSource"},
    {"PersistentVolumeClaim", "spec.dataSourceRef"},
    {"Service", "spec.healthCheckNodePort"},
    {"Event", "involvedObject.fieldPath"},
    {"ValidatingAdmissionPolicy", "status"},
};

static void forget(struct json *v)
{
    str kind = json_get_str(v, "kind");

    json_removez(v, "metadata");
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        const char *dot = strrchr(others[i].path, '.');
        char head[128];

        if (!str_is(kind, others[i].kind))
            continue;
        if (!dot) {
            json_removez(v, others[i].path);
            continue;
        }
        snprintf(head, sizeof head, "%.*s", (int)(dot - others[i].path), others[i].path);
        json_removez(json_path(v, head), dot + 1);
    }
}

/* Node ports, and the mounts of a service account's token, are in lists. */
static void forget_in_lists(struct json *v)
{
    static const char *const lists[] = {"spec.containers", "spec.initContainers"};

    JSON_EACH(port, json_path(v, "spec.ports"))
        json_removez(port, "nodePort");
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        JSON_EACH(c, json_path(v, lists[i]))
            json_removez(c, "volumeMounts");
}

static void compare_step(struct arena *a, const char *file, const struct json *step,
                         int *n_compared)
{
    const struct json *request = json_findz(step, "request"),
                      *response = json_findz(step, "response");
    struct json got, want;
    const struct resource *r;
    str version, group = S("");
    struct err *err;

    if (!str_is(json_get_str(request, "method"), "POST") ||
        json_get_int(response, "status", 0) != 201 ||
        !json_is(json_findz(request, "body"), JSON_OBJECT) ||
        !json_is(json_findz(response, "body"), JSON_OBJECT) ||
        str_has_char(json_get_str(request, "path"), '?'))
        return;
    got = json_copy(a, json_findz(request, "body"));
    want = json_copy(a, json_findz(response, "body"));
    version = json_get_str(&got, "apiVersion");
    if (str_has_char(version, '/'))
        str_cut(&version, '/', &group);
    r = schema_find_kind(group, version, json_get_str(&got, "kind"));
    /* A kind that is converted for storage gets the defaults of the stored version, too. */
    if (!r || !(r->verbs & VERB_GET) || schema_find_storage(r) != r ||
        !str_eq(json_get_str(&want, "kind"), r->kind) ||
        !str_has_suffix(json_get_str(request, "path"), r->plural))
        return;
    err = schema_decode(a, r->type, &got, NULL);
    if (err) {
        test_fail(__FILE__, __LINE__, "%s: %s", file, err_text(err));
        err_free(err);
        return;
    }
    schema_default(a, r, &got);
    schema_settle(r->type, &got);
    forget(&got);
    forget(&want);
    forget_in_lists(&got);
    forget_in_lists(&want);
    json_sort_keys(&got);
    json_sort_keys(&want);
    ++*n_compared;
    if (!json_equal(&got, &want))
        test_fail(__FILE__, __LINE__, "%s " PRI_STR "\n  got  " PRI_STR "\n  want " PRI_STR, file,
                  STR_ARG(encode(a, json_findz(request, "path"))), STR_ARG(encode(a, &got)),
                  STR_ARG(encode(a, &want)));
}

TEST(schema_default, answers_are_those_of_a_real_server)
{
    static const char *const areas[] = {"defaulting", "rich", "protobuf", "tables"};
    struct arena *a = arena_new();
    const char *shared = test_shared("golden/data");
    int n_compared = 0;
    char root[PATH_MAX];

    if (!shared) {
        test_skip("no golden/data");
        return;
    }
    snprintf(root, sizeof root, "%s", shared);
    for (size_t i = 0; i < ARRAY_LEN(areas); i++) {
        char dir[PATH_MAX + 64], path[PATH_MAX + 400];
        struct dirent *e;
        DIR *d;

        snprintf(dir, sizeof dir, "%s/%s", root, areas[i]);
        d = opendir(dir);
        while (d && (e = readdir(d))) {
            struct buf b = BUF_INIT;
            struct json *v = NULL;

            if (!str_has_suffix(str_of(e->d_name), S(".json")))
                continue;
            arena_reset(a);
            snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
            CHECK(test_read_file(path, &b));
            CHECK_OK(json_parse(a, buf_view(&b), NULL, NULL, &v));
            JSON_EACH(step, json_findz(v, "steps"))
                compare_step(a, e->d_name, step, &n_compared);
            buf_fini(&b);
        }
        if (d)
            closedir(d);
    }
    printf("%d answers compared\n", n_compared);
    CHECK(n_compared > 50);
    arena_free(a);
}

TEST_MAIN
