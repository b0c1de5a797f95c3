/* cli_test.c - claims about flags, JSONPath and columns of the command line. */
#include "test/test.h"

#include "cli/apiserver_args.h"
#include "cli/encryption.h"
#include "cli/kubectl/kubectl.h"
#include "cli/options.h"

static struct err *parse(struct arena *a, struct server_options *o, const char *arg1,
                         const char *arg2)
{
    char *argv[] = {arena_dupz(a, S("server")), arg1 ? arena_dupz(a, str_of(arg1)) : NULL,
                    arg2 ? arena_dupz(a, str_of(arg2)) : NULL};
    bool help;

    return server_options_parse(a, 1 + !!arg1 + !!arg2, argv, o, &help);
}

TEST(options, take_both_forms_and_lists)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct server_options o;

    CHECK_OK(parse(a, &o, "--https-listen-port=7443", "--disable=dns,proxy"));
    CHECK_INT(o.https_listen_port, 7443);
    CHECK_INT(o.disabled, DISABLE_DNS | DISABLE_PROXY);
    CHECK_STRZ(o.cluster_cidr, "10.42.0.0/16");
    CHECK_OK(parse(a, &o, "--data-dir", "/tmp/x"));
    CHECK_STRZ(o.data_dir, "/tmp/x");
    CHECK_OK(parse(a, &o, "--disable-agent", NULL));
    CHECK(o.disable_agent);
}

TEST(options, name_the_flag_that_is_wrong)
{
    static const struct {
        const char *a, *b, *text;
    } cases[] = {
        {"--nosuch", NULL, "unknown flag \"--nosuch\""},
        {"--https-listen-port", "x", "--https-listen-port: \"x\" is not a number"},
        {"--https-listen-port", NULL, "--https-listen-port needs a value"},
        {"--disable=nosuch", NULL, "--disable: there is no component \"nosuch\""},
        {"--service-node-port-range=9-1", NULL,
         "--service-node-port-range: \"9-1\" is not FROM-TO"},
        {"stray", NULL, "unexpected argument \"stray\""},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(arena) struct arena *a = arena_new();
        struct server_options o;
        CLEANUP(err) struct err *err = parse(a, &o, cases[i].a, cases[i].b);

        CHECK(err != NULL);
        CHECK_STRZ(str_of(err_text(err)), cases[i].text);
    }
}

TEST(jsonpath, prints_as_kubectl_does)
{
    static const char doc[] = "{\"items\":[{\"name\":\"a\",\"n\":1,\"labels\":{\"x.y/"
                              "z\":\"q\"}},{\"name\":\"b\",\"n\":2}],\"kind\":\"L\"}";
    static const struct {
        const char *template, *want;
    } cases[] = {
        {"{.kind}", "L"},
        {".kind", "L"},
        {"{.items[*].name}", "a b"},
        {"{.items[-1].name}", "b"},
        {"{.items[0:1].n}", "1"},
        {"{range .items[*]}{.name}={.n}{\"\\n\"}{end}", "a=1\nb=2\n"},
        {"{.items[?(@.n==2)].name}", "b"},
        {"{.items[?(@.name==\"a\")].n}", "1"},
        {"{.items[?(@.n>1)].name}", "b"},
        {"{.items[0].labels.x\\.y/z}", "q"},
        {"{..name}", "a b"},
        {"x {.nosuch} y", "x  y"},
        {"{['items'][1]['name']}", "b"},
    };
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *root;

    CHECK_OK(json_parse(a, str_of(doc), NULL, NULL, &root));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf) struct buf out = BUF_INIT;

        CHECK_OK(jsonpath_eval(a, str_of(cases[i].template), root, &out));
        CHECK_STRZ(buf_view(&out), cases[i].want);
    }
}

TEST(jsonpath, refuses_what_has_no_end)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *root = json_new(a, json_object());
    CLEANUP(buf) struct buf out = BUF_INIT;
    CLEANUP(err) struct err *err = jsonpath_eval(a, S("{.a[0}"), root, &out);

    CHECK(err != NULL);
}

/* ---- drain and taint ---- */

#define OWNED(kind)                                                                                \
    "\"metadata\":{\"ownerReferences\":[{\"kind\":\"" kind "\",\"controller\":true}]}"
#define LOCAL "\"spec\":{\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]}"
#define DONE "\"status\":{\"phase\":\"Succeeded\"}"

