/* eval.c - runs a program.
 *
 * Invariants
 *   (1) Each step adds its cost before its value is used; above the limit every step fails, and nothing absorbs that error.
 *   (2) && and || are commutative in errors: one side that decides hides the other's error.
 *   (3) Depth of recursion is that of the tree, which parsing has limited, times that of composed variables.
 *
 * Source: cel-go interpreter/{interpretable,attributes,runtimecost}.go. Costs are those of a program that cel-go has optimised:
 * constant parts cost nothing. */
#include "schema/cel/functions.h"

#include <math.h>

#define FACTOR_TEXT 0.1
#define FACTOR_REGEX 0.25

static const char *const limit_text = "operation cancelled: actual cost limit exceeded";

static bool charge(struct cel_eval *e, uint64_t cost)
{
    e->cost += cost;
    if (e->cost <= e->limit && !e->out_of_cost)
        return true;
    e->out_of_cost = true;
    return false;
}

static struct cel_value too_much(void)
{
    return cel_v_error_z(limit_text);
}

/* ---- names ---- */

static struct cel_value variable(struct cel_eval *e, const struct cel_node *n)
{
    const struct cel_binding *b = n->var < e->vars->n_bound ? &e->vars->bound[n->var] : NULL;
    struct cel_value v;

    switch (b ? b->kind : BIND_NONE) {
    case BIND_VALUE:
        return b->value;
    case BIND_JSON:
        return cel_wrap(e->a, b->json, n->schema);
    case BIND_OPTIONAL:
        if (!b->json)
            return cel_v_optional(e->a, NULL);
        v = cel_wrap(e->a, b->json, n->schema);
        return cel_is_error(v) ? v : cel_v_optional(e->a, &v);
    case BIND_NONE:
        break;
    }
    return cel_v_error(e->a, "no such attribute(s): " PRI_STR,
                       STR_ARG(e->vars->env->vars[n->var].name));
}

struct cel_value cel_composed_get(struct cel_eval *e, struct cel_value map, str name,
                                  bool *ret_found)
{
    struct cel_vars *vars = e->vars;
    int64_t i = cel_composed_find(vars->env, name);
    const struct cel_program *p;
    struct cel_memo *memo;
    struct cel_result r;

    (void)map;
    *ret_found = i >= 0 && i < vars->n_memo;
    if (!*ret_found)
        return cel_v_null();
    memo = &vars->memo[i];
    p = vars->env->composed[i].program;
    if (memo->state == MEMO_DONE)
        return memo->value;
    if (memo->state == MEMO_RUNNING || vars->depth + p->root->depth > CEL_EVAL_DEPTH_MAX)
        return cel_v_error(e->a,
                           "composited variable \"" PRI_STR
                           "\" fails to evaluate: variables are nested too deep",
                           STR_ARG(name));
    memo->state = MEMO_RUNNING;
    r = cel_eval(p, vars);
    vars->composed_cost += r.cost;
    memo->value =
        r.ok ? r.value
             : cel_v_error(e->a, "composited variable \"" PRI_STR "\" fails to evaluate: " PRI_STR,
                           STR_ARG(name), STR_ARG(r.error));
    memo->state = MEMO_DONE;
    return memo->value;
}

static struct cel_value no_such_key(struct cel_eval *e, str key)
{
    return cel_v_error(e->a, "no such key: " PRI_STR, STR_ARG(key));
}

static struct cel_value select_field(struct cel_eval *e, const struct cel_node *n)
{
    struct cel_value v = cel_run(e, n->args[0]), found;
    bool optional = n->flags & NODE_OPTIONAL, ok;

    if (cel_is_error(v))
        return v;
    if (!(n->flags & NODE_TEST) && !charge(e, 1))
        return too_much();
    if (v.kind == CEL_OPTIONAL) { /* once optional, optional to the end of the chain */
        const struct cel_value *inner = cel_optional_value(v);

        if (!inner)
            return n->flags & NODE_TEST ? cel_v_bool(false) : v;
        v = *inner;
        optional = true;
    }
    if (v.kind != CEL_MAP && v.kind != CEL_OBJECT) /* even when only asked whether it is there */
        return no_such_key(e, n->name);
    ok = cel_map_find_str(e, v, n->name, n->schema, &found);
    if (e->out_of_cost)
        return too_much();
    if (n->flags & NODE_TEST)
        return cel_v_bool(ok);
    if (ok && cel_is_error(found))
        return found;
    if (optional) {
        if (!ok || found.kind == CEL_OPTIONAL)
            return ok ? found : cel_v_optional(e->a, NULL);
        return cel_v_optional(e->a, &found);
    }
    return ok ? found : no_such_key(e, n->name);
}

