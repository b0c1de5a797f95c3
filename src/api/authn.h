/* authn.h - what the authenticators share. Each answers one question: whose token is this?
 *
 * An authenticator sets ret->user when the token is its own and good, returns an error when it is
 * its own and bad, and does neither when it is not its own: then the next one is asked. */
#ifndef K1S_API_AUTHN_H
#define K1S_API_AUTHN_H
#include "api/api_internal.h"

struct service_accounts;
struct oidc;
struct authn_config;
struct file_token {
    str token, user, uid;
    str *groups;
    size_t n;
};
struct authn {
    struct file_token *tokens;
    size_t n_tokens;
    struct service_accounts *accounts;
    struct authn_config *config; /* NULL: no other issuers, and no rules for the anonymous */
    struct oidc **oidc;          /* one for each issuer */
    size_t n_oidc;
    struct json audiences;    /* of this API server: strings */
    struct list awaiting_key; /* token requests that came before there was a key */
};

/* Among the protocols that a WebSocket client offers, the one that is its token. */
bool authn_is_token_protocol(str protocol);
bool same_secret(str a, str b);
struct user *user_named(struct arena *a, str name);
void user_group_add(struct arena *a, struct user *u, str group);
void user_extra_add(struct arena *a, struct user *u, str key, str value);

/* request_header.c */
/* Sets q->user when a front proxy names one. false: a client certificate was shown that is no front proxy's. */
bool request_header_user(struct req *q);
/* The header tells who the user is: backends must hear it of nobody but us. */
bool request_header_is_ours(const struct api *api, str name);
/* service_account.c */
struct service_accounts *service_accounts_new(void);
void service_accounts_free(struct service_accounts *s);
/* The key that signs and verifies; borrowed, lives as long as the server. */
MUST_USE struct err *service_accounts_key(struct service_accounts *s, struct arena *a,
                                          str private_pem);
str service_accounts_pem(const struct service_accounts *s); /* empty: there is none yet */
MUST_USE struct err *service_account_token(struct api *api, struct arena *a, str token,
                                           const struct json *audiences, struct token_user *ret);
/* token_request.c */
void token_requests_resume(struct api *api); /* there is a key now, or the server closes */
/* bootstrap_token.c */
MUST_USE struct err *bootstrap_token(struct api *api, struct arena *a, str token,
                                     struct token_user *ret);
#endif
