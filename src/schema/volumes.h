/* volumes.h - which PersistentVolumes a PersistentVolumeClaim can be bound to. Trees may be parts of the objects: what is
 * looked at is named with each function. */
#ifndef K1S_SCHEMA_VOLUMES_H
#define K1S_SCHEMA_VOLUMES_H
#include "schema/schema.h"

#define VOLUME_BOUND_BY_CONTROLLER "pv.kubernetes.io/bound-by-controller"
#define VOLUME_BIND_COMPLETED "pv.kubernetes.io/bind-completed"
#define VOLUME_BETA_CLASS "volume.beta.kubernetes.io/storage-class"
#define STORAGE_CLASS_DEFAULT "storageclass.kubernetes.io/is-default-class"
#define STORAGE_CLASS_DEFAULT_BETA "storageclass.beta.kubernetes.io/is-default-class"
#define VOLUME_SELECTED_NODE "volume.kubernetes.io/selected-node"
#define VOLUME_NO_PROVISIONER "kubernetes.io/no-provisioner"

/* Of a claim or a volume: the old annotation, or spec.storageClassName; empty: none. */
str volume_class(const struct json *tree);
/* Whether a StorageClass or IngressClass is marked as the default. beta: an older name of the annotation, or NULL. */
bool class_is_default(const struct json *class, const char *annotation, const char *beta);
/* Of several that are marked the newest counts, of those of one second the first by name. other NULL: there is none yet. */
bool class_goes_before(const struct json *class, const struct json *other);
/* Whether a volume's spec.claimRef means this claim: namespace, name, and uid if it has one. */
bool volume_ref_is(const struct json *ref, const struct json *claim);
/* A claimRef to it. Shares with claim. */
struct json volume_ref(struct arena *a, const struct json *claim);
/* Why the claim cannot have the volume, as Kubernetes says it: size, classes, volumeMode, accessModes. NULL: it can. The
 * claim's selector, and whose the volume is, are the caller's. */
const char *volume_mismatch(const struct json *volume, const struct json *claim);
/* The volume belongs to nobody and matches; *ret_size is its size. */
bool volume_fits(const struct json *volume, const struct json *claim, struct quantity *ret_size);

#endif
