/* stop.c - k1s stop: ends this machine's cluster and leaves nothing behind but its data.
 *
 * `k1s server` that ends leaves pods running, as it should: so this is the other thing, for who wants the machine back. It works
 * from what the kernel shows (locks, processes, mounts, links), not from what k1s remembers, so that it also works after a crash,
 * twice in a row, and when k1s was ended some other way.
 *
 * In order: the server; containerd, so that nothing starts anew; containers (TERM, a while, KILL) and their shims; mounts; network
 * namespaces, links, rules, kernel settings; cgroups; files that describe pods that are no more. Stays: the data directory (the
 * cluster's objects, images): the next start brings the same cluster back.
 *
 * Only what belongs to this data directory is touched: a second cluster, or somebody's own containerd, is left alone. */
#include "cli/cli.h"
#include "kubelet/containerd.h"
#include "proxy/node_address.h"
#include "proxy/proxy.h"
#include "wire/json.h"
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define DATA_DIR_DEFAULT "/var/lib/k1s"
#define KUBELET_DIR "/var/lib/kubelet"
#define SERVER_WAIT_MS 10000
#define RUNTIME_WAIT_MS 5000
#define PODS_WAIT_MS 6000 /* after TERM; then KILL */
#define KILLED_WAIT_MS 5000
#define TEXT_MAX ((size_t)4 << 20)

struct pids {
    pid_t *v;
    size_t n, cap;
};
struct stopping {
    struct arena *a;
    struct loop *loop; /* for the file functions */
    str data_dir;
    struct containerd_paths paths;
    struct pids shims, containers; /* containers: everything below the shims */
    ino_t *netns;                  /* network namespaces that our containers live in */
    size_t n_netns, cap_netns;
    int failures;
};

static void pids_add(struct pids *p, pid_t pid)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 32;
        p->v = mem_realloc(p->v, p->cap * sizeof *p->v);
    }
    p->v[p->n++] = pid;
}

static bool pids_have(const struct pids *p, pid_t pid)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->v[i] == pid)
            return true;
    return false;
}

static void complain(struct stopping *s, const char *what, const char *about, const char *why)
{
    fprintf(stderr, "k1s stop: %s %s: %s\n", what, about, why);
    s->failures++;
}

/* ---- processes ---- */

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Signals them and waits until all are gone, at most wait_ms. True: all gone. */
static bool end_processes(const struct pids *p, int signum, int wait_ms)
{
    int64_t deadline = now_ms() + wait_ms;
    struct pids fds = {0};
    bool all = true;

    /* By descriptor: a number could meanwhile be another process. */
    for (size_t i = 0; i < p->n; i++) {
        int fd = (int)syscall(SYS_pidfd_open, p->v[i], 0);
        if (fd < 0)
            continue;
        syscall(SYS_pidfd_send_signal, fd, signum, NULL, 0);
        pids_add(&fds, fd);
    }
    for (size_t i = 0; i < fds.n; i++) {
        struct pollfd one = {.fd = fds.v[i], .events = POLLIN};
        int64_t left = deadline - now_ms();
        if (poll(&one, 1, left > 0 ? (int)left : 0) != 1)
            all = false;
        close(fds.v[i]);
    }
    mem_free(fds.v);
    return all;
}

static bool read_text(struct stopping *s, const char *path, str *ret)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (file_read(s->loop, path, TEXT_MAX, &b) < 0)
        return false;
    *ret = arena_dup(s->a, buf_view(&b));
    return true;
}

/* Who holds the lock of the data directory: "1: FLOCK  ADVISORY  WRITE 1234 fe:00:567 0 EOF". */
static pid_t server_pid(struct stopping *s)
{
    const char *lock = arena_fmt(s->a, PRI_STR "/server/lock", STR_ARG(s->data_dir)).p;
    struct stat st;
    str text, line;

    if (stat(lock, &st) < 0 || !read_text(s, "/proc/locks", &text))
        return 0;
    while (str_cut(&text, '\n', &line)) {
        str inode = arena_fmt(s->a, ":%llu 0 EOF", (unsigned long long)st.st_ino), word;
        int64_t pid = 0;

        if (str_find(line, S("FLOCK")) < 0 || !str_has_suffix(line, inode))
            continue;
        while (str_cut(&line, ' ', &word))
            if (str_to_int64(word, &pid) && pid > 1)
                break;
        if (pid > 1 && pid != getpid())
            return (pid_t)pid;
    }
    return 0;
}

