/* managed_fields.c - metadata.managedFields: who owns which fields, as entries.
 *
 * Invariants
 *   (1) An entry whose set does not change keeps its stored form, tree and all.
 *   (2) One entry per manager, operation and subresource, and for Update per version.
 *   (3) At most MANAGERS_UPDATE_MAX Update entries: the oldest of a version are united as "ancient-changes".
 *
 * API: https://kubernetes.io/docs/reference/using-api/server-side-apply/ */
#include "schema/apply_internal.h"

#define MANAGERS_UPDATE_MAX 10
#define ANCIENT "ancient-changes"

static bool same(const struct manager *x, const struct manager *y)
{
    return x->applies == y->applies && str_eq(x->name, y->name) &&
           str_eq(x->subresource, y->subresource) &&
           (x->applies || str_eq(x->api_version, y->api_version));
}

struct manager *managers_find(struct managers *m, const struct manager *like)
{
    for (uint32_t i = 0; i < m->n; i++)
        if (same(&m->list[i], like))
            return &m->list[i];
    return NULL;
}

struct manager *managers_add(struct arena *a, struct managers *m, struct manager v)
{
    if (m->n == m->cap) {
        uint32_t cap = m->cap ? m->cap * 2 : 8;

        m->list = m->cap ? arena_grow(a, m->list, m->cap * sizeof *m->list, cap * sizeof *m->list)
                         : arena_alloc(a, cap * sizeof *m->list);
        m->cap = cap;
    }
    m->list[m->n] = v;
    return &m->list[m->n++];
}

void managers_set(struct manager *m, struct json set)
{
    m->set = set;
    m->source = NULL;
}

static void remove_at(struct managers *m, uint32_t i)
{
    memmove(&m->list[i], &m->list[i + 1], (m->n - i - 1) * sizeof *m->list);
    m->n--;
}

void managers_drop_empty(struct managers *m)
{
    for (uint32_t i = m->n; i > 0; i--)
        if (set_is_empty(&m->list[i - 1].set))
            remove_at(m, i - 1);
}

/* ---- entries ---- */

bool managers_decode(struct arena *a, const struct json *entries, struct managers *ret)
{
    struct managers m = {0};

    if (json_is(entries, JSON_ARRAY) && entries->n)
        m.list = arena_alloc(a, (m.cap = entries->n + 2) * sizeof *m.list);
    JSON_EACH(e, entries) {
        str operation = json_str(json_findz(e, "operation"));
        const struct json *fields = json_findz(e, "fieldsV1");
        struct manager v = {
            .name = json_str(json_findz(e, "manager")),
            .api_version = json_str(json_findz(e, "apiVersion")),
            .subresource = json_str(json_findz(e, "subresource")),
            .time = json_str(json_findz(e, "time")),
            .applies = str_is(operation, "Apply"),
            .set = json_object(),
            .source = e,
        };
        struct manager *again;

        if ((!v.applies && !str_is(operation, "Update")) || !v.api_version.n ||
            !str_is(json_str(json_findz(e, "fieldsType")), "FieldsV1"))
            return false;
        if (json_is(fields, JSON_OBJECT))
            v.set = set_normal(a, fields);
        again = managers_find(&m, &v);
        if (again)
            *again = v;
        else
            managers_add(a, &m, v);
    }
    *ret = m;
    return true;
}

static int compare_entries(const void *x, const void *y)
{
    const struct manager *a = x, *b = y;
    int c = (int)b->applies - (int)a->applies; /* "Apply" before "Update" */

    if (!c)
        c = str_cmp(a->time, b->time); /* RFC 3339 in UTC: in order as text */
    if (!c)
        c = str_cmp(a->name, b->name);
    if (!c)
        c = str_cmp(a->api_version, b->api_version);
    return c ? c : str_cmp(a->subresource, b->subresource);
}

static struct json encode_entry(struct arena *a, const struct manager *m)
{
    struct json e = {.type = JSON_OBJECT, .cap = 7};
    struct json_member *p;

    if (m->source)
        return *m->source;
    p = e.members = arena_alloc(a, e.cap * sizeof *e.members);
    if (m->name.n)
        *p++ = (struct json_member){S("manager"), json_string(m->name)};
    *p++ = (struct json_member){S("operation"), json_string(m->applies ? S("Apply") : S("Update"))};
    *p++ = (struct json_member){S("apiVersion"), json_string(m->api_version)};
    if (m->time.n)
        *p++ = (struct json_member){S("time"), json_string(m->time)};
    *p++ = (struct json_member){S("fieldsType"), json_string(S("FieldsV1"))};
    *p++ = (struct json_member){S("fieldsV1"), m->set};
    if (m->subresource.n)
        *p++ = (struct json_member){S("subresource"), json_string(m->subresource)};
    e.n = (uint32_t)(p - e.members);
    return e;
}

struct json managers_encode(struct arena *a, struct managers *m)
{
    struct json list = {.type = JSON_ARRAY, .n = m->n, .cap = m->n};

    if (!m->n)
        return list;
    qsort(m->list, m->n, sizeof *m->list, compare_entries);
    list.items = arena_alloc(a, m->n * sizeof *list.items);
    for (uint32_t i = 0; i < m->n; i++)
        list.items[i] = encode_entry(a, &m->list[i]);
    return list;
}

/* ---- the limit ---- */

/* Index of the oldest Update entry that is younger than `after` in age order, or n. */
static uint32_t next_oldest(const struct managers *m, const struct manager *after)
{
    uint32_t best = m->n;

    for (uint32_t i = 0; i < m->n; i++) {
        if (m->list[i].applies || (after && compare_entries(&m->list[i], after) <= 0))
            continue;
        if (best == m->n || compare_entries(&m->list[i], &m->list[best]) < 0)
            best = i;
    }
    return best;
}

/* Two entries of one version become one that is as young as the second. */
static void unite(struct arena *a, struct managers *m, uint32_t older, uint32_t younger)
{
    struct manager like = {.name = S(ANCIENT), .api_version = m->list[older].api_version};
    struct manager *bucket = managers_find(m, &like);
    struct json set;

    if (!bucket) {
        bucket = &m->list[older];
        bucket->name = S(ANCIENT);
        bucket->subresource = STR_NONE;
    }
    if (bucket == &m->list[younger])
        return;
    set = set_union(a, &bucket->set, &m->list[younger].set);
    managers_set(bucket, set);
    bucket->time = m->list[younger].time;
    remove_at(m, younger);
}

static uint32_t count_updates(const struct managers *m)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < m->n; i++)
        n += !m->list[i].applies;
    return n;
}

void managers_cap(struct arena *a, struct managers *m)
{
    while (count_updates(m) > MANAGERS_UPDATE_MAX) {
        uint32_t younger = m->n, older = m->n;
        struct manager last, *after = NULL;

        /* The oldest entry that has an older one of its version. */
        for (;;) {
            younger = next_oldest(m, after);
            if (younger == m->n)
                return; /* all of different versions: nothing to unite */
            last = m->list[younger];
            after = &last;
            older = next_oldest(m, NULL);
            while (older != younger && !str_eq(m->list[older].api_version, last.api_version)) {
                struct manager passed = m->list[older];

                older = next_oldest(m, &passed);
            }
            if (older != younger)
                break;
        }
        unite(a, m, older, younger);
    }
}
