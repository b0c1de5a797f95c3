/* cri_config.c - a pod's specification in CRI's terms; see cri_config.h. Pure.
 *
 * API: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/ */
#include "kubelet/cri_config.h"

#include "kubelet/cgroup.h"

/* What a container must not see of /proc and /sys, and what it must not write (procMount Default). */
static const char *const masked_paths[] = {
    "/proc/asound",     "/proc/acpi",        "/proc/interrupts",
    "/proc/kcore",      "/proc/keys",        "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
    "/proc/scsi",       "/sys/firmware",     "/sys/devices/virtual/powercap"};
static const char *const read_only_paths[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                              "/proc/sysrq-trigger"};

str pod_log_dir(struct arena *a, str ns, str name, str uid)
{
    return arena_fmt(a, POD_LOGS "/" PRI_STR "_" PRI_STR "_" PRI_STR, STR_ARG(ns), STR_ARG(name),
                     STR_ARG(uid));
}

static struct json strings(struct arena *a, const char *const *z, size_t n)
{
    struct json v = json_array();

    for (size_t i = 0; i < n; i++)
        json_append(a, &v, json_z(z[i]));
    return v;
}

const struct json *podspec_security(const struct json *pod, const struct json *container,
                                    const char *field)
{
    const struct json *v = json_at(container, "securityContext", field, NULL);

    return v && v->type != JSON_NULL ? v : json_at(pod, "spec", "securityContext", field, NULL);
}

static void set_int64_value(struct arena *a, struct json *obj, const char *key,
                            const struct json *v)
{
    struct json wrapped = json_object();

    if (!json_is(v, JSON_INT))
        return;
    json_setz(a, &wrapped, "value", json_int(v->i));
    json_setz(a, obj, key, wrapped);
}

static struct json namespace_options(struct arena *a, const struct json *pod, str target)
{
    struct json v = json_object();
    int pid = NAMESPACE_CONTAINER;

    if (json_get_bool(pod, "spec.hostPID", false))
        pid = NAMESPACE_NODE;
    else if (json_get_bool(pod, "spec.shareProcessNamespace", false))
        pid = NAMESPACE_POD;
    else if (target.n)
        pid = NAMESPACE_TARGET;
    json_setz(a, &v, "network",
              json_int(podspec_is_host_network(pod) ? NAMESPACE_NODE : NAMESPACE_POD));
    json_setz(a, &v, "pid", json_int(pid));
    json_setz(a, &v, "ipc",
              json_int(json_get_bool(pod, "spec.hostIPC", false) ? NAMESPACE_NODE : NAMESPACE_POD));
    if (pid == NAMESPACE_TARGET)
        json_setz(a, &v, "target_id", json_string(target));
    return v;
}

static struct json supplemental_groups(struct arena *a, const struct json *pod)
{
    const struct json *sc = json_at(pod, "spec", "securityContext", NULL),
                      *fs = json_findz(sc, "fsGroup");
    struct json v = json_array();

    JSON_EACH(g, json_findz(sc, "supplementalGroups"))
        json_append(a, &v, *g);
    if (json_is(fs, JSON_INT))
        json_append(a, &v, *fs);
    return v;
}

static struct json seccomp_profile(struct arena *a, const struct json *profile, str dir)
{
    struct json v = json_object();
    str type = json_str(json_findz(profile, "type"));

    if (str_is(type, "RuntimeDefault")) {
        json_setz(a, &v, "profile_type", json_int(PROFILE_RUNTIME_DEFAULT));
    } else if (str_is(type, "Localhost")) {
        json_setz(a, &v, "profile_type", json_int(PROFILE_LOCALHOST));
        json_setz(a, &v, "localhost_ref",
                  json_string(arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(dir),
                                        STR_ARG(json_get_str(profile, "localhostProfile")))));
    } else {
        json_setz(a, &v, "profile_type", json_int(PROFILE_UNCONFINED));
    }
    return v;
}

static bool any_privileged(const struct json *pod)
{
    static const enum container_kind kinds[] = {CONTAINER_INIT, CONTAINER_REGULAR};

    for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
        JSON_EACH(c, json_at(pod, "spec", podspec_container_list(kinds[k]), NULL))
            if (json_get_bool(c, "securityContext.privileged", false))
                return true;
    return false;
}

/* ---- sandbox ---- */

static int protocol_of(str s)
{
    return str_is(s, "UDP") ? 1 : str_is(s, "SCTP") ? 2 : 0;
}

static struct json port_mappings(struct arena *a, const struct json *pod)
{
    struct json list = json_array();
    static const enum container_kind kinds[] = {CONTAINER_REGULAR, CONTAINER_INIT};

