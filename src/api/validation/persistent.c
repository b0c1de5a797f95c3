/* persistent.c - rules of PersistentVolumes and their claims.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go
 * (ValidatePersistentVolume, ValidatePersistentVolumeClaim and their updates). */
#include "api/validation/go_form.h"
#include "api/validation/pod.h"
#include "api/validation/resources.h"
#include "api/validation/validation.h"
#include "api/validation/volume.h"

#define BETA_CLASS "volume.beta.kubernetes.io/storage-class"

static const char *const volume_modes[] = {"Block", "Filesystem", NULL};

static void check_access_modes(struct check *c, const struct at *at, const struct json *modes)
{
    static const char *const known[] = {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce",
                                        "ReadWriteOncePod", NULL};
    bool once_pod = false, others = false;

    JSON_EACH(m, modes) {
        bool pod = str_is(json_str(m), "ReadWriteOncePod");

        check_enum(c, at, m, known);
        once_pod |= pod;
        others |= !pod && one_of(json_str(m), known);
    }
    if (once_pod && others)
        bad_forbidden(c, at, "may not use ReadWriteOncePod with other access modes");
}

static void check_basic_amount(struct check *c, const struct at *at, str amount)
{
    struct quantity q;

    if (quantity_parse(amount, &q) && quantity_value(&q) < 0)
        bad_invalid(c, at, json_int(quantity_value(&q)), "must be a valid resource quantity");
}

/* ---- volumes ---- */

static struct json source_of(struct check *c, const struct json *spec)
{
    const struct schema_type *t = schema_find_type(S("io.k8s.api.core.v1.PersistentVolumeSource"));
    struct json o = json_object();

    JSON_EACH_MEMBER(m, spec)
        if (schema_find_field(t, m->key))
            json_set(c->a, &o, m->key, m->value);
    return o;
}

/* The path of hostPath is the root, however it is written? */
static bool is_root(str path)
{
    str part;
    int depth = 0;

    if (!path.n || path.p[0] != '/')
        return false;
    while (str_cut(&path, '/', &part))
        if (str_is(part, ".."))
            depth = MAX(depth - 1, 0);
        else if (part.n && !str_is(part, "."))
            depth++;
    return depth == 0;
}

static void check_capacity(struct check *c, const struct at *at, const struct json *capacity)
{
    static const char *const only[] = {"storage", NULL};

    if (!json_count(capacity))
        bad_required(c, at, "");
    if (!json_find(capacity, S("storage")) || json_count(capacity) > 1)
        bad_unsupported(c, at, sorted_copy(c->a, capacity), only);
    JSON_EACH_MEMBER(m, capacity) {
        check_basic_amount(c, AT_KEY(at, m->key), json_str(&m->value));
        check_positive_quantity(c, AT_KEY(at, m->key), json_str(&m->value));
    }
}

/* Of an inline volume, which is no object of its own: what only such an object has. */
static void check_inline_spec(struct check *c, const struct at *at, const struct json *spec)
{
    static const char nothing[] = "may not be specified in the context of inline volumes";

    if (field(spec, "claimRef"))
        bad_forbidden(c, AT(at, "claimRef"), nothing);
    if (json_count(field(spec, "capacity")))
        bad_forbidden(c, AT(at, "capacity"), nothing);
    if (!field(spec, "csi"))
        bad_required(c, AT(at, "csi"), "has to be specified in the context of inline volumes");
}

static void check_reclaim_policy(struct check *c, const struct at *at, const struct json *policy,
                                 bool inlined)
{
    static const char *const reclaims[] = {"Delete", "Recycle", "Retain", NULL};

    if (!json_str(policy).n)
        return;
    if (!inlined)
        check_enum(c, at, policy, reclaims);
    else if (!str_is(json_str(policy), "Retain"))
        bad_forbidden(c, at, "may only be Retain in the context of inline volumes");
}

static void check_volume_affinity(struct check *c, const struct at *at, const struct json *affinity,
                                  bool inlined)
{
    if (!affinity)
        return;
    if (inlined)
        bad_forbidden(c, at, "may not be specified in the context of inline volumes");
    else if (!field(affinity, "required"))
        bad_required(c, AT(at, "required"), "must specify required node constraints");
    else
        check_node_selector(c, AT(at, "required"), field(affinity, "required"));
}

static void check_volume_class(struct check *c, const struct at *at, const struct json *spec,
                               bool inlined)
{
    const struct json *mode = field(spec, "volumeMode");
    str class = json_get_str(spec, "storageClassName");

    if (class.n && inlined)
        bad_forbidden(c, AT(at, "storageClassName"),
                      "may not be specified in the context of inline volumes");
    else if (class.n)
        check_dns_subdomain(c, AT(at, "storageClassName"), class);
    if (!inlined)
        check_enum(c, AT(at, "volumeMode"), mode, volume_modes);
    else if (mode && !str_is(json_str(mode), "Filesystem"))
        bad_forbidden(c, AT(at, "volumeMode"),
                      "may not specify volumeMode other than Filesystem in the context of inline "
                      "volumes");
}

