/* parse.c - text to tree, with the words of cel-go's parser for what is wrong.
 *
 * Recursive descent over the tokens. A syntax error is reported and skipped as the generated parser does in the common cases:
 * a token too many is dropped, a missing one is supplied, otherwise all up to something that may follow. Loops over operators keep
 * chains flat in our stack; nesting is limited.
 *
 * Source: cel-go parser/parser.go, parser/gen/CEL.g4. */
#include "schema/cel/cel_internal.h"

#include <math.h>

#define PRIMARY                                                                                    \
    "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, "       \
    "STRING, BYTES, IDENTIFIER}"

struct parser {
    struct cel_compile *c;
    struct cel_token *t; /* ends with EOF */
    uint32_t n, i;
    uint32_t nest;  /* open brackets */
    uint32_t depth; /* of our own calls */
};
struct nodes { /* a growing list of arguments */
    struct cel_node **p;
    uint32_t n, cap;
};

struct cel_node *cel_node_new(struct cel_compile *c, struct arena *a, enum cel_op op, uint32_t at,
                              size_t n_args)
{
    struct cel_node *n = ARENA_NEW(a, struct cel_node);

    n->op = (uint8_t)op;
    n->at = at;
    n->n = (uint16_t)n_args;
    if (n_args)
        n->args = ARENA_NEW_N(a, struct cel_node *, n_args);
    (void)c;
    return n;
}

struct cel_node *cel_node_seal(struct cel_compile *c, struct cel_node *n)
{
    unsigned depth = 0;

    for (uint32_t i = 0; i < n->n; i++)
        if (n->args[i])
            depth = MAX(depth, (unsigned)n->args[i]->depth + 1);
    if (depth > CEL_DEPTH_MAX && !c->stop) {
        cel_problem_add(c, UINT32_MAX, "max recursion depth exceeded");
        c->stop = true;
    }
    n->depth = (uint8_t)MIN(depth, CEL_DEPTH_MAX);
    return n;
}

static struct cel_node *node(struct parser *p, enum cel_op op, uint32_t at, size_t n)
{
    return cel_node_new(p->c, p->c->a, op, at, n);
}

static struct cel_node *error_node(struct parser *p, uint32_t at)
{
    return node(p, OP_ERROR, at, 0);
}

static void push(struct parser *p, struct nodes *l, struct cel_node *n)
{
    if (l->n == l->cap) {
        uint32_t cap = l->cap ? l->cap * 2 : 4;

        l->p = arena_grow(p->c->scratch, l->p, l->cap * sizeof *l->p, cap * sizeof *l->p);
        l->cap = cap;
    }
    if (l->n < CEL_ARGS_MAX) {
        l->p[l->n++] = n;
        return;
    }
    if (!p->c->stop)
        cel_problem_add(p->c, n->at, "more than %d items", CEL_ARGS_MAX);
    p->c->stop = true;
}

static struct cel_node *with_args(struct parser *p, struct cel_node *n, const struct nodes *l)
{
    n->n = (uint16_t)l->n;
    n->args = l->n ? arena_alloc(p->c->a, l->n * sizeof *l->p) : NULL;
    if (l->n)
        memcpy(n->args, l->p, l->n * sizeof *l->p);
    return cel_node_seal(p->c, n);
}

static struct cel_node *call(struct parser *p, const char *name, uint32_t at, struct cel_node *x,
                             struct cel_node *y)
{
    struct cel_node *n = node(p, OP_CALL, at, y ? 2 : 1);

    n->fn_name = str_of(name);
    n->args[0] = x;
    if (y)
        n->args[1] = y;
    return cel_node_seal(p->c, n);
}

/* ---- tokens ---- */

static const struct cel_token *cur(struct parser *p)
{
    return &p->t[p->c->stop ? p->n - 1 : p->i];
}

static const struct cel_token *ahead(struct parser *p, uint32_t k)
{
    return &p->t[MIN(p->i + k, p->n - 1)];
}

static bool is(const struct cel_token *t, const char *text)
{
    return (t->kind == TOK_LIT || t->kind == TOK_WORD) && str_is(t->text, text);
}

