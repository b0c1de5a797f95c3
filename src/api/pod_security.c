/* pod_security.c - PodSecurity admission: the Pod Security Standards, per namespace, by its labels.
 *
 * A check is a row: its level, its name in messages, and a function that writes what is wrong.
 * enforce refuses pods; warn tells, for pods and for workloads that would make them; audit has no
 * log to go to. API: https://kubernetes.io/docs/concepts/security/pod-security-standards/,
 * .../pod-security-admission/ */
#include "api/admission.h"

enum level { PRIVILEGED, BASELINE, RESTRICTED };
static const char *const level_names[] = {"privileged", "baseline", "restricted"};
#define LABEL "pod-security.kubernetes.io/"

struct policy {
    enum level level;
    str version;
};

/* ---- what checks are written with ---- */

struct names {
    struct json list;
    struct arena *a;
};

static void names_add(struct names *n, str name)
{
    n->list.type = JSON_ARRAY;
    json_append(n->a, &n->list, json_string(name));
}

static void buf_names(struct buf *b, const struct json *list)
{
    JSON_EACH(v, list) {
        if (v != list->items)
            buf_z(b, ", ");
        buf_quoted(b, v->s);
    }
}

/* `container "c"` or `containers "c", "d"`. */
static void buf_containers(struct buf *b, const struct json *list)
{
    buf_z(b, list->n == 1 ? "container " : "containers ");
    buf_names(b, list);
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

/* ---- baseline ---- */

typedef bool check_fn(struct arena *a, const struct json *spec,
                      struct buf *detail); /* true: violated */

static bool added_beyond(struct arena *a, const struct json *spec, const char *const *allowed,
                         struct buf *detail)
{
    struct names bad = {.a = a}, caps = {.a = a};

    EACH_CONTAINER(c, spec) {
        bool found = false;

        JSON_EACH(v, json_at(c, "securityContext", "capabilities", "add", NULL))
            if (!one_of(json_str(v), allowed)) {
                bool had = false;

                found = true;
                JSON_EACH(k, &caps.list)
                    had |= str_eq(k->s, json_str(v));
                if (!had)
                    names_add(&caps, json_str(v));
            }
        if (found)
            names_add(&bad, name_of(c));
    }
    if (!bad.list.n)
        return false;
    buf_containers(detail, &bad.list);
    buf_z(detail, " must not include ");
    buf_names(detail, &caps.list);
    buf_z(detail, " in securityContext.capabilities.add");
    return true;
}

static bool check_capabilities(struct arena *a, const struct json *spec, struct buf *detail)
{
    static const char *const defaults[] = {
        "AUDIT_WRITE",      "CHOWN",   "DAC_OVERRIDE", "FOWNER",  "FSETID", "KILL",       "MKNOD",
        "NET_BIND_SERVICE", "SETFCAP", "SETGID",       "SETPCAP", "SETUID", "SYS_CHROOT", NULL};

    return added_beyond(a, spec, defaults, detail);
}

static bool check_host_namespaces(struct arena *a, const struct json *spec, struct buf *detail)
{
    static const char *const fields[] = {"hostNetwork", "hostPID", "hostIPC"};

    (void)a;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (json_get_bool(spec, fields[i], false))
            buf_fmt(detail, "%s%s=true", detail->n ? ", " : "", fields[i]);
    return detail->n > 0;
}

static bool check_host_path(struct arena *a, const struct json *spec, struct buf *detail)
{
    struct names bad = {.a = a};

    JSON_EACH(v, json_findz(spec, "volumes"))
        if (json_findz(v, "hostPath"))
            names_add(&bad, name_of(v));
    if (!bad.list.n)
        return false;
    buf_z(detail, bad.list.n == 1 ? "volume " : "volumes ");
    buf_names(detail, &bad.list);
    return true;
}

static bool check_host_ports(struct arena *a, const struct json *spec, struct buf *detail)
{
    struct names bad = {.a = a}, ports = {.a = a};

    EACH_CONTAINER(c, spec) {
        bool found = false;

        JSON_EACH(p, json_findz(c, "ports")) {
            int64_t port = json_get_int(p, "hostPort", 0);
            bool had = false;
            str text;

            if (!port)
                continue;
            found = true;
            text = arena_fmt(a, "%lld", (long long)port);
            JSON_EACH(k, &ports.list)
                had |= str_eq(k->s, text);
            if (!had)
                names_add(&ports, text);
        }
        if (found)
            names_add(&bad, name_of(c));
    }
    if (!bad.list.n)
        return false;
    buf_containers(detail, &bad.list);
    buf_fmt(detail, " %s %s ", bad.list.n == 1 ? "uses" : "use",
            ports.list.n == 1 ? "hostPort" : "hostPorts");
    JSON_EACH(k, &ports.list)
        buf_fmt(detail, "%s" PRI_STR, k == ports.list.items ? "" : ", ", STR_ARG(k->s));
    return true;
}

static bool check_privileged(struct arena *a, const struct json *spec, struct buf *detail)
{
    struct names bad = {.a = a};

    EACH_CONTAINER(c, spec)
        if (json_get_bool(c, "securityContext.privileged", false))
            names_add(&bad, name_of(c));
    if (!bad.list.n)
        return false;
    buf_containers(detail, &bad.list);
    buf_z(detail, " must not set securityContext.privileged=true");
    return true;
}

static bool check_proc_mount(struct arena *a, const struct json *spec, struct buf *detail)
{
    struct names bad = {.a = a};

    EACH_CONTAINER(c, spec) {
        str m = json_get_str(c, "securityContext.procMount");

        if (m.n && !str_is(m, "Default"))
            names_add(&bad, name_of(c));
    }
    if (!bad.list.n)
        return false;
    buf_containers(detail, &bad.list);
    buf_z(detail, " must not set securityContext.procMount to \"Unmasked\"");
    return true;
}

static bool check_selinux(struct arena *a, const struct json *spec, struct buf *detail)
{
    static const char *const types[] = {
        "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t", NULL};
    struct names bad = {.a = a};
    const struct json *pod = json_at(spec, "securityContext", "seLinuxOptions", NULL);
    bool pod_bad = pod && (!one_of(json_get_str(pod, "type"), types) ||
                           json_get_str(pod, "user").n || json_get_str(pod, "role").n);

    EACH_CONTAINER(c, spec) {
        const struct json *o = json_at(c, "securityContext", "seLinuxOptions", NULL);

        if (o && (!one_of(json_get_str(o, "type"), types) || json_get_str(o, "user").n ||
                  json_get_str(o, "role").n))
            names_add(&bad, name_of(c));
    }
    if (!pod_bad && !bad.list.n)
        return false;
    if (pod_bad)
        buf_z(detail, bad.list.n ? "pod and " : "pod");
    if (bad.list.n)
        buf_containers(detail, &bad.list);
    buf_z(detail, pod_bad || bad.list.n > 1 ? " set forbidden securityContext.seLinuxOptions"
                                            : " sets forbidden securityContext.seLinuxOptions");
    return true;
}

static bool check_seccomp_baseline(struct arena *a, const struct json *spec, struct buf *detail)
{
    struct names bad = {.a = a};
    bool pod_bad = str_is(json_get_str(spec, "securityContext.seccompProfile.type"), "Unconfined");

    EACH_CONTAINER(c, spec)
        if (str_is(json_get_str(c, "securityContext.seccompProfile.type"), "Unconfined"))
            names_add(&bad, name_of(c));
    if (!pod_bad && !bad.list.n)
        return false;
    if (pod_bad)
        buf_z(detail, bad.list.n ? "pod and " : "pod");
    if (bad.list.n)
        buf_containers(detail, &bad.list);
    buf_z(detail, " must not set securityContext.seccompProfile.type to \"Unconfined\"");
    return true;
}

static bool check_sysctls(struct arena *a, const struct json *spec, struct buf *detail)
{
    static const char *const safe[] = {"kernel.shm_rmid_forced",
                                       "net.ipv4.ip_local_port_range",
                                       "net.ipv4.tcp_syncookies",
                                       "net.ipv4.ping_group_range",
                                       "net.ipv4.ip_unprivileged_port_start",
                                       "net.ipv4.ip_local_reserved_ports",
                                       "net.ipv4.tcp_keepalive_time",
                                       "net.ipv4.tcp_fin_timeout",
                                       "net.ipv4.tcp_keepalive_intvl",
                                       "net.ipv4.tcp_keepalive_probes",
                                       "net.ipv4.tcp_rmem",
                                       "net.ipv4.tcp_wmem",
                                       NULL};

    (void)a;
    JSON_EACH(s, json_at(spec, "securityContext", "sysctls", NULL))
        if (!one_of(name_of(s), safe))
            buf_fmt(detail, "%s" PRI_STR, detail->n ? ", " : "", STR_ARG(name_of(s)));
    return detail->n > 0;
}

static bool check_host_process(struct arena *a, const struct json *spec, struct buf *detail)
{
    struct names bad = {.a = a};
    bool pod_bad = json_get_bool(spec, "securityContext.windowsOptions.hostProcess", false);

    EACH_CONTAINER(c, spec)
        if (json_get_bool(c, "securityContext.windowsOptions.hostProcess", false))
            names_add(&bad, name_of(c));
    if (!pod_bad && !bad.list.n)
        return false;
    if (pod_bad)
        buf_z(detail, bad.list.n ? "pod and " : "pod");
    if (bad.list.n)
        buf_containers(detail, &bad.list);
    buf_z(detail, " must not set securityContext.windowsOptions.hostProcess=true");
    return true;
}

static bool check_apparmor(struct arena *a, const struct json *spec, struct buf *detail)
{
    struct names bad = {.a = a};
    bool pod_bad = str_is(json_get_str(spec, "securityContext.appArmorProfile.type"), "Unconfined");

    EACH_CONTAINER(c, spec)
        if (str_is(json_get_str(c, "securityContext.appArmorProfile.type"), "Unconfined"))
            names_add(&bad, name_of(c));
    if (!pod_bad && !bad.list.n)
        return false;
    if (pod_bad)
        buf_z(detail, bad.list.n ? "pod and " : "pod");
    if (bad.list.n)
        buf_containers(detail, &bad.list);
    buf_z(detail, " must not set AppArmor profile type to \"Unconfined\"");
    return true;
}

/* ---- restricted ---- */

static bool check_escalation(struct arena *a, const struct json *spec, struct buf *detail)
{
    struct names bad = {.a = a};

    EACH_CONTAINER(c, spec)
        if (json_get_bool(c, "securityContext.allowPrivilegeEscalation", true))
            names_add(&bad, name_of(c));
    if (!bad.list.n)
        return false;
    buf_containers(detail, &bad.list);
    buf_z(detail, " must set securityContext.allowPrivilegeEscalation=false");
    return true;
}

static bool check_capabilities_restricted(struct arena *a, const struct json *spec,
                                          struct buf *detail)
{
    static const char *const allowed[] = {"NET_BIND_SERVICE", NULL};
    struct names bad = {.a = a};
    struct buf added = BUF_INIT;
    bool violated;

    EACH_CONTAINER(c, spec) {
        bool drops = false;

        JSON_EACH(v, json_at(c, "securityContext", "capabilities", "drop", NULL))
            drops |= str_is(json_str(v), "ALL");
        if (!drops)
            names_add(&bad, name_of(c));
    }
    if (bad.list.n) {
        buf_containers(detail, &bad.list);
        buf_z(detail, " must set securityContext.capabilities.drop=[\"ALL\"]");
    }
    violated = added_beyond(a, spec, allowed, &added);
    if (violated) {
        buf_z(detail, detail->n ? "; " : "");
        buf_str(detail, buf_view(&added));
    }
    buf_fini(&added);
    return violated || bad.list.n;
}

static bool check_volumes(struct arena *a, const struct json *spec, struct buf *detail)
{
    static const char *const allowed[] = {
        "configMap", "csi",    "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
        "projected", "secret", "image",       NULL};
    struct names bad = {.a = a}, types = {.a = a};

    JSON_EACH(v, json_findz(spec, "volumes"))
        JSON_EACH_MEMBER(m, v)
            if (!str_is(m->key, "name") && !one_of(m->key, allowed)) {
                bool had = false;

                names_add(&bad, name_of(v));
                JSON_EACH(k, &types.list)
                    had |= str_eq(k->s, m->key);
                if (!had)
                    names_add(&types, m->key);
            }
    if (!bad.list.n)
        return false;
    buf_z(detail, bad.list.n == 1 ? "volume " : "volumes ");
    buf_names(detail, &bad.list);
    buf_fmt(detail, " %s restricted volume %s ", bad.list.n == 1 ? "uses" : "use",
            types.list.n == 1 ? "type" : "types");
    buf_names(detail, &types.list);
    return true;
}

static bool check_non_root(struct arena *a, const struct json *spec, struct buf *detail)
{
    struct names explicit_bad = {.a = a}, implicit_bad = {.a = a};
    const struct json *pod = json_at(spec, "securityContext", "runAsNonRoot", NULL);
    bool pod_ok = json_is(pod, JSON_BOOL) && pod->b, pod_bad = json_is(pod, JSON_BOOL) && !pod->b;

    EACH_CONTAINER(c, spec) {
        const struct json *v = json_at(c, "securityContext", "runAsNonRoot", NULL);

        if (json_is(v, JSON_BOOL)) {
            if (!v->b)
                names_add(&explicit_bad, name_of(c));
        } else if (!pod_ok)
            names_add(&implicit_bad, name_of(c));
    }
    if (explicit_bad.list.n || (pod_bad && implicit_bad.list.n)) {
        if (pod_bad)
            buf_z(detail, explicit_bad.list.n ? "pod and " : "pod");
        if (explicit_bad.list.n)
            buf_containers(detail, &explicit_bad.list);
        buf_z(detail, " must not set securityContext.runAsNonRoot=false");
        return true;
    }
    if (!implicit_bad.list.n)
        return false;
    buf_z(detail, "pod or ");
    buf_containers(detail, &implicit_bad.list);
    buf_z(detail, " must set securityContext.runAsNonRoot=true");
    return true;
}

static bool check_user(struct arena *a, const struct json *spec, struct buf *detail)
{
    struct names bad = {.a = a};
    bool pod_bad = json_get_int(spec, "securityContext.runAsUser", 1) == 0;

    EACH_CONTAINER(c, spec)
        if (json_get_int(c, "securityContext.runAsUser", 1) == 0)
            names_add(&bad, name_of(c));
    if (!pod_bad && !bad.list.n)
        return false;
    if (pod_bad)
        buf_z(detail, bad.list.n ? "pod and " : "pod");
    if (bad.list.n)
        buf_containers(detail, &bad.list);
    buf_z(detail, " must not set runAsUser=0");
    return true;
}

static bool check_seccomp(struct arena *a, const struct json *spec, struct buf *detail)
{
    static const char *const good[] = {"RuntimeDefault", "Localhost", NULL};
    struct names explicit_bad = {.a = a}, implicit_bad = {.a = a};
    str pod = json_get_str(spec, "securityContext.seccompProfile.type");
    bool pod_ok = one_of(pod, good), pod_bad = pod.n && !pod_ok;

    EACH_CONTAINER(c, spec) {
        str t = json_get_str(c, "securityContext.seccompProfile.type");

        if (t.n) {
            if (!one_of(t, good))
                names_add(&explicit_bad, name_of(c));
        } else if (!pod_ok)
            names_add(&implicit_bad, name_of(c));
    }
    if (explicit_bad.list.n || (pod_bad && implicit_bad.list.n)) {
        if (pod_bad)
            buf_z(detail, explicit_bad.list.n ? "pod and " : "pod");
        if (explicit_bad.list.n)
            buf_containers(detail, &explicit_bad.list);
        buf_z(detail, " must not set securityContext.seccompProfile.type to \"Unconfined\"");
        return true;
    }
    if (!implicit_bad.list.n)
        return false;
    buf_z(detail, "pod or ");
    buf_containers(detail, &implicit_bad.list);
    buf_z(detail,
          " must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"");
    return true;
}

static const struct check {
    enum level level;
    bool not_when_restricted; /* a stricter row says the same */
    const char *reason;
    check_fn *violated;
} checks[] = {
    {BASELINE, false, "forbidden AppArmor profile", check_apparmor},
    {BASELINE, true, "non-default capabilities", check_capabilities},
    {BASELINE, false, "host namespaces", check_host_namespaces},
    {BASELINE, true, "hostPath volumes", check_host_path},
    {BASELINE, false, "hostPort", check_host_ports},
    {BASELINE, false, "privileged", check_privileged},
    {BASELINE, false, "procMount", check_proc_mount},
    {BASELINE, false, "seLinuxOptions", check_selinux},
    {BASELINE, true, "seccompProfile", check_seccomp_baseline},
    {BASELINE, false, "forbidden sysctls", check_sysctls},
    {BASELINE, false, "hostProcess", check_host_process},
    {RESTRICTED, false, "allowPrivilegeEscalation != false", check_escalation},
    {RESTRICTED, false, "unrestricted capabilities", check_capabilities_restricted},
    {RESTRICTED, false, "restricted volume types", check_volumes},
    {RESTRICTED, false, "runAsNonRoot != true", check_non_root},
    {RESTRICTED, false, "runAsUser=0", check_user},
    {RESTRICTED, false, "seccompProfile", check_seccomp},
};

/* All violations as "reason (detail), ..." and as reasons alone; empty: fine. */
static void evaluate(struct arena *a, const struct json *spec, enum level level,
                     struct buf *details, struct buf *reasons)
{
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        struct buf d = BUF_INIT;

        if (checks[i].level > level || (level == RESTRICTED && checks[i].not_when_restricted))
            continue;
        if (checks[i].violated(a, spec, &d)) {
            if (details)
                buf_fmt(details, "%s%s (" PRI_STR ")", details->n ? ", " : "", checks[i].reason,
                        STR_ARG(buf_view(&d)));
            if (reasons)
                buf_fmt(reasons, "%s%s", reasons->n ? ", " : "", checks[i].reason);
        }
        buf_fini(&d);
    }
}

/* ---- policies from labels ---- */

static bool level_parse(str s, enum level *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++)
        if (str_is(s, level_names[i])) {
            *ret = (enum level)i;
            return true;
        }
    return false;
}

