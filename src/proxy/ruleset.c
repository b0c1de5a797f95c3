/* ruleset.c - what the table should hold, what it holds, and the commands between.
 *
 * Every named thing (set, chain, map element) is a slot. Services claim slots; the first claimant by name decides the content.
 * A slot whose content differs from what the kernel was last told is dirty, and a batch is the dirty slots in a fixed order:
 * empty the chains that change or go, write sets and chains, take elements out, put elements in, delete sets. So one change
 * among thousands of Services costs a few lines.
 *
 * Invariants
 *   (1) A batch is one transaction: packets see the table before it or after it.
 *   (2) Equal wants and an equal kernel give equal text: dirty slots are written in order of kind and name.
 *   (3) An emptied chain stays until ruleset_batch_stale() has seen it twice (kernels before 6.2, see proxy_internal.h).
 *
 * Not here: running the batch (nft.c), when to run it (proxy.c). */
#include "proxy/proxy_internal.h"

struct claim {
    struct claim *next_in_slot, *next_in_service;
    struct slot *slot;
    const struct service *service;
    const struct bytes *body;
    bool keep;
};
struct service {
    char *name;
    struct claim *claims;
};
struct slot {
    enum rule_kind kind;
    char *name;
    struct claim *claims;        /* by service name: the first is what is wanted */
    const struct bytes *applied; /* NULL: not in the kernel */
    uint8_t stale;     /* chains: 0 in use or absent; 1, 2: emptied, seen that many times */
    struct list dirty; /* in ruleset.dirty, or alone */
};
struct ruleset {
    char *cluster_cidr, *service_cidr; /* empty: no rules about them */
    struct map slots;                  /* kind letter + name -> struct slot */
    struct map services;               /* name -> struct service */
    struct list dirty;
    size_t n_dirty, n_stale;
    bool rebuild;
};

static const char kind_letter[] = {[RULE_SET] = 's', [RULE_CHAIN] = 'c', [RULE_ELEMENT] = 'e'};

static char *cidr_or_empty(str cidr)
{
    uint32_t net;
    int bits;

    return str_dupz(ipv4_cidr_parse(cidr, &net, &bits) ? cidr : S(""));
}

struct ruleset *ruleset_new(const struct proxy_node *node)
{
    struct ruleset *rs = NEW(struct ruleset);

    rs->cluster_cidr = cidr_or_empty(node->cluster_cidr);
    rs->service_cidr = cidr_or_empty(node->service_cidr);
    map_init(&rs->slots);
    map_init(&rs->services);
    list_init(&rs->dirty);
    rs->rebuild = true;
    return rs;
}

static void slot_free(struct slot *s)
{
    bytes_unref(s->applied);
    mem_free(s->name);
    mem_free(s);
}

void ruleset_free(struct ruleset *rs)
{
    if (!rs)
        return;
    MAP_EACH(e, &rs->services) {
        struct service *sv = e->value;
        for (struct claim *c = sv->claims, *next; c; c = next) {
            next = c->next_in_service;
            bytes_unref(c->body);
            mem_free(c);
        }
        mem_free(sv->name);
        mem_free(sv);
    }
    MAP_EACH(e, &rs->slots)
        slot_free(e->value);
    map_fini(&rs->services);
    map_fini(&rs->slots);
    mem_free(rs->cluster_cidr);
    mem_free(rs->service_cidr);
    mem_free(rs);
}

/* ---- wants ---- */

static void slot_key(struct buf *b, enum rule_kind kind, str name)
{
    buf_clear(b);
    buf_char(b, kind_letter[kind]);
    buf_str(b, name);
}

static const struct bytes *slot_wanted(const struct slot *s)
{
    return s->claims ? s->claims->body : NULL;
}

static bool slot_is_current(const struct slot *s)
{
    const struct bytes *w = slot_wanted(s), *a = s->applied;

    return w == a || (w && a && str_eq(bytes_str(w), bytes_str(a)));
}

static void slot_review(struct ruleset *rs, struct slot *s)
{
    bool is_listed = !list_is_empty(&s->dirty);

    if (slot_is_current(s) == is_listed) {
        if (is_listed) {
            list_del(&s->dirty);
            rs->n_dirty--;
        } else {
            list_add_tail(&rs->dirty, &s->dirty);
            rs->n_dirty++;
        }
    }
}

