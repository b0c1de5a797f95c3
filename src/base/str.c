/* str.c - borrowed slices of text; also base64, hex and sorting, which work on them. */
#include "base/base.h"

#include <inttypes.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool str_eq(str a, str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_eq_nocase(str a, str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

int str_cmp(str a, str b)
{
    size_t n = MIN(a.n, b.n);
    int c = n ? memcmp(a.p, b.p, n) : 0;

    if (c)
        return c;
    return a.n < b.n ? -1 : a.n > b.n;
}

bool str_has_prefix(str s, str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool str_has_suffix(str s, str suffix)
{
    return s.n >= suffix.n &&
           (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

bool str_has_char(str s, char c)
{
    return str_index(s, c) >= 0;
}

ptrdiff_t str_index(str s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;

    return at ? at - s.p : -1;
}

ptrdiff_t str_rindex(str s, char c)
{
    const char *at = s.n ? memrchr(s.p, c, s.n) : NULL;

    return at ? at - s.p : -1;
}

ptrdiff_t str_find(str s, str needle)
{
    const char *at;

    if (needle.n == 0)
        return 0;
    if (s.n < needle.n)
        return -1;
    at = memmem(s.p, s.n, needle.p, needle.n);
    return at ? at - s.p : -1;
}

str str_slice(str s, size_t from, size_t to)
{
    to = MIN(to, s.n);
    from = MIN(from, to);
    return (str){s.p ? s.p + from : NULL, to - from};
}

str str_skip(str s, size_t n)
{
    return str_slice(s, n, s.n);
}

str str_trim(str s)
{
    while (s.n && (*s.p == ' ' || (*s.p >= '\t' && *s.p <= '\r')))
        s.p++, s.n--;
    while (s.n && (s.p[s.n - 1] == ' ' || (s.p[s.n - 1] >= '\t' && s.p[s.n - 1] <= '\r')))
        s.n--;
    return s;
}

bool str_cut(str *rest, char sep, str *ret_head)
{
    ptrdiff_t at;

    if (!rest->p)
        return false;
    at = str_index(*rest, sep);
    if (at < 0) {
        *ret_head = *rest;
        *rest = STR_NONE;
        return true;
    }
    *ret_head = (str){rest->p, (size_t)at};
    *rest = (str){rest->p + at + 1, rest->n - (size_t)at - 1};
    return true;
}

bool str_to_int64(str s, int64_t *ret)
{
    bool negative = s.n && s.p[0] == '-';
    uint64_t v = 0, limit = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
    size_t i = s.n && (s.p[0] == '-' || s.p[0] == '+');

    if (i == s.n)
        return false;
    for (; i < s.n; i++) {
        unsigned digit = (unsigned char)s.p[i] - '0';

        if (digit > 9 || v > (limit - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *ret = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

bool str_to_duration(str s, int64_t *ret_ns)
{
    static const struct {
        str name;
        int64_t ns;
    } units[] = {
        {STR("ns"), 1},
        {STR("us"), 1000},
        {STR("\xc2\xb5s"), 1000},
        {STR("\xce\xbcs"), 1000},
        {STR("ms"), 1000000},
        {STR("s"), INT64_C(1000000000)},
        {STR("m"), INT64_C(60000000000)},
        {STR("h"), INT64_C(3600000000000)},
    };
    bool negative = s.n && s.p[0] == '-';
    __int128 total = 0;

    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        s = str_skip(s, 1);
    if (str_eq(s, S("0"))) {
        *ret_ns = 0;
        return true;
    }
    if (!s.n)
        return false;
    while (s.n) {
        __int128 whole = 0, part = 0, scale = 1;
        size_t i = 0, digits = 0, unit;
        int64_t best = 0;

        for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++, digits++)
            if ((whole = whole * 10 + (s.p[i] - '0')) > INT64_MAX)
                return false;
        if (i < s.n && s.p[i] == '.')
            for (i++; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++, digits++)
                if (scale < INT64_C(1000000000000000000)) { /* more digits are below a nanosecond */
                    part = part * 10 + (s.p[i] - '0');
                    scale *= 10;
                }
        if (!digits)
            return false;
        s = str_skip(s, i);
        for (unit = 0; unit < s.n && s.p[unit] != '.' && (s.p[unit] < '0' || s.p[unit] > '9');
             unit++)
            ;
        for (size_t u = 0; u < ARRAY_LEN(units); u++)
            if (str_eq(units[u].name, str_slice(s, 0, unit)))
                best = units[u].ns;
        if (!best)
            return false;
        s = str_skip(s, unit);
        total += whole * best + part * best / scale;
        if (total > (__int128)INT64_MAX + negative)
            return false;
    }
    *ret_ns = (int64_t)(negative ? -total : total);
    return true;
}

/* wyhash-like mixing: the maps hold keys from the wire only inside bounded requests, or names that cost a durable write
 * each, so a keyed hash is not needed. */
uint64_t str_hash(str s)
{
    uint64_t h = UINT64_C(0x9e3779b97f4a7c15) ^ s.n;
    const char *p = s.p;
    size_t n = s.n;

    while (n >= 8) {
        uint64_t w;

        memcpy(&w, p, 8);
        h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 32;
        p += 8, n -= 8;
    }
    if (n) {
        uint64_t w = 0;

        memcpy(&w, p, n);
        h = (h ^ w) * UINT64_C(0xc4ceb9fe1a85ec53);
        h ^= h >> 29;
    }
    h *= UINT64_C(0xff51afd7ed558ccd);
    return h ^ (h >> 32);
}

char *str_dupz(str s)
{
    char *z = mem_alloc(s.n + 1);

    if (s.n)
        memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    return z;
}

void sort_with(void *base, size_t n, size_t size, int (*cmp)(const void *, const void *, void *),
               void *ctx)
{
    if (n > 1)
        qsort_r(base, n, size, cmp, ctx);
}

static const char base64_std[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void base64(struct buf *b, str in, const char *alphabet, bool pad)
{
    const unsigned char *p = (const unsigned char *)in.p;
    size_t i;

    buf_reserve(b, in.n / 3 * 4 + 5);
    for (i = 0; i + 3 <= in.n; i += 3) {
        char out[4] = {alphabet[p[i] >> 2], alphabet[(p[i] & 3) << 4 | p[i + 1] >> 4],
                       alphabet[(p[i + 1] & 15) << 2 | p[i + 2] >> 6], alphabet[p[i + 2] & 63]};

        buf_add(b, out, 4);
    }
    if (in.n - i == 1) {
        char out[4] = {alphabet[p[i] >> 2], alphabet[(p[i] & 3) << 4], '=', '='};

        buf_add(b, out, pad ? 4 : 2);
    } else if (in.n - i == 2) {
        char out[4] = {alphabet[p[i] >> 2], alphabet[(p[i] & 3) << 4 | p[i + 1] >> 4],
                       alphabet[(p[i + 1] & 15) << 2], '='};

        buf_add(b, out, pad ? 4 : 3);
    }
}

void buf_base64(struct buf *b, str in)
{
    base64(b, in, base64_std, true);
}

void buf_base64url(struct buf *b, str in)
{
    base64(b, in, base64_url, false);
}

static int base64_digit(char c, bool url)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (url ? '-' : '+'))
        return 62;
    if (c == (url ? '_' : '/'))
        return 63;
    return -1;
}

static bool base64_in(struct arena *a, str in, bool url, str *ret)
{
    size_t n_pad = 0, n_out = 0;
    uint32_t acc = 0;
    unsigned bits = 0;
    char *out;

    while (n_pad < 2 && in.n && in.p[in.n - 1] == '=')
        in.n--, n_pad++;
    if (in.n % 4 == 1 || (!url && (in.n + n_pad) % 4) || (n_pad && (in.n + n_pad) % 4))
        return false;
    out = arena_alloc(a, in.n / 4 * 3 + 4);
    for (size_t i = 0; i < in.n; i++) {
        int digit = base64_digit(in.p[i], url);

        if (digit < 0)
            return false;
        acc = acc << 6 | (unsigned)digit;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[n_out++] = (char)(acc >> bits);
        }
    }
    out[n_out] = '\0';
    *ret = (str){out, n_out};
    return true;
}

bool base64_decode(struct arena *a, str in, str *ret)
{
    return base64_in(a, in, false, ret);
}

bool base64url_decode(struct arena *a, str in, str *ret)
{
    return base64_in(a, in, true, ret);
}

void buf_hex(struct buf *b, str in)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < in.n; i++) {
        buf_char(b, digits[(unsigned char)in.p[i] >> 4]);
        buf_char(b, digits[in.p[i] & 15]);
    }
}

str duration_text(struct arena *a, int64_t s)
{
    int64_t m = s / 60, h = s / 3600, d = h / 24;

    if (s < -1)
        return S("<invalid>");
    if (s < 0)
        return S("0s");
    if (s < 120)
        return arena_fmt(a, "%" PRId64 "s", s);
    if (m < 10)
        return s % 60 ? arena_fmt(a, "%" PRId64 "m%" PRId64 "s", m, s % 60)
                      : arena_fmt(a, "%" PRId64 "m", m);
    if (m < 180)
        return arena_fmt(a, "%" PRId64 "m", m);
    if (h < 8)
        return m % 60 ? arena_fmt(a, "%" PRId64 "h%" PRId64 "m", h, m % 60)
                      : arena_fmt(a, "%" PRId64 "h", h);
    if (h < 48)
        return arena_fmt(a, "%" PRId64 "h", h);
    if (h < 24 * 8)
        return h % 24 ? arena_fmt(a, "%" PRId64 "d%" PRId64 "h", d, h % 24)
                      : arena_fmt(a, "%" PRId64 "d", d);
    if (d < 365 * 2)
        return arena_fmt(a, "%" PRId64 "d", d);
    if (d < 365 * 8)
        return d % 365 ? arena_fmt(a, "%" PRId64 "y%" PRId64 "d", d / 365, d % 365)
                       : arena_fmt(a, "%" PRId64 "y", d / 365);
    return arena_fmt(a, "%" PRId64 "y", d / 365);
}
