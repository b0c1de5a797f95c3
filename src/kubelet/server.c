/* server.c - the agent's HTTPS port: who may ask, and where a request goes.
 *
 * Only the API server asks here, with a client certificate of the cluster's CA: its own, or an administrator's.
 * API: https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/ */
#include "kubelet/server_internal.h"

#define BODY_MAX (64u << 10)

void server_text(struct http_exchange *ex, int status, const char *fmt, ...)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_vfmt(&b, fmt, ap);
    va_end(ap);
    http_reply(ex, status, "text/plain; charset=utf-8", buf_view(&b));
}

bool server_flag(struct http_exchange *ex, const char *name, const char *other)
{
    str v;

    if (!http_query(ex->arena, ex->req.query, name, &v) &&
        !(other && http_query(ex->arena, ex->req.query, other, &v)))
        return false;
    return str_is(v, "1") || str_is(v, "true") || str_is(v, "True");
}

struct pod_worker *server_find_pod(struct request *r)
{
    MAP_EACH(e, &r->s->k->workers) {
        struct pod_worker *w = e->value;

        if (w->pod && !w->forgotten && str_is(r->ns, w->ns) && str_is(r->pod, w->name))
            return w;
    }
    server_text(r->ex, 404, "pod \"" PRI_STR "\" in namespace \"" PRI_STR "\" not found",
                STR_ARG(r->pod), STR_ARG(r->ns));
    return NULL;
}

static void healthz(struct request *r)
{
    server_text(r->ex, r->s->k->runtime_up ? 200 : 500,
                r->s->k->runtime_up ? "ok" : "the container runtime is down");
}

static void pods(struct request *r)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    bool first = true;

    buf_z(&b, "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{},\"items\":[");
    MAP_EACH(e, &r->s->k->workers) {
        struct pod_worker *w = e->value;

        if (!w->pod || w->forgotten)
            continue;
        buf_z(&b, first ? "" : ",");
        first = false;
        json_encode(&b, w->pod);
    }
    buf_z(&b, "]}");
    http_reply(r->ex, 200, "application/json", buf_view(&b));
}

static const struct route {
    str path; /* exact, or the prefix before /ns/pod[/uid][/container] */
    void (*handle)(struct request *r);
    int parts; /* 0: exact; 2: ns, pod; 3: and container */
    bool open; /* to anybody: tells nothing but that the agent lives */
} routes[] = {
    {STR("/healthz"), healthz, 0, true},
    {STR("/pods"), pods, 0, false},
    {STR("/containerLogs"), server_logs, 3, false},
    {STR("/exec"), server_exec, 3, false},
    {STR("/attach"), server_attach, 3, false},
    {STR("/run"), server_run, 3, false},
    {STR("/portForward"), server_port_forward, 2, false},
    {STR("/stats/summary"), server_stats_summary, 0, false},
    {STR("/metrics/resource"), server_metrics_resource, 0, false},
    {STR("/metrics"), server_metrics, 0, false},
};

static bool may_ask(const struct http_peer *p)
{
    if (!p->cert_verified)
        return false;
    if (str_is(p->cert_common_name, "kube-apiserver-kubelet-client") ||
        str_is(p->cert_common_name, "kube-apiserver"))
        return true;
    for (size_t i = 0; i < p->n_cert_organizations; i++)
        if (str_is(p->cert_organizations[i], "system:masters"))
            return true;
    return false;
}

/* "/ns/pod/container" or "/ns/pod/uid/container" behind the route's prefix. */
static bool split(struct request *r, str rest, int wanted)
{
    str parts[4], part;
    int n = 0;

    rest = str_skip(rest, 1);
    while (str_cut(&rest, '/', &part)) {
        if (n == 4 || !http_percent_decode(r->ex->arena, part, false, &parts[n]))
            return false;
        n++;
    }
    if (n != wanted && n != wanted + 1)
        return false;
    r->ns = parts[0];
    r->pod = parts[1];
    if (wanted == 3)
        r->container = parts[n - 1];
    return true;
}

static void handle(void *ctx, struct http_exchange *ex)
{
    struct request r = {.s = ctx, .ex = ex};
    str path = ex->req.path;

    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        const struct route *route = &routes[i];

        if (route->parts ? !(str_has_prefix(path, route->path) && path.n > route->path.n &&
                             path.p[route->path.n] == '/')
                         : !(str_eq(path, route->path) ||
                             (path.n == route->path.n + 1 && str_has_prefix(path, route->path) &&
                              path.p[route->path.n] == '/')))
            continue;
        if (!route->open && !may_ask(&ex->req.peer)) {
            if (ex->req.peer.cert_verified)
                server_text(ex, 403,
                            "Forbidden (user=" PRI_STR
                            ", verb=get, resource=nodes, subresource=proxy)",
                            STR_ARG(ex->req.peer.cert_common_name));
            else
                server_text(ex, 401, "Unauthorized");
            return;
        }
        if (route->parts && !split(&r, str_skip(path, route->path.n), route->parts))
            break;
        route->handle(&r);
        return;
    }
    server_text(ex, 404, "404 page not found");
}

struct err *kubelet_server_start(struct kubelet *k, struct kubelet_server **ret)
{
    struct kubelet_server *s = NEW(struct kubelet_server);
    struct tls_server_options tls = {.cert_pem = k->o.serving_cert_pem,
                                     .key_pem = k->o.serving_key_pem,
                                     .client_ca_pem = k->o.client_ca_pem};
    struct http_server_options http = {.body_limit = BODY_MAX};
    char address[64];
    struct err *err;
    str bound;
    int64_t port;
    int r;

    s->k = k;
    list_init(&s->followers);
    map_init(&s->cpu_samples);
    if (!tls.cert_pem.n) { /* a node without a certificate (simulations) serves nothing */
        *ret = s;
        return NULL;
    }
    err = tls_server_new(&tls, &s->tls);
    if (err) {
        kubelet_server_free(s);
        return err_note(err, "the node's own HTTPS port");
    }
    http.tls = s->tls;
    snprintf(address, sizeof address, "0.0.0.0:%d", k->o.port);
    r = http_server_open(k->loop, str_of(address), &http, handle, s, &s->http);
    if (r < 0) {
        kubelet_server_free(s);
        return err_errno(r, "listen on port %d for the API server", k->o.port);
    }
    bound = http_server_address(s->http);
    if (str_to_int64(str_skip(bound, (size_t)(str_rindex(bound, ':') + 1)), &port))
        s->port = (int)port;
    *ret = s;
    return NULL;
}

int kubelet_server_port(const struct kubelet_server *s)
{
    return s->port;
}

void kubelet_server_free(struct kubelet_server *s)
{
    if (!s)
        return;
    server_followers_free(s);
    server_stats_free(s);
    if (s->http)
        http_server_close(s->http, NULL, NULL);
    tls_server_free(s->tls);
    mem_free(s);
}