/* ---- calls ---- */

static uint64_t size_of(struct cel_value v)
{
    bool sized;

    return cel_size(v, &sized);
}

static uint64_t up(double d)
{
    return (uint64_t)ceil(d);
}

static uint64_t walk(struct cel_eval *e, struct cel_value v, int depth)
{
    uint64_t sum = 0;

    if (v.kind == CEL_STRING || v.kind == CEL_BYTES)
        return (uint64_t)((double)v.n * FACTOR_TEXT);
    if (!cel_work(e, 1) || depth > 64)
        return 1;
    if (v.kind == CEL_LIST) {
        for (uint64_t i = 0; i < v.n; i++)
            sum += walk(e, cel_item(e->a, v, i), depth + 1);
        return sum;
    }
    if (v.kind == CEL_MAP) {
        struct cel_entries it = {.map = v};
        struct cel_value k, x;

        while (cel_entry_next(e->a, &it, &k, &x))
            sum += walk(e, k, depth + 1) + walk(e, x, depth + 1);
        return sum;
    }
    return 1;
}

uint64_t cel_call_cost(struct cel_eval *e, const struct cel_node *n, struct cel_value *args,
                       struct cel_value result)
{
    const struct cel_overload *o = n->overload;
    double s0 = n->n > 0 ? (double)size_of(args[0]) : 0, s1;

    if (!o) { /* Kubernetes' costs go by the function, cel-go's by the overload */
        if (n->fn->overloads[0].cost < COST_CHECK)
            return 1;
        o = n->fn->overloads;
    }
    switch ((enum cel_cost_class)o->cost) {
    case COST_ONE:
    case COST_FIXED:
    case COST_ADD_LIST:
    case COST_LOGICAL:
    case COST_CONDITIONAL:
    case COST_INDEX_LIST:
    case COST_INDEX_MAP:
        return 1;
    case COST_STARTS:
    case COST_CONVERT:
    case COST_FORMAT:
    case COST_QUOTE:
    case COST_TRAVERSE:
    case COST_TRAVERSE_ARG:
        return up(s0 * FACTOR_TEXT);
    case COST_CANONICAL:
    case COST_REPLACE:
    case COST_SPLIT:
        return up(s0 * 2 * FACTOR_TEXT);
    case COST_JOIN:
        return up((double)size_of(result) * 2 * FACTOR_TEXT);
    case COST_IN_LIST:
        return size_of(args[1]);
    case COST_COMPARE:
        if (args[0].kind == CEL_OPAQUE)
            return 1;
        s1 = (double)size_of(args[1]);
        return up(MIN(s0, s1) * FACTOR_TEXT);
    case COST_ADD:
        return up((s0 + (double)size_of(args[1])) * FACTOR_TEXT);
    case COST_MATCHES:
    case COST_FIND:
        s1 = (double)size_of(args[1]);
        return up((1.0 + s0) * FACTOR_TEXT) * up(s1 * FACTOR_REGEX);
    case COST_CONTAINS:
        return up(s0 * FACTOR_TEXT) * up((double)size_of(args[1]) * FACTOR_TEXT);
    case COST_CHECK:
        return 350000;
    case COST_SELECTOR:
        s1 = (double)size_of(args[1]);
        return 10 + up(s1 * FACTOR_TEXT) + up(up(s1 * 0.5) * 50.0);
    case COST_LIST_WALK:
        return walk(e, args[0], 0);
    case COST_CONTAINS_IP:
    case COST_CONTAINS_CIDR: {
        uint64_t cost = up(2 * s0 * FACTOR_TEXT);

        if (o->cost == COST_CONTAINS_CIDR)
            cost += up(s0 * FACTOR_TEXT) + 1;
        if (args[1].kind == CEL_STRING)
            cost += up((double)size_of(args[1]) * FACTOR_TEXT);
        return cost;
    }
    case COST_VALIDATE:
        return up((1.0 + (double)size_of(args[1])) * FACTOR_TEXT) * up(128 * FACTOR_REGEX);
    case COST_SETS:
        return 1 + (uint64_t)(s0 * (double)size_of(args[1])) *
                       (n->fn->impl == cel_fn_sets_equivalent ? 2 : 1);
    }
    return 1;
}

/* One side that decides is enough. */
static struct cel_value logical(struct cel_eval *e, const struct cel_node *n, bool decides)
{
    struct cel_value first = cel_v_bool(!decides);

