/* pod.c - warnings about pods and their templates: what is out of use, does nothing, or is hidden.
 *
 * Source: pkg/api/pod/warnings.go */
#include "api/validation/container.h"
#include "api/warnings/warn.h"

#define NO_SELECTOR "a null labelSelector results in matching no pod"

static const char required[] = "requiredDuringSchedulingIgnoredDuringExecution",
                  preferred[] = "preferredDuringSchedulingIgnoredDuringExecution";

static void warn_node_affinity(struct write *w, const struct at *at, const struct json *affinity)
{
    const struct json *node = field(affinity, "nodeAffinity");
    const struct at *at_node = AT(at, "nodeAffinity");
    int64_t i = 0;

    JSON_EACH(t, field_at(field(node, required), "nodeSelectorTerms"))
        warn_node_term(w, AT_INDEX(AT(AT(at_node, required), "nodeSelectorTerms"), i++), t, false);
    i = 0;
    JSON_EACH(t, field(node, preferred))
        warn_node_term(w, AT(AT_INDEX(AT(at_node, preferred), i++), "preference"),
                       field(t, "preference"), false);
}

static void warn_pod_affinity(struct write *w, const struct at *at, const struct json *affinity)
{
    static const char *const of_pods[] = {"podAffinity", "podAntiAffinity"};
    int64_t i;

    for (size_t k = 0; k < ARRAY_LEN(of_pods); k++) {
        const struct json *pods = field(affinity, of_pods[k]);
        const struct at *here = AT(at, of_pods[k]);

        i = 0;
        JSON_EACH(t, field(pods, required)) {
            if (!field(t, "labelSelector"))
                warn_at(w, AT(AT_INDEX(AT(here, required), i), "labelSelector"), NO_SELECTOR);
            i++;
        }
        i = 0;
        JSON_EACH(t, field(pods, preferred)) {
            if (!field_at(t, "podAffinityTerm.labelSelector"))
                warn_at(
                    w, AT(AT(AT_INDEX(AT(here, preferred), i), "podAffinityTerm"), "labelSelector"),
                    NO_SELECTOR);
            i++;
        }
    }
}

static void warn_spread(struct write *w, const struct at *at, const struct json *constraints)
{
    int64_t i = 0;

    JSON_EACH(t, constraints) {
        const struct at *here = AT_INDEX(at, i++);
        str key = json_get_str(t, "topologyKey");

        if (label_message(key))
            warn_at(w, AT(here, "topologyKey"), PRI_STR " is %s", STR_ARG(key), label_message(key));
        if (!field(t, "labelSelector"))
            warn_at(w, AT(here, "labelSelector"), NO_SELECTOR);
    }
}

static void warn_annotations(struct write *w, const struct at *at, const struct json *annotations)
{
    static const struct {
        const char *key, *message;
    } deprecated[] = {
        {"scheduler.alpha.kubernetes.io/critical-pod",
         "non-functional in v1.16+; use the \"priorityClassName\" field instead"},
        {"security.alpha.kubernetes.io/sysctls",
         "non-functional in v1.11+; use the \"sysctls\" field instead"},
        {"security.alpha.kubernetes.io/unsafe-sysctls",
         "non-functional in v1.11+; use the \"sysctls\" field instead"},
    };

    for (size_t i = 0; i < ARRAY_LEN(deprecated); i++)
        if (json_findz(annotations, deprecated[i].key))
            warn_at(w, AT_KEY(at, str_of(deprecated[i].key)), "%s", deprecated[i].message);
}

static void warn_volumes(struct write *w, const struct at *at, const struct json *volumes)
{
    static const struct {
        const char *source, *place, *message;
    } deprecated[] = {
        {"photonPersistentDisk", "photonPersistentDisk",
         "deprecated in v1.11, non-functional in v1.16+"},
        {"gitRepo", "gitRepo", "deprecated in v1.11"},
        {"scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"},
        {"flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"},
        {"storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"},
        {"quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"},
        {"glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"},
        {"cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"},
        {"rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"},
    };
    int64_t i = 0;

    JSON_EACH(v, volumes) {
        const struct at *here = AT_INDEX(at, i++);
        const struct json *template = field_at(v, "ephemeral.volumeClaimTemplate");

        for (size_t k = 0; k < ARRAY_LEN(deprecated); k++)
            if (field(v, deprecated[k].source))
                warn_at(w, AT(here, deprecated[k].place), "%s", deprecated[k].message);
        if (template)
            warn_claim_spec(w, AT(AT(AT(here, "ephemeral"), "volumeClaimTemplate"), "spec"),
                            field(template, "spec"));
    }
}

/* ---- things named twice ---- */

