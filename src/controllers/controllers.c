/* controllers.c - the table of controllers, and the one loop of work that all of them share.
 *
 * A change of an object wakes keys; a key's turn is: wait until the caches show what its last plan
 * wrote, reconcile, execute the plan, and come again if something failed (with back-off) or was
 * asked for later.
 *
 * Invariants
 *   (1) A key has at most one plan under way.
 *   (2) A reconcile never sees caches older than its own key's last writes ("settled"): so no pod
 * is created twice because the first one has not come back yet. Kubernetes counts expectations;
 * here revisions say it, since they are one counter. (3) Nothing is reconciled before every cache
 * has been filled once.
 *
 * Not here: requests (execute.c), decisions (one file per controller). */
#include "controllers/framework.h"

static const struct controller_type *const table[] = {
    &namespace_controller,
    &serviceaccount_controller,
    &root_ca_controller,
    &replicaset_controller,
    &replicationcontroller_controller,
    &deployment_controller,
    &endpoints_controller,
    &endpointslice_controller,
    &endpointslice_mirroring_controller,
    &node_lifecycle_controller,
    &node_ipam_controller,
    &taint_eviction_controller,
    &job_controller,
    &ttl_after_finished_controller,
    &cronjob_controller,
    &daemonset_controller,
    &statefulset_controller,
    &podgc_controller,
    &disruption_controller,
    &resourcequota_controller,
    &token_controller,
    &pvc_protection_controller,
    &csr_signer_controller,
    &node_ttl_controller,
    &role_aggregation_controller,
    &token_cleaner_controller,
    &legacy_tokens_controller,
    &bootstrap_signer_controller,
    &policy_status_controller,
    &claim_controller,
    &servicecidr_controller,
    &volume_controller,
};

/* ---- keys and wake-ups ---- */

bool key_split(str key, str *ret_ns, str *ret_name)
{
    ptrdiff_t slash = str_index(key, '/');

    *ret_ns = slash < 0 ? STR_NONE : str_slice(key, 0, (size_t)slash);
    *ret_name = slash < 0 ? key : str_skip(key, (size_t)slash + 1);
    return slash >= 0;
}

static void key_build(struct buf *b, str ns, str name)
{
    if (ns.n) {
        buf_str(b, ns);
        buf_char(b, '/');
    }
    buf_str(b, name);
}

void wake(struct controller *c, str ns, str name)
{
    CLEANUP(buf) struct buf key = BUF_INIT;

    key_build(&key, ns, name);
    workqueue_add(c->queue, buf_view(&key));
}

void wake_after(struct controller *c, str ns, str name, int64_t delay_ns)
{
    CLEANUP(buf) struct buf key = BUF_INIT;

    key_build(&key, ns, name);
    workqueue_add_after(c->queue, buf_view(&key), delay_ns);
}

struct informer *controller_cache(const struct controller *c, enum kind_id k)
{
    return c->m->caches[k];
}

struct loop *controller_loop(const struct controller *c)
{
    return c->m->loop;
}

struct client *controller_client(const struct controller *c)
{
    return c->m->client;
}

const struct config *controller_config(const struct controller *c)
{
    return &c->m->config;
}

void *controller_state(const struct controller *c)
{
    return c->state;
}

static const struct owner_cache *owner_of(struct controllers *m, const struct obj *o)
{
    struct owner_cache *slot =
        m->owners[0].of == o || !m->owners[0].of ? &m->owners[0] : &m->owners[1];
    struct json *list = NULL;
    struct err *err;
    str refs;

    if (slot->of == o)
        return slot;
    *slot = (struct owner_cache){.of = o};
    refs = client_text_find(o->data, "metadata.ownerReferences");
    if (!refs.n)
        return slot;
    err = json_parse(m->change, refs, NULL, NULL, &list);
    err_free(err);
    JSON_EACH(ref, list)
        if (json_get_bool(ref, "controller", false)) {
            slot->kind = json_get_str(ref, "kind");
            slot->name = json_get_str(ref, "name");
        }
    return slot;
}

static void wake_owner_of(struct controller *c, const struct kind *owner, const struct obj *o)
{
    const struct owner_cache *found = owner_of(c->m, o);

    if (found->name.n && str_eq(found->kind, owner->kind))
        wake(c, o->key.ns, found->name);
}

