/* pods.c - rules of Pods: what they may be at first, and the little that may change later.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go
 * (ValidatePodCreate, ValidatePodUpdate). */
#include "api/validation/pods.h"

#include "api/validation/container.h"
#include "api/validation/go_form.h"
#include "api/validation/pod.h"

static const char *const lists[] = {"containers", "initContainers"};

/* ---- any pod, new or changed ---- */

static void check_projected_tokens(struct check *c, const struct at *at, const struct json *spec)
{
    int64_t i = 0;

    if (json_get_str(spec, "serviceAccountName").n)
        return;
    JSON_EACH(v, field(spec, "volumes")) {
        const struct at *sources = AT(AT(AT_INDEX(AT(at, "volumes"), i++), "projected"), "sources");
        int64_t k = 0;

        JSON_EACH(s, field_at(v, "projected.sources")) {
            if (field(s, "serviceAccountToken"))
                bad_forbidden(c, AT(AT_INDEX(sources, k), "serviceAccountToken"),
                              "must not be specified when serviceAccountName is not set");
            k++;
        }
    }
}

void check_pod(struct check *c, const struct json *pod)
{
    const struct at *at = AT(NULL, "spec");
    const struct json *spec = field(pod, "spec"), *meta = field(pod, "metadata");

    check_pod_annotations(c, AT(AT(NULL, "metadata"), "annotations"), field(meta, "annotations"),
                          spec);
    check_pod_spec(c, at, spec, meta);
    check_projected_tokens(c, at, spec);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        check_image_spaces(c, AT(at, lists[i]), field(spec, lists[i]));
}

void check_pod_annotation_updates(struct check *c, const struct json *pod, const struct json *old)
{
    const struct at *at = AT(AT(NULL, "metadata"), "annotations");
    const struct json *annotations = field_at(pod, "metadata.annotations");

    check_pod_annotation_changes(c, at, annotations, field_at(old, "metadata.annotations"));
    check_pod_annotations(c, at, annotations, field(pod, "spec"));
}

/* ---- new ones ---- */

static void check_create(struct check *c, const struct json *pod)
{
    const struct at *at = AT(NULL, "spec");
    const struct json *spec = field(pod, "spec");

    check_pod(c, pod);
    if (json_count(field(spec, "ephemeralContainers")))
        bad_forbidden(c, AT(at, "ephemeralContainers"), "cannot be set on create");
    if (json_get_str(spec, "nodeName").n && json_count(field(spec, "schedulingGates")))
        bad_forbidden(c, AT(at, "nodeName"),
                      "cannot be set until all schedulingGates have been cleared");
    check_profile_annotations(c, at, field_at(pod, "metadata.annotations"), spec);
}

/* ---- changed ones ---- */

/* The value that a field had, in place of the new one: what may change is left out of the comparison. */
static void put_back(struct check *c, struct json *now, const struct json *old, const char *name)
{
    const struct json *v = field(old, name);

    if (v)
        json_setz(c->a, now, name, *v);
    else
        json_removez(now, name);
}

static bool check_lists(struct check *c, const struct at *at, const struct json *spec,
                        const struct json *old)
{
    for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
        const struct json *now = field(spec, lists[l]);
        const struct at *here = AT(at, lists[l]);
        int64_t i = 0;

        if (json_count(now) != json_count(field(old, lists[l]))) {
            bad_forbidden(c, here, "pod updates may not add or remove containers");
            return false;
        }
        JSON_EACH(k, now) {
            if (!json_get_str(k, "image").n)
                bad_required(c, AT(AT_INDEX(here, i), "image"), "");
            i++;
        }
        check_image_spaces(c, here, now);
    }
    return true;
}

/* It may come, and grow less. */
static bool check_deadline(struct check *c, const struct at *at, const struct json *now,
                           const struct json *old)
{
    if (!now && old)
        bad_invalid(c, at, json_null(), "must not update from a positive integer to nil value");
    if (!json_is(now, JSON_INT))
        return true;
    if (now->i < 0 || now->i > INT32_MAX)
        bad_invalid(c, at, *now, "must be between 0 and 2147483647, inclusive");
    else if (json_is(old, JSON_INT) && old->i < now->i)
        bad_invalid(c, at, *now, "must be less than or equal to previous value");
    else
        return true;
    return false;
}

static void check_added_tolerations(struct check *c, const struct at *at, const struct json *now,
                                    const struct json *old)
{
    JSON_EACH(o, old) {
        bool kept = false;

        JSON_EACH(t, now) {
            struct json x = json_share(c->a, t), y = json_share(c->a, o);

            json_removez(&x, "tolerationSeconds");
            json_removez(&y, "tolerationSeconds");
            kept |= json_equal(&x, &y);
        }
        if (!kept) {
            bad_forbidden(c, at,
                          "existing toleration can not be modified except its tolerationSeconds");
            return;
        }
    }
    check_tolerations(c, at, now);
}

static bool has_name(const struct json *list, str name)
{
    JSON_EACH(it, list)
        if (str_eq(json_get_str(it, "name"), name))
            return true;
    return false;
}

static void check_gates_only_leave(struct check *c, const struct at *at, const struct json *now,
                                   const struct json *old)
{
    int64_t i = 0;

    JSON_EACH(g, now) {
        str name = json_get_str(g, "name");

        if (!has_name(old, name))
            bad_forbidden(c, AT(AT_INDEX(at, i), "name"),
                          "only deletion is allowed, but found new scheduling gate '" PRI_STR "'",
                          STR_ARG(name));
        i++;
    }
}

