/* containerd_config.c - what containerd and the CNI plugins are told, as text; see containerd.h. Pure.
 *
 * API: https://github.com/containerd/containerd/blob/main/docs/cri/config.md, docs/hosts.md
 *      https://docs.k3s.io/installation/private-registry
 *      https://www.cni.dev/plugins/current/main/bridge/ */
#include "kubelet/containerd.h"

#define DEFAULT_DATA_DIR "/var/lib/k1s"
#define LOG_LINE_MAX                                                                               \
    16384 /* bytes per line of a container's log before it is split, as with other runtimes */

void containerd_paths_init(struct arena *a, str data_dir, struct containerd_paths *ret)
{
    struct containerd_paths p;
    str run;

    /* Sockets and pid files do not survive a reboot, hence /run; other data directories (a second cluster, tests) keep all
     * below themselves unless the kernel's limit of socket paths forbids it. */
    if (str_is(data_dir, DEFAULT_DATA_DIR))
        run = S("/run/k1s");
    else
        run = arena_fmt(a, PRI_STR "/run", STR_ARG(data_dir));
    if (run.n + strlen("/containerd/containerd.sock.ttrpc") > CONTAINERD_SOCKET_PATH_MAX)
        run = arena_fmt(a, "/run/k1s-%08x", (unsigned)str_hash(data_dir));
    p.root = arena_fmt(a, PRI_STR "/containerd", STR_ARG(data_dir));
    p.state = arena_fmt(a, PRI_STR "/containerd", STR_ARG(run));
    p.socket = arena_fmt(a, PRI_STR "/containerd.sock", STR_ARG(p.state));
    p.config = arena_fmt(a, PRI_STR "/etc/containerd.toml", STR_ARG(data_dir));
    p.registry_dir = arena_fmt(a, PRI_STR "/etc/certs.d", STR_ARG(data_dir));
    p.cni_conf_dir = arena_fmt(a, PRI_STR "/etc/cni", STR_ARG(data_dir));
    p.cni_data_dir = arena_fmt(a, PRI_STR "/cni", STR_ARG(data_dir));
    p.pid_file = arena_fmt(a, PRI_STR "/containerd.pid", STR_ARG(run));
    p.log_file = arena_fmt(a, PRI_STR "/containerd.log", STR_ARG(data_dir));
    *ret = p;
}

void buf_toml_string(struct buf *b, str s)
{
    buf_char(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == '"' || c == '\\') {
            buf_char(b, '\\');
            buf_char(b, (char)c);
        } else if (c < 0x20 || c == 0x7f) {
            buf_fmt(b, "\\u%04x", c);
        } else {
            buf_char(b, (char)c);
        }
    }
    buf_char(b, '"');
}

static void toml_set(struct buf *b, const char *key, str value)
{
    buf_fmt(b, "%s = ", key);
    buf_toml_string(b, value);
    buf_char(b, '\n');
}

/* What neither Debian's kernel nor a pod needs: less memory and no warnings at the start. */
static const char *const unused_plugins[] = {
    "io.containerd.snapshotter.v1.aufs",       "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",  "io.containerd.snapshotter.v1.zfs",
    "io.containerd.internal.v1.opt",           "io.containerd.internal.v1.tracing",
    "io.containerd.tracing.processor.v1.otlp",
};

#define CRI "plugins.\"io.containerd.grpc.v1.cri\""

static void registry_auth(struct buf *b, const struct json_member *m)
{
    static const struct {
        const char *yaml, *toml;
    } keys[] = {{"username", "username"},
                {"password", "password"},
                {"auth", "auth"},
                {"identity_token", "identitytoken"}};
    const struct json *auth = json_findz(&m->value, "auth");

    if (!json_count(auth))
        return;
    buf_z(b, "\n[" CRI ".registry.configs.");
    buf_toml_string(b, m->key);
    buf_z(b, ".auth]\n");
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        str v = json_str(json_findz(auth, keys[i].yaml));

        if (v.n)
            toml_set(b, keys[i].toml, v);
    }
}

