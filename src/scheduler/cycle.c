/* cycle.c - one pod: which nodes it fits, which of them is best, or why none.
 *
 * Plugins are asked in the order of the table; the first that refuses a node gives the reason. With many nodes only as many
 * feasible ones are looked for as kube-scheduler would, going round from where the last search ended. Equal scores are
 * decided by lot.
 * API: https://kubernetes.io/docs/concepts/scheduling-eviction/scheduling-framework/ */
#include "scheduler/scheduler_internal.h"

const struct plugin *const plugins[] = {
    &plugin_node_unschedulable,     &plugin_taint_toleration,
    &plugin_node_affinity,          &plugin_node_ports,
    &plugin_node_resources_fit,     &plugin_volume_restrictions,
    &plugin_volume_binding,         &plugin_pod_topology_spread,
    &plugin_inter_pod_affinity,     &plugin_node_resources_balanced,
    &plugin_node_declared_features,
};
const uint32_t n_plugins = ARRAY_LEN(plugins);

/* ---- counts ---- */
static uint32_t pair_slot(const struct pair_table *t, str key, str value)
{
    uint64_t hash = str_hash(value) ^ (str_hash(key) * UINT64_C(0x9e3779b97f4a7c15));
    uint32_t mask = 2 * t->cap - 1, i = (uint32_t)(hash ^ (hash >> 32)) & mask;

    while (t->slots[i] && !(str_eq(t->pairs[t->slots[i] - 1].value, value) &&
                            str_eq(t->pairs[t->slots[i] - 1].key, key)))
        i = (i + 1) & mask;
    return i;
}

static void pairs_grow(struct pair_table *t)
{
    uint32_t cap = t->cap ? t->cap * 2 : 8;

    t->pairs = arena_grow(t->arena, t->pairs, t->cap * sizeof *t->pairs, cap * sizeof *t->pairs);
    t->cap = cap;
    t->slots = ARENA_NEW_N(t->arena, uint32_t, 2 * cap);
    for (uint32_t i = 0; i < t->n; i++)
        t->slots[pair_slot(t, t->pairs[i].key, t->pairs[i].value)] = i + 1;
}

int64_t *pair_at(struct pair_table *t, str key, str value, bool make)
{
    uint32_t i = t->cap ? pair_slot(t, key, value) : 0;

    if (t->cap && t->slots[i])
        return &t->pairs[t->slots[i] - 1].n;
    if (!make)
        return NULL;
    if (t->n == t->cap) {
        pairs_grow(t);
        i = pair_slot(t, key, value);
    }
    t->pairs[t->n] = (struct pair){key, value, 0};
    t->slots[i] = ++t->n;
    return &t->pairs[t->n - 1].n;
}

/* ---- verdicts ---- */
void verdict_add(struct verdict *v, const char *reason, bool unresolvable)
{
    if (v->n_reasons < REASONS_MAX)
        v->reasons[v->n_reasons++] = reason;
    v->unresolvable |= unresolvable;
}

void diagnosis_count(struct diagnosis *d, const char *reason, uint32_t n)
{
    *pair_at(&d->reasons, STR_NONE, str_of(reason), true) += n;
}

static int text_cmp(const void *a, const void *b, void *ctx)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

void diagnosis_text(const struct diagnosis *d, str postscript, struct buf *out)
{
    str *texts = ARENA_NEW_N(d->reasons.arena, str, d->reasons.n);

    if (!d->n_nodes) {
        buf_z(out, "no nodes available to schedule pods");
        return;
    }
    for (uint32_t i = 0; i < d->reasons.n; i++)
        texts[i] = arena_fmt(d->reasons.arena, "%lld " PRI_STR, (long long)d->reasons.pairs[i].n,
                             STR_ARG(d->reasons.pairs[i].value));
    if (d->reasons.n)
        sort_with(texts, d->reasons.n, sizeof *texts, text_cmp, NULL);
    buf_fmt(out, "0/%u nodes are available:", d->n_nodes);
    if (d->refusal.n)
        buf_fmt(out, " " PRI_STR ".", STR_ARG(d->refusal));
    for (uint32_t i = 0; i < d->reasons.n; i++)
        buf_fmt(out, "%s " PRI_STR, i ? "," : "", STR_ARG(texts[i]));
    if (d->reasons.n)
        buf_char(out, '.');
    if (postscript.n)
        buf_fmt(out, " " PRI_STR, STR_ARG(postscript));
}

/* ---- filtering ---- */
void cycle_begin(struct cycle *c, struct scheduler *s, const struct pod *p, struct arena *a)
{
    *c = (struct cycle){.s = s, .pod = p, .profile = p->profile, .arena = a};
    for (uint32_t i = 0; i < n_plugins && !c->refusal.n; i++) {
        if (plugins[i]->prepare)
            plugins[i]->prepare(c);
        c->refused_by = i;
    }
}

