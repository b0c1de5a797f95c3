/* cost.c - what an expression may cost at most, before it runs.
 *
 * Sizes come from literals, from the bounds of schemas, and from what functions are known to make of their arguments; what is
 * unknown may be of any size. Numbers of loops are multiplied out, saturating.
 *
 * Source: cel-go checker/cost.go; k8s.io/apiserver/pkg/cel/library/cost.go (EstimateCallCost). Any change here changes which
 * CustomResourceDefinitions are accepted. */
#include "schema/cel/cel_internal.h"

#include <math.h>

#define FACTOR_TEXT 0.1   /* per character that is walked */
#define FACTOR_REGEX 0.25 /* per character of a pattern */
#define COST_LIST 10
#define COST_MAP 30
#define COST_STRUCT 40
#define FORMAT_REGEX_MAX 128 /* length of the longest pattern of a named format */

struct entry { /* sizes of a container's keys and values */
    bool known, list;
    struct cel_cost key, value;
};
struct est {
    bool has_cost, has_size;
    struct cel_cost cost, size;
    struct entry entry;
    const struct cel_type *declared; /* of the place in a schema that this is; NULL: none */
};
struct local {
    const struct cel_type *declared;
    bool has_size;
    struct cel_cost size;
    struct entry entry;
};
struct coster {
    struct cel_compile *c;
    struct est *est;
    uint32_t n_est, cap_est;
    struct local locals[CEL_LOCALS_MAX];
    struct local *accu;
};
static const struct cel_cost unknown = {0, UINT64_MAX}, one = {1, 1}, zero = {0, 0};

/* ---- arithmetic ---- */

static uint64_t add64(uint64_t x, uint64_t y)
{
    return x > UINT64_MAX - y ? UINT64_MAX : x + y;
}

static uint64_t mul64(uint64_t x, uint64_t y)
{
    uint64_t r;

    return __builtin_mul_overflow(x, y, &r) ? UINT64_MAX : r;
}

static uint64_t factor64(uint64_t x, double f)
{
    double r = ceil((double)x * f);

    return r >= 18446744073709551616.0 ? UINT64_MAX : (uint64_t)r;
}

static struct cel_cost plus(struct cel_cost x, struct cel_cost y)
{
    return (struct cel_cost){add64(x.min, y.min), add64(x.max, y.max)};
}

static struct cel_cost times(struct cel_cost x, struct cel_cost y)
{
    return (struct cel_cost){mul64(x.min, y.min), mul64(x.max, y.max)};
}

static struct cel_cost scaled(struct cel_cost x, double f)
{
    return (struct cel_cost){factor64(x.min, f), factor64(x.max, f)};
}

static struct cel_cost either(struct cel_cost x, struct cel_cost y)
{
    return (struct cel_cost){MIN(x.min, y.min), MAX(x.max, y.max)};
}

static struct cel_cost fixed(uint64_t n)
{
    return (struct cel_cost){n, n};
}

/* ---- what is known of a node ---- */

static struct est *est_of(struct coster *k, struct cel_node *n)
{
    return &k->est[n->at];
}

static void number(struct coster *k, struct cel_node *n)
{
    if (!n || !(n->flags & NODE_SEEN))
        return;
    n->flags &= (uint8_t)~NODE_SEEN;
    if (k->n_est == k->cap_est) {
        uint32_t cap = k->cap_est ? k->cap_est * 2 : 64;

        k->est =
            arena_grow(k->c->scratch, k->est, k->cap_est * sizeof *k->est, cap * sizeof *k->est);
        k->cap_est = cap;
    }
    memset(&k->est[k->n_est], 0, sizeof *k->est);
    n->at = k->n_est++;
    for (uint32_t i = 0; i < n->n; i++)
        number(k, n->args[i]);
    if (n->op == OP_FOLD) {
        number(k, n->loop->init);
        number(k, n->loop->cond);
        number(k, n->loop->step);
        number(k, n->loop->result);
    }
}