void wake_owner(struct controller *c, const struct kind *owner, const struct obj *obj,
                const struct obj *prev)
{
    if (prev)
        wake_owner_of(c, owner, prev);
    if (obj)
        wake_owner_of(c, owner, obj);
}

/* ---- what a key's caches must show ---- */

static struct memory *memory_get(struct controller *c, str key)
{
    struct memory *m = map_find(&c->memories, key);

    if (!m) {
        m = NEW(struct memory);
        m->c = c;
        m->key = str_dupz(key);
        list_init(&m->link);
        map_put(&c->memories, key, m);
    }
    return m;
}

static void memory_free(struct memory *m)
{
    for (uint32_t i = 0; i < m->n_deleted; i++)
        obj_unref(m->deleted[i].obj);
    mem_free(m->deleted);
    list_del(&m->link);
    mem_free(m->failure);
    mem_free(m->key);
    mem_free(m);
}

void memory_wrote(struct memory *m, enum kind_id k, int64_t revision)
{
    for (int i = 0; i < m->n_written; i++)
        if (m->written[i].kind == k) {
            m->written[i].revision = MAX(m->written[i].revision, revision);
            return;
        }
    BUG_ON(m->n_written == WRITTEN_KINDS_MAX);
    m->written[m->n_written++] = (struct written){k, revision};
}

void memory_deleted(struct memory *m, enum kind_id k, const struct obj *o)
{
    if (m->n_deleted == m->cap_deleted) {
        m->cap_deleted = m->cap_deleted ? m->cap_deleted * 2 : 4;
        m->deleted = mem_realloc(m->deleted, m->cap_deleted * sizeof *m->deleted);
    }
    m->deleted[m->n_deleted].kind = k;
    m->deleted[m->n_deleted++].obj = obj_ref(o);
}

static bool deletion_is_seen(const struct informer *cache, const struct obj *deleted)
{
    const struct obj *now = informer_find(cache, deleted->key.ns, deleted->key.name);

    return !now || !str_eq(now->uid, deleted->uid) || now->revision == 0 ||
           client_text_find(now->data, "metadata.deletionTimestamp").n > 0;
}

/* Drops what has been seen; false: *ret_on is the cache to wait for. */
static bool memory_is_settled(struct memory *m, enum kind_id *ret_on)
{
    while (m->n_written) {
        const struct written *w = &m->written[m->n_written - 1];

        if (informer_revision(m->c->m->caches[w->kind]) < w->revision) {
            *ret_on = w->kind;
            return false;
        }
        m->n_written--;
    }
    while (m->n_deleted) {
        struct deleted *d = &m->deleted[m->n_deleted - 1];

        if (!deletion_is_seen(m->c->m->caches[d->kind], d->obj)) {
            *ret_on = d->kind;
            return false;
        }
        obj_unref(d->obj);
        m->n_deleted--;
    }
    return true;
}

static void park(struct memory *m, enum kind_id on)
{
    list_del(&m->link);
    m->parked = true;
    m->parked_on = on;
    list_add_tail(&m->c->m->parked[on], &m->link);
}

static void unpark_settled(struct controllers *cs, enum kind_id kind)
{
    struct memory *m, *tmp;

    LIST_EACH_SAFE(m, tmp, &cs->parked[kind], link) {
        enum kind_id on;

        if (!memory_is_settled(m, &on)) {
            if (on != kind)
                park(m, on);
            continue;
        }
        list_del(&m->link);
        m->parked = false;
        workqueue_add(m->c->queue, str_of(m->key));
    }
}

/* ---- one turn ---- */

static uint64_t random_of(void *ctx)
{
    return loop_random_u64(ctx);
}

static bool count_object(void *ctx, const struct obj *o)
{
    (void)o;
    ++*(int64_t *)ctx;
    return true;
}

static int64_t other_count(void *ctx, str ns, str name)
{
    struct controllers *m = ctx;
    const struct informer *cache = gc_cache(m->gc, name);
    int64_t n = 0;

    if (!cache)
        return -1;
    informer_each(cache, ns, count_object, &n);
    return n;
}

