/* server_node.c - the node thread of `k1s server`: kubelet, service proxy and DNS, started in the order in which they need each other.
 *
 * All that is here runs on that thread, but for server_fail(), which is posted to the core loop. */
#include "cli/server_internal.h"

#include "cli/version.h"
#include "dns/dns.h"
#include "kubelet/kubelet.h"
#include "proxy/node_address.h"
#include "proxy/proxy.h"

static void node_failed(struct app *app, struct err *err, const char *what)
{
    log_error(SERVER_AREA, "%s: %s", what, err_text(err));
    err_free(err);
    loop_post(app->loop, server_fail, app);
}

static void dns_service_made(void *ctx, struct err *err, int status, str body)
{
    struct app *app = ctx;

    if (err && err->reason != REASON_ALREADY_EXISTS)
        log_warning(SERVER_AREA, "Service kube-system/kube-dns: %s", err_text(err));
    err_free(err);
    server_part_ready(&app->parts[PART_DNS]);
}

/* The Service by which everybody knows the cluster DNS. It has no endpoints, since every node answers at this address itself; but it
 * keeps the address from being given to another Service. */
static void make_dns_service(struct app *app)
{
    CLEANUP(buf) struct buf body = BUF_INIT;

    buf_fmt(&body,
            "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"kube-dns\","
            "\"namespace\":\"kube-system\",\"labels\":{"
            "\"k8s-app\":\"kube-dns\",\"kubernetes.io/cluster-service\":\"true\",\"kubernetes.io/"
            "name\":\"CoreDNS\"}},"
            "\"spec\":{\"clusterIP\":\"" PRI_STR
            "\",\"ports\":[{\"name\":\"dns\",\"port\":53,\"protocol\":\"UDP\"},"
            "{\"name\":\"dns-tcp\",\"port\":53,\"protocol\":\"TCP\"}]}}",
            STR_ARG(app->o.cluster_dns));
    client_do(app->dns_client,
              &(struct client_request){
                  .method = "POST",
                  .path = S("/api/v1/namespaces/kube-system/services"),
                  .body = buf_view(&body),
              },
              dns_service_made, app);
}

static void dns_service_asked(void *ctx, struct err *err, int status, str body)
{
    struct app *app = ctx;

    if (err && err->reason == REASON_NOT_FOUND) {
        err_free(err);
        make_dns_service(app);
        return;
    }
    dns_service_made(app, err, status, body);
}

static void dns_ready(void *ctx)
{
    struct app *app = ctx;

    client_do(app->dns_client,
              &(struct client_request){
                  .method = "GET",
                  .path = S("/api/v1/namespaces/kube-system/services/kube-dns"),
              },
              dns_service_asked, app);
}

static void node_start_dns(struct app *app, struct loop *loop)
{
    struct err *err = node_address_add(loop, app->o.cluster_dns, &app->dns_address);

    if (!err) {
        /* Kubernetes' bootstrap policy has no role for the cluster DNS (add-ons bring theirs); a part of this server needs none. */
        app->dns_client =
            server_client(app, loop, S("system:serviceaccount:kube-system:coredns"),
                          server_groups_masters, ARRAY_LEN(server_groups_masters), "coredns");
        err = dns_start(
            &(struct dns_options){
                .loop = loop,
                .client = app->dns_client,
                .listen = arena_fmt(app->node_arena, PRI_STR ":53", STR_ARG(app->o.cluster_dns)),
                .cluster_domain = app->o.cluster_domain,
                .resolv_conf = app->resolv_conf,
                .synced = dns_ready,
                .ctx = app,
            },
            &app->dns);
    }
    if (err)
        node_failed(app, err, "cluster DNS");
}

static void role_given(void *ctx, struct err *err, int status, str body)
{
    if (err)
        log_warning(SERVER_AREA, "marking the node as control plane: %s", err_text(err));
    err_free(err);
}

