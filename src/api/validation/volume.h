/* volume.h - rules of volume sources, shared by pods and PersistentVolumes. */
#ifndef K1S_API_VALIDATION_VOLUME_H
#define K1S_API_VALIDATION_VOLUME_H
#include "api/validation/check.h"

struct volume_use {
    bool persistent; /* a PersistentVolume's source: secrets are named with their namespace */
    bool is_pod;     /* of a pod itself, not of a template */
    str name;        /* of the volume */
    str pod_name;    /* empty: not known yet, or a template */
};
/* One source must be there. In the order in which Kubernetes looks at them, the first counts; every
 * other one is refused. */
void check_volume_source(struct check *c, const struct at *at, const struct json *source,
                         const struct volume_use *use);
/* All volumes of a pod. Those without complaints are put into `sound`: name -> the volume. */
void check_volumes(struct check *c, const struct at *at, const struct json *volumes,
                   const struct volume_use *use, struct map *sound);
void check_projected(struct check *c, const struct at *at, const struct json *p);
void check_downward_api(struct check *c, const struct at *at, const struct json *d);
void check_one_key_to_path(struct check *c, const struct at *at, const struct json *item);
void check_file_mode(struct check *c, const struct at *at, const struct json *mode);
/* spec of a PersistentVolume, or inlined where no object of that kind is. */
void check_volume_spec(struct check *c, const struct at *at, const struct json *spec, str name,
                       bool inlined);
/* spec of a claim: in persistent.c, also used by ephemeral volumes and StatefulSets. */
void check_claim_spec(struct check *c, const struct at *at, const struct json *spec,
                      const struct json *old);
void check_csi_driver_name(struct check *c, const struct at *at, str name);
#endif
