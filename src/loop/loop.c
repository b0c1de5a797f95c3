/* loop.c - what is the same in every environment: checks, timers, addresses, and the way into the table. */
#include "loop/loop_internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    loop->ops->free(loop);
    loop_unref(loop);
}

struct loop *loop_ref(struct loop *loop)
{
    __atomic_add_fetch(&loop->refs, 1, __ATOMIC_RELAXED);
    return loop;
}

void loop_unref(struct loop *loop)
{
    if (!__atomic_sub_fetch(&loop->refs, 1, __ATOMIC_ACQ_REL))
        loop->ops->dispose(loop);
}

void loop_run(struct loop *loop)
{
    loop->ops->run(loop);
}

void loop_stop(struct loop *loop)
{
    BUG_ON(!loop_is_mine(loop));
    loop->ops->stop(loop);
}

bool loop_is_mine(const struct loop *loop)
{
    return pthread_equal(loop->owner, pthread_self());
}

bool loop_is_virtual(const struct loop *loop)
{
    return loop->is_virtual;
}

mono_time loop_now(const struct loop *loop)
{
    return (mono_time){loop->ops->now(loop)};
}

wall_time loop_wall(const struct loop *loop)
{
    return (wall_time){loop->ops->wall(loop)};
}

void loop_random(struct loop *loop, void *p, size_t n)
{
    BUG_ON(!loop_is_mine(loop));
    loop->ops->random(loop, p, n);
}

uint64_t loop_random_u64(struct loop *loop)
{
    uint64_t v;

    loop_random(loop, &v, sizeof v);
    return v;
}

void loop_post(struct loop *loop, loop_fn *fn, void *ctx)
{
    BUG_ON(
        !loop->ops->post(loop, fn, ctx)); /* who is not sure that it lives takes loop_try_post() */
}

bool loop_try_post(struct loop *loop, loop_fn *fn, void *ctx)
{
    return loop->ops->post(loop, fn, ctx);
}

void loop_defer(struct loop *loop, loop_fn *fn, void *ctx)
{
    BUG_ON(!loop_is_mine(loop));
    loop->ops->defer(loop, fn, ctx);
}

void loop_at(struct loop *loop, int64_t due_ns, loop_fn *fn, void *ctx)
{
    loop->ops->at(loop, due_ns, fn, ctx);
}

/* ---- timers: events of the loop's heap ---- */
struct loop_timer {
    struct loop_event event; /* first */
    struct loop *loop;
};

struct loop_timer *loop_timer_new(struct loop *loop, loop_fn *fn, void *ctx)
{
    struct loop_timer *t = NEW(struct loop_timer);

    BUG_ON(!loop_is_mine(loop));
    t->loop = loop;
    t->event.fn = fn;
    t->event.ctx = ctx;
    return t;
}

static void timers_changed(struct loop *loop)
{
    if (loop->ops->timers_changed)
        loop->ops->timers_changed(loop);
}

void loop_timer_set(struct loop_timer *t, int64_t delay_ns)
{
    int64_t now = t->loop->ops->now(t->loop), due;

    BUG_ON(!loop_is_mine(t->loop));
    if (__builtin_add_overflow(now, MAX(delay_ns, INT64_C(0)), &due))
        due = INT64_MAX;
    event_heap_put(&t->loop->events, &t->event, due);
    timers_changed(t->loop);
}

void loop_timer_stop(struct loop_timer *t)
{
    BUG_ON(!loop_is_mine(t->loop));
    if (!t->event.at)
        return;
    event_heap_del(&t->loop->events, &t->event);
    timers_changed(t->loop);
}

bool loop_timer_is_set(const struct loop_timer *t)
{
    return t->event.at != 0;
}

void loop_timer_free(struct loop_timer *t)
{
    if (!t)
        return;
    loop_timer_stop(t);
    mem_free(t);
}

/* ---- into the table ---- */
void pool_run(struct loop *loop, pool_work_fn *work, loop_fn *done, void *ctx)
{
    BUG_ON(!loop_is_mine(loop));
    loop->ops->pool_run(loop, work, done, ctx);
}

int listener_open(struct loop *loop, str address, listener_accept_fn *fn, void *ctx,
                  struct listener **ret)
{
    BUG_ON(!loop_is_mine(loop));
    return loop->ops->listen(loop, address, fn, ctx, ret);
}

