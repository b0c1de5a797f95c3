/* node_address.h - an address of the cluster's own (DNS) on this host, on a link of ours. */
#ifndef K1S_PROXY_NODE_ADDRESS_H
#define K1S_PROXY_NODE_ADDRESS_H
#include "loop/loop.h"
struct node_address;
/* Puts `address`/32 on a link of ours; fine when it is there already (after a restart). Small netlink calls, at start only. */
MUST_USE struct err *node_address_add(struct loop *loop, str address, struct node_address **ret);
void node_address_free(struct node_address *n, bool remove); /* NULL: nothing; remove: takes the link away too */
#endif
