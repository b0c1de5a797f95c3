/* env.c - environments, compilation, bindings: what callers see of the language.
 *
 * Source: k8s.io/apiserver/pkg/cel/environment, pkg/admission/plugin/cel/compile.go; cel-go common/errors.go for how problems are shown. */
#include "schema/cel/functions.h"

#define MAX_SNIPPET 16384 /* longer lines are not shown below a problem */
#define FOLD_COST_MAX 10000

struct cel_env *cel_env_new(unsigned flags)
{
    struct cel_env *env = NEW(struct cel_env);

    env->arena = arena_new();
    env->flags = flags;
    map_init(&env->builtin);
    map_init(&env->structural);
    map_init(&env->composed_index);
    return env;
}

void cel_env_free(struct cel_env *env)
{
    if (!env)
        return;
    map_fini(&env->builtin);
    map_fini(&env->structural);
    map_fini(&env->composed_index);
    arena_free(env->arena);
    mem_free(env);
}

unsigned cel_declare(struct cel_env *env, str name, const struct cel_type *type)
{
    for (uint32_t i = 0; i < env->n_vars; i++)
        if (str_eq(env->vars[i].name, name)) {
            env->vars[i].type = type;
            return i;
        }
    if (env->n_vars == env->cap_vars) {
        uint32_t cap = env->cap_vars ? env->cap_vars * 2 : 8;

        env->vars = arena_grow(env->arena, env->vars, env->cap_vars * sizeof *env->vars,
                               cap * sizeof *env->vars);
        env->cap_vars = cap;
    }
    env->vars[env->n_vars] = (struct cel_var){arena_dup(env->arena, name), type};
    return env->n_vars++;
}

void cel_declare_composed(struct cel_env *env, str name, const struct cel_program *p)
{
    if (env->n_composed == env->cap_composed) {
        uint32_t cap = env->cap_composed ? env->cap_composed * 2 : 8;

        env->composed =
            arena_grow(env->arena, env->composed, env->cap_composed * sizeof *env->composed,
                       cap * sizeof *env->composed);
        env->cap_composed = cap;
    }
    env->composed[env->n_composed++] = (struct cel_composed){arena_dup(env->arena, name), p};
    map_put(&env->composed_index, name, (void *)(uintptr_t)env->n_composed);
    if (env->composed_type)
        return;
    env->composed_type = ARENA_NEW(env->arena, struct cel_type);
    env->composed_type->kind = T_OBJECT;
    env->composed_type->name = S("kubernetes.variables");
    env->composed_type->max_size = UINT64_MAX;
    env->composed_var = cel_declare(env, S("variables"), env->composed_type);
}

int64_t cel_composed_find(const struct cel_env *env, str name)
{
    return (int64_t)(uintptr_t)map_find(&env->composed_index, name) - 1;
}

/* ---- problems ---- */

void cel_problem_add(struct cel_compile *c, uint32_t at, const char *fmt, ...)
{
    struct cel_problem *p;
    va_list ap;

    if (c->n_problems >= CEL_ERRORS_MAX) {
        c->stop = true;
        return;
    }
    if (c->n_problems == c->cap_problems) {
        uint32_t cap = c->cap_problems ? c->cap_problems * 2 : 4;

        c->problems =
            arena_grow(c->scratch, c->problems, c->cap_problems * sizeof *p, cap * sizeof *p);
        c->cap_problems = cap;
    }
    p = &c->problems[c->n_problems];
    p->at = at;
    p->seq = c->n_problems++;
    va_start(ap, fmt);
    p->message = arena_vfmt(c->scratch, fmt, ap);
    va_end(ap);
}

static int problem_cmp(const void *x, const void *y, void *ctx)
{
    const struct cel_problem *p = x, *q = y;
    uint32_t a = p->at + 1, b = q->at + 1; /* nowhere comes first */

    (void)ctx;
    if (a != b)
        return a < b ? -1 : 1;
    return p->seq < q->seq ? -1 : p->seq > q->seq;
}

/* The line with the position, its number (from 1) and the column in it (from 0). */
static str line_of(str text, uint32_t at, unsigned *ret_line, unsigned *ret_column)
{
    size_t i = 0, start = 0, end, n;
    uint32_t rune, pos = 0;

    *ret_line = 1;
    *ret_column = 0;
    while (pos < at && (n = cel_utf8_next(text, i, &rune)) != 0) {
        i += n;
        pos++;
        ++*ret_column;
        if (rune == '\n') {
            ++*ret_line;
            *ret_column = 0;
            start = i;
        }
    }
    for (end = start; end < text.n && text.p[end] != '\n';)
        end++;
    return str_slice(text, start, end);
}

