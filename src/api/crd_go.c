/* crd_go.c - definitions as Kubernetes' messages show them: its internal types in the JSON of Go, every field told, by the names it
 * has there. One table of JSONSchemaProps serves this and the rule about which fields may stand at the root.
 *
 * API: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/types{,_jsonschema}.go */
#include "api/crd_rules.h"

enum form { /* what a field is in Go, hence what it looks like when it is not set */
            FORM_STRING,
            FORM_BOOL,
            FORM_ANY, /* a pointer, slice or map of plain values: as it is, or null */
            FORM_SCHEMA,
            FORM_SCHEMAS,
            FORM_SCHEMA_MAP,
            FORM_ITEMS,
            FORM_MORE, /* schema or bool */
            FORM_DEPENDENCIES,
            FORM_DOCS,
            FORM_RULES,
};
static const struct {
    const char *go, *json;
    enum form form;
    bool at_root; /* allowed there with a status subresource */
} fields[] = {
    {"ID", "id", FORM_STRING, false},
    {"Schema", "$schema", FORM_STRING, false},
    {"Ref", "$ref", FORM_ANY, false},
    {"Description", "description", FORM_STRING, true},
    {"Type", "type", FORM_STRING, true},
    {"Nullable", "nullable", FORM_BOOL, false},
    {"Format", "format", FORM_STRING, true},
    {"Title", "title", FORM_STRING, true},
    {"Default", "default", FORM_ANY, false},
    {"Maximum", "maximum", FORM_ANY, true},
    {"ExclusiveMaximum", "exclusiveMaximum", FORM_BOOL, true},
    {"Minimum", "minimum", FORM_ANY, true},
    {"ExclusiveMinimum", "exclusiveMinimum", FORM_BOOL, true},
    {"MaxLength", "maxLength", FORM_ANY, true},
    {"MinLength", "minLength", FORM_ANY, true},
    {"Pattern", "pattern", FORM_STRING, true},
    {"MaxItems", "maxItems", FORM_ANY, true},
    {"MinItems", "minItems", FORM_ANY, true},
    {"UniqueItems", "uniqueItems", FORM_BOOL, true},
    {"MultipleOf", "multipleOf", FORM_ANY, true},
    {"Enum", "enum", FORM_ANY, false},
    {"MaxProperties", "maxProperties", FORM_ANY, false},
    {"MinProperties", "minProperties", FORM_ANY, false},
    {"Required", "required", FORM_ANY, true},
    {"Items", "items", FORM_ITEMS, true},
    {"AllOf", "allOf", FORM_SCHEMAS, false},
    {"OneOf", "oneOf", FORM_SCHEMAS, false},
    {"AnyOf", "anyOf", FORM_SCHEMAS, false},
    {"Not", "not", FORM_SCHEMA, false},
    {"Properties", "properties", FORM_SCHEMA_MAP, true},
    {"AdditionalProperties", "additionalProperties", FORM_MORE, false},
    {"PatternProperties", "patternProperties", FORM_SCHEMA_MAP, false},
    {"Dependencies", "dependencies", FORM_DEPENDENCIES, false},
    {"AdditionalItems", "additionalItems", FORM_MORE, false},
    {"Definitions", "definitions", FORM_SCHEMA_MAP, false},
    {"ExternalDocs", "externalDocs", FORM_DOCS, true},
    {"Example", "example", FORM_ANY, true},
    {"XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields", FORM_ANY, true},
    {"XEmbeddedResource", "x-kubernetes-embedded-resource", FORM_BOOL, false},
    {"XIntOrString", "x-kubernetes-int-or-string", FORM_BOOL, false},
    {"XListMapKeys", "x-kubernetes-list-map-keys", FORM_ANY, false},
    {"XListType", "x-kubernetes-list-type", FORM_ANY, false},
    {"XMapType", "x-kubernetes-map-type", FORM_ANY, false},
    {"XValidations", "x-kubernetes-validations", FORM_RULES, true},
};

/* One member of a struct: {"A":…,"B":… */
static void name(struct buf *b, const char *go)
{
    if (b->n && b->p[b->n - 1] != '{')
        buf_char(b, ',');
    buf_fmt(b, "\"%s\":", go);
}

static void any(struct buf *b, const char *go, const struct json *v)
{
    name(b, go);
    if (v)
        json_encode(b, v);
    else
        buf_z(b, "null");
}

static void string(struct buf *b, const char *go, const struct json *v)
{
    name(b, go);
    json_encode_string(b, json_str(v));
}

static void boolean(struct buf *b, const char *go, const struct json *v)
{
    name(b, go);
    buf_z(b, json_is(v, JSON_BOOL) && v->b ? "true" : "false");
}

static void schema_or_null(struct buf *b, const struct json *s)
{
    if (json_is(s, JSON_OBJECT))
        crd_go_schema(b, s);
    else
        buf_z(b, "null");
}

