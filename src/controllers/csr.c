/* csr.c - approves kubelets' own certificate requests and signs approved ones.
 *
 * Approved without asking: a node renewing its own client certificate, and a bootstrapping
 * machine's first one. Everything else waits for a person. Signed are the requests of Kubernetes'
 * signers that have the form which the signer is for, with the cluster's CA; others fail.
 *
 * API: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/ */
#include "controllers/controllers_internal.h"
#include "wire/tls.h"

#define LIFETIME_S (365 * 86400)
#define BACKDATE_S 300     /* clocks of others may be behind */
#define SHORT_S (8 * 3600) /* what is to live less long ends when it was asked to, all the same */
#define LIFETIME_MIN_S 600

/* NULL: such a request may be signed; otherwise why not. */
typedef const char *form_fn(struct reconcile *r, const struct json *csr,
                            const struct pki_csr *request);
static form_fn client_form, kubelet_client_form, kubelet_serving_form;

static const struct {
    const char *name;
    form_fn *wrong;
    bool approves;
} signers[] = {
    {"kubernetes.io/kube-apiserver-client", client_form, false},
    {"kubernetes.io/kube-apiserver-client-kubelet", kubelet_client_form, true},
    {"kubernetes.io/kubelet-serving", kubelet_serving_form, false},
};

/* ---- what each signer signs. Source: k8s.io/kubernetes/pkg/controller/certificates/signer and pkg/apis/certificates ---- */

static const struct {
    const char *name;
    unsigned bit;
} usages[] = {{"digital signature", PKI_DIGITAL_SIGNATURE},
              {"key encipherment", PKI_KEY_ENCIPHERMENT},
              {"server auth", PKI_SERVER_AUTH},
              {"client auth", PKI_CLIENT_AUTH}};

/* Of enum pki_usage; *ret_other: one that is none of these, empty when there is none. */
static unsigned usage_of(const struct json *csr, str *ret_other)
{
    unsigned found = 0;

    *ret_other = S("");
    JSON_EACH(u, json_path(csr, "spec.usages")) {
        size_t i = 0;

        while (i < ARRAY_LEN(usages) && !str_is(json_str(u), usages[i].name))
            i++;
        if (i < ARRAY_LEN(usages))
            found |= usages[i].bit;
        else if (!ret_other->n)
            *ret_other = json_str(u);
    }
    return found;
}

static const char *client_form(struct reconcile *r, const struct json *csr,
                               const struct pki_csr *request)
{
    bool client = false;

    JSON_EACH(u, json_path(csr, "spec.usages")) {
        if (str_is(json_str(u), "client auth"))
            client = true;
        else if (!str_is(json_str(u), "digital signature") &&
                 !str_is(json_str(u), "key encipherment"))
            return arena_dupz(r->a,
                              arena_fmt(r->a, "invalid usage for client certificate: " PRI_STR,
                                        STR_ARG(json_str(u))));
    }
    return client ? NULL : "missing required usage for client certificate: client auth";
}

static bool is_of_nodes(const struct pki_csr *request)
{
    return request->n_organizations == 1 && str_is(request->organizations[0], "system:nodes");
}

/* Exactly these, and "key encipherment" or not: keys that are not of RSA do not need it. */
static bool has_usages(const struct json *csr, unsigned auth)
{
    str other;
    unsigned found = usage_of(csr, &other) & ~(unsigned)PKI_KEY_ENCIPHERMENT;

    return !other.n && found == (PKI_DIGITAL_SIGNATURE | auth);
}

static const char *kubelet_client_form(struct reconcile *r, const struct json *csr,
                                       const struct pki_csr *request)
{
    if (!is_of_nodes(request))
        return "subject organization is not system:nodes";
    if (request->n_dns_names)
        return "DNS subjectAltNames are not allowed";
    if (request->n_emails)
        return "Email subjectAltNames are not allowed";
    if (request->n_ip_addresses)
        return "IP subjectAltNames are not allowed";
    if (request->n_uris)
        return "URI subjectAltNames are not allowed";
    if (!str_has_prefix(request->common_name, S("system:node:")))
        return "subject common name does not begin with system:node:";
    return has_usages(csr, PKI_CLIENT_AUTH)
               ? NULL
               : "usages did not match [client auth digital signature key encipherment]";
}

static const char *kubelet_serving_form(struct reconcile *r, const struct json *csr,
                                        const struct pki_csr *request)
{
    if (!is_of_nodes(request))
        return "subject organization is not system:nodes";
    if (!request->n_dns_names && !request->n_ip_addresses)
        return "DNS or IP subjectAltName is required";
    if (request->n_emails)
        return "Email subjectAltNames are not allowed";
    if (request->n_uris)
        return "URI subjectAltNames are not allowed";
    if (!has_usages(csr, PKI_SERVER_AUTH))
        return "usages did not match [digital signature key encipherment server auth]";
    return str_has_prefix(request->common_name, S("system:node:"))
               ? NULL
               : "subject common name does not begin with system:node:";
}

static bool has_condition(const struct json *csr, const char *type)
{
    return condition_find(json_path(csr, "status.conditions"), type) != NULL;
}

