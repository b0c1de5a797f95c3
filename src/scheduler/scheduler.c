/* scheduler.c - what the informers tell becomes the scheduler's state; a turn takes pods from the queue and places them.
 *
 * A pod's life here: unbound it is in the queue; placed, it is assumed on its node at once and its binding is written; when
 * the watch shows it bound, the assumption has become true. A binding that fails takes it off the node and back into the queue.
 * Finished pods are not asked for, so they look deleted.
 *
 * Not here: pods of other schedulers, as long as they are not bound; their bound ones occupy nodes like any other. */
#include "scheduler/scheduler_internal.h"

void pod_free(struct scheduler *s, struct pod *p)
{
    BUG_ON(p->node || p->heap_at);
    pod_nominate(s, p, NULL);
    if (p->profile)
        profile_unref(s, p->profile);
    mem_free(p->ns);
    mem_free(p->name);
    mem_free(p->uid);
    mem_free(p->condition);
    mem_free(p);
}

/* ---- room that becomes free ----
 * Whatever gives it back says so here, lest a pod that was refused for want of it waits for the five minutes. */
void scheduler_release(struct scheduler *s, struct pod *p)
{
    if (!p->node)
        return;
    node_take_pod(s, p);
    queue_event(s, EVENT_POD_GONE);
}

static void promise(struct scheduler *s, struct pod *p, struct node *n)
{
    bool breaks = p->nominated && p->nominated != n;

    pod_nominate(s, p, n);
    if (breaks)
        queue_event(s, EVENT_POD_GONE);
}

/* It is on n now: a promise of room there is kept, one elsewhere not needed. */
static void fulfil(struct scheduler *s, struct pod *p, const struct node *n)
{
    if (p->nominated == n)
        pod_nominate(s, p, NULL);
    else
        promise(s, p, NULL);
}

/* ---- turns ---- */
static uint32_t plugin_bit(const struct plugin *p)
{
    for (uint32_t i = 0; i < n_plugins; i++)
        if (plugins[i] == p)
            return 1u << i;
    return 0;
}

static void schedule_one(struct scheduler *s, struct pod *p)
{
    CLEANUP(buf) struct buf message = BUF_INIT, postscript = BUF_INIT;
    struct diagnosis d;
    struct node *n = cycle_run(s, p, &d), *nominated;

    if (n && d.late) { /* what it waits for will wake it; its room is kept */
        late_claims_ask(s, p, n, d.late);
        promise(s, p, n);
        p->failed_plugins = plugin_bit(&plugin_volume_binding);
        p->attempts = 1; /* it has not failed, so it need not wait longer each time */
        queue_add_failed(s, p, false);
        return;
    }
    if (n) {
        scheduler_assume(s, p, n);
        bind_pod(s, p);
        return;
    }
    preempt(s, p, &d, &postscript, &nominated);
    diagnosis_text(&d, buf_view(&postscript), &message);
    promise(s, p, nominated);
    p->failed_plugins = d.failed_plugins;
    queue_add_failed(s, p, false);
    report_failure(s, p, buf_view(&message));
}

static void turn(void *ctx)
{
    struct scheduler *s = ctx;
    struct pod *p;

    s->turn_queued = false;
    if (s->stopped)
        return;
    for (int i = 0; i < TURN_PODS && s->n_binding < BINDINGS_MAX && (p = queue_pop(s)); i++)
        schedule_one(s, p);
    if (!queue_is_empty(s) && s->n_binding < BINDINGS_MAX)
        scheduler_wake(s);
}

void scheduler_wake(struct scheduler *s)
{
    /* Until all caches are filled, a node may look emptier than it is. */
    if (s->turn_queued || s->stopped || s->n_synced < N_INFORMERS)
        return;
    s->turn_queued = true;
    loop_defer(s->loop, turn, s);
}

void scheduler_assume(struct scheduler *s, struct pod *p, struct node *n)
{
    p->place = POD_BINDING;
    p->assumed = true;
    node_put_pod(n, p);
    fulfil(s, p, n);
}

void scheduler_bind_failed(struct scheduler *s, struct pod *p, struct err *err)
{
    CLEANUP(buf) struct buf message = BUF_INIT;

    if (!p->assumed && !p->gone) { /* the answer was lost, but the watch has shown the pod bound */
        p->place = POD_BOUND;
        err_free(err);
        return;
    }
    scheduler_release(s, p);
    p->assumed = false;
    p->place = POD_NOWHERE;
    if (p->gone || err->reason == REASON_NOT_FOUND) {
        /* Deleted meanwhile; without `gone`, the watch is about to say so. */
        if (p->gone)
            pod_free(s, p);
        err_free(err);
        return;
    }
    log_warning("scheduler", "binding %s/%s: %s", p->ns, p->name, err_text(err));
    queue_add_failed(s, p, true);
    buf_fmt(&message, "running Bind plugin \"DefaultBinder\": %s", err_text(err));
    report_failure(s, p, buf_view(&message));
    err_free(err);
}

