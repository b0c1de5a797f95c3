/* servicecidr.c - says of ServiceCIDRs that they are ready, and lets one that is being deleted go
 * only when no address would be left without a range.
 *
 * An address is covered while some ServiceCIDR holds it. A range that lies within another one may
 * go at once: the other one has its addresses. Before the finalizer goes a deletion has to be ten
 * seconds old, the time that Kubernetes leaves to allocators to hear of it.
 * Source: pkg/controller/servicecidrs/servicecidrs_controller.go */
#include "controllers/controllers_internal.h"

#include <arpa/inet.h>

#define FINALIZER "networking.k8s.io/service-cidr-finalizer"
#define MANAGER "service-cidr-controller"
#define DELETION_GRACE_NS (10 * NS_PER_S)

struct prefix {
    unsigned char addr[16];
    int family, bits; /* bits of an address: all of it */
};

static bool prefix_parse(str s, struct prefix *ret)
{
    char text[INET6_ADDRSTRLEN];
    str rest = s, addr;
    int64_t bits = -1;

    *ret = (struct prefix){.family = str_find(s, S(":")) < 0 ? AF_INET : AF_INET6};
    str_cut(&rest, '/', &addr);
    ret->bits = ret->family == AF_INET ? 32 : 128;
    if (rest.n && (!str_to_int64(rest, &bits) || bits < 0 || bits > ret->bits))
        return false;
    if (bits >= 0)
        ret->bits = (int)bits;
    if (addr.n >= sizeof text)
        return false;
    memcpy(text, addr.p, addr.n);
    text[addr.n] = 0;
    return inet_pton(ret->family, text, ret->addr) == 1;
}

static bool prefix_holds(const struct prefix *p, const struct prefix *inner)
{
    int bytes = p->bits / 8, rest = p->bits % 8;

    if (p->family != inner->family || p->bits > inner->bits ||
        memcmp(p->addr, inner->addr, (size_t)bytes))
        return false;
    return !rest || !((p->addr[bytes] ^ inner->addr[bytes]) >> (8 - rest));
}

/* ---- ranges in the cache ---- */

struct ranges {
    struct arena *a;
    struct range {
        struct prefix p;
        str owner; /* the ServiceCIDR's name */
    } * all;
    uint32_t n, cap;
};

static bool add_ranges(void *ctx, const struct obj *o)
{
    struct ranges *x = ctx;
    struct prefix p;

    JSON_EACH(c, json_path(tree_of(x->a, o), "spec.cidrs")) {
        if (!prefix_parse(json_str(c), &p))
            continue;
        if (x->n == x->cap) {
            x->all = arena_grow(x->a, x->all, x->cap * sizeof *x->all,
                                (x->cap * 2 + 4) * sizeof *x->all);
            x->cap = x->cap * 2 + 4;
        }
        x->all[x->n++] = (struct range){p, o->key.name};
    }
    return true;
}

/* Somebody other than `but` holds all of p. */
static bool held_elsewhere(const struct ranges *x, const struct prefix *p, str but)
{
    for (uint32_t i = 0; i < x->n; i++)
        if (!str_eq(x->all[i].owner, but) && prefix_holds(&x->all[i].p, p))
            return true;
    return false;
}

struct orphans {
    const struct ranges *ranges;
    str name;
    bool found;
};

static bool find_orphan(void *ctx, const struct obj *ip)
{
    struct orphans *x = ctx;
    struct prefix p;
    str by;
    bool ours = false;

    if (!packed_get(ip->labels, S("ipaddress.kubernetes.io/managed-by"), &by) ||
        !str_is(by, "ipallocator.k8s.io") || !prefix_parse(ip->key.name, &p))
        return true;
    for (uint32_t i = 0; i < x->ranges->n; i++)
        ours |= str_eq(x->ranges->all[i].owner, x->name) && prefix_holds(&x->ranges->all[i].p, &p);
    x->found = ours && !held_elsewhere(x->ranges, &p, x->name);
    return !x->found;
}

static bool may_go(struct reconcile *r)
{
    struct ranges x = {.a = r->a};
    struct orphans o = {&x, r->name, false};
    bool within = true;

    informer_each(r->caches[K_SERVICECIDRS], STR_NONE, add_ranges, &x);
    for (uint32_t i = 0; i < x.n; i++)
        if (str_eq(x.all[i].owner, r->name))
            within &= held_elsewhere(&x, &x.all[i].p, r->name);
    if (within)
        return true;
    informer_each(r->caches[K_IPADDRESSES], STR_NONE, find_orphan, &o);
    return !o.found;
}

