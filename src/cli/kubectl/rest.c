/* rest.c - calls that wait for their answer: the loop runs inside each of them. */
#include "cli/kubectl/kubectl.h"

#include <unistd.h>

#define ANSWER_MAX ((size_t)1 << 30)
#define FRAME_MAX ((size_t)64 << 20)

/* "The Deployment "x" is invalid: ..." with one line per cause: kubectl's own form of this reason. */
static str invalid_text(struct kubectl *k, const struct json *doc, str message)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    const struct json *causes = json_path(doc, "details.causes");
    str kind = json_get_str(doc, "details.kind"), name = json_get_str(doc, "details.name");
    uint32_t n = 0;

    if (kind.n || name.n)
        buf_fmt(&b, "The " PRI_STR " \"" PRI_STR "\" is invalid", STR_ARG(kind), STR_ARG(name));
    else
        buf_z(&b, "The request is invalid");
    if (!json_count(causes)) {
        if (!kind.n && !name.n)
            buf_fmt(&b, ": " PRI_STR, STR_ARG(message));
        return arena_dup(k->a, buf_view(&b));
    }
    buf_z(&b, ": ");
    JSON_EACH(c, causes) {
        bool seen = false; /* kubectl shows each once */

        for (const struct json *p = json_item(causes, 0); p < c; p++)
            seen |= json_equal(p, c);
        if (seen)
            continue;
        n++;
        buf_fmt(&b, "%s" PRI_STR ": " PRI_STR, json_count(causes) > 1 ? "\n* " : "",
                STR_ARG(json_get_str(c, "field")), STR_ARG(json_get_str(c, "message")));
    }
    return arena_dup(k->a, buf_view(&b));
}

struct err *kube_status_err(struct kubectl *k, int status, str body)
{
    struct json *doc = NULL;
    struct err *err = json_parse(k->a, arena_dup(k->a, body), NULL, NULL, &doc);
    enum reason reason = REASON_UNKNOWN;
    str name, message;

    err_free(err);
    name = json_get_str(doc, "reason");
    message = json_get_str(doc, "message");
    for (enum reason r = REASON_UNKNOWN; r <= REASON_UNAVAILABLE; r++)
        if (name.n && str_eq(reason_name(r), name))
            reason = r;
    if (message.n == 0)
        message = body.n ? body : S("the server gave no reason");
    if (reason == REASON_INVALID && json_findz(doc, "details")) {
        err = err_new(reason, PRI_STR, STR_ARG(invalid_text(k, doc, message)));
        err->code = status;
        return err_note(err, KUBE_PLAIN);
    }
    err = err_new(reason, PRI_STR, STR_ARG(message));
    err->code = status;
    return err_note(err, KUBE_SERVER);
}

struct waiting {
    struct kubectl *k;
    bool done, stopped;
    int status;
    struct err *err;
    struct buf body;
    kube_data_fn *fn;
    void *ctx;
    struct http_call *call;
};

static void on_head(void *ctx, const struct http_response *r)
{
    struct waiting *w = ctx;

    w->status = r->status;
    for (size_t i = 0; i < r->n_headers; i++) {
        str v = r->headers[i].value;

        /* 299 - "text": what kubectl shows as Warning. */
        if (str_eq_nocase(r->headers[i].name, S("Warning")) && str_has_prefix(v, S("299 - \"")))
            fprintf(stderr, "Warning: " PRI_STR "\n", STR_ARG(str_slice(v, 7, v.n - 1)));
    }
}

static void on_data(void *ctx, const char *p, size_t n)
{
    struct waiting *w = ctx;

    if (w->stopped)
        return;
    if (w->fn && w->status < 400) {
        if (!w->fn(w->ctx, (str){p, n})) {
            w->stopped = true;
            http_call_cancel(w->call);
        }
        return;
    }
    buf_add(&w->body, p, n);
}

static void on_done(void *ctx, struct err *err)
{
    struct waiting *w = ctx;

    w->done = true;
    w->err = err;
    loop_stop(w->k->loop);
}

