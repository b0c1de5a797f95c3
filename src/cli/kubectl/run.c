/* run.c - run, expose, autoscale: a pod, a Service, an autoscaler made of flags. */
#include "cli/kubectl/kubectl.h"

#include <unistd.h>

/* ---- run ---- */

static struct err *pod_of_flags(struct kube_args *args, struct json *o, str name)
{
    struct kubectl *k = args->k;
    struct json *spec = json_make(k->a, o, "spec", JSON_OBJECT), *c, *list;
    str restart = args->f->restart, all = args->f->labels, one, key;
    int64_t port;

    if (!args->f->image.n)
        return err_new(REASON_BAD_REQUEST, "required flag(s) \"image\" not set");
    if (restart.n && !str_is(restart, "Always") && !str_is(restart, "OnFailure") &&
        !str_is(restart, "Never"))
        return err_new(REASON_BAD_REQUEST, "invalid restart policy: " PRI_STR, STR_ARG(restart));
    json_setz(k->a, o, "apiVersion", json_z("v1"));
    json_setz(k->a, o, "kind", json_z("Pod"));
    json_setz(k->a, json_make(k->a, o, "metadata", JSON_OBJECT), "name", json_string(name));
    list = json_make(k->a, o, "metadata.labels", JSON_OBJECT);
    if (!all.n)
        json_setz(k->a, list, "run", json_string(name));
    while (str_cut(&all, ',', &one)) {
        str_cut(&one, '=', &key);
        json_set(k->a, list, key, json_string(one));
    }
    c = json_append(k->a, json_make(k->a, spec, "containers", JSON_ARRAY), json_object());
    json_setz(k->a, c, "name", json_string(name));
    json_setz(k->a, c, "image", json_string(args->f->image));
    if (args->f->pull_policy.n)
        json_setz(k->a, c, "imagePullPolicy", json_string(args->f->pull_policy));
    if (args->f->stdin_) {
        json_setz(k->a, c, "stdin", json_bool(true));
        json_setz(k->a, c, "stdinOnce", json_bool(true));
    }
    if (args->f->tty)
        json_setz(k->a, c, "tty", json_bool(true));
    if (args->n_rest) {
        list = json_setz(k->a, c, args->f->as_command ? "command" : "args", json_array());
        for (int i = 0; i < args->n_rest; i++)
            json_append(k->a, list, json_z(args->rest[i]));
    }
    if (args->f->n_env)
        list = json_setz(k->a, c, "env", json_array());
    for (size_t i = 0; i < args->f->n_env; i++) {
        struct json e = json_object();
        str value = args->f->env[i];

        str_cut(&value, '=', &key);
        json_setz(k->a, &e, "name", json_string(key));
        json_setz(k->a, &e, "value", json_string(value));
        json_append(k->a, list, e);
    }
    if (str_to_int64(args->f->port, &port)) {
        struct json p = json_object();

        json_setz(k->a, &p, "containerPort", json_int(port));
        json_append(k->a, json_setz(k->a, c, "ports", json_array()), p);
    }
    json_setz(k->a, c, "resources", json_object());
    json_setz(k->a, spec, "dnsPolicy", json_z("ClusterFirst"));
    json_setz(k->a, spec, "restartPolicy", restart.n ? json_string(restart) : json_z("Always"));
    json_setz(k->a, o, "status", json_object());
    return NULL;
}

struct starting {
    struct json *pod;
    bool over;
};

static bool has_started(const struct json *pod)
{
    str phase = json_get_str(pod, "status.phase");

    return str_is(phase, "Succeeded") || str_is(phase, "Failed") ||
           json_path(json_item(json_path(pod, "status.containerStatuses"), 0), "state.running");
}

static bool has_ended(const struct json *pod)
{
    str phase = json_get_str(pod, "status.phase");

    return str_is(phase, "Succeeded") || str_is(phase, "Failed");
}

static bool start_event(void *ctx, str type, struct json *object)
{
    struct starting *s = ctx;

    if (str_is(type, "BOOKMARK"))
        return true;
    s->pod = object;
    s->over = str_is(type, "DELETED");
    return !s->over && !has_started(object);
}

static bool end_event(void *ctx, str type, struct json *object)
{
    struct starting *s = ctx;

    if (str_is(type, "BOOKMARK"))
        return true;
    s->pod = object;
    s->over = str_is(type, "DELETED");
    return !s->over && !has_ended(object);
}

