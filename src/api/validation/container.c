/* container.c - rules of one container and of the three lists of them: main, init and ephemeral.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go. */
#include "api/validation/container.h"

#include "api/validation/references.h"
#include "api/validation/resources.h"
#include "api/validation/security.h"

#define RESTART_RULES_MAX 20
#define EXIT_CODES_MAX 255

static const char *const protocols[] = {"SCTP", "TCP", "UDP", NULL};

bool container_next(struct each_container *it)
{
    static const char *const lists[] = {"initContainers", "containers", "ephemeralContainers"};

    for (; it->kind < ARRAY_LEN(lists); it->kind++, it->i = -1) {
        it->container = json_item(field(it->spec, lists[it->kind]), (uint32_t)++it->i);
        if (!it->container)
            continue;
        it->list.name = lists[it->kind];
        it->at = (struct at){.up = &it->list, .index = it->i};
        return true;
    }
    return false;
}

/* ---- ports ---- */

static void check_ports(struct check *c, const struct at *at, const struct json *ports)
{
    struct map names;
    int64_t i = 0;

    map_init(&names);
    JSON_EACH(p, ports) {
        const struct at *here = AT_INDEX(at, i++);
        str name = json_get_str(p, "name");
        int64_t port = json_get_int(p, "containerPort", 0), host = json_get_int(p, "hostPort", 0);
        unsigned before = check_count(c);

        if (name.n) {
            check_port_name(c, AT(here, "name"), name);
            if (check_count(c) == before && map_put(&names, name, &names))
                bad_duplicate(c, AT(here, "name"), json_string(name), "");
        }
        if (port == 0)
            bad_required(c, AT(here, "containerPort"), "");
        else
            check_port(c, AT(here, "containerPort"), port);
        if (host != 0)
            check_port(c, AT(here, "hostPort"), host);
        check_required_enum(c, AT(here, "protocol"), field(p, "protocol"), protocols);
    }
    map_fini(&names);
}

/* No two may want the same port of the node. */
static void check_port_conflicts(struct check *c, const struct at *at, const struct json *k,
                                 struct map *seen)
{
    int64_t i = 0;

    JSON_EACH(p, field(k, "ports")) {
        const struct at *here = AT_INDEX(AT(at, "ports"), i++);
        int64_t host = json_get_int(p, "hostPort", 0);
        str key;

        if (host == 0)
            continue;
        key = arena_fmt(c->a, PRI_STR "/" PRI_STR "/%lld", STR_ARG(json_get_str(p, "protocol")),
                        STR_ARG(json_get_str(p, "hostIP")), (long long)host);
        if (map_put(seen, key, seen))
            bad_duplicate(c, AT(here, "hostPort"), json_string(key), "");
    }
}

void check_host_ports(struct check *c, const struct at *at, const struct json *spec, bool is_pod)
{
    int64_t i = 0;

    if (!json_get_bool(spec, "hostNetwork", false))
        return;
    JSON_EACH(k, field(spec, "containers")) {
        const struct at *ports = AT(AT_INDEX(AT(at, "containers"), i++), "ports");
        int64_t n = 0;

        JSON_EACH(p, field(k, "ports")) {
            int64_t host = json_get_int(p, "hostPort", 0);

            if ((is_pod || host) && host != json_get_int(p, "containerPort", 0))
                bad_invalid(c, AT(AT_INDEX(ports, n), "hostPort"), json_int(host),
                            "must match `containerPort` when `hostNetwork` is true");
            n++;
        }
    }
}

/* ---- resizing and restarting ---- */

static void check_resize_policy(struct check *c, const struct at *at, const struct json *policies,
                                str pod_policy)
{
    static const char *const names[] = {"cpu", "memory", NULL};
    static const char *const restarts[] = {"NotRequired", "RestartContainer", NULL};
    struct map seen;
    int64_t i = 0;

    map_init(&seen);
    JSON_EACH(p, policies) {
        str name = json_get_str(p, "resourceName"), restart = json_get_str(p, "restartPolicy");

        if (map_put(&seen, name, &seen))
            bad_duplicate(c, AT_INDEX(at, i), json_string(name), "");
        check_required_enum(c, at, field(p, "resourceName"), names);
        check_required_enum(c, at, field(p, "restartPolicy"), restarts);
        if (str_is(pod_policy, "Never") && !str_is(restart, "NotRequired"))
            bad_invalid(c, at, json_string(restart),
                        "must be 'NotRequired' when `restartPolicy` is 'Never'");
        i++;
    }
    map_fini(&seen);
}

