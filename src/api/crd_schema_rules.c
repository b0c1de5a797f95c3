/* crd_schema_rules.c - what the schema of a custom resource has to be: structural, and within what Kubernetes allows of OpenAPI.
 *
 * Two walks over one schema, as Kubernetes does it: the structural one, whose complaints are sorted by their text, and the one over
 * OpenAPI's fields. Expressions are left to crd_expressions.c, and come only when nothing is wrong with the schema around them.
 * API: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/{validation,complete,convert}.go, .../pkg/apis/apiextensions/validation */
#include "api/crd_rules.h"
#include "schema/cel/cel.h"
#include "schema/crd.h"

#define SCHEMA_DEPTH_MAX 200 /* of schemas in schemas; the JSON parser's own limit is not far */

static const char *const logical[] = {"allOf", "anyOf", "oneOf"};

static bool flag(const struct json *s, const char *name)
{
    return json_get_bool(s, name, false);
}

static bool is_schema(const struct json *v)
{
    return json_is(v, JSON_OBJECT);
}

/* ---- what cannot be structural at all: the first such thing, found in the order of Kubernetes' conversion ---- */

static const char *unsupported(const struct json *s, int depth)
{
    static const struct {
        const char *name, *text;
    } names[] = {
        {"id", "OpenAPIV3Schema 'id' is not supported"},
        {"$schema", "OpenAPIV3Schema 'schema' is not supported"},
        {"$ref", "OpenAPIV3Schema '$ref' is not supported"},
        {"patternProperties", "OpenAPIV3Schema 'patternProperties' is not supported"},
        {"dependencies", "OpenAPIV3Schema 'dependencies' is not supported"},
        {"additionalItems", "OpenAPIV3Schema 'additionalItems' is not supported"},
        {"definitions", "OpenAPIV3Schema 'definitions' is not supported"},
    };
    const struct json *items = field(s, "items"), *more = field(s, "additionalProperties"),
                      *preserve = field(s, "x-kubernetes-preserve-unknown-fields");
    const char *why = NULL;

    if (!is_schema(s) || depth > SCHEMA_DEPTH_MAX)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct json *v = field(s, names[i].name);

        if (v && (v->type == JSON_OBJECT   ? v->n > 0 || i == 4 || i == 5
                  : v->type == JSON_STRING ? v->s.n > 0
                                           : true))
            return names[i].text;
    }
    why = unsupported(field(s, "not"), depth + 1);
    for (size_t l = 0; l < ARRAY_LEN(logical); l++)
        JSON_EACH(x, field(s, logical[l]))
            why = why ? why : unsupported(x, depth + 1);
    if (!why && is_schema(more))
        why = unsupported(more, depth + 1);
    if (!why && json_is(preserve, JSON_BOOL) && !preserve->b)
        why = "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined";
    if (!why && json_is(items, JSON_ARRAY) && items->n)
        why = "OpenAPIV3Schema 'items' must be a schema, but is an array";
    if (!why)
        why = unsupported(items, depth + 1);
    JSON_EACH_MEMBER(m, field(s, "properties"))
        why = why ? why : unsupported(&m->value, depth + 1);
    return why;
}

/* ---- structure ---- */

enum level { LEVEL_ROOT, LEVEL_ITEM, LEVEL_FIELD };

/* anyOf: [{type: integer}, {type: string}], and nothing else in them: how int-or-string is written. */
static bool is_int_or_string(const struct json *any)
{
    static const char *const types[] = {"integer", "string"};

    if (json_count(any) != 2)
        return false;
    for (uint32_t i = 0; i < 2; i++)
        if (any->items[i].n != 1 || !str_is(json_get_str(&any->items[i], "type"), types[i]))
            return false;
    return true;
}

static void check_nested(struct check *c, const struct at *at, const struct json *s, bool skip_any,
                         int depth);