static struct local *local_of(struct coster *k, const struct cel_node *n)
{
    if (n->op != OP_LOCAL)
        return NULL;
    return n->slot == UINT16_MAX ? k->accu : &k->locals[n->slot];
}

static const struct cel_type *declared_of(struct coster *k, struct cel_node *n)
{
    struct local *l = local_of(k, n);

    return l ? l->declared : est_of(k, n)->declared;
}

static bool is_scalar(const struct cel_type *t)
{
    switch ((enum cel_type_kind)t->kind) {
    case T_BOOL:
    case T_DOUBLE:
    case T_DURATION:
    case T_INT:
    case T_TIMESTAMP:
    case T_UINT:
        return true;
    case T_OPTIONAL:
        return is_scalar(t->a);
    case T_ERROR:
    case T_DYN:
    case T_NULL:
    case T_STRING:
    case T_BYTES:
    case T_LIST:
    case T_MAP:
    case T_OBJECT:
    case T_OPAQUE:
    case T_TYPE:
    case T_PARAM:
        return false;
    }
    return false;
}

static bool literal_size(const struct cel_node *n, struct cel_cost *ret)
{
    if (n->op == OP_LIST)
        *ret = fixed(n->n);
    else if (n->op == OP_MAP)
        *ret = fixed(n->n / 2);
    else if (n->op != OP_CONST || n->value.kind == CEL_TYPE)
        return false;
    else if (n->value.kind == CEL_STRING)
        *ret = fixed(cel_utf8_count(cel_v_text(n->value)));
    else if (n->value.kind == CEL_BYTES)
        *ret = fixed(n->value.n);
    else
        *ret = one;
    return true;
}

static bool find_size(struct coster *k, struct cel_node *n, struct cel_cost *ret)
{
    struct est *e = est_of(k, n);
    const struct cel_type *d;
    struct local *l;

    if (e->has_size) {
        *ret = e->size;
        return true;
    }
    if (literal_size(n, ret))
        return true;
    d = declared_of(k, n);
    if (d && d->max_size != UINT64_MAX) {
        *ret = e->size = (struct cel_cost){0, d->max_size};
        e->has_size = true;
        return true;
    }
    if (n->type && is_scalar(n->type)) {
        *ret = one;
        return true;
    }
    l = local_of(k, n);
    if (l && l->has_size) {
        *ret = l->size;
        return true;
    }
    return false;
}

static struct cel_cost size_of(struct coster *k, struct cel_node *n)
{
    struct cel_cost s = unknown;

    find_size(k, n, &s);
    return s;
}

static struct entry entry_of(struct coster *k, struct cel_node *n)
{
    struct local *l = local_of(k, n);

    if (est_of(k, n)->entry.known || !l)
        return est_of(k, n)->entry;
    return l->entry;
}

static struct entry entry_union(struct entry x, struct entry y)
{
    if (!x.known || !y.known)
        return (struct entry){0};
    return (struct entry){true, x.list, either(x.key, y.key), either(x.value, y.value)};
}

/* The size of a list's elements: from its schema, else anything. */
static struct cel_cost element_size(struct coster *k, struct cel_node *list)
{
    const struct cel_type *d = declared_of(k, list);

    if (d && d->kind == T_LIST && d->a->max_size != UINT64_MAX)
        return (struct cel_cost){0, d->a->max_size};
    return unknown;
}

/* ---- calls ---- */

struct call {
    struct coster *k;
    struct cel_node *n;
    struct cel_cost args; /* costs of the arguments without the receiver */
    bool has_size;
    struct cel_cost size; /* of the result */
};

static struct cel_cost with_size(struct call *c, struct cel_cost cost, struct cel_cost size)
{
    c->has_size = true;
    c->size = size;
    return cost;
}

static struct cel_cost replace_cost(struct call *c)
{
    struct cel_node **a = c->n->args;
    struct cel_cost sz = size_of(c->k, a[0]), from = size_of(c->k, a[1]), to = size_of(c->k, a[2]),
                    count = zero, kept = zero;

