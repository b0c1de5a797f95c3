/* convert.c - one object between the versions in which its kind is served.
 *
 * Most versions of a kind have equal fields: converting is then the apiVersion and the other type's
 * form. What differs is listed in `conversions`: renamed members as data, anything else as a
 * function. A removed version's own defaults (those that its clients rely on, such as a selector
 * taken from the template) are filled in on the way to the stored version.
 *
 * Not here: HorizontalPodAutoscaler v1 (convert_hpa.c), custom resources (their webhook). */
#include "schema/convert.h"

struct rename {
    const char *from, *to; /* of the object's own members */
};

static const struct rename event_names[] = {
    {"involvedObject", "regarding"},
    {"message", "note"},
    {"source", "deprecatedSource"},
    {"firstTimestamp", "deprecatedFirstTimestamp"},
    {"lastTimestamp", "deprecatedLastTimestamp"},
    {"count", "deprecatedCount"},
    {"reportingComponent", "reportingController"},
    {NULL, NULL},
};

static void rename_member(struct json *obj, const char *from, const char *to)
{
    if (!json_is(obj, JSON_OBJECT))
        return;
    for (uint32_t i = 0; i < obj->n; i++)
        if (str_is(obj->members[i].key, from))
            obj->members[i].key = str_of(to);
}

static struct json take_member(struct json *obj, const char *name)
{
    struct json *v = json_findz(obj, name), taken = v ? *v : json_null();

    json_removez(obj, name);
    return taken;
}

static void set_unless_set(struct arena *a, struct json *obj, const char *name, struct json v)
{
    struct json *known = json_findz(obj, name);

    if (json_is(obj, JSON_OBJECT) && (!known || known->type == JSON_NULL))
        json_setz(a, obj, name, v);
}

/* ---- workloads of extensions/v1beta1, apps/v1beta1 and apps/v1beta2 ---- */

static void annotation_from_int(struct arena *a, struct json *v, const char *annotation,
                                struct json number)
{
    if (number.type == JSON_INT && number.i)
        json_setz(a, json_make(a, v, "metadata.annotations", JSON_OBJECT), annotation,
                  json_string(arena_fmt(a, "%lld", (long long)number.i)));
}

static struct json int_from_annotation(struct json *v, const char *annotation)
{
    struct json *annotations = json_path(v, "metadata.annotations");
    int64_t n;

    if (!str_to_int64(json_str(json_findz(annotations, annotation)), &n))
        return json_null();
    json_removez(annotations, annotation);
    return json_int(n);
}

/* Before apps/v1 a missing selector, and missing labels, were those of the template. */
static void labels_from_template(struct arena *a, struct json *v, bool selector_too)
{
    const struct json *labels = json_path(v, "spec.template.metadata.labels");
    struct json *spec = json_findz(v, "spec");

    if (!json_count(labels))
        return;
    if (selector_too && !json_findz(spec, "selector")) {
        struct json selector = json_object();

        json_setz(a, &selector, "matchLabels", json_share(a, labels));
        json_setz(a, spec, "selector", selector);
    }
    if (!json_count(json_path(v, "metadata.labels")))
        json_setz(a, json_make(a, v, "metadata", JSON_OBJECT), "labels", json_share(a, labels));
}

