/* network.c - rules of Ingress, IngressClass, NetworkPolicy, Endpoints and EndpointSlice.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/networking/validation, .../discovery/validation, .../core/validation. */
#include "api/validation/check.h"
#include "api/validation/validation.h"

#include <arpa/inet.h>

/* ---- Ingress ---- */

static void check_backend(struct check *c, const struct at *at, const struct json *b)
{
    const struct json *service = field(b, "service"), *resource = field(b, "resource"),
                      *port = field(service, "port");
    str name = json_get_str(service, "name"), port_name = json_get_str(port, "name");
    int64_t number = json_get_int(port, "number", 0);

    if (resource && service) {
        bad_invalid(c, at, json_z(""), "cannot set both resource and service backends");
        return;
    }
    if (!resource && !service) {
        bad_invalid(c, at, json_z(""), "resource or service backend is required");
        return;
    }
    if (resource) {
        if (json_get_str(resource, "kind").n == 0)
            bad_required(c, AT(AT(at, "resource"), "kind"), "");
        if (json_get_str(resource, "name").n == 0)
            bad_required(c, AT(AT(at, "resource"), "name"), "");
        return;
    }
    if (name.n == 0)
        bad_required(c, AT(AT(at, "service"), "name"), "");
    else
        check_dns_label(c, AT(AT(at, "service"), "name"), name);
    if (port_name.n && number)
        bad_invalid(c, at, json_z(""), "cannot set both port name & port number");
    else if (port_name.n)
        check_port_name(c, AT(AT(AT(at, "service"), "port"), "name"), port_name);
    else if (number)
        check_port(c, AT(AT(AT(at, "service"), "port"), "number"), number);
    else
        bad_required(c, at, "port name or number is required");
}

static void check_host(struct check *c, const struct at *at, str host)
{
    if (is_ip(host))
        bad_invalid(c, at, json_string(host), "must be a DNS name, not an IP address");
    else if (str_has_char(host, '*')) {
        if (!str_has_prefix(host, S("*.")) || not_dns_subdomain(str_skip(host, 2)))
            bad_invalid(
                c, at, json_string(host),
                "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS "
                "subdomain, which must consist of lower case alphanumeric characters, '-' or '.' "
                "and end with an alphanumeric character (e.g. '*.example.com', regex used for "
                "validation is "
                "'\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')");
    } else {
        check_dns_subdomain(c, at, host);
    }
}

static void check_http_path(struct check *c, const struct at *at, const struct json *p)
{
    static const char *const path_types[] = {"Exact", "ImplementationSpecific", "Prefix", NULL};
    static const char *const forbidden[] = {"//", "/./", "/../", "%2f", "%2F"}, *const endings[] = {
                                                                                    "/..", "/."};
    const struct json *type = field(p, "pathType");
    str path = json_get_str(p, "path");

    if (!type) {
        bad_required(c, AT(at, "pathType"), "pathType must be specified");
    } else if (str_is(json_str(type), "Exact") || str_is(json_str(type), "Prefix")) {
        if (path.n == 0 || path.p[0] != '/')
            bad_invalid(c, AT(at, "path"), json_string(path), "must be an absolute path");
        for (size_t i = 0; i < ARRAY_LEN(forbidden) && path.n; i++)
            if (str_find(path, str_of(forbidden[i])) >= 0)
                bad_invalid(c, AT(at, "path"), json_string(path), "must not contain '%s'",
                            forbidden[i]);
        for (size_t i = 0; i < ARRAY_LEN(endings); i++)
            if (str_has_suffix(path, str_of(endings[i])))
                bad_invalid(c, AT(at, "path"), json_string(path), "cannot end with '%s'",
                            endings[i]);
    } else if (str_is(json_str(type), "ImplementationSpecific")) {
        if (path.n && path.p[0] != '/')
            bad_invalid(c, AT(at, "path"), json_string(path), "must be an absolute path");
    } else {
        bad_unsupported(c, AT(at, "pathType"), *type, path_types);
    }
    check_backend(c, AT(at, "backend"), field(p, "backend"));
}