void check_volume_spec(struct check *c, const struct at *at, const struct json *spec, str name,
                       bool inlined)
{
    const struct json *class = field(spec, "volumeAttributesClassName");
    struct volume_use use = {.persistent = true, .name = name};

    if (inlined)
        check_inline_spec(c, at, spec);
    if (!json_count(field(spec, "accessModes")))
        bad_required(c, AT(at, "accessModes"), "");
    check_access_modes(c, AT(at, "accessModes"), field(spec, "accessModes"));
    if (!inlined)
        check_capacity(c, AT(at, "capacity"), field(spec, "capacity"));
    check_reclaim_policy(c, AT(at, "persistentVolumeReclaimPolicy"),
                         field(spec, "persistentVolumeReclaimPolicy"), inlined);
    check_volume_affinity(c, AT(at, "nodeAffinity"), field(spec, "nodeAffinity"), inlined);
    check_volume_source(c, at, spec, &use);
    if (field(spec, "hostPath") && is_root(json_get_str(spec, "hostPath.path")) &&
        str_is(json_get_str(spec, "persistentVolumeReclaimPolicy"), "Recycle"))
        bad_forbidden(c, AT(at, "persistentVolumeReclaimPolicy"),
                      "may not be 'recycle' for a hostPath mount of '/'");
    check_volume_class(c, at, spec, inlined);
    if (!class)
        return;
    if (!json_str(class).n)
        bad_required(c, AT(at, "volumeAttributesClassName"), "an empty string is disallowed");
    else
        check_dns_subdomain(c, AT(at, "volumeAttributesClassName"), json_str(class));
    if (!field(spec, "csi"))
        bad_required(c, AT(at, "csi"), "has to be specified when using volumeAttributesClassName");
}

/* Old labels of zones and the like may become the new ones. */
static str current_label(str key)
{
    static const struct {
        const char *beta, *now;
    } labels[] = {{"failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"},
                  {"failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"},
                  {"beta.kubernetes.io/os", "kubernetes.io/os"},
                  {"beta.kubernetes.io/arch", "kubernetes.io/arch"},
                  {"beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"}};

    for (size_t i = 0; i < ARRAY_LEN(labels); i++)
        if (str_is(key, labels[i].beta))
            return str_of(labels[i].now);
    return key;
}

static bool same_affinity(struct check *c, const struct json *now, const struct json *old)
{
    struct json x, y;

    if (!now)
        return false;
    x = json_copy(c->a, now);
    y = json_copy(c->a, old);
    for (uint32_t t = 0; t < json_count(json_path(&y, "required.nodeSelectorTerms")); t++) {
        struct json *ye = json_findz(json_item(json_path(&y, "required.nodeSelectorTerms"), t),
                                     "matchExpressions"),
                    *xe = json_findz(json_item(json_path(&x, "required.nodeSelectorTerms"), t),
                                     "matchExpressions");

        for (uint32_t i = 0; i < json_count(ye); i++) {
            struct json *key = json_findz(json_item(ye, i), "key");

            if (key && str_eq(json_get_str(json_item(xe, i), "key"), current_label(key->s)))
                key->s = current_label(key->s);
        }
    }
    return json_equal(&x, &y);
}

static void check_volume_update(struct check *c, const struct json *spec, const struct json *old)
{
    const struct at *at = AT(NULL, "spec");
    struct json now = source_of(c, spec), before = source_of(c, old);
    const struct json *affinity = field(spec, "nodeAffinity"), *was = field(old, "nodeAffinity");

    if (field(old, "csi") && !field_at(old, "csi.controllerExpandSecretRef") &&
        field_at(spec, "csi.controllerExpandSecretRef")) {
        now = json_copy(c->a, &now);
        json_removez(json_findz(&now, "csi"), "controllerExpandSecretRef");
    }
    if (!json_equal(&now, &before))
        bad_forbidden(c, AT(at, "persistentvolumesource"),
                      "spec.persistentvolumesource is immutable after creation\n" PRI_STR,
                      STR_ARG(go_diff(c->a, "PersistentVolumeSource", &before, &now)));
    check_immutable(c, AT(NULL, "volumeMode"), field(spec, "volumeMode"), field(old, "volumeMode"));
    if (was && !same_affinity(c, affinity, was))
        bad_invalid(c, AT(NULL, "nodeAffinity"), go_value(c, "VolumeNodeAffinity", affinity),
                    "field is immutable, except for updating from beta label to GA");
    if (field(old, "volumeAttributesClassName") && !field(spec, "volumeAttributesClassName"))
        bad_forbidden(c, AT(at, "volumeAttributesClassName"),
                      "update from non-nil value to nil is forbidden");
}

