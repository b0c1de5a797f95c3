/* flow.c - priority and fairness: when more is asked for than can be served, each gets his share, and
 * the rest is told to come again.
 *
 * Every request is classified by the first FlowSchema that fits and belongs to its priority level.
 * On one loop a request that is answered at once occupies nobody; what occupies is what goes on after
 * its turn: writes on their way to the disk, lists that are being sent, webhooks that are waited for.
 * Those take a seat of their level, from their beginning until their answer has left; a list takes
 * more, by its length. With all seats taken a request waits in one of its level's queues, which its
 * flow (schema, and user or namespace) chooses: a hand of queues is dealt from the flow's hash and the
 * shortest of them taken, so that one flow's flood fills its hand and leaves the others' queues alone.
 * Queues are served in turn. Watches, logs, exec and the like hold no seat.
 *
 * Seats are lent: a level may use more than its own while others leave theirs and can spare them.
 *
 * Source: KEP-1040, k8s.io/apiserver/pkg/util/flowcontrol. API:
 * https://kubernetes.io/docs/concepts/cluster-administration/flow-control/ */
#include "api/flow.h"

#define SEATS_TOTAL 600   /* kube-apiserver's 400 reading and 200 writing */
#define LIST_SEATS_MAX 10 /* of one list */
#define LIST_OBJECTS_PER_SEAT 100
#define WAIT_NS (15 * NS_PER_S)             /* in a queue: a quarter of the request's minute */
#define QUEUED_BYTES_MAX ((size_t)64 << 20) /* bodies that wait, all levels together */
#define HAND_MAX 16                         /* queues of a flow at most */
#define QUEUES_MAX 4096

struct waiting {
    struct list link, by_time; /* in its queue; in its level, oldest first */
    struct flow *flow;
    struct flow_level *level;
    struct queue *queue;
    struct req *q;
    unsigned seats;
    mono_time since;
};
struct queue {
    struct list waiting;
    unsigned n;
};
struct flow_level {
    struct flow_level *next;
    str name;
    char uid[40];
    bool exempt, queues_requests, gone; /* gone: its object is; it lives until nobody is in it */
    int64_t nominal, lendable, borrow_max;
    unsigned n_queues, hand, queue_limit;
    struct queue *queues;
    unsigned turn; /* the queue that is served next */
    unsigned executing, n_waiting;
    struct list by_time;
};
struct flow_watch {
    struct flow *flow;
    struct store_watch *watch;
};
struct flow {
    struct api *api;
    struct arena *a;              /* of the schemas */
    struct flow_schema **schemas; /* by precedence, then name */
    size_t n_schemas;
    struct flow_level *levels;
    struct flow_watch watches[2];
    bool dirty, dispatching, syncing, closed;
    unsigned executing; /* all levels that are not exempt */
    size_t queued_bytes;
    struct list seats;
    struct loop_timer *timer; /* of the request that has waited longest */
};
struct seat {
    struct list link;  /* flow.seats */
    struct flow *flow; /* NULL: the server has closed before the answer had left */
    struct flow_level *level;
    unsigned n;
};

/* ---- configuration ---- */

static const struct kind *kind_of(struct api *api, const char *plural)
{
    return api_find_kind(api, S("flowcontrol.apiserver.k8s.io"), S("v1"), str_of(plural));
}

/* After the turn: the first objects of a cluster come all at once. */
static void sync_status(void *ctx)
{
    struct flow *f = ctx;

    f->syncing = false;
    if (f->closed) {
        if (!f->dispatching)
            mem_free(f);
    } else if (!f->api->closing && f->api->bootstrapped)
        flow_status_sync(f->api);
}

static void on_event(void *ctx, const struct store_event *e)
{
    struct flow_watch *w = ctx;
    struct flow *f = w->flow;

    (void)e;
    f->dirty = true;
    if (f->syncing)
        return;
    f->syncing = true;
    loop_defer(f->api->loop, sync_status, f);
}

static struct flow_level *level_find(struct flow *f, str name)
{
    for (struct flow_level *l = f->levels; l; l = l->next)
        if (str_eq(l->name, name))
            return l;
    return NULL;
}

