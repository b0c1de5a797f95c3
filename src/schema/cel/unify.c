/* unify.c - types that contain variables: what stands for what, and which signatures fit.
 *
 * A variable stands for what was assigned to it first, or for something more general that fits both, as cel-go does. Trying an
 * overload may bind variables; what fails is undone by the trail.
 *
 * Source: cel-go checker/{types,mapping}.go. */
#include "schema/cel/check_internal.h"

/* ---- type variables ---- */

struct cel_type *cel_type_make(struct cel_checker *k, enum cel_type_kind kind,
                               const struct cel_type *a, const struct cel_type *b)
{
    struct cel_type *t = ARENA_NEW(k->c->scratch, struct cel_type);

    t->kind = (uint8_t)kind;
    t->name = cel_types_basic[kind].name;
    t->a = a;
    t->b = b;
    t->max_size = UINT64_MAX;
    return t;
}

const struct cel_type *cel_type_fresh(struct cel_checker *k)
{
    struct cel_type *t = cel_type_make(k, T_PARAM, NULL, NULL);

    if (k->n_vars == k->cap_vars) {
        uint32_t cap = k->cap_vars ? k->cap_vars * 2 : 32;

        k->subst = arena_grow(k->c->scratch, k->subst, k->cap_vars * sizeof *k->subst,
                              cap * sizeof *k->subst);
        k->cap_vars = cap;
    }
    k->subst[k->n_vars] = NULL;
    t->param = k->n_vars++;
    return t;
}

static void bind(struct cel_checker *k, uint32_t var, const struct cel_type *t)
{
    if (k->n_trail == k->cap_trail) {
        uint32_t cap = k->cap_trail ? k->cap_trail * 2 : 32;

        k->trail = arena_grow(k->c->scratch, k->trail, k->cap_trail * sizeof *k->trail,
                              cap * sizeof *k->trail);
        k->cap_trail = cap;
    }
    k->trail[k->n_trail].var = var;
    k->trail[k->n_trail++].was = k->subst[var];
    k->subst[var] = t;
}

void cel_unify_undo(struct cel_checker *k, uint32_t mark)
{
    while (k->n_trail > mark) {
        k->n_trail--;
        k->subst[k->trail[k->n_trail].var] = k->trail[k->n_trail].was;
    }
}

const struct cel_type *cel_substitute(struct cel_checker *k, const struct cel_type *t, bool to_dyn)
{
    const struct cel_type *a, *b;

    while (t->kind == T_PARAM && k->subst[t->param])
        t = k->subst[t->param];
    if (t->kind == T_PARAM)
        return to_dyn ? cel_dyn : t;
    if (t->schema || (!t->a && !t->b)) /* those of schemas have no variables */
        return t;
    a = t->a ? cel_substitute(k, t->a, to_dyn) : NULL;
    b = t->b ? cel_substitute(k, t->b, to_dyn) : NULL;
    return a == t->a && b == t->b ? t : cel_type_make(k, t->kind, a, b);
}

bool cel_is_dyn(const struct cel_type *t)
{
    return t->kind == T_DYN;
}

bool cel_is_dyn_or_error(const struct cel_type *t)
{
    return t->kind == T_DYN || t->kind == T_ERROR;
}

bool cel_less_specific(const struct cel_type *x, const struct cel_type *y)
{
    if (cel_is_dyn(x) || x->kind == T_PARAM)
        return true;
    if (cel_is_dyn(y) || y->kind == T_PARAM || x->kind != y->kind)
        return false;
    if (x->kind == T_TYPE)
        return true;
    if (x->kind == T_LIST || x->kind == T_OPTIONAL)
        return cel_less_specific(x->a, y->a);
    if (x->kind == T_MAP)
        return cel_less_specific(x->a, y->a) && cel_less_specific(x->b, y->b);
    return cel_type_equal(x, y);
}

/* Does the variable not occur in the type? */
static bool not_within(struct cel_checker *k, const struct cel_type *var, const struct cel_type *t)
{
    if (t->kind == T_PARAM) {
        if (t->param == var->param)
            return false;
        return !k->subst[t->param] || not_within(k, var, k->subst[t->param]);
    }
    if (t->schema)
        return true;
    return (!t->a || not_within(k, var, t->a)) && (!t->b || not_within(k, var, t->b));
}

/* Can t stand for the variable? */
static bool valid_substitution(struct cel_checker *k, const struct cel_type *t,
                               const struct cel_type *var, bool *ret_has)
{
    const struct cel_type *sub = k->subst[var->param];

    *ret_has = sub != NULL;
    if (sub) {
        if (cel_type_equal(t, sub))
            return true;
        if (cel_assignable(k, t, sub)) {
            const struct cel_type *now = k->subst[var->param];

            bind(k, var->param, cel_less_specific(t, now) && t->kind != T_PARAM ? t : now);
            return true;
        }
        return false;
    }
    if (not_within(k, var, t)) {
        bind(k, var->param, t);
        return true;
    }
    return false;
}