static void stop_server(struct stopping *s)
{
    struct pids one = {0};
    pid_t pid = server_pid(s);

    if (!pid)
        return;
    pids_add(&one, pid);
    if (!end_processes(&one, SIGTERM, SERVER_WAIT_MS) &&
        !end_processes(&one, SIGKILL, KILLED_WAIT_MS))
        complain(s, "server", arena_fmt(s->a, "%d", pid).p, "does not end");
    mem_free(one.v);
}

/* Finds containerd and its shims by the arguments that name our files, and everything below the shims by parentage. */
static void find_processes(struct stopping *s, struct pids *ret_containerd)
{
    struct process {
        pid_t pid, parent;
    } *all = NULL;
    size_t n = 0, cap = 0;
    struct dirent *e;
    DIR *proc = opendir("/proc");

    while (proc && (e = readdir(proc))) {
        int64_t pid;
        str args, stat_text, arg;
        bool wants_address = false;

        if (!str_to_int64(str_of(e->d_name), &pid) ||
            !read_text(s, arena_fmt(s->a, "/proc/%lld/cmdline", (long long)pid).p, &args) ||
            !read_text(s, arena_fmt(s->a, "/proc/%lld/stat", (long long)pid).p, &stat_text))
            continue;
        if (n == cap) {
            cap = cap ? cap * 2 : 256;
            all = mem_realloc(all, cap * sizeof *all);
        }
        /* "1 (a name with ) anything) S 0 …": the parent is the second word behind the last ')'. */
        str rest = str_skip(stat_text, (size_t)str_rindex(stat_text, ')') + 2);
        int64_t parent = 0;
        str_cut(&rest, ' ', &arg);
        str_cut(&rest, ' ', &arg);
        str_to_int64(arg, &parent);
        all[n++] = (struct process){(pid_t)pid, (pid_t)parent};
        str program = STR_NONE;
        for (int i = 0; str_cut(&args, '\0', &arg); i++) {
            if (i == 0)
                program = arg;
            if (wants_address && str_eq(arg, s->paths.socket) &&
                str_find(program, S("containerd-shim")) >= 0)
                pids_add(&s->shims, (pid_t)pid);
            wants_address = str_is(arg, "-address");
            if (str_has_suffix(program, S("containerd")) && str_eq(arg, s->paths.config))
                pids_add(ret_containerd, (pid_t)pid);
        }
    }
    if (proc)
        closedir(proc);
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < n; i++)
            if ((pids_have(&s->shims, all[i].parent) || pids_have(&s->containers, all[i].parent)) &&
                !pids_have(&s->containers, all[i].pid) && !pids_have(&s->shims, all[i].pid)) {
                pids_add(&s->containers, all[i].pid);
                more = true;
            }
    }
    mem_free(all);
}

static bool stat_netns(const char *path, ino_t *ret)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return false;
    *ret = st.st_ino;
    return true;
}

static void remember_netns(struct stopping *s)
{
    ino_t own = 0, ns;

    stat_netns("/proc/1/ns/net", &own);
    for (size_t i = 0; i < s->containers.n; i++) {
        if (!stat_netns(arena_fmt(s->a, "/proc/%d/ns/net", s->containers.v[i]).p, &ns) || ns == own)
            continue;
        bool known = false;
        for (size_t k = 0; k < s->n_netns && !known; k++)
            known = s->netns[k] == ns;
        if (known)
            continue;
        if (s->n_netns == s->cap_netns) {
            s->cap_netns = s->cap_netns ? s->cap_netns * 2 : 32;
            s->netns = mem_realloc(s->netns, s->cap_netns * sizeof *s->netns);
        }
        s->netns[s->n_netns++] = ns;
    }
}

static void stop_containers(struct stopping *s)
{
    struct pids containerd = {0}, none = {0};

    find_processes(s, &containerd);
    remember_netns(s);
    if (containerd.n && !end_processes(&containerd, SIGTERM, RUNTIME_WAIT_MS))
        end_processes(&containerd, SIGKILL, KILLED_WAIT_MS);
    if (s->containers.n)
        end_processes(&s->containers, SIGTERM, PODS_WAIT_MS);
    /* What was started meanwhile, too: so the tree is read again, until it is empty. */
    for (int round = 0; round < 3; round++) {
        s->shims.n = s->containers.n = 0;
        find_processes(s, &none);
        if (s->shims.n == 0 && s->containers.n == 0)
            break;
        end_processes(&s->containers, SIGKILL, KILLED_WAIT_MS);
        end_processes(&s->shims, SIGKILL, KILLED_WAIT_MS);
    }
    if (s->shims.n + s->containers.n > 0)
        complain(s, "containers of", s->paths.socket.p, "some processes do not end");
    mem_free(containerd.v);
    mem_free(none.v);
}

