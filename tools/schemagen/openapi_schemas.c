/* openapi_schemas.c - the types as OpenAPI schemas (v3) or definitions (v2).
 *
 * The two differ little: v3 wraps a reference that has neighbours in allOf, and tells defaults and
 * enumerations; v2 as Kubernetes serves it has neither. */
#include "openapi.h"

/* Types with their own notation. Their OpenAPI definitions stand alone. */
static const struct {
    enum schema_kind kind;
    const char *name, *v2, *v3, *doc;
} specials[] = {
    {SCHEMA_QUANTITY, "io.k8s.apimachinery.pkg.api.resource.Quantity", "\"type\":\"string\"",
     "\"oneOf\":[{\"type\":\"string\"},{\"type\":\"number\"}]",
     "A number with a unit: decimal (m, k, M, G, ...), binary (Ki, Mi, Gi, ...) or exponential "
     "(1e3)."},
    {SCHEMA_TIME, "io.k8s.apimachinery.pkg.apis.meta.v1.Time",
     "\"type\":\"string\",\"format\":\"date-time\"", "\"type\":\"string\",\"format\":\"date-time\"",
     "A time as in RFC 3339, to the second."},
    {SCHEMA_MICROTIME, "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime",
     "\"type\":\"string\",\"format\":\"date-time\"", "\"type\":\"string\",\"format\":\"date-time\"",
     "A time as in RFC 3339, with six decimals."},
    {SCHEMA_DURATION, "io.k8s.apimachinery.pkg.apis.meta.v1.Duration", "\"type\":\"string\"",
     "\"type\":\"string\"", "A duration such as 1h30m."},
    {SCHEMA_INT_OR_STRING, "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
     "\"type\":\"string\",\"format\":\"int-or-string\"",
     "\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}],\"format\":\"int-or-string\"",
     "A number or a string, often a percentage or a name."},
    {SCHEMA_RAW, "io.k8s.apimachinery.pkg.runtime.RawExtension", "\"type\":\"object\"",
     "\"type\":\"object\"", "Any object."},
    {SCHEMA_FIELDS_V1, "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1", "\"type\":\"object\"",
     "\"type\":\"object\"",
     "A set of fields: f:NAME a field, k:{KEYS} an item by its keys, v:VALUE an item by value, "
     "i:INDEX an item by position, . the thing itself."},
    {SCHEMA_ANY, "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON", "", "",
     "Any JSON value."},
    {SCHEMA_SCHEMA_OR_BOOL,
     "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool", "", "",
     "A schema, or true or false."},
    {SCHEMA_SCHEMA_OR_ARRAY,
     "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray", "", "",
     "A schema, or a list of schemas."},
    {SCHEMA_SCHEMA_OR_STRINGS,
     "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray", "",
     "", "A schema, or a list of names."},
};

static int special_of(enum schema_kind kind)
{
    for (size_t i = 0; i < ARRAY_LEN(specials); i++)
        if (specials[i].kind == kind)
            return (int)i;
    return -1;
}

void openapi_want(struct openapi *o, struct model_type *t)
{
    if (o->is_wanted[t->index])
        return;
    o->is_wanted[t->index] = true;
    if (o->n_wanted == o->cap_wanted) {
        uint32_t cap = o->cap_wanted ? o->cap_wanted * 2 : 256;

        o->wanted = arena_grow(o->m->arena, o->wanted, sizeof *o->wanted * o->cap_wanted,
                               sizeof *o->wanted * cap);
        o->cap_wanted = cap;
    }
    o->wanted[o->n_wanted++] = t;
}

static void ref_to(struct openapi *o, str name)
{
    writer_key(&o->w, "$ref");
    writer_fmt(&o->w, "%s" PRI_STR, o->v3 ? "#/components/schemas/" : "#/definitions/",
               STR_ARG(name));
}

