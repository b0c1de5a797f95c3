/* rollout.c - rollout status, history, undo, restart, pause, resume; and wait. */
#include "cli/kubectl/kubectl.h"

#include <inttypes.h>

#define REVISION "deployment.kubernetes.io/revision"

static str encode(struct kubectl *k, const struct json *v)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    json_encode(&b, v);
    return arena_dup(k->a, buf_view(&b));
}

/* "30s", "5m", plain seconds; 0 when absent: forever. */
static struct err *timeout_of(str s, int64_t otherwise_ns, int64_t *ret_ns)
{
    int64_t v;

    *ret_ns = otherwise_ns;
    if (s.n == 0)
        return NULL;
    if (str_to_int64(s, &v)) {
        *ret_ns = v * NS_PER_S;
        return NULL;
    }
    if (str_to_int64(str_slice(s, 0, s.n - 1), &v) && strchr("smh", s.p[s.n - 1])) {
        *ret_ns = v * NS_PER_S * (s.p[s.n - 1] == 'h' ? 3600 : s.p[s.n - 1] == 'm' ? 60 : 1);
        return NULL;
    }
    return err_new(REASON_BAD_REQUEST, "invalid duration \"" PRI_STR "\"", STR_ARG(s));
}

static int64_t status_int(const struct json *o, const char *name)
{
    return json_get_int(json_findz(o, "status"), name, 0);
}

/* What is missing, in kubectl's words; *ret_done when nothing is. Source: kubectl/pkg/polymorphichelpers/rollout_status.go */
static struct err *rollout_state(struct kubectl *k, const struct json *o, str *ret_text,
                                 bool *ret_done)
{
    str name = json_get_str(o, "metadata.name"), kind = json_get_str(o, "kind");
    int64_t want = json_get_int(o, "spec.replicas", 1), updated, total, available;

    *ret_done = false;
    if (json_get_int(o, "metadata.generation", 0) > status_int(o, "observedGeneration")) {
        *ret_text = arena_fmt(k->a, "Waiting for %s spec update to be observed...\n",
                              str_is(kind, "Deployment")  ? "deployment"
                              : str_is(kind, "DaemonSet") ? "daemon set"
                                                          : "statefulset");
        return NULL;
    }
    if (str_is(kind, "Deployment")) {
        updated = status_int(o, "updatedReplicas"), total = status_int(o, "replicas"),
        available = status_int(o, "availableReplicas");
        JSON_EACH(c, json_path(o, "status.conditions"))
            if (str_is(json_get_str(c, "type"), "Progressing") &&
                str_is(json_get_str(c, "reason"), "ProgressDeadlineExceeded"))
                return err_new(REASON_TIMEOUT,
                               "deployment \"" PRI_STR "\" exceeded its progress deadline",
                               STR_ARG(name));
        if (updated < want)
            *ret_text =
                arena_fmt(k->a,
                          "Waiting for deployment \"" PRI_STR "\" rollout to finish: %" PRId64
                          " out of %" PRId64 " new replicas have been updated...\n",
                          STR_ARG(name), updated, want);
        else if (total > updated)
            *ret_text =
                arena_fmt(k->a,
                          "Waiting for deployment \"" PRI_STR "\" rollout to finish: %" PRId64
                          " old replicas are pending termination...\n",
                          STR_ARG(name), total - updated);
        else if (available < updated)
            *ret_text =
                arena_fmt(k->a,
                          "Waiting for deployment \"" PRI_STR "\" rollout to finish: %" PRId64
                          " of %" PRId64 " updated replicas are available...\n",
                          STR_ARG(name), available, updated);
        else {
            *ret_text = arena_fmt(k->a, "deployment \"" PRI_STR "\" successfully rolled out\n",
                                  STR_ARG(name));
            *ret_done = true;
        }
    } else if (str_is(kind, "DaemonSet")) {
        want = status_int(o, "desiredNumberScheduled"),
        updated = status_int(o, "updatedNumberScheduled"),
        available = status_int(o, "numberAvailable");
        if (updated < want)
            *ret_text =
                arena_fmt(k->a,
                          "Waiting for daemon set \"" PRI_STR "\" rollout to finish: %" PRId64
                          " out of %" PRId64 " new pods have been updated...\n",
                          STR_ARG(name), updated, want);
        else if (available < want)
            *ret_text =
                arena_fmt(k->a,
                          "Waiting for daemon set \"" PRI_STR "\" rollout to finish: %" PRId64
                          " of %" PRId64 " updated pods are available...\n",
                          STR_ARG(name), available, want);
        else {
            *ret_text = arena_fmt(k->a, "daemon set \"" PRI_STR "\" successfully rolled out\n",
                                  STR_ARG(name));
            *ret_done = true;
        }
    } else if (str_is(kind, "StatefulSet")) {
        int64_t ready = status_int(o, "readyReplicas");

        if (ready < want)
            *ret_text =
                arena_fmt(k->a, "Waiting for %" PRId64 " pods to be ready...\n", want - ready);
        else if (!str_eq(json_get_str(o, "status.updateRevision"),
                         json_get_str(o, "status.currentRevision")))
            *ret_text = arena_fmt(k->a,
                                  "waiting for statefulset rolling update to complete %" PRId64
                                  " pods at revision " PRI_STR "...\n",
                                  status_int(o, "updatedReplicas"),
                                  STR_ARG(json_get_str(o, "status.updateRevision")));
        else {
            *ret_text = arena_fmt(k->a,
                                  "statefulset rolling update complete %" PRId64
                                  " pods at revision " PRI_STR "...\n",
                                  status_int(o, "currentReplicas"),
                                  STR_ARG(json_get_str(o, "status.currentRevision")));
            *ret_done = true;
        }
    } else {
        return err_new(REASON_BAD_REQUEST, "no status viewer has been implemented for " PRI_STR,
                       STR_ARG(kind));
    }
    return NULL;
}

