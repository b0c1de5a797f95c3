/* conntrack.c - ends UDP flows whose translation is out of date.
 *
 * The kernel decides the endpoint of a flow at its first packet. A TCP client notices a dead endpoint and connects anew; a UDP
 * client that keeps its port would send into the void for as long as it keeps sending. So after a change the flows to our UDP
 * fronts are read, and those that go where the front no longer leads are deleted: the next packet decides again.
 *
 * ctnetlink is spoken through libnl's message functions; the numbers are in <linux/netfilter/nfnetlink_conntrack.h>.
 * Thread: a worker; blocks for one dump of the flow table. */
#include "proxy/proxy_internal.h"
#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#define STALE_MAX 100000 /* flows deleted in one go; the rest waits for the next change */

struct tuple {
    uint32_t src_ip, dst_ip;
    uint16_t src_port, dst_port;
    uint8_t proto;
};
struct cleaning {
    const struct udp_front *fronts; /* sorted by address and port */
    size_t n_fronts;
    struct nl_msg **deletes;
    size_t n, cap;
};

static bool tuple_read(struct nlattr *attr, struct tuple *ret)
{
    struct nlattr *tb[CTA_TUPLE_MAX + 1], *ip[CTA_IP_MAX + 1], *proto[CTA_PROTO_MAX + 1];

    if (!attr || nla_parse_nested(tb, CTA_TUPLE_MAX, attr, NULL) < 0 || !tb[CTA_TUPLE_IP] ||
        !tb[CTA_TUPLE_PROTO] || nla_parse_nested(ip, CTA_IP_MAX, tb[CTA_TUPLE_IP], NULL) < 0 ||
        nla_parse_nested(proto, CTA_PROTO_MAX, tb[CTA_TUPLE_PROTO], NULL) < 0)
        return false;
    if (!ip[CTA_IP_V4_SRC] || !ip[CTA_IP_V4_DST] || !proto[CTA_PROTO_NUM] ||
        !proto[CTA_PROTO_SRC_PORT] || !proto[CTA_PROTO_DST_PORT])
        return false;
    *ret = (struct tuple){
        .src_ip = ntohl(nla_get_u32(ip[CTA_IP_V4_SRC])),
        .dst_ip = ntohl(nla_get_u32(ip[CTA_IP_V4_DST])),
        .src_port = ntohs(nla_get_u16(proto[CTA_PROTO_SRC_PORT])),
        .dst_port = ntohs(nla_get_u16(proto[CTA_PROTO_DST_PORT])),
        .proto = nla_get_u8(proto[CTA_PROTO_NUM]),
    };
    return true;
}

static int front_cmp(const void *x, const void *y, void *ctx UNUSED)
{
    const struct udp_front *a = x, *b = y;

    if (a->ip != b->ip)
        return a->ip < b->ip ? -1 : 1;
    return (int)a->port - (int)b->port;
}

static const struct udp_front *front_find(const struct cleaning *c, uint32_t ip, uint16_t port)
{
    size_t from = 0, to = c->n_fronts;
    struct udp_front wanted = {.ip = ip, .port = port};

    while (from < to) {
        size_t mid = (from + to) / 2;
        int cmp = front_cmp(&wanted, &c->fronts[mid], NULL);
        if (cmp == 0)
            return &c->fronts[mid];
        if (cmp < 0)
            to = mid;
        else
            from = mid + 1;
    }
    return NULL;
}

static bool flow_is_stale(const struct cleaning *c, const struct tuple *orig,
                          const struct tuple *reply)
{
    const struct udp_front *f = front_find(c, orig->dst_ip, orig->dst_port);
    bool translated = reply->src_ip != orig->dst_ip || reply->src_port != orig->dst_port;

    if (!f)
        f = front_find(c, 0, orig->dst_port);
    if (!f || (!translated && f->n_backends == 0))
        return false;
    for (size_t i = 0; i < f->n_backends; i++)
        if (f->backends[i].ip == reply->src_ip && f->backends[i].port == reply->src_port)
            return false;
    /* To a NodePort's number on some other machine, just passing through: not ours. */
    return f->ip != 0 || translated;
}

