/* gc.c - the garbage collector: what nobody owns any more goes.
 *
 * A graph of every object that owns or is owned, fed by a watch of every kind that can be deleted.
 * Objects are nodes by uid; an owner reference is an edge. An owner that is only known from a
 * reference is a virtual node until somebody has seen it.
 *
 *   background   an owner goes, its dependents' references dangle, they are deleted
 *   foreground   an owner stays, deleting, until all dependents that block it are gone; then its
 * finalizer is removed orphan       an owner stays, deleting, until the references to it are
 * removed; then its finalizer is removed
 *
 * Invariants
 *   (1) Nothing is deleted on the graph's word alone where the graph only guesses: a virtual owner
 * is asked for at the server. (2) A deletion names uid and resourceVersion of what was judged; had
 * it changed, it is judged again. (3) Before every built-in kind's first list is complete, nothing
 * is judged. (4) While a custom kind's first list is not complete, no owner's finalizer is removed:
 * its dependents may not all be known. A custom kind that cannot be listed holds up nothing else.
 *
 * Requests: gc_requests.c. API:
 * https://kubernetes.io/docs/concepts/architecture/garbage-collection/ */
#include "controllers/gc.h"
#include "wire/tls.h"

#define ABSENT_MAX 500 /* owners known to be gone; Kubernetes' number */
#define UID_KEPT 64    /* bytes; the server's uids have 36 */
#define GC_PARALLEL 32

/* ---- the graph ---- */

struct node *gc_find(struct gc *gc, str uid)
{
    return map_find(&gc->nodes, uid);
}

static void edges_clear(struct gc *gc, struct node *n);

static void node_free(struct gc *gc, struct node *n)
{
    edges_clear(gc, n);
    map_del(&gc->nodes, str_of(n->uid));
    mem_free(n->uid);
    mem_free(n->ns);
    mem_free(n->name);
    mem_free(n->dependents);
    mem_free(n);
}

static struct node *node_new(struct gc *gc, str uid, const struct resource *r, str ns, str name)
{
    struct node *n = NEW(struct node);

    n->uid = str_dupz(uid);
    n->resource = r;
    n->ns = str_dupz(ns);
    n->name = str_dupz(name);
    map_put(&gc->nodes, uid, n);
    return n;
}

static void edge_attach(struct edge *e)
{
    struct node *owner = e->owner;

    if (owner->n_dependents == owner->cap) {
        owner->cap = owner->cap ? owner->cap * 2 : 2;
        owner->dependents = mem_realloc(owner->dependents, owner->cap * sizeof *owner->dependents);
    }
    e->at = owner->n_dependents;
    owner->dependents[owner->n_dependents++] = e;
}

static void edge_detach(struct gc *gc, struct edge *e)
{
    struct node *owner = e->owner;

    owner->dependents[e->at] = owner->dependents[--owner->n_dependents];
    owner->dependents[e->at]->at = e->at;
    if (owner->is_virtual && !owner->n_dependents)
        node_free(gc, owner);
}

static void edges_clear(struct gc *gc, struct node *n)
{
    struct edge *edges = n->edges;
    uint32_t n_edges = n->n_edges;

    n->edges = NULL;
    n->n_edges = 0;
    for (uint32_t i = 0; i < n_edges; i++) {
        edge_detach(gc, &edges[i]);
        mem_free(edges[i].api_version);
        mem_free(edges[i].kind);
        mem_free(edges[i].name);
    }
    mem_free(edges);
}

/* In one block: scattered among what lives for a moment, they would keep as many pages of the heap. Uids are compared as they are,
 * for whoever writes an owner reference chooses its uid; longer ones than the server's by their SHA-256. */
struct absent {
    size_t n, next; /* once full, the oldest is replaced */
    uint32_t hashes[ABSENT_MAX];
    struct {
        uint8_t n;
        char text[UID_KEPT];
    } uids[ABSENT_MAX];
};

static str absent_key(str uid, char hex[UID_KEPT + 1])
{
    if (uid.n <= UID_KEPT)
        return uid;
    sha256_hex(uid, hex);
    return (str){hex, UID_KEPT};
}

