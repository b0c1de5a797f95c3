/* nft_watch.c - notices that somebody else took our table away: `nft flush ruleset`, as firewall services do when they reload.
 *
 * The kernel tells every transaction to who listens. We listen for deletions of tables called like ours; since our own rebuilding
 * deletes it, too, the listener's word is only a reason to look (nft_table_exists), not to act.
 *
 * Messages are read through libnl; the numbers are in <linux/netfilter/nf_tables.h>. */
#include "proxy/proxy_internal.h"
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <sys/socket.h>

struct nft_watch {
    struct nl_sock *sock;
    struct fd_watch *fd;
    loop_fn *gone;
    void *ctx;
    bool seen;
};

static bool is_ours(struct nl_msg *msg, uint16_t type)
{
    struct nlmsghdr *h = nlmsg_hdr(msg);
    struct nlattr *tb[NFTA_TABLE_MAX + 1];
    const struct nfgenmsg *head = nlmsg_data(h);

    return h->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | type) &&
           nlmsg_parse(h, sizeof *head, tb, NFTA_TABLE_MAX, NULL) == 0 &&
           head->nfgen_family == AF_INET && tb[NFTA_TABLE_NAME] &&
           !nla_strcmp(tb[NFTA_TABLE_NAME], PROXY_TABLE);
}

static int on_message(struct nl_msg *msg, void *ctx)
{
    struct nft_watch *w = ctx;

    w->seen |= is_ours(msg, NFT_MSG_DELTABLE);
    return NL_OK;
}

static void readable(void *ctx, int events UNUSED)
{
    struct nft_watch *w = ctx;
    int rc;

    w->seen = false;
    do
        rc = nl_recvmsgs_default(w->sock);
    while (rc == 0);
    /* More came than the socket holds: what it was is lost, so look. */
    if (w->seen || rc == -NLE_NOMEM)
        w->gone(w->ctx);
}

struct err *nft_watch_open(struct loop *loop, loop_fn *gone, void *ctx, struct nft_watch **ret)
{
    struct nft_watch *w = NEW(struct nft_watch);
    int rc;

    w->gone = gone;
    w->ctx = ctx;
    w->sock = nl_socket_alloc();
    BUG_ON(!w->sock);
    nl_socket_disable_seq_check(w->sock); /* notifications follow no request */
    rc = nl_connect(w->sock, NETLINK_NETFILTER);
    if (rc == 0)
        rc = nl_socket_add_membership(w->sock, NFNLGRP_NFTABLES);
    if (rc == 0)
        rc = nl_socket_set_nonblocking(w->sock);
    if (rc < 0) {
        nl_socket_free(w->sock);
        mem_free(w);
        return err_new(REASON_INTERNAL, "listening to nftables: %s", nl_geterror(rc));
    }
    nl_socket_modify_cb(w->sock, NL_CB_VALID, NL_CB_CUSTOM, on_message, w);
    w->fd = fd_watch_new(loop, nl_socket_get_fd(w->sock), true, false, readable, w);
    *ret = w;
    return NULL;
}

void nft_watch_close(struct nft_watch *w)
{
    if (!w)
        return;
    fd_watch_free(w->fd);
    nl_socket_free(w->sock);
    mem_free(w);
}

static int on_table(struct nl_msg *msg, void *ctx)
{
    *(bool *)ctx |= is_ours(msg, NFT_MSG_NEWTABLE);
    return NL_OK;
}

bool nft_table_exists(void)
{
    struct nfgenmsg head = {.nfgen_family = AF_INET, .version = NFNETLINK_V0};
    struct nl_sock *sock = nl_socket_alloc();
    bool found = false;

    BUG_ON(!sock);
    if (nl_connect(sock, NETLINK_NETFILTER) < 0) {
        nl_socket_free(sock);
        return true; /* cannot look: nothing to be said */
    }
    nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_table, &found);
    if (nl_send_simple(sock, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, NLM_F_DUMP, &head,
                       sizeof head) < 0 ||
        nl_recvmsgs_default(sock) < 0)
        found = true;
    nl_socket_free(sock);
    return found;
}
