/* namespace.c - empties a namespace that is being deleted, and lets it go when it is empty.
 *
 * This one cannot decide from caches: that a namespace is empty must be asked of the server, kind
 * by kind, after its deletion began. So its turn is a walk: delete the pods, then, when none is
 * left, everything else; count what remains; say so in conditions; and when nothing remains, remove
 * the finalizer "kubernetes". Objects that go later wake it again.
 *
 * API: https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/ ,
 *      KEP-5080 (pods are deleted before what they may need) */
#include "controllers/custom_kinds.h"
#include "controllers/framework.h"

#include <inttypes.h>

#define REQUESTS_MAX 8                     /* of one namespace under way */
#define WAKE_DELAY_NS (100 * NS_PER_MS)    /* objects often go in swarms: one look for all */
#define DELETE_TIMEOUT_NS (300 * NS_PER_S) /* of a kind's objects, of which there may be many */
#define LOOK_AGAIN_NS (15 * NS_PER_S)      /* should a change have escaped the caches */

struct state {
    struct controller *c;
    struct list walks;
};
struct part { /* one kind's contents */
    struct walk *walk;
    const struct resource *resource;
    struct client_call *call;
};
struct walk {
    struct list link;
    struct state *s;
    struct arena *a;
    str name;
    struct json *tree;  /* the namespace */
    struct part *parts; /* pods first */
    uint32_t n, next, in_flight;
    bool pods_only, pods_remain;
    struct json *remaining;   /* "configmaps." -> count */
    struct json *finalizers;  /* "example.test/hold" -> count */
    struct json *failures;    /* texts */
    struct client_call *call; /* of the last steps */
};

static void walk_advance(struct walk *w);

static void walk_end(struct walk *w, bool retry)
{
    struct controller *c = w->s->c;
    CLEANUP(mem) void *name = str_dupz(w->name);

    list_del(&w->link);
    arena_free(w->a);
    mem_free(w);
    work_done(c, str_of(name), retry);
}

static void count(struct arena *a, struct json *map, str key, int64_t n)
{
    struct json *v = json_find(map, key);

    if (v)
        v->i += n;
    else
        json_set(a, map, arena_dup(a, key), json_int(n));
}

static bool served(const struct resource *r)
{
    uint32_t wanted = VERB_LIST | VERB_DELETE;

    return r->namespaced && !r->legacy && (r->verbs & wanted) == wanted;
}

static void count_custom(void *ctx, struct custom_kind *k)
{
    *(size_t *)ctx += k->resource.namespaced;
}

static void add_custom(void *ctx, struct custom_kind *k)
{
    struct walk *w = ctx;

    if (k->resource.namespaced)
        w->parts[w->n++].resource = &k->resource;
}

/* One version of each kind is enough. */
static void walk_find_parts(struct walk *w)
{
    struct custom_kinds *custom = gc_custom_kinds(w->s->c->m->gc);
    struct map stored;
    size_t n_custom = 0;

    map_init(&stored);
    custom_kinds_each(custom, count_custom, &n_custom);
    w->parts = ARENA_NEW_N(w->a, struct part, schema_n_resources + n_custom + 1);
    w->parts[w->n++].resource = schema_find_resource(S(""), S("v1"), S("pods"));
    map_put(&stored, S("pods"), w);
    for (size_t i = 0; i < schema_n_resources; i++) {
        const struct resource *r = &schema_resources[i];

        if (!served(r) || map_find(&stored, r->storage_resource))
            continue;
        map_put(&stored, r->storage_resource, w);
        w->parts[w->n++].resource = r;
    }
    map_fini(&stored);
    custom_kinds_each(custom, add_custom, w);
}

static void part_path(const struct part *p, struct buf *b)
{
    buf_api_path(b, p->resource->group, p->resource->version, p->resource->plural, p->walk->name,
                 STR_NONE, STR_NONE);
}

static void part_failed(struct part *p, struct err *err)
{
    struct walk *w = p->walk;

    json_append(w->a, w->failures, json_string(arena_dup(w->a, str_of(err_text(err)))));
    err_free(err);
}

