/* certificate.c - rules of CertificateSigningRequests: the request, its conditions, its certificate.
 *
 * What an older object already had wrong may stay (a certificate nobody can parse, both conditions
 * at once); nothing may become wrong. Source of rules and texts:
 * k8s.io/kubernetes/pkg/apis/certificates/validation. */
#include "api/api_internal.h"
#include "api/validation/check.h"
#include "api/validation/validation.h"
#include "wire/tls.h"

#define CSR_SECONDS_MIN 600
#define SUBDOMAIN_BYTES 253
#define CSR_SIGNER_MAX 571 /* a domain of 253, a slash and a path of 317 */

static const char *const usages[] = {"any",
                                     "cert sign",
                                     "client auth",
                                     "code signing",
                                     "content commitment",
                                     "crl sign",
                                     "data encipherment",
                                     "decipher only",
                                     "digital signature",
                                     "email protection",
                                     "encipher only",
                                     "ipsec end system",
                                     "ipsec tunnel",
                                     "ipsec user",
                                     "key agreement",
                                     "key encipherment",
                                     "microsoft sgc",
                                     "netscape sgc",
                                     "ocsp signing",
                                     "s/mime",
                                     "server auth",
                                     "signing",
                                     "timestamping",
                                     NULL};

static void check_request(struct check *c, const struct at *at, const struct json *request)
{
    const char *wrong = "PEM block type must be CERTIFICATE REQUEST";
    str pem;

    if (base64_decode(c->a, json_str(request), &pem))
        wrong = pki_csr_check(pem);
    if (wrong)
        bad_invalid(c, at, request ? *request : json_null(), "%s", wrong);
}

static void check_usages(struct check *c, const struct at *at, const struct json *list)
{
    struct map seen;
    int64_t i = 0;

    if (!json_count(list))
        bad_required(c, at, "");
    map_init(&seen);
    JSON_EACH(u, list) {
        const struct at *here = AT_INDEX(at, i++);

        check_enum(c, here, u, usages);
        if (map_put(&seen, json_str(u), &seen))
            bad_duplicate(c, here, *u, "");
    }
    map_fini(&seen);
}

/* Labels of a part of the name: the first wrong one is told. */
static void check_labels_of(struct check *c, const struct at *at, str part,
                            const char *(*wrong)(str s))
{
    str rest = part, label;

    while (rest.p && str_cut(&rest, '.', &label))
        if (wrong(label)) {
            CLEANUP(buf) struct buf quoted = BUF_INIT;

            buf_quoted(&quoted, label);
            bad_invalid(c, at, json_string(part), "validating label %s: %s", buf_cstr(&quoted),
                        wrong(label));
            return;
        }
}

static void check_signer(struct check *c, const struct at *at, str signer)
{
    str path = signer, domain;

    str_cut(&path, '/', &domain);
    if (signer.n == 0) {
        bad_required(c, at, "");
        return;
    }
    if (str_is(signer, "kubernetes.io/legacy-unknown")) {
        bad_invalid(c, at, json_string(signer),
                    "the legacy signerName is not allowed via this API version");
        return;
    }
    if (!path.p || str_has_char(path, '/')) {
        bad_invalid(
            c, at, json_string(signer),
            "must be a fully qualified domain and path of the form 'example.com/signer-name'");
        return;
    }
    if (domain.n > SUBDOMAIN_BYTES)
        bad_too_long(c, at, SUBDOMAIN_BYTES);
    check_labels_of(c, at, domain, not_dns_label);
    if (!str_has_char(domain, '.'))
        bad_invalid(c, at, json_string(domain),
                    "should be a domain with at least two segments separated by dots");
    check_labels_of(c, at, path, not_dns_subdomain);
    if (signer.n > CSR_SIGNER_MAX)
        bad_too_long(c, at, CSR_SIGNER_MAX);
}

static int64_t count_of(const struct json *conditions, const char *type)
{
    int64_t n = 0;

    JSON_EACH(x, conditions)
        n += str_is(json_get_str(x, "type"), type);
    return n;
}

