/* pki.c - keys, certificates and certificate requests: EC P-256, X.509 v3, PEM text.
 *
 * A certificate made here is what Kubernetes' own tools make: version 3, a random 127-bit
 * serial, key usages by role, subject alternative names as given. Nothing is taken over from a
 * request but its subject, names and public key.
 *
 * Not here: whether a request may be signed (the API's approval), files, rotation. */
#include "wire/ssl_internal.h"
#include "wire/tls.h"
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

#define SERIAL_BITS                                                                                \
    127 /* as k8s.io/client-go/util/cert: positive and within 20 octets (RFC 5280, 4.1.2.2) */

#define RSA_BITS 2048

DEFINE_CLEANUP(names, GENERAL_NAMES *, GENERAL_NAMES_free)
DEFINE_CLEANUP(asn1_time, ASN1_TIME *, ASN1_TIME_free)

static void extensions_free(STACK_OF(X509_EXTENSION) * list)
{
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
}
DEFINE_CLEANUP(extensions, STACK_OF(X509_EXTENSION) *, extensions_free)

static struct err *key_write(EVP_PKEY *key, struct buf *key_pem)
{
    CLEANUP(bio) BIO *out = BIO_new(BIO_s_mem());

    if (!key || !out || !PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL))
        return ssl_err("make a key");
    ssl_bio_to_buf(out, key_pem);
    return NULL;
}

struct err *pki_key_new(struct buf *key_pem)
{
    CLEANUP(pkey) EVP_PKEY *key = EVP_EC_gen("P-256");

    return key_write(key, key_pem);
}

struct err *pki_rsa_key_new(struct buf *key_pem)
{
    CLEANUP(pkey) EVP_PKEY *key = EVP_RSA_gen(RSA_BITS);

    return key_write(key, key_pem);
}

static bool name_add(X509_NAME *name, int nid, str value)
{
    return value.n <= INT_MAX &&
           X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8, (const unsigned char *)value.p,
                                      (int)value.n, -1, 0);
}

static bool names_add_dns(GENERAL_NAMES *names, str dns)
{
    GENERAL_NAME *g = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();

    if (!g || !text || !ASN1_STRING_set(text, dns.p, (int)dns.n) ||
        !sk_GENERAL_NAME_push(names, g)) {
        GENERAL_NAME_free(g);
        ASN1_IA5STRING_free(text);
        return false;
    }
    GENERAL_NAME_set0_value(g, GEN_DNS, text);
    return true;
}

static bool names_add_ip(GENERAL_NAMES *names, str ip)
{
    char text[INET6_ADDRSTRLEN];
    ASN1_OCTET_STRING *octets;
    GENERAL_NAME *g;

    if (ip.n >= sizeof text)
        return false;
    memcpy(text, ip.p, ip.n);
    text[ip.n] = '\0';
    octets = a2i_IPADDRESS(text);
    g = GENERAL_NAME_new();
    if (!octets || !g || !sk_GENERAL_NAME_push(names, g)) {
        GENERAL_NAME_free(g);
        ASN1_OCTET_STRING_free(octets);
        return false;
    }
    GENERAL_NAME_set0_value(g, GEN_IPADD, octets);
    return true;
}

static bool cert_times(X509 *cert, wall_time not_before, wall_time not_after)
{
    return ASN1_TIME_set(X509_getm_notBefore(cert), not_before.ns / NS_PER_S) &&
           ASN1_TIME_set(X509_getm_notAfter(cert), not_after.ns / NS_PER_S);
}

static bool cert_serial(X509 *cert)
{
    CLEANUP(bignum) BIGNUM *serial = BN_new();

    return serial && BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) &&
           BN_add_word(serial, 1) && BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert));
}

/* Bits of RFC 5280, 4.2.1.3. */
static bool cert_key_usage(X509 *cert, unsigned usage)
{
    ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
    bool ok = bits && ASN1_BIT_STRING_set_bit(bits, 0, !!(usage & PKI_DIGITAL_SIGNATURE)) &&
              ASN1_BIT_STRING_set_bit(bits, 2, !!(usage & PKI_KEY_ENCIPHERMENT)) &&
              ASN1_BIT_STRING_set_bit(bits, 5, !!(usage & PKI_CERT_SIGN));

    if (ok && usage & (PKI_DIGITAL_SIGNATURE | PKI_KEY_ENCIPHERMENT | PKI_CERT_SIGN))
        ok = X509_add1_ext_i2d(cert, NID_key_usage, bits, 1, X509V3_ADD_APPEND) == 1;
    ASN1_BIT_STRING_free(bits);
    return ok;
}

