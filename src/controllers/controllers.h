/* controllers.h - the controller manager: all controllers of one cluster on one loop. */
#ifndef K1S_CONTROLLERS_H
#define K1S_CONTROLLERS_H
#include "client/client.h"
struct controllers;
struct controllers_options {
    struct loop *loop;
    struct client *client;  /* as system:kube-controller-manager; user agents per controller are the
                               framework's */
    str ca_pem, ca_key_pem; /* kube-root-ca.crt; CSR signing when the key is given */
    str token_key_pem;      /* signs tokens that live in Secrets; empty: none are made */
    str cluster_cidr;       /* for node.spec.podCIDR; empty: not allocated */
    int64_t node_monitor_grace_ns; /* 0: 50 s */
    void (*synced)(void *ctx);     /* all caches are filled once; may be NULL */
    void *ctx;
};
struct controllers *controllers_start(const struct controllers_options *o);
/* The key of tokens in Secrets, when it was not there at the start. */
void controllers_token_key(struct controllers *c, str pem);
void controllers_stop(struct controllers *c);
#endif
