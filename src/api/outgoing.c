/* outgoing.c - calls of the API server to others: see outgoing.h.
 *
 * A Service is resolved in the store when the call begins; the certificate has to name
 * <service>.<namespace>.svc, which is also the host in the URL.
 *
 * Invariants
 *   (1) fn runs exactly once, unless the call is cancelled.
 *   (2) At most OUTGOING_PEERS_MAX TLS configurations are kept; one more is made only while calls
 *       keep all of them busy, and goes with its last call.
 *
 * Not here: what is said (ConversionReview, AdmissionReview) and how failures are worded to the user.
 * API: k8s.io/apiserver/pkg/util/{webhook,proxy}, k8s.io/client-go/rest/request.go */
#include "api/outgoing.h"

struct outgoing_peer {
    struct list link; /* used last: last */
    struct outgoing *set;
    char key[65];
    struct tls_client *tls;
    struct http_client *http;
    uint32_t users;
};
struct outgoing {
    struct list peers;
    size_t n;
    struct list calls; /* of outgoing_post() */
};

/* ---- Services ---- */

struct endpoints {
    struct arena *a;
    str service, port_name;
    str *addresses;
    size_t n, cap;
};

static bool slice_is_of(const struct obj *o, str service)
{
    str rest = o->labels, name, value;

    while (str_cut(&rest, '\0', &name) && str_cut(&rest, '\0', &value))
        if (str_is(name, "kubernetes.io/service-name"))
            return str_eq(value, service);
    return false;
}

static void address_add(struct endpoints *e, str ip, int64_t port)
{
    if (e->n == e->cap) {
        size_t cap = e->cap ? e->cap * 2 : 8;

        e->addresses = arena_grow(e->a, e->addresses, e->cap * sizeof(str), cap * sizeof(str));
        e->cap = cap;
    }
    e->addresses[e->n++] =
        arena_fmt(e->a, str_has_char(ip, ':') ? "[" PRI_STR "]:%lld" : PRI_STR ":%lld", STR_ARG(ip),
                  (long long)port);
}

static bool on_slice(void *ctx, const struct obj *o)
{
    struct endpoints *e = ctx;
    struct json *slice;
    int64_t port = 0;

    if (!slice_is_of(o, e->service))
        return true;
    slice = object_parse(e->a, arena_dup(e->a, o->data));
    JSON_EACH(p, json_findz(slice, "ports"))
        if (str_eq(json_get_str(p, "name"), e->port_name))
            port = json_get_int(p, "port", 0);
    if (!port)
        return true;
    JSON_EACH(x, json_findz(slice, "endpoints"))
        if (json_get_bool(x, "conditions.ready", true))
            JSON_EACH(address, json_findz(x, "addresses"))
                address_add(e, json_str(address), port);
    return true;
}

struct err *outgoing_resolve(struct api *api, struct arena *a, str ns, str name, int64_t port,
                             str *ret_address)
{
    const struct kind *services = api_core(api, "services"),
                      *slices =
                          api_find_kind(api, S("discovery.k8s.io"), S("v1"), S("endpointslices"));
    const struct obj *o = store_find(api->store, kind_key(services, ns, name));
    struct endpoints e = {.a = a, .service = name};
    struct json *svc;
    bool found = false;

    if (!o) /* the lister's word for the resource */
        return err_new(REASON_NOT_FOUND, "service \"" PRI_STR "\" not found", STR_ARG(name));
    svc = object_parse(a, arena_dup(a, o->data));
    JSON_EACH(p, json_at(svc, "spec", "ports", NULL))
        if (!found && json_get_int(p, "port", 0) == port) {
            found = true;
            e.port_name = json_get_str(p, "name");
        }
    if (str_is(json_get_str(svc, "spec.type"), "ExternalName")) {
        *ret_address = arena_fmt(a, PRI_STR ":%lld",
                                 STR_ARG(json_get_str(svc, "spec.externalName")), (long long)port);
        return NULL;
    }
    if (!found)
        return err_new(REASON_UNAVAILABLE, "no service port %lld found for service \"" PRI_STR "\"",
                       (long long)port, STR_ARG(name));
    if (slices)
        store_each(api->store, slices->r->storage_resource, ns, NULL, on_slice, &e);
    if (!e.n)
        return err_new(REASON_UNAVAILABLE, "no endpoints available for service \"" PRI_STR "\"",
                       STR_ARG(name));
    *ret_address = e.addresses[e.n == 1 ? 0 : loop_random_u64(api->loop) % e.n];
    return NULL;
}