static bool cert_usage(X509 *cert, bool is_ca, unsigned usage)
{
    BASIC_CONSTRAINTS *basic = BASIC_CONSTRAINTS_new();
    EXTENDED_KEY_USAGE *extended = EXTENDED_KEY_USAGE_new();
    bool ok = basic && extended && cert_key_usage(cert, usage);

    if (ok)
        basic->ca = is_ca ? 0xff : 0;
    if (ok && usage & PKI_SERVER_AUTH)
        ok = sk_ASN1_OBJECT_push(extended, OBJ_nid2obj(NID_server_auth)) > 0;
    if (ok && usage & PKI_CLIENT_AUTH)
        ok = sk_ASN1_OBJECT_push(extended, OBJ_nid2obj(NID_client_auth)) > 0;
    if (ok && usage & (PKI_SERVER_AUTH | PKI_CLIENT_AUTH))
        ok = X509_add1_ext_i2d(cert, NID_ext_key_usage, extended, 0, X509V3_ADD_APPEND) == 1;
    ok = ok && X509_add1_ext_i2d(cert, NID_basic_constraints, basic, 1, X509V3_ADD_APPEND) == 1;
    BASIC_CONSTRAINTS_free(basic);
    EXTENDED_KEY_USAGE_free(extended);
    return ok;
}

static bool cert_key_ids(X509 *cert, X509 *issuer)
{
    static const struct {
        int nid;
        const char *value;
        bool not_self;
    } ids[] = {
        {NID_subject_key_identifier, "hash", false},
        {NID_authority_key_identifier, "keyid:always", true},
    };
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        X509_EXTENSION *ext;
        int added;

        if (ids[i].not_self && (issuer == cert || !X509_get0_subject_key_id(issuer)))
            continue;
        ext = X509V3_EXT_nconf_nid(NULL, &ctx, ids[i].nid, ids[i].value);
        added = ext && X509_add_ext(cert, ext, -1);
        X509_EXTENSION_free(ext);
        if (!added)
            return false;
    }
    return true;
}

static struct err *cert_sign(X509 *cert, EVP_PKEY *key, struct buf *cert_pem)
{
    CLEANUP(bio) BIO *out = BIO_new(BIO_s_mem());

    if (!X509_sign(cert, key, EVP_sha256()) || !out || !PEM_write_bio_X509(out, cert))
        return ssl_err("sign a certificate");
    ssl_bio_to_buf(out, cert_pem);
    return NULL;
}

/* The issuer's certificate and key, which must belong together: a mix-up would only show at
 * every client. */
static struct err *issuer_load(str cert_pem, str key_pem, X509 **ret_cert, EVP_PKEY **ret_key)
{
    CLEANUP(x509) X509 *cert = ssl_cert(cert_pem);
    CLEANUP(pkey) EVP_PKEY *key = NULL;

    if (!cert)
        return ssl_err("read the issuer's certificate");
    key = ssl_private_key(key_pem);
    if (!key)
        return ssl_err("read the issuer's key");
    if (!X509_check_private_key(cert, key))
        return ssl_err("match the issuer's certificate and key");
    *ret_cert = TAKE(cert);
    *ret_key = TAKE(key);
    return NULL;
}

struct err *pki_cert_new(const struct pki_cert_options *o, str key_pem, str issuer_cert_pem,
                         str issuer_key_pem, struct buf *cert_pem)
{
    unsigned usage = PKI_DIGITAL_SIGNATURE | PKI_KEY_ENCIPHERMENT | (o->is_ca ? PKI_CERT_SIGN : 0) |
                     (o->server ? PKI_SERVER_AUTH : 0) | (o->client ? PKI_CLIENT_AUTH : 0);
    CLEANUP(pkey) EVP_PKEY *key = ssl_private_key(key_pem);
    CLEANUP(pkey) EVP_PKEY *issuer_key = NULL;
    CLEANUP(x509) X509 *issuer = NULL;
    CLEANUP(x509) X509 *cert = X509_new();
    CLEANUP(names) GENERAL_NAMES *names = GENERAL_NAMES_new();
    X509_NAME *subject = cert ? X509_get_subject_name(cert) : NULL;
    struct err *err;

    if (!key)
        return ssl_err("read a certificate's key");
    if (!cert || !names)
        return ssl_err("make a certificate");
    if (issuer_cert_pem.n) {
        err = issuer_load(issuer_cert_pem, issuer_key_pem, &issuer, &issuer_key);
        if (err)
            return err;
    }
    /* Organizations before the common name: the order in which Go writes a subject. */
    for (size_t i = 0; i < o->n_organizations; i++)
        if (!name_add(subject, NID_organizationName, o->organizations[i]))
            return ssl_err("set a certificate's organization");
    if (o->common_name.n && !name_add(subject, NID_commonName, o->common_name))
        return ssl_err("set a certificate's common name");
    for (size_t i = 0; i < o->n_dns_names; i++)
        if (!names_add_dns(names, o->dns_names[i]))
            return ssl_err("set a certificate's DNS name");
    for (size_t i = 0; i < o->n_ip_addresses; i++)
        if (!names_add_ip(names, o->ip_addresses[i]))
            return err_new(REASON_INTERNAL, "certificate: \"" PRI_STR "\" is not an IP address",
                           STR_ARG(o->ip_addresses[i]));
    if (!X509_set_version(cert, X509_VERSION_3) || !cert_serial(cert) ||
        !cert_times(cert, o->not_before, o->not_after) ||
        !X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer) : subject) ||
        !X509_set_pubkey(cert, key) || !cert_usage(cert, o->is_ca, usage) ||
        !cert_key_ids(cert, issuer ? issuer : cert))
        return ssl_err("make a certificate");
    if (sk_GENERAL_NAME_num(names) > 0 &&
        X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND) != 1)
        return ssl_err("set a certificate's names");
    return cert_sign(cert, issuer ? issuer_key : key, cert_pem);
}

