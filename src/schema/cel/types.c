/* types.c - static types: names, texts, fields.
 *
 * Fields of built-in and structural types are looked up when an expression selects them, so that a type costs nothing until it is
 * used and may contain itself.
 *
 * Source: cel-go common/types/types.go, checker/format.go; k8s.io/apiserver/pkg/cel/{types,escaping,limits}.go,
 * pkg/cel/common/schemas.go. */
#include "schema/cel/cel_internal.h"
#include "schema/cel/rules.h"

#define MAX_REQUEST_BYTES 3145728u /* of a request, and so of what one value can be */

const struct cel_type cel_types_basic[T_PARAM + 1] = {
    [T_ERROR] = {.kind = T_ERROR, .name = STR("!error!"), .max_size = UINT64_MAX},
    [T_DYN] = {.kind = T_DYN, .name = STR("dyn"), .max_size = UINT64_MAX},
    [T_NULL] = {.kind = T_NULL, .name = STR("null_type"), .max_size = UINT64_MAX},
    [T_BOOL] = {.kind = T_BOOL, .name = STR("bool"), .max_size = UINT64_MAX},
    [T_INT] = {.kind = T_INT, .name = STR("int"), .max_size = UINT64_MAX},
    [T_UINT] = {.kind = T_UINT, .name = STR("uint"), .max_size = UINT64_MAX},
    [T_DOUBLE] = {.kind = T_DOUBLE, .name = STR("double"), .max_size = UINT64_MAX},
    [T_STRING] = {.kind = T_STRING, .name = STR("string"), .max_size = UINT64_MAX},
    [T_BYTES] = {.kind = T_BYTES, .name = STR("bytes"), .max_size = UINT64_MAX},
    [T_TIMESTAMP] = {.kind = T_TIMESTAMP,
                     .name = STR("google.protobuf.Timestamp"),
                     .max_size = UINT64_MAX},
    [T_DURATION] = {.kind = T_DURATION,
                    .name = STR("google.protobuf.Duration"),
                    .max_size = UINT64_MAX},
    [T_TYPE] = {.kind = T_TYPE, .name = STR("type"), .max_size = UINT64_MAX},
};
const struct cel_type cel_types_opaque[OPAQUE_N] = {
#define OBJECT(o, text)                                                                            \
    [o] = {.kind = T_OBJECT, .opaque = o, .name = STR(text), .max_size = UINT64_MAX}
    OBJECT(OPAQUE_QUANTITY, "kubernetes.Quantity"),
    OBJECT(OPAQUE_URL, "kubernetes.URL"),
    [OPAQUE_IP] = {.kind = T_OPAQUE,
                   .opaque = OPAQUE_IP,
                   .name = STR("net.IP"),
                   .max_size = UINT64_MAX},
    [OPAQUE_CIDR] = {.kind = T_OPAQUE,
                     .opaque = OPAQUE_CIDR,
                     .name = STR("net.CIDR"),
                     .max_size = UINT64_MAX},
    OBJECT(OPAQUE_FORMAT, "kubernetes.NamedFormat"),
    OBJECT(OPAQUE_SEMVER, "kubernetes.Semver"),
    OBJECT(OPAQUE_AUTHORIZER, "kubernetes.authorization.Authorizer"),
    OBJECT(OPAQUE_PATH_CHECK, "kubernetes.authorization.PathCheck"),
    OBJECT(OPAQUE_GROUP_CHECK, "kubernetes.authorization.GroupCheck"),
    OBJECT(OPAQUE_RESOURCE_CHECK, "kubernetes.authorization.ResourceCheck"),
    OBJECT(OPAQUE_DECISION, "kubernetes.authorization.Decision"),
#undef OBJECT
};
static const struct cel_type list_dyn = {
    .kind = T_LIST, .name = STR("list"), .a = BASIC(T_DYN), .max_size = UINT64_MAX};
static const struct cel_type map_dyn = {.kind = T_MAP,
                                        .name = STR("map"),
                                        .a = BASIC(T_DYN),
                                        .b = BASIC(T_DYN),
                                        .max_size = UINT64_MAX};
