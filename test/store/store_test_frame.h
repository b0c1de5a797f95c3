/* store_test_frame.h - a store in a temporary folder or in memory, and writes that wait for their answer. */
#ifndef K1S_TEST_STORE_FRAME_H
#define K1S_TEST_STORE_FRAME_H
#include "loop/loop.h"
#include "store/store.h"
#include "test/test.h"

struct rig {
    struct loop *loop;
    struct store *s;
    struct store_options options;
    char dir[64], path[96]; /* empty: in memory */
    bool closed;
    const char *base; /* folder for the new folder; NULL: /tmp */
};
void rig_open_disk(struct rig *r);    /* real loop, a file in a new folder */
void rig_open_virtual(struct rig *r); /* virtual loop, in memory */
void rig_close_store(struct rig *r);
void rig_open_store(struct rig *r);
void rig_reopen(struct rig *r); /* closes and opens the same file */
void rig_close(struct rig *r);  /* removes everything */

/* One write: what to do with whatever is there. */
struct op {
    enum store_op op;
    const char *data; /* '#' stands for the revision */
    const char *labels;
    size_t n_labels;
    int64_t expect; /* revision that current must have: 0 absent, -1 any; else CONFLICT */
    /* results */
    bool done;
    struct err *err;
    const struct obj *result; /* reference */
    int64_t saw;              /* revision of what the function saw; 0: absent */
    char text[64];
};
void op_start(struct rig *r, struct key key, struct op *op);
void op_wait(struct rig *r, struct op *op);
void op_fini(struct op *op);
struct key pod(const char *ns, const char *name);
/* Waits; the new revision, or 0 and a failed test. */
int64_t put(struct rig *r, struct key key, const char *data);
int64_t del(struct rig *r, struct key key);
void run_until(struct rig *r, bool (*cond)(void *ctx), void *ctx); /* fails the test after 20 s */
/* "ns/name=data ns/name=data" in order */
struct buf all_of(struct rig *r, const char *resource, const char *ns);
#endif
