/* policy.c - rules of admission policies and their bindings.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/admissionregistration/validation. CEL
 * expressions are not compiled here. */
#include "api/validation/policy.h"
#include "api/validation/validation.h"

static bool has(const struct json *list, const char *s)
{
    JSON_EACH(v, list)
        if (str_is(json_str(v), s))
            return true;
    return false;
}

void check_admission_rule(struct check *c, const struct at *at, const struct json *rule)
{
    static const char *const operations[] = {"*", "CONNECT", "CREATE", "DELETE", "UPDATE", NULL};
    static const char *const scopes[] = {"*", "Cluster", "Namespaced", NULL};
    static const char *const lists[] = {"apiGroups", "apiVersions", "resources"};
    const struct json *ops = field(rule, "operations"), *resources = field(rule, "resources");
    int64_t i = 0;

    if (!json_count(ops))
        bad_required(c, AT(at, "operations"), "");
    else if (json_count(ops) > 1 && has(ops, "*"))
        bad_invalid(c, AT(at, "operations"), *ops,
                    "if '*' is present, must not specify other operations");
    JSON_EACH(op, ops)
        check_enum(c, AT_INDEX(AT(at, "operations"), i++), op, operations);
    for (size_t k = 0; k < ARRAY_LEN(lists); k++)
        if (!json_count(field(rule, lists[k])))
            bad_required(c, AT(at, lists[k]), "");
    if (has(resources, "*"))
        JSON_EACH(r, resources)
            if (!str_is(json_str(r), "*") && !str_has_char(json_str(r), '/')) {
                bad_invalid(
                    c, AT(at, "resources"), *resources,
                    "if '*' is present, must not specify other resources without subresources");
                break;
            }
    check_enum(c, AT(at, "scope"), field(rule, "scope"), scopes);
}

static void check_match(struct check *c, const struct at *at, const struct json *match)
{
    static const char *const lists[] = {"resourceRules", "excludeResourceRules"};
    static const char *const selectors[] = {"namespaceSelector", "objectSelector"};
    static const char *const policies[] = {"Equivalent", "Exact", NULL};

    check_enum(c, AT(at, "matchPolicy"), field(match, "matchPolicy"), policies);
    for (size_t k = 0; k < ARRAY_LEN(selectors); k++)
        if (field(match, selectors[k]))
            check_label_selector(c, AT(at, selectors[k]), field(match, selectors[k]));
    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        int64_t i = 0;

        JSON_EACH(rule, field(match, lists[k]))
            check_admission_rule(c, AT_INDEX(AT(at, lists[k]), i++), rule);
    }
}

static bool is_identifier(str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_' ||
              (i && ch >= '0' && ch <= '9')))
            return false;
    }
    return s.n > 0;
}

void check_match_conditions(struct check *c, const struct at *at, const struct json *conditions)
{
    struct map seen;
    int64_t i = 0;

    if (json_count(conditions) > MATCH_CONDITIONS_MAX)
        bad_too_many(c, at, json_count(conditions), MATCH_CONDITIONS_MAX);
    map_init(&seen);
    JSON_EACH(m, conditions) {
        const struct at *here = AT_INDEX(at, i++);
        str name = json_get_str(m, "name");

        if (str_trim(json_get_str(m, "expression")).n == 0)
            bad_required(c, AT(here, "expression"), "");
        if (name.n == 0)
            bad_required(c, AT(here, "name"), "");
        else
            check_qualified_name(c, AT(here, "name"), name);
        if (name.n && map_put(&seen, name, &seen))
            bad_duplicate(c, AT(here, "name"), json_string(name), "");
    }
    map_fini(&seen);
}

static void check_variables(struct check *c, const struct at *at, const struct json *variables)
{
    struct map seen;
    int64_t i = 0;

    map_init(&seen);
    JSON_EACH(v, variables) {
        const struct at *here = AT_INDEX(at, i++);
        str name = json_get_str(v, "name");

        if (name.n && !is_identifier(name))
            bad_invalid(c, AT(here, "name"), json_string(name), "must be a valid CEL identifier");
        if (name.n && map_put(&seen, name, &seen))
            bad_duplicate(c, AT(here, "name"), json_string(name), "");
    }
    map_fini(&seen);
}