static void slot_drop_if_unused(struct ruleset *rs, struct slot *s)
{
    CLEANUP(buf) struct buf key = BUF_INIT;

    if (s->claims || s->applied || s->stale || !list_is_empty(&s->dirty))
        return;
    slot_key(&key, s->kind, str_of(s->name));
    map_del(&rs->slots, buf_view(&key));
    slot_free(s);
}

static struct slot *slot_get(struct ruleset *rs, const struct rule_item *item, struct buf *key)
{
    slot_key(key, item->kind, item->name);
    struct slot *s = map_find(&rs->slots, buf_view(key));
    if (!s) {
        s = NEW(struct slot);
        s->kind = item->kind;
        s->name = str_dupz(item->name);
        list_init(&s->dirty);
        map_put(&rs->slots, buf_view(key), s);
    }
    return s;
}

static void claim_put(struct service *sv, struct slot *s, str body)
{
    struct claim **at = &s->claims;

    while (*at && strcmp((*at)->service->name, sv->name) < 0)
        at = &(*at)->next_in_slot;
    if (*at && (*at)->service == sv) {
        struct claim *c = *at;
        if (c->keep)
            return; /* said twice, as ports of one Service share endpoints: the first holds */
        c->keep = true;
        if (!str_eq(bytes_str(c->body), body)) {
            bytes_unref(c->body);
            c->body = bytes_new(body);
        }
        return;
    }
    struct claim *c = NEW(struct claim);
    *c = (struct claim){.slot = s,
                        .service = sv,
                        .body = bytes_new(body),
                        .keep = true,
                        .next_in_slot = *at,
                        .next_in_service = sv->claims};
    *at = c;
    sv->claims = c;
}

void ruleset_put(struct ruleset *rs, str service, const struct rule_item *items, size_t n_items)
{
    CLEANUP(buf) struct buf key = BUF_INIT;
    struct service *sv = map_find(&rs->services, service);

    if (!sv) {
        if (n_items == 0)
            return;
        sv = NEW(struct service);
        sv->name = str_dupz(service);
        map_put(&rs->services, service, sv);
    }
    for (struct claim *c = sv->claims; c; c = c->next_in_service)
        c->keep = false;
    for (size_t i = 0; i < n_items; i++)
        claim_put(sv, slot_get(rs, &items[i], &key), items[i].body);

    for (struct claim **at = &sv->claims, *c; (c = *at);) {
        struct slot *s = c->slot;
        if (c->keep) {
            slot_review(rs, s);
            at = &c->next_in_service;
            continue;
        }
        struct claim **in_slot = &s->claims;
        while (*in_slot != c)
            in_slot = &(*in_slot)->next_in_slot;
        *in_slot = c->next_in_slot;
        *at = c->next_in_service;
        bytes_unref(c->body);
        mem_free(c);
        slot_review(rs, s);
        slot_drop_if_unused(rs, s);
    }
    if (!sv->claims) {
        map_del(&rs->services, service);
        mem_free(sv->name);
        mem_free(sv);
    }
}

bool ruleset_is_dirty(const struct ruleset *rs)
{
    return rs->rebuild || rs->n_dirty > 0;
}

void ruleset_lost(struct ruleset *rs)
{
    rs->rebuild = true;
}

/* ---- the batch ---- */

/* What is the same whatever Services there are. The service chains hang on NAT hooks, since translating is decided once per
 * connection; what must be refused is refused in filter hooks, where `reject` is allowed. */
