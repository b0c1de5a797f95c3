/* cgroup.c - the kubelet's own levels of the control group tree; see cgroup.h.
 *
 * Invariants
 *   (1) A group is made in every tree whose controller the kubelet sets or reads; the others are the runtime's business.
 *   (2) Removal goes from the leaves up and tolerates what vanished by itself.
 *
 * API: https://kubernetes.io/docs/concepts/architecture/cgroups/ and the kernel's cgroup-v1, cgroup-v2 documents. */
#include "kubelet/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CGROUP2_MAGIC 0x63677270
#define FILE_MAX_BYTES 65536

/* The trees of version 1 in which a pod's group is made. */
static const char *const v1_trees[] = {"cpu",     "cpuacct",  "cpuset",    "memory",  "pids",
                                       "blkio",   "devices",  "freezer",   "hugetlb", "systemd",
                                       "net_cls", "net_prio", "perf_event"};
static const char *const v1_made[] = {"cpu", "cpuacct", "memory", "pids"};

bool cgroup_is_v2(const char *root)
{
    struct statfs st;

    return statfs(root, &st) == 0 && (unsigned long)st.f_type == CGROUP2_MAGIC;
}

int64_t cgroup_shares_of_milli(int64_t cpu_milli)
{
    int64_t shares = cpu_milli * 1024 / 1000;

    return MIN(MAX(shares, CGROUP_CPU_SHARES_MIN), CGROUP_CPU_SHARES_MAX);
}

int64_t cgroup_quota_of_milli(int64_t cpu_milli, int64_t period_us)
{
    if (cpu_milli <= 0)
        return 0;
    return MAX(cpu_milli * period_us / 1000, CGROUP_CPU_QUOTA_MIN_US);
}

int64_t cgroup_weight_of_shares(int64_t shares)
{
    return 1 + (shares - 2) * 9999 / 262142;
}

str cgroup_class_path(struct arena *a, enum pod_qos qos)
{
    static const char *const paths[] = {
        [QOS_GUARANTEED] = "/kubepods",
        [QOS_BURSTABLE] = "/kubepods/burstable",
        [QOS_BEST_EFFORT] = "/kubepods/besteffort",
    };

    return arena_dup(a, str_of(paths[qos]));
}

str cgroup_pod_path(struct arena *a, const struct json *pod)
{
    str uid = json_get_str(pod, "metadata.uid");

    return arena_fmt(a, PRI_STR "/pod" PRI_STR, STR_ARG(cgroup_class_path(a, podspec_qos(pod))),
                     STR_ARG(uid));
}

void cgroup_pod_limits(const struct json *pod, struct cgroup_limits *ret)
{
    struct cgroup_limits l = {.cpu_shares =
                                  cgroup_shares_of_milli(podspec_pod_request(pod, S("cpu")))};
    int64_t v;

    if (podspec_qos(pod) == QOS_BEST_EFFORT)
        l.cpu_shares = CGROUP_CPU_SHARES_MIN;
    if (podspec_pod_limit(pod, S("cpu"), &v)) {
        l.cpu_period_us = CGROUP_CPU_PERIOD_US;
        l.cpu_quota_us = cgroup_quota_of_milli(v, CGROUP_CPU_PERIOD_US);
    }
    if (podspec_pod_limit(pod, S("memory"), &v))
        l.memory_bytes = v;
    *ret = l;
}

/* ---- kernel files ---- */

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC), r = 0;

    if (fd < 0)
        return -errno;
    if (write(fd, text, strlen(text)) < 0)
        r = -errno;
    close(fd);
    return r;
}

static int write_int(struct buf *dir, const char *file, int64_t v)
{
    size_t n = dir->n;
    char text[32];
    int r;

    buf_fmt(dir, "/%s", file);
    snprintf(text, sizeof text, "%lld", (long long)v);
    r = write_file(buf_cstr(dir), text);
    dir->n = n;
    dir->p[n] = 0;
    return r;
}

static bool read_file(const char *path, struct buf *out)
{
    char chunk[4096];
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    buf_clear(out);
    if (fd < 0)
        return false;
    while ((n = read(fd, chunk, sizeof chunk)) > 0 && out->n < FILE_MAX_BYTES)
        buf_add(out, chunk, (size_t)n);
    close(fd);
    buf_cstr(out);
    return n >= 0;
}

