/* endpointslice.c - a Service's backends in slices of at most a hundred, one family of addresses
 * and one set of ports each.
 *
 * An endpoint stays in the slice in which it is, as long as it is wanted: so a rollout changes few
 * slices, and those who watch them read little. What is new fills gaps first; slices that have
 * become empty go.
 *
 * API: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/ */
#include "controllers/endpoints.h"

#include <inttypes.h>

#define PER_SLICE_MAX 100
#define MANAGER "endpointslice-controller.k8s.io"

struct slice { /* one that exists */
    const struct obj *obj;
    struct json *tree;
    struct json kept; /* its endpoints that are still wanted */
    bool used, changed;
};
struct wanted { /* one endpoint */
    struct json json;
    const int64_t *ports;
    str uid;
    bool placed;
};
struct build {
    struct service *s;
    bool v6;
    struct slice *slices;
    uint32_t n_slices, cap;
    struct wanted *wanted;
    uint32_t n;
    struct json labels;
    bool incomplete; /* a pod's node is not in the cache yet */
};

/* ---- what is wanted ---- */

static struct json endpoint_json(struct build *b, const struct backend *backend,
                                 const struct obj *node)
{
    struct arena *a = b->s->r->a;
    struct json v = json_object(), addresses = json_array(), conditions = json_object();
    str zone;

    json_append(a, &addresses, json_string(backend->ip));
    json_setz(a, &v, "addresses", addresses);
    json_setz(a, &conditions, "ready",
              json_bool(b->s->publish_not_ready || (backend->pod.ready && !backend->pod.deleting)));
    json_setz(a, &conditions, "serving", json_bool(backend->pod.ready));
    json_setz(a, &conditions, "terminating", json_bool(backend->pod.deleting));
    json_setz(a, &v, "conditions", conditions);
    if (backend->pod.hostname.n && str_eq(backend->pod.subdomain, b->s->r->name))
        json_setz(a, &v, "hostname", json_string(backend->pod.hostname));
    json_setz(a, &v, "targetRef", service_target_ref(a, backend));
    if (backend->pod.node.n)
        json_setz(a, &v, "nodeName", json_string(backend->pod.node));
    if (node && packed_get(node->labels, S("topology.kubernetes.io/zone"), &zone))
        json_setz(a, &v, "zone", json_string(zone));
    return v;
}

static bool has_any_port(const struct service *s, const struct backend *b)
{
    for (uint32_t i = 0; i < s->n_ports; i++)
        if (b->ports[i])
            return true;
    return !s->n_ports;
}

static void find_wanted(struct build *b)
{
    struct service *s = b->s;

    b->wanted = ARENA_NEW_N(s->r->a, struct wanted, s->n + 1);
    for (uint32_t i = 0; i < s->n; i++) {
        const struct backend *backend = &s->backends[i];
        const struct obj *node =
            backend->pod.node.n ? look_up(s->r, K_NODES, STR_NONE, backend->pod.node) : NULL;

        if (backend->pod.node.n && !node && !s->publish_not_ready) {
            b->incomplete = true;
            continue;
        }
        if (!has_any_port(s, backend))
            continue;
        b->wanted[b->n++] = (struct wanted){endpoint_json(b, backend, node), backend->ports,
                                            backend->pod.obj->uid, false};
    }
}

static struct json ports_json(const struct service *s, const int64_t *ports)
{
    struct json list = json_array();

    for (uint32_t i = 0; i < s->n_ports; i++) {
        struct json p = json_object();

        if (!ports[i])
            continue;
        json_setz(s->r->a, &p, "name", json_string(s->ports[i].name));
        json_setz(s->r->a, &p, "port", json_int(ports[i]));
        json_setz(s->r->a, &p, "protocol", json_string(s->ports[i].protocol));
        if (s->ports[i].app_protocol.n)
            json_setz(s->r->a, &p, "appProtocol", json_string(s->ports[i].app_protocol));
        json_append(s->r->a, &list, p);
    }
    return list;
}

static struct json slice_labels(struct service *s)
{
    const struct json *own = json_path(s->tree, "metadata.labels");
    struct json labels = own ? json_copy(s->r->a, own) : json_object();

    json_removez(&labels, LABEL_HEADLESS);
    json_setz(s->r->a, &labels, LABEL_SLICE_MANAGER, json_z(MANAGER));
    json_setz(s->r->a, &labels, LABEL_SERVICE, json_string(s->r->name));
    if (s->headless)
        json_setz(s->r->a, &labels, LABEL_HEADLESS, json_z(""));
    return labels;
}

/* ---- what there is ---- */

