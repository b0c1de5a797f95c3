/* patch_strategic.c - strategic merge patch: a merge patch that knows which lists merge, and by which key.
 *
 * The rules are those of k8s.io/apimachinery/pkg/util/strategicpatch:
 *   - objects merge member by member; null removes; a value for an absent member is taken as it is, without nulls and
 *     without parts that carry a directive;
 *   - a list whose field says patchStrategy=merge merges by the field's merge key, or as a set when its items are
 *     scalars; every other list is replaced;
 *   - `$patch: replace|delete` (in an object or as an item of a merging list), `$retainKeys`, `$setElementOrder/x` and
 *     `$deleteFromPrimitiveList/x` are the directives;
 *   - in a merged list the patch's items keep the patch's order (or that of $setElementOrder), the server's own items
 *     theirs, and where both are known from the old list the old order decides between them.
 * Members that the type does not know merge as objects and replace as lists.
 *
 * Errors that Kubernetes does not translate are a 500 there, without a reason, and here. */
#include "schema/patch_internal.h"

#define DIRECTIVE "$patch"
#define RETAIN_KEYS "$retainKeys"
#define SET_ORDER "$setElementOrder"
#define DELETE_PRIMITIVES "$deleteFromPrimitiveList"
#define PAIRS_MAX (16u << 20) /* comparisons of list items; a list of 4,000 items is well within */

/* What the schema says about one member; zero for members that it does not know. */
struct meta {
    const struct schema_type *type; /* of the member's value; NULL: unknown */
    bool merges;                    /* patchStrategy=merge */
    bool replaces;                  /* patchStrategy=replace: of an object */
    str merge_key;                  /* empty: a set of scalars */
};

static struct err *merge_object(struct arena *a, const struct schema_type *t, struct json *doc,
                                struct json *patch);

/* ---- words ---- */

static struct err *about(const char *before, const struct json *v, const char *after, str last)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_z(&b, before);
    buf_go(&b, v);
    buf_z(&b, after);
    buf_str(&b, last);
    return err_new(REASON_UNKNOWN, "%s", buf_cstr(&b));
}

static struct err *no_merge_key(const struct json *item, str key)
{
    return about("map: ", item, " does not contain declared merge key: ", key);
}

/* Go's %s of what is no text names the type in a text of its own. */
static void go_print_text(struct buf *b, const struct json *v)
{
    static const char *const types[] = {
        [JSON_BOOL] = "bool", [JSON_INT] = "int64", [JSON_DOUBLE] = "float64"};

    switch (v->type) {
    case JSON_STRING:
        buf_str(b, v->s);
        return;
    case JSON_NULL:
        buf_z(b, "%!s(<nil>)");
        return;
    case JSON_BOOL:
    case JSON_INT:
    case JSON_DOUBLE:
        buf_fmt(b, "%%!s(%s=", types[v->type]);
        buf_go(b, v);
        buf_char(b, ')');
        return;
    case JSON_ARRAY:
        buf_char(b, '[');
        for (uint32_t i = 0; i < v->n; i++) {
            buf_z(b, i ? " " : "");
            go_print_text(b, &v->items[i]);
        }
        buf_char(b, ']');
        return;
    case JSON_OBJECT:
        buf_z(b, "map[");
        for (uint32_t i = 0; i < v->n; i++) {
            buf_fmt(b, "%s" PRI_STR ":", i ? " " : "", STR_ARG(v->members[i].key));
            go_print_text(b, &v->members[i].value);
        }
        buf_char(b, ']');
        return;
    }
}

static struct err *unknown_directive(const struct json *directive, const struct json *in)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_z(&b, "unknown patch type: ");
    go_print_text(&b, directive);
    buf_z(&b, " in map: ");
    buf_go(&b, in);
    return err_new(REASON_UNKNOWN, "%s", buf_cstr(&b));
}

