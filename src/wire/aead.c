/* aead.c - AES-256-GCM by OpenSSL, with random nonces.
 *
 * A random nonce of 96 bits is safe for some 2^32 texts of one key (NIST SP 800-38D, 8.3); keys are
 * changed long before. */
#include "wire/aead.h"
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

DEFINE_CLEANUP(cipher_ctx, EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free)

void aead_key_new(unsigned char ret_key[AEAD_KEY_BYTES])
{
    BUG_ON(RAND_bytes(ret_key, AEAD_KEY_BYTES) != 1);
}

void aead_seal(const unsigned char key[AEAD_KEY_BYTES], str bound, str plain, struct buf *out)
{
    CLEANUP(cipher_ctx) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    unsigned char *at;
    int n;

    BUG_ON(plain.n > INT_MAX - AEAD_OVERHEAD || bound.n > INT_MAX);
    buf_reserve(out, out->n + plain.n + AEAD_OVERHEAD);
    at = (unsigned char *)out->p + out->n;
    BUG_ON(!ctx || RAND_bytes(at, AEAD_NONCE_BYTES) != 1 ||
           EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, at) != 1 ||
           EVP_EncryptUpdate(ctx, NULL, &n, (const unsigned char *)bound.p, (int)bound.n) != 1);
    at += AEAD_NONCE_BYTES;
    BUG_ON(EVP_EncryptUpdate(ctx, at, &n, (const unsigned char *)plain.p, (int)plain.n) != 1);
    at += plain.n;
    BUG_ON(EVP_EncryptFinal_ex(ctx, at, &n) != 1 ||
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, AEAD_TAG_BYTES, at) != 1);
    out->n += plain.n + AEAD_OVERHEAD;
}

bool aead_open(const unsigned char key[AEAD_KEY_BYTES], str bound, str sealed, struct buf *out)
{
    CLEANUP(cipher_ctx) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const unsigned char *in = (const unsigned char *)sealed.p;
    unsigned char *at;
    size_t size;
    bool ok;
    int n;

    if (sealed.n < AEAD_OVERHEAD || sealed.n > INT_MAX || bound.n > INT_MAX)
        return false;
    size = sealed.n - AEAD_OVERHEAD;
    buf_reserve(out, out->n + size + 1);
    at = (unsigned char *)out->p + out->n;
    ok = ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, in) == 1 &&
         EVP_DecryptUpdate(ctx, NULL, &n, (const unsigned char *)bound.p, (int)bound.n) == 1 &&
         EVP_DecryptUpdate(ctx, at, &n, in + AEAD_NONCE_BYTES, (int)size) == 1 &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, AEAD_TAG_BYTES,
                             (void *)(uintptr_t)(in + AEAD_NONCE_BYTES + size)) == 1 &&
         EVP_DecryptFinal_ex(ctx, at + size, &n) == 1;
    if (ok)
        out->n += size;
    ERR_clear_error();
    return ok;
}

void aead_key_id(const unsigned char key[AEAD_KEY_BYTES], unsigned char ret_id[8])
{
    unsigned char hash[SHA256_DIGEST_LENGTH];

    SHA256(key, AEAD_KEY_BYTES, hash);
    memcpy(ret_id, hash, 8);
}
