/* workloads.c - rules of Deployment, ReplicaSet, ReplicationController, StatefulSet, DaemonSet, ControllerRevision, PodTemplate.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/apps/validation/validation.go. */
#include "api/validation/pod.h"
#include "api/validation/rules.h"
#include "api/validation/validation.h"
#include "api/validation/volume.h"

/* `selector` must be there, well-formed, not empty (where said) and match the template's labels. */
static void check_workload_selector(struct check *c, const struct at *spec_at,
                                    const struct json *spec, const char *kind, bool empty_is_wrong)
{
    const struct json *selector = field(spec, "selector"),
                      *labels = field_at(spec, "template.metadata.labels");
    const struct at *at = AT(spec_at, "selector");
    struct err *before = *c->errs;
    unsigned n_before = before ? before->n_causes : 0;
    struct selector parsed;
    struct err *err;

    if (!selector) {
        if (strcmp(kind, "daemonset")) /* there it merely matches nothing */
            bad_required(c, at, "");
    } else {
        check_label_selector(c, at, selector);
        if (empty_is_wrong && !json_count(field(selector, "matchLabels")) &&
            !json_count(field(selector, "matchExpressions")))
            bad_invalid(c, at, json_object(), "empty selector is invalid for %s", kind);
    }
    if (selector && *c->errs && (*c->errs)->n_causes > n_before && json_count(selector)) {
        if (strcmp(kind, "daemonset")) /* there the well-formed half is matched */
            bad_invalid(c, at, selector_copy(c->a, selector), "invalid label selector");
        return;
    }
    err = selector_from_object(c->a, selector, &parsed);
    if (err) {
        err_free(err);
        return;
    }
    if (!field(spec, "template"))
        return;
    if (!selector || (!parsed.nothing && parsed.n_terms && !selector_matches_map(&parsed, labels)))
        bad_invalid(c, AT(AT(AT(spec_at, "template"), "metadata"), "labels"),
                    sorted_copy(c->a, labels), "`selector` does not match template `labels`");
}

/* The template of a StatefulSet's pods with the volumes that their claims will be. */
static struct json with_claims(struct arena *a, const struct json *template,
                               const struct json *claims)
{
    struct json t = json_share(a, template), *spec = json_findz(&t, "spec"), *volumes, source,
                volume;

    if (!spec)
        return t;
    volumes = json_make(a, spec, "volumes", JSON_ARRAY);
    JSON_EACH(claim, claims) {
        str name = json_get_str(claim, "metadata.name");
        bool there = false;

        JSON_EACH(v, volumes)
            there |= str_eq(json_get_str(v, "name"), name);
        if (there)
            continue;
        source = json_object();
        json_setz(a, &source, "claimName", json_string(name));
        volume = json_object();
        json_setz(a, &volume, "name", json_string(name));
        json_setz(a, &volume, "persistentVolumeClaim", source);
        json_append(a, volumes, volume);
    }
    return t;
}

/* Templates of what keeps pods running: they restart always and have no deadline. */
static void check_running_template(struct check *c, const struct at *spec_at,
                                   const struct json *spec, const char *kind)
{
    static const char *const always[] = {"Always", NULL};
    const struct at *at = AT(AT(spec_at, "template"), "spec");
    const struct json *template = field(spec, "template"),
                      *policy = field_at(template, "spec.restartPolicy");

    if (json_count(field(spec, "volumeClaimTemplates"))) {
        struct json t = with_claims(c->a, template, field(spec, "volumeClaimTemplates"));

        check_pod_template(c, AT(spec_at, "template"), &t);
    } else {
        check_pod_template(c, AT(spec_at, "template"), template);
    }
    if (policy && !str_is(json_str(policy), "Always") &&
        (str_is(json_str(policy), "OnFailure") || str_is(json_str(policy), "Never")))
        bad_unsupported(c, AT(at, "restartPolicy"), *policy, always);
    if (field_at(template, "spec.activeDeadlineSeconds"))
        bad_forbidden(c, AT(at, "activeDeadlineSeconds"),
                      "activeDeadlineSeconds in %s is not Supported", kind);
}

/* Go's dump of a strategy struct in a message: {"Type":"x","RollingUpdate":null}. */
static struct json go_strategy(struct check *c, const struct json *strategy)
{
    struct json o = json_object();
    const struct json *rolling = field(strategy, "rollingUpdate");

    json_setz(c->a, &o, "Type", json_string(json_get_str(strategy, "type")));
    json_setz(c->a, &o, "RollingUpdate", rolling ? *rolling : json_null());
    return o;
}