bool gc_is_absent(struct gc *gc, str uid)
{
    const struct absent *a = gc->absent;
    char hex[UID_KEPT + 1];
    uint32_t hash;

    uid = absent_key(uid, hex);
    hash = (uint32_t)str_hash(uid);
    for (size_t i = 0; a && i < a->n; i++)
        if (a->hashes[i] == hash && str_eq(uid, (str){a->uids[i].text, a->uids[i].n}))
            return true;
    return false;
}

static void absent_add(struct gc *gc, str uid)
{
    struct absent *a = gc->absent;
    char hex[UID_KEPT + 1];

    if (gc_is_absent(gc, uid))
        return;
    if (!a)
        a = gc->absent = NEW(struct absent);
    uid = absent_key(uid, hex);
    a->hashes[a->next] = (uint32_t)str_hash(uid);
    a->uids[a->next].n = (uint8_t)uid.n;
    memcpy(a->uids[a->next].text, uid.p, uid.n);
    a->next = (a->next + 1) % ABSENT_MAX;
    a->n = MIN(a->n + 1, (size_t)ABSENT_MAX);
}

/* ---- queues ---- */

void gc_judge(struct gc *gc, const struct node *n)
{
    if (gc->synced)
        workqueue_add(gc->to_delete, str_of(n->uid));
}

static void gc_orphan(struct gc *gc, const struct node *n)
{
    if (gc->synced)
        workqueue_add(gc->to_orphan, str_of(n->uid));
}

static void judge_dependents(struct gc *gc, const struct node *n)
{
    for (uint32_t i = 0; i < n->n_dependents; i++)
        gc_judge(gc, n->dependents[i]->dependent);
}

static void judge_waiting_owners(struct gc *gc, const struct node *n)
{
    for (uint32_t i = 0; i < n->n_edges; i++)
        if (n->edges[i].owner->deleting_dependents)
            gc_judge(gc, n->edges[i].owner);
}

void gc_owner_is_gone(struct gc *gc, str uid)
{
    struct node *n = gc_find(gc, uid);

    absent_add(gc, uid);
    if (n)
        judge_dependents(gc, n);
}

/* ---- changes ---- */

static const struct resource *resource_of(struct gc *gc, str api_version, str kind)
{
    str group = STR_NONE, version = api_version;
    const struct resource *r;
    struct custom_kind *k;

    if (str_has_char(api_version, '/'))
        str_cut(&version, '/', &group);
    r = schema_find_kind(group, version, kind);
    if (r)
        return r;
    k = custom_kinds_find(gc->custom, group, version, kind);
    return k ? &k->resource : NULL;
}

static void node_set_owners(struct gc *gc, struct node *n, const struct json *refs)
{
    struct edge *edges;
    uint32_t count = 0;

    /* The new edges first, so that a virtual owner that stays is not forgotten in between. */
    edges = mem_zalloc(sizeof *edges * (json_count(refs) + 1));
    JSON_EACH(ref, refs) {
        struct edge *e = &edges[count];
        str uid = json_get_str(ref, "uid"), api_version = json_get_str(ref, "apiVersion"),
            kind = json_get_str(ref, "kind");

        if (!uid.n)
            continue;
        e->dependent = n;
        e->api_version = str_dupz(api_version);
        e->kind = str_dupz(kind);
        e->name = str_dupz(json_get_str(ref, "name"));
        e->blocks = json_get_bool(ref, "blockOwnerDeletion", false);
        e->owner = gc_find(gc, uid);
        if (!e->owner) {
            const struct resource *r = resource_of(gc, api_version, kind);

            e->owner = node_new(gc, uid, r, r && !r->namespaced ? STR_NONE : str_of(n->ns),
                                str_of(e->name));
            e->owner->is_virtual = true;
            gc_judge(gc, e->owner);
        }
        edge_attach(e);
        count++;
    }
    judge_waiting_owners(gc, n); /* by the old edges: one of them may no longer wait for us */
    edges_clear(gc, n);
    n->edges = edges;
    n->n_edges = count;
}

static bool owners_equal(const struct node *n, const struct json *refs)
{
    uint32_t i = 0;

    if (json_count(refs) != n->n_edges)
        return false;
    JSON_EACH(ref, refs) {
        const struct edge *e = &n->edges[i++];

        if (!str_is(json_get_str(ref, "uid"), e->owner->uid) ||
            json_get_bool(ref, "blockOwnerDeletion", false) != e->blocks ||
            !str_is(json_get_str(ref, "name"), e->name))
            return false;
    }
    return true;
}

