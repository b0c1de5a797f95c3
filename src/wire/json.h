/* json.h - the value tree: how every API object looks while a request works on it.
 *
 * A value lives in an arena and is freed with it. Object members keep the order in which they came.
 * The parser is strict (RFC 8259 as Go's encoding/json decides the open cases), with limits on depth and
 * size, and refuses nothing silently. Duplicate keys: the last one wins, and json_parse can report them
 * (Kubernetes' strict field validation needs the paths).
 *
 * Numbers: an integer literal that fits int64 is JSON_INT; everything else is JSON_DOUBLE, as Kubernetes'
 * unstructured decoder has it. */
#ifndef K1S_WIRE_JSON_H
#define K1S_WIRE_JSON_H

#include "base/base.h"

enum json_type {
    JSON_NULL,
    JSON_BOOL,
    JSON_INT,
    JSON_DOUBLE,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};
struct json_member;
struct json {
    enum json_type type;
    uint32_t n, cap; /* arrays and objects: members used and allocated */
    union {
        bool b;
        int64_t i;
        double d;
        str s; /* borrowed from the arena (or from the parsed text when it needed no unescaping) */
        struct json *items;          /* array */
        struct json_member *members; /* object */
    };
};
struct json_member {
    str key;
    struct json value;
};

#define JSON_DEPTH_MAX                                                                             \
    512 /* deeper input is refused (Go: 10000; nothing real is deeper than 100) */
#define JSON_SIZE_MAX (3u << 20) /* bytes; Kubernetes' own limit of a request body */
struct json_limits {
    uint32_t depth;
    size_t size;
    /* Members with these names are left out where their values are objects or arrays. For text that is known to be ours:
     * what is left out is skipped, not checked. */
    const str *leave_out;
    size_t n_leave_out;
};
/* text must outlive the tree. limits NULL: the above. Errors: BAD_REQUEST with Go's wording where clients see it. duplicates
 * may be NULL; otherwise an object that gets a member for each key that came again: its path (such as `spec.replicas`) and
 * where in the text, in bytes. The last value counts. */
MUST_USE struct err *json_parse(struct arena *a, str text, const struct json_limits *limits,
                                struct json *duplicates, struct json **ret);

/* Compact as Go writes it (HTML characters <, >, & and U+2028/9 escaped as \u003c: Go's default for Kubernetes objects too); doubles as Go's 'shortest'. */
void json_encode(struct buf *b, const struct json *v);
/* indent spaces per level, as Go's MarshalIndent; level: how deep v itself stands. */
void json_encode_pretty(struct buf *b, const struct json *v, int indent, int level);
void json_encode_string(struct buf *b, str s); /* quoted and escaped */

/* json_go.c: for texts of errors. What encoding/json calls the type ("number"), what Go calls it once decoded ("map[string]interface
 * {}"), and the value as %v prints it (maps by key). */
const char *json_word(const struct json *v);
const char *json_go_type(const struct json *v);
void buf_go(struct buf *b, const struct json *v);

/* Object keys in byte order at every level: canonical comparison, kubectl's view of unstructured objects. */
void json_sort_keys(struct json *v);

/* Constructors: values by value, strings borrowed. */
static inline struct json json_null(void)
{
    return (struct json){.type = JSON_NULL};
}
static inline struct json json_bool(bool b)
{
    return (struct json){.type = JSON_BOOL, .b = b};
}
static inline struct json json_int(int64_t i)
{
    return (struct json){.type = JSON_INT, .i = i};
}
static inline struct json json_double(double d)
{
    return (struct json){.type = JSON_DOUBLE, .d = d};
}
static inline struct json json_string(str s)
{
    return (struct json){.type = JSON_STRING, .s = s};
}
static inline struct json json_z(const char *z)
{
    return (struct json){.type = JSON_STRING, .s = str_of(z)};
}
static inline struct json json_array(void)
{
    return (struct json){.type = JSON_ARRAY};
}
static inline struct json json_object(void)
{
    return (struct json){.type = JSON_OBJECT};
}
struct json *json_new(struct arena *a, struct json v);

/* Reading. All accept NULL and wrong types and then answer NULL / the default: absence is normal. */
struct json *json_find(const struct json *obj, str key);
struct json *json_findz(const struct json *obj, const char *key);
/* json_at(pod, "spec", "containers", NULL): walks objects. */
struct json *json_at(const struct json *v, ...) __attribute__((sentinel));
struct json *json_path(const struct json *v,
                       const char *dotted); /* "spec.template.metadata"; keys without dots only */
struct json *json_item(const struct json *arr, uint32_t i);
uint32_t json_count(const struct json *v); /* members of an array or object; 0 otherwise */
str json_str(const struct json *v);        /* empty unless a string */
str json_get_str(const struct json *obj, const char *dotted); /* json_str(json_path()) */
int64_t json_get_int(const struct json *obj, const char *dotted, int64_t otherwise);
bool json_get_bool(const struct json *obj, const char *dotted, bool otherwise);
static inline bool json_is(const struct json *v, enum json_type t)
{
    return v && v->type == t;
}
#define JSON_EACH(it, arr)                                                                         \
    for (struct json *it = json_is((arr), JSON_ARRAY) ? (arr)->items : NULL,                       \
                     *it##_end = it ? it + (arr)->n : NULL;                                        \
         it < it##_end; it++)
#define JSON_EACH_MEMBER(it, obj)                                                                  \
    for (struct json_member *it = json_is((obj), JSON_OBJECT) ? (obj)->members : NULL,             \
                            *it##_end = it ? it + (obj)->n : NULL;                                 \
         it < it##_end; it++)

/* Writing. Pointers into a container are invalid after the next insertion into it. */
struct json *json_set(struct arena *a, struct json *obj, str key,
                      struct json v); /* replaces or appends; key borrowed */
struct json *json_setz(struct arena *a, struct json *obj, const char *key, struct json v);
struct json *json_make(struct arena *a, struct json *obj, const char *dotted,
                       enum json_type leaf); /* like mkdir -p; replaces wrong types */
struct json *json_append(struct arena *a, struct json *arr, struct json v);
struct json *json_insert(struct arena *a, struct json *arr, uint32_t at, struct json v);
bool json_remove(struct json *obj, str key); /* keeps the others' order */
bool json_removez(struct json *obj, const char *key);
void json_remove_item(struct json *arr, uint32_t i);
struct json
json_copy(struct arena *a,
          const struct json *v); /* deep, strings too: independent of the source's arena */
struct json json_share(struct arena *a, const struct json *v); /* deep structure, strings shared */
bool json_equal(const struct json *a,
                const struct json *b); /* member order does not matter; 1 equals 1.0 */

/* A set of the keys of one large object: open addressing, slots hold index + 1. Zeroed is empty. */
struct json_key_set {
    uint32_t *slots;
    uint32_t mask;
};
/* Many look-ups in one object: what json_find and json_set do, but in constant time however many members there are, so
 * that walking two objects of the wire's size side by side is no quadratic work. While it is in use nothing else adds
 * or removes members; fini when done. An object of NULL or of another type has no members. */
struct json_index {
    struct json *obj;
    struct json_key_set set;
};
struct json *json_index_find(struct json_index *x, str key);
struct json *json_index_set(struct arena *a, struct json_index *x, str key, struct json v);
void json_index_fini(struct json_index *x);

#endif
