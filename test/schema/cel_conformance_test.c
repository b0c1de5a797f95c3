/* cel_conformance_test.c - the Common Expression Language's own conformance suite.
 *
 * Each file is a tree in protobuf's text format. What it needs that Kubernetes has not (protobuf messages, extensions that are not
 * enabled, evaluation without a type check) is counted and printed with its reason. */
#include "schema/cel/cel_internal.h"
#include "test/test.h"

#include <ctype.h>
#include <math.h>

/* ---- text format ---- */

struct tree {       /* a field: of a message or a scalar */
    str name, text; /* text: of a scalar, unescaped */
    bool quoted;
    struct tree *first, *next;
};
struct reader {
    struct arena *a;
    str s;
    size_t i;
};

static void skip(struct reader *r)
{
    while (r->i < r->s.n) {
        if (isspace((unsigned char)r->s.p[r->i]) || r->s.p[r->i] == ',' || r->s.p[r->i] == ';')
            r->i++;
        else if (r->s.p[r->i] == '#')
            while (r->i < r->s.n && r->s.p[r->i] != '\n')
                r->i++;
        else
            return;
    }
}

static char peek(struct reader *r)
{
    skip(r);
    return r->i < r->s.n ? r->s.p[r->i] : 0;
}

static str word(struct reader *r)
{
    size_t start;

    skip(r);
    start = r->i;
    while (r->i < r->s.n && (isalnum((unsigned char)r->s.p[r->i]) || strchr("_.+-", r->s.p[r->i])))
        r->i++;
    return str_slice(r->s, start, r->i);
}

static unsigned digits(struct reader *r, int base, int most)
{
    unsigned v = 0;

    for (int k = 0; k < most && r->i < r->s.n; k++, r->i++) {
        char c = r->s.p[r->i];
        int d = c >= '0' && c <= '9'         ? c - '0'
                : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10
                                             : 99;

        if (d >= base)
            break;
        v = v * (unsigned)base + (unsigned)d;
    }
    return v;
}

static str quoted(struct reader *r)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    while (peek(r) == '"' || peek(r) == '\'') { /* adjacent literals are one */
        char q = r->s.p[r->i++];

        while (r->i < r->s.n && r->s.p[r->i] != q) {
            static const char from[] = "abfnrtv", to[] = "\a\b\f\n\r\t\v";
            char c = r->s.p[r->i++];

            if (c != '\\') {
                buf_char(&b, c);
                continue;
            }
            c = r->s.p[r->i++];
            if (c >= '0' && c <= '7') {
                r->i--;
                buf_char(&b, (char)digits(r, 8, 3));
            } else if (c == 'x' || c == 'X') {
                buf_char(&b, (char)digits(r, 16, 2));
            } else if (c == 'u' || c == 'U') {
                cel_buf_rune(&b, digits(r, 16, c == 'u' ? 4 : 8));
            } else {
                const char *f = strchr(from, c);

                buf_char(&b, f ? to[f - from] : c);
            }
        }
        r->i++;
    }
    return arena_dup(r->a, buf_view(&b));
}

static struct tree *fields(struct reader *r, char end)
{
    struct tree *first = NULL, **at = &first;

    while (peek(r) && peek(r) != end) {
        struct tree *t = ARENA_NEW(r->a, struct tree);

        if (peek(r) == '[') { /* of an Any: its type's name */
            size_t start = r->i;

            while (r->i < r->s.n && r->s.p[r->i] != ']')
                r->i++;
            t->name = str_slice(r->s, start, ++r->i);
        } else {
            t->name = word(r);
        }
        if (peek(r) == ':')
            r->i++;
        if (peek(r) == '{') {
            r->i++;
            t->first = fields(r, '}');
            r->i++;
        } else if (peek(r) == '"' || peek(r) == '\'') {
            t->quoted = true;
            t->text = quoted(r);
        } else if (peek(r) == '[') { /* a list of messages: repeated fields */
            r->i++;
            while (peek(r) == '{') {
                r->i++;
                t->first = fields(r, '}');
                r->i++;
                if (peek(r) == '{') {
                    struct tree *more = ARENA_NEW(r->a, struct tree);

                    more->name = t->name;
                    *at = t;
                    at = &t->next;
                    t = more;
                }
            }
            while (peek(r) && peek(r) != ']')
                r->i++;
            r->i++;
        } else {
            t->text = word(r);
        }
        if (!t->name.n && !t->text.n && !t->first)
            r->i++; /* not of the format: go on */
        *at = t;
        at = &t->next;
    }
    return first;
}

