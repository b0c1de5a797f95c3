/* strict_test.c - what is told of bodies that have unknown fields, keys twice, or no meaning at all.
 *
 * Source: Kubernetes' test/integration/apiserver/field_validation_test.go; apiserver/pkg/endpoints/handlers/patch.go. JSON is
 * written with ' in place of ". */
#include "test/api/world.h"

#define DEPLOYS "/apis/apps/v1/namespaces/default/deployments"
#define CM "/api/v1/namespaces/default/configmaps"

/* "Warning" headers' texts, one a line. */
static str warnings(struct world *w, const struct call *c)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    str rest = buf_view(&c->head), line;

    while (str_cut(&rest, '\n', &line))
        if (str_has_prefix(line, S("Warning: 299 - "))) {
            struct json *v = NULL;

            CHECK_OK(json_parse(w->arena, arena_dup(w->arena, str_skip(line, 15)), NULL, NULL, &v));
            buf_fmt(&b, PRI_STR "\n", STR_ARG(json_str(v)));
        }
    return arena_dup(w->arena, buf_view(&b));
}

static const char deployment[] =
    "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'d','name':'d',"
    "'unknownMeta':'m'},'spec':{'unknown1':'1','unknownDupe':'1','unknownDupe':{'a':1,'a':2},"
    "'paused':true,'paused':false,'selector':{'matchLabels':{'app':'web'}},'template':{'metadata':"
    "{'labels':{'app':'web'}},'spec':{'containers':[{'name':'web','image':'i','unknownNested':1,"
    "'imagePullPolicy':'Always','imagePullPolicy':'Never'}]}}}}";
static const char deployment_yaml[] =
    "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: d\n  name: d\n  unknownMeta: m\n"
    "spec:\n  unknown1: 1\n  unknownDupe: 1\n  unknownDupe: 2\n  paused: true\n  paused: false\n"
    "  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n"
    "    spec:\n      containers:\n      - name: web\n        image: i\n        unknownNested: 1\n"
    "        imagePullPolicy: Always\n        imagePullPolicy: Never\n";
static const char valid[] =
    "{'metadata':{'name':'d'},'spec':{'selector':{'matchLabels':{'app':'web'}},'template':"
    "{'metadata':{'labels':{'app':'web'}},'spec':{'containers':[{'name':'web','image':'i'}]}}}}";

#define MERGE "application/merge-patch+json"
#define STRATEGIC "application/strategic-merge-patch+json"
#define JSON_PATCH "application/json-patch+json"
#define MERGED                                                                                     \
    "{'spec':{'unknown1':'1','unknownDupe':'1','unknownDupe':'2','paused':true,'paused':false,"    \
    "'template':{'spec':{'containers':[{'name':'web','image':'i','unknownNested':1,"               \
    "'imagePullPolicy':'Always','imagePullPolicy':'Never'}]}}}}"
#define MERGED_TOLD                                                                                \
    "duplicate field 'spec.unknownDupe'\nduplicate field 'spec.paused'\n"                          \
    "duplicate field 'spec.template.spec.containers[0].imagePullPolicy'\n"                         \
    "unknown field 'spec.template.spec.containers[0].unknownNested'\n"                             \
    "unknown field 'spec.unknown1'\nunknown field 'spec.unknownDupe'\n"

