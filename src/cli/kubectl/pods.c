/* pods.c - logs and exec.
 *
 * exec speaks the v4.channel.k8s.io WebSocket protocol: the first byte of a message is the channel (0 stdin, 1 stdout, 2 stderr,
 * 3 the final Status, 4 terminal size). Source: k8s.io/apimachinery/pkg/util/httpstream/wsstream, RFC 6455. */
#include "cli/kubectl/kubectl.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define FRAME_MAX ((size_t)16 << 20)
#define STDIN_CHUNK 16384

/* A pod named directly, or the first running pod that a workload selects. */
static struct err *pod_of_args(struct kube_args *args, struct json **ret)
{
    struct kubectl *k = args->k;
    char *one[2];
    int n = args->n;
    struct kube_targets t = {0};
    struct kube_resource pods;
    struct json *object, *list, *selector;
    struct err *err;

    if (n == 0)
        return err_new(REASON_BAD_REQUEST, "expected POD or TYPE/NAME");
    if (!strchr(args->args[0], '/')) {
        one[0] = arena_dupz(k->a, S("pods"));
        one[1] = args->args[0];
        err = kube_targets_of_args(k, one, 2, &t);
    } else {
        err = kube_targets_of_args(k, args->args, 1, &t);
    }
    if (!err)
        err = kube_get(k, &t.items[0], &object);
    if (err)
        return err;
    if (str_is(t.items[0].res.plural, "pods")) {
        *ret = object;
        return NULL;
    }
    selector = json_path(object, "spec.selector");
    if (json_findz(selector, "matchLabels"))
        selector = json_findz(selector, "matchLabels");
    if (!json_count(selector))
        return err_new(REASON_BAD_REQUEST, "cannot find pods of " PRI_STR "/" PRI_STR,
                       STR_ARG(kube_full_name(k->a, &t.items[0].res)), STR_ARG(t.items[0].name));
    {
        CLEANUP(buf) struct buf plain = BUF_INIT, query = BUF_INIT;

        JSON_EACH_MEMBER(m, selector)
            buf_fmt(&plain, "%s" PRI_STR "=" PRI_STR, plain.n ? "," : "", STR_ARG(m->key),
                    STR_ARG(json_str(&m->value)));
        buf_z(&query, "?labelSelector=");
        http_percent_encode(&query, buf_view(&plain));
        err = kube_resource_find(k, S("pods"), &pods);
        if (!err)
            err = kube_call_json(
                k,
                &(struct kube_request){.method = "GET",
                                       .path = arena_fmt(k->a, PRI_STR PRI_STR,
                                                         STR_ARG(kube_path(k, &pods, t.items[0].ns,
                                                                           STR_NONE, STR_NONE)),
                                                         STR_ARG(buf_view(&query)))},
                &list);
        if (err)
            return err;
    }
    object = json_item(json_findz(list, "items"), 0);
    JSON_EACH(pod, json_findz(list, "items"))
        if (str_is(json_get_str(pod, "status.phase"), "Running") &&
            !json_path(pod, "metadata.deletionTimestamp")) {
            object = pod;
            break;
        }
    if (!object)
        return err_new(REASON_NOT_FOUND, "no pods found for " PRI_STR "/" PRI_STR,
                       STR_ARG(kube_full_name(k->a, &t.items[0].res)), STR_ARG(t.items[0].name));
    *ret = object;
    return NULL;
}

static str default_container(struct kube_args *args, const struct json *pod)
{
    const struct json *containers = json_path(pod, "spec.containers");
    str name = json_str(json_findz(json_path(pod, "metadata.annotations"),
                                   "kubectl.kubernetes.io/default-container"));

    if (args->f->container.n)
        return args->f->container;
    if (name.n == 0)
        name = json_get_str(json_item(containers, 0), "name");
    if (json_count(containers) > 1)
        fprintf(stderr, "Defaulted container \"" PRI_STR "\" out of %u\n", STR_ARG(name),
                json_count(containers));
    return name;
}

/* "5m", "1h30m", "10s" in seconds. */
static bool duration_seconds(str s, int64_t *ret)
{
    int64_t total = 0, v = 0;
    bool digits = false;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c >= '0' && c <= '9') {
            v = v * 10 + (c - '0');
            digits = true;
            if (v > INT32_MAX)
                return false;
            continue;
        }
        if (!digits || (c != 'h' && c != 'm' && c != 's'))
            return false;
        total += v * (c == 'h' ? 3600 : c == 'm' ? 60 : 1);
        v = 0;
        digits = false;
    }
    *ret = total;
    return !digits && s.n > 0;
}

static bool log_data(void *ctx, str data)
{
    fwrite(data.p, 1, data.n, stdout);
    fflush(stdout);
    return true;
}

static struct err *logs_of(struct kube_args *args, const struct json *pod, str container)
{
    struct kubectl *k = args->k;
    struct buf q = BUF_INIT;
    int64_t since;
    struct err *err;

