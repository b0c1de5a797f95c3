/* policies.c - which policies there are, and which of them a request concerns.
 *
 * A policy does nothing without a binding. Both are kept current by store watches; with every change the bindings are
 * handed out to their policies anew. Expressions are compiled when a policy comes; one that does not compile fails when it
 * is to be evaluated, as the policy's failurePolicy says.
 * API: k8s.io/apiserver/pkg/admission/plugin/policy/generic */
#include "api/conversion.h"
#include "api/dynamic/policy.h"

static const struct {
    const char *policies, *bindings;
} kinds[N_POLICY_KINDS] = {
    [POLICY_MUTATING] = {"mutatingadmissionpolicies", "mutatingadmissionpolicybindings"},
    [POLICY_VALIDATING] = {"validatingadmissionpolicies", "validatingadmissionpolicybindings"},
};

/* ---- from the objects ---- */

static void variables_compile(struct policy *p, const struct json *list)
{
    JSON_EACH(v, list) {
        struct expression x =
            scope_compile(&p->scope, p->arena, json_get_str(v, "expression"), NULL);

        if (x.program)
            cel_declare_composed(p->scope.env, json_get_str(v, "name"), x.program);
    }
}

static void conditions_take(struct policy *p, const struct json *list)
{
    p->conditions = ARENA_NEW_N(p->arena, struct expression, json_count(list) + 1);
    JSON_EACH(v, list)
        p->conditions[p->n_conditions++] =
            scope_compile(&p->scope, p->arena, json_get_str(v, "expression"), cel_bool);
}

static void validations_take(struct policy *p, const struct json *list)
{
    p->validations = ARENA_NEW_N(p->arena, struct validation_rule, json_count(list) + 1);
    JSON_EACH(v, list) {
        struct validation_rule *r = &p->validations[p->n_validations++];
        str message = json_get_str(v, "messageExpression");

        r->rule = scope_compile(&p->scope, p->arena, json_get_str(v, "expression"), cel_bool);
        if (message.n)
            r->message = scope_compile(&p->scope, p->arena, message, cel_string);
        r->message_text = json_get_str(v, "message");
        r->reason = json_get_str(v, "reason");
    }
}

static void audits_take(struct policy *p, const struct json *list)
{
    p->audits = ARENA_NEW_N(p->arena, struct audit_rule, json_count(list) + 1);
    JSON_EACH(v, list)
        p->audits[p->n_audits++] = (struct audit_rule){
            json_get_str(v, "key"),
            scope_compile(&p->scope, p->arena, json_get_str(v, "valueExpression"), NULL)};
}

static void mutations_take(struct policy *p, const struct json *list)
{
    p->mutations = ARENA_NEW_N(p->arena, struct mutation_rule, json_count(list) + 1);
    JSON_EACH(v, list) {
        struct mutation_rule *r = &p->mutations[p->n_mutations++];

        r->is_json_patch = str_is(json_get_str(v, "patchType"), "JSONPatch");
        if (r->is_json_patch)
            r->value = scope_compile(&p->scope, p->arena, json_get_str(v, "jsonPatch.expression"),
                                     cel_list_of(p->scope.env, cel_json_patch));
        else
            r->value =
                scope_compile(&p->scope, p->arena, json_get_str(v, "applyConfiguration.expression"),
                              cel_mutation_object);
    }
}

static struct policy *policy_parse(const struct obj *o, int kind)
{
    struct arena *a = arena_new();
    struct policy *p = ARENA_NEW(a, struct policy);
    const struct json *spec = json_findz(object_parse(a, arena_dup(a, o->data)), "spec");

    p->arena = a;
    p->name = arena_dup(a, o->key.name);
    p->match = matcher_of(a, json_findz(spec, "matchConstraints"), "resourceRules");
    p->ignore_failure = str_is(json_get_str(spec, "failurePolicy"), "Ignore");
    p->reinvoke = str_is(json_get_str(spec, "reinvocationPolicy"), "IfNeeded");
    p->param_kind = json_findz(spec, "paramKind");
    scope_init(&p->scope, kind == POLICY_MUTATING ? CEL_MUTATION : CEL_POLICY,
               p->param_kind != NULL);
    variables_compile(p, json_findz(spec, "variables"));
    conditions_take(p, json_findz(spec, "matchConditions"));
    validations_take(p, json_findz(spec, "validations"));
    audits_take(p, json_findz(spec, "auditAnnotations"));
    mutations_take(p, json_findz(spec, "mutations"));
    return p;
}

static void policy_free(struct policy *p)
{
    if (!p)
        return;
    scope_fini(&p->scope);
    mem_free(p->bindings);
    arena_free(p->arena);
}

