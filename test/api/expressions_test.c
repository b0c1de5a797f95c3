/* expressions_test.c - x-kubernetes-validations: what may be defined, and what holds for objects. */
#include "test/api/world.h"

#define CRDS "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define WIDGETS "/apis/example.com/v1/namespaces/default/widgets"

static const char *definition(struct world *w, const char *spec)
{
    return arena_fmt(w->arena,
                     "{\"metadata\":{\"name\":\"widgets.example.com\"},\"spec\":{\"group\":"
                     "\"example.com\",\"scope\":\"Namespaced\",\"names\":{\"plural\":\"widgets\","
                     "\"kind\":\"Widget\"},\"versions\":[{\"name\":\"v1\",\"served\":true,"
                     "\"storage\":true,\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\","
                     "\"properties\":{\"spec\":%s}}}}]}}",
                     spec)
        .p;
}

static void begin(struct world *w, const char *spec)
{
    world_init(w);
    world_json(w, "POST", CRDS, definition(w, spec), 201);
    world_run(w, NS_PER_S);
}

static const char *widget(struct world *w, const char *spec)
{
    return arena_fmt(
               w->arena,
               "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":"
               "\"a\"},\"spec\":%s}",
               spec)
        .p;
}

/* "field: message" of the first cause; empty: accepted. */
static str created(struct world *w, const char *spec)
{
    struct call *c = world_call(w, "POST", WIDGETS, widget(w, spec), NULL);
    struct json *cause = json_item(json_path(call_json(c), "details.causes"), 0);
    str out = c->status == 201
                  ? S("")
                  : arena_fmt(w->arena, PRI_STR ": " PRI_STR, STR_ARG(json_get_str(cause, "field")),
                              STR_ARG(json_get_str(cause, "message")));

    call_free(c);
    return out;
}

static str merged(struct world *w, const char *spec, str *ret_warning)
{
    struct call *c =
        world_call(w, "PATCH", WIDGETS "/a", arena_fmt(w->arena, "{\"spec\":%s}", spec).p,
                   "Content-Type: application/merge-patch+json");
    struct json *cause = json_item(json_path(call_json(c), "details.causes"), 0);
    str out = c->status == 200
                  ? S("")
                  : arena_fmt(w->arena, PRI_STR ": " PRI_STR, STR_ARG(json_get_str(cause, "field")),
                              STR_ARG(json_get_str(cause, "message")));

    if (ret_warning)
        *ret_warning = arena_dup(w->arena, call_header(c, "Warning"));
    call_free(c);
    return out;
}

TEST(rules, hold_for_every_object_in_the_words_of_their_messages)
{
    struct world w;

    begin(&w,
          "{\"type\":\"object\",\"properties\":{\"min\":{\"type\":\"integer\"},\"max\":{"
          "\"type\":\"integer\"},\"color\":{\"type\":\"string\"}},"
          "\"x-kubernetes-validations\":[{\"rule\":\"self.min <= self.max\"},{\"rule\":"
          "\"!has(self.color) || self.color != 'pink'\",\"messageExpression\":"
          "\"'not ' + self.color\",\"reason\":\"FieldValueForbidden\",\"fieldPath\":\".color\"},"
          "{\"rule\":\"self.max < 100\",\"message\":\"too much\"}]}");
    CHECK_STRZ(created(&w, "{\"min\":5,\"max\":4}"),
               "spec: Invalid value: \"object\": failed rule: self.min <= self.max");
    CHECK_STRZ(created(&w, "{\"min\":1,\"max\":4,\"color\":\"pink\"}"),
               "spec.color: Forbidden: not pink");
    CHECK_STRZ(created(&w, "{\"min\":1,\"max\":400}"), "spec: Invalid value: \"object\": too much");
    CHECK_STRZ(created(&w, "{\"min\":1}"),
               "spec: Invalid value: \"object\": no such key: max evaluating rule: self.min <= "
               "self.max");
    CHECK_STRZ(created(&w, "{\"min\":1,\"max\":2}"), "");
    world_fini(&w);
}

