/* queue.c - which pod is next.
 *
 *   active         may be tried now: by priority, then by age
 *   backoff        failed lately: 1 s, 2 s, 4 s, 8 s, 10 s from its last try, then active
 *   unschedulable  waits for an event of the cluster that may help it (at most 5 minutes)
 *
 * An event that concerns a plugin which refused a pod moves it on: to active, or to backoff if its pause is not over.
 * One timer serves the backoff heap, one the unschedulable list, and both run only when something waits there. */
#include "scheduler/scheduler_internal.h"

/* ---- heaps ---- */
static bool active_before(const struct pod *a, const struct pod *b)
{
    if (a->profile->priority != b->profile->priority)
        return a->profile->priority > b->profile->priority;
    return a->queued_ns != b->queued_ns ? a->queued_ns < b->queued_ns : a->seq < b->seq;
}

static bool backoff_before(const struct pod *a, const struct pod *b)
{
    return a->backoff_ns != b->backoff_ns ? a->backoff_ns < b->backoff_ns : a->seq < b->seq;
}

static void heap_set(struct pod_heap *h, uint32_t i, struct pod *p)
{
    h->items[i] = p;
    p->heap_at = i + 1;
}

static void heap_up(struct pod_heap *h, uint32_t i, struct pod *p)
{
    for (; i && h->before(p, h->items[(i - 1) / 2]); i = (i - 1) / 2)
        heap_set(h, i, h->items[(i - 1) / 2]);
    heap_set(h, i, p);
}

static void heap_down(struct pod_heap *h, uint32_t i, struct pod *p)
{
    for (uint32_t child; (child = 2 * i + 1) < h->n; i = child) {
        if (child + 1 < h->n && h->before(h->items[child + 1], h->items[child]))
            child++;
        if (!h->before(h->items[child], p))
            break;
        heap_set(h, i, h->items[child]);
    }
    heap_set(h, i, p);
}

static void heap_add(struct pod_heap *h, struct pod *p)
{
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 64;
        h->items = mem_realloc(h->items, h->cap * sizeof *h->items);
    }
    heap_up(h, h->n++, p);
}

static void heap_remove(struct pod_heap *h, struct pod *p)
{
    uint32_t i = p->heap_at - 1;
    struct pod *last = h->items[--h->n];

    p->heap_at = 0;
    if (last == p)
        return;
    if (i && h->before(last, h->items[(i - 1) / 2]))
        heap_up(h, i, last);
    else
        heap_down(h, i, last);
}

/* ---- the queue ---- */
static void to_active(struct scheduler *s, struct pod *p)
{
    p->place = POD_ACTIVE;
    heap_add(&s->active, p);
    scheduler_wake(s);
}

static void to_backoff(struct scheduler *s, struct pod *p)
{
    p->place = POD_BACKOFF;
    heap_add(&s->backoff, p);
    if (s->backoff.items[0] == p)
        loop_timer_set(s->backoff_timer, p->backoff_ns - loop_now(s->loop).ns);
}

static void backoff_over(void *ctx)
{
    struct scheduler *s = ctx;
    int64_t now = loop_now(s->loop).ns;

    while (s->backoff.n && s->backoff.items[0]->backoff_ns <= now) {
        struct pod *p = s->backoff.items[0];

        heap_remove(&s->backoff, p);
        to_active(s, p);
    }
    if (s->backoff.n)
        loop_timer_set(s->backoff_timer, s->backoff.items[0]->backoff_ns - now);
}

static void move_on(struct scheduler *s, struct pod *p)
{
    list_del(&p->link);
    if (p->backoff_ns > loop_now(s->loop).ns)
        to_backoff(s, p);
    else
        to_active(s, p);
}

/* The list is in the order of failure, so the first is the oldest. */
static void flush_old(void *ctx)
{
    struct scheduler *s = ctx;
    int64_t now = loop_now(s->loop).ns;

    while (!list_is_empty(&s->unschedulable)) {
        struct pod *p = LIST_ITEM(s->unschedulable.next, struct pod, link);

        if (p->unschedulable_ns + UNSCHEDULABLE_MAX_NS > now) {
            loop_timer_set(s->flush_timer, p->unschedulable_ns + UNSCHEDULABLE_MAX_NS - now);
            return;
        }
        move_on(s, p);
    }
}

void queue_init(struct scheduler *s)
{
    s->active.before = active_before;
    s->backoff.before = backoff_before;
    list_init(&s->unschedulable);
    s->backoff_timer = loop_timer_new(s->loop, backoff_over, s);
    s->flush_timer = loop_timer_new(s->loop, flush_old, s);
}

void queue_fini(struct scheduler *s)
{
    loop_timer_free(s->backoff_timer);
    loop_timer_free(s->flush_timer);
    mem_free(s->active.items);
    mem_free(s->backoff.items);
}

void queue_add(struct scheduler *s, struct pod *p)
{
    BUG_ON(p->heap_at);
    if (!p->queued_ns) {
        p->queued_ns = loop_now(s->loop).ns;
        p->seq = s->seq++;
    }
    if (p->backoff_ns > loop_now(s->loop).ns)
        to_backoff(s, p);
    else
        to_active(s, p);
}

void queue_add_failed(struct scheduler *s, struct pod *p, bool error)
{
    int64_t now = loop_now(s->loop).ns, pause = BACKOFF_FIRST_NS;

    for (uint32_t i = 1; i < p->attempts && pause < BACKOFF_MAX_NS; i++)
        pause *= 2;
    p->backoff_ns = now + MIN(pause, BACKOFF_MAX_NS);
    p->queued_ns = now; /* behind those that wait for their first try */
    if (error) {
        to_backoff(s, p);
        return;
    }
    p->place = POD_UNSCHEDULABLE;
    p->unschedulable_ns = now;
    list_add_tail(&s->unschedulable, &p->link);
    if (!loop_timer_is_set(s->flush_timer))
        loop_timer_set(s->flush_timer, UNSCHEDULABLE_MAX_NS);
}

void queue_remove(struct scheduler *s, struct pod *p)
{
    switch (p->place) {
    case POD_ACTIVE:
        heap_remove(&s->active, p);
        break;
    case POD_BACKOFF:
        heap_remove(&s->backoff, p);
        break;
    case POD_UNSCHEDULABLE:
        list_del(&p->link);
        break;
    case POD_NOWHERE:
    case POD_GATED:
    case POD_BINDING:
    case POD_BOUND:
        break;
    }
    p->place = POD_NOWHERE;
}

struct pod *queue_pop(struct scheduler *s)
{
    struct pod *p = s->active.n ? s->active.items[0] : NULL;

    if (!p)
        return NULL;
    heap_remove(&s->active, p);
    p->place = POD_NOWHERE;
    p->attempts++;
    return p;
}

void queue_event(struct scheduler *s, uint32_t cluster_events)
{
    uint32_t helped = 0;
    struct pod *p, *next;

    for (uint32_t i = 0; i < n_plugins; i++)
        if (plugins[i]->requeue_on & cluster_events)
            helped |= 1u << i;
    LIST_EACH_SAFE(p, next, &s->unschedulable, link)
        if (p->failed_plugins & helped)
            move_on(s, p);
}
