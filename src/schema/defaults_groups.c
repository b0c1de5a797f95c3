/* defaults_groups.c - computed defaults of the groups beside core. Static ones are in api/. */
#include "schema/schema_internal.h"

/* Deployment, StatefulSet, DaemonSet: the parameters of a rolling update are there when it is one.
 */
void default_rolling_update(struct arena *a, const struct schema_type *t, struct json *v)
{
    if (str_is(json_get_str(v, "type"), "RollingUpdate"))
        default_json(a, t, v, "rollingUpdate", "{}");
}

/* Claim templates are whole objects: they carry their own type. */
void default_stateful_set_spec(struct arena *a, const struct schema_type *t, struct json *v)
{
    const struct schema_type *claim =
        schema_find_type(S("io.k8s.api.core.v1.PersistentVolumeClaim"));

    JSON_EACH(c, json_findz(v, "volumeClaimTemplates")) {
        default_set(a, claim, c, "kind", json_z("PersistentVolumeClaim"));
        default_set(a, claim, c, "apiVersion", json_z("v1"));
    }
}

void default_job(struct arena *a, const struct schema_type *t, struct json *v)
{
    const struct schema_type *st = schema_find_field(t, S("spec"))->type;
    struct json *spec = json_findz(v, "spec"), *meta = json_findz(v, "metadata");
    const struct json *labels = json_path(v, "spec.template.metadata.labels");

    if (!json_is(spec, JSON_OBJECT))
        return;
    /* One pod to completion, unless it is a work queue (parallelism without completions). */
    if (default_is_unset(st, spec, "completions") && default_is_unset(st, spec, "parallelism")) {
        default_json(a, st, spec, "completions", "1");
        default_json(a, st, spec, "parallelism", "1");
    }
    default_json(a, st, spec, "parallelism", "1");
    default_json(a, st, spec, "backoffLimit",
                 default_is_unset(st, spec, "backoffLimitPerIndex") ? "6" : "2147483647");
    default_json(a, st, spec, "completionMode", "\"NonIndexed\"");
    default_json(a, st, spec, "suspend", "false");
    default_json(a, st, spec, "manualSelector", "false");
    default_json(a, st, spec, "podReplacementPolicy",
                 json_findz(spec, "podFailurePolicy") ? "\"Failed\"" : "\"TerminatingOrFailed\"");
    if (json_count(labels) && json_is(meta, JSON_OBJECT))
        default_set(a, schema_find_field(t, S("metadata"))->type, meta, "labels",
                    json_share(a, labels));
}

/* scaling_rules - of a behaviour that is given at all, both directions are complete. */
static void scaling_rules(struct arena *a, struct json *rules, const char *window,
                          const char *policies)
{
    const struct schema_type *t = schema_find_type(S("io.k8s.api.autoscaling.v2.HPAScalingRules"));

    if (window)
        default_json(a, t, rules, "stabilizationWindowSeconds", window);
    default_json(a, t, rules, "selectPolicy", "\"Max\"");
    default_json(a, t, rules, "policies", policies);
}

void default_hpa_spec(struct arena *a, const struct schema_type *t, struct json *v)
{
    struct json *behavior;
    const struct schema_type *bt;

    default_json(a, t, v, "metrics",
                 "[{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\",\"target\":{\"type\":"
                 "\"Utilization\",\"averageUtilization\":80}}}]");
    behavior = json_findz(v, "behavior");
    if (!json_is(behavior, JSON_OBJECT))
        return;
    bt = schema_find_field(t, S("behavior"))->type;
    default_json(a, bt, behavior, "scaleUp", "{}");
    default_json(a, bt, behavior, "scaleDown", "{}");
    scaling_rules(a, json_findz(behavior, "scaleUp"), "0",
                  "[{\"type\":\"Pods\",\"value\":4,\"periodSeconds\":15},{\"type\":\"Percent\","
                  "\"value\":100,\"periodSeconds\":15}]");
    scaling_rules(a, json_findz(behavior, "scaleDown"), NULL,
                  "[{\"type\":\"Percent\",\"value\":100,\"periodSeconds\":15}]");
}

void default_network_policy_spec(struct arena *a, const struct schema_type *t, struct json *v)
{
    default_json(a, t, v, "policyTypes",
                 json_count(json_findz(v, "egress")) ? "[\"Ingress\",\"Egress\"]"
                                                     : "[\"Ingress\"]");
}

void default_rbac_subject(struct arena *a, const struct schema_type *t, struct json *v)
{
    str kind = json_get_str(v, "kind");

    if (str_is(kind, "User") || str_is(kind, "Group"))
        default_json(a, t, v, "apiGroup", "\"rbac.authorization.k8s.io\"");
}

void default_device_request(struct arena *a, const struct schema_type *t, struct json *v)
{
    if (str_is(json_get_str(v, "allocationMode"), "ExactCount"))
        default_json(a, t, v, "count", "1");
}

void default_crd_spec(struct arena *a, const struct schema_type *t, struct json *v)
{
    struct json *names = json_findz(v, "names");
    str kind = json_get_str(names, "kind");
    const struct schema_type *nt = schema_find_field(t, S("names"))->type;

    if (kind.n && default_is_unset(nt, names, "singular")) {
        char *low = arena_dupz(a, kind);

        for (char *c = low; *c; c++)
            *c = *c >= 'A' && *c <= 'Z' ? *c + 32 : *c;
        default_set(a, nt, names, "singular", json_z(low));
    }
    if (kind.n)
        default_set(a, nt, names, "listKind",
                    json_string(arena_fmt(a, PRI_STR "List", STR_ARG(kind))));
}
