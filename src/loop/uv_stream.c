/* uv_stream.c - TCP and unix sockets: listening, connecting, reading, and writes that leave once per turn.
 *
 * Writes are collected and go out by one writev() at the end of the loop's turn, so that a response in ten pieces
 * is one system call and one packet. What the socket does not take waits in libuv for room. When one turn writes much, to a
 * thousand watchers say, it goes out as it comes: memory that is still in the processor's cache is used again for the next.
 *
 * Invariants
 *   (1) Bytes leave in the order of the writes: there is one queue of chunks; while libuv holds the front of it
 *       (`in_flight`), nothing else is sent.
 *   (2) A write's done runs when its last byte has been handed to the kernel, in order, never inside the write.
 *   (3) The memory of a stream goes when libuv has closed its handle and given back a write in flight. */
#include "loop/uv_internal.h"

#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024
#define CHUNK_SIZE 8192u /* bytes; small writes are joined in chunks of this size */
#define CHUNKS_KEPT 32u  /* free ones, for the next writes; no more than there are streams */
#define UNSENT_MAX                                                                                 \
    (256u << 10) /* bytes of one turn's writes to all streams that are held back for its end */
#define DIRECT_SIZE 32768u /* bytes; from here on a write is tried at once rather than copied */
#define IOV_AT_ONCE 64
#define NAME_SIZE 64

struct chunk {
    struct chunk *next;
    const struct bytes *bytes; /* NULL: the data is behind this struct */
    size_t from, n, cap;       /* unsent part is [from, n) */
    char data[];
};
struct write_done {
    uint64_t at; /* stream offset behind the write's last byte */
    stream_done_fn *fn;
    void *ctx;
};
struct uv_stream {
    struct stream base; /* first */
    union {
        uv_tcp_t tcp;
        uv_pipe_t pipe;
        uv_stream_t any;
        uv_handle_t handle;
    };
    struct uv_env *env;
    bool is_unix;
    struct list dirty; /* in env->flush while something is to be done at the end of the turn */
    struct chunk *head, *tail;
    size_t n_queued;             /* bytes in chunks */
    uint64_t n_accepted, n_sent; /* bytes of all writes so far; bytes that the kernel took */
    struct write_done *dones;
    size_t n_dones, dones_from, dones_cap;
    bool in_flight;     /* a uv_write() of the queue's front */
    size_t in_flight_n; /* bytes of it */
    bool shut_sent;
    int error; /* sticks: the connection has failed */
    uv_write_t write_req;
    uv_shutdown_t shutdown_req;
    loop_fn *closed;
    void *closed_ctx;
    char peer[NAME_SIZE], local[NAME_SIZE]; /* made when asked for */
};

static struct uv_stream *of(struct stream *s)
{
    return (struct uv_stream *)s;
}

static int plain_error(int uv_error)
{
    return uv_error == UV_EOF ? 0 : uv_error; /* libuv's others are negative errno on Linux */
}

/* ---- reading ---- */
static void alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct uv_stream *s = handle->data;

    if (!s->env->read_buffer)
        s->env->read_buffer = mem_alloc(UV_READ_BUFFER);
    *buf = uv_buf_init(s->env->read_buffer, UV_READ_BUFFER);
}

static void read_cb(uv_stream_t *handle, ssize_t n, const uv_buf_t *buf)
{
    struct uv_stream *s = handle->data;

    if (n > 0) {
        stream_emit_data(&s->base, buf->base, (size_t)n);
        return;
    }
    if (n == 0)
        return;
    uv_read_stop(handle);
    stream_emit_end(&s->base, plain_error((int)n));
}

static void uv_stream_start_op(struct stream *base)
{
    struct uv_stream *s = of(base);

    if (!base->ended)
        uv_read_start(&s->any, alloc_cb, read_cb);
}

static void uv_stream_pause_op(struct stream *base)
{
    uv_read_stop(&of(base)->any);
}

/* ---- writing ---- */
static void mark_dirty(struct uv_stream *s)
{
    if (!list_is_empty(&s->dirty))
        return;
    list_add_tail(&s->env->flush, &s->dirty);
    uv_env_busy(s->env);
}

static void chunk_free(struct uv_env *env, struct chunk *c)
{
    bytes_unref(c->bytes);
    if (c->cap != CHUNK_SIZE || env->n_free_chunks >= MIN(env->n_streams, CHUNKS_KEPT)) {
        mem_free(c);
        return;
    }
    c->next = env->free_chunks;
    env->free_chunks = c;
    env->n_free_chunks++;
}

