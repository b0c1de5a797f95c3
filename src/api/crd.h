/* crd.h - kinds made at run time from CustomResourceDefinitions. */
#ifndef K1S_API_CRD_H
#define K1S_API_CRD_H
#include "api/kinds.h"

struct crds;
/* Loads what is stored, so that custom kinds are served from the first request on, and keeps them current by a store watch. */
MUST_USE struct err *crds_new(struct api *api, struct crds **ret);
void crds_free(struct crds *c); /* NULL: nothing */
size_t
crds_count(const struct crds
               *c); /* served kinds, by group, version (newest first) and plural; c may be NULL */
const struct kind *crds_at(const struct crds *c, size_t i);
/* Identifies what is served of a custom group-version, or of all custom kinds (NULL, NULL). false: nothing is. */
bool crds_hash(const struct crds *c, const str *group, const str *version, char ret[65]);
/* The kind stays valid until the arena is freed, whatever happens to its definition. */
void crds_hold(const struct kind *k, struct arena *a);
/* 405 while the definition is being deleted: nothing new may be created. */
MUST_USE struct err *crds_may_create(const struct kind *k);
/* The cell of a column with a JSONPath (crd_columns.c). */
void crd_cell(struct arena *a, const struct column *c, const struct json *obj, wall_time now,
              struct json *ret);

#define CRD_FINALIZER "customresourcecleanup.apiextensions.k8s.io"
/* Marks a definition for deletion, in place: its instances go first. */
void crd_mark_deleted(struct arena *a, struct json *crd, wall_time now);
void crd_condition(struct arena *a, struct json *crd, const char *type, bool on, const char *reason,
                   const char *message, wall_time now);
void crd_prepare(struct write *w); /* the storage version is among the stored ones */
void crd_rules(struct write *w, struct err **errs); /* kind_validate_fn of definitions */
/* Holds a custom object, and what it was (NULL: create), both in the version that was spoken, against its schema and its rules. */
void crd_object_rules(struct write *w, const struct json *obj, const struct json *old,
                      struct err **errs);
#endif
