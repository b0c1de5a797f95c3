/* drain.c - drain: nothing new comes onto a node, and what runs there is evicted.
 *
 * Source: k8s.io/kubectl/pkg/drain (filters.go: which pods go; drain.go: evictions and the wait), cmd/drain. */
#include "cli/kubectl/kubectl.h"

#define RETRY_NS (5 * NS_PER_S) /* after a disruption budget said no */

static const struct json *controller_of(const struct json *pod)
{
    JSON_EACH(o, json_path(pod, "metadata.ownerReferences"))
        if (json_get_bool(o, "controller", false))
            return o;
    return NULL;
}

struct drain_verdict drain_verdict(const struct drain_options *o, const struct json *pod,
                                   const struct err *daemonset_error)
{
    const struct json *controller = controller_of(pod);
    str phase = json_get_str(pod, "status.phase");
    bool finished = str_is(phase, "Succeeded") || str_is(phase, "Failed"), local = false;
    bool of_daemonset = str_is(json_get_str(controller, "kind"), "DaemonSet");

    if (of_daemonset && !finished) {
        if (!daemonset_error)
            return o->ignore_daemonsets
                       ? (struct drain_verdict){.warning = "ignoring DaemonSet-managed Pods"}
                       : (struct drain_verdict){
                             .error = "DaemonSet-managed Pods (use --ignore-daemonsets to ignore)"};
        if (daemonset_error->code != 404 || !o->force)
            return (struct drain_verdict){.error = err_text(daemonset_error)};
    }
    if (json_findz(json_path(pod, "metadata.annotations"), "kubernetes.io/config.mirror"))
        return (struct drain_verdict){0};
    JSON_EACH(v, json_path(pod, "spec.volumes"))
        local |= json_findz(v, "emptyDir") != NULL;
    if (local && !finished && !o->delete_emptydir_data)
        return (struct drain_verdict){
            .error = "Pods with local storage (use --delete-emptydir-data to override)"};
    if (finished || controller)
        return (struct drain_verdict){.goes = true};
    return o->force ? (struct drain_verdict){.goes = true,
                                             .warning = "deleting Pods that declare no controller"}
                    : (struct drain_verdict){
                          .error = "Pods that declare no controller (use --force to override)"};
}

/* "text: a/b, c/d", one for each text, in the order in which they came. */
struct notes {
    struct json list; /* of {text, pods} */
};

static void note(struct arena *a, struct notes *n, const char *text, const struct json *pod)
{
    str name = arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(json_get_str(pod, "metadata.namespace")),
                         STR_ARG(json_get_str(pod, "metadata.name")));
    struct json one = json_object();

    JSON_EACH(x, &n->list)
        if (str_is(json_get_str(x, "text"), text)) {
            json_setz(a, x, "pods",
                      json_string(arena_fmt(a, PRI_STR ", " PRI_STR,
                                            STR_ARG(json_get_str(x, "pods")), STR_ARG(name))));
            return;
        }
    json_setz(a, &one, "text", json_string(str_of(arena_dupz(a, str_of(text)))));
    json_setz(a, &one, "pods", json_string(name));
    json_append(a, &n->list, one);
}

struct drain {
    struct kube_args *args;
    struct drain_options options;
    struct kube_resource nodes, pods, daemonsets;
    int64_t timeout_ns, deadline_ns; /* 0: none */
};

static struct err *verdict_of(struct drain *d, const struct json *pod, struct notes *errors,
                              struct notes *warnings, bool *ret_goes)
{
    const struct json *controller = controller_of(pod);
    CLEANUP(err) struct err *missing = NULL;
    struct drain_verdict v;
    struct json *daemonset;

