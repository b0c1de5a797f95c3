/* node_authorizer.c - a kubelet reads what its pods refer to, and nothing else.
 *
 *     node <- pod <- secret, configmap, serviceaccount, resourceclaim
 *     node <- pod <- claim <- volume <- secret
 *
 * For each node that asks, the names that its pods refer to are kept in a map with counts; it is
 * filled when the node asks first and kept current by a watch of pods. What an object says itself
 * (a volume its claim, an attachment its node) is looked up when it is asked for.
 *
 * Source of rules and texts: k8s.io/kubernetes/plugin/pkg/auth/authorizer/node. API:
 * https://kubernetes.io/docs/reference/access-authn-authz/node/ */
#include "api/api_internal.h"

enum ref { REF_SECRET, REF_CONFIGMAP, REF_CLAIM, REF_ACCOUNT, REF_RESOURCE_CLAIM };

/* What one pod refers to: keys of its node's map, each once per mention. */
struct pod_refs {
    struct arena *a;
    str uid, generation;
    bool statuses; /* it has resourceClaimStatuses, which change without the generation */
    str *keys;
    size_t n;
};
struct node {
    struct map pods; /* "ns/name" -> struct pod_refs */
    struct map refs; /* "<ref>ns/name" -> count */
};
struct node_authorizer {
    struct api *api;
    struct map nodes; /* name -> struct node */
    struct store_watch *watch;
};

/* ---- references of a pod ---- */

static void add_ref(struct pod_refs *p, enum ref kind, str ns, str name)
{
    if (!name.n)
        return;
    p->keys = arena_grow(p->a, p->keys, p->n * sizeof(str), (p->n + 1) * sizeof(str));
    p->keys[p->n++] =
        arena_fmt(p->a, "%c" PRI_STR "/" PRI_STR, 'a' + (int)kind, STR_ARG(ns), STR_ARG(name));
}

/* Members of a pod's spec that name something, wherever they stand. */
static const struct {
    const char *member, *name;
    enum ref kind;
} mentions[] = {
    {"secretRef", "name", REF_SECRET},
    {"secretKeyRef", "name", REF_SECRET},
    {"nodePublishSecretRef", "name", REF_SECRET},
    {"secret", "secretName", REF_SECRET},
    {"secret", "name", REF_SECRET},
    {"azureFile", "secretName", REF_SECRET},
    {"configMapRef", "name", REF_CONFIGMAP},
    {"configMapKeyRef", "name", REF_CONFIGMAP},
    {"configMap", "name", REF_CONFIGMAP},
    {"persistentVolumeClaim", "claimName", REF_CLAIM},
};

static void walk(struct pod_refs *p, str ns, const struct json *v)
{
    JSON_EACH(i, v)
        walk(p, ns, i);
    JSON_EACH_MEMBER(m, v) {
        if (m->value.type != JSON_OBJECT && m->value.type != JSON_ARRAY)
            continue;
        for (size_t k = 0; k < ARRAY_LEN(mentions); k++)
            if (str_is(m->key, mentions[k].member))
                add_ref(p, mentions[k].kind, ns, json_str(json_findz(&m->value, mentions[k].name)));
        walk(p, ns, &m->value);
    }
}

static struct pod_refs *refs_of(const struct obj *o, const struct json *pod)
{
    struct arena *a = arena_new();
    struct pod_refs *p = ARENA_NEW(a, struct pod_refs);
    const struct json *spec = json_findz(pod, "spec");
    str ns = o->key.ns;

    *p = (struct pod_refs){.a = a, .uid = arena_dup(a, o->uid)};
    p->generation = arena_fmt(a, "\"generation\":%lld,",
                              (long long)json_get_int(pod, "metadata.generation", 0));
    /* A mirror pod names what it likes, without any leave: it gives none. */
    if (json_find(json_path(pod, "metadata.annotations"), S("kubernetes.io/config.mirror")))
        return p;
    add_ref(p, REF_ACCOUNT, ns, json_get_str(spec, "serviceAccountName"));
    JSON_EACH(s, json_findz(spec, "imagePullSecrets"))
        add_ref(p, REF_SECRET, ns, json_get_str(s, "name"));
    walk(p, ns, spec);
    JSON_EACH(v, json_findz(spec, "volumes"))
        if (json_findz(v, "ephemeral"))
            add_ref(p, REF_CLAIM, ns,
                    arena_fmt(a, PRI_STR "-" PRI_STR, STR_ARG(o->key.name),
                              STR_ARG(json_get_str(v, "name"))));
    JSON_EACH(c, json_findz(spec, "resourceClaims"))
        add_ref(p, REF_RESOURCE_CLAIM, ns, json_get_str(c, "resourceClaimName"));
    JSON_EACH(c, json_path(pod, "status.resourceClaimStatuses")) {
        add_ref(p, REF_RESOURCE_CLAIM, ns, json_get_str(c, "resourceClaimName"));
        p->statuses = true;
    }
    add_ref(p, REF_RESOURCE_CLAIM, ns,
            json_get_str(pod, "status.extendedResourceClaimStatus.resourceClaimName"));
    return p;
}

