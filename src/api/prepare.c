/* prepare.c - what single kinds fill in or keep when they are created or updated.
 *
 * API: the PrepareForCreate and PrepareForUpdate of pkg/registry's strategies */
#include "api/api_internal.h"
#include "api/hooks.h"

/* ---- namespaces ---- */

void namespace_prepare_create(struct write *w)
{
    struct json *spec = json_make(w->a, w->obj, "spec", JSON_OBJECT),
                *fin = json_findz(spec, "finalizers");
    struct json *status = json_setz(w->a, w->obj, "status", json_object()), *labels;
    bool has = false;

    json_setz(w->a, status, "phase", json_z("Active"));
    JSON_EACH(f, fin)
        has |= str_is(json_str(f), "kubernetes");
    if (!has) {
        if (!json_is(fin, JSON_ARRAY))
            fin = json_setz(w->a, spec, "finalizers", json_array());
        json_append(w->a, fin, json_z("kubernetes"));
    }
    /* The name as a label, so that selectors can name a namespace. */
    labels = json_make(w->a, w->obj, "metadata.labels", JSON_OBJECT);
    json_setz(w->a, labels, "kubernetes.io/metadata.name",
              json_string(w->name.n ? w->name : meta_str(w->obj, "name")));
}

void namespace_prepare_update(struct write *w)
{
    const struct json *fin = json_at(w->old, "spec", "finalizers", NULL);
    struct json *labels;

    /* spec.finalizers change through the finalize subresource only. */
    if (!str_is(w->subresource, "finalize")) {
        struct json *spec = json_make(w->a, w->obj, "spec", JSON_OBJECT);

        if (fin)
            json_setz(w->a, spec, "finalizers", json_share(w->a, fin));
        else
            json_removez(spec, "finalizers");
    }
    labels = json_make(w->a, w->obj, "metadata.labels", JSON_OBJECT);
    json_setz(w->a, labels, "kubernetes.io/metadata.name", json_string(w->name));
}

/* ---- secrets: stringData is write-only convenience ---- */

void secret_prepare(struct write *w)
{
    struct json *plain = json_findz(w->obj, "stringData"), *data;

    if (w->old && !json_get_str(w->obj, "type").n)
        json_setz(w->a, w->obj, "type", json_string(json_get_str(w->old, "type")));
    if (!plain)
        return;
    data = json_make(w->a, w->obj, "data", JSON_OBJECT);
    plain = json_findz(w->obj, "stringData");
    JSON_EACH_MEMBER(m, plain) {
        struct buf b = BUF_INIT;

        buf_base64(&b, json_str(&m->value));
        json_set(w->a, data, m->key, json_string(arena_dup(w->a, buf_view(&b))));
        buf_fini(&b);
    }
    json_removez(w->obj, "stringData");
}

/* ---- volumes ---- */

static void add_finalizer(struct write *w, const char *name)
{
    struct json *fin = json_make(w->a, w->obj, "metadata.finalizers", JSON_ARRAY);

    JSON_EACH(f, fin)
        if (str_is(json_str(f), name))
            return;
    json_append(w->a, fin, json_z(name));
}

void pv_prepare_create(struct write *w)
{
    struct json *status = json_setz(w->a, w->obj, "status", json_object());

    json_setz(w->a, status, "phase", json_z("Pending"));
    json_setz(w->a, status, "lastPhaseTransitionTime", json_string(now_text(w->a, w->now)));
    add_finalizer(w, "kubernetes.io/pv-protection");
}

/* dataSource and dataSourceRef say the same unless a namespace is named; whichever was given fills
 * in the other. What dataSource cannot refer to is left out silently, as ever; dataSourceRef has
 * its kind checked. */