static void check_deployment_strategy(struct check *c, const struct at *at,
                                      const struct json *strategy)
{
    static const char *const types[] = {"Recreate", "RollingUpdate", NULL};
    str type = json_get_str(strategy, "type");
    const struct json *rolling = field(strategy, "rollingUpdate"),
                      *surge = field(rolling, "maxSurge"),
                      *unavailable = field(rolling, "maxUnavailable");
    const struct at *here = AT(at, "rollingUpdate");

    if (str_is(type, "Recreate")) {
        if (rolling)
            bad_forbidden(c, here, "may not be specified when strategy `type` is 'Recreate'");
        return;
    }
    if (!str_is(type, "RollingUpdate")) {
        bad_unsupported(c, at, go_strategy(c, strategy), types);
        return;
    }
    if (!rolling) {
        bad_required(c, here, "this should be defaulted and never be nil");
        return;
    }
    check_int_or_percent(c, AT(here, "maxUnavailable"), unavailable);
    check_int_or_percent(c, AT(here, "maxSurge"), surge);
    if (is_zero_int_or_percent(unavailable) && is_zero_int_or_percent(surge))
        bad_invalid(c, AT(here, "maxUnavailable"), unavailable ? *unavailable : json_int(0),
                    "may not be 0 when `maxSurge` is 0");
    check_percent_at_most_all(c, AT(here, "maxUnavailable"), unavailable);
}

/* The counts of a status, and which of them cannot exceed which. collisionCount only grows. */
static void check_status(struct check *c, const struct write *w, const char *const *counts,
                         const char *const *of_replicas)
{
    const struct at *at = AT(NULL, "status");
    const struct json *status = field(w->obj, "status");

    check_counts(c, at, status, counts);
    check_at_most(c, at, status, of_replicas, "replicas", "cannot be greater than status.replicas");
}

static void check_available(struct check *c, const struct write *w, const char *text)
{
    static const char *const fields[] = {"availableReplicas", NULL};

    check_at_most(c, AT(NULL, "status"), field(w->obj, "status"), fields, "readyReplicas", text);
}

static void check_collisions(struct check *c, const struct write *w)
{
    int64_t n = json_get_int(w->obj, "status.collisionCount", 0);

    if (field_at(w->old, "status.collisionCount") &&
        n < json_get_int(w->old, "status.collisionCount", 0))
        bad_invalid(c, AT(AT(NULL, "status"), "collisionCount"), json_int(n),
                    "cannot be decremented");
}

void validate_deployment(struct write *w, struct err **errs)
{
    static const char *const counts[] = {"observedGeneration", "replicas",
                                         "updatedReplicas",    "readyReplicas",
                                         "availableReplicas",  "unavailableReplicas",
                                         "collisionCount",     NULL};
    static const char *const of_replicas[] = {"updatedReplicas", "readyReplicas",
                                              "availableReplicas", NULL};
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"),
                      *deadline = field(spec, "progressDeadlineSeconds");
    const struct at *at = AT(NULL, "spec");

    if (str_is(w->subresource, "status")) {
        check_status(c, w, counts, of_replicas);
        check_available(c, w, "cannot be greater than readyReplicas");
        check_collisions(c, w);
        return;
    }
    check_not_negative(c, AT(at, "replicas"), field(spec, "replicas"));
    check_workload_selector(c, at, spec, "deployment", true);
    check_running_template(c, at, spec, "ReplicaSet");
    check_deployment_strategy(c, AT(at, "strategy"), field(spec, "strategy"));
    check_not_negative(c, AT(at, "minReadySeconds"), field(spec, "minReadySeconds"));
    check_not_negative(c, AT(at, "revisionHistoryLimit"), field(spec, "revisionHistoryLimit"));
    if (deadline) {
        check_not_negative(c, AT(at, "progressDeadlineSeconds"), deadline);
        if (json_is(deadline, JSON_INT) && deadline->i <= json_get_int(spec, "minReadySeconds", 0))
            bad_invalid(c, AT(at, "progressDeadlineSeconds"), *deadline,
                        "must be greater than minReadySeconds");
    }
    if (w->old)
        check_immutable(c, AT(at, "selector"), field(spec, "selector"),
                        field_at(w->old, "spec.selector"));
}

