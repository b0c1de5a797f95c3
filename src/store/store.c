/* store.c - opening, reading, closing. */
#include "store/store_internal.h"

const struct obj *row_obj(const struct engine_row *row)
{
    struct obj *o = obj_new(row->key, row->revision, row->uid, row->data, row->labels, row->fields);

    if (row->deleted)
        o->flags |= OBJ_DELETED;
    return o;
}

struct load {
    struct store *s;
    int64_t compacted;
    struct err *err;
};

/* Rebuilds index and history in one walk over the log. */
static void load_row(void *ctx, const struct engine_row *row)
{
    struct load *l = ctx;
    struct store *s = l->s;
    struct resource *r = index_resource(&s->index, row->key.resource);
    const struct obj *o = row_obj(row), *prev;

    prev = row->deleted ? index_del(&s->index, r, &o->key) : index_put(&s->index, r, o);
    if (row->revision > l->compacted && (prev ? prev->revision : 0) != row->prev && !l->err)
        l->err = err_new(REASON_INTERNAL, "revision %lld replaces %lld, but %lld was there",
                         (long long)row->revision, (long long)row->prev,
                         (long long)(prev ? prev->revision : 0));
    if (row->revision > l->compacted)
        history_push(&s->history, r, o, prev);
    obj_unref(prev);
    obj_unref(o);
}

static struct err *load(struct store *s)
{
    struct load l = {.s = s};
    struct err *err = engine_load(s->engine, load_row, &l, &s->visible, &l.compacted);

    if (err) {
        err_free(l.err);
        return err;
    }
    if (l.err)
        return l.err;
    s->compacted = l.compacted;
    history_trim(&s->history, s->compacted, SIZE_MAX);
    s->visible = MAX(s->visible, (int64_t)FIRST_REVISION);
    s->assigned = s->visible;
    return NULL;
}

static void store_free(struct store *s)
{
    if (s->compact_timer)
        compact_fini(s);
    update_fini(s);
    history_fini(&s->history);
    watch_fini(s);
    index_fini(&s->index);
    pool_serial_free(s->disk);
    engine_close(s->engine);
    mem_free(s);
}

struct err *store_open(struct loop *loop, const struct store_options *o, struct store **ret)
{
    struct store *s = NEW(struct store);
    size_t history_max = o->history_max ? o->history_max : HISTORY_EVENTS_DEFAULT, converted = 0;
    struct err *err;

    BUG_ON(!loop_is_mine(loop));
    s->loop = loop;
    s->object_limit = o->object_limit ? o->object_limit : OBJECT_LIMIT_DEFAULT;
    list_init(&s->watchers_all);
    list_init(&s->watches);
    index_init(&s->index);
    history_init(&s->history, history_max, 0);
    update_init(s);
    err = engine_open(o->path, o->cipher, &s->engine);
    if (!err)
        err = load(s);
    if (!err)
        err = engine_converge(s->engine, &converted);
    if (err) {
        store_free(s);
        return err_note(err, "opening %s", o->path);
    }
    s->disk = pool_serial_new(loop, "disk");
    compact_init(s, o->compact_age_ns ? o->compact_age_ns : COMPACT_AGE_DEFAULT, history_max);
    if (converted)
        log_info("store", "%zu versions of objects were encrypted or decrypted", converted);
    *ret = s;
    return NULL;
}

/* ---- closing: when the last job is back ---- */
static void close_turn(void *ctx)
{
    struct store *s = ctx;
    loop_fn *closed = s->closed;
    void *closed_ctx = s->closed_ctx;

    store_free(s);
    if (closed)
        closed(closed_ctx);
}

void store_job_begin(struct store *s)
{
    s->n_jobs++;
}

void store_job_end(struct store *s)
{
    if (--s->n_jobs == 0 && s->closing)
        loop_defer(s->loop, close_turn, s);
}

void store_close(struct store *s, loop_fn *closed, void *ctx)
{
    BUG_ON(!loop_is_mine(s->loop));
    BUG_ON(s->closing);
    s->closing = true;
    s->closed = closed;
    s->closed_ctx = ctx;
    loop_timer_stop(s->compact_timer);
    store_job_begin(s); /* an idle store closes by the next turn as well */
    store_job_end(s);
}

/* ---- reading ---- */
int64_t store_revision(const struct store *s)
{
    return s->visible;
}

int64_t store_compacted(const struct store *s)
{
    return s->compacted;
}

const struct obj *store_find(struct store *s, struct key key)
{
    BUG_ON(!loop_is_mine(s->loop));
    return obj_table_find(&s->index.by_key, &key);
}

void store_each(struct store *s, str resource, str ns, const struct key *after, store_each_fn *fn,
                void *ctx)
{
    BUG_ON(!loop_is_mine(s->loop));
    index_each(&s->index, resource, ns, after, fn, ctx);
}

size_t store_count(struct store *s, str resource, str ns)
{
    const struct resource *r = map_find(&s->index.resources, resource);
    const struct ns_index *n = r && ns.n ? map_find(&r->namespaces, ns) : NULL;

    if (ns.n)
        return n ? n->count : 0;
    return r ? r->count : 0;
}

void store_stats(const struct store *s, struct store_stats *ret)
{
    *ret = (struct store_stats){
        .revision = s->visible,
        .compacted = s->compacted,
        .objects = s->index.by_key.n,
        .bytes = s->index.bytes,
        .history_events = s->history.n,
        .pending_writes = s->n_pending,
        .watchers = s->n_watchers,
        .commits = s->n_commits,
        .writes = s->n_writes,
        .compacting = s->compacting,
    };
}