static const struct cel_token *take(struct parser *p)
{
    const struct cel_token *t = cur(p);

    if (p->i + 1 < p->n)
        p->i++;
    return t;
}

static bool starts_expr(const struct cel_token *t)
{
    switch ((enum cel_token_kind)t->kind) {
    case TOK_EOF:
    case TOK_QUOTED:
        return false;
    case TOK_LIT:
        return t->text.n == 1 && strchr("[{(.-!", t->text.p[0]);
    case TOK_WORD:
        return !str_is(t->text, "in");
    case TOK_IDENT:
    case TOK_INT:
    case TOK_UINT:
    case TOK_DOUBLE:
    case TOK_STRING:
    case TOK_BYTES:
        return true;
    }
    return false;
}

static bool may_follow(struct parser *p, const struct cel_token *t)
{
    static const char *const ops[] = {
        "&&", "||", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "?", ":"};

    if (t->kind == TOK_EOF || is(t, "in"))
        return true;
    if (t->kind != TOK_LIT)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        if (str_is(t->text, ops[i]))
            return true;
    return p->nest && t->text.n == 1 && strchr(")]},", t->text.p[0]);
}

static void resync(struct parser *p)
{
    if (++p->c->n_recoveries > CEL_RECOVERIES_MAX) {
        if (!p->c->stop)
            cel_problem_add(p->c, cur(p)->at,
                            "Syntax error: error recovery attempt limit exceeded: %d",
                            CEL_RECOVERIES_MAX);
        p->c->stop = true;
    }
    while (!may_follow(p, cur(p)))
        take(p);
}

/* A bracket or the like that has to be here. */
static bool expect(struct parser *p, const char *text, bool expr_follows)
{
    const struct cel_token *t = cur(p);

    if (p->c->stop)
        return false;
    if (is(t, text)) {
        take(p);
        return true;
    }
    if (t->kind != TOK_EOF && is(ahead(p, 1), text)) {
        cel_problem_add(p->c, t->at, "Syntax error: extraneous input '" PRI_STR "' expecting '%s'",
                        STR_ARG(t->text), text);
        take(p);
        take(p);
        return true;
    }
    if (expr_follows ? starts_expr(t) : may_follow(p, t) && (t->kind != TOK_EOF || p->nest <= 1)) {
        cel_problem_add(p->c, t->at, "Syntax error: missing '%s' at '" PRI_STR "'", text,
                        STR_ARG(t->text));
        return true;
    }
    cel_problem_add(p->c, t->at, "Syntax error: mismatched input '" PRI_STR "' expecting '%s'",
                    STR_ARG(t->text), text);
    resync(p);
    return false;
}

/* ---- expressions ---- */

static struct cel_node *expr(struct parser *p);

static bool enter(struct parser *p, const char *what)
{
    if (++p->depth <= CEL_DEPTH_MAX)
        return true;
    if (!p->c->stop)
        cel_problem_add(p->c, UINT32_MAX, "%s", what);
    p->c->stop = true;
    return false;
}

static struct cel_node *constant(struct parser *p, uint32_t at, struct cel_value v)
{
    struct cel_node *n = node(p, OP_CONST, at, 0);

    n->value = v;
    return n;
}

static bool parse_digits(str s, uint64_t *ret)
{
    unsigned base = 10;
    uint64_t v = 0;

    if (str_has_prefix(s, S("0x"))) {
        base = 16;
        s = str_skip(s, 2);
    }
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        unsigned d = (unsigned)(ch <= '9' ? ch - '0' : (ch | 32) - 'a' + 10);

        if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, d, &v))
            return false;
    }
    *ret = v;
    return true;
}

static struct cel_node *literal(struct parser *p, bool negative, uint32_t at)
{
    const struct cel_token *t = take(p);
    const char *problem = "invalid int literal";
    CLEANUP(buf) struct buf b = BUF_INIT;
    uint64_t u;
    double d;
    str s;

