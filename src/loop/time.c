/* time.c - points in time as Kubernetes writes and reads them: RFC 3339 in the proleptic Gregorian calendar. */
#include "loop/loop.h"

#define DAY_S INT64_C(86400)

/* Days since 1970-01-01 to year, month, day and back, with years that start in March so that the leap day is last. */
static void civil_of_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    unsigned doe = (unsigned)(z - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;

    *day = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    *year = (int64_t)yoe + era * 400 + (*month <= 2);
}

static int64_t days_of_civil(int64_t year, unsigned month, unsigned day)
{
    int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
    unsigned yoe = (unsigned)(y - era * 400);
    unsigned doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

    return era * 146097 + (int64_t)doe - 719468;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static void two_digits(char *to, int64_t v)
{
    to[0] = (char)('0' + v / 10);
    to[1] = (char)('0' + v % 10);
}

/* Each write has times in it, and printf would cost ten times as much. */
static void buf_seconds(struct buf *b, int64_t s)
{
    char text[] = "0000-00-00T00:00:00";
    int64_t days = floor_div(s, DAY_S), rest = s - days * DAY_S, year;
    unsigned month, day;

    civil_of_days(days, &year, &month, &day);
    if (year < 0 || year > 9999) {
        buf_fmt(b, "%04lld-%02u-%02uT%02d:%02d:%02d", (long long)year, month, day,
                (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60));
        return;
    }
    two_digits(text, year / 100);
    two_digits(text + 2, year % 100);
    two_digits(text + 5, month);
    two_digits(text + 8, day);
    two_digits(text + 11, rest / 3600);
    two_digits(text + 14, rest / 60 % 60);
    two_digits(text + 17, rest % 60);
    buf_add(b, text, sizeof text - 1);
}

void buf_rfc3339(struct buf *b, wall_time t)
{
    buf_seconds(b, floor_div(t.ns, NS_PER_S));
    buf_char(b, 'Z');
}

void buf_rfc3339_micro(struct buf *b, wall_time t)
{
    int64_t s = floor_div(t.ns, NS_PER_S);

    buf_seconds(b, s);
    buf_fmt(b, ".%06dZ", (int)((t.ns - s * NS_PER_S) / 1000));
}

static bool digits(str *s, size_t n, unsigned *ret)
{
    unsigned v = 0;

    if (s->n < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return false;
        v = v * 10 + (unsigned)(s->p[i] - '0');
    }
    *s = str_skip(*s, n);
    *ret = v;
    return true;
}

static bool literal(str *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = str_skip(*s, 1);
    return true;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return month == 2 && leap ? 29 : days[month - 1];
}

/* "Z" or "+hh:mm"; seconds to subtract from the local time. */
static bool offset_parse(str *s, int64_t *ret_s)
{
    unsigned hours, minutes;
    bool east;

    if (literal(s, 'Z')) {
        *ret_s = 0;
        return true;
    }
    east = s->n && s->p[0] == '+';
    if (!literal(s, '+') && !literal(s, '-'))
        return false;
    if (!digits(s, 2, &hours) || !literal(s, ':') || !digits(s, 2, &minutes) || hours > 23 ||
        minutes > 59)
        return false;
    *ret_s = (int64_t)(hours * 3600 + minutes * 60) * (east ? 1 : -1);
    return true;
}

bool rfc3339_parse(str s, wall_time *ret)
{
    unsigned year, month, day, hour, minute, second;
    int64_t fraction_ns = 0, offset_s, total_s, ns;

    if (!digits(&s, 4, &year) || !literal(&s, '-') || !digits(&s, 2, &month) || !literal(&s, '-') ||
        !digits(&s, 2, &day) || !literal(&s, 'T'))
        return false;
    if (!digits(&s, 2, &hour) || !literal(&s, ':') || !digits(&s, 2, &minute) ||
        !literal(&s, ':') || !digits(&s, 2, &second))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 ||
        minute > 59 || second > 59)
        return false;
    if (literal(&s, '.')) {
        int64_t unit = NS_PER_S / 10;
        unsigned digit;

        if (s.n == 0 || s.p[0] < '0' || s.p[0] > '9')
            return false;
        for (; digits(&s, 1, &digit); unit /= 10)
            fraction_ns += unit * digit;
    }
    if (!offset_parse(&s, &offset_s) || s.n)
        return false;
    total_s =
        days_of_civil(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second - offset_s;
    if (__builtin_mul_overflow(total_s, NS_PER_S, &ns) ||
        __builtin_add_overflow(ns, fraction_ns, &ns))
        return false;
    ret->ns = ns;
    return true;
}