static struct binding *binding_parse(const struct obj *o)
{
    struct arena *a = arena_new();
    struct binding *b = ARENA_NEW(a, struct binding);
    const struct json *spec = json_findz(object_parse(a, arena_dup(a, o->data)), "spec"),
                      *match = json_findz(spec, "matchResources");

    b->arena = a;
    b->name = arena_dup(a, o->key.name);
    b->policy = json_get_str(spec, "policyName");
    b->match = matcher_of(a, match, "resourceRules");
    b->narrows = match != NULL;
    b->param_ref = json_findz(spec, "paramRef");
    b->actions = json_findz(spec, "validationActions");
    return b;
}

static void binding_free(struct binding *b)
{
    if (b)
        arena_free(b->arena);
}

/* ---- keeping current ---- */

/* Hands the bindings out anew. The count of those that found their policy is what makes requests look at all. */
static void bind_all(struct policy_set *s)
{
    size_t n = 0;

    for (const struct tree_node *i = tree_first_from(s->policies, S("")); i; i = tree_next(i))
        ((struct policy *)tree_value(i))->n_bindings = 0;
    for (const struct tree_node *i = tree_first_from(s->bindings, S("")); i; i = tree_next(i)) {
        struct binding *b = tree_value(i);
        struct policy *p = tree_find(s->policies, b->policy);

        if (!p)
            continue;
        p->bindings = mem_realloc(p->bindings, (p->n_bindings + 1) * sizeof(struct binding *));
        p->bindings[p->n_bindings++] = b;
        n++;
    }
    s->d->api->n_dynamic += n - s->n_bound;
    s->n_bound = n;
}

static void policy_changed(struct policy_set *s, const struct obj *o, bool deleted)
{
    struct policy *old = deleted ? tree_del(s->policies, o->key.name)
                                 : tree_put(s->policies, o->key.name, policy_parse(o, s->kind));

    policy_free(old);
    bind_all(s);
}

static void binding_changed(struct policy_set *s, const struct obj *o, bool deleted)
{
    struct binding *old = deleted ? tree_del(s->bindings, o->key.name)
                                  : tree_put(s->bindings, o->key.name, binding_parse(o));

    bind_all(s);
    binding_free(old);
}

static void on_policy(void *ctx, const struct store_event *e)
{
    policy_changed(ctx, e->obj, e->type == STORE_DELETED);
}

static void on_binding(void *ctx, const struct store_event *e)
{
    binding_changed(ctx, e->obj, e->type == STORE_DELETED);
}

static bool on_existing_policy(void *ctx, const struct obj *o)
{
    policy_changed(ctx, o, false);
    return true;
}

static bool on_existing_binding(void *ctx, const struct obj *o)
{
    binding_changed(ctx, o, false);
    return true;
}

static struct err *watch(struct policy_set *s, const char *plural, store_each_fn *existing,
                         const struct store_watch_events *events, struct store_watch **ret)
{
    struct api *api = s->d->api;
    const struct kind *k =
        api_find_kind(api, S("admissionregistration.k8s.io"), S("v1"), str_of(plural));
    struct err *e;

    BUG_ON(!k);
    store_each(api->store, k->r->storage_resource, S(""), NULL, existing, s);
    e = store_watch(api->store, k->r->storage_resource, S(""), store_revision(api->store), events,
                    s, ret);
    return e ? err_note(e, "watching %s", plural) : NULL;
}

struct err *policies_open(struct dynamic *d)
{
    static const struct store_watch_events policy_events = {.event = on_policy},
                                           binding_events = {.event = on_binding};
    struct err *e = NULL;

    for (int i = 0; !e && i < N_POLICY_KINDS; i++) {
        struct policy_set *s = &d->policies[i];

        *s = (struct policy_set){.d = d, .kind = i, .policies = tree_new(), .bindings = tree_new()};
        e = watch(s, kinds[i].policies, on_existing_policy, &policy_events, &s->policy_watch);
        if (!e)
            e = watch(s, kinds[i].bindings, on_existing_binding, &binding_events,
                      &s->binding_watch);
    }
    return e;
}

void policies_close(struct dynamic *d)
{
    for (int k = 0; k < N_POLICY_KINDS; k++) {
        struct policy_set *s = &d->policies[k];

        if (!s->policies)
            continue;
        if (s->policy_watch)
            store_watch_close(s->policy_watch);
        if (s->binding_watch)
            store_watch_close(s->binding_watch);
        for (const struct tree_node *i = tree_first_from(s->policies, S("")); i; i = tree_next(i))
            policy_free(tree_value(i));
        for (const struct tree_node *i = tree_first_from(s->bindings, S("")); i; i = tree_next(i))
            binding_free(tree_value(i));
        tree_free(s->policies);
        tree_free(s->bindings);
    }
}

