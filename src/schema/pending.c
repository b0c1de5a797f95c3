/* pending.c - what is being written elsewhere right now. Whoever lands the real function deletes it here (and this file with the last one). */
#include "schema/schema.h"
void schema_validate(struct arena *a, const struct schema_type *t, const struct json *v, str path, struct err **errs) {}
