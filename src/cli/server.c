/* server.c - `k1s server`: puts the parts together, starts and stops them in order.
 *
 * Threads: the core loop (API and store; this file's own state lives here), one loop for controllers and scheduler, one for
 * kubelet, proxy and DNS. A component that has caught up posts to the core loop, which keeps /readyz. The server's own
 * components call the API inside the process, as the user that a certificate would have named; agents on other hosts come
 * over HTTPS. Not here: what each part does. */
#include "cli/server_internal.h"

#include "cli/cli.h"
#include "cli/version.h"
#include "controllers/controllers.h"
#include "scheduler/scheduler.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <malloc.h>
#include <net/if.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#define TOKEN_FILE_MAX ((size_t)1 << 20)
#define BODY_MAX ((size_t)3 << 20) /* kube-apiserver's MaxRequestBodyBytes */

/* ---- readiness ---- */

static void part_ready_on_core(void *ctx)
{
    struct part *part = ctx;
    struct app *app = part->app;

    if (part->ready)
        return;
    part->ready = true;
    api_check_set(part->check, true);
    log_debug(SERVER_AREA, "%s is ready", part->name);
    if (--app->n_waiting == 0)
        log_info(SERVER_AREA, "ready after %lld ms: https://" PRI_STR ":%lld",
                 (long long)((loop_now(app->loop).ns - app->started.ns) / NS_PER_MS),
                 STR_ARG(app->o.node_ip), (long long)app->o.https_listen_port);
}

/* Any thread. */
void server_part_ready(void *ctx)
{
    struct part *part = ctx;

    loop_post(part->app->loop, part_ready_on_core, part);
}

static void part_expect(struct app *app, int i, const char *name)
{
    struct part *part = &app->parts[i];

    part->app = app;
    part->name = name;
    part->check = api_check_add(app->api, name);
    app->n_waiting++;
}

/* ---- clients inside the process ---- */

const str server_groups_masters[] = {STR("system:masters"), STR("system:authenticated")};
const str server_groups_plain[] = {STR("system:authenticated")};
const str server_groups_node[] = {STR("system:nodes"), STR("system:authenticated")};

struct client *server_client(struct app *app, struct loop *loop, str user, const str *groups,
                             size_t n_groups, const char *component)
{
    /* Of its own: this runs on the component's thread, and the app's arena belongs to the core loop's. */
    CLEANUP(arena) struct arena *a = arena_new();

    return client_new_inproc(
        loop, &(struct client_inproc_options){
                  .handler = api_handle,
                  .handler_ctx = app->api,
                  .server_loop = app->loop,
                  .user = user,
                  .groups = groups,
                  .n_groups = n_groups,
                  .user_agent = arena_fmt(a, "%s/%s (linux/amd64) k1s", component, K1S_VERSION),
              });
}

/* ---- the control thread ---- */

static void control_start(void *ctx, struct loop *loop)
{
    struct app *app = ctx;

    app->control_loop = loop;
    if (!(app->o.disabled & DISABLE_CONTROLLERS)) {
        app->controllers_client =
            server_client(app, loop, S("system:kube-controller-manager"), server_groups_masters,
                          ARRAY_LEN(server_groups_masters), "kube-controller-manager");
        app->controllers = controllers_start(&(struct controllers_options){
            .loop = loop,
            .client = app->controllers_client,
            .ca_pem = buf_view(&app->pki.ca_cert),
            .ca_key_pem = buf_view(&app->pki.ca_key),
            .token_key_pem = app->token_key,
            .cluster_cidr = app->o.cluster_cidr,
            .synced = server_part_ready,
            .ctx = &app->parts[PART_CONTROLLERS],
        });
    }
    if (!(app->o.disabled & DISABLE_SCHEDULER)) {
        app->scheduler_client =
            server_client(app, loop, S("system:kube-scheduler"), server_groups_plain,
                          ARRAY_LEN(server_groups_plain), "kube-scheduler");
        app->scheduler = scheduler_start(&(struct scheduler_options){
            .loop = loop,
            .client = app->scheduler_client,
            .host = app->o.node_name,
            .synced = server_part_ready,
            .ctx = &app->parts[PART_SCHEDULER],
        });
    }
}

