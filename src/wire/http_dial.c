/* http_dial.c - from a URL to a connected stream: see http_dial.h.
 *
 * A host name is looked up on the pool; its addresses are tried one after the other in the order
 * of the system's resolver. Every wait has the same deadline of its own (connect, TLS
 * handshake). */
#include "wire/http_dial.h"
#include <arpa/inet.h>
#include <netdb.h>

#define ADDRESSES_MAX 8
#define ADDRESS_SIZE 72 /* "[v6]:port" */

/* ---- URLs ---- */

static struct err *url_bad(str url, const char *why)
{
    return err_new(REASON_BAD_REQUEST, "parse \"" PRI_STR "\": %s", STR_ARG(url), why);
}

static struct err *authority_parse(str url, struct http_url *u)
{
    str rest = u->authority;
    ptrdiff_t at = str_rindex(rest, '@');
    int64_t port;

    if (at >= 0)
        u->authority = rest = str_skip(rest, (size_t)at + 1);
    if (str_has_prefix(rest, S("["))) {
        at = str_index(rest, ']');
        if (at < 0)
            return url_bad(url, "missing ']' in host");
        u->host = str_slice(rest, 1, (size_t)at);
        rest = str_skip(rest, (size_t)at + 1);
    } else {
        at = str_index(rest, ':');
        u->host = at < 0 ? rest : str_slice(rest, 0, (size_t)at);
        rest = str_skip(rest, u->host.n);
    }
    if (!u->host.n)
        return url_bad(url, "no Host in request URL");
    if (!rest.n || str_is(rest, ":"))
        return NULL;
    if (rest.p[0] != ':' || !str_to_int64(str_skip(rest, 1), &port) || port < 1 || port > 65535)
        return url_bad(url, "invalid port");
    u->port = (int)port;
    return NULL;
}

struct err *http_url_parse(str url, struct http_url *ret)
{
    struct http_url u = {.target = STR("/")};
    ptrdiff_t at;
    str rest;
    struct err *err;

    for (size_t i = 0; i < url.n; i++)
        if ((unsigned char)url.p[i] <= ' ' || url.p[i] == 0x7f)
            return url_bad(url, "invalid control character in URL");
    at = str_index(url, '#');
    rest = at < 0 ? url : str_slice(url, 0, (size_t)at);
    if (str_has_prefix(rest, S("unix://"))) {
        rest = str_skip(rest, 7);
        at = str_index(rest, '|');
        u.socket = at < 0 ? rest : str_slice(rest, 0, (size_t)at);
        u.authority = S("localhost");
        if (at >= 0 && (size_t)at + 1 < rest.n)
            u.target = str_skip(rest, (size_t)at + 1);
        if (!u.socket.n || u.target.p[0] != '/')
            return url_bad(url, "not unix:///socket|/path");
        *ret = u;
        return NULL;
    }
    u.tls = str_has_prefix(rest, S("https://"));
    if (!u.tls && !str_has_prefix(rest, S("http://")))
        return url_bad(url, "unsupported protocol scheme");
    u.port = u.tls ? 443 : 80;
    rest = str_skip(rest, u.tls ? 8 : 7);
    for (at = 0; (size_t)at < rest.n && rest.p[at] != '/' && rest.p[at] != '?'; at++)
        ;
    u.authority = str_slice(rest, 0, (size_t)at);
    rest = str_skip(rest, (size_t)at);
    if (rest.n && rest.p[0] != '/')
        return url_bad(url, "query without a path");
    if (rest.n)
        u.target = rest;
    err = authority_parse(url, &u);
    if (err)
        return err;
    *ret = u;
    return NULL;
}

/* ---- dialling ---- */

struct http_dial {
    struct loop *loop;
    const struct tls_client *tls; /* NULL: plain */
    char *host, *server_name;
    int port;
    int64_t timeout_ns;
    http_dial_fn *done; /* NULL: cancelled */
    void *ctx;
    char address[ADDRESSES_MAX][ADDRESS_SIZE];
    char *socket;
    size_t n_addresses, at;
    int resolve_error;
    bool resolving;
    struct connecting *connecting;
    struct tls_handshake *handshake;
    struct loop_timer *kick; /* starts it outside of the caller's call */
};

static void dial_free(struct http_dial *d)
{
    loop_timer_free(d->kick);
    mem_free(d->host);
    mem_free(d->server_name);
    mem_free(d->socket);
    mem_free(d);
}

static void dial_fail(struct http_dial *d, int error, const char *why)
{
    if (d->done)
        d->done(d->ctx, error, why, NULL);
    dial_free(d);
}

static void address_add(struct http_dial *d, int family, const void *ip)
{
    char text[INET6_ADDRSTRLEN];

    if (d->n_addresses == ADDRESSES_MAX || !inet_ntop(family, ip, text, sizeof text))
        return;
    snprintf(d->address[d->n_addresses++], ADDRESS_SIZE, family == AF_INET6 ? "[%s]:%d" : "%s:%d",
             text, d->port);
}

static void dial_next(struct http_dial *d);

