/* pod_runtime.c - what the runtime has of one pod; see pod_runtime.h.
 *
 * Two lists (sandboxes, containers, by the pod's uid), then the newest sandbox's status for its addresses and each container's for
 * what a list does not tell. An ended container's status is final and taken over from the snapshot before. */
#include "kubelet/pod_runtime.h"

#define PER_POD_MAX                                                                                \
    1024 /* containers of one pod, dead ones included; more are left for the clean-up */

struct pod_runtime *pod_runtime_new(void)
{
    struct arena *a = arena_new();
    struct pod_runtime *r = ARENA_NEW(a, struct pod_runtime);

    r->arena = a;
    return r;
}

void pod_runtime_free(struct pod_runtime *r)
{
    if (r)
        arena_free(r->arena);
}

const struct rt_sandbox *pod_runtime_sandbox(const struct pod_runtime *r)
{
    return r && r->n_sandboxes ? &r->sandboxes[0] : NULL;
}

const struct rt_container *pod_runtime_find(const struct pod_runtime *r, str name, size_t nth)
{
    for (size_t i = 0; r && i < r->n_containers; i++)
        if (str_eq(r->containers[i].name, name) && nth-- == 0)
            return &r->containers[i];
    return NULL;
}

const struct rt_container *pod_runtime_find_in(const struct pod_runtime *r, str sandbox_id,
                                               str name)
{
    for (size_t i = 0; r && i < r->n_containers; i++)
        if (str_eq(r->containers[i].name, name) && str_eq(r->containers[i].sandbox_id, sandbox_id))
            return &r->containers[i];
    return NULL;
}

const struct rt_container *pod_runtime_find_id(const struct pod_runtime *r, str id)
{
    for (size_t i = 0; r && i < r->n_containers; i++)
        if (str_eq(r->containers[i].id, id))
            return &r->containers[i];
    return NULL;
}

bool pod_runtime_any_running(const struct pod_runtime *r)
{
    for (size_t i = 0; r && i < r->n_containers; i++)
        if (r->containers[i].state == CONTAINER_STATE_RUNNING)
            return true;
    return false;
}

/* ---- from CRI's messages ---- */

static str get(struct pod_runtime *r, const struct json *obj, const char *path)
{
    return arena_dup(r->arena, json_get_str(obj, path));
}

static str note(const struct json *item, const char *set, const char *key)
{
    return json_str(json_findz(json_findz(item, set), key));
}

static int64_t note_int(const struct json *item, const char *key, int64_t otherwise)
{
    int64_t v;

    return str_to_int64(note(item, "annotations", key), &v) ? v : otherwise;
}

void pod_runtime_add_sandbox(struct pod_runtime *r, const struct json *item)
{
    struct rt_sandbox s = {
        .id = get(r, item, "id"),
        .attempt = (uint32_t)json_get_int(item, "metadata.attempt", 0),
        .ready = json_get_int(item, "state", 0) == SANDBOX_READY,
        .created_ns = json_get_int(item, "created_at", 0),
    };
    size_t at = 0;

    if (r->n_sandboxes == PER_POD_MAX)
        return;
    if (!r->uid.n) {
        r->name = arena_dup(r->arena, note(item, "labels", LABEL_POD_NAME));
        r->ns = arena_dup(r->arena, note(item, "labels", LABEL_POD_NAMESPACE));
        r->uid = arena_dup(r->arena, note(item, "labels", LABEL_POD_UID));
    }
    r->sandboxes = arena_grow(r->arena, r->sandboxes, r->n_sandboxes * sizeof s,
                              (r->n_sandboxes + 1) * sizeof s);
    while (at < r->n_sandboxes && r->sandboxes[at].created_ns > s.created_ns)
        at++;
    memmove(&r->sandboxes[at + 1], &r->sandboxes[at], (r->n_sandboxes - at) * sizeof s);
    r->sandboxes[at] = s;
    r->n_sandboxes++;
}

void pod_runtime_set_sandbox_status(struct pod_runtime *r, const struct json *status)
{
    str id = json_get_str(status, "id"), ip = json_get_str(status, "network.ip");
    const struct json *more = json_at(status, "network", "additional_ips", NULL);

    for (size_t i = 0; i < r->n_sandboxes; i++) {
        struct rt_sandbox *s = &r->sandboxes[i];
        str *ips;

        if (!str_eq(s->id, id))
            continue;
        s->ready = json_get_int(status, "state", 0) == SANDBOX_READY;
        s->host_network = json_get_int(status, "linux.namespaces.options.network", NAMESPACE_POD) ==
                          NAMESPACE_NODE;
        if (!ip.n || s->host_network)
            return;
        ips = ARENA_NEW_N(r->arena, str, 1 + json_count(more));
        ips[s->n_ips++] = arena_dup(r->arena, ip);
        JSON_EACH(m, more)
            ips[s->n_ips++] = get(r, m, "ip");
        s->ips = ips;
    }
}

