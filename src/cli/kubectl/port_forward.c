/* port_forward.c - ports of this machine that lead into a pod.
 *
 * Each connection made here gets a WebSocket of its own: channel 0 carries its bytes, channel 1 an error; the first two bytes of
 * each name the port. Source: k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go. */
#include "cli/kubectl/kubectl.h"

#define PORTS_MAX 32
enum { CHANNEL_DATA, CHANNEL_ERROR, N_CHANNELS };

struct forward {
    struct kubectl *k;
    str pod_path;
};
struct port {
    struct forward *f;
    int64_t local, remote;
};
struct connection {
    struct port *port;
    struct stream *local;
    struct channel *channel;
    bool opened, paused, over;
    size_t announced[N_CHANNELS]; /* bytes of the port's number that have come */
    struct buf early;             /* from here, before the channel was open */
};

static void connection_free(void *ctx)
{
    struct connection *c = ctx;

    channel_close(c->channel);
    if (c->local)
        stream_close(c->local, NULL, NULL);
    buf_fini(&c->early);
    mem_free(c);
}

static void over(struct connection *c)
{
    if (c->over)
        return;
    c->over = true;
    loop_defer(c->port->f->k->loop, connection_free, c);
}

static void on_local_written(void *ctx, int error)
{
    over(ctx);
}

static void on_local_data(void *ctx, const char *p, size_t n)
{
    struct connection *c = ctx;

    if (!c->opened) {
        buf_add(&c->early, p, n);
        c->paused = true;
        stream_pause(c->local);
        return;
    }
    channel_send(c->channel, CHANNEL_DATA, (str){p, n});
    if (channel_is_full(c->channel)) {
        c->paused = true;
        stream_pause(c->local);
    }
}

static void on_local_end(void *ctx, int error)
{
    over(ctx);
}

static const struct stream_events local_events = {.data = on_local_data, .end = on_local_end};

static void on_opened(void *ctx, struct err *err)
{
    struct connection *c = ctx;

    if (err) {
        fprintf(stderr, "error: an error occurred forwarding %lld -> %lld: %s\n",
                (long long)c->port->local, (long long)c->port->remote, err_text(err));
        err_free(err);
        over(c);
        return;
    }
    c->opened = true;
    if (c->early.n)
        channel_send(c->channel, CHANNEL_DATA, buf_view(&c->early));
    if (c->paused && !c->over)
        stream_start(c->local, &local_events, c);
    c->paused = false;
}

static void on_data(void *ctx, unsigned char number, str data)
{
    struct connection *c = ctx;

    if (number >= N_CHANNELS || c->over)
        return;
    while (c->announced[number] < 2 && data.n) {
        c->announced[number]++;
        data = str_skip(data, 1);
    }
    if (!data.n)
        return;
    if (number == CHANNEL_DATA)
        stream_write(c->local, data, NULL, NULL);
    else
        fprintf(stderr, "error: an error occurred forwarding %lld -> %lld: " PRI_STR "\n",
                (long long)c->port->local, (long long)c->port->remote, STR_ARG(data));
}

/* What the pod has sent still has to reach the local side. */
static void on_end(void *ctx)
{
    struct connection *c = ctx;

    if (c->over)
        return;
    stream_shutdown(c->local);
    if (stream_queued(c->local))
        stream_write(c->local, S(""), on_local_written, c);
    else
        over(c);
}

static void on_drained(void *ctx)
{
    struct connection *c = ctx;

    if (c->paused && c->opened && !c->over) {
        c->paused = false;
        stream_start(c->local, &local_events, c);
    }
}

static void on_accept(void *ctx, struct stream *s)
{
    static const struct channel_events events = {
        .opened = on_opened, .data = on_data, .end = on_end, .drained = on_drained};
    struct port *port = ctx;
    struct forward *f = port->f;
    struct connection *c = NEW(struct connection);

    printf("Handling connection for %lld\n", (long long)port->local);
    fflush(stdout);
    c->port = port;
    c->local = s;
    c->channel = channel_open(f->k,
                              arena_fmt(f->k->a, PRI_STR "/portforward?ports=%lld",
                                        STR_ARG(f->pod_path), (long long)port->remote),
                              "v4.channel.k8s.io", &events, c);
    stream_start(s, &local_events, c);
}

/* ---- which ports ---- */

/* A number, or the name of a container's port. */
static struct err *pod_port(const struct json *pod, str port, int64_t *ret)
{
    if (str_to_int64(port, ret))
        return *ret > 0 && *ret < 65536
                   ? NULL
                   : err_new(REASON_BAD_REQUEST, "remote port must be between 1 and 65535");
    JSON_EACH(c, json_path(pod, "spec.containers"))
        JSON_EACH(p, json_findz(c, "ports"))
            if (str_eq(json_get_str(p, "name"), port)) {
                *ret = json_get_int(p, "containerPort", 0);
                return NULL;
            }
    return err_new(REASON_BAD_REQUEST, "Pod '" PRI_STR "' does not have a named port '" PRI_STR "'",
                   STR_ARG(json_get_str(pod, "metadata.name")), STR_ARG(port));
}

