/* addresses.c - the forms of IP addresses and networks.
 *
 * Source of rules and texts: k8s.io/apimachinery/pkg/util/validation/ip.go. */
#include "api/validation/check.h"

#include <arpa/inet.h>

bool is_ipv6(str s)
{
    char z[64];
    unsigned char addr[16];

    if (s.n >= sizeof z)
        return false;
    memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    return inet_pton(AF_INET6, z, addr) == 1;
}

bool is_ip(str s)
{
    char z[64];
    unsigned char addr[16];

    if (s.n == 0 || s.n >= sizeof z)
        return false;
    memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    return inet_pton(AF_INET, z, addr) == 1 || inet_pton(AF_INET6, z, addr) == 1;
}

/* Once upon a time 010.0.0.1 was taken for 10.0.0.1: it is told apart from what is no address at all. */
static void without_zeros(struct buf *b, str s)
{
    str part;
    int parts = 0;

    while (str_cut(&s, '.', &part)) {
        while (part.n > 1 && part.p[0] == '0')
            part = str_skip(part, 1);
        buf_z(b, parts++ ? "." : "");
        buf_str(b, part);
    }
}

bool is_loose_ip(str s)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (str_has_char(s, ':'))
        return is_ip(s);
    without_zeros(&b, s);
    return is_ip(buf_view(&b));
}

/* ::ffff:1.2.3.4, another way to write an IPv4 address. */
static bool is_mapped_ip(str s)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    char z[64];
    unsigned char addr[16];

    if (s.n >= sizeof z)
        return false;
    memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    return inet_pton(AF_INET6, z, addr) == 1 && !memcmp(addr, mapped, sizeof mapped);
}

const char *not_ip(str s)
{
    if (is_mapped_ip(s))
        return "must not be an IPv4-mapped IPv6 address";
    if (is_ip(s))
        return NULL;
    return is_loose_ip(s) ? "must not have leading 0s"
                          : "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
}

void check_ip(struct check *c, const struct at *at, str s)
{
    const char *wrong = not_ip(s);

    if (wrong)
        bad_invalid(c, at, json_string(s), "%s", wrong);
}

bool ip_usual_text(str s, char ret[static IP_TEXT_MAX])
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    char z[IP_TEXT_MAX];
    unsigned char addr[16];

    if (s.n >= sizeof z || !is_loose_ip(s))
        return false;
    memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    if (is_mapped_ip(s))
        return inet_pton(AF_INET6, z, addr) == 1 && inet_ntop(AF_INET, addr + 12, ret, IP_TEXT_MAX);
    if (is_ipv6(s))
        return inet_pton(AF_INET6, z, addr) == 1 && inet_ntop(AF_INET6, addr, ret, IP_TEXT_MAX);
    without_zeros(&b, s);
    memcpy(ret, buf_cstr(&b), buf_view(&b).n + 1);
    return true;
}

void check_canonical_ip(struct check *c, const struct at *at, str s)
{
    char usual[IP_TEXT_MAX];

    check_ip(c, at, s);
    if (ip_usual_text(s, usual) && !str_is(s, usual))
        bad_invalid(c, at, json_string(s), "must be in canonical form (\"%s\")", usual);
}

void check_interface_address(struct check *c, const struct at *at, str s)
{
    str rest = s, ip;
    char usual[IP_TEXT_MAX];
    int64_t bits;

    str_cut(&rest, '/', &ip);
    if (!rest.p || !ip_usual_text(ip, usual) || !str_to_int64(rest, &bits) || bits < 0 ||
        bits > (is_ipv6(ip) ? 128 : 32)) {
        bad_invalid(c, at, json_string(s),
                    "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)");
        return;
    }
    if (is_mapped_ip(ip) && bits > 32)
        bits -= 96;
    if (!str_eq(s, arena_fmt(c->a, "%s/%lld", usual, (long long)bits)))
        bad_invalid(c, at, json_string(s), "must be in canonical form (\"%s/%lld\")", usual,
                    (long long)bits);
}

/* Bits of the address that its prefix does not cover? */
static bool has_host_bits(str ip, int64_t bits)
{
    char z[64];
    unsigned char addr[16];
    int n = is_ipv6(ip) ? 128 : 32;

    if (ip.n >= sizeof z)
        return false;
    memcpy(z, ip.p, ip.n);
    z[ip.n] = '\0';
    if (inet_pton(n == 128 ? AF_INET6 : AF_INET, z, addr) != 1)
        return false;
    for (int64_t i = bits; i < n; i++)
        if (addr[i / 8] & (0x80 >> i % 8))
            return true;
    return false;
}

void check_cidr(struct check *c, const struct at *at, str s)
{
    str rest = s, ip;
    int64_t bits;

    str_cut(&rest, '/', &ip);
    if (!is_loose_ip(ip) || !rest.p || !str_to_int64(rest, &bits) || bits < 0 ||
        bits > (is_ipv6(ip) ? 128 : 32))
        bad_invalid(c, at, json_string(s),
                    "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
    else if (!is_ip(ip) || (rest.n > 1 && rest.p[0] == '0'))
        bad_invalid(c, at, json_string(s), "must not have leading 0s in IP or prefix length");
    else if (is_mapped_ip(ip))
        bad_invalid(c, at, json_string(s), "must not have an IPv4-mapped IPv6 address");
    else if (has_host_bits(ip, bits))
        bad_invalid(c, at, json_string(s), "must not have bits set beyond the prefix length");
}

void check_special_ip(struct check *c, const struct at *at, str s)
{
    char z[64];
    unsigned char v4[4], v6[16];
    struct json value = json_string(s);

    if (s.n >= sizeof z)
        return;
    memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    if (inet_pton(AF_INET, z, v4) == 1) {
        if (!v4[0] && !v4[1] && !v4[2] && !v4[3])
            bad_invalid(c, at, value, "may not be unspecified (%s)", z);
        if (v4[0] == 127)
            bad_invalid(c, at, value, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
        if (v4[0] == 169 && v4[1] == 254)
            bad_invalid(c, at, value,
                        "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
        if (v4[0] == 224 && !v4[1] && !v4[2])
            bad_invalid(c, at, value,
                        "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    } else if (inet_pton(AF_INET6, z, v6) == 1) {
        static const unsigned char unspecified[16], loopback[16] = {[15] = 1};

        if (!memcmp(v6, unspecified, 16))
            bad_invalid(c, at, value, "may not be unspecified (%s)", z);
        if (!memcmp(v6, loopback, 16))
            bad_invalid(c, at, value, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
        if (v6[0] == 0xfe && (v6[1] & 0xc0) == 0x80)
            bad_invalid(c, at, value,
                        "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
        if (v6[0] == 0xff && (v6[1] & 0x0f) == 2)
            bad_invalid(c, at, value,
                        "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
}
