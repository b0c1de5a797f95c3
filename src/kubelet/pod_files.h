/* pod_files.h - /etc/hosts and resolv.conf of a pod. Pure.
 *
 * API: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/
 *      https://kubernetes.io/docs/tasks/network/customize-hosts-file-for-pods/ */
#ifndef K1S_KUBELET_POD_FILES_H
#define K1S_KUBELET_POD_FILES_H
#include "kubelet/podspec.h"

/* The pod's host name, at most 63 bytes, and its domain below a headless Service (empty: none). */
void pod_hostname(struct arena *a, const struct json *pod, str node_name, str cluster_domain,
                  str *ret_hostname, str *ret_domain);
/* node_hosts: the node's own file, for pods in the host's network. */
void pod_hosts_write(struct buf *b, const struct json *pod, const str *ips, size_t n_ips,
                     str hostname, str domain, str node_hosts);
/* CRI's DNSConfig; host_resolv: text of the node's resolv.conf. */
struct json pod_dns_config(struct arena *a, const struct json *pod, str cluster_dns,
                           str cluster_domain, str host_resolv);
#endif
