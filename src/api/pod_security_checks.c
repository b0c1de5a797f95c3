/* pod_security_checks.c - the checks of the Pod Security Standards, each since its version.
 *
 * A check is a row: its level, from which version to which, its name in messages, and a function that writes what is wrong. Rows stand in
 * the order of messages: by name, baseline first. At the level restricted some rows of baseline give way to stricter ones.
 *
 * Source: k8s.io/pod-security-admission/policy (check_*.go, registry.go). */
#include "api/pod_security.h"

#define APPARMOR_ANNOTATION "container.apparmor.security.beta.kubernetes.io/"
#define SECCOMP_POD_ANNOTATION "seccomp.security.alpha.kubernetes.io/pod"
#define SECCOMP_ANNOTATION "container.seccomp.security.alpha.kubernetes.io/"

struct look {
    struct arena *a;
    const struct json *pod, *spec;
    int minor;
    struct buf *detail;
    const char *reason; /* set where it is not the row's */
};
typedef bool check_fn(struct look *l); /* true: violated, detail says how */

/* ---- what checks are written with ---- */

struct names {
    struct json list;
};

static void add(struct look *l, struct names *n, str name)
{
    n->list.type = JSON_ARRAY;
    json_append(l->a, &n->list, json_string(name));
}

/* Each once. */
static void add_new(struct look *l, struct names *n, str name)
{
    JSON_EACH(v, &n->list)
        if (str_eq(v->s, name))
            return;
    add(l, n, name);
}

static int by_text(const void *x, const void *y, void *ctx)
{
    (void)ctx;
    return str_cmp(((const struct json *)x)->s, ((const struct json *)y)->s);
}

static void sort(struct names *n)
{
    sort_with(n->list.items, n->list.n, sizeof *n->list.items, by_text, NULL);
}

/* `"a", "b"`, as it is. */
static void put_names(struct look *l, const struct names *n)
{
    JSON_EACH(v, &n->list)
        buf_fmt(l->detail, "%s\"" PRI_STR "\"", v == n->list.items ? "" : ", ", STR_ARG(v->s));
}

static void put_sorted(struct look *l, struct names *n)
{
    sort(n);
    put_names(l, n);
}

/* `container "c"` or `containers "c", "d"`. */
static void put_containers(struct look *l, const struct names *n)
{
    buf_z(l->detail, n->list.n == 1 ? "container " : "containers ");
    put_names(l, n);
}

/* "pod and containers ..." */
static bool put_setters(struct look *l, bool pod, const struct names *containers)
{
    if (pod)
        buf_z(l->detail, containers->list.n ? "pod and " : "pod");
    if (containers->list.n)
        put_containers(l, containers);
    return pod || containers->list.n;
}

static const char *const container_lists[] = {"initContainers", "containers",
                                              "ephemeralContainers"};
