/* node_status.c - what the Node object says: labels, capacity, addresses, conditions, images. */
#include "kubelet/node_internal.h"

#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#define IMAGES_MAX 50 /* the largest, as the kubelet's nodeStatusMaxImages */
#define NAMES_PER_IMAGE_MAX 5
#define MEMORY_FLOOR_BYTES (INT64_C(100) << 20) /* memory.available below: pressure */
#define DISK_FLOOR_PERCENT 10                   /* nodefs.available below: pressure */
#define PID_FLOOR_PERCENT 5
#define MAX_PODS_DEFAULT 110

static str read_line(struct node *n, const char *path)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    str v;

    if (file_read(n->k->loop, path, 65536, &text) < 0)
        return STR_NONE;
    v = str_trim(buf_view(&text));
    return arena_dup(n->arena, v);
}

static str os_image(struct node *n)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    str rest, line, key;

    if (file_read(n->k->loop, "/etc/os-release", 65536, &text) < 0)
        return S("Linux");
    rest = buf_view(&text);
    while (str_cut(&rest, '\n', &line))
        if (str_cut(&line, '=', &key) && str_is(key, "PRETTY_NAME")) {
            if (str_has_prefix(line, S("\"")) && line.n >= 2)
                line = str_slice(line, 1, line.n - 1);
            return arena_dup(n->arena, line);
        }
    return S("Linux");
}

void node_read_machine(struct node *n)
{
    struct utsname u;
    struct sysinfo si;
    struct statvfs fs;
    char host[256] = "";
    char *root = str_dupz(n->k->o.root_dir);

    gethostname(host, sizeof host - 1);
    n->hostname = arena_dup(n->arena, str_of(host));
    n->machine_id = read_line(n, "/etc/machine-id");
    n->system_uuid = read_line(n, "/sys/class/dmi/id/product_uuid");
    if (!n->system_uuid.n)
        n->system_uuid = n->machine_id;
    n->boot_id = read_line(n, "/proc/sys/kernel/random/boot_id");
    n->os_image = os_image(n);
    if (uname(&u) == 0) {
        n->kernel = arena_dup(n->arena, str_of(u.release));
        n->architecture = !strcmp(u.machine, "x86_64")    ? S("amd64")
                          : !strcmp(u.machine, "aarch64") ? S("arm64")
                                                          : arena_dup(n->arena, str_of(u.machine));
    }
    n->cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (sysinfo(&si) == 0)
        n->memory_bytes = (int64_t)si.totalram * si.mem_unit;
    if (statvfs(root, &fs) == 0 || statvfs("/var/lib", &fs) == 0)
        n->disk_bytes = (int64_t)fs.f_blocks * (int64_t)fs.f_frsize;
    mem_free(root);
    n->k->memory_bytes = n->memory_bytes;
}

/* ---- labels and taints ---- */

static void add_labels(struct node *n, struct arena *a, struct json *labels)
{
    struct kubelet *k = n->k;
    static const char *const os[] = {"beta.kubernetes.io/os", "kubernetes.io/os"};
    static const char *const arch[] = {"beta.kubernetes.io/arch", "kubernetes.io/arch"};

    for (size_t i = 0; i < ARRAY_LEN(arch); i++)
        json_setz(a, labels, arch[i], json_string(n->architecture));
    for (size_t i = 0; i < ARRAY_LEN(os); i++)
        json_setz(a, labels, os[i], json_z("linux"));
    json_setz(a, labels, "beta.kubernetes.io/instance-type", json_z("k1s"));
    json_setz(a, labels, "kubernetes.io/hostname", json_string(k->o.node_name));
    json_setz(a, labels, "node.kubernetes.io/instance-type", json_z("k1s"));
    /* Not node-role.kubernetes.io/…: a node may not give itself a role (NodeRestriction). The server does it. */
    for (size_t i = 0; i < k->o.n_node_labels; i++) {
        str rest = k->o.node_labels[i], key;

        if (str_cut(&rest, '=', &key))
            json_set(a, labels, key, json_string(rest.p ? rest : STR_NONE));
    }
}

/* "k=v:NoSchedule", "k:NoSchedule" */
static bool parse_taint(str text, str *ret_key, str *ret_value, str *ret_effect)
{
    ptrdiff_t colon = str_rindex(text, ':');
    str rest;

    if (colon < 0)
        return false;
    *ret_effect = str_skip(text, (size_t)colon + 1);
    rest = str_slice(text, 0, (size_t)colon);
    *ret_value = STR_NONE;
    if (!str_cut(&rest, '=', ret_key))
        return false;
    if (rest.p)
        *ret_value = rest;
    return ret_key->n > 0;
}

static void add_capacity(struct node *n, struct arena *a, struct json *status);
static void add_info(struct node *n, struct arena *a, struct json *status);