static void normalize_sources(struct write *w)
{
    struct json *spec = json_findz(w->obj, "spec"), *source = json_findz(spec, "dataSource"),
                *ref = json_findz(spec, "dataSourceRef");
    str kind = json_get_str(source, "kind"), group = json_get_str(source, "apiGroup");
    bool known = (str_is(kind, "PersistentVolumeClaim") && !group.n) ||
                 (str_is(kind, "VolumeSnapshot") && str_is(group, "snapshot.storage.k8s.io"));

    /* Other namespaces are a feature that is off. */
    if (ref && json_get_str(ref, "namespace").n &&
        !json_at(w->old, "spec", "dataSourceRef", NULL)) {
        json_removez(spec, "dataSourceRef");
        source = json_findz(spec, "dataSource");
        ref = NULL;
    }
    if (w->old)
        return;
    if (source && !known) {
        json_removez(spec, "dataSource");
        source = NULL;
        ref = json_findz(spec, "dataSourceRef");
    }
    if (source && !ref)
        json_setz(w->a, spec, "dataSourceRef", json_copy(w->a, source));
    else if (ref && !source && !json_get_str(ref, "namespace").n)
        json_setz(w->a, spec, "dataSource", json_copy(w->a, ref));
}

void pvc_prepare_update(struct write *w)
{
    normalize_sources(w);
}

void pvc_prepare_create(struct write *w)
{
    normalize_sources(w);
    struct json *status = json_setz(w->a, w->obj, "status", json_object());

    json_setz(w->a, status, "phase", json_z("Pending"));
    add_finalizer(w, "kubernetes.io/pvc-protection");
}

/* ---- jobs: selector and labels from the uid, unless the user manages them ---- */

void job_prepare_create(struct write *w)
{
    str uid = meta_str(w->obj, "uid"), name = meta_str(w->obj, "name");
    struct json *spec = json_make(w->a, w->obj, "spec", JSON_OBJECT), *labels;
    const struct json *own = json_at(w->obj, "metadata", "labels", NULL),
                      *of_template =
                          json_at(w->obj, "spec", "template", "metadata", "labels", NULL);

    if (json_get_bool(spec, "manualSelector", false))
        return;
    /* Labels that came from the template follow it: defaults copy them again. */
    if (own && of_template && json_equal(own, of_template))
        json_removez(meta_of(w->a, w->obj), "labels");
    labels = json_make(w->a, w->obj, "spec.template.metadata.labels", JSON_OBJECT);
    if (!json_findz(labels, "job-name"))
        json_setz(w->a, labels, "job-name", json_string(name));
    json_setz(w->a, labels, "batch.kubernetes.io/job-name", json_string(name));
    if (!json_findz(labels, "controller-uid"))
        json_setz(w->a, labels, "controller-uid", json_string(uid));
    json_setz(w->a, labels, "batch.kubernetes.io/controller-uid", json_string(uid));
    {
        struct json *selector = json_make(w->a, w->obj, "spec.selector", JSON_OBJECT),
                    *match = json_findz(selector, "matchLabels");

        if (!json_is(match, JSON_OBJECT))
            match = json_setz(w->a, selector, "matchLabels", json_object());
        if (!json_findz(match, "batch.kubernetes.io/controller-uid"))
            json_setz(w->a, match, "batch.kubernetes.io/controller-uid", json_string(uid));
    }
}

/* ---- fields of spec whose features are off by default: they stay only where they are ---- */

static void drop_new(struct write *w, const char *name)
{
    if (!json_findz(json_findz(w->old, "spec"), name))
        json_removez(json_findz(w->obj, "spec"), name);
}

void lease_prepare(struct write *w) /* CoordinatedLeaderElection */
{
    drop_new(w, "strategy");
    drop_new(w, "preferredHolder");
}

void csidriver_prepare(struct write *w) /* VolumeLimitScaling */
{
    drop_new(w, "preventPodSchedulingIfMissing");
}

/* ---- nodes: podCIDR and podCIDRs[0] say the same ---- */

