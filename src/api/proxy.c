/* proxy.c - requests that go on to somebody else: a pod's log, exec, attach and port-forward at its
 * kubelet; proxies to pods, services and nodes.
 *
 * Not here: how they go (forward.c). API:
 * https://kubernetes.io/docs/concepts/architecture/control-plane-node-communication/ */
#include "api/forward.h"

#define KUBELET_PORT 10250

static struct err *clients_ready(struct api *api)
{
    struct tls_client_options t;
    struct err *e;

    if (api->kubelets)
        return NULL;
    /* Kubelets have certificates of their own making unless the cluster signs them: identity is
     * ours to prove, not theirs. */
    t = (struct tls_client_options){.cert_pem = api->o.kubelet_client_cert_pem,
                                    .key_pem = api->o.kubelet_client_key_pem,
                                    .insecure = true};
    e = tls_client_new(&t, &api->kubelet_tls);
    if (e)
        return err_note(e, "client of the kubelets");
    api->kubelets =
        http_client_new(api->loop, &(struct http_client_options){.tls = api->kubelet_tls});
    return NULL;
}

static void forward_as(struct req *q, str url, bool log)
{
    struct err *e = clients_ready(q->api);

    if (e)
        reply_error(q, e);
    else if (log && http_wants_websocket(&q->ex->req))
        log_socket_serve(q, url);
    else
        forward_request(
            q, &(struct forward_target){.client = q->api->kubelets, .url = url, .log = log});
}

static void forward(struct req *q, str url)
{
    forward_as(q, url, false);
}

/* ---- where pods live ---- */

static struct err *node_url(struct req *q, str node, str *ret)
{
    static const char *const order[] = {"Hostname", "InternalDNS", "InternalIP", "ExternalDNS",
                                        "ExternalIP"};
    const struct kind *k = api_core(q->api, "nodes");
    const struct obj *o = store_find(q->api->store, kind_key(k, S(""), node));
    struct json *v;
    int64_t port;

    if (!o)
        return err_not_found(k, node);
    v = object_parse(q->a, arena_dup(q->a, o->data));
    port = json_get_int(v, "status.daemonEndpoints.kubeletEndpoint.Port", 0);
    if (!port)
        port = KUBELET_PORT;
    /* Addresses before names: a host name of a node need not resolve here. */
    for (size_t pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < ARRAY_LEN(order); i++)
            JSON_EACH(a, json_at(v, "status", "addresses", NULL))
                if (str_is(json_get_str(a, "type"), order[i]) &&
                    (str_has_suffix(str_of(order[i]), S("IP")) == (pass == 0))) {
                    *ret = arena_fmt(q->a, "https://" PRI_STR ":%lld",
                                     STR_ARG(json_get_str(a, "address")), (long long)port);
                    return NULL;
                }
    return err_new(REASON_INTERNAL, "no preferred addresses found; known addresses: []");
}

static struct err *pod_get(struct req *q, struct json **ret)
{
    const struct obj *o =
        store_find(q->api->store, kind_key(q->route.kind, q->route.ns, q->route.name));

    if (!o)
        return err_not_found(q->route.kind, q->route.name);
    *ret = object_parse(q->a, arena_dup(q->a, o->data));
    return NULL;
}

static struct json *container_named(struct json *pod, str name, bool *ret_any)
{
    static const char *const lists[] = {"containers", "initContainers", "ephemeralContainers"};

    *ret_any = false;
    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        JSON_EACH(c, json_at(pod, "spec", lists[l], NULL)) {
            *ret_any = true;
            if (str_eq(json_get_str(c, "name"), name))
                return c;
        }
    return NULL;
}

static void names_of(struct buf *b, struct json *pod, const char *list)
{
    buf_char(b, '[');
    JSON_EACH(c, json_at(pod, "spec", list, NULL))
        buf_fmt(b, "%s" PRI_STR, c == json_at(pod, "spec", list, NULL)->items ? "" : " ",
                STR_ARG(json_get_str(c, "name")));
    buf_char(b, ']');
}

/* The container asked for, or the only one. */
static struct err *choose_container(struct req *q, struct json *pod, str *ret)
{
    const struct json *list = json_at(pod, "spec", "containers", NULL);
    str name = query_str(q, "container"), pod_name = q->route.name;
    bool any;
    struct err *e;

