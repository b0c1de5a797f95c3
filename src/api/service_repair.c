/* service_repair.c - keeps Services and IPAddresses in agreement when somebody else has changed one
 * of them.
 *
 * The server's own writes cannot tear them apart (service_addresses.c), so all is looked at once,
 * at the start, and then only what a change of an IPAddress concerns:
 *   a Service without its IPAddress            it is made again
 *   an IPAddress that names the wrong owner,
 *   or lost its labels                         it is made anew
 *   one of ours without a Service              goes after a minute, as it may be a Service's to come
 *   the default ServiceCIDR                    is made again
 * Each is told by an Event. Two Services with one address are only told of.
 *
 * One timer serves the minute: when it fires, all IPAddresses are looked at. It is not set while
 * nothing is suspicious. Source: pkg/registry/core/service/ipallocator/controller/repairip.go */
#include "api/dynamic/dynamic_internal.h"
#include "api/service_addresses.h"

#define LEAK_NS (60 * NS_PER_S)
#define REPORTER "ipallocator-repair-controller"

struct repair {
    struct api *api;
    struct store_watch *watch;
    struct loop_timer *timer;
};

/* ---- writes of our own ---- */

struct own {
    struct api *api;
    struct arena *a;
    struct write w; /* of a create */
    struct key key;
    int64_t revision; /* of a delete: only this version */
    str service_ns, service;
    struct json *status; /* of a create, which would drop it; NULL: none */
};

static void own_done(void *ctx, struct err *e, const struct obj *result)
{
    struct own *o = ctx;

    (void)result;
    if (e)
        log_info("api", "repair of cluster addresses: " PRI_STR " " PRI_STR ": %s",
                 STR_ARG(o->key.resource), STR_ARG(o->key.name), err_text(e));
    err_free(e);
    arena_free(o->a);
}

static struct own *own_new(struct api *api)
{
    struct arena *a = arena_new();
    struct own *o = ARENA_NEW(a, struct own);

    o->api = api;
    o->a = a;
    return o;
}

static bool has_address(struct arena *a, struct api *api, str ns, str name, str ip,
                        const struct obj **ret_service)
{
    const struct obj *s = store_newest(api->store, kind_key(api_core(api, "services"), ns, name));

    *ret_service = s;
    return s && service_has_address(object_parse(a, arena_dup(a, s->data)), ip);
}

static struct err *own_put(void *ctx, struct arena *a, const struct obj *current, int64_t revision,
                           struct store_change *ret)
{
    struct own *o = ctx;
    const struct obj *s;
    struct err *e;
    str reply;

    (void)a;
    if (current ||
        (o->service.n && !has_address(o->a, o->api, o->service_ns, o->service, o->key.name, &s)))
        return NULL;
    e = write_create_steps(&o->w);
    if (!e && o->status)
        json_setz(o->a, o->w.obj, "status", *o->status);
    return e ? e : write_put(&o->w, NULL, revision, ret, &reply);
}

static struct own *own_create(struct api *api, const struct kind *k, struct own *o,
                              struct json *obj)
{
    o->w = (struct write){.api = api,
                          .req = own_request(api, o->a),
                          .a = o->a,
                          .kind = k,
                          .ns = meta_str(obj, "namespace"),
                          .name = meta_str(obj, "name"),
                          .obj = obj,
                          .now = loop_wall(api->loop),
                          .bootstrap = true};
    o->key = kind_key(k, o->w.ns, o->w.name);
    store_update(api->store, o->key, own_put, own_done, o);
    return o;
}

static void address_create(struct api *api, str ip, str ns, str service)
{
    struct own *o = own_new(api);

    o->service_ns = arena_dup(o->a, ns);
    o->service = arena_dup(o->a, service);
    own_create(api, address_kind(api), o,
               address_object(o->a, arena_dup(o->a, ip), o->service_ns, o->service));
}