    if (str_is(json_get_str(controller, "kind"), "DaemonSet")) {
        struct kube_target t = {.res = d->daemonsets,
                                .ns = json_get_str(pod, "metadata.namespace"),
                                .name = json_get_str(controller, "name")};

        missing = kube_get(d->args->k, &t, &daemonset);
        if (missing && missing->code < 400)
            return TAKE(missing);
    }
    v = drain_verdict(&d->options, pod, missing);
    if (v.error)
        note(d->args->k->a, errors, v.error, pod);
    if (v.warning)
        note(d->args->k->a, warnings, v.warning, pod);
    *ret_goes = v.goes;
    return NULL;
}

/* The pods of the node that go; an error where some must not. */
static struct err *pods_to_go(struct drain *d, str node, struct json **ret, struct notes *errors,
                              struct notes *warnings)
{
    struct kubectl *k = d->args->k;
    CLEANUP(buf) struct buf q = BUF_INIT;
    struct json *list, *go = json_new(k->a, json_array());
    struct err *err;

    buf_str(&q, kube_path(k, &d->pods, STR_NONE, STR_NONE, STR_NONE));
    buf_z(&q, "?fieldSelector=spec.nodeName%3D");
    http_percent_encode(&q, node);
    if (d->args->f->pod_selector.n) {
        buf_z(&q, "&labelSelector=");
        http_percent_encode(&q, d->args->f->pod_selector);
    }
    err = kube_call_json(k, &(struct kube_request){.method = "GET", .path = buf_view(&q)}, &list);
    JSON_EACH(pod, err ? NULL : json_findz(list, "items")) {
        bool goes = false;

        err = verdict_of(d, pod, errors, warnings, &goes);
        if (err)
            return err;
        if (goes)
            json_append(k->a, go, *pod);
    }
    *ret = go;
    return err;
}

static struct err *evict(struct drain *d, const struct json *pod)
{
    struct kubectl *k = d->args->k;
    struct json body = json_object(), meta = json_object(), options = json_object();
    str ns = json_get_str(pod, "metadata.namespace"), name = json_get_str(pod, "metadata.name");
    bool direct = d->args->f->disable_eviction;
    int64_t grace;

    if (d->args->f->grace.n && str_to_int64(d->args->f->grace, &grace) && grace >= 0)
        json_setz(k->a, &options, "gracePeriodSeconds", json_int(grace));
    if (str_is(d->args->f->dry_run, "server"))
        json_append(k->a, json_setz(k->a, &options, "dryRun", json_array()), json_z("All"));
    json_setz(k->a, &meta, "name", json_string(name));
    json_setz(k->a, &meta, "namespace", json_string(ns));
    json_setz(k->a, &body, "apiVersion", json_z("policy/v1"));
    json_setz(k->a, &body, "kind", json_z("Eviction"));
    json_setz(k->a, &body, "metadata", meta);
    json_setz(k->a, &body, "deleteOptions", options);
    return kube_call(k,
                     &(struct kube_request){.method = direct ? "DELETE" : "POST",
                                            .path = kube_path(k, &d->pods, ns, name,
                                                              direct ? STR_NONE : S("eviction")),
                                            .body = kube_encode(k, direct ? &options : &body)},
                     NULL);
}

static void wake(void *ctx)
{
    loop_stop(ctx);
}

static void pause_for(struct loop *loop, int64_t ns)
{
    struct loop_timer *t = loop_timer_new(loop, wake, loop);

    loop_timer_set(t, ns);
    loop_run(loop);
    loop_timer_free(t);
}

static bool out_of_time(const struct drain *d)
{
    return d->deadline_ns && loop_now(d->args->k->loop).ns >= d->deadline_ns;
}

static struct err *not_in_time(const struct drain *d)
{
    return err_new(REASON_TIMEOUT, "drain did not complete within " PRI_STR,
                   STR_ARG(d->args->f->timeout));
}

/* Asks for all of them, again and again for those that a budget protects still; *ret_asked are those that go. */
static struct err *evict_all(struct drain *d, struct json *waiting, struct json *ret_asked)
{
    struct kubectl *k = d->args->k;
    const char *dry = str_is(d->args->f->dry_run, "server") ? " (server dry run)" : "";

