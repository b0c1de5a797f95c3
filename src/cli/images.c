/* images.c - k1s images import FILE...: loads OCI or docker archives into the node's runtime; k1s images ls shows what it has.
 *
 * containerd's own client, ctr, comes with it and does the work; here is which containerd, and errors that say what to do.
 * The namespace is the one in which the CRI looks. */
#include "cli/cli.h"
#include "kubelet/containerd.h"
#include <errno.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define DATA_DIR_DEFAULT "/var/lib/k1s"
#define CRI_NAMESPACE "k8s.io"

extern char **environ;

static int usage(FILE *to)
{
    fputs(
        "usage: k1s images [--data-dir DIR | --container-runtime-endpoint SOCKET] import FILE...\n"
        "       k1s images [--data-dir DIR | --container-runtime-endpoint SOCKET] ls\n\n"
        "import loads OCI or docker image archives into this node's container runtime.\n",
        to);
    return to == stderr ? 2 : 0;
}

static bool answers(str socket_path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    bool ok;
    int fd;

    if (socket_path.n >= sizeof at.sun_path)
        return false;
    memcpy(at.sun_path, socket_path.p, socket_path.n);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ok = fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

/* Runs ctr; its exit status, 1 when it cannot be started. */
static int ctr(const char *const *argv)
{
    pid_t pid;
    int status, rc = posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ);

    if (rc != 0) {
        fprintf(stderr, "k1s images: %s: %s (it comes with containerd)\n", argv[0], strerror(rc));
        return 1;
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int cmd_images(int argc, char **argv)
{
    CLEANUP(arena) struct arena *a = arena_new();
    str data_dir = S(DATA_DIR_DEFAULT), endpoint = STR_NONE, command = STR_NONE;
    const char **files = ARENA_NEW_N(a, const char *, argc + 1);
    int n_files = 0, failures = 0;

    for (int i = 1; i < argc; i++) {
        str arg = str_of(argv[i]);
        if (str_is(arg, "--help") || str_is(arg, "-h"))
            return usage(stdout);
        if (str_has_prefix(arg, S("--data-dir=")))
            data_dir = str_skip(arg, 11);
        else if ((str_is(arg, "--data-dir") || str_is(arg, "-d")) && i + 1 < argc)
            data_dir = str_of(argv[++i]);
        else if (str_has_prefix(arg, S("--container-runtime-endpoint=")))
            endpoint = str_skip(arg, 29);
        else if (str_is(arg, "--container-runtime-endpoint") && i + 1 < argc)
            endpoint = str_of(argv[++i]);
        else if (arg.n > 1 && arg.p[0] == '-')
            return usage(stderr);
        else if (command.n == 0)
            command = arg;
        else
            files[n_files++] = argv[i];
    }
    bool import = str_is(command, "import");
    if ((!import && !str_is(command, "ls") && !str_is(command, "list")) ||
        (import && n_files == 0) || (!import && n_files > 0))
        return usage(stderr);

    if (endpoint.n == 0) {
        struct containerd_paths paths;
        containerd_paths_init(a, data_dir, &paths);
        endpoint = paths.socket;
    } else if (str_has_prefix(endpoint, S("unix://"))) {
        endpoint = str_skip(endpoint, 7);
    }
    const char *socket_path = arena_dupz(a, endpoint);
    if (!answers(endpoint)) {
        fprintf(stderr,
                "k1s images: no container runtime answers at %s: %s (does k1s server run, and with "
                "this data directory?)\n",
                socket_path, strerror(errno));
        return 1;
    }
    if (!import)
        return ctr((const char *const[]){"ctr", "-n", CRI_NAMESPACE, "-a", socket_path, "images",
                                         "ls", "-q", NULL});
    for (int i = 0; i < n_files; i++) {
        if (access(files[i], R_OK) < 0) {
            fprintf(stderr, "k1s images: %s: %s\n", files[i], strerror(errno));
            failures++;
            continue;
        }
        failures += ctr((const char *const[]){"ctr", "-n", CRI_NAMESPACE, "-a", socket_path,
                                              "images", "import", files[i], NULL}) != 0;
    }
    return failures ? 1 : 0;
}