/* The subject alternative names that a request asks for; NULL when it asks for none. */
static GENERAL_NAMES *request_names(X509_REQ *req)
{
    CLEANUP(extensions) STACK_OF(X509_EXTENSION) *wanted = X509_REQ_get_extensions(req);

    return wanted ? X509V3_get_d2i(wanted, NID_subject_alt_name, NULL, NULL) : NULL;
}

static X509_REQ *request_of(str pem)
{
    CLEANUP(bio) BIO *bio = ssl_bio_of(pem);

    return PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
}

struct err *pki_cert_sign_request(str csr_pem, str issuer_cert_pem, str issuer_key_pem,
                                  unsigned usage, wall_time not_before, wall_time not_after,
                                  struct buf *cert_pem)
{
    CLEANUP(x509_req) X509_REQ *req = request_of(csr_pem);
    CLEANUP(names) GENERAL_NAMES *names = NULL;
    CLEANUP(pkey) EVP_PKEY *issuer_key = NULL;
    CLEANUP(x509) X509 *issuer = NULL;
    CLEANUP(x509) X509 *cert = X509_new();
    EVP_PKEY *key = req ? X509_REQ_get0_pubkey(req) : NULL;
    struct err *err;

    if (!req || !key)
        return ssl_bad("read a certificate request");
    /* The signature proves that who asks has the private key. */
    if (X509_REQ_verify(req, key) != 1)
        return ssl_bad("check the signature of a certificate request");
    err = issuer_load(issuer_cert_pem, issuer_key_pem, &issuer, &issuer_key);
    if (err)
        return err;
    names = request_names(req);
    if (!cert || !X509_set_version(cert, X509_VERSION_3) || !cert_serial(cert) ||
        !cert_times(cert, not_before, not_after) ||
        !X509_set_subject_name(cert, X509_REQ_get_subject_name(req)) ||
        !X509_set_issuer_name(cert, X509_get_subject_name(issuer)) || !X509_set_pubkey(cert, key) ||
        !cert_usage(cert, false, usage) || !cert_key_ids(cert, issuer))
        return ssl_err("make a certificate");
    if (names && X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND) != 1)
        return ssl_err("set a certificate's names");
    return cert_sign(cert, issuer_key, cert_pem);
}

/* Text of a name's entry as UTF-8 in the arena; false when it cannot be that. */
static bool entry_text(struct arena *a, X509_NAME_ENTRY *entry, str *ret)
{
    unsigned char *utf8 = NULL;
    int n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));

    if (n < 0)
        return false;
    *ret = arena_dup(a, (str){(char *)utf8, (size_t)n});
    OPENSSL_free(utf8);
    return true;
}

static bool csr_subject(struct arena *a, X509_NAME *subject, struct pki_csr *csr)
{
    int n = X509_NAME_entry_count(subject);

    csr->organizations = ARENA_NEW_N(a, str, n ? n : 1);
    for (int i = 0; i < n; i++) {
        X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, i);
        int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));

        if (nid == NID_commonName && !entry_text(a, entry, &csr->common_name))
            return false;
        if (nid == NID_organizationName &&
            !entry_text(a, entry, &csr->organizations[csr->n_organizations++]))
            return false;
    }
    return true;
}