    for (uint32_t i = 0; i < n->n; i++) {
        struct cel_value v = cel_run(e, n->args[i]);

        if (e->out_of_cost)
            return too_much();
        if (v.kind == CEL_BOOL && v.b == decides)
            return v;
        if (v.kind != CEL_BOOL && !cel_is_error(first))
            first = cel_is_error(v) ? v : cel_v_error_z("no such overload");
    }
    return first;
}

static struct cel_value lazy(struct cel_eval *e, const struct cel_node *n)
{
    struct cel_value v;

    if (n->fold != LAZY_CONDITIONAL)
        return logical(e, n, n->fold == LAZY_OR);
    v = cel_run(e, n->args[0]);
    if (cel_is_error(v))
        return v;
    if (v.kind != CEL_BOOL)
        return cel_v_error_z("no such overload");
    return cel_run(e, n->args[v.b ? 1 : 2]);
}

static struct cel_value call(struct cel_eval *e, const struct cel_node *n)
{
    struct cel_value args[6], r;

    if (n->fold)
        return lazy(e, n);
    for (uint32_t i = 0; i < n->n; i++) {
        if (i == 1 && (n->flags & NODE_SET)) { /* a constant list costs nothing */
            args[1] = n->args[1]->value;
            break;
        }
        args[i] = cel_run(e, n->args[i]);
        if (cel_is_error(args[i]))
            return args[i];
    }
    r = n->fn->impl(e, n, args);
    if (e->out_of_cost)
        return too_much();
    if (!(n->flags & NODE_SET) && !charge(e, cel_call_cost(e, n, args, r)))
        return too_much();
    return r;
}

/* ---- aggregates ---- */

/* The value of an optional entry; *ret_skip: it is not there. */
static struct cel_value entry_value(struct cel_value v, bool optional, bool *ret_skip)
{
    *ret_skip = false;
    if (!optional || cel_is_error(v))
        return v;
    if (v.kind != CEL_OPTIONAL)
        return cel_v_error_z("cannot initialize optional list element from non-optional value");
    *ret_skip = !v.ref;
    return v.ref ? *(const struct cel_value *)v.ref : v;
}

static struct cel_value list(struct cel_eval *e, const struct cel_node *n)
{
    struct cel_value *items = arena_alloc(e->a, (n->n ? n->n : 1) * sizeof *items), v;
    uint32_t count = 0;
    bool skip;

    for (uint32_t i = 0; i < n->n; i++) {
        v = entry_value(cel_run(e, n->args[i]), n->opt && n->opt[i], &skip);
        if (cel_is_error(v))
            return v;
        if (!skip)
            items[count++] = v;
    }
    if (!charge(e, 10))
        return too_much();
    return cel_v_list(items, count);
}

static struct cel_value map(struct cel_eval *e, const struct cel_node *n)
{
    struct cel_value *pairs = arena_alloc(e->a, (n->n ? n->n : 1) * sizeof *pairs), k, v, old,
                     so_far;
    uint32_t count = 0;
    bool skip;

    for (uint32_t i = 0; i + 1 < n->n; i += 2) {
        k = cel_run(e, n->args[i]);
        if (cel_is_error(k))
            return k;
        if (k.kind != CEL_BOOL && k.kind != CEL_INT && k.kind != CEL_UINT && k.kind != CEL_STRING) {
            char name[128];

            return cel_v_error(e->a, "unsupported key type: %s", cel_kind_name(k, name));
        }
        so_far = cel_v_map(pairs, count);
        so_far.flags = CONT_GROWING;
        if (cel_map_find(e, so_far, k, &old))
            return cel_v_error_z("Failed with repeated key");
        v = entry_value(cel_run(e, n->args[i + 1]), n->opt && n->opt[i / 2], &skip);
        if (cel_is_error(v))
            return v;
        if (skip)
            continue;
        pairs[2 * count] = k;
        pairs[2 * count++ + 1] = v;
    }
    if (!charge(e, 30))
        return too_much();
    return cel_v_map(pairs, count);
}

static struct cel_value structure(struct cel_eval *e, const struct cel_node *n)
{
    struct cel_value *pairs = arena_alloc(e->a, (2 * n->n + 1) * sizeof *pairs), v;
    uint32_t count = 0;
    bool skip;

