/* pods.c - which pod and container a command means, and logs. */
#include "cli/kubectl/kubectl.h"

static struct err *first_pod_of(struct kubectl *k, const struct kube_target *t,
                                const struct json *object, struct json **ret)
{
    CLEANUP(buf) struct buf plain = BUF_INIT, query = BUF_INIT;
    struct json *selector = json_path(object, "spec.selector"), *list, *pod = NULL;
    struct kube_resource pods;
    struct err *err;
    uint32_t n;

    if (json_findz(selector, "matchLabels"))
        selector = json_findz(selector, "matchLabels");
    if (!json_count(selector))
        return err_new(REASON_BAD_REQUEST,
                       "cannot attach to *" PRI_STR "." PRI_STR ": selector for " PRI_STR
                       " not implemented",
                       STR_ARG(t->res.version), STR_ARG(t->res.kind), STR_ARG(t->res.kind));
    JSON_EACH_MEMBER(m, selector)
        buf_fmt(&plain, "%s" PRI_STR "=" PRI_STR, plain.n ? "," : "", STR_ARG(m->key),
                STR_ARG(json_str(&m->value)));
    buf_z(&query, "?labelSelector=");
    http_percent_encode(&query, buf_view(&plain));
    err = kube_resource_find(k, S("pods"), &pods);
    if (!err)
        err = kube_call_json(
            k,
            &(struct kube_request){
                .method = "GET",
                .path = arena_fmt(k->a, PRI_STR PRI_STR,
                                  STR_ARG(kube_path(k, &pods, t->ns, STR_NONE, STR_NONE)),
                                  STR_ARG(buf_view(&query)))},
            &list);
    if (err)
        return err;
    n = json_count(json_findz(list, "items"));
    if (!n)
        return err_new(REASON_NOT_FOUND, "no pods found for " PRI_STR "/" PRI_STR,
                       STR_ARG(kube_full_name(k->a, &t->res)), STR_ARG(t->name));
    JSON_EACH(p, json_findz(list, "items"))
        if (str_is(json_get_str(p, "status.phase"), "Running") &&
            !json_path(p, "metadata.deletionTimestamp")) {
            pod = p;
            break;
        }
    *ret = pod ? pod : json_item(json_findz(list, "items"), 0);
    if (n > 1)
        fprintf(stderr, "Found %u pods, using pod/" PRI_STR "\n", n,
                STR_ARG(json_get_str(*ret, "metadata.name")));
    return NULL;
}

/* A pod named directly, or the first running pod that a workload selects. */
struct err *kube_pod_of(struct kubectl *k, const char *name, struct json **ret)
{
    char *one[2] = {arena_dupz(k->a, S("pods")), arena_dupz(k->a, str_of(name))};
    struct kube_targets t = {0};
    struct json *object;
    struct err *err = strchr(name, '/') ? kube_targets_of_args(k, one + 1, 1, &t)
                                        : kube_targets_of_args(k, one, 2, &t);

    if (!err)
        err = kube_get(k, &t.items[0], &object);
    if (err)
        return err;
    if (!str_is(t.items[0].res.plural, "pods") || t.items[0].res.group.n)
        return first_pod_of(k, &t.items[0], object, ret);
    *ret = object;
    return NULL;
}

str kube_default_container(const struct json *pod, str wanted, bool quiet)
{
    static const char *const lists[] = {"containers", "initContainers", "ephemeralContainers"};
    const struct json *containers = json_path(pod, "spec.containers");
    str name = json_str(json_findz(json_path(pod, "metadata.annotations"),
                                   "kubectl.kubernetes.io/default-container"));
    bool first = true;

    if (wanted.n)
        return wanted;
    if (name.n)
        return name;
    name = json_get_str(json_item(containers, 0), "name");
    if (quiet || json_count(containers) + json_count(json_path(pod, "spec.initContainers")) +
                         json_count(json_path(pod, "spec.ephemeralContainers")) <
                     2)
        return name;
    fprintf(stderr, "Defaulted container \"" PRI_STR "\" out of: ", STR_ARG(name));
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        JSON_EACH(c, json_findz(json_findz(pod, "spec"), lists[i])) {
            fprintf(stderr, "%s" PRI_STR "%s", first ? "" : ", ", STR_ARG(json_get_str(c, "name")),
                    i == 0   ? ""
                    : i == 1 ? " (init)"
                             : " (ephem)");
            first = false;
        }
    fputc('\n', stderr);
    return name;
}

/* "5m", "1h30m", "10s" in seconds. */
static bool duration_seconds(str s, int64_t *ret)
{
    int64_t total = 0, v = 0;
    bool digits = false;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c >= '0' && c <= '9') {
            v = v * 10 + (c - '0');
            digits = true;
            if (v > INT32_MAX)
                return false;
            continue;
        }
        if (!digits || (c != 'h' && c != 'm' && c != 's'))
            return false;
        total += v * (c == 'h' ? 3600 : c == 'm' ? 60 : 1);
        v = 0;
        digits = false;
    }
    *ret = total;
    return !digits && s.n > 0;
}

const struct json *kube_container_spec(const struct json *pod, str name)
{
    static const char *const lists[] = {"containers", "initContainers", "ephemeralContainers"};

    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        JSON_EACH(c, json_findz(json_findz(pod, "spec"), lists[i]))
            if (str_eq(json_get_str(c, "name"), name))
                return c;
    return NULL;
}

