/* warnings.c - Warning headers about accepted objects: which kind is warned about what.
 *
 * Nothing here refuses anything. Source: WarningsOnCreate and WarningsOnUpdate of pkg/registry's
 * strategies, pkg/api/{node,persistentvolume,persistentvolumeclaim,job,storage} */
#include "api/warnings/warn.h"
#include "wire/tls.h"

void warn(struct write *w, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    req_warn(w->req, arena_vfmt(w->a, fmt, ap));
    va_end(ap);
}

void warn_at(struct write *w, const struct at *at, const char *fmt, ...)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    va_list ap;
    str text;

    va_start(ap, fmt);
    text = arena_vfmt(w->a, fmt, ap);
    va_end(ap);
    buf_place(&b, at);
    warn(w, PRI_STR ": " PRI_STR, STR_ARG(buf_view(&b)), STR_ARG(text));
}

const char *quoted(struct arena *a, str s)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_quoted(&b, s);
    return arena_dupz(a, buf_view(&b));
}

/* ---- pieces ---- */

const char *label_message(str label)
{
    static const struct {
        const char *label, *message;
    } deprecated[] = {
        {"beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"},
        {"beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"},
        {"failure-domain.beta.kubernetes.io/region",
         "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead"},
        {"failure-domain.beta.kubernetes.io/zone",
         "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"},
        {"beta.kubernetes.io/instance-type",
         "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"},
        {"app.kubernetes.io/created-by", "deprecated since v1.9"},
        {"scheduler.alpha.kubernetes.io/preferAvoidPods",
         "deprecated since v1.22; use Taints and Tolerations instead"},
        {"node-role.kubernetes.io/master", "use \"node-role.kubernetes.io/control-plane\" instead"},
    };

    for (size_t i = 0; i < ARRAY_LEN(deprecated); i++)
        if (str_is(label, deprecated[i].label))
            return deprecated[i].message;
    return NULL;
}

void warn_fraction(struct write *w, const struct at *at, const struct json *amounts,
                   const char *name)
{
    str v = json_str(json_findz(amounts, name));
    struct quantity q;

    if (v.n && quantity_parse(v, &q) && q.nano % 1000000000)
        warn_at(w, AT_KEY(at, str_of(name)),
                "fractional byte value %s is invalid, must be an integer", quoted(w->a, v));
}

void warn_node_term(struct write *w, const struct at *at, const struct json *term, bool values)
{
    int64_t i = 0;

    JSON_EACH(e, field(term, "matchExpressions")) {
        const struct at *here = AT_INDEX(AT(at, "matchExpressions"), i++);
        str key = json_get_str(e, "key");
        int64_t k = 0;

        if (label_message(key))
            warn_at(w, AT(here, "key"), PRI_STR " is %s", STR_ARG(key), label_message(key));
        JSON_EACH(v, values ? field(e, "values") : NULL) {
            const char *wrong = not_label_value(json_str(v));

            if (wrong)
                warn_at(w, AT_INDEX(AT(here, "values"), k), PRI_STR " is invalid, %s",
                        STR_ARG(json_str(v)), wrong);
            k++;
        }
    }
}

void warn_claim_spec(struct write *w, const struct at *at, const struct json *spec)
{
    warn_fraction(w, AT(AT(at, "resources"), "requests"), field_at(spec, "resources.requests"),
                  "storage");
    warn_fraction(w, AT(AT(at, "resources"), "limits"), field_at(spec, "resources.limits"),
                  "storage");
}

/* ---- single kinds ---- */

static void warn_volume(struct write *w)
{
    static const struct {
        const char *source, *place, *message;
    } deprecated[] = {
        {"cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"},
        {"photonPersistentDisk", "photonPersistentDisk",
         "deprecated in v1.11, non-functional in v1.16+"},
        {"scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"},
        {"storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"},
        {"glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"},
        {"rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"},
    };
    const struct json *spec = field(w->obj, "spec");
    const struct at *at = AT(NULL, "spec");
    int64_t i = 0;

    if (str_is(json_get_str(spec, "persistentVolumeReclaimPolicy"), "Recycle"))
        warn_at(w, AT(at, "persistentVolumeReclaimPolicy"),
                "The Recycle reclaim policy is deprecated. Instead, the recommended approach is "
                "to use dynamic provisioning.");
    JSON_EACH(t, field_at(spec, "nodeAffinity.required.nodeSelectorTerms"))
        warn_node_term(
            w, AT_INDEX(AT(AT(AT(at, "nodeAffinity"), "required"), "nodeSelectorTerms"), i++), t,
            true);
    for (size_t k = 0; k < ARRAY_LEN(deprecated); k++)
        if (field(spec, deprecated[k].source))
            warn_at(w, AT(at, deprecated[k].place), "%s", deprecated[k].message);
}

