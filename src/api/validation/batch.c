/* batch.c - rules of Jobs and CronJobs.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/batch/validation/validation.go; schedules: robfig/cron's parser. */
#include "api/validation/pod.h"
#include "api/validation/validation.h"

#define INDEXED_PARALLELISM_MAX 100000
#define CRONJOB_NAME_MAX 52

static const char *const completion_modes[] = {"NonIndexed", "Indexed", NULL};
static const char *const replacement_policies[] = {"Failed", "TerminatingOrFailed", NULL};
static const char *const concurrency_policies[] = {"Allow", "Forbid", "Replace", NULL};

static void check_failure_policy(struct check *c, const struct at *at, const struct json *policy)
{
    static const char *const actions[] = {"Count", "FailIndex", "FailJob", "Ignore", NULL};
    int64_t i = 0;

    JSON_EACH(rule, field(policy, "rules")) {
        const struct at *here = AT_INDEX(AT(at, "rules"), i++);
        const struct json *codes = field(rule, "onExitCodes"),
                          *conditions = field(rule, "onPodConditions");
        int64_t k = 0;

        check_enum(c, AT(here, "action"), field(rule, "action"), actions);
        if (codes)
            JSON_EACH(v, field(codes, "values")) {
                if (str_is(json_get_str(codes, "operator"), "In") && json_is(v, JSON_INT) &&
                    v->i == 0)
                    bad_invalid(c, AT_INDEX(AT(AT(here, "onExitCodes"), "values"), k), *v,
                                "must not be 0 for the In operator");
                k++;
            }
        if (!codes && !json_count(conditions)) {
            if (!*c->errs)
                *c->errs = err_new(REASON_INVALID, "%s", "");
            err_cause_add(
                *c->errs, "FieldValueInvalid",
                arena_fmt(c->a, "spec.podFailurePolicy.rules[%lld]", (long long)(i - 1)),
                S("Invalid value: specifying one of OnExitCodes and OnPodConditions is required"));
        }
    }
}

/* Shared by Jobs and the template in CronJobs; `at` is the place of the job's spec. */
static void check_job_spec(struct check *c, const struct at *at, const struct json *spec)
{
    static const char *const counts[] = {"parallelism",
                                         "completions",
                                         "activeDeadlineSeconds",
                                         "backoffLimit",
                                         "ttlSecondsAfterFinished",
                                         "backoffLimitPerIndex",
                                         "maxFailedIndexes"};
    const struct json *mode = field(spec, "completionMode"), *template = field(spec, "template");
    str restart = json_get_str(template, "spec.restartPolicy"),
        managed_by = json_get_str(spec, "managedBy");
    bool indexed = str_is(json_str(mode), "Indexed");

    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        check_not_negative(c, AT(at, counts[i]), field(spec, counts[i]));
    check_enum(c, AT(at, "completionMode"), mode, completion_modes);
    if (indexed) {
        if (!field(spec, "completions"))
            bad_required(c, AT(at, "completions"), "when completion mode is Indexed");
        if (json_get_int(spec, "parallelism", 0) > INDEXED_PARALLELISM_MAX)
            bad_invalid(c, AT(at, "parallelism"), *field(spec, "parallelism"),
                        "must be less than or equal to %d when completion mode is Indexed",
                        INDEXED_PARALLELISM_MAX);
    } else {
        if (field(spec, "backoffLimitPerIndex"))
            bad_invalid(c, AT(at, "backoffLimitPerIndex"), *field(spec, "backoffLimitPerIndex"),
                        "requires indexed completion mode");
        if (field(spec, "maxFailedIndexes"))
            bad_invalid(c, AT(at, "maxFailedIndexes"), *field(spec, "maxFailedIndexes"),
                        "requires indexed completion mode");
        if (field(spec, "successPolicy")) {
            struct json dump = json_object();
            const struct json *rules = field_at(spec, "successPolicy.rules");

            json_setz(c->a, &dump, "Rules", json_is(rules, JSON_ARRAY) ? *rules : json_array());
            bad_invalid(c, AT(at, "successPolicy"), dump, "requires indexed completion mode");
        }
    }
    if (field(spec, "podFailurePolicy"))
        check_failure_policy(c, AT(at, "podFailurePolicy"), field(spec, "podFailurePolicy"));
    check_enum(c, AT(at, "podReplacementPolicy"), field(spec, "podReplacementPolicy"),
               replacement_policies);
    if (managed_by.n)
        check_domain_path(c, AT(at, "managedBy"), managed_by);
    check_pod_template(c, AT(at, "template"), template);
    if (restart.n == 0 || str_is(restart, "Always"))
        bad_required(c, AT(AT(AT(at, "template"), "spec"), "restartPolicy"),
                     "valid values: \"OnFailure\", \"Never\"");
}