static struct err *not_a(const char *expected, const struct json *v)
{
    return err_new(REASON_UNKNOWN, "expected a %s, but received a %s", expected,
                   v->type == JSON_NULL ? "%!s(<nil>)" : json_go_type(v));
}

static struct err *bad_format(const char *what)
{
    return err_new(REASON_BAD_REQUEST, "invalid patch format of %s", what);
}

static struct err *unknown_member(const struct schema_type *t, str name)
{
    str type = t->name;

    for (size_t i = type.n; i > 0; i--)
        if (type.p[i - 1] == '.') {
            type = str_skip(type, i);
            break;
        }
    return err_new(REASON_UNKNOWN,
                   "unable to find api field in struct " PRI_STR " for the json field \"" PRI_STR
                   "\"",
                   STR_ARG(type), STR_ARG(name));
}

/* ---- the schema's say ---- */

static struct meta meta_of(const struct schema_type *t, str key)
{
    const struct schema_field *f;

    if (!t)
        return (struct meta){0};
    if (t->kind == SCHEMA_MAP)
        return (struct meta){.type = t->item};
    f = t->kind == SCHEMA_STRUCT ? schema_find_field(t, key) : NULL;
    if (!f)
        return (struct meta){0};
    return (struct meta){.type = f->type,
                         .merges = f->flags & FIELD_PATCH_MERGE,
                         .replaces = f->flags & FIELD_PATCH_REPLACE,
                         .merge_key = schema_more(f)->merge_key};
}

/* ---- values taken whole ---- */

/* False: the value itself carries a directive and is not to be kept. */
static bool drop_directives(struct json *v)
{
    uint32_t kept = 0;

    if (v->type == JSON_OBJECT) {
        if (json_findz(v, DIRECTIVE))
            return false;
        for (uint32_t i = 0; i < v->n; i++)
            if (drop_directives(&v->members[i].value))
                v->members[kept++] = v->members[i];
        v->n = kept;
    } else if (v->type == JSON_ARRAY) {
        for (uint32_t i = 0; i < v->n; i++)
            if (drop_directives(&v->items[i]))
                v->items[kept++] = v->items[i];
        v->n = kept;
    }
    return true;
}

static void take_whole(struct arena *a, struct patched *doc, str key, struct json v)
{
    patch_prune_nulls(&v);
    if (drop_directives(&v))
        patched_set(a, doc, key, v);
    else
        patched_remove(a, doc, key);
}

/* ---- order of merged lists ---- */

/* What identifies an item: itself, or its merge key's value (NULL: it has none). */
static const struct json *identity(const struct json *item, str merge_key)
{
    return merge_key.n ? json_find(item, merge_key) : item;
}

static bool same_identity(const struct json *x, const struct json *y, str merge_key)
{
    const struct json *ix = identity(x, merge_key), *iy = identity(y, merge_key);

    /* Go compares interfaces: 1 and 1.0 are different. */
    return ix && iy && ix->type == iy->type && json_equal(ix, iy);
}

/* Place of an item in an ordering list; -1: absent. */
static int64_t index_of(const struct json *list, const struct json *item, str merge_key)
{
    for (uint32_t i = 0; list && i < list->n; i++)
        if (same_identity(&list->items[i], item, merge_key))
            return i;
    return -1;
}

/* Stable by place in `order`. */
static void sort_by(struct arena *a, struct json *list, const struct json *order, str merge_key)
{
    int64_t *places = arena_alloc(a, (list->n + 1) * sizeof *places);

    for (uint32_t i = 0; i < list->n; i++) {
        struct json v = list->items[i];
        int64_t place = index_of(order, &v, merge_key);
        uint32_t at = i;

        for (; place >= 0 && at > 0 && places[at - 1] > place; at--) {
            list->items[at] = list->items[at - 1];
            places[at] = places[at - 1];
        }
        list->items[at] = v;
        places[at] = place;
    }
}

