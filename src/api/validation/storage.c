/* storage.c - rules of PersistentVolumes, their claims and StorageClasses.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go, .../storage/validation. */
#include "api/validation/pod.h"
#include "api/validation/validation.h"

static const char *const access_modes[] = {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce",
                                           "ReadWriteOncePod", NULL};
static const char *const volume_modes[] = {"Block", "Filesystem", NULL};

static void check_access_modes(struct check *c, const struct at *at, const struct json *modes)
{
    bool once_pod = false;

    JSON_EACH(m, modes) {
        check_enum(c, at, m, access_modes);
        once_pod |= str_is(json_str(m), "ReadWriteOncePod");
    }
    if (once_pod && json_count(modes) > 1)
        bad_forbidden(c, at, "may not use ReadWriteOncePod with other access modes");
}

/* The fields of a PersistentVolume's spec that are not its source. */
static bool is_source(const struct json_member *m)
{
    static const char *const others[] = {"capacity", "claimRef", "nodeAffinity"};

    if (m->value.type != JSON_OBJECT)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (str_is(m->key, others[i]))
            return false;
    return true;
}

static struct json source_of(struct check *c, const struct json *spec)
{
    struct json o = json_object();

    JSON_EACH_MEMBER(m, spec)
        if (is_source(m))
            json_set(c->a, &o, m->key, m->value);
    return o;
}

void validate_persistentvolume(struct write *w, struct err **errs)
{
    static const char *const reclaims[] = {"Delete", "Recycle", "Retain", NULL};
    static const char *const capacities[] = {"storage", NULL};
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *capacity = field(spec, "capacity"),
                      *storage = field(capacity, "storage"),
                      *affinity = field(spec, "nodeAffinity");
    const struct at *at = AT(NULL, "spec");
    struct quantity q;
    unsigned n = 0;

    if (w->subresource.n)
        return;
    if (!json_count(field(spec, "accessModes")))
        bad_required(c, AT(at, "accessModes"), "");
    check_access_modes(c, AT(at, "accessModes"), field(spec, "accessModes"));
    if (!json_count(capacity))
        bad_required(c, AT(at, "capacity"), "");
    if (!storage || json_count(capacity) > 1)
        bad_unsupported(c, AT(at, "capacity"), sorted_copy(c->a, capacity), capacities);
    if (storage && quantity_parse(json_str(storage), &q)) {
        const struct at *here = AT_KEY(AT(at, "capacity"), S("storage"));

        if (q.negative)
            bad_invalid(c, here, json_int(quantity_value(&q)), "must be a valid resource quantity");
        if (quantity_value(&q) <= 0)
            bad_invalid(c, here, *storage, "must be greater than zero");
    }
    check_enum(c, AT(at, "persistentVolumeReclaimPolicy"),
               field(spec, "persistentVolumeReclaimPolicy"), reclaims);
    if (affinity) {
        if (!field(affinity, "required"))
            bad_required(c, AT(AT(at, "nodeAffinity"), "required"),
                         "must specify required node constraints");
        else
            check_node_selector(c, AT(AT(at, "nodeAffinity"), "required"),
                                field(affinity, "required"));
    }
    JSON_EACH_MEMBER(m, spec) {
        if (!is_source(m))
            continue;
        if (n++)
            bad_forbidden(c, AT(at, arena_dupz(c->a, m->key)),
                          "may not specify more than 1 volume type");
        else if (str_is(m->key, "hostPath") && json_get_str(&m->value, "path").n == 0)
            bad_required(c, AT(AT(at, "hostPath"), "path"), "");
        else if (str_is(m->key, "local") && json_get_str(&m->value, "path").n == 0)
            bad_required(c, AT(AT(at, "local"), "path"), "");
    }
    if (n == 0)
        bad_required(c, at, "must specify a volume type");
    if (str_is(json_get_str(spec, "hostPath.path"), "/") &&
        str_is(json_get_str(spec, "persistentVolumeReclaimPolicy"), "Recycle"))
        bad_forbidden(c, AT(at, "persistentVolumeReclaimPolicy"),
                      "may not be 'recycle' for a hostPath mount of '/'");
    if (json_get_str(spec, "storageClassName").n)
        check_dns_subdomain(c, AT(at, "storageClassName"), json_get_str(spec, "storageClassName"));
    check_enum(c, AT(at, "volumeMode"), field(spec, "volumeMode"), volume_modes);
    if (w->old) {
        struct json now = source_of(c, spec), old = source_of(c, field(w->old, "spec"));

        if (!json_equal(&now, &old))
            bad_forbidden(c, AT(at, "persistentvolumesource"),
                          "spec.persistentvolumesource is immutable after creation\n");
        check_immutable(c, AT(NULL, "volumeMode"), field(spec, "volumeMode"),
                        field_at(w->old, "spec.volumeMode"));
    }
}