TEST(rules, about_transitions_see_what_was_there)
{
    struct world w;

    begin(
        &w,
        "{\"type\":\"object\",\"properties\":{\"fixed\":{\"type\":\"string\","
        "\"x-kubernetes-validations\":[{\"rule\":\"self == oldSelf\",\"message\":\"cannot "
        "change\"}]},\"once\":{\"type\":\"string\",\"x-kubernetes-validations\":[{\"rule\":"
        "\"oldSelf.hasValue() || self == 'first'\",\"optionalOldSelf\":true}]},\"list\":{\"type\":"
        "\"array\",\"maxItems\":5,\"x-kubernetes-list-type\":\"map\","
        "\"x-kubernetes-list-map-keys\":[\"k\"],\"items\":{\"type\":\"object\",\"required\":["
        "\"k\"],\"properties\":{\"k\":{\"type\":\"string\"},\"v\":{\"type\":\"integer\","
        "\"x-kubernetes-validations\":[{\"rule\":\"self >= oldSelf\"}]}}}}}}");
    CHECK_STRZ(created(&w, "{\"fixed\":\"x\",\"once\":\"second\"}"),
               "spec.once: Invalid value: \"string\": failed rule: oldSelf.hasValue() || self == "
               "'first'");
    CHECK_STRZ(created(&w, "{\"fixed\":\"x\",\"once\":\"first\",\"list\":[{\"k\":\"a\",\"v\":1},{"
                           "\"k\":\"b\",\"v\":5}]}"),
               "");
    CHECK_STRZ(merged(&w, "{\"fixed\":\"y\"}", NULL),
               "spec.fixed: Invalid value: \"string\": cannot change");
    CHECK_STRZ(merged(&w, "{\"once\":\"second\"}", NULL), "");
    /* Items are matched by their keys, wherever they stand. */
    CHECK_STRZ(merged(&w,
                      "{\"list\":[{\"k\":\"b\",\"v\":6},{\"k\":\"a\",\"v\":1},{\"k\":\"c\","
                      "\"v\":0}]}",
                      NULL),
               "");
    CHECK_STRZ(merged(&w, "{\"list\":[{\"k\":\"b\",\"v\":5}]}", NULL),
               "spec.list[0].v: Invalid value: \"integer\": failed rule: self >= oldSelf");
    world_fini(&w);
}

TEST(rules, that_are_new_let_pass_what_has_not_changed)
{
    struct world w;
    struct call *c;
    str warning;

    begin(&w, "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":"
              "\"integer\"},\"s\":{\"type\":\"string\"}}}");
    CHECK_STRZ(created(&w, "{\"a\":5,\"b\":1,\"s\":\"toolong\"}"), "");
    c = world_call(&w, "PATCH", CRDS "/widgets.example.com",
                   "[{\"op\":\"add\",\"path\":\"/spec/versions/0/schema/openAPIV3Schema/properties/"
                   "spec/properties/a/x-kubernetes-validations\",\"value\":[{\"rule\":\"self < 3\"}"
                   "]},{\"op\":\"add\",\"path\":\"/spec/versions/0/schema/openAPIV3Schema/"
                   "properties/spec/properties/s/maxLength\",\"value\":3}]",
                   "Content-Type: application/json-patch+json");
    CHECK_INT(c->status, 200);
    call_free(c);
    world_run(&w, NS_PER_S);
    CHECK_STRZ(merged(&w, "{\"b\":2}", &warning), "");
    CHECK(str_find(warning, S("spec.a: Invalid value")) >= 0);
    CHECK_STRZ(merged(&w, "{\"a\":6}", NULL),
               "spec.a: Invalid value: \"integer\": failed rule: self < 3");
    CHECK_STRZ(merged(&w, "{\"s\":\"alsolong\"}", NULL),
               "spec.s: Too long: may not be more than 3 bytes");
    world_fini(&w);
}