static struct err *follow_pod(struct kube_args *args, const struct kube_target *t, struct json *pod,
                              kube_event_fn *fn, bool (*done)(const struct json *),
                              struct json **ret)
{
    struct kubectl *k = args->k;
    struct starting s = {.pod = pod};

    while (!s.over && !done(s.pod)) {
        struct err *err = kube_watch(
            k,
            arena_fmt(k->a,
                      PRI_STR "?watch=true&fieldSelector=metadata.name%%3D" PRI_STR
                              "&resourceVersion=" PRI_STR,
                      STR_ARG(kube_path(k, &t->res, t->ns, STR_NONE, STR_NONE)), STR_ARG(t->name),
                      STR_ARG(json_get_str(s.pod, "metadata.resourceVersion"))),
            NULL, 0, fn, &s);

        if (err)
            return err;
    }
    *ret = s.pod;
    return NULL;
}

static bool log_to_stdout(void *ctx, str data)
{
    fwrite(data.p, 1, data.n, stdout);
    return true;
}

/* The exit status of the pod's first container, as `kubectl run` returns it. */
static struct err *status_of_pod(const struct json *pod)
{
    int64_t code = json_get_int(json_item(json_path(pod, "status.containerStatuses"), 0),
                                "state.terminated.exitCode", 0);
    struct err *err;

    if (!code)
        return NULL;
    err = err_new(REASON_UNKNOWN, "pod " PRI_STR "/" PRI_STR " terminated (" PRI_STR ")",
                  STR_ARG(json_get_str(pod, "metadata.namespace")),
                  STR_ARG(json_get_str(pod, "metadata.name")),
                  STR_ARG(json_get_str(json_item(json_path(pod, "status.containerStatuses"), 0),
                                       "state.terminated.reason")));
    err->code = 1000 + (int)(code & 255);
    return err;
}

static struct err *attach_to(struct kube_args *args, const struct kube_target *t, struct json *pod)
{
    struct kubectl *k = args->k;
    struct kube_process p = {.in_fd = STDIN_FILENO,
                             .out_fd = STDOUT_FILENO,
                             .with_input = args->f->stdin_,
                             .tty = args->f->tty && isatty(STDIN_FILENO),
                             .quiet = args->f->quiet,
                             .container = t->name};
    struct err *err = follow_pod(args, t, pod, start_event, has_started, &pod);

    if (err)
        return err;
    p.pod = pod;
    if (has_ended(pod))
        err = kube_stream(k,
                          arena_fmt(k->a, PRI_STR "/log?container=" PRI_STR,
                                    STR_ARG(kube_path(k, &t->res, t->ns, t->name, STR_NONE)),
                                    STR_ARG(t->name)),
                          "*/*", 0, log_to_stdout, NULL);
    else
        err = kube_process(k, &p);
    if (err || (!str_is(args->f->restart, "Never") && !str_is(args->f->restart, "OnFailure")))
        return err;
    err = follow_pod(args, t, pod, end_event, has_ended, &pod);
    return err ? err : status_of_pod(pod);
}

struct err *cmd_run(struct kube_args *args)
{
    struct kubectl *k = args->k;
    struct kube_target t = {.object = json_new(k->a, json_object())};
    struct kube_flagvals quiet = *args->f;
    struct kube_args creating = *args;
    struct json *pod = NULL;
    bool attached = args->f->stdin_ || args->f->tty;
    struct err *err, *last;

    if (args->n < 1)
        return err_new(REASON_BAD_REQUEST, "NAME is required for run");
    if (args->n > 1) { /* arguments may come without "--" */
        creating.rest = args->args + 1;
        creating.n_rest = args->n - 1;
    }
    if (args->f->rm && !attached)
        return err_new(REASON_BAD_REQUEST, "--rm should only be used for attached containers");
    t.name = str_of(args->args[0]);
    err = pod_of_flags(&creating, t.object, t.name);
    if (!err)
        err = kube_resource_find(k, S("pods"), &t.res);
    if (err)
        return err;
    t.ns = k->ns;
    json_setz(k->a, json_findz(t.object, "metadata"), "namespace", json_string(t.ns));
    if (!attached || args->f->dry_run.n)
        return kube_create(args, &t, NULL);
    quiet.output = S("jsonpath={.nothing}"); /* attached: nothing is said of the creation */
    creating.f = &quiet;
    err = kube_create(&creating, &t, &pod);
    if (err)
        return err;
    err = attach_to(args, &t, pod);
    fflush(stdout);
    if (!args->f->rm)
        return err;
    last = kube_delete(args, &t);
    if (err)
        err_free(last);
    return err ? err : last;
}

