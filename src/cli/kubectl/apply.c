/* apply.c - what writes manifests: apply, create -f, replace, delete.
 *
 * `apply` is server-side apply by the field manager "kubectl" with force: the same result as kubectl's client-side three-way merge
 * without its annotation, and the server's own rules of ownership. A later `kubectl apply` of the real client migrates it. */
#include "cli/kubectl/kubectl.h"

#include <inttypes.h>

static void report(struct kube_args *args, const struct kube_target *t, str name, const char *what)
{
    const char *dry = args->f->dry_run.n && !str_is(args->f->dry_run, "none")
                          ? str_is(args->f->dry_run, "server") ? " (server dry run)" : " (dry run)"
                          : "";

    printf(PRI_STR "/" PRI_STR " %s%s\n", STR_ARG(kube_full_name(args->k->a, &t->res)),
           STR_ARG(name), what, dry);
}

static struct err *print_result(struct kube_args *args, const struct kube_target *t,
                                struct json *object, const char *what)
{
    struct kube_output o = {0};
    struct err *err = kube_output_parse(args->f->output, &o);

    if (err)
        return err;
    if (args->f->output.n == 0) {
        report(args, t, json_get_str(object, "metadata.name"), what);
        return NULL;
    }
    return kube_print_object(args->k, object, &o);
}

static str encode(struct kubectl *k, const struct json *v)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    json_encode(&b, v);
    return arena_dup(k->a, buf_view(&b));
}

static str dry_run_query(const struct kube_args *args)
{
    return str_is(args->f->dry_run, "server") ? S("&dryRun=All") : S("");
}

static bool is_client_dry_run(const struct kube_args *args)
{
    return str_is(args->f->dry_run, "client");
}

static struct err *targets_of(struct kube_args *args, struct kube_targets *t)
{
    if (args->f->n_files == 0)
        return err_new(REASON_BAD_REQUEST, "must specify one of -f and -k");
    return kube_targets_of_files(args->k, args->f->files, args->f->n_files, args->f->recursive, t);
}

/* Names every failed object and goes on with the others, as kubectl does; the last error ends the command. */
static void keep_error(struct err **kept, struct err *err)
{
    if (*kept) {
        fprintf(stderr, "Error from server (" PRI_STR "): %s\n",
                STR_ARG(reason_name((*kept)->reason)), err_text(*kept));
        err_free(*kept);
    }
    *kept = err;
}

static struct err *apply_one(struct kube_args *args, const struct kube_target *t)
{
    struct kubectl *k = args->k;
    struct json *before = NULL, *after;
    struct err *err = kube_get(k, t, &before);
    const char *what;

    if (err && err->code != 404)
        return err;
    err_free(err);
    if (is_client_dry_run(args)) {
        report(args, t, t->name, before ? "configured" : "created");
        return NULL;
    }
    err = kube_call_json(
        k,
        &(struct kube_request){
            .method = "PATCH",
            .path =
                arena_fmt(k->a, PRI_STR "?fieldManager=" PRI_STR "&force=%s" PRI_STR,
                          STR_ARG(kube_path(k, &t->res, t->ns, t->name, STR_NONE)),
                          STR_ARG(args->f->field_manager.n ? args->f->field_manager : S("kubectl")),
                          args->f->server_side && !args->f->force_conflicts ? "false" : "true",
                          STR_ARG(dry_run_query(args))),
            .content_type = "application/apply-patch+yaml",
            .body = encode(k, t->object),
        },
        &after);
    if (err)
        return err;
    if (args->f->server_side)
        what = "serverside-applied";
    else if (!before)
        what = "created";
    else
        what = str_eq(json_get_str(before, "metadata.resourceVersion"),
                      json_get_str(after, "metadata.resourceVersion"))
                   ? "unchanged"
                   : "configured";
    return print_result(args, t, after, what);
}

struct err *cmd_apply(struct kube_args *args)
{
    struct kube_targets t = {0};
    struct err *kept = NULL, *err = targets_of(args, &t);

    if (err)
        return err;
    for (size_t i = 0; i < t.n; i++) {
        err = t.items[i].name.n ? apply_one(args, &t.items[i])
                                : err_new(REASON_BAD_REQUEST,
                                          "error when applying: resource name may not be empty");
        if (err)
            keep_error(&kept, err);
    }
    return kept;
}

static struct err *create_one(struct kube_args *args, const struct kube_target *t)
{
    struct kubectl *k = args->k;
    struct json *after;
    struct err *err;

