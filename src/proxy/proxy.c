/* proxy.c - keeps the kernel's rules what the API's Services and EndpointSlices say.
 *
 * Informers mark Services as dirty; a run compiles the dirty ones and gives the difference to the worker as one transaction. At
 * most one transaction runs at a time. A change on an idle node is applied at once; in a burst a run starts at most every
 * BURST_NS, and takes everything that came meanwhile.
 *
 * Invariants
 *   (1) Nothing is written before both caches are complete: after a restart the kernel keeps the rules it has until then.
 *   (2) After a failed transaction the whole table is written anew, after a growing pause.
 *
 * Thread: the loop given; the worker sees only its job. */
#include "proxy/node_address.h"
#include "proxy/proxy_internal.h"

#define BURST_NS (30 * NS_PER_MS)
#define STALE_NS (2 * NS_PER_S) /* between two looks at emptied chains */
#define RETRY_MIN_NS NS_PER_S
#define RETRY_MAX_NS (60 * NS_PER_S)
#define POD_PREFIX "pod:" /* no namespace is called so: ':' is not allowed */
#define SERVICE_NAME_LABEL "kubernetes.io/service-name"

struct udp_copy { /* the UDP fronts of one Service, in one allocation */
    size_t n;
    struct udp_front fronts[];
};
struct job { /* what the worker does: owned by it until done */
    struct proxy *proxy;
    struct buf batch;
    bool first;               /* kernel settings and routes too */
    bool look, lost;          /* only look whether the table is there */
    struct arena *arena;      /* of the fronts */
    struct udp_front *fronts; /* NULL: no look at flows */
    size_t n_fronts, n_flows;
    struct err *err, *flow_err;
};
struct proxy {
    struct loop *loop;
    char *node_name, *node_ip, *cluster_cidr, *service_cidr, *state_dir;
    struct proxy_node node; /* slices of the above */
    void (*synced)(void *ctx);
    void *ctx;
    struct informer *services, *slices, *pods; /* pods may be NULL */
    struct ruleset *rules;
    struct map dirty; /* "ns/name" of Services, "pod:ns/name" of pods to compile */
    struct map udp;   /* "ns/name" -> struct udp_copy */
    struct pool_serial *worker;
    struct loop_timer *run_timer, *stale_timer;
    struct job *running; /* at the worker; NULL: none */
    struct nft_watch *watch;
    bool done_once, flows_dirty, look_due;
    struct udp_front *gone; /* fronts that are no more, for the next look at flows */
    size_t n_gone, cap_gone;
    mono_time last_run;
    int64_t retry_ns;
};

/* ---- worker ---- */

static void job_work(void *ctx)
{
    struct job *j = ctx;
    struct proxy *p = j->proxy; /* only what never changes: loop, node, state_dir */

    if (j->look) {
        j->lost = !nft_table_exists();
        return;
    }
    if (j->first) {
        j->err = proxy_sysctl_set(p->loop, str_of(p->state_dir));
        if (!j->err && p->node.cluster_cidr.n)
            j->err = node_unreachable_add(p->node.cluster_cidr);
        if (!j->err && p->node.service_cidr.n)
            j->err = node_link_set(STR_NONE, p->node.service_cidr, p->node.node_ip);
    }
    if (!j->err && j->batch.n)
        j->err = nft_apply(buf_cstr(&j->batch));
    if (!j->err && j->fronts)
        j->flow_err = conntrack_clean_udp(j->fronts, j->n_fronts, &j->n_flows);
}

static void job_free(struct job *j)
{
    buf_fini(&j->batch);
    arena_free(j->arena);
    err_free(j->err);
    err_free(j->flow_err);
    mem_free(j);
}

/* ---- runs ---- */

static void schedule(struct proxy *p);
static void look(struct proxy *p);