    switch ((enum cel_token_kind)t->kind) {
    case TOK_INT:
        if (parse_digits(t->text, &u) && u <= (uint64_t)INT64_MAX + negative)
            return constant(p, at, cel_v_int(negative ? (int64_t)(0 - u) : (int64_t)u));
        break;
    case TOK_UINT:
        problem = "invalid uint literal";
        if (parse_digits(str_slice(t->text, 0, t->text.n - 1), &u))
            return constant(p, at, cel_v_uint(u));
        break;
    case TOK_DOUBLE:
        problem = "invalid double literal";
        buf_str(&b, t->text);
        d = strtod(buf_cstr(&b), NULL);
        if (!isinf(d))
            return constant(p, at, cel_v_double(negative ? -d : d));
        break;
    case TOK_STRING:
    case TOK_BYTES:
        if (!cel_unquote(p->c->a, t->text, t->kind == TOK_BYTES, &s, &problem))
            break;
        return constant(p, at, t->kind == TOK_BYTES ? cel_v_bytes(s) : cel_v_str(s));
    case TOK_WORD:
        if (str_is(t->text, "null"))
            return constant(p, at, cel_v_null());
        return constant(p, at, cel_v_bool(str_is(t->text, "true")));
    case TOK_EOF:
    case TOK_LIT:
    case TOK_IDENT:
    case TOK_QUOTED:
        break;
    }
    cel_problem_add(p->c, at, "%s", problem);
    return error_node(p, at);
}

static bool is_number(const struct cel_token *t)
{
    return t->kind == TOK_INT || t->kind == TOK_DOUBLE;
}

/* The arguments of a call, up to and with the parenthesis. */
static void arguments(struct parser *p, struct nodes *l)
{
    p->nest++;
    if (!is(cur(p), ")"))
        do
            push(p, l, expr(p));
        while (is(cur(p), ",") && take(p) && !p->c->stop);
    expect(p, ")", false);
    p->nest--;
}

static struct cel_node *finish_call(struct parser *p, struct cel_node *target, str name,
                                    struct nodes *l, uint32_t at)
{
    struct cel_node *n = p->c->stop ? NULL : cel_macro(p->c, target, name, l->p, l->n, at);
    struct nodes all = {0};

    if (n)
        return n;
    n = node(p, OP_CALL, at, 0);
    n->fn_name = arena_dup(p->c->a, name);
    if (target) {
        n->flags |= NODE_MEMBER;
        push(p, &all, target);
    }
    for (uint32_t i = 0; i < l->n; i++)
        push(p, &all, l->p[i]);
    return with_args(p, n, &all);
}

static uint8_t *optional_flags(struct parser *p, const struct nodes *opt, uint32_t n)
{
    uint8_t *flags = arena_zalloc(p->c->a, n ? n : 1);

    for (uint32_t i = 0; i < n; i++)
        flags[i] = opt->p[i] != NULL;
    return flags;
}

static struct cel_node *list(struct parser *p)
{
    struct cel_node *n = node(p, OP_LIST, cur(p)->at, 0), yes;
    struct nodes l = {0}, opt = {0};
    bool any = false;

    take(p);
    p->nest++;
    while (!is(cur(p), "]") && !p->c->stop) {
        bool optional = is(cur(p), "?");

        if (optional)
            take(p);
        any |= optional;
        push(p, &opt, optional ? &yes : NULL);
        push(p, &l, expr(p));
        if (!is(cur(p), ","))
            break;
        take(p);
    }
    expect(p, "]", false);
    p->nest--;
    if (any) {
        n->flags |= NODE_OPT_ITEMS;
        n->opt = optional_flags(p, &opt, l.n);
    }
    return with_args(p, n, &l);
}

static struct cel_node *map(struct parser *p)
{
    struct cel_node *n = node(p, OP_MAP, cur(p)->at, 0), yes;
    struct nodes l = {0}, opt = {0};
    bool any = false;

    take(p);
    p->nest++;
    while (!is(cur(p), "}") && !p->c->stop) {
        bool optional = is(cur(p), "?");

        if (optional)
            take(p);
        any |= optional;
        push(p, &opt, optional ? &yes : NULL);
        push(p, &l, expr(p));
        expect(p, ":", true);
        push(p, &l, expr(p));
        if (!is(cur(p), ","))
            break;
        take(p);
    }
    expect(p, "}", false);
    p->nest--;
    if (l.n % 2)
        return error_node(p, n->at);
    if (any) {
        n->flags |= NODE_OPT_ITEMS;
        n->opt = optional_flags(p, &opt, l.n / 2);
    }
    return with_args(p, n, &l);
}

