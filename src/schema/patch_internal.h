/* patch_internal.h - shared by the kinds of patches. */
#ifndef K1S_SCHEMA_PATCH_INTERNAL_H
#define K1S_SCHEMA_PATCH_INTERNAL_H
#include "schema/schema.h"

void patch_prune_nulls(struct json *v);

/* An object while a patch changes its members: look-ups in constant time, and removal that leaves the rest where it is
 * until patched_end(). Nothing else adds or removes members meanwhile. */
struct patched {
    struct json_index members;
    bool *gone; /* of the first n_gone members; NULL: none */
    uint32_t n_gone;
};
struct json *patched_find(struct patched *p, str key);
void patched_set(struct arena *a, struct patched *p, str key, struct json v);
void patched_remove(struct arena *a, struct patched *p, str key);
void patched_end(struct patched *p);

#endif
