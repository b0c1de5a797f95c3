/* replication.c - rules of ReplicationControllers and PodTemplates.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go. */
#include "api/validation/pod.h"
#include "api/validation/validation.h"

static void check_template(struct check *c, const struct at *at, const struct json *template,
                           const struct json *selector)
{
    static const char *const always[] = {"Always", NULL};
    const struct json *labels = field_at(template, "metadata.labels");
    const struct at *spec = AT(at, "spec");
    str policy = json_get_str(template, "spec.restartPolicy");

    if (!template) {
        bad_required(c, at, "");
        return;
    }
    if (json_count(selector) && !labels_include(labels, selector))
        bad_invalid(c, AT(AT(at, "metadata"), "labels"), sorted_copy(c->a, labels),
                    "`selector` does not match template `labels`");
    check_pod_template(c, at, template);
    if (!str_is(policy, "Always"))
        bad_unsupported(c, AT(spec, "restartPolicy"), json_string(policy), always);
    if (field_at(template, "spec.activeDeadlineSeconds"))
        bad_forbidden(c, AT(spec, "activeDeadlineSeconds"),
                      "activeDeadlineSeconds in ReplicationController is not Supported");
}

static void check_spec(struct check *c, const struct json *spec)
{
    const struct at *at = AT(NULL, "spec");

    check_not_negative(c, AT(at, "minReadySeconds"), field(spec, "minReadySeconds"));
    if (!json_count(field(spec, "selector")))
        bad_required(c, AT(at, "selector"), "");
    check_not_negative(c, AT(at, "replicas"), field(spec, "replicas"));
    check_template(c, AT(at, "template"), field(spec, "template"), field(spec, "selector"));
}

static void check_status(struct check *c, const struct json *status)
{
    static const char *const counts[] = {"replicas", "fullyLabeledReplicas", "readyReplicas",
                                         "availableReplicas", "observedGeneration"};
    const struct at *at = AT(NULL, "status");
    int64_t all = json_get_int(status, "replicas", 0),
            ready = json_get_int(status, "readyReplicas", 0),
            available = json_get_int(status, "availableReplicas", 0);

    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        check_not_negative(c, AT(at, counts[i]), field(status, counts[i]));
    for (size_t i = 1; i < 4; i++)
        if (json_get_int(status, counts[i], 0) > all)
            bad_invalid(c, AT(at, counts[i]), json_int(json_get_int(status, counts[i], 0)),
                        "cannot be greater than status.replicas");
    if (available > ready)
        bad_invalid(c, AT(at, "availableReplicas"), json_int(available),
                    "cannot be greater than readyReplicas");
}

void validate_replicationcontroller(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};

    if (str_is(w->subresource, "status"))
        check_status(c, field(w->obj, "status"));
    if (w->subresource.n)
        return;
    check_spec(c, field(w->obj, "spec"));
    if (w->old)
        check_spec(c, field(w->obj, "spec")); /* an update is looked at as a new one, too */
}

void validate_podtemplate(struct write *w, struct err **errs)
{
    check_pod_template(&(struct check){w->a, errs}, AT(NULL, "template"),
                       field(w->obj, "template"));
}
