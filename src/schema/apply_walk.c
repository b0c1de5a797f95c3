/* apply_walk.c - which fields an object has and which differ between two, as sets of paths.
 *
 * The schema decides what one field is, as structured-merge-diff has it: structs and maps are taken apart unless they are
 * atomic, lists only when they are sets or have keys. Where the schema knows nothing (RawExtension, preserved unknown
 * fields) the value decides: objects are taken apart, lists are one field.
 *
 * Invariants
 *   (1) A comparison visits each value once and allocates only for what differs.
 *   (2) Fields that nobody owns (names, versions, uid and their kin) and those that the request cannot set are left out.
 *
 * Not here: results that are objects (apply_merge.c), sets as such (apply_set.c). */
#include "schema/apply_internal.h"

#define LIST_KEYS_MAX 16 /* keys of a list; items of lists with more have no path of their own */
#define LINEAR_MEMBERS_MAX 24 /* in larger objects members are paired by sorting */

/* ---- what nobody owns ---- */

static const str unowned_root[] = {STR("apiVersion"), STR("kind")};
static const str unowned_metadata[] = {
    STR("name"),       STR("namespace"),     STR("creationTimestamp"),
    STR("selfLink"),   STR("uid"),           STR("clusterName"),
    STR("generation"), STR("managedFields"), STR("resourceVersion"),
};

static bool is_one_of(const str *list, size_t n, str s)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(list[i], s))
            return true;
    return false;
}

/* What a strategy resets for a request is not counted as set by it. */
void walk_init(struct walk *w, struct arena *a, const struct resource *r, str subresource)
{
    *w = (struct walk){.arena = a, .root = r->type};
    if (str_is(subresource, "status")) {
        w->skip_spec = true;
        w->skip_labels = true;
        w->skip_metadata = r->custom;
    } else {
        for (size_t i = 0; i < r->n_subresources; i++)
            w->skip_status |= str_is(r->subresources[i].name, "status");
    }
}

/* depth 0: members of the object; 1: of one of those. */
bool walk_skips(const struct walk *w, int depth, bool in_metadata, str key)
{
    if (w->whole)
        return false;
    if (depth == 0)
        return is_one_of(unowned_root, ARRAY_LEN(unowned_root), key) ||
               (w->skip_status && str_is(key, "status")) || (w->skip_spec && str_is(key, "spec")) ||
               (w->skip_metadata && str_is(key, "metadata"));
    if (depth == 1 && in_metadata)
        return is_one_of(unowned_metadata, ARRAY_LEN(unowned_metadata), key) ||
               (w->skip_labels && str_is(key, "labels"));
    return false;
}

/* ---- the schema at a place ---- */

static bool is_empty(const struct json *v)
{
    return !v || (v->type != JSON_OBJECT && v->type != JSON_ARRAY) || v->n == 0;
}

/* v: the value there, or the one of two that is present. */
enum shape place_shape(struct place p, const struct json *v)
{
    if (p.type) {
        switch (p.type->kind) {
        case SCHEMA_STRUCT:
        case SCHEMA_MAP:
            if ((p.type->atomic || (p.field && (p.field->flags & FIELD_MAP_ATOMIC))) &&
                !(p.field && (p.field->flags & FIELD_MAP_GRANULAR)))
                return SHAPE_LEAF;
            return !v || v->type == JSON_OBJECT || v->type == JSON_NULL ? SHAPE_MAP : SHAPE_LEAF;
        case SCHEMA_LIST:
            if (!p.field || p.field->type != p.type || p.field->list_type == SCHEMA_LIST_ATOMIC)
                return SHAPE_LEAF;
            return !v || v->type == JSON_ARRAY || v->type == JSON_NULL ? SHAPE_LIST : SHAPE_LEAF;
        case SCHEMA_RAW:
        case SCHEMA_ANY:
        case SCHEMA_FIELDS_V1:
        case SCHEMA_SCHEMA_OR_BOOL:
        case SCHEMA_SCHEMA_OR_ARRAY:
        case SCHEMA_SCHEMA_OR_STRINGS:
            break;
        case SCHEMA_STRING:
        case SCHEMA_BYTES:
        case SCHEMA_BOOL:
        case SCHEMA_INT32:
        case SCHEMA_INT64:
        case SCHEMA_UINT32:
        case SCHEMA_UINT64:
        case SCHEMA_DOUBLE:
        case SCHEMA_FLOAT:
        case SCHEMA_QUANTITY:
        case SCHEMA_TIME:
        case SCHEMA_MICROTIME:
        case SCHEMA_DURATION:
        case SCHEMA_INT_OR_STRING:
        case SCHEMA_ENUM:
        case SCHEMA_VERB_LIST:
            return SHAPE_LEAF;
        }
    }
    return json_is(v, JSON_OBJECT) ? SHAPE_MAP : SHAPE_LEAF;
}

