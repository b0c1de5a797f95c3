/* options.c - one table of flags; the command line and the config file both go through it. */
#include "cli/options.h"

#include "wire/yaml.h"

#include <unistd.h>

enum option_kind {
    OPTION_STRING,
    OPTION_INT,
    OPTION_BOOL,
    OPTION_LIST,
    OPTION_ARGS
}; /* ARGS: a list whose values may have commas */

static const struct option {
    const char *name, *alias; /* without the dashes */
    enum option_kind kind;
    size_t offset;
    const char *what;
} options[] = {
#define O(name, alias, kind, field, what)                                                          \
    {                                                                                              \
        name, alias, kind, offsetof(struct server_options, field), what                            \
    }
    O("config", "c", OPTION_STRING, config, "YAML file with the same keys"),
    O("data-dir", "d", OPTION_STRING, data_dir, "where everything is kept (/var/lib/k1s)"),
    O("bind-address", NULL, OPTION_STRING, bind_address, "address of the API server (0.0.0.0)"),
    O("https-listen-port", NULL, OPTION_INT, https_listen_port, "port of the API server (6443)"),
    O("write-kubeconfig", "o", OPTION_STRING, write_kubeconfig,
      "admin kubeconfig (/etc/k1s/k1s.yaml)"),
    O("write-kubeconfig-mode", NULL, OPTION_STRING, write_kubeconfig_mode,
      "its mode, octal (0600)"),
    O("token", "t", OPTION_STRING, token, "secret that nodes join with"),
    O("datastore-endpoint", NULL, OPTION_STRING, datastore_endpoint, "empty: embedded SQLite"),
    O("cluster-cidr", NULL, OPTION_STRING, cluster_cidr, "addresses of pods (10.42.0.0/16)"),
    O("service-cidr", NULL, OPTION_STRING, service_cidr, "addresses of Services (10.43.0.0/16)"),
    O("service-node-port-range", NULL, OPTION_STRING, service_node_port_range, "(30000-32767)"),
    O("cluster-dns", NULL, OPTION_STRING, cluster_dns, "address of the cluster's DNS (10.43.0.10)"),
    O("cluster-domain", NULL, OPTION_STRING, cluster_domain, "(cluster.local)"),
    O("node-name", NULL, OPTION_STRING, node_name, "(the host's name)"),
    O("node-ip", "i", OPTION_STRING, node_ip, "(the first address of the host)"),
    O("node-label", NULL, OPTION_LIST, node_labels, "key=value, repeatable"),
    O("node-taint", NULL, OPTION_LIST, node_taints, "key=value:Effect, repeatable"),
    O("tls-san", NULL, OPTION_LIST, tls_san, "more names or addresses for the server certificate"),
    O("disable-agent", NULL, OPTION_BOOL, disable_agent,
      "no kubelet, proxy and DNS: API and controllers only"),
    O("disable", NULL, OPTION_LIST, disable,
      "dns,proxy,ingress,servicelb,metrics,local-storage,dashboard,scheduler,controllers"),
    O("secrets-encryption", NULL, OPTION_BOOL, secrets_encryption,
      "encrypt Secrets on disk (AES-GCM); keys: k1s secrets-encrypt"),
    O("legacy-apis", NULL, OPTION_BOOL, legacy_apis, "serve removed group-versions too"),
    O("container-runtime-endpoint", NULL, OPTION_STRING, container_runtime_endpoint,
      "CRI socket; empty: a containerd of our own"),
    O("private-registry", NULL, OPTION_STRING, private_registry, "(/etc/k1s/registries.yaml)"),
    O("resolv-conf", NULL, OPTION_STRING, resolv_conf, "(/etc/resolv.conf)"),
    O("kubelet-port", NULL, OPTION_INT, kubelet_port, "(10250)"),
    O("token-auth-file", NULL, OPTION_STRING, token_auth_file,
      "CSV: token,user,uid,\"group1,group2\""),
    O("kube-apiserver-arg", NULL, OPTION_ARGS, kube_apiserver_arg,
      "key=value of kube-apiserver, repeatable"),
    O("v", NULL, OPTION_INT, verbosity, "log level: 0 to 4"),
#undef O
};

