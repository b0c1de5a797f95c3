/* apply_internal.h - shared by the parts of field ownership: sets of paths, walks by the schema, entries. */
#ifndef K1S_SCHEMA_APPLY_INTERNAL_H
#define K1S_SCHEMA_APPLY_INTERNAL_H
#include "schema/schema_internal.h"

/* ---- sets of paths (apply_set.c) ----
 * A set is a FieldsV1 tree itself, so that what was stored is used as it is: an object whose members are path elements
 * ("f:name", `k:{"name":"c"}`, "v:1", "i:0"), in byte order at every level. An element's value says whether its own path is
 * in the set ("." is a member of it, or it is empty) and holds what is below. Sets are never changed once made; results
 * share parts of their sources. */
struct set_builder {
    struct json_member *members; /* [0] is kept free for "." */
    uint32_t n, cap;
    bool self; /* the path itself is in the set */
};
/* Adds an element with what `child` has collected; nothing when that is nothing. */
void set_add(struct arena *a, struct set_builder *b, str element, struct set_builder *child);
struct json set_finish(struct arena *a, struct set_builder *b); /* as an element's value; sorts */
struct json set_root(struct arena *a, struct set_builder *b);   /* as a whole set */

struct set_view {
    bool self;
    const struct json_member *kids;
    uint32_t n;
};
struct set_view set_view_root(const struct json *set);
struct set_view set_view_element(const struct json *value);
const struct json *set_find_field(struct set_view v, str name); /* element "f:name" */
const struct json *set_find(struct set_view v, str element);

struct json set_normal(struct arena *a,
                       const struct json *fields_v1); /* sorted; shares where it already is */
static inline bool set_is_empty(const struct json *set)
{
    return set->type != JSON_OBJECT || set->n == 0;
}
struct json set_union(struct arena *a, const struct json *x, const struct json *y);
struct json set_minus(struct arena *a, const struct json *x, const struct json *y);
struct json set_common(struct arena *a, const struct json *x, const struct json *y);
bool set_meets(const struct json *x, const struct json *y); /* common path? */
/* Calls for every path, those of a level before what is below them, with its text (".spec.containers[name=\"c\"].image"). */
void set_each_path(const struct json *set, void (*fn)(void *ctx, str path), void *ctx);

/* ---- walks by the schema (apply_walk.c, apply_merge.c) ---- */
struct walk {
    struct arena *arena;
    const struct schema_type *root;
    bool skip_status, skip_spec, skip_labels,
        skip_metadata; /* fields that the request cannot set */
    bool whole;        /* leave nothing out, not even what nobody owns */
};
void walk_init(struct walk *w, struct arena *a, const struct resource *r, str subresource);
/* What differs from lhs to rhs (either may be NULL): changed or added, and removed. */
void walk_compare(const struct walk *w, const struct json *lhs, const struct json *rhs,
                  struct json *ret_changed, struct json *ret_removed);
struct json walk_fields(const struct walk *w,
                        const struct json *v); /* the paths of a configuration */
struct json walk_merge(const struct walk *w, const struct json *live, const struct json *config);
struct json walk_remove(const struct walk *w, const struct json *v, const struct json *set);
struct json
walk_ensure_fields(const struct walk *w,
                   const struct json *set); /* struct fields with something below are in it */
/* Appends ".path: what is wrong" for each thing that does not fit the schema. */
void walk_validate(const struct walk *w, const struct json *v, struct json *problems);

/* What stands at a place: the type, and the field for what only fields say. NULL type: decided by the value. */
struct place {
    const struct schema_type *type;
    const struct schema_field *field;
};
enum shape { SHAPE_LEAF, SHAPE_MAP, SHAPE_LIST };
enum shape place_shape(struct place p, const struct json *v);
struct place place_member(struct place p, str key, bool *ret_is_field /* may be NULL */);
struct place place_item(struct place p);
/* Path element of a list item. False: it has none (a key is missing); *ret_missing then names it. */
bool place_item_element(struct arena *a, struct place list, const struct json *item, str *ret,
                        str *ret_missing);
bool walk_skips(const struct walk *w, int depth, bool in_metadata, str key);

struct keyed {
    str element; /* empty: the item has none */
    const struct json *item;
    uint32_t at; /* in the list */
};
/* The items of a list with their path elements, in list order. */
struct keyed *keyed_items(struct arena *a, struct place list, const struct json *v,
                          uint32_t *ret_n);
void keyed_sort(struct keyed *k, uint32_t n); /* by element, then by place */
/* How many, from sorted[i] on, have the same element. */
uint32_t keyed_group(const struct keyed *sorted, uint32_t n, uint32_t i);
/* The first with this element, or NULL. */
const struct keyed *keyed_find(const struct keyed *sorted, uint32_t n, str element);

/* ---- managedFields (managed_fields.c) ---- */
struct manager {
    str name, api_version, subresource, time; /* time empty: none */
    bool applies;                             /* operation Apply, otherwise Update */
    struct json set;
    const struct json *source; /* the entry as stored while nothing has changed; NULL: write anew */
};
struct managers {
    struct manager *list;
    uint32_t n, cap;
};
/* False when an entry is malformed. */
bool managers_decode(struct arena *a, const struct json *entries, struct managers *ret);
struct json
managers_encode(struct arena *a,
                struct managers *m); /* a list; empty: the object has no managedFields */
struct manager *managers_find(struct managers *m, const struct manager *like);
struct manager *managers_add(struct arena *a, struct managers *m, struct manager v);
void managers_set(struct manager *m, struct json set);
void managers_drop_empty(struct managers *m);
void managers_cap(struct arena *a, struct managers *m); /* at most ten Update entries */

#endif
