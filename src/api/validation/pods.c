/* pods.c - rules of Pods: what a spec may be at first, and the little that may change later.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go (ValidatePodUpdate). */
#include "api/validation/pod.h"
#include "api/validation/validation.h"

static const char fixed_fields[] =
    "pod updates may not change fields other than "
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing "
    "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
    "previously negative)";

/* `old`'s value of a list's field in place of the new one, where that one may change. */
static void mask_images(struct arena *a, struct json *now, const struct json *old)
{
    uint32_t i = 0;

    JSON_EACH(k, now) {
        const struct json *before = field(json_item(old, i++), "image");

        if (before && field(k, "image"))
            json_setz(a, k, "image", *before);
    }
}

static bool tolerations_only_grew(const struct json *now, const struct json *old)
{
    JSON_EACH(before, old) {
        bool kept = false;

        JSON_EACH(t, now) {
            struct json x = *t, y = *before;

            kept |= json_equal(&x, &y) ||
                    (field(t, "tolerationSeconds") &&
                     str_eq(json_get_str(t, "key"), json_get_str(before, "key")) &&
                     str_eq(json_get_str(t, "effect"), json_get_str(before, "effect")) &&
                     str_eq(json_get_str(t, "operator"), json_get_str(before, "operator")) &&
                     str_eq(json_get_str(t, "value"), json_get_str(before, "value")));
        }
        if (!kept)
            return false;
    }
    return true;
}

static void check_gates_only_leave(struct check *c, const struct at *at, const struct json *now,
                                   const struct json *old)
{
    int64_t i = 0;

    JSON_EACH(g, now) {
        bool was = false;

        JSON_EACH(o, old)
            was |= str_eq(json_get_str(o, "name"), json_get_str(g, "name"));
        if (!was)
            bad_forbidden(c, AT(AT_INDEX(at, i), "name"),
                          "only deletion is allowed, but found new scheduling gate '" PRI_STR "'",
                          STR_ARG(json_get_str(g, "name")));
        i++;
    }
}

static void check_update(struct check *c, const struct at *at, const struct json *spec,
                         const struct json *old)
{
    static const char *const lists[] = {"containers", "initContainers"};
    const struct json *deadline = field(spec, "activeDeadlineSeconds"),
                      *before = field(old, "activeDeadlineSeconds");
    struct json masked;
    bool gated = json_count(field(old, "schedulingGates")) > 0;

    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        if (json_count(field(spec, lists[i])) != json_count(field(old, lists[i]))) {
            bad_forbidden(c, AT(at, lists[i]), "pod updates may not add or remove containers");
            return;
        }
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        int64_t k = 0;

        JSON_EACH(container, field(spec, lists[i])) {
            if (json_get_str(container, "image").n == 0)
                bad_required(c, AT(AT_INDEX(AT(at, lists[i]), k), "image"), "");
            k++;
        }
    }
    if (before) {
        if (!deadline)
            bad_invalid(c, AT(at, "activeDeadlineSeconds"), json_null(),
                        "must not update from a positive integer to nil value");
        else if (json_is(deadline, JSON_INT) && deadline->i > before->i)
            bad_invalid(c, AT(at, "activeDeadlineSeconds"), *deadline,
                        "must be less than or equal to previous value");
    }
    check_gates_only_leave(c, AT(at, "schedulingGates"), field(spec, "schedulingGates"),
                           field(old, "schedulingGates"));
    if (*c->errs && (*c->errs)->n_causes)
        return;
    masked = json_copy(c->a, spec);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        mask_images(c->a, json_findz(&masked, lists[i]), field(old, lists[i]));
    json_removez(&masked, "activeDeadlineSeconds");
    if (before)
        json_setz(c->a, &masked, "activeDeadlineSeconds", *before);
    if (field(&masked, "schedulingGates") || gated) {
        json_removez(&masked, "schedulingGates");
        if (field(old, "schedulingGates"))
            json_setz(c->a, &masked, "schedulingGates", *field(old, "schedulingGates"));
    }
    if (gated) {
        /* Until it is scheduled, a gated pod's way to a node may be narrowed. */
        static const char *const narrowed[] = {"nodeSelector", "affinity"};

        for (size_t i = 0; i < ARRAY_LEN(narrowed); i++) {
            json_removez(&masked, narrowed[i]);
            if (field(old, narrowed[i]))
                json_setz(c->a, &masked, narrowed[i], *field(old, narrowed[i]));
        }
    }
    if (tolerations_only_grew(field(spec, "tolerations"), field(old, "tolerations"))) {
        json_removez(&masked, "tolerations");
        if (field(old, "tolerations"))
            json_setz(c->a, &masked, "tolerations", *field(old, "tolerations"));
    }
    if (!json_equal(&masked, old))
        bad_forbidden(c, at, "%s\n", fixed_fields);
}

static void check_status(struct check *c, const struct json *status)
{
    const struct at *at = AT(NULL, "status");
    str nominated = json_get_str(status, "nominatedNodeName");
    int64_t i = 0;

    if (nominated.n)
        check_dns_subdomain(c, AT(at, "nominatedNodeName"), nominated);
    JSON_EACH(ip, field(status, "podIPs"))
        check_ip(c, AT_INDEX(AT(at, "podIPs"), i++), json_get_str(ip, "ip"));
}

void validate_pod(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec");
    const struct at *at = AT(NULL, "spec");

    if (str_is(w->subresource, "status")) {
        check_status(c, field(w->obj, "status"));
        return;
    }
    if (w->subresource.n)
        return; /* ephemeralcontainers, resize and binding have rules of their own */
    check_pod_spec(c, at, spec);
    if (w->old)
        check_update(c, at, spec, field(w->old, "spec"));
}