struct place place_member(struct place p, str key, bool *ret_is_field)
{
    const struct schema_field *f = NULL;

    if (ret_is_field)
        *ret_is_field = false;
    if (!p.type)
        return (struct place){0};
    if (p.type->kind == SCHEMA_MAP)
        return (struct place){.type = p.type->item};
    if (p.type->kind == SCHEMA_STRUCT)
        f = schema_find_field(p.type, key);
    if (!f)
        return (struct place){0};
    if (ret_is_field)
        *ret_is_field = true;
    return (struct place){f->type, f};
}

struct place place_item(struct place p)
{
    return (struct place){.type = p.type && p.type->kind == SCHEMA_LIST ? p.type->item : NULL};
}

/* ---- items of lists ---- */

static str join(struct arena *a, const char *prefix, str s)
{
    size_t n = strlen(prefix);
    char *p = arena_alloc(a, n + s.n + 1);

    memcpy(p, prefix, n);
    if (s.n)
        memcpy(p + n, s.p, s.n);
    p[n + s.n] = 0;
    return (str){p, n + s.n};
}

/* The value of a list's key in an item, or its default as JSON text. */
static bool key_value(struct place list, const struct json *item, str key, struct buf *b)
{
    const struct json *v = json_find(item, key);
    const struct schema_field *f;

    if (v) {
        json_encode(b, v);
        return true;
    }
    f = list.type->item && list.type->item->kind == SCHEMA_STRUCT
            ? schema_find_field(list.type->item, key)
            : NULL;
    if (!f || !schema_more(f)->default_json.n)
        return false;
    buf_str(b, schema_more(f)->default_json);
    return true;
}

bool place_item_element(struct arena *a, struct place list, const struct json *item, str *ret,
                        str *ret_missing)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    str rest = schema_more(list.field)->list_keys, key, keys[LIST_KEYS_MAX];
    size_t n = 0;

    *ret_missing = STR_NONE;
    if (list.field->list_type == SCHEMA_LIST_SET) {
        if (item->type == JSON_OBJECT || item->type == JSON_ARRAY || item->type == JSON_NULL)
            return false;
        buf_z(&b, "v:");
        json_encode(&b, item);
        *ret = arena_dup(a, buf_view(&b));
        return true;
    }
    if (item->type != JSON_OBJECT)
        return false;
    /* Keys in byte order, as they are written. */
    while (str_cut(&rest, '\0', &key)) {
        size_t at = n;

        if (!key.n)
            continue;
        if (n == LIST_KEYS_MAX) /* a custom resource's schema may say anything */
            return false;
        for (; at > 0 && str_cmp(keys[at - 1], key) > 0; at--)
            keys[at] = keys[at - 1];
        keys[at] = key;
        n++;
    }
    buf_z(&b, "k:{");
    for (size_t i = 0; i < n; i++) {
        buf_z(&b, i ? "," : "");
        json_encode_string(&b, keys[i]);
        buf_char(&b, ':');
        if (!key_value(list, item, keys[i], &b)) {
            *ret_missing = keys[i];
            return false;
        }
    }
    buf_char(&b, '}');
    *ret = arena_dup(a, buf_view(&b));
    return true;
}

static int compare_keyed(const void *x, const void *y)
{
    const struct keyed *a = x, *b = y;
    int c = str_cmp(a->element, b->element);

    return c ? c : a->at < b->at ? -1 : a->at > b->at;
}

void keyed_sort(struct keyed *k, uint32_t n)
{
    if (n > 1)
        qsort(k, n, sizeof *k, compare_keyed);
}