void validate_ingress(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *rules = field(spec, "rules"),
                      *backend = field(spec, "defaultBackend");
    const struct at *at = AT(NULL, "spec");
    str class_name = json_get_str(spec, "ingressClassName"),
        annotation = json_str(
            field(field_at(w->obj, "metadata.annotations"), "kubernetes.io/ingress.class"));
    int64_t i = 0;

    if (w->subresource.n)
        return;
    if (!w->old && annotation.n && class_name.n && !str_eq(annotation, class_name))
        bad_invalid(c, AT(AT(NULL, "annotations"), "kubernetes.io/ingress.class"),
                    json_string(annotation),
                    "must match `ingressClassName` when both are specified");
    if (!json_count(rules) && !backend)
        bad_invalid(c, at, sorted_copy(c->a, json_count(rules) ? rules : NULL),
                    "either `defaultBackend` or `rules` must be specified");
    if (backend)
        check_backend(c, AT(at, "defaultBackend"), backend);
    JSON_EACH(r, rules) {
        const struct at *here = AT_INDEX(AT(at, "rules"), i++);
        const struct json *http = field(r, "http");
        int64_t p = 0;

        if (json_get_str(r, "host").n)
            check_host(c, AT(here, "host"), json_get_str(r, "host"));
        if (!http)
            continue;
        if (!json_count(field(http, "paths")))
            bad_required(c, AT(AT(here, "http"), "paths"), "");
        JSON_EACH(path, field(http, "paths"))
            check_http_path(c, AT_INDEX(AT(AT(here, "http"), "paths"), p++), path);
    }
    i = 0;
    JSON_EACH(t, field(spec, "tls")) {
        const struct at *here = AT_INDEX(AT(at, "tls"), i++);
        int64_t h = 0;

        JSON_EACH(host, field(t, "hosts"))
            check_host(c, AT_INDEX(AT(here, "hosts"), h++), json_str(host));
        if (json_get_str(t, "secretName").n)
            check_dns_subdomain(c, AT(here, "secretName"), json_get_str(t, "secretName"));
    }
    if (class_name.n)
        check_dns_subdomain(c, AT(at, "ingressClassName"), class_name);
}

void validate_ingressclass(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    static const char *const scopes[] = {"Cluster", "Namespace", NULL};
    const struct json *spec = field(w->obj, "spec"), *p = field(spec, "parameters");
    const struct at *at = AT(NULL, "spec"), *here = AT(at, "parameters");
    str scope = json_get_str(p, "scope");

    check_domain_path(c, AT(at, "controller"), json_get_str(spec, "controller"));
    if (p) {
        if (json_get_str(p, "kind").n == 0)
            bad_required(c, AT(here, "kind"), "");
        if (json_get_str(p, "name").n == 0)
            bad_required(c, AT(here, "name"), "");
        if (scope.n == 0)
            bad_required(c, AT(here, "scope"), "");
        else
            check_enum(c, AT(here, "scope"), field(p, "scope"), scopes);
        if (str_is(scope, "Namespace") && json_get_str(p, "namespace").n == 0)
            bad_required(c, AT(here, "namespace"), "`parameters.scope` is set to 'Namespace'");
        if (str_is(scope, "Cluster") && json_get_str(p, "namespace").n)
            bad_forbidden(c, AT(here, "namespace"), "`parameters.scope` is set to 'Cluster'");
    }
    if (w->old)
        check_immutable(c, AT(at, "controller"), field(spec, "controller"),
                        field_at(w->old, "spec.controller"));
}

/* ---- NetworkPolicy ---- */

static bool cidr_parts(str s, unsigned char addr[16], int *ret_bits, bool *ret_v6)
{
    str rest = s, ip;
    char z[64];
    int64_t bits;

    str_cut(&rest, '/', &ip);
    if (ip.n >= sizeof z || !rest.p || !str_to_int64(rest, &bits))
        return false;
    memcpy(z, ip.p, ip.n);
    z[ip.n] = '\0';
    *ret_v6 = str_has_char(ip, ':');
    *ret_bits = (int)bits;
    return inet_pton(*ret_v6 ? AF_INET6 : AF_INET, z, addr) == 1;
}