static void problem_show(struct buf *b, str text, const struct cel_problem *p)
{
    unsigned line, column;
    uint32_t rune;
    size_t i = 0, n;
    str s;

    if (p->at == UINT32_MAX) {
        buf_fmt(b, "ERROR: <input>:-1:0: " PRI_STR, STR_ARG(p->message));
        return;
    }
    s = line_of(text, p->at, &line, &column);
    buf_fmt(b, "ERROR: <input>:%u:%u: " PRI_STR, line, column + 1, STR_ARG(p->message));
    if (s.n >= MAX_SNIPPET)
        return;
    buf_z(b, "\n | ");
    for (size_t k = 0; k < s.n; k++)
        buf_char(b, s.p[k] == '\t' ? ' ' : s.p[k]);
    buf_z(b, "\n | ");
    for (unsigned k = 0; k < column && (n = cel_utf8_next(s, i, &rune)) != 0; k++) {
        buf_z(b, n > 1 ? "\uff0e" : ".");
        i += n;
    }
    buf_z(b, cel_utf8_next(s, i, &rune) > 1 ? "\uff3e" : "^");
}

static struct err *problems_error(struct cel_compile *c)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    sort_with(c->problems, c->n_problems, sizeof *c->problems, problem_cmp, NULL);
    for (uint32_t i = 0; i < c->n_problems; i++) {
        if (i)
            buf_char(&b, '\n');
        problem_show(&b, c->text, &c->problems[i]);
    }
    return err_new(REASON_INVALID, "compilation failed: %s", buf_cstr(&b));
}

/* ---- constant parts ---- */

static bool is_simple(struct cel_value v)
{
    return v.kind == CEL_BOOL || v.kind == CEL_INT || v.kind == CEL_UINT || v.kind == CEL_DOUBLE ||
           v.kind == CEL_STRING || v.kind == CEL_NULL;
}

static bool constant_list_of_simple(const struct cel_node *n)
{
    const struct cel_value *items = n->value.ref;

    if (n->op != OP_CONST || n->value.kind != CEL_LIST || n->value.sub != CONT_VALUES)
        return false;
    for (uint32_t i = 0; i < n->value.n; i++)
        if (!is_simple(items[i]))
            return false;
    return true;
}

static void fold_node(struct cel_compile *c, struct cel_node *n)
{
    struct cel_vars vars = {.arena = c->a, .env = c->env, .limit = FOLD_COST_MAX};
    struct cel_eval e = {.a = c->a, .vars = &vars, .limit = FOLD_COST_MAX};
    struct cel_value v;

    for (uint32_t i = 0; i < n->n; i++)
        if (!n->args[i] || n->args[i]->op != OP_CONST)
            return;
    if (n->op == OP_CALL) {
        if (!(n->fn->flags & FN_CONVERSION) || n->n != 1)
            return;
    } else if ((n->op != OP_LIST && n->op != OP_MAP) || (n->flags & NODE_OPT_ITEMS)) {
        return;
    }
    v = cel_run(&e, n);
    if (cel_is_error(v)) /* it fails when it is reached */
        return;
    n->op = OP_CONST;
    n->n = 0;
    n->args = NULL;
    n->value = v;
}

static void finish(struct cel_compile *c, struct cel_node *n)
{
    str problem;

    if (!n || (n->flags & NODE_SEEN))
        return;
    n->flags |= NODE_SEEN;
    for (uint32_t i = 0; i < n->n; i++)
        finish(c, n->args[i]);
    if (n->op == OP_FOLD)
        n->loop = NULL;
    if (n->op != OP_STRUCT)
        n->type = NULL; /* was for the checker; lies in its memory */
    if (n->op == OP_CALL) {
        if (n->fn->impl == cel_fn_logic)
            n->fold = n->fn->name[1] == '?'   ? LAZY_CONDITIONAL
                      : n->fn->name[1] == '&' ? LAZY_AND
                      : n->fn->name[1] == '|' ? LAZY_OR
                                              : LAZY_NO;
        if (n->fn->impl == cel_fn_in && constant_list_of_simple(n->args[1]) && n->overload)
            n->flags |= NODE_SET;
        if ((n->fn->impl == cel_fn_matches || n->fn->impl == cel_fn_find ||
             n->fn->impl == cel_fn_find_all) &&
            n->args[1]->op == OP_CONST && n->args[1]->value.kind == CEL_STRING)
            n->regex = cel_regex_new(c->a, cel_v_text(n->args[1]->value), &problem);
    }
    fold_node(c, n);
}

void cel_fold_constants(struct cel_compile *c, struct cel_node *root)
{
    finish(c, root);
}

/* ---- compilation ---- */

static const struct cel_type *type_copy(struct arena *a, const struct cel_type *t)
{
    struct cel_type *c;

    if (!t || t->schema || t->builtin || t->fields || t->any_field || t->opaque || (!t->a && !t->b))
        return t && !t->schema && t->kind <= T_DURATION ? BASIC(t->kind) : t;
    c = arena_alloc(a, sizeof *c);
    *c = *t;
    c->a = type_copy(a, t->a);
    c->b = type_copy(a, t->b);
    return c;
}