struct err *outgoing_target_of(struct arena *a, const struct json *client_config, str query,
                               struct outgoing_target *ret)
{
    const struct json *service = json_findz(client_config, "service");
    str ca = json_get_str(client_config, "caBundle"), path;
    struct outgoing_target t = {.url = json_get_str(client_config, "url")};

    if (ca.n && !base64_decode(a, ca, &t.ca_pem))
        return err_new(REASON_INTERNAL, "unable to load root certificates: illegal base64 data");
    if (service) {
        t.service_ns = json_get_str(service, "namespace");
        t.service_name = json_get_str(service, "name");
        t.service_port = json_get_int(service, "port", 443);
        path = json_get_str(service, "path");
        t.url = arena_fmt(a, "https://" PRI_STR "." PRI_STR ".svc:%lld%s" PRI_STR,
                          STR_ARG(t.service_name), STR_ARG(t.service_ns), (long long)t.service_port,
                          path.n && path.p[0] == '/' ? "" : "/", STR_ARG(path));
    } else if (!t.url.n)
        return err_new(REASON_INTERNAL, "webhook configuration must have either service or URL");
    if (query.n)
        t.url = arena_fmt(a, PRI_STR "%c" PRI_STR, STR_ARG(t.url),
                          str_has_char(t.url, '?') ? '&' : '?', STR_ARG(query));
    *ret = t;
    return NULL;
}

/* ---- TLS configurations and their connections ---- */

static void peer_free(struct outgoing_peer *p)
{
    struct http_client *http = TAKE(p->http);

    list_del(&p->link);
    p->set->n--;
    http_client_free(http); /* calls under way end with an error */
    tls_client_free(p->tls);
    mem_free(p);
}

static void peers_trim(struct outgoing *set)
{
    struct outgoing_peer *p, *next;

    LIST_EACH_SAFE(p, next, &set->peers, link)
        if (set->n > OUTGOING_PEERS_MAX && !p->users)
            peer_free(p);
}

static struct outgoing *set_of(struct api *api)
{
    if (!api->outgoing) {
        api->outgoing = NEW(struct outgoing);
        list_init(&api->outgoing->peers);
        list_init(&api->outgoing->calls);
    }
    return api->outgoing;
}

struct err *outgoing_peer_get(struct api *api, const struct outgoing_target *t,
                              struct outgoing_peer **ret)
{
    struct tls_client_options o = {.ca_pem = t->ca_pem, .insecure = t->insecure};
    CLEANUP(buf) struct buf text = BUF_INIT;
    struct outgoing_peer *p;
    char key[65];
    struct err *e;

    if (api->closing)
        return err_new(REASON_UNAVAILABLE, "the server is shutting down");
    if (t->front_proxy) {
        o.cert_pem = api->o.front_proxy_cert_pem;
        o.key_pem = api->o.front_proxy_key_pem;
    }
    buf_fmt(&text, "%d %d ", t->insecure, t->front_proxy);
    buf_str(&text, t->ca_pem);
    sha256_hex(buf_view(&text), key);
    LIST_EACH(p, &set_of(api)->peers, link)
        if (!strcmp(p->key, key)) {
            list_del(&p->link);
            list_add_tail(&p->set->peers, &p->link);
            p->users++;
            *ret = p;
            return NULL;
        }
    p = NEW(struct outgoing_peer);
    e = tls_client_new(&o, &p->tls);
    if (e) {
        mem_free(p);
        return e;
    }
    memcpy(p->key, key, sizeof key);
    p->set = api->outgoing;
    p->http = http_client_new(api->loop, &(struct http_client_options){.tls = p->tls});
    p->users = 1;
    list_add_tail(&p->set->peers, &p->link);
    p->set->n++;
    peers_trim(p->set);
    *ret = p;
    return NULL;
}

struct http_client *outgoing_peer_client(struct outgoing_peer *p)
{
    return p->http;
}

void outgoing_peer_put(struct outgoing_peer *p)
{
    BUG_ON(!p->users);
    /* Without http it is being freed, and the call that ends now is one of its last. */
    if (!--p->users && p->http)
        peers_trim(p->set);
}

/* ---- answers ---- */

static struct err *status_of_body(struct arena *a, str body)
{
    struct json *v;
    struct err *e = json_parse(a, body, NULL, NULL, &v);
    enum reason reason = REASON_UNKNOWN;
    str name;

    if (e) {
        err_free(e);
        return NULL;
    }
    if (!str_is(json_get_str(v, "kind"), "Status") || str_is(json_get_str(v, "status"), "Success"))
        return NULL;
    name = json_get_str(v, "reason");
#define X(id, text, code)                                                                          \
    if (name.n && str_is(name, text))                                                              \
        reason = REASON_##id;
    REASONS(X)
#undef X
    return err_new(reason, PRI_STR, STR_ARG(json_get_str(v, "message")));
}

