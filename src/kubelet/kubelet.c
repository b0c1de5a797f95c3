/* kubelet.c - the node agent's beginning and end: brings its parts up in order, and hands what they hear to the pods' workers.
 *
 * Order: runtime answers (and has the pause image) -> node registered -> pod network configured -> pods known -> workers run ->
 * what the runtime or the disk has of pods that the API does not know is cleaned up.
 *
 * Not here: one pod's way (worker*.c), the Node object (node*.c), the agent's own HTTPS port (server*.c). */
#include "kubelet/kubelet_internal.h"

#include <dirent.h>
#include <unistd.h>

#include "kubelet/node_internal.h"
#include "kubelet/oci_archive.h"

#define VERSION_RETRY_NS (100 * NS_PER_MS)
#define IMPORT_RETRY_NS (5 * NS_PER_S)
#define NETWORK_RETRY_NS (20 * NS_PER_MS)
#define POD_CIDR_WAIT_NS                                                                           \
    (3 * NS_PER_S) /* then a single server node takes the first range of the cluster's */
#define POD_CIDR_PREFIX 24
#define BRIDGE_NAME "cni0"
#define SANDBOXES_MIN 4
#define SANDBOXES_PER_CPU 3 /* made at the same time */

static void begin_workers(struct kubelet *k);
static void check_network(struct kubelet *k);

struct start { /* what only the beginning needs */
    struct kubelet *k;
    struct loop_timer *retry; /* of VERSION, of the import, or of the network's readiness */
    struct loop_timer *cidr_limit;
    struct child *import;
    char *cni_written;
    bool network_configured, network_ready, registered, asking, importing, imported;
    size_t calls;
};

static struct start *start_of(struct kubelet *k)
{
    return k->start;
}

bool kubelet_is_running(const struct kubelet *k)
{
    return k->running && k->runtime_up && !k->stopping;
}

void kubelet_event(struct kubelet *k, const struct json *pod, str field_path, const char *type,
                   const char *reason, const char *fmt, ...)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    va_list ap;

    if (!pod || !k->events)
        return;
    va_start(ap, fmt);
    buf_vfmt(&text, fmt, ap);
    va_end(ap);
    event_record(k->events, pod, field_path, type, reason, "%s", buf_cstr(&text));
}

/* ---- services ---- */

struct service_list {
    struct arena *a;
    struct json *list;
};

static bool add_service(void *ctx, const struct obj *o)
{
    struct service_list *s = ctx;
    struct json *v = NULL;
    struct err *err = json_parse(s->a, arena_dup(s->a, o->data), NULL, NULL, &v);

    if (!err)
        json_append(s->a, s->list, *v);
    err_free(err);
    return true;
}

const struct json *kubelet_services(struct kubelet *k, struct arena *a, str ns)
{
    struct service_list s = {a, json_new(a, json_array())};
    const struct obj *master = informer_find(k->services, S("default"), S("kubernetes"));

    informer_each(k->services, ns, add_service, &s);
    if (master && !str_is(ns, "default"))
        add_service(&s, master);
    return s.list;
}

/* ---- QoS groups ---- */

static void add_burstable(const struct pod_worker *w, int64_t *milli)
{
    if (w->pod && w->admitted && !w->released && podspec_qos(w->pod) == QOS_BURSTABLE)
        *milli += podspec_pod_request(w->pod, S("cpu"));
}

void kubelet_pods_changed(struct kubelet *k)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct cgroup_limits limits = {0};
    int64_t milli = 0;

    if (k->stopping)
        return;
    MAP_EACH(e, &k->workers)
        add_burstable(e->value, &milli);
    limits.cpu_shares = cgroup_shares_of_milli(milli);
    (void)cgroup_make(&k->cgroups, cgroup_class_path(a, QOS_BURSTABLE), &limits);
}

