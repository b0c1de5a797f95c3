/* patch_internal.h - shared by the kinds of patches. */
#ifndef K1S_SCHEMA_PATCH_INTERNAL_H
#define K1S_SCHEMA_PATCH_INTERNAL_H
#include "schema/schema.h"

void patch_prune_nulls(struct json *v);

#endif
