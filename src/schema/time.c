/* time.c - RFC 3339 as Go's time package reads it, with the texts of its errors.
 *
 * The range is Go's (years 0 to 9999), wider than wall_time's nanoseconds. */
#include "schema/schema_internal.h"

#define LAYOUT "2006-01-02T15:04:05Z07:00"
#define LAYOUT_MICRO "2006-01-02T15:04:05.000000Z07:00"

/* days_from_civil - days since 1970-01-01 of a Gregorian date (Howard Hinnant's algorithm). */
static int64_t days_from_civil(int64_t y, int m, int d)
{
    int64_t era, yoe, doy, doe;

    y -= m <= 2;
    era = (y >= 0 ? y : y - 399) / 400;
    yoe = y - era * 400;
    doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

static void civil_from_days(int64_t z, int64_t *ret_y, int *ret_m, int *ret_d)
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

static bool digits(str s, size_t n, int *ret)
{
    int v = 0;

    if (s.n < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        v = v * 10 + (s.p[i] - '0');
    }
    *ret = v;
    return true;
}

/* fraction - ".123" in nanoseconds; want_digits 0: any number of them. */
static bool fraction(str *s, size_t want_digits, int32_t *ret_ns)
{
    size_t n = 1;
    int64_t ns = 0, scale = 100000000;

    if (!s->n || (s->p[0] != '.' && s->p[0] != ','))
        return false;
    for (; n < s->n && s->p[n] >= '0' && s->p[n] <= '9' && (!want_digits || n <= want_digits);
         n++) {
        ns += (s->p[n] - '0') * scale;
        scale /= 10;
    }
    if (n == 1 || (want_digits && n != want_digits + 1))
        return false;
    *s = str_skip(*s, n);
    *ret_ns = (int32_t)ns;
    return true;
}

static int days_in(int64_t y, int m)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return m == 2 && (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0)) ? 29 : days[m - 1];
}

bool schema_time_plain(str s, int64_t *ret_s)
{
    static const char form[] = "0000-00-00T00:00:00Z";
    int y, month, d, h, m, sec;

    if (s.n != sizeof form - 1)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (form[i] == '0' ? s.p[i] < '0' || s.p[i] > '9' : s.p[i] != form[i])
            return false;
#define TWO(at) ((s.p[at] - '0') * 10 + (s.p[(at) + 1] - '0'))
    y = TWO(0) * 100 + TWO(2);
    month = TWO(5);
    d = TWO(8);
    h = TWO(11);
    m = TWO(14);
    sec = TWO(17);
#undef TWO
    if (y < 2 || month < 1 || month > 12 || d < 1 || d > days_in(y, month) || h > 23 || m > 59 ||
        sec > 59)
        return false;
    *ret_s = days_from_civil(y, month, d) * 86400 + h * 3600 + m * 60 + sec;
    return true;
}

bool schema_time_parse(struct arena *a, str text, bool micro, struct schema_time *ret,
                       str *ret_error)
{
    static const struct {
        char literal;
        uint8_t n;
        const char *layout;
    } parts[] = {{0, 4, "2006"}, {'-', 2, "01"}, {'-', 2, "02"},
                 {'T', 2, "15"}, {':', 2, "04"}, {':', 2, "05"}};
    int v[6] = {0}, oh = 0, om = 0;
    int32_t ns = 0;
    str rest = text, failed;
    char one[2] = "";
    const char *layout = NULL, *range = NULL;
    int64_t s;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i].literal) {
            if (!rest.n || rest.p[0] != parts[i].literal) {
                one[0] = parts[i].literal;
                layout = one;
                goto bad;
            }
            rest = str_skip(rest, 1);
        }
        if (!digits(rest, parts[i].n, &v[i])) {
            layout = parts[i].layout;
            goto bad;
        }
        rest = str_skip(rest, parts[i].n);
    }
    if (micro) {
        if (!fraction(&rest, 6, &ns)) {
            layout = ".000000";
            goto bad;
        }
    } else
        fraction(&rest, 0, &ns);
    if (rest.n && rest.p[0] == 'Z')
        rest = str_skip(rest, 1);
    else if (rest.n >= 6 && (rest.p[0] == '+' || rest.p[0] == '-') && rest.p[3] == ':' &&
             digits(str_skip(rest, 1), 2, &oh) && digits(str_skip(rest, 4), 2, &om)) {
        if (rest.p[0] == '-') {
            oh = -oh;
            om = -om;
        }
        rest = str_skip(rest, 6);
    } else {
        layout = "Z07:00";
        goto bad;
    }
    if (v[1] < 1 || v[1] > 12)
        range = "month";
    else if (v[2] < 1 || v[2] > days_in(v[0], v[1]))
        range = "day";
    else if (v[3] > 23)
        range = "hour";
    else if (v[4] > 59)
        range = "minute";
    else if (v[5] > 59)
        range = "second";
    else if (oh > 24 || oh < -24)
        range = "time zone offset hour";
    else if (om > 60 || om < -60)
        range = "time zone offset minute";
    if (range) {
        *ret_error =
            arena_fmt(a, "parsing time \"" PRI_STR "\": %s out of range", STR_ARG(text), range);
        return false;
    }
    if (rest.n) {
        *ret_error = arena_fmt(a, "parsing time \"" PRI_STR "\": extra text: \"" PRI_STR "\"",
                               STR_ARG(text), STR_ARG(rest));
        return false;
    }
    s = days_from_civil(v[0], v[1], v[2]) * 86400 + v[3] * 3600 + v[4] * 60 + v[5] - oh * 3600 -
        om * 60;
    *ret = (struct schema_time){.s = s, .ns = ns, .zero = s == INT64_C(-62135596800) && !ns};
    return true;
bad:
    failed = rest;
    *ret_error = arena_fmt(
        a, "parsing time \"" PRI_STR "\" as \"%s\": cannot parse \"" PRI_STR "\" as \"%s\"",
        STR_ARG(text), micro ? LAYOUT_MICRO : LAYOUT, STR_ARG(failed), layout);
    return false;
}

str schema_time_format(struct arena *a, const struct schema_time *t, bool micro)
{
    int64_t days = t->s / 86400, rest = t->s % 86400, y;
    int m, d;

    if (rest < 0) {
        rest += 86400;
        days--;
    }
    civil_from_days(days, &y, &m, &d);
    if (micro)
        return arena_fmt(a, "%04lld-%02d-%02dT%02d:%02d:%02d.%06dZ", (long long)y, m, d,
                         (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60), t->ns / 1000);
    if (y >= 0 && y <= 9999) { /* each write has some: printf would cost ten times as much */
        const int pairs[] = {(int)(y / 100),        (int)(y % 100),  m, d, (int)(rest / 3600),
                             (int)(rest / 60 % 60), (int)(rest % 60)};
        static const uint8_t places[] = {0, 2, 5, 8, 11, 14, 17};
        str out = arena_dup(a, S("0000-00-00T00:00:00Z"));

        for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
            ((char *)out.p)[places[i]] = (char)('0' + pairs[i] / 10);
            ((char *)out.p)[places[i] + 1] = (char)('0' + pairs[i] % 10);
        }
        return out;
    }
    return arena_fmt(a, "%04lld-%02d-%02dT%02d:%02d:%02dZ", (long long)y, m, d, (int)(rest / 3600),
                     (int)(rest / 60 % 60), (int)(rest % 60));
}