static bool has_string(const struct json *list, const char *what)
{
    JSON_EACH(s, list)
        if (str_is(json_str(s), what))
            return true;
    return false;
}

/* Most objects have neither owners nor finalizers, and need no tree. */
static const struct json *parse_list(struct gc *gc, const struct obj *o, const char *where)
{
    str text = client_text_find(o->data, where);
    struct json *list = NULL;

    if (text.n)
        err_free(json_parse(gc->arena, text, NULL, NULL, &list));
    return list;
}

static void object_changed(struct gc *gc, const struct resource *r, const struct obj *o)
{
    struct node *n = gc_find(gc, o->uid);
    const struct json *owners, *finalizers;
    bool deleting, foreground, orphan;

    arena_reset(gc->arena);
    owners = parse_list(gc, o, "metadata.ownerReferences");
    deleting = client_text_find(o->data, "metadata.deletionTimestamp").n > 0;
    finalizers = deleting ? parse_list(gc, o, "metadata.finalizers") : NULL;
    if (!n)
        n = node_new(gc, o->uid, r, o->key.ns, o->key.name);
    else if (n->is_virtual &&
             (!str_eq(str_of(n->name), o->key.name) || !str_eq(str_of(n->ns), o->key.ns))) {
        /* A reference had the uid right and the rest wrong: those that hold it are judged by the
         * truth. */
        mem_free(n->ns);
        mem_free(n->name);
        n->ns = str_dupz(o->key.ns);
        n->name = str_dupz(o->key.name);
        judge_dependents(gc, n);
    }
    n->is_virtual = false;
    n->resource = r;
    n->revision = o->revision;
    if (!owners_equal(n, owners)) {
        node_set_owners(gc, n, owners);
        if (n->n_edges)
            gc_judge(gc, n);
    }
    foreground = has_string(finalizers, "foregroundDeletion");
    orphan = has_string(finalizers, "orphan");
    n->deleting = deleting;
    if (foreground && !n->deleting_dependents) {
        n->deleting_dependents = true;
        judge_dependents(gc, n);
        gc_judge(gc, n);
    }
    n->deleting_dependents = foreground;
    if (orphan && !n->orphaning) {
        n->orphaning = true;
        gc_orphan(gc, n);
    }
    n->orphaning = orphan;
}

static void node_gone(struct gc *gc, struct node *n)
{
    if (n->n_dependents)
        absent_add(gc, str_of(n->uid));
    judge_waiting_owners(gc, n);
    judge_dependents(gc, n);
    edges_clear(gc, n);
    if (n->n_dependents) {
        /* Its dependents still refer to it: remembered as long as they do. */
        n->is_virtual = true;
        n->deleting = n->deleting_dependents = n->orphaning = false;
    } else {
        node_free(gc, n);
    }
}

static void count_tell(struct gc *gc, const struct resource *r, str ns)
{
    for (size_t i = 0; i < gc->n_listeners && gc->synced; i++)
        gc->listeners[i].fn(gc->listeners[i].ctx, r, ns);
}

static void object_gone(struct gc *gc, const struct resource *r, const struct obj *o)
{
    struct node *n = gc_find(gc, o->uid);

    if (o->key.ns.n)
        count_tell(gc, r, o->key.ns);
    if (n)
        node_gone(gc, n);
    map_shrink(&gc->nodes);
}

static void on_changed(void *ctx, const struct obj *obj, const struct obj *prev)
{
    struct gc_kind *k = ctx;

    if (obj && !prev && k->own && obj->key.ns.n && !k->waiting)
        count_tell(k->gc, k->resource, obj->key.ns);
    if (obj)
        object_changed(k->gc, k->resource, obj);
    else
        object_gone(k->gc, k->resource, prev);
}

static void kind_synced(struct gc *gc)
{
    if (--gc->n_unsynced)
        return;
    gc->synced = true;
    count_tell(gc, gc->kinds[0].resource, STR_NONE);
    MAP_EACH(e, &gc->nodes) {
        struct node *n = e->value;

        if (n->is_virtual || n->deleting_dependents || n->n_edges)
            gc_judge(gc, n);
        if (n->orphaning)
            gc_orphan(gc, n);
    }
}

static void on_synced(void *ctx)
{
    struct gc_kind *k = ctx;

    kind_synced(k->gc);
}

