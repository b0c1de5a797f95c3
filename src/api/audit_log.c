/* audit_log.c - lines into a file, written in batches by the worker pool.
 *
 * The loop only appends to a buffer; one write at a time is under way, and what comes meanwhile is
 * the next batch. When more than AUDIT_QUEUE_MAX waits, lines are dropped and counted: a full disk
 * must not stop the API. A file that has grown to its limit is renamed with the time in its name;
 * old ones go by number and age. */
#include "api/audit.h"

#define AUDIT_QUEUE_MAX ((size_t)16 << 20) /* bytes that wait at most */
#define AUDIT_FILE_MODE 0600
#define BACKUPS_SEEN_MAX 1000 /* old files looked at when one is to go */

struct audit_log {
    struct loop *loop;
    char *path;
    int64_t max_bytes, max_age_ns, backups; /* 0: no limit */
    struct buf pending;
    uint64_t dropped;
    bool busy;
    /* Of the write that is under way: the pool's, until it is done. */
    struct buf writing;
    int64_t size, now_ns;
    int error;
    bool rotated;
    loop_fn *closed;
    void *closed_ctx;
};

struct audit_log *audit_log_new(struct loop *loop, str path, int64_t max_bytes, int64_t max_age_ns,
                                int64_t backups)
{
    struct audit_log *l = NEW(struct audit_log);

    l->loop = loop;
    l->path = str_dupz(path);
    l->max_bytes = max_bytes;
    l->max_age_ns = max_age_ns;
    l->backups = backups;
    return l;
}

/* ---- on the pool ---- */

/* "/var/log/audit.log" is "/var/log/", "audit" and ".log". */
static void path_parts(const char *path, str *ret_dir, str *ret_stem, str *ret_ext)
{
    str all = str_of(path), file;
    ptrdiff_t slash = str_rindex(all, '/'), dot;

    *ret_dir = str_slice(all, 0, (size_t)(slash + 1));
    file = str_skip(all, (size_t)(slash + 1));
    dot = str_rindex(file, '.');
    *ret_stem = dot > 0 ? str_slice(file, 0, (size_t)dot) : file;
    *ret_ext = dot > 0 ? str_skip(file, (size_t)dot) : S("");
}

struct backups {
    struct arena *a;
    str stem, ext;
    struct json names; /* object: sorted by its keys */
};

static void see(void *ctx, str name)
{
    struct backups *b = ctx;

    if (b->names.n < BACKUPS_SEEN_MAX && name.n > b->stem.n + 1 + b->ext.n &&
        str_has_prefix(name, b->stem) && name.p[b->stem.n] == '-' && str_has_suffix(name, b->ext))
        json_set(b->a, &b->names, arena_dup(b->a, name), json_null());
}

/* The time in a backup's name, which is how lumberjack writes it. */
static bool time_of(const struct backups *b, str name, wall_time *ret)
{
    CLEANUP(buf) struct buf t = BUF_INIT;
    str text = str_slice(name, b->stem.n + 1, name.n - b->ext.n);

    if (text.n < strlen("2006-01-02T15-04-05"))
        return false;
    buf_str(&t, str_slice(text, 0, 19));
    t.p[13] = t.p[16] = ':';
    buf_char(&t, 'Z');
    return rfc3339_parse(buf_view(&t), ret);
}

static void prune(struct audit_log *l, str dir, str stem, str ext)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct backups b = {a, stem, ext, json_object()};
    size_t n = 0;

    file_list(l->loop, dir.n ? arena_dupz(a, dir) : ".", see, &b);
    json_sort_keys(&b.names);
    JSON_EACH_MEMBER(m, &b.names) {
        bool too_many = l->backups && b.names.n - n > (size_t)l->backups;
        wall_time t;

        n++;
        if (too_many ||
            (l->max_age_ns && time_of(&b, m->key, &t) && t.ns < l->now_ns - l->max_age_ns))
            file_remove(l->loop, arena_dupz(a, arena_fmt(a, PRI_STR PRI_STR, STR_ARG(dir),
                                                         STR_ARG(m->key))));
    }
}

static void rotate(struct audit_log *l)
{
    CLEANUP(buf) struct buf to = BUF_INIT;
    CLEANUP(buf) struct buf t = BUF_INIT;
    str dir, stem, ext;

    path_parts(l->path, &dir, &stem, &ext);
    buf_rfc3339_micro(&t, (wall_time){l->now_ns}); /* 2006-01-02T15:04:05.000000Z */
    t.p[13] = t.p[16] = '-';
    buf_fmt(&to, PRI_STR PRI_STR "-" PRI_STR PRI_STR, STR_ARG(dir), STR_ARG(stem),
            STR_ARG(str_slice(buf_view(&t), 0, strlen("2006-01-02T15-04-05.000"))), STR_ARG(ext));
    if (file_rename(l->loop, l->path, buf_cstr(&to)) == 0)
        prune(l, dir, stem, ext);
}

static void write_batch(void *ctx)
{
    struct audit_log *l = ctx;

    if (l->max_bytes && l->size && l->size + (int64_t)l->writing.n > l->max_bytes)
        rotate(l);
    l->error = file_append(l->loop, l->path, buf_view(&l->writing), AUDIT_FILE_MODE, &l->size);
}

/* ---- on the loop ---- */

static void start(struct audit_log *l);

static void written(void *ctx)
{
    struct audit_log *l = ctx;

    l->busy = false;
    if (l->error)
        log_error("api", "audit log %s: %s", l->path, strerror(-l->error));
    if (l->dropped)
        log_error("api", "audit log %s: %llu events were dropped", l->path,
                  (unsigned long long)l->dropped);
    l->dropped = 0;
    buf_clear(&l->writing);
    if (l->pending.n) {
        start(l);
    } else if (l->closed) {
        loop_fn *closed = l->closed;
        void *closed_ctx = l->closed_ctx;

        buf_fini(&l->pending);
        buf_fini(&l->writing);
        mem_free(l->path);
        mem_free(l);
        closed(closed_ctx);
    }
}

static void start(struct audit_log *l)
{
    struct buf empty = l->writing;

    l->writing = l->pending;
    l->pending = empty;
    l->now_ns = loop_wall(l->loop).ns;
    l->busy = true;
    pool_run(l->loop, write_batch, written, l);
}

void audit_log_add(struct audit_log *l, str line)
{
    if (l->pending.n + line.n + 1 > AUDIT_QUEUE_MAX) {
        l->dropped++;
        return;
    }
    buf_str(&l->pending, line);
    buf_char(&l->pending, '\n');
    if (!l->busy)
        start(l);
}

void audit_log_close(struct audit_log *l, loop_fn *closed, void *ctx)
{
    l->closed = closed;
    l->closed_ctx = ctx;
    if (l->busy)
        return;
    l->busy = true;
    loop_defer(l->loop, written, l);
}
