/* worker.c - one pod on this node: when it is looked at, and with what; see kubelet_internal.h.
 *
 * A step is: see the runtime's truth (fetch it when stale), then bring the pod a little further (worker_sync.c) or towards its end
 * (worker_end.c), then tell the API (worker_status.c). Whatever happens (a new version of the pod, an event of the runtime, a
 * probe's result, a timer) only wakes the worker; what to do is found anew each time.
 *
 * Invariants
 *   (1) At most one short chain (fetch, sandbox, volumes) and one container's start run per pod; stops run side by side.
 *   (2) Nothing is decided on a snapshot older than what the worker itself did last.
 *   (3) A worker is freed only when no completion names it any more (`calls`). */
#include "kubelet/kubelet_internal.h"

#define FETCH_RETRY_NS (500 * NS_PER_MS)
#define EXPECT_FIRST_NS                                                                            \
    (5 * NS_PER_MS)            /* the runtime's status lags behind its own event by so little */
#define EXPECT_MAX_NS NS_PER_S /* a busy runtime may put its own book-keeping off by many seconds */
#define EXPECT_TRIES 130       /* then the exit was not this container's after all */

/* ---- life ---- */

static struct pod_worker *worker_new(struct kubelet *k, str uid, str ns, str name);

void worker_call(struct pod_worker *w)
{
    w->calls++;
}

static void locals_free(struct pod_worker *w)
{
    MAP_EACH(e, &w->locals) {
        struct container_local *l = e->value;

        probes_stop(l);
        mem_free(l->name);
        mem_free(l->waiting_reason);
        mem_free(l->waiting_message);
        mem_free(l->probed_id);
        mem_free(l->pull_error);
        arena_free(l->sized_arena);
        mem_free(l);
    }
    map_fini(&w->locals);
}

void worker_free_when_idle(struct pod_worker *w)
{
    if (!w->gone) {
        w->gone = true;
        map_del(&w->k->workers, str_of(w->uid));
        MAP_EACH(e, &w->k->by_container)
            if (e->value == w)
                map_del(&w->k->by_container, map_key(e));
        kubelet_logs_ended(w->k);
        refs_release(w->k->refs, w);
        list_del(&w->sandbox_link);
        if (w->sandbox_turn)
            worker_sandbox_next(w->k);
        loop_timer_free(TAKE(w->timer));
        loop_timer_free(TAKE(w->look_timer));
        MAP_EACH(e, &w->locals)
            probes_stop(e->value);
    }
    if (w->calls)
        return;
    locals_free(w);
    worker_tokens_free(w);
    pod_runtime_free(w->rt);
    arena_free(w->arena);
    arena_free(w->volumes_arena);
    arena_free(w->sent_arena);
    obj_unref(w->obj);
    for (size_t i = 0; i < w->n_expected; i++)
        mem_free(w->expected[i]);
    mem_free(w->expected);
    mem_free(w->fail_reason);
    mem_free(w->fail_message);
    mem_free(w->resize_message);
    mem_free(w->uid);
    mem_free(w->ns);
    mem_free(w->name);
    mem_free(w);
}

bool worker_return(struct pod_worker *w)
{
    BUG_ON(!w->calls);
    w->calls--;
    if (!w->gone)
        return true;
    worker_free_when_idle(w);
    return false;
}

void worker_free_all(struct kubelet *k)
{
    MAP_EACH(e, &k->workers)
        worker_free_when_idle(e->value);
}

/* ---- waking ---- */

static void step(struct pod_worker *w);

static void on_wake(void *ctx)
{
    struct pod_worker *w = ctx;

    w->woken = false;
    if (!w->gone)
        step(w);
    if (!w->gone && w->sandbox_turn && !w->busy) { /* not used */
        w->sandbox_turn = false;
        worker_sandbox_next(w->k);
    }
    (void)worker_return(w); /* only now: the step may have been its last */
}

void worker_wake(struct pod_worker *w)
{
    if (w->woken || w->gone)
        return;
    w->woken = true;
    worker_call(w);
    loop_defer(w->k->loop, on_wake, w);
}

static void on_timer(void *ctx)
{
    worker_wake(ctx);
}

static void on_look(void *ctx)
{
    struct pod_worker *w = ctx;

    w->stale = true;
    worker_wake(w);
}

/* The truth is about to change without a word. */
static void worker_look_again(struct pod_worker *w, int64_t delay_ns)
{
    if (!w->gone)
        loop_timer_set(w->look_timer, delay_ns);
}

void worker_wake_in(struct pod_worker *w, int64_t delay_ns)
{
    int64_t due = loop_now(w->k->loop).ns + MAX(delay_ns, INT64_C(0));

    if (w->gone || (loop_timer_is_set(w->timer) && w->due_ns <= due))
        return;
    w->due_ns = due;
    loop_timer_set(w->timer, delay_ns);
}