str listener_address(const struct listener *l)
{
    return str_of(l->address);
}

void listener_close(struct listener *l)
{
    l->close(l);
}

struct connecting *stream_connect(struct loop *loop, str address, int64_t timeout_ns,
                                  connect_done_fn *done, void *ctx)
{
    BUG_ON(!loop_is_mine(loop));
    return loop->ops->connect(loop, address, timeout_ns, done, ctx);
}

void connecting_cancel(struct connecting *c)
{
    c->cancel(c);
}

int udp_open(struct loop *loop, str address, udp_recv_fn *fn, void *ctx, struct udp **ret)
{
    BUG_ON(!loop_is_mine(loop));
    return loop->ops->udp_open(loop, address, fn, ctx, ret);
}

void udp_send(struct udp *u, str datagram, const void *peer, size_t peer_len)
{
    u->send(u, datagram, peer, peer_len);
}

str udp_address(const struct udp *u)
{
    return str_of(u->address);
}

void udp_close(struct udp *u)
{
    u->close(u);
}

int file_read(struct loop *loop, const char *path, size_t limit, struct buf *out)
{
    return loop->ops->file_read(loop, path, limit, out);
}

int file_write_atomic(struct loop *loop, const char *path, str data, unsigned mode)
{
    return loop->ops->file_write(loop, path, data, mode);
}

int file_mkdir_all(struct loop *loop, const char *path, unsigned mode)
{
    return loop->ops->file_mkdir_all(loop, path, mode);
}

bool file_exists(struct loop *loop, const char *path)
{
    return loop->ops->file_exists(loop, path);
}

/* ---- addresses ---- */
int address_parse(str address, struct sockaddr_storage *ret_sa, str *ret_path)
{
    char host[INET6_ADDRSTRLEN];
    ptrdiff_t colon = str_rindex(address, ':');
    str name, rest;
    int64_t port;
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

    if (str_has_prefix(address, S("unix:"))) {
        rest = str_skip(address, strlen("unix:"));
        if (str_is_empty(rest))
            return -EINVAL;
        *ret_path = rest;
        return 0;
    }
    if (colon < 0 || !str_to_int64(str_skip(address, (size_t)colon + 1), &port) || port < 0 ||
        port > 65535)
        return -EINVAL;
    name = str_slice(address, 0, (size_t)colon);
    if (str_has_prefix(name, S("[")) && str_has_suffix(name, S("]")))
        name = str_slice(name, 1, name.n - 1);
    if (name.n >= sizeof host)
        return -EINVAL;
    memcpy(host, name.p, name.n);
    host[name.n] = '\0';
    memset(ret_sa, 0, sizeof *ret_sa);
    *ret_path = STR_NONE;
    if (inet_pton(AF_INET, host, &in.sin_addr) == 1) {
        in.sin_port = htons((uint16_t)port);
        memcpy(ret_sa, &in, sizeof in);
        return 0;
    }
    if (inet_pton(AF_INET6, host, &in6.sin6_addr) == 1) {
        in6.sin6_port = htons((uint16_t)port);
        memcpy(ret_sa, &in6, sizeof in6);
        return 0;
    }
    return -EINVAL;
}

void address_format(const struct sockaddr *sa, char *out, size_t size)
{
    char host[INET6_ADDRSTRLEN];

    *out = '\0';
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)sa;

        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(out, size, "%s:%u", host, ntohs(in->sin_port));
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

        /* A v4 client of a dual-stack listener is shown as what it is. */
        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
            inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], host, sizeof host);
            snprintf(out, size, "%s:%u", host, ntohs(in6->sin6_port));
        } else {
            inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
            snprintf(out, size, "[%s]:%u", host, ntohs(in6->sin6_port));
        }
    }
}

int file_append(struct loop *loop, const char *path, str data, unsigned mode, int64_t *ret_size)
{
    return loop->ops->file_append(loop, path, data, mode, ret_size);
}

int file_rename(struct loop *loop, const char *from, const char *to)
{
    return loop->ops->file_rename(loop, from, to);
}

int file_remove(struct loop *loop, const char *path)
{
    return loop->ops->file_remove(loop, path);
}

int file_list(struct loop *loop, const char *folder, void (*each)(void *ctx, str name), void *ctx)
{
    return loop->ops->file_list(loop, folder, each, ctx);
}
