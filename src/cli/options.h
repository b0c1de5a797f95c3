/* options.h - what `k1s server` is told: flags, then the YAML file of --config, as k3s reads them. */
#ifndef K1S_CLI_OPTIONS_H
#define K1S_CLI_OPTIONS_H
#include "base/base.h"

enum { /* --disable=... */
       DISABLE_DNS = 1 << 0,
       DISABLE_PROXY = 1 << 1,
       DISABLE_INGRESS = 1 << 2,
       DISABLE_SERVICELB = 1 << 3,
       DISABLE_METRICS = 1 << 4,
       DISABLE_LOCAL_STORAGE = 1 << 5,
       DISABLE_DASHBOARD = 1 << 6,
       DISABLE_SCHEDULER = 1 << 7,
       DISABLE_CONTROLLERS = 1 << 8,
};
#define OPTION_LIST_MAX 64
struct option_list {
    str items[OPTION_LIST_MAX];
    size_t n;
};
struct server_options {
    str data_dir, bind_address, write_kubeconfig, write_kubeconfig_mode, token;
    str datastore_endpoint, cluster_cidr, service_cidr, service_node_port_range;
    str cluster_dns, cluster_domain, node_name, node_ip;
    str container_runtime_endpoint, token_auth_file, config, resolv_conf, private_registry;
    int64_t https_listen_port, kubelet_port, verbosity;
    bool disable_agent, legacy_apis, secrets_encryption;
    struct option_list node_labels, node_taints, disable, tls_san, kube_apiserver_arg;
    unsigned disabled; /* DISABLE_... of `disable` */
    int node_port_min, node_port_max;
};
/* Fills defaults, the config file and argv (argv wins). Strings live in the arena. Errors: BAD_REQUEST naming the flag.
 * --help gives a REASON_NOT_FOUND-free NULL error and *ret_help true. */
MUST_USE struct err *server_options_parse(struct arena *a, int argc, char **argv,
                                          struct server_options *ret, bool *ret_help);
void server_options_usage(FILE *to);
#endif
