/* policy.h - admission policies and their bindings, parsed and compiled once per version. */
#ifndef K1S_API_DYNAMIC_POLICY_H
#define K1S_API_DYNAMIC_POLICY_H
#include "api/dynamic/dynamic_internal.h"

#define MESSAGE_MAX 5120              /* bytes of an evaluated message; longer ones are not used */
#define AUDIT_VALUE_MAX (10u * 1024u) /* bytes of an audit annotation of a policy */

struct validation_rule {
    struct expression rule, message; /* message.text empty: none */
    str message_text, reason;
};
struct audit_rule {
    str key;
    struct expression value;
};
struct mutation_rule {
    bool is_json_patch;
    struct expression value;
};
struct policy {
    struct arena *arena;
    str name;
    struct matcher match;
    bool ignore_failure, reinvoke;
    const struct json *param_kind; /* NULL: none */
    struct scope scope;
    struct expression *conditions;
    struct validation_rule *validations;
    struct audit_rule *audits;
    struct mutation_rule *mutations;
    size_t n_conditions, n_validations, n_audits, n_mutations;
    struct binding **bindings; /* heap; in the order of their names */
    size_t n_bindings;
};
struct binding {
    struct arena *arena;
    str name, policy;
    struct matcher match;
    bool narrows; /* it has matchResources */
    const struct json *param_ref, *actions;
};
/* One policy at work for one binding and parameter object. */
struct invocation {
    struct policy *policy;
    struct binding *binding;
    struct shown shown;
    const struct json *param; /* NULL: none */
};
/* What was found on the way to the invocations of one policy. binding NULL: the policy itself is at fault. */
typedef void policy_fault_fn(void *ctx, struct policy *p, struct binding *b, str why);
typedef struct err *policy_invoke_fn(void *ctx, struct invocation *x);
/* Calls for each policy of that kind that matches, with each binding and parameter, in order. */
MUST_USE struct err *policies_each(struct attributes *t, int kind, policy_fault_fn *fault,
                                   policy_invoke_fn *invoke, void *ctx);
bool policies_concern(struct dynamic *d, const struct kind *k, str subresource,
                      enum admission_op op);
MUST_USE struct err *policies_open(struct dynamic *d);
void policies_close(struct dynamic *d);
/* Is the kind of its parameters served? *ret_why is set if not. */
void params_check(struct attributes *t, const struct policy *p, str *ret_why);
/* Parameter objects of a binding; *ret_why not empty: why there are none. Errors: of their conversion by a webhook. */
MUST_USE struct err *params_of(struct attributes *t, const struct policy *p,
                               const struct binding *b, const struct json ***ret, size_t *ret_n,
                               str *ret_why);
#endif