struct reading {
    struct flow *flow;
    struct arena *a;
    int64_t shares; /* of all levels */
};

static unsigned between_1_and(int64_t max, int64_t v)
{
    return (unsigned)(v < 1 ? 1 : v > max ? max : v);
}

static void queues_set(struct flow_level *l, const struct json *queuing)
{
    unsigned n = between_1_and(QUEUES_MAX, json_get_int(queuing, "queues", 64));

    l->hand = between_1_and(MIN(n, (unsigned)HAND_MAX), json_get_int(queuing, "handSize", 8));
    l->queue_limit = between_1_and(INT16_MAX, json_get_int(queuing, "queueLengthLimit", 50));
    if (l->n_queues == n || l->n_waiting) /* with somebody in them they stay as they are */
        return;
    mem_free(l->queues);
    l->queues = mem_zalloc(n * sizeof *l->queues);
    for (unsigned i = 0; i < n; i++)
        list_init(&l->queues[i].waiting);
    l->n_queues = n;
    l->turn = 0;
}

static bool sum_shares(void *ctx, const struct obj *o)
{
    struct reading *r = ctx;
    const struct json *v = object_parse(r->a, arena_dup(r->a, o->data));
    bool exempt = str_is(json_get_str(v, "spec.type"), "Exempt");

    r->shares += json_get_int(v,
                              exempt ? "spec.exempt.nominalConcurrencyShares"
                                     : "spec.limited.nominalConcurrencyShares",
                              exempt ? 0 : 30);
    return true;
}

static bool read_level(void *ctx, const struct obj *o)
{
    struct reading *r = ctx;
    const struct json *v = object_parse(r->a, arena_dup(r->a, o->data)),
                      *limited = json_path(v, "spec.limited");
    struct flow_level *l = level_find(r->flow, o->key.name);
    int64_t shares = json_get_int(limited, "nominalConcurrencyShares", 30),
            lend = json_get_int(limited, "lendablePercent", 0),
            borrow = json_get_int(limited, "borrowingLimitPercent", -1);

    if (!l) {
        l = NEW(struct flow_level);
        l->name = (str){str_dupz(o->key.name), o->key.name.n};
        list_init(&l->by_time);
        l->next = r->flow->levels;
        r->flow->levels = l;
    }
    snprintf(l->uid, sizeof l->uid, PRI_STR, STR_ARG(o->uid));
    l->gone = false;
    l->exempt = str_is(json_get_str(v, "spec.type"), "Exempt");
    l->nominal = r->shares ? (SEATS_TOTAL * shares + r->shares - 1) / r->shares : SEATS_TOTAL;
    l->lendable = l->nominal * lend / 100;
    l->borrow_max = borrow < 0 ? SEATS_TOTAL : l->nominal * borrow / 100;
    l->queues_requests = str_is(json_get_str(limited, "limitResponse.type"), "Queue");
    if (l->queues_requests)
        queues_set(l, json_path(limited, "limitResponse.queuing"));
    return true;
}

static bool read_schema(void *ctx, const struct obj *o)
{
    struct reading *r = ctx;
    struct flow *f = r->flow;
    str level;
    struct flow_schema *s = flow_schema_parse(f->a, o, &level);
    size_t at = f->n_schemas;

    s->level = level_find(f, level);
    if (!s->level || s->level->gone) /* dangling: as if it were not there */
        return true;
    f->schemas = arena_grow(f->a, f->schemas, f->n_schemas * sizeof *f->schemas,
                            (f->n_schemas + 1) * sizeof *f->schemas);
    while (at && (f->schemas[at - 1]->precedence > s->precedence ||
                  (f->schemas[at - 1]->precedence == s->precedence &&
                   str_cmp(f->schemas[at - 1]->name, s->name) > 0))) {
        f->schemas[at] = f->schemas[at - 1];
        at--;
    }
    f->schemas[at] = s;
    f->n_schemas++;
    return true;
}

static void level_free(struct flow_level *l)
{
    mem_free((void *)(uintptr_t)l->name.p);
    mem_free(l->queues);
    mem_free(l);
}

