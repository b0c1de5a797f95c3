/* autoscaling.c - rules of HorizontalPodAutoscalers, in the form of v2, which is what is stored.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/autoscaling/validation/validation.go. */
#include "api/validation/resources.h"
#include "api/validation/rules.h"
#include "api/validation/validation.h"

#define PERIOD_MAX_S 1800
#define WINDOW_MAX_S 3600

static void check_named_segment(struct check *c, const struct at *at, str s, const char *missing)
{
    if (s.n == 0)
        bad_required(c, at, missing);
    else
        check_path_segment(c, at, s);
}

static void check_reference(struct check *c, const struct at *at, const struct json *ref)
{
    str version = json_get_str(ref, "apiVersion"), rest = version, group;

    check_named_segment(c, AT(at, "kind"), json_get_str(ref, "kind"), "");
    check_named_segment(c, AT(at, "name"), json_get_str(ref, "name"), "");
    str_cut(&rest, '/', &group);
    if (rest.p && str_has_char(rest, '/'))
        bad_invalid(c, AT(at, "apiVersion"), json_string(version),
                    "unexpected GroupVersion string: " PRI_STR, STR_ARG(version));
}

/* ---- metrics ---- */

static bool is_positive(const struct json *v)
{
    struct quantity q, zero = {0};

    return !v || !quantity_parse(json_str(v), &q) || quantity_cmp(&q, &zero) > 0;
}

static void check_target(struct check *c, const struct at *at, const struct json *t)
{
    static const char *const types[] = {"Utilization", "Value", "AverageValue", NULL};
    static const char *const quantities[] = {"value", "averageValue"};
    const struct json *percent = field(t, "averageUtilization");
    str type = json_get_str(t, "type");

    if (type.n == 0)
        bad_required(c, AT(at, "type"), "must specify a metric target type");
    if (!one_of(type, types))
        bad_string(c, AT(at, "type"), type, "must be either Utilization, Value, or AverageValue");
    for (size_t i = 0; i < ARRAY_LEN(quantities); i++)
        if (!is_positive(field(t, quantities[i])))
            bad_invalid(c, AT(at, quantities[i]), *field(t, quantities[i]), "must be positive");
    if (percent && percent->i < 1)
        bad_invalid(c, AT(at, "averageUtilization"), *percent, "must be greater than 0");
}

static void check_metric(struct check *c, const struct at *at, const struct json *m)
{
    check_named_segment(c, AT(at, "name"), json_get_str(m, "name"), "must specify a metric name");
}

static void check_object_source(struct check *c, const struct at *at, const struct json *s)
{
    const struct json *t = field(s, "target");

    check_reference(c, AT(at, "describedObject"), field(s, "describedObject"));
    check_metric(c, AT(at, "metric"), field(s, "metric"));
    check_target(c, AT(at, "target"), t);
    if (!field(t, "value") && !field(t, "averageValue"))
        bad_required(c, AT(AT(at, "target"), "averageValue"),
                     "must set either a target value or averageValue");
}

static void check_external_source(struct check *c, const struct at *at, const struct json *s)
{
    const struct json *t = field(s, "target");

    check_metric(c, AT(at, "metric"), field(s, "metric"));
    check_target(c, AT(at, "target"), t);
    if (!field(t, "value") && !field(t, "averageValue"))
        bad_required(c, AT(AT(at, "target"), "averageValue"),
                     "must set either a target value for metric or a per-pod target");
    if (field(t, "value") && field(t, "averageValue"))
        bad_forbidden(c, AT(AT(at, "target"), "value"),
                      "may not set both a target value for metric and a per-pod target");
}

static void check_pods_source(struct check *c, const struct at *at, const struct json *s)
{
    check_metric(c, AT(at, "metric"), field(s, "metric"));
    check_target(c, AT(at, "target"), field(s, "target"));
    if (!field_at(s, "target.averageValue"))
        bad_required(c, AT(AT(at, "target"), "averageValue"),
                     "must specify a positive target averageValue");
}

static void check_resource_target(struct check *c, const struct at *at, const struct json *t)
{
    check_target(c, at, t);
    if (!field(t, "averageUtilization") && !field(t, "averageValue"))
        bad_required(c, AT(at, "averageUtilization"),
                     "must set either a target raw value or a target utilization");
    if (field(t, "averageUtilization") && field(t, "averageValue"))
        bad_forbidden(c, AT(at, "averageValue"),
                      "may not set both a target raw value and a target utilization");
}

static void check_resource_source(struct check *c, const struct at *at, const struct json *s)
{
    if (json_get_str(s, "name").n == 0)
        bad_required(c, AT(at, "name"), "must specify a resource name");
    check_resource_target(c, AT(at, "target"), field(s, "target"));
}

static void check_container_source(struct check *c, const struct at *at, const struct json *s)
{
    str name = json_get_str(s, "name"), container = json_get_str(s, "container");

    if (name.n == 0)
        bad_required(c, AT(at, "name"), "must specify a resource name");
    else
        check_container_resource_name(c, AT(at, "name"), name);
    if (container.n == 0)
        bad_required(c, AT(at, "container"), "must specify a container");
    else
        check_dns_label(c, AT(at, "container"), container);
    check_resource_target(c, AT(at, "target"), field(s, "target"));
}

static const struct {
    const char *field, *type;
    void (*check)(struct check *c, const struct at *at, const struct json *s);
} sources[] = {
    {"object", "Object", check_object_source},
    {"external", "External", check_external_source},
    {"pods", "Pods", check_pods_source},
    {"resource", "Resource", check_resource_source},
    {"containerResource", "ContainerResource", check_container_source},
};

