/* openapi_proto.c - the v2 document as protobuf, for clients before Kubernetes 1.27, which ask for
 * nothing else. The build uses it for the built-in kinds, the server for custom ones.
 *
 * The messages are gnostic's (openapi.v2,
 * https://github.com/google/gnostic-models/blob/main/openapiv2/OpenAPIv2.proto). Such clients look
 * into definitions (to validate what a user wrote) and into PATCH operations (which parameters a
 * kind supports): this much is written. Extensions are YAML there; ours are JSON, which is YAML
 * too. */
#include "schema/openapi_proto.h"

/* Field numbers. */
enum {
    DOCUMENT_SWAGGER = 1,
    DOCUMENT_INFO = 2,
    DOCUMENT_PATHS = 8,
    DOCUMENT_DEFINITIONS = 9,
    INFO_TITLE = 1,
    INFO_VERSION = 2,
    PATHS_PATH = 2,
    NAMED_NAME = 1,
    NAMED_VALUE = 2,
    PATH_ITEM_PATCH = 8,
    OPERATION_ID = 5,
    OPERATION_PARAMETERS = 8,
    OPERATION_EXTENSION = 13,
    PARAMETERS_ITEM_PARAMETER = 1,
    PARAMETER_NON_BODY = 2,
    NON_BODY_QUERY = 3,
    QUERY_IN = 2,
    QUERY_NAME = 4,
    QUERY_TYPE = 6,
    LIST_OF = 1, /* Definitions, Properties, TypeItem, ItemsItem, AdditionalPropertiesItem: their
                    first field */
    SCHEMA_REF = 1,
    SCHEMA_FORMAT = 2,
    SCHEMA_DESCRIPTION = 4,
    SCHEMA_REQUIRED = 19,
    SCHEMA_ADDITIONAL = 21,
    SCHEMA_TYPE = 22,
    SCHEMA_ITEMS = 23,
    SCHEMA_PROPERTIES = 25,
    SCHEMA_EXTENSION = 31,
    ANY_YAML = 2,
};

static void put_varint(struct buf *b, uint64_t v)
{
    for (; v > 0x7f; v >>= 7)
        buf_char(b, (char)(v | 0x80));
    buf_char(b, (char)v);
}

static void put(struct buf *b, unsigned number, str s)
{
    put_varint(b, (uint64_t)number << 3 | 2);
    put_varint(b, s.n);
    buf_str(b, s);
}

static void put_buf(struct buf *b, unsigned number, struct buf *message)
{
    put(b, number, buf_view(message));
    buf_fini(message);
}

static void put_named(struct buf *b, unsigned number, str name, struct buf *value)
{
    struct buf named = BUF_INIT;

    put(&named, NAMED_NAME, name);
    put_buf(&named, NAMED_VALUE, value);
    put_buf(b, number, &named);
}

/* What the JSON document says of a schema, as a message. */
static void put_schema(struct buf *b, const struct json *schema)
{
    JSON_EACH_MEMBER(m, schema) {
        struct buf inner = BUF_INIT, value = BUF_INIT;

        if (str_is(m->key, "$ref"))
            put(b, SCHEMA_REF, json_str(&m->value));
        else if (str_is(m->key, "format"))
            put(b, SCHEMA_FORMAT, json_str(&m->value));
        else if (str_is(m->key, "description"))
            put(b, SCHEMA_DESCRIPTION, json_str(&m->value));
        else if (str_is(m->key, "type")) {
            put(&inner, LIST_OF, json_str(&m->value));
            put_buf(b, SCHEMA_TYPE, &inner);
        } else if (str_is(m->key, "required")) {
            JSON_EACH(it, &m->value)
                put(b, SCHEMA_REQUIRED, json_str(it));
        } else if (str_is(m->key, "items") || str_is(m->key, "additionalProperties")) {
            put_schema(&value, &m->value);
            put_buf(&inner, LIST_OF, &value);
            put_buf(b, str_is(m->key, "items") ? SCHEMA_ITEMS : SCHEMA_ADDITIONAL, &inner);
        } else if (str_is(m->key, "properties")) {
            JSON_EACH_MEMBER(p, &m->value) {
                struct buf property = BUF_INIT;

                put_schema(&property, &p->value);
                put_named(&inner, LIST_OF, p->key, &property);
            }
            put_buf(b, SCHEMA_PROPERTIES, &inner);
        } else if (str_has_prefix(m->key, S("x-"))) {
            struct buf any = BUF_INIT;

            json_encode(&value, &m->value);
            put(&any, ANY_YAML, buf_view(&value));
            buf_fini(&value);
            put_named(b, SCHEMA_EXTENSION, m->key, &any);
        }
    }
}

static void put_query_parameter(struct buf *operation, const struct json *p)
{
    struct buf query = BUF_INIT, non_body = BUF_INIT, parameter = BUF_INIT, item = BUF_INIT;

    put(&query, QUERY_IN, S("query"));
    put(&query, QUERY_NAME, json_get_str(p, "name"));
    put(&query, QUERY_TYPE, json_get_str(p, "type"));
    put_buf(&non_body, NON_BODY_QUERY, &query);
    put_buf(&parameter, PARAMETER_NON_BODY, &non_body);
    put_buf(&item, PARAMETERS_ITEM_PARAMETER, &parameter);
    put_buf(operation, OPERATION_PARAMETERS, &item);
}

static void put_patch(struct buf *paths, str path, const struct json *patch)
{
    struct buf operation = BUF_INIT, item = BUF_INIT, any = BUF_INIT, text = BUF_INIT;

    put(&operation, OPERATION_ID, json_get_str(patch, "operationId"));
    JSON_EACH(p, json_findz(patch, "parameters"))
        if (str_is(json_get_str(p, "in"), "query"))
            put_query_parameter(&operation, p);
    json_encode(&text, json_findz(patch, "x-kubernetes-group-version-kind"));
    put(&any, ANY_YAML, buf_view(&text));
    buf_fini(&text);
    put_named(&operation, OPERATION_EXTENSION, S("x-kubernetes-group-version-kind"), &any);
    put_buf(&item, PATH_ITEM_PATCH, &operation);
    put_named(paths, PATHS_PATH, path, &item);
}

void openapi_proto_parts(struct buf *out, const struct json *all_paths,
                         const struct json *all_definitions)
{
    struct buf paths = BUF_INIT, definitions = BUF_INIT;

    JSON_EACH_MEMBER(p, all_paths)
        if (json_findz(&p->value, "patch"))
            put_patch(&paths, p->key, json_findz(&p->value, "patch"));
    put_buf(out, DOCUMENT_PATHS, &paths);
    JSON_EACH_MEMBER(d, all_definitions) {
        struct buf schema = BUF_INIT;

        put_schema(&schema, &d->value);
        put_named(&definitions, LIST_OF, d->key, &schema);
    }
    put_buf(out, DOCUMENT_DEFINITIONS, &definitions);
}

void openapi_proto_document(struct arena *a, str v2_text, struct buf *out)
{
    static const struct json_limits limits = {64, 64u << 20};
    struct buf info = BUF_INIT;
    struct json *doc = NULL;
    struct err *err = json_parse(a, v2_text, &limits, NULL, &doc);

    BUG_ON(err); /* our own document */
    put(out, DOCUMENT_SWAGGER, S("2.0"));
    put(&info, INFO_TITLE, S("Kubernetes"));
    put(&info, INFO_VERSION, json_get_str(json_findz(doc, "info"), "version"));
    put_buf(out, DOCUMENT_INFO, &info);
    openapi_proto_parts(out, json_findz(doc, "paths"), json_findz(doc, "definitions"));
}
