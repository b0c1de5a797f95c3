/* rbac.h - roles and bindings as rbac.c keeps them, for those who reason about rules. */
#ifndef K1S_API_RBAC_H
#define K1S_API_RBAC_H
#include "api/api_internal.h"
#include "api/hooks.h"

struct strs {
    str *p;
    size_t n;
};
struct rule {
    struct strs verbs, groups, resources, names, urls;
    struct json *tree;
};
struct subject {
    char kind;
    str name, ns;
}; /* 'U'ser, 'G'roup, 'S'erviceAccount */
/* One version of a role or binding; everything in its arena. */
struct role {
    struct arena *arena;
    struct rule *rules;
    size_t n;
};
struct binding {
    struct arena *arena;
    str name, ns, role;
    bool role_is_cluster;
    struct subject *subjects;
    size_t n;
};

void rbac_rules_parse(struct arena *a, const struct json *rules, struct rule **ret, size_t *ret_n);
/* The role that a binding gives; NULL: there is none of this name. */
const struct role *rbac_role_of(const struct rbac *r, const struct binding *b);
/* Every rule that holds for the user in ns, cluster-wide ones first; ends at false. */
typedef bool rbac_rule_fn(void *ctx, const struct binding *b, const struct subject *s,
                          const struct rule *rule);
void rbac_each_rule(const struct rbac *r, const struct user *u, str ns, rbac_rule_fn *fn,
                    void *ctx);
#endif