/* A field's name: an identifier, or in backquotes, which Kubernetes does not enable. */
static bool is_field_name(const struct cel_token *t)
{
    return t->kind == TOK_IDENT || t->kind == TOK_QUOTED;
}

static str field_name(struct parser *p)
{
    const struct cel_token *t = take(p);

    if (t->kind != TOK_QUOTED)
        return t->text;
    if (!(p->c->env->flags & CEL_CORE_ONLY))
        cel_problem_add(p->c, t->at, "unsupported syntax: '`'");
    return str_slice(t->text, 1, t->text.n - 1);
}

/* Of a struct's fields the positions of their colons are kept in the name's node. */
static struct cel_node *structure(struct parser *p, str name)
{
    struct cel_node *n = node(p, OP_STRUCT, cur(p)->at, 0), yes;
    struct nodes l = {0}, opt = {0}, fields = {0};
    bool any = false;
    struct cel_field *names;

    take(p);
    p->nest++;
    while (!is(cur(p), "}") && !p->c->stop) {
        bool optional = is(cur(p), "?");
        struct cel_node *f;

        if (optional)
            take(p);
        any |= optional;
        if (!is_field_name(cur(p))) {
            const struct cel_token *t = cur(p);

            cel_problem_add(p->c, t->at,
                            "Syntax error: mismatched input '" PRI_STR "' expecting {'?', "
                            "IDENTIFIER}",
                            STR_ARG(t->text));
            resync(p);
            break;
        }
        f = cel_node_new(p->c, p->c->scratch, OP_IDENT, 0, 0);
        f->name = field_name(p);
        f->at = cur(p)->at;
        if (!expect(p, ":", true))
            break;
        push(p, &opt, optional ? &yes : NULL);
        push(p, &fields, f);
        push(p, &l, expr(p));
        if (!is(cur(p), ","))
            break;
        take(p);
    }
    expect(p, "}", false);
    p->nest--;
    if (any) {
        n->flags |= NODE_OPT_ITEMS;
        n->opt = optional_flags(p, &opt, l.n);
    }
    with_args(p, n, &l);
    n->type_name = arena_dup(p->c->a, name);
    n->names = names = ARENA_NEW_N(p->c->a, struct cel_field, l.n + 1);
    for (uint32_t i = 0; i < l.n; i++) {
        names[i].name = arena_dup(p->c->a, fields.p[i]->name);
        names[i].type = (const void *)(uintptr_t)fields.p[i]->at; /* until checked */
    }
    return n;
}

/* Does a message's name and brace come next? Returns the number of tokens before the brace. */
static uint32_t message_ahead(struct parser *p)
{
    uint32_t k = is(cur(p), ".") ? 1 : 0;

    for (;;) {
        if (ahead(p, k)->kind != TOK_IDENT)
            return 0;
        k++;
        if (is(ahead(p, k), "{"))
            return k;
        if (!is(ahead(p, k), "."))
            return 0;
        k++;
    }
}

static bool is_reserved(str s)
{
    static const char *const words[] = {
        "as",  "break", "const",   "continue",  "else",   "for", "function", "if",   "import",
        "let", "loop",  "package", "namespace", "return", "var", "void",     "while"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_is(s, words[i]))
            return true;
    return false;
}

static struct cel_node *identifier(struct parser *p)
{
    uint32_t k = message_ahead(p), at = cur(p)->at;
    CLEANUP(buf) struct buf name = BUF_INIT;
    const struct cel_token *t;
    struct cel_node *n;

