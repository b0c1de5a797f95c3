/* cli_test.c - claims about flags, JSONPath and columns of the command line. */
#include "test/test.h"

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

TEST_MAIN