static void run_start(struct controller *c, struct memory *m)
{
    struct run *run = NEW(struct run);
    struct reconcile *r = &run->r;

    run->c = c;
    run->memory = m;
    list_add_tail(&c->runs, &run->link);
    r->a = r->plan.arena = arena_new();
    r->now = loop_wall(c->m->loop);
    r->mono = loop_now(c->m->loop);
    key_split(str_of(m->key), &r->ns, &r->name);
    r->caches = c->m->caches;
    r->config = &c->m->config;
    r->state = c->state;
    /* A copy: while the plan runs, a new failure may replace the remembered one. */
    r->failure = m->failure ? arena_dup(r->a, str_of(m->failure)) : STR_NONE;
    r->random = random_of;
    r->random_ctx = c->m->loop;
    r->other_count = other_count;
    r->other_ctx = c->m;
    c->type->reconcile(r);
    if (log_level_max >= LOG_DEBUG && r->plan.n) {
        CLEANUP(buf) struct buf text = BUF_INIT;

        plan_format(&r->plan, &text);
        log_debug(c->type->name, "%s: %s", m->key, buf_cstr(&text));
    }
    run_execute(run);
}

void run_finished(struct run *run)
{
    struct controller *c = run->c;
    struct memory *m = run->memory;
    bool retry = run->failed || run->r.plan.retry;
    CLEANUP(mem) void *key = mem_strdup(m->key);

    if (m->failure && !run->push_failed && !run->failed)
        mem_free(TAKE(m->failure));
    if (run->r.plan.requeue_ns)
        workqueue_add_after(c->queue, str_of(key), run->r.plan.requeue_ns);
    else if (!retry && c->type->primary < K_N &&
             !look_up(&run->r, c->type->primary, run->r.ns, run->r.name))
        workqueue_forget_delay(c->queue, str_of(key)); /* a deadline of what is gone */
    list_del(&run->link);
    if (!m->n_written && !m->n_deleted && !m->failure && !retry) {
        map_del(&c->memories, str_of(key));
        memory_free(m);
    }
    arena_free(run->r.a);
    mem_free(run);
    workqueue_done(c->queue, str_of(key), retry);
}

void work_done(struct controller *c, str key, bool retry)
{
    workqueue_done(c->queue, key, retry);
}

static void on_work(void *ctx, str key)
{
    struct controller *c = ctx;
    struct memory *m;
    enum kind_id on;

    if (c->type->work) {
        c->type->work(c, key);
        return;
    }
    m = memory_get(c, key);
    if (!m->parked && memory_is_settled(m, &on)) {
        run_start(c, m);
        return;
    }
    if (!m->parked)
        park(m, on);
    workqueue_done(c->queue, key, false); /* unpark_settled() brings it back */
}

/* ---- changes ---- */

static void on_changed(void *ctx, const struct obj *obj, const struct obj *prev)
{
    struct cache_handler *h = ctx;
    struct controllers *m = h->m;
    const struct obj *any = obj ? obj : prev;

    arena_reset(m->change);
    m->owners[0] = m->owners[1] = (struct owner_cache){0};
    for (size_t i = 0; i < m->n; i++) {
        struct controller *c = m->list[i];

        if (c->type->primary == h->kind)
            wake(c, any->key.ns, any->key.name);
        for (size_t t = 0; t < c->type->n_triggers; t++)
            if (c->type->triggers[t].kind == h->kind)
                c->type->triggers[t].keys(c, obj, prev);
    }
    unpark_settled(m, h->kind);
}

static void on_progressed(void *ctx)
{
    struct cache_handler *h = ctx;

    unpark_settled(h->m, h->kind);
}

/* ---- start and stop ---- */

static void controllers_run(struct controllers *m)
{
    static const struct informer_handler handler = {.changed = on_changed,
                                                    .progressed = on_progressed};

    m->running = true;
    for (size_t i = 0; i < m->n; i++)
        if (m->list[i]->type->state_new)
            m->list[i]->state = m->list[i]->type->state_new(m->list[i]);
    for (int k = 0; k < K_N; k++)
        if (m->caches[k])
            informer_add_handler(m->caches[k], &handler, &m->handlers[k]);
    if (m->synced)
        m->synced(m->synced_ctx);
}

