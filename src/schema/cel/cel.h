/* cel.h - the Common Expression Language as Kubernetes uses it.
 *
 * Who compiles expressions makes an environment (which variables there are and of what types), compiles each expression in it
 * once, and evaluates the programs many times:
 *
 *     struct cel_env *env = cel_env_new(CEL_POLICY);
 *     unsigned object = cel_declare(env, S("object"), cel_dyn);
 *     const struct cel_program *p;
 *     err = cel_compile(env, S("object.spec.replicas <= 5"), cel_bool, &p);     // err: "compilation failed: ERROR: <input>:1:…"
 *
 *     struct cel_vars *vars = cel_vars_new(arena, env);                          // one for each request
 *     cel_bind_json(vars, object, pod);
 *     struct cel_result r = cel_eval(p, vars);                                   // r.ok, r.error, r.value, r.cost
 *     if (r.ok && cel_is_true(r.value)) …
 *     cel_env_free(env);
 *
 * Invariants
 *   (1) An environment owns its types and programs; they live until cel_env_free(). It is written only by cel_declare*(), the
 *       type constructors and cel_compile(); evaluating changes nothing in it, so threads may share a finished environment.
 *   (2) Objects are wrapped, never copied: a bound `struct json` has to outlive the result's value, and must not change as long as
 *       the same `vars` are in use (large maps are indexed once). Values live in the arena of
 *       `vars`; evaluation allocates nowhere else.
 *   (3) Evaluation is bounded: each step has a cost, and cost above cel_vars' limit ends it with an error. Texts, nesting and
 *       numbers of nodes have limits at compilation.
 *
 * Not here: budgets over several expressions, and what callers wrap around error texts (api/).
 * API: https://kubernetes.io/docs/reference/using-api/cel/ ; cel-go and k8s.io/apiserver/pkg/cel at v1.36. */
#ifndef K1S_SCHEMA_CEL_H
#define K1S_SCHEMA_CEL_H
#include "schema/schema.h"

/* ---- limits, as Kubernetes has them (pkg/apis/cel/config.go) ---- */
#define CEL_PER_CALL_LIMIT 1000000u /* cost of one evaluation, some 0.1 s in Kubernetes */
#define CEL_BUDGET 10000000         /* of all evaluations for one object or policy binding */
#define CEL_MATCH_CONDITIONS_BUDGET 2500000
#define CEL_EXPRESSION_MAX 100000 /* code points of an expression: cel-go's limit */

struct cel_env;
struct cel_type;
struct cel_program;
struct cel_vars;

/* ---- types ---- */
extern const struct cel_type *const cel_dyn,
    *const cel_null, *const cel_bool, *const cel_int, *const cel_uint,
                                                          *const cel_double,
                                                              *const cel_string,
                                                                  *const cel_bytes,
                                                                      *const cel_timestamp,
                                                                          *const cel_duration;
/* The authorizer library's types of `authorizer` and `authorizer.requestResource`. */
extern const struct cel_type *const cel_authorizer, *const cel_resource_check;

const struct cel_type *cel_list_of(struct cel_env *env, const struct cel_type *item);
const struct cel_type *cel_map_of(struct cel_env *env, const struct cel_type *key,
                                  const struct cel_type *value);
const struct cel_type *cel_optional_of(struct cel_env *env, const struct cel_type *t);
struct cel_field {
    str name; /* as expressions write it */
    const struct cel_type *type;
};
/* An object with just these fields: another one is `undefined field 'x'` at compilation. fields are copied. */
const struct cel_type *cel_object_of(struct cel_env *env, str name, const struct cel_field *fields,
                                     size_t n);
/* A built-in type, with all fields; times are timestamps, quantities and IntOrString are dyn. NULL: dyn. */
const struct cel_type *cel_type_builtin(struct cel_env *env, const struct schema_type *t);
/* A value described by a structural schema, as x-kubernetes-validations see it: names are escaped (`__namespace__`, `__dot__`),
 * formats date, date-time, duration and byte are typed, lists know their list type, maxLength, maxItems and maxProperties bound the
 * cost estimate. `schema` is borrowed and has to outlive the environment. resource_root: apiVersion, kind and metadata are there
 * too, in an environment of policies all of it. NULL: expressions cannot see such a value (x-kubernetes-preserve-unknown-fields without a type). */