static void check_values(struct check *c, const struct at *at, const struct json *s, bool skip_any,
                         bool skip_first, int depth)
{
    const struct json *pattern = field(s, "pattern");
    str problem;
    int64_t i;

    for (size_t l = 0; l < ARRAY_LEN(logical); l++) {
        bool any = !strcmp(logical[l], "anyOf"), all = !strcmp(logical[l], "allOf");

        i = 0;
        if (any && skip_any)
            continue;
        JSON_EACH(x, field(s, logical[l])) {
            check_nested(c, AT_INDEX(AT(at, logical[l]), i), x, all && skip_first && i == 0,
                         depth + 1);
            i++;
        }
    }
    check_nested(c, AT(at, "not"), field(s, "not"), false, depth + 1);
    if (json_is(pattern, JSON_STRING) && pattern->s.n && !cel_regex_new(c->a, pattern->s, &problem))
        bad_invalid(c, AT(at, "pattern"), *pattern,
                    "must be a valid regular expression, but isn't: " PRI_STR, STR_ARG(problem));
}

/* Below allOf, anyOf, oneOf and not: values may be narrowed there, nothing may be declared. */
static void check_nested(struct check *c, const struct at *at, const struct json *s, bool skip_any,
                         int depth)
{
    static const struct {
        const char *name, *text;
    } forbidden[] = {
        {"type", "must be empty to be structural"},
        {"additionalProperties", "must be undefined to be structural"},
        {"default", "must be undefined to be structural"},
        {"title", "must be empty to be structural"},
        {"description", "must be empty to be structural"},
        {"nullable", "must be false to be structural"},
        {"externalDocs", "must be undefined to be structural"},
        {"x-kubernetes-preserve-unknown-fields", "must be false to be structural"},
        {"x-kubernetes-embedded-resource", "must be false to be structural"},
        {"x-kubernetes-int-or-string", "must be false to be structural"},
        {"x-kubernetes-list-map-keys", "must be empty to be structural"},
        {"x-kubernetes-list-type", "must be undefined to be structural"},
        {"x-kubernetes-map-type", "must be undefined to be structural"},
        {"x-kubernetes-validations", "must be empty to be structural"},
    };

    if (!is_schema(s) || depth > SCHEMA_DEPTH_MAX)
        return;
    check_values(c, at, s, skip_any, false, depth);
    if (is_schema(field(s, "items")))
        check_nested(c, AT(at, "items"), field(s, "items"), false, depth + 1);
    JSON_EACH_MEMBER(m, field(s, "properties"))
        check_nested(c, AT_KEY(AT(at, "properties"), m->key), &m->value, false, depth + 1);
    for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
        const struct json *v = field(s, forbidden[i].name);

        if (!v || (v->type == JSON_BOOL && !v->b && i != 1) ||
            (v->type == JSON_STRING && !v->s.n && i != 11 && i != 12) ||
            (v->type == JSON_ARRAY && !v->n))
            continue;
        bad_forbidden(c, AT(at, forbidden[i].name), "%s", forbidden[i].text);
    }
    if (json_findz(field(s, "properties"), "metadata"))
        bad_forbidden(c, AT_KEY(AT(at, "properties"), S("metadata")),
                      "must not be specified in a nested context");
}

static void check_metadata(struct check *c, const struct at *at, const struct json *s, bool root,
                           bool check_type)
{
    static const char *const allowed[] = {"type", "properties", "default", "externalDocs",
                                          "example"};
    bool other = false;

    if (check_type && !str_is(json_get_str(s, "type"), "object"))
        bad_invalid(c, AT(at, "type"), json_string(json_get_str(s, "type")), "must be object");
    if (!root)
        return;
    JSON_EACH_MEMBER(m, field(s, "properties"))
        other |= !str_is(m->key, "name") && !str_is(m->key, "generateName");
    JSON_EACH_MEMBER(m, s) {
        const struct json *v = &m->value;
        bool known = v->type == JSON_NULL || (v->type == JSON_BOOL && !v->b) ||
                     (v->type == JSON_STRING && !v->s.n);

        for (size_t i = 0; i < ARRAY_LEN(allowed) && !known; i++)
            known = str_is(m->key, allowed[i]);
        other |= !known;
    }
    if (other)
        bad_forbidden(c, at,
                      "must not specify anything other than name and generateName, but metadata is "
                      "implicitly specified");
}

static void check_structure(struct check *c, const struct at *at, const struct json *s,
                            enum level level, int depth)
{
    static const char *const strings[] = {"kind", "apiVersion"};
    const struct json *items = field(s, "items"), *props = field(s, "properties"),
                      *more = field(s, "additionalProperties");
    str type = json_get_str(s, "type");
    bool embedded = flag(s, "x-kubernetes-embedded-resource"),
         preserve = flag(s, "x-kubernetes-preserve-unknown-fields"),
         int_or_string = flag(s, "x-kubernetes-int-or-string"), root = level == LEVEL_ROOT,
         meta = root || embedded;

