/* security.c - rules of security contexts, of containers and of whole pods.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go. */
#include "api/validation/security.h"

#include <ctype.h>

#include "api/validation/container.h"

#define APPARMOR_NAME_MAX 4095
#define SYSCTL_NAME_MAX 253
#define GMSA_SPEC_KIB 64
#define DOMAIN_MAX 256
#define USER_MAX 104

/* ---- profiles ---- */

static void check_seccomp(struct check *c, const struct at *at, const struct json *p)
{
    static const char *const types[] = {"Localhost", "RuntimeDefault", "Unconfined", NULL};
    const struct json *local = field(p, "localhostProfile");
    str type = json_get_str(p, "type");

    if (!p)
        return;
    if (!type.n)
        bad_required(c, AT(at, "type"), "type is required when seccompProfile is set");
    else
        check_enum(c, AT(at, "type"), field(p, "type"), types);
    if (!str_is(type, "Localhost")) {
        if (local)
            bad_invalid(c, AT(at, "localhostProfile"), go_value(c, "SeccompProfile", p),
                        "can only be set when seccomp type is Localhost");
    } else if (!local)
        bad_required(c, AT(at, "localhostProfile"), "must be set when seccomp type is Localhost");
    else
        check_local_path(c, AT(at, "localhostProfile"), json_str(local));
}

static void check_apparmor(struct check *c, const struct at *at, const struct json *p)
{
    static const char *const types[] = {"Localhost", "RuntimeDefault", "Unconfined", NULL};
    static const char needed[] = "must be set when AppArmor type is Localhost";
    const struct json *local = field(p, "localhostProfile");
    str type = json_get_str(p, "type"), name = json_str(local);

    if (!p)
        return;
    if (str_is(type, "Localhost")) {
        if (!local)
            bad_required(c, AT(at, "localhostProfile"), needed);
        else if (str_trim(name).n != name.n)
            bad_invalid(c, AT(at, "localhostProfile"), *local,
                        "must not be padded with whitespace");
        else if (!name.n)
            bad_required(c, AT(at, "localhostProfile"), needed);
        if (name.n > APPARMOR_NAME_MAX)
            bad_too_long(c, AT(at, "localhostProfile"), APPARMOR_NAME_MAX);
    } else if (!type.n)
        bad_required(c, AT(at, "type"), "type is required when appArmorProfile is set");
    else if (!one_of(type, types))
        bad_unsupported(c, AT(at, "type"), json_string(type), types);
    else if (local)
        bad_invalid(c, AT(at, "localhostProfile"), *local,
                    "can only be set when AppArmor type is Localhost");
}

/* ---- Windows ---- */

static bool has_any(str s, const char *chars)
{
    for (size_t i = 0; i < s.n; i++)
        if (strchr(chars, s.p[i]))
            return true;
    return false;
}

static bool has_control(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (iscntrl((unsigned char)s.p[i]))
            return true;
    return false;
}

static bool is_netbios(str s)
{
    return s.n >= 1 && s.n <= 15 && s.p[0] != '.' && !has_any(s, "\\/:*?\"<>|");
}

static bool is_domain(str s)
{
    str part;

    if (!s.n)
        return false;
    while (str_cut(&s, '.', &part)) {
        if (!part.n || part.n > 63 || part.p[0] == '-' || part.p[part.n - 1] == '-')
            return false;
        for (size_t i = 0; i < part.n; i++)
            if (!isalnum((unsigned char)part.p[i]) && part.p[i] != '-')
                return false;
    }
    return true;
}