static void levels_sweep(struct flow *f)
{
    for (struct flow_level **at = &f->levels; *at;) {
        struct flow_level *l = *at;

        if (l->gone && !l->executing && !l->n_waiting) {
            *at = l->next;
            level_free(l);
        } else
            at = &l->next;
    }
}

static void rebuild(struct flow *f)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct reading r = {f, a, 0};
    str levels = kind_of(f->api, "prioritylevelconfigurations")->r->storage_resource,
        schemas = kind_of(f->api, "flowschemas")->r->storage_resource;

    f->dirty = false;
    for (struct flow_level *l = f->levels; l; l = l->next)
        l->gone = true;
    store_each(f->api->store, levels, S(""), NULL, sum_shares, &r);
    store_each(f->api->store, levels, S(""), NULL, read_level, &r);
    arena_free(f->a);
    f->a = arena_new();
    f->schemas = NULL;
    f->n_schemas = 0;
    store_each(f->api->store, schemas, S(""), NULL, read_schema, &r);
    levels_sweep(f);
}

/* ---- seats ---- */

/* May it take seats beyond its own? Only those that others leave and can spare. */
static bool may_borrow(const struct flow *f, const struct flow_level *l, unsigned seats)
{
    int64_t kept = 0;

    if ((int64_t)l->executing + seats > l->nominal + l->borrow_max)
        return false;
    for (const struct flow_level *o = f->levels; o; o = o->next) {
        int64_t own = o->nominal - o->lendable;

        if (o != l && !o->exempt && !o->gone && own > (int64_t)o->executing)
            kept += own - o->executing;
    }
    return (int64_t)f->executing + seats + kept <= SEATS_TOTAL;
}

/* A level always serves one, however many seats that wants. */
static bool has_seats(const struct flow *f, const struct flow_level *l, unsigned seats)
{
    return (int64_t)l->executing + seats <= l->nominal || !l->executing || may_borrow(f, l, seats);
}

static void dispatch(void *ctx);

static void seat_leave(void *ctx)
{
    struct seat *s = ctx;
    struct flow *f = s->flow;

    if (!f)
        return;
    list_del(&s->link);
    s->level->executing -= s->n;
    f->executing -= s->n;
    /* Borrowed seats go to whoever waits: all levels are looked at, in a turn of its own. */
    if (!f->dispatching && f->timer && loop_timer_is_set(f->timer)) {
        f->dispatching = true;
        loop_defer(f->api->loop, dispatch, f);
    }
}

static void seat_take(struct flow *f, struct flow_level *l, unsigned n, struct arena *a)
{
    struct seat *s = ARENA_NEW(a, struct seat);

    *s = (struct seat){.flow = f, .level = l, .n = n};
    list_add_tail(&f->seats, &s->link);
    l->executing += n;
    f->executing += n;
    arena_at_end(a, seat_leave, s);
}

/* ---- queues ---- */

static uint64_t mix(uint64_t h, str s)
{
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
    return (h ^ 0xff) * UINT64_C(0x100000001b3);
}

/* The shortest of the hand that the flow's hash deals. Source: k8s.io/apiserver's shufflesharding. */
static struct queue *queue_choose(struct flow_level *l, uint64_t hash)
{
    unsigned hand[HAND_MAX];
    struct queue *best = NULL;

    for (unsigned i = 0; i < l->hand; i++) {
        unsigned deck = l->n_queues - i, card = (unsigned)(hash % deck), k = 0;

        hash /= deck;
        /* The card-th of those that are still in the deck; the hand is kept sorted. */
        while (k < i && hand[k] <= card) {
            k++;
            card++;
        }
        memmove(&hand[k + 1], &hand[k], (i - k) * sizeof *hand);
        hand[k] = card;
        if (!best || l->queues[card].n < best->n)
            best = &l->queues[card];
    }
    return best;
}

static void waiting_remove(struct waiting *w)
{
    list_del(&w->link);
    list_del(&w->by_time);
    w->queue->n--;
    w->level->n_waiting--;
    w->flow->queued_bytes -= w->q->ex->req.body.n;
    w->q->ex->on_gone = NULL;
}

