/* containerd.c - the container runtime's process: started, watched, adopted; see containerd.h.
 *
 * Life: look for a process of an earlier k1s (pid file, and that process was started with our configuration) -> adopt it,
 * otherwise start one -> connect to its socket until it answers -> up. When it ends: down, wait, start again.
 *
 * Invariants
 *   (1) At most one containerd runs on our configuration: a second one would damage the first one's database.
 *   (2) The process is never killed here: containers outlive k1s. */
#include "kubelet/containerd.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "wire/yaml.h"

#define RESTART_FIRST_NS (500 * NS_PER_MS)
#define RESTART_MAX_NS (30 * NS_PER_S)
#define CONNECT_RETRY_NS (25 * NS_PER_MS) /* while it starts: its socket appears without a sign */
#define CONNECT_TIMEOUT_NS (5 * NS_PER_S)
#define CALM_NS (60 * NS_PER_S) /* having run so long, a crash counts as the first */
#define REGISTRIES_SIZE_MAX (1u << 20)
#define CAP_SYS_RESOURCE_BIT 24

struct containerd {
    struct containerd_options o;
    struct arena *arena;
    struct containerd_paths paths;
    const char *config_path;
    struct child *child; /* NULL: adopted or not running */
    int pidfd;           /* -1: none; of an adopted process */
    struct fd_watch *pidfd_watch;
    struct loop_timer *timer; /* either the next connect or the next start */
    bool start_due;           /* the timer means "start" */
    struct connecting *connecting;
    struct stream *probe;
    bool closing;
    int64_t restart_ns;
    mono_time started;
};

static void start_process(struct containerd *c);
static void try_connect(struct containerd *c);

const struct containerd_paths *containerd_paths(const struct containerd *c)
{
    return &c->paths;
}

/* ---- environment ---- */

static bool has_capability(int bit)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    str rest, line;
    char chunk[4096];
    ssize_t n;
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return true;
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        buf_add(&text, chunk, (size_t)n);
    close(fd);
    rest = buf_view(&text);
    while (str_cut(&rest, '\n', &line))
        if (str_has_prefix(line, S("CapEff:"))) {
            str hex = str_trim(str_skip(line, 7));
            unsigned long long caps = 0;

            for (size_t i = 0; i < hex.n; i++)
                caps = caps << 4 |
                       (unsigned)(hex.p[i] <= '9' ? hex.p[i] - '0' : (hex.p[i] | 32) - 'a' + 10);
            return caps >> bit & 1;
        }
    return true;
}

static str cni_bin_dir(void)
{
    static const str dirs[] = {STR("/opt/cni/bin"), STR("/usr/lib/cni")};
    static const char *const plugins[] = {"/opt/cni/bin/bridge", "/usr/lib/cni/bridge"};

    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        if (access(plugins[i], X_OK) == 0)
            return dirs[i];
    return dirs[1];
}

static const char *const program_dirs[] = {"/usr/local/bin",  "/usr/bin", "/usr/sbin",
                                           "/usr/local/sbin", "/bin",     "/sbin"};

const char *containerd_program(struct arena *a, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(program_dirs); i++) {
        str path = arena_fmt(a, "%s/%s", program_dirs[i], name);

        if (access(path.p, X_OK) == 0)
            return path.p;
    }
    return NULL;
}

/* Ours, with a PATH on which it finds its shim, runc and what CNI plugins call: services often have none. */
static const char *const *process_environment(struct arena *a)
{
    CLEANUP(buf) struct buf path = BUF_INIT;
    const char **env, *inherited = getenv("PATH");
    size_t n = 0, used = 0;

    while (environ[n])
        n++;
    env = ARENA_NEW_N(a, const char *, n + 2);
    for (size_t i = 0; i < n; i++)
        if (!str_has_prefix(str_of(environ[i]), S("PATH=")))
            env[used++] = environ[i];
    buf_fmt(&path, "PATH=%s", inherited ? inherited : "");
    for (size_t i = 0; i < ARRAY_LEN(program_dirs); i++)
        buf_fmt(&path, "%s%s", i || (inherited && *inherited) ? ":" : "", program_dirs[i]);
    env[used] = arena_dup(a, buf_view(&path)).p;
    return env;
}

static struct err *find_programs(struct arena *a)
{
    static const struct {
        const char *name, *package;
    } needed[] = {{"containerd", "containerd"}, {"ctr", "containerd"}, {"runc", "runc"}};
    CLEANUP(buf) struct buf dirs = BUF_INIT;

