/* service_addresses.c - cluster addresses: given out from the ranges of ServiceCIDRs, each recorded
 * in an IPAddress object.
 *
 * Invariants
 *   (1) An IPAddress is written in the same transaction as the Service that takes (leaves) the
 *       address: no crash can come between them.
 *   (2) Whether an address is free is asked of the newest version written, durable or not, by the
 *       function of the write itself: two requests under way cannot both get it.
 *
 * Addresses that nobody has asked for by name come from the upper part of a range first, so that
 * the lower part is left to those who choose. A dry run looks only at the ranges and shows a range's
 * base address. API: https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/,
 * pkg/registry/core/service/ipallocator/{ipallocator,cidrallocator}.go */
#include "api/service_addresses.h"
#include "api/dynamic/dynamic_internal.h"

#include <arpa/inet.h>

#define SERVICE_ADDRESSES 2 /* an address of each family at most */

struct range { /* IPv4, host order; 64 bits since a range may be everything */
    uint64_t base, first, last, dynamic_first;
    str text; /* as the ServiceCIDR has it */
};
struct addresses {
    struct api *api;
    struct store_watch *watch; /* of ServiceCIDRs */
    bool stale;                /* ranges are to be read again */
    struct arena *a;           /* of ranges */
    struct range *ranges;      /* those that are ready, in the order of their objects' names */
    uint32_t n, cap;
};

const struct kind *address_kind(struct api *api)
{
    return api_find_kind(api, S("networking.k8s.io"), S("v1"), S("ipaddresses"));
}

static const struct kind *range_kind(struct api *api)
{
    return api_find_kind(api, S("networking.k8s.io"), S("v1"), S("servicecidrs"));
}

/* ---- ranges ---- */

static bool ipv4_parse(str s, uint64_t *ret)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr in;

    if (s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    if (inet_pton(AF_INET, text, &in) != 1)
        return false;
    *ret = ntohl(in.s_addr);
    return true;
}

static bool range_parse(str cidr, struct range *ret)
{
    str rest = cidr, addr;
    int64_t bits;
    uint64_t base, size;

    if (!str_cut(&rest, '/', &addr) || !rest.p || !str_to_int64(rest, &bits) || bits < 0 ||
        bits > 32 || !ipv4_parse(addr, &base))
        return false;
    size = UINT64_C(1) << (32 - bits);
    base &= ~(size - 1);
    *ret = (struct range){.base = base, .first = base + 1, .text = cidr};
    ret->last = size > 2 ? base + size - 2 : base; /* base < first: it has no addresses */
    /* min(max(16, size/16), 256) addresses are left to users' own choice, none of tiny ranges. */
    ret->dynamic_first = ret->first + (size <= 16 ? 0 : MIN(MAX(UINT64_C(16), size / 16), 256u));
    return true;
}

static void range_add(struct addresses *x, str cidr)
{
    struct range r;

    if (!range_parse(arena_dup(x->a, cidr), &r))
        return; /* of the other family */
    if (x->n == x->cap) {
        x->ranges = arena_grow(x->a, x->ranges, x->cap * sizeof r, (x->cap * 2 + 4) * sizeof r);
        x->cap = x->cap * 2 + 4;
    }
    x->ranges[x->n++] = r;
}

/* Without a word of the controller a range may be used, as Kubernetes has it. */
static bool range_is_ready(const struct json *cidr)
{
    if (json_at(cidr, "metadata", "deletionTimestamp", NULL))
        return false;
    JSON_EACH(c, json_at(cidr, "status", "conditions", NULL))
        if (str_is(json_get_str(c, "type"), "Ready"))
            return str_is(json_get_str(c, "status"), "True");
    return true;
}

static bool range_read(void *ctx, const struct obj *o)
{
    struct addresses *x = ctx;
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *v = object_parse(a, arena_dup(a, o->data));

    if (range_is_ready(v))
        JSON_EACH(c, json_at(v, "spec", "cidrs", NULL))
            range_add(x, json_str(c));
    return true;
}

static str first_of(str cidrs) /* dual stack: the first range is ours */
{
    str first;

    str_cut(&cidrs, ',', &first);
    return first;
}