static void on_listed(void *ctx, struct err *err, int status, str body)
{
    struct part *p = ctx;
    struct walk *w = p->walk;
    CLEANUP(arena) struct arena *a = arena_new();
    static const struct json_limits limits = {JSON_DEPTH_MAX, (size_t)256 << 20};
    struct json *list = NULL;

    p->call = NULL;
    w->in_flight--;
    if (!err)
        err = json_parse(a, body, &limits, NULL, &list);
    if (err) {
        if (err->reason == REASON_NOT_FOUND || err->reason == REASON_METHOD_NOT_ALLOWED)
            err_free(err);
        else
            part_failed(p, err);
    }
    if (json_count(json_findz(list, "items"))) {
        count(w->a, w->remaining,
              arena_fmt(a, PRI_STR "." PRI_STR, STR_ARG(p->resource->plural),
                        STR_ARG(p->resource->group)),
              json_count(json_findz(list, "items")));
        w->pods_remain |= p == &w->parts[0];
    }
    JSON_EACH(item, json_findz(list, "items"))
        JSON_EACH(finalizer, json_path(item, "metadata.finalizers"))
            count(w->a, w->finalizers, json_str(finalizer), 1);
    walk_advance(w);
}

static void part_list(struct part *p)
{
    CLEANUP(buf) struct buf path = BUF_INIT;

    part_path(p, &path);
    p->call = client_do(
        controller_client(p->walk->s->c),
        &(struct client_request){
            .method = "GET",
            .path = buf_view(&path),
            .accept = "application/"
                      "json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"},
        on_listed, p);
}

static void on_deleted(void *ctx, struct err *err)
{
    struct part *p = ctx;

    p->call = NULL;
    if (err) {
        if (err->reason == REASON_NOT_FOUND || err->reason == REASON_METHOD_NOT_ALLOWED)
            err_free(err);
        else
            part_failed(p, err);
    }
    part_list(p);
}

/* The answer lists what was deleted: taken object by object, so that nobody writes, gathers and reads megabytes of text. */
static void ignore_object(void *ctx, const struct obj *o, bool deleted) {}

static void ignore_data(void *ctx, const char *p, size_t n) {}

static void part_delete(struct part *p)
{
    static const struct client_stream_events events = {
        .data = ignore_data, .object = ignore_object, .done = on_deleted};
    CLEANUP(buf) struct buf path = BUF_INIT;

    p->walk->in_flight++;
    if (!(p->resource->verbs & VERB_DELETECOLLECTION)) {
        part_list(p);
        return;
    }
    part_path(p, &path);
    p->call = client_stream_request(
        controller_client(p->walk->s->c),
        &(struct client_request){.method = "DELETE",
                                 .path = buf_view(&path),
                                 .body = S("{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\","
                                           "\"propagationPolicy\":\"Background\"}"),
                                 .timeout_ns = DELETE_TIMEOUT_NS},
        &events, p);
}

/* ---- conditions ---- */

static void join_counts(struct arena *a, struct json *map, const char *fmt, struct buf *out)
{
    bool first = true;

    json_sort_keys(map);
    JSON_EACH_MEMBER(m, map) {
        if (!first)
            buf_z(out, ", ");
        first = false;
        buf_fmt(out, fmt, (int)m->key.n, m->key.p, m->value.i);
    }
}

