/* container.c - rules of one container: image, ports, environment, resources, mounts, probes, lifecycle.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go. */
#include "api/validation/container.h"

#include "api/validation/pod.h"

static const char *const protocols[] = {"SCTP", "TCP", "UDP", NULL};
static const char *const pull_policies[] = {"Always", "IfNotPresent", "Never", NULL};
static const char *const message_policies[] = {"FallbackToLogsOnError", "File", NULL};
static const char *const standard_resources[] = {"cpu", "memory", "ephemeral-storage", NULL};

static bool in_list(str s, const char *const *list)
{
    for (size_t i = 0; list[i]; i++)
        if (str_is(s, list[i]))
            return true;
    return false;
}

/* ---- ports ---- */

static void check_ports(struct check *c, const struct at *at, const struct json *ports,
                        struct map *names)
{
    int64_t i = 0;

    JSON_EACH(p, ports) {
        const struct at *here = AT_INDEX(at, i++);
        str name = json_get_str(p, "name"), protocol = json_get_str(p, "protocol");
        int64_t container_port = json_get_int(p, "containerPort", 0),
                host_port = json_get_int(p, "hostPort", 0);

        if (name.n) {
            check_port_name(c, AT(here, "name"), name);
            if (map_find(names, name))
                bad_duplicate(c, AT(here, "name"), json_string(name), "");
            else
                map_put(names, name, names);
        }
        if (container_port == 0)
            bad_required(c, AT(here, "containerPort"), "");
        else
            check_port(c, AT(here, "containerPort"), container_port);
        if (host_port != 0)
            check_port(c, AT(here, "hostPort"), host_port);
        if (protocol.n == 0)
            bad_required(c, AT(here, "protocol"), "");
        else if (!in_list(protocol, protocols))
            bad_unsupported(c, AT(here, "protocol"), json_string(protocol), protocols);
    }
}

/* ---- environment ---- */

static const char *const env_fields[] = {"metadata.name",
                                         "metadata.namespace",
                                         "metadata.uid",
                                         "spec.nodeName",
                                         "spec.serviceAccountName",
                                         "status.hostIP",
                                         "status.hostIPs",
                                         "status.podIP",
                                         "status.podIPs",
                                         NULL};
static const char *const env_resources[] = {"limits.cpu",
                                            "limits.ephemeral-storage",
                                            "limits.memory",
                                            "requests.cpu",
                                            "requests.ephemeral-storage",
                                            "requests.memory",
                                            NULL};

static void check_field_ref(struct check *c, const struct at *at, const struct json *ref)
{
    str version = json_get_str(ref, "apiVersion"), path = json_get_str(ref, "fieldPath"),
        base = path;
    ptrdiff_t bracket = str_find(path, S("['"));

    if (path.n == 0) {
        bad_required(c, AT(at, "fieldPath"), "");
        return;
    }
    if (version.n && !str_is(version, "v1")) {
        bad_invalid(c, AT(at, "fieldPath"), json_string(path),
                    "error converting fieldPath: unsupported pod version: " PRI_STR,
                    STR_ARG(version));
        return;
    }
    if (bracket >= 0 && str_has_suffix(path, S("']"))) {
        str key = str_slice(path, (size_t)bracket + 2, path.n - 2);

        base = str_slice(path, 0, (size_t)bracket);
        if (str_is(base, "metadata.annotations") || str_is(base, "metadata.labels")) {
            check_qualified_name(c, AT(at, "fieldPath"), key);
            return;
        }
    }
    if (!in_list(base, env_fields))
        bad_invalid(c, AT(at, "fieldPath"), json_string(path),
                    "error converting fieldPath: field label not supported: " PRI_STR,
                    STR_ARG(path));
}

static void check_key_ref(struct check *c, const struct at *at, const struct json *ref)
{
    str key = json_get_str(ref, "key");

    if (key.n == 0) {
        bad_required(c, AT(at, "key"), "");
        return;
    }
    if (not_config_map_key(key))
        bad_invalid(c, AT(at, "key"), json_string(key), "%s", not_config_map_key(key));
}

