/* policy.c - rules of admission policies, validating and mutating, and their bindings.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/admissionregistration/validation/validation.go. Expressions are compiled
 * in the environment that they will run in; what they cost is found out when they run. */
#include "api/validation/policy.h"
#include "api/dynamic/dynamic.h"
#include "api/validation/rules.h"
#include "api/validation/validation.h"

#define AUDIT_ANNOTATIONS_MAX 20
#define AUDIT_EXPRESSION_MAX (5 * 1024)

/* ---- which requests ---- */

/* How the entries of a list of resources exclude each other: "pods", "pods/status", "pods/x", all with wildcards. */
static void check_resources_list(struct check *c, const struct at *at, const struct json *list)
{
    bool every = false, all_plain = false, plain = false;
    struct map any_sub, any_resource;
    int64_t i = 0;

    if (!json_count(list))
        bad_required(c, at, "");
    map_init(&any_sub);
    map_init(&any_resource);
    JSON_EACH(v, list) {
        const struct at *here = AT_INDEX(at, i++);
        str s = json_str(v), sub = s, resource;

        if (s.n == 0) {
            bad_required(c, here, "");
            continue;
        }
        every |= str_is(s, "*/*");
        all_plain |= str_is(s, "*");
        str_cut(&sub, '/', &resource);
        if (!sub.p) {
            plain = !str_is(s, "*"); /* the last one decides, as in Kubernetes */
            continue;
        }
        if (map_find(&any_sub, resource))
            bad_invalid(c, here, *v, "if '" PRI_STR "/*' is present, must not specify " PRI_STR,
                        STR_ARG(resource), STR_ARG(s));
        if (map_find(&any_resource, sub))
            bad_invalid(c, here, *v, "if '*/" PRI_STR "' is present, must not specify " PRI_STR,
                        STR_ARG(sub), STR_ARG(s));
        if (str_is(sub, "*"))
            map_put(&any_sub, resource, &any_sub);
        if (str_is(resource, "*"))
            map_put(&any_resource, sub, &any_resource);
    }
    map_fini(&any_sub);
    map_fini(&any_resource);
    if (json_count(list) > 1 && every)
        bad_invalid(c, at, *list, "if '*/*' is present, must not specify other resources");
    if (all_plain && plain)
        bad_invalid(c, at, *list,
                    "if '*' is present, must not specify other resources without subresources");
}

void check_admission_rule(struct check *c, const struct at *at, const struct json *rule)
{
    static const char *const operations[] = {"*", "CONNECT", "CREATE", "DELETE", "UPDATE", NULL};
    static const char *const scopes[] = {"*", "Cluster", "Namespaced", NULL};
    static const struct {
        const char *field, *words;
    } lists[] = {{"apiGroups", "API groups"}, {"apiVersions", "API versions"}};
    const struct json *ops = field(rule, "operations");
    int64_t i = 0;

    if (!json_count(ops))
        bad_required(c, AT(at, "operations"), "");
    if (json_count(ops) > 1 && strings_have(ops, "*"))
        bad_invalid(c, AT(at, "operations"), *ops,
                    "if '*' is present, must not specify other operations");
    JSON_EACH(op, ops)
        check_enum(c, AT_INDEX(AT(at, "operations"), i++), op, operations);
    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        const struct json *list = field(rule, lists[k].field);

        if (!json_count(list))
            bad_required(c, AT(at, lists[k].field), "");
        if (json_count(list) > 1 && strings_have(list, "*"))
            bad_invalid(c, AT(at, lists[k].field), *list,
                        "if '*' is present, must not specify other %s", lists[k].words);
        i = 0;
        if (k == 1)
            JSON_EACH(v, list) {
                if (json_str(v).n == 0)
                    bad_required(c, AT_INDEX(AT(at, lists[k].field), i), "");
                i++;
            }
    }
    check_resources_list(c, AT(at, "resources"), field(rule, "resources"));
    check_enum(c, AT(at, "scope"), field(rule, "scope"), scopes);
}

