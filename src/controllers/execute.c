/* execute.c - carries a plan out: step by step, within a step many requests at once.
 *
 * Invariants
 *   (1) A step begins when the one before has been answered completely. After a failure only
 * ACT_ALWAYS actions still run. (2) Slow start: creations of one template begin with one request;
 * each success allows one more at a time, the first failure stops the rest. A template that the
 * server refuses costs one request per try, not five hundred
 *       (https://github.com/kubernetes/kubernetes/issues/43168).
 *   (3) Nothing of a plan borrows from the caches once reconcile has returned: it outlives their
 * objects. (4) Whatever was written is noted in the key's memory, so that it is not looked at again
 * before the caches show it.
 *
 * Not here: retries (controllers.c). */
#include "controllers/framework.h"

#define IN_FLIGHT_MAX 256 /* requests of one plan under way */

struct sent { /* one request under way; in the plan's arena */
    struct run *run;
    uint32_t action;
};

static void run_advance(struct run *run);

static void event_of(struct run *run, const struct action_event *e, str what)
{
    ptrdiff_t at;

    if (!e->on)
        return;
    at = str_find(e->text, S("%s"));
    if (at < 0)
        event_record(run->c->recorder, e->on, STR_NONE, e->type, e->reason, PRI_STR,
                     STR_ARG(e->text));
    else
        event_record(run->c->recorder, e->on, STR_NONE, e->type, e->reason, PRI_STR PRI_STR PRI_STR,
                     (int)at, e->text.p, STR_ARG(what), STR_ARG(str_skip(e->text, (size_t)at + 2)));
}

static bool kind_is_cached(const struct run *run, const struct kind *k, enum kind_id *ret)
{
    if (k < kinds || k >= kinds + K_N || !run->r.caches[k - kinds])
        return false;
    *ret = (enum kind_id)(k - kinds);
    return true;
}

static void note_success(struct run *run, const struct action *act, str body)
{
    enum kind_id k;
    int64_t revision;

    if (!kind_is_cached(run, act->kind, &k))
        return;
    if (act->type == ACT_DELETE) {
        const struct obj *o = informer_find(run->r.caches[k], act->ns, act->name);

        if (o && str_eq(o->uid, act->uid))
            memory_deleted(run->memory, k, o);
    } else if (str_to_int64(client_text_find(body, "metadata.resourceVersion"), &revision)) {
        memory_wrote(run->memory, k, revision);
    }
}

static bool is_forgiven(const struct action *act, const struct err *err)
{
    if ((act->flags & ACT_IGNORE_NOT_FOUND) && err->reason == REASON_NOT_FOUND)
        return true;
    if ((act->flags & ACT_IGNORE_EXISTS) && err->reason == REASON_ALREADY_EXISTS)
        return true;
    if ((act->flags & ACT_IGNORE_CONFLICT) && err->reason == REASON_CONFLICT)
        return true;
    if (act->flags & ACT_IGNORE_TERMINATING)
        for (unsigned i = 0; i < err->n_causes; i++)
            if (err->causes[i].type && !strcmp(err->causes[i].type, "NamespaceTerminating"))
                return true;
    return false;
}

static void note_failure(struct run *run, const struct action *act, const struct err *err)
{
    enum log_level level =
        err->reason == REASON_CONFLICT || err->reason == REASON_NOT_FOUND ? LOG_DEBUG : LOG_WARNING;
    str name = act->name.n ? act->name : act->label;

    if (log_level_max >= level)
        log_line(level, run->c->type->name, "%s: %s " PRI_STR " " PRI_STR ": %s", run->memory->key,
                 act->type == ACT_CREATE   ? "create"
                 : act->type == ACT_DELETE ? "delete"
                                           : "write",
                 STR_ARG(act->kind->plural), STR_ARG(name), err_text(err));
    event_of(run, &act->failure, str_of(err_text(err)));
    if (act->flags & ACT_PUSH_FAILURE) {
        mem_free(run->memory->failure);
        run->memory->failure = mem_strdup(err_text(err));
        run->push_failed = true;
    }
}

static void action_done(void *ctx, struct err *err, int status, str body)
{
    struct sent *s = ctx;
    struct run *run = s->run;
    const struct action *act = &run->r.plan.actions[s->action];

    run->calls[s->action] = NULL;
    run->in_flight--;
    if (!err) {
        note_success(run, act, body);
        event_of(run, &act->success, client_text_find(body, "metadata.name"));
        run->window = MIN(run->window + 1, (uint32_t)IN_FLIGHT_MAX);
    } else if (!is_forgiven(act, err)) {
        note_failure(run, act, err);
        run->failed = true;
        run->slow_failed |= act->flags & ACT_SLOW_START;
    } else if (act->flags & ACT_IGNORE_TERMINATING) {
        run->slow_failed = true; /* the others would be refused as well */
    }
    err_free(err);
    run_advance(run);
}