static int flow_seen(struct nl_msg *msg, void *ctx)
{
    struct cleaning *c = ctx;
    struct nlattr *tb[CTA_MAX + 1];
    struct tuple orig, reply;

    if (nlmsg_parse(nlmsg_hdr(msg), sizeof(struct nfgenmsg), tb, CTA_MAX, NULL) < 0 ||
        !tuple_read(tb[CTA_TUPLE_ORIG], &orig) || orig.proto != IPPROTO_UDP ||
        !tuple_read(tb[CTA_TUPLE_REPLY], &reply) || !flow_is_stale(c, &orig, &reply) ||
        c->n == STALE_MAX)
        return NL_OK;

    struct nfgenmsg head = {.nfgen_family = AF_INET, .version = NFNETLINK_V0};
    struct nl_msg *del = nlmsg_alloc_simple(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
                                            NLM_F_REQUEST | NLM_F_ACK);
    BUG_ON(!del || nlmsg_append(del, &head, sizeof head, NLMSG_ALIGNTO) < 0);
    /* The tuple as it came, and the flow's id, lest a flow that replaced it meanwhile is meant. */
    BUG_ON(nla_put(del, CTA_TUPLE_ORIG | NLA_F_NESTED, nla_len(tb[CTA_TUPLE_ORIG]),
                   nla_data(tb[CTA_TUPLE_ORIG])) < 0);
    if (tb[CTA_ZONE])
        BUG_ON(nla_put(del, CTA_ZONE, nla_len(tb[CTA_ZONE]), nla_data(tb[CTA_ZONE])) < 0);
    if (tb[CTA_ID])
        BUG_ON(nla_put(del, CTA_ID, nla_len(tb[CTA_ID]), nla_data(tb[CTA_ID])) < 0);
    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 16;
        c->deletes = mem_realloc(c->deletes, c->cap * sizeof *c->deletes);
    }
    c->deletes[c->n++] = del;
    return NL_OK;
}

static struct err *nl_failed(const char *doing, int rc)
{
    return err_new(REASON_INTERNAL, "%s: %s", doing, nl_geterror(rc));
}

static struct err *clean(struct nl_sock *sock, struct cleaning *c, size_t *ret_deleted)
{
    struct nfgenmsg head = {.nfgen_family = AF_INET, .version = NFNETLINK_V0};
    size_t deleted = 0;
    int rc;

    rc = nl_connect(sock, NETLINK_NETFILTER);
    if (rc < 0)
        return nl_failed("opening the table of connections", rc);
    nl_socket_set_buffer_size(sock, 1 << 20, 0);
    nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, flow_seen, c);
    rc = nl_send_simple(sock, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, NLM_F_DUMP, &head,
                        sizeof head);
    if (rc >= 0)
        rc = nl_recvmsgs_default(sock);
    if (rc < 0)
        return nl_failed("reading the table of connections", rc);
    for (size_t i = 0; i < c->n; i++) {
        rc = nl_send_sync(sock, TAKE(c->deletes[i])); /* frees the message */
        if (rc == 0)
            deleted++;
        else if (rc != -NLE_OBJ_NOTFOUND) /* it ended by itself meanwhile */
            return nl_failed("ending a stale flow", rc);
    }
    *ret_deleted = deleted;
    return NULL;
}

struct err *conntrack_clean_udp(const struct udp_front *fronts, size_t n_fronts,
                                size_t *ret_deleted)
{
    struct udp_front *sorted = mem_dup(fronts, n_fronts * sizeof *fronts);
    struct cleaning c = {.fronts = sorted, .n_fronts = n_fronts};
    struct nl_sock *sock = nl_socket_alloc();
    struct err *err;

    BUG_ON(!sock);
    sort_with(sorted, n_fronts, sizeof *sorted, front_cmp, NULL);
    err = clean(sock, &c, ret_deleted);
    for (size_t i = 0; i < c.n; i++)
        nlmsg_free(c.deletes[i]);
    mem_free(c.deletes);
    mem_free(sorted);
    nl_socket_free(sock);
    return err;
}
