/* macro.c - has(), all(), map() and their kin: calls that are loops.
 *
 * A macro becomes one OP_FOLD node, which eval.c runs directly. What it stands for in cel-go (an accumulator, a condition, a step
 * and a result) is built beside it for the checker and the cost estimate, whose texts and numbers follow from that form.
 *
 * Source: cel-go parser/macro.go, ext/comprehensions.go, cel/library.go (optMap, optFlatMap), ext/bindings.go. */
#include "schema/cel/cel_internal.h"

struct expansion {
    struct cel_compile *c;
    struct cel_node *target, **args;
    uint32_t n, at;
};

/* ---- pieces, at the macro's place, gone after compilation ---- */

static struct cel_node *tmp_call(struct expansion *x, const char *name, struct cel_node *a,
                                 struct cel_node *b, struct cel_node *c)
{
    struct cel_node *n = cel_node_new(x->c, x->c->scratch, OP_CALL, x->at,
                                      c   ? 3
                                      : b ? 2
                                      : a ? 1
                                          : 0);

    n->fn_name = str_of(name);
    if (a)
        n->args[0] = a;
    if (b)
        n->args[1] = b;
    if (c)
        n->args[2] = c;
    return n;
}

static struct cel_node *tmp_const(struct expansion *x, struct cel_value v)
{
    struct cel_node *n = cel_node_new(x->c, x->c->scratch, OP_CONST, x->at, 0);

    n->value = v;
    return n;
}

static struct cel_node *tmp_ident(struct expansion *x, str name)
{
    struct cel_node *n = cel_node_new(x->c, x->c->scratch, OP_IDENT, x->at, 0);

    n->name = name;
    return n;
}

static struct cel_node *accu(struct expansion *x)
{
    return tmp_ident(x, S("@result"));
}

static struct cel_node *tmp_list(struct expansion *x, struct cel_node *item)
{
    struct cel_node *n = cel_node_new(x->c, x->c->scratch, OP_LIST, x->at, item ? 1 : 0);

    if (item)
        n->args[0] = item;
    return n;
}

/* ---- macros ---- */

static bool simple_name(const struct cel_node *n)
{
    return n->op == OP_IDENT && n->name.n && n->name.p[0] != '.';
}

static struct cel_node *refuse(struct expansion *x, uint32_t at, const char *text)
{
    cel_problem_add(x->c, at, "%s", text);
    return cel_node_new(x->c, x->c->a, OP_ERROR, x->at, 0);
}

static struct cel_node *fold(struct expansion *x, enum cel_fold kind, str var1, str var2,
                             struct cel_node *filter, struct cel_node *body, struct cel_loop loop)
{
    struct cel_node *n = cel_node_new(x->c, x->c->a, OP_FOLD, x->at, 3);

    n->fold = (uint8_t)kind;
    n->args[0] = x->target;
    n->args[1] = filter;
    n->args[2] = body;
    n->var1 = var1;
    n->var2 = var2;
    n->loop = arena_alloc(x->c->scratch, sizeof loop);
    loop.accu = S("@result");
    *n->loop = loop;
    return cel_node_seal(x->c, n);
}

static struct cel_node *has(struct expansion *x)
{
    struct cel_node *arg = x->args[0], *n;

    if (arg->op == OP_ERROR)
        return arg;
    if (arg->op != OP_SELECT || (arg->flags & NODE_OPTIONAL))
        return refuse(x, arg->at, "invalid argument to has() macro");
    n = cel_node_new(x->c, x->c->a, OP_SELECT, x->at, 1);
    n->name = arg->name;
    n->args[0] = arg->args[0];
    n->flags = NODE_TEST;
    return cel_node_seal(x->c, n);
}

static struct cel_node *quantifier(struct expansion *x, enum cel_fold kind)
{
    bool two = x->n == 3;
    struct cel_node *pred = x->args[two ? 2 : 1];
    str v1, v2 = STR_NONE;
    struct cel_loop l = {0};

