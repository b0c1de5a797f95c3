/* node_address.h - an address of the cluster's own (DNS) on this host, on a link of ours.
 *
 * All calls block for the kernel's answer (about a millisecond): for start and stop. They act in the network namespace of the
 * calling thread. */
#ifndef K1S_PROXY_NODE_ADDRESS_H
#define K1S_PROXY_NODE_ADDRESS_H
#include "loop/loop.h"

/* a bridge without ports: the dummy driver is missing from small kernels */
#define NODE_LINK "k1s-dns"

struct node_address;
/* Puts `address`/32 on a link of ours; fine when it is there already (after a restart). Small netlink calls, at start only. */
MUST_USE struct err *node_address_add(struct loop *loop, str address, struct node_address **ret);
void node_address_free(struct node_address *n,
                       bool remove); /* NULL: nothing; remove: takes the link away too */

/* What it is made of. Makes NODE_LINK, puts `address`/32 on it (empty: none) and routes `network` (CIDR; empty: none) to it with
 * the source `source` (empty, or not of this host: the kernel's choice). With the service network routed there, programs of this
 * host reach Services without a default route, and what no rule translates ends at this link. Repeating it is success. */
MUST_USE struct err *node_link_set(str address, str network, str source);
MUST_USE struct err *node_link_remove(void); /* absent: success */
/* Removes a bridge and the links in it (the hosts' ends of pods' links); absent: success. */
MUST_USE struct err *node_bridge_remove(str name);
#endif
