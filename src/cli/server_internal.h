/* server_internal.h - what the files of `k1s server` share: the parts, and who owns them. */
#ifndef K1S_CLI_SERVER_INTERNAL_H
#define K1S_CLI_SERVER_INTERNAL_H
#include "api/api.h"
#include "cli/apiserver_args.h"
#include "cli/cluster_pki.h"
#include "cli/encryption.h"
#include "cli/file_follow.h"
#include "cli/options.h"
#include "client/client.h"
#include "loop/loop.h"
#include "store/store.h"
#include "wire/http.h"
#include "wire/tls.h"

#define SERVER_AREA "server" /* of log lines */

struct app;
/* A component that counts for /readyz. */
struct part {
    struct app *app;
    struct api_check *check;
    const char *name;
    bool ready;
};
enum {
    PART_BOOTSTRAP,
    PART_CONTROLLERS,
    PART_SCHEDULER,
    PART_PROXY,
    PART_DNS,
    PART_KUBELET,
    N_PARTS
};

struct app {
    struct arena *arena;
    struct server_options o;
    struct cluster_pki pki;
    str service_ip, token_users, resolv_conf;
    int lock_fd;
    mono_time started;
    struct apiserver_args args;
    struct encryption encryption;
    struct err *key_err; /* of make_key() */
    struct buf made_key; /* by make_key() */
    str token_key;       /* what the control thread starts with; perhaps empty */
    bool key_pending;

    struct loop *loop; /* the core loop */
    struct store *store;
    struct api *api;
    struct tls_server *tls;
    struct http_server *https;
    struct signal_watch *on_term, *on_int;
    struct file_follow *authentication; /* NULL: no such file */
    struct part parts[N_PARTS];
    unsigned n_waiting; /* parts that are not ready yet */
    bool stopping, store_closed;
    int status;

    struct loop_thread *control_thread, *node_thread;
    /* Owned by the control thread. */
    struct loop *control_loop;
    struct client *controllers_client, *scheduler_client;
    struct controllers *controllers;
    struct scheduler *scheduler;
    /* Owned by the node thread. */
    struct loop *node_loop;
    struct arena *node_arena;
    struct client *kubelet_client, *proxy_client, *dns_client, *role_client;
    struct kubelet *kubelet;
    struct proxy *proxy;
    struct dns *dns;
    struct node_address *dns_address;
};

/* server.c */
void server_part_ready(void *ctx); /* ctx: struct part. Any thread */
void server_fail(void *ctx); /* ctx: struct app. On the core loop: ends the server with a failure */
/* A client inside the process, as the user that a certificate would have named. The caller's thread owns it. */
struct client *server_client(struct app *app, struct loop *loop, str user, const str *groups,
                             size_t n_groups, const char *component);
extern const str server_groups_masters[2], server_groups_plain[1], server_groups_node[2];

/* server_node.c: loop_thread's functions; ctx: struct app */
void server_node_start(void *ctx, struct loop *loop);
void server_node_stop(void *ctx);
#endif