static void check_value_from(struct check *c, const struct at *at, const struct json *env)
{
    const struct json *from = field(env, "valueFrom"), *field_ref = field(from, "fieldRef"),
                      *resource = field(from, "resourceFieldRef"),
                      *config = field(from, "configMapKeyRef"),
                      *secret = field(from, "secretKeyRef"), *file = field(from, "fileKeyRef");
    int n = (field_ref != NULL) + (resource != NULL) + (config != NULL) + (secret != NULL) +
            (file != NULL);

    if (!from)
        return;
    if (field_ref)
        check_field_ref(c, AT(at, "fieldRef"), field_ref);
    if (resource) {
        str name = json_get_str(resource, "resource");

        if (name.n == 0)
            bad_required(c, AT(AT(at, "resourceFieldRef"), "resource"), "");
        else if (!in_list(name, env_resources) && !str_has_prefix(name, S("limits.hugepages-")) &&
                 !str_has_prefix(name, S("requests.hugepages-")))
            bad_unsupported(c, AT(AT(at, "resourceFieldRef"), "resource"), json_string(name),
                            env_resources);
    }
    if (config)
        check_key_ref(c, AT(at, "configMapKeyRef"), config);
    if (secret)
        check_key_ref(c, AT(at, "secretKeyRef"), secret);
    if (n == 0)
        bad_invalid(c, at, json_z(""),
                    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, "
                    "`secretKeyRef` or `fileKeyRef`");
    else if (json_get_str(env, "value").n)
        bad_invalid(c, at, json_z(""), "may not be specified when `value` is not empty");
    else if (n > 1)
        bad_invalid(c, at, json_z(""), "may not have more than one field specified at a time");
}

static void check_env(struct check *c, const struct at *at, const struct json *env)
{
    int64_t i = 0;

    JSON_EACH(e, env) {
        const struct at *here = AT_INDEX(at, i++);
        str name = json_get_str(e, "name");

        if (name.n == 0)
            bad_required(c, AT(here, "name"), "");
        else if (not_env_name(name))
            bad_invalid(c, AT(here, "name"), json_string(name), "%s", not_env_name(name));
        check_value_from(c, AT(here, "valueFrom"), e);
    }
}

static void check_env_from(struct check *c, const struct at *at, const struct json *env_from)
{
    int64_t i = 0;

    JSON_EACH(e, env_from) {
        const struct at *here = AT_INDEX(at, i++);
        str prefix = json_get_str(e, "prefix");
        const struct json *config = field(e, "configMapRef"), *secret = field(e, "secretRef");

        if (prefix.n && not_env_name(prefix))
            bad_invalid(c, AT(here, "prefix"), json_string(prefix), "%s", not_env_name(prefix));
        if (config && json_get_str(config, "name").n == 0)
            bad_required(c, AT(AT(here, "configMapRef"), "name"), "");
        if (secret && json_get_str(secret, "name").n == 0)
            bad_required(c, AT(AT(here, "secretRef"), "name"), "");
        if (!config && !secret)
            bad_invalid(c, at, json_z(""), "must specify one of: `configMapRef` or `secretRef`");
        else if (config && secret)
            bad_invalid(c, at, json_z(""), "may not have more than one field specified at a time");
    }
}

/* ---- resources ---- */

static bool is_hugepages(str name)
{
    return str_has_prefix(name, S("hugepages-"));
}

static bool is_extended(str name)
{
    return str_has_char(name, '/') && str_find(name, S("kubernetes.io/")) < 0 &&
           !str_has_prefix(name, S("requests."));
}

static bool is_overcommittable(str name)
{
    return !is_extended(name) && !is_hugepages(name);
}

static void check_quantity(struct check *c, const struct at *at, str name, str text)
{
    struct quantity q, page;

    if (!quantity_parse(text, &q))
        return;
    if (q.negative)
        bad_invalid(c, at, json_string(text), "must be greater than or equal to 0");
    if (is_extended(name) && quantity_milli(&q) % 1000)
        bad_invalid(c, at, json_string(text), "must be an integer");
    if (is_hugepages(name) && quantity_parse(str_skip(name, 10), &page) &&
        quantity_value(&page) > 0 && quantity_value(&q) % quantity_value(&page))
        bad_invalid(c, at, json_string(text),
                    PRI_STR " is not positive integer multiple of " PRI_STR, STR_ARG(text),
                    STR_ARG(name));
}

