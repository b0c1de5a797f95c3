/* jwt.c - JSON Web Tokens in compact form: signed with RS256 and ES256, verified with these and the
 * other RSA and ECDSA algorithms, and public keys as JWK.
 *
 * The algorithm follows from the key, never from the token alone: a token whose header names
 * another algorithm than the key's ("none" above all) is refused. Shared secrets (HS256) are no
 * keys here.
 *
 * Not here: claims and times (the API's authenticator). Source: RFC 7515, 7517, 7518. */
#include "wire/json.h"
#include "wire/ssl_internal.h"
#include "wire/tls.h"
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#define ES256_HALF 32 /* bytes of r and of s */

static const struct algorithm { /* RFC 7518, 3.1 */
    const char *name, *digest;
    char family; /* 'R'SA PKCS#1, RSA-'P'SS, 'E'CDSA */
    int curve_bits;
} algorithms[] = {
    {"RS256", "SHA256", 'R', 0},   {"RS384", "SHA384", 'R', 0},   {"RS512", "SHA512", 'R', 0},
    {"PS256", "SHA256", 'P', 0},   {"PS384", "SHA384", 'P', 0},   {"PS512", "SHA512", 'P', 0},
    {"ES256", "SHA256", 'E', 256}, {"ES384", "SHA384", 'E', 384}, {"ES512", "SHA512", 'E', 521},
};

DEFINE_CLEANUP(mdctx, EVP_MD_CTX *, EVP_MD_CTX_free)
DEFINE_CLEANUP(ecsig, ECDSA_SIG *, ECDSA_SIG_free)

/* "RS256", "ES256", or NULL for a key that signs neither. */
static const char *key_algorithm(const EVP_PKEY *key)
{
    if (EVP_PKEY_is_a(key, "RSA"))
        return "RS256";
    if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_bits(key) == 256) {
        char group[32];
        size_t n;

        if (EVP_PKEY_get_group_name(key, group, sizeof group, &n) &&
            str_eq(str_of(group), S("prime256v1")))
            return "ES256";
    }
    return NULL;
}

/* DER of an ECDSA signature to the two fixed halves that JWS wants. */
static bool es256_raw(const unsigned char *der, size_t n, unsigned char ret[2 * ES256_HALF])
{
    CLEANUP(ecsig) ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);

    return sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret, ES256_HALF) == ES256_HALF &&
           BN_bn2binpad(ECDSA_SIG_get0_s(sig), ret + ES256_HALF, ES256_HALF) == ES256_HALF;
}

/* And back, for a curve of `half` bytes; *ret_der by OPENSSL_malloc. */
static int ecdsa_der(str raw, size_t half, unsigned char **ret_der)
{
    CLEANUP(ecsig) ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r, *s;

    if (raw.n != 2 * half || !sig)
        return -1;
    r = BN_bin2bn((const unsigned char *)raw.p, (int)half, NULL);
    s = BN_bin2bn((const unsigned char *)raw.p + half, (int)half, NULL);
    if (!r || !s || !ECDSA_SIG_set0(sig, r, s)) {
        BN_free(r);
        BN_free(s);
        return -1;
    }
    return i2d_ECDSA_SIG(sig, ret_der);
}

struct err *jwt_sign(struct arena *a, str key_pem, str key_id, str payload_json, str *ret_token)
{
    CLEANUP(pkey) EVP_PKEY *key = ssl_private_key(key_pem);
    CLEANUP(mdctx) EVP_MD_CTX *md = EVP_MD_CTX_new();
    CLEANUP(buf) struct buf header = BUF_INIT;
    CLEANUP(buf) struct buf token = BUF_INIT;
    unsigned char raw[2 * ES256_HALF], *sig;
    const char *algorithm;
    size_t n = 0;

    if (!key)
        return ssl_err("read a token signing key");
    algorithm = key_algorithm(key);
    if (!algorithm)
        return err_new(REASON_INTERNAL, "tokens are signed with RSA or EC P-256 keys only");
    buf_fmt(&header, "{\"alg\":\"%s\",\"kid\":", algorithm);
    json_encode_string(&header, key_id);
    buf_char(&header, '}');
    buf_base64url(&token, buf_view(&header));
    buf_char(&token, '.');
    buf_base64url(&token, payload_json);
    if (!md || EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) != 1 ||
        EVP_DigestSign(md, NULL, &n, (const unsigned char *)token.p, token.n) != 1)
        return ssl_err("sign a token");
    sig = arena_alloc(a, n);
    if (EVP_DigestSign(md, sig, &n, (const unsigned char *)token.p, token.n) != 1)
        return ssl_err("sign a token");
    if (algorithm[0] == 'E') {
        if (!es256_raw(sig, n, raw))
            return ssl_err("sign a token");
        sig = raw;
        n = sizeof raw;
    }
    buf_char(&token, '.');
    buf_base64url(&token, (str){(const char *)sig, n});
    *ret_token = arena_dup(a, buf_view(&token));
    return NULL;
}

static const struct algorithm *algorithm_find(str name)
{
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
        if (str_is(name, algorithms[i].name))
            return &algorithms[i];
    return NULL;
}

