/* node_address.c - addresses and routes that make this node the end of the way for what belongs to the cluster.
 *
 * The cluster DNS listens at an address of the service network on every node; that address needs a link. A bridge without ports
 * serves as one on every kernel (the dummy driver is missing from small ones). All through libnl-route: no process is started.
 * Calls block for the kernel's answer only; they act in the network namespace of the calling thread. */
#include "proxy/node_address.h"
#include "proxy/proxy_internal.h"
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/bridge.h>
#include <netlink/route/route.h>

/* Behind everything else that has a route for the same network, such as the pod bridge's own; and a number by which we know our
 * routes again after a crash. */
#define UNREACHABLE_METRIC 0x6b317300 /* "k1s" */

static struct err *failed(int rc, const char *doing, str what)
{
    return err_new(REASON_INTERNAL, "%s " PRI_STR ": %s", doing, STR_ARG(what), nl_geterror(rc));
}

static struct err *route_socket(struct nl_sock **ret)
{
    struct nl_sock *sock = nl_socket_alloc();
    int rc;

    BUG_ON(!sock);
    rc = nl_connect(sock, NETLINK_ROUTE);
    if (rc < 0) {
        nl_socket_free(sock);
        return failed(rc, "opening", S("rtnetlink"));
    }
    *ret = sock;
    return NULL;
}

static struct nl_addr *network_address(str text, int bits_default)
{
    uint32_t ip;
    int bits = bits_default;

    if (str_has_char(text, '/') ? !ipv4_cidr_parse(text, &ip, &bits) : !ipv4_parse(text, &ip))
        return NULL;
    ip = __builtin_bswap32(ip);
    struct nl_addr *a = nl_addr_build(AF_INET, &ip, sizeof ip);
    BUG_ON(!a);
    nl_addr_set_prefixlen(a, bits);
    return a;
}

/* The link, made when absent, and up. */
static int link_make(struct nl_sock *sock, const char *name, int *ret_index)
{
    struct rtnl_link *link = rtnl_link_bridge_alloc(), *up = rtnl_link_alloc();
    int rc;

    BUG_ON(!link || !up);
    rtnl_link_set_name(link, name);
    rc = rtnl_link_add(sock, link, NLM_F_CREATE | NLM_F_EXCL);
    rtnl_link_put(link);
    link = NULL;
    if (rc == 0 || rc == -NLE_EXIST)
        rc = rtnl_link_get_kernel(sock, 0, name, &link);
    if (rc == 0) {
        *ret_index = rtnl_link_get_ifindex(link);
        rtnl_link_set_flags(up, IFF_UP);
        rc = rtnl_link_change(sock, link, up, 0);
    }
    if (link)
        rtnl_link_put(link);
    rtnl_link_put(up);
    return rc;
}

static int address_put(struct nl_sock *sock, int index, struct nl_addr *local)
{
    struct rtnl_addr *addr = rtnl_addr_alloc();
    int rc;

    BUG_ON(!addr);
    rtnl_addr_set_ifindex(addr, index);
    rtnl_addr_set_local(addr, local);
    rc = rtnl_addr_add(sock, addr, 0);
    rtnl_addr_put(addr);
    return rc == -NLE_EXIST ? 0 : rc;
}

static int route_put(struct nl_sock *sock, int index, struct nl_addr *dst, struct nl_addr *source)
{
    struct rtnl_route *route = rtnl_route_alloc();
    struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
    int rc;

    BUG_ON(!route || !hop);
    rtnl_route_set_family(route, AF_INET);
    rtnl_route_set_table(route, RT_TABLE_MAIN);
    rtnl_route_set_protocol(route, RTPROT_STATIC);
    rtnl_route_set_scope(route, RT_SCOPE_LINK);
    rtnl_route_set_type(route, RTN_UNICAST);
    rtnl_route_set_dst(route, dst);
    if (source)
        rtnl_route_set_pref_src(route, source);
    rtnl_route_nh_set_ifindex(hop, index);
    rtnl_route_add_nexthop(route, hop);
    rc = rtnl_route_add(sock, route, NLM_F_CREATE | NLM_F_REPLACE);
    rtnl_route_put(route);
    return rc;
}

struct err *node_link_set(str address, str network, str source)
{
    struct nl_sock *sock = NULL;
    struct nl_addr *local = NULL, *dst = NULL, *src = NULL;
    struct err *err = NULL;
    int index = 0, rc;

    if (address.n)
        local = network_address(address, 32);
    if (network.n)
        dst = network_address(network, 32);
    if (source.n)
        src = network_address(source, 32);
    if ((address.n && !local) || (network.n && !dst))
        err =
            err_new(REASON_INVALID, "no IPv4 address or network: \"" PRI_STR "\", \"" PRI_STR "\"",
                    STR_ARG(address), STR_ARG(network));
    if (!err)
        err = route_socket(&sock);
    if (!err) {
        rc = link_make(sock, NODE_LINK, &index);
        if (rc == 0 && local)
            rc = address_put(sock, index, local);
        if (rc == 0 && dst)
            rc = route_put(sock, index, dst, src);
        if (rc < 0 && dst && src) /* the source is not on this host */
            rc = route_put(sock, index, dst, NULL);
        if (rc < 0)
            err = failed(rc, "setting up link", S(NODE_LINK));
    }
    nl_socket_free(sock);
    nl_addr_put(local);
    nl_addr_put(dst);
    nl_addr_put(src);
    return err;
}

