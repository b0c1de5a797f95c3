/* proxy.h - Services as nftables rules in a table of our own ("ip k1s"), on every node.
 *
 * What belongs to other folders: the pod network itself (CNI, set up by the kubelet) and the programs that answer at an
 * address that node_address_add() puts on this node (node_address.h). Two things the pod network must do for Services to work on one bridge:
 * net.bridge.bridge-nf-call-iptables=1 (the proxy sets it) and hairpin mode on the bridge's ports (the CNI configuration). */
#ifndef K1S_PROXY_H
#define K1S_PROXY_H
#include "client/client.h"
struct proxy;
struct proxy_options {
    struct loop *loop;
    struct client *client; /* as system:kube-proxy */
    str node_name, node_ip, cluster_cidr, service_cidr;
    void (*synced)(void *ctx); /* first rule set is in the kernel */
    void *ctx;
    struct client *
        pods_client; /* as system:node:NAME, for the hostPorts of this node's pods; NULL: they are not served */
    str state_dir; /* where the kernel settings found are remembered; empty: /run/k1s */
};
MUST_USE struct err *proxy_start(const struct proxy_options *o, struct proxy **ret);
/* Waits for the transaction that runs, if any (milliseconds). With remove_rules the table is deleted and kernel settings are
 * put back; without it Services keep working while k1s is away. */
void proxy_stop(struct proxy *p, bool remove_rules);
/* The same removal without a running proxy, and the link of node_address.h with it: after a crash, and for `make stop`.
 * Blocks for some milliseconds; any thread. state_dir as above. Removing what is not there is success. */
MUST_USE struct err *proxy_cleanup(struct loop *loop, str state_dir);
#endif
