/* flowcontrol.c - rules of FlowSchemas and PriorityLevelConfigurations.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/flowcontrol/validation/validation.go; shuffle sharding:
 * k8s.io/apiserver/pkg/util/shufflesharding. */
#include "api/validation/rules.h"
#include "api/validation/validation.h"

#include <math.h>

#define PRECEDENCE_MAX 10000
#define QUEUES_MAX (10 * 1000 * 1000)
#define HASH_BITS_MAX 60

static const char *const verbs[] = {
    "create", "delete", "deletecollection", "get",   "head", "list", "patch", "post",
    "proxy",  "put",    "update",           "watch", NULL};

/* ---- who ---- */

static void check_account(struct check *c, const struct at *at, const struct json *v)
{
    str name = json_get_str(v, "name"), ns = json_get_str(v, "namespace");

    if (name.n == 0)
        bad_required(c, AT(at, "name"), "");
    else if (!str_is(name, "*"))
        check_service_account_name(c, AT(at, "name"), name);
    if (ns.n)
        check_namespace_name(c, AT(at, "namespace"), ns);
    else
        bad_required(c, AT(at, "namespace"), "must specify namespace for service account");
}

static void check_named(struct check *c, const struct at *at, const struct json *v)
{
    if (json_get_str(v, "name").n == 0)
        bad_required(c, AT(at, "name"), "");
}

static void check_subject(struct check *c, const struct at *at, const struct json *s)
{
    static const struct {
        const char *kind, *field;
        void (*check)(struct check *c, const struct at *at, const struct json *v);
    } subjects[] = {{"ServiceAccount", "serviceAccount", check_account},
                    {"User", "user", check_named},
                    {"Group", "group", check_named}};
    static const char *const kinds[] = {"Group", "ServiceAccount", "User", NULL};
    /* In the order in which Kubernetes looks at what should not be there. */
    static const uint8_t others[3][2] = {{1, 2}, {0, 2}, {0, 1}};
    str kind = json_get_str(s, "kind");

    for (size_t i = 0; i < ARRAY_LEN(subjects); i++) {
        const struct json *v = field(s, subjects[i].field);

        if (!str_is(kind, subjects[i].kind))
            continue;
        if (v)
            subjects[i].check(c, AT(at, subjects[i].field), v);
        else
            bad_required(c, AT(at, subjects[i].field),
                         arena_fmt(c->a, "%s is required when subject kind is '%s'",
                                   subjects[i].field, subjects[i].kind)
                             .p);
        for (size_t k = 0; k < 2; k++)
            if (field(s, subjects[others[i][k]].field))
                bad_forbidden(c, AT(at, subjects[others[i][k]].field),
                              "%s is forbidden when subject kind is not '%s'",
                              subjects[others[i][k]].field, subjects[others[i][k]].kind);
        return;
    }
    bad_unsupported(c, AT(at, "kind"), json_string(kind), kinds);
}

/* ---- what ---- */

/* A list that is needed and that "*" must have for itself. */
static bool check_list(struct check *c, const struct at *at, const struct json *list,
                       const char *missing, const char *others)
{
    if (!json_count(list))
        bad_required(c, at, missing);
    else if (strings_have(list, "*")) {
        if (json_count(list) > 1)
            bad_invalid(c, at, *list, "if '*' is present, must not specify other %s", others);
    } else {
        return true; /* the items are to be looked at */
    }
    return false;
}

static void check_verbs(struct check *c, const struct at *at, const struct json *list)
{
    if (!check_list(c, at, list, "verbs must contain at least one value", "verbs"))
        return;
    JSON_EACH(v, list)
        if (!one_of(json_str(v), verbs)) {
            bad_unsupported(c, at, *list, verbs);
            return;
        }
}

static void check_url(struct check *c, const struct at *at, str s)
{
    size_t stars = 0;

    for (size_t i = 0; i < s.n; i++)
        stars += s.p[i] == '*';
    if (s.n == 0)
        bad_string(c, at, s, "must not be empty");
    else if (str_is(s, "/"))
        return;
    else if (s.p[0] != '/')
        bad_string(c, at, s, "must start with slash");
    else if (str_has_char(s, ' '))
        bad_string(c, at, s, "must not contain white-space");
    else if (str_find(s, S("//")) >= 0)
        bad_string(c, at, s, "must not contain double slash");
    else if (stars > 1 || (stars == 1 && !str_has_suffix(s, S("/*"))))
        bad_string(c, at, s, "wildcard can only do suffix matching");
}

static void check_url_rule(struct check *c, const struct at *at, const struct json *rule)
{
    const struct json *urls = field(rule, "nonResourceURLs");
    const struct at *urls_at = AT(at, "nonResourceURLs");
    int64_t i = 0;

    check_verbs(c, AT(at, "verbs"), field(rule, "verbs"));
    if (check_list(c, urls_at, urls, "nonResourceURLs must contain at least one value",
                   "non-resource URLs"))
        JSON_EACH(u, urls)
            check_url(c, AT_INDEX(urls_at, i++), json_str(u));
}