TEST(rules, are_not_asked_of_objects_that_are_wrong_already)
{
    struct world w;
    struct call *c;
    struct json *causes;

    begin(&w, "{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":{\"type\":"
              "\"integer\"}},\"x-kubernetes-validations\":[{\"rule\":\"self.a > 1\"}]}");
    c = world_call(&w, "POST", WIDGETS, widget(&w, "{}"), NULL);
    CHECK_INT(c->status, 422);
    causes = json_path(call_json(c), "details.causes");
    CHECK_INT(json_count(causes), 2);
    CHECK_STRZ(json_get_str(json_item(causes, 1), "field"), "<nil>");
    call_free(c);
    world_fini(&w);
}

TEST(rules, have_a_budget)
{
    struct world w;
    CLEANUP(buf) struct buf spec = BUF_INIT;

    begin(&w, "{\"type\":\"object\",\"properties\":{\"list\":{\"type\":\"array\",\"maxItems\":3000,"
              "\"items\":{\"type\":\"integer\"},\"x-kubernetes-validations\":[{\"rule\":"
              "\"self.all(x, x >= 0)\"}]}}}");
    buf_z(&spec, "{\"list\":[0");
    for (int i = 1; i < 3000; i++)
        buf_fmt(&spec, ",%d", i);
    buf_z(&spec, "]}");
    CHECK_STRZ(created(&w, buf_cstr(&spec)), "");
    world_fini(&w);
}

/* The first complaint about a definition with this schema of spec. */
static str defined(struct world *w, const char *spec)
{
    struct call *c = world_call(w, "POST", CRDS "?dryRun=All", definition(w, spec), NULL);
    struct json *cause = json_item(json_path(call_json(c), "details.causes"), 0);
    str out = c->status == 201
                  ? S("")
                  : arena_fmt(w->arena, PRI_STR ": " PRI_STR, STR_ARG(json_get_str(cause, "field")),
                              STR_ARG(json_get_str(cause, "message")));

    call_free(c);
    return out;
}

#define AT_SPEC "spec.validation.openAPIV3Schema.properties[spec]"

TEST(definitions, say_what_is_wrong_with_a_rule)
{
    static const struct {
        const char *spec, *want;
    } cases[] = {
        {"{\"type\":\"array\",\"maxItems\":3,\"items\":{\"type\":\"integer\","
         "\"x-kubernetes-validations\":[{\"rule\":\"self == oldSelf\"}]}}",
         AT_SPEC ".items.x-kubernetes-validations[0].rule: Invalid value: \"self == oldSelf\": "
                 "oldSelf cannot be used on the uncorrelatable portion of the schema "
                 "within " AT_SPEC},
        {"{\"type\":\"integer\",\"x-kubernetes-validations\":[{\"rule\":\"self > 1\","
         "\"optionalOldSelf\":true}]}",
         AT_SPEC ".x-kubernetes-validations[0].optionalOldSelf: Invalid value: true: may not be "
                 "set if oldSelf is not used in rule"},
        {"{\"type\":\"integer\",\"x-kubernetes-validations\":[{\"rule\":\"self > 1\","
         "\"messageExpression\":\"1\"}]}",
         AT_SPEC ".x-kubernetes-validations[0].messageExpression: Invalid value: {\"Rule\":\"self "
                 "\\u003e 1\",\"Message\":\"\",\"MessageExpression\":\"1\",\"Reason\":null,"
                 "\"FieldPath\":\"\",\"OptionalOldSelf\":null}: messageExpression must evaluate to "
                 "a string"},
        {"{\"type\":\"integer\",\"x-kubernetes-validations\":[{\"rule\":\"\"}]}",
         AT_SPEC ".x-kubernetes-validations[0].rule: Required value: rule is not specified"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},"
         "\"x-kubernetes-validations\":[{\"rule\":\"self.a != ''\",\"fieldPath\":\".b\"}]}",
         AT_SPEC ".x-kubernetes-validations[0].fieldPath: Invalid value: \".b\": fieldPath must be "
                 "a valid path"},
        {"{\"type\":\"integer\",\"x-kubernetes-validations\":[{\"rule\":\"self > 1\",\"reason\":"
         "\"Nonsense\"}]}",
         AT_SPEC ".x-kubernetes-validations[0].reason: Unsupported value: \"Nonsense\": supported "
                 "values: \"FieldValueDuplicate\", \"FieldValueForbidden\", \"FieldValueInvalid\", "
                 "\"FieldValueRequired\""},
    };
    struct world w;

    world_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        CHECK_STRZ(defined(&w, cases[i].spec), cases[i].want);
    world_fini(&w);
}

