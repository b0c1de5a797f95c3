/* actions.c - what probes and lifecycle hooks do: execute, HTTP GET, connect, sleep, ask a gRPC health service.
 *
 * An action copies what it needs, runs once and reports once, unless it is cancelled.
 * API: https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/ */
#include "kubelet/kubelet_internal.h"
#include "wire/grpc.h"

#define BODY_MAX (10u << 10)            /* bytes of an answer that are read */
#define OUTPUT_MAX (10u << 10)          /* bytes of a command's output in messages */
#define HOOK_TIMEOUT_NS (30 * NS_PER_S) /* of HTTP hooks without a limit of their own */

struct action {
    struct kubelet *k;
    struct arena *arena;
    action_fn *done;
    void *ctx;
    bool is_probe, cancelled;
    int64_t timeout_ns;
    str url;
    struct loop_timer *timer;
    struct grpc_channel *channel;
};

static void action_free(void *ctx)
{
    struct action *x = ctx;

    loop_timer_free(x->timer);
    if (x->channel)
        grpc_channel_free(x->channel);
    arena_free(x->arena);
    mem_free(x);
}

static void end(struct action *x, bool ok, bool unknown, str message)
{
    if (!x->cancelled)
        x->done(x->ctx, ok, unknown, message);
    if (x->channel)
        loop_defer(x->k->loop, action_free, x); /* not from within its own callback */
    else
        action_free(x);
}

void action_cancel(struct action *x)
{
    if (!x)
        return;
    x->cancelled = true;
    if (x->timer && loop_timer_is_set(x->timer)) /* nothing but the timer would come */
        loop_timer_set(x->timer, 0);
}

/* ---- exec ---- */

static void on_exec(void *ctx, struct err *err, const struct json *response)
{
    struct action *x = ctx;
    CLEANUP(buf) struct buf text = BUF_INIT;
    str out;
    int64_t code;

    if (err) {
        bool timeout = err->reason == REASON_TIMEOUT ||
                       str_find(str_of(err->message), S("timed out")) >= 0 ||
                       str_find(str_of(err->message), S("timeout")) >= 0;

        if (timeout && x->is_probe)
            buf_fmt(&text, "command timed out: " PRI_STR, STR_ARG(str_of(err->message)));
        else
            buf_z(&text, err_text(err));
        err_free(err);
        end(x, false, !timeout, buf_view(&text));
        return;
    }
    code = json_get_int(response, "exit_code", 0);
    out = json_get_str(response, "stdout");
    buf_str(&text, str_slice(out, 0, OUTPUT_MAX));
    out = json_get_str(response, "stderr");
    buf_str(&text, str_slice(out, 0, OUTPUT_MAX));
    end(x, code == 0, false, buf_view(&text));
}

static void run_exec(struct action *x, str container_id, const struct json *exec)
{
    struct json request = json_object();
    int64_t seconds = (x->timeout_ns + NS_PER_S - 1) / NS_PER_S;

    json_setz(x->arena, &request, "container_id", json_string(container_id));
    json_setz(x->arena, &request, "cmd",
              json_findz(exec, "command") ? *json_findz(exec, "command") : json_array());
    json_setz(x->arena, &request, "timeout", json_int(seconds));
    runtime_call(x->k->rt, RUNTIME_EXEC_SYNC, &request,
                 seconds ? x->timeout_ns + 10 * NS_PER_S : RUNTIME_PULL_TIMEOUT_NS, on_exec, x);
}

/* ---- HTTP ---- */

static void on_http(void *ctx, struct err *err, const struct http_response *r, str body)
{
    struct action *x = ctx;
    CLEANUP(buf) struct buf text = BUF_INIT;

    if (err) {
        if (str_has_prefix(str_of(err_text(err)), S("Get \"")))
            buf_z(&text, err_text(err));
        else
            buf_fmt(&text, "Get \"" PRI_STR "\": %s", STR_ARG(x->url), err_text(err));
        err_free(err);
        end(x, false, false, buf_view(&text));
        return;
    }
    if (!x->is_probe || (r->status >= 200 && r->status < 400)) {
        end(x, true, false, STR_NONE);
        return;
    }
    buf_fmt(&text, "HTTP probe failed with statuscode: %d", r->status);
    end(x, false, false, buf_view(&text));
}

