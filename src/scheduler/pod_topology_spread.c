/* pod_topology_spread.c - PodTopologySpread: matching pods are spread over the domains of a node label.
 *
 * DoNotSchedule constraints refuse a node whose domain would have maxSkew more matching pods than the emptiest one;
 * ScheduleAnyway ones weigh. A pod without constraints, but with a controller, is spread over hosts and zones by default:
 * its siblings are the pods of the same controller.
 * API: https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/ */
#include "scheduler/scheduler_internal.h"

#include <math.h>

static const struct spread by_default[] = {
    {.topology_key = STR(HOSTNAME_KEY), .max_skew = 3, .min_domains = 1, .honor_affinity = true},
    {.topology_key = STR(ZONE_KEY), .max_skew = 5, .min_domains = 1, .honor_affinity = true},
};

/* Whether pods of the other profile count for a constraint of this one. */
static bool counts_for(const struct spread *sp, const struct profile *own,
                       const struct profile *other)
{
    if (!str_eq(own->ns, other->ns))
        return false;
    if (sp >= by_default && sp < by_default + ARRAY_LEN(by_default))
        return str_eq(own->owner, other->owner);
    return selector_matches_packed(&sp->selector, other->labels);
}

static bool node_is_included(const struct spread *sp, const struct profile *p, const struct node *n)
{
    return (!sp->honor_affinity || node_matches_affinity(p, n)) &&
           (!sp->honor_taints || !node_untolerated(p, n));
}

static bool has_keys(const struct node *n, const struct spread *sp, uint32_t n_sp, bool hard)
{
    str value;

    for (uint32_t i = 0; i < n_sp; i++)
        if (sp[i].hard == hard && !label_get(n->labels, sp[i].topology_key, &value))
            return false;
    return true;
}

/* ---- refusing ---- */
struct constraint {
    const struct spread *sp;
    struct pair_table domains; /* matching pods by domain */
    int64_t fewest;            /* in a domain */
    bool counts_self;
};

static void count_pods(struct cycle *c, struct constraint *k, uint32_t n_sp,
                       const struct spread *sp)
{
    const struct profile *other;

    LIST_EACH(other, &c->s->profile_list, link) {
        if (!other->n_tally || !counts_for(k->sp, c->profile, other))
            continue;
        for (uint32_t i = 0; i < other->n_tally; i++) {
            const struct tally_item *t = &other->tally[i];
            int64_t *domain;
            str value;

            if (!t->node->present || !has_keys(t->node, sp, n_sp, true) ||
                !node_is_included(k->sp, c->profile, t->node))
                continue;
            if (!label_get(t->node->labels, k->sp->topology_key, &value))
                continue;
            domain = pair_at(&k->domains, STR_NONE, value, false);
            if (domain)
                *domain += t->n - t->n_terminating;
        }
    }
}

static void constraint_prepare(struct cycle *c, struct constraint *k, const struct spread *all,
                               uint32_t n_all)
{
    k->domains.arena = c->arena;
    k->counts_self = selector_matches_packed(&k->sp->selector, c->profile->labels);
    for (uint32_t i = 0; i < c->s->n_nodes; i++) {
        const struct node *n = c->s->nodes[i];
        str value;

        if (has_keys(n, all, n_all, true) && node_is_included(k->sp, c->profile, n) &&
            label_get(n->labels, k->sp->topology_key, &value))
            pair_at(&k->domains, STR_NONE, value, true);
    }
    count_pods(c, k, n_all, all);
    k->fewest = INT64_MAX;
    for (uint32_t i = 0; i < k->domains.n; i++)
        k->fewest = MIN(k->fewest, k->domains.pairs[i].n);
    if (k->domains.n < k->sp->min_domains)
        k->fewest = 0;
}

struct filter_state {
    struct constraint *constraints;
    uint32_t n;
};

static void prepare(struct cycle *c)
{
    const struct profile *p = c->profile;
    struct filter_state *f = ARENA_NEW(c->arena, struct filter_state);

    c->spread_filter = NULL;
    f->constraints = ARENA_NEW_N(c->arena, struct constraint, p->n_spreads);
    for (uint32_t i = 0; i < p->n_spreads; i++)
        if (p->spreads[i].hard)
            f->constraints[f->n++].sp = &p->spreads[i];
    for (uint32_t i = 0; i < f->n; i++)
        constraint_prepare(c, &f->constraints[i], p->spreads, p->n_spreads);
    if (f->n)
        c->spread_filter = f;
}

static bool filter(struct cycle *c, const struct node *n, struct verdict *ret)
{
    const struct filter_state *f = c->spread_filter;

    for (uint32_t i = 0; f && i < f->n; i++) {
        struct constraint *k = &f->constraints[i];
        int64_t *domain, here;
        str value;

        if (!label_get(n->labels, k->sp->topology_key, &value)) {
            verdict_add(
                ret,
                "node(s) didn't match pod topology spread constraints (missing required label)",
                true);
            return false;
        }
        domain = pair_at(&k->domains, STR_NONE, value, false);
        here = (domain ? *domain : 0) + k->counts_self;
        if (here - k->fewest > k->sp->max_skew) {
            verdict_add(ret, "node(s) didn't match pod topology spread constraints", false);
            return false;
        }
    }
    return true;
}