static void job_done(void *ctx)
{
    struct job *j = ctx;
    struct proxy *p = j->proxy;

    p->running = NULL;
    if (j->err) {
        p->retry_ns = MIN(MAX(p->retry_ns * 2, (int64_t)RETRY_MIN_NS), (int64_t)RETRY_MAX_NS);
        log_error("proxy", "writing the rules failed, again in %lld s: %s",
                  (long long)(p->retry_ns / NS_PER_S), err_text(j->err));
        ruleset_lost(p->rules);
        p->flows_dirty = true;
        loop_timer_set(p->run_timer, p->retry_ns);
        job_free(j);
        return;
    }
    p->retry_ns = 0;
    if (j->lost) {
        log_warning("proxy", "somebody deleted the table ip " PROXY_TABLE ": writing it again");
        ruleset_lost(p->rules);
    }
    if (j->flow_err)
        log_warning("proxy", "stale UDP flows stay until they time out: %s", err_text(j->flow_err));
    if (j->n_flows)
        log_debug("proxy", "ended %zu stale UDP flows", j->n_flows);
    job_free(j);
    if (ruleset_has_stale(p->rules) && !loop_timer_is_set(p->stale_timer))
        loop_timer_set(p->stale_timer, STALE_NS);
    if (p->look_due && p->done_once)
        look(p);
    if (!p->done_once) {
        p->done_once = true;
        if (p->synced)
            p->synced(p->ctx);
    }
    schedule(p);
}

static void job_start(struct proxy *p, struct job *j)
{
    j->proxy = p;
    j->first = !p->done_once && !j->look;
    p->running = j;
    if (!j->look) /* a look is no burst */
        p->last_run = loop_now(p->loop);
    pool_serial_run(p->worker, job_work, job_done, j);
}

/* Our own rebuilding deletes the table, too; so the deletion is only a reason to look, behind what runs. */
static void look(struct proxy *p)
{
    struct job *j;

    p->look_due = true;
    if (p->running || !p->done_once)
        return;
    p->look_due = false;
    j = NEW(struct job);
    j->look = true;
    job_start(p, j);
}

static void table_gone(void *ctx)
{
    look(ctx);
}

static bool udp_front_is_in(const struct udp_front *f, const struct udp_front *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].ip == f->ip && v[i].port == f->port)
            return true;
    return false;
}

static bool udp_equal(const struct udp_copy *old, const struct service_rules *r)
{
    if ((old ? old->n : 0) != r->n_udp)
        return false;
    for (size_t i = 0; i < r->n_udp; i++) {
        const struct udp_front *x = &old->fronts[i], *y = &r->udp[i];
        if (x->ip != y->ip || x->port != y->port || x->n_backends != y->n_backends)
            return false;
        for (size_t k = 0; k < x->n_backends; k++)
            if (x->backends[k].ip != y->backends[k].ip ||
                x->backends[k].port != y->backends[k].port)
                return false;
    }
    return true;
}

static void udp_put(struct proxy *p, str name, const struct service_rules *r)
{
    struct udp_copy *old = map_find(&p->udp, name);

    if (udp_equal(old, r))
        return;
    p->flows_dirty = true;
    for (size_t i = 0; old && i < old->n; i++) {
        if (udp_front_is_in(&old->fronts[i], r->udp, r->n_udp))
            continue;
        if (p->n_gone == p->cap_gone) {
            size_t cap = p->cap_gone ? p->cap_gone * 2 : 8;
            p->gone = mem_realloc(p->gone, cap * sizeof *p->gone);
            p->cap_gone = cap;
        }
        p->gone[p->n_gone++] = (struct udp_front){old->fronts[i].ip, old->fronts[i].port, NULL, 0};
    }
    map_del(&p->udp, name);
    mem_free(old);
    if (r->n_udp == 0)
        return;
    size_t n_backends = 0;
    for (size_t i = 0; i < r->n_udp; i++)
        n_backends += r->udp[i].n_backends;
    struct udp_copy *copy = mem_alloc(sizeof *copy + r->n_udp * sizeof(struct udp_front) +
                                      n_backends * sizeof(struct udp_backend));
    struct udp_backend *backend = (struct udp_backend *)&copy->fronts[r->n_udp];
    copy->n = r->n_udp;
    for (size_t i = 0; i < r->n_udp; i++) {
        copy->fronts[i] = r->udp[i];
        copy->fronts[i].backends = backend;
        memcpy(backend, r->udp[i].backends, r->udp[i].n_backends * sizeof *backend);
        backend += r->udp[i].n_backends;
    }
    map_put(&p->udp, name, copy);
}

