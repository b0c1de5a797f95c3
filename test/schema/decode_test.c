/* decode_test.c - typed decoding: Go's form, Go's words. */
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

static void check(const char *type, const char *given, const char *want)
{
    struct arena *a = arena_new();
    struct json *v = NULL;
    struct err *err;

    CHECK_OK(json_parse(a, str_of(given), NULL, NULL, &v));
    err = schema_decode(a, schema_find_type(str_of(type)), v, NULL);
    CHECK_STRZ(err ? str_of(err_text(err)) : encode(a, v), want);
    err_free(err);
    arena_free(a);
}

#define CORE "io.k8s.api.core.v1."

TEST(schema_decode, members_come_in_gos_order_with_gos_omissions)
{
    check(CORE "Pod",
          "{\"spec\":{\"hostNetwork\":false,\"containers\":[{\"image\":\"i\",\"name\":\"c\","
          "\"env\":[]}],\"priority\":0},\"kind\":\"Pod\",\"metadata\":"
          "{\"labels\":{\"b\":\"2\",\"a\":\"1\"},\"name\":\"x\",\"creationTimestamp\":null},"
          "\"apiVersion\":\"v1\"}",
          "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\",\"labels\":{\"a\":"
          "\"1\",\"b\":\"2\"}},\"spec\":{\"containers\":[{\"name\":"
          "\"c\",\"image\":\"i\",\"resources\":{}}],\"priority\":0},\"status\":{}}");
}

TEST(schema_decode, what_go_writes_without_omitempty_is_there)
{
    check("io.k8s.api.rbac.v1.ClusterRole", "{}", "{\"metadata\":{},\"rules\":null}");
    check("io.k8s.api.apps.v1.StatefulSetStatus", "{}", "{\"replicas\":0,\"availableReplicas\":0}");
    check(CORE "PodCondition", "{\"type\":\"Ready\",\"status\":\"True\"}",
          "{\"type\":\"Ready\",\"status\":\"True\",\"lastProbeTime\":null,\"lastTransitionTime\":"
          "null}");
}

TEST(schema_decode, an_empty_list_is_there_until_it_is_stored)
{
    struct arena *a = arena_new();
    const struct schema_type *t = schema_find_type(S("io.k8s.api.rbac.v1.ClusterRole"));
    struct json *v = NULL;

    CHECK_OK(json_parse(a, S("{\"rules\":[]}"), NULL, NULL, &v));
    CHECK_OK(schema_decode(a, t, v, NULL));
    CHECK_STRZ(encode(a, v), "{\"metadata\":{},\"rules\":[]}");
    schema_settle(t, v);
    CHECK_STRZ(encode(a, v), "{\"metadata\":{},\"rules\":null}");
    arena_free(a);
}

TEST(schema_decode, a_wrong_type_is_reported_as_go_does)
{
    check("io.k8s.api.apps.v1.Deployment", "{\"spec\":{\"replicas\":\"3\"}}",
          "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type "
          "int32");
    check(CORE "Pod", "{\"spec\":{\"containers\":[{\"env\":[{\"name\":\"a\",\"value\":1}]}]}}",
          "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of "
          "type string");
    check(CORE "Pod", "{\"spec\":{\"containers\":{}}}",
          "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type "
          "[]v1.Container");
    check(CORE "Pod", "[]", "json: cannot unmarshal array into Go value of type v1.Pod");
    check(CORE "ConfigMap", "{\"data\":{\"a\":true}}",
          "json: cannot unmarshal bool into Go struct field ConfigMap.data of type string");
    check("io.k8s.api.apps.v1.Deployment", "{\"spec\":{\"replicas\":3000000000}}",
          "json: cannot unmarshal number 3000000000 into Go struct field "
          "DeploymentSpec.spec.replicas of type int32");
    check("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions", "{\"gracePeriodSeconds\":\"x\"}",
          "json: cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds of "
          "type int64");
}