static void control_stop(void *ctx)
{
    struct app *app = ctx;

    if (app->scheduler)
        scheduler_stop(app->scheduler);
    if (app->controllers)
        controllers_stop(app->controllers);
    client_free(app->scheduler_client);
    client_free(app->controllers_client);
    loop_stop(app->control_loop);
}

/* ---- stop ---- */

static void store_closed(void *ctx)
{
    struct app *app = ctx;

    app->store_closed = true;
    if (!app->key_pending)
        loop_stop(app->loop);
}

static void api_closed(void *ctx)
{
    struct app *app = ctx;

    store_close(app->store, store_closed, app);
}

static void https_closed(void *ctx)
{
    struct app *app = ctx;

    api_close(app->api, api_closed, app);
}

static void join_threads(void *ctx)
{
    struct app *app = ctx;

    if (app->node_thread)
        loop_thread_join(app->node_thread);
    if (app->control_thread)
        loop_thread_join(app->control_thread);
}

static void threads_joined(void *ctx)
{
    struct app *app = ctx;

    http_server_close(app->https, https_closed, app);
}

/* The components go first, while the API still answers them; joining happens off the loop, since they may wait for it. */
static void server_stop(void *ctx)
{
    struct app *app = ctx;

    if (app->stopping)
        return;
    app->stopping = true;
    log_info(SERVER_AREA, "stopping");
    signal_watch_free(TAKE(app->on_term));
    signal_watch_free(TAKE(app->on_int));
    file_follow_free(TAKE(app->authentication));
    if (app->node_thread)
        loop_post(app->node_loop, server_node_stop, app);
    if (app->control_thread)
        loop_post(app->control_loop, control_stop, app);
    pool_run(app->loop, join_threads, threads_joined, app);
}

static void authentication_changed(void *ctx, str text)
{
    struct app *app = ctx;
    struct err *err = api_set_authentication_config(app->api, text);

    if (err)
        log_error(SERVER_AREA, "the changed authentication configuration is not used: %s",
                  err_text(err));
    else
        log_info(SERVER_AREA, "authentication configuration changed");
    err_free(err);
}

void server_fail(void *ctx)
{
    struct app *app = ctx;

    app->status = 1;
    server_stop(app);
}

/* ---- start ---- */

static void bootstrapped(void *ctx, struct err *err)
{
    struct app *app = ctx;

    if (err) {
        log_error(SERVER_AREA, "creating the objects of a new cluster: %s", err_text(err));
        err_free(err);
        server_fail(app);
        return;
    }
    part_ready_on_core(&app->parts[PART_BOOTSTRAP]);
    if (app->stopping)
        return;
    if ((app->o.disabled & (DISABLE_CONTROLLERS | DISABLE_SCHEDULER)) !=
        (DISABLE_CONTROLLERS | DISABLE_SCHEDULER))
        app->control_thread = loop_thread_start(app->loop, "k1s-control", control_start, app);
    if (!app->o.disable_agent)
        app->node_thread = loop_thread_start(app->loop, "k1s-node", server_node_start, app);
}

/* On a pool thread, since an RSA key takes longer than all the rest of the start. */
static void make_key(void *ctx)
{
    struct app *app = ctx;
    CLEANUP(arena) struct arena *a = arena_new();

    app->key_err = cluster_pki_service_account_key(
        app->loop, arena_fmt(a, PRI_STR "/server/tls", STR_ARG(app->o.data_dir)), &app->made_key);
}

/* On the control thread. */
static void give_key(void *ctx)
{
    struct app *app = ctx;

    if (app->controllers)
        controllers_token_key(app->controllers, buf_view(&app->made_key));
}

