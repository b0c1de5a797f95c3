/* cluster_pki.c - one CA signs servers and clients, as kubeadm has it.
 *
 * Files: ca.crt, ca.key, front-proxy-ca.crt and .key (who speaks to aggregated API servers in users' names), service-account.key (RSA as Kubernetes' tools
 * make it; EC in data directories of before) and NAME.crt, NAME.key, NAME.names (what the certificate was made for: when
 * the names change, it is made anew). Keys have mode 0600. */
#include "cli/cluster_pki.h"

#include "wire/tls.h"

#define DAY_NS (INT64_C(86400) * NS_PER_S)
#define CA_LIFE_NS (3650 * DAY_NS)
#define CERT_LIFE_NS (365 * DAY_NS)
#define RENEW_BEFORE_NS (90 * DAY_NS)
#define PEM_FILE_MAX ((size_t)64 << 10)

static const struct cert_kind {
    const char *file, *common_name, *organization;
    bool server, client, front;
} cert_kinds[CLUSTER_N_CERTS] = {
    [CLUSTER_CERT_SERVER] = {"kube-apiserver", "kube-apiserver", NULL, true, false},
    [CLUSTER_CERT_ADMIN] = {"admin", "system:admin", "system:masters", false, true},
    [CLUSTER_CERT_KUBELET_CLIENT] = {"kube-apiserver-kubelet-client",
                                     "kube-apiserver-kubelet-client", "system:masters", false,
                                     true},
    [CLUSTER_CERT_KUBELET_SERVER] = {"kubelet", NULL, "system:nodes", true, false},
    [CLUSTER_CERT_FRONT_PROXY] = {"front-proxy-client", "front-proxy-client", NULL, false, true,
                                  true},
};

static str path_of(struct arena *a, str dir, const char *name, const char *suffix)
{
    return arena_fmt(a, PRI_STR "/%s%s", STR_ARG(dir), name, suffix);
}

static struct err *write_file(struct loop *loop, str path, const struct buf *data, unsigned mode)
{
    int rc = file_write_atomic(loop, path.p, buf_view(data), mode);

    return rc ? err_errno(rc, "writing " PRI_STR, STR_ARG(path)) : NULL;
}

/* *ret_found false: not there. */
static struct err *read_file(struct loop *loop, str path, struct buf *out, bool *ret_found)
{
    int rc = file_read(loop, path.p, PEM_FILE_MAX, out);

    if (rc == -ENOENT) {
        *ret_found = false;
        return NULL;
    }
    if (rc)
        return err_errno(rc, "reading " PRI_STR, STR_ARG(path));
    *ret_found = true;
    return NULL;
}

static struct err *key_open(struct loop *loop, str path, struct buf *key)
{
    bool found = false;
    struct err *err = read_file(loop, path, key, &found);

    if (err || found)
        return err;
    err = pki_key_new(key);
    return err ? err : write_file(loop, path, key, 0600);
}

static struct err *ca_open(struct loop *loop, struct arena *a, str dir, const char *file,
                           const char *name, struct buf *cert, struct buf *key)
{
    str cert_path = path_of(a, dir, file, ".crt");
    int64_t now = loop_wall(loop).ns;
    bool found = false;
    struct err *err = key_open(loop, path_of(a, dir, file, ".key"), key);

    if (err)
        return err;
    err = read_file(loop, cert_path, cert, &found);
    if (err || found)
        return err;
    err = pki_cert_new(
        &(struct pki_cert_options){
            /* The name tells CAs of different clusters apart in a client's error message. */
            .common_name = arena_fmt(a, "%s@%lld", name, (long long)(now / NS_PER_S)),
            .is_ca = true,
            .not_before = {now - DAY_NS},
            .not_after = {now + CA_LIFE_NS},
        },
        buf_view(key), STR_NONE, STR_NONE, cert);
    return err ? err : write_file(loop, cert_path, cert, 0644);
}

/* What a certificate is made for, as text: compared with the file of the last time. */
static void cert_names(const struct pki_cert_options *c, struct buf *out)
{
    for (size_t i = 0; i < c->n_dns_names; i++)
        buf_fmt(out, "DNS:" PRI_STR "\n", STR_ARG(c->dns_names[i]));
    for (size_t i = 0; i < c->n_ip_addresses; i++)
        buf_fmt(out, "IP:" PRI_STR "\n", STR_ARG(c->ip_addresses[i]));
    buf_fmt(out, "CN:" PRI_STR "\n", STR_ARG(c->common_name));
}

static bool cert_is_good(const struct buf *cert, int64_t now)
{
    wall_time not_after;
    struct err *err = pki_cert_not_after(buf_view(cert), &not_after);

    if (err) {
        err_free(err);
        return false;
    }
    return not_after.ns - now > RENEW_BEFORE_NS;
}