/* Approved, Denied and Failed have no other status than True. */
static void check_conditions(struct check *c, const struct json *conditions, const struct json *old)
{
    static const char *const only_true[] = {"True", NULL};
    static const char *const all[] = {"False", "True", "Unknown", NULL};
    const struct at *at = AT(AT(NULL, "status"), "conditions");
    bool both_before = count_of(old, "Approved") && count_of(old, "Denied"), approved = false,
         denied = false;
    struct map seen;
    int64_t i = 0;

    map_init(&seen);
    JSON_EACH(x, conditions) {
        const struct at *here = AT_INDEX(at, i++);
        str type = json_get_str(x, "type"), status = json_get_str(x, "status");
        bool is_approved = str_is(type, "Approved"), is_denied = str_is(type, "Denied");

        if (!type.n)
            bad_required(c, AT(here, "type"), "");
        if (!status.n)
            bad_required(c, AT(here, "status"), "");
        else
            check_enum(c, AT(here, "status"), json_findz(x, "status"),
                       is_approved || is_denied || str_is(type, "Failed") ? only_true : all);
        if (!both_before && ((is_approved && denied) || (is_denied && approved)))
            bad_invalid(c, at, json_string(type),
                        "Approved and Denied conditions are mutually exclusive");
        approved |= is_approved;
        denied |= is_denied;
        if (type.n && map_put(&seen, type, &seen))
            bad_duplicate(c, AT(here, "type"), json_string(type), "");
    }
    map_fini(&seen);
}

static void check_update(struct check *c, const struct write *w)
{
    static const char *const lasting[] = {"Approved", "Denied", "Failed"};
    const struct json *now = json_path(w->obj, "status.conditions"),
                      *old = json_path(w->old, "status.conditions");
    const struct at *at = AT(AT(NULL, "status"), "conditions");

    for (size_t i = 0; i < ARRAY_LEN(lasting); i++)
        if (count_of(now, lasting[i]) < count_of(old, lasting[i]))
            bad_forbidden(c, at, "updates may not remove a condition of type \"%s\"", lasting[i]);
    if (str_is(w->subresource, "status"))
        for (size_t i = 0; i < 2; i++)
            if (count_of(now, lasting[i]) > count_of(old, lasting[i]))
                bad_forbidden(c, at, "updates may not add a condition of type \"%s\"", lasting[i]);
}

static void check_certificate(struct check *c, const struct json *cert, const struct json *old)
{
    const char *wrong = "must contain at least one CERTIFICATE PEM block";
    str pem;

    if (!json_str(cert).n || (old && json_equal(cert, old)))
        return;
    if (base64_decode(c->a, json_str(cert), &pem))
        wrong = pki_certs_check(c->a, pem);
    if (wrong)
        bad_invalid(c, AT(AT(NULL, "status"), "certificate"), json_z("<certificate data>"), "%s",
                    wrong);
}

void validate_certificatesigningrequest(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *seconds = field(spec, "expirationSeconds");
    const struct at *at = AT(NULL, "spec");

    if (!w->old) { /* nobody changes it later */
        check_request(c, AT(at, "request"), field(spec, "request"));
        check_usages(c, AT(at, "usages"), field(spec, "usages"));
        check_signer(c, AT(at, "signerName"), json_get_str(spec, "signerName"));
        if (json_is(seconds, JSON_INT) && seconds->i < CSR_SECONDS_MIN)
            bad_invalid(c, AT(at, "expirationSeconds"), *seconds,
                        "may not specify a duration less than %d seconds (10 minutes)",
                        CSR_SECONDS_MIN);
    }
    check_conditions(c, json_path(w->obj, "status.conditions"),
                     json_path(w->old, "status.conditions"));
    check_certificate(c, json_path(w->obj, "status.certificate"),
                      json_path(w->old, "status.certificate"));
    if (w->old)
        check_update(c, w);
}
