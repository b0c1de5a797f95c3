/* proxy_internal.h - the proxy's parts: compiler, rule set, kernel settings, connection tracking.
 *
 * The way of a change: informer -> proxy.c marks the Service dirty -> service_rules.c compiles it (pure) -> ruleset.c
 * compares with what the kernel has and writes one batch (pure) -> a worker gives it to libnftables as one transaction. */
#ifndef K1S_PROXY_INTERNAL_H
#define K1S_PROXY_INTERNAL_H
#include "proxy/proxy.h"

#define PROXY_TABLE "k1s"
/* The packet mark that asks for masquerading; the bit kube-proxy uses, so that others' rules already leave it alone. */
#define PROXY_MASQUERADE_MARK "0x4000"
#define PROXY_MASQUERADE_CLEAR "0xffffbfff"

/* ---- compiler (service_rules.c) ---- */
struct proxy_node { /* what the rules depend on besides Services */
    str node_name, node_ip, cluster_cidr, service_cidr;
};
struct
    rule_item { /* one named thing in the table: (kind, name) is its identity, body its content */
    enum rule_kind { RULE_SET, RULE_CHAIN, RULE_ELEMENT } kind;
    str name; /* set or chain; elements: "map key", e.g. "service-ips 10.43.0.1 . tcp . 443" */
    str body; /* set: its declaration; chain: rules, a line each; element: its verdict, empty in plain sets */
};
struct udp_backend {
    uint32_t ip;
    uint16_t port;
}; /* host byte order */
struct
    udp_front { /* where datagrams for a Service arrive, and where they may end: for stale flows (conntrack.c) */
    uint32_t ip; /* 0: any address (NodePort) */
    uint16_t port;
    const struct udp_backend *backends;
    size_t n_backends;
};
struct service_rules {
    struct rule_item *items;
    size_t n_items, cap_items;
    struct udp_front *udp;
    size_t n_udp, cap_udp;
};
/* Pure and deterministic: equal input gives equal items in equal order, whatever the order of the slices. Everything in `ret`
 * lives in `a`, but not what it was made from. Malformed parts are left out: they cannot come from a valid object.
 * API: https://kubernetes.io/docs/reference/networking/virtual-ips/ */
void service_rules_compile(struct arena *a, const struct proxy_node *node,
                           const struct json *service, const struct json *const *slices,
                           size_t n_slices, struct service_rules *ret);
/* The pod's hostPorts (host_ports.c), likewise. */
void host_ports_compile(struct arena *a, const struct json *pod, struct service_rules *ret);
void service_rules_item(struct arena *a, struct service_rules *rules, enum rule_kind kind, str name,
                        str body);
void service_rules_udp(struct arena *a, struct service_rules *rules, struct udp_front front);
bool service_name_is_safe(str s);      /* may stand in a chain's name */
str service_protocol(str protocol);    /* "" or "TCP" -> "tcp"; empty: unknown */
bool ipv4_parse(str s, uint32_t *ret); /* strict dotted quad; host byte order */
bool ipv4_cidr_parse(str s, uint32_t *ret_net, int *ret_bits);
str ipv4_format(struct arena *a, uint32_t ip);

/* ---- rule set (ruleset.c): what is wanted, what the kernel has, and the batch between ---- */
struct ruleset;
struct ruleset *ruleset_new(const struct proxy_node *node); /* strings are copied */
void ruleset_free(struct ruleset *rs);
/* Replaces what `service` ("ns/name") wants; n_items 0 forgets it. Two Services that want the same element (a shared external
 * IP and port): the first by name gets it, the other when that one leaves. Items are copied. */
void ruleset_put(struct ruleset *rs, str service, const struct rule_item *items, size_t n_items);
bool ruleset_is_dirty(const struct ruleset *rs); /* ruleset_batch() would write something */
/* Appends the nft commands that make the kernel's table what is wanted, and assumes from then on that they succeeded.
 * The first batch, and the first after ruleset_lost(), rebuilds the whole table in one transaction. */
void ruleset_batch(struct ruleset *rs, struct buf *out);
void ruleset_lost(struct ruleset *rs); /* a batch failed, or somebody touched the table */
/* Chains that are empty and unreferenced since an earlier batch. Kernels before 6.2 notice late that a deleted element no longer
 * refers to its chain, so chains are emptied at once and deleted by a batch of their own, later. */
bool ruleset_has_stale(const struct ruleset *rs);
void ruleset_batch_stale(struct ruleset *rs, struct buf *out);

/* ---- kernel (nft.c, nft_watch.c, conntrack.c, sysctl.c): blocking, on a worker, but for the watch ---- */
MUST_USE struct err *
nft_apply(const char *batch); /* one transaction in the calling thread's network namespace */
/* Calls gone (on the loop) when a table called like ours was deleted, by whomever (nft_watch.c). */
struct nft_watch;
MUST_USE struct err *nft_watch_open(struct loop *loop, loop_fn *gone, void *ctx,
                                    struct nft_watch **ret);
void nft_watch_close(struct nft_watch *w); /* NULL: nothing */
bool nft_table_exists(void);               /* blocking; true also when that cannot be told */
/* Ends UDP flows that were translated to a backend that their front no longer has, and flows to a front from before it had
 * any. NULL or the reason why the table of flows could not be read. */
MUST_USE struct err *conntrack_clean_udp(const struct udp_front *fronts, size_t n_fronts,
                                         size_t *ret_deleted);
MUST_USE struct err *proxy_sysctl_set(struct loop *loop,
                                      str state_dir); /* remembers what was there, once */
MUST_USE struct err *proxy_sysctl_restore(struct loop *loop, str state_dir);
/* A route of last resort: an address of the pod network that no node has must not leave for the default gateway. */
MUST_USE struct err *node_unreachable_add(str network);
MUST_USE struct err *
node_unreachable_remove_all(void); /* all that node_unreachable_add() made, known by their metric */
#endif