/* ---- pods ---- */
static void pod_key(const struct obj *o, struct buf *b)
{
    buf_str(b, o->key.ns);
    buf_char(b, '/');
    buf_str(b, o->key.name);
}

static void pod_gone(struct scheduler *s, struct pod *p, str key)
{
    map_del(&s->pods, key);
    if (p->place == POD_BINDING) { /* its request still holds it, and its room until it is over */
        p->gone = true;
        return;
    }
    queue_remove(s, p);
    scheduler_release(s, p);
    promise(s, p, NULL);
    pod_free(s, p);
}

static void pod_read_head(struct scheduler *s, struct pod *p, const struct pod_head *h)
{
    wall_time start = {0};

    mem_free(p->condition);
    p->condition = h->condition.n ? str_dupz(h->condition) : NULL;
    rfc3339_parse(h->start_time, &start);
    p->start_ns = start.ns;
    str_to_int64(h->generation, &p->generation);
    pod_set_terminating(p, h->terminating);
}

/* true: another template, so that rules may judge it differently */
static bool pod_read_profile(struct scheduler *s, struct pod *p, const struct pod_head *h,
                             str labels)
{
    struct profile *old = p->profile, *next = profile_get(s, h->profile, labels);

    if (old == next) {
        profile_unref(s, next);
        return false;
    }
    pod_set_profile(p, next);
    if (old)
        profile_unref(s, old);
    return true;
}

static void pod_is_bound(struct scheduler *s, struct pod *p, str node_name)
{
    struct node *n = node_find_or_make(s, node_name);

    if (p->node == n) {
        if (p->place != POD_BINDING) /* else its request is still on its way */
            p->place = POD_BOUND;
        if (p->assumed)
            queue_event(s, EVENT_POD_ADDED);
        p->assumed = false;
        return;
    }
    queue_remove(s, p);
    scheduler_release(s, p);
    p->place = POD_BOUND;
    node_put_pod(n, p);
    fulfil(s, p, n);
    queue_event(s, EVENT_POD_ADDED);
}

static void pod_is_unbound(struct scheduler *s, struct pod *p, const struct pod_head *h,
                           bool changed)
{
    if (p->place == POD_BINDING || p->place == POD_BOUND)
        return; /* news from before the binding */
    if (h->terminating || h->foreign) {
        queue_remove(s, p);
        return;
    }
    if (h->gated) {
        queue_remove(s, p);
        p->place = POD_GATED;
        return;
    }
    if (p->place == POD_NOWHERE || p->place == POD_GATED ||
        (p->place == POD_UNSCHEDULABLE && changed)) {
        queue_remove(s, p);
        queue_add(s, p);
    }
    if (h->nominated.n && !p->nominated && map_find(&s->all_nodes, h->nominated))
        pod_nominate(s, p, map_find(&s->all_nodes, h->nominated));
}

static void pod_changed(void *ctx, const struct obj *o, const struct obj *prev)
{
    struct scheduler *s = ctx;
    CLEANUP(buf) struct buf key = BUF_INIT;
    struct pod *p;
    struct pod_head h;
    bool changed;

    pod_key(o ? o : prev, &key);
    p = map_find(&s->pods, buf_view(&key));
    if (!o) {
        if (p)
            pod_gone(s, p, buf_view(&key));
        return;
    }
    if (p && str_eq(str_of(p->uid), o->uid))
        p->revision = o->revision;
    if (prev && str_eq(prev->uid, o->uid) && str_eq(prev->fields, o->fields))
        return; /* nothing else that matters here */
    if (!pod_head_read(o->fields, &h))
        return;
    if (!p && h.foreign && !h.node.n)
        return; /* another scheduler's: counts from when it has a node */
    if (p &&
        !str_eq(str_of(p->uid), o->uid)) { /* deleted and made anew under the same name, unseen */
        pod_gone(s, p, buf_view(&key));
        p = NULL;
    }
    if (!p) {
        p = NEW(struct pod);
        p->ns = str_dupz(o->key.ns);
        p->name = str_dupz(o->key.name);
        p->uid = str_dupz(o->uid);
        p->revision = o->revision;
        map_put(&s->pods, buf_view(&key), p);
    }
    if (p->place == POD_ACTIVE)
        queue_remove(s, p); /* its priority orders the heap */
    pod_read_head(s, p, &h);
    changed = pod_read_profile(s, p, &h, o->labels);
    if (h.node.n) {
        bool was_on_node = p->node != NULL;

        pod_is_bound(s, p, h.node);
        if (was_on_node && changed)
            queue_event(s, EVENT_POD_CHANGED);
    } else {
        pod_is_unbound(s, p, &h, changed);
    }
}

