/* certificates.c - CertificateSigningRequests: who asks is the server's word, and who may approve or
 * sign is asked per signer.
 *
 * API: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/ and the
 * admission plugins CertificateApproval, CertificateSigning and CertificateSubjectRestriction. */
#include "api/api_internal.h"
#include "api/hooks.h"
#include "wire/tls.h"

void csr_prepare_create(struct write *w)
{
    const struct user *u = w->req->user;
    struct json *spec = json_make(w->a, w->obj, "spec", JSON_OBJECT), groups = json_array(),
                extra = json_object();

    json_setz(w->a, spec, "username", json_string(u->name));
    if (u->uid.n)
        json_setz(w->a, spec, "uid", json_string(u->uid));
    else
        json_removez(spec, "uid");
    for (size_t i = 0; i < u->n_groups; i++)
        json_append(w->a, &groups, json_string(u->groups[i]));
    json_setz(w->a, spec, "groups", groups);
    for (size_t i = 0; i < u->n_extra; i++) {
        struct json values = json_array();

        for (size_t k = 0; k < u->extra[i].n_values; k++)
            json_append(w->a, &values, json_string(u->extra[i].values[k]));
        json_set(w->a, &extra, u->extra[i].key, values);
    }
    if (extra.n)
        json_setz(w->a, spec, "extra", extra);
    else
        json_removez(spec, "extra");
}

/* Since when the condition has its status: kept from an equal one of before. */
static str transition_of(struct write *w, const struct json *condition)
{
    JSON_EACH(was, json_at(w->old, "status", "conditions", NULL))
        if (str_eq(json_get_str(was, "type"), json_get_str(condition, "type")) &&
            str_eq(json_get_str(was, "status"), json_get_str(condition, "status")) &&
            json_get_str(was, "lastTransitionTime").n)
            return json_get_str(was, "lastTransitionTime");
    return now_text(w->a, w->now);
}

void csr_prepare_update(struct write *w)
{
    const struct json *spec = json_findz(w->old, "spec");

    if (spec)
        json_setz(w->a, w->obj, "spec", json_share(w->a, spec));
    JSON_EACH(c, json_at(w->obj, "status", "conditions", NULL)) {
        if (!json_get_str(c, "lastUpdateTime").n)
            json_setz(w->a, c, "lastUpdateTime", json_string(now_text(w->a, w->now)));
        if (!json_get_str(c, "lastTransitionTime").n)
            json_setz(w->a, c, "lastTransitionTime", json_string(transition_of(w, c)));
    }
}

/* By the signer's name, or by a star in place of what follows its domain. */
static bool may(struct write *w, const char *verb, str signer)
{
    struct access x = {.is_resource = true,
                       .verb = str_of(verb),
                       .group = S("certificates.k8s.io"),
                       .version = S("*"),
                       .resource = S("signers"),
                       .name = signer};
    str rest = signer, domain;

    if (authz_allows(w->api, w->a, w->req->user, &x, NULL))
        return true;
    str_cut(&rest, '/', &domain);
    x.name = arena_fmt(w->a, PRI_STR "/*", STR_ARG(domain));
    return authz_allows(w->api, w->a, w->req->user, &x, NULL);
}

static struct err *refuse(struct write *w, const char *what, str signer)
{
    return err_forbidden(w->kind, w->name,
                         "user not permitted to %s requests with signerName \"" PRI_STR "\"", what,
                         STR_ARG(signer));
}

/* A client certificate of the cluster's own signer never makes a master. */
static struct err *check_subject(struct write *w, str signer)
{
    struct pki_csr request;
    struct err *err;
    str pem;

    if (!str_is(signer, "kubernetes.io/kube-apiserver-client") ||
        !base64_decode(w->a, json_get_str(w->obj, "spec.request"), &pem))
        return NULL;
    err = pki_csr_parse(w->a, pem, &request);
    if (err)
        return err;
    for (size_t i = 0; i < request.n_organizations; i++)
        if (str_is(request.organizations[i], "system:masters"))
            return err_forbidden(w->kind, w->name,
                                 "use of " PRI_STR
                                 " signer with system:masters group is not allowed",
                                 STR_ARG(signer));
    return NULL;
}

struct err *csr_admit(struct write *w)
{
    str signer = json_get_str(w->old ? w->old : w->obj, "spec.signerName");

    if (!w->old)
        return check_subject(w, signer);
    if (str_is(w->subresource, "approval") && !may(w, "approve", signer))
        return refuse(w, "approve", signer);
    if (str_is(w->subresource, "status") && !may(w, "sign", signer)) {
        const struct json *now = json_findz(w->obj, "status"), *old = json_findz(w->old, "status"),
                          none = json_object();

        if (!json_equal(now ? now : &none, old ? old : &none))
            return refuse(w, "sign", signer);
    }
    return NULL;
}
