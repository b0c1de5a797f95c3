/* delete.c - delete, and the wait for what is gone. */
#include "cli/kubectl/kubectl.h"

struct deletion {
    str uid;
    bool gone;
};

static bool deletion_event(void *ctx, str type, struct json *object)
{
    struct deletion *d = ctx;

    d->gone = str_is(type, "DELETED") || !str_eq(json_get_str(object, "metadata.uid"), d->uid);
    return !d->gone;
}

struct err *kube_wait_deleted(struct kubectl *k, const struct kube_target *t, str uid,
                              int64_t timeout_ns)
{
    int64_t deadline = timeout_ns ? loop_now(k->loop).ns + timeout_ns : INT64_MAX, left = 0;

    for (;;) {
        struct deletion d = {.uid = uid};
        struct json *now;
        struct err *err = kube_get(k, t, &now);

        if (err && err->code == 404) {
            err_free(err);
            return NULL;
        }
        if (err)
            return err;
        if (!str_eq(json_get_str(now, "metadata.uid"), uid))
            return NULL;
        if (timeout_ns) {
            left = deadline - loop_now(k->loop).ns;
            if (left <= 0)
                return err_new(REASON_TIMEOUT, "timed out waiting for the condition");
        }
        err = kube_watch(k,
                         arena_fmt(k->a,
                                   PRI_STR "?watch=true&fieldSelector=metadata.name%%3D" PRI_STR
                                           "&resourceVersion=" PRI_STR,
                                   STR_ARG(kube_path(k, &t->res, t->ns, STR_NONE, STR_NONE)),
                                   STR_ARG(t->name),
                                   STR_ARG(json_get_str(now, "metadata.resourceVersion"))),
                         NULL, left, deletion_event, &d);
        if (err && !timeout_ns)
            return err;
        err_free(err); /* ended or timed out: look again, the deadline decides */
        if (d.gone)
            return NULL;
    }
}

struct err *kube_delete(struct kube_args *args, const struct kube_target *t)
{
    struct kubectl *k = args->k;
    struct json *options = json_new(k->a, json_object()), *answer;
    str cascade = args->f->cascade, uid;
    int64_t grace = -1;
    struct err *err;

    if (args->f->grace.n && !str_to_int64(args->f->grace, &grace))
        return err_new(REASON_BAD_REQUEST, "--grace-period is not a number");
    if (args->f->now)
        grace = 1;
    if (args->f->force && grace < 0)
        grace = 0;
    json_setz(k->a, options, "apiVersion", json_z("v1"));
    json_setz(k->a, options, "kind", json_z("DeleteOptions"));
    if (grace >= 0)
        json_setz(k->a, options, "gracePeriodSeconds", json_int(grace));
    json_setz(k->a, options, "propagationPolicy",
              json_z(str_is(cascade, "orphan") || str_is(cascade, "false") ? "Orphan"
                     : str_is(cascade, "foreground")                       ? "Foreground"
                                                                           : "Background"));
    if (str_is(args->f->dry_run, "client")) {
        printf(PRI_STR " \"" PRI_STR "\" deleted (dry run)\n",
               STR_ARG(kube_full_name(k->a, &t->res)), STR_ARG(t->name));
        return NULL;
    }
    if (str_is(args->f->dry_run, "server"))
        json_append(k->a, json_setz(k->a, options, "dryRun", json_array()), json_z("All"));
    if (grace == 0 && args->f->force)
        fputs(
            "Warning: Immediate deletion does not wait for confirmation that the running resource "
            "has been terminated. The resource may continue to run on the cluster indefinitely.\n",
            stderr);
    err = kube_call_json(
        k,
        &(struct kube_request){.method = "DELETE",
                               .path = kube_path(k, &t->res, t->ns, t->name, STR_NONE),
                               .body = kube_encode(k, options)},
        &answer);
    if (err && err->code == 404 && args->f->ignore_not_found) {
        err_free(err);
        return NULL;
    }
    if (err)
        return err;
    if (str_is(args->f->output, "name"))
        printf(PRI_STR "/" PRI_STR "\n", STR_ARG(kube_full_name(k->a, &t->res)), STR_ARG(t->name));
    else
        printf(PRI_STR " \"" PRI_STR "\" %sdeleted%s%s%s\n", STR_ARG(kube_full_name(k->a, &t->res)),
               STR_ARG(t->name), grace == 0 && args->f->force ? "force " : "",
               t->ns.n ? " from " : "", t->ns.n ? arena_dupz(k->a, t->ns) : "",
               t->ns.n ? " namespace" : "");
    fflush(stdout);
    uid = json_get_str(answer, "details.uid");
    if (uid.n == 0)
        uid = json_get_str(answer, "metadata.uid");
    return args->f->wait && uid.n && !args->f->dry_run.n && !(grace == 0 && args->f->force)
               ? kube_wait_deleted(k, t, uid, 0)
               : NULL;
}

/* TYPE with -l or --all: what there is now. */
static struct err *expand(struct kube_args *args, const struct kube_target *t,
                          struct kube_targets *ret)
{
    struct kubectl *k = args->k;
    CLEANUP(buf) struct buf q = BUF_INIT;
    struct json *list;
    struct err *err;

    if (args->f->selector.n) {
        buf_z(&q, "?labelSelector=");
        http_percent_encode(&q, args->f->selector);
    }
    err = kube_call_json(
        k,
        &(struct kube_request){
            .method = "GET",
            .path = arena_fmt(k->a, PRI_STR PRI_STR,
                              STR_ARG(kube_path(k, &t->res, k->all_namespaces ? STR_NONE : t->ns,
                                                STR_NONE, STR_NONE)),
                              STR_ARG(buf_view(&q)))},
        &list);
    if (err)
        return err;
    JSON_EACH(item, json_findz(list, "items")) {
        struct kube_target one = *t;

        one.name = json_get_str(item, "metadata.name");
        one.ns = json_get_str(item, "metadata.namespace");
        ret->items = arena_grow(k->a, ret->items, ret->n * sizeof one, (ret->n + 1) * sizeof one);
        ret->items[ret->n++] = one;
    }
    return NULL;
}

struct err *cmd_delete(struct kube_args *args)
{
    struct kube_targets named = {0}, t = {0};
    struct err *kept = NULL, *err;

    err = args->f->n_files ? kube_targets_of_files(args->k, args->f->files, args->f->n_files,
                                                   args->f->recursive, &named)
                           : kube_targets_of_args(args->k, args->args, args->n, &named);
    if (err)
        return err;
    for (size_t i = 0; i < named.n; i++) {
        if (named.items[i].err) {
            kube_keep_error(&kept, TAKE(named.items[i].err));
            continue;
        }
        if (named.items[i].name.n) {
            t.items =
                arena_grow(args->k->a, t.items, t.n * sizeof *t.items, (t.n + 1) * sizeof *t.items);
            t.items[t.n++] = named.items[i];
            continue;
        }
        if (!args->f->all && !args->f->selector.n)
            return err_new(REASON_BAD_REQUEST,
                           "resource(s) were provided, but no name was specified");
        err = expand(args, &named.items[i], &t);
        if (err)
            return err;
    }
    if (t.n == 0 && !kept)
        puts("No resources found");
    for (size_t i = 0; i < t.n; i++) {
        err = kube_delete(args, &t.items[i]);
        if (err)
            kube_keep_error(&kept, err);
    }
    return kept;
}
