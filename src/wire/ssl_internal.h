/* ssl_internal.h - what tls.c, pki.c and jwt.c share of OpenSSL: owners of its objects, PEM in,
 * errors out.
 *
 * Keys and serial numbers come from OpenSSL's own generator: it is the one source of randomness
 * that a virtual environment does not replace (nothing deterministic may depend on them). */
#ifndef K1S_WIRE_SSL_INTERNAL_H
#define K1S_WIRE_SSL_INTERNAL_H
#include "base/base.h"
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

DEFINE_CLEANUP(bio, BIO *, BIO_free_all)
DEFINE_CLEANUP(bignum, BIGNUM *, BN_free)
DEFINE_CLEANUP(pkey, EVP_PKEY *, EVP_PKEY_free)
DEFINE_CLEANUP(x509, X509 *, X509_free)
DEFINE_CLEANUP(x509_req, X509_REQ *, X509_REQ_free)

/* INTERNAL (BAD_REQUEST for ssl_bad) with "doing: OpenSSL's first reason"; empties OpenSSL's
 * queue of the thread. */
MUST_USE struct err *ssl_err(const char *doing);
MUST_USE struct err *ssl_bad(const char *doing);

/* NULL when the text holds none. A BIO reads the caller's memory, which must outlive it. */
BIO *ssl_bio_of(str pem);
EVP_PKEY *ssl_private_key(str pem);
EVP_PKEY *ssl_public_key(str pem); /* of a public key, a certificate or a private key */
X509 *ssl_cert(str pem);           /* the first in it */
struct json;
EVP_PKEY *jwk_key(struct arena *a, const struct json *jwk); /* NULL: no RSA or EC public key */
void ssl_bio_to_buf(BIO *bio, struct buf *out);
#endif
