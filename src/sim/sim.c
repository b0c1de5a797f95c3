/* sim.c - a whole cluster on one thread: API, store, controllers, scheduler and hollow nodes in one virtual environment.
 *
 * Everything is the production code; what is different is the loop below it, the store's file (in memory) and the nodes
 * (hollow.c). So a run depends on the seed alone, and an hour of cluster time passes in seconds.
 *
 * The log has a line per published event: virtual time, what happened, which object, its revision and a hash of its bytes. */
#include "sim/sim_internal.h"

#define START_S INT64_C(1800000000) /* 2027-01-15T08:00:00Z: when every simulation begins */
#define BOOT_LIMIT_NS (60 * NS_PER_S)
#define CALL_LIMIT_NS (60 * NS_PER_S)
/* Only looked at as text: nothing in a simulation verifies certificates, and the log must not depend on a fresh key. */
#define CA_PEM                                                                                     \
    "-----BEGIN CERTIFICATE-----\nc2ltdWxhdGVkIGNlcnRpZmljYXRl\n-----END CERTIFICATE-----\n"

static const str masters[] = {STR("system:masters")};

/* ---- the log ---- */
static uint64_t fnv1a(str s)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static void log_event(void *ctx, const struct store_event *e)
{
    static const char *const names[] = {
        [STORE_CREATED] = "created", [STORE_MODIFIED] = "modified", [STORE_DELETED] = "deleted"};
    struct sim *s = ctx;
    int64_t now = loop_virtual_elapsed_ns(s->loop);
    const struct key *k = &e->obj->key;

    buf_fmt(&s->log, "%lld.%09lld %s " PRI_STR " " PRI_STR "/" PRI_STR " %lld %016llx\n",
            (long long)(now / NS_PER_S), (long long)(now % NS_PER_S), names[e->type],
            STR_ARG(k->resource), STR_ARG(k->ns), STR_ARG(k->name), (long long)e->obj->revision,
            (unsigned long long)fnv1a(e->obj->data));
}

/* ---- life ---- */
struct client *sim_client_as(struct sim *s, str user, const str *groups, size_t n_groups,
                             const char *agent)
{
    return client_new_inproc(s->loop, &(struct client_inproc_options){.handler = api_handle,
                                                                      .handler_ctx = s->api,
                                                                      .server_loop = s->loop,
                                                                      .user = user,
                                                                      .groups = groups,
                                                                      .n_groups = n_groups,
                                                                      .user_agent = str_of(agent)});
}

static void synced(void *ctx)
{
    ((struct sim *)ctx)->n_synced++;
}

static void start_components(struct sim *s)
{
    static const str none[1];

    s->admin = sim_client_as(s, S("system:admin"), masters, ARRAY_LEN(masters), "sim");
    s->controllers_client = sim_client_as(s, S("system:kube-controller-manager"), masters,
                                          ARRAY_LEN(masters), "kube-controller-manager");
    s->scheduler_client = sim_client_as(s, S("system:kube-scheduler"), none, 0, "kube-scheduler");
    s->controllers =
        controllers_start(&(struct controllers_options){.loop = s->loop,
                                                        .client = s->controllers_client,
                                                        .ca_pem = S(CA_PEM),
                                                        .token_key_pem = buf_view(&s->token_key),
                                                        .cluster_cidr = S("10.42.0.0/16"),
                                                        .synced = synced,
                                                        .ctx = s});
    s->scheduler = scheduler_start(&(struct scheduler_options){.loop = s->loop,
                                                               .client = s->scheduler_client,
                                                               .host = S("sim"),
                                                               .synced = synced,
                                                               .ctx = s});
}

static void bootstrapped(void *ctx, struct err *err)
{
    struct sim *s = ctx;

    if (err)
        log_error("sim", "creating the first objects: %s", err_text(err));
    BUG_ON(err);
    start_components(s);
}

static bool is_up(void *ctx)
{
    return ((struct sim *)ctx)->n_synced == 2;
}