/* ---- mounts ---- */

/* "/a\040b" -> "/a b": how the kernel writes blanks in mountinfo. */
static str unescape(struct arena *a, str in)
{
    char *out = arena_alloc(a, in.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '\\' && i + 3 < in.n) {
            out[n++] =
                (char)((in.p[i + 1] - '0') << 6 | (in.p[i + 2] - '0') << 3 | (in.p[i + 3] - '0'));
            i += 3;
        } else {
            out[n++] = in.p[i];
        }
    }
    out[n] = 0;
    return (str){out, n};
}

static bool is_below(str path, str dir)
{
    return str_has_prefix(path, dir) && (path.n == dir.n || path.p[dir.n] == '/');
}

/* Mount points below our directories, in the order in which they were mounted. */
static size_t find_mounts(struct stopping *s, str **ret)
{
    const str dirs[] = {s->paths.state, s->paths.root, S(KUBELET_DIR), s->data_dir};
    str text, line, *found = NULL;
    size_t n = 0, cap = 0;

    if (!read_text(s, "/proc/self/mountinfo", &text)) {
        complain(s, "reading", "/proc/self/mountinfo", strerror(errno));
        return 0;
    }
    while (str_cut(&text, '\n', &line)) {
        str field[5]; /* id, parent, device, root, mount point */
        for (size_t i = 0; i < ARRAY_LEN(field); i++)
            if (!str_cut(&line, ' ', &field[i]))
                field[i] = STR_NONE;
        str path = unescape(s->a, field[4]);
        for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
            /* The directory itself: only when it is a part of another file system bound onto itself, as the kubelet does to share
             * mounts. A file system of its own is the administrator's. */
            if (is_below(path, dirs[i]) && (!str_eq(path, dirs[i]) || !str_is(field[3], "/"))) {
                if (n == cap) {
                    size_t more = cap ? cap * 2 : 64;
                    found = arena_grow(s->a, found, cap * sizeof *found, more * sizeof *found);
                    cap = more;
                }
                found[n++] = path;
                break;
            }
    }
    *ret = found;
    return n;
}

static void unmount_all(struct stopping *s)
{
    str *found = NULL;
    size_t n = find_mounts(s, &found);

    while (n-- > 0) /* newest first: a mount goes before what it is on */
        if (umount2(found[n].p, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL &&
            errno != ENOENT)
            complain(s, "unmounting", found[n].p, strerror(errno));
}

static void remove_netns(struct stopping *s)
{
    DIR *d = opendir("/run/netns");
    struct dirent *e;
    ino_t ns;

    while (d && (e = readdir(d))) {
        const char *path = arena_fmt(s->a, "/run/netns/%s", e->d_name).p;
        bool ours = false;

        if (strncmp(e->d_name, "cni-", 4) || !stat_netns(path, &ns))
            continue;
        for (size_t i = 0; i < s->n_netns && !ours; i++)
            ours = s->netns[i] == ns;
        if (!ours)
            continue;
        umount2(path, MNT_DETACH);
        unlink(path);
    }
    if (d)
        closedir(d);
}

/* ---- network ---- */

static void remove_bridges(struct stopping *s)
{
    DIR *d = opendir(s->paths.cni_conf_dir.p);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        struct json *conf;
        str text;
        struct err *err;

        if (e->d_name[0] == '.' ||
            !read_text(s,
                       arena_fmt(s->a, PRI_STR "/%s", STR_ARG(s->paths.cni_conf_dir), e->d_name).p,
                       &text))
            continue;
        err = json_parse(s->a, text, NULL, NULL, &conf);
        if (err) {
            err_free(err);
            continue;
        }
        JSON_EACH(p, json_findz(conf, "plugins")) {
            str bridge = json_get_str(p, "bridge");
            if (!bridge.n)
                continue;
            err = node_bridge_remove(bridge);
            if (err)
                complain(s, "bridge", arena_dupz(s->a, bridge), err_text(err));
            err_free(err);
        }
    }
    if (d)
        closedir(d);
}

/* ---- files and cgroups ---- */

static int remove_one(const char *path, const struct stat *st UNUSED, int type UNUSED,
                      struct FTW *at UNUSED)
{
    remove(path);
    return 0;
}

