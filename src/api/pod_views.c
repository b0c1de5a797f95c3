/* pod_views.c - rules of the pod's own subresources: ephemeral containers may only be added, a
 * resize changes resources only.
 *
 * What else the client sent has been put back already (write.c), so only the owned paths are looked
 * at. API: https://kubernetes.io/docs/concepts/workloads/pods/ephemeral-containers/,
 * .../tasks/configure-pod-container/resize-container-resources/ */
#include "api/api_internal.h"

/* Fields that a container of this kind cannot have, in the order in which they are told. */
static const char *const no_ephemeral[] = {"ports",        "livenessProbe", "readinessProbe",
                                           "startupProbe", "lifecycle",     "resources",
                                           "resizePolicy", "restartPolicy", "restartPolicyRules"};

static const struct json *named(const struct json *list, str name)
{
    JSON_EACH(c, list)
        if (str_eq(json_get_str(c, "name"), name))
            return c;
    return NULL;
}

static bool is_set(const struct json *v)
{
    return v && v->type != JSON_NULL &&
           !((v->type == JSON_OBJECT || v->type == JSON_ARRAY) && !v->n);
}

static void one_ephemeral(struct write *w, const struct json *c, const struct json *list,
                          uint32_t i, struct err **errs)
{
    const struct json *spec = json_findz(w->obj, "spec");
    str at = arena_fmt(w->a, "spec.ephemeralContainers[%u]", i), name = json_get_str(c, "name"),
        target = json_get_str(c, "targetContainerName");

    if (!name.n)
        cause(errs, CAUSE_REQUIRED, arena_fmt(w->a, PRI_STR ".name", STR_ARG(at)),
              "Required value");
    else if (!name_is_dns_label(name))
        cause(errs, CAUSE_INVALID, arena_fmt(w->a, PRI_STR ".name", STR_ARG(at)),
              "Invalid value: \"" PRI_STR
              "\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters "
              "or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or "
              "'123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
              STR_ARG(name));
    if (name.n && (named(json_findz(spec, "containers"), name) ||
                   named(json_findz(spec, "initContainers"), name) || named(list, name) != c))
        cause(errs, CAUSE_DUPLICATE, arena_fmt(w->a, PRI_STR ".name", STR_ARG(at)),
              "Duplicate value: \"" PRI_STR "\"", STR_ARG(name));
    if (!json_get_str(c, "image").n)
        cause(errs, CAUSE_REQUIRED, arena_fmt(w->a, PRI_STR ".image", STR_ARG(at)),
              "Required value");
    for (size_t k = 0; k < ARRAY_LEN(no_ephemeral); k++)
        if (is_set(json_findz(c, no_ephemeral[k])))
            cause(errs, CAUSE_FORBIDDEN,
                  arena_fmt(w->a, PRI_STR ".%s", STR_ARG(at), no_ephemeral[k]),
                  "Forbidden: cannot be set for an Ephemeral Container");
    if (target.n && !named(json_findz(spec, "containers"), target) &&
        !named(json_findz(spec, "initContainers"), target))
        cause(errs, CAUSE_NOT_FOUND, arena_fmt(w->a, PRI_STR ".targetContainerName", STR_ARG(at)),
              "Not found: \"" PRI_STR "\"", STR_ARG(target));
}

static void ephemeral(struct write *w, struct err **errs)
{
    const struct json *list = json_at(w->obj, "spec", "ephemeralContainers", NULL),
                      *old = json_at(w->old, "spec", "ephemeralContainers", NULL);
    uint32_t i = 0;

    JSON_EACH(c, list)
        one_ephemeral(w, c, list, i++, errs);
    JSON_EACH(o, old) {
        str name = json_get_str(o, "name");
        const struct json *now = named(list, name);

        if (!now)
            cause(errs, CAUSE_FORBIDDEN, S("spec.ephemeralContainers"),
                  "Forbidden: existing ephemeral containers \"" PRI_STR "\" may not be removed\n",
                  STR_ARG(name));
        else if (!json_equal(now, o))
            cause(errs, CAUSE_FORBIDDEN, S("spec.ephemeralContainers"),
                  "Forbidden: existing ephemeral containers \"" PRI_STR "\" may not be changed\n",
                  STR_ARG(name));
    }
}

/* Everything but cpu and memory of the containers that were there stays. */
static void resize(struct write *w, struct err **errs)
{
    static const char *const lists[] = {"containers", "initContainers"};

    for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
        const struct json *list = json_at(w->obj, "spec", lists[l], NULL),
                          *old = json_at(w->old, "spec", lists[l], NULL);

        if (json_count(list) != json_count(old)) {
            cause(errs, CAUSE_FORBIDDEN, arena_fmt(w->a, "spec.%s", lists[l]),
                  "Forbidden: pods may not add or remove containers");
            continue;
        }
        for (uint32_t i = 0; i < json_count(list); i++) {
            struct json now = json_share(w->a, json_item(list, i)),
                        was = json_share(w->a, json_item(old, i));

            json_removez(&now, "resources");
            json_removez(&was, "resources");
            json_removez(&now, "resizePolicy");
            json_removez(&was, "resizePolicy");
            if (!json_equal(&now, &was))
                cause(errs, CAUSE_FORBIDDEN, S("spec"),
                      "Forbidden: only cpu and memory resources are mutable");
        }
    }
}

void pod_view_validate(struct write *w, struct err **errs)
{
    if (!w->old || w->kind->r->group.n || !str_is(w->kind->r->plural, "pods"))
        return;
    if (str_is(w->subresource, "ephemeralcontainers"))
        ephemeral(w, errs);
    else if (str_is(w->subresource, "resize"))
        resize(w, errs);
}