#define EACH_CONTAINER(c, spec)                                                                    \
    for (size_t c##_l = 0; c##_l < ARRAY_LEN(container_lists); c##_l++)                            \
        JSON_EACH(c, json_findz(spec, container_lists[c##_l]))

static bool one_of(str s, const char *const *list)
{
    for (size_t i = 0; list[i]; i++)
        if (str_is(s, list[i]))
            return true;
    return false;
}

static str name_of(const struct json *c)
{
    return json_get_str(c, "name");
}

static const struct json *annotations(const struct look *l)
{
    return json_at(l->pod, "metadata", "annotations", NULL);
}

static bool is_windows(const struct look *l)
{
    return str_is(json_get_str(l->spec, "os.name"), "windows");
}

static bool has_own_users(const struct look *l)
{
    return !json_get_bool(l->spec, "hostUsers", true);
}

/* ---- baseline ---- */

static bool check_apparmor(struct look *l)
{
    static const char *const good[] = {"RuntimeDefault", "Localhost", NULL};
    const struct json *pod = json_at(l->spec, "securityContext", "appArmorProfile", NULL);
    str type = json_get_str(pod, "type");
    struct names bad = {0}, values = {0}, notes = {0};
    bool pod_bad = pod && !one_of(type, good);

    if (pod_bad)
        add_new(l, &values, type);
    EACH_CONTAINER(c, l->spec) {
        const struct json *p = json_at(c, "securityContext", "appArmorProfile", NULL);

        if (!p || one_of(json_get_str(p, "type"), good))
            continue;
        add(l, &bad, name_of(c));
        add_new(l, &values, json_get_str(p, "type"));
    }
    JSON_EACH_MEMBER(m, annotations(l)) {
        str v = json_str(&m->value);

        if (str_has_prefix(m->key, S(APPARMOR_ANNOTATION)) && v.n &&
            !str_is(v, "runtime/default") && !str_has_prefix(v, S("localhost/"))) {
            CLEANUP(buf) struct buf text = BUF_INIT;

            buf_fmt(&text, PRI_STR "=", STR_ARG(m->key));
            buf_quoted(&text, v);
            add(l, &notes, arena_dup(l->a, buf_view(&text)));
        }
    }
    if (put_setters(l, pod_bad, &bad) && notes.list.n)
        buf_z(l->detail, " and ");
    if (notes.list.n)
        buf_z(l->detail, notes.list.n == 1 ? "annotation" : "annotations");
    if (!l->detail->n)
        return false;
    sort(&values);
    sort(&notes);
    JSON_EACH(v, &notes.list)
        add(l, &values, v->s);
    buf_z(l->detail, " must not set AppArmor profile type to ");
    put_names(l, &values);
    if (values.list.n != 1)
        l->reason = "forbidden AppArmor profiles";
    return true;
}

/* `containers "a" must not include "X" in ...` */
static bool put_added(struct look *l, const char *const *allowed)
{
    struct names bad = {0}, caps = {0};

    EACH_CONTAINER(c, l->spec) {
        bool found = false;

        JSON_EACH(v, json_at(c, "securityContext", "capabilities", "add", NULL))
            if (!one_of(json_str(v), allowed)) {
                found = true;
                add_new(l, &caps, json_str(v));
            }
        if (found)
            add(l, &bad, name_of(c));
    }
    if (!bad.list.n)
        return false;
    if (l->detail->n)
        buf_z(l->detail, "; ");
    put_containers(l, &bad);
    buf_z(l->detail, " must not include ");
    put_sorted(l, &caps);
    buf_z(l->detail, " in securityContext.capabilities.add");
    return true;
}

static bool check_capabilities(struct look *l)
{
    static const char *const defaults[] = {
        "AUDIT_WRITE",      "CHOWN",   "DAC_OVERRIDE", "FOWNER",  "FSETID", "KILL",       "MKNOD",
        "NET_BIND_SERVICE", "SETFCAP", "SETGID",       "SETPCAP", "SETUID", "SYS_CHROOT", NULL};

    return put_added(l, defaults);
}

static bool check_host_namespaces(struct look *l)
{
    static const char *const fields[] = {"hostNetwork", "hostPID", "hostIPC"};

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (json_get_bool(l->spec, fields[i], false))
            buf_fmt(l->detail, "%s%s=true", l->detail->n ? ", " : "", fields[i]);
    return l->detail->n > 0;
}

static bool check_host_path(struct look *l)
{
    struct names bad = {0};

    JSON_EACH(v, json_findz(l->spec, "volumes"))
        if (json_findz(v, "hostPath"))
            add(l, &bad, name_of(v));
    if (!bad.list.n)
        return false;
    buf_z(l->detail, bad.list.n == 1 ? "volume " : "volumes ");
    put_names(l, &bad);
    return true;
}

static bool check_host_ports(struct look *l)
{
    struct names bad = {0}, ports = {0};

    EACH_CONTAINER(c, l->spec) {
        bool found = false;

        JSON_EACH(p, json_findz(c, "ports")) {
            int64_t port = json_get_int(p, "hostPort", 0);

            if (!port)
                continue;
            found = true;
            add_new(l, &ports, arena_fmt(l->a, "%lld", (long long)port));
        }
        if (found)
            add(l, &bad, name_of(c));
    }
    if (!bad.list.n)
        return false;
    put_containers(l, &bad);
    buf_fmt(l->detail, " %s %s ", bad.list.n == 1 ? "uses" : "use",
            ports.list.n == 1 ? "hostPort" : "hostPorts");
    sort(&ports);
    JSON_EACH(k, &ports.list)
        buf_fmt(l->detail, "%s" PRI_STR, k == ports.list.items ? "" : ", ", STR_ARG(k->s));
    return true;
}

static bool check_probe_hosts(struct look *l)
{
    static const char *const places[] = {"livenessProbe", "readinessProbe", "startupProbe",
                                         "lifecycle.postStart", "lifecycle.preStop"};
    struct names bad = {0}, hosts = {0};

    EACH_CONTAINER(c, l->spec)
        for (size_t i = 0; i < ARRAY_LEN(places); i++) {
            const struct json *p = json_path(c, places[i]);
            str found[] = {json_get_str(p, "httpGet.host"), json_get_str(p, "tcpSocket.host")};

            for (size_t k = 0; k < ARRAY_LEN(found); k++)
                if (found[k].n) {
                    add_new(l, &bad, name_of(c));
                    add_new(l, &hosts, found[k]);
                }
        }
    if (!bad.list.n)
        return false;
    sort(&bad);
    put_containers(l, &bad);
    buf_fmt(l->detail, " %s %s ", bad.list.n == 1 ? "uses" : "use",
            hosts.list.n == 1 ? "probe or lifecycle host" : "probe or lifecycle hosts");
    put_sorted(l, &hosts);
    return true;
}

static bool check_privileged(struct look *l)
{
    struct names bad = {0};

    EACH_CONTAINER(c, l->spec)
        if (json_get_bool(c, "securityContext.privileged", false))
            add(l, &bad, name_of(c));
    if (!bad.list.n)
        return false;
    put_containers(l, &bad);
    buf_z(l->detail, " must not set securityContext.privileged=true");
    return true;
}

static bool check_proc_mount_always(struct look *l)
{
    struct names bad = {0}, values = {0};

    EACH_CONTAINER(c, l->spec) {
        str m = json_get_str(c, "securityContext.procMount");

        if (!m.n || str_is(m, "Default"))
            continue;
        add(l, &bad, name_of(c));
        add_new(l, &values, m);
    }
    if (!bad.list.n)
        return false;
    put_containers(l, &bad);
    buf_z(l->detail, " must not set securityContext.procMount to ");
    put_sorted(l, &values);
    return true;
}

static bool check_proc_mount(struct look *l)
{
    return !(l->minor >= 35 && has_own_users(l)) && check_proc_mount_always(l);
}

struct selinux {
    struct names types;
    bool user, role;
};

static bool selinux_is_bad(struct look *l, const struct json *o, struct selinux *s)
{
    static const char *const types[] = {"", "container_t", "container_init_t", "container_kvm_t",
                                        NULL};
    str type = json_get_str(o, "type");
    bool bad_type = !one_of(type, types) && !(l->minor >= 31 && str_is(type, "container_engine_t")),
         user = json_get_str(o, "user").n, role = json_get_str(o, "role").n;

    if (bad_type)
        add_new(l, &s->types, type);
    s->user |= user;
    s->role |= role;
    return bad_type || user || role;
}

static bool check_selinux(struct look *l)
{
    struct selinux s = {0};
    struct names bad = {0};
    bool pod_bad =
        selinux_is_bad(l, json_at(l->spec, "securityContext", "seLinuxOptions", NULL), &s);

    EACH_CONTAINER(c, l->spec)
        if (selinux_is_bad(l, json_at(c, "securityContext", "seLinuxOptions", NULL), &s))
            add(l, &bad, name_of(c));
    if (!put_setters(l, pod_bad, &bad))
        return false;
    buf_z(l->detail, " set forbidden securityContext.seLinuxOptions: ");
    if (s.types.list.n) {
        buf_z(l->detail, s.types.list.n == 1 ? "type " : "types ");
        put_sorted(l, &s.types);
    }
    if (s.user)
        buf_fmt(l->detail, "%suser may not be set", s.types.list.n ? "; " : "");
    if (s.role)
        buf_fmt(l->detail, "%srole may not be set", s.types.list.n || s.user ? "; " : "");
    return true;
}

static bool seccomp_note_is_bad(const struct json *v)
{
    return v && !str_is(json_str(v), "runtime/default") && !str_is(json_str(v), "docker/default") &&
           !str_has_prefix(json_str(v), S("localhost/"));
}

static void take_seccomp_note(struct look *l, str key, struct names *bad)
{
    const struct json *v = json_find(annotations(l), key);
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (!seccomp_note_is_bad(v))
        return;
    buf_fmt(&b, PRI_STR "=", STR_ARG(key));
    buf_quoted(&b, json_str(v));
    add_new(l, bad, arena_dup(l->a, buf_view(&b)));
}

static bool check_seccomp_notes(struct look *l)
{
    struct names bad = {0};

    take_seccomp_note(l, S(SECCOMP_POD_ANNOTATION), &bad);
    EACH_CONTAINER(c, l->spec)
        take_seccomp_note(l, arena_fmt(l->a, SECCOMP_ANNOTATION PRI_STR, STR_ARG(name_of(c))),
                          &bad);
    if (!bad.list.n)
        return false;
    sort(&bad);
    buf_z(l->detail, bad.list.n == 1 ? "forbidden annotation " : "forbidden annotations ");
    JSON_EACH(v, &bad.list)
        buf_fmt(l->detail, "%s" PRI_STR, v == bad.list.items ? "" : ", ", STR_ARG(v->s));
    return true;
}

/* Explicit bad values; ret_unset: containers without one, unless the pod has a good one. */
static bool put_seccomp(struct look *l, struct names *ret_unset)
{
    static const char *const good[] = {"RuntimeDefault", "Localhost", NULL};
    const struct json *pod = json_at(l->spec, "securityContext", "seccompProfile", NULL);
    struct names bad = {0}, values = {0};
    bool pod_bad = pod && !one_of(json_get_str(pod, "type"), good);

    if (pod_bad)
        add_new(l, &values, json_get_str(pod, "type"));
    EACH_CONTAINER(c, l->spec) {
        const struct json *p = json_at(c, "securityContext", "seccompProfile", NULL);

        if (!p && (!pod || pod_bad))
            add(l, ret_unset, name_of(c));
        if (!p || one_of(json_get_str(p, "type"), good))
            continue;
        add(l, &bad, name_of(c));
        add_new(l, &values, json_get_str(p, "type"));
    }
    if (!put_setters(l, pod_bad, &bad))
        return false;
    buf_z(l->detail, " must not set securityContext.seccompProfile.type to ");
    put_sorted(l, &values);
    return true;
}

static bool check_seccomp_baseline(struct look *l)
{
    struct names ignored = {0};

    return put_seccomp(l, &ignored);
}

static bool check_sysctls(struct look *l)
{
    static const struct {
        int since;
        const char *name;
    } safe[] = {
        {0, "kernel.shm_rmid_forced"},
        {0, "net.ipv4.ip_local_port_range"},
        {0, "net.ipv4.tcp_syncookies"},
        {0, "net.ipv4.ping_group_range"},
        {0, "net.ipv4.ip_unprivileged_port_start"},
        {27, "net.ipv4.ip_local_reserved_ports"},
        {29, "net.ipv4.tcp_keepalive_time"},
        {29, "net.ipv4.tcp_fin_timeout"},
        {29, "net.ipv4.tcp_keepalive_intvl"},
        {29, "net.ipv4.tcp_keepalive_probes"},
        {32, "net.ipv4.tcp_rmem"},
        {32, "net.ipv4.tcp_wmem"},
    };

    JSON_EACH(s, json_at(l->spec, "securityContext", "sysctls", NULL)) {
        bool fine = false;

        for (size_t i = 0; i < ARRAY_LEN(safe); i++)
            fine |= l->minor >= safe[i].since && str_is(name_of(s), safe[i].name);
        if (!fine)
            buf_fmt(l->detail, "%s" PRI_STR, l->detail->n ? ", " : "", STR_ARG(name_of(s)));
    }
    return l->detail->n > 0;
}

static bool check_host_process(struct look *l)
{
    struct names bad = {0};
    bool pod_bad = json_get_bool(l->spec, "securityContext.windowsOptions.hostProcess", false);

    EACH_CONTAINER(c, l->spec)
        if (json_get_bool(c, "securityContext.windowsOptions.hostProcess", false))
            add(l, &bad, name_of(c));
    if (!put_setters(l, pod_bad, &bad))
        return false;
    buf_z(l->detail, " must not set securityContext.windowsOptions.hostProcess=true");
    return true;
}

/* ---- restricted ---- */

static bool check_escalation(struct look *l)
{
    struct names bad = {0};

    if (l->minor >= 25 && is_windows(l))
        return false;
    EACH_CONTAINER(c, l->spec)
        if (json_get_bool(c, "securityContext.allowPrivilegeEscalation", true))
            add(l, &bad, name_of(c));
    if (!bad.list.n)
        return false;
    put_containers(l, &bad);
    buf_z(l->detail, " must set securityContext.allowPrivilegeEscalation=false");
    return true;
}

static bool check_capabilities_restricted(struct look *l)
{
    static const char *const allowed[] = {"NET_BIND_SERVICE", NULL};
    struct names bad = {0};
    bool added;

    if (l->minor >= 25 && is_windows(l))
        return false;
    EACH_CONTAINER(c, l->spec) {
        bool drops = false;

        JSON_EACH(v, json_at(c, "securityContext", "capabilities", "drop", NULL))
            drops |= str_is(json_str(v), "ALL");
        if (!drops)
            add(l, &bad, name_of(c));
    }
    if (bad.list.n) {
        put_containers(l, &bad);
        buf_z(l->detail, " must set securityContext.capabilities.drop=[\"ALL\"]");
    }
    added = put_added(l, allowed);
    return added || bad.list.n;
}

static bool check_volumes(struct look *l)
{
    static const char *const allowed[] = {
        "configMap", "csi",    "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
        "projected", "secret", "image",       NULL};
    struct names bad = {0}, types = {0};

    JSON_EACH(v, json_findz(l->spec, "volumes"))
        JSON_EACH_MEMBER(m, v)
            if (!str_is(m->key, "name") && !one_of(m->key, allowed)) {
                add(l, &bad, name_of(v));
                add_new(l, &types, m->key);
            }
    if (!bad.list.n)
        return false;
    buf_z(l->detail, bad.list.n == 1 ? "volume " : "volumes ");
    put_names(l, &bad);
    buf_fmt(l->detail, " %s %s ", bad.list.n == 1 ? "uses" : "use",
            types.list.n == 1 ? "restricted volume type" : "restricted volume types");
    put_sorted(l, &types);
    return true;
}

static bool check_non_root(struct look *l)
{
    struct names bad = {0}, unset = {0};
    const struct json *pod = json_at(l->spec, "securityContext", "runAsNonRoot", NULL);
    bool pod_ok = json_is(pod, JSON_BOOL) && pod->b, pod_bad = json_is(pod, JSON_BOOL) && !pod->b;

    if (l->minor >= 35 && has_own_users(l))
        return false;
    EACH_CONTAINER(c, l->spec) {
        const struct json *v = json_at(c, "securityContext", "runAsNonRoot", NULL);

        if (!json_is(v, JSON_BOOL) && !pod_ok)
            add(l, &unset, name_of(c));
        else if (json_is(v, JSON_BOOL) && !v->b)
            add(l, &bad, name_of(c));
    }
    if (put_setters(l, pod_bad, &bad)) {
        buf_z(l->detail, " must not set securityContext.runAsNonRoot=false");
        return true;
    }
    if (!unset.list.n)
        return false;
    buf_z(l->detail, "pod or ");
    put_containers(l, &unset);
    buf_z(l->detail, " must set securityContext.runAsNonRoot=true");
    return true;
}

static bool check_user(struct look *l)
{
    struct names bad = {0};
    bool pod_bad = json_get_int(l->spec, "securityContext.runAsUser", 1) == 0;

    if (l->minor >= 35 && has_own_users(l))
        return false;
    EACH_CONTAINER(c, l->spec)
        if (json_get_int(c, "securityContext.runAsUser", 1) == 0)
            add(l, &bad, name_of(c));
    if (!put_setters(l, pod_bad, &bad))
        return false;
    buf_z(l->detail, " must not set runAsUser=0");
    return true;
}

static bool check_seccomp(struct look *l)
{
    struct names unset = {0};

    if (l->minor >= 25 && is_windows(l))
        return false;
    if (put_seccomp(l, &unset))
        return true;
    if (!unset.list.n)
        return false;
    buf_z(l->detail, "pod or ");
    put_containers(l, &unset);
    buf_z(l->detail, " must set securityContext.seccompProfile.type to \"RuntimeDefault\" or "
                     "\"Localhost\"");
    return true;
}

#define EVER SECURITY_LATEST

static const struct check {
    enum security_level level;
    int since, until;   /* minor versions; until: the first that has it not */
    int stricter_since; /* when a row of restricted says the same and more; EVER: never */
    const char *reason;
    check_fn *violated;
} checks[] = {
    {SECURITY_BASELINE, 0, EVER, EVER, "forbidden AppArmor profile", check_apparmor},
    {SECURITY_BASELINE, 0, EVER, 22, "non-default capabilities", check_capabilities},
    {SECURITY_BASELINE, 0, EVER, EVER, "host namespaces", check_host_namespaces},
    {SECURITY_BASELINE, 0, EVER, 0, "hostPath volumes", check_host_path},
    {SECURITY_BASELINE, 0, EVER, EVER, "hostPort", check_host_ports},
    {SECURITY_BASELINE, 34, EVER, EVER, "probe or lifecycle host", check_probe_hosts},
    {SECURITY_BASELINE, 0, EVER, EVER, "privileged", check_privileged},
    {SECURITY_BASELINE, 0, EVER, 35, "procMount", check_proc_mount},
    {SECURITY_BASELINE, 0, EVER, EVER, "seLinuxOptions", check_selinux},
    {SECURITY_BASELINE, 0, 19, EVER, "seccompProfile", check_seccomp_notes},
    {SECURITY_BASELINE, 19, EVER, 19, "seccompProfile", check_seccomp_baseline},
    {SECURITY_BASELINE, 0, EVER, EVER, "forbidden sysctls", check_sysctls},
    {SECURITY_BASELINE, 0, EVER, EVER, "hostProcess", check_host_process},
    {SECURITY_RESTRICTED, 8, EVER, EVER, "allowPrivilegeEscalation != false", check_escalation},
    {SECURITY_RESTRICTED, 22, EVER, EVER, "unrestricted capabilities",
     check_capabilities_restricted},
    {SECURITY_RESTRICTED, 35, EVER, EVER, "procMount", check_proc_mount_always},
    {SECURITY_RESTRICTED, 0, EVER, EVER, "restricted volume types", check_volumes},
    {SECURITY_RESTRICTED, 0, EVER, EVER, "runAsNonRoot != true", check_non_root},
    {SECURITY_RESTRICTED, 23, EVER, EVER, "runAsUser=0", check_user},
    {SECURITY_RESTRICTED, 19, EVER, EVER, "seccompProfile", check_seccomp},
};

static bool applies(const struct check *c, const struct security_policy *p)
{
    if (c->level > p->level || p->minor < c->since)
        return false;
    if (c->until != EVER && p->minor >= c->until)
        return false;
    return !(p->level == SECURITY_RESTRICTED && c->stricter_since != EVER &&
             p->minor >= c->stricter_since);
}

void security_evaluate(struct arena *a, const struct security_policy *p, const struct json *pod,
                       struct buf *details, struct buf *reasons)
{
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        CLEANUP(buf) struct buf d = BUF_INIT;
        struct look l = {.a = a,
                         .pod = pod,
                         .spec = json_findz(pod, "spec"),
                         .minor = p->minor,
                         .detail = &d,
                         .reason = checks[i].reason};

        if (!applies(&checks[i], p) || !checks[i].violated(&l))
            continue;
        if (details)
            buf_fmt(details, "%s%s (" PRI_STR ")", details->n ? ", " : "", l.reason,
                    STR_ARG(buf_view(&d)));
        if (reasons)
            buf_fmt(reasons, "%s%s", reasons->n ? ", " : "", l.reason);
    }
}