static const struct {
    const char *name;
    unsigned bit;
} disables[] = {
    {"dns", DISABLE_DNS},
    {"proxy", DISABLE_PROXY},
    {"ingress", DISABLE_INGRESS},
    {"servicelb", DISABLE_SERVICELB},
    {"metrics", DISABLE_METRICS},
    {"local-storage", DISABLE_LOCAL_STORAGE},
    {"dashboard", DISABLE_DASHBOARD},
    {"scheduler", DISABLE_SCHEDULER},
    {"controllers", DISABLE_CONTROLLERS},
};

void server_options_usage(FILE *to)
{
    fputs("usage: k1s server [OPTIONS]\n\n", to);
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        fprintf(to, "  --%-28s %s\n", options[i].name, options[i].what);
}

static const struct option *option_find(str name)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (str_is(name, options[i].name) || (options[i].alias && str_is(name, options[i].alias)))
            return &options[i];
    return NULL;
}

static struct err *option_bool(str value, const char *name, bool *ret)
{
    if (str_is(value, "true") || str_is(value, "1"))
        *ret = true;
    else if (str_is(value, "false") || str_is(value, "0"))
        *ret = false;
    else
        return err_new(REASON_BAD_REQUEST, "--%s: \"" PRI_STR "\" is neither true nor false", name,
                       STR_ARG(value));
    return NULL;
}

static struct err *option_set(struct server_options *o, const struct option *opt, str value)
{
    void *field = (char *)o + opt->offset;

    switch (opt->kind) {
    case OPTION_STRING:
        *(str *)field = value;
        return NULL;
    case OPTION_INT:
        if (!str_to_int64(value, field))
            return err_new(REASON_BAD_REQUEST, "--%s: \"" PRI_STR "\" is not a number", opt->name,
                           STR_ARG(value));
        return NULL;
    case OPTION_BOOL:
        return option_bool(value, opt->name, field);
    case OPTION_LIST:
    case OPTION_ARGS: {
        struct option_list *list = field;
        str item;

        while (opt->kind == OPTION_ARGS ? str_cut(&value, '\0', &item)
                                        : str_cut(&value, ',', &item)) {
            if (item.n == 0)
                continue;
            if (list->n == OPTION_LIST_MAX)
                return err_new(REASON_BAD_REQUEST, "--%s: more than %d values", opt->name,
                               OPTION_LIST_MAX);
            list->items[list->n++] = item;
        }
        return NULL;
    }
    }
    return NULL;
}

/* Scalars of the config file as the text that a flag would have had. */
static str scalar_text(struct arena *a, const struct json *v)
{
    struct buf b = BUF_INIT;
    str s;

    if (v->type == JSON_STRING)
        return v->s;
    json_encode(&b, v);
    s = arena_dup(a, buf_view(&b));
    buf_fini(&b);
    return s;
}

static struct err *config_read(struct arena *a, str path, struct server_options *o)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    struct json *doc;
    struct err *err;
    FILE *f = fopen(arena_dupz(a, path), "re");
    char chunk[4096];
    size_t n;

    if (!f)
        return err_new(REASON_BAD_REQUEST, "--config " PRI_STR ": %s", STR_ARG(path),
                       strerror(errno));
    text.limit = 1 << 20;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_add(&text, chunk, n);
    fclose(f);
    if (text.overflow)
        return err_new(REASON_BAD_REQUEST, "--config " PRI_STR ": larger than 1 MiB",
                       STR_ARG(path));
    err = yaml_parse(a, arena_dup(a, buf_view(&text)), NULL, &doc);
    if (err)
        return err_note(err, "--config " PRI_STR, STR_ARG(path));
    if (doc->type == JSON_NULL)
        return NULL;
    if (doc->type != JSON_OBJECT)
        return err_new(REASON_BAD_REQUEST, "--config " PRI_STR ": not a map", STR_ARG(path));
    JSON_EACH_MEMBER(m, doc) {
        const struct option *opt = option_find(m->key);

        if (!opt)
            return err_new(REASON_BAD_REQUEST, "--config " PRI_STR ": unknown key \"" PRI_STR "\"",
                           STR_ARG(path), STR_ARG(m->key));
        if (m->value.type == JSON_ARRAY) {
            JSON_EACH(item, &m->value) {
                err = option_set(o, opt, scalar_text(a, item));
                if (err)
                    return err;
            }
            continue;
        }
        err = option_set(o, opt, scalar_text(a, &m->value));
        if (err)
            return err;
    }
    return NULL;
}