/* Makes root/path component by component; on each new level `each` may prepare the parent. */
static int make_levels(const char *base, str path, int (*before)(const char *parent))
{
    CLEANUP(buf) struct buf dir = BUF_INIT;
    str rest = path, part;

    buf_z(&dir, base);
    while (str_cut(&rest, '/', &part)) {
        if (!part.n)
            continue;
        if (before)
            before(buf_cstr(&dir));
        buf_fmt(&dir, "/" PRI_STR, STR_ARG(part));
        if (mkdir(buf_cstr(&dir), 0755) < 0 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

/* Version 2 hands controllers down level by level. One at a time: a kernel without one refuses the whole line. */
static int hand_down(const char *parent)
{
    static const char *const controllers[] = {"+cpu",  "+cpuset", "+memory",
                                              "+pids", "+io",     "+hugetlb"};
    CLEANUP(buf) struct buf file = BUF_INIT;

    buf_fmt(&file, "%s/cgroup.subtree_control", parent);
    for (size_t i = 0; i < ARRAY_LEN(controllers); i++)
        (void)write_file(buf_cstr(&file), controllers[i]);
    return 0;
}

static int first_error(int a, int b)
{
    return a ? a : b;
}

static int make_v2(const struct cgroup_fs *fs, str path, const struct cgroup_limits *l)
{
    CLEANUP(buf) struct buf dir = BUF_INIT;
    CLEANUP(buf) struct buf file = BUF_INIT;
    char text[64];
    int r = make_levels(fs->root, path, hand_down);

    if (r < 0 || !l)
        return r;
    buf_fmt(&dir, "%s" PRI_STR, fs->root, STR_ARG(path));
    hand_down(buf_cstr(&dir));
    if (l->cpu_shares)
        r = first_error(r, write_int(&dir, "cpu.weight", cgroup_weight_of_shares(l->cpu_shares)));
    if (l->cpu_quota_us) {
        buf_fmt(&file, "%s/cpu.max", buf_cstr(&dir));
        snprintf(text, sizeof text, "%lld %lld", (long long)l->cpu_quota_us,
                 (long long)l->cpu_period_us);
        r = first_error(r, write_file(buf_cstr(&file), text));
    }
    if (l->memory_bytes)
        r = first_error(r, write_int(&dir, "memory.max", l->memory_bytes));
    if (l->pids)
        r = first_error(r, write_int(&dir, "pids.max", l->pids));
    return r;
}

static int make_v1(const struct cgroup_fs *fs, str path, const struct cgroup_limits *l)
{
    CLEANUP(buf) struct buf dir = BUF_INIT;
    int r = 0;

    for (size_t i = 0; i < ARRAY_LEN(v1_made); i++) {
        struct stat st;
        int made;

        buf_clear(&dir);
        buf_fmt(&dir, "%s/%s", fs->root, v1_made[i]);
        if (stat(buf_cstr(&dir), &st) < 0)
            continue; /* a kernel without that controller */
        made = make_levels(buf_cstr(&dir), path, NULL);
        if (made < 0) {
            r = first_error(r, made);
            continue;
        }
        buf_str(&dir, path);
        if (!l)
            continue;
        if (!strcmp(v1_made[i], "cpu")) {
            if (l->cpu_shares)
                r = first_error(r, write_int(&dir, "cpu.shares", l->cpu_shares));
            if (l->cpu_quota_us) {
                r = first_error(r, write_int(&dir, "cpu.cfs_period_us", l->cpu_period_us));
                r = first_error(r, write_int(&dir, "cpu.cfs_quota_us", l->cpu_quota_us));
            }
        } else if (!strcmp(v1_made[i], "memory")) {
            if (l->memory_bytes)
                r = first_error(r, write_int(&dir, "memory.limit_in_bytes", l->memory_bytes));
        } else if (!strcmp(v1_made[i], "pids")) {
            if (l->pids)
                r = first_error(r, write_int(&dir, "pids.max", l->pids));
        }
    }
    return r;
}

int cgroup_make(const struct cgroup_fs *fs, str path, const struct cgroup_limits *limits)
{
    return fs->v2 ? make_v2(fs, path, limits) : make_v1(fs, path, limits);
}

/* ---- removal ---- */

static void kill_all_in(const char *dir)
{
    CLEANUP(buf) struct buf file = BUF_INIT;
    CLEANUP(buf) struct buf text = BUF_INIT;
    str rest, line;
    int64_t pid;

    buf_fmt(&file, "%s/cgroup.procs", dir);
    if (!read_file(buf_cstr(&file), &text))
        return;
    rest = buf_view(&text);
    while (str_cut(&rest, '\n', &line))
        if (str_to_int64(line, &pid) && pid > 1)
            kill((pid_t)pid, SIGKILL);
}

static int remove_tree(const char *dir, bool kill_procs)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    int r = 0;

    if (!d)
        return errno == ENOENT ? 0 : -errno;
    while ((e = readdir(d))) {
        CLEANUP(buf) struct buf child = BUF_INIT;

        if (e->d_type != DT_DIR || e->d_name[0] == '.')
            continue;
        buf_fmt(&child, "%s/%s", dir, e->d_name);
        r = first_error(r, remove_tree(buf_cstr(&child), kill_procs));
    }
    closedir(d);
    if (kill_procs)
        kill_all_in(dir);
    if (rmdir(dir) < 0 && errno != ENOENT)
        r = first_error(r, -errno);
    return r;
}

int cgroup_remove(const struct cgroup_fs *fs, str path, bool kill_procs)
{
    CLEANUP(buf) struct buf dir = BUF_INIT;
    int r = 0;

    if (fs->v2) {
        buf_fmt(&dir, "%s" PRI_STR, fs->root, STR_ARG(path));
        return remove_tree(buf_cstr(&dir), kill_procs);
    }
    for (size_t i = 0; i < ARRAY_LEN(v1_trees); i++) {
        buf_clear(&dir);
        buf_fmt(&dir, "%s/%s" PRI_STR, fs->root, v1_trees[i], STR_ARG(path));
        r = first_error(r, remove_tree(buf_cstr(&dir), kill_procs));
    }
    /* The hybrid layout has a version 2 tree beside the others. */
    buf_clear(&dir);
    buf_fmt(&dir, "%s/unified" PRI_STR, fs->root, STR_ARG(path));
    return first_error(r, remove_tree(buf_cstr(&dir), kill_procs));
}

void cgroup_each_pod(const struct cgroup_fs *fs, cgroup_pod_fn *fn, void *ctx)
{
    static const char *const classes[] = {"/kubepods", "/kubepods/burstable",
                                          "/kubepods/besteffort"};

    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        CLEANUP(buf) struct buf dir = BUF_INIT;
        struct dirent *e;
        DIR *d;

        buf_fmt(&dir, "%s%s%s", fs->root, fs->v2 ? "" : "/memory", classes[i]);
        d = opendir(buf_cstr(&dir));
        while (d && (e = readdir(d))) {
            CLEANUP(buf) struct buf path = BUF_INIT;

            if (e->d_type != DT_DIR || strncmp(e->d_name, "pod", 3) != 0)
                continue;
            buf_fmt(&path, "%s/%s", classes[i], e->d_name);
            fn(ctx, str_of(e->d_name + 3), buf_view(&path));
        }
        if (d)
            closedir(d);
    }
}

/* ---- usage ---- */

/* The value behind `key ` in a file of "key value" lines. */
static uint64_t keyed(const struct buf *text, const char *key)
{
    str rest = buf_view(text), line, head;
    int64_t v;

    while (str_cut(&rest, '\n', &line))
        if (str_cut(&line, ' ', &head) && str_is(head, key) && str_to_int64(line, &v))
            return (uint64_t)v;
    return 0;
}

static bool read_at(const struct cgroup_fs *fs, const char *tree, str path, const char *file,
                    struct buf *out)
{
    CLEANUP(buf) struct buf name = BUF_INIT;

    if (fs->v2)
        buf_fmt(&name, "%s" PRI_STR "/%s", fs->root, STR_ARG(path), file);
    else
        buf_fmt(&name, "%s/%s" PRI_STR "/%s", fs->root, tree, STR_ARG(path), file);
    return read_file(buf_cstr(&name), out);
}

static uint64_t read_u64(const struct cgroup_fs *fs, const char *tree, str path, const char *file,
                         bool *found)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    int64_t v;

    if (!read_at(fs, tree, path, file, &text) || !str_to_int64(str_trim(buf_view(&text)), &v))
        return 0;
    *found = true;
    return (uint64_t)v;
}

