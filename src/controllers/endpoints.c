/* endpoints.c - the Endpoints object of each Service with a selector.
 *
 * Addresses are grouped by the set of ports they serve, ready ones apart from the others. Endpoints
 * are the old form (EndpointSlices are what our proxy and DNS read), but clients still look at
 * them.
 *
 * API: https://kubernetes.io/docs/concepts/services-networking/service/#endpoints */
#include "controllers/endpoints.h"

#include <inttypes.h>

#define ADDRESSES_MAX 1000 /* Kubernetes truncates, too */
#define LABEL_MANAGER "endpoints.kubernetes.io/managed-by"
#define ANNOTATION_OVER_CAPACITY "endpoints.kubernetes.io/over-capacity"

struct group { /* backends that serve the same ports */
    const int64_t *ports;
    struct json ready, not_ready;
};

static struct json address_json(const struct service *s, const struct backend *b)
{
    struct arena *a = s->r->a;
    struct json v = json_object();

    json_setz(a, &v, "ip", json_string(b->ip));
    if (b->pod.hostname.n && str_eq(b->pod.subdomain, s->r->name))
        json_setz(a, &v, "hostname", json_string(b->pod.hostname));
    if (b->pod.node.n)
        json_setz(a, &v, "nodeName", json_string(b->pod.node));
    json_setz(a, &v, "targetRef", service_target_ref(a, b));
    return v;
}

static bool has_port(const struct service *s, const struct backend *b)
{
    for (uint32_t i = 0; i < s->n_ports; i++)
        if (b->ports[i])
            return true;
    return !s->n_ports && s->headless;
}

static struct group *group_of(const struct service *s, struct group *groups, uint32_t *n,
                              const struct backend *b)
{
    for (uint32_t i = 0; i < *n; i++)
        if (!memcmp(groups[i].ports, b->ports, s->n_ports * sizeof *b->ports))
            return &groups[i];
    groups[*n] = (struct group){b->ports, json_array(), json_array()};
    return &groups[(*n)++];
}

static struct json subset_json(const struct service *s, struct group *g)
{
    struct arena *a = s->r->a;
    struct json v = json_object(), ports = json_array();

    if (g->ready.n)
        json_setz(a, &v, "addresses", g->ready);
    if (g->not_ready.n)
        json_setz(a, &v, "notReadyAddresses", g->not_ready);
    for (uint32_t i = 0; i < s->n_ports; i++) {
        struct json p = json_object();

        if (!g->ports[i])
            continue;
        if (s->ports[i].name.n)
            json_setz(a, &p, "name", json_string(s->ports[i].name));
        json_setz(a, &p, "port", json_int(g->ports[i]));
        json_setz(a, &p, "protocol", json_string(s->ports[i].protocol));
        if (s->ports[i].app_protocol.n)
            json_setz(a, &p, "appProtocol", json_string(s->ports[i].app_protocol));
        json_append(a, &ports, p);
    }
    if (ports.n)
        json_setz(a, &v, "ports", ports);
    return v;
}

static int by_address(const void *pa, const void *pb, void *ctx)
{
    const struct backend *a = pa, *b = pb;
    int d = str_cmp(a->ip, b->ip);

    return d ? d : str_cmp(a->pod.obj->uid, b->pod.obj->uid);
}

static struct json subsets_json(struct service *s, bool *ret_truncated)
{
    struct group *groups = ARENA_NEW_N(s->r->a, struct group, s->n + 1);
    struct json subsets = json_array();
    uint32_t n = 0, taken = 0;

    sort_with(s->backends, s->n, sizeof *s->backends, by_address, NULL);
    /* Ready ones first, so that they survive truncation. */
    for (int pass = 1; pass >= 0; pass--)
        for (uint32_t i = 0; i < s->n; i++) {
            const struct backend *b = &s->backends[i];
            struct group *g;

            if (b->ready != (bool)pass || (b->pod.deleting && !s->publish_not_ready) ||
                !has_port(s, b))
                continue;
            if (taken++ >= ADDRESSES_MAX)
                continue;
            g = group_of(s, groups, &n, b);
            json_append(s->r->a, pass ? &g->ready : &g->not_ready, address_json(s, b));
        }
    *ret_truncated = taken > ADDRESSES_MAX;
    for (uint32_t i = 0; i < n; i++)
        json_append(s->r->a, &subsets, subset_json(s, &groups[i]));
    return subsets;
}

