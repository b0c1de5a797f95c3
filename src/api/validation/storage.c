/* storage.c - rules of StorageClasses and of what CSI drivers tell.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/storage/validation. */
#include "api/validation/pod.h"
#include "api/validation/validation.h"

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
