/* crd_cel.c - the expressions of a definition's schema: do they compile, and what may they cost?
 *
 * A rule's estimated cost counts as often as there may be values of its schema: the bounds of the lists and maps around it multiplied,
 * or, where one of them has none, what fits into a request.
 *
 * Source: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation/{validation,cel_validation}.go. */
#include "api/crd_rules.h"
#include "schema/cel/rules.h"
#include "schema/crd.h"

#define DEPTH_MAX 200
#define EXPENSIVE_MAX 4 /* rules named when all together cost too much */

struct expensive {
    str path;
    uint64_t cost;
};
struct pass {
    struct check *c;
    struct cel_env *env;
    bool unchanged; /* what single rules cost was accepted before */
    uint64_t total;
    struct expensive top[EXPENSIVE_MAX + 1]; /* most expensive first */
    size_t n_top;
};
struct spot { /* where in the schema */
    const struct at *at;
    bool bounded;
    uint64_t cardinality;            /* bounded: how many values of this schema there may be */
    const struct at *no_correlation; /* what forbids oldSelf; NULL: nothing does */
    bool root;
};

static uint64_t times(uint64_t x, uint64_t y)
{
    uint64_t r;

    return __builtin_mul_overflow(x, y, &r) ? UINT64_MAX : r;
}

static str place(struct pass *p, const struct at *at)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_place(&b, at);
    return arena_dup(p->c->a, buf_view(&b));
}

static str cost_text(struct arena *a, const char *what, uint64_t cost, uint64_t limit)
{
    double factor = (double)cost / (double)limit;
    char text[64];

    if (factor > 100)
        snprintf(text, sizeof text, "more than 100x");
    else
        snprintf(text, sizeof text, factor < 1.5 ? "%fx" : "%.1fx", factor);
    return arena_fmt(a,
                     "%s exceeds budget by factor of %s (try simplifying the rule, or adding "
                     "maxItems, maxProperties, and maxLength where arrays, maps, and strings are "
                     "declared)",
                     what, text);
}

static void observe(struct pass *p, const struct at *at, uint64_t cost)
{
    size_t i = p->n_top;

    p->total = p->total > UINT64_MAX - cost ? UINT64_MAX : p->total + cost;
    if (cost < CEL_SCHEMA_COST_MAX / 100)
        return;
    for (; i > 0 && p->top[i - 1].cost < cost; i--)
        p->top[i] = p->top[i - 1];
    p->top[i] = (struct expensive){place(p, at), cost};
    if (p->n_top < EXPENSIVE_MAX)
        p->n_top++;
}

static void check_cost(struct pass *p, const struct at *at, const char *what, uint64_t cost)
{
    if (cost > CEL_RULE_COST_MAX && !p->unchanged) {
        str text = cost_text(p->c->a, what, cost, CEL_RULE_COST_MAX);

        bad_forbidden(p->c, at, PRI_STR, STR_ARG(text));
    }
    observe(p, at, cost);
}

static void wrong(struct pass *p, const struct at *at, const struct json *rule,
                  const struct err *err)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    crd_go_rule(&b, rule);
    bad_invalid_text(p->c, at, buf_view(&b), "%s", err_text(err));
}

static void check_rule(struct pass *p, const struct spot *s, const struct json *schema,
                       const struct cel_type *type, const struct json *rule, const struct at *at)
{
    const struct json *optional = field(rule, "optionalOldSelf");
    const struct at *text = AT(at, "rule"), *message = AT(at, "messageExpression");
    uint64_t many = s->bounded ? s->cardinality : cel_max_cardinality(schema);
    struct cel_rule r;

    cel_rule_compile(p->env, type, rule, &r);
    check_cost(p, text, "estimated rule cost",
               r.program ? times(cel_program_cost(r.program).max, many) : 0);
    if (r.error)
        wrong(p, text, rule, r.error);
    if (r.message_error)
        wrong(p, message, rule, r.message_error);
    else if (r.message)
        check_cost(p, message, "estimated messageExpression cost", cel_program_cost(r.message).max);
    if (r.uses_old && s->no_correlation)
        bad_invalid(p->c, text, json_string(json_get_str(rule, "rule")),
                    "oldSelf cannot be used on the uncorrelatable portion of the schema within %s",
                    place(p, s->no_correlation).p);
    else if (!r.uses_old && optional)
        bad_invalid(p->c, AT(at, "optionalOldSelf"), *optional,
                    "may not be set if oldSelf is not used in rule");
    cel_rule_fini(&r);
}

static void check_rules(struct pass *p, const struct spot *s, const struct json *schema)
{
    const struct json *rules = field(schema, "x-kubernetes-validations");
    const struct cel_type *type;
    int64_t i = 0;

    if (!json_count(rules))
        return;
    type = cel_type_structural(p->env, S("self"), schema, s->root);
    if (!type) {
        bad_invalid_omitted(p->c, AT(s->at, "x-kubernetes-validations"),
                            S("internal error: failed to construct type information for "
                              "x-kubernetes-validations rules: unable to convert structural schema "
                              "to CEL declarations"));
        return;
    }
    JSON_EACH(r, rules)
        check_rule(p, s, schema, type, r, AT_INDEX(AT(s->at, "x-kubernetes-validations"), i++));
}

