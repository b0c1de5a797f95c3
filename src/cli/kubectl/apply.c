/* apply.c - apply: the manifest becomes the object's wish; and diff, which only shows what apply would do.
 *
 * Client-side, as kubectl's default: the annotation last-applied-configuration remembers the manifest, and the patch comes from the
 * three of it, the manifest and the object (patch_three_way). With --server-side the server finds out, by field ownership.
 *
 * API: https://kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config/ */
#include "cli/kubectl/kubectl.h"

#include "wire/yaml.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"
#define CLIENT_MANAGER "kubectl-client-side-apply"

/* ---- what all writing commands share ---- */

str kube_encode(struct kubectl *k, const struct json *v)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    json_encode(&b, v);
    return arena_dup(k->a, buf_view(&b));
}

str kube_dry_run_query(const struct kube_args *args)
{
    return str_is(args->f->dry_run, "server") ? S("&dryRun=All") : S("");
}

bool kube_is_client_dry_run(const struct kube_args *args)
{
    return str_is(args->f->dry_run, "client");
}

void kube_report(struct kube_args *args, const struct kube_resource *res, str name,
                 const char *what)
{
    const char *dry = str_is(args->f->dry_run, "server")   ? " (server dry run)"
                      : str_is(args->f->dry_run, "client") ? " (dry run)"
                                                           : "";

    printf(PRI_STR "/" PRI_STR " %s%s\n", STR_ARG(kube_full_name(args->k->a, res)), STR_ARG(name),
           what, dry);
}

struct err *kube_print_result(struct kube_args *args, const struct kube_target *t,
                              struct json *object, const char *what)
{
    struct kube_output o = {0};
    struct err *err = kube_output_parse(args->f->output, &o);

    if (err)
        return err;
    if (args->f->output.n == 0) {
        kube_report(args, &t->res, json_get_str(object, "metadata.name"), what);
        return NULL;
    }
    return kube_print_object(args->k, object, &o);
}

str kube_validation_query(const struct kube_args *args)
{
    static const struct {
        const char *said, *means;
    } words[] = {{"", "Strict"},   {"true", "Strict"},  {"strict", "Strict"},
                 {"warn", "Warn"}, {"false", "Ignore"}, {"ignore", "Ignore"}};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_is(args->f->validate, words[i].said))
            return arena_fmt(args->k->a, "&fieldValidation=%s", words[i].means);
    return S("&fieldValidation=Strict");
}

/* ---- the record ---- */

/* The manifest in one line, as the annotation keeps it: without the annotation itself. */
static str record_of(struct kubectl *k, const struct json *manifest)
{
    struct json copy = json_copy(k->a, manifest);
    struct json *annotations = json_make(k->a, &copy, "metadata.annotations", JSON_OBJECT);

    json_removez(annotations, LAST_APPLIED);
    json_sort_keys(&copy);
    return arena_fmt(k->a, PRI_STR "\n", STR_ARG(kube_encode(k, &copy)));
}

void kube_record_applied(struct kubectl *k, struct json *manifest)
{
    str record = record_of(k, manifest);

    json_setz(k->a, json_make(k->a, manifest, "metadata.annotations", JSON_OBJECT), LAST_APPLIED,
              json_string(record));
}

static str record_in(const struct json *object)
{
    return json_str(json_findz(json_path(object, "metadata.annotations"), LAST_APPLIED));
}

/* ---- one object ---- */

struct applied {
    struct json *before, *after; /* before NULL: it was not there */
    bool nothing;                /* the patch was empty */
};

static struct err *create(struct kube_args *args, const struct kube_target *t, struct applied *ret)
{
    struct kubectl *k = args->k;
    struct err *err = kube_call_json(
        k,
        &(struct kube_request){
            .method = "POST",
            .path = arena_fmt(
                k->a, PRI_STR "?fieldManager=" PRI_STR PRI_STR PRI_STR,
                STR_ARG(kube_path(k, &t->res, t->ns, STR_NONE, STR_NONE)),
                STR_ARG(args->f->field_manager.n ? args->f->field_manager : S(CLIENT_MANAGER)),
                STR_ARG(kube_dry_run_query(args)), STR_ARG(kube_validation_query(args))),
            .body = kube_encode(k, t->object),
        },
        &ret->after);

    return err ? kube_add_source(err, S("creating"), t->source) : NULL;
}

/* kubectl shows the patch and its target with an error of the server. */
static struct err *patch_failed(struct kubectl *k, const struct kube_target *t, str patch,
                                struct err *err)
{
    str group = t->res.group.n ? arena_fmt(k->a, PRI_STR "/" PRI_STR, STR_ARG(t->res.group),
                                           STR_ARG(t->res.version))
                               : t->res.version;