/* ---- expose ---- */

static void copy_ports(struct kubectl *k, struct json *ports, const struct json *containers)
{
    JSON_EACH(c, containers)
        JSON_EACH(p, json_findz(c, "ports")) {
            struct json one = json_object();
            str protocol = json_get_str(p, "protocol");

            json_setz(k->a, &one, "port", json_int(json_get_int(p, "containerPort", 0)));
            json_setz(k->a, &one, "protocol", protocol.n ? json_string(protocol) : json_z("TCP"));
            json_setz(k->a, &one, "targetPort", json_int(json_get_int(p, "containerPort", 0)));
            json_append(k->a, ports, one);
        }
    if (json_count(ports) > 1)
        for (uint32_t i = 0; i < ports->n; i++)
            json_setz(k->a, &ports->items[i], "name",
                      json_string(arena_fmt(k->a, "port-%u", (unsigned)i + 1)));
}

static struct err *service_spec(struct kube_args *args, const struct json *source, str kind,
                                struct json *spec)
{
    struct kubectl *k = args->k;
    const struct json *selector = json_path(source, "spec.selector"), *containers;
    struct json *ports = json_make(k->a, spec, "ports", JSON_ARRAY);
    str all = args->f->selector, one, key;
    int64_t number;

    if (str_is(kind, "Pod"))
        selector = json_path(source, "metadata.labels");
    else if (json_findz(selector, "matchLabels"))
        selector = json_findz(selector, "matchLabels");
    if (all.n) {
        struct json *own = json_new(k->a, json_object());

        while (str_cut(&all, ',', &one)) {
            str_cut(&one, '=', &key);
            json_set(k->a, own, key, json_string(one));
        }
        selector = own;
    }
    if (!json_count(selector))
        return err_new(
            REASON_BAD_REQUEST,
            "couldn't retrieve selectors via --selector flag or introspection: the " PRI_STR
            " has no selectors",
            STR_ARG(kube_lower(k, kind)));
    containers = json_path(source, str_is(kind, "Pod") ? "spec.containers"
                                                       : "spec.template.spec.containers");
    if (str_to_int64(args->f->port, &number)) {
        struct json p = json_object();
        str target = args->f->target_port;

        json_setz(k->a, &p, "port", json_int(number));
        json_setz(k->a, &p, "protocol",
                  args->f->protocol.n ? json_string(args->f->protocol) : json_z("TCP"));
        json_setz(k->a, &p, "targetPort",
                  !target.n                       ? json_int(number)
                  : str_to_int64(target, &number) ? json_int(number)
                                                  : json_string(target));
        json_append(k->a, ports, p);
    } else {
        copy_ports(k, ports, containers);
    }
    if (!json_count(ports))
        return err_new(REASON_BAD_REQUEST, "couldn't find port via --port flag or introspection");
    json_setz(k->a, spec, "selector", json_share(k->a, selector));
    if (args->f->type.n)
        json_setz(k->a, spec, "type", json_string(args->f->type));
    if (args->f->cluster_ip.n)
        json_setz(k->a, spec, "clusterIP", json_string(args->f->cluster_ip));
    return NULL;
}

struct err *cmd_expose(struct kube_args *args)
{
    struct kubectl *k = args->k;
    struct kube_flagvals flags = *args->f;
    struct kube_args creating = *args;
    struct kube_targets from = {0};
    struct kube_target t = {.object = json_new(k->a, json_object())};
    struct json *source;
    struct err *err = kube_targets_of_args(k, args->args, args->n, &from);

