/* pod_prepare.c - what pods and their templates fill in, keep and lose when they are written.
 *
 * Fields of features that are off by default are dropped unless the stored object has them already.
 * Source: pkg/registry/core/pod/strategy.go, pkg/api/pod/util.go */
#include "api/api_internal.h"
#include "api/hooks.h"
#include "schema/quota.h"

/* The annotations of before the field existed still count where the field is not set. */
static void apparmor_from_annotations(struct write *w)
{
    static const str prefix = STR("container.apparmor.security.beta.kubernetes.io/");
    static const char *const lists[] = {"containers", "initContainers"};
    const struct json *annotations = json_at(w->obj, "metadata", "annotations", NULL);

    if (!json_count(annotations) || str_is(json_get_str(w->obj, "spec.os.name"), "windows"))
        return;
    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        JSON_EACH(c, json_at(w->obj, "spec", lists[l], NULL)) {
            str key =
                arena_fmt(w->a, PRI_STR PRI_STR, STR_ARG(prefix), STR_ARG(json_get_str(c, "name")));
            str v = json_str(json_find(annotations, key));
            struct json profile = json_object(), *context;

            if (!v.n || json_at(c, "securityContext", "appArmorProfile", NULL))
                continue;
            if (str_is(v, "runtime/default"))
                json_setz(w->a, &profile, "type", json_z("RuntimeDefault"));
            else if (str_is(v, "unconfined"))
                json_setz(w->a, &profile, "type", json_z("Unconfined"));
            else if (str_has_prefix(v, S("localhost/"))) {
                json_setz(w->a, &profile, "type", json_z("Localhost"));
                json_setz(w->a, &profile, "localhostProfile", json_string(str_skip(v, 10)));
            } else
                continue;
            context = json_make(w->a, c, "securityContext", JSON_OBJECT);
            json_setz(w->a, context, "appArmorProfile", profile);
            req_warn(w->req, arena_fmt(w->a,
                                       "metadata.annotations[" PRI_STR
                                       "]: deprecated since v1.30; use the \"appArmorProfile\" "
                                       "field instead",
                                       STR_ARG(key)));
        }
}

/* ---- label keys: the pod's own labels become part of its selectors ---- */

static void add_expressions(struct arena *a, struct json *selector, const struct json *keys,
                            const char *op, const struct json *labels)
{
    JSON_EACH(k, keys) {
        const struct json *v = json_find(labels, json_str(k));
        struct json e = json_object(), values = json_array();

        if (!v)
            continue;
        json_append(a, &values, *v);
        json_setz(a, &e, "key", *k);
        json_setz(a, &e, "operator", json_z(op));
        json_setz(a, &e, "values", values);
        json_append(a, json_make(a, selector, "matchExpressions", JSON_ARRAY), e);
    }
}

static void merge_keys(struct arena *a, struct json *term, const struct json *labels)
{
    struct json *selector = json_findz(term, "labelSelector");

    if (!json_is(selector, JSON_OBJECT))
        return;
    add_expressions(a, selector, json_findz(term, "matchLabelKeys"), "In", labels);
    selector = json_findz(term, "labelSelector");
    add_expressions(a, selector, json_findz(term, "mismatchLabelKeys"), "NotIn", labels);
}

static void merge_label_keys(struct write *w)
{
    static const char *const kinds[] = {"podAffinity", "podAntiAffinity"};
    const struct json *labels = json_at(w->obj, "metadata", "labels", NULL);

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct json *affinity = json_at(w->obj, "spec", "affinity", kinds[i], NULL);

        JSON_EACH(t, json_findz(affinity, "preferredDuringSchedulingIgnoredDuringExecution"))
            merge_keys(w->a, json_findz(t, "podAffinityTerm"), labels);
        JSON_EACH(t, json_findz(affinity, "requiredDuringSchedulingIgnoredDuringExecution"))
            merge_keys(w->a, t, labels);
    }
    JSON_EACH(t, json_at(w->obj, "spec", "topologySpreadConstraints", NULL))
        merge_keys(w->a, t, labels);
}

void pod_prepare_create(struct write *w)
{
    struct json *status = json_setz(w->a, w->obj, "status", json_object());

    json_setz(w->a, status, "phase", json_z("Pending"));
    json_setz(w->a, status, "qosClass", json_z(pod_qos(json_findz(w->obj, "spec"))));
    if (json_count(json_at(w->obj, "spec", "schedulingGates", NULL))) {
        struct json c = json_object(), list = json_array();

        json_setz(w->a, &c, "type", json_z("PodScheduled"));
        json_setz(w->a, &c, "status", json_z("False"));
        json_setz(w->a, &c, "lastTransitionTime", json_string(now_text(w->a, w->now)));
        json_setz(w->a, &c, "reason", json_z("SchedulingGated"));
        json_setz(w->a, &c, "message",
                  json_z("Scheduling is blocked due to non-empty scheduling gates"));
        json_append(w->a, &list, c);
        json_setz(w->a, json_findz(w->obj, "status"), "conditions", list);
    }
    merge_label_keys(w);
    apparmor_from_annotations(w);
    /* Less than nothing means as soon as can be. */
    if (json_get_int(w->obj, "spec.terminationGracePeriodSeconds", 0) < 0)
        json_setz(w->a, json_findz(w->obj, "spec"), "terminationGracePeriodSeconds", json_int(1));
}

