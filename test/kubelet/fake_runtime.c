/* fake_runtime.c - a container runtime in memory; see fake_runtime.h. */
#include "test/kubelet/fake_runtime.h"

#define STOP_NS (50 * NS_PER_MS) /* a container ends so long after it was asked to */

struct fake_container {
    char *id, *name, *sandbox;
    struct json *config;
    int state, exit_code;
    int64_t created, started, finished;
    bool removed;
};
struct fake_sandbox {
    char *id;
    struct json *config;
    bool ready, removed;
    int64_t created;
    int ip;
};
struct fake_runtime {
    struct runtime rt;
    struct arena *arena;
    struct fake_container *containers[256];
    struct fake_sandbox *sandboxes[256];
    size_t n_containers, n_sandboxes, n_images;
    str images[16];
    size_t counts[RUNTIME_N_CALLS];
    int ids, exec_code;
    int64_t lag_ns;
    struct buf log;
    runtime_event_fn *event;
    void *event_ctx;
};

struct answer {
    struct fake_runtime *f;
    struct arena *arena;
    struct json *response;
    struct err *err;
    runtime_done_fn *done;
    void *ctx;
    struct loop_timer *timer;
};

static int64_t now(const struct fake_runtime *f)
{
    return loop_wall(f->rt.loop).ns;
}

static void on_answer(void *ctx)
{
    struct answer *x = ctx;

    x->done(x->ctx, x->err, x->err ? NULL : x->response);
    loop_timer_free(x->timer);
    arena_free(x->arena);
    mem_free(x);
}

static struct fake_container *find(struct fake_runtime *f, str id)
{
    for (size_t i = 0; i < f->n_containers; i++)
        if (str_is(id, f->containers[i]->id) && !f->containers[i]->removed)
            return f->containers[i];
    return NULL;
}

static struct fake_sandbox *find_sandbox(struct fake_runtime *f, str id)
{
    for (size_t i = 0; i < f->n_sandboxes; i++)
        if (str_is(id, f->sandboxes[i]->id) && !f->sandboxes[i]->removed)
            return f->sandboxes[i];
    return NULL;
}

static bool selected(const struct json *request, const struct json *config)
{
    JSON_EACH_MEMBER(m, json_at(request, "filter", "label_selector", NULL))
        if (!str_eq(json_str(json_find(json_findz(config, "labels"), m->key)), json_str(&m->value)))
            return false;
    return true;
}

static void end_container(struct fake_runtime *f, struct fake_container *c, int code)
{
    if (c->state != CONTAINER_STATE_RUNNING)
        return;
    c->state = CONTAINER_STATE_EXITED;
    c->exit_code = code;
    c->finished = now(f);
    buf_fmt(&f->log, "exit %s %d\n", c->name, code);
    if (f->event)
        f->event(f->event_ctx, RUNTIME_EXITED, str_of(c->id));
}

static struct json describe(struct fake_runtime *f, struct arena *a, struct fake_container *c)
{
    struct json v = json_object(), image = json_object();

    json_setz(a, &v, "id", json_z(c->id));
    json_setz(a, &v, "pod_sandbox_id", json_z(c->sandbox));
    bool lags = c->state == CONTAINER_STATE_EXITED && now(f) < c->finished + f->lag_ns;

    json_setz(a, &v, "state", json_int(lags ? CONTAINER_STATE_RUNNING : c->state));
    json_setz(a, &v, "created_at", json_int(c->created));
    json_setz(a, &v, "started_at", json_int(c->started));
    json_setz(a, &v, "finished_at", json_int(lags ? 0 : c->finished));
    json_setz(a, &v, "exit_code", json_int(c->exit_code));
    json_setz(a, &image, "image",
              json_string(json_get_str(c->config, "image.user_specified_image")));
    json_setz(a, &v, "image", image);
    json_setz(a, &v, "image_ref", json_z("sha256:1"));
    json_setz(a, &v, "labels", *json_findz(c->config, "labels"));
    json_setz(a, &v, "annotations", *json_findz(c->config, "annotations"));
    json_setz(a, &v, "mounts", *json_findz(c->config, "mounts"));
    return v;
}

static struct json describe_sandbox(struct arena *a, struct fake_sandbox *s)
{
    struct json v = json_object(), network = json_object(), linux_status = json_object();

    json_setz(a, &v, "id", json_z(s->id));
    json_setz(a, &v, "metadata", *json_findz(s->config, "metadata"));
    json_setz(a, &v, "state", json_int(s->ready ? SANDBOX_READY : SANDBOX_NOT_READY));
    json_setz(a, &v, "created_at", json_int(s->created));
    json_setz(a, &v, "labels", *json_findz(s->config, "labels"));
    json_setz(a, &network, "ip", json_string(arena_fmt(a, "10.1.0.%d", s->ip)));
    json_setz(a, &v, "network", network);
    json_set(
        a, json_make(a, &linux_status, "namespaces.options", JSON_OBJECT), S("network"),
        json_int(json_get_int(s->config, "linux.security_context.namespace_options.network", 0)));
    json_setz(a, &v, "linux", linux_status);
    return v;
}