/* ---- the maps ---- */

static void count(struct node *n, const struct pod_refs *p, intptr_t by)
{
    for (size_t i = 0; i < p->n; i++) {
        intptr_t now = (intptr_t)map_find(&n->refs, p->keys[i]) + by;

        if (now)
            map_put(&n->refs, p->keys[i], (void *)now);
        else
            map_del(&n->refs, p->keys[i]);
    }
}

static void refs_drop(struct node *n, struct pod_refs *p)
{
    if (!p)
        return;
    count(n, p, -1);
    arena_free(p->a);
}

static bool is_same(const struct pod_refs *p, const struct obj *o)
{
    return p && str_eq(p->uid, o->uid) && str_find(o->data, p->generation) >= 0 && !p->statuses &&
           str_find(o->data, S("\"resourceClaimStatuses\":")) < 0;
}

static str pod_key(const struct obj *o, char *buf, size_t size)
{
    int n = snprintf(buf, size, PRI_STR "/" PRI_STR, STR_ARG(o->key.ns), STR_ARG(o->key.name));

    return (str){buf, n > 0 && (size_t)n < size ? (size_t)n : 0};
}

static void pod_put(struct node *n, const struct obj *o)
{
    char buf[600];
    str key = pod_key(o, buf, sizeof buf);
    struct pod_refs *p = map_find(&n->pods, key);
    struct arena *a;

    if (!key.n || is_same(p, o))
        return;
    refs_drop(n, p);
    a = arena_new();
    p = refs_of(o, object_parse(a, arena_dup(a, o->data)));
    arena_free(a);
    map_put(&n->pods, key, p);
    count(n, p, 1);
}

static void node_free(struct node *n)
{
    MAP_EACH(e, &n->pods)
        arena_free(((struct pod_refs *)e->value)->a);
    map_fini(&n->pods);
    map_fini(&n->refs);
    mem_free(n);
}

static str node_of_pod(const struct obj *o)
{
    str on;

    return packed_get(o->fields, S("spec.nodeName"), &on) ? on : S("");
}

static void on_pod(void *ctx, const struct store_event *e)
{
    struct node_authorizer *g = ctx;
    const struct obj *known = e->prev ? e->prev : e->obj;
    struct node *n = map_find(&g->nodes, node_of_pod(e->type == STORE_DELETED ? known : e->obj));
    char buf[600];

    if (!n)
        return;
    if (e->type != STORE_DELETED) {
        pod_put(n, e->obj);
        return;
    }
    refs_drop(n, map_del(&n->pods, pod_key(e->obj, buf, sizeof buf)));
    if (!n->pods.n) {
        map_del(&g->nodes, node_of_pod(known));
        node_free(n);
    }
}

struct filling {
    str node;
    struct node *n;
};

static bool fill(void *ctx, const struct obj *o)
{
    struct filling *f = ctx;

    if (str_eq(node_of_pod(o), f->node))
        pod_put(f->n, o);
    return true;
}

static struct node *node_find(struct node_authorizer *g, str name)
{
    static const struct store_watch_events events = {.event = on_pod};
    const char *pods = api_core(g->api, "pods")->r->storage_resource.p;
    struct filling f = {name, map_find(&g->nodes, name)};
    struct err *e;