static void check_job_selector(struct check *c, const struct at *at, const struct write *w,
                               const struct json *spec)
{
    const struct json *selector = field(spec, "selector"),
                      *labels = field_at(spec, "template.metadata.labels"),
                      *match = field(selector, "matchLabels");
    bool manual = json_get_bool(spec, "manualSelector", false);
    struct selector parsed;
    struct err *err;

    if (!selector) {
        bad_required(c, AT(at, "selector"), "");
    } else {
        check_label_selector(c, AT(at, "selector"), selector);
        if (!manual && !w->old &&
            (json_count(match) != 1 ||
             !str_eq(json_str(field(match, "batch.kubernetes.io/controller-uid")),
                     json_get_str(w->obj, "metadata.uid"))))
            bad_invalid(c, AT(at, "selector"), selector_copy(c->a, selector),
                        "`selector` not auto-generated");
    }
    err = selector_from_object(c->a, selector, &parsed);
    if (err) {
        err_free(err);
        return;
    }
    if (!selector || !selector_matches_map(&parsed, labels))
        bad_invalid(c, AT(AT(AT(at, "template"), "metadata"), "labels"), sorted_copy(c->a, labels),
                    "`selector` does not match template `labels`");
}

void validate_job(struct write *w, struct err **errs)
{
    static const char *const fixed[] = {"completionMode", "podFailurePolicy",
                                        "backoffLimitPerIndex", "managedBy", "successPolicy"};
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *before = field(w->old, "spec");
    const struct at *at = AT(NULL, "spec");

    if (str_is(w->subresource, "status"))
        return;
    check_job_selector(c, at, w, spec);
    check_job_spec(c, at, spec);
    if (!w->old)
        return;
    if (!str_is(json_str(field(spec, "completionMode")), "Indexed"))
        check_immutable(c, AT(at, "completions"), field(spec, "completions"),
                        field(before, "completions"));
    check_immutable(c, AT(at, "selector"), field(spec, "selector"), field(before, "selector"));
    if (!json_get_bool(before, "suspend", false))
        check_immutable(c, AT(at, "template"), field(spec, "template"), field(before, "template"));
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        check_immutable(c, AT(at, fixed[i]), field(spec, fixed[i]), field(before, fixed[i]));
}

/* ---- schedules ---- */

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

static bool cron_number(const struct cron_field *f, str s, int64_t *ret)
{
    for (size_t i = 0; f->names && f->names[i]; i++)
        if (str_eq_nocase(s, str_of(f->names[i]))) {
            *ret = f->min + (int64_t)i;
            return true;
        }
    return str_to_int64(s, ret) && s.p[0] != '+';
}

