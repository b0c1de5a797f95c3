/* check.c - types of all parts of an expression, and which overloads they choose.
 *
 * Source: cel-go checker/{checker,types,errors}.go, cel/validator.go. */
#include "schema/cel/check_internal.h"

#define NO_SLOT UINT16_MAX

static void check(struct cel_checker *k, struct cel_node *n);

/* ---- names ---- */

static const struct cel_local *find_local(struct cel_checker *k, str name)
{
    for (uint32_t i = k->n_locals; i > 0; i--)
        if (str_eq(k->locals[i - 1].name, name))
            return &k->locals[i - 1];
    return NULL;
}

static bool push_local(struct cel_checker *k, str name, const struct cel_type *type, bool slot)
{
    struct cel_local *l;

    if (k->n_locals == ARRAY_LEN(k->locals) || k->next_slot == CEL_LOCALS_MAX) {
        if (!k->c->stop)
            cel_problem_add(k->c, UINT32_MAX, "too many nested variables");
        k->c->stop = true;
        return false;
    }
    l = &k->locals[k->n_locals++];
    *l = (struct cel_local){name, type, slot ? k->next_slot++ : NO_SLOT};
    k->max_slot = MAX(k->max_slot, k->next_slot);
    return true;
}

static void pop_local(struct cel_checker *k)
{
    if (k->locals[--k->n_locals].slot != NO_SLOT)
        k->next_slot--;
}

/* Resolves a name that is in the environment: a variable or a type. */
static bool resolve_global(struct cel_checker *k, struct cel_node *n, str name)
{
    struct cel_env *env = k->c->env;
    const struct cel_type *t;
    bool absolute = name.n && name.p[0] == '.';
    str prefix = env->container;

    if (absolute)
        name = str_skip(name, 1);
    for (;;) { /* a.b.name, a.name, name */
        str full = name;

        if (prefix.n && !absolute)
            full = arena_fmt(k->c->scratch, PRI_STR "." PRI_STR, STR_ARG(prefix), STR_ARG(name));
        for (uint32_t i = 0; i < env->n_vars; i++)
            if (str_eq(env->vars[i].name, full)) {
                n->op = OP_VAR;
                n->var = i;
                n->n = 0;
                n->type = env->vars[i].type;
                n->schema = n->type->kind == T_OPTIONAL ? n->type->a->schema : n->type->schema;
                k->c->uses[i / 64] |= (uint64_t)1 << i % 64;
                return true;
            }
        t = cel_type_named(env, full);
        if (t) {
            n->op = OP_CONST;
            n->n = 0;
            n->value = cel_v_type(t);
            n->type = cel_type_make(k, T_TYPE, t, NULL);
            return true;
        }
        if (!prefix.n || absolute)
            return false;
        ptrdiff_t dot = str_rindex(prefix, '.');

        prefix = str_slice(prefix, 0, dot < 0 ? 0 : (size_t)dot);
    }
}

static void undeclared(struct cel_checker *k, struct cel_node *n, str name)
{
    cel_problem_add(k->c, n->at,
                    "undeclared reference to '" PRI_STR "' (in container '" PRI_STR "')",
                    STR_ARG(name), STR_ARG(k->c->env->container));
    n->type = cel_error_type;
}

static void check_ident(struct cel_checker *k, struct cel_node *n)
{
    const struct cel_local *l = find_local(k, n->name);

    if (l) {
        n->type = l->type;
        n->op = OP_LOCAL;
        n->slot = l->slot;
        return;
    }
    if (!resolve_global(k, n, n->name))
        undeclared(k, n, n->name);
}

/* a.b.c of names alone, the first of which is no macro's variable; false: something else. */
static bool qualified(struct cel_checker *k, const struct cel_node *n, struct buf *b)
{
    if (n->op == OP_IDENT) {
        buf_str(b, n->name);
        return !find_local(k, n->name);
    }
    if (n->op != OP_SELECT || (n->flags & (NODE_TEST | NODE_OPTIONAL)) ||
        !qualified(k, n->args[0], b))
        return false;
    buf_char(b, '.');
    buf_str(b, n->name);
    return true;
}