static int remove_dir(const char *path, const struct stat *st UNUSED, int type,
                      struct FTW *at UNUSED)
{
    if (type == FTW_DP) /* a cgroup's files are not files */
        rmdir(path);
    return 0;
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void remove_cgroups(struct stopping *s)
{
    DIR *d = opendir("/sys/fs/cgroup");
    struct dirent *e;

    nftw("/sys/fs/cgroup/kubepods", remove_dir, 32, FTW_DEPTH | FTW_PHYS);
    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.')
            nftw(arena_fmt(s->a, "/sys/fs/cgroup/%s/kubepods", e->d_name).p, remove_dir, 32,
                 FTW_DEPTH | FTW_PHYS);
    if (d)
        closedir(d);
}

/* /var/log/pods/<namespace>_<name>_<uid> of the pods that the kubelet's directory names, and links that lead nowhere then. */
static void remove_logs(struct stopping *s)
{
    DIR *pods = opendir(KUBELET_DIR "/pods"), *logs;
    struct dirent *p, *l;
    struct stat st;

    while (pods && (p = readdir(pods))) {
        if (p->d_name[0] == '.')
            continue;
        logs = opendir("/var/log/pods");
        while (logs && (l = readdir(logs)))
            if (str_has_suffix(str_of(l->d_name), arena_fmt(s->a, "_%s", p->d_name)))
                remove_tree(arena_fmt(s->a, "/var/log/pods/%s", l->d_name).p);
        if (logs)
            closedir(logs);
    }
    if (pods)
        closedir(pods);
    logs = opendir("/var/log/containers");
    while (logs && (l = readdir(logs))) {
        const char *path = arena_fmt(s->a, "/var/log/containers/%s", l->d_name).p;
        if (stat(path, &st) < 0 && errno == ENOENT)
            unlink(path);
    }
    if (logs)
        closedir(logs);
    rmdir("/var/log/containers");
    rmdir("/var/log/pods");
}

static void remove_files(struct stopping *s)
{
    str *found = NULL;

    /* Whatever is still mounted there may be somebody's own directory (subPath of a hostPath): better litter than loss. */
    if (find_mounts(s, &found) > 0 || s->failures > 0) {
        complain(s, "files of pods in", KUBELET_DIR, "left in place, since something did not go");
        return;
    }
    remove_logs(s);
    remove_tree(KUBELET_DIR "/pods");
    rmdir(KUBELET_DIR); /* unless somebody else keeps something there */
    remove_tree(s->paths.state.p);
    unlink(s->paths.pid_file.p);
    unlink("/run/k1s/server.pid");
    rmdir("/run/k1s");
    unlink(arena_fmt(s->a, PRI_STR "/server/lock", STR_ARG(s->data_dir)).p);
}

static int usage(FILE *to)
{
    fputs("usage: k1s stop [--data-dir DIR]\n\n"
          "Ends the server, its containerd and all pods, and removes their mounts, links, rules "
          "and cgroups.\n"
          "The data directory stays: the next start brings the same cluster back.\n",
          to);
    return to == stderr ? 2 : 0;
}

int cmd_stop(int argc, char **argv)
{
    struct stopping s = {.data_dir = S(DATA_DIR_DEFAULT)};
    struct err *err;

    for (int i = 1; i < argc; i++) {
        str arg = str_of(argv[i]);
        if (str_has_prefix(arg, S("--data-dir=")))
            s.data_dir = str_skip(arg, 11);
        else if ((str_is(arg, "--data-dir") || str_is(arg, "-d")) && i + 1 < argc)
            s.data_dir = str_of(argv[++i]);
        else
            return usage(str_is(arg, "--help") || str_is(arg, "-h") ? stdout : stderr);
    }
    if (geteuid() != 0) {
        fputs("k1s stop: must be root\n", stderr);
        return 1;
    }
    s.a = arena_new();
    s.loop = loop_new_uv();
    while (s.data_dir.n > 1 && s.data_dir.p[s.data_dir.n - 1] == '/')
        s.data_dir.n--;
    s.data_dir = arena_dup(s.a, s.data_dir);
    containerd_paths_init(s.a, s.data_dir, &s.paths);

    stop_server(&s);
    stop_containers(&s);
    unmount_all(&s);
    remove_netns(&s);
    remove_bridges(&s);
    err = proxy_cleanup(s.loop, STR_NONE);
    if (err)
        complain(&s, "rules and settings of", "the network", err_text(err));
    err_free(err);
    remove_cgroups(&s);
    remove_files(&s);

    mem_free(s.shims.v);
    mem_free(s.containers.v);
    mem_free(s.netns);
    loop_free(s.loop);
    arena_free(s.a);
    return s.failures ? 1 : 0;
}
