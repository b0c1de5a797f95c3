/* change.c - see change.h. */
#include "schema/change.h"

#define DEPTH_MAX 200

struct change_item {
    str identity;
    const struct json *item;
};

void change_init(struct change *c, struct arena *a, const struct json *now, const struct json *old,
                 const struct json *schema)
{
    *c = (struct change){.a = a, .now = now, .old = old, .schema = schema};
}

static bool is_map_list(const struct json *schema)
{
    return str_is(json_get_str(schema, "x-kubernetes-list-type"), "map");
}

str list_item_identity(struct arena *a, const struct json *list_schema, const struct json *item)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json copy;

    if (is_map_list(list_schema)) {
        JSON_EACH(k, json_findz(list_schema, "x-kubernetes-list-map-keys")) {
            const struct json *x = json_find(item, json_str(k));

            if (x)
                json_encode(&b, x);
            buf_char(&b, '\n');
        }
    } else {
        copy = json_copy(a, item);
        json_sort_keys(&copy);
        json_encode(&b, &copy);
    }
    return arena_dup(a, buf_view(&b));
}

bool change_member(const struct change *c, str name, struct change *ret)
{
    const struct json *sub, *more, *old, *now;

    if (!c || !json_is(c->old, JSON_OBJECT) || !json_is(c->now, JSON_OBJECT))
        return false;
    old = json_find(c->old, name);
    now = json_find(c->now, name);
    sub = json_find(json_findz(c->schema, "properties"), name);
    more = json_findz(c->schema, "additionalProperties");
    if (!sub && json_is(more, JSON_OBJECT))
        sub = more;
    if (!old || !now || !sub)
        return false;
    change_init(ret, c->a, now, old, sub);
    return true;
}

static int by_identity(const void *x, const void *y, void *ctx)
{
    const struct change_item *a = x, *b = y;
    int d = str_cmp(a->identity, b->identity);

    (void)ctx;
    return d ? d : (a->item > b->item) - (a->item < b->item); /* of several the first counts */
}

static void index_items(struct change *c)
{
    if (c->items)
        return;
    c->items = ARENA_NEW_N(c->a, struct change_item, c->old->n + 1);
    JSON_EACH(x, c->old)
        c->items[c->n_items++] = (struct change_item){list_item_identity(c->a, c->schema, x), x};
    sort_with(c->items, c->n_items, sizeof *c->items, by_identity, NULL);
}

bool change_item(struct change *c, uint32_t index, struct change *ret)
{
    const struct json *items;
    uint32_t from = 0, to;
    str identity;

    if (!c || !json_is(c->old, JSON_ARRAY) || !json_is(c->now, JSON_ARRAY) || index >= c->now->n ||
        !is_map_list(c->schema))
        return false;
    items = json_findz(c->schema, "items");
    if (!json_is(items, JSON_OBJECT))
        return false;
    index_items(c);
    identity = list_item_identity(c->a, c->schema, &c->now->items[index]);
    for (to = c->n_items; from < to;) {
        uint32_t mid = from + (to - from) / 2;

        if (str_cmp(c->items[mid].identity, identity) < 0)
            from = mid + 1;
        else
            to = mid;
    }
    if (from == c->n_items || !str_eq(c->items[from].identity, identity))
        return false;
    change_init(ret, c->a, &c->now->items[index], c->items[from].item, items);
    return true;
}

static bool is_same(struct change *c, int depth)
{
    struct change sub;

    if (c->now->type != c->old->type || depth > DEPTH_MAX)
        return false;
    if (c->now->type == JSON_OBJECT) {
        if (c->now->n != c->old->n)
            return false;
        JSON_EACH_MEMBER(m, c->now)
            if (!change_member(c, m->key, &sub) || !is_same(&sub, depth + 1))
                return false;
        return true;
    }
    if (c->now->type == JSON_ARRAY && is_map_list(c->schema)) {
        if (c->now->n != c->old->n)
            return false;
        for (uint32_t i = 0; i < c->now->n; i++)
            if (!change_item(c, i, &sub) || !is_same(&sub, depth + 1))
                return false;
        return true;
    }
    return json_equal(c->now, c->old);
}

bool change_is_none(struct change *c)
{
    if (!c)
        return false;
    if (c->seen == CHANGE_UNKNOWN)
        c->seen = is_same(c, 0) ? CHANGE_NONE : CHANGE_SOME;
    return c->seen == CHANGE_NONE;
}