static void warn_storage_annotation(struct write *w)
{
    static const str key = STR("volume.beta.kubernetes.io/storage-class");

    if (json_find(field_at(w->obj, "metadata.annotations"), key))
        warn_at(w, AT_KEY(AT(AT(NULL, "metadata"), "annotations"), key),
                "deprecated since v1.8; use \"storageClassName\" attribute instead");
}

static void warn_pv(struct write *w)
{
    warn_storage_annotation(w);
    warn_volume(w);
}

static void warn_pvc(struct write *w)
{
    warn_storage_annotation(w);
    warn_claim_spec(w, AT(NULL, "spec"), field(w->obj, "spec"));
}

static void warn_service_account(struct write *w)
{
    static const str key = STR("kubernetes.io/enforce-mountable-secrets");

    if (json_find(field_at(w->obj, "metadata.annotations"), key))
        warn_at(w, AT_KEY(AT(AT(NULL, "metadata"), "annotations"), key),
                "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted "
                "secrets");
}

static void warn_node(struct write *w)
{
    const struct json *spec = field(w->obj, "spec");
    int64_t i = 0;

    if (field(spec, "configSource"))
        warn(w, "spec.configSource: the feature is removed");
    if (json_get_str(spec, "externalID").n)
        warn(w, "spec.externalID: this field is deprecated, and is unused by Kubernetes");
    JSON_EACH(cidr, field(spec, "podCIDRs"))
        warn_cidr(w, AT_INDEX(AT(AT(NULL, "spec"), "podCIDRs"), i++), json_str(cidr));
}

static void warn_endpoints(struct write *w)
{
    static const char *const lists[] = {"addresses", "notReadyAddresses"};
    int64_t i = 0;

    JSON_EACH(s, field(w->obj, "subsets")) {
        const struct at *here = AT_INDEX(AT(NULL, "subsets"), i++);

        for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
            int64_t k = 0;

            JSON_EACH(a, field(s, lists[l]))
                warn_ip(w, AT(AT_INDEX(AT(here, lists[l]), k++), "ip"), json_get_str(a, "ip"));
        }
    }
}

static void warn_slice(struct write *w)
{
    str type = json_get_str(w->obj, "addressType");
    int64_t i = 0;

    if (str_is(type, "FQDN")) {
        warn(w, "spec.addressType: FQDN endpoints are deprecated");
        return;
    }
    JSON_EACH(e, field(w->obj, "endpoints")) {
        const struct at *here = AT_INDEX(AT(NULL, "endpoints"), i++);
        int64_t k = 0;

        JSON_EACH(a, field(e, "addresses"))
            warn_ip(w, AT_INDEX(AT(here, "addresses"), k++), json_str(a));
    }
}

static void warn_peers(struct write *w, const struct at *at, const struct json *rules,
                       const char *peers)
{
    int64_t i = 0;

    JSON_EACH(rule, rules) {
        const struct at *here = AT(AT_INDEX(at, i++), peers);
        int64_t k = 0;

        JSON_EACH(p, field(rule, peers)) {
            const struct json *block = field(p, "ipBlock");
            const struct at *at_block = AT(AT_INDEX(here, k++), "ipBlock");
            int64_t n = 0;

            if (block)
                warn_cidr(w, AT(at_block, "cidr"), json_get_str(block, "cidr"));
            JSON_EACH(x, field(block, "except"))
                warn_cidr(w, AT_INDEX(AT(at_block, "except"), n++), json_str(x));
        }
    }
}

static void warn_policy(struct write *w)
{
    const struct json *spec = field(w->obj, "spec");
    const struct at *at = AT(NULL, "spec");

    warn_peers(w, AT(at, "ingress"), field(spec, "ingress"), "from");
    warn_peers(w, AT(at, "egress"), field(spec, "egress"), "to");
}

static void warn_ingress(struct write *w)
{
    static const str key = STR("kubernetes.io/ingress.class");

    if (json_find(field_at(w->obj, "metadata.annotations"), key) && !w->old)
        warn(w, "annotation %s is deprecated, please use 'spec.ingressClassName' instead",
             quoted(w->a, key));
}

