/* server_stream.c - /exec, /attach, /portForward and /run: the caller's upgraded connection, joined to the runtime's.
 *
 * The runtime names an address of its own streaming server; the caller's upgrade request goes there as it came, and when both sides
 * have switched, bytes pass in both directions unread. So every protocol that the runtime speaks works (SPDY, WebSocket); the newest
 * one of WebSocket is translated (server_translate.c). */
#include "kubelet/server_internal.h"

#define ANSWER_MAX (64u << 10)
#define COMMAND_MAX 4096 /* words */

struct tunnel {
    struct kubelet_server *s;
    struct http_exchange *ex; /* NULL: the caller has gone */
    struct arena *arena;
    struct http_call *call;
    struct buf answer;
    int status;
    bool translated; /* WebSocket v5 here, SPDY there */
    struct translate_streams streams;
};

static void tunnel_free(struct tunnel *t)
{
    buf_fini(&t->answer);
    arena_free(t->arena);
    mem_free(t);
}

static void on_gone(void *user, struct http_exchange *ex)
{
    struct tunnel *t = user;

    t->ex = NULL;
    http_end(ex);
    if (t->call)
        http_call_cancel(t->call);
}

static struct http_header *answer_headers(struct arena *a, const struct http_response *r,
                                          size_t *ret_n)
{
    struct http_header *list = ARENA_NEW_N(a, struct http_header, r->n_headers + 1);
    size_t n = 0;

    for (size_t i = 0; i < r->n_headers; i++) {
        if (str_eq_nocase(r->headers[i].name, S("Date")) ||
            str_eq_nocase(r->headers[i].name, S("Content-Length")) ||
            str_eq_nocase(r->headers[i].name, S("Transfer-Encoding")))
            continue;
        list[n++] = (struct http_header){arena_dup(a, r->headers[i].name),
                                         arena_dup(a, r->headers[i].value)};
    }
    *ret_n = n;
    return list;
}

static void on_upgraded(void *ctx, const struct http_response *r, struct stream *runtime)
{
    struct tunnel *t = ctx;
    struct stream *caller;
    struct http_header *headers;
    size_t n;

    t->call = NULL;
    if (!t->ex) {
        stream_close(runtime, NULL, NULL);
        tunnel_free(t);
        return;
    }
    t->ex->on_gone = NULL;
    if (t->translated) {
        struct http_exchange *ex = t->ex;

        if (!translate_begin(t->s->k->loop, ex, t->arena, &t->streams, runtime)) {
            stream_close(runtime, NULL, NULL);
            http_end(ex);
        }
        tunnel_free(t);
        return;
    }
    headers = answer_headers(t->arena, r, &n);
    caller = http_upgrade(t->ex, headers, n);
    if (caller) {
        stream_splice(caller, runtime, NULL, NULL);
    } else {
        stream_close(runtime, NULL, NULL);
        http_end(t->ex);
    }
    tunnel_free(t);
}

static void on_head(void *ctx, const struct http_response *r)
{
    struct tunnel *t = ctx;

    t->status = r->status;
}

static void on_data(void *ctx, const char *p, size_t n)
{
    struct tunnel *t = ctx;

    if (t->answer.n + n <= ANSWER_MAX)
        buf_add(&t->answer, p, n);
}

/* The runtime did not switch: the caller gets what it said. */
static void on_done(void *ctx, struct err *err)
{
    struct tunnel *t = ctx;

    t->call = NULL;
    if (t->ex) {
        t->ex->on_gone = NULL;
        if (err)
            server_text(t->ex, 502, "error dialing the container runtime: %s", err_text(err));
        else
            http_reply(t->ex, t->status, "text/plain; charset=utf-8", buf_view(&t->answer));
    }
    err_free(err);
    tunnel_free(t);
}

static void on_url(void *ctx, struct err *err, const struct json *response)
{
    static const struct http_call_events events = {
        .head = on_head, .data = on_data, .done = on_done, .upgraded = on_upgraded};
    static const char *const not_passed[] = {"Host", "Content-Length", "Transfer-Encoding",
                                             "Authorization"};
    struct tunnel *t = ctx;
    struct http_call_options o = {0};
    struct http_header *headers;

    if (!t->ex) {
        err_free(err);
        tunnel_free(t);
        return;
    }
    if (err) {
        t->ex->on_gone = NULL;
        server_text(t->ex, err->reason == REASON_NOT_FOUND ? 404 : 500, "%s", err_text(err));
        err_free(err);
        tunnel_free(t);
        return;
    }
    if (t->translated) {
        o.method = S("POST");
        o.url = arena_dup(t->arena, json_get_str(response, "url"));
        o.headers = translate_request(&o.n_headers);
        t->call = http_call(t->s->k->http, &o, &events, t);
        return;
    }
    headers = ARENA_NEW_N(t->arena, struct http_header, t->ex->req.n_headers + 1);
    for (size_t i = 0; i < t->ex->req.n_headers; i++) {
        bool pass = true;

        for (size_t k = 0; k < ARRAY_LEN(not_passed); k++)
            pass &= !str_eq_nocase(t->ex->req.headers[i].name, str_of(not_passed[k]));
        if (pass)
            headers[o.n_headers++] = t->ex->req.headers[i];
    }
    o.method = t->ex->req.method;
    o.url = arena_dup(t->arena, json_get_str(response, "url"));
    o.headers = headers;
    t->call = http_call(t->s->k->http, &o, &events, t);
}

