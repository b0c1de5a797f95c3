/* job.c - rules of Jobs.
 *
 * Not here: the status (job_status.c), schedules (cronjob.c).
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/batch/validation/validation.go and
 * pkg/registry/batch/job/strategy.go. */
#include "api/validation/job.h"
#include "api/validation/pod.h"
#include "api/validation/validation.h"

#define INDEXED_PARALLELISM_MAX 100000
#define INDEXED_FAILED_MAX 100000
#define COMPLETIONS_SOFT_LIMIT 100000
#define PARALLELISM_OF_MANY_MAX 10000
#define FAILED_OF_MANY_MAX 10000
#define MANAGED_BY_MAX 63
#define FAILURE_RULES_MAX 20
#define EXIT_CODES_MAX 255
#define POD_CONDITIONS_MAX 20
#define SUCCESS_RULES_MAX 20
#define SUCCEEDED_INDEXES_MAX (64 * 1024)

static const char *const actions[] = {"Count", "FailIndex", "FailJob", "Ignore", NULL};
static const char *const operators[] = {"In", "NotIn", NULL};
static const char *const condition_statuses[] = {"False", "True", "Unknown", NULL};

/* An enumeration that has to be there: missing says what it may be, as Go prints a list. */
static void check_listed_enum(struct check *c, const struct at *at, str value,
                              const char *const *supported, const char *listed)
{
    if (value.n == 0)
        bad_required(c, at, listed);
    else if (!one_of(value, supported))
        bad_unsupported(c, at, json_string(value), supported);
}

/* ---- what counts as failure ---- */

static bool has_container(const struct json *spec, str name)
{
    static const char *const lists[] = {"containers", "initContainers"};
    const struct json *pod = field_at(spec, "template.spec");

    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        JSON_EACH(v, field(pod, lists[i]))
            if (str_eq(json_get_str(v, "name"), name))
                return true;
    return false;
}

static void check_exit_codes(struct check *c, const struct at *at, const struct json *codes,
                             const struct json *spec)
{
    const struct json *values = field(codes, "values"), *container = field(codes, "containerName"),
                      *before = NULL;
    str operator= json_get_str(codes, "operator");
    bool ordered = true;
    int64_t i = 0;

    check_listed_enum(c, AT(at, "operator"), operator, operators,
                      "valid values: [\"In\" \"NotIn\"]");
    if (container && !has_container(spec, json_str(container)))
        bad_invalid(c, AT(at, "containerName"), *container,
                    "must be one of the container or initContainer names in the pod template");
    if (!json_count(values))
        bad_invalid(c, AT(at, "values"), json_array(), "at least one value is required");
    else if (json_count(values) > EXIT_CODES_MAX)
        bad_too_many(c, AT(at, "values"), json_count(values), EXIT_CODES_MAX);
    JSON_EACH(v, values) {
        const struct at *here = AT_INDEX(AT(at, "values"), i);

        if (str_is(operator, "In") && v->i == 0)
            bad_invalid(c, here, *v, "must not be 0 for the In operator");
        for (int64_t k = 0; k < i; k++)
            if (json_item(values, (uint32_t)k)->i == v->i) {
                bad_duplicate(c, here, *v, "");
                break;
            }
        ordered &= !before || before->i <= v->i;
        before = v;
        if (++i == EXIT_CODES_MAX) /* what is beyond is one complaint already */
            break;
    }
    if (!ordered)
        bad_invalid(c, AT(at, "values"), *values, "must be ordered");
}

static void check_pod_conditions(struct check *c, const struct at *at, const struct json *patterns)
{
    int64_t i = 0;

    if (json_count(patterns) > POD_CONDITIONS_MAX)
        bad_too_many(c, at, json_count(patterns), POD_CONDITIONS_MAX);
    JSON_EACH(p, patterns) {
        const struct at *here = AT_INDEX(at, i++);

        check_qualified_name(c, AT(here, "type"), json_get_str(p, "type"));
        check_listed_enum(c, AT(here, "status"), json_get_str(p, "status"), condition_statuses,
                          "valid values: [\"False\" \"True\" \"Unknown\"]");
    }
}