static bool add_slice(void *ctx, const struct obj *o)
{
    struct build *b = ctx;
    str manager, type = client_text_find(o->data, "addressType");

    if (!packed_get(o->labels, S(LABEL_SLICE_MANAGER), &manager) || !str_is(manager, MANAGER) ||
        !str_is(type, b->v6 ? "IPv6" : "IPv4"))
        return true;
    if (b->n_slices == b->cap) {
        uint32_t cap = b->cap ? b->cap * 2 : 4;

        b->slices =
            arena_grow(b->s->r->a, b->slices, b->cap * sizeof *b->slices, cap * sizeof *b->slices);
        b->cap = cap;
    }
    b->slices[b->n_slices++] =
        (struct slice){.obj = o, .tree = tree_of(b->s->r->a, o), .kept = json_array()};
    return true;
}

static str slices_index(struct arena *a, str ns, str service)
{
    return arena_fmt(a, "s" PRI_STR "/" PRI_STR, STR_ARG(ns), STR_ARG(service));
}

static bool same_ports(const struct json *a, const struct json *b)
{
    return (!json_count(a) && !json_count(b)) || json_equal(a, b);
}

/* Keeps what is still wanted of each slice with these ports. */
static void keep(struct build *b, const struct json *ports, const int64_t *numbers,
                 struct map *by_uid)
{
    for (uint32_t i = 0; i < b->n_slices; i++) {
        struct slice *sl = &b->slices[i];

        if (sl->used || !same_ports(json_findz(sl->tree, "ports"), ports) || is_deleting(sl->tree))
            continue;
        sl->used = true;
        sl->changed = !json_equal(json_path(sl->tree, "metadata.labels"), &b->labels);
        JSON_EACH(e, json_findz(sl->tree, "endpoints")) {
            struct wanted *w = map_find(by_uid, json_get_str(e, "targetRef.uid"));

            if (!w || w->placed || memcmp(w->ports, numbers, b->s->n_ports * sizeof *numbers)) {
                sl->changed = true;
                continue;
            }
            w->placed = true;
            sl->changed |= !json_equal(e, &w->json);
            json_append(b->s->r->a, &sl->kept, w->json);
        }
    }
}

static void fill(struct build *b, const struct json *ports, struct json *fresh)
{
    for (uint32_t i = 0; i < b->n_slices && fresh->n; i++) {
        struct slice *sl = &b->slices[i];

        if (!sl->used || !same_ports(json_findz(sl->tree, "ports"), ports) || !sl->kept.n)
            continue;
        while (fresh->n && sl->kept.n < PER_SLICE_MAX) {
            json_append(b->s->r->a, &sl->kept, fresh->items[--fresh->n]);
            sl->changed = true;
        }
    }
    /* One that would be empty is as good as a new one. */
    for (uint32_t i = 0; i < b->n_slices && fresh->n; i++) {
        struct slice *sl = &b->slices[i];

        if (!sl->used || sl->kept.n || !same_ports(json_findz(sl->tree, "ports"), ports))
            continue;
        while (fresh->n && sl->kept.n < PER_SLICE_MAX)
            json_append(b->s->r->a, &sl->kept, fresh->items[--fresh->n]);
        sl->changed = true;
    }
}

/* ---- writing ---- */

static void stamp(struct build *b, struct json *tree)
{
    struct arena *a = b->s->r->a;
    struct json *meta = json_findz(tree, "metadata");

    if (b->s->trigger_s)
        meta_set(a, tree, "annotations", S(ANNOTATION_TRIGGER),
                 time_json(a, (wall_time){b->s->trigger_s * NS_PER_S}).s);
    else
        json_removez(json_findz(meta, "annotations"), ANNOTATION_TRIGGER);
    if (json_findz(meta, "annotations") && !json_count(json_findz(meta, "annotations")))
        json_removez(meta, "annotations");
}

static void create_slice(struct build *b, const struct json *ports, struct json endpoints)
{
    struct arena *a = b->s->r->a;
    struct json *tree = json_new(a, json_object()), meta = json_object(), refs = json_array();

    json_append(a, &refs, controller_reference(a, &kinds[K_SERVICES], b->s->tree));
    json_setz(a, tree, "kind", json_z("EndpointSlice"));
    json_setz(a, tree, "apiVersion", json_z("discovery.k8s.io/v1"));
    json_setz(a, &meta, "generateName",
              json_string(arena_fmt(a, PRI_STR "-", STR_ARG(b->s->r->name))));
    json_setz(a, &meta, "namespace", json_string(b->s->r->ns));
    json_setz(a, &meta, "labels", json_share(a, &b->labels));
    json_setz(a, &meta, "ownerReferences", refs);
    json_setz(a, tree, "metadata", meta);
    json_setz(a, tree, "addressType", json_z(b->v6 ? "IPv6" : "IPv4"));
    json_setz(a, tree, "endpoints", endpoints);
    json_setz(a, tree, "ports", ports ? *ports : json_array());
    stamp(b, tree);
    plan_create(&b->s->r->plan, K_ENDPOINTSLICES, b->s->r->ns, tree)->flags =
        ACT_IGNORE_TERMINATING;
}

