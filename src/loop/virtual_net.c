/* virtual_net.c - the virtual environment's network: a table of listeners; connections are pairs (pair.c). */
#include "loop/virtual_internal.h"

#include <netinet/in.h>

static unsigned port_next(struct virtual_env *env)
{
    unsigned port = env->next_port++;

    if (env->next_port > VIRTUAL_PORT_LAST)
        env->next_port = VIRTUAL_PORT_FIRST;
    return port;
}

/* Canonical text of an address; a port is given when it is 0. */
static int address_canonical(struct virtual_env *env, str address, char *out, size_t size)
{
    struct sockaddr_storage sa;
    str path;
    int error = address_parse(address, &sa, &path);

    if (error)
        return error;
    if (!str_is_empty(path)) {
        if (address.n >= size)
            return -ENAMETOOLONG;
        snprintf(out, size, PRI_STR, STR_ARG(address));
        return 0;
    }
    /* sin_port and sin6_port are the same bytes. */
    if (((struct sockaddr_in *)&sa)->sin_port == 0)
        ((struct sockaddr_in *)&sa)->sin_port = htons((uint16_t)port_next(env));
    address_format((struct sockaddr *)&sa, out, size);
    return 0;
}

/* Exact, or somebody who listens on that port of all addresses. */
static void *registry_find(const struct map *m, str address)
{
    void *found = map_find(m, address);
    ptrdiff_t colon = str_rindex(address, ':');
    static const str any[] = {STR("0.0.0.0"), STR("[::]")};

    for (size_t i = 0; !found && i < ARRAY_LEN(any) && colon >= 0; i++) {
        struct buf key = BUF_INIT;

        buf_str(&key, any[i]);
        buf_str(&key, str_skip(address, (size_t)colon));
        found = map_find(m, buf_view(&key));
        buf_fini(&key);
    }
    return found;
}

/* ---- listening ---- */
struct virtual_listener {
    struct listener base; /* first */
    struct virtual_env *env;
    listener_accept_fn *fn;
    void *ctx;
};

static void virtual_listener_close(struct listener *base)
{
    struct virtual_listener *l = (struct virtual_listener *)base;

    map_del(&l->env->listeners, str_of(base->address));
    mem_free(l);
}

int virtual_listen(struct loop *loop, str address, listener_accept_fn *fn, void *ctx,
                   struct listener **ret)
{
    struct virtual_env *env = virtual_env_of(loop);
    struct virtual_listener *l = NEW(struct virtual_listener);
    int error = address_canonical(env, address, l->base.address, sizeof l->base.address);

    if (!error && map_find(&env->listeners, str_of(l->base.address)))
        error = -EADDRINUSE;
    if (error) {
        mem_free(l);
        return error;
    }
    l->base.close = virtual_listener_close;
    l->env = env;
    l->fn = fn;
    l->ctx = ctx;
    map_put(&env->listeners, str_of(l->base.address), l);
    *ret = &l->base;
    return 0;
}

/* ---- connecting ---- */
struct virtual_connecting {
    struct connecting base; /* first */
    struct virtual_env *env;
    struct loop_event event; /* its arrival, or its failure */
    connect_done_fn *done;
    void *ctx;
    int error;
    char address[sizeof((struct listener *)NULL)->address];
};

static void connect_arrive(void *ctx)
{
    struct virtual_connecting *c = ctx;
    struct virtual_env *env = c->env;
    struct virtual_listener *l =
        c->error ? NULL : registry_find(&env->listeners, str_of(c->address));
    struct stream *near = NULL, *far = NULL;
    connect_done_fn *done = c->done;
    void *done_ctx = c->ctx;
    int error = c->error;

    if (!error && !l)
        error = str_has_prefix(str_of(c->address), S("unix:")) ? -ENOENT : -ECONNREFUSED;
    if (!error) {
        char name[32];

        snprintf(name, sizeof name, "127.0.0.1:%u", port_next(env));
        pair_new(&env->base, str_of(name), str_of(c->address), &near, &far);
    }
    mem_free(c);
    if (l)
        l->fn(l->ctx, far);
    done(done_ctx, error, near);
}

