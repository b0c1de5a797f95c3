/* informer.c - a cache kept current by one list and then a watch.
 *
 * Invariants
 *   (1) Handlers see each object's versions in the server's order, and never an older one after a newer one.
 *   (2) A watch that breaks is resumed from the last revision seen; only 410 Gone makes a new list, and a list tells handlers
 *       nothing but what has really changed.
 *   (3) An object is kept as one block of text with its labels packed; trees live as long as one event. Inside the process it is the
 *       store's own block: caches hold references, and at most what their owner packed beside them.
 *   (4) Failures are retried with growing, jittered pauses, lest all components of a cluster come back in step.
 *
 * Not here: other keys than the name (informer_index.c), frames and text cutting (raw.c), what to do about a change (handlers).
 * API: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes */
#include "client/informer_internal.h"

#include <inttypes.h>

#define BACKOFF_MIN_NS (800 * NS_PER_MS) /* client-go's reflector */
#define BACKOFF_MAX_NS (30 * NS_PER_S)
#define BACKOFF_RESET_NS                                                                           \
    (120 * NS_PER_S) /* a session that lasted so long starts over with the shortest pause */
#define WATCH_SHORT_NS                                                                             \
    NS_PER_S /* a watch that ends sooner without an event is a failure, lest we spin */
#define FRAME_MAX ((size_t)8 << 20) /* one watch event: twice the largest object */
#define LIST_TIMEOUT_NS (60 * NS_PER_S)
#define WATCH_TIMEOUT_MIN_S                                                                        \
    300 /* remote watches end by themselves, so that a dead peer is noticed */

static void informer_list(struct informer *i);
static void informer_watch(struct informer *i);

/* ---- handlers ---- */

static void informer_dispose(struct informer *i);

static bool informer_leave(struct informer *i)
{
    if (--i->depth || !i->freed)
        return i->freed;
    informer_dispose(i);
    return true;
}

static void tell(struct informer *i, const struct obj *obj, const struct obj *prev)
{
    struct handler *h;

    i->depth++;
    LIST_EACH(h, &i->handlers, link) {
        if (i->freed)
            break;
        if (h->live)
            h->h.changed(h->ctx, obj, prev);
    }
    i->depth--;
}

static void tell_synced(struct informer *i)
{
    struct handler *h;

    i->depth++;
    LIST_EACH(h, &i->handlers, link) {
        if (i->freed)
            break;
        if (h->live && h->h.synced)
            h->h.synced(h->ctx);
    }
    i->depth--;
}

/* The revision moved without an object: by a bookmark, or at the end of a list. */
static void tell_progress(struct informer *i)
{
    struct handler *h;

    i->depth++;
    LIST_EACH(h, &i->handlers, link) {
        if (i->freed)
            break;
        if (h->live && h->h.progressed)
            h->h.progressed(h->ctx);
    }
    i->depth--;
}

static void handler_replay(void *ctx)
{
    struct handler *h = ctx;
    struct informer *i = h->informer;

    if (!i) {
        mem_free(h);
        return;
    }
    h->live = true;
    i->depth++;
    for (const struct tree_node *n = tree_first_from(i->objects, S("")); n && !i->freed;
         n = tree_next(n))
        h->h.changed(h->ctx, ((struct cached *)tree_value(n))->obj, NULL);
    if (i->synced && !i->freed && h->h.synced)
        h->h.synced(h->ctx);
    informer_leave(i);
}

void informer_add_handler(struct informer *i, const struct informer_handler *h, void *ctx)
{
    struct handler *e = NEW(struct handler);

    e->informer = i;
    e->h = *h;
    e->ctx = ctx;
    list_add_tail(&i->handlers, &e->link);
    if (i->started)
        loop_defer(i->loop, handler_replay, e);
    else
        e->live = true; /* nothing is there yet */
}

/* ---- objects in and out ---- */