void node_object(struct node *n, struct arena *a, struct json *ret)
{
    struct json node = json_object(), meta = json_object(), labels = json_object(),
                spec = json_object(), taints = json_array(), status = json_object();

    add_labels(n, a, &labels);
    json_setz(a, &meta, "name", json_string(n->k->o.node_name));
    json_setz(a, &meta, "labels", labels);
    for (size_t i = 0; i < n->k->o.n_node_taints; i++) {
        str key, value, effect;
        struct json t = json_object();

        if (!parse_taint(n->k->o.node_taints[i], &key, &value, &effect))
            continue;
        json_setz(a, &t, "key", json_string(key));
        if (value.n)
            json_setz(a, &t, "value", json_string(value));
        json_setz(a, &t, "effect", json_string(effect));
        json_append(a, &taints, t);
    }
    if (json_count(&taints))
        json_setz(a, &spec, "taints", taints);
    add_capacity(n, a, &status);
    add_info(n, a, &status);
    json_setz(a, &node, "apiVersion", json_z("v1"));
    json_setz(a, &node, "kind", json_z("Node"));
    json_setz(a, &node, "metadata", meta);
    json_setz(a, &node, "spec", spec);
    json_setz(a, &node, "status", status);
    *ret = node;
}

void node_labels_patch(struct node *n, struct arena *a, struct buf *out)
{
    struct json patch = json_object(), meta = json_object(), labels = json_object();

    add_labels(n, a, &labels);
    json_setz(a, &meta, "labels", labels);
    json_setz(a, &patch, "metadata", meta);
    json_encode(out, &patch);
}

/* ---- status ---- */

static void add_capacity(struct node *n, struct arena *a, struct json *status)
{
    struct json c = json_object(), allocatable;
    int pods = n->k->o.max_pods ? n->k->o.max_pods : MAX_PODS_DEFAULT;

    json_setz(a, &c, "cpu", json_string(arena_fmt(a, "%d", n->cpus)));
    json_setz(a, &c, "ephemeral-storage",
              json_string(arena_fmt(a, "%lldKi", (long long)(n->disk_bytes >> 10))));
    json_setz(a, &c, "hugepages-1Gi", json_z("0"));
    json_setz(a, &c, "hugepages-2Mi", json_z("0"));
    json_setz(a, &c, "memory",
              json_string(arena_fmt(a, "%lldKi", (long long)(n->memory_bytes >> 10))));
    json_setz(a, &c, "pods", json_string(arena_fmt(a, "%d", pods)));
    allocatable = json_share(a, &c);
    json_setz(a, status, "capacity", c);
    json_setz(a, status, "allocatable", allocatable);
}

static void add_info(struct node *n, struct arena *a, struct json *status)
{
    struct json info = json_object(), addresses = json_array(), v;
    struct kubelet *k = n->k;
    str version = k->o.version.n ? k->o.version : S("v1.36.2+k1s1");
    struct json endpoints = json_object(), port = json_object();

    json_setz(a, &info, "machineID", json_string(n->machine_id));
    json_setz(a, &info, "systemUUID", json_string(n->system_uuid));
    json_setz(a, &info, "bootID", json_string(n->boot_id));
    json_setz(a, &info, "kernelVersion", json_string(n->kernel));
    json_setz(a, &info, "osImage", json_string(n->os_image));
    json_setz(a, &info, "containerRuntimeVersion",
              json_string(arena_fmt(a, PRI_STR "://" PRI_STR, STR_ARG(k->runtime_name),
                                    STR_ARG(k->runtime_version))));
    json_setz(a, &info, "kubeletVersion", json_string(version));
    json_setz(a, &info, "kubeProxyVersion", json_z(""));
    json_setz(a, &info, "operatingSystem", json_z("linux"));
    json_setz(a, &info, "architecture", json_string(n->architecture));
    json_setz(a, status, "nodeInfo", info);
    v = json_object();
    json_setz(a, &v, "type", json_z("InternalIP"));
    json_setz(a, &v, "address", json_string(k->o.node_ip));
    json_append(a, &addresses, v);
    v = json_object();
    json_setz(a, &v, "type", json_z("Hostname"));
    json_setz(a, &v, "address", json_string(k->o.node_name));
    json_append(a, &addresses, v);
    json_setz(a, status, "addresses", addresses);
    json_setz(a, &port, "Port", json_int(k->server ? kubelet_server_port(k->server) : k->o.port));
    json_setz(a, &endpoints, "kubeletEndpoint", port);
    json_setz(a, status, "daemonEndpoints", endpoints);
    /* No processors are set apart for pods (as with the CPU manager's policy "none"), so even Guaranteed ones can be resized.
     * Source: component-helpers/nodedeclaredfeatures/features/inplacepodresize. */
    json_setz(a, status, "declaredFeatures", json_array());
    json_append(a, json_findz(status, "declaredFeatures"), json_z("GuaranteedQoSPodCPUResize"));
}