void cgroup_usage(const struct cgroup_fs *fs, str path, struct cgroup_usage *ret)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    struct cgroup_usage u = {0};
    uint64_t inactive = 0;
    bool ignored;

    if (fs->v2) {
        if (read_at(fs, NULL, path, "cpu.stat", &text))
            u.cpu_ns = keyed(&text, "usage_usec") * 1000;
        u.memory_usage_bytes = read_u64(fs, NULL, path, "memory.current", &u.found);
        if (read_at(fs, NULL, path, "memory.stat", &text)) {
            inactive = keyed(&text, "inactive_file");
            u.memory_rss_bytes = keyed(&text, "anon");
            u.page_faults = keyed(&text, "pgfault");
            u.major_page_faults = keyed(&text, "pgmajfault");
        }
        if (read_at(fs, NULL, path, "memory.events", &text))
            u.oom_kills = (int64_t)keyed(&text, "oom_kill");
    } else {
        u.cpu_ns = read_u64(fs, "cpuacct", path, "cpuacct.usage", &u.found);
        u.memory_usage_bytes = read_u64(fs, "memory", path, "memory.usage_in_bytes", &u.found);
        if (read_at(fs, "memory", path, "memory.stat", &text)) {
            inactive = keyed(&text, "total_inactive_file");
            u.memory_rss_bytes = keyed(&text, "total_rss");
            u.page_faults = keyed(&text, "total_pgfault");
            u.major_page_faults = keyed(&text, "total_pgmajfault");
        }
        if (read_at(fs, "memory", path, "memory.oom_control", &text))
            u.oom_kills = (int64_t)keyed(&text, "oom_kill");
    }
    u.pids = read_u64(fs, "pids", path, "pids.current", &ignored);
    /* The working set is what cannot be dropped at once: usage without inactive page cache. */
    u.memory_working_set_bytes =
        u.memory_usage_bytes > inactive ? u.memory_usage_bytes - inactive : 0;
    *ret = u;
}
