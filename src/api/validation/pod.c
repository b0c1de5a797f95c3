/* pod.c - rules of a pod's spec: containers, volumes, scheduling, DNS, security.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go. */
#include "api/validation/pod.h"

#include "api/validation/container.h"

static const char *const restart_policies[] = {"Always", "OnFailure", "Never", NULL};
static const char *const dns_policies[] = {"ClusterFirstWithHostNet", "ClusterFirst", "Default",
                                           "None", NULL};
static const char *const preemption_policies[] = {"PreemptLowerPriority", "Never", NULL};

/* ---- volumes ---- */

static void check_key_to_path(struct check *c, const struct at *at, const struct json *items)
{
    int64_t i = 0;

    JSON_EACH(item, items) {
        const struct at *here = AT_INDEX(at, i++);
        str path = json_get_str(item, "path");

        if (json_get_str(item, "key").n == 0)
            bad_required(c, AT(here, "key"), "");
        if (path.n == 0)
            bad_required(c, AT(here, "path"), "");
        else if (path.p[0] == '/')
            bad_invalid(c, AT(here, "path"), json_string(path), "must be a relative path");
        else if (str_find(path, S("..")) >= 0)
            bad_invalid(c, AT(here, "path"), json_string(path), "must not contain '..'");
    }
}

static void check_volume_source(struct check *c, const struct at *at, const struct json *v)
{
    static const char *const host_types[] = {
        "",     "BlockDevice",  "CharDevice", "Directory", "DirectoryOrCreate",
        "File", "FileOrCreate", "Socket",     NULL};
    unsigned n = 0;

    JSON_EACH_MEMBER(m, v) {
        const struct at *here = AT(at, arena_dupz(c->a, m->key));

        if (str_is(m->key, "name") || m->value.type != JSON_OBJECT)
            continue;
        if (n++) {
            bad_forbidden(c, here, "may not specify more than 1 volume type");
            continue;
        }
        if (str_is(m->key, "hostPath")) {
            if (json_get_str(&m->value, "path").n == 0)
                bad_required(c, AT(here, "path"), "");
            check_enum(c, AT(here, "type"), field(&m->value, "type"), host_types);
        } else if (str_is(m->key, "configMap")) {
            if (json_get_str(&m->value, "name").n == 0)
                bad_required(c, AT(here, "name"), "");
            check_key_to_path(c, AT(here, "items"), field(&m->value, "items"));
        } else if (str_is(m->key, "secret")) {
            if (json_get_str(&m->value, "secretName").n == 0)
                bad_required(c, AT(here, "secretName"), "");
            check_key_to_path(c, AT(here, "items"), field(&m->value, "items"));
        } else if (str_is(m->key, "persistentVolumeClaim")) {
            if (json_get_str(&m->value, "claimName").n == 0)
                bad_required(c, AT(here, "claimName"), "");
        }
    }
    if (n == 0)
        bad_required(c, at, "must specify a volume type");
}

static void check_volumes(struct check *c, const struct at *at, const struct json *volumes)
{
    struct map names;
    int64_t i = 0;

    map_init(&names);
    JSON_EACH(v, volumes) {
        const struct at *here = AT_INDEX(at, i++);
        str name = json_get_str(v, "name");

        check_volume_source(c, here, v);
        if (name.n == 0)
            bad_required(c, AT(here, "name"), "");
        else
            check_dns_label(c, AT(here, "name"), name);
        if (map_find(&names, name))
            bad_duplicate(c, AT(here, "name"), json_string(name), "");
        else
            map_put(&names, name, &names);
    }
    map_fini(&names);
}

/* ---- scheduling ---- */

