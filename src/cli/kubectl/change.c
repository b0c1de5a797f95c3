/* change.c - commands that change one field: scale, set image, patch, label, annotate. */
#include "cli/kubectl/kubectl.h"

static void say(struct kube_args *args, const struct kube_target *t, const char *what)
{
    printf(PRI_STR "/" PRI_STR " %s\n", STR_ARG(kube_full_name(args->k->a, &t->res)),
           STR_ARG(t->name), what);
}

struct err *cmd_scale(struct kube_args *args)
{
    struct kube_targets t = {0};
    int64_t replicas;
    struct err *err;

    if (!args->f->replicas.n || !str_to_int64(args->f->replicas, &replicas) || replicas < 0)
        return err_new(
            REASON_BAD_REQUEST,
            "The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0");
    err = args->f->n_files ? kube_targets_of_files(args->k, args->f->files, args->f->n_files,
                                                   args->f->recursive, &t)
                           : kube_targets_of_args(args->k, args->args, args->n, &t);
    for (size_t i = 0; !err && i < t.n; i++) {
        struct json *ignored;

        if (t.items[i].err)
            return TAKE(t.items[i].err);
        err =
            kube_patch(args, &t.items[i], "application/merge-patch+json",
                       arena_fmt(args->k->a, "{\"spec\":{\"replicas\":%lld}}", (long long)replicas),
                       S("scale"), &ignored);
        if (!err)
            say(args, &t.items[i], "scaled");
    }
    return err;
}

struct err *cmd_set(struct kube_args *args)
{
    struct kubectl *k = args->k;
    struct kube_targets t = {0};
    int first = 1;
    struct err *err;

    if (args->n < 3 || strcmp(args->args[0], "image"))
        return err_new(REASON_BAD_REQUEST, "usage: set image TYPE/NAME CONTAINER=IMAGE...");
    while (first < args->n && !strchr(args->args[first], '='))
        first++;
    err = kube_targets_of_args(k, args->args + 1, first - 1, &t);
    for (size_t i = 0; !err && i < t.n; i++) {
        struct json *before, *after, *patch = json_new(k->a, json_object()), *into, *containers;
        bool pod = str_is(t.items[i].res.plural, "pods");

        err = kube_get(k, &t.items[i], &before);
        if (err)
            return err;
        into = json_make(k->a, patch, pod ? "spec.containers" : "spec.template.spec.containers",
                         JSON_ARRAY);
        containers = json_path(before, pod ? "spec.containers" : "spec.template.spec.containers");
        for (int p = first; p < args->n; p++) {
            str image = str_of(args->args[p]), name;
            bool found = false;

            str_cut(&image, '=', &name);
            JSON_EACH(c, containers) {
                struct json *item;

                if (!str_is(name, "*") && !str_eq(json_get_str(c, "name"), name))
                    continue;
                found = true;
                item = json_append(k->a, into, json_object());
                json_setz(k->a, item, "name", json_string(json_get_str(c, "name")));
                json_setz(k->a, item, "image", json_string(image));
            }
            if (!found)
                return err_new(REASON_BAD_REQUEST, "unable to find container named \"" PRI_STR "\"",
                               STR_ARG(name));
        }
        err = kube_patch(args, &t.items[i], "application/strategic-merge-patch+json",
                         kube_encode(k, patch), STR_NONE, &after);
        if (!err && !str_eq(json_get_str(before, "metadata.resourceVersion"),
                            json_get_str(after, "metadata.resourceVersion")))
            say(args, &t.items[i], "image updated");
    }
    return err;
}