/* Shared by rollout status and wait: looks at the object now and after each change until `look` is satisfied. */
struct until {
    struct kubectl *k;
    const struct kube_target *t;
    /* *ret_done true: enough; an error ends too. type: "" at first, then the watch event's. */
    struct err *(*look)(struct until *u, str type, struct json *object, bool *ret_done);
    void *ctx;
    struct err *err;
    bool done;
};

static bool until_event(void *ctx, str type, struct json *object)
{
    struct until *u = ctx;

    u->err = u->look(u, type, object, &u->done);
    return !u->err && !u->done;
}

static struct err *until_run(struct until *u, int64_t timeout_ns)
{
    struct kubectl *k = u->k;
    int64_t deadline = timeout_ns ? loop_now(k->loop).ns + timeout_ns : INT64_MAX, left;

    for (;;) {
        struct json *list, *object;
        str path = arena_fmt(k->a, PRI_STR "?fieldSelector=metadata.name%%3D" PRI_STR,
                             STR_ARG(kube_path(k, &u->t->res, u->t->ns, STR_NONE, STR_NONE)),
                             STR_ARG(u->t->name));
        struct err *err =
            kube_call_json(k, &(struct kube_request){.method = "GET", .path = path}, &list);

        if (err)
            return err;
        object = json_item(json_findz(list, "items"), 0);
        if (object && !json_findz(object, "kind"))
            json_setz(k->a, object, "kind", json_string(u->t->res.kind));
        u->err = u->look(u, object ? S("") : S("DELETED"), object, &u->done);
        if (u->err || u->done)
            return u->err;
        left = deadline == INT64_MAX ? 0 : deadline - loop_now(k->loop).ns;
        if (deadline != INT64_MAX && left <= 0)
            return err_new(REASON_TIMEOUT,
                           "timed out waiting for the condition on " PRI_STR "/" PRI_STR,
                           STR_ARG(u->t->res.plural), STR_ARG(u->t->name));
        err = kube_watch(k,
                         arena_fmt(k->a, PRI_STR "&watch=true&resourceVersion=" PRI_STR,
                                   STR_ARG(path),
                                   STR_ARG(json_get_str(list, "metadata.resourceVersion"))),
                         NULL, left, until_event, u);
        if (u->err || u->done) {
            err_free(err);
            return u->err;
        }
        err_free(err); /* ended or timed out: look again, the deadline decides */
    }
}

static struct err *look_rollout(struct until *u, str type, struct json *object, bool *ret_done)
{
    str *last = u->ctx, text;
    struct err *err;

    if (!object || str_is(type, "DELETED"))
        return err_new(REASON_NOT_FOUND, "object has been deleted");
    err = rollout_state(u->k, object, &text, ret_done);
    if (!err && !str_eq(text, *last)) {
        printf(PRI_STR, STR_ARG(text));
        fflush(stdout);
        *last = text;
    }
    return err;
}

static struct err *rollout_status(struct kube_args *args, const struct kube_target *t)
{
    str last = STR_NONE;
    struct until u = {.k = args->k, .t = t, .look = look_rollout, .ctx = &last};
    int64_t timeout_ns;
    struct err *err = timeout_of(args->f->timeout, 0, &timeout_ns);