/* Of a Service: its port (number or name) becomes the pod's. */
static struct err *service_port(struct kubectl *k, const struct json *service,
                                const struct json *pod, str port, int64_t *ret)
{
    JSON_EACH(p, json_path(service, "spec.ports")) {
        const struct json *target = json_findz(p, "targetPort");
        int64_t number = json_get_int(p, "port", 0), wanted;

        if (!(str_to_int64(port, &wanted) ? wanted == number
                                          : str_eq(json_get_str(p, "name"), port)))
            continue;
        if (str_is(json_get_str(service, "spec.clusterIP"), "None")) {
            *ret = number;
            return NULL;
        }
        if (json_is(target, JSON_STRING))
            return pod_port(pod, target->s, ret);
        *ret = json_is(target, JSON_INT) && target->i ? target->i : number;
        return NULL;
    }
    return err_new(REASON_BAD_REQUEST, "Service " PRI_STR " does not have a %s " PRI_STR,
                   STR_ARG(json_get_str(service, "metadata.name")),
                   port.n && port.p[0] >= '0' && port.p[0] <= '9' ? "service port" : "named port",
                   STR_ARG(port));
}

/* "80", "8080:80", ":80", "8080:http" */
static struct err *port_parse(struct kubectl *k, const struct json *service, const struct json *pod,
                              str text, struct port *ret)
{
    str remote = text, local;
    bool split = str_has_char(text, ':');
    struct err *err;

    if (split)
        str_cut(&remote, ':', &local);
    err = service ? service_port(k, service, pod, remote, &ret->remote)
                  : pod_port(pod, remote, &ret->remote);
    if (err)
        return err;
    ret->local = 0;
    if (split
            ? local.n && (!str_to_int64(local, &ret->local) || ret->local < 0 || ret->local > 65535)
            : !str_to_int64(remote, &ret->local))
        return err_new(REASON_BAD_REQUEST, "error parsing local port '" PRI_STR "': invalid syntax",
                       STR_ARG(split ? local : remote));
    return NULL;
}

/* Both loopback addresses unless --address says otherwise; one that is not there does no harm beside another. */
static struct err *port_listen(struct kubectl *k, struct port *port, str addresses)
{
    str address, last = STR_NONE;
    int n = 0, error = 0;

    while (str_cut(&addresses, ',', &address)) {
        bool v6 = str_has_char(address, ':');
        struct listener *l;
        str at;
        int64_t bound;

        error = listener_open(k->loop,
                              arena_fmt(k->a, v6 ? "[" PRI_STR "]:%lld" : PRI_STR ":%lld",
                                        STR_ARG(address), (long long)port->local),
                              on_accept, port, &l);
        last = address;
        if (error)
            continue;
        n++;
        at = listener_address(l);
        if (str_to_int64(str_skip(at, (size_t)(str_rindex(at, ':') + 1)), &bound))
            port->local = bound;
        printf(v6 ? "Forwarding from [" PRI_STR "]:%lld -> %lld\n"
                  : "Forwarding from " PRI_STR ":%lld -> %lld\n",
               STR_ARG(address), (long long)port->local, (long long)port->remote);
    }
    fflush(stdout);
    if (n)
        return NULL;
    fprintf(stderr,
            "Unable to listen on port %lld: Listeners failed to create with the following errors: "
            "[unable to create listener: Error listen %s " PRI_STR ":%lld: bind: %s]\n",
            (long long)port->local, str_has_char(last, ':') ? "tcp6" : "tcp4", STR_ARG(last),
            (long long)port->local,
            error == -EADDRINUSE ? "address already in use" : strerror(-error));
    return err_new(REASON_BAD_REQUEST,
                   "unable to listen on any of the requested ports: [{%lld %lld}]",
                   (long long)port->local, (long long)port->remote);
}

struct err *cmd_port_forward(struct kube_args *args)
{
    struct kubectl *k = args->k;
    struct forward f = {.k = k};
    struct port ports[PORTS_MAX];
    struct json *pod, *service = NULL;
    char *target;
    struct err *err;

    if (args->n < 2)
        return err_new(REASON_BAD_REQUEST,
                       "TYPE/NAME and list of ports are required for port-forward");
    if (args->n - 1 > PORTS_MAX)
        return err_new(REASON_BAD_REQUEST, "more than %d ports", PORTS_MAX);
    target = args->args[0];
    if (strchr(target, '/')) {
        struct kube_targets t = {0};

        err = kube_targets_of_args(k, &target, 1, &t);
        if (!err && str_is(t.items[0].res.plural, "services"))
            err = kube_get(k, &t.items[0], &service);
        if (err)
            return err;
    }
    err = kube_pod_of(k, target, &pod);
    if (err)
        return err;
    if (!str_is(json_get_str(pod, "status.phase"), "Running"))
        return err_new(REASON_BAD_REQUEST,
                       "unable to forward port because pod is not running. Current status=" PRI_STR,
                       STR_ARG(json_get_str(pod, "status.phase")));
    f.pod_path = arena_fmt(k->a, "/api/v1/namespaces/" PRI_STR "/pods/" PRI_STR,
                           STR_ARG(json_get_str(pod, "metadata.namespace")),
                           STR_ARG(json_get_str(pod, "metadata.name")));
    for (int i = 1; i < args->n; i++) {
        struct port *p = &ports[i - 1];

        *p = (struct port){.f = &f};
        err = port_parse(k, service, pod, str_of(args->args[i]), p);
        if (!err)
            err = port_listen(k, p, args->f->address.n ? args->f->address : S("127.0.0.1,::1"));
        if (err)
            return err;
    }
    for (;;)
        loop_run(k->loop);
}
