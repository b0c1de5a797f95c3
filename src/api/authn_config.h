/* authn_config.h - whom of other issuers the server believes: AuthenticationConfiguration, read and checked.
 *
 * Immutable once made. The flags --oidc-… are read into the same form. */
#ifndef K1S_API_AUTHN_CONFIG_H
#define K1S_API_AUTHN_CONFIG_H
#include "api/api.h"
#include "schema/cel/cel.h"

struct jwt_mapping { /* a claim with what stands before it, or an expression; both empty: none */
    str claim, prefix;
    const struct cel_program *expression;
};
struct jwt_rule { /* a claim and its value, or an expression that has to be true */
    str claim, value, message;
    const struct cel_program *expression;
};
struct jwt_extra {
    str key;
    const struct cel_program *value;
};
struct jwt_issuer {
    str url, discovery_url, ca_pem; /* discovery_url empty: below url; ca_pem empty: the system's */
    str algs;                       /* comma-separated */
    struct json audiences;          /* strings, sorted; one of them is enough */
    struct jwt_mapping username, groups, uid;
    struct jwt_extra *extra;
    struct jwt_rule *rules, *user_rules;
    size_t n_extra, n_rules, n_user_rules;
};
struct authn_config {
    struct arena *a;
    struct cel_env *claims_env, *user_env;
    unsigned claims_var, user_var;
    struct jwt_issuer *issuers;
    size_t n;
    bool has_anonymous, anonymous;
    struct json anonymous_paths; /* strings; none: all */
};

/* BAD_REQUEST says everything that is wrong, in Kubernetes' words. disallowed: issuers that are the server's own (strings). */
MUST_USE struct err *authn_config_parse(str yaml, const struct json *disallowed,
                                        struct authn_config **ret);
MUST_USE struct err *authn_config_of_flags(const struct oidc_options *o,
                                           const struct json *disallowed,
                                           struct authn_config **ret);
void authn_config_free(struct authn_config *c); /* NULL: nothing */
#endif
