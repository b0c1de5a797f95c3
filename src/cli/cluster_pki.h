/* cluster_pki.h - the cluster's certificate authority, keys and certificates, kept below the data directory. */
#ifndef K1S_CLI_CLUSTER_PKI_H
#define K1S_CLI_CLUSTER_PKI_H
#include "loop/loop.h"

enum cluster_cert {
    CLUSTER_CERT_SERVER,         /* of the API server's port */
    CLUSTER_CERT_ADMIN,          /* kubeconfig: system:admin in system:masters */
    CLUSTER_CERT_KUBELET_CLIENT, /* the API server towards kubelets */
    CLUSTER_CERT_KUBELET_SERVER, /* of the kubelet's port */
    CLUSTER_CERT_FRONT_PROXY,    /* the API server towards aggregated API servers */
    CLUSTER_N_CERTS,
};
struct cluster_pki {
    struct buf ca_cert, ca_key, service_account_key;
    struct buf front_ca_cert, front_ca_key; /* sign nothing but the front proxy's certificate */
    bool has_service_account_key;
    struct buf cert[CLUSTER_N_CERTS], key[CLUSTER_N_CERTS];
};
struct cluster_pki_options {
    str dir;                              /* <data-dir>/server/tls */
    const str *server_names, *server_ips; /* of CLUSTER_CERT_SERVER */
    size_t n_server_names, n_server_ips;
    str node_name, node_ip;
};
/* Reads what is there and makes what is missing, expires within 90 days or no longer fits the names; all but the key of the
 * ServiceAccount tokens, which takes its time. */
MUST_USE struct err *cluster_pki_open(struct loop *loop, const struct cluster_pki_options *o,
                                      struct cluster_pki *ret);
/* Makes that key and its file, when has_service_account_key is false. Any thread (40 to 500 ms of processor time). */
MUST_USE struct err *cluster_pki_service_account_key(struct loop *loop, str dir,
                                                     struct buf *ret_pem);
void cluster_pki_fini(struct cluster_pki *p);
/* The admin's kubeconfig (YAML). */
void cluster_kubeconfig(const struct cluster_pki *p, str server_url, struct buf *out);
#endif
