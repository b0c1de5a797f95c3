/* preemption.c - room for a pod by evicting pods of lower priority.
 *
 * Each node that was refused for a reason that evictions may cure is tried on the live state: all pods of lower priority
 * are taken off, and put back one after the other as long as the pod still fits, those first whose eviction would break a
 * PodDisruptionBudget; what stays off are the victims. Everything is put back before the next node.
 * API: https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/ */
#include "scheduler/scheduler_internal.h"

#define CANDIDATES_MAX 100 /* minCandidateNodesAbsolute */
#define PREFIX                                                                                     \
    "no new claims to deallocate, preemption: " /* what the plugin for devices says first */

struct candidate {
    const struct node *node;
    struct pod **victims; /* by falling priority */
    uint32_t n_victims, n_violations;
};

/* ---- PodDisruptionBudgets ---- */
struct budget {
    str ns;
    struct selector selector;
    int64_t allowed, left;        /* left: while the pods of a node are counted */
    const struct json *disrupted; /* pods that are on their way out already */
};
struct budgets {
    struct arena *a;
    struct budget *list;
    uint32_t n;
};

void budget_reduce(const struct json *tree, struct buf *out)
{
    const struct json *selector = json_path(tree, "spec.selector"),
                      *disrupted = json_path(tree, "status.disruptedPods");

    buf_fmt(out, "{\"allowed\":%lld",
            (long long)json_get_int(tree, "status.disruptionsAllowed", 0));
    if (selector) {
        buf_z(out, ",\"selector\":");
        json_encode(out, selector);
    }
    if (disrupted) {
        buf_z(out, ",\"disrupted\":");
        json_encode(out, disrupted);
    }
    buf_char(out, '}');
}

static bool add_budget(void *ctx, const struct obj *o)
{
    struct budgets *all = ctx;
    struct budget b = {.ns = o->key.ns};
    struct json *t = NULL;
    struct err *err = json_parse(all->a, arena_dup(all->a, o->data), NULL, NULL, &t);

    if (!err)
        err = selector_from_object(all->a, json_findz(t, "selector"), &b.selector);
    if (err) { /* the API refuses such */
        err_free(err);
        return true;
    }
    if (!b.selector.n_terms)
        return true;
    b.allowed = json_get_int(t, "allowed", 0);
    b.disrupted = json_findz(t, "disrupted");
    all->list = arena_grow(all->a, all->list, all->n * sizeof b, (all->n + 1) * sizeof b);
    all->list[all->n++] = b;
    return true;
}

/* One more of these pods goes: does that break a budget?
 * Source: defaultpreemption (filterPodsWithPDBViolation). */
static bool breaks_budget(struct budgets *all, const struct pod *p)
{
    bool breaks = false;

    for (uint32_t i = 0; i < all->n; i++) {
        struct budget *b = &all->list[i];

        if (str_is(b->ns, p->ns) && p->profile->labels.n &&
            selector_matches_packed(&b->selector, p->profile->labels) &&
            !json_find(b->disrupted, str_of(p->name)))
            breaks |= --b->left < 0;
    }
    return breaks;
}

/* ---- one node ---- */

static int victim_cmp(const void *a, const void *b, void *ctx)
{
    const struct pod *x = *(struct pod *const *)a, *y = *(struct pod *const *)b;

    if (x->profile->priority != y->profile->priority)
        return x->profile->priority > y->profile->priority ? -1 : 1;
    if (x->start_ns != y->start_ns)
        return x->start_ns < y->start_ns ? -1 : 1;
    return str_cmp(str_of(x->uid), str_of(y->uid));
}

static bool fits_now(struct scheduler *s, const struct pod *p, const struct node *n,
                     struct verdict *v)
{
    struct cycle c;
    uint32_t plugin;

    arena_reset(s->dry_arena);
    cycle_begin(&c, s, p, s->dry_arena);
    return cycle_fits(&c, n, v, &plugin);
}

/* false: not helpful, and why. */
static bool dry_run(struct scheduler *s, struct pod *p, struct node *n, struct budgets *budgets,
                    struct candidate *ret, struct verdict *v)
{
    struct pod **lower = ARENA_NEW_N(s->arena, struct pod *, n->n_pods),
               **order = ARENA_NEW_N(s->arena, struct pod *, n->n_pods);
    uint32_t n_lower = 0, n_victims = 0, n_breaking = 0, n_violations = 0, n_others = 0;
    bool fits;