static void make_classes(struct kubelet *k)
{
    CLEANUP(arena) struct arena *a = arena_new();
    static const enum pod_qos classes[] = {QOS_GUARANTEED, QOS_BURSTABLE, QOS_BEST_EFFORT};

    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        struct cgroup_limits limits = {
            .cpu_shares = classes[i] == QOS_GUARANTEED ? 0 : CGROUP_CPU_SHARES_MIN};
        int r = cgroup_make(&k->cgroups, cgroup_class_path(a, classes[i]), &limits);

        if (r < 0)
            log_warning("kubelet", "cgroup " PRI_STR ": %s",
                        STR_ARG(cgroup_class_path(a, classes[i])), strerror(-r));
    }
}

/* ---- the runtime's beginning ---- */

static void ask_version(struct kubelet *k);

static void runtime_is_up(struct kubelet *k)
{
    k->runtime_up = true;
    worker_runtime_event(k, STR_NONE, false);
    check_network(k);
    begin_workers(k);
    node_changed(k->node);
    if (!start_of(k)->registered) {
        start_of(k)->registered = true;
        node_start(k->node);
    }
}

/* Without it no pod can have a sandbox: the node is not ready, and /readyz says so. */
static void import_failed(struct kubelet *k, const char *why)
{
    log_error("kubelet", "not ready: cannot import the pause image: %s; trying again in %lld s",
              why, (long long)(IMPORT_RETRY_NS / NS_PER_S));
    loop_timer_set(start_of(k)->retry, IMPORT_RETRY_NS);
}

static void on_imported(void *ctx, int64_t status, int sig)
{
    struct kubelet *k = ctx;

    child_free(TAKE(start_of(k)->import));
    if (status || sig) {
        CLEANUP(arena) struct arena *a = arena_new();

        import_failed(k, arena_fmt(a, "ctr: exit status %lld, signal %d (log: " PRI_STR ")",
                                   (long long)status, sig,
                                   STR_ARG(containerd_paths(k->containerd)->log_file))
                             .p);
        return;
    }
    start_of(k)->imported = true;
    runtime_is_up(k);
}

static void import_pause(struct kubelet *k)
{
    CLEANUP(buf) struct buf archive = BUF_INIT;
    CLEANUP(arena) struct arena *a = arena_new();
    const char *path = arena_fmt(a, PRI_STR "/pause.tar", STR_ARG(k->o.data_dir)).p;
    const char *argv[] = {containerd_program(a, "ctr"),
                          "-n",
                          "k8s.io",
                          "-a",
                          containerd_paths(k->containerd)->socket.p,
                          "images",
                          "import",
                          path,
                          NULL};
    struct child_options o = {.argv = argv,
                              .stdout_path = containerd_paths(k->containerd)->log_file.p};
    int r;

    if (start_of(k)->import)
        return; /* of before containerd died; its end decides */
    if (!argv[0]) {
        import_failed(k, "ctr is not installed (Debian package containerd)");
        return;
    }
    oci_pause_archive(&archive, S(PAUSE_IMAGE));
    r = file_write_atomic(k->loop, path, buf_view(&archive), 0644);
    if (r >= 0)
        r = child_start(k->loop, &o, on_imported, k, &start_of(k)->import);
    if (r < 0)
        import_failed(k, strerror(-r));
}

static void on_pause_status(void *ctx, struct err *err, const struct json *response)
{
    struct kubelet *k = ctx;
    bool present = !err && json_get_str(response, "image.id").n;

    err_free(err);
    if (k->stopping)
        return;
    if (present || start_of(k)->imported)
        runtime_is_up(k);
    else
        import_pause(k);
}

static void on_version(void *ctx, struct err *err, const struct json *response)
{
    CLEANUP(arena) struct arena *a = NULL;
    struct json request = json_object(), image = json_object();
    struct kubelet *k = ctx;

    start_of(k)->asking = false;
    if (k->stopping) {
        err_free(err);
        return;
    }
    if (err) {
        log_debug("kubelet", "runtime: %s", err_text(err));
        err_free(err);
        loop_timer_set(start_of(k)->retry, VERSION_RETRY_NS);
        return;
    }
    k->runtime_name = arena_dup(k->arena, json_get_str(response, "runtime_name"));
    k->runtime_version = arena_dup(k->arena, json_get_str(response, "runtime_version"));
    k->runtime_known = true;
    if (!k->containerd) {
        runtime_is_up(k);
        return;
    }
    a = arena_new();
    json_setz(a, &image, "image", json_z(PAUSE_IMAGE));
    json_setz(a, &request, "image", image);
    runtime_call(k->rt, RUNTIME_IMAGE_STATUS, &request, 0, on_pause_status, k);
}