TEST(drain, says_which_pods_go)
{
    static const struct drain_options none = {0}, all = {true, true, true},
                                      forced = {.force = true};
    static const struct {
        const char *pod;
        const struct drain_options *o;
        bool daemonset_gone, goes;
        const char *warning, *error;
    } cases[] = {
        {"{" OWNED("ReplicaSet") "}", &none, false, true, NULL, NULL},
        {"{}", &none, false, false, NULL,
         "Pods that declare no controller (use --force to override)"},
        {"{}", &all, false, true, "deleting Pods that declare no controller", NULL},
        {"{" DONE "}", &none, false, true, NULL, NULL},
        {"{" OWNED("DaemonSet") "}", &none, false, false, NULL,
         "DaemonSet-managed Pods (use --ignore-daemonsets to ignore)"},
        {"{" OWNED("DaemonSet") "}", &all, false, false, "ignoring DaemonSet-managed Pods", NULL},
        {"{" OWNED("DaemonSet") "}", &all, true, true, NULL, NULL},
        {"{" OWNED("DaemonSet") "}", &none, true, false, NULL, "gone"},
        {"{" OWNED("DaemonSet") "," DONE "}", &none, false, true, NULL, NULL},
        {"{" OWNED("ReplicaSet") "," LOCAL "}", &none, false, false, NULL,
         "Pods with local storage (use --delete-emptydir-data to override)"},
        {"{" OWNED("ReplicaSet") "," LOCAL "}", &all, false, true, NULL, NULL},
        {"{" LOCAL "}", &forced, false, false, NULL,
         "Pods with local storage (use --delete-emptydir-data to override)"},
        {"{\"metadata\":{\"annotations\":{\"kubernetes.io/config.mirror\":\"x\"}}}", &none, false,
         false, NULL, NULL},
    };
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(err) struct err *gone = err_new(REASON_NOT_FOUND, "gone");

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct drain_verdict v;
        struct json *pod;

        CHECK_OK(json_parse(a, str_of(cases[i].pod), NULL, NULL, &pod));
        v = drain_verdict(cases[i].o, pod, cases[i].daemonset_gone ? gone : NULL);
        CHECK_INT(v.goes, cases[i].goes);
        CHECK_STRZ(str_of(v.warning ? v.warning : ""), cases[i].warning ? cases[i].warning : "");
        CHECK_STRZ(str_of(v.error ? v.error : ""), cases[i].error ? cases[i].error : "");
    }
}

TEST(taint, changes_what_is_named)
{
    static const char node[] =
        "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"taints\":[{\"key\":\"a\","
        "\"value\":\"1\",\"effect\":\"NoSchedule\"}]}}";
    static const struct {
        const char *specs; /* between spaces */
        bool overwrite;
        const char *want; /* the word and the taints, or the error */
    } cases[] = {
        {"b=2:NoExecute", false, "tainted b=2:NoExecute a=1:NoSchedule"},
        {"a:NoExecute", false, "tainted a=:NoExecute a=1:NoSchedule"},
        {"a=3:NoSchedule", true, "modified a=3:NoSchedule"},
        {"a=3:NoSchedule", false,
         "node n already has a taint(s) with same effect(s) and --overwrite is false"},
        {"a-", false, "untainted"},
        {"a:NoSchedule- b=2:NoSchedule", false, "modified b=2:NoSchedule"},
        {"a:NoExecute-", false, "taint \"a:NoExecute\" not found"},
        {"b-", false, "taint \"b\" not found"},
        {"a=1", false, "invalid taint spec: a=1"},
        {"a=1:No", false, "invalid taint effect: No, unsupported taint effect"},
        {"q=1:NoSchedule q=2:NoSchedule", false,
         "duplicated taints with the same key and effect: q=2:NoSchedule"},
    };
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *n;

    CHECK_OK(json_parse(a, str_of(node), NULL, NULL, &n));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct taint_change c = {0};
        CLEANUP(err) struct err *err = NULL;
        CLEANUP(buf) struct buf b = BUF_INIT;
        struct json *taints;
        const char *word;
        str rest = str_of(cases[i].specs), spec;

        while (!err && str_cut(&rest, ' ', &spec))
            err = taint_parse(a, spec, &c);
        if (!err)
            err = taint_apply(a, n, &c, cases[i].overwrite, &taints, &word);
        buf_z(&b, err ? err_text(err) : word);
        JSON_EACH(t, err ? NULL : taints)
            buf_fmt(&b, " " PRI_STR "=" PRI_STR ":" PRI_STR, STR_ARG(json_get_str(t, "key")),
                    STR_ARG(json_get_str(t, "value")), STR_ARG(json_get_str(t, "effect")));
        CHECK_STRZ(buf_view(&b), cases[i].want);
    }
}

/* ---- encryption at rest: the key file ---- */

static struct encryption loaded(struct loop *loop, struct arena *a)
{
    struct encryption x;

    CHECK_OK(encryption_load(loop, a, S("/data"), &x));
    return x;
}