    for (size_t i = 0; i < ARRAY_LEN(program_dirs); i++)
        buf_fmt(&dirs, "%s%s", i ? ", " : "", program_dirs[i]);
    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        if (!containerd_program(a, needed[i].name))
            return err_new(REASON_INTERNAL,
                           "%s is not installed (Debian package %s; looked for in " PRI_STR ")",
                           needed[i].name, needed[i].package, STR_ARG(buf_view(&dirs)));
    return NULL;
}

struct registry_writer {
    struct containerd *c;
    int error;
};

static void write_registry_file(void *ctx, str dir, str text)
{
    struct registry_writer *w = ctx;
    struct arena *a = w->c->arena;
    str path = arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(w->c->paths.registry_dir), STR_ARG(dir));
    int r = file_mkdir_all(w->c->o.loop, path.p, 0755);

    if (r >= 0)
        r = file_write_atomic(w->c->o.loop, arena_fmt(a, PRI_STR "/hosts.toml", STR_ARG(path)).p,
                              text, 0600);
    if (r < 0 && !w->error)
        w->error = r;
}

static struct err *read_registries(struct containerd *c, struct json **ret)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    struct registry_writer w = {.c = c};
    struct json *v = NULL;
    struct err *err;
    int r;

    *ret = NULL;
    if (!c->o.registries_yaml.n)
        return NULL;
    r = file_read(c->o.loop, arena_dupz(c->arena, c->o.registries_yaml), REGISTRIES_SIZE_MAX,
                  &text);
    if (r == -ENOENT)
        return NULL;
    if (r < 0)
        return err_errno(r, "read " PRI_STR, STR_ARG(c->o.registries_yaml));
    err = yaml_parse(c->arena, arena_dup(c->arena, buf_view(&text)), NULL, &v);
    if (!err)
        err = registries_convert(c->arena, v, write_registry_file, &w);
    if (!err && w.error)
        err = err_errno(w.error, "write the registries' configuration");
    if (err)
        return err_note(err, PRI_STR, STR_ARG(c->o.registries_yaml));
    *ret = json_findz(v, "configs");
    return NULL;
}

static struct err *write_config(struct containerd *c)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    struct containerd_config config = {.paths = c->paths};
    const str dirs[] = {c->paths.root, c->paths.state, c->paths.registry_dir, c->paths.cni_conf_dir,
                        c->paths.cni_data_dir};
    struct json *configs;
    struct err *err;
    int r;

    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        r = file_mkdir_all(c->o.loop, dirs[i].p, i < 2 ? 0711 : 0755);
        if (r < 0)
            return err_errno(r, "make " PRI_STR, STR_ARG(dirs[i]));
    }
    err = read_registries(c, &configs);
    if (err)
        return err;
    config.registry_configs = configs;
    config.cni_bin_dir = cni_bin_dir();
    config.restrict_oom_score_adj = !has_capability(CAP_SYS_RESOURCE_BIT);
    config.disable_apparmor = access("/sys/module/apparmor/parameters/enabled", R_OK) != 0;
    containerd_config_write(&text, &config);
    r = file_write_atomic(c->o.loop, c->config_path, buf_view(&text), 0600);
    return r < 0 ? err_errno(r, "write %s", c->config_path) : NULL;
}

/* ---- the process ---- */

static void set_timer(struct containerd *c, int64_t delay_ns, bool start)
{
    c->start_due = start;
    loop_timer_set(c->timer, delay_ns);
}

static void on_ended(struct containerd *c)
{
    if (c->closing)
        return;
    unlink(c->paths.pid_file.p);
    if (c->connecting)
        connecting_cancel(c->connecting);
    if (loop_now(c->o.loop).ns - c->started.ns > CALM_NS)
        c->restart_ns = RESTART_FIRST_NS;
    else
        c->restart_ns = c->restart_ns ? MIN(c->restart_ns * 2, RESTART_MAX_NS) : RESTART_FIRST_NS;
    log_error("containerd", "ended; starting again in %lld ms (log: " PRI_STR ")",
              (long long)(c->restart_ns / NS_PER_MS), STR_ARG(c->paths.log_file));
    set_timer(c, c->restart_ns, true);
    c->o.down(c->o.ctx);
}

static void on_child_exit(void *ctx, int64_t status, int sig)
{
    struct containerd *c = ctx;

    if (status || sig)
        log_warning("containerd", "exit status %lld, signal %d", (long long)status, sig);
    child_free(TAKE(c->child));
    on_ended(c);
}

static void on_adopted_exit(void *ctx, int events)
{
    struct containerd *c = ctx;

    fd_watch_free(TAKE(c->pidfd_watch));
    close(c->pidfd);
    c->pidfd = -1;
    on_ended(c);
}

