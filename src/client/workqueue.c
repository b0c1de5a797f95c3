/* workqueue.c - which keys are due, which are at work, and when a failed one comes again.
 *
 * Invariants (client-go's, https://pkg.go.dev/k8s.io/client-go/util/workqueue)
 *   (1) A key is handed out to one worker at a time.
 *   (2) A key added any number of times before its turn is handed out once; one added while at work
 * comes again afterwards. (3) A retry waits 5 ms * 2^(failures-1), at most 1000 s; success forgets
 * the failures. */
#include "client/client.h"

#define RETRY_BASE_NS (5 * NS_PER_MS)
#define RETRY_MAX_NS (1000 * NS_PER_S)
#define TURN_MAX                                                                                   \
    32 /* items started per turn of the loop, so that sockets are served in between   \
                     */

struct item {
    struct workqueue *q;
    struct list link; /* in q->due while `due` and not `busy` */
    bool due, busy;
    unsigned failures;
    struct loop_timer *timer; /* NULL: never delayed */
    int64_t timer_at_ns;
    size_t key_n;
    char key[];
};

struct workqueue {
    struct loop *loop;
    workqueue_fn *fn;
    void *ctx;
    int parallel, n_busy;
    struct map items;
    struct list due;
    bool pumping; /* a pump is deferred */
    bool freed;
};

static str item_key(const struct item *it)
{
    return (str){it->key, it->key_n};
}

static void item_free(struct item *it)
{
    loop_timer_free(it->timer);
    mem_free(it);
}

static void item_release(struct item *it)
{
    if (it->due || it->busy || it->failures || (it->timer && loop_timer_is_set(it->timer)))
        return;
    map_del(&it->q->items, item_key(it));
    item_free(it);
}

struct workqueue *workqueue_new(struct loop *loop, workqueue_fn *fn, void *ctx, int parallel)
{
    struct workqueue *q = NEW(struct workqueue);

    q->loop = loop;
    q->fn = fn;
    q->ctx = ctx;
    q->parallel = parallel;
    map_init(&q->items);
    list_init(&q->due);
    return q;
}

void workqueue_free(struct workqueue *q)
{
    if (!q)
        return;
    MAP_EACH(e, &q->items)
        item_free(e->value);
    map_fini(&q->items);
    q->freed = true;
    if (!q->pumping)
        mem_free(q);
}

static void queue_pump(void *ctx);

static void queue_wake(struct workqueue *q)
{
    if (q->pumping || q->n_busy >= q->parallel || list_is_empty(&q->due))
        return;
    q->pumping = true;
    loop_defer(q->loop, queue_pump, q);
}

static void queue_pump(void *ctx)
{
    struct workqueue *q = ctx;

    for (int n = 0; !q->freed && n < TURN_MAX && q->n_busy < q->parallel && !list_is_empty(&q->due);
         n++) {
        struct item *it = LIST_ITEM(q->due.next, struct item, link);

        list_del(&it->link);
        it->due = false;
        it->busy = true;
        q->n_busy++;
        q->fn(q->ctx, item_key(it));
    }
    if (q->freed) {
        mem_free(q);
        return;
    }
    q->pumping = false;
    queue_wake(q);
}

static struct item *queue_item(struct workqueue *q, str key)
{
    struct item *it = map_find(&q->items, key);

    if (!it) {
        it = mem_zalloc(sizeof *it + key.n + 1);
        it->q = q;
        it->key_n = key.n;
        memcpy(it->key, key.p, key.n);
        list_init(&it->link);
        map_put(&q->items, key, it);
    }
    return it;
}

static void item_add(struct item *it)
{
    if (it->due)
        return;
    it->due = true;
    if (!it->busy) {
        list_add_tail(&it->q->due, &it->link);
        queue_wake(it->q);
    }
}

void workqueue_add(struct workqueue *q, str key)
{
    BUG_ON(!loop_is_mine(q->loop));
    item_add(queue_item(q, key));
}

static void item_timer(void *ctx)
{
    item_add(ctx);
}

static void item_delay(struct item *it, int64_t delay_ns)
{
    int64_t at = loop_now(it->q->loop).ns + delay_ns;

    if (!it->timer)
        it->timer = loop_timer_new(it->q->loop, item_timer, it);
    else if (loop_timer_is_set(it->timer) && it->timer_at_ns <= at)
        return;
    it->timer_at_ns = at;
    loop_timer_set(it->timer, delay_ns);
}

void workqueue_add_after(struct workqueue *q, str key, int64_t delay_ns)
{
    if (delay_ns <= 0)
        workqueue_add(q, key);
    else
        item_delay(queue_item(q, key), delay_ns);
}

void workqueue_forget_delay(struct workqueue *q, str key)
{
    struct item *it = map_find(&q->items, key);

    if (!it || !it->timer)
        return;
    loop_timer_stop(it->timer);
    item_release(it);
}

void workqueue_done(struct workqueue *q, str key, bool retry)
{
    struct item *it = map_find(&q->items, key);

    BUG_ON(!it || !it->busy);
    it->busy = false;
    q->n_busy--;
    if (retry) {
        int64_t delay = RETRY_MAX_NS;

        if (it->failures < 18)
            delay = MIN(RETRY_BASE_NS << it->failures, RETRY_MAX_NS);
        it->failures++;
        item_delay(it, delay);
    } else {
        it->failures = 0;
    }
    if (it->due)
        list_add_tail(&q->due, &it->link);
    else
        item_release(it);
    queue_wake(q);
}