/* Until it is scheduled, a gated pod's way to a node may be narrowed. */
static void check_narrowed_selector(struct check *c, const struct at *at, const struct json *now,
                                    const struct json *old)
{
    JSON_EACH_MEMBER(m, old) {
        const struct json *v = json_find(now, m->key);

        if (v && json_equal(v, &m->value))
            continue;
        bad_invalid(c, at, sorted_copy(c->a, now),
                    "only additions to spec.nodeSelector are allowed (no mutations or deletions)");
        return;
    }
}

static bool only_added(const struct json *now, const struct json *old)
{
    for (uint32_t i = 0; i < json_count(old); i++)
        if (i >= json_count(now) || !json_equal(json_item(now, i), json_item(old, i)))
            return false;
    return true;
}

#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"

static void check_narrowed_affinity(struct check *c, const struct at *at, const struct json *now,
                                    const struct json *old)
{
    const struct json *before = field(field(old, REQUIRED), "nodeSelectorTerms"),
                      *terms = field(field(now, REQUIRED), "nodeSelectorTerms");
    const struct at *here = AT(AT(at, REQUIRED), "nodeSelectorTerms");

    if (!json_count(before))
        return;
    if (json_count(before) != json_count(terms)) {
        bad_invalid(c, here, go_values(c, "NodeSelectorTerm", terms),
                    "no additions/deletions to non-empty NodeSelectorTerms list are allowed");
        return;
    }
    for (uint32_t i = 0; i < json_count(before); i++) {
        const struct json *x = json_item(terms, i), *y = json_item(before, i);
        bool was_empty =
            !json_count(field(y, "matchExpressions")) && !json_count(field(y, "matchFields"));
        bool is_empty =
            !json_count(field(x, "matchExpressions")) && !json_count(field(x, "matchFields"));

        if ((was_empty && !is_empty) ||
            !only_added(field(x, "matchExpressions"), field(y, "matchExpressions")) ||
            !only_added(field(x, "matchFields"), field(y, "matchFields")))
            bad_invalid(c, AT_INDEX(here, i), go_value(c, "NodeSelectorTerm", x),
                        "only additions are allowed (no mutations or deletions)");
    }
}

static void check_narrowed(struct check *c, const struct at *at, struct json *now,
                           const struct json *old)
{
    const struct json *was = field_at(old, "affinity.nodeAffinity");

    check_narrowed_selector(c, AT(at, "nodeSelector"), field(now, "nodeSelector"),
                            field(old, "nodeSelector"));
    put_back(c, now, old, "nodeSelector");
    check_narrowed_affinity(c, AT(AT(at, "affinity"), "nodeAffinity"),
                            field_at(now, "affinity.nodeAffinity"), was);
    if (was)
        json_setz(c->a, json_make(c->a, now, "affinity", JSON_OBJECT), "nodeAffinity", *was);
    else if (field(now, "affinity")) {
        struct json *affinity = json_findz(now, "affinity");

        json_removez(affinity, "nodeAffinity");
        if (!affinity->n && !field(old, "affinity"))
            json_removez(now, "affinity");
    }
}

static void check_update(struct check *c, const struct json *spec, const struct json *old)
{
    static const char *const free_fields[] = {"activeDeadlineSeconds", "schedulingGates",
                                              "tolerations"};
    const struct at *at = AT(NULL, "spec");
    struct json now;

    if (!check_lists(c, at, spec, old) ||
        !check_deadline(c, AT(at, "activeDeadlineSeconds"), field(spec, "activeDeadlineSeconds"),
                        field(old, "activeDeadlineSeconds")))
        return;
    check_added_tolerations(c, AT(at, "tolerations"), field(spec, "tolerations"),
                            field(old, "tolerations"));
    check_gates_only_leave(c, AT(at, "schedulingGates"), field(spec, "schedulingGates"),
                           field(old, "schedulingGates"));
    if (json_equal(spec, old))
        return;
    now = json_copy(c->a, spec);
    for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
        uint32_t i = 0;

        JSON_EACH(k, json_findz(&now, lists[l]))
            put_back(c, k, json_item(field(old, lists[l]), i++), "image");
    }
    for (size_t i = 0; i < ARRAY_LEN(free_fields); i++)
        put_back(c, &now, old, free_fields[i]);
    if (json_get_int(old, "terminationGracePeriodSeconds", 0) < 0 &&
        json_get_int(&now, "terminationGracePeriodSeconds", 0) == 1)
        put_back(c, &now, old, "terminationGracePeriodSeconds");
    if (json_count(field(old, "schedulingGates")))
        check_narrowed(c, at, &now, old);
    if (!json_equal(&now, old))
        bad_forbidden(
            c, at,
            "pod updates may not change fields other than "
            "`spec.containers[*].image`,`spec.initContainers[*].image`,"
            "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
            "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
            "previously negative)\n" PRI_STR,
            STR_ARG(go_diff(c->a, "PodSpec", old, &now)));
}

void validate_pod(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};

    if (str_is(w->subresource, "status"))
        check_pod_status(c, w->obj, w->old);
    else if (str_is(w->subresource, "ephemeralcontainers"))
        check_pod_ephemeral(c, w->obj, w->old);
    else if (str_is(w->subresource, "resize"))
        check_pod_resize(c, w->obj, w->old);
    else if (w->subresource.n)
        return; /* binding has its own */
    else if (!w->old)
        check_create(c, w->obj);
    else {
        check_pod(c, w->obj);
        check_pod_annotation_updates(c, w->obj, w->old);
        check_update(c, field(w->obj, "spec"), field(w->old, "spec"));
    }
}
