/* lib_ip.c - IP addresses and networks.
 *
 * An address's value refers to its 16 bytes (IPv4: the first four), a network's to those and its prefix length. Zones and IPv4
 * mapped into IPv6 are refused.
 *
 * Source: k8s.io/apiserver/pkg/cel/library/{ip,cidr}.go; Go's net/netip for what an address is and for the texts. */
#include "schema/cel/functions.h"

struct address {
    uint8_t b[16];
    uint8_t v6, prefix;
};

static struct cel_value value_of(struct arena *a, const struct address *ip, enum cel_opaque kind)
{
    struct address *copy = ARENA_NEW(a, struct address);
    struct cel_value v = cel_v_opaque(kind, copy);

    *copy = *ip;
    v.flags = ip->v6;
    v.n = sizeof *copy;
    return v;
}

/* ---- reading ---- */

static const char *parse_v4(str s, uint8_t *ret)
{
    unsigned v = 0, digits = 0, n = 0;

    for (size_t i = 0; i <= s.n; i++) {
        char c = i < s.n ? s.p[i] : '.';

        if (c >= '0' && c <= '9') {
            if (digits == 1 && v == 0)
                return "IPv4 field has octet with leading zero";
            v = v * 10 + (unsigned)(c - '0');
            digits++;
            if (v > 255)
                return "IPv4 field has value >255";
        } else if (c == '.') {
            if (!digits)
                return i == s.n ? "IPv4 field must have at least one digit"
                                : "IPv4 field must have at least one digit";
            if (n == 4)
                return "IPv4 address too long";
            ret[n++] = (uint8_t)v;
            v = digits = 0;
        } else {
            return "unexpected character";
        }
    }
    return n < 4 ? "IPv4 address too short" : NULL;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static const char *parse_v6(str s, uint8_t *ret)
{
    ptrdiff_t gap = -1;
    unsigned n = 0;
    size_t i = 0;

    if (s.n >= 2 && s.p[0] == ':' && s.p[1] == ':') {
        gap = 0;
        i = 2;
    }
    while (i < s.n && n < 16) {
        unsigned v = 0;
        size_t start = i;

        for (; i < s.n && hex_digit(s.p[i]) >= 0; i++) {
            v = v << 4 | (unsigned)hex_digit(s.p[i]);
            if (i - start >= 4)
                return "each group must have 4 or less digits";
        }
        if (i == start)
            return "each colon-separated field must have at least one digit";
        if (i < s.n && s.p[i] == '.') {
            const char *problem;

            if ((gap < 0 && n != 12) || n > 12)
                return "embedded IPv4 address must replace the final 2 fields of the address";
            problem = parse_v4(str_skip(s, start), ret + n);
            if (problem)
                return problem;
            n += 4;
            i = s.n;
            break;
        }
        ret[n++] = (uint8_t)(v >> 8);
        ret[n++] = (uint8_t)v;
        if (i == s.n)
            break;
        if (s.p[i] != ':')
            return "unexpected character, want colon";
        if (i + 1 == s.n)
            return "colon must be followed by more characters";
        i++;
        if (s.p[i] == ':') {
            if (gap >= 0)
                return "multiple :: in address";
            gap = (ptrdiff_t)n;
            i++;
        }
    }
    if (i < s.n)
        return "trailing garbage after address";
    if (n < 16) {
        if (gap < 0)
            return "address string too short";
        memmove(ret + 16 - (n - (unsigned)gap), ret + gap, n - (size_t)gap);
        memset(ret + gap, 0, 16 - n);
    } else if (gap >= 0) {
        return "the :: must expand to at least one field of zeros";
    }
    return NULL;
}

static const char *parse_address(str s, struct address *ret)
{
    memset(ret, 0, sizeof *ret);
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '.')
            return parse_v4(s, ret->b);
        else if (s.p[i] == ':') {
            ret->v6 = 1;
            return parse_v6(s, ret->b);
        } else if (s.p[i] == '%')
            return "missing IPv6 address";
    return "unable to parse IP";
}

static bool is_mapped(const struct address *a)
{
    static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    return a->v6 && memcmp(a->b, prefix, 12) == 0;
}

static bool ip_parse(struct arena *a, str s, struct address *ret, struct cel_value *ret_err)
{
    ptrdiff_t zone = str_index(s, '%');
    const char *problem = parse_address(zone > 0 ? str_slice(s, 0, (size_t)zone) : s, ret);

    if (problem) {
        *ret_err = cel_v_error(a,
                               "IP Address \"" PRI_STR
                               "\" parse error during conversion from string: ParseAddr(\"" PRI_STR
                               "\"): %s",
                               STR_ARG(s), STR_ARG(s), problem);
        return false;
    }
    if (zone > 0) {
        *ret_err =
            cel_v_error(a, "IP address \"" PRI_STR "\" with zone value is not allowed", STR_ARG(s));
        return false;
    }
    if (is_mapped(ret)) {
        *ret_err =
            cel_v_error(a, "IPv4-mapped IPv6 address \"" PRI_STR "\" is not allowed", STR_ARG(s));
        return false;
    }
    return true;
}

