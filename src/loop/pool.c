/* pool.c - blocking work off the loop: libuv's pool for anything, a thread of its own for what must stay in order.
 *
 * A serial queue's completions come back in batches: one wake-up of the loop for all that finished meanwhile. */
#include "loop/uv_internal.h"

#define SERIAL_STACK (1u << 20) /* bytes */

struct pool_job {
    uv_work_t req; /* of pool_run */
    pool_work_fn *work;
    loop_fn *done;
    void *ctx;
    struct pool_job *next;
};

static void job_work_cb(uv_work_t *req)
{
    struct pool_job *job = req->data;

    job->work(job->ctx);
}

static void job_done_cb(uv_work_t *req, int status)
{
    struct pool_job *job = req->data;
    loop_fn *done = job->done;
    void *ctx = job->ctx;

    mem_free(job);
    if (done)
        done(ctx);
}

void uv_pool_run(struct loop *loop, pool_work_fn *work, loop_fn *done, void *ctx)
{
    struct pool_job *job = NEW(struct pool_job);

    job->work = work;
    job->done = done;
    job->ctx = ctx;
    job->req.data = job;
    BUG_ON(uv_queue_work(&uv_env_of(loop)->uv, &job->req, job_work_cb, job_done_cb));
}

/* ---- serial queues ---- */
struct job_queue {
    struct pool_job *first, **last;
};

static void jobs_init(struct job_queue *q)
{
    q->first = NULL;
    q->last = &q->first;
}

static void jobs_add(struct job_queue *q, struct pool_job *job)
{
    job->next = NULL;
    *q->last = job;
    q->last = &job->next;
}

static struct pool_job *jobs_take(struct job_queue *q)
{
    struct pool_job *job = q->first;

    if (job) {
        q->first = job->next;
        if (!q->first)
            q->last = &q->first;
    }
    return job;
}

struct pool_serial {
    struct loop *loop;
    char name[16]; /* the kernel's limit */
    pthread_t thread;
    /* The loop's alone: */
    bool freed; /* by its owner; the memory goes when no completion is on its way any more */
    bool delivering;
    unsigned n_virtual; /* completions on their way in the virtual environment */
    int64_t last_ns;    /* when the last of them is due: completions stay in order */

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t more;
    struct job_queue todo, behind, finished;
    bool posted; /* serial_deliver() will run */
    bool ending;
};

static void serial_free_if_unused(struct pool_serial *q)
{
    if (!q->freed || q->delivering || q->n_virtual || q->posted)
        return;
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->more);
    mem_free(q);
}

static void job_finish(struct pool_serial *q, struct pool_job *job)
{
    loop_fn *done = job->done;
    void *ctx = job->ctx;

    mem_free(job);
    if (!q->freed && done)
        done(ctx);
}

/* On the loop: runs what has finished, in order. */
static void serial_deliver(void *ctx)
{
    struct pool_serial *q = ctx;
    struct pool_job *job;

    pthread_mutex_lock(&q->lock);
    q->posted = false;
    job = q->finished.first;
    jobs_init(&q->finished);
    pthread_mutex_unlock(&q->lock);
    q->delivering = true;
    while (job) {
        struct pool_job *next = job->next;

        uv_env_release(uv_env_of(q->loop));
        job_finish(q, job);
        job = next;
    }
    q->delivering = false;
    serial_free_if_unused(q);
}

static void *serial_main(void *arg)
{
    struct pool_serial *q = arg;

    pthread_setname_np(pthread_self(), q->name);
    pthread_mutex_lock(&q->lock);
    for (;;) {
        struct pool_job *job = jobs_take(&q->todo);

        if (!job)
            job = jobs_take(&q->behind);
        if (!job) {
            if (q->ending)
                break;
            pthread_cond_wait(&q->more, &q->lock);
            continue;
        }
        pthread_mutex_unlock(&q->lock);
        job->work(job->ctx);
        pthread_mutex_lock(&q->lock);
        jobs_add(&q->finished, job);
        if (!q->posted)
            loop_post(q->loop, serial_deliver, q);
        q->posted = true;
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

struct pool_serial *pool_serial_new(struct loop *loop, const char *name)
{
    struct pool_serial *q = NEW(struct pool_serial);
    pthread_attr_t attr;

    BUG_ON(!loop_is_mine(loop));
    q->loop = loop;
    snprintf(q->name, sizeof q->name, "%s", name);
    jobs_init(&q->todo);
    jobs_init(&q->behind);
    jobs_init(&q->finished);
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->more, NULL);
    if (loop_is_virtual(loop))
        return q;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, SERIAL_STACK);
    BUG_ON(pthread_create(&q->thread, &attr, serial_main, q));
    pthread_attr_destroy(&attr);
    return q;
}

static void serial_virtual_done(void *ctx)
{
    struct pool_job *job = ctx;
    struct pool_serial *q = job->req.data;

    job_finish(q, job);
    q->n_virtual--;
    serial_free_if_unused(q);
}

static void serial_add(struct pool_serial *q, struct job_queue *to, pool_work_fn *work,
                       loop_fn *done, void *ctx)
{
    struct pool_job *job = NEW(struct pool_job);

    BUG_ON(!loop_is_mine(q->loop));
    job->work = work;
    job->done = done;
    job->ctx = ctx;
    if (loop_is_virtual(q->loop)) {
        work(ctx);
        job->req.data = q;
        q->n_virtual++;
        q->last_ns = MAX(q->last_ns, loop_now(q->loop).ns + q->loop->ops->latency(q->loop));
        loop_at(q->loop, q->last_ns, serial_virtual_done, job);
        return;
    }
    uv_env_hold(uv_env_of(q->loop));
    pthread_mutex_lock(&q->lock);
    jobs_add(to, job);
    pthread_cond_signal(&q->more);
    pthread_mutex_unlock(&q->lock);
}

void pool_serial_run(struct pool_serial *q, pool_work_fn *work, loop_fn *done, void *ctx)
{
    serial_add(q, &q->todo, work, done, ctx);
}

void pool_serial_run_behind(struct pool_serial *q, pool_work_fn *work, loop_fn *done, void *ctx)
{
    serial_add(q, &q->behind, work, done, ctx);
}

void pool_serial_free(struct pool_serial *q)
{
    if (!q)
        return;
    BUG_ON(!loop_is_mine(q->loop));
    if (!loop_is_virtual(q->loop)) {
        pthread_mutex_lock(&q->lock);
        q->ending = true;
        pthread_cond_signal(&q->more);
        pthread_mutex_unlock(&q->lock);
        pthread_join(q->thread, NULL);
    }
    q->freed = true;
    serial_free_if_unused(q);
}