static void connect_fail(struct virtual_connecting *c, int error)
{
    c->error = error;
    event_heap_put(&c->env->base.events, &c->event, c->env->now_ns);
}

static void virtual_connecting_cancel(struct connecting *base)
{
    connect_fail((struct virtual_connecting *)base, -ECANCELED);
}

struct connecting *virtual_connect(struct loop *loop, str address, int64_t timeout_ns,
                                   connect_done_fn *done, void *ctx)
{
    struct virtual_env *env = virtual_env_of(loop);
    struct virtual_connecting *c = NEW(struct virtual_connecting);
    int64_t latency_ns = loop->ops->latency(loop);

    c->base.cancel = virtual_connecting_cancel;
    c->env = env;
    c->event.fn = connect_arrive;
    c->event.ctx = c;
    c->done = done;
    c->ctx = ctx;
    c->error = address_canonical(env, address, c->address, sizeof c->address);
    if (!c->error && loop->ops->is_unlucky(loop))
        c->error = -ECONNREFUSED;
    if (timeout_ns > 0 && latency_ns > timeout_ns) {
        latency_ns = timeout_ns;
        c->error = -ETIMEDOUT;
    }
    event_heap_put(&loop->events, &c->event, env->now_ns + latency_ns);
    return &c->base;
}

/* ---- datagrams ---- */
struct virtual_udp {
    struct udp base; /* first */
    struct virtual_env *env;
    udp_recv_fn *fn;
    void *ctx;
};
struct virtual_datagram {
    struct virtual_env *env;
    struct sockaddr_storage from;
    char to[64];
    size_t n;
    char data[];
};

static void datagram_arrive(void *ctx)
{
    struct virtual_datagram *d = ctx;
    struct virtual_udp *u = registry_find(&d->env->udps, str_of(d->to));

    if (u)
        u->fn(u->ctx, (str){d->data, d->n}, &d->from,
              d->from.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                            : sizeof(struct sockaddr_in));
    mem_free(d);
}

static void virtual_udp_send(struct udp *base, str datagram, const void *peer, size_t peer_len)
{
    struct virtual_udp *u = (struct virtual_udp *)base;
    struct loop *loop = &u->env->base;
    struct virtual_datagram *d;
    str path;

    if (loop->ops->is_unlucky(loop))
        return;
    d = mem_zalloc(sizeof *d + datagram.n);
    d->env = u->env;
    d->n = datagram.n;
    memcpy(d->data, datagram.p, datagram.n);
    address_parse(str_of(base->address), &d->from, &path);
    address_format(peer, d->to, sizeof d->to);
    loop_at(loop, loop_now(loop).ns + loop->ops->latency(loop), datagram_arrive, d);
}

static void virtual_udp_close(struct udp *base)
{
    struct virtual_udp *u = (struct virtual_udp *)base;

    map_del(&u->env->udps, str_of(base->address));
    mem_free(u);
}

int virtual_udp_open(struct loop *loop, str address, udp_recv_fn *fn, void *ctx, struct udp **ret)
{
    struct virtual_env *env = virtual_env_of(loop);
    struct virtual_udp *u = NEW(struct virtual_udp);
    int error = str_has_prefix(address, S("unix:"))
                    ? -EINVAL
                    : address_canonical(env, address, u->base.address, sizeof u->base.address);

    if (!error && map_find(&env->udps, str_of(u->base.address)))
        error = -EADDRINUSE;
    if (error) {
        mem_free(u);
        return error;
    }
    u->base.send = virtual_udp_send;
    u->base.close = virtual_udp_close;
    u->env = env;
    u->fn = fn;
    u->ctx = ctx;
    map_put(&env->udps, str_of(u->base.address), u);
    *ret = &u->base;
    return 0;
}