    if (f.n)
        return f.n;
    if (!g->watch) {
        e = store_watch(g->api->store, str_of(pods), S(""), store_revision(g->api->store), &events,
                        g, &g->watch);
        if (e) { /* without it nothing would stay current: nobody gets anything */
            log_error("api", "node authorizer: %s", err_text(e));
            err_free(e);
            return NULL;
        }
    }
    f.n = NEW(struct node);
    map_init(&f.n->pods);
    map_init(&f.n->refs);
    store_each(g->api->store, str_of(pods), S(""), NULL, fill, &f);
    if (!f.n->pods.n) {
        node_free(f.n);
        return NULL;
    }
    map_put(&g->nodes, name, f.n);
    return f.n;
}

struct node_authorizer *node_authorizer_new(struct api *api)
{
    struct node_authorizer *g = NEW(struct node_authorizer);

    g->api = api;
    map_init(&g->nodes);
    return g;
}

void node_authorizer_free(struct node_authorizer *g)
{
    if (!g)
        return;
    if (g->watch)
        store_watch_close(g->watch);
    MAP_EACH(e, &g->nodes)
        node_free(e->value);
    map_fini(&g->nodes);
    mem_free(g);
}

/* ---- questions ---- */

struct question {
    struct node_authorizer *g;
    struct arena *a;
    str node;
    const struct access *x;
    str *why;
};

static bool no(struct question *q, const char *why)
{
    *q->why = str_of(why);
    return false;
}

static bool no_relationship(struct question *q)
{
    *q->why = arena_fmt(q->a, "no relationship found between node '" PRI_STR "' and this object",
                        STR_ARG(q->node));
    return false;
}

static bool refers(struct question *q, enum ref kind, str ns, str name)
{
    struct node *n = node_find(q->g, q->node);

    return n && map_find(&n->refs, arena_fmt(q->a, "%c" PRI_STR "/" PRI_STR, 'a' + (int)kind,
                                             STR_ARG(ns), STR_ARG(name)));
}

static const struct json *stored(struct question *q, const char *group, const char *plural, str ns,
                                 str name)
{
    const struct kind *k = api_find_kind(q->g->api, str_of(group), S("v1"), str_of(plural));
    const struct obj *o = k ? store_find(q->g->api->store, kind_key(k, ns, name)) : NULL;

    return o ? object_parse(q->a, arena_dup(q->a, o->data)) : NULL;
}

static bool names_secret(const struct json *v, str ns, str name)
{
    JSON_EACH_MEMBER(m, v) {
        const struct json *x = &m->value;

        if (str_has_suffix(m->key, S("ecretRef")) && str_eq(json_get_str(x, "name"), name) &&
            (!json_get_str(x, "namespace").n || str_eq(json_get_str(x, "namespace"), ns)))
            return true;
        if (str_is(m->key, "azureFile") && str_eq(json_get_str(x, "secretName"), name))
            return true;
        if (names_secret(x, ns, name))
            return true;
    }
    return false;
}

/* Through a claim and its volume. */
static bool volume_refers(struct question *q)
{
    struct node *n = node_find(q->g, q->node);

    if (!n)
        return false;
    MAP_EACH(e, &n->refs) {
        str key = map_key(e), ns, volume;
        const struct json *claim, *pv;

        if (key.p[0] != 'a' + REF_CLAIM)
            continue;
        key = str_skip(key, 1);
        str_cut(&key, '/', &ns);
        claim = stored(q, "", "persistentvolumeclaims", ns, key);
        volume = json_get_str(claim, "spec.volumeName");
        if (!volume.n)
            continue;
        pv = stored(q, "", "persistentvolumes", S(""), volume);
        if (pv && names_secret(json_findz(pv, "spec"), q->x->ns, q->x->name))
            return true;
    }
    return false;
}

static bool ask_read(struct question *q, enum ref kind)
{
    const struct access *x = q->x;

    if (!str_is(x->verb, "get") && !str_is(x->verb, "list") && !str_is(x->verb, "watch"))
        return no(q, "can only read resources of this type");
    if (x->subresource.n)
        return no(q, "cannot read subresource");
    if (!x->ns.n)
        return no(q, "can only read namespaced object of this type");
    if (!x->name.n)
        return no(q, "No Object name found");
    return refers(q, kind, x->ns, x->name) || (kind == REF_SECRET && volume_refers(q)) ||
           no_relationship(q);
}

static bool is_get(struct question *q)
{
    if (!str_is(q->x->verb, "get"))
        return no(q, "can only get individual resources of this type");
    if (q->x->subresource.n)
        return no(q, "cannot get subresource");
    return q->x->name.n || no(q, "No Object name found");
}