static void check_failure_rule(struct check *c, const struct at *at, const struct json *rule,
                               const struct json *spec)
{
    const struct json *codes = field(rule, "onExitCodes"),
                      *conditions = field(rule, "onPodConditions");
    str action = json_get_str(rule, "action");

    if (str_is(action, "FailIndex") && !field(spec, "backoffLimitPerIndex"))
        bad_string(c, AT(at, "action"), action, "requires the backoffLimitPerIndex to be set");
    check_listed_enum(c, AT(at, "action"), action, actions,
                      "valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]");
    if (codes)
        check_exit_codes(c, AT(at, "onExitCodes"), codes, spec);
    if (json_count(conditions))
        check_pod_conditions(c, AT(at, "onPodConditions"), conditions);
    if (codes && json_count(conditions))
        bad_omitted(c, at, "specifying both OnExitCodes and OnPodConditions is not supported");
    if (!codes && !json_count(conditions))
        bad_omitted(c, at, "specifying one of OnExitCodes and OnPodConditions is required");
}

static void check_failure_policy(struct check *c, const struct at *at, const struct json *policy,
                                 const struct json *spec)
{
    const struct json *rules = field(policy, "rules");
    int64_t i = 0;

    if (json_count(rules) > FAILURE_RULES_MAX)
        bad_too_many(c, AT(at, "rules"), json_count(rules), FAILURE_RULES_MAX);
    JSON_EACH(rule, rules)
        check_failure_rule(c, AT_INDEX(AT(at, "rules"), i++), rule, spec);
}

/* ---- what counts as success ---- */

static void check_success_rule(struct check *c, const struct at *at, const struct json *rule,
                               int64_t completions)
{
    const struct json *count = field(rule, "succeededCount"),
                      *indexes = field(rule, "succeededIndexes");
    int64_t total = 0;

    if (!count && !indexes)
        bad_required(c, at, "at least one of succeededCount or succeededIndexes must be specified");
    if (indexes) {
        const char *wrong;

        if (json_str(indexes).n > SUCCEEDED_INDEXES_MAX)
            bad_too_long(c, AT(at, "succeededIndexes"), SUCCEEDED_INDEXES_MAX);
        wrong = job_indexes_wrong(c->a, json_str(indexes), completions, &total);
        if (wrong)
            bad_invalid(c, AT(at, "succeededIndexes"), *indexes,
                        "error parsing succeededIndexes: %s", wrong);
    }
    if (!count)
        return;
    check_not_negative(c, AT(at, "succeededCount"), count);
    if (count->i > completions)
        bad_invalid(c, AT(at, "succeededCount"), *count,
                    "must be less than or equal to %lld (the number of specified completions)",
                    (long long)completions);
    if (indexes && count->i > total)
        bad_invalid(c, AT(at, "succeededCount"), *count,
                    "must be less than or equal to %lld (the number of indexes in the specified "
                    "succeededIndexes field)",
                    (long long)total);
}

static void check_success_policy(struct check *c, const struct at *at, const struct json *policy,
                                 const struct json *spec)
{
    const struct json *rules = field(policy, "rules");
    int64_t i = 0;

    if (!json_count(rules))
        bad_required(c, AT(at, "rules"),
                     "at least one rules must be specified when the successPolicy is specified");
    if (json_count(rules) > SUCCESS_RULES_MAX)
        bad_too_many(c, AT(at, "rules"), json_count(rules), SUCCESS_RULES_MAX);
    JSON_EACH(rule, rules)
        check_success_rule(c, AT_INDEX(AT(at, "rules"), i++), rule,
                           json_get_int(spec, "completions", 0));
}

/* ---- the spec ---- */