/* The merged items in their final order: those that `ours` names by its order, the server's own by that of `before`. */
static struct json in_order(struct arena *a, const struct json *merged, const struct json *ours,
                            const struct json *before, str merge_key)
{
    struct json patched = json_array(), own = json_array(), all = json_array();
    uint32_t i = 0, k = 0;

    JSON_EACH(item, merged)
        json_append(a, index_of(ours, item, merge_key) >= 0 ? &patched : &own, *item);
    sort_by(a, &patched, ours, merge_key);
    sort_by(a, &own, before, merge_key);
    while (i < own.n || k < patched.n) {
        bool take_own = k == patched.n;

        if (i < own.n && k < patched.n) {
            int64_t x = index_of(before, &own.items[i], merge_key),
                    y = index_of(before, &patched.items[k], merge_key);

            take_own = x >= 0 && y >= 0 && x < y;
        }
        json_append(a, &all, take_own ? own.items[i++] : patched.items[k++]);
    }
    return all;
}

/* ---- lists ---- */

static struct err *types_differ(const struct json *x, const struct json *y)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_z(&b, "list element types are not identical: [");
    buf_go(&b, x);
    buf_char(&b, ' ');
    buf_go(&b, y);
    buf_char(&b, ']');
    return err_new(REASON_UNKNOWN, "%s", buf_cstr(&b));
}

/* All items of both lists are of one kind; lists of lists do not merge. */
static struct err *check_items(const struct json *x, const struct json *y, enum json_type *ret)
{
    const struct json *first = NULL;

    for (int side = 0; side < 2; side++) {
        JSON_EACH(item, side ? y : x) {
            if (!first)
                first = item;
            if (item->type == JSON_ARRAY)
                return err_new(REASON_INVALID,
                               "the server rejected our request due to an error in our request");
            if (item->type != first->type)
                return types_differ(x, y);
        }
    }
    *ret = first ? first->type : JSON_NULL;
    return NULL;
}

/* Applies the items with directives to doc; *ret are the others. */
static struct err *apply_special_items(struct arena *a, struct json *doc, struct json *patch,
                                       str merge_key, struct json *ret)
{
    bool replace = false;

    *ret = json_array();
    JSON_EACH(item, patch) {
        const struct json *directive = json_findz(item, DIRECTIVE);
        str what = json_str(directive);

        if (!directive) {
            json_append(a, ret, *item);
        } else if (str_is(what, "delete")) {
            if (!json_find(item, merge_key))
                return no_merge_key(item, merge_key);
            for (uint32_t i = doc->n; i > 0; i--)
                if (same_identity(&doc->items[i - 1], item, merge_key))
                    json_remove_item(doc, i - 1);
        } else if (str_is(what, "replace")) {
            replace = true;
        } else if (str_is(what, "merge")) {
            return err_new(REASON_UNKNOWN, "merging lists cannot yet be specified in the patch");
        } else {
            return unknown_directive(directive, item);
        }
    }
    if (replace) {
        *doc = *ret;
        *ret = json_array();
    }
    return NULL;
}

static struct err *merge_items(struct arena *a, const struct schema_type *item_type,
                               struct json *doc, struct json *patch, str merge_key,
                               struct json *ret_merged)
{
    *ret_merged = json_array();
    JSON_EACH(item, doc)
        json_append(a, ret_merged, *item);
    JSON_EACH(item, patch) {
        int64_t at = -1;

        if (!json_find(item, merge_key))
            return no_merge_key(item, merge_key);
        at = index_of(ret_merged, item, merge_key);
        if (at < 0) {
            struct json v = *item;

            patch_prune_nulls(&v);
            if (drop_directives(&v))
                json_append(a, ret_merged, v);
        } else {
            struct err *err = merge_object(a, item_type, &ret_merged->items[at], item);

            if (err)
                return err;
        }
    }
    return NULL;
}

static bool has_item(const struct json *list, const struct json *item)
{
    return index_of(list, item, STR_NONE) >= 0;
}

