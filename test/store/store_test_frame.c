/* store_test_frame.c - see store_test_frame.h. */
#include "test/store/store_test_frame.h"

#include <unistd.h>

#define LIMIT_NS (20 * NS_PER_S)

void rig_open_store(struct rig *r)
{
    struct store_options o = r->options;

    o.path = *r->path ? r->path : ":memory:";
    r->s = NULL;
    CHECK_OK(store_open(r->loop, &o, &r->s));
}

void rig_open_disk(struct rig *r)
{
    r->loop = loop_new_uv();
    snprintf(r->dir, sizeof r->dir, "%s/k1s-store-test-XXXXXX", r->base ? r->base : "/tmp");
    BUG_ON(!mkdtemp(r->dir));
    snprintf(r->path, sizeof r->path, "%s/state.db", r->dir);
    rig_open_store(r);
}

void rig_open_virtual(struct rig *r)
{
    r->loop = loop_new_virtual(1, (wall_time){0});
    rig_open_store(r);
}

static void on_closed(void *ctx)
{
    ((struct rig *)ctx)->closed = true;
}

static bool is_closed(void *ctx)
{
    return ((struct rig *)ctx)->closed;
}

void rig_close_store(struct rig *r)
{
    r->closed = false;
    store_close(r->s, on_closed, r);
    run_until(r, is_closed, r);
    r->s = NULL;
}

void rig_reopen(struct rig *r)
{
    rig_close_store(r);
    rig_open_store(r);
}

void rig_close(struct rig *r)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    char path[128];

    if (r->s)
        rig_close_store(r);
    loop_free(r->loop);
    for (size_t i = 0; *r->dir && i < ARRAY_LEN(suffixes); i++) {
        snprintf(path, sizeof path, "%s%s", r->path, suffixes[i]);
        unlink(path);
    }
    if (*r->dir)
        rmdir(r->dir);
}

/* Stops the real loop as soon as the condition holds, looked at after every turn. */
struct wait {
    struct rig *r;
    bool (*cond)(void *ctx);
    void *ctx;
    struct loop_timer *limit;
    bool timed_out;
};

static void wait_look(void *ctx)
{
    struct wait *w = ctx;

    if (w->cond(w->ctx) || w->timed_out)
        loop_stop(w->r->loop);
    else
        loop_defer(w->r->loop, wait_look, w);
}

static void wait_over(void *ctx)
{
    ((struct wait *)ctx)->timed_out = true;
}

void run_until(struct rig *r, bool (*cond)(void *ctx), void *ctx)
{
    struct wait w = {.r = r, .cond = cond, .ctx = ctx};

    if (loop_is_virtual(r->loop)) {
        loop_virtual_run(r->loop, loop_virtual_elapsed_ns(r->loop) + LIMIT_NS, cond, ctx);
    } else {
        w.limit = loop_timer_new(r->loop, wait_over, &w);
        loop_timer_set(w.limit, LIMIT_NS);
        loop_defer(r->loop, wait_look, &w);
        loop_run(r->loop);
        loop_timer_free(w.limit);
    }
    CHECK(cond(ctx));
}

struct key pod(const char *ns, const char *name)
{
    return (struct key){S("pods"), str_of(ns), str_of(name)};
}

static struct err *op_fn(void *ctx, struct arena *a, const struct obj *current, int64_t revision,
                         struct store_change *ret)
{
    struct op *op = ctx;
    struct buf data = BUF_INIT;

    op->saw = current ? current->revision : 0;
    if (op->expect >= 0 && op->expect != op->saw)
        return err_new(REASON_CONFLICT, "expected %lld", (long long)op->expect);
    if (op->op == STORE_DELETE && !current)
        return err_new(REASON_NOT_FOUND, "not there");
    for (const char *p = op->data ? op->data : "gone"; *p; p++) {
        if (*p == '#')
            buf_int(&data, revision);
        else
            buf_char(&data, *p);
    }
    ret->op = op->op;
    ret->data = arena_dup(a, buf_view(&data));
    ret->uid = S("uid");
    ret->labels = (str){op->labels, op->n_labels};
    ret->fields = (str)STR("metadata.name\0x\0");
    buf_fini(&data);
    return NULL;
}

static void op_done(void *ctx, struct err *err, const struct obj *result)
{
    struct op *op = ctx;

    BUG_ON(op->done);
    op->done = true;
    op->err = err;
    op->result = result ? obj_ref(result) : NULL;
}

void op_start(struct rig *r, struct key key, struct op *op)
{
    store_update(r->s, key, op_fn, op_done, op);
    CHECK(!op->done);
}

static bool op_is_done(void *ctx)
{
    return ((struct op *)ctx)->done;
}

void op_wait(struct rig *r, struct op *op)
{
    run_until(r, op_is_done, op);
}

void op_fini(struct op *op)
{
    err_free(op->err);
    obj_unref(op->result);
    op->err = NULL;
    op->result = NULL;
    op->done = false;
}

static int64_t write_one(struct rig *r, struct key key, struct op op)
{
    int64_t revision = 0;

    op_start(r, key, &op);
    op_wait(r, &op);
    if (op.err)
        test_fail(__FILE__, __LINE__, "write: %s", err_text(op.err));
    if (op.result)
        revision = op.result->revision;
    op_fini(&op);
    return revision;
}

int64_t put(struct rig *r, struct key key, const char *data)
{
    return write_one(r, key, (struct op){.op = STORE_PUT, .data = data, .expect = -1});
}

int64_t del(struct rig *r, struct key key)
{
    return write_one(r, key, (struct op){.op = STORE_DELETE, .data = "gone #", .expect = -1});
}

static bool add_one(void *ctx, const struct obj *o)
{
    struct buf *b = ctx;

    buf_fmt(b, "%s" PRI_STR "/" PRI_STR "=" PRI_STR, b->n ? " " : "", STR_ARG(o->key.ns),
            STR_ARG(o->key.name), STR_ARG(o->data));
    return true;
}

struct buf all_of(struct rig *r, const char *resource, const char *ns)
{
    struct buf b = BUF_INIT;

    store_each(r->s, str_of(resource), str_of(ns), NULL, add_one, &b);
    return b;
}