static struct tree *get(const struct tree *t, const char *name)
{
    for (struct tree *f = t ? t->first : NULL; f; f = f->next)
        if (str_is(f->name, name))
            return f;
    return NULL;
}

static str text_of(const struct tree *t, const char *name)
{
    struct tree *f = get(t, name);

    return f ? f->text : STR_NONE;
}

#define EACH(it, of, name_)                                                                        \
    for (struct tree *it = (of)->first; it; it = it->next)                                         \
        if (str_is(it->name, name_))

/* ---- values and types ---- */

static bool number_text(str s, double *ret)
{
    char z[64];

    snprintf(z, sizeof z, PRI_STR, STR_ARG(s));
    *ret = strtod(z, NULL);
    return true;
}

/* False: a value that is no part of the language here (a message, an enum). */
static bool value_of(struct arena *a, const struct cel_env *env, const struct tree *t,
                     struct cel_value *ret)
{
    const struct tree *f = t->first;
    char z[64];
    double d;

    if (!f)
        return false;
    snprintf(z, sizeof z, PRI_STR, STR_ARG(f->text));
    if (str_is(f->name, "null_value"))
        *ret = cel_v_null();
    else if (str_is(f->name, "bool_value"))
        *ret = cel_v_bool(str_is(f->text, "true"));
    else if (str_is(f->name, "int64_value"))
        *ret = cel_v_int(strtoll(z, NULL, 0));
    else if (str_is(f->name, "uint64_value"))
        *ret = cel_v_uint(strtoull(z, NULL, 0));
    else if (str_is(f->name, "double_value"))
        *ret = number_text(f->text, &d) ? cel_v_double(d) : cel_v_null();
    else if (str_is(f->name, "string_value"))
        *ret = cel_v_str(f->text);
    else if (str_is(f->name, "bytes_value"))
        *ret = cel_v_bytes(f->text);
    else if (str_is(f->name, "type_value")) {
        const struct cel_type *type = cel_type_named(env, f->text);

        if (!type)
            return false;
        *ret = cel_v_type(type);
    } else if (str_is(f->name, "list_value")) {
        struct cel_value *items;
        size_t n = 0, i = 0;

        for (struct tree *x = f->first; x; x = x->next)
            n++;
        items = ARENA_NEW_N(a, struct cel_value, n + 1);
        for (struct tree *x = f->first; x; x = x->next)
            if (!value_of(a, env, x, &items[i++]))
                return false;
        *ret = cel_v_list(items, n);
    } else if (str_is(f->name, "map_value")) {
        struct cel_value *pairs;
        size_t n = 0;

        for (struct tree *x = f->first; x; x = x->next)
            n++;
        pairs = ARENA_NEW_N(a, struct cel_value, 2 * n + 1);
        n = 0;
        for (struct tree *x = f->first; x; x = x->next, n++)
            if (!get(x, "key") || !get(x, "value") ||
                !value_of(a, env, get(x, "key"), &pairs[2 * n]) ||
                !value_of(a, env, get(x, "value"), &pairs[2 * n + 1]))
                return false;
        *ret = cel_v_map(pairs, n);
    } else {
        return false;
    }
    return true;
}

static const struct cel_type *type_of(struct cel_env *env, const struct tree *t)
{
    static const struct {
        const char *text;
        uint8_t kind;
    } names[] = {{"BOOL", T_BOOL},           {"INT64", T_INT},        {"UINT64", T_UINT},
                 {"DOUBLE", T_DOUBLE},       {"STRING", T_STRING},    {"BYTES", T_BYTES},
                 {"TIMESTAMP", T_TIMESTAMP}, {"DURATION", T_DURATION}};
    const struct tree *f = t ? t->first : NULL;
    const struct cel_type *x, *y;

    if (!f)
        return NULL;
    if (str_is(f->name, "primitive") || str_is(f->name, "well_known")) {
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            if (str_is(f->text, names[i].text))
                return BASIC(names[i].kind);
        return NULL;
    }
    if (str_is(f->name, "dyn"))
        return cel_dyn;
    if (str_is(f->name, "null"))
        return cel_null;
    if (str_is(f->name, "list_type")) {
        x = type_of(env, get(f, "elem_type"));
        return x ? cel_list_of(env, x) : NULL;
    }
    if (str_is(f->name, "map_type")) {
        x = type_of(env, get(f, "key_type"));
        y = type_of(env, get(f, "value_type"));
        return x && y ? cel_map_of(env, x, y) : NULL;
    }
    if (str_is(f->name, "abstract_type") && str_is(text_of(f, "name"), "optional_type")) {
        x = type_of(env, get(f, "parameter_types"));
        return x ? cel_optional_of(env, x) : NULL;
    }
    if (str_is(f->name, "type")) {
        struct cel_type *type = ARENA_NEW(env->arena, struct cel_type);

        type->kind = T_TYPE;
        type->a = type_of(env, f);
        return type->a ? type : NULL;
    }
    return NULL;
}