void containerd_config_write(struct buf *b, const struct containerd_config *c)
{
    buf_z(b, "# written by k1s at every start: changes are lost\nversion = 2\n");
    toml_set(b, "root", c->paths.root);
    toml_set(b, "state", c->paths.state);
    buf_z(b, "disabled_plugins = [");
    for (size_t i = 0; i < ARRAY_LEN(unused_plugins); i++) {
        buf_z(b, i ? ", " : "");
        buf_toml_string(b, str_of(unused_plugins[i]));
    }
    buf_z(b, "]\n\n[grpc]\n");
    toml_set(b, "address", c->paths.socket);
    buf_z(b, "\n[" CRI "]\n");
    toml_set(b, "sandbox_image", S(PAUSE_IMAGE));
    toml_set(b, "stream_server_address", S("127.0.0.1"));
    toml_set(b, "stream_server_port", S("0"));
    buf_z(b, "disable_tcp_service = true\nenable_selinux = "
             "false\ntolerate_missing_hugetlb_controller = true\n"
             "enable_unprivileged_ports = true\nenable_unprivileged_icmp = true\n");
    buf_fmt(b, "disable_apparmor = %s\n", c->disable_apparmor ? "true" : "false");
    buf_fmt(b, "restrict_oom_score_adj = %s\n", c->restrict_oom_score_adj ? "true" : "false");
    buf_fmt(b, "max_container_log_line_size = %d\n", LOG_LINE_MAX);
    buf_z(b,
          "\n[" CRI ".containerd]\nsnapshotter = \"overlayfs\"\ndefault_runtime_name = \"runc\"\n"
          "\n[" CRI ".containerd.runtimes.runc]\nruntime_type = \"io.containerd.runc.v2\"\n"
          "\n[" CRI ".containerd.runtimes.runc.options]\nSystemdCgroup = false\n"
          "\n[" CRI ".cni]\n");
    toml_set(b, "bin_dir", c->cni_bin_dir);
    toml_set(b, "conf_dir", c->paths.cni_conf_dir);
    buf_z(b, "max_conf_num = 1\n\n[" CRI ".registry]\n");
    toml_set(b, "config_path", c->paths.registry_dir);
    JSON_EACH_MEMBER(m, c->registry_configs)
        registry_auth(b, m);
}

/* ---- registries.yaml ---- */

/* "https://mirror.example/v2" or "mirror.example:5000" -> "mirror.example:5000": the key under which `configs` has it. */
static str host_of(str url)
{
    ptrdiff_t at = str_find(url, S("://"));

    if (at >= 0)
        url = str_skip(url, (size_t)at + 3);
    at = str_index(url, '/');
    return at < 0 ? url : str_slice(url, 0, (size_t)at);
}

static void host_tls(struct buf *b, const struct json *configs, str host)
{
    const struct json *tls = json_findz(json_find(configs, host), "tls");
    str ca = json_str(json_findz(tls, "ca_file"));
    str cert = json_str(json_findz(tls, "cert_file")), key = json_str(json_findz(tls, "key_file"));

    if (ca.n) {
        buf_z(b, "  ca = [");
        buf_toml_string(b, ca);
        buf_z(b, "]\n");
    }
    if (cert.n) {
        buf_z(b, "  client = [[");
        buf_toml_string(b, cert);
        buf_z(b, ", ");
        buf_toml_string(b, key);
        buf_z(b, "]]\n");
    }
    if (json_get_bool(tls, "insecure_skip_verify", false))
        buf_z(b, "  skip_verify = true\n");
}

static void host_section(struct buf *b, str url, const struct json *configs)
{
    str path;
    ptrdiff_t at;

    buf_z(b, "\n[host.");
    buf_toml_string(b, url);
    buf_z(b, "]\n  capabilities = [\"pull\", \"resolve\"]\n");
    at = str_find(url, S("://"));
    path = str_skip(url, (size_t)at + 3);
    at = str_index(path, '/');
    path = at < 0 ? STR_NONE : str_skip(path, (size_t)at);
    /* A path of the mirror's own is meant as it stands. */
    if (path.n > 1 && !str_is(path, "/v2"))
        buf_z(b, "  override_path = true\n");
    host_tls(b, configs, host_of(url));
}

