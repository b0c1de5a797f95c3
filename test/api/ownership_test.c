/* ownership_test.c - who owns what after requests that speak of it: Scales, entries that clients send, apply that does not fit.
 *
 * JSON is written with ' in place of ". */
#include "test/api/world.h"

#define DEPLOYS "/apis/apps/v1/namespaces/default/deployments"
#define CM "/api/v1/namespaces/default/configmaps"
#define APPLY "Content-Type: application/apply-patch+yaml"
#define MERGE "Content-Type: application/merge-patch+json"

static const char deployment[] =
    "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'d'},'spec':{'replicas':1,"
    "'selector':{'matchLabels':{'a':'b'}},'template':{'metadata':{'labels':{'a':'b'}},'spec':"
    "{'containers':[{'name':'c','image':'i'}]}}}}";

static struct json *ask(struct world *w, const char *method, const char *path, const char *headers,
                        const char *body, int status)
{
    char *text = body ? arena_dupz(w->arena, str_of(body)) : NULL;
    struct json *v;
    struct call *c;

    for (char *p = text; p && *p; p++)
        if (*p == '\'')
            *p = '"';
    c = world_call(w, method, path, text, headers);
    v = call_json(c);
    if (c->status != status)
        test_fail(__FILE__, __LINE__, "%s %s: %d " PRI_STR, method, path, c->status,
                  STR_ARG(json_get_str(v, "message")));
    call_free(c);
    return v;
}

/* "manager Operation/subresource time?", of those that own spec.replicas; one a line. */
static void check_owners(struct world *w, int replicas, const char *want)
{
    struct json *v = world_json(w, "GET", DEPLOYS "/d", NULL, 200);
    CLEANUP(buf) struct buf b = BUF_INIT;

    CHECK_INT(json_get_int(v, "spec.replicas", -1), replicas);
    JSON_EACH(m, json_path(v, "metadata.managedFields"))
        if (json_at(m, "fieldsV1", "f:spec", "f:replicas", NULL))
            buf_fmt(&b, PRI_STR " " PRI_STR "/" PRI_STR "%s\n", STR_ARG(json_get_str(m, "manager")),
                    STR_ARG(json_get_str(m, "operation")), STR_ARG(json_get_str(m, "subresource")),
                    json_findz(m, "time") ? " timed" : "");
    CHECK_STRZ(buf_view(&b), want);
}

/* Source: Kubernetes' test/integration/apiserver/apply/scale_test.go. */
TEST(scale, shows_and_moves_who_owns_the_replicas)
{
    static const char scale[] = "{'apiVersion':'autoscaling/v1','kind':'Scale','metadata':{'name':"
                                "'d'},'spec':{'replicas':%d}}";
    struct world w;
    struct json *v;

    world_init(&w);
    ask(&w, "PATCH", DEPLOYS "/d?fieldManager=apply_test", APPLY, deployment, 201);
    check_owners(&w, 1, "apply_test Apply/ timed\n");
    ask(&w, "PATCH", DEPLOYS "/d/scale?fieldManager=scale_test", MERGE, "{'spec':{'replicas':5}}",
        200);
    check_owners(&w, 5, "scale_test Update/scale\n");
    ask(&w, "PATCH", DEPLOYS "/d?fieldManager=apply_test", APPLY, deployment, 409);
    ask(&w, "PATCH", DEPLOYS "/d?fieldManager=apply_test&force=1", APPLY, deployment, 200);
    check_owners(&w, 1, "apply_test Apply/ timed\n");
    v = ask(&w, "PATCH", DEPLOYS "/d/scale?fieldManager=apply_scale", APPLY,
            arena_fmt(w.arena, scale, 17).p, 409);
    CHECK_STRZ(json_get_str(v, "message"),
               "Apply failed with 1 conflict: conflict with \"apply_test\": .spec.replicas");
    ask(&w, "PATCH", DEPLOYS "/d/scale?fieldManager=apply_scale&force=1", APPLY,
        arena_fmt(w.arena, scale, 17).p, 200);
    check_owners(&w, 17, "apply_scale Apply/scale\n");
    ask(&w, "PUT", DEPLOYS "/d/scale?fieldManager=replace_test", NULL,
        arena_fmt(w.arena, scale, 7).p, 200);
    check_owners(&w, 7, "replace_test Update/scale\n");
    ask(&w, "PATCH", DEPLOYS "/d/scale?fieldManager=co_owning_test", APPLY,
        arena_fmt(w.arena, scale, 7).p, 200);
    check_owners(&w, 7, "co_owning_test Apply/scale\nreplace_test Update/scale\n");
    ask(&w, "PATCH", DEPLOYS "/d/scale?fieldManager=scale_test", MERGE, "{'spec':{'replicas':5}}",
        200);
    check_owners(&w, 5, "scale_test Update/scale\n");
    ask(&w, "PATCH", DEPLOYS "/d/scale?fieldManager=x", MERGE, "{'status':{'replicas':42}}", 200);
    check_owners(&w, 5, "scale_test Update/scale\n");
    world_fini(&w);
}