static void check_resource_rule(struct check *c, const struct at *at, const struct json *rule)
{
    const struct json *spaces = field(rule, "namespaces");
    const struct at *spaces_at = AT(at, "namespaces");
    int64_t i = 0;

    check_verbs(c, AT(at, "verbs"), field(rule, "verbs"));
    check_list(c, AT(at, "apiGroups"), field(rule, "apiGroups"),
               "resource rules must supply at least one api group", "api groups");
    check_list(c, AT(at, "resources"), field(rule, "resources"),
               "resource rules must supply at least one resource", "resources");
    if (!json_count(spaces) && json_get_bool(rule, "clusterScope", false))
        return;
    if (check_list(c, spaces_at, spaces,
                   "resource rules that are not cluster scoped must supply at least one namespace",
                   "namespaces"))
        JSON_EACH(v, spaces) {
            str ns = json_str(v);
            const struct at *here = AT_INDEX(spaces_at, i++);
            static const char intro[] =
                "each member of this list must be '*' or a DNS-1123 label; ";

            if (ns.n > 63)
                bad_invalid(c, here, *v, "%smust be no more than 63 characters", intro);
            if (not_dns_label(ns))
                bad_invalid(c, here, *v, "%s%s", intro, not_dns_label(ns));
        }
}

static void check_rule(struct check *c, const struct at *at, const struct json *rule)
{
    const struct json *subjects = field(rule, "subjects"),
                      *resources = field(rule, "resourceRules"),
                      *urls = field(rule, "nonResourceRules");
    int64_t i = 0;

    if (!json_count(subjects))
        bad_required(c, AT(at, "subjects"), "subjects must contain at least one value");
    JSON_EACH(s, subjects)
        check_subject(c, AT_INDEX(AT(at, "subjects"), i++), s);
    if (!json_count(resources) && !json_count(urls))
        bad_required(c, at,
                     "at least one of resourceRules and nonResourceRules has to be non-empty");
    i = 0;
    JSON_EACH(r, resources)
        check_resource_rule(c, AT_INDEX(AT(at, "resourceRules"), i++), r);
    i = 0;
    JSON_EACH(r, urls)
        check_url_rule(c, AT_INDEX(AT(at, "nonResourceRules"), i++), r);
}

/* ---- the kinds ---- */

static void check_condition_types(struct check *c, const struct json *obj)
{
    const struct at *at = AT(AT(NULL, "status"), "conditions");
    struct map seen;
    int64_t i = 0;

    map_init(&seen);
    JSON_EACH(v, field_at(obj, "status.conditions")) {
        const struct at *here = AT(AT_INDEX(at, i++), "type");
        str type = json_get_str(v, "type");

        if (map_put(&seen, type, &seen))
            bad_duplicate(c, here, json_string(type), "");
        if (type.n == 0)
            bad_required(c, here, "must not be empty");
    }
    map_fini(&seen);
}

/* These exist from the start with their fixed values. */
static bool is_mandatory(str name)
{
    return str_is(name, "exempt") || str_is(name, "catch-all");
}

void validate_flowschema(struct write *w, struct err **errs)
{
    static const char *const methods[] = {"ByNamespace", "ByUser", NULL};
    static const struct go_member method_members[] = {{"Type", "type", 's'}, {NULL, NULL, 'n'}};
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *method = field(spec, "distinguisherMethod"),
                      *old = field(w->old, "spec");
    const struct at *at = AT(NULL, "spec"), *precedence_at = AT(at, "matchingPrecedence"),
                    *level_at = AT(AT(at, "priorityLevelConfiguration"), "name");
    int64_t precedence = json_get_int(spec, "matchingPrecedence", 0), i = 0;
    str level = json_get_str(spec, "priorityLevelConfiguration.name"),
        name = json_get_str(w->obj, "metadata.name");

    if (str_is(w->subresource, "status")) {
        check_condition_types(c, w->obj);
        return;
    }
    if (precedence <= 0)
        bad_invalid(c, precedence_at, json_int(precedence), "must be a positive value");
    if (precedence > PRECEDENCE_MAX)
        bad_invalid(c, precedence_at, json_int(precedence), "must not be greater than %d",
                    PRECEDENCE_MAX);
    if (precedence == 1 && !str_is(name, "exempt"))
        bad_invalid(c, precedence_at, json_int(precedence),
                    "only the schema named 'exempt' may have matchingPrecedence 1");
    if (method && !one_of(json_get_str(method, "type"), methods))
        bad_unsupported(c, AT(AT(at, "distinguisherMethod"), "type"),
                        go_struct(c->a, method, method_members), methods);
    if (level.n)
        check_dns_subdomain(c, level_at, level);
    else
        bad_required(c, level_at, "must reference a priority level");
    JSON_EACH(rule, field(spec, "rules"))
        check_rule(c, AT_INDEX(AT(at, "rules"), i++), rule);
    if (old && is_mandatory(name) && !json_equal(spec, old))
        bad_invalid(c, at, sorted_copy(c->a, spec),
                    "spec of '" PRI_STR "' must equal the fixed value", STR_ARG(name));
    check_condition_types(c, w->obj);
}