static bool strictly_inside(str inner, str outer)
{
    unsigned char a[16], b[16];
    int a_bits, b_bits;
    bool a_v6, b_v6;

    if (!cidr_parts(inner, a, &a_bits, &a_v6) || !cidr_parts(outer, b, &b_bits, &b_v6) ||
        a_v6 != b_v6 || a_bits <= b_bits)
        return false;
    for (int i = 0; i < b_bits; i++)
        if ((a[i / 8] ^ b[i / 8]) & (0x80 >> (i % 8)))
            return false;
    return true;
}

static void check_peer(struct check *c, const struct at *at, const struct json *peer)
{
    const struct json *pods = field(peer, "podSelector"),
                      *spaces = field(peer, "namespaceSelector"), *block = field(peer, "ipBlock");
    str cidr = json_get_str(block, "cidr");
    int64_t i = 0;

    if (pods)
        check_label_selector(c, AT(at, "podSelector"), pods);
    if (spaces)
        check_label_selector(c, AT(at, "namespaceSelector"), spaces);
    if (block) {
        if (cidr.n == 0)
            bad_required(c, AT(AT(at, "ipBlock"), "cidr"), "");
        else
            check_cidr(c, AT(AT(at, "ipBlock"), "cidr"), cidr);
        JSON_EACH(e, field(block, "except")) {
            const struct at *here = AT_INDEX(AT(AT(at, "ipBlock"), "except"), i++);
            unsigned char addr[16];
            int bits;
            bool v6;

            if (!cidr_parts(json_str(e), addr, &bits, &v6))
                check_cidr(c, here, json_str(e));
            else if (cidr_parts(cidr, addr, &bits, &v6) && !strictly_inside(json_str(e), cidr))
                bad_invalid(c, here, *e, "must be a strict subset of `cidr`");
        }
    }
    if (!pods && !spaces && !block)
        bad_required(c, at, "must specify a peer");
    else if (block && (pods || spaces))
        bad_forbidden(c, at, "may not specify both ipBlock and another peer");
}

static void check_policy_port(struct check *c, const struct at *at, const struct json *p)
{
    static const char *const protocols[] = {"TCP", "UDP", "SCTP", NULL};
    const struct json *port = field(p, "port"), *end = field(p, "endPort");

    check_enum(c, AT(at, "protocol"), field(p, "protocol"), protocols);
    if (port)
        check_port_or_name(c, AT(at, "port"), port);
    if (!end)
        return;
    if (!port)
        bad_invalid(c, AT(at, "endPort"), *end,
                    "may not be specified when `port` is not specified");
    else if (port->type != JSON_INT)
        bad_invalid(c, AT(at, "endPort"), *end, "may not be specified when `port` is non-numeric");
    else {
        if (json_is(end, JSON_INT) && end->i < port->i)
            bad_invalid(c, AT(at, "endPort"), *port, "must be greater than or equal to `port`");
        check_port(c, AT(at, "endPort"), json_is(end, JSON_INT) ? end->i : 0);
    }
}

void validate_networkpolicy(struct write *w, struct err **errs)
{
    static const char *const types[] = {"Ingress", "Egress", NULL};
    static const struct {
        const char *rules, *peers;
    } directions[] = {{"ingress", "from"}, {"egress", "to"}};
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *policy_types = field(spec, "policyTypes");
    const struct at *at = AT(NULL, "spec");
    int64_t i = 0;

    check_label_selector(c, AT(at, "podSelector"), field(spec, "podSelector"));
    for (size_t d = 0; d < ARRAY_LEN(directions); d++) {
        i = 0;
        JSON_EACH(rule, field(spec, directions[d].rules)) {
            const struct at *here = AT_INDEX(AT(at, directions[d].rules), i++);
            int64_t k = 0;

            JSON_EACH(p, field(rule, "ports"))
                check_policy_port(c, AT_INDEX(AT(here, "ports"), k++), p);
            k = 0;
            JSON_EACH(peer, field(rule, directions[d].peers))
                check_peer(c, AT_INDEX(AT(here, directions[d].peers), k++), peer);
        }
    }
    if (json_count(policy_types) > 2) {
        bad_invalid(c, AT(at, "policyTypes"), *policy_types,
                    "may not specify more than two policyTypes");
        return;
    }
    i = 0;
    JSON_EACH(t, policy_types)
        check_enum(c, AT_INDEX(AT(at, "policyTypes"), i++), t, types);
}

