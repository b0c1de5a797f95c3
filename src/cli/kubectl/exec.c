/* exec.c - exec, attach and cp: a process in a container and this one's standard streams.
 *
 * Channels: 0 stdin, 1 stdout, 2 stderr, 3 the final Status, 4 terminal size. With v5 the end of the input is told; an older server
 * cannot be told, and the process goes on waiting. */
#include "cli/kubectl/kubectl.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define STDIN_CHUNK 16384
#define PROTOCOLS "v5.channel.k8s.io, v4.channel.k8s.io"

struct process {
    struct kubectl *k;
    struct channel *channel;
    struct fd_watch *input;
    struct signal_watch *resized;
    int in_fd, out_fd;
    struct buf status;
    struct err *err;
    bool ended, opened, tty, raw, input_wanted;
    struct termios saved;
};

static void process_end(struct process *p)
{
    p->ended = true;
    loop_stop(p->k->loop);
}

static void input_ready(void *ctx, int events)
{
    struct process *p = ctx;
    char chunk[STDIN_CHUNK];
    ssize_t n = read(p->in_fd, chunk, sizeof chunk);

    if (n > 0) {
        channel_send(p->channel, 0, (str){chunk, (size_t)n});
        if (channel_is_full(p->channel))
            fd_watch_free(TAKE(p->input));
        return;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    p->input_wanted = false;
    fd_watch_free(TAKE(p->input));
    channel_send_end(p->channel, 0);
}

/* Files and /dev/null are always ready, and cannot be watched. */
static bool is_watchable(int fd)
{
    struct stat st;

    return !fstat(fd, &st) &&
           (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(fd)));
}

static void input_start(struct process *p)
{
    if (p->input_wanted && !p->input && is_watchable(p->in_fd))
        p->input = fd_watch_new(p->k->loop, p->in_fd, true, false, input_ready, p);
    if (p->input_wanted && !p->input) {
        char chunk[STDIN_CHUNK];
        ssize_t n = 0;

        while (!channel_is_full(p->channel) && (n = read(p->in_fd, chunk, sizeof chunk)) > 0)
            channel_send(p->channel, 0, (str){chunk, (size_t)n});
        if (n <= 0 && !channel_is_full(p->channel)) {
            p->input_wanted = false;
            channel_send_end(p->channel, 0);
        }
    }
}

static void on_opened(void *ctx, struct err *err)
{
    struct process *p = ctx;

    p->opened = true;
    p->err = err;
    loop_stop(p->k->loop);
}

static void write_all(int fd, str data)
{
    while (data.n) {
        ssize_t n = write(fd, data.p, data.n);

        if (n < 0 && errno != EINTR)
            return;
        data = str_skip(data, (size_t)MAX(n, (ssize_t)0));
    }
}

static void on_data(void *ctx, unsigned char number, str data)
{
    struct process *p = ctx;

    if (number == 1)
        write_all(p->out_fd, data);
    else if (number == 2)
        write_all(STDERR_FILENO, data);
    else if (number == 3)
        buf_str(&p->status, data);
}

static void on_end(void *ctx)
{
    process_end(ctx);
}

static void on_drained(void *ctx)
{
    input_start(ctx);
}

static void send_size(void *ctx)
{
    struct process *p = ctx;
    struct winsize size;
    char text[64];
    int n;

    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size))
        return;
    n = snprintf(text, sizeof text, "{\"Width\":%u,\"Height\":%u}", size.ws_col, size.ws_row);
    channel_send(p->channel, 4, (str){text, (size_t)n});
}

static void terminal_raw(struct process *p)
{
    struct termios raw;

    if (!p->tty || tcgetattr(STDIN_FILENO, &p->saved))
        return;
    raw = p->saved;
    cfmakeraw(&raw);
    p->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    p->resized = signal_watch_new(p->k->loop, SIGWINCH, send_size, p);
    send_size(p);
}

/* The Status of channel 3: Success, or NonZeroExitCode with the code as a cause, or what went wrong before. */
static struct err *exit_status(struct process *p)
{
    struct json *doc = NULL;
    struct err *err;
    int64_t code = -1;

