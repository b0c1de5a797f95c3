/* file.c - small files, read and replaced as a whole, and logs. Callable from pool threads: no state. */
#include "loop/loop_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int real_file_read(struct loop *loop, const char *path, size_t limit, struct buf *out)
{
    char chunk[16384];
    size_t total = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC), error = 0;

    if (fd < 0)
        return -errno;
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            error = -errno;
        if (n <= 0)
            break;
        if ((size_t)n > limit - total) {
            error = -EFBIG;
            break;
        }
        total += (size_t)n;
        buf_add(out, chunk, (size_t)n);
    }
    close(fd);
    return error;
}

static int write_all(int fd, str data)
{
    while (data.n) {
        ssize_t n = write(fd, data.p, data.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data = str_skip(data, (size_t)n);
    }
    return 0;
}

static int sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder =
        slash ? str_dupz((str){path, slash == path ? 1 : (size_t)(slash - path)}) : mem_strdup(".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = 0;

    mem_free(folder);
    if (fd < 0)
        return -errno;
    if (fsync(fd) < 0)
        error = -errno;
    close(fd);
    return error;
}

int real_file_write(struct loop *loop, const char *path, str data, unsigned mode)
{
    struct buf temp = BUF_INIT;
    int fd, error;

    buf_fmt(&temp, "%s.XXXXXX", path);
    fd = mkostemp(temp.p, O_CLOEXEC);
    if (fd < 0) {
        error = -errno;
        buf_fini(&temp);
        return error;
    }
    error = write_all(fd, data);
    if (!error && fchmod(fd, mode) < 0)
        error = -errno;
    if (!error && fsync(fd) < 0)
        error = -errno;
    if (close(fd) < 0 && !error)
        error = -errno;
    if (!error && rename(temp.p, path) < 0)
        error = -errno;
    if (error)
        unlink(temp.p);
    else
        error = sync_folder_of(path);
    buf_fini(&temp);
    return error;
}

int real_file_mkdir_all(struct loop *loop, const char *path, unsigned mode)
{
    char *copy = mem_strdup(path);
    int error = 0;
    struct stat st;

    for (char *p = copy + (*copy == '/'); !error; p++) {
        char c = *p;

        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        if (*copy && mkdir(copy, mode) < 0 && errno != EEXIST)
            error = -errno;
        *p = c;
        if (c == '\0')
            break;
    }
    mem_free(copy);
    if (!error && stat(path, &st) < 0)
        error = -errno;
    if (!error && !S_ISDIR(st.st_mode))
        error = -ENOTDIR;
    return error;
}

bool real_file_exists(struct loop *loop, const char *path)
{
    return access(path, F_OK) == 0;
}

int real_file_append(struct loop *loop, const char *path, str data, unsigned mode,
                     int64_t *ret_size)
{
    bool is_stdout = strcmp(path, "-") == 0;
    int fd =
        is_stdout ? STDOUT_FILENO : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, mode);
    int error;
    struct stat st;

    if (fd < 0)
        return -errno;
    error = write_all(fd, data);
    *ret_size = !is_stdout && fstat(fd, &st) == 0 ? (int64_t)st.st_size : 0;
    if (!is_stdout && close(fd) < 0 && !error)
        error = -errno;
    return error;
}

int real_file_rename(struct loop *loop, const char *from, const char *to)
{
    return rename(from, to) < 0 ? -errno : 0;
}

int real_file_remove(struct loop *loop, const char *path)
{
    return unlink(path) < 0 ? -errno : 0;
}

int real_file_list(struct loop *loop, const char *folder, void (*each)(void *ctx, str name),
                   void *ctx)
{
    DIR *d = opendir(folder);
    struct dirent *e;

    if (!d)
        return -errno;
    while ((e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            each(ctx, str_of(e->d_name));
    closedir(d);
    return 0;
}
