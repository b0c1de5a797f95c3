/* file_follow.c - see file_follow.h.
 *
 * Its folder is watched, since editors and kubelets put another file in the place. A moment after the last change there the file is
 * read, on the pool; what cannot be read just now is what was there before. */
#include "cli/file_follow.h"

#include <sys/inotify.h>
#include <unistd.h>

#define SETTLE_NS (100 * NS_PER_MS)
#define TEXT_MAX ((size_t)1 << 20)

struct file_follow {
    struct loop *loop;
    char *path;
    int inotify;
    struct fd_watch *watch;
    struct loop_timer *settled;
    struct buf known, read;
    int rc;
    bool reading, again, gone; /* gone: freed when the pool has done */
    file_follow_fn *fn;
    void *ctx;
};

static void follow_free(struct file_follow *f)
{
    buf_fini(&f->known);
    buf_fini(&f->read);
    mem_free(f->path);
    mem_free(f);
}

static void read_file(void *ctx)
{
    struct file_follow *f = ctx;

    f->rc = file_read(f->loop, f->path, TEXT_MAX, &f->read);
}

static void on_settled(void *ctx);

static void on_read(void *ctx)
{
    struct file_follow *f = ctx;

    f->reading = false;
    if (f->gone) {
        follow_free(f);
        return;
    }
    if (!f->rc && !str_eq(buf_view(&f->read), buf_view(&f->known))) {
        buf_clear(&f->known);
        buf_str(&f->known, buf_view(&f->read));
        f->fn(f->ctx, buf_view(&f->known));
    }
    if (f->again)
        on_settled(f);
}

static void on_settled(void *ctx)
{
    struct file_follow *f = ctx;

    f->again = f->reading;
    if (f->reading)
        return;
    f->reading = true;
    buf_clear(&f->read);
    pool_run(f->loop, read_file, on_read, f);
}

static void on_inotify(void *ctx, int events)
{
    struct file_follow *f = ctx;
    char drained[4096];

    while (read(f->inotify, drained, sizeof drained) > 0)
        ;
    loop_timer_set(f->settled, SETTLE_NS);
}

struct file_follow *file_follow_new(struct loop *loop, str path, str known, file_follow_fn *fn,
                                    void *ctx)
{
    struct file_follow *f = NEW(struct file_follow);
    ptrdiff_t slash = str_rindex(path, '/');
    CLEANUP(mem)
    void *folder = str_dupz(slash > 0    ? str_slice(path, 0, (size_t)slash)
                            : slash == 0 ? S("/")
                                         : S("."));

    f->loop = loop;
    f->path = str_dupz(path);
    f->fn = fn;
    f->ctx = ctx;
    buf_str(&f->known, known);
    f->settled = loop_timer_new(loop, on_settled, f);
    f->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (f->inotify >= 0 &&
        inotify_add_watch(f->inotify, folder, IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO) >= 0)
        f->watch = fd_watch_new(loop, f->inotify, true, false, on_inotify, f);
    else
        log_warning("server", "%s: changes will not be seen: %s", f->path, strerror(errno));
    return f;
}

void file_follow_free(struct file_follow *f)
{
    if (!f)
        return;
    if (f->watch)
        fd_watch_free(f->watch);
    if (f->inotify >= 0)
        close(f->inotify);
    loop_timer_free(f->settled);
    f->gone = true;
    if (!f->reading)
        follow_free(f);
}