static struct err *no_such(const char *what, str id)
{
    return err_new(REASON_NOT_FOUND, "rpc error: code = NotFound desc = %s \"" PRI_STR "\"", what,
                   STR_ARG(id));
}

struct stop {
    struct fake_runtime *f;
    struct fake_container *c;
};

static struct err *serve(struct fake_runtime *f, enum runtime_call_id id, const struct json *q,
                         struct arena *a, struct json *r, int64_t *ret_delay)
{
    str cid = json_get_str(q, "container_id"), sid = json_get_str(q, "pod_sandbox_id");
    struct fake_container *c = find(f, cid);
    struct fake_sandbox *s = find_sandbox(f, sid);
    struct json list = json_array(), v;

    switch ((int)id) {
    case RUNTIME_VERSION:
        json_setz(a, r, "runtime_name", json_z("fake"));
        json_setz(a, r, "runtime_version", json_z("1"));
        return NULL;
    case RUNTIME_STATUS:
        v = json_object();
        json_setz(a, &v, "type", json_z("NetworkReady"));
        json_setz(a, &v, "status", json_bool(true));
        json_append(a, &list, v);
        *json_make(a, r, "status.conditions", JSON_ARRAY) = list;
        return NULL;
    case RUNTIME_RUN_POD_SANDBOX:
        s = ARENA_NEW(f->arena, struct fake_sandbox);
        s->id = arena_fmt(f->arena, "s%d", ++f->ids).p
                    ? arena_dupz(f->arena, arena_fmt(f->arena, "s%d", f->ids))
                    : NULL;
        s->config = json_new(f->arena, json_copy(f->arena, json_findz(q, "config")));
        s->ready = true;
        s->created = now(f);
        s->ip = f->ids + 1;
        f->sandboxes[f->n_sandboxes++] = s;
        buf_fmt(&f->log, "sandbox " PRI_STR "\n",
                STR_ARG(json_get_str(s->config, "metadata.name")));
        json_setz(a, r, "pod_sandbox_id", json_z(s->id));
        return NULL;
    case RUNTIME_STOP_POD_SANDBOX:
        if (!s)
            return no_such("sandbox", sid);
        s->ready = false;
        for (size_t i = 0; i < f->n_containers; i++)
            if (!strcmp(f->containers[i]->sandbox, s->id))
                end_container(f, f->containers[i], 137);
        buf_fmt(&f->log, "stop-sandbox " PRI_STR "\n",
                STR_ARG(json_get_str(s->config, "metadata.name")));
        return NULL;
    case RUNTIME_REMOVE_POD_SANDBOX:
        if (!s)
            return NULL;
        s->removed = true;
        for (size_t i = 0; i < f->n_containers; i++)
            if (!strcmp(f->containers[i]->sandbox, s->id))
                f->containers[i]->removed = true;
        return NULL;
    case RUNTIME_POD_SANDBOX_STATUS:
        if (!s)
            return no_such("sandbox", sid);
        json_setz(a, r, "status", describe_sandbox(a, s));
        return NULL;
    case RUNTIME_LIST_POD_SANDBOX:
        for (size_t i = 0; i < f->n_sandboxes; i++)
            if (!f->sandboxes[i]->removed && selected(q, f->sandboxes[i]->config))
                json_append(a, &list, describe_sandbox(a, f->sandboxes[i]));
        json_setz(a, r, "items", list);
        return NULL;
    case RUNTIME_CREATE_CONTAINER:
        if (!s)
            return no_such("sandbox", sid);
        c = ARENA_NEW(f->arena, struct fake_container);
        c->id = arena_dupz(f->arena, arena_fmt(f->arena, "c%d", ++f->ids));
        c->config = json_new(f->arena, json_copy(f->arena, json_findz(q, "config")));
        c->name = arena_dupz(f->arena, json_get_str(c->config, "metadata.name"));
        c->sandbox = s->id;
        c->created = now(f) + f->ids; /* never two at one moment */
        f->containers[f->n_containers++] = c;
        json_setz(a, r, "container_id", json_z(c->id));
        return NULL;
    case RUNTIME_START_CONTAINER:
        if (!c)
            return no_such("container", cid);
        c->state = CONTAINER_STATE_RUNNING;
        c->started = now(f);
        buf_fmt(&f->log, "start %s\n", c->name);
        return NULL;
    case RUNTIME_STOP_CONTAINER:
        if (!c)
            return no_such("container", cid);
        buf_fmt(&f->log, "stop %s %lld\n", c->name, (long long)json_get_int(q, "timeout", 0));
        end_container(f, c, 143);
        *ret_delay = STOP_NS;
        return NULL;
    case RUNTIME_UPDATE_CONTAINER_RESOURCES:
        if (!c)
            return no_such("container", cid);
        buf_fmt(&f->log, "update %s shares %lld quota %lld memory %lld\n", c->name,
                (long long)json_get_int(q, "linux.cpu_shares", 0),
                (long long)json_get_int(q, "linux.cpu_quota", 0),
                (long long)json_get_int(q, "linux.memory_limit_in_bytes", 0));
        return NULL;
    case RUNTIME_REMOVE_CONTAINER:
        if (c)
            c->removed = true;
        return NULL;
    case RUNTIME_LIST_CONTAINERS:
        for (size_t i = 0; i < f->n_containers; i++)
            if (!f->containers[i]->removed && selected(q, f->containers[i]->config))
                json_append(a, &list, describe(f, a, f->containers[i]));
        json_setz(a, r, "containers", list);
        return NULL;
    case RUNTIME_CONTAINER_STATUS:
        if (!c)
            return no_such("container", cid);
        json_setz(a, r, "status", describe(f, a, c));
        return NULL;
    case RUNTIME_EXEC_SYNC:
        json_setz(a, r, "exit_code", json_int(f->exec_code));
        json_setz(a, r, "stdout", json_z(f->exec_code ? "no\n" : ""));
        return NULL;
    case RUNTIME_IMAGE_STATUS:
        for (size_t i = 0; i < f->n_images; i++)
            if (str_eq(f->images[i], json_get_str(q, "image.image"))) {
                v = json_object();
                json_setz(a, &v, "id", json_z("sha256:1"));
                json_setz(a, r, "image", v);
            }
        return NULL;
    case RUNTIME_PULL_IMAGE:
        return err_new(REASON_INTERNAL, "rpc error: code = Unknown desc = no such image");
    case RUNTIME_LIST_IMAGES:
        return NULL;
    }
    return err_new(REASON_METHOD_NOT_ALLOWED, "rpc error: code = Unimplemented desc = %s",
                   runtime_call_name(id));
}

