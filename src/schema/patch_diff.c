/* patch_diff.c - the patch that leads from what was applied last and what is there now to what is wanted.
 *
 * Three documents, as `kubectl apply` has them: `original` (applied last time), `modified` (the manifest), `current` (the object).
 * What changed or came is found between current and modified; what went is found between original and modified, so that what others
 * have added to the object stays. With the type's schema the result is a strategic merge patch (lists with a merge key are compared
 * item by item), without one a JSON merge patch (lists are replaced as a whole).
 *
 * The order of a merging list is told ($setElementOrder) when items of it change or stand in another order than now.
 * Source: k8s.io/apimachinery/pkg/util/strategicpatch, CreateThreeWayMergePatch; pkg/util/jsonmergepatch. */
#include "schema/patch_internal.h"

enum diff_side {
    DIFF_CHANGES = 1 << 0,  /* what is new or different in `to` */
    DIFF_REMOVALS = 1 << 1, /* what `to` lacks */
};
#define SET_ORDER "$setElementOrder/"
#define DELETE_PRIMITIVES "$deleteFromPrimitiveList/"

struct list_rule {
    bool merges;
    bool replaces; /* an object that is sent whole */
    str merge_key; /* empty: a set of scalars */
    const struct schema_type *item;
};

static const struct schema_type *member_type(const struct schema_type *t, str key,
                                             struct list_rule *ret_rule)
{
    const struct schema_field *f;

    *ret_rule = (struct list_rule){0};
    if (!t)
        return NULL;
    if (t->kind == SCHEMA_MAP)
        return t->item;
    f = t->kind == SCHEMA_STRUCT ? schema_find_field(t, key) : NULL;
    if (!f)
        return NULL;
    ret_rule->replaces = f->flags & FIELD_PATCH_REPLACE;
    if (f->type && f->type->kind == SCHEMA_LIST)
        *ret_rule = (struct list_rule){.merges = f->flags & FIELD_PATCH_MERGE,
                                       .merge_key = schema_more(f)->merge_key,
                                       .item = f->type->item};
    return f->type;
}

static const struct json *find_item(const struct json *list, const struct json *like, str merge_key,
                                    uint32_t *ret_at)
{
    const struct json *id = merge_key.n ? json_find(like, merge_key) : like;

    for (uint32_t i = 0; id && i < json_count(list); i++) {
        const struct json *other =
            merge_key.n ? json_find(&list->items[i], merge_key) : &list->items[i];

        if (other && json_equal(other, id)) {
            if (ret_at)
                *ret_at = i;
            return &list->items[i];
        }
    }
    return NULL;
}

static void diff_object(struct arena *a, const struct schema_type *t, const struct json *from,
                        const struct json *to, unsigned sides, struct json *patch);

/* Do the items that both lists have stand in the same order? */
static bool same_order(const struct json *from, const struct json *to, str merge_key)
{
    uint32_t last = 0, at;
    bool any = false;

    JSON_EACH(item, to) {
        if (!find_item(from, item, merge_key, &at))
            continue;
        if (any && at < last)
            return false;
        last = at;
        any = true;
    }
    return true;
}

/* Items that cannot be told apart (no merge key) make the whole list one value. */
static bool can_merge(const struct json *list, str merge_key)
{
    JSON_EACH(item, list)
        if (merge_key.n ? !json_find(item, merge_key)
                        : item->type == JSON_OBJECT || item->type == JSON_ARRAY)
            return false;
    return true;
}

static void set_prefixed(struct arena *a, struct json *patch, const char *prefix, str key,
                         struct json v)
{
    json_set(a, patch, arena_fmt(a, "%s" PRI_STR, prefix, STR_ARG(key)), v);
}

static void diff_list(struct arena *a, const struct list_rule *rule, str key,
                      const struct json *from, const struct json *to, unsigned sides,
                      struct json *patch)
{
    struct json items = json_array(), order = json_array(), gone = json_array();

