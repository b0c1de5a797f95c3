/* cronjob.c - rules of CronJobs: schedules as robfig/cron reads them, time zones, and the job's template.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/batch/validation/validation.go; github.com/robfig/cron/v3 (parser.go);
 * Go's time.ParseDuration and strconv.Atoi. */
#include "api/validation/job.h"
#include "api/validation/validation.h"

#include <sys/stat.h>

#define CRONJOB_NAME_MAX 52
#define ZONE_PART_MAX 14
#define ZONE_FOLDER "/usr/share/zoneinfo"

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

static const char *range_wrong(struct arena *a, const struct cron_field *f, str range)
{
    str step_text = range, span, high_text, low_text;
    int64_t low, high, step = 1;
    const char *wrong = NULL;

    str_cut(&step_text, '/', &span);
    high_text = span;
    str_cut(&high_text, '-', &low_text);
    if (str_is(low_text, "*") || str_is(low_text, "?")) {
        low = f->min, high = f->max;
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
    return NULL;
}

static const char *duration_wrong(struct arena *a, str text)
{
    static const char *const units[] = {"ns", "us", "\xc2\xb5s", "\xce\xbcs", "ms",
                                        "s",  "m",  "h",         NULL};
    str s = text;

    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        s = str_skip(s, 1);
    if (str_is(s, "0"))
        return NULL;
    if (!s.n)
        return arena_fmt(a, "time: invalid duration \"" PRI_STR "\"", STR_ARG(text)).p;
    while (s.n) {
        size_t whole = 0, fraction = 0, n = 0;
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
        if (!one_of(unit, units))
            return arena_fmt(a, "time: unknown unit \"" PRI_STR "\" in duration \"" PRI_STR "\"",
                             STR_ARG(unit), STR_ARG(text))
                .p;
        s = str_skip(s, n);
    }
    return NULL;
}

static const char *descriptor_wrong(struct arena *a, str s)
{
    static const char *const known[] = {"@yearly", "@annually", "@monthly", "@weekly",
                                        "@daily",  "@midnight", "@hourly",  NULL};
    static const str every = STR("@every ");
    const char *wrong;

    if (one_of(s, known))
        return NULL;
    if (!str_has_prefix(s, every))
        return arena_fmt(a, "unrecognized descriptor: " PRI_STR, STR_ARG(s)).p;
    wrong = duration_wrong(a, str_skip(s, every.n));
    return wrong ? arena_fmt(a, "failed to parse duration " PRI_STR ": %s", STR_ARG(s), wrong).p
                 : NULL;
}

/* Five fields apart by white space. */
static const char *fields_wrong(struct arena *a, str s)
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
            const char *wrong = range.n ? range_wrong(a, &cron_fields[i], range) : NULL;

            if (wrong)
                return wrong;
        }
    }
    return NULL;
}

/* ---- time zones ---- */

/* A file below the zoneinfo folder. On a machine without that folder the form of the name decides. */
static bool zone_exists(struct arena *a, str name)
{
    struct stat st;

    if (name.n == 0 || str_is(name, "UTC") || str_is(name, "Local"))
        return true;
    if (stat(ZONE_FOLDER, &st))
        return true;
    return stat(arena_fmt(a, ZONE_FOLDER "/" PRI_STR, STR_ARG(name)).p, &st) == 0 &&
           S_ISREG(st.st_mode);
}

static bool is_zone_part(str s)
{
    if (!s.n || s.n > ZONE_PART_MAX || s.p[0] == '-' || str_is(s, ".") || str_is(s, ".."))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];

        if (!((ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') ||
              strchr(".-_+", ch)))
            return false;
    }
    return true;
}

