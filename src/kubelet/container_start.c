/* container_start.c - one container's way into being: image, configuration, create, start, postStart.
 *
 * One at a time per pod, in the order of the specification. Whatever goes wrong becomes the container's waiting reason, an event, and
 * a time at which to try again. */
#include "kubelet/kubelet_internal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kubelet/pod_files.h"

#define CONFIG_RETRY_NS (10 * NS_PER_S)
#define RUN_RETRY_NS (10 * NS_PER_S)
#define HOSTS_MAX 65536u
#define SECRETS_MAX 64

enum stage { STAGE_IMAGE, STAGE_FILES, STAGE_CREATE, STAGE_START, STAGE_HOOK };

struct container_start {
    struct pod_worker *w;
    enum stage stage;
    struct arena *arena;
    char *name; /* the specification may be parsed anew meanwhile */
    enum container_kind kind;
    struct image_wait *image_wait;
    str image_ref, image_username;
    int64_t image_uid;
    int64_t restart_count;
    /* for the pool */
    struct env env;
    struct volume_set volumes;
    struct json *spec; /* a copy */
    struct cri_mount *mounts;
    size_t n_mounts;
    str pod_dir, hosts, termination_path, id;
    struct err *err;
    char *created_id;
    struct action *hook;
};

static const struct pod_container *spec_of(const struct container_start *s)
{
    for (size_t i = 0; i < s->w->n_containers; i++)
        if (str_is(s->w->containers[i].name, s->name))
            return &s->w->containers[i];
    return NULL;
}

static void event(struct container_start *s, const char *type, const char *reason, const char *fmt,
                  ...) PRINTF(4, 5);
static void event(struct container_start *s, const char *type, const char *reason, const char *fmt,
                  ...)
{
    CLEANUP(buf) struct buf path = BUF_INIT;
    CLEANUP(buf) struct buf text = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_vfmt(&text, fmt, ap);
    va_end(ap);
    buf_container_path(&path, s->kind, str_of(s->name));
    kubelet_event(s->w->k, s->w->pod, buf_view(&path), type, reason, "%s", buf_cstr(&text));
}

static void start_free(struct container_start *s)
{
    err_free(s->err);
    arena_free(s->arena);
    mem_free(s->created_id);
    mem_free(s->name);
    mem_free(s);
}

/* reason NULL: it runs. Ends the start; the worker's next step decides what comes. */
static void end(struct container_start *s, const char *reason, str message, int64_t retry_ns)
{
    struct pod_worker *w = s->w;
    struct container_local *l = worker_local(w, str_of(s->name));

    worker_local_waiting(l, reason, message);
    l->retry_at.ns = reason ? loop_now(w->k->loop).ns + retry_ns : 0;
    w->start = NULL;
    w->stale = true;
    start_free(s);
    worker_wake(w);
}

/* The worker is over, or the pod is: then this ends without a word. */
static bool goes_on(struct container_start *s)
{
    struct pod_worker *w = s->w;

    if (!worker_return(w)) {
        start_free(s);
        return false;
    }
    if (worker_is_ending(w) && s->stage < STAGE_CREATE) {
        w->start = NULL;
        start_free(s);
        worker_wake(w);
        return false;
    }
    return true;
}

bool container_start_is_in_hook(const struct pod_worker *w, str name)
{
    return w->start && w->start->stage == STAGE_HOOK && str_is(name, w->start->name);
}

void container_start_abort(struct pod_worker *w)
{
    struct container_start *s = w->start;

    if (!s)
        return;
    if (s->stage == STAGE_IMAGE) {
        image_wait_cancel(s->image_wait);
        w->start = NULL;
        start_free(s);
        worker_return(w);
    } else if (s->stage == STAGE_HOOK) {
        action_cancel(TAKE(s->hook));
        w->start = NULL;
        start_free(s);
        worker_return(w);
    }
}

/* ---- postStart ---- */

static void on_hook(void *ctx, bool ok, bool unknown, str message)
{
    struct container_start *s = ctx;
    struct pod_worker *w = s->w;
    struct rt_container started;

    s->hook = NULL;
    if (!goes_on(s))
        return;
    if (ok) {
        end(s, NULL, STR_NONE, 0);
        return;
    }
    event(s, "Warning", "FailedPostStartHook", "PostStartHook failed");
    log_warning("kubelet", "pod %s/%s container %s: postStart: " PRI_STR, w->ns, w->name, s->name,
                STR_ARG(message));
    /* A hook may fail sooner than the runtime is asked again: what is stopped is what this start has made. */
    started = (struct rt_container){.name = str_of(s->name), .id = str_of(s->created_id)};
    container_stop_begin(w, &started, podspec_grace_s(w->pod), "Killing", S("FailedPostStartHook"));
    end(s, NULL, STR_NONE, 0);
}