static void merge_set(struct arena *a, const struct json *doc, const struct json *patch,
                      struct json *ret_merged)
{
    *ret_merged = json_array();
    for (int side = 0; side < 2; side++)
        JSON_EACH(item, side ? patch : doc)
            if (!has_item(ret_merged, item))
                json_append(a, ret_merged, *item);
}

/* The merged list before its order is made; doc and patch lose what directives took out. */
static struct err *merge_list_content(struct arena *a, struct meta meta, struct json *doc,
                                      struct json *patch, struct json *ret_merged)
{
    struct json plain;
    enum json_type kind;
    struct err *err = check_items(doc, patch, &kind);

    if (err)
        return err;
    if (kind != JSON_OBJECT) {
        merge_set(a, doc, patch, ret_merged);
        return NULL;
    }
    if (!meta.merge_key.n)
        return err_new(REASON_UNKNOWN, "cannot merge lists without merge key for type struct");
    err = apply_special_items(a, doc, patch, meta.merge_key, &plain);
    if (err)
        return err;
    *patch = plain;
    return merge_items(a, meta.type ? meta.type->item : NULL, doc, patch, meta.merge_key,
                       ret_merged);
}

static struct err *merge_list(struct arena *a, struct meta meta, struct json *doc,
                              struct json *patch)
{
    struct json merged;
    struct err *err;
    str key;

    if (!doc->n && !patch->n)
        return NULL;
    err = merge_list_content(a, meta, doc, patch, &merged);
    if (err)
        return err;
    key = json_is(json_item(&merged, 0), JSON_OBJECT) ? meta.merge_key : STR_NONE;
    JSON_EACH(item, &merged)
        if (key.n && !json_find(item, key))
            return no_merge_key(item, key);
    *doc = in_order(a, &merged, patch, doc, key);
    return NULL;
}

static void delete_from_list(struct json *doc, const struct json *unwanted)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < doc->n; i++)
        if (!has_item(unwanted, &doc->items[i]))
            doc->items[kept++] = doc->items[i];
    doc->n = kept;
}

/* ---- objects ---- */

/* "$prefix/name" -> name; false when it is not of that form. */
static bool directive_key(str key, str prefix, str *ret_name)
{
    if (!str_has_prefix(key, prefix) || key.n <= prefix.n || key.p[prefix.n] != '/')
        return false;
    *ret_name = str_skip(key, prefix.n + 1);
    return true;
}

static bool retains(const struct json *keys, str key)
{
    JSON_EACH(k, keys)
        if (k->type == JSON_STRING && str_eq(k->s, key))
            return true;
    return false;
}

static struct err *apply_retain_keys(struct json *doc, struct json *patch)
{
    struct json *found = json_findz(patch, RETAIN_KEYS), keys;
    uint32_t kept = 0;

    if (!found)
        return NULL;
    keys = *found;
    json_removez(patch, RETAIN_KEYS);
    if (keys.type != JSON_ARRAY)
        return bad_format("retainKeys");
    JSON_EACH_MEMBER(m, patch)
        if (m->value.type != JSON_NULL && !str_has_prefix(m->key, S(DELETE_PRIMITIVES)) &&
            !str_has_prefix(m->key, S(SET_ORDER)) && !retains(&keys, m->key))
            return bad_format("retainKeys");
    for (uint32_t i = 0; i < doc->n; i++)
        if (retains(&keys, doc->members[i].key))
            doc->members[kept++] = doc->members[i];
    doc->n = kept;
    return NULL;
}

/* Every item of the patch that stays is in the order list, and in its order. */
static struct err *check_order(const struct json *patch, const struct json *order, str merge_key)
{
    uint32_t at = 0;

