/* kubectl.c - finds the command, parses the flags, prints the error. */
#include "cli/kubectl/kubectl.h"

#include "cli/cli.h"

#include <signal.h>

enum flag_kind {
    FLAG_STRING,
    FLAG_BOOL,
    FLAG_LIST,
    FLAG_JOINED /* given again, it adds behind a comma */
};
static const struct flag {
    const char *name;
    char letter;
    enum flag_kind kind;
    size_t offset, count_offset;
    const char *bare; /* value of `--name` without one (kubectl's NoOptDefVal); NULL: needs one */
} flags[] = {
#define F(name, letter, field)                                                                     \
    {                                                                                              \
        name, letter, FLAG_STRING, offsetof(struct kube_flagvals, field), 0, NULL                  \
    }
#define J(name, letter, field)                                                                     \
    {                                                                                              \
        name, letter, FLAG_JOINED, offsetof(struct kube_flagvals, field), 0, NULL                  \
    }
#define FO(name, letter, field, bare)                                                              \
    {                                                                                              \
        name, letter, FLAG_STRING, offsetof(struct kube_flagvals, field), 0, bare                  \
    }
#define B(name, letter, field)                                                                     \
    {                                                                                              \
        name, letter, FLAG_BOOL, offsetof(struct kube_flagvals, field), 0, NULL                    \
    }
#define L(name, letter, field)                                                                     \
    {                                                                                              \
        name, letter, FLAG_LIST, offsetof(struct kube_flagvals, field),                            \
            offsetof(struct kube_flagvals, n_##field), NULL                                        \
    }
    F("kubeconfig", 0, common.kubeconfig),
    F("context", 0, common.context),
    F("server", 's', common.server),
    F("token", 0, common.token),
    F("namespace", 'n', common.ns),
    F("certificate-authority", 0, common.ca_file),
    B("insecure-skip-tls-verify", 0, common.insecure),
    B("all-namespaces", 'A', all_namespaces),
    F("output", 'o', output),
    F("selector", 'l', selector),
    F("field-selector", 0, field_selector),
    F("container", 'c', container),
    F("since", 0, since),
    F("for", 0, condition),
    F("timeout", 0, timeout),
    F("request-timeout", 0, timeout),
    J("image", 0, image),
    F("type", 0, type),
    F("patch", 'p', patch),
    F("subresource", 0, subresource),
    F("field-manager", 0, field_manager),
    FO("dry-run", 0, dry_run, "client"),
    FO("cascade", 0, cascade, "background"),
    F("to-revision", 0, to_revision),
    F("revision", 0, revision),
    F("replicas", 'r', replicas),
    F("current-replicas", 0, current_replicas),
    F("tail", 0, tail),
    F("grace-period", 0, grace),
    F("address", 0, address),
    F("sort-by", 0, sort_by),
    F("raw", 0, raw),
    F("port", 0, port),
    F("limit-bytes", 0, limit_bytes),
    F("schedule", 0, schedule),
    F("clusterip", 0, cluster_ip),
    F("tcp", 0, tcp),
    FO("validate", 0, validate, "strict"),
    F("since-time", 0, since_time),
    F("from-env-file", 0, from_env_file),
    F("docker-server", 0, docker_server),
    F("docker-username", 0, docker_username),
    F("docker-password", 0, docker_password),
    F("docker-email", 0, docker_email),
    F("cert", 0, cert),
    F("key", 0, key),
    F("from", 0, from),
    F("node-port", 0, node_port),
    F("external-name", 0, external_name),
    J("verb", 0, verb),
    J("resource", 0, resource),
    J("resource-name", 0, resource_name),
    J("user", 0, user),
    J("group", 0, group),
    J("serviceaccount", 0, service_account),
    F("role", 0, role),
    F("clusterrole", 0, cluster_role),
    F("hard", 0, hard),
    F("value", 0, value),
    F("description", 0, description),
    F("class", 0, class_name),
    J("audience", 0, audience),
    F("target-port", 0, target_port),
    F("name", 0, name),
    F("protocol", 0, protocol),
    F("min", 0, min),
    F("max", 0, max),
    F("cpu-percent", 0, cpu_percent),
    F("restart", 0, restart),
    F("image-pull-policy", 0, pull_policy),
    F("labels", 0, labels),
    J("label-columns", 'L', label_columns),
    F("pod-selector", 0, pod_selector),
    L("rule", 0, rules),
    L("env", 0, env),
    B("prune", 0, prune),
    B("save-config", 0, save_config),
    B("record", 0, record),
    B("rm", 0, rm),
    B("command", 0, as_command),
    B("ignore-daemonsets", 0, ignore_daemonsets),
    B("delete-emptydir-data", 0, delete_emptydir_data),
    B("disable-eviction", 0, disable_eviction),
    L("filename", 'f', files),
    L("from-literal", 0, literals),
    L("from-file", 0, from_files),
    B("watch", 'w', watch),
    B("watch-only", 0, watch_only),
    B("no-headers", 0, no_headers),
    B("show-labels", 0, show_labels),
    B("show-kind", 0, show_kind),
    B("all", 0, all),
    B("recursive", 'R', recursive),
    B("follow", 0, follow),
    B("previous", 0, previous),
    B("timestamps", 0, timestamps),
    B("all-containers", 0, all_containers),
    B("prefix", 0, prefix),
    B("stdin", 'i', stdin_),
    B("tty", 't', tty),
    B("force", 0, force),
    B("force-conflicts", 0, force_conflicts),
    B("server-side", 0, server_side),
    B("now", 0, now),
    B("ignore-not-found", 0, ignore_not_found),
    B("wait", 0, wait),
    B("overwrite", 0, overwrite),
    B("client", 0, client_only),
    B("quiet", 'q', quiet),
    B("help", 'h', help),
#undef F
#undef FO
#undef J
#undef B
#undef L
};

static const struct command {
    const char *name;
    kube_command_fn *run;
    const char *usage;
} commands[] = {
    {"get", cmd_get,
     "get TYPE[/NAME] [NAME...] [-o wide|yaml|json|name|jsonpath=...] [-w] [-l SELECTOR] [-A]"},
    {"describe", cmd_describe, "describe TYPE[/NAME] [NAME...]"},
    {"apply", cmd_apply, "apply -f FILE [--server-side] [--prune -l SELECTOR]"},
    {"create", cmd_create,
     "create -f FILE | create namespace|configmap|secret generic|deployment|service nodeport|... "
     "NAME"},
    {"replace", cmd_replace, "replace -f FILE"},
    {"diff", cmd_diff, "diff -f FILE [--server-side]"},
    {"edit", cmd_edit, "edit TYPE/NAME"},
    {"run", cmd_run,
     "run NAME --image=IMAGE [-i] [-t] [--rm] [--restart=Never] [--env=K=V] [-- ARG...]"},
    {"expose", cmd_expose, "expose TYPE/NAME --port=N [--target-port=N] [--type=NodePort]"},
    {"autoscale", cmd_autoscale, "autoscale TYPE/NAME --max=N [--min=N] [--cpu-percent=N]"},
    {"explain", cmd_explain, "explain TYPE[.FIELD...] [--recursive]"},
    {"attach", cmd_attach, "attach [-i] [-t] [-c CONTAINER] POD"},
    {"port-forward", cmd_port_forward, "port-forward POD | TYPE/NAME [LOCAL:]REMOTE..."},
    {"cp", cmd_cp, "cp FILE POD:PATH | cp POD:PATH FILE"},
    {"delete", cmd_delete, "delete (-f FILE | TYPE NAME... | TYPE -l SELECTOR | TYPE --all)"},
    {"logs", cmd_logs, "logs [-f] [-c CONTAINER] [--tail N] POD | TYPE/NAME"},
    {"exec", cmd_exec, "exec [-i] [-t] [-c CONTAINER] POD -- COMMAND [ARG...]"},
    {"scale", cmd_scale, "scale --replicas=N TYPE/NAME"},
    {"rollout", cmd_rollout, "rollout status|history|undo|restart|pause|resume TYPE/NAME"},
    {"wait", cmd_wait, "wait --for=condition=NAME|delete|jsonpath=... TYPE/NAME"},
    {"set", cmd_set, "set image TYPE/NAME CONTAINER=IMAGE..."},
    {"patch", cmd_patch, "patch TYPE/NAME --type=strategic|merge|json -p PATCH"},
    {"label", cmd_label, "label TYPE/NAME KEY=VALUE... KEY-..."},
    {"annotate", cmd_annotate, "annotate TYPE/NAME KEY=VALUE... KEY-..."},
    {"cordon", cmd_cordon, "cordon NODE"},
    {"uncordon", cmd_uncordon, "uncordon NODE"},
    {"drain", cmd_drain,
     "drain NODE [--ignore-daemonsets] [--delete-emptydir-data] [--force] [--timeout=DURATION]"},
    {"taint", cmd_taint, "taint nodes NODE... KEY=VALUE:EFFECT... KEY[:EFFECT]-... [--overwrite]"},
    {"api-resources", cmd_api_resources, "api-resources"},
    {"api-versions", cmd_api_versions, "api-versions"},
    {"cluster-info", cmd_cluster_info, "cluster-info"},
    {"version", cmd_version, "version [--client]"},
};

static int usage(FILE *to)
{
    fputs("usage: k1s kubectl COMMAND [OPTIONS]\n\n", to);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(to, "  %s\n", commands[i].usage);
    return to == stdout ? 0 : 1;
}

static const struct flag *flag_find(str name, char letter)
{
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (letter ? flags[i].letter == letter : str_is(name, flags[i].name))
            return &flags[i];
    return NULL;
}

static struct err *flag_set(struct arena *a, const struct flag *f, struct kube_flagvals *v,
                            str value)
{
    str *text = (str *)(void *)((char *)v + f->offset);

    switch (f->kind) {
    case FLAG_JOINED:
        *text = text->n ? arena_fmt(a, PRI_STR "," PRI_STR, STR_ARG(*text), STR_ARG(value)) : value;
        break;
    case FLAG_STRING:
        *text = value;
        break;
    case FLAG_BOOL:
        *(bool *)((char *)v + f->offset) = !str_is(value, "false");
        if (!strcmp(f->name, "wait"))
            v->wait_given = true;
        break;
    case FLAG_LIST: {
        size_t *n = (size_t *)(void *)((char *)v + f->count_offset);
        str *items = (str *)(void *)((char *)v + f->offset), item;
        bool split = !strcmp(f->name, "filename");

        while (split ? str_cut(&value, ',', &item) : true) {
            if (*n == ARRAY_LEN(v->files))
                return err_new(REASON_BAD_REQUEST, "too many values of --%s", f->name);
            items[(*n)++] = split ? item : value;
            if (!split)
                break;
        }
        break;
    }
    }
    return NULL;
}

static struct err *parse_long(struct arena *a, char **argv, int argc, int *i,
                              struct kube_flagvals *v)
{
    str value = str_of(argv[*i] + 2), name;
    bool has_value = str_has_char(value, '=');
    const struct flag *f;

    str_cut(&value, '=', &name);
    f = flag_find(name, 0);
    if (!f)
        return err_new(REASON_BAD_REQUEST, "unknown flag: --" PRI_STR, STR_ARG(name));
    if (!has_value && f->kind == FLAG_BOOL)
        value = S("true");
    else if (!has_value && f->bare)
        value = str_of(f->bare);
    else if (!has_value) {
        if (*i + 1 >= argc)
            return err_new(REASON_BAD_REQUEST, "flag needs an argument: --" PRI_STR, STR_ARG(name));
        value = str_of(argv[++*i]);
    }
    return flag_set(a, f, v, value);
}

/* -it, -n x, -nx, -o=yaml. In `logs`, -f follows; elsewhere it names a file. In `logs` and `exec`, -p is --previous. */
static struct err *parse_short(struct arena *a, char **argv, int argc, int *i, const char *command,
                               struct kube_flagvals *v)
{
    for (const char *p = argv[*i] + 1; *p; p++) {
        const struct flag *f = flag_find(STR_NONE, *p);
        str value;

        if (!strcmp(command, "logs") && *p == 'f')
            f = flag_find(S("follow"), 0);
        else if (!strcmp(command, "logs") && *p == 'p')
            f = flag_find(S("previous"), 0);
        if (!f)
            return err_new(REASON_BAD_REQUEST, "unknown shorthand flag: '%c' in %s", *p, argv[*i]);
        if (f->kind == FLAG_BOOL) {
            struct err *err = flag_set(a, f, v, S("true"));

            if (err)
                return err;
            continue;
        }
        if (p[1])
            value = str_of(p[1] == '=' ? p + 2 : p + 1);
        else if (*i + 1 < argc)
            value = str_of(argv[++*i]);
        else
            return err_new(REASON_BAD_REQUEST, "flag needs an argument: '%c' in -%c", *p, *p);
        return flag_set(a, f, v, value);
    }
    return NULL;
}

static struct err *parse(struct arena *a, int argc, char **argv, struct kube_args *args,
                         struct kube_flagvals *v, const char **ret_command)
{
    static const char no_command[] = "";
    const char *command = no_command;
    struct err *err;

    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];

        if (!strcmp(arg, "--")) {
            args->rest = argv + i + 1;
            args->n_rest = argc - i - 1;
            break;
        }
        if (arg[0] == '-' && arg[1] == '-')
            err = parse_long(a, argv, argc, &i, v);
        else if (arg[0] == '-' && arg[1])
            err = parse_short(a, argv, argc, &i, command, v);
        else {
            if (command == no_command)
                command = arg;
            else
                args->args[args->n++] = argv[i];
            continue;
        }
        if (err)
            return err;
    }
    *ret_command = command;
    return NULL;
}