static void ranges_refresh(struct addresses *x)
{
    if (!x->stale)
        return;
    /* Before the first ServiceCIDR is stored, there is what the server was started with. */
    x->stale = !x->api->bootstrapped;
    arena_reset(x->a);
    x->ranges = NULL;
    x->n = x->cap = 0;
    if (x->stale)
        range_add(x, first_of(x->api->o.service_cidr));
    store_each(x->api->store, range_kind(x->api)->r->storage_resource, S(""), NULL, range_read, x);
}

static const struct range *range_find(struct addresses *x, uint64_t ip)
{
    ranges_refresh(x);
    for (uint32_t i = 0; i < x->n; i++)
        if (ip >= x->ranges[i].first && ip <= x->ranges[i].last)
            return &x->ranges[i];
    return NULL;
}

struct within {
    uint64_t ip;
    bool found;
};

static bool range_holds(void *ctx, const struct obj *o)
{
    struct within *w = ctx;
    CLEANUP(arena) struct arena *a = arena_new();
    struct range r;

    JSON_EACH(c, json_at(object_parse(a, arena_dup(a, o->data)), "spec", "cidrs", NULL))
        w->found |= range_parse(json_str(c), &r) && w->ip >= r.first && w->ip <= r.last;
    return !w->found;
}

bool address_in_any_range(struct api *api, str ip)
{
    struct within w = {0};

    if (!ipv4_parse(ip, &w.ip))
        return true; /* not given out by us: nothing to say */
    store_each(api->store, range_kind(api)->r->storage_resource, S(""), NULL, range_holds, &w);
    return w.found;
}

static void ranges_changed(void *ctx, const struct store_event *ev)
{
    struct addresses *x = ctx;

    x->stale = true;
    if (ev->type == STORE_DELETED && str_is(ev->obj->key.name, DEFAULT_RANGE) &&
        x->api->bootstrapped && !x->api->closing)
        repair_default_range(x->api);
}

struct err *addresses_new(struct api *api, struct addresses **ret)
{
    static const struct store_watch_events events = {.event = ranges_changed};
    struct addresses *x = NEW(struct addresses);
    struct range r;

    *ret = x;
    x->api = api;
    x->a = arena_new();
    x->stale = true;
    if (!range_parse(first_of(api->o.service_cidr), &r) || r.last - r.base < 2 ||
        r.last - r.base >= 1 << 24)
        return err_new(REASON_INVALID,
                       "service CIDR " PRI_STR " is not an IPv4 range between /8 and /30",
                       STR_ARG(first_of(api->o.service_cidr)));
    return store_watch(api->store, range_kind(api)->r->storage_resource, S(""),
                       store_revision(api->store), &events, x, &x->watch);
}

void addresses_free(struct addresses *x)
{
    if (!x)
        return;
    if (x->watch)
        store_watch_close(x->watch);
    arena_free(x->a);
    mem_free(x);
}

/* ---- giving ---- */

static str ip_text(struct arena *a, uint64_t ip)
{
    return arena_fmt(a, "%u.%u.%u.%u", (unsigned)(ip >> 24), (unsigned)(ip >> 16 & 255),
                     (unsigned)(ip >> 8 & 255), (unsigned)(ip & 255));
}

static const struct obj *address_newest(struct api *api, str ip)
{
    return store_newest(api->store, kind_key(address_kind(api), S(""), ip));
}

/* A free address of first..last from a random place on; none: empty. */
static str pick(struct write *w, uint64_t first, uint64_t last)
{
    uint64_t n = last + 1 - first, start;
    char text[INET_ADDRSTRLEN];

    if (last < first)
        return STR_NONE;
    answers_random(w->answers, w->api, &start, sizeof start);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t ip = first + (start % n + i) % n;
        struct in_addr in = {htonl((uint32_t)ip)};

        if (!address_newest(w->api, str_of(inet_ntop(AF_INET, &in, text, sizeof text))))
            return arena_dup(w->a, str_of(text));
    }
    return STR_NONE;
}