    if (!name.n) {
        struct buf b = BUF_INIT;

        if (json_count(list) == 1) {
            *ret = json_get_str(json_item(list, 0), "name");
            return NULL;
        }
        names_of(&b, pod, "containers");
        if (json_count(json_at(pod, "spec", "initContainers", NULL))) {
            buf_z(&b, " or one of the init containers: ");
            names_of(&b, pod, "initContainers");
        }
        if (json_count(list))
            e = err_new(REASON_BAD_REQUEST,
                        "a container name must be specified for pod " PRI_STR ", choose one of: %s",
                        STR_ARG(pod_name), buf_cstr(&b));
        else
            e = err_new(REASON_BAD_REQUEST, "a container name must be specified for pod " PRI_STR,
                        STR_ARG(pod_name));
        buf_fini(&b);
        return e;
    }
    if (!container_named(pod, name, &any))
        return err_new(REASON_BAD_REQUEST, "container " PRI_STR " is not valid for pod " PRI_STR,
                       STR_ARG(name), STR_ARG(pod_name));
    *ret = name;
    return NULL;
}

static void add_query(struct req *q, struct buf *b, const char *const *names)
{
    size_t n = 0;
    struct http_header *all;
    bool first = true;

    if (!q->ex->req.query.n)
        return;
    all = http_query_all(q->a, q->ex->req.query, &n);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; names[k]; k++)
            if (str_is(all[i].name, names[k])) {
                buf_char(b, first ? '?' : '&');
                first = false;
                http_percent_encode(b, all[i].name);
                buf_char(b, '=');
                http_percent_encode(b, all[i].value);
            }
}

/* Log options are checked here, so that mistakes get the API's own texts. */
static struct err *check_log_options(struct req *q)
{
    static const struct {
        const char *name;
        int64_t min;
        const char *text;
    } numbers[] = {{"tailLines", 0, "must be greater than or equal to 0"},
                   {"limitBytes", 1, "must be greater than 0"},
                   {"sinceSeconds", 1, "must be greater than 0"}};
    struct err *errs = NULL;

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        int64_t v;
        bool given;
        struct err *e = query_int(q, numbers[i].name, &v, &given);

        if (e) {
            err_free(errs);
            return e;
        }
        if (given && v < numbers[i].min)
            cause(&errs, CAUSE_INVALID, str_of(numbers[i].name), "Invalid value: %lld: %s",
                  (long long)v, numbers[i].text);
    }
    if (query_str(q, "sinceTime").n) {
        str t = query_str(q, "sinceTime");
        wall_time parsed;

        if (!rfc3339_parse(t, &parsed)) {
            err_free(errs);
            return err_new(REASON_BAD_REQUEST,
                           "parsing time \"" PRI_STR
                           "\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"" PRI_STR
                           "\" as \"2006\"",
                           STR_ARG(t), STR_ARG(t));
        }
    }
    if (query_str(q, "sinceSeconds").n && query_str(q, "sinceTime").n)
        cause(&errs, CAUSE_FORBIDDEN, S(""),
              "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified");
    return err_invalid(errs, S(""), S("PodLogOptions"), q->route.name);
}

void proxy_log(struct req *q)
{
    static const char *const options[] = {
        "follow",     "previous",   "sinceSeconds",
        "sinceTime",  "timestamps", "tailLines",
        "limitBytes", "stream",     "insecureSkipTLSVerifyBackend",
        NULL};
    struct json *pod;
    struct buf b = BUF_INIT;
    str container, node, base;
    struct err *e = check_log_options(q);

    if (!e)
        e = pod_get(q, &pod);
    if (!e)
        e = choose_container(q, pod, &container);
    if (!e) {
        node = json_get_str(pod, "spec.nodeName");
        if (!node.n) {
            /* Nothing has run yet: an empty log, as Kubernetes. */
            reply_no_content(q);
            return;
        }
        e = node_url(q, node, &base);
    }
    if (e) {
        reply_error(q, e);
        return;
    }
    buf_fmt(&b, PRI_STR "/containerLogs/" PRI_STR "/" PRI_STR "/" PRI_STR, STR_ARG(base),
            STR_ARG(q->route.ns), STR_ARG(q->route.name), STR_ARG(container));
    add_query(q, &b, options);
    base = arena_dup(q->a, buf_view(&b));
    buf_fini(&b);
    forward_as(q, base, true);
}

