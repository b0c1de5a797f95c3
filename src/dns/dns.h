/* dns.h - cluster DNS: answers for cluster.local from Services and EndpointSlices, forwards the rest. */
#ifndef K1S_DNS_H
#define K1S_DNS_H
#include "client/client.h"
struct dns;
struct dns_options {
    struct loop *loop;
    struct client *client; /* as system:serviceaccount:kube-system:coredns */
    str listen; /* "10.43.0.10:53" (the address is put on a link of ours by the caller) */
    str cluster_domain;
    str resolv_conf; /* path of the upstreams; empty: /etc/resolv.conf */
    void (*synced)(void *ctx);
    void *ctx;
};
MUST_USE struct err *dns_start(const struct dns_options *o, struct dns **ret);
void dns_stop(struct dns *d);
#endif