static void ask_version(struct kubelet *k)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json request = json_object();

    if (start_of(k)->asking)
        return;
    start_of(k)->asking = true;
    json_setz(a, &request, "version", json_z("v1"));
    runtime_call(k->rt, RUNTIME_VERSION, &request, 5 * NS_PER_S, on_version, k);
}

static void on_containerd_up(void *ctx)
{
    struct kubelet *k = ctx;

    runtime_connected(k->rt, true);
    ask_version(k);
}

static void on_containerd_down(void *ctx)
{
    struct kubelet *k = ctx;

    k->runtime_up = false;
    runtime_connected(k->rt, false);
    node_changed(k->node);
}

static void on_runtime_event(void *ctx, enum runtime_event event, str id)
{
    struct kubelet *k = ctx;

    if (event == RUNTIME_IMAGES) {
        node_images_changed(k->node);
        worker_images_changed(k);
    } else {
        worker_runtime_event(k, id, event == RUNTIME_EXITED);
    }
}

/* ---- the pod network ---- */

/* The first /24 of "10.42.0.0/16". */
static str first_range(struct arena *a, str cidr)
{
    str rest = cidr, address;

    if (!str_cut(&rest, '/', &address) || str_has_char(address, ':'))
        return cidr;
    return arena_fmt(a, PRI_STR "/%d", STR_ARG(address), POD_CIDR_PREFIX);
}

static void on_network_status(void *ctx, struct err *err, const struct json *response)
{
    struct kubelet *k = ctx;
    struct start *s = start_of(k);
    bool ready = false;

    s->asking = false;
    if (k->stopping) {
        err_free(err);
        return;
    }
    JSON_EACH(c, err ? NULL : json_at(response, "status", "conditions", NULL))
        if (str_is(json_get_str(c, "type"), "NetworkReady"))
            ready = json_get_bool(c, "status", false);
    err_free(err);
    if (!ready) { /* it has not seen the file yet */
        loop_timer_set(s->retry, NETWORK_RETRY_NS);
        return;
    }
    s->network_ready = true;
    begin_workers(k);
}

static void check_network(struct kubelet *k)
{
    struct start *s = start_of(k);

    if (!s->network_configured || s->network_ready || s->asking || !k->runtime_up)
        return;
    s->asking = true;
    runtime_call(k->rt, RUNTIME_STATUS, NULL, 5 * NS_PER_S, on_network_status, k);
}

static void configure_network(struct kubelet *k, str cidr)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf text = BUF_INIT;
    CLEANUP(buf) struct buf old = BUF_INIT;
    const struct containerd_paths *p;
    struct cni_config c;
    struct start *s = start_of(k);
    const char *path;
    int r;

    if (s->network_configured)
        return;
    s->network_configured = true;
    loop_timer_stop(s->cidr_limit);
    if (k->containerd) {
        p = containerd_paths(k->containerd);
        c = (struct cni_config){
            .bridge = k->o.bridge.n ? k->o.bridge : S(BRIDGE_NAME),
            .pod_cidr = cidr,
            .data_dir = p->cni_data_dir,
            .masquerade = !k->o.proxied && access("/usr/sbin/iptables", X_OK) == 0,
            .port_map = !k->o.proxied && access("/usr/sbin/iptables", X_OK) == 0,
        };
        cni_config_write(&text, &c);
        path = arena_fmt(a, PRI_STR "/10-k1s.conflist", STR_ARG(p->cni_conf_dir)).p;
        if (file_read(k->loop, path, 65536, &old) < 0 || !str_eq(buf_view(&old), buf_view(&text))) {
            r = file_write_atomic(k->loop, path, buf_view(&text), 0644);
            if (r < 0)
                log_error("kubelet", "write %s: %s", path, strerror(-r));
        }
    }
    check_network(k);
}

