/* backoff.c - doubling waits per key; see backoff.h. */
#include "kubelet/backoff.h"

/* What has been calm for twice the longest wait starts from the beginning. */
static bool is_forgotten(const struct backoff *b, const struct backoff_entry *e, wall_time at)
{
    return e->delay_ns == 0 || at.ns - e->last.ns > 2 * b->max_ns;
}

int64_t backoff_wait_ns(const struct backoff *b, struct backoff_entry *e, wall_time failed,
                        wall_time now)
{
    if (is_forgotten(b, e, failed) || failed.ns > now.ns) /* the clock was set back */
        return 0;
    return failed.ns + e->delay_ns - now.ns;
}

void backoff_raise(const struct backoff *b, struct backoff_entry *e, wall_time now)
{
    if (is_forgotten(b, e, now))
        e->delay_ns = b->first_ns;
    else
        e->delay_ns = MIN(e->delay_ns * 2, b->max_ns);
    e->last = now;
}
