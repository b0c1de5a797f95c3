/* queue.c - which pod is next.
 *
 *   active         may be tried now: by priority, then by age
 *   backoff        failed lately: 1 s, 2 s, 4 s, 8 s, 10 s from its last try, then active; sooner when nobody else wants to
 *                  be tried (SchedulerPopFromBackoffQ)
 *   errors         likewise, but what failed was a request: the whole pause is kept, lest the server is pressed
 *   unschedulable  waits for an event of the cluster that may help it (at most 5 minutes)
 *
 * An event that concerns a plugin which refused a pod moves it on: to active, or to backoff if its pause is not over.
 * One timer serves the two heaps of pauses, one the unschedulable list, and both run only when something waits there.
 *
 * Source: pkg/scheduler/backend/queue (active_queue.go, backoff_queue.go). */
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

static void pause_timer(struct scheduler *s)
{
    int64_t due = INT64_MAX;

    if (s->backoff.n)
        due = s->backoff.items[0]->backoff_ns;
    if (s->errors.n)
        due = MIN(due, s->errors.items[0]->backoff_ns);
    if (due != INT64_MAX)
        loop_timer_set(s->backoff_timer, due - loop_now(s->loop).ns);
}

static void to_pause(struct scheduler *s, struct pod_heap *h, enum pod_place place, struct pod *p)
{
    p->place = place;
    heap_add(h, p);
    if (h->items[0] == p)
        pause_timer(s);
}

static void to_backoff(struct scheduler *s, struct pod *p)
{
    to_pause(s, &s->backoff, POD_BACKOFF, p);
    scheduler_wake(s);
}

static void end_pauses(struct scheduler *s, struct pod_heap *h)
{
    int64_t now = loop_now(s->loop).ns;

    while (h->n && h->items[0]->backoff_ns <= now) {
        struct pod *p = h->items[0];

        heap_remove(h, p);
        to_active(s, p);
    }
}

static void backoff_over(void *ctx)
{
    struct scheduler *s = ctx;

    end_pauses(s, &s->backoff);
    end_pauses(s, &s->errors);
    pause_timer(s);
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
    s->backoff.before = s->errors.before = backoff_before;
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
    mem_free(s->errors.items);
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
        to_pause(s, &s->errors, POD_ERROR, p);
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
    case POD_ERROR:
        heap_remove(&s->errors, p);
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

bool queue_is_empty(const struct scheduler *s)
{
    return !s->active.n && !s->backoff.n;
}

struct pod *queue_pop(struct scheduler *s)
{
    struct pod_heap *h = s->active.n ? &s->active : &s->backoff;
    struct pod *p = h->n ? h->items[0] : NULL;

    if (!p)
        return NULL;
    heap_remove(h, p);
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
