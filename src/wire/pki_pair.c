/* pki_pair.c - whether a certificate and a private key belong together, in the words of Go's
 * crypto/tls.
 *
 * A Secret of type kubernetes.io/tls may hold anything; whoever stores it is told what its users
 * will trip over. */
#include "wire/ssl_internal.h"
#include "wire/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define KEY_TYPE "PRIVATE KEY"

/* The first block that is looked for, and the types of those before it. */
struct search {
    bool key; /* else a certificate */
    unsigned char *der;
    long n;
    struct buf skipped; /* "A B" */
    size_t n_skipped;
};

static bool is_wanted(const struct search *s, str type)
{
    return s->key ? str_is(type, KEY_TYPE) || str_has_suffix(type, S(" " KEY_TYPE))
                  : str_is(type, "CERTIFICATE");
}

static void search_block(struct search *s, str pem)
{
    CLEANUP(bio) BIO *in = ssl_bio_of(pem);
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    long n;

    while (!s->der && in && PEM_read_bio(in, &name, &header, &der, &n)) {
        if (is_wanted(s, str_of(name))) {
            s->der = der;
            s->n = n;
        } else {
            buf_fmt(&s->skipped, "%s%s", s->n_skipped++ ? " " : "", name);
            OPENSSL_free(der);
        }
        OPENSSL_free(name);
        OPENSSL_free(header);
    }
    ERR_clear_error();
}

static const char *not_found(struct arena *a, const struct search *s)
{
    str skipped = buf_view(&s->skipped);
    const char *what = s->key ? "key" : "certificate";

    if (s->der)
        return NULL;
    if (!s->n_skipped)
        return arena_dupz(a, arena_fmt(a, "tls: failed to find any PEM data in %s input", what));
    if (s->n_skipped == 1 && !s->key && str_has_suffix(skipped, S(KEY_TYPE)))
        return "tls: failed to find certificate PEM data in certificate input, but did find a "
               "private key; PEM inputs may have been switched";
    if (s->n_skipped == 1 && s->key && str_is(skipped, "CERTIFICATE"))
        return "tls: found a certificate rather than a key in the PEM for the private key";
    return arena_dupz(
        a, arena_fmt(a,
                     "tls: failed to find %s in %s input after skipping PEM blocks of the "
                     "following types: [" PRI_STR "]",
                     s->key ? "PEM block with type ending in \"" KEY_TYPE "\""
                            : "\"CERTIFICATE\" PEM block",
                     what, STR_ARG(skipped)));
}

static const char *pair_check(const struct search *cert_block, const struct search *key_block)
{
    const unsigned char *der = cert_block->der;
    CLEANUP(x509) X509 *cert = d2i_X509(NULL, &der, cert_block->n);
    CLEANUP(pkey) EVP_PKEY *key = NULL;
    const char *wrong = NULL;

    if (!cert)
        wrong = "x509: malformed certificate";
    else {
        der = key_block->der;
        key = d2i_AutoPrivateKey(NULL, &der, key_block->n);
        if (!key)
            wrong = "tls: failed to parse private key";
        else if (EVP_PKEY_get_base_id(key) != EVP_PKEY_get_base_id(X509_get0_pubkey(cert)))
            wrong = "tls: private key type does not match public key type";
        else if (X509_check_private_key(cert, key) != 1)
            wrong = "tls: private key does not match public key";
    }
    ERR_clear_error();
    return wrong;
}

const char *pki_pair_check(struct arena *a, str cert_pem, str key_pem)
{
    struct search cert = {.key = false}, key = {.key = true};
    const char *wrong;

    search_block(&cert, cert_pem);
    search_block(&key, key_pem);
    wrong = not_found(a, &cert);
    if (!wrong)
        wrong = not_found(a, &key);
    if (!wrong)
        wrong = pair_check(&cert, &key);
    OPENSSL_free(cert.der);
    OPENSSL_free(key.der);
    buf_fini(&cert.skipped);
    buf_fini(&key.skipped);
    return wrong;
}
