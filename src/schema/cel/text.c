/* text.c - characters, and numbers and times as Go writes them. */
#include "schema/cel/cel_internal.h"
#include "schema/schema_internal.h"

#include <math.h>

size_t cel_utf8_next(str s, size_t at, uint32_t *ret_rune)
{
    const unsigned char *p = (const unsigned char *)s.p + at;
    size_t left = s.n > at ? s.n - at : 0;
    uint32_t r;
    size_t n;

    if (!left)
        return 0;
    if (p[0] < 0x80) {
        *ret_rune = p[0];
        return 1;
    }
    *ret_rune = 0xfffd; /* what is no character, as Go has it: one byte */
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 1;
    n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (left < n)
        return 1;
    r = p[0] & (0xff >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 1;
        r = r << 6 | (p[i] & 0x3f);
    }
    if ((n == 3 && (r < 0x800 || (r >= 0xd800 && r < 0xe000))) ||
        (n == 4 && (r < 0x10000 || r > 0x10ffff)))
        return 1;
    *ret_rune = r;
    return n;
}

uint64_t cel_utf8_count(str s)
{
    uint64_t count = 0;
    uint32_t rune;
    size_t n;

    for (size_t i = 0; (n = cel_utf8_next(s, i, &rune)) != 0; i += n)
        count++;
    return count;
}

void cel_buf_rune(struct buf *b, uint32_t r)
{
    if (r < 0x80) {
        buf_char(b, (char)r);
    } else if (r < 0x800) {
        buf_char(b, (char)(0xc0 | r >> 6));
        buf_char(b, (char)(0x80 | (r & 0x3f)));
    } else if (r < 0x10000) {
        buf_char(b, (char)(0xe0 | r >> 12));
        buf_char(b, (char)(0x80 | (r >> 6 & 0x3f)));
        buf_char(b, (char)(0x80 | (r & 0x3f)));
    } else {
        buf_char(b, (char)(0xf0 | r >> 18));
        buf_char(b, (char)(0x80 | (r >> 12 & 0x3f)));
        buf_char(b, (char)(0x80 | (r >> 6 & 0x3f)));
        buf_char(b, (char)(0x80 | (r & 0x3f)));
    }
}

/* ---- doubles: the fewest digits that read back the same ---- */

struct digits {
    char d[24];
    int n, exp; /* 0.d1d2… × 10^(exp+1), that is d1.d2… × 10^exp */
};

static struct digits shortest(double d)
{
    struct digits r = {.n = 1, .exp = 0, .d = "0"};
    char text[40], *e;

    if (d == 0)
        return r;
    for (int precision = 0; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, d);
        if (strtod(text, NULL) == d)
            break;
    }
    e = strchr(text, 'e');
    r.n = 0;
    for (char *p = text; p < e; p++)
        if (*p >= '0' && *p <= '9')
            r.d[r.n++] = *p;
    while (r.n > 1 && r.d[r.n - 1] == '0')
        r.n--;
    r.exp = (int)strtol(e + 1, NULL, 10);
    return r;
}

static bool special(struct buf *b, double d)
{
    if (isnan(d))
        buf_z(b, "NaN");
    else if (isinf(d))
        buf_z(b, d > 0 ? "+Inf" : "-Inf");
    else
        return false;
    return true;
}

static void plain(struct buf *b, const struct digits *g)
{
    if (g->exp < 0) {
        buf_z(b, "0.");
        for (int i = -1; i > g->exp; i--)
            buf_char(b, '0');
        buf_add(b, g->d, (size_t)g->n);
        return;
    }
    for (int i = 0; i <= g->exp; i++)
        buf_char(b, i < g->n ? g->d[i] : '0');
    if (g->n > g->exp + 1) {
        buf_char(b, '.');
        buf_add(b, g->d + g->exp + 1, (size_t)(g->n - g->exp - 1));
    }
}