void kube_print_error(const struct err *err)
{
    str reason = reason_name(err->reason);

    fflush(stdout); /* what was said before comes before */
    if (err->trail && !strcmp(err->trail, KUBE_PLAIN))
        fprintf(stderr, "%s\n", err_text(err));
    else if (err->trail && !strcmp(err->trail, KUBE_SERVER) && reason.n)
        fprintf(stderr, "Error from server (" PRI_STR "): %s\n", STR_ARG(reason), err_text(err));
    else if (err->trail && !strcmp(err->trail, KUBE_SERVER))
        fprintf(stderr, "Error from server: %s\n", err_text(err));
    else
        fprintf(stderr, "error: %s\n", err_text(err));
}

void kube_keep_error(struct err **kept, struct err *err)
{
    if (*kept) {
        kube_print_error(*kept);
        err_free(*kept);
    }
    *kept = err;
}

struct err *kube_add_source(struct err *err, str doing, str source)
{
    struct err *e;

    if (!source.n || (err->trail && !strcmp(err->trail, KUBE_PLAIN)))
        return err;
    e = err_new(err->reason, "error when " PRI_STR " \"" PRI_STR "\": %s", STR_ARG(doing),
                STR_ARG(source), err_text(err));
    e->code = err->code;
    if (err->trail)
        e = err_note(e, "%s", err->trail);
    err_free(err);
    return e;
}