struct log_print {
    str prefix; /* "[pod/x/c] "; empty: lines as they come */
    bool in_line;
};

static bool log_data(void *ctx, str data)
{
    struct log_print *p = ctx;

    for (size_t i = 0; p->prefix.n && i < data.n;) {
        ptrdiff_t end = str_index(str_skip(data, i), '\n');
        size_t n = end < 0 ? data.n - i : (size_t)end + 1;

        if (!p->in_line)
            fwrite(p->prefix.p, 1, p->prefix.n, stdout);
        fwrite(data.p + i, 1, n, stdout);
        p->in_line = end < 0;
        i += n;
    }
    if (!p->prefix.n)
        fwrite(data.p, 1, data.n, stdout);
    fflush(stdout);
    return true;
}

static struct err *logs_of(struct kube_args *args, const struct json *pod, str container)
{
    struct kubectl *k = args->k;
    CLEANUP(buf) struct buf q = BUF_INIT;
    struct log_print print = {0};
    str name = json_get_str(pod, "metadata.name");
    int64_t since;

    if (!kube_container_spec(pod, container))
        return err_new(REASON_BAD_REQUEST, "container " PRI_STR " is not valid for pod " PRI_STR,
                       STR_ARG(container), STR_ARG(name));
    if (args->f->prefix)
        print.prefix =
            arena_fmt(k->a, "[pod/" PRI_STR "/" PRI_STR "] ", STR_ARG(name), STR_ARG(container));
    buf_fmt(&q, "/api/v1/namespaces/" PRI_STR "/pods/" PRI_STR "/log?container=" PRI_STR,
            STR_ARG(json_get_str(pod, "metadata.namespace")), STR_ARG(name), STR_ARG(container));
    if (args->f->follow)
        buf_z(&q, "&follow=true");
    if (args->f->previous)
        buf_z(&q, "&previous=true");
    if (args->f->timestamps)
        buf_z(&q, "&timestamps=true");
    if (args->f->tail.n && !str_is(args->f->tail, "-1"))
        buf_fmt(&q, "&tailLines=" PRI_STR, STR_ARG(args->f->tail));
    else if (!args->f->tail.n && args->f->selector.n)
        buf_z(&q, "&tailLines=10");
    if (args->f->limit_bytes.n)
        buf_fmt(&q, "&limitBytes=" PRI_STR, STR_ARG(args->f->limit_bytes));
    if (args->f->since.n) {
        if (!duration_seconds(args->f->since, &since))
            return err_new(REASON_BAD_REQUEST,
                           "invalid argument \"" PRI_STR
                           "\" for \"--since\" flag: time: invalid duration \"" PRI_STR "\"",
                           STR_ARG(args->f->since), STR_ARG(args->f->since));
        buf_fmt(&q, "&sinceSeconds=%lld", (long long)since);
    }
    if (args->f->since_time.n) {
        buf_z(&q, "&sinceTime=");
        http_percent_encode(&q, args->f->since_time);
    }
    return kube_stream(k, arena_dup(k->a, buf_view(&q)), "*/*", 0, log_data, &print);
}

static struct err *logs_of_pod(struct kube_args *args, const struct json *pod, str container)
{
    static const char *const lists[] = {"initContainers", "containers", "ephemeralContainers"};

    if (!args->f->all_containers)
        return logs_of(args, pod,
                       kube_default_container(pod, container.n ? container : args->f->container,
                                              args->f->selector.n > 0));
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        JSON_EACH(c, json_findz(json_findz(pod, "spec"), lists[i])) {
            struct err *err = logs_of(args, pod, json_get_str(c, "name"));

            if (err)
                return err;
        }
    return NULL;
}

struct err *cmd_logs(struct kube_args *args)
{
    struct kubectl *k = args->k;
    struct json *pod, *list;
    CLEANUP(buf) struct buf q = BUF_INIT;
    struct err *err;

    if (!args->f->selector.n) {
        if (args->n == 0)
            return err_new(REASON_BAD_REQUEST,
                           "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or "
                           "TYPE/NAME is a required argument for the logs command");
        err = kube_pod_of(k, args->args[0], &pod);
        if (err && err->code == 404 && !strchr(args->args[0], '/')) {
            err_free(err);
            return err_new(
                REASON_NOT_FOUND,
                "error from server (NotFound): pods \"%s\" not found in namespace \"" PRI_STR "\"",
                args->args[0], STR_ARG(k->ns));
        }
        return err ? err : logs_of_pod(args, pod, args->n > 1 ? str_of(args->args[1]) : STR_NONE);
    }
    buf_fmt(&q, "/api/v1/namespaces/" PRI_STR "/pods?labelSelector=", STR_ARG(k->ns));
    http_percent_encode(&q, args->f->selector);
    err = kube_call_json(
        k, &(struct kube_request){.method = "GET", .path = arena_dup(k->a, buf_view(&q))}, &list);
    if (err)
        return err;
    if (args->f->follow && json_count(json_findz(list, "items")) > 1)
        return err_new(REASON_BAD_REQUEST,
                       "following the logs of several pods at once is not supported, name one");
    if (!json_count(json_findz(list, "items")))
        fprintf(stderr, "No resources found in " PRI_STR " namespace.\n", STR_ARG(k->ns));
    JSON_EACH(p, json_findz(list, "items")) {
        err = logs_of_pod(args, p, STR_NONE);
        if (err)
            return err;
    }
    return NULL;
}
