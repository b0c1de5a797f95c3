/* convert_test.c - an object between the versions of its kind. */
#include "schema/schema.h"
#include "test/test.h"

static str encode(struct arena *a, const struct json *v)
{
    struct buf b = BUF_INIT;
    str s;

    json_encode(&b, v);
    s = arena_dup(a, buf_view(&b));
    buf_fini(&b);
    return s;
}

static const struct resource *resource(const char *group, const char *version, const char *plural)
{
    const struct resource *r = schema_find_resource(str_of(group), str_of(version), str_of(plural));

    BUG_ON(!r);
    return r;
}

static void check_convert(const struct resource *from, const struct resource *to, const char *given,
                          const char *want)
{
    struct arena *a = arena_new();
    struct json *v = NULL;

    CHECK_OK(json_parse(a, str_of(given), NULL, NULL, &v));
    CHECK_OK(schema_decode(a, from->type, v, NULL));
    CHECK_OK(schema_convert(a, from, to, v));
    json_removez(v, "status");
    CHECK_STRZ(encode(a, v), want);
    arena_free(a);
}

TEST(schema_convert, an_old_ingress_finds_its_service_again)
{
    const struct resource *old = resource("extensions", "v1beta1", "ingresses"),
                          *v1 = resource("networking.k8s.io", "v1", "ingresses");
    const char *o = "{\"kind\":\"Ingress\",\"apiVersion\":\"extensions/"
                    "v1beta1\",\"metadata\":{\"name\":\"web\"},\"spec\":{\"backend\":"
                    "{\"serviceName\":\"b\",\"servicePort\":\"http\"},\"rules\":[{\"http\":{"
                    "\"paths\":[{\"pathType\":\"ImplementationSpecific\","
                    "\"backend\":{\"serviceName\":\"web\",\"servicePort\":80}}]}}]}}";
    const char *n = "{\"kind\":\"Ingress\",\"apiVersion\":\"networking.k8s.io/"
                    "v1\",\"metadata\":{\"name\":\"web\"},\"spec\":{\"defaultBackend\":"
                    "{\"service\":{\"name\":\"b\",\"port\":{\"name\":\"http\"}}},\"rules\":[{"
                    "\"http\":{\"paths\":[{\"pathType\":"
                    "\"ImplementationSpecific\",\"backend\":{\"service\":{\"name\":\"web\","
                    "\"port\":{\"number\":80}}}}]}}]}}";

    CHECK(schema_find_storage(old) == v1);
    check_convert(old, v1, o, n);
    check_convert(v1, old, n, o);
}

TEST(schema_convert, an_old_deployment_gets_its_selector_from_the_template)
{
    check_convert(
        resource("apps", "v1beta1", "deployments"), resource("apps", "v1", "deployments"),
        "{\"kind\":\"Deployment\",\"apiVersion\":\"apps/"
        "v1beta1\",\"metadata\":{\"name\":\"d\"},\"spec\":{\"rollbackTo\":{\"revision\":3},"
        "\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":"
        "\"c\"}]}}}}",
        "{\"kind\":\"Deployment\",\"apiVersion\":\"apps/"
        "v1\",\"metadata\":{\"name\":\"d\",\"labels\":{\"a\":\"b\"},\"annotations\":"
        "{\"deprecated.deployment.rollback.to\":\"3\"}},\"spec\":{\"selector\":{\"matchLabels\":{"
        "\"a\":\"b\"}},\"template\":{\"metadata\":"
        "{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"resources\":{}}]}},"
        "\"strategy\":{},"
        "\"revisionHistoryLimit\":2,\"progressDeadlineSeconds\":600}}");
}

TEST(schema_convert, an_event_is_the_same_in_both_groups)
{
    const char *core = "{\"kind\":\"Event\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"},"
                       "\"involvedObject\":{\"kind\":\"Pod\",\"name\":\"p\"},"
                       "\"reason\":\"Test\",\"message\":\"hello\",\"source\":{\"component\":"
                       "\"kubelet\"},\"firstTimestamp\":null,\"lastTimestamp\":null,"
                       "\"count\":3,\"type\":\"Normal\",\"eventTime\":null,\"reportingComponent\":"
                       "\"\",\"reportingInstance\":\"\"}";
    const char *events =
        "{\"kind\":\"Event\",\"apiVersion\":\"events.k8s.io/"
        "v1\",\"metadata\":{\"name\":\"x\"},\"eventTime\":null,\"reason\":\"Test\","
        "\"regarding\":{\"kind\":\"Pod\",\"name\":\"p\"},\"note\":\"hello\",\"type\":\"Normal\","
        "\"deprecatedSource\":{\"component\":"
        "\"kubelet\"},\"deprecatedFirstTimestamp\":null,\"deprecatedLastTimestamp\":null,"
        "\"deprecatedCount\":3}";

    check_convert(resource("", "v1", "events"), resource("events.k8s.io", "v1", "events"), core,
                  events);
    check_convert(resource("events.k8s.io", "v1", "events"), resource("", "v1", "events"), events,
                  core);
}