struct err *cmd_patch(struct kube_args *args)
{
    static const struct {
        const char *name, *media;
    } types[] = {
        {"", "application/strategic-merge-patch+json"},
        {"strategic", "application/strategic-merge-patch+json"},
        {"merge", "application/merge-patch+json"},
        {"json", "application/json-patch+json"},
    };
    struct kube_targets t = {0};
    const char *media = NULL;
    struct err *err;

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_is(args->f->type, types[i].name))
            media = types[i].media;
    if (!media)
        return err_new(REASON_BAD_REQUEST,
                       "--type must be one of [json merge strategic], not \"" PRI_STR "\"",
                       STR_ARG(args->f->type));
    if (!args->f->patch.n)
        return err_new(REASON_BAD_REQUEST,
                       "must specify --patch or --patch-file containing the contents of the patch");
    err = kube_targets_of_args(args->k, args->args, args->n, &t);
    for (size_t i = 0; !err && i < t.n; i++) {
        struct json *before, *after;
        struct kube_output o = {0};

        err = kube_get(args->k, &t.items[i], &before);
        if (!err)
            err =
                kube_patch(args, &t.items[i], media, args->f->patch, args->f->subresource, &after);
        if (err)
            return err;
        if (args->f->output.n) {
            err = kube_output_parse(args->f->output, &o);
            return err ? err : kube_print_object(args->k, after, &o);
        }
        say(args, &t.items[i],
            str_eq(json_get_str(before, "metadata.resourceVersion"),
                   json_get_str(after, "metadata.resourceVersion"))
                ? "patched (no change)"
                : "patched");
    }
    return err;
}

/* What kubectl says of labels: the last thing that really changed. */
static const char *outcome(const struct json *before, const struct json *wanted)
{
    const char *what = "not labeled";

    JSON_EACH_MEMBER(m, wanted) {
        const struct json *old = json_find(before, m->key);

        if (m->value.type == JSON_NULL) {
            if (old)
                what = "unlabeled";
            else if (!json_count(before))
                what = "labeled"; /* kubectl leaves an empty map behind */
            if (!old)
                printf("label \"" PRI_STR "\" not found.\n", STR_ARG(m->key));
        } else if (!old || !json_equal(old, &m->value)) {
            what = "labeled";
        }
    }
    return what;
}

/* KEY=VALUE sets, KEY- removes. */
static struct err *mark(struct kube_args *args, const char *field, const char *done)
{
    bool labels = !strcmp(done, "labeled");
    struct kubectl *k = args->k;
    struct kube_targets t = {0};
    struct json *patch = json_new(k->a, json_object()), *into, *after;
    char **names = ARENA_NEW_N(k->a, char *, args->n + 1);
    int n_names = 0;
    struct err *err;

    into = json_make(k->a, patch, field, JSON_OBJECT);
    for (int i = 0; i < args->n; i++) {
        str arg = str_of(args->args[i]), key;

        if (str_has_char(arg, '=')) {
            str_cut(&arg, '=', &key);
            json_set(k->a, into, key, json_string(arg));
        } else if (str_has_suffix(arg, S("-")) && i > 0) {
            json_set(k->a, into, str_slice(arg, 0, arg.n - 1), json_null());
        } else {
            names[n_names++] = args->args[i];
        }
    }
    if (!into->n)
        return err_new(REASON_BAD_REQUEST, "at least one KEY=VALUE or KEY- is required");
    err = kube_targets_of_args(k, names, n_names, &t);
    for (size_t i = 0; !err && i < t.n; i++) {
        struct json *before;
        const char *what;

        if (!t.items[i].name.n)
            return err_new(REASON_BAD_REQUEST, "one or more resources must be specified as "
                                               "<resource> <name> or <resource>/<name>");
        err = kube_get(k, &t.items[i], &before);
        if (err)
            return err;
        JSON_EACH_MEMBER(m, into) {
            str old = json_str(json_find(json_path(before, field), m->key));

            if (!args->f->overwrite && old.n && m->value.type == JSON_STRING &&
                !str_eq(old, m->value.s))
                return err_new(REASON_BAD_REQUEST,
                               "'" PRI_STR "' already has a value (" PRI_STR
                               "), and --overwrite is false",
                               STR_ARG(m->key), STR_ARG(old));
        }
        what = labels ? outcome(json_path(before, field), into) : done;
        err = kube_patch(args, &t.items[i], "application/merge-patch+json", kube_encode(k, patch),
                         STR_NONE, &after);
        if (!err)
            say(args, &t.items[i], what);
    }
    return err;
}

struct err *cmd_label(struct kube_args *args)
{
    return mark(args, "metadata.labels", "labeled");
}

struct err *cmd_annotate(struct kube_args *args)
{
    return mark(args, "metadata.annotations", "annotated");
}
