/* cron.c - reads schedules and finds their next time, as robfig/cron v3 does.
 *
 * Grammar: five fields; each a list of "*", "?", "a", "a-b", each perhaps with "/step"; months and weekdays also by name; or
 * one of @yearly @annually @monthly @weekly @daily @midnight @hourly, or "@every DURATION".
 *
 * Source of rules and texts: github.com/robfig/cron/v3 (parser.go, spec.go); Go's time.ParseDuration and strconv.Atoi. */
#include "schema/cron.h"

#include "loop/loop.h"

#define CRON_STAR (UINT64_C(1) << 63) /* the field says "*" */
#define SECONDS_PER_DAY 86400
#define SEARCH_YEARS 5

static const struct {
    const char *name, *means;
} descriptors[] = {
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
    {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"},
};

static const struct cron_field {
    int64_t min, max;
    const char *const *names; /* of min, min+1, ...; NULL: none */
} cron_fields[5] = {
    {0, 59, NULL},
    {0, 23, NULL},
    {1, 31, NULL},
    {1, 12,
     (const char *const[]){"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct",
                           "nov", "dec", NULL}},
    {0, 6, (const char *const[]){"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL}},
};

static bool is_digits(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0;
}

/* The parsers below give NULL when all is well, else what is wrong, in the arena. */

static const char *number(struct arena *a, str s, int64_t *ret)
{
    str digits = s.n && (s.p[0] == '-' || s.p[0] == '+') ? str_skip(s, 1) : s;

    if (!is_digits(digits) || !str_to_int64(s, ret)) {
        const char *why = is_digits(digits) ? "value out of range" : "invalid syntax";

        return arena_fmt(a,
                         "failed to parse int from " PRI_STR ": strconv.Atoi: parsing \"" PRI_STR
                         "\": %s",
                         STR_ARG(s), STR_ARG(s), why)
            .p;
    }
    if (*ret < 0)
        return arena_fmt(a, "negative number (%lld) not allowed: " PRI_STR, (long long)*ret,
                         STR_ARG(s))
            .p;
    return NULL;
}

static const char *number_or_name(struct arena *a, const struct cron_field *f, str s, int64_t *ret)
{
    for (size_t i = 0; f->names && f->names[i]; i++)
        if (str_eq_nocase(s, str_of(f->names[i]))) {
            *ret = f->min + (int64_t)i;
            return NULL;
        }
    return number(a, s, ret);
}

/* Sets the bits of the range. */
static const char *range_parse(struct arena *a, const struct cron_field *f, str range,
                               uint64_t *bits)
{
    str step_text = range, span, high_text, low_text;
    int64_t low, high, step = 1;
    const char *wrong = NULL;
    bool star = false;

    str_cut(&step_text, '/', &span);
    high_text = span;
    str_cut(&high_text, '-', &low_text);
    if (str_is(low_text, "*") || str_is(low_text, "?")) {
        low = f->min, high = f->max;
        star = true;
    } else {
        wrong = number_or_name(a, f, low_text, &low);
        if (wrong)
            return wrong;
        high = low;
        if (high_text.p && str_has_char(high_text, '-'))
            return arena_fmt(a, "too many hyphens: " PRI_STR, STR_ARG(range)).p;
        if (high_text.p)
            wrong = number_or_name(a, f, high_text, &high);
        if (wrong)
            return wrong;
    }
    if (step_text.p) {
        if (str_has_char(step_text, '/'))
            return arena_fmt(a, "too many slashes: " PRI_STR, STR_ARG(range)).p;
        wrong = number(a, step_text, &step);
        if (wrong)
            return wrong;
        if (!high_text.p) /* "5/10" is "5-59/10" */
            high = f->max;
    }
    if (low < f->min)
        return arena_fmt(a, "beginning of range (%lld) below minimum (%lld): " PRI_STR,
                         (long long)low, (long long)f->min, STR_ARG(range))
            .p;
    if (high > f->max)
        return arena_fmt(a, "end of range (%lld) above maximum (%lld): " PRI_STR, (long long)high,
                         (long long)f->max, STR_ARG(range))
            .p;
    if (low > high)
        return arena_fmt(a, "beginning of range (%lld) beyond end of range (%lld): " PRI_STR,
                         (long long)low, (long long)high, STR_ARG(range))
            .p;
    if (step == 0)
        return arena_fmt(a, "step of range should be a positive number: " PRI_STR, STR_ARG(range))
            .p;
    for (int64_t i = low;; i += step) {
        *bits |= UINT64_C(1) << i;
        if (step > high - i)
            break;
    }
    if (star && step == 1)
        *bits |= CRON_STAR;
    return NULL;
}

static const char *duration_wrong(struct arena *a, str text)
{
    static const char *const units[] = {"ns", "us", "\xc2\xb5s", "\xce\xbcs", "ms", "s", "m", "h"};
    str s = text;

    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        s = str_skip(s, 1);
    if (str_is(s, "0"))
        return NULL;
    if (!s.n)
        return arena_fmt(a, "time: invalid duration \"" PRI_STR "\"", STR_ARG(text)).p;
    while (s.n) {
        size_t whole = 0, fraction = 0, n = 0, known = 0;
        str unit;

        while (whole < s.n && s.p[whole] >= '0' && s.p[whole] <= '9')
            whole++;
        n = whole;
        if (n < s.n && s.p[n] == '.') {
            n++;
            while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
                n++, fraction++;
        }
        if (!whole && !fraction)
            return arena_fmt(a, "time: invalid duration \"" PRI_STR "\"", STR_ARG(text)).p;
        s = str_skip(s, n);
        for (n = 0; n < s.n && s.p[n] != '.' && (s.p[n] < '0' || s.p[n] > '9'); n++)
            ;
        unit = str_slice(s, 0, n);
        if (!n)
            return arena_fmt(a, "time: missing unit in duration \"" PRI_STR "\"", STR_ARG(text)).p;
        while (known < ARRAY_LEN(units) && !str_is(unit, units[known]))
            known++;
        if (known == ARRAY_LEN(units))
            return arena_fmt(a, "time: unknown unit \"" PRI_STR "\" in duration \"" PRI_STR "\"",
                             STR_ARG(unit), STR_ARG(text))
                .p;
        s = str_skip(s, n);
    }
    return NULL;
}

/* Five fields apart by white space. */
static const char *fields_parse(struct arena *a, str s, struct cron *ret)
{
    str fields[5], word;
    size_t n = 0, i = 0;
    CLEANUP(buf) struct buf all = BUF_INIT;

    while (i < s.n) {
        size_t start;

        while (i < s.n && strchr(" \t\n\v\f\r", s.p[i]))
            i++;
        start = i;
        while (i < s.n && !strchr(" \t\n\v\f\r", s.p[i]))
            i++;
        if (i == start)
            break;
        word = str_slice(s, start, i);
        buf_fmt(&all, "%s" PRI_STR, n ? " " : "", STR_ARG(word));
        if (n < ARRAY_LEN(fields))
            fields[n] = word;
        n++;
    }
    if (n != ARRAY_LEN(fields))
        return arena_fmt(a, "expected exactly 5 fields, found %zu: [" PRI_STR "]", n,
                         STR_ARG(buf_view(&all)))
            .p;
    for (i = 0; i < ARRAY_LEN(fields); i++) {
        str ranges = fields[i], range;

        while (str_cut(&ranges, ',', &range)) {
            const char *wrong =
                range.n ? range_parse(a, &cron_fields[i], range, &ret->bits[i]) : NULL;

            if (wrong)
                return wrong;
        }
    }
    return NULL;
}

static const char *descriptor_parse(struct arena *a, str s, struct cron *ret)
{
    static const str every = STR("@every ");
    const char *wrong;
    int64_t ns = 0;

    for (size_t i = 0; i < ARRAY_LEN(descriptors); i++)
        if (str_is(s, descriptors[i].name))
            return fields_parse(a, str_of(descriptors[i].means), ret);
    if (!str_has_prefix(s, every))
        return arena_fmt(a, "unrecognized descriptor: " PRI_STR, STR_ARG(s)).p;
    s = str_skip(s, every.n);
    wrong = duration_wrong(a, s);
    if (!wrong && !str_to_duration(s, &ns))
        wrong = arena_fmt(a, "time: invalid duration \"" PRI_STR "\"", STR_ARG(s)).p;
    if (wrong)
        return arena_fmt(a, "failed to parse duration @every " PRI_STR ": %s", STR_ARG(s), wrong).p;
    ret->every_s = MAX(ns / NS_PER_S, INT64_C(1));
    return NULL;
}

const char *cron_parse(struct arena *a, str text, struct cron *ret)
{
    struct cron c = {0};
    const char *wrong =
        text.n && text.p[0] == '@' ? descriptor_parse(a, text, &c) : fields_parse(a, text, &c);

    if (!wrong)
        *ret = c;
    return wrong;
}

/* ---- the next time ---- */

enum { MINUTES, HOURS, DAYS, MONTHS, WEEKDAYS };

static bool fires_at(const struct cron *c, int field, int64_t value)
{
    return c->bits[field] >> value & 1;
}

/* Days since 1970 to a date (Howard Hinnant's algorithm). */
static void date_of(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day)
{
    int64_t z = days + 719468, era = z / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365,
            doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;

    *ret_day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *ret_month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *ret_year = yoe + era * 400 + (*ret_month <= 2);
}

static bool day_fits(const struct cron *c, int64_t days, int64_t *ret_year)
{
    int month, day;
    bool by_day, by_weekday;

    date_of(days, ret_year, &month, &day);
    if (!fires_at(c, MONTHS, month))
        return false;
    by_day = fires_at(c, DAYS, day);
    by_weekday = fires_at(c, WEEKDAYS, (days + 4) % 7);
    if ((c->bits[DAYS] | c->bits[WEEKDAYS]) & CRON_STAR)
        return by_day && by_weekday;
    return by_day || by_weekday; /* both given: either will do */
}

static int64_t local_time(const struct time_zone *zone, int64_t at_s)
{
    return at_s + (zone ? time_zone_offset_s(zone, at_s) : 0);
}

/* The first moment of the local day after the one of at_s; a day may begin at one o'clock. */
static int64_t next_day(const struct time_zone *zone, int64_t at_s)
{
    int64_t local = local_time(zone, at_s), day = local / SECONDS_PER_DAY + 1,
            next = at_s + day * SECONDS_PER_DAY - local,
            missed = day * SECONDS_PER_DAY - local_time(zone, next);

    /* The clocks change on this day: earlier, or later than it seemed. */
    if (missed > 0 || (missed < 0 && local_time(zone, next + missed) / SECONDS_PER_DAY == day))
        next += missed;
    return next;
}

/* Time runs on, what the clocks show is compared: what they jump over does not happen, what they show twice happens twice. */
int64_t cron_next(const struct cron *c, const struct time_zone *zone, int64_t after_s)
{
    int64_t at = after_s / 60 * 60 + 60, year, last_year;

    if (c->every_s)
        return after_s + c->every_s;
    day_fits(c, local_time(zone, at) / SECONDS_PER_DAY, &last_year);
    last_year += SEARCH_YEARS;
    for (;;) {
        int64_t local = local_time(zone, at), second = local % SECONDS_PER_DAY;
        bool fits = day_fits(c, local / SECONDS_PER_DAY, &year);

        if (year > last_year)
            return 0;
        if (!fits)
            at = next_day(zone, at);
        else if (!fires_at(c, HOURS, second / 3600))
            at += 3600 - second % 3600;
        else if (!fires_at(c, MINUTES, second % 3600 / 60))
            at += 60;
        else
            return at;
    }
}