    for (;;) {
        for (uint32_t i = 0; i < waiting->n;) {
            const struct json *pod = &waiting->items[i];
            str ns = json_get_str(pod, "metadata.namespace"),
                name = json_get_str(pod, "metadata.name");
            struct err *err;

            if (!d->args->f->disable_eviction)
                printf("evicting pod " PRI_STR "/" PRI_STR "%s\n", STR_ARG(ns), STR_ARG(name), dry);
            fflush(stdout);
            err = evict(d, pod);
            if (err && err->code == 429) {
                fprintf(stderr,
                        "error when evicting pods/\"" PRI_STR "\" -n \"" PRI_STR
                        "\" (will retry after 5s): %s\n",
                        STR_ARG(name), STR_ARG(ns), err_text(err));
                err_free(err);
                i++;
                continue;
            }
            if (err && err->code != 404) {
                struct err *e = err_new(
                    err->reason, "error when evicting pods/\"" PRI_STR "\" -n \"" PRI_STR "\": %s",
                    STR_ARG(name), STR_ARG(ns), err_text(err));

                err_free(err);
                return e;
            }
            if (!err)
                json_append(k->a, ret_asked, *pod);
            err_free(err);
            json_remove_item(waiting, i);
        }
        if (!waiting->n)
            return NULL;
        if (out_of_time(d))
            return not_in_time(d);
        pause_for(k->loop, RETRY_NS);
    }
}

/* Several errors as Go shows them: "[a, b]"; one as it is. */
static const char *bracketed(struct arena *a, const struct json *texts)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    uint32_t n = json_count(texts);

    JSON_EACH(t, texts)
        buf_fmt(&b, "%s" PRI_STR, b.n ? ", " : n > 1 ? "[" : "", STR_ARG(t->s));
    if (n > 1)
        buf_char(&b, ']');
    return arena_dupz(a, buf_view(&b));
}

/* Adds to `reasons` what did not end in time. */
static struct err *wait_all(struct drain *d, str node, const struct json *asked,
                            struct json *reasons)
{
    struct kubectl *k = d->args->k;
    struct json late = json_array();

    JSON_EACH(pod, asked) {
        struct kube_target t = {.res = d->pods,
                                .ns = json_get_str(pod, "metadata.namespace"),
                                .name = json_get_str(pod, "metadata.name")};
        int64_t left = 0;
        struct err *err;

        if (d->deadline_ns)
            left = MAX(d->deadline_ns - loop_now(k->loop).ns, NS_PER_MS);
        err = kube_wait_deleted(k, &t, json_get_str(pod, "metadata.uid"), left);
        if (err && !out_of_time(d))
            return err;
        if (err) {
            err_free(err);
            json_append(k->a, &late, json_string(t.name));
            json_append(k->a, reasons,
                        json_string(arena_fmt(k->a,
                                              "error when waiting for pod \"" PRI_STR
                                              "\" in namespace \"" PRI_STR
                                              "\" to terminate: context deadline exceeded",
                                              STR_ARG(t.name), STR_ARG(t.ns))));
            continue;
        }
        kube_report(d->args, &d->pods, t.name,
                    d->args->f->disable_eviction ? "deleted" : "evicted");
        fflush(stdout);
    }
    if (late.n)
        fprintf(stderr,
                "There are pending pods in node \"" PRI_STR "\" when an error occurred: %s\n",
                STR_ARG(node), bracketed(k->a, reasons));
    JSON_EACH(name, &late)
        fprintf(stderr, "pod/" PRI_STR "\n", STR_ARG(name->s));
    return NULL;
}

/* reasons: why the node is not empty afterwards. */
static struct err *drain_node(struct drain *d, str name, struct json *reasons)
{
    struct kubectl *k = d->args->k;
    struct notes errors = {json_array()}, warnings = {json_array()};
    struct json *pods, asked = json_array();
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct err *err = pods_to_go(d, name, &pods, &errors, &warnings);

