/* bind.c - what the scheduler writes: bindings, the PodScheduled condition, evictions, events.
 *
 * A pod may go away while a request about it is on its way; requests carry the pod's uid and find out by it. */
#include "scheduler/scheduler_internal.h"

struct request { /* one call about one pod */
    struct scheduler *s;
    struct list link;
    struct client_call *call;
    struct pod *pod; /* of a binding: in place POD_BINDING until it is over; else NULL */
    char *what;
};

static struct request *request_new(struct scheduler *s)
{
    struct request *r = NEW(struct request);

    r->s = s;
    list_add_tail(&s->requests, &r->link);
    return r;
}

static void request_free(struct request *r)
{
    list_del(&r->link);
    mem_free(r->what);
    mem_free(r);
}

void requests_cancel(struct scheduler *s)
{
    while (!list_is_empty(&s->requests)) {
        struct request *r = LIST_ITEM(s->requests.next, struct request, link);

        client_cancel(r->call);
        if (r->pod && r->pod->gone) { /* nobody else knows it any more */
            node_take_pod(s, r->pod);
            pod_free(s, r->pod);
        }
        request_free(r);
    }
}

static void send(struct scheduler *s, const char *method, const struct pod *p, const char *sub,
                 const char *content_type, const struct json *body, client_done_fn *done,
                 struct request *r)
{
    CLEANUP(buf) struct buf path = BUF_INIT, text = BUF_INIT;

    buf_api_path(&path, STR_NONE, S("v1"), S("pods"), str_of(p->ns), str_of(p->name), str_of(sub));
    if (body)
        json_encode(&text, body);
    r->call = client_do(s->client,
                        &(struct client_request){.method = method,
                                                 .path = buf_view(&path),
                                                 .content_type = content_type,
                                                 .body = buf_view(&text)},
                        done, r);
}

static struct json *pod_binding(struct arena *a, const struct pod *p)
{
    struct json *o = json_new(a, json_object()), *m;

    json_setz(a, o, "apiVersion", json_z("v1"));
    json_setz(a, o, "kind", json_z("Binding"));
    m = json_setz(a, o, "metadata", json_object());
    json_setz(a, m, "name", json_z(p->name));
    json_setz(a, m, "namespace", json_z(p->ns));
    json_setz(a, m, "uid", json_z(p->uid));
    return o;
}

/* ---- events ---- */
static struct event_about pod_about(struct arena *a, const struct pod *p)
{
    return (struct event_about){.api_version = S("v1"),
                                .kind = S("Pod"),
                                .ns = str_of(p->ns),
                                .name = str_of(p->name),
                                .uid = str_of(p->uid),
                                .resource_version = arena_fmt(a, "%lld", (long long)p->revision)};
}

static void tell(struct scheduler *s, const struct pod *p, const struct pod *related,
                 const char *type, const char *reason, const char *action, str note)
{
    struct event_about regarding = pod_about(s->dry_arena, p), other = {0};

    if (related)
        other = pod_about(s->dry_arena, related);
    series_record(s->events, &(struct series_event){.regarding = &regarding,
                                                    .related = related ? &other : NULL,
                                                    .type = type,
                                                    .reason = reason,
                                                    .action = action,
                                                    .note = note});
}

/* ---- binding ---- */
static void bound(void *ctx, struct err *err, int status, str body)
{
    struct request *r = ctx;
    struct scheduler *s = r->s;
    struct pod *p = r->pod;

    request_free(r);
    s->n_binding--;
    /* Some waited for their turn to bind; it comes after what is done here. */
    if (!queue_is_empty(s))
        scheduler_wake(s);
    if (err) {
        scheduler_bind_failed(s, p, err);
        return;
    }
    p->place = POD_BOUND;
    if (!p->gone) {
        arena_reset(s->dry_arena);
        tell(s, p, NULL, "Normal", "Scheduled", "Binding",
             arena_fmt(s->dry_arena, "Successfully assigned %s/%s to " PRI_STR, p->ns, p->name,
                       STR_ARG(p->node->name)));
    } else {
        scheduler_release(s, p);
        pod_free(s, p);
    }
}

void bind_pod(struct scheduler *s, struct pod *p)
{
    struct arena *a = s->dry_arena;
    struct request *r = request_new(s);
    struct json *body, *target;

    arena_reset(a);
    body = pod_binding(a, p);
    target = json_setz(a, body, "target", json_object());
    json_setz(a, target, "kind", json_z("Node"));
    json_setz(a, target, "name", json_string(p->node->name));
    r->pod = p;
    s->n_binding++;
    send(s, "POST", p, "binding", "application/json", body, bound, r);
}

