/* node_ipam.c - gives each node its /24 of the cluster's pod network.
 *
 * The truth is spec.podCIDR of the nodes. Between a decision and its appearance in the cache a
 * block counts as taken by the decision. IPv4 only. */
#include "controllers/controllers_internal.h"

#include <arpa/inet.h>

#define NODE_BITS 24
#define BLOCKS_MAX 65536

struct state {
    uint32_t network; /* host order */
    uint32_t n_blocks;
    struct map given; /* node -> block number + 1 */
    uint8_t *used;    /* per block: scratch */
};

static bool cidr_parse(str cidr, uint32_t *ret_network, int *ret_bits)
{
    char text[64];
    struct in_addr in;
    ptrdiff_t slash = str_index(cidr, '/');
    int64_t bits;

    if (slash < 0 || slash >= (ptrdiff_t)sizeof text ||
        !str_to_int64(str_skip(cidr, (size_t)slash + 1), &bits) || bits < 0 || bits > 32)
        return false;
    memcpy(text, cidr.p, (size_t)slash);
    text[slash] = '\0';
    if (inet_pton(AF_INET, text, &in) != 1)
        return false;
    *ret_network = ntohl(in.s_addr);
    *ret_bits = (int)bits;
    return true;
}

static void *state_new(struct controller *c)
{
    struct state *s = NEW(struct state);
    int bits;

    map_init(&s->given);
    if (!cidr_parse(controller_config(c)->cluster_cidr, &s->network, &bits) || bits > NODE_BITS)
        return s;
    s->network &= bits ? UINT32_MAX << (32 - bits) : 0;
    s->n_blocks = NODE_BITS - bits >= 16 ? BLOCKS_MAX : 1u << (NODE_BITS - bits);
    s->used = mem_zalloc(s->n_blocks);
    return s;
}

static void state_free(void *state)
{
    struct state *s = state;

    map_fini(&s->given);
    mem_free(s->used);
    mem_free(s);
}

static void mark(struct state *s, str cidr)
{
    uint32_t network;
    int bits;

    if (cidr_parse(cidr, &network, &bits) && network >= s->network &&
        (network - s->network) >> (32 - NODE_BITS) < s->n_blocks)
        s->used[(network - s->network) >> (32 - NODE_BITS)] = 1;
}

static bool mark_node(void *ctx, const struct obj *o)
{
    struct state *s = ctx;
    str cidr = client_text_find(o->data, "spec.podCIDR");

    if (cidr.n) {
        mark(s, cidr);
        map_del(&s->given, o->key.name);
    }
    return true;
}

static void reconcile(struct reconcile *r)
{
    struct state *s = r->state;
    struct json *node, *patch, spec = json_object(), list = json_array();
    uintptr_t block;
    str cidr;

    if (!s->n_blocks)
        return;
    node = look_tree(r, K_NODES, STR_NONE, r->name);
    if (!node) {
        map_del(&s->given, r->name);
        return;
    }
    /* A Node object that no kubelet stands behind has no pods to address. */
    if (json_get_str(node, "spec.podCIDR").n ||
        !json_get_str(node, "status.nodeInfo.kubeletVersion").n)
        return;
    memset(s->used, 0, s->n_blocks);
    informer_each(r->caches[K_NODES], STR_NONE, mark_node, s);
    block = (uintptr_t)map_find(&s->given, r->name);
    if (!block) {
        MAP_EACH(e, &s->given)
            s->used[(uintptr_t)e->value - 1] = 1;
        while (block < s->n_blocks && s->used[block])
            block++;
        if (block++ == s->n_blocks) {
            plan_event(&r->plan, node, "Normal", "CIDRNotAvailable",
                       "Node " PRI_STR " status is now: CIDRNotAvailable", STR_ARG(r->name));
            plan_requeue(&r->plan, 60 * NS_PER_S);
            return;
        }
        map_put(&s->given, r->name, (void *)block);
    }
    {
        uint32_t network = s->network + ((uint32_t)(block - 1) << (32 - NODE_BITS));

        cidr = arena_fmt(r->a, "%u.%u.%u.%u/%d", network >> 24, network >> 16 & 255,
                         network >> 8 & 255, network & 255, NODE_BITS);
    }
    patch = json_new(r->a, json_object());
    json_append(r->a, &list, json_string(cidr));
    json_setz(r->a, &spec, "podCIDR", json_string(cidr));
    json_setz(r->a, &spec, "podCIDRs", list);
    json_setz(r->a, patch, "spec", spec);
    plan_patch(&r->plan, &kinds[K_NODES], STR_NONE, r->name, STR_NONE, PATCH_STRATEGIC, patch)
        ->flags = ACT_IGNORE_NOT_FOUND;
}

const struct controller_type node_ipam_controller = {
    .name = "node-ipam",
    .component = "cidrAllocator",
    .primary = K_NODES,
    .reconcile = reconcile,
    .state_new = state_new,
    .state_free = state_free,
};
