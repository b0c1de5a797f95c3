/* cel_rules_test.c - x-kubernetes-validations: objects held against the rules of their schema. */
#include "schema/cel/rules.h"
#include "test/test.h"

static struct json *parse(struct arena *a, const char *text)
{
    struct json *j = NULL;

    CHECK_OK(json_parse(a, str_of(text), NULL, NULL, &j));
    return j;
}

/* "field|type|message" of each cause, a line each; warnings are marked. */
static str validate(struct arena *a, const char *schema, const char *now, const char *old)
{
    struct cel_rules *r = cel_rules_new(parse(a, schema));
    struct json warnings = json_array();
    struct err *errs = NULL;
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (!r)
        return S("no rules");
    cel_rules_validate(a, NULL, r, parse(a, now), old ? parse(a, old) : NULL, &warnings, &errs);
    for (unsigned i = 0; errs && i < errs->n_causes; i++)
        buf_fmt(&b, "%s%s|%s|%s", b.n ? "\n" : "", errs->causes[i].field, errs->causes[i].type,
                errs->causes[i].message);
    JSON_EACH(w, &warnings)
        buf_fmt(&b, "%swarning: " PRI_STR, b.n ? "\n" : "", STR_ARG(json_str(w)));
    err_free(errs);
    cel_rules_free(r);
    return arena_dup(a, buf_view(&b));
}

#define SPEC(rules, props)                                                                         \
    "{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\",\"x-kubernetes-"           \
    "validations\":[" rules "],\"properties\":{" props "}}}}"

TEST(cel_rules, a_broken_rule_is_an_error_at_its_value)
{
    static const char schema[] =
        SPEC("{\"rule\":\"self.min <= self.size\",\"message\":\" too small \"},{\"rule\":\"self."
             "color != 'pink'\",\"messageExpression\":\"'no ' + self.color\",\"reason\":"
             "\"FieldValueForbidden\",\"fieldPath\":\".color\"}",
             "\"min\":{\"type\":\"integer\"},\"size\":{\"type\":\"integer\"},\"color\":{\"type\":"
             "\"string\"}");
    CLEANUP(arena) struct arena *a = arena_new();

    CHECK_STRZ(validate(a, schema, "{\"spec\":{\"min\":1,\"size\":2,\"color\":\"red\"}}", NULL),
               "");
    CHECK_STRZ(validate(a, schema, "{\"spec\":{\"min\":3,\"size\":2,\"color\":\"pink\"}}", NULL),
               "spec|FieldValueInvalid|Invalid value: \"object\": too "
               "small\nspec.color|FieldValueForbidden|Forbidden: no pink");
    CHECK_STRZ(validate(a, schema, "{\"spec\":{\"min\":3,\"color\":\"red\"}}", NULL),
               "spec|FieldValueInvalid|Invalid value: \"object\": no such key: size evaluating "
               "rule: too small");
    CHECK_STRZ(validate(a, schema, "{}", NULL), "");
}

TEST(cel_rules, a_rule_without_a_message_names_itself)
{
    static const char schema[] =
        SPEC("{\"rule\":\"self.size > 1 \"}", "\"size\":{\"type\":\"integer\"}");
    CLEANUP(arena) struct arena *a = arena_new();

    CHECK_STRZ(validate(a, schema, "{\"spec\":{\"size\":1}}", NULL),
               "spec|FieldValueInvalid|Invalid value: \"object\": failed rule: self.size > 1");
}

TEST(cel_rules, transitions_are_only_checked_where_there_was_a_value)
{
    static const char schema[] =
        "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\",\"x-kubernetes-"
        "validations\":[{\"rule\":\"self == oldSelf\",\"message\":\"cannot "
        "change\"}]},\"parts\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"map\",\"x-"
        "kubernetes-list-map-keys\":[\"n\"],\"items\":{\"type\":\"object\",\"properties\":{\"n\":{"
        "\"type\":\"string\"},\"v\":{\"type\":\"integer\",\"x-kubernetes-validations\":[{\"rule\":"
        "\"self >= oldSelf\",\"message\":\"only up\"}]}}}}}}";
    CLEANUP(arena) struct arena *a = arena_new();

    CHECK_STRZ(validate(a, schema, "{\"id\":\"b\"}", NULL), "");
    CHECK_STRZ(validate(a, schema, "{\"id\":\"b\"}", "{}"), "");
    CHECK_STRZ(validate(a, schema, "{\"id\":\"b\"}", "{\"id\":\"a\"}"),
               "id|FieldValueInvalid|Invalid value: \"string\": cannot change");
    CHECK_STRZ(validate(a, schema,
                        "{\"parts\":[{\"n\":\"x\",\"v\":0},{\"n\":\"y\",\"v\":1},{\"n\":\"z\","
                        "\"v\":-1}]}",
                        "{\"parts\":[{\"n\":\"y\",\"v\":2},{\"n\":\"x\",\"v\":0}]}"),
               "parts[1].v|FieldValueInvalid|Invalid value: \"integer\": only up");
}

