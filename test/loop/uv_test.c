/* uv_test.c - what only the real loop has: descriptors, signals, children, peers that vanish. */
#include "test/loop/loop_test.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct seen {
    struct loop *loop;
    struct fd_watch *watch;
    struct signal_watch *signal;
    struct child *child;
    int n, fd;
    int64_t status;
    int signum;
};

static void readable(void *ctx, int events_)
{
    struct seen *s = ctx;
    char c;

    CHECK(read(s->fd, &c, 1) == 1);
    s->n++;
    fd_watch_free(s->watch);
}

TEST(uv, a_foreign_descriptor_tells_when_it_is_readable)
{
    struct seen s = {.loop = loop_new_uv()};
    int fds[2];

    CHECK(pipe(fds) == 0);
    s.fd = fds[0];
    s.watch = fd_watch_new(s.loop, fds[0], true, false, readable, &s);
    CHECK(write(fds[1], "x", 1) == 1);
    loop_run(s.loop);
    CHECK_INT(s.n, 1);
    close(fds[0]);
    close(fds[1]);
    loop_free(s.loop);
}

static void signalled(void *ctx)
{
    struct seen *s = ctx;

    s->n++;
    signal_watch_free(s->signal);
}

TEST(uv, a_signal_becomes_a_call_on_the_loop)
{
    struct seen s = {.loop = loop_new_uv()};

    s.signal = signal_watch_new(s.loop, SIGUSR1, signalled, &s);
    kill(getpid(), SIGUSR1);
    CHECK_INT(s.n, 0);
    loop_run(s.loop);
    CHECK_INT(s.n, 1);
    loop_free(s.loop);
}

static void exited(void *ctx, int64_t status, int signum)
{
    struct seen *s = ctx;

    s->n++;
    s->status = status;
    s->signum = signum;
    child_free(s->child);
}

TEST(uv, a_child_reports_its_status_and_writes_to_its_log)
{
    struct seen s = {.loop = loop_new_uv()};
    const char *argv[] = {"/bin/sh", "-c", "echo out; echo err >&2; exit 3", NULL};
    char path[64];
    struct buf log = BUF_INIT;

    snprintf(path, sizeof path, "/tmp/k1s-loop-test-%d.log", getpid());
    CHECK_INT(child_start(s.loop, &(struct child_options){.argv = argv, .stdout_path = path},
                          exited, &s, &s.child),
              0);
    loop_run(s.loop);
    CHECK_INT(s.n, 1);
    CHECK_INT(s.status, 3);
    CHECK_INT(file_read(s.loop, path, 1000, &log), 0);
    CHECK_STRZ(buf_view(&log), "out\nerr\n");
    unlink(path);
    buf_fini(&log);
    loop_free(s.loop);
}

TEST(uv, a_child_is_killed_and_a_missing_program_is_an_error)
{
    struct seen s = {.loop = loop_new_uv()};
    const char *sleeper[] = {"/bin/sleep", "1000", NULL}, *nobody[] = {"/no/such/program", NULL};

    CHECK_INT(child_start(s.loop, &(struct child_options){.argv = sleeper, .new_session = true},
                          exited, &s, &s.child),
              0);
    CHECK(child_pid(s.child) > 1);
    CHECK_INT(child_kill(s.child, SIGKILL), 0);
    loop_run(s.loop);
    CHECK_INT(s.signum, SIGKILL);
    CHECK_INT(child_start(s.loop, &(struct child_options){.argv = nobody}, exited, &s, &s.child),
              -ENOENT);
    CHECK_INT(s.n, 1);
    loop_free(s.loop);
}

/* ---- a peer that goes away while we write ---- */
struct writer {
    struct stream *s;
    struct listener *l;
    struct loop_timer *again;
    int end_error, n_end, failed;
};

static void writer_data(void *ctx, const char *p, size_t n) {}

static void writer_end(void *ctx, int error)
{
    struct writer *w = ctx;

    w->n_end++;
    w->end_error = error;
}

static void written(void *ctx, int error)
{
    struct writer *w = ctx;

    if (!error)
        return;
    w->failed++;
    loop_timer_stop(w->again);
    listener_close(w->l);
    stream_close(w->s, NULL, NULL);
}

static void write_more(void *ctx)
{
    struct writer *w = ctx;

    stream_write(w->s, S("more"), written, w);
    loop_timer_set(w->again, NS_PER_MS);
}

static const struct stream_events writer_events = {writer_data, writer_end};

static void writer_accept(void *ctx, struct stream *s)
{
    struct writer *w = ctx;

    w->s = s;
    stream_start(s, &writer_events, w);
    write_more(w);
}

static void vanish(void *ctx, int error, struct stream *s)
{
    CHECK_INT(error, 0);
    stream_close(s, NULL, NULL);
}