/* Sources: apiserver/pkg/endpoints/handlers/patch.go; pkg/registry/apps/deployment/storage/storage.go. */
TEST(scale, is_patched_and_refused_as_every_object)
{
    static const struct {
        const char *method, *headers, *body;
        int status;
        const char *message; /* ends with it */
    } rows[] = {
        {"PATCH", MERGE, "{'spec':{'replicas':'x'}}", 422,
         "json: cannot unmarshal string into Go struct field ScaleSpec.spec.replicas of type "
         "int32"},
        {"PATCH", MERGE, "{'kind':'Nope'}", 422,
         "no kind \"Nope\" is registered for version \"autoscaling/v1\" in scheme "
         "\"pkg/api/legacyscheme/scheme.go:30\""},
        {"PATCH", MERGE, "[]", 400,
         "error decoding patch: json: cannot unmarshal array into Go value of type "
         "map[string]interface {}"},
        {"PATCH", MERGE, "{'metadata':{'name':'q'}}", 400,
         "the name of the object (q) does not match the name on the URL (d)"},
        {"PATCH", MERGE, "{'metadata':{'namespace':'q'}}", 400,
         "the namespace of the provided object does not match the namespace sent on the request"},
        {"PATCH", MERGE, "{'metadata':{'uid':'q'}}", 409,
         "Operation cannot be fulfilled on deployments/scale.apps \"d\": Precondition failed: UID "
         "in precondition: q, UID in object meta: {uid}"},
        {"PATCH", MERGE, "{'spec':{'replicas':-1}}", 422,
         "Scale.autoscaling \"d\" is invalid: spec.replicas: Invalid value: -1: must be greater "
         "than or equal to 0"},
        {"PUT", NULL, "{'metadata':{'name':'d','namespace':'q'}}", 400,
         "the namespace of the provided object does not match the namespace sent on the request"},
        {"PUT", NULL, "{'metadata':{'name':'d','uid':'q'}}", 409,
         "AdditionalErrorMsg: Precondition failed: UID in precondition: q, UID in object meta: "
         "{uid}"},
        {"PATCH", APPLY, "{'apiVersion':'v1','kind':'Scale'}", 400,
         "invalid object type: /v1, Kind=Scale"},
    };
    struct world w;
    struct json *v;
    struct call *c;
    str uid;

    world_init(&w);
    v = ask(&w, "POST", DEPLOYS, NULL, deployment, 201);
    uid = json_get_str(v, "metadata.uid");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *place = strstr(rows[i].message, "{uid}");
        str want = str_of(rows[i].message), message;

        if (place)
            want = arena_fmt(w.arena, PRI_STR PRI_STR,
                             STR_ARG(str_slice(want, 0, (size_t)(place - want.p))), STR_ARG(uid));
        v = ask(&w, rows[i].method, DEPLOYS "/d/scale?fieldManager=m", rows[i].headers,
                rows[i].body, rows[i].status);
        message = json_get_str(v, "message");
        if (!str_has_suffix(message, want))
            test_fail(__FILE__, __LINE__, PRI_STR "\ndoes not end in\n" PRI_STR, STR_ARG(message),
                      STR_ARG(want));
    }
    c = world_call(&w, "PATCH", DEPLOYS "/d/scale", "{\"nope\":1}", MERGE);
    CHECK_INT(c->status, 200);
    CHECK_STRZ(call_header(c, "Warning"), "299 - \"unknown field \\\"nope\\\"\"");
    call_free(c);
    world_fini(&w);
}

