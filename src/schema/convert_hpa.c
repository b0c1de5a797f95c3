/* convert_hpa.c - HorizontalPodAutoscaler v1 (one CPU target) and v2 (any metrics).
 *
 * What v1 has no field for travels in annotations: metrics and their values in an older notation,
 * conditions, and the behaviour with Go's member names. The texts are those of a real server, since
 * tools parse them. */
#include "schema/convert.h"

#define ANNOTATION_METRICS "autoscaling.alpha.kubernetes.io/metrics"
#define ANNOTATION_CURRENT "autoscaling.alpha.kubernetes.io/current-metrics"
#define ANNOTATION_CONDITIONS "autoscaling.alpha.kubernetes.io/conditions"
#define ANNOTATION_BEHAVIOR "autoscaling.alpha.kubernetes.io/behavior"

/* A member of the old notation, and where v2 has it. */
struct place {
    const char *old, *path;
};
struct notation {
    const char *type, *member; /* "Resource", "resource" */
    struct place places[8];
};

/* In the order in which Go writes the old structs. */
static const struct notation specs[] = {
    {"Resource",
     "resource",
     {{"name", "name"},
      {"targetAverageUtilization", "target.averageUtilization"},
      {"targetAverageValue", "target.averageValue"}}},
    {"Pods",
     "pods",
     {{"metricName", "metric.name"},
      {"targetAverageValue", "target.averageValue"},
      {"selector", "metric.selector"}}},
    {"Object",
     "object",
     {{"target", "describedObject"},
      {"metricName", "metric.name"},
      {"targetValue", "target.value"},
      {"selector", "metric.selector"},
      {"averageValue", "target.averageValue"}}},
    {"External",
     "external",
     {{"metricName", "metric.name"},
      {"metricSelector", "metric.selector"},
      {"targetValue", "target.value"},
      {"targetAverageValue", "target.averageValue"}}},
    {"ContainerResource",
     "containerResource",
     {{"name", "name"},
      {"targetAverageUtilization", "target.averageUtilization"},
      {"targetAverageValue", "target.averageValue"},
      {"container", "container"}}},
};
static const struct notation values[] = {
    {"Resource",
     "resource",
     {{"name", "name"},
      {"currentAverageUtilization", "current.averageUtilization"},
      {"currentAverageValue", "current.averageValue"}}},
    {"Pods",
     "pods",
     {{"metricName", "metric.name"},
      {"currentAverageValue", "current.averageValue"},
      {"selector", "metric.selector"}}},
    {"Object",
     "object",
     {{"target", "describedObject"},
      {"metricName", "metric.name"},
      {"currentValue", "current.value"},
      {"selector", "metric.selector"},
      {"averageValue", "current.averageValue"}}},
    {"External",
     "external",
     {{"metricName", "metric.name"},
      {"metricSelector", "metric.selector"},
      {"currentValue", "current.value"},
      {"currentAverageValue", "current.averageValue"}}},
    {"ContainerResource",
     "containerResource",
     {{"name", "name"},
      {"currentAverageUtilization", "current.averageUtilization"},
      {"currentAverageValue", "current.averageValue"},
      {"container", "container"}}},
};

static const struct notation *notation_of(const struct notation *table, str type)
{
    for (size_t i = 0; i < ARRAY_LEN(specs); i++)
        if (str_is(type, table[i].type))
            return &table[i];
    return NULL;
}

static void make_at(struct arena *a, struct json *obj, const char *path, struct json v)
{
    *json_make(a, obj, path, v.type) = v;
}

static struct json to_old(struct arena *a, const struct notation *table, const struct json *metric)
{
    const struct notation *n = notation_of(table, json_get_str(metric, "type"));
    struct json old = json_object(), inner = json_object();

    json_setz(a, &old, "type", json_string(json_get_str(metric, "type")));
    for (size_t i = 0; n && i < ARRAY_LEN(n->places) && n->places[i].old; i++) {
        const struct json *v = json_path(json_findz(metric, n->member), n->places[i].path);

        if (v && v->type != JSON_NULL)
            json_setz(a, &inner, n->places[i].old, *v);
    }
    if (n)
        json_setz(a, &old, n->member, inner);
    return old;
}

static struct json from_old(struct arena *a, const struct notation *table, const struct json *old)
{
    const struct notation *n = notation_of(table, json_get_str(old, "type"));
    const struct json *inner = n ? json_findz(old, n->member) : NULL;
    struct json metric = json_object(), made = json_object();

