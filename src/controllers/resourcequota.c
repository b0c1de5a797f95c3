/* resourcequota.c - counts what a namespace uses of what its ResourceQuotas limit.
 *
 * Admission adds to status.used what it lets in; this counts anew, with the same functions
 * (schema/quota.h), so that what has gone is given back. A count reads all objects of the kinds
 * that the quota limits, so not every change is worth one: what has gone or changed is looked at
 * soon, what has come, which admission has seen, some seconds later.
 * API: https://kubernetes.io/docs/concepts/policy/resource-quotas/ */
#include "controllers/framework.h"
#include "schema/quota.h"

#include <inttypes.h>

/* Between two counts of one quota: so much, and more for each object read, lest counting of a large
 * namespace that never rests becomes all that is done. */
#define COUNT_APART_NS (100 * NS_PER_MS)
#define COUNT_APART_EACH_NS (NS_PER_MS / 10)
#define RESYNC_NS (300 * NS_PER_S) /* in any case, as --resource-quota-sync-period */
#define RECOUNT_NS (5 * NS_PER_S)  /* after something has come: was admission right? */

/* When a quota is to be counted next. */
struct pending {
    int64_t due_ns, last_ns; /* on the monotonic clock */
    int64_t apart_ns;        /* from the last count to the next */
};
struct state {
    struct map pending; /* "ns/name" -> struct pending */
};

static struct pending *pending_of(struct state *s, str ns, str name)
{
    CLEANUP(buf) struct buf key = BUF_INIT;
    struct pending *p;

    buf_fmt(&key, PRI_STR "/" PRI_STR, STR_ARG(ns), STR_ARG(name));
    p = map_find(&s->pending, buf_view(&key));
    if (p)
        return p;
    p = NEW(struct pending);
    p->apart_ns = COUNT_APART_NS;
    p->last_ns = -p->apart_ns;
    map_put(&s->pending, buf_view(&key), p);
    return p;
}

static void pending_forget(struct state *s, str ns, str name)
{
    CLEANUP(buf) struct buf key = BUF_INIT;

    buf_fmt(&key, PRI_STR "/" PRI_STR, STR_ARG(ns), STR_ARG(name));
    mem_free(map_del(&s->pending, buf_view(&key)));
}

/* ---- counting ---- */

struct total {
    str name;
    struct quantity sum;
    bool known;
};
struct counting {
    struct reconcile *r;
    struct arena *a; /* of one object */
    const struct json *spec;
    str group, plural;
    struct total *totals;
    size_t n;
    int64_t n_read;  /* objects parsed */
    int64_t next_ns; /* in so long a pod ends to count; 0: none */
};

static void add_uses(struct counting *c, const struct json *tree)
{
    struct json uses;

    if (!quota_is_about(c->spec, c->group, c->plural, tree))
        return;
    uses = quota_uses(c->a, c->group, c->plural, tree, c->r->now);
    for (size_t i = 0; i < c->n; i++) {
        struct quantity q;

        if (amount_of(&uses, c->totals[i].name, &q))
            quantity_add(&c->totals[i].sum, &q);
    }
}

static bool count_object(void *ctx, const struct obj *o)
{
    struct counting *c = ctx;
    const struct json *tree = NULL;
    wall_time deadline;

    if (quota_looks_inside(c->group, c->plural)) {
        tree = tree_of(c->a, o);
        c->n_read++;
    }
    add_uses(c, tree);
    if (tree && str_is(c->plural, "pods") && quota_pod_deadline(tree, &deadline) &&
        deadline.ns >= c->r->now.ns) {
        int64_t in = deadline.ns - c->r->now.ns + 1;

        c->next_ns = c->next_ns ? MIN(c->next_ns, in) : in;
    }
    arena_reset(c->a);
    return true;
}

static const struct kind *cached_kind(const struct reconcile *r, str group, str plural)
{
    for (int k = 0; k < K_N; k++)
        if (k != K_LEASES && kinds[k].namespaced && r->caches[k] &&
            str_eq(kinds[k].plural, plural) && str_eq(kinds[k].group, group))
            return &kinds[k];
    return NULL;
}