    if (from.min == 0) {
        count.max = add64(sz.max, 1);
        kept.max = sz.max;
    } else if (to.max <= from.min) {
        kept.max = sz.max;
    } else {
        count.max = (uint64_t)MIN(ceil((double)sz.max / (double)from.min), 18446744073709549568.0);
    }
    if (from.max == 0) {
        count.min = add64(sz.min, 1);
        kept.min = sz.min;
    } else if (from.max <= to.min) {
        kept.min = sz.min;
    } else {
        count.min = (uint64_t)MIN(ceil((double)sz.min / (double)from.max), 18446744073709549568.0);
    }
    return with_size(c, scaled(sz, 2 * FACTOR_TEXT), plus(times(count, to), kept));
}

static struct cel_cost join_cost(struct call *c)
{
    struct cel_cost list = size_of(c->k, c->n->args[0]), sz;

    sz = times(list, element_size(c->k, c->n->args[0]));
    if (c->n->n > 1) {
        struct cel_cost gaps = {list.min ? list.min - 1 : 0, list.max ? list.max - 1 : 0};

        sz = plus(sz, times(size_of(c->k, c->n->args[1]), gaps));
    }
    return with_size(c, scaled(sz, FACTOR_TEXT), sz);
}

static struct cel_cost walk_cost(struct call *c)
{
    struct cel_node *list = c->n->args[0];
    struct cel_cost item = one;

    if (list->type->kind != T_LIST)
        return scaled(size_of(c->k, list), FACTOR_TEXT);
    if (list->type->a->kind == T_STRING || list->type->a->kind == T_BYTES)
        item = plus(item, scaled(element_size(c->k, list), FACTOR_TEXT));
    return times(size_of(c->k, list), item);
}

static struct cel_cost regex_cost(struct call *c, struct cel_node *text, struct cel_node *pattern)
{
    return times(scaled(plus(size_of(c->k, text), one), FACTOR_TEXT),
                 scaled(size_of(c->k, pattern), FACTOR_REGEX));
}

static struct cel_cost compare_cost(struct call *c)
{
    struct cel_cost x = size_of(c->k, c->n->args[0]), y = size_of(c->k, c->n->args[1]);
    uint64_t least = MIN(x.max, y.max);

    if (c->n->args[0]->type->opaque && cel_type_equal(c->n->args[0]->type, c->n->args[1]->type))
        return one;
    return scaled((struct cel_cost){least ? 1 : 0, least}, FACTOR_TEXT);
}

static struct cel_cost network_cost(struct call *c, const struct cel_overload *o, bool cidr)
{
    struct cel_cost ip = {4, 16}, cost = scaled(plus(ip, ip), FACTOR_TEXT);

    if (cidr)
        cost = plus(plus(cost, scaled(ip, FACTOR_TEXT)), one);
    if (strstr(o->id, "_string"))
        cost = plus(cost, scaled(size_of(c->k, c->n->args[1]), FACTOR_TEXT));
    return cost;
}

static struct cel_cost split_cost(struct call *c)
{
    struct cel_cost sz = size_of(c->k, c->n->args[0]), parts = {0, sz.max};
    struct cel_node *limit = c->n->n > 2 ? c->n->args[2] : NULL;

    if (limit && limit->op == OP_CONST && limit->value.kind == CEL_INT)
        parts.max = (uint64_t)limit->value.i;
    return with_size(c, scaled(sz, 2 * FACTOR_TEXT), parts);
}

static struct cel_cost conditional_cost(struct call *c)
{
    struct cel_node **a = c->n->args;
    struct coster *k = c->k;
    struct entry e = entry_union(entry_of(k, a[1]), entry_of(k, a[2]));

    if (e.known)
        est_of(k, c->n)->entry = e;
    return with_size(
        c, plus(est_of(k, a[0])->cost, either(est_of(k, a[1])->cost, est_of(k, a[2])->cost)),
        either(size_of(k, a[1]), size_of(k, a[2])));
}

static struct cel_cost add_cost(struct call *c, bool list)
{
    struct cel_cost sum = plus(size_of(c->k, c->n->args[0]), size_of(c->k, c->n->args[1]));
    struct entry e = entry_union(entry_of(c->k, c->n->args[0]), entry_of(c->k, c->n->args[1]));