/* Go's %g. */
void cel_buf_double(struct buf *b, double d)
{
    struct digits g;

    if (special(b, d))
        return;
    if (signbit(d))
        buf_char(b, '-');
    g = shortest(fabs(d));
    if (g.exp < -4 || g.exp >= 6) {
        buf_char(b, g.d[0]);
        if (g.n > 1) {
            buf_char(b, '.');
            buf_add(b, g.d + 1, (size_t)g.n - 1);
        }
        buf_fmt(b, "e%c%02d", g.exp < 0 ? '-' : '+', abs(g.exp));
        return;
    }
    plain(b, &g);
}

/* ---- durations ---- */

void cel_buf_duration(struct buf *b, int64_t ns)
{
    double d = (double)(ns / 1000000000) + (double)(ns % 1000000000) / 1e9; /* Go: Seconds() */
    struct digits g = shortest(fabs(d));

    if (d < 0)
        buf_char(b, '-');
    plain(b, &g);
    buf_char(b, 's');
}

static bool unit_of(str s, size_t *at, uint64_t *ret_ns)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"ns", 1},       {"us", 1000},      {"\xc2\xb5s", 1000}, {"\xce\xbcs", 1000},
                 {"ms", 1000000}, {"s", 1000000000}, {"m", 60000000000},  {"h", 3600000000000}};
    size_t end = *at;
    str u;

    while (end < s.n && s.p[end] != '.' && (s.p[end] < '0' || s.p[end] > '9'))
        end++;
    u = str_slice(s, *at, end);
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (str_is(u, units[i].name)) {
            *ret_ns = units[i].ns;
            *at = end;
            return true;
        }
    return false;
}

/* Go: time.ParseDuration. */
bool cel_duration_parse(str s, int64_t *ret_ns)
{
    bool negative = false;
    uint64_t total = 0;
    size_t i = 0;

    if (s.n && (s.p[0] == '-' || s.p[0] == '+')) {
        negative = s.p[0] == '-';
        i = 1;
    }
    if (s.n == i + 1 && s.p[i] == '0') {
        *ret_ns = 0;
        return true;
    }
    if (i >= s.n)
        return false;
    while (i < s.n) {
        uint64_t v = 0, unit;
        double fraction = 0, scale = 1;
        bool digits = false;

        for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++, digits = true)
            if (v > ((uint64_t)1 << 63) / 10 ||
                (v = v * 10 + (uint64_t)(s.p[i] - '0')) > (uint64_t)1 << 63)
                return false;
        if (i < s.n && s.p[i] == '.') {
            uint64_t f = 0;

            for (i++; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++, digits = true)
                if (f < ((uint64_t)1 << 63) / 10 - 1) {
                    f = f * 10 + (uint64_t)(s.p[i] - '0');
                    scale *= 10;
                }
            fraction = (double)f;
        }
        if (!digits || !unit_of(s, &i, &unit))
            return false;
        if (v > ((uint64_t)1 << 63) / unit)
            return false;
        v *= unit;
        if (fraction > 0)
            v += (uint64_t)(fraction * ((double)unit / scale));
        if (v > (uint64_t)1 << 63)
            return false;
        total += v;
        if (total > (uint64_t)1 << 63)
            return false;
    }
    if (negative) {
        *ret_ns = (int64_t)(0 - total);
        return true;
    }
    if (total > INT64_MAX)
        return false;
    *ret_ns = (int64_t)total;
    return true;
}

