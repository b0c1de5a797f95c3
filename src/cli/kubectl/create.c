/* create.c - create and replace: manifests as they are; what `create TYPE NAME` makes comes from generate.c. */
#include "cli/kubectl/kubectl.h"

struct err *kube_create(struct kube_args *args, struct kube_target *t, struct json **ret)
{
    struct kubectl *k = args->k;
    struct json *after;
    struct err *err;

    if (t->err)
        return TAKE(t->err);
    if (args->f->save_config)
        kube_record_applied(k, t->object);
    if (kube_is_client_dry_run(args))
        return kube_print_result(args, t, t->object, "created");
    err = kube_call_json(
        k,
        &(struct kube_request){
            .method = "POST",
            .path = arena_fmt(
                k->a, PRI_STR "?fieldManager=" PRI_STR PRI_STR PRI_STR,
                STR_ARG(kube_path(k, &t->res, t->ns, STR_NONE, STR_NONE)),
                STR_ARG(args->f->field_manager.n ? args->f->field_manager : S("kubectl-create")),
                STR_ARG(kube_dry_run_query(args)), STR_ARG(kube_validation_query(args))),
            .body = kube_encode(k, t->object),
        },
        &after);
    if (err)
        return kube_add_source(err, S("creating"), t->source);
    if (ret)
        *ret = after;
    return kube_print_result(args, t, after, "created");
}

struct err *cmd_create(struct kube_args *args)
{
    struct kube_targets t = {0};
    struct err *kept = NULL, *err;

    if (args->f->n_files == 0 && args->n) {
        struct kube_target one = {0};

        if (!strcmp(args->args[0], "token"))
            return kube_create_token(args);
        err = kube_generate(args, &one.object);
        if (!err)
            err = kube_resource_of(args->k, one.object, &one.res);
        if (err)
            return err;
        one.ns = one.res.namespaced ? args->k->ns : STR_NONE;
        if (one.res.namespaced) /* kubectl shows it with --dry-run when it was asked for */
            json_setz(args->k->a, json_findz(one.object, "metadata"), "namespace",
                      json_string(one.ns));
        one.name = json_get_str(one.object, "metadata.name");
        err = kube_create(args, &one, NULL);
        return err && !(err->trail && !strcmp(err->trail, KUBE_PLAIN))
                   ? err_note(err_new(err->reason, "failed to create " PRI_STR ": %s",
                                      STR_ARG(kube_lower(args->k, one.res.kind)), err_text(err)),
                              "error")
                   : err;
    }
    if (!args->f->n_files)
        return err_new(REASON_BAD_REQUEST, "must specify one of -f and -k");
    err = kube_targets_of_files(args->k, args->f->files, args->f->n_files, args->f->recursive, &t);
    if (err)
        return err;
    for (size_t i = 0; i < t.n; i++) {
        err = kube_create(args, &t.items[i], NULL);
        if (err)
            kube_keep_error(&kept, err);
    }
    return kept;
}

struct err *cmd_replace(struct kube_args *args)
{
    struct kube_targets t = {0};
    struct err *kept = NULL, *err;

    if (!args->f->n_files)
        return err_new(REASON_BAD_REQUEST, "must specify --filename to replace");
    err = kube_targets_of_files(args->k, args->f->files, args->f->n_files, args->f->recursive, &t);
    if (err)
        return err;
    for (size_t i = 0; i < t.n; i++) {
        struct kubectl *k = args->k;
        struct kube_target *o = &t.items[i];
        struct json *after;

        if (o->err) {
            kube_keep_error(&kept, TAKE(o->err));
            continue;
        }
        if (args->f->force) { /* gone first, then made anew */
            err = kube_delete(args, o);
            if (err && err->code == 404) {
                err_free(err);
                err = NULL;
            }
            if (!err)
                err = kube_call_json(
                    k,
                    &(struct kube_request){.method = "POST",
                                           .path = kube_path(k, &o->res, o->ns, STR_NONE, STR_NONE),
                                           .body = kube_encode(k, o->object)},
                    &after);
            if (!err)
                err = kube_print_result(args, o, after, "replaced");
            if (err)
                kube_keep_error(&kept, err);
            continue;
        }
        err = kube_call_json(
            k,
            &(struct kube_request){
                .method = "PUT",
                .path = arena_fmt(k->a, PRI_STR "?fieldManager=kubectl-replace" PRI_STR,
                                  STR_ARG(kube_path(k, &o->res, o->ns, o->name, STR_NONE)),
                                  STR_ARG(kube_dry_run_query(args))),
                .body = kube_encode(k, o->object),
            },
            &after);
        err = err ? kube_add_source(err, S("replacing"), o->source)
                  : kube_print_result(args, o, after, "replaced");
        if (err)
            kube_keep_error(&kept, err);
    }
    return kept;
}