static void check_exit_codes(struct check *c, const struct at *at, const struct json *codes)
{
    static const char *const operators[] = {"In", "NotIn", NULL};
    const struct json *values = field(codes, "values");

    check_required_enum(c, AT(at, "operator"), field(codes, "operator"), operators);
    if (json_count(values) > EXIT_CODES_MAX)
        bad_too_many(c, AT(at, "values"), json_count(values), EXIT_CODES_MAX);
}

/* init: sidecars are always restarted; others may have a policy of their own, too. */
static void check_restart_policy(struct check *c, const struct at *at, const struct json *k)
{
    static const char *const policies[] = {"Always", "Never", "OnFailure", NULL};
    static const char *const actions[] = {"Restart", "RestartAllContainers", NULL};
    const struct json *policy = field(k, "restartPolicy"), *rules = field(k, "restartPolicyRules");
    int64_t i = 0;

    check_enum(c, AT(at, "restartPolicy"), policy, policies);
    if (!json_count(rules))
        return;
    if (!policy)
        bad_required(c, AT(at, "restartPolicy"),
                     "must specify restartPolicy when restart rules are used");
    if (json_count(rules) > RESTART_RULES_MAX)
        bad_too_many(c, AT(at, "restartPolicyRules"), json_count(rules), RESTART_RULES_MAX);
    JSON_EACH(r, rules) {
        const struct at *here = AT_INDEX(AT(at, "restartPolicyRules"), i++);

        check_required_enum(c, AT(here, "action"), field(r, "action"), actions);
        if (!field(r, "exitCodes"))
            bad_required(c, AT(here, "exitCodes"), "must be specified");
        else
            check_exit_codes(c, AT(here, "exitCodes"), field(r, "exitCodes"));
    }
}

/* ---- what all containers have in common ---- */

static void check_common(struct check *c, const struct at *at, const struct json *k,
                         const struct json *pod, const struct map *volumes)
{
    static const char *const message_policies[] = {"File", "FallbackToLogsOnError", NULL};
    static const char *const pull_policies[] = {"Always", "IfNotPresent", "Never", NULL};
    str name = json_get_str(k, "name");

    if (!name.n)
        bad_required(c, AT(at, "name"), "");
    else
        check_dns_label(c, AT(at, "name"), name);
    if (!json_get_str(k, "image").n)
        bad_required(c, AT(at, "image"), "");
    check_required_enum(c, AT(at, "terminationMessagePolicy"), field(k, "terminationMessagePolicy"),
                        message_policies);
    check_ports(c, AT(at, "ports"), field(k, "ports"));
    check_env(c, AT(at, "env"), field(k, "env"));
    check_env_from(c, AT(at, "envFrom"), field(k, "envFrom"));
    check_mounts(c, AT(at, "volumeMounts"), k, volumes);
    check_devices(c, AT(at, "volumeDevices"), k, volumes);
    check_required_enum(c, AT(at, "imagePullPolicy"), field(k, "imagePullPolicy"), pull_policies);
    check_resources(c, AT(at, "resources"), field(k, "resources"), field(pod, "resourceClaims"));
    check_resize_policy(c, AT(at, "resizePolicy"), field(k, "resizePolicy"),
                        json_get_str(pod, "restartPolicy"));
    check_container_security(c, AT(at, "securityContext"), field(k, "securityContext"), pod);
}

static void check_image(struct check *c, const struct at *at, const struct json *k)
{
    str image = json_get_str(k, "image");

    if (str_trim(image).n != image.n)
        bad_invalid(c, AT(at, "image"), json_string(image),
                    "must not have leading or trailing whitespace");
}

void check_image_spaces(struct check *c, const struct at *at, const struct json *containers)
{
    int64_t i = 0;

    JSON_EACH(k, containers)
        check_image(c, AT_INDEX(at, i++), k);
}

/* ---- the lists ---- */

void check_containers(struct check *c, const struct at *at, const struct json *spec,
                      const struct map *volumes)
{
    const struct json *list = field(spec, "containers"),
                      *grace = field(spec, "terminationGracePeriodSeconds");
    struct map names, ports;
    int64_t i = 0;

    if (!json_count(list)) {
        bad_required(c, at, "");
        return;
    }
    map_init(&names);
    map_init(&ports);
    JSON_EACH(k, list) {
        const struct at *here = AT_INDEX(at, i++);
        str name = json_get_str(k, "name");

        check_common(c, here, k, spec, volumes);
        if (map_put(&names, name, &names))
            bad_duplicate(c, AT(here, "name"), json_string(name), "");
        check_lifecycle(c, AT(here, "lifecycle"), field(k, "lifecycle"), grace);
        check_probes(c, here, k, grace);
        check_restart_policy(c, here, k);
    }
    i = 0;
    JSON_EACH(k, list)
        check_port_conflicts(c, AT_INDEX(at, i++), k, &ports);
    map_fini(&names);
    map_fini(&ports);
}

