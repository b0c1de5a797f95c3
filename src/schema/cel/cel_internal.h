/* cel_internal.h - what the parts of the expression language share: syntax tree, types, functions, values.
 *
 * Text → lex.c, parse.c, macro.c → tree → check.c (types, functions.c) → cost.c → fold.c → program → eval.c, lib_*.c.
 * The tree lives in the environment's arena; what only compilation needs (tokens, the loops that macros stand for) in a scratch arena. */
#ifndef K1S_SCHEMA_CEL_INTERNAL_H
#define K1S_SCHEMA_CEL_INTERNAL_H
#include "schema/cel/cel.h"

#define CEL_DEPTH_MAX 250     /* cel-go: expression recursion limit */
#define CEL_ERRORS_MAX 100    /* syntax errors reported */
#define CEL_RECOVERIES_MAX 30 /* attempts to go on after one */
#define CEL_ARGS_MAX 4096     /* of a call, items of a list: our own limit */
#define CEL_LOCALS_MAX 256    /* nested macro variables */
#define CEL_EVAL_DEPTH_MAX                                                                         \
    800 /* nodes above each other at evaluation, composed variables included */
#define CEL_STEPS_MAX                                                                              \
    50000000u /* of work beside cost, some 0.3 s: then as if the cost limit were exceeded */
#define CEL_INDEX_BUCKETS 64
#define CEL_SIZE_MAX (16u << 20) /* bytes of one string made by an expression */

/* ---- types ---- */
enum cel_type_kind {
    T_ERROR,
    T_DYN,
    T_NULL,
    T_BOOL,
    T_INT,
    T_UINT,
    T_DOUBLE,
    T_STRING,
    T_BYTES,
    T_TIMESTAMP,
    T_DURATION,
    T_LIST,     /* of a */
    T_MAP,      /* from a to b */
    T_OBJECT,   /* by name */
    T_OPAQUE,   /* by name; nullable as objects are */
    T_OPTIONAL, /* of a */
    T_TYPE,     /* of a; NULL: any */
    T_PARAM,    /* a variable of the checker */
};
struct cel_type {
    uint8_t kind, opaque;
    bool resource;  /* structural: apiVersion, kind and metadata are there too */
    bool any_field; /* object: every field is there, of a dynamic type (Object) */
    uint16_t n_fields;
    uint32_t param;
    str name;
    const struct cel_type *a, *b;
    const struct cel_field *fields;
    const struct schema_type *builtin; /* object: fields come from here … */
    const struct json *schema;         /* … or here; of any structural type: its schema */
    uint64_t max_size;                 /* elements or characters at most; UINT64_MAX: unknown */
};
enum cel_opaque { /* cel_type.opaque, cel_value.sub */
                  OPAQUE_NONE,
                  OPAQUE_QUANTITY,
                  OPAQUE_URL,
                  OPAQUE_IP,
                  OPAQUE_CIDR,
                  OPAQUE_FORMAT,
                  OPAQUE_SEMVER,
                  OPAQUE_AUTHORIZER,
                  OPAQUE_PATH_CHECK,
                  OPAQUE_GROUP_CHECK,
                  OPAQUE_RESOURCE_CHECK,
                  OPAQUE_DECISION,
                  OPAQUE_N
};
extern const struct cel_type cel_types_basic[T_PARAM + 1]; /* those without parameters, by kind */
extern const struct cel_type cel_types_opaque[OPAQUE_N];
extern const struct cel_type *const cel_error_type, *const cel_list_dyn, *const cel_map_dyn;
#define BASIC(kind) (&cel_types_basic[kind])

void cel_type_format(struct buf *b, const struct cel_type *t);
/* Of an object's field; NULL: there is none. *ret_json is its name in JSON. */
const struct cel_type *cel_type_field(struct cel_env *env, const struct cel_type *t, str name,
                                      str *ret_json);
/* What a name says when it stands for a type: `int`, `google.protobuf.Duration`. NULL: no type's name. */
const struct cel_type *cel_type_named(const struct cel_env *env, str name);
/* A composed variable's number, or -1. */
int64_t cel_composed_find(const struct cel_env *env, str name);