static str pick_any(struct addresses *x, struct write *w)
{
    str ip = STR_NONE;

    ranges_refresh(x);
    for (uint32_t i = 0; i < x->n && !ip.n; i++) {
        const struct range *r = &x->ranges[i];

        if (w->dry_run)
            return ip_text(w->a, r->base);
        ip = pick(w, r->dynamic_first, r->last);
        if (!ip.n)
            ip = pick(w, r->first, MIN(r->dynamic_first - 1, r->last));
    }
    return ip;
}

static struct err *refused(struct write *w, str ip, const char *why)
{
    struct err *e = NULL;

    cause(&e, CAUSE_INVALID, S("spec.clusterIPs"),
          "Invalid value: [\"" PRI_STR "\"]: failed to allocate IP " PRI_STR ": %s", STR_ARG(ip),
          STR_ARG(ip), why);
    return err_invalid(e, S(""), S("Service"), w->name);
}

static struct err *look(struct addresses *x, struct write *w, str ip)
{
    uint64_t v;

    if (!ipv4_parse(ip, &v) || !range_find(x, v)) {
        if (w->dry_run && x->n)
            return refused(w, ip,
                           arena_fmt(w->a,
                                     "the provided IP (" PRI_STR ") is not in the valid range. The "
                                     "range of valid IPs is " PRI_STR,
                                     STR_ARG(ip), STR_ARG(x->ranges[0].text))
                               .p);
        return refused(w, ip, "the provided network does not match the current range");
    }
    if (!w->dry_run && address_newest(w->api, ip))
        return refused(w, ip, "provided IP is already allocated");
    return NULL;
}

static bool wants_address(const struct json *spec)
{
    return !str_is(json_get_str(spec, "type"), "ExternalName") &&
           !str_is(json_str(json_item(json_findz(spec, "clusterIPs"), 0)), "None");
}

struct err *addresses_give(struct write *w, struct json *spec)
{
    struct addresses *x = w->api->addresses;
    str ip = json_str(json_item(json_findz(spec, "clusterIPs"), 0));
    struct json one = json_array();
    struct err *e;

    if (!wants_address(spec))
        return NULL;
    if (!ip.n) {
        ip = pick_any(x, w);
        if (!ip.n)
            return err_internal("failed to allocate a serviceIP: range is full");
    } else if (!service_has_address(w->old, ip)) {
        e = look(x, w, ip);
        if (e)
            return e;
    }
    json_append(w->a, &one, json_string(ip));
    json_setz(w->a, spec, "clusterIP", json_string(ip));
    json_setz(w->a, spec, "clusterIPs", one);
    return NULL;
}

/* ---- IPAddresses ---- */

bool service_has_address(const struct json *service, str ip)
{
    const struct json *spec = json_findz(service, "spec");

    if (wants_address(spec))
        JSON_EACH(a, json_findz(spec, "clusterIPs"))
            if (str_eq(json_str(a), ip))
                return true;
    return false;
}

struct json *address_object(struct arena *a, str ip, str ns, str service)
{
    struct json *v = json_new(a, json_object()), *labels, *ref;

    json_setz(a, v, "kind", json_z("IPAddress"));
    json_setz(a, v, "apiVersion", json_z("networking.k8s.io/v1"));
    json_setz(a, json_make(a, v, "metadata", JSON_OBJECT), "name", json_string(ip));
    labels = json_make(a, v, "metadata.labels", JSON_OBJECT);
    json_setz(a, labels, "ipaddress.kubernetes.io/ip-family",
              json_z(str_find(ip, S(":")) < 0 ? "IPv4" : "IPv6"));
    json_setz(a, labels, "ipaddress.kubernetes.io/managed-by", json_z("ipallocator.k8s.io"));
    ref = json_make(a, v, "spec.parentRef", JSON_OBJECT);
    json_setz(a, ref, "resource", json_z("services"));
    json_setz(a, ref, "namespace", json_string(ns));
    json_setz(a, ref, "name", json_string(service));
    return v;
}

struct req *own_request(struct api *api, struct arena *a)
{
    struct req *q = ARENA_NEW(a, struct req);
    struct user *u = ARENA_NEW(a, struct user);

    *u = (struct user){.name = S("system:apiserver"), .masters = true};
    q->api = api;
    q->a = a;
    q->user = u;
    q->warnings = json_array();
    q->wo.manager = S("kube-apiserver");
    return q;
}