static void on_node(void *ctx, const struct obj *obj, const struct obj *prev)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct kubelet *k = ctx;
    struct json *node = NULL;
    struct err *err;
    str cidr;

    if (!obj || !str_eq(obj->key.name, k->o.node_name))
        return;
    err = json_parse(a, obj->data, NULL, NULL, &node);
    if (err) {
        err_free(err);
        return;
    }
    if (!k->allocatable && json_at(node, "status", "allocatable", NULL))
        k->allocatable =
            json_new(k->arena, json_copy(k->arena, json_at(node, "status", "allocatable", NULL)));
    cidr = json_get_str(node, "spec.podCIDR");
    if (cidr.n && !k->o.pod_cidr.n)
        configure_network(k, arena_dup(k->arena, cidr));
    node_seen(k->node);
}

static void on_no_cidr(void *ctx)
{
    struct kubelet *k = ctx;
    str cidr = first_range(k->arena, k->o.cluster_cidr);

    if (!k->o.control_plane || !cidr.n) {
        log_warning("kubelet", "waiting for the node's podCIDR");
        return;
    }
    log_warning("kubelet", "nobody gave this node a podCIDR: taking " PRI_STR, STR_ARG(cidr));
    configure_network(k, cidr);
}

/* ---- workers ---- */

static void on_strays(void *ctx, struct err *err, const struct json *response)
{
    struct kubelet *k = ctx;
    static const char *const lists[] = {"items", "containers"};

    if (!k->stopping)
        for (size_t i = 0; i < ARRAY_LEN(lists); i++)
            JSON_EACH(it, json_findz(response, lists[i])) {
                const struct json *labels = json_findz(it, "labels");
                str uid = json_str(json_findz(labels, LABEL_POD_UID));

                if (uid.n)
                    worker_adopt(k, uid, json_str(json_findz(labels, LABEL_POD_NAMESPACE)),
                                 json_str(json_findz(labels, LABEL_POD_NAME)));
            }
    err_free(err);
}

/* What the runtime, the disk and the logs have of pods that are no more. */
static void find_strays(struct kubelet *k)
{
    CLEANUP(buf) struct buf path = BUF_INIT;
    struct dirent *e;
    DIR *d;

    runtime_call(k->rt, RUNTIME_LIST_POD_SANDBOX, NULL, 0, on_strays, k);
    runtime_call(k->rt, RUNTIME_LIST_CONTAINERS, NULL, 0, on_strays, k);
    buf_fmt(&path, PRI_STR "/pods", STR_ARG(k->o.root_dir));
    d = opendir(buf_cstr(&path));
    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.')
            worker_adopt(k, str_of(e->d_name), STR_NONE, STR_NONE);
    if (d)
        closedir(d);
    /* Logs are the machine's: another agent's must not be touched. */
    if (!k->o.sole_agent)
        return;
    d = opendir(POD_LOGS);
    while (d && (e = readdir(d))) { /* "<namespace>_<name>_<uid>" */
        str rest = str_of(e->d_name), ns, name;

        if (e->d_name[0] != '.' && str_cut(&rest, '_', &ns) && rest.p &&
            str_cut(&rest, '_', &name) && rest.p && rest.n)
            worker_adopt(k, rest, ns, name);
    }
    if (d)
        closedir(d);
}

static void begin_workers(struct kubelet *k)
{
    if (!k->runtime_up || !k->pods_known || !start_of(k)->network_ready || k->stopping)
        return;
    if (!k->running) {
        k->running = true;
        find_strays(k);
        node_changed(k->node);
    }
    MAP_EACH(e, &k->workers)
        worker_wake(e->value);
}

static void on_pod(void *ctx, const struct obj *obj, const struct obj *prev)
{
    worker_pod_changed(ctx, obj, prev);
}

static void on_pods_synced(void *ctx)
{
    struct kubelet *k = ctx;

    k->pods_known = true;
    begin_workers(k);
}

static void on_service(void *ctx, const struct obj *obj, const struct obj *prev) {}

static void on_services_synced(void *ctx)
{
    struct kubelet *k = ctx;

    MAP_EACH(e, &k->workers)
        worker_wake(e->value);
}

