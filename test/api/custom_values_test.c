/* custom_values_test.c - values of custom resources by their schema: what is said of them, and what is let pass because it was so
 * before.
 *
 * JSON is written with ' in place of ". Expectations: k8s.io/kube-openapi/pkg/validation/validate and
 * k8s.io/apiextensions-apiserver/test/integration/ratcheting_test.go. */
#include "test/api/world.h"

#define CRDS "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define WIDGETS "/apis/example.com/v1/namespaces/default/widgets"

/* The schema of the kind; properties beside spec and status are given whole. */
static void define(struct world *w, const char *spec, const char *status)
{
    bool scales =
        str_find(str_of(spec), S("replicas")) >= 0 || str_find(str_of(status), S("replicas")) >= 0;
    const char *body =
        arena_fmt(w->arena,
                  "{'metadata':{'name':'widgets.example.com'},'spec':{'group':'example.com',"
                  "'scope':'Namespaced','names':{'plural':'widgets','kind':'Widget'},'versions':["
                  "{'name':'v1','served':true,'storage':true,'subresources':{'status':{}%s},"
                  "'schema':{'openAPIV3Schema':{'type':'object','properties':{'spec':%s,'status':"
                  "%s}}}}]}}",
                  scales ? ",'scale':{'specReplicasPath':'.spec.replicas','statusReplicasPath':"
                           "'.status.replicas','labelSelectorPath':'.status.selector'}"
                         : "",
                  spec, status)
            .p;
    struct call *c = world_call(w, "GET", CRDS "/widgets.example.com", NULL, NULL);
    bool known = c->status == 200;

    call_free(c);
    if (known) {
        c = world_call(w, "PATCH", CRDS "/widgets.example.com",
                       world_quoted(w, arena_fmt(w->arena,
                                                 "[{'op':'replace','path':'/spec/versions/0/schema/"
                                                 "openAPIV3Schema/properties/spec','value':%s}]",
                                                 spec)
                                           .p),
                       "Content-Type: application/json-patch+json");
        CHECK_INT(c->status, 200);
        call_free(c);
    } else
        world_json(w, "POST", CRDS, world_quoted(w, body), 201);
    world_run(w, NS_PER_S);
}

/* "field: message" lines; empty: accepted. */
static str answer(struct world *w, struct call *c)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (c->status >= 300)
        JSON_EACH(x, json_path(call_json(c), "details.causes"))
            buf_fmt(&b, PRI_STR ": " PRI_STR "\n", STR_ARG(json_get_str(x, "field")),
                    STR_ARG(json_get_str(x, "message")));
    if (c->status >= 300 && !b.n)
        buf_fmt(&b, "%d", c->status);
    call_free(c);
    return arena_dup(w->arena, buf_view(&b));
}

static str write_widget(struct world *w, const char *method, const char *path, const char *members)
{
    const char *body =
        arena_fmt(w->arena,
                  "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'a'},%s}",
                  members)
            .p;

    if (str_is(str_of(method), "PATCH"))
        body = arena_fmt(w->arena, "{%s}", members).p;
    return answer(w, world_call(w, method, path, world_quoted(w, body),
                                str_is(str_of(method), "PATCH")
                                    ? "Content-Type: application/merge-patch+json"
                                    : NULL));
}