static void csr_names(struct arena *a, const GENERAL_NAMES *names, struct pki_csr *csr)
{
    int n = names ? sk_GENERAL_NAME_num(names) : 0;

    csr->dns_names = ARENA_NEW_N(a, str, n ? n : 1);
    csr->ip_addresses = ARENA_NEW_N(a, str, n ? n : 1);
    for (int i = 0; i < n; i++) {
        int type;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        const unsigned char *p =
            type == GEN_DNS || type == GEN_IPADD ? ASN1_STRING_get0_data(value) : NULL;
        char text[INET6_ADDRSTRLEN];

        if (type == GEN_DNS) {
            csr->dns_names[csr->n_dns_names++] =
                arena_dup(a, (str){(const char *)p, (size_t)ASN1_STRING_length(value)});
        } else if (type == GEN_IPADD &&
                   (ASN1_STRING_length(value) == 4 || ASN1_STRING_length(value) == 16)) {
            inet_ntop(ASN1_STRING_length(value) == 4 ? AF_INET : AF_INET6, p, text, sizeof text);
            csr->ip_addresses[csr->n_ip_addresses++] = arena_dup(a, str_of(text));
        } else {
            csr->n_emails += type == GEN_EMAIL;
            csr->n_uris += type == GEN_URI;
            csr->n_other_sans++;
        }
    }
}

struct err *pki_csr_parse(struct arena *a, str csr_pem, struct pki_csr *ret)
{
    CLEANUP(x509_req) X509_REQ *req = request_of(csr_pem);
    CLEANUP(names) GENERAL_NAMES *names = NULL;
    struct pki_csr csr = {0};

    if (!req)
        return ssl_bad("read a certificate request");
    if (!csr_subject(a, X509_REQ_get_subject_name(req), &csr))
        return ssl_bad("read the subject of a certificate request");
    names = request_names(req);
    csr_names(a, names, &csr);
    ERR_clear_error();
    *ret = csr;
    return NULL;
}

const char *pki_csr_check(str csr_pem)
{
    CLEANUP(bio) BIO *in = ssl_bio_of(csr_pem);
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    const unsigned char *at;
    const char *wrong = NULL;
    X509_REQ *req = NULL;
    long n = 0;

    if (!in || !PEM_read_bio(in, &name, &header, &der, &n) || strcmp(name, "CERTIFICATE REQUEST")) {
        wrong = "PEM block type must be CERTIFICATE REQUEST";
    } else {
        at = der;
        req = d2i_X509_REQ(NULL, &at, n);
        if (!req)
            wrong = "asn1: structure error: malformed certificate request";
        else if (X509_REQ_verify(req, X509_REQ_get0_pubkey(req)) != 1)
            wrong = EVP_PKEY_is_a(X509_REQ_get0_pubkey(req), "RSA")
                        ? "crypto/rsa: verification error"
                        : "x509: ECDSA verification failure";
    }
    X509_REQ_free(req);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    ERR_clear_error();
    return wrong;
}

/* One PEM block of a chain; NULL: fine. */
static const char *cert_block_check(struct arena *a, const char *name, const char *header,
                                    const unsigned char *der, long n)
{
    const unsigned char *at = der;

    if (strcmp(name, "CERTIFICATE") != 0)
        return arena_dupz(
            a, arena_fmt(a, "only CERTIFICATE PEM blocks are allowed, found \"%s\"", name));
    if (*header)
        return "no PEM block headers are permitted";
    if (n == 0)
        return "found CERTIFICATE PEM block containing 0 certificates";
    while (at < der + n) {
        X509 *cert = d2i_X509(NULL, &at, der + n - at);

        if (!cert)
            return "x509: malformed certificate";
        X509_free(cert);
    }
    return NULL;
}

const char *pki_certs_check(struct arena *a, str pem)
{
    CLEANUP(bio) BIO *in = ssl_bio_of(pem);
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    const char *wrong = NULL;
    size_t blocks = 0;
    long n;

    while (in && !wrong && PEM_read_bio(in, &name, &header, &der, &n)) {
        wrong = cert_block_check(a, name, header, der, n);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(der);
        blocks++;
    }
    ERR_clear_error();
    return wrong || blocks ? wrong : "must contain at least one CERTIFICATE PEM block";
}

struct err *pki_cert_not_after(str cert_pem, wall_time *ret)
{
    CLEANUP(x509) X509 *cert = ssl_cert(cert_pem);
    struct tm tm;

    if (!cert || !ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm))
        return ssl_bad("read a certificate");
    ret->ns = (int64_t)timegm(&tm) * NS_PER_S;
    return NULL;
}