/* Counts all objects of a kind ("pods", "deployments.apps"). false: a kind that nobody knows here.
 */
static bool count_kind(struct counting *c, str kind)
{
    const struct kind *k;
    int64_t n;

    c->group = STR_NONE;
    c->plural = kind;
    if (str_has_char(kind, '.')) {
        c->group = kind;
        str_cut(&c->group, '.', &c->plural);
    }
    k = cached_kind(c->r, c->group, c->plural);
    if (k) {
        informer_each(c->r->caches[k - kinds], c->r->ns, count_object, c);
        return true;
    }
    n = c->r->other_count ? c->r->other_count(c->r->other_ctx, c->r->ns, kind) : -1;
    for (int64_t i = 0; i < n; i++) {
        add_uses(c, NULL);
        arena_reset(c->a);
    }
    return n >= 0;
}

static bool counted_before(const struct json *hard, const struct json_member *until, str kind)
{
    JSON_EACH_MEMBER(m, hard) {
        if (m == until)
            return false;
        if (str_eq(quota_counted_kind(m->key), kind))
            return true;
    }
    return false;
}

static struct json used_now(struct counting *c, const struct json *hard, const struct json *before)
{
    struct reconcile *r = c->r;
    struct json used = json_object();

    c->totals = ARENA_NEW_N(r->a, struct total, json_count(hard) + 1);
    JSON_EACH_MEMBER(m, hard)
        c->totals[c->n++].name = m->key;
    c->a = arena_new();
    JSON_EACH_MEMBER(m, hard) {
        str kind = quota_counted_kind(m->key);

        if (!counted_before(hard, m, kind) && count_kind(c, kind))
            for (size_t i = 0; i < c->n; i++)
                c->totals[i].known |= str_eq(quota_counted_kind(c->totals[i].name), kind);
    }
    arena_free(c->a);
    for (size_t i = 0; i < c->n; i++) {
        const struct total *t = &c->totals[i];
        const struct json *last = json_find(before, t->name);
        struct quantity was;

        /* Of a resource that nobody counts here the last figure stays; so does the form of one
         * that is right. */
        if (last &&
            (!t->known || (amount_of(before, t->name, &was) && !quantity_cmp(&was, &t->sum))))
            json_set(r->a, &used, t->name, *last);
        else if (t->known)
            json_set(r->a, &used, t->name,
                     json_string(amount_text(r->a, &t->sum, quota_is_in_bytes(t->name))));
    }
    return used;
}

/* Does the status speak of what the quota limits now? */
static bool is_told(const struct json *hard, const struct json *status)
{
    const struct json *told = json_findz(status, "hard");

    if (json_count(hard) != json_count(told) || (hard && !json_equal(hard, told)))
        return false;
    JSON_EACH_MEMBER(m, hard)
        if (!json_find(json_findz(status, "used"), m->key))
            return false;
    return true;
}

static void reconcile(struct reconcile *r)
{
    struct json *quota = look_tree(r, K_RESOURCEQUOTAS, r->ns, r->name), *status, before, used;
    struct counting c = {.r = r};
    struct pending *p;
    const struct json *hard;
    int64_t wait_ns;

    if (!quota) {
        pending_forget(r->state, r->ns, r->name);
        return;
    }
    p = pending_of(r->state, r->ns, r->name);
    c.spec = json_findz(quota, "spec");
    hard = json_findz(c.spec, "hard");
    json_make(r->a, quota, "status", JSON_OBJECT);
    status = json_findz(quota, "status");
    if (is_told(hard, status) && p->due_ns > r->mono.ns) {
        plan_requeue(&r->plan, p->due_ns - r->mono.ns);
        return;
    }
    before = json_copy(r->a, status);
    used = used_now(&c, hard, json_findz(status, "used"));
    if (json_count(&used) || json_findz(status, "used"))
        json_setz(r->a, status, "used", used);
    if (hard)
        json_setz(r->a, status, "hard", *hard);
    p->last_ns = r->mono.ns;
    p->apart_ns = COUNT_APART_NS + c.n_read * COUNT_APART_EACH_NS;
    if (!json_equal(&before, status)) {
        /* Counted once more when this has been written, or has failed. */
        p->due_ns = r->mono.ns + p->apart_ns;
        plan_requeue(&r->plan, p->apart_ns);
        plan_update_status(&r->plan, K_RESOURCEQUOTAS, quota);
        return;
    }
    wait_ns = c.next_ns && c.next_ns < RESYNC_NS ? MAX(c.next_ns, p->apart_ns) : RESYNC_NS;
    p->due_ns = r->mono.ns + wait_ns;
    plan_requeue(&r->plan, wait_ns);
}