static bool cidr_parse(struct arena *a, str s, struct address *ret, struct cel_value *ret_err)
{
    ptrdiff_t slash = str_rindex(s, '/');
    const char *problem = slash < 0 ? "no '/'" : parse_address(str_slice(s, 0, (size_t)slash), ret);
    str bits = slash < 0 ? STR_NONE : str_skip(s, (size_t)slash + 1);
    int64_t n = 0;

    if (!problem && (!bits.n || bits.n > 3 || !str_to_int64(bits, &n) || bits.p[0] == '-' ||
                     bits.p[0] == '+' || (bits.n > 1 && bits.p[0] == '0')))
        problem = "bad bits after slash";
    else if (!problem && n > (ret->v6 ? 128 : 32))
        problem = "prefix length out of range";
    if (problem) {
        *ret_err = cel_v_error(a,
                               "network address parse error during conversion from string: network "
                               "address parse error during conversion from string: "
                               "netip.ParsePrefix(\"" PRI_STR "\"): %s",
                               STR_ARG(s), problem);
        return false;
    }
    if (is_mapped(ret)) {
        *ret_err = cel_v_error(a,
                               "network address parse error during conversion from string: "
                               "IPv4-mapped IPv6 address \"" PRI_STR "\" is not allowed",
                               STR_ARG(s));
        return false;
    }
    ret->prefix = (uint8_t)n;
    return true;
}

/* ---- writing: RFC 5952 ---- */

static void format_address(struct buf *b, const struct address *a)
{
    unsigned best = 0, best_n = 0, word[8];

    if (!a->v6) {
        buf_fmt(b, "%u.%u.%u.%u", a->b[0], a->b[1], a->b[2], a->b[3]);
        return;
    }
    for (unsigned i = 0; i < 8; i++)
        word[i] = (unsigned)a->b[2 * i] << 8 | a->b[2 * i + 1];
    for (unsigned i = 0; i < 8; i++) {
        unsigned n = 0;

        while (i + n < 8 && !word[i + n])
            n++;
        if (n > best_n && n > 1) {
            best = i;
            best_n = n;
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        if (best_n && i == best) {
            buf_z(b, "::");
            i += best_n - 1;
            continue;
        }
        if (i && !(best_n && i == best + best_n))
            buf_char(b, ':');
        buf_fmt(b, "%x", word[i]);
    }
}

str cel_address_text(struct arena *a, struct cel_value v)
{
    const struct address *ip = v.ref;
    CLEANUP(buf) struct buf b = BUF_INIT;

    format_address(&b, ip);
    if (v.sub == OPAQUE_CIDR)
        buf_fmt(&b, "/%u", ip->prefix);
    return arena_dup(a, buf_view(&b));
}

/* ---- addresses ---- */

static bool is(struct cel_value v, enum cel_opaque kind)
{
    return v.kind == CEL_OPAQUE && v.sub == kind;
}

struct cel_value cel_fn_ip(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    struct address ip;
    struct cel_value err;

    if (is(v[0], OPAQUE_CIDR)) {
        ip = *(const struct address *)v[0].ref;
        ip.prefix = 0;
        return value_of(e->a, &ip, OPAQUE_IP);
    }
    if (v[0].kind != CEL_STRING)
        return cel_no_overload(e, n, v);
    return ip_parse(e->a, cel_v_text(v[0]), &ip, &err) ? value_of(e->a, &ip, OPAQUE_IP) : err;
}

struct cel_value cel_fn_is_ip(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    struct address ip;
    struct cel_value err;

    if (v[0].kind != CEL_STRING)
        return cel_no_overload(e, n, v);
    return cel_v_bool(ip_parse(e->a, cel_v_text(v[0]), &ip, &err));
}

struct cel_value cel_fn_ip_is_canonical(struct cel_eval *e, const struct cel_node *n,
                                        struct cel_value *v)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct address ip;
    struct cel_value err;

    if (v[0].kind != CEL_STRING)
        return cel_no_overload(e, n, v);
    if (!ip_parse(e->a, cel_v_text(v[0]), &ip, &err))
        return err;
    format_address(&b, &ip);
    return cel_v_bool(str_eq(buf_view(&b), cel_v_text(v[0])));
}

static bool all_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