static bool same_name(str a, const char *b)
{
    return str_eq_nocase(a, str_of(b));
}

static void run_http(struct action *x, const struct action_target *t, const struct json *get)
{
    const struct json *given = json_findz(get, "httpHeaders");
    str host = json_get_str(get, "host"), path = json_get_str(get, "path");
    bool https = str_eq_nocase(json_get_str(get, "scheme"), S("HTTPS")), agent = false,
         accept = false, v6;
    struct http_header *headers = ARENA_NEW_N(x->arena, struct http_header, json_count(given) + 2);
    struct http_call_options o = {.method = S("GET"),
                                  .headers = headers,
                                  .timeout_ns = x->timeout_ns ? x->timeout_ns : HOOK_TIMEOUT_NS};
    int port = podspec_port(t->container, json_findz(get, "port"));

    if (!host.n)
        host = t->host;
    v6 = str_has_char(host, ':');
    if (!str_has_prefix(path, S("/")))
        path = arena_fmt(x->arena, "/" PRI_STR, STR_ARG(path));
    x->url = arena_fmt(x->arena, "%s://%s" PRI_STR "%s:%d" PRI_STR, https ? "https" : "http",
                       v6 ? "[" : "", STR_ARG(host), v6 ? "]" : "", port, STR_ARG(path));
    JSON_EACH(h, given) {
        str name = json_get_str(h, "name"), value = json_get_str(h, "value");

        if (same_name(name, "Host")) {
            o.host = arena_dup(x->arena, value);
            continue;
        }
        agent |= same_name(name, "User-Agent");
        accept |= same_name(name, "Accept");
        headers[o.n_headers++] =
            (struct http_header){arena_dup(x->arena, name), arena_dup(x->arena, value)};
    }
    if (!agent)
        headers[o.n_headers++] = (struct http_header){
            S("User-Agent"), x->is_probe ? S("kube-probe/1.36") : S("kube-lifecycle/1.36")};
    if (!accept)
        headers[o.n_headers++] = (struct http_header){S("Accept"), S("*/*")};
    o.url = x->url;
    http_fetch(x->k->http, &o, BODY_MAX, on_http, x);
}

/* ---- TCP ---- */

static void on_connect(void *ctx, int error, struct stream *s)
{
    struct action *x = ctx;
    CLEANUP(buf) struct buf text = BUF_INIT;

    if (s)
        stream_close(s, NULL, NULL);
    if (error)
        buf_fmt(&text, "dial tcp " PRI_STR ": %s", STR_ARG(x->url),
                error == -ECONNREFUSED ? "connect: connection refused"
                : error == -ETIMEDOUT  ? "i/o timeout"
                                       : strerror(-error));
    end(x, !error, false, buf_view(&text));
}

static void run_tcp(struct action *x, const struct action_target *t, const struct json *tcp)
{
    str host = json_get_str(tcp, "host");
    int port = podspec_port(t->container, json_findz(tcp, "port"));

    if (!host.n)
        host = t->host;
    x->url = arena_fmt(x->arena, str_has_char(host, ':') ? "[" PRI_STR "]:%d" : PRI_STR ":%d",
                       STR_ARG(host), port);
    stream_connect(x->k->loop, x->url, x->timeout_ns ? x->timeout_ns : HOOK_TIMEOUT_NS, on_connect,
                   x);
}

/* ---- gRPC health ---- */