static void check_resource_name(struct check *c, const struct at *at, str name)
{
    check_qualified_name(c, at, name);
    if (c->errs && !str_has_char(name, '/')) {
        bool plain = name.n > 0;

        for (size_t i = 0; i < name.n; i++)
            plain &= name.p[i] > ' ' && name.p[i] < 127;
        if (plain && !in_list(name, standard_resources) && !is_hugepages(name))
            bad_invalid(c, at, json_string(name),
                        "must be a standard resource type or fully qualified");
        if (!in_list(name, standard_resources) && !is_hugepages(name))
            bad_invalid(c, at, json_string(name), "must be a standard resource for containers");
    }
}

void check_resources(struct check *c, const struct at *at, const struct json *resources,
                     const struct json *pod_claims)
{
    const struct json *limits = field(resources, "limits"),
                      *requests = field(resources, "requests");
    bool huge = false, base = false;
    int64_t i = 0;

    JSON_EACH_MEMBER(m, limits) {
        const struct at *here = AT_KEY(AT(at, "limits"), m->key);

        check_resource_name(c, here, m->key);
        check_quantity(c, here, m->key, json_str(&m->value));
        huge |= is_hugepages(m->key);
        base |= str_is(m->key, "cpu") || str_is(m->key, "memory");
    }
    JSON_EACH_MEMBER(m, requests) {
        const struct at *here = AT_KEY(AT(at, "requests"), m->key);
        const struct json *limit = json_find(limits, m->key);
        struct quantity want, most;

        check_resource_name(c, here, m->key);
        check_quantity(c, here, m->key, json_str(&m->value));
        huge |= is_hugepages(m->key);
        base |= str_is(m->key, "cpu") || str_is(m->key, "memory");
        if (limit && quantity_parse(json_str(&m->value), &want) &&
            quantity_parse(json_str(limit), &most)) {
            int cmp = quantity_cmp(&want, &most);

            if (cmp && !is_overcommittable(m->key))
                bad_invalid(c, AT(at, "requests"), m->value,
                            "must be equal to " PRI_STR " limit of " PRI_STR, STR_ARG(m->key),
                            STR_ARG(json_str(limit)));
            else if (cmp > 0)
                bad_invalid(c, AT(at, "requests"), m->value,
                            "must be less than or equal to " PRI_STR " limit of " PRI_STR,
                            STR_ARG(m->key), STR_ARG(json_str(limit)));
        } else if (!limit && !is_overcommittable(m->key)) {
            bad_required(c, AT(at, "limits"), "Limit must be set for non overcommitable resources");
        }
    }
    if (huge && !base)
        bad_forbidden(c, at, "HugePages require cpu or memory");
    JSON_EACH(claim, field(resources, "claims")) {
        const struct at *here = AT_INDEX(AT(at, "claims"), i++);
        str name = json_get_str(claim, "name");
        bool found = false;

        if (name.n == 0) {
            bad_required(c, AT(here, "name"), "");
            continue;
        }
        JSON_EACH(p, pod_claims)
            found |= str_eq(json_get_str(p, "name"), name);
        if (!found)
            bad_not_found(
                c, here, json_string(name),
                json_count(pod_claims)
                    ? "must be one of the names in pod.spec.resourceClaims"
                    : "must be one of the names in pod.spec.resourceClaims which is empty");
    }
}

static void check_resize_policy(struct check *c, const struct at *at, const struct json *policies)
{
    static const char *const names[] = {"cpu", "memory", NULL};
    static const char *const restarts[] = {"NotRequired", "RestartContainer", NULL};

    JSON_EACH(p, policies) {
        str name = json_get_str(p, "resourceName"), restart = json_get_str(p, "restartPolicy");

        if (name.n == 0)
            bad_required(c, at, "");
        else if (!in_list(name, names))
            bad_unsupported(c, at, json_string(name), names);
        if (restart.n == 0)
            bad_required(c, at, "");
        else if (!in_list(restart, restarts))
            bad_unsupported(c, at, json_string(restart), restarts);
    }
}

/* ---- handlers and probes ---- */

static void check_http_get(struct check *c, const struct at *at, const struct json *h)
{
    static const char *const schemes[] = {"HTTP", "HTTPS", NULL};
    str path = json_get_str(h, "path");

    if (path.n == 0)
        bad_required(c, AT(at, "path"), "");
    check_port_or_name(c, AT(at, "port"), field(h, "port"));
    check_enum(c, AT(at, "scheme"), field(h, "scheme"), schemes);
}