struct rt_container *pod_runtime_add_container(struct pod_runtime *r, const struct json *item)
{
    struct rt_container c = {
        .id = get(r, item, "id"),
        .name = arena_dup(r->arena, note(item, "labels", LABEL_CONTAINER_NAME)),
        .sandbox_id = get(r, item, "pod_sandbox_id"),
        .image = get(r, item, "image.image"),
        .image_ref = get(r, item, "image_ref"),
        .hash = arena_dup(r->arena, note(item, "annotations", NOTE_HASH)),
        .state = (int)json_get_int(item, "state", CONTAINER_STATE_CREATED),
        .restart_count =
            note_int(item, NOTE_RESTART_COUNT, json_get_int(item, "metadata.attempt", 0)),
        .created_ns = json_get_int(item, "created_at", 0),
        .termination_policy =
            arena_dup(r->arena, note(item, "annotations", NOTE_TERMINATION_POLICY)),
        .grace_s = note_int(item, NOTE_GRACE, -1),
    };
    size_t at = 0;

    if (r->n_containers == PER_POD_MAX)
        return NULL;
    if (!r->uid.n) {
        r->name = arena_dup(r->arena, note(item, "labels", LABEL_POD_NAME));
        r->ns = arena_dup(r->arena, note(item, "labels", LABEL_POD_NAMESPACE));
        r->uid = arena_dup(r->arena, note(item, "labels", LABEL_POD_UID));
    }
    r->containers = arena_grow(r->arena, r->containers, r->n_containers * sizeof c,
                               (r->n_containers + 1) * sizeof c);
    while (at < r->n_containers && r->containers[at].created_ns > c.created_ns)
        at++;
    memmove(&r->containers[at + 1], &r->containers[at], (r->n_containers - at) * sizeof c);
    r->containers[at] = c;
    r->n_containers++;
    return &r->containers[at];
}

void pod_runtime_set_container_status(struct pod_runtime *r, struct rt_container *c,
                                      const struct json *status)
{
    str path = note(status, "annotations", NOTE_TERMINATION_PATH);
    const struct json *user = json_at(status, "user", "linux", NULL);

    c->state = (int)json_get_int(status, "state", CONTAINER_STATE_CREATED);
    c->exit_code = (int)json_get_int(status, "exit_code", 0);
    c->created_ns = json_get_int(status, "created_at", c->created_ns);
    c->started_ns = json_get_int(status, "started_at", 0);
    c->finished_ns = json_get_int(status, "finished_at", 0);
    c->reason = get(r, status, "reason");
    c->message = get(r, status, "message");
    c->log_path = get(r, status, "log_path");
    if (json_get_str(status, "image.image").n)
        c->image = get(r, status, "image.image");
    if (json_get_str(status, "image_ref").n)
        c->image_ref = get(r, status, "image_ref");
    if (user)
        c->user = json_new(r->arena, json_copy(r->arena, user));
    JSON_EACH(m, json_findz(status, "mounts"))
        if (path.n && str_eq(json_get_str(m, "container_path"), path))
            c->termination_host_path = get(r, m, "host_path");
}

static void take_over(struct pod_runtime *r, struct rt_container *c,
                      const struct rt_container *prev)
{
    struct arena *a = r->arena;

    c->state = prev->state;
    c->exit_code = prev->exit_code;
    c->started_ns = prev->started_ns;
    c->finished_ns = prev->finished_ns;
    c->reason = arena_dup(a, prev->reason);
    c->message = arena_dup(a, prev->message);
    c->log_path = arena_dup(a, prev->log_path);
    c->image = arena_dup(a, prev->image);
    c->image_ref = arena_dup(a, prev->image_ref);
    c->termination_host_path = arena_dup(a, prev->termination_host_path);
    if (prev->user)
        c->user = json_new(a, json_copy(a, prev->user));
}

/* ---- fetching ---- */

struct fetch {
    struct runtime *rt;
    struct pod_runtime *result;
    const struct pod_runtime *prev;
    char *uid;
    pod_runtime_fn *done;
    void *ctx;
    size_t next; /* container whose status comes next */
};