const struct cel_type *cel_type_structural(struct cel_env *env, str name, const struct json *schema,
                                           bool resource_root);
/* `request` and `namespaceObject` of admission policies and match conditions. */
const struct cel_type *cel_type_admission_request(struct cel_env *env);
const struct cel_type *cel_type_namespace(struct cel_env *env);
/* `Object` and `JSONPatch` (environments with CEL_MUTATION): what mutating expressions have to result in. */
extern const struct cel_type *const cel_mutation_object, *const cel_json_patch;

bool cel_type_equal(const struct cel_type *a, const struct cel_type *b);
str cel_type_text(struct arena *a, const struct cel_type *t); /* "list(string)", "bool", … */
/* A property's name as expressions write it, and back. false: it cannot be written (for example `a b`). */
bool cel_escape(struct arena *a, str name, str *ret);
bool cel_unescape(struct arena *a, str name, str *ret);

/* ---- environments ---- */
enum cel_flags {
    CEL_RULES = 0,         /* CRD validation rules, webhooks' match conditions */
    CEL_MUTATION = 1 << 0, /* Object{…}, Object.spec{…}, JSONPatch{…}, jsonpatch.escapeKey() */
    CEL_CORE_ONLY = 1 << 1, /* the language with cel-go's extensions, without Kubernetes' (tests) */
    CEL_POLICY =
        1
        << 2, /* policies: fields named like keywords need no escaping (object.metadata.namespace) */
    CEL_BIND = 1 << 3, /* cel.bind(), too (expressions that choose devices) */
};
struct cel_env *cel_env_new(unsigned flags);
void cel_env_free(struct cel_env *env); /* NULL: nothing */
/* Returns the variable's number for cel_bind_*(). Names may have dots (`authorizer.requestResource`). Declaring a name again
 * changes its type for later compilations and keeps its number: one environment serves all rules of a CRD. */
unsigned cel_declare(struct cel_env *env, str name, const struct cel_type *type);
/* The composed variables of a policy: the first call declares `variables`. Each adds a field with the program's type, visible to
 * what is compiled later. At evaluation it is computed when first used, once for each cel_vars. */
void cel_declare_composed(struct cel_env *env, str name, const struct cel_program *p);

/* ---- programs ---- */
/* want: the result's type; NULL: any. The program lives as long as the environment.
 * Errors: INVALID, the message is "compilation failed: ERROR: <input>:LINE:COL: …\n | source\n | ..^" (several errors: several such
 * blocks, joined with newlines), or "must evaluate to bool" for another type. */
MUST_USE struct err *cel_compile(struct cel_env *env, str text, const struct cel_type *want,
                                 const struct cel_program **ret);
const struct cel_type *cel_program_type(const struct cel_program *p);
str cel_program_text(const struct cel_program *p);
/* Does it refer to this variable? (`oldSelf` makes a rule a transition rule.) */
bool cel_program_uses(const struct cel_program *p, unsigned var);
/* Does it select this field of the variable anywhere: `claims.email`, has(claims.email), claims.?email? */
bool cel_program_selects(const struct cel_program *p, unsigned var, str field);
struct cel_cost {
    uint64_t min, max; /* UINT64_MAX: no bound */
};
/* What evaluating may cost, from the schemas' bounds (cel-go's checker.Cost with Kubernetes' estimators). */
struct cel_cost cel_program_cost(const struct cel_program *p);

/* ---- the authorizer: authorizer.group('apps').resource('deployments').namespace('a').check('get').allowed() ---- */
struct cel_authz_query {
    bool is_resource;
    str path; /* non-resource */
    str group, resource, subresource, namespace, name, verb;
    str service_account_namespace, service_account_name; /* empty name: the request's own user */
    str field_selector, label_selector;                  /* as written; empty: none */
};
struct cel_authz_answer {
    bool allowed;
    str reason, error; /* in `a`, or constant */
};
struct cel_authz {
    void (*check)(void *ctx, struct arena *a, const struct cel_authz_query *q,
                  struct cel_authz_answer *ret);
    void *ctx;
};