static bool ask_claim(struct question *q)
{
    if (str_is(q->x->subresource, "status")) {
        if (!str_is(q->x->verb, "update") && !str_is(q->x->verb, "patch"))
            return no(q, "can only get/update/patch this type");
        if (!q->x->name.n)
            return no(q, "No Object name found");
    } else if (!is_get(q))
        return false;
    return refers(q, REF_CLAIM, q->x->ns, q->x->name) || no_relationship(q);
}

static bool ask_volume(struct question *q)
{
    const struct json *pv;

    if (!is_get(q))
        return false;
    pv = stored(q, "", "persistentvolumes", S(""), q->x->name);
    return (pv && refers(q, REF_CLAIM, json_get_str(pv, "spec.claimRef.namespace"),
                         json_get_str(pv, "spec.claimRef.name"))) ||
           no_relationship(q);
}

static bool ask_resource_claim(struct question *q)
{
    return is_get(q) && (refers(q, REF_RESOURCE_CLAIM, q->x->ns, q->x->name) || no_relationship(q));
}

static bool ask_attachment(struct question *q)
{
    return is_get(q) &&
           (str_eq(json_get_str(stored(q, "storage.k8s.io", "volumeattachments", S(""), q->x->name),
                                "spec.nodeName"),
                   q->node) ||
            no_relationship(q));
}

static bool ask_account(struct question *q)
{
    const struct access *x = q->x;

    if (str_is(x->verb, "get") && !x->subresource.n) {
        if (!is_get(q))
            return false;
    } else if (!str_is(x->verb, "create") || !x->name.n)
        return no(q, "can only create tokens for individual service accounts");
    else if (!str_is(x->subresource, "token"))
        return no(q, "can only create token subresource of serviceaccount");
    return refers(q, REF_ACCOUNT, x->ns, x->name) || no_relationship(q);
}

static bool is_item_verb(str verb)
{
    static const char *const verbs[] = {"get", "create", "update", "patch", "delete"};

    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (str_is(verb, verbs[i]))
            return true;
    return false;
}

static bool ask_lease(struct question *q)
{
    const struct access *x = q->x;

    if (!is_item_verb(x->verb))
        return no(q, "can only get, create, update, patch, or delete a node lease");
    if (!str_is(x->ns, "kube-node-lease"))
        return no(q, "can only access leases in the \"kube-node-lease\" system namespace");
    if (!str_is(x->verb, "create") && !str_eq(x->name, q->node))
        return no(q, "can only access node lease with the same name as the requesting node");
    return true;
}

static bool ask_csi_node(struct question *q)
{
    const struct access *x = q->x;

    if (!is_item_verb(x->verb))
        return no(q, "can only get, create, update, patch, or delete a CSINode");
    if (x->subresource.n)
        return no(q, "cannot authorize CSINode subresources");
    if (!str_is(x->verb, "create") && !str_eq(x->name, q->node))
        return no(q, "can only access CSINode with the same name as the requesting node");
    return true;
}

/* Does the field selector ask for this value? */
static bool selects(struct question *q, const char *field)
{
    struct selector s = {0};

    if (q->x->field_requirements) {
        JSON_EACH(r, q->x->field_requirements) {
            const struct json *values = json_findz(r, "values");

            if (str_is(json_get_str(r, "key"), field) &&
                str_is(json_get_str(r, "operator"), "In") && json_count(values) == 1 &&
                str_eq(json_str(json_item(values, 0)), q->node))
                return true;
        }
        return false;
    }
    if (!q->x->field_selector.n)
        return false;
    err_free(field_selector_parse(q->a, q->x->field_selector, &s)); /* a bad one selects nothing */
    for (size_t i = 0; i < s.n_terms; i++)
        if (str_is(s.terms[i].key, field) && s.terms[i].op == SELECTOR_EQ &&
            s.terms[i].n_values == 1 && str_eq(s.terms[i].values[0], q->node))
            return true;
    return false;
}