static void call(struct runtime *rt, enum runtime_call_id id, const struct json *request,
                 int64_t timeout_ns, runtime_done_fn *done, void *ctx)
{
    struct fake_runtime *f = CONTAINER_OF(rt, struct fake_runtime, rt);
    struct answer *x = NEW(struct answer);
    int64_t delay = 0;

    *x = (struct answer){.f = f, .arena = arena_new(), .done = done, .ctx = ctx};
    x->response = json_new(x->arena, json_object());
    f->counts[id]++;
    x->err = serve(f, id, request, x->arena, x->response, &delay);
    x->timer = loop_timer_new(rt->loop, on_answer, x);
    loop_timer_set(x->timer, delay + NS_PER_MS);
}

static void watch(struct runtime *rt, runtime_event_fn *fn, void *ctx)
{
    struct fake_runtime *f = CONTAINER_OF(rt, struct fake_runtime, rt);

    f->event = fn;
    f->event_ctx = ctx;
}

static void leave(struct runtime *rt)
{
    CONTAINER_OF(rt, struct fake_runtime, rt)->event = NULL;
}

struct runtime *fake_runtime_again(struct fake_runtime *f)
{
    return &f->rt;
}

struct runtime *fake_runtime_new(struct loop *loop, struct fake_runtime **ret)
{
    static const struct runtime_ops ops = {call, watch, NULL, leave};
    struct fake_runtime *f = NEW(struct fake_runtime);

    f->rt = (struct runtime){&ops, loop};
    f->arena = arena_new();
    *ret = f;
    return &f->rt;
}

void fake_runtime_free(struct fake_runtime *f)
{
    buf_fini(&f->log);
    arena_free(f->arena);
    mem_free(f);
}

void fake_runtime_add_image(struct fake_runtime *f, const char *name)
{
    f->images[f->n_images++] = arena_dup(f->arena, str_of(name));
    if (f->event)
        f->event(f->event_ctx, RUNTIME_IMAGES, str_of(name));
}

size_t fake_runtime_count(const struct fake_runtime *f, const char *name)
{
    for (int i = 0; i < RUNTIME_N_CALLS; i++)
        if (!strcmp(runtime_call_name((enum runtime_call_id)i), name))
            return f->counts[i];
    return 0;
}

size_t fake_runtime_running(const struct fake_runtime *f, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n_containers; i++)
        n += f->containers[i]->state == CONTAINER_STATE_RUNNING &&
             (!name || !strcmp(name, f->containers[i]->name));
    return n;
}

size_t fake_runtime_sandboxes(const struct fake_runtime *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n_sandboxes; i++)
        n += !f->sandboxes[i]->removed;
    return n;
}

static struct fake_container *newest(const struct fake_runtime *f, const char *name)
{
    for (size_t i = f->n_containers; i-- > 0;)
        if (!strcmp(f->containers[i]->name, name))
            return f->containers[i];
    return NULL;
}

void fake_runtime_exit(struct fake_runtime *f, const char *name, int code)
{
    struct fake_container *c = newest(f, name);

    if (c)
        end_container(f, c, code);
}

const struct json *fake_runtime_config(const struct fake_runtime *f, const char *name)
{
    struct fake_container *c = newest(f, name);

    return c ? c->config : NULL;
}

str fake_runtime_log(const struct fake_runtime *f)
{
    return buf_view(&f->log);
}

void fake_runtime_set_lag(struct fake_runtime *f, int64_t ns)
{
    f->lag_ns = ns;
}

void fake_runtime_set_exec(struct fake_runtime *f, int exit_code)
{
    f->exec_code = exit_code;
}