static void legacy_workload(struct arena *a, const struct resource *from, struct json *v)
{
    struct json *spec = json_make(a, v, "spec", JSON_OBJECT);
    bool extensions = str_is(from->group, "extensions"), beta1 = str_is(from->version, "v1beta1");

    if (beta1)
        labels_from_template(a, v, true);
    if (str_is(from->kind, "Deployment")) {
        struct json rollback = take_member(spec, "rollbackTo");

        /* extensions/v1beta1 kept everything and never gave up; one pod more or less at a time. */
        set_unless_set(a, spec, "revisionHistoryLimit",
                       json_int(extensions ? INT32_MAX
                                : beta1    ? 2
                                           : 10));
        set_unless_set(a, spec, "progressDeadlineSeconds", json_int(extensions ? INT32_MAX : 600));
        if (extensions && (!json_get_str(spec, "strategy.type").n ||
                           str_is(json_get_str(spec, "strategy.type"), "RollingUpdate"))) {
            struct json *rolling = json_make(a, v, "spec.strategy.rollingUpdate", JSON_OBJECT);

            set_unless_set(a, rolling, "maxUnavailable", json_int(1));
            set_unless_set(a, rolling, "maxSurge", json_int(1));
        }
        if (rollback.type == JSON_OBJECT)
            annotation_from_int(a, v, "deprecated.deployment.rollback.to",
                                json_int(json_get_int(&rollback, "revision", 0)));
    } else if (str_is(from->kind, "DaemonSet")) {
        struct json generation = take_member(spec, "templateGeneration");

        if (extensions && !json_get_str(spec, "updateStrategy.type").n)
            json_setz(a, json_make(a, v, "spec.updateStrategy", JSON_OBJECT), "type",
                      json_z("OnDelete"));
        annotation_from_int(a, v, "deprecated.daemonset.template.generation", generation);
    } else if (str_is(from->kind, "StatefulSet") && beta1) {
        if (!json_get_str(spec, "updateStrategy.type").n)
            json_setz(a, json_make(a, v, "spec.updateStrategy", JSON_OBJECT), "type",
                      json_z("OnDelete"));
    }
}

static struct err *workload_to_stored(struct arena *a, const struct resource *from,
                                      const struct resource *to, struct json *v)
{
    legacy_workload(a, from, v);
    return NULL;
}

static struct err *workload_from_stored(struct arena *a, const struct resource *from,
                                        const struct resource *to, struct json *v)
{
    struct json number, object = json_object();

    if (str_is(to->kind, "Deployment") && str_is(to->version, "v1beta1")) {
        number = int_from_annotation(v, "deprecated.deployment.rollback.to");
        if (number.type == JSON_INT) {
            json_setz(a, &object, "revision", number);
            json_setz(a, json_make(a, v, "spec", JSON_OBJECT), "rollbackTo", object);
        }
    } else if (str_is(to->kind, "DaemonSet") && str_is(to->group, "extensions")) {
        number = int_from_annotation(v, "deprecated.daemonset.template.generation");
        if (number.type == JSON_INT)
            json_setz(a, json_make(a, v, "spec", JSON_OBJECT), "templateGeneration", number);
    }
    return NULL;
}

/* ---- Ingress ---- */

static void backend_to_v1(struct arena *a, struct json *backend)
{
    struct json name, port, service = json_object(), port_object = json_object();

    if (!json_is(backend, JSON_OBJECT))
        return;
    name = take_member(backend, "serviceName");
    port = take_member(backend, "servicePort");
    if (!json_str(&name).n && (json_findz(backend, "resource") || port.type != JSON_STRING))
        return;
    json_setz(a, &service, "name", name);
    if (port.type == JSON_STRING)
        json_setz(a, &port_object, "name", port);
    else if (port.type == JSON_INT)
        json_setz(a, &port_object, "number", port);
    json_setz(a, &service, "port", port_object);
    json_setz(a, backend, "service", service);
}

static void backend_to_v1beta1(struct arena *a, struct json *backend)
{
    struct json service;
    const struct json *port;

    if (!json_is(backend, JSON_OBJECT))
        return;
    service = take_member(backend, "service");
    if (service.type != JSON_OBJECT)
        return;
    port = json_findz(&service, "port");
    json_setz(a, backend, "serviceName", json_string(json_get_str(&service, "name")));
    if (json_get_str(port, "name").n)
        json_setz(a, backend, "servicePort", json_string(json_get_str(port, "name")));
    else
        json_setz(a, backend, "servicePort", json_int(json_get_int(port, "number", 0)));
}