static const struct {
    const char *schema, *spec, *want;
} values[] = {
    /* Every check is made, whatever the others said. */
    {"{'type':'integer','enum':[1,2]}", "'x'",
     "spec: Invalid value: \"string\": spec in body must be of type integer: \"string\"\n"
     "spec: Unsupported value: \"x\": supported values: \"1\", \"2\"\n"},
    {"{'type':'string','nullable':true,'enum':['a']}", "null",
     "spec: Unsupported value: null: supported values: \"a\"\n"},
    /* Of lengths and pattern the first that does not hold; of the number of members, too. */
    {"{'type':'string','minLength':3,'pattern':'^a'}", "'b'",
     "spec: Invalid value: \"b\": spec in body should be at least 3 chars long\n"},
    {"{'type':'object','minProperties':2,'required':['a'],'properties':{'a':{'type':'string'},"
     "'b':{'type':'string'}}}",
     "{'b':'x'}", "spec: Invalid value: 1: spec in body should have at least 2 properties\n"},
    {"{'type':'object','maxProperties':1,'additionalProperties':{'type':'string'}}",
     "{'a':'x','b':1}", "spec: Too many: 2: must have at most 1 items\n"},
    /* Numbers: whole ones are compared with whole bounds. */
    {"{'type':'number','maximum':2.5}", "3",
     "spec: Invalid value: 3: spec in body should be less than or equal to 2\n"},
    {"{'type':'number','maximum':1000000,'multipleOf':0.5}", "2000000.25",
     "spec: Invalid value: 2.00000025e+06: spec in body should be a multiple of 0.5\n"
     "spec: Invalid value: 2.00000025e+06: spec in body should be less than or equal to 1e+06\n"},
    {"{'type':'integer','minimum':1,'exclusiveMinimum':true}", "1",
     "spec: Invalid value: 1: spec in body should be greater than 1\n"},
    {"{'type':'integer','format':'int32'}", "1.5",
     "spec: Invalid value: \"float64\": spec in body must be of type int32: \"float64\"\n"},
    {"{'type':'integer','format':'int32'}", "5000000000", ""},
    {"{'x-kubernetes-int-or-string':true}", "true",
     "spec: Invalid value: \"boolean\": spec in body must be of type integer,string: "
     "\"boolean\"\n"},
    /* What is wrong with the alternative that fits best. */
    {"{'type':'string','anyOf':[{'minLength':5},{'pattern':'^b'}]}", "'a'",
     "<nil>: Invalid value: \"\": \"spec\" must validate at least one schema (anyOf)\n"
     "spec: Invalid value: \"a\": spec in body should be at least 5 chars long\n"},
    {"{'type':'object','properties':{'a':{'type':'string'},'b':{'type':'string'}},'oneOf':[{"
     "'required':['a']},{'required':['b']}]}",
     "{}",
     "<nil>: Invalid value: \"\": \"spec\" must validate one and only one schema (oneOf). Found "
     "none valid\nspec.a: Required value\n"},
    {"{'type':'object','properties':{'a':{'type':'string'},'b':{'type':'string'}},'oneOf':[{"
     "'required':['a']},{'required':['b']}]}",
     "{'a':'x','b':'y'}",
     "<nil>: Invalid value: \"\": \"spec\" must validate one and only one schema (oneOf). Found 2 "
     "valid alternatives\n"},
    {"{'type':'string','allOf':[{'minLength':5},{'pattern':'^b'}]}", "'a'",
     "spec: Invalid value: \"a\": spec in body should be at least 5 chars long\n"
     "spec: Invalid value: \"a\": spec in body should match '^b'\n"
     "<nil>: Invalid value: \"\": \"spec\" must validate all the schemas (allOf). None "
     "validated\n"},
    {"{'type':'string','allOf':[{'minLength':1},{'pattern':'^b'}]}", "'a'",
     "spec: Invalid value: \"a\": spec in body should match '^b'\n"
     "<nil>: Invalid value: \"\": \"spec\" must validate all the schemas (allOf)\n"},
    {"{'type':'string','not':{'enum':['a']}}", "'a'",
     "<nil>: Invalid value: \"\": \"spec\" must not validate the schema (not)\n"},
    /* The same is not told twice. */
    {"{'type':'string','minLength':5,'allOf':[{'minLength':5}]}", "'a'",
     "spec: Invalid value: \"a\": spec in body should be at least 5 chars long\n"
     "<nil>: Invalid value: \"\": \"spec\" must validate all the schemas (allOf). None "
     "validated\n"},
    /* Formats. */
    {"{'type':'string','format':'ipv4'}", "'1.2.3'",
     "spec: Invalid value: \"1.2.3\": spec in body must be of type ipv4: \"1.2.3\"\n"},
    {"{'type':'string','format':'date-time'}", "'2020-02-29T23:59:59Z'", ""},
    {"{'type':'string','format':'date-time'}", "'2021-02-29T23:59:59Z'",
     "spec: Invalid value: \"2021-02-29T23:59:59Z\": spec in body must be of type date-time: "
     "\"2021-02-29T23:59:59Z\"\n"},
    {"{'type':'string','format':'k8s-short-name'}", "'a.b'",
     "spec: Invalid value: \"a.b\": spec in body must be of type k8s-short-name: \"a.b\"\n"},
    {"{'type':'string','format':'k8s-long-name'}", "'a.b'", ""},
    {"{'type':'string','format':'isbn'}", "'978-0321751041'", ""},
    {"{'type':'string','format':'isbn10'}", "'0321751044'",
     "spec: Invalid value: \"0321751044\": spec in body must be of type isbn10: \"0321751044\"\n"},
    {"{'type':'string','format':'creditcard'}", "'4111-1111-1111-1111'", ""},
    {"{'type':'string','format':'quantity'}", "'10Gi'", ""},
    {"{'type':'string','format':'duration'}", "'5 minutes'", ""},
    {"{'type':'string','format':'duration'}", "'five'",
     "spec: Invalid value: \"five\": spec in body must be of type duration: \"five\"\n"},
    {"{'type':'string','format':'cidr'}", "'010.0.0.0/8'", ""},
    {"{'type':'string','format':'mac'}", "'00:00:5e:00:53:01'", ""},
    {"{'type':'string','format':'byte'}", "'x'",
     "spec: Invalid value: \"x\": spec in body must be of type byte: \"x\"\n"},
    {"{'type':'string','format':'nobody-knows'}", "'x'", ""},
    /* Lists without duplicates: after everything else, and each once. */
    {"{'type':'object','properties':{'a':{'type':'array','x-kubernetes-list-type':'set','items':{"
     "'type':'string'}},'b':{'type':'array','items':{'type':'integer','maximum':1}}}}",
     "{'a':['x','x','x'],'b':[2]}",
     "spec.b[0]: Invalid value: 2: spec.b[0] in body should be less than or equal to 1\n"
     "spec.a[1]: Duplicate value: \"x\"\n"},
    {"{'type':'object','additionalProperties':{'type':'array','x-kubernetes-list-type':'map',"
     "'x-kubernetes-list-map-keys':['k'],'items':{'type':'object','required':['k'],'properties':{"
     "'k':{'type':'string'}}}}}",
     "{'m':[{'k':'x'},{'k':'x'}]}", "spec[m][1]: Duplicate value: {\"k\":\"x\"}\n"},
    /* Objects within objects. */
    {"{'type':'object','x-kubernetes-embedded-resource':true,"
     "'x-kubernetes-preserve-unknown-fields':true}",
     "{'apiVersion':'a/b/c','kind':'','metadata':{'labels':{'-':'x'}}}",
     "spec.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string: a/b/c\n"
     "spec.kind: Required value\n"
     "spec.metadata.labels: Invalid value: \"-\": name part must consist of alphanumeric "
     "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. "
     "'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
     "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')\n"},
    /* What scales. */
    {"{'type':'object','properties':{'replicas':{'type':'integer'}}}", "{'replicas':-1}",
     ".spec.replicas: Invalid value: -1: should be a non-negative integer\n"},
    {"{'type':'object','properties':{'replicas':{'type':'string'}}}", "{'replicas':'x'}",
     ".spec.replicas: Invalid value: 0: .spec.replicas accessor error: x is of the type string, "
     "expected int64\n"},
};

