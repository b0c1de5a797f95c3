/* node_resources.c - NodeResourcesFit: what a pod requests must be left on the node; the least requested node is liked best
 * (LeastAllocated). NodeResourcesBalancedAllocation: CPU and memory should be used to the same degree.
 *
 * When refusing, a request beyond the whole node is told apart: no eviction would help. */
#include "scheduler/scheduler_internal.h"

#include <math.h>

/* What pods of at least this priority have been promised on the node, for which others were evicted. */
static void add_nominated(const struct cycle *c, const struct node *n, struct demand *sum,
                          int64_t *pods)
{
    const struct pod *p;

    LIST_EACH(p, &n->nominated, nominated_link) {
        if (p == c->pod || p->node || p->profile->priority < c->profile->priority)
            continue;
        demand_add(sum, &p->profile->request, 1);
        ++*pods;
    }
}

static bool check(int64_t wanted, int64_t used, int64_t whole, const char *reason,
                  struct verdict *ret)
{
    if (wanted <= 0 || wanted <= whole - used)
        return true;
    verdict_add(ret, reason, wanted > whole);
    return false;
}

static bool filter(struct cycle *c, const struct node *n, struct verdict *ret)
{
    const struct demand *want = &c->profile->request, *whole = &n->allocatable,
                        *used = &n->requested;
    struct demand promised = {0};
    int64_t pods = n->n_pods;
    bool fits = true;

    if (!list_is_empty(&n->nominated)) {
        add_nominated(c, n, &promised, &pods);
        demand_add(&promised, used, 1);
        used = &promised;
    }
    if (pods + 1 > n->allocatable_pods) {
        verdict_add(ret, "Too many pods", false);
        fits = false;
    }
    fits &= check(want->cpu_milli, used->cpu_milli, whole->cpu_milli, "Insufficient cpu", ret);
    fits &= check(want->mem_bytes, used->mem_bytes, whole->mem_bytes, "Insufficient memory", ret);
    fits &= check(want->eph_bytes, used->eph_bytes, whole->eph_bytes,
                  "Insufficient ephemeral-storage", ret);
    for (uint32_t i = 0; i < want->n_extended; i++) {
        uint32_t id = want->extended[i].id;

        fits &= check(want->extended[i].value, demand_extended(used, id),
                      demand_extended(whole, id), c->s->insufficient[id], ret);
    }
    demand_fini(&promised);
    return fits;
}

static int64_t least(int64_t requested, int64_t whole)
{
    if (whole == 0 || requested > whole)
        return 0;
    return (whole - requested) * SCORE_MAX / whole;
}

static double score_least(struct cycle *c, const struct node *n, bool *ret_ignored)
{
    int64_t sum = 0, weights = 0;

    if (n->allocatable.cpu_milli) {
        sum += least(n->score_cpu_milli + c->profile->score_cpu_milli, n->allocatable.cpu_milli);
        weights++;
    }
    if (n->allocatable.mem_bytes) {
        sum += least(n->score_mem_bytes + c->profile->score_mem_bytes, n->allocatable.mem_bytes);
        weights++;
    }
    return weights ? (double)(sum / weights) : 0;
}

static double fraction(int64_t requested, int64_t whole)
{
    return MIN((double)requested / (double)whole, 1.0);
}

static double score_balanced(struct cycle *c, const struct node *n, bool *ret_ignored)
{
    const struct demand *want = &c->profile->request, *whole = &n->allocatable;
    double deviation;

    /* A pod without requests changes nothing; the score is then the same for all nodes. */
    if (!want->cpu_milli && !want->mem_bytes)
        return 0;
    if (!whole->cpu_milli || !whole->mem_bytes)
        return SCORE_MAX;
    deviation = fabs(fraction(n->requested.cpu_milli + want->cpu_milli, whole->cpu_milli) -
                     fraction(n->requested.mem_bytes + want->mem_bytes, whole->mem_bytes)) /
                2;
    return floor((1 - deviation) * SCORE_MAX);
}

const struct plugin plugin_node_resources_fit = {
    .name = "NodeResourcesFit",
    .requeue_on = EVENT_NODE_ADDED | EVENT_NODE_ALLOCATABLE | EVENT_POD_GONE | EVENT_POD_CHANGED,
    .filter = filter,
    .score = score_least,
    .weight = 1,
};

const struct plugin plugin_node_resources_balanced = {
    .name = "NodeResourcesBalancedAllocation",
    .score = score_balanced,
    .weight = 1,
};
