/* compact.c - when the past is forgotten: what was current five minutes ago stays readable, older states go.
 *
 * As kube-apiserver does with etcd: at each tick everything before the revision of the tick before is compacted, so that
 * history lives between one and two intervals. A store without writes has no tick. A flood of writes is compacted by
 * number, lest the file grow without limit. Rows are deleted in small transactions between batches of writes. */
#include "store/store_internal.h"

#define TRIM_WRITES 200              /* so many are worth a look at the heap once they are over */
#define TRIM_DELAY_NS (3 * NS_PER_S) /* without writes */

static void compact_tick(void *ctx);
static void trim_tick(void *ctx);

void compact_init(struct store *s, int64_t age_ns, size_t history_max)
{
    s->compact_timer = loop_timer_new(s->loop, compact_tick, s);
    s->trim_timer = loop_timer_new(s->loop, trim_tick, s);
    s->compact_age_ns = age_ns;
    s->compact_events = (int64_t)history_max * COMPACT_EVENTS_FACTOR;
    s->compact_target = s->compact_done = s->compacted;
    s->compact_mark = s->visible;
    s->trim_mark = s->visible - TRIM_WRITES - 1; /* a start is a flood, too */
    compact_published(s);
}

void compact_fini(struct store *s)
{
    loop_timer_free(s->compact_timer);
    loop_timer_free(s->trim_timer);
}

/* ---- memory ----
 * A flood of writes leaves the heap full of holes: requests, versions that were replaced, what the components made of them.
 * Once it is over they go back to the system. */

static void trim_work(void *ctx) /* on the disk thread */
{
    mem_trim();
}

static void trim_done(void *ctx)
{
    store_job_end(ctx);
}

static void trim_tick(void *ctx)
{
    struct store *s = ctx;
    bool quiet = s->visible == s->trim_seen;

    s->trim_seen = s->visible;
    if (!quiet) {
        loop_timer_set(s->trim_timer, TRIM_DELAY_NS);
        return;
    }
    s->trim_mark = s->visible;
    store_job_begin(s);
    pool_serial_run_behind(s->disk, trim_work, trim_done, s);
}

static void trim_arm(struct store *s)
{
    if (!s->closing && s->visible - s->trim_mark > TRIM_WRITES && !loop_timer_is_set(s->trim_timer))
        loop_timer_set(s->trim_timer, TRIM_DELAY_NS);
}

/* ---- history ---- */

struct compact_job {
    struct store *s;
    int64_t upto, revision;
    bool more, trim;
    struct err *err;
};

static void compact_work(void *ctx) /* on the disk thread */
{
    struct compact_job *j = ctx;

    j->err = engine_compact(j->s->engine, j->upto, j->revision, COMPACT_BUDGET, &j->more);
    if (!j->more && j->trim) /* history in memory has gone, too */
        mem_trim();
}

static void compact_step(struct store *s);

static void compact_done(void *ctx)
{
    struct compact_job *j = ctx;
    struct store *s = j->s;

    s->compacting = false;
    if (j->err) { /* the next tick tries again; until then the file is larger than it need be */
        log_warning("store", "compaction to revision %lld: %s", (long long)j->upto,
                    err_text(j->err));
        err_free(j->err);
    } else {
        if (!j->more) {
            s->compact_done = j->upto;
            s->trim_due = false;
        }
        compact_step(s);
    }
    mem_free(j);
    store_job_end(s);
}

static void compact_step(struct store *s)
{
    struct compact_job *j;
    int64_t upto = MIN(s->compact_target, watch_oldest_catching_up(s));

    if (s->compacting || s->closing || upto <= s->compact_done)
        return;
    s->compacting = true;
    j = NEW(struct compact_job);
    j->s = s;
    j->upto = upto;
    j->revision = s->visible;
    j->trim = s->trim_due;
    store_job_begin(s);
    pool_serial_run_behind(s->disk, compact_work, compact_done, j);
}

static void arm(struct store *s)
{
    if (!s->closing && !loop_timer_is_set(s->compact_timer) && s->compact_done < s->visible)
        loop_timer_set(s->compact_timer, s->compact_age_ns);
}

static void compact_tick(void *ctx)
{
    struct store *s = ctx;
    int64_t target = s->compact_mark;

    s->compact_mark = s->visible;
    s->trim_due = true; /* not amidst a flood, whose memory is used again at once */
    store_compact(s, target);
    arm(s);
}

void compact_published(struct store *s)
{
    if (s->visible - s->compacted > s->compact_events + s->compact_events / 8)
        store_compact(s, s->visible - s->compact_events);
    arm(s);
    trim_arm(s);
}

/* Thousands of objects may go with it: a turn's worth at a time. */
static void forget_turn(void *ctx)
{
    struct store *s = ctx;

    s->forgetting = history_trim_more(&s->history, TRIM_BUDGET);
    if (s->forgetting)
        loop_defer(s->loop, forget_turn, s);
    else
        store_job_end(s);
}

static void forget(struct store *s, int64_t revision)
{
    if (!history_trim(&s->history, revision, TRIM_BUDGET) || s->forgetting)
        return;
    s->forgetting = true;
    store_job_begin(s);
    loop_defer(s->loop, forget_turn, s);
}

void store_compact(struct store *s, int64_t revision)
{
    BUG_ON(!loop_is_mine(s->loop));
    revision = MIN(revision, s->visible);
    if (revision > s->compacted) {
        s->compacted = revision;
        s->compact_target = revision;
        forget(s, revision);
    }
    compact_step(s);
}