static struct err *address_make(struct write *w, str ip, int64_t revision,
                                struct store_companion *ret)
{
    const struct kind *k = address_kind(w->api);
    struct write n = {.api = w->api,
                      .req = own_request(w->api, w->a),
                      .a = w->a,
                      .kind = k,
                      .name = ip,
                      .obj = address_object(w->a, ip, w->ns, w->name),
                      .now = w->now,
                      .bootstrap = true};
    struct err *e;
    str reply;

    ret->key = kind_key(k, S(""), ip);
    e = write_create_steps(&n);
    return e ? e : write_put(&n, NULL, revision, &ret->change, &reply);
}

/* Only what is the Service's own; an IPAddress with finalizers is but marked. */
static struct err *address_drop(struct api *api, struct arena *a, str ip,
                                const struct json *service, int64_t revision,
                                struct store_companion *ret)
{
    const struct kind *k = address_kind(api);
    const struct obj *o = address_newest(api, ip);
    struct delete_options options = {0};
    const struct json *ref;
    bool gone;
    str reply;

    ret->change.op = STORE_KEEP;
    if (!o)
        return NULL;
    ref = json_at(object_parse(a, arena_dup(a, o->data)), "spec", "parentRef", NULL);
    if (!str_is(json_get_str(ref, "resource"), "services") || json_get_str(ref, "group").n ||
        !str_eq(json_get_str(ref, "name"), meta_str(service, "name")) ||
        !str_eq(json_get_str(ref, "namespace"), meta_str(service, "namespace")))
        return NULL;
    ret->key = kind_key(k, S(""), o->key.name);
    return delete_decide(own_request(api, a), k, a, o, revision, &options, &ret->change, &gone,
                         &reply);
}

/* Drops those of `had` that `has` lacks; revisions count up from *revision. */
static struct err *drop_all(struct api *api, struct arena *a, const struct json *had,
                            const struct json *has, int64_t *revision, struct store_companion *list,
                            size_t *n)
{
    const struct json *spec = json_findz(had, "spec");

    if (!had || !wants_address(spec))
        return NULL;
    JSON_EACH(v, json_findz(spec, "clusterIPs")) {
        struct err *e;

        if (!json_str(v).n || service_has_address(has, json_str(v)) || *n >= 2 * SERVICE_ADDRESSES)
            continue;
        e = address_drop(api, a, json_str(v), had, *revision + 1, &list[*n]);
        if (e)
            return e;
        if (list[*n].change.op != STORE_KEEP) {
            ++*revision;
            ++*n;
        }
    }
    return NULL;
}

struct err *addresses_claim(struct write *w, int64_t revision, struct store_change *ret)
{
    const struct json *spec = json_findz(w->obj, "spec");
    struct store_companion *list = ARENA_NEW_N(w->a, struct store_companion, 2 * SERVICE_ADDRESSES);
    size_t n = 0;
    struct err *e;

    ret->n_companions = 0;
    if (wants_address(spec))
        JSON_EACH(v, json_findz(spec, "clusterIPs")) {
            str ip = json_str(v);

            if (!ip.n || service_has_address(w->old, ip) || n >= SERVICE_ADDRESSES)
                continue;
            /* Meanwhile somebody may have come first. */
            if (address_newest(w->api, ip))
                return refused(w, ip, "provided IP is already allocated");
            e = address_make(w, ip, ++revision, &list[n++]);
            if (e)
                return e;
        }
    e = drop_all(w->api, w->a, w->old, w->obj, &revision, list, &n);
    if (e)
        return e;
    ret->companions = list;
    ret->n_companions = n;
    return NULL;
}

struct err *addresses_release(struct api *api, struct arena *a, const struct json *service,
                              int64_t revision, struct store_change *ret)
{
    struct store_companion *list = ARENA_NEW_N(a, struct store_companion, 2 * SERVICE_ADDRESSES);
    size_t n = 0;
    struct err *e = drop_all(api, a, service, NULL, &revision, list, &n);

    ret->companions = list;
    ret->n_companions = n;
    return e;
}
