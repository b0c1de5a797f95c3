/* tls_peer.c - who is at the other end of a TLS connection: the names of its certificate. */
#include "wire/tls_internal.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>

static size_t entry_utf8(X509_NAME_ENTRY *entry, char *out)
{
    unsigned char *utf8 = NULL;
    int n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));

    if (n < 0)
        return 0;
    if (out)
        memcpy(out, utf8, (size_t)n);
    OPENSSL_free(utf8);
    return (size_t)n;
}

/* Walks the subject: without `p` to count, then to fill what was allocated. */
static size_t peer_names(X509_NAME *subject, struct tls_peer *peer, str *organizations, char *p)
{
    size_t need = 0, n_organizations = 0;

    for (int i = 0; i < X509_NAME_entry_count(subject); i++) {
        X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, i);
        int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
        size_t n;

        if (nid != NID_commonName && nid != NID_organizationName)
            continue;
        n = entry_utf8(entry, p ? p + need : NULL);
        if (p && nid == NID_commonName)
            peer->common_name = (str){p + need, n};
        else if (p)
            organizations[n_organizations] = (str){p + need, n};
        n_organizations += nid == NID_organizationName;
        need += n;
    }
    peer->n_organizations = n_organizations;
    return need;
}

/* As for a client certificate of the handshake, against other authorities. */
static bool verifies(SSL *ssl, X509 *cert, X509_STORE *authorities)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    bool ok;

    BUG_ON(!ctx);
    ok = X509_STORE_CTX_init(ctx, authorities, cert, SSL_get_peer_cert_chain(ssl)) &&
         X509_STORE_CTX_set_default(ctx, "ssl_client") && X509_verify_cert(ctx) == 1;
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

void tls_peer_fill(SSL *ssl, X509_STORE *front, struct tls_peer *peer, void **ret_block)
{
    X509 *cert = SSL_get0_peer_certificate(ssl);
    const unsigned char *alpn;
    unsigned alpn_n, hash_n = 0;
    unsigned char hash[EVP_MAX_MD_SIZE];
    struct tm tm;
    size_t text_n;
    char *text;

    SSL_get0_alpn_selected(ssl, &alpn, &alpn_n);
    peer->alpn = (str){(const char *)alpn, alpn_n};
    if (!cert)
        return;
    peer->verified = SSL_get_verify_result(ssl) == X509_V_OK;
    peer->front_verified = front && verifies(ssl, cert, front);
    text_n = peer_names(X509_get_subject_name(cert), peer, NULL, NULL);
    *ret_block = mem_alloc(peer->n_organizations * sizeof(str) + text_n + 2 * sizeof hash);
    peer->organizations = *ret_block;
    text = (char *)*ret_block + peer->n_organizations * sizeof(str);
    peer_names(X509_get_subject_name(cert), peer, *ret_block, text);
    text += text_n;
    if (X509_digest(cert, EVP_sha256(), hash, &hash_n)) {
        CLEANUP(buf) struct buf hex = BUF_INIT;

        buf_hex(&hex, (str){(char *)hash, hash_n});
        memcpy(text, hex.p, hex.n);
        peer->cert_hash = (str){text, hex.n};
    }
    if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm))
        peer->not_after_s = timegm(&tm);
}
