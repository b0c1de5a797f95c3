/* cluster.c - rules of PriorityClass, RuntimeClass and Lease.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/{scheduling,node,coordination}/validation. */
#include "api/api_internal.h"
#include "api/validation/pod.h"
#include "api/validation/validation.h"

#define USER_PRIORITY_MAX 1000000000

/* ---- classes ---- */

void validate_priorityclass(struct write *w, struct err **errs)
{
    static const char *const policies[] = {"PreemptLowerPriority", "Never", NULL};
    static const char *const known[] = {"system-node-critical", "system-cluster-critical"};
    struct check *c = &(struct check){w->a, errs};
    str name = json_get_str(w->obj, "metadata.name");
    bool is_known = str_is(name, known[0]) || str_is(name, known[1]);

    if (str_has_prefix(name, S("system-")) && !is_known)
        bad_forbidden(c, AT(AT(NULL, "metadata"), "name"),
                      "priority class names with 'system-' prefix are reserved for system use "
                      "only. error: " PRI_STR " is not a known system priority class",
                      STR_ARG(name));
    else if (!is_known && json_get_int(w->obj, "value", 0) > USER_PRIORITY_MAX)
        bad_forbidden(c, AT(NULL, "value"),
                      "maximum allowed value of a user defined priority is %d", USER_PRIORITY_MAX);
    if (w->old) {
        if (json_get_int(w->obj, "value", 0) != json_get_int(w->old, "value", 0))
            bad_forbidden(c, AT(NULL, "value"), "may not be changed in an update.");
        check_immutable(c, AT(NULL, "preemptionPolicy"), field(w->obj, "preemptionPolicy"),
                        field(w->old, "preemptionPolicy"));
    } else {
        check_enum(c, AT(NULL, "preemptionPolicy"), field(w->obj, "preemptionPolicy"), policies);
    }
}

void validate_runtimeclass(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    str handler = json_get_str(w->obj, "handler");

    if (handler.n == 0)
        bad_required(c, AT(NULL, "handler"), "");
    else
        check_dns_label(c, AT(NULL, "handler"), handler);
    if (field_at(w->obj, "overhead.podFixed")) {
        struct json resources = json_object();

        json_setz(c->a, &resources, "limits", *field_at(w->obj, "overhead.podFixed"));
        check_resources(c, AT(NULL, "overhead"), &resources, NULL);
    }
    check_labels(c, AT(AT(NULL, "scheduling"), "nodeSelector"),
                 field_at(w->obj, "scheduling.nodeSelector"));
    check_tolerations(c, AT(AT(NULL, "scheduling"), "tolerations"),
                      field_at(w->obj, "scheduling.tolerations"));
    if (w->old)
        check_immutable(c, AT(NULL, "handler"), field(w->obj, "handler"), field(w->old, "handler"));
}

void validate_lease(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *duration = field_at(w->obj, "spec.leaseDurationSeconds");
    const struct at *at = AT(NULL, "spec");

    if (json_is(duration, JSON_INT) && duration->i <= 0)
        bad_invalid(c, AT(at, "leaseDurationSeconds"), *duration, "must be greater than 0");
    check_not_negative(c, AT(at, "leaseTransitions"), field_at(w->obj, "spec.leaseTransitions"));
}
