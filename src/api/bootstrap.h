/* bootstrap.h - the data of bootstrap_data.c. */
#ifndef K1S_API_BOOTSTRAP_H
#define K1S_API_BOOTSTRAP_H
#include "api/api_internal.h"

struct bootstrap_object {
    const char *group, *plural; /* version v1; ends with plural NULL */
    const char *json;
    const char *status; /* set beside it; NULL: none */
};
extern const char bootstrap_rbac[];
extern const struct bootstrap_object bootstrap_objects[];

/* bootstrap_reconcile.c: true when the stored default lacks something: *ret is what it should be. */
bool rbac_default_reconcile(struct arena *a, const struct obj *have, const struct json *want,
                            struct json **ret);
#endif