    if (!simple_name(x->args[0]))
        return refuse(x, x->args[0]->at,
                      two ? "argument must be an identifier" : "argument must be a simple name");
    v1 = x->args[0]->name;
    if (two) {
        if (!simple_name(x->args[1]))
            return refuse(x, x->args[1]->at, "argument must be an identifier");
        v2 = x->args[1]->name;
        if (str_eq(v1, v2)) {
            str text = arena_fmt(x->c->scratch, "duplicate variable name: " PRI_STR, STR_ARG(v1));

            return refuse(x, x->args[1]->at, text.p);
        }
    }
    switch (kind) {
    case FOLD_ALL:
        l.init = tmp_const(x, cel_v_bool(true));
        l.cond = tmp_call(x, "@not_strictly_false", accu(x), NULL, NULL);
        l.step = tmp_call(x, "_&&_", accu(x), pred, NULL);
        l.result = accu(x);
        break;
    case FOLD_EXISTS:
        l.init = tmp_const(x, cel_v_bool(false));
        l.cond =
            tmp_call(x, "@not_strictly_false", tmp_call(x, "!_", accu(x), NULL, NULL), NULL, NULL);
        l.step = tmp_call(x, "_||_", accu(x), pred, NULL);
        l.result = accu(x);
        break;
    case FOLD_EXISTS_ONE:
    case FOLD_MAP:
    case FOLD_FILTER:
    case FOLD_TRANSFORM_LIST:
    case FOLD_TRANSFORM_MAP:
    case FOLD_TRANSFORM_ENTRY:
        l.init = tmp_const(x, cel_v_int(0));
        l.cond = tmp_const(x, cel_v_bool(true));
        l.step = tmp_call(x, "_?_:_", pred,
                          tmp_call(x, "_+_", accu(x), tmp_const(x, cel_v_int(1)), NULL), accu(x));
        l.result = tmp_call(x, "_==_", accu(x), tmp_const(x, cel_v_int(1)), NULL);
        break;
    }
    return fold(x, kind, v1, v2, NULL, pred, l);
}

static struct cel_node *map(struct expansion *x)
{
    struct cel_node *filter = x->n == 3 ? x->args[1] : NULL, *body = x->args[x->n - 1];
    struct cel_loop l = {
        .init = tmp_list(x, NULL), .cond = tmp_const(x, cel_v_bool(true)), .result = accu(x)};

    if (!simple_name(x->args[0]))
        return refuse(x, x->args[0]->at, "argument is not an identifier");
    l.step = tmp_call(x, "_+_", accu(x), tmp_list(x, body), NULL);
    if (filter)
        l.step = tmp_call(x, "_?_:_", filter, l.step, accu(x));
    return fold(x, FOLD_MAP, x->args[0]->name, STR_NONE, filter, body, l);
}

static struct cel_node *filter(struct expansion *x)
{
    struct cel_loop l = {
        .init = tmp_list(x, NULL), .cond = tmp_const(x, cel_v_bool(true)), .result = accu(x)};

    if (!simple_name(x->args[0]))
        return refuse(x, x->args[0]->at, "argument is not an identifier");
    l.step = tmp_call(x, "_+_", accu(x), tmp_list(x, x->args[0]), NULL);
    l.step = tmp_call(x, "_?_:_", x->args[1], l.step, accu(x));
    return fold(x, FOLD_FILTER, x->args[0]->name, STR_NONE, x->args[1], NULL, l);
}

static struct cel_node *transform(struct expansion *x, enum cel_fold kind)
{
    struct cel_node *filt = x->n == 4 ? x->args[2] : NULL, *body = x->args[x->n - 1];
    struct cel_loop l = {.cond = tmp_const(x, cel_v_bool(true)), .result = accu(x)};

    for (int i = 0; i < 2; i++)
        if (!simple_name(x->args[i]))
            return refuse(x, x->args[i]->at, "argument must be an identifier");
    if (str_eq(x->args[0]->name, x->args[1]->name)) {
        str text = arena_fmt(x->c->scratch, "duplicate variable name: " PRI_STR,
                             STR_ARG(x->args[0]->name));

        return refuse(x, x->args[1]->at, text.p);
    }
    if (kind == FOLD_TRANSFORM_LIST) {
        l.init = tmp_list(x, NULL);
        l.step = tmp_call(x, "_+_", accu(x), tmp_list(x, body), NULL);
    } else {
        l.init = cel_node_new(x->c, x->c->scratch, OP_MAP, x->at, 0);
        l.step = kind == FOLD_TRANSFORM_MAP
                     ? tmp_call(x, "cel.@mapInsert", accu(x), x->args[0], body)
                     : tmp_call(x, "cel.@mapInsert", accu(x), body, NULL);
    }
    if (filt)
        l.step = tmp_call(x, "_?_:_", filt, l.step, accu(x));
    return fold(x, kind, x->args[0]->name, x->args[1]->name, filt, body, l);
}