/* How many values a schema's children may be of each of its own. */
static bool factor(const struct json *s, uint64_t *ret)
{
    bool list = str_is(json_get_str(s, "type"), "array");
    const struct json *most = field(s, list ? "maxItems" : "maxProperties");

    *ret = 1;
    if (!list && !(str_is(json_get_str(s, "type"), "object") && field(s, "additionalProperties")))
        return true;
    if (!json_is(most, JSON_INT))
        return false;
    *ret = most->i < 0 ? 0 : (uint64_t)most->i;
    return true;
}

static void visit(struct pass *p, const struct spot *s, const struct json *schema, int depth)
{
    const struct json *more = field(schema, "additionalProperties"),
                      *items = field(schema, "items");
    struct spot here = *s, below = *s;
    uint64_t f;

    if (!json_is(schema, JSON_OBJECT) || depth > DEPTH_MAX)
        return;
    below.root = false;
    below.bounded = factor(schema, &f) && s->bounded;
    below.cardinality = times(s->cardinality, f);
    if (more) {
        below.at = AT(s->at, "additionalProperties");
        visit(p, &below, more, depth + 1);
    }
    if (!s->no_correlation && str_is(json_get_str(schema, "x-kubernetes-map-type"), "atomic"))
        below.no_correlation = s->at;
    JSON_EACH_MEMBER(m, field(schema, "properties")) {
        below.at = AT_KEY(AT(s->at, "properties"), m->key);
        visit(p, &below, &m->value, depth + 1);
    }
    if (items) {
        if (!str_is(json_get_str(schema, "x-kubernetes-list-type"), "map") && !s->no_correlation)
            below.no_correlation = s->at;
        below.at = AT(s->at, "items");
        visit(p, &below, items, depth + 1);
    }
    here.root |= json_get_bool(schema, "x-kubernetes-embedded-resource", false);
    check_rules(p, &here, schema);
}

void crd_check_expressions(struct check *c, const struct at *at, const struct json *schema,
                           bool unchanged)
{
    struct pass p = {.c = c, .unchanged = unchanged};
    struct spot root = {.at = at, .bounded = true, .cardinality = 1, .root = true};

    p.env = cel_env_new(CEL_RULES);
    visit(&p, &root, schema, 0);
    cel_env_free(p.env);
    if (p.total <= CEL_SCHEMA_COST_MAX)
        return;
    for (size_t i = 0; i < p.n_top; i++) {
        struct at there = {.name = p.top[i].path.p};

        bad_forbidden(c, &there,
                      "contributed to estimated rule cost total exceeding cost limit for entire "
                      "OpenAPIv3 schema");
    }
    bad_forbidden(c, at, "%s",
                  cost_text(c->a,
                            "x-kubernetes-validations estimated rule cost total for entire "
                            "OpenAPIv3 schema",
                            p.total, CEL_SCHEMA_COST_MAX)
                      .p);
}

/* One default, by the rules of its schema and of those below. */
static void check_default(struct check *c, const struct at *at, const struct json *schema,
                          const struct json *def)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct cel_rules *rules = cel_rules_new(schema);
    struct err *found = NULL;
    size_t n;

    if (!rules)
        return;
    cel_rules_validate(c->a, NULL, rules, def, NULL, NULL, &found);
    buf_place(&b, at);
    n = b.n;
    for (unsigned i = 0; found && i < found->n_causes; i++) {
        const struct err_cause *x = &found->causes[i];
        bool itself = !strcmp(x->field, "<nil>");

        b.n = n;
        if (!itself && x->field[0] != '[')
            buf_z(&b, ".");
        buf_z(&b, itself ? "" : x->field);
        if (!*c->errs)
            *c->errs = err_new(REASON_INVALID, "%s", "");
        err_cause_add(*c->errs, x->type, buf_view(&b), str_of(x->message));
    }
    err_free(found);
    cel_rules_free(rules);
}

void crd_check_default_rules(struct check *c, const struct at *at, const struct json *schema,
                             int depth)
{
    const struct json *def = field(schema, "default"), *items = field(schema, "items");

    if (!json_is(schema, JSON_OBJECT) || depth > DEPTH_MAX || !crd_has_rules(schema))
        return;
    if (def)
        check_default(c, AT(at, "default"), schema, def);
    if (items)
        crd_check_default_rules(c, AT(at, "items"), items, depth + 1);
    JSON_EACH_MEMBER(m, field(schema, "properties"))
        crd_check_default_rules(c, AT_KEY(AT(at, "properties"), m->key), &m->value, depth + 1);
}