static void names_of(struct map *names, const struct json *containers)
{
    JSON_EACH(k, containers)
        map_put(names, json_get_str(k, "name"), names);
}

void check_init_containers(struct check *c, const struct at *at, const struct json *spec,
                           const struct map *volumes)
{
    static const char *const unused[] = {"lifecycle", "livenessProbe", "readinessProbe",
                                         "startupProbe"};
    const struct json *grace = field(spec, "terminationGracePeriodSeconds");
    struct map names;
    int64_t i = 0;

    map_init(&names);
    names_of(&names, field(spec, "containers"));
    JSON_EACH(k, field(spec, "initContainers")) {
        const struct at *here = AT_INDEX(at, i++);
        str name = json_get_str(k, "name");
        bool sidecar = str_is(json_get_str(k, "restartPolicy"), "Always");
        struct map ports;

        check_common(c, here, k, spec, volumes);
        check_restart_policy(c, here, k);
        if (map_find(&names, name))
            bad_duplicate(c, AT(here, "name"), json_string(name), "");
        else if (name.n)
            map_put(&names, name, &names);
        /* They run one by one: only ports of the same one are in each other's way. */
        map_init(&ports);
        check_port_conflicts(c, AT_INDEX(at, 0), k, &ports);
        map_fini(&ports);
        if (sidecar) {
            check_lifecycle(c, AT(here, "lifecycle"), field(k, "lifecycle"), grace);
            check_probes(c, here, k, grace);
            continue;
        }
        for (size_t f = 0; f < ARRAY_LEN(unused); f++)
            if (field(k, unused[f]))
                bad_forbidden(c, AT(here, unused[f]),
                              "may not be set for init containers without restartPolicy=Always");
        if (json_count(field(k, "resizePolicy")))
            bad_invalid(c, AT(here, "resizePolicy"),
                        go_values(c, "ContainerResizePolicy", field(k, "resizePolicy")),
                        "must not be set for init containers");
    }
    map_fini(&names);
}

static bool is_set(const struct json *v)
{
    return v && !((v->type == JSON_OBJECT || v->type == JSON_ARRAY) && !v->n);
}

void check_ephemeral_containers(struct check *c, const struct at *at, const struct json *spec,
                                const struct map *volumes)
{
    /* In the order in which they are told. */
    static const char *const forbidden[] = {"ports",          "resources",          "resizePolicy",
                                            "restartPolicy",  "restartPolicyRules", "livenessProbe",
                                            "readinessProbe", "startupProbe",       "lifecycle"};
    static const char text[] = "cannot be set for an Ephemeral Container";
    static const char *const sub_paths[] = {"subPath", "subPathExpr"};
    struct map others, all;
    int64_t i = 0;

    map_init(&others);
    map_init(&all);
    names_of(&others, field(spec, "containers"));
    names_of(&others, field(spec, "initContainers"));
    names_of(&all, field(spec, "containers"));
    names_of(&all, field(spec, "initContainers"));
    JSON_EACH(k, field(spec, "ephemeralContainers")) {
        const struct at *here = AT_INDEX(at, i++);
        str name = json_get_str(k, "name"), target = json_get_str(k, "targetContainerName");
        int64_t n = 0;

        check_common(c, here, k, spec, volumes);
        check_image(c, here, k);
        if (map_put(&all, name, &all))
            bad_duplicate(c, AT(here, "name"), json_string(name), "");
        if (target.n && !map_find(&others, target))
            bad_not_found(c, AT(here, "targetContainerName"), json_string(target), "");
        for (size_t f = 0; f < ARRAY_LEN(forbidden); f++)
            if (is_set(field(k, forbidden[f])))
                bad_forbidden(c, AT(here, forbidden[f]), "%s", text);
        JSON_EACH(m, field(k, "volumeMounts")) {
            for (size_t f = 0; f < ARRAY_LEN(sub_paths); f++)
                if (json_get_str(m, sub_paths[f]).n)
                    bad_forbidden(c, AT(AT_INDEX(AT(here, "volumeMounts"), n), sub_paths[f]), text);
            n++;
        }
    }
    map_fini(&others);
    map_fini(&all);
}
