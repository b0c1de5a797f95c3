/* lib_time.c - parts of timestamps and durations, in a time zone.
 *
 * A zone is an offset such as -08:00, UTC, or a name of the system's database (loop/zone.h).
 *
 * Source: cel-go common/types/{timestamp,duration}.go. */
#include "loop/zone.h"
#include "schema/cel/functions.h"

static void zone_free(void *ctx)
{
    time_zone_free(((struct cel_vars *)ctx)->zone);
}

/* The zone of a name, kept until another one is asked for. NULL: there is none. */
static const struct time_zone *zone_of(struct cel_vars *vars, str name)
{
    if (vars->zone_name.p && str_eq(vars->zone_name, name))
        return vars->zone;
    if (!vars->loop)
        return NULL;
    if (!vars->zone_name.p)
        arena_at_end(vars->arena, zone_free, vars);
    time_zone_free(vars->zone);
    vars->zone = time_zone_load(vars->loop, name);
    vars->zone_name = arena_dup(vars->arena, name);
    return vars->zone;
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
    str name = cel_v_text(zone);
    const struct time_zone *z;

    *ret = 0;
    if (!name.n || str_is(name, "UTC") || str_is(name, "Etc/UTC"))
        return true;
    if (offset_parse(name, ret))
        return true;
    z = zone_of(e->vars, name);
    if (z) {
        *ret = time_zone_offset_s(z, at_s);
        return true;
    }
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
