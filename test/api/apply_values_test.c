/* apply_values_test.c - one object, several managers, step by step: what it says then and who owns what of it.
 *
 * JSON is written with ' in place of ". Expectations were computed with structured-merge-diff itself, those of repeated
 * keys by its compare.go and merge.go of v6. */
#include "test/api/world.h"

#define CRDS "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define DEPLOYS "/apis/apps/v1/namespaces/default/deployments"
#define APPLY "Content-Type: application/apply-patch+yaml"
#define WIDGETS "/apis/example.com/v1/namespaces/default/widgets"

static const char crd[] =
    "{'metadata':{'name':'widgets.example.com'},'spec':{'group':'example.com','scope':'Namespaced',"
    "'names':{'plural':'widgets','kind':'Widget'},'versions':[{'name':'v1','served':true,'storage':"
    "true,'schema':{'openAPIV3Schema':{'type':'object','properties':{'spec':{'type':'object',"
    "'properties':{"
    "'text':{'type':'string'},"
    "'free':{'type':'object','x-kubernetes-preserve-unknown-fields':true},"
    "'set':{'type':'array','x-kubernetes-list-type':'set','items':{'type':'string'}},"
    "'map':{'type':'object','additionalProperties':{'type':'object','properties':{'x':{'type':"
    "'string'}}}},"
    "'full':{'type':'object','additionalProperties':{'type':'string','default':'d'}},"
    "'keyed':{'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['k'],"
    "'items':{'type':'object','required':['k'],'properties':{'k':{'type':'string'},'v':{'type':"
    "'string'}}}}}}}}}}]}}";

static const struct {
    const char *manager; /* NULL: ends a case; Update by "+name" */
    const char *spec, *want, *owners;
} steps[] = {
    /* What was a map and is a list now: its members are gone. */
    {"one", "'free':{'c':{'a':1,'b':2}}", NULL, NULL},
    {"two", "'free':{'c':['x']}", "'free':{'c':['x']}", "two {'f:free':{'f:c':{}}}\n"},
    {"one", "'free':{'c':{'z':1}}", "'free':{'c':{'z':1}}",
     "one {'f:free':{'f:c':{'.':{},'f:z':{}}}}\n"},
    {0},
    /* Emptied where nothing is known of it: null. */
    {"one", "'free':{'b':{'a':1}}", NULL, NULL},
    {"one", "'free':{'b':{}}", "'free':{'b':null}", "one {'f:free':{'f:b':{}}}\n"},
    {0},
    /* Emptied where the schema knows it: the field goes, who owned the list goes on owning it. */
    {"+one", "'keyed':[{'k':'a'}],'text':'q'", NULL, NULL},
    {"two", "'keyed':[{'k':'b'}]", NULL, NULL},
    {"+one", "'keyed':[{'k':'b'}],'text':'q'", NULL, NULL},
    {"two", "'text':'q'", "'text':'q'",
     "two {'f:text':{}}\n+one {'.':{},'f:keyed':{},'f:text':{}}\n"},
    {0},
    {"one", "'map':{'a':{'x':'1'}}", NULL, NULL},
    {"one", "'map':{'a':{}}", "'map':{}", "one {'f:map':{'f:a':{}}}\n"},
    {0},
    /* Another order is no change. */
    {"one", "'set':['a','b']", NULL, NULL},
    {"two", "'set':['b','a']", "'set':['a','b']",
     "two {'f:set':{'v:\\\"a\\\"':{},'v:\\\"b\\\"':{}}}\n"
     "one {'f:set':{'v:\\\"a\\\"':{},'v:\\\"b\\\"':{}}}\n"},
    {0},
    /* null where none is allowed: the default, or nothing. */
    {"+one", "'full':{'a':null,'b':'c'},'map':{'a':null}", "'full':{'a':'d','b':'c'},'map':{}",
     NULL},
    {0},
};

static void check_step(struct world *w, size_t i, const struct json *v)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    json_encode(&b, json_findz(v, "spec"));
    if (steps[i].want)
        CHECK_STRZ(buf_view(&b), world_quoted(w, arena_fmt(w->arena, "{%s}", steps[i].want).p));
    b.n = 0;
    JSON_EACH(m, json_path(v, "metadata.managedFields")) {
        buf_fmt(&b, "%s" PRI_STR " ", str_is(json_get_str(m, "operation"), "Update") ? "+" : "",
                STR_ARG(json_get_str(m, "manager")));
        json_encode(&b, json_at(m, "fieldsV1", "f:spec", NULL));
        buf_char(&b, '\n');
    }
    if (steps[i].owners)
        CHECK_STRZ(buf_view(&b), world_quoted(w, steps[i].owners));
}

