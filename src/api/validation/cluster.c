/* cluster.c - rules of PriorityClass, RuntimeClass and Lease.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/{scheduling,node,coordination}/validation. */
#include "api/api_internal.h"
#include "api/validation/pod.h"
#include "api/validation/rules.h"
#include "api/validation/validation.h"

#define USER_PRIORITY_MAX 1000000000

/* ---- classes ---- */

/* What the server's own classes are; ret->n is 0: it is one of them as it should be. */
static str not_system_class(struct check *c, const struct json *class, str name)
{
    static const struct {
        const char *name;
        int64_t value;
    } known[] = {{"system-node-critical", 2000001000}, {"system-cluster-critical", 2000000000}};

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (!str_is(name, known[i].name))
            continue;
        if (json_get_int(class, "value", 0) != known[i].value)
            return arena_fmt(c->a, "value of %s PriorityClass must be %lld", known[i].name,
                             (long long)known[i].value);
        if (json_get_bool(class, "globalDefault", false))
            return arena_fmt(c->a, "globalDefault of %s PriorityClass must be false",
                             known[i].name);
        return S("");
    }
    return arena_fmt(c->a, PRI_STR " is not a known system priority class", STR_ARG(name));
}

static void check_priority(struct check *c, const struct json *class)
{
    str name = json_get_str(class, "metadata.name"), wrong;

    if (!str_has_prefix(name, S("system-"))) {
        if (json_get_int(class, "value", 0) > USER_PRIORITY_MAX)
            bad_forbidden(c, AT(NULL, "value"),
                          "maximum allowed value of a user defined priority is %d",
                          USER_PRIORITY_MAX);
        return;
    }
    wrong = not_system_class(c, class, name);
    if (wrong.n)
        bad_forbidden(c, AT(AT(NULL, "metadata"), "name"),
                      "priority class names with 'system-' prefix are reserved for system use "
                      "only. error: " PRI_STR,
                      STR_ARG(wrong));
}

void validate_priorityclass(struct write *w, struct err **errs)
{
    static const char *const policies[] = {"PreemptLowerPriority", "Never", NULL};
    struct check *c = &(struct check){w->a, errs};

    if (!w->old)
        check_priority(c, w->obj);
    if (w->old) {
        if (json_get_int(w->obj, "value", 0) != json_get_int(w->old, "value", 0))
            bad_forbidden(c, AT(NULL, "value"), "may not be changed in an update.");
        check_immutable(c, AT(NULL, "preemptionPolicy"), field(w->obj, "preemptionPolicy"),
                        field(w->old, "preemptionPolicy"));
    } else {
        check_enum(c, AT(NULL, "preemptionPolicy"), field(w->obj, "preemptionPolicy"), policies);
    }
}

/* The four fields that tell them apart. */
static void check_tolerations_differ(struct check *c, const struct at *at,
                                     const struct json *tolerations)
{
    static const struct go_member members[] = {{"Key", "key", 's'},
                                               {"Operator", "operator", 's'},
                                               {"Value", "value", 's'},
                                               {"Effect", "effect", 's'},
                                               {"TolerationSeconds", "tolerationSeconds", 'n'},
                                               {NULL, NULL, 'n'}};

    struct map seen;
    int64_t i = 0;

    map_init(&seen);
    JSON_EACH(t, tolerations) {
        str key = arena_fmt(c->a, PRI_STR "\n" PRI_STR "\n" PRI_STR "\n" PRI_STR,
                            STR_ARG(json_get_str(t, "key")), STR_ARG(json_get_str(t, "operator")),
                            STR_ARG(json_get_str(t, "value")), STR_ARG(json_get_str(t, "effect")));

        if (map_put(&seen, key, &seen))
            bad_duplicate(c, AT_INDEX(at, i), go_struct(c->a, t, members), "");
        i++;
    }
    map_fini(&seen);
}

void validate_runtimeclass(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    str handler = json_get_str(w->obj, "handler");

    if (w->old) {
        check_immutable(c, AT(NULL, "handler"), field(w->obj, "handler"), field(w->old, "handler"));
        return;
    }
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
    check_tolerations_differ(c, AT(AT(NULL, "scheduling"), "tolerations"),
                             field_at(w->obj, "scheduling.tolerations"));
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
