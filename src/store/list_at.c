/* list_at.c - a list as it was at an older revision, for continued lists that must not see what was written meanwhile.
 *
 * The state at R is what is current and not newer than R, together with each version that was replaced or deleted since:
 * the `prev` of later events. These come from memory's history when it reaches back to R, else from disk. */
#include "store/store_internal.h"

struct versions {
    const struct obj **items; /* references */
    size_t n, cap;
};
struct list_at {
    struct store *s;
    char *resource, *ns, *after_ns, *after_name;
    bool has_after;
    int64_t revision, now;
    size_t limit;
    struct versions current, replaced;
    struct err *err;
    store_list_fn *done;
    void *ctx;
};

static void versions_add(struct versions *v, const struct obj *o)
{
    if (v->n == v->cap) {
        v->cap = v->cap ? v->cap * 2 : 64;
        v->items = mem_realloc(v->items, v->cap * sizeof *v->items);
    }
    v->items[v->n++] = o;
}

static void versions_fini(struct versions *v)
{
    for (size_t i = 0; i < v->n; i++)
        obj_unref(v->items[i]);
    mem_free(v->items);
}

static struct key after_key(const struct list_at *l)
{
    return (struct key){str_of(l->resource), str_of(l->after_ns), str_of(l->after_name)};
}

static bool is_wanted(const struct list_at *l, const struct key *k)
{
    struct key after = after_key(l);

    if (!str_eq(k->resource, str_of(l->resource)) || (*l->ns && !str_eq(k->ns, str_of(l->ns))))
        return false;
    return !l->has_after || key_cmp(k, &after) > 0;
}

static bool take_current(void *ctx, const struct obj *o)
{
    struct list_at *l = ctx;

    if (o->revision <= l->revision)
        versions_add(&l->current, obj_ref(o));
    return !l->limit ||
           l->current.n <= l->limit; /* one more than the limit tells that there are more */
}

static void take_row(void *ctx, const struct engine_row *row) /* on the disk thread */
{
    struct list_at *l = ctx;

    if (is_wanted(l, &row->key))
        versions_add(&l->replaced, row_obj(row));
}

static void list_work(void *ctx) /* on the disk thread */
{
    struct list_at *l = ctx;

    l->err = engine_replaced(l->s->engine, l->revision, l->now, str_of(l->resource), str_of(l->ns),
                             take_row, l);
}

static void take_replaced_from_memory(struct list_at *l)
{
    const struct history *h = &l->s->history;

    for (size_t i = history_after(h, l->revision); i < h->n; i++) {
        const struct obj *prev = history_at(h, i)->prev;

        if (prev && prev->revision <= l->revision && is_wanted(l, &prev->key))
            versions_add(&l->replaced, obj_ref(prev));
    }
}

static int version_cmp(const void *a, const void *b, void *ctx)
{
    return key_cmp(&(*(const struct obj *const *)a)->key, &(*(const struct obj *const *)b)->key);
}

/* Both are in key order and have no key in common: a key replaced since has a newer current version or none. */
static struct versions merge(struct list_at *l)
{
    struct versions all = {0};
    size_t i = 0, k = 0;

    while (i < l->current.n || k < l->replaced.n) {
        bool old = i == l->current.n ||
                   (k < l->replaced.n &&
                    key_cmp(&l->replaced.items[k]->key, &l->current.items[i]->key) < 0);

        versions_add(&all, obj_ref(old ? l->replaced.items[k++] : l->current.items[i++]));
    }
    return all;
}

static void list_done(void *ctx)
{
    struct list_at *l = ctx;
    struct store *s = l->s;
    struct versions all;
    size_t n;

    if (l->replaced.n)
        sort_with(l->replaced.items, l->replaced.n, sizeof *l->replaced.items, version_cmp, NULL);
    all = merge(l);
    n = l->limit ? MIN(all.n, l->limit) : all.n;
    if (l->err)
        l->done(l->ctx, l->err, NULL, 0, false);
    else
        l->done(l->ctx, NULL, all.items, n, n < all.n);
    versions_fini(&all);
    versions_fini(&l->current);
    versions_fini(&l->replaced);
    mem_free(l->resource);
    mem_free(l->ns);
    mem_free(l->after_ns);
    mem_free(l->after_name);
    mem_free(l);
    store_job_end(s);
}

/* API: https://kubernetes.io/docs/reference/using-api/api-concepts/#unavailable-resource-versions */
static struct err *revision_check(const struct store *s, int64_t revision)
{
    struct err *err;

    if (revision < s->compacted)
        return err_new(REASON_EXPIRED, "too old resource version: %lld (%lld)", (long long)revision,
                       (long long)s->compacted);
    if (revision <= s->visible)
        return NULL;
    err = err_new(REASON_TIMEOUT, "Timeout: Too large resource version: %lld, current: %lld",
                  (long long)revision, (long long)s->visible);
    err->retry_after_s = 1;
    err_cause_add(err, "ResourceVersionTooLarge", STR_NONE, S("Too large resource version"));
    return err;
}

void store_list_at(struct store *s, str resource, str ns, int64_t revision, const struct key *after,
                   size_t limit, store_list_fn *done, void *ctx)
{
    struct list_at *l = NEW(struct list_at);

    BUG_ON(!loop_is_mine(s->loop));
    BUG_ON(s->closing);
    l->s = s;
    l->resource = str_dupz(resource);
    l->ns = str_dupz(ns);
    l->has_after = after != NULL;
    l->after_ns = str_dupz(after ? after->ns : STR_NONE);
    l->after_name = str_dupz(after ? after->name : STR_NONE);
    l->revision = revision;
    l->now = s->visible;
    l->limit = limit;
    l->done = done;
    l->ctx = ctx;
    store_job_begin(s);
    l->err = revision_check(s, revision);
    if (l->err) {
        loop_defer(s->loop, list_done, l);
        return;
    }
    index_each(&s->index, resource, ns, after, take_current, l);
    if (revision >= s->history.trimmed) {
        take_replaced_from_memory(l);
        loop_defer(s->loop, list_done, l);
    } else {
        pool_serial_run_behind(s->disk, list_work, list_done, l);
    }
}