static struct err *ingress_to_stored(struct arena *a, const struct resource *from,
                                     const struct resource *to, struct json *v)
{
    struct json *spec = json_findz(v, "spec");

    rename_member(spec, "backend", "defaultBackend");
    backend_to_v1(a, json_findz(spec, "defaultBackend"));
    JSON_EACH(rule, json_findz(spec, "rules"))
        JSON_EACH(path, json_path(rule, "http.paths")) {
            backend_to_v1(a, json_findz(path, "backend"));
            set_unless_set(a, path, "pathType", json_z("ImplementationSpecific"));
        }
    return NULL;
}

static struct err *ingress_from_stored(struct arena *a, const struct resource *from,
                                       const struct resource *to, struct json *v)
{
    struct json *spec = json_findz(v, "spec");

    rename_member(spec, "defaultBackend", "backend");
    backend_to_v1beta1(a, json_findz(spec, "backend"));
    JSON_EACH(rule, json_findz(spec, "rules"))
        JSON_EACH(path, json_path(rule, "http.paths"))
            backend_to_v1beta1(a, json_findz(path, "backend"));
    return NULL;
}

/* ---- smaller ones ---- */

static struct err *endpoint_slice_to_stored(struct arena *a, const struct resource *from,
                                            const struct resource *to, struct json *v)
{
    JSON_EACH(e, json_findz(v, "endpoints")) {
        struct json topology = take_member(e, "topology"),
                    zone = take_member(&topology, "topology.kubernetes.io/zone");
        struct json node = take_member(&topology, "kubernetes.io/hostname");

        if (zone.type == JSON_STRING)
            json_setz(a, e, "zone", zone);
        if (node.type == JSON_STRING)
            set_unless_set(a, e, "nodeName", node);
        if (json_count(&topology))
            json_setz(a, e, "deprecatedTopology", topology);
    }
    return NULL;
}

static struct err *endpoint_slice_from_stored(struct arena *a, const struct resource *from,
                                              const struct resource *to, struct json *v)
{
    JSON_EACH(e, json_findz(v, "endpoints")) {
        struct json topology = take_member(e, "deprecatedTopology"), zone = take_member(e, "zone");
        str node = json_get_str(e, "nodeName");

        if (topology.type != JSON_OBJECT)
            topology = json_object();
        if (zone.type == JSON_STRING)
            json_setz(a, &topology, "topology.kubernetes.io/zone", zone);
        if (node.n)
            json_setz(a, &topology, "kubernetes.io/hostname", json_string(node));
        if (json_count(&topology))
            json_setz(a, e, "topology", topology);
    }
    return NULL;
}

static struct err *csr_to_stored(struct arena *a, const struct resource *from,
                                 const struct resource *to, struct json *v)
{
    set_unless_set(a, json_findz(v, "spec"), "signerName", json_z("kubernetes.io/legacy-unknown"));
    JSON_EACH(c, json_path(v, "status.conditions"))
        if (!json_get_str(c, "status").n)
            json_setz(a, c, "status", json_z("True"));
    return NULL;
}

/* Webhooks were lenient before v1: ignore failures, match exactly, half a minute, side effects
 * unknown. */
static struct err *webhooks_to_stored(struct arena *a, const struct resource *from,
                                      const struct resource *to, struct json *v)
{
    JSON_EACH(w, json_findz(v, "webhooks")) {
        set_unless_set(a, w, "failurePolicy", json_z("Ignore"));
        set_unless_set(a, w, "matchPolicy", json_z("Exact"));
        set_unless_set(a, w, "timeoutSeconds", json_int(30));
        set_unless_set(a, w, "sideEffects", json_z("Unknown"));
        if (!json_count(json_findz(w, "admissionReviewVersions"))) {
            struct json versions = json_array();

            json_append(a, &versions, json_z("v1beta1"));
            json_setz(a, w, "admissionReviewVersions", versions);
        }
    }
    return NULL;
}

static struct err *access_review_to_stored(struct arena *a, const struct resource *from,
                                           const struct resource *to, struct json *v)
{
    rename_member(json_findz(v, "spec"), "group", "groups");
    return NULL;
}

static struct err *access_review_from_stored(struct arena *a, const struct resource *from,
                                             const struct resource *to, struct json *v)
{
    rename_member(json_findz(v, "spec"), "groups", "group");
    return NULL;
}

