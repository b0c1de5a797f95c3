/* endpointslice_mirroring.c - Endpoints that somebody writes by hand, for a Service without a
 * selector, seen as EndpointSlices.
 *
 * One slice for each subset and family of addresses. API:
 * https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#endpointslice-mirroring
 */
#include "controllers/endpoints.h"

#define MANAGER "endpointslicemirroring-controller.k8s.io"
#define LABEL_SKIP "endpointslice.kubernetes.io/skip-mirror"
#define PER_SUBSET_MAX 1000

struct build {
    struct reconcile *r;
    struct json *endpoints, labels, annotations;
    struct {
        const struct obj *obj;
        struct json *tree;
        bool used;
    } slices[64];
    uint32_t n_slices;
};

static bool add_slice(void *ctx, const struct obj *o)
{
    struct build *b = ctx;
    str manager;

    if (!packed_get(o->labels, S(LABEL_SLICE_MANAGER), &manager) || !str_is(manager, MANAGER))
        return true;
    b->slices[b->n_slices].obj = o;
    b->slices[b->n_slices].used = false;
    b->slices[b->n_slices++].tree = tree_of(b->r->a, o);
    return b->n_slices < ARRAY_LEN(b->slices);
}

static bool is_mirrored(struct build *b)
{
    const struct obj *service = look_up(b->r, K_SERVICES, b->r->ns, b->r->name);

    if (!b->endpoints || !service || is_deleting(b->endpoints))
        return false;
    if (str_is(meta_get(b->endpoints, "labels", S(LABEL_SKIP)), "true") ||
        meta_get(b->endpoints, "annotations", S("control-plane.alpha.kubernetes.io/leader")).n ||
        str_is(meta_get(b->endpoints, "labels", S("endpoints.kubernetes.io/managed-by")),
               "endpoint-controller"))
        return false;
    return !json_count(json_path(tree_of(b->r->a, service), "spec.selector"));
}

static void add_endpoints(struct build *b, const struct json *addresses, bool ready, bool v6,
                          struct json *out)
{
    static const char *const copied[] = {"hostname", "targetRef", "nodeName"};
    struct arena *a = b->r->a;

    JSON_EACH(addr, addresses) {
        struct json e = json_object(), list = json_array(), conditions = json_object();
        str ip = json_get_str(addr, "ip");

        if (str_has_char(ip, ':') != v6 || out->n >= PER_SUBSET_MAX)
            continue;
        json_append(a, &list, json_string(ip));
        json_setz(a, &e, "addresses", list);
        json_setz(a, &conditions, "ready", json_bool(ready));
        json_setz(a, &e, "conditions", conditions);
        for (size_t i = 0; i < ARRAY_LEN(copied); i++)
            if (json_findz(addr, copied[i]))
                json_setz(a, &e, copied[i], *json_findz(addr, copied[i]));
        json_append(a, out, e);
    }
}

static struct json ports_json(struct build *b, const struct json *subset)
{
    struct json list = json_array();

    JSON_EACH(p, json_findz(subset, "ports")) {
        struct json v = json_object();

        json_setz(b->r->a, &v, "name", json_string(json_get_str(p, "name")));
        json_setz(b->r->a, &v, "port", json_int(json_get_int(p, "port", 0)));
        json_setz(
            b->r->a, &v, "protocol",
            json_string(json_get_str(p, "protocol").n ? json_get_str(p, "protocol") : S("TCP")));
        if (json_findz(p, "appProtocol"))
            json_setz(b->r->a, &v, "appProtocol", *json_findz(p, "appProtocol"));
        json_append(b->r->a, &list, v);
    }
    return list;
}

static bool none_or_equal(const struct json *x, const struct json *y)
{
    return (!json_count(x) && !json_count(y)) || json_equal(x, y);
}