/* Exactly one of the ways to act; `what` is for the texts. */
static void check_handler(struct check *c, const struct at *at, const struct json *h,
                          bool lifecycle)
{
    const struct json *exec = field(h, "exec"), *http = field(h, "httpGet"),
                      *tcp = field(h, "tcpSocket"), *grpc = field(h, "grpc"),
                      *sleep = field(h, "sleep");
    int n = 0;

    if (exec) {
        n++;
        if (!json_count(field(exec, "command")))
            bad_required(c, AT(AT(at, "exec"), "command"), "");
    }
    if (http) {
        if (n++)
            bad_forbidden(c, AT(at, "httpGet"), "may not specify more than 1 handler type");
        else
            check_http_get(c, AT(at, "httpGet"), http);
    }
    if (tcp) {
        if (n++)
            bad_forbidden(c, AT(at, "tcpSocket"), "may not specify more than 1 handler type");
        else
            check_port_or_name(c, AT(AT(at, "tcpSocket"), "port"), field(tcp, "port"));
    }
    if (grpc) {
        if (n++)
            bad_forbidden(c, AT(at, "grpc"), "may not specify more than 1 handler type");
        else
            check_port(c, AT(AT(at, "grpc"), "port"), json_get_int(grpc, "port", 0));
    }
    if (sleep && lifecycle) {
        if (n++)
            bad_forbidden(c, AT(at, "sleep"), "may not specify more than 1 handler type");
        else if (json_get_int(sleep, "seconds", 0) < 0)
            bad_invalid(c, AT(AT(at, "sleep"), "seconds"),
                        json_int(json_get_int(sleep, "seconds", 0)),
                        "must be greater than or equal to 0");
    }
    if (n == 0)
        bad_required(c, at, "must specify a handler type");
}

static void check_probe(struct check *c, const struct at *at, const struct json *probe,
                        bool must_succeed_once)
{
    static const char *const numbers[] = {"initialDelaySeconds", "timeoutSeconds", "periodSeconds",
                                          "successThreshold", "failureThreshold"};

    if (!probe)
        return;
    check_handler(c, at, probe, false);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        check_not_negative(c, AT(at, numbers[i]), field(probe, numbers[i]));
    if (must_succeed_once && json_get_int(probe, "successThreshold", 1) != 1)
        bad_invalid(c, AT(at, "successThreshold"), *field(probe, "successThreshold"), "must be 1");
    if (field(probe, "terminationGracePeriodSeconds") &&
        json_get_int(probe, "terminationGracePeriodSeconds", 0) <= 0)
        bad_invalid(c, AT(at, "terminationGracePeriodSeconds"),
                    *field(probe, "terminationGracePeriodSeconds"), "must be greater than 0");
}

/* ---- mounts ---- */

static bool has_parent_step(str path)
{
    str part;

    while (str_cut(&path, '/', &part))
        if (str_is(part, ".."))
            return true;
    return false;
}

static void check_sub_path(struct check *c, const struct at *at, str path)
{
    if (path.n == 0)
        return;
    if (path.p[0] == '/')
        bad_invalid(c, at, json_string(path), "must be a relative path");
    if (has_parent_step(path))
        bad_invalid(c, at, json_string(path), "must not contain '..'");
}

static void check_mounts(struct check *c, const struct at *at, const struct json *mounts,
                         const struct json *volumes)
{
    struct map paths;
    int64_t i = 0;

    map_init(&paths);
    JSON_EACH(m, mounts) {
        const struct at *here = AT_INDEX(at, i++);
        str name = json_get_str(m, "name"), path = json_get_str(m, "mountPath");
        bool found = false;

        JSON_EACH(v, volumes)
            found |= str_eq(json_get_str(v, "name"), name);
        if (name.n == 0)
            bad_required(c, AT(here, "name"), "");
        if (!found)
            bad_not_found(c, AT(here, "name"), json_string(name), "");
        if (path.n == 0)
            bad_required(c, AT(here, "mountPath"), "");
        if (map_find(&paths, path))
            bad_invalid(c, AT(here, "mountPath"), json_string(path), "must be unique");
        else
            map_put(&paths, path, &paths);
        check_sub_path(c, AT(here, "subPath"), json_get_str(m, "subPath"));
        if (json_get_str(m, "subPathExpr").n) {
            if (json_get_str(m, "subPath").n)
                bad_invalid(c, AT(here, "subPathExpr"), json_string(json_get_str(m, "subPathExpr")),
                            "subPathExpr and subPath are mutually exclusive");
            check_sub_path(c, AT(here, "subPathExpr"), json_get_str(m, "subPathExpr"));
        }
    }
    map_fini(&paths);
}