    if (e.known)
        est_of(c->k, c->n)->entry = e;
    return with_size(c, list ? one : scaled(sum, FACTOR_TEXT), sum);
}

static struct cel_cost logical_cost(struct call *c)
{
    struct cel_cost sum = zero;

    for (uint32_t i = 0; i < c->n->n; i++)
        sum = plus(sum, est_of(c->k, c->n->args[i])->cost);
    sum.min = est_of(c->k, c->n->args[0])->cost.min;
    return sum;
}

/* Of one overload, its arguments included. */
static struct cel_cost overload_cost(struct call *c, const struct cel_overload *o)
{
    struct coster *k = c->k;
    struct cel_node **a = c->n->args;
    struct cel_cost sz;

    switch ((enum cel_cost_class)o->cost) {
    case COST_ONE:
    case COST_FIXED:
    case COST_INDEX_LIST:
    case COST_INDEX_MAP:
        return plus(c->args, one);
    case COST_CHECK:
        return plus(c->args, fixed(350000));
    case COST_STARTS:
        return plus(c->args, scaled(size_of(k, a[1]), FACTOR_TEXT));
    case COST_CONVERT:
        sz = size_of(k, a[0]);
        return plus(c->args, with_size(c, scaled(sz, FACTOR_TEXT),
                                       strstr(o->id, "to_bytes")
                                           ? (struct cel_cost){sz.min, mul64(sz.max, 4)}
                                           : (struct cel_cost){sz.min / 4, sz.max}));
    case COST_QUOTE:
        sz = size_of(k, a[0]);
        return plus(c->args,
                    with_size(c, scaled(sz, FACTOR_TEXT),
                              (struct cel_cost){add64(sz.min, 2), add64(mul64(sz.max, 2), 2)}));
    case COST_IN_LIST:
        return plus(c->args, size_of(k, a[1]));
    case COST_COMPARE:
        return plus(c->args, compare_cost(c));
    case COST_ADD:
    case COST_ADD_LIST:
        return plus(c->args, add_cost(c, o->cost == COST_ADD_LIST));
    case COST_MATCHES:
        return plus(c->args, c->n->flags & NODE_MEMBER ? regex_cost(c, a[0], a[1]) : one);
    case COST_FIND:
        sz = size_of(k, a[0]);
        return plus(c->args, with_size(c, regex_cost(c, a[0], a[1]), (struct cel_cost){0, sz.max}));
    case COST_CONTAINS:
        return plus(c->args, times(scaled(size_of(k, a[0]), FACTOR_TEXT),
                                   scaled(size_of(k, a[1]), FACTOR_TEXT)));
    case COST_FORMAT:
        return plus(c->args, scaled(size_of(k, a[0]), FACTOR_TEXT));
    case COST_LOGICAL:
        return logical_cost(c);
    case COST_CONDITIONAL:
        return conditional_cost(c);
    case COST_SELECTOR:
        sz = size_of(k, a[1]);
        return plus(c->args,
                    plus(fixed(COST_LIST), plus(scaled(sz, FACTOR_TEXT),
                                                scaled(scaled(sz, 0.5), COST_LIST + COST_STRUCT))));
    case COST_LIST_WALK:
        return plus(c->args, walk_cost(c));
    case COST_TRAVERSE:
        sz = size_of(k, a[0]);
        return plus(c->args, with_size(c, scaled(sz, FACTOR_TEXT), sz));
    case COST_TRAVERSE_ARG:
        return plus(c->args, scaled(size_of(k, a[0]), FACTOR_TEXT));
    case COST_CANONICAL:
        return plus(c->args, scaled(size_of(k, a[0]), 2 * FACTOR_TEXT));
    case COST_REPLACE:
        return plus(c->args, replace_cost(c));
    case COST_SPLIT:
        return plus(c->args, split_cost(c));
    case COST_JOIN:
        return plus(c->args, join_cost(c));
    case COST_CONTAINS_IP:
    case COST_CONTAINS_CIDR:
        return plus(c->args, network_cost(c, o, o->cost == COST_CONTAINS_CIDR));
    case COST_VALIDATE:
        return plus(c->args,
                    scaled(scaled(size_of(k, a[1]), FACTOR_TEXT), FORMAT_REGEX_MAX * FACTOR_REGEX));
    case COST_SETS:
        return plus(c->args, plus(one, scaled(times(size_of(k, a[0]), size_of(k, a[1])),
                                              strstr(o->id, "equivalent") ? 2 : 1)));
    }
    return plus(c->args, one);
}

