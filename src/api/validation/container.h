/* container.h - rules of containers, of each kind, and the pieces they are made of. */
#ifndef K1S_API_VALIDATION_CONTAINER_H
#define K1S_API_VALIDATION_CONTAINER_H
#include "api/validation/check.h"

/* All of a pod's containers, with the place of each: init containers, containers, ephemeral ones. */
struct each_container {
    const struct json *spec, *container;
    struct at list, at;
    unsigned kind;
    int64_t i;
};
bool container_next(struct each_container *it);
#define EACH_CONTAINER(it, at_, spec_)                                                             \
    for (struct each_container it = {.spec = (spec_), .list.up = (at_), .i = -1};                  \
         container_next(&it);)

/* volumes: name -> volume, those that are sound. */
void check_containers(struct check *c, const struct at *at, const struct json *pod_spec,
                      const struct map *volumes);
void check_init_containers(struct check *c, const struct at *at, const struct json *pod_spec,
                           const struct map *volumes);
void check_ephemeral_containers(struct check *c, const struct at *at, const struct json *pod_spec,
                                const struct map *volumes);
void check_host_ports(struct check *c, const struct at *at, const struct json *pod_spec,
                      bool is_pod);
/* Image names of pods themselves, not of templates. */
void check_image_spaces(struct check *c, const struct at *at, const struct json *containers);

/* mounts.c */
void check_mounts(struct check *c, const struct at *at, const struct json *container,
                  const struct map *volumes);
void check_devices(struct check *c, const struct at *at, const struct json *container,
                   const struct map *volumes);
/* probe.c; grace: the pod's terminationGracePeriodSeconds */
void check_probes(struct check *c, const struct at *at, const struct json *container,
                  const struct json *grace);
void check_lifecycle(struct check *c, const struct at *at, const struct json *lifecycle,
                     const struct json *grace);
#endif