static const struct {
    const char *type, *body, *told; /* one a line */
} bodies[] = {
    {"application/json", deployment,
     "duplicate field 'metadata.name'\nunknown field 'metadata.unknownMeta'\n"
     "unknown field 'spec.unknown1'\nunknown field 'spec.unknownDupe'\n"
     "duplicate field 'spec.paused'\nunknown field "
     "'spec.template.spec.containers[0].unknownNested'\n"
     "duplicate field 'spec.template.spec.containers[0].imagePullPolicy'\n"},
    {"application/yaml", deployment_yaml,
     "line 5: key 'name' already set in map\nline 10: key 'unknownDupe' already set in map\n"
     "line 12: key 'paused' already set in map\n"
     "line 22: key 'imagePullPolicy' already set in map\nunknown field 'metadata.unknownMeta'\n"
     "unknown field 'spec.template.spec.containers[0].unknownNested'\n"
     "unknown field 'spec.unknown1'\nunknown field 'spec.unknownDupe'\n"},
    {MERGE, MERGED, MERGED_TOLD},
    {STRATEGIC, MERGED, MERGED_TOLD},
    {JSON_PATCH,
     "[{'op':'add','path':'/spec/unknown1','value':'v','foo':'bar'},"
     "{'op':'add','path':'/spec/unknown2','path':'/spec/unknown3','value':'v'},"
     "{'op':'add','path':'/spec/paused','value':true},"
     "{'op':'add','path':'/spec/template/spec/containers/0/unknownNested','value':1}]",
     "json patch unknown field '[0].foo'\njson patch duplicate field '[1].path'\n"
     "unknown field 'spec.template.spec.containers[0].unknownNested'\n"
     "unknown field 'spec.unknown1'\nunknown field 'spec.unknown3'\n"},
};

TEST(strict, what_is_unknown_or_there_twice_is_told_in_the_documents_order)
{
    struct world w;

    world_init(&w);
    world_json(&w, "POST", DEPLOYS, world_quoted(&w, valid), 201);
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        bool patch = str_find(str_of(bodies[i].type), S("patch")) > 0;
        CLEANUP(buf) struct buf want = BUF_INIT;
        str rest = str_of(world_quoted(&w, bodies[i].told)), line, message;
        const char *header = arena_fmt(w.arena, "Content-Type: %s", bodies[i].type).p;
        bool in_yaml = false;
        struct call *c = world_call(
            &w, patch ? "PATCH" : "PUT", DEPLOYS "/d?dryRun=All",
            bodies[i].body == deployment_yaml ? bodies[i].body : world_quoted(&w, bodies[i].body),
            header);

        CHECK_INT(c->status, 200);
        CHECK_STR(warnings(&w, c), rest);
        call_free(c);
        c = world_call(&w, patch ? "PATCH" : "PUT", DEPLOYS "/d?fieldValidation=Strict",
                       bodies[i].body == deployment_yaml ? bodies[i].body
                                                         : world_quoted(&w, bodies[i].body),
                       header);
        CHECK_INT(c->status, patch ? 422 : 400);
        buf_z(&want, "strict decoding error: ");
        while (str_cut(&rest, '\n', &line) && line.n) {
            bool yaml = str_has_prefix(line, S("line "));

            if (yaml && !in_yaml)
                buf_z(&want, "yaml: unmarshal errors:");
            if (!yaml && want.n > strlen("strict decoding error: "))
                buf_z(&want, ", ");
            buf_fmt(&want, "%s" PRI_STR, yaml ? "\n  " : "", STR_ARG(line));
            in_yaml = yaml;
        }
        message = json_get_str(call_json(c), "message");
        if (!str_has_suffix(message, buf_view(&want)))
            test_fail(__FILE__, __LINE__, PRI_STR "\ndoes not end in\n%s", STR_ARG(message),
                      buf_cstr(&want));
        call_free(c);
        c = world_call(&w, patch ? "PATCH" : "PUT", DEPLOYS "/d?dryRun=All&fieldValidation=Ignore",
                       bodies[i].body == deployment_yaml ? bodies[i].body
                                                         : world_quoted(&w, bodies[i].body),
                       header);
        CHECK_INT(c->status, 200);
        CHECK_STRZ(warnings(&w, c), "");
        call_free(c);
    }
    world_fini(&w);
}

TEST(strict, apply_tells_lines_after_it_has_merged)
{
    static const char twice[] = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n"
                                "  k: one\n  k: two\n";
    struct world w;
    struct call *c;

    world_init(&w);
    c = world_call(&w, "PATCH", CM "/a?fieldManager=m&fieldValidation=Strict", twice,
                   "Content-Type: application/apply-patch+yaml");
    CHECK_INT(c->status, 400);
    CHECK_STRZ(json_get_str(call_json(c), "message"),
               "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal "
               "errors:\n  line 7: key \"k\" already set in map");
    call_free(c);
    c = world_call(&w, "PATCH", CM "/a?fieldManager=m", twice,
                   "Content-Type: application/apply-patch+yaml");
    CHECK_INT(c->status, 201);
    CHECK_STRZ(warnings(&w, c), "line 7: key \"k\" already set in map\n");
    CHECK_STRZ(json_get_str(call_json(c), "data.k"), "two");
    call_free(c);
    world_fini(&w);
}