static bool version_is_valid(str s)
{
    int64_t minor;

    return str_is(s, "latest") || (str_has_prefix(s, S("v1.")) && s.n > 3 &&
                                   str_to_int64(str_skip(s, 3), &minor) && minor >= 0);
}

static struct policy policy_of(struct arena *a, const struct json *labels, const char *mode)
{
    struct policy p = {PRIVILEGED, S("latest")};
    const struct json *level = json_find(labels, arena_fmt(a, LABEL "%s", mode)),
                      *version = json_find(labels, arena_fmt(a, LABEL "%s-version", mode));

    if (level && !level_parse(json_str(level), &p.level))
        p.level = RESTRICTED; /* what cannot be read is taken at its strictest */
    if (version && version_is_valid(json_str(version)))
        p.version = json_str(version);
    return p;
}

static str policy_text(struct arena *a, const struct policy *p)
{
    return arena_fmt(a, "%s:" PRI_STR, level_names[p->level], STR_ARG(p->version));
}

/* ---- namespaces: labels must mean something, and tightening tells which pods would not fit ----
 */

struct fit {
    struct write *w;
    enum level level;
    struct json groups;
}; /* reasons -> names */

static bool fit_pod(void *ctx, const struct obj *o)
{
    struct fit *f = ctx;
    struct arena *a = f->w->a;
    struct buf reasons = BUF_INIT;
    struct json *list;

    evaluate(a, json_findz(object_parse(a, arena_dup(a, o->data)), "spec"), f->level, NULL,
             &reasons);
    if (reasons.n) {
        list = json_find(&f->groups, buf_view(&reasons));
        if (!list)
            list = json_set(a, &f->groups, arena_dup(a, buf_view(&reasons)), json_array());
        json_append(a, list, json_string(arena_dup(a, o->key.name)));
    }
    buf_fini(&reasons);
    return true;
}

