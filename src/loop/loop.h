/* loop.h - the environment: the only way to time, randomness, disk, network and other threads.
 *
 * A `struct loop` is one thread's event loop. The real one stands on libuv (loop_uv.c); the virtual
 * one (loop_virtual.c) keeps many loops' worth of components on one thread under a virtual clock and
 * a seed, so that a run can be repeated byte for byte. Code above this folder cannot tell which one
 * it has, and calls neither time(), rand(), sleep() nor a blocking function behind its back.
 *
 * Rules
 *   (1) A loop is one thread and owns its objects: entry points say BUG_ON(!loop_is_mine(loop)).
 *       The only function callable from other threads is loop_post().
 *   (2) A completion runs exactly once, on failure too, on the loop, and never before the call that
 *       took it has returned.
 *   (3) After x_close() no callback of x runs but the close callback, which frees it.
 *   (4) Errors are negative errno. */
#ifndef K1S_LOOP_H
#define K1S_LOOP_H

#include "base/base.h"

struct loop;

/* Two kinds of time, two types, so that they cannot be mixed up. */
typedef struct {
    int64_t ns; /* monotonic, origin unspecified */
} mono_time;
typedef struct {
    int64_t ns; /* since 1970-01-01T00:00:00Z */
} wall_time;

struct loop *loop_new_uv(void);
void loop_free(struct loop *loop); /* loop_run() has returned and all handles are closed */
void loop_run(struct loop *loop);  /* until loop_stop() or nothing is left to wait for */
void loop_stop(struct loop *loop); /* from its own thread */
bool loop_is_mine(
    const struct loop *loop); /* called on the loop's thread? (before loop_run: the creator's) */
bool loop_is_virtual(const struct loop *loop);

mono_time loop_now(const struct loop *loop); /* as of this turn of the loop */
wall_time loop_wall(const struct loop *loop);
void loop_random(struct loop *loop, void *p,
                 size_t n); /* cryptographic in production, seeded in the virtual one */
uint64_t loop_random_u64(struct loop *loop);

typedef void loop_fn(void *ctx);
void loop_post(struct loop *loop, loop_fn *fn,
               void *ctx); /* any thread; runs fn on the loop, in order */
/* For who may outlive a loop on another thread: a reference keeps its memory, and once it has ended nothing can be posted
 * to it any more (false: fn will not run). */
struct loop *loop_ref(struct loop *loop);
void loop_unref(struct loop *loop);
MUST_USE bool loop_try_post(struct loop *loop, loop_fn *fn, void *ctx); /* any thread */
void loop_defer(struct loop *loop, loop_fn *fn,
                void *ctx); /* own thread; runs fn after this turn, in order */

/* ---- threads: a loop of its own on a thread of its own ---- */
struct loop_thread;
/* Starts a thread that makes a loop, calls start(ctx, loop) on it and runs it. In a virtual parent, start runs as a
 * posted function on the same virtual loop. */
struct loop_thread *loop_thread_start(struct loop *parent, const char *name,
                                      void (*start)(void *ctx, struct loop *loop), void *ctx);
void loop_thread_join(
    struct loop_thread *t); /* after its loop was stopped (post a loop_stop to it) */

/* ---- timers ---- */
struct loop_timer;
struct loop_timer *loop_timer_new(struct loop *loop, loop_fn *fn, void *ctx);
void loop_timer_set(struct loop_timer *t,
                    int64_t delay_ns); /* one shot; re-arms when set already; <0 counts as 0 */
void loop_timer_stop(struct loop_timer *t);
bool loop_timer_is_set(const struct loop_timer *t);
void loop_timer_free(struct loop_timer *t); /* NULL: nothing; allowed inside its own callback */
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

/* ---- worker pool: blocking work off the loop. In the virtual loop it runs at once, done comes by a turn. ---- */
typedef void pool_work_fn(void *ctx); /* on a pool thread */
void pool_run(struct loop *loop, pool_work_fn *work, loop_fn *done, void *ctx);
/* A serial queue: one dedicated thread, one item at a time, in order (the disk thread). */
struct pool_serial;
struct pool_serial *pool_serial_new(struct loop *loop, const char *name);
void pool_serial_run(struct pool_serial *q, pool_work_fn *work, loop_fn *done, void *ctx);
/* The same for work that nobody waits for: in order among its kind, and begun when nothing of the other kind is queued. */
void pool_serial_run_behind(struct pool_serial *q, pool_work_fn *work, loop_fn *done, void *ctx);
void pool_serial_free(
    struct pool_serial *q); /* waits for what is queued; completions still queued are dropped */

/* ---- byte streams: TCP and unix sockets ---- */
struct stream;
struct stream_events {
    /* n > 0: data, borrowed during the call. Never called with 0. */
    void (*data)(void *ctx, const char *p, size_t n);
    /* The peer has ended its side (error 0) or the connection failed (error < 0). Called once; the stream must still be closed. */
    void (*end)(void *ctx, int error);
};
typedef void stream_done_fn(void *ctx, int error);
void stream_start(struct stream *s, const struct stream_events *ev,
                  void *ctx);        /* begins or resumes reading */
void stream_pause(struct stream *s); /* back-pressure: no data() until stream_start() again */
void stream_write(struct stream *s, str data, stream_done_fn *done,
                  void *ctx); /* copies what cannot be sent at once; done may be NULL */
