/* volume_files.c - replaces a directory's files atomically; see volume.h.
 *
 * The directory holds, for each top-level name, a link to ..data/NAME; ..data is a link to a directory with a time in its name. A new
 * version is written beside the old one, then ..data is renamed over: readers see the one or the other. Only then do links that the
 * new version lacks go, and the old version with them. Tools in the field (config reloaders) watch for exactly this.
 *
 * Blocking; any thread, one writer per directory. */
#include "kubelet/volume.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DATA_LINK "..data"
#define DATA_LINK_NEW "..data_tmp"

static void remove_at(int dir, const char *name)
{
    struct dirent *e;
    DIR *d;
    int fd;

    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
        return;
    fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    d = fdopendir(fd);
    while (d && (e = readdir(d)))
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            remove_at(fd, e->d_name);
    if (d)
        closedir(d);
    unlinkat(dir, name, AT_REMOVEDIR);
}

static bool file_equals(int dir, const char *path, const struct volume_file *f, int64_t fs_group)
{
    struct stat st;
    char chunk[4096];
    size_t at = 0;
    ssize_t n;
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return false;
    if (fstat(fd, &st) < 0 || (size_t)st.st_size != f->data.n ||
        (fs_group < 0 && (st.st_mode & 07777) != f->mode)) {
        close(fd);
        return false;
    }
    while ((n = read(fd, chunk, sizeof chunk)) > 0 && at + (size_t)n <= f->data.n &&
           !memcmp(chunk, f->data.p + at, (size_t)n))
        at += (size_t)n;
    close(fd);
    return n == 0 && at == f->data.n;
}

static size_t count_files(int dir)
{
    size_t n = 0;
    struct dirent *e;
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    while (d && (e = readdir(d))) {
        struct stat st;

        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISDIR(st.st_mode)) {
            int sub = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

            if (sub >= 0) {
                n += count_files(sub);
                close(sub);
            }
        } else {
            n++;
        }
    }
    if (d)
        closedir(d);
    return n;
}

static bool is_current(int dir, const struct volume_file *files, size_t n, int64_t fs_group)
{
    int data = openat(dir, DATA_LINK, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool same;

    if (data < 0)
        return false;
    same = count_files(data) == n;
    for (size_t i = 0; i < n && same; i++) {
        char *path = str_dupz(files[i].path);

        same = file_equals(data, path, &files[i], fs_group);
        mem_free(path);
    }
    close(data);
    return same;
}

/* Group access as fsGroup means it: read for files, and pass for directories, which hand their group on. */
static int give_to_group(int fd, int64_t group, unsigned mode, bool is_dir)
{
    if (group < 0)
        return 0;
    if (fchown(fd, (uid_t)-1, (gid_t)group) < 0)
        return -errno;
    return fchmod(fd, mode | 0440u | (is_dir ? S_ISGID | 0110u : 0)) < 0 ? -errno : 0;
}

static int write_one(int dir, const struct volume_file *f, int64_t fs_group)
{
    str rest = f->path, part;
    int at = fcntl(dir, F_DUPFD_CLOEXEC, 0), r = 0, fd;
    size_t done = 0;

    if (at < 0)
        return -errno;
    while (str_cut(&rest, '/', &part)) {
        char *name = str_dupz(part);

        if (!rest.p) { /* the file itself */
            fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, f->mode);
            mem_free(name);
            if (fd < 0) {
                r = -errno;
                break;
            }
            while (done < f->data.n && r == 0) {
                ssize_t w = write(fd, f->data.p + done, f->data.n - done);

                if (w < 0)
                    r = -errno;
                else
                    done += (size_t)w;
            }
            if (r == 0 && fchmod(fd, f->mode) < 0) /* whatever our umask says */
                r = -errno;
            if (r == 0 && f->owner >= 0 && fchown(fd, (uid_t)f->owner, (gid_t)-1) < 0)
                r = -errno;
            if (r == 0)
                r = give_to_group(fd, fs_group, f->mode, false);
            close(fd);
            break;
        }
        if (mkdirat(at, name, 0755) < 0 && errno != EEXIST)
            r = -errno;
        fd = r == 0 ? openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
        if (r == 0 && fd < 0)
            r = -errno;
        if (fd >= 0 && (r = give_to_group(fd, fs_group, 0755, true)) < 0)
            close(fd), fd = -1;
        mem_free(name);
        close(at);
        at = fd;
        if (r < 0)
            break;
    }
    if (at >= 0)
        close(at);
    return r;
}

static bool has_top(const struct volume_file *files, size_t n, str name)
{
    for (size_t i = 0; i < n; i++) {
        str rest = files[i].path, top;

        if (str_cut(&rest, '/', &top) && str_eq(top, name))
            return true;
    }
    return false;
}

static int make_links(int dir, const struct volume_file *files, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        CLEANUP(buf) struct buf target = BUF_INIT;
        str rest = files[i].path, top;
        char *name;
        int r;

        if (!str_cut(&rest, '/', &top))
            continue;
        name = str_dupz(top);
        buf_fmt(&target, DATA_LINK "/%s", name);
        r = symlinkat(buf_cstr(&target), dir, name) < 0 && errno != EEXIST ? -errno : 0;
        mem_free(name);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Links of names that are gone, and versions that ..data does not name. */
static void clean(int dir, const struct volume_file *files, size_t n, const char *current)
{
    struct dirent *e;
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    while (d && (e = readdir(d))) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || !strcmp(e->d_name, DATA_LINK) ||
            !strcmp(e->d_name, current))
            continue;
        if (!strncmp(e->d_name, "..", 2) ? true : !has_top(files, n, str_of(e->d_name)))
            remove_at(dir, e->d_name);
    }
    if (d)
        closedir(d);
}

static int write_version(int dir, const struct volume_file *files, size_t n, int64_t fs_group)
{
    char version[64];
    struct timespec now;
    struct tm tm;
    int fd, r = 0;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    snprintf(version, sizeof version, "..%04d_%02d_%02d_%02d_%02d_%02d.%09ld", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec);
    if (mkdirat(dir, version, 0755) < 0)
        return -errno;
    fd = openat(dir, version, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fchmod(fd, 0755) < 0)
        r = -errno;
    if (r == 0)
        r = give_to_group(fd, fs_group, 0755, true);
    for (size_t i = 0; i < n && r == 0; i++)
        r = write_one(fd, &files[i], fs_group);
    close(fd);
    unlinkat(dir, DATA_LINK_NEW, 0);
    if (r == 0 && symlinkat(version, dir, DATA_LINK_NEW) < 0)
        r = -errno;
    if (r == 0 && renameat(dir, DATA_LINK_NEW, dir, DATA_LINK) < 0)
        r = -errno;
    if (r == 0)
        r = make_links(dir, files, n);
    if (r < 0) {
        remove_at(dir, version);
        return r;
    }
    clean(dir, files, n, version);
    return 0;
}

struct err *volume_write_files(const char *path, const struct volume_file *files, size_t n,
                               int64_t fs_group, bool *ret_changed)
{
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    bool same;

    if (dir < 0)
        return err_errno(-errno, "open %s", path);
    same = is_current(dir, files, n, fs_group);
    if (!same)
        r = write_version(dir, files, n, fs_group);
    close(dir);
    if (r < 0)
        return err_errno(r, "write files of %s", path);
    if (ret_changed)
        *ret_changed = !same;
    return NULL;
}
