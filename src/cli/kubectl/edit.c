/* edit.c - edit: an object in the user's editor, and back as a patch of what has changed.
 *
 * The patch is a JSON merge patch between what was shown and what came back: what others change meanwhile stays. */
#include "cli/kubectl/kubectl.h"

#include "wire/yaml.h"

#include <sys/wait.h>
#include <unistd.h>

#define TEXT_MAX ((size_t)16 << 20)
#define HEAD                                                                                       \
    "# Please edit the object below. Lines beginning with a '#' will be ignored,\n"                \
    "# and an empty file will abort the edit. If an error occurs while saving this file will be\n" \
    "# reopened with the relevant failures.\n#\n"

static struct err *run_editor(struct kubectl *k, const char *path)
{
    const char *editor = getenv("KUBE_EDITOR");
    const char *command;
    int status;

    if (!editor || !*editor)
        editor = getenv("EDITOR");
    if (!editor || !*editor)
        editor = "vi";
    command = arena_fmt(k->a, "%s %s", editor, path).p; /* it may come with arguments */
    status = system(command);
    if (status == -1 || !WIFEXITED(status) || WEXITSTATUS(status))
        return err_new(REASON_INTERNAL, "there was a problem with the editor \"%s\"", editor);
    return NULL;
}

/* The lines that are not comments. */
static str without_comments(struct kubectl *k, str text)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    str line;

    while (str_cut(&text, '\n', &line))
        if (!str_has_prefix(line, S("#")))
            buf_fmt(&b, PRI_STR "\n", STR_ARG(line));
    return arena_dup(k->a, str_trim(buf_view(&b)));
}

static struct err *save(const char *path, str head, str complaint, str body)
{
    FILE *f = fopen(path, "we");
    str line;
    bool ok;

    if (!f)
        return err_errno(-errno, "writing %s", path);
    fwrite(head.p, 1, head.n, f);
    while (str_cut(&complaint, '\n', &line))
        fprintf(f, "# " PRI_STR "\n#\n", STR_ARG(line));
    fwrite(body.p, 1, body.n, f);
    fputc('\n', f);
    ok = !ferror(f);
    if (fclose(f) || !ok)
        return err_new(REASON_INTERNAL, "writing %s failed", path);
    return NULL;
}

static struct err *send(struct kube_args *args, const struct kube_target *t,
                        const struct json *before, const struct json *after)
{
    struct kubectl *k = args->k;
    CLEANUP(buf) struct buf body = BUF_INIT;
    struct json *ignored;

    json_encode(&body, patch_three_way(k->a, NULL, before, after, before));
    return kube_call_json(
        k,
        &(struct kube_request){
            .method = "PATCH",
            .path = arena_fmt(k->a, PRI_STR "?fieldManager=kubectl-edit&fieldValidation=Strict",
                              STR_ARG(kube_path(k, &t->res, t->ns, t->name, args->f->subresource))),
            .content_type = "application/merge-patch+json",
            .body = arena_dup(k->a, buf_view(&body))},
        &ignored);
}

/* Opens the editor until what comes back can be saved or nothing has changed since the last try. */
static struct err *edit_in(struct kube_args *args, const struct kube_target *t, const char *path)
{
    struct kubectl *k = args->k;
    CLEANUP(buf) struct buf shown = BUF_INIT;
    struct json *before, *after;
    str text, last, complaint = STR_NONE;
    struct err *err = kube_get(k, t, &before);

    if (err)
        return err;
    json_removez(json_findz(before, "metadata"), "managedFields");
    yaml_encode(&shown, before);
    text = last = arena_dup(k->a, str_trim(buf_view(&shown)));
    for (;;) {
        CLEANUP(buf) struct buf edited = BUF_INIT;

        err = save(path, S(HEAD), complaint, text);
        if (!err)
            err = run_editor(k, path);
        if (err)
            return err;
        if (file_read(k->loop, path, TEXT_MAX, &edited))
            return err_new(REASON_INTERNAL, "cannot read %s", path);
        text = without_comments(k, buf_view(&edited));
        if (!text.n) {
            fputs("Edit cancelled, saved file was empty.\n", stderr);
            return NULL;
        }
        if (str_eq(text, last)) {
            if (complaint.n)
                return err_note(
                    err_new(REASON_BAD_REQUEST, "Edit cancelled, no valid changes were saved."),
                    KUBE_PLAIN);
            fputs("Edit cancelled, no changes made.\n", stderr);
            return NULL;
        }
        last = text;
        err = yaml_parse(k->a, text, NULL, &after);
        if (!err && json_equal(before, after)) {
            fputs("Edit cancelled, no changes made.\n", stderr);
            return NULL;
        }
        if (!err)
            err = send(args, t, before, after);
        if (!err)
            break;
        complaint = arena_dup(k->a, str_of(err_text(err)));
        kube_print_error(err);
        err_free(err);
    }
    printf(PRI_STR "/" PRI_STR " edited\n", STR_ARG(kube_full_name(k->a, &t->res)),
           STR_ARG(t->name));
    return NULL;
}

struct err *cmd_edit(struct kube_args *args)
{
    struct kubectl *k = args->k;
    struct kube_targets t = {0};
    struct err *err = args->f->n_files ? kube_targets_of_files(k, args->f->files, args->f->n_files,
                                                               args->f->recursive, &t)
                                       : kube_targets_of_args(k, args->args, args->n, &t);

    for (size_t i = 0; !err && i < t.n; i++) {
        char path[] = "/tmp/kubectl-edit-XXXXXX.yaml";
        int fd;

        if (!t.items[i].name.n)
            return err_new(REASON_BAD_REQUEST,
                           "resource(s) were provided, but no name was specified");
        fd = mkstemps(path, 5);
        if (fd < 0)
            return err_errno(-errno, "making a temporary file");
        close(fd);
        err = edit_in(args, &t.items[i], path);
        unlink(path);
    }
    return err;
}
