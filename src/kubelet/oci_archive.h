/* oci_archive.h - writes container images as OCI archives: a tar of blobs, manifest and index, with nobody's help. */
#ifndef K1S_KUBELET_OCI_ARCHIVE_H
#define K1S_KUBELET_OCI_ARCHIVE_H
#include "base/base.h"

struct oci_file {
    str path;      /* without a leading slash: "bin/sh"; a name that ends in '/' is a directory */
    str data;      /* of a symbolic link: its target */
    unsigned mode; /* 0755 */
    bool is_link;
};
struct oci_image {
    str name;         /* "k1s.io/pause:1": full, with registry and tag */
    str architecture; /* "amd64"; empty: this machine's */
    const struct oci_file *files;
    size_t n_files;
    const str *entrypoint;
    size_t n_entrypoint;
    const str *cmd;
    size_t n_cmd;
    const str *env;
    size_t n_env;
    str user, working_dir;
};
/* The same image gives the same bytes: no times, no names of this machine. */
void oci_archive_write(struct buf *out, const struct oci_image *image);
str oci_architecture(void); /* "amd64", "arm64" */

/* The image of every pod's first process. */
void oci_pause_archive(struct buf *out, str name);

/* One entry of a tar (ustar; paths up to 255 bytes when they split at a '/'). false: the path does not fit. */
bool tar_add(struct buf *out, const struct oci_file *f);
void tar_end(struct buf *out);
#endif
