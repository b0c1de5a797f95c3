/* disruption.c - rules of PodDisruptionBudgets.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/policy/validation/validation.go. */
#include "api/validation/rules.h"
#include "api/validation/validation.h"

static void check_bound(struct check *c, const struct at *at, const struct json *v)
{
    if (!v)
        return;
    check_int_or_percent(c, at, v);
    check_percent_at_most_all(c, at, v);
}

static void check_spec(struct check *c, const struct at *at, const struct json *spec)
{
    static const struct go_member members[] = {
        {"MinAvailable", "minAvailable", 'n'},
        {"Selector", "selector", 'n'},
        {"MaxUnavailable", "maxUnavailable", 'n'},
        {"UnhealthyPodEvictionPolicy", "unhealthyPodEvictionPolicy", 'n'},
        {NULL, NULL, 'n'}};
    static const char *const policies[] = {"AlwaysAllow", "IfHealthyBudget", NULL};
    const struct json *min = field(spec, "minAvailable"), *max = field(spec, "maxUnavailable");

    if (min && max)
        bad_invalid(c, at, go_struct(c->a, spec, members),
                    "minAvailable and maxUnavailable cannot be both set");
    check_bound(c, AT(at, "minAvailable"), min);
    check_bound(c, AT(at, "maxUnavailable"), max);
    check_label_selector(c, AT(at, "selector"), field(spec, "selector"));
    check_enum(c, AT(at, "unhealthyPodEvictionPolicy"), field(spec, "unhealthyPodEvictionPolicy"),
               policies);
}

void validate_poddisruptionbudget(struct write *w, struct err **errs)
{
    static const char *const counts[] = {"disruptionsAllowed", "currentHealthy", "desiredHealthy",
                                         "expectedPods", NULL};
    struct check *c = &(struct check){w->a, errs};
    const struct json *status = field(w->obj, "status");
    const struct at *at = AT(NULL, "status");

    if (!str_is(w->subresource, "status")) {
        check_spec(c, AT(NULL, "spec"), field(w->obj, "spec"));
        return;
    }
    check_conditions(c, AT(at, "conditions"), field(status, "conditions"));
    check_counts(c, at, status, counts);
}