static void update_slice(struct build *b, struct slice *sl)
{
    json_setz(b->s->r->a, sl->tree, "endpoints", sl->kept);
    json_setz(b->s->r->a, json_findz(sl->tree, "metadata"), "labels",
              json_share(b->s->r->a, &b->labels));
    stamp(b, sl->tree);
    plan_update(&b->s->r->plan, K_ENDPOINTSLICES, sl->tree)->flags = ACT_IGNORE_NOT_FOUND;
}

static void place_ports(struct build *b, const int64_t *numbers, struct map *by_uid)
{
    struct json ports = ports_json(b->s, numbers), fresh = json_array();

    keep(b, &ports, numbers, by_uid);
    for (uint32_t i = b->n; i-- > 0;) {
        struct wanted *w = &b->wanted[i];

        if (w->placed || memcmp(w->ports, numbers, b->s->n_ports * sizeof *numbers))
            continue;
        w->placed = true;
        json_append(b->s->r->a, &fresh, w->json);
    }
    fill(b, &ports, &fresh);
    while (fresh.n) {
        struct json part = json_array();

        while (fresh.n && part.n < PER_SLICE_MAX)
            json_append(b->s->r->a, &part, fresh.items[--fresh.n]);
        create_slice(b, &ports, part);
    }
}

/* A Service without a single endpoint has one empty slice, so that it can be told from one that
 * nobody has looked at. */
static void keep_placeholder(struct build *b)
{
    for (uint32_t i = 0; i < b->n_slices; i++) {
        struct slice *sl = &b->slices[i];

        if (is_deleting(sl->tree))
            continue;
        sl->used = true;
        if (json_count(json_findz(sl->tree, "endpoints")) ||
            !json_equal(json_path(sl->tree, "metadata.labels"), &b->labels))
            update_slice(b, sl);
        for (uint32_t k = i + 1; k < b->n_slices; k++)
            plan_delete(&b->s->r->plan, K_ENDPOINTSLICES, b->slices[k].obj);
        return;
    }
    create_slice(b, NULL, json_array());
}

static void reconcile_family(struct service *s, bool v6)
{
    struct build b = {.s = s, .v6 = v6};
    struct map by_uid;

    service_find_backends(s, v6);
    b.labels = slice_labels(s);
    informer_each_indexed(s->r->caches[K_ENDPOINTSLICES],
                          slices_index(s->r->a, s->r->ns, s->r->name), add_slice, &b);
    find_wanted(&b);
    service_find_trigger(s);
    if (!b.n) {
        keep_placeholder(&b);
        return;
    }
    map_init(&by_uid);
    for (uint32_t i = 0; i < b.n; i++)
        map_put(&by_uid, b.wanted[i].uid, &b.wanted[i]);
    for (uint32_t i = 0; i < b.n; i++)
        if (!b.wanted[i].placed)
            place_ports(&b, b.wanted[i].ports, &by_uid);
    map_fini(&by_uid);
    for (uint32_t i = 0; i < b.n_slices; i++) {
        struct slice *sl = &b.slices[i];

        if (!sl->used || !sl->kept.n)
            plan_delete(&s->r->plan, K_ENDPOINTSLICES, sl->obj);
        else if (sl->changed)
            update_slice(&b, sl);
    }
}

static void reconcile(struct reconcile *r)
{
    struct service s;

    if (!service_read(r, &s) || is_deleting(s.tree))
        return; /* the garbage collector takes the slices of a Service that has gone */
    JSON_EACH(family, json_path(s.tree, "spec.ipFamilies"))
        reconcile_family(&s, str_is(json_str(family), "IPv6"));
}

static void slice_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    const struct obj *any = obj ? obj : prev;
    str service, manager;

    if (packed_get(any->labels, S(LABEL_SLICE_MANAGER), &manager) && str_is(manager, MANAGER) &&
        packed_get(any->labels, S(LABEL_SERVICE), &service))
        wake(c, any->key.ns, service);
}

static bool wake_services_of(void *ctx, const struct obj *pod)
{
    endpoints_pod_changed(ctx, pod, NULL);
    return true;
}

/* Endpoints of a node that was not known are left out until it comes. */
static void node_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    CLEANUP(arena) struct arena *a = NULL;

    if (!obj || prev)
        return;
    a = arena_new();
    informer_each_indexed(controller_cache(c, K_PODS), index_node(a, obj->key.name),
                          wake_services_of, c);
}

static const struct trigger triggers[] = {
    {K_PODS, endpoints_pod_changed}, {K_ENDPOINTSLICES, slice_changed}, {K_NODES, node_changed}};

const struct controller_type endpointslice_controller = {
    .name = "endpointslice",
    .component = "endpoint-slice-controller",
    .primary = K_SERVICES,
    .triggers = triggers,
    .n_triggers = ARRAY_LEN(triggers),
    .reconcile = reconcile,
    .state_new = trigger_state_new,
    .state_free = trigger_state_free,
};