void proxy_exec(struct req *q)
{
    static const char *const options[] = {"stdin",   "stdout", "stderr", "tty",
                                          "command", "port",   "ports",  NULL};
    static const struct {
        const char *from, *to;
    } renamed[] = {{"stdin", "input"}, {"stdout", "output"}, {"stderr", "error"}};
    bool ports = str_is(q->route.subresource, "portforward");
    struct json *pod;
    struct buf b = BUF_INIT;
    str container = S(""), node, base, url;
    struct err *e = pod_get(q, &pod);
    size_t n = 0;

    if (!e && !ports)
        e = choose_container(q, pod, &container);
    if (!e) {
        node = json_get_str(pod, "spec.nodeName");
        if (!node.n)
            e = err_new(REASON_BAD_REQUEST, "pod " PRI_STR " does not have a host assigned",
                        STR_ARG(q->route.name));
        else
            e = node_url(q, node, &base);
    }
    if (!e && !q->ex->req.is_upgrade)
        e = err_new(REASON_BAD_REQUEST, "Upgrade request required");
    if (e) {
        reply_error(q, e);
        return;
    }
    buf_fmt(&b, PRI_STR "/%s/" PRI_STR "/" PRI_STR, STR_ARG(base),
            ports                                    ? "portForward"
            : str_is(q->route.subresource, "attach") ? "attach"
                                                     : "exec",
            STR_ARG(q->route.ns), STR_ARG(q->route.name));
    if (!ports)
        buf_fmt(&b, "/" PRI_STR, STR_ARG(container));
    if (q->ex->req.query.n) {
        struct http_header *all = http_query_all(q->a, q->ex->req.query, &n);
        bool first = true;

        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; options[k]; k++) {
                str name = all[i].name, value = all[i].value;

                if (!str_is(name, options[k]))
                    continue;
                /* The kubelet has its own names for the streams, and "1" for true. */
                for (size_t r = 0; r < ARRAY_LEN(renamed); r++)
                    if (str_is(name, renamed[r].from)) {
                        name = str_of(renamed[r].to);
                        value = str_is(value, "true") || str_is(value, "1") ? S("1") : S("0");
                    }
                if (str_is(name, "tty"))
                    value = str_is(value, "true") || str_is(value, "1") ? S("1") : S("0");
                buf_char(&b, first ? '?' : '&');
                first = false;
                http_percent_encode(&b, name);
                buf_char(&b, '=');
                http_percent_encode(&b, value);
            }
    }
    url = arena_dup(q->a, buf_view(&b));
    buf_fini(&b);
    forward(q, url);
}

/* ---- pods/x/proxy, services/x/proxy, nodes/x/proxy ---- */

/* "https:name:port" and its shorter forms. */
static void split_target(str id, str *scheme, str *name, str *port)
{
    str a, b;

    *scheme = S("http");
    *port = S("");
    *name = id;
    if (!str_has_char(id, ':'))
        return;
    str_cut(&id, ':', &a);
    if (str_has_char(id, ':')) {
        str_cut(&id, ':', &b);
        *scheme = a.n ? a : S("http");
        *name = b;
        *port = id;
    } else if (str_is(a, "http") || str_is(a, "https")) {
        *scheme = a;
        *name = id;
    } else {
        *name = a;
        *port = id;
    }
}

static struct err *service_target(struct req *q, str name, str port, str *ret)
{
    const struct kind *services = api_core(q->api, "services"),
                      *endpoints = api_core(q->api, "endpoints");
    const struct obj *o = store_find(q->api->store, kind_key(services, q->route.ns, name)), *ep;
    struct json *svc, *v;
    str port_name = S("");
    bool found = false;

    if (!o || !store_find(q->api->store, kind_key(endpoints, q->route.ns, name)))
        return err_not_found(services, name);
    svc = object_parse(q->a, arena_dup(q->a, o->data));
    JSON_EACH(p, json_at(svc, "spec", "ports", NULL)) {
        str number = arena_fmt(q->a, "%lld", (long long)json_get_int(p, "port", 0));

        if (!found && ((!port.n && json_count(json_at(svc, "spec", "ports", NULL)) == 1) ||
                       str_eq(port, json_get_str(p, "name")) || str_eq(port, number))) {
            found = true;
            port_name = json_get_str(p, "name");
        }
    }
    if (!found)
        return err_new(REASON_UNAVAILABLE,
                       "no service port \"" PRI_STR "\" found for service \"" PRI_STR "\"",
                       STR_ARG(port), STR_ARG(name));
    ep = store_find(q->api->store, kind_key(endpoints, q->route.ns, name));
    v = ep ? object_parse(q->a, arena_dup(q->a, ep->data)) : NULL;
    JSON_EACH(s, json_findz(v, "subsets"))
        JSON_EACH(p, json_findz(s, "ports"))
            if (str_eq(json_get_str(p, "name"), port_name) &&
                json_count(json_findz(s, "addresses"))) {
                const struct json *list = json_findz(s, "addresses"),
                                  *a = json_item(
                                      list, (uint32_t)(loop_random_u64(q->api->loop) % list->n));

                *ret = arena_fmt(q->a, PRI_STR ":%lld", STR_ARG(json_get_str(a, "ip")),
                                 (long long)json_get_int(p, "port", 0));
                return NULL;
            }
    return err_new(REASON_UNAVAILABLE, "no endpoints available for service \"" PRI_STR "\"",
                   STR_ARG(name));
}