static void check_metric_spec(struct check *c, const struct at *at, const struct json *m)
{
    static const char *const types[] = {"ContainerResource", "External", "Object", "Pods",
                                        "Resource",          NULL};
    str type = json_get_str(m, "type");
    unsigned present = 0;

    if (type.n == 0)
        bad_required(c, AT(at, "type"), "must specify a metric source type");
    if (!one_of(type, types))
        bad_unsupported(c, AT(at, "type"), json_string(type), types);
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        if (field(m, sources[i].field) && present++ == 0)
            sources[i].check(c, AT(at, sources[i].field), field(m, sources[i].field));
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        if (str_is(type, sources[i].type) && !field(m, sources[i].field))
            bad_required(c, AT(at, sources[i].field),
                         "must populate information for the given metric source");
    if (!one_of(type, types)) /* Kubernetes says it twice */
        bad_unsupported(c, AT(at, "type"), json_string(type), types);
    if (present == 1)
        return;
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        if (field(m, sources[i].field) && !str_is(type, sources[i].type))
            bad_forbidden(c, AT(at, sources[i].field),
                          "must populate the given metric source only");
}

/* ---- behaviour ---- */

static void check_policy(struct check *c, const struct at *at, const struct json *p)
{
    static const char *const types[] = {"Percent", "Pods", NULL};
    int64_t value = json_get_int(p, "value", 0), period = json_get_int(p, "periodSeconds", 0);
    str type = json_get_str(p, "type");

    if (!one_of(type, types))
        bad_unsupported(c, AT(at, "type"), json_string(type), types);
    if (value <= 0)
        bad_invalid(c, AT(at, "value"), json_int(value), "must be greater than zero");
    if (period <= 0)
        bad_invalid(c, AT(at, "periodSeconds"), json_int(period), "must be greater than zero");
    if (period > PERIOD_MAX_S)
        bad_invalid(c, AT(at, "periodSeconds"), json_int(period),
                    "must be less than or equal to %d", PERIOD_MAX_S);
}

static void check_scaling(struct check *c, const struct at *at, const struct json *rules)
{
    static const char *const selects[] = {"Disabled", "Max", "Min", NULL};
    const struct json *window = field(rules, "stabilizationWindowSeconds"),
                      *policies = field(rules, "policies"), *tolerance = field(rules, "tolerance");
    int64_t i = 0;

    if (!rules)
        return;
    if (window && window->i < 0)
        bad_invalid(c, AT(at, "stabilizationWindowSeconds"), *window,
                    "must be greater than or equal to zero");
    if (window && window->i > WINDOW_MAX_S)
        bad_invalid(c, AT(at, "stabilizationWindowSeconds"), *window,
                    "must be less than or equal to %d", WINDOW_MAX_S);
    check_enum(c, AT(at, "selectPolicy"), field(rules, "selectPolicy"), selects);
    if (!json_count(policies))
        bad_required(c, AT(at, "policies"), "must specify at least one Policy");
    JSON_EACH(p, policies)
        check_policy(c, AT_INDEX(AT(at, "policies"), i++), p);
    if (tolerance)
        check_not_negative_quantity(c, AT(at, "tolerance"), json_str(tolerance));
}

/* ---- the whole ---- */

static void check_spec(struct check *c, const struct at *at, const struct json *spec, int64_t least)
{
    const struct json *min = field(spec, "minReplicas");
    int64_t max = json_get_int(spec, "maxReplicas", 0), i = 0;
    bool from_outside = false;

    if (min && min->i < least)
        bad_invalid(c, AT(at, "minReplicas"), *min, "must be greater than or equal to %lld",
                    (long long)least);
    if (max < 1)
        bad_invalid(c, AT(at, "maxReplicas"), json_int(max), "must be greater than 0");
    if (min && max < min->i)
        bad_invalid(c, AT(at, "maxReplicas"), json_int(max),
                    "must be greater than or equal to `minReplicas`");
    check_reference(c, AT(at, "scaleTargetRef"), field(spec, "scaleTargetRef"));
    JSON_EACH(m, field(spec, "metrics")) {
        str type = json_get_str(m, "type");

        check_metric_spec(c, AT_INDEX(AT(at, "metrics"), i++), m);
        from_outside |= str_is(type, "Object") || str_is(type, "External");
    }
    /* Pods that are not there measure nothing. */
    if (min && min->i == 0 && !from_outside)
        bad_forbidden(c, AT(at, "metrics"),
                      "must specify at least one Object or External metric to support scaling to "
                      "zero replicas");
    check_scaling(c, AT(AT(at, "behavior"), "scaleUp"), field_at(spec, "behavior.scaleUp"));
    check_scaling(c, AT(AT(at, "behavior"), "scaleDown"), field_at(spec, "behavior.scaleDown"));
}

void validate_horizontalpodautoscaler(struct write *w, struct err **errs)
{
    static const char *const counts[] = {"currentReplicas", "desiredReplicas", NULL};
    struct check *c = &(struct check){w->a, errs};
    const struct json *was = field_at(w->old, "spec.minReplicas");

    if (str_is(w->subresource, "status"))
        check_counts(c, AT(NULL, "status"), field(w->obj, "status"), counts);
    else /* 0 is for those who have it already: scaling to zero is off by default */
        check_spec(c, AT(NULL, "spec"), field(w->obj, "spec"), was && was->i == 0 ? 0 : 1);
}