static struct err *check_namespace(struct write *w)
{
    static const char *const modes[] = {"enforce", "audit", "warn"};
    const struct json *labels = json_at(w->obj, "metadata", "labels", NULL),
                      *old = json_at(w->old, "metadata", "labels", NULL);
    struct policy now, was;
    struct err *errs = NULL;

    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        str key = arena_fmt(w->a, LABEL "%s", modes[i]),
            version_key = arena_fmt(w->a, LABEL "%s-version", modes[i]);
        const struct json *level = json_find(labels, key),
                          *version = json_find(labels, version_key);
        enum level l;

        if (level && !level_parse(json_str(level), &l))
            cause(&errs, CAUSE_INVALID,
                  arena_fmt(w->a, "metadata.labels[" PRI_STR "]", STR_ARG(key)),
                  "Invalid value: \"" PRI_STR "\": must be one of privileged, baseline, restricted",
                  STR_ARG(json_str(level)));
        if (version && !version_is_valid(json_str(version)))
            cause(&errs, CAUSE_INVALID,
                  arena_fmt(w->a, "metadata.labels[" PRI_STR "]", STR_ARG(version_key)),
                  "Invalid value: \"" PRI_STR "\": must be \"latest\" or \"v1.x\"",
                  STR_ARG(json_str(version)));
    }
    if (errs)
        return err_invalid(errs, S(""), S("Namespace"),
                           w->name.n ? w->name : meta_str(w->obj, "name"));
    if (!w->old)
        return NULL;
    now = policy_of(w->a, labels, "enforce");
    was = policy_of(w->a, old, "enforce");
    if (now.level > was.level) {
        struct fit f = {.w = w, .level = now.level, .groups = json_object()};

        store_each(w->api->store, api_core(w->api, "pods")->r->storage_resource, w->name, NULL,
                   fit_pod, &f);
        if (f.groups.n)
            req_warn(w->req,
                     arena_fmt(w->a,
                               "existing pods in namespace \"" PRI_STR
                               "\" violate the new PodSecurity enforce level \"" PRI_STR "\"",
                               STR_ARG(w->name), STR_ARG(policy_text(w->a, &now))));
        JSON_EACH_MEMBER(m, &f.groups) {
            str first = json_str(json_item(&m->value, 0));
            uint32_t others = m->value.n - 1;

            if (others)
                req_warn(w->req,
                         arena_fmt(w->a, PRI_STR " (and %u other pod%s): " PRI_STR, STR_ARG(first),
                                   others, others == 1 ? "" : "s", STR_ARG(m->key)));
            else
                req_warn(w->req,
                         arena_fmt(w->a, PRI_STR ": " PRI_STR, STR_ARG(first), STR_ARG(m->key)));
        }
    }
    return NULL;
}