static void key_made(void *ctx)
{
    struct app *app = ctx;
    struct err *err = TAKE(app->key_err);

    app->key_pending = false;
    if (app->store_closed)
        loop_stop(app->loop);
    if (!err && !app->stopping)
        err = api_set_service_account_key(app->api, buf_view(&app->made_key));
    if (err) {
        log_error(SERVER_AREA, "the key of service account tokens: %s", err_text(err));
        err_free(err);
        server_fail(app);
        return;
    }
    if (app->control_thread && !app->stopping)
        loop_post(app->control_loop, give_key, app);
    else if (!app->control_thread)
        app->token_key = buf_view(&app->made_key);
}

/* The first IPv4 address of an interface that is up and not loopback; "127.0.0.1" when there is none. */
static str host_address(struct arena *a)
{
    struct ifaddrs *all, *i;
    char text[INET_ADDRSTRLEN] = "127.0.0.1";

    if (getifaddrs(&all))
        return S("127.0.0.1");
    for (i = all; i; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || !(i->ifa_flags & IFF_UP) ||
            i->ifa_flags & IFF_LOOPBACK)
            continue;
        /* A bridge of our own or of a container engine is not how others reach this host. */
        if (str_has_prefix(str_of(i->ifa_name), S("k1s")) ||
            str_has_prefix(str_of(i->ifa_name), S("cni")) ||
            str_has_prefix(str_of(i->ifa_name), S("docker")))
            continue;
        inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)i->ifa_addr)->sin_addr, text,
                  sizeof text);
        break;
    }
    freeifaddrs(all);
    return arena_dup(a, str_of(text));
}

/* Address number `n` of an IPv4 CIDR. */
static struct err *cidr_address(struct arena *a, str cidr, uint32_t n, const char *flag, str *ret)
{
    str rest = cidr, base;
    struct in_addr in;
    char text[INET_ADDRSTRLEN];
    int64_t bits;

    str_cut(&rest, '/', &base);
    if (inet_pton(AF_INET, arena_dupz(a, base), &in) != 1 || !str_to_int64(rest, &bits) ||
        bits < 1 || bits > 30)
        return err_new(REASON_BAD_REQUEST, "%s: \"" PRI_STR "\" is not an IPv4 network", flag,
                       STR_ARG(cidr));
    in.s_addr = htonl((ntohl(in.s_addr) & ~(UINT32_MAX >> bits)) + n);
    inet_ntop(AF_INET, &in, text, sizeof text);
    *ret = arena_dup(a, str_of(text));
    return NULL;
}

static struct err *open_addresses(struct app *app)
{
    struct server_options *o = &app->o;
    struct err *err;

    if (o->node_ip.n == 0)
        o->node_ip = host_address(app->arena);
    err = cidr_address(app->arena, o->service_cidr, 1, "--service-cidr", &app->service_ip);
    if (!err && o->cluster_dns.n == 0)
        err = cidr_address(app->arena, o->service_cidr, 10, "--service-cidr", &o->cluster_dns);
    return err;
}

static struct err *open_data_dir(struct app *app)
{
    const char *dir = arena_dupz(
        app->arena, arena_fmt(app->arena, PRI_STR "/server/db", STR_ARG(app->o.data_dir)));
    const char *lock = arena_dupz(
        app->arena, arena_fmt(app->arena, PRI_STR "/server/lock", STR_ARG(app->o.data_dir)));
    int rc = file_mkdir_all(app->loop, dir, 0700);

    if (rc)
        return err_errno(rc, "making %s", dir);
    app->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (app->lock_fd < 0)
        return err_errno(-errno, "opening %s", lock);
    if (flock(app->lock_fd, LOCK_EX | LOCK_NB))
        return err_new(REASON_INTERNAL, "another k1s server works in " PRI_STR,
                       STR_ARG(app->o.data_dir));
    return NULL;
}

