/* expressions.h - expressions in objects: do they compile, to the type that is wanted, in the environment they will run in? */
#ifndef K1S_API_VALIDATION_EXPRESSIONS_H
#define K1S_API_VALIDATION_EXPRESSIONS_H
#include "api/validation/check.h"
#include "schema/cel/cel.h"

/* Complains about a text that does not compile, or whose result can be none of the wanted types (at most two; NULL: any). Returns the
 * program, or NULL. It lives as long as the environment. */
const struct cel_program *check_expression(struct check *c, const struct at *at,
                                           struct cel_env *env, str text,
                                           const struct cel_type *want,
                                           const struct cel_type *or_want);
/* A string, made without the authorizer, which the environment has. */
void check_message_expression(struct check *c, const struct at *at, struct cel_env *env, str text);
/* Expressions that choose devices: `device` with its driver, attributes and capacity. */
struct cel_env *device_env_new(void);
void check_device_expression(struct check *c, const struct at *at, struct cel_env *env, str text);
#endif
