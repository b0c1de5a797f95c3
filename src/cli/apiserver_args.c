/* apiserver_args.c - one table of kube-apiserver's flags that are understood; any other is refused.
 *
 * API: https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/ */
#include "cli/apiserver_args.h"

#define FILE_MAX_BYTES ((size_t)1 << 20)

enum arg_kind {
    ARG_STRING,
    ARG_BOOL,
    ARG_NOT,
    ARG_INT,
    ARG_DURATION,
    ARG_FILE,
    ARG_LINES,
    ARG_NAMES,
    ARG_PLUGINS,
    ARG_JSON
};

static const struct arg {
    const char *name;
    enum arg_kind kind;
    size_t offset;
} table[] = {
#define A(name, kind, field)                                                                       \
    {                                                                                              \
        name, kind, offsetof(struct apiserver_args, field)                                         \
    }
    A("token-auth-file", ARG_STRING, token_auth_file),
    A("etcd-compaction-interval", ARG_DURATION, compact_age_ns),
    A("service-account-issuer", ARG_STRING, api.service_account_issuer),
    A("api-audiences", ARG_STRING, api.api_audiences),
    A("service-account-max-token-expiration", ARG_DURATION, api.token_max_expiration_ns),
    A("service-account-extend-token-expiration", ARG_NOT, api.token_no_extension),
    A("anonymous-auth", ARG_BOOL, api.anonymous),
    A("enable-bootstrap-token-auth", ARG_NOT, api.no_bootstrap_tokens),
    A("enable-admission-plugins", ARG_PLUGINS, admission_plugins),
    A("admission-control-config-file", ARG_FILE, api.admission_config),
    A("authorization-mode", ARG_NAMES, api.authorization_modes),
    A("authorization-config", ARG_FILE, api.authorization_config),
    A("authentication-config", ARG_FILE, api.authentication_config),
    A("oidc-issuer-url", ARG_STRING, api.oidc.issuer_url),
    A("oidc-client-id", ARG_STRING, api.oidc.client_id),
    A("oidc-username-claim", ARG_STRING, api.oidc.username_claim),
    A("oidc-username-prefix", ARG_STRING, api.oidc.username_prefix),
    A("oidc-groups-claim", ARG_STRING, api.oidc.groups_claim),
    A("oidc-groups-prefix", ARG_STRING, api.oidc.groups_prefix),
    A("oidc-required-claim", ARG_LINES, api.oidc.required_claims),
    A("oidc-signing-algs", ARG_STRING, api.oidc.signing_algs),
    A("requestheader-client-ca-file", ARG_FILE, api.front_proxy_ca_pem),
    A("requestheader-allowed-names", ARG_NAMES, api.request_header.allowed_names),
    A("requestheader-username-headers", ARG_NAMES, api.request_header.username_headers),
    A("requestheader-uid-headers", ARG_NAMES, api.request_header.uid_headers),
    A("requestheader-group-headers", ARG_NAMES, api.request_header.group_headers),
    A("requestheader-extra-headers-prefix", ARG_NAMES, api.request_header.extra_prefixes),
    A("proxy-client-cert-file", ARG_FILE, api.front_proxy_cert_pem),
    A("proxy-client-key-file", ARG_FILE, api.front_proxy_key_pem),
    A("audit-policy-file", ARG_FILE, api.audit_policy),
    A("audit-log-path", ARG_STRING, api.audit_log_path),
    A("audit-log-maxsize", ARG_INT, api.audit_log_max_mb),
    A("audit-log-maxage", ARG_INT, api.audit_log_max_age_days),
    A("audit-log-maxbackup", ARG_INT, api.audit_log_backups),
    A("audit-log-format", ARG_JSON, audit_log_format),
    A("oidc-ca-file", ARG_FILE, api.oidc.ca_pem),
#undef A
};

static struct err *bad(str name, str value, const char *what)
{
    return err_new(REASON_BAD_REQUEST,
                   "--kube-apiserver-arg: " PRI_STR ": \"" PRI_STR "\" is not %s", STR_ARG(name),
                   STR_ARG(value), what);
}

static struct err *read_file(struct loop *loop, struct arena *a, str name, str path, str *ret)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    int rc = file_read(loop, arena_dupz(a, path), FILE_MAX_BYTES, &text);

    if (rc)
        return err_errno(rc, "--kube-apiserver-arg: " PRI_STR "=" PRI_STR, STR_ARG(name),
                         STR_ARG(path));
    *ret = arena_dup(a, buf_view(&text));
    return NULL;
}

/* Lists of names grow with each mention of their flag. Source: RequestHeaderAuthenticationOptions.Validate. */
static struct err *names_add(struct arena *a, str name, str value, str *field)
{
    str rest = value, one;

