/* volume_mount.c - makes a pod's volumes on the node, and takes them away; see volume.h. Blocking; any thread.
 *
 * Invariants
 *   (1) A sub-path never leads out of its volume: it is resolved by the kernel beneath the volume's directory, and what was resolved
 *       is what gets mounted (a container cannot swap a link in between).
 *   (2) Nothing is removed below a directory while a mount is left in it: somebody's data may be mounted there. */
#include "kubelet/volume.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OWNERSHIP_DEPTH_MAX 200

static int make_dirs(const char *path, mode_t mode)
{
    char *p = mem_strdup(path);
    int r = 0;

    for (char *s = p + 1; r == 0; s++) {
        char c = *s;

        if (c != '/' && c != 0)
            continue;
        *s = 0;
        if (mkdir(p, c ? 0755 : mode) < 0 && errno != EEXIST)
            r = -errno;
        *s = c;
        if (!c)
            break;
    }
    mem_free(p);
    return r;
}

/* mountinfo writes blanks and backslashes of a path as \ooo. */
static void unescape(char *s)
{
    char *to = s;

    for (; *s; s++) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
            *to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 3;
        } else {
            *to++ = *s;
        }
    }
    *to = 0;
}

/* Mount points at or below the directory, in the order in which they were made. */
static size_t mounts_below(const char *dir, char ***ret)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    size_t n = 0, dir_n = strlen(dir), cap = 0;
    char *line = NULL, **list = NULL;

    while (f && getline(&line, &cap, f) > 0) {
        char point[PATH_MAX];

        if (sscanf(line, "%*d %*d %*s %*s %4095s", point) != 1)
            continue;
        unescape(point);
        if (strncmp(point, dir, dir_n) || (point[dir_n] && point[dir_n] != '/'))
            continue;
        list = mem_realloc(list, (n + 1) * sizeof *list);
        list[n++] = mem_strdup(point);
    }
    free(line);
    if (f)
        fclose(f);
    *ret = list;
    return n;
}

static void free_list(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mem_free(list[i]);
    mem_free(list);
}

static bool is_mount_point(const char *path)
{
    char **list;
    size_t n = mounts_below(path, &list);
    bool found = false;

    for (size_t i = 0; i < n; i++)
        found |= !strcmp(list[i], path);
    free_list(list, n);
    return found;
}

/* ---- fsGroup ---- */