    for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
        JSON_EACH(c, json_at(pod, "spec", podspec_container_list(kinds[k]), NULL)) {
            if (kinds[k] == CONTAINER_INIT && !podspec_is_sidecar(c))
                continue;
            JSON_EACH(p, json_findz(c, "ports")) {
                struct json m = json_object();

                if (json_get_int(p, "hostPort", 0) <= 0)
                    continue;
                json_setz(a, &m, "protocol", json_int(protocol_of(json_get_str(p, "protocol"))));
                json_setz(a, &m, "container_port", json_int(json_get_int(p, "containerPort", 0)));
                json_setz(a, &m, "host_port", json_int(json_get_int(p, "hostPort", 0)));
                if (json_get_str(p, "hostIP").n)
                    json_setz(a, &m, "host_ip", json_string(json_get_str(p, "hostIP")));
                json_append(a, &list, m);
            }
        }
    return list;
}

static struct json string_map(struct arena *a, const struct json *map)
{
    struct json v = json_object();

    JSON_EACH_MEMBER(m, map)
        if (json_is(&m->value, JSON_STRING))
            json_set(a, &v, m->key, m->value);
    return v;
}

static void add_pod_labels(struct arena *a, const struct json *pod, struct json *labels)
{
    json_setz(a, labels, LABEL_POD_NAME, json_string(json_get_str(pod, "metadata.name")));
    json_setz(a, labels, LABEL_POD_NAMESPACE, json_string(json_get_str(pod, "metadata.namespace")));
    json_setz(a, labels, LABEL_POD_UID, json_string(json_get_str(pod, "metadata.uid")));
}

struct json cri_sandbox_config(struct arena *a, const struct json *pod, uint32_t attempt,
                               str hostname, const struct json *dns, str cgroup_parent)
{
    str ns = json_get_str(pod, "metadata.namespace"), name = json_get_str(pod, "metadata.name"),
        uid = json_get_str(pod, "metadata.uid");
    const struct json *sc = json_at(pod, "spec", "securityContext", NULL);
    struct json config = json_object(), meta = json_object(), labels, linux_config = json_object(),
                security = json_object(), sysctls = json_object();
    struct json seccomp = json_object();

    json_setz(a, &meta, "name", json_string(name));
    json_setz(a, &meta, "uid", json_string(uid));
    json_setz(a, &meta, "namespace", json_string(ns));
    json_setz(a, &meta, "attempt", json_int(attempt));
    json_setz(a, &config, "metadata", meta);
    if (!podspec_is_host_network(pod))
        json_setz(a, &config, "hostname", json_string(hostname));
    json_setz(a, &config, "log_directory", json_string(pod_log_dir(a, ns, name, uid)));
    json_setz(a, &config, "dns_config", *dns);
    if (!podspec_is_host_network(pod))
        json_setz(a, &config, "port_mappings", port_mappings(a, pod));
    labels = string_map(a, json_at(pod, "metadata", "labels", NULL));
    add_pod_labels(a, pod, &labels);
    json_setz(a, &config, "labels", labels);
    json_setz(a, &config, "annotations",
              string_map(a, json_at(pod, "metadata", "annotations", NULL)));

    json_setz(a, &security, "namespace_options", namespace_options(a, pod, STR_NONE));
    set_int64_value(a, &security, "run_as_user", json_findz(sc, "runAsUser"));
    if (json_findz(sc, "runAsUser"))
        set_int64_value(a, &security, "run_as_group", json_findz(sc, "runAsGroup"));
    json_setz(a, &security, "supplemental_groups", supplemental_groups(a, pod));
    json_setz(a, &security, "privileged", json_bool(any_privileged(pod)));
    json_setz(a, &seccomp, "profile_type", json_int(PROFILE_RUNTIME_DEFAULT));
    json_setz(a, &security, "seccomp", seccomp);
    JSON_EACH(s, json_findz(sc, "sysctls"))
        json_set(a, &sysctls, json_get_str(s, "name"), json_string(json_get_str(s, "value")));
    json_setz(a, &linux_config, "cgroup_parent", json_string(cgroup_parent));
    json_setz(a, &linux_config, "security_context", security);
    json_setz(a, &linux_config, "sysctls", sysctls);
    json_setz(a, &config, "linux", linux_config);
    return config;
}

/* ---- container ---- */

static struct json resources_of(struct arena *a, const struct cri_container_input *in)
{
    const struct json *pod = in->pc->pod;
    struct json r = json_object();
    int64_t v;
    int oom = podspec_oom_score_adj(pod, in->container, in->pc->node_memory_bytes);