static void on_health(void *ctx, int status, str message, str response)
{
    static const char *const names[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
    enum { GRPC_DEADLINE = 4, GRPC_UNIMPLEMENTED = 12, GRPC_UNAVAILABLE = 14, SERVING = 1 };
    struct action *x = ctx;
    CLEANUP(buf) struct buf text = BUF_INIT;
    CLEANUP(buf) struct buf limit = BUF_INIT;
    unsigned health = 0;

    buf_duration(&limit, x->timeout_ns ? x->timeout_ns : HOOK_TIMEOUT_NS);
    if (status) {
        if (status == GRPC_UNIMPLEMENTED)
            buf_fmt(&text,
                    "error: this server does not implement the grpc health protocol "
                    "(grpc.health.v1.Health): " PRI_STR,
                    STR_ARG(message));
        else if (status == GRPC_DEADLINE)
            buf_fmt(&text, "timeout: health rpc did not complete within %s", buf_cstr(&limit));
        else if (status == GRPC_UNAVAILABLE) /* Kubernetes dials until the time is up */
            buf_fmt(&text,
                    "timeout: failed to connect service \"" PRI_STR
                    "\" within %s: context deadline exceeded",
                    STR_ARG(x->url), buf_cstr(&limit));
        else
            buf_fmt(&text, "error: health rpc probe failed: rpc error: code = %s desc = " PRI_STR,
                    runtime_code_name(status), STR_ARG(message));
        end(x, false, false, buf_view(&text));
        return;
    }
    if (response.n >= 2 && response.p[0] == (1 << 3)) /* HealthCheckResponse.status */
        health = (unsigned char)response.p[1];
    if (health != SERVING)
        buf_fmt(&text, "service unhealthy (responded with \"%s\")",
                health < ARRAY_LEN(names) ? names[health] : "?");
    end(x, health == SERVING, false, buf_view(&text));
}

static void run_grpc(struct action *x, const struct action_target *t, const struct json *grpc)
{
    CLEANUP(buf) struct buf request = BUF_INIT;
    str service = json_get_str(grpc, "service");

    x->url = arena_fmt(x->arena, str_has_char(t->host, ':') ? "[" PRI_STR "]:%d" : PRI_STR ":%d",
                       STR_ARG(t->host), (int)json_get_int(grpc, "port", 0));
    if (service.n && service.n < 128) { /* HealthCheckRequest.service */
        buf_char(&request, 1 << 3 | 2);
        buf_char(&request, (char)service.n);
        buf_str(&request, service);
    }
    x->channel = grpc_channel_new(x->k->loop, x->url, NULL);
    grpc_unary(x->channel, S("/grpc.health.v1.Health/Check"), buf_view(&request),
               x->timeout_ns ? x->timeout_ns : HOOK_TIMEOUT_NS, on_health, x);
}

/* ---- sleep, and what cannot be done ---- */

static void on_slept(void *ctx)
{
    end(ctx, true, false, STR_NONE);
}

static void on_nothing(void *ctx)
{
    end(ctx, false, true, S("missing probe handler"));
}

struct action *action_run(const struct action_target *t, const struct json *handler,
                          int64_t timeout_ns, bool is_probe, action_fn *done, void *ctx)
{
    struct action *x = NEW(struct action);
    const struct json *v;

    *x = (struct action){.k = t->k,
                         .arena = arena_new(),
                         .done = done,
                         .ctx = ctx,
                         .is_probe = is_probe,
                         .timeout_ns = timeout_ns};
    if ((v = json_findz(handler, "exec"))) {
        run_exec(x, t->container_id, v);
    } else if ((v = json_findz(handler, "httpGet"))) {
        run_http(x, t, v);
    } else if ((v = json_findz(handler, "tcpSocket"))) {
        run_tcp(x, t, v);
    } else if ((v = json_findz(handler, "grpc"))) {
        run_grpc(x, t, v);
    } else if ((v = json_findz(handler, "sleep"))) {
        x->timer = loop_timer_new(t->k->loop, on_slept, x);
        loop_timer_set(x->timer, json_get_int(v, "seconds", 0) * NS_PER_S);
    } else {
        loop_defer(t->k->loop, on_nothing, x);
    }
    return x;
}