/* Is this process a containerd on our configuration? */
static bool is_ours(struct containerd *c, int64_t pid)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    char path[64];
    str rest, arg;
    bool program = false, config = false;

    snprintf(path, sizeof path, "/proc/%lld/cmdline", (long long)pid);
    if (file_read(c->o.loop, path, 65536, &text) < 0)
        return false;
    rest = buf_view(&text);
    while (str_cut(&rest, 0, &arg)) {
        program |= str_has_suffix(arg, S("/containerd"));
        config |= str_is(arg, c->config_path);
    }
    return program && config;
}

static bool adopt(struct containerd *c)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    int64_t pid;
    int fd;

    if (file_read(c->o.loop, c->paths.pid_file.p, 64, &text) < 0)
        return false;
    if (!str_to_int64(str_trim(buf_view(&text)), &pid) || pid < 2)
        return false;
    fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    if (fd < 0)
        return false;
    if (!is_ours(c, pid)) {
        close(fd);
        return false;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    c->pidfd = fd;
    c->pidfd_watch = fd_watch_new(c->o.loop, fd, true, false, on_adopted_exit, c);
    log_info("containerd", "took over process %lld", (long long)pid);
    return true;
}

static void start_process(struct containerd *c)
{
    CLEANUP(arena) struct arena *a = arena_new();
    const char *program = containerd_program(a, "containerd");
    const char *argv[] = {program, "--config", c->config_path, NULL};
    struct child_options o = {.argv = argv,
                              .env = process_environment(a),
                              .stdout_path = c->paths.log_file.p,
                              .new_session = true};
    char text[32];
    int r;

    c->started = loop_now(c->o.loop);
    r = program ? child_start(c->o.loop, &o, on_child_exit, c, &c->child) : -ENOENT;
    if (r < 0) {
        log_error("containerd", "cannot start %s: %s", program ? program : "containerd",
                  strerror(-r));
        c->restart_ns = c->restart_ns ? MIN(c->restart_ns * 2, RESTART_MAX_NS) : RESTART_FIRST_NS;
        set_timer(c, c->restart_ns, true);
        return;
    }
    snprintf(text, sizeof text, "%d\n", child_pid(c->child));
    r = file_write_atomic(c->o.loop, c->paths.pid_file.p, str_of(text), 0644);
    if (r < 0)
        log_warning("containerd", "cannot write " PRI_STR ": %s", STR_ARG(c->paths.pid_file),
                    strerror(-r));
    set_timer(c, CONNECT_RETRY_NS, false);
}

/* ---- is it there? ---- */

static void on_connected(void *ctx, int error, struct stream *s)
{
    struct containerd *c = ctx;

    c->connecting = NULL;
    if (s)
        stream_close(s, NULL, NULL);
    if (c->closing) {
        arena_free(c->arena);
        mem_free(c);
        return;
    }
    if (!c->child && !c->pidfd_watch)
        return; /* it ended meanwhile */
    if (error)
        set_timer(c, CONNECT_RETRY_NS, false);
    else
        c->o.up(c->o.ctx);
}

static void try_connect(struct containerd *c)
{
    str address = arena_fmt(c->arena, "unix:" PRI_STR, STR_ARG(c->paths.socket));

    c->connecting = stream_connect(c->o.loop, address, CONNECT_TIMEOUT_NS, on_connected, c);
}

static void on_timer(void *ctx)
{
    struct containerd *c = ctx;

    if (c->start_due)
        start_process(c);
    else if (!c->connecting)
        try_connect(c);
}

struct err *containerd_start(const struct containerd_options *o, struct containerd **ret)
{
    struct containerd *c = NEW(struct containerd);
    struct err *err;

    c->o = *o;
    c->pidfd = -1;
    c->arena = arena_new();
    c->o.data_dir = arena_dup(c->arena, o->data_dir);
    c->o.registries_yaml = arena_dup(c->arena, o->registries_yaml);
    containerd_paths_init(c->arena, c->o.data_dir, &c->paths);
    c->config_path = c->paths.config.p;
    err = write_config(c);
    if (!err)
        err = find_programs(c->arena);
    if (err) {
        arena_free(c->arena);
        mem_free(c);
        return err;
    }
    c->timer = loop_timer_new(o->loop, on_timer, c);
    if (adopt(c)) {
        c->started = loop_now(o->loop);
        set_timer(c, 0, false);
    } else {
        set_timer(c, 0, true);
    }
    *ret = c;
    return NULL;
}

void containerd_free(struct containerd *c)
{
    if (!c)
        return;
    c->closing = true;
    loop_timer_free(c->timer);
    fd_watch_free(c->pidfd_watch);
    if (c->pidfd >= 0)
        close(c->pidfd);
    child_free(c->child);
    if (c->connecting) {
        connecting_cancel(c->connecting); /* on_connected frees */
        return;
    }
    arena_free(c->arena);
    mem_free(c);
}