static struct err *open_pki(struct app *app)
{
    const struct server_options *o = &app->o;
    str names[8 + OPTION_LIST_MAX] = {S("kubernetes"), S("kubernetes.default"),
                                      S("kubernetes.default.svc")};
    str ips[6 + OPTION_LIST_MAX] = {S("127.0.0.1"), S("::1"), app->service_ip, o->node_ip};
    size_t n_names = 3, n_ips = 4;

    names[n_names++] =
        arena_fmt(app->arena, "kubernetes.default.svc." PRI_STR, STR_ARG(o->cluster_domain));
    names[n_names++] = S("localhost");
    names[n_names++] = o->node_name;
    for (size_t i = 0; i < o->tls_san.n; i++) {
        unsigned char addr[16];
        const char *z = arena_dupz(app->arena, o->tls_san.items[i]);

        if (inet_pton(AF_INET, z, addr) == 1 || inet_pton(AF_INET6, z, addr) == 1)
            ips[n_ips++] = o->tls_san.items[i];
        else
            names[n_names++] = o->tls_san.items[i];
    }
    return cluster_pki_open(
        app->loop,
        &(struct cluster_pki_options){
            .dir = arena_fmt(app->arena, PRI_STR "/server/tls", STR_ARG(o->data_dir)),
            .server_names = names,
            .n_server_names = n_names,
            .server_ips = ips,
            .n_server_ips = n_ips,
            .node_name = o->node_name,
            .node_ip = o->node_ip,
        },
        &app->pki);
}

static struct err *read_apiserver_args(struct app *app)
{
    const struct server_options *o = &app->o;

    struct err *err;

    app->args.api = (struct api_options){
        .service_cidr = o->service_cidr,
        .node_port_min = o->node_port_min,
        .node_port_max = o->node_port_max,
        .cluster_domain = o->cluster_domain,
        .advertise_port = (int)o->https_listen_port,
        .service_account_issuer = arena_fmt(app->arena, "https://kubernetes.default.svc." PRI_STR,
                                            STR_ARG(o->cluster_domain)),
        .anonymous = true,
        .audit_log_max_mb = 100,
        .legacy_apis = o->legacy_apis,
        .allow_privileged = true,
    };
    err = apiserver_args_read(app->loop, app->arena, &o->kube_apiserver_arg, &app->args);
    if (!err && app->args.token_auth_file.n)
        app->o.token_auth_file = app->args.token_auth_file;
    return err;
}

static struct err *open_token_file(struct app *app)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    int rc;

    if (app->o.token_auth_file.n == 0)
        return NULL;
    rc =
        file_read(app->loop, arena_dupz(app->arena, app->o.token_auth_file), TOKEN_FILE_MAX, &text);
    if (rc)
        return err_errno(rc, "--token-auth-file " PRI_STR, STR_ARG(app->o.token_auth_file));
    app->token_users = arena_dup(app->arena, buf_view(&text));
    return NULL;
}

/* The keys that are there; with --secrets-encryption a first one is made. */
static struct err *open_encryption(struct app *app)
{
    struct err *err = encryption_load(app->loop, app->arena, app->o.data_dir, &app->encryption);

    if (err || app->encryption.exists || !app->o.secrets_encryption)
        return err;
    app->encryption.enabled = true;
    err = encryption_key_add(app->arena, loop_wall(app->loop), true, &app->encryption);
    return err ? err : encryption_save(app->loop, app->o.data_dir, &app->encryption);
}

static struct err *open_api(struct app *app)
{
    const struct server_options *o = &app->o;
    struct err *err;

