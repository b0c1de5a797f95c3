/* admission.c - the admission plugins that Kubernetes enables by default, as one ordered list per
 * operation.
 *
 * Mutating ones first. Each plugin looks at one write and changes w->obj or refuses. They read the
 * store from memory only. API:
 * https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/ */
#include "api/admission.h"
#include "api/dynamic/dynamic.h"
#include "schema/volumes.h"

static bool is_core(const struct write *w, const char *plural)
{
    return !w->kind->r->group.n && str_is(w->kind->r->plural, plural);
}

/* ---- NamespaceLifecycle: nothing new in a namespace that is not there or is going ---- */

static bool is_review(const struct write *w)
{
    return str_has_suffix(w->kind->r->group, S("authorization.k8s.io")) &&
           str_has_suffix(w->kind->r->kind, S("Review"));
}

static struct err *namespace_lifecycle(struct write *w)
{
    const struct kind *namespaces = api_core(w->api, "namespaces");
    const struct obj *o;
    str phase = S("");
    struct err *e;

    if (!w->kind->r->namespaced || is_review(w))
        return NULL;
    o = store_find(w->api->store, kind_key(namespaces, S(""), w->ns));
    if (!o)
        return err_not_found(namespaces, w->ns);
    packed_get(o->fields, S("status.phase"), &phase);
    if (!str_is(phase, "Terminating"))
        return NULL;
    e = err_forbidden(w->kind, w->name.n ? w->name : meta_str(w->obj, "name"),
                      "unable to create new content in namespace " PRI_STR
                      " because it is being terminated",
                      STR_ARG(w->ns));
    err_cause_add(e, "NamespaceTerminating", S("metadata.namespace"),
                  arena_fmt(w->a, "namespace " PRI_STR " is being terminated", STR_ARG(w->ns)));
    return e;
}

/* ---- TaintNodesByCondition: a node is not ready before it says so ---- */

static struct err *taint_node(struct write *w)
{
    struct json *taints, t = json_object();

    if (!is_core(w, "nodes"))
        return NULL;
    taints = json_make(w->a, w->obj, "spec.taints", JSON_ARRAY);
    JSON_EACH(x, taints)
        if (str_is(json_get_str(x, "key"), "node.kubernetes.io/not-ready") &&
            str_is(json_get_str(x, "effect"), "NoSchedule"))
            return NULL;
    json_setz(w->a, &t, "key", json_z("node.kubernetes.io/not-ready"));
    json_setz(w->a, &t, "effect", json_z("NoSchedule"));
    json_append(w->a, taints, t);
    return NULL;
}

/* ---- DefaultStorageClass, DefaultIngressClass ---- */

struct default_named {
    struct arena *a;
    const char *annotation, *beta;
    const struct json *found;
};

static bool find_default_named(void *ctx, const struct obj *o)
{
    struct default_named *d = ctx;
    struct json *v;

    if (str_find(o->data, S("is-default-class")) < 0)
        return true;
    v = object_parse(d->a, arena_dup(d->a, o->data));
    if (class_is_default(v, d->annotation, d->beta) && class_goes_before(v, d->found))
        d->found = v;
    return true;
}

static struct err *default_classes(struct write *w)
{
    static const struct {
        const char *group, *plural, *field, *alias, *from_group, *from, *annotation, *beta;
    } defaults[] = {
        {"", "persistentvolumeclaims", "storageClassName", VOLUME_BETA_CLASS, "storage.k8s.io",
         "storageclasses", STORAGE_CLASS_DEFAULT, STORAGE_CLASS_DEFAULT_BETA},
        {"networking.k8s.io", "ingresses", "ingressClassName", "kubernetes.io/ingress.class",
         "networking.k8s.io", "ingressclasses", "ingressclass.kubernetes.io/is-default-class",
         NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
        struct default_named d = {
            .a = w->a, .annotation = defaults[i].annotation, .beta = defaults[i].beta};
        struct json *spec;
        const struct kind *k;

        if (!str_is(w->kind->r->group, defaults[i].group) ||
            !str_is(w->kind->r->plural, defaults[i].plural) || w->subresource.n)
            continue;
        spec = json_make(w->a, w->obj, "spec", JSON_OBJECT);
        if (json_findz(spec, defaults[i].field) ||
            json_find(json_at(w->obj, "metadata", "annotations", NULL), str_of(defaults[i].alias)))
            continue;
        k = api_find_kind(w->api, str_of(defaults[i].from_group), S("v1"),
                          str_of(defaults[i].from));
        if (k)
            store_each(w->api->store, k->r->storage_resource, S(""), NULL, find_default_named, &d);
        if (d.found)
            json_setz(w->a, spec, defaults[i].field, json_string(meta_str(d.found, "name")));
    }
    return NULL;
}

/* ---- PersistentVolumeClaimResize ---- */

static bool class_expands(struct write *w, str name)
{
    const struct kind *k = api_find_kind(w->api, S("storage.k8s.io"), S("v1"), S("storageclasses"));
    const struct obj *o = k && name.n ? store_find(w->api->store, kind_key(k, S(""), name)) : NULL;

    return o && json_get_bool(object_parse(w->a, arena_dup(w->a, o->data)), "allowVolumeExpansion",
                              false);
}

static struct err *claim_resize(struct write *w)
{
    struct quantity now, was;