    for (uint32_t i = 0; i < n->n; i++) {
        v = entry_value(cel_run(e, n->args[i]), n->opt && n->opt[i], &skip);
        if (cel_is_error(v))
            return v;
        if (skip)
            continue;
        pairs[2 * count] = cel_v_str(n->names[i].name);
        pairs[2 * count++ + 1] = v;
    }
    if (!charge(e, 40))
        return too_much();
    v = cel_v_map(pairs, count);
    v.kind = CEL_OBJECT;
    v.aux = n->type;
    return v;
}

/* ---- loops ---- */

struct loop {
    struct cel_eval *e;
    const struct cel_node *n;
    struct cel_value *out; /* the result's items, or pairs */
    uint32_t count, cap, n_true;
    struct cel_value accu; /* all, exists */
};

static void loop_push(struct loop *l, struct cel_value v)
{
    if (l->count == l->cap) {
        uint32_t cap = l->cap ? l->cap * 2 : 8;

        l->out = arena_grow(l->e->a, l->out, l->cap * sizeof v, cap * sizeof v);
        l->cap = cap;
    }
    l->out[l->count++] = v;
}

static struct cel_value loop_insert(struct loop *l, struct cel_value k, struct cel_value v)
{
    struct cel_value old, so_far = cel_v_map(l->out, l->count / 2);
    char name[128];

    so_far.flags = CONT_GROWING;
    if (k.kind != CEL_STRING && k.kind != CEL_INT && k.kind != CEL_UINT && k.kind != CEL_BOOL)
        return cel_v_error(l->e->a, "unsupported key type: %s", cel_kind_name(k, name));
    if (l->n->fold == FOLD_TRANSFORM_ENTRY && cel_map_find(l->e, so_far, k, &old))
        return cel_v_error_z("insert failed: key already exists");
    loop_push(l, k);
    loop_push(l, v);
    return cel_v_null();
}

/* One round. False: the loop is over; *ret is its value when that is an error. */
static bool loop_round(struct loop *l, struct cel_value *ret)
{
    struct cel_eval *e = l->e;
    const struct cel_node *filter = l->n->args[1], *body = l->n->args[2];
    struct cel_value v, more, k;
    bool decides;

    *ret = too_much();
    switch ((enum cel_fold)l->n->fold) {
    case FOLD_ALL:
    case FOLD_EXISTS:
        decides = l->n->fold == FOLD_EXISTS;
        if (!charge(e, decides ? 4 : 3))
            return false;
        v = cel_run(e, body);
        if (e->out_of_cost)
            return false;
        if (v.kind == CEL_BOOL) {
            if (v.b == decides)
                l->accu = v;
        } else if (!cel_is_error(l->accu)) {
            l->accu = cel_is_error(v) ? v : cel_v_error_z("no such overload");
        }
        return true;
    case FOLD_EXISTS_ONE:
        v = cel_run(e, body);
        if (cel_is_error(v) || e->out_of_cost || v.kind != CEL_BOOL) {
            *ret = cel_is_error(v) ? v : cel_v_error_z("no such overload");
            return false;
        }
        l->n_true += v.b;
        return charge(e, v.b ? 2 : 1);
    case FOLD_MAP:
    case FOLD_FILTER:
    case FOLD_TRANSFORM_LIST:
    case FOLD_TRANSFORM_MAP:
    case FOLD_TRANSFORM_ENTRY:
        break;
    }
    if (filter) {
        v = cel_run(e, filter);
        if (cel_is_error(v) || v.kind != CEL_BOOL) {
            *ret = cel_is_error(v) ? v : cel_v_error_z("no such overload");
            return false;
        }
        if (!v.b)
            return charge(e, 1);
    }
    v = body ? cel_run(e, body) : e->locals[l->n->slot];
    if (cel_is_error(v)) {
        *ret = v;
        return false;
    }
    if (l->n->fold == FOLD_TRANSFORM_MAP) {
        more = loop_insert(l, e->locals[l->n->slot], v);
    } else if (l->n->fold == FOLD_TRANSFORM_ENTRY) {
        struct cel_entries it = {.map = v};

        more = v.kind == CEL_MAP ? cel_v_null() : cel_v_error_z("no such overload");
        while (!cel_is_error(more) && cel_entry_next(e->a, &it, &k, &v))
            more = loop_insert(l, k, v);
    } else {
        loop_push(l, v);
        return charge(e, body ? 12 : 13);
    }
    if (cel_is_error(more)) {
        *ret = more;
        return false;
    }
    return charge(e, l->n->fold == FOLD_TRANSFORM_MAP ? 3 : 2);
}

static struct cel_value loop_result(struct loop *l)
{
    struct cel_eval *e = l->e;