    err = store_open(
        app->loop,
        &(struct store_options){
            .path = arena_dupz(app->arena, arena_fmt(app->arena, PRI_STR "/server/db/state.db",
                                                     STR_ARG(o->data_dir))),
            .compact_age_ns = app->args.compact_age_ns,
            .cipher = app->encryption.exists ? &app->encryption.cipher : NULL,
        },
        &app->store);
    if (err)
        return err;
    if (app->encryption.exists && encryption_retire(&app->encryption)) {
        err = encryption_save(app->loop, o->data_dir, &app->encryption);
        if (err)
            return err;
    }
    app->args.api.store = app->store;
    app->args.api.advertise_address = o->node_ip;
    app->args.api.service_account_key_pem = buf_view(&app->pki.service_account_key);
    app->args.api.ca_pem = buf_view(&app->pki.ca_cert);
    app->args.api.ca_key_pem = buf_view(&app->pki.ca_key);
    app->args.api.token_file = app->token_users;
    app->args.api.kubelet_client_cert_pem = buf_view(&app->pki.cert[CLUSTER_CERT_KUBELET_CLIENT]);
    app->args.api.kubelet_client_key_pem = buf_view(&app->pki.key[CLUSTER_CERT_KUBELET_CLIENT]);
    if (!app->args.api.front_proxy_ca_pem.n) {
        app->args.api.front_proxy_ca_pem = buf_view(&app->pki.front_ca_cert);
        if (!app->args.api.request_header.allowed_names.n)
            app->args.api.request_header.allowed_names = S("front-proxy-client");
    }
    if (!app->args.api.front_proxy_cert_pem.n || !app->args.api.front_proxy_key_pem.n) {
        app->args.api.front_proxy_cert_pem = buf_view(&app->pki.cert[CLUSTER_CERT_FRONT_PROXY]);
        app->args.api.front_proxy_key_pem = buf_view(&app->pki.key[CLUSTER_CERT_FRONT_PROXY]);
    }
    err = api_new(app->loop, &app->args.api, &app->api);
    if (err)
        return err;
    err = tls_server_new(
        &(struct tls_server_options){
            .cert_pem = buf_view(&app->pki.cert[CLUSTER_CERT_SERVER]),
            .key_pem = buf_view(&app->pki.key[CLUSTER_CERT_SERVER]),
            .client_ca_pem = buf_view(&app->pki.ca_cert),
            .front_ca_pem = app->args.api.front_proxy_ca_pem,
            .http2 = true,
        },
        &app->tls);
    return err;
}

static struct err *open_https(struct app *app)
{
    const struct server_options *o = &app->o;
    bool v6 = str_has_char(o->bind_address, ':');
    str address =
        arena_fmt(app->arena, "%s" PRI_STR "%s:%lld", v6 ? "[" : "", STR_ARG(o->bind_address),
                  v6 ? "]" : "", (long long)o->https_listen_port);
    int rc = http_server_open(app->loop, address,
                              &(struct http_server_options){
                                  .tls = app->tls,
                                  .body_limit = BODY_MAX,
                                  .status_errors = true,
                              },
                              api_handle, app->api, &app->https);

    return rc ? err_errno(rc, "listening on " PRI_STR, STR_ARG(address)) : NULL;
}

static struct err *write_kubeconfig(struct app *app)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    const char *path = arena_dupz(app->arena, app->o.write_kubeconfig), *slash = strrchr(path, '/');
    char *end;
    long mode = strtol(arena_dupz(app->arena, app->o.write_kubeconfig_mode), &end, 8);
    int rc = 0;

    if (*end || mode <= 0 || mode > 0777)
        return err_new(REASON_BAD_REQUEST,
                       "--write-kubeconfig-mode: \"" PRI_STR "\" is not an octal mode",
                       STR_ARG(app->o.write_kubeconfig_mode));
    cluster_kubeconfig(
        &app->pki,
        arena_fmt(app->arena, "https://127.0.0.1:%lld", (long long)app->o.https_listen_port),
        &text);
    if (slash && slash != path)
        rc = file_mkdir_all(app->loop, arena_dupz(app->arena, (str){path, (size_t)(slash - path)}),
                            0755);
    if (!rc)
        rc = file_write_atomic(app->loop, path, buf_view(&text), (unsigned)mode);
    return rc ? err_errno(rc, "writing %s", path) : NULL;
}

