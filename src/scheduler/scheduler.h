/* scheduler.h - places pods on nodes. */
#ifndef K1S_SCHEDULER_H
#define K1S_SCHEDULER_H
#include "client/client.h"
struct scheduler;
struct scheduler_options {
    struct loop *loop;
    struct client *client; /* as system:kube-scheduler */
    str host;              /* whose name its Events carry; borrowed for the call */
    void (*synced)(void *ctx);
    void *ctx;
};
struct scheduler *scheduler_start(const struct scheduler_options *o);
void scheduler_stop(struct scheduler *s);
#endif