    if (is_client_dry_run(args))
        return print_result(args, t, t->object, "created");
    err = kube_call_json(
        k,
        &(struct kube_request){
            .method = "POST",
            .path = arena_fmt(k->a, PRI_STR "?fieldManager=kubectl-create" PRI_STR,
                              STR_ARG(kube_path(k, &t->res, t->ns, STR_NONE, STR_NONE)),
                              STR_ARG(dry_run_query(args))),
            .body = encode(k, t->object),
        },
        &after);
    return err ? err : print_result(args, t, after, "created");
}

/* ---- create TYPE NAME: generators ---- */

static struct err *add_pairs(struct kube_args *args, struct json *data, bool base64)
{
    struct kubectl *k = args->k;

    for (size_t i = 0; i < args->f->n_literals; i++) {
        str value = args->f->literals[i], key;
        CLEANUP(buf) struct buf b = BUF_INIT;

        str_cut(&value, '=', &key);
        if (base64)
            buf_base64(&b, value);
        json_set(k->a, data, key, json_string(base64 ? arena_dup(k->a, buf_view(&b)) : value));
    }
    for (size_t i = 0; i < args->f->n_from_files; i++) {
        str path = args->f->from_files[i], key;
        CLEANUP(buf) struct buf text = BUF_INIT, b = BUF_INIT;
        int rc;

        if (str_has_char(path, '='))
            str_cut(&path, '=', &key);
        else
            key = str_skip(path, (size_t)(str_rindex(path, '/') + 1));
        rc = file_read(k->loop, arena_dupz(k->a, path), 1 << 20, &text);
        if (rc)
            return err_errno(rc, "error reading " PRI_STR, STR_ARG(path));
        if (base64)
            buf_base64(&b, buf_view(&text));
        json_set(k->a, data, key, json_string(arena_dup(k->a, buf_view(base64 ? &b : &text))));
    }
    return NULL;
}

static struct err *deployment_of(struct kube_args *args, struct json *o, str name)
{
    struct kubectl *k = args->k;
    struct json *containers, *c;
    str image = args->f->image, base;
    int64_t replicas = 1;

    if (image.n == 0)
        return err_new(REASON_BAD_REQUEST, "required flag(s) \"image\" not set");
    if (args->f->replicas.n && !str_to_int64(args->f->replicas, &replicas))
        return err_new(REASON_BAD_REQUEST, "--replicas is not a number");
    json_setz(k->a, json_make(k->a, o, "metadata.labels", JSON_OBJECT), "app", json_string(name));
    json_setz(k->a, json_make(k->a, o, "spec", JSON_OBJECT), "replicas", json_int(replicas));
    json_setz(k->a, json_make(k->a, o, "spec.selector.matchLabels", JSON_OBJECT), "app",
              json_string(name));
    json_setz(k->a, json_make(k->a, o, "spec.template.metadata.labels", JSON_OBJECT), "app",
              json_string(name));
    containers = json_make(k->a, o, "spec.template.spec.containers", JSON_ARRAY);
    c = json_append(k->a, containers, json_object());
    base = str_skip(image, (size_t)(str_rindex(image, '/') + 1));
    str_cut(&base, ':', &name);
    json_setz(k->a, c, "name", json_string(name));
    json_setz(k->a, c, "image", json_string(image));
    if (args->n_rest) {
        struct json *command = json_setz(k->a, c, "command", json_array());

        for (int i = 0; i < args->n_rest; i++)
            json_append(k->a, command, json_z(args->rest[i]));
    }
    return NULL;
}

static struct err *generate(struct kube_args *args, struct json **ret)
{
    static const struct {
        const char *word, *alias, *api_version, *kind;
    } types[] = {
        {"namespace", "ns", "v1", "Namespace"},
        {"configmap", "cm", "v1", "ConfigMap"},
        {"secret", "secret", "v1", "Secret"},
        {"serviceaccount", "sa", "v1", "ServiceAccount"},
        {"deployment", "deploy", "apps/v1", "Deployment"},
    };
    struct kubectl *k = args->k;
    struct json *o = json_new(k->a, json_object());
    str name;

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        bool secret = !strcmp(types[i].word, "secret");