static void check_windows_user(struct check *c, const struct at *at, str name)
{
    struct json v = json_string(name);
    str user = name, domain = STR_NONE;
    ptrdiff_t slash = str_index(name, '\\');
    bool only_dots = true;

    if (!name.n) {
        bad_invalid(c, at, v, "runAsUserName cannot be an empty string");
        return;
    }
    if (has_control(name)) {
        bad_invalid(c, at, v, "runAsUserName cannot contain control characters");
        return;
    }
    if (slash >= 0) {
        domain = str_slice(name, 0, (size_t)slash);
        user = str_skip(name, (size_t)slash + 1);
    }
    if (str_has_char(user, '\\')) {
        bad_invalid(c, at, v, "runAsUserName cannot contain more than one backslash");
        return;
    }
    if (domain.n >= DOMAIN_MAX)
        bad_invalid(c, at, v, "runAsUserName's Domain length must be under %d characters",
                    DOMAIN_MAX);
    if (slash >= 0 && !is_netbios(domain) && !is_domain(domain))
        bad_invalid(c, at, v,
                    "runAsUserName's Domain doesn't match the NetBios nor the DNS format");
    if (!user.n)
        bad_invalid(c, at, v, "runAsUserName's User cannot be empty");
    else if (user.n > USER_MAX)
        bad_invalid(c, at, v, "runAsUserName's User length must not be longer than %d characters",
                    USER_MAX);
    for (size_t i = 0; i < user.n; i++)
        only_dots &= user.p[i] == '.' || user.p[i] == ' ';
    if (user.n && only_dots)
        bad_invalid(c, at, v, "runAsUserName's User cannot contain only periods or spaces");
    if (has_any(user, "\"/\\:;|=,+*?<>@[]"))
        bad_invalid(c, at, v,
                    "runAsUserName's User cannot contain the following characters: "
                    "\"/\\:;|=,+*?<>@[]");
}

static void check_windows_options(struct check *c, const struct at *at, const struct json *o)
{
    const struct json *name = field(o, "gmsaCredentialSpecName"),
                      *spec = field(o, "gmsaCredentialSpec"), *user = field(o, "runAsUserName");

    if (name)
        check_dns_subdomain(c, AT(at, "gmsaCredentialSpecName"), json_str(name));
    if (spec && !json_str(spec).n)
        bad_invalid(c, AT(at, "gmsaCredentialSpec"), *spec,
                    "gmsaCredentialSpec cannot be an empty string");
    else if (spec && json_str(spec).n > GMSA_SPEC_KIB * 1024)
        bad_invalid(c, AT(at, "gmsaCredentialSpec"), *spec,
                    "gmsaCredentialSpec size must be under %d KiB", GMSA_SPEC_KIB);
    if (user)
        check_windows_user(c, AT(at, "runAsUserName"), json_str(user));
}

void check_host_processes(struct check *c, const struct at *at, const struct json *spec)
{
    const struct json *of_pod = field_at(spec, "securityContext.windowsOptions.hostProcess");
    unsigned n = 0, n_host = 0;

    EACH_CONTAINER(it, at, spec) {
        const struct json *own =
            field_at(it.container, "securityContext.windowsOptions.hostProcess");

        n++;
        if (of_pod && own && of_pod->b != own->b)
            bad_invalid(c, AT(AT(AT(&it.at, "securityContext"), "windowsOptions"), "hostProcess"),
                        *own,
                        "pod hostProcess value must be identical if both are specified, was %s",
                        of_pod->b ? "true" : "false");
        n_host += own ? own->b : of_pod && of_pod->b;
    }
    if (!n_host)
        return;
    if (n_host != n)
        bad_invalid(c, at, json_z(""),
                    "If pod contains any hostProcess containers then all containers must be "
                    "HostProcess containers");
    if (!json_get_bool(spec, "hostNetwork", false))
        bad_invalid(c, AT(at, "hostNetwork"), json_bool(false),
                    "hostNetwork must be true if pod contains any hostProcess containers");
}

/* ---- one container ---- */

