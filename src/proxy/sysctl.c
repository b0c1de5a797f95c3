/* sysctl.c - the kernel settings that Services need: set at start, put back when the rules are removed.
 *
 * What was found is written to a file before the first change, and never overwritten while that file exists: after a crash the
 * file still says what the machine had before k1s. It lives below /run, since a reboot resets both. */
#include "proxy/proxy_internal.h"
#include <fcntl.h>
#include <unistd.h>

#define STATE_DIR_DEFAULT "/run/k1s"
#define STATE_FILE "proxy-sysctl"
#define VALUE_MAX 64

static const struct setting {
    const char *path, *value;
} settings[] = {
    {"/proc/sys/net/ipv4/ip_forward", "1"},
    /* NodePorts on 127.0.0.1; what it would open is closed by a rule (filter-input in ruleset.c). */
    {"/proc/sys/net/ipv4/conf/all/route_localnet", "1"},
    /* Answers between pods of one bridge must pass the translation; absent where the module is. */
    {"/proc/sys/net/bridge/bridge-nf-call-iptables", "1"},
};

static int value_read(const char *path, char *ret, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return -errno;
    n = read(fd, ret, size - 1);
    close(fd);
    if (n < 0)
        return -EIO;
    ret[str_trim((str){ret, (size_t)n}).n] = 0; /* the kernel puts no blanks in front */
    return 0;
}

static int value_write(const char *path, str value)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC), rc = 0;

    if (fd < 0)
        return -errno;
    if (write(fd, value.p, value.n) != (ssize_t)value.n)
        rc = -errno;
    close(fd);
    return rc;
}

static void state_path(struct buf *b, str state_dir)
{
    buf_fmt(b, PRI_STR "/" STATE_FILE, STR_ARG(state_dir.n ? state_dir : S(STATE_DIR_DEFAULT)));
}

struct err *proxy_sysctl_set(struct loop *loop, str state_dir)
{
    CLEANUP(buf) struct buf path = BUF_INIT, found = BUF_INIT;
    char value[VALUE_MAX];
    int rc;

    state_path(&path, state_dir);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (value_read(settings[i].path, value, sizeof value) == 0)
            buf_fmt(&found, "%s %s\n", settings[i].path, value);
    if (!file_exists(loop, buf_cstr(&path))) {
        CLEANUP(buf) struct buf dir = BUF_INIT;
        buf_str(&dir, state_dir.n ? state_dir : S(STATE_DIR_DEFAULT));
        rc = file_mkdir_all(loop, buf_cstr(&dir), 0755);
        if (rc == 0)
            rc = file_write_atomic(loop, buf_cstr(&path), buf_view(&found), 0644);
        if (rc < 0)
            return err_errno(rc, "remembering kernel settings in %s", buf_cstr(&path));
    }
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        rc = value_read(settings[i].path, value, sizeof value);
        if (rc == -ENOENT || (rc == 0 && !strcmp(value, settings[i].value)))
            continue;
        if (rc == 0)
            rc = value_write(settings[i].path, str_of(settings[i].value));
        if (rc < 0)
            return err_errno(rc, "setting %s", settings[i].path);
    }
    return NULL;
}

struct err *proxy_sysctl_restore(struct loop *loop, str state_dir)
{
    CLEANUP(buf) struct buf path = BUF_INIT, text = BUF_INIT;
    str lines, line;
    int rc;

    state_path(&path, state_dir);
    rc = file_read(loop, buf_cstr(&path), 4096, &text);
    if (rc == -ENOENT)
        return NULL;
    if (rc < 0)
        return err_errno(rc, "reading %s", buf_cstr(&path));
    lines = buf_view(&text);
    while (str_cut(&lines, '\n', &line)) {
        str name;
        if (!str_cut(&line, ' ', &name) || !line.p)
            continue;
        /* Only what is in our table: the file is not a way to write elsewhere. */
        for (size_t i = 0; i < ARRAY_LEN(settings); i++)
            if (str_is(name, settings[i].path)) {
                rc = value_write(settings[i].path, line);
                if (rc < 0 && rc != -ENOENT)
                    return err_errno(rc, "restoring %s", settings[i].path);
            }
    }
    unlink(buf_cstr(&path));
    return NULL;
}
