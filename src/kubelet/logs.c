/* logs.c - the container logs that the runtime writes; see logs.h.
 *
 * Reading goes in pieces on the pool; following waits for inotify on the file's directory (a rotation renames the file and
 * makes a new one), so nothing polls. */
#include "kubelet/logs.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kubelet/kubelet_internal.h"

#define CHUNK_BYTES 65536
#define LAST_WORDS_MAX 4096 /* bytes of a termination message */
#define FALLBACK_LINES 80
#define FALLBACK_BYTES 2048

bool log_entry_parse(str line, struct log_entry *ret)
{
    struct log_entry e;
    str tag;

    if (!str_cut(&line, ' ', &e.time) || !line.p || !str_cut(&line, ' ', &e.stream) || !line.p ||
        !str_cut(&line, ' ', &tag))
        return false;
    if (!e.time.n || !(str_is(e.stream, "stdout") || str_is(e.stream, "stderr")) || !tag.n)
        return false;
    e.partial = tag.p[0] == 'P';
    e.text = line.p ? line : STR_NONE;
    *ret = e;
    return true;
}

int64_t log_tail_offset(int fd, int64_t lines)
{
    char chunk[CHUNK_BYTES];
    off_t end = lseek(fd, 0, SEEK_END), at = end;
    int64_t seen = 0;

    if (lines == 0)
        return end;
    while (at > 0) {
        size_t n = (size_t)MIN((off_t)sizeof chunk, at);

        at -= (off_t)n;
        if (pread(fd, chunk, n, at) != (ssize_t)n)
            return 0;
        for (size_t i = n; i-- > 0;)
            if (chunk[i] == '\n' && at + (off_t)i + 1 != end && ++seen == lines)
                return at + (off_t)i + 1;
    }
    return 0;
}

void log_tail_text(const char *path, int64_t lines, size_t max_bytes, struct buf *out)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    CLEANUP(buf) struct buf all = BUF_INIT;
    char chunk[4096];
    str rest, line;
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    lseek(fd, (off_t)log_tail_offset(fd, lines), SEEK_SET);
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        buf_add(&text, chunk, (size_t)n);
    close(fd);
    rest = buf_view(&text);
    while (str_cut(&rest, '\n', &line)) {
        struct log_entry e;

        if (!log_entry_parse(line, &e))
            continue;
        buf_str(&all, e.text);
        if (!e.partial)
            buf_char(&all, '\n');
    }
    rest = buf_view(&all);
    buf_str(out, rest.n > max_bytes ? str_skip(rest, rest.n - max_bytes) : rest);
}

/* What an ended container says of its end: its termination file, or the end of its log where it asked for that. */
void container_last_words(struct arena *a, struct rt_container *c)
{
    CLEANUP(buf) struct buf words = BUF_INIT;
    char text[LAST_WORDS_MAX];
    struct stat st;
    ssize_t n = 0;
    int fd;

    if (c->state != CONTAINER_STATE_EXITED || !c->termination_host_path.n)
        return;
    fd = open(c->termination_host_path.p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) {
        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
            n = pread(fd, text, sizeof text,
                      st.st_size > (off_t)sizeof text ? st.st_size - (off_t)sizeof text : 0);
        close(fd);
    }
    if (n > 0) {
        c->message = arena_dup(a, (str){text, (size_t)n});
        return;
    }
    if (str_is(c->termination_policy, "FallbackToLogsOnError") && c->exit_code != 0 &&
        c->log_path.n) {
        log_tail_text(c->log_path.p, FALLBACK_LINES, FALLBACK_BYTES, &words);
        if (words.n)
            c->message = arena_dup(a, buf_view(&words));
    }
}

/* ---- reading ---- */

struct log_reader {
    struct loop *loop;
    struct log_options o;
    char *path, *stream;
    const struct log_reader_events *ev;
    void *ctx;
    int fd, inotify;
    struct fd_watch *watch;
    int64_t left;       /* bytes of output still allowed; -1: no limit */
    struct buf pending; /* an incomplete line */
    struct buf out;     /* made by the pool for the loop */
    bool opened, working, again, paused, finished, freed, eof, at_line_start, skipping;
    int error;
};

static void work(struct log_reader *r);

static void reader_free(struct log_reader *r)
{
    fd_watch_free(r->watch);
    if (r->fd >= 0)
        close(r->fd);
    if (r->inotify >= 0)
        close(r->inotify);
    buf_fini(&r->pending);
    buf_fini(&r->out);
    mem_free(r->path);
    mem_free(r->stream);
    mem_free(r);
}

static void add_line(struct log_reader *r, str line)
{
    struct log_entry e;
    wall_time at;
    str end;

    if (!log_entry_parse(line, &e))
        return;
    if (r->stream[0] && !str_is(e.stream, r->stream))
        return;
    if (r->o.since.ns && rfc3339_parse(e.time, &at) && at.ns < r->o.since.ns)
        return;
    if (r->o.timestamps && r->at_line_start) {
        buf_str(&r->out, e.time);
        buf_char(&r->out, ' ');
    }
    buf_str(&r->out, e.text);
    end = e.partial ? STR_NONE : S("\n");
    buf_str(&r->out, end);
    r->at_line_start = !e.partial;
}