void validate_replicaset(struct write *w, struct err **errs)
{
    static const char *const counts[] = {"replicas",           "fullyLabeledReplicas",
                                         "readyReplicas",      "availableReplicas",
                                         "observedGeneration", NULL};
    static const char *const of_replicas[] = {"fullyLabeledReplicas", "readyReplicas",
                                              "availableReplicas", NULL};
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec");
    const struct at *at = AT(NULL, "spec");

    if (str_is(w->subresource, "status")) {
        check_status(c, w, counts, of_replicas);
        check_available(c, w, "cannot be greater than readyReplicas");
        return;
    }
    check_not_negative(c, AT(at, "replicas"), field(spec, "replicas"));
    check_not_negative(c, AT(at, "minReadySeconds"), field(spec, "minReadySeconds"));
    check_workload_selector(c, at, spec, "deployment", true);
    if (field(spec, "template"))
        check_running_template(c, at, spec, "ReplicaSet");
    if (w->old)
        check_immutable(c, AT(at, "selector"), field(spec, "selector"),
                        field_at(w->old, "spec.selector"));
}

static void check_statefulset_strategy(struct check *c, const struct at *at,
                                       const struct json *strategy)
{
    str type = json_get_str(strategy, "type");
    const struct json *rolling = field(strategy, "rollingUpdate");
    const struct at *here = AT(at, "rollingUpdate");

    if (str_is(type, "OnDelete")) {
        if (rolling) {
            struct json dump = json_object();
            const struct json *partition = field(rolling, "partition"),
                              *unavailable = field(rolling, "maxUnavailable");

            json_setz(c->a, &dump, "Partition", partition ? *partition : json_int(0));
            json_setz(c->a, &dump, "MaxUnavailable", unavailable ? *unavailable : json_null());
            bad_invalid(c, here, dump, "only allowed for updateStrategy 'RollingUpdate'");
        }
    } else if (str_is(type, "RollingUpdate")) {
        const struct json *unavailable = field(rolling, "maxUnavailable");

        check_not_negative(c, AT(here, "partition"), field(rolling, "partition"));
        if (!unavailable)
            return;
        check_int_or_percent(c, AT(here, "maxUnavailable"), unavailable);
        if (is_zero_int_or_percent(unavailable))
            bad_invalid(c, AT(here, "maxUnavailable"), *unavailable, "cannot be 0");
        check_percent_at_most_all(c, AT(here, "maxUnavailable"), unavailable);
    } else if (type.n == 0) {
        bad_required(c, at, "");
    } else {
        bad_invalid(c, at, go_strategy(c, strategy), "must be 'RollingUpdate' or 'OnDelete'");
    }
}

/* What may change in a StatefulSet's spec. */
static bool statefulset_may_change(str field)
{
    static const char *const fields[] = {"replicas",
                                         "ordinals",
                                         "template",
                                         "updateStrategy",
                                         "revisionHistoryLimit",
                                         "persistentVolumeClaimRetentionPolicy",
                                         "minReadySeconds"};

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (str_is(field, fields[i]))
            return true;
    return false;
}

static bool only_allowed_changed(const struct json *now, const struct json *old)
{
    JSON_EACH_MEMBER(m, now) {
        const struct json *before = json_find(old, m->key);

        if (!statefulset_may_change(m->key) && (!before || !json_equal(&m->value, before)))
            return false;
    }
    JSON_EACH_MEMBER(m, old)
        if (!statefulset_may_change(m->key) && !json_find(now, m->key))
            return false;
    return true;
}

static void check_claim_templates(struct check *c, const struct at *at, const struct json *claims)
{
    int64_t i = 0;

    JSON_EACH(claim, claims)
        check_claim_spec(c, AT(AT_INDEX(at, i++), "spec"), field(claim, "spec"), NULL);
}

