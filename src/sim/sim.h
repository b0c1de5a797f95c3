/* sim.h - a whole cluster on one thread under virtual time: API, store, controllers, scheduler and hollow nodes. */
#ifndef K1S_SIM_H
#define K1S_SIM_H
#include "api/api.h"
#include "client/client.h"
#include "loop/loop.h"
struct sim;
struct sim_options {
    uint64_t seed;
    int n_nodes;
    struct virtual_faults faults;
};
struct sim *sim_new(const struct sim_options *o);
void sim_free(struct sim *s);
struct loop *sim_loop(struct sim *s);
struct client *sim_client(struct sim *s); /* as system:admin, in system:masters */
void sim_run(struct sim *s, int64_t for_ns);
bool sim_run_until(struct sim *s, int64_t limit_ns, bool (*cond)(void *ctx), void *ctx);
void sim_node_stop(struct sim *s, int node); /* the hollow kubelet falls silent */
void sim_node_start(struct sim *s, int node);
/* Everything that the API published, a line per event, in order: equal for equal seeds. */
str sim_log(const struct sim *s);
/* Calls and waits in virtual time. */
struct err *sim_call(struct sim *s, const char *method, const char *path, str body,
                     struct buf *ret_body);
#endif