/* ---- evaluation ---- */
enum cel_kind {
    CEL_ERROR,
    CEL_NULL,
    CEL_BOOL,
    CEL_INT,
    CEL_UINT,
    CEL_DOUBLE,
    CEL_STRING,
    CEL_BYTES,
    CEL_TIMESTAMP,
    CEL_DURATION,
    CEL_LIST,
    CEL_MAP,
    CEL_OBJECT, /* constructed: Object{…} */
    CEL_TYPE,
    CEL_OPTIONAL,
    CEL_OPAQUE, /* quantity, URL, IP, authorizer, … */
};
struct cel_value { /* small, by value; what it points to is in the arena or in what was bound */
    uint8_t kind, sub;
    uint16_t flags;
    uint32_t n; /* strings, bytes: length; timestamps: nanoseconds */
    union {
        bool b;
        int64_t i; /* timestamps: seconds; durations: nanoseconds */
        uint64_t u;
        double d;
        const char *p;
        const void *ref;
    };
    const void *aux;
};
struct cel_result {
    bool ok;
    bool out_of_cost; /* error is then "operation cancelled: actual cost limit exceeded" */
    str error;        /* as cel-go words it: "no such key: x", "division by zero", … */
    struct cel_value value;
    uint64_t cost;          /* of this evaluation */
    uint64_t composed_cost; /* of composed variables computed on its way */
};
struct cel_vars *cel_vars_new(struct arena *a, const struct cel_env *env);
void cel_vars_limit(struct cel_vars *vars, uint64_t cost); /* default CEL_PER_CALL_LIMIT */
/* Named time zones of timestamps' accessors are read through this loop (loop/zone.h); without it only UTC and offsets are known. */
void cel_vars_loop(struct cel_vars *vars, struct loop *loop);
/* Bindings. An unbound variable is an error when used ("no such attribute(s): x"). v NULL: null. The declared type decides how
 * values look when it is structural; else JSON's own types do. */
void cel_bind_json(struct cel_vars *vars, unsigned var, const struct json *v);
void cel_bind_optional(struct cel_vars *vars, unsigned var,
                       const struct json *v); /* NULL: optional.none() */
void cel_bind_value(struct cel_vars *vars, unsigned var, struct cel_value v);
void cel_bind_authorizer(struct cel_vars *vars, unsigned var, const struct cel_authz *authz);
/* A ResourceCheck for authorizer.requestResource: group, resource, subresource, namespace and name of q. */
void cel_bind_resource_check(struct cel_vars *vars, unsigned var, const struct cel_authz *authz,
                             const struct cel_authz_query *q);
void cel_unbind(struct cel_vars *vars, unsigned var);

struct cel_result cel_eval(const struct cel_program *p, struct cel_vars *vars);

/* ---- results ---- */
static inline bool cel_is_true(struct cel_value v)
{
    return v.kind == CEL_BOOL && v.b;
}
str cel_string_of(struct cel_value v); /* empty unless a string */
/* As the API would store it: timestamps and durations as strings, bytes in base64, objects without unset optional fields; JSONPatch
 * as {"op":…,"path":…,"from":…,"value":…}. Errors: INVALID for what JSON has not (types, NaN, an authorizer), with cel-go's text, and
 * for an Object whose parts are not named by their fields ("type mismatch: unexpected type name …"). */
MUST_USE struct err *cel_to_json(struct arena *a, struct cel_value v, struct json **ret);
/* Of the value itself: "string", "list", "google.protobuf.Duration", "Object.spec", … */
str cel_value_type_name(struct cel_value v);
/* For audit annotations and tests: a string as it is, other scalars as string() makes them. false: no text form. */
bool cel_value_text(struct arena *a, struct cel_value v, str *ret);

/* ---- regular expressions as RE2 has them (regex.c) ---- */
/* NULL: *ret_problem, Go's text. Freed with the arena. */
void *cel_regex_new(struct arena *a, str pattern, str *ret_problem);
/* Anywhere in the text. A match that would take too long is none. */
bool cel_regex_matches(const void *re, str text);
#endif