bool cycle_fits(struct cycle *c, const struct node *n, struct verdict *ret, uint32_t *ret_plugin)
{
    *ret = (struct verdict){.n_reasons = 0};
    for (uint32_t i = 0; i < n_plugins; i++) {
        if (!plugins[i]->filter || plugins[i]->filter(c, n, ret))
            continue;
        *ret_plugin = i;
        return false;
    }
    return true;
}

/* numFeasibleNodesToFind with percentageOfNodesToScore unset. */
static uint32_t feasible_wanted(uint32_t n_nodes)
{
    uint32_t percent = 50 - MIN(n_nodes / 125, 50 - NODES_PERCENT_MIN);

    return n_nodes < NODES_FEASIBLE_MIN ? n_nodes
                                        : MAX(n_nodes * percent / 100, NODES_FEASIBLE_MIN);
}

static void look_at(struct cycle *c, const struct node *n, struct diagnosis *d)
{
    struct verdict v;
    uint32_t plugin;

    if (cycle_fits(c, n, &v, &plugin)) {
        c->feasible[c->n_feasible++] = n;
        return;
    }
    d->failed_plugins |= 1u << plugin;
    for (uint32_t i = 0; i < v.n_reasons; i++)
        diagnosis_count(d, v.reasons[i], 1);
    if (!v.unresolvable)
        d->resolvable[d->n_resolvable++] = n;
}

static void find_feasible(struct cycle *c, struct diagnosis *d)
{
    struct scheduler *s = c->s;
    uint32_t wanted = feasible_wanted(s->n_nodes), i;

    if (c->pod->nominated && c->pod->nominated->present) { /* room was made for it there */
        struct verdict v;
        uint32_t plugin;

        if (cycle_fits(c, c->pod->nominated, &v, &plugin)) {
            c->feasible[c->n_feasible++] = c->pod->nominated;
            return;
        }
    }
    for (i = 0; i < s->n_nodes && c->n_feasible < wanted; i++)
        look_at(c, s->nodes[(s->next_start + i) % s->n_nodes], d);
    s->next_start = (s->next_start + i) % s->n_nodes;
}

/* ---- scoring ---- */
static void normalize_by(double *scores, const bool *ignored, uint32_t n, bool reverse)
{
    double high = 0;

    for (uint32_t i = 0; i < n; i++)
        high = scores[i] > high ? scores[i] : high;
    for (uint32_t i = 0; i < n; i++) {
        double share = high > 0 ? (double)(int64_t)(SCORE_MAX * scores[i] / high) : 0;

        scores[i] = reverse ? SCORE_MAX - share : share;
    }
}

void normalize_high(double *scores, const bool *ignored, uint32_t n)
{
    normalize_by(scores, ignored, n, false);
}

void normalize_low(double *scores, const bool *ignored, uint32_t n)
{
    normalize_by(scores, ignored, n, true);
}

static const struct node *best(struct cycle *c)
{
    uint32_t n = c->n_feasible, n_best = 0;
    double *sum = ARENA_NEW_N(c->arena, double, n), *scores = ARENA_NEW_N(c->arena, double, n);
    bool *ignored = ARENA_NEW_N(c->arena, bool, n);
    const struct node *chosen = NULL;
    double high = -1;

    for (uint32_t k = 0; k < n_plugins; k++) {
        const struct plugin *p = plugins[k];

        if (p->prepare_score)
            p->prepare_score(c);
        if (!p->score)
            continue;
        memset(ignored, 0, n);
        for (uint32_t i = 0; i < n; i++)
            scores[i] = p->score(c, c->feasible[i], &ignored[i]);
        if (p->normalize)
            p->normalize(scores, ignored, n);
        for (uint32_t i = 0; i < n; i++)
            sum[i] += scores[i] * p->weight;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (sum[i] < high)
            continue;
        n_best = sum[i] > high ? 1 : n_best + 1;
        high = sum[i];
        if (n_best == 1 || loop_random_u64(c->s->loop) % n_best == 0)
            chosen = c->feasible[i];
    }
    return chosen;
}

struct node *cycle_run(struct scheduler *s, const struct pod *p, struct diagnosis *ret)
{
    struct cycle c;
    const struct node *chosen;

    arena_reset(s->arena);
    *ret = (struct diagnosis){.reasons = {.arena = s->arena}, .n_nodes = s->n_nodes};
    if (!s->n_nodes) {
        ret->failed_plugins = UINT32_MAX;
        return NULL;
    }
    ret->resolvable = ARENA_NEW_N(s->arena, const struct node *, s->n_nodes);
    cycle_begin(&c, s, p, s->arena);
    if (c.refusal.n) {
        ret->refusal = c.refusal;
        ret->failed_plugins = 1u << c.refused_by;
        return NULL;
    }
    c.feasible = ARENA_NEW_N(s->arena, const struct node *, s->n_nodes + 1);
    find_feasible(&c, ret);
    if (!c.n_feasible)
        return NULL;
    chosen = c.n_feasible == 1 ? c.feasible[0] : best(&c);
    ret->late = volumes_late(&c);
    return (struct node *)chosen; /* the plugins see it as const, its owner does not */
}