/* ---- tree ---- */
enum cel_op {
    OP_ERROR, /* after a syntax error */
    OP_CONST,
    OP_IDENT,  /* before checking */
    OP_LOCAL,  /* a macro's variable */
    OP_VAR,    /* of the environment */
    OP_SELECT, /* operand.name */
    OP_CALL,
    OP_LIST,
    OP_MAP,    /* args: key, value, key, value, … */
    OP_STRUCT, /* name, args: values; names: fields */
    OP_FOLD,   /* a macro's loop */
    OP_BIND,   /* cel.bind and optMap: `var` is args[0] in args[1] */
};
enum {
    NODE_TEST = 1 << 0,      /* has() */
    NODE_OPTIONAL = 1 << 1,  /* select: .? */
    NODE_MEMBER = 1 << 2,    /* call: args[0] is the receiver */
    NODE_SET = 1 << 3,       /* call of `in`: the list is constant and simple */
    NODE_OPT_ITEMS = 1 << 4, /* list, map, struct: some entries are optional; see opt */
    NODE_SEEN = 1 << 5,      /* for walks over trees that share nodes */
    NODE_CHECKED = 1 << 6
};
enum { /* cel_node.fold of calls that do not evaluate all arguments */
       LAZY_NO,
       LAZY_CONDITIONAL,
       LAZY_AND,
       LAZY_OR,
};
enum cel_fold {
    FOLD_ALL,
    FOLD_EXISTS,
    FOLD_EXISTS_ONE,
    FOLD_MAP,
    FOLD_FILTER,
    FOLD_TRANSFORM_LIST,
    FOLD_TRANSFORM_MAP,
    FOLD_TRANSFORM_ENTRY
};
struct cel_node;
struct
    cel_loop { /* what a macro stands for: for the checker and the cost estimate; gone after compilation */
    struct cel_node *init, *cond, *step, *result;
    str accu;
};
struct cel_fn;
struct cel_overload;
struct cel_node {
    uint8_t op, fold, flags, depth; /* depth: of the tree below it */
    uint16_t n;                     /* args */
    uint16_t slot;                  /* locals: index; fold, bind: of the first variable */
    uint32_t at;  /* position in code points; once checked: number in the cost estimate */
    uint32_t var; /* OP_VAR: number; calls: bits of the overloads that fit */
    const struct cel_type *type;
    struct cel_node **args; /* fold: range, filter or NULL, body */
    union {
        struct cel_value value;
        struct {
            str name; /* ident, select (in JSON), struct (type), bind (variable), fold (first variable) */
            const struct json *schema; /* select, variable: of its value, when it is structural */
        };
        struct {
            const struct cel_fn *fn;
            const struct cel_overload
                *overload; /* the only one that fits; NULL: decided at evaluation */
            void *regex;   /* of a constant pattern */
            str fn_name;   /* before checking */
        };
        struct {
            str var1, var2; /* fold: variables; var2.p NULL: one */
            struct cel_loop *loop;
        };
        struct {
            str type_name;
            const struct cel_field
                *names; /* struct: fields by argument (types are those declared) */
        };
    };
    uint8_t *opt; /* list, map, struct: which entries are optional */
};

/* ---- compilation ---- */
struct cel_problem {
    uint32_t at, seq; /* UINT32_MAX: nowhere */
    str message;
};
struct cel_compile { /* one compilation */
    struct cel_env *env;
    struct arena *a, *scratch; /* of what stays, of what does not */
    str text;
    struct cel_problem *problems;
    uint32_t n_problems, cap_problems;
    uint32_t n_recoveries, next_var, depth;
    bool stop;      /* too many problems */
    uint64_t *uses; /* bits of the variables referred to */
};
void cel_problem_add(struct cel_compile *c, uint32_t at, const char *fmt, ...) PRINTF(3, 4);
struct cel_node *cel_node_new(struct cel_compile *c, struct arena *a, enum cel_op op, uint32_t at,
                              size_t n_args);
/* Notes how deep a node is, once its arguments are there; a tree too deep ends the compilation. */
struct cel_node *cel_node_seal(struct cel_compile *c, struct cel_node *n);
struct cel_node *cel_parse(struct cel_compile *c);
/* The macro of this name and these arguments, or NULL: an ordinary call. */
struct cel_node *cel_macro(struct cel_compile *c, struct cel_node *target, str name,
                           struct cel_node **args, uint32_t n, uint32_t at);
