/* networkpolicy.c - rules of NetworkPolicies, IPAddresses and ServiceCIDRs.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/networking/validation/validation.go. */
#include "api/validation/rules.h"
#include "api/validation/validation.h"

#include <arpa/inet.h>

static bool cidr_parts(str s, unsigned char addr[16], int *ret_bits, bool *ret_v6)
{
    str rest = s, ip;
    char z[64];
    int64_t bits;

    str_cut(&rest, '/', &ip);
    if (ip.n >= sizeof z || !rest.p || !str_to_int64(rest, &bits))
        return false;
    memcpy(z, ip.p, ip.n);
    z[ip.n] = '\0';
    *ret_v6 = str_has_char(ip, ':');
    *ret_bits = (int)bits;
    return inet_pton(*ret_v6 ? AF_INET6 : AF_INET, z, addr) == 1;
}

static bool strictly_inside(str inner, str outer)
{
    unsigned char a[16], b[16];
    int a_bits, b_bits;
    bool a_v6, b_v6;

    if (!cidr_parts(inner, a, &a_bits, &a_v6) || !cidr_parts(outer, b, &b_bits, &b_v6) ||
        a_v6 != b_v6 || a_bits <= b_bits)
        return false;
    for (int i = 0; i < b_bits; i++)
        if ((a[i / 8] ^ b[i / 8]) & (0x80 >> (i % 8)))
            return false;
    return true;
}

static void check_ip_block(struct check *c, const struct at *at, const struct json *block)
{
    str cidr = json_get_str(block, "cidr");
    unsigned char addr[16];
    int64_t i = 0;
    int bits;
    bool v6;

    if (cidr.n == 0) {
        bad_required(c, AT(at, "cidr"), "");
        return;
    }
    check_cidr(c, AT(at, "cidr"), cidr);
    if (!cidr_parts(cidr, addr, &bits, &v6))
        return;
    JSON_EACH(e, field(block, "except")) {
        const struct at *here = AT_INDEX(AT(at, "except"), i++);

        check_cidr(c, here, json_str(e));
        if (cidr_parts(json_str(e), addr, &bits, &v6) && !strictly_inside(json_str(e), cidr))
            bad_invalid(c, here, *e, "must be a strict subset of `cidr`");
    }
}

static void check_peer(struct check *c, const struct at *at, const struct json *peer)
{
    const struct json *pods = field(peer, "podSelector"),
                      *spaces = field(peer, "namespaceSelector"), *block = field(peer, "ipBlock");

    if (pods)
        check_label_selector(c, AT(at, "podSelector"), pods);
    if (spaces)
        check_label_selector(c, AT(at, "namespaceSelector"), spaces);
    if (block)
        check_ip_block(c, AT(at, "ipBlock"), block);
    if (!pods && !spaces && !block)
        bad_required(c, at, "must specify a peer");
    else if (block && (pods || spaces))
        bad_forbidden(c, at, "may not specify both ipBlock and another peer");
}

static void check_policy_port(struct check *c, const struct at *at, const struct json *p)
{
    static const char *const protocols[] = {"TCP", "UDP", "SCTP", NULL};
    const struct json *port = field(p, "port"), *end = field(p, "endPort");
    const struct at *end_at = AT(at, "endPort");

    check_enum(c, AT(at, "protocol"), field(p, "protocol"), protocols);
    if (!port) {
        if (end)
            bad_invalid(c, end_at, *end, "may not be specified when `port` is not specified");
    } else if (port->type == JSON_INT) {
        check_port(c, AT(at, "port"), port->i);
        if (!end)
            return;
        if (end->i < port->i)
            bad_invalid(c, end_at, *port, "must be greater than or equal to `port`");
        check_port(c, end_at, end->i);
    } else {
        if (end)
            bad_invalid(c, end_at, *end, "may not be specified when `port` is non-numeric");
        check_port_name(c, AT(at, "port"), json_str(port));
    }
}

void validate_networkpolicy(struct write *w, struct err **errs)
{
    static const char *const types[] = {"Ingress", "Egress", NULL};
    static const struct {
        const char *rules, *peers;
    } directions[] = {{"ingress", "from"}, {"egress", "to"}};
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *policy_types = field(spec, "policyTypes");
    const struct at *at = AT(NULL, "spec");
    int64_t i = 0;

    check_label_selector(c, AT(at, "podSelector"), field(spec, "podSelector"));
    for (size_t d = 0; d < ARRAY_LEN(directions); d++) {
        i = 0;
        JSON_EACH(rule, field(spec, directions[d].rules)) {
            const struct at *here = AT_INDEX(AT(at, directions[d].rules), i++);
            int64_t k = 0;

            JSON_EACH(p, field(rule, "ports"))
                check_policy_port(c, AT_INDEX(AT(here, "ports"), k++), p);
            k = 0;
            JSON_EACH(peer, field(rule, directions[d].peers))
                check_peer(c, AT_INDEX(AT(here, directions[d].peers), k++), peer);
        }
    }
    if (json_count(policy_types) > 2) {
        bad_invalid(c, AT(at, "policyTypes"), *policy_types,
                    "may not specify more than two policyTypes");
        return;
    }
    i = 0;
    JSON_EACH(t, policy_types)
        check_enum(c, AT_INDEX(AT(at, "policyTypes"), i++), t, types);
}