static void check_indexed(struct check *c, const struct at *at, const struct json *spec)
{
    const struct json *completions = field(spec, "completions"),
                      *parallelism = field(spec, "parallelism"),
                      *failed = field(spec, "maxFailedIndexes");
    const struct at *parallelism_at = AT(at, "parallelism"),
                    *failed_at = AT(at, "maxFailedIndexes");

    if (!completions)
        bad_required(c, AT(at, "completions"), "when completion mode is Indexed");
    if (parallelism && parallelism->i > INDEXED_PARALLELISM_MAX)
        bad_invalid(c, parallelism_at, *parallelism,
                    "must be less than or equal to %d when completion mode is Indexed",
                    INDEXED_PARALLELISM_MAX);
    if (completions && failed && failed->i > completions->i)
        bad_invalid(c, failed_at, *failed, "must be less than or equal to completions");
    if (failed && failed->i > INDEXED_FAILED_MAX)
        bad_invalid(c, failed_at, *failed, "must be less than or equal to %d", INDEXED_FAILED_MAX);
    if (!completions || completions->i <= COMPLETIONS_SOFT_LIMIT ||
        !field(spec, "backoffLimitPerIndex"))
        return;
    if (!failed)
        bad_required(c, failed_at,
                     arena_fmt(c->a, "must be specified when completions is above %d",
                               COMPLETIONS_SOFT_LIMIT)
                         .p);
    if (parallelism && parallelism->i > PARALLELISM_OF_MANY_MAX)
        bad_invalid(c, parallelism_at, *parallelism,
                    "must be less than or equal to %d when completions are above %d and used with "
                    "backoff limit per index",
                    PARALLELISM_OF_MANY_MAX, COMPLETIONS_SOFT_LIMIT);
    if (failed && failed->i > FAILED_OF_MANY_MAX)
        bad_invalid(c, failed_at, *failed,
                    "must be less than or equal to %d when completions are above %d and used with "
                    "backoff limit per index",
                    FAILED_OF_MANY_MAX, COMPLETIONS_SOFT_LIMIT);
}

static void check_not_indexed(struct check *c, const struct at *at, const struct json *spec)
{
    static const char *const fields[] = {"backoffLimitPerIndex", "maxFailedIndexes"};

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (field(spec, fields[i]))
            bad_invalid(c, AT(at, fields[i]), *field(spec, fields[i]),
                        "requires indexed completion mode");
}

static void check_restart(struct check *c, const struct at *at, const struct json *spec)
{
    static const char *const policies[] = {"OnFailure", "Never", NULL};
    const struct at *here = AT(AT(AT(at, "template"), "spec"), "restartPolicy");
    str restart = json_get_str(spec, "template.spec.restartPolicy");

    if (restart.n == 0 || str_is(restart, "Always"))
        bad_required(c, here, "valid values: \"OnFailure\", \"Never\"");
    else if (!one_of(restart, policies))
        bad_unsupported(c, here, json_string(restart), policies);
    else if (field(spec, "podFailurePolicy") && !str_is(restart, "Never"))
        bad_string(c, here, restart,
                   "only \"Never\" is supported when podFailurePolicy is specified");
}