static void write_frame(const struct ruleset *rs, struct buf *b)
{
    const char *svc = rs->service_cidr, *pods = rs->cluster_cidr;

    buf_z(b, "add table ip " PROXY_TABLE "\n"
             "delete table ip " PROXY_TABLE "\n"
             "table ip " PROXY_TABLE " {\n"
             "comment \"rules of k1s for Services\";\n"
             "map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }\n"
             "map service-nodeports { type inet_proto . inet_service : verdict; }\n"
             "map no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict; }\n"
             "map no-endpoint-nodeports { type inet_proto . inet_service : verdict; }\n"
             "map firewall-ips { type ipv4_addr . inet_proto . inet_service : verdict; }\n"
             "set hairpin { type ipv4_addr . ipv4_addr; }\n"
             "chain refuse {\nreject\n}\n"
             "chain services {\n");
    /* An address of the service network that is on a link of this node (the cluster DNS) is served by the node itself. */
    if (*svc)
        buf_fmt(b, "ip daddr %s fib daddr type local return\n", svc);
    buf_z(b, "ip daddr . meta l4proto . th dport vmap @service-ips\n"
             "fib daddr type local meta l4proto . th dport vmap @service-nodeports\n"
             "}\n"
             "chain endpoints-check {\n");
    if (*svc)
        buf_fmt(b, "ip daddr %s fib daddr type local return\n", svc);
    buf_z(b, "ip daddr . meta l4proto . th dport vmap @no-endpoint-services\n"
             "fib daddr type local meta l4proto . th dport vmap @no-endpoint-nodeports\n"
             "}\n"
             "chain strays {\n");
    /* What nothing translated must not leave for the default gateway. */
    if (*svc)
        buf_fmt(b, "ip daddr %s fib daddr type != local reject\n", svc);
    buf_z(
        b,
        "}\n"
        "chain firewall-prerouting {\n"
        "type filter hook prerouting priority -110; policy accept;\n"
        "ct state new ip daddr . meta l4proto . th dport vmap @firewall-ips\n"
        "}\n"
        "chain firewall-output {\n"
        "type filter hook output priority -110; policy accept;\n"
        "ct state new ip daddr . meta l4proto . th dport vmap @firewall-ips\n"
        "}\n"
        "chain filter-input {\n"
        "type filter hook input priority 0; policy accept;\n"
        "ct state new jump endpoints-check\n"
        /* NodePorts on 127.0.0.1 need route_localnet, which would open the loopback services to the neighbours. */
        "ip daddr 127.0.0.0/8 ip saddr != 127.0.0.0/8 ct status ! dnat ct state ! "
        "established,related drop\n"
        "}\n"
        "chain filter-forward {\n"
        "type filter hook forward priority 0; policy accept;\n"
        "ct state new jump endpoints-check\n"
        "jump strays\n"
        "}\n"
        "chain filter-output {\n"
        "type filter hook output priority 0; policy accept;\n"
        "ct state new jump endpoints-check\n"
        "jump strays\n"
        "}\n"
        "chain nat-prerouting {\n"
        "type nat hook prerouting priority -100; policy accept;\n"
        "jump services\n"
        "}\n"
        "chain nat-output {\n"
        "type nat hook output priority -100; policy accept;\n"
        "jump services\n"
        "}\n"
        "chain nat-postrouting {\n"
        "type nat hook postrouting priority 100; policy accept;\n"
        "meta mark & " PROXY_MASQUERADE_MARK " == " PROXY_MASQUERADE_MARK
        " meta mark set meta mark and " PROXY_MASQUERADE_CLEAR " masquerade fully-random\n"
        /* An endpoint that was sent back to itself would answer itself directly. */
        "ip saddr . ip daddr @hairpin ct status dnat masquerade fully-random\n");
    /* The outside does not know the pods' addresses. */
    if (*pods)
        buf_fmt(b,
                "ip saddr %s ip daddr != { %s, 224.0.0.0/4 } fib daddr type != local masquerade "
                "fully-random\n",
                pods, pods);
    buf_z(b, "}\n"
             "}\n");
}

static int slot_cmp(const void *x, const void *y, void *ctx UNUSED)
{
    const struct slot *a = *(struct slot *const *)x, *b = *(struct slot *const *)y;

    if (a->kind != b->kind)
        return (int)a->kind - (int)b->kind;
    return strcmp(a->name, b->name);
}

/* Elements of one map side by side in one command: "add element ip k1s MAP { k : v, k : v }". Sorted input. */
static void write_elements(struct buf *b, struct slot *const *v, size_t n, bool adding)
{
    str open = STR_NONE; /* the map whose braces are open */

    for (size_t i = 0; i < n; i++) {
        const struct bytes *wanted = slot_wanted(v[i]);
        str key = str_of(v[i]->name), map;

        if (v[i]->kind != RULE_ELEMENT || !(adding ? wanted : v[i]->applied))
            continue;
        str_cut(&key, ' ', &map);
        if (!str_eq(open, map)) {
            if (open.p)
                buf_z(b, " }\n");
            buf_fmt(b, "%s element ip " PROXY_TABLE " " PRI_STR " { ", adding ? "add" : "delete",
                    STR_ARG(map));
            open = map;
        } else {
            buf_z(b, ", ");
        }
        buf_str(b, key);
        if (adding && wanted->n > 0)
            buf_fmt(b, " : " PRI_STR, STR_ARG(bytes_str(wanted)));
    }
    if (open.p)
        buf_z(b, " }\n");
}