void validate_persistentvolume(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec");
    str name = json_get_str(w->obj, "metadata.name");

    if (w->subresource.n)
        return;
    check_volume_spec(c, AT(NULL, "spec"), spec, name, false);
    if (!w->old)
        return;
    check_volume_spec(c, AT(NULL, "spec"), spec, name,
                      false); /* an update is looked at as a new one, too */
    check_volume_update(c, spec, field(w->old, "spec"));
}

/* ---- claims ---- */

static void check_source(struct check *c, const struct at *at, const struct json *source,
                         bool any_group)
{
    str group = json_get_str(source, "apiGroup"), kind = json_get_str(source, "kind"),
        ns = json_get_str(source, "namespace");

    if (!source)
        return;
    if (!json_get_str(source, "name").n)
        bad_required(c, AT(at, "name"), "");
    if (!kind.n)
        bad_required(c, AT(at, "kind"), "");
    if (!group.n && !str_is(kind, "PersistentVolumeClaim"))
        bad_invalid(c, at, json_string(kind),
                    "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
    if (group.n && !any_group)
        check_dns_subdomain(c, AT(at, "apiGroup"), group);
    if (ns.n)
        check_dns_label(c, AT(at, "namespace"), ns);
}

static void check_sources(struct check *c, const struct at *at, const struct json *spec,
                          const struct json *old)
{
    const struct json *source = field(spec, "dataSource"), *ref = field(spec, "dataSourceRef");
    bool any_group =
        field_at(old, "dataSource.apiGroup") || field_at(old, "dataSourceRef.apiGroup");
    const char *text = NULL;

    check_source(c, AT(at, "dataSource"), source, any_group);
    check_source(c, AT(at, "dataSourceRef"), ref, any_group);
    if (!source || !ref)
        return;
    if (json_get_str(ref, "namespace").n)
        text = "may not be specified when dataSourceRef.namespace is specified";
    else if (!str_eq(json_get_str(source, "apiGroup"), json_get_str(ref, "apiGroup")) ||
             !str_eq(json_get_str(source, "kind"), json_get_str(ref, "kind")) ||
             !str_eq(json_get_str(source, "name"), json_get_str(ref, "name")))
        text = "must match dataSourceRef";
    if (text) /* the value shown is the path, which has no fields to show */
        bad_invalid(c, at, json_object(), "%s", text);
}

void check_claim_spec(struct check *c, const struct at *at, const struct json *spec,
                      const struct json *old)
{
    const struct json *storage = field_at(spec, "resources.requests.storage");
    const struct at *size = AT_KEY(AT(at, "resources"), S("storage"));
    str class = json_get_str(spec, "storageClassName"),
        attributes = json_get_str(spec, "volumeAttributesClassName");

    if (!json_count(field(spec, "accessModes")))
        bad_required(c, AT(at, "accessModes"), "at least 1 access mode is required");
    check_label_selector(c, AT(at, "selector"), field(spec, "selector"));
    check_access_modes(c, AT(at, "accessModes"), field(spec, "accessModes"));
    if (!storage)
        bad_required(c, size, "");
    else if (check_positive_quantity(c, size, json_str(storage)))
        check_amount(c, size, S("storage"), json_str(storage));
    if (class.n)
        check_dns_subdomain(c, AT(at, "storageClassName"), class);
    check_enum(c, AT(at, "volumeMode"), field(spec, "volumeMode"), volume_modes);
    check_sources(c, at, spec, old);
    if (attributes.n)
        check_dns_subdomain(c, AT(at, "volumeAttributesClassName"), attributes);
}

static str beta_class(const struct json *claim, bool *ret_there)
{
    const struct json *v = json_find(field_at(claim, "metadata.annotations"), S(BETA_CLASS));

    *ret_there = v != NULL;
    return json_str(v);
}

static void put_back(struct check *c, struct json *now, const char *name, const struct json *v)
{
    if (v)
        json_setz(c->a, now, name, *v);
    else
        json_removez(now, name);
}

static void check_class_change(struct check *c, const struct json *claim,
                               const struct json *old_claim, struct json *now,
                               const struct json *old)
{
    bool had, has;
    str was = beta_class(old_claim, &had), is = beta_class(claim, &has);
    const struct json *class = field(now, "storageClassName"),
                      *before = field(old, "storageClassName");

    if (had && !before && class && str_eq(json_str(class), was) && (!has || str_eq(is, was))) {
        json_removez(now, "storageClassName"); /* the annotation became the field */
        return;
    }
    if (!str_eq(was, is))
        bad_invalid(c, AT(AT(AT(NULL, "metadata"), "annotations"), BETA_CLASS), json_string(is),
                    "field is immutable");
    if (class && !before && (!had || str_eq(json_str(class), was)))
        json_removez(now, "storageClassName"); /* a default class may come later */
}

static void check_attributes_change(struct check *c, const struct json *spec,
                                    const struct json *old)
{
    const struct at *at = AT(AT(NULL, "spec"), "volumeAttributesClassName");
    const struct json *now = field(spec, "volumeAttributesClassName"),
                      *was = field(old, "volumeAttributesClassName");

    if (was && !now)
        bad_forbidden(c, at, "update from non-nil value to nil is forbidden");
    else if (was && json_str(was).n && !json_str(now).n)
        bad_forbidden(c, at, "update from non-nil value to an empty string is forbidden");
}

static void check_claim_update(struct check *c, const struct json *claim,
                               const struct json *old_claim)
{
    const struct at *at = AT(NULL, "spec");
    const struct json *spec = field(claim, "spec"), *old = field(old_claim, "spec"),
                      *size = field_at(spec, "resources.requests.storage"),
                      *was = field_at(old, "resources.requests.storage");
    bool bound = str_is(json_get_str(claim, "status.phase"), "Bound");
    struct json now = json_copy(c->a, spec), before = json_copy(c->a, old);
    struct quantity x = {.nano = 0}, y = {.nano = 0}, real = {.nano = 0};

    if (!json_get_str(old, "volumeName").n)
        put_back(c, &before, "volumeName", field(&now, "volumeName"));
    check_class_change(c, claim, old_claim, &now, &before);
    if (bound && field_at(&now, "resources.requests"))
        put_back(c, json_path(&now, "resources.requests"), "storage", was);
    if (bound && field(&now, "volumeAttributesClassName"))
        put_back(c, &now, "volumeAttributesClassName", field(old, "volumeAttributesClassName"));
    if (!json_equal(&now, &before))
        bad_forbidden(c, at,
                      "spec is immutable after creation except resources.requests and "
                      "volumeAttributesClassName for bound claims\n" PRI_STR,
                      STR_ARG(go_diff(c->a, "PersistentVolumeClaimSpec", &before, &now)));
    quantity_parse(json_str(size), &x);
    quantity_parse(json_str(was), &y);
    quantity_parse(json_get_str(old_claim, "status.capacity.storage"), &real);
    if (quantity_cmp(&x, &y) < 0 && quantity_cmp(&x, &real) <= 0)
        bad_forbidden(c, AT(AT(AT(at, "resources"), "requests"), "storage"),
                      "field can not be less than status.capacity");
    check_immutable(c, AT(NULL, "volumeMode"), field(spec, "volumeMode"), field(old, "volumeMode"));
    check_attributes_change(c, spec, old);
}

static void check_resource_key(struct check *c, const struct at *at, str key)
{
    static const char *const only[] = {"storage", NULL};
    unsigned before = check_count(c);

    check_qualified_name(c, at, key);
    if (check_count(c) == before && resource_is_native(key) && !str_is(key, "storage"))
        bad_unsupported(c, at, json_string(key), only);
}

static void check_claim_status(struct check *c, const struct json *status)
{
    static const char *const states[] = {"ControllerResizeInProgress", "ControllerResizeInfeasible",
                                         "NodeResizeInProgress",       "NodeResizeInfeasible",
                                         "NodeResizePending",          NULL};
    const struct at *at = AT(NULL, "status"), *here;

    JSON_EACH_MEMBER(m, field(status, "capacity"))
        check_basic_amount(c, AT_KEY(AT(at, "capacity"), m->key), json_str(&m->value));
    here = AT(at, "allocatedResourceStatus");
    JSON_EACH_MEMBER(m, field(status, "allocatedResourceStatuses")) {
        check_resource_key(c, here, m->key);
        if (!one_of(json_str(&m->value), states))
            bad_unsupported(c, here, json_string(m->key), states);
    }
    here = AT(at, "allocatedResources");
    JSON_EACH_MEMBER(m, field(status, "allocatedResources")) {
        unsigned before = check_count(c);

        check_resource_key(c, here, m->key);
        if (check_count(c) != before)
            continue;
        check_basic_amount(c, AT_KEY(here, m->key), json_str(&m->value));
        if (check_count(c) == before)
            check_amount(c, AT_KEY(here, m->key), S("storage"), json_str(&m->value));
    }
}

void validate_persistentvolumeclaim(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *old = field(w->old, "spec");
    const struct at *at = AT(NULL, "spec");

    if (str_is(w->subresource, "status")) {
        check_claim_status(c, field(w->obj, "status"));
        return;
    }
    check_claim_spec(c, at, spec, old);
    if (!w->old)
        return;
    check_claim_spec(c, at, spec, old); /* an update is looked at as a new one, too */
    check_claim_update(c, w->obj, w->old);
}