    if (!err)
        err = kube_get(k, &from.items[0], &source);
    if (!err)
        err = kube_resource_find(k, S("services"), &t.res);
    if (err)
        return err;
    t.name = args->f->name.n ? args->f->name : from.items[0].name;
    t.ns = from.items[0].ns;
    json_setz(k->a, t.object, "apiVersion", json_z("v1"));
    json_setz(k->a, t.object, "kind", json_z("Service"));
    json_setz(k->a, json_make(k->a, t.object, "metadata", JSON_OBJECT), "name",
              json_string(t.name));
    if (json_count(json_path(source, "metadata.labels")))
        json_setz(k->a, json_findz(t.object, "metadata"), "labels",
                  json_share(k->a, json_path(source, "metadata.labels")));
    err = service_spec(args, source, from.items[0].res.kind,
                       json_make(k->a, t.object, "spec", JSON_OBJECT));
    if (err)
        return err;
    flags.field_manager = flags.field_manager.n ? flags.field_manager : S("kubectl-expose");
    creating.f = &flags;
    if (args->f->dry_run.n || args->f->output.n)
        return kube_create(&creating, &t, NULL);
    flags.output = S("jsonpath={.nothing}");
    err = kube_create(&creating, &t, NULL);
    if (!err)
        kube_report(args, &t.res, t.name, "exposed");
    return err;
}

/* ---- autoscale ---- */

struct err *cmd_autoscale(struct kube_args *args)
{
    struct kubectl *k = args->k;
    struct kube_flagvals flags = *args->f;
    struct kube_args creating = *args;
    struct kube_targets of = {0};
    struct kube_target t = {.object = json_new(k->a, json_object())};
    struct json *spec, *ref, *metric;
    int64_t min = 0, max = 0, cpu = 80;
    struct err *err = kube_targets_of_args(k, args->args, args->n, &of);

    if (!err)
        err = kube_resource_find(k, S("horizontalpodautoscalers.autoscaling"), &t.res);
    if (err)
        return err;
    if (!str_to_int64(args->f->max, &max) || max < 1)
        return err_new(REASON_BAD_REQUEST,
                       "--max=MAXPODS is required and must be at least 1, max: %lld",
                       (long long)max);
    if (args->f->min.n && (!str_to_int64(args->f->min, &min) || min > max))
        return err_new(
            REASON_BAD_REQUEST,
            "--max=MAXPODS must be larger or equal to --min=MINPODS, max: %lld, min: %lld",
            (long long)max, (long long)min);
    if (args->f->cpu_percent.n && !str_to_int64(args->f->cpu_percent, &cpu))
        return err_new(REASON_BAD_REQUEST, "--cpu-percent is not a number");
    t.name = args->f->name.n ? args->f->name : of.items[0].name;
    t.ns = of.items[0].ns;
    json_setz(k->a, t.object, "apiVersion", json_z("autoscaling/v2"));
    json_setz(k->a, t.object, "kind", json_z("HorizontalPodAutoscaler"));
    json_setz(k->a, json_make(k->a, t.object, "metadata", JSON_OBJECT), "name",
              json_string(t.name));
    spec = json_make(k->a, t.object, "spec", JSON_OBJECT);
    if (min)
        json_setz(k->a, spec, "minReplicas", json_int(min));
    json_setz(k->a, spec, "maxReplicas", json_int(max));
    ref = json_make(k->a, t.object, "spec.scaleTargetRef", JSON_OBJECT);
    json_setz(k->a, ref, "apiVersion",
              json_string(of.items[0].res.group.n
                              ? arena_fmt(k->a, PRI_STR "/" PRI_STR, STR_ARG(of.items[0].res.group),
                                          STR_ARG(of.items[0].res.version))
                              : of.items[0].res.version));
    json_setz(k->a, ref, "kind", json_string(of.items[0].res.kind));
    json_setz(k->a, ref, "name", json_string(of.items[0].name));
    metric =
        json_append(k->a, json_make(k->a, t.object, "spec.metrics", JSON_ARRAY), json_object());
    json_setz(k->a, metric, "type", json_z("Resource"));
    json_setz(k->a, json_make(k->a, metric, "resource", JSON_OBJECT), "name", json_z("cpu"));
    json_setz(k->a, json_make(k->a, metric, "resource.target", JSON_OBJECT), "type",
              json_z("Utilization"));
    json_setz(k->a, json_path(metric, "resource.target"), "averageUtilization", json_int(cpu));
    flags.field_manager = flags.field_manager.n ? flags.field_manager : S("kubectl-autoscale");
    creating.f = &flags;
    if (args->f->dry_run.n || args->f->output.n)
        return kube_create(&creating, &t, NULL);
    flags.output = S("jsonpath={.nothing}");
    err = kube_create(&creating, &t, NULL);
    if (!err)
        kube_report(args, &t.res, t.name, "autoscaled");
    return err;
}
