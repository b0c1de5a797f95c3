/* quota_sums.c - what is used of each quota, kept up to date by what the store publishes.
 *
 * A quota gets its account when a write is first held against it; each kind that it limits is
 * counted then, once, and afterwards every event adds and takes away. So a write costs the same
 * however many objects there are. Memory: a sum per limited name, and a name per pod that is being
 * deleted. Nothing is kept on disk: after a restart the first write counts anew.
 *
 * Invariants
 *   (1) `counted` is the sum over what the store shows, of pods as of the account's `now`: what an
 *       event takes away is what was added for that version.
 *   (2) `reserved` is the sum of what was admitted and is neither published nor failed. The store
 *       publishes before it reports, so an object is in one of the two at any time. */
#include "api/quota_sums.h"
#include "schema/quota.h"

struct sum {
    char *name;
    struct quantity counted, reserved;
};
struct counted_kind {
    char *resource, *group, *plural;
    int64_t since; /* the revision of the first count: later events concern it */
};
struct ending { /* a counted pod that ends to count at its deadline */
    struct list link;
    char *pod;
    wall_time deadline;
};
struct quota_account {
    struct quota_sums *s;
    struct list link;
    uint64_t id;
    char *ns, *name, *uid;
    struct arena *a;     /* of the scopes */
    struct json *scopes; /* as in a quota's spec */
    struct sum *sums;    /* sorted by name */
    size_t n;
    struct counted_kind *kinds;
    size_t n_kinds;
    bool stale; /* a sum went beyond what can be told: count anew */
    wall_time now;
    struct list endings;
    struct map ending_by_pod;
    wall_time next; /* no deadline is earlier */
};
struct space { /* a namespace that has accounts */
    char *ns;
    struct list accounts;
};
struct quota_sums {
    struct api *api;
    struct store_watch *watch;
    struct map spaces; /* namespace -> struct space */
    size_t n_accounts;
    uint64_t last_id;
};
/* A version of an object, parsed when somebody asks. */
struct version {
    const struct obj *o;
    struct arena *a;
    struct json *tree;
};

static const struct json *version_tree(struct version *v)
{
    if (!v->tree)
        v->tree = object_parse(v->a, arena_dup(v->a, v->o->data));
    return v->tree;
}

/* ---- sums ---- */

static int compare_sums(const void *x, const void *y)
{
    return strcmp(((const struct sum *)x)->name, ((const struct sum *)y)->name);
}

static struct sum *sum_find(const struct quota_account *t, str name)
{
    size_t from = 0, to = t->n;

    while (from < to) {
        size_t mid = from + (to - from) / 2;
        int c = str_cmp(str_of(t->sums[mid].name), name);

        if (!c)
            return &t->sums[mid];
        if (c < 0)
            from = mid + 1;
        else
            to = mid;
    }
    return NULL;
}

static void endings_drop(struct quota_account *t, struct ending *e)
{
    map_del(&t->ending_by_pod, str_of(e->pod));
    list_del(&e->link);
    mem_free(e->pod);
    mem_free(e);
}

static void note_ending(struct quota_account *t, str pod, const struct json *tree)
{
    struct ending *e;
    wall_time deadline;

    if (!quota_pod_deadline(tree, &deadline))
        return;
    e = NEW(struct ending);
    e->pod = str_dupz(pod);
    e->deadline = deadline;
    if (list_is_empty(&t->endings) || deadline.ns < t->next.ns)
        t->next = deadline;
    list_add_tail(&t->endings, &e->link);
    map_put(&t->ending_by_pod, pod, e);
}