void check_job_spec(struct check *c, const struct at *at, const struct json *spec)
{
    static const char *const modes[] = {"NonIndexed", "Indexed", NULL};
    static const char *const replacements[] = {"Failed", "TerminatingOrFailed", NULL};
    static const char *const counts[] = {"parallelism",
                                         "completions",
                                         "activeDeadlineSeconds",
                                         "backoffLimit",
                                         "ttlSecondsAfterFinished",
                                         "backoffLimitPerIndex",
                                         "maxFailedIndexes",
                                         NULL};
    const struct json *mode = field(spec, "completionMode"), *managed_by = field(spec, "managedBy"),
                      *failure = field(spec, "podFailurePolicy"),
                      *success = field(spec, "successPolicy");
    bool indexed = str_is(json_str(mode), "Indexed");

    check_counts(c, at, spec, counts);
    if (field(spec, "maxFailedIndexes") && !field(spec, "backoffLimitPerIndex"))
        bad_required(c, AT(at, "backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    if (managed_by) {
        check_domain_path(c, AT(at, "managedBy"), json_str(managed_by));
        if (json_str(managed_by).n > MANAGED_BY_MAX)
            bad_too_long(c, AT(at, "managedBy"), MANAGED_BY_MAX);
    }
    check_enum(c, AT(at, "completionMode"), mode, modes);
    if (indexed)
        check_indexed(c, at, spec);
    else if (!mode || str_is(json_str(mode), "NonIndexed"))
        check_not_indexed(c, at, spec);
    if (failure)
        check_failure_policy(c, AT(at, "podFailurePolicy"), failure, spec);
    if (success && !indexed) {
        const struct json *rules = field(success, "rules");
        struct json dump = json_object();

        json_setz(c->a, &dump, "Rules", json_is(rules, JSON_ARRAY) ? *rules : json_array());
        bad_invalid(c, AT(at, "successPolicy"), dump, "requires indexed completion mode");
    } else if (success) {
        check_success_policy(c, AT(at, "successPolicy"), success, spec);
    }
    /* With a failure policy only pods that have failed may be replaced: the list is one shorter. */
    check_enum(c, AT(at, "podReplacementPolicy"), field(spec, "podReplacementPolicy"),
               failure ? (const char *const[]){"Failed", NULL} : replacements);
    check_pod_template(c, AT(at, "template"), field(spec, "template"));
    check_restart(c, at, spec);
}

/* ---- selectors and the labels that they need ---- */

static void check_has_label(struct check *c, const struct json *labels, const char *key,
                            str expected)
{
    const struct at *at =
        AT_KEY(AT(AT(AT(AT(NULL, "spec"), "template"), "metadata"), "labels"), str_of(key));
    const struct json *v = field(labels, key);

    if (!v)
        bad_required(c, at, arena_fmt(c->a, "must be '" PRI_STR "'", STR_ARG(expected)).p);
    else if (!str_eq(json_str(v), expected))
        bad_invalid(c, at, sorted_copy(c->a, labels), "must be '" PRI_STR "'", STR_ARG(expected));
}

static void check_generated_selector(struct check *c, const struct json *job)
{
    static const struct {
        const char *key;
        bool uid; /* else: the name */
    } wanted[] = {{"controller-uid", true},
                  {"job-name", false},
                  {"batch.kubernetes.io/controller-uid", true},
                  {"batch.kubernetes.io/job-name", false}};
    const struct json *spec = field(job, "spec"), *selector = field(spec, "selector"),
                      *labels = field_at(spec, "template.metadata.labels");
    struct json expected = json_object();
    struct selector parsed;
    struct err *err;

    if (json_get_bool(spec, "manualSelector", false) || !selector)
        return;
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        str value = json_get_str(job, wanted[i].uid ? "metadata.uid" : "metadata.name");

        check_has_label(c, labels, wanted[i].key, value);
        json_setz(c->a, &expected, wanted[i].key, json_string(value));
    }
    err = selector_from_object(c->a, selector, &parsed);
    if (!err && !selector_matches_map(&parsed, &expected))
        bad_invalid(c, AT(AT(NULL, "spec"), "selector"), selector_copy(c->a, selector),
                    "`selector` not auto-generated");
    err_free(err);
}

static void check_selector(struct check *c, const struct at *at, const struct json *spec)
{
    const struct json *selector = field(spec, "selector"),
                      *labels = field_at(spec, "template.metadata.labels");
    struct selector parsed;
    struct err *err;

    if (selector)
        check_label_selector(c, AT(at, "selector"), selector);
    else
        bad_required(c, AT(at, "selector"), "");
    err = selector_from_object(c->a, selector, &parsed);
    if (!err && (!selector || !selector_matches_map(&parsed, labels)))
        bad_invalid(c, AT(AT(AT(at, "template"), "metadata"), "labels"), sorted_copy(c->a, labels),
                    "`selector` does not match template `labels`");
    err_free(err);
}

/* The pods of an indexed job are named after it and their index. */
static void check_host_names(struct check *c, const struct json *job)
{
    const struct json *completions = field_at(job, "spec.completions");
    str name = json_get_str(job, "metadata.name"), host;

    if (!str_is(json_get_str(job, "spec.completionMode"), "Indexed") || !completions ||
        completions->i <= 0)
        return;
    host = arena_fmt(c->a, PRI_STR "-%lld", STR_ARG(name), (long long)completions->i - 1);
    if (host.n > 63 || not_dns_label(host))
        bad_invalid(c, AT(AT(NULL, "metadata"), "name"), json_string(name),
                    "will not able to create pod with invalid DNS label: " PRI_STR, STR_ARG(host));
}

/* ---- updates ---- */

