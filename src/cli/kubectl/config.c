/* config.c - kubeconfig: which server, and who we are there.
 *
 * Order: --kubeconfig, $KUBECONFIG (first existing file of the list), ~/.kube/config, /etc/k1s/k1s.yaml. Users of kind `exec` are not
 * supported and say so. */
#include "cli/kubectl/kubectl.h"

#include "wire/yaml.h"

#include <unistd.h>

#define CONFIG_MAX ((size_t)4 << 20)

static struct err *slurp(struct kubectl *k, const char *path, str *ret)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    int rc = file_read(k->loop, path, CONFIG_MAX, &text);

    if (rc)
        return err_errno(rc, "reading %s", path);
    *ret = arena_dup(k->a, buf_view(&text));
    return NULL;
}

static const char *find_file(struct kubectl *k, const struct kube_flags *f)
{
    const char *env = getenv("KUBECONFIG"), *home = getenv("HOME"), *path;

    if (f->kubeconfig.n)
        return arena_dupz(k->a, f->kubeconfig);
    if (env && *env) {
        str rest = str_of(env), item;

        while (str_cut(&rest, ':', &item))
            if (item.n && access(path = arena_dupz(k->a, item), R_OK) == 0)
                return path;
    }
    if (home) {
        path = arena_fmt(k->a, "%s/.kube/config", home).p;
        if (access(path, R_OK) == 0)
            return path;
    }
    return access("/etc/k1s/k1s.yaml", R_OK) == 0 ? "/etc/k1s/k1s.yaml" : NULL;
}

static const struct json *named(const struct json *doc, const char *list, str name,
                                const char *inner)
{
    JSON_EACH(item, json_findz(doc, list))
        if (str_eq(json_get_str(item, "name"), name))
            return json_findz(item, inner);
    return NULL;
}

/* "X-data" in base64, else the file that "X" names, relative to the kubeconfig. */
static struct err *material(struct kubectl *k, const struct json *from, const char *key, str *ret)
{
    str data = json_str(json_findz(from, arena_fmt(k->a, "%s-data", key).p)),
        path = json_str(json_findz(from, key));

    if (data.n) {
        if (!base64_decode(k->a, data, ret))
            return err_new(REASON_BAD_REQUEST, "kubeconfig: %s-data is not base64", key);
        return NULL;
    }
    if (path.n == 0)
        return NULL;
    if (path.p[0] != '/') {
        ptrdiff_t slash = str_rindex(k->config.path, '/');

        path = arena_fmt(k->a, PRI_STR "/" PRI_STR,
                         STR_ARG(str_slice(k->config.path, 0, slash < 0 ? 0 : (size_t)slash)),
                         STR_ARG(path));
    }
    return slurp(k, arena_dupz(k->a, path), ret);
}

static struct err *load_file(struct kubectl *k, const struct kube_flags *f, const char *path)
{
    const struct json *context, *cluster, *user;
    struct json *doc;
    str text, name;
    struct err *err = slurp(k, path, &text);

    if (!err)
        err = yaml_parse(k->a, text, NULL, &doc);
    if (err)
        return err_note(err, "kubeconfig %s", path);
    k->config.path = str_of(path);
    name = f->context.n ? f->context : json_get_str(doc, "current-context");
    context = named(doc, "contexts", name, "context");
    if (!context)
        return err_new(REASON_BAD_REQUEST, "context \"" PRI_STR "\" does not exist", STR_ARG(name));
    k->config.context = name;
    cluster = named(doc, "clusters", json_get_str(context, "cluster"), "cluster");
    user = named(doc, "users", json_get_str(context, "user"), "user");
    k->config.ns = json_get_str(context, "namespace");
    k->config.server = json_str(json_findz(cluster, "server"));
    k->config.insecure = json_get_bool(cluster, "insecure-skip-tls-verify", false);
    k->config.server_name = json_str(json_findz(cluster, "tls-server-name"));
    k->config.token = json_str(json_findz(user, "token"));
    if (json_findz(user, "exec"))
        return err_new(REASON_BAD_REQUEST,
                       "kubeconfig: users with an exec plugin are not supported");
    err = material(k, cluster, "certificate-authority", &k->config.ca_pem);
    if (!err)
        err = material(k, user, "client-certificate", &k->config.cert_pem);
    if (!err)
        err = material(k, user, "client-key", &k->config.key_pem);
    return err;
}

struct err *kube_config_load(struct kubectl *k, const struct kube_flags *f)
{
    const char *path = find_file(k, f);
    struct err *err = path ? load_file(k, f, path) : NULL;

    if (err)
        return err;
    if (f->server.n)
        k->config.server = f->server;
    if (f->token.n)
        k->config.token = f->token;
    if (f->insecure)
        k->config.insecure = true;
    if (f->ca_file.n) {
        err = slurp(k, arena_dupz(k->a, f->ca_file), &k->config.ca_pem);
        if (err)
            return err;
    }
    if (k->config.server.n == 0)
        return err_new(REASON_BAD_REQUEST, "no cluster is configured: set KUBECONFIG or use "
                                           "--kubeconfig (k1s writes /etc/k1s/k1s.yaml)");
    while (str_has_suffix(k->config.server, S("/")))
        k->config.server.n--;
    k->ns = f->ns.n ? f->ns : k->config.ns.n ? k->config.ns : S("default");
    if (str_has_prefix(k->config.server, S("https:"))) {
        err = tls_client_new(
            &(struct tls_client_options){
                .ca_pem = k->config.insecure ? STR_NONE : k->config.ca_pem,
                .cert_pem = k->config.cert_pem,
                .key_pem = k->config.key_pem,
                .insecure = k->config.insecure,
            },
            &k->tls);
        if (err)
            return err;
    }
    k->http = http_client_new(k->loop, &(struct http_client_options){.tls = k->tls});
    return NULL;
}