    json_setz(a, &metric, "type", json_string(json_get_str(old, "type")));
    for (size_t i = 0; inner && i < ARRAY_LEN(n->places) && n->places[i].old; i++) {
        const struct json *v = json_findz(inner, n->places[i].old);

        if (v && v->type != JSON_NULL)
            make_at(a, &made, n->places[i].path, *v);
    }
    /* v2 says which kind of target it is; the old notation had it in the member's name. */
    if (inner && table == specs && json_findz(&made, "target")) {
        struct json *target = json_findz(&made, "target");

        json_setz(a, target, "type",
                  json_z(json_findz(target, "averageUtilization") ? "Utilization"
                         : json_findz(target, "averageValue")     ? "AverageValue"
                                                                  : "Value"));
    }
    if (n)
        json_setz(a, &metric, n->member, made);
    return metric;
}

static bool is_cpu(const struct json *metric, const char *utilization)
{
    return str_is(json_get_str(metric, "type"), "Resource") &&
           str_is(json_get_str(metric, "resource.name"), "cpu") && json_path(metric, utilization);
}

static void annotate(struct arena *a, struct json *v, const char *name, const struct json *value)
{
    struct buf b = BUF_INIT;
    struct json *annotations = json_path(v, "metadata.annotations");

    if (!json_is(annotations, JSON_OBJECT))
        annotations = json_make(a, v, "metadata.annotations", JSON_OBJECT);
    json_encode(&b, value);
    json_setz(a, annotations, name, json_string(arena_dup(a, buf_view(&b))));
    buf_fini(&b);
}

/* Takes an annotation and gives its value; NULL: absent or not JSON (ignored, as Kubernetes does).
 */
static struct json *take_annotation(struct arena *a, struct json *v, const char *name)
{
    struct json *annotations = json_path(v, "metadata.annotations"), *parsed = NULL;
    struct json *text = json_findz(annotations, name);
    struct err *err;

    if (!json_is(text, JSON_STRING))
        return NULL;
    err = json_parse(a, text->s, NULL, NULL, &parsed);
    json_removez(annotations, name);
    if (err) {
        err_free(err);
        return NULL;
    }
    return parsed;
}

/* Member names of scaling rules in v2 and in the annotation (Go's field names). */
enum spelling { AS_V2, AS_GO };
static const char *const rule_names[][2] =
    {
        {"stabilizationWindowSeconds", "StabilizationWindowSeconds"},
        {"selectPolicy", "SelectPolicy"},
        {"policies", "Policies"},
        {"tolerance", "Tolerance"},
},
                         *const policy_names[][2] = {
                             {"type", "Type"},
                             {"value", "Value"},
                             {"periodSeconds", "PeriodSeconds"},
};

static struct json policies_spelled(struct arena *a, const struct json *policies, enum spelling to)
{
    struct json list = json_array();

    JSON_EACH(p, policies) {
        struct json policy = json_object();

        for (size_t i = 0; i < ARRAY_LEN(policy_names); i++) {
            const struct json *m = json_findz(p, policy_names[i][!to]);

            if (m)
                json_setz(a, &policy, policy_names[i][to], *m);
        }
        json_append(a, &list, policy);
    }
    return list;
}

/* Go's form writes every member, null where there is none; v2 leaves those out. */
static struct json rules_spelled(struct arena *a, const struct json *rules, enum spelling to)
{
    struct json out = json_object();

    if (!json_is(rules, JSON_OBJECT))
        return json_null();
    for (size_t i = 0; i < ARRAY_LEN(rule_names); i++) {
        const struct json *m = json_findz(rules, rule_names[i][!to]);
        struct json value = m ? *m : json_null();

        if (value.type == JSON_ARRAY)
            value = policies_spelled(a, m, to);
        if (to == AS_GO || value.type != JSON_NULL)
            json_setz(a, &out, rule_names[i][to], value);
    }
    return out;
}