static bool is_synced(const struct proxy *p)
{
    return informer_is_synced(p->services) && informer_is_synced(p->slices) &&
           (!p->pods || informer_is_synced(p->pods));
}

static void compile_pod(struct proxy *p, str name)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct service_rules r = {0};
    str rest = str_skip(name, strlen(POD_PREFIX)), ns;
    const struct obj *o;
    struct json *tree;

    str_cut(&rest, '/', &ns);
    o = informer_find(p->pods, ns, rest);
    if (o &&
        str_find(o->data, S("\"hostPort\"")) >= 0) { /* most pods have none: not worth a tree */
        struct err *err = json_parse(a, o->data, NULL, NULL, &tree);
        if (err) {
            log_error("proxy", "Pod " PRI_STR ": %s", STR_ARG(name), err_text(err));
            err_free(err);
            return;
        }
        host_ports_compile(a, tree, &r);
    }
    ruleset_put(p->rules, name, r.items, r.n_items);
    udp_put(p, name, &r);
}

static void compile(struct proxy *p, str name)
{
    CLEANUP(arena) struct arena *a = arena_new();
    const struct json **slices;
    size_t n_slices;
    struct service_rules r = {0};
    str rest = name, ns;
    const struct obj *o;

    if (str_has_prefix(name, S(POD_PREFIX))) {
        compile_pod(p, name);
        return;
    }
    str_cut(&rest, '/', &ns);
    o = informer_find(p->services, ns, rest);
    if (o) {
        struct json *tree;
        struct err *err = json_parse(a, o->data, NULL, NULL, &tree);
        if (err) {
            log_error("proxy", "Service " PRI_STR ": %s", STR_ARG(name), err_text(err));
            err_free(err);
            return;
        }
        slices = informer_trees_indexed(p->slices, name, a, "proxy", &n_slices);
        service_rules_compile(a, &p->node, tree, slices, n_slices, &r);
    }
    ruleset_put(p->rules, name, r.items, r.n_items);
    udp_put(p, name, &r);
}

/* Everything that flows may have to be compared with, copied: the worker shares nothing with the loop. */
static void job_add_fronts(struct proxy *p, struct job *j)
{
    size_t n = 0, cap = p->n_gone + 1;

    MAP_EACH(e, &p->udp)
        cap += ((struct udp_copy *)e->value)->n;
    j->arena = arena_new();
    j->fronts = ARENA_NEW_N(j->arena, struct udp_front, cap);
    MAP_EACH(e, &p->udp) {
        const struct udp_copy *copy = e->value;
        for (size_t i = 0; i < copy->n; i++) {
            struct udp_front f = copy->fronts[i];
            struct udp_backend *backends =
                ARENA_NEW_N(j->arena, struct udp_backend, f.n_backends + 1);
            memcpy(backends, f.backends, f.n_backends * sizeof *backends);
            f.backends = backends;
            j->fronts[n++] = f;
        }
    }
    for (size_t i = 0, current = n; i < p->n_gone; i++)
        if (!udp_front_is_in(&p->gone[i], j->fronts, current))
            j->fronts[n++] = p->gone[i];
    j->n_fronts = n;
    p->n_gone = 0;
    p->flows_dirty = false;
}

static void run(void *ctx)
{
    struct proxy *p = ctx;

    if (p->running || !is_synced(p))
        return;
    MAP_EACH(e, &p->dirty)
        compile(p, map_key(e));
    map_fini(&p->dirty);
    map_init(&p->dirty);
    if (!ruleset_is_dirty(p->rules) && !p->flows_dirty)
        return;

    struct job *j = NEW(struct job);
    if (ruleset_is_dirty(p->rules))
        ruleset_batch(p->rules, &j->batch);
    if (p->flows_dirty)
        job_add_fronts(p, j);
    job_start(p, j);
}