void repair_default_range(struct api *api)
{
    struct own *o = own_new(api);
    struct json *v = json_new(o->a, json_object()), *spec, cidrs = json_array(), *list,
                ready = json_object();
    str rest = api->o.service_cidr, cidr;

    json_setz(o->a, v, "kind", json_z("ServiceCIDR"));
    json_setz(o->a, v, "apiVersion", json_z("networking.k8s.io/v1"));
    json_setz(o->a, json_make(o->a, v, "metadata", JSON_OBJECT), "name", json_z(DEFAULT_RANGE));
    while (rest.n && str_cut(&rest, ',', &cidr))
        json_append(o->a, &cidrs, json_string(cidr));
    spec = json_setz(o->a, v, "spec", json_object());
    json_setz(o->a, spec, "cidrs", cidrs);
    json_setz(o->a, &ready, "type", json_z("Ready"));
    json_setz(o->a, &ready, "status", json_z("True"));
    json_setz(o->a, &ready, "reason", json_z(""));
    json_setz(o->a, &ready, "message", json_z("Kubernetes default Service CIDR is ready"));
    json_setz(o->a, &ready, "lastTransitionTime",
              json_string(now_text(o->a, loop_wall(api->loop))));
    o->status = json_new(o->a, json_object());
    list = json_setz(o->a, o->status, "conditions", json_array());
    json_append(o->a, list, ready);
    own_create(api, api_find_kind(api, S("networking.k8s.io"), S("v1"), S("servicecidrs")), o, v);
}

static struct err *own_delete(void *ctx, struct arena *a, const struct obj *current,
                              int64_t revision, struct store_change *ret)
{
    struct own *o = ctx;
    struct delete_options options = {0};
    bool gone;
    str reply;

    (void)a;
    if (!current || current->revision != o->revision)
        return NULL;
    return delete_decide(own_request(o->api, o->a), address_kind(o->api), o->a, current, revision,
                         &options, ret, &gone, &reply);
}

static void address_delete(struct api *api, const struct obj *ip)
{
    struct own *o = own_new(api);

    o->key = kind_key(address_kind(api), S(""), arena_dup(o->a, ip->key.name));
    o->revision = ip->revision;
    store_update(api->store, o->key, own_delete, own_done, o);
}

static void event(struct api *api, const struct obj *on, const char *reason, const char *action,
                  const char *fmt, ...) PRINTF(5, 6);
static void event(struct api *api, const struct obj *on, const char *reason, const char *action,
                  const char *fmt, ...)
{
    struct own *o = own_new(api);
    struct arena *a = o->a;
    struct json *v = json_new(a, json_object()), *meta, *regarding,
                *is = object_parse(a, arena_dup(a, on->data));
    wall_time now = loop_wall(api->loop);
    str ns = on->key.ns.n ? arena_dup(a, on->key.ns) : S("default"), second = now_text(a, now);
    va_list ap;

    json_setz(a, v, "kind", json_z("Event"));
    json_setz(a, v, "apiVersion", json_z("events.k8s.io/v1"));
    meta = json_setz(a, v, "metadata", json_object());
    json_setz(a, meta, "name",
              json_string(arena_fmt(a, PRI_STR ".%llx", STR_ARG(on->key.name),
                                    (unsigned long long)now.ns)));
    json_setz(a, meta, "namespace", json_string(ns));
    json_setz(
        a, v, "eventTime",
        json_string(arena_fmt(a, PRI_STR ".%06lldZ", STR_ARG(str_slice(second, 0, second.n - 1)),
                              (long long)(now.ns % NS_PER_S / 1000))));
    json_setz(a, v, "reportingController", json_z(REPORTER));
    json_setz(a, v, "reportingInstance", json_z(REPORTER));
    json_setz(a, v, "action", json_z(action));
    json_setz(a, v, "reason", json_z(reason));
    regarding = json_setz(a, v, "regarding", json_object());
    json_setz(a, regarding, "kind", json_string(json_get_str(is, "kind")));
    json_setz(a, regarding, "apiVersion", json_string(json_get_str(is, "apiVersion")));
    if (on->key.ns.n)
        json_setz(a, regarding, "namespace", json_string(ns));
    json_setz(a, regarding, "name", json_string(arena_dup(a, on->key.name)));
    json_setz(a, regarding, "uid", json_string(arena_dup(a, on->uid)));
    json_setz(a, regarding, "resourceVersion",
              json_string(arena_fmt(a, "%lld", (long long)on->revision)));
    va_start(ap, fmt);
    json_setz(a, v, "note", json_string(arena_vfmt(a, fmt, ap)));
    va_end(ap);
    json_setz(a, v, "type", json_z("Warning"));
    own_create(api, api_find_kind(api, S("events.k8s.io"), S("v1"), S("events")), o, v);
}