TEST(definitions, have_structural_schemas)
{
    static const struct {
        const char *spec, *want;
    } cases[] = {
        {"{\"type\":\"object\",\"anyOf\":[{\"properties\":{\"a\":{\"minimum\":1}}}]}",
         AT_SPEC ".properties[a]: Required value: because it is defined in " AT_SPEC
                 ".anyOf[0].properties[a]"},
        {"{\"type\":\"object\",\"allOf\":[{\"type\":\"object\"}]}",
         AT_SPEC ".allOf[0].type: Forbidden: must be empty to be structural"},
        {"{\"type\":\"object\",\"x-kubernetes-embedded-resource\":true}",
         AT_SPEC ".properties: Required value: must not be empty if "
                 "x-kubernetes-embedded-resource is true without "
                 "x-kubernetes-preserve-unknown-fields"},
        {"{\"type\":\"array\",\"items\":{}}",
         AT_SPEC ".items.type: Required value: must not be empty for specified array items"},
        {"{\"type\":\"string\",\"pattern\":\"a(?=b)\"}",
         AT_SPEC ".pattern: Invalid value: \"a(?=b)\": must be a valid regular expression, but "
                 "isn't: error parsing regexp: invalid or unsupported Perl syntax: `(?=`"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},\"default\":{\"b\":1}}",
         AT_SPEC ".default: Invalid value: {\"b\":1}: must not have unknown fields"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},"
         "\"additionalProperties\":{\"type\":\"string\"}}",
         AT_SPEC ".additionalProperties: Forbidden: additionalProperties and properties are mutual "
                 "exclusive"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"k\":{\"type\":"
         "\"string\"}}},\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-list-map-keys\":[\"k\"]}",
         AT_SPEC ".items.properties[k].default: Required value: this property is in "
                 "x-kubernetes-list-map-keys, so it must have a default or be a required property"},
        {"{\"type\":\"string\",\"uniqueItems\":true}",
         AT_SPEC ".uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime "
                 "complexity becomes quadratic"},
        {"{\"x-kubernetes-int-or-string\":true,\"anyOf\":[{\"type\":\"integer\"},{\"type\":"
         "\"string\"}]}",
         ""},
    };
    struct world w;

    world_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        CHECK_STRZ(defined(&w, cases[i].spec), cases[i].want);
    world_fini(&w);
}

/* In a world of its own. */
static str default_defined(const char *spec)
{
    static char text[400];
    struct world w;
    struct call *c;
    struct json *cause;

    world_init(&w);
    c = world_call(&w, "POST", CRDS, definition(&w, spec), NULL);
    cause = json_item(json_path(call_json(c), "details.causes"), 0);
    snprintf(text, sizeof text, PRI_STR ": " PRI_STR, STR_ARG(json_get_str(cause, "field")),
             STR_ARG(json_get_str(cause, "message")));
    if (c->status == 201)
        text[0] = 0;
    call_free(c);
    world_fini(&w);
    return str_of(text);
}

TEST(rules, hold_for_defaults)
{
#define AT_SPEC "spec.validation.openAPIV3Schema.properties[spec]"
    CHECK_STRZ(default_defined("{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"string\","
                               "\"maxLength\":9,\"default\":\"bad\",\"x-kubernetes-validations\":[{"
                               "\"rule\":\"self != 'bad'\",\"message\":\"not this\"}]}}}"),
               AT_SPEC ".properties[x].default: Invalid value: \"string\": not this");
    CHECK_STRZ(
        default_defined("{\"type\":\"object\",\"default\":{\"x\":[1,-1]},\"properties\":{\"x\":{"
                        "\"type\":\"array\",\"maxItems\":5,\"items\":{\"type\":\"integer\","
                        "\"x-kubernetes-validations\":[{\"rule\":\"self > 0\"}]}}}}"),
        AT_SPEC ".default.x[1]: Invalid value: \"integer\": failed rule: self > 0");
    CHECK_STRZ(default_defined("{\"type\":\"object\",\"default\":{\"x\":1},\"properties\":{\"x\":{"
                               "\"type\":\"integer\",\"x-kubernetes-validations\":[{\"rule\":"
                               "\"self > 0\"},{\"rule\":\"self >= oldSelf\"}]}}}"),
               "");
#undef AT_SPEC
}

TEST_MAIN