static int own_tree(int dir, const char *name, int64_t group, bool writable, int depth)
{
    unsigned add = writable ? 0660u : 0440u;
    struct stat st;
    int fd, r = 0;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (fchownat(dir, name, (uid_t)-1, (gid_t)group, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (S_ISLNK(st.st_mode))
        return 0;
    if (S_ISDIR(st.st_mode))
        add |= S_ISGID | 0110u;
    if (fchmodat(dir, name, (st.st_mode & 07777) | add, 0) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode) || depth == OWNERSHIP_DEPTH_MAX)
        return 0;
    fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    {
        DIR *d = fdopendir(fd);
        struct dirent *e;

        while (d && r == 0 && (e = readdir(d)))
            if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
                r = own_tree(fd, e->d_name, group, writable, depth + 1);
        if (d)
            closedir(d);
    }
    return r;
}

static int own_volume(const struct volume *v)
{
    struct stat st;

    if (v->fs_group < 0)
        return 0;
    if (v->change_on_mismatch && stat(v->path.p, &st) == 0 && st.st_gid == (gid_t)v->fs_group &&
        (st.st_mode & S_ISGID))
        return 0;
    return own_tree(AT_FDCWD, v->path.p, v->fs_group, !v->read_only, 0);
}

/* ---- making ---- */

static struct err *failed(const struct volume *v, int r, const char *doing)
{
    return err_new(REASON_INVALID,
                   "MountVolume.SetUp failed for volume \"" PRI_STR "\" : %s " PRI_STR ": %s",
                   STR_ARG(v->name), doing, STR_ARG(v->path), strerror(-r));
}

static int mount_tmpfs(const struct volume *v)
{
    char options[64] = "";

    if (is_mount_point(v->path.p))
        return 0;
    if (v->size_limit > 0)
        snprintf(options, sizeof options, "size=%lld", (long long)v->size_limit);
    return mount("tmpfs", v->path.p, "tmpfs", 0, options) < 0 ? -errno : 0;
}

static struct err *apply_host_path(const struct volume *v)
{
    static const struct {
        const char *type, *what;
        mode_t format;
    } checks[] = {
        {"Directory", "a directory", S_IFDIR},      {"File", "a file", S_IFREG},
        {"Socket", "a socket file", S_IFSOCK},      {"CharDevice", "a character device", S_IFCHR},
        {"BlockDevice", "a block device", S_IFBLK}, {"DirectoryOrCreate", "a directory", S_IFDIR},
        {"FileOrCreate", "a file", S_IFREG}};
    struct stat st;
    int r = 0;

    if (stat(v->path.p, &st) < 0) {
        if (str_is(v->host_type, "DirectoryOrCreate")) {
            r = make_dirs(v->path.p, 0755);
        } else if (str_is(v->host_type, "FileOrCreate")) {
            int fd = open(v->path.p, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

            r = fd < 0 ? -errno : 0;
            if (fd >= 0)
                close(fd);
        }
        if (r < 0)
            return failed(v, r, "make");
        if (stat(v->path.p, &st) < 0 && !v->host_type.n)
            return NULL; /* the runtime makes a directory */
    }
    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        if (str_is(v->host_type, checks[i].type) &&
            (stat(v->path.p, &st) < 0 || (st.st_mode & S_IFMT) != checks[i].format))
            return err_new(REASON_INVALID,
                           "MountVolume.SetUp failed for volume \"" PRI_STR
                           "\" : hostPath type check failed: " PRI_STR " is not %s",
                           STR_ARG(v->name), STR_ARG(v->path), checks[i].what);
    if (str_is(v->plugin, "local-volume"))
        r = own_volume(v);
    return r < 0 ? failed(v, r, "own") : NULL;
}

static struct err *apply(const struct volume *v)
{
    struct stat st;
    bool fresh;
    int r;

    if (v->type == VOLUME_HOST_PATH)
        return apply_host_path(v);
    fresh = stat(v->path.p, &st) < 0;
    r = make_dirs(v->path.p, 0777);
    if (r == 0 && v->memory) {
        fresh |= !is_mount_point(v->path.p);
        r = mount_tmpfs(v);
    }
    if (r < 0)
        return failed(v, r, "make");
    if (v->type == VOLUME_EMPTY) {
        /* Anybody in the pod may write, whatever user it runs as. */
        if (fresh && chmod(v->path.p, 0777) < 0)
            return failed(v, -errno, "set the mode of");
        r = fresh ? own_volume(v) : 0;
        return r < 0 ? failed(v, r, "own") : NULL;
    }
    if (fresh && chmod(v->path.p, v->memory ? 01777 : 0777) < 0)
        return failed(v, -errno, "set the mode of");
    if (v->fs_group >= 0 && fresh &&
        (r = own_tree(AT_FDCWD, v->path.p, v->fs_group, false, OWNERSHIP_DEPTH_MAX)) < 0)
        return failed(v, r, "own");
    {
        struct err *err = volume_write_files(v->path.p, v->files, v->n_files, v->fs_group, NULL);

        if (err) {
            struct err *outer =
                err_new(REASON_INVALID, "MountVolume.SetUp failed for volume \"" PRI_STR "\" : %s",
                        STR_ARG(v->name), err_text(err));

            err_free(err);
            return outer;
        }
    }
    return NULL;
}

struct err *volume_set_apply(const struct volume_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        struct err *err = apply(&set->volumes[i]);

        if (err)
            return err;
    }
    return NULL;
}

/* ---- a container's view ---- */

static int open_beneath(int dir, const char *path, uint64_t flags)
{
    struct open_how how = {.flags = flags | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof how);

    return fd < 0 ? -errno : fd;
}

/* Makes the directories of a sub-path that are missing, each step beneath the volume. */
static int make_beneath(int volume, const char *path, mode_t mode)
{
    char *p = mem_strdup(path);
    int r = 0;

    for (char *s = p; r == 0; s++) {
        char c = *s, *last;
        int dir;

        if (c != '/' && c != 0)
            continue;
        *s = 0;
        last = strrchr(p, '/');
        if (*p) {
            if (last)
                *last = 0;
            dir = open_beneath(volume, last ? p : ".", O_PATH | O_DIRECTORY);
            if (last)
                *last = '/';
            if (dir < 0)
                r = dir;
            else {
                const char *name = last ? last + 1 : p;

                if (*name && mkdirat(dir, name, mode) == 0)
                    fchmodat(dir, name, mode, 0);
                else if (*name && errno != EEXIST)
                    r = -errno;
                close(dir);
            }
        }
        *s = c;
        if (!c)
            break;
    }
    mem_free(p);
    return r;
}

static int bind_sub_path(const struct volume *v, const char *sub, const char *target)
{
    char source[64];
    struct stat st;
    int volume = open(v->path.p, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, r = 0, created;

    if (volume < 0)
        return -errno;
    fd = open_beneath(volume, sub, O_PATH);
    if (fd == -ENOENT) {
        r = fstat(volume, &st) < 0 ? -errno
                                   : make_beneath(volume, sub, (st.st_mode & 07777) | 0750);
        fd = r < 0 ? r : open_beneath(volume, sub, O_PATH);
    }
    close(volume);
    if (fd < 0)
        return fd;
    if (is_mount_point(target))
        umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW);
    if (fstat(fd, &st) < 0) {
        r = -errno;
    } else if (S_ISDIR(st.st_mode)) {
        r = make_dirs(target, 0750);
    } else {
        created = open(target, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (created < 0)
            r = -errno;
        else
            close(created);
    }
    snprintf(source, sizeof source, "/proc/self/fd/%d", fd);
    if (r == 0 && mount(source, target, NULL, MS_BIND | MS_REC, NULL) < 0)
        r = -errno;
    close(fd);
    return r;
}

static const struct volume *find_volume(const struct volume_set *set, str name)
{
    for (size_t i = 0; i < set->n; i++)
        if (str_eq(set->volumes[i].name, name))
            return &set->volumes[i];
    return NULL;
}

static bool leads_out(str path)
{
    str rest = path, part;

    if (str_has_prefix(path, S("/")))
        return true;
    while (str_cut(&rest, '/', &part))
        if (str_is(part, ".."))
            return true;
    return false;
}

static int propagation_of(str s)
{
    return str_is(s, "Bidirectional")     ? PROPAGATION_BIDIRECTIONAL
           : str_is(s, "HostToContainer") ? PROPAGATION_HOST_TO_CONTAINER
                                          : PROPAGATION_PRIVATE;
}

struct err *volume_mounts_make(struct arena *a, const struct volume_set *set, str pod_dir,
                               const struct json *container, const struct env *env,
                               struct cri_mount **ret, size_t *ret_n)
{
    const struct json *specs = json_findz(container, "volumeMounts");
    struct cri_mount *list = ARENA_NEW_N(a, struct cri_mount, json_count(specs) + 1);
    str name = podspec_container_name(container);
    size_t n = 0;

    JSON_EACH(m, specs) {
        const struct volume *v = find_volume(set, json_get_str(m, "name"));
        str sub = json_get_str(m, "subPath"), expr = json_get_str(m, "subPathExpr"),
            missed = STR_NONE, path = json_get_str(m, "mountPath");

        if (!v)
            return err_new(REASON_INVALID,
                           "cannot find volume \"" PRI_STR "\" to mount into container \"" PRI_STR
                           "\"",
                           STR_ARG(json_get_str(m, "name")), STR_ARG(name));
        if (expr.n) {
            sub = env_expand(a, env, expr, &missed);
            if (missed.p)
                return err_new(REASON_INVALID, "missing value for \"" PRI_STR "\"",
                               STR_ARG(missed));
        }
        if (sub.n && leads_out(sub))
            return err_new(REASON_INVALID,
                           "unable to provision SubPath `" PRI_STR "`: must not contain '..'",
                           STR_ARG(sub));
        if (!str_has_prefix(path, S("/")))
            path = arena_fmt(a, "/" PRI_STR, STR_ARG(path));
        list[n] = (struct cri_mount){
            .host_path = v->path,
            .container_path = path,
            .read_only = json_get_bool(m, "readOnly", false) || v->read_only,
            .propagation = propagation_of(json_get_str(m, "mountPropagation")),
        };
        if (sub.n) {
            str dir = arena_fmt(a, PRI_STR "/volume-subpaths/" PRI_STR "/" PRI_STR,
                                STR_ARG(pod_dir), STR_ARG(v->name), STR_ARG(name));
            str target = arena_fmt(a, PRI_STR "/%zu", STR_ARG(dir), n);
            int r = make_dirs(dir.p, 0750);

            if (r == 0)
                r = bind_sub_path(v, arena_dupz(a, sub), target.p);
            if (r < 0)
                return err_new(REASON_INVALID,
                               "failed to prepare subPath for volumeMount \"" PRI_STR
                               "\" of container \"" PRI_STR "\": %s",
                               STR_ARG(v->name), STR_ARG(name), strerror(-r));
            list[n].host_path = target;
        }
        n++;
    }
    *ret = list;
    *ret_n = n;
    return NULL;
}

/* ---- taking away ---- */

static int remove_tree(int dir, const char *name)
{
    struct dirent *e;
    int fd, r = 0;
    DIR *d;

    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -errno;
    fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    d = fdopendir(fd);
    while (d && (e = readdir(d)))
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) {
            int one = remove_tree(fd, e->d_name);

            r = r ? r : one;
        }
    if (d)
        closedir(d);
    if (unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        r = r ? r : -errno;
    return r;
}

int volume_remove_tree(const char *dir)
{
    char **list;
    size_t n = mounts_below(dir, &list);

    for (size_t i = n; i-- > 0;)
        if (umount2(list[i], UMOUNT_NOFOLLOW) < 0)
            umount2(list[i], MNT_DETACH | UMOUNT_NOFOLLOW);
    free_list(list, n);
    n = mounts_below(dir, &list);
    free_list(list, n);
    if (n)
        return -EBUSY; /* invariant (2) */
    return remove_tree(AT_FDCWD, dir);
}

int volume_share_root(const char *dir)
{
    int r = make_dirs(dir, 0755);

    if (r < 0)
        return r;
    if (!is_mount_point(dir) && mount(dir, dir, NULL, MS_BIND | MS_REC, NULL) < 0)
        return -errno;
    return mount(NULL, dir, NULL, MS_SHARED | MS_REC, NULL) < 0 ? -errno : 0;
}