static bool has_true_condition(const struct json *job, const char *type)
{
    JSON_EACH(v, field_at(job, "status.conditions"))
        if (str_is(json_get_str(v, "type"), type))
            return str_is(json_get_str(v, "status"), "True");
    return false;
}

/* Suspended, and no pod of it is left or was ever made. */
static bool is_at_rest(const struct json *job)
{
    if (!json_get_bool(job, "spec.suspend", false))
        return false;
    return !field_at(job, "status.startTime") ||
           (has_true_condition(job, "Suspended") && json_get_int(job, "status.active", 0) == 0);
}

static void forget(struct json *obj, const char *const *fields)
{
    for (; json_is(obj, JSON_OBJECT) && *fields; fields++)
        json_removez(obj, *fields);
}

/* What a scheduler or a queue may still decide about a job that is at rest. */
static void forget_directives(struct json *template)
{
    static const char *const in_spec[] = {"nodeSelector", "tolerations", "schedulingGates", NULL};
    static const char *const in_meta[] = {"annotations", "labels", NULL};
    static const char *const in_affinity[] = {"nodeAffinity", NULL};
    static const char *const in_container[] = {"resources", NULL};
    static const char *const lists[] = {"containers", "initContainers"};
    struct json *spec = json_findz(template, "spec"), *affinity = json_findz(spec, "affinity");

    forget(spec, in_spec);
    forget(json_findz(template, "metadata"), in_meta);
    forget(affinity, in_affinity);
    if (json_is(affinity, JSON_OBJECT) && !affinity->n)
        json_removez(spec, "affinity");
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        JSON_EACH(v, json_findz(spec, lists[i]))
            forget(v, in_container);
}

static void check_template_kept(struct check *c, const struct at *at, const struct json *now,
                                const struct json *old_job)
{
    const struct json *old = field_at(old_job, "spec.template");
    struct json a, b;

    if (!now || !old || !is_at_rest(old_job)) {
        check_immutable_struct(c, at, "PodTemplateSpec", now, old);
        return;
    }
    a = json_copy(c->a, now);
    b = json_copy(c->a, old);
    forget_directives(&a);
    forget_directives(&b);
    if (!json_equal(&a, &b))
        bad_invalid(c, at, go_value(c, "PodTemplateSpec", now), "field is immutable");
}

static void check_completions_kept(struct check *c, const struct at *at, const struct json *spec,
                                   const struct json *before)
{
    const struct json *now = field(spec, "completions"), *old = field(before, "completions");

    if (!str_is(json_get_str(spec, "completionMode"), "Indexed"))
        check_immutable(c, at, now, old);
    else if (now && !(old && json_equal(now, old)) &&
             now->i != json_get_int(spec, "parallelism", 0))
        bad_invalid(c, at, *now, "can only be modified in tandem with spec.parallelism");
}

void validate_job(struct write *w, struct err **errs)
{
    static const struct {
        const char *field, *type;
    } fixed[] = {{"completionMode", NULL},
                 {"podFailurePolicy", "batch.v1.PodFailurePolicy"},
                 {"backoffLimitPerIndex", NULL},
                 {"managedBy", NULL},
                 {"successPolicy", "batch.v1.SuccessPolicy"}};
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *before = field(w->old, "spec");
    const struct at *at = AT(NULL, "spec");

    if (str_is(w->subresource, "status")) {
        check_job_status(c, w->obj, w->old);
        return;
    }
    if (!w->old)
        check_generated_selector(c, w->obj);
    check_job_spec(c, at, spec);
    check_selector(c, at, spec);
    if (!w->old) {
        check_host_names(c, w->obj);
        return;
    }
    check_completions_kept(c, AT(at, "completions"), spec, before);
    check_immutable(c, AT(at, "selector"), field(spec, "selector"), field(before, "selector"));
    check_template_kept(c, AT(at, "template"), field(spec, "template"), w->old);
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
        const struct at *here = AT(at, fixed[i].field);
        const struct json *now = field(spec, fixed[i].field), *old = field(before, fixed[i].field);

        if (fixed[i].type)
            check_immutable_struct(c, here, fixed[i].type, now, old);
        else
            check_immutable(c, here, now, old);
    }
}
