/* crd_internal.h - what the files about custom resources' schemas share. */
#ifndef K1S_SCHEMA_CRD_INTERNAL_H
#define K1S_SCHEMA_CRD_INTERNAL_H
#include "schema/crd.h"

#define CRD_DEPTH_MAX 200 /* values within values */

/* patterns: pattern -> regular expression, as crd_type has them; NULL, or not among them: compiled for this once. */
bool crd_matches(const struct map *patterns, str pattern, str text);
/* Has the text this format? One that is not known holds for all. */
bool crd_format_holds(str format, str text);
#endif