static void check_queuing(struct check *c, const struct at *at, const struct json *q)
{
    static const char positive[] = "must be positive";
    int64_t limit = json_get_int(q, "queueLengthLimit", 0), queues = json_get_int(q, "queues", 0),
            hand = json_get_int(q, "handSize", 0);

    if (limit <= 0)
        bad_invalid(c, AT(at, "queueLengthLimit"), json_int(limit), positive);
    if (queues <= 0)
        bad_invalid(c, AT(at, "queues"), json_int(queues), positive);
    else if (queues > QUEUES_MAX)
        bad_invalid(c, AT(at, "queues"), json_int(queues), "must not be greater than %d",
                    QUEUES_MAX);
    if (hand <= 0)
        bad_invalid(c, AT(at, "handSize"), json_int(hand), positive);
    else if (hand > queues)
        bad_invalid(c, AT(at, "handSize"), json_int(hand),
                    "should not be greater than queues (%lld)", (long long)queues);
    else if (ceil(log2((double)queues) * (double)hand) > HASH_BITS_MAX)
        bad_invalid(c, AT(at, "handSize"), json_int(hand),
                    "required entropy bits of deckSize %lld and handSize %lld should not be "
                    "greater than %d",
                    (long long)queues, (long long)hand, HASH_BITS_MAX);
}

static void check_shares(struct check *c, const struct at *at, const struct json *v)
{
    const struct json *shares = field(v, "nominalConcurrencyShares");

    if (shares && shares->i < 0)
        bad_invalid(c, AT(at, "nominalConcurrencyShares"), *shares,
                    "must be a non-negative integer");
}

static void check_lendable(struct check *c, const struct at *at, const struct json *v)
{
    const struct json *percent = field(v, "lendablePercent");

    if (percent && (percent->i < 0 || percent->i > 100))
        bad_invalid(c, AT(at, "lendablePercent"), *percent, "must be between 0 and 100, inclusive");
}

static void check_response(struct check *c, const struct at *at, const struct json *response)
{
    static const char *const responses[] = {"Queue", "Reject", NULL};
    const struct json *queuing = field(response, "queuing");
    str type = json_get_str(response, "type");

    if (str_is(type, "Reject")) {
        if (queuing)
            bad_forbidden(c, AT(at, "queuing"),
                          "must be nil if limited.limitResponse.type is not Limited");
    } else if (!str_is(type, "Queue")) {
        bad_unsupported(c, AT(at, "type"), json_string(type), responses);
    } else if (queuing) {
        check_queuing(c, AT(at, "queuing"), queuing);
    } else {
        bad_required(c, AT(at, "queuing"),
                     "must not be empty if limited.limitResponse.type is Limited");
    }
}

static void check_limited(struct check *c, const struct at *at, const struct json *limited)
{
    const struct json *borrowing = field(limited, "borrowingLimitPercent");

    check_shares(c, at, limited);
    check_response(c, AT(at, "limitResponse"), field(limited, "limitResponse"));
    check_lendable(c, at, limited);
    if (borrowing && borrowing->i < 0)
        bad_invalid(c, AT(at, "borrowingLimitPercent"), *borrowing,
                    "if specified, must be a non-negative integer");
}

static bool same_but_exempt(struct check *c, const struct json *a, const struct json *b)
{
    struct json x = json_share(c->a, a), y = json_share(c->a, b);

    json_removez(&x, "exempt");
    json_removez(&y, "exempt");
    return json_equal(&x, &y);
}

void validate_prioritylevelconfiguration(struct write *w, struct err **errs)
{
    static const char *const types[] = {"Exempt", "Limited", NULL};
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *limited = field(spec, "limited"),
                      *exempt = field(spec, "exempt"), *old = field(w->old, "spec");
    const struct at *at = AT(NULL, "spec");
    str type = json_get_str(spec, "type"), name = json_get_str(w->obj, "metadata.name");

    if (str_is(w->subresource, "status")) {
        check_condition_types(c, w->obj);
        return;
    }
    if (str_is(type, "Exempt") != str_is(name, "exempt"))
        bad_string(c, AT(at, "type"), type, "must be 'Exempt' if and only if `name` is 'exempt'");
    if (str_is(type, "Exempt")) {
        if (limited)
            bad_forbidden(c, AT(at, "limited"), "must be nil if the type is not Limited");
        if (exempt) {
            check_shares(c, AT(at, "exempt"), exempt);
            check_lendable(c, AT(at, "exempt"), exempt);
        }
    } else if (str_is(type, "Limited")) {
        if (exempt)
            bad_forbidden(c, AT(at, "exempt"), "must be nil if the type is Limited");
        if (limited)
            check_limited(c, AT(at, "limited"), limited);
        else
            bad_required(c, AT(at, "limited"), "must not be empty when type is Limited");
    } else {
        bad_unsupported(c, AT(at, "type"), json_string(type), types);
    }
    if (old && is_mandatory(name) && !same_but_exempt(c, spec, old))
        bad_invalid(c, at, sorted_copy(c->a, spec),
                    "spec of '" PRI_STR "' except the 'spec.exempt' field must equal the fixed "
                    "value",
                    STR_ARG(name));
    check_condition_types(c, w->obj);
}