static void write_slots(struct ruleset *rs, struct slot *const *v, size_t n, struct buf *b)
{
    bool has_block = false;

    for (size_t i = 0; i < n; i++) {
        if (v[i]->kind == RULE_CHAIN && v[i]->applied)
            buf_fmt(b, "flush chain ip " PROXY_TABLE " %s\n", v[i]->name);
        has_block |= v[i]->kind != RULE_ELEMENT && slot_wanted(v[i]);
    }
    if (has_block)
        buf_z(b, "table ip " PROXY_TABLE " {\n");
    for (size_t i = 0; i < n; i++) {
        const struct bytes *wanted = slot_wanted(v[i]);
        if (wanted && v[i]->kind != RULE_ELEMENT)
            buf_fmt(b, "%s %s {\n" PRI_STR "%s}\n", v[i]->kind == RULE_SET ? "set" : "chain",
                    v[i]->name, STR_ARG(bytes_str(wanted)), v[i]->kind == RULE_SET ? "\n" : "");
    }
    if (has_block)
        buf_z(b, "}\n");
    write_elements(b, v, n, false);
    write_elements(b, v, n, true);
    for (size_t i = 0; i < n; i++)
        if (v[i]->kind == RULE_SET && !slot_wanted(v[i]))
            buf_fmt(b, "delete set ip " PROXY_TABLE " %s\n", v[i]->name);
}

/* The kernel will have what is wanted: remember it. */
static void slot_applied(struct ruleset *rs, struct slot *s)
{
    const struct bytes *wanted = slot_wanted(s);
    bool was_there = s->applied != NULL;

    if (s->stale) {
        s->stale = 0;
        rs->n_stale--;
    }
    if (!wanted && was_there && s->kind == RULE_CHAIN) {
        s->stale = 1;
        rs->n_stale++;
    }
    bytes_unref(s->applied);
    s->applied = wanted ? bytes_ref(wanted) : NULL;
    if (!list_is_empty(&s->dirty)) {
        list_del(&s->dirty);
        rs->n_dirty--;
    }
    slot_drop_if_unused(rs, s);
}

void ruleset_batch(struct ruleset *rs, struct buf *out)
{
    struct slot **v, *s;
    size_t n = 0;

    if (rs->rebuild) {
        write_frame(rs, out);
        v = mem_alloc((rs->slots.n + 1) * sizeof(struct slot *));
        MAP_EACH(e, &rs->slots) {
            s = e->value;
            bytes_unref(TAKE(s->applied)); /* the table starts empty */
            s->stale = 0;
            v[n++] = s;
        }
        rs->n_stale = 0;
        rs->rebuild = false;
    } else {
        v = mem_alloc((rs->n_dirty + 1) * sizeof(struct slot *));
        LIST_EACH(s, &rs->dirty, dirty)
            v[n++] = s;
    }
    sort_with(v, n, sizeof *v, slot_cmp, NULL);
    write_slots(rs, v, n, out);
    for (size_t i = 0; i < n; i++)
        slot_applied(rs, v[i]);
    mem_free(v);
}

bool ruleset_has_stale(const struct ruleset *rs)
{
    return rs->n_stale > 0;
}

void ruleset_batch_stale(struct ruleset *rs, struct buf *out)
{
    struct slot **v = mem_alloc((rs->n_stale + 1) * sizeof(struct slot *));
    size_t n = 0;

    if (rs->rebuild) { /* the next batch deletes everything anyway */
        mem_free(v);
        return;
    }
    MAP_EACH(e, &rs->slots) {
        struct slot *s = e->value;
        if (s->stale == 1)
            s->stale = 2;
        else if (s->stale == 2)
            v[n++] = s;
    }
    sort_with(v, n, sizeof *v, slot_cmp, NULL);
    for (size_t i = 0; i < n; i++) {
        buf_fmt(out, "delete chain ip " PROXY_TABLE " %s\n", v[i]->name);
        v[i]->stale = 0;
        rs->n_stale--;
        slot_drop_if_unused(rs, v[i]);
    }
    mem_free(v);
}