    if (!is_schema(s) || depth > SCHEMA_DEPTH_MAX)
        return;
    if (str_is(type, "array") && !items)
        bad_required(c, AT(at, "items"), "must be specified");
    check_structure(c, AT(at, "items"), items, LEVEL_ITEM, depth + 1);
    JSON_EACH_MEMBER(m, props)
        check_structure(c, AT_KEY(AT(at, "properties"), m->key), &m->value, LEVEL_FIELD, depth + 1);
    if (more && root)
        bad_forbidden(c, AT(at, "additionalProperties"), "must not be used at the root");
    check_structure(c, AT(at, "additionalProperties"), more, LEVEL_FIELD, depth + 1);
    if (int_or_string && preserve)
        bad_invalid(c, AT(at, "x-kubernetes-preserve-unknown-fields"), json_bool(true),
                    "must be false if x-kubernetes-int-or-string is true");
    if (int_or_string && embedded)
        bad_invalid(c, AT(at, "x-kubernetes-embedded-resource"), json_bool(true),
                    "must be false if x-kubernetes-int-or-string is true");
    check_values(c, at, s, is_int_or_string(field(s, "anyOf")),
                 is_int_or_string(field(json_item(field(s, "allOf"), 0), "anyOf")), depth);
    if (embedded && !str_is(type, "object")) {
        static const char text[] = "must be object if x-kubernetes-embedded-resource is true";

        if (type.n)
            bad_invalid(c, AT(at, "type"), json_string(type), "%s", text);
        else
            bad_required(c, AT(at, "type"), text);
    } else if (!type.n && !int_or_string && !preserve)
        bad_required(c, AT(at, "type"),
                     root                  ? "must not be empty at the root"
                     : level == LEVEL_ITEM ? "must not be empty for specified array items"
                                           : "must not be empty for specified object fields");
    if (embedded && more)
        bad_forbidden(c, AT(at, "additionalProperties"),
                      "must not be used if x-kubernetes-embedded-resource is set");
    if (root && type.n && !str_is(type, "object"))
        bad_invalid(c, AT(at, "type"), json_string(type), "must be object at the root");
    for (size_t i = 0; meta && i < ARRAY_LEN(strings); i++) {
        const struct json *p = json_findz(props, strings[i]);

        if (p && !str_is(json_get_str(p, "type"), "string"))
            bad_invalid(c, AT(AT_KEY(AT(at, "properties"), str_of(strings[i])), "type"),
                        json_string(json_get_str(p, "type")), "must be string");
    }
    if (json_findz(props, "metadata"))
        check_metadata(c, AT_KEY(AT(at, "properties"), S("metadata")),
                       json_findz(props, "metadata"), root, meta);
    if (embedded && !preserve && !json_count(props))
        bad_required(c, AT(at, "properties"),
                     "must not be empty if x-kubernetes-embedded-resource is true without "
                     "x-kubernetes-preserve-unknown-fields");
}

/* ---- completeness: what is narrowed somewhere is declared outside ---- */

static str place_of(struct arena *a, const struct at *at)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_place(&b, at);
    return arena_dup(a, buf_view(&b));
}

static void complete_nested(struct check *c, const struct json *v, const struct json *s,
                            const struct at *s_at, const struct at *v_at, int depth);

static void complete_values(struct check *c, const struct json *v, const struct json *s,
                            const struct at *s_at, const struct at *v_at, int depth)
{
    complete_nested(c, field(v, "not"), s, s_at, AT(v_at, "not"), depth);
    for (size_t l = 0; l < ARRAY_LEN(logical); l++) {
        int64_t i = 0;

        JSON_EACH(x, field(v, logical[l])) {
            complete_nested(c, x, s, s_at, AT_INDEX(AT(v_at, logical[l]), i), depth);
            i++;
        }
    }
}