static void fetch_next(struct fetch *f);

static void fetch_end(struct fetch *f, struct err *err)
{
    struct pod_runtime *result = TAKE(f->result);

    if (err) {
        pod_runtime_free(result);
        result = NULL;
    }
    f->done(f->ctx, err, result);
    mem_free(f->uid);
    mem_free(f);
}

static void on_container_status(void *ctx, struct err *err, const struct json *response)
{
    struct fetch *f = ctx;

    if (err && err->reason != REASON_NOT_FOUND) {
        fetch_end(f, err);
        return;
    }
    if (err) {
        /* It went away between list and status. */
        memmove(&f->result->containers[f->next], &f->result->containers[f->next + 1],
                (f->result->n_containers - f->next - 1) * sizeof f->result->containers[0]);
        f->result->n_containers--;
        err_free(err);
    } else {
        pod_runtime_set_container_status(f->result, &f->result->containers[f->next++],
                                         json_findz(response, "status"));
    }
    fetch_next(f);
}

static void fetch_next(struct fetch *f)
{
    CLEANUP(arena) struct arena *a = NULL;
    struct json request = json_object();

    for (; f->next < f->result->n_containers; f->next++) {
        struct rt_container *c = &f->result->containers[f->next];
        const struct rt_container *prev = pod_runtime_find_id(f->prev, c->id);

        if (!prev || prev->state != CONTAINER_STATE_EXITED)
            break;
        take_over(f->result, c, prev);
    }
    if (f->next == f->result->n_containers) {
        fetch_end(f, NULL);
        return;
    }
    a = arena_new();
    json_setz(a, &request, "container_id", json_string(f->result->containers[f->next].id));
    runtime_call(f->rt, RUNTIME_CONTAINER_STATUS, &request, 0, on_container_status, f);
}

static void on_sandbox_status(void *ctx, struct err *err, const struct json *response)
{
    struct fetch *f = ctx;

    if (err && err->reason != REASON_NOT_FOUND) {
        fetch_end(f, err);
        return;
    }
    if (err)
        f->result->sandboxes[0].ready = false;
    else
        pod_runtime_set_sandbox_status(f->result, json_findz(response, "status"));
    err_free(err);
    fetch_next(f);
}

static void on_containers(void *ctx, struct err *err, const struct json *response)
{
    CLEANUP(arena) struct arena *a = NULL;
    struct json request = json_object();
    struct fetch *f = ctx;

    if (err) {
        fetch_end(f, err);
        return;
    }
    JSON_EACH(item, json_findz(response, "containers"))
        pod_runtime_add_container(f->result, item);
    if (!f->result->n_sandboxes || !f->result->sandboxes[0].ready) {
        fetch_next(f);
        return;
    }
    a = arena_new();
    json_setz(a, &request, "pod_sandbox_id", json_string(f->result->sandboxes[0].id));
    runtime_call(f->rt, RUNTIME_POD_SANDBOX_STATUS, &request, 0, on_sandbox_status, f);
}

static struct json *uid_filter(struct arena *a, const char *uid)
{
    struct json *request = json_new(a, json_object());
    struct json *filter = json_setz(a, request, "filter", json_object());
    struct json *labels = json_setz(a, filter, "label_selector", json_object());

    json_setz(a, labels, LABEL_POD_UID, json_z(uid));
    return request;
}

static void on_sandboxes(void *ctx, struct err *err, const struct json *response)
{
    CLEANUP(arena) struct arena *a = NULL;
    struct fetch *f = ctx;

    if (err) {
        fetch_end(f, err);
        return;
    }
    JSON_EACH(item, json_findz(response, "items"))
        pod_runtime_add_sandbox(f->result, item);
    a = arena_new();
    runtime_call(f->rt, RUNTIME_LIST_CONTAINERS, uid_filter(a, f->uid), 0, on_containers, f);
}

void pod_runtime_fetch(struct runtime *rt, str uid, const struct pod_runtime *prev,
                       pod_runtime_fn *done, void *ctx)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct fetch *f = NEW(struct fetch);

    *f = (struct fetch){.rt = rt,
                        .result = pod_runtime_new(),
                        .prev = prev,
                        .uid = str_dupz(uid),
                        .done = done,
                        .ctx = ctx};
    runtime_call(rt, RUNTIME_LIST_POD_SANDBOX, uid_filter(a, f->uid), 0, on_sandboxes, f);
}