/* ---- */

static void set_ready(struct reconcile *r, const struct json *cidr, bool ready)
{
    const char *status = ready ? "True" : "False";
    const struct json *is = condition_find(json_path(cidr, "status.conditions"), "Ready");
    struct json *apply, *list, c = json_object();
    struct action *act;

    if (is && str_is(json_get_str(is, "status"), status))
        return;
    apply = json_new(r->a, json_object());
    json_setz(r->a, apply, "kind", json_string(kinds[K_SERVICECIDRS].kind));
    json_setz(r->a, apply, "apiVersion", json_z("networking.k8s.io/v1"));
    json_setz(r->a, json_make(r->a, apply, "metadata", JSON_OBJECT), "name", json_string(r->name));
    json_setz(r->a, &c, "type", json_z("Ready"));
    json_setz(r->a, &c, "status", json_z(status));
    if (!ready)
        json_setz(r->a, &c, "reason", json_z("Terminating"));
    json_setz(r->a, &c, "message",
              json_z(ready ? "Kubernetes Service CIDR is ready"
                           : "There are still IPAddresses referencing the ServiceCIDR, please "
                             "remove them or create a new ServiceCIDR"));
    json_setz(r->a, &c, "lastTransitionTime", time_json(r->a, r->now));
    list = json_make(r->a, apply, "status.conditions", JSON_ARRAY);
    json_append(r->a, list, c);
    act = plan_patch(&r->plan, &kinds[K_SERVICECIDRS], STR_NONE, r->name, S("status"), PATCH_APPLY,
                     apply);
    act->query = "?fieldManager=" MANAGER "&force=true";
    act->flags = ACT_IGNORE_NOT_FOUND;
}

static bool has_finalizer(const struct json *cidr)
{
    JSON_EACH(f, json_path(cidr, "metadata.finalizers"))
        if (str_is(json_str(f), FINALIZER))
            return true;
    return false;
}

static void patch_finalizer(struct reconcile *r, const char *member)
{
    struct json *patch = json_new(r->a, json_object()), list = json_array(),
                *meta = json_setz(r->a, patch, "metadata", json_object());

    json_append(r->a, &list, json_z(FINALIZER));
    json_setz(r->a, meta, member, list);
    plan_patch(&r->plan, &kinds[K_SERVICECIDRS], STR_NONE, r->name, STR_NONE, PATCH_STRATEGIC,
               patch)
        ->flags = ACT_IGNORE_NOT_FOUND;
}

static void reconcile(struct reconcile *r)
{
    struct json *cidr = look_tree(r, K_SERVICECIDRS, STR_NONE, r->name);
    wall_time since = r->now;
    int64_t left;

    if (!cidr)
        return;
    if (!is_deleting(cidr)) {
        if (!has_finalizer(cidr))
            patch_finalizer(r, "finalizers");
        set_ready(r, cidr, true);
        return;
    }
    if (!has_finalizer(cidr))
        return;
    if (!may_go(r)) {
        set_ready(r, cidr, false);
        return;
    }
    time_of(json_path(cidr, "metadata.deletionTimestamp"), &since);
    left = since.ns + DELETION_GRACE_NS - r->now.ns;
    if (left > 0)
        plan_requeue(&r->plan, left);
    else
        patch_finalizer(r, "$deleteFromPrimitiveList/finalizers");
}

/* ---- what wakes ---- */

/* Only those that wait for their end have an ear for others. */
static bool wake_deleting(void *ctx, const struct obj *o)
{
    if (client_text_find(o->data, "metadata.deletionTimestamp").n)
        wake(ctx, STR_NONE, o->key.name);
    return true;
}

static void others_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    (void)obj;
    (void)prev;
    informer_each(controller_cache(c, K_SERVICECIDRS), STR_NONE, wake_deleting, c);
}

static const struct trigger triggers[] = {{K_SERVICECIDRS, others_changed},
                                          {K_IPADDRESSES, others_changed}};

const struct controller_type servicecidr_controller = {
    .name = "service-cidr",
    .component = MANAGER,
    .primary = K_SERVICECIDRS,
    .triggers = triggers,
    .n_triggers = ARRAY_LEN(triggers),
    .reconcile = reconcile,
};
