/* rules.h - x-kubernetes-validations: a schema's rules compiled, and objects held against them. */
#ifndef K1S_SCHEMA_CEL_RULES_H
#define K1S_SCHEMA_CEL_RULES_H
#include "schema/cel/cel.h"

#define CEL_RULE_COST_MAX 10000000u /* estimated, of one rule with all places that it may run at */
#define CEL_SCHEMA_COST_MAX 100000000u /* of all rules of a schema together */
#define CEL_MESSAGE_MAX 5120           /* bytes that a messageExpression may give */

struct cel_rule {
    const struct json *json;
    const struct cel_program *program, *message; /* NULL: empty, or wrong */
    struct err *error, *message_error;           /* what is wrong with them */
    bool uses_old;
};
/* Compiles one rule of a value of this type in an environment of CEL_RULES that has nothing else in it. rule: borrowed, has to
 * outlive the environment. */
void cel_rule_compile(struct cel_env *env, const struct cel_type *self, const struct json *rule,
                      struct cel_rule *ret);
void cel_rule_fini(struct cel_rule *r);
/* How often a value of this schema may be in one request at most, by the space that it takes at least. */
uint64_t cel_max_cardinality(const struct json *schema);

/* All rules of a schema. NULL: it has none. schema: borrowed; it has to outlive the rules. */
struct cel_rules;
struct cel_rules *cel_rules_new(const struct json *schema);
void cel_rules_free(struct cel_rules *r); /* NULL: nothing */
/* Holds an object of a custom kind, or its new version, against the rules. loop: reads time zones; may be NULL. old NULL: there is none. What is wrong is added to *errs
 * (created when needed as INVALID); what was wrong before and has not changed goes to `warnings` instead, as texts. When *errs says
 * that the object has not the form that rules rely on, they are not run, and one cause says so. */
void cel_rules_validate(struct arena *a, struct loop *loop, const struct cel_rules *r,
                        const struct json *v, const struct json *old, struct json *warnings,
                        struct err **errs);
#endif
