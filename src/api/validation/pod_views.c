/* pod_views.c - rules of the pod's own subresources: ephemeral containers may only be added, a
 * resize changes cpu and memory only.
 *
 * What else the client sent has been put back already (write.c), so only the owned paths are looked
 * at. Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go
 * (ValidatePodEphemeralContainersUpdate, ValidatePodResize). */
#include "api/hooks.h"
#include "api/validation/go_form.h"
#include "api/validation/pods.h"
#include "schema/quota.h"

#define MIRROR "kubernetes.io/config.mirror"

static bool is_static(const struct json *pod)
{
    return json_find(field_at(pod, "metadata.annotations"), S(MIRROR)) != NULL;
}

static const struct json *named(const struct json *list, str name)
{
    JSON_EACH(it, list)
        if (str_eq(json_get_str(it, "name"), name))
            return it;
    return NULL;
}

/* Says this alone, whatever was found before. */
static void refuse(struct check *c, const char *text)
{
    err_free(*c->errs);
    *c->errs = NULL;
    bad_forbidden(c, AT_KEY(NULL, S("")), "%s", text); /* of no field */
}

void check_pod_ephemeral(struct check *c, const struct json *pod, const struct json *old)
{
    const struct at *at = AT(AT(NULL, "spec"), "ephemeralContainers");
    const struct json *list = field_at(pod, "spec.ephemeralContainers");

    check_pod(c, pod);
    check_pod_annotation_updates(c, pod, old);
    if (is_static(old)) {
        refuse(c, "static pods do not support ephemeral containers");
        return;
    }
    JSON_EACH(o, field_at(old, "spec.ephemeralContainers")) {
        str name = json_get_str(o, "name");
        const struct json *now = named(list, name);

        if (!now)
            bad_forbidden(c, at,
                          "existing ephemeral containers \"" PRI_STR "\" may not be removed\n",
                          STR_ARG(name));
        else if (!json_equal(now, o))
            bad_forbidden(
                c, at, "existing ephemeral containers \"" PRI_STR "\" may not be changed\n" PRI_STR,
                STR_ARG(name), STR_ARG(go_diff(c->a, "EphemeralContainer", o, now)));
    }
}

/* ---- resize ---- */

static bool removed(const struct json *now, const struct json *old)
{
    JSON_EACH_MEMBER(m, old)
        if (!json_find(now, m->key))
            return true;
    return false;
}

static void check_container_resize(struct check *c, const struct at *at, const struct json *now,
                                   const struct json *old)
{
    if (removed(field(now, "requests"), field(old, "requests")))
        bad_forbidden(c, AT(at, "requests"), "resource requests cannot be removed");
    if (removed(field(now, "limits"), field(old, "limits")))
        bad_forbidden(c, AT(at, "limits"), "resource limits cannot be removed");
}

/* A container as it was but for amounts of cpu and memory? */
static bool changes_more(struct check *c, const struct json *now, const struct json *old)
{
    static const char *const lists[] = {"limits", "requests"};
    static const char *const sized[] = {"cpu", "memory"};
    struct json x = json_copy(c->a, now), y = json_copy(c->a, old);
    struct json *both[] = {&x, &y};

    for (size_t i = 0; i < 2; i++) {
        struct json *resources = json_findz(both[i], "resources");

        json_removez(both[i], "resizePolicy");
        for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
            struct json *list = json_findz(resources, lists[l]);

            for (size_t s = 0; s < ARRAY_LEN(sized); s++)
                json_removez(list, sized[s]);
            if (!json_count(list))
                json_removez(resources, lists[l]);
        }
        if (!json_count(resources))
            json_removez(both[i], "resources");
    }
    return !json_equal(&x, &y);
}

static void check_list(struct check *c, const struct json *pod, const struct json *old,
                       const char *name, bool init)
{
    const struct at *spec = AT(NULL, "spec"), *at = AT(spec, name);
    const struct json *now = field(field(pod, "spec"), name),
                      *was = field(field(old, "spec"), name);

    for (uint32_t i = 0; i < json_count(was); i++)
        if (!init || str_is(json_get_str(json_item(was, i), "restartPolicy"), "Always"))
            check_container_resize(c, AT(AT_INDEX(at, i), "resources"),
                                   field(json_item(now, i), "resources"),
                                   field(json_item(was, i), "resources"));
}

static void check_rest(struct check *c, const struct json *pod, const struct json *old,
                       const char *name, bool init)
{
    const struct at *spec = AT(NULL, "spec");
    const struct json *now = field(field(pod, "spec"), name),
                      *was = field(field(old, "spec"), name);

    for (uint32_t i = 0; i < json_count(was); i++) {
        const struct json *x = json_item(now, i), *y = json_item(was, i);
        bool sidecar = str_is(json_get_str(y, "restartPolicy"), "Always");

        if (init && !sidecar) {
            if (!json_equal(x, y))
                bad_forbidden(c, spec, "resources for non-sidecar init containers are immutable");
        } else if (changes_more(c, x, y))
            bad_forbidden(c, spec,
                          init ? "only cpu and memory resources for sidecar containers are mutable"
                               : "only cpu and memory resources are mutable");
    }
}

void check_pod_resize(struct check *c, const struct json *pod, const struct json *old)
{
    const struct at *spec = AT(NULL, "spec");
    static const char *const lists[] = {"containers", "initContainers"};
    str qos = json_get_str(old, "status.qosClass"), now = str_of(pod_qos(field(pod, "spec")));

    check_pod(c, pod);
    if (is_static(old)) {
        refuse(c, "static pods cannot be resized");
        return;
    }
    if (str_is(json_get_str(old, "spec.os.name"), "windows")) {
        refuse(c, "windows pods cannot be resized");
        return;
    }
    if (qos.n && !str_eq(qos, now))
        bad_invalid(c, spec, json_string(qos),
                    "Pod QOS Class may not change as a result of resizing");
    JSON_EACH(s, field_at(old, "status.containerStatuses"))
        if (field_at(s, "state.running")) {
            if (!field(s, "resources"))
                bad_forbidden(c, spec, "Pod running on node without support for resize");
            break;
        }
    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        if (json_count(field(field(pod, "spec"), lists[l])) !=
            json_count(field(field(old, "spec"), lists[l]))) {
            bad_forbidden(c, AT(spec, lists[l]), "pods may not add or remove containers");
            return;
        }
    check_list(c, pod, old, lists[1], true);
    check_list(c, pod, old, lists[0], false);
    check_rest(c, pod, old, lists[0], false);
    check_rest(c, pod, old, lists[1], true);
}