const struct keyed *keyed_find(const struct keyed *sorted, uint32_t n, str element)
{
    uint32_t low = 0, high = n;

    while (low < high) {
        uint32_t mid = (low + high) / 2;

        if (str_cmp(sorted[mid].element, element) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n && str_eq(sorted[low].element, element) ? &sorted[low] : NULL;
}

uint32_t keyed_group(const struct keyed *sorted, uint32_t n, uint32_t i)
{
    uint32_t end = i;

    while (end < n && str_eq(sorted[end].element, sorted[i].element))
        end++;
    return end - i;
}

struct keyed *keyed_items(struct arena *a, struct place list, const struct json *v, uint32_t *ret_n)
{
    uint32_t n = json_is(v, JSON_ARRAY) ? v->n : 0;
    struct keyed *k = n ? arena_alloc(a, n * sizeof *k) : NULL;

    for (uint32_t i = 0; i < n; i++) {
        str missing;

        k[i] = (struct keyed){.item = &v->items[i], .at = i};
        if (!place_item_element(a, list, k[i].item, &k[i].element, &missing))
            k[i].element = STR_NONE;
    }
    *ret_n = n;
    return k;
}

/* ---- comparing ---- */

static void compare(const struct walk *w, struct place p, int depth, bool in_metadata,
                    const struct json *lhs, const struct json *rhs, struct set_builder *changed,
                    struct set_builder *removed);

static void compare_child(const struct walk *w, struct place p, int depth, bool in_metadata,
                          str element, bool is_field, const struct json *lhs,
                          const struct json *rhs, struct set_builder *changed,
                          struct set_builder *removed)
{
    struct set_builder c = {0}, r = {0};
    str full = element;

    compare(w, p, depth, in_metadata, lhs, rhs, &c, &r);
    if (!c.self && !c.n && !r.self && !r.n)
        return;
    if (is_field)
        full = join(w->arena, "f:", element);
    set_add(w->arena, changed, full, &c);
    set_add(w->arena, removed, full, &r);
}

static void compare_member(const struct walk *w, struct place p, int depth, bool in_metadata,
                           str key, const struct json *lhs, const struct json *rhs,
                           struct set_builder *changed, struct set_builder *removed)
{
    if (depth < 2 && walk_skips(w, depth, in_metadata, key))
        return;
    compare_child(w, place_member(p, key, NULL), depth + 1, depth == 0 && str_is(key, "metadata"),
                  key, true, lhs, rhs, changed, removed);
}

static int compare_member_keys(const void *x, const void *y)
{
    return str_cmp(((const struct json_member *)x)->key, ((const struct json_member *)y)->key);
}

static struct json_member *sorted_members(struct arena *a, const struct json *v, uint32_t n)
{
    struct json_member *m = n ? mem_dup(v->members, n * sizeof *m) : NULL;

    if (n)
        qsort(m, n, sizeof *m, compare_member_keys);
    return m;
}

static void compare_large_maps(const struct walk *w, struct place p, int depth, bool in_metadata,
                               const struct json *lhs, const struct json *rhs,
                               struct set_builder *changed, struct set_builder *removed)
{
    uint32_t nl = json_count(lhs), nr = json_count(rhs), i = 0, k = 0;
    struct json_member *l = sorted_members(w->arena, lhs, nl),
                       *r = sorted_members(w->arena, rhs, nr);

    while (i < nl || k < nr) {
        int c = i == nl ? 1 : k == nr ? -1 : str_cmp(l[i].key, r[k].key);

        compare_member(w, p, depth, in_metadata, c <= 0 ? l[i].key : r[k].key,
                       c <= 0 ? &l[i].value : NULL, c >= 0 ? &r[k].value : NULL, changed, removed);
        i += c <= 0;
        k += c >= 0;
    }
    mem_free(l);
    mem_free(r);
}

static void compare_maps(const struct walk *w, struct place p, int depth, bool in_metadata,
                         const struct json *lhs, const struct json *rhs,
                         struct set_builder *changed, struct set_builder *removed)
{
    uint32_t nl = json_count(lhs), nr = json_count(rhs), hint = 0, paired = 0;

    if (MAX(nl, nr) > LINEAR_MEMBERS_MAX && nl && nr) {
        compare_large_maps(w, p, depth, in_metadata, lhs, rhs, changed, removed);
        return;
    }
    for (uint32_t i = 0; i < nr; i++) {
        const struct json_member *m = &rhs->members[i];
        const struct json *l;

        /* Two versions of one object mostly have the same members in the same order. */
        if (hint < nl && str_eq(lhs->members[hint].key, m->key))
            l = &lhs->members[hint].value;
        else
            l = nl ? json_find(lhs, m->key) : NULL;
        if (l) {
            hint = (uint32_t)(CONTAINER_OF(l, struct json_member, value) - lhs->members) + 1;
            paired++;
        }
        compare_member(w, p, depth, in_metadata, m->key, l, &m->value, changed, removed);
    }
    for (uint32_t i = 0; i < nl && paired < nl; i++)
        if (!nr || !json_find(rhs, lhs->members[i].key))
            compare_member(w, p, depth, in_metadata, lhs->members[i].key, &lhs->members[i].value,
                           NULL, changed, removed);
}

/* Items with one element: nl of the old list, nr of the new one, not both none. Which of several is which cannot be
 * told, so these are one field (structured-merge-diff's compare.go). */
static void compare_items(const struct walk *w, struct place p, const struct keyed *l, uint32_t nl,
                          const struct keyed *r, uint32_t nr, struct set_builder *changed,
                          struct set_builder *removed)
{
    str element = nl ? l->element : r->element;
    struct set_builder c = {0}, gone = {0};

    if (nl <= 1 && nr <= 1) {
        compare(w, place_item(p), 2, false, nl ? l->item : NULL, nr ? r->item : NULL, &c, &gone);
    } else if (nl >= 2 && nr >= 2) {
        c.self = nl != nr;
        for (uint32_t i = 0; i < nl && !c.self; i++)
            c.self = !json_equal(l[i].item, r[i].item);
    } else if (nl >= 2) {
        if (nr)
            compare(w, place_item(p), 2, false, NULL, r->item, &c, &gone);
        gone.self = true;
    } else {
        if (nl)
            compare(w, place_item(p), 2, false, l->item, NULL, &c, &gone);
        c.self = true;
    }
    set_add(w->arena, changed, element, &c);
    set_add(w->arena, removed, element, &gone);
}

static void compare_lists(const struct walk *w, struct place p, const struct json *lhs,
                          const struct json *rhs, struct set_builder *changed,
                          struct set_builder *removed)
{
    uint32_t nl, nr, i = 0, k = 0;
    struct keyed *l, *r;

    if (lhs && rhs && json_equal(lhs, rhs)) /* spares the making of keys */
        return;
    l = keyed_items(w->arena, p, lhs, &nl);
    r = keyed_items(w->arena, p, rhs, &nr);
    keyed_sort(l, nl);
    keyed_sort(r, nr);
    while (i < nl || k < nr) {
        int c = i == nl ? 1 : k == nr ? -1 : str_cmp(l[i].element, r[k].element);
        uint32_t in_l = c <= 0 ? keyed_group(l, nl, i) : 0,
                 in_r = c >= 0 ? keyed_group(r, nr, k) : 0;

        if ((in_l ? l[i] : r[k]).element.n)
            compare_items(w, p, l + i, in_l, r + k, in_r, changed, removed);
        i += in_l;
        k += in_r;
    }
}

/* Values of which the schema says nothing may change their form: what a map had is gone then, what it has is new. */
static void compare_forms(const struct walk *w, struct place p, int depth, bool in_metadata,
                          const struct json *lhs, const struct json *rhs,
                          struct set_builder *changed, struct set_builder *removed)
{
    changed->self = true;
    if (lhs->type == JSON_OBJECT)
        compare_maps(w, p, depth, in_metadata, lhs, NULL, changed, removed);
    if (rhs->type == JSON_OBJECT)
        compare_maps(w, p, depth, in_metadata, NULL, rhs, changed, removed);
}

static void compare(const struct walk *w, struct place p, int depth, bool in_metadata,
                    const struct json *lhs, const struct json *rhs, struct set_builder *changed,
                    struct set_builder *removed)
{
    /* null takes the form of the other one */
    enum shape l = place_shape(p, lhs && (lhs->type != JSON_NULL || !rhs) ? lhs : rhs),
               r = place_shape(p, rhs && (rhs->type != JSON_NULL || !lhs) ? rhs : lhs);

    /* Kubernetes 1.36 owns a RawExtension as a whole when it is set for the first time. */
    if (p.type && p.type->kind == SCHEMA_RAW && json_is(lhs, JSON_NULL))
        l = r = SHAPE_LEAF;
    if (l != r) {
        compare_forms(w, p, depth, in_metadata, lhs, rhs, changed, removed);
        return;
    }
    if (l == SHAPE_LEAF || (is_empty(lhs) && is_empty(rhs))) {
        if (!lhs)
            changed->self = true;
        else if (!rhs)
            removed->self = true;
        else
            changed->self = !json_equal(lhs, rhs);
        return;
    }
    if (l == SHAPE_MAP)
        compare_maps(w, p, depth, in_metadata, lhs, rhs, changed, removed);
    else
        compare_lists(w, p, lhs, rhs, changed, removed);
    if (!lhs && !(depth == 1 && in_metadata)) /* metadata itself is owned by nobody */
        changed->self = true;
    if (!rhs && !(depth == 1 && in_metadata))
        removed->self = true;
}

void walk_compare(const struct walk *w, const struct json *lhs, const struct json *rhs,
                  struct json *ret_changed, struct json *ret_removed)
{
    struct set_builder changed = {0}, removed = {0};

    compare(w, (struct place){.type = w->root}, 0, false, lhs, rhs, &changed, &removed);
    *ret_changed = set_root(w->arena, &changed);
    *ret_removed = set_root(w->arena, &removed);
}

/* ---- the fields of a configuration ---- */

static void collect(const struct walk *w, struct place p, int depth, bool in_metadata,
                    const struct json *v, struct set_builder *b)
{
    switch (place_shape(p, v)) {
    case SHAPE_LEAF:
        b->self = true;
        return;
    case SHAPE_MAP:
        JSON_EACH_MEMBER(m, v) {
            struct set_builder child = {0};
            bool is_field;
            struct place at = place_member(p, m->key, &is_field);

            if (depth < 2 && walk_skips(w, depth, in_metadata, m->key))
                continue;
            collect(w, at, depth + 1, depth == 0 && str_is(m->key, "metadata"), &m->value, &child);
            if (m->value.type == JSON_NULL || (m->value.type == JSON_OBJECT && m->value.n == 0) ||
                !is_field)
                child.self = true;
            if (depth == 0 && str_is(m->key, "metadata") && !w->whole)
                child.self = false;
            set_add(w->arena, b, join(w->arena, "f:", m->key), &child);
        }
        return;
    case SHAPE_LIST: {
        uint32_t n;
        struct keyed *k = keyed_items(w->arena, p, v, &n);

        keyed_sort(k, n);
        for (uint32_t i = 0, same; i < n; i += same) {
            struct set_builder child = {0};

            same = keyed_group(k, n, i);
            if (!k[i].element.n)
                continue;

            if (same == 1)
                collect(w, place_item(p), 2, false, k[i].item, &child);
            child.self = true;
            set_add(w->arena, b, k[i].element, &child);
        }
        return;
    }
    }
}

struct json walk_fields(const struct walk *w, const struct json *v)
{
    struct set_builder b = {0};

    collect(w, (struct place){.type = w->root}, 0, false, v, &b);
    return set_root(w->arena, &b);
}

/* ---- struct fields as members ---- */

static struct json ensure(const struct walk *w, struct place p, struct set_view v, bool as_root)
{
    struct set_builder b = {.self = v.self};

    for (uint32_t i = 0; i < v.n; i++) {
        struct set_view kid = set_view_element(&v.kids[i].value);
        str key = v.kids[i].key;
        struct set_builder child = {0};
        bool is_field = false;
        struct place at = {0};
        struct json inner;

        if (key.n >= 2 && key.p[0] == 'f')
            at = place_member(p, str_skip(key, 2), &is_field);
        else
            at = place_item(p);
        inner = ensure(w, at, kid, false);
        kid = set_view_element(&inner);
        child.self = kid.self || (is_field && kid.n);
        child.n = kid.n;
        child.cap = kid.n + 1;
        child.members = arena_alloc(w->arena, child.cap * sizeof *child.members);
        if (kid.n)
            memcpy(child.members + 1, kid.kids, kid.n * sizeof *child.members);
        set_add(w->arena, &b, key, &child);
    }
    return as_root ? set_root(w->arena, &b) : set_finish(w->arena, &b);
}

struct json walk_ensure_fields(const struct walk *w, const struct json *set)
{
    return ensure(w, (struct place){.type = w->root}, set_view_root(set), true);
}