static bool set_condition(struct walk *w, wall_time now, const char *type, bool bad,
                          const char *reason, str message)
{
    struct json *status = json_make(w->a, w->tree, "status", JSON_OBJECT),
                *conditions = json_findz(status, "conditions");
    struct json *c, fresh = json_object();
    const char *truth = bad ? "True" : "False";

    if (!conditions)
        conditions = json_setz(w->a, status, "conditions", json_array());
    c = condition_find(conditions, type);
    if (c && str_is(json_get_str(c, "status"), truth) &&
        str_is(json_get_str(c, "reason"), reason) && str_eq(json_get_str(c, "message"), message))
        return false;
    json_setz(w->a, &fresh, "type", json_z(type));
    json_setz(w->a, &fresh, "status", json_z(truth));
    json_setz(w->a, &fresh, "lastTransitionTime",
              c && str_is(json_get_str(c, "status"), truth) ? *json_findz(c, "lastTransitionTime")
                                                            : time_json(w->a, now));
    json_setz(w->a, &fresh, "reason", json_z(reason));
    json_setz(w->a, &fresh, "message", json_string(arena_dup(w->a, message)));
    if (c)
        *c = fresh;
    else
        json_append(w->a, conditions, fresh);
    return true;
}

static bool set_conditions(struct walk *w)
{
    wall_time now = loop_wall(controller_loop(w->s->c));
    CLEANUP(buf) struct buf remaining = BUF_INIT, finalizers = BUF_INIT, failures = BUF_INIT;
    bool changed = false;

    changed |= set_condition(w, now, "NamespaceDeletionDiscoveryFailure", false,
                             "ResourcesDiscovered", S("All resources successfully discovered"));
    changed |= set_condition(w, now, "NamespaceDeletionGroupVersionParsingFailure", false,
                             "ParsedGroupVersions", S("All legacy kube types successfully parsed"));
    if (json_count(w->failures)) {
        buf_fmt(&failures,
                "Failed to delete all resource types, %u remaining: ", json_count(w->failures));
        JSON_EACH(f, w->failures) {
            if (f != json_item(w->failures, 0))
                buf_z(&failures, ", ");
            buf_str(&failures, json_str(f));
        }
        changed |= set_condition(w, now, "NamespaceDeletionContentFailure", true,
                                 "ContentDeletionFailed", buf_view(&failures));
    } else {
        changed |=
            set_condition(w, now, "NamespaceDeletionContentFailure", false, "ContentDeleted",
                          S("All content successfully deleted, may be waiting on finalization"));
    }
    if (json_count(w->remaining)) {
        buf_z(&remaining, "Some resources are remaining: ");
        join_counts(w->a, w->remaining, PRI_STR " has %" PRId64 " resource instances", &remaining);
        changed |= set_condition(w, now, "NamespaceContentRemaining", true, "SomeResourcesRemain",
                                 buf_view(&remaining));
    } else {
        changed |= set_condition(w, now, "NamespaceContentRemaining", false, "ContentRemoved",
                                 S("All content successfully removed"));
    }
    if (json_count(w->finalizers)) {
        buf_z(&finalizers, "Some content in the namespace has finalizers remaining: ");
        join_counts(w->a, w->finalizers, PRI_STR " in %" PRId64 " resource instances", &finalizers);
        changed |= set_condition(w, now, "NamespaceFinalizersRemaining", true,
                                 "SomeFinalizersRemain", buf_view(&finalizers));
    } else {
        changed |=
            set_condition(w, now, "NamespaceFinalizersRemaining", false, "ContentHasNoFinalizers",
                          S("All content-preserving finalizers finished"));
    }
    return changed;
}

/* ---- the last steps ---- */

static void on_finalized(void *ctx, struct err *err, int status, str body)
{
    struct walk *w = ctx;
    bool retry = err && err->reason != REASON_NOT_FOUND;

    if (retry && err->reason != REASON_CONFLICT)
        log_warning("namespace", PRI_STR ": %s", STR_ARG(w->name), err_text(err));
    err_free(err);
    walk_end(w, retry);
}

static void put(struct walk *w, str sub, client_done_fn *done)
{
    CLEANUP(buf) struct buf path = BUF_INIT, body = BUF_INIT;

    buf_api_path(&path, S(""), S("v1"), S("namespaces"), STR_NONE, w->name, sub);
    json_encode(&body, w->tree);
    w->call = client_do(
        controller_client(w->s->c),
        &(struct client_request){.method = "PUT", .path = buf_view(&path), .body = buf_view(&body)},
        done, w);
}