void worker_runtime_event(struct kubelet *k, str id, bool exited)
{
    const struct rt_container *c;
    struct pod_worker *w;

    if (!id.n) {
        MAP_EACH(e, &k->workers) {
            w = e->value;
            w->stale = true;
            worker_wake(w);
        }
        return;
    }
    w = map_find(&k->by_container, id);
    if (!w)
        return;
    c = pod_runtime_find_id(w->rt, id);
    if (exited && c && c->state == CONTAINER_STATE_EXITED)
        return;
    if (exited) {
        w->expected = mem_realloc(w->expected, (w->n_expected + 1) * sizeof *w->expected);
        w->expected[w->n_expected++] = str_dupz(id);
        w->n_expect_tries = 0;
    }
    w->stale = true;
    worker_wake(w);
}

void worker_images_changed(struct kubelet *k)
{
    MAP_EACH(e, &k->workers) {
        struct pod_worker *w = e->value;

        MAP_EACH(le, &w->locals) {
            struct container_local *l = le->value;

            if (!l->waiting_reason || !strstr(l->waiting_reason, "Image") || !l->retry_at.ns)
                continue;
            l->retry_at.ns = 0;
            worker_wake(w);
        }
    }
}

void worker_ref_changed(struct pod_worker *w)
{
    w->volumes_dirty = true;
    MAP_EACH(e, &w->locals) { /* what was missing may be there now */
        struct container_local *l = e->value;

        if (l->waiting_reason && !strcmp(l->waiting_reason, "CreateContainerConfigError"))
            l->retry_at.ns = 0;
    }
    worker_wake(w);
}

/* ---- the API's version ---- */

struct container_local *worker_local(struct pod_worker *w, str name)
{
    struct container_local *l = map_find(&w->locals, name);

    if (!l) {
        l = NEW(struct container_local);
        l->name = str_dupz(name);
        map_put(&w->locals, name, l);
    }
    return l;
}

void worker_local_waiting(struct container_local *l, const char *reason, str message)
{
    mem_free(l->waiting_reason);
    mem_free(l->waiting_message);
    l->waiting_reason = reason ? mem_strdup(reason) : NULL;
    l->waiting_message = reason ? str_dupz(message) : NULL;
}

static void list_containers(struct pod_worker *w)
{
    size_t n = 0;

    for (int kind = CONTAINER_INIT; kind <= CONTAINER_EPHEMERAL; kind++)
        n += json_count(
            json_at(w->pod, "spec", podspec_container_list((enum container_kind)kind), NULL));
    w->containers = ARENA_NEW_N(w->arena, struct pod_container, n + 1);
    w->n_containers = 0;
    for (int kind = CONTAINER_INIT; kind <= CONTAINER_EPHEMERAL; kind++)
        JSON_EACH(c,
                  json_at(w->pod, "spec", podspec_container_list((enum container_kind)kind), NULL))
            w->containers[w->n_containers++] = (struct pod_container){
                .kind = (enum container_kind)kind,
                .spec = c,
                .name = podspec_container_name(c),
                .sidecar = kind == CONTAINER_INIT && podspec_is_sidecar(c),
            };
}

static void need_ref(void *ctx, enum ref_kind kind, str name)
{
    struct pod_worker *w = ctx;

    refs_need(w->k->refs, w, kind, str_of(w->ns), name);
}

static void set_obj(struct pod_worker *w, const struct obj *obj)
{
    struct arena *a = arena_new(), *old_arena = w->arena;
    struct json *pod = NULL, *old = w->pod;
    const struct obj *old_obj = w->obj;
    struct err *err = json_parse(a, obj->data, NULL, NULL, &pod);

    if (err) { /* the informer's bytes are the API's own */
        log_error("kubelet", "pod %s/%s: %s", w->ns, w->name, err_text(err));
        err_free(err);
        arena_free(a);
        return;
    }
    w->arena = a;
    w->pod = pod;
    w->obj = obj_ref(obj);
    w->forgotten = false;
    list_containers(w);
    if (w->sent && obj->revision >= w->sent_revision) {
        w->sent = NULL;
        arena_free(TAKE(w->sent_arena));
    }
    worker_overlay_status(w);
    /* What a downward API volume shows may have changed. */
    if (old && (!json_equal(json_at(old, "metadata", "labels", NULL) ?: &(struct json){0},
                            json_at(pod, "metadata", "labels", NULL) ?: &(struct json){0}) ||
                !json_equal(json_at(old, "metadata", "annotations", NULL) ?: &(struct json){0},
                            json_at(pod, "metadata", "annotations", NULL) ?: &(struct json){0})))
        w->volumes_dirty = true;
    if (!podspec_is_finished(pod))
        pod_each_ref(pod, need_ref, w);
    arena_free(old_arena);
    obj_unref(old_obj);
}