/* A node may not give itself a role (NodeRestriction), so the server, which knows it, does. */
static void kubelet_ready(void *ctx)
{
    struct app *app = ctx;
    CLEANUP(buf) struct buf path = BUF_INIT;

    if (!app->role_client)
        app->role_client =
            server_client(app, app->node_loop, S("system:admin"), server_groups_masters,
                          ARRAY_LEN(server_groups_masters), "k1s");
    buf_api_path(&path, STR_NONE, S("v1"), S("nodes"), STR_NONE, app->o.node_name, STR_NONE);
    client_do(
        app->role_client,
        &(struct client_request){
            .method = "PATCH",
            .path = buf_view(&path),
            .content_type = "application/merge-patch+json",
            .body = S(
                "{\"metadata\":{\"labels\":{\"node-role.kubernetes.io/control-plane\":\"true\"}}}"),
        },
        role_given, app);
    server_part_ready(&app->parts[PART_KUBELET]);
}

void server_node_start(void *ctx, struct loop *loop)
{
    struct app *app = ctx;
    struct err *err;

    app->node_loop = loop;
    app->node_arena = arena_new();
    app->kubelet_client = server_client(
        app, loop, arena_fmt(app->node_arena, "system:node:" PRI_STR, STR_ARG(app->o.node_name)),
        server_groups_node, ARRAY_LEN(server_groups_node), "kubelet");
    if (!(app->o.disabled & DISABLE_PROXY)) {
        app->proxy_client = server_client(app, loop, S("system:kube-proxy"), server_groups_plain,
                                          ARRAY_LEN(server_groups_plain), "kube-proxy");
        err = proxy_start(
            &(struct proxy_options){
                .loop = loop,
                .client = app->proxy_client,
                .pods_client = app->kubelet_client,
                .node_name = app->o.node_name,
                .node_ip = app->o.node_ip,
                .cluster_cidr = app->o.cluster_cidr,
                .service_cidr = app->o.service_cidr,
                .synced = server_part_ready,
                .ctx = &app->parts[PART_PROXY],
            },
            &app->proxy);
        if (err) {
            node_failed(app, err, "service proxy");
            return;
        }
    }
    if (!(app->o.disabled & DISABLE_DNS))
        node_start_dns(app, loop);
    err = kubelet_start(
        &(struct kubelet_options){
            .loop = loop,
            .client = app->kubelet_client,
            .node_name = app->o.node_name,
            .node_ip = app->o.node_ip,
            .node_labels = app->o.node_labels.items,
            .n_node_labels = app->o.node_labels.n,
            .node_taints = app->o.node_taints.items,
            .n_node_taints = app->o.node_taints.n,
            .data_dir = app->o.data_dir,
            .root_dir = S("/var/lib/kubelet"),
            .cri_socket = app->o.container_runtime_endpoint,
            .cluster_dns = app->o.disabled & DISABLE_DNS ? STR_NONE : app->o.cluster_dns,
            .cluster_domain = app->o.cluster_domain,
            .cluster_cidr = app->o.cluster_cidr,
            .service_cidr = app->o.service_cidr,
            .serving_cert_pem = buf_view(&app->pki.cert[CLUSTER_CERT_KUBELET_SERVER]),
            .serving_key_pem = buf_view(&app->pki.key[CLUSTER_CERT_KUBELET_SERVER]),
            .client_ca_pem = buf_view(&app->pki.ca_cert),
            .port = (int)app->o.kubelet_port,
            .registries_yaml = app->o.private_registry,
            .version = S(K1S_VERSION),
            .sole_agent = str_is(app->o.data_dir, "/var/lib/k1s"),
            .proxied = !(app->o.disabled & DISABLE_PROXY),
            .control_plane = true,
            .ready = kubelet_ready,
            .ctx = app,
        },
        &app->kubelet);
    if (err)
        node_failed(app, err, "kubelet");
}

static void node_stopped(void *ctx)
{
    struct app *app = ctx;

    client_free(app->kubelet_client);
    client_free(app->proxy_client);
    client_free(app->dns_client);
    client_free(app->role_client);
    loop_stop(app->node_loop);
}

void server_node_stop(void *ctx)
{
    struct app *app = ctx;

    if (app->dns)
        dns_stop(app->dns);
    /* Rules and the DNS address stay: pods keep running, and so must their way to each other. */
    node_address_free(app->dns_address, false);
    if (app->proxy)
        proxy_stop(app->proxy, false);
    if (app->kubelet)
        kubelet_stop(app->kubelet, node_stopped, app);
    else
        node_stopped(app);
}
