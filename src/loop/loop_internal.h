/* loop_internal.h - what the two loops share: the table of an environment, the event heap, queues of functions.
 *
 * `struct loop` is the head of struct uv_env (loop_uv.c) and struct virtual_env (loop_virtual.c). loop.c holds what
 * is the same for both (timers among it) and calls the table for the rest. */
#ifndef K1S_LOOP_INTERNAL_H
#define K1S_LOOP_INTERNAL_H

#include "loop/loop.h"
#include "loop/stream.h"

#include <pthread.h>
#include <sys/socket.h>

/* ---- events ordered by (time, sequence): timers of the real loop, everything of the virtual one ---- */
struct loop_event {
    int64_t due_ns; /* on the loop's monotonic clock */
    uint64_t seq;   /* order among those of the same time: first set, first run */
    uint32_t at;    /* place in the heap plus one; 0: not queued */
    loop_fn *fn;
    void *ctx;
};
struct event_heap {
    struct loop_event **items;
    size_t n, cap;
    uint64_t seq; /* of the next event */
};
void event_heap_fini(struct event_heap *h);
void event_heap_put(struct event_heap *h, struct loop_event *e,
                    int64_t due_ns);                             /* moves it when queued already */
void event_heap_del(struct event_heap *h, struct loop_event *e); /* nothing when not queued */
static inline struct loop_event *event_heap_first(const struct event_heap *h)
{
    return h->n ? h->items[0] : NULL;
}

/* ---- functions to call, in order ---- */
struct fn_item {
    loop_fn *fn;
    void *ctx;
};
struct fn_queue {
    struct fn_item *items;
    size_t n, cap;
};
void fn_queue_add(struct fn_queue *q, loop_fn *fn, void *ctx);
void fn_queue_clear(struct fn_queue *q); /* keeps memory for the usual */
void fn_queue_fini(struct fn_queue *q);

/* ---- an environment ---- */
struct loop_ops {
    void (*free)(struct loop *loop);    /* all but the memory, which others may hold */
    void (*dispose)(struct loop *loop); /* the memory */
    void (*run)(struct loop *loop);
    void (*stop)(struct loop *loop);
    int64_t (*now)(const struct loop *loop);
    int64_t (*wall)(const struct loop *loop);
    void (*random)(struct loop *loop, void *p, size_t n);
    bool (*post)(struct loop *loop, loop_fn *fn, void *ctx); /* false: it has ended */
    void (*defer)(struct loop *loop, loop_fn *fn, void *ctx);
    void (*at)(struct loop *loop, int64_t due_ns, loop_fn *fn, void *ctx);
    void (*timers_changed)(struct loop *loop); /* loop->events has a new first item; may be NULL */
    void (*pool_run)(struct loop *loop, pool_work_fn *work, loop_fn *done, void *ctx);
    int (*listen)(struct loop *loop, str address, listener_accept_fn *fn, void *ctx,
                  struct listener **ret);
    struct connecting *(*connect)(struct loop *loop, str address, int64_t timeout_ns,
                                  connect_done_fn *done, void *ctx);
    int (*udp_open)(struct loop *loop, str address, udp_recv_fn *fn, void *ctx, struct udp **ret);
    int (*file_read)(struct loop *loop, const char *path, size_t limit, struct buf *out);
    int (*file_write)(struct loop *loop, const char *path, str data, unsigned mode);
    int (*file_mkdir_all)(struct loop *loop, const char *path, unsigned mode);
    bool (*file_exists)(struct loop *loop, const char *path);
    int (*file_append)(struct loop *loop, const char *path, str data, unsigned mode,
                       int64_t *ret_size);
    int (*file_rename)(struct loop *loop, const char *from, const char *to);
    int (*file_remove)(struct loop *loop, const char *path);
    int (*file_list)(struct loop *loop, const char *folder, void (*each)(void *ctx, str name),
                     void *ctx);
    /* Time on a pair's way, and whether this connect or write is made to fail. */
    int64_t (*latency)(struct loop *loop);
    bool (*is_unlucky)(struct loop *loop);
};
struct loop {
    const struct loop_ops *ops;
    uint32_t refs; /* atomic; the owner's, let go by loop_free(), and loop_ref()s */
    pthread_t owner;
    bool is_virtual;
    struct event_heap events;
};

/* Objects with an implementation behind them: the first member of their structs. */
struct listener {
    void (*close)(struct listener *l);
    char address[128];
};
struct connecting {
    void (*cancel)(struct connecting *c);
};
struct udp {
    void (*send)(struct udp *u, str datagram, const void *peer, size_t peer_len);
    void (*close)(struct udp *u);
    char address[64];
};

/* "1.2.3.4:80", "[::1]:80" → sockaddr; "unix:/path" → *ret_path (which points into `address`). -EINVAL: neither. */
int address_parse(str address, struct sockaddr_storage *ret_sa, str *ret_path);
void address_format(const struct sockaddr *sa, char *out,
                    size_t size); /* "1.2.3.4:80", "[::1]:80", "" for others */

/* Runs fn on the loop at due_ns (virtual) or after this turn (real). */
void loop_at(struct loop *loop, int64_t due_ns, loop_fn *fn, void *ctx);

/* pair.c: names for stream_peer() of each side. */
void pair_new(struct loop *loop, str name_a, str name_b, struct stream **ret_a,
              struct stream **ret_b);

/* file.c: the real files. */
int real_file_read(struct loop *loop, const char *path, size_t limit, struct buf *out);
int real_file_write(struct loop *loop, const char *path, str data, unsigned mode);
int real_file_mkdir_all(struct loop *loop, const char *path, unsigned mode);
bool real_file_exists(struct loop *loop, const char *path);
int real_file_append(struct loop *loop, const char *path, str data, unsigned mode,
                     int64_t *ret_size);
int real_file_rename(struct loop *loop, const char *from, const char *to);
int real_file_remove(struct loop *loop, const char *path);
int real_file_list(struct loop *loop, const char *folder, void (*each)(void *ctx, str name),
                   void *ctx);

#endif
