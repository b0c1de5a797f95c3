/* containerd.h - the container runtime's process: configured, started, watched, adopted.
 *
 * containerd runs in a session of its own, so that it (and the containers) outlive k1s; the next k1s finds it by its pid file
 * and takes it over. When it dies it is started again, with growing waits. Nothing here speaks to it but to see that its socket
 * answers: talking is cri.c's business. */
#ifndef K1S_KUBELET_CONTAINERD_H
#define K1S_KUBELET_CONTAINERD_H
#include "loop/loop.h"
#include "wire/json.h"

#define CONTAINERD_SOCKET_PATH_MAX 100 /* bytes; the kernel's limit is 107 */
#define PAUSE_IMAGE "k1s.io/pause:1"

/* Where things are for a data directory; all in the arena. */
struct containerd_paths {
    str root, state, socket, config, registry_dir, cni_conf_dir, cni_data_dir, pid_file, log_file;
};
void containerd_paths_init(struct arena *a, str data_dir, struct containerd_paths *ret);

struct containerd_config {
    struct containerd_paths paths;
    str cni_bin_dir;
    bool restrict_oom_score_adj; /* the process may not lower anybody's score */
    bool disable_apparmor;
    const struct json
        *registry_configs; /* registries.yaml's `configs`, for credentials; NULL: none */
};
/* The configuration file (version 2 of containerd's TOML, understood by 1.5 and later). */
void containerd_config_write(struct buf *b, const struct containerd_config *c);
void buf_toml_string(struct buf *b, str s);

/* registries.yaml (k3s' format) as containerd's hosts.toml files: called once per registry with the directory's name and the
 * file's text. Errors: BAD_REQUEST naming what is wrong. */
typedef void registry_file_fn(void *ctx, str dir, str text);
MUST_USE struct err *registries_convert(struct arena *a, const struct json *registries,
                                        registry_file_fn *fn, void *ctx);

/* The CNI network list: a bridge of ours, addresses of the node's pod network, host ports. */
struct cni_config {
    str bridge, pod_cidr, data_dir;
    bool masquerade; /* by the plugin; needs iptables */
    bool port_map;
};
void cni_config_write(struct buf *b, const struct cni_config *c);

/* Where a program is, whatever PATH says; NULL: not installed. */
const char *containerd_program(struct arena *a, const char *name);

struct containerd;
struct containerd_options {
    struct loop *loop;
    str data_dir;
    str registries_yaml; /* path; a missing file is no error */
    /* The socket accepts connections: at the start and after each restart. */
    void (*up)(void *ctx);
    void (*down)(void *ctx); /* the process died; it will be started again */
    void *ctx;
};
/* Errors: INTERNAL (files cannot be written, a program is not installed), BAD_REQUEST (registries.yaml). */
MUST_USE struct err *containerd_start(const struct containerd_options *o, struct containerd **ret);
const struct containerd_paths *containerd_paths(const struct containerd *c);
void containerd_free(struct containerd *c); /* leaves the process running */
#endif