static void check_zone(struct check *c, const struct at *at, const struct json *zone)
{
    str name = json_str(zone), rest = name, part;

    if (!zone)
        return;
    if (name.n == 0) {
        bad_invalid(c, at, *zone, "timeZone must be nil or non-empty string");
        return;
    }
    while (str_cut(&rest, '/', &part))
        if (!is_zone_part(part)) {
            bad_invalid(c, at, *zone, "unknown time zone " PRI_STR, STR_ARG(name));
            return;
        }
    if (str_eq_nocase(name, S("local")))
        bad_invalid(
            c, at, *zone,
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones");
    if (!zone_exists(c->a, name))
        bad_invalid(c, at, *zone, "unknown time zone " PRI_STR, STR_ARG(name));
}

static const char *schedule_wrong(struct arena *a, str s)
{
    if (str_has_prefix(s, S("TZ=")) || str_has_prefix(s, S("CRON_TZ="))) {
        ptrdiff_t space = str_index(s, ' '), eq = str_index(s, '=');
        str zone = str_slice(s, (size_t)eq + 1, space < 0 ? s.n : (size_t)space);

        if (!zone_exists(a, zone))
            return arena_fmt(a, "provided bad location " PRI_STR ": unknown time zone " PRI_STR,
                             STR_ARG(zone), STR_ARG(zone))
                .p;
        s = space < 0 ? S("") : str_trim(str_skip(s, (size_t)space));
    }
    return s.n && s.p[0] == '@' ? descriptor_wrong(a, s) : fields_wrong(a, s);
}

static void check_schedule(struct check *c, const struct at *at, str schedule,
                           const struct json *zone, bool had_zone)
{
    const char *wrong;

    if (schedule.n == 0) {
        bad_required(c, at, "");
        return;
    }
    wrong = schedule_wrong(c->a, schedule);
    if (wrong)
        bad_string(c, at, schedule, wrong);
    if (str_find(schedule, S("TZ")) < 0)
        return;
    if (!had_zone)
        bad_string(c, at, schedule,
                   "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
    else if (zone)
        bad_string(c, at, schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule");
}

/* ---- the whole ---- */

void validate_cronjob(struct write *w, struct err **errs)
{
    static const char *const policies[] = {"Allow", "Forbid", "Replace", NULL};
    static const char *const manual[] = {"nil", "false", NULL};
    static const char *const limits[] = {"successfulJobsHistoryLimit", "failedJobsHistoryLimit",
                                         NULL};
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *zone = field(spec, "timeZone"),
                      *job = field_at(spec, "jobTemplate.spec"), *before = field(w->old, "spec"),
                      *old_zone = field(before, "timeZone");
    const struct at *at = AT(NULL, "spec"), *job_at = AT(AT(at, "jobTemplate"), "spec");
    str name = json_get_str(w->obj, "metadata.name");

    if (w->subresource.n)
        return;
    check_schedule(c, AT(at, "schedule"), json_get_str(spec, "schedule"), zone,
                   str_find(json_get_str(before, "schedule"), S("TZ")) >= 0);
    check_not_negative(c, AT(at, "startingDeadlineSeconds"),
                       field(spec, "startingDeadlineSeconds"));
    if (!w->old || !zone != !old_zone || (zone && !json_equal(zone, old_zone)))
        check_zone(c, AT(at, "timeZone"), zone);
    check_enum(c, AT(at, "concurrencyPolicy"), field(spec, "concurrencyPolicy"), policies);
    check_job_spec(c, job_at, job);
    if (field(job, "selector"))
        bad_invalid(c, AT(job_at, "selector"), selector_copy(c->a, field(job, "selector")),
                    "`selector` will be auto-generated");
    if (json_get_bool(job, "manualSelector", false))
        bad_unsupported(c, AT(job_at, "manualSelector"), json_bool(true), manual);
    check_counts(c, at, spec, limits);
    if (!w->old && name.n > CRONJOB_NAME_MAX)
        bad_invalid(c, AT(AT(NULL, "metadata"), "name"), json_string(name),
                    "must be no more than %d characters", CRONJOB_NAME_MAX);
}