static void on_running(struct container_start *s)
{
    const struct pod_container *c = spec_of(s);
    const struct json *hook = c ? json_at(c->spec, "lifecycle", "postStart", NULL) : NULL;
    struct pod_context pc;
    struct action_target target;

    if (!hook) {
        end(s, NULL, STR_NONE, 0);
        return;
    }
    pc = worker_context(s->w, s->arena);
    target = (struct action_target){s->w->k, c->spec, str_of(s->created_id),
                                    pc.n_pod_ips ? pc.pod_ips[0] : STR_NONE};
    s->stage = STAGE_HOOK;
    s->w->stale = true;
    worker_call(s->w);
    s->hook = action_run(&target, hook, 0, false, on_hook, s);
    worker_wake(s->w);
}

/* ---- start ---- */

static void on_started(void *ctx, struct err *err, const struct json *response)
{
    struct container_start *s = ctx;

    if (!goes_on(s)) {
        err_free(err);
        return;
    }
    if (err) {
        str message = arena_dup(s->arena, runtime_message(err));

        err_free(err);
        event(s, "Warning", "Failed", "Error: " PRI_STR, STR_ARG(message));
        end(s, "RunContainerError", message, 0); /* the crash back-off waits */
        return;
    }
    event(s, "Normal", "Started", "Started container %s", s->name);
    on_running(s);
}

static void on_created(void *ctx, struct err *err, const struct json *response)
{
    struct container_start *s = ctx;
    struct json request = json_object();

    if (!goes_on(s)) {
        err_free(err);
        return;
    }
    if (err) {
        str message = arena_dup(s->arena, runtime_message(err));

        err_free(err);
        event(s, "Warning", "Failed", "Error: " PRI_STR, STR_ARG(message));
        end(s, "CreateContainerError", message, RUN_RETRY_NS);
        return;
    }
    s->created_id = str_dupz(json_get_str(response, "container_id"));
    map_put(&s->w->k->by_container, str_of(s->created_id),
            s->w); /* it may end before its start has returned */
    log_link_set(s->w, str_of(s->name), str_of(s->created_id),
                 arena_fmt(s->arena, PRI_STR "/%s/%lld.log",
                           STR_ARG(pod_log_dir(s->arena, str_of(s->w->ns), str_of(s->w->name),
                                               str_of(s->w->uid))),
                           s->name, (long long)s->restart_count));
    event(s, "Normal", "Created", "Created container: %s", s->name);
    s->stage = STAGE_START;
    json_setz(s->arena, &request, "container_id", json_z(s->created_id));
    worker_call(s->w);
    runtime_call(s->w->k->rt, RUNTIME_START_CONTAINER, &request, 0, on_started, s);
}

/* ---- files ---- */