    return err ? err : until_run(&u, timeout_ns);
}

/* The deployment's ReplicaSets, oldest revision first. */
static int by_revision(const void *a, const void *b, void *ctx)
{
    int64_t x = 0, y = 0;

    str_to_int64(json_str(json_findz(json_path(a, "metadata.annotations"), REVISION)), &x);
    str_to_int64(json_str(json_findz(json_path(b, "metadata.annotations"), REVISION)), &y);
    return x < y ? -1 : x > y;
}

static struct err *revisions(struct kube_args *args, const struct kube_target *t,
                             struct json **ret_deployment, struct json **ret)
{
    struct kubectl *k = args->k;
    struct kube_resource rs;
    struct json *list, *own = json_new(k->a, json_array());
    struct err *err;

    if (!str_is(t->res.plural, "deployments"))
        return err_new(REASON_BAD_REQUEST,
                       "rollout history and undo work for deployments only here");
    err = kube_get(k, t, ret_deployment);
    if (!err)
        err = kube_resource_find(k, S("replicasets.apps"), &rs);
    if (!err)
        err = kube_call_json(
            k,
            &(struct kube_request){.method = "GET",
                                   .path = kube_path(k, &rs, t->ns, STR_NONE, STR_NONE)},
            &list);
    if (err)
        return err;
    JSON_EACH(item, json_findz(list, "items"))
        JSON_EACH(owner, json_path(item, "metadata.ownerReferences"))
            if (str_eq(json_get_str(owner, "uid"), json_get_str(*ret_deployment, "metadata.uid")))
                json_append(k->a, own, *item);
    sort_with(own->items, own->n, sizeof *own->items, by_revision, NULL);
    *ret = own;
    return NULL;
}

static struct err *rollout_history(struct kube_args *args, const struct kube_target *t)
{
    struct kubectl *k = args->k;
    struct columns c = {.a = k->a, .n_columns = 2};
    struct json *deployment, *sets;
    struct err *err = revisions(args, t, &deployment, &sets);

    if (err)
        return err;
    printf(PRI_STR "/" PRI_STR " \n", STR_ARG(kube_full_name(k->a, &t->res)), STR_ARG(t->name));
    columns_add(&c, S("REVISION"));
    columns_add(&c, S("CHANGE-CAUSE"));
    JSON_EACH(rs, sets) {
        str cause = json_str(
            json_findz(json_path(rs, "metadata.annotations"), "kubernetes.io/change-cause"));

        columns_add(&c, json_str(json_findz(json_path(rs, "metadata.annotations"), REVISION)));
        columns_add(&c, cause.n ? cause : S("<none>"));
    }
    columns_print(&c, "");
    putchar('\n');
    return NULL;
}

static struct err *patch(struct kube_args *args, const struct kube_target *t, const char *type,
                         const struct json *body, const char *manager)
{
    struct kubectl *k = args->k;
    struct json *after;

    return kube_call_json(
        k,
        &(struct kube_request){
            .method = "PATCH",
            .path = arena_fmt(k->a, PRI_STR "?fieldManager=%s",
                              STR_ARG(kube_path(k, &t->res, t->ns, t->name, STR_NONE)), manager),
            .content_type = type,
            .body = encode(k, body),
        },
        &after);
}

static struct err *rollout_undo(struct kube_args *args, const struct kube_target *t)
{
    struct kubectl *k = args->k;
    struct json *deployment, *sets, *chosen = NULL, *ops, *op, template;
    int64_t wanted = 0;
    struct err *err = revisions(args, t, &deployment, &sets);

    if (err)
        return err;
    if (args->f->to_revision.n && !str_to_int64(args->f->to_revision, &wanted))
        return err_new(REASON_BAD_REQUEST, "--to-revision is not a number");
    if (json_get_bool(deployment, "spec.paused", false))
        return err_new(REASON_BAD_REQUEST,
                       "you cannot rollback a paused deployment; resume it first with 'kubectl "
                       "rollout resume deployment/" PRI_STR "' and try again",
                       STR_ARG(t->name));
    if (wanted == 0 && sets->n >= 2)
        chosen = &sets->items[sets->n - 2];
    JSON_EACH(rs, sets) {
        int64_t revision = 0;

        str_to_int64(json_str(json_findz(json_path(rs, "metadata.annotations"), REVISION)),
                     &revision);
        if (wanted && revision == wanted)
            chosen = rs;
    }
    if (!chosen && wanted)
        return err_new(REASON_NOT_FOUND, "unable to find specified revision %" PRId64 " in history",
                       wanted);
    if (!chosen)
        return err_new(REASON_NOT_FOUND, "no rollout history found for deployment \"" PRI_STR "\"",
                       STR_ARG(t->name));
    template = json_copy(k->a, json_path(chosen, "spec.template"));
    json_removez(json_path(&template, "metadata.labels"), "pod-template-hash");
    ops = json_new(k->a, json_array());
    op = json_append(k->a, ops, json_object());
    json_setz(k->a, op, "op", json_z("replace"));
    json_setz(k->a, op, "path", json_z("/spec/template"));
    json_setz(k->a, op, "value", template);
    err = patch(args, t, "application/json-patch+json", ops, "kubectl-rollout");
    if (!err)
        printf(PRI_STR "/" PRI_STR " rolled back\n", STR_ARG(kube_full_name(k->a, &t->res)),
               STR_ARG(t->name));
    return err;
}

