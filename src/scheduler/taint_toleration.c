/* taint_toleration.c - TaintToleration: NoSchedule and NoExecute taints refuse pods that do not tolerate them,
 * PreferNoSchedule ones count against a node.
 * API: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/ */
#include "scheduler/scheduler_internal.h"

static bool tolerates(const struct toleration *t, const struct taint *taint)
{
    if (t->effect.n && !str_eq(t->effect, taint->effect))
        return false;
    if (t->key.n && !str_eq(t->key, taint->key))
        return false;
    return t->exists || str_eq(t->value, taint->value);
}

bool profile_tolerates(const struct profile *p, const struct taint *taint)
{
    for (uint32_t i = 0; i < p->n_tolerations; i++)
        if (tolerates(&p->tolerations[i], taint))
            return true;
    return false;
}

const struct taint *node_untolerated(const struct profile *p, const struct node *n)
{
    for (uint32_t i = 0; i < n->n_taints; i++) {
        const struct taint *t = &n->taints[i];

        if ((str_is(t->effect, "NoSchedule") || str_is(t->effect, "NoExecute")) &&
            !profile_tolerates(p, t))
            return t;
    }
    return NULL;
}

static bool filter(struct cycle *c, const struct node *n, struct verdict *ret)
{
    if (!n->n_taints || !node_untolerated(c->profile, n))
        return true;
    verdict_add(ret, "node(s) had untolerated taint(s)", true);
    return false;
}

static double score(struct cycle *c, const struct node *n, bool *ret_ignored)
{
    int against = 0;

    for (uint32_t i = 0; i < n->n_taints; i++)
        against += str_is(n->taints[i].effect, "PreferNoSchedule") &&
                   !profile_tolerates(c->profile, &n->taints[i]);
    return against;
}

const struct plugin plugin_taint_toleration = {
    .name = "TaintToleration",
    .requeue_on = EVENT_NODE_ADDED | EVENT_NODE_TAINTS,
    .filter = filter,
    .score = score,
    .normalize = normalize_low,
    .weight = 3,
};
