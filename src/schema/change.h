/* change.h - a value of a custom resource and what it was before an update, where that can be told.
 *
 * What was wrong before and has not changed is let pass ("ratcheting"). Which old value belongs to which new one follows from the
 * schema: members go by name, items of lists of type map by their keys; other lists are one value. What the schema does not know
 * counts as changed, as it does there.
 *
 * Source: k8s.io/apiserver/pkg/cel/common/{equality,maplist}.go. */
#ifndef K1S_SCHEMA_CHANGE_H
#define K1S_SCHEMA_CHANGE_H
#include "schema/schema.h"

struct change {
    struct arena *a;
    const struct json *now, *old, *schema;
    struct change_item
        *items; /* of a list of type map: the old ones by their keys, when first asked for */
    uint32_t n_items;
    enum { CHANGE_UNKNOWN, CHANGE_NONE, CHANGE_SOME } seen;
};

void change_init(struct change *c, struct arena *a, const struct json *now, const struct json *old,
                 const struct json *schema);
/* The part below a member's name or an index of the new value. False: there is no old one that belongs to it. c may be NULL. */
bool change_member(const struct change *c, str name, struct change *ret);
bool change_item(struct change *c, uint32_t index, struct change *ret);
/* Is it what it was? NULL: no. The answer is remembered. */
bool change_is_none(struct change *c);

/* Two items of a list of this schema (x-kubernetes-list-type map or set) are one when these texts are equal. */
str list_item_identity(struct arena *a, const struct json *list_schema, const struct json *item);
#endif