    if (err)
        return err;
    JSON_EACH(e, &errors.list)
        json_append(k->a, reasons,
                    json_string(arena_fmt(k->a, "cannot delete " PRI_STR ": " PRI_STR,
                                          STR_ARG(json_get_str(e, "text")),
                                          STR_ARG(json_get_str(e, "pods")))));
    if (reasons->n)
        return NULL;
    JSON_EACH(w, &warnings.list)
        buf_fmt(&b, "%s" PRI_STR ": " PRI_STR, b.n ? "; " : "", STR_ARG(json_get_str(w, "text")),
                STR_ARG(json_get_str(w, "pods")));
    fflush(stdout);
    if (b.n)
        fprintf(stderr, "Warning: %s\n", buf_cstr(&b));
    if (kube_is_client_dry_run(d->args)) {
        JSON_EACH(pod, pods)
            printf("evicting pod " PRI_STR "/" PRI_STR " (dry run)\n",
                   STR_ARG(json_get_str(pod, "metadata.namespace")),
                   STR_ARG(json_get_str(pod, "metadata.name")));
        return NULL;
    }
    d->deadline_ns = d->timeout_ns ? loop_now(k->loop).ns + d->timeout_ns : 0;
    err = evict_all(d, pods, &asked);
    if (!err && !d->args->f->dry_run.n)
        err = wait_all(d, name, &asked, reasons);
    return err;
}

/* Shown as they stand, without a word before them. */
static struct err *fatal_err(const struct json *fatal)
{
    struct err *kept = NULL;

    JSON_EACH(text, fatal) {
        struct err *e = err_new(REASON_BAD_REQUEST, PRI_STR, STR_ARG(text->s));

        kube_keep_error(&kept, err_note(e, KUBE_PLAIN));
    }
    return kept;
}

struct err *cmd_drain(struct kube_args *args)
{
    struct kubectl *k = args->k;
    struct drain d = {.args = args,
                      .options = {.force = args->f->force,
                                  .ignore_daemonsets = args->f->ignore_daemonsets,
                                  .delete_emptydir_data = args->f->delete_emptydir_data}};
    struct json *nodes, fatal = json_array(), left = json_array();
    struct err *err = kube_nodes(args, args->args, args->n, &d.nodes, &nodes);

    if (!err)
        err = kube_resource_find(k, S("pods"), &d.pods);
    if (!err)
        err = kube_resource_find(k, S("daemonsets.apps"), &d.daemonsets);
    if (!err && args->f->timeout.n && !str_to_duration(args->f->timeout, &d.timeout_ns))
        err = err_new(REASON_BAD_REQUEST, "invalid duration \"" PRI_STR "\"",
                      STR_ARG(args->f->timeout));
    if (err)
        return err;
    JSON_EACH(node, nodes) {
        err = kube_cordon(args, &d.nodes, node, true);
        if (err)
            return err;
    }
    JSON_EACH(node, nodes) {
        str name = json_get_str(node, "metadata.name");
        struct json reasons = json_array();
        CLEANUP(err) struct err *failed = drain_node(&d, name, &reasons);

        if (!failed && !reasons.n) {
            kube_report(args, &d.nodes, name, "drained");
            continue;
        }
        if (failed)
            json_append(k->a, &reasons, json_string(arena_dup(k->a, str_of(err_text(failed)))));
        fflush(stdout);
        fprintf(stderr,
                "error: unable to drain node \"" PRI_STR
                "\" due to error: %s, continuing command...\n",
                STR_ARG(name), bracketed(k->a, &reasons));
        JSON_EACH(r, &reasons)
            json_append(k->a, &fatal, *r);
        json_append(k->a, &left, json_string(name));
    }
    if (left.n) {
        fputs("There are pending nodes to be drained:\n", stderr);
        JSON_EACH(name, &left)
            fprintf(stderr, " " PRI_STR "\n", STR_ARG(name->s));
    }
    return fatal_err(&fatal);
}
