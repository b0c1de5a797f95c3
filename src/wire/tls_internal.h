/* tls_internal.h - what the parts of TLS share: contexts (tls_context.c), peers (tls_peer.c), streams (tls.c). */
#ifndef K1S_WIRE_TLS_INTERNAL_H
#define K1S_WIRE_TLS_INTERNAL_H
#include "wire/ssl_internal.h"
#include "wire/tls.h"
#include <openssl/ssl.h>

/* What a server and a client have in common; streams hold a reference, so that a certificate can
 * be replaced. */
struct tls_context {
    unsigned refs;
    SSL_CTX *ctx;
    BIO_METHOD *bio;
    X509_STORE *front; /* of a server: whom it believes what they say of others; or NULL */
    bool http2;        /* a server offers it */
    bool insecure;     /* a client does not verify */
};
struct tls_server {
    struct tls_context *context;
};
struct tls_client {
    struct tls_context *context;
};
void tls_context_unref(struct tls_context *c); /* NULL: nothing */

/* How OpenSSL reads and writes a struct tls_stream. */
BIO_METHOD *tls_bio_method(void);

/* Who is at the other end, after the handshake; *ret_block holds the strings. front: NULL, or what proxies are verified
 * against. */
void tls_peer_fill(SSL *ssl, X509_STORE *front, struct tls_peer *peer, void **ret_block);

#endif