static void gone(void *user, struct http_exchange *ex)
{
    waiting_remove(user);
    http_end(ex);
}

/* Go's plain text, not a Status: clients retry after a second. */
static void refuse(struct req *q)
{
    static const str text = STR("Too many requests, please try again later.\n");
    struct http_header *h;
    size_t n;

    audit_error_text(q, S("TooManyRequests"), str_trim(text));
    h = reply_headers(q, "text/plain; charset=utf-8", &n, 3);
    h[n++] = (struct http_header){S("Retry-After"), S("1")};
    h[n++] = (struct http_header){S("X-Content-Type-Options"), S("nosniff")};
    h[n++] = (struct http_header){S("Content-Length"), S("43")};
    http_start(q->ex, 429, h, n);
    http_write(q->ex, text);
    http_end(q->ex);
}

static void timer_set(struct flow *f)
{
    int64_t oldest = INT64_MAX;

    for (struct flow_level *l = f->levels; l; l = l->next)
        if (!list_is_empty(&l->by_time))
            oldest = MIN(oldest, LIST_ITEM(l->by_time.next, struct waiting, by_time)->since.ns);
    if (oldest == INT64_MAX)
        loop_timer_stop(f->timer);
    else
        loop_timer_set(f->timer, oldest + WAIT_NS - loop_now(f->api->loop).ns);
}

static void on_timer(void *ctx)
{
    struct flow *f = ctx;
    int64_t limit_ns = loop_now(f->api->loop).ns - WAIT_NS;

    for (struct flow_level *l = f->levels; l; l = l->next)
        while (!list_is_empty(&l->by_time)) {
            struct waiting *w = LIST_ITEM(l->by_time.next, struct waiting, by_time);

            if (w->since.ns > limit_ns)
                break;
            waiting_remove(w);
            refuse(w->q);
        }
    timer_set(f);
}

/* Starts those that there are seats for; each queue in turn, so that a long one does not wait less. */
static void dispatch(void *ctx)
{
    struct flow *f = ctx;

    f->dispatching = false;
    if (f->closed) {
        if (!f->syncing)
            mem_free(f);
        return;
    }
    for (struct flow_level *l = f->levels; l; l = l->next)
        for (unsigned passed = 0; l->n_waiting && passed < l->n_queues;) {
            struct queue *queue = &l->queues[l->turn++ % l->n_queues];
            struct waiting *w;

            if (list_is_empty(&queue->waiting)) {
                passed++;
                continue;
            }
            w = LIST_ITEM(queue->waiting.next, struct waiting, link);
            if (!has_seats(f, l, w->seats)) {
                l->turn--;
                break;
            }
            passed = 0;
            waiting_remove(w);
            seat_take(f, l, w->seats, w->q->a);
            api_serve(w->q);
        }
    timer_set(f);
}

static bool park(struct flow *f, const struct flow_schema *s, struct req *q, const struct access *x,
                 unsigned seats)
{
    struct flow_level *l = s->level;
    uint64_t hash = mix(UINT64_C(0xcbf29ce484222325), s->name);
    struct queue *queue;
    struct waiting *w;

    if (!l->queues_requests || f->queued_bytes + q->ex->req.body.n > QUEUED_BYTES_MAX)
        return false;
    if (s->distinguisher)
        hash = mix(hash, s->distinguisher == 'U' ? q->user->name : x->ns);
    queue = queue_choose(l, hash);
    if (queue->n >= l->queue_limit)
        return false;
    w = ARENA_NEW(q->a, struct waiting);
    w->flow = f;
    w->level = l;
    w->queue = queue;
    w->q = q;
    w->seats = seats;
    w->since = loop_now(f->api->loop);
    list_add_tail(&queue->waiting, &w->link);
    list_add_tail(&l->by_time, &w->by_time);
    queue->n++;
    l->n_waiting++;
    f->queued_bytes += q->ex->req.body.n;
    q->ex->user = w;
    q->ex->on_gone = gone;
    if (!loop_timer_is_set(f->timer))
        timer_set(f);
    return true;
}