    if (p->status.n == 0)
        return NULL;
    err = json_parse(p->k->a, buf_view(&p->status), NULL, NULL, &doc);
    if (err)
        return err;
    if (str_is(json_get_str(doc, "status"), "Success"))
        return NULL;
    JSON_EACH(cause, json_path(doc, "details.causes"))
        if (str_is(json_get_str(cause, "reason"), "ExitCode"))
            str_to_int64(json_get_str(cause, "message"), &code);
    if (code < 0)
        return err_new(REASON_INTERNAL, PRI_STR, STR_ARG(json_get_str(doc, "message")));
    fprintf(stderr, "command terminated with exit code %lld\n", (long long)code);
    err = err_new(REASON_UNKNOWN, "%s", "");
    err->code = 1000 + (int)(code & 255);
    return err;
}

struct err *kube_process(struct kubectl *k, const struct kube_process *what)
{
    static const struct channel_events events = {
        .opened = on_opened, .data = on_data, .end = on_end, .drained = on_drained};
    struct process p = {.k = k,
                        .tty = what->tty,
                        .in_fd = what->in_fd,
                        .out_fd = what->out_fd,
                        .input_wanted = what->with_input};
    CLEANUP(buf) struct buf q = BUF_INIT;
    struct err *err;

    buf_fmt(&q,
            "/api/v1/namespaces/" PRI_STR "/pods/" PRI_STR "/%s?container=" PRI_STR "&stdout=true",
            STR_ARG(json_get_str(what->pod, "metadata.namespace")),
            STR_ARG(json_get_str(what->pod, "metadata.name")), what->n_command ? "exec" : "attach",
            STR_ARG(what->container));
    buf_z(&q, what->tty ? "&tty=true" : "&stderr=true");
    if (what->with_input)
        buf_z(&q, "&stdin=true");
    for (int i = 0; i < what->n_command; i++) {
        buf_z(&q, "&command=");
        http_percent_encode(&q, str_of(what->command[i]));
    }
    p.channel = channel_open(k, arena_dup(k->a, buf_view(&q)), PROTOCOLS, &events, &p);
    while (!p.opened)
        loop_run(k->loop);
    if (p.err) {
        channel_close(p.channel);
        return p.err;
    }
    if (what->with_input) {
        terminal_raw(&p);
        input_start(&p);
    }
    if (!what->n_command && !what->quiet)
        fputs("If you don't see a command prompt, try pressing enter.\n", stderr);
    while (!p.ended)
        loop_run(k->loop);
    if (p.raw)
        tcsetattr(STDIN_FILENO, TCSANOW, &p.saved);
    fd_watch_free(p.input);
    if (p.resized)
        signal_watch_free(p.resized);
    channel_close(p.channel);
    err = exit_status(&p);
    buf_fini(&p.status);
    return err;
}

static bool usable_tty(const struct kube_args *args)
{
    if (!args->f->tty)
        return false;
    if (args->f->stdin_ && isatty(STDIN_FILENO))
        return true;
    fputs("Unable to use a TTY - input is not a terminal or the right kind of file\n", stderr);
    return false;
}

struct err *cmd_exec(struct kube_args *args)
{
    struct kube_process p = {.in_fd = STDIN_FILENO,
                             .out_fd = STDOUT_FILENO,
                             .with_input = args->f->stdin_,
                             .command = args->rest,
                             .n_command = args->n_rest};
    struct json *pod;
    struct err *err;

    if (args->n == 0)
        return err_new(REASON_BAD_REQUEST, "pod, type/name or --filename must be specified");
    if (args->n_rest == 0)
        return err_new(REASON_BAD_REQUEST,
                       args->n > 1
                           ? "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- "
                             "[COMMAND] instead\nSee 'kubectl exec -h' for help and examples"
                           : "you must specify at least one command for the container");
    err = kube_pod_of(args->k, args->args[0], &pod);
    if (err)
        return err;
    if (str_is(json_get_str(pod, "status.phase"), "Succeeded") ||
        str_is(json_get_str(pod, "status.phase"), "Failed"))
        return err_new(REASON_BAD_REQUEST,
                       "cannot exec into a container in a completed pod; current phase is " PRI_STR,
                       STR_ARG(json_get_str(pod, "status.phase")));
    p.pod = pod;
    p.container = kube_default_container(pod, args->f->container, args->f->quiet);
    p.tty = usable_tty(args);
    return kube_process(args->k, &p);
}