static void complete_nested(struct check *c, const struct json *v, const struct json *s,
                            const struct at *s_at, const struct at *v_at, int depth)
{
    if (!is_schema(v) || depth > SCHEMA_DEPTH_MAX)
        return;
    if (!is_schema(s)) {
        bad_required(
            c, s_at,
            arena_fmt(c->a, "because it is defined in " PRI_STR, STR_ARG(place_of(c->a, v_at))).p);
        return;
    }
    complete_values(c, v, s, s_at, v_at, depth + 1);
    complete_nested(c, field(v, "items"), field(s, "items"), AT(s_at, "items"), AT(v_at, "items"),
                    depth + 1);
    JSON_EACH_MEMBER(m, field(v, "properties"))
        complete_nested(c, &m->value, json_find(field(s, "properties"), m->key),
                        AT_KEY(AT(s_at, "properties"), m->key),
                        AT_KEY(AT(v_at, "properties"), m->key), depth + 1);
}

static void check_complete(struct check *c, const struct at *at, const struct json *s, int depth)
{
    if (!is_schema(s) || depth > SCHEMA_DEPTH_MAX)
        return;
    complete_values(c, s, s, at, at, depth);
    check_complete(c, AT(at, "items"), field(s, "items"), depth + 1);
    JSON_EACH_MEMBER(m, field(s, "properties"))
        check_complete(c, AT_KEY(AT(at, "properties"), m->key), &m->value, depth + 1);
    check_complete(c, AT(at, "additionalProperties"), field(s, "additionalProperties"), depth + 1);
}

static int by_text(const void *x, const void *y, void *ctx)
{
    const struct err_cause *a = x, *b = y;
    int d = strcmp(a->field, b->field);

    (void)ctx;
    return d ? d : strcmp(a->message, b->message);
}

/* ---- defaults ---- */

static void check_defaults(struct check *c, const struct at *at, const struct json *s,
                           bool embedded, bool inside_meta, int depth)
{
    const struct json *def = field(s, "default");

    if (!is_schema(s) || depth > SCHEMA_DEPTH_MAX)
        return;
    embedded |= flag(s, "x-kubernetes-embedded-resource");
    inside_meta &= !embedded;
    if (def && !inside_meta && !crd_is_pruned(c->a, s, def))
        bad_invalid(c, AT(at, "default"), sorted_copy(c->a, def), "must not have unknown fields");
    if (def)
        crd_validate_value(c->a, s, def, place_of(c->a, AT(at, "default")), c->errs);
    check_defaults(c, AT(at, "items"), field(s, "items"), false, inside_meta, depth + 1);
    JSON_EACH_MEMBER(m, field(s, "properties"))
        check_defaults(c, AT_KEY(AT(at, "properties"), m->key), &m->value, false,
                       inside_meta ||
                           (embedded && (str_is(m->key, "metadata") ||
                                         str_is(m->key, "apiVersion") || str_is(m->key, "kind"))),
                       depth + 1);
}

/* ---- OpenAPI's fields ---- */

struct surroundings {
    const char *no_defaults; /* why defaults are not allowed; NULL: they are */
    bool in_meta;            /* below metadata, kind, apiVersion of a resource */
};

static void check_fields(struct check *c, const struct at *at, const struct json *s,
                         const struct surroundings *in)
{
    static const char *const types[] = {"array",  "boolean", "integer", "number",
                                        "object", "string",  NULL};
    static const char *const refused[] = {"id",          "additionalItems", "patternProperties",
                                          "definitions", "dependencies",    "$ref"};
    const struct json *type = field(s, "type"), *items = field(s, "items");
    bool known = false;

    for (size_t i = 0; types[i]; i++)
        known |= str_is(json_str(type), types[i]);
    if (json_str(type).n && !known)
        bad_unsupported(c, AT(at, "type"), *type, types);
    if (field(s, "default") && in->no_defaults)
        bad_forbidden(c, AT(at, "default"), "must not be set%s", in->no_defaults);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        const struct json *v = field(s, refused[i]);

        if (v && !(v->type == JSON_STRING && !v->s.n && i == 0) &&
            !(v->type == JSON_OBJECT && !v->n && (i == 2 || i == 3)))
            bad_forbidden(c, AT(at, refused[i]), "%s is not supported", refused[i]);
    }
    if (str_is(json_str(type), "null"))
        bad_forbidden(c, AT(at, "type"),
                      "type cannot be set to null, use nullable as an alternative");
    if (json_is(items, JSON_ARRAY) && items->n)
        bad_forbidden(c, AT(at, "items"), "items must be a schema object and not an array");
    if (in->in_meta && flag(s, "x-kubernetes-embedded-resource"))
        bad_forbidden(c, AT(at, "x-kubernetes-embedded-resource"),
                      "must not be used inside of resource meta");
}