void check_container_security(struct check *c, const struct at *at, const struct json *s,
                              const struct json *pod)
{
    static const char *const mounts[] = {"Default", "Unmasked", NULL};
    const struct json *proc = field(s, "procMount"), *users = field(pod, "hostUsers");

    if (!s)
        return;
    check_id(c, AT(at, "runAsUser"), field(s, "runAsUser"));
    check_id(c, AT(at, "runAsGroup"), field(s, "runAsGroup"));
    check_enum(c, AT(at, "procMount"), proc, mounts);
    if (str_is(json_str(proc), "Unmasked") && (!users || users->b))
        bad_invalid(c, AT(at, "procMount"), *proc, "`hostUsers` must be false to use `Unmasked`");
    check_seccomp(c, AT(at, "seccompProfile"), field(s, "seccompProfile"));
    if (!json_get_bool(s, "allowPrivilegeEscalation", true)) {
        if (json_get_bool(s, "privileged", false))
            bad_invalid(c, at, go_value(c, "SecurityContext", s),
                        "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
        JSON_EACH(cap, field_at(s, "capabilities.add"))
            if (str_is(json_str(cap), "CAP_SYS_ADMIN"))
                bad_invalid(c, at, go_value(c, "SecurityContext", s),
                            "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` "
                            "CAP_SYS_ADMIN");
    }
    check_windows_options(c, AT(at, "windowsOptions"), field(s, "windowsOptions"));
    check_apparmor(c, AT(at, "appArmorProfile"), field(s, "appArmorProfile"));
}

/* ---- the pod ---- */

static bool is_sysctl_name(str s)
{
    str rest = s;

    if (!s.n || s.n > SYSCTL_NAME_MAX)
        return false;
    while (rest.p) {
        size_t n = 0;
        str part;

        while (n < rest.n && rest.p[n] != '.' && rest.p[n] != '/')
            n++;
        part = str_slice(rest, 0, n);
        rest = n < rest.n ? str_skip(rest, n + 1) : STR_NONE;
        for (size_t i = 0; i < part.n; i++) {
            char ch = part.p[i];
            bool end = i == 0 || i + 1 == part.n;

            if (!islower((unsigned char)ch) && !isdigit((unsigned char)ch) &&
                (end || (ch != '-' && ch != '_')))
                return false;
        }
        if (!part.n)
            return false;
    }
    return true;
}

/* With slashes between its parts a name's dots are letters of them. */
static bool sysctl_is_below(struct arena *a, str name, const char *const *prefixes)
{
    ptrdiff_t dot = str_index(name, '.'), slash = str_index(name, '/');
    char *p = arena_dupz(a, name);

    if (slash >= 0 && (dot < 0 || slash < dot))
        for (size_t i = 0; i < name.n; i++)
            p[i] = p[i] == '/' ? '.' : p[i] == '.' ? '/' : p[i];
    for (size_t i = 0; prefixes[i]; i++)
        if (str_has_prefix(str_of(p), str_of(prefixes[i])))
            return true;
    return false;
}

static void check_sysctls(struct check *c, const struct at *at, const struct json *sysctls,
                          const struct json *spec)
{
    static const char *const of_net[] = {"net", NULL};
    static const char *const of_ipc[] = {"fs.mqueue.", "kernel.msg", "kernel.sem", "kernel.shm",
                                         NULL};
    struct map seen;
    int64_t i = 0;

    map_init(&seen);
    JSON_EACH(s, sysctls) {
        const struct at *here = AT(AT_INDEX(at, i++), "name");
        str name = json_get_str(s, "name");

        if (!name.n)
            bad_required(c, here, "");
        else if (!is_sysctl_name(name))
            bad_invalid(c, here, json_string(name),
                        "must have at most %d characters and match regex "
                        "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$",
                        SYSCTL_NAME_MAX);
        else if (map_find(&seen, name))
            bad_duplicate(c, here, json_string(name), "");
        if (json_get_bool(spec, "hostNetwork", false) && sysctl_is_below(c->a, name, of_net))
            bad_invalid(c, here, json_string(name),
                        "may not be specified when 'hostNetwork' is true");
        else if (json_get_bool(spec, "hostIPC", false) && sysctl_is_below(c->a, name, of_ipc))
            bad_invalid(c, here, json_string(name), "may not be specified when 'hostIPC' is true");
        map_put(&seen, name, &seen);
    }
    map_fini(&seen);
}

void check_pod_security_context(struct check *c, const struct at *at, const struct json *spec)
{
    static const char *const changes[] = {"Always", "OnRootMismatch", NULL};
    static const char *const groups[] = {"Merge", "Strict", NULL};
    static const char *const labels[] = {"MountOption", "Recursive", NULL};
    const struct json *s = field(spec, "securityContext");
    int64_t i = 0;

    check_id(c, AT(at, "fsGroup"), field(s, "fsGroup"));
    check_id(c, AT(at, "runAsUser"), field(s, "runAsUser"));
    check_id(c, AT(at, "runAsGroup"), field(s, "runAsGroup"));
    JSON_EACH(g, field(s, "supplementalGroups"))
        check_id(c, AT_INDEX(AT(at, "supplementalGroups"), i++), g);
    if (json_get_bool(spec, "hostPID", false) &&
        json_get_bool(spec, "shareProcessNamespace", false))
        bad_invalid(c, AT(at, "shareProcessNamespace"), json_bool(true),
                    "ShareProcessNamespace and HostPID cannot both be enabled");
    check_sysctls(c, AT(at, "sysctls"), field(s, "sysctls"), spec);
    check_enum(c, AT(at, "fsGroupChangePolicy"), field(s, "fsGroupChangePolicy"), changes);
    check_seccomp(c, AT(at, "seccompProfile"), field(s, "seccompProfile"));
    check_windows_options(c, AT(at, "windowsOptions"), field(s, "windowsOptions"));
    check_apparmor(c, AT(at, "appArmorProfile"), field(s, "appArmorProfile"));
    check_enum(c, AT(at, "supplementalGroupsPolicy"), field(s, "supplementalGroupsPolicy"), groups);
    check_enum(c, AT(at, "seLinuxChangePolicy"), field(s, "seLinuxChangePolicy"), labels);
}

void check_user_namespace(struct check *c, const struct at *at, const struct json *spec)
{
    static const struct {
        const char *field, *shown;
    } shared[] = {{"hostNetwork", "hostNetwork"}, {"hostPID", "HostPID"}, {"hostIPC", "HostIPC"}};

    if (json_get_bool(spec, "hostUsers", true))
        return;
    for (size_t i = 0; i < ARRAY_LEN(shared); i++)
        if (json_get_bool(spec, shared[i].field, false))
            bad_forbidden(c, AT(at, shared[i].shown), "when `pod.Spec.HostUsers` is false");
}

/* ---- what an operating system does not have ---- */

static void check_linux(struct check *c, const struct at *at, const struct json *spec)
{
    static const char text[] = "windows options cannot be set for a linux pod";

    if (field_at(spec, "securityContext.windowsOptions"))
        bad_forbidden(c, AT(AT(at, "securityContext"), "windowsOptions"), text);
    EACH_CONTAINER(it, at, spec)
        if (field_at(it.container, "securityContext.windowsOptions"))
            bad_forbidden(c, AT(AT(&it.at, "securityContext"), "windowsOptions"), text);
}

static void check_windows(struct check *c, const struct at *at, const struct json *spec)
{
    static const char text[] = "cannot be set for a windows pod";
    /* In the order in which they are told; `context`: a field of the security context. */
    static const struct {
        const char *field;
        bool context;
    } of_pod[] = {{"appArmorProfile", true},
                  {"seLinuxOptions", true},
                  {"hostUsers", false},
                  {"hostPID", false},
                  {"hostIPC", false},
                  {"seccompProfile", true},
                  {"fsGroup", true},
                  {"fsGroupChangePolicy", true},
                  {"sysctls", true},
                  {"shareProcessNamespace", false},
                  {"runAsUser", true},
                  {"runAsGroup", true},
                  {"supplementalGroups", true},
                  {"supplementalGroupsPolicy", true},
                  {"seLinuxChangePolicy", true}};
    static const char *const of_container[] = {"appArmorProfile",
                                               "seLinuxOptions",
                                               "seccompProfile",
                                               "capabilities",
                                               "readOnlyRootFilesystem",
                                               "privileged",
                                               "allowPrivilegeEscalation",
                                               "procMount",
                                               "runAsUser",
                                               "runAsGroup"};
    const struct json *context = field(spec, "securityContext");

    for (size_t i = 0; i < ARRAY_LEN(of_pod); i++) {
        const struct json *v = field(of_pod[i].context ? context : spec, of_pod[i].field);
        bool host = str_is(str_of(of_pod[i].field), "hostPID") ||
                    str_is(str_of(of_pod[i].field), "hostIPC");

        if (v && !(host && !v->b))
            bad_forbidden(
                c, AT(of_pod[i].context ? AT(at, "securityContext") : at, of_pod[i].field), text);
    }
    EACH_CONTAINER(it, at, spec)
        for (size_t i = 0; i < ARRAY_LEN(of_container); i++)
            if (field(field(it.container, "securityContext"), of_container[i]))
                bad_forbidden(c, AT(AT(&it.at, "securityContext"), of_container[i]), text);
}

void check_os(struct check *c, const struct at *at, const struct json *spec)
{
    static const char *const systems[] = {"linux", "windows", NULL};
    str name = json_get_str(spec, "os.name");

    if (!field(spec, "os"))
        return;
    if (!name.n)
        bad_required(c, AT(AT(at, "os"), "name"), "cannot be empty");
    else if (!one_of(name, systems))
        bad_unsupported(c, AT(at, "os"), json_string(name), systems);
    else if (str_is(name, "linux"))
        check_linux(c, at, spec);
    else
        check_windows(c, at, spec);
}
