/* kubelet.h - the node agent: makes the containers of this node's pods be what the API says, and tells the API what is. */
#ifndef K1S_KUBELET_H
#define K1S_KUBELET_H
#include "client/client.h"
struct kubelet;
struct runtime;
struct kubelet_options {
    struct loop *loop;
    struct client *client; /* as system:node:NAME */
    str node_name, node_ip;
    const str *node_labels;
    size_t n_node_labels; /* "k=v" */
    const str *node_taints;
    size_t n_node_taints; /* "k=v:Effect" */
    str data_dir;         /* k1s' data directory: containerd's files go below it */
    str root_dir;         /* "/var/lib/kubelet" */
    str cri_socket;       /* empty: start and supervise containerd below data_dir */
    str cluster_dns, cluster_domain;
    str cluster_cidr,
        pod_cidr; /* for the CNI configuration; pod_cidr empty: from node.spec.podCIDR */
    str service_cidr;
    str serving_cert_pem, serving_key_pem, client_ca_pem; /* of the kubelet's own HTTPS port */
    int port;                                             /* 10250; 0 picks one */
    int max_pods;                                         /* 0: 110 */
    str registries_yaml;                                  /* path; k3s' registries.yaml format */
    str version; /* "v1.36.2+k1s1" shown as kubeletVersion */
    bool
        proxied; /* the node's proxy masquerades what leaves the pod network and serves host ports: the CNI plugins need not */
    bool control_plane;      /* adds the control-plane role label */
    struct runtime *runtime; /* instead of a socket (tests); owned. NULL: see cri_socket */
    str cgroup_root;         /* empty: "/sys/fs/cgroup" */
    str bridge;              /* of the pod network; empty: "cni0" */
    bool sole_agent; /* no other agent has pods on this machine: logs of unknown pods are removed */
    void (*ready)(void *ctx); /* runtime up, node registered */
    void *ctx;
};
MUST_USE struct err *kubelet_start(const struct kubelet_options *o, struct kubelet **ret);
/* Pods keep running. */
void kubelet_stop(struct kubelet *k, loop_fn *stopped, void *ctx);
#endif