static void wrong_type(struct check *c, const struct at *at, str type, const char *why)
{
    if (type.n)
        bad_invalid(c, AT(at, "type"), json_string(type), "%s", why);
    else
        bad_required(c, AT(at, "type"), why);
}

static struct json or_null(const struct json *v)
{
    return v ? *v : json_null();
}

static void check_map_keys(struct check *c, const struct at *at, const struct json *keys,
                           const struct json *items)
{
    struct json_index props = {.obj = (struct json *)(uintptr_t)field(items, "properties")};
    struct map seen;

    map_init(&seen);
    JSON_EACH(k, keys) {
        const struct json *p = json_index_find(&props, json_str(k));
        str type = json_get_str(p, "type");

        if (!p)
            bad_invalid(c, AT(at, "x-kubernetes-list-map-keys"), *keys,
                        "entries must all be names of item properties");
        else if (str_is(type, "array") || str_is(type, "object"))
            bad_invalid(c, AT(AT_KEY(AT(AT(at, "items"), "properties"), json_str(k)), "type"),
                        json_z("object"),
                        "must be a scalar type if parent array's x-kubernetes-list-type is map");
        if (map_put(&seen, json_str(k), c))
            bad_invalid(c, AT(at, "x-kubernetes-list-map-keys"), *keys,
                        "must not contain duplicate entries");
    }
    map_fini(&seen);
    json_index_fini(&props);
}

static void check_list_items(struct check *c, const struct at *at, const struct json *s, str list,
                             const struct json *items)
{
    const struct json *required = field(items, "required");
    bool map = str_is(list, "map");
    struct json_index props = {.obj = (struct json *)(uintptr_t)field(items, "properties")};
    struct map needed;

    if (!is_schema(items) || (!map && !str_is(list, "set")))
        return;
    if (flag(items, "nullable"))
        bad_forbidden(c, AT(AT(at, "items"), "nullable"),
                      "cannot be nullable when x-kubernetes-list-type is " PRI_STR, STR_ARG(list));
    if (!map)
        return;
    map_init(&needed);
    JSON_EACH(r, required)
        map_put(&needed, json_str(r), c);
    JSON_EACH(k, field(s, "x-kubernetes-list-map-keys")) {
        const struct json *p = json_index_find(&props, json_str(k));
        const struct at *here = AT_KEY(AT(AT(at, "items"), "properties"), json_str(k));

        if (!p)
            continue;
        if (!map_find(&needed, json_str(k)) && !field(p, "default"))
            bad_required(c, AT(here, "default"),
                         "this property is in x-kubernetes-list-map-keys, so it must have a "
                         "default or be a required property");
        if (flag(p, "nullable"))
            bad_forbidden(
                c, AT(here, "nullable"),
                "this property is in x-kubernetes-list-map-keys, so it cannot be nullable");
    }
    map_fini(&needed);
    json_index_fini(&props);
}

