/* endpoints.c - rules of Endpoints.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go. */
#include "api/validation/check.h"
#include "api/validation/validation.h"

static void check_address(struct check *c, const struct at *at, const struct json *a)
{
    str ip = json_get_str(a, "ip"), host = json_get_str(a, "hostname");
    const struct json *node = field(a, "nodeName");

    check_ip(c, AT(at, "ip"), ip);
    if (host.n)
        check_dns_label(c, AT(at, "hostname"), host);
    if (node)
        check_dns_subdomain(c, AT(at, "nodeName"), json_str(node));
    if (!is_loose_ip(ip))
        bad_invalid(c, AT(at, "ip"), json_string(ip), "must be a valid IP address");
    else
        check_special_ip(c, AT(at, "ip"), ip);
}

static void check_endpoint_port(struct check *c, const struct at *at, const struct json *p,
                                bool name_required)
{
    static const char *const protocols[] = {"SCTP", "TCP", "UDP", NULL};
    const struct json *app = field(p, "appProtocol");
    str name = json_get_str(p, "name");

    if (name.n)
        check_dns_label(c, AT(at, "name"), name);
    else if (name_required)
        bad_required(c, AT(at, "name"), "");
    check_port(c, AT(at, "port"), json_get_int(p, "port", 0));
    check_required_enum(c, AT(at, "protocol"), field(p, "protocol"), protocols);
    if (app)
        check_qualified_name(c, AT(at, "appProtocol"), json_str(app));
}

void validate_endpoints(struct write *w, struct err **errs)
{
    static const char *const lists[] = {"addresses", "notReadyAddresses"};
    struct check *c = &(struct check){w->a, errs};
    int64_t i = 0;

    JSON_EACH(s, field(w->obj, "subsets")) {
        const struct at *here = AT_INDEX(AT(NULL, "subsets"), i++);
        const struct json *ports = field(s, "ports");
        int64_t k;

        if (!json_count(field(s, lists[0])) && !json_count(field(s, lists[1])))
            bad_required(c, here, "must specify `addresses` or `notReadyAddresses`");
        for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
            k = 0;
            JSON_EACH(a, field(s, lists[l]))
                check_address(c, AT_INDEX(AT(here, lists[l]), k++), a);
        }
        k = 0;
        JSON_EACH(p, ports)
            check_endpoint_port(c, AT_INDEX(AT(here, "ports"), k++), p, json_count(ports) > 1);
    }
}
