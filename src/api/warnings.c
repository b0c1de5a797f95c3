/* warnings.c - Warning headers about accepted objects: deprecated labels, fields that do nothing,
 * definitions that hide others.
 *
 * One pass over the pod spec wherever a kind carries one, and single rules for other kinds. Nothing
 * here refuses anything. API: pkg/api/pod/warnings.go and the strategies' WarningsOnCreate */
#include "api/api_internal.h"

static const struct {
    const char *label, *message;
} deprecated_labels[] = {
    {"beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"},
    {"beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"},
    {"failure-domain.beta.kubernetes.io/region",
     "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead"},
    {"failure-domain.beta.kubernetes.io/zone",
     "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"},
    {"beta.kubernetes.io/instance-type",
     "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"},
};

static const struct {
    const char *source, *message;
} deprecated_volumes[] = {
    {"gitRepo", "deprecated in v1.11"},
    {"glusterfs", "deprecated in v1.25, non-functional in v1.26+"},
    {"scaleIO", "deprecated in v1.16, non-functional in v1.22+"},
    {"storageos", "deprecated in v1.22, non-functional in v1.25+"},
    {"flocker", "deprecated in v1.22, non-functional in v1.25+"},
    {"quobyte", "deprecated in v1.22, non-functional in v1.25+"},
    {"photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"},
    {"rbd", "deprecated in v1.28, non-functional in v1.31+"},
    {"cephfs", "deprecated in v1.28, non-functional in v1.31+"},
};

static const char *label_message(str label)
{
    for (size_t i = 0; i < ARRAY_LEN(deprecated_labels); i++)
        if (str_is(label, deprecated_labels[i].label))
            return deprecated_labels[i].message;
    return NULL;
}

static void warn(struct write *w, const char *fmt, ...) PRINTF(2, 3);
static void warn(struct write *w, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    req_warn(w->req, arena_vfmt(w->a, fmt, ap));
    va_end(ap);
}

static void fractional(struct write *w, const struct json *list, str path)
{
    static const char *const names[] = {"memory", "storage", "ephemeral-storage"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        str v = json_str(json_findz(list, names[i]));
        struct quantity q;

        if (v.n && quantity_parse(v, &q) && q.nano % 1000000000)
            warn(w,
                 PRI_STR "[%s]: fractional byte value \"" PRI_STR
                         "\" is invalid, must be an integer",
                 STR_ARG(path), names[i], STR_ARG(v));
    }
}

static void container(struct write *w, const struct json *c, str path)
{
    const struct json *ports = json_findz(c, "ports"), *env = json_findz(c, "env");

    fractional(w, json_at(c, "resources", "requests", NULL),
               arena_fmt(w->a, PRI_STR ".resources.requests", STR_ARG(path)));
    fractional(w, json_at(c, "resources", "limits", NULL),
               arena_fmt(w->a, PRI_STR ".resources.limits", STR_ARG(path)));
    for (uint32_t i = 1; i < json_count(ports); i++)
        for (uint32_t k = 0; k < i; k++) {
            const struct json *p = json_item(ports, i), *o = json_item(ports, k);

            if (json_get_int(p, "containerPort", 0) != json_get_int(o, "containerPort", 0) ||
                !str_eq(json_get_str(p, "protocol"), json_get_str(o, "protocol")) ||
                json_get_int(p, "hostPort", 0) != json_get_int(o, "hostPort", 0) ||
                !str_eq(json_get_str(p, "hostIP"), json_get_str(o, "hostIP")))
                continue;
            warn(w, PRI_STR ".ports[%u]: duplicate port definition with " PRI_STR ".ports[%u]",
                 STR_ARG(path), i, STR_ARG(path), k);
            break;
        }
    for (uint32_t i = 1; i < json_count(env); i++)
        for (uint32_t k = i; k-- > 0;) {
            const struct json *e = json_item(env, i), *o = json_item(env, k);
            str name = json_get_str(e, "name");

            if (!name.n || !str_eq(name, json_get_str(o, "name")))
                continue;
            /* A later value that refers to the earlier one is a way to extend it. */
            if (str_find(json_get_str(e, "value"),
                         arena_fmt(w->a, "$(" PRI_STR ")", STR_ARG(name))) < 0)
                warn(w,
                     PRI_STR ".env[%u]: hides previous definition of \"" PRI_STR
                             "\", which may be dropped when using apply",
                     STR_ARG(path), i, STR_ARG(name));
            break;
        }
}

static void selector_terms(struct write *w, const struct json *terms, str path, const char *inner)
{
    for (uint32_t i = 0; i < json_count(terms); i++) {
        const struct json *term = json_item(terms, i), *exprs;

        if (inner)
            term = json_findz(term, inner);
        exprs = json_findz(term, "matchExpressions");
        for (uint32_t k = 0; k < json_count(exprs); k++) {
            str key = json_get_str(json_item(exprs, k), "key");
            const char *m = label_message(key);

            if (m)
                warn(w, PRI_STR "[%u]%s%s.matchExpressions[%u].key: " PRI_STR " is %s",
                     STR_ARG(path), i, inner ? "." : "", inner ? inner : "", k, STR_ARG(key), m);
        }
    }
}

