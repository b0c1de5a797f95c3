/* conditions.c - matchConditions of webhooks: expressions that say whether one is asked at all. */
#include "api/dynamic/dynamic_internal.h"

void conditions_compile(struct webhook *h, const struct json *list)
{
    struct arena *a = h->of->arena;

    if (!json_count(list))
        return;
    scope_init(&h->scope, CEL_RULES, false);
    h->conditions = ARENA_NEW_N(a, struct expression, json_count(list));
    JSON_EACH(c, list)
        h->conditions[h->n_conditions++] =
            scope_compile(&h->scope, a, json_get_str(c, "expression"), cel_bool);
}

struct err *conditions_match(struct attributes *t, const struct webhook *h,
                             const struct shown *shown, bool *ret_matches)
{
    struct cel_vars *vars;
    str error;

    *ret_matches = true;
    if (!h->n_conditions)
        return NULL;
    vars = scope_bind(&h->scope, t, shown, NULL, false);
    *ret_matches =
        conditions_hold(t->a, h->conditions, h->n_conditions, vars, h->ignore_failure, &error);
    return error.n ? err_forbidden(t->kind, t->name, PRI_STR, STR_ARG(error)) : NULL;
}