static void warn_twice(struct write *w, const struct at *at, const struct json *list,
                       const char *name)
{
    struct map seen;
    int64_t i = 0;

    map_init(&seen);
    JSON_EACH(item, list) {
        str v = json_get_str(item, name);

        if (map_find(&seen, v))
            warn_at(w, AT(AT_INDEX(at, i), name), "duplicate %s %s", name, quoted(w->a, v));
        map_put(&seen, v, w);
        i++;
    }
    map_fini(&seen);
}

/* A later value that refers to the earlier one is a way to extend it. */
static bool hides(struct arena *a, const struct json *env)
{
    str value = json_get_str(env, "value"),
        ref = arena_fmt(a, "$(" PRI_STR ")", STR_ARG(json_get_str(env, "name")));

    return field(env, "valueFrom") || str_eq(value, ref) || str_find(value, ref) < 0;
}

static void warn_env(struct write *w, const struct at *at, const struct json *env)
{
    struct map seen;
    int64_t i = 0;

    map_init(&seen);
    JSON_EACH(e, env) {
        str name = json_get_str(e, "name");

        if (map_find(&seen, name) && hides(w->a, e))
            warn_at(w, AT_INDEX(at, i),
                    "hides previous definition of %s, which may be dropped when using apply",
                    quoted(w->a, name));
        map_put(&seen, name, w);
        i++;
    }
    map_fini(&seen);
}

/* ---- ports, of all containers together: they share the network ---- */

#define PORTS_COMPARED_MAX 64 /* definitions of one port; the others are not looked at */

struct port {
    struct port *next; /* with the same number and protocol, in order */
    const struct json *port;
    str place;
};

static void warn_port_pair(struct write *w, const struct port *p, const struct port *other)
{
    str ip = json_get_str(p->port, "hostIP"), other_ip = json_get_str(other->port, "hostIP");
    int64_t host = json_get_int(p->port, "hostPort", 0),
            other_host = json_get_int(other->port, "hostPort", 0);
    const char *what = NULL;

    if (str_eq(ip, other_ip) && host == other_host)
        what = "duplicate";
    else if (!host || !other_host)
        what = "overlapping";
    else if (host == other_host && !ip.n != !other_ip.n)
        what = "dangerously ambiguous";
    if (what)
        warn(w, PRI_STR ": %s port definition with " PRI_STR, STR_ARG(p->place), what,
             STR_ARG(other->place));
}

static str place_text(struct arena *a, const struct at *at)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_place(&b, at);
    return arena_dup(a, buf_view(&b));
}

static void warn_port(struct write *w, const struct at *at, const struct json *port,
                      struct map *all)
{
    long long number = json_get_int(port, "containerPort", 0);
    str protocol = json_get_str(port, "protocol"), ip = json_get_str(port, "hostIP"),
        key = arena_fmt(w->a, "%lld/" PRI_STR, number, STR_ARG(protocol));
    struct port *p = ARENA_NEW(w->a, struct port), *last = map_find(all, key);

    *p = (struct port){.port = port, .place = place_text(w->a, at)};
    if (ip.n && !json_get_int(port, "hostPort", 0))
        warn(w,
             PRI_STR ": hostIP set without hostPort: {Name:" PRI_STR
                     " HostPort:0 ContainerPort:%lld Protocol:" PRI_STR " HostIP:" PRI_STR "}",
             STR_ARG(p->place), STR_ARG(json_get_str(port, "name")), number, STR_ARG(protocol),
             STR_ARG(ip));
    if (!last) {
        map_put(all, key, p);
        return;
    }
    for (int n = 0; last; last = last->next) {
        warn_port_pair(w, p, last);
        if (++n == PORTS_COMPARED_MAX)
            return;
        if (!last->next)
            break;
    }
    last->next = p;
}

/* Who asks for a port by its name gets the first one. */
static void warn_port_name(struct write *w, const struct at *at, const struct json *port,
                           struct map *names)
{
    str name = json_get_str(port, "name"), *place, *other;

    if (!name.n)
        return;
    place = ARENA_NEW(w->a, str);
    *place = place_text(w->a, at);
    other = map_find(names, name);
    if (!other)
        map_put(names, name, place);
    else
        warn(w,
             PRI_STR ": duplicate port name %s with " PRI_STR ", services and probes that select "
                     "ports by name will use " PRI_STR,
             STR_ARG(*place), quoted(w->a, name), STR_ARG(*other), STR_ARG(*other));
}

static void warn_ports(struct write *w, const struct at *at_spec, const struct json *spec)
{
    struct map ports, names;
    int64_t i;

    map_init(&ports);
    EACH_CONTAINER(it, at_spec, spec) {
        i = 0;
        JSON_EACH(p, field(it.container, "ports"))
            warn_port(w, AT_INDEX(AT(&it.at, "ports"), i++), p, &ports);
    }
    map_fini(&ports);
    map_init(&names);
    EACH_CONTAINER(it, at_spec, spec) {
        i = 0;
        JSON_EACH(p, field(it.container, "ports"))
            warn_port_name(w, AT_INDEX(AT(&it.at, "ports"), i++), p, &names);
    }
    map_fini(&names);
}