static bool ask_slice(struct question *q)
{
    const struct access *x = q->x;

    if (x->subresource.n)
        return no(q, "cannot authorize ResourceSlice subresources");
    if (str_is(x->verb, "create"))
        return true; /* NodeRestriction looks at the object */
    if (is_item_verb(x->verb))
        return !x->name.n ? no(q, "No Object name found")
                          : str_eq(json_get_str(stored(q, "resource.k8s.io", "resourceslices",
                                                       S(""), x->name),
                                                "spec.nodeName"),
                                   q->node) ||
                                no_relationship(q);
    if (str_is(x->verb, "watch") || str_is(x->verb, "list") || str_is(x->verb, "deletecollection"))
        return selects(q, "spec.nodeName") ||
               no(q, "can only list/watch/deletecollection resourceslices with nodeName field "
                     "selector");
    return no(q, "only the following verbs are allowed for a ResourceSlice: get, watch, list, "
                 "create, update, patch, delete, deletecollection");
}

static bool ask_node(struct question *q)
{
    const struct access *x = q->x;
    bool writes = str_is(x->verb, "update") || str_is(x->verb, "patch");

    if (str_is(x->subresource, "status"))
        return writes;
    if (x->subresource.n)
        return false;
    if (writes || str_is(x->verb, "create"))
        return true;
    if (!str_is(x->verb, "get") && !str_is(x->verb, "list") && !str_is(x->verb, "watch"))
        return false;
    if (str_eq(x->name, q->node))
        return true;
    *q->why =
        x->name.n
            ? arena_fmt(q->a,
                        "node '" PRI_STR "' cannot read '" PRI_STR "', only its own Node object",
                        STR_ARG(q->node), STR_ARG(x->name))
            : arena_fmt(q->a, "node '" PRI_STR "' cannot read all nodes, only its own Node object",
                        STR_ARG(q->node));
    return false;
}

static bool ask_pod(struct question *q)
{
    const struct access *x = q->x;
    const struct obj *o;

    if (str_is(x->subresource, "status"))
        return str_is(x->verb, "update") || str_is(x->verb, "patch");
    if (str_is(x->subresource, "eviction"))
        return str_is(x->verb, "create");
    if (x->subresource.n)
        return false;
    if (str_is(x->verb, "create") || str_is(x->verb, "delete"))
        return true;
    if (str_is(x->verb, "list") || str_is(x->verb, "watch")) {
        if (selects(q, "spec.nodeName"))
            return true;
        if (!x->name.n)
            return no(q, "can only list/watch pods with spec.nodeName field selector");
    } else if (!is_get(q))
        return false;
    o = store_find(q->g->api->store, kind_key(api_core(q->g->api, "pods"), x->ns, x->name));
    return (o && str_eq(node_of_pod(o), q->node)) || no_relationship(q);
}

static bool ask_secret(struct question *q)
{
    return ask_read(q, REF_SECRET);
}

static bool ask_configmap(struct question *q)
{
    return ask_read(q, REF_CONFIGMAP);
}

static const struct {
    const char *group, *resource;
    bool (*ask)(struct question *q);
} table[] = {
    {"", "pods", ask_pod},
    {"", "secrets", ask_secret},
    {"", "configmaps", ask_configmap},
    {"", "nodes", ask_node},
    {"", "persistentvolumeclaims", ask_claim},
    {"", "persistentvolumes", ask_volume},
    {"", "serviceaccounts", ask_account},
    {"coordination.k8s.io", "leases", ask_lease},
    {"storage.k8s.io", "csinodes", ask_csi_node},
    {"storage.k8s.io", "volumeattachments", ask_attachment},
    {"resource.k8s.io", "resourceclaims", ask_resource_claim},
    {"resource.k8s.io", "resourceslices", ask_slice},
};

str node_of_user(const struct user *u)
{
    static const str prefix = STR("system:node:");

    if (!str_has_prefix(u->name, prefix))
        return STR_NONE;
    for (size_t i = 0; i < u->n_groups; i++)
        if (str_is(u->groups[i], "system:nodes"))
            return str_skip(u->name, prefix.n);
    return STR_NONE;
}

bool node_authorizer_allows(struct node_authorizer *g, struct arena *a, str node,
                            const struct access *x, str *ret_why)
{
    struct question q = {g, a, node, x, ret_why};

    for (size_t i = 0; x->is_resource && i < ARRAY_LEN(table); i++)
        if (str_is(x->resource, table[i].resource) && str_is(x->group, table[i].group))
            return table[i].ask(&q);
    return rbac_role_allows(g->api->rbac, a, S("system:node"), x);
}