static void mirror(struct build *b, const struct json *subset, bool v6)
{
    struct arena *a = b->r->a;
    struct json endpoints = json_array(), ports = ports_json(b, subset), refs = json_array(),
                meta = json_object(), *tree = NULL;

    add_endpoints(b, json_findz(subset, "addresses"), true, v6, &endpoints);
    add_endpoints(b, json_findz(subset, "notReadyAddresses"), false, v6, &endpoints);
    if (!endpoints.n)
        return;
    for (uint32_t i = 0; i < b->n_slices && !tree; i++) {
        if (b->slices[i].used || !none_or_equal(json_findz(b->slices[i].tree, "ports"), &ports) ||
            !str_is(json_get_str(b->slices[i].tree, "addressType"), v6 ? "IPv6" : "IPv4"))
            continue;
        b->slices[i].used = true;
        tree = b->slices[i].tree;
    }
    if (tree) {
        if (none_or_equal(json_findz(tree, "endpoints"), &endpoints) &&
            json_equal(json_path(tree, "metadata.labels"), &b->labels))
            return;
        json_setz(a, tree, "endpoints", endpoints);
        json_setz(a, json_findz(tree, "metadata"), "labels", json_share(a, &b->labels));
        plan_update(&b->r->plan, K_ENDPOINTSLICES, tree)->flags = ACT_IGNORE_NOT_FOUND;
        return;
    }
    tree = json_new(a, json_object());
    json_append(a, &refs, controller_reference(a, &kinds[K_ENDPOINTS], b->endpoints));
    json_setz(a, tree, "kind", json_z("EndpointSlice"));
    json_setz(a, tree, "apiVersion", json_z("discovery.k8s.io/v1"));
    json_setz(a, &meta, "generateName",
              json_string(arena_fmt(a, PRI_STR "-", STR_ARG(b->r->name))));
    json_setz(a, &meta, "namespace", json_string(b->r->ns));
    json_setz(a, &meta, "labels", json_share(a, &b->labels));
    if (b->annotations.n)
        json_setz(a, &meta, "annotations", json_share(a, &b->annotations));
    json_setz(a, &meta, "ownerReferences", refs);
    json_setz(a, tree, "metadata", meta);
    json_setz(a, tree, "addressType", json_z(v6 ? "IPv6" : "IPv4"));
    json_setz(a, tree, "endpoints", endpoints);
    json_setz(a, tree, "ports", ports);
    plan_create(&b->r->plan, K_ENDPOINTSLICES, b->r->ns, tree)->flags = ACT_IGNORE_TERMINATING;
}

static void reconcile(struct reconcile *r)
{
    struct build b = {.r = r,
                      .endpoints = look_tree(r, K_ENDPOINTS, r->ns, r->name),
                      .annotations = json_object()};
    const struct json *own;

    informer_each_indexed(
        r->caches[K_ENDPOINTSLICES],
        arena_fmt(r->a, "s" PRI_STR "/" PRI_STR, STR_ARG(r->ns), STR_ARG(r->name)), add_slice, &b);
    if (is_mirrored(&b)) {
        own = json_path(b.endpoints, "metadata.labels");
        b.labels = own ? json_copy(r->a, own) : json_object();
        json_setz(r->a, &b.labels, LABEL_SLICE_MANAGER, json_z(MANAGER));
        json_setz(r->a, &b.labels, LABEL_SERVICE, json_string(r->name));
        JSON_EACH_MEMBER(m, json_path(b.endpoints, "metadata.annotations"))
            if (!str_is(m->key, ANNOTATION_TRIGGER) &&
                !str_is(m->key, "kubectl.kubernetes.io/last-applied-configuration"))
                json_set(r->a, &b.annotations, m->key, m->value);
        JSON_EACH(subset, json_findz(b.endpoints, "subsets")) {
            mirror(&b, subset, false);
            mirror(&b, subset, true);
        }
    }
    for (uint32_t i = 0; i < b.n_slices; i++)
        if (!b.slices[i].used)
            plan_delete(&r->plan, K_ENDPOINTSLICES, b.slices[i].obj);
}

static void same_name_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    const struct obj *any = obj ? obj : prev;

    wake(c, any->key.ns, any->key.name);
}

static void slice_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    const struct obj *any = obj ? obj : prev;
    str service, manager;

    if (packed_get(any->labels, S(LABEL_SLICE_MANAGER), &manager) && str_is(manager, MANAGER) &&
        packed_get(any->labels, S(LABEL_SERVICE), &service))
        wake(c, any->key.ns, service);
}

static const struct trigger triggers[] = {{K_SERVICES, same_name_changed},
                                          {K_ENDPOINTSLICES, slice_changed}};

const struct controller_type endpointslice_mirroring_controller = {
    .name = "endpointslice-mirroring",
    .component = "endpoint-slice-mirroring-controller",
    .primary = K_ENDPOINTS,
    .triggers = triggers,
    .n_triggers = ARRAY_LEN(triggers),
    .reconcile = reconcile,
};