static struct pod_worker *worker_new(struct kubelet *k, str uid, str ns, str name)
{
    struct pod_worker *w = NEW(struct pod_worker);

    w->k = k;
    w->uid = str_dupz(uid);
    w->ns = str_dupz(ns);
    w->name = str_dupz(name);
    w->timer = loop_timer_new(k->loop, on_timer, w);
    w->look_timer = loop_timer_new(k->loop, on_look, w);
    map_init(&w->locals);
    list_init(&w->sandbox_link);
    map_put(&k->workers, uid, w);
    return w;
}

void worker_adopt(struct kubelet *k, str uid, str ns, str name)
{
    struct pod_worker *w = map_find(&k->workers, uid);

    if (w)
        return;
    w = worker_new(k, uid, ns, name);
    w->forgotten = true;
    worker_wake(w);
}

static void forget(struct kubelet *k, str uid)
{
    struct pod_worker *w = map_find(&k->workers, uid);

    if (!w)
        return;
    w->forgotten = true;
    worker_wake(w);
}

void worker_pod_changed(struct kubelet *k, const struct obj *obj, const struct obj *prev)
{
    struct pod_worker *w;

    if (prev && (!obj || !str_eq(prev->uid, obj->uid)))
        forget(k, prev->uid);
    if (!obj)
        return;
    w = map_find(&k->workers, obj->uid);
    if (!w)
        w = worker_new(k, obj->uid, obj->key.ns, obj->key.name);
    set_obj(w, obj);
    worker_wake(w);
}

/* ---- context ---- */

static const struct json *lookup(void *ctx, struct arena *a, enum ref_kind kind, str ns, str name)
{
    struct pod_worker *w = ctx;

    return refs_find(w->k->refs, a, kind, ns, name);
}

struct pod_context worker_context(struct pod_worker *w, struct arena *a)
{
    const struct rt_sandbox *sandbox = pod_runtime_sandbox(w->rt);
    struct pod_context pc = {
        .pod = w->pod,
        .host_ip = w->k->o.node_ip,
        .node_name = w->k->o.node_name,
        .lookup = lookup,
        .lookup_ctx = w,
        .services = kubelet_services(w->k, a, str_of(w->ns)),
        .allocatable = w->k->allocatable,
        .node_memory_bytes = w->k->memory_bytes,
    };

    if (podspec_is_host_network(w->pod)) {
        str *ip = ARENA_NEW(a, str);

        *ip = w->k->o.node_ip;
        pc.pod_ips = ip;
        pc.n_pod_ips = 1;
    } else if (sandbox) {
        pc.pod_ips = sandbox->ips;
        pc.n_pod_ips = sandbox->n_ips;
    }
    return pc;
}

str worker_dir(struct pod_worker *w, struct arena *a)
{
    return volume_pod_dir(a, w->k->o.root_dir, str_of(w->uid));
}

const struct rt_container *worker_running(struct pod_worker *w, str name)
{
    const struct rt_sandbox *s = pod_runtime_sandbox(w->rt);
    const struct rt_container *c = s ? pod_runtime_find_in(w->rt, s->id, name) : NULL;

    return c && c->state == CONTAINER_STATE_RUNNING ? c : NULL;
}

bool worker_is_ending(const struct pod_worker *w)
{
    return w->forgotten || w->fail_reason || w->over || !w->pod || podspec_is_deleting(w->pod) ||
           podspec_is_finished(w->pod);
}

/* ---- the runtime's truth ---- */

struct last_words { /* what ended containers left behind is read off the loop */
    struct pod_worker *w;
    struct pod_runtime *rt;
};

static void register_ids(struct pod_worker *w)
{
    for (size_t i = 0; i < w->rt->n_sandboxes; i++)
        map_put(&w->k->by_container, w->rt->sandboxes[i].id, w);
    for (size_t i = 0; i < w->rt->n_containers; i++)
        map_put(&w->k->by_container, w->rt->containers[i].id, w);
}

static void unregister_ids(struct pod_worker *w)
{
    for (size_t i = 0; w->rt && i < w->rt->n_sandboxes; i++)
        map_del(&w->k->by_container, w->rt->sandboxes[i].id);
    for (size_t i = 0; w->rt && i < w->rt->n_containers; i++)
        map_del(&w->k->by_container, w->rt->containers[i].id);
}