void uv_free_chunks(struct uv_env *env, unsigned kept)
{
    while (env->n_free_chunks > kept) {
        struct chunk *next = env->free_chunks->next;

        mem_free(env->free_chunks);
        env->free_chunks = next;
        env->n_free_chunks--;
    }
}

static struct chunk *chunk_add(struct uv_stream *s, size_t room)
{
    struct chunk *c = room == CHUNK_SIZE ? s->env->free_chunks : NULL;

    if (c) {
        s->env->free_chunks = c->next;
        s->env->n_free_chunks--;
    } else {
        c = mem_alloc(sizeof *c + room);
    }
    c->next = NULL;
    c->bytes = NULL;
    c->from = c->n = 0;
    c->cap = room;
    if (s->tail)
        s->tail->next = c;
    else
        s->head = c;
    s->tail = c;
    return c;
}

static void drop_sent(struct uv_stream *s, size_t n)
{
    s->n_sent += n;
    s->n_queued -= n;
    while (n) {
        struct chunk *c = s->head;
        size_t k = MIN(n, c->n - c->from);

        c->from += k;
        n -= k;
        if (c->from < c->n)
            break;
        s->head = c->next;
        if (!s->head)
            s->tail = NULL;
        chunk_free(s->env, c);
    }
}

static void drop_all(struct uv_stream *s)
{
    while (s->head) {
        struct chunk *next = s->head->next;

        chunk_free(s->env, s->head);
        s->head = next;
    }
    s->tail = NULL;
    s->n_queued = 0;
}

/* Completions whose bytes are sent, or all of them once the connection has failed. */
static void run_dones(struct uv_stream *s)
{
    while (s->dones_from < s->n_dones && !s->base.closing) {
        struct write_done d = s->dones[s->dones_from];

        if (!s->error && d.at > s->n_sent)
            return;
        s->dones_from++;
        d.fn(d.ctx, s->error);
    }
    if (s->dones_from == s->n_dones)
        s->dones_from = s->n_dones = 0;
}

static void connection_failed(struct uv_stream *s, int error)
{
    s->error = error;
    if (!s->in_flight)
        drop_all(s);
    run_dones(s);
    if (!s->base.closing) {
        uv_read_stop(&s->any);
        stream_emit_end(&s->base, error);
    }
}

static unsigned gather(const struct uv_stream *s, uv_buf_t *bufs, size_t *ret_n)
{
    unsigned n = 0;

    *ret_n = 0;
    for (const struct chunk *c = s->head; c && n < IOV_AT_ONCE; c = c->next) {
        const char *data = c->bytes ? c->bytes->data : c->data;

        bufs[n++] = uv_buf_init((char *)data + c->from, (unsigned)(c->n - c->from));
        *ret_n += c->n - c->from;
    }
    return n;
}

static void flush(struct uv_stream *s);

static void write_cb(uv_write_t *req, int status)
{
    struct uv_stream *s = req->data;

    s->in_flight = false;
    if (s->base.closing)
        return;
    if (status < 0) {
        connection_failed(s, status);
        return;
    }
    drop_sent(s, s->in_flight_n);
    flush(s);
}

static void shutdown_cb(uv_shutdown_t *req, int status) {}

/* Hands the kernel what it takes at once. 0, or why it took no more. */
static int send_now(struct uv_stream *s)
{
    uv_buf_t bufs[IOV_AT_ONCE];
    size_t total;

    while (s->head && !s->in_flight && !s->error) {
        unsigned n_bufs = gather(s, bufs, &total);
        int n = uv_try_write(&s->any, bufs, n_bufs);

        if (n < 0)
            return n;
        drop_sent(s, (size_t)n);
        if ((size_t)n < total)
            return UV_EAGAIN;
    }
    return 0;
}

/* In the middle of a turn: bytes only. Completions and errors wait for its end, since somebody's write is on the stack. */
static void send_early(struct uv_env *env)
{
    struct uv_stream *s, *next;

    env->n_unsent = 0;
    LIST_EACH_SAFE(s, next, &env->flush, dirty) {
        if (send_now(s) || s->in_flight)
            continue;
        list_del(&s->dirty);
        if (s->n_dones || s->base.shut || s->error)
            list_add_tail(&env->settle, &s->dirty);
    }
}

