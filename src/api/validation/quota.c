/* quota.c - rules of ResourceQuotas and LimitRanges themselves (what they limit: api/limits.c).
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go. */
#include "api/validation/check.h"
#include "api/validation/resources.h"
#include "api/validation/validation.h"

/* ---- quotas ---- */

static const char *const scopes[] = {"Terminating",
                                     "NotTerminating",
                                     "BestEffort",
                                     "NotBestEffort",
                                     "PriorityClass",
                                     "CrossNamespacePodAffinity",
                                     "VolumeAttributesClass",
                                     NULL};

static void check_hard(struct check *c, const struct at *at, const struct json *list)
{
    JSON_EACH_MEMBER(m, list) {
        const struct at *here = AT_KEY(at, m->key);

        check_quota_resource_name(c, here, m->key);
        check_amount(c, here, m->key, json_str(&m->value));
    }
}

/* Which resources a scope can narrow. */
static bool scope_fits(str scope, str resource)
{
    static const char *const compute[] = {
        "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory", NULL};
    bool pods = str_is(resource, "pods");

    if (str_is(scope, "BestEffort"))
        return pods;
    if (str_is(scope, "VolumeAttributesClass"))
        return str_is(resource, "persistentvolumeclaims") || str_is(resource, "requests.storage");
    if (one_of(scope, scopes))
        return pods || one_of(resource, compute);
    return true;
}

/* A scope in the list of scopes or in an expression: both are judged alike. shown: what the messages show. */
static void check_scope(struct check *c, const struct at *at, const struct at *name_at, str scope,
                        const struct json *hard, struct json shown, struct json unsupported)
{
    if (!one_of(scope, scopes))
        bad_invalid(c, name_at, unsupported, "unsupported scope");
    JSON_EACH_MEMBER(m, hard)
        if (resource_is_quota(m->key) && !scope_fits(scope, m->key))
            bad_invalid(c, at, shown, "unsupported scope applied to resource");
}

static void check_conflicts(struct check *c, const struct at *at, const struct json *list,
                            const char *key, const struct json *shown)
{
    static const char *const pairs[][2] = {{"BestEffort", "NotBestEffort"},
                                           {"Terminating", "NotTerminating"}};
    struct json none = json_null();

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        bool has[2] = {false, false};

        JSON_EACH(it, list)
            for (size_t k = 0; k < 2; k++)
                has[k] |= str_is(key ? json_get_str(it, key) : json_str(it), pairs[i][k]);
        if (has[0] && has[1])
            bad_invalid(c, at, shown ? *shown : none, "conflicting scopes");
    }
}

static void check_expression(struct check *c, const struct at *at, const struct json *e,
                             const struct json *hard, const struct json *selector)
{
    str scope = json_get_str(e, "scopeName"), op = json_get_str(e, "operator");
    const struct json *values = field(e, "values");

    check_scope(c, at, AT(at, "scopeName"), scope, hard, go_value(c, "ScopeSelector", selector),
                json_string(scope));
    if (one_of(scope, scopes) && !str_is(scope, "PriorityClass") &&
        !str_is(scope, "VolumeAttributesClass") && !str_is(op, "Exists"))
        bad_invalid(
            c, AT(at, "operator"), json_string(op),
            "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, "
            "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
            "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity");
    if (str_is(op, "In") || str_is(op, "NotIn")) {
        if (!json_count(values))
            bad_required(
                c, AT(at, "values"),
                "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector");
    } else if (str_is(op, "Exists") || str_is(op, "DoesNotExist")) {
        if (json_count(values))
            bad_invalid(
                c, AT(at, "values"), *values,
                "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector");
    } else
        bad_invalid(c, AT(at, "operator"), json_string(op), "not a valid selector operator");
}

static bool same_set(const struct json *x, const struct json *y)
{
    JSON_EACH(v, x) {
        bool found = false;

        JSON_EACH(o, y)
            found |= json_equal(v, o);
        if (!found)
            return false;
    }
    return true;
}