    err = kube_add_source(err, S("patching"), t->source);
    if (err->trail && !strcmp(err->trail, KUBE_PLAIN))
        return err;
    return kube_add_source(
        err,
        arena_fmt(k->a,
                  "applying patch:\n" PRI_STR "\nto:\nResource: \"" PRI_STR ", Resource=" PRI_STR
                  "\", GroupVersionKind: \"" PRI_STR ", Kind=" PRI_STR "\"\nName: \"" PRI_STR
                  "\", Namespace: \"" PRI_STR "\"\nfor:",
                  STR_ARG(patch), STR_ARG(group), STR_ARG(t->res.plural), STR_ARG(group),
                  STR_ARG(t->res.kind), STR_ARG(t->name), STR_ARG(t->ns)),
        t->source);
}

static struct err *patch_client_side(struct kube_args *args, const struct kube_target *t,
                                     struct applied *ret)
{
    struct kubectl *k = args->k;
    const struct schema_type *type = schema_find_gvk(t->res.group, t->res.version, t->res.kind);
    struct json *original = NULL, *patch;
    str record = record_in(ret->before), body;
    struct err *err;

    if (!record.n) {
        fprintf(stderr,
                "Warning: resource " PRI_STR "/" PRI_STR " is missing the " LAST_APPLIED
                " annotation which is required by kubectl apply. kubectl apply should only be used "
                "on resources created declaratively by either kubectl create --save-config or "
                "kubectl apply. The missing annotation will be patched automatically.\n",
                STR_ARG(t->res.plural), STR_ARG(t->name));
    } else {
        err = json_parse(k->a, record, NULL, NULL, &original);
        err_free(err); /* somebody has written it by hand: nothing is known of the last time */
    }
    /* A kind that this program does not know is a custom one: its lists have no merge keys. */
    patch = patch_three_way(k->a, type, original, t->object, ret->before);
    body = kube_encode(k, patch);
    if (!patch->n) {
        ret->nothing = true;
        ret->after = ret->before;
        return NULL;
    }
    err = kube_call_json(
        k,
        &(struct kube_request){
            .method = "PATCH",
            .path = arena_fmt(
                k->a, PRI_STR "?fieldManager=" PRI_STR PRI_STR PRI_STR,
                STR_ARG(kube_path(k, &t->res, t->ns, t->name, STR_NONE)),
                STR_ARG(args->f->field_manager.n ? args->f->field_manager : S(CLIENT_MANAGER)),
                STR_ARG(kube_dry_run_query(args)), STR_ARG(kube_validation_query(args))),
            .content_type =
                type ? "application/strategic-merge-patch+json" : "application/merge-patch+json",
            .body = body,
        },
        &ret->after);
    return err ? patch_failed(k, t, body, err) : NULL;
}

static struct err *patch_server_side(struct kube_args *args, const struct kube_target *t,
                                     struct applied *ret)
{
    struct kubectl *k = args->k;

    return kube_call_json(
        k,
        &(struct kube_request){
            .method = "PATCH",
            .path =
                arena_fmt(k->a, PRI_STR "?fieldManager=" PRI_STR "&force=%s" PRI_STR PRI_STR,
                          STR_ARG(kube_path(k, &t->res, t->ns, t->name, STR_NONE)),
                          STR_ARG(args->f->field_manager.n ? args->f->field_manager : S("kubectl")),
                          args->f->force_conflicts ? "true" : "false",
                          STR_ARG(kube_dry_run_query(args)), STR_ARG(kube_validation_query(args))),
            .content_type = "application/apply-patch+yaml",
            .body = kube_encode(k, t->object),
        },
        &ret->after);
}

/* only_shown: of diff, where the record stays as it is. */
static struct err *apply(struct kube_args *args, struct kube_target *t, bool only_shown,
                         struct applied *ret)
{
    struct kubectl *k = args->k;
    struct err *err;

