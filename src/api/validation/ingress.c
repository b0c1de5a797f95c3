/* ingress.c - rules of Ingresses and IngressClasses.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/networking/validation/validation.go. */
#include "api/validation/rules.h"
#include "api/validation/validation.h"

#define CONTROLLER_MAX 250

/* details: says what is missing, which the older of the two kinds does. */
static void check_local_reference(struct check *c, const struct at *at, const struct json *ref,
                                  bool details)
{
    static const struct {
        const char *field, *missing;
    } parts[] = {{"kind", "kind is required"}, {"name", "name is required"}};

    if (field(ref, "apiGroup"))
        check_dns_subdomain(c, AT(at, "apiGroup"), json_get_str(ref, "apiGroup"));
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        str s = json_get_str(ref, parts[i].field);

        if (s.n == 0)
            bad_required(c, AT(at, parts[i].field), details ? parts[i].missing : "");
        else
            check_path_segment(c, AT(at, parts[i].field), s);
    }
}

static void check_service_backend(struct check *c, const struct at *at, const struct json *service)
{
    const struct at *here = AT(at, "service"), *port_at = AT(here, "port");
    const struct json *port = field(service, "port");
    str name = json_get_str(service, "name"), port_name = json_get_str(port, "name");
    int64_t number = json_get_int(port, "number", 0);

    if (name.n == 0)
        bad_required(c, AT(here, "name"), "");
    else
        check_dns_label(c, AT(here, "name"), name);
    if (port_name.n && number)
        bad_string(c, at, S(""), "cannot set both port name & port number");
    else if (port_name.n)
        check_port_name(c, AT(port_at, "name"), port_name);
    else if (number)
        check_port(c, AT(port_at, "number"), number);
    else
        bad_required(c, at, "port name or number is required");
}

static void check_backend(struct check *c, const struct at *at, const struct json *b)
{
    const struct json *service = field(b, "service"), *resource = field(b, "resource");

    if (resource && service)
        bad_string(c, at, S(""), "cannot set both resource and service backends");
    else if (resource)
        check_local_reference(c, AT(at, "resource"), resource, true);
    else if (service)
        check_service_backend(c, at, service);
    else
        bad_string(c, at, S(""), "resource or service backend is required");
}

static void check_wildcard(struct check *c, const struct at *at, str host)
{
    if (host.n > 253)
        bad_invalid(c, at, json_string(host), "must be no more than 253 characters");
    if (!str_has_prefix(host, S("*.")) || not_dns_subdomain(str_skip(host, 2)))
        bad_string(c, at, host,
                   "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS "
                   "subdomain, which must consist of lower case alphanumeric characters, '-' or "
                   "'.' and end with an alphanumeric character (e.g. '*.example.com', regex used "
                   "for validation is "
                   "'\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')");
}

static void check_host(struct check *c, const struct at *at, str host)
{
    if (str_has_char(host, '*'))
        check_wildcard(c, at, host);
    else
        check_dns_subdomain(c, at, host);
}

static void check_http_path(struct check *c, const struct at *at, const struct json *p)
{
    static const char *const types[] = {"Exact", "ImplementationSpecific", "Prefix", NULL};
    static const char *const sequences[] = {"//", "/./", "/../", "%2f", "%2F"};
    static const char *const endings[] = {"/..", "/."};
    const struct json *type = field(p, "pathType");
    const struct at *here = AT(at, "path");
    str path = json_get_str(p, "path");

    if (!type) {
        bad_required(c, AT(at, "pathType"), "pathType must be specified");
        return;
    }
    if (str_is(json_str(type), "ImplementationSpecific")) {
        if (path.n && path.p[0] != '/')
            bad_string(c, here, path, "must be an absolute path");
    } else if (!one_of(json_str(type), types)) {
        bad_unsupported(c, AT(at, "pathType"), *type, types);
    } else {
        if (path.n == 0 || path.p[0] != '/')
            bad_string(c, here, path, "must be an absolute path");
        for (size_t i = 0; i < ARRAY_LEN(sequences); i++)
            if (str_find(path, str_of(sequences[i])) >= 0)
                bad_invalid(c, here, json_string(path), "must not contain '%s'", sequences[i]);
        for (size_t i = 0; i < ARRAY_LEN(endings); i++)
            if (str_has_suffix(path, str_of(endings[i])))
                bad_invalid(c, here, json_string(path), "cannot end with '%s'", endings[i]);
    }
    check_backend(c, AT(at, "backend"), field(p, "backend"));
}

static void check_http(struct check *c, const struct at *at, const struct json *http)
{
    const struct json *paths = field(http, "paths");
    int64_t i = 0;

    if (!json_count(paths))
        bad_required(c, AT(at, "paths"), "");
    JSON_EACH(p, paths)
        check_http_path(c, AT_INDEX(AT(at, "paths"), i++), p);
}

/* Rules of wildcard hosts were not checked once: an object that has a wrong one may keep such. */
static bool had_wrong_wildcard_rule(struct check *c, const struct json *old)
{
    struct err *errs = NULL;
    struct check probe = {c->a, &errs};
    bool wrong;

    JSON_EACH(r, field_at(old, "spec.rules"))
        if (str_has_char(json_get_str(r, "host"), '*') && field(r, "http"))
            check_http(&probe, AT(NULL, ""), field(r, "http"));
    wrong = errs != NULL;
    err_free(errs);
    return wrong;
}

