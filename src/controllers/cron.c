/* cron.c - parses schedules and finds their next time, in UTC.
 *
 * Grammar: five fields; each a list of "*", "?", "a", "a-b", each perhaps with "/step"; months and
 * weekdays also by name; or one of
 * @yearly @annually @monthly @weekly @daily @midnight @hourly, or "@every DURATION". */
#include "controllers/cron.h"

#define SECOND_PER_DAY 86400
#define SEARCH_DAYS (5 * 366)

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                          "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
static const struct {
    const char *name, *means;
} macros[] = {
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
    {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"},
};

struct field {
    int min, max;
    const char *const *names;
    int n_names, first_name;
};

static bool number(const struct field *f, str s, int *ret)
{
    int64_t v;

    for (int i = 0; i < f->n_names; i++)
        if (str_eq_nocase(s, str_of(f->names[i]))) {
            *ret = f->first_name + i;
            return true;
        }
    if (!str_to_int64(s, &v) || v < 0 || v > 1000)
        return false;
    *ret = (int)v;
    return true;
}

static bool range_parse(const struct field *f, str s, uint64_t *bits, bool *ret_star)
{
    str base = s, step_text = STR_NONE, from;
    int a, b, step = 1;
    bool has_step = str_has_char(s, '/');

    if (has_step) {
        step_text = s;
        str_cut(&step_text, '/', &base);
        if (!number(&(struct field){0}, step_text, &step) || step < 1)
            return false;
    }
    if (str_is(base, "*") || str_is(base, "?")) {
        a = f->min;
        b = f->max;
        *ret_star |= !has_step || step == 1;
    } else {
        from = base;
        if (str_has_char(base, '-')) {
            str_cut(&base, '-', &from);
            if (!number(f, from, &a) || !number(f, base, &b))
                return false;
        } else {
            if (!number(f, from, &a))
                return false;
            b = has_step ? f->max : a;
        }
    }
    if (a < f->min || b > f->max || a > b)
        return false;
    for (int i = a; i <= b; i += step)
        *bits |= UINT64_C(1) << i;
    return true;
}

static bool field_parse(const struct field *f, str s, uint64_t *ret, bool *ret_star)
{
    str part;

    if (!s.n)
        return false;
    *ret = 0;
    *ret_star = false;
    while (str_cut(&s, ',', &part))
        if (!range_parse(f, part, ret, ret_star))
            return false;
    return true;
}

/* Go's durations as far as anyone writes them here: "1h30m", "45s". */
static bool duration_parse(str s, int64_t *ret_s)
{
    int64_t total = 0;

    if (!s.n)
        return false;
    while (s.n) {
        size_t n = 0;
        int64_t v;

        while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
            n++;
        if (!n || n == s.n || !str_to_int64(str_slice(s, 0, n), &v) || v > 1000000)
            return false;
        switch (s.p[n]) {
        case 'h':
            total += v * 3600;
            break;
        case 'm':
            total += v * 60;
            break;
        case 's':
            total += v;
            break;
        default:
            return false;
        }
        s = str_skip(s, n + 1);
    }
    *ret_s = MAX(total, INT64_C(1));
    return true;
}

static bool next_word(str *rest, str *ret)
{
    size_t n = 0;

    *rest = str_trim(*rest);
    while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t')
        n++;
    *ret = str_slice(*rest, 0, n);
    *rest = str_skip(*rest, n);
    return n > 0;
}

bool cron_parse(str text, struct cron *ret)
{
    static const struct field fields[5] = {{0, 59, NULL, 0, 0},
                                           {0, 23, NULL, 0, 0},
                                           {1, 31, NULL, 0, 0},
                                           {1, 12, month_names, 12, 1},
                                           {0, 7, weekday_names, 7, 0}};
    struct cron c = {0};
    uint64_t bits[5];
    bool star[5];
    str word;

    text = str_trim(text);
    if (str_has_prefix(text, S("@every "))) {
        if (!duration_parse(str_trim(str_skip(text, 7)), &c.every_s))
            return false;
        *ret = c;
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(macros); i++)
        if (str_is(text, macros[i].name))
            text = str_of(macros[i].means);
    for (int i = 0; i < 5; i++)
        if (!next_word(&text, &word) || !field_parse(&fields[i], word, &bits[i], &star[i]))
            return false;
    if (next_word(&text, &word))
        return false;
    if (bits[4] & 1 << 7)
        bits[4] = (bits[4] & 0x7f) | 1; /* 7 is Sunday, too */
    *ret = (struct cron){.minutes = bits[0],
                         .hours = (uint32_t)bits[1],
                         .days = (uint32_t)bits[2],
                         .months = (uint32_t)bits[3],
                         .weekdays = (uint32_t)bits[4],
                         .any_day = star[2],
                         .any_weekday = star[4]};
    return true;
}

/* Days since 1970 to a date (Howard Hinnant's algorithm). */
static void date_of(int64_t days, int *ret_month, int *ret_day)
{
    int64_t z = days + 719468, era = z / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365,
            doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;

    *ret_day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *ret_month = (int)(mp < 10 ? mp + 3 : mp - 9);
}

static bool day_fits(const struct cron *c, int64_t days)
{
    int month, day, weekday = (int)((days + 4) % 7);
    bool by_day, by_weekday;

    date_of(days, &month, &day);
    if (!(c->months >> month & 1))
        return false;
    by_day = c->days >> day & 1;
    by_weekday = c->weekdays >> weekday & 1;
    if (c->any_day || c->any_weekday)
        return by_day && by_weekday;
    return by_day || by_weekday; /* both given: either will do */
}

int64_t cron_next(const struct cron *c, int64_t after_s)
{
    int64_t at = after_s / 60 * 60 + 60;

    if (c->every_s)
        return after_s + c->every_s;
    for (int64_t day = at / SECOND_PER_DAY, last = day + SEARCH_DAYS; day < last;
         day++, at = day * SECOND_PER_DAY) {
        if (!day_fits(c, day))
            continue;
        for (; at < (day + 1) * SECOND_PER_DAY; at += 60)
            if ((c->hours >> (at % SECOND_PER_DAY / 3600) & 1) &&
                (c->minutes >> (at % 3600 / 60) & 1))
                return at;
    }
    return 0;
}