/* ---- whom a request concerns ---- */

/* Reviews are left alone: a policy that stopped them could lock everybody out. */
static bool is_excluded(const struct kind *k)
{
    static const char *const names[] = {"selfsubjectreviews.authentication.k8s.io",
                                        "tokenreviews.authentication.k8s.io",
                                        "localsubjectaccessreviews.authorization.k8s.io",
                                        "selfsubjectaccessreviews.authorization.k8s.io",
                                        "selfsubjectrulesreviews.authorization.k8s.io",
                                        "subjectaccessreviews.authorization.k8s.io"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_is(k->status_name, names[i]))
            return true;
    return false;
}

bool policies_concern(struct dynamic *d, const struct kind *k, str subresource,
                      enum admission_op op)
{
    if (is_excluded(k))
        return false;
    for (int kind = 0; kind < N_POLICY_KINDS; kind++)
        for (const struct tree_node *i = tree_first_from(d->policies[kind].policies, S("")); i;
             i = tree_next(i)) {
            const struct policy *p = tree_value(i);

            if (p->n_bindings && matcher_concerns(&p->match, d->api, k, subresource, op))
                return true;
        }
    return false;
}

struct each {
    struct attributes *t;
    policy_fault_fn *fault;
    policy_invoke_fn *invoke;
    void *ctx;
    bool later; /* all are chosen before the first is invoked, which may change the object */
    struct invocation *chosen;
    size_t n, cap;
};

static struct err *invoke(struct each *x, struct invocation *v)
{
    struct err *e = shown_make(x->t, v->shown.kind, &v->shown);

    return e ? e : x->invoke(x->ctx, v);
}

static void choose(struct each *x, const struct invocation *v)
{
    if (x->n == x->cap) {
        size_t cap = x->cap ? 2 * x->cap : 4;

        x->chosen = arena_grow(x->t->a, x->chosen, x->cap * sizeof *v, cap * sizeof *v);
        x->cap = cap;
    }
    x->chosen[x->n++] = *v;
}

static str text_of(struct arena *a, struct err *e)
{
    str text = arena_dup(a, str_of(err_text(e)));

    err_free(e);
    return text;
}

static struct err *binding_each(struct each *x, struct policy *p, struct binding *b,
                                const struct kind *k)
{
    struct attributes *t = x->t;
    const struct kind *ignored;
    const struct json **params;
    bool matches = true;
    size_t n;
    str why;
    struct err *e = b->narrows ? matcher_try(&b->match, t, &matches, &ignored) : NULL;

    if (e) {
        x->fault(x->ctx, p, b, text_of(t->a, e));
        return NULL;
    }
    if (!matches)
        return NULL;
    e = params_of(t, p, b, &params, &n, &why);
    if (e && conversions_missing(t->req, e))
        return e;
    if (e)
        why = text_of(t->a, e);
    if (why.n) {
        x->fault(x->ctx, p, b, why);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        struct invocation v = {p, b, {.kind = k}, params[i]};

        if (x->later)
            choose(x, &v);
        else
            e = invoke(x, &v);
        if (e)
            return e;
    }
    return NULL;
}

static struct err *policy_each(struct each *x, struct policy *p)
{
    const struct kind *k = NULL;
    bool matches;
    str why = S("");
    struct err *e = matcher_try(&p->match, x->t, &matches, &k);

    if (!e && !matches)
        return NULL;
    if (e)
        why = text_of(x->t->a, e);
    else
        params_check(x->t, p, &why);
    if (why.n) {
        x->fault(x->ctx, p, NULL, why);
        return NULL;
    }
    for (size_t i = 0; i < p->n_bindings; i++) {
        e = binding_each(x, p, p->bindings[i], k);
        if (e)
            return e;
    }
    return NULL;
}

struct err *policies_each(struct attributes *t, int kind, policy_fault_fn *fault,
                          policy_invoke_fn *invoke_one, void *ctx)
{
    struct each x = {
        .t = t, .fault = fault, .invoke = invoke_one, .ctx = ctx, .later = kind == POLICY_MUTATING};
    struct policy_set *s = &t->req->api->dynamic->policies[kind];

    if (!s->n_bound || is_excluded(t->kind))
        return NULL;
    for (const struct tree_node *i = tree_first_from(s->policies, S("")); i; i = tree_next(i)) {
        struct policy *p = tree_value(i);
        struct err *e = p->n_bindings ? policy_each(&x, p) : NULL;

        if (e)
            return e;
    }
    for (size_t i = 0; i < x.n; i++) {
        struct err *e = invoke(&x, &x.chosen[i]);

        if (e)
            return e;
    }
    return NULL;
}
