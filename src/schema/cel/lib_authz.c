/* lib_authz.c - the authorizer library: questions that are put together step by step and asked through the caller's hook.
 *
 * Source: k8s.io/apiserver/pkg/cel/library/authz.go. */
#include "schema/cel/functions.h"
#include "schema/validate.h"

struct question {
    const struct cel_authz *authz;
    struct cel_authz_query q;
};

static struct question *question_new(struct arena *a, const struct question *from)
{
    struct question *q = ARENA_NEW(a, struct question);

    if (from)
        *q = *from;
    return q;
}

void cel_bind_authorizer(struct cel_vars *vars, unsigned var, const struct cel_authz *authz)
{
    struct question *q = question_new(vars->arena, NULL);

    q->authz = authz;
    cel_bind_value(vars, var, cel_v_opaque(OPAQUE_AUTHORIZER, q));
}

void cel_bind_resource_check(struct cel_vars *vars, unsigned var, const struct cel_authz *authz,
                             const struct cel_authz_query *query)
{
    struct question *q = question_new(vars->arena, NULL);

    q->authz = authz;
    q->q = *query;
    q->q.is_resource = true;
    cel_bind_value(vars, var, cel_v_opaque(OPAQUE_RESOURCE_CHECK, q));
}

/* The receiver of this kind, its arguments being strings: a copy to refine, or NULL. */
static struct question *refine(struct cel_eval *e, const struct cel_node *n, struct cel_value *v,
                               enum cel_opaque kind)
{
    if (v[0].kind != CEL_OPAQUE || v[0].sub != kind)
        return NULL;
    for (uint32_t i = 1; i < n->n; i++)
        if (v[i].kind != CEL_STRING)
            return NULL;
    return question_new(e->a, v[0].ref);
}

struct cel_value cel_fn_authz_path(struct cel_eval *e, const struct cel_node *n,
                                   struct cel_value *v)
{
    struct question *q = refine(e, n, v, OPAQUE_AUTHORIZER);

    if (!q)
        return cel_no_overload(e, n, v);
    if (!str_trim(cel_v_text(v[1])).n)
        return cel_v_error_z("path must not be empty");
    q->q.path = cel_v_text(v[1]);
    return cel_v_opaque(OPAQUE_PATH_CHECK, q);
}

struct cel_value cel_fn_authz_group(struct cel_eval *e, const struct cel_node *n,
                                    struct cel_value *v)
{
    struct question *q = refine(e, n, v, OPAQUE_AUTHORIZER);

    if (!q)
        return cel_no_overload(e, n, v);
    q->q.group = cel_v_text(v[1]);
    return cel_v_opaque(OPAQUE_GROUP_CHECK, q);
}

struct cel_value cel_fn_authz_service_account(struct cel_eval *e, const struct cel_node *n,
                                              struct cel_value *v)
{
    struct question *q = refine(e, n, v, OPAQUE_AUTHORIZER);
    str problems[FORMAT_PROBLEMS_MAX];

    if (!q)
        return cel_no_overload(e, n, v);
    if (format_problems(e->a, S("dns-subdomain"), cel_v_text(v[2]), problems))
        return cel_v_error_z("Invalid service account name");
    if (format_problems(e->a, S("dns-label"), cel_v_text(v[1]), problems))
        return cel_v_error_z("Invalid service account namespace");
    q->q.service_account_namespace = cel_v_text(v[1]);
    q->q.service_account_name = cel_v_text(v[2]);
    return cel_v_opaque(OPAQUE_AUTHORIZER, q);
}

struct cel_value cel_fn_authz_resource(struct cel_eval *e, const struct cel_node *n,
                                       struct cel_value *v)
{
    struct question *q = refine(e, n, v, OPAQUE_GROUP_CHECK);

    if (!q)
        return cel_no_overload(e, n, v);
    if (!str_trim(cel_v_text(v[1])).n)
        return cel_v_error_z("resource must not be empty");
    q->q.is_resource = true;
    q->q.resource = cel_v_text(v[1]);
    return cel_v_opaque(OPAQUE_RESOURCE_CHECK, q);
}

/* subresource, namespace, name, fieldSelector, labelSelector */
struct cel_value cel_fn_authz_refine(struct cel_eval *e, const struct cel_node *n,
                                     struct cel_value *v)
{
    static const struct {
        const char *name;
        size_t offset;
    } members[] = {{"subresource", offsetof(struct cel_authz_query, subresource)},
                   {"namespace", offsetof(struct cel_authz_query, namespace)},
                   {"name", offsetof(struct cel_authz_query, name)},
                   {"fieldSelector", offsetof(struct cel_authz_query, field_selector)},
                   {"labelSelector", offsetof(struct cel_authz_query, label_selector)}};
    struct question *q = refine(e, n, v, OPAQUE_RESOURCE_CHECK);

    if (!q)
        return cel_no_overload(e, n, v);
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (strcmp(n->fn->name, members[i].name) == 0)
            *(str *)((char *)&q->q + members[i].offset) = cel_v_text(v[1]);
    return cel_v_opaque(OPAQUE_RESOURCE_CHECK, q);
}

struct cel_value cel_fn_authz_check(struct cel_eval *e, const struct cel_node *n,
                                    struct cel_value *v)
{
    struct question *q = refine(e, n, v, OPAQUE_PATH_CHECK);
    struct cel_authz_answer *answer;

    if (!q)
        q = refine(e, n, v, OPAQUE_RESOURCE_CHECK);
    if (!q)
        return cel_no_overload(e, n, v);
    q->q.verb = cel_v_text(v[1]);
    answer = ARENA_NEW(e->a, struct cel_authz_answer);
    q->authz->check(q->authz->ctx, e->a, &q->q, answer);
    return cel_v_opaque(OPAQUE_DECISION, answer);
}

struct cel_value cel_fn_decision_part(struct cel_eval *e, const struct cel_node *n,
                                      struct cel_value *v)
{
    const struct cel_authz_answer *a = v[0].ref;

    if (v[0].kind != CEL_OPAQUE || v[0].sub != OPAQUE_DECISION)
        return cel_no_overload(e, n, v);
    if (strcmp(n->fn->name, "allowed") == 0)
        return cel_v_bool(a->allowed);
    if (strcmp(n->fn->name, "errored") == 0)
        return cel_v_bool(a->error.n > 0);
    return cel_v_str(n->fn->name[0] == 'e' ? a->error : a->reason);
}
