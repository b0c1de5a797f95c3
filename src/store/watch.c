/* watch.c - one write in, one event out for each watch that it concerns.
 *
 * A watch begins by catching up: from disk as far as memory does not reach, then from memory's history, a budget per
 * turn. When nothing is left it joins the live list of its resource or namespace, and is called at publication.
 *
 * Invariants
 *   (1) A watch sees revisions in increasing order, none twice, none left out: `at` is the last one it is past.
 *   (2) Live lists change only outside of publication; a watch closed during it stays linked until its end.
 *   (3) History that a watch is still reading is not deleted from disk (watch_oldest_catching_up).
 *
 * Not here: selectors and queues of what a client has not read yet (the api folder). */
#include "store/store_internal.h"

#define DISK_RETRY_NS NS_PER_S /* a read error while catching up */

struct store_watch {
    struct store *s;
    struct list all;           /* in s->watches */
    struct list link;          /* in a live list; empty while catching up */
    struct resource *resource; /* NULL: all */
    char *ns;                  /* NULL: all */
    int64_t at;
    bool live, closed;
    unsigned busy; /* functions and jobs on their way that hold this */
    struct loop_timer *retry;
    const struct store_watch_events *ev;
    void *ctx;
};

static void catch_up(void *ctx);

static void watch_free(struct store_watch *w)
{
    str ns = str_of(w->ns);

    list_del(&w->link);
    list_del(&w->all);
    w->s->n_watchers--;
    if (w->ns && w->resource)
        resource_ns_release(w->resource, ns);
    loop_timer_free(w->retry);
    mem_free(w->ns);
    mem_free(w);
}

static void free_if_closed(struct store_watch *w)
{
    if (w->closed && !w->busy && !w->s->publishing)
        watch_free(w);
}

static void catch_up_soon(struct store_watch *w)
{
    w->busy++;
    store_job_begin(w->s);
    loop_defer(w->s->loop, catch_up, w);
}

struct err *store_watch(struct store *s, str resource, str ns, int64_t from,
                        const struct store_watch_events *ev, void *ctx, struct store_watch **ret)
{
    struct store_watch *w;

    BUG_ON(!loop_is_mine(s->loop));
    BUG_ON(s->closing);
    if (from < s->compacted)
        return err_new(REASON_EXPIRED, "too old resource version: %lld (%lld)", (long long)from,
                       (long long)s->compacted);
    w = NEW(struct store_watch);
    w->s = s;
    w->resource = resource.n ? index_resource(&s->index, resource) : NULL;
    w->ns = ns.n ? str_dupz(ns) : NULL;
    w->at = from;
    w->ev = ev;
    w->ctx = ctx;
    list_init(&w->link);
    list_add_tail(&s->watches, &w->all);
    s->n_watchers++;
    catch_up_soon(w);
    *ret = w;
    return NULL;
}

void store_watch_close(struct store_watch *w)
{
    BUG_ON(!loop_is_mine(w->s->loop));
    BUG_ON(w->closed);
    w->closed = true;
    w->s->closed_in_publication |= w->s->publishing;
    loop_timer_free(TAKE(w->retry));
    free_if_closed(w);
}

/* ---- live ---- */
static void deliver(struct store_watch *w, const struct store_event *e)
{
    w->at = e->obj->revision;
    w->ev->event(w->ctx, e);
}

static enum store_event_type event_type(const struct obj *obj, const struct obj *prev)
{
    return obj->flags & OBJ_DELETED ? STORE_DELETED : prev ? STORE_MODIFIED : STORE_CREATED;
}

static void tell(struct list *watchers, const struct store_event *e)
{
    struct store_watch *w;

    LIST_EACH(w, watchers, link)
        if (!w->closed && w->at < e->obj->revision)
            deliver(w, e);
}

static void frames_drop(const struct bytes **frames)
{
    for (int i = 0; i < STORE_FRAME_SLOTS; i++)
        bytes_unref(frames[i]);
}

void watch_publish(struct store *s, struct resource *r, const struct obj *obj,
                   const struct obj *prev)
{
    const struct bytes *frames[STORE_FRAME_SLOTS] = {0};
    struct store_event e = {event_type(obj, prev), obj, prev, frames};
    struct ns_index *ns;

    if (!s->n_watchers)
        return;
    s->publishing = true;
    tell(&r->watchers, &e);
    ns = obj->key.ns.n ? map_find(&r->namespaces, obj->key.ns) : NULL;
    if (ns)
        tell(&ns->watchers, &e);
    tell(&s->watchers_all, &e);
    s->publishing = false;
    frames_drop(frames);
}

void watch_progress(struct store *s)
{
    struct store_watch *w, *next;

    s->publishing = true;
    LIST_EACH(w, &s->watches, all) {
        if (!w->live || w->closed || w->at >= s->visible || !w->ev->progress)
            continue;
        w->at = s->visible;
        w->ev->progress(w->ctx, s->visible);
    }
    s->publishing = false;
    if (!s->closed_in_publication)
        return;
    s->closed_in_publication = false;
    LIST_EACH_SAFE(w, next, &s->watches, all)
        free_if_closed(w);
}

/* ---- catching up ---- */
static bool concerns(const struct store_watch *w, const struct resource *r, const struct obj *obj)
{
    return (!w->resource || w->resource == r) && (!w->ns || str_eq(obj->key.ns, str_of(w->ns)));
}