void cel_check(struct cel_compile *c, struct cel_node *root);
struct cel_cost cel_estimate(struct cel_compile *c, struct cel_node *root);
void cel_fold_constants(struct cel_compile *c, struct cel_node *root);

/* ---- tokens ---- */
enum cel_token_kind {
    TOK_EOF,
    TOK_LIT,  /* an operator or bracket: text */
    TOK_WORD, /* in, true, false, null */
    TOK_IDENT,
    TOK_QUOTED, /* `a-b`: a field's name that is no identifier */
    TOK_INT,
    TOK_UINT,
    TOK_DOUBLE,
    TOK_STRING,
    TOK_BYTES
};
struct cel_token {
    uint8_t kind;
    uint32_t at; /* code points */
    str text;
};
/* The next token; problems of the text are reported and skipped. */
struct cel_lexer {
    struct cel_compile *c;
    size_t pos;  /* bytes */
    uint32_t at; /* code points */
};
struct cel_token cel_lex(struct cel_lexer *l);
/* The text of a string token without quotes and escapes; false: *ret_problem. */
bool cel_unquote(struct arena *a, str token, bool bytes, str *ret, const char **ret_problem);

/* ---- functions ---- */
enum cel_cost_class { /* at evaluation and in estimates; O(1) otherwise */
                      COST_ONE,
                      COST_STARTS,  /* startsWith, endsWith */
                      COST_CONVERT, /* bytes(string), string(bytes) */
                      COST_IN_LIST,
                      COST_COMPARE, /* order of strings and bytes, equality */
                      COST_ADD,     /* strings, bytes */
                      COST_ADD_LIST,
                      COST_MATCHES,
                      COST_CONTAINS,
                      COST_FORMAT,
                      COST_QUOTE,
                      COST_LOGICAL,
                      COST_CONDITIONAL,
                      COST_INDEX_LIST,
                      COST_INDEX_MAP,
                      /* Kubernetes' libraries */
                      COST_CHECK,
                      COST_FIXED,
                      COST_SELECTOR,
                      COST_LIST_WALK, /* sum, min, max, indexOf, … */
                      COST_TRAVERSE, /* lowerAscii, trim, url, … of the receiver or first argument */
                      COST_TRAVERSE_ARG, /* the same for functions whose estimate is O(1): isIP, quantity, … */
                      COST_REPLACE,
                      COST_SPLIT,
                      COST_JOIN,
                      COST_FIND,
                      COST_CANONICAL,
                      COST_CONTAINS_IP,
                      COST_CONTAINS_CIDR,
                      COST_VALIDATE,
                      COST_SETS, /* contains, equivalent, intersects: product of the sizes */
};
struct cel_eval;
typedef struct cel_value cel_fn_impl(struct cel_eval *e, const struct cel_node *n,
                                     struct cel_value *args);
struct cel_overload {
    const char *id;
    const char
        *sig;     /* ".ss>b": a member of string taking a string, giving a bool; see functions.c */
    uint8_t cost; /* enum cel_cost_class */
};
enum {
    FN_KUBERNETES = 1 << 0, /* not in CEL_CORE_ONLY */
    FN_CORE_ONLY = 1 << 1,  /* only there */
    FN_MUTATION = 1 << 2,   /* only with CEL_MUTATION */
    FN_OPERATOR = 1 << 3,   /* its failure is worded "no such overload" */
    FN_CONVERSION = 1 << 4, /* computed at compilation when its argument is constant */
};
struct cel_fn {
    const char *name;
    cel_fn_impl *impl;
    unsigned flags;
    const struct cel_overload *overloads; /* up to one without id */
};
const struct cel_fn *cel_function_find(const struct cel_env *env, str name);

/* ---- environment ---- */
struct cel_var {
    str name;
    const struct cel_type *type;
};
struct cel_composed {
    str name;
    const struct cel_program *program;
};
struct cel_env {
    struct arena *arena;
    unsigned flags;
    str container; /* for names; Kubernetes has none */
    struct cel_var *vars;
    uint32_t n_vars, cap_vars;
    struct cel_composed *composed;
    uint32_t n_composed, cap_composed;
    struct cel_type *composed_type; /* of `variables` */
    unsigned composed_var;
    struct map composed_index; /* name → number + 1 */
    struct map builtin;        /* schema_type's name → cel_type */
    struct map structural;     /* address of a schema → cel_type */
};
struct cel_program {
    struct cel_node *root;
    const struct cel_type *type;
    str text;
    struct cel_cost cost;
    uint64_t *uses;
    uint32_t n_uses; /* words */
    uint32_t n_locals;
};

