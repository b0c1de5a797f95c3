/* policy_mutate.c - mutating policies: objects to apply and JSON patches that expressions make.
 *
 * API: k8s.io/apiserver/pkg/admission/plugin/policy/mutating (dispatcher.go, patch/) */
#include "api/dynamic/policy.h"

struct mutating {
    struct attributes *t;
    int round;
    struct second_round *s;
    struct plugin_round *own;
    struct json faults; /* messages of what failed, in order */
    str reason;         /* of the first */
};

static void fault(struct mutating *m, const struct policy *p, const struct binding *b, str why,
                  str reason)
{
    struct arena *a = m->t->a;

    if (p->ignore_failure)
        return;
    if (!m->faults.n)
        m->reason = reason;
    if (b)
        json_append(a, &m->faults,
                    json_string(arena_fmt(a,
                                          "policy '" PRI_STR "' with binding '" PRI_STR
                                          "' denied request: " PRI_STR,
                                          STR_ARG(p->name), STR_ARG(b->name), STR_ARG(why))));
    else
        json_append(a, &m->faults,
                    json_string(arena_fmt(a, "policy \"" PRI_STR "\" denied request: " PRI_STR,
                                          STR_ARG(p->name), STR_ARG(why))));
}

static void on_fault(void *ctx, struct policy *p, struct binding *b, str why)
{
    struct mutating *m = ctx;

    fault(m, p, b,
          arena_fmt(m->t->a, "failed to configure %s: " PRI_STR, b ? "binding" : "policy",
                    STR_ARG(why)),
          S(""));
}

/* ---- one mutation ---- */

static const struct resource *resource_of(const struct attributes *t, const struct kind *k,
                                          struct resource *scratch)
{
    if (!t->type)
        return k->r;
    *scratch = (struct resource){.group = t->group,
                                 .version = t->version,
                                 .kind = t->kind_name,
                                 .type = t->type,
                                 .namespaced = k->r->namespaced};
    return scratch;
}

/* *ret_next NULL: a test of the patch failed, nothing is changed. why: what went wrong. */
static void json_patch(struct mutating *m, const struct json *shown, const struct json *ops,
                       struct json **ret_next, str *ret_why)
{
    struct arena *a = m->t->a;
    struct json *next = json_new(a, json_share(a, shown));
    struct err *e = patch_json(a, next, ops);
    str why = e ? str_of(e->trail ? e->trail : err_text(e)) : S("");

    *ret_next = e ? NULL : next;
    if (e && !str_has_suffix(why, S("test failed")))
        *ret_why = arena_fmt(a, "JSONPath: " PRI_STR, STR_ARG(why));
    err_free(e);
}

static void apply(struct mutating *m, const struct kind *k, const struct json *shown,
                  struct json *config, struct json **ret_next, str *ret_why)
{
    struct arena *a = m->t->a;
    struct resource scratch;
    struct err *e;

    json_setz(a, config, "kind", *json_findz(shown, "kind"));
    json_setz(a, config, "apiVersion", *json_findz(shown, "apiVersion"));
    e = apply_overlay(a, resource_of(m->t, k, &scratch), shown, config, ret_next);
    if (e)
        *ret_why = arena_fmt(a, "error applying patch: %s", err_text(e));
    err_free(e);
}

/* What the expression makes of what is shown; NULL without a reason: nothing. */
static struct json *mutation_make(struct mutating *m, struct invocation *x,
                                  const struct mutation_rule *r, struct cel_vars *vars,
                                  str *ret_why)
{
    struct arena *a = m->t->a;
    int64_t budget = CEL_BUDGET;
    struct evaluation v = expression_eval(a, &r->value, vars, &budget);
    struct json *made, *next = NULL;
    struct err *e;

    *ret_why = S("");
    if (v.state != EVALUATION_DONE) {
        *ret_why = r->value.program ? v.error : r->value.error;
        return NULL;
    }
    e = cel_to_json(a, v.value, &made);
    if (e) {
        *ret_why = arena_dup(a, str_of(err_text(e)));
        err_free(e);
        return NULL;
    }
    if (r->is_json_patch)
        json_patch(m, x->shown.obj, made, &next, ret_why);
    else
        apply(m, x->shown.kind, x->shown.obj, made, &next, ret_why);
    return next;
}

/* ---- one policy ---- */

static str key_of(struct arena *a, const struct invocation *x)
{
    return arena_fmt(a, PRI_STR "\n" PRI_STR "\n" PRI_STR "/" PRI_STR, STR_ARG(x->policy->name),
                     STR_ARG(x->binding->name), STR_ARG(meta_str(x->param, "namespace")),
                     STR_ARG(meta_str(x->param, "name")));
}

/* Each mutation sees what those before it have made. */
static struct err *mutate_all(struct mutating *m, struct invocation *x, bool *ret_changed)
{
    struct attributes *t = m->t;
    struct policy *p = x->policy;
    struct err *e;

    for (size_t i = 0; t->obj && i < p->n_mutations; i++) {
        struct cel_vars *vars = scope_bind(&p->scope, t, &x->shown, x->param, true);
        bool changed;
        str why;
        struct json *next = mutation_make(m, x, &p->mutations[i], vars, &why);

        if (why.n) {
            fault(m, p, x->binding, why, S("Invalid"));
            continue;
        }
        m->s->wanted = true; /* built-in plugins look again, whatever has come of it */
        if (!next)
            continue;
        e = form_take(t, x->shown.kind, x->shown.obj, json_new(t->a, json_copy(t->a, next)),
                      &changed);
        if (!e)
            e = shown_make(t, x->shown.kind, &x->shown);
        if (e)
            return e;
        *ret_changed |= changed;
    }
    return NULL;
}

static struct err *on_invocation(void *ctx, struct invocation *x)
{
    struct mutating *m = ctx;
    struct policy *p = x->policy;
    struct cel_vars *vars = scope_bind(&p->scope, m->t, &x->shown, x->param, true);
    str error, key = key_of(m->t->a, x);
    bool changed = false;
    struct err *e;

    if (!conditions_hold(m->t->a, p->conditions, p->n_conditions, vars, p->ignore_failure,
                         &error)) {
        if (error.n)
            fault(m, p, x->binding, error, S("Invalid"));
        return NULL;
    }
    if (m->round && !map_find(&m->own->again, key))
        return NULL;
    e = mutate_all(m, x, &changed);
    if (e)
        return e;
    if (changed)
        round_require(m->own);
    if (p->reinvoke)
        map_put(&m->own->invoked, key, m);
    return NULL;
}

static struct err *refusal(const struct mutating *m)
{
    str first = m->faults.items[0].s;
    struct err *e = err_forbidden(m->t->kind, attributes_name(m->t), PRI_STR, STR_ARG(first));

    mem_free(e->message);
    e->message = str_dupz(first);
    if (m->reason.n)
        e->reason_text = str_dupz(m->reason);
    JSON_EACH(f, &m->faults)
        err_cause_add(e, "", S(""), f->s);
    return e;
}

struct err *policies_mutate(struct attributes *t, int round, struct second_round *s)
{
    struct mutating m = {
        .t = t, .round = round, .s = s, .own = &s->policies, .faults = json_array()};
    struct err *e;

    round_begin(&s->policies, t, round);
    e = policies_each(t, POLICY_MUTATING, on_fault, on_invocation, &m);
    if (!e && m.faults.n)
        e = refusal(&m);
    if (!e)
        round_end(&s->policies, t);
    return e;
}
