/* pod_status.c - rules of what a kubelet may report about a pod.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go
 * (ValidatePodStatusUpdate). */
#include "api/validation/pods.h"

static void check_conditions(struct check *c, const struct json *conditions)
{
    static const char *const known[] = {"PodScheduled", "Ready", "Initialized", NULL};
    const struct at *at = AT(AT(NULL, "metadata"), "conditions"); /* upstream's path */
    int64_t i = 0;

    JSON_EACH(x, conditions) {
        str type = json_get_str(x, "type");

        if (!one_of(type, known))
            check_qualified_name(c, AT(AT_INDEX(at, i), "Type"), type);
        i++;
    }
}

static const struct json *named(const struct json *list, str name)
{
    JSON_EACH(it, list)
        if (str_eq(json_get_str(it, "name"), name))
            return it;
    return NULL;
}

/* What has ended for good does not run again. sidecars: the init containers among which restarts are
 * normal; NULL: none. */
static void check_transitions(struct check *c, const struct at *at, const struct json *now,
                              const struct json *old, str policy, const struct json *sidecars)
{
    int64_t i = -1;

    if (str_is(policy, "Always"))
        return;
    JSON_EACH(o, old) {
        const struct json *ended = field_at(o, "state.terminated");
        str name = json_get_str(o, "name");

        i++;
        if (!ended || (str_is(policy, "OnFailure") && json_get_int(ended, "exitCode", 0) != 0) ||
            str_is(json_get_str(named(sidecars, name), "restartPolicy"), "Always"))
            continue;
        JSON_EACH(n, now)
            if (str_eq(json_get_str(n, "name"), name) && !field_at(n, "state.terminated"))
                bad_forbidden(c, AT(AT_INDEX(at, i), "state"),
                              "may not be transitioned to non-terminated state");
    }
}

static void check_claim_statuses(struct check *c, const struct at *at, const struct json *statuses,
                                 const struct json *claims)
{
    struct map seen;
    int64_t i = 0;

    map_init(&seen);
    JSON_EACH(s, statuses) {
        const struct at *here = AT(AT_INDEX(at, i++), "name");
        str name = json_get_str(s, "name");

        if (!named(claims, name))
            bad_invalid(c, here, json_string(name),
                        "must match the name of an entry in `spec.resourceClaims`");
        if (map_put(&seen, name, &seen))
            bad_duplicate(c, here, json_string(name), "");
        if (field(s, "resourceClaimName"))
            check_dns_subdomain(c, here, json_get_str(s, "resourceClaimName"));
    }
    map_fini(&seen);
}

/* type: Go's name of an entry, for messages. */
static void check_ips(struct check *c, const struct at *at, const struct json *ips,
                      const char *type, bool duplicates_first)
{
    const char *const families = "may specify no more than one IP for each IP family";
    unsigned n_v4 = 0, n_v6 = 0;
    int64_t i = 0;
    bool mixed;

    JSON_EACH(x, ips) {
        str ip = json_get_str(x, "ip");

        check_ip(c, AT_INDEX(at, i++), ip);
        n_v6 += is_ip(ip) && is_ipv6(ip);
        n_v4 += is_ip(ip) && !is_ipv6(ip);
    }
    if (json_count(ips) < 2)
        return;
    mixed = n_v4 && n_v6 && json_count(ips) <= 2;
    if (!mixed && !duplicates_first)
        bad_invalid(c, at, go_values(c, type, ips), "%s", families);
    for (uint32_t k = 1; k < json_count(ips); k++)
        for (uint32_t m = 0; m < k; m++)
            if (json_equal(json_item(ips, k), json_item(ips, m))) {
                bad_duplicate(c, AT_INDEX(at, k), go_value(c, type, json_item(ips, k)), "");
                break;
            }
    if (!mixed && duplicates_first)
        bad_invalid(c, at, go_values(c, type, ips), "%s", families);
}

static void check_host_ips(struct check *c, const struct at *at, const struct json *status)
{
    const struct json *ips = field(status, "hostIPs");
    str first = json_get_str(json_item(ips, 0), "ip");

    if (!json_count(ips))
        return;
    if (!str_eq(json_get_str(status, "hostIP"), first))
        bad_invalid(c, AT(AT_INDEX(at, 0), "ip"), json_string(first), "must be equal to `hostIP`");
    check_ips(c, at, ips, "HostIP", true);
}

static void check_users(struct check *c, const struct at *at, const struct json *statuses, str os)
{
    int64_t i = 0;

    JSON_EACH(s, statuses) {
        const struct at *here = AT(AT_INDEX(at, i++), "linux");
        const struct json *user = field_at(s, "user.linux");
        int64_t k = 0;

        if (!user)
            continue;
        if (str_is(os, "windows")) {
            bad_forbidden(c, here, "cannot be set for a windows pod");
            continue;
        }
        check_id(c, AT(here, "uid"), field(user, "uid"));
        check_id(c, AT(here, "gid"), field(user, "gid"));
        JSON_EACH(g, field(user, "supplementalGroups"))
            check_id(c, AT_INDEX(AT(here, "supplementalGroups"), k++), g);
    }
}