/* The event of an exit may overtake the runtime's own book-keeping: look again soon. */
static void check_expected(struct pod_worker *w)
{
    size_t kept = 0;

    for (size_t i = 0; i < w->n_expected; i++) {
        const struct rt_container *c = pod_runtime_find_id(w->rt, str_of(w->expected[i]));

        bool told = c ? c->state == CONTAINER_STATE_EXITED : !w->start;

        if (!told && w->n_expect_tries < EXPECT_TRIES)
            w->expected[kept++] = w->expected[i];
        else
            mem_free(w->expected[i]);
    }
    w->n_expected = kept;
    if (kept) {
        int doublings = MIN(w->n_expect_tries++, 8);

        worker_look_again(w, MIN(EXPECT_FIRST_NS << doublings, EXPECT_MAX_NS));
    }
}

static void have_truth(struct pod_worker *w, struct pod_runtime *rt)
{
    unregister_ids(w);
    pod_runtime_free(w->rt);
    w->rt = rt;
    if (!w->name[0] && rt->name.n) { /* found by its directory only */
        mem_free(w->name);
        mem_free(w->ns);
        w->name = str_dupz(rt->name);
        w->ns = str_dupz(rt->ns);
    }
    register_ids(w);
    kubelet_logs_ended(w->k);
    check_expected(w);
    for (size_t i = 0; i < w->n_containers; i++) /* what runs does not wait */
        if (worker_running(w, w->containers[i].name)) {
            struct container_local *l = worker_local(w, w->containers[i].name);

            if (!w->start)
                worker_local_waiting(l, NULL, STR_NONE);
            l->backoff_told = false;
        }
    step(w);
}

static void read_last_words(void *ctx)
{
    struct last_words *lw = ctx;

    for (size_t i = 0; i < lw->rt->n_containers; i++)
        container_last_words(lw->rt->arena, &lw->rt->containers[i]);
}

static void on_last_words(void *ctx)
{
    struct last_words *lw = ctx;
    struct pod_worker *w = lw->w;
    struct pod_runtime *rt = lw->rt;

    mem_free(lw);
    if (!worker_return(w)) {
        pod_runtime_free(rt);
        return;
    }
    w->busy = false;
    have_truth(w, rt);
}

static bool any_newly_ended(const struct pod_runtime *rt, const struct pod_runtime *prev)
{
    for (size_t i = 0; i < rt->n_containers; i++) {
        const struct rt_container *c = &rt->containers[i], *p = pod_runtime_find_id(prev, c->id);

        if (c->state == CONTAINER_STATE_EXITED && !(p && p->state == CONTAINER_STATE_EXITED) &&
            c->termination_host_path.n)
            return true;
    }
    return false;
}

static void on_fetched(void *ctx, struct err *err, struct pod_runtime *rt)
{
    struct pod_worker *w = ctx;
    struct last_words *lw;

    if (!worker_return(w)) {
        err_free(err);
        pod_runtime_free(rt);
        return;
    }
    w->busy = false;
    if (err) {
        if (err->reason != REASON_UNAVAILABLE)
            log_warning("kubelet", "pod %s/%s: %s", w->ns, w->name, err_text(err));
        err_free(err);
        w->stale = true;
        worker_wake_in(w, FETCH_RETRY_NS);
        return;
    }
    if (!any_newly_ended(rt, w->rt)) {
        have_truth(w, rt);
        return;
    }
    lw = NEW(struct last_words);
    *lw = (struct last_words){w, rt};
    w->busy = true;
    worker_call(w);
    pool_run(w->k->loop, read_last_words, on_last_words, lw);
}

/* ---- a step ---- */

static void refresh_containers(struct pod_worker *w)
{
    for (size_t i = 0; i < w->n_containers; i++) {
        struct pod_container *c = &w->containers[i];
        struct container_local *l = worker_local(w, c->name);

        c->startup = l->results[PROBE_STARTUP];
        c->liveness = l->results[PROBE_LIVENESS];
        c->readiness = l->results[PROBE_READINESS];
        c->stopping = l->stopping;
        c->in_hook = container_start_is_in_hook(w, c->name);
        c->waiting_reason = str_of(l->waiting_reason);
        c->waiting_message = str_of(l->waiting_message);
    }
}

static void step(struct pod_worker *w)
{
    if (w->busy || w->gone || !kubelet_is_running(w->k))
        return;
    if (!w->rt || w->stale) {
        w->stale = false;
        w->busy = true;
        worker_call(w);
        pod_runtime_fetch(w->k->rt, str_of(w->uid), w->rt, on_fetched, w);
        return;
    }
    if (w->pod) {
        probes_update(w);
        refresh_containers(w);
    }
    if (!worker_is_ending(w))
        worker_sync(w);
    if (!w->busy && worker_is_ending(w))
        worker_end(w);
}