struct err *cmd_attach(struct kube_args *args)
{
    struct kube_process p = {.in_fd = STDIN_FILENO,
                             .out_fd = STDOUT_FILENO,
                             .with_input = args->f->stdin_,
                             .quiet = args->f->quiet};
    const struct json *spec;
    struct json *pod;
    struct err *err;

    if (args->n == 0)
        return err_new(REASON_BAD_REQUEST, "at least 1 argument is required for attach");
    err = kube_pod_of(args->k, args->args[0], &pod);
    if (err)
        return err;
    if (str_is(json_get_str(pod, "status.phase"), "Succeeded") ||
        str_is(json_get_str(pod, "status.phase"), "Failed"))
        return err_new(REASON_BAD_REQUEST,
                       "cannot attach a container in a completed pod; current phase is " PRI_STR,
                       STR_ARG(json_get_str(pod, "status.phase")));
    p.pod = pod;
    p.container = kube_default_container(pod, args->f->container, args->f->quiet);
    spec = kube_container_spec(pod, p.container);
    if (!spec)
        return err_new(REASON_NOT_FOUND, "container " PRI_STR " not found in pod " PRI_STR,
                       STR_ARG(p.container), STR_ARG(json_get_str(pod, "metadata.name")));
    p.tty = usable_tty(args);
    if (p.tty && !json_get_bool(spec, "tty", false)) {
        fprintf(stderr, "error: Unable to use a TTY - container " PRI_STR " did not allocate one\n",
                STR_ARG(p.container));
        p.tty = false;
    } else if (!p.tty && json_get_bool(spec, "tty", false)) {
        p.tty = true; /* its output has one stream only */
    }
    if (p.with_input && !json_get_bool(spec, "stdin", false))
        p.with_input = false;
    return kube_process(args->k, &p);
}

/* ---- cp: tar here, tar there ---- */

/* "[NAMESPACE/]POD:PATH"; a path without a colon, or with a slash before it, is a local one. */
static bool remote_part(str arg, str *ret_ns, str *ret_pod, str *ret_path)
{
    str rest = arg, pod;
    ptrdiff_t colon = str_index(arg, ':');

    if (colon <= 0 || arg.p[0] == '/' || arg.p[0] == '.')
        return false;
    str_cut(&rest, ':', &pod);
    *ret_ns = STR_NONE;
    if (str_has_char(pod, '/'))
        str_cut(&pod, '/', ret_ns);
    *ret_pod = pod;
    *ret_path = rest;
    return true;
}

static void split_path(struct kubectl *k, str path, const char **ret_dir, const char **ret_base)
{
    ptrdiff_t slash;

    while (path.n > 1 && str_has_suffix(path, S("/")))
        path.n--;
    slash = str_rindex(path, '/');
    *ret_base = arena_dupz(k->a, str_skip(path, (size_t)(slash + 1)));
    *ret_dir = slash < 0    ? "."
               : slash == 0 ? "/"
                            : arena_dupz(k->a, str_slice(path, 0, (size_t)slash));
}

/* tar as a child; its output (or input) is *ret_fd. */
static struct err *spawn_tar(char *const argv[], bool reads, int *ret_fd, pid_t *ret_pid)
{
    int fds[2];
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC))
        return err_errno(-errno, "pipe");
    pid = fork();
    if (pid == 0) {
        dup2(fds[reads ? 0 : 1], reads ? STDIN_FILENO : STDOUT_FILENO);
        execvp("tar", argv);
        fprintf(stderr, "tar: %s\n", strerror(errno));
        _exit(127);
    }
    close(fds[reads ? 0 : 1]);
    if (pid < 0) {
        close(fds[reads ? 1 : 0]);
        return err_errno(-errno, "fork");
    }
    *ret_fd = fds[reads ? 1 : 0];
    *ret_pid = pid;
    return NULL;
}

static struct err *wait_tar(pid_t pid, struct err *err)
{
    int status;

    waitpid(pid, &status, 0);
    if (!err && (!WIFEXITED(status) || WEXITSTATUS(status)))
        return err_new(REASON_INTERNAL, "tar failed");
    return err;
}

static char *word(struct kubectl *k, const char *z)
{
    return arena_dupz(k->a, str_of(z));
}