TEST(strict, patches_without_meaning_are_refused_in_the_words_of_their_decoder)
{
    static const struct {
        const char *type, *query, *body;
        int status;
        const char *message;
    } rows[] = {
        {STRATEGIC, "", "[]", 400,
         "json: cannot unmarshal array into Go value of type map[string]interface {}"},
        {STRATEGIC, "", "{'a'", 400, "unexpected end of JSON input"},
        {STRATEGIC, "", "null", 200, NULL},
        {MERGE, "", "5", 400,
         "error decoding patch: json: cannot unmarshal number into Go value of type "
         "map[string]interface {}"},
        {MERGE, "", "null", 400, "Invalid JSON Patch"},
        {MERGE, "?fieldValidation=Ignore", "5", 400, "Invalid JSON Patch"},
        {MERGE, "?fieldValidation=Ignore", "{'a'", 400, "Invalid JSON Patch"},
        {JSON_PATCH, "", "null", 200, NULL},
        {JSON_PATCH, "", "{}", 400,
         "error decoding patch: json: cannot unmarshal object into Go value of type "
         "[]handlers.jsonPatchOp"},
        {JSON_PATCH, "", "[1]", 400,
         "error decoding patch: json: cannot unmarshal number into Go value of type "
         "handlers.jsonPatchOp"},
        {JSON_PATCH, "", "[{'op':[]}]", 400,
         "error decoding patch: json: cannot unmarshal array into Go struct field jsonPatchOp.op "
         "of type string"},
        {JSON_PATCH, "?fieldValidation=Ignore", "{}", 400,
         "json: cannot unmarshal object into Go value of type jsonpatch.Patch"},
        {JSON_PATCH, "?fieldValidation=Ignore", "[{'op':[]}]", 422,
         "the server rejected our request due to an error in our request"},
        {"application/apply-patch+yaml", "?fieldManager=m", "[]", 400,
         "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot "
         "unmarshal "
         "array into Go value of type map[string]interface {}"},
        {"application/apply-patch+yaml", "?fieldManager=m", "", 400,
         "invalid object type: /, Kind="},
        {"application/apply-patch+yaml", "?fieldManager=m", "kind: Pod\napiVersion: v1", 400,
         "invalid object type: /v1, Kind=Pod"},
        {"application/apply-patch+yaml", "?fieldManager=m", "kind: Pod\napiVersion: a/v1", 400,
         "invalid object type: a/v1, Kind=Pod"},
    };
    struct world w;

    world_init(&w);
    world_json(&w, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", 201);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct call *c = world_call(&w, "PATCH", arena_fmt(w.arena, CM "/a%s", rows[i].query).p,
                                    world_quoted(&w, rows[i].body),
                                    arena_fmt(w.arena, "Content-Type: %s", rows[i].type).p);

        CHECK_INT(c->status, rows[i].status);
        if (rows[i].message)
            CHECK_STRZ(json_get_str(call_json(c), "message"), rows[i].message);
        call_free(c);
    }
    world_fini(&w);
}