/* Can the key sign so? The curve's size is part of an ECDSA algorithm. */
static bool key_fits(const EVP_PKEY *key, const struct algorithm *alg)
{
    if (alg->family == 'E')
        return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_bits(key) == alg->curve_bits;
    return EVP_PKEY_is_a(key, "RSA");
}

static bool signature_fits(EVP_PKEY *key, const struct algorithm *alg, str signed_text,
                           str signature)
{
    CLEANUP(mdctx) EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL;
    unsigned char *der = NULL;
    bool ok;

    if (!md ||
        EVP_DigestVerifyInit(md, &options, EVP_get_digestbyname(alg->digest), NULL, key) != 1)
        return false;
    if (alg->family == 'P' &&
        (EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) != 1))
        return false;
    if (alg->family == 'E') {
        int n = ecdsa_der(signature, (size_t)(alg->curve_bits + 7) / 8, &der);

        if (n <= 0)
            return false;
        signature = (str){(const char *)der, (size_t)n};
    }
    ok = EVP_DigestVerify(md, (const unsigned char *)signature.p, signature.n,
                          (const unsigned char *)signed_text.p, signed_text.n) == 1;
    OPENSSL_free(der);
    return ok;
}

struct parts {
    const struct json *header;
    str signed_text, payload, signature;
    const struct algorithm *algorithm; /* NULL: none of ours */
};

static struct err *parts_parse(struct arena *a, str token, struct parts *ret)
{
    str rest = token, head64, payload64, head;
    struct json *header;
    struct err *err;

    if (!str_cut(&rest, '.', &head64) || !rest.p || !str_cut(&rest, '.', &payload64) || !rest.p ||
        str_has_char(rest, '.') || !base64url_decode(a, head64, &head) ||
        !base64url_decode(a, payload64, &ret->payload) ||
        !base64url_decode(a, rest, &ret->signature))
        return err_new(REASON_UNAUTHORIZED, "malformed token");
    err = json_parse(a, head, NULL, NULL, &header);
    if (err) {
        err_free(err);
        return err_new(REASON_UNAUTHORIZED, "malformed token header");
    }
    /* "crit" names extensions that must be understood; we know none. */
    if (json_findz(header, "crit"))
        return err_new(REASON_UNAUTHORIZED, "token has critical extensions");
    ret->header = header;
    ret->signed_text = (str){token.p, head64.n + 1 + payload64.n};
    ret->algorithm = algorithm_find(json_str(json_findz(header, "alg")));
    return NULL;
}

struct err *jwt_payload(struct arena *a, str token, str *ret_payload)
{
    struct parts p;
    struct err *err = parts_parse(a, token, &p);

    if (!err)
        *ret_payload = p.payload;
    return err;
}

struct err *jwt_verify(struct arena *a, str token, const str *public_keys_pem, size_t n,
                       str *ret_payload)
{
    struct parts p;
    struct err *err = parts_parse(a, token, &p);

    if (err)
        return err;
    for (size_t i = 0; i < n && p.algorithm; i++) {
        CLEANUP(pkey) EVP_PKEY *key = ssl_public_key(public_keys_pem[i]);
        const char *fits = key ? key_algorithm(key) : NULL;

        if (!fits || strcmp(p.algorithm->name, fits) != 0)
            continue;
        if (signature_fits(key, p.algorithm, p.signed_text, p.signature)) {
            ERR_clear_error();
            *ret_payload = p.payload;
            return NULL;
        }
    }
    ERR_clear_error();
    return err_new(REASON_UNAUTHORIZED, "token is signed by none of our keys");
}

static bool allowed(str algorithms_text, const char *name)
{
    str one;

    while (algorithms_text.n && str_cut(&algorithms_text, ',', &one))
        if (str_is(str_trim(one), name))
            return true;
    return false;
}

struct err *jwt_verify_jwks(struct arena *a, str token, const struct json *keys, str allowed_algs,
                            str *ret_payload, bool *ret_key_unknown)
{
    struct parts p;
    struct err *err = parts_parse(a, token, &p);
    bool any = false;
    str kid;

    *ret_key_unknown = false;
    if (err)
        return err;
    if (!p.algorithm || !allowed(allowed_algs, p.algorithm->name))
        return err_new(REASON_UNAUTHORIZED,
                       "oidc: id token signed with unsupported algorithm, expected [" PRI_STR
                       "] got \"" PRI_STR "\"",
                       STR_ARG(allowed_algs), STR_ARG(json_str(json_findz(p.header, "alg"))));
    kid = json_str(json_findz(p.header, "kid"));
    JSON_EACH(jwk, keys) {
        CLEANUP(pkey) EVP_PKEY *key = NULL;

        if (kid.n && !str_eq(json_str(json_findz(jwk, "kid")), kid))
            continue;
        if (json_findz(jwk, "use") && !str_is(json_str(json_findz(jwk, "use")), "sig"))
            continue;
        any = true;
        key = jwk_key(a, jwk);
        if (key && key_fits(key, p.algorithm) &&
            signature_fits(key, p.algorithm, p.signed_text, p.signature)) {
            ERR_clear_error();
            *ret_payload = p.payload;
            return NULL;
        }
    }
    ERR_clear_error();
    *ret_key_unknown = !any || !kid.n;
    return err_new(REASON_UNAUTHORIZED,
                   "failed to verify signature: failed to verify id token signature");
}