/* ---- addresses of Services and the ranges that they come from ---- */

void validate_ipaddress(struct write *w, struct err **errs)
{
    static const struct {
        const char *field;
        bool required;
    } parts[] = {{"resource", true}, {"name", true}, {"namespace", false}};
    struct check *c = &(struct check){w->a, errs};
    const struct json *ref = field_at(w->obj, "spec.parentRef");
    const struct at *at = AT(AT(NULL, "spec"), "parentRef");

    if (w->old) {
        check_immutable_struct(c, at, "networking.v1.ParentReference", ref,
                               field_at(w->old, "spec.parentRef"));
        return;
    }
    if (!ref) {
        bad_required(c, at, "");
        return;
    }
    if (json_get_str(ref, "group").n)
        check_dns_subdomain(c, AT(at, "group"), json_get_str(ref, "group"));
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        str s = json_get_str(ref, parts[i].field);

        if (s.n)
            check_path_segment(c, AT(at, parts[i].field), s);
        else if (parts[i].required)
            bad_required(c, AT(at, parts[i].field), "");
    }
}

/* A CIDR in the one form that it may be written in; the IPAddress and ServiceCIDR kinds are new enough to insist. */
static void check_canonical_cidr(struct check *c, const struct at *at, str s)
{
    str rest = s, ip;
    unsigned char addr[16];
    char canonical[INET6_ADDRSTRLEN];
    unsigned n_before = *c->errs ? (*c->errs)->n_causes : 0;
    int bits;
    bool v6;

    check_cidr(c, at, s);
    if ((*c->errs && (*c->errs)->n_causes > n_before) || !cidr_parts(s, addr, &bits, &v6))
        return;
    str_cut(&rest, '/', &ip);
    if (inet_ntop(v6 ? AF_INET6 : AF_INET, addr, canonical, sizeof canonical) &&
        !str_is(ip, canonical))
        bad_invalid(c, at, json_string(s), "must be in canonical form (\"%s/%d\")", canonical,
                    bits);
}

static bool are_of_both_families(const struct json *cidrs)
{
    unsigned char addr[16];
    bool v6[2] = {false, false};
    int bits;

    return cidr_parts(json_str(json_item(cidrs, 0)), addr, &bits, &v6[0]) &&
           cidr_parts(json_str(json_item(cidrs, 1)), addr, &bits, &v6[1]) && v6[0] != v6[1];
}

/* All that may change is that a range of the other family comes to the one that there is. */
static void check_cidrs_kept(struct check *c, const struct at *at, const struct json *now,
                             const struct json *old)
{
    if (json_count(old) == 1 && json_count(now) == 2 &&
        json_equal(json_item(now, 0), json_item(old, 0)) && are_of_both_families(now))
        check_canonical_cidr(c, AT_INDEX(at, 1), json_str(json_item(now, 1)));
    else
        check_immutable(c, at, now, old);
}

void validate_servicecidr(struct write *w, struct err **errs)
{
    static const struct go_member members[] = {{"CIDRs", "cidrs", 'n'}, {NULL, NULL, 'n'}};
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *cidrs = field(spec, "cidrs");
    const struct at *at = AT(AT(NULL, "spec"), "cidrs");
    int64_t i = 0;

    if (str_is(w->subresource, "status"))
        return;
    if (w->old) {
        check_cidrs_kept(c, at, cidrs, field_at(w->old, "spec.cidrs"));
    } else if (!json_count(cidrs)) {
        bad_required(c, at, "at least one CIDR required");
    } else if (json_count(cidrs) > 2) {
        bad_invalid(c, at, go_struct(c->a, spec, members), "may only hold up to 2 values");
    } else if (json_count(cidrs) == 2 && !are_of_both_families(cidrs)) {
        bad_invalid(c, at, go_struct(c->a, spec, members),
                    "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 "
                    "and 2001:db8::/64");
    } else {
        JSON_EACH(v, cidrs)
            check_canonical_cidr(c, AT_INDEX(at, i++), json_str(v));
    }
}
