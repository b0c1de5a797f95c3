/* patch_fuzz.c - patches and ownership: any document and any patch give a result or an error, never a changed document
 * with an error. The input is a JSON array [document, patch]. */
#include "schema/schema.h"
#include "test/fuzz/fuzz.h"

const str fuzz_seeds[] = {
    STR("[{\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"labels\":{\"b\":\"c\"}},\"spec\":{"
        "\"containers\":[{\"name\":\"x\",\"image\":\"i\"}]}},[{\"op\":\"add\",\"path\":\"/metadata/"
        "labels/d~1e\",\"value\":1},{\"op\":\"move\",\"from\":\"/spec\",\"path\":\"/"
        "x\"},{\"op\":\"test\",\"path\":\"/x\",\"value\":{}}]]"),
    STR("[{\"apiVersion\":\"v1\",\"spec\":{\"containers\":[{\"name\":\"x\",\"env\":[{\"name\":"
        "\"A\"}]},{\"name\":\"y\"}],\"ports\":[{\"port\":80}]}},{\"apiVersion\":\"v1\",\"spec\":{"
        "\"$setElementOrder/"
        "containers\":[{\"name\":\"y\"},{\"name\":\"x\"}],\"containers\":[{\"name\":\"x\",\"$"
        "patch\":\"delete\"},{\"name\":\"z\"}],\"$retainKeys\":[\"containers\"],\"$"
        "deleteFromPrimitiveList/finalizers\":[\"f\"]}}]"),
    STR("[{\"apiVersion\":\"apps/"
        "v1\",\"metadata\":{\"uid\":\"u\",\"managedFields\":[{\"manager\":\"m\",\"operation\":"
        "\"Apply\",\"apiVersion\":\"apps/"
        "v1\",\"time\":\"2026-01-01T00:00:00Z\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{\"f:"
        "spec\":{\"f:replicas\":{},\"f:template\":{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":"
        "\\\"c\\\"}\":{\".\":{},\"f:image\":{}}}}}}}}]},\"spec\":{\"replicas\":1}},{\"apiVersion\":"
        "\"apps/v1\",\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\"}]}}}}]"),
    {NULL, 0},
};

static void check(struct arena *a, const struct json *before, const struct json *after,
                  struct err *err)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    (void)a;
    if (err)
        BUG_ON(!json_equal(before, after));
    else
        json_encode(&b, after);
    err_free(err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        const char *group, *version, *resource, *api_version;
    } kinds[] = {{"", "v1", "pods", "v1"},
                 {"", "v1", "services", "v1"},
                 {"apps", "v1", "deployments", "apps/v1"}};
    CLEANUP(arena) struct arena *a = arena_new();
    char *text = size ? mem_dup(data, size) : NULL;
    struct json *v = NULL, *doc, *patch, copy;
    struct err *err = json_parse(a, (str){text, size}, NULL, NULL, &v);

    if (!err && json_count(v) == 2 && v->type == JSON_ARRAY) {
        doc = &v->items[0];
        patch = &v->items[1];
        copy = json_copy(a, doc);
        check(a, doc, &copy, patch_json(a, &copy, patch));
        copy = json_copy(a, doc);
        check(a, doc, &copy, patch_merge(a, &copy, patch));
        for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
            const struct resource *r = schema_find_resource(
                str_of(kinds[i].group), str_of(kinds[i].version), str_of(kinds[i].resource));
            struct apply_options o = {.manager = S("fuzz"),
                                      .api_version = str_of(kinds[i].api_version)};
            struct json *out = NULL;

            if (doc->type != JSON_OBJECT)
                break;
            copy = json_copy(a, doc);
            check(a, doc, &copy, patch_strategic(a, r->type, &copy, patch));
            if (patch->type != JSON_OBJECT)
                continue;
            err_free(apply_merge(a, r, doc, patch, &o, &out));
            if (out)
                err_free(apply_merge(a, r, out, patch, &o, &out));
            copy = json_copy(a, patch);
            err_free(apply_track_update(a, r, doc, &copy, &o));
            copy = json_copy(a, patch);
            err_free(apply_track_update(a, r, NULL, &copy, &o));
        }
    }
    err_free(err);
    mem_free(text);
    return 0;
}