    if (!json_count(patch) || !json_count(order))
        return NULL;
    JSON_EACH(item, patch) {
        if (merge_key.n && item->type != JSON_OBJECT)
            return not_a("map[string]interface {}", item);
        const struct json *directive = json_findz(item, DIRECTIVE);

        /* A directive is passed over, but for what is deleted only while there are places left. */
        if (directive && ((merge_key.n && str_is(json_str(directive), "delete")) || at < order->n))
            continue;
        if (merge_key.n && !directive && !json_find(item, merge_key))
            return no_merge_key(item, merge_key);
        for (; at < order->n; at++) {
            const struct json *place = &order->items[at];

            if (merge_key.n && place->type != JSON_OBJECT)
                return not_a("map[string]interface {}", place);
            if (merge_key.n && !json_find(place, merge_key))
                return no_merge_key(place, merge_key);
            if (same_identity(item, place, merge_key))
                break;
        }
        if (at++ == order->n) {
            CLEANUP(buf) struct buf b = BUF_INIT;

            buf_z(&b, "The order in patch list:\n");
            buf_go(&b, patch);
            buf_z(&b, "\n doesn't match " SET_ORDER " list:\n");
            buf_go(&b, order);
            buf_char(&b, '\n');
            return err_new(REASON_UNKNOWN, "%s", buf_cstr(&b));
        }
    }
    return NULL;
}

/* One "$setElementOrder/name": merges that list together with its part of the patch. */
static struct err *apply_order(struct arena *a, const struct schema_type *t, struct json *doc,
                               struct json *patch, str name, const struct json *order)
{
    struct json *have = json_find(doc, name), *change = json_find(patch, name), merged,
                none = json_array();
    struct meta meta = meta_of(t, name);
    enum json_type kind;
    struct err *err;

    if (order->type != JSON_ARRAY)
        return not_a("[]interface {}", order);
    if (have && have->type != JSON_ARRAY)
        return not_a("[]interface {}", have);
    if (change && change->type != JSON_ARRAY)
        return not_a("[]interface {}", change);
    if (t && t->kind == SCHEMA_STRUCT && !meta.type)
        return unknown_member(t, name);
    err = check_order(change, order, meta.merge_key);
    if (err || (!have && !change))
        return err;
    err = check_items(have ? have : &none, change ? change : &none, &kind);
    if (err)
        return err;
    if (kind == JSON_NULL) /* an order, but nothing in either list */
        return err_new(REASON_UNKNOWN, "no elements in any of the given slices");
    if (have && change && meta.merges)
        err = merge_list_content(a, meta, have, change, &merged);
    else
        merged = json_share(a, change ? change : have);
    if (err)
        return err;
    if (!have)
        drop_directives(&merged);
    if (kind == JSON_OBJECT && meta.merge_key.n) {
        JSON_EACH(item, &merged)
            if (!json_find(item, meta.merge_key))
                return no_merge_key(item, meta.merge_key);
        for (uint32_t i = 0; i < order->n; i++) {
            if (order->items[i].type != JSON_OBJECT)
                return err_new(REASON_UNKNOWN, "value for key %u is not a map.", i);
            if (!json_find(&order->items[i], meta.merge_key))
                return no_merge_key(&order->items[i], meta.merge_key);
        }
    }
    merged = in_order(a, &merged, order, have, kind == JSON_OBJECT ? meta.merge_key : STR_NONE);
    json_set(a, doc, name, merged);
    json_remove(patch, name);
    return NULL;
}

static struct err *apply_orders(struct arena *a, const struct schema_type *t, struct json *doc,
                                struct json *patch)
{
    for (uint32_t i = 0; i < patch->n;) {
        str key = patch->members[i].key, name;
        struct json order = patch->members[i].value;
        struct err *err;

        if (!str_has_prefix(key, S(SET_ORDER))) {
            i++;
            continue;
        }
        json_remove(patch, key);
        if (!directive_key(key, S(SET_ORDER), &name))
            return bad_format("setElementOrder list");
        err = apply_order(a, t, doc, patch, name, &order);
        if (err)
            return err;
        i = 0; /* members have moved */
    }
    return NULL;
}