TEST(schema_convert, an_autoscaler_keeps_in_annotations_what_v1_cannot_say)
{
    const struct resource *v1 = resource("autoscaling", "v1", "horizontalpodautoscalers");
    const struct resource *v2 = resource("autoscaling", "v2", "horizontalpodautoscalers");
    const char *one =
        "{\"kind\":\"HorizontalPodAutoscaler\",\"apiVersion\":\"autoscaling/"
        "v1\",\"metadata\":{\"name\":\"z\",\"annotations\":{"
        "\"autoscaling.alpha.kubernetes.io/"
        "behavior\":\"{\\\"ScaleUp\\\":null,\\\"ScaleDown\\\":{\\\"StabilizationWindowSeconds\\\":"
        "60,"
        "\\\"SelectPolicy\\\":\\\"Max\\\",\\\"Policies\\\":[{\\\"Type\\\":\\\"Percent\\\","
        "\\\"Value\\\":10,\\\"PeriodSeconds\\\":60}],"
        "\\\"Tolerance\\\":null}}\",\"autoscaling.alpha.kubernetes.io/"
        "metrics\":\"[{\\\"type\\\":\\\"Object\\\",\\\"object\\\":{\\\"target\\\":"
        "{\\\"kind\\\":\\\"Ingress\\\",\\\"name\\\":\\\"i\\\",\\\"apiVersion\\\":\\\"networking."
        "k8s.io/v1\\\"},\\\"metricName\\\":\\\"m\\\","
        "\\\"targetValue\\\":\\\"2k\\\",\\\"selector\\\":{\\\"matchLabels\\\":{\\\"a\\\":\\\"b\\\"}"
        "}}}]\"}},\"spec\":{\"scaleTargetRef\":{\"kind\":"
        "\"Deployment\",\"name\":\"d\"},\"maxReplicas\":3,\"targetCPUUtilizationPercentage\":70}}";
    const char *two = "{\"kind\":\"HorizontalPodAutoscaler\",\"apiVersion\":\"autoscaling/"
                      "v2\",\"metadata\":{\"name\":\"z\"},\"spec\":{\"scaleTargetRef\":"
                      "{\"kind\":\"Deployment\",\"name\":\"d\"},\"maxReplicas\":3,\"metrics\":[{"
                      "\"type\":\"Object\",\"object\":{\"describedObject\":{\"kind\":"
                      "\"Ingress\",\"name\":\"i\",\"apiVersion\":\"networking.k8s.io/"
                      "v1\"},\"target\":{\"type\":\"Value\",\"value\":\"2k\"},\"metric\":{\"name\":"
                      "\"m\",\"selector\":{\"matchLabels\":{\"a\":\"b\"}}}}},{\"type\":"
                      "\"Resource\",\"resource\":{\"name\":\"cpu\",\"target\":{\"type\":"
                      "\"Utilization\",\"averageUtilization\":70}}}],\"behavior\":{\"scaleDown\":{"
                      "\"stabilizationWindowSeconds\":60,\"selectPolicy\":\"Max\","
                      "\"policies\":[{\"type\":\"Percent\",\"value\":10,\"periodSeconds\":60}]}}}}";

    check_convert(v1, v2, one, two);
    check_convert(v2, v1, two, one);
}

TEST(schema_convert, every_removed_kind_reaches_its_storage_and_comes_back)
{
    for (size_t i = 0; i < schema_n_resources; i++) {
        const struct resource *r = &schema_resources[i], *s = schema_find_storage(r);
        struct arena *a = arena_new();
        struct json *v = NULL;

        if (!r->legacy) {
            arena_free(a);
            continue;
        }
        if (s == r)
            test_fail(__FILE__, __LINE__, PRI_STR "/" PRI_STR " " PRI_STR " has no storage",
                      STR_ARG(r->group), STR_ARG(r->version), STR_ARG(r->kind));
        CHECK_OK(json_parse(a, S("{\"metadata\":{\"name\":\"x\"}}"), NULL, NULL, &v));
        CHECK_OK(schema_decode(a, r->type, v, NULL));
        CHECK_OK(schema_convert(a, r, s, v));
        CHECK_STR(json_get_str(v, "kind"), s->kind);
        CHECK_OK(schema_convert(a, s, r, v));
        CHECK_STR(json_get_str(v, "metadata.name"), S("x"));
        arena_free(a);
    }
}

TEST_MAIN
