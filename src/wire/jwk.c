/* jwk.c - public keys in JSON (RFC 7517): numbers in base64url become an OpenSSL key.
 *
 * What comes from the wire meets limits before arithmetic sees it; OpenSSL checks that a point is
 * on its curve. */
#include "wire/json.h"
#include "wire/ssl_internal.h"
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#define RSA_BYTES_MIN 256 /* shorter moduli are no protection any more */
#define RSA_BYTES_MAX 1024
#define EXPONENT_BYTES_MAX 8

static const struct curve {
    const char *jwk, *openssl;
    size_t bytes;
} curves[] = {{"P-256", "prime256v1", 32}, {"P-384", "secp384r1", 48}, {"P-521", "secp521r1", 66}};

static bool bytes_of(struct arena *a, const struct json *jwk, const char *name, str *ret)
{
    return base64url_decode(a, json_str(json_findz(jwk, name)), ret) && ret->n > 0;
}

static EVP_PKEY *key_from(const char *type, OSSL_PARAM_BLD *bld)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;

    if (params && ctx && EVP_PKEY_fromdata_init(ctx) == 1)
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return key;
}

static EVP_PKEY *rsa_key(struct arena *a, const struct json *jwk)
{
    OSSL_PARAM_BLD *bld;
    BIGNUM *n, *e;
    EVP_PKEY *key = NULL;
    str nb, eb;

    if (!bytes_of(a, jwk, "n", &nb) || !bytes_of(a, jwk, "e", &eb) || nb.n < RSA_BYTES_MIN ||
        nb.n > RSA_BYTES_MAX || eb.n > EXPONENT_BYTES_MAX)
        return NULL;
    bld = OSSL_PARAM_BLD_new();
    n = BN_bin2bn((const unsigned char *)nb.p, (int)nb.n, NULL);
    e = BN_bin2bn((const unsigned char *)eb.p, (int)eb.n, NULL);
    if (bld && n && e && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e))
        key = key_from("RSA", bld);
    OSSL_PARAM_BLD_free(bld);
    BN_free(n);
    BN_free(e);
    return key;
}

static EVP_PKEY *ec_key(struct arena *a, const struct json *jwk)
{
    str name = json_str(json_findz(jwk, "crv")), x, y;
    unsigned char point[1 + 2 * 66] = {POINT_CONVERSION_UNCOMPRESSED};
    OSSL_PARAM_BLD *bld;
    EVP_PKEY *key = NULL;
    size_t i = 0, n;

    while (i < ARRAY_LEN(curves) && !str_is(name, curves[i].jwk))
        i++;
    if (i == ARRAY_LEN(curves))
        return NULL;
    n = curves[i].bytes;
    if (!bytes_of(a, jwk, "x", &x) || !bytes_of(a, jwk, "y", &y) || x.n != n || y.n != n)
        return NULL;
    memcpy(point + 1, x.p, n);
    memcpy(point + 1 + n, y.p, n);
    bld = OSSL_PARAM_BLD_new();
    if (bld &&
        OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, curves[i].openssl, 0) &&
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * n))
        key = key_from("EC", bld);
    OSSL_PARAM_BLD_free(bld);
    return key;
}

EVP_PKEY *jwk_key(struct arena *a, const struct json *jwk)
{
    str type = json_str(json_findz(jwk, "kty"));
    EVP_PKEY *key = str_is(type, "RSA")  ? rsa_key(a, jwk)
                    : str_is(type, "EC") ? ec_key(a, jwk)
                                         : NULL;

    ERR_clear_error();
    return key;
}
