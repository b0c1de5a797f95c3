/* schema_internal.h - what the generated tables and the interpreters in this folder share. */
#ifndef K1S_SCHEMA_INTERNAL_H
#define K1S_SCHEMA_INTERNAL_H
#include "schema/schema.h"

struct schema_kind_row {
    str group, version, kind;
    const struct schema_type *type;
    bool everywhere; /* Status, DeleteOptions, WatchEvent: known in every group-version */
};
extern const struct schema_type schema_types[];          /* sorted by name */
extern const size_t schema_n_types;
extern const struct schema_kind_row schema_kinds[];      /* sorted by kind, group, version */
extern const size_t schema_n_kinds;

#endif