/* NULL: fine. */
static const char *cron_range_wrong(struct arena *a, const struct cron_field *f, str range)
{
    str step_text = range, span, high_text, low_text;
    int64_t low, high, step = 1;
    bool has_step = str_has_char(range, '/');

    str_cut(&step_text, '/', &span);
    high_text = span;
    str_cut(&high_text, '-', &low_text);
    if (str_is(low_text, "*") || str_is(low_text, "?")) {
        low = f->min, high = f->max;
    } else {
        if (!cron_number(f, low_text, &low))
            return arena_fmt(a,
                             "failed to parse int from " PRI_STR
                             ": strconv.Atoi: parsing \"" PRI_STR "\": invalid syntax",
                             STR_ARG(low_text), STR_ARG(low_text))
                .p;
        high = has_step && !high_text.p ? f->max : low;
        if (high_text.p && !cron_number(f, high_text, &high))
            return arena_fmt(a,
                             "failed to parse int from " PRI_STR
                             ": strconv.Atoi: parsing \"" PRI_STR "\": invalid syntax",
                             STR_ARG(high_text), STR_ARG(high_text))
                .p;
    }
    if (has_step && !str_to_int64(step_text, &step))
        return arena_fmt(a,
                         "failed to parse int from " PRI_STR ": strconv.Atoi: parsing \"" PRI_STR
                         "\": invalid syntax",
                         STR_ARG(step_text), STR_ARG(step_text))
            .p;
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

static const char *cron_wrong(struct arena *a, str schedule)
{
    static const char *const descriptors[] = {"@yearly", "@annually", "@monthly", "@weekly",
                                              "@daily",  "@midnight", "@hourly"};
    str fields[16], rest = str_trim(schedule), word;
    size_t n = 0;
    CLEANUP(buf) struct buf all = BUF_INIT;

    if (rest.n && rest.p[0] == '@') {
        for (size_t i = 0; i < ARRAY_LEN(descriptors); i++)
            if (str_is(rest, descriptors[i]))
                return NULL;
        if (str_has_prefix(rest, S("@every ")))
            return NULL;
        return arena_fmt(a, "unrecognized descriptor: " PRI_STR, STR_ARG(schedule)).p;
    }
    while (str_cut(&rest, ' ', &word)) {
        if (word.n == 0)
            continue;
        if (n < ARRAY_LEN(fields))
            fields[n] = word;
        buf_fmt(&all, "%s" PRI_STR, n ? " " : "", STR_ARG(word));
        n++;
    }
    if (n != 5)
        return arena_fmt(a, "expected exactly 5 fields, found %zu: [" PRI_STR "]", n,
                         STR_ARG(buf_view(&all)))
            .p;
    for (size_t i = 0; i < 5; i++) {
        str ranges = fields[i], range;

        while (str_cut(&ranges, ',', &range)) {
            const char *wrong = cron_range_wrong(a, &cron_fields[i], range);

            if (wrong)
                return wrong;
        }
    }
    return NULL;
}

/* A name below the zoneinfo folder; the folder itself may be absent on small machines, then the form decides. */
static bool is_time_zone(struct arena *a, str name)
{
    bool clean = name.n > 0 && name.n < 64 && name.p[0] != '/';
    FILE *f;

    for (size_t i = 0; i < name.n; i++)
        clean &= (name.p[i] >= 'A' && name.p[i] <= 'Z') || (name.p[i] >= 'a' && name.p[i] <= 'z') ||
                 (name.p[i] >= '0' && name.p[i] <= '9') || strchr("/_+-", name.p[i]);
    if (!clean)
        return false;
    if (str_is(name, "UTC"))
        return true;
    f = fopen(arena_fmt(a, "/usr/share/zoneinfo/" PRI_STR, STR_ARG(name)).p, "re");
    if (f)
        fclose(f);
    return f != NULL;
}

void validate_cronjob(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *zone = field(spec, "timeZone"),
                      *job = field_at(spec, "jobTemplate.spec");
    const struct at *at = AT(NULL, "spec"), *job_at = AT(AT(at, "jobTemplate"), "spec");
    str schedule = json_get_str(spec, "schedule"), name = json_get_str(w->obj, "metadata.name");

    if (str_is(w->subresource, "status"))
        return;
    if (!w->old && name.n > CRONJOB_NAME_MAX)
        bad_invalid(c, AT(AT(NULL, "metadata"), "name"), json_string(name),
                    "must be no more than %d characters", CRONJOB_NAME_MAX);
    if (schedule.n == 0) {
        bad_required(c, AT(at, "schedule"), "");
    } else if (str_find(schedule, S("TZ")) >= 0) {
        bad_invalid(c, AT(at, "schedule"), json_string(schedule),
                    "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
    } else {
        const char *wrong = cron_wrong(c->a, schedule);

        if (wrong)
            bad_invalid(c, AT(at, "schedule"), json_string(schedule), "%s", wrong);
    }
    if (zone && json_str(zone).n == 0)
        bad_invalid(c, AT(at, "timeZone"), *zone, "timeZone must be nil or non-empty string");
    else if (zone && str_eq_nocase(json_str(zone), S("local")))
        bad_invalid(
            c, AT(at, "timeZone"), *zone,
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones");
    else if (zone && !is_time_zone(c->a, json_str(zone)))
        bad_invalid(c, AT(at, "timeZone"), *zone, "unknown time zone " PRI_STR,
                    STR_ARG(json_str(zone)));
    check_not_negative(c, AT(at, "startingDeadlineSeconds"),
                       field(spec, "startingDeadlineSeconds"));
    check_enum(c, AT(at, "concurrencyPolicy"), field(spec, "concurrencyPolicy"),
               concurrency_policies);
    if (field(job, "selector"))
        bad_invalid(c, AT(job_at, "selector"), selector_copy(c->a, field(job, "selector")),
                    "`selector` will be auto-generated");
    check_job_spec(c, job_at, job);
    check_not_negative(c, AT(at, "successfulJobsHistoryLimit"),
                       field(spec, "successfulJobsHistoryLimit"));
    check_not_negative(c, AT(at, "failedJobsHistoryLimit"), field(spec, "failedJobsHistoryLimit"));
}
