/* uv_internal.h - the real loop's inside, shared by its parts (loop_uv.c, uv_stream.c, uv_udp.c, uv_process.c, pool.c). */
#ifndef K1S_LOOP_UV_INTERNAL_H
#define K1S_LOOP_UV_INTERNAL_H

#include "loop/loop_internal.h"

#include <uv.h>

#define UV_READ_BUFFER 65536u /* bytes; one per loop: data is borrowed during data() only */
#define RANDOM_BUFFER 256u    /* bytes of the system's randomness fetched at once */

struct uv_env {
    struct loop base;
    uv_loop_t uv;
    uv_timer_t timer;         /* armed for the first of base.events */
    uv_prepare_t before_wait; /* end of the timers' part of a turn */
    uv_check_t after_io;      /* end of the I/O part of a turn */
    uv_idle_t
        busy; /* active while something is due at the end of a turn: the loop does not wait then */
    uv_async_t wake;                     /* another thread posted, or pool work is done */
    int64_t armed_ns;                    /* what `timer` is armed for; INT64_MAX: not armed */
    int64_t now_ns;                      /* cached clock of this turn; 0: not read yet */
    struct fn_queue deferred, deferring; /* being filled, being run */
    struct list flush; /* uv_stream.dirty: streams with unsent writes of this turn */
    struct list
        settle; /* likewise: their bytes went early, completions are due at the end of the turn */
    size_t n_unsent;           /* bytes of this turn's writes that are held back */
    struct chunk *free_chunks; /* uv_stream.c */
    unsigned n_free_chunks, n_streams;
    unsigned holds; /* reasons to keep running while nothing but posts can come */
    bool stopped;
    char *read_buffer;
    unsigned char random[RANDOM_BUFFER];
    size_t n_random; /* unused bytes at its end */

    pthread_mutex_t lock; /* of what follows */
    bool closed;          /* nothing is posted any more */
    struct fn_queue posted;
    struct fn_queue posting; /* being run; the loop's alone */
};

static inline struct uv_env *uv_env_of(struct loop *loop)
{
    return (struct uv_env *)loop;
}
void uv_env_hold(struct uv_env *env); /* keeps loop_run() from returning for lack of handles */
void uv_env_release(struct uv_env *env);
void uv_env_busy(struct uv_env *env); /* something waits for the end of this turn */
void uv_flush_streams(struct uv_env *env);
void uv_free_chunks(struct uv_env *env, unsigned kept);

void uv_pool_run(struct loop *loop, pool_work_fn *work, loop_fn *done, void *ctx);
int uv_listener_open(struct loop *loop, str address, listener_accept_fn *fn, void *ctx,
                     struct listener **ret);
struct connecting *uv_stream_connect(struct loop *loop, str address, int64_t timeout_ns,
                                     connect_done_fn *done, void *ctx);
int uv_udp_open_address(struct loop *loop, str address, udp_recv_fn *fn, void *ctx,
                        struct udp **ret);

void uv_children_close(
    uv_loop_t *uv); /* handles of children that were freed while they ran: at the loop's end */
#endif