struct err *outgoing_status_error(struct arena *a, const char *method, int status, str content_type,
                                  str body)
{
    static const struct {
        int status;
        enum reason reason;
        const char *text;
    } known[] = {
        {400, REASON_BAD_REQUEST, "the server rejected our request for an unknown reason"},
        {401, REASON_UNAUTHORIZED, "the server has asked for the client to provide credentials"},
        {404, REASON_NOT_FOUND, "the server could not find the requested resource"},
        {405, REASON_METHOD_NOT_ALLOWED,
         "the server does not allow this method on the requested resource"},
        {409, REASON_CONFLICT, "the server reported a conflict"},
        {422, REASON_INVALID, "the server rejected our request due to an error in our request"},
        {429, REASON_TOO_MANY_REQUESTS,
         "the server has received too many requests and has asked us to try again later"},
        {503, REASON_UNAVAILABLE, "the server is currently unable to handle the request"},
        {504, REASON_TIMEOUT,
         "the server was unable to return a response in the time allotted, but may still be "
         "processing the request"},
    };
    CLEANUP(buf) struct buf quoted = BUF_INIT;
    struct err *e = status_of_body(a, body);
    str text = S("unknown"), media = content_type, ignored;

    if (e)
        return e;
    if (str_has_char(media, ';')) {
        ignored = media;
        str_cut(&ignored, ';', &media);
    }
    if (!media.n || str_has_prefix(media, S("text/")))
        text = str_trim(str_slice(body, 0, MIN(body.n, (size_t)OUTGOING_ERROR_TEXT_MAX)));
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (known[i].status == status)
            return err_new(status == 409 && !strcmp(method, "POST") ? REASON_ALREADY_EXISTS
                                                                    : known[i].reason,
                           "%s", known[i].text);
    if (status == 403)
        return err_new(REASON_FORBIDDEN, PRI_STR, STR_ARG(text));
    if (status == 406 || status == 415)
        return err_new(status == 406 ? REASON_NOT_ACCEPTABLE : REASON_UNSUPPORTED_MEDIA, PRI_STR,
                       STR_ARG(text));
    if (status < 500)
        return err_new(REASON_UNKNOWN,
                       "the server responded with the status code %d but did not "
                       "return more information",
                       status);
    buf_quoted(&quoted, text);
    return err_new(REASON_INTERNAL,
                   "an error on the server (%s) has prevented the request from succeeding",
                   buf_cstr(&quoted));
}

/* ---- POST ---- */

struct outgoing_call {
    struct list link;
    struct api *api;
    struct arena *a;
    struct outgoing_peer *peer;
    struct http_call *http;           /* NULL: over, or waiting */
    struct loop_timer *timer, *again; /* the end of its time; the end of a wait */
    bool waiting;                     /* the server has asked to come back later */
    int n_retries;
    struct outgoing_target target; /* as asked for; its strings are this call's */
    str url, json;
    outgoing_fn *fn; /* NULL: cancelled */
    void *ctx;
    struct err *failure; /* found before anything was sent, or when time was up */
};

/* As Go's url.Error words it. */
static struct err *post_failed(const struct outgoing_call *c, enum reason reason, const char *why)
{
    return err_new(reason, "Post \"" PRI_STR "\": %s", STR_ARG(c->url), why);
}

static void call_end(struct outgoing_call *c, struct err *e, str body)
{
    list_del(&c->link);
    if (c->peer)
        outgoing_peer_put(c->peer);
    loop_timer_free(TAKE(c->timer));
    loop_timer_free(TAKE(c->again));
    if (c->fn)
        c->fn(c->ctx, e, body);
    else
        err_free(e);
    err_free(c->failure);
    arena_free(c->a);
}

static void on_timer(void *ctx)
{
    struct outgoing_call *c = ctx;

    if (!c->http) {
        if (c->waiting && !c->failure)
            c->failure = err_new(REASON_TIMEOUT, "context deadline exceeded");
        call_end(c, TAKE(c->failure), S(""));
        return;
    }
    if (!c->failure)
        c->failure = post_failed(c, REASON_TIMEOUT, "context deadline exceeded");
    http_call_cancel(c->http);
}

