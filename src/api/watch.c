/* watch.c - one write in, one frame out for each watcher it concerns.
 *
 * Invariants
 *   (1) A watcher sees revisions in strictly increasing order, none twice, none left out (the
 * store's promise). (2) A version is framed once per event type and media type, in the event's
 * frame cache; watchers share the bytes. (3) What waits to be sent is bounded. A watcher that falls
 * behind is ended, and its client resumes or lists again: a lost connection is within the contract,
 * a lost event is not. (4) Initial events are written as the connection takes them; live events are
 * asked of the store from the revision of the initial list once that is out, so nothing is buffered
 * twice. (5) Where a webhook has to convert objects, events wait for it in a queue of their own,
 * which is bounded like what waits to be sent; their order stays. API:
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes */
#include "api/api_internal.h"
#include "api/authn.h"
#include "api/conversion.h"

#define BOOKMARK_PERIOD_NS (60 * NS_PER_S)
#define TIMEOUT_MIN_S                                                                              \
    1800 /* without timeoutSeconds: between this and twice this, as Kubernetes   \
                            */

enum seen { SEEN_NOTHING, SEEN_ADDED, SEEN_MODIFIED, SEEN_DELETED };
static const char *const seen_names[] = {"", "ADDED", "MODIFIED", "DELETED"};

/* What a watcher sees depends on whether its selector matched before and after the write, not on
 * what the writer did. */
static const enum seen seen_as[2][2] = {
    [false] = {SEEN_NOTHING, SEEN_ADDED},
    [true] = {SEEN_DELETED, SEEN_MODIFIED},
};

struct late { /* an event that waits for a conversion */
    struct list link;
    enum seen seen;
    int64_t revision;
    size_t n;
    char data[];
};

struct watcher {
    struct list link;
    struct req *q;
    const struct kind *kind;
    struct list_options o;
    struct store_watch *watch;
    struct loop_timer *timeout, *bookmark;
    str name; /* old style watch of one object; empty: all */
    const struct obj **initial;
    size_t n_initial, at, cap;
    int64_t from, seen_revision, sent_revision;
    bool initial_bookmark, plain, protobuf, shares, columns_sent, closing;
    bool messages; /* each event is a WebSocket message of its own, and so needs no length */
    bool converts, converting; /* by webhook; now */
    struct list late;
    size_t late_bytes;
};

static void late_free(struct watcher *w, struct late *l)
{
    list_del(&l->link);
    w->late_bytes -= l->n;
    mem_free(l);
}

static void watcher_end(struct watcher *w)
{
    struct http_exchange *ex = w->q->ex;

    conversions_cancel(w->q);
    while (!list_is_empty(&w->late))
        late_free(w, LIST_ITEM(w->late.next, struct late, link));
    list_del(&w->link);
    if (w->watch)
        store_watch_close(w->watch);
    loop_timer_free(w->timeout);
    loop_timer_free(w->bookmark);
    for (size_t i = w->at; i < w->n_initial; i++)
        obj_unref(w->initial[i]);
    http_end(ex);
}

static void end_later(void *ctx)
{
    watcher_end(ctx);
}

/* Ends the watch outside of the callback that noticed. */
static void watcher_end_soon(struct watcher *w)
{
    if (w->closing)
        return;
    w->closing = true;
    if (w->watch) {
        store_watch_close(w->watch);
        w->watch = NULL;
    }
    loop_defer(w->q->api->loop, end_later, w);
}

static void watcher_gone(void *user, struct http_exchange *ex)
{
    struct watcher *w = user;

    (void)ex;
    watcher_end_soon(w);
}

static void watcher_timeout(void *ctx)
{
    watcher_end_soon(ctx);
}

/* ---- frames ---- */

static void put_u32(struct buf *b, size_t at, uint32_t v)
{
    b->p[at] = (char)(v >> 24);
    b->p[at + 1] = (char)(v >> 16);
    b->p[at + 2] = (char)(v >> 8);
    b->p[at + 3] = (char)v;
}

/* WatchEvent in protobuf: length, then {type, object: {raw: envelope of the object}}. The event itself has no envelope: clients read
 * it with the serializer of streams, which is a bare one. */
static void varint(struct buf *b, uint64_t v)
{
    while (v >= 0x80) {
        buf_char(b, (char)(v | 0x80));
        v >>= 7;
    }
    buf_char(b, (char)v);
}

static void tagged(struct buf *b, int field, str v)
{
    buf_char(b, (char)(field << 3 | 2));
    varint(b, v.n);
    buf_str(b, v);
}

