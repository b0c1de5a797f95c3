/* crd.h - custom resources: a structural OpenAPI v3 schema as a run-time type.
 *
 * The JSON schema itself decides what is kept, filled in and valid, as Kubernetes' structural schemas have it; beside it
 * stands a table of schema_type for those who ask what one field is (server-side apply). Both live in one arena, the owner's.
 * schema_decode(), schema_default() and schema_validate() find their way here by schema_type.custom.
 *
 * Not here: the rules for schemas as such (api/crd_rules.c), x-kubernetes-validations (schema/cel/rules.c). */
#ifndef K1S_SCHEMA_CRD_H
#define K1S_SCHEMA_CRD_H
#include "schema/schema.h"

/* The type of a kind. schema: openAPIV3Schema, borrowed, has to live as long as the arena; NULL: anything goes. name: OpenAPI's
 * name, borrowed too. Compiled patterns are freed with the arena. */
const struct schema_type *crd_type_new(struct arena *a, str name, const struct json *schema);

/* Prunes what the schema does not know (collecting it as `unknown field "spec.x"`), gives metadata its form, sorts keys. Types
 * are not checked: that is validation. Errors: BAD_REQUEST when it is no object or its metadata is malformed. */
MUST_USE struct err *crd_decode(struct arena *a, const struct schema_type *t, struct json *v,
                                struct schema_warnings *warnings);
/* Fills in defaults, drops nulls where null is no value. Idempotent. */
void crd_default(struct arena *a, const struct schema_type *t, struct json *v);
/* old: what the object was, as the same version has it; NULL: create. What was wrong before and has not changed is let pass. */
void crd_validate(struct arena *a, const struct schema_type *t, const struct json *v,
                  const struct json *old, struct err **errs);
/* The same of an object whose status was written: only that is looked at. */
void crd_validate_status(struct arena *a, const struct schema_type *t, const struct json *v,
                         const struct json *old, struct err **errs);
/* Items of sets and maps that are there twice; nothing when the old object had such already. */
void crd_validate_lists(struct arena *a, const struct schema_type *t, const struct json *v,
                        const struct json *old, struct err **errs);
/* x-kubernetes-validations, after crd_validate(): see cel_rules_validate(). */
void crd_validate_rules(struct arena *a, struct loop *loop, const struct schema_type *t,
                        const struct json *v, const struct json *old, struct json *warnings,
                        struct err **errs);
/* One value by one schema, as defaults in a schema are checked. path: of the value in field names. */
void crd_validate_value(struct arena *a, const struct json *schema, const struct json *v, str path,
                        struct err **errs);
/* Is it a format of a type (empty: none is given) that values are held against? Others are ignored. */
bool crd_format_is_known(str type, str format);
/* Would nothing of the value be dropped? */
bool crd_is_pruned(struct arena *a, const struct json *schema, const struct json *v);
/* Does the schema say anything of x-kubernetes-validations, at any depth? */
bool crd_has_rules(const struct json *schema);

/* The root type, in full (crd*.c). */
struct crd_type {
    struct schema_type type; /* first */
    const struct json *schema;
    struct map patterns;     /* pattern -> what cel_regex_new() made of it */
    bool has_rules;          /* x-kubernetes-validations */
    struct cel_rules *rules; /* compiled when first needed */
};
#endif
