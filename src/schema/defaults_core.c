/* defaults_core.c - computed defaults of the core group. Static ones are in api/core/v1.k1s.
 *
 * Source: how Kubernetes v1.36 answers; https://kubernetes.io/docs/reference/kubernetes-api/ names
 * most of them. */
#include "schema/schema_internal.h"

/* An image without tag, or with :latest, is pulled always. A digest counts as a fixed version. */
static bool image_is_latest(str image)
{
    ptrdiff_t slash = str_rindex(image, '/'), colon;
    str name = slash < 0 ? image : str_skip(image, (size_t)slash + 1), tag;

    if (str_has_char(name, '@'))
        return false;
    colon = str_rindex(name, ':');
    tag = colon < 0 ? STR_NONE : str_skip(name, (size_t)colon + 1);
    return !tag.n || str_is(tag, "latest");
}

void default_container(struct arena *a, const struct schema_type *t, struct json *v)
{
    default_set(a, t, v, "imagePullPolicy",
                json_z(image_is_latest(json_get_str(v, "image")) ? "Always" : "IfNotPresent"));
}

void default_volume(struct arena *a, const struct schema_type *t, struct json *v)
{
    struct json *image = json_findz(v, "image");

    if (json_is(image, JSON_OBJECT))
        default_set(
            a, schema_find_field(t, S("image"))->type, image, "pullPolicy",
            json_z(image_is_latest(json_get_str(image, "reference")) ? "Always" : "IfNotPresent"));
    JSON_EACH_MEMBER(m, v)
        if (!str_is(m->key, "name"))
            return;
    default_json(a, t, v, "emptyDir", "{}");
}

/* Adds what `to` lacks of `from`, both members of obj and maps of quantities, and keeps them sorted
 * as Go writes them. */
static void complete_from(struct arena *a, const struct schema_type *t, struct json *obj,
                          const char *to_name, const char *from_name)
{
    struct json *to;

    if (!json_count(json_findz(obj, from_name)))
        return;
    if (!json_is(json_findz(obj, to_name), JSON_OBJECT))
        form_set(a, t, obj, str_of(to_name), json_object());
    to = json_findz(obj, to_name);
    JSON_EACH_MEMBER(m, json_findz(obj, from_name))
        if (!json_find(to, m->key))
            json_set(a, to, m->key, m->value);
    json_sort_keys(to);
}

/* A resource that is limited and not requested is requested as much as it is limited. */
static void requests_from_limits(struct arena *a, struct json *resources)
{
    complete_from(a, schema_find_type(S("io.k8s.api.core.v1.ResourceRequirements")), resources,
                  "requests", "limits");
}

void default_pod_spec(struct arena *a, const struct schema_type *t, struct json *v)
{
    /* serviceAccount is the old name of serviceAccountName; both are written. */
    str name = json_get_str(v, "serviceAccountName"), old = json_get_str(v, "serviceAccount");

    if (name.n)
        form_set(a, t, v, S("serviceAccount"), json_string(name));
    else if (old.n)
        form_set(a, t, v, S("serviceAccountName"), json_string(old));
}

static void add_amount(struct quantity *sum, const struct json *amount)
{
    struct quantity q;

    if (amount && quantity_parse(json_str(amount), &q))
        quantity_add(sum, &q);
}

/* All containers run side by side, unless an init container needs more beside the sidecars that were
 * started before it. */
struct quantity pod_requests(const struct json *spec, str name)
{
    struct quantity sum = {.nano = 0}, sidecars = {.nano = 0}, most = {.nano = 0};

    JSON_EACH(k, json_findz(spec, "containers"))
        add_amount(&sum, json_find(json_path(k, "resources.requests"), name));
    JSON_EACH(k, json_findz(spec, "initContainers")) {
        const struct json *amount = json_find(json_path(k, "resources.requests"), name);
        struct quantity now = sidecars;

        add_amount(&now, amount);
        if (str_is(json_get_str(k, "restartPolicy"), "Always")) {
            add_amount(&sum, amount);
            sidecars = now;
        }
        if (quantity_cmp(&now, &most) > 0)
            most = now;
    }
    return quantity_cmp(&most, &sum) > 0 ? most : sum;
}

/* A pod as a whole with limits requests what its containers do, else as much as it is limited to. */
static void pod_level_requests(struct arena *a, struct json *spec, struct json *resources)
{
    static const char *const names[] = {"cpu", "memory"};
    const struct schema_type *t = schema_find_type(S("io.k8s.api.core.v1.ResourceRequirements"));

    if (!json_count(json_findz(resources, "limits")))
        return;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct quantity q = pod_requests(spec, str_of(names[i]));
        CLEANUP(buf) struct buf b = BUF_INIT;
        struct json *requests = json_findz(resources, "requests");

        if (json_findz(requests, names[i]) || !q.nano)
            continue;
        if (!requests) {
            form_set(a, t, resources, S("requests"), json_object());
            requests = json_findz(resources, "requests");
        }
        buf_quantity(&b, &q, i == 1 ? 'b' : 'd');
        json_setz(a, requests, names[i], json_string(arena_dup(a, buf_view(&b))));
    }
    requests_from_limits(a, resources);
}