static const struct cel_type mutation_object = {
    .kind = T_OBJECT, .name = STR("Object"), .any_field = true, .max_size = UINT64_MAX};
static const struct cel_field json_patch_fields[] = {{STR("op"), BASIC(T_STRING)},
                                                     {STR("path"), BASIC(T_STRING)},
                                                     {STR("from"), BASIC(T_STRING)},
                                                     {STR("value"), BASIC(T_DYN)}};
static const struct cel_type json_patch = {.kind = T_OBJECT,
                                           .name = STR("JSONPatch"),
                                           .fields = json_patch_fields,
                                           .n_fields = ARRAY_LEN(json_patch_fields),
                                           .max_size = UINT64_MAX};

const struct cel_type *const cel_dyn = BASIC(T_DYN), *const cel_null = BASIC(T_NULL),
                             *const cel_bool = BASIC(T_BOOL), *const cel_int = BASIC(T_INT),
                             *const cel_uint = BASIC(T_UINT), *const cel_double = BASIC(T_DOUBLE),
                             *const cel_string = BASIC(T_STRING), *const cel_bytes = BASIC(T_BYTES),
                             *const cel_timestamp = BASIC(T_TIMESTAMP),
                             *const cel_duration = BASIC(T_DURATION);
const struct cel_type *const cel_error_type = BASIC(T_ERROR), *const cel_list_dyn = &list_dyn,
                             *const cel_map_dyn = &map_dyn;
const struct cel_type *const cel_authorizer = &cel_types_opaque[OPAQUE_AUTHORIZER],
                             *const cel_resource_check = &cel_types_opaque[OPAQUE_RESOURCE_CHECK];
const struct cel_type *const cel_mutation_object = &mutation_object, *const cel_json_patch =
                                                                         &json_patch;

/* ---- construction ---- */

static struct cel_type *type_new(struct arena *a, enum cel_type_kind kind)
{
    struct cel_type *t = ARENA_NEW(a, struct cel_type);

    t->kind = (uint8_t)kind;
    t->max_size = UINT64_MAX;
    return t;
}

const struct cel_type *cel_list_of(struct cel_env *env, const struct cel_type *item)
{
    struct cel_type *t = type_new(env->arena, T_LIST);

    t->a = item;
    return t;
}

const struct cel_type *cel_map_of(struct cel_env *env, const struct cel_type *key,
                                  const struct cel_type *value)
{
    struct cel_type *t = type_new(env->arena, T_MAP);

    t->a = key;
    t->b = value;
    return t;
}

const struct cel_type *cel_optional_of(struct cel_env *env, const struct cel_type *of)
{
    struct cel_type *t = type_new(env->arena, T_OPTIONAL);

    t->a = of;
    return t;
}

const struct cel_type *cel_object_of(struct cel_env *env, str name, const struct cel_field *fields,
                                     size_t n)
{
    struct cel_type *t = type_new(env->arena, T_OBJECT);
    struct cel_field *f = ARENA_NEW_N(env->arena, struct cel_field, n ? n : 1);

    BUG_ON(n > UINT16_MAX);
    for (size_t i = 0; i < n; i++)
        f[i] = (struct cel_field){arena_dup(env->arena, fields[i].name), fields[i].type};
    t->name = arena_dup(env->arena, name);
    t->fields = f;
    t->n_fields = (uint16_t)n;
    return t;
}

