/* expressions.c - CEL as match conditions and policies use it: the variables, compiling, evaluating within a budget, and the
 * authorizer behind `authorizer`.
 *
 * API: k8s.io/apiserver/pkg/admission/plugin/cel (compile.go, activation.go), plugin/webhook/matchconditions */
#include "api/dynamic/dynamic_internal.h"

/* ---- the environment ---- */

void scope_init(struct scope *s, unsigned flags, bool has_params)
{
    s->env = cel_env_new(flags);
    s->object = cel_declare(s->env, S("object"), cel_dyn);
    s->old = cel_declare(s->env, S("oldObject"), cel_dyn);
    s->request = cel_declare(s->env, S("request"), cel_type_admission_request(s->env));
    s->namespace = cel_declare(s->env, S("namespaceObject"), cel_type_namespace(s->env));
    s->authorizer = cel_declare(s->env, S("authorizer"), cel_authorizer);
    s->check = cel_declare(s->env, S("authorizer.requestResource"), cel_resource_check);
    s->has_params = has_params;
    if (has_params)
        s->params = cel_declare(s->env, S("params"), cel_dyn);
}

struct cel_env *dynamic_env_new(unsigned flags, bool has_params)
{
    struct scope s;

    scope_init(&s, flags, has_params);
    return s.env;
}

void scope_fini(struct scope *s)
{
    cel_env_free(s->env);
    s->env = NULL;
}

struct expression scope_compile(struct scope *s, struct arena *a, str text,
                                const struct cel_type *want)
{
    struct expression x = {.text = text};
    struct err *e = cel_compile(s->env, text, want, &x.program);

    if (e) {
        x.error = arena_dup(a, str_of(err_text(e)));
    } else {
        s->uses_request |= cel_program_uses(x.program, s->request);
        s->uses_namespace |= cel_program_uses(x.program, s->namespace);
    }
    err_free(e);
    return x;
}

/* ---- the authorizer ---- */

static void service_account(struct arena *a, const struct cel_authz_query *q, struct user *ret)
{
    *ret = (struct user){.name = arena_fmt(a, "system:serviceaccount:" PRI_STR ":" PRI_STR,
                                           STR_ARG(q->service_account_namespace),
                                           STR_ARG(q->service_account_name)),
                         .groups = ARENA_NEW_N(a, str, 3),
                         .n_groups = 3};
    ret->groups[0] = S("system:serviceaccounts");
    ret->groups[1] =
        arena_fmt(a, "system:serviceaccounts:" PRI_STR, STR_ARG(q->service_account_namespace));
    ret->groups[2] = S("system:authenticated");
}

static void authz_check(void *ctx, struct arena *a, const struct cel_authz_query *q,
                        struct cel_authz_answer *ret)
{
    struct req *req = ctx;
    const struct user *who = req->user;
    struct access x = {.is_resource = q->is_resource,
                       .verb = q->verb,
                       .group = q->group,
                       .version = S("*"),
                       .resource = q->resource,
                       .subresource = q->subresource,
                       .name = q->name,
                       .ns = q->namespace,
                       .path = q->path};
    struct user account;

    if (q->service_account_name.n) {
        service_account(a, q, &account);
        who = &account;
    }
    *ret = (struct cel_authz_answer){.reason = S(""), .error = S("")};
    ret->allowed = authz_allows(req->api, a, who, &x, &ret->reason);
}

/* ---- the variables of one request ---- */

/* What expressions see of a Namespace: no managers, no owners. */
static struct json *namespace_shown(struct attributes *t)
{
    const struct kind *namespaces = api_core(t->req->api, "namespaces");
    const struct obj *o;
    struct json *v, *meta;

    if (!t->ns.n || t->kind == namespaces)
        return NULL;
    o = store_find(t->req->api->store, kind_key(namespaces, S(""), t->ns));
    if (!o)
        return NULL;
    v = object_parse(t->a, arena_dup(t->a, o->data));
    meta = meta_of(t->a, v);
    json_removez(meta, "managedFields");
    json_removez(meta, "ownerReferences");
    return v;
}

