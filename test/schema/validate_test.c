/* validate_test.c - rules beside fields, in Kubernetes' words. */
#include "schema/schema.h"
#include "schema/validate.h"
#include "test/test.h"

/* All causes as "type field: message" lines. */
static void check(const char *type, const char *object, const char *want)
{
    struct arena *a = arena_new();
    const struct schema_type *t = schema_find_type(str_of(type));
    struct json *v = NULL;
    struct err *errs = NULL;
    struct buf b = BUF_INIT;

    CHECK_OK(json_parse(a, str_of(object), NULL, NULL, &v));
    CHECK_OK(schema_decode(a, t, v, NULL));
    schema_validate(a, t, v, S(""), &errs);
    for (unsigned i = 0; errs && i < errs->n_causes; i++)
        buf_fmt(&b, "%s %s: %s\n", errs->causes[i].type, errs->causes[i].field,
                errs->causes[i].message);
    CHECK_STRZ(buf_view(&b), want);
    err_free(errs);
    buf_fini(&b);
    arena_free(a);
}

TEST(schema_validate, what_is_required_is_named_by_path)
{
    check("io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBinding",
          "{\"spec\":{\"paramRef\":{\"name\":\"p\"}}}",
          "FieldValueRequired spec.policyName: Required value\n");
}

TEST(schema_validate, an_unsupported_value_is_told_the_supported_ones)
{
    check("io.k8s.api.storage.v1.CSIDriver", "{\"spec\":{\"fsGroupPolicy\":\"B\\\"ad\"}}",
          "FieldValueNotSupported spec.fsGroupPolicy: Unsupported value: \"B\\\"ad\": supported "
          "values: \"File\", \"None\", "
          "\"ReadWriteOnceWithFSType\"\n");
    check("io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicySpec",
          "{\"failurePolicy\":\"Bad\"}",
          "FieldValueNotSupported failurePolicy: Unsupported value: \"Bad\": supported "
          "values: \"Fail\", \"Ignore\"\n");
}

TEST(schema_validate, numbers_have_bounds)
{
    check("io.k8s.api.autoscaling.v1.ScaleSpec", "{\"replicas\":-1}",
          "FieldValueInvalid replicas: Invalid value: -1: must be greater than or equal to 0\n");
}

static void check_format(const char *format, const char *value, const char *want)
{
    struct arena *a = arena_new();
    str texts[FORMAT_PROBLEMS_MAX];
    struct buf b = BUF_INIT;
    size_t n = format_problems(a, str_of(format), str_of(value), texts);

    for (size_t i = 0; i < n; i++)
        buf_fmt(&b, "%s%.40s", i ? "|" : "", texts[i].p);
    CHECK_STRZ(buf_view(&b), want);
    buf_fini(&b);
    arena_free(a);
}

TEST(schema_validate, names_have_forms)
{
    check_format("dns-label", "a-1", "");
    check_format("dns-label", "a.b", "a lowercase RFC 1123 label must consist ");
    check_format("dns-label", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                 "must be no more than 63 bytes");
    check_format("dns-subdomain", "a.b-c.d", "");
    check_format("dns-subdomain", "a..b", "a lowercase RFC 1123 subdomain must cons");
    check_format("dns-subdomain", "a.", "a lowercase RFC 1123 subdomain must cons");
    check_format("dns-1035-label", "1a", "a DNS-1035 label must consist of lower c");
    check_format("qualified-name", "example.com/a_B", "");
    check_format("qualified-name", "a/b/c", "a qualified name must consist of alphanu");
    check_format("qualified-name", "UP/",
                 "prefix part a lowercase RFC 1123 subdoma|name part must be non-empty|name part "
                 "must consist of alphanumeric c");
    check_format("label-value", "", "");
    check_format("label-value", "-a", "a valid label must be an empty string or");
    check_format("port-name", "http-2", "");
    check_format("port-name", "80", "must contain at least one letter (a-z)");
    check_format("ip", "10.0.0.1", "");
    check_format("ip", "010.0.0.1", "must be a valid IP address, (e.g. 10.9.8");
    check_format("cidr", "10.0.0.0/33", "must be a valid CIDR value, (e.g. 10.9.8");
    check_format("cidr", "2001:db8::/64", "");
    check_format("percent", "5%", "");
    check_format("path-segment", "a/b", "may not contain '/'");
}

TEST_MAIN
