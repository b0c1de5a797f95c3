/* lib_time.c - parts of timestamps and durations, in a time zone.
 *
 * A zone is an offset such as -08:00, UTC, or a name; what a name means is read from the system's database by the function that
 * cel_vars_zones() was given (format: RFC 8536).
 *
 * Source: cel-go common/types/{timestamp,duration}.go. */
#include "schema/cel/functions.h"

#define ZONE_HEADER 44
#define ZONE_TYPE 6

static uint64_t big_endian(const char *p, int n)
{
    uint64_t v = 0;

    for (int i = 0; i < n; i++)
        v = v << 8 | (uint8_t)p[i];
    return v;
}

struct block { /* of a zone's file */
    uint64_t n_isut, n_isstd, n_leap, n_times, n_types, n_chars;
};

static bool block_read(str s, struct block *ret)
{
    if (s.n < ZONE_HEADER || memcmp(s.p, "TZif", 4) || s.p[4] < '2')
        return false;
    ret->n_isut = big_endian(s.p + 20, 4);
    ret->n_isstd = big_endian(s.p + 24, 4);
    ret->n_leap = big_endian(s.p + 28, 4);
    ret->n_times = big_endian(s.p + 32, 4);
    ret->n_types = big_endian(s.p + 36, 4);
    ret->n_chars = big_endian(s.p + 40, 4);
    return ret->n_types > 0;
}

static uint64_t block_size(const struct block *h, unsigned time_size)
{
    return h->n_times * (time_size + 1) + h->n_types * ZONE_TYPE + h->n_chars +
           h->n_leap * (time_size + 4) + h->n_isstd + h->n_isut;
}

/* Seconds east of UTC at a moment; the table's last entry holds for ever. */
static bool zone_offset(str file, int64_t at_s, int64_t *ret)
{
    struct block h;
    uint64_t lo = 0, hi, type = 0;
    const char *times, *kinds;

    if (!block_read(file, &h) || file.n < ZONE_HEADER + block_size(&h, 4))
        return false;
    file = str_skip(file, ZONE_HEADER + block_size(&h, 4)); /* the first block is for old readers */
    if (!block_read(file, &h) || file.n < ZONE_HEADER + block_size(&h, 8))
        return false;
    times = file.p + ZONE_HEADER;
    kinds = times + h.n_times * 8;
    for (hi = h.n_times; lo < hi;) {
        uint64_t mid = (lo + hi) / 2;

        if ((int64_t)big_endian(times + mid * 8, 8) <= at_s)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo)
        type = (uint8_t)kinds[lo - 1];
    if (type >= h.n_types)
        return false;
    *ret = (int32_t)big_endian(kinds + h.n_times + type * ZONE_TYPE, 4);
    return true;
}

/* [+-]hh:mm */
static bool offset_parse(str s, int64_t *ret)
{
    ptrdiff_t colon = str_index(s, ':');
    int64_t h, m;
    bool negative = s.n && s.p[0] == '-';
    str hours;

    if (colon < 0)
        return false;
    hours = str_slice(s, s.n && (s.p[0] == '-' || s.p[0] == '+') ? 1 : 0, (size_t)colon);
    if (!str_to_int64(hours, &h) || !str_to_int64(str_skip(s, (size_t)colon + 1), &m) || h < 0 ||
        m < 0 || h > 24 || m > 59)
        return false;
    *ret = (h * 60 + m) * (negative ? -60 : 60);
    return true;
}

static bool offset_of(struct cel_eval *e, struct cel_value zone, int64_t at_s, int64_t *ret,
                      struct cel_value *ret_err)
{
    str name = cel_v_text(zone), file = STR_NONE;

    *ret = 0;
    if (!name.n || str_is(name, "UTC") || str_is(name, "Etc/UTC"))
        return true;
    if (offset_parse(name, ret))
        return true;
    if (e->vars->zone_read && str_index(name, ':') < 0)
        file = e->vars->zone_read(e->vars->zone_ctx, e->a, name);
    if (file.n && zone_offset(file, at_s, ret))
        return true;
    *ret_err = cel_v_error(e->a, "unknown time zone " PRI_STR, STR_ARG(name));
    return false;
}

static int day_of_year(int64_t y, int m, int d)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};

    return before[m - 1] + d - 1 + (m > 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
}

enum part {
    PART_YEAR,
    PART_MONTH,
    PART_DAY_OF_YEAR,
    PART_DATE,
    PART_DAY_OF_MONTH,
    PART_DAY_OF_WEEK,
    PART_HOURS,
    PART_MINUTES,
    PART_SECONDS,
    PART_MILLISECONDS
};

static enum part part_of(const char *name)
{
    static const char *const names[] = {
        "getFullYear",  "getMonth", "getDayOfYear", "getDate",    "getDayOfMonth",
        "getDayOfWeek", "getHours", "getMinutes",   "getSeconds", "getMilliseconds"};

    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0)
            return (enum part)i;
    return PART_YEAR;
}

struct cel_value cel_fn_time_part(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    static const int64_t unit_ns[] = {
        [PART_HOURS] = 3600000000000, [PART_MINUTES] = 60000000000, [PART_SECONDS] = 1000000000};
    enum part part = part_of(n->fn->name);
    int64_t offset = 0, days, rest, y;
    struct cel_value err;
    int m, d;

    if (v[0].kind == CEL_DURATION && part >= PART_HOURS && n->n == 1) {
        if (part == PART_MILLISECONDS)
            return cel_v_int(v[0].i / 1000000 % 1000);
        return cel_v_int(v[0].i / unit_ns[part]);
    }
    if (v[0].kind != CEL_TIMESTAMP || (n->n > 1 && v[1].kind != CEL_STRING))
        return cel_no_overload(e, n, v);
    if (n->n > 1 && !offset_of(e, v[1], v[0].i, &offset, &err))
        return err;
    days = (v[0].i + offset) / 86400;
    rest = (v[0].i + offset) % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    cel_civil(days, &y, &m, &d);
    switch (part) {
    case PART_YEAR:
        return cel_v_int(y);
    case PART_MONTH:
        return cel_v_int(m - 1);
    case PART_DAY_OF_YEAR:
        return cel_v_int(day_of_year(y, m, d));
    case PART_DATE:
        return cel_v_int(d);
    case PART_DAY_OF_MONTH:
        return cel_v_int(d - 1);
    case PART_DAY_OF_WEEK:
        return cel_v_int(((days + 4) % 7 + 7) % 7);
    case PART_HOURS:
        return cel_v_int(rest / 3600);
    case PART_MINUTES:
        return cel_v_int(rest / 60 % 60);
    case PART_SECONDS:
        return cel_v_int(rest % 60);
    case PART_MILLISECONDS:
        return cel_v_int(v[0].n / 1000000);
    }
    return cel_v_null();
}