    *ret = (struct applied){0};
    if (t->err)
        return TAKE(t->err);
    if (!t->name.n)
        return kube_add_source(err_new(REASON_BAD_REQUEST, "resource name may not be empty"),
                               S("retrieving current configuration of"), t->source);
    if (args->f->server_side)
        return patch_server_side(args, t, ret);
    err = kube_get(k, t, &ret->before);
    if (err && err->code != 404)
        return err;
    if (!only_shown)
        kube_record_applied(k, t->object);
    else if (!err && record_in(ret->before).n)
        json_setz(k->a, json_make(k->a, t->object, "metadata.annotations", JSON_OBJECT),
                  LAST_APPLIED, json_string(record_in(ret->before)));
    if (err) {
        err_free(err);
        ret->before = NULL;
        if (kube_is_client_dry_run(args)) {
            ret->after = t->object;
            return NULL;
        }
        return create(args, t, ret);
    }
    if (json_path(ret->before, "metadata.deletionTimestamp"))
        fprintf(stderr,
                "Warning: Detected changes to resource " PRI_STR
                " which is currently being deleted.\n",
                STR_ARG(t->name));
    if (kube_is_client_dry_run(args)) {
        ret->after = ret->before;
        return NULL;
    }
    return patch_client_side(args, t, ret);
}

/* ---- --prune: what was applied before and is in the manifests no more ---- */

static const char *const prunable[] = {
    "configmaps",
    "endpoints",
    "namespaces",
    "persistentvolumeclaims",
    "persistentvolumes",
    "pods",
    "replicationcontrollers",
    "secrets",
    "services",
    "jobs.batch",
    "cronjobs.batch",
    "ingresses.networking.k8s.io",
    "daemonsets.apps",
    "deployments.apps",
    "replicasets.apps",
    "statefulsets.apps",
};

struct uids {
    str *items;
    size_t n;
};

static bool uids_have(const struct uids *u, str uid)
{
    for (size_t i = 0; i < u->n; i++)
        if (str_eq(u->items[i], uid))
            return true;
    return false;
}

static struct err *prune_in(struct kube_args *args, const struct kube_resource *res, str ns,
                            const struct uids *kept)
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
        &(struct kube_request){.method = "GET",
                               .path = arena_fmt(k->a, PRI_STR PRI_STR,
                                                 STR_ARG(kube_path(k, res, ns, STR_NONE, STR_NONE)),
                                                 STR_ARG(buf_view(&q)))},
        &list);
    if (err)
        return err;
    JSON_EACH(item, json_findz(list, "items")) {
        str name = json_get_str(item, "metadata.name");

        if (!record_in(item).n || uids_have(kept, json_get_str(item, "metadata.uid")))
            continue;
        if (!kube_is_client_dry_run(args))
            err = kube_call(
                k,
                &(struct kube_request){
                    .method = "DELETE",
                    .path =
                        kube_path(k, res, json_get_str(item, "metadata.namespace"), name, STR_NONE),
                    .body = str_is(args->f->dry_run, "server")
                                ? S("{\"propagationPolicy\":\"Background\",\"dryRun\":[\"All\"]}")
                                : S("{\"propagationPolicy\":\"Background\"}")},
                NULL);
        if (err)
            return err;
        kube_report(args, res, name, "pruned");
    }
    return NULL;
}

static struct err *prune(struct kube_args *args, const struct kube_targets *t,
                         const struct uids *kept)
{
    struct kubectl *k = args->k;

    for (size_t i = 0; i < ARRAY_LEN(prunable); i++) {
        struct kube_resource res;
        struct err *err = kube_resource_find(k, str_of(prunable[i]), &res);

        if (err)
            return err;
        for (size_t n = 0; n < t->n; n++) { /* each namespace that the manifests name, once */
            bool seen = false;

            for (size_t p = 0; p < n; p++)
                seen |= res.namespaced ? str_eq(t->items[p].ns, t->items[n].ns) : true;
            if (seen || (res.namespaced && !t->items[n].ns.n))
                continue;
            err = prune_in(args, &res, res.namespaced ? t->items[n].ns : STR_NONE, kept);
            if (err)
                return err;
        }
    }
    return NULL;
}

struct err *cmd_apply(struct kube_args *args)
{
    struct kubectl *k = args->k;
    struct kube_targets t = {0};
    struct uids done = {0};
    struct err *kept = NULL, *err;

    if (!args->f->n_files)
        return err_new(REASON_BAD_REQUEST, "must specify one of -f and -k");
    if (args->f->prune && !args->f->selector.n && !args->f->all)
        return err_new(
            REASON_BAD_REQUEST,
            "all resources selected for prune without explicitly passing --all. To prune "
            "all resources, pass the --all flag. If you did not mean to prune all "
            "resources, specify a label selector");
    err = kube_targets_of_files(k, args->f->files, args->f->n_files, args->f->recursive, &t);
    if (err)
        return err;
    done.items = ARENA_NEW_N(k->a, str, t.n + 1);
    for (size_t i = 0; i < t.n; i++) {
        struct applied r;

        err = apply(args, &t.items[i], false, &r);
        if (!err)
            err = kube_print_result(args, &t.items[i], r.after,
                                    args->f->server_side ? "serverside-applied"
                                    : !r.before          ? "created"
                                    : r.nothing          ? "unchanged"
                                                         : "configured");
        if (err)
            kube_keep_error(&kept, err);
        else
            done.items[done.n++] = json_get_str(r.after, "metadata.uid");
    }
    if (!kept && args->f->prune)
        kept = prune(args, &t, &done);
    return kept;
}