void check_node_selector(struct check *c, const struct at *at, const struct json *selector)
{
    const struct json *terms = field(selector, "nodeSelectorTerms");
    int64_t t = 0;

    if (!json_count(terms))
        bad_required(c, AT(at, "nodeSelectorTerms"), "must have at least one node selector term");
    JSON_EACH(term, terms) {
        const struct at *here = AT_INDEX(AT(at, "nodeSelectorTerms"), t++);
        int64_t i = 0;

        JSON_EACH(e, field(term, "matchExpressions")) {
            const struct at *place = AT_INDEX(AT(here, "matchExpressions"), i++);
            str op = json_get_str(e, "operator");
            uint32_t n = json_count(field(e, "values"));

            if (str_is(op, "In") || str_is(op, "NotIn")) {
                if (n == 0)
                    bad_required(c, AT(place, "values"),
                                 "must be specified when `operator` is 'In' or 'NotIn'");
            } else if (str_is(op, "Exists") || str_is(op, "DoesNotExist")) {
                if (n)
                    bad_forbidden(
                        c, AT(place, "values"),
                        "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
            } else if (str_is(op, "Gt") || str_is(op, "Lt")) {
                if (n != 1)
                    bad_required(c, AT(place, "values"),
                                 "must be specified single value when `operator` is 'Lt' or 'Gt'");
            } else {
                bad_invalid(c, AT(place, "operator"), json_string(op),
                            "not a valid selector operator");
            }
            check_qualified_name(c, AT(place, "key"), json_get_str(e, "key"));
        }
    }
}

void check_tolerations(struct check *c, const struct at *at, const struct json *tolerations)
{
    static const char *const operators[] = {"Equal", "Exists", NULL};
    static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute", NULL};
    int64_t i = 0;

    JSON_EACH(t, tolerations) {
        const struct at *here = AT_INDEX(at, i++);
        str key = json_get_str(t, "key"), op = json_get_str(t, "operator"),
            effect = json_get_str(t, "effect");

        if (key.n)
            check_qualified_name(c, AT(here, "key"), key);
        else if (!str_is(op, "Exists"))
            bad_invalid(c, AT(here, "operator"), json_string(op),
                        "operator must be Exists when `key` is empty, which means \"match all "
                        "values and all keys\"");
        if (field(t, "tolerationSeconds") && !str_is(effect, "NoExecute"))
            bad_invalid(c, AT(here, "effect"), json_string(effect),
                        "effect must be 'NoExecute' when `tolerationSeconds` is set");
        if (op.n == 0 || str_is(op, "Equal"))
            check_label_value(c, AT(here, "operator"), json_get_str(t, "value"));
        else if (str_is(op, "Exists")) {
            if (json_get_str(t, "value").n)
                bad_invalid(c, AT(here, "operator"), json_string(json_get_str(t, "value")),
                            "value must be empty when `operator` is 'Exists'");
        } else {
            bad_unsupported(c, AT(here, "operator"), json_string(op), operators);
        }
        if (effect.n)
            check_enum(c, AT(here, "effect"), field(t, "effect"), effects);
    }
}

static void check_spread(struct check *c, const struct at *at, const struct json *constraints)
{
    static const char *const actions[] = {"DoNotSchedule", "ScheduleAnyway", NULL};
    int64_t i = 0;

    JSON_EACH(t, constraints) {
        const struct at *here = AT_INDEX(at, i++);

        if (json_get_int(t, "maxSkew", 0) <= 0)
            bad_invalid(c, AT(here, "maxSkew"), json_int(json_get_int(t, "maxSkew", 0)),
                        "must be greater than zero");
        if (json_get_str(t, "topologyKey").n == 0)
            bad_required(c, AT(here, "topologyKey"), "can not be empty");
        check_enum(c, AT(here, "whenUnsatisfiable"), field(t, "whenUnsatisfiable"), actions);
        check_label_selector(c, AT(here, "labelSelector"), field(t, "labelSelector"));
    }
}

static void check_affinity_terms(struct check *c, const struct at *at, const struct json *terms,
                                 bool weighted)
{
    int64_t i = 0, k;

    JSON_EACH(t, terms) {
        const struct at *here = AT_INDEX(at, i++);
        const struct json *term = weighted ? field(t, "podAffinityTerm") : t;
        int64_t weight = json_get_int(t, "weight", 0);
        const struct at *inner = weighted ? AT(here, "podAffinityTerm") : here;

        if (weighted && (weight <= 0 || weight > 100))
            bad_invalid(c, AT(here, "weight"), json_int(weight), "must be in the range 1-100");
        check_label_selector(c, AT(inner, "labelSelector"), field(term, "labelSelector"));
        /* Keys of matchLabelKeys become expressions of the selector; its labels are the writer's. */
        k = 0;
        JSON_EACH(key, field(term, "matchLabelKeys")) {
            if (json_find(field_at(term, "labelSelector.matchLabels"), json_str(key)))
                bad_invalid(c, AT_INDEX(inner, k), *key,
                            "exists in both matchLabelKeys and labelSelector");
            k++;
        }
        if (json_get_str(term, "topologyKey").n == 0)
            bad_required(c, AT(inner, "topologyKey"), "can not be empty");
        else
            check_qualified_name(c, AT(inner, "topologyKey"), json_get_str(term, "topologyKey"));
    }
}

static void check_affinity(struct check *c, const struct at *at, const struct json *affinity)
{
    static const char *const kinds[] = {"podAffinity", "podAntiAffinity"};
    const struct json *node = field(affinity, "nodeAffinity");

    if (field(node, "requiredDuringSchedulingIgnoredDuringExecution"))
        check_node_selector(
            c, AT(AT(at, "nodeAffinity"), "requiredDuringSchedulingIgnoredDuringExecution"),
            field(node, "requiredDuringSchedulingIgnoredDuringExecution"));
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const struct json *pods = field(affinity, kinds[i]);
        const struct at *here = AT(at, kinds[i]);

        check_affinity_terms(c, AT(here, "requiredDuringSchedulingIgnoredDuringExecution"),
                             field(pods, "requiredDuringSchedulingIgnoredDuringExecution"), false);
        check_affinity_terms(c, AT(here, "preferredDuringSchedulingIgnoredDuringExecution"),
                             field(pods, "preferredDuringSchedulingIgnoredDuringExecution"), true);
    }
}