static void cached_drop(struct informer *i, struct cached *c, str key)
{
    const struct obj *prev = c->obj;

    informer_index_remove(i, c);
    tree_del(i->objects, key);
    mem_free(c);
    tell(i, NULL, prev);
    obj_unref(prev);
}

static void cache_key(struct arena *a, str ns, str name, str *ret)
{
    char *p = arena_alloc(a, ns.n + name.n + 1);

    memcpy(p, ns.p ? ns.p : "", ns.n);
    p[ns.n] = '\0';
    memcpy(p + ns.n + 1, name.p, name.n);
    *ret = (str){p, ns.n + 1 + name.n};
}

struct event { /* one object of a list or of a watch event, taken apart */
    str key, ns, name, uid, data;
    int64_t revision;
    struct json *tree;        /* NULL: nobody asks for it */
    const struct obj *shared; /* the store's, borrowed; NULL: it came as text */
};

/* One storage may serve two groups; only where the place is the same can the store's object stand in the cache. */
static bool is_same_place(const struct informer *i, const struct event *e)
{
    return e->shared && str_eq(e->shared->key.resource, str_of(i->resource));
}

static bool reduces(const struct informer *i, const struct event *e)
{
    return i->o.reduce && !(i->o.reduce_optional && is_same_place(i, e));
}

static bool needs_tree(const struct informer *i, const struct event *e)
{
    return i->o.pack || i->o.index || reduces(i, e);
}

static struct err *event_read(struct informer *i, str object, str api_version, str kind,
                              struct event *ret)
{
    static const struct json_limits limits = {.depth = JSON_DEPTH_MAX, .size = FRAME_MAX};
    struct buf text = BUF_INIT;
    struct err *err;
    str rv;

    raw_object_for_cache(&text, object, api_version, kind);
    ret->shared = NULL;
    ret->data = arena_dup(i->arena, buf_view(&text));
    buf_fini(&text);
    err = json_parse(i->arena, ret->data, &limits, NULL, &ret->tree);
    if (err)
        return err;
    ret->ns = json_get_str(ret->tree, "metadata.namespace");
    ret->name = json_get_str(ret->tree, "metadata.name");
    ret->uid = json_get_str(ret->tree, "metadata.uid");
    rv = json_get_str(ret->tree, "metadata.resourceVersion");
    if (!str_to_int64(rv, &ret->revision))
        return err_new(REASON_INTERNAL, "an object without a resourceVersion");
    cache_key(i->arena, ret->ns, ret->name, &ret->key);
    return NULL;
}

static void event_shared(struct informer *i, const struct obj *o, struct event *ret)
{
    *ret = (struct event){.ns = o->key.ns,
                          .name = o->key.name,
                          .uid = o->uid,
                          .data = o->data,
                          .revision = o->revision,
                          .shared = o};
    cache_key(i->arena, o->key.ns, o->key.name, &ret->key);
}

static void pack_labels(const struct event *e, struct buf *out)
{
    if (e->shared)
        buf_str(out, e->shared->labels);
    else
        JSON_EACH_MEMBER(m, json_path(e->tree, "metadata.labels")) {
            buf_str(out, m->key);
            buf_char(out, '\0');
            buf_str(out, json_str(&m->value));
            buf_char(out, '\0');
        }
}

/* What the cache keeps of an event's object. */
static const struct obj *event_obj(struct informer *i, const struct event *e)
{
    CLEANUP(buf) struct buf labels = BUF_INIT, fields = BUF_INIT, reduced = BUF_INIT;
    bool same_place = is_same_place(i, e);
    str data = e->data;

    if (same_place && !i->o.pack && !reduces(i, e))
        return obj_ref(e->shared);
    if (i->o.pack)
        i->o.pack(e->tree, &fields);
    if (same_place && !reduces(i, e))
        return obj_new_over(e->shared, buf_view(&fields));
    if (reduces(i, e)) {
        i->o.reduce(e->tree, &reduced);
        data = buf_view(&reduced);
    }
    pack_labels(e, &labels);
    return obj_new((struct key){str_of(i->resource), e->ns, e->name}, e->revision, e->uid, data,
                   buf_view(&labels), buf_view(&fields));
}

