/* openapi.h - what the two halves of the OpenAPI writer share: schemas (openapi_schemas.c) and
 * paths (openapi_paths.c). */
#ifndef K1S_SCHEMAGEN_OPENAPI_H
#define K1S_SCHEMAGEN_OPENAPI_H
#include "model.h"
#include "writer.h"

struct openapi {
    struct model *m;
    struct writer w;
    bool v3;
    struct model_package *package; /* of the document; NULL: all (v2) */
    struct model_type **wanted;    /* types that are referred to, in order of mention */
    uint32_t n_wanted, cap_wanted;
    bool *is_wanted;  /* by type index */
    uint32_t special; /* bits of referred special types, see openapi_schemas.c */
};
/* {"$ref": ...} of a type; remembers it. */
void openapi_ref(struct openapi *o, struct model_type *t);
void openapi_ref_name(struct openapi *o, const char *full_name);
/* All types that are wanted so far, and what they refer to, as members of the open object. */
void openapi_write_schemas(struct openapi *o);
void openapi_want(struct openapi *o, struct model_type *t);
/* Paths of a group-version's resources, as members of the open object. */
void openapi_write_paths(struct openapi *o, struct model_package *p);
/* "rbac.authorization.k8s.io" -> "RbacAuthorization", or with a small first letter. */
str openapi_group_name(struct openapi *o, str group, bool capital);
str openapi_capital(struct openapi *o, str s); /* the same with a first letter in upper case */
/* One GET that answers with a type (or a plain string, when type is NULL). */
void openapi_write_get(struct openapi *o, str path, str id, str tag, const char *description,
                       struct model_type *t, const char *const *media);
#endif
