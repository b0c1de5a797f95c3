/* crd_formats.c - custom resources: regular expressions and named formats of strings.
 *
 * Source: k8s.io/kube-openapi/pkg/validation/strfmt and third_party/forked/govalidator (what has a format),
 * k8s.io/apiextensions-apiserver/pkg/apiserver/validation/formats.go (which formats count). */
#include "schema/cel/cel_internal.h"
#include "schema/crd_internal.h"

#include <arpa/inet.h>

bool crd_matches(const struct map *patterns, str pattern, str text)
{
    const void *re = patterns ? map_find(patterns, pattern) : NULL;
    struct arena *own = re ? NULL : arena_new();
    str problem;
    bool ok;

    if (!re)
        re = cel_regex_new(own, pattern, &problem);
    /* A pattern that is none was refused with the definition; nothing to hold against the value. */
    ok = !re || cel_regex_matches(re, text);
    arena_free(own);
    return ok;
}

/* ---- times ---- */

static bool is_date(str s)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int y = 0, m, d;

    if (s.n != 10 || s.p[4] != '-' || s.p[7] != '-')
        return false;
    for (size_t i = 0; i < 10; i++)
        if (i != 4 && i != 7 && (s.p[i] < '0' || s.p[i] > '9'))
            return false;
    for (size_t i = 0; i < 4; i++)
        y = y * 10 + s.p[i] - '0';
    m = (s.p[5] - '0') * 10 + s.p[6] - '0';
    d = (s.p[8] - '0') * 10 + s.p[9] - '0';
    if (m < 1 || m > 12 || d < 1)
        return false;
    return d <= days[m - 1] + (m == 2 && ((y % 4 == 0 && y % 100) || y % 400 == 0));
}

static bool is_datetime(str s)
{
    return is_date(str_slice(s, 0, 10)) &&
           crd_matches(NULL,
                       S("^[tT]([01][0-9]|2[0-3])(:[0-5][0-9]){2}(.[0-9]+)?([zZ]|[+-][0-9]{2}:[0-9]"
                         "{2})$"),
                       str_skip(s, 10));
}

/* Go's durations, or any text that has a number with a unit in it, as Scala writes them. */
static bool is_duration(str s)
{
    int64_t ns;

    return str_to_duration(s, &ns) ||
           crd_matches(NULL,
                       S("(?i)[0-9]+\\s*(ns|us|µs|ms|s|m|h|hr|d|w|wk|(nano|micro|milli|sec|min|"
                         "hour|day|week)[a-zµ]*)([^a-zµ]|$)"),
                       s);
}

/* ---- addresses ---- */

static bool is_v4(str s)
{
    str rest = s, part;
    int n = 0;

    while (str_cut(&rest, '.', &part)) {
        int value = 0;

        for (size_t i = 0; i < part.n; i++) {
            if (part.p[i] < '0' || part.p[i] > '9')
                return false;
            value = value * 10 + part.p[i] - '0';
            if (value > 255)
                return false;
        }
        if (!part.n || ++n > 4)
            return false;
    }
    return n == 4;
}

static bool is_v6(str s)
{
    char text[INET6_ADDRSTRLEN + 16];
    struct in6_addr ip;

    if (s.n >= sizeof text)
        return false;
    snprintf(text, sizeof text, PRI_STR, STR_ARG(s));
    return strlen(text) == s.n && inet_pton(AF_INET6, text, &ip) == 1;
}

static bool is_ipv4(str s)
{
    return is_v4(s) || (str_has_char(s, '.') && is_v6(s));
}

static bool is_cidr(str s)
{
    ptrdiff_t slash = str_index(s, '/');
    str ip = str_slice(s, 0, slash < 0 ? 0 : (size_t)slash);
    int64_t bits;

    return slash > 0 && str_to_int64(str_skip(s, (size_t)slash + 1), &bits) && bits >= 0 &&
           ((is_v4(ip) && bits <= 32) || (is_v6(ip) && bits <= 128));
}

static bool is_uri(str s)
{
    struct arena *a = arena_new();
    str problem;
    bool ok = cel_url_check(a, s, &problem);

    arena_free(a);
    return ok;
}

static bool is_hostname(str s)
{
    str rest = s, label;

    while (str_cut(&rest, '.', &label))
        if (label.n > 63)
            return false;
    return s.n <= 255 &&
           crd_matches(NULL,
                       S("^([a-zA-Z0-9\\p{S}\\p{L}]((-?[a-zA-Z0-9\\p{S}\\p{L}]{0,62})?)|([a-zA-Z0-"
                         "9\\p{S}\\p{L}](([a-zA-Z0-9-\\p{S}\\p{L}]{0,61}[a-zA-Z0-9\\p{S}\\p{L}])?)"
                         "(\\.)){1,}([a-zA-Z\\p{L}]){2,63})$"),
                       s);
}

static bool is_short_name(str s)
{
    return s.n <= 63 && crd_matches(NULL, S("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), s);
}

static bool is_long_name(str s)
{
    return s.n <= 253 &&
           crd_matches(NULL,
                       S("^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"), s);
}

/* ---- numbers with check digits ---- */

/* The digits of s, without what may stand between them; more than max: 0. */
static size_t digits_of(str s, bool only_space, char *ret, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];

        if (only_space ? strchr(" \t\n\v\f\r-", ch) != NULL : ch < '0' || ch > '9')
            continue;
        if (n == max)
            return 0;
        ret[n++] = ch;
    }
    return n;
}