/* ---- conditions ---- */
static void told(void *ctx, struct err *err, int status, str body)
{
    struct request *r = ctx;

    /* The pod may be gone, or changed: its next event brings it back here. */
    if (err && err->reason != REASON_NOT_FOUND)
        log_warning("scheduler", "%s: %s", r->what, err_text(err));
    err_free(err);
    request_free(r);
}

static struct request *request_about(struct scheduler *s, const struct pod *p, const char *doing)
{
    struct request *r = request_new(s);
    struct buf what = BUF_INIT;

    buf_fmt(&what, "%s of pod %s/%s", doing, p->ns, p->name);
    r->what = what.p;
    return r;
}

static str now_text(struct scheduler *s, struct arena *a)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_rfc3339(&b, loop_wall(s->loop));
    return arena_dup(a, buf_view(&b));
}

static void patch_condition(struct scheduler *s, const struct pod *p, const char *type,
                            const char *status, str time, const char *reason, str message,
                            const char *nominated, const char *doing)
{
    struct arena *a = s->dry_arena;
    struct json *body = json_new(a, json_object()), *m, *st, *c;

    m = json_setz(a, body, "metadata", json_object());
    json_setz(a, m, "uid", json_z(p->uid));
    st = json_setz(a, body, "status", json_object());
    c = json_append(a, json_setz(a, st, "conditions", json_array()), json_object());
    json_setz(a, c, "type", json_z(type));
    json_setz(a, c, "status", json_z(status));
    json_setz(a, c, "lastProbeTime", json_null());
    json_setz(a, c, "lastTransitionTime", json_string(time));
    json_setz(a, c, "reason", json_z(reason));
    json_setz(a, c, "message", json_string(message));
    if (p->generation)
        json_setz(a, c, "observedGeneration", json_int(p->generation));
    if (nominated)
        json_setz(a, st, "nominatedNodeName", *nominated ? json_z(nominated) : json_null());
    send(s, "PATCH", p, "status", "application/strategic-merge-patch+json", body, told,
         request_about(s, p, doing));
}

void patch_for(struct scheduler *s, const struct pod *p, const char *what, str path,
               const struct json *body)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    struct request *r = request_about(s, p, what);

    json_encode(&text, body);
    r->call = client_do(s->client,
                        &(struct client_request){.method = "PATCH",
                                                 .path = path,
                                                 .content_type = "application/merge-patch+json",
                                                 .body = buf_view(&text)},
                        told, r);
}

void report_failure(struct scheduler *s, struct pod *p, str message)
{
    str rest = p->condition ? str_of(p->condition) : STR_NONE, status = STR_NONE, reason = STR_NONE,
        time = STR_NONE;
    bool same;

    arena_reset(s->dry_arena);
    tell(s, p, NULL, "Warning", "FailedScheduling", "Scheduling", message);
    str_cut(&rest, '\n', &status);
    str_cut(&rest, '\n', &reason);
    str_cut(&rest, '\n', &time);
    same = str_is(status, "False") && str_is(reason, "Unschedulable") && str_eq(rest, message);
    if (same && !p->nominated)
        return;
    time = str_is(status, "False") && time.n ? arena_dup(s->dry_arena, time)
                                             : now_text(s, s->dry_arena);
    mem_free(
        p->condition); /* the watch will confirm it; until then this is what was written last */
    p->condition = str_dupz(arena_fmt(s->dry_arena, "False\nUnschedulable\n" PRI_STR "\n" PRI_STR,
                                      STR_ARG(time), STR_ARG(message)));
    patch_condition(s, p, "PodScheduled", "False", time, "Unschedulable", message,
                    p->nominated ? arena_dupz(s->dry_arena, p->nominated->name) : NULL,
                    "condition");
}

/* ---- evictions ---- */
void evict(struct scheduler *s, const struct pod *victim, const struct pod *preemptor,
           const struct node *n)
{
    arena_reset(s->dry_arena);
    patch_condition(
        s, victim, "DisruptionTarget", "True", now_text(s, s->dry_arena), "PreemptionByScheduler",
        S(SCHEDULER_NAME ": preempting to accommodate a higher priority pod"), NULL, "disruption");
    send(s, "DELETE", victim, "", NULL, NULL, told, request_about(s, victim, "eviction"));
    tell(s, victim, preemptor, "Normal", "Preempted", "Preempting",
         arena_fmt(s->dry_arena, "Preempted by pod %s on node " PRI_STR, preemptor->uid,
                   STR_ARG(n->name)));
}
