/* image_name.h - names of images: with registry and tag as tools write them out, and the credentials that fit. Pure. */
#ifndef K1S_KUBELET_IMAGE_NAME_H
#define K1S_KUBELET_IMAGE_NAME_H
#include "wire/json.h"

struct image_name {
    str registry;    /* "docker.io", "localhost:5000" */
    str path;        /* "library/busybox" */
    str tag, digest; /* digest: "sha256:..."; either may be empty */
};
/* "busybox" -> docker.io, library/busybox. false: not a name. */
bool image_name_parse(struct arena *a, str text, struct image_name *ret);
/* Why it is not, in the words of Kubernetes. */
str image_name_problem(struct arena *a, str text);
/* "docker.io/library/busybox:latest" */
str image_name_full(struct arena *a, const struct image_name *n);
/* What to ask the runtime for: the text with ":latest" when it has neither tag nor digest. */
str image_name_with_tag(struct arena *a, str text, const struct image_name *n);

/* One set of credentials as CRI's AuthConfig. */
typedef void image_auth_fn(void *ctx, const struct json *auth);
/* From a Secret of type kubernetes.io/dockerconfigjson or dockercfg: calls fn for each entry that fits the image, the most exact
 * first. */
void image_auth_each(struct arena *a, const struct json *secret, const struct image_name *n,
                     image_auth_fn *fn, void *ctx);
#endif
