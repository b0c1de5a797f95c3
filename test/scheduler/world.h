/* world.h - the scheduler against a scripted API: nodes and pods are put in as text, what it writes is logged as text.
 *
 * The world answers bindings and lets the watch show them; the log has a line per write:
 *   bind a -> n1 | condition a: MESSAGE | event a FailedScheduling: MESSAGE | delete a | nominate a n1 */
#ifndef K1S_TEST_SCHEDULER_WORLD_H
#define K1S_TEST_SCHEDULER_WORLD_H
#include "scheduler/scheduler_internal.h"
#include "test/test.h"

struct world {
    struct loop *loop;
    struct client *client;
    struct scheduler *s;
    struct buf log;
    struct map specs; /* pod name → heap text "METADATA\nSPEC" */
    int64_t revision;
    int fail_bindings;  /* so many get 500 */
    int64_t binding_ns; /* bindings are answered so late */
    bool keep_deleted;  /* a deletion is logged, but the pod stays, terminating */
};
void world_open(struct world *w);
void world_close(struct world *w);
/* extra: more members of the object's parts, beginning with a comma, or "". */
void put_node(struct world *w, const char *name, const char *labels, const char *spec,
              const char *allocatable);
/* status: what follows the allocatable in it, with its comma. */
void put_node_status(struct world *w, const char *name, const char *allocatable,
                     const char *status);
void drop_node(struct world *w, const char *name);
/* metadata: members such as `"labels":{"a":"b"}`; spec: members of spec; both may be "". */
void put_pod(struct world *w, const char *name, const char *metadata, const char *spec);
void put_pod_on(struct world *w, const char *name, const char *metadata, const char *spec,
                const char *node);
/* The same pod on `node` with another status: the inside of the JSON object. */
void put_pod_status(struct world *w, const char *name, const char *node, const char *status);
void drop_pod(struct world *w, const char *name);
void settle(struct world *w, int64_t ns);
void check_log(struct world *w, const char *file, int line,
               const char *want); /* lines in order of writing; clears the log */
#define CHECK_LOG(w, want) check_log(w, __FILE__, __LINE__, want)
const char *node_of(struct world *w, const char *pod); /* "" */
#define CPU(n) "\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"" n "\"}}}]"
#define ROOMY "\"cpu\":\"4\",\"memory\":\"8Gi\",\"pods\":\"110\""
#endif