    buf_fmt(&q, "/api/v1/namespaces/" PRI_STR "/pods/" PRI_STR "/log?container=" PRI_STR,
            STR_ARG(json_get_str(pod, "metadata.namespace")),
            STR_ARG(json_get_str(pod, "metadata.name")), STR_ARG(container));
    if (args->f->follow)
        buf_z(&q, "&follow=true");
    if (args->f->previous)
        buf_z(&q, "&previous=true");
    if (args->f->timestamps)
        buf_z(&q, "&timestamps=true");
    if (args->f->tail.n && !str_is(args->f->tail, "-1"))
        buf_fmt(&q, "&tailLines=" PRI_STR, STR_ARG(args->f->tail));
    if (args->f->limit_bytes.n)
        buf_fmt(&q, "&limitBytes=" PRI_STR, STR_ARG(args->f->limit_bytes));
    if (args->f->since.n) {
        if (!duration_seconds(args->f->since, &since)) {
            buf_fini(&q);
            return err_new(REASON_BAD_REQUEST, "--since: invalid duration \"" PRI_STR "\"",
                           STR_ARG(args->f->since));
        }
        buf_fmt(&q, "&sinceSeconds=%lld", (long long)since);
    }
    err = kube_stream(k, arena_dup(k->a, buf_view(&q)), "*/*", 0, log_data, NULL);
    buf_fini(&q);
    return err;
}

struct err *cmd_logs(struct kube_args *args)
{
    struct json *pod;
    struct err *err = pod_of_args(args, &pod);

    if (err)
        return err;
    if (!args->f->all_containers)
        return logs_of(args, pod,
                       args->n > 1 ? str_of(args->args[1]) : default_container(args, pod));
    JSON_EACH(c, json_path(pod, "spec.containers")) {
        err = logs_of(args, pod, json_get_str(c, "name"));
        if (err)
            return err;
    }
    return NULL;
}

/* ---- exec ---- */

struct exec {
    struct kubectl *k;
    struct stream *s;
    struct buf in, message; /* bytes of the wire; the message being put together */
    struct fd_watch *keyboard;
    struct signal_watch *resized;
    struct buf status;
    bool ended, tty, raw;
    struct termios saved;
};

/* A client's frame: final, binary, masked (RFC 6455, 5.3). */
static void ws_send(struct exec *e, unsigned char opcode, str payload)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    unsigned char mask[4];
    size_t n = payload.n;

    loop_random(e->k->loop, mask, sizeof mask);
    buf_char(&b, (char)(0x80 | opcode));
    if (n < 126) {
        buf_char(&b, (char)(0x80 | n));
    } else if (n < 65536) {
        buf_char(&b, (char)(0x80 | 126));
        buf_char(&b, (char)(n >> 8));
        buf_char(&b, (char)n);
    } else {
        buf_char(&b, (char)(0x80 | 127));
        for (int shift = 56; shift >= 0; shift -= 8)
            buf_char(&b, (char)((uint64_t)n >> shift));
    }
    buf_add(&b, mask, 4);
    for (size_t i = 0; i < n; i++)
        buf_char(&b, (char)(payload.p[i] ^ mask[i & 3]));
    stream_write(e->s, buf_view(&b), NULL, NULL);
}

static void exec_end(struct exec *e)
{
    e->ended = true;
    loop_stop(e->k->loop);
}

static void ws_message(struct exec *e, str m)
{
    if (m.n < 2)
        return;
    switch (m.p[0]) {
    case 1:
        fwrite(m.p + 1, 1, m.n - 1, stdout);
        fflush(stdout);
        break;
    case 2:
        fwrite(m.p + 1, 1, m.n - 1, stderr);
        break;
    case 3:
        buf_add(&e->status, m.p + 1, m.n - 1);
        break;
    default:
        break;
    }
}

/* Takes one frame off e->in; false when it is not complete yet. */
static bool ws_frame(struct exec *e)
{
    const unsigned char *p = (const unsigned char *)e->in.p;
    size_t head = 2, n;
    unsigned opcode;

    if (e->in.n < 2)
        return false;
    n = p[1] & 127;
    if (n == 126) {
        if (e->in.n < 4)
            return false;
        n = (size_t)p[2] << 8 | p[3];
        head = 4;
    } else if (n == 127) {
        if (e->in.n < 10)
            return false;
        n = 0;
        for (int i = 2; i < 10; i++)
            n = n << 8 | p[i];
        head = 10;
    }
    if (p[1] & 0x80 || n > FRAME_MAX) { /* servers do not mask */
        exec_end(e);
        return false;
    }
    if (e->in.n < head + n)
        return false;
    opcode = p[0] & 15;
    if (opcode == 8)
        exec_end(e);
    else if (opcode == 9)
        ws_send(e, 10, (str){e->in.p + head, n});
    else if (opcode <= 2) {
        buf_add(&e->message, e->in.p + head, n);
        if (p[0] & 0x80) {
            ws_message(e, buf_view(&e->message));
            buf_clear(&e->message);
        }
    }
    buf_drop(&e->in, head + n);
    return true;
}