    if (!w->old || !is_core(w, "persistentvolumeclaims") || w->subresource.n ||
        !quantity_parse(json_get_str(w->obj, "spec.resources.requests.storage"), &now) ||
        !quantity_parse(json_get_str(w->old, "spec.resources.requests.storage"), &was) ||
        quantity_cmp(&now, &was) <= 0)
        return NULL;
    if (!str_is(json_get_str(w->old, "status.phase"), "Bound"))
        return err_forbidden(w->kind, w->name,
                             "Only bound persistent volume claims can be expanded");
    if (!str_eq(volume_class(w->obj), volume_class(w->old)) ||
        !class_expands(w, volume_class(w->obj)))
        return err_forbidden(w->kind, w->name,
                             "only dynamically provisioned pvc can be resized and the storageclass "
                             "that provisions the pvc must support resize");
    return NULL;
}

/* ---- the lists ---- */

typedef struct err *plugin_fn(struct write *w);

static plugin_fn *const on_create[] = {
    namespace_lifecycle, limit_ranger_mutate, pod_account,     taint_node,   pod_priority,
    default_tolerations, pod_runtime_class,   default_classes, pod_topology, node_restriction};
static plugin_fn *const on_update[] = {pod_priority_kept, default_tolerations, node_restriction,
                                       limit_ranger_update};

struct err *admission_create(struct write *w)
{
    for (size_t i = 0; i < ARRAY_LEN(on_create); i++) {
        struct err *e = on_create[i](w);

        if (e)
            return e;
    }
    return NULL;
}

struct err *admission_update(struct write *w)
{
    for (size_t i = 0; i < ARRAY_LEN(on_update); i++) {
        struct err *e = on_update[i](w);

        if (e)
            return e;
    }
    return NULL;
}

struct err *admission_validate(struct write *w)
{
    struct err *e = pod_runtime_overhead(w);

    if (!e)
        e = default_class_alone(w);
    if (!e)
        e = pod_account_secrets(w);
    if (!e)
        e = claim_resize(w);
    if (!e)
        e = node_features(w);
    if (!e)
        e = pod_security(w);
    if (!e && w->answers) {
        struct attributes t;

        /* By now it is known which version is replaced. */
        if (w->old)
            json_setz(w->a, meta_of(w->a, w->obj), "resourceVersion",
                      json_string(meta_str(w->old, "resourceVersion")));
        t = write_attributes(w);
        e = dynamic_validate(&t);
    }
    return e ? e : resource_quota(w);
}

struct err *admission_delete(struct req *q, const struct kind *k, str name, bool alone)
{
    static const char *const immortal[] = {"default", "kube-system", "kube-public"};

    if (alone && str_is(k->r->kind, "PriorityClass") && str_is(k->r->group, "scheduling.k8s.io") &&
        is_system_class(name))
        return err_forbidden(k, name, "this is a system priority class and cannot be deleted");
    if (!k->r->group.n && str_is(k->r->plural, "namespaces"))
        for (size_t i = 0; i < ARRAY_LEN(immortal); i++)
            if (str_is(name, immortal[i]))
                return err_forbidden(k, name, "this namespace may not be deleted");
    return node_restriction_delete(q, k, name);
}