/* ---- EndpointSlices ---- */

#define SLICE_ADDRESSES_MAX 100
#define SLICE_ENDPOINTS_MAX 1000
#define SLICE_PORTS_MAX 20000

static void check_slice_endpoint(struct check *c, const struct at *at, const struct json *e,
                                 str type)
{
    const struct json *addresses = field(e, "addresses");
    str host = json_get_str(e, "hostname"), node = json_get_str(e, "nodeName");
    int64_t i = 0;

    if (!json_count(addresses))
        bad_required(c, AT(at, "addresses"), "must contain at least 1 address");
    else if (json_count(addresses) > SLICE_ADDRESSES_MAX)
        bad_too_many(c, AT(at, "addresses"), json_count(addresses), SLICE_ADDRESSES_MAX);
    JSON_EACH(a, addresses) {
        const struct at *here = AT_INDEX(AT(at, "addresses"), i++);
        str s = json_str(a);

        if (str_is(type, "FQDN")) {
            check_dns_subdomain(c, here, s);
            continue;
        }
        if (!is_ip(s)) {
            check_ip(c, here, s);
            continue;
        }
        if (str_is(type, "IPv4") && is_ipv6(s))
            bad_invalid(c, AT(at, "addresses"), *a, "must be an IPv4 address");
        if (str_is(type, "IPv6") && !is_ipv6(s))
            bad_invalid(c, AT(at, "addresses"), *a, "must be an IPv6 address");
        check_special_ip(c, here, s);
    }
    if (host.n)
        check_dns_label(c, AT(at, "hostname"), host);
    if (node.n)
        check_dns_subdomain(c, AT(at, "nodeName"), node);
}

void validate_endpointslice(struct write *w, struct err **errs)
{
    static const char *const types[] = {"FQDN", "IPv4", "IPv6", NULL};
    static const char *const protocols[] = {"SCTP", "TCP", "UDP", NULL};
    struct check *c = &(struct check){w->a, errs};
    const struct json *endpoints = field(w->obj, "endpoints"), *ports = field(w->obj, "ports");
    str type = json_get_str(w->obj, "addressType");
    struct map names;
    int64_t i = 0;

    if (type.n == 0)
        bad_required(c, AT(NULL, "addressType"), "");
    else
        check_enum(c, AT(NULL, "addressType"), field(w->obj, "addressType"), types);
    if (json_count(endpoints) > SLICE_ENDPOINTS_MAX)
        bad_too_many(c, AT(NULL, "endpoints"), json_count(endpoints), SLICE_ENDPOINTS_MAX);
    else if (!w->old || !endpoints || !field(w->old, "endpoints") ||
             !json_equal(endpoints, field(w->old, "endpoints")))
        JSON_EACH(e, endpoints)
            check_slice_endpoint(c, AT_INDEX(AT(NULL, "endpoints"), i++), e, type);
    if (json_count(ports) > SLICE_PORTS_MAX) {
        bad_too_many(c, AT(NULL, "ports"), json_count(ports), SLICE_PORTS_MAX);
        return;
    }
    map_init(&names);
    i = 0;
    JSON_EACH(p, ports) {
        const struct at *here = AT_INDEX(AT(NULL, "ports"), i++);
        str name = json_get_str(p, "name");

        if (name.n)
            check_dns_label(c, AT(here, "name"), name);
        if (map_put(&names, name, &names))
            bad_duplicate(c, AT(here, "name"), json_string(name), "");
        if (json_get_str(p, "protocol").n == 0)
            bad_required(c, AT(here, "protocol"), "");
        else
            check_enum(c, AT(here, "protocol"), field(p, "protocol"), protocols);
    }
    map_fini(&names);
    if (w->old)
        check_immutable(c, AT(NULL, "addressType"), field(w->obj, "addressType"),
                        field(w->old, "addressType"));
}