static void on_cache_synced(void *ctx)
{
    struct controllers *m = ctx;

    if (--m->n_unsynced == 0)
        controllers_run(m);
}

static void ignore_change(void *ctx, const struct obj *obj, const struct obj *prev) {}

static void want_cache(struct controllers *m, enum kind_id k)
{
    static const struct informer_handler handler = {.changed = ignore_change,
                                                    .synced = on_cache_synced};

    if (k == K_N || m->caches[k])
        return;
    m->caches[k] = kind_informer(m->client, k);
    m->n_unsynced++;
    informer_add_handler(m->caches[k], &handler, m);
}

struct controllers *controllers_start(const struct controllers_options *o)
{
    struct controllers *m = NEW(struct controllers);

    m->loop = o->loop;
    m->client = o->client;
    m->synced = o->synced;
    m->synced_ctx = o->ctx;
    m->ca_pem = str_dupz(o->ca_pem);
    m->ca_key_pem = str_dupz(o->ca_key_pem);
    m->token_key_pem = str_dupz(o->token_key_pem);
    m->cluster_cidr = str_dupz(o->cluster_cidr);
    m->config =
        (struct config){.ca_pem = str_of(m->ca_pem),
                        .ca_key_pem = str_of(m->ca_key_pem),
                        .token_key_pem = str_of(m->token_key_pem),
                        .cluster_cidr = str_of(m->cluster_cidr),
                        .node_monitor_grace_ns =
                            o->node_monitor_grace_ns ? o->node_monitor_grace_ns : 50 * NS_PER_S};
    m->change = arena_new();
    m->list = mem_zalloc(ARRAY_LEN(table) * sizeof *m->list);
    for (int k = 0; k < K_N; k++) {
        m->handlers[k] = (struct cache_handler){m, (enum kind_id)k};
        list_init(&m->parked[k]);
    }
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct controller_type *t = table[i];
        struct controller *c = NEW(struct controller);

        c->type = t;
        c->m = m;
        c->queue =
            workqueue_new(m->loop, on_work, c, t->parallel ? t->parallel : CONTROLLER_PARALLEL);
        c->recorder = event_recorder_new(m->client, str_of(t->component), STR_NONE);
        map_init(&c->memories);
        list_init(&c->runs);
        m->list[m->n++] = c;
        want_cache(m, t->primary);
        for (size_t n = 0; n < t->n_triggers; n++)
            want_cache(m, t->triggers[n].kind);
        for (const enum kind_id *k = t->reads; k && *k != K_N; k++)
            want_cache(m, *k);
    }
    m->gc = gc_new(m);
    for (int k = 0; k < K_N; k++)
        if (m->caches[k])
            informer_start(m->caches[k]);
    return m;
}

static void controller_free(struct controller *c)
{
    while (!list_is_empty(&c->runs))
        run_cancel(LIST_ITEM(c->runs.next, struct run, link));
    if (c->type->state_free && c->state)
        c->type->state_free(c->state);
    workqueue_free(c->queue);
    event_recorder_free(c->recorder);
    MAP_EACH(e, &c->memories)
        memory_free(e->value);
    map_fini(&c->memories);
    mem_free(c);
}

static bool wake_each(void *ctx, const struct obj *o)
{
    wake(ctx, o->key.ns, o->key.name);
    return true;
}

void controllers_token_key(struct controllers *m, str pem)
{
    mem_free(m->token_key_pem);
    m->token_key_pem = str_dupz(pem);
    m->config.token_key_pem = str_of(m->token_key_pem);
    for (size_t i = 0; i < m->n; i++)
        if (m->list[i]->type == &token_controller)
            informer_each(m->caches[K_SECRETS], STR_NONE, wake_each, m->list[i]);
}

void controllers_stop(struct controllers *m)
{
    if (!m)
        return;
    gc_free(m->gc);
    for (size_t i = 0; i < m->n; i++)
        controller_free(m->list[i]);
    for (int k = 0; k < K_N; k++)
        informer_free(m->caches[k]);
    mem_free(m->list);
    arena_free(m->change);
    mem_free(m->ca_pem);
    mem_free(m->ca_key_pem);
    mem_free(m->token_key_pem);
    mem_free(m->cluster_cidr);
    mem_free(m);
}
