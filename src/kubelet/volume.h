/* volume.h - a pod's volumes: what they hold (pure), and making it so on the node (blocking, on a pool thread).
 *
 * Layout as the kubelet's: <root>/pods/<uid>/volumes/kubernetes.io~<plugin>/<name>. Contents that come from the API are replaced
 * atomically: readers see the old or the new set of files, never a mixture.
 *
 * API: https://kubernetes.io/docs/concepts/storage/volumes/, projected-volumes/ */
#ifndef K1S_KUBELET_VOLUME_H
#define K1S_KUBELET_VOLUME_H
#include "kubelet/container_env.h"
#include "kubelet/cri_config.h"
#include "loop/loop.h"

struct volume_file {
    str path; /* relative, may have directories */
    str data;
    unsigned mode;
    int64_t owner; /* uid; -1: root */
};
enum volume_type { VOLUME_FILES, VOLUME_EMPTY, VOLUME_HOST_PATH };
struct volume {
    str name, plugin; /* plugin: "configmap", "secret", "empty-dir" ... */
    enum volume_type type;
    bool memory;        /* on a tmpfs of its own */
    int64_t size_limit; /* bytes of the tmpfs; 0: the kernel's default */
    struct volume_file *files;
    size_t n_files;
    str path;                /* on the node: where it is (or will be) */
    str host_type;           /* hostPath.type */
    int64_t fs_group;        /* -1: none */
    bool change_on_mismatch; /* fsGroupChangePolicy OnRootMismatch */
    bool read_only;
};
struct volume_set {
    struct volume *volumes;
    size_t n;
};

/* A service account token of the pod for this audience (empty: the API's own). false: it has not come yet. */
typedef bool volume_token_fn(void *ctx, str audience, int64_t expiration_s, str *ret);
struct volume_context {
    const struct pod_context *pc;
    str root_dir;
    volume_token_fn *token;
    void *token_ctx;
};
/* Errors: INVALID: `MountVolume.SetUp failed for volume "x" : ...`; UNAVAILABLE: something has not come yet. */
MUST_USE struct err *volume_set_make(struct arena *a, const struct volume_context *vc,
                                     struct volume_set *ret);
/* Every token that the pod's volumes need. */
typedef void volume_token_need_fn(void *ctx, str audience, int64_t expiration_s);
void volume_each_token(const struct json *pod, volume_token_need_fn *fn, void *ctx);
/* Every ConfigMap, Secret and claim that the pod's volumes and environments name. */
typedef void pod_ref_fn(void *ctx, enum ref_kind kind, str name);
void pod_each_ref(const struct json *pod, pod_ref_fn *fn, void *ctx);

str volume_pod_dir(struct arena *a, str root_dir, str uid);

/* ---- blocking; any thread ---- */
/* Makes all of the set. Again is allowed: only what differs is written. */
MUST_USE struct err *volume_set_apply(const struct volume_set *set);
/* Replaces the files of a directory atomically. *ret_changed (may be NULL): whether anything differed. */
MUST_USE struct err *volume_write_files(const char *dir, const struct volume_file *files, size_t n,
                                        int64_t fs_group, bool *ret_changed);
/* A container's mounts of the pod's volumes, sub-paths bound safely below <pod dir>/volume-subpaths. */
MUST_USE struct err *volume_mounts_make(struct arena *a, const struct volume_set *set, str pod_dir,
                                        const struct json *container, const struct env *env,
                                        struct cri_mount **ret, size_t *ret_n);
/* Unmounts all below the directory, then removes it; never reaches into a file system that is still mounted there. */
int volume_remove_tree(const char *dir);
/* Makes the directory a shared mount of its own, so that mounts made in it (or by containers in it) spread. */
int volume_share_root(const char *dir);
#endif
