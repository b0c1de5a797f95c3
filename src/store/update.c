/* update.c - the way of a write: function, pending version, batch, disk thread, publication.
 *
 * Writes gather in a batch while the disk thread works on the one before; one transaction, hence one fsync, makes a
 * whole batch durable. A key may be written again before its last write is durable: the function then sees that
 * pending version, and both writes share their fate.
 *
 * Invariants
 *   (1) Revisions are given out in the order of the batch, and published in it.
 *   (2) Nothing of a batch is visible or acknowledged before all of it is on disk.
 *   (3) When a batch fails, so does what was gathered behind it: it may build on versions that never were.
 *   (4) A write and its companions are in one batch: they become durable and visible together.
 *   (5) `pending` holds exactly the newest not yet published version of each key being written. */
#include "store/store_internal.h"

struct write {
    const struct obj *obj; /* reference; of STORE_KEEP the version to report, perhaps NULL */
    enum store_op op;
    store_done_fn *done;
    void *ctx;
    struct err *err; /* of the function: nothing is written */
};
struct batch {
    struct store *s;
    struct write *writes;
    size_t n, cap;
    struct engine_write *rows; /* of those that go to disk */
    size_t n_rows, cap_rows;
    struct err *err; /* of the disk */
};

static struct batch *batch_new(struct store *s)
{
    struct batch *b = NEW(struct batch);

    b->s = s;
    return b;
}

static void batch_free(struct batch *b)
{
    mem_free(b->writes);
    mem_free(b->rows);
    mem_free(b);
}

static void batch_add(struct batch *b, struct write w)
{
    if (b->n == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 16;
        b->writes = mem_realloc(b->writes, b->cap * sizeof *b->writes);
    }
    b->writes[b->n++] = w;
    b->s->n_pending++;
}

static void batch_add_row(struct batch *b, struct engine_write row)
{
    if (b->n_rows == b->cap_rows) {
        b->cap_rows = b->cap_rows ? b->cap_rows * 2 : 16;
        b->rows = mem_realloc(b->rows, b->cap_rows * sizeof *b->rows);
    }
    b->rows[b->n_rows++] = row;
}

void update_init(struct store *s)
{
    s->gathering = batch_new(s);
    s->arena = arena_new();
}

void update_fini(struct store *s)
{
    if (s->gathering)
        batch_free(s->gathering);
    obj_table_fini(&s->pending);
    arena_free(s->arena);
}

bool update_is_idle(const struct store *s)
{
    return !s->in_flight && s->gathering->n == 0;
}

/* ---- publication ---- */
static void finish(struct store *s, struct write *w, struct err *err)
{
    const struct obj *o = w->obj;

    s->n_pending--;
    w->done(w->ctx, err, err ? NULL : o);
    obj_unref(o);
}

static void publish(struct store *s, struct write *w, int64_t prev_revision)
{
    struct resource *r = index_resource(&s->index, w->obj->key.resource);
    const struct obj *prev;

    if (obj_table_find(&s->pending, &w->obj->key) == w->obj)
        obj_table_del(&s->pending, &w->obj->key);
    if (w->op == STORE_DELETE)
        prev = index_del(&s->index, r, &w->obj->key);
    else
        prev = index_put(&s->index, r, w->obj);
    BUG_ON((prev ? prev->revision : 0) != prev_revision);
    BUG_ON(w->obj->revision <= s->visible);
    s->visible = w->obj->revision;
    s->n_writes++;
    history_push(&s->history, r, w->obj, prev);
    watch_publish(s, r, w->obj, prev);
    obj_unref(prev);
}

static void batch_publish(struct store *s, struct batch *b)
{
    size_t row = 0;

    for (size_t i = 0; i < b->n; i++) {
        struct write *w = &b->writes[i];

        if (!w->err && w->op != STORE_KEEP)
            publish(s, w, b->rows[row++].prev);
        finish(s, w, TAKE(w->err));
    }
    if (b->n_rows) {
        s->n_commits++;
        watch_progress(s);
        compact_published(s);
    }
}

static void batch_fail(struct store *s, struct batch *b, const struct err *err)
{
    for (size_t i = 0; i < b->n; i++) {
        struct write *w = &b->writes[i];

        finish(s, w, w->err ? TAKE(w->err) : err_copy(err));
    }
}

/* ---- disk ---- */
static void submit(struct store *s);

static void batch_work(void *ctx) /* on the disk thread */
{
    struct batch *b = ctx;

    b->err = engine_append(b->s->engine, b->rows, b->n_rows);
}

static void batch_done(void *ctx)
{
    struct batch *b = ctx, *behind;
    struct store *s = b->s;

    if (b->err) {
        log_error("store", "%zu writes failed: %s", b->n, err_text(b->err));
        behind = s->gathering;
        s->gathering = batch_new(s);
        obj_table_fini(&s->pending);
        batch_fail(s, b, b->err);
        batch_fail(s, behind, b->err);
        batch_free(behind);
        err_free(b->err);
    } else {
        batch_publish(s, b);
    }
    s->in_flight = NULL;
    batch_free(b);
    submit(s);
    store_job_end(s);
}