static struct err *rollout_restart(struct kube_args *args, const struct kube_target *t)
{
    struct kubectl *k = args->k;
    struct json *body = json_new(k->a, json_object());
    CLEANUP(buf) struct buf now = BUF_INIT;
    struct err *err;

    buf_rfc3339(&now, loop_wall(k->loop));
    json_setz(k->a, json_make(k->a, body, "spec.template.metadata.annotations", JSON_OBJECT),
              "kubectl.kubernetes.io/restartedAt", json_string(buf_view(&now)));
    err = patch(args, t, "application/strategic-merge-patch+json", body, "kubectl-rollout");
    if (!err)
        printf(PRI_STR "/" PRI_STR " restarted\n", STR_ARG(kube_full_name(k->a, &t->res)),
               STR_ARG(t->name));
    return err;
}

static struct err *rollout_pause(struct kube_args *args, const struct kube_target *t, bool paused)
{
    struct kubectl *k = args->k;
    struct json *body = json_new(k->a, json_object());
    struct err *err;

    json_setz(k->a, json_make(k->a, body, "spec", JSON_OBJECT), "paused",
              paused ? json_bool(true) : json_null());
    err = patch(args, t, "application/merge-patch+json", body, "kubectl-rollout");
    if (!err)
        printf(PRI_STR "/" PRI_STR " %s\n", STR_ARG(kube_full_name(k->a, &t->res)),
               STR_ARG(t->name), paused ? "paused" : "resumed");
    return err;
}

static struct err *rollout_do_pause(struct kube_args *args, const struct kube_target *t)
{
    return rollout_pause(args, t, true);
}

static struct err *rollout_do_resume(struct kube_args *args, const struct kube_target *t)
{
    return rollout_pause(args, t, false);
}

struct err *cmd_rollout(struct kube_args *args)
{
    static const struct {
        const char *name;
        struct err *(*run)(struct kube_args *, const struct kube_target *);
    } verbs[] = {
        {"status", rollout_status},   {"history", rollout_history}, {"undo", rollout_undo},
        {"restart", rollout_restart}, {"pause", rollout_do_pause},  {"resume", rollout_do_resume},
    };
    struct kube_targets t = {0};
    struct err *err;

    if (args->n < 2)
        return err_new(REASON_BAD_REQUEST,
                       "usage: rollout status|history|undo|restart|pause|resume TYPE/NAME");
    err = kube_targets_of_args(args->k, args->args + 1, args->n - 1, &t);
    if (err)
        return err;
    for (size_t v = 0; v < ARRAY_LEN(verbs); v++) {
        if (strcmp(verbs[v].name, args->args[0]))
            continue;
        for (size_t i = 0; !err && i < t.n; i++)
            err = verbs[v].run(args, &t.items[i]);
        return err;
    }
    return err_new(REASON_BAD_REQUEST, "unknown command \"%s\" for \"kubectl rollout\"",
                   args->args[0]);
}

/* ---- wait ---- */

struct condition {
    bool deleted;
    str type, status; /* --for=condition=TYPE[=STATUS] */
    str path, value;  /* --for=jsonpath={...}[=VALUE] */
};

static struct err *condition_parse(str s, struct condition *ret)
{
    if (str_is(s, "delete")) {
        ret->deleted = true;
        return NULL;
    }
    if (str_has_prefix(s, S("condition="))) {
        s = str_skip(s, 10);
        str_cut(&s, '=', &ret->type);
        ret->status = s.n ? s : S("True");
        return NULL;
    }
    if (str_has_prefix(s, S("jsonpath="))) {
        ptrdiff_t end;

        s = str_skip(s, 9);
        end = str_rindex(s, '}');
        ret->path = end < 0 ? s : str_slice(s, 0, (size_t)end + 1);
        ret->value = end < 0 ? STR_NONE : str_skip(s, (size_t)end + 1);
        if (ret->value.n && ret->value.p[0] == '=')
            ret->value = str_skip(ret->value, 1);
        return NULL;
    }
    return err_new(REASON_BAD_REQUEST, "unrecognized condition: \"" PRI_STR "\"", STR_ARG(s));
}