TEST(values, are_told_everything_that_kubernetes_would_say_of_them)
{
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct world w;

        world_init(&w);
        define(&w, values[i].schema, "{'type':'object'}");
        CHECK_STRZ(
            write_widget(&w, "POST", WIDGETS, arena_fmt(w.arena, "'spec':%s", values[i].spec).p),
            values[i].want);
        world_fini(&w);
    }
}

#define LIST_OF(kind, items) "{'type':'array'," kind "'items':" items "}"
#define MAP_LIST "'x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['k'],"
#define ITEM(v) "{'type':'object','required':['k'],'properties':{'k':{'type':'string'},'v':" v "}}"

static const struct {
    const char *before, *object; /* accepted at first */
    const char *after, *patch;   /* a stricter schema, and what is written then */
    const char *want;
} ratchets[] = {
    {"{'type':'object','properties':{'a':{'type':'integer'},'b':{'type':'integer'}}}",
     "{'a':1,'b':1}",
     "{'type':'object','properties':{'a':{'type':'integer','minimum':5},'b':{'type':'integer'}}}",
     "{'b':2}", ""},
    {"{'type':'object','properties':{'a':{'type':'integer'},'b':{'type':'integer'}}}",
     "{'a':1,'b':1}",
     "{'type':'object','properties':{'a':{'type':'integer','minimum':5},'b':{'type':'integer'}}}",
     "{'a':2}", "spec.a: Invalid value: 2: spec.a in body should be greater than or equal to 5\n"},
    /* Items of lists that are one value are not told apart; the list as a whole may stay. */
    {"{'type':'object','properties':{'b':{'type':'integer'},'l':" LIST_OF("",
                                                                          "{'type':'string'}") "}}",
     "{'l':['x','y']}",
     "{'type':'object','properties':{'b':{'type':'integer'},'l':" LIST_OF(
         "", "{'type':'string','minLength':2}") "}}",
     "{'b':1}", ""},
    {"{'type':'object','properties':{'l':" LIST_OF("", "{'type':'string'}") "}}", "{'l':['x','y']}",
     "{'type':'object','properties':{'l':" LIST_OF("", "{'type':'string','minLength':2}") "}}",
     "{'l':['x','yy']}",
     "spec.l[0]: Invalid value: \"x\": spec.l[0] in body should be at least 2 chars long\n"},
    /* Items of maps are, wherever they stand. */
    {"{'type':'object','properties':{'l':" LIST_OF(MAP_LIST, ITEM("{'type':'integer'}")) "}}",
     "{'l':[{'k':'a','v':1},{'k':'b','v':9}]}",
     "{'type':'object','properties':{'l':" LIST_OF(MAP_LIST,
                                                   ITEM("{'type':'integer','minimum':5}")) "}}",
     "{'l':[{'k':'c','v':9},{'k':'a','v':1}]}", ""},
    {"{'type':'object','properties':{'l':" LIST_OF(MAP_LIST, ITEM("{'type':'integer'}")) "}}",
     "{'l':[{'k':'a','v':1},{'k':'b','v':9}]}",
     "{'type':'object','properties':{'l':{'maxItems':1,'type':'array'," MAP_LIST
     "'items':" ITEM("{'type':'integer'}") "}}}",
     "{'l':[{'k':'b','v':9},{'k':'a','v':1}]}", ""},
    /* What has no schema of its own counts as changed. */
    {"{'type':'object','x-kubernetes-preserve-unknown-fields':true}", "{'x':1}",
     "{'type':'object','x-kubernetes-preserve-unknown-fields':true,'required':['y']}", "{'x':1}",
     "spec.y: Required value\n"},
    {"{'type':'object','properties':{'x':{'type':'integer'},'o':{'type':'object','properties':{"
     "'x':{'type':'integer'}}}}}",
     "{'o':{'x':1}}",
     "{'type':'object','properties':{'x':{'type':'integer'},'o':{'type':'object','required':['y'],"
     "'properties':{'x':{'type':'integer'},'y':{'type':'integer'}}}}}",
     "{'x':1}", ""},
    /* An alternative is let pass only when the value as a whole is what it was. */
    {"{'type':'object','properties':{'a':{'type':'integer'},'b':{'type':'integer'}}}",
     "{'a':1,'b':1}",
     "{'type':'object','properties':{'a':{'type':'integer'},'b':{'type':'integer'}},'allOf':[{"
     "'properties':{'a':{'minimum':5}}}]}",
     "{'b':2}",
     "spec.a: Invalid value: 1: spec.a in body should be greater than or equal to 5\n"
     "<nil>: Invalid value: \"\": \"spec\" must validate all the schemas (allOf). None "
     "validated\n"},
    /* Rules, too; one about a list item of its own kind. */
    {"{'type':'object','properties':{'b':{'type':'integer'},'l':" LIST_OF(
         MAP_LIST, ITEM("{'type':'integer'}")) "}}",
     "{'l':[{'k':'a','v':1}]}",
     "{'type':'object','properties':{'b':{'type':'integer'},'l':{'maxItems':9,'type':'array'"
     "," MAP_LIST
     "'items':" ITEM("{'type':'integer','x-kubernetes-validations':[{'rule':'self > 5'}]}") "}}}",
     "{'b':1,'l':[{'k':'c','v':9},{'k':'a','v':1}]}", ""},
    {"{'type':'object','properties':{'b':{'type':'integer'},'l':" LIST_OF(
         "", ITEM("{'type':'integer'}")) "}}",
     "{'l':[{'k':'a','v':1}]}",
     "{'type':'object','properties':{'b':{'type':'integer'},'l':{'maxItems':9,'type':'array',"
     "'items':" ITEM("{'type':'integer','x-kubernetes-validations':[{'rule':'self > 5'}]}") "}}}",
     "{'b':1,'l':[{'k':'a','v':1}]}", ""},
    {"{'type':'object','properties':{'l':" LIST_OF("", ITEM("{'type':'integer'}")) "}}",
     "{'l':[{'k':'a','v':1}]}",
     "{'type':'object','properties':{'l':{'maxItems':9,'type':'array',"
     "'items':" ITEM("{'type':'integer','x-kubernetes-validations':[{'rule':'self > 5'}]}") "}}}",
     "{'l':[{'k':'a','v':1},{'k':'b','v':9}]}",
     "spec.l[0].v: Invalid value: \"integer\": failed rule: self > 5\n"},
    /* Duplicates that were there may stay and get more. */
    {"{'type':'object','properties':{'l':" LIST_OF("", "{'type':'string'}") "}}", "{'l':['x','x']}",
     "{'type':'object','properties':{'l':" LIST_OF("'x-kubernetes-list-type':'set',",
                                                   "{'type':'string'}") "}}",
     "{'l':['x','x','x']}", ""},
};