static void frame_protobuf(struct buf *b, const char *type, str envelope)
{
    CLEANUP(buf) struct buf raw = BUF_INIT;
    size_t at = b->n;

    tagged(&raw, 1, envelope);
    buf_add(b, "\0\0\0\0", 4);
    tagged(b, 1, str_of(type));
    tagged(b, 2, buf_view(&raw));
    put_u32(b, at, (uint32_t)(b->n - at - 4));
}

static void frame_json(struct buf *b, const char *type, str object)
{
    buf_fmt(b, "{\"type\":\"%s\",\"object\":", type);
    buf_str(b, object);
    buf_z(b, "}\n");
}

/* A tree in the watcher's media type. */
static void frame_tree(struct watcher *w, struct buf *b, const char *type,
                       const struct schema_type *t, struct json *v)
{
    struct buf body = BUF_INIT;

    if (w->protobuf && t) {
        proto_encode_envelope(&body, t, v);
        frame_protobuf(b, type, buf_view(&body));
    } else {
        json_encode(&body, v);
        frame_json(b, type, buf_view(&body));
    }
    buf_fini(&body);
}

/* Every form but plain stored bytes: made per watcher in an arena of its own, since the request's
 * lives as long as the watch. */
static void frame_other(struct watcher *w, struct buf *b, const char *type, str data)
{
    struct req q = *w->q;
    struct buf body = BUF_INIT;
    struct json *v;
    struct err *e = NULL;

    q.a = arena_new();
    if (object_form(&body, &q, w->kind, data, q.a)) {
        if (w->protobuf)
            frame_protobuf(b, type, buf_view(&body));
        else
            frame_json(b, type, buf_view(&body));
        buf_fini(&body);
        arena_free(q.a);
        return;
    }
    v = object_parse(q.a, data);
    if (q.accept.as == AS_OBJECT || (q.accept.as == AS_TABLE && w->kind->r->custom))
        e = object_to_served(&q, q.a, w->kind, v);
    if (e) {
        err_free(e);
    } else if (q.accept.as == AS_TABLE) {
        struct json *table = table_make(&q, w->kind, &v, 1, meta_str(v, "resourceVersion"), S(""),
                                        -1, !w->columns_sent);

        w->columns_sent = true;
        frame_tree(w, b, type, NULL, table);
    } else if (q.accept.as == AS_PARTIAL)
        frame_tree(w, b, type,
                   schema_find_gvk(S("meta.k8s.io"), S("v1"), S("PartialObjectMetadata")),
                   partial_make(&q, v));
    else
        frame_tree(w, b, type, w->kind->r->type, v);
    arena_free(q.a);
}

static void send_frame(struct watcher *w, str frame)
{
    http_write(w->q->ex, w->messages && w->protobuf ? str_skip(frame, 4) : frame);
}

static void send_object(struct watcher *w, enum seen seen, str data)
{
    struct buf b = BUF_INIT;

    if (w->plain)
        frame_json(&b, seen_names[seen], data);
    else
        frame_other(w, &b, seen_names[seen], data);
    send_frame(w, buf_view(&b));
    buf_fini(&b);
}

/* The frame that all plain watchers of this event share. */
static void send_shared(struct watcher *w, enum seen seen, const struct store_event *e)
{
    size_t slot = (size_t)(seen - SEEN_ADDED) + (w->protobuf ? 3 : 0);

    _Static_assert(STORE_FRAME_SLOTS >= 6, "three event types in two media types");
    if (!e->frame_cache) {
        send_object(w, seen, e->obj->data);
        return;
    }
    if (!e->frame_cache[slot]) {
        struct buf b = BUF_INIT;

        if (w->plain)
            frame_json(&b, seen_names[seen], e->obj->data);
        else
            frame_other(w, &b, seen_names[seen], e->obj->data);
        e->frame_cache[slot] = bytes_new(buf_view(&b));
        buf_fini(&b);
    }
    if (w->messages)
        send_frame(w, bytes_str(e->frame_cache[slot]));
    else
        http_write_bytes(w->q->ex, e->frame_cache[slot]);
}