static void action_path(const struct action *act, struct buf *path)
{
    buf_api_path(path, act->kind->group, act->kind->version, act->kind->plural, act->ns,
                 act->type == ACT_CREATE ? STR_NONE : act->name, act->sub);
    if (act->query)
        buf_z(path, act->query);
}

static void delete_options(const struct action *act, struct buf *body)
{
    buf_z(body, "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\"");
    if (act->grace_s >= 0)
        buf_fmt(body, ",\"gracePeriodSeconds\":%lld", (long long)act->grace_s);
    if (act->propagation)
        buf_fmt(body, ",\"propagationPolicy\":\"%s\"", act->propagation);
    if (act->uid.n) {
        buf_z(body, ",\"preconditions\":{\"uid\":");
        json_encode_string(body, act->uid);
        if (act->resource_version.n) {
            buf_z(body, ",\"resourceVersion\":");
            json_encode_string(body, act->resource_version);
        }
        buf_char(body, '}');
    }
    buf_char(body, '}');
}

static void action_send(struct run *run, uint32_t i)
{
    static const char *const methods[] = {
        [ACT_CREATE] = "POST", [ACT_UPDATE] = "PUT",    [ACT_UPDATE_STATUS] = "PUT",
        [ACT_PATCH] = "PATCH", [ACT_DELETE] = "DELETE", [ACT_EVENT] = NULL};
    const struct action *act = &run->r.plan.actions[i];
    CLEANUP(buf) struct buf path = BUF_INIT, body = BUF_INIT;
    struct sent *s;

    if (act->type == ACT_EVENT) {
        event_of(run, &act->success, STR_NONE);
        return;
    }
    action_path(act, &path);
    if (act->type == ACT_DELETE)
        delete_options(act, &body);
    else
        buf_str(&body, act->text);
    s = ARENA_NEW(run->r.a, struct sent);
    *s = (struct sent){run, i};
    run->in_flight++;
    run->calls[i] = client_do(run->c->m->client,
                              &(struct client_request){.method = methods[act->type],
                                                       .path = buf_view(&path),
                                                       .body = buf_view(&body),
                                                       .content_type = act->patch_type},
                              action_done, s);
}

static void run_advance(struct run *run)
{
    const struct plan *p = &run->r.plan;

    while (run->next < p->n) {
        const struct action *act = &p->actions[run->next];

        if (act->step != run->step) {
            if (run->in_flight)
                return;
            run->step = act->step;
            run->window = 1;
            run->step_failed = run->failed;
        }
        if ((run->step_failed && !(act->flags & ACT_ALWAYS)) ||
            ((act->flags & ACT_SLOW_START) && run->slow_failed)) {
            run->next++;
            continue;
        }
        if (run->in_flight >= ((act->flags & ACT_SLOW_START) ? run->window : IN_FLIGHT_MAX))
            return;
        action_send(run, run->next++);
    }
    if (!run->in_flight)
        run_finished(run);
}

/* Invariant (3). A template that five hundred creations share is encoded once. */
static void run_seal(struct run *run)
{
    struct arena *a = run->r.a;

    for (uint32_t i = 0; i < run->r.plan.n; i++) {
        struct action *act = &run->r.plan.actions[i];
        CLEANUP(buf) struct buf b = BUF_INIT;

        if (act->type == ACT_EVENT)
            continue;
        act->ns = arena_dup(a, act->ns);
        act->name = arena_dup(a, act->name);
        act->uid = arena_dup(a, act->uid);
        if (!act->body)
            continue;
        if (!act->name.n)
            act->label = arena_dup(a, json_get_str(act->body, "metadata.name").n
                                          ? json_get_str(act->body, "metadata.name")
                                          : json_get_str(act->body, "metadata.generateName"));
        if (i && act->body == act[-1].body && act->type == act[-1].type) {
            act->text = act[-1].text;
            continue;
        }
        json_encode(&b, act->body);
        act->text = arena_dup(a, buf_view(&b));
    }
}

void run_execute(struct run *run)
{
    run_seal(run);
    run->window = 1;
    run->calls = ARENA_NEW_N(run->r.a, struct client_call *, run->r.plan.n + 1);
    run_advance(run);
}

void run_cancel(struct run *run)
{
    for (uint32_t i = 0; run->calls && i < run->r.plan.n; i++)
        client_cancel(TAKE(run->calls[i]));
    list_del(&run->link);
    arena_free(run->r.a);
    mem_free(run);
}
