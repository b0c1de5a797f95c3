/* env.c - rules of environment variables and of what their values may refer to.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go. */
#include "api/validation/references.h"

#include <ctype.h>

/* ---- references ---- */

/* Fields that a downward API path may name in v1; more than any single place allows. */
static const char *const convertible[] = {
    "metadata.annotations", "metadata.labels", "metadata.name",      "metadata.namespace",
    "metadata.uid",         "spec.nodeName",   "spec.restartPolicy", "spec.serviceAccountName",
    "spec.schedulerName",   "status.phase",    "status.hostIP",      "status.hostIPs",
    "status.podIP",         "status.podIPs",   "spec.host",          NULL};

/* "metadata.labels['x']": the part before the bracket and what is inside. */
static bool split_subscript(str path, str *ret_base, str *ret_key)
{
    ptrdiff_t at = str_find(path, S("['"));

    if (at < 0 || !str_has_suffix(path, S("']")) || (size_t)at + 4 > path.n)
        return false;
    *ret_base = str_slice(path, 0, (size_t)at);
    *ret_key = str_slice(path, (size_t)at + 2, path.n - 2);
    return ret_base->n > 0;
}

void check_field_ref(struct check *c, const struct at *at, const struct json *ref,
                     const char *const *known)
{
    str version = json_get_str(ref, "apiVersion"), path = json_get_str(ref, "fieldPath"),
        base = path, key;
    bool subscript = split_subscript(path, &base, &key);

    if (!version.n) {
        bad_required(c, AT(at, "apiVersion"), "");
        return;
    }
    if (!path.n) {
        bad_required(c, AT(at, "fieldPath"), "");
        return;
    }
    if (!str_is(version, "v1")) {
        bad_invalid(c, AT(at, "fieldPath"), json_string(path),
                    "error converting fieldPath: unsupported pod version: " PRI_STR,
                    STR_ARG(version));
        return;
    }
    if (subscript && !str_is(base, "metadata.annotations") && !str_is(base, "metadata.labels")) {
        bad_invalid(c, AT(at, "fieldPath"), json_string(path),
                    "error converting fieldPath: field label does not support subscript: " PRI_STR,
                    STR_ARG(path));
        return;
    }
    if (!subscript && !one_of(path, convertible)) {
        bad_invalid(c, AT(at, "fieldPath"), json_string(path),
                    "error converting fieldPath: field label not supported: " PRI_STR,
                    STR_ARG(path));
        return;
    }
    if (str_is(path, "spec.host")) /* what nodeName was called once */
        path = S("spec.nodeName");
    if (subscript && str_is(base, "metadata.annotations")) {
        char *lower = arena_dupz(c->a, key);

        for (char *p = lower; *p; p++)
            *p = (char)tolower((unsigned char)*p);
        key = (str){lower, key.n};
    }
    if (subscript)
        check_qualified_name(c, at, key);
    else if (!one_of(path, known))
        bad_unsupported(c, AT(at, "fieldPath"), json_string(path), known);
}

static const struct {
    const char *resource; /* without "limits." and "requests."; a prefix when it ends in '-' */
    const char *divisors; /* separated by blanks */
    const char *text;
} divisors[] = {
#define BYTES "1 1k 1M 1G 1T 1P 1E 1Ki 1Mi 1Gi 1Ti 1Pi 1Ei"
#define BYTES_TEXT                                                                                 \
    "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are "           \
    "supported with the "
    {"cpu", "1m 1", "only divisor's values 1m and 1 are supported with the cpu resource"},
    {"memory", BYTES, BYTES_TEXT "memory resource"},
    {"ephemeral-storage", BYTES, BYTES_TEXT "local ephemeral storage resource"},
    {"hugepages-", BYTES, BYTES_TEXT "hugepages resource"},
};

static void check_divisor(struct check *c, const struct at *at, str resource, str divisor)
{
    str name = resource, rest, word;
    struct quantity q;

    if (!divisor.n || (quantity_parse(divisor, &q) && q.nano == 0))
        return;
    if (str_has_prefix(name, S("limits.")))
        name = str_skip(name, 7);
    else if (str_has_prefix(name, S("requests.")))
        name = str_skip(name, 9);
    else
        return;
    for (size_t i = 0; i < ARRAY_LEN(divisors); i++) {
        str of = str_of(divisors[i].resource);
        bool found = false;

        if (of.p[of.n - 1] == '-' ? !str_has_prefix(name, of) : !str_eq(name, of))
            continue;
        rest = str_of(divisors[i].divisors);
        while (str_cut(&rest, ' ', &word))
            found |= str_eq(word, divisor);
        if (!found)
            bad_invalid(c, AT(at, "divisor"), json_string(resource), "%s", divisors[i].text);
    }
}