int cmd_kubectl(int argc, char **argv)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct kube_flagvals *v = ARENA_NEW(a, struct kube_flagvals);
    struct kubectl k = {.a = a};
    struct kube_args args = {.k = &k, .f = v};
    const struct command *command = NULL;
    const char *name = "";
    struct err *err;
    int status = 0;

    signal(SIGPIPE, SIG_DFL);
    args.args = ARENA_NEW_N(a, char *, argc + 1);
    v->wait = true;
    err = parse(a, argc, argv, &args, v, &name);
    if (err)
        goto out;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (!strcmp(commands[i].name, name))
            command = &commands[i];
    if (!command) {
        if (!*name || v->help)
            return usage(v->help ? stdout : stderr);
        err = err_new(REASON_BAD_REQUEST, "unknown command \"%s\" for \"kubectl\"", name);
        goto out;
    }
    if (v->help) {
        printf("usage: k1s kubectl %s\n", command->usage);
        return 0;
    }
    k.command = name;
    k.loop = loop_new_uv();
    k.all_namespaces = v->all_namespaces;
    k.ns_given = v->common.ns.n > 0;
    if (!(command->run == cmd_version && v->client_only))
        err = kube_config_load(&k, &v->common);
    if (!err)
        err = command->run(&args);
    if (k.http)
        http_client_free(k.http);
    tls_client_free(k.tls);
out:
    if (err) {
        if (err->message && *err->message) /* empty: the command has said it itself */
            kube_print_error(err);
        status =
            err->code >= 1000 ? err->code - 1000 : 1; /* exec hands through the remote status */
        err_free(err);
    }
    fflush(stdout);
    return status;
}