/* ---- pods and what makes them ---- */

static const struct {
    const char *group, *plural, *template;
} templates[] = {
    {"", "podtemplates", "template"},
    {"", "replicationcontrollers", "spec.template"},
    {"apps", "replicasets", "spec.template"},
    {"apps", "deployments", "spec.template"},
    {"apps", "statefulsets", "spec.template"},
    {"apps", "daemonsets", "spec.template"},
    {"batch", "jobs", "spec.template"},
    {"batch", "cronjobs", "spec.jobTemplate.spec.template"},
};

static const struct json *spec_of(const struct write *w, bool *ret_is_pod)
{
    str group = w->kind->r->group, plural = w->kind->r->plural;

    *ret_is_pod = !group.n && str_is(plural, "pods");
    if (*ret_is_pod)
        return json_findz(w->obj, "spec");
    for (size_t i = 0; i < ARRAY_LEN(templates); i++)
        if (str_is(group, templates[i].group) && str_is(plural, templates[i].plural))
            return json_findz(json_path(w->obj, templates[i].template), "spec");
    return NULL;
}

struct err *pod_security(struct write *w)
{
    const struct kind *namespaces = api_core(w->api, "namespaces");
    const struct obj *ns;
    const struct json *labels, *spec;
    struct policy enforce, tell;
    struct buf details = BUF_INIT;
    struct err *e = NULL;
    bool is_pod;

