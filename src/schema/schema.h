/* schema.h - every API type as data, and the one interpreter's view of it.
 *
 * The tables are generated at build time from api/ (built-in kinds, CRI, etcd: const data in .rodata) or built at run time from a
 * custom resource's structural schema. Codecs, defaulting, validation, pruning, patches and server-side apply all walk these
 * tables over the value tree (wire/json.h); there is no per-type code. */
#ifndef K1S_SCHEMA_H
#define K1S_SCHEMA_H
#include "loop/loop.h"
#include "wire/json.h"

enum schema_kind {
    SCHEMA_STRUCT, /* fixed fields */
    SCHEMA_MAP,    /* string keys, `item` values */
    SCHEMA_LIST,   /* `item` values */
    SCHEMA_STRING,
    SCHEMA_BYTES /* base64 in JSON */,
    SCHEMA_BOOL,
    SCHEMA_INT32,
    SCHEMA_INT64,
    SCHEMA_UINT32,
    SCHEMA_UINT64,
    SCHEMA_DOUBLE,
    SCHEMA_FLOAT,
    SCHEMA_QUANTITY,
    SCHEMA_TIME,
    SCHEMA_MICROTIME,
    SCHEMA_DURATION,
    SCHEMA_INT_OR_STRING,
    SCHEMA_RAW,       /* RawExtension: any object, bytes in protobuf */
    SCHEMA_FIELDS_V1, /* any object, bytes in protobuf */
    SCHEMA_ANY,       /* apiextensions JSON: any value, bytes in protobuf */
    SCHEMA_SCHEMA_OR_BOOL,
    SCHEMA_SCHEMA_OR_ARRAY,
    SCHEMA_SCHEMA_OR_STRINGS, /* apiextensions' unions */
    SCHEMA_ENUM,              /* protobuf enum (CRI, etcd): number on the wire, int in the tree */
    SCHEMA_VERB_LIST,         /* meta/v1 Verbs-like wrapper: message{items}, plain list in JSON */
};
enum schema_list_type { SCHEMA_LIST_ATOMIC, SCHEMA_LIST_SET, SCHEMA_LIST_MAP };
enum { /* schema_field.flags */
       FIELD_REQUIRED = 1 << 0,
       FIELD_OMITEMPTY =
           1
           << 1, /* Go's omitempty: absent when zero; without it Go writes the zero value ("" 0 null {}) */
       FIELD_PATCH_MERGE = 1 << 2,        /* patchStrategy merge */
       FIELD_PATCH_REPLACE_KEYS = 1 << 3, /* retainKeys */
       FIELD_POINTER =
           1
           << 4, /* Go pointer: presence is kept even when zero (optional scalar with protobuf presence) */
       FIELD_INLINE =
           1
           << 5, /* Go's inlined struct: members appear in the parent's JSON, a message in protobuf */
       FIELD_IMMUTABLE = 1 << 6,
       FIELD_MAP_ATOMIC = 1 << 7, /* mapType/structType atomic */
       FIELD_DEPRECATED = 1 << 8,
       FIELD_MAP_GRANULAR =
           1 << 9, /* structType granular: taken apart here although its type is atomic */
       FIELD_PATCH_REPLACE = 1 << 10, /* patchStrategy replace: an object that is taken whole */
};
struct schema_type;
/* Fields and types are laid out for size: there are thousands, and each address in them is a relocation that dirties a page. What
 * few fields have stands apart. Built-in documentation is in the OpenAPI documents only. */