static void open_cluster(struct sim *s)
{
    static const struct store_watch_events events = {.event = log_event};
    struct api_options o = {
        .service_cidr = S("10.43.0.0/16"),
        .node_port_min = 30000,
        .node_port_max = 32767,
        .cluster_domain = S("cluster.local"),
        .advertise_address = S("10.0.0.1"),
        .advertise_port = 6443,
        .service_account_issuer = S("https://kubernetes.default.svc.cluster.local"),
        .ca_pem = S(CA_PEM),
        .anonymous = true,
        .allow_privileged = true,
    };
    struct err *err = store_open(s->loop, &(struct store_options){.path = ":memory:"}, &s->store);

    if (!err)
        err = store_watch(s->store, STR_NONE, STR_NONE, store_revision(s->store), &events, s,
                          &s->watch);
    if (!err)
        err = pki_key_new(&s->token_key);
    o.store = s->store;
    o.service_account_key_pem = buf_view(&s->token_key);
    if (!err)
        err = api_new(s->loop, &o, &s->api);
    if (err)
        log_error("sim", "%s", err_text(err));
    BUG_ON(err);
    api_bootstrap(s->api, bootstrapped, s);
}

struct sim *sim_new(const struct sim_options *o)
{
    struct sim *s = NEW(struct sim);

    s->loop = loop_new_virtual(o->seed, (wall_time){START_S * NS_PER_S});
    loop_virtual_faults(s->loop, &o->faults);
    s->log = s->token_key = BUF_INIT;
    open_cluster(s);
    BUG_ON(!sim_run_until(s, BOOT_LIMIT_NS, is_up, s));
    s->n_nodes = o->n_nodes;
    s->nodes = mem_zalloc(sizeof *s->nodes * (size_t)(o->n_nodes + 1));
    for (int i = 0; i < o->n_nodes; i++)
        hollow_start(s, i);
    return s;
}

static void closed(void *ctx)
{
    ((struct sim *)ctx)->n_closed++;
}

static bool is_closed_once(void *ctx)
{
    return ((struct sim *)ctx)->n_closed >= 1;
}

static bool is_closed_twice(void *ctx)
{
    return ((struct sim *)ctx)->n_closed >= 2;
}

void sim_free(struct sim *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->n_nodes; i++)
        hollow_stop(s, i);
    scheduler_stop(s->scheduler);
    controllers_stop(s->controllers);
    sim_run(s, NS_PER_MS);
    client_free(s->scheduler_client);
    client_free(s->controllers_client);
    client_free(s->admin);
    sim_run(s, NS_PER_MS);
    store_watch_close(s->watch);
    api_close(s->api, closed, s);
    BUG_ON(!sim_run_until(s, BOOT_LIMIT_NS, is_closed_once, s));
    store_close(s->store, closed, s);
    BUG_ON(!sim_run_until(s, BOOT_LIMIT_NS, is_closed_twice, s));
    loop_free(s->loop);
    buf_fini(&s->log);
    buf_fini(&s->token_key);
    mem_free(s->nodes);
    mem_free(s);
}

/* ---- running ---- */
struct loop *sim_loop(struct sim *s)
{
    return s->loop;
}

struct client *sim_client(struct sim *s)
{
    return s->admin;
}

void sim_run(struct sim *s, int64_t for_ns)
{
    loop_virtual_run(s->loop, loop_virtual_elapsed_ns(s->loop) + for_ns, NULL, NULL);
}

bool sim_run_until(struct sim *s, int64_t limit_ns, bool (*cond)(void *ctx), void *ctx)
{
    loop_virtual_run(s->loop, loop_virtual_elapsed_ns(s->loop) + limit_ns, cond, ctx);
    return cond(ctx);
}

void sim_node_stop(struct sim *s, int node)
{
    BUG_ON(node < 0 || node >= s->n_nodes);
    hollow_stop(s, node);
}

void sim_node_start(struct sim *s, int node)
{
    BUG_ON(node < 0 || node >= s->n_nodes);
    hollow_start(s, node);
}

str sim_log(const struct sim *s)
{
    return buf_view(&s->log);
}

struct call {
    struct buf *body;
    struct err *err;
    bool done;
};

static void call_done(void *ctx, struct err *err, int status, str body)
{
    struct call *c = ctx;

    c->err = err;
    if (c->body)
        buf_str(c->body, body);
    c->done = true;
}

static bool is_done(void *ctx)
{
    return ((struct call *)ctx)->done;
}

struct err *sim_call(struct sim *s, const char *method, const char *path, str body,
                     struct buf *ret_body)
{
    struct call c = {.body = ret_body};
    const char *type = strcmp(method, "PATCH") ? NULL : "application/merge-patch+json";

    client_do(s->admin,
              &(struct client_request){
                  .method = method, .path = str_of(path), .content_type = type, .body = body},
              call_done, &c);
    BUG_ON(!sim_run_until(s, CALL_LIMIT_NS, is_done, &c));
    return c.err;
}