static bool has_resource(struct check *c, const struct json *container, str name, bool claim)
{
    if (!claim)
        return json_find(field_at(container, "resources.requests"), name) != NULL;
    JSON_EACH(x, field_at(container, "resources.claims")) {
        str request = json_get_str(x, "request");

        if (str_eq(name,
                   arena_fmt(c->a, "claim:" PRI_STR "%s" PRI_STR, STR_ARG(json_get_str(x, "name")),
                             request.n ? "/" : "", STR_ARG(request))))
            return true;
    }
    return false;
}

static void check_allocated(struct check *c, const struct at *at, const struct json *statuses,
                            const struct json *containers)
{
    static const char *const healths[] = {"Healthy", "Unhealthy", "Unknown", NULL};
    int64_t i = 0;

    JSON_EACH(s, statuses) {
        const struct at *list = AT(AT_INDEX(at, i++), "allocatedResourcesStatus");
        const struct json *container = named(containers, json_get_str(s, "name"));
        int64_t j = 0;

        JSON_EACH(r, field(s, "allocatedResourcesStatus")) {
            const struct at *here = AT_INDEX(list, j++);
            str name = json_get_str(r, "name");
            bool claim = str_has_prefix(name, S("claim:"));
            struct map ids;
            int64_t k = 0;

            if (container && !has_resource(c, container, name, claim))
                bad_invalid(c, AT(here, "name"), json_string(name),
                            claim ? "must match one of the container's resource claims in a format "
                                    "'claim:<claimName>/<request>' or 'claim:<claimName>' if "
                                    "request is empty"
                                  : "must match one of the container's resource requests");
            map_init(&ids);
            JSON_EACH(h, field(r, "resources")) {
                const struct at *place = AT_INDEX(AT(here, "resources"), k++);
                str health = json_get_str(h, "health"), id = json_get_str(h, "resourceID");

                if (!one_of(health, healths))
                    bad_unsupported(c, AT(place, "health"), json_string(health), healths);
                if (map_put(&ids, id, &ids))
                    bad_duplicate(c, AT(place, "resourceID"), json_string(id), "");
            }
            map_fini(&ids);
        }
    }
}

void check_pod_status(struct check *c, const struct json *pod, const struct json *old)
{
    const struct at *at = AT(NULL, "status");
    const struct json *status = field(pod, "status"), *was = field(old, "status"),
                      *spec = field(pod, "spec");
    str nominated = json_get_str(status, "nominatedNodeName"),
        policy = json_get_str(spec, "restartPolicy"), os = json_get_str(spec, "os.name");
    static const char *const lists[] = {"containerStatuses", "initContainerStatuses",
                                        "ephemeralContainerStatuses"};
    int64_t i = 0;

    check_pod_annotation_updates(c, pod, old);
    check_conditions(c, field(status, "conditions"));
    if (nominated.n && !str_eq(nominated, json_get_str(was, "nominatedNodeName")))
        check_dns_subdomain(c, AT(at, "nominatedNodeName"), nominated);
    check_immutable(c, AT(at, "qosClass"), field(status, "qosClass"), field(was, "qosClass"));
    check_transitions(c, AT(at, lists[0]), field(status, lists[0]), field(was, lists[0]), policy,
                      NULL);
    check_transitions(c, AT(at, lists[1]), field(status, lists[1]), field(was, lists[1]), policy,
                      field(spec, "initContainers"));
    check_transitions(c, AT(at, lists[2]), field(status, lists[2]), field(was, lists[2]),
                      S("Never"), NULL);
    check_claim_statuses(c, AT(at, "resourceClaimStatuses"), field(status, "resourceClaimStatuses"),
                         field(spec, "resourceClaims"));
    check_ips(c, AT(at, "podIPs"), field(status, "podIPs"), "PodIP", false);
    check_host_ips(c, AT(at, "hostIPs"), status);
    for (size_t k = 0; k < ARRAY_LEN(lists); k++)
        check_users(c, AT(at, lists[k]), field(status, lists[k]), os);
    check_allocated(c, AT(at, lists[0]), field(status, lists[0]), field(spec, "containers"));
    check_allocated(c, AT(at, lists[1]), field(status, lists[1]), field(spec, "initContainers"));
    JSON_EACH(s, field(status, lists[2])) {
        if (json_count(field(s, "allocatedResourcesStatus")))
            bad_forbidden(c, AT(AT_INDEX(AT(at, lists[2]), i), "allocatedResourcesStatus"),
                          "must not be specified in container status");
        i++;
    }
}