typedef struct err *convert_fn(struct arena *a, const struct resource *from,
                               const struct resource *to, struct json *v);

/* What differs between a served version and the stored one. Kinds that are not listed have equal
 * fields. */
static const struct conversion {
    const char *group, *version, *kind; /* of the version that is not stored; version NULL: any */
    const struct rename *names;         /* stored name -> this version's */
    convert_fn *to_stored, *from_stored;
} conversions[] = {
    {"events.k8s.io", NULL, "Event", event_names, NULL, NULL},
    {"autoscaling", "v1", "HorizontalPodAutoscaler", NULL, convert_hpa_to_v2, convert_hpa_to_v1},
    {"extensions", "v1beta1", "Ingress", NULL, ingress_to_stored, ingress_from_stored},
    {"networking.k8s.io", "v1beta1", "Ingress", NULL, ingress_to_stored, ingress_from_stored},
    {"extensions", "v1beta1", "Deployment", NULL, workload_to_stored, workload_from_stored},
    {"extensions", "v1beta1", "DaemonSet", NULL, workload_to_stored, workload_from_stored},
    {"extensions", "v1beta1", "ReplicaSet", NULL, workload_to_stored, workload_from_stored},
    {"apps", "v1beta1", "Deployment", NULL, workload_to_stored, workload_from_stored},
    {"apps", "v1beta1", "StatefulSet", NULL, workload_to_stored, workload_from_stored},
    {"apps", "v1beta2", "Deployment", NULL, workload_to_stored, workload_from_stored},
    {"discovery.k8s.io", "v1beta1", "EndpointSlice", NULL, endpoint_slice_to_stored,
     endpoint_slice_from_stored},
    {"certificates.k8s.io", "v1beta1", "CertificateSigningRequest", NULL, csr_to_stored, NULL},
    {"admissionregistration.k8s.io", "v1beta1", "MutatingWebhookConfiguration", NULL,
     webhooks_to_stored, NULL},
    {"admissionregistration.k8s.io", "v1beta1", "ValidatingWebhookConfiguration", NULL,
     webhooks_to_stored, NULL},
    {"authorization.k8s.io", "v1beta1", "SubjectAccessReview", NULL, access_review_to_stored,
     access_review_from_stored},
    {"authorization.k8s.io", "v1beta1", "LocalSubjectAccessReview", NULL, access_review_to_stored,
     access_review_from_stored},
};

static const struct conversion *conversion_of(const struct resource *r)
{
    for (size_t i = 0; i < ARRAY_LEN(conversions); i++) {
        const struct conversion *c = &conversions[i];

        if (str_is(r->group, c->group) && str_is(r->kind, c->kind) &&
            (!c->version || str_is(r->version, c->version)))
            return c;
    }
    return NULL;
}

static void rename_all(struct json *v, const struct rename *names, bool to_stored)
{
    for (; names && names->from; names++)
        rename_member(v, to_stored ? names->to : names->from, to_stored ? names->from : names->to);
}

struct err *schema_convert(struct arena *a, const struct resource *from, const struct resource *to,
                           struct json *v)
{
    const struct resource *stored = schema_find_storage(from);
    const struct conversion *c;
    struct err *err = NULL;

    if (from == to)
        return NULL;
    if (from != stored) {
        c = conversion_of(from);
        if (c) {
            rename_all(v, c->names, true);
            if (c->to_stored)
                err = c->to_stored(a, from, stored, v);
        }
    }
    if (!err && to != stored) {
        c = conversion_of(to);
        if (c) {
            rename_all(v, c->names, false);
            if (c->from_stored)
                err = c->from_stored(a, stored, to, v);
        }
    }
    if (err)
        return err;
    json_setz(a, v, "kind", json_string(to->kind));
    json_setz(a, v, "apiVersion",
              json_string(to->group.n ? arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(to->group),
                                                  STR_ARG(to->version))
                                      : to->version));
    return schema_decode(a, to->type, v, NULL);
}
