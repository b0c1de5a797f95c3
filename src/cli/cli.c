/* cli.c - finds the command and runs it. */
#include "cli/cli.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what;
} commands[] = {
    {"images", cmd_images, "import image archives into this node; ls"},
    {"stop", cmd_stop,
     "end this machine's cluster: server, pods, mounts, links, rules; its data stays"},
    {"server", cmd_server, "API server, controllers, scheduler and this node's agent"},
    {"secrets-encrypt", cmd_secrets_encrypt, "how Secrets are kept on disk: status, keys"},
    {"kubectl", cmd_kubectl, "the Kubernetes client; also when the program is called kubectl"},
    {NULL, NULL, NULL},
};

static int usage(FILE *to)
{
    fputs("usage: k1s COMMAND [OPTIONS]\n\n", to);
    for (const struct command *c = commands; c->name; c++)
        fprintf(to, "  %-15s %s\n", c->name, c->what);
    return to == stderr ? 2 : 0;
}

int cli_main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');

    if (!strcmp(slash ? slash + 1 : argv[0], "kubectl"))
        return cmd_kubectl(argc, argv);
    if (argc < 2)
        return usage(stderr);
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help"))
        return usage(stdout);
    for (const struct command *c = commands; c->name; c++)
        if (!strcmp(c->name, argv[1]))
            return c->run(argc - 1, argv + 1);
    fprintf(stderr, "k1s: unknown command \"%s\"\n", argv[1]);
    return usage(stderr);
}