void openapi_ref(struct openapi *o, struct model_type *t)
{
    openapi_want(o, t);
    writer_open(&o->w, '{');
    ref_to(o, t->name);
    writer_close(&o->w, '}');
}

void openapi_ref_name(struct openapi *o, const char *full_name)
{
    struct model_type *t = map_find(&o->m->by_name, str_of(full_name));

    BUG_ON(!t);
    openapi_ref(o, t);
}

static bool is_ref(const struct model_type *t)
{
    return t->kind == SCHEMA_STRUCT || special_of(t->kind) >= 0;
}

static void write_ref_members(struct openapi *o, struct model_type *t)
{
    int special = special_of(t->kind);

    if (special >= 0) {
        o->special |= 1u << special;
        ref_to(o, str_of(specials[special].name));
    } else {
        openapi_want(o, t);
        ref_to(o, t->name);
    }
}

static void write_type(struct openapi *o, struct model_type *t);

/* The members that say what a plain type is. */
static void write_type_members(struct openapi *o, struct model_type *t)
{
    struct writer *w = &o->w;

    switch (t->kind) {
    case SCHEMA_LIST:
        writer_memberz(w, "type", "array");
        writer_key(w, "items");
        write_type(o, t->item);
        return;
    case SCHEMA_VERB_LIST:
        writer_memberz(w, "type", "array");
        writer_key(w, "items");
        writer_raw(w, S("{\"type\":\"string\"}"));
        return;
    case SCHEMA_MAP:
        writer_memberz(w, "type", "object");
        writer_key(w, "additionalProperties");
        write_type(o, t->item);
        return;
    case SCHEMA_STRING:
        writer_memberz(w, "type", "string");
        return;
    case SCHEMA_BYTES:
        writer_memberz(w, "type", "string");
        writer_memberz(w, "format", "byte");
        return;
    case SCHEMA_BOOL:
        writer_memberz(w, "type", "boolean");
        return;
    case SCHEMA_INT32:
    case SCHEMA_UINT32:
        writer_memberz(w, "type", "integer");
        writer_memberz(w, "format", "int32");
        return;
    case SCHEMA_INT64:
    case SCHEMA_UINT64:
        writer_memberz(w, "type", "integer");
        writer_memberz(w, "format", "int64");
        return;
    case SCHEMA_DOUBLE:
    case SCHEMA_FLOAT:
        writer_memberz(w, "type", "number");
        writer_memberz(w, "format", "double");
        return;
    case SCHEMA_STRUCT:
    case SCHEMA_QUANTITY:
    case SCHEMA_TIME:
    case SCHEMA_MICROTIME:
    case SCHEMA_DURATION:
    case SCHEMA_INT_OR_STRING:
    case SCHEMA_RAW:
    case SCHEMA_FIELDS_V1:
    case SCHEMA_ANY:
    case SCHEMA_SCHEMA_OR_BOOL:
    case SCHEMA_SCHEMA_OR_ARRAY:
    case SCHEMA_SCHEMA_OR_STRINGS:
        write_ref_members(o, t);
        return;
    case SCHEMA_ENUM:
        writer_memberz(w, "type", "integer");
        return;
    }
}

static void write_type(struct openapi *o, struct model_type *t)
{
    writer_open(&o->w, '{');
    write_type_members(o, t);
    writer_close(&o->w, '}');
}

static void write_words(struct openapi *o, const char *key, str list, char sep)
{
    str word;

    writer_key(&o->w, key);
    writer_open(&o->w, '[');
    while (str_cut(&list, sep, &word))
        writer_string(&o->w, str_is(word, "\"\"") ? S("") : word);
    writer_close(&o->w, ']');
}

/* The value of a field that Go writes although it is not set; empty: none. */
static const char *zero_text(const struct model_field *f)
{
    if (f->flags & (FIELD_OMITEMPTY | FIELD_POINTER))
        return "";
    switch ((int)f->type->kind) {
    case SCHEMA_STRING:
        return "\"\"";
    case SCHEMA_BOOL:
        return "false";
    case SCHEMA_INT32:
    case SCHEMA_INT64:
    case SCHEMA_DOUBLE:
        return "0";
    case SCHEMA_STRUCT:
        return "{}";
    default:
        return "";
    }
}