static bool had_wrong_secret(const struct json *old)
{
    JSON_EACH(t, field_at(old, "spec.tls")) {
        str name = json_get_str(t, "secretName");

        if (name.n && (name.n > 253 || not_dns_subdomain(name)))
            return true;
    }
    return false;
}

static void check_load_balancer(struct check *c, const struct json *obj)
{
    const struct at *at = AT(AT(AT(NULL, "status"), "loadBalancer"), "ingress");
    int64_t i = 0;

    JSON_EACH(v, field_at(obj, "status.loadBalancer.ingress")) {
        const struct at *here = AT_INDEX(at, i++);
        str ip = json_get_str(v, "ip"), host = json_get_str(v, "hostname");

        if (ip.n)
            check_ip(c, AT(here, "ip"), ip);
        if (!host.n)
            continue;
        check_dns_subdomain(c, AT(here, "hostname"), host);
        if (is_ip(host))
            bad_string(c, AT(here, "hostname"), host, "must be a DNS name, not an IP address");
    }
}

static void check_rules(struct check *c, const struct at *at, const struct write *w)
{
    bool lenient = w->old && had_wrong_wildcard_rule(c, w->old);
    int64_t i = 0;

    JSON_EACH(r, field_at(w->obj, "spec.rules")) {
        const struct at *here = AT_INDEX(at, i++);
        str host = json_get_str(r, "host");

        if (host.n) {
            if (is_ip(host))
                bad_string(c, AT(here, "host"), host, "must be a DNS name, not an IP address");
            check_host(c, AT(here, "host"), host);
        }
        if (field(r, "http") && !(lenient && str_has_char(host, '*')))
            check_http(c, AT(here, "http"), field(r, "http"));
    }
}

static void check_tls(struct check *c, const struct at *at, const struct write *w)
{
    bool lenient = w->old && had_wrong_secret(w->old);
    int64_t i = 0;

    JSON_EACH(t, field_at(w->obj, "spec.tls")) {
        const struct at *here = AT_INDEX(at, i++);
        int64_t h = 0;

        JSON_EACH(host, field(t, "hosts"))
            check_host(c, AT_INDEX(AT(here, "hosts"), h++), json_str(host));
        if (json_get_str(t, "secretName").n && !lenient)
            check_dns_subdomain(c, AT(here, "secretName"), json_get_str(t, "secretName"));
    }
}

void validate_ingress(struct write *w, struct err **errs)
{
    static const str annotation = STR("kubernetes.io/ingress.class");
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *rules = field(spec, "rules"),
                      *backend = field(spec, "defaultBackend"),
                      *class_name = field(spec, "ingressClassName"),
                      *old_way =
                          present(json_find(field_at(w->obj, "metadata.annotations"), annotation));
    const struct at *at = AT(NULL, "spec");

    if (w->subresource.n) {
        check_load_balancer(c, w->obj);
        return;
    }
    if (!json_count(rules) && !backend)
        bad_invalid(c, at, json_null(), "either `defaultBackend` or `rules` must be specified");
    if (backend)
        check_backend(c, AT(at, "defaultBackend"), backend);
    check_rules(c, AT(at, "rules"), w);
    check_tls(c, AT(at, "tls"), w);
    if (class_name)
        check_dns_subdomain(c, AT(at, "ingressClassName"), json_str(class_name));
    if (!w->old && old_way && class_name && !str_eq(json_str(old_way), json_str(class_name)))
        bad_invalid(c, AT(AT(NULL, "annotations"), "kubernetes.io/ingress.class"), *old_way,
                    "must match `ingressClassName` when both are specified");
}

/* ---- classes ---- */

static void check_parameters(struct check *c, const struct at *at, const struct json *p)
{
    static const char *const scopes[] = {"Cluster", "Namespace", NULL};
    const struct json *scope = field(p, "scope"), *ns = field(p, "namespace");

    if (!p)
        return;
    check_local_reference(c, at, p, false);
    if (!scope) {
        bad_required(c, AT(at, "scope"), "");
        return;
    }
    check_enum(c, AT(at, "scope"), scope, scopes);
    if (str_is(json_str(scope), "Namespace")) {
        if (ns)
            check_namespace_name(c, AT(at, "namespace"), json_str(ns));
        else
            bad_required(c, AT(at, "namespace"), "`parameters.scope` is set to 'Namespace'");
    }
    if (str_is(json_str(scope), "Cluster") && ns)
        bad_forbidden(c, AT(at, "namespace"), "`parameters.scope` is set to 'Cluster'");
}

void validate_ingressclass(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec");
    const struct at *at = AT(NULL, "spec"), *here = AT(at, "controller");
    str controller = json_get_str(spec, "controller");

    if (w->old)
        check_immutable(c, here, field(spec, "controller"), field_at(w->old, "spec.controller"));
    if (controller.n > CONTROLLER_MAX)
        bad_too_long(c, here, CONTROLLER_MAX);
    check_domain_path(c, here, controller);
    check_parameters(c, AT(at, "parameters"), field(spec, "parameters"));
}