TEST(cel_rules, the_old_value_may_be_optional)
{
    static const char schema[] =
        "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\",\"x-kubernetes-"
        "validations\":[{\"rule\":\"oldSelf.hasValue() || self == "
        "'new'\",\"optionalOldSelf\":true}]}}}";
    CLEANUP(arena) struct arena *a = arena_new();

    CHECK_STRZ(validate(a, schema, "{\"id\":\"new\"}", NULL), "");
    CHECK_STRZ(validate(a, schema, "{\"id\":\"x\"}", "{\"id\":\"y\"}"), "");
    CHECK_STRZ(validate(a, schema, "{\"id\":\"x\"}", NULL),
               "id|FieldValueInvalid|Invalid value: \"string\": failed rule: oldSelf.hasValue() || "
               "self == 'new'");
}

TEST(cel_rules, what_was_wrong_before_and_has_not_changed_is_a_warning)
{
    static const char schema[] =
        SPEC("{\"rule\":\"self.size > 1\"}", "\"size\":{\"type\":\"integer\"}");
    CLEANUP(arena) struct arena *a = arena_new();

    CHECK_STRZ(validate(a, schema, "{\"spec\":{\"size\":1}}", "{\"spec\":{\"size\":1}}"),
               "warning: spec: Invalid value: \"object\": failed rule: self.size > 1");
    CHECK_STRZ(validate(a, schema, "{\"spec\":{\"size\":0}}", "{\"spec\":{\"size\":1}}"),
               "spec|FieldValueInvalid|Invalid value: \"object\": failed rule: self.size > 1");
}

TEST(cel_rules, map_entries_and_list_items_are_named_in_the_path)
{
    static const char schema[] =
        "{\"type\":\"object\",\"properties\":{\"m\":{\"type\":\"object\",\"additionalProperties\":{"
        "\"type\":\"integer\",\"x-kubernetes-validations\":[{\"rule\":\"self > "
        "0\",\"message\":\"m\"}]}},\"l\":{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"x-"
        "kubernetes-validations\":[{\"rule\":\"self > 0\",\"message\":\"l\"}]}}}}";
    CLEANUP(arena) struct arena *a = arena_new();

    CHECK_STRZ(validate(a, schema, "{\"m\":{\"a\":0},\"l\":[1,0]}", NULL),
               "m[a]|FieldValueInvalid|Invalid value: \"integer\": "
               "m\nl[1]|FieldValueInvalid|Invalid value: \"integer\": l");
}

TEST(cel_rules, the_root_sees_its_metadata_and_has_no_path)
{
    static const char schema[] = "{\"type\":\"object\",\"x-kubernetes-validations\":[{\"rule\":"
                                 "\"self.metadata.name.startsWith('x')\"}]}";
    CLEANUP(arena) struct arena *a = arena_new();

    CHECK_STRZ(validate(a, schema, "{\"metadata\":{\"name\":\"xa\"}}", NULL), "");
    CHECK_STRZ(validate(a, schema, "{\"metadata\":{\"name\":\"a\"}}", NULL),
               "<nil>|FieldValueInvalid|Invalid value: \"object\": failed rule: "
               "self.metadata.name.startsWith('x')");
}

TEST(cel_rules, all_rules_share_a_budget)
{
    static const char schema[] =
        "{\"type\":\"object\",\"properties\":{\"l\":{\"type\":\"array\",\"x-kubernetes-"
        "validations\":[{\"rule\":\"self.all(x, self.all(y, y == "
        "x))\"}],\"items\":{\"type\":\"integer\"}}}}";
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_z(&b, "{\"l\":[0");
    for (int i = 0; i < 1000; i++)
        buf_z(&b, ",0");
    buf_z(&b, "]}");
    CHECK_STRZ(validate(a, schema, buf_cstr(&b), NULL),
               "l|FieldValueInvalid|Invalid value: \"array\": 'operation cancelled: actual cost "
               "limit exceeded': no further validation rules will be run due to call cost exceeds "
               "limit for rule: self.all(x, self.all(y, y == x))");
}

TEST(cel_rules, they_are_not_run_on_what_has_not_the_form_for_them)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct cel_rules *r = cel_rules_new(
        parse(a, "{\"type\":\"object\",\"x-kubernetes-validations\":[{\"rule\":\"false\"}]}"));
    struct err *errs = err_new(REASON_INVALID, "%s", "");

    err_cause_add(errs, "FieldValueRequired", S("spec"), S("Required value"));
    cel_rules_validate(a, NULL, r, parse(a, "{}"), NULL, NULL, &errs);
    CHECK_INT(errs->n_causes, 2);
    CHECK_STRZ(str_of(errs->causes[1].field), "<nil>");
    CHECK_STRZ(str_of(errs->causes[1].message),
               "Invalid value: null: some validation rules were not checked because the object was "
               "invalid; correct the existing errors to complete validation");
    err_free(errs);
    cel_rules_free(r);
}

TEST(cel_rules, a_schema_without_rules_has_none)
{
    CLEANUP(arena) struct arena *a = arena_new();

    CHECK_STRZ(validate(a, "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}}}",
                        "{}", NULL),
               "no rules");
}

TEST_MAIN
