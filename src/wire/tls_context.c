/* tls_context.c - what a TLS server or client is made of: versions, identity, trust, protocols.
 *
 * Not here: the connections made with it (tls.c), keys and certificates (pki.c). */
#include "wire/tls_internal.h"
#include <openssl/err.h>
#include <openssl/pem.h>

void tls_context_unref(struct tls_context *c)
{
    if (!c || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL))
        return;
    SSL_CTX_free(c->ctx);
    X509_STORE_free(c->front);
    BIO_meth_free(c->bio);
    mem_free(c);
}
DEFINE_CLEANUP(context, struct tls_context *, tls_context_unref)

static struct tls_context *context_new(const SSL_METHOD *method)
{
    struct tls_context *c = NEW(struct tls_context);

    c->refs = 1;
    c->ctx = SSL_CTX_new(method);
    c->bio = tls_bio_method();
    BUG_ON(!c->ctx);
    SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(c->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_num_tickets(c->ctx, 0);
    SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF);
    /* Some 34 KB of record buffers go away whenever a connection is idle. */
    /* The chain is what the certificate file says: building and checking one at each handshake would be a quarter of its work. */
    SSL_CTX_set_mode(c->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    return c;
}

static struct err *context_identity(struct tls_context *c, str cert_pem, str key_pem)
{
    CLEANUP(bio) BIO *bio = ssl_bio_of(cert_pem);
    CLEANUP(pkey) EVP_PKEY *key = NULL;
    CLEANUP(x509) X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    X509 *next;

    if (!cert || !SSL_CTX_use_certificate(c->ctx, cert))
        return ssl_err("read the TLS certificate");
    while ((next = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
        if (!SSL_CTX_add0_chain_cert(c->ctx, next)) {
            X509_free(next);
            return ssl_err("read the TLS certificate's chain");
        }
    ERR_clear_error(); /* the end of the text counts as one */
    key = ssl_private_key(key_pem);
    if (!key || !SSL_CTX_use_PrivateKey(c->ctx, key) || !SSL_CTX_check_private_key(c->ctx))
        return ssl_err("match the TLS certificate and key");
    return NULL;
}

/* name_to_clients: they choose their certificate by the authorities that they hear of. */
static struct err *context_trust(struct tls_context *c, X509_STORE *store, str ca_pem,
                                 bool name_to_clients)
{
    CLEANUP(bio) BIO *bio = ssl_bio_of(ca_pem);
    size_t n = 0;
    X509 *ca;

    while ((ca = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        bool ok = X509_STORE_add_cert(store, ca) &&
                  (!name_to_clients || SSL_CTX_add_client_CA(c->ctx, ca));

        X509_free(ca);
        if (!ok)
            return ssl_err("read the TLS authority");
        n++;
    }
    if (!n)
        return ssl_err("read the TLS authority");
    ERR_clear_error();
    return NULL;
}

/* Verification goes on as far as it can and its result is looked up afterwards (tls.h says why). */
static int verify_later(int ok, X509_STORE_CTX *store)
{
    return 1;
}

static const unsigned char alpn_h2_first[] = "\x02h2\x08http/1.1";

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                           const unsigned char *in, unsigned in_n, void *ctx)
{
    const struct tls_context *c = ctx;
    const unsigned char *ours = c->http2 ? alpn_h2_first : alpn_h2_first + 3;
    unsigned ours_n = (unsigned)sizeof alpn_h2_first - 1 - (c->http2 ? 0 : 3);

    if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_n, ours, ours_n, in, in_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    return SSL_TLSEXT_ERR_OK;
}

struct err *tls_server_new(const struct tls_server_options *o, struct tls_server **ret)
{
    CLEANUP(context) struct tls_context *c = context_new(TLS_server_method());
    struct err *err;

    err = context_identity(c, o->cert_pem, o->key_pem);
    if (err)
        return err;
    if (o->client_ca_pem.n) {
        err = context_trust(c, SSL_CTX_get_cert_store(c->ctx), o->client_ca_pem, true);
        if (err)
            return err;
        SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, verify_later);
    }
    if (o->front_ca_pem.n) {
        c->front = X509_STORE_new();
        BUG_ON(!c->front);
        err = context_trust(c, c->front, o->front_ca_pem, true);
        if (err)
            return err;
        SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, verify_later);
    }
    c->http2 = o->http2;
    SSL_CTX_set_alpn_select_cb(c->ctx, choose_protocol, c);
    *ret = NEW(struct tls_server);
    (*ret)->context = TAKE(c);
    return NULL;
}

void tls_server_free(struct tls_server *t)
{
    if (!t)
        return;
    tls_context_unref(t->context);
    mem_free(t);
}

struct err *tls_client_new(const struct tls_client_options *o, struct tls_client **ret)
{
    CLEANUP(context) struct tls_context *c = context_new(TLS_client_method());
    struct err *err;

    if (o->cert_pem.n) {
        err = context_identity(c, o->cert_pem, o->key_pem);
        if (err)
            return err;
    }
    if (o->ca_pem.n) {
        err = context_trust(c, SSL_CTX_get_cert_store(c->ctx), o->ca_pem, false);
        if (err)
            return err;
    } else if (!o->insecure) {
        SSL_CTX_set_default_verify_paths(c->ctx);
        ERR_clear_error();
    }
    SSL_CTX_set_verify(c->ctx, o->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    c->insecure = o->insecure;
    if (SSL_CTX_set_alpn_protos(c->ctx, o->http2 ? alpn_h2_first : alpn_h2_first + 3,
                                (unsigned)sizeof alpn_h2_first - 1 - (o->http2 ? 0 : 3)))
        return ssl_err("set the TLS protocols");
    *ret = NEW(struct tls_client);
    (*ret)->context = TAKE(c);
    return NULL;
}

void tls_client_free(struct tls_client *t)
{
    if (!t)
        return;
    tls_context_unref(t->context);
    mem_free(t);
}