/* ---- what wakes it ---- */

struct waking {
    struct controller *c;
    bool came;
};

static bool wake_each(void *ctx, const struct obj *o)
{
    const struct waking *w = ctx;
    struct pending *p = pending_of(controller_state(w->c), o->key.ns, o->key.name);
    int64_t now = loop_now(controller_loop(w->c)).ns,
            due = w->came ? now + RECOUNT_NS : MAX(now, p->last_ns + p->apart_ns);

    if (due >= p->due_ns)
        return true; /* it is looked at before that */
    p->due_ns = due;
    wake_after(w->c, o->key.ns, o->key.name, due - now);
    return true;
}

static void wake_quotas(struct controller *c, str ns, bool came)
{
    struct waking w = {c, came};

    informer_each(controller_cache(c, K_RESOURCEQUOTAS), ns, wake_each, &w);
}

static void came_or_gone(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    if (!obj || !prev)
        wake_quotas(c, (obj ? obj : prev)->key.ns, obj != NULL);
}

/* Of kinds that are looked into: changes, too. */
static void changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    wake_quotas(c, (obj ? obj : prev)->key.ns, !prev);
}

/* Its end, its deletion, and another size (which is another generation). */
static void pod_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    static const char generation[] = "metadata.generation";
    struct pod now, before;

    if (!informer_count(controller_cache(c, K_RESOURCEQUOTAS)))
        return;
    if (obj && prev) {
        pod_read(obj, &now);
        pod_read(prev, &before);
        if (now.phase == before.phase && now.deleting == before.deleting &&
            str_eq(client_text_find(obj->data, generation),
                   client_text_find(prev->data, generation)))
            return;
    }
    changed(c, obj, prev);
}

/* Of a kind that is not among the triggers below. */
static void other_counted(void *ctx, const struct resource *r, str ns)
{
    const struct controller_type *t = &resourcequota_controller;

    for (size_t i = 0; i < t->n_triggers && ns.n; i++)
        if (str_eq(kinds[t->triggers[i].kind].plural, r->plural) &&
            str_eq(kinds[t->triggers[i].kind].group, r->group))
            return;
    wake_quotas(ctx, ns, false);
}

static void *state_new(struct controller *c)
{
    struct state *s = NEW(struct state);

    map_init(&s->pending);
    gc_on_count(c->m->gc, other_counted, c);
    return s;
}

static void state_free(void *state)
{
    struct state *s = state;

    MAP_EACH(e, &s->pending)
        mem_free(e->value);
    map_fini(&s->pending);
    mem_free(s);
}

static const struct trigger triggers[] = {
    {K_PODS, pod_changed},
    {K_SERVICES, changed},
    {K_CONFIGMAPS, came_or_gone},
    {K_SECRETS, came_or_gone},
    {K_PVCS, changed},
    {K_REPLICATIONCONTROLLERS, came_or_gone},
    {K_DEPLOYMENTS, came_or_gone},
    {K_REPLICASETS, came_or_gone},
    {K_JOBS, came_or_gone},
    {K_STATEFULSETS, came_or_gone},
    {K_CRONJOBS, came_or_gone},
    {K_RESOURCECLAIMS, changed},
};

const struct controller_type resourcequota_controller = {
    .name = "resourcequota",
    .component = "resourcequota-controller",
    .primary = K_RESOURCEQUOTAS,
    .triggers = triggers,
    .n_triggers = ARRAY_LEN(triggers),
    .reconcile = reconcile,
    .state_new = state_new,
    .state_free = state_free,
};
