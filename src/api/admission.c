/* admission.c - the admission plugins that Kubernetes enables by default, as one ordered list per
 * operation.
 *
 * Mutating ones first. Each plugin looks at one write and changes w->obj or refuses. They read the
 * store from memory only. API:
 * https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/ */
#include "api/admission.h"
#include "api/dynamic/dynamic.h"

#define API_ACCESS_SUFFIX 5
#define TOLERATION_DEFAULT_S 300

static bool is_core(const struct write *w, const char *plural)
{
    return !w->kind->r->group.n && str_is(w->kind->r->plural, plural);
}

static struct json *stored(struct write *w, const char *plural, str ns, str name)
{
    const struct kind *k = api_core(w->api, plural);
    const struct obj *o = store_find(w->api->store, kind_key(k, ns, name));

    return o ? object_parse(w->a, arena_dup(w->a, o->data)) : NULL;
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

/* ---- ServiceAccount: every pod runs as one, and gets its token ---- */

static bool has_mount(const struct json *container)
{
    JSON_EACH(m, json_findz(container, "volumeMounts"))
        if (str_is(json_get_str(m, "mountPath"), "/var/run/secrets/kubernetes.io/serviceaccount"))
            return true;
    return false;
}

static struct json downward_item(struct arena *a)
{
    struct json item = json_object(), ref = json_object();

    json_setz(a, &item, "path", json_z("namespace"));
    json_setz(a, &ref, "apiVersion", json_z("v1"));
    json_setz(a, &ref, "fieldPath", json_z("metadata.namespace"));
    json_setz(a, &item, "fieldRef", ref);
    return item;
}

/* Token, cluster CA and namespace in one projected volume. */
static struct json access_volume(struct arena *a, str name)
{
    struct json v = json_object(), projected = json_object(), sources = json_array(), s, x, items,
                item;

    json_setz(a, &v, "name", json_string(name));
    s = json_object();
    x = json_object();
    json_setz(
        a, &x, "expirationSeconds",
        json_int(3607)); /* an odd number, as Kubernetes: tells its own requests from users' */
    json_setz(a, &x, "path", json_z("token"));
    json_setz(a, &s, "serviceAccountToken", x);
    json_append(a, &sources, s);
    s = json_object();
    x = json_object();
    items = json_array();
    item = json_object();
    json_setz(a, &item, "key", json_z("ca.crt"));
    json_setz(a, &item, "path", json_z("ca.crt"));
    json_append(a, &items, item);
    json_setz(a, &x, "name", json_z("kube-root-ca.crt"));
    json_setz(a, &x, "items", items);
    json_setz(a, &s, "configMap", x);
    json_append(a, &sources, s);
    s = json_object();
    x = json_object();
    items = json_array();
    json_append(a, &items, downward_item(a));
    json_setz(a, &x, "items", items);
    json_setz(a, &s, "downwardAPI", x);
    json_append(a, &sources, s);
    json_setz(a, &projected, "sources", sources);
    json_setz(a, &projected, "defaultMode", json_int(0644));
    json_setz(a, &v, "projected", projected);
    return v;
}

static void mount_token(struct write *w, struct json *spec)
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    static const char *const lists[] = {"initContainers", "containers"};
    unsigned char r[API_ACCESS_SUFFIX];
    char suffix[API_ACCESS_SUFFIX];
    str name = S("");
    bool needed = false;