static void schedule(struct proxy *p)
{
    int64_t since = loop_now(p->loop).ns - p->last_run.ns;

    if (p->running || loop_timer_is_set(p->run_timer) || !is_synced(p))
        return;
    if (p->dirty.n == 0 && !p->flows_dirty && !ruleset_is_dirty(p->rules))
        return;
    loop_timer_set(p->run_timer, p->last_run.ns && since < BURST_NS ? BURST_NS - since : 0);
}

static void stale(void *ctx)
{
    struct proxy *p = ctx;
    struct job *j;

    if (p->running) {
        loop_timer_set(p->stale_timer, STALE_NS);
        return;
    }
    j = NEW(struct job);
    ruleset_batch_stale(p->rules, &j->batch);
    if (j->batch.n) {
        job_start(p, j);
        return;
    }
    job_free(j);
    if (ruleset_has_stale(p->rules))
        loop_timer_set(p->stale_timer, STALE_NS);
}

/* ---- caches ---- */

static void dirty(struct proxy *p, const char *prefix, str ns, str name)
{
    CLEANUP(buf) struct buf key = BUF_INIT;

    buf_fmt(&key, "%s" PRI_STR "/" PRI_STR, prefix, STR_ARG(ns), STR_ARG(name));
    if (!map_find(&p->dirty, buf_view(&key)))
        map_put(&p->dirty, buf_view(&key), p);
    schedule(p);
}

static void service_changed(void *ctx, const struct obj *obj, const struct obj *prev)
{
    const struct obj *o = obj ? obj : prev;

    dirty(ctx, "", o->key.ns, o->key.name);
}

static void slice_service_dirty(struct proxy *p, const struct obj *o)
{
    str name;

    if (o && packed_get(o->labels, S(SERVICE_NAME_LABEL), &name))
        dirty(p, "", o->key.ns, name);
}

static void slice_changed(void *ctx, const struct obj *obj, const struct obj *prev)
{
    slice_service_dirty(ctx, obj);
    slice_service_dirty(ctx, prev); /* the label may have moved it from one Service to another */
}

/* Pods change often (status); only those matter that have host ports, or had. */
static void pod_changed(void *ctx, const struct obj *obj, const struct obj *prev)
{
    const struct obj *o = obj ? obj : prev;

    if ((obj && str_find(obj->data, S("\"hostPort\"")) >= 0) ||
        (prev && str_find(prev->data, S("\"hostPort\"")) >= 0))
        dirty(ctx, POD_PREFIX, o->key.ns, o->key.name);
}

static void slice_index(const struct obj *o, const struct json *tree UNUSED, struct buf *out)
{
    str name;

    if (packed_get(o->labels, S(SERVICE_NAME_LABEL), &name))
        buf_fmt(out, PRI_STR "/" PRI_STR, STR_ARG(o->key.ns), STR_ARG(name));
}

static void cache_synced(void *ctx)
{
    schedule(ctx);
}

struct err *proxy_start(const struct proxy_options *o, struct proxy **ret)
{
    static const struct informer_handler on_service = {service_changed, cache_synced},
                                         on_slice = {slice_changed, cache_synced},
                                         on_pod = {pod_changed, cache_synced};
    struct proxy *p;
    uint32_t net;
    int bits;