/* Requests follow limits in pods only; templates keep what the user wrote. */
void default_pod(struct arena *a, const struct schema_type *t, struct json *v)
{
    static const char *const lists[] = {"containers", "initContainers"};
    const struct schema_type *spec_type = schema_find_field(t, S("spec"))->type;
    struct json *spec = json_findz(v, "spec"), *resources;
    bool host_network = json_get_bool(spec, "hostNetwork", false);

    if (!json_is(spec, JSON_OBJECT))
        return;
    default_json(a, spec_type, spec, "enableServiceLinks", "true");
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        JSON_EACH(c, json_findz(spec, lists[i])) {
            resources = json_findz(c, "resources");
            if (json_is(resources, JSON_OBJECT))
                requests_from_limits(a, resources);
            if (host_network)
                JSON_EACH(port, json_findz(c, "ports"))
                    if (!json_get_int(port, "hostPort", 0))
                        form_set(a, schema_find_type(S("io.k8s.api.core.v1.ContainerPort")), port,
                                 S("hostPort"), json_int(json_get_int(port, "containerPort", 0)));
        }
    resources = json_findz(spec, "resources");
    if (json_is(resources, JSON_OBJECT))
        pod_level_requests(a, spec, resources);
}

void default_service(struct arena *a, const struct schema_type *t, struct json *v)
{
    const struct schema_type *spec_type = schema_find_field(t, S("spec"))->type;
    struct json *spec = json_findz(v, "spec"), *timeout;
    str type;
    bool external;

    if (!json_is(spec, JSON_OBJECT))
        return;
    default_json(a, spec_type, spec, "type", "\"ClusterIP\"");
    default_json(a, spec_type, spec, "sessionAffinity", "\"None\"");
    type = json_get_str(spec, "type");
    external = str_is(type, "NodePort") || str_is(type, "LoadBalancer");
    if (str_is(json_get_str(spec, "sessionAffinity"), "None")) {
        json_removez(spec, "sessionAffinityConfig");
    } else if (str_is(json_get_str(spec, "sessionAffinity"), "ClientIP")) {
        default_json(a, spec_type, spec, "sessionAffinityConfig", "{}");
        timeout = json_path(spec, "sessionAffinityConfig.clientIP.timeoutSeconds");
        if (!timeout ||
            timeout->type == JSON_NULL) /* a 0 that was said is for validation to refuse */
            *json_make(a, spec, "sessionAffinityConfig.clientIP.timeoutSeconds", JSON_INT) =
                json_int(10800);
    }
    JSON_EACH(port, json_findz(spec, "ports")) {
        struct json *target = json_findz(port, "targetPort");

        if (!target || target->type == JSON_NULL || (target->type == JSON_INT && !target->i) ||
            (target->type == JSON_STRING && !target->s.n))
            form_set(a, schema_find_type(S("io.k8s.api.core.v1.ServicePort")), port,
                     S("targetPort"), json_int(json_get_int(port, "port", 0)));
    }
    if (external || (str_is(type, "ClusterIP") && json_count(json_findz(spec, "externalIPs"))))
        default_json(a, spec_type, spec, "externalTrafficPolicy", "\"Cluster\"");
    if (external || str_is(type, "ClusterIP"))
        default_json(a, spec_type, spec, "internalTrafficPolicy", "\"Cluster\"");
    if (str_is(type, "LoadBalancer"))
        default_json(a, spec_type, spec, "allocateLoadBalancerNodePorts", "true");
    JSON_EACH(ingress, json_path(v, "status.loadBalancer.ingress"))
        if (json_get_str(ingress, "ip").n && str_is(type, "LoadBalancer"))
            default_json(a, schema_find_type(S("io.k8s.api.core.v1.LoadBalancerIngress")), ingress,
                         "ipMode", "\"VIP\"");
}

void default_namespace(struct arena *a, const struct schema_type *t, struct json *v)
{
    str name = json_get_str(v, "metadata.name");
    struct json *meta = json_findz(v, "metadata"), *labels;

    /* The label lets a NetworkPolicy select a namespace by its name. With generateName it is set
     * once there is a name. */
    if (!name.n)
        return;
    labels = json_findz(meta, "labels");
    if (!json_is(labels, JSON_OBJECT)) {
        form_set(a, schema_find_field(t, S("metadata"))->type, meta, S("labels"), json_object());
        labels = json_findz(meta, "labels");
    }
    json_setz(a, labels, "kubernetes.io/metadata.name", json_string(name));
    json_sort_keys(labels);
}

void default_node_status(struct arena *a, const struct schema_type *t, struct json *v)
{
    const struct json *capacity = json_findz(v, "capacity");

    if (json_count(capacity) && !json_findz(v, "allocatable"))
        form_set(a, t, v, S("allocatable"), json_copy(a, capacity));
}

void default_persistent_volume(struct arena *a, const struct schema_type *t, struct json *v)
{
    struct json *spec = json_findz(v, "spec");

    if (!json_is(spec, JSON_OBJECT))
        return;
    t = schema_find_field(t, S("spec"))->type;
    default_json(a, t, spec, "persistentVolumeReclaimPolicy", "\"Retain\"");
    default_json(a, t, spec, "volumeMode", "\"Filesystem\"");
}

/* For containers: the default limit is the maximum; the default request is the default limit, or
 * else the minimum. */
void default_limit_range_item(struct arena *a, const struct schema_type *t, struct json *v)
{
    if (!str_is(json_get_str(v, "type"), "Container"))
        return;
    complete_from(a, t, v, "default", "max");
    complete_from(a, t, v, "defaultRequest", "default");
    complete_from(a, t, v, "defaultRequest", "min");
}

void default_replication_controller(struct arena *a, const struct schema_type *t, struct json *v)
{
    const struct json *labels = json_path(v, "spec.template.metadata.labels");
    struct json *spec = json_findz(v, "spec"), *meta = json_findz(v, "metadata");

    if (!json_count(labels))
        return;
    if (json_is(spec, JSON_OBJECT))
        default_set(a, schema_find_field(t, S("spec"))->type, spec, "selector",
                    json_share(a, labels));
    if (json_is(meta, JSON_OBJECT))
        default_set(a, schema_find_field(t, S("metadata"))->type, meta, "labels",
                    json_share(a, labels));
}