/* ---- requests ---- */

/* Seats that the request needs: none when it ends in its own turn, or goes on for as long as the
 * client likes. */
static unsigned seats_of(const struct req *q)
{
    static const char *const long_running[] = {"exec", "attach", "portforward", "proxy", "log"};
    const struct route *r = &q->route;

    if (!r->is_resource || !r->kind || str_is(r->verb, "get") || str_is(r->verb, "watch"))
        return r->is_resource && r->kind && r->kind->r->custom && str_is(r->verb, "get");
    for (size_t i = 0; r->subresource.n && i < ARRAY_LEN(long_running); i++)
        if (str_is(r->subresource, long_running[i]))
            return 0;
    if (str_is(r->verb, "list")) {
        size_t n = store_count(q->api->store, r->kind->r->storage_resource, r->ns);

        return (unsigned)MIN(1 + n / LIST_OBJECTS_PER_SEAT, (size_t)LIST_SEATS_MAX);
    }
    return 1;
}

bool flow_admit(struct req *q)
{
    struct flow *f = q->api->flow;
    const struct flow_schema *s = NULL;
    struct access x;
    unsigned seats;

    if (f->dirty)
        rebuild(f);
    if (!f->n_schemas)
        return true;
    x = access_of(q);
    for (size_t i = 0; i < f->n_schemas && !s; i++)
        if (flow_schema_fits(f->schemas[i], q->user, &x))
            s = f->schemas[i];
    if (!s)
        return true;
    q->flow_uid = s->uid;
    q->level_uid = str_of(s->level->uid);
    seats = seats_of(q);
    if (seats || !str_is(q->route.verb, "get")) { /* answered later: a change may come first */
        q->flow_uid = arena_dup(q->a, s->uid);
        q->level_uid = arena_dup(q->a, q->level_uid);
    }
    if (s->level->exempt)
        return true;
    if (!seats)
        return true;
    if (!s->level->n_waiting && has_seats(f, s->level, seats)) {
        seat_take(f, s->level, seats, q->a);
        return true;
    }
    if (!park(f, s, q, &x, seats))
        refuse(q);
    return false;
}

/* ---- life ---- */

struct err *flow_new(struct api *api, struct flow **ret)
{
    static const char *const plurals[] = {"flowschemas", "prioritylevelconfigurations"};
    static const struct store_watch_events events = {.event = on_event};
    struct flow *f = NEW(struct flow);

    *ret = f;
    f->api = api;
    f->a = arena_new();
    f->dirty = true;
    list_init(&f->seats);
    f->timer = loop_timer_new(api->loop, on_timer, f);
    for (size_t i = 0; i < ARRAY_LEN(plurals); i++) {
        struct err *e;

        f->watches[i].flow = f;
        e = store_watch(api->store, kind_of(api, plurals[i])->r->storage_resource, S(""),
                        store_revision(api->store), &events, &f->watches[i], &f->watches[i].watch);
        if (e)
            return err_note(e, "watching %s", plurals[i]);
    }
    return NULL;
}

/* The server closes: those who wait are told. */
void flow_stop(struct flow *f)
{
    for (struct flow_level *l = f->levels; l; l = l->next)
        while (!list_is_empty(&l->by_time)) {
            struct waiting *w = LIST_ITEM(l->by_time.next, struct waiting, by_time);

            waiting_remove(w);
            refuse(w->q);
        }
    loop_timer_stop(f->timer);
}

void flow_free(struct flow *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < ARRAY_LEN(f->watches); i++)
        if (f->watches[i].watch)
            store_watch_close(f->watches[i].watch);
    while (!list_is_empty(&f->seats)) {
        struct seat *s = LIST_ITEM(f->seats.next, struct seat, link);

        list_del(&s->link);
        s->flow = NULL;
    }
    while (f->levels) {
        struct flow_level *l = f->levels;

        f->levels = l->next;
        level_free(l);
    }
    loop_timer_free(f->timer);
    arena_free(f->a);
    f->closed = true;
    if (!f->syncing && !f->dispatching) /* else what was deferred frees it */
        mem_free(f);
}