static void send_bookmark(struct watcher *w, bool initial_end)
{
    struct arena *a = arena_new();
    struct json v = json_object(), *meta;
    struct buf b = BUF_INIT;
    const struct schema_type *t = w->kind->r->type;
    struct err *e;

    json_setz(a, &v, "kind", json_string(w->kind->r->kind));
    json_setz(a, &v, "apiVersion", json_string(w->kind->api_version));
    meta = json_setz(a, &v, "metadata", json_object());
    json_setz(a, meta, "resourceVersion",
              json_string(arena_fmt(a, "%lld", (long long)w->seen_revision)));
    if (initial_end) {
        struct json *ann = json_setz(a, meta, "annotations", json_object());

        json_setz(a, ann, "k8s.io/initial-events-end", json_z("true"));
    }
    if (w->q->accept.as == AS_OBJECT) {
        e = schema_decode(a, t, &v, NULL);
        err_free(e);
        frame_tree(w, &b, "BOOKMARK", t, &v);
    } else if (w->q->accept.as == AS_TABLE) {
        struct req q = *w->q;
        struct json *one = &v, *table;

        q.a = a;
        table = table_make(&q, w->kind, &one, 0, json_str(json_findz(meta, "resourceVersion")),
                           S(""), -1, !w->columns_sent);
        frame_tree(w, &b, "BOOKMARK", NULL, table);
    } else {
        json_setz(a, &v, "kind", json_z("PartialObjectMetadata"));
        json_setz(
            a, &v, "apiVersion",
            json_string(arena_fmt(a, "meta.k8s.io/" PRI_STR, STR_ARG(w->q->accept.as_version))));
        frame_tree(w, &b, "BOOKMARK",
                   schema_find_gvk(S("meta.k8s.io"), S("v1"), S("PartialObjectMetadata")), &v);
    }
    send_frame(w, buf_view(&b));
    buf_fini(&b);
    arena_free(a);
    w->sent_revision = w->seen_revision;
}

static void send_error(struct watcher *w, struct err *e)
{
    struct buf status = BUF_INIT, b = BUF_INIT;

    buf_status(&status, e);
    if (w->protobuf) {
        struct arena *a = arena_new();
        struct json *v = object_parse(a, arena_dup(a, buf_view(&status)));

        frame_tree(w, &b, "ERROR", schema_find_gvk(S(""), S("v1"), S("Status")), v);
        arena_free(a);
    } else
        frame_json(&b, "ERROR", buf_view(&status));
    send_frame(w, buf_view(&b));
    buf_fini(&status);
    buf_fini(&b);
    err_free(e);
}

/* ---- events ---- */

static bool concerns(const struct watcher *w, const struct obj *o)
{
    if (w->name.n && !str_eq(o->key.name, w->name))
        return false;
    return object_matches(o, w->o.has_labels ? &w->o.labels : NULL,
                          w->o.has_fields ? &w->o.fields : NULL);
}

static void bookmark_due(void *ctx)
{
    struct watcher *w = ctx;

    if (w->converting)
        loop_timer_set(w->bookmark, BOOKMARK_PERIOD_NS); /* events before it are on their way */
    else if (!w->closing && w->seen_revision > w->sent_revision)
        send_bookmark(w, false);
}

/* A timer only while there is something to tell: an idle watch costs nothing. */
static void note_revision(struct watcher *w, int64_t revision)
{
    if (revision > w->seen_revision)
        w->seen_revision = revision;
    if (w->o.bookmarks && !loop_timer_is_set(w->bookmark))
        loop_timer_set(w->bookmark, BOOKMARK_PERIOD_NS);
}

/* ---- events that a webhook has to convert first ---- */

static bool is_missing(struct watcher *w, const struct late *l)
{
    struct arena *a = arena_new();
    struct err *e = NULL;
    bool missing;

    if (convert_needed(w->kind, (str){l->data, l->n}))
        e = convert(w->q, a, w->kind, w->kind->api_version, object_parse(a, (str){l->data, l->n}));
    missing = conversions_missing(w->q, e);
    err_free(e);
    arena_free(a);
    return missing;
}

static void late_flush(struct watcher *w);

static void late_converted(void *ctx, struct err *e)
{
    struct watcher *w = ctx;

    w->converting = false;
    if (e) {
        send_error(w, e);
        watcher_end_soon(w);
        return;
    }
    late_flush(w);
}

static void late_flush(struct watcher *w)
{
    struct late *l;
    bool any = false;

    while (!list_is_empty(&w->late) && !w->closing) {
        l = LIST_ITEM(w->late.next, struct late, link);
        if (is_missing(w, l))
            break;
        send_object(w, l->seen, (str){l->data, l->n});
        w->sent_revision = l->revision;
        late_free(w, l);
    }
    if (w->closing)
        return;
    LIST_EACH(l, &w->late, link)
        any |= is_missing(w, l);
    if (any) {
        w->converting = true;
        conversions_ask(w->q, late_converted, w);
    } else
        conversions_forget(w->q);
}