static struct err *argv_read(int argc, char **argv, struct server_options *o, bool only_config,
                             bool *ret_help)
{
    for (int i = 1; i < argc; i++) {
        str arg = str_of(argv[i]), name, value;
        const struct option *opt;
        struct err *err;
        bool has_value;

        if (str_is(arg, "--help") || str_is(arg, "-h")) {
            *ret_help = true;
            return NULL;
        }
        if (arg.n < 2 || arg.p[0] != '-')
            return err_new(REASON_BAD_REQUEST, "unexpected argument \"%s\"", argv[i]);
        value = str_skip(arg, arg.p[1] == '-' ? 2 : 1);
        has_value = str_has_char(value, '=');
        str_cut(&value, '=', &name);
        opt = option_find(name);
        if (!opt)
            return err_new(REASON_BAD_REQUEST, "unknown flag \"%s\"", argv[i]);
        if (!has_value && opt->kind == OPTION_BOOL) {
            value = S("true");
        } else if (!has_value) {
            if (++i == argc)
                return err_new(REASON_BAD_REQUEST, "--%s needs a value", opt->name);
            value = str_of(argv[i]);
        }
        if (only_config != str_is(name, "config") && only_config)
            continue;
        err = option_set(o, opt, value);
        if (err)
            return err;
    }
    return NULL;
}

static struct err *options_finish(struct server_options *o)
{
    str range = o->service_node_port_range, low;
    int64_t from, to;

    for (size_t i = 0; i < o->disable.n; i++) {
        unsigned bit = 0;

        for (size_t k = 0; k < ARRAY_LEN(disables); k++)
            if (str_is(o->disable.items[i], disables[k].name))
                bit = disables[k].bit;
        if (!bit)
            return err_new(REASON_BAD_REQUEST, "--disable: there is no component \"" PRI_STR "\"",
                           STR_ARG(o->disable.items[i]));
        o->disabled |= bit;
    }
    str_cut(&range, '-', &low);
    if (!str_to_int64(low, &from) || !str_to_int64(range, &to) || from < 1 || to > 65535 ||
        from > to)
        return err_new(REASON_BAD_REQUEST,
                       "--service-node-port-range: \"" PRI_STR "\" is not FROM-TO",
                       STR_ARG(o->service_node_port_range));
    o->node_port_min = (int)from;
    o->node_port_max = (int)to;
    if (o->https_listen_port < 0 || o->https_listen_port > 65535)
        return err_new(REASON_BAD_REQUEST, "--https-listen-port: out of range");
    return NULL;
}

struct err *server_options_parse(struct arena *a, int argc, char **argv, struct server_options *ret,
                                 bool *ret_help)
{
    struct server_options o = {
        .data_dir = S("/var/lib/k1s"),
        .bind_address = S("0.0.0.0"),
        .https_listen_port = 6443,
        .kubelet_port = 10250,
        .write_kubeconfig = S("/etc/k1s/k1s.yaml"),
        .write_kubeconfig_mode = S("0600"),
        .cluster_cidr = S("10.42.0.0/16"),
        .service_cidr = S("10.43.0.0/16"),
        .service_node_port_range = S("30000-32767"),
        .cluster_domain = S("cluster.local"),
        .private_registry = S("/etc/k1s/registries.yaml"),
        .resolv_conf = S("/etc/resolv.conf"),
    };
    char host[256];
    struct err *err;

    *ret_help = false;
    err = argv_read(argc, argv, &o, true, ret_help);
    if (err || *ret_help)
        return err;
    if (o.config.n == 0 && access("/etc/k1s/config.yaml", R_OK) == 0)
        o.config = S("/etc/k1s/config.yaml");
    if (o.config.n) {
        err = config_read(a, o.config, &o);
        if (err)
            return err;
    }
    err = argv_read(argc, argv, &o, false, ret_help);
    if (err)
        return err;
    if (o.node_name.n == 0) {
        if (gethostname(host, sizeof host))
            return err_errno(-errno, "name of this host");
        host[sizeof host - 1] = '\0';
        o.node_name = arena_dup(a, str_of(host));
    }
    err = options_finish(&o);
    if (err)
        return err;
    *ret = o;
    return NULL;
}
