/* slices.c - rules of EndpointSlices.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/discovery/validation/validation.go. */
#include "api/validation/rules.h"
#include "api/validation/validation.h"

#define SLICE_ADDRESSES_MAX 100
#define SLICE_ENDPOINTS_MAX 1000
#define SLICE_PORTS_MAX 20000
#define TOPOLOGY_LABELS_MAX 16
#define HINTS_MAX 8

static void check_domain_name(struct check *c, const struct at *at, str name)
{
    str rest, part;
    size_t n = 0;

    if (name.n == 0) {
        bad_required(c, at, "");
        return;
    }
    if (name.p[name.n - 1] == '.')
        name = str_slice(name, 0, name.n - 1);
    if (name.n > 253 || not_dns_subdomain(name)) {
        check_dns_subdomain(c, at, name);
        return;
    }
    for (rest = name; str_cut(&rest, '.', &part); n++)
        ;
    if (n < 2) {
        bad_string(c, at, name, "should be a domain with at least two segments separated by dots");
        return;
    }
    for (rest = name; str_cut(&rest, '.', &part);)
        check_dns_label(c, at, part);
}

static void check_address(struct check *c, const struct at *list, int64_t i, const struct json *a,
                          str type)
{
    const struct at *at = AT_INDEX(list, i);
    str s = json_str(a);

    if (str_is(type, "FQDN")) {
        check_domain_name(c, at, s);
        return;
    }
    if (!str_is(type, "IPv4") && !str_is(type, "IPv6"))
        return;
    if (!is_ip(s)) {
        check_ip(c, at, s);
        return;
    }
    if (str_is(type, "IPv4") && is_ipv6(s))
        bad_invalid(c, list, *a, "must be an IPv4 address");
    if (str_is(type, "IPv6") && !is_ipv6(s))
        bad_invalid(c, list, *a, "must be an IPv6 address");
    check_special_ip(c, at, s);
}

static void check_hints(struct check *c, const struct at *at, const struct json *hints)
{
    static const char *const lists[] = {"forZones", "forNodes"};

    for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
        const struct json *list = field(hints, lists[l]);
        const struct at *list_at = AT(at, lists[l]);
        struct map seen;
        int64_t i = 0;

        if (json_count(list) > HINTS_MAX) {
            bad_too_many(c, list_at, json_count(list), HINTS_MAX);
            continue;
        }
        map_init(&seen);
        JSON_EACH(h, list) {
            const struct at *here = AT(AT_INDEX(list_at, i++), "name");
            str name = json_get_str(h, "name");

            if (map_put(&seen, name, &seen))
                bad_duplicate(c, here, json_string(name), "");
            if (l == 0)
                check_label_value(c, here, name);
            else
                check_dns_subdomain(c, here, name);
        }
        map_fini(&seen);
    }
}

static void check_slice_endpoint(struct check *c, const struct at *at, const struct json *e,
                                 str type)
{
    const struct json *addresses = field(e, "addresses"),
                      *topology = field(e, "deprecatedTopology");
    int64_t i = 0;

    if (!json_count(addresses))
        bad_required(c, AT(at, "addresses"), "must contain at least 1 address");
    else if (json_count(addresses) > SLICE_ADDRESSES_MAX)
        bad_too_many(c, AT(at, "addresses"), json_count(addresses), SLICE_ADDRESSES_MAX);
    JSON_EACH(a, addresses)
        check_address(c, AT(at, "addresses"), i++, a, type);
    if (field(e, "nodeName"))
        check_dns_subdomain(c, AT(at, "nodeName"), json_get_str(e, "nodeName"));
    if (json_count(topology) > TOPOLOGY_LABELS_MAX)
        bad_too_many(c, AT(at, "deprecatedTopology"), json_count(topology), TOPOLOGY_LABELS_MAX);
    check_labels(c, AT(at, "deprecatedTopology"), topology);
    if (field(e, "hostname"))
        check_dns_label(c, AT(at, "hostname"), json_get_str(e, "hostname"));
    if (field(e, "hints"))
        check_hints(c, AT(at, "hints"), field(e, "hints"));
}

void validate_endpointslice(struct write *w, struct err **errs)
{
    static const char *const types[] = {"FQDN", "IPv4", "IPv6", NULL};
    static const char *const protocols[] = {"SCTP", "TCP", "UDP", NULL};
    struct check *c = &(struct check){w->a, errs};
    const struct json *endpoints = field(w->obj, "endpoints"), *ports = field(w->obj, "ports");
    str type = json_get_str(w->obj, "addressType");
    struct map names;
    int64_t i = 0;

    if (type.n == 0)
        bad_required(c, AT(NULL, "addressType"), "");
    else
        check_enum(c, AT(NULL, "addressType"), field(w->obj, "addressType"), types);
    if (json_count(endpoints) > SLICE_ENDPOINTS_MAX)
        bad_too_many(c, AT(NULL, "endpoints"), json_count(endpoints), SLICE_ENDPOINTS_MAX);
    else if (!w->old || !endpoints || !field(w->old, "endpoints") ||
             !json_equal(endpoints, field(w->old, "endpoints")))
        JSON_EACH(e, endpoints)
            check_slice_endpoint(c, AT_INDEX(AT(NULL, "endpoints"), i++), e, type);
    if (json_count(ports) > SLICE_PORTS_MAX) {
        bad_too_many(c, AT(NULL, "ports"), json_count(ports), SLICE_PORTS_MAX);
        return;
    }
    map_init(&names);
    i = 0;
    JSON_EACH(p, ports) {
        const struct at *here = AT_INDEX(AT(NULL, "ports"), i++);
        str name = json_get_str(p, "name");

        if (name.n)
            check_dns_label(c, AT(here, "name"), name);
        if (map_put(&names, name, &names))
            bad_duplicate(c, AT(here, "name"), json_string(name), "");
        if (json_get_str(p, "protocol").n == 0)
            bad_required(c, AT(here, "protocol"), "");
        else
            check_enum(c, AT(here, "protocol"), field(p, "protocol"), protocols);
        if (field(p, "appProtocol"))
            check_qualified_name(c, AT(here, "appProtocol"), json_get_str(p, "appProtocol"));
    }
    map_fini(&names);
    if (w->old)
        check_immutable(c, AT(NULL, "addressType"), field(w->obj, "addressType"),
                        field(w->old, "addressType"));
}