bool cel_assignable(struct cel_checker *k, const struct cel_type *x, const struct cel_type *y)
{
    bool has;

    if (x->kind == T_PARAM && y->kind == T_PARAM && x->param == y->param)
        return true;
    if (y->kind == T_PARAM) {
        if (valid_substitution(k, x, y, &has))
            return true;
        if (has)
            return false;
    }
    if (x->kind == T_PARAM)
        return valid_substitution(k, y, x, &has);
    if (cel_is_dyn_or_error(x) || cel_is_dyn_or_error(y))
        return true;
    switch ((enum cel_type_kind)x->kind) {
    case T_NULL:
        return y->kind == T_NULL || y->kind == T_OBJECT || y->kind == T_OPAQUE ||
               y->kind == T_OPTIONAL || y->kind == T_TIMESTAMP || y->kind == T_DURATION;
    case T_OBJECT:
    case T_OPAQUE:
    case T_TIMESTAMP:
    case T_DURATION:
        if (y->kind == T_NULL)
            return true;
        return x->kind == y->kind && str_eq(x->name, y->name);
    case T_OPTIONAL:
        if (y->kind == T_NULL)
            return true;
        return x->kind == y->kind && cel_assignable(k, x->a, y->a);
    case T_LIST:
        return x->kind == y->kind && cel_assignable(k, x->a, y->a);
    case T_MAP:
        return x->kind == y->kind && cel_assignable(k, x->a, y->a) && cel_assignable(k, x->b, y->b);
    case T_TYPE:
    case T_BOOL:
    case T_INT:
    case T_UINT:
    case T_DOUBLE:
    case T_STRING:
    case T_BYTES:
        return x->kind == y->kind;
    case T_ERROR:
    case T_DYN:
    case T_PARAM:
        return true;
    }
    return false;
}

bool cel_try_assign(struct cel_checker *k, const struct cel_type *x, const struct cel_type *y)
{
    uint32_t mark = k->n_trail;

    if (cel_assignable(k, x, y))
        return true;
    cel_unify_undo(k, mark);
    return false;
}

/* ---- signatures ---- */

static const struct cel_type *sig_type(struct cel_checker *k, struct cel_signature *s,
                                       const char **p)
{
    static const struct {
        char c;
        uint8_t opaque;
    } opaque[] = {{'q', OPAQUE_QUANTITY},       {'w', OPAQUE_URL},        {'p', OPAQUE_IP},
                  {'c', OPAQUE_CIDR},           {'m', OPAQUE_FORMAT},     {'v', OPAQUE_SEMVER},
                  {'z', OPAQUE_AUTHORIZER},     {'h', OPAQUE_PATH_CHECK}, {'g', OPAQUE_GROUP_CHECK},
                  {'e', OPAQUE_RESOURCE_CHECK}, {'k', OPAQUE_DECISION}};
    static const struct {
        char c;
        uint8_t kind;
    } basic[] = {{'d', T_DYN},       {'n', T_NULL},    {'b', T_BOOL},   {'i', T_INT},
                 {'u', T_UINT},      {'f', T_DOUBLE},  {'s', T_STRING}, {'y', T_BYTES},
                 {'t', T_TIMESTAMP}, {'r', T_DURATION}};
    char c = *(*p)++;
    const struct cel_type *a;

    switch (c) {
    case 'L':
        return cel_type_make(k, T_LIST, sig_type(k, s, p), NULL);
    case 'O':
        return cel_type_make(k, T_OPTIONAL, sig_type(k, s, p), NULL);
    case 'T':
        return cel_type_make(k, T_TYPE, sig_type(k, s, p), NULL);
    case 'M':
        a = sig_type(k, s, p);
        return cel_type_make(k, T_MAP, a, sig_type(k, s, p));
    case 'A':
    case 'B':
        if (!s->params[c - 'A'])
            s->params[c - 'A'] = cel_type_fresh(k);
        return s->params[c - 'A'];
    default:
        break;
    }
    for (size_t i = 0; i < ARRAY_LEN(basic); i++)
        if (basic[i].c == c)
            return BASIC(basic[i].kind);
    for (size_t i = 0; i < ARRAY_LEN(opaque); i++)
        if (opaque[i].c == c)
            return &cel_types_opaque[opaque[i].opaque];
    BUG_ON("a letter of signatures" != NULL);
    return NULL;
}

uint32_t cel_sig_count(const char *p, bool *ret_member)
{
    uint32_t n = 0;

    *ret_member = *p == '.';
    p += *ret_member;
    for (; *p != '>'; p++)
        if (!strchr("LOTM", *p))
            n++;
        else if (*p == 'M') /* its key does not count */
            p++;
    return n;
}

void cel_sig_parse(struct cel_checker *k, struct cel_signature *s, const char *p)
{
    memset(s, 0, sizeof *s);
    if (*p == '.') {
        s->member = true;
        p++;
    }
    while (*p != '>')
        s->args[s->n++] = sig_type(k, s, &p);
    p++;
    s->result = sig_type(k, s, &p);
}
