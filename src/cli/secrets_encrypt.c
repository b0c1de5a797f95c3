/* secrets_encrypt.c - `k1s secrets-encrypt`: shows and changes how Secrets are kept on disk, by the
 * names of k3s.
 *
 * A command changes the key file; the server makes its database fit when it starts. While no server
 * runs, `reencrypt` and `rotate-keys` do that at once. */
#include "cli/cli.h"
#include "cli/encryption.h"
#include "loop/loop.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

struct context {
    struct loop *loop;
    struct arena *a;
    str data_dir;
    struct encryption x;
    int lock_fd; /* -1: a server runs, or there is no data */
};

static struct err *save(struct context *c)
{
    return encryption_save(c->loop, c->data_dir, &c->x);
}

static bool lock(struct context *c)
{
    c->lock_fd =
        open(arena_dupz(c->a, arena_fmt(c->a, PRI_STR "/server/lock", STR_ARG(c->data_dir))),
             O_RDWR | O_CLOEXEC);
    if (c->lock_fd >= 0 && flock(c->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (c->lock_fd >= 0)
        close(c->lock_fd);
    c->lock_fd = -1;
    return false;
}

static void stop(void *ctx)
{
    struct context *c = ctx;

    loop_stop(c->loop);
}

/* Opening the store makes it fit. */
static struct err *converge(struct context *c)
{
    struct store *store = NULL;
    struct err *err =
        store_open(c->loop,
                   &(struct store_options){
                       .path = arena_dupz(c->a, arena_fmt(c->a, PRI_STR "/server/db/state.db",
                                                          STR_ARG(c->data_dir))),
                       .cipher = &c->x.cipher},
                   &store);

    if (err)
        return err;
    store_close(store, stop, c);
    loop_run(c->loop);
    if (encryption_retire(&c->x)) {
        err = save(c);
        if (err)
            return err;
    }
    puts("all secrets are stored with the first key, older keys are gone");
    return NULL;
}

static struct err *converge_or_say(struct context *c)
{
    if (lock(c))
        return converge(c);
    if (!file_exists(c->loop, arena_dupz(c->a, arena_fmt(c->a, PRI_STR "/server/db/state.db",
                                                         STR_ARG(c->data_dir))))) {
        puts("there is no database yet: its Secrets will be stored so");
        return NULL;
    }
    puts("a server uses this data: restart it to make the change effective");
    return NULL;
}

static struct err *status(struct context *c)
{
    if (!c->x.exists) {
        puts("Encryption Status: Disabled, no configuration file found");
        return NULL;
    }
    printf("Encryption Status: %s\n", c->x.enabled ? "Enabled" : "Disabled");
    printf("Current Rotation Stage: %s\n\n", c->x.n < 2 ? "start"
                                             : str_cmp(c->x.names[c->x.n - 1], c->x.names[0]) > 0
                                                 ? "prepare"
                                                 : "rotate");
    puts("Active  Key Type  Name\n------  --------  ----");
    for (size_t i = 0; i < c->x.n; i++)
        printf("  %s     AES-GCM   " PRI_STR "\n", i == 0 && c->x.enabled ? "*" : " ",
               STR_ARG(c->x.names[i]));
    return NULL;
}

static struct err *need_file(const struct context *c)
{
    return c->x.exists ? NULL
                       : err_new(REASON_BAD_REQUEST,
                                 "there is no key yet: start the server with --secrets-encryption, "
                                 "or run `enable`");
}

static struct err *enable(struct context *c)
{
    struct err *err = NULL;

    c->x.enabled = true;
    if (!c->x.n)
        err = encryption_key_add(c->a, loop_wall(c->loop), true, &c->x);
    c->x.cipher.encrypts = true;
    if (!err)
        err = save(c);
    return err ? err : converge_or_say(c);
}

static struct err *disable(struct context *c)
{
    struct err *err = need_file(c);

    c->x.enabled = c->x.cipher.encrypts = false;
    if (!err)
        err = save(c);
    return err ? err : converge_or_say(c);
}

static struct err *prepare(struct context *c)
{
    struct err *err = need_file(c);

    if (!err)
        err = encryption_key_add(c->a, loop_wall(c->loop), false, &c->x);
    if (!err)
        err = save(c);
    if (!err)
        puts("a new key is prepared: restart all servers, then rotate");
    return err;
}

static struct err *rotate(struct context *c)
{
    size_t last = c->x.n ? c->x.n - 1 : 0;
    struct err *err = need_file(c);

    if (!err && (!last || str_cmp(c->x.names[last], c->x.names[0]) < 0))
        err = err_new(REASON_BAD_REQUEST, "no new key is prepared");
    if (!err) {
        struct store_key key = c->x.keys[last];
        str name = c->x.names[last];

        memmove(&c->x.names[1], &c->x.names[0], last * sizeof *c->x.names);
        memmove(&c->x.keys[1], &c->x.keys[0], last * sizeof *c->x.keys);
        c->x.keys[0] = key;
        c->x.names[0] = name;
        err = save(c);
    }
    if (!err)
        puts("the new key is the first: restart all servers, then reencrypt");
    return err;
}

static struct err *reencrypt(struct context *c)
{
    struct err *err = need_file(c);

    return err ? err : converge_or_say(c);
}

static struct err *rotate_keys(struct context *c)
{
    struct err *err = need_file(c);

    if (!err)
        err = encryption_key_add(c->a, loop_wall(c->loop), true, &c->x);
    if (!err)
        err = save(c);
    return err ? err : converge_or_say(c);
}

static const struct {
    const char *name;
    struct err *(*run)(struct context *c);
    const char *what;
} table[] = {
    {"status", status, "whether Secrets are encrypted, and by which keys"},
    {"enable", enable, "encrypt them from now on, with a new key if there is none"},
    {"disable", disable, "store them as they are"},
    {"rotate-keys", rotate_keys, "prepare, rotate and reencrypt in one"},
    {"prepare", prepare, "make a new key that only reads"},
    {"rotate", rotate, "let the new key write"},
    {"reencrypt", reencrypt, "write all with the first key, forget older ones"},
};

static int usage(FILE *to)
{
    fputs("usage: k1s secrets-encrypt COMMAND [--data-dir DIR]\n\n", to);
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        fprintf(to, "  %-12s %s\n", table[i].name, table[i].what);
    return to == stderr ? 2 : 0;
}

int cmd_secrets_encrypt(int argc, char **argv)
{
    struct context c = {.data_dir = S("/var/lib/k1s"), .lock_fd = -1};
    const char *command = NULL;
    struct err *err;
    size_t i = 0;

    for (int k = 1; k < argc; k++) {
        str arg = str_of(argv[k]);

        if (str_is(arg, "--help") || str_is(arg, "-h"))
            return usage(stdout);
        if (str_has_prefix(arg, S("--data-dir=")))
            c.data_dir = str_skip(arg, strlen("--data-dir="));
        else if ((str_is(arg, "--data-dir") || str_is(arg, "-d")) && k + 1 < argc)
            c.data_dir = str_of(argv[++k]);
        else if (!command)
            command = argv[k];
        else
            return usage(stderr);
    }
    while (command && i < ARRAY_LEN(table) && strcmp(command, table[i].name) != 0)
        i++;
    if (!command || i == ARRAY_LEN(table))
        return usage(stderr);
    c.loop = loop_new_uv();
    c.a = arena_new();
    err = encryption_load(c.loop, c.a, c.data_dir, &c.x);
    if (!err)
        err = table[i].run(&c);
    if (err)
        fprintf(stderr, "k1s secrets-encrypt: %s\n", err_text(err));
    if (c.lock_fd >= 0)
        close(c.lock_fd);
    loop_free(c.loop);
    arena_free(c.a);
    i = err ? 1 : 0;
    err_free(err);
    return (int)i;
}