TEST(uv, a_write_to_a_vanished_peer_fails_without_a_signal)
{
    struct loop *loop = loop_new_uv();
    struct writer w = {0};

    w.again = loop_timer_new(loop, write_more, &w);
    CHECK_INT(listener_open(loop, S("127.0.0.1:0"), writer_accept, &w, &w.l), 0);
    stream_connect(loop, listener_address(w.l), 0, vanish, NULL);
    loop_run(loop);
    CHECK_INT(w.n_end, 1);
    CHECK_INT(w.failed, 1);
    loop_timer_free(w.again);
    loop_free(loop);
}

static void refuse(void *ctx, struct stream *s)
{
    stream_close(s, NULL, NULL);
}

TEST(uv, a_socket_file_left_by_a_killed_process_is_taken_over)
{
    struct loop *loop = loop_new_uv();
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct listener *l = NULL;
    struct buf address = BUF_INIT;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(sa.sun_path, sizeof sa.sun_path, "/tmp/k1s-loop-stale-%d.sock", getpid());
    CHECK(bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0);
    buf_fmt(&address, "unix:%s", sa.sun_path);
    listen(fd, 1);
    CHECK_INT(listener_open(loop, buf_view(&address), refuse, NULL, &l),
              -EADDRINUSE); /* somebody listens */
    close(fd);
    CHECK_INT(listener_open(loop, buf_view(&address), refuse, NULL, &l), 0);
    if (l)
        listener_close(l);
    loop_run(loop);
    CHECK(access(sa.sun_path, F_OK) < 0);
    unlink(sa.sun_path);
    buf_fini(&address);
    loop_free(loop);
}

/* ---- a turn that writes to many peers ---- */
#define PEERS 60
#define PIECES 16
#define PIECE 5000
struct fan {
    struct loop *loop;
    struct listener *l;
    struct stream *out[PEERS];
    int n_out, n_done, n_early_done, n_in_ends;
    bool writing;
    uint64_t n_in;
};
struct fan_in {
    struct fan *fan;
    struct stream *s;
};

static void fan_done(void *ctx, int error)
{
    struct fan *f = ctx;

    CHECK_INT(error, 0);
    f->n_done++;
    f->n_early_done += f->writing;
}

static void fan_write(void *ctx)
{
    struct fan *f = ctx;
    static char piece[PIECE];

    f->writing = true;
    for (int k = 0; k < PIECES; k++)
        for (int i = 0; i < PEERS; i++)
            stream_write(f->out[i], (str){piece, PIECE}, k == PIECES - 1 ? fan_done : NULL, f);
    f->writing = false;
    for (int i = 0; i < PEERS; i++)
        stream_shutdown(f->out[i]);
}

static void fan_nothing(void *ctx, const char *p, size_t n) {}

static void fan_out_end(void *ctx, int error) {}

static const struct stream_events fan_out_events = {fan_nothing, fan_out_end};

static void fan_accept(void *ctx, struct stream *s)
{
    struct fan *f = ctx;

    f->out[f->n_out++] = s;
    stream_start(s, &fan_out_events, f);
    if (f->n_out == PEERS) {
        listener_close(f->l);
        loop_defer(f->loop, fan_write, f);
    }
}

static void fan_in_data(void *ctx, const char *p, size_t n)
{
    ((struct fan_in *)ctx)->fan->n_in += n;
}

static void fan_in_end(void *ctx, int error)
{
    struct fan_in *in = ctx;
    struct fan *f = in->fan;

    CHECK_INT(error, 0);
    stream_close(in->s, NULL, NULL);
    if (++f->n_in_ends == PEERS)
        for (int i = 0; i < PEERS; i++)
            stream_close(f->out[i], NULL, NULL);
    mem_free(in);
}

static const struct stream_events fan_in_events = {fan_in_data, fan_in_end};

static void fan_connected(void *ctx, int error, struct stream *s)
{
    struct fan_in *in = NEW(struct fan_in);

    CHECK_INT(error, 0);
    *in = (struct fan_in){ctx, s};
    stream_start(s, &fan_in_events, in);
}

TEST(uv, what_one_turn_writes_to_many_peers_arrives_and_completes_after_the_turn)
{
    struct fan f = {.loop = loop_new_uv()};

    CHECK_INT(listener_open(f.loop, S("127.0.0.1:0"), fan_accept, &f, &f.l), 0);
    for (int i = 0; i < PEERS; i++)
        stream_connect(f.loop, listener_address(f.l), 0, fan_connected, &f);
    loop_run(f.loop);
    CHECK_INT(f.n_in, (int64_t)PEERS * PIECES * PIECE);
    CHECK_INT(f.n_done, PEERS);
    CHECK_INT(f.n_early_done, 0);
    loop_free(f.loop);
}