static void check_claim_source(struct check *c, const struct at *at, const struct json *source)
{
    str group = json_get_str(source, "apiGroup"), kind = json_get_str(source, "kind");

    if (!source)
        return;
    if (json_get_str(source, "name").n == 0)
        bad_required(c, AT(at, "name"), "");
    if (kind.n == 0)
        bad_required(c, AT(at, "kind"), "");
    if (group.n == 0 && !str_is(kind, "PersistentVolumeClaim"))
        bad_invalid(c, at, json_string(kind),
                    "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
}

/* What a claim's update may not touch: all but its size and its class of attributes. */
static bool claim_spec_changed(struct check *c, const struct json *spec, const struct json *old)
{
    struct json now = json_copy(c->a, spec), before = json_copy(c->a, old);
    struct json *both[] = {&now, &before};

    for (size_t i = 0; i < 2; i++) {
        struct json *resources = json_findz(both[i], "resources");

        if (resources)
            json_removez(resources, "requests");
        json_removez(both[i], "volumeAttributesClassName");
    }
    if (!field(&before, "storageClassName")) /* a default class may come later */
        json_removez(&now, "storageClassName");
    if (!field(&before, "volumeName")) /* binding sets it once */
        json_removez(&now, "volumeName");
    return !json_equal(&now, &before);
}

void validate_persistentvolumeclaim(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"),
                      *storage = field_at(spec, "resources.requests.storage"),
                      *old = field(w->old, "spec");
    const struct at *at = AT(NULL, "spec"), *size_at = AT_KEY(AT(at, "resources"), S("storage"));
    struct quantity q, before;

    if (w->subresource.n)
        return;
    if (!json_count(field(spec, "accessModes")))
        bad_required(c, AT(at, "accessModes"), "at least 1 access mode is required");
    if (field(spec, "selector"))
        check_label_selector(c, AT(at, "selector"), field(spec, "selector"));
    check_access_modes(c, AT(at, "accessModes"), field(spec, "accessModes"));
    if (!storage)
        bad_required(c, size_at, "");
    else if (quantity_parse(json_str(storage), &q) && quantity_value(&q) <= 0)
        bad_invalid(c, size_at, *storage, "must be greater than zero");
    if (json_get_str(spec, "storageClassName").n)
        check_dns_subdomain(c, AT(at, "storageClassName"), json_get_str(spec, "storageClassName"));
    check_enum(c, AT(at, "volumeMode"), field(spec, "volumeMode"), volume_modes);
    check_claim_source(c, AT(at, "dataSource"), field(spec, "dataSource"));
    check_claim_source(c, AT(at, "dataSourceRef"), field(spec, "dataSourceRef"));
    if (!w->old)
        return;
    if (claim_spec_changed(c, spec, old) ||
        (!str_is(json_get_str(w->old, "status.phase"), "Bound") && storage &&
         !str_eq(json_str(storage), json_get_str(old, "resources.requests.storage"))))
        bad_forbidden(c, at,
                      "spec is immutable after creation except resources.requests and "
                      "volumeAttributesClassName for bound claims\n");
    else if (storage && quantity_parse(json_str(storage), &q) &&
             quantity_parse(json_get_str(old, "resources.requests.storage"), &before) &&
             quantity_cmp(&q, &before) < 0)
        bad_forbidden(c, AT(AT(AT(at, "resources"), "requests"), "storage"),
                      "field can not be less than status.capacity");
}

void validate_storageclass(struct write *w, struct err **errs)
{
    static const char *const reclaims[] = {"Delete", "Retain", NULL};
    static const char *const bindings[] = {"Immediate", "WaitForFirstConsumer", NULL};
    static const char *const fixed[] = {"parameters", "provisioner", "reclaimPolicy",
                                        "volumeBindingMode"};
    struct check *c = &(struct check){w->a, errs};
    str provisioner = json_get_str(w->obj, "provisioner");
    int64_t i = 0;

    if (w->old) {
        for (size_t k = 0; k < ARRAY_LEN(fixed); k++)
            check_immutable(c, AT(NULL, fixed[k]), field(w->obj, fixed[k]),
                            field(w->old, fixed[k]));
        return;
    }
    if (provisioner.n == 0)
        bad_required(c, AT(NULL, "provisioner"), "");
    else
        check_qualified_name(c, AT(NULL, "provisioner"), provisioner);
    JSON_EACH_MEMBER(m, field(w->obj, "parameters"))
        if (m->key.n == 0)
            bad_invalid(c, AT(NULL, "parameters"), json_z(""), "field can not be empty.");
    check_enum(c, AT(NULL, "reclaimPolicy"), field(w->obj, "reclaimPolicy"), reclaims);
    check_enum(c, AT(NULL, "volumeBindingMode"), field(w->obj, "volumeBindingMode"), bindings);
    JSON_EACH(t, field(w->obj, "allowedTopologies")) {
        const struct at *here = AT_INDEX(AT(NULL, "allowedTopologies"), i++);
        int64_t k = 0;

        JSON_EACH(e, field(t, "matchLabelExpressions")) {
            if (!json_count(field(e, "values")))
                bad_required(c, AT(AT_INDEX(AT(here, "matchLabelExpressions"), k), "values"), "");
            k++;
        }
    }
}

/* ---- CSI ---- */

void validate_csidriver(struct write *w, struct err **errs)
{
    static const char *const modes[] = {"Persistent", "Ephemeral", NULL};
    struct check *c = &(struct check){w->a, errs};
    const struct at *at = AT(NULL, "spec");
    str name = json_get_str(w->obj, "metadata.name");
    struct map audiences;
    int64_t i = 0;

    if (name.n > 63)
        bad_too_long(c, AT(NULL, "name"), 63);
    JSON_EACH(m, field_at(w->obj, "spec.volumeLifecycleModes"))
        check_enum(c, AT(at, "volumeLifecycleModes"), m, modes);
    map_init(&audiences);
    JSON_EACH(t, field_at(w->obj, "spec.tokenRequests")) {
        const struct at *here = AT_INDEX(AT(at, "tokenRequests"), i++);
        const struct json *seconds = field(t, "expirationSeconds");

        if (map_put(&audiences, json_get_str(t, "audience"), &audiences))
            bad_duplicate(c, AT(here, "audience"), json_string(json_get_str(t, "audience")), "");
        if (json_is(seconds, JSON_INT) && seconds->i < 600)
            bad_invalid(c, AT(here, "expirationSeconds"), *seconds,
                        "may not specify a duration less than 10 minutes");
    }
    map_fini(&audiences);
}

void validate_csinode(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct at *at = AT(AT(NULL, "spec"), "drivers");
    struct map names;
    int64_t i = 0;

    map_init(&names);
    JSON_EACH(d, field_at(w->obj, "spec.drivers")) {
        const struct at *here = AT_INDEX(at, i++);
        str name = json_get_str(d, "name");
        struct map keys;

        check_not_negative(c, AT(AT(here, "allocatable"), "count"),
                           field_at(d, "allocatable.count"));
        if (name.n && map_put(&names, name, &names))
            bad_duplicate(c, AT(here, "name"), json_string(name), "");
        map_init(&keys);
        JSON_EACH(k, field(d, "topologyKeys")) {
            if (json_str(k).n == 0)
                bad_required(c, here, "");
            else
                check_qualified_name(c, here, json_str(k));
            if (map_put(&keys, json_str(k), &keys))
                bad_duplicate(c, AT(here, "topologyKeys"), *k, "");
        }
        map_fini(&keys);
    }
    map_fini(&names);
}

void validate_volumeattachment(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *source = field_at(w->obj, "spec.source"),
                      *inline_spec = field(source, "inlineVolumeSpec");
    const struct at *at = AT(NULL, "spec"), *source_at = AT(at, "source");
    str volume = json_get_str(source, "persistentVolumeName");

    if (w->subresource.n)
        return;
    if (w->old) {
        if (!json_equal(field(w->obj, "spec"), field(w->old, "spec")))
            check_immutable(c, at, field(w->obj, "spec"), field(w->old, "spec"));
        return;
    }
    if (!inline_spec && !field(source, "persistentVolumeName"))
        bad_required(c, source_at,
                     "must specify exactly one of inlineVolumeSpec and persistentVolumeName");
    else if (inline_spec && field(source, "persistentVolumeName"))
        bad_forbidden(c, source_at,
                      "must specify exactly one of inlineVolumeSpec and persistentVolumeName");
    else if (!inline_spec && volume.n == 0)
        bad_required(c, AT(source_at, "persistentVolumeName"),
                     "must specify non empty persistentVolumeName");
    check_dns_subdomain(c, AT(at, "nodeName"), json_get_str(w->obj, "spec.nodeName"));
}

void validate_csistoragecapacity(struct write *w, struct err **errs)
{
    static const char *const fixed[] = {"nodeTopology", "storageClassName"};
    struct check *c = &(struct check){w->a, errs};

    check_dns_subdomain(c, AT(NULL, "storageClassName"), json_get_str(w->obj, "storageClassName"));
    if (field(w->obj, "nodeTopology"))
        check_label_selector(c, AT(NULL, "nodeTopology"), field(w->obj, "nodeTopology"));
    if (w->old)
        for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
            check_immutable(c, AT(NULL, fixed[i]), field(w->obj, fixed[i]),
                            field(w->old, fixed[i]));
}