const struct cel_type *cel_type_builtin(struct cel_env *env, const struct schema_type *s)
{
    struct cel_type *t;

    if (!s)
        return cel_dyn;
    switch (s->kind) {
    case SCHEMA_STRUCT:
        t = map_find(&env->builtin, s->name);
        if (t && s->name.n)
            return t;
        t = type_new(env->arena, T_OBJECT);
        t->name = s->name;
        t->builtin = s;
        if (s->name.n)
            map_put(&env->builtin, s->name, t);
        return t;
    case SCHEMA_MAP:
        return cel_map_of(env, cel_string, cel_type_builtin(env, s->item));
    case SCHEMA_LIST:
        return cel_list_of(env, cel_type_builtin(env, s->item));
    case SCHEMA_VERB_LIST:
        return cel_list_of(env, cel_string);
    case SCHEMA_STRING:
    case SCHEMA_DURATION:
        return cel_string;
    case SCHEMA_BYTES:
        return cel_bytes;
    case SCHEMA_BOOL:
        return cel_bool;
    case SCHEMA_INT32:
    case SCHEMA_INT64:
    case SCHEMA_UINT32:
    case SCHEMA_UINT64:
    case SCHEMA_ENUM:
        return cel_int;
    case SCHEMA_DOUBLE:
    case SCHEMA_FLOAT:
        return cel_double;
    case SCHEMA_TIME:
    case SCHEMA_MICROTIME:
        return cel_timestamp;
    case SCHEMA_QUANTITY:
    case SCHEMA_INT_OR_STRING:
    case SCHEMA_RAW:
    case SCHEMA_FIELDS_V1:
    case SCHEMA_ANY:
    case SCHEMA_SCHEMA_OR_BOOL:
    case SCHEMA_SCHEMA_OR_ARRAY:
    case SCHEMA_SCHEMA_OR_STRINGS:
        return cel_dyn;
    }
    return cel_dyn;
}

/* ---- structural schemas ---- */

/* The least that a value of a schema takes in JSON, to bound how many fit into a request. */
static uint64_t min_size(const struct json *s, int depth)
{
    str type = json_get_str(s, "type"), format = json_get_str(s, "format");
    const struct json *props = json_findz(s, "properties"), *required = json_findz(s, "required");
    uint64_t n = 0;

    if (depth > 50 || json_get_bool(s, "x-kubernetes-int-or-string", false))
        return 1;
    if (str_is(type, "string"))
        return str_is(format, "duration")    ? 3
               : str_is(format, "date")      ? 12
               : str_is(format, "date-time") ? 21
                                             : 2;
    if (str_is(type, "boolean"))
        return 4;
    if (str_is(type, "integer") || str_is(type, "number"))
        return 1;
    if (str_is(type, "array"))
        return 2;
    if (!str_is(type, "object"))
        return 1;
    n = 2; /* {} */
    JSON_EACH_MEMBER(m, props) {
        bool needed = false;

        JSON_EACH(r, required)
            needed |= str_eq(json_str(r), m->key);
        if (needed && !json_findz(&m->value, "default"))
            n += m->key.n + min_size(&m->value, depth + 1) + 4;
    }
    return n;
}

uint64_t cel_max_cardinality(const struct json *schema)
{
    return MAX_REQUEST_BYTES / (min_size(schema, 0) + 1);
}

static uint64_t bound(const struct json *s, const char *name)
{
    const struct json *v = json_findz(s, name);

    return json_is(v, JSON_INT) && v->i >= 0 ? (uint64_t)v->i : UINT64_MAX;
}

static uint64_t string_bound(const struct json *s)
{
    str format = json_get_str(s, "format");
    uint64_t n = bound(s, "maxLength");

    if (n != UINT64_MAX)
        return n > UINT64_MAX / 4 ? UINT64_MAX : n * 4;
    if (str_is(format, "date")) /* with the quotes */
        return 12;
    if (str_is(format, "date-time") || str_is(format, "duration"))
        return 32;
    if (json_count(json_findz(s, "enum"))) {
        uint64_t most = 0;

        JSON_EACH(v, json_findz(s, "enum"))
            most = MAX(most, (uint64_t)json_str(v).n);
        return most;
    }
    return MAX_REQUEST_BYTES - 2;
}

static bool scalar_kind(const struct json *s, enum cel_type_kind *ret)
{
    str type = json_get_str(s, "type"), format = json_get_str(s, "format");

    if (str_is(type, "boolean"))
        *ret = T_BOOL;
    else if (str_is(type, "integer"))
        *ret = T_INT;
    else if (str_is(type, "number"))
        *ret = T_DOUBLE;
    else if (!str_is(type, "string"))
        return false;
    else if (str_is(format, "byte"))
        *ret = T_BYTES;
    else if (str_is(format, "duration"))
        *ret = T_DURATION;
    else if (str_is(format, "date") || str_is(format, "date-time"))
        *ret = T_TIMESTAMP;
    else
        *ret = T_STRING;
    return true;
}