static void check_select(struct cel_checker *k, struct cel_node *n)
{
    const struct cel_type *operand, *target, *result = cel_error_type;
    bool optional;
    str json;

    if (!(n->flags & (NODE_TEST | NODE_OPTIONAL))) {
        CLEANUP(buf) struct buf b = BUF_INIT;

        if (qualified(k, n, &b) && resolve_global(k, n, buf_view(&b)))
            return;
    }
    check(k, n->args[0]);
    operand = cel_substitute(k, n->args[0]->type, false);
    optional = operand->kind == T_OPTIONAL;
    target = optional ? cel_substitute(k, operand->a, false) : operand;
    if (target->kind == T_MAP) {
        result = target->b;
    } else if (target->kind == T_OBJECT && target->opaque) {
        cel_problem_add(k->c, n->at, "unexpected failed resolution of '" PRI_STR "'",
                        STR_ARG(target->name));
    } else if (target->kind == T_OBJECT) {
        const struct cel_type *f = cel_type_field(k->c->env, target, n->name, &json);

        if (f) {
            result = f;
            n->name = json;
            n->schema = f->schema;
        } else {
            cel_problem_add(k->c, n->at, "undefined field '" PRI_STR "'", STR_ARG(n->name));
        }
    } else if (target->kind == T_PARAM) {
        cel_try_assign(k, cel_dyn, target);
        result = cel_dyn;
    } else {
        if (!cel_is_dyn_or_error(target)) {
            str text = cel_type_text(k->c->scratch, target);

            cel_problem_add(k->c, n->at, "type '" PRI_STR "' does not support field selection",
                            STR_ARG(text));
        }
        result = cel_dyn;
    }
    if (n->flags & NODE_TEST)
        result = cel_bool;
    else if (optional || (n->flags & NODE_OPTIONAL))
        result = cel_type_make(k, T_OPTIONAL, result, NULL);
    n->type = cel_substitute(k, result, false);
}

/* ---- calls ---- */

static void no_overload(struct cel_checker *k, struct cel_node *n)
{
    bool member = n->flags & NODE_MEMBER;
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (!member)
        buf_char(&b, '(');
    for (uint32_t i = 0; i < n->n; i++) {
        cel_type_format(&b, cel_substitute(k, n->args[i]->type, true));
        if (member && i == 0)
            buf_z(&b, ".(");
        else if (i + 1 < n->n)
            buf_z(&b, ", ");
    }
    buf_char(&b, ')');
    cel_problem_add(k->c, n->at, "found no matching overload for '%s' applied to '" PRI_STR "'",
                    n->fn->name, STR_ARG(buf_view(&b)));
    n->type = cel_error_type;
}

static void resolve_logical(struct cel_checker *k, struct cel_node *n)
{
    n->type = cel_bool;
    for (uint32_t i = 0; i < n->n; i++)
        if (!cel_try_assign(k, n->args[i]->type, cel_bool)) {
            str text = cel_type_text(k->c->scratch, cel_substitute(k, n->args[i]->type, false));

            cel_problem_add(k->c, n->args[i]->at, "expected type 'bool' but found '" PRI_STR "'",
                            STR_ARG(text));
            n->type = cel_error_type;
        }
    n->overload = n->fn->overloads;
}

static void resolve_overload(struct cel_checker *k, struct cel_node *n)
{
    const struct cel_type *result = NULL;
    uint32_t n_found = 0;

    if (str_is(n->fn_name, "_&&_") || str_is(n->fn_name, "_||_")) {
        resolve_logical(k, n);
        return;
    }
    for (const struct cel_overload *o = n->fn->overloads; o->id; o++) {
        uint32_t mark = k->n_trail;
        struct cel_signature s;
        bool member, fits = true;

        if (cel_sig_count(o->sig, &member) != n->n || member != ((n->flags & NODE_MEMBER) != 0))
            continue;
        cel_sig_parse(k, &s, o->sig);
        for (uint32_t i = 0; i < n->n && fits; i++)
            fits = cel_assignable(k, n->args[i]->type, s.args[i]);
        if (!fits) {
            cel_unify_undo(k, mark);
            continue;
        }
        n->overload = n_found++ ? NULL : o;
        n->var |= 1u << (o - n->fn->overloads);
        s.result = cel_substitute(k, s.result, false);
        if (!result)
            result = s.result;
        else if (!cel_is_dyn(result) && !cel_type_equal(s.result, result))
            result = cel_dyn;
    }
    if (!result)
        no_overload(k, n);
    else
        n->type = result;
}