static void check_resource_names(struct check *c, const struct at *at, const struct json *names)
{
    struct map seen;
    int64_t i = 0;

    map_init(&seen);
    JSON_EACH(v, names) {
        const struct at *here = AT_INDEX(at, i++);

        check_path_segment(c, here, json_str(v));
        if (map_put(&seen, json_str(v), &seen))
            bad_duplicate(c, here, *v, "");
    }
    map_fini(&seen);
}

static void check_match(struct check *c, const struct at *at, const struct json *match)
{
    static const char *const lists[] = {"resourceRules", "excludeResourceRules"};
    static const char *const selectors[] = {"namespaceSelector", "objectSelector"};
    static const char *const policies[] = {"Equivalent", "Exact", NULL};

    check_enum(c, AT(at, "matchPolicy"), field(match, "matchPolicy"), policies);
    for (size_t k = 0; k < ARRAY_LEN(selectors); k++)
        check_label_selector(c, AT(at, selectors[k]), field(match, selectors[k]));
    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        int64_t i = 0;

        JSON_EACH(rule, field(match, lists[k])) {
            const struct at *here = AT_INDEX(AT(at, lists[k]), i++);

            check_resource_names(c, AT(here, "resourceNames"), field(rule, "resourceNames"));
            check_admission_rule(c, here, rule);
        }
    }
}

/* ---- expressions, as far as text goes ---- */

static bool is_blank(str s)
{
    return str_trim(s).n == 0;
}

static bool has_line_break(str s)
{
    s = str_trim(s);
    return str_has_char(s, '\n') || str_has_char(s, '\r');
}

static bool is_identifier(str s)
{
    static const char *const reserved[] = {
        "true",      "false",  "null",     "in",   "as",     "break", "const", "continue",
        "else",      "for",    "function", "if",   "import", "let",   "loop",  "package",
        "namespace", "return", "var",      "void", "while",  NULL};

    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_' ||
              (i && ch >= '0' && ch <= '9')))
            return false;
    }
    return s.n > 0 && !one_of(s, reserved);
}

void check_match_conditions(struct check *c, const struct at *at, const struct json *conditions,
                            struct cel_env *env)
{
    struct map seen;
    int64_t i = 0;

    if (json_count(conditions) > MATCH_CONDITIONS_MAX)
        bad_too_many(c, at, json_count(conditions), MATCH_CONDITIONS_MAX);
    map_init(&seen);
    JSON_EACH(m, conditions) {
        const struct at *here = AT_INDEX(at, i++);
        str name = json_get_str(m, "name");

        if (is_blank(json_get_str(m, "expression")))
            bad_required(c, AT(here, "expression"), "");
        else
            check_expression(c, AT(here, "expression"), env,
                             str_trim(json_get_str(m, "expression")), cel_bool, NULL);
        if (name.n == 0)
            bad_required(c, AT(here, "name"), "");
        else
            check_qualified_name(c, AT(here, "name"), name);
        if (name.n && map_put(&seen, name, &seen))
            bad_duplicate(c, AT(here, "name"), json_string(name), "");
    }
    map_fini(&seen);
}

/* Each can name those before it. */
static void check_variables(struct check *c, const struct at *at, const struct json *variables,
                            struct cel_env *env)
{
    int64_t i = 0;

    JSON_EACH(v, variables) {
        const struct at *here = AT_INDEX(at, i++);
        str name = json_get_str(v, "name");

        if (is_blank(name))
            bad_required(c, AT(here, "name"), "name is not specified");
        else if (!is_identifier(name))
            bad_string(c, AT(here, "name"), name, "must be a valid CEL identifier");
        if (is_blank(json_get_str(v, "expression"))) {
            bad_required(c, AT(here, "expression"), "expression is not specified");
        } else {
            const struct cel_program *p = check_expression(
                c, AT(here, "expression"), env, json_get_str(v, "expression"), NULL, NULL);

            if (p && is_identifier(name))
                cel_declare_composed(env, name, p);
        }
    }
}

static void check_validation(struct check *c, const struct at *at, const struct json *v,
                             struct cel_env *env)
{
    static const char *const reasons[] = {"Forbidden", "Invalid", "RequestEntityTooLarge", NULL};
    str message = json_get_str(v, "message"), expression = json_get_str(v, "messageExpression");