static const struct cel_type *structural(struct cel_env *env, str name, const struct json *s,
                                         bool resource)
{
    str type = json_get_str(s, "type");
    const struct json *more = json_findz(s, "additionalProperties"),
                      *items = json_findz(s, "items");
    /* Kubernetes' estimates take keys of maps for empty. */
    static const struct cel_type unmeasured = {.kind = T_STRING, .name = STR("string")};
    struct cel_type *t, *known;
    const struct cel_type *inner;
    enum cel_type_kind kind;
    char key[2 * sizeof s + 2];

    if (!json_is(s, JSON_OBJECT))
        return NULL;
    resource |= json_get_bool(s, "x-kubernetes-embedded-resource", false);
    if (json_get_bool(s, "x-kubernetes-int-or-string", false)) {
        t = type_new(env->arena, T_DYN);
        t->max_size = MAX_REQUEST_BYTES - 2;
        if (bound(s, "maxLength") != UINT64_MAX)
            t->max_size = string_bound(s);
        t->schema = s;
        return t;
    }
    if (scalar_kind(s, &kind)) {
        t = type_new(env->arena, kind);
        t->name = cel_types_basic[kind].name;
        t->schema = s;
        t->max_size = kind == T_BOOL || kind == T_INT || kind == T_DOUBLE ? 0 : string_bound(s);
        if (kind == T_BYTES && bound(s, "maxLength") != UINT64_MAX)
            t->max_size = bound(s, "maxLength");
        return t;
    }
    snprintf(key, sizeof key, "%p%d", (const void *)s, resource);
    known = map_find(&env->structural, str_of(key));
    if (known && str_eq(known->name, name))
        return known;
    if (str_is(type, "array")) {
        if (!items)
            return NULL;
        inner =
            structural(env, arena_fmt(env->arena, PRI_STR ".@idx", STR_ARG(name)), items, false);
        if (!inner)
            return NULL;
        t = type_new(env->arena, T_LIST);
        t->a = inner;
        t->max_size = bound(s, "maxItems");
        if (t->max_size == UINT64_MAX)
            t->max_size = (MAX_REQUEST_BYTES - 2) / (min_size(items, 0) + 1);
    } else if (str_is(type, "object") && json_is(more, JSON_OBJECT) && !resource) {
        inner =
            structural(env, arena_fmt(env->arena, PRI_STR ".@prop", STR_ARG(name)), more, false);
        if (!inner)
            return NULL;
        t = type_new(env->arena, T_MAP);
        t->a = &unmeasured;
        t->b = inner;
        t->max_size = bound(s, "maxProperties");
        if (t->max_size == UINT64_MAX)
            t->max_size = (MAX_REQUEST_BYTES - 2) / (min_size(more, 0) + 6);
    } else if (str_is(type, "object")) {
        /* Unknown fields that are preserved are there, but expressions cannot name them. */
        t = type_new(env->arena, T_OBJECT);
        t->resource = resource;
        t->max_size = 0;
        map_put(&env->structural, str_of(key), t);
    } else {
        return NULL;
    }
    t->name = t->kind == T_OBJECT ? arena_dup(env->arena, name) : name;
    t->schema = s;
    return t;
}

const struct cel_type *cel_type_structural(struct cel_env *env, str name, const struct json *schema,
                                           bool resource_root)
{
    return structural(env, name, schema, resource_root);
}

/* ---- fields ---- */

static const struct {
    const char *raw, *escaped;
} escapes[] = {{"__", "__underscores__"}, {".", "__dot__"}, {"-", "__dash__"}, {"/", "__slash__"}};
static const char *const reserved[] = {
    "true",     "false",   "null",      "in",       "as",  "break",  "const",
    "continue", "else",    "for",       "function", "if",  "import", "let",
    "loop",     "package", "namespace", "return",   "var", "void",   "while"};

static bool field_name(struct cel_env *env, str name, str *ret);