static bool is_isbn10(str s)
{
    char d[10];
    int sum = 0;

    if (digits_of(s, true, d, sizeof d) != 10)
        return false;
    for (int i = 0; i < 10; i++) {
        if (i == 9 && d[i] == 'X')
            sum += 100;
        else if (d[i] < '0' || d[i] > '9')
            return false;
        else
            sum += (i + 1) * (d[i] - '0');
    }
    return sum % 11 == 0;
}

static bool is_isbn13(str s)
{
    char d[13];
    int sum = 0;

    if (digits_of(s, true, d, sizeof d) != 13)
        return false;
    for (int i = 0; i < 13; i++) {
        if (d[i] < '0' || d[i] > '9')
            return false;
        sum += (i % 2 ? 3 : 1) * (d[i] - '0');
    }
    return sum % 10 == 0;
}

static bool is_isbn(str s)
{
    return is_isbn10(s) || is_isbn13(s);
}

static bool is_creditcard(str s)
{
    char d[20];
    size_t n = digits_of(s, false, d, sizeof d);
    int sum = 0;

    if (!n || !crd_matches(NULL,
                           S("^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]"
                             "{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\\d"
                             "{3})\\d{11})$"),
                           (str){d, n}))
        return false;
    for (size_t i = 0; i < n; i++) {
        int x = (d[n - 1 - i] - '0') * (i % 2 ? 2 : 1);

        sum += x > 9 ? x - 9 : x;
    }
    return sum % 10 == 0;
}

static bool is_ssn(str s)
{
    return s.n == 11 && crd_matches(NULL, S("^\\d{3}[- ]?\\d{2}[- ]?\\d{4}$"), s);
}

static bool is_quantity(str s)
{
    struct quantity q;

    return quantity_parse(s, &q);
}

/* ---- the table ---- */

#define HEX2 "[0-9a-fA-F]{2}"
#define HEX4 "[0-9a-fA-F]{4}"
#define BYTE "\\s*(0|[1-9]\\d?|1\\d\\d?|2[0-4]\\d|25[0-5])\\s*"

/* Names without hyphens: those do not count. Neither pattern nor function: any text will do. */
static const struct {
    const char *name, *pattern;
    bool (*holds)(str s);
} formats[] = {
    {"bsonobjectid", "^[0-9a-fA-F]{24}$", NULL},
    {"byte", "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$", NULL},
    {"cidr", NULL, is_cidr},
    {"creditcard", NULL, is_creditcard},
    {"date", NULL, is_date},
    {"datetime", NULL, is_datetime},
    {"duration", NULL, is_duration},
    {"email", "^([^@\\s<>]+@[^@\\s<>]+|.*<[^@\\s<>]+@[^@\\s<>]+>)$", NULL},
    {"hexcolor", "^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$", NULL},
    {"hostname", NULL, is_hostname},
    {"ipv4", NULL, is_ipv4},
    {"ipv6", NULL, is_v6},
    {"isbn", NULL, is_isbn},
    {"isbn10", NULL, is_isbn10},
    {"isbn13", NULL, is_isbn13},
    {"k8slongname", NULL, is_long_name},
    {"k8sshortname", NULL, is_short_name},
    {"mac",
     "^(" HEX2 "((:" HEX2 "){5}|(:" HEX2 "){7}|(:" HEX2 "){19}|(-" HEX2 "){5}|(-" HEX2
     "){7}|(-" HEX2 "){19})|" HEX4 "((\\." HEX4 "){2}|(\\." HEX4 "){3}|(\\." HEX4 "){9}))$",
     NULL},
    {"password", NULL, NULL},
    {"quantity", NULL, is_quantity},
    {"rgbcolor", "^rgb\\(" BYTE "," BYTE "," BYTE "\\)$", NULL},
    {"ssn", NULL, is_ssn},
    {"uri", NULL, is_uri},
    {"uuid", "^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$", NULL},
    {"uuid3", "^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$", NULL},
    {"uuid4", "^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$",
     NULL},
    {"uuid5", "^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$",
     NULL},
};

/* Index in formats; -1: unknown. */
static int find(str name)
{
    char plain[16];
    size_t n = 0;

    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '-')
            continue;
        if (n + 1 == sizeof plain)
            return -1;
        plain[n++] = name.p[i];
    }
    plain[n] = 0;
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (strcmp(formats[i].name, plain) == 0)
            return (int)i;
    return -1;
}

bool crd_format_is_known(str type, str format)
{
    if (str_is(type, "integer"))
        return str_is(format, "int32") || str_is(format, "int64");
    if (str_is(type, "number"))
        return str_is(format, "float") || str_is(format, "double");
    return (!type.n || str_is(type, "string")) && find(format) >= 0;
}

bool crd_format_holds(str format, str text)
{
    int i = find(format);

    if (i < 0)
        return true;
    if (formats[i].holds)
        return formats[i].holds(text);
    return !formats[i].pattern || crd_matches(NULL, str_of(formats[i].pattern), text);
}