static struct err *pod_target(struct req *q, str name, str port, str *ret)
{
    const struct kind *pods = api_core(q->api, "pods");
    const struct obj *o = store_find(q->api->store, kind_key(pods, q->route.ns, name));
    struct json *v;
    str ip;

    if (!o)
        return err_not_found(pods, name);
    v = object_parse(q->a, arena_dup(q->a, o->data));
    ip = json_get_str(v, "status.podIP");
    if (!port.n)
        JSON_EACH(c, json_at(v, "spec", "containers", NULL))
            if (!port.n && json_count(json_findz(c, "ports")))
                port = arena_fmt(q->a, "%lld",
                                 (long long)json_get_int(json_item(json_findz(c, "ports"), 0),
                                                         "containerPort", 0));
    if (!ip.n)
        return err_new(REASON_BAD_REQUEST, "address not allowed");
    *ret = port.n ? arena_fmt(q->a, PRI_STR ":" PRI_STR, STR_ARG(ip), STR_ARG(port)) : ip;
    return NULL;
}

/* Links of the page behind ".../proxy" are relative to ".../proxy/": who asks for the one is sent to the other. */
static bool to_directory(struct req *q)
{
    const struct http_request *r = &q->ex->req;
    struct http_header h[2];

    if (q->route.rest.n || str_has_suffix(r->path, S("/")) || r->is_upgrade ||
        !(str_is(r->method, "GET") || str_is(r->method, "HEAD")))
        return false;
    h[0] =
        (struct http_header){S("Location"), arena_fmt(q->a, PRI_STR "/%s" PRI_STR, STR_ARG(r->path),
                                                      r->query.n ? "?" : "", STR_ARG(r->query))};
    h[1] = (struct http_header){S("Content-Length"), S("0")};
    http_start(q->ex, 301, h, ARRAY_LEN(h));
    http_end(q->ex);
    return true;
}

void proxy_any(struct req *q)
{
    static const str forwarded = STR("X-Forwarded-Uri");
    struct proxy_links *links;
    str plural = q->route.kind->r->plural, scheme, name, port, target = S(""), url;
    struct err *e = NULL;

    split_target(q->route.name, &scheme, &name, &port);
    if (str_is(plural, "services"))
        e = service_target(q, name, port, &target);
    else if (str_is(plural, "pods"))
        e = pod_target(q, name, port, &target);
    else {
        e = node_url(q, name, &url);
        if (!e)
            target = str_skip(url, 8);
        scheme = S("https");
    }
    if (e) {
        reply_error(q, e);
        return;
    }
    if (to_directory(q))
        return;
    e = clients_ready(q->api);
    if (e) {
        reply_error(q, e);
        return;
    }
    url = arena_fmt(q->a, PRI_STR "://" PRI_STR "/" PRI_STR "%s" PRI_STR, STR_ARG(scheme),
                    STR_ARG(target), STR_ARG(q->route.rest), q->ex->req.query.n ? "?" : "",
                    STR_ARG(q->ex->req.query));
    links = ARENA_NEW(q->a, struct proxy_links);
    *links = (struct proxy_links){.target = target, .host = http_header(&q->ex->req, "Host")};
    links->prefix = q->ex->req.path;
    links->prefix.n -= q->route.rest.n;
    if (str_has_suffix(links->prefix, S("/")))
        links->prefix.n--;
    forward_request(q, &(struct forward_target){
                           .client = q->api->kubelets,
                           .url = url,
                           .links = links,
                           .drop = &forwarded,
                           .n_drop = 1,
                           .add = &(struct http_header){S("X-Forwarded-Uri"), q->ex->req.path},
                           .n_add = 1});
}
