/* inter_pod_affinity.c - InterPodAffinity: near to or away from pods that match, in the sense of a node label.
 *
 * Counts are kept per (topology key, value) and come from profiles: which pods match is decided once per profile, and how
 * many there are on each node is its tally.
 * API: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity */
#include "scheduler/scheduler_internal.h"

#include <math.h>

#define HARD_AFFINITY_WEIGHT                                                                       \
    1 /* hardPodAffinityWeight: what a running pod's required affinity is worth to one that it matches */

static bool term_has_namespace(struct scheduler *s, const struct pod_term *t, str ns)
{
    const struct obj *o;

    for (uint32_t i = 0; i < t->n_namespaces; i++)
        if (str_eq(t->namespaces[i], ns))
            return true;
    if (!t->has_ns_selector)
        return false;
    if (!t->ns_selector.n_terms && !t->ns_selector.nothing)
        return true;
    o = s->ns_informer ? informer_find(s->ns_informer, STR_NONE, ns) : NULL;
    return o && selector_matches_packed(&t->ns_selector, o->labels);
}

bool term_matches(struct scheduler *s, const struct pod_term *t, const struct profile *p)
{
    return term_has_namespace(s, t, p->ns) && selector_matches_packed(&t->selector, p->labels);
}

/* Adds `weight` for each pod of the profile to the domain that its node is in. */
static void add_pods(struct pair_table *table, const struct profile *p, str key, int64_t weight)
{
    for (uint32_t i = 0; i < p->n_tally; i++) {
        str value;

        if (label_get(p->tally[i].node->labels, key, &value))
            *pair_at(table, key, value, true) += weight * p->tally[i].n;
    }
}

/* ---- refusing ---- */
struct filter_state {
    struct pair_table wanted, refused,
        refusing; /* own affinity, own anti-affinity, that of pods that run already */
    bool matches_itself;
};

static bool matches_all(struct scheduler *s, const struct pod_term *terms, uint32_t n,
                        const struct profile *p)
{
    for (uint32_t i = 0; i < n; i++)
        if (!term_matches(s, &terms[i], p))
            return false;
    return n > 0;
}

static void prepare(struct cycle *c)
{
    const struct profile *p = c->profile, *other;
    struct filter_state *f;

    c->affinity_filter = NULL;
    if (!p->n_affinity && !p->n_anti_affinity && !c->s->n_anti_profiles)
        return;
    f = ARENA_NEW(c->arena, struct filter_state);
    f->wanted.arena = c->arena;
    f->refused.arena = c->arena;
    f->refusing.arena = c->arena;
    LIST_EACH(other, &c->s->profile_list, link) {
        if (!other->n_tally)
            continue;
        for (uint32_t i = 0; i < other->n_anti_affinity; i++)
            if (term_matches(c->s, &other->anti_affinity[i], p))
                add_pods(&f->refusing, other, other->anti_affinity[i].topology_key, 1);
        if (matches_all(c->s, p->affinity, p->n_affinity, other))
            for (uint32_t i = 0; i < p->n_affinity; i++)
                add_pods(&f->wanted, other, p->affinity[i].topology_key, 1);
        for (uint32_t i = 0; i < p->n_anti_affinity; i++)
            if (term_matches(c->s, &p->anti_affinity[i], other))
                add_pods(&f->refused, other, p->anti_affinity[i].topology_key, 1);
    }
    f->matches_itself = matches_all(c->s, p->affinity, p->n_affinity, p);
    c->affinity_filter = f;
}

static bool affinity_holds(const struct cycle *c, struct filter_state *f, const struct node *n)
{
    bool all = true;

    for (uint32_t i = 0; i < c->profile->n_affinity; i++) {
        int64_t *count;
        str value;

        if (!label_get(n->labels, c->profile->affinity[i].topology_key, &value))
            return false;
        count = pair_at(&f->wanted, c->profile->affinity[i].topology_key, value, false);
        all &= count && *count > 0;
    }
    /* The first of a group that wants to be together has nobody to be with yet. */
    return all || (f->wanted.n == 0 && f->matches_itself);
}