/* Possible values stand where the string is: at the field, its items or its members. */
static bool write_type_with_values(struct openapi *o, const struct model_field *f)
{
    struct model_type *item = f->type->item;
    str values = f->values.n ? f->values : f->enum_values;

    if (!o->v3 || !values.n || !item || item->kind != SCHEMA_STRING)
        return false;
    writer_memberz(&o->w, "type", f->type->kind == SCHEMA_LIST ? "array" : "object");
    writer_key(&o->w, f->type->kind == SCHEMA_LIST ? "items" : "additionalProperties");
    writer_open(&o->w, '{');
    writer_memberz(&o->w, "type", "string");
    write_words(o, "enum", values, '|');
    writer_close(&o->w, '}');
    return true;
}

static void write_property(struct openapi *o, const struct model_field *f)
{
    struct writer *w = &o->w;
    const char *zero = zero_text(f);

    writer_key_str(w, f->name);
    writer_open(w, '{');
    if (f->doc.n)
        writer_member(w, "description", f->doc);
    if (o->v3 && (f->shown.n || zero[0])) {
        writer_key(w, "default");
        writer_raw(w, f->shown.n ? f->shown : str_of(zero));
    }
    /* What stands beside a $ref does not count in OpenAPI 3.0: then it is wrapped. */
    if (o->v3 && is_ref(f->type) && (f->doc.n || f->shown.n || zero[0])) {
        writer_key(w, "allOf");
        writer_open(w, '[');
        write_type(o, f->type);
        writer_close(w, ']');
    } else if (!write_type_with_values(o, f))
        write_type_members(o, f->type);
    if (o->v3 && ((f->enum_values.n && !f->unlisted) || f->values.n) &&
        f->type->kind == SCHEMA_STRING)
        write_words(o, "enum", f->values.n ? f->values : f->enum_values, '|');
    if (f->has_list_type) {
        if (f->list_type == SCHEMA_LIST_MAP)
            write_words(o, "x-kubernetes-list-map-keys", f->keys, ',');
        writer_memberz(w, "x-kubernetes-list-type",
                       f->list_type == SCHEMA_LIST_MAP   ? "map"
                       : f->list_type == SCHEMA_LIST_SET ? "set"
                                                         : "atomic");
    }
    if ((f->flags & FIELD_MAP_ATOMIC) && !(f->flags & FIELD_MAP_GRANULAR) &&
        !(f->type->kind == SCHEMA_STRUCT && f->type->atomic))
        writer_memberz(w, "x-kubernetes-map-type", "atomic");
    if (f->flags & FIELD_MAP_GRANULAR)
        writer_memberz(w, "x-kubernetes-map-type", "granular");
    if (f->merge_key.n)
        writer_member(w, "x-kubernetes-patch-merge-key", f->merge_key);
    if (f->flags & (FIELD_PATCH_MERGE | FIELD_PATCH_REPLACE_KEYS))
        writer_memberz(w, "x-kubernetes-patch-strategy",
                       !(f->flags & FIELD_PATCH_REPLACE_KEYS) ? "merge"
                       : f->flags & FIELD_PATCH_MERGE         ? "merge,retainKeys"
                                                              : "retainKeys");
    if (f->flags & FIELD_PATCH_REPLACE)
        writer_memberz(w, "x-kubernetes-patch-strategy", "replace");
    writer_close(w, '}');
}

static void write_properties(struct openapi *o, struct model_type *t)
{
    for (uint32_t i = 0; i < t->n_fields; i++) {
        if (t->fields[i].flags & FIELD_INLINE)
            write_properties(o, t->fields[i].type);
        else
            write_property(o, &t->fields[i]);
    }
}

