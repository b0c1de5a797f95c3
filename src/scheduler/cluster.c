/* cluster.c - which pods are on which node, what is left there, and how many of a profile.
 *
 * Invariants
 *   (1) node->requested is the sum of the requests of node->pods, assumed ones among them.
 *   (2) profile->tally has an item for each node with pods of the profile, ordered by node id. */
#include "scheduler/scheduler_internal.h"

bool label_get(str packed, str key, str *ret_value)
{
    return packed_get(packed, key, ret_value);
}

/* ---- tallies ---- */
static uint32_t tally_seek(const struct profile *p, const struct node *n)
{
    uint32_t low = 0, high = p->n_tally;

    while (low < high) {
        uint32_t mid = (low + high) / 2;

        if (p->tally[mid].node->id < n->id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void tally_add(struct profile *p, struct node *n, int sign, bool terminating)
{
    uint32_t i = tally_seek(p, n);

    if (i == p->n_tally || p->tally[i].node != n) {
        if (p->n_tally == p->cap_tally) {
            p->cap_tally = p->cap_tally ? p->cap_tally * 2 : 4;
            p->tally = mem_realloc(p->tally, p->cap_tally * sizeof *p->tally);
        }
        memmove(p->tally + i + 1, p->tally + i, (p->n_tally - i) * sizeof *p->tally);
        p->tally[i] = (struct tally_item){.node = n};
        p->n_tally++;
    }
    p->tally[i].n += (uint32_t)sign;
    p->tally[i].n_terminating += terminating ? (uint32_t)sign : 0;
    if (p->tally[i].n == 0) {
        p->n_tally--;
        memmove(p->tally + i, p->tally + i + 1, (p->n_tally - i) * sizeof *p->tally);
    }
}

uint32_t tally_on(const struct profile *p, const struct node *n)
{
    uint32_t i = tally_seek(p, n);

    return i < p->n_tally && p->tally[i].node == n ? p->tally[i].n : 0;
}

uint32_t tally_living_on(const struct profile *p, const struct node *n)
{
    uint32_t i = tally_seek(p, n);

    return i < p->n_tally && p->tally[i].node == n ? p->tally[i].n - p->tally[i].n_terminating : 0;
}

/* ---- nodes ---- */
struct node *node_find_or_make(struct scheduler *s, str name)
{
    struct node *n = map_find(&s->all_nodes, name);

    if (n)
        return n;
    n = NEW(struct node);
    n->id = s->next_node_id++;
    n->name = (str){str_dupz(name), name.n};
    list_init(&n->nominated);
    map_put(&s->all_nodes, name, n);
    return n;
}

void node_appear(struct scheduler *s, struct node *n)
{
    if (s->n_nodes == s->cap_nodes) {
        s->cap_nodes = s->cap_nodes ? s->cap_nodes * 2 : 16;
        s->nodes = mem_realloc(s->nodes, s->cap_nodes * sizeof *s->nodes);
    }
    n->present = true;
    n->at = s->n_nodes;
    s->nodes[s->n_nodes++] = n;
}

void node_vanish(struct scheduler *s, struct node *n)
{
    n->present = false;
    s->nodes[n->at] = s->nodes[--s->n_nodes];
    s->nodes[n->at]->at = n->at;
    while (!list_is_empty(&n->nominated))
        pod_nominate(s, LIST_ITEM(n->nominated.next, struct pod, nominated_link), NULL);
    node_release(s, n);
}

void node_release(struct scheduler *s, struct node *n)
{
    if (n->present || n->n_pods || !list_is_empty(&n->nominated))
        return;
    map_del(&s->all_nodes, n->name);
    demand_fini(&n->allocatable);
    demand_fini(&n->requested);
    mem_free((char *)n->name.p);
    mem_free((char *)n->labels.p);
    mem_free(n->pods);
    if (n->arena)
        arena_free(n->arena);
    mem_free(n);
}

static void account(struct node *n, const struct profile *p, int sign)
{
    demand_add(&n->requested, &p->request, sign);
    n->score_cpu_milli += sign * p->score_cpu_milli;
    n->score_mem_bytes += sign * p->score_mem_bytes;
}

void node_put_pod(struct node *n, struct pod *p)
{
    BUG_ON(p->node);
    if (n->n_pods == n->cap_pods) {
        n->cap_pods = n->cap_pods ? n->cap_pods * 2 : 8;
        n->pods = mem_realloc(n->pods, n->cap_pods * sizeof *n->pods);
    }
    p->node = n;
    p->at = n->n_pods;
    n->pods[n->n_pods++] = p;
    account(n, p->profile, 1);
    tally_add(p->profile, n, 1, p->terminating);
}

void node_take_pod(struct scheduler *s, struct pod *p)
{
    struct node *n = p->node;

    n->pods[p->at] = n->pods[--n->n_pods];
    n->pods[p->at]->at = p->at;
    p->node = NULL;
    account(n, p->profile, -1);
    tally_add(p->profile, n, -1, p->terminating);
    node_release(s, n);
}

void pod_set_profile(struct pod *p, struct profile *next)
{
    if (p->node) {
        account(p->node, p->profile, -1);
        tally_add(p->profile, p->node, -1, p->terminating);
    }
    p->profile = next;
    if (p->node) {
        account(p->node, next, 1);
        tally_add(next, p->node, 1, p->terminating);
    }
}

void pod_set_terminating(struct pod *p, bool terminating)
{
    if (p->terminating == terminating)
        return;
    if (p->node)
        tally_add(p->profile, p->node, -1, p->terminating);
    p->terminating = terminating;
    if (p->node)
        tally_add(p->profile, p->node, 1, p->terminating);
}

void pod_nominate(struct scheduler *s, struct pod *p, struct node *n)
{
    struct node *old = p->nominated;

    if (old == n)
        return;
    if (old)
        list_del(&p->nominated_link);
    p->nominated = n;
    if (n)
        list_add_tail(&n->nominated, &p->nominated_link);
    if (old)
        node_release(s, old);
}