static void check_quota_spec(struct check *c, const struct json *spec)
{
    const struct json *hard = field(spec, "hard"), *list = field(spec, "scopes"),
                      *selector = field(spec, "scopeSelector");
    const struct at *at = AT(NULL, "spec"),
                    *expressions = AT(AT(at, "scopeSelector"), "matchExpressions");

    check_hard(c, AT(at, "hard"), hard);
    JSON_EACH(s, list)
        check_scope(c, AT(at, "scopes"), AT(at, "scopes"), json_str(s), hard, *list, *list);
    check_conflicts(c, AT(at, "scopes"), list, NULL, list);
    JSON_EACH(e, field(selector, "matchExpressions"))
        check_expression(c, expressions, e, hard, selector);
    check_conflicts(c, expressions, field(selector, "matchExpressions"), "scopeName", list);
}

void validate_resourcequota(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *list = field_at(w->obj, "spec.scopes"),
                      *old = field_at(w->old, "spec.scopes");
    const struct at *status = AT(NULL, "status");
    struct json none = json_null();

    if (str_is(w->subresource, "status")) {
        check_hard(c, AT(status, "hard"), field_at(w->obj, "status.hard"));
        check_hard(c, AT(status, "used"), field_at(w->obj, "status.used"));
        return;
    }
    check_quota_spec(c, field(w->obj, "spec"));
    if (w->old && (!same_set(list, old) || !same_set(old, list)))
        bad_invalid(c, AT(AT(NULL, "spec"), "scopes"), list ? *list : none, "field is immutable");
}

/* ---- limit ranges ---- */

static const char *const bounds[] = {"max", "min", "default", "defaultRequest",
                                     "maxLimitRequestRatio"};
enum bound { MOST, LEAST, DEFAULT_LIMIT, DEFAULT_REQUEST, RATIO, N_BOUNDS };

static void check_limit_type(struct check *c, const struct at *at, str type)
{
    static const char *const types[] = {"Pod", "Container", "PersistentVolumeClaim", NULL};
    unsigned before = check_count(c);

    check_qualified_name(c, at, type);
    if (check_count(c) == before && !str_has_char(type, '/') && !one_of(type, types))
        bad_invalid(c, at, json_string(type), "must be a standard limit type or fully qualified");
}

static void check_bound_names(struct check *c, const struct at *at, const struct json *limit,
                              str type)
{
    bool pod = str_is(type, "Pod"), narrow = pod || str_is(type, "Container");

    for (size_t b = 0; b < N_BOUNDS; b++) {
        const struct json *list = field(limit, bounds[b]);
        bool default_of = b == DEFAULT_LIMIT || b == DEFAULT_REQUEST;

        if (b == RATIO && str_is(type, "PersistentVolumeClaim") &&
            !field_at(limit, "min.storage") && !field_at(limit, "max.storage"))
            bad_required(c, AT(at, "limits"),
                         "either minimum or maximum storage value is required, but neither was "
                         "provided");
        if (pod && default_of) {
            if (json_count(list))
                bad_forbidden(c, AT(at, bounds[b]), "may not be specified when `type` is 'Pod'");
            continue;
        }
        JSON_EACH_MEMBER(m, list)
            (narrow ? check_container_resource_name
                    : check_resource_name)(c, AT_KEY(AT(at, bounds[b]), m->key), m->key);
    }
}

static void check_ratio(struct check *c, const struct at *at, const struct json *ratio,
                        const struct quantity *q, const bool *has)
{
    static const struct quantity one = {.nano = 1000000000};
    double most, max;

    if (quantity_cmp(&q[RATIO], &one) < 0)
        bad_invalid(c, at, *ratio, "ratio " PRI_STR " is less than 1", STR_ARG(json_str(ratio)));
    if (!has[LEAST] || !has[MOST])
        return;
    most = (double)q[MOST].nano / (double)q[LEAST].nano;
    max = (double)quantity_milli(&q[RATIO]) / 1000;
    if (max > most)
        bad_invalid(c, at, *ratio, "ratio " PRI_STR " is greater than max/min = %f",
                    STR_ARG(json_str(ratio)), most);
}

