/* node_match.c - whether a pod may be on a node: selector, required affinity, taints. For
 * DaemonSets, which place their pods themselves. */
#include "controllers/node_match.h"

static bool value_in(const struct json *values, str v)
{
    JSON_EACH(x, values)
        if (str_eq(json_str(x), v))
            return true;
    return false;
}

static bool expression_matches(const struct json *e, bool present, str value)
{
    const struct json *values = json_findz(e, "values");
    str op = json_get_str(e, "operator");
    int64_t have, want;

    if (str_is(op, "In"))
        return present && value_in(values, value);
    if (str_is(op, "NotIn"))
        return !present || !value_in(values, value);
    if (str_is(op, "Exists"))
        return present;
    if (str_is(op, "DoesNotExist"))
        return !present;
    if (!present || !str_to_int64(value, &have) ||
        !str_to_int64(json_str(json_item(values, 0)), &want))
        return false;
    return str_is(op, "Gt") ? have > want : str_is(op, "Lt") && have < want;
}

static bool term_matches(const struct json *term, const struct obj *node)
{
    const struct json *expressions = json_findz(term, "matchExpressions"),
                      *fields = json_findz(term, "matchFields");

    if (!json_count(expressions) && !json_count(fields))
        return false;
    JSON_EACH(e, expressions) {
        str value = STR_NONE;
        bool present = packed_get(node->labels, json_get_str(e, "key"), &value);

        if (!expression_matches(e, present, value))
            return false;
    }
    JSON_EACH(e, fields)
        if (!str_is(json_get_str(e, "key"), "metadata.name") ||
            !expression_matches(e, true, node->key.name))
            return false;
    return true;
}

bool node_selected(const struct json *pod_spec, const struct obj *node)
{
    const struct json *required =
        json_path(pod_spec, "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution");

    JSON_EACH_MEMBER(m, json_findz(pod_spec, "nodeSelector")) {
        str value;

        if (!packed_get(node->labels, m->key, &value) || !str_eq(value, json_str(&m->value)))
            return false;
    }
    if (!required)
        return true;
    JSON_EACH(term, json_findz(required, "nodeSelectorTerms"))
        if (term_matches(term, node))
            return true;
    return false;
}

bool toleration_tolerates(const struct json *toleration, const struct json *taint)
{
    str key = json_get_str(toleration, "key"), effect = json_get_str(toleration, "effect"),
        op = json_get_str(toleration, "operator");

    if (effect.n && !str_eq(effect, json_get_str(taint, "effect")))
        return false;
    if (key.n && !str_eq(key, json_get_str(taint, "key")))
        return false;
    if (str_is(op, "Exists"))
        return true;
    return key.n && str_eq(json_get_str(toleration, "value"), json_get_str(taint, "value"));
}

bool taint_tolerated(const struct json *tolerations, const struct json *taint)
{
    JSON_EACH(t, tolerations)
        if (toleration_tolerates(t, taint))
            return true;
    return false;
}
