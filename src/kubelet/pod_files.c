/* pod_files.c - /etc/hosts and resolv.conf of a pod; see pod_files.h. Pure. */
#include "kubelet/pod_files.h"

#define HOSTNAME_MAX 63
#define NAMESERVERS_MAX 3
#define SEARCHES_MAX 32

void pod_hostname(struct arena *a, const struct json *pod, str node_name, str cluster_domain,
                  str *ret_hostname, str *ret_domain)
{
    str name = json_get_str(pod, "spec.hostname"), subdomain = json_get_str(pod, "spec.subdomain"),
        over = json_get_str(pod, "spec.hostnameOverride");
    str ns = json_get_str(pod, "metadata.namespace"), domain = STR_NONE;

    if (podspec_is_host_network(pod) && !over.n) {
        *ret_hostname = node_name;
        *ret_domain = STR_NONE;
        return;
    }
    if (!name.n)
        name = json_get_str(pod, "metadata.name");
    name = str_slice(name, 0, HOSTNAME_MAX);
    while (name.n && (name.p[name.n - 1] == '-' || name.p[name.n - 1] == '.'))
        name.n--;
    if (over.n) {
        name = over;
    } else if (subdomain.n) {
        domain = arena_fmt(a, PRI_STR "." PRI_STR ".svc." PRI_STR, STR_ARG(subdomain), STR_ARG(ns),
                           STR_ARG(cluster_domain));
        if (json_get_bool(pod, "spec.setHostnameAsFQDN", false))
            name = arena_fmt(a, PRI_STR "." PRI_STR, STR_ARG(name), STR_ARG(domain));
    }
    *ret_hostname = arena_dup(a, name);
    *ret_domain = domain;
}

void pod_hosts_write(struct buf *b, const struct json *pod, const str *ips, size_t n_ips,
                     str hostname, str domain, str node_hosts)
{
    const struct json *aliases = json_at(pod, "spec", "hostAliases", NULL);

    if (podspec_is_host_network(pod)) {
        buf_z(b, "# Kubernetes-managed hosts file (host network).\n");
        buf_str(b, node_hosts);
    } else {
        buf_z(b, "# Kubernetes-managed hosts file.\n"
                 "127.0.0.1\tlocalhost\n"
                 "::1\tlocalhost ip6-localhost ip6-loopback\n"
                 "fe00::0\tip6-localnet\n"
                 "fe00::0\tip6-mcastprefix\n"
                 "fe00::1\tip6-allnodes\n"
                 "fe00::2\tip6-allrouters\n");
        for (size_t i = 0; i < n_ips; i++) {
            if (domain.n)
                buf_fmt(b, PRI_STR "\t" PRI_STR "." PRI_STR "\t" PRI_STR "\n", STR_ARG(ips[i]),
                        STR_ARG(hostname), STR_ARG(domain), STR_ARG(hostname));
            else
                buf_fmt(b, PRI_STR "\t" PRI_STR "\n", STR_ARG(ips[i]), STR_ARG(hostname));
        }
    }
    if (!json_count(aliases))
        return;
    buf_z(b, "\n# Entries added by HostAliases.\n");
    JSON_EACH(alias, aliases) {
        buf_str(b, json_get_str(alias, "ip"));
        JSON_EACH(h, json_findz(alias, "hostnames"))
            buf_fmt(b, "\t" PRI_STR, STR_ARG(json_str(h)));
        buf_char(b, '\n');
    }
}

/* ---- DNS ---- */

struct dns {
    struct arena *a;
    struct json servers, searches, options;
};

static void add_unique(struct dns *d, struct json *list, str s, uint32_t max)
{
    JSON_EACH(it, list)
        if (str_eq(json_str(it), s))
            return;
    if (s.n && list->n < max)
        json_append(d->a, list, json_string(arena_dup(d->a, s)));
}