/* ---- looking ---- */

struct owner { /* whom an IPAddress names */
    str group, resource, ns, name;
    bool managed, labelled; /* ours; with both labels as they should be */
};

static struct owner owner_of(struct arena *a, const struct obj *ip)
{
    const struct json *v = object_parse(a, arena_dup(a, ip->data)),
                      *ref = json_at(v, "spec", "parentRef", NULL),
                      *labels = json_at(v, "metadata", "labels", NULL);
    str family = json_str(json_find(labels, S("ipaddress.kubernetes.io/ip-family")));
    bool managed = str_is(json_str(json_find(labels, S("ipaddress.kubernetes.io/managed-by"))),
                          "ipallocator.k8s.io");

    return (struct owner){json_get_str(ref, "group"),
                          json_get_str(ref, "resource"),
                          json_get_str(ref, "namespace"),
                          json_get_str(ref, "name"),
                          managed,
                          managed &&
                              str_is(family, str_find(ip->key.name, S(":")) < 0 ? "IPv4" : "IPv6")};
}

static bool is_service(const struct owner *o)
{
    return !o->group.n && str_is(o->resource, "services");
}

/* One of ours whose Service is gone: now or when its minute is over. */
static void leaked(struct repair *r, const struct obj *ip, const struct owner *o)
{
    CLEANUP(arena) struct arena *a = arena_new();
    wall_time created = {0};
    int64_t left;

    rfc3339_parse(meta_str(object_parse(a, arena_dup(a, ip->data)), "creationTimestamp"), &created);
    left = created.ns + LEAK_NS - loop_wall(r->api->loop).ns;
    if (left >= 0) {
        if (!loop_timer_is_set(r->timer))
            loop_timer_set(r->timer, left + NS_PER_S);
        return;
    }
    event(r->api, ip, "IPAddressNotAllocated", "IPAddressAllocation",
          "IPAddress: " PRI_STR " for Service " PRI_STR "/" PRI_STR
          " appears to have leaked: cleaning up",
          STR_ARG(ip->key.name), STR_ARG(o->ns), STR_ARG(o->name));
    address_delete(r->api, ip);
}

static void look_at_address(struct repair *r, const struct obj *ip)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct owner o = owner_of(a, ip);
    const struct obj *service = NULL;

    if (str_find(ip->data, S("\"deletionTimestamp\"")) >= 0)
        return; /* somebody's finalizer holds it */
    if (is_service(&o) && has_address(a, r->api, o.ns, o.name, ip->key.name, &service)) {
        if (!o.labelled)
            address_delete(r->api, ip); /* and made anew: address_gone() */
        return;
    }
    if (!o.managed)
        return; /* somebody else's */
    if (!is_service(&o)) {
        event(r->api, ip, "IPAddressNotAllocated", "IPAddressAllocation",
              "IPAddress " PRI_STR " appears to have been modified, not referencing a Service "
              "&ParentReference{Group:" PRI_STR ",Resource:" PRI_STR ",Namespace:" PRI_STR
              ",Name:" PRI_STR ",}: cleaning up",
              STR_ARG(ip->key.name), STR_ARG(o.group), STR_ARG(o.resource), STR_ARG(o.ns),
              STR_ARG(o.name));
        address_delete(r->api, ip);
    } else if (!service) {
        leaked(r, ip, &o);
    } else {
        event(r->api, ip, "IPAddressWrongReference", "IPAddressAllocation",
              "IPAddress: " PRI_STR " for Service " PRI_STR "/" PRI_STR
              " has a wrong reference; cleaning up",
              STR_ARG(ip->key.name), STR_ARG(o.ns), STR_ARG(o.name));
        address_delete(r->api, ip);
    }
}