    if (k) {
        while (k--)
            buf_str(&name, take(p)->text);
        return structure(p, buf_view(&name));
    }
    if (is(cur(p), ".")) {
        take(p);
        buf_char(&name, '.');
    }
    t = cur(p);
    if (t->kind != TOK_IDENT) {
        cel_problem_add(p->c, t->at,
                        "Syntax error: mismatched input '" PRI_STR "' expecting IDENTIFIER",
                        STR_ARG(t->text));
        resync(p);
        return error_node(p, at);
    }
    take(p);
    if (is_reserved(t->text)) {
        cel_problem_add(p->c, at, "reserved identifier: " PRI_STR, STR_ARG(t->text));
        if (is(cur(p), "(")) {
            struct nodes l = {0};

            take(p);
            arguments(p, &l);
        }
        return error_node(p, at);
    }
    buf_str(&name, t->text);
    if (is(cur(p), "(")) {
        struct nodes l = {0};
        uint32_t open = take(p)->at;

        arguments(p, &l);
        return finish_call(p, NULL, buf_view(&name), &l, open);
    }
    n = node(p, OP_IDENT, t->at, 0);
    n->name = arena_dup(p->c->a, buf_view(&name));
    return n;
}

static struct cel_node *primary(struct parser *p)
{
    const struct cel_token *t = cur(p);
    struct cel_node *n;

    if (!starts_expr(t) && t->kind != TOK_EOF && starts_expr(ahead(p, 1))) {
        cel_problem_add(p->c, t->at,
                        "Syntax error: extraneous input '" PRI_STR "' expecting " PRIMARY,
                        STR_ARG(t->text));
        take(p);
        t = cur(p);
    }
    if (!starts_expr(t)) {
        if (!p->c->stop)
            cel_problem_add(p->c, t->at,
                            "Syntax error: mismatched input '" PRI_STR "' expecting " PRIMARY,
                            STR_ARG(t->text));
        resync(p);
        return error_node(p, t->at);
    }
    if (is(t, "(")) {
        take(p);
        p->nest++;
        n = expr(p);
        expect(p, ")", false);
        p->nest--;
        return n;
    }
    if (is(t, "["))
        return list(p);
    if (is(t, "{"))
        return map(p);
    if (is(t, ".") || t->kind == TOK_IDENT)
        return identifier(p);
    return literal(p, false, t->at);
}

/* .name, .?name, .name(…), [index], [?index] behind an operand. */
static struct cel_node *member(struct parser *p, struct cel_node *n)
{
    while (!p->c->stop) {
        const struct cel_token *op = cur(p), *id;
        bool optional = false;
        struct cel_node *x;
        str name;

        if (is(op, "[")) {
            take(p);
            if (is(cur(p), "?")) {
                optional = true;
                take(p);
            }
            p->nest++;
            x = expr(p);
            expect(p, "]", false);
            p->nest--;
            n = call(p, optional ? "_[?_]" : "_[_]", op->at, n, x);
        } else if (is(op, ".")) {
            take(p);
            if (is(cur(p), "?")) {
                optional = true;
                take(p);
            }
            id = cur(p);
            if (!is_field_name(id)) {
                if (id->kind == TOK_WORD && !str_is(id->text, "in") && !optional)
                    cel_problem_add(p->c, id->at,
                                    "Syntax error: mismatched input '" PRI_STR
                                    "' expecting IDENTIFIER",
                                    STR_ARG(id->text));
                else
                    cel_problem_add(p->c, id->at,
                                    "Syntax error: no viable alternative at input '.%s" PRI_STR "'",
                                    optional ? "?" : "",
                                    STR_ARG(id->kind == TOK_EOF ? S("") : id->text));
                resync(p);
                return error_node(p, op->at);
            }
            name = field_name(p);
            if (!optional && id->kind == TOK_IDENT && is(cur(p), "(")) {
                struct nodes l = {0};
                uint32_t open = take(p)->at;

                arguments(p, &l);
                n = finish_call(p, n, name, &l, open);
            } else {
                x = node(p, OP_SELECT, op->at, 1);
                x->name = arena_dup(p->c->a, name);
                x->args[0] = n;
                if (optional)
                    x->flags |= NODE_OPTIONAL;
                n = cel_node_seal(p->c, x);
            }
        } else {
            return n;
        }
    }
    return n;
}

static struct cel_node *unary(struct parser *p)
{
    const struct cel_token *first = cur(p);
    uint32_t ops = 0;
    struct cel_node *n;