static void open_tunnel(struct request *r, enum runtime_call_id id, struct arena *a,
                        const struct json *request)
{
    struct tunnel *t;

    if (!r->ex->req.is_upgrade) {
        arena_free(a);
        server_text(r->ex, 400, "Upgrade request required");
        return;
    }
    t = NEW(struct tunnel);
    t->s = r->s;
    t->ex = r->ex;
    t->arena = a;
    t->translated = id != RUNTIME_PORT_FORWARD && translate_is_wanted(&r->ex->req);
    t->streams = (struct translate_streams){.in = json_get_bool(request, "stdin", false),
                                            .out = json_get_bool(request, "stdout", false),
                                            .err = json_get_bool(request, "stderr", false),
                                            .tty = json_get_bool(request, "tty", false)};
    r->ex->user = t;
    r->ex->on_gone = on_gone;
    runtime_call(r->s->k->rt, id, request, 0, on_url, t);
}

/* The running container that the request means; answered when there is none. */
static const struct rt_container *find_container(struct request *r)
{
    struct pod_worker *w = server_find_pod(r);
    const struct rt_container *c;

    if (!w)
        return NULL;
    c = worker_running(w, r->container);
    if (!c)
        server_text(r->ex, 404, "container not found (\"" PRI_STR "\")", STR_ARG(r->container));
    return c;
}

static struct json command_of(struct arena *a, struct http_exchange *ex, const char *name)
{
    struct json list = json_array();
    size_t n;
    struct http_header *q = http_query_all(ex->arena, ex->req.query, &n);

    for (size_t i = 0; i < n && i < COMMAND_MAX; i++)
        if (str_is(q[i].name, name))
            json_append(a, &list, json_string(q[i].value));
    return list;
}

static void set_streams(struct arena *a, struct json *request, struct http_exchange *ex)
{
    bool tty = server_flag(ex, "tty", NULL);

    json_setz(a, request, "stdin", json_bool(server_flag(ex, "input", "stdin")));
    json_setz(a, request, "stdout", json_bool(server_flag(ex, "output", "stdout")));
    /* A terminal has one way out. */
    json_setz(a, request, "stderr", json_bool(server_flag(ex, "error", "stderr") && !tty));
    json_setz(a, request, "tty", json_bool(tty));
}

void server_exec(struct request *r)
{
    const struct rt_container *c = find_container(r);
    struct json request = json_object();
    struct arena *a;

    if (!c)
        return;
    a = arena_new();
    json_setz(a, &request, "container_id", json_string(c->id));
    json_setz(a, &request, "cmd", command_of(a, r->ex, "command"));
    set_streams(a, &request, r->ex);
    open_tunnel(r, RUNTIME_EXEC, a, &request);
}

void server_attach(struct request *r)
{
    const struct rt_container *c = find_container(r);
    struct json request = json_object();
    struct arena *a;

    if (!c)
        return;
    a = arena_new();
    json_setz(a, &request, "container_id", json_string(c->id));
    set_streams(a, &request, r->ex);
    open_tunnel(r, RUNTIME_ATTACH, a, &request);
}

void server_port_forward(struct request *r)
{
    struct pod_worker *w = server_find_pod(r);
    const struct rt_sandbox *sandbox = w ? pod_runtime_sandbox(w->rt) : NULL;
    struct json request = json_object(), ports = json_array();
    struct arena *a;
    size_t n;
    struct http_header *q;

    if (!w)
        return;
    if (!sandbox || !sandbox->ready) {
        server_text(r->ex, 404, "pod \"" PRI_STR "\" has no sandbox that runs", STR_ARG(r->pod));
        return;
    }
    a = arena_new();
    q = http_query_all(r->ex->arena, r->ex->req.query, &n);
    for (size_t i = 0; i < n; i++) { /* "port=80" and "ports=80,81" (WebSocket) */
        str rest = q[i].value, one;
        int64_t port;

        if (str_is(q[i].name, "port") || str_is(q[i].name, "ports"))
            while (str_cut(&rest, ',', &one))
                if (str_to_int64(one, &port) && port > 0 && port < 65536)
                    json_append(a, &ports, json_int(port));
    }
    json_setz(a, &request, "pod_sandbox_id", json_string(sandbox->id));
    json_setz(a, &request, "port", ports);
    open_tunnel(r, RUNTIME_PORT_FORWARD, a, &request);
}

/* ---- /run: a command without a stream ---- */

static void on_run_gone(void *user, struct http_exchange *ex)
{
    struct tunnel *t = user;

    t->ex = NULL;
    http_end(ex);
}

static void on_ran(void *ctx, struct err *err, const struct json *response)
{
    struct tunnel *t = ctx;
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (t->ex) {
        t->ex->on_gone = NULL;
        if (err) {
            server_text(t->ex, 500, "%s", err_text(err));
        } else {
            buf_str(&b, json_get_str(response, "stdout"));
            buf_str(&b, json_get_str(response, "stderr"));
            http_reply(t->ex, 200, "text/plain; charset=utf-8", buf_view(&b));
        }
    }
    err_free(err);
    tunnel_free(t);
}

void server_run(struct request *r)
{
    const struct rt_container *c;
    struct json request = json_object(), command = json_array();
    struct tunnel *t;
    str line, word;

    if (!str_is(r->ex->req.method, "POST")) {
        server_text(r->ex, 405, "405: Method Not Allowed");
        return;
    }
    c = find_container(r);
    if (!c)
        return;
    t = NEW(struct tunnel);
    t->s = r->s;
    t->ex = r->ex;
    t->arena = arena_new();
    if (http_query(r->ex->arena, r->ex->req.query, "cmd", &line))
        while (str_cut(&line, ' ', &word))
            if (word.n)
                json_append(t->arena, &command, json_string(word));
    json_setz(t->arena, &request, "container_id", json_string(c->id));
    json_setz(t->arena, &request, "cmd", command);
    r->ex->user = t;
    r->ex->on_gone = on_run_gone;
    runtime_call(r->s->k->rt, RUNTIME_EXEC_SYNC, &request, 0, on_ran, t);
}