/* x-kubernetes-list-type, x-kubernetes-map-type and their kin. */
static void check_extensions(struct check *c, const struct at *at, const struct json *s)
{
    static const char *const map_types[] = {"atomic", "granular", NULL}, *const list_types[] = {
                                                                             "atomic", "set", "map",
                                                                             NULL};
    const struct json *preserve = field(s, "x-kubernetes-preserve-unknown-fields"),
                      *map_type = field(s, "x-kubernetes-map-type"),
                      *list_type = field(s, "x-kubernetes-list-type"),
                      *keys = field(s, "x-kubernetes-list-map-keys"), *items = field(s, "items");
    str type = json_get_str(s, "type"), list = json_str(list_type);

    if (json_is(preserve, JSON_BOOL) && !preserve->b)
        bad_invalid(c, AT(at, "x-kubernetes-preserve-unknown-fields"), *preserve,
                    "must be true or undefined");
    if (map_type && !str_is(type, "object"))
        wrong_type(c, at, type, "must be object if x-kubernetes-map-type is specified");
    if (map_type)
        check_enum(c, AT(at, "x-kubernetes-map-type"), map_type, map_types);
    if (list_type && !str_is(type, "array")) {
        wrong_type(c, at, type, "must be array if x-kubernetes-list-type is specified");
    } else if (str_is(list, "set") && is_schema(items)) {
        const struct json *inner = field(items, "x-kubernetes-list-type");
        static const char text[] = "must be atomic as item of a list with "
                                   "x-kubernetes-list-type=set";

        if (str_is(json_get_str(items, "type"), "array") && inner &&
            !str_is(json_str(inner), "atomic"))
            bad_invalid(c, AT(AT(at, "items"), "x-kubernetes-list-type"), *inner, text);
        if (str_is(json_get_str(items, "type"), "object") &&
            !str_is(json_get_str(items, "x-kubernetes-map-type"), "atomic"))
            bad_invalid(c, AT(AT(at, "items"), "x-kubernetes-map-type"), or_null(inner), text);
    }
    if (list_type)
        check_enum(c, AT(at, "x-kubernetes-list-type"), list_type, list_types);
    if (json_count(keys) && !str_is(list, "map")) {
        static const char text[] = "must be map if x-kubernetes-list-map-keys is non-empty";

        if (list_type)
            bad_invalid(c, AT(at, "x-kubernetes-list-type"), *list_type, text);
        else
            bad_required(c, AT(at, "x-kubernetes-list-type"), text);
    }
    if (str_is(list, "map")) {
        if (!json_count(keys))
            bad_required(c, AT(at, "x-kubernetes-list-map-keys"),
                         "must not be empty if x-kubernetes-list-type is map");
        if (!items)
            bad_required(c, AT(at, "items"), "must have a schema if x-kubernetes-list-type is map");
        else if (!is_schema(items))
            bad_invalid(c, AT(at, "items"), *items,
                        "must only have a single schema if x-kubernetes-list-type is map");
        else if (!str_is(json_get_str(items, "type"), "object"))
            bad_invalid(c, AT(AT(at, "items"), "type"), json_string(json_get_str(items, "type")),
                        "must be object if parent array's x-kubernetes-list-type is map");
        else
            check_map_keys(c, at, keys, items);
    }
    check_list_items(c, at, s, list, items);
}

static bool has_newline(str s)
{
    return str_has_char(s, '\n') || str_has_char(s, '\r');
}

/* The form of x-kubernetes-validations; what the expressions say is another matter. */
static void check_rules(struct check *c, const struct at *at, const struct json *s)
{
    static const char *const reasons[] = {"FieldValueDuplicate", "FieldValueForbidden",
                                          "FieldValueInvalid", "FieldValueRequired", NULL};
    int64_t i = 0;

    JSON_EACH(r, field(s, "x-kubernetes-validations")) {
        const struct at *here = AT_INDEX(AT(at, "x-kubernetes-validations"), i++);
        str rule = str_trim(json_get_str(r, "rule")), message = json_get_str(r, "message"),
            expression = json_get_str(r, "messageExpression"), path = json_get_str(r, "fieldPath");
        const char *why;

        if (!rule.n)
            bad_required(c, AT(here, "rule"), "rule is not specified");
        else if (message.n && !str_trim(message).n)
            bad_invalid(c, AT(here, "message"), json_string(message),
                        "message must be non-empty if specified");
        else if (has_newline(str_trim(message)))
            bad_invalid(c, AT(here, "message"), json_string(message),
                        "message must not contain line breaks");
        else if (has_newline(rule) && !str_trim(message).n)
            bad_required(c, AT(here, "message"),
                         "message must be specified if rule contains line breaks");
        if (expression.n && !str_trim(expression).n)
            bad_required(c, AT(here, "messageExpression"),
                         "messageExpression must be non-empty if specified");
        if (field(r, "reason"))
            check_enum(c, AT(here, "reason"), field(r, "reason"), reasons);
        if (path.n && !str_trim(path).n)
            bad_invalid(c, AT(here, "fieldPath"), json_string(path),
                        "fieldPath must be non-empty if specified");
        if (has_newline(path))
            bad_invalid(c, AT(here, "fieldPath"), json_string(path),
                        "fieldPath must not contain line breaks");
        if (path.n && !crd_field_path(c->a, s, path, true, NULL, &why))
            bad_invalid(c, AT(here, "fieldPath"), json_string(path),
                        "fieldPath must be a valid path");
    }
}