    if (is_blank(json_get_str(v, "expression")))
        bad_required(c, AT(at, "expression"), "expression is not specified");
    else
        check_expression(c, AT(at, "expression"), env, json_get_str(v, "expression"), cel_bool,
                         NULL);
    if (expression.n && is_blank(expression))
        bad_string(c, AT(at, "messageExpression"), expression, "must be non-empty if specified");
    else if (expression.n)
        check_message_expression(c, AT(at, "messageExpression"), env, expression);
    if (message.n && is_blank(message))
        bad_string(c, AT(at, "message"), message, "must be non-empty if specified");
    else if (has_line_break(message))
        bad_string(c, AT(at, "message"), message, "must not contain line breaks");
    check_enum(c, AT(at, "reason"), field(v, "reason"), reasons);
}

/* The key becomes part of "policy/key". */
static void check_audit_annotation(struct check *c, const struct at *at, const struct json *v,
                                   str policy, struct cel_env *env)
{
    const struct at *expression_at = AT(at, "valueExpression");
    str key = json_get_str(v, "key"), expression = str_trim(json_get_str(v, "valueExpression"));

    if (policy.n)
        check_qualified_name(c, AT(at, "key"),
                             arena_fmt(c->a, PRI_STR "/" PRI_STR, STR_ARG(policy), STR_ARG(key)));
    else
        bad_string(c, AT(at, "key"), key, "requires metadata.name be non-empty");
    if (expression.n == 0)
        bad_required(c, expression_at, "valueExpression is not specified");
    else if (expression.n > AUDIT_EXPRESSION_MAX)
        bad_required(c, expression_at,
                     arena_fmt(c->a, "must not exceed %d bytes in length", AUDIT_EXPRESSION_MAX).p);
    else
        check_expression(c, expression_at, env, json_get_str(v, "valueExpression"), cel_string,
                         cel_null);
}

static void check_audit_annotations(struct check *c, const struct at *at, const struct json *list,
                                    str policy, struct cel_env *env)
{
    struct map keys;
    int64_t i = 0;

    if (json_count(list) > AUDIT_ANNOTATIONS_MAX)
        bad_invalid(c, at, *list, "must not have more than %d auditAnnotations",
                    AUDIT_ANNOTATIONS_MAX);
    map_init(&keys);
    JSON_EACH(v, list) {
        const struct at *here = AT_INDEX(at, i++);
        str key = json_get_str(v, "key");

        check_audit_annotation(c, here, v, policy, env);
        if (map_put(&keys, key, &keys))
            bad_duplicate(c, AT(here, "key"), json_string(key), "");
    }
    map_fini(&keys);
}

/* ---- policies ---- */

static void check_param_kind(struct check *c, const struct at *at, const struct json *kind)
{
    str version = json_get_str(kind, "apiVersion"), name = json_get_str(kind, "kind"),
        rest = version, group;
    const struct at *version_at = AT(at, "apiVersion");

    if (!kind)
        return;
    str_cut(&rest, '/', &group);
    if (version.n == 0) {
        bad_required(c, version_at, "");
    } else if (rest.p && str_has_char(rest, '/')) {
        bad_invalid(c, version_at, json_string(version), "unexpected GroupVersion string: " PRI_STR,
                    STR_ARG(version));
    } else {
        str number = rest.p ? rest : version;

        if (rest.p && group.n)
            check_dns_subdomain(c, version_at, group);
        if (number.n == 0)
            bad_string(c, version_at, version, "version must be specified");
        else
            check_dns1035_label(c, version_at, number);
    }
    if (name.n == 0)
        bad_required(c, AT(at, "kind"), "");
    else if (not_dns1035_label(lower_copy(c->a, name)))
        bad_invalid(c, AT(at, "kind"), json_string(name),
                    "may have mixed case, but should otherwise match: %s",
                    not_dns1035_label(lower_copy(c->a, name)));
}

/* Deletions have no object that could be changed. */
static void check_mutable(struct check *c, const struct at *at, const struct json *match)
{
    static const char *const operations[] = {"*", "CONNECT", "CREATE", "UPDATE", NULL};

    JSON_EACH(rule, field(match, "resourceRules"))
        JSON_EACH(op, field(rule, "operations"))
            check_enum(c, AT(AT(at, "resourceRules"), "operations"), op, operations);
}