struct http_call *kube_http(struct kubectl *k, const struct kube_request *r,
                            const struct http_header *more, size_t n_more,
                            const struct http_call_events *ev, void *ctx)
{
    struct http_header *headers = ARENA_NEW_N(k->a, struct http_header, n_more + 4);
    size_t n = 0;

    headers[n++] = (struct http_header){S("User-Agent"), S("kubectl/v1.36.2 (linux/amd64) k1s")};
    headers[n++] =
        (struct http_header){S("Accept"), r->accept ? str_of(r->accept) : S("application/json")};
    if (r->body.n)
        headers[n++] = (struct http_header){
            S("Content-Type"), r->content_type ? str_of(r->content_type) : S("application/json")};
    if (k->config.token.n)
        headers[n++] = (struct http_header){
            S("Authorization"), arena_fmt(k->a, "Bearer " PRI_STR, STR_ARG(k->config.token))};
    for (size_t i = 0; i < n_more; i++)
        headers[n++] = more[i];
    return http_call(
        k->http,
        &(struct http_call_options){
            .method = str_of(r->method),
            .url = arena_fmt(k->a, PRI_STR PRI_STR, STR_ARG(k->config.server), STR_ARG(r->path)),
            .headers = headers,
            .n_headers = n,
            .body = r->body,
            .timeout_ns = r->timeout_ns,
            .server_name = k->config.server_name,
        },
        ev, ctx);
}

struct err *kube_connection_err(struct kubectl *k, struct err *err)
{
    str server = k->config.server;
    struct err *e;

    if (str_has_prefix(server, S("https://")))
        server = str_skip(server, 8);
    else if (str_has_prefix(server, S("http://")))
        server = str_skip(server, 7);
    if (strstr(err_text(err), "connection refused"))
        e = err_new(REASON_UNAVAILABLE,
                    "The connection to the server " PRI_STR
                    " was refused - did you specify the right host or port?",
                    STR_ARG(server));
    else
        e = err_new(REASON_UNAVAILABLE, "Unable to connect to the server: %s", err_text(err));
    err_free(err);
    return err_note(e, KUBE_PLAIN);
}

static struct err *run(struct waiting *w, const struct kube_request *r)
{
    static const struct http_call_events ev = {.head = on_head, .data = on_data, .done = on_done};
    struct kubectl *k = w->k;

    w->body.limit = ANSWER_MAX;
    w->call = kube_http(k, r, NULL, 0, &ev, w);
    while (!w->done)
        loop_run(k->loop);
    if (w->stopped) {
        err_free(TAKE(w->err));
        return NULL;
    }
    if (w->err)
        return kube_connection_err(k, TAKE(w->err));
    if (w->status >= 400)
        return kube_status_err(k, w->status, buf_view(&w->body));
    return NULL;
}

struct err *kube_call(struct kubectl *k, const struct kube_request *r, str *ret_body)
{
    struct waiting w = {.k = k};
    struct err *err = run(&w, r);

    if (!err && ret_body)
        *ret_body = arena_dup(k->a, buf_view(&w.body));
    buf_fini(&w.body);
    return err;
}

struct err *kube_call_json(struct kubectl *k, const struct kube_request *r, struct json **ret)
{
    str body;
    struct err *err = kube_call(k, r, &body);

    if (err)
        return err;
    return json_parse(k->a, body, &(struct json_limits){JSON_DEPTH_MAX, ANSWER_MAX}, NULL, ret);
}

struct err *kube_stream(struct kubectl *k, str path, const char *accept, int64_t timeout_ns,
                        kube_data_fn *fn, void *ctx)
{
    struct waiting w = {.k = k, .fn = fn, .ctx = ctx};
    struct err *err =
        run(&w, &(struct kube_request){
                    .method = "GET", .path = path, .accept = accept, .timeout_ns = timeout_ns});

    buf_fini(&w.body);
    return err;
}

struct watching {
    struct kubectl *k;
    struct buf line;
    kube_event_fn *fn;
    void *ctx;
    struct err *err;
};

static bool watch_data(void *ctx, str data)
{
    struct watching *w = ctx;

    buf_str(&w->line, data);
    for (;;) {
        ptrdiff_t end = str_index(buf_view(&w->line), '\n');
        struct json *event;
        str type;

        if (end < 0)
            return !w->line.overflow;
        w->err =
            json_parse(w->k->a, arena_dup(w->k->a, str_slice(buf_view(&w->line), 0, (size_t)end)),
                       NULL, NULL, &event);
        if (w->err)
            return false;
        buf_drop(&w->line, (size_t)end + 1);
        type = json_get_str(event, "type");
        if (str_is(type, "ERROR")) {
            w->err = err_new(REASON_GONE, PRI_STR, STR_ARG(json_get_str(event, "object.message")));
            return false;
        }
        if (!w->fn(w->ctx, type, json_findz(event, "object")))
            return false;
    }
}

struct err *kube_watch(struct kubectl *k, str path, const char *accept, int64_t timeout_ns,
                       kube_event_fn *fn, void *ctx)
{
    struct watching w = {.k = k, .fn = fn, .ctx = ctx};
    struct err *err;

    w.line.limit = FRAME_MAX;
    err = kube_stream(k, path, accept, timeout_ns, watch_data, &w);
    buf_fini(&w.line);
    if (w.err) {
        err_free(err);
        return w.err;
    }
    return err;
}