static void late_push(struct watcher *w, enum seen seen, str data, int64_t revision)
{
    struct late *l;

    if (w->late_bytes + data.n > API_WATCH_QUEUE_MAX) {
        watcher_end_soon(w);
        return;
    }
    l = mem_alloc(sizeof *l + data.n);
    l->seen = seen;
    l->revision = revision;
    l->n = data.n;
    memcpy(l->data, data.p, data.n);
    w->late_bytes += data.n;
    list_add_tail(&w->late, &l->link);
    if (!w->converting)
        late_flush(w);
}

static bool waits(const struct watcher *w, str data)
{
    return w->converts && (!list_is_empty(&w->late) || convert_needed(w->kind, data));
}

static void on_event(void *ctx, const struct store_event *e)
{
    struct watcher *w = ctx;
    bool before = e->prev && concerns(w, e->prev),
         after = e->type != STORE_DELETED && concerns(w, e->obj);
    enum seen seen = seen_as[before][after];

    if (w->closing)
        return;
    w->seen_revision = e->obj->revision;
    if (seen == SEEN_NOTHING)
        return;
    if (http_queued(w->q->ex) > API_WATCH_QUEUE_MAX) {
        watcher_end_soon(w); /* invariant (3) */
        return;
    }
    if (w->shares) {
        http_share(w->q->ex, e->obj, seen == SEEN_DELETED);
    } else if (seen == SEEN_DELETED && e->type != STORE_DELETED) {
        /* It left the selection: its last matching content, at this event's revision. */
        struct arena *a = arena_new();
        str data = object_with_revision(a, e->prev->data, e->prev->revision, e->obj->revision);

        if (waits(w, data))
            late_push(w, seen, data, e->obj->revision);
        else
            send_object(w, seen, data);
        arena_free(a);
    } else if (waits(w, e->obj->data)) {
        late_push(w, seen, e->obj->data, e->obj->revision);
        return;
    } else if (w->q->accept.as == AS_OBJECT)
        send_shared(w, seen, e);
    else
        send_object(w, seen, e->obj->data);
    w->sent_revision = e->obj->revision;
}

static void on_progress(void *ctx, int64_t revision)
{
    struct watcher *w = ctx;

    if (!w->closing)
        note_revision(w, revision);
}

static void go_live(struct watcher *w)
{
    static const struct store_watch_events events = {.event = on_event, .progress = on_progress};
    const struct kind *k = w->kind;
    struct err *e;

    if (w->initial_bookmark) {
        w->initial_bookmark = false;
        w->seen_revision = w->from;
        send_bookmark(w, true);
    }
    e = store_watch(w->q->api->store, k->r->storage_resource,
                    k->r->namespaced ? w->q->route.ns : S(""), w->from, &events, w, &w->watch);
    if (e) {
        send_error(w, e);
        watcher_end_soon(w);
    }
}

static void send_initial(struct watcher *w);

static void initial_converted(void *ctx, struct err *e)
{
    struct watcher *w = ctx;

    w->converting = false;
    if (e) {
        send_error(w, e);
        watcher_end_soon(w);
        return;
    }
    send_initial(w);
}

/* true: the objects have to be converted first; send_initial() goes on then. */
static bool initial_waits(struct watcher *w)
{
    struct arena *a;
    bool missing = false;

    if (!w->converts || w->at || w->converting)
        return w->converting;
    a = arena_new();
    for (size_t i = 0; i < w->n_initial; i++) {
        struct err *e = NULL;

        arena_reset(a);
        if (convert_needed(w->kind, w->initial[i]->data))
            e = convert(w->q, a, w->kind, w->kind->api_version,
                        object_parse(a, w->initial[i]->data));
        missing |= conversions_missing(w->q, e);
        err_free(e);
    }
    arena_free(a);
    if (missing) {
        w->converting = true;
        conversions_ask(w->q, initial_converted, w);
    }
    return missing;
}

static void send_initial(struct watcher *w)
{
    if (initial_waits(w))
        return;
    while (w->at < w->n_initial && http_queued(w->q->ex) < HTTP_QUEUE_HIGH) {
        const struct obj *o = w->initial[w->at++];

        if (w->shares)
            http_share(w->q->ex, o, false);
        else
            send_object(w, SEEN_ADDED, o->data);
        obj_unref(o);
    }
    if (w->at == w->n_initial && !w->watch && !w->closing) {
        conversions_forget(w->q);
        go_live(w);
    }
}

static void watcher_drained(void *user, struct http_exchange *ex)
{
    struct watcher *w = user;

    (void)ex;
    if (!w->closing && !w->watch)
        send_initial(w);
}