static void pod_spec(struct write *w, const struct json *spec, const struct json *meta, str path,
                     str meta_path)
{
    static const char *const lists[] = {"initContainers", "containers"};
    static const str container_seccomp = STR("container.seccomp.security.alpha.kubernetes.io/"),
                     apparmor = STR("container.apparmor.security.beta.kubernetes.io/");
    const struct json *list;
    struct arena *a = w->a;

    JSON_EACH_MEMBER(m, json_findz(meta, "annotations")) {
        if (str_is(m->key, "seccomp.security.alpha.kubernetes.io/pod") ||
            str_has_prefix(m->key, container_seccomp))
            warn(w,
                 PRI_STR "annotations[" PRI_STR
                         "]: non-functional in v1.27+; use the \"seccompProfile\" field instead",
                 STR_ARG(meta_path), STR_ARG(m->key));
        else if (str_has_prefix(m->key, apparmor))
            warn(w,
                 PRI_STR "annotations[" PRI_STR
                         "]: deprecated since v1.30; use the \"appArmorProfile\" field instead",
                 STR_ARG(meta_path), STR_ARG(m->key));
    }
    JSON_EACH_MEMBER(m, json_findz(spec, "nodeSelector"))
        if (label_message(m->key))
            warn(w, PRI_STR ".nodeSelector[" PRI_STR "]: %s", STR_ARG(path), STR_ARG(m->key),
                 label_message(m->key));
    selector_terms(
        w,
        json_at(spec, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution",
                "nodeSelectorTerms", NULL),
        arena_fmt(a,
                  PRI_STR ".affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
                          "nodeSelectorTerms",
                  STR_ARG(path)),
        NULL);
    selector_terms(
        w,
        json_at(spec, "affinity", "nodeAffinity", "preferredDuringSchedulingIgnoredDuringExecution",
                NULL),
        arena_fmt(a,
                  PRI_STR ".affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution",
                  STR_ARG(path)),
        "preference");
    list = json_findz(spec, "topologySpreadConstraints");
    for (uint32_t i = 0; i < json_count(list); i++) {
        const struct json *t = json_item(list, i);
        str key = json_get_str(t, "topologyKey");

        if (!json_findz(t, "labelSelector"))
            warn(w,
                 PRI_STR ".topologySpreadConstraints[%u].labelSelector: a null labelSelector "
                         "results in matching no pod",
                 STR_ARG(path), i);
        if (label_message(key))
            warn(w, PRI_STR ".topologySpreadConstraints[%u].topologyKey: " PRI_STR " is %s",
                 STR_ARG(path), i, STR_ARG(key), label_message(key));
    }
    list = json_findz(spec, "imagePullSecrets");
    for (uint32_t i = 0; i < json_count(list); i++) {
        str name = json_get_str(json_item(list, i), "name");

        if (!name.n)
            warn(w, PRI_STR ".imagePullSecrets[%u].name: invalid empty name \"\"", STR_ARG(path),
                 i);
        for (uint32_t k = 0; name.n && k < i; k++)
            if (str_eq(name, json_get_str(json_item(list, k), "name"))) {
                warn(w, PRI_STR ".imagePullSecrets[%u].name: duplicate name \"" PRI_STR "\"",
                     STR_ARG(path), i, STR_ARG(name));
                break;
            }
    }
    for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
        list = json_findz(spec, lists[l]);
        for (uint32_t i = 0; i < json_count(list); i++)
            container(w, json_item(list, i),
                      arena_fmt(a, PRI_STR ".%s[%u]", STR_ARG(path), lists[l], i));
    }
    list = json_findz(spec, "volumes");
    for (uint32_t i = 0; i < json_count(list); i++) {
        const struct json *v = json_item(list, i);

        for (size_t k = 0; k < ARRAY_LEN(deprecated_volumes); k++)
            if (json_findz(v, deprecated_volumes[k].source))
                warn(w, PRI_STR ".volumes[%u].%s: %s", STR_ARG(path), i,
                     deprecated_volumes[k].source, deprecated_volumes[k].message);
        fractional(
            w,
            json_at(v, "ephemeral", "volumeClaimTemplate", "spec", "resources", "requests", NULL),
            arena_fmt(a,
                      PRI_STR ".volumes[%u].ephemeral.volumeClaimTemplate.spec.resources.requests",
                      STR_ARG(path), i));
    }
    fractional(w, json_findz(spec, "overhead"), arena_fmt(a, PRI_STR ".overhead", STR_ARG(path)));
}

/* ---- which kind carries a pod spec where, and whose name becomes a host name ---- */