/* Expressions that are no valid UTF-8 are read as Go reads them: what is no character becomes one. */
static str valid_text(struct arena *a, str text)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    uint32_t rune;
    size_t n;

    for (size_t i = 0; (n = cel_utf8_next(text, i, &rune)) != 0; i += n)
        cel_buf_rune(&b, rune);
    return arena_dup(a, buf_view(&b));
}

struct err *cel_compile(struct cel_env *env, str text, const struct cel_type *want,
                        const struct cel_program **ret)
{
    CLEANUP(arena) struct arena *scratch = arena_new();
    uint32_t words = (env->n_vars + 63) / 64;
    struct cel_compile c = {
        .env = env, .a = env->arena, .scratch = scratch, .text = valid_text(env->arena, text)};
    struct cel_program *p;
    struct cel_node *root;

    c.uses = arena_zalloc(env->arena, (words ? words : 1) * sizeof *c.uses);
    root = cel_parse(&c);
    if (!c.n_problems)
        cel_check(&c, root);
    if (c.n_problems)
        return problems_error(&c);
    if (want && !cel_type_equal(root->type, want))
        return err_new(REASON_INVALID, "must evaluate to %s", cel_type_text(scratch, want).p);
    p = ARENA_NEW(env->arena, struct cel_program);
    p->cost = cel_estimate(&c, root);
    p->type = type_copy(env->arena, root->type);
    cel_fold_constants(&c, root);
    p->root = root;
    p->text = c.text;
    p->uses = c.uses;
    p->n_uses = words;
    p->n_locals = c.next_var;
    *ret = p;
    return NULL;
}

const struct cel_type *cel_program_type(const struct cel_program *p)
{
    return p->type;
}

str cel_program_text(const struct cel_program *p)
{
    return p->text;
}

bool cel_program_uses(const struct cel_program *p, unsigned var)
{
    return var / 64 < p->n_uses && (p->uses[var / 64] >> var % 64 & 1);
}

static bool node_selects(const struct cel_node *n, unsigned var, str field)
{
    if (!n)
        return false;
    if (n->op == OP_SELECT && n->args[0] && n->args[0]->op == OP_VAR && n->args[0]->var == var &&
        str_eq(n->name, field))
        return true;
    for (uint16_t i = 0; i < n->n; i++)
        if (node_selects(n->args[i], var, field))
            return true;
    return false;
}

bool cel_program_selects(const struct cel_program *p, unsigned var, str field)
{
    return cel_program_uses(p, var) && node_selects(p->root, var, field);
}

struct cel_cost cel_program_cost(const struct cel_program *p)
{
    return p->cost;
}

/* ---- bindings ---- */

struct cel_vars *cel_vars_new(struct arena *a, const struct cel_env *env)
{
    struct cel_vars *v = ARENA_NEW(a, struct cel_vars);

    v->arena = a;
    v->env = env;
    v->limit = CEL_PER_CALL_LIMIT;
    v->n_bound = env->n_vars;
    v->bound = ARENA_NEW_N(a, struct cel_binding, env->n_vars ? env->n_vars : 1);
    if (env->n_composed) {
        v->n_memo = env->n_composed;
        v->memo = ARENA_NEW_N(a, struct cel_memo, v->n_memo);
        cel_bind_value(v, env->composed_var,
                       (struct cel_value){.kind = CEL_MAP, .sub = CONT_COMPOSED, .ref = v});
    }
    return v;
}

void cel_vars_limit(struct cel_vars *vars, uint64_t cost)
{
    vars->limit = cost;
}

void cel_vars_loop(struct cel_vars *vars, struct loop *loop)
{
    vars->loop = loop;
}

static struct cel_binding *binding(struct cel_vars *vars, unsigned var)
{
    BUG_ON(var >= vars->n_bound); /* declared after cel_vars_new() */
    return &vars->bound[var];
}

void cel_bind_json(struct cel_vars *vars, unsigned var, const struct json *v)
{
    *binding(vars, var) = (struct cel_binding){.kind = BIND_JSON, .json = v};
}

void cel_bind_optional(struct cel_vars *vars, unsigned var, const struct json *v)
{
    *binding(vars, var) = (struct cel_binding){.kind = BIND_OPTIONAL, .json = v};
}

void cel_bind_value(struct cel_vars *vars, unsigned var, struct cel_value v)
{
    *binding(vars, var) = (struct cel_binding){.kind = BIND_VALUE, .value = v};
}

void cel_unbind(struct cel_vars *vars, unsigned var)
{
    *binding(vars, var) = (struct cel_binding){.kind = BIND_NONE};
}