static const struct cel_type *structural_field(struct cel_env *env, const struct cel_type *t,
                                               str name, str *ret_json)
{
    static const struct cel_field meta_fields[] = {{STR("name"), BASIC(T_STRING)},
                                                   {STR("generateName"), BASIC(T_STRING)}};
    const struct json *props = json_findz(t->schema, "properties"), *p;
    const struct cel_type *f;
    str json;

    if (!field_name(env, name, &json))
        return NULL;
    *ret_json = json;
    /* Rules within a schema see two fields of the metadata; policies see the whole object. */
    if (t->resource && str_is(json, "metadata") && (env->flags & CEL_POLICY))
        return cel_type_builtin(env, schema_find_gvk(S("meta.k8s.io"), S("v1"), S("ObjectMeta")));
    if (t->resource && str_is(json, "metadata")) {
        const struct json *meta = json_at(props, "metadata", "properties", NULL);
        struct cel_field fields[2];

        for (int i = 0; i < 2; i++) {
            fields[i] = meta_fields[i];
            p = json_find(meta, fields[i].name);
            if (p)
                fields[i].type = structural(env, fields[i].name, p, false);
            else {
                struct cel_type *s = type_new(env->arena, T_STRING);

                s->name = S("string");
                s->max_size = MAX_REQUEST_BYTES - 2;
                fields[i].type = s;
            }
        }
        return cel_object_of(env, arena_fmt(env->arena, PRI_STR ".metadata", STR_ARG(t->name)),
                             fields, 2);
    }
    p = json_find(props, json);
    if (!p) {
        if (t->resource && (str_is(json, "apiVersion") || str_is(json, "kind"))) {
            struct cel_type *s = type_new(env->arena, T_STRING);

            s->name = S("string");
            s->max_size = MAX_REQUEST_BYTES - 2;
            return s;
        }
        return NULL;
    }
    f = structural(env, arena_fmt(env->arena, PRI_STR "." PRI_STR, STR_ARG(t->name), STR_ARG(json)),
                   p, false);
    return f;
}

/* What an expression calls a field in JSON. */
static bool field_name(struct cel_env *env, str name, str *ret)
{
    if (env->flags & (CEL_POLICY | CEL_MUTATION))
        for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
            if (str_is(name, reserved[i])) {
                *ret = name;
                return true;
            }
    return cel_unescape(env->arena, name, ret);
}

const struct cel_type *cel_type_field(struct cel_env *env, const struct cel_type *t, str name,
                                      str *ret_json)
{
    *ret_json = name;
    if (t->builtin) {
        const struct schema_field *f;
        str json;

        if (!field_name(env, name, &json))
            return NULL;
        f = schema_find_field(t->builtin, json);
        if (!f || (f->flags & FIELD_INLINE))
            return NULL;
        *ret_json = f->name;
        return cel_type_builtin(env, f->type);
    }
    if (t->schema)
        return structural_field(env, t, name, ret_json);
    if (t == env->composed_type) {
        int64_t i = cel_composed_find(env, name);

        return i < 0 ? NULL : env->composed[i].program->type;
    }
    for (size_t i = 0; i < t->n_fields; i++)
        if (str_eq(t->fields[i].name, name))
            return t->fields[i].type;
    if (t->any_field)
        return cel_dyn;
    return NULL;
}

/* ---- names of properties ---- */

bool cel_escape(struct arena *a, str name, str *ret)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
        if (str_is(name, reserved[i])) {
            *ret = arena_fmt(a, "__%s__", reserved[i]);
            return true;
        }
    if (!name.n || (name.p[0] >= '0' && name.p[0] <= '9'))
        return false;
    for (size_t i = 0; i < name.n;) {
        bool done = false;
        char c = name.p[i];

        for (size_t k = 0; k < ARRAY_LEN(escapes) && !done; k++)
            if (str_has_prefix(str_skip(name, i), str_of(escapes[k].raw))) {
                buf_z(&b, escapes[k].escaped);
                i += strlen(escapes[k].raw);
                done = true;
            }
        if (done)
            continue;
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_'))
            return false;
        buf_char(&b, c);
        i++;
    }
    *ret = arena_dup(a, buf_view(&b));
    return true;
}