    JSON_EACH(item, to) {
        const struct json *before = find_item(from, item, rule->merge_key, NULL);

        if (rule->merge_key.n) {
            struct json id = json_object();

            json_set(a, &id, rule->merge_key, json_share(a, json_find(item, rule->merge_key)));
            json_append(a, &order, id);
            if (before) {
                struct json one = json_object();

                diff_object(a, rule->item, before, item, sides, &one);
                if (one.n) {
                    json_set(a, &one, rule->merge_key,
                             json_share(a, json_find(item, rule->merge_key)));
                    json_append(a, &items, one);
                }
                continue;
            }
        } else {
            json_append(a, &order, json_share(a, item));
        }
        if (!before && (sides & DIFF_CHANGES))
            json_append(a, &items, json_share(a, item));
    }
    if (sides & DIFF_REMOVALS)
        JSON_EACH(item, from) {
            struct json one = json_object();

            if (find_item(to, item, rule->merge_key, NULL))
                continue;
            if (!rule->merge_key.n) {
                json_append(a, &gone, json_share(a, item));
                continue;
            }
            json_setz(a, &one, "$patch", json_z("delete"));
            json_set(a, &one, rule->merge_key, json_share(a, json_find(item, rule->merge_key)));
            json_append(a, &items, one);
        }
    if (gone.n)
        set_prefixed(a, patch, DELETE_PRIMITIVES, key, gone);
    if (items.n || ((sides & DIFF_CHANGES) && !same_order(from, to, rule->merge_key)))
        set_prefixed(a, patch, SET_ORDER, key, order);
    if (items.n)
        json_set(a, patch, key, items);
}

static void diff_object(struct arena *a, const struct schema_type *t, const struct json *from,
                        const struct json *to, unsigned sides, struct json *patch)
{
    JSON_EACH_MEMBER(m, to) {
        const struct json *before = json_find(from, m->key);
        struct list_rule rule;
        const struct schema_type *type = member_type(t, m->key, &rule);

        if (m->value.type == JSON_NULL) { /* in a manifest: as if it were not there */
            if (before && before->type != JSON_NULL && (sides & DIFF_CHANGES))
                json_set(a, patch, m->key, json_null());
            continue;
        }
        if (!before || before->type != m->value.type) {
            if (sides & DIFF_CHANGES)
                if (!before || !json_equal(before, &m->value)) /* 1 and 1.0 */
                    json_set(a, patch, m->key, json_share(a, &m->value));
        } else if (m->value.type == JSON_OBJECT && !rule.replaces) {
            struct json one = json_object();

            diff_object(a, type, before, &m->value, sides, &one);
            if (one.n)
                json_set(a, patch, m->key, one);
        } else if (m->value.type == JSON_ARRAY && rule.merges &&
                   can_merge(before, rule.merge_key) && can_merge(&m->value, rule.merge_key)) {
            diff_list(a, &rule, m->key, before, &m->value, sides, patch);
        } else if ((sides & DIFF_CHANGES) && !json_equal(before, &m->value)) {
            json_set(a, patch, m->key, json_share(a, &m->value));
        }
    }
    if (sides & DIFF_REMOVALS)
        JSON_EACH_MEMBER(m, from)
            if (m->value.type != JSON_NULL && !json_find(to, m->key))
                json_set(a, patch, m->key, json_null());
}

/* Adds the removals to the changes. Both are patches of the same document. */
static void join(struct arena *a, const struct schema_type *t, struct json *into,
                 const struct json *more)
{
    JSON_EACH_MEMBER(m, more) {
        struct json *here = json_find(into, m->key);
        struct list_rule rule;
        const struct schema_type *type = member_type(t, m->key, &rule);

        if (!here) {
            json_set(a, into, m->key, json_share(a, &m->value));
        } else if (here->type == JSON_OBJECT && m->value.type == JSON_OBJECT) {
            join(a, type, here, &m->value);
        } else if (here->type == JSON_ARRAY && m->value.type == JSON_ARRAY && rule.merges) {
            JSON_EACH(item, &m->value) {
                uint32_t at;

                if (item->type == JSON_OBJECT && find_item(here, item, rule.merge_key, &at))
                    join(a, rule.item, &here->items[at], item);
                else
                    json_append(a, here, json_share(a, item));
            }
        }
    }
}

struct json *patch_three_way(struct arena *a, const struct schema_type *t,
                             const struct json *original, const struct json *modified,
                             const struct json *current)
{
    struct json *patch = json_new(a, json_object()), removals = json_object();

    diff_object(a, t, current, modified, DIFF_CHANGES, patch);
    if (original)
        diff_object(a, t, original, modified, DIFF_REMOVALS, &removals);
    join(a, t, patch, &removals);
    return patch;
}