/* Whoever is too busy and says for how long is asked again, as Go's REST client does. */
static bool comes_back(struct outgoing_call *c, const struct http_response *r)
{
    int64_t seconds;

    if ((r->status != 429 && r->status < 500) || c->n_retries == OUTGOING_RETRIES_MAX)
        return false;
    for (size_t i = 0; i < r->n_headers; i++)
        if (str_eq_nocase(r->headers[i].name, S("Retry-After")) &&
            str_to_int64(str_trim(r->headers[i].value), &seconds) && seconds >= 0) {
            c->n_retries++;
            c->waiting = true;
            outgoing_peer_put(c->peer);
            c->peer = NULL;
            loop_timer_set(c->again, MIN(seconds, 3600) * NS_PER_S);
            return true;
        }
    return false;
}

static void on_answer(void *ctx, struct err *e, const struct http_response *r, str body)
{
    struct outgoing_call *c = ctx;
    str type = S("");

    c->http = NULL;
    if (!c->failure && !e && c->fn && comes_back(c, r))
        return;
    if (c->failure) {
        err_free(e);
        e = TAKE(c->failure);
    } else if (!e) {
        for (size_t i = 0; i < r->n_headers; i++)
            if (str_eq_nocase(r->headers[i].name, S("Content-Type")))
                type = r->headers[i].value;
        if (r->status < 200 || r->status > 206)
            e = outgoing_status_error(c->a, "POST", r->status, type, body);
        else if (!body.n)
            e = err_new(REASON_INTERNAL,
                        "0-length response with status code: %d and content type: " PRI_STR,
                        r->status, STR_ARG(type));
    }
    call_end(c, e, e ? S("") : body);
}

/* NULL: it is on its way. */
static struct err *post(struct api *api, struct outgoing_call *c)
{
    const struct outgoing_target *t = &c->target;
    static const struct http_header headers[] = {{STR("Accept"), STR("application/json, */*")},
                                                 {STR("Content-Type"), STR("application/json")}};
    struct http_call_options o = {.method = S("POST"),
                                  .url = c->url,
                                  .headers = headers,
                                  .n_headers = ARRAY_LEN(headers),
                                  .body = c->json};
    struct err *e, *why = NULL;

    e = outgoing_peer_get(api, t, &c->peer);
    if (e)
        return e;
    if (t->service_name.n)
        why = outgoing_resolve(api, c->a, t->service_ns, t->service_name, t->service_port,
                               &o.address);
    if (why) {
        e = post_failed(c, why->reason, err_text(why));
        err_free(why);
        return e;
    }
    c->http = http_fetch(c->peer->http, &o, OUTGOING_ANSWER_MAX, on_answer, c);
    return NULL;
}

static void on_again(void *ctx)
{
    struct outgoing_call *c = ctx;

    c->waiting = false;
    c->failure = post(c->api, c);
    if (c->failure)
        call_end(c, TAKE(c->failure), S(""));
}

struct outgoing_call *outgoing_post(struct api *api, const struct outgoing_target *t, str json,
                                    int64_t timeout_ns, outgoing_fn *fn, void *ctx)
{
    struct arena *a = arena_new();
    struct outgoing_call *c = ARENA_NEW(a, struct outgoing_call);

    c->a = a;
    c->fn = fn;
    c->ctx = ctx;
    c->api = api;
    c->target = *t;
    c->target.url = c->url = arena_dup(a, t->url);
    c->target.service_ns = arena_dup(a, t->service_ns);
    c->target.service_name = arena_dup(a, t->service_name);
    c->target.ca_pem = arena_dup(a, t->ca_pem);
    c->json = arena_dup(a, json);
    c->timer = loop_timer_new(api->loop, on_timer, c);
    c->again = loop_timer_new(api->loop, on_again, c);
    list_add_tail(&set_of(api)->calls, &c->link);
    c->failure = post(api, c);
    loop_timer_set(c->timer, c->failure ? 0 : timeout_ns);
    return c;
}

void outgoing_cancel(struct outgoing_call *c)
{
    c->fn = NULL;
    if (c->http)
        http_call_cancel(c->http);
    else
        loop_timer_set(c->timer, 0);
}

void outgoing_free(struct outgoing *o)
{
    struct outgoing_call *c;

    if (!o)
        return;
    while (!list_is_empty(&o->peers))
        peer_free(LIST_ITEM(o->peers.next, struct outgoing_peer, link));
    while (!list_is_empty(&o->calls)) { /* failed before they began, or waiting */
        c = LIST_ITEM(o->calls.next, struct outgoing_call, link);
        if (!c->failure)
            c->failure = post_failed(c, REASON_UNAVAILABLE, "the server is closing");
        call_end(c, TAKE(c->failure), S(""));
    }
    mem_free(o);
}