    switch ((enum cel_fold)l->n->fold) {
    case FOLD_ALL:
    case FOLD_EXISTS:
        return charge(e, 1) ? l->accu : too_much();
    case FOLD_EXISTS_ONE:
        return charge(e, 2) ? cel_v_bool(l->n_true == 1) : too_much();
    case FOLD_MAP:
    case FOLD_FILTER:
    case FOLD_TRANSFORM_LIST:
        return charge(e, 1) ? cel_v_list(l->out, l->count) : too_much();
    case FOLD_TRANSFORM_MAP:
    case FOLD_TRANSFORM_ENTRY:
        return charge(e, 1) ? cel_v_map(l->out, l->count / 2) : too_much();
    }
    return too_much();
}

static struct cel_value fold(struct cel_eval *e, const struct cel_node *n)
{
    struct loop l = {.e = e, .n = n, .accu = cel_v_bool(n->fold == FOLD_ALL)};
    struct cel_value over = cel_run(e, n->args[0]), *v1 = &e->locals[n->slot], *v2 = v1 + 1, ret, x;
    struct cel_entries it = {.map = over};
    bool two = n->var2.p != NULL, quantifier = n->fold == FOLD_ALL || n->fold == FOLD_EXISTS;
    char name[128];

    if (cel_is_error(over))
        return over;
    if (over.kind != CEL_LIST && over.kind != CEL_MAP)
        return cel_v_error(e->a, "got '%s', expected iterable type", cel_kind_name(over, name));
    for (uint64_t i = 0;; i++) {
        if (over.kind == CEL_LIST) {
            if (i >= over.n)
                break;
            if (two)
                *v1 = cel_v_int((int64_t)i);
            *(two ? v2 : v1) = cel_item(e->a, over, i);
        } else {
            if (!cel_entry_next(e->a, &it, v1, &x))
                break;
            if (two)
                *v2 = x;
        }
        if (!loop_round(&l, &ret))
            return e->out_of_cost ? too_much() : ret;
        if (quantifier && l.accu.kind == CEL_BOOL && l.accu.b == (n->fold == FOLD_EXISTS)) {
            charge(e, n->fold == FOLD_EXISTS ? 3 : 2); /* the condition that ends the loop */
            break;
        }
    }
    return loop_result(&l);
}

struct cel_value cel_run(struct cel_eval *e, const struct cel_node *n)
{
    switch ((enum cel_op)n->op) {
    case OP_CONST:
        return n->value;
    case OP_LOCAL:
        return charge(e, 1) ? e->locals[n->slot] : too_much();
    case OP_VAR:
        return charge(e, 1) ? variable(e, n) : too_much();
    case OP_SELECT:
        return select_field(e, n);
    case OP_CALL:
        return call(e, n);
    case OP_LIST:
        return list(e, n);
    case OP_MAP:
        return map(e, n);
    case OP_STRUCT:
        return structure(e, n);
    case OP_FOLD:
        return fold(e, n);
    case OP_BIND:
        e->locals[n->slot] = cel_run(e, n->args[0]);
        return cel_run(e, n->args[1]);
    case OP_ERROR:
    case OP_IDENT:
        break;
    }
    return cel_v_error_z("internal error: an unchecked expression");
}

struct cel_result cel_eval(const struct cel_program *p, struct cel_vars *vars)
{
    struct cel_value few[8];
    struct cel_eval e = {.a = vars->arena, .vars = vars, .limit = vars->limit, .locals = few};
    struct cel_result r = {0};
    uint64_t composed = vars->composed_cost;
    struct cel_value v;

    if (p->n_locals > ARRAY_LEN(few))
        e.locals = arena_alloc(e.a, p->n_locals * sizeof *e.locals);
    vars->depth += p->root->depth + 1u;
    v = cel_run(&e, p->root);
    vars->depth -= p->root->depth + 1u;
    if (e.out_of_cost)
        v = too_much();
    r.ok = !cel_is_error(v);
    r.out_of_cost = e.out_of_cost;
    r.cost = e.cost;
    r.composed_cost = vars->composed_cost - composed;
    if (r.ok)
        r.value = v;
    else
        r.error = cel_v_text(v);
    return r;
}

/* What compilation evaluates: no variables, small limits. */
struct cel_value cel_fn_logic(struct cel_eval *e, const struct cel_node *n, struct cel_value *args)
{
    (void)e;
    (void)n;
    return args[0]; /* only reached for @not_strictly_false, which the loops contain */
}
