/* proxy.h - Services as nftables rules in a table of our own ("k1s"), on every node. */
#ifndef K1S_PROXY_H
#define K1S_PROXY_H
#include "client/client.h"
struct proxy;
struct proxy_options {
    struct loop *loop;
    struct client *client;         /* as system:kube-proxy */
    str node_name, node_ip, cluster_cidr, service_cidr;
    void (*synced)(void *ctx);     /* first rule set is in the kernel */
    void *ctx;
};
MUST_USE struct err *proxy_start(const struct proxy_options *o, struct proxy **ret);
void proxy_stop(struct proxy *p, bool remove_rules);
#endif