str jws_detached(struct arena *a, str secret, str key_id, str payload)
{
    CLEANUP(buf) struct buf header = BUF_INIT;
    CLEANUP(buf) struct buf text = BUF_INIT;
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    size_t head;

    buf_z(&header, "{\"alg\":\"HS256\",\"kid\":");
    json_encode_string(&header, key_id);
    buf_char(&header, '}');
    buf_base64url(&text, buf_view(&header));
    head = text.n;
    buf_char(&text, '.');
    buf_base64url(&text, payload);
    BUG_ON(!HMAC(EVP_sha256(), secret.p, (int)secret.n, (const unsigned char *)text.p, text.n, mac,
                 &n));
    text.n = head;
    buf_z(&text, "..");
    buf_base64url(&text, (str){(const char *)mac, n});
    return arena_dup(a, buf_view(&text));
}

const char *jwt_key_algorithm(str key_pem)
{
    CLEANUP(pkey) EVP_PKEY *key = key_pem.n ? ssl_public_key(key_pem) : NULL;
    const char *algorithm = key ? key_algorithm(key) : NULL;

    return algorithm ? algorithm : "RS256";
}

static bool key_id_of(struct arena *a, const EVP_PKEY *key, str *ret)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    unsigned char hash[SHA256_DIGEST_LENGTH], *der = NULL;
    int n = i2d_PUBKEY(key, &der);

    if (n <= 0)
        return false;
    SHA256(der, (size_t)n, hash);
    OPENSSL_free(der);
    buf_base64url(&text, (str){(const char *)hash, sizeof hash});
    *ret = arena_dup(a, buf_view(&text));
    return true;
}

struct err *jwt_key_id(struct arena *a, str key_pem, str *ret)
{
    CLEANUP(pkey) EVP_PKEY *key = ssl_public_key(key_pem);

    if (!key || !key_id_of(a, key, ret))
        return ssl_err("read a token key");
    return NULL;
}

/* ,"name":"base64url of the number", padded to `width` bytes (0: as short as it is). */
static bool jwk_number(struct buf *out, const EVP_PKEY *key, const char *param, const char *name,
                       int width)
{
    BIGNUM *number = NULL;
    unsigned char bytes[2048];
    int n;

    if (!EVP_PKEY_get_bn_param(key, param, &number))
        return false;
    n = width ? width : BN_num_bytes(number);
    if (n > (int)sizeof bytes || BN_bn2binpad(number, bytes, n) != n) {
        BN_free(number);
        return false;
    }
    BN_free(number);
    buf_fmt(out, ",\"%s\":\"", name);
    buf_base64url(out, (str){(const char *)bytes, (size_t)n});
    buf_char(out, '"');
    return true;
}

struct err *jwt_jwk(struct arena *a, str key_pem, str *ret_jwk_json)
{
    CLEANUP(pkey) EVP_PKEY *key = ssl_public_key(key_pem);
    CLEANUP(buf) struct buf out = BUF_INIT;
    const char *algorithm;
    bool is_es, ok;
    str kid;

    if (!key || !key_id_of(a, key, &kid))
        return ssl_err("read a token key");
    algorithm = key_algorithm(key);
    if (!algorithm)
        return err_new(REASON_INTERNAL, "tokens are signed with RSA or EC P-256 keys only");
    is_es = algorithm[0] == 'E';
    buf_fmt(&out, "{\"use\":\"sig\",\"kty\":\"%s\",\"kid\":\"" PRI_STR "\"%s,\"alg\":\"%s\"",
            is_es ? "EC" : "RSA", STR_ARG(kid), is_es ? ",\"crv\":\"P-256\"" : "", algorithm);
    if (is_es)
        ok = jwk_number(&out, key, OSSL_PKEY_PARAM_EC_PUB_X, "x", ES256_HALF) &&
             jwk_number(&out, key, OSSL_PKEY_PARAM_EC_PUB_Y, "y", ES256_HALF);
    else
        ok = jwk_number(&out, key, OSSL_PKEY_PARAM_RSA_N, "n", 0) &&
             jwk_number(&out, key, OSSL_PKEY_PARAM_RSA_E, "e", 0);
    if (!ok)
        return ssl_err("describe a token key");
    buf_char(&out, '}');
    *ret_jwk_json = arena_dup(a, buf_view(&out));
    return NULL;
}

struct err *jwt_public_pem(struct arena *a, str key_pem, str *ret)
{
    CLEANUP(pkey) EVP_PKEY *key = ssl_public_key(key_pem);
    CLEANUP(bio) BIO *out = BIO_new(BIO_s_mem());
    CLEANUP(buf) struct buf text = BUF_INIT;

    if (!key || !out || !PEM_write_bio_PUBKEY(out, key))
        return ssl_err("read a token key");
    ssl_bio_to_buf(out, &text);
    *ret = arena_dup(a, buf_view(&text));
    return NULL;
}
