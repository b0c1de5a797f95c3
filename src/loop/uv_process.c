/* uv_process.c - what only the real loop has: foreign descriptors, signals and child processes. */
#include "loop/uv_internal.h"

#include <fcntl.h>
#include <unistd.h>

static struct uv_env *real_env(struct loop *loop)
{
    BUG_ON(loop_is_virtual(loop));
    BUG_ON(!loop_is_mine(loop));
    return uv_env_of(loop);
}

static void free_cb(uv_handle_t *handle)
{
    mem_free(handle->data);
}

/* ---- foreign descriptors ---- */
struct fd_watch {
    uv_poll_t handle; /* first */
    void (*fn)(void *ctx, int events);
    void *ctx;
};

static void poll_cb(uv_poll_t *handle, int status, int events)
{
    struct fd_watch *w = handle->data;

    /* An error on the descriptor: let the owner's next read or write find it. */
    w->fn(w->ctx, status < 0 ? UV_READABLE | UV_WRITABLE : events);
}

struct fd_watch *fd_watch_new(struct loop *loop, int fd, bool readable, bool writable,
                              void (*fn)(void *ctx, int events), void *ctx)
{
    struct uv_env *env = real_env(loop);
    struct fd_watch *w = NEW(struct fd_watch);

    w->fn = fn;
    w->ctx = ctx;
    w->handle.data = w;
    BUG_ON(uv_poll_init(&env->uv, &w->handle, fd));
    uv_poll_start(&w->handle, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0), poll_cb);
    return w;
}

void fd_watch_free(struct fd_watch *w)
{
    if (w)
        uv_close((uv_handle_t *)&w->handle, free_cb);
}

/* ---- signals ---- */
struct signal_watch {
    uv_signal_t handle; /* first */
    loop_fn *fn;
    void *ctx;
};

static void signal_cb(uv_signal_t *handle, int signum)
{
    struct signal_watch *w = handle->data;

    w->fn(w->ctx);
}

struct signal_watch *signal_watch_new(struct loop *loop, int signum, loop_fn *fn, void *ctx)
{
    struct uv_env *env = real_env(loop);
    struct signal_watch *w = NEW(struct signal_watch);

    w->fn = fn;
    w->ctx = ctx;
    w->handle.data = w;
    uv_signal_init(&env->uv, &w->handle);
    BUG_ON(uv_signal_start(&w->handle, signal_cb, signum));
    return w;
}

void signal_watch_free(struct signal_watch *w)
{
    if (w)
        uv_close((uv_handle_t *)&w->handle, free_cb);
}

/* ---- child processes ---- */
struct child {
    uv_process_t process; /* first */
    void (*exited)(void *ctx, int64_t status, int signum);
    void *ctx;
    bool gone; /* has exited */
    bool
        freed; /* by its owner; the handle stays until the process has ended, so that it is reaped */
};

static void child_close(struct child *c)
{
    if (c->gone && c->freed)
        uv_close((uv_handle_t *)&c->process, free_cb);
}

static void exit_cb(uv_process_t *process, int64_t status, int signum)
{
    struct child *c = process->data;

    c->gone = true;
    if (c->freed)
        child_close(c);
    else if (c->exited)
        c->exited(c->ctx, status, signum);
}

static int open_stdio(const char *path, int flags, int *ret_fd)
{
    *ret_fd = open(path ? path : "/dev/null", flags | O_CLOEXEC, 0640);
    return *ret_fd < 0 ? -errno : 0;
}

int child_start(struct loop *loop, const struct child_options *o,
                void (*exited)(void *ctx, int64_t status, int signum), void *ctx,
                struct child **ret)
{
    struct uv_env *env = real_env(loop);
    uv_stdio_container_t stdio[3];
    uv_process_options_t options = {.exit_cb = exit_cb, .stdio = stdio, .stdio_count = 3};
    int in_fd = -1, out_fd = -1;
    int error = open_stdio(o->stdin_path, O_RDONLY, &in_fd);
    struct child *c;

    if (!error)
        error = open_stdio(o->stdout_path,
                           o->stdout_path ? O_WRONLY | O_APPEND | O_CREAT : O_WRONLY, &out_fd);
    if (error) {
        if (in_fd >= 0)
            close(in_fd);
        return error;
    }
    c = NEW(struct child);
    c->exited = exited;
    c->ctx = ctx;
    for (int i = 0; i < 3; i++) {
        stdio[i].flags = UV_INHERIT_FD;
        stdio[i].data.fd = i == 0 ? in_fd : out_fd;
    }
    options.file = o->argv[0];
    options.args = (char **)o->argv;
    options.env = (char **)o->env;
    options.flags = o->new_session ? UV_PROCESS_DETACHED : 0;
    error = uv_spawn(&env->uv, &c->process, &options);
    c->process.data = c;
    close(in_fd);
    close(out_fd);
    if (error) {
        uv_close((uv_handle_t *)&c->process, free_cb);
        return error;
    }
    *ret = c;
    return 0;
}

int child_pid(const struct child *c)
{
    return uv_process_get_pid(&c->process);
}

int child_kill(struct child *c, int signum)
{
    return c->gone ? -ESRCH : uv_process_kill(&c->process, signum);
}

void child_free(struct child *c)
{
    if (!c)
        return;
    c->freed = true;
    uv_unref(
        (uv_handle_t *)&c->process); /* a loop does not stay for a child that nobody waits for */
    child_close(c);
}

static void close_freed_child(uv_handle_t *handle, void *arg)
{
    struct child *c = handle->data;

    if (handle->type != UV_PROCESS || uv_is_closing(handle))
        return;
    BUG_ON(!c->freed);
    uv_close(handle, free_cb); /* the process goes on; somebody else reaps it */
}

void uv_children_close(uv_loop_t *uv)
{
    uv_walk(uv, close_freed_child, NULL);
}