static void warn_storage_class(struct write *w)
{
    int64_t i = 0;

    JSON_EACH(t, field(w->obj, "allowedTopologies")) {
        const struct at *here =
            AT(AT_INDEX(AT(NULL, "allowedTopologies"), i++), "matchLabelExpressions");
        int64_t k = 0;

        JSON_EACH(e, field(t, "matchLabelExpressions")) {
            const char *m = label_message(json_get_str(e, "key"));

            if (m)
                warn_at(w, AT(AT_INDEX(here, k), "key"), "%s", m);
            k++;
        }
    }
}

static void warn_csi_driver(struct write *w)
{
    const struct json *requests = field_at(w->obj, "spec.tokenRequests"),
                      *had = field_at(w->old, "spec.tokenRequests");

    if (!json_count(requests) || (had && json_equal(requests, had)) ||
        field_at(w->obj, "spec.serviceAccountTokenInSecrets"))
        return;
    warn(w, "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to "
            "true to prevent possible logging of tokens in volume attributes");
}

static void warn_capacity(struct write *w)
{
    const struct json *topology = field(w->obj, "nodeTopology");

    warn_node_term(w, AT(NULL, "nodeTopology"), topology, false);
    JSON_EACH_MEMBER(m, field(topology, "matchLabels"))
        if (label_message(m->key))
            warn(w, "nodeTopology.matchLabels." PRI_STR ": %s", STR_ARG(m->key),
                 label_message(m->key));
}

static void warn_runtime_class(struct write *w)
{
    JSON_EACH_MEMBER(m, field_at(w->obj, "scheduling.nodeSelector"))
        if (label_message(m->key))
            warn(w, "scheduling.nodeSelector: %s", label_message(m->key));
}

static str secret_text(struct write *w, const char *key)
{
    str ret = {0};

    base64_decode(w->a, json_str(json_findz(field(w->obj, "data"), key)), &ret);
    return ret;
}

static void warn_secret(struct write *w)
{
    const char *wrong;

    if (!str_is(json_get_str(w->obj, "type"), "kubernetes.io/tls"))
        return;
    wrong = pki_pair_check(w->a, secret_text(w, "tls.crt"), secret_text(w, "tls.key"));
    if (wrong)
        warn(w, "%s", wrong);
}

/* ---- workloads: what they say themselves, then their template ---- */

#define INDEXED_COMPLETIONS_SOFT_MAX 100000
#define INDEXED_PARALLELISM_SOFT_MAX 10000

static void warn_job_spec(struct write *w, const struct at *at, const struct json *spec)
{
    if (str_is(json_get_str(spec, "completionMode"), "Indexed") &&
        json_get_int(spec, "completions", 0) > INDEXED_COMPLETIONS_SOFT_MAX &&
        json_get_int(spec, "parallelism", 0) > INDEXED_PARALLELISM_SOFT_MAX)
        warn_at(w, at,
                "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism "
                "higher than 10^4, Kubernetes might not be able to track completedIndexes when a "
                "big number of indexes fail");
}

static void warn_job(struct write *w)
{
    warn_job_spec(w, AT(NULL, "spec"), field(w->obj, "spec"));
}

static void warn_cron_job(struct write *w)
{
    if (str_find(json_get_str(w->obj, "spec.schedule"), S("TZ")) >= 0)
        warn(w, "CRON_TZ or TZ used in spec.spec.schedule is not officially supported, see "
                "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more "
                "details");
    warn_job_spec(w, AT(AT(AT(NULL, "spec"), "jobTemplate"), "spec"),
                  field_at(w->obj, "spec.jobTemplate.spec"));
}

static void warn_stateful_set(struct write *w)
{
    int64_t i = 0;

    JSON_EACH(c, field_at(w->obj, "spec.volumeClaimTemplates")) {
        const struct at *at = AT_INDEX(AT(AT(NULL, "spec"), "volumeClaimTemplates"), i++);

        warn_claim_spec(w, w->old ? AT(at, "Spec") : at, field(c, "spec"));
    }
    if (json_get_int(w->obj, "spec.revisionHistoryLimit", 0) < 0)
        warn(w, "spec.revisionHistoryLimit: a negative value retains all historical revisions; a "
                "value >= 0 is recommended");
}

#define IN_HOSTNAME                                                                                \
    "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; " \
    "a DNS label is recommended"
#define IN_POD_NAMES                                                                               \
    "metadata.name: this is used in Pod names and hostnames, which can result in surprising "      \
    "behavior; a DNS label is recommended"