/* As OpenAPI's format has it: also "3 days", "2w", "1 hour 30 min". Go: strfmt.ParseDuration. */
bool cel_duration_parse_loose(str s, int64_t *ret_ns)
{
    static const struct {
        const char *name;
        bool prefix; /* followed by more letters, too */
        int64_t ns;
    } units[] = {{"ns", false, 1},
                 {"nano", true, 1},
                 {"us", false, 1000},
                 {"\xc2\xb5s", false, 1000},
                 {"micro", true, 1000},
                 {"ms", false, 1000000},
                 {"milli", true, 1000000},
                 {"s", false, 1000000000},
                 {"sec", true, 1000000000},
                 {"m", false, 60000000000},
                 {"min", true, 60000000000},
                 {"h", false, 3600000000000},
                 {"hr", false, 3600000000000},
                 {"hour", true, 3600000000000},
                 {"d", false, 86400000000000},
                 {"day", true, 86400000000000},
                 {"w", false, 604800000000000},
                 {"wk", false, 604800000000000},
                 {"week", true, 604800000000000}};
    int64_t total = 0;
    bool any = false;
    size_t i = 0;

    if (cel_duration_parse(s, ret_ns))
        return true;
    while (i < s.n) {
        int64_t n = 0, part;
        size_t start = i;
        str unit;

        for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
            if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, s.p[i] - '0', &n))
                return false;
        if (i == start) {
            i++;
            continue;
        }
        while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t'))
            i++;
        for (start = i; i < s.n && ((s.p[i] | 32) >= 'a' || (s.p[i] & 0x80)) && s.p[i] != ' ';)
            i++;
        unit = str_slice(s, start, i);
        for (size_t k = 0; k < ARRAY_LEN(units); k++) {
            str head = str_slice(unit, 0, units[k].prefix ? strlen(units[k].name) : unit.n);

            if (!str_eq_nocase(head, str_of(units[k].name)))
                continue;
            if (__builtin_mul_overflow(n, units[k].ns, &part) ||
                __builtin_add_overflow(total, part, &total))
                return false;
            any = true;
            break;
        }
    }
    *ret_ns = total;
    return any;
}

/* ---- timestamps ---- */

bool cel_time_parse(struct arena *a, str s, struct cel_value *ret)
{
    struct schema_time t;
    str problem;
    int64_t offset = 0;

    if (!schema_time_parse(a, s, false, &t, &problem))
        return false;
    if (s.n > 6 && (s.p[s.n - 6] == '+' || s.p[s.n - 6] == '-'))
        offset = (s.p[s.n - 6] == '-' ? -60 : 60) *
                 (((s.p[s.n - 5] - '0') * 10 + s.p[s.n - 4] - '0') * 60 +
                  (s.p[s.n - 2] - '0') * 10 + s.p[s.n - 1] - '0');
    *ret = cel_v_time(t.zero ? -62135596800 : t.s, t.zero ? 0 : (uint32_t)t.ns);
    ret->aux = (const void *)(intptr_t)offset;
    return true;
}

void cel_buf_time(struct buf *b, struct cel_value v)
{
    int64_t offset = (intptr_t)v.aux, s = v.i + offset, days = s / 86400, rest = s % 86400;
    int64_t y;
    int m, d;

    if (rest < 0) {
        rest += 86400;
        days--;
    }
    cel_civil(days, &y, &m, &d);
    buf_fmt(b, "%04lld-%02d-%02dT%02d:%02d:%02d", (long long)y, m, d, (int)(rest / 3600),
            (int)(rest / 60 % 60), (int)(rest % 60));
    if (v.n) {
        char f[16];
        int n = snprintf(f, sizeof f, ".%09u", (unsigned)v.n);

        while (n > 1 && f[n - 1] == '0')
            n--;
        buf_add(b, f, (size_t)n);
    }
    if (!offset)
        buf_char(b, 'Z');
    else
        buf_fmt(b, "%c%02d:%02d", offset < 0 ? '-' : '+', abs((int)offset) / 3600,
                abs((int)offset) / 60 % 60);
}

/* A day since 1970 as a date (Howard Hinnant's algorithm). */
void cel_civil(int64_t z, int64_t *ret_y, int *ret_m, int *ret_d)
{
    int64_t era, doe, yoe, doy, mp;

    z += 719468;
    era = (z >= 0 ? z : z - 146096) / 146097;
    doe = z - era * 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    *ret_d = (int)(doy - (153 * mp + 2) / 5 + 1);
    *ret_m = (int)(mp < 10 ? mp + 3 : mp - 9);
    *ret_y = yoe + era * 400 + (*ret_m <= 2);
}
