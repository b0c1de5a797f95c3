/* conditions.c - matchConditions: expressions that say whether a webhook is asked at all. */
#include "api/dynamic/dynamic_internal.h"

struct err *conditions_match(struct attributes *t, struct webhook *h, const struct kind *k,
                             const struct json *obj, const struct json *old, bool *ret_matches)
{
    (void)k;
    (void)obj;
    (void)old;
    *ret_matches = true;
    if (!json_count(h->conditions))
        return NULL;
    if (h->ignore_failure) {
        *ret_matches = false;
        return NULL;
    }
    return err_forbidden(t->kind, t->name, "match conditions cannot be evaluated yet");
}