static struct err *merge_member(struct arena *a, const struct schema_type *t, struct patched *doc,
                                str key, struct json *change)
{
    bool deletes = str_has_prefix(key, S(DELETE_PRIMITIVES));
    struct json *have;
    struct meta meta;
    struct err *err;
    str name = key;

    if (deletes && !directive_key(key, S(DELETE_PRIMITIVES), &name))
        return bad_format("primitive list");
    if (change->type == JSON_NULL) {
        patched_remove(a, doc, name);
        return NULL;
    }
    have = patched_find(doc, name);
    if (!have || have->type != change->type) {
        if (!deletes)
            take_whole(a, doc, name, *change);
        return NULL;
    }
    meta = meta_of(t, name);
    if (have->type == JSON_OBJECT && !meta.replaces)
        return merge_object(a, meta.type, have, change);
    if (have->type == JSON_ARRAY && meta.merges) {
        if (!deletes || json_is(json_item(have, 0), JSON_OBJECT))
            return merge_list(a, meta, have, change);
        enum json_type kind;

        err = check_items(have, change, &kind);
        if (!err)
            delete_from_list(have, change);
        return err;
    }
    *have = *change;
    return NULL;
}

static struct err *merge_object(struct arena *a, const struct schema_type *t, struct json *doc,
                                struct json *patch)
{
    const struct json *directive = json_findz(patch, DIRECTIVE);
    struct err *err;

    if (directive) {
        str what = json_str(directive);

        if (str_is(what, "replace")) {
            json_removez(patch, DIRECTIVE);
            *doc = *patch;
            return NULL;
        }
        if (str_is(what, "delete")) {
            *doc = json_object();
            return NULL;
        }
        return unknown_directive(directive, patch);
    }
    err = apply_retain_keys(doc, patch);
    if (!err)
        err = apply_orders(a, t, doc, patch);
    if (err)
        return err;
    struct patched out = {.members.obj = doc};

    for (uint32_t i = 0; i < patch->n && !err; i++)
        err = merge_member(a, t, &out, patch->members[i].key, &patch->members[i].value);
    patched_end(&out);
    return err;
}

/* Lists are merged by comparing their items pair by pair. How many pairs that may be: what lists of the document and of
 * the patch hold is squared, since each is also put in order, and every item of the patch may name one with a list. */
struct list_sizes {
    uint64_t items, squares, longest;
};

static void measure(const struct json *v, struct list_sizes *z)
{
    if (v->type == JSON_ARRAY) {
        z->items += v->n;
        z->squares += (uint64_t)v->n * v->n;
        z->longest = MAX(z->longest, v->n);
    }
    JSON_EACH(item, v)
        measure(item, z);
    JSON_EACH_MEMBER(m, v)
        measure(&m->value, z);
}

static struct err *check_sizes(const struct json *doc, const struct json *patch)
{
    struct list_sizes in_doc = {0}, in_patch = {0};

    measure(patch, &in_patch);
    if (!in_patch.items)
        return NULL;
    measure(doc, &in_doc);
    if (in_doc.squares + in_patch.squares + in_patch.items * in_doc.longest <= PAIRS_MAX)
        return NULL;
    return err_new(REASON_REQUEST_TOO_LARGE,
                   "the lists of this object are too long for a strategic merge patch");
}

struct err *patch_strategic(struct arena *a, const struct schema_type *t, struct json *doc,
                            const struct json *patch)
{
    struct json result, change;
    struct err *err;

    if (patch->type != JSON_OBJECT)
        return err_new(REASON_BAD_REQUEST,
                       "json: cannot unmarshal %s into Go value of type map[string]interface {}",
                       patch->type == JSON_ARRAY    ? "array"
                       : patch->type == JSON_STRING ? "string"
                       : patch->type == JSON_BOOL   ? "bool"
                                                    : "number");
    err = check_sizes(doc, patch);
    if (err)
        return err;
    result = json_share(a, doc);
    change = json_share(a, patch);
    err = merge_object(a, t, &result, &change);
    if (!err)
        *doc = result;
    return err;
}