struct cel_value cel_fn_ip_part(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    const struct address *ip = v[0].ref;
    bool unspecified, loopback, multicast, link_multicast, link_unicast;
    const char *name = n->fn->name;

    if (!is(v[0], OPAQUE_IP))
        return cel_no_overload(e, n, v);
    unspecified = all_zero(ip->b, ip->v6 ? 16 : 4);
    loopback = ip->v6 ? all_zero(ip->b, 15) && ip->b[15] == 1 : ip->b[0] == 127;
    multicast = ip->v6 ? ip->b[0] == 0xff : (ip->b[0] & 0xf0) == 0xe0;
    link_multicast = ip->v6 ? ip->b[0] == 0xff && (ip->b[1] & 0x0f) == 0x02
                            : ip->b[0] == 224 && ip->b[1] == 0 && ip->b[2] == 0;
    link_unicast =
        ip->v6 ? ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80 : ip->b[0] == 169 && ip->b[1] == 254;
    if (strcmp(name, "family") == 0)
        return cel_v_int(ip->v6 ? 6 : 4);
    if (strcmp(name, "isUnspecified") == 0)
        return cel_v_bool(unspecified);
    if (strcmp(name, "isLoopback") == 0)
        return cel_v_bool(loopback);
    if (strcmp(name, "isLinkLocalMulticast") == 0)
        return cel_v_bool(link_multicast);
    if (strcmp(name, "isLinkLocalUnicast") == 0)
        return cel_v_bool(link_unicast);
    return cel_v_bool(!unspecified && !loopback && !multicast && !link_unicast &&
                      !(!ip->v6 && memcmp(ip->b, "\xff\xff\xff\xff", 4) == 0));
}

/* ---- networks ---- */

static void mask(struct address *a, unsigned bits)
{
    for (unsigned i = 0; i < (a->v6 ? 16u : 4u); i++) {
        unsigned keep = bits > i * 8 ? MIN(bits - i * 8, 8u) : 0;

        a->b[i] &= (uint8_t)(0xff00 >> keep);
    }
}

struct cel_value cel_fn_cidr(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    struct address net;
    struct cel_value err;

    if (v[0].kind != CEL_STRING)
        return cel_no_overload(e, n, v);
    return cidr_parse(e->a, cel_v_text(v[0]), &net, &err) ? value_of(e->a, &net, OPAQUE_CIDR) : err;
}

struct cel_value cel_fn_is_cidr(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    struct address net;
    struct cel_value err;

    if (v[0].kind != CEL_STRING)
        return cel_no_overload(e, n, v);
    return cel_v_bool(cidr_parse(e->a, cel_v_text(v[0]), &net, &err));
}

/* Are the first bits of the address the network's? */
static bool within(const struct address *net, struct address ip)
{
    struct address masked = *net;

    if (net->v6 != ip.v6)
        return false;
    mask(&masked, net->prefix);
    mask(&ip, net->prefix);
    return memcmp(masked.b, ip.b, sizeof ip.b) == 0;
}

struct cel_value cel_fn_contains_ip(struct cel_eval *e, const struct cel_node *n,
                                    struct cel_value *v)
{
    struct address ip;
    struct cel_value err;

    if (!is(v[0], OPAQUE_CIDR) || (v[1].kind != CEL_STRING && !is(v[1], OPAQUE_IP)))
        return cel_no_overload(e, n, v);
    if (v[1].kind == CEL_OPAQUE)
        ip = *(const struct address *)v[1].ref;
    else if (!ip_parse(e->a, cel_v_text(v[1]), &ip, &err))
        return err;
    return cel_v_bool(within(v[0].ref, ip));
}

struct cel_value cel_fn_contains_cidr(struct cel_eval *e, const struct cel_node *n,
                                      struct cel_value *v)
{
    const struct address *net = v[0].ref;
    struct address other;
    struct cel_value err;

    if (!is(v[0], OPAQUE_CIDR) || (v[1].kind != CEL_STRING && !is(v[1], OPAQUE_CIDR)))
        return cel_no_overload(e, n, v);
    if (v[1].kind == CEL_OPAQUE)
        other = *(const struct address *)v[1].ref;
    else if (!cidr_parse(e->a, cel_v_text(v[1]), &other, &err))
        return err;
    return cel_v_bool(net->prefix <= other.prefix && within(net, other));
}

struct cel_value cel_fn_cidr_masked(struct cel_eval *e, const struct cel_node *n,
                                    struct cel_value *v)
{
    struct address net;

    if (!is(v[0], OPAQUE_CIDR))
        return cel_no_overload(e, n, v);
    net = *(const struct address *)v[0].ref;
    mask(&net, net.prefix);
    return value_of(e->a, &net, OPAQUE_CIDR);
}

struct cel_value cel_fn_cidr_prefix_length(struct cel_eval *e, const struct cel_node *n,
                                           struct cel_value *v)
{
    if (!is(v[0], OPAQUE_CIDR))
        return cel_no_overload(e, n, v);
    return cel_v_int(((const struct address *)v[0].ref)->prefix);
}