    while (rest.n && str_cut(&rest, ',', &one))
        if (!str_trim(one).n)
            return err_new(REASON_BAD_REQUEST, "empty value in \"" PRI_STR "\"", STR_ARG(name));
    *field = arena_fmt(a, PRI_STR "%s" PRI_STR, STR_ARG(*field), field->n && value.n ? "," : "",
                       STR_ARG(value));
    return NULL;
}

/* All of these are on in any case. Source: k8s.io/kubernetes/pkg/kubeapiserver/options/plugins.go. */
static struct err *check_plugins(str list)
{
    static const char *const here[] = {"NamespaceLifecycle",
                                       "LimitRanger",
                                       "ServiceAccount",
                                       "NodeRestriction",
                                       "TaintNodesByCondition",
                                       "PodSecurity",
                                       "Priority",
                                       "DefaultTolerationSeconds",
                                       "DefaultStorageClass",
                                       "StorageObjectInUseProtection",
                                       "PersistentVolumeClaimResize",
                                       "RuntimeClass",
                                       "CertificateApproval",
                                       "CertificateSigning",
                                       "CertificateSubjectRestriction",
                                       "DefaultIngressClass",
                                       "PodTopologyLabels",
                                       "NodeDeclaredFeatureValidator",
                                       "MutatingAdmissionPolicy",
                                       "MutatingAdmissionWebhook",
                                       "ValidatingAdmissionPolicy",
                                       "ValidatingAdmissionWebhook",
                                       "ResourceQuota"};
    str one;

    while (list.n && str_cut(&list, ',', &one)) {
        size_t i = 0;

        while (i < ARRAY_LEN(here) && !str_is(one, here[i]))
            i++;
        if (i == ARRAY_LEN(here))
            return err_new(REASON_BAD_REQUEST,
                           "enable-admission-plugins plugin \"" PRI_STR "\" is unknown",
                           STR_ARG(one));
    }
    return NULL;
}

static struct err *set(struct loop *loop, struct arena *a, const struct arg *arg, str value,
                       struct apiserver_args *o)
{
    void *field = (char *)o + arg->offset;
    str name = str_of(arg->name);

    switch (arg->kind) {
    case ARG_STRING:
        *(str *)field = value;
        return NULL;
    case ARG_BOOL:
    case ARG_NOT:
        if (value.n && !str_is(value, "true") && !str_is(value, "false"))
            return bad(name, value, "true or false");
        *(bool *)field = str_is(value, "false") == (arg->kind == ARG_NOT);
        return NULL;
    case ARG_INT:
        return str_to_int64(value, field) ? NULL : bad(name, value, "a number");
    case ARG_DURATION:
        return str_to_duration(value, field) && *(int64_t *)field > 0
                   ? NULL
                   : bad(name, value, "a duration above 0");
    case ARG_FILE:
        return read_file(loop, a, name, value, field);
    case ARG_PLUGINS:
        return check_plugins(value);
    case ARG_JSON: /* the one format that there is */
        return str_is(value, "json") ? NULL : bad(name, value, "json");
    case ARG_NAMES:
        return names_add(a, name, value, field);
    case ARG_LINES:
        *(str *)field = arena_fmt(a, PRI_STR PRI_STR "\n", STR_ARG(*(str *)field), STR_ARG(value));
        return NULL;
    }
    return NULL;
}

struct err *apiserver_args_read(struct loop *loop, struct arena *a, const struct option_list *args,
                                struct apiserver_args *o)
{
    for (size_t i = 0; i < args->n; i++) {
        str value = args->items[i], key;
        size_t k = 0;
        struct err *err;

        str_cut(&value, '=', &key);
        if (!value.p)
            value = S("");
        while (k < ARRAY_LEN(table) && !str_is(key, table[k].name))
            k++;
        if (k == ARRAY_LEN(table))
            return err_new(REASON_BAD_REQUEST,
                           "--kube-apiserver-arg: \"" PRI_STR "\" is not supported", STR_ARG(key));
        err = set(loop, a, &table[k], value, o);
        if (err)
            return err;
        o->api.oidc.has_username_prefix |= str_is(key, "oidc-username-prefix");
        o->any_oidc |= str_has_prefix(key, S("oidc-"));
        if (str_is(key, "authentication-config"))
            o->authentication_config_path = value;
    }
    /* Source: k8s.io/kubernetes/pkg/kubeapiserver/options, BuiltInAuthenticationOptions.Validate. */
    if (o->any_oidc && o->authentication_config_path.n)
        return err_new(REASON_BAD_REQUEST,
                       "authentication-config file and oidc-* flags are mutually exclusive");
    if (o->api.authorization_modes.n && o->api.authorization_config.n)
        return err_new(REASON_BAD_REQUEST,
                       "--authorization-config can not be specified when --authorization-mode or "
                       "--authorization-webhook-* flags are defined");
    return NULL;
}