/* ---- diff ---- */

static struct err *write_yaml(struct kubectl *k, const char *dir, const struct kube_target *t,
                              struct json *object)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    str path = arena_fmt(k->a, "%s/" PRI_STR "." PRI_STR "." PRI_STR "." PRI_STR "." PRI_STR, dir,
                         STR_ARG(t->res.group), STR_ARG(t->res.version), STR_ARG(t->res.kind),
                         STR_ARG(t->ns), STR_ARG(t->name));
    FILE *f;

    if (str_has_prefix(str_skip(path, strlen(dir) + 1), S(".")))
        path = arena_fmt(k->a, "%s/" PRI_STR "." PRI_STR "." PRI_STR "." PRI_STR, dir,
                         STR_ARG(t->res.version), STR_ARG(t->res.kind), STR_ARG(t->ns),
                         STR_ARG(t->name));
    if (object) {
        json_removez(json_findz(object, "metadata"), "managedFields");
        /* What a secret holds is not for the screen. */
        if (str_is(json_get_str(object, "kind"), "Secret"))
            JSON_EACH_MEMBER(m, json_findz(object, "data"))
                m->value = json_z("***");
        yaml_encode(&text, object);
    }
    if (!object)
        return NULL; /* diff -N takes an absent file for an empty one */
    f = fopen(path.p, "we");
    if (!f)
        return err_errno(-errno, "writing " PRI_STR, STR_ARG(path));
    fwrite(text.p, 1, text.n, f);
    return fclose(f) ? err_errno(-errno, "writing " PRI_STR, STR_ARG(path)) : NULL;
}

static int run_diff(struct kubectl *k, const char *live, const char *merged)
{
    const char *program = getenv("KUBECTL_EXTERNAL_DIFF");
    int status;

    if (!program || !*program)
        program = "diff -u -N";
    fflush(stdout);
    status = system(arena_fmt(k->a, "%s %s %s", program, live, merged).p);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 127;
}

static void remove_tree(struct kubectl *k, const char *dir)
{
    (void)!system(arena_fmt(k->a, "rm -rf -- %s", dir).p); /* a name of our own making */
}

struct err *cmd_diff(struct kube_args *args)
{
    struct kubectl *k = args->k;
    struct kube_flagvals flags = *args->f;
    struct kube_args dry = *args;
    struct kube_targets t = {0};
    char live[] = "/tmp/LIVE-XXXXXX", merged[] = "/tmp/MERGED-XXXXXX";
    struct err *err;
    int status;

    if (!args->f->n_files)
        return err_new(REASON_BAD_REQUEST, "must specify one of -f and -k");
    err = kube_targets_of_files(k, args->f->files, args->f->n_files, args->f->recursive, &t);
    if (err)
        return err;
    flags.dry_run = S("server");
    dry.f = &flags;
    if (!mkdtemp(live))
        return err_errno(-errno, "making a temporary directory");
    if (!mkdtemp(merged)) {
        err = err_errno(-errno, "making a temporary directory");
        remove_tree(k, live);
        return err;
    }
    for (size_t i = 0; !err && i < t.n; i++) {
        struct applied r;
        struct json *after = NULL;

        err = apply(&dry, &t.items[i], true, &r);
        if (!err && args->f->server_side) { /* the answer alone does not tell what was there */
            struct err *absent = kube_get(k, &t.items[i], &r.before);

            if (absent)
                r.before = NULL;
            err_free(absent);
        }
        if (!err)
            after = json_new(k->a, json_copy(k->a, r.after));
        if (!err)
            err = write_yaml(k, live, &t.items[i], r.before);
        if (!err)
            err = write_yaml(k, merged, &t.items[i], after);
    }
    status = err ? 0 : run_diff(k, live, merged);
    remove_tree(k, live);
    remove_tree(k, merged);
    if (!err && status) {
        err = err_new(REASON_UNKNOWN, "%s", "");
        err->code = 1000 + status; /* 1: they differ */
    }
    return err;
}
