/* csr.c - approves kubelets' own certificate requests and signs approved ones.
 *
 * Approved without asking: a node renewing its own client certificate, and a bootstrapping
 * machine's first one. Everything else waits for a person. Signed are the requests of Kubernetes'
 * four signers, with the cluster's CA.
 *
 * API: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/ */
#include "controllers/controllers_internal.h"
#include "wire/tls.h"

#define LIFETIME_S (365 * 86400)
#define BACKDATE_S 300 /* clocks of others may be behind */

static const struct {
    const char *name;
    bool server, client, approves;
} signers[] = {
    {"kubernetes.io/kube-apiserver-client", false, true, false},
    {"kubernetes.io/kube-apiserver-client-kubelet", false, true, true},
    {"kubernetes.io/kubelet-serving", true, false, false},
    {"kubernetes.io/legacy-unknown", true, true, false},
};

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

static bool may_approve(const struct json *csr, const struct pki_csr *request)
{
    str user = json_get_str(csr, "spec.username");

    if (!str_has_prefix(request->common_name, S("system:node:")) || request->n_organizations != 1 ||
        !str_is(request->organizations[0], "system:nodes") || request->n_dns_names ||
        request->n_ip_addresses || request->n_other_sans)
        return false;
    return in_group(csr, "system:bootstrappers") || str_eq(user, request->common_name);
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
    struct json cond = json_object();

    json_setz(r->a, &cond, "type", json_z("Failed"));
    json_setz(r->a, &cond, "status", json_z("True"));
    json_setz(r->a, &cond, "reason", json_z("SignerValidationFailure"));
    json_setz(r->a, &cond, "message", json_string(arena_dup(r->a, str_of(message))));
    json_make(r->a, csr, "status.conditions", JSON_ARRAY);
    json_append(r->a, json_path(csr, "status.conditions"), cond);
    plan_update_status(&r->plan, K_CSRS, csr);
}

static void sign(struct reconcile *r, struct json *csr, str request_pem, size_t signer)
{
    CLEANUP(buf) struct buf cert = BUF_INIT, text = BUF_INIT;
    int64_t lifetime_s =
        MIN(json_get_int(csr, "spec.expirationSeconds", LIFETIME_S), (int64_t)LIFETIME_S);
    struct err *err;

    err = pki_cert_sign_request(request_pem, r->config->ca_pem, r->config->ca_key_pem,
                                signers[signer].server, signers[signer].client,
                                (wall_time){r->now.ns - BACKDATE_S * NS_PER_S},
                                (wall_time){r->now.ns + lifetime_s * NS_PER_S}, &cert);
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
        if (signers[signer].approves && may_approve(csr, &request))
            approve(r, csr);
        return;
    }
    if (r->config->ca_key_pem.n)
        sign(r, csr, pem, signer);
}

const struct controller_type csr_signer_controller = {
    .name = "csr",
    .component = "csrsigning-controller",
    .primary = K_CSRS,
    .reconcile = reconcile,
};
