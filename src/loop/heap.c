/* heap.c - events ordered by (time, sequence) in a binary heap, and queues of functions.
 *
 * Events know their place, so that a timer is moved or removed in O(log n) and re-arming allocates nothing. */
#include "loop/loop_internal.h"

#define QUEUE_KEPT 1024 /* places; what a flood needed beyond is given back */

static bool event_is_before(const struct loop_event *a, const struct loop_event *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->seq < b->seq;
}

static void heap_set(struct event_heap *h, size_t i, struct loop_event *e)
{
    h->items[i] = e;
    e->at = (uint32_t)i + 1;
}

static void heap_up(struct event_heap *h, size_t i, struct loop_event *e)
{
    while (i > 0) {
        size_t parent = (i - 1) / 2;

        if (!event_is_before(e, h->items[parent]))
            break;
        heap_set(h, i, h->items[parent]);
        i = parent;
    }
    heap_set(h, i, e);
}

static void heap_down(struct event_heap *h, size_t i, struct loop_event *e)
{
    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= h->n)
            break;
        if (child + 1 < h->n && event_is_before(h->items[child + 1], h->items[child]))
            child++;
        if (!event_is_before(h->items[child], e))
            break;
        heap_set(h, i, h->items[child]);
        i = child;
    }
    heap_set(h, i, e);
}

void event_heap_put(struct event_heap *h, struct loop_event *e, int64_t due_ns)
{
    event_heap_del(h, e);
    e->due_ns = due_ns;
    e->seq = h->seq++;
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 16;
        h->items = mem_realloc(h->items, h->cap * sizeof *h->items);
    }
    h->n++;
    heap_up(h, h->n - 1, e);
}

void event_heap_del(struct event_heap *h, struct loop_event *e)
{
    size_t i;
    struct loop_event *last;

    if (!e->at)
        return;
    i = e->at - 1;
    e->at = 0;
    last = h->items[--h->n];
    if (h->cap > QUEUE_KEPT && h->n * 8 < h->cap) {
        h->cap /= 4;
        h->items = mem_realloc(h->items, h->cap * sizeof *h->items);
    }
    if (last == e)
        return;
    if (i > 0 && event_is_before(last, h->items[(i - 1) / 2]))
        heap_up(h, i, last);
    else
        heap_down(h, i, last);
}

void event_heap_fini(struct event_heap *h)
{
    mem_free(h->items);
    memset(h, 0, sizeof *h);
}

void fn_queue_add(struct fn_queue *q, loop_fn *fn, void *ctx)
{
    if (q->n == q->cap) {
        q->cap = q->cap ? q->cap * 2 : 32;
        q->items = mem_realloc(q->items, q->cap * sizeof *q->items);
    }
    q->items[q->n++] = (struct fn_item){fn, ctx};
}

void fn_queue_clear(struct fn_queue *q)
{
    if (q->cap > QUEUE_KEPT)
        fn_queue_fini(q);
    q->n = 0;
}

void fn_queue_fini(struct fn_queue *q)
{
    mem_free(q->items);
    memset(q, 0, sizeof *q);
}