/* ---- weighing ---- */
struct soft {
    const struct spread *sp;
    bool is_hostname;
    struct pair_table domains;
    double weight; /* of a pod: grows with the number of domains */
    const struct profile **counted;
    uint32_t n_counted;
};
struct score_state {
    struct soft *soft;
    uint32_t n;
    bool all_keys; /* nodes without all the keys are left out */
    const struct spread *spreads;
    uint32_t n_spreads;
};

static void soft_prepare(struct cycle *c, struct score_state *st, struct soft *k)
{
    const struct profile *other;
    uint32_t n_left = 0, cap = 0;

    k->is_hostname = str_is(k->sp->topology_key, HOSTNAME_KEY);
    k->domains.arena = c->arena;
    for (uint32_t i = 0; i < c->n_feasible; i++) {
        const struct node *n = c->feasible[i];
        str value;

        if (st->all_keys && !has_keys(n, st->spreads, st->n_spreads, false))
            continue;
        n_left++;
        if (!k->is_hostname && label_get(n->labels, k->sp->topology_key, &value))
            pair_at(&k->domains, STR_NONE, value, true);
    }
    k->weight = log((double)(k->is_hostname ? n_left : k->domains.n) + 2);
    LIST_EACH(other, &c->s->profile_list, link) {
        if (!other->n_tally || !counts_for(k->sp, c->profile, other))
            continue;
        if (k->n_counted == cap) {
            uint32_t grown = cap ? cap * 2 : 4;

            k->counted = arena_grow(c->arena, k->counted, cap * sizeof *k->counted,
                                    grown * sizeof *k->counted);
            cap = grown;
        }
        k->counted[k->n_counted++] = other;
    }
    for (uint32_t i = 0; i < k->n_counted && !k->is_hostname; i++) {
        for (uint32_t t = 0; t < k->counted[i]->n_tally; t++) {
            const struct tally_item *item = &k->counted[i]->tally[t];
            int64_t *domain;
            str value;

            if (!item->node->present ||
                (st->all_keys && !has_keys(item->node, st->spreads, st->n_spreads, false)))
                continue;
            if (!node_is_included(k->sp, c->profile, item->node) ||
                !label_get(item->node->labels, k->sp->topology_key, &value))
                continue;
            domain = pair_at(&k->domains, STR_NONE, value, false);
            if (domain)
                *domain += item->n - item->n_terminating;
        }
    }
}

static void prepare_score(struct cycle *c)
{
    const struct profile *p = c->profile;
    struct score_state *st = ARENA_NEW(c->arena, struct score_state);

    c->spread_score = NULL;
    st->spreads = p->n_spreads ? p->spreads : by_default;
    st->n_spreads = p->n_spreads ? p->n_spreads : ARRAY_LEN(by_default);
    st->all_keys = p->n_spreads > 0;
    if (!p->n_spreads && !p->owner.n)
        return;
    st->soft = ARENA_NEW_N(c->arena, struct soft, st->n_spreads);
    for (uint32_t i = 0; i < st->n_spreads; i++)
        if (!st->spreads[i].hard)
            st->soft[st->n++].sp = &st->spreads[i];
    for (uint32_t i = 0; i < st->n; i++)
        soft_prepare(c, st, &st->soft[i]);
    if (st->n)
        c->spread_score = st;
}

static double score(struct cycle *c, const struct node *n, bool *ret_ignored)
{
    struct score_state *st = c->spread_score;
    double sum = 0;

    if (!st)
        return 0;
    if (st->all_keys && !has_keys(n, st->spreads, st->n_spreads, false)) {
        *ret_ignored = true;
        return 0;
    }
    for (uint32_t i = 0; i < st->n; i++) {
        struct soft *k = &st->soft[i];
        int64_t pods = 0, *domain;
        str value;

        if (!label_get(n->labels, k->sp->topology_key, &value))
            continue;
        if (k->is_hostname) {
            for (uint32_t t = 0; t < k->n_counted; t++)
                pods += tally_living_on(k->counted[t], n);
        } else {
            domain = pair_at(&k->domains, STR_NONE, value, false);
            pods = domain ? *domain : 0;
        }
        sum += (double)pods * k->weight + (double)(k->sp->max_skew - 1);
    }
    return round(sum);
}

/* Fewer matching pods are better; the distance between the most and the fewest matters, not their number. */
static void normalize(double *scores, const bool *ignored, uint32_t n)
{
    double low = INFINITY, high = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (ignored[i])
            continue;
        low = fmin(low, scores[i]);
        high = fmax(high, scores[i]);
    }
    for (uint32_t i = 0; i < n; i++)
        scores[i] = ignored[i]  ? 0
                    : high == 0 ? SCORE_MAX
                                : floor(SCORE_MAX * (high + low - scores[i]) / high);
}

const struct plugin plugin_pod_topology_spread = {
    .name = "PodTopologySpread",
    .requeue_on = EVENT_NODE_ADDED | EVENT_NODE_GONE | EVENT_NODE_LABELS | EVENT_NODE_TAINTS |
                  EVENT_POD_ADDED | EVENT_POD_CHANGED | EVENT_POD_GONE,
    .prepare = prepare,
    .filter = filter,
    .prepare_score = prepare_score,
    .score = score,
    .normalize = normalize,
    .weight = 2,
};