/* ---- nodes ---- */
static void node_changed(void *ctx, const struct obj *o, const struct obj *prev)
{
    struct scheduler *s = ctx;
    struct node *n;
    uint32_t events;

    if (!o) {
        n = map_find(&s->all_nodes, prev->key.name);
        if (n && n->present) {
            node_vanish(s, n);
            queue_event(s, EVENT_NODE_GONE);
        }
        return;
    }
    if (prev && str_eq(prev->uid, o->uid) && str_eq(prev->data, o->data) &&
        str_eq(prev->labels, o->labels))
        return;
    n = node_find_or_make(s, o->key.name);
    events = node_parse(s, n, o);
    if (!n->present) {
        node_appear(s, n);
        events |= EVENT_NODE_ADDED;
    }
    if (events)
        queue_event(s, events);
}

/* ---- life ---- */
static void one_synced(void *ctx)
{
    struct scheduler *s = ctx;

    if (++s->n_synced < N_INFORMERS)
        return;
    scheduler_wake(s);
    if (s->synced)
        s->synced(s->ctx);
}

static void ignore_change(void *ctx, const struct obj *o, const struct obj *prev) {}

static void volumes_changed(void *ctx, const struct obj *o, const struct obj *prev)
{
    if (o && prev && str_eq(o->data, prev->data))
        return;
    queue_event(ctx, EVENT_VOLUMES);
}

static struct informer *start_informer(struct scheduler *s, const struct informer_options *o,
                                       void (*changed)(void *ctx, const struct obj *o,
                                                       const struct obj *prev))
{
    struct informer *i = informer_new(s->client, o);

    informer_add_handler(i, &(struct informer_handler){changed, one_synced}, s);
    informer_start(i);
    return i;
}

struct scheduler *scheduler_start(const struct scheduler_options *o)
{
    struct scheduler *s = NEW(struct scheduler);

    s->loop = o->loop;
    s->client = o->client;
    s->synced = o->synced;
    s->ctx = o->ctx;
    map_init(&s->pods);
    map_init(&s->all_nodes);
    map_init(&s->profiles);
    map_init(&s->extended);
    list_init(&s->profile_list);
    list_init(&s->requests);
    s->arena = arena_new();
    s->dry_arena = arena_new();
    queue_init(s);
    s->events = series_recorder_new(s->client, S(SCHEDULER_NAME), o->host);
    s->node_informer = start_informer(
        s,
        &(struct informer_options){.version = S("v1"), .plural = S("nodes"), .reduce = node_reduce},
        node_changed);
    s->ns_informer =
        start_informer(s,
                       &(struct informer_options){
                           .version = S("v1"), .plural = S("namespaces"), .metadata_only = true},
                       ignore_change);
    s->claim_informer = start_informer(
        s,
        &(struct informer_options){
            .version = S("v1"), .plural = S("persistentvolumeclaims"), .reduce = claim_reduce},
        volumes_changed);
    s->volume_informer = start_informer(s,
                                        &(struct informer_options){.version = S("v1"),
                                                                   .plural = S("persistentvolumes"),
                                                                   .reduce = volume_reduce},
                                        volumes_changed);
    s->class_informer = start_informer(s,
                                       &(struct informer_options){.group = S("storage.k8s.io"),
                                                                  .version = S("v1"),
                                                                  .plural = S("storageclasses"),
                                                                  .reduce = class_reduce},
                                       volumes_changed);
    s->budget_informer =
        start_informer(s,
                       &(struct informer_options){.group = S("policy"),
                                                  .version = S("v1"),
                                                  .plural = S("poddisruptionbudgets"),
                                                  .reduce = budget_reduce},
                       ignore_change);
    s->pod_informer =
        start_informer(s,
                       &(struct informer_options){
                           .version = S("v1"),
                           .plural = S("pods"),
                           .field_selector = S("status.phase!=Succeeded,status.phase!=Failed"),
                           .pack = pod_pack_view,
                           .unread = pod_unread,
                           .n_unread = pod_n_unread},
                       pod_changed);
    return s;
}

static void free_now(void *ctx)
{
    struct scheduler *s = ctx;

    MAP_EACH(e, &s->pods) {
        struct pod *p = e->value;

        queue_remove(s, p);
        if (p->node)
            node_take_pod(s, p);
        pod_free(s, p);
    }
    while (s->n_nodes)
        node_vanish(s, s->nodes[0]);
    map_fini(&s->pods);
    map_fini(&s->all_nodes);
    map_fini(&s->profiles);
    map_fini(&s->extended);
    for (uint32_t i = 0; i < s->n_extended; i++)
        mem_free(s->insufficient[i]);
    mem_free(s->insufficient);
    mem_free(s->nodes);
    queue_fini(s);
    arena_free(s->arena);
    arena_free(s->dry_arena);
    mem_free(s);
}

void scheduler_stop(struct scheduler *s)
{
    if (!s)
        return;
    s->stopped = true;
    informer_free(s->pod_informer);
    informer_free(s->node_informer);
    informer_free(s->ns_informer);
    informer_free(s->claim_informer);
    informer_free(s->volume_informer);
    informer_free(s->class_informer);
    informer_free(s->budget_informer);
    series_recorder_free(s->events);
    requests_cancel(s);
    loop_defer(s->loop, free_now, s);
}