static void check_call(struct cel_checker *k, struct cel_node *n)
{
    struct cel_env *env = k->c->env;
    uint32_t first = n->flags & NODE_MEMBER ? 1 : 0;
    str name = n->fn_name;

    if (!first && name.n > 1 && name.p[0] == '.')
        name = str_skip(name, 1);
    for (uint32_t i = first; i < n->n; i++)
        check(k, n->args[i]);
    if (first) {
        CLEANUP(buf) struct buf b = BUF_INIT;

        if (qualified(k, n->args[0], &b)) {
            const struct cel_fn *fn;

            buf_char(&b, '.');
            buf_str(&b, name);
            fn = cel_function_find(env, buf_view(&b));
            if (fn) { /* a name with dots: there is no receiver */
                n->flags &= (uint8_t)~NODE_MEMBER;
                n->fn_name = str_of(fn->name);
                n->fn = fn;
                n->args++;
                n->n--;
                resolve_overload(k, n);
                return;
            }
        }
        check(k, n->args[0]);
    }
    n->fn = cel_function_find(env, name);
    if (!n->fn) {
        undeclared(k, n, n->fn_name);
        return;
    }
    resolve_overload(k, n);
}

/* ---- aggregates ---- */

static const struct cel_type *join(struct cel_checker *k, struct cel_node *n,
                                   const struct cel_type *previous, const struct cel_type *current)
{
    str want, got;

    if (!previous)
        return current;
    if (cel_try_assign(k, previous, current) && current->kind == T_NULL)
        return previous;
    if (cel_try_assign(k, previous, current))
        return previous->kind == T_NULL               ? current
               : cel_less_specific(previous, current) ? previous
                                                      : current;
    if (k->c->env->flags & CEL_CORE_ONLY)
        return cel_dyn;
    want = cel_type_text(k->c->scratch, cel_substitute(k, previous, false));
    got = cel_type_text(k->c->scratch, cel_substitute(k, current, false));
    cel_problem_add(k->c, n->at, "expected type '" PRI_STR "' but found '" PRI_STR "'",
                    STR_ARG(want), STR_ARG(got));
    return cel_error_type;
}

/* The type of an optional entry's value. */
static const struct cel_type *unwrap_entry(struct cel_checker *k, struct cel_node *v)
{
    const struct cel_type *t = cel_substitute(k, v->type, false);
    str text;

    if (t->kind == T_OPTIONAL)
        return t->a;
    if (!cel_is_dyn(t)) {
        text = cel_type_text(k->c->scratch, t);
        cel_problem_add(k->c, v->at,
                        "expected type 'optional_type(" PRI_STR ")' but found '" PRI_STR "'",
                        STR_ARG(text), STR_ARG(text));
    }
    return t;
}

static void check_list(struct cel_checker *k, struct cel_node *n)
{
    const struct cel_type *item = NULL;

    for (uint32_t i = 0; i < n->n; i++) {
        check(k, n->args[i]);
        item = join(k, n->args[i], item,
                    n->opt && n->opt[i] ? unwrap_entry(k, n->args[i]) : n->args[i]->type);
    }
    n->type = cel_type_make(k, T_LIST, item ? item : cel_type_fresh(k), NULL);
}

static void check_map(struct cel_checker *k, struct cel_node *n)
{
    const struct cel_type *key = NULL, *value = NULL;

    for (uint32_t i = 0; i + 1 < n->n; i += 2) {
        struct cel_node *v = n->args[i + 1];

        check(k, n->args[i]);
        key = join(k, n->args[i], key, n->args[i]->type);
        check(k, v);
        value = join(k, v, value, n->opt && n->opt[i / 2] ? unwrap_entry(k, v) : v->type);
    }
    if (!key) {
        key = cel_type_fresh(k);
        value = cel_type_fresh(k);
    }
    n->type = cel_type_make(k, T_MAP, key, value);
}

/* Object, Object.spec, Object.spec.template, …, JSONPatch. That names match the fields in which they stand is checked when the
 * result is taken out. */
