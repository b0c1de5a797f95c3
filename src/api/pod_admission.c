/* pod_admission.c - what classes and nodes say of pods: tolerations, priority, overhead, labels.
 *
 * Source: plugin/pkg/admission/{defaulttolerationseconds,priority,runtimeclass,podtopologylabels} */
#include "api/admission.h"

#define TOLERATION_DEFAULT_S 300

static bool is_pod(const struct write *w)
{
    return !w->kind->r->group.n && str_is(w->kind->r->plural, "pods");
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

struct err *default_tolerations(struct write *w)
{
    static const char *const keys[] = {"node.kubernetes.io/not-ready",
                                       "node.kubernetes.io/unreachable"};
    struct json *spec, *list;

    if (!is_pod(w) || w->subresource.n)
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

bool is_system_class(str name)
{
    return str_is(name, "system-node-critical") || str_is(name, "system-cluster-critical");
}

/* Source: k8s.io/kubernetes/plugin/pkg/admission/priority, validatePriorityClass. */
struct err *default_class_alone(struct write *w)
{
    struct default_class d = {.a = w->a};

    if (!str_is(w->kind->r->kind, "PriorityClass") ||
        !str_is(w->kind->r->group, "scheduling.k8s.io") ||
        !json_get_bool(w->obj, "globalDefault", false))
        return NULL;
    store_each(w->api->store, w->kind->r->storage_resource, S(""), NULL, find_default_class, &d);
    if (!d.name.n || (w->old && str_eq(d.name, meta_str(w->obj, "name"))))
        return NULL;
    return err_forbidden(w->kind, meta_str(w->obj, "name"),
                         "PriorityClass " PRI_STR
                         " is already marked as default. Only one default can exist",
                         STR_ARG(d.name));
}

struct err *pod_priority(struct write *w)
{
    const struct kind *classes =
        api_find_kind(w->api, S("scheduling.k8s.io"), S("v1"), S("priorityclasses"));
    struct default_class d = {.a = w->a, .policy = S("PreemptLowerPriority")};
    struct json *spec;
    const struct json *given;
    str name;

    if (!is_pod(w) || w->subresource.n)
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

/* A later write may leave out what was computed. */
struct err *pod_priority_kept(struct write *w)
{
    static const char *const fields[] = {"priority", "preemptionPolicy"};
    struct json *spec = json_findz(w->obj, "spec");

    if (!is_pod(w) || w->subresource.n)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const struct json *was = json_at(w->old, "spec", fields[i], NULL);

        if (was && spec && !json_findz(spec, fields[i]))
            json_setz(w->a, spec, fields[i], *was);
    }
    return NULL;
}

/* ---- RuntimeClass: overhead and placement of a class become the pod's ---- */

static struct err *find_class(struct write *w, const struct json *spec, struct json **ret)
{
    const struct kind *classes =
        api_find_kind(w->api, S("node.k8s.io"), S("v1"), S("runtimeclasses"));
    str name = json_get_str(spec, "runtimeClassName");
    const struct obj *o;

    *ret = NULL;
    if (!name.n)
        return NULL;
    o = store_find(w->api->store, kind_key(classes, S(""), name));
    if (!o)
        return err_forbidden(w->kind, w->name,
                             "pod rejected: RuntimeClass \"" PRI_STR "\" not found", STR_ARG(name));
    *ret = object_parse(w->a, arena_dup(w->a, o->data));
    return NULL;
}

/* Does `more` tolerate all that t does? */
static bool is_superset(const struct json *more, const struct json *t)
{
    str key = json_get_str(more, "key"), effect = json_get_str(more, "effect"),
        op = json_get_str(more, "operator");
    const struct json *limit = json_findz(more, "tolerationSeconds"),
                      *seconds = json_findz(t, "tolerationSeconds");

    if (json_equal(more, t))
        return true;
    if (!str_eq(key, json_get_str(t, "key")) && (key.n || !str_is(op, "Exists")))
        return false;
    if (effect.n && !str_eq(effect, json_get_str(t, "effect")))
        return false;
    if (str_is(effect, "NoExecute") && limit && (!seconds || seconds->i > limit->i))
        return false;
    if (str_is(op, "Exists"))
        return true;
    return (!op.n || str_is(op, "Equal")) && str_is(json_get_str(t, "operator"), "Equal") &&
           str_eq(json_get_str(t, "value"), json_get_str(more, "value"));
}

#define TOLERATIONS_MERGED_MAX 256u /* with more, those of the class are added as they are */

/* Both lists; of two where one includes the other, that one. */
static void merge_tolerations(struct write *w, struct json *spec, const struct json *of_class)
{
    struct json all = json_array(), merged = json_array();

    JSON_EACH(t, json_findz(spec, "tolerations"))
        json_append(w->a, &all, *t);
    JSON_EACH(t, of_class)
        json_append(w->a, &all, *t);
    for (uint32_t i = 0; i < all.n; i++) {
        const struct json *t = &all.items[i];
        bool redundant = false;

        for (uint32_t k = 0; k < merged.n && all.n <= TOLERATIONS_MERGED_MAX; k++)
            redundant |= is_superset(&merged.items[k], t);
        for (uint32_t k = i + 1; k < all.n && all.n <= TOLERATIONS_MERGED_MAX; k++)
            redundant |= !json_equal(t, &all.items[k]) && is_superset(&all.items[k], t);
        if (!redundant)
            json_append(w->a, &merged, *t);
    }
    json_setz(w->a, spec, "tolerations", merged);
}

struct err *pod_runtime_class(struct write *w)
{
    struct json *spec, *class;
    const struct json *overhead, *own, *tolerations;
    struct err *e;

    if (!is_pod(w) || w->subresource.n)
        return NULL;
    spec = json_make(w->a, w->obj, "spec", JSON_OBJECT);
    e = find_class(w, spec, &class);
    if (e || !class)
        return e;
    own = json_findz(spec, "overhead");
    overhead = json_at(class, "overhead", "podFixed", NULL);
    if (overhead && json_count(own) && !json_equal(overhead, own))
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
    tolerations = json_at(class, "scheduling", "tolerations", NULL);
    if (json_findz(class, "scheduling") && json_count(tolerations))
        merge_tolerations(w, spec, tolerations);
    return NULL;
}

struct err *pod_runtime_overhead(struct write *w)
{
    const struct json *own = json_at(w->obj, "spec", "overhead", NULL), *overhead;
    struct json *class;
    struct err *e;

    if (!is_pod(w) || w->subresource.n || w->old || !own)
        return NULL;
    e = find_class(w, json_findz(w->obj, "spec"), &class);
    if (e)
        return e;
    overhead = json_at(class, "overhead", "podFixed", NULL);
    if (!overhead || !json_equal(overhead, own))
        return err_forbidden(w->kind, w->name, "%s",
                             overhead ? "pod rejected: Pod's Overhead doesn't match RuntimeClass's "
                                        "defined Overhead"
                                      : "pod rejected: Pod Overhead set without corresponding "
                                        "RuntimeClass defined Overhead");
    return NULL;
}

/* ---- PodTopologyLabels: a pod on a node is where the node is ---- */

static const char *const places[] = {"topology.kubernetes.io/zone",
                                     "topology.kubernetes.io/region"};

/* The node's places as labels, over those that are there. */
void topology_labels(struct api *api, struct arena *a, str node, struct json *labels)
{
    const struct kind *nodes = api_core(api, "nodes");
    const struct obj *o = store_find(api->store, kind_key(nodes, S(""), node));
    const struct json *of_node;

    if (!o)
        return;
    of_node = json_at(object_parse(a, arena_dup(a, o->data)), "metadata", "labels", NULL);
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        const struct json *v = json_findz(of_node, places[i]);

        if (v)
            json_setz(a, labels, places[i], *v);
    }
}

struct err *pod_topology(struct write *w)
{
    str node = json_get_str(w->obj, "spec.nodeName");
    struct json labels = json_object();

    if (!is_pod(w) || w->subresource.n || !node.n)
        return NULL;
    topology_labels(w->api, w->a, node, &labels);
    JSON_EACH_MEMBER(m, &labels)
        json_set(w->a, json_make(w->a, w->obj, "metadata.labels", JSON_OBJECT), m->key, m->value);
    return NULL;
}