    if (w->kind == namespaces)
        return w->subresource.n ? NULL : check_namespace(w);
    if (w->bootstrap || !w->kind->r->namespaced ||
        (w->subresource.n && !str_is(w->subresource, "ephemeralcontainers")))
        return NULL;
    spec = spec_of(w, &is_pod);
    /* What may change in a pod by plain updates has no bearing on its security. */
    if (!spec || (is_pod && w->old && !w->subresource.n))
        return NULL;
    ns = store_find(w->api->store, kind_key(namespaces, S(""), w->ns));
    if (!ns || str_find(ns->labels, S(LABEL)) < 0)
        return NULL;
    labels = json_at(object_parse(w->a, arena_dup(w->a, ns->data)), "metadata", "labels", NULL);
    enforce = policy_of(w->a, labels, "enforce");
    tell = policy_of(w->a, labels, "warn");
    if (is_pod && enforce.level > PRIVILEGED) {
        evaluate(w->a, spec, enforce.level, &details, NULL);
        if (details.n)
            e = err_forbidden(w->kind, w->name.n ? w->name : meta_str(w->obj, "name"),
                              "violates PodSecurity \"" PRI_STR "\": " PRI_STR,
                              STR_ARG(policy_text(w->a, &enforce)), STR_ARG(buf_view(&details)));
    }
    if (!e && tell.level > PRIVILEGED) {
        buf_clear(&details);
        evaluate(w->a, spec, tell.level, &details, NULL);
        if (details.n)
            req_warn(w->req,
                     arena_fmt(w->a, "would violate PodSecurity \"" PRI_STR "\": " PRI_STR,
                               STR_ARG(policy_text(w->a, &tell)), STR_ARG(buf_view(&details))));
    }
    buf_fini(&details);
    return e;
}