static void cache_put(struct informer *i, struct event *e)
{
    struct cached *c = tree_find(i->objects, e->key);
    const struct obj *prev = NULL;

    if (c && c->obj->revision >= e->revision) {
        c->round = i->round; /* a list that is no newer than the watch was, or an event repeated */
        return;
    }
    if (e->shared && needs_tree(i, e)) {
        static const str managed_fields = STR("managedFields");
        struct json_limits limits = {.size = FRAME_MAX,
                                     .leave_out = i->o.unread ? i->o.unread : &managed_fields,
                                     .n_leave_out = i->o.unread ? i->o.n_unread : 1};
        struct err *err = json_parse(i->arena, e->data, &limits, NULL, &e->tree);

        BUG_ON(err); /* the store's own bytes */
    }
    if (c) {
        prev = c->obj;
        informer_index_remove(i, c);
    } else {
        c = NEW(struct cached);
        tree_put(i->objects, e->key, c);
    }
    c->obj = event_obj(i, e);
    c->round = i->round;
    informer_index_add(i, c, e->tree);
    tell(i, c->obj, prev);
    obj_unref(prev);
}

/* ---- sessions: list, watch, pause ---- */

static void retry_now(void *ctx)
{
    struct informer *i = ctx;

    if (i->revision && !i->relist)
        informer_watch(i);
    else
        informer_list(i);
}

static void session_failed(struct informer *i)
{
    int64_t pause;

    i->watching = false;
    if (loop_now(i->loop).ns - i->session_start.ns > BACKOFF_RESET_NS)
        i->backoff_ns = 0;
    i->backoff_ns = i->backoff_ns ? MIN(i->backoff_ns * 2, BACKOFF_MAX_NS) : BACKOFF_MIN_NS;
    pause = i->backoff_ns + (int64_t)(loop_random_u64(i->loop) % (uint64_t)i->backoff_ns);
    loop_timer_set(i->retry, MIN(pause, BACKOFF_MAX_NS));
}

static void informer_path(struct informer *i, struct buf *b)
{
    buf_api_path(b, str_of(i->group), str_of(i->version), str_of(i->plural), str_of(i->ns),
                 STR_NONE, STR_NONE);
    buf_char(b, '?');
    if (*i->labels) {
        buf_z(b, "labelSelector=");
        http_percent_encode(b, str_of(i->labels));
        buf_char(b, '&');
    }
    if (*i->fields) {
        buf_z(b, "fieldSelector=");
        http_percent_encode(b, str_of(i->fields));
        buf_char(b, '&');
    }
}

static struct err *list_items(struct informer *i, str body)
{
    str items = raw_find(body, "items"), api_version = raw_string(raw_find(body, "apiVersion"));
    str kind = raw_string(raw_find(body, "kind")),
        rv = raw_string(raw_find(raw_find(body, "metadata"), "resourceVersion"));
    struct raw_iter it;
    int64_t revision;
    str item;

    if (!str_to_int64(rv, &revision))
        return err_new(REASON_INTERNAL, "a list without a resourceVersion");
    if (str_has_suffix(kind, S("List")))
        kind.n -= 4;
    if (raw_array(items, &it)) {
        while (!i->freed && raw_item(&it, &item)) {
            struct event e;
            struct err *err;

            arena_reset(i->arena);
            err = event_read(i, item, api_version, kind, &e);
            if (err)
                return err;
            cache_put(i, &e);
        }
        if (it.at == SIZE_MAX)
            return err_new(REASON_INTERNAL, "a list that is cut off");
    }
    i->revision = revision;
    return NULL;
}