bool cel_unescape(struct arena *a, str name, str *ret)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
        if (str_is(name, reserved[i]))
            return false; /* only its escaped form is a name */
        if (name.n == strlen(reserved[i]) + 4 && str_has_prefix(name, S("__")) &&
            str_has_suffix(name, S("__")) && str_is(str_slice(name, 2, name.n - 2), reserved[i])) {
            *ret = str_of(reserved[i]);
            return true;
        }
    }
    if (str_find(name, S("__")) < 0) {
        *ret = name;
        return true;
    }
    for (size_t i = 0; i < name.n;) {
        bool done = false;

        for (size_t k = 0; k < ARRAY_LEN(escapes) && !done; k++)
            if (str_has_prefix(str_skip(name, i), str_of(escapes[k].escaped))) {
                buf_z(&b, escapes[k].raw);
                i += strlen(escapes[k].escaped);
                done = true;
            }
        if (done)
            continue;
        if (str_has_prefix(str_skip(name, i), S("__")))
            return false;
        buf_char(&b, name.p[i++]);
    }
    *ret = arena_dup(a, buf_view(&b));
    return true;
}

/* ---- texts and comparison ---- */

void cel_type_format(struct buf *b, const struct cel_type *t)
{
    switch ((enum cel_type_kind)t->kind) {
    case T_NULL:
        buf_z(b, "null");
        return;
    case T_TIMESTAMP:
        buf_z(b, "timestamp");
        return;
    case T_DURATION:
        buf_z(b, "duration");
        return;
    case T_LIST:
        buf_z(b, "list(");
        cel_type_format(b, t->a);
        buf_char(b, ')');
        return;
    case T_MAP:
        buf_z(b, "map(");
        cel_type_format(b, t->a);
        buf_z(b, ", ");
        cel_type_format(b, t->b);
        buf_char(b, ')');
        return;
    case T_OPTIONAL:
        buf_z(b, "optional_type(");
        cel_type_format(b, t->a);
        buf_char(b, ')');
        return;
    case T_TYPE:
        buf_z(b, "type");
        if (t->a) {
            buf_char(b, '(');
            cel_type_format(b, t->a);
            buf_char(b, ')');
        }
        return;
    case T_PARAM:
        buf_fmt(b, "_var%u", t->param);
        return;
    case T_ERROR:
    case T_DYN:
    case T_BOOL:
    case T_INT:
    case T_UINT:
    case T_DOUBLE:
    case T_STRING:
    case T_BYTES:
    case T_OBJECT:
    case T_OPAQUE:
        buf_str(b, t->name.n ? t->name : cel_types_basic[t->kind].name);
        return;
    }
}

str cel_type_text(struct arena *a, const struct cel_type *t)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    cel_type_format(&b, t);
    return arena_dup(a, buf_view(&b));
}

bool cel_type_equal(const struct cel_type *x, const struct cel_type *y)
{
    if (x == y)
        return true;
    if (!x || !y || x->kind != y->kind)
        return false;
    switch ((enum cel_type_kind)x->kind) {
    case T_LIST:
    case T_OPTIONAL:
    case T_TYPE:
        return cel_type_equal(x->a, y->a);
    case T_MAP:
        return cel_type_equal(x->a, y->a) && cel_type_equal(x->b, y->b);
    case T_OBJECT:
    case T_OPAQUE:
        return str_eq(x->name, y->name);
    case T_PARAM:
        return x->param == y->param;
    case T_ERROR:
    case T_DYN:
    case T_NULL:
    case T_BOOL:
    case T_INT:
    case T_UINT:
    case T_DOUBLE:
    case T_STRING:
    case T_BYTES:
    case T_TIMESTAMP:
    case T_DURATION:
        return true;
    }
    return false;
}