/* These stay: a node for evaluation, built of calls. */
static struct cel_node *call(struct expansion *x, const char *name, struct cel_node *a,
                             struct cel_node *b, struct cel_node *c, bool member)
{
    struct cel_node *n = cel_node_new(x->c, x->c->a, OP_CALL, x->at, c ? 3 : b ? 2 : a ? 1 : 0);

    n->fn_name = str_of(name);
    if (a)
        n->args[0] = a;
    if (b)
        n->args[1] = b;
    if (c)
        n->args[2] = c;
    if (member)
        n->flags |= NODE_MEMBER;
    return cel_node_seal(x->c, n);
}

static struct cel_node *bind(struct expansion *x, str var, struct cel_node *init,
                             struct cel_node *body)
{
    struct cel_node *n = cel_node_new(x->c, x->c->a, OP_BIND, x->at, 2);

    n->name = var;
    n->args[0] = init;
    n->args[1] = body;
    return cel_node_seal(x->c, n);
}

static struct cel_node *opt_map(struct expansion *x, bool flat)
{
    struct cel_node *value;

    if (!simple_name(x->args[0]))
        return refuse(x, x->args[0]->at,
                      flat ? "optFlatMap() variable name must be a simple identifier"
                           : "optMap() variable name must be a simple identifier");
    value = bind(x, x->args[0]->name, call(x, "value", x->target, NULL, NULL, true), x->args[1]);
    return call(x, "_?_:_", call(x, "hasValue", x->target, NULL, NULL, true),
                flat ? value : call(x, "optional.of", value, NULL, NULL, false),
                call(x, "optional.none", NULL, NULL, NULL, false), false);
}

static struct cel_node *cel_bind(struct expansion *x)
{
    if (!simple_name(x->args[0]))
        return refuse(x, x->args[0]->at, "cel.bind() variable names must be simple identifiers");
    return bind(x, x->args[0]->name, x->args[1], x->args[2]);
}

struct cel_node *cel_macro(struct cel_compile *c, struct cel_node *target, str name,
                           struct cel_node **args, uint32_t n, uint32_t at)
{
    struct expansion x = {.c = c, .target = target, .args = args, .n = n, .at = at};

    for (uint32_t i = 0; i < n; i++)
        if (args[i]->op == OP_ERROR && target)
            return NULL;
    if (!target)
        return n == 1 && str_is(name, "has") ? has(&x) : NULL;
    if (str_is(name, "all") && (n == 2 || n == 3))
        return quantifier(&x, FOLD_ALL);
    if (str_is(name, "exists") && (n == 2 || n == 3))
        return quantifier(&x, FOLD_EXISTS);
    if ((str_is(name, "exists_one") && n == 2) || (str_is(name, "existsOne") && (n == 2 || n == 3)))
        return quantifier(&x, FOLD_EXISTS_ONE);
    if (str_is(name, "map") && (n == 2 || n == 3))
        return map(&x);
    if (str_is(name, "filter") && n == 2)
        return filter(&x);
    if (str_is(name, "transformList") && (n == 3 || n == 4))
        return transform(&x, FOLD_TRANSFORM_LIST);
    if (str_is(name, "transformMap") && (n == 3 || n == 4))
        return transform(&x, FOLD_TRANSFORM_MAP);
    if (str_is(name, "transformMapEntry") && (n == 3 || n == 4))
        return transform(&x, FOLD_TRANSFORM_ENTRY);
    if (str_is(name, "optMap") && n == 2)
        return opt_map(&x, false);
    if (str_is(name, "optFlatMap") && n == 2)
        return opt_map(&x, true);
    if ((c->env->flags & (CEL_CORE_ONLY | CEL_BIND)) && str_is(name, "bind") && n == 3 &&
        target->op == OP_IDENT && str_is(target->name, "cel"))
        return cel_bind(&x);
    return NULL;
}