static void flush(struct uv_stream *s)
{
    uv_buf_t bufs[IOV_AT_ONCE];
    size_t total;
    int n = send_now(s);

    if (n < 0 && n != UV_EAGAIN) {
        connection_failed(s, n);
        return;
    }
    if (s->head && !s->in_flight && !s->error) {
        unsigned n_bufs = gather(s, bufs, &total);

        s->in_flight = true;
        s->in_flight_n = total;
        s->write_req.data = s;
        n = uv_write(&s->write_req, &s->any, bufs, n_bufs, write_cb);
        if (n < 0) {
            s->in_flight = false;
            connection_failed(s, n);
            return;
        }
    }
    run_dones(s);
    if (s->base.shut && !s->head && !s->shut_sent && !s->base.closing && !s->error) {
        s->shut_sent = true;
        uv_shutdown(&s->shutdown_req, &s->any, shutdown_cb);
    }
}

static void flush_list(struct list *dirty)
{
    struct list batch;

    /* Streams that completions make dirty again wait for the next turn. */
    list_init(&batch);
    if (!list_is_empty(dirty)) {
        batch = *dirty;
        batch.next->prev = batch.prev->next = &batch;
        list_init(dirty);
    }
    while (!list_is_empty(&batch)) {
        struct uv_stream *s = LIST_ITEM(batch.next, struct uv_stream, dirty);

        list_del(&s->dirty);
        if (s->error)
            run_dones(s);
        else
            flush(s);
    }
}

void uv_flush_streams(struct uv_env *env)
{
    flush_list(&env->flush);
    flush_list(&env->settle);
    env->n_unsent = 0;
}

static void done_add(struct uv_stream *s, stream_done_fn *fn, void *ctx)
{
    if (!fn)
        return;
    if (s->n_dones == s->dones_cap) {
        s->dones_cap = s->dones_cap ? s->dones_cap * 2 : 4;
        s->dones = mem_realloc(s->dones, s->dones_cap * sizeof *s->dones);
    }
    s->dones[s->n_dones++] = (struct write_done){s->n_accepted, fn, ctx};
}

/* A large write with nothing before it is worth a system call of its own: what goes now is not copied. */
static size_t write_directly(struct uv_stream *s, str data)
{
    uv_buf_t buf = uv_buf_init((char *)data.p, (unsigned)MIN(data.n, (size_t)INT_MAX));
    int n;

    if (s->head || s->in_flight || data.n < DIRECT_SIZE)
        return 0;
    n = uv_try_write(&s->any, &buf, 1);
    if (n <= 0)
        return 0; /* an error shows again at the end of the turn */
    s->n_sent += (size_t)n;
    return (size_t)n;
}

static void note_unsent(struct uv_stream *s, size_t n)
{
    s->env->n_unsent += n;
    if (s->env->n_unsent > UNSENT_MAX)
        send_early(s->env);
}

static void uv_stream_write_op(struct stream *base, str data, stream_done_fn *done, void *ctx)
{
    struct uv_stream *s = of(base);
    size_t n;

    s->n_accepted += data.n;
    done_add(s, done, ctx);
    mark_dirty(s);
    if (s->error)
        return;
    data = str_skip(data, write_directly(s, data));
    n = data.n;
    s->n_queued += n;
    if (s->tail && !s->tail->bytes && s->tail->n < s->tail->cap) {
        size_t k = MIN(data.n, s->tail->cap - s->tail->n);

        memcpy(s->tail->data + s->tail->n, data.p, k);
        s->tail->n += k;
        data = str_skip(data, k);
    }
    if (data.n) {
        struct chunk *c = chunk_add(s, MAX(data.n, (size_t)CHUNK_SIZE));

        memcpy(c->data, data.p, data.n);
        c->n = data.n;
    }
    note_unsent(s, n);
}

static void uv_stream_write_bytes_op(struct stream *base, const struct bytes *b,
                                     stream_done_fn *done, void *ctx)
{
    struct uv_stream *s = of(base);
    size_t direct;
    struct chunk *c;

    if (b->n < CHUNK_SIZE / 4) { /* cheaper to copy than to carry */
        uv_stream_write_op(base, bytes_str(b), done, ctx);
        return;
    }
    s->n_accepted += b->n;
    done_add(s, done, ctx);
    mark_dirty(s);
    if (s->error)
        return;
    direct = write_directly(s, bytes_str(b));
    if (direct == b->n)
        return;
    c = chunk_add(s, 0);
    c->bytes = bytes_ref(b);
    c->from = direct;
    c->n = b->n;
    s->n_queued += b->n - direct;
    note_unsent(s, b->n - direct);
}

static size_t uv_stream_queued_op(const struct stream *base)
{
    const struct uv_stream *s = (const struct uv_stream *)base;

    return s->in_flight ? s->n_queued - (s->in_flight_n - s->any.write_queue_size) : s->n_queued;
}

