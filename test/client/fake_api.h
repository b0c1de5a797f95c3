/* fake_api.h - a scripted API server behind the in-process transport: the test says what each
 * request gets. */
#ifndef TEST_FAKE_API_H
#define TEST_FAKE_API_H
#include "client/client.h"
#include "test/test.h"

struct fake_api {
    struct loop *loop;
    struct buf log;              /* "GET /api/v1/pods?watch=true\n" per request */
    struct http_exchange *watch; /* the open watch; NULL: none */
    int n_lists, n_watches, n_creates, n_patches;
    int fail_lists; /* so many lists get 500 */
    const char *list_body;
    int watch_status; /* 0: 200 and open */
    const char *watch_error_body;
    struct buf bodies;
};

static void fake_gone(void *user, struct http_exchange *ex)
{
    struct fake_api *f = user;

    if (f->watch == ex)
        f->watch = NULL;
    http_end(ex);
}

static void fake_handle(void *ctx, struct http_exchange *ex)
{
    struct fake_api *f = ctx;
    str value;

    buf_fmt(&f->log, PRI_STR " " PRI_STR "\n", STR_ARG(ex->req.method), STR_ARG(ex->req.target));
    if (ex->req.body.n)
        buf_fmt(&f->bodies, PRI_STR "\n", STR_ARG(ex->req.body));
    if (str_is(ex->req.method, "POST")) {
        f->n_creates++;
        http_reply(ex, 201, "application/json", ex->req.body);
    } else if (str_is(ex->req.method, "PATCH")) {
        f->n_patches++;
        http_reply(ex, 200, "application/json", S("{}"));
    } else if (http_query(ex->arena, ex->req.query, "watch", &value)) {
        f->n_watches++;
        if (f->watch_status) {
            http_reply(ex, f->watch_status, "application/json", str_of(f->watch_error_body));
            return;
        }
        http_start(ex, 200, NULL, 0);
        ex->user = f;
        ex->on_gone = fake_gone;
        f->watch = ex;
    } else if (f->fail_lists) {
        f->fail_lists--;
        f->n_lists++;
        http_reply(ex, 500, "application/json",
                   S("{\"kind\":\"Status\",\"message\":\"boom\",\"reason\":\"InternalError\","
                     "\"code\":500}"));
    } else {
        f->n_lists++;
        http_reply(ex, 200, "application/json", str_of(f->list_body));
    }
}

static UNUSED void fake_event(struct fake_api *f, const char *text)
{
    http_write(f->watch, str_of(text));
}

static UNUSED void fake_end_watch(struct fake_api *f)
{
    http_end(TAKE(f->watch));
}

static UNUSED struct client *fake_client(struct fake_api *f, struct loop *loop)
{
    static const str groups[] = {STR("system:masters")};

    f->loop = loop;
    f->log = f->bodies = BUF_INIT;
    return client_new_inproc(loop, &(struct client_inproc_options){.handler = fake_handle,
                                                                   .handler_ctx = f,
                                                                   .server_loop = loop,
                                                                   .user = S("tester"),
                                                                   .groups = groups,
                                                                   .n_groups = 1,
                                                                   .user_agent = S("test/1")});
}

static UNUSED void fake_fini(struct fake_api *f)
{
    buf_fini(&f->log);
    buf_fini(&f->bodies);
}
#endif