static void on_relist(void *ctx)
{
    struct kubelet *k = ctx;

    loop_timer_set(k->relist, RELIST_NS);
    worker_runtime_event(k, STR_NONE, false);
}

void kubelet_node_is_told(struct kubelet *k)
{
    if (k->ready_told || !k->running)
        return;
    k->ready_told = true;
    if (k->o.ready)
        k->o.ready(k->o.ctx);
}

static void on_retry(void *ctx)
{
    struct kubelet *k = ctx;

    if (!k->runtime_known)
        ask_version(k);
    else if (!k->runtime_up)
        ask_version(k);
    else
        check_network(k);
}

/* ---- start and stop ---- */

static void copy_options(struct kubelet *k, const struct kubelet_options *o)
{
    struct arena *a = k->arena;
    str *labels = ARENA_NEW_N(a, str, o->n_node_labels + 1),
        *taints = ARENA_NEW_N(a, str, o->n_node_taints + 1);
    str *const fields[] = {&k->o.node_name,      &k->o.node_ip,          &k->o.data_dir,
                           &k->o.root_dir,       &k->o.cri_socket,       &k->o.cluster_dns,
                           &k->o.cluster_domain, &k->o.cluster_cidr,     &k->o.pod_cidr,
                           &k->o.service_cidr,   &k->o.serving_cert_pem, &k->o.serving_key_pem,
                           &k->o.client_ca_pem,  &k->o.registries_yaml,  &k->o.version,
                           &k->o.bridge,         &k->o.cgroup_root};

    k->o = *o;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        *fields[i] = arena_dup(a, *fields[i]);
    for (size_t i = 0; i < o->n_node_labels; i++)
        labels[i] = arena_dup(a, o->node_labels[i]);
    for (size_t i = 0; i < o->n_node_taints; i++)
        taints[i] = arena_dup(a, o->node_taints[i]);
    k->o.node_labels = labels;
    k->o.node_taints = taints;
    if (!k->o.root_dir.n)
        k->o.root_dir = S("/var/lib/kubelet");
}

static struct err *open_runtime(struct kubelet *k)
{
    struct containerd_options o = {
        .loop = k->loop,
        .data_dir = k->o.data_dir,
        .registries_yaml = k->o.registries_yaml,
        .up = on_containerd_up,
        .down = on_containerd_down,
        .ctx = k,
    };
    str socket = k->o.cri_socket;
    struct err *err;

    if (k->o.runtime) {
        k->rt = k->o.runtime;
        runtime_watch(k->rt, on_runtime_event, k);
        on_containerd_up(k);
        return NULL;
    }
    if (socket.n) {
        if (str_has_prefix(socket, S("unix://")))
            socket = str_skip(socket, strlen("unix://"));
        k->rt = cri_new(k->loop, socket);
    } else {
        err = containerd_start(&o, &k->containerd);
        if (err)
            return err;
        k->rt = cri_new(k->loop, containerd_paths(k->containerd)->socket);
    }
    runtime_watch(k->rt, on_runtime_event, k);
    if (socket.n)
        on_containerd_up(k);
    return NULL;
}

static struct informer *open_informer(struct kubelet *k, const char *plural, str fields,
                                      const struct informer_handler *h)
{
    struct informer_options o = {
        .version = S("v1"), .plural = str_of(plural), .field_selector = fields};
    struct informer *i = informer_new(k->client, &o);

    informer_add_handler(i, h, k);
    informer_start(i);
    return i;
}

struct err *kubelet_start(const struct kubelet_options *o, struct kubelet **ret)
{
    static const struct informer_handler pods = {on_pod, on_pods_synced},
                                         services = {on_service, on_services_synced},
                                         nodes = {on_node, NULL};
    struct tls_client_options tls = {.insecure = true};
    struct http_client_options http = {0};
    struct kubelet *k = NEW(struct kubelet);
    struct err *err;
    int r;

