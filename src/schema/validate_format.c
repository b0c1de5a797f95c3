/* validate_format.c - the forms of names in Kubernetes; see validate.h.
 *
 * The texts are part of the API: clients show them, tests compare them.
 * Source: k8s.io/apimachinery/pkg/util/validation, as a v1.36 server answers. */
#include "schema/validate.h"

#include <arpa/inet.h>

#define DNS_LABEL_MAX 63
#define DNS_SUBDOMAIN_MAX 253
#define PORT_NAME_MAX 15

#define QUALIFIED_NAME                                                                             \
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "    \
    "alphanumeric character (e.g. 'MyName',  or "                                                  \
    "'my.name',  or '123-abc', regex used for validation is "                                      \
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
#define SUBDOMAIN                                                                                  \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "   \
    "'.', and must start and end with an "                                                         \
    "alphanumeric character (e.g. 'example.com', regex used for validation is "                    \
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

struct problems {
    struct arena *a;
    str *ret;
    size_t n;
};

static void problem(struct problems *p, str text)
{
    if (p->n < FORMAT_PROBLEMS_MAX)
        p->ret[p->n++] = text;
}

static void too_long(struct problems *p, str s, size_t max, const char *prefix, const char *unit)
{
    if (s.n > max)
        problem(p, arena_fmt(p->a, "%smust be no more than %zu %s", prefix, max, unit));
}

static bool lower(char c)
{
    return c >= 'a' && c <= 'z';
}
static bool upper(char c)
{
    return c >= 'A' && c <= 'Z';
}
static bool digit(char c)
{
    return c >= '0' && c <= '9';
}
static bool lower_alnum(char c)
{
    return lower(c) || digit(c);
}
static bool alnum(char c)
{
    return lower(c) || upper(c) || digit(c);
}

/* [a-z0-9]([-a-z0-9]*[a-z0-9])? */
static bool is_label(str s)
{
    if (!s.n || !lower_alnum(s.p[0]) || !lower_alnum(s.p[s.n - 1]))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!lower_alnum(s.p[i]) && s.p[i] != '-')
            return false;
    return true;
}

static bool is_subdomain(str s)
{
    str rest = s, label;

    if (!s.n || s.p[s.n - 1] == '.')
        return false;
    while (str_cut(&rest, '.', &label))
        if (!is_label(label))
            return false;
    return true;
}

/* ([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9] */
static bool is_name(str s)
{
    if (!s.n || !alnum(s.p[0]) || !alnum(s.p[s.n - 1]))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != '.')
            return false;
    return true;
}

static void dns_label(struct problems *p, str s)
{
    too_long(p, s, DNS_LABEL_MAX, "", "bytes");
    if (!is_label(s))
        problem(p, S("a lowercase RFC 1123 label must consist of lower case alphanumeric "
                     "characters or '-', and must start and end with an "
                     "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for "
                     "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"));
}

static void dns_subdomain(struct problems *p, str s)
{
    too_long(p, s, DNS_SUBDOMAIN_MAX, "", "bytes");
    if (!is_subdomain(s))
        problem(p, S(SUBDOMAIN));
}

static void dns1035_label(struct problems *p, str s)
{
    too_long(p, s, DNS_LABEL_MAX, "", "bytes");
    if (!is_label(s) || !lower(s.p[0]))
        problem(p, S("a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
                     "start with an alphabetic character, and end "
                     "with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used "
                     "for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"));
}

static void qualified_name(struct problems *p, str s)
{
    ptrdiff_t slash = str_index(s, '/');
    str name = s, prefix;

    if (slash >= 0) {
        prefix = str_slice(s, 0, (size_t)slash);
        name = str_skip(s, (size_t)slash + 1);
        if (str_has_char(name, '/')) {
            problem(
                p, S("a qualified name " QUALIFIED_NAME
                     " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"));
            return;
        }
        if (!prefix.n)
            problem(p, S("prefix part must be non-empty"));
        else {
            too_long(p, prefix, DNS_SUBDOMAIN_MAX, "prefix part ", "bytes");
            if (!is_subdomain(prefix))
                problem(p, S("prefix part " SUBDOMAIN));
        }
    }
    if (!name.n)
        problem(p, S("name part must be non-empty"));
    too_long(p, name, DNS_LABEL_MAX, "name part ", "bytes");
    if (!is_name(name))
        problem(p, S("name part " QUALIFIED_NAME));
}

static void label_value(struct problems *p, str s)
{
    too_long(p, s, DNS_LABEL_MAX, "", "bytes");
    if (s.n && !is_name(s))
        problem(p, S("a valid label must be an empty string or consist of alphanumeric characters, "
                     "'-', '_' or '.', and must start and end with an "
                     "alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex "
                     "used for validation is "
                     "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"));
}

