/* volumes.c - which PersistentVolumes a PersistentVolumeClaim can be bound to.
 *
 * Source: k8s.io/component-helpers/storage/volume (FindMatchingVolume, IsVolumeBoundToClaim);
 * k8s.io/kubernetes/pkg/controller/volume/persistentvolume (checkVolumeSatisfyClaim);
 * k8s.io/kubernetes/pkg/volume/util (GetDefaultClass). */
#include "schema/volumes.h"

str volume_class(const struct json *tree)
{
    str beta = json_str(json_find(json_path(tree, "metadata.annotations"), S(VOLUME_BETA_CLASS)));

    return beta.n ? beta : json_get_str(tree, "spec.storageClassName");
}

static bool is_marked(const struct json *tree, const char *annotation)
{
    return annotation &&
           str_is(json_str(json_findz(json_path(tree, "metadata.annotations"), annotation)),
                  "true");
}

bool class_is_default(const struct json *class, const char *annotation, const char *beta)
{
    return is_marked(class, annotation) || is_marked(class, beta);
}

bool class_goes_before(const struct json *class, const struct json *other)
{
    int c = other ? str_cmp(json_get_str(class, "metadata.creationTimestamp"),
                            json_get_str(other, "metadata.creationTimestamp"))
                  : 1;

    return c ? c > 0
             : str_cmp(json_get_str(class, "metadata.name"), json_get_str(other, "metadata.name")) <
                   0;
}

bool volume_ref_is(const struct json *ref, const struct json *claim)
{
    str uid = json_get_str(ref, "uid");

    return str_eq(json_get_str(ref, "namespace"), json_get_str(claim, "metadata.namespace")) &&
           str_eq(json_get_str(ref, "name"), json_get_str(claim, "metadata.name")) &&
           (!uid.n || str_eq(uid, json_get_str(claim, "metadata.uid")));
}

struct json volume_ref(struct arena *a, const struct json *claim)
{
    struct json ref = json_object();

    json_setz(a, &ref, "kind", json_z("PersistentVolumeClaim"));
    json_setz(a, &ref, "namespace", *json_path(claim, "metadata.namespace"));
    json_setz(a, &ref, "name", *json_path(claim, "metadata.name"));
    json_setz(a, &ref, "uid", *json_path(claim, "metadata.uid"));
    json_setz(a, &ref, "apiVersion", json_z("v1"));
    json_setz(a, &ref, "resourceVersion", *json_path(claim, "metadata.resourceVersion"));
    return ref;
}

static bool modes_fit(const struct json *wanted, const struct json *offered)
{
    JSON_EACH(w, wanted) {
        bool has = false;

        JSON_EACH(o, offered)
            has |= str_eq(json_str(o), json_str(w));
        if (!has)
            return false;
    }
    return true;
}

static bool quantity_of(const struct json *v, struct quantity *ret)
{
    *ret = (struct quantity){0};
    return json_is(v, JSON_STRING) && quantity_parse(v->s, ret);
}

const char *volume_mismatch(const struct json *volume, const struct json *claim)
{
    struct quantity wanted, size;

    quantity_of(json_path(claim, "spec.resources.requests.storage"), &wanted);
    if (!quantity_of(json_path(volume, "spec.capacity.storage"), &size) ||
        quantity_cmp(&size, &wanted) < 0)
        return "requested PV is too small";
    if (!str_eq(volume_class(volume), volume_class(claim)))
        return "storageClassName does not match";
    if (!str_eq(json_get_str(volume, "spec.volumeAttributesClassName"),
                json_get_str(claim, "spec.volumeAttributesClassName")))
        return "VolumeAttributesClassName does not match";
    if (!str_eq(json_get_str(volume, "spec.volumeMode"), json_get_str(claim, "spec.volumeMode")))
        return "incompatible volumeMode";
    if (!modes_fit(json_path(claim, "spec.accessModes"), json_path(volume, "spec.accessModes")))
        return "incompatible accessMode";
    return NULL;
}

bool volume_fits(const struct json *volume, const struct json *claim, struct quantity *ret_size)
{
    str phase = json_get_str(volume, "status.phase");

    return !json_path(volume, "spec.claimRef") &&
           !json_path(volume, "metadata.deletionTimestamp") && !str_is(phase, "Released") &&
           !str_is(phase, "Failed") && !volume_mismatch(volume, claim) &&
           quantity_of(json_path(volume, "spec.capacity.storage"), ret_size);
}