    JSON_EACH(v, json_findz(spec, "volumes"))
        if (str_has_prefix(json_get_str(v, "name"), S("kube-api-access-")))
            name = json_get_str(v, "name");
    if (!name.n) {
        answers_random(w->answers, w->api, r, sizeof r);
        for (size_t i = 0; i < sizeof r; i++)
            suffix[i] = alphabet[r[i] % (sizeof alphabet - 1)];
        name = arena_fmt(w->a, "kube-api-access-" PRI_STR, API_ACCESS_SUFFIX, suffix);
        needed = true;
    }
    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        JSON_EACH(c, json_findz(spec, lists[l])) {
            struct json m = json_object(), *mounts;

            if (has_mount(c))
                continue;
            json_setz(w->a, &m, "name", json_string(name));
            json_setz(w->a, &m, "readOnly", json_bool(true));
            json_setz(w->a, &m, "mountPath",
                      json_z("/var/run/secrets/kubernetes.io/serviceaccount"));
            mounts = json_make(w->a, c, "volumeMounts", JSON_ARRAY);
            json_append(w->a, mounts, m);
        }
    if (needed)
        json_append(w->a, json_make(w->a, spec, "volumes", JSON_ARRAY), access_volume(w->a, name));
}

static struct err *service_account(struct write *w)
{
    struct json *spec, *account;
    const struct json *mirror, *automount;
    str name;

    if (!is_core(w, "pods") || w->subresource.n)
        return NULL;
    spec = json_make(w->a, w->obj, "spec", JSON_OBJECT);
    mirror = json_find(json_at(w->obj, "metadata", "annotations", NULL),
                       S("kubernetes.io/config.mirror"));
    if (mirror) {
        if (json_get_str(spec, "serviceAccountName").n)
            return err_forbidden(w->kind, w->name,
                                 "a mirror pod may not reference service accounts");
        return NULL;
    }
    name = json_get_str(spec, "serviceAccountName");
    if (!name.n) {
        name = S("default");
        json_setz(w->a, spec, "serviceAccountName", json_string(name));
    }
    json_setz(w->a, spec, "serviceAccount", json_string(name));
    account = stored(w, "serviceaccounts", w->ns, name);
    if (!account)
        return err_forbidden(w->kind, w->name,
                             "error looking up service account " PRI_STR "/" PRI_STR
                             ": serviceaccount \"" PRI_STR "\" not found",
                             STR_ARG(w->ns), STR_ARG(name), STR_ARG(name));
    automount = json_findz(spec, "automountServiceAccountToken");
    if (automount ? automount->b : json_get_bool(account, "automountServiceAccountToken", true))
        mount_token(w, spec);
    if (!json_count(json_findz(spec, "imagePullSecrets")) &&
        json_count(json_findz(account, "imagePullSecrets")))
        json_setz(w->a, spec, "imagePullSecrets",
                  json_share(w->a, json_findz(account, "imagePullSecrets")));
    return NULL;
}

/* ---- DefaultTolerationSeconds ---- */

static bool tolerates(const struct json *tolerations, const char *key)
{
    JSON_EACH(t, tolerations) {
        str k = json_get_str(t, "key"), effect = json_get_str(t, "effect");

        if ((str_is(k, key) || !k.n) && (str_is(effect, "NoExecute") || !effect.n))
            return true;
    }
    return false;
}

static struct err *default_tolerations(struct write *w)
{
    static const char *const keys[] = {"node.kubernetes.io/not-ready",
                                       "node.kubernetes.io/unreachable"};
    struct json *spec, *list;

    if (!is_core(w, "pods") || w->subresource.n)
        return NULL;
    spec = json_make(w->a, w->obj, "spec", JSON_OBJECT);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct json t = json_object();

        if (tolerates(json_findz(spec, "tolerations"), keys[i]))
            continue;
        json_setz(w->a, &t, "key", json_z(keys[i]));
        json_setz(w->a, &t, "operator", json_z("Exists"));
        json_setz(w->a, &t, "effect", json_z("NoExecute"));
        json_setz(w->a, &t, "tolerationSeconds", json_int(TOLERATION_DEFAULT_S));
        list = json_make(w->a, spec, "tolerations", JSON_ARRAY);
        json_append(w->a, list, t);
    }
    return NULL;
}

/* ---- Priority: a class's number at the moment of creation ---- */

struct default_class {
    str name;
    int64_t value;
    str policy;
    struct arena *a;
};