/* What is said of one resource has to be in order: min, default request, default, max. */
static void check_order(struct check *c, const struct at *at, const struct json *limit,
                        struct json_index *by, str name)
{
    static const struct {
        enum bound low, high, at, shown;
        const char *low_name, *high_name;
    } orders[] = {
        {LEAST, MOST, LEAST, LEAST, "min", "max"},
        {LEAST, DEFAULT_REQUEST, DEFAULT_REQUEST, DEFAULT_REQUEST, "min", "default request"},
        {DEFAULT_REQUEST, MOST, DEFAULT_REQUEST, DEFAULT_REQUEST, "default request", "max"},
        {DEFAULT_REQUEST, DEFAULT_LIMIT, DEFAULT_REQUEST, DEFAULT_REQUEST, "default request",
         "default limit"},
        {LEAST, DEFAULT_LIMIT, DEFAULT_LIMIT, LEAST, "min", "default"},
        {DEFAULT_LIMIT, MOST, DEFAULT_LIMIT, MOST, "default", "max"},
    };
    bool pod = str_is(json_get_str(limit, "type"), "Pod"), has[N_BOUNDS];
    const struct json *v[N_BOUNDS];
    struct quantity q[N_BOUNDS] = {{.nano = 0}};

    for (size_t b = 0; b < N_BOUNDS; b++) {
        v[b] = pod && (b == DEFAULT_LIMIT || b == DEFAULT_REQUEST) ? NULL
                                                                   : json_index_find(&by[b], name);
        has[b] = v[b] && quantity_parse(json_str(v[b]), &q[b]);
    }
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        enum bound low = orders[i].low, high = orders[i].high;

        if (has[low] && has[high] && quantity_cmp(&q[low], &q[high]) > 0)
            bad_invalid(c, AT_KEY(AT(at, bounds[orders[i].at]), name), *v[orders[i].shown],
                        "%s value " PRI_STR " is greater than %s value " PRI_STR,
                        orders[i].low_name, STR_ARG(json_str(v[low])), orders[i].high_name,
                        STR_ARG(json_str(v[high])));
    }
    if (has[RATIO])
        check_ratio(c, AT_KEY(AT(at, bounds[RATIO]), name), v[RATIO], q, has);
    if (!resource_is_overcommitted(name) && has[DEFAULT_LIMIT] && has[DEFAULT_REQUEST] &&
        quantity_cmp(&q[DEFAULT_LIMIT], &q[DEFAULT_REQUEST]))
        bad_invalid(c, AT_KEY(AT(at, bounds[DEFAULT_REQUEST]), name), *v[DEFAULT_REQUEST],
                    "default value " PRI_STR " must equal to defaultRequest value " PRI_STR
                    " in " PRI_STR,
                    STR_ARG(json_str(v[DEFAULT_LIMIT])), STR_ARG(json_str(v[DEFAULT_REQUEST])),
                    STR_ARG(name));
}

void validate_limitrange(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct at *at = AT(AT(NULL, "spec"), "limits");
    struct map types;
    int64_t i = 0;

    map_init(&types);
    JSON_EACH(limit, field_at(w->obj, "spec.limits")) {
        const struct at *here = AT_INDEX(at, i++);
        str type = json_get_str(limit, "type");
        struct json_index by[N_BOUNDS] = {{NULL}};
        struct map names;

        check_limit_type(c, AT(here, "type"), type);
        if (map_put(&types, type, &types))
            bad_duplicate(c, AT(here, "type"), json_string(type), "");
        check_bound_names(c, here, limit, type);
        map_init(&names);
        for (size_t b = 0; b < N_BOUNDS; b++)
            by[b].obj = (struct json *)(uintptr_t)field(limit, bounds[b]);
        for (size_t b = 0; b < N_BOUNDS; b++)
            JSON_EACH_MEMBER(m, field(limit, bounds[b]))
                if (!map_put(&names, m->key, &names))
                    check_order(c, here, limit, by, m->key);
        for (size_t b = 0; b < N_BOUNDS; b++)
            json_index_fini(&by[b]);
        map_fini(&names);
    }
    map_fini(&types);
}