/* An option replaces one of the same name: "ndots:5". */
static void add_option(struct dns *d, str option)
{
    ptrdiff_t colon = str_index(option, ':');
    str name = colon < 0 ? option : str_slice(option, 0, (size_t)colon);

    JSON_EACH(it, &d->options) {
        str have = json_str(it);
        ptrdiff_t at = str_index(have, ':');

        if (str_eq(at < 0 ? have : str_slice(have, 0, (size_t)at), name)) {
            *it = json_string(arena_dup(d->a, option));
            return;
        }
    }
    json_append(d->a, &d->options, json_string(arena_dup(d->a, option)));
}

static bool next_word(str *rest, str *ret)
{
    size_t from = 0, to;

    while (from < rest->n && (rest->p[from] == ' ' || rest->p[from] == '\t'))
        from++;
    to = from;
    while (to < rest->n && rest->p[to] != ' ' && rest->p[to] != '\t')
        to++;
    *ret = str_slice(*rest, from, to);
    *rest = str_skip(*rest, to);
    return ret->n > 0;
}

static void read_resolv(struct dns *d, str text, bool with_servers, bool with_options)
{
    str rest = text, line, word, value;

    while (str_cut(&rest, '\n', &line)) {
        ptrdiff_t comment = str_index(line, '#');

        if (comment >= 0)
            line = str_slice(line, 0, (size_t)comment);
        line = str_trim(line);
        if (!next_word(&line, &word))
            continue;
        if (str_is(word, "nameserver") && with_servers) {
            if (next_word(&line, &value))
                add_unique(d, &d->servers, value, NAMESERVERS_MAX);
        } else if (str_is(word, "search")) {
            while (next_word(&line, &value))
                add_unique(d, &d->searches,
                           str_has_suffix(value, S(".")) && value.n > 1
                               ? str_slice(value, 0, value.n - 1)
                               : value,
                           SEARCHES_MAX);
        } else if (str_is(word, "options") && with_options) {
            while (next_word(&line, &value))
                add_option(d, value);
        }
    }
}

struct json pod_dns_config(struct arena *a, const struct json *pod, str cluster_dns,
                           str cluster_domain, str host_resolv)
{
    struct dns d = {a, json_array(), json_array(), json_array()};
    str policy = json_get_str(pod, "spec.dnsPolicy"), ns = json_get_str(pod, "metadata.namespace");
    const struct json *own = json_at(pod, "spec", "dnsConfig", NULL);
    struct json v = json_object();
    bool cluster = str_is(policy, "ClusterFirstWithHostNet") ||
                   ((str_is(policy, "ClusterFirst") || !policy.n) && !podspec_is_host_network(pod));

    if (!cluster_dns.n)
        cluster = false;
    if (cluster) {
        add_unique(&d, &d.servers, cluster_dns, NAMESERVERS_MAX);
        if (cluster_domain.n) {
            add_unique(&d, &d.searches,
                       arena_fmt(a, PRI_STR ".svc." PRI_STR, STR_ARG(ns), STR_ARG(cluster_domain)),
                       SEARCHES_MAX);
            add_unique(&d, &d.searches, arena_fmt(a, "svc." PRI_STR, STR_ARG(cluster_domain)),
                       SEARCHES_MAX);
            add_unique(&d, &d.searches, cluster_domain, SEARCHES_MAX);
        }
        read_resolv(&d, host_resolv, false, false);
        add_option(&d, S("ndots:5"));
    } else if (!str_is(policy, "None")) {
        read_resolv(&d, host_resolv, true, true);
    }
    JSON_EACH(s, json_findz(own, "nameservers"))
        add_unique(&d, &d.servers, json_str(s), NAMESERVERS_MAX);
    JSON_EACH(s, json_findz(own, "searches"))
        add_unique(&d, &d.searches, json_str(s), SEARCHES_MAX);
    JSON_EACH(o, json_findz(own, "options")) {
        str name = json_get_str(o, "name"), value = json_get_str(o, "value");

        add_option(&d, value.n ? arena_fmt(a, PRI_STR ":" PRI_STR, STR_ARG(name), STR_ARG(value))
                               : name);
    }
    json_setz(a, &v, "servers", d.servers);
    json_setz(a, &v, "searches", d.searches);
    json_setz(a, &v, "options", d.options);
    return v;
}
