/* log_rotate.c - keeps containers' logs from filling the disk, and links to them where collectors of logs look.
 *
 * Sizes are looked at now and then, off the loop. A log that is too large is renamed with a time behind its name, and the runtime is
 * asked to open a new one; the oldest of the renamed ones goes. Whoever follows the log goes on in the new file (logs.c).
 *
 * API: https://kubernetes.io/docs/concepts/cluster-administration/logging/#log-rotation */
#include "kubelet/kubelet_internal.h"

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHECK_PERIOD_NS (10 * NS_PER_S)
#define SIZE_MAX_BYTES (INT64_C(10) << 20)
#define FILES_KEPT 4 /* renamed ones, beside the one that is written */
#define LINK_DIR "/var/log/containers"

struct log_rotation {
    struct kubelet *k;
    struct loop_timer *timer;
    struct check *running;
    bool closed;
};
struct candidate {
    str path, id;
    bool renamed;
};
struct check {
    struct log_rotation *r;
    struct arena *arena;
    struct candidate *list;
    size_t n;
};

static int by_name(const void *x, const void *y, void *ctx)
{
    return str_cmp(*(const str *)x, *(const str *)y);
}

/* Rotated logs are "0.log.20261120-203517": the names' order is their age's. */
static void remove_oldest(struct arena *a, str path)
{
    ptrdiff_t slash = str_rindex(path, '/');
    str dir = arena_dup(a, str_slice(path, 0, (size_t)slash)),
        prefix = arena_fmt(a, PRI_STR ".", STR_ARG(str_skip(path, (size_t)slash + 1)));
    str *names = NULL;
    size_t n = 0;
    struct dirent *e;
    DIR *d = opendir(dir.p);

    while (d && (e = readdir(d)))
        if (str_has_prefix(str_of(e->d_name), prefix)) {
            names = arena_grow(a, names, n * sizeof *names, (n + 1) * sizeof *names);
            names[n++] = arena_dup(a, str_of(e->d_name));
        }
    if (d)
        closedir(d);
    sort_with(names, n, sizeof *names, by_name, NULL);
    for (size_t i = 0; i + FILES_KEPT < n; i++)
        unlink(arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(dir), STR_ARG(names[i])).p);
}

static void check_work(void *ctx)
{
    struct check *c = ctx;

    for (size_t i = 0; i < c->n; i++) {
        struct stat st;
        struct tm tm;
        time_t now = time(NULL);
        char when[32];

        if (stat(c->list[i].path.p, &st) < 0 || st.st_size < SIZE_MAX_BYTES)
            continue;
        gmtime_r(&now, &tm);
        strftime(when, sizeof when, "%Y%m%d-%H%M%S", &tm);
        if (rename(c->list[i].path.p,
                   arena_fmt(c->arena, PRI_STR ".%s", STR_ARG(c->list[i].path), when).p) < 0)
            continue;
        c->list[i].renamed = true;
        remove_oldest(c->arena, c->list[i].path);
    }
}

static void on_reopened(void *ctx, struct err *err, const struct json *response)
{
    if (err)
        log_warning("kubelet", "reopen a container's log: %s", err_text(err));
    err_free(err);
}

static void on_checked(void *ctx)
{
    struct check *c = ctx;
    struct log_rotation *r = c->r;

    r->running = NULL;
    for (size_t i = 0; i < c->n && !r->closed; i++) {
        CLEANUP(arena) struct arena *a = NULL;
        struct json request = json_object();

        if (!c->list[i].renamed)
            continue;
        a = arena_new();
        json_setz(a, &request, "container_id", json_string(c->list[i].id));
        runtime_call(r->k->rt, RUNTIME_REOPEN_CONTAINER_LOG, &request, 0, on_reopened, NULL);
    }
    arena_free(c->arena);
    mem_free(c);
    if (r->closed)
        mem_free(r);
}

static void on_timer(void *ctx)
{
    struct log_rotation *r = ctx;
    struct check *c;

    loop_timer_set(r->timer, CHECK_PERIOD_NS);
    if (r->running)
        return;
    c = NEW(struct check);
    c->r = r;
    c->arena = arena_new();
    MAP_EACH(e, &r->k->workers) {
        const struct pod_worker *w = e->value;

        for (size_t i = 0; w->rt && i < w->rt->n_containers; i++) {
            const struct rt_container *rc = &w->rt->containers[i];

            if (rc->state != CONTAINER_STATE_RUNNING || !rc->log_path.n)
                continue;
            c->list =
                arena_grow(c->arena, c->list, c->n * sizeof *c->list, (c->n + 1) * sizeof *c->list);
            c->list[c->n++] = (struct candidate){arena_dup(c->arena, rc->log_path),
                                                 arena_dup(c->arena, rc->id), false};
        }
    }
    if (!c->n) {
        arena_free(c->arena);
        mem_free(c);
        return;
    }
    r->running = c;
    pool_run(r->k->loop, check_work, on_checked, c);
}

struct log_rotation *log_rotation_new(struct kubelet *k)
{
    struct log_rotation *r = NEW(struct log_rotation);

    r->k = k;
    r->timer = loop_timer_new(k->loop, on_timer, r);
    loop_timer_set(r->timer, CHECK_PERIOD_NS);
    return r;
}

void log_rotation_free(struct log_rotation *r)
{
    if (!r)
        return;
    loop_timer_free(r->timer);
    r->closed = true;
    if (!r->running)
        mem_free(r);
}

/* "<pod>_<namespace>_<container>-<id>.log", where collectors of logs look. */
void log_link_set(const struct pod_worker *w, str container, str id, str log_path)
{
    CLEANUP(buf) struct buf link = BUF_INIT;
    char *target;

    buf_fmt(&link, LINK_DIR "/%s_%s_" PRI_STR "-" PRI_STR ".log", w->name, w->ns,
            STR_ARG(container), STR_ARG(id));
    if (!log_path.n) {
        unlink(buf_cstr(&link));
        return;
    }
    target = str_dupz(log_path);
    if (symlink(target, buf_cstr(&link)) < 0 && errno != EEXIST)
        log_debug("kubelet", "link %s: %s", buf_cstr(&link), strerror(errno));
    mem_free(target);
}
