/* sim_internal.h - the simulated cluster's parts. */
#ifndef K1S_SIM_INTERNAL_H
#define K1S_SIM_INTERNAL_H

#include "controllers/controllers.h"
#include "scheduler/scheduler.h"
#include "sim/sim.h"

struct hollow;
struct sim {
    struct loop *loop;
    struct store *store;
    struct store_watch *watch; /* feeds the log */
    struct api *api;
    struct client *admin, *controllers_client, *scheduler_client;
    struct controllers *controllers;
    struct scheduler *scheduler;
    struct hollow **nodes; /* NULL: stopped */
    int n_nodes, n_synced, n_closed;
    struct buf log, token_key;
};
struct client *sim_client_as(struct sim *s, str user, const str *groups, size_t n_groups,
                             const char *agent);
void hollow_start(struct sim *s, int index); /* nothing when it runs */
void hollow_stop(struct sim *s,
                 int index); /* falls silent at once: what it was doing stays undone */

#endif