static void exec_data(void *ctx, const char *p, size_t n)
{
    struct exec *e = ctx;

    buf_add(&e->in, p, n);
    while (!e->ended && ws_frame(e))
        ;
}

static void exec_closed(void *ctx, int error)
{
    exec_end(ctx);
}

static void keyboard_ready(void *ctx, int events)
{
    struct exec *e = ctx;
    char chunk[STDIN_CHUNK + 1] = {0}; /* channel 0 */
    ssize_t n;

    n = read(STDIN_FILENO, chunk + 1, STDIN_CHUNK);
    if (n > 0) {
        ws_send(e, 2, (str){chunk, (size_t)n + 1});
        return;
    }
    /* v4 cannot end one channel: an empty message is how it is told, and containerd closes stdin with the connection. */
    fd_watch_free(TAKE(e->keyboard));
    ws_send(e, 2, (str){chunk, 1});
}

static void send_size(void *ctx)
{
    struct exec *e = ctx;
    struct winsize size;
    char text[64];
    int n;

    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size))
        return;
    n = snprintf(text, sizeof text, "%c{\"Width\":%u,\"Height\":%u}", 4, size.ws_col, size.ws_row);
    ws_send(e, 2, (str){text, (size_t)n});
}

static void terminal_raw(struct exec *e)
{
    struct termios raw;

    if (!e->tty || tcgetattr(STDIN_FILENO, &e->saved))
        return;
    raw = e->saved;
    cfmakeraw(&raw);
    e->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    e->resized = signal_watch_new(e->k->loop, SIGWINCH, send_size, e);
    send_size(e);
}

/* The Status of channel 3: Success, or NonZeroExitCode with the code as a cause. */
static struct err *exit_status(struct exec *e)
{
    struct json *doc = NULL;
    struct err *err;
    int64_t code = 1;

    if (e->status.n == 0)
        return NULL;
    err = json_parse(e->k->a, buf_view(&e->status), NULL, NULL, &doc);
    if (err)
        return err;
    if (str_is(json_get_str(doc, "status"), "Success"))
        return NULL;
    JSON_EACH(cause, json_path(doc, "details.causes"))
        if (str_is(json_get_str(cause, "reason"), "ExitCode"))
            str_to_int64(json_get_str(cause, "message"), &code);
    fprintf(stderr, "command terminated with exit code %lld\n", (long long)code);
    err = err_new(REASON_UNKNOWN, "%s", "");
    err->code = 1000 + (int)(code & 255);
    return err;
}

struct err *cmd_exec(struct kube_args *args)
{
    static const struct stream_events events = {.data = exec_data, .end = exec_closed};
    struct kubectl *k = args->k;
    struct exec e = {.k = k, .tty = args->f->tty && isatty(STDIN_FILENO)};
    CLEANUP(buf) struct buf q = BUF_INIT;
    struct json *pod;
    struct err *err = pod_of_args(args, &pod);
    char **command = args->n_rest ? args->rest : args->args + 1;
    int n_command = args->n_rest ? args->n_rest : args->n - 1;

    if (err)
        return err;
    if (n_command < 1)
        return err_new(REASON_BAD_REQUEST,
                       "you must specify at least one command for the container");
    buf_fmt(&q,
            "/api/v1/namespaces/" PRI_STR "/pods/" PRI_STR "/exec?container=" PRI_STR
            "&stdout=true",
            STR_ARG(json_get_str(pod, "metadata.namespace")),
            STR_ARG(json_get_str(pod, "metadata.name")), STR_ARG(default_container(args, pod)));
    buf_z(&q, e.tty ? "&tty=true" : "&stderr=true");
    if (args->f->stdin_)
        buf_z(&q, "&stdin=true");
    for (int i = 0; i < n_command; i++) {
        buf_z(&q, "&command=");
        http_percent_encode(&q, str_of(command[i]));
    }
    err = kube_websocket(k, arena_dup(k->a, buf_view(&q)), "v4.channel.k8s.io", &e.s);
    if (err)
        return err;
    stream_start(e.s, &events, &e);
    if (args->f->stdin_) {
        e.keyboard = fd_watch_new(k->loop, STDIN_FILENO, true, false, keyboard_ready, &e);
        terminal_raw(&e);
    }
    while (!e.ended)
        loop_run(k->loop);
    if (e.raw)
        tcsetattr(STDIN_FILENO, TCSANOW, &e.saved);
    fd_watch_free(e.keyboard);
    if (e.resized)
        signal_watch_free(e.resized);
    stream_close(e.s, NULL, NULL);
    err = exit_status(&e);
    buf_fini(&e.in);
    buf_fini(&e.message);
    buf_fini(&e.status);
    return err;
}