/* Configuration by a ConfigMap is no more: only what was stored long ago stays. */
void node_prepare(struct write *w)
{
    if (!json_at(w->old, "spec", "configSource", NULL))
        json_removez(json_findz(w->obj, "spec"), "configSource");
    if (!json_at(w->old, "status", "config", NULL))
        json_removez(json_findz(w->obj, "status"), "config");
}

/* The first of a list has a field of its own, from before there were several. A writer that knows
 * only the field replaces the list. */
static void pair(struct write *w, struct json *obj, const char *field, const char *list,
                 const char *inner)
{
    const struct json *item = json_item(json_findz(obj, list), 0);
    str one = json_get_str(obj, field), first = inner ? json_get_str(item, inner) : json_str(item);
    struct json only = json_array(), wrapped = json_object();

    if (!one.n && first.n)
        json_setz(w->a, obj, field, json_string(first));
    if (!one.n || str_eq(one, first))
        return;
    if (inner)
        json_setz(w->a, &wrapped, inner, json_string(one));
    json_append(w->a, &only, inner ? wrapped : json_string(one));
    json_setz(w->a, obj, list, only);
}

void node_default(struct write *w)
{
    pair(w, json_findz(w->obj, "spec"), "podCIDR", "podCIDRs", NULL);
}

void pod_default(struct write *w)
{
    pair(w, json_findz(w->obj, "status"), "podIP", "podIPs", "ip");
}

/* ---- slices of devices: a taint says since when it is there ---- */

void resourceslice_default(struct write *w)
{
    JSON_EACH(d, json_at(w->obj, "spec", "devices", NULL)) {
        const struct json *basic = json_findz(d, "basic"); /* of v1beta1 */

        JSON_EACH(t, json_findz(basic ? basic : d, "taints"))
            if (!json_get_str(t, "timeAdded").n)
                json_setz(w->a, t, "timeAdded", json_string(now_text(w->a, w->now)));
    }
}

/* ---- endpoint slices: addressType cannot be lost ---- */

void slice_prepare_update(struct write *w)
{
    if (!json_get_str(w->obj, "addressType").n)
        json_setz(w->a, w->obj, "addressType", json_string(json_get_str(w->old, "addressType")));
}

/* ---- daemon sets: a count of templates from before generations, still shown ---- */

#define TEMPLATE_GENERATION "deprecated.daemonset.template.generation"

static void template_generation(struct write *w, int64_t n)
{
    struct json *ann = json_make(w->a, w->obj, "metadata.annotations", JSON_OBJECT);

    json_setz(w->a, ann, TEMPLATE_GENERATION, json_string(arena_fmt(w->a, "%lld", (long long)n)));
}

void daemonset_default(struct write *w)
{
    int64_t n = 1;

    if (!w->old) {
        template_generation(w, 1);
        return;
    }
    if (w->subresource.n)
        return;
    str_to_int64(json_str(json_find(json_at(w->old, "metadata", "annotations", NULL),
                                    S(TEMPLATE_GENERATION))),
                 &n);
    if (!json_equal(json_at(w->obj, "spec", "template", NULL),
                    json_at(w->old, "spec", "template", NULL)))
        n++;
    template_generation(w, n);
}

/* ---- autoscalers: annotations that only carry v2's fields through v1 are not kept ---- */

void hpa_default(struct write *w)
{
    static const char *const carried[] = {"autoscaling.alpha.kubernetes.io/metrics",
                                          "autoscaling.alpha.kubernetes.io/behavior",
                                          "autoscaling.alpha.kubernetes.io/conditions",
                                          "autoscaling.alpha.kubernetes.io/current-metrics"};
    struct json *ann = json_at(w->obj, "metadata", "annotations", NULL);

    /* In v1 they are how v2's fields arrive; the conversion takes them off. */
    if (str_is(w->kind->r->version, "v1"))
        return;
    for (size_t i = 0; i < ARRAY_LEN(carried); i++)
        json_removez(ann, carried[i]);
    if (ann && !ann->n)
        json_removez(json_findz(w->obj, "metadata"), "annotations");
}