struct schema_field {
    str name; /* in JSON */
    const struct schema_type *type;
    const struct schema_more *more; /* what few fields have; NULL: nothing. See schema_more() */
    uint16_t proto;                 /* number; 0: not in protobuf */
    uint16_t flags;
    uint8_t list_type; /* enum schema_list_type, for lists */
};
struct schema_more {
    str list_keys;                    /* NUL-separated, for SCHEMA_LIST_MAP */
    str merge_key;                    /* strategic merge */
    str default_json;                 /* static default as JSON text; empty: none */
    const struct schema_rules *rules; /* NULL: none */
};
extern const struct schema_more schema_no_more;
static inline const struct schema_more *schema_more(const struct schema_field *f)
{
    return f->more ? f->more : &schema_no_more;
}
struct schema_rules { /* structural validation */
    const str *enum_values;
    size_t n_enum;
    bool has_min, has_max;
    int64_t min, max;
    uint32_t min_length, max_length /* 0: none */, min_items, max_items;
    str pattern,
        format; /* format: "dns-label", "dns-subdomain", "qualified-name", ...: see validate_format.c. Of lists: of each item. pattern is for OpenAPI only */
    bool nonempty;       /* Required value when absent or empty */
    str required_detail; /* what is added to "Required value" */
};
struct schema_type {
    str name;                       /* "io.k8s.api.core.v1.Pod"; OpenAPI's name */
    const struct schema_type *item; /* of maps and lists */
    const struct schema_field
        *fields; /* structs: in Go's order (protobuf number order unless told otherwise) */
    const uint8_t *
        sorted; /* indexes of the named fields by length, then bytes; NULL (run-time tables): searched one by one */
    const uint8_t *
        by_proto; /* indexes of the fields that protobuf has, by number; NULL: none or run-time table */
    uint32_t n_fields;
    enum schema_kind kind;
    uint8_t n_sorted, n_proto;
    uint8_t defaults;      /* the function that computes defaults, by number; 0: none */
    bool preserve_unknown; /* x-kubernetes-preserve-unknown-fields */
    bool has_defaults;     /* it, or something below it, has defaults */
    bool has_rules;        /* it, or something below it, has rules */
    bool has_inline;       /* some field is FIELD_INLINE */
    bool atomic; /* mapType atomic: server-side apply owns it as a whole wherever it stands */
    bool
        proto3; /* CRI, etcd: zero values are not sent, numbers are packed, bytes are raw in the tree (not base64) */
    bool
        custom; /* the root of a custom resource (schema/crd.h): decoded, defaulted and validated by its JSON schema */
};
const struct schema_field *schema_find_field(const struct schema_type *t,
                                             str json_name);  /* looks through FIELD_INLINE */
const struct schema_type *schema_find_type(str openapi_name); /* built-in; NULL: none */
const struct schema_type *schema_find_message(
    str proto_name); /* "runtime.v1.RunPodSandboxRequest", "etcdserverpb.RangeRequest" */

/* ---- kinds: what is served. Routing, discovery, RBAC, tables and the CLI all read this. ---- */
enum {
    VERB_CREATE = 1 << 0,
    VERB_DELETE = 1 << 1,
    VERB_DELETECOLLECTION = 1 << 2,
    VERB_GET = 1 << 3,
    VERB_LIST = 1 << 4,
    VERB_PATCH = 1 << 5,
    VERB_UPDATE = 1 << 6,
    VERB_WATCH = 1 << 7,
    VERBS_ALL = 0xff,
};
struct subresource {
    str name; /* "status", "scale", "log", ... */
    str group, version,
        kind; /* of its body: autoscaling/v1 Scale, policy/v1 Eviction; empty group+version+kind: the parent's */
    uint32_t verbs;
};
struct resource {
    str group, version, kind, list_kind, plural, singular;
    str storage_resource; /* key.resource: "pods", "deployments.apps" */
    const str *short_names;
    size_t n_short_names;
    const str *categories;
    size_t n_categories;
    bool namespaced;
    uint32_t verbs;
    const struct subresource *subresources;
    size_t n_subresources;
    const struct schema_type *type;
    str storage_version; /* the version stored: reads and writes of others are converted (legacy, CRDs) */
    bool legacy;         /* served only with --legacy-apis */
    str deprecated_warning;   /* Warning header text; empty: none */
    bool custom;              /* from a CustomResourceDefinition */
    str storage_version_hash; /* discovery's storageVersionHash */
};
extern const struct resource schema_resources[];
extern const size_t schema_n_resources;
const struct resource *schema_find_resource(str group, str version, str plural); /* built-in */
const struct resource *schema_find_kind(
    str group, str version,
    str kind); /* built-in; may be a kind that is no resource (Status, Scale): then NULL */
const struct schema_type *schema_find_gvk(str group, str version,
                                          str kind); /* also of kinds that are no resource */
/* What is stored for a resource: itself, or the resource whose version is stored (Event of events.k8s.io -> core/v1, HPA v1 -> v2, legacy kinds). */
const struct resource *schema_find_storage(const struct resource *r);
/* Between two resources of one storage, in place: kind, apiVersion, fields and form become those of `to`. v is in the form that
 * schema_decode leaves. On the way to the stored version a removed version's own defaults are filled in; schema_default() of the
 * stored resource still has to run. Errors: those of schema_decode. */
MUST_USE struct err *schema_convert(struct arena *a, const struct resource *from,
                                    const struct resource *to, struct json *v);

/* ---- quantities ---- */
struct quantity {
    bool negative;
    __int128 nano; /* the value in units of 1e-9, signed */
    bool huge;     /* saturated at +-1.7e29 */
};
bool quantity_parse(str s, struct quantity *ret); /* false: malformed */
str quantity_problem(
    str s); /* what is wrong with a malformed one, as Kubernetes words it; empty: nothing */