static void uv_stream_shutdown_op(struct stream *base)
{
    mark_dirty(of(base));
}

static void closed_cb(uv_handle_t *handle)
{
    struct uv_stream *s = handle->data;
    loop_fn *closed = s->closed;
    void *ctx = s->closed_ctx;

    drop_all(s);
    uv_free_chunks(s->env, --s->env->n_streams);
    mem_free(s->dones);
    mem_free(s);
    if (closed)
        closed(ctx);
}

static void uv_stream_close_op(struct stream *base, loop_fn *closed, void *ctx)
{
    struct uv_stream *s = of(base);

    s->closed = closed;
    s->closed_ctx = ctx;
    list_del(&s->dirty);
    uv_close(&s->handle, closed_cb);
}

static str uv_stream_peer_op(const struct stream *base)
{
    struct uv_stream *s = of((struct stream *)base);
    struct sockaddr_storage sa;
    int n = sizeof sa;

    if (s->is_unix)
        return S("@");
    if (!*s->peer && uv_tcp_getpeername(&s->tcp, (struct sockaddr *)&sa, &n) == 0)
        address_format((struct sockaddr *)&sa, s->peer, sizeof s->peer);
    return str_of(s->peer);
}

static str uv_stream_local_op(const struct stream *base)
{
    struct uv_stream *s = of((struct stream *)base);
    struct sockaddr_storage sa;
    int n = sizeof sa;

    if (s->is_unix)
        return S("@");
    if (!*s->local && uv_tcp_getsockname(&s->tcp, (struct sockaddr *)&sa, &n) == 0)
        address_format((struct sockaddr *)&sa, s->local, sizeof s->local);
    return str_of(s->local);
}

static const struct stream_ops uv_stream_ops = {
    .start = uv_stream_start_op,
    .pause = uv_stream_pause_op,
    .write = uv_stream_write_op,
    .write_bytes = uv_stream_write_bytes_op,
    .queued = uv_stream_queued_op,
    .shutdown = uv_stream_shutdown_op,
    .close = uv_stream_close_op,
    .peer = uv_stream_peer_op,
    .local = uv_stream_local_op,
};

static struct uv_stream *uv_stream_new(struct uv_env *env, bool is_unix)
{
    struct uv_stream *s = NEW(struct uv_stream);

    stream_init(&s->base, &uv_stream_ops, &env->base);
    s->env = env;
    env->n_streams++;
    s->is_unix = is_unix;
    list_init(&s->dirty);
    if (is_unix)
        uv_pipe_init(&env->uv, &s->pipe, 0);
    else
        uv_tcp_init(&env->uv, &s->tcp);
    s->handle.data = s;
    return s;
}

/* ---- listening ---- */
struct uv_listener {
    struct listener base; /* first */
    struct uv_env *env;
    bool is_unix;
    union {
        uv_tcp_t tcp;
        uv_pipe_t pipe;
        uv_stream_t any;
        uv_handle_t handle;
    };
    listener_accept_fn *fn;
    void *ctx;
};

static void listener_closed_cb(uv_handle_t *handle)
{
    mem_free(handle->data);
}

static void uv_listener_close(struct listener *base)
{
    struct uv_listener *l = (struct uv_listener *)base;

    BUG_ON(!loop_is_mine(&l->env->base));
    uv_close(&l->handle, listener_closed_cb);
}

static void connection_cb(uv_stream_t *server, int status)
{
    struct uv_listener *l = server->data;
    struct uv_stream *s;

    if (status < 0) {
        log_warning("loop", "accepting on %s: %s", l->base.address, uv_strerror(status));
        return;
    }
    s = uv_stream_new(l->env, l->is_unix);
    status = uv_accept(server, &s->any);
    if (status < 0) {
        stream_close(&s->base, NULL, NULL);
        return;
    }
    if (!l->is_unix)
        uv_tcp_nodelay(&s->tcp, 1);
    l->fn(l->ctx, &s->base);
}

static bool path_fits(str path)
{
    return path.n < sizeof((struct sockaddr_un *)NULL)->sun_path;
}