static void config_key(struct problems *p, str s)
{
    bool ok = s.n > 0;

    too_long(p, s, DNS_SUBDOMAIN_MAX, "", "bytes");
    for (size_t i = 0; i < s.n; i++)
        ok &= alnum(s.p[i]) || s.p[i] == '-' || s.p[i] == '_' || s.p[i] == '.';
    if (!ok)
        problem(p, S("a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
                     "(e.g. 'key.name',  or 'KEY_NAME',  or "
                     "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"));
    if (str_is(s, "."))
        problem(p, S("must not be '.'"));
    else if (str_is(s, ".."))
        problem(p, S("must not be '..'"));
    else if (str_has_prefix(s, S("..")))
        problem(p, S("must not start with '..'"));
}

static void env_name(struct problems *p, str s)
{
    bool ok = s.n > 0;

    for (size_t i = 0; i < s.n; i++)
        ok &= s.p[i] >= 0x20 && s.p[i] < 0x7f && s.p[i] != '=';
    if (!ok)
        problem(p, S("a valid environment variable name must consist only of printable ASCII "
                     "characters other than '='"));
}

static void port_name(struct problems *p, str s)
{
    bool ok = true, letter = false;

    too_long(p, s, PORT_NAME_MAX, "", "characters");
    for (size_t i = 0; i < s.n; i++) {
        ok &= lower_alnum(s.p[i]) || s.p[i] == '-';
        letter |= lower(s.p[i]);
    }
    if (!ok)
        problem(p, S("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"));
    if (!letter)
        problem(p, S("must contain at least one letter (a-z)"));
    if (str_find(s, S("--")) >= 0)
        problem(p, S("must not contain consecutive hyphens"));
    if (s.n && (s.p[0] == '-' || s.p[s.n - 1] == '-'))
        problem(p, S("must not begin or end with a hyphen"));
}

static bool is_address(str s)
{
    char text[INET6_ADDRSTRLEN + 1];
    unsigned char raw[sizeof(struct in6_addr)];

    if (s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    return inet_pton(AF_INET, text, raw) == 1 || inet_pton(AF_INET6, text, raw) == 1;
}

static void ip(struct problems *p, str s)
{
    if (!is_address(s))
        problem(p, S("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"));
}

static void cidr(struct problems *p, str s)
{
    ptrdiff_t slash = str_index(s, '/');
    str address = slash < 0 ? STR_NONE : str_slice(s, 0, (size_t)slash);
    int64_t bits = -1;

    if (slash < 0 || !is_address(address) || !str_to_int64(str_skip(s, (size_t)slash + 1), &bits) ||
        bits < 0 || bits > (str_has_char(address, ':') ? 128 : 32))
        problem(p, S("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"));
}

static void c_identifier(struct problems *p, str s)
{
    bool ok = s.n && !digit(s.p[0]);

    for (size_t i = 0; i < s.n; i++)
        ok &= alnum(s.p[i]) || s.p[i] == '_';
    if (!ok)
        problem(p, S("a valid C identifier must start with alphabetic character or '_', followed "
                     "by a string of alphanumeric characters or '_' "
                     "(e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is "
                     "'[A-Za-z_][A-Za-z0-9_]*')"));
}

static void path_segment(struct problems *p, str s)
{
    if (str_is(s, "."))
        problem(p, S("may not be '.'"));
    if (str_is(s, ".."))
        problem(p, S("may not be '..'"));
    if (str_has_char(s, '/'))
        problem(p, S("may not contain '/'"));
    if (str_has_char(s, '%'))
        problem(p, S("may not contain '%'"));
}

static void percent(struct problems *p, str s)
{
    bool ok = s.n > 1 && s.p[s.n - 1] == '%';

    for (size_t i = 0; i + 1 < s.n; i++)
        ok &= digit(s.p[i]);
    if (!ok)
        problem(p, S("a valid percent string must be a numeric string followed by an ending '%' "
                     "(e.g. '1%',  or '93%', regex used for validation "
                     "is '[0-9]+%')"));
}

static const struct {
    str name;
    void (*check)(struct problems *p, str s);
} formats[] = {
    {STR("dns-label"), dns_label},
    {STR("dns-subdomain"), dns_subdomain},
    {STR("dns-1035-label"), dns1035_label},
    {STR("qualified-name"), qualified_name},
    {STR("label-value"), label_value},
    {STR("config-key"), config_key},
    {STR("env-name"), env_name},
    {STR("port-name"), port_name},
    {STR("ip"), ip},
    {STR("cidr"), cidr},
    {STR("c-identifier"), c_identifier},
    {STR("path-segment"), path_segment},
    {STR("percent"), percent},
};

size_t format_problems(struct arena *a, str format, str value, str ret[FORMAT_PROBLEMS_MAX])
{
    struct problems p = {.a = a, .ret = ret};

    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (str_eq(formats[i].name, format)) {
            formats[i].check(&p, value);
            break;
        }
    return p.n;
}
