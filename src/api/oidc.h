/* oidc.h - tokens of other issuers: one `struct oidc` for each, with its provider's keys. */
#ifndef K1S_API_OIDC_H
#define K1S_API_OIDC_H
#include "api/authn.h"
#include "api/authn_config.h"

/* The configuration is borrowed and lives longer. BAD_REQUEST: certificates that cannot be read. */
MUST_USE struct err *oidc_new(struct api *api, const struct authn_config *c,
                              const struct jwt_issuer *issuer, struct oidc **ret);
void oidc_free(struct oidc *o); /* NULL: nothing */
MUST_USE struct err *oidc_token(struct oidc *o, struct arena *a, str token, struct token_user *ret);

/* oidc_claims.c: the user whom verified claims name, in `a`; UNAUTHORIZED: why it is nobody. */
MUST_USE struct err *oidc_user(const struct authn_config *c, const struct jwt_issuer *issuer,
                               struct loop *loop, struct arena *a, const struct json *claims,
                               struct user **ret);
#endif