static struct cel_cost cost(struct coster *k, struct cel_node *n);

static struct cel_cost call_cost(struct coster *k, struct cel_node *n)
{
    struct call c = {.k = k, .n = n};
    struct cel_cost sum = zero, fn = {UINT64_MAX, 0}, result = zero;
    bool member = n->flags & NODE_MEMBER, has_result = false;
    const struct cel_type *d;

    for (uint32_t i = 0; i < n->n; i++) {
        struct cel_cost x = cost(k, n->args[i]);

        if (i == 0 && member)
            sum = x;
        else
            c.args = plus(c.args, x);
    }
    if (str_is(n->fn_name, "dyn") && n->n == 1) {
        est_of(k, n)->has_size = find_size(k, n->args[0], &est_of(k, n)->size);
        est_of(k, n)->entry = entry_of(k, n->args[0]);
        return plus(one, c.args);
    }
    for (uint32_t i = 0; n->fn->overloads[i].id; i++) {
        const struct cel_overload *o = &n->fn->overloads[i];

        if (!(n->var >> i & 1) && n->overload != o)
            continue;
        c.has_size = false;
        fn = either(fn, overload_cost(&c, o));
        if (c.has_size) {
            result = has_result ? either(result, c.size) : c.size;
            has_result = true;
        }
        if (o->cost == COST_INDEX_LIST || o->cost == COST_INDEX_MAP) {
            struct entry e = entry_of(k, n->args[0]);

            has_result = e.known;
            result = e.value;
            d = declared_of(k, n->args[0]);
            est_of(k, n)->declared = !d                                                ? NULL
                                     : o->cost == COST_INDEX_LIST && d->kind == T_LIST ? d->a
                                     : o->cost == COST_INDEX_MAP && d->kind == T_MAP   ? d->b
                                                                                       : NULL;
        }
        if (!has_result)
            has_result = find_size(k, n, &result);
    }
    if (has_result) {
        est_of(k, n)->has_size = true;
        est_of(k, n)->size = result;
    }
    return fn.max < fn.min ? sum : plus(sum, fn);
}

/* ---- the rest ---- */

static struct cel_cost select_cost(struct coster *k, struct cel_node *n)
{
    struct cel_node *of = n->args[0];
    struct cel_cost sum = cost(k, of);
    const struct cel_type *d = declared_of(k, of);
    enum cel_type_kind kind = of->type->kind;

    if (n->flags & NODE_TEST) /* Kubernetes: a presence test costs nothing */
        return sum;
    if (n->flags & NODE_OPTIONAL || kind == T_MAP || kind == T_OBJECT || kind == T_PARAM)
        sum = plus(sum, one);
    if (d && d->kind == T_OBJECT && n->type->kind != T_OPTIONAL)
        est_of(k, n)->declared = n->type;
    return sum;
}

static struct cel_cost aggregate_cost(struct coster *k, struct cel_node *n)
{
    bool map = n->op == OP_MAP;
    struct cel_cost sum = fixed(map ? COST_MAP : COST_LIST);
    struct entry e = {.known = true,
                      .list = !map,
                      .key = map ? (struct cel_cost){n->n ? UINT64_MAX : 0, 0} : one,
                      .value = {n->n ? UINT64_MAX : 0, 0}};