static int64_t memory_available(struct node *n)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    str rest, line;

    if (file_read(n->k->loop, "/proc/meminfo", 65536, &text) < 0)
        return INT64_MAX;
    rest = buf_view(&text);
    while (str_cut(&rest, '\n', &line))
        if (str_has_prefix(line, S("MemAvailable:"))) {
            int64_t kib;

            line = str_trim(str_skip(line, strlen("MemAvailable:")));
            if (str_has_suffix(line, S(" kB")) &&
                str_to_int64(str_slice(line, 0, line.n - 3), &kib))
                return kib << 10;
        }
    return INT64_MAX;
}

static bool disk_is_low(struct node *n)
{
    struct statvfs fs;
    char *root = str_dupz(n->k->o.root_dir);
    bool low = statvfs(root, &fs) == 0 && fs.f_blocks &&
               (unsigned long long)fs.f_bavail * 100 / fs.f_blocks < DISK_FLOOR_PERCENT;

    mem_free(root);
    return low;
}

static bool pids_are_low(void)
{
    struct sysinfo si;
    long max = 0;
    FILE *f = fopen("/proc/sys/kernel/pid_max", "re");

    if (f) {
        if (fscanf(f, "%ld", &max) != 1)
            max = 0;
        fclose(f);
    }
    return max > 0 && sysinfo(&si) == 0 && (long)si.procs > max - max * PID_FLOOR_PERCENT / 100;
}

static const struct {
    const char *type;
    struct {
        const char *reason, *message, *event;
    } when[2]; /* [is_true] */
} conditions[NODE_N_CONDITIONS] = {
    [NODE_MEMORY_PRESSURE] = {"MemoryPressure",
                              {{"KubeletHasSufficientMemory",
                                "kubelet has sufficient memory available",
                                "NodeHasSufficientMemory"},
                               {"KubeletHasInsufficientMemory",
                                "kubelet has insufficient memory available",
                                "NodeHasInsufficientMemory"}}},
    [NODE_DISK_PRESSURE] =
        {"DiskPressure",
         {{"KubeletHasNoDiskPressure", "kubelet has no disk pressure", "NodeHasNoDiskPressure"},
          {"KubeletHasDiskPressure", "kubelet has disk pressure", "NodeHasDiskPressure"}}},
    [NODE_PID_PRESSURE] = {"PIDPressure",
                           {{"KubeletHasSufficientPID", "kubelet has sufficient PID available",
                             "NodeHasSufficientPID"},
                            {"KubeletHasInsufficientPID", "kubelet has insufficient PID available",
                             "NodeHasInsufficientPID"}}},
    [NODE_READY] = {"Ready",
                    {{"KubeletNotReady", NULL, "NodeNotReady"},
                     {"KubeletReady", "kubelet is posting ready status", "NodeReady"}}},
};

static void add_conditions(struct node *n, struct arena *a, struct json *status)
{
    bool now_true[NODE_N_CONDITIONS] = {
        [NODE_MEMORY_PRESSURE] = memory_available(n) < MEMORY_FLOOR_BYTES,
        [NODE_DISK_PRESSURE] = disk_is_low(n),
        [NODE_PID_PRESSURE] = pids_are_low(),
        [NODE_READY] = n->k->runtime_up && n->k->running,
    };
    wall_time now = loop_wall(n->k->loop);
    CLEANUP(buf) struct buf beat = BUF_INIT;
    struct json list = json_array();

    buf_rfc3339(&beat, now);
    for (size_t i = 0; i < NODE_N_CONDITIONS; i++) {
        struct condition_state *s = &n->conditions[i];
        CLEANUP(buf) struct buf since = BUF_INIT;
        const char *message = conditions[i].when[now_true[i]].message;
        struct json c = json_object();

        if (!s->known || s->is_true != now_true[i]) {
            /* At its first word the agent may find its own earlier ones: then they hold on. */
            const struct obj *obj =
                s->known ? NULL : informer_find(n->k->nodes, STR_NONE, n->k->o.node_name);
            struct json *node = NULL;
            struct err *err =
                obj ? json_parse(a, arena_dup(a, obj->data), NULL, NULL, &node) : NULL;

            bool news = s->known || now_true[i] ||
                        i != NODE_READY; /* that a new node is not ready yet is none */

            s->since = now;
            JSON_EACH(old, err ? NULL : json_at(node, "status", "conditions", NULL))
                if (str_is(json_get_str(old, "type"), conditions[i].type) &&
                    str_is(json_get_str(old, "status"), now_true[i] ? "True" : "False")) {
                    rfc3339_parse(json_get_str(old, "lastTransitionTime"), &s->since);
                    news &= i != NODE_READY;
                }
            err_free(err);
            s->known = true;
            s->is_true = now_true[i];
            if (n->uid && news)
                node_event(n, "Normal", conditions[i].when[now_true[i]].event, NULL);
        }
        buf_rfc3339(&since, s->since);
        json_setz(a, &c, "type", json_z(conditions[i].type));
        json_setz(a, &c, "status", json_z(now_true[i] ? "True" : "False"));
        json_setz(a, &c, "lastHeartbeatTime", json_string(arena_dup(a, buf_view(&beat))));
        json_setz(a, &c, "lastTransitionTime", json_string(arena_dup(a, buf_view(&since))));
        json_setz(a, &c, "reason", json_z(conditions[i].when[now_true[i]].reason));
        if (!message)
            message = n->k->runtime_up
                          ? "network plugin is not ready: the node has no pod network yet"
                          : "container runtime is down";
        json_setz(a, &c, "message", json_z(message));
        json_append(a, &list, c);
    }
    json_setz(a, status, "conditions", list);
}