/* ---- which kinds ---- */

/* Only what the graph is made of is kept. */
static void reduce(const struct json *tree, struct buf *out)
{
    static const char *const kept[] = {"deletionTimestamp", "ownerReferences", "finalizers"};
    bool first = true;

    buf_z(out, "{\"metadata\":{");
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        const struct json *v = json_findz(json_findz(tree, "metadata"), kept[i]);

        if (!v)
            continue;
        buf_fmt(out, "%s\"%s\":", first ? "" : ",", kept[i]);
        json_encode(out, v);
        first = false;
    }
    buf_z(out, "}}");
}

static bool is_collected(const struct resource *r)
{
    uint32_t wanted = VERB_DELETE | VERB_LIST | VERB_WATCH;

    return !r->legacy && (r->verbs & wanted) == wanted && !str_is(r->kind, "Event");
}

static struct informer *shared_cache(struct controllers *m, const struct resource *r)
{
    for (int k = 0; k < K_N; k++)
        if (k != K_LEASES && m->caches[k] && str_eq(kinds[k].group, r->group) &&
            str_eq(kinds[k].plural, r->plural))
            return m->caches[k];
    return NULL;
}

static void gc_add_kind(struct gc *gc, const struct resource *r)
{
    static const struct informer_handler handler = {.changed = on_changed, .synced = on_synced};
    struct gc_kind *k = &gc->kinds[gc->n_kinds++];
    struct informer *i = shared_cache(gc->m, r);

    k->gc = gc;
    k->resource = r;
    if (!i)
        i = k->own =
            informer_new(gc->m->client, &(struct informer_options){.group = r->group,
                                                                   .version = r->version,
                                                                   .plural = r->plural,
                                                                   .metadata_only = true,
                                                                   .reduce = reduce,
                                                                   .reduce_optional = true});
    gc->n_unsynced++;
    informer_add_handler(i, &handler, k);
}

/* ---- custom kinds come and go ---- */

static void on_custom_synced(void *ctx)
{
    struct gc_kind *k = ctx;
    struct gc *gc = k->gc;

    if (!k->waiting)
        return;
    k->waiting = false;
    gc->n_custom_waiting -= k->counted;
    count_tell(gc, k->resource, STR_NONE); /* it can be counted now, everywhere */
    if (!gc->n_custom_waiting && gc->synced)
        MAP_EACH(e, &gc->nodes) {
            struct node *n = e->value;

            if (n->deleting_dependents)
                gc_judge(gc, n);
            if (n->orphaning)
                gc_orphan(gc, n);
        }
}

static void custom_kind_free(struct gc *gc, struct custom_kind *c)
{
    struct gc_kind *k = c->user;

    c->user = NULL;
    if (!k)
        return;
    informer_free(k->own);
    if (k->waiting)
        gc->n_custom_waiting -= k->counted;
    mem_free(k);
}

/* References to the kind were to something unknown. */
static void owners_known(struct gc *gc, struct custom_kind *c)
{
    MAP_EACH(e, &gc->nodes) {
        struct node *n = e->value;

        if (!n->is_virtual || n->resource || !n->n_dependents)
            continue;
        n->resource =
            resource_of(gc, str_of(n->dependents[0]->api_version), str_of(n->dependents[0]->kind));
        if (n->resource != &c->resource)
            continue;
        if (!n->resource->namespaced)
            n->ns[0] = 0;
        gc_judge(gc, n);
    }
}

static void on_custom_served(void *ctx, struct custom_kind *c)
{
    static const struct informer_handler handler = {.changed = on_changed,
                                                    .synced = on_custom_synced};
    struct gc *gc = ctx;
    struct gc_kind *k = NEW(struct gc_kind);

    k->gc = gc;
    k->resource = &c->resource;
    k->waiting = true;
    k->counted = !c->remote;
    gc->n_custom_waiting += k->counted;
    c->user = k;
    k->own = informer_new(gc->m->client, &(struct informer_options){.group = c->resource.group,
                                                                    .version = c->resource.version,
                                                                    .plural = c->resource.plural,
                                                                    .metadata_only = true,
                                                                    .reduce = reduce,
                                                                    .reduce_optional = true});
    informer_add_handler(k->own, &handler, k);
    informer_start(k->own);
    owners_known(gc, c);
}

