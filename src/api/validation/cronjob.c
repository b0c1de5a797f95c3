/* cronjob.c - rules of CronJobs: schedules, time zones, and the job's template.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/batch/validation/validation.go. */
#include "api/validation/job.h"
#include "api/validation/validation.h"
#include "schema/cron.h"

#include <sys/stat.h>

#define CRONJOB_NAME_MAX 52
#define ZONE_PART_MAX 14
#define ZONE_FOLDER "/usr/share/zoneinfo"

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
    return cron_parse(a, s, &(struct cron){0});
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
