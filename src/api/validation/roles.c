/* roles.c - rules of Roles, ClusterRoles and their bindings. Who may write which is not validation (rbac.c).
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/rbac/validation/validation.go. */
#include "api/validation/rules.h"
#include "api/validation/validation.h"

#define RBAC_GROUP "rbac.authorization.k8s.io"

static void check_rule(struct check *c, const struct at *at, const struct json *rule,
                       bool namespaced)
{
    const struct json *urls = field(rule, "nonResourceURLs");
    const struct at *urls_at = AT(at, "nonResourceURLs");

    if (!json_count(field(rule, "verbs")))
        bad_required(c, AT(at, "verbs"), "verbs must contain at least one value");
    if (json_count(urls)) {
        if (namespaced)
            bad_invalid(c, urls_at, *urls, "namespaced rules cannot apply to non-resource URLs");
        if (json_count(field(rule, "apiGroups")) || json_count(field(rule, "resources")) ||
            json_count(field(rule, "resourceNames")))
            bad_invalid(c, urls_at, *urls,
                        "rules cannot apply to both regular resources and non-resource URLs");
        return;
    }
    if (!json_count(field(rule, "apiGroups")))
        bad_required(c, AT(at, "apiGroups"), "resource rules must supply at least one api group");
    if (!json_count(field(rule, "resources")))
        bad_required(c, AT(at, "resources"), "resource rules must supply at least one resource");
}

static void check_rules(struct check *c, const struct write *w, bool namespaced)
{
    int64_t i = 0;

    JSON_EACH(rule, field(w->obj, "rules"))
        check_rule(c, AT_INDEX(AT(NULL, "rules"), i++), rule, namespaced);
}

void validate_role(struct write *w, struct err **errs)
{
    check_rules(&(struct check){w->a, errs}, w, true);
}

void validate_clusterrole(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *rule = field(w->obj, "aggregationRule"),
                      *selectors = field(rule, "clusterRoleSelectors");
    const struct at *at = AT(AT(NULL, "aggregationRule"), "clusterRoleSelectors");
    int64_t i = 0;

    check_rules(c, w, false);
    if (rule && !json_count(selectors))
        bad_required(c, at,
                     "at least one clusterRoleSelector required if aggregationRule is non-nil");
    JSON_EACH(s, selectors) {
        const struct at *here = AT_INDEX(at, i++);

        check_label_selector(c, here, s);
        if (!selector_is_usable(c, s))
            bad_invalid(c, here, json_null(), "invalid label selector.");
    }
}

static void check_subject(struct check *c, const struct at *at, const struct json *s,
                          bool namespaced)
{
    static const char *const kinds[] = {"ServiceAccount", "User", "Group", NULL};
    static const char *const no_group[] = {"", NULL}, *const rbac_group[] = {RBAC_GROUP, NULL};
    str kind = json_get_str(s, "kind"), name = json_get_str(s, "name"),
        group = json_get_str(s, "apiGroup");

    if (name.n == 0)
        bad_required(c, AT(at, "name"), "");
    if (str_is(kind, "ServiceAccount")) {
        if (name.n)
            check_service_account_name(c, AT(at, "name"), name);
        if (group.n)
            bad_unsupported(c, AT(at, "apiGroup"), json_string(group), no_group);
        if (!namespaced && json_get_str(s, "namespace").n == 0)
            bad_required(c, AT(at, "namespace"), "");
    } else if (!one_of(kind, kinds)) {
        bad_unsupported(c, AT(at, "kind"), json_string(kind), kinds);
    } else if (!str_is(group, RBAC_GROUP)) {
        bad_unsupported(c, AT(at, "apiGroup"), json_string(group), rbac_group);
    }
}

static void check_binding(struct check *c, const struct write *w, const char *const *kinds,
                          bool namespaced)
{
    static const char *const groups[] = {RBAC_GROUP, NULL};
    static const struct go_member members[] = {{"APIGroup", "apiGroup", 's'},
                                               {"Kind", "kind", 's'},
                                               {"Name", "name", 's'},
                                               {NULL, NULL, 'n'}};
    const struct at *at = AT(NULL, "roleRef");
    const struct json *ref = field(w->obj, "roleRef"), *old = field(w->old, "roleRef");
    str group = json_get_str(ref, "apiGroup"), kind = json_get_str(ref, "kind"),
        name = json_get_str(ref, "name");
    int64_t i = 0;

    if (!str_is(group, RBAC_GROUP))
        bad_unsupported(c, AT(at, "apiGroup"), json_string(group), groups);
    if (!one_of(kind, kinds))
        bad_unsupported(c, AT(at, "kind"), json_string(kind), kinds);
    if (name.n == 0)
        bad_required(c, AT(at, "name"), "");
    else
        check_path_segment(c, AT(at, "name"), name);
    JSON_EACH(s, field(w->obj, "subjects"))
        check_subject(c, AT_INDEX(AT(NULL, "subjects"), i++), s, namespaced);
    if (w->old && (!ref || !old || !json_equal(ref, old)))
        bad_invalid(c, at, go_struct(c->a, ref, members), "cannot change roleRef");
}

void validate_rolebinding(struct write *w, struct err **errs)
{
    static const char *const kinds[] = {"Role", "ClusterRole", NULL};

    check_binding(&(struct check){w->a, errs}, w, kinds, true);
}

void validate_clusterrolebinding(struct write *w, struct err **errs)
{
    static const char *const kinds[] = {"ClusterRole", NULL};

    check_binding(&(struct check){w->a, errs}, w, kinds, false);
}