/* A socket file that nobody listens on was left by a process that was killed. */
static bool socket_is_stale(str path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool stale;

    if (fd < 0)
        return false;
    memcpy(sa.sun_path, path.p, path.n);
    stale = connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

static int bind_unix(struct uv_listener *l, str path)
{
    char *z;
    int error;

    if (!path_fits(path))
        return -ENAMETOOLONG;
    z = str_dupz(path);
    error = uv_pipe_bind(&l->pipe, z);
    if (error == UV_EADDRINUSE && socket_is_stale(path)) {
        unlink(z);
        error = uv_pipe_bind(&l->pipe, z);
    }
    mem_free(z);
    return error;
}

int uv_listener_open(struct loop *loop, str address, listener_accept_fn *fn, void *ctx,
                     struct listener **ret)
{
    struct uv_env *env = uv_env_of(loop);
    struct sockaddr_storage sa;
    struct uv_listener *l;
    str path;
    int error = address_parse(address, &sa, &path), n = sizeof sa;

    if (error)
        return error;
    l = NEW(struct uv_listener);
    l->base.close = uv_listener_close;
    l->env = env;
    l->is_unix = !str_is_empty(path);
    l->fn = fn;
    l->ctx = ctx;
    if (l->is_unix)
        uv_pipe_init(&env->uv, &l->pipe, 0);
    else
        uv_tcp_init(&env->uv, &l->tcp);
    l->handle.data = l;
    error = l->is_unix ? bind_unix(l, path) : uv_tcp_bind(&l->tcp, (struct sockaddr *)&sa, 0);
    if (!error)
        error = uv_listen(&l->any, BACKLOG, connection_cb);
    if (!error && !l->is_unix)
        error = uv_tcp_getsockname(&l->tcp, (struct sockaddr *)&sa, &n);
    if (error) {
        uv_listener_close(&l->base);
        return error;
    }
    if (l->is_unix)
        snprintf(l->base.address, sizeof l->base.address, PRI_STR, STR_ARG(address));
    else
        address_format((struct sockaddr *)&sa, l->base.address, sizeof l->base.address);
    *ret = &l->base;
    return 0;
}

/* ---- connecting ---- */
struct uv_connecting {
    struct connecting base; /* first */
    struct uv_stream *s;
    uv_connect_t req;
    struct loop_timer *timeout;
    connect_done_fn *done;
    void *ctx;
    int error; /* why we gave up, or what libuv said at once */
};

static void connecting_finish(struct uv_connecting *c, int error)
{
    struct stream *s = &c->s->base;
    connect_done_fn *done = c->done;
    void *ctx = c->ctx;

    loop_timer_free(c->timeout);
    mem_free(c);
    if (!error) {
        done(ctx, 0, s);
        return;
    }
    if (!s->closing)
        stream_close(s, NULL, NULL);
    done(ctx, error, NULL);
}

static void connect_cb(uv_connect_t *req, int status)
{
    struct uv_connecting *c = req->data;

    if (!c->error && status == 0 && !c->s->is_unix)
        uv_tcp_nodelay(&c->s->tcp, 1);
    connecting_finish(c, c->error ? c->error : status);
}

static void connect_failed_at_once(void *ctx)
{
    struct uv_connecting *c = ctx;

    connecting_finish(c, c->error);
}

/* libuv calls connect_cb, with "cancelled", once the handle closes. */
static void connecting_give_up(struct uv_connecting *c, int error)
{
    if (c->error)
        return;
    c->error = error;
    stream_close(&c->s->base, NULL, NULL);
}

static void connect_timeout(void *ctx)
{
    connecting_give_up(ctx, -ETIMEDOUT);
}

static void uv_connecting_cancel(struct connecting *base)
{
    connecting_give_up((struct uv_connecting *)base, -ECANCELED);
}

struct connecting *uv_stream_connect(struct loop *loop, str address, int64_t timeout_ns,
                                     connect_done_fn *done, void *ctx)
{
    struct uv_env *env = uv_env_of(loop);
    struct uv_connecting *c = NEW(struct uv_connecting);
    struct sockaddr_storage sa;
    str path = STR_NONE;
    int error = address_parse(address, &sa, &path);

    c->base.cancel = uv_connecting_cancel;
    c->done = done;
    c->ctx = ctx;
    c->req.data = c;
    c->s = uv_stream_new(env, !str_is_empty(path));
    if (!error && c->s->is_unix && !path_fits(path))
        error = -ENAMETOOLONG;
    if (!error && c->s->is_unix) {
        char *z = str_dupz(path);

        uv_pipe_connect(&c->req, &c->s->pipe, z, connect_cb);
        mem_free(z);
    } else if (!error) {
        error = uv_tcp_connect(&c->req, &c->s->tcp, (struct sockaddr *)&sa, connect_cb);
    }
    if (error) {
        c->error = error;
        loop_defer(loop, connect_failed_at_once, c);
    } else if (timeout_ns > 0) {
        c->timeout = loop_timer_new(loop, connect_timeout, c);
        loop_timer_set(c->timeout, timeout_ns);
    }
    return &c->base;
}