static str server_of(struct arena *a, str name)
{
    if (str_is(name, "docker.io"))
        return S("https://registry-1.docker.io");
    return arena_fmt(a, "https://" PRI_STR, STR_ARG(name));
}

static bool has_tls(const struct json *configs, str host)
{
    return json_count(json_findz(json_find(configs, host), "tls")) > 0;
}

struct err *registries_convert(struct arena *a, const struct json *registries, registry_file_fn *fn,
                               void *ctx)
{
    const struct json *mirrors = json_findz(registries, "mirrors"),
                      *configs = json_findz(registries, "configs");

    if (registries && registries->type != JSON_NULL && registries->type != JSON_OBJECT)
        return err_new(REASON_BAD_REQUEST, "registries: not a mapping");
    if (mirrors && mirrors->type != JSON_NULL && mirrors->type != JSON_OBJECT)
        return err_new(REASON_BAD_REQUEST, "registries: mirrors is not a mapping");
    JSON_EACH_MEMBER(m, mirrors) {
        CLEANUP(buf) struct buf text = BUF_INIT;
        const struct json *endpoints = json_findz(&m->value, "endpoint");

        if (m->key.n == 0 || str_has_char(m->key, '/'))
            return err_new(REASON_BAD_REQUEST,
                           "registries: \"" PRI_STR "\" is not a registry's name", STR_ARG(m->key));
        if (!str_is(m->key, "*"))
            toml_set(&text, "server", server_of(a, m->key));
        JSON_EACH(e, endpoints) {
            str url = json_str(e);

            if (!url.n)
                return err_new(REASON_BAD_REQUEST,
                               "registries: mirrors." PRI_STR ".endpoint: not a list of addresses",
                               STR_ARG(m->key));
            if (str_find(url, S("://")) < 0)
                url = arena_fmt(a, "https://" PRI_STR, STR_ARG(url));
            if (!str_has_prefix(url, S("http://")) && !str_has_prefix(url, S("https://")))
                return err_new(REASON_BAD_REQUEST,
                               "registries: mirrors." PRI_STR ".endpoint: \"" PRI_STR
                               "\" is neither http nor https",
                               STR_ARG(m->key), STR_ARG(url));
            host_section(&text, url, configs);
        }
        if (!str_is(m->key, "*") && has_tls(configs, m->key))
            host_section(&text, server_of(a, m->key), configs);
        fn(ctx, str_is(m->key, "*") ? S("_default") : m->key, buf_view(&text));
    }
    /* Registries without a mirror, but with certificates of their own. */
    JSON_EACH_MEMBER(c, configs) {
        CLEANUP(buf) struct buf text = BUF_INIT;

        if (json_find(mirrors, c->key) || !has_tls(configs, c->key) || str_has_char(c->key, '/'))
            continue;
        toml_set(&text, "server", server_of(a, c->key));
        host_section(&text, server_of(a, c->key), configs);
        fn(ctx, c->key, buf_view(&text));
    }
    return NULL;
}

/* ---- CNI ---- */

void cni_config_write(struct buf *b, const struct cni_config *c)
{
    buf_z(
        b,
        "{\"cniVersion\":\"0.4.0\",\"name\":\"k1s\",\"plugins\":[{\"type\":\"bridge\",\"bridge\":");
    json_encode_string(b, c->bridge);
    buf_fmt(b,
            ",\"isGateway\":true,\"isDefaultGateway\":true,\"forceAddress\":true,\"ipMasq\":%s,"
            "\"hairpinMode\":true,\"ipam\":{\"type\":\"host-local\",\"ranges\":[[{\"subnet\":",
            c->masquerade ? "true" : "false");
    json_encode_string(b, c->pod_cidr);
    buf_z(b, "}]],\"dataDir\":");
    json_encode_string(b, c->data_dir);
    buf_z(b, "}}");
    if (c->port_map)
        buf_z(b, ",{\"type\":\"portmap\",\"capabilities\":{\"portMappings\":true},\"snat\":true}");
    buf_z(b, "]}\n");
}