TEST(values, that_were_wrong_before_may_stay_so)
{
    for (size_t i = 0; i < ARRAY_LEN(ratchets); i++) {
        struct world w;

        world_init(&w);
        define(&w, ratchets[i].before, "{'type':'object'}");
        CHECK_STRZ(write_widget(&w, "POST", WIDGETS,
                                arena_fmt(w.arena, "'spec':%s", ratchets[i].object).p),
                   "");
        define(&w, ratchets[i].after, "{'type':'object'}");
        CHECK_STRZ(write_widget(&w, "PATCH", WIDGETS "/a",
                                arena_fmt(w.arena, "'spec':%s", ratchets[i].patch).p),
                   ratchets[i].want);
        world_fini(&w);
    }
}

/* The root has members that the schema does not know: it never counts as unchanged. */
TEST(values, of_the_root_are_always_held_against_the_schema)
{
    struct world w;
    struct call *c;

    world_init(&w);
    define(&w, "{'type':'object'}", "{'type':'object'}");
    CHECK_STRZ(write_widget(&w, "POST", WIDGETS, "'x':1"), "");
    c = world_call(&w, "PATCH", CRDS "/widgets.example.com",
                   world_quoted(&w, "[{'op':'add','path':'/spec/versions/0/schema/openAPIV3Schema/"
                                    "required','value':['spec']}]"),
                   "Content-Type: application/json-patch+json");
    CHECK_INT(c->status, 200);
    call_free(c);
    world_run(&w, NS_PER_S);
    CHECK_STRZ(write_widget(&w, "PATCH", WIDGETS "/a", "'x':1"), "spec: Required value\n");
    world_fini(&w);
}