void validate_statefulset(struct write *w, struct err **errs)
{
    static const char *const counts[] = {
        "replicas",          "readyReplicas",      "currentReplicas", "updatedReplicas",
        "availableReplicas", "observedGeneration", "collisionCount",  NULL};
    static const char *const of_replicas[] = {"readyReplicas", "currentReplicas", "updatedReplicas",
                                              "availableReplicas", NULL};
    static const char *const retentions[] = {"Retain", "Delete", NULL};
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"),
                      *retention = field(spec, "persistentVolumeClaimRetentionPolicy");
    const struct at *at = AT(NULL, "spec");
    str policy = json_get_str(spec, "podManagementPolicy"),
        service = json_get_str(spec, "serviceName");

    if (str_is(w->subresource, "status")) {
        check_status(c, w, counts, of_replicas);
        check_available(c, w, "cannot be greater than status.readyReplicas");
        check_collisions(c, w);
        return;
    }
    if (policy.n == 0)
        bad_required(c, AT(at, "podManagementPolicy"), "");
    else if (!str_is(policy, "OrderedReady") && !str_is(policy, "Parallel"))
        bad_invalid(c, AT(at, "podManagementPolicy"), json_string(policy),
                    "must be 'OrderedReady' or 'Parallel'");
    check_statefulset_strategy(c, AT(at, "updateStrategy"), field(spec, "updateStrategy"));
    check_enum(c, AT(AT(at, "persistentVolumeClaimRetentionPolicy"), "whenDeleted"),
               field(retention, "whenDeleted"), retentions);
    check_enum(c, AT(AT(at, "persistentVolumeClaimRetentionPolicy"), "whenScaled"),
               field(retention, "whenScaled"), retentions);
    if (!w->old)
        check_claim_templates(c, AT(at, "volumeClaimTemplates"),
                              field(spec, "volumeClaimTemplates"));
    check_not_negative(c, AT(at, "replicas"), field(spec, "replicas"));
    check_not_negative(c, AT(at, "minReadySeconds"), field(spec, "minReadySeconds"));
    check_not_negative(c, AT(AT(at, "ordinals"), "start"), field_at(spec, "ordinals.start"));
    if (service.n && !w->old)
        check_dns_label(c, AT(at, "serviceName"), service);
    check_workload_selector(c, at, spec, "statefulset", true);
    check_running_template(c, at, spec, "StatefulSet");
    if (w->old && !only_allowed_changed(spec, field(w->old, "spec")))
        bad_forbidden(c, at,
                      "updates to statefulset spec for fields other than 'replicas', 'ordinals', "
                      "'template', 'updateStrategy', 'revisionHistoryLimit', "
                      "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
}

static void check_daemonset_strategy(struct check *c, const struct at *at,
                                     const struct json *strategy)
{
    static const char *const types[] = {"RollingUpdate", "OnDelete", NULL};
    str type = json_get_str(strategy, "type");
    const struct json *rolling = field(strategy, "rollingUpdate"),
                      *unavailable = field(rolling, "maxUnavailable"),
                      *surge = field(rolling, "maxSurge");
    const struct at *here = AT(at, "rollingUpdate");

    if (str_is(type, "OnDelete"))
        return;
    if (!str_is(type, "RollingUpdate")) {
        bad_unsupported(c, at, go_strategy(c, strategy), types);
        return;
    }
    if (!rolling) {
        bad_required(c, here, "");
        return;
    }
    check_int_or_percent(c, AT(here, "maxUnavailable"), unavailable);
    check_int_or_percent(c, AT(here, "maxSurge"), surge);
    check_percent_at_most_all(c, AT(here, "maxUnavailable"), unavailable);
    check_percent_at_most_all(c, AT(here, "maxSurge"), surge);
    if (unavailable && surge && !is_zero_int_or_percent(unavailable) &&
        !is_zero_int_or_percent(surge))
        bad_invalid(c, AT(here, "maxSurge"), *surge,
                    "may not be set when maxUnavailable is non-zero");
    if (is_zero_int_or_percent(unavailable) && is_zero_int_or_percent(surge))
        bad_required(c, AT(here, "maxUnavailable"), "cannot be 0 when maxSurge is 0");
}

void validate_daemonset(struct write *w, struct err **errs)
{
    static const char *const counts[] = {"currentNumberScheduled", "numberMisscheduled",
                                         "desiredNumberScheduled", "numberReady",
                                         "observedGeneration",     "updatedNumberScheduled",
                                         "numberAvailable",        "numberUnavailable",
                                         "collisionCount",         NULL};
    static const char *const none[] = {NULL};
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec");
    const struct at *at = AT(NULL, "spec");

    if (str_is(w->subresource, "status")) {
        check_status(c, w, counts, none);
        check_collisions(c, w);
        return;
    }
    check_workload_selector(c, at, spec, "daemonset", true);
    check_running_template(c, at, spec, "DaemonSet");
    check_not_negative(c, AT(at, "minReadySeconds"), field(spec, "minReadySeconds"));
    check_daemonset_strategy(c, AT(at, "updateStrategy"), field(spec, "updateStrategy"));
    check_not_negative(c, AT(at, "revisionHistoryLimit"), field(spec, "revisionHistoryLimit"));
    if (w->old)
        check_immutable(c, AT(at, "selector"), field(spec, "selector"),
                        field_at(w->old, "spec.selector"));
}

void validate_controllerrevision(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *data = field(w->obj, "data");

    if (!data || data->type == JSON_NULL)
        bad_required(c, AT(NULL, "data"), "data is mandatory");
    check_not_negative(c, AT(NULL, "revision"), field(w->obj, "revision"));
    if (w->old)
        check_immutable(c, AT(NULL, "data"), data, field(w->old, "data"));
}
