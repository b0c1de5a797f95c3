/* crd_rules.h - what the rules for definitions share: crd_rules.c, crd_schema_rules.c, crd_go.c. */
#ifndef K1S_API_CRD_RULES_H
#define K1S_API_CRD_RULES_H
#include "api/crd.h"
#include "api/validation/check.h"

/* May this definition be of a group that is Kubernetes' own? ret_why: the words for it, not set when it needs no approval. */
enum crd_approval {
    CRD_APPROVAL_NOT_NEEDED,
    CRD_APPROVAL_MISSING,
    CRD_APPROVAL_INVALID,
    CRD_APPROVAL_BYPASSED,
    CRD_APPROVED,
};
enum crd_approval crd_approval(struct arena *a, const struct json *crd, str *ret_why);

struct crd_schema_options {
    bool status_enabled;
    bool
        unchanged; /* the version had this schema before: what single rules cost was accepted then */
};
/* All that is wrong with an openAPIV3Schema at `at`.openAPIV3Schema. */
void crd_check_schema(struct check *c, const struct at *at, const struct json *schema,
                      const struct crd_schema_options *o);

/* The expressions in a schema that is sound otherwise (crd_cel.c). */
void crd_check_expressions(struct check *c, const struct at *at, const struct json *schema,
                           bool unchanged);
/* Defaults by the expressions around them, all of which compile. Those that look at an old value are not asked. */
void crd_check_default_rules(struct check *c, const struct at *at, const struct json *schema,
                             int depth);

/* Where a path such as ".spec.size" (brackets: also "['x']") leads in a structural schema. false: *ret_why says why; ret_schema may
 * be NULL. */
bool crd_field_path(struct arena *a, const struct json *schema, str path, bool brackets,
                    const struct json **ret_schema, const char **ret_why);

/* ---- crd_go.c: Kubernetes' internal types, as its messages show them ---- */
/* With a status subresource, only some fields may stand at the root. */
void crd_check_schema_root(struct check *c, const struct at *at, const struct json *schema);
void crd_go_schema(struct buf *b, const struct json *schema);
/* What all versions say alike is not shown: it has moved to the definition as a whole. */
struct crd_hoisted {
    bool schema, subresources, columns, selectable;
};
void crd_go_versions(struct buf *b, const struct json *versions, const struct crd_hoisted *h);
void crd_go_rule(struct buf *b, const struct json *rule); /* of x-kubernetes-validations */
#endif