/* Answers with the object. v: as it was; NULL: there is none. */
static struct json *take_step(struct world *w, size_t i, uint32_t n, const struct json *v)
{
    bool updates = steps[i].manager[0] == '+';
    str rv = updates ? json_get_str(v, "metadata.resourceVersion") : S("");
    const char *body = world_quoted(
        w, arena_fmt(w->arena,
                     "{'apiVersion':'example.com/v1','kind':'Widget','metadata':{'name':'w%u',"
                     "'resourceVersion':'" PRI_STR "'},'spec':{%s}}",
                     n, STR_ARG(rv), steps[i].spec)
               .p);
    const char *path =
        updates && !v
            ? arena_fmt(w->arena, WIDGETS "?fieldManager=%s", steps[i].manager + 1).p
            : arena_fmt(w->arena, WIDGETS "/w%u?fieldManager=%s", n, steps[i].manager + updates).p;
    struct call *c;

    if (updates)
        c = world_call(w, v ? "PUT" : "POST", path, body, NULL);
    else
        c = world_call(w, "PATCH", arena_fmt(w->arena, "%s&force=true", path).p, body, APPLY);
    CHECK(c->status < 300);
    v = call_json(c);
    call_free(c);
    return (struct json *)v;
}

TEST(apply, merges_and_owns_as_structured_merge_diff_does)
{
    struct world w;
    struct json *v = NULL;
    uint32_t n = 0;

    world_init(&w);
    world_json(&w, "POST", CRDS, world_quoted(&w, crd), 201);
    world_run(&w, NS_PER_S);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        if (!steps[i].manager) {
            v = NULL;
            n++;
            continue;
        }
        v = take_step(&w, i, n, v);
        check_step(&w, i, v);
    }
    world_fini(&w);
}

/* ---- keys that are there more than once ---- */

#define ENV "'spec':{'template':{'spec':{'containers':[{'name':'c','env':[%s]}]}}}"

static void check_env(struct world *w, const struct json *v, const char *env, const char *owners)
{
    const struct json *c = json_path(v, "spec.template.spec.containers");
    CLEANUP(buf) struct buf b = BUF_INIT;

    json_encode(&b, json_findz(&c->items[0], "env"));
    CHECK_STRZ(buf_view(&b), world_quoted(w, env));
    b.n = 0;
    JSON_EACH(m, json_path(v, "metadata.managedFields")) {
        const struct json *of = json_at(m, "fieldsV1", "f:spec", "f:template", "f:spec",
                                        "f:containers", "k:{\"name\":\"c\"}", "f:env", NULL);

        buf_fmt(&b, PRI_STR " ", STR_ARG(json_get_str(m, "manager")));
        if (of)
            json_encode(&b, of);
        buf_char(&b, '\n');
    }
    CHECK_STRZ(buf_view(&b), world_quoted(w, owners));
}

static struct json *apply_env(struct world *w, const char *manager, const char *env)
{
    struct call *c = world_call(
        w, "PATCH", arena_fmt(w->arena, DEPLOYS "/d?force=true&fieldManager=%s", manager).p,
        world_quoted(w,
                     arena_fmt(w->arena,
                               "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'d'}"
                               "," ENV "}",
                               env)
                         .p),
        APPLY);
    struct json *v = call_json(c);

    CHECK_INT(c->status, 200);
    call_free(c);
    return v;
}

#define X1 "{'name':'X','value':'1'}"
#define X3 "{'name':'X','value':'3'}"
#define Y2 "{'name':'Y','value':'2'}"
#define Z9 "{'name':'Z','value':'9'}"
#define OF(name) "'k:{\\\"name\\\":\\\"" name "\\\"}':{'.':{},'f:name':{},'f:value':{}}"

TEST(apply, leaves_repeated_keys_alone_that_the_configuration_does_not_name)
{
    struct world w;
    struct json *v;

    world_init(&w);
    world_json(&w, "POST", DEPLOYS "?fieldManager=one",
               world_quoted(&w,
                            "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'d'},"
                            "'spec':{'selector':{'matchLabels':{'a':'b'}},'template':{'metadata':"
                            "{'labels':{'a':'b'}},'spec':{'containers':[{'name':'c','image':'i',"
                            "'env':[" X1 "," Y2 "," X3 "]}]}}}}"),
               201);
    v = apply_env(&w, "two", Z9);
    check_env(&w, v, "[" X1 "," Y2 "," X3 "," Z9 "]",
              "two {" OF("Z") "}\none {'.':{},'k:{\\\"name\\\":\\\"X\\\"}':{}," OF("Y") "}\n");
    /* Named, it stands for both. */
    v = apply_env(&w, "two", Z9 ",{'name':'X','value':'5'}");
    check_env(&w, v, "[" Y2 "," Z9 ",{'name':'X','value':'5'}]",
              "two {" OF("X") "," OF("Z") "}\none {'.':{}," OF("Y") "}\n");
    world_fini(&w);
}

TEST_MAIN