    for (uint32_t i = 0; i < n->n; i++) {
        sum = plus(sum, cost(k, n->args[i]));
        if (map && i % 2 == 0)
            e.key = either(e.key, size_of(k, n->args[i]));
        else
            e.value = either(e.value, size_of(k, n->args[i]));
    }
    est_of(k, n)->entry = e;
    return sum;
}

static struct local iteration(struct coster *k, struct cel_node *over, bool key, bool single)
{
    struct entry e = entry_of(k, over);
    const struct cel_type *d = declared_of(k, over);
    bool list = e.known ? e.list : over->type->kind == T_LIST;
    bool value = single ? list : !key;
    struct local l = {.has_size = e.known, .size = value ? e.value : e.key};

    if (d && d->kind == T_LIST && value)
        l.declared = d->a;
    else if (d && d->kind == T_MAP)
        l.declared = value ? d->b : d->a;
    return l;
}

static struct cel_cost fold_cost(struct coster *k, struct cel_node *n)
{
    struct cel_loop *l = n->loop;
    struct cel_cost sum = plus(cost(k, n->args[0]), cost(k, l->init)), count, step;
    struct local accu = {.entry = entry_of(k, l->init)}, *outer = k->accu;

    accu.has_size = find_size(k, l->init, &accu.size);
    k->accu = &accu;
    k->locals[n->slot] = iteration(k, n->args[0], true, !n->var2.p);
    if (n->var2.p)
        k->locals[n->slot + 1] = iteration(k, n->args[0], false, false);
    step = cost(k, l->cond);
    step = plus(cost(k, l->step), step);
    sum = plus(sum, cost(k, l->result));
    k->accu = outer;
    count = size_of(k, n->args[0]);
    sum = plus(sum, times(count, step));
    if (l->init->op == OP_CONST) {
        est_of(k, n)->has_size = find_size(k, l->init, &est_of(k, n)->size);
    } else {
        est_of(k, n)->has_size = true;
        est_of(k, n)->size = count;
        est_of(k, n)->entry = est_of(k, l->step)->entry;
    }
    return sum;
}

static struct cel_cost bind_cost(struct coster *k, struct cel_node *n)
{
    struct cel_cost sum = plus(fixed(COST_LIST), cost(k, n->args[0]));
    struct local l = {.declared = declared_of(k, n->args[0]), .entry = entry_of(k, n->args[0])};

    l.has_size = find_size(k, n->args[0], &l.size);
    k->locals[n->slot] = l;
    sum = plus(sum, cost(k, n->args[1]));
    est_of(k, n)->has_size = find_size(k, n->args[1], &est_of(k, n)->size);
    est_of(k, n)->entry = entry_of(k, n->args[1]);
    return sum;
}

static struct cel_cost cost(struct coster *k, struct cel_node *n)
{
    struct cel_cost sum = zero;

    if (est_of(k, n)->has_cost)
        return est_of(k, n)->cost;
    switch ((enum cel_op)n->op) {
    case OP_ERROR:
    case OP_CONST:
        break;
    case OP_IDENT:
    case OP_LOCAL:
        sum = one;
        break;
    case OP_VAR:
        sum = one;
        if (n->type->schema)
            est_of(k, n)->declared = n->type;
        break;
    case OP_SELECT:
        sum = select_cost(k, n);
        break;
    case OP_CALL:
        sum = call_cost(k, n);
        break;
    case OP_LIST:
    case OP_MAP:
        sum = aggregate_cost(k, n);
        break;
    case OP_STRUCT:
        sum = fixed(COST_STRUCT);
        for (uint32_t i = 0; i < n->n; i++)
            sum = plus(sum, cost(k, n->args[i]));
        break;
    case OP_FOLD:
        sum = fold_cost(k, n);
        break;
    case OP_BIND:
        sum = bind_cost(k, n);
        break;
    }
    est_of(k, n)->has_cost = true;
    est_of(k, n)->cost = sum;
    return sum;
}

struct cel_cost cel_estimate(struct cel_compile *c, struct cel_node *root)
{
    struct coster *k = ARENA_NEW(c->scratch, struct coster);

    k->c = c;
    number(k, root);
    return cost(k, root);
}