struct cel_vars *scope_bind(const struct scope *s, struct attributes *t, const struct shown *shown,
                            const struct json *params, bool with_namespace)
{
    struct cel_vars *vars = cel_vars_new(t->a, s->env);
    struct cel_authz *authz = ARENA_NEW(t->a, struct cel_authz);
    struct cel_authz_query *check = ARENA_NEW(t->a, struct cel_authz_query);

    *authz = (struct cel_authz){authz_check, t->req};
    *check = (struct cel_authz_query){.is_resource = true,
                                      .group = t->kind->r->group,
                                      .resource = t->kind->r->plural,
                                      .subresource = t->subresource,
                                      .namespace = t->ns,
                                      .name = t->name};
    cel_vars_loop(vars, t->req->api->loop);
    cel_bind_json(vars, s->object, shown->obj);
    cel_bind_json(vars, s->old, shown->old);
    /* Made for those who look at them. */
    if (s->uses_request)
        cel_bind_json(vars, s->request, json_new(t->a, form_request(t, shown->kind)));
    if (s->uses_namespace)
        cel_bind_json(vars, s->namespace, with_namespace ? namespace_shown(t) : NULL);
    cel_bind_authorizer(vars, s->authorizer, authz);
    cel_bind_resource_check(vars, s->check, authz, check);
    if (s->has_params)
        cel_bind_json(vars, s->params, params);
    return vars;
}

/* ---- evaluating ---- */

static struct evaluation out_of_budget(void)
{
    return (struct evaluation){
        .state = EVALUATION_OVER,
        .error = S("validation failed due to running out of cost budget, no further validation "
                   "rules will be run")};
}

struct evaluation expression_eval(struct arena *a, const struct expression *x,
                                  struct cel_vars *vars, int64_t *budget)
{
    struct cel_result r;
    uint64_t cost;

    if (!x->program)
        return (struct evaluation){
            .state = EVALUATION_FAILED,
            .error = arena_fmt(a, "compilation error: " PRI_STR, STR_ARG(x->error))};
    r = cel_eval(x->program, vars);
    cost = r.cost + r.composed_cost;
    if (*budget < 0 || cost > (uint64_t)*budget)
        return out_of_budget();
    *budget -= (int64_t)cost;
    if (!r.ok)
        return (struct evaluation){
            .state = EVALUATION_FAILED,
            .error = arena_fmt(a, "expression '" PRI_STR "' resulted in error: " PRI_STR,
                               STR_ARG(x->text), STR_ARG(r.error))};
    return (struct evaluation){.state = EVALUATION_DONE, .value = r.value};
}

/* Several errors in one text, as Go's aggregates. */
static str joined(struct arena *a, const struct json *errors)
{
    struct buf b = BUF_INIT;
    str text;

    JSON_EACH(e, errors) {
        if (e != errors->items)
            buf_z(&b, ", ");
        buf_str(&b, e->s);
    }
    text = errors->n > 1 ? arena_fmt(a, "[%s]", buf_cstr(&b)) : arena_dup(a, buf_view(&b));
    buf_fini(&b);
    return text;
}

bool conditions_hold(struct arena *a, const struct expression *list, size_t n,
                     struct cel_vars *vars, bool ignore_failure, str *ret_error)
{
    int64_t budget = CEL_MATCH_CONDITIONS_BUDGET;
    struct json errors = json_array();

    *ret_error = S("");
    for (size_t i = 0; i < n; i++) {
        struct evaluation v = expression_eval(a, &list[i], vars, &budget);

        /* One that does not hold settles it, whatever went wrong with others. */
        if (v.state == EVALUATION_DONE && !cel_is_true(v.value))
            return false;
        if (v.state == EVALUATION_OVER) {
            errors = json_array();
            json_append(a, &errors, json_string(v.error));
            break;
        }
        if (v.state == EVALUATION_FAILED)
            json_append(a, &errors, json_string(v.error));
    }
    if (!errors.n)
        return true;
    if (!ignore_failure)
        *ret_error = joined(a, &errors);
    return false;
}