static void check_message(struct check *c, const struct at *at, const struct json *v)
{
    str message = json_get_str(v, "message");

    if (message.n && str_trim(message).n == 0)
        bad_invalid(c, AT(at, "message"), json_string(message),
                    "message must be non-empty if specified");
    else if (str_has_char(message, '\n') || str_has_char(message, '\r'))
        bad_invalid(c, AT(at, "message"), json_string(message), "must not contain line breaks");
    else if (str_has_char(json_get_str(v, "expression"), '\n') && message.n == 0 &&
             json_get_str(v, "messageExpression").n == 0)
        bad_required(c, AT(at, "message"),
                     "message must be specified if expression contains line breaks");
}

void validate_admissionpolicy(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *validations = field(spec, "validations"),
                      *annotations = field(spec, "auditAnnotations");
    const struct at *at = AT(NULL, "spec");
    struct map seen;
    int64_t i = 0;

    if (w->subresource.n)
        return;
    check_match(c, AT(at, "matchConstraints"), field(spec, "matchConstraints"));
    if (field(spec, "matchConstraints") &&
        !json_count(field_at(spec, "matchConstraints.resourceRules")))
        bad_required(c, AT(AT(at, "matchConstraints"), "resourceRules"), "");
    check_match_conditions(c, AT(at, "matchConditions"), field(spec, "matchConditions"));
    check_variables(c, AT(at, "variables"), field(spec, "variables"));
    if (!json_count(validations) && !json_count(annotations)) {
        bad_required(c, AT(at, "validations"),
                     "validations or auditAnnotations must contain at least one item");
        bad_required(c, AT(at, "auditAnnotations"),
                     "validations or auditAnnotations must contain at least one item");
        return;
    }
    JSON_EACH(v, validations)
        check_message(c, AT_INDEX(AT(at, "validations"), i++), v);
    map_init(&seen);
    i = 0;
    JSON_EACH(v, annotations) {
        const struct at *here = AT_INDEX(AT(at, "auditAnnotations"), i++);
        str key = json_get_str(v, "key");

        if (key.n && not_dns_label(key) && !str_has_char(key, '.'))
            check_qualified_name(c, AT(here, "key"), key);
        if (key.n && map_put(&seen, key, &seen))
            bad_duplicate(c, AT(here, "key"), json_string(key), "");
    }
    map_fini(&seen);
}

void validate_admissionpolicybinding(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *actions = field(spec, "validationActions"),
                      *ref = field(spec, "paramRef");
    const struct at *at = AT(NULL, "spec"), *ref_at = AT(at, "paramRef");
    struct map seen;
    int64_t i = 0;

    if (ref && json_get_str(ref, "name").n && field(ref, "selector")) {
        bad_forbidden(c, AT(ref_at, "name"), "name and selector are mutually exclusive");
        bad_forbidden(c, AT(ref_at, "selector"), "name and selector are mutually exclusive");
    } else if (ref && !json_get_str(ref, "name").n && !field(ref, "selector")) {
        bad_required(c, ref_at, "one of name or selector must be specified");
    }
    check_match(c, AT(at, "matchResources"), field(spec, "matchResources"));
    map_init(&seen);
    JSON_EACH(a, actions) {
        if (map_put(&seen, json_str(a), &seen))
            bad_duplicate(c, AT_INDEX(AT(at, "validationActions"), i), *a, "");
        i++;
    }
    map_fini(&seen);
    if (has(actions, "Deny") && has(actions, "Warn"))
        bad_invalid(c, AT(at, "validationActions"), *actions,
                    "must not contain both Deny and Warn (repeating the same validation failure "
                    "information in the API response and headers serves no purpose)");
}