/* ---- running ---- */

enum outcome { PASSED, FAILED, NOT_APPLICABLE };
struct run {
    struct arena *a;
    unsigned flags;
    struct loop *loop;
    const char *reason;
    char detail[600];
};

static bool mentions_message(str expr)
{
    static const char *const words[] = {
        "TestAllTypes", "google.protobuf.", "NestedEnum",      "GlobalEnum",         "proto.",
        "Proto2",       "proto2",           "proto3",          "NestedTestAllTypes", "TestRequired",
        "32Value{",     "64Value{",         "Value{null_value"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        ptrdiff_t at = str_find(expr, str_of(words[i]));

        if (at < 0)
            continue;
        if (i == 1) { /* those two are types here too, when no message is made of them */
            str rest = str_skip(expr, (size_t)at + strlen(words[i]));

            if ((str_has_prefix(rest, S("Timestamp")) || str_has_prefix(rest, S("Duration"))) &&
                str_index(rest, '{') < 0)
                continue;
        }
        return true;
    }
    return false;
}

static bool same(struct cel_eval *e, struct cel_value got, struct cel_value want)
{
    if (got.kind != want.kind)
        return false;
    if (got.kind == CEL_DOUBLE)
        return got.d == want.d || (isnan(got.d) && isnan(want.d));
    return cel_equal(e, got, want);
}

static enum outcome run_test(struct run *r, const struct tree *t)
{
    str expr = text_of(t, "expr"), shown;
    struct cel_env *env = cel_env_new(r->flags);
    struct tree *want = get(t, "value"), *typed = get(t, "typed_result"),
                *bad = get(t, "eval_error");
    bool unchecked = str_is(text_of(t, "disable_check"), "true");
    enum outcome outcome = NOT_APPLICABLE;
    const struct cel_program *p = NULL;
    struct cel_value expected = cel_v_bool(true);
    struct cel_vars *vars;
    struct cel_result result;
    struct err *err = NULL;

    env->container = text_of(t, "container");
    r->reason = "protobuf messages, enums or wrappers";
    if (mentions_message(expr) || mentions_message(env->container))
        goto out;
    r->reason = "addresses that Kubernetes refuses";
    if (str_find(expr, S("'::ffff:")) >= 0)
        goto out;
    r->reason = "protobuf messages, enums or wrappers";
    if (typed && get(typed, "result"))
        want = get(typed, "result");
    if (want && !value_of(r->a, env, want, &expected))
        goto out;
    EACH(f, t, "type_env")
    {
        const struct cel_type *type = type_of(env, get(get(f, "ident"), "type"));

        if (get(f, "function"))
            goto out;
        if (!type)
            goto out;
        cel_declare(env, text_of(f, "name"), type);
    }
    EACH(f, t, "bindings")
    {
        if (!get(get(f, "value"), "value"))
            goto out;
        bool known = false;

        for (uint32_t i = 0; i < env->n_vars; i++)
            known |= str_eq(env->vars[i].name, text_of(f, "key"));
        if (!known)
            cel_declare(env, text_of(f, "key"), cel_dyn);
    }
    err = cel_compile(env, expr, NULL, &p);
    if (err) {
        if (unchecked && !bad) {
            r->reason = "evaluation without a type check";
            goto out;
        }
        outcome = bad ? PASSED : FAILED;
        snprintf(r->detail, sizeof r->detail, "%s", err_text(err));
        goto out;
    }
    if (typed && get(typed, "deduced_type")) {
        const struct cel_type *type = type_of(env, get(typed, "deduced_type"));

        if (!type)
            goto out;
        if (!cel_type_equal(type, p->type)) {
            outcome = FAILED;
            snprintf(r->detail, sizeof r->detail, "type is %s, want %s",
                     cel_type_text(r->a, p->type).p, cel_type_text(r->a, type).p);
            goto out;
        }
    }
    if (str_is(text_of(t, "check_only"), "true")) {
        outcome = PASSED;
        goto out;
    }
    vars = cel_vars_new(r->a, env);
    cel_vars_loop(vars, r->loop);
    EACH(f, t, "bindings")
    {
        struct cel_value v;

        if (!value_of(r->a, env, get(get(f, "value"), "value"), &v))
            goto out;
        cel_bind_value(vars, cel_declare(env, text_of(f, "key"), cel_dyn), v);
    }
    result = cel_eval(p, vars);
    if (bad) {
        outcome = result.ok ? FAILED : PASSED;
        snprintf(r->detail, sizeof r->detail, "no error");
    } else if (!result.ok) {
        outcome = FAILED;
        snprintf(r->detail, sizeof r->detail, "error: " PRI_STR, STR_ARG(result.error));
    } else {
        struct cel_eval e = {.a = r->a, .vars = vars};

        outcome = same(&e, result.value, expected) ? PASSED : FAILED;
        if (!cel_value_text(r->a, result.value, &shown))
            shown = cel_value_type_name(result.value);
        snprintf(r->detail, sizeof r->detail, "got " PRI_STR, STR_ARG(shown));
    }
out:
    err_free(err);
    cel_env_free(env);
    return outcome;
}