static bool keep_initial(void *ctx, const struct obj *o)
{
    struct watcher *w = ctx;

    if (!concerns(w, o))
        return true;
    if (w->n_initial == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 32;

        w->initial =
            arena_grow(w->q->a, w->initial, w->cap * sizeof *w->initial, cap * sizeof *w->initial);
        w->cap = cap;
    }
    w->initial[w->n_initial++] = obj_ref(o);
    return true;
}

/* As golang.org/x/net/websocket answers: an origin has to be named, and one protocol or none besides the one that holds a token. */
static bool start_messages(struct watcher *w)
{
    struct req *q = w->q;
    str asked = http_header(&q->ex->req, "Sec-WebSocket-Protocol"), one, protocol = STR_NONE;
    struct http_header h = {.name = S("Sec-WebSocket-Protocol")};
    unsigned n = 0;

    while (str_cut(&asked, ',', &one))
        if (!authn_is_token_protocol(str_trim(one))) {
            protocol = str_trim(one);
            n++;
        }
    h.value = protocol;
    if (!http_header(&q->ex->req, "Origin").n)
        reply_plain_error(q, 403, S("null origin"));
    else if (n > 1)
        reply_plain_error(q, 400, S("missing or bad WebSocket-Protocol"));
    else if (!http_messages(q->ex, &h, n, !w->protobuf))
        reply_plain_error(q, 400, S("missing Sec-WebSocket-Key"));
    else
        return true;
    return false;
}

static void start_body(struct watcher *w)
{
    size_t n;
    struct http_header *h = reply_headers(
        w->q, w->protobuf ? "application/vnd.kubernetes.protobuf;stream=watch" : "application/json",
        &n, 0);

    http_start(w->q->ex, 200, h, n);
}

void verb_watch(struct req *q)
{
    struct watcher *w = ARENA_NEW(q->a, struct watcher);
    const struct kind *k = q->route.kind;
    bool legacy_start, initial;
    struct err *e;

    e = list_options_parse(q, true, &w->o);
    if (e) {
        reply_error(q, e);
        return;
    }
    w->q = q;
    w->kind = k;
    w->name = q->route.name;
    w->protobuf = q->accept.media == MEDIA_PROTOBUF;
    w->plain = !w->protobuf && q->accept.as == AS_OBJECT && k->storage == k;
    w->shares =
        q->ex->shares && q->accept.media == MEDIA_JSON && (w->plain || q->accept.as == AS_PARTIAL);
    w->messages = http_wants_websocket(&q->ex->req);
    if (w->messages && !start_messages(w))
        return;
    w->converts = k->converter && !w->shares && q->accept.as != AS_PARTIAL;
    list_init(&w->late);
    w->from = store_revision(q->api->store);
    /* No version (or "0"): begin with what there is. A version: the changes since. */
    legacy_start = !w->o.has_revision || w->o.revision == 0;
    initial = w->o.has_send_initial ? w->o.send_initial : legacy_start;
    w->initial_bookmark = initial && w->o.bookmarks && (w->o.has_send_initial || legacy_start);
    list_add_tail(&q->api->watchers, &w->link);
    w->timeout = loop_timer_new(q->api->loop, watcher_timeout, w);
    w->bookmark = loop_timer_new(q->api->loop, bookmark_due, w);
    if (!w->o.has_timeout || w->o.timeout_s <= 0)
        w->o.timeout_s = TIMEOUT_MIN_S + (int64_t)(loop_random_u64(q->api->loop) % TIMEOUT_MIN_S);
    loop_timer_set(w->timeout, w->o.timeout_s * NS_PER_S);
    q->ex->user = w;
    q->ex->on_gone = watcher_gone;
    q->ex->on_drain = watcher_drained;
    if (!w->messages)
        start_body(w);
    if (initial)
        store_each(q->api->store, k->r->storage_resource, k->r->namespaced ? q->route.ns : S(""),
                   NULL, keep_initial, w);
    else if (!legacy_start)
        w->from = w->o.revision;
    w->seen_revision = w->sent_revision = w->from;
    send_initial(w);
}

void watch_close_resource(struct api *api, str storage_resource)
{
    struct watcher *w, *next;

    LIST_EACH_SAFE(w, next, &api->watchers, link)
        if (w->kind->r->custom && str_eq(w->kind->r->storage_resource, storage_resource))
            watcher_end_soon(w);
}

void watch_close_all(struct api *api)
{
    struct watcher *w, *next;

    LIST_EACH_SAFE(w, next, &api->watchers, link)
        watcher_end_soon(w);
}