static void on_tls_ready(void *ctx, int error, const char *why, struct stream *s,
                         const struct tls_peer *peer)
{
    struct http_dial *d = ctx;
    CLEANUP(buf) struct buf text = BUF_INIT;

    d->handshake = NULL;
    if (error) {
        if (!strncmp(why, "x509: ", 6)) /* as crypto/tls introduces it */
            buf_z(&text, "tls: failed to verify certificate: ");
        buf_z(&text, why);
        dial_fail(d, error, buf_cstr(&text));
    } else if (str_is(peer->alpn, "h2")) { /* the TLS client was made for HTTP/2 */
        stream_close(s, NULL, NULL);
        dial_fail(d, -EPROTO, "the server chose HTTP/2");
    } else {
        d->done(d->ctx, 0, "", s);
        dial_free(d);
    }
}

static void on_connected(void *ctx, int error, struct stream *s)
{
    struct http_dial *d = ctx;
    CLEANUP(buf) struct buf why = BUF_INIT;

    d->connecting = NULL;
    if (!d->done) {
        if (s)
            stream_close(s, NULL, NULL);
        dial_free(d);
    } else if (error && d->at < d->n_addresses) {
        dial_next(d);
    } else if (error) {
        const char *what = strerror(-error);

        buf_fmt(&why, "dial %s %s: ", d->socket ? "unix" : "tcp",
                d->socket ? d->socket : d->address[d->at - 1]);
        if (error == -ETIMEDOUT)
            buf_z(&why, "i/o timeout");
        else /* Go writes errno's texts in lower case */
            buf_fmt(&why, "connect: %c%s", what[0] | 0x20, what + 1);
        dial_fail(d, error, buf_cstr(&why));
    } else if (d->tls) {
        d->handshake =
            tls_connect(d->tls, d->loop, s, str_of(d->server_name), d->timeout_ns, on_tls_ready, d);
    } else {
        d->done(d->ctx, 0, "", s);
        dial_free(d);
    }
}

static void dial_next(struct http_dial *d)
{
    CLEANUP(buf) struct buf address = BUF_INIT;

    if (d->socket)
        buf_fmt(&address, "unix:%s", d->socket);
    else
        buf_z(&address, d->address[d->at]);
    d->at++;
    d->connecting = stream_connect(d->loop, buf_view(&address), d->timeout_ns, on_connected, d);
}

/* On a pool thread: touches only what the loop leaves alone meanwhile. */
static void resolve(void *ctx)
{
    struct http_dial *d = ctx;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list = NULL;

    d->resolve_error = getaddrinfo(d->host, NULL, &hints, &list);
    if (d->resolve_error)
        return;
    for (const struct addrinfo *ai = list; ai; ai = ai->ai_next)
        if (ai->ai_family == AF_INET)
            address_add(d, AF_INET, &((struct sockaddr_in *)(void *)ai->ai_addr)->sin_addr);
        else if (ai->ai_family == AF_INET6)
            address_add(d, AF_INET6, &((struct sockaddr_in6 *)(void *)ai->ai_addr)->sin6_addr);
    freeaddrinfo(list);
}

static void on_resolved(void *ctx)
{
    struct http_dial *d = ctx;
    CLEANUP(buf) struct buf why = BUF_INIT;

    d->resolving = false;
    if (!d->done) {
        dial_free(d);
    } else if (!d->n_addresses) {
        buf_fmt(&why, "dial tcp: lookup %s: %s", d->host,
                d->resolve_error == EAI_NONAME ? "no such host"
                : d->resolve_error             ? gai_strerror(d->resolve_error)
                                               : "no such host");
        dial_fail(d, -EHOSTUNREACH, buf_cstr(&why));
    } else {
        dial_next(d);
    }
}

static void on_kick(void *ctx)
{
    struct http_dial *d = ctx;
    unsigned char ip[16];

    if (d->socket) {
        dial_next(d);
    } else if (inet_pton(AF_INET, d->host, ip) == 1 || inet_pton(AF_INET6, d->host, ip) == 1) {
        address_add(d, strchr(d->host, ':') ? AF_INET6 : AF_INET, ip);
        dial_next(d);
    } else {
        d->resolving = true;
        pool_run(d->loop, resolve, on_resolved, d);
    }
}

struct http_dial *http_dial(struct loop *loop, const struct http_url *url,
                            const struct tls_client *tls, str server_name, int64_t timeout_ns,
                            http_dial_fn *done, void *ctx)
{
    struct http_dial *d = NEW(struct http_dial);

    d->loop = loop;
    d->tls = url->tls ? tls : NULL;
    d->host = str_dupz(url->host);
    d->server_name = str_dupz(server_name.n ? server_name : url->host);
    d->socket = url->socket.n ? str_dupz(url->socket) : NULL;
    d->port = url->port;
    d->timeout_ns = timeout_ns;
    d->done = done;
    d->ctx = ctx;
    d->kick = loop_timer_new(loop, on_kick, d);
    loop_timer_set(d->kick, 0);
    return d;
}

void http_dial_cancel(struct http_dial *d)
{
    d->done = NULL;
    if (d->handshake) {
        tls_cancel(d->handshake);
        dial_free(d);
    } else if (d->connecting) {
        connecting_cancel(d->connecting);
    } else if (!d->resolving) {
        dial_free(d);
    }
}