static void run_file(const char *name, unsigned flags, const char *never)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf content = BUF_INIT;
    const char *dir = test_shared("suites/cel");
    unsigned n[3] = {0}, messages = 0, unchecked = 0, other = 0;
    struct loop *loop = loop_new_uv();
    struct reader r = {.a = a};
    struct tree root = {0};
    char path[512];

    if (!dir) {
        test_skip("no suites/cel");
        return;
    }
    snprintf(path, sizeof path, "%s/%s.textproto", dir, name);
    if (!test_read_file(path, &content)) {
        test_skip("no %s", path);
        return;
    }
    r.s = buf_view(&content);
    root.first = fields(&r, 0);
    EACH(section, &root, "section")
    EACH(t, section, "test")
    {
        CLEANUP(arena) struct arena *own = arena_new();
        struct run run = {.a = own, .flags = flags, .loop = loop};
        enum outcome o = never ? NOT_APPLICABLE : run_test(&run, t);

        n[o]++;
        if (o == NOT_APPLICABLE && !never) {
            if (run.reason[0] == 'p')
                messages++;
            else if (run.reason[0] == 'e')
                unchecked++;
            else
                other++;
        }
        if (o == FAILED)
            test_fail(name, 0, PRI_STR "/" PRI_STR ": " PRI_STR ": %s",
                      STR_ARG(text_of(section, "name")), STR_ARG(text_of(t, "name")),
                      STR_ARG(text_of(t, "expr")), run.detail);
    }
    loop_free(loop);
    printf("cel %s: %u passed, %u failed, %u not applicable", name, n[PASSED], n[FAILED],
           n[NOT_APPLICABLE]);
    if (never)
        printf(" (%s)", never);
    else if (n[NOT_APPLICABLE])
        printf(" (%u protobuf messages, enums or wrappers; %u evaluated without a type check; %u "
               "addresses that Kubernetes refuses)",
               messages, unchecked, other);
    printf("\n");
}

#define SUITE(name)                                                                                \
    TEST(cel_conformance, name)                                                                    \
    {                                                                                              \
        run_file(#name, CEL_CORE_ONLY, NULL);                                                      \
    }
SUITE(basic)
SUITE(bindings_ext)
SUITE(comparisons)
SUITE(conversions)
SUITE(dynamic)
SUITE(enums)
SUITE(fields)
SUITE(fp_math)
SUITE(integer_math)
SUITE(lists)
SUITE(logic)
SUITE(macros)
SUITE(macros2)
SUITE(namespace)
SUITE(optionals)
SUITE(parse)
SUITE(plumbing)
SUITE(proto2)
SUITE(proto2_ext)
SUITE(proto3)
SUITE(string)
SUITE(string_ext)
SUITE(timestamps)
SUITE(type_deduction)
SUITE(unknowns)
SUITE(wrappers)

TEST(cel_conformance, network_ext)
{
    run_file("network_ext", CEL_POLICY, NULL);
}

TEST(cel_conformance, extensions_that_kubernetes_does_not_enable)
{
    run_file("block_ext", 0, "cel.block is not enabled");
    run_file("encoders_ext", 0, "encoders are not enabled");
    run_file("math_ext", 0, "math extensions are not enabled");
}

TEST_MAIN