/* What the new list has not mentioned has gone while nobody watched. */
static void list_sweep(struct informer *i)
{
    const struct tree_node *n, *next;

    for (n = tree_first_from(i->objects, S("")); n && !i->freed; n = next) {
        struct cached *c = tree_value(n);

        next = tree_next(n);
        if (c->round != i->round) {
            CLEANUP(buf) struct buf key = BUF_INIT;

            buf_str(&key, tree_key(n));
            cached_drop(i, c, buf_view(&key));
        }
    }
}

static void list_done(void *ctx, struct err *err, int status, str body)
{
    struct informer *i = ctx;
    bool first = !i->synced;

    i->call = NULL;
    i->depth++;
    if (!err)
        err = list_items(i, body);
    if (err) {
        if (!i->freed) {
            log_warning("informer", "list of %s: %s", i->resource, err_text(err));
            session_failed(i);
        }
        err_free(err);
        informer_leave(i);
        return;
    }
    list_sweep(i);
    if (!i->freed) {
        i->relist = false;
        i->synced = true;
        if (first)
            tell_synced(i);
        else
            tell_progress(i);
    }
    if (!informer_leave(i))
        informer_watch(i);
}

/* The same as a stream, from a server that shares its objects. */
static void take_object(struct informer *i, const struct obj *o, bool deleted)
{
    struct event e;

    arena_reset(i->arena);
    event_shared(i, o, &e);
    if (deleted) {
        struct cached *c = tree_find(i->objects, e.key);

        if (c)
            cached_drop(i, c, e.key);
    } else {
        cache_put(i, &e);
    }
}

static void list_object(void *ctx, const struct obj *o, bool deleted)
{
    struct informer *i = ctx;

    i->depth++;
    take_object(i, o, deleted);
    informer_leave(i);
}

static void list_rest(void *ctx, const char *p, size_t n)
{
    buf_add(&((struct informer *)ctx)->frame, p, n);
}

static void list_shared_done(void *ctx, struct err *err)
{
    struct informer *i = ctx;
    CLEANUP(buf) struct buf rest = i->frame;

    i->frame = BUF_INIT;
    list_done(i, err, 200, buf_view(&rest));
}

static void informer_list(struct informer *i)
{
    static const struct client_stream_events shared = {
        .data = list_rest, .object = list_object, .done = list_shared_done};
    CLEANUP(buf) struct buf path = BUF_INIT;
    struct client_request request = {.method = "GET", .timeout_ns = LIST_TIMEOUT_NS};

    i->session_start = loop_now(i->loop);
    i->round++;
    informer_path(i, &path);
    buf_z(&path, "resourceVersion=");
    request.path = buf_view(&path);
    if (i->o.metadata_only)
        request.accept =
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
    if (i->client->in_process)
        i->call = client_stream_request(i->client, &request, &shared, i);
    else
        i->call = client_do(i->client, &request, list_done, i);
}

static void watch_error(struct informer *i, str object)
{
    int64_t code = 0;
    struct err *err;

    str_to_int64(raw_find(object, "code"), &code);
    err = client_status_err((int)(code ? code : 500), object);
    if (err->code == 410)
        i->relist = true;
    else
        log_warning("informer", "watch of %s: %s", i->resource, err_text(err));
    err_free(err);
}

/* false: the frame makes no sense. */
static bool watch_frame(struct informer *i, str frame)
{
    str type = raw_string(raw_find(frame, "type")), object = raw_find(frame, "object");
    struct event e;
    struct err *err;

    if (str_is(type, "ERROR")) {
        watch_error(i, object);
        return true;
    }
    arena_reset(i->arena);
    if (str_is(type, "BOOKMARK")) {
        int64_t revision;
        str rv = raw_string(raw_find(raw_find(object, "metadata"), "resourceVersion"));

        if (str_to_int64(rv, &revision) && revision > i->revision) {
            i->revision = revision;
            tell_progress(i);
        }
        return true;
    }
    err = event_read(i, object, STR_NONE, STR_NONE, &e);
    if (err) {
        log_warning("informer", "watch of %s: %s", i->resource, err_text(err));
        err_free(err);
        return false;
    }
    i->saw_event = true;
    i->revision = MAX(i->revision, e.revision);
    if (str_is(type, "DELETED")) {
        struct cached *c = tree_find(i->objects, e.key);

        if (c)
            cached_drop(i, c, e.key);
    } else {
        cache_put(i, &e);
    }
    return true;
}