static const struct {
    const char *group, *plural, *template; /* template: dot path of the object with metadata and
                                              spec; "" itself; NULL none */
    const char *name;                      /* about names with dots; NULL: fine */
} kinds[] = {
#define IN_POD_NAMES                                                                               \
    "metadata.name: this is used in Pod names and hostnames, which can result in surprising "      \
    "behavior; a DNS label is recommended: [must not contain dots]"
    {"", "pods", "",
     "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; "
     "a DNS label is recommended: [must not contain dots]"},
    {"", "podtemplates", "template", NULL},
    {"", "replicationcontrollers", "spec.template", IN_POD_NAMES},
    {"apps", "deployments", "spec.template", IN_POD_NAMES},
    {"apps", "replicasets", "spec.template", IN_POD_NAMES},
    {"apps", "statefulsets", "spec.template", IN_POD_NAMES},
    {"apps", "daemonsets", "spec.template", NULL},
    {"batch", "jobs", "spec.template", IN_POD_NAMES},
    {"batch", "cronjobs", "spec.jobTemplate.spec.template", IN_POD_NAMES},
};

static bool is_kind(const struct write *w, const char *group, const char *plural)
{
    return str_is(w->kind->r->plural, plural) && str_is(w->kind->r->group, group);
}

static void other_kinds(struct write *w)
{
    const struct json *obj = w->obj;
    static const str enforce = STR("kubernetes.io/enforce-mountable-secrets"),
                     ingress_class = STR("kubernetes.io/ingress.class");

    if (is_kind(w, "", "persistentvolumes")) {
        if (str_is(json_get_str(obj, "spec.persistentVolumeReclaimPolicy"), "Recycle"))
            warn(w, "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. "
                    "Instead, the recommended approach is to use dynamic provisioning.");
        fractional(w, json_at(obj, "spec", "capacity", NULL), S("spec.capacity"));
    } else if (is_kind(w, "", "persistentvolumeclaims"))
        fractional(w, json_at(obj, "spec", "resources", "requests", NULL),
                   S("spec.resources.requests"));
    else if (is_kind(w, "", "serviceaccounts")) {
        if (json_find(json_at(obj, "metadata", "annotations", NULL), enforce))
            warn(w,
                 "metadata.annotations[" PRI_STR "]: deprecated in v1.32+; prefer separate "
                 "namespaces to isolate access to mounted secrets",
                 STR_ARG(enforce));
    } else if (is_kind(w, "networking.k8s.io", "ingresses")) {
        if (json_find(json_at(obj, "metadata", "annotations", NULL), ingress_class) && !w->old)
            warn(w,
                 "annotation \"" PRI_STR
                 "\" is deprecated, please use 'spec.ingressClassName' instead",
                 STR_ARG(ingress_class));
    } else if (is_kind(w, "discovery.k8s.io", "endpointslices")) {
        if (str_is(json_get_str(obj, "addressType"), "FQDN"))
            warn(w, "spec.addressType: FQDN endpoints are deprecated");
    } else if (is_kind(w, "storage.k8s.io", "storageclasses")) {
        const struct json *topologies = json_findz(obj, "allowedTopologies");

        for (uint32_t i = 0; i < json_count(topologies); i++) {
            const struct json *exprs =
                json_findz(json_item(topologies, i), "matchLabelExpressions");

            for (uint32_t k = 0; k < json_count(exprs); k++) {
                const char *m = label_message(json_get_str(json_item(exprs, k), "key"));

                if (m)
                    warn(w, "allowedTopologies[%u].matchLabelExpressions[%u].key: %s", i, k, m);
            }
        }
    }
}

void warnings_add(struct write *w)
{
    str name = w->name.n ? w->name : meta_str(w->obj, "name");

    if (w->bootstrap || w->subresource.n)
        return;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const struct json *at;
        str base;

        if (!is_kind(w, kinds[i].group, kinds[i].plural))
            continue;
        if (!w->old && kinds[i].name && str_has_char(name, '.'))
            warn(w, "%s", kinds[i].name);
        at = *kinds[i].template ? json_path(w->obj, kinds[i].template) : w->obj;
        if (w->old) {
            const struct json *was =
                *kinds[i].template ? json_path(w->old, kinds[i].template) : w->old;

            /* Said once; repeating it at every update of a replica count would be noise. */
            if (!*kinds[i].template || json_equal(json_findz(at, "spec"), json_findz(was, "spec")))
                return;
        }
        base = *kinds[i].template ? arena_fmt(w->a, "%s.", kinds[i].template) : S("");
        pod_spec(w, json_findz(at, "spec"), json_findz(at, "metadata"),
                 arena_fmt(w->a, PRI_STR "spec", STR_ARG(base)),
                 arena_fmt(w->a, PRI_STR "metadata.", STR_ARG(base)));
        return;
    }
    other_kinds(w);
}