/* The status is one value of its own: its messages do not name it, and nothing else is looked at. */
TEST(values, of_the_status_are_looked_at_alone)
{
    struct world w;

    world_init(&w);
    define(&w, "{'type':'object','properties':{'a':{'type':'integer'}}}",
           "{'type':'object','properties':{'n':{'type':'integer','maximum':5},'replicas':{'type':"
           "'integer'},'selector':{'type':'string'}}}");
    CHECK_STRZ(write_widget(&w, "POST", WIDGETS, "'spec':{'a':1}"), "");
    define(&w, "{'type':'object','required':['b'],'properties':{'b':{'type':'integer'}}}", "");
    CHECK_STRZ(write_widget(&w, "PATCH", WIDGETS "/a/status", "'status':{'n':6,'replicas':-2}"),
               "status.n: Invalid value: 6: n in body should be less than or equal to 5\n"
               ".status.replicas: Invalid value: -2: should be a non-negative integer\n");
    CHECK_STRZ(write_widget(&w, "PATCH", WIDGETS "/a/status", "'status':{'n':5}"), "");
    world_fini(&w);
}

TEST(definitions, warn_about_formats_that_nobody_knows)
{
    struct world w;
    struct call *c;

    world_init(&w);
    define(&w, "{'type':'object'}", "{'type':'object'}");
    c = world_call(
        &w, "PATCH", CRDS "/widgets.example.com",
        world_quoted(&w, "[{'op':'add','path':'/spec/versions/0/schema/openAPIV3Schema/"
                         "properties/spec/properties','value':{'a':{'type':'string','format':"
                         "'nobody-knows'},'b':{'type':'integer','format':'int32'}}}]"),
        "Content-Type: application/json-patch+json");
    CHECK_INT(c->status, 200);
    CHECK_STRZ(call_header(c, "Warning"), "299 - \"unrecognized format \\\"nobody-knows\\\"\"");
    call_free(c);
    world_fini(&w);
}

TEST(objects, are_warned_about_finalizers_without_a_domain)
{
    struct world w;
    struct call *c;

    world_init(&w);
    define(&w, "{'type':'object'}", "{'type':'object'}");
    c = world_call(&w, "POST", WIDGETS,
                   world_quoted(&w,
                                "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':"
                                "'a','finalizers':['example.com','example.com/x','orphan']}}"),
                   NULL);
    CHECK_INT(c->status, 201);
    CHECK_STRZ(call_header(c, "Warning"),
               "299 - \"metadata.finalizers: \\\"example.com\\\": prefer a domain-qualified "
               "finalizer name including a path (/) to avoid accidental conflicts with other "
               "finalizer writers\"");
    call_free(c);
    world_fini(&w);
}

TEST_MAIN