    BUG_ON(!loop_is_mine(o->loop));
    if (o->cluster_cidr.n && !ipv4_cidr_parse(o->cluster_cidr, &net, &bits))
        return err_new(REASON_INVALID, "cluster CIDR \"" PRI_STR "\" is no IPv4 network",
                       STR_ARG(o->cluster_cidr));
    if (o->service_cidr.n && !ipv4_cidr_parse(o->service_cidr, &net, &bits))
        return err_new(REASON_INVALID, "service CIDR \"" PRI_STR "\" is no IPv4 network",
                       STR_ARG(o->service_cidr));
    p = NEW(struct proxy);
    p->loop = o->loop;
    p->synced = o->synced;
    p->ctx = o->ctx;
    p->node_name = str_dupz(o->node_name);
    p->node_ip = str_dupz(o->node_ip);
    p->cluster_cidr = str_dupz(o->cluster_cidr);
    p->service_cidr = str_dupz(o->service_cidr);
    p->state_dir = str_dupz(o->state_dir);
    p->node = (struct proxy_node){str_of(p->node_name), str_of(p->node_ip), str_of(p->cluster_cidr),
                                  str_of(p->service_cidr)};
    p->rules = ruleset_new(&p->node);
    map_init(&p->dirty);
    map_init(&p->udp);
    p->worker = pool_serial_new(o->loop, "k1s-proxy");
    p->run_timer = loop_timer_new(o->loop, run, p);
    p->stale_timer = loop_timer_new(o->loop, stale, p);
    p->services = informer_new(
        o->client, &(struct informer_options){.version = S("v1"), .plural = S("services")});
    p->slices = informer_new(o->client, &(struct informer_options){.group = S("discovery.k8s.io"),
                                                                   .version = S("v1"),
                                                                   .plural = S("endpointslices"),
                                                                   .index = slice_index});
    informer_add_handler(p->services, &on_service, p);
    informer_add_handler(p->slices, &on_slice, p);
    if (o->pods_client) {
        CLEANUP(buf) struct buf here = BUF_INIT;
        buf_fmt(&here, "spec.nodeName=" PRI_STR, STR_ARG(o->node_name));
        p->pods = informer_new(o->pods_client,
                               &(struct informer_options){.version = S("v1"),
                                                          .plural = S("pods"),
                                                          .field_selector = buf_view(&here)});
        informer_add_handler(p->pods, &on_pod, p);
        informer_start(p->pods);
    }
    informer_start(p->services);
    informer_start(p->slices);
    struct err *err = nft_watch_open(p->loop, table_gone, p, &p->watch);
    if (err) { /* then a table that somebody deletes comes back at the next change */
        log_warning("proxy", "%s", err_text(err));
        err_free(err);
    }
    *ret = p;
    return NULL;
}

void proxy_stop(struct proxy *p, bool remove_rules)
{
    if (!p)
        return;
    BUG_ON(!loop_is_mine(p->loop));
    informer_free(p->services);
    informer_free(p->slices);
    if (p->pods)
        informer_free(p->pods);
    loop_timer_free(p->run_timer);
    loop_timer_free(p->stale_timer);
    nft_watch_close(p->watch);
    pool_serial_free(p->worker);
    if (p->running) /* its completion was dropped with the queue */
        job_free(p->running);
    if (remove_rules) {
        struct err *err = proxy_cleanup(p->loop, str_of(p->state_dir));
        if (err)
            log_error("proxy", "removing the rules: %s", err_text(err));
        err_free(err);
    }
    ruleset_free(p->rules);
    MAP_EACH(e, &p->udp)
        mem_free(e->value);
    map_fini(&p->udp);
    map_fini(&p->dirty);
    mem_free(p->gone);
    mem_free(p->node_name);
    mem_free(p->node_ip);
    mem_free(p->cluster_cidr);
    mem_free(p->service_cidr);
    mem_free(p->state_dir);
    mem_free(p);
}

struct err *proxy_cleanup(struct loop *loop, str state_dir)
{
    struct err *errs[] = {
        /* Add before delete: deleting what is not there would be an error. */
        nft_apply("add table ip " PROXY_TABLE "\ndelete table ip " PROXY_TABLE "\n"),
        node_unreachable_remove_all(),
        node_link_remove(),
        proxy_sysctl_restore(loop, state_dir),
    };
    struct err *first = NULL;

    /* All are tried; the first complaint is told. */
    for (size_t i = 0; i < ARRAY_LEN(errs); i++) {
        if (first)
            err_free(errs[i]);
        else
            first = errs[i];
    }
    return first;
}
