/* role_aggregation.c - ClusterRoles whose rules are those of the roles that their selectors find:
 * admin, edit, view, and anybody's own.
 *
 * API: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles */
#include "controllers/controllers_internal.h"

/* Names of the roles that have an aggregationRule: any change of any role concerns them. */
struct state {
    struct map aggregated;
};
struct gathering {
    struct reconcile *r;
    struct selector *selectors;
    size_t n;
    struct json rules;
};

static bool is_aggregated(const struct obj *o)
{
    return str_find(o->data, S("\"aggregationRule\":{")) >= 0;
}

static bool contains(const struct json *rules, const struct json *rule)
{
    JSON_EACH(x, rules)
        if (json_equal(x, rule))
            return true;
    return false;
}

static bool gather(void *ctx, const struct obj *o)
{
    struct gathering *g = ctx;
    bool found = false;
    struct json *tree;

    if (str_eq(o->key.name, g->r->name))
        return true;
    for (size_t i = 0; i < g->n && !found; i++)
        found = selector_matches_packed(&g->selectors[i], o->labels);
    if (!found)
        return true;
    tree = tree_of(g->r->a, o);
    JSON_EACH(rule, json_findz(tree, "rules"))
        if (!contains(&g->rules, rule))
            json_append(g->r->a, &g->rules, *rule);
    return true;
}

static bool selectors_parse(struct gathering *g, const struct json *list)
{
    g->selectors = ARENA_NEW_N(g->r->a, struct selector, json_count(list) + 1);
    JSON_EACH(s, list) {
        struct err *err = selector_from_object(g->r->a, s, &g->selectors[g->n++]);

        if (err) {
            log_warning("aggregation", PRI_STR ": %s", STR_ARG(g->r->name), err_text(err));
            err_free(err);
            return false;
        }
    }
    return true;
}

static void reconcile(struct reconcile *r)
{
    struct json *role = look_tree(r, K_CLUSTERROLES, STR_NONE, r->name), *body;
    struct gathering g = {.r = r, .rules = json_array()};
    const struct json *rules = json_findz(role, "rules"), none = json_array();
    struct json meta = json_object();
    struct action *act;

    if (!role || !json_is(json_findz(role, "aggregationRule"), JSON_OBJECT))
        return;
    if (!selectors_parse(&g, json_path(role, "aggregationRule.clusterRoleSelectors")))
        return;
    informer_each(r->caches[K_CLUSTERROLES], STR_NONE, gather, &g);
    if (json_equal(json_is(rules, JSON_ARRAY) ? rules : &none, &g.rules))
        return;
    body = json_new(r->a, json_object());
    json_setz(r->a, body, "kind", json_z("ClusterRole"));
    json_setz(r->a, body, "apiVersion", json_z("rbac.authorization.k8s.io/v1"));
    json_setz(r->a, &meta, "name", json_string(r->name));
    json_setz(r->a, body, "metadata", meta);
    json_setz(r->a, body, "rules", g.rules);
    act = plan_patch(&r->plan, &kinds[K_CLUSTERROLES], STR_NONE, r->name, STR_NONE, PATCH_APPLY,
                     body);
    act->query = "?fieldManager=clusterrole-aggregation-controller&force=true";
}

static void role_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    struct state *s = controller_state(c);

    if (obj && is_aggregated(obj)) {
        map_put(&s->aggregated, obj->key.name, s);
        wake(c, STR_NONE, obj->key.name);
    } else if (prev && is_aggregated(prev)) {
        map_del(&s->aggregated, prev->key.name);
    }
    MAP_EACH(e, &s->aggregated)
        wake(c, STR_NONE, map_key(e));
}

static void *state_new(struct controller *c)
{
    struct state *s = NEW(struct state);

    (void)c;
    map_init(&s->aggregated);
    return s;
}

static void state_free(void *state)
{
    struct state *s = state;

    map_fini(&s->aggregated);
    mem_free(s);
}

static const struct trigger triggers[] = {{K_CLUSTERROLES, role_changed}};

const struct controller_type role_aggregation_controller = {
    .name = "clusterrole-aggregation",
    .component = "clusterrole-aggregation-controller",
    .primary = K_N,
    .triggers = triggers,
    .n_triggers = ARRAY_LEN(triggers),
    .reconcile = reconcile,
    .state_new = state_new,
    .state_free = state_free,
};
