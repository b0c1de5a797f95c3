/* pod_annotations.c - annotations of pods that mean something: mirror pods, deletion cost, and the profiles
 * of before they were fields.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go. */
#include "api/validation/container.h"
#include "api/validation/pod.h"

#define MIRROR "kubernetes.io/config.mirror"
#define TOLERATIONS "scheduler.alpha.kubernetes.io/tolerations"
#define DELETION_COST "controller.kubernetes.io/pod-deletion-cost"
#define SECCOMP_POD "seccomp.security.alpha.kubernetes.io/pod"
#define SECCOMP_CONTAINER "container.seccomp.security.alpha.kubernetes.io/"
#define APPARMOR "container.apparmor.security.beta.kubernetes.io/"

static const struct json *note(const struct json *annotations, const char *key)
{
    return json_find(annotations, str_of(key));
}

/* A 32-bit integer without plus sign or leading zeros. */
static bool is_cost(str s)
{
    int64_t v;

    if (!s.n || s.p[0] == '+' || (s.p[0] == '0' && s.n > 1))
        return false;
    return str_to_int64(s, &v) && v >= INT32_MIN && v <= INT32_MAX;
}

static void check_seccomp_value(struct check *c, const struct at *at, str p)
{
    if (str_is(p, "runtime/default") || str_is(p, "docker/default") || str_is(p, "unconfined"))
        return;
    if (str_has_prefix(p, S("localhost/")))
        check_local_path(c, at, str_skip(p, 10));
    else
        bad_invalid(c, at, json_string(p), "must be a valid seccomp profile");
}

static bool has_container(const struct json *spec, str name)
{
    EACH_CONTAINER(it, NULL, spec)
        if (str_eq(json_get_str(it.container, "name"), name))
            return true;
    return false;
}

void check_pod_annotations(struct check *c, const struct at *at, const struct json *annotations,
                           const struct json *spec)
{
    const struct json *mirror = note(annotations, MIRROR), *cost = note(annotations, DELETION_COST),
                      *seccomp = note(annotations, SECCOMP_POD),
                      *tolerations = note(annotations, TOLERATIONS);
    struct json *list = NULL;

    if (mirror && !json_get_str(spec, "nodeName").n)
        bad_invalid(c, AT_KEY(at, S(MIRROR)), *mirror,
                    "must set spec.nodeName if mirror pod annotation is set");
    if (json_str(tolerations).n) {
        struct err *e = json_parse(c->a, json_str(tolerations), NULL, NULL, &list);

        if (e)
            bad_invalid(c, at, json_z(TOLERATIONS), "%s", err_text(e));
        else
            check_tolerations(c, AT(at, TOLERATIONS), list);
        err_free(e);
    }
    if (cost && !is_cost(json_str(cost)))
        bad_invalid(c, AT_KEY(at, S(DELETION_COST)), *cost, "must be a 32bit integer");
    if (seccomp)
        check_seccomp_value(c, AT(at, SECCOMP_POD), json_str(seccomp));
    JSON_EACH_MEMBER(m, annotations)
        if (str_has_prefix(m->key, S(SECCOMP_CONTAINER)))
            check_seccomp_value(c, AT(at, arena_dupz(c->a, m->key)), json_str(&m->value));
    JSON_EACH_MEMBER(m, annotations) {
        str name, p = json_str(&m->value);

        if (!str_has_prefix(m->key, S(APPARMOR)))
            continue;
        name = str_skip(m->key, sizeof APPARMOR - 1);
        if (!has_container(spec, name))
            bad_invalid(c, AT_KEY(at, m->key), json_string(name), "container not found");
        if (p.n && !str_is(p, "runtime/default") && !str_is(p, "unconfined") &&
            !str_has_prefix(p, S("localhost/")))
            bad_invalid(c, AT_KEY(at, m->key), json_string(p),
                        "invalid AppArmor profile name: \"" PRI_STR "\"", STR_ARG(p));
    }
}

/* Where a field and the annotation of before both speak, they have to say the same. */
static void check_same(struct check *c, const struct at *at, str annotation,
                       const struct json *profile, const char *what, bool docker)
{
    static const struct {
        const char *type, *text;
    } plain[] = {{"Unconfined", "unconfined"}, {"RuntimeDefault", "runtime/default"}};
    str type = json_get_str(profile, "type");
    bool same = true;

    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        if (str_is(type, plain[i].type))
            same = str_is(annotation, plain[i].text) ||
                   (i == 1 && docker && str_is(annotation, "docker/default"));
    if (str_is(type, "Localhost"))
        same = str_has_prefix(annotation, S("localhost/"));
    if (!same)
        bad_forbidden(c, AT(at, "type"), "%s type in annotation and field must match", what);
    else if (str_is(type, "Localhost") &&
             !str_eq(str_skip(annotation, 10), json_get_str(profile, "localhostProfile")))
        bad_forbidden(c, AT(at, "localhostProfile"),
                      "%s profile in annotation and field must match", what);
}

static str key_of(struct check *c, const char *prefix, const struct json *container)
{
    return arena_fmt(c->a, "%s" PRI_STR, prefix, STR_ARG(json_get_str(container, "name")));
}

void check_profile_annotations(struct check *c, const struct at *at, const struct json *annotations,
                               const struct json *spec)
{
    const struct json *of_pod = field_at(spec, "securityContext.seccompProfile"),
                      *seccomp = note(annotations, SECCOMP_POD);

    if (!json_count(annotations))
        return;
    if (of_pod && seccomp)
        check_same(c, AT(AT(at, "securityContext"), "seccompProfile"), json_str(seccomp), of_pod,
                   "seccomp", true);
    EACH_CONTAINER(it, at, spec) {
        const struct json *profile = field_at(it.container, "securityContext.seccompProfile"),
                          *a = json_find(annotations, key_of(c, SECCOMP_CONTAINER, it.container));

        if (profile && a)
            check_same(c, AT(AT(&it.at, "securityContext"), "seccompProfile"), json_str(a), profile,
                       "seccomp", true);
    }
    if (str_is(json_get_str(spec, "os.name"), "windows"))
        return;
    EACH_CONTAINER(it, at, spec) {
        const struct json *own = field_at(it.container, "securityContext.appArmorProfile"),
                          *profile = own ? own : field_at(spec, "securityContext.appArmorProfile"),
                          *a = json_find(annotations, key_of(c, APPARMOR, it.container));

        if (profile && a)
            check_same(c, AT(AT(&it.at, "securityContext"), "appArmorProfile"), json_str(a),
                       profile, "apparmor", false);
    }
}

static void check_change(struct check *c, const struct at *at, str key, const char *apparmor,
                         const char *mirror)
{
    if (str_has_prefix(key, S(APPARMOR)))
        bad_forbidden(c, AT_KEY(at, key), "%s", apparmor);
    if (str_is(key, MIRROR))
        bad_forbidden(c, AT_KEY(at, key), "%s", mirror);
}

void check_pod_annotation_changes(struct check *c, const struct at *at, const struct json *now,
                                  const struct json *old)
{
    JSON_EACH_MEMBER(m, old) {
        const struct json *v = json_find(now, m->key);

        if (!v || !json_equal(v, &m->value))
            check_change(c, at, m->key, "may not remove or update AppArmor annotations",
                         "may not remove or update mirror pod annotation");
    }
    JSON_EACH_MEMBER(m, now)
        if (!json_find(old, m->key))
            check_change(c, at, m->key, "may not add AppArmor annotations",
                         "may not add mirror pod annotation");
}