static struct err *look_condition(struct until *u, str type, struct json *object, bool *ret_done)
{
    const struct condition *c = u->ctx;
    bool gone = !object || str_is(type, "DELETED");

    if (c->deleted) {
        *ret_done = gone;
        return NULL;
    }
    if (gone)
        return err_new(REASON_NOT_FOUND, PRI_STR " \"" PRI_STR "\" not found",
                       STR_ARG(u->t->res.plural), STR_ARG(u->t->name));
    if (c->path.n) {
        CLEANUP(buf) struct buf out = BUF_INIT;
        struct err *err = jsonpath_eval(u->k->a, c->path, object, &out);

        if (err)
            return err;
        *ret_done = c->value.n ? str_eq(buf_view(&out), c->value) : out.n > 0;
        return NULL;
    }
    JSON_EACH(item, json_path(object, "status.conditions"))
        if (str_eq_nocase(json_get_str(item, "type"), c->type))
            *ret_done = str_eq_nocase(json_get_str(item, "status"), c->status);
    return NULL;
}

struct err *cmd_wait(struct kube_args *args)
{
    struct kubectl *k = args->k;
    struct condition c = {0};
    struct kube_targets named = {0}, t = {0};
    mono_time end;
    int64_t timeout_ns;
    struct err *kept = NULL, *err = condition_parse(args->f->condition, &c);

    if (!err)
        err = timeout_of(args->f->timeout, 30 * NS_PER_S, &timeout_ns);
    if (!err)
        err = args->f->n_files ? kube_targets_of_files(k, args->f->files, args->f->n_files,
                                                       args->f->recursive, &named)
                               : kube_targets_of_args(k, args->args, args->n, &named);
    if (err)
        return err;
    for (size_t i = 0; i < named.n; i++) {
        struct json *list;
        CLEANUP(buf) struct buf q = BUF_INIT;

        if (named.items[i].name.n) {
            t.items = arena_grow(k->a, t.items, t.n * sizeof *t.items, (t.n + 1) * sizeof *t.items);
            t.items[t.n++] = named.items[i];
            continue;
        }
        if (args->f->selector.n) {
            buf_z(&q, "?labelSelector=");
            http_percent_encode(&q, args->f->selector);
        } else if (!args->f->all) {
            return err_new(REASON_BAD_REQUEST, "name, --selector or --all is required");
        }
        err = kube_call_json(
            k,
            &(struct kube_request){
                .method = "GET",
                .path =
                    arena_fmt(k->a, PRI_STR PRI_STR,
                              STR_ARG(kube_path(k, &named.items[i].res,
                                                k->all_namespaces ? STR_NONE : named.items[i].ns,
                                                STR_NONE, STR_NONE)),
                              STR_ARG(buf_view(&q)))},
            &list);
        if (err)
            return err;
        JSON_EACH(item, json_findz(list, "items")) {
            struct kube_target one = named.items[i];

            one.name = json_get_str(item, "metadata.name");
            one.ns = json_get_str(item, "metadata.namespace");
            t.items = arena_grow(k->a, t.items, t.n * sizeof one, (t.n + 1) * sizeof one);
            t.items[t.n++] = one;
        }
    }
    if (t.n == 0)
        return err_new(REASON_NOT_FOUND, "no matching resources found");
    /* The time is for all of them together. */
    end.ns = loop_now(k->loop).ns + timeout_ns;
    for (size_t i = 0; i < t.n; i++) {
        struct until u = {.k = k, .t = &t.items[i], .look = look_condition, .ctx = &c};
        int64_t left = end.ns - loop_now(k->loop).ns;

        err = until_run(&u, timeout_ns ? MAX(left, (int64_t)NS_PER_MS) : 0);
        if (!err) {
            printf(PRI_STR "/" PRI_STR " condition met\n",
                   STR_ARG(kube_full_name(k->a, &t.items[i].res)), STR_ARG(t.items[i].name));
            fflush(stdout);
            continue;
        }
        if (t.n > 1) /* several errors are shown without a word before them */
            err = err_note(err, KUBE_PLAIN);
        kube_keep_error(&kept, err);
    }
    return kept;
}