/* ---- images ---- */

static int by_size(const void *x, const void *y, void *ctx)
{
    int64_t a = json_get_int(x, "sizeBytes", 0), b = json_get_int(y, "sizeBytes", 0);

    return a < b ? 1 : a > b ? -1 : 0;
}

void node_set_images(struct node *n, const struct json *list)
{
    static const char *const names[] = {"repo_digests", "repo_tags"};
    struct arena *a = arena_new();
    struct json *images = json_new(a, json_array());

    JSON_EACH(it, list) {
        struct json v = json_object(), all = json_array();

        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            JSON_EACH(s, json_findz(it, names[i]))
                if (json_count(&all) < NAMES_PER_IMAGE_MAX)
                    json_append(a, &all, json_copy(a, s));
        json_setz(a, &v, "names", all);
        json_setz(a, &v, "sizeBytes", json_int(json_get_int(it, "size", 0)));
        json_append(a, images, v);
    }
    if (images->n)
        sort_with(images->items, images->n, sizeof images->items[0], by_size, NULL);
    while (images->n > IMAGES_MAX)
        json_remove_item(images, images->n - 1);
    arena_free(n->images_arena);
    n->images_arena = a;
    n->images = images;
}

/* ---- the patch ---- */

bool node_status_patch(struct node *n, struct arena *a, bool force, struct buf *out)
{
    struct json patch = json_object(), status = json_object();
    CLEANUP(buf) struct buf stable = BUF_INIT;
    uint64_t hash;

    add_capacity(n, a, &status);
    add_info(n, a, &status);
    add_conditions(n, a, &status);
    if (n->images)
        json_setz(a, &status, "images", json_share(a, n->images));
    json_setz(a, &patch, "status", status);
    json_encode(out, &patch);
    /* Heartbeats alone are no news: the lease says that the node lives. */
    JSON_EACH(c, json_findz(json_findz(&patch, "status"), "conditions"))
        json_setz(a, c, "lastHeartbeatTime", json_null());
    json_encode(&stable, &patch);
    hash = str_hash(buf_view(&stable));
    if (hash == n->told_hash && !force)
        return false;
    n->telling_hash = hash;
    return true;
}

bool node_status_differs(struct node *n, const struct obj *obj)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *node = NULL;
    bool differs = false;

    err_free(json_parse(a, arena_dup(a, obj->data), NULL, NULL, &node));
    for (size_t i = 0; i < NODE_N_CONDITIONS; i++) {
        struct condition_state *s = &n->conditions[i];
        bool same = false;

        JSON_EACH(c, json_at(node, "status", "conditions", NULL))
            same |= str_is(json_get_str(c, "type"), conditions[i].type) &&
                    str_is(json_get_str(c, "status"), s->is_true ? "True" : "False");
        s->known &= same;
        differs |= !same;
    }
    return differs;
}

void node_event(struct node *n, const char *type, const char *reason, const char *message)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json node = json_object(), meta = json_object();

    if (!n->k->events)
        return;
    json_setz(a, &meta, "name", json_string(n->k->o.node_name));
    json_setz(
        a, &meta, "uid",
        json_string(n->k->o.node_name)); /* as the kubelet: a node's events are found by its name */
    json_setz(a, &node, "kind", json_z("Node"));
    json_setz(a, &node, "apiVersion", json_z("v1"));
    json_setz(a, &node, "metadata", meta);
    if (message)
        event_record(n->k->events, &node, STR_NONE, type, reason, "%s", message);
    else
        event_record(n->k->events, &node, STR_NONE, type, reason,
                     "Node " PRI_STR " status is now: %s", STR_ARG(n->k->o.node_name), reason);
}