static void walk_finalize(struct walk *w)
{
    struct json *finalizers = json_path(w->tree, "spec.finalizers");

    for (uint32_t i = json_count(finalizers); i-- > 0;)
        if (str_is(json_str(json_item(finalizers, i)), "kubernetes"))
            json_remove_item(finalizers, i);
    put(w, S("finalize"), on_finalized);
}

static void walk_after_status(struct walk *w)
{
    bool failed = json_count(w->failures) > 0;

    w->call = NULL;
    if (!failed && !json_count(w->remaining)) {
        walk_finalize(w);
        return;
    }
    if (!failed)
        wake_after(w->s->c, STR_NONE, w->name, LOOK_AGAIN_NS);
    walk_end(w, failed);
}

static void on_status(void *ctx, struct err *err, int status, str body)
{
    struct walk *w = ctx;
    struct json *next = NULL;

    w->call = NULL;
    if (!err)
        err = json_parse(w->a, arena_dup(w->a, body), NULL, NULL, &next);
    if (err) {
        on_finalized(w, err, status, body);
        return;
    }
    w->tree = next;
    walk_after_status(w);
}

static void walk_advance(struct walk *w)
{
    while (w->next < w->n && w->in_flight < REQUESTS_MAX) {
        if (w->next == 1 && (w->in_flight || w->pods_remain))
            break; /* the pods go first */
        part_delete(&w->parts[w->next++]);
    }
    if (w->in_flight)
        return;
    if (set_conditions(w) && json_count(w->remaining) + json_count(w->failures))
        put(w, S("status"), on_status);
    else
        walk_after_status(w);
}

static void work(struct controller *c, str key)
{
    struct state *s = controller_state(c);
    const struct obj *o = informer_find(controller_cache(c, K_NAMESPACES), STR_NONE, key);
    struct walk *w;
    bool wanted = false;

    if (!o || !client_text_find(o->data, "metadata.deletionTimestamp").n) {
        work_done(c, key, false);
        return;
    }
    w = NEW(struct walk);
    w->s = s;
    w->a = arena_new();
    list_add_tail(&s->walks, &w->link);
    w->name = arena_dup(w->a, key);
    w->tree = json_new(w->a, json_copy(w->a, tree_of(w->a, o)));
    w->remaining = json_new(w->a, json_object());
    w->finalizers = json_new(w->a, json_object());
    w->failures = json_new(w->a, json_array());
    JSON_EACH(f, json_path(w->tree, "spec.finalizers"))
        wanted |= str_is(json_str(f), "kubernetes");
    if (!wanted) {
        walk_end(w, false);
        return;
    }
    walk_find_parts(w);
    for (uint32_t i = 0; i < w->n; i++)
        w->parts[i].walk = w;
    walk_advance(w);
}

static void something_gone(void *ctx, const struct resource *r, str ns)
{
    struct state *s = ctx;
    const struct obj *o = informer_find(controller_cache(s->c, K_NAMESPACES), STR_NONE, ns);

    if (o && client_text_find(o->data, "metadata.deletionTimestamp").n)
        wake_after(s->c, STR_NONE, ns, WAKE_DELAY_NS);
}

static void *state_new(struct controller *c)
{
    struct state *s = NEW(struct state);

    s->c = c;
    list_init(&s->walks);
    gc_on_count(c->m->gc, something_gone, s);
    return s;
}

static void state_free(void *state)
{
    struct state *s = state;

    while (!list_is_empty(&s->walks)) {
        struct walk *w = LIST_ITEM(s->walks.next, struct walk, link);

        for (uint32_t i = 0; i < w->n; i++)
            client_cancel(w->parts[i].call);
        client_cancel(w->call);
        list_del(&w->link);
        arena_free(w->a);
        mem_free(w);
    }
    mem_free(s);
}

const struct controller_type namespace_controller = {
    .name = "namespace",
    .component = "namespace-controller",
    .primary = K_NAMESPACES,
    .work = work,
    .state_new = state_new,
    .state_free = state_free,
    .parallel = 4,
};