/* kubectl leaves such rows out of a watch, and dims them. */
struct json pod_completed(struct arena *a, const struct json *pod)
{
    static const struct {
        const char *phase, *message;
    } ends[] = {{"Succeeded", "The pod has completed successfully."},
                {"Failed", "The pod failed."}};
    str phase = json_get_str(pod, "status.phase");

    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (str_is(phase, ends[i].phase)) {
            struct json list = json_array(), c = json_object();

            json_setz(a, &c, "type", json_z("Completed"));
            json_setz(a, &c, "status", json_z("True"));
            json_setz(a, &c, "reason", json_z(ends[i].phase));
            json_setz(a, &c, "message", json_z(ends[i].message));
            json_append(a, &list, c);
            return list;
        }
    return json_null();
}

void pod_prepare_update(struct write *w)
{
    (void)w; /* status was put back already */
}

#define CONDITIONS_KEPT_MAX 64u /* the others are taken as they come */

/* A writer that does not know of observedGeneration does not clear it. Several conditions may have one type:
 * they are taken in order. */
static void keep_observed(struct write *w, struct json *status)
{
    static const char name[] = "observedGeneration";
    const struct json *old = json_findz(w->old, "status"), *were = json_findz(old, "conditions");
    struct json *now = json_findz(status, "conditions");

    if (!json_get_int(status, name, 0) && json_get_int(old, name, 0))
        json_setz(w->a, status, name, *json_findz(old, name));
    for (uint32_t i = 0; i < MIN(json_count(now), CONDITIONS_KEPT_MAX); i++) {
        struct json *x = json_item(now, i);
        str type = json_get_str(x, "type");
        uint32_t nth = 0;

        for (uint32_t k = 0; k < i; k++)
            nth += str_eq(json_get_str(json_item(now, k), "type"), type);
        JSON_EACH(o, were)
            if (str_eq(json_get_str(o, "type"), type) && nth-- == 0) {
                if (!json_get_int(x, name, 0) && json_get_int(o, name, 0))
                    json_setz(w->a, x, name, *json_findz(o, name));
                break;
            }
    }
}

/* The kubelet and controllers may not change what is being deleted or who owns it through status.
 */
void pod_prepare_status(struct write *w)
{
    struct json *meta = meta_of(w->a, w->obj);
    const struct json *owners = json_at(w->old, "metadata", "ownerReferences", NULL);
    struct json *status = json_findz(w->obj, "status");

    keep_observed(w, status);
    if (owners)
        json_setz(w->a, meta, "ownerReferences", json_share(w->a, owners));
    else
        json_removez(meta, "ownerReferences");
    if (status && !json_str(json_findz(status, "qosClass")).n) {
        str q = json_get_str(w->old, "status.qosClass");

        if (q.n)
            json_setz(w->a, status, "qosClass", json_string(q));
    }
}

/* ---- features that are off ---- */

static const struct {
    const char *group, *plural, *spec;
} specs[] = {
    {"", "pods", "spec"},
    {"", "podtemplates", "template.spec"},
    {"", "replicationcontrollers", "spec.template.spec"},
    {"apps", "deployments", "spec.template.spec"},
    {"apps", "replicasets", "spec.template.spec"},
    {"apps", "statefulsets", "spec.template.spec"},
    {"apps", "daemonsets", "spec.template.spec"},
    {"batch", "jobs", "spec.template.spec"},
    {"batch", "cronjobs", "spec.jobTemplate.spec.template.spec"},
};

static bool has_source(const struct json *spec, const char *name)
{
    JSON_EACH(v, json_findz(spec, "volumes"))
        JSON_EACH(s, json_at(v, "projected", "sources", NULL))
            if (json_findz(s, name))
                return true;
    return false;
}

static const char *const container_lists[] = {"initContainers", "containers",
                                              "ephemeralContainers"};

static bool has_stop_signal(const struct json *spec)
{
    for (size_t l = 0; l < ARRAY_LEN(container_lists); l++)
        JSON_EACH(c, json_findz(spec, container_lists[l]))
            if (json_at(c, "lifecycle", "stopSignal", NULL))
                return true;
    return false;
}

static void drop_stop_signals(struct json *spec)
{
    for (size_t l = 0; l < ARRAY_LEN(container_lists); l++)
        JSON_EACH(c, json_findz(spec, container_lists[l])) {
            struct json *lifecycle = json_findz(c, "lifecycle");

            if (!json_findz(lifecycle, "stopSignal"))
                continue;
            json_removez(lifecycle, "stopSignal");
            if (!json_count(lifecycle))
                json_removez(c, "lifecycle");
        }
}

void pod_spec_drop(struct write *w)
{
    static const char *const fields[] = {"schedulingGroup"};
    static const char *const sources[] = {"clusterTrustBundle", "podCertificate"};

    for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
        struct json *spec;
        const struct json *old;

        if (!str_is(w->kind->r->plural, specs[i].plural) ||
            !str_is(w->kind->r->group, specs[i].group))
            continue;
        spec = json_path(w->obj, specs[i].spec);
        old = json_path(w->old, specs[i].spec);
        for (size_t f = 0; f < ARRAY_LEN(fields); f++)
            if (!json_findz(old, fields[f]))
                json_removez(spec, fields[f]);
        for (size_t f = 0; f < ARRAY_LEN(sources); f++)
            if (!has_source(old, sources[f]))
                JSON_EACH(v, json_findz(spec, "volumes"))
                    JSON_EACH(s, json_at(v, "projected", "sources", NULL))
                        json_removez(s, sources[f]);
        if (!has_stop_signal(old))
            drop_stop_signals(spec);
        return;
    }
}