    if (is(first, "-") && is_number(ahead(p, 1))) {
        take(p);
        return member(p, literal(p, true, first->at));
    }
    if (is(first, "!") || is(first, "-")) {
        const char *op = is(first, "!") ? "!" : "-";

        while (is(cur(p), op)) {
            take(p);
            ops++;
        }
        n = member(p, primary(p));
        return ops % 2 ? call(p, *op == '!' ? "!_" : "-_", first->at, n, NULL) : n;
    }
    return member(p, primary(p));
}

static const char *binary_op(const struct cel_token *t, int level)
{
    static const struct {
        const char *text, *fn;
        int level;
    } ops[] = {{"<", "_<_", 0},   {"<=", "_<=_", 0}, {">", "_>_", 0},  {">=", "_>=_", 0},
               {"==", "_==_", 0}, {"!=", "_!=_", 0}, {"in", "@in", 0}, {"+", "_+_", 1},
               {"-", "_-_", 1},   {"*", "_*_", 2},   {"/", "_/_", 2},  {"%", "_%_", 2}};

    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        if (ops[i].level == level && is(t, ops[i].text))
            return ops[i].fn;
    return NULL;
}

static struct cel_node *binary(struct parser *p, int level)
{
    struct cel_node *n = level == 2 ? unary(p) : binary(p, level + 1);
    const char *fn;

    while (!p->c->stop && (fn = binary_op(cur(p), level)) != NULL) {
        uint32_t at = take(p)->at;

        n = call(p, fn, at, n, level == 2 ? unary(p) : binary(p, level + 1));
    }
    return n;
}

/* a && b && c is one call of three arguments. */
static struct cel_node *logical(struct parser *p, const char *op, const char *fn)
{
    bool or_ = *op == '|';
    struct cel_node *n = or_ ? logical(p, "&&", "_&&_") : binary(p, 0);
    struct nodes l = {0};
    uint32_t at = cur(p)->at;

    if (!is(cur(p), op))
        return n;
    push(p, &l, n);
    while (is(cur(p), op) && !p->c->stop) {
        take(p);
        push(p, &l, or_ ? logical(p, "&&", "_&&_") : binary(p, 0));
    }
    n = node(p, OP_CALL, at, 0);
    n->fn_name = str_of(fn);
    return with_args(p, n, &l);
}

static struct cel_node *expr(struct parser *p)
{
    struct cel_node *n, *t, *yes;
    uint32_t at;

    if (p->c->stop || !enter(p, "expression recursion limit exceeded: 250")) {
        p->depth--;
        return error_node(p, cur(p)->at);
    }
    n = logical(p, "||", "_||_");
    if (is(cur(p), "?")) {
        at = take(p)->at;
        yes = logical(p, "||", "_||_");
        t = node(p, OP_CALL, at, 3);
        t->fn_name = S("_?_:_");
        t->args[0] = n;
        t->args[1] = yes;
        expect(p, ":", true);
        t->args[2] = expr(p);
        n = cel_node_seal(p->c, t);
    }
    p->depth--;
    return n;
}

struct cel_node *cel_parse(struct cel_compile *c)
{
    struct parser p = {.c = c};
    struct cel_lexer l = {.c = c};
    uint32_t cap = 0;
    struct cel_node *n;
    uint64_t size = cel_utf8_count(c->text);

    if (size > CEL_EXPRESSION_MAX) {
        cel_problem_add(c, UINT32_MAX,
                        "expression code point size exceeds limit: size: %llu, limit %u",
                        (unsigned long long)size, CEL_EXPRESSION_MAX);
        return NULL;
    }
    do {
        if (p.n == cap) {
            uint32_t more = cap ? cap * 2 : 32;

            p.t = arena_grow(c->scratch, p.t, cap * sizeof *p.t, more * sizeof *p.t);
            cap = more;
        }
        p.t[p.n] = cel_lex(&l);
    } while (p.t[p.n++].kind != TOK_EOF);
    n = expr(&p);
    if (!c->stop && cur(&p)->kind != TOK_EOF) {
        const struct cel_token *t = cur(&p);
        bool last = ahead(&p, 1)->kind == TOK_EOF;

        cel_problem_add(c, t->at, "Syntax error: %s input '" PRI_STR "' expecting <EOF>",
                        last ? "extraneous" : "mismatched", STR_ARG(t->text));
    }
    return n;
}
