/* worker_status.c - what the API is told of a pod, and when: on every difference, one patch at a time. */
#include "kubelet/kubelet_internal.h"

#define PATCH_RETRY_NS NS_PER_S
#define SAME_AGAIN_NS                                                                              \
    (10 * NS_PER_S) /* an answer that does not say what was told is not argued with more often */

/* What this agent has told stands in for the API's version until the informer shows it: times of conditions come from there. */
void worker_overlay_status(struct pod_worker *w)
{
    struct json *status;

    if (!w->sent || !w->pod)
        return;
    status = json_make(w->arena, w->pod, "status", JSON_OBJECT);
    JSON_EACH_MEMBER(m, w->sent) {
        struct json v = json_copy(w->arena, &m->value);

        if (str_is(m->key, "conditions"))
            JSON_EACH(c, json_findz(status, "conditions")) { /* others' conditions stay */
                bool ours = false;

                JSON_EACH(s, &v)
                    ours |= str_eq(json_get_str(s, "type"), json_get_str(c, "type"));
                if (!ours)
                    json_append(w->arena, &v, json_copy(w->arena, c));
            }
        json_set(w->arena, status, arena_dup(w->arena, m->key), v);
    }
}

struct patch {
    struct pod_worker *w;
    struct arena *arena;
    struct json *status;
};

static int64_t revision_in(str body)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *v = NULL;
    struct err *err = json_parse(a, body, NULL, NULL, &v);
    int64_t revision = 0;

    if (!err)
        str_to_int64(json_get_str(v, "metadata.resourceVersion"), &revision);
    err_free(err);
    return revision;
}

static void on_patched(void *ctx, struct err *err, int status, str body)
{
    struct patch *p = ctx;
    struct pod_worker *w = p->w;

    if (!worker_return(w)) {
        err_free(err);
        arena_free(p->arena);
        mem_free(p);
        return;
    }
    w->patching = false;
    if (err) {
        if (err->reason != REASON_NOT_FOUND && err->reason != REASON_CONFLICT)
            log_warning("kubelet", "pod %s/%s: cannot tell its status: %s", w->ns, w->name,
                        err_text(err));
        arena_free(p->arena);
        if (err->reason == REASON_NOT_FOUND) { /* the informer will say so too */
            err_free(err);
            mem_free(p);
            return;
        }
        err_free(err);
        w->told_hash = 0;
        worker_wake_in(w, PATCH_RETRY_NS);
    } else {
        arena_free(w->sent_arena);
        w->sent_arena = p->arena;
        w->sent = p->status;
        w->sent_revision = revision_in(body);
        if (w->obj && w->obj->revision >= w->sent_revision && w->sent_revision) {
            w->sent = NULL; /* the informer was faster */
            arena_free(TAKE(w->sent_arena));
        }
        worker_overlay_status(w);
        worker_wake(w);
    }
    mem_free(p);
}

bool worker_publish(struct pod_worker *w, bool finished)
{
    static const char *const method = "PATCH";
    CLEANUP(buf) struct buf path = BUF_INIT;
    CLEANUP(buf) struct buf body = BUF_INIT;
    struct pod_status_input in = {
        .pod = w->pod,
        .containers = w->containers,
        .n_containers = w->n_containers,
        .rt = w->rt,
        .now = loop_wall(w->k->loop),
        .runtime_name = w->k->runtime_name,
        .host_ip = w->k->o.node_ip,
        .finished = finished,
        .fail_reason = str_of(w->fail_reason),
        .fail_message = str_of(w->fail_message),
        .resize_type = w->resize_type,
        .resize_reason = w->resize_reason,
        .resize_message = str_of(w->resize_message),
    };
    struct client_request request = {.method = method,
                                     .content_type = "application/strategic-merge-patch+json"};
    struct arena *a;
    mono_time now = loop_now(w->k->loop);
    struct json status;
    struct patch *p;
    uint64_t hash;

    if (w->forgotten || !w->pod)
        return true;
    if (w->patching)
        return false;
    for (size_t i = 0; i < w->n_containers; i++) { /* a step may have changed them since it began */
        struct container_local *l = worker_local(w, w->containers[i].name);

        w->containers[i].in_hook = container_start_is_in_hook(w, w->containers[i].name);
        w->containers[i].waiting_reason = str_of(l->waiting_reason);
        w->containers[i].waiting_message = str_of(l->waiting_message);
    }
    a = arena_new();
    pod_status_make(a, &in, &status);
    if (!pod_status_differs(json_findz(w->pod, "status"), &status)) {
        arena_free(a);
        return true;
    }
    p = NEW(struct patch);
    *p = (struct patch){w, a, NULL};
    p->status = json_new(a, json_copy(a, &status));
    pod_status_patch(a, w->pod, &status, &body);
    hash = str_hash(buf_view(&body));
    if (hash == w->told_hash && now.ns - w->told_at.ns < SAME_AGAIN_NS) {
        arena_free(p->arena);
        mem_free(p);
        worker_wake_in(w, SAME_AGAIN_NS);
        return true;
    }
    w->told_hash = hash;
    w->told_at = now;
    buf_api_path(&path, STR_NONE, S("v1"), S("pods"), str_of(w->ns), str_of(w->name), S("status"));
    request.path = buf_view(&path);
    request.body = buf_view(&body);
    w->patching = true;
    worker_call(w);
    client_do(w->k->client, &request, on_patched, p);
    return false;
}