/* Adds what a version uses, or takes it away. */
static void count(struct quota_account *t, const struct counted_kind *k, struct version *v,
                  bool adds)
{
    str group = str_of(k->group), plural = str_of(k->plural);
    bool inside = quota_looks_inside(group, plural), is_pod = !group.n && str_is(plural, "pods");
    const struct json *tree = inside ? version_tree(v) : NULL;
    struct ending *e;
    struct json uses;

    e = is_pod && !adds ? map_find(&t->ending_by_pod, v->o->key.name) : NULL;
    if (e)
        endings_drop(t, e);
    if (quota_has_scopes(t->scopes) && !quota_is_about(t->scopes, group, plural, tree))
        return;
    uses = quota_uses(v->a, group, plural, tree, t->now);
    if (is_pod && adds && json_find(&uses, S("pods")))
        note_ending(t, v->o->key.name, tree);
    JSON_EACH_MEMBER(m, &uses) {
        struct sum *sum = sum_find(t, m->key);
        struct quantity q;

        if (!sum || !quantity_parse(json_str(&m->value), &q))
            continue;
        t->stale |= sum->counted.huge && !adds;
        if (adds)
            quantity_add(&sum->counted, &q);
        else
            quantity_sub(&sum->counted, &q);
    }
}

/* ---- time: pods whose deadline has passed ---- */

static void account_advance(struct quota_account *t, wall_time now)
{
    struct ending *e, *next;
    struct counted_kind pods = {
        .resource = (char *)"pods", .group = (char *)"", .plural = (char *)"pods"};

    if (now.ns <= t->now.ns)
        return;
    if (!list_is_empty(&t->endings) && now.ns > t->next.ns) {
        struct arena *a = arena_new();

        t->next.ns = INT64_MAX;
        LIST_EACH_SAFE(e, next, &t->endings, link) {
            struct version v = {.a = a};

            if (now.ns <= e->deadline.ns) {
                t->next.ns = MIN(t->next.ns, e->deadline.ns);
                continue;
            }
            v.o = store_find(t->s->api->store,
                             (struct key){S("pods"), str_of(t->ns), str_of(e->pod)});
            if (v.o)
                count(t, &pods, &v, false); /* forgets e, too */
            else
                endings_drop(t, e);
            arena_reset(a);
        }
        arena_free(a);
    }
    t->now = now;
}

/* ---- accounts ---- */

static void kinds_forget(struct quota_account *t)
{
    for (size_t i = 0; i < t->n_kinds; i++) {
        mem_free(t->kinds[i].resource);
        mem_free(t->kinds[i].group);
        mem_free(t->kinds[i].plural);
    }
    mem_free(TAKE(t->kinds));
    t->n_kinds = 0;
    while (!list_is_empty(&t->endings))
        endings_drop(t, LIST_ITEM(t->endings.next, struct ending, link));
    for (size_t i = 0; i < t->n; i++)
        t->sums[i].counted = (struct quantity){0};
    t->stale = false;
}

static void sums_free(struct sum *sums, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mem_free(sums[i].name);
    mem_free(sums);
}

static void account_free(struct quota_account *t)
{
    list_del(&t->link);
    t->s->n_accounts--;
    kinds_forget(t);
    sums_free(t->sums, t->n);
    map_fini(&t->ending_by_pod);
    arena_free(t->a);
    mem_free(t->ns);
    mem_free(t->name);
    mem_free(t->uid);
    mem_free(t);
}

static void space_free(struct quota_sums *s, struct space *space)
{
    while (!list_is_empty(&space->accounts))
        account_free(LIST_ITEM(space->accounts.next, struct quota_account, link));
    map_del(&s->spaces, str_of(space->ns));
    mem_free(space->ns);
    mem_free(space);
}

static bool same(const struct json *a, const struct json *b)
{
    return a && b ? json_equal(a, b) : a == b;
}

static const struct json *hard_of(const struct json *quota, int i)
{
    return json_at(quota, i ? "spec" : "status", "hard", NULL);
}

/* Does the account still count what the quota limits now? */
static bool account_fits(const struct quota_account *t, const struct json *quota)
{
    const struct json *spec = json_findz(quota, "spec");

    if (t->stale || !same(json_findz(spec, "scopes"), json_findz(t->scopes, "scopes")) ||
        !same(json_findz(spec, "scopeSelector"), json_findz(t->scopes, "scopeSelector")))
        return false;
    for (int i = 0; i < 2; i++)
        JSON_EACH_MEMBER(m, hard_of(quota, i))
            if (!sum_find(t, m->key))
                return false;
    return true;
}