static bool find_default_class(void *ctx, const struct obj *o)
{
    struct default_class *d = ctx;
    struct json *v = object_parse(d->a, arena_dup(d->a, o->data));

    if (json_get_bool(v, "globalDefault", false) &&
        (!d->name.n || json_get_int(v, "value", 0) < d->value)) {
        d->name = json_get_str(v, "metadata.name");
        d->value = json_get_int(v, "value", 0);
        d->policy = json_get_str(v, "preemptionPolicy");
    }
    return true;
}

static struct err *priority(struct write *w)
{
    const struct kind *classes =
        api_find_kind(w->api, S("scheduling.k8s.io"), S("v1"), S("priorityclasses"));
    struct default_class d = {.a = w->a, .policy = S("PreemptLowerPriority")};
    struct json *spec;
    const struct json *given;
    str name;

    if (!is_core(w, "pods") || w->subresource.n)
        return NULL;
    spec = json_make(w->a, w->obj, "spec", JSON_OBJECT);
    name = json_get_str(spec, "priorityClassName");
    if (name.n) {
        const struct obj *o = store_find(w->api->store, kind_key(classes, S(""), name));
        struct json *v;

        if (!o)
            return err_forbidden(w->kind, w->name,
                                 "no PriorityClass with name " PRI_STR " was found", STR_ARG(name));
        v = object_parse(w->a, arena_dup(w->a, o->data));
        d.value = json_get_int(v, "value", 0);
        d.policy = json_get_str(v, "preemptionPolicy");
    } else {
        store_each(w->api->store, classes->r->storage_resource, S(""), NULL, find_default_class,
                   &d);
        if (d.name.n)
            json_setz(w->a, spec, "priorityClassName", json_string(d.name));
    }
    given = json_findz(spec, "priority");
    if (given && json_is(given, JSON_INT) && given->i != d.value)
        return err_forbidden(
            w->kind, w->name,
            "the integer value of priority (%lld) must not be provided in pod spec; priority "
            "admission controller computed %lld from the given PriorityClass name",
            (long long)given->i, (long long)d.value);
    json_setz(w->a, spec, "priority", json_int(d.value));
    given = json_findz(spec, "preemptionPolicy");
    if (given && d.policy.n && !str_eq(json_str(given), d.policy))
        return err_forbidden(
            w->kind, w->name,
            "the string value of PreemptionPolicy (" PRI_STR
            ") must not be provided in pod spec; priority admission controller computed " PRI_STR
            " from the given PriorityClass name",
            STR_ARG(json_str(given)), STR_ARG(d.policy));
    if (d.policy.n)
        json_setz(w->a, spec, "preemptionPolicy", json_string(d.policy));
    return NULL;
}

/* ---- RuntimeClass: overhead and placement of a class become the pod's ---- */

static struct err *runtime_class(struct write *w)
{
    const struct kind *classes =
        api_find_kind(w->api, S("node.k8s.io"), S("v1"), S("runtimeclasses"));
    const struct obj *o;
    struct json *spec, *class;
    const struct json *overhead, *own;
    str name;