/* ---- DNS and hosts ---- */

static void check_dns(struct check *c, const struct at *at, const struct json *spec)
{
    const struct json *config = field(spec, "dnsConfig"), *servers = field(config, "nameservers"),
                      *searches = field(config, "searches");
    const struct at *here = AT(at, "dnsConfig");
    int64_t i = 0;

    check_enum(c, AT(at, "dnsPolicy"), field(spec, "dnsPolicy"), dns_policies);
    if (str_is(json_get_str(spec, "dnsPolicy"), "None") && !json_count(servers))
        bad_required(c, AT(here, "nameservers"),
                     "must provide at least one DNS nameserver when `dnsPolicy` is None");
    if (json_count(servers) > 3)
        bad_invalid(c, AT(here, "nameservers"), *servers, "must not have more than 3 nameservers");
    JSON_EACH(s, servers)
        check_ip(c, AT_INDEX(AT(here, "nameservers"), i++), json_str(s));
    if (json_count(searches) > 32)
        bad_invalid(c, AT(here, "searches"), *searches, "must not have more than 32 search paths");
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

/* ---- containers ---- */

static void check_host_ports(struct check *c, const struct at *at, const struct json *containers,
                             struct map *seen, bool host_network)
{
    int64_t i = 0;

    JSON_EACH(k, containers) {
        int64_t p = 0;

        JSON_EACH(port, field(k, "ports")) {
            const struct at *here = AT_INDEX(AT(AT_INDEX(at, i), "ports"), p++);
            int64_t host = json_get_int(port, "hostPort", 0);
            str key;

            if (host_network && host != json_get_int(port, "containerPort", 0))
                bad_invalid(c, AT(here, "hostPort"), json_int(host),
                            "must match `containerPort` when `hostNetwork` is true");
            if (host == 0)
                continue;
            key = arena_fmt(c->a, PRI_STR "/" PRI_STR "/%lld",
                            STR_ARG(json_get_str(port, "protocol")),
                            STR_ARG(json_get_str(port, "hostIP")), (long long)host);
            if (map_find(seen, key))
                bad_duplicate(c, AT(here, "hostPort"), json_string(key), "");
            else
                map_put(seen, key, seen);
        }
        i++;
    }
}

static void check_containers(struct check *c, const struct at *at, const struct json *spec)
{
    const struct json *containers = field(spec, "containers"),
                      *inits = field(spec, "initContainers");
    struct map names, ports;
    int64_t i = 0;

    map_init(&names);
    map_init(&ports);
    if (!json_count(containers))
        bad_required(c, AT(at, "containers"), "");
    JSON_EACH(k, containers) {
        const struct at *here = AT_INDEX(AT(at, "containers"), i++);
        str name = json_get_str(k, "name");

        check_container(c, here, k, CONTAINER_MAIN, spec);
        if (name.n && map_put(&names, name, &names))
            bad_duplicate(c, AT(here, "name"), json_string(name), "");
    }
    i = 0;
    JSON_EACH(k, inits) {
        const struct at *here = AT_INDEX(AT(at, "initContainers"), i++);
        str name = json_get_str(k, "name"), restart = json_get_str(k, "restartPolicy");

        check_container(c, here, k, str_is(restart, "Always") ? CONTAINER_SIDECAR : CONTAINER_INIT,
                        spec);
        if (name.n && map_put(&names, name, &names))
            bad_duplicate(c, AT(here, "name"), json_string(name), "");
    }
    check_host_ports(c, AT(at, "containers"), containers, &ports,
                     json_get_bool(spec, "hostNetwork", false));
    map_fini(&ports);
    map_fini(&names);
}

static void check_gates(struct check *c, const struct at *at, const struct json *spec)
{
    struct map seen;
    int64_t i = 0;

    map_init(&seen);
    JSON_EACH(g, field(spec, "readinessGates"))
        check_qualified_name(c, AT(AT_INDEX(AT(at, "readinessGates"), i++), "conditionType"),
                             json_get_str(g, "conditionType"));
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

static void check_pod_security(struct check *c, const struct at *at, const struct json *s)
{
    static const char *const ids[] = {"runAsUser", "runAsGroup", "fsGroup"};
    int64_t i = 0;

    for (size_t k = 0; k < ARRAY_LEN(ids); k++)
        if (json_get_int(s, ids[k], 0) < 0)
            bad_invalid(c, AT(at, ids[k]), *field(s, ids[k]),
                        "must be between 0 and 2147483647, inclusive");
    JSON_EACH(g, field(s, "supplementalGroups")) {
        if (json_is(g, JSON_INT) && g->i < 0)
            bad_invalid(c, AT_INDEX(AT(at, "supplementalGroups"), i), *g,
                        "must be between 0 and 2147483647, inclusive");
        i++;
    }
}

void check_pod_spec(struct check *c, const struct at *at, const struct json *spec)
{
    const struct json *deadline = field(spec, "activeDeadlineSeconds"),
                      *grace = field(spec, "terminationGracePeriodSeconds");
    static const struct {
        const char *field;
        bool subdomain;
    } names[] = {{"nodeName", true},   {"serviceAccountName", true}, {"hostname", false},
                 {"subdomain", false}, {"priorityClassName", true},  {"runtimeClassName", true}};

    check_volumes(c, AT(at, "volumes"), field(spec, "volumes"));
    check_containers(c, at, spec);
    if (field(spec, "restartPolicy"))
        check_enum(c, AT(at, "restartPolicy"), field(spec, "restartPolicy"), restart_policies);
    else
        bad_required(c, AT(at, "restartPolicy"), "");
    check_dns(c, at, spec);
    check_labels(c, AT(at, "nodeSelector"), field(spec, "nodeSelector"));
    check_gates(c, at, spec);
    check_pod_security(c, AT(at, "securityContext"), field(spec, "securityContext"));
    check_affinity(c, AT(at, "affinity"), field(spec, "affinity"));
    check_tolerations(c, AT(at, "tolerations"), field(spec, "tolerations"));
    check_spread(c, AT(at, "topologySpreadConstraints"), field(spec, "topologySpreadConstraints"));
    check_host_aliases(c, AT(at, "hostAliases"), field(spec, "hostAliases"));
    if (deadline && (!json_is(deadline, JSON_INT) || deadline->i < 1 || deadline->i > INT32_MAX))
        bad_invalid(c, AT(at, "activeDeadlineSeconds"), *deadline,
                    "must be between 1 and 2147483647, inclusive");
    check_not_negative(c, AT(at, "terminationGracePeriodSeconds"), grace);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        str v = json_get_str(spec, names[i].field);

        if (v.n && names[i].subdomain)
            check_dns_subdomain(c, AT(at, names[i].field), v);
        else if (v.n)
            check_dns_label(c, AT(at, names[i].field), v);
    }
    check_enum(c, AT(at, "preemptionPolicy"), field(spec, "preemptionPolicy"), preemption_policies);
}

void check_pod_template(struct check *c, const struct at *at, const struct json *template)
{
    check_labels(c, AT(at, "labels"), field_at(template, "metadata.labels"));
    check_pod_spec(c, AT(at, "spec"), field(template, "spec"));
}
