/* root_ca.c - every active namespace has the cluster's CA certificate in the ConfigMap
 * kube-root-ca.crt, which service account volumes mount. Changes by others are undone. */
#include "controllers/controllers_internal.h"

#define NAME "kube-root-ca.crt"
#define ANNOTATION "kubernetes.io/description"
#define DESCRIPTION                                                                                \
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal "      \
    "endpoints such as the internal "                                                              \
    "service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of "  \
    "Kubernetes clusters."

static void reconcile(struct reconcile *r)
{
    struct json *map, data = json_object(), meta = json_object();

    if (!namespace_is_active(r, r->name) || !r->config->ca_pem.n)
        return;
    json_setz(r->a, &data, "ca.crt", json_string(r->config->ca_pem));
    map = look_tree(r, K_CONFIGMAPS, r->name, S(NAME));
    if (map) {
        if (json_equal(json_findz(map, "data"), &data) &&
            meta_get(map, "annotations", S(ANNOTATION)).n)
            return;
        json_setz(r->a, map, "data", data);
        meta_set(r->a, map, "annotations", S(ANNOTATION), S(DESCRIPTION));
        plan_update(&r->plan, K_CONFIGMAPS, map);
        return;
    }
    map = json_new(r->a, json_object());
    json_setz(r->a, map, "kind", json_z("ConfigMap"));
    json_setz(r->a, map, "apiVersion", json_z("v1"));
    json_setz(r->a, &meta, "name", json_z(NAME));
    json_setz(r->a, &meta, "namespace", json_string(r->name));
    json_setz(r->a, map, "metadata", meta);
    meta_set(r->a, map, "annotations", S(ANNOTATION), S(DESCRIPTION));
    json_setz(r->a, map, "data", data);
    plan_create(&r->plan, K_CONFIGMAPS, r->name, map)->flags =
        ACT_IGNORE_EXISTS | ACT_IGNORE_TERMINATING | ACT_IGNORE_NOT_FOUND;
}

static void map_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    const struct obj *any = obj ? obj : prev;

    if (str_is(any->key.name, NAME))
        wake(c, STR_NONE, any->key.ns);
}

static const struct trigger triggers[] = {{K_CONFIGMAPS, map_changed}};

const struct controller_type root_ca_controller = {
    .name = "root-ca-publisher",
    .component = "root-ca-cert-publisher",
    .primary = K_NAMESPACES,
    .triggers = triggers,
    .n_triggers = ARRAY_LEN(triggers),
    .reconcile = reconcile,
};