/* On the pool: the next piece. */
static void read_piece(void *ctx)
{
    struct log_reader *r = ctx;
    char chunk[CHUNK_BYTES];
    struct stat now, mine;
    str rest, line;
    ssize_t n;

    if (!r->opened) {
        r->fd = open(r->path, O_RDONLY | O_CLOEXEC);
        if (r->fd < 0) {
            r->error = -errno;
            return;
        }
        r->opened = true;
        if (r->o.tail >= 0)
            lseek(r->fd, (off_t)log_tail_offset(r->fd, r->o.tail), SEEK_SET);
    }
    n = read(r->fd, chunk, sizeof chunk);
    if (n < 0) {
        r->error = -errno;
        return;
    }
    r->eof = n == 0;
    if (n == 0) {
        /* Rotated away? Then the new file goes on where this one ends. */
        if (r->o.follow && stat(r->path, &now) == 0 && fstat(r->fd, &mine) == 0 &&
            (now.st_ino != mine.st_ino || now.st_dev != mine.st_dev)) {
            int fd = open(r->path, O_RDONLY | O_CLOEXEC);

            if (fd >= 0) {
                close(r->fd);
                r->fd = fd;
                r->eof = false;
            }
        }
        return;
    }
    buf_add(&r->pending, chunk, (size_t)n);
    rest = buf_view(&r->pending);
    while (rest.n && str_has_char(rest, '\n')) {
        str_cut(&rest, '\n', &line);
        add_line(r, line);
        if (!rest.p)
            rest = STR_NONE;
    }
    buf_drop(&r->pending, r->pending.n - rest.n);
}

static void finish(struct log_reader *r, int error)
{
    r->ev->end(r->ctx, error);
    reader_free(r);
}

static void on_piece(void *ctx)
{
    struct log_reader *r = ctx;
    str text;

    r->working = false;
    if (r->freed) {
        reader_free(r);
        return;
    }
    text = buf_view(&r->out);
    if (r->left >= 0)
        text = str_slice(text, 0, (size_t)MIN((int64_t)text.n, r->left));
    if (text.n) {
        if (r->left >= 0)
            r->left -= (int64_t)text.n;
        r->working = true; /* data() may pause or free */
        r->ev->data(r->ctx, text);
        r->working = false;
        if (r->freed) {
            reader_free(r);
            return;
        }
    }
    buf_clear(&r->out);
    if (r->error || r->left == 0) {
        finish(r, r->error);
        return;
    }
    if (!r->eof || r->again) {
        r->again = false;
        work(r);
    } else if (!r->o.follow || r->finished) {
        finish(r, 0);
    }
}

static void work(struct log_reader *r)
{
    if (r->working || r->paused) {
        r->again = true;
        return;
    }
    r->working = true;
    pool_run(r->loop, read_piece, on_piece, r);
}

static void on_inotify(void *ctx, int events)
{
    struct log_reader *r = ctx;
    char drained[4096];

    while (read(r->inotify, drained, sizeof drained) > 0)
        ;
    work(r);
}

struct log_reader *log_reader_new(struct loop *loop, str path, const struct log_options *o,
                                  const struct log_reader_events *ev, void *ctx)
{
    struct log_reader *r = NEW(struct log_reader);
    ptrdiff_t slash = str_rindex(path, '/');

    *r = (struct log_reader){.loop = loop,
                             .o = *o,
                             .path = str_dupz(path),
                             .stream = str_dupz(o->stream),
                             .ev = ev,
                             .ctx = ctx,
                             .fd = -1,
                             .inotify = -1,
                             .left = o->limit_bytes,
                             .at_line_start = true};
    if (o->follow) {
        char *dir = str_dupz(str_slice(path, 0, slash > 0 ? (size_t)slash : 0));

        r->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (r->inotify >= 0 &&
            inotify_add_watch(r->inotify, dir, IN_MODIFY | IN_CREATE | IN_MOVED_TO) >= 0)
            r->watch = fd_watch_new(loop, r->inotify, true, false, on_inotify, r);
        mem_free(dir);
    }
    work(r);
    return r;
}

void log_reader_pause(struct log_reader *r, bool paused)
{
    r->paused = paused;
    if (!paused && r->again) {
        r->again = false;
        work(r);
    }
}

void log_reader_finish(struct log_reader *r)
{
    if (r->finished)
        return;
    r->finished = true;
    work(r);
}

void log_reader_free(struct log_reader *r)
{
    if (!r)
        return;
    r->freed = true;
    fd_watch_free(TAKE(r->watch));
    if (!r->working)
        reader_free(r);
}