struct err *node_link_remove(void)
{
    struct nl_sock *sock = NULL;
    struct err *err = route_socket(&sock);
    struct rtnl_link *link;
    int rc;

    if (err)
        return err;
    link = rtnl_link_alloc();
    BUG_ON(!link);
    rtnl_link_set_name(link, NODE_LINK);
    rc = rtnl_link_delete(sock, link);
    rtnl_link_put(link);
    nl_socket_free(sock);
    if (rc < 0 && rc != -NLE_NODEV && rc != -NLE_OBJ_NOTFOUND)
        return failed(rc, "removing link", S(NODE_LINK));
    return NULL;
}

struct err *node_bridge_remove(str name)
{
    char ifname[IFNAMSIZ];
    struct nl_sock *sock = NULL;
    struct nl_cache *links = NULL;
    struct err *err;
    int rc, index;

    if (name.n == 0 || name.n >= IFNAMSIZ)
        return err_new(REASON_INVALID, "no link's name: \"" PRI_STR "\"", STR_ARG(name));
    err = route_socket(&sock);
    if (err)
        return err;
    memcpy(ifname, name.p, name.n);
    ifname[name.n] = 0;
    rc = rtnl_link_alloc_cache(sock, AF_UNSPEC, &links);
    index = rc < 0 ? 0 : rtnl_link_name2i(links, ifname);
    for (struct nl_object *o = index ? nl_cache_get_first(links) : NULL; o;
         o = nl_cache_get_next(o)) {
        struct rtnl_link *link = (struct rtnl_link *)o;
        if (rtnl_link_get_master(link) == index)
            (void)rtnl_link_delete(sock, link); /* it may go by itself, with its namespace */
    }
    if (index) {
        struct rtnl_link *bridge = rtnl_link_get(links, index);
        rc = rtnl_link_delete(sock, bridge);
        rtnl_link_put(bridge);
    }
    if (rc < 0 && rc != -NLE_NODEV && rc != -NLE_OBJ_NOTFOUND)
        err = failed(rc, "removing bridge", name);
    if (links)
        nl_cache_free(links);
    nl_socket_free(sock);
    return err;
}

/* Nothing is kept: the kernel has it all. The handle only says that somebody is responsible. */
struct node_address {
    struct loop *loop;
};

struct err *node_address_add(struct loop *loop, str address, struct node_address **ret)
{
    struct err *err;

    if (address.n == 0)
        return err_new(REASON_INVALID, "no address to put on %s", NODE_LINK);
    err = node_link_set(address, STR_NONE, STR_NONE);
    if (err)
        return err_note(err, "address of the cluster DNS");
    *ret = NEW(struct node_address);
    (*ret)->loop = loop;
    return NULL;
}

void node_address_free(struct node_address *n, bool remove)
{
    if (n && remove) {
        struct err *err = node_link_remove();
        if (err)
            log_error("proxy", "%s", err_text(err));
        err_free(err);
    }
    mem_free(n);
}

struct err *node_unreachable_add(str network)
{
    struct nl_addr *dst = network_address(network, 32);
    struct nl_sock *sock = NULL;
    struct err *err;
    int rc;

    if (!dst)
        return err_new(REASON_INVALID, "bad network \"" PRI_STR "\"", STR_ARG(network));
    err = route_socket(&sock);
    if (!err) {
        struct rtnl_route *route = rtnl_route_alloc();
        BUG_ON(!route);
        rtnl_route_set_family(route, AF_INET);
        rtnl_route_set_table(route, RT_TABLE_MAIN);
        rtnl_route_set_protocol(route, RTPROT_STATIC);
        rtnl_route_set_type(route, RTN_UNREACHABLE);
        rtnl_route_set_scope(route, RT_SCOPE_UNIVERSE);
        rtnl_route_set_priority(route, UNREACHABLE_METRIC);
        rtnl_route_set_dst(route, dst);
        rc = rtnl_route_add(sock, route, NLM_F_CREATE | NLM_F_REPLACE);
        if (rc < 0)
            err = failed(rc, "adding the unreachable route for", network);
        rtnl_route_put(route);
        nl_socket_free(sock);
    }
    nl_addr_put(dst);
    return err;
}

struct err *node_unreachable_remove_all(void)
{
    struct nl_sock *sock = NULL;
    struct nl_cache *routes = NULL;
    struct err *err = route_socket(&sock);
    int rc;

    if (err)
        return err;
    rc = rtnl_route_alloc_cache(sock, AF_INET, 0, &routes);
    if (rc < 0)
        err = failed(rc, "reading", S("routes"));
    for (struct nl_object *o = rc < 0 ? NULL : nl_cache_get_first(routes), *next; o && !err;
         o = next) {
        struct rtnl_route *route = (struct rtnl_route *)o;
        next = nl_cache_get_next(o);
        if (rtnl_route_get_type(route) != RTN_UNREACHABLE ||
            rtnl_route_get_priority(route) != UNREACHABLE_METRIC)
            continue;
        rc = rtnl_route_delete(sock, route, 0);
        if (rc < 0 && rc != -NLE_OBJ_NOTFOUND)
            err = failed(rc, "removing", S("an unreachable route"));
    }
    if (routes)
        nl_cache_free(routes);
    nl_socket_free(sock);
    return err;
}