/* What both kinds of policy have, in the order in which it is looked at; failurePolicy comes first, in the schema. */
static void check_policy(struct check *c, const struct at *at, const struct json *spec,
                         struct cel_env *env, bool mutates)
{
    const struct json *match = field(spec, "matchConstraints");
    const struct at *match_at = AT(at, "matchConstraints");

    check_param_kind(c, AT(at, "paramKind"), field(spec, "paramKind"));
    if (match) {
        check_match(c, match_at, match);
        if (!json_count(field(match, "resourceRules")))
            bad_required(c, AT(match_at, "resourceRules"), "");
        if (mutates)
            check_mutable(c, match_at, match);
    } else {
        bad_required(c, match_at, "");
    }
    /* Conditions do not know the variables, not even that there are any. */
    check_match_conditions(c, AT(at, "matchConditions"), field(spec, "matchConditions"), env);
    cel_declare(env, S("variables"), cel_object_of(env, S("kubernetes.variables"), NULL, 0));
    check_variables(c, AT(at, "variables"), field(spec, "variables"), env);
}

static void check_policy_status(struct check *c, const struct json *obj)
{
    const struct at *at = AT(NULL, "status"),
                    *list = AT(AT(at, "typeChecking"), "expressionWarnings");
    int64_t i = 0;

    JSON_EACH(v, field_at(obj, "status.typeChecking.expressionWarnings")) {
        const struct at *here = AT_INDEX(list, i++);

        if (json_get_str(v, "warning").n == 0)
            bad_required(c, AT(here, "warning"), "");
        if (is_blank(json_get_str(v, "fieldRef")))
            bad_required(c, AT(here, "fieldRef"), "");
    }
    check_conditions(c, AT(at, "conditions"), field_at(obj, "status.conditions"));
}

void validate_admissionpolicy(struct write *w, struct err **errs)
{
    static const char none[] = "validations or auditAnnotations must contain at least one item";
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *validations = field(spec, "validations"),
                      *annotations = field(spec, "auditAnnotations");
    const struct at *at = AT(NULL, "spec");
    struct cel_env *env;
    int64_t i = 0;

    if (str_is(w->subresource, "status")) {
        check_policy_status(c, w->obj);
        return;
    }
    env = dynamic_env_new(CEL_POLICY, field(spec, "paramKind") != NULL);
    check_policy(c, at, spec, env, false);
    if (!json_count(validations) && !json_count(annotations)) {
        bad_required(c, AT(at, "validations"), none);
        bad_required(c, AT(at, "auditAnnotations"), none);
    }
    JSON_EACH(v, validations)
        check_validation(c, AT_INDEX(AT(at, "validations"), i++), v, env);
    check_audit_annotations(c, AT(at, "auditAnnotations"), annotations,
                            json_get_str(w->obj, "metadata.name"), env);
    cel_env_free(env);
}

static void check_mutation(struct check *c, const struct at *at, const struct json *m,
                           struct cel_env *env)
{
    static const struct {
        const char *type, *field;
    } patches[] = {{"ApplyConfiguration", "applyConfiguration"}, {"JSONPatch", "jsonPatch"}};
    static const char *const types[] = {"ApplyConfiguration", "JSONPatch", NULL};
    str type = json_get_str(m, "patchType");

    if (type.n == 0) {
        bad_required(c, AT(at, "patchType"), "");
        return;
    }
    check_enum(c, AT(at, "patchType"), field(m, "patchType"), types);
    for (size_t i = 0; i < ARRAY_LEN(patches); i++) {
        const struct json *patch = field(m, patches[i].field),
                          *other = field(m, patches[1 - i].field);
        const struct at *here = AT(at, patches[i].field);

        if (!str_is(type, patches[i].type))
            continue;
        if (!patch)
            bad_required(
                c, here,
                arena_fmt(c->a, "must be specified when patchType is %s", patches[i].type).p);
        else if (is_blank(json_get_str(patch, "expression")))
            bad_required(c, AT(here, "expression"), "");
        else
            check_expression(c, AT(here, "expression"), env,
                             str_trim(json_get_str(patch, "expression")),
                             i ? cel_list_of(env, cel_json_patch) : cel_mutation_object, NULL);
        if (other)
            bad_invalid(c, AT(at, patches[1 - i].field),
                        json_string(arena_fmt(c->a, "{%s}", patches[1 - i].field)),
                        "must not be specified when patchType is %s", patches[i].type);
    }
}