void stream_write_bytes(struct stream *s, const struct bytes *b, stream_done_fn *done,
                        void *ctx);           /* takes its own reference */
size_t stream_queued(const struct stream *s); /* bytes accepted but not sent yet */
void stream_shutdown(struct stream *s);       /* ends our side after what is queued */
void stream_close(struct stream *s, loop_fn *closed,
                  void *ctx);            /* drops what is queued; closed may be NULL */
str stream_peer(const struct stream *s); /* "10.42.0.7:51234"; "@" for unix sockets */
str stream_local(const struct stream *s);
/* A pair of connected streams in this process (tests, in-process clients). */
void stream_pair(struct loop *loop, struct stream **ret_a, struct stream **ret_b);

struct listener;
typedef void listener_accept_fn(void *ctx, struct stream *s); /* owns s */
/* address "0.0.0.0:6443", "[::]:80", "unix:/run/x.sock"; port 0 picks one (listener_address tells). */
int listener_open(struct loop *loop, str address, listener_accept_fn *fn, void *ctx,
                  struct listener **ret);
str listener_address(const struct listener *l);
void listener_close(struct listener *l);
typedef void connect_done_fn(void *ctx, int error, struct stream *s); /* owns s; NULL on error */
struct connecting;                                                    /* valid until done has run */
/* address: "IP:port" or "unix:/path" (names are resolved by the caller); timeout_ns 0: the system's. */
struct connecting *stream_connect(struct loop *loop, str address, int64_t timeout_ns,
                                  connect_done_fn *done, void *ctx);
void connecting_cancel(struct connecting *c); /* done runs with -ECANCELED */

/* ---- datagrams ---- */
struct udp;
typedef void udp_recv_fn(void *ctx, str datagram, const void *peer,
                         size_t peer_len); /* peer: a sockaddr, borrowed */
int udp_open(struct loop *loop, str address, udp_recv_fn *fn, void *ctx, struct udp **ret);
void udp_send(struct udp *u, str datagram, const void *peer, size_t peer_len); /* best effort */
str udp_address(const struct udp *u);
void udp_close(struct udp *u);

/* ---- files: small, synchronous to the caller, for start-up and for code on pool threads. In the virtual
 * environment they are an in-memory tree. ---- */
int file_read(struct loop *loop, const char *path, size_t limit,
              struct buf *out); /* -ENOENT, -EFBIG, ... */
int file_write_atomic(struct loop *loop, const char *path, str data,
                      unsigned mode); /* temp file, fsync, rename */
int file_mkdir_all(struct loop *loop, const char *path, unsigned mode);
bool file_exists(struct loop *loop, const char *path);
/* For logs. Appends, making the file when it is not there; *ret_size: bytes that it has now. "-" is standard output. */
int file_append(struct loop *loop, const char *path, str data, unsigned mode, int64_t *ret_size);
int file_rename(struct loop *loop, const char *from, const char *to);
int file_remove(struct loop *loop, const char *path);
/* Names in a folder, in no order; without "." and "..". */
int file_list(struct loop *loop, const char *folder, void (*each)(void *ctx, str name), void *ctx);

/* ---- readiness of a descriptor that somebody else owns (inotify, netlink, pidfd, signalfd); real loop only ---- */
struct fd_watch;
struct fd_watch *fd_watch_new(struct loop *loop, int fd, bool readable, bool writable,
                              void (*fn)(void *ctx, int events), void *ctx);
void fd_watch_free(struct fd_watch *w);

/* ---- signals and child processes; real loop only ---- */
struct signal_watch;
struct signal_watch *signal_watch_new(struct loop *loop, int signum, loop_fn *fn, void *ctx);
void signal_watch_free(struct signal_watch *w);
struct child;
struct child_options {
    const char *const *argv, *const *env; /* NULL-terminated; env NULL: inherited */
    const char *stdin_path,
        *stdout_path; /* NULL: /dev/null; stdout_path is appended to and takes stderr too */
    bool new_session; /* survives our terminal */
};
int child_start(struct loop *loop, const struct child_options *o,
                void (*exited)(void *ctx, int64_t status, int signal), void *ctx,
                struct child **ret);
int child_pid(const struct child *c);
int child_kill(struct child *c, int signum);
void child_free(struct child *c); /* does not kill */

/* ---- the virtual environment ---- */
struct loop *loop_new_virtual(uint64_t seed, wall_time start);
/* Runs until nothing is due before `until_ns` of virtual time from the start, or `stop` says so (checked between callbacks; may be NULL). */
void loop_virtual_run(struct loop *loop, int64_t until_ns, bool (*stop)(void *ctx), void *ctx);
int64_t loop_virtual_elapsed_ns(const struct loop *loop);
/* Faults: latency of streams and pool work is drawn from [min,max]; each connect or write fails with the given chance in millionths. */
struct virtual_faults {
    int64_t min_latency_ns, max_latency_ns;
    uint32_t fail_ppm;
};
void loop_virtual_faults(struct loop *loop, const struct virtual_faults *f);

/* ---- time as text ---- */
/* RFC 3339 in UTC as Kubernetes' metav1.Time writes it: "2026-11-20T20:35:17Z". */
void buf_rfc3339(struct buf *b, wall_time t);
void buf_rfc3339_micro(struct buf *b, wall_time t); /* MicroTime: six decimals */
bool rfc3339_parse(str s, wall_time *ret);          /* with or without fraction, any offset */

#endif