static const struct cel_type *struct_type(struct cel_checker *k, str name)
{
    struct cel_type *t;

    if (!(k->c->env->flags & CEL_MUTATION))
        return NULL;
    if (str_is(name, "JSONPatch"))
        return cel_json_patch;
    if (str_is(name, "Object"))
        return cel_mutation_object;
    if (!str_has_prefix(name, S("Object.")))
        return NULL;
    t = ARENA_NEW(k->c->a, struct cel_type);
    *t = *cel_mutation_object;
    t->name = name;
    return t;
}

static void check_struct(struct cel_checker *k, struct cel_node *n)
{
    str name = n->type_name;
    const struct cel_type *t = struct_type(k, name);
    struct cel_field *fields = (struct cel_field *)n->names;
    uint32_t i;

    if (!t) {
        const struct cel_type *named = cel_type_named(k->c->env, name);

        if (named) {
            cel_problem_add(k->c, n->at, "'" PRI_STR "' is not a message type",
                            STR_ARG(named->name));
            n->type = cel_error_type;
        } else {
            undeclared(k, n, name);
            return;
        }
    } else {
        n->type = t;
    }
    for (i = 0; i < n->n; i++) {
        uint32_t at = (uint32_t)(uintptr_t)fields[i].type;
        const struct cel_type *f = NULL, *v;
        str json;

        check(k, n->args[i]);
        if (t) {
            f = cel_type_field(k->c->env, t, fields[i].name, &json);
            if (!f)
                cel_problem_add(k->c, at, "undefined field '" PRI_STR "'", STR_ARG(fields[i].name));
        }
        v = n->opt && n->opt[i] ? unwrap_entry(k, n->args[i]) : n->args[i]->type;
        fields[i].type = f ? f : cel_error_type;
        if (f && !cel_try_assign(k, f, v)) {
            str want = cel_type_text(k->c->scratch, f),
                got = cel_type_text(k->c->scratch, cel_substitute(k, v, false));

            cel_problem_add(k->c, at,
                            "expected type of field '" PRI_STR "' is '" PRI_STR
                            "' but provided type is '" PRI_STR "'",
                            STR_ARG(fields[i].name), STR_ARG(want), STR_ARG(got));
        }
    }
}

/* ---- loops ---- */

static void assert_type(struct cel_checker *k, struct cel_node *n, const struct cel_type *want)
{
    str w, g;

    if (cel_try_assign(k, want, n->type))
        return;
    w = cel_type_text(k->c->scratch, cel_substitute(k, want, false));
    g = cel_type_text(k->c->scratch, cel_substitute(k, n->type, false));
    cel_problem_add(k->c, n->at, "expected type '" PRI_STR "' but found '" PRI_STR "'", STR_ARG(w),
                    STR_ARG(g));
}

static void check_fold(struct cel_checker *k, struct cel_node *n)
{
    const struct cel_type *range, *v1 = cel_dyn, *v2 = cel_dyn;
    struct cel_node *over = n->args[0];
    bool two = n->var2.p != NULL;

    check(k, over);
    check(k, n->loop->init);
    range = cel_substitute(k, over->type, false);
    switch ((enum cel_type_kind)range->kind) {
    case T_LIST:
        v1 = two ? cel_int : range->a;
        v2 = range->a;
        break;
    case T_MAP:
        v1 = range->a;
        v2 = range->b;
        break;
    case T_DYN:
    case T_ERROR:
    case T_PARAM:
        cel_try_assign(k, cel_dyn, range);
        break;
    case T_NULL:
    case T_BOOL:
    case T_INT:
    case T_UINT:
    case T_DOUBLE:
    case T_STRING:
    case T_BYTES:
    case T_TIMESTAMP:
    case T_DURATION:
    case T_OBJECT:
    case T_OPAQUE:
    case T_OPTIONAL:
    case T_TYPE: {
        str text = cel_type_text(k->c->scratch, range);

        cel_problem_add(k->c, over->at,
                        "expression of type '" PRI_STR
                        "' cannot be range of a comprehension (must be list, map, or dynamic)",
                        STR_ARG(text));
        v1 = v2 = cel_error_type;
        break;
    }
    }
    n->slot = k->next_slot;
    n->type = cel_error_type;
    if (!push_local(k, n->loop->accu, n->loop->init->type, false))
        return;
    if (!push_local(k, n->var1, v1, true) || (two && !push_local(k, n->var2, v2, true)))
        return;
    check(k, n->loop->cond);
    assert_type(k, n->loop->cond, cel_bool);
    check(k, n->loop->step);
    assert_type(k, n->loop->step, n->loop->init->type);
    pop_local(k);
    if (two)
        pop_local(k);
    check(k, n->loop->result);
    pop_local(k);
    n->type = cel_substitute(k, n->loop->result->type, false);
}