void check_resource_ref(struct check *c, const struct at *at, const struct json *ref,
                        bool container_needed)
{
    static const char *const resources[] = {"limits.cpu",
                                            "limits.ephemeral-storage",
                                            "limits.memory",
                                            "requests.cpu",
                                            "requests.ephemeral-storage",
                                            "requests.memory",
                                            NULL};
    str resource = json_get_str(ref, "resource");

    if (container_needed && !json_get_str(ref, "containerName").n)
        bad_required(c, AT(at, "containerName"), "");
    else if (!resource.n)
        bad_required(c, AT(at, "resource"), "");
    else if (!one_of(resource, resources) && !str_has_prefix(resource, S("limits.hugepages-")) &&
             !str_has_prefix(resource, S("requests.hugepages-")))
        bad_unsupported(c, AT(at, "resource"), json_string(resource), resources);
    check_divisor(c, at, resource, json_get_str(ref, "divisor"));
}

/* ---- variables ---- */

static void check_env_name(struct check *c, const struct at *at, str name)
{
    if (not_env_name(name))
        bad_invalid(c, at, json_string(name), "%s", not_env_name(name));
}

static void check_key_ref(struct check *c, const struct at *at, const struct json *ref)
{
    str key = json_get_str(ref, "key");

    check_dns_subdomain(c, AT(at, "name"), json_get_str(ref, "name"));
    if (!key.n)
        bad_required(c, AT(at, "key"), "");
    else
        check_config_key(c, AT(at, "key"), key);
}

static void check_file_ref(struct check *c, const struct at *at, const struct json *ref)
{
    str key = json_get_str(ref, "key"), volume = json_get_str(ref, "volumeName"),
        path = json_get_str(ref, "path");

    if (!key.n)
        bad_required(c, AT(at, "key"), "");
    else
        check_env_name(c, AT(at, "key"), key);
    if (!volume.n)
        bad_required(c, AT(at, "volumeName"), "");
    else
        check_dns_label(c, AT(at, "volumeName"), volume);
    if (!path.n)
        bad_required(c, AT(at, "path"), "");
    else
        check_local_free_path(c, AT(at, "path"), path);
}

static void check_value_from(struct check *c, const struct at *at, const struct json *env)
{
    static const char *const fields[] = {"metadata.name",
                                         "metadata.namespace",
                                         "metadata.uid",
                                         "spec.nodeName",
                                         "spec.serviceAccountName",
                                         "status.hostIP",
                                         "status.hostIPs",
                                         "status.podIP",
                                         "status.podIPs",
                                         NULL};
    const struct json *from = field(env, "valueFrom"), *of_field = field(from, "fieldRef"),
                      *of_resource = field(from, "resourceFieldRef"),
                      *config = field(from, "configMapKeyRef"),
                      *secret = field(from, "secretKeyRef"), *file = field(from, "fileKeyRef");
    int n = !!of_field + !!of_resource + !!config + !!secret + !!file;

    if (!from)
        return;
    if (of_field)
        check_field_ref(c, AT(at, "fieldRef"), of_field, fields);
    if (of_resource)
        check_resource_ref(c, AT(at, "resourceFieldRef"), of_resource, false);
    if (config)
        check_key_ref(c, AT(at, "configMapKeyRef"), config);
    if (secret)
        check_key_ref(c, AT(at, "secretKeyRef"), secret);
    if (file)
        check_file_ref(c, AT(at, "fileKeyRef"), file);
    if (n == 0)
        bad_invalid(c, at, json_z(""),
                    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, "
                    "`secretKeyRef` or `fileKeyRef`");
    else if (json_get_str(env, "value").n)
        bad_invalid(c, at, json_z(""), "may not be specified when `value` is not empty");
    else if (n > 1)
        bad_invalid(c, at, json_z(""), "may not have more than one field specified at a time");
}

void check_env(struct check *c, const struct at *at, const struct json *env)
{
    int64_t i = 0;

    JSON_EACH(e, env) {
        const struct at *here = AT_INDEX(at, i++);
        str name = json_get_str(e, "name");

        if (!name.n)
            bad_required(c, AT(here, "name"), "");
        else
            check_env_name(c, AT(here, "name"), name);
        check_value_from(c, AT(here, "valueFrom"), e);
    }
}

static void check_env_source(struct check *c, const struct at *at, const struct json *source)
{
    str name = json_get_str(source, "name");

    if (!name.n)
        bad_required(c, AT(at, "name"), "");
    else
        check_object_prefix(c, AT(at, "name"), name);
}

void check_env_from(struct check *c, const struct at *at, const struct json *env_from)
{
    int64_t i = 0;

    JSON_EACH(e, env_from) {
        const struct at *here = AT_INDEX(at, i++);
        str prefix = json_get_str(e, "prefix");
        const struct json *config = field(e, "configMapRef"), *secret = field(e, "secretRef");

        if (prefix.n)
            check_env_name(c, AT(here, "prefix"), prefix);
        if (config)
            check_env_source(c, AT(here, "configMapRef"), config);
        if (secret)
            check_env_source(c, AT(here, "secretRef"), secret);
        if (!config && !secret)
            bad_invalid(c, at, json_z(""), "must specify one of: `configMapRef` or `secretRef`");
        else if (config && secret)
            bad_invalid(c, at, json_z(""), "may not have more than one field specified at a time");
    }
}