/* Sources: managedfields/internal/{fieldmanager,managedfields,structuredmerge}.go; apis/meta/v1/validation, ValidateManagedFields(). */
TEST(entries, that_clients_send_are_read_or_refused_or_forgotten)
{
    static const struct {
        const char *entry;
        int status;
        const char *says; /* the message's end, or the managers that are left, one a line */
    } rows[] = {
        {"'operation':'Apply','apiVersion':'v1','fieldsV1':{'x':{}}", 200, "first\n"},
        {"'operation':'Apply','apiVersion':'v1','fieldsV1':{'k:[1]':{}}", 200, "first\n"},
        {"'operation':'Apply','apiVersion':'v1','fieldsV1':{'i:x':{}}", 200, "first\n"},
        {"'operation':'Other','apiVersion':'v1','fieldsV1':{}", 200, "first\n"},
        {"'operation':'Apply','apiVersion':'v1','subresource':'{300}','fieldsV1':{'f:data':{}}",
         422, "metadata.managedFields[0].subresource: Too long: may not be more than 256 bytes"},
        {"'operation':'Apply','apiVersion':'v1','fieldsV1':{'f:data':{'f:k':{}}}", 200, "sent\n"},
        {"'operation':'Apply','apiVersion':'v9','fieldsV1':{'f:data':{'f:k':{}}}", 200, ""},
    };
    struct world w;

    world_init(&w);
    ask(&w, "POST", CM "?fieldManager=first", NULL, "{'metadata':{'name':'a'},'data':{'k':'v'}}",
        201);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(buf) struct buf body = BUF_INIT, names = BUF_INIT;
        const char *place = strstr(rows[i].entry, "{300}");
        struct json *v;

        buf_z(&body, "{'metadata':{'name':'a','managedFields':[{'manager':'sent',"
                     "'fieldsType':'FieldsV1',");
        if (place) {
            buf_add(&body, rows[i].entry, (size_t)(place - rows[i].entry));
            for (int n = 0; n < 300; n++)
                buf_char(&body, 'z');
            buf_z(&body, place + 5);
        } else {
            buf_z(&body, rows[i].entry);
        }
        buf_z(&body, "}]},'data':{'k':'v'}}");
        v = ask(&w, "PUT", CM "/a", NULL, buf_cstr(&body), rows[i].status);
        if (rows[i].status != 200) {
            CHECK(str_has_suffix(json_get_str(v, "message"), str_of(rows[i].says)));
            continue;
        }
        JSON_EACH(m, json_path(v, "metadata.managedFields"))
            buf_fmt(&names, PRI_STR "\n", STR_ARG(json_get_str(m, "manager")));
        CHECK_STRZ(buf_view(&names), rows[i].says);
    }
    world_fini(&w);
}

/* Source: managedfields/internal/structuredmerge.go; apimachinery/pkg/runtime/converter.go. */
TEST(apply, of_what_fits_the_schema_but_not_the_type_fails_at_conversion)
{
    struct world w;
    struct json *v;

    world_init(&w);
    v = ask(&w, "PATCH", DEPLOYS "/d?fieldManager=m", APPLY,
            "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'d'},'spec':"
            "{'replicas':1.5}}",
            500);
    CHECK_STRZ(json_get_str(v, "message"),
               "failed to convert new object (/d; apps/v1, Kind=Deployment) to proper version: "
               "unable to convert unstructured object to apps/v1, Kind=Deployment: cannot convert "
               "float64 to int32");
    world_fini(&w);
}

TEST_MAIN