static void watch_object(void *ctx, const struct obj *o, bool deleted)
{
    struct informer *i = ctx;

    i->saw_event = true;
    i->revision = MAX(i->revision, o->revision);
    i->depth++;
    take_object(i, o, deleted);
    informer_leave(i);
}

static void watch_data(void *ctx, const char *p, size_t n)
{
    struct informer *i = ctx;
    bool sane = true;

    i->depth++;
    while (n && sane && !i->freed) {
        const char *end = memchr(p, '\n', n);
        size_t take = end ? (size_t)(end - p) : n;

        if (i->frame.n + take > FRAME_MAX) {
            log_warning("informer", "watch of %s: an event larger than %zu bytes", i->resource,
                        FRAME_MAX);
            i->relist = true;
            sane = false;
            break;
        }
        if (!end) {
            buf_add(&i->frame, p, n);
            break;
        }
        if (i->frame.n) {
            buf_add(&i->frame, p, take);
            sane = watch_frame(i, buf_view(&i->frame));
            buf_clear(&i->frame);
        } else if (take) {
            sane = watch_frame(i, (str){p, take});
        }
        p = end + 1;
        n -= take + 1;
    }
    if (!sane && !i->freed && i->call) {
        client_cancel(TAKE(i->call));
        session_failed(i);
    }
    informer_leave(i);
}

static void watch_done(void *ctx, struct err *err)
{
    struct informer *i = ctx;
    bool was_short = loop_now(i->loop).ns - i->session_start.ns < WATCH_SHORT_NS && !i->saw_event;

    i->call = NULL;
    buf_clear(&i->frame);
    if (err) {
        if (err->code == 410)
            i->relist = true;
        else
            log_debug("informer", "watch of %s: %s", i->resource, err_text(err));
        if (i->relist && !was_short)
            informer_list(i);
        else
            session_failed(i);
        err_free(err);
        return;
    }
    if (was_short)
        session_failed(i);
    else if (i->relist)
        informer_list(i);
    else
        informer_watch(i);
}

static void informer_watch(struct informer *i)
{
    static const struct client_stream_events events = {
        .data = watch_data, .object = watch_object, .done = watch_done};
    CLEANUP(buf) struct buf path = BUF_INIT;

    i->session_start = loop_now(i->loop);
    i->saw_event = false;
    i->watching = true;
    informer_path(i, &path);
    buf_fmt(&path, "watch=true&allowWatchBookmarks=true&resourceVersion=%" PRId64, i->revision);
    if (!i->client->in_process)
        buf_fmt(&path, "&timeoutSeconds=%d",
                WATCH_TIMEOUT_MIN_S + (int)(loop_random_u64(i->loop) % WATCH_TIMEOUT_MIN_S));
    i->call = client_stream_request(
        i->client,
        &(struct client_request){
            .method = "GET",
            .path = buf_view(&path),
            .accept = i->o.metadata_only
                          ? "application/"
                            "json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
                          : NULL},
        &events, i);
}

/* ---- the public face ---- */

struct informer *informer_new(struct client *c, const struct informer_options *o)
{
    struct informer *i = NEW(struct informer);
    CLEANUP(buf) struct buf resource = BUF_INIT;