struct err *convert_hpa_to_v1(struct arena *a, const struct resource *from,
                              const struct resource *to, struct json *v)
{
    struct json *spec = json_findz(v, "spec"), *status = json_findz(v, "status"),
                others = json_array(), current = json_array();
    const struct json *behavior = json_findz(spec, "behavior");

    JSON_EACH(m, json_findz(spec, "metrics")) {
        if (is_cpu(m, "resource.target.averageUtilization"))
            json_setz(a, spec, "targetCPUUtilizationPercentage",
                      json_int(json_get_int(m, "resource.target.averageUtilization", 0)));
        else
            json_append(a, &others, to_old(a, specs, m));
    }
    JSON_EACH(m, json_findz(status, "currentMetrics")) {
        if (is_cpu(m, "resource.current.averageUtilization"))
            json_setz(a, status, "currentCPUUtilizationPercentage",
                      json_int(json_get_int(m, "resource.current.averageUtilization", 0)));
        json_append(a, &current, to_old(a, values, m));
    }
    if (others.n)
        annotate(a, v, ANNOTATION_METRICS, &others);
    if (current.n > 1 ||
        (current.n && !json_findz(json_findz(v, "status"), "currentCPUUtilizationPercentage")))
        annotate(a, v, ANNOTATION_CURRENT, &current);
    spec = json_findz(v, "spec");
    status = json_findz(v, "status");
    behavior = json_findz(spec, "behavior");
    if (json_is(behavior, JSON_OBJECT)) {
        struct json go = json_object();

        json_setz(a, &go, "ScaleUp", rules_spelled(a, json_findz(behavior, "scaleUp"), AS_GO));
        json_setz(a, &go, "ScaleDown", rules_spelled(a, json_findz(behavior, "scaleDown"), AS_GO));
        annotate(a, v, ANNOTATION_BEHAVIOR, &go);
    }
    if (json_count(json_findz(status, "conditions")))
        annotate(a, v, ANNOTATION_CONDITIONS, json_findz(status, "conditions"));
    if (json_path(v, "metadata.annotations"))
        json_sort_keys(json_path(v, "metadata.annotations"));
    return NULL; /* what v1 does not know, schema_decode drops */
}

struct err *convert_hpa_to_v2(struct arena *a, const struct resource *from,
                              const struct resource *to, struct json *v)
{
    const struct json *old = take_annotation(a, v, ANNOTATION_METRICS),
                      *current = take_annotation(a, v, ANNOTATION_CURRENT);
    const struct json *conditions = take_annotation(a, v, ANNOTATION_CONDITIONS),
                      *go = take_annotation(a, v, ANNOTATION_BEHAVIOR);
    struct json metrics = json_array(), current_metrics = json_array();
    struct json *spec = json_make(a, v, "spec", JSON_OBJECT), *status;
    const struct json *cpu = json_findz(spec, "targetCPUUtilizationPercentage");

    JSON_EACH(m, old)
        json_append(a, &metrics, from_old(a, specs, m));
    if (json_is(cpu, JSON_INT)) {
        struct json metric = json_object();

        json_setz(a, &metric, "type", json_z("Resource"));
        make_at(a, &metric, "resource.name", json_z("cpu"));
        make_at(a, &metric, "resource.target.type", json_z("Utilization"));
        make_at(a, &metric, "resource.target.averageUtilization", *cpu);
        json_append(a, &metrics, metric);
    }
    if (metrics.n)
        json_setz(a, spec, "metrics", metrics);
    if (json_is(go, JSON_OBJECT)) {
        struct json behavior = json_object(),
                    up = rules_spelled(a, json_findz(go, "ScaleUp"), AS_V2),
                    down = rules_spelled(a, json_findz(go, "ScaleDown"), AS_V2);

        if (up.type == JSON_OBJECT)
            json_setz(a, &behavior, "scaleUp", up);
        if (down.type == JSON_OBJECT)
            json_setz(a, &behavior, "scaleDown", down);
        json_setz(a, spec, "behavior", behavior);
    }
    status = json_make(a, v, "status", JSON_OBJECT);
    JSON_EACH(m, current)
        json_append(a, &current_metrics, from_old(a, values, m));
    cpu = json_findz(status, "currentCPUUtilizationPercentage");
    if (json_is(cpu, JSON_INT) && !current_metrics.n) {
        struct json metric = json_object();

        json_setz(a, &metric, "type", json_z("Resource"));
        make_at(a, &metric, "resource.name", json_z("cpu"));
        make_at(a, &metric, "resource.current.averageUtilization", *cpu);
        json_append(a, &current_metrics, metric);
    }
    if (current_metrics.n)
        json_setz(a, status, "currentMetrics", current_metrics);
    if (json_is(conditions, JSON_ARRAY))
        json_setz(a, status, "conditions", *conditions);
    return NULL;
}