static const char *family(str ip)
{
    return str_find(ip, S(":")) < 0 ? "IPv4" : "IPv6";
}

static void look_at_service(struct repair *r, const struct obj *svc, str ip)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct api *api = r->api;
    const struct obj *o = store_newest(api->store, kind_key(address_kind(api), S(""), ip)), *other;
    struct owner owner;

    if (!address_in_any_range(api, ip)) {
        event(api, svc, "ClusterIPOutOfRange", "ClusterIPAllocation",
              "Cluster IP [%s]: " PRI_STR " is not within any configured Service CIDR; please "
              "recreate service",
              family(ip), STR_ARG(ip));
        return;
    }
    if (!o) {
        event(api, svc, "ClusterIPNotAllocated", "ClusterIPAllocation",
              "Cluster IP [%s]: " PRI_STR " is not allocated; repairing", family(ip), STR_ARG(ip));
        address_create(api, ip, svc->key.ns, svc->key.name);
        return;
    }
    owner = owner_of(a, o);
    if (is_service(&owner) && str_eq(owner.ns, svc->key.ns) && str_eq(owner.name, svc->key.name))
        return; /* its labels: look_at_address() */
    if (is_service(&owner) && has_address(a, api, owner.ns, owner.name, ip, &other)) {
        event(api, svc, "ClusterIPAlreadyAllocated", "ClusterIPAllocation",
              "Cluster IP [%s]:" PRI_STR
              " was assigned to multiple services; please recreate service",
              family(ip), STR_ARG(ip));
        return;
    }
    event(api, svc, "ClusterIPNotAllocated", "ClusterIPAllocation",
          "the ClusterIP [%s]: " PRI_STR " for Service " PRI_STR "/" PRI_STR
          " has a wrong reference; repairing",
          family(ip), STR_ARG(ip), STR_ARG(svc->key.ns), STR_ARG(svc->key.name));
    address_delete(api, o);
    address_create(api, ip, svc->key.ns, svc->key.name);
}

static bool look_at_service_once(void *ctx, const struct obj *svc)
{
    CLEANUP(arena) struct arena *a = arena_new();
    const struct json *v = object_parse(a, arena_dup(a, svc->data));

    JSON_EACH(ip, json_at(v, "spec", "clusterIPs", NULL))
        if (service_has_address(v, json_str(ip)))
            look_at_service(ctx, svc, json_str(ip));
    return true;
}

static bool look_at_address_once(void *ctx, const struct obj *ip)
{
    look_at_address(ctx, ip);
    return true;
}

static void look_at_addresses(void *ctx)
{
    struct repair *r = ctx;

    store_each(r->api->store, address_kind(r->api)->r->storage_resource, S(""), NULL,
               look_at_address_once, r);
}

static void address_gone(struct repair *r, const struct obj *ip)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct owner o = owner_of(a, ip);
    const struct obj *svc;

    if (is_service(&o) && has_address(a, r->api, o.ns, o.name, ip->key.name, &svc))
        look_at_service(r, svc, ip->key.name);
}

static void changed(void *ctx, const struct store_event *ev)
{
    if (ev->type == STORE_DELETED)
        address_gone(ctx, ev->obj);
    else
        look_at_address(ctx, ev->obj);
}

struct err *repair_start(struct api *api, struct repair **ret)
{
    static const struct store_watch_events events = {.event = changed};
    struct repair *r = NEW(struct repair);
    struct err *e;

    *ret = r;
    r->api = api;
    r->timer = loop_timer_new(api->loop, look_at_addresses, r);
    e = store_watch(api->store, address_kind(api)->r->storage_resource, S(""),
                    store_revision(api->store), &events, r, &r->watch);
    if (e)
        return e;
    store_each(api->store, api_core(api, "services")->r->storage_resource, S(""), NULL,
               look_at_service_once, r);
    look_at_addresses(r);
    return NULL;
}

void repair_free(struct repair *r)
{
    if (!r)
        return;
    if (r->watch)
        store_watch_close(r->watch);
    loop_timer_free(r->timer);
    mem_free(r);
}