    buf_str(&resource, o->plural);
    if (o->group.n) {
        buf_char(&resource, '.');
        buf_str(&resource, o->group);
    }
    i->client = c;
    i->loop = client_loop(c);
    i->o = *o;
    i->group = str_dupz(o->group);
    i->version = str_dupz(o->version);
    i->plural = str_dupz(o->plural);
    i->ns = str_dupz(o->ns);
    i->labels = str_dupz(o->label_selector);
    i->fields = str_dupz(o->field_selector);
    i->resource = mem_strdup(buf_cstr(&resource));
    i->objects = tree_new();
    map_init(&i->buckets);
    list_init(&i->handlers);
    i->arena = arena_new();
    i->frame = BUF_INIT;
    i->retry = loop_timer_new(i->loop, retry_now, i);
    return i;
}

void informer_start(struct informer *i)
{
    BUG_ON(i->started);
    i->started = true;
    informer_list(i);
}

static void informer_dispose(struct informer *i)
{
    struct handler *h, *tmp;

    for (const struct tree_node *n = tree_first_from(i->objects, S("")); n; n = tree_next(n)) {
        struct cached *c = tree_value(n);

        obj_unref(c->obj);
        mem_free(c->places);
        mem_free(c);
    }
    tree_free(i->objects);
    informer_index_fini(i);
    LIST_EACH_SAFE(h, tmp, &i->handlers, link) {
        if (h->live)
            mem_free(h);
        else
            h->informer = NULL; /* its replay is still to come and frees it */
    }
    arena_free(i->arena);
    buf_fini(&i->frame);
    mem_free(i->group);
    mem_free(i->version);
    mem_free(i->plural);
    mem_free(i->ns);
    mem_free(i->labels);
    mem_free(i->fields);
    mem_free(i->resource);
    mem_free(i);
}

void informer_free(struct informer *i)
{
    if (!i || i->freed)
        return;
    i->freed = true;
    client_cancel(TAKE(i->call));
    loop_timer_free(TAKE(i->retry));
    if (!i->depth)
        informer_dispose(i);
}

bool informer_is_synced(const struct informer *i)
{
    return i->synced;
}

const struct obj *informer_find(const struct informer *i, str ns, str name)
{
    char fixed[512];
    CLEANUP(buf) struct buf key = BUF_INIT;
    struct cached *c;

    if (ns.n + name.n + 1 <= sizeof fixed) {
        memcpy(fixed, ns.p ? ns.p : "", ns.n);
        fixed[ns.n] = '\0';
        memcpy(fixed + ns.n + 1, name.p ? name.p : "", name.n);
        c = tree_find(i->objects, (str){fixed, ns.n + 1 + name.n});
    } else {
        buf_str(&key, ns);
        buf_char(&key, '\0');
        buf_str(&key, name);
        c = tree_find(i->objects, buf_view(&key));
    }
    return c ? c->obj : NULL;
}

int64_t informer_revision(const struct informer *i)
{
    return i->revision;
}

void informer_put(struct informer *i, str object)
{
    struct event e;
    struct err *err;

    arena_reset(i->arena);
    err = event_read(i, object, STR_NONE, STR_NONE, &e);
    BUG_ON(err);
    i->revision = MAX(i->revision, e.revision);
    i->depth++;
    cache_put(i, &e);
    informer_leave(i);
}

void informer_drop(struct informer *i, str ns, str name)
{
    struct cached *c;
    str key;

    arena_reset(i->arena);
    cache_key(i->arena, ns, name, &key);
    c = tree_find(i->objects, key);
    i->depth++;
    if (c)
        cached_drop(i, c, key);
    informer_leave(i);
}

size_t informer_count(const struct informer *i)
{
    return tree_count(i->objects);
}

void informer_each(const struct informer *i, str ns, informer_each_fn *fn, void *ctx)
{
    CLEANUP(buf) struct buf from = BUF_INIT;

    if (ns.n) {
        buf_str(&from, ns);
        buf_char(&from, '\0');
    }
    for (const struct tree_node *n = tree_first_from(i->objects, buf_view(&from)); n;
         n = tree_next(n)) {
        const struct obj *o = ((struct cached *)tree_value(n))->obj;

        if ((ns.n && !str_eq(o->key.ns, ns)) || !fn(ctx, o))
            return;
    }
}