int quantity_cmp(const struct quantity *a, const struct quantity *b);
int64_t quantity_value(const struct quantity *q); /* rounded up, saturating */
int64_t quantity_milli(const struct quantity *q); /* rounded up, saturating */
void quantity_add(struct quantity *a, const struct quantity *b);
void quantity_sub(struct quantity *a, const struct quantity *b);
bool quantity_canonical(struct arena *a, str s,
                        str *ret); /* *ret may be s itself. "1000m" -> "1", "0.5Gi" -> "512Mi" */
void buf_quantity(struct buf *b, const struct quantity *q,
                  char format /* 'd' decimal SI, 'b' binary SI, 'e' decimal exponent */);

/* ---- typed decoding: names and types are checked against the table ---- */
/* What a strict decoder tells, in the order of the document, as sigs.k8s.io/json words it. */
struct schema_warnings {
    struct json *list; /* array of strings: `unknown field "spec.x"`, `duplicate field "spec.y"` */
    /* What json_parse() found in `text`; NULL: nothing is told of it. What lies in an unknown field is not told. */
    const struct json *duplicates;
    str text;
    uint32_t n_told; /* of `duplicates`, by now */
};
/* key: a slice of w->text, where it was spelled out there. */
void schema_warn_unknown(struct arena *a, struct schema_warnings *w, str path, str key);
/* Tells the duplicates that lie behind the last unknown field. */
void schema_warn_rest(struct arena *a, struct schema_warnings *w);
/* Brings a parsed tree into the type's form in place: drops unknown fields (collecting them), checks JSON types (BAD_REQUEST with the
 * text of Go's decoder, e.g. `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`), drops nulls,
 * canonicalises quantities, times and IntOrString, orders struct fields as Go does, adds what Go writes without omitempty ("status":{}, "resources":{}, creationTimestamp null is dropped). */
MUST_USE struct err *schema_decode(struct arena *a, const struct schema_type *t, struct json *v,
                                   struct schema_warnings *warnings /* may be NULL */);
/* What storing in protobuf does to lists that were given as []: they are null afterwards. Whoever gave one owns its field, so this
 * comes after managedFields. */
void schema_settle(const struct schema_type *t, struct json *v);
/* Static and computed defaults of the tree (built-in kinds: also the functions in defaults.c). Idempotent. */
void schema_default(struct arena *a, const struct resource *r, struct json *v);
/* Structural rules only (FIELD_REQUIRED where Kubernetes reports it, rules); appends causes to *errs (created when needed as INVALID without message). */
void schema_validate(struct arena *a, const struct schema_type *t, const struct json *v, str path,
                     struct err **errs);

/* What a pod's containers request of a resource together, as the scheduler counts. */
struct quantity pod_requests(const struct json *pod_spec, str resource);

/* ---- protobuf ---- */
/* Plain messages (no envelope). The tree is in the form schema_decode leaves. */
void proto_encode(struct buf *b, const struct schema_type *t, const struct json *v);
/* The same of stored text, without a tree; appends. false: this text needs one (nothing is appended then). */
MUST_USE bool proto_encode_text(struct buf *b, const struct schema_type *t, str text,
                                struct arena *scratch);
/* Reading: the tree's strings are borrowed from data, which has to outlive it. Errors: BAD_REQUEST. */
MUST_USE struct err *proto_decode(struct arena *a, const struct schema_type *t, str data,
                                  struct json **ret);
/* "k8s\0" + runtime.Unknown{typeMeta, raw}: apiVersion and kind come from / go to the tree. */
void proto_encode_envelope(struct buf *b, const struct schema_type *t, const struct json *v);
/* The same around a list in pieces: `fields` are the encoded ones but items, the encoded items (proto_put_bytes each, `items_n`
 * bytes) go between head and tail. */
void proto_list_envelope(struct buf *head, struct buf *tail, const struct json *list, str fields,
                         size_t items_n);
/* The envelope of an object whose message is encoded already. */
void proto_envelope(struct buf *b, str api_version, str kind, str message);
void proto_put_bytes(struct buf *b, uint32_t field, str value);
size_t proto_bytes_length(uint32_t field, size_t n); /* what that adds */
MUST_USE struct err *proto_decode_envelope(struct arena *a, str data,
                                           struct json **ret /* with apiVersion and kind */);