static void files_work(void *ctx)
{
    struct container_start *s = ctx;
    str dir = arena_fmt(s->arena, PRI_STR "/containers/%s", STR_ARG(s->pod_dir), s->name);
    str hosts = arena_fmt(s->arena, PRI_STR "/etc-hosts", STR_ARG(s->pod_dir));
    struct cri_mount *list;
    bool own_hosts = false;
    int fd;

    s->err = volume_mounts_make(s->arena, &s->volumes, s->pod_dir, s->spec, &s->env, &s->mounts,
                                &s->n_mounts);
    if (s->err)
        return;
    list = ARENA_NEW_N(s->arena, struct cri_mount, s->n_mounts + 2);
    if (s->n_mounts)
        memcpy(list, s->mounts, s->n_mounts * sizeof *list);
    s->mounts = list;
    for (size_t i = 0; i < s->n_mounts; i++)
        own_hosts |= str_is(list[i].container_path, "/etc/hosts");
    if (!own_hosts) {
        fd = open(hosts.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0 || write(fd, s->hosts.p, s->hosts.n) != (ssize_t)s->hosts.n)
            s->err = err_errno(-errno, "write " PRI_STR, STR_ARG(hosts));
        if (fd >= 0) {
            fchmod(fd, 0644);
            close(fd);
        }
        list[s->n_mounts++] =
            (struct cri_mount){.host_path = hosts, .container_path = S("/etc/hosts")};
    }
    if (s->termination_path.n && !s->err) {
        str path = arena_fmt(s->arena, PRI_STR "/" PRI_STR, STR_ARG(dir), STR_ARG(s->id));

        mkdir(dir.p, 0755);
        fd = open(path.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (fd < 0) {
            s->err = err_errno(-errno, "write " PRI_STR, STR_ARG(path));
            return;
        }
        fchmod(fd, 0666); /* whatever user the container has */
        close(fd);
        list[s->n_mounts++] =
            (struct cri_mount){.host_path = path, .container_path = s->termination_path};
    }
}

static void on_files(void *ctx)
{
    struct container_start *s = ctx;
    const struct rt_sandbox *sandbox;
    const struct pod_container *c;
    struct cri_container_input in;
    struct pod_context pc;
    struct json request = json_object(), config, dns = json_object();
    struct err *err;
    str hostname, domain;

    if (!goes_on(s))
        return;
    c = spec_of(s);
    sandbox = pod_runtime_sandbox(s->w->rt);
    if (!c || !sandbox) {
        end(s, NULL, STR_NONE, 0);
        return;
    }
    if (s->err) {
        str message = arena_dup(s->arena, str_of(err_text(s->err)));

        event(s, "Warning", "Failed", "Error: " PRI_STR, STR_ARG(message));
        end(s, "CreateContainerConfigError", message, CONFIG_RETRY_NS);
        return;
    }
    pc = worker_context(s->w, s->arena);
    in = (struct cri_container_input){
        .pc = &pc,
        .container = c->spec,
        .kind = s->kind,
        .restart_count = s->restart_count,
        .mounts = s->mounts,
        .n_mounts = s->n_mounts,
        .image_ref = s->image_ref,
        .image_uid = s->image_uid,
        .image_username = s->image_username,
        .seccomp_dir = arena_fmt(s->arena, PRI_STR "/seccomp", STR_ARG(s->w->k->o.root_dir)),
        .env = &s->env,
    };
    if (s->kind == CONTAINER_EPHEMERAL) {
        const struct rt_container *target =
            worker_running(s->w, json_get_str(c->spec, "targetContainerName"));

        in.target_container_id = target ? target->id : STR_NONE;
    }
    err = cri_container_config(s->arena, &in, &config);
    if (err) {
        str message = arena_dup(s->arena, str_of(err_text(err)));

        err_free(err);
        event(s, "Warning", "Failed", "Error: " PRI_STR, STR_ARG(message));
        end(s, "CreateContainerConfigError", message, CONFIG_RETRY_NS);
        return;
    }
    pod_hostname(s->arena, s->w->pod, s->w->k->o.node_name, s->w->k->o.cluster_domain, &hostname,
                 &domain);
    json_setz(s->arena, &request, "pod_sandbox_id", json_string(sandbox->id));
    json_setz(s->arena, &request, "config", config);
    json_setz(s->arena, &request, "sandbox_config",
              cri_sandbox_config(s->arena, s->w->pod, sandbox->attempt, hostname, &dns,
                                 cgroup_pod_path(s->arena, s->w->pod)));
    s->stage = STAGE_CREATE;
    worker_call(s->w);
    runtime_call(s->w->k->rt, RUNTIME_CREATE_CONTAINER, &request, 0, on_created, s);
}

/* ---- configuration ---- */

static void configure(struct container_start *s, const struct pod_container *c)
{
    struct pod_worker *w = s->w;
    struct pod_context pc = worker_context(w, s->arena);
    CLEANUP(buf) struct buf hosts = BUF_INIT;
    CLEANUP(buf) struct buf node_hosts = BUF_INIT;
    str hostname, domain, path = json_get_str(c->spec, "terminationMessagePath");
    struct err *err = container_env_make(s->arena, &pc, c->spec, &s->env);
    uint64_t id = loop_random_u64(w->k->loop);

    if (err) {
        str message = arena_dup(s->arena, str_of(err_text(err)));

        err_free(err);
        event(s, "Warning", "Failed", "Error: " PRI_STR, STR_ARG(message));
        end(s, "CreateContainerConfigError", message, CONFIG_RETRY_NS);
        return;
    }
    for (size_t i = 0; i < s->env.n; i++) { /* independent of this version of the pod */
        s->env.vars[i].name = arena_dup(s->arena, s->env.vars[i].name);
        s->env.vars[i].value = arena_dup(s->arena, s->env.vars[i].value);
    }
    if (podspec_is_host_network(w->pod))
        (void)file_read(w->k->loop, "/etc/hosts", HOSTS_MAX, &node_hosts);
    pod_hostname(s->arena, w->pod, w->k->o.node_name, w->k->o.cluster_domain, &hostname, &domain);
    pod_hosts_write(&hosts, w->pod, pc.pod_ips, pc.n_pod_ips, hostname, domain,
                    buf_view(&node_hosts));
    s->hosts = arena_dup(s->arena, buf_view(&hosts));
    s->pod_dir = worker_dir(w, s->arena);
    s->termination_path = arena_dup(s->arena, path.n ? path : S("/dev/termination-log"));
    s->id = arena_fmt(s->arena, "%08x", (unsigned)id);
    s->spec = json_new(s->arena, json_copy(s->arena, c->spec));
    s->volumes.volumes = ARENA_NEW_N(s->arena, struct volume, w->volumes.n + 1);
    s->volumes.n = w->volumes.n;
    for (size_t i = 0; i < w->volumes.n; i++) {
        s->volumes.volumes[i] = w->volumes.volumes[i];
        s->volumes.volumes[i].files = NULL;
        s->volumes.volumes[i].n_files = 0;
        s->volumes.volumes[i].name = arena_dup(s->arena, w->volumes.volumes[i].name);
        s->volumes.volumes[i].path = arena_dup(s->arena, w->volumes.volumes[i].path);
    }
    s->stage = STAGE_FILES;
    worker_call(w);
    pool_run(w->k->loop, files_work, on_files, s);
}

/* ---- image ---- */

static void on_image_event(void *ctx, const char *type, const char *reason, str message)
{
    struct container_start *s = ctx;

    if (!s->w->gone)
        event(s, type, reason, PRI_STR, STR_ARG(message));
}

static void on_image(void *ctx, const struct image_result *r)
{
    struct container_start *s = ctx;
    const struct pod_container *c;

    s->image_wait = NULL;
    if (!goes_on(s))
        return;
    if (r->reason) {
        event(s, "Warning", "Failed", "Error: %s", r->reason);
        end(s, r->reason, r->message, r->retry_ns);
        return;
    }
    c = spec_of(s);
    if (!c) {
        end(s, NULL, STR_NONE, 0);
        return;
    }
    s->image_ref = arena_dup(s->arena, r->ref);
    s->image_username = arena_dup(s->arena, r->username);
    s->image_uid = r->uid;
    configure(s, c);
}

void container_start_begin(struct pod_worker *w, size_t index)
{
    CLEANUP(arena) struct arena *a = arena_new();
    const struct pod_container *c = &w->containers[index];
    const struct rt_container *last = pod_runtime_find(w->rt, c->name, 0);
    const struct rt_sandbox *sandbox = pod_runtime_sandbox(w->rt);
    struct container_start *s = NEW(struct container_start);
    const struct json *secrets[SECRETS_MAX];
    struct json dns = json_object(), config;
    struct image_request r;
    size_t n = 0;
    str policy = json_get_str(c->spec, "imagePullPolicy"), image = json_get_str(c->spec, "image");

    s->w = w;
    s->arena = arena_new();
    s->name = str_dupz(c->name);
    s->kind = c->kind;
    s->restart_count = last ? last->restart_count + 1 : 0;
    w->start = s;
    JSON_EACH(ref, json_at(w->pod, "spec", "imagePullSecrets", NULL)) {
        const struct json *secret =
            refs_find(w->k->refs, a, REF_SECRET, str_of(w->ns), json_get_str(ref, "name"));

        if (secret && n < SECRETS_MAX)
            secrets[n++] = secret;
    }
    config =
        cri_sandbox_config(a, w->pod, sandbox->attempt, STR_NONE, &dns, cgroup_pod_path(a, w->pod));
    r = (struct image_request){
        .image = image,
        .policy = policy.n ? policy : S("IfNotPresent"),
        .secrets = secrets,
        .n_secrets = n,
        .sandbox_config = &config,
        .backoff = &worker_local(w, c->name)->pull,
        .last_error = &worker_local(w, c->name)->pull_error,
        .event = on_image_event,
        .done = on_image,
        .ctx = s,
    };
    worker_call(w);
    s->image_wait = image_ensure(w->k->images, &r);
}
