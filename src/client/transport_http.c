/* transport_http.c - calls over HTTP(S) to an API server elsewhere.
 *
 * Not here: connections, TLS and framing (wire/http.h). */
#include "client/client_internal.h"

struct http_transport {
    struct http_client *http;
    struct tls_client *tls;
    char *server, *authorization /* NULL: none */, *user_agent;
};

static void http_head(void *ctx, const struct http_response *r)
{
    client_call_head(ctx, r->status);
}

static void http_data(void *ctx, const char *p, size_t n)
{
    client_call_data(ctx, (str){p, n});
}

static void http_done(void *ctx, struct err *err)
{
    struct client_call *call = ctx;

    /* Whatever broke below, for the caller the server is not there. */
    if (err && (err->reason == REASON_INTERNAL || err->reason == REASON_UNKNOWN)) {
        err->reason = REASON_UNAVAILABLE;
        err->code = reason_code(REASON_UNAVAILABLE);
    }
    call->impl = NULL;
    client_call_done(call, err);
}

static void http_start_call(struct client_call *call, const struct client_request *r)
{
    static const struct http_call_events events = {
        .head = http_head, .data = http_data, .done = http_done};
    const struct http_transport *t = call->client->impl;
    CLEANUP(buf) struct buf url = BUF_INIT;
    struct http_header headers[4];
    size_t n = 0;

    buf_z(&url, t->server);
    buf_str(&url, r->path);
    headers[n++] =
        (struct http_header){S("Accept"), r->accept ? str_of(r->accept) : S("application/json")};
    headers[n++] = (struct http_header){S("User-Agent"), str_of(t->user_agent)};
    if (t->authorization)
        headers[n++] = (struct http_header){S("Authorization"), str_of(t->authorization)};
    if (r->body.n)
        headers[n++] = (struct http_header){
            S("Content-Type"), r->content_type ? str_of(r->content_type) : S("application/json")};
    call->impl = http_call(t->http,
                           &(struct http_call_options){.method = str_of(r->method),
                                                       .url = buf_view(&url),
                                                       .headers = headers,
                                                       .n_headers = n,
                                                       .body = r->body},
                           &events, call);
}

static void http_cancel_call(struct client_call *call)
{
    if (call->impl)
        http_call_cancel(call->impl);
}

static void http_free_transport(struct client *c)
{
    struct http_transport *t = c->impl;

    http_client_free(t->http);
    tls_client_free(t->tls);
    mem_free(t->server);
    mem_free(t->authorization);
    mem_free(t->user_agent);
    mem_free(t);
}

struct err *client_new_http(struct loop *loop, const struct client_http_options *o,
                            struct client **ret)
{
    static const struct client_transport transport = {http_start_call, http_cancel_call,
                                                      http_free_transport};
    struct http_transport *t;
    struct tls_client *tls = NULL;
    str server = o->server;

    if (str_has_suffix(server, S("/")))
        server.n--;
    if (str_has_prefix(server, S("https://"))) {
        struct err *err = tls_client_new(&(struct tls_client_options){.ca_pem = o->ca_pem,
                                                                      .cert_pem = o->cert_pem,
                                                                      .key_pem = o->key_pem,
                                                                      .insecure = o->insecure},
                                         &tls);
        if (err)
            return err_note(err, "client of " PRI_STR, STR_ARG(server));
    } else if (!str_has_prefix(server, S("http://"))) {
        return err_new(REASON_BAD_REQUEST, "\"" PRI_STR "\" is not the URL of an API server",
                       STR_ARG(server));
    }
    t = NEW(struct http_transport);
    t->tls = tls;
    t->http = http_client_new(loop, &(struct http_client_options){.tls = tls});
    t->server = str_dupz(server);
    t->user_agent = str_dupz(o->user_agent.n ? o->user_agent : S("k1s"));
    if (o->token.n) {
        CLEANUP(buf) struct buf b = BUF_INIT;

        buf_z(&b, "Bearer ");
        buf_str(&b, o->token);
        t->authorization = mem_strdup(buf_cstr(&b));
    }
    *ret = client_new(loop, &transport, t);
    return NULL;
}
