/* server_translate.c - exec and attach over the WebSocket protocol v5.channel.k8s.io for runtimes that only know SPDY.
 *
 * v5 is v4 and one thing more: channel 255 ends a channel, which is how a process learns that its input is over. Runtimes' streaming
 * servers say the same with SPDY streams. Kubernetes has this translator in its API server (v1.30 on); here it sits where the runtime
 * is asked anyway.
 *
 *   caller --- WebSocket: channels 0 stdin, 1 stdout, 2 stderr, 3 error, 4 resize, 255 close --- here
 *   here   --- SPDY/3.1: streams of types stdin, stdout, stderr, error, resize ---------------- runtime
 *
 * Each side is paused while too much is on its way to the other.
 * Source: k8s.io/apimachinery/pkg/util/remotecommand, k8s.io/apiserver/pkg/util/proxy/streamtranslator.go */
#include "kubelet/server_internal.h"
#include "wire/spdy.h"
#include "wire/websocket.h"

#define V5 "v5.channel.k8s.io"
#define QUEUE_MAX ((size_t)1 << 20) /* bytes on their way to one side; then the other is not read */
enum { CHANNEL_STDIN, CHANNEL_STDOUT, CHANNEL_STDERR, CHANNEL_ERROR, CHANNEL_RESIZE, N_CHANNELS };
#define CHANNEL_CLOSE 255

struct translator {
    struct loop *loop;
    struct stream *caller, *runtime;
    struct buf from_caller, from_runtime, message; /* bytes that are no whole frame yet */
    struct spdy_writer to_runtime;
    uint32_t ids[N_CHANNELS]; /* of the SPDY streams; 0: not asked for */
    bool caller_paused, runtime_paused, over;
};

static const char *const stream_types[N_CHANNELS] = {
    [CHANNEL_STDIN] = "stdin", [CHANNEL_STDOUT] = "stdout", [CHANNEL_STDERR] = "stderr",
    [CHANNEL_ERROR] = "error", [CHANNEL_RESIZE] = "resize",
};

static void on_caller_closed(void *ctx)
{
    struct translator *t = ctx;

    buf_fini(&t->from_caller);
    buf_fini(&t->from_runtime);
    buf_fini(&t->message);
    buf_fini(&t->to_runtime.out);
    mem_free(t);
}

static void on_runtime_closed(void *ctx)
{
    struct translator *t = ctx;

    stream_close(t->caller, on_caller_closed, t);
}

static void close_both(void *ctx)
{
    struct translator *t = ctx;

    stream_close(t->runtime, on_runtime_closed, t);
}

static void on_last_written(void *ctx, int error)
{
    struct translator *t = ctx;

    loop_defer(t->loop, close_both, t);
}

/* What the caller has not been sent yet still has to go. */
static void end(struct translator *t)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (t->over)
        return;
    t->over = true;
    stream_pause(t->runtime);
    stream_pause(t->caller);
    websocket_goodbye(&b);
    stream_write(t->caller, buf_view(&b), on_last_written, t);
}

/* ---- to the runtime ---- */

static void start_caller(struct translator *t);
static void start_runtime(struct translator *t);

static void on_runtime_written(void *ctx, int error)
{
    struct translator *t = ctx;

    if (!t->over && t->caller_paused && stream_queued(t->runtime) < QUEUE_MAX / 2) {
        t->caller_paused = false;
        start_caller(t);
    }
}

static void flush(struct translator *t)
{
    if (t->to_runtime.out.n)
        stream_write(t->runtime, buf_view(&t->to_runtime.out), on_runtime_written, t);
    buf_clear(&t->to_runtime.out);
    if (!t->caller_paused && stream_queued(t->runtime) > QUEUE_MAX) {
        t->caller_paused = true;
        stream_pause(t->caller);
    }
}

static void caller_message(struct translator *t, str m)
{
    unsigned channel;

    if (!m.n)
        return;
    channel = (unsigned char)m.p[0];
    m = str_skip(m, 1);
    if (channel == CHANNEL_CLOSE) {
        if (m.n && m.p[0] == CHANNEL_STDIN && t->ids[CHANNEL_STDIN])
            spdy_data(&t->to_runtime, t->ids[CHANNEL_STDIN], SPDY_FIN, S(""));
    } else if ((channel == CHANNEL_STDIN || channel == CHANNEL_RESIZE) && t->ids[channel] && m.n) {
        spdy_data(&t->to_runtime, t->ids[channel], 0, m);
    }
}

static void on_caller_data(void *ctx, const char *p, size_t n)
{
    struct translator *t = ctx;
    struct websocket_frame f;
    int r;

    if (t->over)
        return;
    buf_add(&t->from_caller, p, n);
    while ((r = websocket_take(&t->from_caller, true, &f)) > 0) {
        if (f.opcode == WEBSOCKET_CLOSE) {
            end(t);
            return;
        }
        if (f.opcode == WEBSOCKET_PING) {
            CLEANUP(buf) struct buf b = BUF_INIT;

            websocket_frame(&b, WEBSOCKET_PONG, f.payload, NULL);
            stream_write(t->caller, buf_view(&b), NULL, NULL);
        } else if (f.opcode <= WEBSOCKET_BINARY) {
            if (t->message.n + f.payload.n > WEBSOCKET_FRAME_MAX) {
                end(t);
                return;
            }
            buf_str(&t->message, f.payload);
            if (f.final) {
                caller_message(t, buf_view(&t->message));
                buf_clear(&t->message);
            }
        }
        buf_drop(&t->from_caller, f.size);
    }
    if (r < 0)
        end(t);
    else
        flush(t);
}

