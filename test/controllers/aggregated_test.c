/* aggregated_test.c - which kinds other API servers have, from an API that is written down here. */
#include "controllers/custom_kinds.h"
#include "test/test.h"

#define SERVICE(rv, name, group, spec, available)                                                  \
    "{\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"" rv                               \
    "\"},\"spec\":{\"group\":\"" group "\",\"version\":\"v1\"" spec                                \
    "},\"status\":{\"conditions\":[{\"type\":\"Available\",\"status\":\"" available "\"}]}}"
#define REMOTE ",\"service\":{\"namespace\":\"n\",\"name\":\"s\"}"
#define KIND(name, verbs)                                                                          \
    "{\"name\":\"" name "\",\"kind\":\"K\",\"namespaced\":true,\"verbs\":[" verbs "]}"
#define ALL "\"get\",\"list\",\"watch\",\"delete\",\"deletecollection\""

struct world {
    struct loop *loop;
    const char *resources;       /* of x.io/v1; NULL: its server does not answer */
    struct http_exchange *watch; /* of APIServices */
    struct buf log;
    int n_asked;
};

static void on_gone(void *user, struct http_exchange *ex)
{
    (void)user;
    http_end(ex);
}

static void api(void *ctx, struct http_exchange *ex)
{
    struct world *w = ctx;
    str path = ex->req.path;

    if (str_find(ex->req.query, S("watch=true")) >= 0) {
        if (str_has_suffix(path, S("/apiservices")))
            w->watch = ex;
        ex->on_gone = on_gone;
        http_start(ex, 200, NULL, 0);
    } else if (str_has_suffix(path, S("/apiservices"))) {
        http_reply(ex, 200, "application/json",
                   S("{\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[" SERVICE(
                       "5", "v1.apps", "apps", "",
                       "True") "," SERVICE("5", "v1.x.io", "x.io", REMOTE,
                                           "True") "," SERVICE("5", "v1.down.io", "down.io", REMOTE,
                                                               "False") "]}"));
    } else if (str_has_suffix(path, S("/customresourcedefinitions"))) {
        http_reply(ex, 200, "application/json",
                   S("{\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[]}"));
    } else if (str_is(path, "/apis/x.io/v1")) {
        w->n_asked++;
        if (w->resources)
            http_reply(ex, 200, "application/json", str_of(w->resources));
        else
            http_reply(ex, 503, "application/json", S("{\"kind\":\"Status\",\"code\":503}"));
    } else {
        test_fail(__FILE__, __LINE__, "asked for " PRI_STR, STR_ARG(path));
        http_reply(ex, 404, "application/json", S("{}"));
    }
}

static void on_served(void *ctx, struct custom_kind *k)
{
    buf_fmt(&((struct world *)ctx)->log, "+" PRI_STR ".%s ", STR_ARG(k->resource.plural),
            k->remote ? "remote" : "");
}

static void on_kind_gone(void *ctx, struct custom_kind *k, bool deleted)
{
    buf_fmt(&((struct world *)ctx)->log, "-" PRI_STR "%s ", STR_ARG(k->resource.plural),
            deleted ? "!" : "");
}

static void on_synced(void *ctx)
{
    (void)ctx;
}

static void run_s(struct world *w, int64_t s)
{
    loop_virtual_run(w->loop, loop_virtual_elapsed_ns(w->loop) + s * NS_PER_S, NULL, NULL);
}

static void event(struct world *w, const char *text)
{
    http_write(w->watch, str_of(text));
    run_s(w, 1);
}

TEST(aggregated, kinds_follow_what_the_servers_say_and_stay_while_they_are_silent)
{
    static const struct custom_kinds_handler handler = {on_served, on_kind_gone, on_synced};
    struct world w = {.loop = loop_new_virtual(7, (wall_time){INT64_C(1700000000) * NS_PER_S}),
                      .resources = "{\"resources\":[" KIND("a", ALL) "," KIND(
                          "a/status", ALL) "," KIND("b", "\"get\",\"list\"") "]}"};
    struct client *client = client_new_inproc(
        w.loop, &(struct client_inproc_options){
                    .handler = api, .handler_ctx = &w, .server_loop = w.loop, .user = S("u")});
    struct custom_kinds *kinds = custom_kinds_new(client, &handler, &w);

    run_s(&w, 1);
    CHECK_STRZ(buf_view(&w.log), "+a.remote ");
    CHECK(custom_kinds_find(kinds, S("x.io"), S("v1"), S("K")) != NULL);
    CHECK(custom_kinds_named(kinds, S("a.x.io"))->resource.namespaced);
    CHECK(custom_kinds_named(kinds, S("a.x.io"))->resource.verbs & VERB_DELETECOLLECTION);
    /* They learn without telling. */
    w.resources = "{\"resources\":[" KIND("a", ALL) "," KIND("c", ALL) "]}";
    run_s(&w, 31);
    CHECK_STRZ(buf_view(&w.log), "+a.remote +c.remote ");
    w.resources = NULL;
    run_s(&w, 31);
    CHECK_STRZ(buf_view(&w.log), "+a.remote +c.remote ");
    CHECK_INT(w.n_asked, 3);
    w.resources = "{\"resources\":[" KIND("c", ALL) "]}";
    event(&w, "{\"type\":\"MODIFIED\",\"object\":" SERVICE("6", "v1.x.io", "x.io", REMOTE,
                                                           "True") "}\n");
    CHECK_STRZ(buf_view(&w.log), "+a.remote +c.remote -a ");
    event(&w, "{\"type\":\"DELETED\",\"object\":" SERVICE("7", "v1.x.io", "x.io", REMOTE,
                                                          "True") "}\n");
    CHECK_STRZ(buf_view(&w.log), "+a.remote +c.remote -a -c ");
    CHECK(!custom_kinds_named(kinds, S("c.x.io")));
    run_s(&w, 100);
    CHECK_INT(w.n_asked, 4); /* nobody is left to be asked */
    custom_kinds_free(kinds);
    run_s(&w, 1);
    client_free(client);
    run_s(&w, 1);
    loop_free(w.loop);
    buf_fini(&w.log);
}

TEST_MAIN