static struct json labels_json(struct service *s)
{
    const struct json *own = json_path(s->tree, "metadata.labels");
    struct json labels = own ? json_copy(s->r->a, own) : json_object();

    if (s->headless)
        json_setz(s->r->a, &labels, LABEL_HEADLESS, json_z(""));
    else
        json_removez(&labels, LABEL_HEADLESS);
    json_setz(s->r->a, &labels, LABEL_MANAGER, json_z("endpoint-controller"));
    return labels;
}

static bool is_empty_or_equal(const struct json *a, const struct json *b)
{
    return (!json_count(a) && !json_count(b)) || json_equal(a, b);
}

static void remove_orphan(struct reconcile *r)
{
    const struct obj *o = look_up(r, K_ENDPOINTS, r->ns, r->name);

    /* Of a Service that has gone; one without a selector keeps what somebody wrote. */
    if (o && !look_up(r, K_SERVICES, r->ns, r->name))
        plan_delete(&r->plan, K_ENDPOINTS, o);
}

static void reconcile(struct reconcile *r)
{
    struct service s;
    struct json subsets, labels, *e, *meta;
    bool truncated, fresh;

    if (!service_read(r, &s)) {
        remove_orphan(r);
        return;
    }
    service_find_backends(
        &s, str_is(json_str(json_item(json_path(s.tree, "spec.ipFamilies"), 0)), "IPv6"));
    subsets = subsets_json(&s, &truncated);
    labels = labels_json(&s);
    e = look_tree(r, K_ENDPOINTS, r->ns, r->name);
    fresh = !e;
    if (e && is_empty_or_equal(json_findz(e, "subsets"), &subsets) &&
        json_equal(json_path(e, "metadata.labels"), &labels) &&
        truncated == (meta_get(e, "annotations", S(ANNOTATION_OVER_CAPACITY)).n > 0))
        return;
    if (fresh) {
        struct json m = json_object();

        e = json_new(r->a, json_object());
        json_setz(r->a, e, "kind", json_z("Endpoints"));
        json_setz(r->a, e, "apiVersion", json_z("v1"));
        json_setz(r->a, &m, "name", json_string(r->name));
        json_setz(r->a, &m, "namespace", json_string(r->ns));
        json_setz(r->a, e, "metadata", m);
    }
    service_find_trigger(&s);
    meta = json_findz(e, "metadata");
    json_setz(r->a, meta, "labels", labels);
    if (s.trigger_s)
        meta_set(r->a, e, "annotations", S(ANNOTATION_TRIGGER),
                 time_json(r->a, (wall_time){s.trigger_s * NS_PER_S}).s);
    else
        json_removez(json_findz(meta, "annotations"), ANNOTATION_TRIGGER);
    if (truncated)
        meta_set(r->a, e, "annotations", S(ANNOTATION_OVER_CAPACITY), S("truncated"));
    else
        json_removez(json_findz(meta, "annotations"), ANNOTATION_OVER_CAPACITY);
    if (json_findz(meta, "annotations") && !json_count(json_findz(meta, "annotations")))
        json_removez(meta, "annotations");
    if (subsets.n)
        json_setz(r->a, e, "subsets", subsets);
    else
        json_removez(e, "subsets");
    if (fresh)
        plan_create(&r->plan, K_ENDPOINTS, r->ns, e)->flags = ACT_IGNORE_TERMINATING;
    else
        plan_update(&r->plan, K_ENDPOINTS, e)->flags = ACT_IGNORE_NOT_FOUND;
}

static void endpoints_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    /* Only what was removed is put back: one that is written before its Service must not be taken
     * for a left-over. */
    if (!obj)
        wake(c, prev->key.ns, prev->key.name);
}

static const struct trigger triggers[] = {{K_PODS, endpoints_pod_changed},
                                          {K_ENDPOINTS, endpoints_changed}};

const struct controller_type endpoints_controller = {
    .name = "endpoints",
    .component = "endpoint-controller",
    .primary = K_SERVICES,
    .triggers = triggers,
    .n_triggers = ARRAY_LEN(triggers),
    .reconcile = reconcile,
    .state_new = trigger_state_new,
    .state_free = trigger_state_free,
};
