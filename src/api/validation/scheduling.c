/* scheduling.c - rules of where a pod may run: node selectors, affinity, tolerations, spreading.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go. */
#include "api/validation/pod.h"

#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED "preferredDuringSchedulingIgnoredDuringExecution"

/* ---- nodes ---- */

static void check_requirement(struct check *c, const struct at *at, const struct json *e,
                              bool check_values)
{
    str op = json_get_str(e, "operator");
    uint32_t n = json_count(field(e, "values"));
    int64_t i = 0;

    if (str_is(op, "In") || str_is(op, "NotIn")) {
        if (n == 0)
            bad_required(c, AT(at, "values"),
                         "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (str_is(op, "Exists") || str_is(op, "DoesNotExist")) {
        if (n)
            bad_forbidden(c, AT(at, "values"),
                          "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else if (str_is(op, "Gt") || str_is(op, "Lt")) {
        if (n != 1)
            bad_required(c, AT(at, "values"),
                         "must be specified single value when `operator` is 'Lt' or 'Gt'");
    } else {
        bad_invalid(c, AT(at, "operator"), json_string(op), "not a valid selector operator");
    }
    check_qualified_name(c, AT(at, "key"), json_get_str(e, "key"));
    if (check_values)
        JSON_EACH(v, field(e, "values"))
            check_label_value(c, AT_INDEX(AT(at, "values"), i++), json_str(v));
}

static void check_field_requirement(struct check *c, const struct at *at, const struct json *e)
{
    str op = json_get_str(e, "operator"), key = json_get_str(e, "key");
    const struct json *values = field(e, "values");
    int64_t i = 0;

    if (!str_is(op, "In") && !str_is(op, "NotIn"))
        bad_invalid(c, AT(at, "operator"), json_string(op), "not a valid selector operator");
    else if (json_count(values) != 1)
        bad_required(
            c, AT(at, "values"),
            "must be only one value when `operator` is 'In' or 'NotIn' for node field selector");
    if (!str_is(key, "metadata.name"))
        bad_invalid(c, AT(at, "key"), json_string(key), "not a valid field selector key");
    else
        JSON_EACH(v, values)
            check_dns_subdomain(c, AT_INDEX(AT(at, "values"), i++), json_str(v));
}

/* Values of a wish may be anything: it may come true all the same. */
static void check_node_term(struct check *c, const struct at *at, const struct json *term,
                            bool check_values)
{
    int64_t i = 0;

    JSON_EACH(e, field(term, "matchExpressions"))
        check_requirement(c, AT_INDEX(AT(at, "matchExpressions"), i++), e, check_values);
    i = 0;
    JSON_EACH(e, field(term, "matchFields"))
        check_field_requirement(c, AT_INDEX(AT(at, "matchFields"), i++), e);
}

void check_node_selector(struct check *c, const struct at *at, const struct json *selector)
{
    const struct json *terms = field(selector, "nodeSelectorTerms");
    const struct at *here = AT(at, "nodeSelectorTerms");
    int64_t i = 0;

    if (!json_count(terms))
        bad_required(c, here, "must have at least one node selector term");
    JSON_EACH(t, terms)
        check_node_term(c, AT_INDEX(here, i++), t, true);
}

static void check_weight(struct check *c, const struct at *at, const struct json *term)
{
    int64_t weight = json_get_int(term, "weight", 0);

    if (weight <= 0 || weight > 100)
        bad_invalid(c, AT(at, "weight"), json_int(weight), "must be in the range 1-100");
}

static void check_node_affinity(struct check *c, const struct at *at, const struct json *node)
{
    int64_t i = 0;

    if (field(node, REQUIRED))
        check_node_selector(c, AT(at, REQUIRED), field(node, REQUIRED));
    JSON_EACH(t, field(node, PREFERRED)) {
        const struct at *here = AT_INDEX(AT(at, PREFERRED), i++);

        check_weight(c, here, t);
        check_node_term(c, AT(here, "preference"), field(t, "preference"), false);
    }
}

/* ---- other pods ---- */

static bool holds(const struct json *list, str value)
{
    JSON_EACH(v, list)
        if (str_eq(json_str(v), value))
            return true;
    return false;
}

static void check_label_keys(struct check *c, const struct at *at, const struct json *keys,
                             const struct json *selector)
{
    int64_t i = 0;

    if (!json_count(keys))
        return;
    if (!selector) {
        bad_forbidden(c, at, "must not be specified when labelSelector is not set");
        return;
    }
    JSON_EACH(k, keys)
        check_qualified_name(c, AT_INDEX(at, i++), json_str(k));
}

/* Keys of matchLabelKeys have become expressions of the selector by now: what the selector names twice
 * was in it before. */
static void check_keys_named_once(struct check *c, const struct at *at, const struct json *keys,
                                  const struct json *selector)
{
    const struct json *expressions = field(selector, "matchExpressions");

    for (uint32_t e = 0; e < json_count(expressions); e++) {
        str key = json_get_str(json_item(expressions, e), "key");
        bool twice = json_find(field(selector, "matchLabels"), key) != NULL;
        int64_t i = 0;

        for (uint32_t before = 0; before < e; before++)
            twice |= str_eq(key, json_get_str(json_item(expressions, before), "key"));
        JSON_EACH(k, keys) {
            if (twice && str_eq(json_str(k), key))
                bad_invalid(c, AT_INDEX(at, i), *k,
                            "exists in both matchLabelKeys and labelSelector");
            i++;
        }
    }
}

static void check_match_keys(struct check *c, const struct at *at, const struct json *term)
{
    const struct json *selector = field(term, "labelSelector"),
                      *keys = field(term, "matchLabelKeys"),
                      *not_keys = field(term, "mismatchLabelKeys");
    int64_t i = 0;

    check_label_keys(c, AT(at, "matchLabelKeys"), keys, selector);
    check_label_keys(c, AT(at, "mismatchLabelKeys"), not_keys, selector);
    check_keys_named_once(c, at, keys, selector);
    JSON_EACH(k, keys) {
        if (holds(not_keys, json_str(k)))
            bad_invalid(c, AT_INDEX(AT(at, "matchLabelKeys"), i), *k,
                        "exists in both matchLabelKeys and mismatchLabelKeys");
        i++;
    }
}

static void check_pod_term(struct check *c, const struct at *at, const struct json *term)
{
    str key = json_get_str(term, "topologyKey");

    check_label_selector(c, AT(at, "labelSelector"), field(term, "labelSelector"));
    check_label_selector(c, AT(at, "namespaceSelector"), field(term, "namespaceSelector"));
    JSON_EACH(ns, field(term, "namespaces"))
        check_dns_label(c, AT(at, "namespace"), json_str(ns));
    check_match_keys(c, at, term);
    if (!key.n)
        bad_required(c, AT(at, "topologyKey"), "can not be empty");
    check_qualified_name(c, AT(at, "topologyKey"), key);
}

void check_affinity(struct check *c, const struct at *at, const struct json *affinity)
{
    static const char *const kinds[] = {"podAffinity", "podAntiAffinity"};

    check_node_affinity(c, AT(at, "nodeAffinity"), field(affinity, "nodeAffinity"));
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        const struct json *pods = field(affinity, kinds[k]);
        const struct at *here = AT(at, kinds[k]);
        int64_t i = 0;

        JSON_EACH(t, field(pods, REQUIRED))
            check_pod_term(c, AT_INDEX(AT(here, REQUIRED), i++), t);
        i = 0;
        JSON_EACH(t, field(pods, PREFERRED)) {
            const struct at *place = AT_INDEX(AT(here, PREFERRED), i++);

            check_weight(c, place, t);
            check_pod_term(c, AT(place, "podAffinityTerm"), field(t, "podAffinityTerm"));
        }
    }
}

/* ---- taints ---- */

static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute", NULL};

/* A label's value, with all that is wrong in one text. */
static void check_value_at_once(struct check *c, const struct at *at, str value)
{
    const char *form = not_label_value(value);
    bool too_long = value.n > 63;

    if (form || too_long)
        bad_invalid(c, at, json_string(value), "%s%s%s",
                    too_long ? "must be no more than 63 bytes" : "", form && too_long ? ";" : "",
                    form ? form : "");
}

void check_tolerations(struct check *c, const struct at *at, const struct json *tolerations)
{
    static const char *const operators[] = {"Equal", "Exists", NULL};
    int64_t i = 0;

    JSON_EACH(t, tolerations) {
        const struct at *here = AT_INDEX(at, i++);
        str key = json_get_str(t, "key"), op = json_get_str(t, "operator"),
            effect = json_get_str(t, "effect"), value = json_get_str(t, "value");

        if (key.n)
            check_qualified_name(c, AT(here, "key"), key);
        else if (!str_is(op, "Exists"))
            bad_invalid(c, AT(here, "operator"), json_string(op),
                        "operator must be Exists when `key` is empty, which means \"match all "
                        "values and all keys\"");
        if (field(t, "tolerationSeconds") && !str_is(effect, "NoExecute"))
            bad_invalid(c, AT(here, "effect"), json_string(effect),
                        "effect must be 'NoExecute' when `tolerationSeconds` is set");
        if (!op.n || str_is(op, "Equal"))
            check_value_at_once(c, AT(here, "operator"), value);
        else if (!str_is(op, "Exists"))
            bad_unsupported(c, AT(here, "operator"), json_string(op), operators);
        else if (value.n)
            bad_invalid(c, AT(here, "operator"), json_string(value),
                        "value must be empty when `operator` is 'Exists'");
        if (effect.n)
            check_enum(c, AT(here, "effect"), field(t, "effect"), effects);
    }
}

void check_taints(struct check *c, const struct at *at, const struct json *taints)
{
    struct map seen;
    int64_t i = 0;

    map_init(&seen);
    JSON_EACH(t, taints) {
        const struct at *here = AT_INDEX(at, i++);
        str key = json_get_str(t, "key"), effect = json_get_str(t, "effect");

        check_qualified_name(c, AT(here, "key"), key);
        check_value_at_once(c, AT(here, "value"), json_get_str(t, "value"));
        check_required_enum(c, AT(here, "effect"), field(t, "effect"), effects);
        if (map_put(&seen, arena_fmt(c->a, PRI_STR "\n" PRI_STR, STR_ARG(key), STR_ARG(effect)),
                    &seen))
            bad_duplicate(c, here, go_value(c, "Taint", t),
                          "taints must be unique by key and effect pair");
    }
    map_fini(&seen);
}

/* ---- spreading ---- */

static void check_spread_keys(struct check *c, const struct at *at, const struct json *t)
{
    const struct json *keys = field(t, "matchLabelKeys"), *selector = field(t, "labelSelector");

    check_label_keys(c, at, keys, selector);
    check_keys_named_once(c, at, keys, selector);
}

/* Which constraints come once more behind: from the last to the first, since those in front are complained about. */
static bool *spread_again(struct arena *a, const struct json *constraints)
{
    bool *again = arena_zalloc(a, json_count(constraints) + 1);
    struct json seen = json_object();
    struct json_index index = {.obj = &seen};

    for (uint32_t i = json_count(constraints); i-- > 0;) {
        const struct json *t = json_item(constraints, i);
        str key = arena_fmt(a, PRI_STR "\n" PRI_STR, STR_ARG(json_get_str(t, "topologyKey")),
                            STR_ARG(json_get_str(t, "whenUnsatisfiable")));

        again[i] = json_index_find(&index, key);
        json_index_set(a, &index, key, json_null());
    }
    json_index_fini(&index);
    return again;
}

void check_spread(struct check *c, const struct at *at, const struct json *constraints)
{
    static const char *const actions[] = {"DoNotSchedule", "ScheduleAnyway", NULL};
    static const char *const policies[] = {"Honor", "Ignore", NULL};
    static const char *const node_policies[] = {"nodeAffinityPolicy", "nodeTaintsPolicy"};
    const bool *again = spread_again(c->a, constraints);

    for (uint32_t i = 0; i < json_count(constraints); i++) {
        const struct json *t = json_item(constraints, i), *domains = field(t, "minDomains");
        const struct at *here = AT_INDEX(at, i);
        str key = json_get_str(t, "topologyKey"), action = json_get_str(t, "whenUnsatisfiable");

        if (json_get_int(t, "maxSkew", 0) <= 0)
            bad_invalid(c, AT(here, "maxSkew"), json_int(json_get_int(t, "maxSkew", 0)),
                        "must be greater than zero");
        if (!key.n)
            bad_required(c, AT(here, "topologyKey"), "can not be empty");
        if (!one_of(action, actions))
            bad_unsupported(c, AT(here, "whenUnsatisfiable"), json_string(action), actions);
        if (again[i])
            bad_duplicate(c, AT(here, "{topologyKey, whenUnsatisfiable}"),
                          json_string(arena_fmt(c->a, "{" PRI_STR ", " PRI_STR "}", STR_ARG(key),
                                                STR_ARG(action))),
                          "");
        if (json_is(domains, JSON_INT) && domains->i <= 0)
            bad_invalid(c, AT(here, "minDomains"), *domains, "must be greater than zero");
        if (domains && !str_is(action, "DoNotSchedule"))
            bad_invalid(c, AT(here, "minDomains"), *domains,
                        "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not " PRI_STR,
                        STR_ARG(action));
        for (size_t k = 0; k < ARRAY_LEN(node_policies); k++)
            check_enum(c, AT(here, node_policies[k]), field(t, node_policies[k]), policies);
        check_spread_keys(c, AT(here, "matchLabelKeys"), t);
        check_label_selector(c, AT(here, "labelSelector"), field(t, "labelSelector"));
    }
}