/* ---- evaluation ---- */
enum {                   /* cel_value.sub of lists and maps */
       CONT_JSON,        /* ref: struct json, aux: its schema or NULL */
       CONT_VALUES,      /* ref: values; maps: key, value, key, value …; n: of them */
       CONT_COMPOSED,    /* map: the composed variables; ref: struct cel_vars */
       CONT_GROWING = 1, /* cel_value.flags: a map that still grows, not to be indexed */
};
enum cel_binding_kind { BIND_NONE, BIND_VALUE, BIND_JSON, BIND_OPTIONAL };
struct cel_binding {
    enum cel_binding_kind kind;
    union {
        struct cel_value value;
        const struct json
            *json; /* wrapped where it is used, by the schema of that program's declaration */
    };
};
struct cel_vars {
    struct arena *arena;
    const struct cel_env *env;
    uint64_t limit;
    struct cel_binding *bound;
    uint32_t n_bound;
    struct cel_memo {
        enum { MEMO_NONE, MEMO_RUNNING, MEMO_DONE } state;
        struct cel_value value;
    } * memo; /* of composed variables */
    uint32_t n_memo;
    uint64_t composed_cost;
    uint32_t depth;                /* of nested evaluations */
    struct cel_index **indexes;    /* CEL_INDEX_BUCKETS of large maps, by address; NULL: none yet */
    struct cel_regex_state *regex; /* what matching needs, kept from match to match */
    struct loop *loop;             /* reads time zones; NULL: none are known */
    str zone_name;                 /* the last one that was asked for */
    struct time_zone *zone;
};
struct cel_eval {
    struct arena *a;
    struct cel_vars *vars;
    uint64_t cost, limit;
    uint64_t steps; /* of work that cost does not count, such as comparing what is deep */
    bool out_of_cost;
    uint32_t depth;
    struct cel_value *locals;
};
struct cel_value cel_run(struct cel_eval *e, const struct cel_node *n);
struct cel_value cel_call(struct cel_eval *e, const struct cel_node *n, struct cel_value *args);
uint64_t cel_call_cost(struct cel_eval *e, const struct cel_node *n, struct cel_value *args,
                       struct cel_value result);