TEST(strict, what_apply_creates_has_a_name_and_no_identity_yet)
{
    static const struct {
        const char *meta;
        int status;
        const char *message;
    } rows[] = {
        {"{}", 400,
         "the name of the object (a based on URL) was undeterminable: name must be provided"},
        {"{'name':'b'}", 400, "the name of the object (b) does not match the name on the URL (a)"},
        {"{'name':'a','namespace':'other'}", 400,
         "the namespace of the provided object does not match the namespace sent on the request"},
        {"{'name':'a','uid':'u1'}", 409,
         "Operation cannot be fulfilled on configmaps \"a\": uid mismatch: the provided object "
         "specified uid u1, and no existing object was found"},
        {"{'name':'a','resourceVersion':'5'}", 201, NULL},
    };
    struct world w;

    world_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct call *c = world_call(
            &w, "PATCH", CM "/a?fieldManager=m",
            world_quoted(&w,
                         arena_fmt(w.arena, "{'apiVersion':'v1','kind':'ConfigMap','metadata':%s}",
                                   rows[i].meta)
                             .p),
            "Content-Type: application/apply-patch+yaml");

        CHECK_INT(c->status, rows[i].status);
        if (rows[i].message)
            CHECK_STRZ(json_get_str(call_json(c), "message"), rows[i].message);
        call_free(c);
    }
    world_fini(&w);
}

/* Source: apiserver/pkg/endpoints/handlers/rest.go, summarizeData(); runtime/serializer/protobuf. */
TEST(strict, bodies_that_cannot_be_read_are_shown_as_text_or_bytes)
{
    static const struct {
        const char *method, *type, *body, *message;
    } rows[] = {
        {"POST", "application/json", "[1]",
         "couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value "
         "of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
         "\"json:\\\"kind,omitempty\\\"\" } (5b315d)"},
        {"POST", "application/json", "{'a'",
         "couldn't get version/kind; json parse error: unexpected end of JSON input ({\"a\")"},
        {"PUT", "application/json", "",
         "couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)"},
        {"POST", "application/vnd.kubernetes.protobuf", "xx",
         "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0] "
         "(7878)"},
        {"POST", "application/vnd.kubernetes.protobuf", "", "empty data (<empty>)"},
    };
    struct world w;

    world_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct call *c = world_call(&w, rows[i].method, rows[i].method[1] == 'U' ? CM "/a" : CM,
                                    world_quoted(&w, rows[i].body),
                                    arena_fmt(w.arena, "Content-Type: %s", rows[i].type).p);

        CHECK_INT(c->status, 400);
        CHECK_STRZ(json_get_str(call_json(c), "message"),
                   arena_fmt(w.arena,
                             "the object provided is unrecognized (must be of type ConfigMap): %s",
                             rows[i].message)
                       .p);
        call_free(c);
    }
    world_fini(&w);
}

#define OWNERS                                                                                     \
    "'ownerReferences':[{'apiVersion':'v1','kind':'Pod','name':'x','uid':'1'},"                    \
    "{'apiVersion':'v1','kind':'Pod','name':'x','uid':'1'},"                                       \
    "{'apiVersion':'v1','kind':'Pod','name':'y','uid':'1'}]"
#define DEDUPS(when)                                                                               \
    ".metadata.ownerReferences contains duplicate entries" when "; API server dedups owner "       \
    "references in 1.20+, and may reject such requests as early as 1.24; please fix your "         \
    "requests; duplicate UID(s) observed: 1\n"

/* Source: apiserver/pkg/endpoints/handlers/rest.go; Kubernetes' test/integration/apiserver, the test of owner references. */
TEST(strict, owners_that_are_there_twice_count_once)
{
    struct world w;
    struct call *c;

    world_init(&w);
    c = world_call(&w, "POST", CM, world_quoted(&w, "{'metadata':{'name':'a'," OWNERS "}}"), NULL);
    CHECK_INT(c->status, 201);
    CHECK_STRZ(warnings(&w, c), DEDUPS(""));
    CHECK_INT(json_count(json_path(call_json(c), "metadata.ownerReferences")), 2);
    call_free(c);
    c = world_call(&w, "PATCH", CM "/a", world_quoted(&w, "{'metadata':{" OWNERS "}}"),
                   "Content-Type: application/merge-patch+json");
    CHECK_INT(c->status, 200);
    CHECK_STRZ(warnings(&w, c), DEDUPS(" after mutating admission happens"));
    CHECK_INT(json_count(json_path(call_json(c), "metadata.ownerReferences")), 2);
    call_free(c);
    world_fini(&w);
}

TEST_MAIN