static void submit(struct store *s)
{
    struct batch *b = s->gathering;

    if (s->in_flight || b->n == 0)
        return;
    s->in_flight = b;
    s->gathering = batch_new(s);
    store_job_begin(s);
    if (b->n_rows)
        pool_serial_run(s->disk, batch_work, batch_done, b);
    else
        loop_defer(s->loop, batch_done, b);
}

static void submit_turn(void *ctx)
{
    struct store *s = ctx;

    s->submit_queued = false;
    submit(s);
    store_job_end(s);
}

/* The batch leaves at the end of this turn, with all that the turn still adds to it. */
static void submit_soon(struct store *s)
{
    if (s->submit_queued || s->in_flight)
        return;
    s->submit_queued = true;
    store_job_begin(s);
    loop_defer(s->loop, submit_turn, s);
}

/* ---- writes that need no disk: answered by the next turn, without waiting for a batch ---- */
struct answer {
    struct store *s; /* NULL: it is closing, and may be gone by then */
    struct write w;
};

static void answer_now(void *ctx)
{
    struct answer *a = ctx;
    struct store *s = a->s;

    finish(s, &a->w, TAKE(a->w.err));
    mem_free(a);
    store_job_end(s);
}

static void answer_closing(void *ctx)
{
    struct answer *a = ctx;

    a->w.done(a->w.ctx, err_new(REASON_UNAVAILABLE, "the store is closing"), NULL);
    mem_free(a);
}

static void answer_soon(struct store *s, struct write w)
{
    struct answer *a = NEW(struct answer);

    *a = (struct answer){s, w};
    s->n_pending++;
    store_job_begin(s);
    loop_defer(s->loop, answer_now, a);
}

static struct err *change_check(struct store *s, struct key key, const struct obj *current,
                                const struct store_change *c)
{
    BUG_ON(c->op == STORE_DELETE && !current);
    BUG_ON(str_is_empty(key.resource) || str_is_empty(key.name));
    if (c->op == STORE_PUT && c->data.n > s->object_limit)
        return err_new(REASON_REQUEST_TOO_LARGE, "Request entity too large: limit is %zu",
                       s->object_limit);
    for (size_t i = 0; c->op != STORE_KEEP && i < c->n_companions; i++) {
        const struct store_companion *o = &c->companions[i];
        struct err *err;

        BUG_ON(o->change.n_companions);
        err = change_check(s, o->key, store_newest(s, o->key), &o->change);
        if (err)
            return err;
    }
    return NULL;
}

const struct obj *store_newest(struct store *s, struct key key)
{
    const struct obj *pending = obj_table_find(&s->pending, &key);

    if (pending)
        return pending->flags & OBJ_DELETED ? NULL : pending;
    return obj_table_find(&s->index.by_key, &key);
}

/* A PUT or a DELETE joins the batch with the next revision. */
static void change_add(struct store *s, struct key key, const struct store_change *c,
                       struct write w)
{
    const struct obj *current = store_newest(s, key);
    struct obj *o = obj_new(key, ++s->assigned, c->uid, c->data, c->labels, c->fields);

    w.op = c->op;
    if (w.op == STORE_DELETE)
        o->flags |= OBJ_DELETED;
    w.obj = o;
    batch_add_row(s->gathering,
                  (struct engine_write){o, current ? current->revision : 0, w.op == STORE_DELETE});
    batch_add(s->gathering, w);
    obj_table_put(&s->pending, o);
}

/* The write that a companion came with speaks for it. */
static void companion_done(void *ctx, struct err *err, const struct obj *result)
{
    (void)ctx;
    (void)result;
    err_free(err);
}

void store_update(struct store *s, struct key key, store_update_fn *fn, store_done_fn *done,
                  void *ctx)
{
    const struct obj *pending = obj_table_find(&s->pending, &key), *current;
    struct store_change c = {.op = STORE_KEEP};
    struct write w = {.done = done, .ctx = ctx};

    BUG_ON(!loop_is_mine(s->loop));
    BUG_ON(s->in_update_fn);
    if (s->closing) {
        struct answer *a = NEW(struct answer);

        a->w = w;
        loop_defer(s->loop, answer_closing, a);
        return;
    }
    current = store_newest(s, key);
    s->in_update_fn = true;
    w.err = fn(ctx, s->arena, current, s->assigned + 1, &c);
    if (!w.err)
        w.err = change_check(s, key, current, &c);
    s->in_update_fn = false;
    w.op = w.err ? STORE_KEEP : c.op;
    if (w.op == STORE_KEEP) {
        w.obj = !w.err && current ? obj_ref(current) : NULL;
        /* What is not durable yet may not be reported either. */
        if (!w.err && pending) {
            batch_add(s->gathering, w);
            submit_soon(s);
        } else {
            answer_soon(s, w);
        }
    } else {
        change_add(s, key, &c, w);
        for (size_t i = 0; i < c.n_companions; i++)
            if (c.companions[i].change.op != STORE_KEEP)
                change_add(s, c.companions[i].key, &c.companions[i].change,
                           (struct write){.done = companion_done});
        submit_soon(s);
    }
    arena_reset(s->arena);
}
