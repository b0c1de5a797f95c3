/* pod_security_config.c - which Pod Security Standards count where a namespace says nothing, and who is exempt: the part of
 * --admission-control-config-file that is about PodSecurity. Other plugins have nothing to configure here.
 *
 * API: https://kubernetes.io/docs/tasks/configure-pod-container/enforce-standards-admission-controller/
 * Source: k8s.io/pod-security-admission/admission/api/validation/validation.go, k8s.io/apiserver/pkg/admission/config.go */
#include "api/config_form.h"
#include "api/pod_security.h"
#include "api/validation/check.h"

static const struct form plugin_form[] = {
    {"name", 's', NULL}, {"path", 's', NULL}, {"configuration", 'x', NULL}, FORM_END};
static const struct form admission_form[] = {
    {"apiVersion", 's', NULL}, {"kind", 's', NULL}, {"plugins", 'l', plugin_form}, FORM_END};
static const struct form defaults_form[] = {{"enforce", 's', NULL},
                                            {"enforce-version", 's', NULL},
                                            {"audit", 's', NULL},
                                            {"audit-version", 's', NULL},
                                            {"warn", 's', NULL},
                                            {"warn-version", 's', NULL},
                                            FORM_END};
static const struct form exemptions_form[] = {
    {"usernames", 'S', NULL}, {"namespaces", 'S', NULL}, {"runtimeClasses", 'S', NULL}, FORM_END};
static const struct form security_form[] = {{"apiVersion", 's', NULL},
                                            {"kind", 's', NULL},
                                            {"defaults", 'o', defaults_form},
                                            {"exemptions", 'o', exemptions_form},
                                            FORM_END};

static void read_default(struct check *check, const struct json *defaults, const char *mode,
                         struct security_policy *ret)
{
    const struct at *at = AT(NULL, "defaults");
    char version_name[32];
    str level = json_str(field(defaults, mode)), version;

    snprintf(version_name, sizeof version_name, "%s-version", mode);
    version = json_str(field(defaults, version_name));
    if (level.n && !security_level_parse(level, &ret->level))
        bad_invalid(check, AT(at, mode), json_string(level), SECURITY_LEVELS);
    if (version.n && !security_version_parse(version, &ret->minor))
        bad_invalid(check, AT(at, version_name), json_string(version), SECURITY_VERSIONS);
}

static const char *not_anything(str s)
{
    (void)s;
    return NULL;
}

static struct json read_exempt(struct check *check, const struct json *exemptions, const char *name,
                               const char *(*wrong)(str s))
{
    const struct json *list = field(exemptions, name);
    const struct at *at = AT(AT(NULL, "exemptions"), name);
    struct json ret = json_array();

    for (uint32_t i = 0; i < json_count(list); i++) {
        str s = json_str(json_item(list, i));
        bool again = false;

        JSON_EACH(v, &ret)
            again |= str_eq(json_str(v), s);
        if (!s.n && wrong == not_anything)
            bad_required(check, AT_INDEX(at, i), "");
        else if (wrong(s))
            bad_invalid(check, AT_INDEX(at, i), json_string(s), "%s", wrong(s));
        else if (again)
            bad_duplicate(check, AT_INDEX(at, i), json_string(s), "");
        else
            json_append(check->a, &ret, json_string(s));
    }
    return ret;
}

static struct err *read_security(struct arena *a, const struct json *tree,
                                 struct security_config *c)
{
    static const enum security_mode order[] = {SECURITY_ENFORCE, SECURITY_WARN, SECURITY_AUDIT};
    struct err *errs = NULL, *e;
    struct check check = {.a = a, .errs = &errs};
    const struct json *exemptions = field(tree, "exemptions");

    e = config_form_check(tree, "pod-security.admission.config.k8s.io", "PodSecurityConfiguration",
                          security_form);
    if (e)
        return e;
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        read_default(&check, field(tree, "defaults"), security_mode_names[order[i]],
                     &c->defaults[order[i]]);
    c->namespaces = read_exempt(&check, exemptions, "namespaces", not_dns_label);
    c->runtime_classes = read_exempt(&check, exemptions, "runtimeClasses", not_dns_subdomain);
    c->usernames = read_exempt(&check, exemptions, "usernames", not_anything);
    return config_form_aggregate(errs);
}

struct err *security_config_parse(struct arena *a, str yaml, struct security_config **ret)
{
    struct security_config *c = *ret = ARENA_NEW(a, struct security_config);
    struct json *tree = NULL;
    struct err *e = NULL;

    for (int i = 0; i < SECURITY_MODES; i++)
        c->defaults[i].minor = SECURITY_LATEST;
    c->namespaces = c->usernames = c->runtime_classes = json_array();
    if (!yaml.n)
        return NULL;
    e = config_form_read(a, yaml, "AdmissionConfiguration", admission_form, &tree);
    if (e)
        return e;
    JSON_EACH(plugin, field(tree, "plugins")) {
        str name = json_get_str(plugin, "name");

        if (!str_is(name, "PodSecurity"))
            e = err_new(REASON_BAD_REQUEST,
                        "a configuration of admission plugin \"" PRI_STR "\" is not supported",
                        STR_ARG(name));
        else if (field(plugin, "configuration"))
            e = read_security(a, field(plugin, "configuration"), c);
        else
            e = err_new(REASON_BAD_REQUEST,
                        "admission plugin \"PodSecurity\": its configuration has to stand "
                        "in `configuration`, not in a file of its own");
        if (e)
            return e;
    }
    return NULL;
}