const struct cel_type *cel_type_named(const struct cel_env *env, str name)
{
    static const enum cel_type_kind named[] = {T_NULL,   T_BOOL,  T_INT,       T_UINT,     T_DOUBLE,
                                               T_STRING, T_BYTES, T_TIMESTAMP, T_DURATION, T_TYPE};
    static const struct cel_type optional = {.kind = T_OPTIONAL,
                                             .name = STR("optional_type"),
                                             .a = BASIC(T_DYN),
                                             .max_size = UINT64_MAX};

    for (size_t i = 0; i < ARRAY_LEN(named); i++)
        if (str_eq(name, cel_types_basic[named[i]].name))
            return BASIC(named[i]);
    if (str_is(name, "list"))
        return cel_list_dyn;
    if (str_is(name, "map"))
        return cel_map_dyn;
    if (str_is(name, "optional_type"))
        return &optional;
    if (!(env->flags & CEL_CORE_ONLY))
        for (size_t i = 1; i < OPAQUE_N; i++)
            if (str_eq(name, cel_types_opaque[i].name))
                return &cel_types_opaque[i];
    return NULL;
}

/* ---- what policies see ---- */

const struct cel_type *cel_type_admission_request(struct cel_env *env)
{
    const struct cel_type *strings = cel_list_of(env, cel_string);
    const struct cel_field gvk[] = {
        {S("group"), cel_string}, {S("version"), cel_string}, {S("kind"), cel_string}};
    const struct cel_field gvr[] = {
        {S("group"), cel_string}, {S("version"), cel_string}, {S("resource"), cel_string}};
    const struct cel_field user[] = {{S("username"), cel_string},
                                     {S("uid"), cel_string},
                                     {S("groups"), strings},
                                     {S("extra"), cel_map_of(env, cel_string, strings)}};
    const struct cel_type *k = cel_object_of(env, S("kubernetes.GroupVersionKind"), gvk, 3),
                          *r = cel_object_of(env, S("kubernetes.GroupVersionResource"), gvr, 3);
    const struct cel_field fields[] = {
        {S("kind"), k},
        {S("resource"), r},
        {S("subResource"), cel_string},
        {S("requestKind"), k},
        {S("requestResource"), r},
        {S("requestSubResource"), cel_string},
        {S("name"), cel_string},
        {S("namespace"), cel_string},
        {S("operation"), cel_string},
        {S("userInfo"), cel_object_of(env, S("kubernetes.UserInfo"), user, 4)},
        {S("dryRun"), cel_bool},
        {S("options"), cel_dyn}};

    return cel_object_of(env, S("kubernetes.AdmissionRequest"), fields, ARRAY_LEN(fields));
}

const struct cel_type *cel_type_namespace(struct cel_env *env)
{
    const struct cel_type *strings = cel_map_of(env, cel_string, cel_string);
    const struct cel_field spec[] = {{S("finalizers"), cel_list_of(env, cel_string)}};
    const struct cel_field condition[] = {{S("status"), cel_string},
                                          {S("type"), cel_string},
                                          {S("lastTransitionTime"), cel_timestamp},
                                          {S("message"), cel_string},
                                          {S("reason"), cel_string}};
    const struct cel_field status[] = {
        {S("conditions"),
         cel_list_of(env, cel_object_of(env, S("kubernetes.NamespaceCondition"), condition, 5))},
        {S("phase"), cel_string}};
    const struct cel_field meta[] = {{S("name"), cel_string},
                                     {S("generateName"), cel_string},
                                     {S("namespace"), cel_string},
                                     {S("labels"), strings},
                                     {S("annotations"), strings},
                                     {S("UID"), cel_string},
                                     {S("creationTimestamp"), cel_timestamp},
                                     {S("deletionGracePeriodSeconds"), cel_int},
                                     {S("deletionTimestamp"), cel_timestamp},
                                     {S("generation"), cel_int},
                                     {S("resourceVersion"), cel_string},
                                     {S("finalizers"), cel_list_of(env, cel_string)}};
    const struct cel_field fields[] = {
        {S("metadata"),
         cel_object_of(env, S("kubernetes.NamespaceMetadata"), meta, ARRAY_LEN(meta))},
        {S("spec"), cel_object_of(env, S("kubernetes.NamespaceSpec"), spec, 1)},
        {S("status"), cel_object_of(env, S("kubernetes.NamespaceStatus"), status, 2)}};

    return cel_object_of(env, S("kubernetes.Namespace"), fields, 3);
}
