/* api.h - the API server: from an HTTP exchange to the store and back.
 *
 * A request's way: route.c -> authn.c -> authz.c -> decode -> mutate (defaults, mutating admission) -> validate -> store ->
 * encode. Everything runs on the server's loop; nothing here waits. */
#ifndef K1S_API_H
#define K1S_API_H
#include "schema/schema.h"
#include "store/store.h"
#include "wire/http.h"

struct api;
/* Tokens of an OpenID Connect provider: kube-apiserver's --oidc-*. */
struct oidc_options {
    str issuer_url; /* empty: none */
    str client_id, username_claim, username_prefix, groups_claim, groups_prefix;
    str required_claims; /* "key=value" lines */
    str signing_algs;    /* comma-separated; empty: RS256 */
    str ca_pem;          /* empty: the system's */
    bool has_username_prefix;
};
/* Proxies in front: comma-separated. */
struct request_header_options {
    str allowed_names; /* common names of their certificates; empty: any */
    str username_headers, uid_headers, group_headers, extra_prefixes; /* all empty: X-Remote-… */
};
struct api_options {
    struct store *store;
    str service_cidr; /* "10.43.0.0/16" */
    int node_port_min, node_port_max;
    str cluster_domain;
    str advertise_address;
    int advertise_port;          /* of the `kubernetes` Service's Endpoints */
    str service_account_key_pem; /* signs tokens; empty: comes with api_set_service_account_key() */
    str service_account_issuer;  /* "https://kubernetes.default.svc.cluster.local" */
    str ca_pem;                  /* cluster CA (kube-root-ca.crt, CSR signing) */
    str ca_key_pem;
    str token_file; /* text of --token-auth-file: token,user,uid,"group1,group2" */
    str kubelet_client_cert_pem, kubelet_client_key_pem; /* for log, exec, attach, port-forward */
    /* How aggregated API servers know this one (all three or none); the authority's certificates also let proxies speak for
     * users. */
    struct request_header_options request_header;
    str front_proxy_ca_pem, front_proxy_cert_pem, front_proxy_key_pem;
    bool anonymous; /* anonymous requests reach authorization as system:anonymous (default true) */
    /* Which authorizers are asked: AuthorizationConfiguration (YAML), or names with commas; both empty: Node, RBAC. */
    str authorization_config, authorization_modes;
    str admission_config; /* AdmissionConfiguration, YAML; empty: none */
    bool legacy_apis;
    bool allow_privileged;
    str api_audiences;               /* comma-separated; empty: the issuer */
    int64_t token_max_expiration_ns; /* longer requests are shortened; 0: no limit */
    bool token_no_extension;         /* tokens of kubelets end when they say */
    bool no_bootstrap_tokens;
    struct oidc_options oidc;
    str authentication_config; /* AuthenticationConfiguration, YAML; empty: none, and oidc counts */
    str audit_policy;          /* YAML; empty: no audit log */
    str audit_log_path;        /* "-": standard output */
    int64_t audit_log_max_mb, audit_log_max_age_days, audit_log_backups; /* 0: no limit */
};
MUST_USE struct err *api_new(struct loop *loop, const struct api_options *o, struct api **ret);
/* Creates the bootstrap objects that are missing (namespaces, roles, priority classes, flow schemas, `kubernetes` Service ...). */
void api_bootstrap(struct api *api, void (*done)(void *ctx, struct err *err), void *ctx);
/* The key that signs ServiceAccount tokens, when it was not there at api_new(). */
MUST_USE struct err *api_set_service_account_key(struct api *api, str key_pem);
/* Another AuthenticationConfiguration, from the next request on. BAD_REQUEST: what is wrong with it; the last one stays. */
MUST_USE struct err *api_set_authentication_config(struct api *api, str yaml);
void api_close(struct api *api, loop_fn *closed, void *ctx);
/* http_handler_fn: ctx is the struct api. Authenticates by peer certificate or bearer token. */
void api_handle(void *api, struct http_exchange *ex);
/* The same for callers inside the process whose identity is known: wraps user and groups. */
struct api_identity {
    str name, uid;
    const str *groups;
    size_t n_groups;
};
void api_handle_as(struct api *api, struct http_exchange *ex, const struct api_identity *who);
/* /readyz and /livez checks by components: name shows in ?verbose. Starts as not ready. */
struct api_check;
struct api_check *api_check_add(struct api *api, const char *name);
void api_check_set(struct api_check *c, bool ok);
#endif