    *v = (struct verdict){.n_reasons = 0};
    for (uint32_t i = 0; i < n->n_pods; i++)
        if (n->pods[i]->profile->priority < p->profile->priority)
            lower[n_lower++] = n->pods[i];
    if (!n_lower) {
        verdict_add(v, "No preemption victims found for incoming pod", true);
        return false;
    }
    sort_with(lower, n_lower, sizeof *lower, victim_cmp, NULL);
    for (uint32_t i = 0; i < n_lower; i++)
        node_take_pod(s, lower[i]);
    fits = fits_now(s, p, n, v);
    for (uint32_t i = 0; i < budgets->n; i++)
        budgets->list[i].left = budgets->list[i].allowed;
    for (uint32_t i = 0; i < n_lower; i++) { /* in order within each of the two */
        if (breaks_budget(budgets, lower[i]))
            order[n_breaking++] = lower[i];
        else
            lower[n_others++] = lower[i];
    }
    memcpy(order + n_breaking, lower, n_others * sizeof *lower);
    for (uint32_t i = 0; i < n_lower; i++) {
        struct verdict ignored;

        node_put_pod(n, order[i]);
        if (!fits || fits_now(s, p, n, &ignored))
            continue;
        node_take_pod(s, order[i]);
        lower[n_victims++] = order[i];
        n_violations += i < n_breaking;
    }
    for (uint32_t i = 0; i < n_victims; i++)
        node_put_pod(n, lower[i]);
    if (!fits)
        return false;
    if (n_victims)
        sort_with(lower, n_victims, sizeof *lower, victim_cmp, NULL);
    *ret = (struct candidate){n, lower, n_victims, n_violations};
    return n_victims > 0;
}

/* Fewer broken budgets are better, then fewer and less important victims. */
static bool is_better(const struct candidate *a, const struct candidate *b)
{
    int64_t sum_a = 0, sum_b = 0;

    if (a->n_violations != b->n_violations)
        return a->n_violations < b->n_violations;
    if (a->victims[0]->profile->priority != b->victims[0]->profile->priority)
        return a->victims[0]->profile->priority < b->victims[0]->profile->priority;
    for (uint32_t i = 0; i < a->n_victims; i++)
        sum_a += (int64_t)a->victims[i]->profile->priority + INT32_MAX + 1;
    for (uint32_t i = 0; i < b->n_victims; i++)
        sum_b += (int64_t)b->victims[i]->profile->priority + INT32_MAX + 1;
    if (sum_a != sum_b)
        return sum_a < sum_b;
    if (a->n_victims != b->n_victims)
        return a->n_victims < b->n_victims;
    return a->victims[0]->start_ns > b->victims[0]->start_ns;
}

/* Its earlier victims are still going: nothing to do but wait. */
static bool waits_for_victims(const struct pod *p)
{
    const struct node *n = p->nominated;

    for (uint32_t i = 0; n && i < n->n_pods; i++)
        if (n->pods[i]->terminating && n->pods[i]->profile->priority < p->profile->priority)
            return true;
    return false;
}

void preempt(struct scheduler *s, struct pod *p, const struct diagnosis *d, struct buf *ret_message,
             struct node **ret_node)
{
    struct candidate chosen = {0}, candidate;
    struct diagnosis why = {.reasons = {.arena = s->arena}, .n_nodes = d->n_nodes};
    struct budgets budgets = {.a = s->arena};
    uint32_t n_candidates = 0, n_told = 0;
    struct verdict v;

    *ret_node = NULL;
    if (!d->n_nodes)
        return;
    if (p->profile->never_preempts) {
        buf_z(ret_message, PREFIX "not eligible due to preemptionPolicy=Never.");
        return;
    }
    if (waits_for_victims(p)) {
        buf_z(ret_message, PREFIX "not eligible due to a terminating pod on the nominated node.");
        *ret_node = p->nominated;
        return;
    }
    if (d->n_resolvable)
        informer_each(s->budget_informer, STR_NONE, add_budget, &budgets);
    for (uint32_t i = 0; i < d->n_resolvable && n_candidates < CANDIDATES_MAX; i++) {
        if (dry_run(s, p, (struct node *)d->resolvable[i], &budgets, &candidate, &v)) {
            if (!n_candidates++ || is_better(&candidate, &chosen))
                chosen = candidate;
            continue;
        }
        n_told++;
        for (uint32_t r = 0; r < v.n_reasons; r++)
            diagnosis_count(&why, v.reasons[r], 1);
    }
    if (!n_candidates) {
        if (why.n_nodes > n_told)
            diagnosis_count(&why, "Preemption is not helpful for scheduling", why.n_nodes - n_told);
        buf_z(ret_message, PREFIX);
        diagnosis_text(&why, STR_NONE, ret_message);
        return;
    }
    for (uint32_t i = 0; i < chosen.n_victims; i++)
        if (!chosen.victims[i]->terminating)
            evict(s, chosen.victims[i], p, chosen.node);
    *ret_node = (struct node *)chosen.node;
}
