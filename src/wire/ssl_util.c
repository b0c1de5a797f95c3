/* ssl_util.c - PEM in, errors out, SHA-256: see ssl_internal.h. */
#include "wire/ssl_internal.h"
#include "wire/tls.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

static struct err *ssl_error(enum reason reason, const char *doing)
{
    unsigned long code = ERR_get_error();
    const char *why = code ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return err_new(reason, "%s: %s", doing, why ? why : "malformed or unsupported");
}

struct err *ssl_err(const char *doing)
{
    return ssl_error(REASON_INTERNAL, doing);
}

struct err *ssl_bad(const char *doing)
{
    return ssl_error(REASON_BAD_REQUEST, doing);
}

BIO *ssl_bio_of(str pem)
{
    BIO *bio = pem.n > INT_MAX ? NULL : BIO_new_mem_buf(pem.n ? pem.p : "", (int)pem.n);

    BUG_ON(!bio);
    return bio;
}

/* A key with a pass phrase must not make OpenSSL ask for it on the terminal. */
static int no_pass_phrase(char *buf, int size, int writing, void *ctx)
{
    return -1;
}

EVP_PKEY *ssl_private_key(str pem)
{
    CLEANUP(bio) BIO *bio = ssl_bio_of(pem);

    return PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
}

X509 *ssl_cert(str pem)
{
    CLEANUP(bio) BIO *bio = ssl_bio_of(pem);

    return PEM_read_bio_X509(bio, NULL, no_pass_phrase, NULL);
}

EVP_PKEY *ssl_public_key(str pem)
{
    CLEANUP(bio) BIO *bio = ssl_bio_of(pem);
    CLEANUP(x509) X509 *cert = NULL;
    EVP_PKEY *key;

    key = PEM_read_bio_PUBKEY(bio, NULL, no_pass_phrase, NULL);
    if (key)
        return key;
    cert = ssl_cert(pem);
    key = cert ? X509_get_pubkey(cert) : ssl_private_key(pem);
    if (key)
        ERR_clear_error();
    return key;
}

void ssl_bio_to_buf(BIO *bio, struct buf *out)
{
    char *p;
    long n = BIO_get_mem_data(bio, &p);

    if (n > 0)
        buf_add(out, p, (size_t)n);
}

void sha256_hex(str data, char ret[65])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)data.p, data.n, hash);
    for (size_t i = 0; i < sizeof hash; i++) {
        ret[2 * i] = digits[hash[i] >> 4];
        ret[2 * i + 1] = digits[hash[i] & 15];
    }
    ret[64] = '\0';
}
