/* node_affinity.c - NodeAffinity: nodeSelector and required terms refuse, preferred terms weigh. NodeName is its special case.
 *
 * A pod for one node by name (as a DaemonSet makes them, by matchFields) is refused elsewhere in other words, as
 * Kubernetes' scheduler does, which does not look at the other nodes at all.
 * API: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/ */
#include "scheduler/scheduler_internal.h"

static bool names_match(const struct selector *sel, str name)
{
    for (size_t i = 0; i < sel->n_terms; i++) {
        const struct selector_term *t = &sel->terms[i];
        bool listed = false;

        for (size_t k = 0; k < t->n_values; k++)
            listed |= str_eq(t->values[k], name);
        if (!str_is(t->key, "metadata.name") || listed != (t->op == SELECTOR_IN))
            return false;
    }
    return true;
}

bool node_term_holds(const struct node_term *t, const struct node *n)
{
    return !t->is_empty && selector_matches_packed(&t->labels, n->labels) &&
           names_match(&t->names, n->name);
}

bool node_matches_affinity(const struct profile *p, const struct node *n)
{
    if (p->node_selector.n_terms && !selector_matches_packed(&p->node_selector, n->labels))
        return false;
    if (!p->has_node_required)
        return true;
    for (uint32_t i = 0; i < p->n_node_required; i++)
        if (node_term_holds(&p->node_required[i], n))
            return true;
    return false;
}

/* Every term lists names: then only these nodes are looked at. */
static bool is_for_named_nodes(const struct profile *p)
{
    for (uint32_t i = 0; i < p->n_node_required; i++) {
        const struct selector *names = &p->node_required[i].names;
        bool listed = false;

        for (size_t k = 0; k < names->n_terms; k++)
            listed |=
                names->terms[k].op == SELECTOR_IN && str_is(names->terms[k].key, "metadata.name");
        if (!listed)
            return false;
    }
    return p->n_node_required > 0;
}

static bool is_named(const struct profile *p, const struct node *n)
{
    for (uint32_t i = 0; i < p->n_node_required; i++)
        if (names_match(&p->node_required[i].names, n->name))
            return true;
    return false;
}

static bool filter(struct cycle *c, const struct node *n, struct verdict *ret)
{
    if (node_matches_affinity(c->profile, n))
        return true;
    if (is_for_named_nodes(c->profile) && !is_named(c->profile, n))
        verdict_add(ret, "node(s) didn't satisfy plugin(s) [NodeAffinity]", true);
    else
        verdict_add(ret, "node(s) didn't match Pod's node affinity/selector", true);
    return false;
}

static double score(struct cycle *c, const struct node *n, bool *ret_ignored)
{
    int64_t sum = 0;

    for (uint32_t i = 0; i < c->profile->n_node_preferred; i++) {
        const struct node_term *t = &c->profile->node_preferred[i];

        /* An empty preference matches every node here, unlike an empty required term. */
        if (t->is_empty || node_term_holds(t, n))
            sum += t->weight;
    }
    return (double)sum;
}

const struct plugin plugin_node_affinity = {
    .name = "NodeAffinity",
    .requeue_on = EVENT_NODE_ADDED | EVENT_NODE_LABELS,
    .filter = filter,
    .score = score,
    .normalize = normalize_high,
    .weight = 2,
};