static struct err *copy_in(struct kube_args *args, struct json *pod, str local, str remote)
{
    struct kubectl *k = args->k;
    const char *dir, *base, *to_dir, *to_base;
    char *far[6] = {word(k, "tar"), word(k, "-xmf"), word(k, "-"), NULL, NULL, NULL};
    struct kube_process p = {.pod = pod,
                             .container = kube_default_container(pod, args->f->container, false),
                             .out_fd = STDOUT_FILENO,
                             .with_input = true,
                             .command = far,
                             .n_command = 3};
    CLEANUP(buf) struct buf rename = BUF_INIT;
    struct err *err;
    pid_t pid;

    if (access(arena_dupz(k->a, local), F_OK))
        return err_new(REASON_NOT_FOUND, PRI_STR " doesn't exist in local filesystem",
                       STR_ARG(local));
    split_path(k, local, &dir, &base);
    if (str_has_suffix(remote, S("/")))
        remote = arena_fmt(k->a, PRI_STR "%s", STR_ARG(remote), base);
    split_path(k, remote, &to_dir, &to_base);
    buf_fmt(&rename, "s,^%s,%s,", base, to_base);
    if (strcmp(to_dir, ".")) {
        far[3] = word(k, "-C");
        far[4] = word(k, to_dir);
        p.n_command = 5;
    }
    {
        char *near[] = {word(k, "tar"),
                        word(k, "-cf"),
                        word(k, "-"),
                        word(k, "-C"),
                        word(k, dir),
                        word(k, "--transform"),
                        word(k, buf_cstr(&rename)),
                        word(k, base),
                        NULL};

        err = spawn_tar(near, false, &p.in_fd, &pid);
    }
    if (err)
        return err;
    err = kube_process(k, &p);
    close(p.in_fd);
    return wait_tar(pid, err);
}

static struct err *copy_out(struct kube_args *args, struct json *pod, str remote, str local)
{
    struct kubectl *k = args->k;
    const char *dir, *base, *to_dir, *to_base;
    char *far[6] = {word(k, "tar"), word(k, "cf"), word(k, "-")};
    struct kube_process p = {.pod = pod,
                             .container = kube_default_container(pod, args->f->container, false),
                             .command = far,
                             .n_command = 4};
    CLEANUP(buf) struct buf rename = BUF_INIT;
    struct err *err;
    pid_t pid;

    split_path(k, remote, &dir, &base);
    far[3] = arena_dupz(k->a, remote);
    if (str_has_suffix(local, S("/")) || str_is(local, "."))
        local = arena_fmt(k->a, PRI_STR "/%s", STR_ARG(local), base);
    split_path(k, local, &to_dir, &to_base);
    while (str_has_prefix(remote, S("/")))
        remote = str_skip(remote, 1);
    buf_fmt(&rename, "s,^/*" PRI_STR ",%s,", STR_ARG(remote), to_base);
    {
        char *near[] = {word(k, "tar"),
                        word(k, "-xmf"),
                        word(k, "-"),
                        word(k, "-C"),
                        word(k, to_dir),
                        word(k, "--transform"),
                        word(k, buf_cstr(&rename)),
                        NULL};

        err = spawn_tar(near, true, &p.out_fd, &pid);
    }
    if (err)
        return err;
    err = kube_process(k, &p);
    close(p.out_fd);
    return wait_tar(pid, err);
}

struct err *cmd_cp(struct kube_args *args)
{
    struct kubectl *k = args->k;
    str ns, name, path, ns2, name2, path2, from, to;
    bool remote_from, remote_to;
    struct json *pod;
    struct err *err;

    if (args->n != 2)
        return err_new(REASON_BAD_REQUEST, "source and destination are required");
    from = str_of(args->args[0]);
    to = str_of(args->args[1]);
    remote_from = remote_part(from, &ns, &name, &path);
    remote_to = remote_part(to, &ns2, &name2, &path2);
    if (remote_from == remote_to)
        return err_new(REASON_BAD_REQUEST, remote_from ? "one of src or dest must be a local file "
                                                         "specification"
                                                       : "one of src or dest must be a remote file "
                                                         "specification");
    if (remote_to) {
        ns = ns2;
        name = name2;
        path = path2;
    }
    if (!path.n)
        return err_new(REASON_BAD_REQUEST, "filepath can not be empty");
    if (ns.n)
        k->ns = ns;
    signal(SIGPIPE, SIG_IGN);
    err = kube_pod_of(k, arena_dupz(k->a, name), &pod);
    if (err)
        return err;
    return remote_to ? copy_in(args, pod, from, path) : copy_out(args, pod, path, to);
}