TEST(schema_decode, quantities_and_times_are_canonical)
{
    check(CORE "ResourceRequirements",
          "{\"limits\":{\"cpu\":0.5,\"memory\":\"0.5Gi\"},\"requests\":{\"cpu\":\"1000m\"}}",
          "{\"limits\":{\"cpu\":\"500m\",\"memory\":\"512Mi\"},\"requests\":{\"cpu\":\"1\"}}");
    check(CORE "ResourceRequirements", "{\"limits\":{\"cpu\":\"1x\"}}",
          "quantities must match the regular expression "
          "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    check(CORE "ResourceRequirements", "{\"limits\":{\"cpu\":\"1ki\"}}",
          "unable to parse quantity's suffix");
    check(CORE "Taint",
          "{\"key\":\"a\",\"effect\":\"NoSchedule\",\"timeAdded\":\"2021-01-01T02:00:00.5+02:00\"}",
          "{\"key\":\"a\",\"effect\":\"NoSchedule\",\"timeAdded\":\"2021-01-01T00:00:00Z\"}");
    check(
        CORE "Taint", "{\"key\":\"a\",\"effect\":\"NoSchedule\",\"timeAdded\":\"bad\"}",
        "parsing time \"bad\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"bad\" as \"2006\"");
    check("io.k8s.api.coordination.v1.LeaseSpec", "{\"renewTime\":\"2021-01-01T00:00:00Z\"}",
          "parsing time \"2021-01-01T00:00:00Z\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot "
          "parse \"Z\" as \".000000\"");
    check(CORE "Taint", "{\"key\":\"a\",\"effect\":\"x\",\"timeAdded\":\"2021-02-30T00:00:00Z\"}",
          "parsing time \"2021-02-30T00:00:00Z\": day out of range");
}

TEST(schema_decode, bytes_are_base64)
{
    check(CORE "Secret", "{\"data\":{\"a\":\"aGVsbG8=\",\"b\":null}}",
          "{\"metadata\":{},\"data\":{\"a\":\"aGVsbG8=\",\"b\":\"\"}}");
    check(CORE "Secret", "{\"data\":{\"a\":\"!!\"}}", "illegal base64 data at input byte 0");
}

TEST(schema_decode, unknown_fields_are_named_by_path_in_the_documents_order)
{
    struct arena *a = arena_new();
    struct schema_warnings w = {.list = NULL};
    struct json *v = NULL;

    CHECK_OK(json_parse(a,
                        S("{\"spec\":{\"containers\":[{\"name\":\"c\",\"imagee\":\"y\","
                          "\"resources\":{\"limit\":{}}}],\"nosuch\":1},"
                          "\"nosuchTop\":{\"a\":1},\"status\":{\"foo\":1}}"),
                        NULL, NULL, &v));
    CHECK_OK(schema_decode(a, schema_find_type(S(CORE "Pod")), v, &w));
    CHECK_STRZ(encode(a, w.list), "[\"unknown field \\\"spec.containers[0].imagee\\\"\",\"unknown "
                                  "field \\\"spec.containers[0].resources.limit\\\"\","
                                  "\"unknown field \\\"spec.nosuch\\\"\",\"unknown field "
                                  "\\\"nosuchTop\\\"\",\"unknown field \\\"status.foo\\\"\"]");
    arena_free(a);
}

TEST(schema_decode, a_schema_may_be_a_bool_or_a_list)
{
    check("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps",
          "{\"additionalProperties\":false,\"items\":{\"type\":\"string\"},\"default\":{\"a\":[1,"
          "null]},\"minimum\":0}",
          "{\"default\":{\"a\":[1,null]},\"minimum\":0,\"items\":{\"type\":\"string\"},"
          "\"additionalProperties\":false}");
}

TEST(protobuf, entries_of_a_map_in_any_order_count_once_the_last_one)
{
    static const char entries[] = "\x12\x06\n\x01v\x12\x01"
                                  "1"
                                  "\x12\x05\n\x00\x12\x01"
                                  "0"
                                  "\x12\x06\n\x01v\x12\x01"
                                  "2";
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *v = NULL;

    CHECK_OK(proto_decode(a, schema_find_type(S(CORE "ConfigMap")),
                          (str){entries, sizeof entries - 1}, &v));
    CHECK_STRZ(encode(a, json_findz(v, "data")), "{\"\":\"0\",\"v\":\"2\"}");
}

TEST(protobuf, a_field_without_a_number_is_refused)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *v = NULL;
    struct err *e = proto_decode(a, schema_find_type(S(CORE "ConfigMap")), (str){"\0\0", 2}, &v);

    CHECK(e);
    err_free(e);
}

TEST_MAIN