    if (!is_core(w, "pods") || w->subresource.n)
        return NULL;
    spec = json_make(w->a, w->obj, "spec", JSON_OBJECT);
    name = json_get_str(spec, "runtimeClassName");
    own = json_findz(spec, "overhead");
    if (!name.n)
        return json_count(own)
                   ? err_forbidden(
                         w->kind, w->name,
                         "Pod Overhead set without corresponding RuntimeClass defined Overhead")
                   : NULL;
    o = store_find(w->api->store, kind_key(classes, S(""), name));
    if (!o)
        return err_forbidden(w->kind, w->name,
                             "pod rejected: RuntimeClass \"" PRI_STR "\" not found", STR_ARG(name));
    class = object_parse(w->a, arena_dup(w->a, o->data));
    overhead = json_at(class, "overhead", "podFixed", NULL);
    if (overhead && own && !json_equal(overhead, own))
        return err_forbidden(
            w->kind, w->name,
            "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
    if (overhead)
        json_setz(w->a, spec, "overhead", json_share(w->a, overhead));
    JSON_EACH_MEMBER(m, json_at(class, "scheduling", "nodeSelector", NULL)) {
        struct json *sel = json_make(w->a, spec, "nodeSelector", JSON_OBJECT),
                    *was = json_find(sel, m->key);

        if (was && !str_eq(json_str(was), json_str(&m->value)))
            return err_forbidden(w->kind, w->name,
                                 "conflict: runtimeClass.scheduling.nodeSelector[" PRI_STR
                                 "] = " PRI_STR "; pod.spec.nodeSelector[" PRI_STR "] = " PRI_STR,
                                 STR_ARG(m->key), STR_ARG(json_str(&m->value)), STR_ARG(m->key),
                                 STR_ARG(json_str(was)));
        json_set(w->a, sel, m->key, m->value);
    }
    JSON_EACH(t, json_at(class, "scheduling", "tolerations", NULL)) {
        struct json *list = json_make(w->a, spec, "tolerations", JSON_ARRAY);
        bool has = false;

        JSON_EACH(x, list)
            has |= json_equal(x, t);
        if (!has)
            json_append(w->a, list, *t);
    }
    return NULL;
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
    const char *annotation;
    str name, created;
};

static bool find_default_named(void *ctx, const struct obj *o)
{
    struct default_named *d = ctx;
    struct json *v;
    str created;

    if (str_find(o->data, str_of(d->annotation)) < 0)
        return true;
    v = object_parse(d->a, arena_dup(d->a, o->data));
    if (!str_is(
            json_str(json_find(json_at(v, "metadata", "annotations", NULL), str_of(d->annotation))),
            "true"))
        return true;
    created = meta_str(v, "creationTimestamp");
    /* The newest default wins. */
    if (!d->name.n || str_cmp(created, d->created) > 0) {
        d->name = meta_str(v, "name");
        d->created = created;
    }
    return true;
}

static struct err *default_classes(struct write *w)
{
    static const struct {
        const char *group, *plural, *field, *alias, *from_group, *from, *annotation;
    } defaults[] = {
        {"", "persistentvolumeclaims", "storageClassName",
         "volume.beta.kubernetes.io/storage-class", "storage.k8s.io", "storageclasses",
         "storageclass.kubernetes.io/is-default-class"},
        {"networking.k8s.io", "ingresses", "ingressClassName", "kubernetes.io/ingress.class",
         "networking.k8s.io", "ingressclasses", "ingressclass.kubernetes.io/is-default-class"},
    };

    for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
        struct default_named d = {.a = w->a, .annotation = defaults[i].annotation};
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
        if (d.name.n)
            json_setz(w->a, spec, defaults[i].field, json_string(d.name));
    }
    return NULL;
}

/* ---- the lists ---- */

typedef struct err *plugin_fn(struct write *w);

static plugin_fn *const on_create[] = {
    namespace_lifecycle, limit_ranger_mutate, service_account, taint_node,      priority,
    default_tolerations, runtime_class,       default_classes, node_restriction};
static plugin_fn *const on_update[] = {default_tolerations, node_restriction, limit_ranger_update};

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
    struct err *e = pod_security(w);

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

struct err *admission_delete(struct req *q, const struct kind *k, str ns, str name,
                             const struct obj *current)
{
    static const char *const immortal[] = {"default", "kube-system", "kube-public"};

    (void)ns;
    (void)current;
    if (!k->r->group.n && str_is(k->r->plural, "namespaces"))
        for (size_t i = 0; i < ARRAY_LEN(immortal); i++)
            if (str_is(name, immortal[i]))
                return err_forbidden(k, name, "this namespace may not be deleted");
    return node_restriction_delete(q, k, name);
}
