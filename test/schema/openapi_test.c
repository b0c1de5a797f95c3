/* openapi_test.c - the OpenAPI documents are whole: they parse, and every reference leads
 * somewhere. */
#include "schema/openapi.h"
#include "schema/schema.h"
#include "test/test.h"

static const struct json_limits large = {64, 64u << 20};

static struct json *document(struct arena *a, const char *path)
{
    const struct openapi_doc *doc = openapi_find(str_of(path));
    struct buf b = BUF_INIT;
    struct json *v = NULL;

    CHECK(doc != NULL);
    if (!doc)
        return NULL;
    openapi_text(doc, &b);
    CHECK_INT((int64_t)b.n, (int64_t)doc->size);
    CHECK_OK(json_parse(a, arena_dup(a, buf_view(&b)), &large, NULL, &v));
    buf_fini(&b);
    return v;
}

static void check_refs(const struct json *v, const struct json *schemas, str prefix,
                       const char *doc, int *n)
{
    if (json_is(v, JSON_ARRAY))
        JSON_EACH(it, v)
            check_refs(it, schemas, prefix, doc, n);
    JSON_EACH_MEMBER(m, v) {
        if (str_is(m->key, "$ref") && m->value.type == JSON_STRING) {
            ++*n;
            if (!str_has_prefix(m->value.s, prefix) ||
                !json_find(schemas, str_skip(m->value.s, prefix.n)))
                test_fail(__FILE__, __LINE__, "%s: " PRI_STR " leads nowhere", doc,
                          STR_ARG(m->value.s));
        } else
            check_refs(&m->value, schemas, prefix, doc, n);
    }
}

TEST(openapi, every_reference_leads_to_a_schema)
{
    struct arena *a = arena_new();
    int n = 0;

    for (size_t i = 0; i < openapi_n_docs; i++) {
        struct json *v;
        char path[128];

        if (str_is(openapi_docs[i].path, "v2.pb"))
            continue;
        arena_reset(a);
        snprintf(path, sizeof path, PRI_STR, STR_ARG(openapi_docs[i].path));
        v = document(a, path);
        if (str_is(openapi_docs[i].path, "v2"))
            check_refs(v, json_findz(v, "definitions"), S("#/definitions/"), path, &n);
        else
            check_refs(v, json_path(v, "components.schemas"), S("#/components/schemas/"), path, &n);
    }
    CHECK(n > 10000);
    arena_free(a);
}

TEST(openapi, operation_names_are_unique)
{
    struct arena *a = arena_new();
    struct json *v = document(a, "v2");
    struct map seen;

    map_init(&seen);
    JSON_EACH_MEMBER(path, json_findz(v, "paths"))
        JSON_EACH_MEMBER(op, &path->value) {
            str id = json_get_str(&op->value, "operationId");

            if (id.n && map_put(&seen, id, op))
                test_fail(__FILE__, __LINE__, "twice: " PRI_STR, STR_ARG(id));
        }
    CHECK(seen.n > 500);
    map_fini(&seen);
    arena_free(a);
}

TEST(openapi, merge_keys_and_kinds_are_told)
{
    struct arena *a = arena_new();
    struct json *v = document(a, "v3/apis/apps/v1"), *schemas = json_path(v, "components.schemas"),
                *c;

    c = json_at(schemas, "io.k8s.api.core.v1.Container", "properties", "ports", NULL);
    CHECK_STR(json_str(json_findz(c, "x-kubernetes-patch-merge-key")), S("containerPort"));
    CHECK_STR(json_str(json_findz(c, "x-kubernetes-list-type")), S("map"));
    CHECK_INT(json_count(json_findz(c, "x-kubernetes-list-map-keys")), 2);
    c = json_item(
        json_at(schemas, "io.k8s.api.apps.v1.Deployment", "x-kubernetes-group-version-kind", NULL),
        0);
    CHECK_STR(json_get_str(c, "group"), S("apps"));
    CHECK(json_at(v, "paths", "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale",
                  "patch", NULL) != NULL);
    arena_free(a);
}

/* A field of a protobuf message by its path of numbers; the first occurrence. */
static str field(str message, const unsigned *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = 0;
        bool found = false;

        while (!found && at < message.n) {
            uint64_t tag = 0, len = 0;

            for (unsigned s = 0; at < message.n; s += 7) {
                tag |= (uint64_t)(message.p[at] & 0x7f) << s;
                if (!(message.p[at++] & 0x80))
                    break;
            }
            for (unsigned s = 0; at < message.n; s += 7) {
                len |= (uint64_t)(message.p[at] & 0x7f) << s;
                if (!(message.p[at++] & 0x80))
                    break;
            }
            CHECK_INT((int64_t)(tag & 7), 2);
            if (tag >> 3 == numbers[i]) {
                message = str_slice(message, at, at + len);
                found = true;
            }
            at += len;
        }
        if (!found)
            return STR_NONE;
    }
    return message;
}

TEST(openapi, old_clients_get_definitions_as_protobuf)
{
    const struct openapi_doc *doc = openapi_find(S("v2.pb"));
    struct buf b = BUF_INIT;

    openapi_text(doc, &b);
    CHECK_STR(field(buf_view(&b), (const unsigned[]){1}, 1), S("2.0"));
    /* paths, path, value, patch, parameters, parameter, non-body, query, name */
    CHECK_STR(field(buf_view(&b), (const unsigned[]){8, 2, 2, 8, 8, 1, 2, 3, 4}, 9), S("dryRun"));
    CHECK(str_has_prefix(field(buf_view(&b), (const unsigned[]){9, 1, 1}, 3), S("io.k8s.")));
    CHECK_STR(field(buf_view(&b), (const unsigned[]){9, 1, 2, 22, 1}, 5), S("object"));
    buf_fini(&b);
}

TEST(openapi, an_unknown_document_is_not_found)
{
    CHECK(!openapi_find(S("v3/apis/nosuch/v1")));
}

TEST_MAIN
