/* model.h - the API's schema as the generator holds it, between parsing api/ and writing tables.
 *
 * Everything lives in one arena until the program ends. Types are referred to by pointer once
 * model_resolve() has run; list and map types are made on demand and shared. */
#ifndef K1S_SCHEMAGEN_MODEL_H
#define K1S_SCHEMAGEN_MODEL_H
#include "base/base.h"
#include "schema/schema.h"

struct model_type;
struct model_field {
    str name;      /* in JSON; empty for inlined structs */
    str type_text; /* as written, without the pointer's star */
    struct model_type *type;
    uint32_t proto;
    uint32_t flags; /* FIELD_... */
    enum schema_list_type list_type;
    bool has_list_type; /* said in the file, for OpenAPI */
    str keys;           /* comma-separated */
    str merge_key, def, doc;
    str enum_values;   /* '|'-separated: checked by validation */
    str values, shown; /* for OpenAPI: possible values, and a default that is told */
    str format, pattern, required_detail;
    bool nonempty;
    bool unlisted; /* enum_values are checked but not told in OpenAPI, as Kubernetes has it */
    bool has_min, has_max, value; /* value: Go's non-pointer struct */
    int64_t min, max;
    uint32_t min_length, max_length, min_items, max_items;
    const char *file;
    unsigned line;
};
struct model_type {
    str name; /* OpenAPI's or protobuf's full name; of lists and maps: their notation */
    enum schema_kind kind;
    struct model_type *item;
    struct model_field *fields;
    uint32_t n_fields, cap;
    struct model_package *package;
    str defaults;         /* name of the function that computes defaults; empty: none */
    str union_members;    /* "discriminator:member,member": for OpenAPI */
    str local, doc, like; /* name within the package; name of the type whose fields it repeats */
    bool is_kind, untyped, everywhere, atomic, internal, is_list, proto3, has_defaults, has_rules;
    uint32_t defaults_index;
    struct model_field *enums; /* of protobuf enums: name and number */
    uint32_t n_enums;
    const char *file;
    unsigned line;
    uint32_t index, first_field; /* in the tables */
};
struct model_sub {
    str name, group, version, kind;
    uint32_t verbs;
};
struct model_resource {
    struct model_package *package;
    str plural, kind, singular, short_names, categories, hash, storage, storage_version, warning;
    bool namespaced, deleted; /* deleted: DELETE answers with the object */
    uint32_t verbs;
    struct model_sub *subs;
    uint32_t n_subs;
    uint32_t first_sub;
};
struct model_method {
    str service, name, request, response;
    bool client_stream, server_stream;
};
enum model_served { SERVED_DEFAULT, SERVED_OFF, SERVED_LEGACY };
struct model_package {
    str group, version, prefix; /* prefix: of its types' full names, without the final dot */
    str alias;                  /* file name below api/ without suffix: what other files call it */
    enum model_served served;
    bool proto3;
    str doc;
};
struct model {
    struct arena *arena;
    struct model_type **types;
    uint32_t n_types;
    struct model_package **packages;
    uint32_t n_packages;
    struct model_resource **resources;
    uint32_t n_resources;
    struct map by_name;  /* full name -> struct model_type */
    struct map by_alias; /* "apps/v1" -> struct model_package */
    unsigned n_errors;
};

/* Reads one file of api/; alias is its path without directory prefix and suffix. Errors are printed
 * and counted. */
void model_parse(struct model *m, const char *path, str alias);
/* Links names to types. */
void model_resolve(struct model *m);
bool model_has_rules(const struct model_field *f);
void model_error(struct model *m, const char *file, unsigned line, const char *fmt, ...)
    PRINTF(4, 5);
str read_file(struct arena *a, const char *path); /* exits when unreadable */

void tables_write(struct model *m, struct buf *out);
void openapi_write(struct model *m, struct buf *out); /* after tables_write */
#endif