static void schemas(struct buf *b, const struct json *list)
{
    if (!json_count(list)) {
        buf_z(b, "null");
        return;
    }
    buf_char(b, '[');
    JSON_EACH(s, list) {
        if (s != list->items)
            buf_char(b, ',');
        crd_go_schema(b, s);
    }
    buf_char(b, ']');
}

static int by_key(const void *x, const void *y, void *ctx)
{
    (void)ctx;
    return str_cmp((*(const struct json_member *const *)x)->key,
                   (*(const struct json_member *const *)y)->key);
}

/* Go writes maps in the order of their keys. */
static void schema_map(struct buf *b, const struct json *map, bool dependencies)
{
    const struct json_member **m;
    uint32_t n = 0;

    if (!json_is(map, JSON_OBJECT) || !map->n) {
        buf_z(b, "null");
        return;
    }
    m = mem_zalloc(map->n * sizeof(struct json_member *));
    JSON_EACH_MEMBER(x, map)
        m[n++] = x;
    sort_with(m, n, sizeof(struct json_member *), by_key, NULL);
    buf_char(b, '{');
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            buf_char(b, ',');
        json_encode_string(b, m[i]->key);
        buf_char(b, ':');
        if (!dependencies) {
            schema_or_null(b, &m[i]->value);
            continue;
        }
        buf_char(b, '{');
        name(b, "Schema");
        schema_or_null(b, &m[i]->value);
        any(b, "Property", json_is(&m[i]->value, JSON_ARRAY) ? &m[i]->value : NULL);
        buf_char(b, '}');
    }
    buf_char(b, '}');
    mem_free(m);
}

static void items(struct buf *b, const struct json *v)
{
    if (!v) {
        buf_z(b, "null");
        return;
    }
    buf_char(b, '{');
    name(b, "Schema");
    schema_or_null(b, v);
    name(b, "JSONSchemas");
    schemas(b, json_is(v, JSON_ARRAY) ? v : NULL);
    buf_char(b, '}');
}

static void schema_or_bool(struct buf *b, const struct json *v)
{
    if (!v) {
        buf_z(b, "null");
        return;
    }
    buf_fmt(b, "{\"Allows\":%s,\"Schema\":", json_is(v, JSON_BOOL) && !v->b ? "false" : "true");
    schema_or_null(b, v);
    buf_char(b, '}');
}

void crd_go_rule(struct buf *b, const struct json *rule)
{
    buf_char(b, '{');
    string(b, "Rule", field(rule, "rule"));
    string(b, "Message", field(rule, "message"));
    string(b, "MessageExpression", field(rule, "messageExpression"));
    any(b, "Reason", field(rule, "reason"));
    string(b, "FieldPath", field(rule, "fieldPath"));
    any(b, "OptionalOldSelf", field(rule, "optionalOldSelf"));
    buf_char(b, '}');
}

static void rules(struct buf *b, const struct json *list)
{
    if (!json_count(list)) {
        buf_z(b, "null");
        return;
    }
    buf_char(b, '[');
    JSON_EACH(r, list) {
        if (r != list->items)
            buf_char(b, ',');
        crd_go_rule(b, r);
    }
    buf_char(b, ']');
}

static void docs(struct buf *b, const struct json *v)
{
    if (!v) {
        buf_z(b, "null");
        return;
    }
    buf_char(b, '{');
    string(b, "Description", field(v, "description"));
    string(b, "URL", field(v, "url"));
    buf_char(b, '}');
}

void crd_go_schema(struct buf *b, const struct json *s)
{
    buf_char(b, '{');
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const struct json *v = field(s, fields[i].json);

        switch (fields[i].form) {
        case FORM_STRING:
            string(b, fields[i].go, v);
            continue;
        case FORM_BOOL:
            boolean(b, fields[i].go, v);
            continue;
        case FORM_ANY:
            any(b, fields[i].go, json_is(v, JSON_ARRAY) && !v->n ? NULL : v);
            continue;
        case FORM_SCHEMA:
            name(b, fields[i].go);
            schema_or_null(b, v);
            continue;
        case FORM_SCHEMAS:
            name(b, fields[i].go);
            schemas(b, v);
            continue;
        case FORM_SCHEMA_MAP:
        case FORM_DEPENDENCIES:
            name(b, fields[i].go);
            schema_map(b, v, fields[i].form == FORM_DEPENDENCIES);
            continue;
        case FORM_ITEMS:
            name(b, fields[i].go);
            items(b, v);
            continue;
        case FORM_MORE:
            name(b, fields[i].go);
            schema_or_bool(b, v);
            continue;
        case FORM_DOCS:
            name(b, fields[i].go);
            docs(b, v);
            continue;
        case FORM_RULES:
            name(b, fields[i].go);
            rules(b, v);
            continue;
        }
    }
    buf_char(b, '}');
}