static void check_bind(struct cel_checker *k, struct cel_node *n)
{
    check(k, n->args[0]);
    n->slot = k->next_slot;
    n->type = cel_error_type;
    if (!push_local(k, n->name, n->args[0]->type, true))
        return;
    check(k, n->args[1]);
    n->type = n->args[1]->type;
    pop_local(k);
}

static void check(struct cel_checker *k, struct cel_node *n)
{
    static const uint8_t of_const[] = {
        [CEL_NULL] = T_NULL,     [CEL_BOOL] = T_BOOL,     [CEL_INT] = T_INT,    [CEL_UINT] = T_UINT,
        [CEL_DOUBLE] = T_DOUBLE, [CEL_STRING] = T_STRING, [CEL_BYTES] = T_BYTES};

    if (k->c->stop || (n->flags & NODE_CHECKED)) {
        if (!n->type)
            n->type = cel_error_type;
        return;
    }
    n->flags |= NODE_CHECKED;
    switch ((enum cel_op)n->op) {
    case OP_ERROR:
    case OP_LOCAL:
    case OP_VAR:
        n->type = cel_error_type;
        break;
    case OP_CONST:
        n->type = BASIC(of_const[n->value.kind]);
        break;
    case OP_IDENT:
        check_ident(k, n);
        break;
    case OP_SELECT:
        check_select(k, n);
        break;
    case OP_CALL:
        check_call(k, n);
        break;
    case OP_LIST:
        check_list(k, n);
        break;
    case OP_MAP:
        check_map(k, n);
        break;
    case OP_STRUCT:
        check_struct(k, n);
        break;
    case OP_FOLD:
        check_fold(k, n);
        break;
    case OP_BIND:
        check_bind(k, n);
        break;
    }
    if (!n->type)
        n->type = cel_error_type;
}

/* ---- afterwards ---- */

/* Free variables become dyn; literals that can be checked now are. */
static void settle(struct cel_checker *k, struct cel_node *n)
{
    static const char *const checked[] = {"duration", "timestamp", "matches"};

    if (!n || (n->flags & NODE_SEEN))
        return;
    n->flags |= NODE_SEEN;
    if (n->type)
        n->type = cel_substitute(k, n->type, true);
    for (uint32_t i = 0; i < n->n; i++)
        settle(k, n->args[i]);
    if (n->op == OP_FOLD && n->loop) {
        settle(k, n->loop->init);
        settle(k, n->loop->cond);
        settle(k, n->loop->step);
        settle(k, n->loop->result);
    }
    if (n->op != OP_CALL || !n->fn)
        return;
    for (size_t i = 0; i < ARRAY_LEN(checked); i++) {
        uint32_t arg = n->flags & NODE_MEMBER ? 1 : 0;
        struct cel_node *lit;
        bool ok = true;
        struct cel_value t;
        int64_t ns;
        str problem, text;

        if (!str_is(n->fn_name, checked[i]) || arg >= n->n)
            continue;
        lit = n->args[arg];
        if (lit->op != OP_CONST || lit->value.kind != CEL_STRING)
            continue;
        text = cel_v_text(lit->value);
        if (i == 0)
            ok = cel_duration_parse(text, &ns);
        else if (i == 1)
            ok = cel_time_parse(k->c->scratch, text, &t);
        else
            ok = cel_regex_new(k->c->scratch, text, &problem) != NULL;
        if (!ok && !(k->c->env->flags & CEL_CORE_ONLY))
            cel_problem_add(k->c, lit->at, "invalid %s argument", checked[i]);
    }
}

void cel_check(struct cel_compile *c, struct cel_node *root)
{
    struct cel_checker *k = ARENA_NEW(c->scratch, struct cel_checker);

    k->c = c;
    check(k, root);
    if (c->stop)
        return;
    settle(k, root);
    c->next_var = k->max_slot;
}