static bool in_group(const struct json *csr, const char *group)
{
    JSON_EACH(g, json_path(csr, "spec.groups"))
        if (str_is(json_str(g), group))
            return true;
    return false;
}

static bool may_approve(struct reconcile *r, const struct json *csr, const struct pki_csr *request)
{
    return !kubelet_client_form(r, csr, request) && !request->n_other_sans &&
           (in_group(csr, "system:bootstrappers") ||
            str_eq(json_get_str(csr, "spec.username"), request->common_name));
}

static void approve(struct reconcile *r, struct json *csr)
{
    struct json cond = json_object(), *conditions;
    struct action *act;

    json_setz(r->a, &cond, "type", json_z("Approved"));
    json_setz(r->a, &cond, "status", json_z("True"));
    json_setz(r->a, &cond, "reason", json_z("AutoApproved"));
    json_setz(r->a, &cond, "message",
              json_z("Auto approving kubelet client certificate after SubjectAccessReview."));
    json_make(r->a, csr, "status.conditions", JSON_ARRAY);
    conditions = json_path(csr, "status.conditions");
    json_append(r->a, conditions, cond);
    act = plan_update(&r->plan, K_CSRS, csr);
    act->sub = S("approval");
}

static void fail(struct reconcile *r, struct json *csr, const char *message)
{
    CLEANUP(buf) struct buf now = BUF_INIT;
    struct json cond = json_object();

    buf_rfc3339(&now, r->now);
    json_setz(r->a, &cond, "type", json_z("Failed"));
    json_setz(r->a, &cond, "status", json_z("True"));
    json_setz(r->a, &cond, "reason", json_z("SignerValidationFailure"));
    json_setz(r->a, &cond, "message", json_string(arena_dup(r->a, str_of(message))));
    json_setz(r->a, &cond, "lastUpdateTime", json_string(arena_dup(r->a, buf_view(&now))));
    json_make(r->a, csr, "status.conditions", JSON_ARRAY);
    json_append(r->a, json_path(csr, "status.conditions"), cond);
    plan_update_status(&r->plan, K_CSRS, csr);
}

/* When the certificate ends: not after the one that signs it. Source: .../certificates/authority/policies.go. */
static wall_time end_of(const struct reconcile *r, const struct json *csr)
{
    int64_t lifetime_s = json_get_int(csr, "spec.expirationSeconds", LIFETIME_S);
    wall_time end, of_ca;
    struct err *err;

    lifetime_s = MAX(MIN(lifetime_s, (int64_t)LIFETIME_S), (int64_t)LIFETIME_MIN_S);
    if (lifetime_s >= SHORT_S)
        lifetime_s -= BACKDATE_S;
    end.ns = r->now.ns + lifetime_s * NS_PER_S;
    err = pki_cert_not_after(r->config->ca_pem, &of_ca);
    if (!err && of_ca.ns < end.ns)
        end = of_ca;
    err_free(err);
    return end;
}

static void sign(struct reconcile *r, struct json *csr, str request_pem)
{
    CLEANUP(buf) struct buf cert = BUF_INIT, text = BUF_INIT;
    struct err *err;
    str other;

    err = pki_cert_sign_request(
        request_pem, r->config->ca_pem, r->config->ca_key_pem, usage_of(csr, &other),
        (wall_time){r->now.ns - BACKDATE_S * NS_PER_S}, end_of(r, csr), &cert);
    if (err) {
        fail(r, csr, err_text(err));
        err_free(err);
        return;
    }
    buf_base64(&text, buf_view(&cert));
    json_make(r->a, csr, "status", JSON_OBJECT);
    json_setz(r->a, json_findz(csr, "status"), "certificate",
              json_string(arena_dup(r->a, buf_view(&text))));
    plan_update_status(&r->plan, K_CSRS, csr);
}

static void reconcile(struct reconcile *r)
{
    struct json *csr = look_tree(r, K_CSRS, STR_NONE, r->name);
    struct pki_csr request;
    size_t signer = 0;
    const char *wrong;
    struct err *err;
    str pem;

    if (!csr || json_get_str(csr, "status.certificate").n || has_condition(csr, "Denied") ||
        has_condition(csr, "Failed"))
        return;
    while (signer < ARRAY_LEN(signers) &&
           !str_is(json_get_str(csr, "spec.signerName"), signers[signer].name))
        signer++;
    if (signer == ARRAY_LEN(signers) ||
        !base64_decode(r->a, json_get_str(csr, "spec.request"), &pem))
        return;
    err = pki_csr_parse(r->a, pem, &request);
    if (err) {
        fail(r, csr, err_text(err));
        err_free(err);
        return;
    }
    if (!has_condition(csr, "Approved")) {
        if (signers[signer].approves && may_approve(r, csr, &request))
            approve(r, csr);
        return;
    }
    wrong = signers[signer].wrong(r, csr, &request);
    if (wrong)
        fail(r, csr, wrong);
    else if (r->config->ca_key_pem.n)
        sign(r, csr, pem);
}

const struct controller_type csr_signer_controller = {
    .name = "csr",
    .component = "csrsigning-controller",
    .primary = K_CSRS,
    .reconcile = reconcile,
};