static struct err *check_supported(const struct server_options *o)
{
    if (o->datastore_endpoint.n)
        return err_new(
            REASON_BAD_REQUEST,
            "--datastore-endpoint: only the embedded store is there yet, leave it empty");
    if (o->token.n)
        return err_new(REASON_BAD_REQUEST, "--token: nodes cannot join yet, leave it empty");
    return NULL;
}

static struct err *server_open(struct app *app)
{
    struct err *err = check_supported(&app->o);

    if (!err)
        err = read_apiserver_args(app);
    if (!err)
        err = open_addresses(app);
    if (!err)
        err = open_data_dir(app);
    if (!err)
        err = open_pki(app);
    if (!err)
        err = open_token_file(app);
    if (!err)
        err = open_encryption(app);
    if (!err)
        err = open_api(app);
    if (!err)
        err = open_https(app);
    if (!err)
        err = write_kubeconfig(app);
    return err;
}

static void expect_parts(struct app *app)
{
    part_expect(app, PART_BOOTSTRAP, "poststarthook/bootstrap-objects");
    if (!(app->o.disabled & DISABLE_CONTROLLERS))
        part_expect(app, PART_CONTROLLERS, "controllers");
    if (!(app->o.disabled & DISABLE_SCHEDULER))
        part_expect(app, PART_SCHEDULER, "scheduler");
    if (app->o.disable_agent)
        return;
    if (!(app->o.disabled & DISABLE_PROXY))
        part_expect(app, PART_PROXY, "proxy");
    if (!(app->o.disabled & DISABLE_DNS))
        part_expect(app, PART_DNS, "dns");
    part_expect(app, PART_KUBELET, "kubelet");
}

/* The kernel gives small machines small pages of patience: few malloc arenas, freed memory goes back. */
static void tune_malloc(void)
{
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 256 << 10);
    mallopt(M_TRIM_THRESHOLD, 512 << 10);
}

int cmd_server(int argc, char **argv)
{
    struct app *app = NEW(struct app);
    struct err *err;
    bool help;
    int status;

    tune_malloc();
    signal(SIGPIPE, SIG_IGN);
    app->lock_fd = -1;
    app->arena = arena_new();
    err = server_options_parse(app->arena, argc, argv, &app->o, &help);
    if (err || help) {
        if (err)
            fprintf(stderr, "k1s server: %s\n", err_text(err));
        else
            server_options_usage(stdout);
        status = err ? 2 : 0;
        goto out;
    }
    if (app->o.verbosity >= 2)
        log_level_max = LOG_DEBUG;
    app->resolv_conf = app->o.resolv_conf;
    app->loop = loop_new_uv();
    app->started = loop_now(app->loop);
    err = server_open(app);
    if (err) {
        fprintf(stderr, "k1s server: %s\n", err_text(err));
        status = 1;
        goto out;
    }
    app->token_key = buf_view(&app->pki.service_account_key);
    if (!app->pki.has_service_account_key) {
        app->key_pending = true;
        pool_run(app->loop, make_key, key_made, app);
    }
    expect_parts(app);
    app->on_term = signal_watch_new(app->loop, SIGTERM, server_stop, app);
    app->on_int = signal_watch_new(app->loop, SIGINT, server_stop, app);
    if (app->args.authentication_config_path.n)
        app->authentication =
            file_follow_new(app->loop, app->args.authentication_config_path,
                            app->args.api.authentication_config, authentication_changed, app);
    api_bootstrap(app->api, bootstrapped, app);
    loop_run(app->loop);
    status = app->status;
    tls_server_free(app->tls);
    cluster_pki_fini(&app->pki);
    buf_fini(&app->made_key);
    loop_free(app->loop);
out:
    err_free(err);
    if (app->lock_fd >= 0)
        close(app->lock_fd);
    arena_free(app->node_arena);
    arena_free(app->arena);
    mem_free(app);
    return status;
}
