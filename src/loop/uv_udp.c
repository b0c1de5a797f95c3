/* uv_udp.c - datagrams. Sending is best effort: what neither the kernel nor a short queue takes is dropped. */
#include "loop/uv_internal.h"

#define SEND_QUEUE_MAX 256 /* datagrams waiting for room in the socket */

struct uv_udp {
    struct udp base; /* first */
    uv_udp_t handle;
    struct uv_env *env;
    udp_recv_fn *fn;
    void *ctx;
};
struct udp_packet {
    uv_udp_send_t req;
    char data[];
};

static void alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct uv_udp *u = handle->data;

    if (!u->env->read_buffer)
        u->env->read_buffer = mem_alloc(UV_READ_BUFFER);
    *buf = uv_buf_init(u->env->read_buffer, UV_READ_BUFFER);
}

static void recv_cb(uv_udp_t *handle, ssize_t n, const uv_buf_t *buf, const struct sockaddr *peer,
                    unsigned flags)
{
    struct uv_udp *u = handle->data;

    if (n < 0 || !peer || (flags & UV_UDP_PARTIAL))
        return;
    u->fn(u->ctx, (str){buf->base, (size_t)n}, peer,
          peer->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
}

static void sent_cb(uv_udp_send_t *req, int status)
{
    mem_free(req->data);
}

static void uv_udp_send_op(struct udp *base, str datagram, const void *peer, size_t peer_len)
{
    struct uv_udp *u = (struct uv_udp *)base;
    uv_buf_t buf = uv_buf_init((char *)datagram.p, (unsigned)datagram.n);
    struct udp_packet *packet;

    if (uv_udp_try_send(&u->handle, &buf, 1, peer) != UV_EAGAIN ||
        uv_udp_get_send_queue_count(&u->handle) >= SEND_QUEUE_MAX)
        return;
    packet = mem_alloc(sizeof *packet + datagram.n);
    memcpy(packet->data, datagram.p, datagram.n);
    buf.base = packet->data;
    packet->req.data = packet;
    if (uv_udp_send(&packet->req, &u->handle, &buf, 1, peer, sent_cb) < 0)
        mem_free(packet);
}

static void closed_cb(uv_handle_t *handle)
{
    mem_free(handle->data);
}

static void uv_udp_close_op(struct udp *base)
{
    uv_close((uv_handle_t *)&((struct uv_udp *)base)->handle, closed_cb);
}

int uv_udp_open_address(struct loop *loop, str address, udp_recv_fn *fn, void *ctx,
                        struct udp **ret)
{
    struct uv_env *env = uv_env_of(loop);
    struct sockaddr_storage sa;
    struct uv_udp *u;
    str path;
    int error = address_parse(address, &sa, &path), n = sizeof sa;

    if (error)
        return error;
    if (!str_is_empty(path))
        return -EINVAL;
    u = NEW(struct uv_udp);
    u->base.send = uv_udp_send_op;
    u->base.close = uv_udp_close_op;
    u->env = env;
    u->fn = fn;
    u->ctx = ctx;
    uv_udp_init(&env->uv, &u->handle);
    u->handle.data = u;
    error = uv_udp_bind(&u->handle, (struct sockaddr *)&sa, 0);
    if (!error)
        error = uv_udp_recv_start(&u->handle, alloc_cb, recv_cb);
    if (!error)
        error = uv_udp_getsockname(&u->handle, (struct sockaddr *)&sa, &n);
    if (error) {
        uv_udp_close_op(&u->base);
        return error;
    }
    address_format((struct sockaddr *)&sa, u->base.address, sizeof u->base.address);
    *ret = &u->base;
    return 0;
}
