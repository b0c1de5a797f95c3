/* backoff.h - how long to wait before the next try of what failed: doubling waits per key, forgotten after calm. */
#ifndef K1S_KUBELET_BACKOFF_H
#define K1S_KUBELET_BACKOFF_H
#include "loop/loop.h"
struct backoff {
    int64_t first_ns, max_ns;
};
struct backoff_entry { /* zeroed: never failed */
    int64_t delay_ns;
    wall_time last; /* when it was last raised */
};
#define BACKOFF_CONTAINER                                                                          \
    ((struct backoff){10 * NS_PER_S, 300 * NS_PER_S}) /* crash loops, image pulls */
/* Until when the key must wait, given the time of the last failure; <= 0: not at all. */
int64_t backoff_wait_ns(const struct backoff *b, struct backoff_entry *e, wall_time failed,
                        wall_time now);
void backoff_raise(const struct backoff *b, struct backoff_entry *e, wall_time now);
#endif