static bool refuses(struct pair_table *t, const struct node *n)
{
    for (uint32_t i = 0; i < t->n; i++) {
        const struct pair *p = &t->pairs[i];
        str value;

        if (p->n > 0 && label_get(n->labels, p->key, &value) && str_eq(value, p->value))
            return true;
    }
    return false;
}

static bool own_anti_affinity_holds(const struct cycle *c, struct filter_state *f,
                                    const struct node *n)
{
    for (uint32_t i = 0; i < c->profile->n_anti_affinity; i++) {
        const struct pod_term *t = &c->profile->anti_affinity[i];
        int64_t *count;
        str value;

        if (!label_get(n->labels, t->topology_key, &value))
            continue;
        count = pair_at(&f->refused, t->topology_key, value, false);
        if (count && *count > 0)
            return false;
    }
    return true;
}

static bool filter(struct cycle *c, const struct node *n, struct verdict *ret)
{
    struct filter_state *f = c->affinity_filter;

    if (!f)
        return true;
    if (c->profile->n_affinity && !affinity_holds(c, f, n)) {
        verdict_add(ret, "node(s) didn't match pod affinity rules", true);
        return false;
    }
    if (!own_anti_affinity_holds(c, f, n)) {
        verdict_add(ret, "node(s) didn't match pod anti-affinity rules", false);
        return false;
    }
    if (f->refusing.n && refuses(&f->refusing, n)) {
        verdict_add(ret, "node(s) didn't satisfy existing pods anti-affinity rules", false);
        return false;
    }
    return true;
}

/* ---- weighing ---- */
static void prepare_score(struct cycle *c)
{
    const struct profile *p = c->profile, *other;
    struct pair_table *t;

    c->affinity_score = NULL;
    if (!p->n_preferred && !c->s->n_preferring_profiles)
        return;
    t = ARENA_NEW(c->arena, struct pair_table);
    t->arena = c->arena;
    LIST_EACH(other, &c->s->profile_list, link) {
        if (!other->n_tally)
            continue;
        for (uint32_t i = 0; i < p->n_preferred; i++)
            if (term_matches(c->s, &p->preferred[i], other))
                add_pods(t, other, p->preferred[i].topology_key, p->preferred[i].weight);
        for (uint32_t i = 0; i < other->n_preferred; i++)
            if (term_matches(c->s, &other->preferred[i], p))
                add_pods(t, other, other->preferred[i].topology_key, other->preferred[i].weight);
        for (uint32_t i = 0; i < other->n_affinity; i++)
            if (term_matches(c->s, &other->affinity[i], p))
                add_pods(t, other, other->affinity[i].topology_key, HARD_AFFINITY_WEIGHT);
    }
    if (t->n)
        c->affinity_score = t;
}

static double score(struct cycle *c, const struct node *n, bool *ret_ignored)
{
    struct pair_table *t = c->affinity_score;
    int64_t sum = 0;

    if (!t)
        return 0;
    for (uint32_t i = 0; i < t->n; i++) {
        const struct pair *p = &t->pairs[i];
        str value;

        if (label_get(n->labels, p->key, &value) && str_eq(value, p->value))
            sum += p->n;
    }
    return (double)sum;
}

static void normalize(double *scores, const bool *ignored, uint32_t n)
{
    double low = INFINITY, high = -INFINITY;

    for (uint32_t i = 0; i < n; i++) {
        low = fmin(low, scores[i]);
        high = fmax(high, scores[i]);
    }
    for (uint32_t i = 0; i < n; i++)
        scores[i] = high > low ? floor(SCORE_MAX * (scores[i] - low) / (high - low)) : 0;
}

const struct plugin plugin_inter_pod_affinity = {
    .name = "InterPodAffinity",
    .requeue_on =
        EVENT_NODE_ADDED | EVENT_NODE_LABELS | EVENT_POD_ADDED | EVENT_POD_CHANGED | EVENT_POD_GONE,
    .prepare = prepare,
    .filter = filter,
    .prepare_score = prepare_score,
    .score = score,
    .normalize = normalize,
    .weight = 2,
};