static void on_caller_end(void *ctx, int error)
{
    end(ctx);
}

static void start_caller(struct translator *t)
{
    static const struct stream_events events = {.data = on_caller_data, .end = on_caller_end};

    stream_start(t->caller, &events, t);
}

/* ---- to the caller ---- */

static void on_caller_written(void *ctx, int error)
{
    struct translator *t = ctx;

    if (!t->over && t->runtime_paused && stream_queued(t->caller) < QUEUE_MAX / 2) {
        t->runtime_paused = false;
        start_runtime(t);
    }
}

static void runtime_data(struct translator *t, const struct spdy_frame *f)
{
    CLEANUP(buf) struct buf message = BUF_INIT;
    CLEANUP(buf) struct buf b = BUF_INIT;

    for (unsigned c = CHANNEL_STDOUT; c <= CHANNEL_ERROR; c++) {
        if (t->ids[c] != f->id)
            continue;
        if (f->payload.n) {
            buf_char(&message, (char)c);
            buf_str(&message, f->payload);
            websocket_frame(&b, WEBSOCKET_BINARY, buf_view(&message), NULL);
            stream_write(t->caller, buf_view(&b), on_caller_written, t);
        }
        return;
    }
}

static void on_runtime_data(void *ctx, const char *p, size_t n)
{
    struct translator *t = ctx;
    struct spdy_frame f;

    if (t->over)
        return;
    buf_add(&t->from_runtime, p, n);
    while (spdy_take(&t->from_runtime, &f)) {
        if (f.type == SPDY_DATA)
            runtime_data(t, &f);
        else if (f.type == SPDY_PING)
            spdy_pong(&t->to_runtime, f.payload);
        buf_drop(&t->from_runtime, f.size);
    }
    flush(t);
    if (!t->runtime_paused && stream_queued(t->caller) > QUEUE_MAX) {
        t->runtime_paused = true;
        stream_pause(t->runtime);
    }
}

/* The runtime closes the connection when the process has ended and everything has been said. */
static void on_runtime_end(void *ctx, int error)
{
    end(ctx);
}

static void start_runtime(struct translator *t)
{
    static const struct stream_events events = {.data = on_runtime_data, .end = on_runtime_end};

    stream_start(t->runtime, &events, t);
}

/* ---- the beginning ---- */

bool translate_is_wanted(const struct http_request *r)
{
    str offered = http_header(r, "Sec-WebSocket-Protocol"), one;

    if (!str_eq_nocase(http_header(r, "Upgrade"), S("websocket")))
        return false;
    while (str_cut(&offered, ',', &one))
        if (str_is(str_trim(one), V5))
            return true;
    return false;
}

const struct http_header *translate_request(size_t *ret_n)
{
    static const struct http_header headers[] = {
        {STR("Connection"), STR("Upgrade")},
        {STR("Upgrade"), STR("SPDY/3.1")},
        {STR("X-Stream-Protocol-Version"), STR("v4.channel.k8s.io")},
    };

    *ret_n = ARRAY_LEN(headers);
    return headers;
}

bool translate_begin(struct loop *loop, struct http_exchange *ex, struct arena *a,
                     const struct translate_streams *want, struct stream *runtime)
{
    const struct http_header headers[] = {
        {S("Connection"), S("Upgrade")},
        {S("Upgrade"), S("websocket")},
        {S("Sec-WebSocket-Accept"),
         websocket_accept(a, http_header(&ex->req, "Sec-WebSocket-Key"))},
        {S("Sec-WebSocket-Protocol"), S(V5)},
    };
    const bool asked[N_CHANNELS] = {want->in, want->out, want->err && !want->tty, true, want->tty};
    /* Kubernetes' own clients open the streams in this order. */
    static const unsigned order[N_CHANNELS] = {CHANNEL_ERROR, CHANNEL_STDIN, CHANNEL_STDOUT,
                                               CHANNEL_STDERR, CHANNEL_RESIZE};
    struct stream *caller = http_upgrade(ex, headers, ARRAY_LEN(headers));
    struct translator *t;
    uint32_t id = 1; /* a client's are odd */

    if (!caller)
        return false;
    t = NEW(struct translator);
    t->loop = loop;
    t->caller = caller;
    t->runtime = runtime;
    for (size_t i = 0; i < N_CHANNELS; i++) {
        unsigned c = order[i];
        const char *const header[] = {"streamtype", stream_types[c]};

        if (!asked[c])
            continue;
        t->ids[c] = id;
        spdy_syn_stream(&t->to_runtime, id, header, ARRAY_LEN(header));
        id += 2;
    }
    flush(t);
    start_runtime(t);
    if (!t->caller_paused)
        start_caller(t);
    return true;
}