void validate_mutatingpolicy(struct write *w, struct err **errs)
{
    static const char *const reinvocations[] = {"Never", "IfNeeded", NULL};
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *mutations = field(spec, "mutations");
    const struct at *at = AT(NULL, "spec");
    struct cel_env *env = dynamic_env_new(CEL_MUTATION, field(spec, "paramKind") != NULL);
    str reinvocation = json_get_str(spec, "reinvocationPolicy");
    int64_t i = 0;

    check_policy(c, at, spec, env, true);
    if (!json_count(mutations))
        bad_required(c, AT(at, "mutations"), "mutations must contain at least one item");
    JSON_EACH(m, mutations)
        check_mutation(c, AT_INDEX(AT(at, "mutations"), i++), m, env);
    cel_env_free(env);
    if (reinvocation.n == 0)
        bad_required(c, AT(at, "reinvocationPolicy"), "");
    else if (!one_of(reinvocation, reinvocations))
        bad_unsupported(c, AT(at, "reinvocationPolicy"), json_string(reinvocation), reinvocations);
}

/* ---- bindings ---- */

static void check_param_ref(struct check *c, const struct at *at, const struct json *ref)
{
    static const char *const actions[] = {"Deny", "Allow", NULL};
    static const char exclusive[] = "name and selector are mutually exclusive";
    const struct json *selector = field(ref, "selector");
    str name = json_get_str(ref, "name"), action = json_get_str(ref, "parameterNotFoundAction");

    if (!ref)
        return;
    if (name.n) {
        check_path_segment(c, AT(at, "name"), name);
        if (selector)
            bad_forbidden(c, AT(at, "name"), exclusive);
    }
    if (selector) {
        check_label_selector(c, AT(at, "selector"), selector);
        if (name.n)
            bad_forbidden(c, AT(at, "selector"), exclusive);
    }
    if (!name.n && !selector)
        bad_required(c, at, "one of name or selector must be specified");
    if (action.n == 0)
        bad_required(c, AT(at, "parameterNotFoundAction"), "");
    else if (!one_of(action, actions))
        bad_unsupported(c, AT(at, "parameterNotFoundAction"), json_string(action), actions);
}

static void check_binding(struct check *c, const struct at *at, const struct json *spec)
{
    str policy = json_get_str(spec, "policyName");

    if (policy.n) /* that it is there, the schema says */
        check_dns_subdomain(c, AT(at, "policyName"), policy);
    check_param_ref(c, AT(at, "paramRef"), field(spec, "paramRef"));
    check_match(c, AT(at, "matchResources"), field(spec, "matchResources"));
}

void validate_mutatingbinding(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec");
    const struct at *at = AT(NULL, "spec");

    check_binding(c, at, spec);
    check_mutable(c, AT(at, "matchResources"), field(spec, "matchResources"));
}

void validate_admissionpolicybinding(struct write *w, struct err **errs)
{
    static const char *const known[] = {"Audit", "Deny", "Warn", NULL};
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *actions = field(spec, "validationActions");
    const struct at *at = AT(NULL, "spec"), *list = AT(at, "validationActions");
    struct map seen;
    int64_t i = 0;

    check_binding(c, at, spec);
    map_init(&seen);
    JSON_EACH(a, actions) {
        const struct at *here = AT_INDEX(list, i++);

        check_enum(c, here, a, known);
        if (map_put(&seen, json_str(a), &seen))
            bad_duplicate(c, here, *a, "");
    }
    map_fini(&seen);
    if (strings_have(actions, "Deny") && strings_have(actions, "Warn"))
        bad_invalid(c, list, *actions,
                    "must not contain both Deny and Warn (repeating the same validation failure "
                    "information in the API response and headers serves no purpose)");
    if (!json_count(actions))
        bad_required(c, list, "at least one validation action is required");
}