/* ---- label and field selectors ---- */
enum selector_op {
    SELECTOR_EQ,
    SELECTOR_NEQ,
    SELECTOR_IN,
    SELECTOR_NOT_IN,
    SELECTOR_EXISTS,
    SELECTOR_NOT_EXISTS,
    SELECTOR_GT,
    SELECTOR_LT
};
struct selector_term {
    str key;
    enum selector_op op;
    str *values;
    size_t n_values;
};
struct selector {
    struct selector_term *terms;
    size_t n_terms;
    bool nothing;
};
/* Limits of selectors in text, as requests carry them. */
#define SELECTOR_TERMS_MAX 256
#define SELECTOR_VALUES_MAX 4096 /* of one term */
/* "a=b,c!=d,e in (f,g),!h": errors are worded as Kubernetes' (BAD_REQUEST: `unable to parse requirement: ...`). */
MUST_USE struct err *selector_parse(struct arena *a, str text, struct selector *ret);
MUST_USE struct err *field_selector_parse(struct arena *a, str text, struct selector *ret);
/* From a LabelSelector object {matchLabels, matchExpressions}; NULL selects nothing, {} everything. */
/* A LabelSelector as Go's generated String() writes it, for texts that have it so; in the arena. */
str selector_go_text(struct arena *a, const struct json *label_selector);
MUST_USE struct err *selector_from_object(struct arena *a, const struct json *label_selector,
                                          struct selector *ret);
bool selector_matches_packed(const struct selector *s, str packed /* "k\0v\0..." */);
bool selector_matches_map(const struct selector *s,
                          const struct json *labels /* object of strings; NULL: empty */);
/* Also map-form selectors (Service, ReplicationController). Empty map: false. */
bool labels_include(const struct json *labels, const struct json *wanted);
void buf_packed_labels(struct buf *b, const struct json *labels);

/* ---- patches ---- */
MUST_USE struct err *
patch_json(struct arena *a, struct json *doc,
           const struct json
               *ops); /* RFC 6902, in place; texts of evanphx/json-patch as Kubernetes shows them */
MUST_USE struct err *patch_merge(struct arena *a, struct json *doc,
                                 const struct json *patch); /* RFC 7386, in place */
MUST_USE struct err *patch_strategic(
    struct arena *a, const struct schema_type *t, struct json *doc,
    const struct json *
        patch); /* in place; directives $patch, $retainKeys, $setElementOrder, $deleteFromPrimitiveList */

/* What `kubectl apply` sends: from what was applied last (NULL: unknown) and what is there now to what is wanted. t NULL: a JSON
 * merge patch, otherwise a strategic one. An empty object when there is nothing to do. Shares strings of the three. */
struct json *patch_three_way(struct arena *a, const struct schema_type *t,
                             const struct json *original, const struct json *modified,
                             const struct json *current);

/* ---- managedFields and server-side apply (structured-merge-diff's semantics) ---- */
struct apply_options {
    str manager;
    bool force;
    str subresource;
    str api_version;
    wall_time now;
};
/* live NULL: create. `applied` is the user's configuration as parsed (not through schema_decode, which would add the zero values that Go writes: they
 * would count as applied). *ret is the merged object incl. managedFields, neither decoded nor defaulted.
 * Errors: CONFLICT with one cause per field (type FieldManagerConflict); UNKNOWN (500, as Kubernetes) when the configuration does not fit the schema;
 * BAD_REQUEST for another apiVersion or managedFields in it. */
MUST_USE struct err *apply_merge(struct arena *a, const struct resource *r, const struct json *live,
                                 const struct json *applied, const struct apply_options *o,
                                 struct json **ret);
/* After create (live NULL), update or patch by `manager`: ownership of what changed between live and next moves to it; writes next's managedFields in place.
 * Operation Update. To be called with defaults in place and before admission adds anything, which is owned by nobody. */
MUST_USE struct err *apply_track_update(struct arena *a, const struct resource *r,
                                        const struct json *live, struct json *next,
                                        const struct apply_options *o);
/* managedFields of an object as those of its Scale, and back again after a write to that. path: where the replicas are, such as
 * "spec.replicas"; api_version: the object's. The lists may be empty. */
struct json scale_entries(struct arena *a, const struct json *entries, const char *path);
struct json scale_entries_back(struct arena *a, const struct json *entries,
                               const struct json *scale, const char *path, str api_version);
/* Lays `config` over `live` by the same rules, without owners (mutating policies). Errors: INVALID, the text says of what. */
MUST_USE struct err *apply_overlay(struct arena *a, const struct resource *r,
                                   const struct json *live, const struct json *config,
                                   struct json **ret);

#endif