static void account_begin(struct quota_account *t, const struct json *quota)
{
    static const char *const which[] = {"scopes", "scopeSelector"};
    struct sum *old = t->sums, *sums;
    size_t n_old = t->n, n = 0, max = n_old;

    kinds_forget(t);
    for (int i = 0; i < 2; i++)
        max += json_count(hard_of(quota, i));
    sums = mem_zalloc((max + 1) * sizeof *sums);
    for (size_t i = 0; i < n_old; i++)
        if (old[i].reserved.nano)
            sums[n++] =
                (struct sum){.name = str_dupz(str_of(old[i].name)), .reserved = old[i].reserved};
    for (int i = 0; i < 2; i++)
        JSON_EACH_MEMBER(m, hard_of(quota, i))
            sums[n++].name = str_dupz(m->key);
    /* Each name once. Those with something reserved are among the equal ones: keep it. */
    qsort(sums, n, sizeof *sums, compare_sums);
    t->n = 0;
    for (size_t i = 0; i < n; i++)
        if (t->n && !strcmp(sums[t->n - 1].name, sums[i].name)) {
            quantity_add(&sums[t->n - 1].reserved, &sums[i].reserved);
            mem_free(sums[i].name);
        } else
            sums[t->n++] = sums[i];
    t->sums = sums;
    sums_free(old, n_old);
    arena_reset(t->a);
    t->scopes = json_new(t->a, json_object());
    for (size_t i = 0; i < ARRAY_LEN(which); i++) {
        const struct json *v = json_at(quota, "spec", which[i], NULL);

        if (v)
            json_setz(t->a, t->scopes, which[i], json_copy(t->a, v));
    }
}

static struct quota_account *account_new(struct quota_sums *s, struct space *space, str name,
                                         str uid)
{
    struct quota_account *t = NEW(struct quota_account);

    t->s = s;
    t->id = ++s->last_id;
    t->ns = str_dupz(str_of(space->ns));
    t->name = str_dupz(name);
    t->uid = str_dupz(uid);
    t->a = arena_new();
    list_init(&t->endings);
    map_init(&t->ending_by_pod);
    list_add_tail(&space->accounts, &t->link);
    s->n_accounts++;
    return t;
}

static struct quota_account *account_find(struct space *space, str name)
{
    struct quota_account *t;

    LIST_EACH(t, &space->accounts, link)
        if (str_is(name, t->name))
            return t;
    return NULL;
}

struct counting {
    struct quota_account *t;
    const struct counted_kind *k;
    struct arena *a;
};

static bool count_stored(void *ctx, const struct obj *o)
{
    struct counting *c = ctx;
    struct version v = {.o = o, .a = c->a};

    count(c->t, c->k, &v, true);
    arena_reset(c->a);
    return true;
}

static void count_kind(struct quota_account *t, const struct kind *k)
{
    struct store *store = t->s->api->store;
    struct counted_kind *c;
    struct counting counting = {.t = t};

    for (size_t i = 0; i < t->n_kinds; i++)
        if (str_is(k->r->group, t->kinds[i].group) && str_is(k->r->plural, t->kinds[i].plural))
            return;
    t->kinds = mem_realloc(t->kinds, (t->n_kinds + 1) * sizeof *t->kinds);
    c = &t->kinds[t->n_kinds++];
    *c = (struct counted_kind){.resource = str_dupz(k->r->storage_resource),
                               .group = str_dupz(k->r->group),
                               .plural = str_dupz(k->r->plural),
                               .since = store_revision(store)};
    counting.k = c;
    counting.a = arena_new();
    store_each(store, k->r->storage_resource, str_of(t->ns), NULL, count_stored, &counting);
    arena_free(counting.a);
}

