/* bootstrap_reconcile.c - default roles and bindings get back what a new version gives them or what
 * somebody took away, at each start; what was added stays.
 *
 * One whose annotation autoupdate says "false" is left alone. Nothing is parsed when the stored text
 * already holds all that is wanted. API:
 * https://kubernetes.io/docs/reference/access-authn-authz/rbac/#auto-reconciliation */
#include "api/bootstrap.h"

#define AUTOUPDATE "rbac.authorization.kubernetes.io/autoupdate"

static bool holds(struct arena *a, const struct obj *have, const char *member,
                  const struct json *want)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    (void)a;
    if (!want)
        return true;
    buf_fmt(&b, "\"%s\":", member);
    json_encode(&b, want);
    return str_find(have->data, buf_view(&b)) >= 0;
}

/* Appends what `list` lacks. */
static bool complete(struct arena *a, struct json *obj, const char *member, const struct json *want)
{
    struct json *list = json_findz(obj, member);
    bool changed = false;

    JSON_EACH(w, want) {
        bool found = false;

        JSON_EACH(x, list)
            found |= json_equal(x, w);
        if (found)
            continue;
        if (!json_is(list, JSON_ARRAY))
            list = json_make(a, obj, member, JSON_ARRAY);
        json_append(a, list, *w);
        changed = true;
    }
    return changed;
}

static bool complete_map(struct arena *a, struct json *obj, const char *path,
                         const struct json *want)
{
    bool changed = false;

    JSON_EACH_MEMBER(m, want) {
        struct json *map = json_make(a, obj, path, JSON_OBJECT);

        if (json_find(map, m->key))
            continue;
        json_set(a, map, m->key, m->value);
        changed = true;
    }
    return changed;
}

bool rbac_default_reconcile(struct arena *a, const struct obj *have, const struct json *want,
                            struct json **ret)
{
    const struct json *aggregation = json_findz(want, "aggregationRule"),
                      *rules = aggregation ? NULL : json_findz(want, "rules"),
                      *subjects = json_findz(want, "subjects"), *ref = json_findz(want, "roleRef"),
                      *labels = json_path(want, "metadata.labels"),
                      *annotations = json_path(want, "metadata.annotations");
    struct json *obj;
    bool changed;

    if (holds(a, have, "rules", rules) && holds(a, have, "subjects", subjects) &&
        holds(a, have, "roleRef", ref) && holds(a, have, "aggregationRule", aggregation) &&
        holds(a, have, "annotations", annotations) && holds(a, have, "labels", labels))
        return false;
    obj = object_parse(a, arena_dup(a, have->data));
    if (str_is(json_str(json_find(json_path(obj, "metadata.annotations"), S(AUTOUPDATE))), "false"))
        return false;
    changed = complete(a, obj, "rules", rules);
    changed |= complete(a, obj, "subjects", subjects);
    changed |= complete_map(a, obj, "metadata.labels", labels);
    changed |= complete_map(a, obj, "metadata.annotations", annotations);
    if (aggregation)
        changed |=
            complete(a, json_make(a, obj, "aggregationRule", JSON_OBJECT), "clusterRoleSelectors",
                     json_findz(aggregation, "clusterRoleSelectors"));
    if (ref && !json_equal(ref, json_findz(obj, "roleRef"))) {
        json_setz(a, obj, "roleRef", *ref);
        changed = true;
    }
    *ret = obj;
    return changed;
}