    json_setz(a, &r, "cpu_shares",
              json_int(cgroup_shares_of_milli(podspec_request(in->container, S("cpu")))));
    json_setz(a, &r, "cpu_period", json_int(CGROUP_CPU_PERIOD_US));
    if (podspec_resource(in->container, "limits", S("cpu"), &v) && v > 0)
        json_setz(a, &r, "cpu_quota", json_int(cgroup_quota_of_milli(v, CGROUP_CPU_PERIOD_US)));
    if (podspec_resource(in->container, "limits", S("memory"), &v) && v > 0)
        json_setz(a, &r, "memory_limit_in_bytes", json_int(v));
    json_setz(a, &r, "oom_score_adj", json_int(oom));
    return r;
}

static struct json capabilities_of(struct arena *a, const struct json *container)
{
    const struct json *caps = json_at(container, "securityContext", "capabilities", NULL);
    struct json v = json_object();
    static const struct {
        const char *api, *cri;
    } sets[] = {{"add", "add_capabilities"}, {"drop", "drop_capabilities"}};

    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        struct json list = json_array();

        JSON_EACH(c, json_findz(caps, sets[i].api))
            json_append(a, &list, *c);
        json_setz(a, &v, sets[i].cri, list);
    }
    return v;
}

static struct err *check_non_root(const struct cri_container_input *in)
{
    CLEANUP(buf) struct buf name = BUF_INIT;
    const struct json *pod = in->pc->pod;
    const struct json *non_root = podspec_security(pod, in->container, "runAsNonRoot"),
                      *user = podspec_security(pod, in->container, "runAsUser");
    str container = podspec_container_name(in->container);

    if (!non_root || !non_root->b)
        return NULL;
    buf_pod_name(&name, pod);
    if (json_is(user, JSON_INT)) {
        if (user->i != 0)
            return NULL;
        return err_new(
            REASON_INVALID,
            "container's runAsUser breaks non-root policy (pod: \"%s\", container: " PRI_STR ")",
            buf_cstr(&name), STR_ARG(container));
    }
    if (in->image_uid > 0)
        return NULL;
    if (in->image_username.n && !str_is(in->image_username, "root"))
        return err_new(REASON_INVALID,
                       "container has runAsNonRoot and image has non-numeric user (" PRI_STR
                       "), cannot verify user is non-root (pod: \"%s\", container: " PRI_STR ")",
                       STR_ARG(in->image_username), buf_cstr(&name), STR_ARG(container));
    return err_new(
        REASON_INVALID,
        "container has runAsNonRoot and image will run as root (pod: \"%s\", container: " PRI_STR
        ")",
        buf_cstr(&name), STR_ARG(container));
}

static struct json security_of(struct arena *a, const struct cri_container_input *in)
{
    const struct json *pod = in->pc->pod, *c = in->container,
                      *own = json_findz(c, "securityContext");
    const struct json *escalation = json_findz(own, "allowPrivilegeEscalation"),
                      *user = podspec_security(pod, c, "runAsUser");
    bool privileged = json_get_bool(own, "privileged", false);
    struct json s = json_object();

    json_setz(a, &s, "capabilities", capabilities_of(a, c));
    json_setz(a, &s, "privileged", json_bool(privileged));
    json_setz(a, &s, "namespace_options", namespace_options(a, pod, in->target_container_id));
    if (json_is(user, JSON_INT))
        set_int64_value(a, &s, "run_as_user", user);
    else if (in->image_uid >= 0) {
        struct json v = json_int(in->image_uid);

        set_int64_value(a, &s, "run_as_user", &v);
    } else if (in->image_username.n) {
        json_setz(a, &s, "run_as_username", json_string(in->image_username));
    }
    set_int64_value(a, &s, "run_as_group", podspec_security(pod, c, "runAsGroup"));
    json_setz(a, &s, "readonly_rootfs",
              json_bool(json_get_bool(own, "readOnlyRootFilesystem", false)));
    json_setz(a, &s, "supplemental_groups", supplemental_groups(a, pod));
    if (str_is(json_get_str(pod, "spec.securityContext.supplementalGroupsPolicy"), "Strict"))
        json_setz(a, &s, "supplemental_groups_policy", json_int(1));
    json_setz(a, &s, "no_new_privs", json_bool(escalation && !escalation->b && !privileged));
    json_setz(a, &s, "seccomp",
              privileged ? seccomp_profile(a, NULL, STR_NONE)
                         : seccomp_profile(a, podspec_security(pod, c, "seccompProfile"),
                                           in->seccomp_dir));
    if (!str_is(json_get_str(own, "procMount"), "Unmasked")) {
        json_setz(a, &s, "masked_paths", strings(a, masked_paths, ARRAY_LEN(masked_paths)));
        json_setz(a, &s, "readonly_paths", strings(a, read_only_paths, ARRAY_LEN(read_only_paths)));
    }
    return s;
}