static void go_live(struct store_watch *w)
{
    struct list *watchers = &w->s->watchers_all;

    if (w->resource)
        watchers =
            w->ns ? &resource_ns(w->resource, str_of(w->ns))->watchers : &w->resource->watchers;
    list_add_tail(watchers, &w->link);
    w->live = true;
}

static void catch_up_memory(struct store_watch *w)
{
    const struct history *h = &w->s->history;
    size_t i = history_after(h, w->at);

    for (int budget = CATCH_UP_BUDGET; budget && i < h->n && !w->closed; budget--, i++) {
        struct history_event he = *history_at(h, i);

        w->at = he.obj->revision;
        if (concerns(w, he.resource, he.obj)) {
            const struct bytes *frames[STORE_FRAME_SLOTS] = {0};
            const struct obj *obj = obj_ref(he.obj), *prev = he.prev ? obj_ref(he.prev) : NULL;

            deliver(w, &(struct store_event){event_type(obj, prev), obj, prev, frames});
            frames_drop(frames);
            obj_unref(obj);
            obj_unref(prev);
            i = history_after(h, w->at) - 1; /* the callback may have asked for a compaction */
        }
    }
    if (w->closed)
        return;
    if (w->at < h->trimmed || history_after(h, w->at) < h->n)
        catch_up_soon(w);
    else
        go_live(w);
}

struct disk_event {
    const struct obj *obj, *prev;
};
struct catch_job {
    struct store_watch *w;
    char *resource; /* NULL: all */
    int64_t from, to, last;
    size_t n_rows;
    struct disk_event *events;
    size_t n, cap;
    struct err *err;
};

static void take_prev(void *ctx, const struct engine_row *row)
{
    *(const struct obj **)ctx = row_obj(row);
}

static void catch_row(void *ctx, const struct engine_row *row) /* on the disk thread */
{
    struct catch_job *j = ctx;
    struct disk_event e = {0};
    bool found;

    j->n_rows++;
    j->last = row->revision;
    if (j->err || (j->resource && !str_eq(row->key.resource, str_of(j->resource))) ||
        (j->w->ns && !str_eq(row->key.ns, str_of(j->w->ns))))
        return;
    e.obj = row_obj(row);
    if (row->prev)
        j->err = engine_get(j->w->s->engine, row->prev, take_prev, &e.prev, &found);
    if (j->n == j->cap) {
        j->cap = j->cap ? j->cap * 2 : 64;
        j->events = mem_realloc(j->events, j->cap * sizeof *j->events);
    }
    j->events[j->n++] = e;
}

static void catch_work(void *ctx) /* on the disk thread */
{
    struct catch_job *j = ctx;
    struct err *err = engine_range(j->w->s->engine, j->from, j->to, CATCH_UP_BUDGET, catch_row, j);

    if (j->err)
        err_free(err);
    else
        j->err = err;
    if (j->n_rows < CATCH_UP_BUDGET)
        j->last = j->to;
}

static void retry_cb(void *ctx)
{
    catch_up_soon(ctx);
}

static void catch_done(void *ctx)
{
    struct catch_job *j = ctx;
    struct store_watch *w = j->w;
    struct store *s = w->s;

    for (size_t i = 0; i < j->n; i++) {
        const struct bytes *frames[STORE_FRAME_SLOTS] = {0};
        struct disk_event *e = &j->events[i];

        if (!w->closed && !j->err)
            deliver(w, &(struct store_event){event_type(e->obj, e->prev), e->obj, e->prev, frames});
        frames_drop(frames);
        obj_unref(e->obj);
        obj_unref(e->prev);
    }
    w->busy--;
    if (!w->closed && j->err) {
        log_warning("store", "reading history for a watch: %s", err_text(j->err));
        w->retry = w->retry ? w->retry : loop_timer_new(s->loop, retry_cb, w);
        loop_timer_set(w->retry, DISK_RETRY_NS);
    } else if (!w->closed) {
        w->at = j->last;
        catch_up_soon(w);
    }
    free_if_closed(w);
    err_free(j->err);
    mem_free(j->resource);
    mem_free(j->events);
    mem_free(j);
    store_job_end(s);
}

static void catch_up_disk(struct store_watch *w)
{
    struct catch_job *j = NEW(struct catch_job);

    j->w = w;
    j->resource = w->resource ? str_dupz((str){w->resource->name, w->resource->name_n}) : NULL;
    j->from = w->at;
    j->to = w->s->history.trimmed;
    w->busy++;
    store_job_begin(w->s);
    pool_serial_run_behind(w->s->disk, catch_work, catch_done, j);
}

static void catch_up(void *ctx)
{
    struct store_watch *w = ctx;
    struct store *s = w->s;

    if (!w->closed && !s->closing) {
        if (w->at < s->history.trimmed)
            catch_up_disk(w);
        else
            catch_up_memory(w);
    }
    w->busy--;
    free_if_closed(w);
    store_job_end(s);
}

int64_t watch_oldest_catching_up(const struct store *s)
{
    int64_t oldest = INT64_MAX;
    const struct store_watch *w;

    LIST_EACH(w, &s->watches, all)
        if (!w->live && !w->closed)
            oldest = MIN(oldest, w->at);
    return oldest;
}

void watch_fini(struct store *s)
{
    struct store_watch *w, *next;

    LIST_EACH_SAFE(w, next, &s->watches, all)
        watch_free(w);
}