static const struct {
    const char *group, *plural;
    void (*warn)(struct write *w); /* at every write, or of what has a template, of a new
                                      generation; NULL: nothing */
    const char *template;          /* dot path of the pod template; NULL: none */
    const char *name;              /* about names that are no DNS label; NULL: fine */
} kinds[] = {
    {"", "replicationcontrollers", NULL, "spec.template", IN_POD_NAMES},
    {"", "podtemplates", NULL, "template", NULL},
    {"", "persistentvolumes", warn_pv, NULL, NULL},
    {"", "persistentvolumeclaims", warn_pvc, NULL, NULL},
    {"", "serviceaccounts", warn_service_account, NULL, NULL},
    {"", "nodes", warn_node, NULL, NULL},
    {"", "endpoints", warn_endpoints, NULL, NULL},
    {"", "secrets", warn_secret, NULL, NULL},
    {"apiextensions.k8s.io", "customresourcedefinitions", warn_definition, NULL, NULL},
    {"apps", "deployments", NULL, "spec.template", IN_POD_NAMES},
    {"apps", "replicasets", NULL, "spec.template", IN_POD_NAMES},
    {"apps", "statefulsets", warn_stateful_set, "spec.template", NULL},
    {"apps", "daemonsets", NULL, "spec.template", NULL},
    {"batch", "jobs", warn_job, "spec.template", IN_POD_NAMES},
    {"batch", "cronjobs", warn_cron_job, "spec.jobTemplate.spec.template", IN_POD_NAMES},
    {"discovery.k8s.io", "endpointslices", warn_slice, NULL, NULL},
    {"networking.k8s.io", "networkpolicies", warn_policy, NULL, NULL},
    {"networking.k8s.io", "ingresses", warn_ingress, NULL, NULL},
    {"node.k8s.io", "runtimeclasses", warn_runtime_class, NULL, NULL},
    {"storage.k8s.io", "storageclasses", warn_storage_class, NULL, NULL},
    {"storage.k8s.io", "csidrivers", warn_csi_driver, NULL, NULL},
    {"storage.k8s.io", "csistoragecapacities", warn_capacity, NULL, NULL},
};

static void warn_name(struct write *w, const char *text)
{
    str name = w->name.n ? w->name : meta_str(w->obj, "name");
    CLEANUP(buf) struct buf b = BUF_INIT;
    bool too_long = name.n > 63;
    const char *wrong = not_dns_label(name);

    if (!too_long && !wrong)
        return;
    if (too_long)
        buf_z(&b, "must be no more than 63 characters");
    if (wrong)
        buf_fmt(&b, "%s%s", too_long ? " " : "", wrong);
    warn(w, "%s: [" PRI_STR "]", text, STR_ARG(buf_view(&b)));
}

static bool new_generation(const struct write *w)
{
    return json_get_int(w->obj, "metadata.generation", 0) !=
           json_get_int(w->old, "metadata.generation", 0);
}

/* "spec.template" as a place. */
static void warn_template(struct write *w, const char *path)
{
    struct at at[8] = {0};
    str rest = str_of(path), part;
    size_t n = 0;

    while (n < ARRAY_LEN(at) && str_cut(&rest, '.', &part)) {
        at[n] = (struct at){.up = n ? &at[n - 1] : NULL, .name = arena_dupz(w->a, part)};
        n++;
    }
    warn_pod(w, &at[n - 1], json_path(w->obj, path));
}

void warnings_add(struct write *w)
{
    str group = w->kind->r->group, plural = w->kind->r->plural;

    if (w->bootstrap || w->subresource.n)
        return;
    /* Pods are written too often to be looked at each time. */
    if (str_is(plural, "pods") && !group.n) {
        if (!w->old) {
            warn_name(w, IN_HOSTNAME);
            warn_pod(w, NULL, w->obj);
        }
        return;
    }
    if (w->kind->r->custom) {
        warn_finalizers(w);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (!str_is(plural, kinds[i].plural) || !str_is(group, kinds[i].group))
            continue;
        if (!w->old && kinds[i].name)
            warn_name(w, kinds[i].name);
        /* Of a template it is said once, not at every change of a label. */
        if (kinds[i].template && w->old && !new_generation(w))
            return;
        if (kinds[i].warn)
            kinds[i].warn(w);
        if (kinds[i].template)
            warn_template(w, kinds[i].template);
        return;
    }
}