static void warn_container(struct write *w, const struct at *at, const struct json *c,
                           const struct at *at_annotations, const struct json *pod,
                           bool in_template)
{
    static const char *const lists[] = {"limits", "requests"}, *const bytes[] = {
                                                                   "memory", "ephemeral-storage"};
    const struct json *annotations = field_at(pod, "metadata.annotations"),
                      *security = field(c, "securityContext");
    str name = json_get_str(c, "name"),
        seccomp = arena_fmt(w->a, "container.seccomp.security.alpha.kubernetes.io/" PRI_STR,
                            STR_ARG(name)),
        apparmor = arena_fmt(w->a, "container.apparmor.security.beta.kubernetes.io/" PRI_STR,
                             STR_ARG(name));

    if (!field(security, "seccompProfile") && json_find(annotations, seccomp))
        warn_at(w, AT_KEY(at_annotations, seccomp),
                "non-functional in v1.27+; use the \"seccompProfile\" field instead");
    /* Of a pod itself, what the annotation says becomes the field, and is warned about there. */
    if (in_template && !field(security, "appArmorProfile") &&
        !field_at(pod, "spec.securityContext.appArmorProfile") && json_find(annotations, apparmor))
        warn_at(w, AT_KEY(at_annotations, apparmor),
                "deprecated since v1.30; use the \"appArmorProfile\" field instead");
    for (size_t i = 0; i < ARRAY_LEN(bytes); i++)
        for (size_t k = 0; k < ARRAY_LEN(lists); k++)
            warn_fraction(w, AT(AT(at, "resources"), lists[k]),
                          field(field(c, "resources"), lists[k]), bytes[i]);
    warn_env(w, AT(at, "env"), field(c, "env"));
}

void warn_pod(struct write *w, const struct at *at, const struct json *pod)
{
    const struct json *spec = field(pod, "spec"),
                      *annotations = field_at(pod, "metadata.annotations");
    const struct at *at_spec = AT(at, "spec"),
                    *at_annotations = AT(AT(at, "metadata"), "annotations");
    static const str seccomp = STR("seccomp.security.alpha.kubernetes.io/pod");
    int64_t i = 0;

    JSON_EACH_MEMBER(m, field(spec, "nodeSelector"))
        if (label_message(m->key))
            warn_at(w, AT_KEY(AT(at_spec, "nodeSelector"), m->key), "%s", label_message(m->key));
    warn_node_affinity(w, AT(at_spec, "affinity"), field(spec, "affinity"));
    warn_spread(w, AT(at_spec, "topologySpreadConstraints"),
                field(spec, "topologySpreadConstraints"));
    warn_annotations(w, at_annotations, annotations);
    warn_volumes(w, AT(at_spec, "volumes"), field(spec, "volumes"));
    warn_paths(w, field(spec, "volumes"));
    warn_twice(w, AT(at_spec, "hostAliases"), field(spec, "hostAliases"), "ip");
    warn_twice(w, AT(at_spec, "imagePullSecrets"), field(spec, "imagePullSecrets"), "name");
    JSON_EACH(s, field(spec, "imagePullSecrets")) {
        if (!json_get_str(s, "name").n)
            warn_at(w, AT(AT_INDEX(AT(at_spec, "imagePullSecrets"), i), "name"),
                    "invalid empty name \"\"");
        i++;
    }
    warn_fraction(w, AT(at_spec, "overhead"), field(spec, "overhead"), "memory");
    warn_fraction(w, AT(at_spec, "overhead"), field(spec, "overhead"), "ephemeral-storage");
    if (!field_at(spec, "securityContext.seccompProfile") && json_find(annotations, seccomp))
        warn_at(w, AT_KEY(at_annotations, seccomp),
                "non-functional in v1.27+; use the \"seccompProfile\" field instead");
    EACH_CONTAINER(it, at_spec, spec)
        warn_container(w, &it.at, it.container, at_annotations, pod, at != NULL);
    warn_ports(w, at_spec, spec);
    if (json_get_int(spec, "terminationGracePeriodSeconds", 0) < 0)
        warn_at(w, AT(at_spec, "terminationGracePeriodSeconds"),
                "must be >= 0; negative values are invalid and will be treated as 1");
    warn_pod_affinity(w, AT(at_spec, "affinity"), field(spec, "affinity"));
    i = 0;
    JSON_EACH(ip, field_at(spec, "dnsConfig.nameservers"))
        warn_ip(w, AT_INDEX(AT(AT(at_spec, "dnsConfig"), "nameservers"), i++), json_str(ip));
    i = 0;
    JSON_EACH(alias, field(spec, "hostAliases"))
        warn_ip(w, AT(AT_INDEX(AT(at_spec, "hostAliases"), i++), "ip"), json_get_str(alias, "ip"));
}