static struct err *cert_open(struct loop *loop, struct arena *a,
                             const struct cluster_pki_options *o, enum cluster_cert which,
                             struct cluster_pki *p)
{
    const struct cert_kind *kind = &cert_kinds[which];
    str cert_path = path_of(a, o->dir, kind->file, ".crt");
    str names_path = path_of(a, o->dir, kind->file, ".names");
    str organization = str_of(kind->organization), node_names[2] = {o->node_name, S("localhost")};
    str node_ips[2] = {S("127.0.0.1"), o->node_ip};
    int64_t now = loop_wall(loop).ns;
    CLEANUP(buf) struct buf names = BUF_INIT, old_names = BUF_INIT;
    bool have_cert = false, have_names = false;
    struct err *err;
    struct pki_cert_options c = {
        .common_name = kind->common_name
                           ? str_of(kind->common_name)
                           : arena_fmt(a, "system:node:" PRI_STR, STR_ARG(o->node_name)),
        .organizations = &organization,
        .n_organizations = kind->organization != NULL,
        .server = kind->server,
        .client = kind->client,
        .not_before = {now - DAY_NS},
        .not_after = {now + CERT_LIFE_NS},
    };

    if (which == CLUSTER_CERT_SERVER) {
        c.dns_names = o->server_names, c.n_dns_names = o->n_server_names;
        c.ip_addresses = o->server_ips, c.n_ip_addresses = o->n_server_ips;
    } else if (which == CLUSTER_CERT_KUBELET_SERVER) {
        c.dns_names = node_names, c.n_dns_names = ARRAY_LEN(node_names);
        c.ip_addresses = node_ips, c.n_ip_addresses = o->node_ip.n ? 2 : 1;
    }
    cert_names(&c, &names);
    err = key_open(loop, path_of(a, o->dir, kind->file, ".key"), &p->key[which]);
    if (err)
        return err;
    err = read_file(loop, names_path, &old_names, &have_names);
    if (err)
        return err;
    err = read_file(loop, cert_path, &p->cert[which], &have_cert);
    if (err)
        return err;
    if (have_cert && have_names && str_eq(buf_view(&names), buf_view(&old_names)) &&
        cert_is_good(&p->cert[which], now))
        return NULL;
    buf_clear(&p->cert[which]);
    err = pki_cert_new(&c, buf_view(&p->key[which]),
                       buf_view(kind->front ? &p->front_ca_cert : &p->ca_cert),
                       buf_view(kind->front ? &p->front_ca_key : &p->ca_key), &p->cert[which]);
    if (err)
        return err_note(err, "certificate %s", kind->file);
    err = write_file(loop, cert_path, &p->cert[which], 0644);
    return err ? err : write_file(loop, names_path, &names, 0644);
}

struct err *cluster_pki_open(struct loop *loop, const struct cluster_pki_options *o,
                             struct cluster_pki *ret)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct cluster_pki p = {0};
    struct err *err = NULL;
    int rc = file_mkdir_all(loop, arena_dupz(a, o->dir), 0700);

    if (rc)
        return err_errno(rc, "making " PRI_STR, STR_ARG(o->dir));
    err = ca_open(loop, a, o->dir, "ca", "k1s-ca", &p.ca_cert, &p.ca_key);
    if (!err)
        err = ca_open(loop, a, o->dir, "front-proxy-ca", "k1s-front-proxy-ca", &p.front_ca_cert,
                      &p.front_ca_key);
    if (!err)
        err = read_file(loop, path_of(a, o->dir, "service-account", ".key"), &p.service_account_key,
                        &p.has_service_account_key);
    for (enum cluster_cert i = 0; !err && i < CLUSTER_N_CERTS; i++)
        err = cert_open(loop, a, o, i, &p);
    if (err) {
        cluster_pki_fini(&p);
        return err;
    }
    *ret = p;
    return NULL;
}

struct err *cluster_pki_service_account_key(struct loop *loop, str dir, struct buf *ret_pem)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct err *err = pki_rsa_key_new(ret_pem);

    return err ? err : write_file(loop, path_of(a, dir, "service-account", ".key"), ret_pem, 0600);
}

void cluster_pki_fini(struct cluster_pki *p)
{
    buf_fini(&p->ca_cert);
    buf_fini(&p->ca_key);
    buf_fini(&p->front_ca_cert);
    buf_fini(&p->front_ca_key);
    buf_fini(&p->service_account_key);
    for (enum cluster_cert i = 0; i < CLUSTER_N_CERTS; i++) {
        buf_fini(&p->cert[i]);
        buf_fini(&p->key[i]);
    }
}

void cluster_kubeconfig(const struct cluster_pki *p, str server_url, struct buf *out)
{
    buf_z(out, "apiVersion: v1\nkind: Config\nclusters:\n- name: default\n  cluster:\n"
               "    certificate-authority-data: ");
    buf_base64(out, buf_view(&p->ca_cert));
    buf_fmt(out, "\n    server: " PRI_STR "\n", STR_ARG(server_url));
    buf_z(out, "contexts:\n- name: default\n  context:\n    cluster: default\n    user: default\n"
               "current-context: default\npreferences: {}\nusers:\n- name: default\n  user:\n"
               "    client-certificate-data: ");
    buf_base64(out, buf_view(&p->cert[CLUSTER_CERT_ADMIN]));
    buf_z(out, "\n    client-key-data: ");
    buf_base64(out, buf_view(&p->key[CLUSTER_CERT_ADMIN]));
    buf_char(out, '\n');
}
