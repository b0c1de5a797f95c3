/* pod.c - rules of a pod's spec as a whole, and of pod templates.
 *
 * Containers, volumes, security and scheduling have files of their own; the order of complaints is
 * the order here. Source of rules and texts:
 * k8s.io/kubernetes/pkg/apis/core/validation/validation.go (ValidatePodSpec). */
#include "api/validation/pod.h"

#include "api/validation/container.h"
#include "api/validation/resources.h"
#include "api/validation/security.h"
#include "api/validation/volume.h"

#define NAMESERVERS_MAX 3
#define SEARCHES_MAX 32
#define SEARCH_CHARS_MAX 2048

/* ---- claims ---- */

static void check_resource_claims(struct check *c, const struct at *at, const struct json *claims)
{
    static const char *const ways[] = {"resourceClaimName", "resourceClaimTemplateName"};
    struct map names;
    int64_t i = 0;

    map_init(&names);
    JSON_EACH(claim, claims) {
        const struct at *here = AT_INDEX(at, i++);
        str name = json_get_str(claim, "name");
        bool by_name = field(claim, ways[0]), by_template = field(claim, ways[1]);

        if (!name.n)
            bad_required(c, AT(here, "name"), "");
        else if (map_put(&names, name, &names))
            bad_duplicate(c, AT(here, "name"), json_string(name), "");
        else
            check_dns_label(c, AT(here, "name"), name);
        if (by_name && by_template)
            bad_invalid(c, here, go_value(c, "PodResourceClaim", claim),
                        "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be "
                        "specified");
        if (!by_name && !by_template)
            bad_invalid(c, here, go_value(c, "PodResourceClaim", claim),
                        "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`");
        for (size_t k = 0; k < ARRAY_LEN(ways); k++)
            if (field(claim, ways[k]))
                check_dns_subdomain(c, AT(here, ways[k]), json_get_str(claim, ways[k]));
    }
    map_fini(&names);
}

/* ---- DNS and hosts ---- */

static void check_dns_config(struct check *c, const struct at *at, const struct json *spec)
{
    const struct json *config = field(spec, "dnsConfig"), *servers = field(config, "nameservers"),
                      *searches = field(config, "searches");
    bool none = str_is(json_get_str(spec, "dnsPolicy"), "None");
    size_t n_chars = 0;
    int64_t i = 0;

    if (none && !config) {
        bad_required(c, at, "must provide `dnsConfig` when `dnsPolicy` is None");
        return;
    }
    if (none && !json_count(servers)) {
        bad_required(c, AT(at, "nameservers"),
                     "must provide at least one DNS nameserver when `dnsPolicy` is None");
        return;
    }
    if (json_count(servers) > NAMESERVERS_MAX)
        bad_invalid(c, AT(at, "nameservers"), *servers, "must not have more than %d nameservers",
                    NAMESERVERS_MAX);
    JSON_EACH(s, servers)
        check_ip(c, AT_INDEX(AT(at, "nameservers"), i++), json_str(s));
    if (json_count(searches) > SEARCHES_MAX)
        bad_invalid(c, AT(at, "searches"), *searches, "must not have more than %d search paths",
                    SEARCHES_MAX);
    JSON_EACH(s, searches)
        n_chars += json_str(s).n + (s != searches->items);
    if (n_chars > SEARCH_CHARS_MAX)
        bad_invalid(c, AT(at, "searches"), *searches,
                    "must not have more than %d characters (including spaces) in the search list",
                    SEARCH_CHARS_MAX);
    i = 0;
    JSON_EACH(s, searches) {
        const struct at *here = AT_INDEX(AT(at, "searches"), i++);
        str domain = json_str(s);

        if (str_is(domain, "."))
            continue;
        if (domain.n && domain.p[domain.n - 1] == '.')
            domain.n--;
        check_dns_search(c, here, domain);
    }
    i = 0;
    JSON_EACH(o, field(config, "options")) {
        if (!json_get_str(o, "name").n)
            bad_required(c, AT_INDEX(AT(at, "options"), i), "must not be empty");
        i++;
    }
}

static void check_host_aliases(struct check *c, const struct at *at, const struct json *aliases)
{
    int64_t i = 0;

    JSON_EACH(h, aliases) {
        const struct at *here = AT_INDEX(at, i++);
        int64_t k = 0;

        check_ip(c, AT(here, "ip"), json_get_str(h, "ip"));
        JSON_EACH(name, field(h, "hostnames"))
            check_dns_subdomain(c, AT_INDEX(AT(here, "hostnames"), k++), json_str(name));
    }
}

/* Overrides the name that hostname and subdomain make. */
static void check_hostname(struct check *c, const struct at *at, const struct json *spec)
{
    static const char *const labels[] = {"hostname", "subdomain"};
    const struct json *override = field(spec, "hostnameOverride");

    for (size_t i = 0; i < ARRAY_LEN(labels); i++)
        if (json_get_str(spec, labels[i]).n)
            check_dns_label(c, AT(at, labels[i]), json_get_str(spec, labels[i]));
    if (!override)
        return;
    check_dns_subdomain(c, AT(at, "hostnameOverride"), json_str(override));
    if (json_str(override).n > 64)
        bad_too_long(c, AT(at, "hostnameOverride"), 64);
    if (json_get_bool(spec, "setHostnameAsFQDN", false))
        bad_forbidden(c, AT(at, "hostnameOverride"),
                      "may not be specified when setHostnameAsFQDN is true");
    if (json_get_bool(spec, "hostNetwork", false))
        bad_forbidden(c, AT(at, "hostnameOverride"),
                      "may not be specified when hostNetwork is true");
}