static uint32_t count_required(struct model_type *t)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < t->n_fields; i++)
        n += (t->fields[i].flags & FIELD_INLINE) ? count_required(t->fields[i].type)
                                                 : (t->fields[i].flags & FIELD_REQUIRED) != 0;
    return n;
}

static void write_required(struct openapi *o, struct model_type *t)
{
    for (uint32_t i = 0; i < t->n_fields; i++) {
        if (t->fields[i].flags & FIELD_INLINE)
            write_required(o, t->fields[i].type);
        else if (t->fields[i].flags & FIELD_REQUIRED)
            writer_string(&o->w, t->fields[i].name);
    }
}

static void write_gvk(struct openapi *o, str group, str version, str kind)
{
    writer_open(&o->w, '{');
    writer_member(&o->w, "group", group);
    writer_member(&o->w, "kind", kind);
    writer_member(&o->w, "version", version);
    writer_close(&o->w, '}');
}

static void write_gvks(struct openapi *o, struct model_type *t)
{
    writer_key(&o->w, "x-kubernetes-group-version-kind");
    writer_open(&o->w, '[');
    if (!t->everywhere)
        write_gvk(o, t->package->group, t->package->version, t->local);
    else {
        write_gvk(o, S(""), S("v1"), t->local);
        for (uint32_t i = 0; i < o->m->n_packages; i++) {
            struct model_package *p = o->m->packages[i];

            if (p->proto3 || !p->group.n ||
                (o->package ? o->package != p : p->served == SERVED_LEGACY))
                continue;
            write_gvk(o, p->group, p->version, t->local);
        }
    }
    writer_close(&o->w, ']');
}

/* Members are named as in Go, which generators of typed clients expect. */
static void write_union(struct openapi *o, str members)
{
    struct writer *w = &o->w;
    str discriminator, member;

    str_cut(&members, ':', &discriminator);
    writer_key(w, "x-kubernetes-unions");
    writer_open(w, '[');
    writer_open(w, '{');
    if (discriminator.n)
        writer_member(w, "discriminator", discriminator);
    writer_key(w, "fields-to-discriminateBy");
    writer_open(w, '{');
    while (str_cut(&members, ',', &member))
        writer_member(w, arena_dupz(o->m->arena, member), openapi_capital(o, member));
    writer_close(w, '}');
    writer_close(w, '}');
    writer_close(w, ']');
}

static void write_schema(struct openapi *o, struct model_type *t)
{
    struct writer *w = &o->w;

    writer_key_str(w, t->name);
    writer_open(w, '{');
    if (t->doc.n)
        writer_member(w, "description", t->doc);
    writer_memberz(w, "type", "object");
    if (count_required(t)) {
        writer_key(w, "required");
        writer_open(w, '[');
        write_required(o, t);
        writer_close(w, ']');
    }
    if (t->n_fields) {
        writer_key(w, "properties");
        writer_open(w, '{');
        write_properties(o, t);
        writer_close(w, '}');
    }
    if (t->is_kind)
        write_gvks(o, t);
    if (t->atomic)
        writer_memberz(w, "x-kubernetes-map-type", "atomic");
    if (t->union_members.n)
        write_union(o, t->union_members);
    writer_close(w, '}');
}

void openapi_write_schemas(struct openapi *o)
{
    /* Writing a type mentions others, which join the queue behind it. */
    for (uint32_t i = 0; i < o->n_wanted; i++)
        write_schema(o, o->wanted[i]);
    for (size_t i = 0; i < ARRAY_LEN(specials); i++) {
        const char *body = o->v3 ? specials[i].v3 : specials[i].v2;

        if (!(o->special & 1u << i))
            continue;
        writer_key(&o->w, specials[i].name);
        writer_open(&o->w, '{');
        writer_memberz(&o->w, "description", specials[i].doc);
        if (body[0])
            writer_raw(&o->w, str_of(body));
        writer_close(&o->w, '}');
    }
}