TEST(encryption, keeps_its_keys_in_the_file_and_forgets_those_that_nothing_needs)
{
    struct loop *loop = loop_new_virtual(1, (wall_time){INT64_C(1790000000) * NS_PER_S});
    CLEANUP(arena) struct arena *a = arena_new();
    struct encryption x = loaded(loop, a), y;

    CHECK(!x.exists && !x.enabled);
    x.enabled = true;
    CHECK_OK(encryption_key_add(a, (wall_time){NS_PER_S}, true, &x));
    CHECK_OK(encryption_key_add(a, (wall_time){2 * NS_PER_S}, false, &x)); /* prepared */
    CHECK(!encryption_retire(&x));
    CHECK_OK(encryption_save(loop, S("/data"), &x));
    y = loaded(loop, a);
    CHECK(y.exists && y.enabled && y.cipher.encrypts);
    CHECK_INT(y.n, 2);
    CHECK(memcmp(y.keys, x.keys, 2 * sizeof *x.keys) == 0);
    CHECK_OK(encryption_key_add(a, (wall_time){3 * NS_PER_S}, true, &y));
    CHECK(encryption_retire(&y));
    CHECK_INT(y.n, 1);
    y.enabled = false;
    CHECK_OK(encryption_save(loop, S("/data"), &y));
    x = loaded(loop, a);
    CHECK(x.exists && !x.enabled && !x.cipher.encrypts);
    CHECK_INT(x.n, 1);
    loop_free(loop);
}

TEST(encryption, does_not_guess_what_a_strange_file_means)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[",
        "{\"kind\":\"EncryptionConfiguration\",\"resources\":[]}",
        "{\"kind\":\"EncryptionConfiguration\",\"resources\":[{\"resources\":[\"configmaps\"],"
        "\"providers\":[{\"identity\":{}}]}]}",
        "{\"kind\":\"EncryptionConfiguration\",\"resources\":[{\"resources\":[\"secrets\"],"
        "\"providers\":[{\"aescbc\":{\"keys\":[]}}]}]}",
        "{\"kind\":\"EncryptionConfiguration\",\"resources\":[{\"resources\":[\"secrets\"],"
        "\"providers\":[{\"aesgcm\":{\"keys\":[]}}]}]}",
        "{\"kind\":\"EncryptionConfiguration\",\"resources\":[{\"resources\":[\"secrets\"],"
        "\"providers\":[{\"aesgcm\":{\"keys\":[{\"name\":\"a\",\"secret\":\"AAAA\"}]}}]}]}",
    };
    struct loop *loop = loop_new_virtual(1, (wall_time){0});
    CLEANUP(arena) struct arena *a = arena_new();
    struct encryption x;

    CHECK_INT(file_mkdir_all(loop, "/data/server/cred", 0700), 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err *err;

        CHECK_INT(file_write_atomic(loop, "/data/server/cred/encryption-config.json",
                                    str_of(bad[i]), 0600),
                  0);
        err = encryption_load(loop, a, S("/data"), &x);
        CHECK(err != NULL);
        err_free(err);
    }
    loop_free(loop);
}

/* ---- kube-apiserver's flags ---- */

static struct err *read_args(struct loop *loop, struct arena *a, struct apiserver_args *ret,
                             const char *arg)
{
    struct option_list list = {{str_of(arg)}, 1};

    *ret = (struct apiserver_args){.api = {.anonymous = true}};
    return apiserver_args_read(loop, a, &list, ret);
}

TEST(apiserver_args, are_understood_or_refused)
{
    static const char *const bad[] = {"nosuch=1",
                                      "anonymous-auth=maybe",
                                      "audit-log-maxsize=big",
                                      "audit-log-format=legacy",
                                      "enable-admission-plugins=NodeRestriction,AlwaysPullImages",
                                      "oidc-ca-file=/nosuch",
                                      "requestheader-username-headers=X-Remote-User, ",
                                      "service-account-max-token-expiration=-1h"};
    struct loop *loop = loop_new_virtual(1, (wall_time){0});
    CLEANUP(arena) struct arena *a = arena_new();
    struct apiserver_args x;

    CHECK_OK(read_args(loop, a, &x, "anonymous-auth=false"));
    CHECK(!x.api.anonymous);
    CHECK_OK(read_args(loop, a, &x, "enable-bootstrap-token-auth=false"));
    CHECK(x.api.no_bootstrap_tokens);
    CHECK_OK(read_args(loop, a, &x, "api-audiences=a,b"));
    CHECK_STRZ(x.api.api_audiences, "a,b");
    CHECK_OK(read_args(loop, a, &x, "service-account-max-token-expiration=24h"));
    CHECK_INT(x.api.token_max_expiration_ns, 86400 * NS_PER_S);
    CHECK_OK(read_args(loop, a, &x, "enable-admission-plugins=NodeRestriction,PodSecurity"));
    CHECK_OK(read_args(loop, a, &x, "requestheader-allowed-names=a,b"));
    CHECK_STRZ(x.api.request_header.allowed_names, "a,b");
    CHECK_OK(read_args(loop, a, &x, "oidc-required-claim=a=b"));
    CHECK_STRZ(x.api.oidc.required_claims, "a=b\n");
    CHECK_INT(file_write_atomic(loop, "/c.yaml", S("kind: X"), 0600), 0);
    CHECK_OK(read_args(loop, a, &x, "authentication-config=/c.yaml"));
    CHECK_STRZ(x.api.authentication_config, "kind: X");
    CHECK_STRZ(x.authentication_config_path, "/c.yaml");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err *err = read_args(loop, a, &x, bad[i]);

        CHECK(err != NULL);
        err_free(err);
    }
    loop_free(loop);
}

TEST_MAIN
