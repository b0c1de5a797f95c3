/* peer.c - see peer.h. */
#include "test/api/peer.h"

static void on_gone(void *user, struct http_exchange *ex)
{
    (void)user;
    http_end(ex);
}

static void on_request(void *ctx, struct http_exchange *ex)
{
    struct peer *p = ctx;
    const struct http_request *r = &ex->req;

    p->n_calls++;
    p->client = r->peer.cert_verified ? arena_dup(p->w->arena, r->peer.cert_common_name) : S("");
    p->path = arena_dup(p->w->arena, r->target);
    p->body = arena_dup(p->w->arena, r->body);
    p->headers = ARENA_NEW_N(p->w->arena, struct http_header, r->n_headers + 1);
    p->n_headers = r->n_headers;
    for (size_t i = 0; i < r->n_headers; i++)
        p->headers[i] = (struct http_header){arena_dup(p->w->arena, r->headers[i].name),
                                             arena_dup(p->w->arena, r->headers[i].value)};
    if (p->silent) {
        ex->on_gone = on_gone;
        return;
    }
    if (p->answer)
        p->answer(p, ex);
    else
        http_reply(ex, p->status ? p->status : 200, p->type ? p->type : "application/json",
                   str_of(p->text));
}

void peer_init(struct peer *p, struct world *w)
{
    peer_init_with(p, w, S(""));
}

void peer_init_with(struct peer *p, struct world *w, str client_ca)
{
    static const str names[] = {STR("hook.ns.svc"), STR("hook.ns.svc.cluster.local")};
    static const str ips[] = {STR("10.9.9.9")};
    struct tls_server_options o = {0};
    struct http_server_options h = {0};

    memset(p, 0, sizeof *p);
    p->w = w;
    CHECK_OK(pki_key_new(&p->key));
    CHECK_OK(pki_cert_new(&(struct pki_cert_options){.common_name = S("hook"),
                                                     .dns_names = names,
                                                     .n_dns_names = ARRAY_LEN(names),
                                                     .ip_addresses = ips,
                                                     .n_ip_addresses = 1,
                                                     .is_ca = true,
                                                     .server = true,
                                                     .not_before = {0},
                                                     .not_after = {INT64_C(4000000000) * NS_PER_S}},
                          buf_view(&p->key), S(""), S(""), &p->cert));
    o.cert_pem = buf_view(&p->cert);
    o.key_pem = buf_view(&p->key);
    o.client_ca_pem = client_ca;
    CHECK_OK(tls_server_new(&o, &p->tls));
    h.tls = p->tls;
    CHECK_INT(http_server_open(w->loop, S("10.9.9.9:8443"), &h, on_request, p, &p->server), 0);
    world_json(w, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"ns\"}}", 201);
    world_json(w, "POST", "/api/v1/namespaces/ns/services",
               "{\"metadata\":{\"name\":\"hook\"},\"spec\":{\"ports\":[{\"name\":\"https\","
               "\"port\":443,\"targetPort\":8443}]}}",
               201);
    world_json(w, "POST", "/apis/discovery.k8s.io/v1/namespaces/ns/endpointslices",
               "{\"metadata\":{\"name\":\"hook-1\",\"labels\":{\"kubernetes.io/service-name\":"
               "\"hook\"}},\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"https\",\"port\":8443}],"
               "\"endpoints\":[{\"addresses\":[\"10.9.9.9\"]}]}",
               201);
}

static void on_closed(void *ctx)
{
    *(bool *)ctx = true;
}

void peer_fini(struct peer *p)
{
    bool closed = false;

    http_server_close(p->server, on_closed, &closed);
    world_run(p->w, NS_PER_S);
    CHECK(closed);
    tls_server_free(p->tls);
    buf_fini(&p->key);
    buf_fini(&p->cert);
}

str peer_ca_base64(struct peer *p)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_base64(&b, buf_view(&p->cert));
    return arena_dup(p->w->arena, buf_view(&b));
}

str peer_header(const struct peer *p, const char *name)
{
    for (size_t i = 0; i < p->n_headers; i++)
        if (str_eq_nocase(p->headers[i].name, str_of(name)))
            return p->headers[i].value;
    return S("");
}
