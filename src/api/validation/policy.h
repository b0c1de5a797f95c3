/* policy.h - what admission policies and webhook configurations have in common. */
#ifndef K1S_API_VALIDATION_POLICY_H
#define K1S_API_VALIDATION_POLICY_H
#include "api/validation/expressions.h"

#define MATCH_CONDITIONS_MAX 64

void check_admission_rule(struct check *c, const struct at *at, const struct json *rule);
/* url or service of a webhook, of whatever kind. */
void check_client_config(struct check *c, const struct at *at, const struct json *config);
/* env: what their expressions can name. */
void check_match_conditions(struct check *c, const struct at *at, const struct json *conditions,
                            struct cel_env *env);
/* By URL or by Service; nothing of the kind is called. */
void check_client_config(struct check *c, const struct at *at, const struct json *config);
#endif