struct quota_account *quota_account_of(struct quota_sums *s, const struct json *quota, str ns,
                                       const struct kind *k, wall_time now)
{
    str name = meta_str(quota, "name"), uid = meta_str(quota, "uid");
    struct space *space = map_find(&s->spaces, ns);
    struct quota_account *t = space ? account_find(space, name) : NULL;

    if (!space) {
        space = NEW(struct space);
        space->ns = str_dupz(ns);
        list_init(&space->accounts);
        map_put(&s->spaces, ns, space);
    }
    if (t && !str_is(uid, t->uid)) {
        account_free(t);
        t = NULL;
    }
    if (!t)
        t = account_new(s, space, name, uid);
    if (!t->scopes || !account_fits(t, quota))
        account_begin(t, quota);
    account_advance(t, now);
    count_kind(t, k);
    return t;
}

void quota_account_read(const struct quota_account *t, str name, struct quantity *ret_counted,
                        struct quantity *ret_reserved)
{
    const struct sum *sum = sum_find(t, name);

    *ret_counted = sum ? sum->counted : (struct quantity){0};
    *ret_reserved = sum ? sum->reserved : (struct quantity){0};
}

static void reserve(struct quota_account *t, const struct json *amounts, bool adds)
{
    JSON_EACH_MEMBER(m, amounts) {
        struct sum *sum = sum_find(t, m->key);
        struct quantity q;

        if (!sum || !quantity_parse(json_str(&m->value), &q))
            continue;
        if (adds)
            quantity_add(&sum->reserved, &q);
        else
            quantity_sub(&sum->reserved, &q);
    }
}

uint64_t quota_reserve(struct quota_account *t, const struct json *amounts)
{
    reserve(t, amounts, true);
    return t->id;
}

void quota_release(struct quota_sums *s, str ns, uint64_t account, const struct json *amounts)
{
    struct space *space = map_find(&s->spaces, ns);
    struct quota_account *t;

    if (space)
        LIST_EACH(t, &space->accounts, link)
            if (t->id == account)
                reserve(t, amounts, false);
}

/* ---- what the store publishes ---- */

static void quota_gone(struct quota_sums *s, struct space *space, const struct obj *quota)
{
    struct quota_account *t = account_find(space, quota->key.name);

    if (t && str_is(quota->uid, t->uid))
        account_free(t);
    if (list_is_empty(&space->accounts))
        space_free(s, space);
}

static void on_event(void *ctx, const struct store_event *e)
{
    struct quota_sums *s = ctx;
    struct space *space =
        s->n_accounts && e->obj->key.ns.n ? map_find(&s->spaces, e->obj->key.ns) : NULL;
    struct arena *a = NULL;
    struct version now = {.o = e->obj}, before = {.o = e->prev};
    struct quota_account *t;

    if (!space)
        return;
    LIST_EACH(t, &space->accounts, link)
        for (size_t i = 0; i < t->n_kinds; i++) {
            const struct counted_kind *k = &t->kinds[i];

            if (!str_is(e->obj->key.resource, k->resource) || e->obj->revision <= k->since ||
                (e->type == STORE_MODIFIED &&
                 !quota_looks_inside(str_of(k->group), str_of(k->plural))))
                continue;
            if (!a)
                now.a = before.a = a = arena_new();
            if (e->prev)
                count(t, k, &before, false);
            if (e->type != STORE_DELETED)
                count(t, k, &now, true);
        }
    if (a)
        arena_free(a);
    if (e->type == STORE_DELETED && str_is(e->obj->key.resource, "resourcequotas"))
        quota_gone(s, space, e->obj);
}

struct err *quota_sums_new(struct api *api, struct quota_sums **ret)
{
    static const struct store_watch_events events = {.event = on_event};
    struct quota_sums *s = NEW(struct quota_sums);

    s->api = api;
    map_init(&s->spaces);
    *ret = s;
    return store_watch(api->store, S(""), S(""), store_revision(api->store), &events, s, &s->watch);
}

void quota_sums_free(struct quota_sums *s)
{
    if (!s)
        return;
    if (s->watch)
        store_watch_close(s->watch);
    MAP_EACH(e, &s->spaces)
        space_free(s, e->value);
    map_fini(&s->spaces);
    mem_free(s);
}