/* ---- the whole ---- */

static void check_security(struct check *c, const struct at *at, const struct json *s)
{
    if (!s)
        return;
    if (json_get_int(s, "runAsUser", 0) < 0)
        bad_invalid(c, AT(at, "runAsUser"), *field(s, "runAsUser"),
                    "must be between 0 and 2147483647, inclusive");
    if (json_get_int(s, "runAsGroup", 0) < 0)
        bad_invalid(c, AT(at, "runAsGroup"), *field(s, "runAsGroup"),
                    "must be between 0 and 2147483647, inclusive");
    if (field(s, "allowPrivilegeEscalation") &&
        !json_get_bool(s, "allowPrivilegeEscalation", true)) {
        if (json_get_bool(s, "privileged", false))
            bad_invalid(c, at, sorted_copy(c->a, s),
                        "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
        JSON_EACH(cap, field_at(s, "capabilities.add"))
            if (str_is(json_str(cap), "CAP_SYS_ADMIN"))
                bad_invalid(c, at, sorted_copy(c->a, s),
                            "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` "
                            "CAP_SYS_ADMIN");
    }
}

void check_container(struct check *c, const struct at *at, const struct json *k,
                     enum container_role role, const struct json *pod)
{
    const struct json *lifecycle = field(k, "lifecycle");
    str name = json_get_str(k, "name"), image = json_get_str(k, "image");
    struct map port_names;

    if (name.n == 0)
        bad_required(c, AT(at, "name"), "");
    else
        check_dns_label(c, AT(at, "name"), name);
    if (image.n == 0)
        bad_required(c, AT(at, "image"), "");
    else if (str_trim(image).n != image.n)
        bad_invalid(c, AT(at, "image"), json_string(image),
                    "must not have leading or trailing whitespace");
    check_enum(c, AT(at, "terminationMessagePolicy"), field(k, "terminationMessagePolicy"),
               message_policies);
    map_init(&port_names);
    check_ports(c, AT(at, "ports"), field(k, "ports"), &port_names);
    map_fini(&port_names);
    check_env(c, AT(at, "env"), field(k, "env"));
    check_env_from(c, AT(at, "envFrom"), field(k, "envFrom"));
    check_mounts(c, AT(at, "volumeMounts"), field(k, "volumeMounts"), field(pod, "volumes"));
    check_enum(c, AT(at, "imagePullPolicy"), field(k, "imagePullPolicy"), pull_policies);
    check_resources(c, AT(at, "resources"), field(k, "resources"), field(pod, "resourceClaims"));
    check_resize_policy(c, AT(at, "resizePolicy"), field(k, "resizePolicy"));
    check_security(c, AT(at, "securityContext"), field(k, "securityContext"));
    if (role == CONTAINER_INIT) {
        if (lifecycle)
            bad_forbidden(c, AT(at, "lifecycle"),
                          "may not be set for init containers without restartPolicy=Always");
        if (field(k, "livenessProbe"))
            bad_forbidden(c, AT(at, "livenessProbe"),
                          "may not be set for init containers without restartPolicy=Always");
        if (field(k, "readinessProbe"))
            bad_forbidden(c, AT(at, "readinessProbe"),
                          "may not be set for init containers without restartPolicy=Always");
        if (field(k, "startupProbe"))
            bad_forbidden(c, AT(at, "startupProbe"),
                          "may not be set for init containers without restartPolicy=Always");
        return;
    }
    if (field(lifecycle, "postStart"))
        check_handler(c, AT(AT(at, "lifecycle"), "postStart"), field(lifecycle, "postStart"), true);
    if (field(lifecycle, "preStop"))
        check_handler(c, AT(AT(at, "lifecycle"), "preStop"), field(lifecycle, "preStop"), true);
    check_probe(c, AT(at, "livenessProbe"), field(k, "livenessProbe"), true);
    check_probe(c, AT(at, "readinessProbe"), field(k, "readinessProbe"), false);
    check_probe(c, AT(at, "startupProbe"), field(k, "startupProbe"), true);
}