        if (strcmp(args->args[0], types[i].word) && strcmp(args->args[0], types[i].alias))
            continue;
        if (secret && (args->n < 2 || strcmp(args->args[1], "generic")))
            return err_new(REASON_BAD_REQUEST, "create secret: only `generic` is supported");
        if (args->n < 2 + secret)
            return err_new(REASON_BAD_REQUEST, "exactly one NAME is required, got 0");
        name = str_of(args->args[1 + secret]);
        json_setz(k->a, o, "apiVersion", json_z(types[i].api_version));
        json_setz(k->a, o, "kind", json_z(types[i].kind));
        json_setz(k->a, json_make(k->a, o, "metadata", JSON_OBJECT), "name", json_string(name));
        *ret = o;
        if (!strcmp(types[i].word, "deployment"))
            return deployment_of(args, o, name);
        if (secret)
            json_setz(k->a, o, "type",
                      args->f->type.n ? json_string(args->f->type) : json_z("Opaque"));
        if (secret || !strcmp(types[i].word, "configmap"))
            return add_pairs(args, json_make(k->a, o, "data", JSON_OBJECT), secret);
        return NULL;
    }
    return err_new(REASON_BAD_REQUEST, "create: unknown type \"%s\"; use -f with a manifest",
                   args->args[0]);
}

struct err *cmd_create(struct kube_args *args)
{
    struct kube_targets t = {0};
    struct err *kept = NULL, *err;

    if (args->f->n_files == 0 && args->n) {
        struct kube_target one = {0};

        err = generate(args, &one.object);
        if (!err)
            err = kube_resource_of(args->k, one.object, &one.res);
        if (err)
            return err;
        one.ns = one.res.namespaced ? args->k->ns : STR_NONE;
        return create_one(args, &one);
    }
    err = targets_of(args, &t);
    if (err)
        return err;
    for (size_t i = 0; i < t.n; i++) {
        err = create_one(args, &t.items[i]);
        if (err)
            keep_error(&kept, err);
    }
    return kept;
}

struct err *cmd_replace(struct kube_args *args)
{
    struct kube_targets t = {0};
    struct err *kept = NULL, *err = targets_of(args, &t);

    if (err)
        return err;
    for (size_t i = 0; i < t.n; i++) {
        struct kubectl *k = args->k;
        const struct kube_target *o = &t.items[i];
        struct json *after;

        err = kube_call_json(
            k,
            &(struct kube_request){
                .method = "PUT",
                .path = arena_fmt(k->a, PRI_STR "?fieldManager=kubectl-replace" PRI_STR,
                                  STR_ARG(kube_path(k, &o->res, o->ns, o->name, STR_NONE)),
                                  STR_ARG(dry_run_query(args))),
                .body = encode(k, o->object),
            },
            &after);
        if (!err)
            err = print_result(args, o, after, "replaced");
        if (err)
            keep_error(&kept, err);
    }
    return kept;
}

/* ---- delete ---- */

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

/* Until the object is gone or another one has its name. */
static struct err *wait_deleted(struct kube_args *args, const struct kube_target *t, str uid)
{
    struct kubectl *k = args->k;

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
        err = kube_watch(k,
                         arena_fmt(k->a,
                                   PRI_STR "?watch=true&fieldSelector=metadata.name%%3D" PRI_STR
                                           "&resourceVersion=" PRI_STR,
                                   STR_ARG(kube_path(k, &t->res, t->ns, STR_NONE, STR_NONE)),
                                   STR_ARG(t->name),
                                   STR_ARG(json_get_str(now, "metadata.resourceVersion"))),
                         NULL, 0, deletion_event, &d);
        if (err)
            return err;
        if (d.gone)
            return NULL;
    }
}

static struct err *delete_one(struct kube_args *args, const struct kube_target *t)
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
    err = kube_call_json(
        k,
        &(struct kube_request){.method = "DELETE",
                               .path = kube_path(k, &t->res, t->ns, t->name, STR_NONE),
                               .body = encode(k, options)},
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
        printf(PRI_STR " \"" PRI_STR "\" %sdeleted\n", STR_ARG(kube_full_name(k->a, &t->res)),
               STR_ARG(t->name), grace == 0 && args->f->force ? "force " : "");
    fflush(stdout);
    uid = json_get_str(answer, "details.uid");
    if (uid.n == 0)
        uid = json_get_str(answer, "metadata.uid");
    return args->f->wait && uid.n ? wait_deleted(args, t, uid) : NULL;
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
    if (t.n == 0)
        puts("No resources found");
    for (size_t i = 0; i < t.n; i++) {
        err = delete_one(args, &t.items[i]);
        if (err)
            keep_error(&kept, err);
    }
    return kept;
}