static struct json expanded(struct arena *a, const struct env *env, const struct json *list)
{
    struct json v = json_array();

    JSON_EACH(it, list)
        json_append(a, &v, json_string(env_expand(a, env, json_str(it), NULL)));
    return v;
}

static str encoded(struct arena *a, const struct json *v)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    json_encode(&b, v);
    return arena_dup(a, buf_view(&b));
}

static struct json notes_of(struct arena *a, const struct cri_container_input *in)
{
    const struct json *c = in->container, *pre_stop = json_at(c, "lifecycle", "preStop", NULL),
                      *ports = json_findz(c, "ports");
    str policy = json_get_str(c, "terminationMessagePolicy"),
        path = json_get_str(c, "terminationMessagePath");
    struct json n = json_object();
    char hash[9];

    podspec_container_hash(c, hash);
    json_setz(a, &n, NOTE_HASH, json_string(arena_dup(a, str_of(hash))));
    json_setz(a, &n, NOTE_RESTART_COUNT,
              json_string(arena_fmt(a, "%lld", (long long)in->restart_count)));
    json_setz(a, &n, NOTE_TERMINATION_PATH, json_string(path.n ? path : S("/dev/termination-log")));
    json_setz(a, &n, NOTE_TERMINATION_POLICY, json_string(policy.n ? policy : S("File")));
    json_setz(a, &n, NOTE_GRACE,
              json_string(arena_fmt(
                  a, "%lld",
                  (long long)json_get_int(in->pc->pod, "spec.terminationGracePeriodSeconds", 30))));
    if (pre_stop)
        json_setz(a, &n, NOTE_PRE_STOP, json_string(encoded(a, pre_stop)));
    if (json_count(ports))
        json_setz(a, &n, NOTE_PORTS, json_string(encoded(a, ports)));
    return n;
}

struct err *cri_container_config(struct arena *a, const struct cri_container_input *in,
                                 struct json *ret)
{
    const struct json *c = in->container;
    struct json config = json_object(), meta = json_object(), image = json_object(),
                labels = json_object(), envs = json_array(), mounts = json_array();
    struct json linux_config = json_object();
    str name = podspec_container_name(c);
    struct err *err = check_non_root(in);

    if (err)
        return err;
    json_setz(a, &meta, "name", json_string(name));
    json_setz(a, &meta, "attempt", json_int(in->restart_count));
    json_setz(a, &config, "metadata", meta);
    json_setz(a, &image, "image", json_string(in->image_ref));
    json_setz(a, &image, "user_specified_image", json_string(json_get_str(c, "image")));
    json_setz(a, &config, "image", image);
    json_setz(a, &config, "command", expanded(a, in->env, json_findz(c, "command")));
    json_setz(a, &config, "args", expanded(a, in->env, json_findz(c, "args")));
    json_setz(a, &config, "working_dir", json_string(json_get_str(c, "workingDir")));
    for (size_t i = 0; i < in->env->n; i++) {
        struct json kv = json_object();

        json_setz(a, &kv, "key", json_string(in->env->vars[i].name));
        json_setz(a, &kv, "value", json_string(in->env->vars[i].value));
        json_append(a, &envs, kv);
    }
    json_setz(a, &config, "envs", envs);
    for (size_t i = 0; i < in->n_mounts; i++) {
        struct json m = json_object();

        json_setz(a, &m, "container_path", json_string(in->mounts[i].container_path));
        json_setz(a, &m, "host_path", json_string(in->mounts[i].host_path));
        json_setz(a, &m, "readonly", json_bool(in->mounts[i].read_only));
        json_setz(a, &m, "propagation", json_int(in->mounts[i].propagation));
        json_append(a, &mounts, m);
    }
    json_setz(a, &config, "mounts", mounts);
    add_pod_labels(a, in->pc->pod, &labels);
    json_setz(a, &labels, LABEL_CONTAINER_NAME, json_string(name));
    json_setz(a, &config, "labels", labels);
    json_setz(a, &config, "annotations", notes_of(a, in));
    json_setz(a, &config, "log_path",
              json_string(
                  arena_fmt(a, PRI_STR "/%lld.log", STR_ARG(name), (long long)in->restart_count)));
    json_setz(a, &config, "stdin", json_bool(json_get_bool(c, "stdin", false)));
    json_setz(a, &config, "stdin_once", json_bool(json_get_bool(c, "stdinOnce", false)));
    json_setz(a, &config, "tty", json_bool(json_get_bool(c, "tty", false)));
    json_setz(a, &linux_config, "resources", resources_of(a, in));
    json_setz(a, &linux_config, "security_context", security_of(a, in));
    json_setz(a, &config, "linux", linux_config);
    *ret = config;
    return NULL;
}