static void check_openapi(struct check *c, const struct at *at, const struct json *s,
                          const struct surroundings *in, bool root, int depth)
{
    const struct json *more = field(s, "additionalProperties"), *items = field(s, "items"),
                      *props = field(s, "properties");
    static const char *const maps[] = {"definitions", "dependencies"};
    int64_t i;

    if (!is_schema(s) || depth > SCHEMA_DEPTH_MAX)
        return;
    check_fields(c, at, s, in);
    if (flag(s, "uniqueItems"))
        bad_forbidden(
            c, AT(at, "uniqueItems"),
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic");
    if (more) {
        struct surroundings sub = *in;

        if (json_count(props) && !(json_is(more, JSON_BOOL) && more->b))
            bad_forbidden(c, AT(at, "additionalProperties"),
                          "additionalProperties and properties are mutual exclusive");
        if (in->in_meta)
            sub.no_defaults = " inside additionalProperties applying to object metadata";
        check_openapi(c, AT(at, "additionalProperties"), more, &sub, false, depth + 1);
    }
    JSON_EACH_MEMBER(m, props) {
        struct surroundings sub = *in;

        if ((root || flag(s, "x-kubernetes-embedded-resource")) &&
            (str_is(m->key, "metadata") || str_is(m->key, "kind") ||
             str_is(m->key, "apiVersion"))) {
            sub.in_meta = true;
            if (root)
                sub.no_defaults = arena_fmt(c->a, " in top-level " PRI_STR, STR_ARG(m->key)).p;
        }
        check_openapi(c, AT_KEY(AT(at, "properties"), m->key), &m->value, &sub, false, depth + 1);
    }
    check_openapi(c, AT(at, "not"), field(s, "not"), in, false, depth + 1);
    for (size_t l = 0; l < ARRAY_LEN(logical); l++) {
        static const char *const order[] = {"allOf", "oneOf", "anyOf"};

        i = 0;
        JSON_EACH(x, field(s, order[l]))
            check_openapi(c, AT_INDEX(AT(at, order[l]), i++), x, in, false, depth + 1);
    }
    if (is_schema(items))
        check_openapi(c, AT(at, "items"), items, in, false, depth + 1);
    else if (items) {
        i = 0;
        JSON_EACH(x, items)
            check_openapi(c, AT_INDEX(AT(at, "items"), i++), x, in, false, depth + 1);
    }
    for (size_t l = 0; l < ARRAY_LEN(maps); l++)
        JSON_EACH_MEMBER(m, field(s, maps[l]))
            check_openapi(c, AT_KEY(AT(at, maps[l]), m->key), &m->value, in, false, depth + 1);
    check_extensions(c, at, s);
    check_rules(c, at, s);
}

/* ---- the whole ---- */

void crd_check_schema(struct check *c, const struct at *at, const struct json *schema,
                      const struct crd_schema_options *o)
{
    const struct at *here = AT(at, "openAPIV3Schema");
    const struct surroundings in = {0};
    const char *no_structure = unsupported(schema, 0);
    unsigned before = *c->errs ? (*c->errs)->n_causes : 0;

    if (o->status_enabled)
        crd_check_schema_root(c, at, schema);
    if (flag(schema, "nullable"))
        bad_forbidden(c, AT(here, "nullable"), "nullable cannot be true at the root");
    if (!no_structure) {
        struct err *found = NULL;
        struct check structural = {c->a, &found};

        check_structure(&structural, here, schema, LEVEL_ROOT, 0);
        check_complete(&structural, here, schema, 0);
        if (found)
            sort_with(found->causes, found->n_causes, sizeof *found->causes, by_text, NULL);
        else
            check_defaults(&structural, here, schema, true, false, 0);
        for (unsigned i = 0; found && i < found->n_causes; i++) {
            const struct err_cause *x = &found->causes[i];

            if (!*c->errs)
                *c->errs = err_new(REASON_INVALID, "%s", "");
            err_cause_add(*c->errs, x->type, str_of(x->field), str_of(x->message));
        }
        err_free(found);
    }
    check_openapi(c, here, schema, &in, true, 0);
    if (no_structure && (!*c->errs || (*c->errs)->n_causes == before))
        bad_invalid(c, here, json_z(""), "%s", no_structure);
    if (!no_structure && (!*c->errs || (*c->errs)->n_causes == before) && crd_has_rules(schema)) {
        crd_check_expressions(c, here, schema, o->unchanged);
        if (!*c->errs || (*c->errs)->n_causes == before)
            crd_check_default_rules(c, here, schema, 0);
    }
}