/* A definition goes after its last object: whatever is still known of the kind is gone, too. */
static void on_custom_gone(void *ctx, struct custom_kind *c, bool deleted)
{
    struct gc *gc = ctx;
    bool found = deleted;

    custom_kind_free(gc, c);
    while (found) { /* a node that goes may take others with it: begin again */
        found = false;
        MAP_EACH(e, &gc->nodes) {
            struct node *n = e->value;

            if (n->resource != &c->resource)
                continue;
            if (n->is_virtual) {
                n->resource = NULL;
                continue;
            }
            n->resource = NULL;
            node_gone(gc, n);
            found = true;
            break;
        }
    }
}

static void on_definitions_read(void *ctx)
{
    struct gc *gc = ctx;

    kind_synced(gc);
}

struct custom_kinds *gc_custom_kinds(struct gc *gc)
{
    return gc->custom;
}

const struct informer *gc_cache(struct gc *gc, str name)
{
    struct custom_kind *c = custom_kinds_named(gc->custom, name);
    const struct gc_kind *k = c ? c->user : NULL;
    str group = name, plural;

    if (k)
        return k->waiting ? NULL : k->own;
    str_cut(&group, '.', &plural);
    for (size_t i = 0; i < gc->n_kinds && gc->synced; i++) {
        k = &gc->kinds[i];
        if (str_eq(k->resource->plural, plural) && str_eq(k->resource->group, group))
            return k->own ? k->own : shared_cache(gc->m, k->resource);
    }
    return NULL;
}

struct gc *gc_new(struct controllers *m)
{
    static const struct custom_kinds_handler custom = {
        .served = on_custom_served, .gone = on_custom_gone, .synced = on_definitions_read};
    struct gc *gc = NEW(struct gc);
    struct map stored;

    gc->m = m;
    gc->loop = m->loop;
    gc->arena = arena_new();
    map_init(&gc->nodes);
    list_init(&gc->jobs);
    gc->to_delete = workqueue_new(m->loop, gc_delete_work, gc, GC_PARALLEL);
    gc->to_orphan = workqueue_new(m->loop, gc_orphan_work, gc, GC_PARALLEL);
    gc->kinds = mem_zalloc((schema_n_resources + 1) * sizeof *gc->kinds);
    map_init(&stored);
    for (size_t i = 0; i < schema_n_resources; i++) {
        const struct resource *r = &schema_resources[i];

        if (!is_collected(r) || map_find(&stored, r->storage_resource))
            continue;
        map_put(&stored, r->storage_resource, gc);
        gc_add_kind(gc, r);
    }
    map_fini(&stored);
    gc->n_unsynced++;
    gc->custom = custom_kinds_new(m->client, &custom, gc);
    for (size_t i = 0; i < gc->n_kinds; i++)
        if (gc->kinds[i].own)
            informer_start(gc->kinds[i].own);
    return gc;
}

static void free_custom(void *ctx, struct custom_kind *c)
{
    custom_kind_free(ctx, c);
}

void gc_free(struct gc *gc)
{
    if (!gc)
        return;
    gc_cancel_jobs(gc);
    workqueue_free(gc->to_delete);
    workqueue_free(gc->to_orphan);
    for (size_t i = 0; i < gc->n_kinds; i++)
        informer_free(gc->kinds[i].own);
    custom_kinds_each(gc->custom, free_custom, gc);
    custom_kinds_free(gc->custom);
    MAP_EACH(e, &gc->nodes) {
        struct node *n = e->value;

        for (uint32_t i = 0; i < n->n_edges; i++) {
            mem_free(n->edges[i].api_version);
            mem_free(n->edges[i].kind);
            mem_free(n->edges[i].name);
        }
        mem_free(n->edges);
        mem_free(n->dependents);
        mem_free(n->uid);
        mem_free(n->ns);
        mem_free(n->name);
        mem_free(n);
    }
    map_fini(&gc->nodes);
    mem_free(gc->absent);
    mem_free(gc->kinds);
    arena_free(gc->arena);
    mem_free(gc);
}

void gc_on_count(struct gc *gc, gc_count_fn *fn, void *ctx)
{
    BUG_ON(gc->n_listeners == GC_LISTENERS_MAX);
    gc->listeners[gc->n_listeners++] = (struct gc_listener){fn, ctx};
}

bool gc_is_synced(const struct gc *gc)
{
    return gc->synced;
}
