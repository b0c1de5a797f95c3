/* tls.h - TLS 1.2/1.3 over a stream, certificates and keys, on OpenSSL 3.
 *
 * A TLS stream is again a `struct stream`, so that nobody above knows whether bytes are encrypted.
 * Servers and clients are immutable once made and may be used from several loops; NULL frees nothing.
 *
 * A client certificate that does not verify does not fail the handshake (as in Kubernetes, where the request then gets
 * 401): tls_peer has a cert_hash but verified is false. A server certificate that does not verify does. */
#ifndef K1S_WIRE_TLS_H
#define K1S_WIRE_TLS_H
#include "loop/loop.h"

struct tls_server_options {
    str cert_pem, key_pem; /* chain and key */
    str client_ca_pem; /* client certificates are asked for and verified against it; empty: not asked for */
    str front_ca_pem; /* of proxies that speak for others (tls_peer.front_verified); empty: there are none */
    bool http2; /* ALPN h2 offered before http/1.1 */
};
struct tls_server;
MUST_USE struct err *tls_server_new(const struct tls_server_options *o, struct tls_server **ret);
void tls_server_free(struct tls_server *t); /* streams made with it live on */
struct tls_client_options {
    str ca_pem;            /* empty: system roots */
    str cert_pem, key_pem; /* client certificate; may be empty */
    bool insecure;         /* does not verify */
    bool http2;
};
struct tls_client;
MUST_USE struct err *tls_client_new(const struct tls_client_options *o, struct tls_client **ret);
void tls_client_free(struct tls_client *t);

struct tls_peer {        /* borrowed from the stream */
    bool verified;       /* by client_ca_pem, or what a client trusts */
    bool front_verified; /* by front_ca_pem */
    str common_name, alpn, cert_hash;
    const str *organizations;
    size_t n_organizations;
    int64_t not_after_s; /* Unix time; 0 without a certificate */
};
typedef void tls_ready_fn(void *ctx, int error, const char *why, struct stream *s,
                          const struct tls_peer *peer);
/* error: negative errno (-ETIMEDOUT, -ECONNRESET, -EPROTO); why: a text for people, borrowed, "" on success. */
/* Owns `raw`. ready comes after the handshake with the encrypted stream, or with an error (then raw is closed). timeout_ns 0: 10 s. */
struct tls_handshake; /* valid until ready runs */
struct tls_handshake *tls_accept(const struct tls_server *t, struct loop *loop, struct stream *raw,
                                 int64_t timeout_ns, tls_ready_fn *ready, void *ctx);
struct tls_handshake *tls_connect(const struct tls_client *t, struct loop *loop, struct stream *raw,
                                  str server_name, int64_t timeout_ns, tls_ready_fn *ready,
                                  void *ctx);

void tls_cancel(struct tls_handshake *h); /* closes `raw`; ready does not run */

/* ---- keys and certificates (pki.c): EC P-256, PEM text in buffers ---- */
MUST_USE struct err *pki_key_new(struct buf *key_pem);
/* RSA of 2048 bits, as Kubernetes' tools make for ServiceAccount tokens. Takes 10 to 500 ms. */
MUST_USE struct err *pki_rsa_key_new(struct buf *key_pem);
struct pki_cert_options {
    str common_name;
    const str *organizations;
    size_t n_organizations;
    const str *dns_names;
    size_t n_dns_names;
    const str *ip_addresses;
    size_t n_ip_addresses; /* text */
    bool is_ca, server, client;
    wall_time not_before, not_after;
};
/* issuer_* empty: self-signed. */
MUST_USE struct err *pki_cert_new(const struct pki_cert_options *o, str key_pem,
                                  str issuer_cert_pem, str issuer_key_pem, struct buf *cert_pem);
enum pki_usage { /* what a certificate's key is for */
                 PKI_DIGITAL_SIGNATURE = 1 << 0,
                 PKI_KEY_ENCIPHERMENT = 1 << 1,
                 PKI_CERT_SIGN = 1 << 2,
                 PKI_SERVER_AUTH = 1 << 3,
                 PKI_CLIENT_AUTH = 1 << 4
};
/* Signs a PKCS#10 request (PEM), keeping its subject and SANs (CertificateSigningRequest API). usage: of enum pki_usage. */
MUST_USE struct err *pki_cert_sign_request(str csr_pem, str issuer_cert_pem, str issuer_key_pem,
                                           unsigned usage, wall_time not_before,
                                           wall_time not_after, struct buf *cert_pem);
struct pki_csr {
    str common_name;
    str *organizations;
    size_t n_organizations;
    str *dns_names;
    size_t n_dns_names;
    str *ip_addresses;
    size_t n_ip_addresses;
    size_t n_emails, n_uris;
    size_t n_other_sans; /* these two, and what has no name here */
};
MUST_USE struct err *pki_csr_parse(struct arena *a, str csr_pem, struct pki_csr *ret);
/* NULL: a request whose own signature fits. Otherwise what is wrong, in Kubernetes' words. */
const char *pki_csr_check(str csr_pem);
/* NULL: one or more certificates and nothing else. Otherwise what is wrong; text in the arena. */
const char *pki_certs_check(struct arena *a, str pem);
/* NULL: the key is the certificate's. Otherwise what is wrong, in Go's words. */
const char *pki_pair_check(struct arena *a, str cert_pem, str key_pem);
MUST_USE struct err *pki_cert_not_after(str cert_pem, wall_time *ret);

/* ---- JSON Web Tokens (jwt.c): RS256 and ES256 ---- */
MUST_USE struct err *jwt_sign(struct arena *a, str key_pem, str key_id, str payload_json,
                              str *ret_token);
/* Verifies the signature with one of the public keys (PEM); *ret_payload is the JSON text. UNAUTHORIZED when none fits. Times are for the caller to check. */
MUST_USE struct err *jwt_verify(struct arena *a, str token, const str *public_keys_pem, size_t n,
                                str *ret_payload);
/* The same with a JSON Web Key Set's array of keys and the algorithms that are allowed
 * (comma-separated). ret_key_unknown: no such key, perhaps a newer set has it. */
struct json;
MUST_USE struct err *jwt_verify_jwks(struct arena *a, str token, const struct json *keys,
                                     str allowed_algs, str *ret_payload, bool *ret_key_unknown);
MUST_USE struct err *jwt_key_id(struct arena *a, str key_pem,
                                str *ret); /* as Kubernetes: base64url(SHA-256 of the PKIX DER) */
MUST_USE struct err *jwt_jwk(struct arena *a, str key_pem,
                             str *ret_jwk_json); /* public part as a JWK with kid, alg, use */
/* A detached signature (HS256) of the payload: "header..signature". */
str jws_detached(struct arena *a, str secret, str key_id, str payload);
const char *jwt_key_algorithm(str key_pem); /* "ES256", or "RS256" (without a key too) */
/* The payload as it is, whoever signed it. */
MUST_USE struct err *jwt_payload(struct arena *a, str token, str *ret_payload);
MUST_USE struct err *jwt_public_pem(struct arena *a, str key_pem, str *ret);
void sha256_hex(str data, char ret[65]);
#endif