static void scale(struct buf *b, const struct json *v)
{
    if (!v) {
        buf_z(b, "null");
        return;
    }
    buf_char(b, '{');
    string(b, "SpecReplicasPath", field(v, "specReplicasPath"));
    string(b, "StatusReplicasPath", field(v, "statusReplicasPath"));
    any(b, "LabelSelectorPath", field(v, "labelSelectorPath"));
    buf_char(b, '}');
}

static void columns(struct buf *b, const struct json *list)
{
    if (!json_count(list)) {
        buf_z(b, "null");
        return;
    }
    buf_char(b, '[');
    JSON_EACH(c, list) {
        if (c != list->items)
            buf_char(b, ',');
        buf_char(b, '{');
        string(b, "Name", field(c, "name"));
        string(b, "Type", field(c, "type"));
        string(b, "Format", field(c, "format"));
        string(b, "Description", field(c, "description"));
        buf_fmt(b, ",\"Priority\":%lld", (long long)json_get_int(c, "priority", 0));
        string(b, "JSONPath", field(c, "jsonPath"));
        buf_char(b, '}');
    }
    buf_char(b, ']');
}

static void selectable(struct buf *b, const struct json *list)
{
    if (!json_count(list)) {
        buf_z(b, "null");
        return;
    }
    buf_char(b, '[');
    JSON_EACH(f, list) {
        if (f != list->items)
            buf_char(b, ',');
        buf_char(b, '{');
        string(b, "JSONPath", field(f, "jsonPath"));
        buf_char(b, '}');
    }
    buf_char(b, ']');
}

void crd_go_versions(struct buf *b, const struct json *versions, const struct crd_hoisted *h)
{
    buf_char(b, '[');
    JSON_EACH(v, versions) {
        const struct json *schema = h->schema ? NULL : field(v, "schema"),
                          *subs = h->subresources ? NULL : field(v, "subresources");

        if (v != versions->items)
            buf_char(b, ',');
        buf_char(b, '{');
        string(b, "Name", field(v, "name"));
        boolean(b, "Served", field(v, "served"));
        boolean(b, "Storage", field(v, "storage"));
        boolean(b, "Deprecated", field(v, "deprecated"));
        any(b, "DeprecationWarning", field(v, "deprecationWarning"));
        name(b, "Schema");
        if (schema) {
            buf_z(b, "{\"OpenAPIV3Schema\":");
            schema_or_null(b, field(schema, "openAPIV3Schema"));
            buf_char(b, '}');
        } else
            buf_z(b, "null");
        name(b, "Subresources");
        if (subs) {
            buf_z(b, field(subs, "status") ? "{\"Status\":{}" : "{\"Status\":null");
            name(b, "Scale");
            scale(b, field(subs, "scale"));
            buf_char(b, '}');
        } else
            buf_z(b, "null");
        name(b, "AdditionalPrinterColumns");
        columns(b, h->columns ? NULL : field(v, "additionalPrinterColumns"));
        name(b, "SelectableFields");
        selectable(b, h->selectable ? NULL : field(v, "selectableFields"));
        buf_char(b, '}');
    }
    buf_char(b, ']');
}

static bool is_zero(const struct json *v, enum form form)
{
    if (!v)
        return true;
    switch (form) {
    case FORM_STRING:
        return !json_str(v).n;
    case FORM_BOOL:
        return !(json_is(v, JSON_BOOL) && v->b);
    case FORM_ANY:
    case FORM_SCHEMA:
    case FORM_SCHEMAS:
    case FORM_SCHEMA_MAP:
    case FORM_ITEMS:
    case FORM_MORE:
    case FORM_DEPENDENCIES:
    case FORM_DOCS:
    case FORM_RULES:
        return false;
    }
    return false;
}

void crd_check_schema_root(struct check *c, const struct at *at, const struct json *s)
{
    const struct at *here = AT(at, "openAPIV3Schema");

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const struct json *v = field(s, fields[i].json);
        CLEANUP(buf) struct buf text = BUF_INIT, list = BUF_INIT;

        if (is_zero(v, fields[i].form))
            continue;
        if (!strcmp(fields[i].go, "Type") && !str_is(json_str(v), "object")) {
            bad_invalid(c, AT(here, "type"), *v,
                        "only \"object\" is allowed as the type at the root of the schema if the "
                        "status subresource is enabled");
            return;
        }
        if (fields[i].at_root)
            continue;
        crd_go_schema(&text, s);
        for (size_t k = 0; k < ARRAY_LEN(fields); k++)
            if (fields[k].at_root)
                buf_fmt(&list, "%s%s", list.n ? " " : "", fields[k].go);
        bad_invalid_text(c, here, buf_view(&text),
                         "only [%s] fields are allowed at the root of the schema if the status "
                         "subresource is enabled",
                         buf_cstr(&list));
        return;
    }
}