/* ---- values (value.c) ---- */
static inline struct cel_value cel_v_null(void)
{
    return (struct cel_value){.kind = CEL_NULL};
}
static inline struct cel_value cel_v_bool(bool b)
{
    return (struct cel_value){.kind = CEL_BOOL, .b = b};
}
static inline struct cel_value cel_v_int(int64_t i)
{
    return (struct cel_value){.kind = CEL_INT, .i = i};
}
static inline struct cel_value cel_v_uint(uint64_t u)
{
    return (struct cel_value){.kind = CEL_UINT, .u = u};
}
static inline struct cel_value cel_v_double(double d)
{
    return (struct cel_value){.kind = CEL_DOUBLE, .d = d};
}
static inline struct cel_value cel_v_str(str s)
{
    return (struct cel_value){.kind = CEL_STRING, .n = (uint32_t)s.n, .p = s.p ? s.p : ""};
}
static inline struct cel_value cel_v_bytes(str s)
{
    return (struct cel_value){.kind = CEL_BYTES, .n = (uint32_t)s.n, .p = s.p ? s.p : ""};
}
static inline struct cel_value cel_v_time(int64_t s, uint32_t ns)
{
    return (struct cel_value){.kind = CEL_TIMESTAMP, .n = ns, .i = s};
}
static inline struct cel_value cel_v_duration(int64_t ns)
{
    return (struct cel_value){.kind = CEL_DURATION, .i = ns};
}
static inline struct cel_value cel_v_opaque(enum cel_opaque o, const void *ref)
{
    return (struct cel_value){.kind = CEL_OPAQUE, .sub = (uint8_t)o, .ref = ref};
}
static inline struct cel_value cel_v_type(const struct cel_type *t)
{
    return (struct cel_value){.kind = CEL_TYPE, .ref = t};
}
static inline str cel_v_text(struct cel_value v)
{
    return (str){v.p, v.n};
}
struct cel_value cel_v_list(const struct cel_value *items, size_t n);
struct cel_value cel_v_map(const struct cel_value *pairs, size_t n_entries);
struct cel_value cel_v_optional(struct arena *a, const struct cel_value *v /* NULL: none */);
struct cel_value cel_v_error(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
struct cel_value cel_v_error_z(const char *text); /* constant */
struct cel_value cel_no_overload(struct cel_eval *e, const struct cel_node *n,
                                 struct cel_value *args);
static inline bool cel_is_error(struct cel_value v)
{
    return v.kind == CEL_ERROR;
}
/* schema: structural, or NULL. */
struct cel_value cel_wrap(struct arena *a, const struct json *v, const struct json *schema);
uint64_t cel_count(struct cel_value v); /* elements of a list, entries of a map */
struct cel_value cel_item(struct arena *a, struct cel_value list, uint64_t i);
/* Entries of a map in its order; for maps of JSON the schema decides which members there are. */
struct cel_entries {
    struct cel_value map;
    uint32_t i;
};
bool cel_entry_next(struct arena *a, struct cel_entries *it, struct cel_value *ret_key,
                    struct cel_value *ret_value);
bool cel_map_find(struct cel_eval *e, struct cel_value map, struct cel_value key,
                  struct cel_value *ret);
/* schema: of the member, when the program knows it. */
bool cel_map_find_str(struct cel_eval *e, struct cel_value map, str key, const struct json *schema,
                      struct cel_value *ret);
bool cel_equal(struct cel_eval *e, struct cel_value x, struct cel_value y);
/* Counts work that cost does not; false: too much, e->out_of_cost is set. */
bool cel_work(struct cel_eval *e, uint64_t steps);
struct cel_value cel_composed_get(struct cel_eval *e, struct cel_value map, str name,
                                  bool *ret_found);
/* -1, 0, 1; 2: not comparable; 3: NaN */
int cel_compare(struct cel_value x, struct cel_value y);
uint64_t cel_size(struct cel_value v, bool *ret_sized);       /* as size() counts */
const char *cel_kind_name(struct cel_value v, char buf[128]); /* the type's name in messages */
const struct cel_type *cel_type_of_value(struct arena *a, struct cel_value v);
bool cel_list_kind_map(const struct json *schema,
                       bool *ret_set); /* x-kubernetes-list-type: set or map */
bool cel_same_keys(struct cel_eval *e, const struct json *schema, struct cel_value x,
                   struct cel_value y);
const struct cel_value *cel_optional_value(struct cel_value v); /* NULL: none */
bool cel_is_zero(struct cel_value v);                           /* the zero value of its type */

/* ---- helpers of the libraries ---- */
bool cel_opaque_text(struct arena *a, struct cel_value v, str *ret); /* as string() has it */
str cel_address_text(struct arena *a, struct cel_value v);           /* of an IP or CIDR */
bool cel_url_check(struct arena *a, str s, str *ret_problem);
int cel_semver_cmp(const void *x, const void *y);
size_t cel_utf8_next(str s, size_t at, uint32_t *ret_rune); /* bytes of the rune; 0 at the end */
uint64_t cel_utf8_count(str s);
void cel_buf_rune(struct buf *b, uint32_t rune);
void cel_buf_double(struct buf *b, double d);     /* as string(double) */
void cel_buf_duration(struct buf *b, int64_t ns); /* as string(duration) and in JSON */
/* RFC 3339. A timestamp remembers the offset that it was written with, for its text only (cel_value.aux). */
bool cel_time_parse(struct arena *a, str s, struct cel_value *ret);
void cel_buf_time(struct buf *b, struct cel_value v);
void cel_civil(int64_t days, int64_t *ret_y, int *ret_m, int *ret_d); /* since 1970 */
bool cel_duration_parse(str s, int64_t *ret_ns);
bool cel_duration_parse_loose(str s, int64_t *ret_ns); /* of a schema's format: duration */
/* The pattern of argument `at` of a call: compiled with the program, or now. */
void *cel_regex_of(struct cel_eval *e, const struct cel_node *n, struct cel_value pattern,
                   struct cel_value *ret_err);
enum cel_match { MATCH_NO, MATCH_YES, MATCH_LIMIT };
enum cel_match cel_regex_find(struct cel_eval *e, void *re, str text, size_t from,
                              size_t *ret_start, size_t *ret_end);

#endif