    k->arena = arena_new();
    k->loop = o->loop;
    k->client = o->client;
    copy_options(k, o);
    k->runtime_name = S("containerd");
    if (!k->o.cgroup_root.n)
        k->o.cgroup_root = S("/sys/fs/cgroup");
    k->cgroups = (struct cgroup_fs){k->o.cgroup_root.p, cgroup_is_v2(k->o.cgroup_root.p)};
    map_init(&k->workers);
    list_init(&k->sandbox_queue);
    k->sandboxes_max = MAX(SANDBOXES_MIN, SANDBOXES_PER_CPU * (int)sysconf(_SC_NPROCESSORS_ONLN));
    map_init(&k->by_container);
    k->start = NEW(struct start);
    k->start->k = k;
    k->start->retry = loop_timer_new(k->loop, on_retry, k);
    k->start->cidr_limit = loop_timer_new(k->loop, on_no_cidr, k);
    k->relist = loop_timer_new(k->loop, on_relist, k);
    loop_timer_set(k->relist, RELIST_NS);
    r = k->o.runtime ? 0 : volume_share_root(k->o.root_dir.p);
    if (r < 0)
        log_warning("kubelet",
                    "cannot make " PRI_STR " a shared mount (mount propagation will not work): %s",
                    STR_ARG(k->o.root_dir), strerror(-r));
    make_classes(k);
    k->refs = refs_new(k);
    k->rotation = log_rotation_new(k);
    k->node = node_new(k);
    k->events = event_recorder_new(k->client, S("kubelet"), k->o.node_name);
    err = tls_client_new(&tls, &k->tls);
    if (!err) {
        http.tls = k->tls;
        k->http = http_client_new(k->loop, &http);
        err = open_runtime(k);
    }
    if (!err) {
        k->images = images_new(k->rt);
        err = kubelet_server_start(k, &k->server);
    }
    if (err) {
        kubelet_stop(k, NULL, NULL);
        return err_note(err, "kubelet");
    }
    k->nodes = open_informer(
        k, "nodes", arena_fmt(k->arena, "metadata.name=" PRI_STR, STR_ARG(k->o.node_name)), &nodes);
    k->services = open_informer(k, "services", STR_NONE, &services);
    k->pods = open_informer(
        k, "pods", arena_fmt(k->arena, "spec.nodeName=" PRI_STR, STR_ARG(k->o.node_name)), &pods);
    if (k->o.pod_cidr.n)
        configure_network(k, k->o.pod_cidr);
    else if (!k->containerd)
        configure_network(k, STR_NONE); /* somebody else's runtime has somebody else's network */
    else
        loop_timer_set(k->start->cidr_limit, POD_CIDR_WAIT_NS);
    *ret = k;
    return NULL;
}

struct stop {
    struct kubelet *k;
    loop_fn *stopped;
    void *ctx;
};

static void on_quiet(void *ctx)
{
    struct stop *s = ctx;
    struct kubelet *k = s->k;

    map_fini(&k->workers);
    map_fini(&k->by_container);
    tls_client_free(k->tls);
    images_free(k->images);
    mem_free(k->start);
    arena_free(k->arena);
    if (s->stopped)
        s->stopped(s->ctx);
    mem_free(k);
    mem_free(s);
}

void kubelet_stop(struct kubelet *k, loop_fn *stopped, void *ctx)
{
    struct stop *s = NEW(struct stop);

    *s = (struct stop){k, stopped, ctx};
    k->stopping = true;
    kubelet_server_free(TAKE(k->server));
    log_rotation_free(TAKE(k->rotation));
    loop_timer_free(TAKE(k->relist));
    loop_timer_free(TAKE(k->start->retry));
    loop_timer_free(TAKE(k->start->cidr_limit));
    child_free(TAKE(k->start->import));
    if (k->pods)
        informer_free(TAKE(k->pods));
    if (k->services)
        informer_free(TAKE(k->services));
    if (k->nodes)
        informer_free(TAKE(k->nodes));
    worker_free_all(k);
    refs_free(TAKE(k->refs));
    node_free(TAKE(k->node));
    runtime_free(TAKE(k->rt));
    containerd_free(TAKE(k->containerd));
    if (k->http)
        http_client_free(TAKE(k->http));
    event_recorder_free(TAKE(k->events));
    loop_defer(k->loop, on_quiet, s);
}