/* ---- gates ---- */

static void check_gates(struct check *c, const struct at *at, const struct json *spec)
{
    struct map seen;
    int64_t i = 0;

    JSON_EACH(g, field(spec, "readinessGates"))
        check_qualified_name(c, AT(AT_INDEX(AT(at, "readinessGates"), i++), "conditionType"),
                             json_get_str(g, "conditionType"));
    map_init(&seen);
    i = 0;
    JSON_EACH(g, field(spec, "schedulingGates")) {
        const struct at *here = AT_INDEX(AT(at, "schedulingGates"), i++);
        str name = json_get_str(g, "name");

        check_qualified_name(c, here, name);
        if (map_put(&seen, name, &seen))
            bad_duplicate(c, here, json_string(name), "");
    }
    map_fini(&seen);
}

/* ---- the whole ---- */

static void check_names(struct check *c, const struct at *at, const struct json *spec)
{
    static const char *const names[] = {"serviceAccountName", "nodeName"};
    const struct json *deadline = field(spec, "activeDeadlineSeconds");

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (json_get_str(spec, names[i]).n)
            check_dns_subdomain(c, AT(at, names[i]), json_get_str(spec, names[i]));
    if (json_is(deadline, JSON_INT) && (deadline->i < 1 || deadline->i > INT32_MAX))
        bad_invalid(c, AT(at, "activeDeadlineSeconds"), *deadline,
                    "must be between 1 and 2147483647, inclusive");
}

static void check_classes(struct check *c, const struct at *at, const struct json *spec)
{
    static const char *const preemptions[] = {"PreemptLowerPriority", "Never", NULL};
    const struct json *runtime = field(spec, "runtimeClassName"),
                      *preemption = field(spec, "preemptionPolicy");
    str priority = json_get_str(spec, "priorityClassName");

    if (priority.n)
        check_dns_subdomain(c, AT(at, "priorityClassName"), priority);
    if (runtime)
        check_dns_subdomain(c, AT(at, "runtimeClassName"), json_str(runtime));
    if (preemption)
        check_required_enum(c, AT(at, "preemptionPolicy"), preemption, preemptions);
    check_overhead(c, AT(at, "overhead"), field(spec, "overhead"));
}

void check_pod_spec(struct check *c, const struct at *at, const struct json *spec,
                    const struct json *pod_meta)
{
    static const char *const restarts[] = {"Always", "OnFailure", "Never", NULL};
    static const char *const dns_policies[] = {"ClusterFirstWithHostNet", "ClusterFirst", "Default",
                                               "None", NULL};
    struct volume_use use = {.is_pod = pod_meta != NULL,
                             .pod_name = json_get_str(pod_meta, "name")};
    struct map volumes;

    map_init(&volumes);
    check_volumes(c, AT(at, "volumes"), field(spec, "volumes"), &use, &volumes);
    check_resource_claims(c, AT(at, "resourceClaims"), field(spec, "resourceClaims"));
    check_containers(c, AT(at, "containers"), spec, &volumes);
    check_init_containers(c, AT(at, "initContainers"), spec, &volumes);
    check_ephemeral_containers(c, AT(at, "ephemeralContainers"), spec, &volumes);
    map_fini(&volumes);
    check_pod_resources(c, AT(at, "resources"), spec);
    check_host_ports(c, at, spec, pod_meta != NULL);
    check_required_enum(c, AT(at, "restartPolicy"), field(spec, "restartPolicy"), restarts);
    check_required_enum(c, AT(at, "dnsPolicy"), field(spec, "dnsPolicy"), dns_policies);
    check_labels(c, AT(at, "nodeSelector"), field(spec, "nodeSelector"));
    check_pod_security_context(c, AT(at, "securityContext"), spec);
    check_affinity(c, AT(at, "affinity"), field(spec, "affinity"));
    check_dns_config(c, AT(at, "dnsConfig"), spec);
    check_gates(c, at, spec);
    check_spread(c, AT(at, "topologySpreadConstraints"), field(spec, "topologySpreadConstraints"));
    check_host_processes(c, at, spec);
    check_user_namespace(c, at, spec);
    check_names(c, at, spec);
    check_hostname(c, at, spec);
    check_tolerations(c, AT(at, "tolerations"), field(spec, "tolerations"));
    check_host_aliases(c, AT(at, "hostAliases"), field(spec, "hostAliases"));
    check_classes(c, at, spec);
    check_os(c, at, spec);
}

void check_pod_template(struct check *c, const struct at *at, const struct json *template)
{
    const struct json *spec = field(template, "spec"),
                      *annotations = field_at(template, "metadata.annotations");
    const struct at *here = AT(at, "spec"), *notes = AT(at, "annotations");

    check_labels(c, AT(at, "labels"), field_at(template, "metadata.labels"));
    check_annotations(c, notes, annotations);
    check_pod_annotations(c, notes, annotations, spec);
    check_pod_spec(c, here, spec, NULL);
    check_profile_annotations(c, here, annotations, spec);
    if (json_count(field(spec, "ephemeralContainers")))
        bad_forbidden(c, AT(here, "ephemeralContainers"),
                      "ephemeral containers not allowed in pod template");
}
